"""What both estimators share: labels and options read, a fitted or loaded posterior kept."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length

from focalboost.estimators._posterior import HANDLED, ClassPosterior
from focalboost.losses import FocalLoss


def show_parameters(focal: Any, host: Any) -> None:
    """Let help, completion and scikit-learn see an estimator's own parameters, then its host's.

    scikit-learn prints the parameters that differ from the defaults in the signature of ``__init__``.

    Parameters
    ----------
    focal, host : classes
        Of whose ``__init__`` the first has ``**host`` for the parameters of the second.
    """
    own = list(inspect.signature(focal.__init__).parameters.values())[1:-1]
    of_host: dict[str, Parameter] = {}
    for base in reversed(host.__mro__):
        of_host |= inspect.signature(base.__init__).parameters
    # Those that have a name; whatever else the host takes comes last.
    named = [p for p in of_host.values() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    taken = {"self", *(p.name for p in own)}
    shown = [p.replace(kind=p.KEYWORD_ONLY) for p in named if p.name not in taken]
    every = [*own, *shown, Parameter("kwargs", Parameter.VAR_KEYWORD)]
    focal.__signature__ = Signature(every)
    of_self = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    focal.__init__.__signature__ = Signature([of_self, *every])


def representation(estimator: Any, n_char_max: int) -> str:
    """Return the repr of an estimator: focal_gamma, and what differs from its default."""
    defaults = inspect.signature(type(estimator)).parameters
    every = not get_config()["print_changed_only"]
    shown = {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if every
        or name == "focal_gamma"
        or name not in defaults
        or repr(value) != repr(defaults[name].default)
    }
    # scikit-learn prints all parameters of a class whose signature names none.
    members = {"get_params": lambda *_, **__: shown}
    stand_in = type(type(estimator).__name__, (BaseEstimator,), members)()
    return str(BaseEstimator.__repr__(stand_in, n_char_max))


def refuse_arguments_of_fit(fit: Any, names: Iterable[str], host: str, also: str = "") -> None:
    """Refuse names among the constructor's parameters that are arguments of ``fit``."""
    arguments = inspect.signature(fit).parameters
    for name in names:
        if name in arguments:
            instead = also if name == "eval_metric" else ""
            raise ValueError(
                f"{name} must be given to fit{instead}: {host} ignores it in the constructor"
            )


class FocalClassifier:
    """Mixin of the estimators, beside the host's classifier.

    A fitted estimator keeps a ``ClassPosterior``, which its host's classifier knows nothing about.
    """

    _class_posterior: ClassPosterior
    _several_targets = False
    get_params: Any
    population_prior: Any

    @property
    def class_posterior_(self) -> ClassPosterior:
        """The loss, the classes and the frequencies of the model; raises NotFittedError without one.

        ``population_prior`` is that of the parameter now: it needs no other fit.
        """
        self._check_fitted()
        return self._class_posterior.in_population(self.population_prior)

    @property
    def loss_(self) -> FocalLoss:
        """The loss that was trained, class weights included; its margins are log-odds."""
        return self.class_posterior_.loss

    @property
    def class_prior_(self) -> NDArray[np.float64]:
        """Weighted class frequencies of the training rows, (K,); of several targets (n_targets, 2)."""
        return self.class_posterior_.class_prior

    def _named(self) -> set[str]:
        """Return the names of the constructor's parameters, those of the host and subclasses too."""
        bases: list[Any] = [base for base in type(self).__mro__ if issubclass(base, BaseEstimator)]
        return {name for base in bases for name in base._get_param_names()}  # noqa: SLF001

    def _check_fitted(self) -> None:
        raise NotImplementedError

    def _read(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[ClassPosterior, NDArray[np.int64], dict[str, Any]]:
        """Return the posterior for the training labels, the labels as 0 .. K-1, and host parameters."""
        options = self.get_params()
        posterior, codes = ClassPosterior.of(options, y, sample_weight)
        if posterior.n_targets > 1 and not self._several_targets:
            raise ValueError(
                f"y should be a 1d array, got an array of shape {codes.shape} instead."
            )
        check_consistent_length(X, codes)
        return posterior, codes, {k: v for k, v in options.items() if k not in HANDLED}

    @contextmanager
    def _as_before_if_it_fails(self) -> Iterator[None]:
        """Take back every attribute that a failed fit has set."""
        earlier = dict(self.__dict__)
        try:
            yield
        except BaseException:  # Ctrl-C too
            self.__dict__.clear()
            self.__dict__.update(earlier)
            raise

    def _adopt_parameters(self, posterior: ClassPosterior) -> None:
        """Set the parameters of a loaded model, so that another fit trains the same loss."""
        for name, value in posterior.parameters().items():
            setattr(self, name, value)


# How far the log-odds of the class frequencies of two samples may be apart.
_SAME_FREQUENCIES = 0.1


def check_continued(name: str, before: ClassPosterior | None, posterior: ClassPosterior) -> None:
    """Refuse to continue a model that knows other classes, or frequencies that a prior does not undo.

    gamma, alpha and class weights may change: the margins are log-odds of the posterior with any.
    """
    if before is None:
        return
    if before.n_targets != posterior.n_targets:
        raise ValueError(
            f"{name} must have {posterior.n_targets} target(s) as y, got {before.n_targets}"
        )
    if before.classes.tolist() != posterior.classes.tolist():
        raise ValueError(
            f"{name} must have the classes of y, {posterior.classes.tolist()}, got "
            f"{before.classes.tolist()}"
        )
    priors = before.population_prior, posterior.population_prior
    if any(prior is not None for prior in priors):
        ratio = np.log(posterior.class_prior) - np.log(before.class_prior)
        if np.ptp(ratio) > _SAME_FREQUENCIES:
            raise ValueError(
                f"y must have about the class frequencies of {name} with population_prior, "
                f"{before.class_prior.round(4).tolist()}, got "
                f"{posterior.class_prior.round(4).tolist()}: a prior undoes one sampling, not the "
                "mixture of two; sample alike, or weigh the rows"
            )

"""FocalLGBMClassifier: LGBMClassifier that trains the focal loss and predicts the posterior."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Self, Unpack, overload

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_sample_weight

import focalboost.lightgbm as fl
from focalboost._curvature import Curvature
from focalboost._immutable import Immutable
from focalboost._lightgbm_model import (
    continued,
    grown_natively,
    header,
    native_start,
    nothing_to_split,
    read_notes,
    rewrite,
    with_notes,
)
from focalboost.estimators import _metrics
from focalboost.estimators._base import (
    FocalClassifier,
    check_continued,
    refuse_arguments_of_fit,
    representation,
    show_parameters,
)
from focalboost.estimators._parameters import LightGBMParameters
from focalboost.estimators._posterior import KEY, PARAMETERS, ClassPosterior, check_names, pairs


@dataclass(frozen=True)
class _Fitting:
    """What the two ``fit`` below tell each other, from labels as LGBMClassifier takes them to codes."""

    posterior: ClassPosterior
    intercept: NDArray[np.float64] | None
    params: dict[str, Any]  # in place of the estimator's
    valid: list[tuple[Any, NDArray[np.int64], bool]]  # X, codes, whether they are the training rows
    class_weight: Any


class _Model(lgb.LGBMModel):
    """What LGBMClassifier's ``fit`` calls with labels 0 .. K-1.

    The model is made whole here, before LGBMClassifier's ``fit`` returns, because tools that watch
    LightGBM's ``fit`` keep what they see there.
    """

    _class_posterior: ClassPosterior
    _fitting: _Fitting

    def fit(self, X: Any, y: Any, **keywords: Any) -> Self:  # type: ignore[override]
        """Train the focal loss, and write intercept and link into the model."""
        fitting = self._fitting
        valid = [(X_valid, y if same else codes) for X_valid, codes, same in fitting.valid]
        self._grow(X, y, keywords | _as_host_takes_them(valid))
        best = self.best_iteration_
        loss, notes = fitting.posterior.loss, fitting.posterior.says()
        booster = rewrite(self.booster_, loss, fitting.intercept, notes)
        booster.best_iteration = best or 0
        self.class_weight = fitting.class_weight
        self._class_posterior = fitting.posterior
        del self._fitting
        return self

    def _grow(self, X: Any, y: Any, keywords: dict[str, Any]) -> None:
        """Fit, also where ``min_child_samples`` allows no split, or there is nothing to split.

        LightGBM grows a constant with its own objectives. With a custom one it fails, unless it keeps
        the features that cannot be split, and always if all features are constant.
        """
        given = self._fitting
        tries = (
            [{}]
            if "feature_pre_filter" in self.get_params()
            else [{}, {"feature_pre_filter": False}]
        )
        for more in tries:
            self._fitting = replace(given, params=given.params | more)
            try:
                super().fit(X, y, **keywords)
                if self.booster_.params.get("objective") != "none":  # so LightGBM names a callable
                    raise RuntimeError(
                        f"this version of LightGBM ({lgb.__version__}) trained its own objective: its "
                        "fit does not ask for the parameters as known versions do"
                    )
                return
            except lgb.basic.LightGBMError as error:
                if not nothing_to_split(error) or keywords["init_model"] is not None:
                    raise
        native = native_start(given.posterior.loss)
        self._fitting = replace(given, params=given.params | native)
        n_estimators, self.n_estimators = self.n_estimators, 1
        super().fit(X, y, sample_weight=keywords["sample_weight"])
        self.n_estimators = n_estimators
        grown_natively(self.booster_)


class FocalLGBMClassifier(lgb.LGBMClassifier, _Model, FocalClassifier):
    r"""LGBMClassifier with the focal loss, and class posteriors from ``predict_proba``.

    Parameters
    ----------
    focal_gamma : float >= 0, or one per class
        0 is log loss. Tune it, with 0 among the candidates.
    focal_alpha : None, float in (0, 1), one per class, "balanced" or "effective"
        Class weights inside the loss. A float, for two classes, is Lin et al.'s: alpha on the second
        class, 1 - alpha on the first. One per class: a sequence in the order of ``classes_``, or a dict
        {label: weight}. "balanced": inverse frequencies; "effective": Cui et al. with beta = 0.999.
    focal_curvature : {"guarded", "exact"}
        What the trees are given as second derivative; see ``BinaryFocalLoss.gradient_curvature``.
    population_prior : None, float in (0, 1), or one per class
        Class frequencies of the population in which the model is used, if the training rows were over-
        or undersampled. A number is the frequency of the second of two classes in sorted order: of "ok"
        if they are "fraud" and "ok". A dict {label: frequency} names them. None: as in training. It can
        be set after ``fit``: ``set_params(population_prior=estimate_prior(...))``.
    **host
        Every parameter of lightgbm.LGBMClassifier. ``class_weight`` multiplies ``focal_alpha``.
        ``reg_lambda=1`` is recommended with very few positives.

    Attributes
    ----------
    classes_ : array of shape (K,)
    loss_ : BinaryFocalLoss or SoftmaxFocalLoss
        With class weights in its alpha.
    class_prior_ : array of shape (K,)
        Weighted class frequencies of the training rows. A class without weight counts as half a row.

    Raises
    ------
    ValueError
        At ``fit``: a single class; NaN; labels of an eval_set that were not in training;
        ``objective``, ``is_unbalance`` or ``scale_pos_weight`` set; random forests.

    Notes
    -----
    The loss has the canonical link, so margins are log-odds of the posterior: ``booster_`` predicts the
    probabilities of ``predict_proba``, here and in every program that reads the saved model, for the
    class frequencies of the training rows. ``predict_proba`` itself applies ``population_prior``.
    ``sample_weight`` is not undone: the posterior is that of the weighted rows. ``predict`` is the most
    probable class; with ``class_weight`` the class of the largest weight times probability, because the
    weights say what errors cost.

    Metrics are those of ``eval_metric`` of ``fit`` and of ``metric`` of the constructor, "focal_loss" if
    neither is given. "focal_loss", "logloss" and "error" (and the hosts' variants of those names) and
    for two classes ``"recall@0.01"``, ``"precision@100"`` and ``"recall_at_precision@0.9"`` (see
    ``focalboost.metrics``) are computed from the posterior; LightGBM computes auc, average_precision
    and auc_mu. A callable ``f(y, prediction[, weight])`` gets labels 0 .. K-1 and P(y=1), or (n, K) for
    more than two classes, and returns (name, value, higher_is_better) or a list of such tuples.

    Examples
    --------
    >>> import numpy as np
    >>> from focalboost import FocalLGBMClassifier
    >>> X = np.arange(90.0).reshape(-1, 1); y = np.where(X[:, 0] > 60, "fraud", "genuine")
    >>> classifier = FocalLGBMClassifier(n_estimators=40, verbosity=-1).fit(X, y)
    >>> classifier.predict([[0.0], [89.0]])
    array(['genuine', 'fraud'], dtype='<U7')
    >>> classifier.predict_proba([[89.0]]).round(1)
    array([[1., 0.]])
    """

    @overload  # for editors and type checkers: the parameters by name, and whatever else there is
    def __init__(
        self,
        *,
        focal_gamma: Any = ...,
        focal_alpha: Any = ...,
        focal_curvature: Curvature = ...,
        population_prior: Any = ...,
        **host: Unpack[LightGBMParameters],
    ) -> None: ...

    @overload
    def __init__(
        self,
        *,
        focal_gamma: Any = ...,
        focal_alpha: Any = ...,
        focal_curvature: Curvature = ...,
        population_prior: Any = ...,
        **host: Any,
    ) -> None: ...

    def __init__(
        self,
        *,
        focal_gamma: Any = 2.0,
        focal_alpha: Any = None,
        focal_curvature: Curvature = "guarded",
        population_prior: Any = None,
        **host: Any,
    ) -> None:
        super().__init__(**host)
        self.focal_gamma = focal_gamma
        self.focal_alpha = focal_alpha
        self.focal_curvature = focal_curvature
        self.population_prior = population_prior

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return representation(self, N_CHAR_MAX)

    def fit(  # type: ignore[override]  # no group, which is for ranking
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        init_score: Any = None,
        eval_set: Any = None,
        eval_names: list[str] | None = None,
        eval_sample_weight: Any = None,
        eval_class_weight: Any = None,
        eval_init_score: Any = None,
        eval_metric: Any = None,
        feature_name: Any = "auto",
        categorical_feature: Any = "auto",
        callbacks: list[Callable[..., Any]] | None = None,
        init_model: str | Path | lgb.Booster | lgb.LGBMModel | None = None,
        *,
        eval_X: Any = None,
        eval_y: Any = None,
    ) -> Self:
        """Fit; arguments as for LGBMClassifier, see the class for metrics.

        If ``init_score`` is given, training starts from that in place of the intercept, and it is not
        part of the model; give ``eval_init_score`` for ``eval_set`` then. ``init_model`` continues that
        model, which must know the same classes. If fitting fails, an earlier fit stays as it was.
        """
        posterior, codes, host = self._read(X, y, sample_weight)
        if init_model is not None:
            init_model = _continued(init_model, posterior)
        if any(name in host for name in ("boosting", "boost")):
            host.pop("boosting_type")  # LightGBM follows the other then
        dart = any(host.get(name) == "dart" for name in fl.ALIASES["boosting"])
        params, own = self._host(host, posterior, eval_metric)
        valid = _valid_sets(eval_set, eval_X, eval_y)
        # LightGBM knows the training rows by the identity of both objects. With DART it must not:
        # evaluating a custom metric on them leaves trees negated in the model.
        # Nor with weights of their own, which LightGBM would ignore.
        weights = _valid_weights(valid, eval_sample_weight, eval_class_weight)
        checked = []
        for i, (X_valid, y_valid) in enumerate(valid):
            own_weight = weights is not None and _at(weights, i) is not sample_weight
            known = X_valid is X and y_valid is y and not dart and not own_weight
            coded = posterior.codes(y_valid, "eval_set")
            checked.append((X_valid, coded, known))
        intercept: NDArray[np.float64] | None = None
        if init_score is None and init_model is None:
            intercept = np.atleast_1d(posterior.intercept())
            init_score = fl.constant_margins(intercept, len(codes))
            if eval_init_score is None:
                eval_init_score = [fl.constant_margins(intercept, len(y)) for _, y, _ in checked]
        with self._as_before_if_it_fails():
            self._fitting = _Fitting(posterior, intercept, params, checked, self.class_weight)
            self.class_weight = self._class_weight = None  # it is in the loss
            super().fit(
                X,
                posterior.classes[codes],
                sample_weight=sample_weight,
                init_score=init_score,
                eval_names=eval_names,
                eval_sample_weight=weights,
                eval_init_score=eval_init_score if checked else None,
                eval_metric=own,
                feature_name=feature_name,
                categorical_feature=categorical_feature,
                callbacks=callbacks,
                init_model=init_model,
            )
        return self

    def predict_proba(
        self,
        X: Any,
        raw_score: bool = False,
        start_iteration: int = 0,
        num_iteration: int | None = None,
        pred_leaf: bool = False,
        pred_contrib: bool = False,
        validate_features: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return P(class given x), (n, K), columns in the order of ``classes_``, rows summing to 1.

        ``raw_score``, ``pred_leaf`` and ``pred_contrib`` return what LGBMClassifier returns: margins,
        leaf indices, or SHAP values of the margin. LGBMClassifier would read columns by their place; a
        frame with the columns of training in another order raises ValueError.
        """
        self._check_order(X)
        as_host = raw_score or pred_leaf or pred_contrib
        result = super().predict_proba(
            X,
            raw_score=raw_score or not as_host,
            start_iteration=start_iteration,
            num_iteration=num_iteration,
            pred_leaf=pred_leaf,
            pred_contrib=pred_contrib,
            validate_features=validate_features,
            **kwargs,
        )
        return result if as_host else self.class_posterior_.probabilities(result)

    def predict(
        self,
        X: Any,
        raw_score: bool = False,
        start_iteration: int = 0,
        num_iteration: int | None = None,
        pred_leaf: bool = False,
        pred_contrib: bool = False,
        validate_features: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return the most probable class (n,), or what the flags ask for as in ``predict_proba``."""
        as_host = raw_score or pred_leaf or pred_contrib
        result = self.predict_proba(
            X,
            raw_score=raw_score or not as_host,
            start_iteration=start_iteration,
            num_iteration=num_iteration,
            pred_leaf=pred_leaf,
            pred_contrib=pred_contrib,
            validate_features=validate_features,
            **kwargs,
        )
        return result if as_host else self.class_posterior_.decide(result)

    def _check_order(self, X: Any) -> None:
        names = getattr(X, "columns", getattr(X, "column_names", None))
        if names is None or not hasattr(self, "fitted_"):
            return
        given = [str(name).replace(" ", "_") for name in names]  # as LightGBM keeps them
        trained = self.feature_name_
        if given != trained and sorted(given) == sorted(trained):
            i = next(i for i in range(len(given)) if given[i] != trained[i])
            raise ValueError(
                f"X must have the columns of training in their order, got {given[i]!r} in place of "
                f"{trained[i]!r} (column {i}): X[columns_of_training] puts them in order"
            )

    def decision_function(self, X: Any, **keywords: Any) -> Any:
        """Return the log-odds of ``predict_proba``, plus the logarithms of class weights if given.

        Two classes: (n,), positive where ``predict`` is the second class. More: logarithms up to a
        constant of the row, (n, K), largest at the predicted class. Keywords are those of ``predict``.
        """
        margin = self.predict_proba(X, raw_score=True, **keywords)
        return self.class_posterior_.decision(margin)

    def save_model(self, filename: str | os.PathLike[str]) -> None:
        """Write the model as LightGBM's text, with a line that ``load_model`` reads.

        LightGBM and other programs that read its models skip that line; they predict the probabilities
        for the class frequencies of the training rows. Trees after ``best_iteration_`` are left out.

        Parameters
        ----------
        filename : path
        """
        text = with_notes(self.booster_.model_to_string(), self.class_posterior_.says())
        # LightGBM cannot read the line ends of Windows.
        Path(filename).write_text(text, encoding="utf-8", newline="\n")

    def load_model(self, filename: str | os.PathLike[str]) -> Self:
        """Load what ``save_model`` wrote; return the estimator.

        Parameters
        ----------
        filename : path

        Raises
        ------
        ValueError
            If the file was not written by FocalLGBMClassifier: it does not say gamma and classes.
            This estimator then stays as it was.
        """
        text = Path(filename).read_text(encoding="utf-8")
        sizes = header(text, "tree_sizes")
        # LightGBM loads what is there. Its last line has the categories of a pandas frame.
        if sizes is not None and (
            text.partition("\nend of trees\n")[0].count("\nTree=") != len(sizes.split())
            or not text.rstrip().rpartition("\n")[2].startswith("pandas_categorical:")
        ):
            raise ValueError(
                f"the file was cut: it should have {len(sizes.split())} trees, parameters and, last, "
                "pandas_categorical"
            )
        # Files of 0.1 have it in their header.
        stored = read_notes(text).get(KEY, header(text, KEY))
        if stored is None:
            raise ValueError(
                "the file must have been written by FocalLGBMClassifier.save_model, which adds gamma, "
                "alpha and classes; load other models with lightgbm.Booster and apply loss.posterior "
                "to their margins"
            )
        posterior = ClassPosterior.from_json(stored)
        booster = lgb.Booster(model_str=text)
        if booster.num_model_per_iteration() != posterior.loss.n_outputs:
            raise ValueError(
                f"the file was altered: it has {len(posterior.classes)} classes and "
                f"{booster.num_model_per_iteration()} trees per iteration"
            )
        self._adopt_parameters(posterior)
        return self._take(booster, posterior)

    def _take(self, booster: lgb.Booster, posterior: ClassPosterior) -> Self:
        """Become the fitted estimator of this model."""
        self._Booster = booster
        self._n_features = self._n_features_in = booster.num_feature()
        names = booster.feature_name()
        self._fitted_with_feature_names = names != [f"Column_{i}" for i in range(len(names))]
        self._best_iteration, self._best_score, self._evals_result = 0, {}, {}
        self.fitted_ = True
        self._adopt(posterior)
        return self

    def _host(
        self, host: dict[str, Any], posterior: ClassPosterior, eval_metric: Any
    ) -> tuple[dict[str, Any], list[Any]]:
        """Check the host's parameters; return those that are ours, and the metrics that are our own."""
        given = [host.pop(alias) for alias in fl.ALIASES["metric"] if alias in host]
        objective = fl.objective_for(posterior.loss, self.focal_curvature, host)
        _check_host(host, objective)
        _refuse_unknown(self, host)
        builtin, own = _split([*_listed(eval_metric), *_listed(given)], posterior)
        k = posterior.loss.n_outputs
        params: dict[str, Any] = {"objective": objective, "metric": builtin or "None"}
        return params if k == 1 else params | {"num_class": k}, own

    def _process_params(self, stage: str) -> dict[str, Any]:
        # LightGBM passes all parameters on, at prediction too. It would warn of unknown ones, and a
        # fitted model has its own objective, classes and metrics.
        params: dict[str, Any] = super()._process_params(stage)
        aliases = (fl.ALIASES[name] for name in ("objective", "num_class", "metric"))
        left_out = {*PARAMETERS, *chain(*aliases)}
        params = {name: value for name, value in params.items() if name not in left_out}
        fitting: _Fitting | None = self.__dict__.get("_fitting")
        if fitting is not None:
            return params | fitting.params
        if self._n_classes > 2:
            return params | {"objective": "multiclass", "num_class": self._n_classes}
        return params | {"objective": "binary"}

    def _adopt(self, posterior: ClassPosterior) -> None:
        """Set what LGBMClassifier knows of a model with a native objective and these classes."""
        self._class_posterior = posterior
        self._le = LabelEncoder().fit(posterior.classes)
        self._class_map = dict(zip(posterior.classes, range(len(posterior.classes)), strict=True))
        self._classes = posterior.classes
        self._n_classes = len(posterior.classes)
        self._objective = "binary" if self._n_classes == 2 else "multiclass"

    def _check_fitted(self) -> None:
        self.booster_  # noqa: B018 - raises NotFittedError


show_parameters(FocalLGBMClassifier, lgb.LGBMClassifier)


def _continued(init_model: Any, posterior: ClassPosterior) -> lgb.Booster:
    """Return the model to be continued; raise if it is of other classes or with other margins."""
    booster, said = continued(init_model, posterior.loss)
    if KEY in said:
        check_continued("init_model", ClassPosterior.from_json(said[KEY]), posterior)
    elif isinstance(init_model, FocalLGBMClassifier):  # a pickle of 0.1
        check_continued("init_model", init_model.class_posterior_, posterior)
    return booster


@dataclass(frozen=True)
class _UsersMetric(Immutable):
    """A user's f(y, prediction[, weight]) as LightGBM calls a metric."""

    posterior: ClassPosterior
    function: Callable[..., Any]

    def __call__(self, y: Any, margin: Any, weight: Any) -> Any:
        prediction = _metrics.prediction(self.posterior, margin)
        wanted = len(inspect.signature(self.function).parameters)
        # As LightGBM calls it: with weights if it takes three, and a group, which is for ranking.
        others: dict[int, tuple[Any, ...]] = {2: (), 4: (weight, None)}
        return self.function(y, prediction, *others.get(wanted, (weight,)))


def _split(given: list[Any], posterior: ClassPosterior) -> tuple[list[str], list[Any]]:
    """Return the metrics that LightGBM computes, and our own, which it evaluates after them.

    The order is the user's, because ``first_metric_only`` stops by the first.
    """
    several = len(posterior.classes) > 2
    builtin: list[str] = []
    own: list[Any] = []
    if not given:
        return builtin, [_metrics.focal_loss(posterior)]
    for metric in given:
        if callable(metric):
            own.append(_UsersMetric(posterior, metric))
        elif metric in ("average_precision", "aucpr") and (own or several):
            own.append(_metrics.named("average_precision", posterior))
        elif metric in ("average_precision", "aucpr"):
            builtin.append("average_precision")  # LightGBM's own, which is faster
        elif metric == "auc" and own and not several:
            own.append(_metrics.auc(posterior))
        elif (ours := _metrics.named(metric, posterior)) is not None:
            own.append(ours)
        elif metric in fl.METRICS_OF_MARGINS:
            builtin.append(metric)
        else:
            raise ValueError(
                "eval_metric must be focal_loss, logloss, error, auc, average_precision, auc_mu or a "
                f"callable, got {metric!r}: LightGBM would compute it on scores that are not "
                "probabilities, or does not know it"
            )
    return builtin, own


def _listed(given: Any) -> list[Any]:
    """Return metrics as a flat list; names may be joined by commas, and "None" is none."""
    if given is None or given == "":
        return []
    if isinstance(given, str):
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "None")]
    if callable(given):
        return [given]
    return [metric for entry in given for metric in _listed(entry)]


def _check_host(host: Mapping[str, Any], objective: fl.Objective) -> None:
    given = host.get("objective")
    if given not in (None, "binary", "multiclass"):
        raise ValueError(
            f"objective must be left out, got {given!r}: this estimator trains the focal loss; "
            "for others use lightgbm.LGBMClassifier"
        )
    for name in ("gamma", "alpha"):
        if name in host:
            raise ValueError(f"{name} must be left out, got {host[name]!r}: use focal_{name}")
    check_names(host, objective.loss, "LightGBM")
    for name, instead in _INSTEAD.items():
        harmless, _ = fl.IGNORED[name]
        for alias in fl.ALIASES[name]:
            if host.get(alias) not in harmless:
                raise ValueError(
                    f"{alias} must not be set, got {host[alias]!r}: LightGBM ignores it with a custom "
                    f"objective; {instead}"
                )
    left_out = fl.ALIASES["num_class"]
    fl.host_params(
        {k: v for k, v in host.items() if v is not None and k not in left_out}, objective
    )


# What to do in place of what LightGBM ignores, in an estimator.
_INSTEAD = {
    "is_unbalance": 'set focal_alpha="balanced" instead',
    "pos_bagging_fraction": "set focal_alpha, or draw rows yourself",
    "neg_bagging_fraction": "set focal_alpha, or draw rows yourself",
    "boost_from_average": "give fit an init_score",
}


def _refuse_unknown(estimator: FocalLGBMClassifier, host: Mapping[str, Any]) -> None:
    """Refuse names that LightGBM does not know, because it ignores them without a word."""
    # LightGBM's own list is not public: without it, arguments of fit are refused alone.
    listed = getattr(getattr(lgb.basic, "_ConfigAliases", None), "_get_all_param_aliases", None)
    known = estimator._named().union(*(listed() if listed else {}).values())  # noqa: SLF001
    unknown = [name for name, value in host.items() if name not in known and value is not None]
    refuse_arguments_of_fit(estimator.fit, unknown, "LightGBM", ", or as metric to the constructor")
    if unknown and listed:
        raise ValueError(f"{unknown[0]} is not a parameter of LightGBM, which would ignore it")


def _valid_sets(eval_set: Any, eval_X: Any, eval_y: Any) -> list[tuple[Any, Any]]:
    if (eval_X is None) != (eval_y is None):
        raise ValueError("eval_X and eval_y must be given together")
    if eval_X is not None:
        if eval_set is not None:
            raise ValueError("eval_set must not be given next to eval_X and eval_y")
        several = isinstance(eval_X, tuple)
        return list(zip(eval_X, eval_y, strict=True)) if several else [(eval_X, eval_y)]
    if eval_set is None:
        return []
    return pairs([eval_set] if isinstance(eval_set, tuple) else eval_set)


def _as_host_takes_them(valid: list[tuple[Any, Any]]) -> dict[str, Any]:
    """Return the keywords for validation sets: eval_set is deprecated from LightGBM 4.7."""
    if not valid:
        return {}
    if "eval_X" not in inspect.signature(lgb.LGBMModel.fit).parameters:
        return {"eval_set": valid}
    X, y = zip(*valid, strict=True)
    return {"eval_X": X, "eval_y": y}


def _at(each: Any, i: int) -> Any:
    """Return what belongs to eval set ``i``, of a list, or of a dict as LightGBM takes it."""
    if each is None:
        return None
    return each.get(i) if isinstance(each, Mapping) else each[i]


def _valid_weights(valid: list[tuple[Any, Any]], weights: Any, class_weights: Any) -> Any:
    """Return eval_sample_weight with eval_class_weight, whose labels are the user's, in it."""
    if class_weights is None:
        return weights
    if not isinstance(class_weights, Mapping) and len(class_weights) != len(valid):
        raise ValueError(f"eval_class_weight must be a list of {len(valid)}, one per eval_set")
    out = []
    for i, (_, y_valid) in enumerate(valid):
        weight = compute_sample_weight(_at(class_weights, i), np.asarray(y_valid))
        given = _at(weights, i)
        out.append(weight if given is None else weight * np.asarray(given))
    return out

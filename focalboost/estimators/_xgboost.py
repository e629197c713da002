"""FocalXGBClassifier: XGBClassifier that trains the focal loss and predicts the posterior."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, Unpack, overload

import numpy as np
import xgboost as xgb
from numpy.typing import ArrayLike, NDArray

import focalboost.xgboost as fx
from focalboost import _rounds, _workers
from focalboost._curvature import Curvature
from focalboost.estimators import _metrics
from focalboost.estimators._base import (
    FocalClassifier,
    check_continued,
    refuse_arguments_of_fit,
    representation,
    show_parameters,
)
from focalboost.estimators._parameters import XGBoostParameters
from focalboost.estimators._posterior import HANDLED, KEY, ClassPosterior, check_names, pairs

# Parameters of XGBoost's that are called as those of the loss: what they are, and their other name.
_OTHERS = {
    "gamma": ("penalty of a split; the focusing parameter is focal_gamma", "min_split_loss"),
    "alpha": ("L1 penalty of leaf values; the class weight is focal_alpha", "reg_alpha"),
}


def warn_of_names(host: Mapping[str, Any]) -> None:
    """Warn of XGBoost's gamma and alpha, at the caller of fit."""
    for name, (meaning, other) in _OTHERS.items():
        if host.get(name):
            warnings.warn(
                f"{name}={host[name]!r} is XGBoost's {meaning}. If XGBoost's is meant, {other} sets it "
                "without this warning",
                stacklevel=4,
            )


class FocalXGBClassifier(xgb.XGBClassifier, FocalClassifier):
    r"""XGBClassifier with the focal loss, class posteriors from ``predict_proba``, and any labels.

    Parameters
    ----------
    focal_gamma : float >= 0, or one per class
        0 is log loss. Tune it, with 0 among the candidates. (``gamma`` is XGBoost's own parameter.)
    focal_alpha : None, float in (0, 1), one per class, "balanced" or "effective"
        Class weights inside the loss. A float, for two classes, is Lin et al.'s: alpha on the second
        class, 1 - alpha on the first. One per class: a sequence in the order of ``classes_``, or a dict
        {label: weight}. "balanced": inverse frequencies; "effective": Cui et al. with beta = 0.999.
    focal_curvature : {"guarded", "exact"}
        What the trees are given as second derivative; see ``BinaryFocalLoss.gradient_curvature``.
    class_weight : None, "balanced" or dict {label: weight}
        As in scikit-learn; it multiplies ``focal_alpha``.
    population_prior : None, float in (0, 1), or one per class
        Class frequencies of the population in which the model is used, if the training rows were over-
        or undersampled. A number is the frequency of the second of two classes in sorted order: of "ok"
        if they are "fraud" and "ok". A dict {label: frequency} names them. None: as in training. It can
        be set after ``fit``: ``set_params(population_prior=estimate_prior(...))``.
    **host
        Every parameter of xgboost.XGBClassifier. ``eval_metric``: a name, a callable
        ``f(y, prediction)`` or a list of them. "focal_loss" (the default), "average_precision",
        "logloss" and "error" (and XGBoost's and LightGBM's variants of those names) and for two classes
        ``"recall@0.01"``, ``"precision@100"`` and ``"recall_at_precision@0.9"`` (see
        ``focalboost.metrics``) are computed from the posterior; XGBoost computes auc, aucpr and other
        ranking metrics. A callable gets labels 0 .. K-1 and P(y=1), or (n, K) for more than two classes,
        and lower is better. The last metric drives ``early_stopping_rounds``. With
        ``device="cuda"`` gradients are computed on the device too, which needs CuPy.

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
        At ``fit``: a single class; NaN; labels of an eval_set that were not in training; ``objective``
        or ``scale_pos_weight`` set; a metric of scores (rmse, ...); class weights or priors with several
        targets.

    Notes
    -----
    The loss has the canonical link, so margins are log-odds of the posterior: the saved booster predicts
    the probabilities of ``predict_proba`` in every program, for the class frequencies of the training
    rows. ``predict_proba`` itself applies ``population_prior``. ``sample_weight`` is not undone: the
    posterior is that of the weighted rows. ``predict`` is the most probable class; with ``class_weight``
    the class of the largest weight times probability, because the weights say what errors cost.

    ``y`` of shape (n, n_targets) has 0 or 1 for each target; ``predict_proba`` is then P(target = 1
    given x) and ``predict`` 0 or 1, both (n, n_targets).

    Examples
    --------
    >>> import numpy as np
    >>> from focalboost import FocalXGBClassifier
    >>> X = np.arange(60.0).reshape(-1, 1); y = np.where(X[:, 0] > 45, "fraud", "genuine")
    >>> classifier = FocalXGBClassifier(n_estimators=20, max_depth=1).fit(X, y)
    >>> classifier.predict([[0.0], [59.0]])
    array(['genuine', 'fraud'], dtype='<U7')
    >>> classifier.predict_proba([[59.0]]).round(1)
    array([[1., 0.]], dtype=float32)
    """

    _several_targets = True

    @overload  # for editors and type checkers: the parameters by name, and whatever else there is
    def __init__(
        self,
        *,
        focal_gamma: Any = ...,
        focal_alpha: Any = ...,
        focal_curvature: Curvature = ...,
        class_weight: Any = ...,
        population_prior: Any = ...,
        **host: Unpack[XGBoostParameters],
    ) -> None: ...

    @overload
    def __init__(
        self,
        *,
        focal_gamma: Any = ...,
        focal_alpha: Any = ...,
        focal_curvature: Curvature = ...,
        class_weight: Any = ...,
        population_prior: Any = ...,
        **host: Any,
    ) -> None: ...

    def __init__(
        self,
        *,
        focal_gamma: Any = 2.0,
        focal_alpha: Any = None,
        focal_curvature: Curvature = "guarded",
        class_weight: Any = None,
        population_prior: Any = None,
        **host: Any,
    ) -> None:
        super().__init__(**host)
        self.focal_gamma = focal_gamma
        self.focal_alpha = focal_alpha
        self.focal_curvature = focal_curvature
        self.class_weight = class_weight
        self.population_prior = population_prior

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return representation(self, N_CHAR_MAX)

    def get_xgb_params(self) -> dict[str, Any]:
        """Return the parameters that are XGBoost's, as a fitted model must have them."""
        params = {k: v for k, v in super().get_xgb_params().items() if k not in HANDLED}
        if hasattr(self, "_class_posterior"):
            # XGBoost sets all of them on the fitted booster when one is changed. These belong to it, and
            # of metrics it knows its own alone.
            for name in ("objective", "base_score", "num_class", "eval_metric"):
                params.pop(name, None)
        return params

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        base_margin: ArrayLike | None = None,
        eval_set: Sequence[tuple[Any, ArrayLike]] | None = None,
        verbose: bool | int | None = False,
        xgb_model: xgb.Booster | str | xgb.XGBModel | None = None,
        sample_weight_eval_set: Sequence[ArrayLike] | None = None,
        base_margin_eval_set: Sequence[ArrayLike] | None = None,
        feature_weights: ArrayLike | None = None,
    ) -> Self:
        """Fit; arguments as for XGBClassifier, labels of any type, in ``eval_set`` too.

        If ``base_margin`` is given, training starts from that in place of the intercept. ``xgb_model``
        continues that model, which must know the same classes. If fitting fails, an earlier fit stays as
        it was.
        """
        if _workers.several():
            raise ValueError(
                "fit must be called in one process, this is one of several workers: classes and "
                "frequencies of all rows are needed; call focalboost.xgboost.train in each worker, or "
                "use focalboost.dask or focalboost.spark"
            )
        posterior, codes, host = self._read(X, y, sample_weight)
        before: xgb.Booster | None = None
        if xgb_model is not None:
            given = xgb_model.get_booster() if isinstance(xgb_model, xgb.XGBModel) else xgb_model
            before = fx.continued(given, posterior.loss, host)
            check_continued("xgb_model", stored(before), posterior)
        objective = self._objective(host, posterior)
        builtin, own, order = split_metrics(self.eval_metric, posterior)
        larger = {metric.name for metric in own if getattr(metric, "higher_is_better", False)}
        fx.check_direction(self.callbacks or (), larger, order[-1])
        says = posterior.says()
        evaluated = _Metrics(own, order, says)
        # While XGBClassifier fits, these stand in place of the user's parameters. It fits this object,
        # not another one, because tools that watch XGBoost's fit keep what they see there.
        own_parameters = {name: self.__dict__[name] for name in _CHANGED if name in self.__dict__}
        callbacks = [evaluated, *(self.callbacks or ())]
        if self.early_stopping_rounds is not None:
            # By the metric that the user named last, as XGBoost does.
            callbacks.append(
                xgb.callback.EarlyStopping(
                    rounds=self.early_stopping_rounds,
                    metric_name=order[-1],
                    maximize=order[-1] in larger.union(builtin),
                )
            )
        base_score = self.base_score
        if before is None and base_score is None:
            base_score = fx.base_score(posterior.loss, posterior.intercept())
        others = {k: v for k, v in own_parameters.get("kwargs", {}).items() if k != "num_class"}
        every: list[Any] = [*builtin, evaluated] if own else [*builtin]
        with self._as_before_if_it_fails():
            self.__dict__.pop("_class_posterior", None)
            self.objective = objective
            self.eval_metric = every if builtin else evaluated  # XGBoost needs a name in a list
            self.callbacks = [*callbacks, _Finish(self, posterior, own_parameters, says)]
            self.early_stopping_rounds = None
            self.base_score = base_score
            self.kwargs = others | {"disable_default_eval_metric": 1}
            self.evals_result_: dict[str, Any] = {}
            super().fit(
                X,
                codes,
                sample_weight=sample_weight,
                base_margin=base_margin,
                eval_set=_encoded(eval_set, X, y, codes, posterior),
                verbose=verbose,
                xgb_model=before,
                sample_weight_eval_set=sample_weight_eval_set,
                base_margin_eval_set=base_margin_eval_set,
                feature_weights=feature_weights,
            )
            self.objective = own_parameters["objective"]  # XGBoost has set the one that was trained
        return self

    def predict(
        self,
        X: Any,
        *,
        output_margin: bool = False,
        validate_features: bool = True,
        base_margin: ArrayLike | None = None,
        iteration_range: Any = None,
    ) -> NDArray[Any]:
        """Return the most probable class (n,), or with ``output_margin`` the margins.

        ``class_weight`` multiplies the probabilities before they are compared. If training was stopped
        early, trees up to ``best_iteration`` count.
        """
        margin = super().predict(
            X,
            output_margin=True,
            validate_features=validate_features,
            base_margin=base_margin,
            iteration_range=iteration_range,
        )
        return np.asarray(margin if output_margin else self.class_posterior_.decide(margin))

    def predict_proba(
        self,
        X: Any,
        validate_features: bool = True,
        base_margin: ArrayLike | None = None,
        iteration_range: Any = None,
    ) -> NDArray[np.floating]:
        """Return P(class given x), (n, K), columns in the order of ``classes_``, rows summing to 1."""
        margin = self.predict(
            X,
            output_margin=True,
            validate_features=validate_features,
            base_margin=base_margin,
            iteration_range=iteration_range,
        )
        return self.class_posterior_.probabilities(margin)

    def decision_function(self, X: Any) -> NDArray[np.floating]:
        """Return the log-odds of ``predict_proba``, plus the logarithms of class weights if given.

        Two classes: (n,), positive where ``predict`` is the second class. More: logarithms up to a
        constant of the row, (n, K), largest at the predicted class.
        """
        margin = self.predict(X, output_margin=True)
        return self.class_posterior_.decision(margin)

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels in sorted order, shape (K,)."""
        if hasattr(self, "n_classes_") and not hasattr(self, "_class_posterior"):
            return np.arange(self.n_classes_)  # XGBoost compares the labels that it fits with it
        return self.class_posterior_.classes

    def save_model(self, fname: Any) -> None:
        """Write the model in XGBoost's format, with an attribute that ``load_model`` reads.

        Trees after ``best_iteration`` are left out: treelite and other programs would use them.

        Parameters
        ----------
        fname : path
        """
        booster = self.get_booster()
        booster.set_attr(**self.class_posterior_.says())  # with the population_prior of now
        best = booster.attr("best_iteration")
        if best is None:
            super().save_model(fname)
            return
        self._Booster = booster[: int(best) + 1]
        self._Booster.set_attr(**booster.attributes())
        try:
            super().save_model(fname)
        finally:
            self._Booster = booster

    def load_model(self, fname: Any) -> Self:  # type: ignore[override]
        """Load what ``save_model`` wrote, or any booster of a fitted FocalXGBClassifier; return self.

        Parameters
        ----------
        fname : path or bytearray

        Raises
        ------
        ValueError
            If the model was not trained by FocalXGBClassifier: it does not say gamma and classes.
            This estimator then stays as it was.
        """
        if isinstance(fname, (str, os.PathLike)) and not os.path.exists(fname):
            raise FileNotFoundError(f"there is no model file {os.fspath(fname)!r}")
        wrong = (
            "the model must be one of FocalXGBClassifier, which says gamma, alpha and classes; load "
            "other models with xgboost.Booster and apply loss.posterior to their margins"
        )
        try:
            stored = xgb.Booster(model_file=fname).attr(KEY)
        except (xgb.core.XGBoostError, UnicodeDecodeError) as error:
            raise ValueError(wrong) from error
        if stored is None:
            raise ValueError(wrong)
        posterior = ClassPosterior.from_json(stored)
        objective, base_score = self.objective, self.base_score
        super().load_model(fname)
        # XGBoost sets these parameters from the file, and the next fit would follow them.
        self.objective, self.base_score = objective, base_score
        self._adopt_parameters(posterior)
        self._class_posterior = posterior
        self.n_classes_ = len(posterior.classes)
        return self

    def _objective(self, host: Mapping[str, Any], posterior: ClassPosterior) -> fx.Objective:
        """Return the objective, after a check of the parameters that it cannot work with."""
        if self.objective not in (None, "binary:logistic", "multi:softprob"):
            raise ValueError(
                f"objective must be left out, got {self.objective!r}: this estimator trains the focal "
                "loss; for others use xgboost.XGBClassifier"
            )
        check_names(host, posterior.loss)
        others = [k for k, v in host.items() if k not in self._named() and v is not None]
        refuse_arguments_of_fit(self.fit, others, "XGBoost")
        warn_of_names(host)
        follows = {"device": self.device, "nthread": self.n_jobs}
        objective = fx.objective_for(posterior.loss, self.focal_curvature, follows)
        left_out = ("objective", "num_class", *HANDLED)
        given = {k: v for k, v in super().get_xgb_params().items() if v is not None}
        fx.host_params({k: v for k, v in given.items() if k not in left_out}, objective)
        return objective

    def _check_fitted(self) -> None:
        self.get_booster()  # raises NotFittedError


show_parameters(FocalXGBClassifier, xgb.XGBClassifier)

# Attributes that are others while XGBClassifier fits; kwargs is there only if some were given.
_CHANGED = (
    *("objective", "eval_metric", "callbacks", "early_stopping_rounds", "base_score"),
    "kwargs",
)


class _Metrics(fx.ExactMetrics):
    """Several metrics as the one custom metric that XGBClassifier takes.

    XGBoost records the first; the others join it in the history before other callbacks read that, in
    the order that the user gave. Early stopping follows the last.
    """

    def __init__(
        self, metrics: Sequence[Any], order: Sequence[str], says: Mapping[str, str]
    ) -> None:
        super().__init__([], says)
        self._order = list(order)
        self._metrics = list(metrics)
        self._names = [metric.name for metric in metrics]
        self.__name__ = self._names[0] if metrics else "none"

    def __call__(self, y: Any, margin: Any, sample_weight: Any = None) -> float:
        """Evaluate all metrics and return the first."""
        y = fx.like_margin(y, margin.shape)
        values = [float(metric.value(y, margin, sample_weight)) for metric in self._metrics]
        self.record(list(zip(self._names, values, strict=True)))
        return values[0]

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Make places for the metrics that XGBoost does not know, and fill all."""
        for history in evals_log.values():
            for name in self._names[1:]:
                history.setdefault(name, []).append(float("nan"))
            for name in self._order:
                if name in history:
                    history[name] = history.pop(name)
        return super().after_iteration(model, epoch, evals_log)


class _Finish(xgb.callback.TrainingCallback):
    """Makes the estimator whole before XGBClassifier's ``fit`` returns; the last of the callbacks."""

    def __init__(
        self,
        estimator: FocalXGBClassifier,
        posterior: ClassPosterior,
        given: Mapping[str, Any],
        says: Mapping[str, str],
    ) -> None:
        self._finish = estimator, posterior, given, says

    def after_training(self, model: Any) -> Any:
        """Give the estimator its parameters back, and estimator and model the posterior."""
        estimator, posterior, given, says = self._finish
        model.set_attr(**says)  # keeping the best iteration loses them
        for name in _CHANGED:
            estimator.__dict__.pop(name)
        estimator.__dict__.update(given)
        estimator.__dict__["_class_posterior"] = posterior
        return model


@dataclass(frozen=True)
class _UsersMetric:
    """A user's f(y, prediction), under the name that XGBoost gives it."""

    posterior: ClassPosterior
    function: Callable[..., float]

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)

    def value(self, y: Any, margin: Any, sample_weight: Any) -> float:
        """Return the metric of labels 0 .. K-1 and margins."""
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        prediction = _metrics.prediction(self.posterior, margin)
        return float(self.function(y, prediction, **weights))


def split_metrics(given: Any, posterior: ClassPosterior) -> tuple[list[str], list[Any], list[str]]:
    """Return the metrics that XGBoost computes, our own, and the names of all in the user's order."""
    builtin: list[str] = []
    own: list[Any] = []
    named = [given] if isinstance(given, str) or callable(given) else list(given or ())
    if not named:
        own = [_metrics.focal_loss(posterior)]
        return builtin, own, [own[0].name]
    order: list[str] = []
    for metric in named:
        if callable(metric):
            own.append(_UsersMetric(posterior, metric))
        elif (ours := _metrics.named(metric, posterior)) is not None:
            own.append(ours)
        elif fx.is_ranking(metric):
            builtin.append(metric)
        else:
            raise ValueError(
                "eval_metric must be focal_loss, average_precision, logloss, error, a ranking metric of "
                f"XGBoost ({', '.join(fx.RANKING)}) or a callable, got {metric!r}: XGBoost would "
                "compute it on scores that are not probabilities"
            )
        order.append(metric if isinstance(metric, str) else own[-1].name)
    if len(set(order)) < len(order):
        raise ValueError(f"eval_metric must have names of their own, got {order}")
    return builtin, own, order


def metrics_of_workers(
    given: Any, posterior: ClassPosterior, callbacks: Sequence[Any], rounds: int | None, where: str
) -> tuple[list[str], fx.ExactMetrics, list[Any]]:
    """Return XGBoost's metrics, our own as those of all rows, and the callbacks for several workers.

    The metric that was named last drives early stopping, after so many ``rounds``.
    """
    builtin, own, order = split_metrics(given, posterior)
    for metric in own:
        if getattr(metric, "higher_is_better", False):
            fx.refuse_scores(metric.name, where)
    exact = fx.ExactMetrics([_OfAllRows(metric) for metric in own], posterior.says())
    fx.check_direction(callbacks, set(), order[-1])
    every = [exact, *callbacks]
    if rounds is not None:
        last = order[-1]
        every.append(
            xgb.callback.EarlyStopping(rounds=rounds, metric_name=last, maximize=last in builtin)
        )
    return builtin, exact, every


@dataclass(frozen=True)
class _OfAllRows:
    """A metric of the rows of a worker, as the mean over the rows of all."""

    metric: Any

    def __call__(self, margin: Any, data: xgb.DMatrix) -> tuple[str, float]:
        n, value, weight = data.num_row(), 0.0, 0.0
        if n:
            y, z, w, _ = _rounds.read(margin, data)
            value = self.metric.value(y, np.asarray(z), w)
            weight = float(n if w is None else w.sum(dtype=np.float64))
        total, weight = _workers.total([value * weight, weight]).tolist()
        return self.metric.name, total / weight if weight else float("nan")


def _encoded(
    eval_set: Any, X: Any, y: Any, codes: NDArray[np.int64], posterior: ClassPosterior
) -> list[tuple[Any, Any]] | None:
    """Return eval_set with labels 0 .. K-1, the training rows as the same objects."""
    if eval_set is None:
        return None
    return [
        (X_valid, codes if X_valid is X and y_valid is y else posterior.codes(y_valid, "eval_set"))
        for X_valid, y_valid in pairs(eval_set)
    ]


def stored(model: xgb.Booster) -> ClassPosterior | None:
    """Return what a model to be continued says about its classes, if it was trained here."""
    stored = model.attr(KEY)
    return None if stored is None else ClassPosterior.from_json(stored)

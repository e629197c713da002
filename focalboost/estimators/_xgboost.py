"""FocalXGBClassifier: XGBClassifier that trains the focal loss and predicts the posterior."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import xgboost as xgb
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

import focalboost.xgboost as fx
from focalboost._namespace import to_numpy
from focalboost.curvature import Curvature
from focalboost.estimators import _metrics
from focalboost.estimators._posterior import KEY, PARAMETERS, ClassPosterior, check_names, pairs

# XGBoost's metrics that depend on the order of the margins only, and those it maximises.
_RANKING = ("auc", "aucpr", "pre", "map", "ndcg")


class FocalXGBClassifier(xgb.XGBClassifier):
    r"""XGBClassifier with the focal loss, class posteriors from ``predict_proba``, and any labels.

    Parameters
    ----------
    focal_gamma : float >= 0, or one per class
        0 is log loss. Tune it, with 0 among the candidates. (``gamma`` is XGBoost's own parameter.)
    focal_alpha : None, float in (0, 1), one per class, "balanced" or "effective"
        Class weights inside the loss. A float is Lin et al.'s, for two classes: alpha on the second,
        1 - alpha on the first. One per class: a sequence in the order of ``classes_``, or a dict
        {label: weight}. "balanced": inverse frequencies; "effective": Cui et al. with beta = 0.999.
    focal_curvature : {"guarded", "exact", "expected"}
        What the trees are given as second derivative; see ``BinaryFocalLoss.gradient_curvature``.
    class_weight : None, "balanced" or dict {label: weight}
        As in scikit-learn; it multiplies ``focal_alpha``.
    sampling_prior : None, float in (0, 1), or one per class
        Class frequencies of the population, if the training rows were over- or undersampled: a number
        is the frequency of the second of two classes. None: that of the training rows.
    **host
        Every parameter of xgboost.XGBClassifier. ``eval_metric``: a name, a callable
        ``f(y, prediction)`` or a list of them. "focal_loss" (the default), "average_precision",
        "logloss" and "error" (and XGBoost's and LightGBM's variants of those names) are computed from
        the posterior; auc, aucpr and other ranking metrics by XGBoost. A callable gets labels
        0 .. K-1 and P(y=1), or (n, K) for more than two classes, and lower is better. The last one
        drives ``early_stopping_rounds``. With ``device="cuda"`` gradients are computed there too, which
        needs CuPy.

    Attributes
    ----------
    classes_ : array of shape (K,)
    loss_ : BinaryFocalLoss or SoftmaxFocalLoss
        With class weights in its alpha.
    class_prior_ : array of shape (K,)
        Weighted class frequencies of the training rows.

    Raises
    ------
    ValueError
        At ``fit``: a single class; NaN; labels of an eval_set that were not in training; several
        targets; ``objective`` or ``scale_pos_weight`` set; a metric of scores (rmse, ...).

    Notes
    -----
    ``predict_proba`` is the recovered posterior: gamma, alpha, class weights and the sampling are
    undone. ``sample_weight`` is not: the posterior is that of the weighted rows. ``predict`` is its
    argmax, with ``class_weight`` the argmax of weight times posterior: weights are what errors cost.
    ``decision_function`` is the margin; sigmoid or softmax of it is the score that the saved
    booster predicts in other programs.

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

    def __init__(
        self,
        *,
        focal_gamma: Any = 2.0,
        focal_alpha: Any = None,
        focal_curvature: Curvature = "guarded",
        class_weight: Any = None,
        sampling_prior: Any = None,
        **host: Any,
    ) -> None:
        super().__init__(**host)
        self.focal_gamma = focal_gamma
        self.focal_alpha = focal_alpha
        self.focal_curvature = focal_curvature
        self.class_weight = class_weight
        self.sampling_prior = sampling_prior

    def __sklearn_tags__(self) -> Any:
        """Return XGBoost's tags; several targets at once are refused here."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags

    def get_xgb_params(self) -> dict[str, Any]:
        """Return the parameters that are XGBoost's."""
        ours = (*PARAMETERS, "class_weight")
        return {name: value for name, value in super().get_xgb_params().items() if name not in ours}

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

        ``base_margin`` takes the place of the focal prior. ``xgb_model`` continues that model, which
        must know the same classes. If fitting fails, an earlier fit stays as it was.
        """
        options = self.get_params()
        posterior, codes = ClassPosterior.of(options, y, sample_weight)
        check_consistent_length(X, codes)
        _check_continued(xgb_model, posterior)
        _refuse_objective(self.objective)
        check_names(options, posterior.loss)
        of_host = {"device": self.device, "nthread": self.n_jobs}
        objective = fx._objective(posterior.loss, self.focal_curvature, of_host)
        fx._host_params(_given(super().get_xgb_params()), objective)

        builtin, own = _split(self.eval_metric, posterior)
        exact = fx.ExactMetrics(own)
        callbacks = [exact, *(self.callbacks or ())]
        if self.early_stopping_rounds is not None:
            callbacks.append(_early_stopping(self.early_stopping_rounds, builtin, own))
        host = {
            name: value
            for name, value in options.items()
            if name not in (*PARAMETERS, "class_weight")
        }
        host |= {
            "objective": objective,
            "eval_metric": builtin or None,
            "callbacks": callbacks,
            "early_stopping_rounds": None,
            "disable_default_eval_metric": 1,
        }
        if xgb_model is None and host["base_score"] is None:
            start = objective.params(codes, _array(sample_weight))
            host["base_score"] = start["base_score"]
        trained = _Trained(**host)
        trained._evaluate = exact.evaluate
        trained.fit(
            X,
            codes,
            sample_weight=sample_weight,
            base_margin=base_margin,
            eval_set=_encoded(eval_set, X, y, codes, posterior),
            verbose=verbose,
            xgb_model=xgb_model,
            sample_weight_eval_set=sample_weight_eval_set,
            base_margin_eval_set=base_margin_eval_set,
            feature_weights=feature_weights,
        )
        booster = trained.get_booster()
        booster.set_attr(**{KEY: posterior.to_json()})
        self._Booster = booster
        self._posterior = posterior
        self.n_classes_ = len(posterior.classes)
        self.evals_result_ = getattr(trained, "evals_result_", {})
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

        By ``predict_proba``, and what ``class_weight`` says errors cost. Trees up to ``best_iteration``
        if training was stopped early.
        """
        margin = super().predict(
            X,
            output_margin=True,
            validate_features=validate_features,
            base_margin=base_margin,
            iteration_range=iteration_range,
        )
        return np.asarray(
            margin
            if output_margin
            else self._posterior.decide(self._posterior.probabilities(margin))
        )

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
        return self._posterior.probabilities(margin)

    def decision_function(self, X: Any) -> NDArray[np.floating]:
        """Return the margin, (n,) for two classes or (n, K)."""
        return self.predict(X, output_margin=True)

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels in sorted order, shape (K,)."""
        return self._fitted().classes

    @property
    def loss_(self) -> Any:
        """The loss that was trained, class weights included."""
        return self._fitted().loss

    @property
    def class_prior_(self) -> NDArray[np.float64]:
        """Weighted class frequencies of the training rows, shape (K,)."""
        return self._fitted().class_prior

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
            raise FileNotFoundError(f"there is no model {os.fspath(fname)!r}")
        wrong = (
            "the model must be one of FocalXGBClassifier, which says gamma, alpha and classes; load "
            "other models with xgboost.Booster and apply loss.posterior to their margins"
        )
        try:
            stored = xgb.Booster(model_file=fname).attr(KEY)
        except xgb.core.XGBoostError as error:
            raise ValueError(wrong) from error
        if stored is None:
            raise ValueError(wrong)
        posterior = ClassPosterior.from_json(stored)
        objective, base_score = self.objective, self.base_score
        super().load_model(fname)
        # XGBoost makes parameters of them, which would then rule the next fit.
        self.objective, self.base_score = objective, base_score
        self._posterior = posterior
        self.n_classes_ = len(posterior.classes)
        self.focal_gamma, self.focal_alpha = posterior.loss.gamma, posterior.without_costs()
        self.class_weight = posterior.costs()
        prior = posterior.sampling_prior
        self.sampling_prior = None if prior is None else tuple(prior.tolist())
        return self

    def _fitted(self) -> ClassPosterior:
        self.get_booster()  # raises NotFittedError
        return self._posterior


class _Trained(xgb.XGBClassifier):
    """XGBClassifier with more than one metric of ours: what ``fit`` of the public class runs."""

    _evaluate: Callable[..., Any]

    def _configure_fit(self, *args: Any, **keywords: Any) -> Any:
        model, _, params, feature_weights = super()._configure_fit(*args, **keywords)
        return model, self._evaluate, params, feature_weights


@dataclass(frozen=True)
class _UsersMetric:
    """A user's f(y, prediction) as XGBoost calls a metric."""

    posterior: ClassPosterior
    function: Callable[..., float]

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)

    def __call__(self, margin: Any, data: xgb.DMatrix) -> tuple[str, float]:
        y, weight = data.get_label(), data.get_weight()
        weights = {"sample_weight": weight} if weight.size else {}
        prediction = _metrics.prediction(self.posterior, margin)
        return self.name, float(self.function(y, prediction, **weights))


def _split(given: Any, posterior: ClassPosterior) -> tuple[list[str], list[Any]]:
    """Return the metrics that XGBoost computes, and ours; XGBoost evaluates them in that order."""
    builtin: list[str] = []
    own: list[Any] = []
    if given is None:
        return builtin, [_metrics.focal_loss(posterior)]
    for metric in [given] if isinstance(given, str) or callable(given) else given:
        if callable(metric):
            own.append(_UsersMetric(posterior, metric))
        elif (ours := _metrics.named(metric, posterior)) is not None:
            own.append(ours)
        elif metric.split("@")[0].rstrip("-") in _RANKING:
            builtin.append(metric)
        else:
            raise ValueError(
                "eval_metric must be focal_loss, average_precision, logloss, error, a ranking metric of "
                f"XGBoost ({', '.join(_RANKING)}) or a callable, got {metric!r}: XGBoost would compute "
                "it on scores that are not probabilities"
            )
    return builtin, own


def _early_stopping(rounds: int, builtin: list[str], own: list[Any]) -> Any:
    """Stop by the last metric, as XGBoost does; ours come after its own."""
    name = own[-1].name if own else builtin[-1]
    maximize = getattr(own[-1], "higher_is_better", False) if own else True
    return xgb.callback.EarlyStopping(rounds=rounds, metric_name=name, maximize=maximize)


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


def _check_continued(model: Any, posterior: ClassPosterior) -> None:
    if model is None:
        return
    booster = model.get_booster() if isinstance(model, xgb.XGBModel) else model
    if not isinstance(booster, xgb.Booster):
        booster = xgb.Booster(model_file=booster)
    stored = booster.attr(KEY)
    before = None if stored is None else ClassPosterior.from_json(stored).classes.tolist()
    if before is not None and before != posterior.classes.tolist():
        raise ValueError(
            f"xgb_model must have the classes of y, {posterior.classes.tolist()}, got {before}"
        )


def _refuse_objective(given: Any) -> None:
    if given not in (None, "binary:logistic", "multi:softprob"):
        raise ValueError(
            f"objective must be left out, got {given!r}: this estimator trains the focal loss; "
            "for others use xgboost.XGBClassifier"
        )


def _given(params: dict[str, Any]) -> dict[str, Any]:
    left_out = ("objective", "num_class", *PARAMETERS, "class_weight")
    return {k: v for k, v in params.items() if v is not None and k not in left_out}


def _array(values: Any) -> NDArray[Any] | None:
    return None if values is None else to_numpy(values)

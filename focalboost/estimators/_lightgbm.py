"""FocalLGBMClassifier: LGBMClassifier that trains the focal loss and predicts the posterior."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Self

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_sample_weight

import focalboost.lightgbm as fl
from focalboost._curvature import Curvature
from focalboost._immutable import Immutable
from focalboost._lightgbm_model import grown_natively, native_start
from focalboost.estimators import _metrics
from focalboost.estimators._base import FocalClassifier, check_continued
from focalboost.estimators._posterior import KEY, PARAMETERS, ClassPosterior, check_names, pairs


class FocalLGBMClassifier(lgb.LGBMClassifier, FocalClassifier):
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
        or undersampled. A number is the frequency of the second of two classes. None: as in training.
    **host
        Every parameter of lightgbm.LGBMClassifier. ``class_weight`` multiplies ``focal_alpha``.
        ``reg_lambda=1`` is recommended with very few positives.

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
    neither is given. "focal_loss", "logloss" and "error" (and the hosts' variants of those names) are
    computed from the posterior; LightGBM computes auc, average_precision and auc_mu. A callable
    ``f(y, prediction[, weight])`` gets labels 0 .. K-1 and P(y=1), or (n, K) for more than two
    classes, and returns (name, value, higher_is_better) or a list of such tuples.

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
        if isinstance(init_model, FocalLGBMClassifier):
            check_continued("init_model", init_model.class_posterior_, posterior)
        host, own = self._host(host, posterior, eval_metric)
        valid = _valid_sets(eval_set, eval_X, eval_y)
        # LightGBM knows the training rows by the identity of both objects. With DART it must not:
        # evaluating a custom metric on them leaves trees negated in the model.
        # Nor with weights of their own, which LightGBM would ignore.
        dart = host.get("boosting", host.get("boosting_type")) == "dart"
        weights = _valid_weights(valid, eval_sample_weight, eval_class_weight)
        encoded = []
        for i, (X_valid, y_valid) in enumerate(valid):
            own_weight = weights is not None and weights[i] is not sample_weight
            known = X_valid is X and y_valid is y and not dart and not own_weight
            encoded.append((X_valid, codes if known else posterior.codes(y_valid, "eval_set")))
        intercept: NDArray[np.float64] | None = None
        if init_score is None and init_model is None:
            weight = None if sample_weight is None else np.asarray(sample_weight)
            start = posterior.loss.intercept(codes, weight)
            intercept = np.atleast_1d(np.asarray(start, dtype=np.float64))
            init_score = fl.constant_margins(intercept, len(codes))
            if eval_init_score is None:
                eval_init_score = [fl.constant_margins(intercept, len(y)) for _, y in encoded]
        keywords = {
            "sample_weight": sample_weight,
            "init_score": init_score,
            "eval_names": eval_names,
            "eval_sample_weight": weights,
            "eval_init_score": eval_init_score if encoded else None,
            "eval_metric": own,
            "feature_name": feature_name,
            "categorical_feature": categorical_feature,
            "callbacks": callbacks,
            "init_model": init_model,
            **_as_host_takes_them(encoded),
        }
        trained = _trained(host, X, codes, keywords)
        best = trained.best_iteration_
        booster = fl.finalize(trained.booster_, posterior.loss, init_score=intercept)
        booster.best_iteration = best or 0
        parameters = trained.get_params()
        for name, value in vars(trained).items():
            if name not in parameters and name != "_other_params":
                setattr(self, name, value)
        self._adopt(posterior)
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
        leaf indices, or SHAP values of the margin.
        """
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
        return result if as_host else self._class_posterior.probabilities(result)

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
        return result if as_host else self._class_posterior.decide(result)

    def decision_function(self, X: Any, **keywords: Any) -> Any:
        """Return the log-odds of ``predict_proba``, plus the logarithms of class weights if given.

        Two classes: (n,), positive where ``predict`` is the second class. More: logarithms up to a
        constant of the row, (n, K), largest at the predicted class. Keywords are those of ``predict``.
        """
        margin = self.predict_proba(X, raw_score=True, **keywords)
        return self._class_posterior.decision(margin)

    def save_model(self, filename: str | os.PathLike[str]) -> None:
        """Write the model as LightGBM's text, with an extra line that ``load_model`` reads.

        LightGBM and other programs that read its models skip that line; they predict the probabilities
        for the class frequencies of the training rows. Trees after ``best_iteration_`` are left out.

        Parameters
        ----------
        filename : path
        """
        posterior = self.class_posterior_
        text = self.booster_.model_to_string()
        line = f"{KEY}={posterior.to_json()}\n"
        at = text.index("feature_infos=")
        # LightGBM cannot read the line ends of Windows.
        Path(filename).write_text(text[:at] + line + text[at:], encoding="utf-8", newline="\n")

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
        stored = re.search(rf"^{KEY}=(.*)$", text.partition("\nTree=0\n")[0], re.MULTILINE)
        if stored is None:
            raise ValueError(
                "the file must have been written by FocalLGBMClassifier.save_model, which adds gamma, "
                "alpha and classes; load other models with lightgbm.Booster and apply loss.posterior "
                "to their margins"
            )
        posterior = ClassPosterior.from_json(stored[1])
        sizes = re.search(r"^tree_sizes=(.*)$", text, re.MULTILINE)
        trees = len(sizes[1].split()) if sizes else 0
        if text.count("\nTree=") != trees or "\nend of trees\n" not in text:
            raise ValueError(f"the file was cut: it should have {trees} trees and an end of trees")
        booster = lgb.Booster(model_str=text)
        if booster.num_model_per_iteration() != posterior.loss.n_outputs:
            raise ValueError(
                f"the file was altered: it has {len(posterior.classes)} classes and "
                f"{booster.num_model_per_iteration()} trees per iteration"
            )
        self._Booster = booster
        self._n_features = self._n_features_in = booster.num_feature()
        names = booster.feature_name()
        self._fitted_with_feature_names = names != [f"Column_{i}" for i in range(len(names))]
        self._best_iteration, self._best_score, self._evals_result = 0, {}, {}
        self.fitted_ = True
        self._adopt_parameters(posterior)
        self._adopt(posterior)
        return self

    def _host(
        self, host: dict[str, Any], posterior: ClassPosterior, eval_metric: Any
    ) -> tuple[dict[str, Any], list[Any]]:
        """Return the host's checked parameters, objective included, and the metrics that are our own."""
        given = [host.pop(alias) for alias in fl.ALIASES["metric"] if alias in host]
        objective = fl.objective_for(posterior.loss, self.focal_curvature, host)
        _check_host(host, objective)
        builtin, own = _split([*_listed(given), *_listed(eval_metric)], posterior)
        for alias in fl.ALIASES["num_class"]:
            host.pop(alias, None)
        k = posterior.loss.n_outputs
        host |= {"objective": objective, "metric": builtin or "None"}
        return host if k == 1 else host | {"num_class": k}, own

    def _process_params(self, stage: str) -> dict[str, Any]:
        # LightGBM passes all parameters on at prediction. It would warn of unknown ones, and a fitted
        # model has its own objective, classes and metrics.
        params = super()._process_params(stage)
        aliases = (fl.ALIASES[name] for name in ("objective", "num_class", "metric"))
        left_out = {*PARAMETERS, *chain(*aliases)}
        params = {name: value for name, value in params.items() if name not in left_out}
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


def _trained(
    host: dict[str, Any], X: Any, codes: NDArray[np.int64], keywords: dict[str, Any]
) -> lgb.LGBMModel:
    """Fit the host's model, also where ``min_child_samples`` allows no split at all.

    LGBMClassifier would encode the labels once more, and then not know the training rows in eval_set.
    """
    # LightGBM grows a constant with its own objectives. With a custom one it fails, unless it keeps the
    # features that cannot be split, and always if all features are constant.
    tries = [host] if "feature_pre_filter" in host else [host, host | {"feature_pre_filter": False}]
    for parameters in tries:
        try:
            return lgb.LGBMModel(**parameters).fit(X, codes, **keywords)
        except lgb.basic.LightGBMError as error:
            if "num_features" not in str(error) or keywords["init_model"] is not None:
                raise
    alone = host | native_start(host["objective"].loss) | {"n_estimators": 1}
    trained = lgb.LGBMClassifier(**alone).fit(X, codes, sample_weight=keywords["sample_weight"])
    grown_natively(trained.booster_)
    return trained


@dataclass(frozen=True)
class _UsersMetric(Immutable):
    """A user's f(y, prediction[, weight]) as LightGBM calls a metric."""

    posterior: ClassPosterior
    function: Callable[..., Any]

    def __call__(self, y: Any, margin: Any, weight: Any) -> Any:
        prediction = _metrics.prediction(self.posterior, margin)
        if len(inspect.signature(self.function).parameters) == 2:
            return self.function(y, prediction)
        return self.function(y, prediction, weight)


def _split(given: list[Any], posterior: ClassPosterior) -> tuple[list[str], list[Any]]:
    """Return the metrics that LightGBM computes, and our own."""
    builtin: list[str] = []
    own: list[Any] = []
    if not given:
        return builtin, [_metrics.focal_loss(posterior)]
    for metric in given:
        if callable(metric):
            own.append(_UsersMetric(posterior, metric))
        elif metric in ("average_precision", "aucpr"):
            builtin.append("average_precision")  # LightGBM's own, which is faster
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
            raise ValueError(
                f"{name} must be left out, got {host[name]!r}: the loss has focal_{name}"
            )
    check_names(host, objective.loss)
    left_out = ("objective", *fl.ALIASES["num_class"])
    fl.host_params(
        {k: v for k, v in host.items() if v is not None and k not in left_out}, objective
    )


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
    if "eval_X" not in inspect.signature(lgb.LGBMClassifier.fit).parameters:
        return {"eval_set": valid}
    X, y = zip(*valid, strict=True)
    return {"eval_X": X, "eval_y": y}


def _valid_weights(valid: list[tuple[Any, Any]], weights: Any, class_weights: Any) -> Any:
    """Return eval_sample_weight with eval_class_weight, whose labels are the user's, in it."""
    if class_weights is None:
        return weights
    if isinstance(class_weights, Mapping) or len(class_weights) != len(valid):
        raise ValueError(f"eval_class_weight must be a list of {len(valid)}, one per eval_set")
    out = []
    for i, (_, y_valid) in enumerate(valid):
        weight = compute_sample_weight(class_weights[i], np.asarray(y_valid))
        given = None if weights is None else weights[i]
        out.append(weight if given is None else weight * np.asarray(given))
    return out

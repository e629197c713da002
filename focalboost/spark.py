"""The focal loss on Spark: XGBoost's own ``xgboost.spark``, told what depends on all rows.

``SparkFocalXGBClassifier`` is XGBoost's ``SparkXGBClassifier`` with gamma and alpha. The model that it
fits is XGBoost's own: it loads and predicts where focalboost is not installed, because with the
canonical link the softmax of its margins is the posterior. Spark counts the classes, in one pass.

Install with ``pip install "focalboost[spark]"``; Spark needs Java. LightGBM on Spark (SynapseML) runs in
the JVM and takes no objective in Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from pyspark.ml.param import Param, Params
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, NumericType
from xgboost.spark import SparkXGBClassifier, SparkXGBClassifierModel

import focalboost.xgboost as fx
from focalboost import _scale
from focalboost._curvature import Curvature
from focalboost.estimators._base import check_continued
from focalboost.estimators._posterior import ClassPosterior, check_names
from focalboost.estimators._xgboost import metrics_of_workers, stored, warn_of_names
from focalboost.losses import FocalLoss, check_loss

__all__ = ["SparkFocalXGBClassifier", "params"]


def params(
    df: Any,
    loss: FocalLoss,
    *,
    label_col: str = "label",
    weight_col: str | None = None,
    validation_indicator_col: str | None = None,
    curvature: Curvature = "guarded",
) -> dict[str, Any]:
    """Return the keywords that make XGBoost's ``SparkXGBClassifier`` train the focal loss.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
        The table to fit on, with labels 0/1 (for softmax 0 .. K-1) and, if they are named, weights and
        the indicator of validation rows. It is read once, by one aggregation.
    loss : BinaryFocalLoss or SoftmaxFocalLoss
        With ``link="canonical"``: ``SparkXGBClassifier`` takes the sigmoid or softmax of the margins for
        probabilities.
    label_col, weight_col, validation_indicator_col : str
        The columns that ``SparkXGBClassifier`` is given.
    curvature : {"guarded", "exact"}

    Returns
    -------
    dict
        ``obj``, ``custom_metric``, ``callbacks``, ``base_score``, ``disable_default_eval_metric``.

    Raises
    ------
    ValueError
        If the loss has another link; a column is missing, of another type or has missing values; labels
        are not 0 .. K-1, each of them among the training rows; weights are negative or not finite.
    TypeError
        If ``loss`` is not a focal loss.

    Notes
    -----
    Spark cannot save a model with such callables among its parameters; those of
    ``SparkFocalXGBClassifier`` can be saved.

    Examples
    --------
    ::

        loss = BinaryFocalLoss(gamma=1.0, link="canonical")
        model = SparkXGBClassifier(num_workers=8, **params(df, loss)).fit(df)
    """
    check_loss(loss)
    if loss.link != "canonical":
        raise ValueError(
            f"loss must have link='canonical' on Spark, got {loss.link!r}: XGBoost writes the sigmoid "
            "or softmax of the margins into the probability column, and only with this link are they "
            "probabilities"
        )
    rows, weights = _counted(df, label_col, weight_col, validation_indicator_col)
    k = len(loss.gammas)
    if len(rows) != k:
        raise ValueError(
            f"{label_col} must have the {k} classes of {loss!r}, got the labels 0 .. {len(rows) - 1}"
        )
    objective = fx.Objective(loss, curvature)
    exact = fx.ExactMetrics([fx.Metric(loss)], _scale.says(loss))
    intercept = loss.intercept_of(weights, int(rows.sum()))
    return _keywords(objective, exact) | {
        "callbacks": [exact],
        "base_score": fx.base_score(loss, intercept),
    }


def _keywords(objective: fx.Objective, exact: fx.ExactMetrics) -> dict[str, Any]:
    return {
        "obj": objective,
        "custom_metric": exact.evaluate,
        "disable_default_eval_metric": 1,
    }


def _number(value: Any) -> Any:
    """Return a number, or one for each class, as a saved estimator can store it."""
    given = np.asarray(value, dtype=np.float64)
    return float(given) if given.ndim == 0 else [float(one) for one in given]


def _alpha(value: Any) -> Any:
    return value if isinstance(value, str) else _number(value)


def _param(name: str, doc: str, converter: Any) -> Any:
    return Param(Params._dummy(), name, doc, converter)  # noqa: SLF001 - Spark's way to declare one


class SparkFocalXGBClassifier(SparkXGBClassifier):  # type: ignore[misc]
    """SparkXGBClassifier with the focal loss, and posteriors in the probability column.

    Parameters
    ----------
    focal_gamma : float >= 0, or one per class
        0 is log loss. Tune it, with 0 among the candidates: it is a Param, for ``ParamGridBuilder``.
    focal_alpha : None, float in (0, 1), one per class, "balanced" or "effective"
        Class weights inside the loss, which the posterior undoes; as for ``FocalXGBClassifier``.
    focal_curvature : {"guarded", "exact"}
        What the trees are given as second derivative.
    **host
        Every parameter of ``xgboost.spark.SparkXGBClassifier``: ``features_col``, ``label_col``,
        ``weight_col``, ``num_workers``, ``max_depth``, ... ``eval_metric``: as for
        ``FocalXGBClassifier``, without those that need the scores of all rows in one place
        ("average_precision", ``"recall@0.01"``, ...); the last drives ``early_stopping_rounds``. With
        ``device="cuda"`` trees are grown on the device and gradients computed on the CPU.

    Raises
    ------
    ValueError
        At ``fit``, before training: labels that are not 0, 1, ... (StringIndexer makes them); a single
        class; classes that occur in validation rows only; a column that is missing, of another type or
        has missing values; negative weights; ``scale_pos_weight``, which XGBoost would ignore.

    Notes
    -----
    ``fit`` returns XGBoost's ``SparkXGBClassifierModel``, whose columns ``probability`` and
    ``prediction`` are posterior and most probable class, for the class frequencies of the weighted
    training rows. If negatives were sampled, give those that were kept a weight. The metric and early
    stopping are those of all rows. ``model.get_booster().save_model(path)`` writes what
    ``FocalXGBClassifier`` loads.

    Examples
    --------
    ::

        from focalboost.spark import SparkFocalXGBClassifier

        classifier = SparkFocalXGBClassifier(focal_gamma=1.0, n_estimators=300, num_workers=8)
        model = classifier.setLabelCol("is_fraud").setFeaturesCol("features").fit(payments)
        model.transform(new).select("probability", "prediction")
    """

    focal_gamma = _param("focal_gamma", "focusing parameter >= 0, or one per class", _number)
    focal_alpha = _param(
        "focal_alpha", "class weights: a number, one per class, 'balanced', 'effective'", _alpha
    )
    focal_curvature = _param("focal_curvature", "'guarded' or 'exact'", str)

    def __init__(
        self,
        *,
        focal_gamma: Any = 2.0,
        focal_alpha: Any = None,
        focal_curvature: Curvature = "guarded",
        **host: Any,
    ) -> None:
        super().__init__()
        self._setDefault(focal_gamma=2.0, focal_alpha=None, focal_curvature="guarded")
        self.setParams(
            focal_gamma=focal_gamma,
            focal_alpha=focal_alpha,
            focal_curvature=focal_curvature,
            **host,
        )

    def setParams(self, **given: Any) -> SparkFocalXGBClassifier:
        """Set parameters by XGBoost's names (``label_col``, ``max_depth``, ...); return self."""
        super().setParams(**given)
        return self

    def setFeaturesCol(self, value: str | list[str]) -> SparkFocalXGBClassifier:
        """Set the column of vectors, or the columns that are numbers."""
        return self.setParams(features_col=value)

    def setLabelCol(self, value: str) -> SparkFocalXGBClassifier:
        """Set the column of labels 0, 1, ..."""
        return self.setParams(label_col=value)

    def setWeightCol(self, value: str) -> SparkFocalXGBClassifier:
        """Set the column of weights."""
        return self.setParams(weight_col=value)

    def setValidationIndicatorCol(self, value: str) -> SparkFocalXGBClassifier:
        """Set the column that is true for rows that are evaluated, not trained on."""
        return self.setParams(validation_indicator_col=value)

    def setPredictionCol(self, value: str) -> SparkFocalXGBClassifier:
        """Set the column that the model writes the most probable class to."""
        return self.setParams(prediction_col=value)

    def setProbabilityCol(self, value: str) -> SparkFocalXGBClassifier:
        """Set the column that the model writes the posterior to."""
        return self.setParams(probability_col=value)

    def setRawPredictionCol(self, value: str) -> SparkFocalXGBClassifier:
        """Set the column that the model writes the margins to."""
        return self.setParams(raw_prediction_col=value)

    def _fit(self, dataset: Any) -> Any:
        """Fit a SparkXGBClassifier with this objective, and return its model without the callables."""
        kept = SparkXGBClassifier()
        self._copyValues(kept)  # all but the parameters that only this class has
        kept._resetUid(self.uid)  # noqa: SLF001 - Spark's convention: a model has its estimator's
        named = {param.name: value for param, value in kept.extractParamMap().items()}
        rows, weights = _counted(
            dataset, named["labelCol"], named.get("weightCol"), named.get("validationIndicatorCol")
        )
        options = {
            "focal_gamma": _hashable(self.getOrDefault("focal_gamma")),
            "focal_alpha": _hashable(self.getOrDefault("focal_alpha")),
            "focal_curvature": self.getOrDefault("focal_curvature"),
            "class_weight": None,
            "population_prior": None,
        }
        posterior = ClassPosterior.of_counts(options, np.arange(len(rows)), rows, weights)
        more = named["arbitrary_params_dict"]
        check_names({**more, "scale_pos_weight": named["scale_pos_weight"]}, posterior.loss)
        warn_of_names({"gamma": named["gamma"], **more})
        fx.refuse_obj(more)
        if "custom_metric" in more:
            raise TypeError(
                "custom_metric must not be given: eval_metric takes names and functions"
            )
        objective = fx.Objective(posterior.loss, self.getOrDefault("focal_curvature"))
        rounds = named["early_stopping_rounds"]
        if rounds is not None and not named.get("validationIndicatorCol"):
            raise ValueError(
                "early_stopping_rounds needs validation_indicator_col: a column that is true for the "
                "rows to be evaluated"
            )
        builtin, exact, callbacks = metrics_of_workers(
            named["eval_metric"], posterior, named["callbacks"] or (), rounds, "on Spark"
        )
        fx.host_params({"eval_metric": builtin, **more}, objective)
        start = named["base_score"]
        before = named["xgb_model"]
        if before is not None:
            before = fx.continued(before, posterior.loss, {"base_score": start})
            check_continued("xgb_model", stored(before), posterior)
        elif start is None:
            start = fx.base_score(posterior.loss, posterior.intercept())
        fitting = kept.copy()
        fitting.setParams(
            **_keywords(objective, exact),
            callbacks=callbacks,
            eval_metric=builtin or None,
            early_stopping_rounds=None,
            xgb_model=before,
            base_score=start,
        )
        fitted = fitting.fit(dataset)
        booster = fitted.get_booster()
        booster.set_attr(**posterior.says())  # keeping the best iteration loses them
        # Of what was given, the model keeps what can be saved.
        kept.setParams(callbacks=None, xgb_model=None, eval_metric=builtin or None)
        classifier = xgb.XGBClassifier()
        its = classifier.get_params()
        classifier.set_params(
            **{p.name: v for p, v in kept.extractParamMap().items() if p.name in its}
        )
        classifier.load_model(bytearray(booster.save_raw("json")))
        model = SparkXGBClassifierModel(classifier, fitted.training_summary)
        model._resetUid(self.uid)  # noqa: SLF001
        return kept._copyValues(model)  # noqa: SLF001 - as estimators in Python do


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _counted(
    df: Any, label: str, weight: str | None, validation: str | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return rows, and sums of weights, of the labels 0 .. K-1 of the training rows.

    One pass over labels and weights; those of validation rows are checked too.
    """
    for column, kind, must in (
        (label, NumericType, "numbers: StringIndexer makes them from text"),
        (weight, NumericType, "numbers"),
        (validation, BooleanType, "true or false"),
    ):
        if not column:
            continue
        if column not in df.columns:
            raise ValueError(f"column {column!r} is not in the table, which has {df.columns}")
        if not isinstance(found := df.schema[column].dataType, kind):
            raise ValueError(f"column {column!r} must have {must}, got {found.simpleString()}")
    w = F.col(weight).cast("double") if weight else F.lit(1.0)
    right = w.isNotNull() & (w >= 0) & (w < float("inf"))  # to Spark NaN is above infinity
    y = F.col(label).cast("double")
    valid = F.col(validation) if validation else F.lit(False)
    table = df.groupBy(valid.alias("valid"), y.alias("label")).agg(
        F.count(F.lit(1)).alias("rows"),
        F.sum(w).alias("weight"),
        F.sum(F.when(right, 0).otherwise(1)).alias("wrong"),
    )
    found = table.collect()
    wrong = sum(row["wrong"] for row in found)
    if wrong:
        raise ValueError(f"column {weight!r} must have finite weights >= 0, got {wrong} others")
    if any(row["valid"] is None for row in found):
        raise ValueError(f"column {validation!r} must be true or false in every row, got null")
    training = {row["label"]: (row["rows"], row["weight"]) for row in found if not row["valid"]}
    every = {row["label"] for row in found}
    k = len(training)
    whole = set(map(float, range(k)))
    if every != whole or set(training) != whole:
        got = sorted(every, key=lambda y: (y is not None, y))
        where = "" if set(training) == every else f", {sorted(training, key=str)} in training rows"
        raise ValueError(
            f"column {label!r} must have labels 0, 1, ... K-1, each among the training rows, got "
            f"{got[:10]}{where}: StringIndexer makes them"
        )
    rows = np.array([training[float(c)][0] for c in range(k)], np.int64)
    weights = np.array([training[float(c)][1] for c in range(k)], np.float64)
    if k and not weights.any():
        raise ValueError(f"column {weight!r} must not be 0 in all training rows")
    return rows, weights

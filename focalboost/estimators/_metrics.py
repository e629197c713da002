"""Metrics of the recovered posterior, under the names that users of both hosts already write.

The hosts would compute them from scores or margins, which are not what predict_proba returns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from focalboost import metrics
from focalboost._immutable import Immutable
from focalboost.estimators._posterior import ClassPosterior

_LOG_LOSS = (
    *("logloss", "mlogloss", "log_loss", "binary_logloss", "multi_logloss", "binary", "multiclass"),
    *("softmax", "cross_entropy", "xentropy", "neg_log_loss"),
)
_ERROR = ("error", "merror", "binary_error", "multi_error")


def _log_loss(
    y: NDArray[np.int64], probability: NDArray[Any], weight: NDArray[Any] | None
) -> float:
    chosen = probability[np.arange(len(y)), y]
    # Bounded as in scikit-learn: one row that is certain and wrong must not hide all others.
    loss = -np.log(np.maximum(chosen, np.finfo(np.float64).eps))
    return float(np.average(loss, weights=weight))


def _error(y: NDArray[np.int64], probability: NDArray[Any], weight: NDArray[Any] | None) -> float:
    return float(np.average(probability.argmax(axis=1) != y, weights=weight))


def _average_precision(
    y: NDArray[np.int64], probability: NDArray[Any], weight: NDArray[Any] | None
) -> float:
    """Binary average precision, or the macro average of one class against the others."""
    if probability.shape[1] == 2:
        return float(average_precision_score(y, probability[:, 1], sample_weight=weight))
    each = [
        average_precision_score(y == k, probability[:, k], sample_weight=weight)
        for k in np.unique(y)
    ]
    return float(np.mean(each))


def _auc(y: NDArray[np.int64], probability: NDArray[Any], weight: NDArray[Any] | None) -> float:
    return float(roc_auc_score(y, probability[:, 1], sample_weight=weight))


@dataclass(frozen=True)
class PosteriorMetric(Immutable):
    """A metric of labels and posterior, evaluated by either host at labels and margins."""

    posterior: ClassPosterior
    name: str
    function: Callable[..., float]
    higher_is_better: bool

    def value(self, y: Any, margin: Any, weight: Any) -> float:
        """Return the metric of labels 0 .. K-1 and margins; with several targets their mean."""
        if self.name == metrics.NAME:
            return metrics.focal_loss(self.posterior.loss, y, margin, weight)
        codes = np.asarray(y).astype(np.int64)
        # In double precision: in float32, 1 - P(y=1) of a certain row is 0.
        probability = self.posterior.probabilities(np.asarray(margin, dtype=np.float64))
        if self.posterior.n_targets == 1:
            return self.function(codes, probability, weight)
        columns = zip(codes.T, probability.T, strict=True)
        each = [self.function(t, np.column_stack([1 - p, p]), weight) for t, p in columns]
        return float(np.mean(each))

    def __call__(self, y: Any, margin: Any, sample_weight: Any) -> tuple[str, float, bool]:
        """Return (name, value, higher is better), as LightGBM wants it."""
        return self.name, self.value(y, margin, sample_weight), self.higher_is_better


def focal_loss(posterior: ClassPosterior) -> PosteriorMetric:
    """Return the loss that is trained, as a metric."""
    return PosteriorMetric(posterior, metrics.NAME, metrics.focal_loss, False)


def named(name: str, posterior: ClassPosterior) -> PosteriorMetric | None:
    """Return our metric of that name, or None if the host's own is right on margins."""
    if name == metrics.NAME:
        return focal_loss(posterior)
    if name in _LOG_LOSS:
        return PosteriorMetric(posterior, name, _log_loss, False)
    if name in _ERROR:
        return PosteriorMetric(posterior, name, _error, False)
    if name == "average_precision":
        return PosteriorMetric(posterior, name, _average_precision, True)
    if (of_score := metrics.named(name, len(posterior.classes))) is not None:
        return PosteriorMetric(posterior, name, _OfScore(of_score), True)
    return None


@dataclass(frozen=True)
class _OfScore:
    """A metric of scores, of the probability of the second class."""

    metric: metrics.Named

    def __call__(
        self, y: NDArray[np.int64], probability: NDArray[Any], weight: NDArray[Any] | None
    ) -> float:
        return self.metric.value(y, probability[:, 1], weight)


def auc(posterior: ClassPosterior) -> PosteriorMetric:
    """Return the area under the ROC curve of two classes, where the host's own would come too early."""
    return PosteriorMetric(posterior, "auc", _auc, True)


def prediction(posterior: ClassPosterior, margin: Any) -> NDArray[Any]:
    """Return what a user's metric expects: P(y=1) (n,) for two classes, (n, K), or (n, n_targets)."""
    probability = posterior.probabilities(margin)
    two = posterior.n_targets == 1 and probability.shape[1] == 2
    return probability[:, 1] if two else probability

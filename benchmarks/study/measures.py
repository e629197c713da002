"""How a posterior is measured on the test rows."""

from __future__ import annotations

import numpy as np
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    precision_recall_curve,
    roc_curve,
)

from benchmarks.study.methods import mean_log_loss

ALERTS = 0.01
NAMES = (
    *("log_loss", "brier", "ap", "recall_1pct", "slope", "intercept"),
    *("macro_f1", "macro_f1_tuned", "balanced_accuracy_tuned"),
)


def of(
    y: np.ndarray, eta: np.ndarray, y_valid: np.ndarray, eta_valid: np.ndarray
) -> dict[str, float]:
    """Return the measures of posteriors (n, K); thresholds are chosen on the validation rows.

    ``ap``: average precision of the second class, or the mean over the classes. ``recall_1pct``: share
    of the positives among the 1 % of rows with the highest posterior. ``slope`` and ``intercept`` of a
    logistic regression of the label on the log-odds: 1 and 0 for right posteriors. The last three: macro
    F1 of the most probable class; macro F1 and balanced accuracy where the threshold was chosen for
    them. With several classes the posterior is then divided by the class shares, and nothing is chosen.
    """
    k = eta.shape[1]
    codes = np.arange(k)
    one_hot = (y[:, None] == codes).astype(float)
    found = dict.fromkeys(NAMES, float("nan"))
    found["log_loss"] = mean_log_loss(y, eta)
    found["brier"] = float(np.mean((eta - one_hot) ** 2) * k / 2)
    found["macro_f1"] = f1(y, eta.argmax(axis=1), k)
    if k > 2:
        present = one_hot.any(axis=0)
        found["ap"] = float(
            np.mean([average_precision_score(one_hot[:, j], eta[:, j]) for j in codes[present]])
        )
        chosen = (eta / np.bincount(y_valid, minlength=k).clip(1)).argmax(axis=1)
        found["macro_f1_tuned"] = f1(y, chosen, k)
        found["balanced_accuracy_tuned"] = float(balanced_accuracy_score(y, chosen))
        return found
    p, p_valid = eta[:, 1], eta_valid[:, 1]
    found["ap"] = float(average_precision_score(y, p))
    alerts = max(1, round(ALERTS * len(y)))
    found["recall_1pct"] = float(y[np.argsort(-p, kind="stable")[:alerts]].sum() / y.sum())
    fit = LogisticRegression(C=np.inf, max_iter=200).fit(logit(p)[:, None], y)
    found["slope"], found["intercept"] = float(fit.coef_[0, 0]), float(fit.intercept_[0])
    precision, recall, thresholds = precision_recall_curve(y_valid, p_valid)
    # The F1 of the rare class decides nearly all of macro F1.
    best = np.argmax(
        2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], 1e-9)
    )
    found["macro_f1_tuned"] = f1(y, (p >= thresholds[best]).astype(int), k)
    false, true, thresholds = roc_curve(y_valid, p_valid)
    found["balanced_accuracy_tuned"] = float(
        balanced_accuracy_score(y, p >= thresholds[np.argmax(true - false)])
    )
    return found


def f1(y: np.ndarray, predicted: np.ndarray, k: int) -> float:
    """Return macro F1 over all classes; a class never predicted counts 0."""
    return float(f1_score(y, predicted, labels=np.arange(k), average="macro", zero_division=0))

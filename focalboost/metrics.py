"""Mean focal loss of labels and margins, for early stopping and reporting; host-free."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from focalboost import _validation
from focalboost._namespace import namespace
from focalboost.losses import FocalLoss

NAME = "focal_loss"
"""What the metric is called in the hosts' histories."""


def with_users(own: Any, users: Any) -> list[Any]:
    """Return the user's metrics with our own last; in XGBoost the last one drives early stopping."""
    if users is None:
        return [own]
    return [*(users if isinstance(users, (list, tuple)) else [users]), own]


def sums(
    loss: FocalLoss, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[float, float]:
    """Return (sum of w l, sum of w) in double precision: workers add these before they divide.

    With labels and margins (n, targets) every target is an observation with the weight of its row. No
    rows give (0.0, 0.0).
    """
    per_row = loss.loss(y, margin)
    xp = namespace(per_row)
    wide = xp.astype(per_row, xp.float64)
    if sample_weight is None:
        return float(xp.sum(wide)), float(per_row.size)
    # In double precision: a large weight times a large loss is infinite in float32.
    n = per_row.shape[0]
    targets = per_row.size // max(n, 1)
    w: Any = _validation.sample_weight(sample_weight, n, wide)
    total = xp.sum(w[:, None] * xp.reshape(wide, (n, targets)))
    return float(total), float(xp.sum(w)) * targets


def focal_loss(
    loss: FocalLoss, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    r"""Weighted mean focal loss, sum(w l) / sum(w); lower is better.

    Parameters
    ----------
    loss : BinaryFocalLoss or SoftmaxFocalLoss
    y : array of shape (n,)
        Labels 0/1, or 0 .. K-1.
    margin : array of shape (n,) or (n, K)
        Margins, not scores.
    sample_weight : array of shape (n,), optional
        Non-negative, not all zero. None: equal weights.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For labels, margins or weights that the loss refuses, and for no rows.

    Examples
    --------
    >>> from focalboost import BinaryFocalLoss
    >>> round(focal_loss(BinaryFocalLoss(gamma=2.0), [0, 1], [-1.0, 1.0]), 6)
    0.022658
    """
    total, weight = sums(loss, y, margin, sample_weight)
    if weight == 0:
        raise ValueError("labels must not be empty: the mean loss of no rows is not defined")
    return total / weight

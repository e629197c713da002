"""Class weights from class counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def balanced_alpha(y: ArrayLike, beta: float | None = None) -> NDArray[np.float64]:
    r"""Class weights for ``alpha`` from the class counts n_k of ``y``.

    beta None:    n / (K n_k), inverse frequency (scikit-learn's "balanced")
    beta given:   (1 - beta) / (1 - beta^n_k), scaled to sum to K (effective number of samples)

    Parameters
    ----------
    y : array of shape (n,)
        Labels of any type that sorts; the weights follow the sorted distinct values.
    beta : float in [0, 1), optional
        0 weighs all classes alike; towards 1 the weights approach the inverse frequency.

    Returns
    -------
    array of shape (K,)
        Positive weights; pass it as ``alpha`` of either loss.

    Raises
    ------
    ValueError
        If ``y`` is not one-dimensional, is empty, holds NaN or a single class, or ``beta`` is
        outside [0, 1).

    Notes
    -----
    Large weights on top of gamma > 0 often do more harm than good: tune them together.

    References
    ----------
    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019
    (arXiv 1901.05555), equation 2.

    Examples
    --------
    >>> balanced_alpha([0, 0, 0, 1])
    array([0.66666667, 2.        ])
    >>> balanced_alpha([0, 0, 0, 1], beta=0.9).round(4)
    array([0.5391, 1.4609])
    """
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(f"labels must have shape (n,), got {labels.shape}")
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError("labels must not be NaN")
    counts: NDArray[Any] = np.unique(labels, return_counts=True)[1].astype(np.float64)
    if len(counts) < 2:
        raise ValueError(f"labels must have at least two classes, got {len(counts)}")
    if beta is None:
        return np.asarray(counts.sum() / (len(counts) * counts))
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be in [0, 1) or None, got {beta!r}")
    # 1 - beta^n loses everything for beta near 1 and small n; expm1 does not.
    effective = -np.expm1(counts * (math.log(beta) if beta > 0 else -math.inf))
    weight = 1 / effective
    return np.asarray(weight * len(counts) / weight.sum())

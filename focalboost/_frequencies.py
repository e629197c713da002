"""Class frequencies: counted from labels, balanced by weights, exchanged in a posterior."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import _validation


def class_frequencies(
    y: NDArray[Any], sample_weight: NDArray[np.floating] | None, n_classes: int
) -> NDArray[np.float64]:
    """Return the weighted share of each class; two classes at least must have weight.

    Weights are summed in double precision, as the hosts do for their own starting value.
    """
    if y.size == 0:
        raise ValueError("labels must not be empty: the intercept of no data is not defined")
    total = np.bincount(y, weights=sample_weight, minlength=n_classes).astype(np.float64)
    present = np.flatnonzero(total)
    if present.size < 2:
        only = f"class {present[0]}" if present.size else "no class"
        raise ValueError(
            f"labels must have at least two classes with positive weight, got only {only}; "
            "there is nothing to learn from"
        )
    return np.asarray(total / total.sum(), dtype=np.float64)


def half_a_row_each(share: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Count a class without weight as half an average one of the ``n`` rows."""
    if share.all():
        return share
    share = np.where(share == 0, 0.5 / n, share)
    return np.asarray(share / share.sum())


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
    labels = _validation.vector("labels", np.asarray(y))
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


def shift_prior(
    posterior: ArrayLike, trained: ArrayLike, target: ArrayLike
) -> NDArray[np.floating]:
    r"""Correct a posterior for class frequencies that differ from those it was trained on.

    eta_k' proportional to eta_k target_k / trained_k. Use it after over- or undersampling, or when
    the class mix has changed and the distribution of the features within a class has not.

    Parameters
    ----------
    posterior : array of shape (n,) or (n, K)
        P(y=1), or one column per class with rows summing to 1.
    trained, target : float in (0, 1), or array of shape (K,)
        Frequency of the positive class (or of each class, summing to 1) in the data that the model
        was trained on, and in the data it is asked about.

    Returns
    -------
    array of the shape of ``posterior``

    Raises
    ------
    ValueError
        If a posterior is outside [0, 1] or NaN, a frequency outside (0, 1), or shapes do not agree.

    References
    ----------
    Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities", Neural Computation 14(1), 2002, equation 2.4.

    Examples
    --------
    Trained on a table undersampled to 10 % fraud, used where fraud is 0.5 %:

    >>> shift_prior([0.10, 0.50, 0.90], trained=0.10, target=0.005).round(4)
    array([0.005 , 0.0433, 0.2893])
    """
    eta = _validation.posterior(posterior)
    old = _validation.frequencies("trained", trained, eta)
    new = _validation.frequencies("target", target, eta)
    if old.ndim != new.ndim:
        raise ValueError("trained and target must both be numbers or both be vectors")
    if old.ndim == 0:
        positive, negative = eta * (new / old), (1 - eta) * ((1 - new) / (1 - old))
        return np.asarray(positive / (positive + negative), dtype=eta.dtype)
    shifted = eta * (new / old)
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=eta.dtype)

"""Class frequencies: counted from labels, balanced by weights, exchanged in a posterior."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import _validation


def class_weights(
    y: NDArray[np.int64], sample_weight: NDArray[np.floating] | None, n_classes: int
) -> NDArray[np.float64]:
    """Return the sum of the weights of each class, in double precision, as the hosts add them up."""
    return np.bincount(y, weights=sample_weight, minlength=n_classes).astype(np.float64)


def class_frequencies(total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each class in such sums; two classes at least must have weight."""
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

    With ``beta=None`` :math:`n / (K n_k)`, inverse frequency (scikit-learn's "balanced"). With a beta
    :math:`(1 - \beta) / (1 - \beta^{n_k})`, scaled to sum to K (effective number of samples).

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
    return balanced(counts, beta)


def balanced(counts: NDArray[Any], beta: float | None = None) -> NDArray[np.float64]:
    """Return the class weights of ``balanced_alpha`` for these counts."""
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


def estimate_prior(posterior: ArrayLike, trained: ArrayLike) -> float | NDArray[np.float64]:
    r"""Estimate the class frequencies of unlabelled rows from the posteriors of a model.

    The frequencies pi that make the rows most likely if only they have changed since training, and not
    the distribution of the features within a class::

        maximise  sum over rows i of  log sum over classes k of  eta_ik pi_k / trained_k

    by the EM algorithm. Feed ``shift_prior`` with them, or ``set_params(population_prior=...)`` of a
    fitted estimator.

    Parameters
    ----------
    posterior : array of shape (n,) or (n, K)
        P(y=1), or one column per class, of rows from where the model is used, for the training
        frequencies. They must be calibrated.
    trained : float in (0, 1), or array of shape (K,)
        Frequencies in the data that the model was trained on (``class_prior_`` of an estimator).

    Returns
    -------
    float, or array of shape (K,)
        As ``trained``. A class that the rows speak against can get 0, which ``shift_prior`` refuses:
        then the rows are too few to tell how rare it has become.

    Raises
    ------
    ValueError
        If ``posterior`` or ``trained`` cannot be used; if the posteriors do not tell the classes apart,
        so that other frequencies explain the rows as well; if EM has not converged.

    Notes
    -----
    ``scipy.stats.bootstrap`` over the rows gives an interval.

    References
    ----------
    Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities", Neural Computation 14(1), 2002, equation 2.9.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = rng.random(20_000) < 0.02; x = rng.normal(2.0 * y)        # 2 % positives
    >>> eta = 1 / (1 + np.exp(-(2 * x - 2 + np.log(0.10 / 0.90))))    # of a model trained with 10 %
    >>> round(estimate_prior(eta, trained=0.10), 3)
    0.021
    """
    eta = _validation.posterior(posterior)
    share = _validation.frequencies("trained", trained, eta)
    if share.ndim == 0:
        columns, old = np.column_stack([1 - eta, eta]), np.array([1 - share, share])
    else:
        columns, old = eta, share
    if columns.ndim != 2 or not len(columns):
        raise ValueError(f"posterior must have rows, got shape {eta.shape}")
    ratio = columns.astype(np.float64) / old
    if not (ratio > 0).any(axis=1).all():
        raise ValueError("rows of posterior must not be 0 for every class")
    found = _most_likely(ratio, old)
    # How fast the likelihood falls along the directions in which frequencies can change.
    scaled = ratio / (ratio @ found)[:, None]
    k = len(old)
    directions = np.linalg.svd(np.ones((1, k)))[2][1:]
    curvature = np.linalg.eigvalsh(directions @ (scaled.T @ scaled) @ directions.T)
    if curvature.min() < 16:  # a standard deviation above 1/4: they may be anything
        raise ValueError(
            "posterior must tell the classes apart: other frequencies explain these rows as well; give "
            "more rows, or the posteriors of a better model"
        )
    return float(found[1]) if share.ndim == 0 else found


_MOST_STEPS = 20_000


def _most_likely(ratio: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the frequencies that maximise the mean of log(ratio @ pi)."""
    pi = start.copy()
    for _ in range(_MOST_STEPS):
        gain = (ratio / (ratio @ pi)[:, None]).mean(axis=0)
        # log(gain.max()) bounds what the mean can still rise: of all rows together .001 is nothing.
        if len(ratio) * math.log(gain.max()) < 1e-3:
            return np.asarray(pi / pi.sum())
        pi = pi * gain
    raise ValueError(
        f"EM must converge within {_MOST_STEPS:,} steps, and did not: the posteriors hardly tell the "
        "classes apart, or one of them hardly occurs; give more rows, or join classes"
    )

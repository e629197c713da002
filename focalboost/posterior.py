r"""Margins to class posteriors, and posteriors from one class prior to another.

The focal loss is not proper: sigmoid(margin) is not a probability for gamma > 0. Where the expected
loss is stationary the posterior follows from the gradients alone (docs/math.md):

    binary     eta = A0(-z) / (A0(-z) + A1(z)),        A_y(s) = alpha_y q^g (q + g p L), g = gamma_y
    softmax    eta_k proportional to p_k / A_k,        A_k = alpha_k q_k^(g-1) (q_k + g p_k L_k)

References
----------
Charoenphakdee et al., "On Focal Loss for Class-Posterior Probability Estimation", CVPR 2021
(arXiv 2011.09172). Komisarenko and Kull, "Improving Calibration by Relating Focal Loss,
Temperature Scaling, and Properness", 2024 (arXiv 2408.11598).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import _binary, _softmax, _validation
from focalboost._namespace import Array, namespace


def binary(z: Array, gamma: tuple[float, float], alpha: tuple[float, float]) -> Array:
    """Return P(y=1) at margins ``z``; ``gamma`` and ``alpha`` as (negatives, positives)."""
    return _binary.terms(binary_log_odds(z, gamma, alpha)).p


def binary_log_odds(z: Array, gamma: tuple[float, float], alpha: tuple[float, float]) -> Array:
    """Return log eta / (1 - eta): about (1+g) z - log(1+g) in the tails."""
    return (
        _binary.log_slope(-z, gamma[0])
        - _binary.log_slope(z, gamma[1])
        + math.log(alpha[0] / alpha[1])
    )


def softmax(t: _softmax.Terms, gamma: Array, alpha: Array) -> Array:
    """Return P(y=k), (n, K), rows summing to 1; ``gamma`` and ``alpha`` have shape (K,)."""
    xp = namespace(t.p)
    log_A = (
        xp.log(alpha)
        - gamma * _softmax.log_complement(t.p, t)
        + xp.log1p(gamma * t.p * _softmax.loss_per_complement(t))
    )
    return _softmax.terms(-t.L - log_A).p


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
    old, new = _validation.priors(eta, trained, target)
    if old.ndim == 0:
        positive, negative = eta * (new / old), (1 - eta) * ((1 - new) / (1 - old))
        return np.asarray(positive / (positive + negative), dtype=eta.dtype)
    shifted = eta * (new / old)
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=eta.dtype)

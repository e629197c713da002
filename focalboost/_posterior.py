r"""Margins to class posteriors.

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

from focalboost import _binary, _softmax
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

r"""The intercept, the best constant margin: its posterior is the weighted class frequency.

Without class weights and at gamma = 0 this is the log-odds (softmax: the log-frequencies). For gamma > 0
it is much closer to 0: pi = 1 % and gamma = 2 give -1.706, while the log-odds are -4.595.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from focalboost import _binary, _posterior

# Half of the search interval: it covers the log-odds of every positive double, and A(s) does not
# underflow inside it.
_FAR = 800.0


def binary(pi: float, gamma: tuple[float, float], alpha: tuple[float, float]) -> float:
    """Return z with posterior(z) = pi; ``gamma`` and ``alpha`` as (negatives, positives)."""
    odds = pi / (1 - pi)
    if gamma == (0.0, 0.0):
        return math.log(odds) + math.log(alpha[1] / alpha[0])
    from scipy.optimize import brentq  # half a second: not at import

    wanted = math.log(odds)

    def excess(z: float) -> float:
        return float(_posterior.binary_log_odds(np.asarray(z), gamma, alpha)) - wanted

    return float(brentq(excess, -_FAR, _FAR, xtol=1e-14, rtol=8.9e-16))


def softmax(
    frequency: NDArray[np.float64], gamma: NDArray[np.float64], alpha: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return margins z (K,), the logarithms of p, with posterior(z) = ``frequency``.

    Stationarity asks p_k / A_k(p_k) = c frequency_k. The left side rises with p_k, so every p_k rises
    with c, and one value of c makes the p_k sum to 1.
    """
    if not gamma.any():
        p = frequency * alpha
        return np.asarray(np.log(p / p.sum()), dtype=np.float64)

    from scipy.optimize import brentq
    from scipy.optimize.elementwise import find_root

    def log_ratio(x: NDArray[np.float64], g: Any, a: Any) -> NDArray[np.float64]:
        # log(p / A) of a class with p = sigmoid(x); A = a q^(g-1) (q + g p L) = a slope / q.
        t = _binary.terms(x)
        return np.asarray(-t.L - t.M - _binary.log_slope(x, g) - np.log(a))

    def margins(log_c: float) -> NDArray[np.float64]:
        level = log_c + np.log(frequency)
        low, high = np.full_like(level, -_FAR), np.full_like(level, _FAR)
        # At gamma_k = 0, p_k / A_k is at most 1 / alpha_k: a level above that asks for p_k = 1.
        reachable = log_ratio(high, gamma, alpha) > level
        found = find_root(
            lambda x, g, a, y: log_ratio(x, g, a) - y, (low, high), args=(gamma, alpha, level)
        )
        return np.where(reachable, found.x, _FAR)

    def excess(log_c: float) -> float:
        return float(np.sum(_binary.terms(margins(log_c)).p)) - 1

    far = _FAR / 2
    log_c = brentq(excess, -far, far, xtol=1e-14, rtol=8.9e-16)
    p = _binary.terms(margins(log_c)).p
    return np.asarray(np.log(p / p.sum()), dtype=np.float64)

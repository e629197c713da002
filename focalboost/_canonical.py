r"""The losses on the scale of the posterior: the formulas, for any array namespace, in double precision.

u margin with the canonical link: eta = sigmoid(u) or softmax(u) IS the posterior.  z margin of the
paper with that posterior.  y label, t true class, g = gamma of the label;  p, q, L, A as in ``_binary``,
at the score that belongs to u;

    w = p L / q,  D = w - p,  E = g D / (1 + g w),  R = -A' / A = (1+g) p - E

Binary, with S = a0 A0(-z) + a1 A1(z) and du/dz = R0(-z) + R1(z):

    gradient   v (eta - y),                        v(u) = S / (du/dz) > 0
    Hessian    v' (eta - y) + v eta (1 - eta)

Softmax, with N_k = q_k + g_k p_k - E_k and weights pi_k = p_k q_k / N_k:

    gradient   a_t B_t (W_j - [j = t]),            B_t = A_t / N_t,  W_j = pi_j / sum of pi

Derived in docs/math.md. The caller applies class weights (in ``alpha``) and sample weights.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np

from focalboost import _binary, _softmax
from focalboost._namespace import Array, namespace

# Newton steps to the margin of the paper, at most. From the asymptotes the error is below rounding after
# 4 steps for one gamma and after 7 for two gammas as far apart as 0 and 50; the tests measure it. A step
# squares the error: after one shorter than _LAST, relative to 1 and the margin, there is only rounding.
_STEPS = 9
_LAST = 1e-9

_TINY = 1e-290

# exp(-this) is a normal number: the scores of the other classes keep their digits.
_MOST_LEAD = 650.0


class Side(NamedTuple):
    """Quantities of one class at its margin s, with p = sigmoid(s)."""

    terms: _binary.Terms
    log_A: Array
    R: Array  # -A' / A
    dR: Array  # dR / ds
    N: Array  # dm / ds, m = log(p q / A)
    pi: Array  # p q / N = dp / dm
    B_rate: Array  # -d log B / dm, B = A / N
    pi_rate: Array  # d log pi / dm, pi = p q / N


def side(s: Array, g: Array | float) -> Side:
    """Evaluate the quantities of a class at s, finite for every finite s."""
    xp = namespace(s)
    t = _binary.terms(s)
    w = _binary.odds_times_loss(s, t)
    D, pq, gp, scale = w - t.p, t.p * t.q, g * t.p, 1 + g * w
    E = g * D / scale
    dE = (g * (D - pq) - g * D * E) / scale
    # At g = 0 N is q, and q / N must be 1 where q is 0 in double precision.
    q = xp.maximum(t.q, xp.full_like(t.q, _TINY))
    N = q + gp - E
    # (R N + dN/ds) / N^2 and (N (q - p) - dN/ds) / N^2, multiplied out because N can be tiny.
    ratio = q / N
    of_B = gp * (gp + t.p + 2 * t.q) - E * (1 + 2 * gp) + E * E - dE
    of_pi = dE - gp * t.p - E * (t.q - t.p)
    return Side(
        terms=t,
        log_A=-(1 + g) * t.M + xp.log1p(g * w),
        R=(1 + g) * t.p - E,
        dR=(1 + g) * pq - dE,
        N=N,
        pi=t.p * ratio,
        B_rate=of_B / N / N,
        pi_rate=ratio * ratio + of_pi / N / N,
    )


# ---- binary --------------------------------------------------------------------------------------


def paper_margin(u: Array, gamma: tuple[float, float], alpha: tuple[float, float]) -> Array:
    """Return the margin z of the paper whose posterior has log-odds ``u``."""
    xp = namespace(u)
    (g0, g1), shift = gamma, math.log(alpha[0] / alpha[1])
    middle = log_odds_at_zero(gamma, alpha)
    zero = xp.zeros_like(u)
    z = xp.where(
        u >= middle,
        xp.maximum((u - shift + math.log1p(g1)) / (1 + g1), zero),
        xp.minimum((u - shift - math.log1p(g0)) / (1 + g0), zero),
    )
    for _ in range(_STEPS):
        negative, positive = side(-z, g0), side(z, g1)
        excess = negative.log_A - positive.log_A + shift - u
        step = excess / (negative.R + positive.R)
        z = z - step
        if _is_last(step, z):
            break
    return z


def _is_last(step: Array, s: Array) -> bool:
    xp = namespace(step)
    return bool(xp.all(xp.abs(step) <= _LAST * (1 + xp.abs(s))))


def log_odds_at_zero(gamma: tuple[float, float], alpha: tuple[float, float]) -> float:
    """Return the posterior's log-odds at z = 0, around which v(u) changes most."""
    zero = np.float64(0.0)
    log_A0, log_A1 = (float(side(zero, g).log_A) for g in gamma)
    return log_A0 - log_A1 + math.log(alpha[0] / alpha[1])


class Derivatives(NamedTuple):
    """Gradient, exact Hessian (softmax: its diagonal), and r, the probability of being right.

    r is the posterior of the observed class, and 1 minus the posterior of the others.
    """

    gradient: Array
    hessian: Array
    right: Array


def weight(u: Array, gamma: tuple[float, float], alpha: tuple[float, float]) -> tuple[Array, Array]:
    """Evaluate v(u) and dv/du; they do not depend on the label."""
    xp = namespace(u)
    z = paper_margin(u, gamma, alpha)
    negative, positive = side(-z, gamma[0]), side(z, gamma[1])
    A0, A1 = alpha[0] * xp.exp(negative.log_A), alpha[1] * xp.exp(positive.log_A)
    slope = negative.R + positive.R  # du/dz
    v = (A0 + A1) / slope
    dv = (A0 * negative.R - A1 * positive.R - v * (positive.dR - negative.dR)) / (slope * slope)
    return v, dv


def binary_derivatives(positive: Array, u: Array, v: Array, dv: Array) -> Derivatives:
    """Evaluate the derivatives in ``u`` from ``weight``; ``positive`` marks labels 1."""
    xp = namespace(u)
    eta = _binary.terms(u)
    error = xp.where(positive, -eta.q, eta.p)  # eta - y
    right = xp.where(positive, eta.p, eta.q)
    return Derivatives(v * error, dv * error + v * eta.p * eta.q, right)


# ---- softmax -------------------------------------------------------------------------------------


class Scores(NamedTuple):
    """All classes, (n, K), at the scores p that have the posterior softmax(u)."""

    side: Side
    eta: _softmax.Terms


def m_at_half(gamma: Any) -> Any:
    """Evaluate m = log(p / A) + log q at p = 1/2; only one class of a row can be above."""
    return (gamma - 1) * math.log(2) - namespace(gamma).log1p(gamma * math.log(2))


def below_half(d: Array, g: float) -> Side:
    """Evaluate a class at m = ``m_at_half`` - d, d >= 0."""
    m = m_at_half(g) - d
    s = m
    for _ in range(_STEPS):
        at = side(s, g)
        step = (-at.terms.L - at.terms.M - at.log_A - m) / at.N
        s = s - step
        if _is_last(step, s):
            break
    return side(s, g)


def scores(u: Array, gamma: Array, alpha: Array) -> Scores:
    """Find scores p that sum to 1 with p_k / A_k proportional to exp(u_k); ``gamma``, ``alpha`` (K,).

    Newton's method for the logits s_k of all classes at once. The class J that alone may have p > 1/2
    carries the constraint that the other p_k sum to q_J, in logarithms: exact where they are tiny.
    """
    xp = namespace(u)
    target = u + xp.log(alpha)[None, :]  # log(p_k / A_k) up to a constant of the row, without alpha
    at_half = m_at_half(gamma)
    top = _softmax.terms(target - at_half[None, :]).top
    zero, low = xp.zeros_like(u), xp.full_like(u, -xp.inf)
    # Margins behind the largest of the others; beyond a lead of _MOST_LEAD only underflow changes.
    half = u / 2 - xp.max(xp.where(top, low, u), axis=1, keepdims=True) / 2
    half = xp.minimum(xp.maximum(half, zero - 1e307), zero + _MOST_LEAD / 2)
    target = 2 * half + xp.log(alpha)[None, :]
    start = _softmax.terms(target - at_half[None, :])

    def of_top(values: Array) -> Array:
        return xp.sum(xp.where(top, values, zero), axis=1, keepdims=True)

    # Start: J by the asymptote of two classes of its gamma, the others share q_J.
    g_top = of_top(gamma[None, :] + zero)
    behind = -start.log_rest
    s_top = xp.where(behind > 0, behind + xp.log1p(g_top), behind) / (1 + g_top)
    x = start.log_share - _binary.terms(s_top).M
    s = xp.where(top, s_top, x - xp.log1p(-xp.exp(xp.minimum(x, xp.full_like(x, -1e-3)))))
    target = target - of_top(target)
    for _ in range(_STEPS):
        at = side(s, gamma[None, :])
        log_p, log_q = -at.terms.L, -at.terms.M
        log_psi = log_p + log_q - at.log_A
        missing = target - (log_psi - of_top(log_psi))
        largest = xp.max(xp.where(top, low, log_p), axis=1, keepdims=True)
        share = xp.exp(xp.where(top, low, log_p - largest))
        total = xp.sum(share, axis=1, keepdims=True)
        rate = share / total * at.terms.q / at.N  # of log(sum of the others), along their targets
        lacking = (
            of_top(log_q) - largest - xp.log(total) - xp.sum(rate * missing, axis=1, keepdims=True)
        )
        N_top = of_top(at.N)
        step = lacking / (of_top(at.terms.p) + N_top * xp.sum(rate, axis=1, keepdims=True))
        step = xp.where(top, step, (missing + N_top * step) / at.N)
        s = s + step
        if _is_last(step, s):
            break
    at = side(s, gamma[None, :])
    return Scores(at, _softmax.terms(u))


def softmax_derivatives(t: Array, u: Array, gamma: Array, alpha: Array) -> Derivatives:
    """Evaluate the derivatives in ``u`` (n, K); ``t`` holds the true classes (n,)."""
    xp = namespace(u)
    at, eta = scores(u, gamma, alpha)
    pi = at.pi
    index = t[:, None]
    true = xp.arange(u.shape[1])[None, :] == index
    zero = xp.zeros_like(u)

    def of_true(values: Array) -> Array:
        return xp.take_along_axis(values, index, axis=1)

    large = at.terms.p > 0.5  # one class at most

    def of_others(values: Array) -> Array:
        """Sum over the other classes, without subtracting the large one from the sum of all."""
        small, most = xp.where(large, zero, values), xp.where(large, values, zero)
        rest = xp.sum(small, axis=1, keepdims=True) - small
        return xp.where(large, rest, rest + xp.sum(most, axis=1, keepdims=True))

    total = xp.sum(pi, axis=1, keepdims=True)
    W = pi / total
    others = xp.sum(xp.where(true, zero, W), axis=1, keepdims=True)
    error = xp.where(true, -others, W)  # W - [j = t], without cancellation
    B = xp.take(alpha, t)[:, None] * of_true(xp.exp(at.log_A) / at.N)
    # Along m_k = log(p_k q_k / A_k): dm_k / du_j = [k = j] - W_j.
    dB = -B * of_true(at.B_rate)
    d_pi = pi * at.pi_rate
    left = of_others(pi) / total
    dW = (d_pi * left * left + W * W * of_others(d_pi)) / total
    right = xp.where(true, eta.p, eta.q)
    return Derivatives(B * error, B * dW - dB * error * error, right)


# ---- what both kinds need ------------------------------------------------------------------------


@cache
def scale(gamma: tuple[float, ...]) -> float:
    """Return the constant with which undecided rows weigh as those of log loss, without alpha.

    1 / v(0) for two classes. With more of them a row may be undecided between all or between two. No one
    constant serves both: this is the geometric mean of that for all and that for an average pair.
    """
    n, total = Counter(gamma), math.comb(len(gamma), 2)
    of_pairs = 0.0
    for a, b in combinations_with_replacement(sorted(n), 2):
        pairs = n[a] * n[b] if a != b else math.comb(n[a], 2)
        if pairs:
            of_pairs += pairs / total * math.log(_undecided((a, b)))
    return math.sqrt(_undecided(gamma) * math.exp(of_pairs))


def _undecided(gamma: tuple[float, ...]) -> float:
    """Return the mean of 1 / B_k over the classes where all have the same posterior."""
    K = len(gamma)
    at = scores(np.zeros((1, K)), np.array(gamma), np.ones(K)).side
    return float(np.mean(at.N / np.exp(at.log_A)))

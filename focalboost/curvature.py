r"""What a tree is given as second derivative: named policies on top of the exact one.

A tree's leaf value is a Newton step, sum(gradient) / (sum(curvature) + lambda). The exact second
derivative of the focal loss is negative for badly missed rows, and it vanishes (as that of log loss
does) in both tails, so unregularised steps explode or point uphill. The policies:

guarded
    The exact derivative where a row is on its right side; on the wrong side the larger of the exact
    one and the chord of the gradient between the margin and its mirror image (docs/math.md).
exact
    The exact derivative, floored.
expected
    The exact derivative averaged over the recovered posterior of the label: needs no label.

All return values are at least ``FLOOR``, before any weight. Nothing here knows labels or weights.
"""

from __future__ import annotations

from typing import Literal, get_args

from focalboost import _binary, _softmax
from focalboost._namespace import Array, namespace

Curvature = Literal["guarded", "exact", "expected"]
POLICIES: tuple[str, ...] = get_args(Curvature)

FLOOR = 1e-16
"""Smallest curvature; XGBoost's own floor. Reached only by underflow, or by ``"exact"`` below 0."""


def floored(curvature: Array) -> Array:
    """Return the curvature, at least ``FLOOR``."""
    xp = namespace(curvature)
    return xp.maximum(curvature, xp.full_like(curvature, FLOOR))


def _near_zero(s: Array) -> float:
    # The chord divides a difference that vanishes at s = 0: its error is eps / |s|, that of using the
    # exact derivative instead is about |s|. They balance near sqrt(eps); 1e-6 is kept in double.
    return 1e-6 if namespace(s).finfo(s.dtype).eps < 1e-10 else 3e-4


def _larger_of_chord(exact: Array, rise: Array, s: Array, wrong: Array) -> Array:
    """Return max(exact, rise / (2|s|)) where ``wrong``, else ``exact`` (0 if that has rounded below)."""
    xp = namespace(s)
    size = xp.abs(s)
    wrong = wrong & (size >= _near_zero(s))
    chord = 0.5 * rise / xp.maximum(size, xp.full_like(s, _near_zero(s)))
    return xp.maximum(exact, chord * xp.astype(wrong, s.dtype))


def guarded_binary(s: Array, t: _binary.Terms, g: Array | float) -> Array:
    """Return the guarded curvature of a row with observed-class margin ``s``.

    h = l''(s) for s >= 0, else max(l''(s), (A(s) - A(-s)) / (2|s|)): positive and continuous.
    """
    rise = _binary.slope(t, g) - _binary.slope(t.mirror(), g)
    return _larger_of_chord(_binary.hessian(t, g), rise, s, s < 0)


def guarded_softmax(
    t: _softmax.Terms, true: _softmax.TrueClass, g: Array | float, gradient: Array, hessian: Array
) -> Array:
    """Return the guarded curvature (n, K), each class along its own axis s_j = logit(p_j).

    The true class follows the binary rule. Of the others only the top class J can be on its wrong
    side (p_J > 1/2). Mirroring it, p_J' = 1 - p_J, shrinks or grows the others in proportion:
    p_t' = share_t p_J and q_t' = (rest + sum of the other shares) p_J.
    """
    xp = namespace(gradient)
    b = true.binary
    zero = xp.zeros_like(gradient)
    of_true = guarded_binary(b.M - b.L, b, g)

    p_top = 1 / (1 + t.rest)
    share_true = xp.sum(xp.where(true.mask, t.share, zero), axis=1, keepdims=True)
    log_share_true = xp.sum(xp.where(true.mask, t.log_share, zero), axis=1, keepdims=True)
    others = xp.sum(xp.where(true.mask, zero, t.share), axis=1, keepdims=True)
    alone = others == 0  # K = 2, or no third class left: the binary mirror image
    one = xp.ones_like(others)
    log_q = xp.where(alone, t.log_rest, xp.log(xp.where(alone, one, t.rest + others))) - t.log_sum
    mirrored = _binary.Terms(
        p=share_true * p_top,
        q=(t.rest + others) * p_top,
        L=t.log_sum - log_share_true,
        M=-log_q,
    )
    r = xp.where(alone, one, t.rest / xp.where(alone, one, t.rest + others))
    rise = gradient - _binary.slope(mirrored, g) * r
    s_top = -t.log_rest
    wrong = t.top & ~true.mask & (s_top > 0)
    of_top = _larger_of_chord(hessian, rise, xp.broadcast_to(s_top, hessian.shape), wrong)
    return xp.where(true.mask, of_true, of_top)


def expected_binary(
    t: _binary.Terms,
    gamma: tuple[float, float],
    alpha: tuple[float, float],
) -> Array:
    """Return eta h_1 + (1 - eta) h_0 for terms ``t`` of the margin z itself (s of a positive)."""
    negative = t.mirror()
    A0, A1 = alpha[0] * _binary.slope(negative, gamma[0]), alpha[1] * _binary.slope(t, gamma[1])
    h0, h1 = alpha[0] * _binary.hessian(negative, gamma[0]), alpha[1] * _binary.hessian(t, gamma[1])
    return (A0 * h1 + A1 * h0) / (A0 + A1)


def expected_softmax(t: _softmax.Terms, posterior: Array, gamma: Array, alpha: Array) -> Array:
    """Return sum over t of posterior_t h_j(t), (n, K); ``gamma`` and ``alpha`` have shape (K,).

    With A_t = a_t q_t^(g-1) u_t, posterior_t A_t = c p_t for one c (stationarity), so
    H_j = c p_j q_j + b_j + sum over t != j of b_t (p_j / q_t)^2,
    b_t = posterior_t a_t q_t^g g [2 q_t - (q_t - (g-1) p_t) L_t] p_t.
    """
    xp = namespace(posterior)
    zero = xp.zeros_like(posterior)
    weight = posterior * alpha * _binary.power(_softmax.log_complement(t.p, t), gamma)
    pL = t.p * t.L
    c = xp.sum(weight * (1 + gamma * t.p * _softmax.loss_per_complement(t)), axis=1, keepdims=True)
    b = weight * gamma * (2 * t.p * t.q - (t.q - (gamma - 1) * t.p) * pL)
    b_top = xp.sum(xp.where(t.top, b, zero), axis=1, keepdims=True)
    # Off the top q_t >= 1/2, so dividing by it is safe; p_j / q of the top class is share_j.
    off = xp.where(t.top, zero, b / xp.where(t.top, xp.ones_like(t.q), t.q * t.q))
    from_off = t.p * t.p * (xp.sum(off, axis=1, keepdims=True) - off)
    return c * t.p * t.q + b + from_off + b_top * t.share * t.share

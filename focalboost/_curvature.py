r"""What a tree is given as second derivative: named policies on top of the exact derivative.

A tree's leaf value is a Newton step, sum(gradient) / (sum(curvature) + lambda). The exact second
derivative of the focal loss is negative for badly missed rows, and it vanishes (as that of log loss
does) in both tails, so unregularised steps explode or point uphill. The policies:

guarded
    The exact derivative where a row is on its right side. On the wrong side the larger of the exact
    derivative and the chord of the gradient between the margin and its mirror image (docs/math.md).
exact
    The exact derivative.

The caller multiplies by weights, after it has raised the curvature to ``FLOOR``.
"""

from __future__ import annotations

from typing import Literal, get_args

from focalboost import _binary, _softmax
from focalboost._namespace import Array, namespace

Curvature = Literal["guarded", "exact"]
POLICIES: tuple[str, ...] = get_args(Curvature)

FLOOR = 1e-16
"""Smallest curvature; XGBoost's own floor. Reached only by underflow, or by ``"exact"`` below 0."""


def floored(curvature: Array, floor: float) -> Array:
    """Return the curvature, at least ``floor``."""
    xp = namespace(curvature)
    return xp.maximum(curvature, xp.full_like(curvature, floor))


def _near_zero(s: Array) -> float:
    # Near s = 0 the chord is a quotient of two small numbers with an error of eps / |s|. Using the exact
    # derivative there instead has an error of about |s|. The two balance near sqrt(eps).
    return 1e-6 if namespace(s).finfo(s.dtype).eps < 1e-10 else 3e-4


def _larger_of_chord(exact: Array, rise: Array, s: Array, wrong: Array) -> Array:
    """Return max(exact, rise / (2|s|)) where ``wrong``, else max(exact, 0)."""
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

    The true class follows the binary rule. Another class can be on its wrong side only if it is the
    top class J (p_J > 1/2). Mirroring J, p_J' = 1 - p_J, scales the other classes in proportion:
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

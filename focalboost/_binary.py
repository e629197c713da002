r"""Binary focal loss of one margin: the formulas, for any array namespace.

z margin, y label;  s = z for y = 1, -z for y = 0 (margin of the OBSERVED class);  g = gamma;
p = sigmoid(s), q = sigmoid(-s), L = -log p, M = -log q.  Derived in docs/math.md.

    loss      q^g L
    d/ds      -A,   A(s) = q^g (q + g p L) > 0
    d2/ds2    p q^g [(1 + 2g) q - g (q - g p) L]

The caller chooses s by the label, and applies the sign of ds/dz, class weights and sample weights.
"""

from __future__ import annotations

from typing import NamedTuple

from focalboost._namespace import Array, namespace

# Beyond this M, exp(-g M) multiplies a q that is 0 in every dtype. The limit keeps g M finite.
_UNDERFLOWN = 1e4


class Terms(NamedTuple):
    """p, q and their negative logarithms; ``q`` and ``M`` are never formed as 1 - p."""

    p: Array
    q: Array
    L: Array
    M: Array


def terms(s: Array) -> Terms:
    """Evaluate sigmoid(s), sigmoid(-s) and their logarithms without cancellation or overflow."""
    xp = namespace(s)
    zero = xp.zeros_like(s)
    e = xp.exp(-xp.abs(s))
    u = 1 + e
    r = 1 / u
    log1p_e = xp.log(u) + (e - (u - 1)) * r  # NumPy's log1p takes five times as long
    right = xp.astype(s >= 0, s.dtype)
    return Terms(
        p=r * xp.maximum(e, right),  # e <= 1
        q=r * xp.maximum(e, 1 - right),
        L=log1p_e + xp.maximum(-s, zero),
        M=log1p_e + xp.maximum(s, zero),
    )


def power(M: Array, g: Array | float) -> Array:
    """Evaluate q^g = exp(-g M)."""
    xp = namespace(M)
    return xp.exp(-g * xp.minimum(M, xp.full_like(M, _UNDERFLOWN)))


def focus(t: Terms, g: Array | float) -> Array:
    """Evaluate q^g; for one small integer g as a product, which is faster and rounds less."""
    if isinstance(g, float) and g in (0.0, 1.0, 2.0):
        xp = namespace(t.q)
        return xp.ones_like(t.q) if g == 0 else t.q if g == 1 else t.q * t.q
    return power(t.M, g)


def loss(t: Terms, g: Array | float) -> Array:
    """Evaluate q^g L."""
    return focus(t, g) * t.L


def slope(t: Terms, g: Array | float) -> Array:
    """Evaluate A = q^g (q + g p L), minus the first derivative in s; positive, decreasing to 0."""
    return focus(t, g) * (t.q + g * (t.p * t.L))


def hessian(t: Terms, g: Array | float) -> Array:
    """Evaluate the second derivative in s; negative for badly missed rows (g > 0, s << 0)."""
    # p L is multiplied first: L alone can be as large as the largest float, but p L <= max(1/e, q).
    return focus(t, g) * ((1 + 2 * g) * t.p * t.q - g * (t.q - g * t.p) * (t.p * t.L))


def odds_times_loss(s: Array, t: Terms) -> Array:
    """Evaluate w = p L / q of ``t = terms(s)``: from 0 to 1, finite for every finite s."""
    xp = namespace(s)
    e = xp.exp(-xp.abs(s))
    one = xp.ones_like(s)
    # L / q is log1p(e) (1 + e) / e for s >= 0, with the limit 1, and L (1 + e) for s < 0.
    ratio = xp.where(s >= 0, xp.where(e > 0, xp.log1p(e), one) / xp.where(e > 0, e, one), t.L)
    return (t.p * ratio) * (1 + e)


def log_slope(s: Array, g: Array | float) -> Array:
    """Evaluate log A(s) = -(1+g) M + log1p(g w), w = p L / q; finite for every finite s."""
    xp = namespace(s)
    t = terms(s)
    return -(1 + g) * t.M + xp.log1p(g * odds_times_loss(s, t))

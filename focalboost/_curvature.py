r"""What a tree is given as second derivative: named policies on top of the exact derivative.

A tree's leaf value is a Newton step, sum(gradient) / (sum(curvature) + lambda). The exact second
derivative of the focal loss is negative for badly missed rows, and it vanishes (as that of log loss
does) in both tails, so unregularised steps explode or point uphill. The policies:

guarded
    No row asks for a step longer than c: max(exact, |gradient| / c). With the canonical link
    |gradient| max(r, 1/c), r the probability of being right (docs/math.md).
exact
    The exact derivative.

The caller multiplies by weights, after it has raised the curvature to ``FLOOR``.
"""

from __future__ import annotations

from typing import Literal, get_args

from focalboost._namespace import Array, namespace

Curvature = Literal["guarded", "exact"]
POLICIES: tuple[str, ...] = get_args(Curvature)

LONGEST_STEP = 16.0
"""c, the longest step that a row may ask for; formulas.hpp has the same number."""

FLOOR = 1e-16
"""Smallest curvature; XGBoost's own floor. Reached only by underflow, or by ``"exact"`` below 0."""


def floored(curvature: Array, floor: float) -> Array:
    """Return the curvature, at least ``floor``."""
    xp = namespace(curvature)
    return xp.maximum(curvature, xp.full_like(curvature, floor))


def guarded(gradient: Array, hessian: Array) -> Array:
    """Return max(exact, |gradient| / c)."""
    xp = namespace(gradient)
    return xp.maximum(hessian, xp.abs(gradient) / LONGEST_STEP)


def guarded_canonical(gradient: Array, right: Array) -> Array:
    """Return |gradient| max(r, 1/c): the steps of log loss, none longer than c."""
    return namespace(gradient).abs(gradient) * floored(right, 1 / LONGEST_STEP)

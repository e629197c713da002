"""Tables of cubics for the canonical link: what results in single precision are read from.

The functions are smooth in one variable and flatten far from their middle. A table covers a distance
d >= 0 in pieces whose width doubles with each octave of 1 + d, as ``place`` in formulas.hpp reads it. On
a piece of width h the cubic has the function's values and slopes at both ends, so its error is at most
h^4 / 384 times the largest fourth derivative there.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from focalboost import _canonical
from focalboost._kernel import Table

if TYPE_CHECKING:
    from focalboost.losses import FocalLoss

# As in formulas.hpp.
_PIECES_BINARY, _PIECES_SOFTMAX = 64, 256  # an octave
_OCTAVES_BINARY, _OCTAVES_SOFTMAX = 16, 6


# Beyond this gamma the functions change too quickly for the pieces.
LARGEST_GAMMA = 10.0


def table(gamma: tuple[float, ...], alpha: tuple[float, ...], n_outputs: int) -> Table | None:
    """Return the table of a loss, or None if its functions change too quickly for one."""
    if max(gamma) > LARGEST_GAMMA:
        return None
    if n_outputs == 1:
        (g0, g1), (a0, a1) = gamma, alpha
        return binary((g0, g1), (a0, a1))
    return softmax(gamma)


def of(loss: FocalLoss) -> Table | None:
    """Return the table of a loss with the canonical link."""
    return table(loss.gammas, loss.label_weights, loss.n_outputs)


def distances(octaves: int, pieces: int) -> NDArray[np.float64]:
    """Return the ends of all pieces."""
    start = 2.0 ** np.arange(octaves)[:, None] * (1 + np.arange(pieces) / pieces)
    return np.append(start.ravel(), 2.0**octaves) - 1


def cubics(
    d: NDArray[np.float64], f: NDArray[np.float64], slope: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the coefficients in t, from 0 to 1 on each piece, with these values and slopes."""
    h = np.diff(d)
    rise, left, right = np.diff(f), h * slope[:-1], h * slope[1:]
    return np.stack([f[:-1], left, 3 * rise - 2 * left - right, left + right - 2 * rise], axis=1)


@cache
def binary(gamma: tuple[float, float], alpha: tuple[float, float]) -> Table:
    """Tabulate v above the middle, then below."""
    d = distances(_OCTAVES_BINARY, _PIECES_BINARY)
    middle = _canonical.log_odds_at_zero(gamma, alpha)
    sides = []
    for sign in (1.0, -1.0):
        v, dv = _canonical.weight(middle + sign * d, gamma, alpha)
        sides.append(cubics(d, v, sign * dv))
    return Table(np.concatenate(sides).astype(np.float32), np.zeros(1, np.int32), middle)


def weight(u: NDArray[np.float64], table: Table) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read v(u) and dv/du from the table of a binary loss, as the kernel does."""
    offset = u - table.middle
    from_one = np.minimum(np.abs(offset) + 1, 2.0**_OCTAVES_BINARY * (1 - 1e-9))
    mantissa, octave = np.frexp(from_one)  # from_one = mantissa 2^octave, mantissa from 1/2 to 1
    within = (2 * mantissa - 1) * _PIECES_BINARY
    piece = within.astype(np.int64)
    t = within - piece
    below = offset < 0
    of_table = (octave - 1 + below * _OCTAVES_BINARY) * _PIECES_BINARY + piece
    # margins of several targets have two axes
    c0, c1, c2, c3 = np.moveaxis(table.coefficients[of_table].astype(np.float64), -1, 0)
    slope = (c1 + t * (2 * c2 + t * 3 * c3)) * np.ldexp(float(_PIECES_BINARY), 1 - octave)
    return c0 + t * (c1 + t * (c2 + t * c3)), np.where(below, -slope, slope)


@cache
def softmax(gamma: tuple[float, ...]) -> Table:
    """Tabulate a = p exp(-m) of each gamma, at m below that of p = 1/2."""
    kinds = sorted(set(gamma))
    d = distances(_OCTAVES_SOFTMAX, _PIECES_SOFTMAX)
    tables = []
    for g in kinds:
        at = _canonical.below_half(d, g)
        a, B = np.exp(at.log_A + at.terms.M), np.exp(at.log_A) / at.N
        tables.append(cubics(d, a, a - B))  # B = a + da/dm, and d grows as m falls
    table_of = np.array([kinds.index(g) for g in gamma], np.int32)
    return Table(np.concatenate(tables).astype(np.float32), table_of, 0.0)

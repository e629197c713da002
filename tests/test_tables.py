"""The tables that the compiled kernel interpolates for the canonical link, against the formulas."""

import re
from pathlib import Path

import numpy as np
import pytest

from focalboost import BinaryFocalLoss, _canonical, _kernel, _tables
from focalboost._rounds import for_trees

PAIRS = [
    *((g, g) for g in (0.0, 0.25, 1.0, 2.0, 5.0, 10.0)),
    *((3.0, 0.5), (0.0, 2.0), (0.0, 10.0)),
]
ALPHAS = [(1.0, 1.0), (0.5, 40.0), (0.75, 0.25)]
GAMMAS = [0.0, 0.25, 1.0, 1.7, 2.0, 5.0, 10.0]
OF_BINARY = (_tables._OCTAVES_BINARY, _tables._PIECES_BINARY)
OF_SOFTMAX = (_tables._OCTAVES_SOFTMAX, _tables._PIECES_SOFTMAX)
# Where on a piece: the ends, the middle, where the error of a cubic is largest, and between.
T = np.linspace(0, 1, 5)


def interpolated(coefficients, t):
    """Evaluate cubics (pieces, 4) at each t, in double precision."""
    c = coefficients.astype(float)[:, :, None]
    return c[:, 0] + t * (c[:, 1] + t * (c[:, 2] + t * c[:, 3]))


def dense(octaves, pieces):
    """Return distances (pieces, len(T)) that cover every piece."""
    d = _tables.distances(octaves, pieces)
    return d[:-1, None] + np.diff(d)[:, None] * T


def largest_error(gamma):
    # The fourth derivative grows with a power of gamma; up to 5 rounding to float32 is what is left.
    return 2e-7 if gamma <= 5 else 2e-6


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("gamma", PAIRS)
def test_binary_agrees_with_the_formulas(gamma, alpha):
    table = _tables.binary(gamma, alpha)
    d = dense(*OF_BINARY)
    halves = np.split(table.coefficients, 2)
    for sign, coefficients in zip((1, -1), halves, strict=True):
        v, _ = _canonical.weight((table.middle + sign * d).ravel(), gamma, alpha)
        error = np.abs(interpolated(coefficients, T).ravel() / v - 1)
        assert error.max() <= largest_error(max(gamma))


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("gamma", PAIRS)
def test_numpy_reads_the_table(gamma, alpha):
    table = _tables.binary(gamma, alpha)
    u = table.middle + np.concatenate(
        [np.linspace(-40, 40, 4001), [-1e30, -7e4, -1e3, 1e3, 7e4, 1e30]]
    )
    v, dv = _tables.weight(u, table)
    near = np.clip(u, table.middle - 2.0**16 + 1, table.middle + 2.0**16 - 1)
    true_v, true_dv = _canonical.weight(near, gamma, alpha)
    assert np.abs(v / true_v - 1).max() <= largest_error(max(gamma))
    assert (np.abs(dv - true_dv) <= 20 * largest_error(max(gamma)) * true_v).all()


def test_numpy_reads_it_for_single_results_only(monkeypatch):
    monkeypatch.setenv("FOCALBOOST_KERNEL", "numpy")
    loss = BinaryFocalLoss(2.0, link="canonical")
    reads = []
    read = _tables.weight
    monkeypatch.setattr(_tables, "weight", lambda *given: reads.append(1) or read(*given))
    y, u = np.tile([0, 1], 50), np.linspace(-9, 9, 100)
    double = loss.gradient_curvature(y, u)
    assert not reads
    single = loss.gradient_curvature(y, u.astype(np.float32))
    of_host = for_trees(loss, y, u, None, "guarded")
    assert len(reads) == 2
    for got in (single, of_host):
        assert got[0].dtype == np.float32
        np.testing.assert_allclose(got, double, rtol=2e-6)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_softmax_agrees_with_the_formulas(gamma):
    table = _tables.softmax((gamma, 0.5, gamma))
    d = dense(*OF_SOFTMAX)
    at = _canonical.below_half(d.ravel(), gamma)
    own = np.split(table.coefficients, 2)[table.table_of[0]]
    a, B = np.exp(at.log_A + at.terms.M), np.exp(at.log_A) / at.N
    error = np.abs(interpolated(own, T).ravel() / a - 1)
    assert error.max() <= largest_error(gamma)
    # B = a + da/dm comes from the slope, a power of the piece's width less exact.
    h = np.diff(_tables.distances(*OF_SOFTMAX))[:, None]
    c = own.astype(float)[:, :, None]
    slope = (c[:, 1] + T * (2 * c[:, 2] + T * 3 * c[:, 3])) / h
    error = np.abs((interpolated(own, T) - slope).ravel() / B - 1)
    assert error.max() <= 4 * largest_error(gamma)


def test_tables_are_those_of_the_classes():
    table = _tables.softmax((2.0, 0.0, 2.0, 0.5))
    assert table.table_of.tolist() == [2, 0, 2, 1]
    pieces = OF_SOFTMAX[0] * OF_SOFTMAX[1]
    assert table.coefficients.shape == (3 * pieces, 4)
    for gamma, part in zip((0.0, 0.5, 2.0), np.split(table.coefficients, 3), strict=True):
        np.testing.assert_array_equal(part, _tables.softmax((gamma, gamma)).coefficients)


@pytest.mark.parametrize("frequency", [0.1, 1.0, 3.0])
def test_cubics_are_as_exact_as_the_docstring_says(frequency):
    """The fourth derivative of sin(f x) is at most f^4: the error is below h^4 f^4 / 384."""
    d = _tables.distances(4, 16)
    coefficients = _tables.cubics(d, np.sin(frequency * d), frequency * np.cos(frequency * d))
    x = dense(4, 16)
    error = np.abs(interpolated(coefficients, T) - np.sin(frequency * x)).max(axis=1)
    h = np.diff(d)
    bound = h**4 * frequency**4 / 384
    assert np.all(error <= bound + 4 * np.finfo(float).eps)
    assert np.any(error > bound / 2)


def test_cubics_have_values_and_slopes_at_both_ends():
    d = _tables.distances(2, 4)
    f, slope = np.random.default_rng(0).normal(size=(2, len(d)))
    c = _tables.cubics(d, f, slope)
    h = np.diff(d)
    np.testing.assert_allclose(interpolated(c, np.array([0.0, 1.0])), np.stack([f[:-1], f[1:]], 1))
    np.testing.assert_allclose(c[:, 1], h * slope[:-1])
    np.testing.assert_allclose(c[:, 1] + 2 * c[:, 2] + 3 * c[:, 3], h * slope[1:])


def test_distances_double_with_each_octave():
    d = _tables.distances(3, 4)
    assert d.tolist() == [0, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 7]


def test_the_compiled_kernel_has_the_same_pieces():
    text = Path(_kernel.__file__).with_name("formulas.hpp").read_text(encoding="utf-8")

    def constant(name):
        return int(re.search(rf"\b{name} = (\d+)", text).group(1))

    kinds = {"Binary": OF_BINARY, "Softmax": OF_SOFTMAX}
    for kind, (octaves, pieces) in kinds.items():
        assert constant(f"kOctaves{kind}") == octaves
        assert 2 ** constant(f"kLogPieces{kind}") == pieces


@pytest.mark.parametrize("gamma", [10.0, (0.5, 10.0), 10.001, (0.0, 11.0)])
def test_a_large_gamma_has_no_table(gamma):
    gammas = gamma if isinstance(gamma, tuple) else (gamma, gamma)
    for n_outputs in (1, 2):
        table = _tables.table(gammas, (1.0, 1.0), n_outputs)
        assert (table is None) == (max(gammas) > 10)

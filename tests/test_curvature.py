"""The curvature that a tree is given: positive, equal to its definition, and no step longer than c."""

import re
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss, _kernel
from focalboost._curvature import FLOOR, LONGEST_STEP
from tests.oracles import (
    BINARY,
    CANONICAL_BINARY,
    CURVATURES,
    EPS,
    FOCAL_BINARY_LABELS,
    GAMMAS,
    LOSSES,
    SOFTMAX,
    STEP,
    binary_definition,
    canonical_definition,
    canonical_scale,
    canonical_score,
    differences,
    labels_and_margins,
)

Z = np.concatenate([np.linspace(-8, 8, 33), [-30.0, 30.0, 1e-5, -1e-5, 1e-3, -1e-3]])


@pytest.mark.parametrize(("loss", "y"), FOCAL_BINARY_LABELS, ids=repr)
def test_guarded_equals_its_definition(loss, y):
    """max(l'', |l'| / 16), from the loss's definition."""
    expected = []
    with mp.workdps(60):
        definition = binary_definition(loss, y)
        for z in map(mp.mpf, Z.tolist()):
            first, second = mp.diff(definition, z), mp.diff(definition, z, 2)
            expected.append(float(max(second, abs(first) / 16)))
    _, h = loss.gradient_curvature(np.full(Z.shape, y), Z)
    # gamma times a margin of 30 is what the powers lose. The floor is 1e-16 times alpha.
    assert_allclose(h, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("y", [0, 1])
@pytest.mark.parametrize("loss", CANONICAL_BINARY, ids=repr)
def test_guarded_canonical_equals_its_definition(loss, y):
    """|l'| max(r, 1/16), r the posterior of the observed class."""
    expected, scale = [], canonical_scale(loss)
    with mp.workdps(90):
        for u in map(mp.mpf, Z.tolist()):
            definition = canonical_definition(loss, y, scale=scale, start=canonical_score(loss, u))
            _, first, _ = differences(definition, u, STEP)
            right = 1 / (1 + mp.exp(-u if y == 1 else u))
            expected.append(float(abs(first) * max(right, mp.mpf(1) / 16)))
    _, h = loss.gradient_curvature(np.full(Z.shape, y), Z)
    assert_allclose(h, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", SOFTMAX, ids=repr)
def test_guarded_softmax_is_the_same_rule_on_each_diagonal_entry(loss):
    # Moderate margins: the floor of 1e-16 is tested below.
    z = np.random.default_rng(3).normal(scale=2, size=(300, loss.n_classes))
    y = np.arange(len(z)) % loss.n_classes
    gradient, exact = loss.gradient_hessian(y, z)
    _, h = loss.gradient_curvature(y, z)
    size = np.abs(gradient)
    if loss.link == "focal":
        expected = np.maximum(exact, size / 16)
        assert np.any(expected > exact) or np.max(loss.gamma) < 1
    else:
        own = np.arange(loss.n_classes)[None, :] == y[:, None]
        eta = np.exp(z - np.logaddexp.reduce(z, axis=1)[:, None])
        expected = size * np.maximum(np.where(own, eta, 1 - eta), 1 / 16)
    # The exact Hessian crosses zero: its rounding is that of the gradient times gamma.
    assert_allclose(h, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("curvature", CURVATURES)
def test_is_at_least_the_floor(loss, curvature):
    y, z = labels_and_margins(loss, n=300)
    _, h = loss.gradient_curvature(y, z, curvature=curvature)
    # The product of floor and alpha is rounded. With the canonical link alpha is in the gradient.
    lightest = min(1, *loss.alphas) if loss.link == "focal" else 1
    assert np.all(h >= 0.999 * FLOOR * lightest)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_no_row_asks_for_a_step_longer_than_c(loss):
    y, z = labels_and_margins(loss, n=2_000)
    gradient, h = loss.gradient_curvature(y, z)
    assert np.max(np.abs(gradient) / h) <= LONGEST_STEP * (1 + 4 * EPS)


@given(
    loss=st.builds(
        BinaryFocalLoss,
        gamma=st.floats(0, 20),
        alpha=st.sampled_from([None, 0.25, (0.1, 30.0)]),
        link=st.sampled_from(["focal", "canonical"]),
    ),
    y=st.integers(0, 1),
    z=st.floats(-1e4, 1e4),
)
def test_no_step_of_any_gamma_is_longer_than_c(loss, y, z):
    gradient, h = loss.gradient_curvature([y], [z])
    assert abs(gradient[0]) / h[0] <= LONGEST_STEP * (1 + 4 * EPS)


@pytest.mark.parametrize("loss", BINARY, ids=repr)
def test_the_longest_step_is_reached(loss):
    """A row that is missed badly asks for c, and not for less: the floor is not looser than stated."""
    gradient, h = loss.gradient_curvature([0, 1], [30.0, -30.0])
    steps = np.abs(gradient) / h
    assert_allclose(steps, LONGEST_STEP, rtol=1e-12)


@pytest.mark.parametrize("gamma", [g for g in GAMMAS if g > 0])
def test_exact_hessian_is_negative_where_guarded_is_not(gamma):
    loss = BinaryFocalLoss(gamma=gamma)
    z = np.linspace(-40, -7, 200)
    y = np.ones(200)
    gradient, hessian = loss.gradient_hessian(y, z)
    assert np.all(hessian < 0)
    assert np.all(loss.gradient_curvature(y, z, curvature="exact")[1] == FLOOR)
    assert_allclose(loss.gradient_curvature(y, z)[1], -gradient / 16)


@pytest.mark.parametrize("loss", BINARY, ids=repr)
@pytest.mark.parametrize("y", [0, 1])
def test_guarded_is_continuous(loss, y):
    z = np.linspace(-10, 10, 200_001)
    _, h = loss.gradient_curvature(np.full(z.shape, y), z)
    # The slope is bounded by about the scale of the curvature: steps of 1e-4 change little.
    assert np.max(np.abs(np.diff(h))) < 2e-3 * h.max()


@pytest.mark.parametrize("loss", [BinaryFocalLoss(0.0), SoftmaxFocalLoss(3, 0.0)], ids=repr)
def test_links_are_equal_at_gamma_zero(loss):
    """Without alpha. The exact curvature p q is |gradient| r, so that even the policies agree."""
    canonical = type(loss)(**{**vars(loss), "link": "canonical"})
    assert canonical.scale == 1
    y, z = labels_and_margins(loss, n=300)
    # Softmax: the scores come from logarithms of the margins, whose size is the number of units lost.
    units = 8 if z.ndim == 1 else 8 + np.ptp(z, axis=1).max()
    for curvature in CURVATURES:
        pair = (one.gradient_curvature(y, z, curvature=curvature) for one in (loss, canonical))
        for a, b in zip(*pair, strict=True):
            assert_allclose(b, a, rtol=units * EPS, atol=1e-290)
    assert_allclose(canonical.loss(y, z), loss.loss(y, z), rtol=units * EPS, atol=1e-290)


@pytest.mark.parametrize("curvature", CURVATURES)
@given(
    gamma=st.tuples(st.floats(0, 10), st.floats(0, 10)),
    alpha=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)),
    u=st.floats(-60, 60),
    y=st.integers(0, 1),
)
def test_canonical_softmax_of_two_classes_is_binary(curvature, gamma, alpha, u, y):
    binary = BinaryFocalLoss(gamma, alpha, "canonical")
    softmax = SoftmaxFocalLoss(2, gamma, alpha, "canonical")
    assert_allclose(softmax.scale, binary.scale, rtol=1e-13)
    g1, h1 = binary.gradient_curvature([y], [u], curvature=curvature)
    g2, h2 = softmax.gradient_curvature([y], [[0.0, u]], curvature=curvature)
    assume(abs(g1[0]) > 1e-290)
    # Both scores are found by Newton's method: a few units of rounding, times gamma and |u|.
    assert_allclose(g2[0], [-g1[0], g1[0]], rtol=1e-12)
    atol = 1e-11 * abs(g1[0])  # the exact curvature crosses zero
    assert_allclose(h2[0], [h1[0], h1[0]], rtol=1e-12, atol=atol)


def test_the_longest_step_is_one_number():
    text = Path(_kernel.__file__).with_name("formulas.hpp").read_text(encoding="utf-8")
    assert float(re.search(r"kLongestStep = ([\d.]+);", text).group(1)) == LONGEST_STEP
    # Below 4 ordinary rows would be held back; above 32 a single one could throw a leaf far out.
    assert 4 <= LONGEST_STEP <= 32


@pytest.mark.parametrize("link", ["focal", "canonical"])
def test_softmax_tail_does_not_collapse_in_float32(link):
    """exp(-110) is 0 in float32; the curvature of a badly missed row must not be."""
    loss = SoftmaxFocalLoss(3, gamma=2.0, link=link)
    z = np.array([[110.0, 0.0, -5.0]], dtype=np.float32)
    gradient, h = loss.gradient_curvature([1], z)
    assert_allclose(h[0, :2], np.abs(gradient[0, :2]) / 16, rtol=1e-6)
    assert np.all(h[0, :2] > 0.01)

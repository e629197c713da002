"""The curvature that a tree is given: positive, continuous, equal to its definition."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
from focalboost._curvature import FLOOR
from tests.oracles import (
    BINARY_LABELS,
    CURVATURES,
    GAMMAS,
    LOSSES,
    MARGINS,
    SOFTMAX_LABELS,
    binary_definition,
    labels_and_margins,
)


def guarded_by_definition(loss, y, z):
    """Return max(l'', chord) where z is on the wrong side of 0, else l'', from the loss's definition."""
    with mp.workdps(60):
        l = binary_definition(loss, y)
        z = mp.mpf(float(z))
        exact = mp.diff(l, z, 2)
        if (z >= 0) == (y == 1) or z == 0:
            return float(exact)
        chord = (mp.diff(l, z) - mp.diff(l, -z)) / (2 * z)
        return float(max(exact, chord))


@pytest.mark.parametrize(("loss", "y"), BINARY_LABELS, ids=repr)
def test_guarded_equals_its_definition(loss, y):
    z = np.concatenate([np.linspace(-8, 8, 33), [-30.0, 30.0, 1e-5, -1e-5, 1e-3, -1e-3]])
    expected = [guarded_by_definition(loss, y, v) for v in z]
    _, h = loss.gradient_curvature(np.full(z.shape, y), z)
    # The chord divides a difference by 2|z|: eps / 1e-5 near 0. The floor is 1e-16 times alpha.
    assert_allclose(h, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("loss", "t"), SOFTMAX_LABELS, ids=repr)
def test_guarded_softmax_is_the_same_rule_along_each_axis(loss, t):
    """With the other margins fixed, mirror s_j = logit(p_j) and take the chord of that slope."""
    k = loss.n_classes
    z = np.random.default_rng(3).normal(scale=4, size=(30, k))
    labels = np.full(len(z), t)
    gradient, exact = loss.gradient_hessian(labels, z)
    _, h = loss.gradient_curvature(labels, z)
    for j in range(k):
        others = np.delete(z, j, axis=1)
        s = z[:, j] - np.logaddexp.reduce(others, axis=1)
        mirrored = z.copy()
        mirrored[:, j] -= 2 * s
        chord = (gradient - loss.gradient_hessian(labels, mirrored)[0])[:, j] / (2 * s)
        wrong = s < 0 if j == t else s > 0
        expected = np.where(wrong, np.maximum(exact[:, j], chord), exact[:, j])
        assert_allclose(h[:, j], expected, rtol=1e-9, atol=1e-14)
        assert wrong.any()
        assert not wrong.all()


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("curvature", CURVATURES)
def test_is_at_least_the_floor(loss, curvature):
    y, z = labels_and_margins(loss, n=300)
    _, h = loss.gradient_curvature(y, z, curvature=curvature)
    # The product of floor and alpha is rounded.
    assert np.all(h >= 0.999 * FLOOR * min(1, *loss.alphas))


@pytest.mark.parametrize("gamma", [g for g in GAMMAS if g > 0])
def test_exact_hessian_is_negative_where_guarded_is_not(gamma):
    loss = BinaryFocalLoss(gamma=gamma)
    z = np.linspace(-40, -7, 200)
    y = np.ones(200)
    assert np.all(loss.gradient_hessian(y, z)[1] < 0)
    assert np.all(loss.gradient_curvature(y, z, curvature="exact")[1] == FLOOR)
    gradient, h = loss.gradient_curvature(y, z)
    # The Newton step of a row is at most 2|s| + 2, however badly it is missed.
    assert np.all(np.abs(gradient) / h <= 2 * np.abs(z) + 2)


@given(gamma=st.floats(0, 20), s=st.floats(-1e4, 700))
def test_guarded_newton_step_is_bounded(gamma, s):
    gradient, h = BinaryFocalLoss(gamma=gamma).gradient_curvature([1], [s])
    assume(h[0] > FLOOR)
    # On the right side l''/|l'| >= 1/2: a step of at most 2.
    assert abs(gradient[0]) / h[0] <= 2 * max(-s, 0) + 2 + 1e-9


@pytest.mark.parametrize(("loss", "y"), BINARY_LABELS, ids=repr)
def test_guarded_is_continuous_and_exact_on_the_right_side(loss, y):
    z = np.linspace(-10, 10, 200_001)
    labels = np.full(z.shape, y)
    _, h = loss.gradient_curvature(labels, z)
    # The slope is bounded by about the scale of the curvature: steps of 1e-4 change little.
    assert np.max(np.abs(np.diff(h))) < 2e-3 * h.max()
    right = z >= 0 if y else z <= 0
    _, exact = loss.gradient_hessian(labels, z)
    assert np.all(h[right] == np.maximum(exact[right], h[right].min()))


def test_guarded_at_gamma_zero_is_the_sharpest_majorizer_of_log_loss():
    s = MARGINS[(MARGINS < -1e-4) & (MARGINS > -500)]
    _, h = BinaryFocalLoss(gamma=0.0).gradient_curvature(np.ones(s.shape), s)
    assert_allclose(h, np.tanh(s / 2) / (2 * s), rtol=1e-10)


def test_guarded_at_gamma_zero_is_not_the_native_curvature():
    z = np.array([-3.0])
    _, guarded = BinaryFocalLoss(gamma=0.0).gradient_curvature([1], z)
    _, exact = BinaryFocalLoss(gamma=0.0).gradient_curvature([1], z, curvature="exact")
    assert guarded > 3 * exact


def test_softmax_tail_does_not_collapse_in_float32():
    """exp(-110) is 0 in float32; the curvature of a badly missed row must not be."""
    loss = SoftmaxFocalLoss(3, gamma=2.0)
    z = np.array([[110.0, 0.0, -5.0]], dtype=np.float32)
    _, h = loss.gradient_curvature([1], z)
    assert_allclose(h[0, :2], [1 / 220, 1 / 220], rtol=0.02)

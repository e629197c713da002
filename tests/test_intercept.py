"""The intercept is where the data's summed gradient is 0 and its posterior the class frequency."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
from tests.oracles import BINARY, GAMMAS, SOFTMAX


def weights(n):
    return 1 + np.arange(n) % 7 / 4


@pytest.mark.parametrize("loss", BINARY, ids=repr)
@pytest.mark.parametrize("pi", [1e-5, 0.01, 0.3, 0.5, 0.97])
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_summed_gradient_is_zero(loss, pi, weighted):
    n = 200_000
    y = np.arange(n) < pi * n
    w = weights(n) if weighted else None
    z = loss.intercept(y, w)
    assert isinstance(z, float)
    gradient, _ = loss.gradient_hessian(y, np.full(n, z), w)
    # The sum has two hundred thousand rounding errors.
    assert abs(gradient.sum()) <= 1e-9 * np.abs(gradient).sum()
    assert_allclose(loss.posterior(z), np.average(y, weights=w), rtol=1e-10)


@pytest.mark.parametrize("loss", SOFTMAX, ids=repr)
@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_summed_gradient_is_zero(loss, weighted):
    k = loss.n_classes
    y = np.repeat(np.arange(k), 10 ** np.arange(1, k + 1))
    w = weights(len(y)) if weighted else None
    z = loss.intercept(y, w)
    assert z.shape == (k,)
    # Only differences of the margins matter: these are the logarithms of the softmax scores.
    assert_allclose(np.exp(z).sum(), 1)
    gradient, _ = loss.gradient_hessian(y, np.tile(z, (len(y), 1)), w)
    assert np.all(np.abs(gradient.sum(axis=0)) <= 1e-8 * np.abs(gradient).sum(axis=0))
    frequency = np.bincount(y, weights=w) / (len(y) if w is None else w.sum())
    assert_allclose(loss.posterior(z), frequency, rtol=1e-8)


@given(pi=st.floats(1e-9, 1 - 1e-9), gamma=st.sampled_from(GAMMAS), alpha=st.floats(0.01, 0.99))
def test_posterior_of_the_intercept_is_any_weighted_frequency(pi, gamma, alpha):
    loss = BinaryFocalLoss(gamma=gamma, alpha=alpha)
    z = loss.intercept([0, 1], [1 - pi, pi])
    assert_allclose(loss.posterior(z), pi, rtol=1e-7)


def test_gamma_zero_gives_log_odds_and_gamma_above_does_not():
    y = np.arange(1000) < 10
    assert BinaryFocalLoss(0.0).intercept(y) == np.log(0.01 / 0.99)
    assert_allclose(BinaryFocalLoss(2.0).intercept(y), -1.706, atol=5e-4)
    labels = np.repeat([0, 1, 2], [70, 20, 10])
    assert_allclose(SoftmaxFocalLoss(3, 0.0).intercept(labels), np.log([0.7, 0.2, 0.1]))
    focal = SoftmaxFocalLoss(3, 2.0).intercept(labels)
    assert np.ptp(focal) < 0.6 * np.log(7)


@pytest.mark.parametrize("gamma", [0.0, 2.0, (5.0, 0.5)])
@pytest.mark.parametrize("alpha", [None, (0.3, 9.0)])
def test_canonical_intercept_is_the_log_odds(gamma, alpha):
    y = np.arange(1000) < 10
    loss = BinaryFocalLoss(gamma, alpha, "canonical")
    assert_allclose(loss.intercept(y), np.log(0.01 / 0.99), rtol=1e-14)
    labels = np.repeat([0, 1], [70, 30])
    softmax = SoftmaxFocalLoss(2, gamma, alpha, "canonical")
    assert_allclose(softmax.intercept(labels), np.log([0.7, 0.3]), rtol=1e-14)


def test_many_classes():
    y = np.minimum(np.random.default_rng(0).zipf(1.5, 20_000) - 1, 199)
    loss = SoftmaxFocalLoss(200, gamma=2.0)
    frequency = np.bincount(y, minlength=200) / len(y)
    present = frequency > 0
    # Absent classes count as half a row each, which takes less than 1 % from the others.
    assert_allclose(loss.posterior(loss.intercept(y))[present], frequency[present], rtol=0.01)


def test_an_absent_class_counts_as_half_a_row():
    z = SoftmaxFocalLoss(3, gamma=2.0).intercept(np.repeat([0, 1], [70, 30]))
    assert np.isfinite(z).all()
    assert_allclose(SoftmaxFocalLoss(3, gamma=2.0).posterior(z)[2], 0.005 / 1.005)


@pytest.mark.parametrize("loss", [BinaryFocalLoss(), SoftmaxFocalLoss(3)], ids=repr)
@pytest.mark.parametrize(
    ("y", "w", "message"),
    [
        ([0, 0], None, "at least two classes with positive weight, got only class 0"),
        ([1, 1, 0], [1.0, 1.0, 0.0], "got only class 1"),
        ([], None, "labels must not be empty"),
        ([0, 1], [0.0, 0.0], "must not be all zero"),
        ([[0, 1]], None, "labels must have shape"),
    ],
)
def test_errors(loss, y, w, message):
    with pytest.raises(ValueError, match=message):
        loss.intercept(y, w)

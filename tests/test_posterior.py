"""Posteriors recovered from margins, class frequencies exchanged in them, and balanced weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss, balanced_alpha, shift_prior
from tests.oracles import (
    BINARY,
    CANONICAL_BINARY,
    CANONICAL_SOFTMAX,
    EPS,
    GAMMAS,
    SOFTMAX,
    binary_alpha,
    softmax_margins,
)


@pytest.mark.parametrize("loss", BINARY, ids=repr)
def test_binary_posterior_makes_the_expected_loss_stationary(loss):
    z = np.linspace(-30, 30, 121)
    eta = loss.posterior(z)
    g0, g1 = (loss.gradient_hessian(np.full(z.shape, y), z)[0] for y in (0, 1))
    # 1 - eta is exact only to eps, which in the tails is more than the term of the rarer class.
    assert_allclose((1 - eta) * g0, -eta * g1, rtol=1e-10, atol=4 * EPS * np.abs(g1).max())
    assert np.all(np.diff(eta) >= 0)


@pytest.mark.parametrize("loss", SOFTMAX, ids=repr)
def test_softmax_posterior_makes_the_expected_loss_stationary(loss):
    z = np.random.default_rng(0).normal(scale=3, size=(50, loss.n_classes))
    eta = loss.posterior(z)
    assert_allclose(eta.sum(axis=1), 1, rtol=4 * EPS)
    total = np.zeros_like(z)
    size = np.zeros_like(z)
    for t in range(loss.n_classes):
        gradient = eta[:, [t]] * loss.gradient_hessian(np.full(len(z), t), z)[0]
        total += gradient
        size += np.abs(gradient)
    assert np.all(np.abs(total) <= 1e-11 * size)


@pytest.mark.parametrize("loss", CANONICAL_BINARY, ids=repr)
def test_canonical_posterior_is_the_sigmoid(loss):
    u = np.linspace(-30, 30, 121)
    assert_allclose(loss.posterior(u), 1 / (1 + np.exp(-u)), rtol=4 * EPS)


@pytest.mark.parametrize("loss", CANONICAL_SOFTMAX, ids=repr)
def test_canonical_posterior_is_the_softmax(loss):
    u = np.random.default_rng(0).normal(scale=3, size=(50, loss.n_classes))
    e = np.exp(u)
    assert_allclose(loss.posterior(u), e / e.sum(axis=1, keepdims=True), rtol=16 * EPS)


@given(eta=st.floats(1e-6, 1 - 1e-6), gamma=st.sampled_from(GAMMAS), alpha=st.floats(0.05, 0.95))
def test_posterior_of_the_best_margin(eta, gamma, alpha):
    """The margin that minimises the expected loss, found from values of the loss alone, gives eta."""
    loss = BinaryFocalLoss(gamma=gamma, alpha=alpha)
    z = np.linspace(-40, 40, 4001)
    for _ in range(3):
        best = np.argmin(
            eta * loss.loss(np.ones(4001), z) + (1 - eta) * loss.loss(np.zeros(4001), z)
        )
        z = np.linspace(z[max(best - 1, 0)], z[min(best + 1, 4000)], 4001)
    found = float(loss.posterior(z[best]))
    # Values of a function locate its minimum to sqrt(eps) of its width only.
    assert abs(np.log(found / (1 - found)) - np.log(eta / (1 - eta))) < 1e-2


@pytest.mark.parametrize("alpha", [None, 0.25, (0.1, 30.0)])
def test_gamma_zero_undoes_alpha_and_nothing_else(alpha):
    loss = BinaryFocalLoss(gamma=0.0, alpha=alpha)
    z = np.linspace(-10, 10, 41)
    a0, a1 = binary_alpha(loss)
    assert_allclose(loss.posterior(z), 1 / (1 + np.exp(-z) * a1 / a0), rtol=1e-13)


def test_gamma_above_zero_moves_posteriors_away_from_one_half():
    z = np.linspace(-10, 10, 41)
    score, eta = 1 / (1 + np.exp(-z)), BinaryFocalLoss(2.0).posterior(z)
    assert np.all(np.abs(eta - 0.5) >= np.abs(score - 0.5))
    assert not np.allclose(eta, score, atol=0.05)


@pytest.mark.parametrize("loss", BINARY, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_tails(loss, dtype):
    z = np.array([-1e4, -1e3, -700, 700, 1e3, 1e4], dtype=dtype)
    eta = loss.posterior(z)
    assert eta.dtype == dtype
    assert np.all((eta >= 0) & (eta <= 1))
    assert np.all(eta[:2] <= 1e-300)
    assert np.all(eta[4:] == 1)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_log_odds_far_out(gamma):
    """They approach (1 + gamma) z + log(1 + gamma) for z towards minus infinity."""
    eta = BinaryFocalLoss(gamma).posterior(-20.0)
    assert_allclose(np.log(eta), -(1 + gamma) * 20 + np.log1p(gamma), rtol=1e-4)


@pytest.mark.parametrize("loss", SOFTMAX, ids=repr)
@pytest.mark.parametrize("scale", [700.0, 1e4])
def test_softmax_tails(loss, scale):
    z = np.random.default_rng(1).choice([-scale, 0.0, scale], size=(200, loss.n_classes))
    eta = loss.posterior(z)
    assert np.isfinite(eta).all()
    assert np.all((eta >= 0) & (eta <= 1))
    assert_allclose(eta.sum(axis=1), 1, rtol=4 * EPS)


def test_single_vectors_and_scalars():
    assert BinaryFocalLoss(2.0).posterior(0.0) == 0.5
    loss = SoftmaxFocalLoss(3, 2.0)
    row = softmax_margins(3, 6)[5]
    assert loss.posterior(row).shape == (3,)
    assert_allclose(loss.posterior(row), loss.posterior(row[None])[0])


@given(eta=st.floats(0.001, 0.999), trained=st.floats(0.01, 0.99), target=st.floats(0.01, 0.99))
def test_shift_prior_multiplies_the_odds(eta, trained, target):
    shifted = shift_prior([eta], trained, target)
    odds = eta / (1 - eta) * (target / (1 - target)) / (trained / (1 - trained))
    assert_allclose(shifted / (1 - shifted), odds, rtol=1e-9)
    assert_allclose(shift_prior(shifted, target, trained), eta, rtol=1e-12)
    both = shift_prior([[1 - eta, eta]], [1 - trained, trained], [1 - target, target])
    assert_allclose(both[0], [1 - shifted[0], shifted[0]], rtol=1e-9)


def test_shift_prior_undoes_undersampling():
    """The frequencies of positives in a sample of the negatives become those in the whole table."""
    rng = np.random.default_rng(5)
    x = rng.integers(0, 4, 400_000)
    y = rng.random(len(x)) < np.array([0.001, 0.004, 0.02, 0.1])[x]
    keep = y | (rng.random(len(x)) < 0.05)
    whole = np.array([y[x == v].mean() for v in range(4)])
    sampled = np.array([y[keep][x[keep] == v].mean() for v in range(4)])
    corrected = shift_prior(sampled, trained=y[keep].mean(), target=y.mean())
    assert_allclose(corrected, whole, rtol=0.1)  # noise of the sample
    assert np.all(sampled > 3 * whole)


def test_shift_prior_keeps_zero_one_and_the_dtype():
    shifted = shift_prior(np.array([0.0, 1.0], dtype=np.float32), 0.1, 0.01)
    assert shifted.dtype == np.float32
    assert shifted.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("posterior", "trained", "target", "message"),
    [
        ([0.5, 1.5], 0.1, 0.2, r"posterior must be in \[0, 1\], got 1.5 at row 1"),
        ([np.nan], 0.1, 0.2, "posterior must be in"),
        ([0.5], 0.0, 0.2, "trained must be class frequencies"),
        ([0.5], 0.1, 1.0, "target must be class frequencies"),
        ([0.5], 0.1, np.nan, "target must be class frequencies"),
        ([[0.5, 0.5]], 0.1, 0.2, "one frequency per column"),
        ([[0.5, 0.5]], [0.1, 0.9], [0.1, 0.1], "target must sum to 1"),
        ([[0.5, 0.5]], [0.2, 0.3, 0.5], [0.1, 0.9], "one frequency per column"),
        ([0.5, 0.5], 0.1, [0.1, 0.9], "trained and target must both be numbers or both be vectors"),
        (["a"], 0.1, 0.2, "posterior must be real numbers"),
    ],
)
def test_shift_prior_errors(posterior, trained, target, message):
    with pytest.raises(ValueError, match=message):
        shift_prior(posterior, trained, target)


def test_balanced_alpha_is_scikit_learns_balanced():
    utils = pytest.importorskip("sklearn.utils.class_weight")
    y = np.array([0] * 90 + [1] * 9 + [2])
    balanced = utils.compute_class_weight("balanced", classes=np.arange(3), y=y)
    assert_allclose(balanced_alpha(y), balanced)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.9999, 1 - 1e-12])
def test_balanced_alpha_is_the_effective_number(beta):
    y = np.array([0] * 900 + [1] * 90 + [2] * 10)
    n = np.array([900, 90, 10])
    weight = balanced_alpha(y, beta=beta)
    assert_allclose(weight.sum(), 3)
    if beta < 0.99999:
        assert_allclose(weight / weight[0], (1 - beta**900) / (1 - beta**n), rtol=1e-9)
    else:  # 1 - beta^n has no digits left; its limit is n (1 - beta)
        assert_allclose(weight / weight[0], 900 / n, rtol=1e-6)


def test_either_loss_takes_balanced_alpha():
    y = np.repeat([0, 1], [95, 5])
    assert BinaryFocalLoss(2.0, alpha=balanced_alpha(y)).alpha[1] == 10.0
    assert SoftmaxFocalLoss(2, alpha=balanced_alpha(y)).alpha[1] == 10.0
    assert balanced_alpha(np.array(["no"] * 3 + ["yes"])).tolist() == [4 / 6, 2.0]


@pytest.mark.parametrize(
    ("y", "beta", "message"),
    [
        ([1, 1], None, "at least two classes, got 1"),
        ([], None, "at least two classes, got 0"),
        ([[0, 1]], None, r"shape \(n,\)"),
        ([0.0, 1.0, np.nan], None, "must not be NaN"),
        ([0, 1], 1.0, r"beta must be in \[0, 1\)"),
        ([0, 1], -0.1, r"beta must be in \[0, 1\)"),
        ([0, 1], np.nan, r"beta must be in \[0, 1\)"),
    ],
)
def test_balanced_alpha_errors(y, beta, message):
    with pytest.raises(ValueError, match=message):
        balanced_alpha(y, beta)

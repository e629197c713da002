"""Every loss, gradient and Hessian against the definition of the loss: slopes and digits."""

from functools import partial

import mpmath as mp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from focalboost import BinaryFocalLoss, _binary
from tests.oracles import (
    BINARY_LABELS,
    CANONICAL_BINARY,
    CANONICAL_SOFTMAX,
    EPS,
    FOCAL_BINARY_LABELS,
    FOCAL_SOFTMAX_LABELS,
    MARGINS,
    SOFTMAX_LABELS,
    STEP,
    binary_definition,
    canonical_definition,
    canonical_scale,
    canonical_score,
    canonical_softmax_rows,
    canonical_softmax_scale,
    central,
    differences,
    per_class,
    softmax_definition,
    softmax_margins,
)

# Below this a double, or an intermediate product of it, is subnormal and has lost digits.
SMALLEST = 1e-290

# Beyond |z| = 12 the step of the central difference (relative to z) outgrows the scale of exp(z).
INNER = MARGINS[np.abs(MARGINS) <= 12]


def check_binary_slopes(loss, y):
    """Compare gradient and Hessian with finite differences of loss and gradient."""
    labels = np.full(INNER.shape, y)
    gradient, hessian = loss.gradient_hessian(labels, INNER)
    scale = np.max(np.abs(loss.loss(labels, INNER)))
    # Truncation h^4 f'''''/30 with h = eps^(1/5) max(1, |z|) is 6e-13 |z|^4 f''''': 1e-7 at |z| = 12.
    tolerance = {"rtol": 2e-7, "atol": 1e-9 * scale}
    assert_allclose(gradient, central(lambda z: loss.loss(labels, z), INNER), **tolerance)
    slope = central(lambda z: loss.gradient_hessian(labels, z)[0], INNER)
    assert_allclose(hessian, slope, **tolerance)


@pytest.mark.parametrize(("loss", "y"), BINARY_LABELS, ids=repr)
def test_binary_derivatives_are_slopes(loss, y):
    check_binary_slopes(loss, y)


@pytest.mark.parametrize(("loss", "t"), SOFTMAX_LABELS, ids=repr)
def test_softmax_derivatives_are_slopes(loss, t):
    k = loss.n_classes
    z = softmax_margins(k, 40)[5:]
    labels = np.full(len(z), t)
    gradient, hessian = loss.gradient_hessian(labels, z)
    scale = np.max(np.abs(loss.loss(labels, z)))
    tolerance = {"rtol": 1e-6, "atol": 1e-9 * scale}

    def moved(j, x):
        out = z.copy()
        out[:, j] = x
        return out

    def loss_of(j, x):
        return loss.loss(labels, moved(j, x))

    def gradient_of(j, x):
        return loss.gradient_hessian(labels, moved(j, x))[0][:, j]

    for j in range(k):
        assert_allclose(gradient[:, j], central(partial(loss_of, j), z[:, j]), **tolerance)
        assert_allclose(hessian[:, j], central(partial(gradient_of, j), z[:, j]), **tolerance)


def budget(p, q, gamma, terms=4):
    """Return the relative rounding error that correct code may have.

    exp(x) and log(x) cost |x| units of relative error in what they are applied to: q^gamma and q cost
    (1 + gamma) |log q|, p costs |log p|; the remaining operations cost the rest.
    """
    return EPS * float(terms + (1 + gamma) * abs(mp.log(q)) + abs(mp.log(p)))


def digits_of_binary(loss, y, margins=MARGINS):
    """Return the largest errors of (loss, gradient, Hessian) in units of the budget."""
    worst = np.zeros(3)
    labels = np.full(margins.shape, y)
    got = (loss.loss(labels, margins), *loss.gradient_hessian(labels, margins))
    definition, gamma = binary_definition(loss, y), per_class(loss.gamma, 2)[y]
    for i, margin in enumerate(margins):
        with mp.workdps(40 + int(abs(margin))):
            z = mp.mpf(float(margin))
            s = z if y == 1 else -z
            p, q = 1 / (1 + mp.exp(-s)), 1 / (1 + mp.exp(s))
            true = (definition(z), mp.diff(definition, z), mp.diff(definition, z, 2))
            # The Hessian crosses zero: its error is measured against the sum of its absolute terms.
            size = abs(p * q**gamma) * (
                (1 + 2 * gamma) * q + gamma * abs(q - gamma * p) * -mp.log(p)
            )
            scales = (abs(true[0]), abs(true[1]), size * abs(true[0] / (q**gamma * mp.log(p))))
            for order in range(3):
                if scales[order] > SMALLEST:
                    error = abs(mp.mpf(float(got[order][i])) - true[order]) / scales[order]
                    worst[order] = max(worst[order], float(error) / budget(p, q, gamma))
    return worst


@pytest.mark.parametrize(("loss", "y"), FOCAL_BINARY_LABELS, ids=repr)
def test_binary_digits(loss, y):
    assert np.all(digits_of_binary(loss, y) <= 1)


@pytest.mark.parametrize(("loss", "t"), FOCAL_SOFTMAX_LABELS, ids=repr)
def test_softmax_digits(loss, t):
    margins = softmax_margins(loss.n_classes, 14)
    labels = np.full(len(margins), t)
    value = loss.loss(labels, margins)
    gradient, hessian = loss.gradient_hessian(labels, margins)
    for i, row in enumerate(margins):
        with mp.workdps(40 + int(np.ptp(row))):
            check_softmax_digits(loss, t, row, value[i], gradient[i], hessian[i])


def check_softmax_digits(loss, t, row, value, gradient, hessian):
    """Compare the numbers of one row with the definition, in the precision that mpmath is set to."""
    k, gamma = loss.n_classes, per_class(loss.gamma, loss.n_classes)[t]
    a = 1.0 if loss.alpha is None else loss.alpha[t]
    definition = softmax_definition(loss, t, row)
    e = [mp.exp(mp.mpf(float(m))) for m in row]
    total = mp.fsum(e)
    p, q = e[t] / total, mp.fsum(e[:t] + e[t + 1 :]) / total
    L = -mp.log(p)
    A = q**gamma * (q + gamma * p * L)
    B = q**gamma * gamma * p * (2 * q + abs(q - (gamma - 1) * p) * L)
    true = definition(0, mp.mpf(float(row[0])))
    if true > SMALLEST:
        # Two more units for each further class: one sum, one exponential.
        units = budget(p, q, gamma, terms=4 + 2 * k)
        assert abs(mp.mpf(float(value)) / true - 1) <= units
    for j in range(k):
        pj, rest = e[j] / total, mp.fsum(e[:j] + e[j + 1 :]) / total
        r = pj / q
        units = budget(p, q, gamma, terms=4 + 2 * k + float(abs(mp.log(pj))))
        x, along = mp.mpf(float(row[j])), partial(definition, j)
        first, second = mp.diff(along, x, 1), mp.diff(along, x, 2)
        if j == t:
            size = p * q**gamma * ((1 + 2 * gamma) * q + gamma * abs(q - gamma * p) * L)
        else:
            size = A * r * rest + B * r * r
        if abs(first) > SMALLEST:
            assert abs(mp.mpf(float(gradient[j])) / first - 1) <= units
        if size > SMALLEST:
            # The Hessian crosses zero: its error is measured against the sum of its absolute terms.
            assert abs(mp.mpf(float(hessian[j])) - second) <= units * a * size


def digits_of_canonical(loss, y):
    """Return the largest errors of (loss, gradient, Hessian) in units of the budget."""
    worst = np.zeros(3)
    labels = np.full(MARGINS.shape, y)
    got = (loss.loss(labels, MARGINS), *loss.gradient_hessian(labels, MARGINS))
    scale, gamma = canonical_scale(loss), per_class(loss.gamma, 2)[y]
    for i, margin in enumerate(MARGINS):
        with mp.workdps(90 + int(abs(margin) / 2)):  # the smaller of p and q is above exp(-|u|)
            u = mp.mpf(float(margin))
            z = canonical_score(loss, u)
            s = z if y == 1 else -z
            p, q = 1 / (1 + mp.exp(-s)), 1 / (1 + mp.exp(s))
            definition = canonical_definition(loss, y, scale=scale, start=z)
            true = differences(definition, u, STEP)
            # The Hessian v' (eta - y) + v eta (1 - eta) crosses zero; |v'| is at most about v.
            scales = (abs(true[0]), abs(true[1]), abs(true[1]) + abs(true[2]))
            for order in range(3):
                if scales[order] > SMALLEST:
                    error = abs(mp.mpf(float(got[order][i])) - true[order]) / scales[order]
                    # As the other link's; besides, the score has the rounding of u, and so has eta.
                    units = budget(p, q, gamma) + EPS * abs(margin)
                    worst[order] = max(worst[order], float(error) / units)
    return worst


@pytest.mark.parametrize("y", [0, 1])
@pytest.mark.parametrize("loss", CANONICAL_BINARY, ids=repr)
def test_canonical_digits(loss, y):
    assert abs(loss.scale / canonical_scale(loss) - 1) <= 8 * EPS
    assert np.all(digits_of_canonical(loss, y) <= 1)


@pytest.mark.parametrize("loss", CANONICAL_SOFTMAX, ids=repr)
def test_canonical_softmax_digits(loss):
    k = loss.n_classes
    scale = canonical_softmax_scale(loss)
    assert abs(loss.scale / scale - 1) <= 8 * EPS
    rows = [softmax_margins(k, 6)[5], np.where(np.arange(k) == 0, 30.0, -2.0), np.zeros(k)]
    for u in rows:
        with mp.workdps(90 + int(np.ptp(u) / 2)):
            along = canonical_softmax_rows(loss, u)
        for t in range(k):
            value = loss.loss([t], u[None])[0]
            gradient, hessian = (a[0] for a in loss.gradient_hessian([t], u[None]))
            # Up to 31 units were measured. exp and log of numbers as large as the spread of the margins
            # cost as many units as that, and gamma multiplies what a score that is close to 1 loses.
            units = EPS * (16 + 2 * k + np.ptp(u) + 2 * np.max(loss.gamma))
            for j in range(k):
                true, first, second = (scale * order[t] for order in along[j])
                assert abs(value / true - 1) <= units
                assert abs(gradient[j] / first - 1) <= units
                assert abs(hessian[j] - second) <= units * (abs(first) + abs(second))


def epsilon_in_log(terms, s):
    t = terms(s)
    return t._replace(L=-np.log(t.p + 1e-9))


def clipped(terms, s):
    p = np.minimum(np.maximum(terms(s).p, 1e-15), 1 - 1e-15)
    return _binary.Terms(p, 1 - p, -np.log(p), -np.log(1 - p))


def complement(terms, s):
    t = terms(s)
    return t._replace(q=1 - t.p)


def dropped_term(slope, t, g):  # noqa: ARG001
    return _binary.power(t.M, g) * t.q


# Mistakes found in published implementations, and the formula that each replaces.
MUTANTS = {
    epsilon_in_log: "terms",
    clipped: "terms",
    complement: "terms",
    dropped_term: "slope",
}


def install(mutant, monkeypatch):
    """Replace the right formula by the mutant."""
    monkeypatch.setenv("FOCALBOOST_KERNEL", "numpy")  # the compiled kernel cannot be broken
    name = MUTANTS[mutant]
    monkeypatch.setattr(_binary, name, partial(mutant, getattr(_binary, name)))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_digits_reject_mutants(mutant, monkeypatch):
    install(mutant, monkeypatch)
    assert np.any(digits_of_binary(BinaryFocalLoss(gamma=2.0), 1) > 1)


def test_slopes_reject_a_dropped_term(monkeypatch):
    install(dropped_term, monkeypatch)
    with pytest.raises(AssertionError):
        check_binary_slopes(BinaryFocalLoss(gamma=2.0), 1)


def test_slopes_do_not_see_an_epsilon(monkeypatch):
    """Finite differences accept any loss that was written down: the digits tests are needed too."""
    install(epsilon_in_log, monkeypatch)
    loss, z, labels = BinaryFocalLoss(gamma=2.0), np.linspace(-3, 3, 13), np.ones(13)
    slope = central(lambda x: loss.loss(labels, x), z)
    assert_allclose(loss.gradient_hessian(labels, z)[0], slope, rtol=1e-6)

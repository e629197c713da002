"""Every loss, gradient and Hessian against the definition of the loss: slopes and digits."""

import mpmath as mp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from focalboost import BinaryFocalLoss, _binary
from tests.oracles import (
    BINARY,
    EPS,
    MARGINS,
    SOFTMAX,
    binary_definition,
    central,
    per_class,
    softmax_definition,
    softmax_margins,
)

# Below this a double, or an intermediate product of it, is subnormal and has lost digits.
SMALLEST = 1e-290

# Beyond |z| = 12 the step of the central difference (relative to z) outgrows the scale of exp(z).
INNER = MARGINS[np.abs(MARGINS) <= 12]


@pytest.mark.parametrize("loss", BINARY, ids=repr)
@pytest.mark.parametrize("y", [0, 1])
def test_binary_derivatives_are_the_slopes_of_what_stands_before(loss, y):
    labels = np.full(INNER.shape, y)
    gradient, hessian = loss.gradient_hessian(labels, INNER)
    scale = np.max(np.abs(loss.loss(labels, INNER)))
    # Truncation h^4 f'''''/30 with h = eps^(1/5) max(1, |z|) is 6e-13 |z|^4 f''''': 1e-7 at |z| = 12.
    tolerance = {"rtol": 2e-7, "atol": 1e-9 * scale}
    assert_allclose(gradient, central(lambda z: loss.loss(labels, z), INNER), **tolerance)
    slope = central(lambda z: loss.gradient_hessian(labels, z)[0], INNER)
    assert_allclose(hessian, slope, **tolerance)


@pytest.mark.parametrize("loss", SOFTMAX, ids=repr)
def test_softmax_derivatives_are_the_slopes_of_what_stands_before(loss):
    k = loss.n_classes
    z = softmax_margins(k, 40)[5:]
    for t in range(k):
        labels = np.full(len(z), t)
        gradient, hessian = loss.gradient_hessian(labels, z)
        scale = np.max(np.abs(loss.loss(labels, z)))
        tolerance = {"rtol": 1e-6, "atol": 1e-9 * scale}
        for j in range(k):

            def moved(x, j=j):
                out = z.copy()
                out[:, j] = x
                return out

            def loss_along(x):
                return loss.loss(labels, moved(x))  # noqa: B023

            def gradient_along(x, j=j):
                return loss.gradient_hessian(labels, moved(x))[0][:, j]  # noqa: B023

            assert_allclose(gradient[:, j], central(loss_along, z[:, j]), **tolerance)
            assert_allclose(hessian[:, j], central(gradient_along, z[:, j]), **tolerance)


def budget(p, q, gamma, terms=4):
    """Rounding units that honest code may lose.

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


@pytest.mark.parametrize("loss", BINARY, ids=repr)
@pytest.mark.parametrize("y", [0, 1])
def test_binary_digits(loss, y):
    assert np.all(digits_of_binary(loss, y) <= 1)


@pytest.mark.parametrize("loss", SOFTMAX, ids=repr)
def test_softmax_digits(loss):
    k = loss.n_classes
    margins = softmax_margins(k, 14)
    for t in range(k):
        labels = np.full(len(margins), t)
        value = loss.loss(labels, margins)
        gradient, hessian = loss.gradient_hessian(labels, margins)
        gamma = per_class(loss.gamma, k)[t]
        for i, row in enumerate(margins):
            with mp.workdps(40 + int(np.ptp(row))):
                definition = softmax_definition(loss, t, row)
                e = [mp.exp(mp.mpf(float(m))) for m in row]
                total = mp.fsum(e)
                p, q = e[t] / total, mp.fsum(e[:t] + e[t + 1 :]) / total
                L = -mp.log(p)
                A = q**gamma * (q + gamma * p * L)
                B = q**gamma * gamma * p * (2 * q + abs(q - (gamma - 1) * p) * L)
                a = 1.0 if loss.alpha is None else loss.alpha[t]
                true = definition(0, mp.mpf(float(row[0])))
                if true > SMALLEST:
                    # Two more units for each further class: one sum, one exponential.
                    units = budget(p, q, gamma, terms=4 + 2 * k)
                    assert abs(mp.mpf(float(value[i])) / true - 1) <= units
                for j in range(k):
                    x = mp.mpf(float(row[j]))
                    pj, rest = e[j] / total, mp.fsum(e[:j] + e[j + 1 :]) / total
                    r = pj / q
                    units = budget(p, q, gamma, terms=4 + 2 * k + float(abs(mp.log(pj))))
                    along = [mp.diff(lambda v, j=j: definition(j, v), x, n) for n in (1, 2)]  # noqa: B023
                    if j == t:
                        size = p * q**gamma * ((1 + 2 * gamma) * q + gamma * abs(q - gamma * p) * L)
                    else:
                        size = A * r * rest + B * r * r
                    if abs(along[0]) > SMALLEST:
                        assert abs(mp.mpf(float(gradient[i, j])) / along[0] - 1) <= units
                    if size > SMALLEST:
                        error = abs(mp.mpf(float(hessian[i, j])) - along[1])
                        assert error <= units * a * size


def mutant(name, monkeypatch):
    """Break the formulas in one of the ways that code found elsewhere is broken."""
    monkeypatch.setenv("FOCALBOOST_KERNEL", "numpy")  # where the formulas can be broken
    right_terms, right_slope = _binary.terms, _binary.slope

    def epsilon_in_log(s):
        t = right_terms(s)
        return t._replace(L=-np.log(t.p + 1e-9))

    def clipped(s):
        t = right_terms(s)
        p = np.minimum(np.maximum(t.p, 1e-15), 1 - 1e-15)
        return _binary.Terms(p, 1 - p, -np.log(p), -np.log(1 - p))

    def complement(s):
        t = right_terms(s)
        return t._replace(q=1 - t.p)

    def dropped_term(t, g):
        return _binary.power(t.M, g) * t.q

    if name == "dropped_term":
        monkeypatch.setattr(_binary, "slope", dropped_term)
        assert right_slope is not dropped_term
    else:
        monkeypatch.setattr(_binary, "terms", locals()[name])


@pytest.mark.parametrize("name", ["epsilon_in_log", "clipped", "complement", "dropped_term"])
def test_digits_reject_mutants(name, monkeypatch):
    mutant(name, monkeypatch)
    assert np.any(digits_of_binary(BinaryFocalLoss(gamma=2.0), 1) > 1)


def test_slopes_reject_a_dropped_term_and_miss_an_epsilon(monkeypatch):
    """Why both tests exist: finite differences agree with whatever loss was written down."""
    loss = BinaryFocalLoss(gamma=2.0)
    with monkeypatch.context() as patch:
        mutant("epsilon_in_log", patch)
        small = np.linspace(-3, 3, 13)
        labels = np.ones(13)
        assert_allclose(
            loss.gradient_hessian(labels, small)[0],
            central(lambda z: loss.loss(labels, z), small),
            rtol=1e-6,
        )
    mutant("dropped_term", monkeypatch)
    with pytest.raises(AssertionError):
        test_binary_derivatives_are_the_slopes_of_what_stands_before(loss, 1)

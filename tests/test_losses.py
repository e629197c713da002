"""What must hold for every loss, whatever its parameters."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
from tests.oracles import EPS, GAMMAS, LOSSES, MARGINS, SOFTMAX, softmax_margins

CURVATURES = ("guarded", "exact", "expected")
margins = st.floats(-60, 60)
gammas = st.one_of(st.sampled_from(GAMMAS), st.floats(0, 12))


def data_for(loss, n=60, seed=0):
    """Return labels of every class and margins of ordinary size and beyond."""
    rng = np.random.default_rng(seed)
    if isinstance(loss, SoftmaxFocalLoss):
        return np.arange(n) % loss.n_classes, softmax_margins(loss.n_classes, n, seed)
    return np.arange(n) % 2, np.resize(MARGINS, n) + rng.normal(size=n)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
class TestEveryLoss:
    def test_is_a_value(self, loss):
        assert pickle.loads(pickle.dumps(loss)) == loss
        assert hash(pickle.loads(pickle.dumps(loss))) == hash(loss)
        assert copy.deepcopy(loss) is loss
        assert copy.copy(loss) is loss
        assert eval(repr(loss)) == loss
        with pytest.raises(AttributeError):
            loss.gamma = 1.0

    def test_clones(self, loss):
        sklearn_base = pytest.importorskip("sklearn.base")
        assert sklearn_base.clone(loss) == loss

    def test_loss_is_positive_and_falls_towards_the_label(self, loss):
        y, z = data_for(loss)
        assert np.all(loss.loss(y, z) >= 0)
        nearer = z.copy()
        if z.ndim == 2:
            nearer[np.arange(len(y)), y] += 0.5
        else:
            nearer += np.where(y == 1, 0.5, -0.5)
        assert np.all(loss.loss(y, nearer) <= loss.loss(y, z))

    def test_weights_multiply_loss_gradient_and_curvature_once(self, loss):
        y, z = data_for(loss)
        w = np.random.default_rng(1).gamma(1.0, size=len(y))
        shape = (-1, *(1,) * (z.ndim - 1))
        assert_allclose(loss.loss(y, z, w), w * loss.loss(y, z), rtol=2 * EPS)
        plain, weighted = loss.gradient_hessian(y, z), loss.gradient_hessian(y, z, w)
        for a, b in zip(plain, weighted, strict=True):
            # alpha and w are multiplied first, so two roundings differ.
            assert_allclose(b, w.reshape(shape) * a, rtol=4 * EPS)
        for name in CURVATURES:
            plain, weighted = (loss.gradient_curvature(y, z, v, name) for v in (None, w))
            for a, b in zip(plain, weighted, strict=True):
                assert_allclose(b, w.reshape(shape) * a, rtol=4 * EPS)

    def test_rows_of_weight_zero_count_for_nothing(self, loss):
        y, z = data_for(loss)
        w = (np.arange(len(y)) % 3 > 0).astype(float)
        for array in (loss.loss(y, z, w), *loss.gradient_curvature(y, z, w)):
            assert not array[w == 0].any()

    def test_input_is_neither_written_nor_required_contiguous(self, loss):
        y, z = data_for(loss)
        expected = loss.gradient_curvature(y, z)
        for variant in (np.asfortranarray(z), np.repeat(z, 2, axis=0)[::2]):
            variant.setflags(write=False)
            for a, b in zip(expected, loss.gradient_curvature(y, variant), strict=True):
                assert_allclose(b, a, rtol=8 * EPS)  # sums over classes may run in another order

    @pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8, np.float32, ">f8", object])
    def test_labels_of_any_real_dtype(self, loss, dtype):
        y, z = data_for(loss)
        if dtype is object:
            with pytest.raises(ValueError, match="real numbers, got dtype object"):
                loss.loss(y.astype(object), z)
        else:
            assert_array_equal(loss.loss(y.astype(dtype), z), loss.loss(y, z))

    def test_lists_and_integer_margins(self, loss):
        y, z = data_for(loss)
        z = np.round(z)
        assert_array_equal(loss.loss(y.tolist(), z.tolist()), loss.loss(y, z))
        assert loss.loss(y, z.astype(int)).dtype == np.float64

    def test_no_rows(self, loss):
        y, z = data_for(loss)
        assert loss.loss(y[:0], z[:0]).shape == (0,)
        assert loss.gradient_curvature(y[:0], z[:0])[1].shape == z[:0].shape
        assert loss.posterior(z[:0]).shape == z[:0].shape

    @pytest.mark.parametrize("curvature", CURVATURES)
    def test_float32_is_finite_for_every_finite_margin_and_stays_float32(self, loss, curvature):
        most = np.finfo(np.float32).max
        tiny = np.finfo(np.float32).smallest_subnormal
        edges = [0.0, -0.0, tiny, 1e-20, 1e-4, 1.0, 15, 17, 87, 88.8, 104, 745, 1e4, 1e30, most]
        z = np.array(edges + [-e for e in edges], dtype=np.float32)
        if isinstance(loss, SoftmaxFocalLoss):
            rng = np.random.default_rng(2)
            z = rng.choice(z, size=(2000, loss.n_classes))
            y = np.arange(len(z)) % loss.n_classes
        else:
            y = np.repeat([0, 1], len(z))
            z = np.concatenate([z, z])
        gradient, h = loss.gradient_curvature(y, z, curvature=curvature)
        assert gradient.dtype == h.dtype == np.float32
        assert np.isfinite(gradient).all()
        assert np.isfinite(h).all()
        assert np.all(h > 0)
        posterior = loss.posterior(z)
        assert posterior.dtype == np.float32
        assert np.all((posterior >= 0) & (posterior <= 1))
        moderate = (
            np.abs(z).reshape(len(z), -1).max(axis=1) < 1e30
        )  # alpha > 1 times 3e38 is infinite
        assert np.isfinite(loss.loss(y[moderate], z[moderate])).all()

    def test_float32_agrees_with_float64(self, loss):
        y, z = data_for(loss)
        z = np.clip(z, -20, 20).astype(np.float32)
        for curvature in CURVATURES:
            narrow = loss.gradient_curvature(y, z, curvature=curvature)
            wide = loss.gradient_curvature(y, z.astype(np.float64), curvature=curvature)
            gamma = np.max(loss.gamma)
            # exp(-gamma x) costs gamma |x| units; the curvature is compared with the largest of its
            # size, because the exact one crosses zero.
            units = np.finfo(np.float32).eps * (8 + 2 * (1 + gamma) * 42)
            assert_allclose(narrow[0], wide[0], rtol=units, atol=1e-30)
            assert_allclose(narrow[1], wide[1], rtol=units, atol=1e-5 * wide[1].max())

    def test_half_precision_margins_are_widened(self, loss):
        y, z = data_for(loss)
        z = np.round(np.clip(z, -8, 8), 1).astype(np.float16)
        assert loss.gradient_curvature(y, z)[0].dtype == np.float32

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_margins_that_are_not_finite(self, loss, bad):
        y, z = data_for(loss)
        z[17] = bad
        for call in (loss.loss, loss.gradient_hessian, loss.gradient_curvature):
            with pytest.raises(ValueError, match=r"margin must be finite, got .* at row 17"):
                call(y, z)
        with pytest.raises(ValueError, match="margin must be finite"):
            loss.posterior(z)

    @pytest.mark.parametrize("bad", [-1, 0.5, np.nan, np.inf, 99])
    def test_wrong_labels(self, loss, bad):
        y, z = data_for(loss)
        y = y.astype(float)
        y[17] = bad
        for call in (loss.loss, loss.gradient_hessian, loss.gradient_curvature):
            with pytest.raises(ValueError, match=f"labels must be .*, got {float(bad)} at row 17"):
                call(y, z)
        with pytest.raises(ValueError, match="labels must be"):
            loss.intercept(y)

    def test_string_labels(self, loss):
        y, z = data_for(loss)
        with pytest.raises(ValueError, match="encode string classes"):
            loss.loss(y.astype(str), z)

    @pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
    def test_wrong_weights(self, loss, bad):
        y, z = data_for(loss)
        w = np.ones(len(y))
        w[3] = bad
        for call in (loss.loss, loss.gradient_hessian, loss.gradient_curvature):
            with pytest.raises(ValueError, match=f"finite and >= 0, got {bad} at row 3"):
                call(y, z, w)
        with pytest.raises(ValueError, match="finite and >= 0"):
            loss.intercept(y, w)

    def test_weights_all_zero_or_of_wrong_length(self, loss):
        y, z = data_for(loss)
        with pytest.raises(ValueError, match="must not be all zero"):
            loss.loss(y, z, np.zeros(len(y)))
        with pytest.raises(ValueError, match=r"sample_weight must have shape \(60,\), got \(59,\)"):
            loss.loss(y, z, np.ones(59))
        with pytest.raises(ValueError, match="must not be all zero"):
            loss.intercept(y, np.zeros(len(y)))

    def test_wrong_shapes(self, loss):
        y, z = data_for(loss)
        with pytest.raises(ValueError, match="labels must have shape"):
            loss.loss(y[:-1], z)
        with pytest.raises(ValueError, match="must have shape"):
            loss.loss(y, z.ravel()[: len(y) - 1])
        with pytest.raises(ValueError, match="must have shape"):
            loss.loss(y[:, None], z)

    def test_unknown_curvature(self, loss):
        y, z = data_for(loss)
        with pytest.raises(ValueError, match="'guarded', 'exact', 'expected', got 'newton'"):
            loss.gradient_curvature(y, z, curvature="newton")


@pytest.mark.parametrize("loss", SOFTMAX, ids=repr)
def test_class_gradients_sum_to_zero(loss):
    y, z = data_for(loss)
    gradient, _ = loss.gradient_hessian(y, z)
    # The true class's entry is minus the sum of the others; K roundings of it may remain.
    assert np.all(np.abs(gradient.sum(axis=1)) <= 8 * EPS * np.abs(gradient).max(axis=1))


@pytest.mark.parametrize("loss", SOFTMAX, ids=repr)
def test_softmax_sees_differences_of_margins_only(loss):
    y, z = data_for(loss)
    z = np.round(np.clip(z, -30, 30))
    assert_allclose(loss.loss(y, z + 4.0), loss.loss(y, z), rtol=8 * EPS)


@given(z=margins, gamma=gammas, alpha=st.floats(0.01, 0.99))
def test_flipping_the_label_swaps_alpha_and_the_sign(z, gamma, alpha):
    one = BinaryFocalLoss(gamma=gamma, alpha=(1 - alpha, alpha))
    other = BinaryFocalLoss(gamma=gamma, alpha=(alpha, 1 - alpha))
    assert one.loss([1], [z]) == other.loss([0], [-z])
    for curvature in CURVATURES:
        g, h = one.gradient_curvature([1], [z], curvature=curvature)
        g_flipped, h_flipped = other.gradient_curvature([0], [-z], curvature=curvature)
        assert g == -g_flipped
        assert_allclose(h, h_flipped, rtol=1e-14)


@given(z=margins, y=st.integers(0, 1))
def test_gamma_zero_is_log_loss(z, y):
    loss = BinaryFocalLoss(gamma=0.0)
    s = z if y else -z
    assert_allclose(loss.loss([y], [z]), np.logaddexp(0, -s), rtol=4 * EPS)
    p = 1 / (1 + np.exp(-z))
    gradient, hessian = loss.gradient_hessian([y], [z])
    assert_allclose(gradient, p - y, atol=4 * EPS)
    assert_allclose(hessian, p * (1 - p), atol=4 * EPS)


@given(z=st.floats(-20, 20), y=st.integers(0, 1), gamma=st.floats(0.1, 12))
def test_gamma_above_zero_is_not_log_loss(z, y, gamma):
    focal, log = BinaryFocalLoss(gamma=gamma), BinaryFocalLoss(gamma=0.0)
    assert focal.loss([y], [z]) < log.loss([y], [z])


@given(z=margins, y=st.integers(0, 1), gamma=gammas, split=st.floats(-20, 20))
def test_two_classes_are_the_binary_loss(z, y, gamma, split):
    binary = BinaryFocalLoss(gamma=gamma, alpha=(0.3, 2.0))
    softmax = SoftmaxFocalLoss(2, gamma=gamma, alpha=(0.3, 2.0))
    pair = [[split, split + z]]
    z = pair[0][1] - pair[0][0]
    # The difference z loses |split| units of rounding; exp(-gamma z) multiplies them by gamma.
    tolerance = {"rtol": 1e-12 * (1 + gamma), "atol": 1e-300}
    assert_allclose(softmax.loss([y], pair), binary.loss([y], [z]), **tolerance)
    for curvature in CURVATURES:
        g2, h2 = softmax.gradient_curvature([y], pair, curvature=curvature)
        g1, h1 = binary.gradient_curvature([y], [z], curvature=curvature)
        assert_allclose(g2[0], [-g1[0], g1[0]], **tolerance)
        if curvature == "guarded":  # the chord divides rounding errors by |z| near 0
            tolerance = {"rtol": 1e-9 * (1 + gamma), "atol": 1e-300}
        if curvature == "exact":  # crosses zero
            tolerance = {"rtol": 1e-9, "atol": 1e-13}
        assert_allclose(h2[0], [h1[0], h1[0]], **tolerance)
    assert_allclose(
        softmax.posterior(pair)[0, 1], binary.posterior([z])[0], rtol=1e-12 * (1 + gamma)
    )


def test_several_targets_are_independent_columns():
    loss = BinaryFocalLoss(gamma=2.0, alpha=(1.0, 5.0))
    rng = np.random.default_rng(0)
    z, y, w = rng.normal(size=(20, 3)), rng.integers(0, 2, (20, 3)), rng.gamma(1.0, size=20)
    together = loss.gradient_curvature(y, z, w)
    for j in range(3):
        alone = loss.gradient_curvature(y[:, j], z[:, j], w)
        for a, b in zip(together, alone, strict=True):
            assert_array_equal(a[:, j], b)


def test_a_pair_equals_the_loss_of_each_class():
    z = MARGINS
    mixed = BinaryFocalLoss(gamma=(3.0, 0.5), alpha=(0.2, 4.0))
    for y, gamma, alpha in ((0, 3.0, 0.2), (1, 0.5, 4.0)):
        labels = np.full(z.shape, y)
        plain = BinaryFocalLoss(gamma=gamma)
        assert_allclose(mixed.loss(labels, z), alpha * plain.loss(labels, z), rtol=4 * EPS)
        for a, b in zip(
            mixed.gradient_hessian(labels, z), plain.gradient_hessian(labels, z), strict=True
        ):
            assert_allclose(a, alpha * b, rtol=4 * EPS)


def test_lin_et_al_alpha_weighs_positives_alpha_and_negatives_the_rest():
    lin = BinaryFocalLoss(gamma=2.0, alpha=0.25)
    plain = BinaryFocalLoss(gamma=2.0)
    assert_allclose(lin.loss([0, 1], [0.3, 0.3]) / plain.loss([0, 1], [0.3, 0.3]), [0.75, 0.25])


@pytest.mark.parametrize("gamma", [-0.1, np.nan, np.inf, (1.0, -1.0), (1.0, 2.0, 3.0)])
def test_wrong_gamma(gamma):
    with pytest.raises(ValueError, match="gamma must be a finite number >= 0 or a pair"):
        BinaryFocalLoss(gamma=gamma)


@pytest.mark.parametrize("gamma", ["2", None, True, {"a": 1}])
def test_gamma_that_is_no_number(gamma):
    with pytest.raises((TypeError, ValueError), match="gamma must be"):
        BinaryFocalLoss(gamma=gamma)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1, 2, np.nan, (0.0, 1.0), (1.0, np.inf), (1, 2, 3)])
def test_wrong_alpha(alpha):
    with pytest.raises(ValueError, match="alpha must be None, a number in"):
        BinaryFocalLoss(alpha=alpha)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_classes": 1}, "n_classes must be an integer >= 2"),
        ({"n_classes": 3.0}, "n_classes must be an integer >= 2"),
        ({"n_classes": True}, "n_classes must be an integer >= 2"),
        ({"n_classes": 3, "alpha": 0.25}, "alpha must be None or 3 positive class weights"),
        ({"n_classes": 3, "alpha": (1.0, 2.0)}, "alpha must be None or 3 positive class weights"),
        ({"n_classes": 3, "gamma": (1.0, 2.0)}, "or 3 of them"),
        ({"n_classes": 3, "gamma": -1.0}, "gamma must be"),
    ],
)
def test_wrong_softmax_parameters(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        SoftmaxFocalLoss(**arguments)


def test_missing_classes_are_named():
    with pytest.raises(TypeError, match="n_classes"):
        SoftmaxFocalLoss()


def test_sequences_become_tuples_and_stay_hashable():
    loss = SoftmaxFocalLoss(3, gamma=[1, 2, 3], alpha=np.array([1.0, 2.0, 3.0]))
    assert loss == SoftmaxFocalLoss(3, gamma=(1.0, 2.0, 3.0), alpha=(1.0, 2.0, 3.0))
    assert hash(loss)
    assert BinaryFocalLoss(gamma=np.float32(2), alpha=np.array([1, 2])).alpha == (1.0, 2.0)

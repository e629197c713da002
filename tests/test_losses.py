"""What must hold for every loss, whatever its parameters."""

import copy
import inspect
import pickle
import re
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss, _validation
from focalboost.losses import FocalLoss
from tests.oracles import (
    CANONICAL_BINARY,
    CANONICAL_SOFTMAX,
    CURVATURES,
    EPS,
    GAMMAS,
    LOSSES,
    MARGINS,
    SOFTMAX,
    labels_and_margins,
)

margins = st.floats(-60, 60)
gammas = st.one_of(st.sampled_from(GAMMAS), st.floats(0, 12))


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
        y, z = labels_and_margins(loss)
        assert np.all(loss.loss(y, z) >= 0)
        nearer = z.copy()
        if z.ndim == 2:
            nearer[np.arange(len(y)), y] += 0.5
        else:
            nearer += np.where(y == 1, 0.5, -0.5)
        assert np.all(loss.loss(y, nearer) <= loss.loss(y, z))

    def test_weights_multiply_loss_gradient_and_hessian_once(self, loss):
        y, z = labels_and_margins(loss)
        w = np.random.default_rng(1).gamma(1.0, size=len(y))
        assert_allclose(loss.loss(y, z, w), w * loss.loss(y, z), rtol=2 * EPS)
        plain, weighted = loss.gradient_hessian(y, z), loss.gradient_hessian(y, z, w)
        for a, b in zip(plain, weighted, strict=True):
            # alpha and w are multiplied first, so two roundings differ.
            assert_allclose(b, per_row(w, z) * a, rtol=4 * EPS)

    @pytest.mark.parametrize("curvature", CURVATURES)
    def test_weights_multiply_the_curvature_once(self, loss, curvature):
        y, z = labels_and_margins(loss)
        w = np.random.default_rng(1).gamma(1.0, size=len(y))
        plain, weighted = (loss.gradient_curvature(y, z, v, curvature) for v in (None, w))
        for a, b in zip(plain, weighted, strict=True):
            assert_allclose(b, per_row(w, z) * a, rtol=4 * EPS)

    def test_rows_of_weight_zero_give_zeros(self, loss):
        y, z = labels_and_margins(loss)
        w = (np.arange(len(y)) % 3 > 0).astype(float)
        for array in (loss.loss(y, z, w), *loss.gradient_curvature(y, z, w)):
            assert not array[w == 0].any()

    def test_input_is_not_written_to_and_may_have_gaps(self, loss):
        y, z = labels_and_margins(loss)
        expected = loss.gradient_curvature(y, z)
        for variant in (np.asfortranarray(z), np.repeat(z, 2, axis=0)[::2]):
            variant.setflags(write=False)
            for a, b in zip(expected, loss.gradient_curvature(y, variant), strict=True):
                assert_allclose(b, a, rtol=8 * EPS)  # sums over classes may run in another order

    @pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8, np.float32, ">f8"])
    def test_labels_of_any_real_dtype(self, loss, dtype):
        y, z = labels_and_margins(loss)
        assert_array_equal(loss.loss(y.astype(dtype), z), loss.loss(y, z))

    def test_labels_of_dtype_object(self, loss):
        y, z = labels_and_margins(loss)
        with pytest.raises(ValueError, match="real numbers, got dtype object"):
            loss.loss(y.astype(object), z)

    def test_lists_and_integer_margins(self, loss):
        y, z = labels_and_margins(loss)
        z = np.round(z)
        assert_array_equal(loss.loss(y.tolist(), z.tolist()), loss.loss(y, z))
        assert loss.loss(y, z.astype(int)).dtype == np.float64

    def test_no_rows(self, loss):
        y, z = labels_and_margins(loss)
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
        # alpha > 1 times the largest float32 would be infinite.
        moderate = np.abs(z).reshape(len(z), -1).max(axis=1) < 1e30
        assert np.isfinite(loss.loss(y[moderate], z[moderate])).all()

    @pytest.mark.parametrize("curvature", CURVATURES)
    def test_float32_agrees_with_float64(self, loss, curvature):
        y, z = labels_and_margins(loss)
        z = np.clip(z, -20, 20).astype(np.float32)
        single = loss.gradient_curvature(y, z, curvature=curvature)
        double = loss.gradient_curvature(y, z.astype(np.float64), curvature=curvature)
        # exp(-gamma x) costs gamma |x| units; the error of the curvature is compared with the largest
        # curvature, because the exact one crosses zero. The kernel's canonical one is made of second
        # derivatives of cubics, which have fewer digits.
        of_largest = 1e-4 if loss.link == "canonical" else 1e-5
        units = np.finfo(np.float32).eps * (8 + 2 * (1 + np.max(loss.gamma)) * 42)
        assert_allclose(single[0], double[0], rtol=units, atol=1e-30)
        assert_allclose(single[1], double[1], rtol=units, atol=of_largest * double[1].max())

    def test_half_precision_margins_are_widened(self, loss):
        y, z = labels_and_margins(loss)
        z = np.round(np.clip(z, -8, 8), 1).astype(np.float16)
        assert loss.gradient_curvature(y, z)[0].dtype == np.float32

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_margins_that_are_not_finite(self, loss, bad):
        y, z = labels_and_margins(loss)
        z[17] = bad
        for call in (loss.loss, loss.gradient_hessian, loss.gradient_curvature):
            with pytest.raises(ValueError, match=r"margin must be finite, got .* at row 17"):
                call(y, z)
        with pytest.raises(ValueError, match="margin must be finite"):
            loss.posterior(z)

    @pytest.mark.parametrize("bad", [-1, 0.5, np.nan, np.inf, 99])
    def test_wrong_labels(self, loss, bad):
        y, z = labels_and_margins(loss)
        y = y.astype(float)
        y[17] = bad
        for call in (loss.loss, loss.gradient_hessian, loss.gradient_curvature):
            with pytest.raises(ValueError, match=f"labels must be .*, got {float(bad)} at row 17"):
                call(y, z)
        with pytest.raises(ValueError, match="labels must be"):
            loss.intercept(y)

    def test_string_labels(self, loss):
        y, z = labels_and_margins(loss)
        with pytest.raises(ValueError, match="encode string classes"):
            loss.loss(y.astype(str), z)

    @pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
    def test_wrong_weights(self, loss, bad):
        y, z = labels_and_margins(loss)
        w = np.ones(len(y))
        w[3] = bad
        for call in (loss.loss, loss.gradient_hessian, loss.gradient_curvature):
            with pytest.raises(ValueError, match=f"finite and >= 0, got {bad} at row 3"):
                call(y, z, w)
        with pytest.raises(ValueError, match="finite and >= 0"):
            loss.intercept(y, w)

    def test_weights_all_zero_or_of_wrong_length(self, loss):
        y, z = labels_and_margins(loss)
        with pytest.raises(ValueError, match="must not be all zero"):
            loss.loss(y, z, np.zeros(len(y)))
        with pytest.raises(ValueError, match=r"sample_weight must have shape \(60,\), got \(59,\)"):
            loss.loss(y, z, np.ones(59))
        with pytest.raises(ValueError, match="must not be all zero"):
            loss.intercept(y, np.zeros(len(y)))

    def test_wrong_shapes(self, loss):
        y, z = labels_and_margins(loss)
        with pytest.raises(ValueError, match="labels must have shape"):
            loss.loss(y[:-1], z)
        with pytest.raises(ValueError, match="must have shape"):
            loss.loss(y, z.ravel()[: len(y) - 1])
        with pytest.raises(ValueError, match="must have shape"):
            loss.loss(y[:, None], z)

    def test_unknown_curvature(self, loss):
        y, z = labels_and_margins(loss)
        with pytest.raises(ValueError, match="one of 'guarded', 'exact', got 'newton'"):
            loss.gradient_curvature(y, z, curvature="newton")


def per_row(w, z):
    """Return weights of rows in a shape that broadcasts with the margins."""
    return w.reshape(-1, *(1,) * (z.ndim - 1))


@pytest.mark.parametrize("loss", SOFTMAX, ids=repr)
def test_class_gradients_sum_to_zero(loss):
    y, z = labels_and_margins(loss)
    gradient, _ = loss.gradient_hessian(y, z)
    # The true class's entry is minus the sum of the others; up to K rounding errors may remain.
    assert np.all(np.abs(gradient.sum(axis=1)) <= 8 * EPS * np.abs(gradient).max(axis=1))


@pytest.mark.parametrize("loss", SOFTMAX, ids=repr)
def test_a_constant_added_to_all_margins_of_a_row_changes_nothing(loss):
    y, z = labels_and_margins(loss)
    z = np.round(np.clip(z, -30, 30))
    # The score that belongs to a canonical margin is known to a unit of a logit of up to 30.
    units = 8 if loss.link == "focal" else 32
    assert_allclose(loss.loss(y, z + 4.0), loss.loss(y, z), rtol=units * EPS)


@pytest.mark.parametrize("curvature", CURVATURES)
@given(z=margins, gamma=gammas, alpha=st.floats(0.01, 0.99))
def test_flipping_the_label_swaps_alpha_and_the_sign(curvature, z, gamma, alpha):
    one = BinaryFocalLoss(gamma=gamma, alpha=(1 - alpha, alpha))
    other = BinaryFocalLoss(gamma=gamma, alpha=(alpha, 1 - alpha))
    assert one.loss([1], [z]) == other.loss([0], [-z])
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


@pytest.mark.parametrize("curvature", CURVATURES)
@given(z=margins, y=st.integers(0, 1), gamma=gammas, split=st.floats(-20, 20))
def test_two_classes_are_the_binary_loss(curvature, z, y, gamma, split):
    binary = BinaryFocalLoss(gamma=gamma, alpha=(0.3, 2.0))
    softmax = SoftmaxFocalLoss(2, gamma=gamma, alpha=(0.3, 2.0))
    pair = [[split, split + z]]
    z = pair[0][1] - pair[0][0]
    # The difference z loses |split| units of rounding; exp(-gamma z) multiplies them by gamma.
    tolerance = {"rtol": 1e-12 * (1 + gamma), "atol": 1e-300}
    assert_allclose(softmax.loss([y], pair), binary.loss([y], [z]), **tolerance)
    g2, h2 = softmax.gradient_curvature([y], pair, curvature=curvature)
    g1, h1 = binary.gradient_curvature([y], [z], curvature=curvature)
    assert_allclose(g2[0], [-g1[0], g1[0]], **tolerance)
    of_curvature = {"rtol": 1e-9, "atol": 1e-13}  # the exact curvature crosses zero
    assert_allclose(h2[0], [h1[0], h1[0]], **of_curvature)
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


@pytest.mark.parametrize(("y", "gamma", "alpha"), [(0, 3.0, 0.2), (1, 0.5, 4.0)])
def test_a_pair_equals_the_loss_of_each_class(y, gamma, alpha):
    mixed, plain = BinaryFocalLoss(gamma=(3.0, 0.5), alpha=(0.2, 4.0)), BinaryFocalLoss(gamma=gamma)
    labels = np.full(MARGINS.shape, y)
    assert_allclose(mixed.loss(labels, MARGINS), alpha * plain.loss(labels, MARGINS), rtol=4 * EPS)
    derivatives = (loss.gradient_hessian(labels, MARGINS) for loss in (mixed, plain))
    for a, b in zip(*derivatives, strict=True):
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
    with pytest.raises(TypeError, match="gamma must be a finite number >= 0 or a pair"):
        BinaryFocalLoss(gamma=gamma)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1, 2, np.nan, (0.0, 1.0), (1.0, np.inf), (1, 2, 3)])
def test_wrong_alpha(alpha):
    with pytest.raises(ValueError, match="alpha must be None, a number in"):
        BinaryFocalLoss(alpha=alpha)


SOFTMAX_ALPHA = "alpha must be None or 3 positive class weights"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_classes": 1}, ValueError, "n_classes must be an integer >= 2, got 1"),
        ({"n_classes": 3.0}, TypeError, r"n_classes must be an integer >= 2, got 3\.0"),
        ({"n_classes": True}, TypeError, "n_classes must be an integer >= 2, got True"),
        ({"n_classes": 3, "alpha": 0.25}, ValueError, SOFTMAX_ALPHA),
        ({"n_classes": 3, "alpha": (1.0, 2.0)}, ValueError, SOFTMAX_ALPHA),
        ({"n_classes": 3, "gamma": (1.0, 2.0)}, ValueError, "or 3 of them"),
        ({"n_classes": 3, "gamma": -1.0}, ValueError, "gamma must be a finite number >= 0"),
    ],
    ids=str,
)
def test_wrong_softmax_parameters(arguments, error, message):
    with pytest.raises(error, match=message):
        SoftmaxFocalLoss(**arguments)


@pytest.mark.parametrize("link", ["logit", "Canonical", "", None, 1])
@pytest.mark.parametrize("cls", [BinaryFocalLoss, partial(SoftmaxFocalLoss, 3)])
def test_unknown_link(cls, link):
    message = re.escape(f"link must be one of 'focal', 'canonical', got {link!r}")
    with pytest.raises(ValueError, match=message):
        cls(link=link)


@pytest.mark.parametrize("cls", [BinaryFocalLoss, partial(SoftmaxFocalLoss, 3)])
def test_the_link_is_part_of_the_value(cls):
    focal, canonical = cls(link="focal"), cls(link="canonical")
    assert cls() == focal != canonical
    assert len({focal, canonical, cls()}) == 2
    for again in (pickle.loads(pickle.dumps(canonical)), eval(repr(canonical))):
        assert again == canonical
        assert again.link == "canonical"


@pytest.mark.parametrize("gamma", [0.0, 2.0, 5.0, (3.0, 0.5)])
@pytest.mark.parametrize("alpha", [None, (0.1, 30.0)])
def test_label_weights_are_alpha_times_scale(gamma, alpha):
    focal = BinaryFocalLoss(gamma, alpha)
    assert focal.scale == 1
    assert focal.label_weights == focal.alphas
    canonical = BinaryFocalLoss(gamma, alpha, "canonical")
    assert canonical.scale == BinaryFocalLoss(gamma, link="canonical").scale  # alpha does not count
    assert_allclose(canonical.label_weights, np.multiply(canonical.alphas, canonical.scale))
    softmax = SoftmaxFocalLoss(2, gamma, alpha, "canonical")
    assert_allclose(softmax.label_weights, canonical.label_weights, rtol=1e-14)


@pytest.mark.parametrize("loss", CANONICAL_BINARY, ids=repr)
def test_the_canonical_gradient_is_a_positive_weight_times_the_error(loss):
    u = np.linspace(-30, 30, 241)
    g0, g1 = (loss.gradient_hessian(np.full(u.shape, y), u)[0] for y in (0, 1))
    v = g0 * (1 + np.exp(-u))
    assert np.all(v > 0)
    assert_allclose(-g1 * (1 + np.exp(u)), v, rtol=1e-12)  # the label does not count
    # v changes slowly: its logarithm by less than max(1, gamma) when u changes by 1.
    assert np.max(np.abs(np.diff(np.log(v)))) < 0.25 * max(1, np.max(loss.gamma))


@pytest.mark.parametrize(
    ("gamma", "values"),
    [(2.0, (0.223, 0.274, 0.401, 0.338)), (5.0, (0.025, 0.035, 0.103, 0.222))],
)
def test_weight_of_the_canonical_gradient(gamma, values):
    """Numbers without scale that an independent program computed from the definition."""
    loss = BinaryFocalLoss(gamma, link="canonical")
    for sign in (1, -1):
        u = sign * np.array([0.0, 2.0, 6.0, 20.0])
        v = -loss.gradient_hessian(np.ones(4), u)[0] * (1 + np.exp(u)) / loss.scale
        assert_allclose(v, values, atol=6e-4)
    far = loss.gradient_hessian([1, 0], [-600.0, 600.0])[0] / loss.scale
    assert_allclose(far, [-1 / (1 + gamma), 1 / (1 + gamma)], rtol=1e-4)
    at_zero = loss.gradient_hessian([0, 1], [0.0, 0.0])[0]
    assert_allclose(at_zero, [0.5, -0.5], rtol=1e-14)  # as those of log loss


@pytest.mark.parametrize("loss", [*CANONICAL_BINARY, *CANONICAL_SOFTMAX], ids=repr)
def test_the_expected_canonical_gradient_is_zero_at_the_posterior(loss):
    """Under the posterior that the margin stands for, whatever alpha is."""
    k = len(loss.gammas)
    u = np.random.default_rng(4).normal(scale=4, size=(200, k))
    u = u if loss.n_outputs > 1 else u[:, 0]
    eta = loss.posterior(u)
    eta = eta if u.ndim == 2 else np.stack([loss.posterior(-u), eta], axis=1)
    terms = [
        per_row(eta[:, t], u) * loss.gradient_hessian(np.full(len(u), t), u)[0] for t in range(k)
    ]
    assert np.all(np.abs(sum(terms)) <= 1e-12 * sum(map(np.abs, terms)))


@pytest.mark.parametrize("link", ["focal", "canonical"])
def test_many_classes(link):
    loss = SoftmaxFocalLoss(300, 2.0, link=link)
    margin = np.zeros((2, 300))
    assert_allclose(loss.posterior(margin), 1 / 300)
    for derivative in loss.gradient_curvature([0, 299], margin):
        assert derivative.shape == (2, 300)


def test_defaults_are_those_of_the_paper():
    """Lin et al. find gamma = 2 best, and write the loss without alpha first."""
    assert BinaryFocalLoss() == BinaryFocalLoss(2.0, None, "focal")
    assert SoftmaxFocalLoss(3) == SoftmaxFocalLoss(3, 2.0, None, "focal")


def test_missing_number_of_classes():
    with pytest.raises(TypeError, match="n_classes"):
        SoftmaxFocalLoss()


def test_sequences_become_tuples_and_stay_hashable():
    loss = SoftmaxFocalLoss(3, gamma=[1, 2, 3], alpha=np.array([1.0, 2.0, 3.0]))
    same = SoftmaxFocalLoss(3, gamma=(1.0, 2.0, 3.0), alpha=(1.0, 2.0, 3.0))
    assert loss == same
    assert hash(loss) == hash(same)
    assert BinaryFocalLoss(gamma=np.float32(2), alpha=np.array([1, 2])).alpha == (1.0, 2.0)


@pytest.mark.parametrize("value", [2, 7, np.int8(3), np.uint64(4)])
def test_integers_are_accepted(value):
    checked = _validation.integer("n", value, 2)
    assert checked == value
    assert type(checked) is int


@pytest.mark.parametrize("value", [True, np.True_, 3.0, np.float64(3), "3", None, [3]])
def test_what_is_no_integer(value):
    message = f"n must be an integer >= 2, got {re.escape(repr(value))}$"
    with pytest.raises(TypeError, match=message):
        _validation.integer("n", value, 2)


@pytest.mark.parametrize("value", [1, 0, -3, np.int64(1)])
def test_integers_that_are_too_small(value):
    message = f"n must be an integer >= 2, got {re.escape(repr(value))}$"
    with pytest.raises(ValueError, match=message):
        _validation.integer("n", value, 2)


QUESTIONS = {"loss", "gradient_hessian", "gradient_curvature", "posterior", "intercept"}


@pytest.mark.parametrize("cls", [BinaryFocalLoss, SoftmaxFocalLoss])
def test_every_public_method_has_a_docstring(cls):
    public = {
        name: member
        for name, member in inspect.getmembers_static(cls)
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    }
    assert set(public) > QUESTIONS
    # Not inspect.getdoc: for a method without a docstring it returns the one of the base class.
    assert [name for name, member in public.items() if not member.__doc__] == []


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_questions_are_documented_with_an_example(name):
    """The examples themselves run as doctests."""
    text = inspect.cleandoc(getattr(FocalLoss, name).__doc__)
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in text
    assert "\n>>> " in text

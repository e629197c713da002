"""The compiled kernel returns what the formulas return, for any layout, threads and instruction set."""

import itertools
import multiprocessing
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import focalboost
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss, _kernel, _tables
from focalboost._curvature import FLOOR
from focalboost._rounds import for_trees
from tests.oracles import (
    CANONICAL_BINARY,
    CANONICAL_SOFTMAX,
    CURVATURES,
    FOCAL_BINARY,
    FOCAL_SOFTMAX,
    LOSSES,
)
from tests.processes import run_python

pytestmark = pytest.mark.skipif(
    not _kernel.available(), reason="installed without a compiled kernel"
)

LABELS = ("f4", "f8", "i1", "u1", "i2", "i4", "i8", "?")
FOUR = [
    BinaryFocalLoss(2.0),
    SoftmaxFocalLoss(3, 2.0),
    BinaryFocalLoss(2.0, link="canonical"),
    SoftmaxFocalLoss(3, 2.0, link="canonical"),
]
FOCAL = [*FOCAL_BINARY, *FOCAL_SOFTMAX]
THREADED = [
    BinaryFocalLoss(2.0),
    SoftmaxFocalLoss(3, 1.7),
    BinaryFocalLoss(1.7, link="canonical"),
    SoftmaxFocalLoss(3, 1.7, link="canonical"),
]
CANONICAL = [*CANONICAL_BINARY, *CANONICAL_SOFTMAX]


@pytest.fixture(autouse=True)
def best_instruction_set(monkeypatch):
    """Use the best instruction set of the machine, whatever the variable says."""
    monkeypatch.delenv(_kernel.VARIABLE, raising=False)


@pytest.fixture(params=_kernel.available() or ["none"])
def instruction_set(request, monkeypatch):
    """Each instruction set of this machine in turn."""
    monkeypatch.setenv(_kernel.VARIABLE, request.param)


on_each_instruction_set = pytest.mark.usefixtures("instruction_set")


@pytest.fixture
def small_parts(monkeypatch):
    """Give a part of a thousand values to a thread; by default a part is much larger."""
    monkeypatch.setattr(_kernel, "_PER_THREAD", 1_000)


def table(loss, n=4_001, spread=6.0, seed=0):
    """Return labels, margins and weights: random ones, and a grid far into both tails."""
    rng = np.random.default_rng(seed)
    if isinstance(loss, BinaryFocalLoss):
        z = np.concatenate([rng.normal(0, spread, n), np.linspace(-80, 80, 1_001)])
        y = rng.integers(0, 2, len(z))
    else:
        z = rng.normal(0, spread, (n, loss.n_classes))
        z[: n // 4] *= 10
        z[n // 4 : n // 3] = np.round(z[n // 4 : n // 3])  # ties
        y = rng.integers(0, loss.n_classes, n)
    return y, z, rng.random(len(y)) * 3


def ask(loss, y, z, w=None, curvature="guarded", **host):
    """Return gradient and curvature of the kernel, or None if it declines.

    With the canonical link the results are float32 unless the caller asks for more.
    """
    common = {"binary": loss.n_outputs == 1, "curvature": curvature, "floor": FLOOR}
    if loss.link == "canonical":
        table = _tables.table(loss.gammas, loss.label_weights, loss.n_outputs)
        common |= {"dtype": np.float32, "table": table}
    return _kernel.derivatives(y, z, w, loss.gammas, loss.label_weights, **common | host)


def call(*arguments, **host):
    """Return gradient and curvature of the kernel, which must not decline."""
    pair = ask(*arguments, **host)
    assert pair is not None
    return pair


def assert_same(pair, expected):
    for a, b in zip(pair, expected, strict=True):
        assert_array_equal(a, b)


def formulas(loss, y, z, w, curvature):
    return loss.formulas(y, z, w, curvature, FLOOR)


def units(loss, y, z):
    """Return how much rounding is amplified: (1 + gamma)(1 + |log q|) + |log p| of the true class."""
    with np.errstate(over="ignore"):
        if z.ndim == 1:
            s = np.where(y == 1, z, -z)
        else:
            rows = np.arange(len(y))
            rest = z.copy()
            rest[rows, y] = -np.inf
            largest = rest.max(axis=1)
            s = z[rows, y] - largest - np.log(np.exp(rest - largest[:, None]).sum(axis=1))
    gamma = np.asarray(loss.gammas)[y]
    out = (1 + gamma) * (1 + np.logaddexp(0, s)) + np.logaddexp(0, -s)
    return out if z.ndim == 1 else out[:, None]


def assert_near_formulas(pair, loss, y, z, w, curvature, relative, *, tiny, of_second=None):
    """Compare with the formulas in double precision, ``y`` as whole numbers.

    The exact curvature is a difference of terms as large as the gradient.
    """
    true_gradient, true_second = formulas(loss, y, z.astype(float), w, curvature)
    gradient, second = pair
    assert (np.abs(gradient - true_gradient) <= relative * np.abs(true_gradient) + tiny).all()
    lost = 1 if loss.link == "canonical" else 4 * (1 + np.max(loss.gammas))
    size = np.abs(true_second) + lost * np.abs(true_gradient)
    allowed = relative if of_second is None else of_second
    assert (np.abs(second - true_second) <= allowed * size + tiny).all()


def assert_double_agrees(pair, loss, y, z, w, curvature):
    spread = 0 if z.ndim == 1 else np.ptp(z, axis=-1, keepdims=True)
    budget = 4 * np.finfo(float).eps * (4 + units(loss, y, z) + spread)
    assert_near_formulas(pair, loss, y, z, w, curvature, budget, tiny=1e-300)


def assert_single_agrees(pair, loss, y, z, w, curvature):
    assert pair[0].dtype == pair[1].dtype == np.float32
    # gamma multiplies every rounding of log q; in softmax q is a sum of float32 exponentials of
    # differences of margins, which are rounded too.
    of_gamma = 2e-7 * (2 + np.max(loss.gammas))
    spread = 0 if z.ndim == 1 else np.ptp(z, axis=-1, keepdims=True)
    relative = max(1e-6, of_gamma) if z.ndim == 1 else of_gamma + 6e-8 * spread
    tiny = 1e-36  # below, q^gamma is flushed to 0
    assert_near_formulas(
        pair, loss, y, z, w, curvature, relative, tiny=tiny, of_second=2 * relative
    )


def assert_canonical_agrees(pair, loss, y, z, w, curvature):
    assert pair[0].dtype == pair[1].dtype == np.float32
    # Binary: the table, and a few operations in float32; 3e-7 was measured. Softmax: the logit of the
    # largest score ends within rounding of margins of up to 100, half a unit of which is 4e-6, and a
    # large gamma multiplies that; so does a class's distance from where the table was read: 3.2e-5 and,
    # at gamma 10, 8.2e-5 were measured.
    of_softmax = 5e-5 if np.max(loss.gammas) <= 5 else 1.5e-4
    one_large = (
        z.ndim == 1 and np.ptp(loss.gammas) > 5
    )  # v changes quickly: 1.3e-6, its slope 2.7e-5
    relative = (2e-6 if one_large else 1e-6) if z.ndim == 1 else of_softmax
    # The exact curvature has the slopes of the cubics, with fewer digits than their values (1.4e-6).
    of_slopes = (20 if one_large else 4) * relative
    second = relative if z.ndim == 2 or curvature == "guarded" else of_slopes
    tiny = 1e-33  # below, exponentials of less than -80 count as that
    assert_near_formulas(pair, loss, y, z, w, curvature, relative, tiny=tiny, of_second=second)


@on_each_instruction_set
@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("loss", FOCAL, ids=repr)
def test_double_agrees_with_the_formulas(loss, curvature):
    y, z, w = table(loss)
    assert_double_agrees(call(loss, y, z, w, curvature), loss, y, z, w, curvature)


@on_each_instruction_set
@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("loss", FOCAL, ids=repr)
def test_single_agrees_with_the_formulas(loss, curvature):
    y, z, w = table(loss)
    z, w = z.astype(np.float32), w.astype(np.float32)
    assert_single_agrees(call(loss, y, z, w, curvature), loss, y, z, w, curvature)


@on_each_instruction_set
@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", CANONICAL, ids=repr)
def test_canonical_agrees_with_the_formulas(loss, dtype, curvature):
    y, z, w = table(loss)
    z, w = z.astype(dtype), w.astype(dtype)
    assert_canonical_agrees(call(loss, y, z, w, curvature), loss, y, z, w, curvature)


def test_canonical_tables_are_for_single_results_only():
    for loss in (CANONICAL_BINARY[2], CANONICAL_SOFTMAX[2]):
        y, z, w = table(loss, n=100)
        assert ask(loss, y, z, w) is not None
        assert ask(loss, y, z, w, dtype=np.float64) is None
        gradient, second = loss.gradient_curvature(y, z, w)
        assert gradient.dtype == second.dtype == np.float64
        assert_same((gradient, second), formulas(loss, y, z, w, "guarded"))


@pytest.mark.parametrize("gamma", [10.5, (2.0, 40.0)])
@pytest.mark.parametrize("link", ["focal", "canonical"])
def test_a_large_gamma_is_left_to_the_formulas(gamma, link, passes):
    """With the canonical link; the formulas then give float32 results too."""
    for loss in (BinaryFocalLoss(gamma, link=link), SoftmaxFocalLoss(2, gamma, link=link)):
        y, z, w = table(loss, n=100)
        got = for_trees(loss, y, z.astype(np.float32), w, "guarded")
        assert got[0].dtype == np.float32
        assert len(passes) == (0 if link == "canonical" else 1)
        passes.clear()
        expected = loss.formulas(y, z.astype(np.float32).astype(float), w, "guarded", FLOOR)
        for a, b in zip(got, expected, strict=True):
            assert_allclose(a, b, rtol=1e-4, atol=1e-30)


@on_each_instruction_set
@pytest.mark.parametrize(
    "loss", [FOCAL_BINARY[5], FOCAL_BINARY[-1], *FOCAL_SOFTMAX[-4:], *CANONICAL], ids=repr
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("curvature", CURVATURES)
def test_every_finite_margin_gives_finite_numbers(loss, dtype, curvature):
    most = np.finfo(dtype).max
    edge = np.array([0.0, 1e-30, 1e-7, 1e-3, 1.0, 87.0, 89.0, 700.0, 720.0, 1e5, 1e20, most], dtype)
    edge = np.concatenate([edge, -edge])
    if isinstance(loss, BinaryFocalLoss):
        z = np.tile(edge, 2)
        y = np.repeat([0, 1], len(edge))
    else:
        z = np.array(list(itertools.product(edge[::2], repeat=2)), dtype)
        z = np.concatenate([z, np.zeros((len(z), loss.n_classes - 2), dtype)], axis=1)
        z = np.repeat(z, loss.n_classes, axis=0)
        y = np.tile(np.arange(loss.n_classes), len(z) // loss.n_classes)
    gradient, second = call(loss, y, z, None, curvature)
    assert np.isfinite(gradient).all()
    assert np.isfinite(second).all()
    assert (second >= 0).all()
    own = y == 1 if z.ndim == 1 else np.arange(loss.n_classes)[None, :] == y[:, None]
    assert (np.where(own, gradient <= 0, gradient >= 0)).all()
    if loss.link == "canonical":
        # The formulas at margins in the same order, so far apart that the results are the limits.
        size = np.abs(z)
        near = np.minimum(size, 2e3 * (1.0 + (size > 1e10) + (size > 1e30)))
        expected = formulas(loss, y, np.sign(z) * near, None, curvature)
        # What gamma and alpha add to the margins is lost beside 1e20: equal ones stay equal.
        tied = False if z.ndim == 1 else (z[:, 0] == z[:, 1]) & (z[:, 0] > 1e10)
        for a, b in zip((gradient, second), expected, strict=True):
            a, b = (np.where(np.reshape(tied, (-1,) + (1,) * (z.ndim - 1)), 0, c) for c in (a, b))
            assert_allclose(a, b, rtol=1e-3, atol=1e-4 * max(loss.label_weights))


@pytest.mark.parametrize(
    "loss",
    [
        *(FOCAL_BINARY[6], FOCAL_BINARY[-1], FOCAL_SOFTMAX[-1]),
        *(CANONICAL_BINARY[-1], CANONICAL_SOFTMAX[-1]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("curvature", CURVATURES)
class TestBitsDependOnTheRowOnly:
    def rows(self, loss, dtype):
        y, z, w = table(loss, n=3_000)
        z = np.concatenate([z, z])[: 7 * len(z) // 5].astype(dtype)
        return np.resize(y, len(z)), z, np.resize(w, len(z))

    @pytest.mark.parametrize("length", [1, 7, 513, 1_000])
    def test_pieces(self, loss, dtype, curvature, length):
        y, z, w = self.rows(loss, dtype)
        starts = range(0, len(z), length)
        pieces = [
            call(loss, *(a[i : i + length] for a in (y, z, w)), curvature=curvature) for i in starts
        ]
        together = [np.concatenate(column) for column in zip(*pieces, strict=True)]
        assert_same(together, call(loss, y, z, w, curvature))

    def test_order_of_the_margins(self, loss, dtype, curvature):
        y, z, w = self.rows(loss, dtype)
        by_class = np.asfortranarray(z)
        assert_same(call(loss, y, by_class, w, curvature), call(loss, y, z, w, curvature))

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_order_of_the_result(self, loss, dtype, curvature, order):
        y, z, w = self.rows(loss, dtype)
        pair = call(loss, y, np.array(z, order=order), w, curvature, order="F")
        assert all(a.flags.f_contiguous for a in pair)
        assert_same(pair, call(loss, y, z, w, curvature))


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("n_threads", [2, 3, 7])
@pytest.mark.parametrize("loss", THREADED, ids=repr)
def test_threads_change_nothing(loss, n_threads):
    y, z, w = table(loss, n=20_000)
    assert_same(call(loss, y, z, w, n_threads=n_threads), call(loss, y, z, w, n_threads=1))


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("row", [0, 10_000, -1])
@pytest.mark.parametrize("loss", THREADED, ids=repr)
def test_every_thread_reports_bad_rows(loss, row):
    y, z, w = table(loss, n=20_000)
    z[row] = np.nan
    assert ask(loss, y, z, w, n_threads=3) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_instruction_sets_with_fma_agree_to_the_bit(loss, dtype, monkeypatch):
    with_fma = [name for name in _kernel.available() if name != "baseline"]
    if len(with_fma) < 2:
        pytest.skip(f"this machine has only {', '.join(_kernel.available())}")
    y, z, w = table(loss, n=1_001)
    results = []
    for name in with_fma:
        monkeypatch.setenv(_kernel.VARIABLE, name)
        results.append(call(loss, y, z.astype(dtype), w))
    assert_same(*results)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("loss", [BinaryFocalLoss(2.0), SoftmaxFocalLoss(2, 2.0)], ids=repr)
def test_types_of_labels(loss, label):
    y, z, _ = table(loss, n=1_001)
    assert_same(call(loss, y.astype(label), z), call(loss, y, z))


def strided(a):
    return np.repeat(a, 2, axis=0)[::2]


def backwards(a):
    return a[::-1].copy()[::-1]


def misaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    assert a.itemsize == 1 or not view.flags.aligned
    return view


def read_only(a):
    copy = a.copy()
    copy.setflags(write=False)
    return copy


def random_loss(rng):
    """Return a loss whose tables and gammas are those that the kernel takes."""
    k = int(rng.choice([1, 2, 3, 5, 9]))

    def number(low, high, special):
        return float(rng.choice(special)) if rng.random() < 0.5 else float(rng.uniform(low, high))

    labels = max(k, 2)
    gamma = [number(0, 9, (0, 0.5, 1, 2, 5)) for _ in range(labels)]
    alpha = tuple(number(0.01, 30, (1, 0.25)) for _ in range(labels))
    options = {
        "gamma": gamma[0] if rng.random() < 0.5 else tuple(gamma),
        "alpha": None if rng.random() < 0.5 else alpha,
        "link": str(rng.choice(["focal", "canonical"])),
    }
    return BinaryFocalLoss(**options) if k == 1 else SoftmaxFocalLoss(k, **options)


def random_weights(rng, n):
    kind = rng.integers(5)
    if kind == 0:
        return None
    if kind == 1:
        return rng.integers(0, 4, n) + (np.arange(n) == 0)
    w = rng.random(n) * 10.0 ** rng.integers(-6, 7)
    w[rng.random(n) < 0.2] = 0
    w[0] = 1
    return w.astype(np.float32 if kind == 2 else np.float64)


@on_each_instruction_set
@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("seed", "wanted"),
    [(0, 100_000), *(pytest.param(i, 1_250_000, marks=pytest.mark.slow) for i in range(1, 9))],
)
def test_anything(seed, wanted):
    """Any loss, types, layout, weights and threads; ten million rows in make test-all."""
    rng = np.random.default_rng(seed)
    rows = 0
    while rows < wanted:
        loss = random_loss(rng)
        n = int(10 ** rng.uniform(0, 4.5))
        rows += n
        shape = (n,) if loss.n_outputs == 1 else (n, loss.n_outputs)
        dtype = rng.choice([np.float32, np.float64])
        z = (rng.normal(size=shape) * rng.choice([0.1, 3, 12])).astype(dtype)
        y = rng.integers(0, len(loss.gammas), n)
        w = random_weights(rng, n)
        curvature = str(rng.choice(CURVATURES))
        label = str(rng.choice(LABELS if len(loss.gammas) == 2 else LABELS[:-1]))
        layout = [np.copy, np.asfortranarray, strided, backwards, misaligned, read_only]
        given = [
            None if a is None else layout[rng.integers(len(layout))](a)
            for a in (y.astype(label), z, w)
        ]
        pair = call(loss, *given, curvature, n_threads=int(rng.integers(1, 5)))
        if loss.link == "canonical":
            assert_canonical_agrees(pair, loss, y, z, w, curvature)
        elif dtype == np.float32:
            assert_single_agrees(pair, loss, y, z, w, curvature)
        else:
            assert_double_agrees(pair, loss, y, z, w, curvature)


@pytest.mark.parametrize("layout", [strided, backwards, misaligned, read_only])
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 511, 512, 513])
@pytest.mark.parametrize("loss", FOUR, ids=repr)
def test_any_length_any_layout(loss, n, layout):
    rows = [a[:n] for a in table(loss, n=600)]
    expected = call(loss, *rows)
    given = [layout(a) for a in rows]
    assert_same(call(loss, *given), expected)
    assert_same(given, rows)  # the input is not written to


@pytest.mark.parametrize("loss", FOUR, ids=repr)
@pytest.mark.parametrize(
    "change",
    [
        lambda y, z, w: (y, z.tolist(), w),
        lambda y, z, w: (y, z.astype(np.float16), w),
        lambda y, z, w: (y, z.astype(">f8"), w),
        lambda y, z, w: (y[:-1], z, w),
        lambda y, z, w: (y, z, w[:-1]),
        lambda y, z, w: (y.astype(str), z, w),
        lambda y, z, w: (y[:0], z[:0], w[:0]),
        lambda y, z, w: (y, z, np.zeros_like(w)),
        lambda y, z, w: (y, z, w.astype(str)),
    ],
    ids=[
        *("margins in a list", "half precision", "other byte order", "too few labels"),
        *("too few weights", "labels as text", "no rows", "weights all zero", "weights as text"),
    ],
)
def test_declines(loss, change):
    rows = table(loss, n=1_001)
    assert ask(loss, *rows) is not None
    assert ask(loss, *change(*rows)) is None


@pytest.mark.parametrize("columns", [slice(2), 0])
def test_declines_another_number_of_columns(columns):
    loss = SoftmaxFocalLoss(3, 2.0)
    y, z, w = table(loss, n=100)
    assert ask(loss, y, z[:, columns], w) is None


@on_each_instruction_set
@pytest.mark.parametrize("loss", FOUR, ids=repr)
@pytest.mark.parametrize("row", [0, 777, 1_999])
class TestBadRows:
    """The kernel reports that a row is bad; the formulas find out which one, and raise the error."""

    def rows(self, loss, row, **bad):
        """Return 2000 rows, one of them with a bad label, margin or weight."""
        y, z, w = (a[:2_000].astype(float) for a in table(loss, n=2_000))
        arrays = {"y": y, "z": z, "w": w}
        for name, value in bad.items():
            arrays[name][row] = value
        return arrays.values()

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_margins(self, loss, row, value):
        y, z, w = self.rows(loss, row, z=value)
        with pytest.raises(ValueError, match=rf"margin must be finite, got .* at row {row}"):
            loss.gradient_curvature(y, z, w)

    @pytest.mark.parametrize("value", [-1, 0.5, np.nan, np.inf, 1 + 1e-12, 3, 2.0**40])
    def test_labels(self, loss, row, value):
        y, z, w = self.rows(loss, row, y=value)
        with pytest.raises(ValueError, match=rf"labels must .*row {row}"):
            loss.gradient_curvature(y, z.astype(np.float32), w)

    def test_labels_beyond_32_bits(self, loss, row):
        _, z, w = self.rows(loss, row)
        y = np.where(np.arange(2_000) == row, 2**40, 0)
        with pytest.raises(ValueError, match="labels must"):
            loss.gradient_curvature(y, z, w)

    @pytest.mark.parametrize("value", [-1e-300, np.nan, np.inf])
    def test_weights(self, loss, row, value):
        y, z, w = self.rows(loss, row, w=value)
        with pytest.raises(ValueError, match=rf"sample_weight must .*row {row}"):
            loss.gradient_curvature(y, z, w)


@pytest.fixture
def passes(monkeypatch):
    """The list of passes that the kernel makes over the rows; one entry for each."""
    made = []
    run = _kernel._run

    def recorded(job, *rest):
        made.append(job.rows)
        return run(job, *rest)

    monkeypatch.setattr(_kernel, "_run", recorded)
    return made


def gradient_curvature(loss):
    return loss.gradient_curvature


def trees(loss):
    return partial(for_trees, loss, curvature="guarded")


def xgboost_objective(loss):
    return pytest.importorskip("focalboost.xgboost").Objective(loss)


def lightgbm_objective(loss):
    return pytest.importorskip("focalboost.lightgbm").Objective(loss)


@pytest.mark.parametrize(
    "caller", [gradient_curvature, trees, xgboost_objective, lightgbm_objective]
)
@pytest.mark.parametrize("loss", FOUR, ids=repr)
class TestNumberOfPasses:
    def test_good_rows(self, loss, caller, passes):
        y, z, w = table(loss, n=500)
        caller(loss)(y, z.astype(np.float32), sample_weight=w)
        assert passes == [len(z)]

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            (0, r"labels must be .*, got 0\.5 at row 7"),
            (1, "margin must be finite, got NaN or infinity at row 7"),
            (2, "sample_weight must be finite and >= 0, got -1.0 at row 7"),
        ],
        ids=["label", "margin", "weight"],
    )
    def test_bad_rows(self, loss, caller, bad, message, passes):
        """The kernel is asked once: its answer alone decides that the formulas must find the row."""
        arrays = [a.astype(float) for a in table(loss, n=500)]
        arrays[bad][7] = (0.5, np.nan, -1.0)[bad]
        y, z, w = arrays
        with pytest.raises(ValueError, match=message):
            caller(loss)(y, z.astype(np.float32), sample_weight=w)
        assert passes == [len(z)]


@pytest.mark.parametrize("link", ["focal", "canonical"])
def test_weights_of_several_targets(link):
    loss = BinaryFocalLoss(2.0, link=link)
    z = np.random.default_rng(0).normal(size=(50, 3))
    y, w = (z > 0).astype(int), np.arange(50.0)
    together = call(loss, y, z, w)
    for j in range(3):
        assert_same([a[:, j] for a in together], call(loss, y[:, j], z[:, j], w))


@pytest.mark.parametrize("margin_order", ["C", "F"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kernel", ["auto", "numpy"])
@pytest.mark.parametrize(("link", "relative"), [("focal", 1e-7), ("canonical", 2e-5)])
def test_for_trees(order, margin_order, kernel, link, relative, monkeypatch):
    monkeypatch.setenv(_kernel.VARIABLE, kernel)
    loss = SoftmaxFocalLoss(3, 1.7, alpha=(1.0, 2.0, 0.5), link=link)
    y, z, w = table(loss, n=1_000)
    margin = np.array(z, order=margin_order)
    gradient, second = for_trees(loss, y, margin, w, "guarded", factor=1.5, order=order)
    true_gradient, true_second = loss.gradient_curvature(y, z, w)
    for got, true in ((gradient, true_gradient), (second, 1.5 * true_second)):
        assert got.dtype == np.float32
        assert got.flags[f"{order}_CONTIGUOUS"]
        assert_allclose(got, true, rtol=relative, atol=1e-36)  # as above


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("link", ["focal", "canonical"])
def test_arrays_of_the_caller_are_written_to(order, dtype, link):
    if link == "canonical" and dtype == np.float64:
        pytest.skip("the tables are for float32 results")
    loss = SoftmaxFocalLoss(3, 1.7, link=link)
    y, z, w = table(loss, n=500)
    host = {"factor": 2.0, "order": order, "dtype": dtype}
    given = tuple(np.full(z.shape, 7, dtype, order=order) for _ in range(2))
    returned = call(loss, y, z, w, **host, out=given)
    assert all(a is b for a, b in zip(given, returned, strict=True))
    assert_same(given, call(loss, y, z, w, **host))


@pytest.mark.usefixtures("small_parts")
def test_many_callers_at_once():
    loss = BinaryFocalLoss(1.7)
    tables = [table(loss, n=5_000, seed=i) for i in range(8)]
    alone = [call(loss, *rows) for rows in tables]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda rows: call(loss, *rows, n_threads=4), tables))
    for pair, expected in zip(together, alone, strict=True):
        assert_same(pair, expected)


def in_child(loss):
    y, z, _ = table(loss, n=5_000)
    return call(loss, y, z, n_threads=2)[0].sum()


@pytest.mark.usefixtures("small_parts")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_child_processes(method):
    """A forked child inherits the pool without its threads: it must not wait for them."""
    loss = BinaryFocalLoss(2.0)
    expected = in_child(loss)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply_async(in_child, (pickle.loads(pickle.dumps(loss)),)).get(60) == expected


@pytest.mark.parametrize("name", ["numpy", *_kernel.available()])
def test_the_variable_names_the_instruction_set(name, monkeypatch):
    monkeypatch.setenv(_kernel.VARIABLE, name)
    assert _kernel.chosen() == name


def test_auto_is_the_best_instruction_set(monkeypatch):
    monkeypatch.setenv(_kernel.VARIABLE, "auto")
    assert _kernel.chosen() == _kernel.available()[-1]


def test_an_unknown_instruction_set(monkeypatch):
    monkeypatch.setenv(_kernel.VARIABLE, "sse9")
    message = r"FOCALBOOST_KERNEL must be one of auto, numpy, .*got 'sse9'"
    with pytest.raises(ValueError, match=message):
        BinaryFocalLoss().gradient_curvature([1], [0.0])


def test_show_versions(capsys, monkeypatch):
    focalboost.show_versions()
    text = capsys.readouterr().out
    assert text.startswith(f"focalboost    {focalboost.__version__}\n")
    assert re.search(rf"^kernel +{_kernel.available()[-1]} ", text, re.MULTILINE)
    monkeypatch.setenv(_kernel.VARIABLE, "numpy")
    focalboost.show_versions()
    assert re.search(r"^kernel +numpy ", capsys.readouterr().out, re.MULTILINE)


def test_without_a_library_the_formulas_compute():
    code = (
        "from focalboost import BinaryFocalLoss, _kernel, show_versions\n"
        "_kernel._library = lambda: None\n"
        "print(BinaryFocalLoss(2.0).gradient_curvature([1], [-5.0])[1].round(6))\n"
        "show_versions()"
    )
    printed = run_python("-c", code)
    assert printed.startswith("[0.065386]")
    assert "kernel        numpy (available: not installed: formulas in NumPy)" in printed

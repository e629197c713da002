"""The compiled kernel says what the formulas say, whatever the layout, threads and instruction set."""

import itertools
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import focalboost
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss, _kernel
from focalboost.losses import for_trees
from tests.oracles import BINARY, LOSSES
from tests.test_losses import CURVATURES

pytestmark = pytest.mark.skipif(
    not _kernel.available(), reason="installed without a compiled kernel"
)

KERNEL = pytest.fixture(params=_kernel.available() or ["none"])(
    lambda request, monkeypatch: monkeypatch.setenv(_kernel.VARIABLE, request.param)
)
LABELS = ("f4", "f8", "i1", "u1", "i2", "i4", "i8", "?")


@pytest.fixture(autouse=True)
def best_path(monkeypatch):
    monkeypatch.delenv(_kernel.VARIABLE, raising=False)


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


def call(loss, y, z, w=None, curvature="guarded", floor=1e-16, **host):
    """Return what the kernel says; it must not decline."""
    out = _kernel.derivatives(
        y,
        z,
        w,
        loss._gammas,
        loss._alphas,
        binary=isinstance(loss, BinaryFocalLoss),
        curvature=curvature,
        floor=floor,
        **host,
    )
    assert out is not None
    return out


def declined(loss, y, z, w=None):
    return (
        _kernel.derivatives(
            y,
            z,
            w,
            loss._gammas,
            loss._alphas,
            binary=isinstance(loss, BinaryFocalLoss),
            curvature="guarded",
            floor=1e-16,
        )
        is None
    )


def formulas(loss, y, z, w, curvature, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv(_kernel.VARIABLE, "numpy")
        return loss.gradient_curvature(y, z, w, curvature)


def units(loss, y, z):
    """Return (1 + gamma)(1 + |log q|) + |log p| of the true class: how far rounding may be amplified."""
    with np.errstate(over="ignore"):
        if z.ndim == 1:
            s = np.where(y == 1, z, -z)
        else:
            rows = np.arange(len(y))
            rest = z.copy()
            rest[rows, y] = -np.inf
            largest = rest.max(axis=1)
            s = z[rows, y] - largest - np.log(np.exp(rest - largest[:, None]).sum(axis=1))
    gamma = np.asarray(loss._gammas)[y]
    out = (1 + gamma) * (1 + np.logaddexp(0, s)) + np.logaddexp(0, -s)
    return out if z.ndim == 1 else out[:, None]


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_double_agrees_with_the_formulas(loss, curvature, monkeypatch, KERNEL):
    y, z, w = table(loss)
    gradient, bent = call(loss, y, z, w, curvature)
    true_gradient, true_bent = formulas(loss, y, z, w, curvature, monkeypatch)
    budget = 4 * np.finfo(float).eps * (4 + units(loss, y, z) + np.ptp(z, axis=-1, keepdims=True))
    if z.ndim == 1:
        budget = 4 * np.finfo(float).eps * (4 + units(loss, y, z))
    assert (np.abs(gradient - true_gradient) <= budget * np.abs(true_gradient) + 1e-300).all()
    # The curvature is a difference of terms as large as the gradient (exact), or is divided by |s|
    # (chord, from |s| = 1e-6 on).
    size = np.abs(true_bent) + 4 * (1 + np.max(loss._gammas)) * np.abs(true_gradient)
    size = size + (1e6 * (np.abs(z) < 1e-3) if z.ndim == 1 else 1e3)
    assert (np.abs(bent - true_bent) <= budget * size + 1e-300).all()


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_single_agrees_with_the_formulas(loss, curvature, monkeypatch, KERNEL):
    y, z, w = table(loss)
    z, w = z.astype(np.float32), w.astype(np.float32)
    gradient, bent = call(loss, y, z, w, curvature)
    assert gradient.dtype == bent.dtype == np.float32
    true_gradient, true_bent = formulas(loss, y, z.astype(float), w, curvature, monkeypatch)
    # gamma multiplies every rounding of log q in softmax, whose q is a sum of float32 exponentials.
    relative = 1e-6 if z.ndim == 1 else 2e-7 * (2 + np.max(loss._gammas))
    tiny = 1e-36  # below, q^gamma is flushed to 0
    assert (np.abs(gradient - true_gradient) <= relative * np.abs(true_gradient) + tiny).all()
    size = np.abs(true_bent) + 4 * (1 + np.max(loss._gammas)) * np.abs(true_gradient)
    # Near 0 the chord is a difference of slopes over 2 |s|, from |s| = 3e-4 on.
    size = size + (1e3 * (np.abs(z) < 0.1) if z.ndim == 1 else 1.0)
    assert (np.abs(bent - true_bent) <= 2 * relative * size + tiny).all()


@pytest.mark.parametrize("loss", [BINARY[5], BINARY[-1], *LOSSES[-4:]], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_finite_margin_gives_finite_numbers(loss, dtype, KERNEL):
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
    for curvature in CURVATURES:
        gradient, bent = call(loss, y, z, None, curvature)
        assert np.isfinite(gradient).all()
        assert np.isfinite(bent).all()
        assert (bent >= 0).all()


@pytest.mark.parametrize("loss", [BINARY[6], BINARY[-1], LOSSES[-1]], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("curvature", CURVATURES)
def test_the_bits_depend_on_nothing_but_the_row(loss, dtype, curvature):
    y, z, w = table(loss, n=3_000)
    z = np.concatenate([z, z])[: 7 * len(z) // 5].astype(dtype)
    y, w = np.resize(y, len(z)), np.resize(w, len(z))
    whole = call(loss, y, z, w, curvature)

    def same(got):
        for a, b in zip(got, whole, strict=True):
            assert_array_equal(a, b)

    for cut in (1, 7, 513, 1_000):  # chunks of other sizes, starting anywhere
        parts = [
            call(loss, y[i : i + cut], z[i : i + cut], w[i : i + cut], curvature)
            for i in range(0, len(z), cut)
        ]
        same([np.concatenate(list(column)) for column in zip(*parts, strict=True)])
    if z.ndim == 2:
        by_class = call(loss, y, np.asfortranarray(z), w, curvature, order="F")
        assert all(a.flags.f_contiguous for a in by_class)
        same(by_class)
        same(call(loss, y, np.asfortranarray(z), w, curvature))
        same(call(loss, y, z, w, curvature, order="F"))


@pytest.mark.parametrize("loss", [BinaryFocalLoss(2.0), SoftmaxFocalLoss(3, 1.7)], ids=repr)
def test_threads_change_nothing(loss, monkeypatch):
    y, z, w = table(loss, n=20_000)
    alone = call(loss, y, z, w)
    monkeypatch.setattr(_kernel, "_PER_THREAD", 1_000)
    for n_threads in (2, 3, 7):
        for a, b in zip(call(loss, y, z, w, n_threads=n_threads), alone, strict=True):
            assert_array_equal(a, b)
    z[-1] = np.nan  # what any part complains about comes back
    assert declined_with_threads(loss, y, z)


def declined_with_threads(loss, y, z):
    binary = isinstance(loss, BinaryFocalLoss)
    common = {"binary": binary, "curvature": "exact", "floor": 0.0, "n_threads": 3}
    return _kernel.derivatives(y, z, None, loss._gammas, loss._alphas, **common) is None


def test_instruction_sets_with_fma_agree_to_the_bit(monkeypatch):
    there = [name for name in _kernel.available() if name != "baseline"]
    if len(there) < 2:
        pytest.skip(f"this machine has only {', '.join(_kernel.available())}")
    for loss, dtype in itertools.product(LOSSES, (np.float32, np.float64)):
        y, z, w = table(loss, n=1_001)
        results = []
        for name in there:
            monkeypatch.setenv(_kernel.VARIABLE, name)
            results.append(call(loss, y, z.astype(dtype), w))
        for a, b in zip(*results, strict=True):
            assert_array_equal(a, b)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("loss", [BinaryFocalLoss(2.0), SoftmaxFocalLoss(2, 2.0)], ids=repr)
def test_labels_are_read_as_they_come(loss, label):
    y, z, _ = table(loss, n=1_001)
    for a, b in zip(call(loss, y.astype(label), z), call(loss, y, z), strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("loss", [BinaryFocalLoss(2.0), SoftmaxFocalLoss(3, 2.0)], ids=repr)
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 511, 512, 513])
def test_any_length_any_layout(loss, n):
    y, z, w = (a[:n] for a in table(loss, n=600))
    expected = call(loss, y, z, w)

    def same(got):
        for a, b in zip(got, expected, strict=True):
            assert_array_equal(a, b)

    strided = [np.repeat(a, 2, axis=0)[::2] for a in (y, z, w)]
    backwards = [a[::-1].copy()[::-1] for a in (y, z, w)]
    same(call(loss, *strided))
    same(call(loss, *backwards))
    misaligned = []
    for a in (y, z, w):
        raw = np.zeros(a.nbytes + 1, np.uint8)
        view = raw[1:].view(a.dtype).reshape(a.shape)
        view[...] = a
        assert not view.flags.aligned
        misaligned.append(view)
    same(call(loss, *misaligned))
    for a in (y, z, w):
        a.setflags(write=False)
    before = [a.copy() for a in (y, z, w)]
    same(call(loss, y, z, w))
    for a, b in zip((y, z, w), before, strict=True):
        assert_array_equal(a, b)


def test_what_it_cannot_take_it_declines():
    loss = BinaryFocalLoss(2.0)
    y, z, w = table(loss, n=1_001)
    assert not declined(loss, y, z, w)
    assert declined(loss, y, z.tolist(), w)
    assert declined(loss, y, z.astype(np.float16), w)
    assert declined(loss, y, z.astype(">f8"), w)
    assert declined(loss, y[:-1], z, w)
    assert declined(loss, y, z, w[:-1])
    assert declined(loss, y.astype(str), z, w)
    assert declined(loss, y[:0], z[:0])
    assert declined(loss, y, z, np.zeros_like(w))
    three = SoftmaxFocalLoss(3, 2.0)
    y, z, w = table(three, n=100)
    assert declined(three, y, z[:, :2], w)
    assert declined(three, y, z[:, 0], w)


@pytest.mark.parametrize("loss", [BinaryFocalLoss(2.0), SoftmaxFocalLoss(3, 2.0)], ids=repr)
@pytest.mark.parametrize("row", [0, 777, 1_999])
def test_a_bad_row_is_named(loss, row, KERNEL):
    """The kernel complains, and the formulas then find out which row it was."""
    y, z, w = (a[:2_000] for a in table(loss, n=2_000))
    y = y.astype(float)
    for value in (np.nan, np.inf, -np.inf):
        broken = z.copy()
        broken[row] = value
        with pytest.raises(ValueError, match=rf"margin must be finite, got .* at row {row}"):
            loss.gradient_curvature(y, broken, w)
    for value in (-1, 0.5, np.nan, np.inf, 1 + 1e-12, 3, 2.0**40):
        broken = y.copy()
        broken[row] = value
        with pytest.raises(ValueError, match=rf"labels must .*row {row}"):
            loss.gradient_curvature(broken, z.astype(np.float32), w)
    for value in (-1e-300, np.nan, np.inf):
        broken = w.copy()
        broken[row] = value
        with pytest.raises(ValueError, match=rf"sample_weight must .*row {row}"):
            loss.gradient_curvature(y, z, broken)
    with pytest.raises(ValueError, match="labels must"):
        loss.gradient_curvature(np.where(np.arange(2_000) == row, 2**40, 0), z, w)


def test_weights_of_several_targets():
    loss = BinaryFocalLoss(2.0)
    z = np.random.default_rng(0).normal(size=(50, 3))
    y, w = (z > 0).astype(int), np.arange(50.0)
    gradient, bent = call(loss, y, z, w)
    for j in range(3):
        alone = call(loss, y[:, j], z[:, j], w)
        assert_array_equal(gradient[:, j], alone[0])
        assert_array_equal(bent[:, j], alone[1])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kernel", ["auto", "numpy"])
def test_for_trees(order, kernel, monkeypatch):
    monkeypatch.setenv(_kernel.VARIABLE, kernel)
    loss = SoftmaxFocalLoss(3, 1.7, alpha=(1.0, 2.0, 0.5))
    y, z, w = table(loss, n=1_000)
    for margins in (z, np.asfortranarray(z)):
        gradient, bent = for_trees(loss, y, margins, w, "guarded", factor=1.5, order=order)
        true_gradient, true_bent = loss.gradient_curvature(y, z, w)
        for got, true in ((gradient, true_gradient), (bent, 1.5 * true_bent)):
            assert got.dtype == np.float32
            assert got.flags[f"{order}_CONTIGUOUS"]
            assert_allclose(got, true, rtol=1e-7, atol=1e-37)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kernel", ["auto", "numpy"])
def test_outputs_of_the_caller(order, kernel, monkeypatch):
    monkeypatch.setenv(_kernel.VARIABLE, kernel)
    loss = SoftmaxFocalLoss(3, 1.7)
    y, z, w = table(loss, n=500)
    mine = tuple(np.full(z.shape, 7, np.float32, order=order) for _ in range(2))
    theirs = for_trees(loss, y, z, w, "guarded", factor=2.0, order=order, out=mine)
    for a, b, new in zip(
        mine, theirs, for_trees(loss, y, z, w, "guarded", factor=2.0, order=order), strict=True
    ):
        assert a is b
        assert_array_equal(a, new)
    good = mine[0]
    read_only = good.copy(order=order)
    read_only.flags.writeable = False
    other = np.empty(z.shape, np.float32, order="F" if order == "C" else "C")
    for wrong in (good.astype(np.float64), good[:-1], good[::-1], other, read_only):
        with pytest.raises(ValueError, match="out must be two writeable float32 arrays of shape"):
            for_trees(loss, y, z, w, "guarded", order=order, out=(good, wrong))
    with pytest.raises(ValueError, match="out must be two arrays that share no memory"):
        for_trees(loss, y, z, w, "guarded", order=order, out=(good, good))


def test_many_callers_at_once(monkeypatch):
    monkeypatch.setattr(_kernel, "_PER_THREAD", 500)
    loss = BinaryFocalLoss(1.7)
    tables = [table(loss, n=5_000, seed=i) for i in range(8)]
    alone = [call(loss, *t) for t in tables]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda t: call(loss, *t, n_threads=4), tables))
    for a, b in zip(alone, together, strict=True):
        assert_array_equal(a[0], b[0])


def in_child(loss):
    y, z, _ = table(loss, n=5_000)
    return call(loss, y, z, n_threads=2)[0].sum()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_children_can_use_it(method, monkeypatch):
    """A forked child has the pool's memory but not its threads: it must not wait for them."""
    monkeypatch.setattr(_kernel, "_PER_THREAD", 500)
    loss = BinaryFocalLoss(2.0)
    expected = in_child(loss)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply_async(in_child, (pickle.loads(pickle.dumps(loss)),)).get(60) == expected


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_variable_chooses(monkeypatch):
    for name in ("numpy", *_kernel.available()):
        monkeypatch.setenv(_kernel.VARIABLE, name)
        assert _kernel.chosen() == name
    monkeypatch.setenv(_kernel.VARIABLE, "auto")
    assert _kernel.chosen() == _kernel.available()[-1]
    monkeypatch.setenv(_kernel.VARIABLE, "sse9")
    with pytest.raises(
        ValueError, match=r"FOCALBOOST_KERNEL must be one of auto, numpy, .*got 'sse9'"
    ):
        BinaryFocalLoss().gradient_curvature([1], [0.0])


def test_show_versions(capsys, monkeypatch):
    focalboost.show_versions()
    text = capsys.readouterr().out
    assert text.startswith(f"focalboost    {focalboost.__version__}\n")
    assert re.search(rf"^kernel +{_kernel.available()[-1]} ", text, re.MULTILINE)
    monkeypatch.setenv(_kernel.VARIABLE, "numpy")
    focalboost.show_versions()
    assert re.search(r"^kernel +numpy ", capsys.readouterr().out, re.MULTILINE)


def test_without_a_library_the_formulas_answer():
    code = (
        "from focalboost import BinaryFocalLoss, _kernel, show_versions\n"
        "_kernel._library = lambda: None\n"
        "print(BinaryFocalLoss(2.0).gradient_curvature([1], [-5.0])[1].round(6))\n"
        "show_versions()"
    )
    run = run_python(code)
    assert run.stdout.startswith("[0.104618]"), run.stderr
    assert "kernel        numpy (available: not installed: formulas in NumPy)" in run.stdout

"""Gradients on a CUDA device; most of it tested on the processor.

Tests marked ``gpu`` need CuPy, a device and an XGBoost that was built for it. The others compile the
CUDA source with the C++ compiler and put a stand-in where CuPy would be.
"""

import subprocess
import sys

import numpy as np
import pytest
import xgboost as xgb
from numpy.testing import assert_allclose, assert_array_equal

import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, FocalXGBClassifier, SoftmaxFocalLoss, _kernel
from focalboost._kernel import cuda
from focalboost.losses import for_trees
from tests import cupy_stand_in as stand_in
from tests.hosts import tables
from tests.oracles import BINARY, SOFTMAX

POLICIES = ("guarded", "exact", "expected")
QUICK = {"max_depth": 3, "nthread": 1, "eta": 0.3}
needs_compiler = pytest.mark.skipif(
    not (stand_in.COMPILER and "avx2" in _kernel.available()),
    reason="needs a C++ compiler, and the compiled kernel on a processor with fma to compare with",
)


def has_gpu():
    try:
        import cupy

        return cupy.cuda.runtime.getDeviceCount() > 0 and xgb.build_info()["USE_CUDA"]
    except Exception:
        return False


needs_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not has_gpu(), reason="no CUDA device, CuPy or XGBoost built for CUDA"),
]


@pytest.fixture(autouse=True)
def compiled_kernel(monkeypatch):
    """What is compared with: it rounds as the device does, formulas in NumPy do not."""
    monkeypatch.setenv(_kernel.VARIABLE, "auto")


@pytest.fixture
def cupy():
    with stand_in.installed(stand_in.module()) as module:
        yield module


def rows(loss, n=4001, seed=0):
    rng = np.random.default_rng(seed)
    k = getattr(loss, "n_classes", None)
    shape = (n,) if k is None else (n, k)
    margin = rng.normal(size=shape) * rng.choice([1, 5, 60], size=(n, *[1] * (len(shape) - 1)))
    margin[:3] = [[[-700.0], [700.0], [0.0]], [-700.0, 700.0, 0.0]][k is None]
    weight = rng.choice([0.0, 0.25, 1.0, 3.0], size=n).astype(np.float32)
    return rng.integers(0, k or 2, n), margin.astype(np.float32), weight


def on_device(loss, y, margin, weight=None, curvature="guarded"):
    pair = fx.Objective(loss, curvature, device="cuda")(y, margin, weight)
    for array in pair:
        interface = array.__cuda_array_interface__
        assert interface["typestr"] == "<f4"  # anything else XGBoost copies, or misreads
        assert interface["strides"] is None
        assert interface["stream"] == stand_in.STREAM  # XGBoost waits on it
        assert array.shape == margin.shape
    return [array.get() for array in pair]


def on_processor(loss, y, margin, weight=None, curvature="guarded"):
    factor = 1.0 if isinstance(loss, BinaryFocalLoss) else 2.0
    return for_trees(loss, y, margin, weight, curvature, factor=factor)


@needs_compiler
class TestKernel:
    @pytest.mark.parametrize("curvature", POLICIES)
    @pytest.mark.parametrize("loss", BINARY, ids=str)
    def test_binary_is_the_processors_to_the_bit(self, loss, curvature, cupy):
        y, margin, weight = rows(loss)
        for w in (None, weight):
            ours = on_device(loss, y, margin, w, curvature)
            theirs = on_processor(loss, y, margin, w, curvature)
            assert_array_equal(ours, theirs)

    @pytest.mark.parametrize("curvature", POLICIES)
    @pytest.mark.parametrize("loss", SOFTMAX, ids=str)
    def test_softmax_too(self, loss, curvature, cupy):
        y, margin, weight = rows(loss, 1001)
        for w in (None, weight):
            ours = on_device(loss, y, margin, w, curvature)
            theirs = on_processor(loss, y, margin, w, curvature)
            assert_array_equal(ours, theirs)

    def test_several_targets(self, cupy):
        loss = BinaryFocalLoss(1.7, (1.0, 3.0))
        rng = np.random.default_rng(0)
        y, margin = rng.integers(0, 2, (50, 3)), rng.normal(size=(50, 3)).astype(np.float32)
        weight = rng.random(50)
        ours, theirs = on_device(loss, y, margin, weight), on_processor(loss, y, margin, weight)
        assert_array_equal(ours, theirs)
        assert abs(np.subtract(on_device(loss, y, margin), ours)).max() > 0.1  # weights count

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("loss", [BinaryFocalLoss(), SoftmaxFocalLoss(3)], ids=str)
    def test_margins_that_are_not_finite(self, loss, wrong, cupy):
        y, margin, _ = rows(loss, 100)
        objective = fx.Objective(loss, device="cuda")
        bad = margin.copy()
        bad[57] = wrong
        with pytest.raises(ValueError, match="margin must be finite"):
            objective(y, bad)
        objective(y, margin)  # and the complaint is forgotten

    def test_no_rows(self, cupy):
        gradient, _ = fx.Objective(SoftmaxFocalLoss(3), device="cuda")(
            np.empty(0), np.empty((0, 0), np.float32)
        )
        assert gradient.shape == (0, 3)


@needs_compiler
class TestProtocol:
    def test_labels_go_up_once(self, cupy):
        X, y = tables.binary()
        loss, d = BinaryFocalLoss(2.0), xgb.DMatrix(X, y)
        objective = fx.Objective(loss, device="cuda")
        margin = np.zeros(len(y), np.float32)
        objective(margin, d)
        first = sum(cupy.log)
        assert first > 2 * margin.nbytes  # labels, margins and a few parameters
        for _ in range(3):
            objective(margin, d)
        assert sum(cupy.log) == first + 3 * margin.nbytes

    def test_margins_of_another_shape_are_noticed(self, cupy):
        """What was checked for one shape of margins says nothing of another."""
        y = np.array([0.0, 1.0, 1.0])
        zeros = np.zeros((3, 5), np.float32)
        binary, softmax = (
            fx.Objective(loss, device="cuda") for loss in (BinaryFocalLoss(), SoftmaxFocalLoss(3))
        )
        binary(y, zeros[:, 0])
        softmax(y, zeros[:, :3])
        with pytest.raises(ValueError, match="labels must have shape"):
            binary(y, zeros)
        for margin in (zeros, zeros[:, 0]):
            with pytest.raises(ValueError, match=r"margin must have shape \(n, 3\)"):
                softmax(y, margin)

    def test_headers_are_part_of_the_source(self):
        """CuPy keeps binaries by their source text: another formula must be another text."""
        source = cuda._source()
        assert '#include "' not in source
        for name in ("elementary.hpp", "formulas.hpp", "kernel.cu"):
            text = (cuda.Path(cuda.__file__).parent / name).read_text()
            assert text.splitlines()[-2] in source
        assert "chord" in source

    def test_new_labels_and_weights_are_noticed(self, cupy):
        loss = BinaryFocalLoss(2.0)
        objective = fx.Objective(loss, device="cuda")
        y, margin, weight = rows(loss, 100)
        before = objective(y, margin)[0].get()
        y[:50] = 1 - y[:50]  # in place
        assert_array_equal(objective(y, margin)[0].get(), on_processor(loss, y, margin)[0])
        assert not np.array_equal(before, objective(y, margin)[0].get())
        for w in (weight, 2 * weight, None):
            theirs = on_processor(loss, y, margin, w)[0]
            assert_array_equal(objective(y, margin, w)[0].get(), theirs)

    @pytest.mark.parametrize("many", [False, True], ids=["binary", "softmax"])
    def test_trains_the_same_model(self, many, cupy, monkeypatch):
        """XGBoost's build for the processor takes no device arrays, so they are fetched for it."""
        X, y = tables.multiclass() if many else tables.binary()
        loss = SoftmaxFocalLoss(3, 2.0) if many else BinaryFocalLoss(2.0)
        w = tables.weights(len(y))
        d = xgb.QuantileDMatrix(X, y, weight=w)
        expected = fx.train(QUICK, d, 10, loss=loss)
        objective = fx.Objective(loss, device="cuda")
        for run in (objective, fx._Run(objective)):
            before = len(cupy.log)
            params = {**objective.params(y, w), **QUICK}

            def fetched(margin, data, run=run):
                return [array.get() for array in run(margin, data)]

            booster = xgb.train(params, d, 10, obj=fetched)
            assert bytes(booster.save_raw()) == bytes(expected.save_raw())
            assert len(cupy.log) - before == 10 + 4  # margins; labels, weights, gamma, alpha

    def test_device_number(self):
        with stand_in.installed(stand_in.module(devices=2)) as cupy:
            y, margin, _ = rows(BinaryFocalLoss(), 10)
            fx.Objective(BinaryFocalLoss(), device="cuda:1")(y, margin)
            assert set(cupy.current) == {1}
            fx.Objective(BinaryFocalLoss(), device="cuda")(y, margin)
            assert cupy.current[-1] == 0  # as for XGBoost
            with pytest.raises(RuntimeError, match="'cuda:7' must be one of the CUDA devices"):
                fx.train(
                    {"device": "cuda:7"}, xgb.DMatrix(margin[:, None], y), 1, loss=BinaryFocalLoss()
                )
            with pytest.raises(
                RuntimeError, match=r"'cuda:2' must be one of the CUDA devices 0 \.\. 1"
            ):
                fx.Objective(BinaryFocalLoss(), device="cuda:2")(y, margin)

    def test_rows_must_be_where_the_parameters_say(self, cupy):
        X, y = tables.binary(200)
        there = fx.Arrays(cupy.asarray(X), cupy.asarray(y))
        for table, params in ((fx.Arrays(X, y), {**QUICK, "device": "cuda"}), (there, QUICK)):
            with pytest.raises(ValueError, match="X of dtrain must be where the parameters say"):
                fx.train(params, table, 2, loss=BinaryFocalLoss())

    def test_copies_leave_the_device_behind(self, cupy):
        import pickle

        objective = fx.Objective(BinaryFocalLoss(), device="cuda")
        objective(*rows(BinaryFocalLoss(), 10)[:2])
        copied = pickle.loads(pickle.dumps(objective))
        assert copied == objective
        assert copied._uploaded == []

    def test_wrong_labels(self, cupy):
        binary, softmax = (
            fx.Objective(loss, device="cuda") for loss in (BinaryFocalLoss(), SoftmaxFocalLoss(3))
        )
        zeros = np.zeros((3, 3), np.float32)
        with pytest.raises(ValueError, match=r"labels must be 0 or 1, got 2\.0 at row 1"):
            binary(np.array([0.0, 2.0, 1.0]), zeros[0])
        with pytest.raises(ValueError, match=r"margin must have shape \(n, 3\)"):
            softmax(np.zeros(3), zeros[:, :2])
        with pytest.raises(ValueError, match="labels must be whole numbers in 0"):
            softmax(np.array([0.0, 1.0, 3.0]), zeros)
        with pytest.raises(ValueError, match="sample_weight must be finite"):
            softmax(np.zeros(3), zeros, np.array([1.0, -1.0, 1.0]))


class TestWithoutADevice:
    @pytest.mark.parametrize(
        ("module", "error", "message"),
        [
            (None, ImportError, r'pip install "focalboost\[gpu\]"'),
            (
                stand_in.module(version="13.6.0"),
                ImportError,
                r"CuPy 14 or newer.*got CuPy 13\.6\.0",
            ),
            (
                stand_in.module(devices=0),
                RuntimeError,
                "needs a CUDA device and its driver, got cuda",
            ),
        ],
        ids=["no CuPy", "old CuPy", "no device"],
    )
    def test_says_so(self, module, error, message):
        """Never the processor in silence: whoever asked for a device would wait and not know why."""
        X, y = tables.binary(200)
        on_cuda = {**QUICK, "device": "cuda"}
        with stand_in.installed(module):
            with pytest.raises(error, match=message):
                fx.Objective(BinaryFocalLoss(), device="cuda")(y, np.zeros(200, np.float32))
            with pytest.raises(error, match=message):
                fx.train(on_cuda, xgb.DMatrix(X, y), 2, loss=BinaryFocalLoss())
            with pytest.raises(error, match=message):
                fx.cv(on_cuda, xgb.DMatrix(X, y), 2, loss=BinaryFocalLoss())
            with pytest.raises(error, match=message):
                fx.train(on_cuda, fx.Arrays(X, y), 2, loss=BinaryFocalLoss())
            with pytest.raises(error, match=message):
                FocalXGBClassifier(n_estimators=2, device="cuda:0").fit(X, y)

    @pytest.mark.parametrize("device", ["cuda:x", "tpu", "", "cuda:-1", None, 0])
    def test_unknown_device(self, device):
        with pytest.raises(
            ValueError, match=r"device must be 'cpu', 'cuda' or 'cuda:<number>', got"
        ):
            fx.Objective(BinaryFocalLoss(), device=device)

    def test_import_needs_no_cupy(self):
        code = "import sys, focalboost.xgboost; sys.exit('cupy' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0

    def test_sources_are_installed(self):
        folder = cuda.Path(cuda.__file__).parent
        for name in ("kernel.cu", "formulas.hpp", "elementary.hpp"):
            assert (folder / name).is_file()


class TestOnTheDevice:
    pytestmark = needs_gpu

    @pytest.mark.parametrize("curvature", POLICIES)
    @pytest.mark.parametrize("loss", [*BINARY, *SOFTMAX], ids=str)
    def test_derivatives(self, loss, curvature):
        y, margin, weight = rows(loss)
        ours = [a.get() for a in fx.Objective(loss, curvature, device="cuda")(y, margin, weight)]
        theirs = on_processor(loss, y, margin, weight, curvature)
        for a, b in zip(ours, theirs, strict=True):
            assert_allclose(a, b, rtol=2e-5, atol=2e-5)
            if isinstance(loss, BinaryFocalLoss) and _kernel.chosen() in ("avx2", "avx512"):
                assert_allclose(a, b, rtol=0, atol=1e-35)  # subnormal numbers become 0

    @pytest.mark.parametrize("many", [False, True], ids=["binary", "softmax"])
    def test_models(self, many):
        """Host gradients, device gradients and the loop without transfers train the same model."""
        import cupy

        X, y = tables.multiclass() if many else tables.binary()
        loss = SoftmaxFocalLoss(3, 2.0) if many else BinaryFocalLoss(2.0)
        params = {**QUICK, "device": "cuda"}
        d = xgb.QuantileDMatrix(cupy.asarray(X), cupy.asarray(y))
        host = xgb.train({**fx.Objective(loss).params(y), **params}, d, 20, obj=fx.Objective(loss))
        there = fx.train(params, d, 20, loss=loss)
        arrays = fx.Arrays(cupy.asarray(X), cupy.asarray(y))
        results = {}
        loop = fx.train(
            params, arrays, 20, loss=loss, evals=[(arrays, "train")], evals_result=results
        )
        estimator = FocalXGBClassifier(
            n_estimators=20, device="cuda", max_depth=3, learning_rate=0.3
        ).fit(cupy.asarray(X), cupy.asarray(y))
        expected = host.predict(d, output_margin=True)
        for booster in (there, loop, estimator.get_booster()):
            assert_allclose(booster.predict(d, output_margin=True), expected, atol=1e-4)
        value = fx.metrics.focal_loss(loss, y, expected)
        assert_allclose(results["train"]["focal_loss"][-1], value, rtol=1e-4)

    def test_formulas_on_cupy_arrays(self):
        import cupy

        loss = BinaryFocalLoss(1.7, 0.25)
        y, margin, _ = rows(loss)
        there = cupy.asarray(y), cupy.asarray(margin)
        assert_allclose(loss.loss(*there).get(), loss.loss(y, margin), rtol=1e-4, atol=1e-6)
        for method in (loss.gradient_curvature, loss.gradient_hessian):
            for a, b in zip(method(*there), method(y, margin), strict=True):
                assert_allclose(a.get(), b, rtol=1e-4, atol=1e-6)
        posterior = loss.posterior(cupy.asarray(margin))
        assert_allclose(posterior.get(), loss.posterior(margin), atol=1e-6)

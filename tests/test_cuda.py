"""Gradients on a CUDA device; most of the code is tested without one.

Tests marked ``gpu`` need CuPy, a device and an XGBoost that was built for CUDA. The others compile the
CUDA source with the C++ compiler and use a stand-in for CuPy.
"""

import copy
import dataclasses
import gc
import pickle
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb
from numpy.testing import assert_allclose, assert_array_equal

import focalboost.xgboost as fx
from focalboost import (
    BinaryFocalLoss,
    FocalXGBClassifier,
    SoftmaxFocalLoss,
    _kernel,
    _rounds,
    _scale,
    metrics,
)
from focalboost._kernel import cuda
from focalboost._rounds import for_trees
from tests import cupy_stand_in as stand_in
from tests.hosts import tables
from tests.hosts.changes import Change, other_labels, other_weights
from tests.hosts.models import FOCAL, SOFTMAX, XGBOOST, loss_for
from tests.oracles import CURVATURES, LOSSES
from tests.processes import imported_by

CANONICAL = BinaryFocalLoss(2.0, 0.25, "canonical")
CANONICAL_SOFTMAX = SoftmaxFocalLoss(3, 2.0, link="canonical")

needs_compiler = pytest.mark.skipif(
    not (stand_in.COMPILER and "avx2" in _kernel.available()),
    reason="needs a C++ compiler, and for comparison the compiled kernel on a CPU with fma",
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
    """Compare with the compiled kernel, which rounds as the device does; NumPy does not."""
    monkeypatch.setenv(_kernel.VARIABLE, "auto")


@pytest.fixture
def cupy():
    """The stand-in for CuPy, with one device."""
    with stand_in.installed(stand_in.module()) as module:
        yield module


with_cupy = pytest.mark.usefixtures("cupy")


def rows(loss, n=4001, seed=0):
    """Return labels, float32 margins far into both tails, and weights, some of them zero."""
    rng = np.random.default_rng(seed)
    k = loss.n_outputs
    shape = (n,) if k == 1 else (n, k)
    margin = rng.normal(size=shape) * rng.choice([1, 5, 60], size=(n, *[1] * (len(shape) - 1)))
    margin[:3] = [-700.0, 700.0, 0.0] if k == 1 else [[-700.0], [700.0], [0.0]]
    weight = rng.choice([0.0, 0.25, 1.0, 3.0], size=n).astype(np.float32)
    return rng.integers(0, len(loss.gammas), n), margin.astype(np.float32), weight


def on_device(loss, y, margin, weight=None, curvature="guarded"):
    pair = fx.Objective(loss, curvature, device="cuda")(y, margin, weight)
    for array in pair:
        interface = array.__cuda_array_interface__
        assert interface["typestr"] == "<f4"  # anything else XGBoost copies, or misreads
        assert interface["strides"] is None
        assert interface["stream"] == stand_in.STREAM  # XGBoost waits for this stream
        assert array.shape == margin.shape
    return [array.get() for array in pair]


def on_cpu(loss, y, margin, weight=None, curvature="guarded"):
    factor = 1.0 if loss.n_outputs == 1 else 2.0
    return for_trees(loss, y, margin, weight, curvature, factor=factor)


@needs_compiler
@with_cupy
class TestKernel:
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("curvature", CURVATURES)
    @pytest.mark.parametrize("loss", LOSSES, ids=repr)
    def test_equals_the_cpu_to_the_bit(self, loss, curvature, weighted):
        y, margin, weight = rows(loss, 4001 if loss.n_outputs == 1 else 1001)
        w = weight if weighted else None
        expected = on_cpu(loss, y, margin, w, curvature)
        assert_array_equal(on_device(loss, y, margin, w, curvature), expected)

    @pytest.mark.parametrize("loss", [BinaryFocalLoss, partial(SoftmaxFocalLoss, 2)])
    @pytest.mark.parametrize("gamma", [10.5, (2.0, 40.0)])
    def test_gamma_that_no_table_has(self, loss, gamma):
        y, margin, _ = rows(loss(2.0), 10)
        message = r"gamma must be at most 10 with link='canonical' on CUDA, got (10\.5|\(2\.0, 40)"
        with pytest.raises(ValueError, match=message):
            on_device(loss(gamma, link="canonical"), y, margin)
        on_device(loss(10.0, link="canonical"), y, margin)
        on_device(loss(gamma), y, margin)  # the other link has no tables

    @pytest.mark.parametrize("link", ["focal", "canonical"])
    def test_several_targets(self, link):
        loss = BinaryFocalLoss(1.7, (1.0, 3.0), link)
        rng = np.random.default_rng(0)
        y, margin = rng.integers(0, 2, (50, 3)), rng.normal(size=(50, 3)).astype(np.float32)
        weight = rng.random(50)
        device, cpu = on_device(loss, y, margin, weight), on_cpu(loss, y, margin, weight)
        assert_array_equal(device, cpu)
        assert abs(np.subtract(on_device(loss, y, margin), device)).max() > 0.1  # weights count

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("loss", [FOCAL, SOFTMAX, CANONICAL, CANONICAL_SOFTMAX], ids=str)
    def test_margins_that_are_not_finite(self, loss, wrong):
        y, margin, _ = rows(loss, 100)
        objective = fx.Objective(loss, device="cuda")
        bad = margin.copy()
        bad[57] = wrong
        with pytest.raises(ValueError, match="margin must be finite"):
            objective(y, bad)
        objective(y, margin)  # the next call raises nothing

    @pytest.mark.parametrize("k", [2, 4, 95, 96, 191, 192])
    @pytest.mark.parametrize("link", ["focal", "canonical"])
    def test_many_classes(self, link, k):
        """From 96 classes on a block has fewer rows, from 192 on none fit into shared memory."""
        loss = SoftmaxFocalLoss(k, 2.0, link=link)
        y, margin, weight = rows(loss, 101)
        assert_array_equal(on_device(loss, y, margin, weight), on_cpu(loss, y, margin, weight))

    def test_no_rows(self):
        objective = fx.Objective(SOFTMAX, device="cuda")
        gradient, _ = objective(np.empty(0), np.empty((0, 0), np.float32))
        assert gradient.shape == (0, 3)


@needs_compiler
class TestUploads:
    """Labels and weights are uploaded once, and again when they change."""

    def test_labels_are_uploaded_once(self, binary, cupy):
        X, y = binary
        d, objective = xgb.DMatrix(X, y), fx.Objective(FOCAL, device="cuda")
        margin = np.zeros(len(y), np.float32)
        objective(margin, d)
        first = sum(cupy.log)
        assert first > 2 * margin.nbytes  # labels, margins and a few parameters
        for _ in range(3):
            objective(margin, d)
        assert sum(cupy.log) == first + 3 * margin.nbytes

    def test_tables_are_uploaded_once(self, cupy):
        for loss in (CANONICAL, CANONICAL_SOFTMAX):
            objective = fx.Objective(loss, device="cuda")
            y, margin, _ = rows(loss, 100)
            objective(y, margin)
            first = sum(cupy.log)
            objective(y, margin)
            assert sum(cupy.log) == first + margin.nbytes

    @with_cupy
    def test_labels_that_change_in_place(self):
        objective = fx.Objective(FOCAL, device="cuda")
        y, margin, _ = rows(FOCAL, 100)
        before = objective(y, margin)[0].get()
        y[:50] = 1 - y[:50]
        after = objective(y, margin)[0].get()
        assert_array_equal(after, on_cpu(FOCAL, y, margin)[0])
        assert not np.array_equal(before, after)

    @with_cupy
    def test_weights_that_change(self):
        objective = fx.Objective(FOCAL, device="cuda")
        y, margin, weight = rows(FOCAL, 100)
        for w in (weight, 2 * weight, None, weight):
            assert_array_equal(objective(y, margin, w)[0].get(), on_cpu(FOCAL, y, margin, w)[0])

    @with_cupy
    def test_margins_of_another_shape(self):
        """Labels that fit margins of one shape need not fit margins of another."""
        y = np.array([0.0, 1.0, 1.0])
        zeros = np.zeros((3, 5), np.float32)
        binary, softmax = (fx.Objective(loss, device="cuda") for loss in (FOCAL, SOFTMAX))
        binary(y, zeros[:, 0])
        softmax(y, zeros[:, :3])
        with pytest.raises(ValueError, match="labels must have shape"):
            binary(y, zeros)
        for margin in (zeros, zeros[:, 0]):
            with pytest.raises(ValueError, match=r"margin must have shape \(n, 3\)"):
                softmax(y, margin)

    @with_cupy
    @pytest.mark.parametrize("loss", [FOCAL, SOFTMAX], ids=repr)
    def test_an_objective_is_the_same_value_after_a_call(self, loss):
        objective = fx.Objective(loss, device="cuda")
        before, code = dict(vars(objective)), hash(objective)
        objective(*rows(loss, 10))
        assert vars(objective) == before
        assert hash(objective) == code
        assert objective == fx.Objective(loss, device="cuda")
        assert copy.deepcopy(objective) is objective
        again = pickle.loads(pickle.dumps(objective))
        assert again == objective
        assert len(pickle.dumps(objective)) == len(pickle.dumps(fx.Objective(loss, device="cuda")))

    @with_cupy
    @pytest.mark.parametrize("loss", [FOCAL, SOFTMAX], ids=repr)
    def test_uploads_are_freed_with_the_objective(self, loss):
        objective = fx.Objective(loss, device="cuda")
        objective(*rows(loss, 10))
        resident = _rounds._recent[id(objective)].resident
        uploaded = [weakref.ref(array) for array in (resident.label, resident.weight)]
        del resident
        gc.collect()
        assert None not in [array() for array in uploaded]
        del objective
        gc.collect()
        assert [array() for array in uploaded] == [None, None]
        assert len(_rounds._recent) == 0

    @with_cupy
    def test_other_labels_replace_the_uploaded_ones(self):
        objective = fx.Objective(FOCAL, device="cuda")
        y, margin, weight = rows(FOCAL, 10)
        objective(y, margin, weight)
        first = weakref.ref(_rounds._recent[id(objective)].resident.label)
        objective(1 - y, margin, weight)
        gc.collect()
        assert first() is None


@needs_compiler
class TestTraining:
    """XGBoost's build for the CPU takes no device arrays: the tests fetch them for XGBoost."""

    @pytest.mark.parametrize("kind", [fx.Objective, fx._OneRun])
    def test_trains_the_model_of_the_cpu(self, kind, each_table, cupy):
        X, y = each_table
        loss, w = loss_for(y), tables.weights(len(y))
        d = xgb.QuantileDMatrix(X, y, weight=w)
        expected = fx.train(XGBOOST, d, 10, loss=loss)
        objective = fx.Objective(loss, device="cuda")
        run = objective if kind is fx.Objective else fx._OneRun(objective)
        booster = xgb.train({**objective.params(y, w), **XGBOOST}, d, 10, obj=fetched(run))
        booster.set_attr(**_scale.says(loss))
        assert bytes(booster.save_raw()) == bytes(expected.save_raw())
        assert len(cupy.log) == 10 + 4  # margins; labels, weights, gamma, alpha

    @pytest.fixture
    def train(self, monkeypatch):
        """``fx.train`` with gradients on the device and trees on the CPU."""
        original = xgb.train

        def trees_on_cpu(params, *arguments, obj, **keywords):
            return original({**params, "device": "cpu"}, *arguments, obj=fetched(obj), **keywords)

        def train(dtrain, loss, **keywords):
            with monkeypatch.context() as patch:
                patch.setattr(xgb, "train", trees_on_cpu)
                return fx.train({**XGBOOST, "device": "cuda"}, dtrain, 6, loss=loss, **keywords)

        return train

    def test_labels_are_uploaded_once(self, binary, train, cupy):
        d = xgb.DMatrix(*binary)
        booster = train(d, FOCAL)
        expected = fx.train(XGBOOST, d, 6, loss=FOCAL)
        assert bytes(booster.save_raw()) == bytes(expected.save_raw())
        assert len(cupy.log) == 6 + 3  # margins; labels, gamma, alpha

    @with_cupy
    @pytest.mark.parametrize("change", [other_labels, other_weights])
    def test_callbacks_may_change_the_data(self, change, each_table, train):
        X, y = each_table
        loss = loss_for(y)
        device, cpu, unchanged = (xgb.DMatrix(X, y) for _ in range(3))
        boosters = [
            train(device, loss, callbacks=[Change(change, device)]),
            fx.train(XGBOOST, cpu, 6, loss=loss, callbacks=[Change(change, cpu)]),
            train(unchanged, loss),
        ]
        models = [bytes(booster.save_raw()) for booster in boosters]
        assert models[0] == models[1]
        assert models[0] != models[2]


def fetched(objective):
    """Return the objective with its arrays copied to the CPU."""
    return lambda margin, data: [array.get() for array in objective(margin, data)]


@needs_compiler
class TestDevice:
    def test_number(self):
        with stand_in.installed(stand_in.module(devices=2)) as cupy:
            y, margin, _ = rows(FOCAL, 10)
            fx.Objective(FOCAL, device="cuda:1")(y, margin)
            assert set(cupy.current) == {1}
            fx.Objective(FOCAL, device="cuda")(y, margin)
            assert cupy.current[-1] == 0  # as in XGBoost

    def test_number_that_does_not_exist(self):
        y, margin, _ = rows(FOCAL, 10)
        with stand_in.installed(stand_in.module(devices=2)):
            with pytest.raises(RuntimeError, match="'cuda:7' must be one of the CUDA devices"):
                fx.train({"device": "cuda:7"}, xgb.DMatrix(margin[:, None], y), 1, loss=FOCAL)
            message = r"'cuda:2' must be one of the CUDA devices 0 \.\. 1"
            with pytest.raises(RuntimeError, match=message):
                fx.Objective(FOCAL, device="cuda:2")(y, margin)

    def test_rows_must_be_where_the_parameters_say(self, cupy):
        X, y = tables.binary(200)
        on_cpu, on_device = fx.Arrays(X, y), fx.Arrays(cupy.asarray(X), cupy.asarray(y))
        for table, params in ((on_cpu, {**XGBOOST, "device": "cuda"}), (on_device, XGBOOST)):
            with pytest.raises(ValueError, match="X of dtrain must be where the parameters say"):
                fx.train(params, table, 2, loss=FOCAL)

    @with_cupy
    def test_wrong_labels_and_weights(self):
        binary, softmax = (fx.Objective(loss, device="cuda") for loss in (FOCAL, SOFTMAX))
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
    def test_raises_before_training(self, module, error, message):
        """The CPU must not silently take the place of the device that the user asked for."""
        X, y = tables.binary(200)
        params = {**XGBOOST, "device": "cuda"}
        with stand_in.installed(module):
            with pytest.raises(error, match=message):
                fx.Objective(FOCAL, device="cuda")(y, np.zeros(200, np.float32))
            with pytest.raises(error, match=message):
                fx.train(params, xgb.DMatrix(X, y), 2, loss=FOCAL)
            with pytest.raises(error, match=message):
                fx.cv(params, xgb.DMatrix(X, y), 2, loss=FOCAL)
            with pytest.raises(error, match=message):
                fx.train(params, fx.Arrays(X, y), 2, loss=FOCAL)
            with pytest.raises(error, match=message):
                FocalXGBClassifier(n_estimators=2, device="cuda:0").fit(X, y)

    @pytest.mark.parametrize("device", ["cuda:x", "tpu", "", "cuda:-1", None, 0])
    def test_unknown_device(self, device):
        message = r"device must be 'cpu', 'cuda' or 'cuda:<number>', got"
        with pytest.raises(ValueError, match=message):
            fx.Objective(FOCAL, device=device)

    def test_import_needs_no_cupy(self):
        assert imported_by("import focalboost.xgboost", ["cupy"]) == set()

    @pytest.mark.parametrize("name", ["kernel.cu", "formulas.hpp", "elementary.hpp"])
    def test_headers_are_part_of_the_source(self, name):
        """CuPy finds compiled code by its source text: another formula must be another text."""
        text = Path(cuda.__file__).with_name(name).read_text()
        source = cuda._source()
        assert text.splitlines()[-2] in source
        assert '#include "' not in source
        assert "kLongestStep" in source


class TestOnTheDevice:
    pytestmark = needs_gpu

    @pytest.mark.parametrize("curvature", CURVATURES)
    @pytest.mark.parametrize("loss", LOSSES, ids=str)
    def test_derivatives(self, loss, curvature):
        y, margin, weight = rows(loss)
        device = [a.get() for a in fx.Objective(loss, curvature, device="cuda")(y, margin, weight)]
        cpu = on_cpu(loss, y, margin, weight, curvature)
        for a, b in zip(device, cpu, strict=True):
            assert_allclose(a, b, rtol=2e-5, atol=2e-5)
            if isinstance(loss, BinaryFocalLoss) and _kernel.chosen() in ("avx2", "avx512"):
                assert_allclose(a, b, rtol=0, atol=1e-35)  # subnormal numbers become 0

    @pytest.mark.parametrize("link", ["focal", "canonical"])
    def test_models(self, each_table, link):
        """Gradients of the CPU and of the device, and the loop over arrays, train the same model."""
        import cupy

        X, y = each_table
        loss = dataclasses.replace(loss_for(y), link=link)
        params = {**XGBOOST, "device": "cuda"}
        d = xgb.QuantileDMatrix(cupy.asarray(X), cupy.asarray(y))
        objective = fx.Objective(loss)
        on_cpu = xgb.train({**objective.params(y), **params}, d, 20, obj=objective)
        on_device = fx.train(params, d, 20, loss=loss)
        arrays = fx.Arrays(cupy.asarray(X), cupy.asarray(y))
        results = {}
        loop = fx.train(
            params, arrays, 20, loss=loss, evals=[(arrays, "train")], evals_result=results
        )
        expected = on_cpu.predict(d, output_margin=True)
        for booster in (on_device, loop):
            assert_allclose(booster.predict(d, output_margin=True), expected, atol=1e-4)
        value = metrics.focal_loss(loss, y, expected)
        assert_allclose(results["train"]["focal_loss"][-1], value, rtol=1e-4)

    @pytest.mark.parametrize("k", [2, 4, 20, 23, 24, 100, 191, 192, 500])
    @pytest.mark.parametrize("link", ["focal", "canonical"])
    def test_many_classes(self, link, k):
        """Blocks of rows that fit into shared memory, and rows that do not."""
        loss = SoftmaxFocalLoss(k, 2.0, link=link)
        y, margin, weight = rows(loss, 1001)
        device, cpu = on_device(loss, y, margin, weight), on_cpu(loss, y, margin, weight)
        for a, b in zip(device, cpu, strict=True):
            assert_allclose(a, b, rtol=2e-5, atol=2e-5)

    @pytest.mark.parametrize("loss", [FOCAL, SOFTMAX, CANONICAL, CANONICAL_SOFTMAX], ids=str)
    def test_margins_that_are_not_finite(self, loss):
        y, margin, _ = rows(loss, 100_000)
        objective = fx.Objective(loss, device="cuda")
        for wrong in (np.nan, np.inf):
            bad = margin.copy()
            bad[57_000] = wrong
            with pytest.raises(ValueError, match="margin must be finite"):
                objective(y, bad)
        objective(y, margin)  # the next call raises nothing

    @pytest.mark.parametrize("link", ["focal", "canonical"])
    @pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
    def test_several_targets(self, binary, link, strategy):
        import cupy

        X, y = binary
        labels, weight = np.stack([y, 1 - y, X[:, 0] > 0], axis=1), tables.weights(len(y))
        loss = BinaryFocalLoss(1.7, 0.75, link)
        params = {**XGBOOST, "multi_strategy": strategy}
        d = xgb.QuantileDMatrix(cupy.asarray(X), labels, weight=weight)
        device = fx.train({**params, "device": "cuda"}, d, 10, loss=loss)
        cpu = fx.train(params, xgb.QuantileDMatrix(X, labels, weight=weight), 10, loss=loss)
        assert_allclose(device.predict(d), cpu.predict(d), atol=1e-3)

    @pytest.mark.parametrize("link", ["focal", "canonical"])
    def test_arrays_with_weights_and_early_stopping(self, each_table, link):
        import cupy

        X, y = each_table
        loss, w = dataclasses.replace(loss_for(y), link=link), tables.weights(len(y))
        half = len(y) // 2
        params = {**XGBOOST, "device": "cuda", "eta": 1.0}
        keywords = {"loss": loss, "early_stopping_rounds": 3, "verbose_eval": False}
        on_host = [(X[s], y[s], w[s]) for s in (slice(half), slice(half, None))]
        one, other = (fx.Arrays(*map(cupy.asarray, part)) for part in on_host)
        first, second = (xgb.DMatrix(x, label, weight=v) for x, label, v in on_host)
        values, expected = {}, {}
        loop = fx.train(params, one, 60, evals=[(other, "valid")], evals_result=values, **keywords)
        matrix = fx.train(
            params, first, 60, evals=[(second, "valid")], evals_result=expected, **keywords
        )
        assert loop.best_iteration < 50
        assert loop.best_iteration == matrix.best_iteration
        curve, other_curve = (v["valid"]["focal_loss"] for v in (values, expected))
        assert_allclose(curve, other_curve, rtol=1e-4)

    def test_labels_on_the_device_are_checked(self):
        import cupy

        X, y = tables.binary(200)
        X, wrong, weight = cupy.asarray(X), cupy.asarray(y), cupy.ones(200)
        wrong[7] = 3
        with pytest.raises(ValueError, match=r"labels must be 0 or 1, got 3"):
            fx.train({"device": "cuda"}, fx.Arrays(X, wrong), 2, loss=FOCAL)
        weight[3] = cupy.nan
        with pytest.raises(ValueError, match="Weights must be positive"):  # XGBoost's own words
            fx.train({"device": "cuda"}, fx.Arrays(X, cupy.asarray(y), weight), 2, loss=FOCAL)

    def test_cv(self, each_table):
        X, y = each_table
        loss = loss_for(y)
        values = [
            fx.cv({**XGBOOST, "device": device}, xgb.DMatrix(X, y), 10, loss=loss, nfold=3, seed=1)[
                "test-focal_loss-mean"
            ]
            for device in ("cpu", "cuda")
        ]
        assert_allclose(*values, rtol=1e-3)

    @pytest.mark.filterwarnings("ignore:.*Falling back to prediction using DMatrix")
    def test_estimator(self, each_table):
        """Text labels on the host, features on the device; and all of it on the device."""
        import cupy

        X, y = each_table
        w, half = tables.weights(len(y)), len(y) // 2
        settings = {"n_estimators": 60, "early_stopping_rounds": 3, "max_depth": 3, "eta": 1.0}
        names = np.array(["a", "b", "c"])[y.astype(int)]
        on_gpu = cupy.asarray(X)
        classifiers = [
            FocalXGBClassifier(device=device, **settings).fit(
                rows[:half],
                labels[:half],
                sample_weight=w[:half],
                eval_set=[(rows[half:], labels[half:])],
                verbose=False,
            )
            for device, rows, labels in (
                ("cpu", X, names),
                ("cuda", on_gpu, names),
                ("cuda", on_gpu, cupy.asarray(y)),
            )
        ]
        expected = classifiers[0].predict_proba(X)
        assert list(classifiers[1].classes_) == list(classifiers[0].classes_)
        for classifier in classifiers[1:]:
            assert classifier.best_iteration == classifiers[0].best_iteration
            for rows in (X, on_gpu):
                assert_allclose(classifier.predict_proba(rows), expected, atol=1e-3)
        assert (classifiers[1].predict(on_gpu) == classifiers[0].predict(X)).mean() > 0.99

    @pytest.mark.filterwarnings("ignore:.*Falling back to prediction using DMatrix")
    def test_pickles_of_a_device_are_read_on_the_cpu(self, binary):
        X, y = binary
        classifier = FocalXGBClassifier(n_estimators=5, device="cuda").fit(X, y)
        again = pickle.loads(pickle.dumps(classifier)).set_params(device="cpu")
        assert_allclose(again.predict_proba(X), classifier.predict_proba(X), atol=1e-6)

    def test_formulas_on_cupy_arrays(self):
        import cupy

        loss = BinaryFocalLoss(1.7, 0.25)
        y, margin, _ = rows(loss)
        on_device = cupy.asarray(y), cupy.asarray(margin)
        assert_allclose(loss.loss(*on_device).get(), loss.loss(y, margin), rtol=1e-4, atol=1e-6)
        for method in (loss.gradient_curvature, loss.gradient_hessian):
            for a, b in zip(method(*on_device), method(y, margin), strict=True):
                assert_allclose(a.get(), b, rtol=1e-4, atol=1e-6)
        posterior = loss.posterior(cupy.asarray(margin))
        assert_allclose(posterior.get(), loss.posterior(margin), atol=1e-6)

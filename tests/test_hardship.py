"""Threads, processes, interrupts, little memory, nothing to write to: clear errors, and nothing lost."""

import os
import signal
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from joblib import Parallel, delayed
from numpy.testing import assert_array_equal

import focalboost
from focalboost import FocalXGBClassifier
from tests.classifiers import both, make
from tests.processes import run_python

rng = np.random.default_rng(3)
X = rng.normal(size=(900, 5))
y = np.digitize(X[:, 0] + rng.normal(size=900), [0.5, 1.8])


def fit_and_predict(cls, seed, n_classes):
    labels = np.minimum(y, n_classes - 1)
    order = np.random.default_rng(seed).permutation(900)
    fitted = make(cls, focal_gamma=1.0 + seed / 4).fit(X[order], labels[order])
    return fitted.predict_proba(X)


@both
class TestSideBySide:
    def test_eight_threads(self, cls):
        tasks = [(cls, seed, 2 + seed % 2) for seed in range(8)]
        expected = [fit_and_predict(*task) for task in tasks]
        with ThreadPoolExecutor(8) as pool:
            for got, wanted in zip(
                pool.map(lambda t: fit_and_predict(*t), tasks), expected, strict=True
            ):
                assert_array_equal(got, wanted)

    def test_one_model_asked_by_eight_threads(self, cls):
        fitted = make(cls).fit(X, y)
        expected = fitted.predict_proba(X)
        with ThreadPoolExecutor(8) as pool:
            for got in pool.map(lambda _: fitted.predict_proba(X), range(40)):
                assert_array_equal(got, expected)

    def test_processes_of_joblib(self, cls):
        tasks = [(cls, seed, 3) for seed in range(2)]
        expected = [fit_and_predict(*task) for task in tasks]
        got = Parallel(n_jobs=2, backend="loky")(delayed(fit_and_predict)(*task) for task in tasks)
        for pair in zip(got, expected, strict=True):
            assert_array_equal(*pair)


@both
class TestInterrupt:
    @pytest.fixture(autouse=True)
    def listens(self):
        """What runs in the background of a shell ignores Ctrl-C."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    def test_in_the_middle_of_training(self, cls):
        """Ctrl-C stops the fit at once, and the earlier model is still there."""
        fitted = make(cls).fit(X, y > 0)
        before, calls = fitted.predict_proba(X), []

        def metric(*_):
            calls.append(1)
            if len(calls) == 3:
                os.kill(os.getpid(), signal.SIGINT)
            return 0.0 if cls is FocalXGBClassifier else ("metric", 0.0, False)

        options = {"n_estimators": 500}
        arguments = {"eval_set": [(X[:50], y[:50])]}
        if cls is FocalXGBClassifier:
            options["eval_metric"] = metric
        else:
            arguments["eval_metric"] = metric
        fitted.set_params(**options)
        with pytest.raises(KeyboardInterrupt):
            fitted.fit(X, y, **arguments)
        assert len(calls) < 10
        assert fitted.classes_.tolist() == [False, True]
        assert_array_equal(fitted.predict_proba(X), before)
        assert fitted.set_params(n_estimators=3).fit(X, y).classes_.tolist() == [0, 1, 2]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
@pytest.mark.parametrize("kernel", ["auto", "numpy"])
def test_too_little_memory(kernel):
    """A derivative that does not fit raises MemoryError; the process goes on and computes others."""
    code = """
        import resource
        import numpy as np
        from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
        from focalboost.xgboost import Objective
        y, small = np.zeros(6_000_000), np.zeros(10)
        margin = {1: np.zeros(len(y)), 2: np.zeros((len(y) // 4, 8))}
        losses = [BinaryFocalLoss(2), SoftmaxFocalLoss(8, 2), BinaryFocalLoss(2, link="canonical"),
                  SoftmaxFocalLoss(8, 2, link="canonical")]
        for loss in losses:
            Objective(loss)(small, np.zeros((10, 8) if loss.n_outputs > 1 else 10))
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 10_000_000,) * 2)
        for loss in losses:
            z = margin[1 if loss.n_outputs == 1 else 2]
            try:
                Objective(loss, n_threads=2)(y[:len(z)], z)
            except MemoryError:
                print("MemoryError", flush=True)
            gradient, _ = Objective(loss)(small, np.zeros((10, 8) if loss.n_outputs > 1 else 10))
            assert np.isfinite(gradient).all()
    """
    printed = run_python("-c", dedent(code), FOCALBOOST_KERNEL=kernel)
    assert printed.split() == ["MemoryError"] * 4


def test_nothing_is_written_beside_the_package(tmp_path):
    """The package works where its folder, the home and the current folder cannot be written to."""
    folder = Path(focalboost.__file__).parent
    code = """
        import numpy as np
        from focalboost import FocalLGBMClassifier, FocalXGBClassifier, show_versions
        X = np.arange(80.0)[:, None]
        for cls in (FocalXGBClassifier, FocalLGBMClassifier):
            cls(n_estimators=2).fit(X, X[:, 0] > 50).predict_proba(X)
        show_versions()
    """
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    empty = tmp_path / "empty"
    empty.mkdir()
    empty.chmod(stat.S_IRUSR | stat.S_IXUSR)
    run_python("-B", "-c", dedent(code), cwd=empty, HOME="/nonexistent", TMPDIR="/nonexistent")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert list(empty.iterdir()) == []

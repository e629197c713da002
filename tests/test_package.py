"""The package as a whole: what importing it brings in, and that its formulas know no array library."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

import focalboost
from tests.oracles import LOSSES
from tests.test_losses import CURVATURES, data_for

HEAVY = ("scipy.optimize", "xgboost", "lightgbm", "sklearn", "cupy", "matplotlib", "pandas")


def imported_by(code: str) -> set[str]:
    report = f"{code}; import sys; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_imports_no_host():
    assert imported_by("import focalboost") == set()
    assert imported_by("import xgboost") >= {"xgboost"}  # the report does see what is there


def test_public_names():
    assert {"BinaryFocalLoss", "SoftmaxFocalLoss", "balanced_alpha", "shift_prior"} <= set(
        focalboost.__all__
    )
    for name in focalboost.__all__:
        assert getattr(focalboost, name).__doc__
    assert focalboost.__version__[0].isdigit()


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_formulas_run_on_any_array_namespace(loss, monkeypatch):
    """array-api-strict offers the standard and nothing more: what CuPy can be relied on for."""
    monkeypatch.setenv("FOCALBOOST_KERNEL", "numpy")  # the same formulas on both sides
    xp = pytest.importorskip("array_api_strict")
    y, z = data_for(loss)
    w = 1.0 + np.arange(len(y)) % 3
    labels, margins, weights = xp.asarray(y), xp.asarray(z), xp.asarray(w)
    pairs = [
        (loss.loss(labels, margins, weights), loss.loss(y, z, w)),
        (loss.posterior(margins), loss.posterior(z)),
        *zip(
            loss.gradient_hessian(labels, margins, weights),
            loss.gradient_hessian(y, z, w),
            strict=True,
        ),
    ]
    for curvature in CURVATURES:
        theirs = loss.gradient_curvature(labels, margins, weights, curvature)
        pairs += zip(theirs, loss.gradient_curvature(y, z, w, curvature), strict=True)
    for strict, plain in pairs:
        assert type(strict) is type(margins)
        assert_allclose(np.asarray(strict), plain, rtol=1e-14)

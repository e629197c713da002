"""With LightGBM's defaults the guarded objective keeps working where the native one collapses."""

import lightgbm as lgb
import numpy as np
import pytest

import focalboost.lightgbm as fl
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
from tests.hosts import tables
from tests.real_tables import FOLDER, needs_real_tables

metrics = pytest.importorskip("sklearn.metrics")
DEFAULTS = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_col_wise": True}
GAMMAS = (0.0, 1.0, 2.0, 5.0)


def halves(X, y):
    h = len(y) // 2
    return X[:h], y[:h], X[h:], y[h:]


def average_precision(booster, X, y):
    return metrics.average_precision_score(y, booster.predict(X))


def macro_f1(booster, X, y):
    return metrics.f1_score(y, booster.predict(X).argmax(axis=1), average="macro")


@pytest.fixture(scope="module", params=[0, 1])
def collapsing(request):
    """A table on which the native objective collapses, in two halves."""
    return halves(*tables.collapsing(seed=request.param))


def test_native_binary_collapses(collapsing):
    X, y, X_test, y_test = collapsing
    native = lgb.train({**DEFAULTS, "objective": "binary"}, lgb.Dataset(X, y), 100)
    assert average_precision(native, X_test, y_test) < 0.3


@pytest.mark.parametrize("gamma", GAMMAS)
def test_guarded_binary_does_not(collapsing, gamma):
    X, y, X_test, y_test = collapsing
    focal = fl.train(DEFAULTS, lgb.Dataset(X, y), 100, loss=BinaryFocalLoss(gamma))
    assert average_precision(focal, X_test, y_test) > 0.55


def test_exact_binary_collapses_like_the_native_one(collapsing):
    X, y, X_test, y_test = collapsing
    exact = fl.train(DEFAULTS, lgb.Dataset(X, y), 100, loss=BinaryFocalLoss(0.0), curvature="exact")
    assert average_precision(exact, X_test, y_test) < 0.3


def test_softmax():
    X, y, X_test, y_test = halves(*tables.collapsing_classes())
    params = {**DEFAULTS, "objective": "multiclass", "num_class": 7}
    native = macro_f1(lgb.train(params, lgb.Dataset(X, y), 40), X_test, y_test)
    for gamma in (0.0, 2.0):
        focal = fl.train(DEFAULTS, lgb.Dataset(X, y), 40, loss=SoftmaxFocalLoss(7, gamma))
        assert macro_f1(focal, X_test, y_test) > native + 0.15


@needs_real_tables
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_real_card_fraud(gamma):
    pd = pytest.importorskip("pandas")
    table = pd.read_parquet(FOLDER / "ulb_creditcard_40pct_trunc.parquet")
    y = table.pop("Class").to_numpy()
    X = table.to_numpy(dtype=np.float32)
    h = int(0.6 * len(y))
    focal = fl.train(DEFAULTS, lgb.Dataset(X[:h], y[:h]), 100, loss=BinaryFocalLoss(gamma))
    assert average_precision(focal, X[h:], y[h:]) > 0.78

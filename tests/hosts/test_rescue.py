"""With LightGBM's defaults the guarded objective keeps working where the native one collapses."""

from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

import focalboost.lightgbm as fl
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
from tests.hosts import tables

metrics = pytest.importorskip("sklearn.metrics")
DEFAULTS = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_col_wise": True}
GAMMAS = (0.0, 1.0, 2.0, 5.0)
DATA = Path(__file__).parents[2].parent / "shared" / "data"


def halves(X, y):
    h = len(y) // 2
    return X[:h], y[:h], X[h:], y[h:]


def average_precision(booster, X, y):
    return metrics.average_precision_score(y, booster.predict(X))


def macro_f1(booster, X, y):
    return metrics.f1_score(y, booster.predict(X).argmax(axis=1), average="macro")


@pytest.mark.parametrize("seed", [0, 1])
def test_binary(seed):
    X, y, X_test, y_test = halves(*tables.collapsing(seed=seed))
    native = lgb.train({**DEFAULTS, "objective": "binary"}, lgb.Dataset(X, y), 100)
    assert average_precision(native, X_test, y_test) < 0.3
    for gamma in GAMMAS:
        focal = fl.train(DEFAULTS, lgb.Dataset(X, y), 100, loss=BinaryFocalLoss(gamma))
        assert average_precision(focal, X_test, y_test) > 0.55
    exact = fl.train(DEFAULTS, lgb.Dataset(X, y), 100, loss=BinaryFocalLoss(0.0), curvature="exact")
    assert average_precision(exact, X_test, y_test) < 0.3


def test_softmax():
    X, y, X_test, y_test = halves(*tables.collapsing_classes())
    native = lgb.train(
        {**DEFAULTS, "objective": "multiclass", "num_class": 7}, lgb.Dataset(X, y), 40
    )
    best = macro_f1(native, X_test, y_test)
    for gamma in (0.0, 2.0):
        focal = fl.train(DEFAULTS, lgb.Dataset(X, y), 40, loss=SoftmaxFocalLoss(7, gamma))
        assert macro_f1(focal, X_test, y_test) > best + 0.15


@pytest.mark.skipif(not DATA.is_dir(), reason="the real tables are not here")
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_real_card_fraud(gamma):
    pd = pytest.importorskip("pandas")
    table = pd.read_parquet(DATA / "ulb_creditcard_40pct_trunc.parquet")
    y = table.pop("Class").to_numpy()
    X = table.to_numpy(dtype=np.float32)
    h = int(0.6 * len(y))
    focal = fl.train(DEFAULTS, lgb.Dataset(X[:h], y[:h]), 100, loss=BinaryFocalLoss(gamma))
    assert average_precision(focal, X[h:], y[h:]) > 0.78

"""gamma = 0 with the exact curvature trains the model of the native objective; gamma = 2 does not."""

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from numpy.testing import assert_allclose, assert_array_equal

import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
from tests.hosts import tables

ROUNDS = 50
KINDS = ["binary", "softmax"]
XGBOOST = tuple(int(part) for part in xgb.__version__.split(".")[:2])

# The native softmax Hessian is 2 p (1 - p) up to XGBoost 3.4; later versions may replace it by |p - y|.
softmax_factor_two = pytest.mark.skipif(XGBOOST > (3, 4), reason="other native softmax Hessian")


def table(kind, weighted):
    X, y = tables.binary(4000) if kind == "binary" else tables.multiclass(4000)
    return X, y, tables.weights(len(y)) if weighted else None


def loss_of(kind, gamma):
    return BinaryFocalLoss(gamma) if kind == "binary" else SoftmaxFocalLoss(3, gamma)


def trees(booster):
    text = booster.model_to_string()
    return text[text.index("Tree=0") : text.index("end of trees")]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
class TestLightGBM:
    def pair(self, kind, weighted, gamma, params=(), curvature="exact"):
        X, y, w = table(kind, weighted)
        host = {"verbosity": -1, "num_threads": 1, **dict(params)}
        ours = fl.train(
            host,
            lgb.Dataset(X, y, weight=w),
            ROUNDS,
            loss=loss_of(kind, gamma),
            curvature=curvature,
        )
        if kind == "binary":
            host["objective"] = "binary"
        else:
            host |= {"objective": "multiclass", "num_class": 3}
        native = lgb.train(host, lgb.Dataset(X, y, weight=w), ROUNDS)
        return X, ours, native

    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"data_sample_strategy": "goss"},
            {"bagging_fraction": 0.5, "bagging_freq": 1},
            {"monotone_constraints": [1, 0, 0, 0, 0, 0]},
            {"linear_tree": True},
            {"use_quantized_grad": True},
        ],
        ids=repr,
    )
    def test_every_tree_has_the_same_text(self, kind, weighted, params):
        X, ours, native = self.pair(kind, weighted, 0.0, params)
        assert trees(ours) == trees(native)
        assert_array_equal(ours.predict(X), native.predict(X))

    def test_gamma_two_differs(self, kind, weighted):
        X, ours, native = self.pair(kind, weighted, 2.0)
        assert np.mean(np.abs(ours.predict(X) - native.predict(X))) > 0.02

    def test_guarded_at_gamma_zero_differs(self, kind, weighted):
        _, ours, native = self.pair(kind, weighted, 0.0, curvature="guarded")
        assert trees(ours) != trees(native)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["binary", pytest.param("softmax", marks=softmax_factor_two)])
class TestXGBoost:
    def pair(self, kind, weighted, gamma, rounds, curvature="exact"):
        X, y, w = table(kind, weighted)
        d = xgb.DMatrix(X, y, weight=w)
        loss = loss_of(kind, gamma)
        params = {"eta": 0.1, "max_depth": 4, "nthread": 1}
        ours = fx.train(params, d, rounds, loss=loss, curvature=curvature)
        # The same start for both: XGBoost rounds its estimate of the intercept differently.
        start = fx.Objective(loss_of(kind, 0.0)).params(y, w)
        native = xgb.train({**params, **start}, d, rounds)
        return [b.predict(d, output_margin=True) for b in (ours, native)]

    def test_margins_are_the_same(self, kind, weighted):
        ours, native = self.pair(kind, weighted, 0.0, ROUNDS)
        # The last bits of float32 gradients differ, and the differences add up over the rounds. If two
        # splits are equally good to that bit, a tree may differ: in these tables none does.
        assert_allclose(ours, native, atol=1e-5, rtol=1e-5)

    def test_gamma_two_differs(self, kind, weighted):
        ours, native = self.pair(kind, weighted, 2.0, ROUNDS)
        assert np.mean(np.abs(ours - native)) > 0.2

    def test_guarded_at_gamma_zero_differs(self, kind, weighted):
        ours, native = self.pair(kind, weighted, 0.0, ROUNDS, "guarded")
        assert np.max(np.abs(ours - native)) > 1e-2

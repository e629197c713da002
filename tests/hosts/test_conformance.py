"""XGBoost's own test routines, with focal loss in the place of what they test.

They ship as ``xgboost.testing``. LightGBM ships none; its contracts are scikit-learn's, which
test_estimators.py checks.
"""

from functools import partial

import numpy as np
import pytest
import xgboost as xgb

import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, FocalXGBClassifier
from tests.hosts import tables

pytest.importorskip("xgboost.testing")
from xgboost import testing
from xgboost.testing import basic_models, callbacks, with_skl

gammas = pytest.mark.parametrize(("gamma", "curvature"), [(0.0, "exact"), (2.0, "guarded")])
tree_methods = pytest.mark.parametrize("tree_method", ["hist", "approx", "exact"])


@pytest.fixture
def matrices():
    """Training and test rows that ten shallow rounds separate, as the routines ask."""
    X, _ = tables.binary(n=3_000)
    y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int)
    return xgb.DMatrix(X[:2_000], y[:2_000]), xgb.DMatrix(X[2_000:], y[2_000:])


@gammas
@tree_methods
def test_custom_objective(tree_method, gamma, curvature, matrices, monkeypatch):
    loss = BinaryFocalLoss(gamma, link="canonical")
    monkeypatch.setattr(testing, "logregobj", fx.Objective(loss, curvature))
    basic_models.run_custom_objective(tree_method, "cpu", *matrices)


@gammas
def test_learning_rates_of_callbacks(gamma, curvature, matrices, monkeypatch):
    loss = BinaryFocalLoss(gamma, link="canonical")
    monkeypatch.setattr(callbacks, "train", partial(fx.train, loss=loss, curvature=curvature))
    callbacks.run_eta_decay("hist", *matrices, "cpu")


@gammas
@pytest.mark.parametrize("tree_method", ["hist", "approx"])
def test_boosting_from_predictions(tree_method, gamma, curvature, binary, multiclass, monkeypatch):
    ours = partial(FocalXGBClassifier, focal_gamma=gamma, focal_curvature=curvature)
    monkeypatch.setattr(with_skl, "XGBClassifier", ours)
    with_skl.run_boost_from_prediction_binary(tree_method, "cpu", *binary, None)
    # The name is upstream's.
    with_skl.run_boost_from_prediction_multi_clasas(ours, tree_method, "cpu", *multiclass, None)


@gammas
@pytest.mark.parametrize("learning_rate", [None, 1.0])
def test_several_targets_in_one_tree(learning_rate, gamma, curvature, monkeypatch):
    multi_target = pytest.importorskip("xgboost.testing.multi_target")  # new in 3.2
    ours = partial(
        FocalXGBClassifier, focal_gamma=gamma, focal_curvature=curvature, eval_metric="logloss"
    )
    monkeypatch.setattr(multi_target, "XGBClassifier", ours)
    multi_target.run_multilabel("cpu", learning_rate)


def test_the_routines_can_fail(matrices, monkeypatch):
    def wrong(margin, _):
        return np.zeros(len(margin)), np.ones(len(margin))

    monkeypatch.setattr(testing, "logregobj", wrong)
    with pytest.raises(AssertionError):
        basic_models.run_custom_objective("hist", "cpu", *matrices)

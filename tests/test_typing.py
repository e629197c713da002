"""How the package is used. It runs, and mypy and pyright find no fault (``make types``)."""

from pathlib import Path
from typing import assert_type

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb

pytest.importorskip("sklearn")
from sklearn.model_selection import GridSearchCV

import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import (
    BinaryFocalLoss,
    FocalLGBMClassifier,
    FocalXGBClassifier,
    SoftmaxFocalLoss,
    balanced_alpha,
)
from focalboost.datasets import make_fraud
from focalboost.decisions import alerts_within_budget
from focalboost.estimators import select_gamma
from focalboost.metrics import recall_at_budget


def test_usage(tmp_path: Path) -> None:
    X_train, X_test, y_train, y_test = make_fraud(6000).split()
    file = tmp_path / "model.txt"

    # The library's parameters by name, others as they come, and a chain of calls that keeps the type.
    of_xgboost = FocalXGBClassifier(focal_gamma=1.0, max_depth=4, n_estimators=50)
    assert_type(of_xgboost.fit(X_train, y_train), FocalXGBClassifier)
    of_lightgbm = FocalLGBMClassifier(n_estimators=20, num_leaves=15, lambda_l2=1.0, verbosity=-1)
    fitted = of_lightgbm.fit(
        X_train,
        y_train,
        eval_set=[(X_test, y_test)],
        callbacks=[lgb.early_stopping(5, verbose=False), fl.ProgressBar()],
    )
    assert_type(fitted, FocalLGBMClassifier)
    fitted.save_model(file)
    assert_type(FocalLGBMClassifier().load_model(file), FocalLGBMClassifier)

    probability = fitted.predict_proba(X_test)[:, 1]
    alerts_within_budget(probability, 0.01)
    recall_at_budget(y_test, probability, 0.01)
    GridSearchCV(of_xgboost, {"focal_gamma": [0.0, 2.0]})
    select_gamma(of_lightgbm, X_train, y_train)

    loss = BinaryFocalLoss(gamma=2.0, alpha=balanced_alpha(y_train), link="canonical")
    loss.gradient_curvature(y_train, np.zeros(len(y_train)))
    params = {"max_depth": 4}
    dtrain = xgb.DMatrix(X_train, y_train)
    booster = fx.train(params, dtrain, 10, loss=loss, callbacks=[fx.ProgressBar(10)])
    assert_type(booster, xgb.Booster)
    objective = fx.Objective(loss)
    xgb.train(
        {**params, **objective.params(y_train)},
        dtrain,
        10,
        obj=objective,
        custom_metric=fx.Metric(loss),
    )
    assert_type(
        fl.train({"verbosity": -1}, lgb.Dataset(X_train, y_train), 10, loss=loss), lgb.Booster
    )
    lgb.train(
        {"objective": fl.Objective(SoftmaxFocalLoss(3)), "num_class": 3},
        lgb.Dataset(X_train, y_train),
    )

"""A program: Dask with two workers, each a process, against one machine.

The features have few values, so that one machine and two find the same histograms.
"""

import pickle
import re
import tempfile
import warnings
from pathlib import Path

import dask
import dask.array as da
import dask.dataframe as dd
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from distributed import Client, LocalCluster
from xgboost import dask as dxgb

import focalboost.xgboost as fx
from focalboost import (
    BinaryFocalLoss,
    FocalLGBMClassifier,
    FocalXGBClassifier,
    SoftmaxFocalLoss,
    metrics,
)
from focalboost.dask import DaskFocalLGBMClassifier, DaskFocalXGBClassifier, predict_proba, train
from tests.hosts import tables
from tests.hosts.models import FOCAL, SOFTMAX, XGBOOST

COLUMNS = list("abcdef")
SMALL = {"n_estimators": 8, "n_jobs": 1}
OF_XGB = SMALL | {"max_depth": 3}
# As many bins as values, in small tables too.
OF_LGBM = SMALL | {"num_leaves": 7, "verbosity": -1, "min_data_in_bin": 1, "min_child_samples": 5}


def table(make, **more):
    X, y = make(**more)
    return np.clip(np.round(2 * X), -3, 3), y, tables.weights(len(y))


def layouts(y):
    """Return in which parts the rows may lie; Dask spreads the parts over the workers."""
    by_class = np.argsort(y, kind="stable")
    cut = int((y == y.min()).sum())
    every = np.arange(len(y))
    return {
        "unequal": [every[:1800], every[1800:]],
        "one class each": [by_class[:cut], by_class[cut:]],
    }


def spread(client, arrays, rows):
    """Return Dask arrays whose i-th part is on the i-th worker."""
    workers = sorted(client.scheduler_info()["workers"])
    found = []
    for array in arrays:
        parts = [
            da.from_delayed(
                dask.delayed(client.scatter(array[r], workers=[worker], hash=False)),
                array[r].shape,
                array.dtype,
            )
            for r, worker in zip(rows, workers, strict=True)
        ]
        found.append(da.concatenate(parts))
    return found


def raises(error, text, function, *arguments, **keywords):
    with pytest.raises(error, match=re.escape(text)):
        function(*arguments, **keywords)


def xgboost_train(client):
    canonical = SoftmaxFocalLoss(3, 2.0, link="canonical")
    for loss, make in (
        (FOCAL, tables.binary),
        (SOFTMAX, tables.multiclass),
        (canonical, tables.multiclass),
    ):
        X, y, w = table(make)
        for title, rows in layouts(y).items():
            dX, dy, dw = spread(client, (X, y, w), rows)
            d = dxgb.DaskDMatrix(client, dX, dy, weight=dw)
            out = train(client, XGBOOST, d, 8, loss=loss, evals=[(d, "train")], verbose_eval=False)
            order = np.concatenate(rows)
            X_, y_, w_ = X[order], y[order], w[order]
            one = fx.train(XGBOOST, xgb.DMatrix(X_, y_, weight=w_), 8, loss=loss)
            margins = [b.predict(xgb.DMatrix(X), output_margin=True) for b in (out["booster"], one)]
            np.testing.assert_allclose(*margins, atol=2e-6, err_msg=title)
            value = metrics.focal_loss(loss, y, margins[1], w)
            np.testing.assert_allclose(out["history"]["train"]["focal_loss"][-1], value, rtol=1e-6)
            lazy = predict_proba(client, out, dX)
            eta = loss.posterior(margins[0][order])
            eta = eta if eta.ndim == 2 else np.column_stack([1 - eta, eta])
            assert lazy.shape == eta.shape
            np.testing.assert_allclose(lazy.compute(), eta, rtol=1e-6)
            more = train(client, XGBOOST, d, 2, loss=loss, xgb_model=out["booster"])
            assert more["booster"].num_boosted_rounds() == 10
    frame = dd.from_pandas(pd.DataFrame(X, columns=COLUMNS), npartitions=3)
    found = predict_proba(client, one, frame).compute()
    assert found.index.equals(frame.compute().index)
    assert found.shape == (len(X), 3)


def xgboost_refuses(client):
    X, y, w = table(tables.binary)
    halves = np.array_split(np.arange(len(y)), 2)
    bad = y.copy()
    bad[-1] = 7

    def matrix(y, w=w):
        dX, dy, dw = spread(client, (X, y, w), halves)
        return dxgb.DaskDMatrix(client, dX, dy, weight=dw)

    good = matrix(y)
    raises(ValueError, "got 7.0", train, client, {}, matrix(bad), 2, loss=FOCAL)
    raises(
        ValueError, "got 7.0", train, client, {}, good, 2, loss=FOCAL, evals=[(matrix(bad), "v")]
    )
    raises(ValueError, "only class 0", train, client, {}, matrix(0 * y), 2, loss=FOCAL)
    raises(ValueError, "weights of dtrain", train, client, {}, matrix(y, -w), 2, loss=FOCAL)
    dX = spread(client, (X,), halves)[0]
    raises(
        ValueError, "without labels", train, client, {}, dxgb.DaskDMatrix(client, dX), 2, loss=FOCAL
    )
    raises(
        TypeError, "must be an xgboost.dask", train, client, {}, xgb.DMatrix(X, y), 2, loss=FOCAL
    )
    named = {"eval_metric": "recall@0.01"}
    raises(ValueError, "recall@0.01 must be left out", train, client, named, good, 2, loss=FOCAL)
    two = dX[:, :2].map_blocks(lambda part: (part > 0).astype(float))
    two = dxgb.DaskDMatrix(client, dX, two)
    raises(ValueError, "must have one column on Dask, got 2", train, client, {}, two, 2, loss=FOCAL)
    raises(TypeError, "obj must not", train, client, {}, good, 2, loss=FOCAL, obj=None)
    raises(TypeError, "Dask array or frame", predict_proba, client, xgb.Booster(), X)
    native = xgb.train({}, xgb.DMatrix(X, y), 1)
    raises(ValueError, "one of focalboost", predict_proba, client, native, dX)
    classifier = DaskFocalXGBClassifier
    dy = spread(client, (y,), halves)[0]
    raises(TypeError, "y must be a Dask", classifier().fit, dX, y)
    raises(ValueError, "at least two classes", classifier().fit, dX, 0 * dy)
    raises(ValueError, "left out on Dask", classifier(eval_metric="recall@0.1").fit, dX, dy)
    for spread_out in (DaskFocalXGBClassifier, DaskFocalLGBMClassifier):
        fit, other = spread_out().fit, dy.rechunk(500)
        raises(ValueError, "y must have the 2 partitions of X, got 4", fit, dX, other)
        raises(ValueError, "sample_weight must have the 2", fit, dX, dy, sample_weight=other)
    raises(
        ValueError, "among the training labels", classifier().fit, dX, dy, eval_set=[(dX, dy + 1)]
    )


def estimators(client):
    X, codes, w = table(tables.multiclass)
    y = np.array(["low", "middle", "top"])[codes.astype(int)]
    for rows in layouts(codes).values():
        order = np.concatenate(rows)
        dX, dy, dw = spread(client, (X, y, w), rows)
        for spread_out, local, params in (
            (DaskFocalXGBClassifier, FocalXGBClassifier, OF_XGB),
            (DaskFocalLGBMClassifier, FocalLGBMClassifier, OF_LGBM),
        ):
            options = {"focal_alpha": "balanced", "class_weight": {"top": 2.0}} | params
            many = spread_out(**options).fit(dX, dy, sample_weight=dw)
            one = local(**options).fit(X[order], y[order], sample_weight=w[order])
            assert many.classes_.tolist() == ["low", "middle", "top"]
            np.testing.assert_allclose(many.class_prior_, one.class_prior_, rtol=1e-12)
            found = many.predict_proba(dX)
            assert isinstance(found, da.Array)
            assert found.dtype == one.predict_proba(X).dtype
            np.testing.assert_allclose(found.compute(), one.predict_proba(X[order]), atol=2e-6)
            np.testing.assert_array_equal(many.predict(dX).compute(), one.predict(X[order]))
            columns = dX.rechunk((dX.chunks[0], 3))  # parts of three columns
            alike = spread_out(**options).fit(columns, dy, sample_weight=dw)
            np.testing.assert_array_equal(alike.predict_proba(columns), found)
            assert many.decision_function(dX).compute().shape == (len(X), 3)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / ("model.ubj" if local is FocalXGBClassifier else "model.txt")
                many.save_model(path)
                loaded = local().load_model(path)
            for same in (loaded, many.to_local(), pickle.loads(pickle.dumps(many))):
                np.testing.assert_array_equal(same.predict_proba(X), many.predict_proba(X))
            assert type(many.to_local()) is local
            if spread_out is DaskFocalXGBClassifier:
                more = spread_out(**options | {"n_estimators": 2})
                more.fit(dX, dy, sample_weight=dw, xgb_model=many)
                assert more.get_booster().num_boosted_rounds() == options["n_estimators"] + 2
            many.set_params(population_prior=(0.2, 0.3, 0.5))
            moved = many.predict_proba(dX).compute()
            assert moved[:, 2].mean() > found.compute()[:, 2].mean()


def xgboost_estimator_stops(client):
    X, y, w = table(tables.binary)
    X_valid, y_valid, _ = table(tables.binary, n=900, seed=5)
    # The second worker has no validation rows.
    dX, dy, dw = spread(client, (X, y, w), np.array_split(np.arange(len(y)), 2))
    dXv, dyv = spread(client, (X_valid, y_valid), [np.arange(900), np.arange(0)])

    def wrong(y, p, sample_weight=None):
        return float(np.average((p > 0.5) != y, weights=sample_weight))

    options = OF_XGB | {"n_estimators": 200, "eval_metric": [wrong, "auc", "logloss"]}
    many = DaskFocalXGBClassifier(**options, early_stopping_rounds=5)
    many.fit(dX, dy, sample_weight=dw, eval_set=[(dXv, dyv)])
    one = FocalXGBClassifier(**options, early_stopping_rounds=5)
    one.fit(X, y, sample_weight=w, eval_set=[(X_valid, y_valid)])
    assert many.best_iteration == one.best_iteration < 199
    history, expected = many.evals_result_["validation_0"], one.evals_result_["validation_0"]
    for name in ("wrong", "logloss"):
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-9, err_msg=name)


def lightgbm_equals_its_own(client):
    """Gamma 0 with the exact curvature is the log loss of LightGBM on the same cluster."""
    X, y, w = table(tables.binary)
    for rows in layouts(y).values():
        dX, dy, dw = spread(client, (X, y, w), rows)
        native = lgb.DaskLGBMRegressor(client=client, objective="binary", **OF_LGBM)
        native.fit(dX, dy, sample_weight=dw)
        exact = {"focal_curvature": "exact"} | OF_LGBM
        ours = DaskFocalLGBMClassifier(focal_gamma=0.0, **exact).fit(dX, dy, sample_weight=dw)
        margins = [
            booster.predict(X, raw_score=True) for booster in (ours.booster_, native.booster_)
        ]
        np.testing.assert_allclose(*margins, atol=1e-6)
        focal = DaskFocalLGBMClassifier(focal_gamma=2.0, **exact).fit(dX, dy, sample_weight=dw)
        assert np.abs(focal.booster_.predict(X, raw_score=True) - margins[1]).max() > 0.1
        curve = ours.loss_by_iteration(dX, dy, dw)
        assert len(curve) == 8
        loss = BinaryFocalLoss(0.0, link="canonical")
        np.testing.assert_allclose(curve[-1], metrics.focal_loss(loss, y, margins[0], w), rtol=1e-9)
        first = ours.predict_proba(dX, num_iteration=1).compute()[:, 1]
        order = np.concatenate(rows)
        np.testing.assert_allclose(
            curve[0],
            np.average(-np.log(np.where(y[order] == 1, first, 1 - first)), weights=w[order]),
        )
    frame = pd.DataFrame(X, columns=COLUMNS).assign(y=y)
    frame = dd.from_pandas(frame, npartitions=3)
    of_frame = DaskFocalLGBMClassifier(**OF_LGBM).fit(frame[COLUMNS], frame["y"])
    found = of_frame.predict_proba(frame[COLUMNS])
    assert isinstance(found, dd.DataFrame)
    assert found.compute().index.equals(frame.compute().index)
    refused = DaskFocalLGBMClassifier(early_stopping_round=3, **OF_LGBM)
    raises(ValueError, "loss_by_iteration", refused.fit, dX, dy)
    refused = DaskFocalLGBMClassifier(**OF_LGBM)
    raises(ValueError, "eval_set and callbacks", refused.fit, dX, dy, eval_set=[(dX, dy)])
    raises(TypeError, "X must be a Dask", refused.fit, X, dy)


def one_that_is_closed(client):
    X, y, _ = table(tables.binary, n=300)
    dX, dy = da.from_array(X, chunks=(150, 6)), da.from_array(y, chunks=150)
    classifier = DaskFocalXGBClassifier(**OF_XGB)
    classifier.client = client
    client.close()
    raises(ValueError, "connected to a cluster", classifier.fit, dX, dy)
    raises(ValueError, "connected to a cluster", train, client, {}, None, 2, loss=FOCAL)


def main():
    warnings.filterwarnings("error", module="focalboost")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        with Client(cluster) as client:
            for check in (
                xgboost_train,
                xgboost_refuses,
                estimators,
                xgboost_estimator_stops,
                lightgbm_equals_its_own,
            ):
                check(client)
        with Client(cluster) as client:
            one_that_is_closed(client)


if __name__ == "__main__":
    main()

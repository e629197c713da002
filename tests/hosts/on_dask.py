"""A program, because Dask's workers are processes: XGBoost on two of them against one."""

import dask.array as da
import numpy as np
import xgboost as xgb
from distributed import Client, LocalCluster
from xgboost import dask as dxgb

import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
from tests.hosts import tables

QUICK = {"max_depth": 3, "eta": 0.3, "nthread": 1}


def check(client, loss, X, y):
    w = tables.weights(len(y))
    objective = fx.Objective(loss)
    # 700, 700 and 600 rows: a plain mean over the workers would be another number.
    parts = [da.from_array(a, chunks=(700, *a.shape[1:])) for a in (X, y, w)]
    d = dxgb.DaskDMatrix(client, parts[0], parts[1], weight=parts[2])
    out = dxgb.train(
        client,
        {**objective.params(y, w), **QUICK},
        d,
        10,
        obj=objective,
        custom_metric=fx.Metric(loss),
        evals=[(d, "train")],
    )
    one = fx.train(QUICK, xgb.DMatrix(X, y, weight=w), 10, loss=loss)
    margin = out["booster"].predict(xgb.DMatrix(X), output_margin=True)
    # Sums of gradients in another order.
    np.testing.assert_allclose(margin, one.predict(xgb.DMatrix(X), output_margin=True), atol=1e-4)
    value = fx.metrics.focal_loss(loss, y, margin, w)
    np.testing.assert_allclose(out["history"]["train"]["focal_loss"][-1], value, atol=1e-6)


if __name__ == "__main__":
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        check(client, BinaryFocalLoss(2.0), *tables.binary())
        check(client, SoftmaxFocalLoss(3, 2.0), *tables.multiclass())

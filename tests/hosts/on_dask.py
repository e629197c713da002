"""A program, because Dask's workers are processes: XGBoost on two workers against one."""

import dask.array as da
import numpy as np
import xgboost as xgb
from distributed import Client, LocalCluster
from xgboost import dask as dxgb

import focalboost.xgboost as fx
from focalboost import metrics
from tests.hosts import tables
from tests.hosts.models import FOCAL, SOFTMAX, XGBOOST


def check(client, loss, X, y):
    w = tables.weights(len(y))
    objective = fx.Objective(loss)
    # Parts of 700, 700 and 600 rows: a plain mean over the workers would give another number.
    parts = [da.from_array(a, chunks=(700, *a.shape[1:])) for a in (X, y, w)]
    d = dxgb.DaskDMatrix(client, parts[0], parts[1], weight=parts[2])
    out = dxgb.train(
        client,
        {**objective.params(y, w), **XGBOOST},
        d,
        10,
        obj=objective,
        custom_metric=fx.Metric(loss),
        evals=[(d, "train")],
    )
    one = fx.train(XGBOOST, xgb.DMatrix(X, y, weight=w), 10, loss=loss)
    margin = out["booster"].predict(xgb.DMatrix(X), output_margin=True)
    # The workers add their gradients in another order.
    np.testing.assert_allclose(margin, one.predict(xgb.DMatrix(X), output_margin=True), atol=1e-4)
    value = metrics.focal_loss(loss, y, margin, w)
    np.testing.assert_allclose(out["history"]["train"]["focal_loss"][-1], value, atol=1e-6)


if __name__ == "__main__":
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        check(client, FOCAL, *tables.binary())
        check(client, SOFTMAX, *tables.multiclass())

"""A program: a Dask worker is killed in the middle of training, on either library.

Training then ends with the library's own error, at once, and an earlier fit stays as it was.
"""

import os
import signal
import threading
import time

import dask.array as da
import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from distributed import Client, LocalCluster

from focalboost.dask import DaskFocalLGBMClassifier, DaskFocalXGBClassifier
from tests.hosts import tables


def main():
    X, y = tables.binary(40_000)
    for classifier, error in (
        (DaskFocalXGBClassifier(n_jobs=1), xgb.core.XGBoostError),
        (DaskFocalLGBMClassifier(n_jobs=1, verbosity=-1), (lgb.basic.LightGBMError, RuntimeError)),
    ):
        with (
            LocalCluster(
                n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            dX, dy = da.from_array(X, chunks=(20_000, 6)), da.from_array(y, chunks=20_000)
            classifier.set_params(n_estimators=3).fit(dX, dy)
            before = classifier.predict_proba(X)
            victim = list(client.run(os.getpid).values())[1]
            killed = []

            def kill(victim=victim, killed=killed):
                killed.append(time.monotonic())
                os.kill(victim, signal.SIGKILL)

            threading.Timer(5, kill).start()
            with pytest.raises(error):
                classifier.set_params(n_estimators=1_000_000).fit(dX, dy)
            assert killed
            assert time.monotonic() - killed[0] < 20
            np.testing.assert_array_equal(classifier.predict_proba(X), before)


if __name__ == "__main__":
    main()

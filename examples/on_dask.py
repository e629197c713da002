"""Focal loss on Dask, with XGBoost and LightGBM: two workers, on this machine or on a cluster.

    pip install -e ".[dask,lightgbm]"
    python examples/on_dask.py                                # starts two workers on this machine
    DASK_SCHEDULER=tcp://head:8786 python examples/on_dask.py # uses a cluster

The rows may be spread over the workers in any way: classes, their frequencies and the focal loss are
those of all rows. The saved models are read by FocalXGBClassifier and FocalLGBMClassifier.
"""

import os
import tempfile
from pathlib import Path

import dask.dataframe as dd
from distributed import Client, LocalCluster

from focalboost import FocalLGBMClassifier, FocalXGBClassifier
from focalboost.dask import DaskFocalLGBMClassifier, DaskFocalXGBClassifier
from focalboost.datasets import make_fraud

TARGET = "fraud"


def collections():
    """Return training and validation payments as Dask frames; yours may come from read_parquet."""
    payments = make_fraud(60_000).frame().drop(columns="time")
    cut = int(0.7 * len(payments))
    return (dd.from_pandas(part, npartitions=4) for part in (payments[:cut], payments[cut:]))


def main(client):
    """Train both libraries, and print losses and some probabilities."""
    train, valid = collections()
    X, y = train.drop(columns=TARGET), train[TARGET]
    X_valid, y_valid = valid.drop(columns=TARGET), valid[TARGET]
    with tempfile.TemporaryDirectory() as folder:
        classifier = DaskFocalXGBClassifier(
            focal_gamma=1.0, n_estimators=200, max_depth=4, early_stopping_rounds=20
        )
        classifier.client = client
        classifier.fit(X, y, eval_set=[(X_valid, y_valid)])
        curve = classifier.evals_result()["validation_0"]["focal_loss"]
        print(f"XGBoost: {classifier.best_iteration + 1} rounds, focal loss {min(curve):.5f}")
        path = Path(folder) / "model.ubj"
        classifier.save_model(path)
        print(FocalXGBClassifier().load_model(path).predict_proba(X_valid.tail())[:, 1])

        classifier = DaskFocalLGBMClassifier(
            focal_gamma=1.0, n_estimators=60, num_leaves=7, reg_lambda=1.0, verbosity=-1
        )
        classifier.client = client
        classifier.fit(X, y)  # LightGBM's workers cannot stop early together
        curve = classifier.loss_by_iteration(X_valid, y_valid)
        best = int(curve.argmin()) + 1
        print(f"LightGBM: {best} of 60 rounds are best, focal loss {curve.min():.5f}")
        probability = classifier.predict_proba(X_valid, num_iteration=best)  # lazy
        print(probability.tail()[1].to_numpy())
        path = Path(folder) / "model.txt"
        classifier.save_model(path)
        print(FocalLGBMClassifier().load_model(path).classes_)


if __name__ == "__main__":
    if address := os.environ.get("DASK_SCHEDULER"):
        with Client(address) as of_cluster:
            main(of_cluster)
    else:
        with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as local:
            main(local)

"""Focal loss on Ray Train, with XGBoost: two workers, on this machine or on a cluster.

    pip install -e ".[xgboost]" "ray[train]" pandas pyarrow
    python examples/on_ray.py                              # starts Ray on this machine
    RAY_ADDRESS=ray://head:10001 python examples/on_ray.py # uses a cluster

Each worker calls ``focalboost.xgboost.train`` with its share of the rows, which may be any share: the
starting value and the focal loss are those of all rows. If a worker dies, Ray starts the loop again and
it goes on from the last checkpoint.
"""

import os
import tempfile

os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")

import pandas as pd
import ray
import ray.data
import ray.train
import xgboost as xgb
from ray.train.xgboost import RayTrainReportCallback, XGBoostTrainer

import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss
from focalboost.datasets import make_fraud

LOSS = BinaryFocalLoss(gamma=1.0, link="canonical")  # predict() then gives probabilities anywhere
WORKERS = int(os.environ.get("WORKERS", "2"))
ROUNDS = int(os.environ.get("ROUNDS", "50"))


def loop(config):
    """Train on this worker's rows; Ray runs it on all workers at once."""

    def shard(name):
        table = ray.train.get_dataset_shard(name).materialize().to_pandas()
        return xgb.DMatrix(table.drop(columns="fraud"), table["fraud"])

    before, done = None, 0
    if checkpoint := ray.train.get_checkpoint():  # after a worker was lost
        before = RayTrainReportCallback.get_model(checkpoint)
        done = before.num_boosted_rounds()
    fx.train(
        {"max_depth": 4, "eta": 0.1},
        shard("train"),
        config["rounds"] - done,
        loss=LOSS,
        evals=[(shard("valid"), "valid")],
        callbacks=[RayTrainReportCallback(frequency=10)],
        xgb_model=before,
        verbose_eval=False,
    )


def main():
    """Train on simulated card payments, and print the loss and some probabilities."""
    payments = make_fraud(60_000).frame().drop(columns="time")
    cut = int(0.7 * len(payments))
    train, valid = payments[:cut], payments[cut:]
    address = os.environ.get("RAY_ADDRESS")
    # On this machine: one for each worker, and some for Ray Data, which hands them their rows.
    ray.init(address, num_cpus=None if address else WORKERS + 2, log_to_driver=False)
    trainer = XGBoostTrainer(
        loop,
        train_loop_config={"rounds": ROUNDS},
        datasets={"train": ray.data.from_pandas(train), "valid": ray.data.from_pandas(valid)},
        scaling_config=ray.train.ScalingConfig(num_workers=WORKERS),
        run_config=ray.train.RunConfig(
            storage_path=os.environ.get(
                "STORAGE", tempfile.mkdtemp()
            ),  # of all machines, on a cluster
            failure_config=ray.train.FailureConfig(max_failures=2),
        ),
    )
    result = trainer.fit()
    booster = RayTrainReportCallback.get_model(result.checkpoint)
    print("focal loss of the validation rows:", round(result.metrics["valid-focal_loss"], 5))
    probability = booster.predict(xgb.DMatrix(valid.drop(columns="fraud")))
    print(pd.DataFrame({"fraud": valid["fraud"], "probability": probability}).tail())
    expected, came = probability.sum(), valid["fraud"].sum()
    print(f"{expected:.0f} frauds expected, {came} came")
    ray.shutdown()


if __name__ == "__main__":
    main()

"""A program: Ray Train with two workers against one machine, and a worker that is killed."""

import os
import tempfile
from pathlib import Path

os.environ |= {"RAY_TRAIN_V2_ENABLED": "1", "RAY_USAGE_STATS_ENABLED": "0"}

import numpy as np
import ray
import ray.train
import xgboost as xgb
from ray.train.xgboost import RayTrainReportCallback, XGBoostTrainer

import focalboost.xgboost as fx
from tests.hosts import tables
from tests.hosts.models import FOCAL, SOFTMAX, XGBOOST


class Dies(xgb.callback.TrainingCallback):
    """Ends the process of the second worker after the sixth round, once."""

    def __init__(self, mark):
        self.mark = mark

    def after_iteration(self, model, epoch, evals_log):  # noqa: ARG002
        if epoch == 5 and ray.train.get_context().get_world_rank() == 1 and not self.mark.exists():
            self.mark.touch()
            os._exit(1)
        return False


def matrix(arrays):
    X, y, *weight = arrays
    return xgb.DMatrix(X, y, weight=weight[0] if weight else None)


def loop(config):
    rank = ray.train.get_context().get_world_rank()
    d, v = (matrix([a[rank] for a in config[name]]) for name in ("train", "valid"))
    before, done = None, 0
    if checkpoint := ray.train.get_checkpoint():
        before = RayTrainReportCallback.get_model(checkpoint)
        done = before.num_boosted_rounds()
    callbacks = [RayTrainReportCallback(frequency=2)]
    if config["mark"]:
        callbacks.append(Dies(Path(config["mark"])))
    fx.train(
        XGBOOST,
        d,
        config["rounds"] - done,
        loss=config["loss"],
        evals=[(v, "v")],
        early_stopping_rounds=config["patience"],
        verbose_eval=False,
        callbacks=callbacks,
        xgb_model=before,
    )


def on_two(folder, train, valid, loss, rounds, patience=None, mark=None):
    config = {"train": train, "valid": valid, "loss": loss, "rounds": rounds}
    trainer = XGBoostTrainer(
        loop,
        train_loop_config=config | {"patience": patience, "mark": mark},
        scaling_config=ray.train.ScalingConfig(num_workers=2),
        run_config=ray.train.RunConfig(
            storage_path=folder, failure_config=ray.train.FailureConfig(max_failures=1)
        ),
    )
    result = trainer.fit()
    return RayTrainReportCallback.get_model(result.checkpoint), result.metrics


def main():
    with tempfile.TemporaryDirectory() as folder:
        ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        for loss, make in ((FOCAL, tables.binary), (SOFTMAX, tables.multiclass)):
            X, y = make()
            X, w = X.round(1), tables.weights(len(y))
            first = np.arange(1500)
            by_class = first[np.argsort(y[:1500], kind="stable")]
            cut = int((y[:1500] == 0).sum())
            train = tables.split(
                (X, y, w), (by_class[:cut], by_class[cut:])
            )  # one class on the first
            valid = tables.split((X, y), (np.arange(1500, 1600), np.arange(1600, 2000)))
            history = {}
            d = xgb.DMatrix(X[by_class], y[by_class], weight=w[by_class])
            v = xgb.DMatrix(X[1500:], y[1500:])
            one = fx.train(
                XGBOOST,
                d,
                100,
                loss=loss,
                evals=[(v, "v")],
                evals_result=history,
                early_stopping_rounds=5,
                verbose_eval=False,
            )
            model, reported = on_two(folder, train, valid, loss, 100, patience=5)
            assert model.num_boosted_rounds() == one.num_boosted_rounds() < 100
            margins = (m.predict(v, output_margin=True) for m in (model, one))
            np.testing.assert_allclose(*margins, atol=5e-6)
            np.testing.assert_allclose(
                reported["v-focal_loss"], history["v"]["focal_loss"][-1], rtol=1e-9
            )
        mark = Path(folder) / "killed"
        resumed, _ = on_two(folder, train, valid, SOFTMAX, 10, mark=str(mark))
        assert mark.exists()
        straight = fx.train(XGBOOST, d, 10, loss=SOFTMAX, verbose_eval=False)
        assert resumed.num_boosted_rounds() == 10
        margins = (m.predict(v, output_margin=True) for m in (resumed, straight))
        np.testing.assert_allclose(*margins, atol=5e-6)
        ray.shutdown()


if __name__ == "__main__":
    main()

"""How time and memory of a round grow with rows, beside the native loss and a trivial Python objective.

    python benchmarks/scale.py [--rows 100000 1000000 10000000] [--classes 2 10] [--rounds 10]
    python benchmarks/scale.py --workers 1 2 [--rows ...]

A trivial objective returns arrays that it made once: what it costs, any Python objective costs. Each
case is a process of its own; its memory is the process's peak. With ``--workers`` on Dask: that many
processes of one thread each on this machine, and the peak of the largest. The exponent is the slope of
the logarithm of time against that of rows: 1 is proportional.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import subprocess
import sys
import time
from functools import cache, partial
from typing import Any

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from rich.console import Console
from rich.progress import track
from rich.table import Table
from train import data

import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss

HOSTS = ("XGBoost", "LightGBM")
KINDS = ("native", "trivial", "focal")


def trivial(a: Any, b: Any, *_: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return gradient and curvature that depend on the shape of the margins alone."""
    margin = b if isinstance(b, np.ndarray) else a  # (y, margin) or (margin, data)
    return _constants(np.shape(margin), "C" if isinstance(b, xgb.DMatrix) else "F")


@cache
def _constants(shape: tuple[int, ...], order: Any) -> tuple[np.ndarray, np.ndarray]:
    g = np.random.default_rng(0).random(shape, dtype=np.float32) - np.float32(0.5)
    return np.asarray(g, order=order), np.ones(shape, np.float32, order=order)


def case(host: str, kind: str, n: int, classes: int, rounds: int) -> tuple[float, float]:
    """Return seconds per round and the peak of memory in MiB."""
    X, y = data(n, classes)
    loss: Any = BinaryFocalLoss(2.0) if classes == 2 else SoftmaxFocalLoss(classes, 2.0)
    many = {"num_class": classes} if classes > 2 else {}
    stamps: list[float] = []

    def stamp(*_: Any) -> None:
        stamps.append(time.perf_counter())

    if host == "XGBoost":

        class Stamp(xgb.callback.TrainingCallback):
            def after_iteration(self, *_: Any) -> bool:
                stamp()
                return False

        d = xgb.QuantileDMatrix(X, y)
        del X
        params = {"max_depth": 6} | many
        named = params | {"objective": "multi:softprob" if many else "binary:logistic"}
        if kind == "focal":
            fx.train(params, d, rounds, loss=loss, callbacks=[Stamp()])
        else:
            obj = trivial if kind == "trivial" else None
            xgb.train(named, d, rounds, obj=obj, callbacks=[Stamp()])
    else:
        quiet = {"verbosity": -1}
        params = quiet | many
        dataset = lgb.Dataset(X, y, params=quiet).construct()
        del X
        if kind == "focal":
            fl.train(params, dataset, rounds, loss=loss, callbacks=[stamp])
        else:
            own = "multiclass" if many else "binary"
            objective: Any = trivial if kind == "trivial" else own
            lgb.train(params | {"objective": objective}, dataset, rounds, callbacks=[stamp])
    return float(np.median(np.diff(stamps))), peak_of_process()


def peak_of_process() -> float:
    """Return the largest memory that this process had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def on_dask(
    host: str, kind: str, n: int, classes: int, rounds: int, workers: int
) -> tuple[float, float]:
    """Return seconds per round and the peak of the worker that has the most, in MiB."""
    import dask.array as da
    from distributed import Client, LocalCluster
    from xgboost import dask as dxgb

    from focalboost.dask import DaskFocalLGBMClassifier, train

    loss: Any = BinaryFocalLoss(2.0) if classes == 2 else SoftmaxFocalLoss(classes, 2.0)
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        X, y = data(n, classes)
        rows = -(-n // workers)
        X, y = client.persist([da.from_array(X, (rows, 20)), da.from_array(y, rows)])
        many = {"num_class": classes} if classes > 2 else {}

        def fit(n_rounds: int) -> None:
            if host == "XGBoost":
                params = {"max_depth": 6} | many
                named = params | {"objective": "multi:softprob" if many else "binary:logistic"}
                if kind == "focal":
                    train(client, params, d, n_rounds, loss=loss)
                else:
                    obj = trivial if kind == "trivial" else None
                    dxgb.train(client, named, d, n_rounds, obj=obj)
                return
            options = {"n_estimators": n_rounds, "num_threads": 1, "verbosity": -1}
            if kind == "focal":
                estimator: Any = DaskFocalLGBMClassifier(focal_gamma=2.0, **options)
            elif kind == "native":
                estimator = lgb.DaskLGBMClassifier(**options)
            else:
                options |= many | {"metric": "None"}
                estimator = lgb.DaskLGBMRegressor(objective=trivial, **options)
            estimator.fit(X, y)

        d = dxgb.DaskQuantileDMatrix(client, X, y) if host == "XGBoost" else None
        fit(2)
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            fit(2)
            middle = time.perf_counter()
            fit(2 + rounds)
            seconds.append((time.perf_counter() - middle - (middle - start)) / rounds)
        return float(np.median(seconds)), max(client.run(peak_of_process).values())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 10])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--workers", type=int, nargs="+", default=[0])
    parser.add_argument("--case", nargs=5, metavar=("HOST", "KIND", "ROWS", "CLASSES", "WORKERS"))
    options = parser.parse_args()
    if options.case:
        host, kind, *numbers = options.case
        n, k, workers = map(int, numbers)
        run = partial(on_dask, workers=workers) if workers else case
        print(*run(host, kind, n, k, options.rounds))
        return
    table = Table(title="one round, and the peak of a process", title_justify="left")
    for column in ("library", "workers", "classes", "rows", "native, ms", "trivial", "focal"):
        table.add_column(column, justify="left" if column == "library" else "right")
    for column in ("trivial, bytes", "focal, bytes", "exponent, native", "focal"):
        table.add_column(column, justify="right")
    found: dict[tuple[str, int, int, int, str], tuple[float, float]] = {}
    tables = list(itertools.product(HOSTS, options.classes, options.workers))
    grid = list(itertools.product(tables, options.rows, KINDS))
    for (host, k, workers), n, kind in track(grid):
        given = ["--case", host, kind, *map(str, (n, k, workers, "--rounds", options.rounds))]
        run = subprocess.run(
            [sys.executable, __file__, *given], capture_output=True, text=True, check=True
        )
        seconds, peak = run.stdout.split()[-2:]
        found[host, k, workers, n, kind] = float(seconds), float(peak)
    for host, k, workers in tables:
        for i, n in enumerate(options.rows):
            native, trivial, focal = (found[host, k, workers, n, kind] for kind in KINDS)
            margins = n * (k if k > 2 else 1) / max(workers, 1)
            row = [host, f"{workers or '-'}", f"{k}", f"{n:,}", f"{1e3 * native[0]:.1f}"]
            row += [f"{t / native[0]:.2f}" for t, _ in (trivial, focal)]
            row += [f"{(peak - native[1]) * 2**20 / margins:.0f}" for _, peak in (trivial, focal)]
            if i:
                before = options.rows[i - 1]
                for kind in ("native", "focal"):
                    growth = (
                        found[host, k, workers, n, kind][0]
                        / found[host, k, workers, before, kind][0]
                    )
                    row.append(f"{np.log(growth) / np.log(n / before):.2f}")
            table.add_row(*row)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()

"""How time and memory of a round grow with rows, beside the native loss and a trivial Python objective.

    python benchmarks/scale.py [--rows 100000 1000000 10000000] [--classes 2 10] [--rounds 10]

A trivial objective returns arrays that it made once: what it costs, any Python objective costs. Each
case is a process of its own; its memory is the process's peak. The exponent is the slope of the
logarithm of time against that of rows: 1 is proportional.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import subprocess
import sys
import time
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


def case(host: str, kind: str, n: int, classes: int, rounds: int) -> tuple[float, float]:
    """Return seconds per round and the peak of memory in MiB."""
    X, y = data(n, classes)
    loss: Any = BinaryFocalLoss(2.0) if classes == 2 else SoftmaxFocalLoss(classes, 2.0)
    shape = (n,) if classes == 2 else (n, classes)
    many = {"num_class": classes} if classes > 2 else {}
    constant: list[np.ndarray] = []

    def trivial(*_: Any) -> list[np.ndarray]:
        if not constant:
            g = np.random.default_rng(0).random(shape, dtype=np.float32) - np.float32(0.5)
            constant.extend([np.asarray(g, order=order), np.ones_like(g, order=order)])
        return constant

    order: Any = "C" if host == "XGBoost" else "F"
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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return float(np.median(np.diff(stamps))), peak


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 10])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--case", nargs=4, metavar=("HOST", "KIND", "ROWS", "CLASSES"))
    options = parser.parse_args()
    if options.case:
        host, kind, n, k = options.case
        print(*case(host, kind, int(n), int(k), options.rounds))
        return
    table = Table(title="one round, and the peak of the process", title_justify="left")
    for column in ("library", "classes", "rows", "native, ms", "trivial", "focal"):
        table.add_column(column, justify="left" if column == "library" else "right")
    for column in ("trivial, bytes", "focal, bytes", "exponent, native", "focal"):
        table.add_column(column, justify="right")
    found: dict[tuple[str, int, int, str], tuple[float, float]] = {}
    grid = list(itertools.product(HOSTS, options.classes, options.rows, KINDS))
    for host, k, n, kind in track(grid):
        given = ["--case", host, kind, str(n), str(k), "--rounds", str(options.rounds)]
        run = subprocess.run(
            [sys.executable, __file__, *given], capture_output=True, text=True, check=True
        )
        seconds, peak = run.stdout.split()[-2:]
        found[host, k, n, kind] = float(seconds), float(peak)
    for host, k in itertools.product(HOSTS, options.classes):
        for i, n in enumerate(options.rows):
            native, trivial, focal = (found[host, k, n, kind] for kind in KINDS)
            margins = n * (k if k > 2 else 1)
            row = [host, f"{k}", f"{n:,}", f"{1e3 * native[0]:.1f}"]
            row += [f"{t / native[0]:.2f}" for t, _ in (trivial, focal)]
            row += [f"{(peak - native[1]) * 2**20 / margins:.0f}" for _, peak in (trivial, focal)]
            if i:
                before = options.rows[i - 1]
                for kind in ("native", "focal"):
                    growth = found[host, k, n, kind][0] / found[host, k, before, kind][0]
                    row.append(f"{np.log(growth) / np.log(n / before):.2f}")
            table.add_row(*row)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()

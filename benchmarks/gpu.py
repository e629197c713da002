"""What a boosting round costs on a GPU with focal loss, beside XGBoost's own log loss.

    python benchmarks/gpu.py [--rows N] [--device cuda]

Four ways to the gradient: formulas in NumPy, the compiled kernel on the CPU, the kernel on the device,
and the loop over arrays in which margins never leave the device. Then the device's kernel alone, as a
share of the bandwidth of a copy on the device. ``--device cpu`` runs the parts that need no device, to
try the script. The exit status is 2 without the device that was asked for.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import xgboost as xgb
from rich.console import Console
from rich.table import Table
from timing import medians
from train import data

import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
from focalboost._kernel import VARIABLE, cuda

ROUNDS = 50


def commands_for(n: int, classes: int, device: str) -> dict[str, Callable[[], object]]:
    """Return the trainings to compare, XGBoost's own first; one QuantileDMatrix serves all."""
    to_device = cuda.cupy().asarray if device != "cpu" else np.asarray
    X, y = map(to_device, data(n, classes))
    d = xgb.QuantileDMatrix(X, y)
    params: dict[str, Any] = {"device": device, "max_depth": 6}
    many = {"num_class": classes} if classes > 2 else {}
    own = {"objective": "multi:softprob" if classes > 2 else "binary:logistic"} | many
    loss: Any = SoftmaxFocalLoss(classes, 2.0) if classes > 2 else BinaryFocalLoss(2.0)
    on_host = fx.Objective(loss)
    start = on_host.params(np.asarray(d.get_label()))

    def from_host(kernel: str) -> None:
        os.environ[VARIABLE] = kernel
        xgb.train(params | start, d, ROUNDS, obj=on_host)
        os.environ[VARIABLE] = "auto"

    commands: dict[str, Callable[[], object]] = {
        "XGBoost's own log loss": lambda: xgb.train(params | own, d, ROUNDS),
        "focal, NumPy on the CPU": lambda: from_host("numpy"),
        "focal, kernel on the CPU": lambda: from_host("auto"),
        "focal, loop over arrays": lambda: fx.train(
            params, fx.Arrays(X, y), ROUNDS, loss=loss, verbose_eval=False
        ),
        # The line above builds a QuantileDMatrix in each run; its time is subtracted.
        "the QuantileDMatrix of that loop": lambda: xgb.QuantileDMatrix(X, y),
    }
    if device != "cpu":
        commands["focal, kernel on the device"] = lambda: fx.train(params, d, ROUNDS, loss=loss)
    return commands


def rounds(n: int, classes: int, device: str, repeats: int) -> Table:
    """Return the table of whole rounds."""
    times = medians(commands_for(n, classes, device), repeats)
    once = times.pop("the QuantileDMatrix of that loop")
    times["focal, loop over arrays"] -= once
    own = times["XGBoost's own log loss"]
    table = Table(
        title=f"{n:,} rows x 20 features, {classes} classes, device {device}", title_justify="left"
    )
    table.add_column("training")
    for column in ("ms per round", "ratio"):
        table.add_column(column, justify="right")
    for name, seconds in times.items():
        table.add_row(name, f"{1e3 * seconds / ROUNDS:.2f}", f"{seconds / own:.2f}")
    return table


def bandwidth(n: int, repeats: int) -> Table:
    """Return the table of the kernel alone: margins, labels in; gradient and curvature out."""
    cp = cuda.cupy()
    rng = np.random.default_rng(0)
    table = Table(title=f"the kernel on the device, {n:,} rows", title_justify="left")
    table.add_column("loss")
    for column in ("GB/s", "share of a copy"):
        table.add_column(column, justify="right")

    def rate(call: Callable[[], object], moved: int) -> float:
        times = []
        for _ in range(repeats + 3):
            begin, end = cp.cuda.Event(), cp.cuda.Event()
            begin.record()
            call()
            end.record()
            end.synchronize()
            times.append(1e-3 * cp.cuda.get_elapsed_time(begin, end))
        return float(moved / np.median(times[3:]) / 1e9)

    for k, gamma in ((2, 2.0), (2, 1.7), (5, 2.0)):
        loss: Any = BinaryFocalLoss(gamma) if k == 2 else SoftmaxFocalLoss(k, gamma)
        rows = n if k == 2 else n // k
        shape = (rows,) if k == 2 else (rows, k)
        margin = cp.asarray(rng.normal(size=shape).astype(np.float32))
        objective = fx.Objective(loss, device="cuda")
        labelled = objective.rows(rng.integers(0, k, rows), None, shape)
        out = cp.empty_like(margin)
        copy = rate(lambda out=out, z=margin: cp.copyto(out, z), 2 * margin.nbytes)
        moved = 3 * margin.nbytes + 4 * rows
        ours = rate(lambda r=labelled, o=objective, z=margin: o.derivatives(r, z), moved)
        table.add_row(repr(loss), f"{ours:.0f}", f"{ours / copy:.2f}")
    return table


def main(arguments: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    console = Console(width=100)
    if options.device != "cpu":
        try:
            cp = cuda.cupy()
        except (ImportError, RuntimeError) as error:
            print(error, file=sys.stderr)
            return 2
        if not xgb.build_info().get("USE_CUDA"):
            print("XGBoost must be built for CUDA, and this one is not", file=sys.stderr)
            return 2
        name = cp.cuda.runtime.getDeviceProperties(0)["name"].decode()
        console.print(f"{name}, XGBoost {xgb.__version__}, CuPy {cp.__version__}")
    for classes, rows in ((2, options.rows), (5, options.rows // 5)):
        console.print(rounds(rows, classes, options.device, options.repeats))
    if options.device != "cpu":
        console.print(bandwidth(10 * options.rows, 20))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

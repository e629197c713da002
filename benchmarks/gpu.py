"""What a boosting round costs on a GPU with focal loss, beside XGBoost's own log loss.

    python benchmarks/gpu.py [--rows N] [--link focal] [--device cuda]

Four ways to the gradient: formulas in NumPy (up to two million margins), the compiled kernel on the CPU,
the kernel on the device, and the loop over arrays in which margins never leave the device. Then the
device's kernel alone, as a share of the bandwidth of a copy on the device. ``--device cpu`` runs the
parts that need no device, to try the script. The exit status is 2 without the device that was asked for.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Callable
from functools import partial
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
from focalboost.losses import FocalLoss

MANY, FEW = 40, 8  # rounds
MOST_FOR_NUMPY = 2_000_000  # margins


def trainings(n: int, classes: int, link: str, device: str) -> dict[str, Callable[[int], object]]:
    """Return the trainings to compare, by the number of rounds; XGBoost's own is the first."""
    to_device = cuda.cupy().asarray if device != "cpu" else np.asarray
    X, y = map(to_device, data(n, classes))
    d = xgb.QuantileDMatrix(X, y)
    params: dict[str, Any] = {"device": device, "max_depth": 6}
    many = {"num_class": classes} if classes > 2 else {}
    own = {"objective": "multi:softprob" if classes > 2 else "binary:logistic"} | many
    loss = focal(classes, 2.0, link)
    on_host = fx.Objective(loss)
    start = on_host.params(np.asarray(d.get_label()))

    def from_host(number: int, kernel: str) -> None:
        os.environ[VARIABLE] = kernel
        xgb.train(params | start, d, number, obj=on_host)
        os.environ[VARIABLE] = "auto"

    commands: dict[str, Callable[[int], object]] = {
        "XGBoost's own log loss": lambda number: xgb.train(params | own, d, number),
        "focal, loop over arrays": lambda number: fx.train(
            params, fx.Arrays(X, y), number, loss=loss, verbose_eval=False
        ),
    }
    if device != "cpu":
        commands["focal, kernel on the device"] = lambda number: fx.train(
            params, d, number, loss=loss
        )
    commands["focal, kernel on the CPU"] = lambda number: from_host(number, "auto")
    if n * (classes if classes > 2 else 1) <= MOST_FOR_NUMPY:
        commands["focal, NumPy on the CPU"] = lambda number: from_host(number, "numpy")
    return commands


def focal(classes: int, gamma: float, link: Any) -> FocalLoss:
    """Return the loss of so many classes."""
    if classes > 2:
        return SoftmaxFocalLoss(classes, gamma, link=link)
    return BinaryFocalLoss(gamma, link=link)


def rounds(n: int, classes: int, link: str, device: str, repeats: int) -> Table:
    """Return the table of a round: a long run minus a short one, without what happens once."""
    commands = trainings(n, classes, link, device)
    runs = {
        (name, number): partial(train, number)
        for name, train in commands.items()
        for number in (MANY, FEW)
    }
    times = medians(runs, repeats)
    per_round = {name: (times[name, MANY] - times[name, FEW]) / (MANY - FEW) for name in commands}
    own = per_round["XGBoost's own log loss"]
    table = Table(
        title=f"{n:,} rows x 20 features, {classes} classes, link {link}, device {device}",
        title_justify="left",
    )
    table.add_column("training")
    for column in ("ms per round", "ratio"):
        table.add_column(column, justify="right")
    for name, seconds in per_round.items():
        table.add_row(name, f"{1e3 * seconds:.2f}", f"{seconds / own:.2f}")
    return table


def bandwidth(n: int, repeats: int) -> Table:
    """Return the table of the kernel alone: margins, labels in; gradient and curvature out."""
    cp = cuda.cupy()
    rng = cp.random.default_rng(0)
    table = Table(title=f"the kernel on the device, {n:,} margins", title_justify="left")
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

    for k, link in itertools.product((2, 5, 20, 100), ("focal", "canonical")):
        loss = focal(k, 2.0, link)
        shape = (n,) if k == 2 else (n // k, k)
        margin = rng.standard_normal(shape, dtype=cp.float32)
        objective = fx.Objective(loss, device="cuda")
        labelled = objective.rows(rng.integers(0, k, shape[0], dtype=cp.int32), None, shape)
        out = cp.empty_like(margin)
        copy = rate(lambda out=out, z=margin: cp.copyto(out, z), 2 * margin.nbytes)
        moved = 3 * margin.nbytes + 4 * shape[0]
        ours = rate(lambda r=labelled, o=objective, z=margin: o.derivatives(r, z), moved)
        table.add_row(f"{k} classes, link {link}", f"{ours:.0f}", f"{ours / copy:.2f}")
    return table


def main(arguments: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--link", default="focal", choices=["focal", "canonical"])
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
        console.print(rounds(rows, classes, options.link, options.device, options.repeats))
    if options.device != "cpu":
        console.print(bandwidth(100_000_000, 20))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

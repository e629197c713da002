"""What gradient and curvature cost a row, compared with copying the same bytes and with code from blogs.

    python benchmarks/kernel.py [--rows N]

One thread, float32 in and out as XGBoost asks, unless the line says double (LightGBM's margins).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from timing import medians

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss, _kernel
from focalboost._curvature import FLOOR
from focalboost._rounds import for_trees
from focalboost.losses import FocalLoss


def textbook(gamma: float) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return the objective that is passed around: score, clip, powers, in double."""

    def objective(y: Any, margin: Any) -> tuple[Any, Any]:
        p = np.clip(1 / (1 + np.exp(-margin)), 1e-15, 1 - 1e-15)
        pt = np.where(y == 1, p, 1 - p)
        sign = np.where(y == 1, 1, -1)
        q = 1 - pt
        gradient = -sign * q**gamma * (q - gamma * pt * np.log(pt))
        hessian = pt * q**gamma * ((1 + 2 * gamma) * q + gamma * (q - gamma * pt) * np.log(pt))
        return gradient, hessian

    return objective


def with_path(path: str, command: Callable[[], object]) -> Callable[[], object]:
    """Return the command with another path through the kernel."""

    def run() -> object:
        before = os.environ.get(_kernel.VARIABLE)
        os.environ[_kernel.VARIABLE] = path
        try:
            return command()
        finally:
            os.environ.pop(_kernel.VARIABLE)
            if before is not None:
                os.environ[_kernel.VARIABLE] = before

    return run


def fused(loss: FocalLoss, y: Any, margin: Any, curvature: Any = "guarded") -> Callable[[], object]:
    """Return the call that the objectives make, on one thread and into new arrays."""
    order: Any = "F" if margin.flags.f_contiguous and margin.ndim == 2 else "C"
    return lambda: for_trees(loss, y, margin, None, curvature, order=order, n_threads=1)


def into_existing(loss: FocalLoss, y: Any, margin: Any) -> Callable[[], object]:
    """Return the call of the compiled kernel that writes into existing arrays."""
    options: dict[str, Any] = {"binary": True, "curvature": "guarded", "floor": FLOOR}
    options["out"] = tuple(np.zeros(margin.shape, np.float32) for _ in range(2))
    return lambda: _kernel.derivatives(y, margin, None, loss.gammas, loss.alphas, **options)


def report(title: str, times: dict[str, float], values: int, unit: str) -> None:
    """Print a table of ns and ratios to the first line."""
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    table.add_column(f"ns per {unit}", justify="right")
    table.add_column("ratio", justify="right")
    first = next(iter(times.values()))
    for name, seconds in times.items():
        table.add_row(name, f"{1e9 * seconds / values:.2f}", f"{seconds / first:.2f}")
    Console(width=90).print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    n, rng = options.rows, np.random.default_rng(0)
    print(f"kernel: {_kernel.chosen()}")

    z = rng.normal(-3, 2, n).astype(np.float32)
    y = (rng.random(n) < 0.05).astype(np.float32)
    two, wide = BinaryFocalLoss(2.0), z.astype(np.float64)
    source = np.concatenate([z, y])
    target = np.zeros_like(source)

    commands: dict[str, Callable[[], object]] = {
        "copy of the same bytes": source.copy,
        "the same, into an existing array": lambda: np.copyto(target, source),
        "guarded, gamma 2": fused(two, y, z),
        "the same, into existing arrays": into_existing(two, y, z),
        "guarded, gamma 1.7": fused(BinaryFocalLoss(1.7), y, z),
        "exact, gamma 2": fused(two, y, z, "exact"),
        "canonical link, gamma 2": fused(BinaryFocalLoss(2.0, link="canonical"), y, z),
        "canonical link, gamma 1.7": fused(BinaryFocalLoss(1.7, link="canonical"), y, z),
        "guarded, gamma 2, double margins": fused(two, y, wide),
        "canonical link, double margins": fused(BinaryFocalLoss(2.0, link="canonical"), y, wide),
        "guarded, gamma 2, NumPy": with_path("numpy", fused(two, y, z)),
        "exact, gamma 2, NumPy": with_path("numpy", fused(two, y, z, "exact")),
        "textbook, exact, double": lambda: textbook(2.0)(y, wide),
        "textbook, exact, float32": lambda: textbook(2.0)(y, z),
    }
    report(f"binary, {n:,} rows", medians(commands, options.repeats), n, "row")

    for k in (5, 20):
        rows = n // k
        margins = rng.normal(0, 2, (rows, k)).astype(np.float32)
        labels = rng.integers(0, k, rows).astype(np.float32)
        flat, loss = margins.ravel(), SoftmaxFocalLoss(k, 2.0)
        by_class, canonical = np.asfortranarray(margins), SoftmaxFocalLoss(k, 2.0, link="canonical")
        commands = {
            # In: the margins. Out: twice as much.
            "copy of the same bytes": lambda flat=flat: (
                flat.copy(),
                flat[: flat.size // 2].copy(),
            ),
            "guarded, C order": fused(loss, labels, margins),
            "guarded, F order": fused(loss, labels, by_class),
            "exact, C order": fused(loss, labels, margins, "exact"),
            "canonical link, C order": fused(canonical, labels, margins),
            "canonical link, F order": fused(canonical, labels, by_class),
            "guarded, F order, double": fused(loss, labels, by_class.astype(np.float64)),
            "guarded, C order, NumPy": with_path("numpy", fused(loss, labels, margins)),
        }
        times = medians(commands, options.repeats)
        report(f"softmax, {rows:,} rows x {k} classes", times, rows * k, "row and class")


if __name__ == "__main__":
    main()

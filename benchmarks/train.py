"""What a whole boosting round costs with focal loss, beside the library's own log loss.

    python benchmarks/train.py [--rows N] [--threads T]

Also beside what else people use, where it is installed: the textbook objective, CatBoost's Focal against
its own Logloss, and the objective of imbalance-xgboost. The last lines split one XGBoost round.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from kernel import textbook
from rich.console import Console
from rich.table import Table
from timing import medians

import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss

ROUNDS = 40


def data(n: int, classes: int) -> tuple[Any, Any]:
    """20 features and labels that depend on a few of them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 20)).astype(np.float32)
    signal = X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=n)
    cuts = [3.0] if classes == 2 else np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1])
    return X, np.searchsorted(cuts, signal).astype(np.float32)


def commands_for(n: int, classes: int, threads: int) -> dict[str, Callable[[], object]]:
    """Return the trainings to compare; the library's own comes before what is compared to it."""
    X, y = data(n, classes)
    d = xgb.QuantileDMatrix(X, y, nthread=threads)
    of_lgb = {"verbosity": -1, "num_leaves": 63, "num_threads": threads}
    many = {"num_class": classes} if classes > 2 else {}
    dataset = lgb.Dataset(X, y, params=of_lgb).construct()
    of_xgb = {"max_depth": 6, "nthread": threads}
    loss: Any = SoftmaxFocalLoss(classes, 2.0) if classes > 2 else BinaryFocalLoss(2.0)
    canonical = dataclasses.replace(loss, link="canonical")
    own_xgb = {"objective": "multi:softprob" if classes > 2 else "binary:logistic"} | many
    own_lgb = {"objective": "multiclass" if classes > 2 else "binary"} | many
    commands: dict[str, Callable[[], object]] = {
        "XGBoost, log loss": lambda: xgb.train(of_xgb | own_xgb, d, ROUNDS),
        "XGBoost, focal": lambda: fx.train(of_xgb, d, ROUNDS, loss=loss),
        "XGBoost, canonical link": lambda: fx.train(of_xgb, d, ROUNDS, loss=canonical),
        "LightGBM, log loss": lambda: lgb.train(of_lgb | own_lgb, dataset, ROUNDS),
        "LightGBM, focal": lambda: fl.train(of_lgb, dataset, ROUNDS, loss=loss),
        "LightGBM, canonical link": lambda: fl.train(of_lgb, dataset, ROUNDS, loss=canonical),
    }
    if classes > 2:
        return commands
    blog = textbook(2.0)
    commands["XGBoost, textbook"] = lambda: xgb.train(
        of_xgb, d, ROUNDS, obj=lambda z, data: blog(data.get_label(), z)
    )
    commands["LightGBM, textbook"] = lambda: lgb.train(
        of_lgb | {"objective": lambda z, data: blog(data.get_label(), z)}, dataset, ROUNDS
    )
    try:
        from imxgboost.focal_loss import Focal_Binary_Loss

        theirs = Focal_Binary_Loss(gamma_indct=2.0)
        commands["XGBoost, imbalance-xgboost"] = lambda: xgb.train(
            of_xgb, d, ROUNDS, obj=theirs.focal_binary_object
        )
    except ImportError:
        pass
    try:
        import catboost

        pool = catboost.Pool(X, y)
        common = {"iterations": ROUNDS, "depth": 6, "thread_count": threads, "verbose": False}
        for name in ("Logloss", "Focal:focal_alpha=0.5;focal_gamma=2.0"):
            model = {"loss_function": name, "allow_writing_files": False} | common
            commands[f"CatBoost, {name.split(':')[0]}"] = lambda model=model: (
                catboost.CatBoostClassifier(**model).fit(pool)
            )
    except ImportError:
        pass
    return commands


def inside_a_round(n: int, threads: int) -> dict[str, float]:
    """Return the milliseconds of one XGBoost round that a custom objective is made of."""
    X, y = data(n, 2)
    d = xgb.QuantileDMatrix(X, y, nthread=threads)
    objective = fx.Objective(BinaryFocalLoss(2.0), n_threads=threads)
    params = {**objective.params(y), "max_depth": 6, "nthread": threads}
    booster = xgb.Booster(params, [d])
    parts: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        out = call()
        parts.setdefault(name, []).append(1e3 * (time.perf_counter() - start))
        return out

    for i in range(ROUNDS):
        margin = timed(
            "XGBoost: margins", lambda: booster.predict(d, output_margin=True, training=True)
        )
        timed("XGBoost: labels to NumPy", d.get_label)
        gradient, curvature = timed(
            "focalboost: gradient and curvature, labels included", lambda m=margin: objective(m, d)
        )
        timed(
            "XGBoost: gradient taken in, tree grown",
            lambda i=i, g=gradient, h=curvature: booster.boost(d, i, grad=g, hess=h),
        )
    return {name: float(np.median(values)) for name, values in parts.items()}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    console = Console(width=90)
    for classes, rows in ((2, options.rows), (5, options.rows // 5)):
        times = medians(commands_for(rows, classes, options.threads), options.repeats)
        table = Table(
            title=f"{rows:,} rows x 20 features, {classes} classes, {options.threads} threads",
            title_justify="left",
        )
        for column in ("training", "ms per round", "ratio to the library's own"):
            table.add_column(column, justify="left" if column == "training" else "right")
        own = {name.split(",")[0]: value for name, value in reversed(times.items())}
        own |= {k.split(",")[0]: v for k, v in times.items() if k.endswith(("log loss", "Logloss"))}
        for name, seconds in times.items():
            ratio = seconds / own[name.split(",")[0]]
            table.add_row(name, f"{1e3 * seconds / ROUNDS:.1f}", f"{ratio:.2f}")
        console.print(table)
    table = Table(title="One XGBoost round, two classes, median", title_justify="left")
    table.add_column("part")
    table.add_column("ms", justify="right")
    for name, ms in inside_a_round(options.rows, options.threads).items():
        table.add_row(name, f"{ms:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()

"""What a whole boosting round costs with focal loss, beside the library's own log loss.

    python benchmarks/train.py [--rows N] [--threads T]

Also beside what else people use, where it is installed: the textbook objective, CatBoost's Focal against
its own Logloss, and the objective of imbalance-xgboost. "Same trees" is gamma 0 with the exact
curvature, which is log loss. The last table says where the time of a round goes.
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
    same = dataclasses.replace(loss, gamma=0.0)
    own_xgb = {"objective": "multi:softprob" if classes > 2 else "binary:logistic"} | many
    own_lgb = {"objective": "multiclass" if classes > 2 else "binary"} | many
    commands: dict[str, Callable[[], object]] = {
        "XGBoost, log loss": lambda: xgb.train(of_xgb | own_xgb, d, ROUNDS),
        "XGBoost, same trees": lambda: fx.train(of_xgb, d, ROUNDS, loss=same, curvature="exact"),
        "XGBoost, focal": lambda: fx.train(of_xgb, d, ROUNDS, loss=loss),
        "XGBoost, canonical link": lambda: fx.train(of_xgb, d, ROUNDS, loss=canonical),
        "LightGBM, log loss": lambda: lgb.train(of_lgb | own_lgb, dataset, ROUNDS),
        "LightGBM, same trees": lambda: fl.train(
            of_lgb, dataset, ROUNDS, loss=same, curvature="exact"
        ),
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


PARTS = ("margins copied", "labels copied", "gradient, curvature", "tree and the rest")


class Timed:
    """Milliseconds of named parts, round by round."""

    def __init__(self) -> None:
        self.parts: dict[str, list[float]] = {}

    def __call__(self, name: str, call: Callable[[], Any]) -> Any:
        """Return what the call returns, and keep how long it took."""
        start = time.perf_counter()
        out = call()
        self.parts.setdefault(name, []).append(1e3 * (time.perf_counter() - start))
        return out

    def medians(self) -> dict[str, float]:
        """Return the median of each part."""
        return {name: float(np.median(values)) for name, values in self.parts.items()}


def inside_xgboost(n: int, classes: int, threads: int, loss: Any, curvature: Any) -> Any:
    """Return the parts of a round of XGBoost's, by its public methods; with no loss a native round."""
    X, y = data(n, classes)
    d = xgb.QuantileDMatrix(X, y, nthread=threads)
    own = {"objective": "multi:softprob", "num_class": classes} if classes > 2 else {}
    params = {"max_depth": 6, "nthread": threads, "objective": "binary:logistic"} | own
    timed = Timed()
    if loss is None:
        booster = xgb.Booster(params, [d])
        for i in range(ROUNDS):
            timed("all", lambda i=i: booster.update(d, i))
        return timed.medians()
    objective = fx.Objective(loss, curvature, n_threads=threads)
    booster = xgb.Booster({**params, **objective.params(y)}, [d])
    rows = objective.rows(y, None, (n,) if classes == 2 else (n, classes))
    for i in range(ROUNDS):
        margin = timed(PARTS[0], lambda: booster.predict(d, output_margin=True, training=True))
        timed(PARTS[1], d.get_label)
        g, h = timed(PARTS[2], lambda m=margin: objective.derivatives(rows, m))
        timed(PARTS[3], lambda i=i, g=g, h=h: booster.boost(d, i, grad=g, hess=h))
    return timed.medians()


def inside_lightgbm(n: int, classes: int, threads: int, loss: Any, curvature: Any) -> Any:
    """Return the parts of a round of LightGBM's, which copies margins and reads gradients itself."""
    X, y = data(n, classes)
    own = {"objective": "multiclass", "num_class": classes} if classes > 2 else {}
    params = {
        "num_leaves": 63,
        "num_threads": threads,
        "verbosity": -1,
        "objective": "binary",
    } | own
    timed = Timed()
    dataset = lgb.Dataset(X, y, params={"verbosity": -1, "num_threads": threads}).construct()
    if loss is None:
        booster = lgb.Booster(params, dataset)
        for _ in range(ROUNDS):
            timed("all", booster.update)
        return timed.medians()
    objective = fl.Objective(loss, curvature, n_threads=threads)
    booster = lgb.Booster(params | {"objective": "none"}, dataset)

    def fobj(margin: Any, data: Any) -> Any:
        return timed(PARTS[2], lambda: objective(margin, data))

    for _ in range(ROUNDS):
        timed("all", lambda: booster.update(fobj=fobj))
    found = timed.medians()
    found[PARTS[3]] = found.pop("all") - found[PARTS[2]]
    return found


def where_the_time_goes(n: int, threads: int) -> Table:
    """Return a table of the parts of a round, and their sum beside the library's own round."""
    table = Table(title="One round, median, ms", title_justify="left")
    for column in ("library", "classes", "loss", *PARTS, "sum", "own", "ratio"):
        table.add_column(column, justify="left" if column in ("library", "loss") else "right")
    for library, inside in (("XGBoost", inside_xgboost), ("LightGBM", inside_lightgbm)):
        for classes, rows in ((2, n), (5, n // 5)):
            own = inside(rows, classes, threads, None, None)["all"]
            for gamma, curvature in ((0.0, "exact"), (2.0, "guarded")):
                loss: Any = BinaryFocalLoss(gamma)
                if classes > 2:
                    loss = SoftmaxFocalLoss(classes, gamma)
                parts = inside(rows, classes, threads, loss, curvature)
                total = sum(parts.values())
                row = [f"{parts[name]:.2f}" if name in parts else "" for name in PARTS]
                row += [f"{total:.1f}", f"{own:.1f}", f"{total / own:.2f}"]
                table.add_row(library, f"{classes}", f"gamma {gamma:g}, {curvature}", *row)
    return table


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
    Console(width=130).print(where_the_time_goes(options.rows, options.threads))


if __name__ == "__main__":
    main()

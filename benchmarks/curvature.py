"""Rules for the curvature side by side: the floor |gradient| / c, the chord, and the exact derivative.

    python benchmarks/curvature.py [FOLDER] [--splits N] [--tables NAME ...] [--write FILE]

Every rule trains on the same splits with the same exact gradient of the paper's focal loss, from the
same intercept, at the library's defaults and (LightGBM) with lambda_l2 = 1. The chord is, on the wrong
side of a row, the slope of the gradient between the margin and its mirror image.

The report gives average precision (binary) or macro F1 (softmax) and log loss of the posterior on the
test rows, as paired differences to the floor with c = 16. The 95 % intervals are a bootstrap.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.metrics import average_precision_score, f1_score, log_loss
from sklearn.model_selection import train_test_split
from tables import BESIDE, MULTICLASS, TABLES, load

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss

Rule = Callable[[Any, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
ROUNDS = (10, 40, 100)


def floor(c: float) -> Rule:
    """Return max(exact, |gradient| / c): no row asks for a step longer than c."""

    def rule(loss: Any, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gradient, hessian = loss.gradient_hessian(y, z)
        return gradient, np.maximum(hessian, np.maximum(np.abs(gradient) / c, 1e-16))

    return rule


def exact(loss: Any, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact derivative, at least 1e-16."""
    gradient, hessian = loss.gradient_hessian(y, z)
    return gradient, np.maximum(hessian, 1e-16)


def chord(loss: Any, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact derivative, on the wrong side of a row or class at least the chord."""
    gradient, hessian = loss.gradient_hessian(y, z)
    if z.ndim == 1:
        wrong = np.where(y == 1, z, -z) < -1e-6
        rise = (gradient - loss.gradient_hessian(y, -z)[0]) / np.where(wrong, 2 * z, 1.0)
        return gradient, np.maximum(np.where(wrong, np.maximum(hessian, rise), hessian), 1e-16)
    rows = np.arange(len(z))
    for j in (y.astype(int), z.argmax(axis=1)):  # only the true and the top class can be wrong
        others = z.copy()
        others[rows, j] = -np.inf
        largest = others.max(axis=1)
        s = z[rows, j] - largest - np.log(np.exp(others - largest[:, None]).sum(axis=1))
        mirrored = z.copy()
        mirrored[rows, j] -= 2 * s
        wrong = np.where(j == y, s < -1e-6, s > 1e-6)
        slope = (gradient - loss.gradient_hessian(y, mirrored)[0])[rows, j]
        rise = np.where(wrong, slope / np.where(wrong, 2 * s, 1.0), 0.0)
        hessian[rows, j] = np.maximum(hessian[rows, j], rise)
    return gradient, np.maximum(hessian, 1e-16)


RULES: dict[str, Rule] = {
    "c = 16": floor(16.0),
    "c = 4": floor(4.0),
    "c = 8": floor(8.0),
    "c = 32": floor(32.0),
    "chord": chord,
    "exact": exact,
}


def margins_lightgbm(
    loss: Any, rule: Rule, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, more: dict[str, Any]
) -> list[np.ndarray]:
    """Train, and return the margins of the test rows after each of ROUNDS."""
    k = 1 if isinstance(loss, BinaryFocalLoss) else loss.n_classes
    start = np.broadcast_to(loss.intercept(y), (len(y),) if k == 1 else (len(y), k))
    factor = 1.0 if k == 1 else k / (k - 1)

    def objective(z: np.ndarray, _: lgb.Dataset) -> tuple[np.ndarray, np.ndarray]:
        gradient, curvature = rule(loss, y, np.array(z))
        return np.asfortranarray(gradient), np.asfortranarray(factor * curvature)

    params = {"objective": objective, "verbosity": -1, "num_threads": 1, "metric": "None", **more}
    params |= {"num_class": k} if k > 1 else {}
    data = lgb.Dataset(X, y, init_score=np.asfortranarray(start))
    booster = lgb.train(params, data, ROUNDS[-1])
    return [booster.predict(X_test, num_iteration=n) + loss.intercept(y) for n in ROUNDS]


def margins_xgboost(
    loss: Any, rule: Rule, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, more: dict[str, Any]
) -> list[np.ndarray]:
    """Train, and return the margins of the test rows after each of ROUNDS."""
    k = 1 if isinstance(loss, BinaryFocalLoss) else loss.n_classes

    def objective(z: np.ndarray, _: xgb.DMatrix) -> tuple[np.ndarray, np.ndarray]:
        gradient, curvature = rule(loss, y, z.astype(np.float64))
        return gradient, (1.0 if k == 1 else 2.0) * curvature

    start, test = xgb.DMatrix(X, y), xgb.DMatrix(X_test)
    for data in (start, test):
        shape = (data.num_row(),) if k == 1 else (data.num_row(), k)
        data.set_base_margin(np.array(np.broadcast_to(loss.intercept(y), shape)))
    params = {"objective": "binary:logistic" if k == 1 else "multi:softprob", "nthread": 1, **more}
    params |= {"num_class": k, "disable_default_eval_metric": 1} if k > 1 else {}
    booster = xgb.train(params, start, ROUNDS[-1], obj=objective)
    return [booster.predict(test, output_margin=True, iteration_range=(0, n)) for n in ROUNDS]


HOSTS: dict[str, tuple[Callable[..., list[np.ndarray]], dict[str, Any]]] = {
    "LightGBM, defaults": (margins_lightgbm, {}),
    "LightGBM, lambda_l2=1": (margins_lightgbm, {"lambda_l2": 1.0}),
    "XGBoost, defaults": (margins_xgboost, {}),
}


def runs(folder: Path, names: list[str], splits: int) -> pd.DataFrame:
    """Train every rule on every table, split, host and gamma; return one row per result."""
    results = []
    for name in track(names, description="training", transient=True):
        X, y = load(folder, name)
        k = int(y.max()) + 1
        for split in range(splits):
            X_train, X_test, y_train, y_test = train_test_split(
                X, y, test_size=0.4, stratify=y, random_state=split
            )
            y_train = y_train.astype(np.float64)
            for gamma in (0.0, 2.0):
                loss = SoftmaxFocalLoss(k, gamma) if name in MULTICLASS else BinaryFocalLoss(gamma)
                for host, (margins, more) in HOSTS.items():
                    for rule, curvature in RULES.items():
                        found = margins(loss, curvature, X_train, y_train, X_test, more)
                        for n, z in zip(ROUNDS, found, strict=True):
                            eta = loss.posterior(z.astype(np.float64))
                            ranked = (
                                average_precision_score(y_test, eta)
                                if k == 2
                                else f1_score(y_test, eta.argmax(axis=1), average="macro")
                            )
                            results.append(
                                (name, split, gamma, host, rule, n, ranked, log_loss(y_test, eta))
                            )
    columns = ["table", "split", "gamma", "host", "rule", "rounds", "ranking", "log loss"]
    return pd.DataFrame(results, columns=columns)


def interval(differences: pd.Series) -> str:
    """Return the mean over tables with its 95 % bootstrap interval."""
    by_table = differences.groupby("table").mean().to_numpy()
    drawn = np.random.default_rng(0).choice(by_table, (5_000, len(by_table))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{by_table.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def report(results: pd.DataFrame, kind: str) -> Table:
    """Return the table of paired differences for binary or softmax tables."""
    table = Table(title=f"{kind}: difference to c = 16", title_justify="left")
    for column in ("host", "gamma", "rounds", "rule", "ranking", "log of log loss"):
        table.add_column(column)
    keys = ["host", "gamma", "rounds", "table", "split"]
    values = results.assign(log_loss=np.log(results["log loss"])).set_index([*keys, "rule"])
    wide = values[["ranking", "log_loss"]].unstack("rule")
    for (host, gamma, rounds), block in wide.groupby(level=keys[:3]):
        for rule in list(RULES)[1:]:
            cells = [
                interval(block[measure, rule] - block[measure, "c = 16"])
                for measure in ("ranking", "log_loss")
            ]
            table.add_row(host, f"{gamma:g}", str(rounds), rule, *cells)
    return table


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; exit status 2 without the data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=BESIDE, help="folder of the tables")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--tables", nargs="*", default=list(TABLES), metavar="NAME")
    parser.add_argument("--write", type=Path, help="write all results to this CSV file")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        print(f"the folder of the tables must exist, got {options.folder}", file=sys.stderr)
        return 2
    results = runs(options.folder, options.tables, options.splits)
    if options.write:
        results.to_csv(options.write, index=False)
    console = Console(width=120)
    for kind, names in (("binary", set(TABLES) - set(MULTICLASS)), ("softmax", set(MULTICLASS))):
        chosen = results[results["table"].isin(names)]
        if len(chosen):
            console.print(report(chosen, kind))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

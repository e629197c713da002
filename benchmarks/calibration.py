"""Are the probabilities right, and which link ranks better? Both links beside log loss training.

    python benchmarks/calibration.py [FOLDER] [--seeds N] [--rows N] [--tables NAME ...] [--write FILE]
    python benchmarks/calibration.py --read FILE [FILE ...]

Each model trains on 60 % of a table, stops early by the log loss of its posterior on 20 %, and is
measured on the last 20 %: log loss, Brier score (softmax: the mean over classes), and average precision
(binary) or macro F1 (softmax). Log loss and Brier score are ratios to those of the library's own log
loss on the same split, geometric means with 95 % intervals of a bootstrap over tables; the others are
differences. The last rows compare the links with each other, gamma by gamma.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
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

import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss

GAMMAS = (0.5, 1.0, 2.0, 5.0)
LINKS = ("focal", "canonical")
ROUNDS, PATIENCE = 400, 20
MEASURES = ("log loss", "brier", "ranking")


def xgboost(loss: Any, native: dict[str, Any], split: list[np.ndarray]) -> np.ndarray:
    """Return the posterior of the test rows; without a loss that of log loss training."""
    X, X_valid, X_test, y, y_valid, _ = split
    d, valid = xgb.QuantileDMatrix(X, y), xgb.DMatrix(X_valid, y_valid)
    params = {"max_depth": 5, "eta": 0.1, "nthread": 1}
    keywords = {"evals": [(valid, "v")], "early_stopping_rounds": PATIENCE, "verbose_eval": False}
    if loss is None:
        metric = "mlogloss" if "num_class" in native else "logloss"
        params |= {"eval_metric": metric, **native}
        booster = xgb.train(params, d, ROUNDS, **keywords)
        return booster.predict(xgb.DMatrix(X_test), iteration_range=(0, booster.best_iteration + 1))

    def posterior_loss(margin: np.ndarray, data: xgb.DMatrix) -> tuple[str, float]:
        return "posterior_loss", log_loss(data.get_label(), loss.posterior(margin))

    objective = fx.Objective(loss, n_threads=1)
    params |= objective.params(y)
    booster = xgb.train(params, d, ROUNDS, obj=objective, custom_metric=posterior_loss, **keywords)
    last = (0, booster.best_iteration + 1)
    margin = booster.predict(xgb.DMatrix(X_test), output_margin=True, iteration_range=last)
    return loss.posterior(margin)


def lightgbm(loss: Any, native: dict[str, Any], split: list[np.ndarray]) -> np.ndarray:
    """Return the posterior of the test rows; without a loss that of log loss training."""
    X, X_valid, X_test, y, y_valid, _ = split
    d = lgb.Dataset(X, y)
    valid = lgb.Dataset(X_valid, y_valid, reference=d)
    params = {"learning_rate": 0.1, "num_leaves": 24, "lambda_l2": 1.0, "verbosity": -1}
    params |= {"num_threads": 1}
    stop = lgb.early_stopping(PATIENCE, first_metric_only=True, verbose=False)
    if loss is None:
        booster = lgb.train({**params, **native}, d, ROUNDS, valid_sets=[valid], callbacks=[stop])
        return booster.predict(X_test)

    def posterior_loss(margin: np.ndarray, data: lgb.Dataset) -> tuple[str, float, bool]:
        return "posterior_loss", log_loss(data.get_label(), loss.posterior(margin)), False

    keywords = {"valid_sets": [valid], "feval": posterior_loss, "callbacks": [stop]}
    booster = fl.train(params, d, ROUNDS, loss=loss, **keywords)
    return loss.posterior(booster.predict(X_test, raw_score=True))


HOSTS = {"XGBoost": xgboost, "LightGBM": lightgbm}


def measures(y: np.ndarray, eta: np.ndarray) -> tuple[float, float, float]:
    """Return log loss, Brier score, and average precision or macro F1."""
    eta = eta.astype(np.float64)
    if eta.ndim == 1:
        return log_loss(y, eta), float(np.mean((y - eta) ** 2)), average_precision_score(y, eta)
    eta /= eta.sum(axis=1, keepdims=True)
    brier = np.mean((np.eye(eta.shape[1])[y.astype(int)] - eta) ** 2)
    return log_loss(y, eta), float(brier), f1_score(y, eta.argmax(axis=1), average="macro")


def runs(folder: Path, names: list[str], seeds: int, rows: int) -> Iterator[tuple[Any, ...]]:
    """Yield table, seed, host, link, gamma and the three measures."""
    for name in track(names, description="training", transient=True):
        X, y = load(folder, name, rows)
        k = int(y.max()) + 1
        native = {"objective": "binary:logistic"}, {"objective": "binary"}
        if name in MULTICLASS:
            native = (
                {"objective": "multi:softprob", "num_class": k},
                {"objective": "multiclass", "num_class": k},
            )
        losses: list[tuple[str, float, Any]] = [("log loss", 0.0, None)]
        for link in LINKS:
            for gamma in GAMMAS:
                many = name in MULTICLASS
                loss = (
                    SoftmaxFocalLoss(k, gamma, link=link)
                    if many
                    else BinaryFocalLoss(gamma, link=link)
                )
                losses.append((link, gamma, loss))
        for seed in range(seeds):
            X_train, X_rest, y_train, y_rest = train_test_split(
                X, y, test_size=0.4, stratify=y, random_state=seed
            )
            halves = train_test_split(
                X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=seed
            )
            split = [X_train, halves[0], halves[1], y_train, halves[2], halves[3]]
            for (host, train), own in zip(HOSTS.items(), native, strict=True):
                for link, gamma, loss in losses:
                    found = measures(split[5], train(loss, own, split))
                    yield (name, seed, host, link, gamma, *found)


def interval(values: pd.Series, ratio: bool) -> str:
    """Return the mean over tables with its 95 % bootstrap interval; of logarithms if a ratio."""
    by_table = values.groupby("table").mean().to_numpy()
    drawn = np.random.default_rng(0).choice(by_table, (5_000, len(by_table))).mean(axis=1)
    numbers = [by_table.mean(), *np.percentile(drawn, [2.5, 97.5])]
    if ratio:
        numbers = list(np.exp(numbers))
    form = "{:.3f} [{:.3f}, {:.3f}]" if ratio else "{:+.4f} [{:+.4f}, {:+.4f}]"
    return form.format(*numbers)


def report(results: pd.DataFrame, kind: str) -> Table:
    """Return the table for binary or softmax tables."""
    ranking = "average precision" if kind == "binary" else "macro F1"
    table = Table(title=f"{kind}, {results['table'].nunique()} tables", title_justify="left")
    for column in ("host", "compared", "gamma", "log loss", "Brier score", ranking):
        table.add_column(column)
    logs = results.assign(**{m: np.log(results[m]) for m in MEASURES[:2]})
    logs = logs.set_index(["host", "link", "gamma", "table", "seed"]).sort_index()
    for host in HOSTS:
        own = logs.loc[host, "log loss", 0.0]
        pairs = [(link, "log loss") for link in LINKS] + [("canonical", "focal")]
        for link, other in pairs:
            for gamma in GAMMAS:
                base = own if other == "log loss" else logs.loc[host, other, gamma]
                difference = logs.loc[host, link, gamma] - base
                cells = [interval(difference[m], m != "ranking") for m in MEASURES]
                table.add_row(host, f"{link} / {other}", f"{gamma:g}", *cells)
    return table


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; exit status 2 without the data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=BESIDE, help="folder of the tables")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000, help="sample larger tables to this")
    parser.add_argument("--tables", nargs="*", default=list(TABLES), metavar="NAME")
    parser.add_argument("--write", type=Path, help="write all results to this CSV file")
    parser.add_argument("--read", type=Path, nargs="*", help="report results written before")
    options = parser.parse_args(arguments)
    columns = ["table", "seed", "host", "link", "gamma", *MEASURES]
    if options.read:
        results = pd.concat(map(pd.read_csv, options.read))
    elif not options.folder.is_dir():
        print(f"the folder of the tables must exist, got {options.folder}", file=sys.stderr)
        return 2
    else:
        found = runs(options.folder, options.tables, options.seeds, options.rows)
        results = pd.DataFrame(found, columns=columns)
    if options.write:
        results.to_csv(options.write, index=False)
    console = Console(width=150)
    for kind, many in (("binary", False), ("softmax", True)):
        chosen = results[results["table"].isin(list(MULTICLASS)) == many]
        if len(chosen):
            console.print(report(chosen, kind))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

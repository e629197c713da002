"""Where LightGBM's own log loss collapses at its defaults, and the guarded curvature does not.

    python benchmarks/rescue.py [FOLDER]

FOLDER holds the three tables that the loaders below read. Nothing is tuned: lambda_l2 = 0, learning rate
.1, a stratified 60/40 split, one seed. The last column shows the simplest other cure, log loss with
lambda_l2 = 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import train_test_split

import focalboost.lightgbm as fl
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss

GAMMAS = (0.0, 1.0, 2.0, 5.0)
DEFAULTS = {"verbosity": -1, "deterministic": True, "force_col_wise": True, "seed": 0}


class Data(NamedTuple):
    """Features, and labels from 0."""

    X: np.ndarray
    y: np.ndarray


def credit_card(folder: Path) -> Data:
    """Binary: card payments, 0.16 % fraud."""
    table = pd.read_parquet(folder / "ulb_creditcard_40pct_trunc.parquet")
    y = table.pop("Class").to_numpy()
    return Data(table.to_numpy(dtype=np.float32), y)


def shuttle(folder: Path) -> Data:
    """7 classes, the rarest with 10 rows."""
    table = pd.read_parquet(folder / "shuttle_multiclass.parquet")
    y = table.pop("y").to_numpy(dtype=np.int64)
    return Data(table.to_numpy(dtype=np.float32), y)


def intrusion(folder: Path) -> Data:
    """KDD'99: 16 classes of at least 12 rows; the two largest thinned so that 40,000 rows remain."""
    table = pd.read_parquet(folder / "kddcup99_10pct_dedup.parquet")
    counts = table["label"].value_counts()
    table = table[table["label"].isin(counts.index[counts >= 12])]
    large = table["label"].isin(counts.index[:2])
    kept = table[large].sample(40_000 - int((~large).sum()), random_state=0)
    table = pd.concat([kept, table[~large]])
    y = pd.factorize(table.pop("label"), sort=True)[0]
    X = table.apply(lambda c: pd.factorize(c, sort=True)[0] if not is_number(c) else c)
    return Data(X.to_numpy(dtype=np.float32), y)


def is_number(column: pd.Series) -> bool:
    """Say whether a column needs no coding."""
    return pd.api.types.is_numeric_dtype(column)


class Case(NamedTuple):
    """A table, how long to train on it, and what is measured."""

    load: Callable[[Path], Data]
    rounds: int
    measure: str


TABLES = {
    "ULB credit card": Case(credit_card, 100, "average precision"),
    "Statlog shuttle": Case(shuttle, 40, "macro F1"),
    "KDD'99 intrusion": Case(intrusion, 40, "macro F1"),
}


def score(booster: lgb.Booster, data: Data) -> float:
    """Average precision for two classes, macro F1 for more."""
    predicted = booster.predict(data.X)
    if predicted.ndim == 1:
        return float(average_precision_score(data.y, predicted))
    return float(f1_score(data.y, predicted.argmax(axis=1), average="macro"))


def run(case: Case, folder: Path, name: str) -> list[str]:
    """Train every column of one row of the report."""
    X, y = case.load(folder)
    train_X, test_X, train_y, test_y = train_test_split(
        X, y, test_size=0.4, stratify=y, random_state=0
    )
    n_classes = int(y.max()) + 1
    native: dict[str, Any] = {**DEFAULTS, "objective": "binary"}
    if n_classes > 2:
        native |= {"objective": "multiclass", "num_class": n_classes}

    def fit(gamma: float | None, **more: Any) -> str:
        train_set = lgb.Dataset(train_X, train_y)
        if gamma is None:
            booster = lgb.train({**native, **more}, train_set, case.rounds)
        else:
            loss = SoftmaxFocalLoss(n_classes, gamma) if n_classes > 2 else BinaryFocalLoss(gamma)
            booster = fl.train({**DEFAULTS, **more}, train_set, case.rounds, loss=loss)
        return f"{score(booster, Data(test_X, test_y)):.3f}"

    columns: list[tuple[float | None, dict[str, float]]] = [(None, {})]
    columns += [(gamma, {}) for gamma in GAMMAS] + [(None, {"lambda_l2": 1.0})]
    return [fit(gamma, **more) for gamma, more in track(columns, description=name, transient=True)]


def main(arguments: list[str] | None = None) -> int:
    """Print the table; exit status 2 without the data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("folder", nargs="?", type=Path, default=beside, help="folder of the tables")
    folder = parser.parse_args(arguments).folder
    if not folder.is_dir():
        print(f"the folder of the tables must exist, got {folder}", file=sys.stderr)
        return 2
    report = Table(title=f"LightGBM {lgb.__version__} at its defaults, test score")
    report.add_column("table")
    report.add_column("measure")
    columns = ["native log loss", *(f"focal, gamma {g:g}" for g in GAMMAS), "native, lambda_l2=1"]
    for column in columns:
        report.add_column(column, justify="right")
    for name, case in TABLES.items():
        report.add_row(name, case.measure, *run(case, folder, name))
    Console().print(report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

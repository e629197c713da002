"""What early stopping by one metric or another costs, in all of them.

    python benchmarks/stopping.py [FOLDER] [--seeds N]

Both estimators on two tables with rare positives: 60 % training rows, 20 % that stop the training, 20 %
test rows. The report gives the mean over seeds of test log loss, average precision and recall at 1 % of
the rows, as paired differences to stopping by the focal loss, with 95 % intervals of a t test.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import ttest_1samp
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import train_test_split
from tables import BESIDE, load

from focalboost import FocalLGBMClassifier, FocalXGBClassifier
from focalboost.metrics import recall_at_budget

TABLES = {"ULB credit card": 60_000, "mammography": 20_000}
STOPS = ("focal_loss", "logloss", "average_precision", "recall@0.01")
ROUNDS, PATIENCE = 400, 20


def fitted(host: str, stop: str, parts: list[np.ndarray]) -> Any:
    """Train, stopped by that metric."""
    X, X_valid, _, y, y_valid, _ = parts
    common = {"n_estimators": ROUNDS, "learning_rate": 0.1, "n_jobs": 1}
    if host == "XGBoost":
        classifier = FocalXGBClassifier(
            max_depth=5, eval_metric=stop, early_stopping_rounds=PATIENCE, **common
        )
        return classifier.fit(X, y, eval_set=[(X_valid, y_valid)], verbose=False)
    callback = lgb.early_stopping(PATIENCE, first_metric_only=True, verbose=False)
    return FocalLGBMClassifier(num_leaves=24, reg_lambda=1.0, verbosity=-1, **common).fit(
        X, y, eval_set=[(X_valid, y_valid)], eval_metric=stop, callbacks=[callback]
    )


def runs(folder: Path, seeds: int) -> pd.DataFrame:
    """Return one row per table, host, seed and metric."""
    rows = []
    for name, most in TABLES.items():
        X, y = load(folder, name, most)
        for seed in track(range(seeds), description=name, transient=True):
            X_train, X_rest, y_train, y_rest = train_test_split(
                X, y, test_size=0.4, stratify=y, random_state=seed
            )
            halves = train_test_split(
                X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=seed
            )
            parts = [X_train, *halves[:2], y_train, *halves[2:]]
            for host in ("XGBoost", "LightGBM"):
                for stop in STOPS:
                    classifier = fitted(host, stop, parts)
                    p = classifier.predict_proba(parts[2])[:, 1].astype(float)
                    best = getattr(classifier, "best_iteration_", None)
                    rounds = classifier.best_iteration + 1 if best is None else best
                    rows.append(
                        {
                            "table": name,
                            "host": host,
                            "seed": seed,
                            "stop": stop,
                            "log loss": log_loss(parts[5], p),
                            "average precision": average_precision_score(parts[5], p),
                            "recall@0.01": recall_at_budget(parts[5], p, 0.01),
                            "rounds": rounds,
                        }
                    )
    return pd.DataFrame(rows)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; exit status 2 without the data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=BESIDE, help="folder of the tables")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        print(f"the folder of the tables must exist, got {options.folder}", file=sys.stderr)
        return 2
    found = runs(options.folder, options.seeds).set_index(["table", "host", "stop", "seed"])
    table = Table(title=f"difference to stopping by the focal loss, {options.seeds} seeds")
    measures = ["log loss", "average precision", "recall@0.01", "rounds"]
    for column in ("table", "library", "stopped by", *measures):
        table.add_column(column)
    for (name, host), block in found.groupby(level=[0, 1]):
        own = block.xs("focal_loss", level="stop").droplevel([0, 1])
        table.add_row(name, host, "focal_loss", *(f"{own[m].mean():.4g}" for m in measures))
        for stop in STOPS[1:]:
            difference = block.xs(stop, level="stop").droplevel([0, 1]) - own
            cells = []
            for m in measures[:3]:
                interval = ttest_1samp(difference[m], 0).confidence_interval()
                cells.append(
                    f"{difference[m].mean():+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"
                )
            table.add_row("", "", stop, *cells, f"{difference['rounds'].mean():+.0f}")
    Console(width=160).print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Numbers that others have published, beside what this package gives.

    python benchmarks/published.py [FOLDER] [--download]

The credit card table is read from FOLDER (see tables.py) or with --download from OpenML.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import lightgbm as lgb
import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from tables import BESIDE, TABLES, load

import focalboost.lightgbm as fl
from focalboost import BinaryFocalLoss
from focalboost.datasets import load_creditcard

CREDIT_CARD = "ULB credit card"
LOSS = BinaryFocalLoss(gamma=2.0, alpha=0.25)


def digits() -> tuple[float, float]:
    """Return the focal loss of the test rows after 1 and 10 rounds, one digit against the others.

    As jrzaurin's notebook of scikit-learn's digits: start at margin 0, mean over the digits.
    """
    X, X_test, y, y_test = train_test_split(
        *load_digits(return_X_y=True), test_size=0.2, random_state=1
    )
    curves = []
    for digit in range(10):
        d = lgb.Dataset(X, y == digit)
        history: dict[str, dict[str, list[float]]] = {}
        lgb.train(
            {"objective": fl.Objective(LOSS), "metric": "None", "verbosity": -1},
            d,
            10,
            valid_sets=[lgb.Dataset(X_test, y_test == digit, reference=d)],
            feval=fl.Metric(LOSS),
            callbacks=[lgb.record_evaluation(history)],
        )
        curves.append(history["valid_0"]["focal_loss"])
    mean = np.mean(curves, axis=0)
    return float(mean[0]), float(mean[-1])


def credit_card(X: np.ndarray, y: np.ndarray, splits: int = 5) -> tuple[float, float]:
    """Return the mean AUC of log loss and of focal loss in LightGBM, stopped early (Halford's post)."""
    found = []
    for seed in range(splits):
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, test_size=0.2, stratify=y, random_state=seed
        )
        X_fit, X_valid, y_fit, y_valid = train_test_split(
            X_train, y_train, test_size=0.2, stratify=y_train, random_state=seed
        )
        params = {"verbosity": -1, "lambda_l2": 1.0, "num_threads": 2, "seed": seed}
        d = lgb.Dataset(X_fit, y_fit)
        valid = lgb.Dataset(X_valid, y_valid, reference=d)
        stop = [lgb.early_stopping(20, verbose=False)]
        plain = lgb.train(
            params | {"objective": "binary"}, d, 300, valid_sets=[valid], callbacks=stop
        )
        focal = fl.train(
            params,
            lgb.Dataset(X_fit, y_fit),
            300,
            loss=LOSS,
            valid_sets=[lgb.Dataset(X_valid, y_valid)],
            callbacks=[lgb.early_stopping(20, verbose=False)],
        )
        found.append([roc_auc_score(y_test, m.predict(X_test)) for m in (plain, focal)])
    plain_mean, focal_mean = np.mean(found, axis=0)
    return float(plain_mean), float(focal_mean)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=BESIDE)
    parser.add_argument("--download", action="store_true", help="up to 150 MB from OpenML, once")
    options = parser.parse_args()
    file = options.folder / TABLES[CREDIT_CARD].file
    if options.download:
        whole = load_creditcard()
        payments = "all rows", whole.X, whole.y
    elif file.exists():
        payments = "here 40 % of the rows", *load(options.folder, CREDIT_CARD)
    else:
        payments = None
    table = Table(title="published, and here", title_justify="left")
    for column in ("what", "published", "here"):
        table.add_column(column)
    first, last = digits()
    table.add_row(
        "digits, focal loss after 1 and 10 rounds (jrzaurin; numerical derivatives)",
        "0.107288, 0.0400507",
        f"{first:.6f}, {last:.6f}",
    )
    if payments is not None:
        rows, X, y = payments
        plain, focal = credit_card(X, y)
        table.add_row(
            f"credit card fraud, AUC of log loss and of focal loss (Halford; {rows})",
            "0.97772, 0.97948",
            f"{plain:.5f}, {focal:.5f}",
        )
    console = Console(width=140)
    console.print(table)
    if payments is None:
        console.print(f"Left out: credit card fraud. No {file.name} in {options.folder}.")
        console.print("python benchmarks/published.py --download gets the table from OpenML.")


if __name__ == "__main__":
    main()

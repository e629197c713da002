"""Is predict_proba a probability? Its log loss beside that of the same library trained with log loss.

    python benchmarks/calibration.py [FOLDER] [--plot FILE]

FOLDER holds the tables that ``TABLES`` names. Each model trains on 60 %, stops early by the log loss of
its probabilities on 20 %, and is measured on the last 20 %. A value is a ratio to the library's own
log loss; in brackets that of the score, the sigmoid or softmax of the margin.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm as lgb
import matplotlib as mpl
import numpy as np
import pandas as pd
import xgboost as xgb
from matplotlib import pyplot as plt
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.special import expit, softmax
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from focalboost import FocalLGBMClassifier, FocalXGBClassifier
from focalboost.plotting import ReliabilityDisplay

GAMMAS = (0.5, 1.0, 2.0, 5.0)
# name: file, target, columns that are no features
TABLES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "ULB credit card": ("ulb_creditcard_40pct_trunc.parquet", "Class", ()),
    "vehicle insurance": ("vehicle_insurance_fraud.csv.gz", "FraudFound_P", ("PolicyNumber",)),
    "Give Me Some Credit": ("give_me_some_credit.csv.gz", "SeriousDlqin2yrs", ("id",)),
    "credit default": ("uci_credit_default.csv.gz", "default_payment_next_month", ("ID",)),
    "bank campaign": ("adb_campaign.parquet", "y", ()),
    "forest cover": ("adb_cover.parquet", "y", ()),
    "mammography": ("mammography.csv.gz", "y", ()),
    "wine quality": ("winequality_red_multiclass.csv.gz", "label", ()),
    "thyroid": ("thyroid_multiclass.csv.gz", "label", ()),
}


class Data(NamedTuple):
    """Training, validation and test rows."""

    X: np.ndarray
    y: np.ndarray
    X_valid: np.ndarray
    y_valid: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def load(folder: Path, name: str) -> Data:
    """Read a table, code its text columns as numbers, drop classes of under 20 rows, and split it."""
    file, target, dropped = TABLES[name]
    path = folder / file
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    frame = frame.drop(columns=list(dropped))
    counts = frame[target].value_counts()
    frame = frame[frame[target].isin(counts.index[counts >= 20])]
    y = pd.factorize(frame.pop(target), sort=True)[0]
    for column in frame.columns[[not pd.api.types.is_numeric_dtype(d) for d in frame.dtypes]]:
        frame[column] = pd.factorize(frame[column], sort=True)[0]
    X = frame.to_numpy(dtype=np.float32)
    X, X_rest, y, y_rest = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
    halves = train_test_split(X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0)
    return Data(X, y, halves[0], halves[2], halves[1], halves[3])


def fit(host: str, gamma: float | None, data: Data) -> Any:
    """Fit one classifier, stopped by the log loss of its probabilities."""
    focal = {} if gamma is None else {"focal_gamma": gamma}
    valid = [(data.X_valid, data.y_valid)]
    if host == "XGBoost":
        many = data.y.max() > 1
        kind = xgb.XGBClassifier if gamma is None else FocalXGBClassifier
        model = kind(
            n_estimators=1000,
            learning_rate=0.05,
            max_depth=5,
            eval_metric="mlogloss" if many else "logloss",
            early_stopping_rounds=30,
            **focal,
        )
        return model.fit(data.X, data.y, eval_set=valid, verbose=False)
    kind = lgb.LGBMClassifier if gamma is None else FocalLGBMClassifier
    model = kind(
        n_estimators=1000,
        learning_rate=0.05,
        num_leaves=24,
        reg_lambda=1.0,
        verbosity=-1,
        metric="multi_logloss" if data.y.max() > 1 else "binary_logloss",
        **focal,
    )
    stop = lgb.early_stopping(30, verbose=False)
    return model.fit(data.X, data.y, eval_X=data.X_valid, eval_y=data.y_valid, callbacks=[stop])


def score(model: Any, X: np.ndarray) -> np.ndarray:
    """Return sigmoid or softmax of the margin."""
    margin = model.decision_function(X).astype(np.float64)
    if margin.ndim == 2:
        return softmax(margin, axis=1)
    return np.column_stack([expit(-margin), expit(margin)])


def draw(axes: Any, name: str, data: Data, model: Any) -> None:
    """Draw reliability of score and posterior of a binary model."""
    display = ReliabilityDisplay.from_estimator(
        model, data.X_test, data.y_test, strategy="positives", scale="log", ax=axes
    )
    display.ax_.set_title(name)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; exit status 2 without the data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("folder", nargs="?", type=Path, default=beside, help="folder of the tables")
    parser.add_argument("--plot", type=Path, help="write reliability curves of XGBoost at gamma 2")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        print(f"the folder of the tables must exist, got {options.folder}", file=sys.stderr)
        return 2
    report = Table(
        title="log loss on test rows, ratio to log loss training (that of the score in brackets)"
    )
    for column in ("table", "library", "log loss"):
        report.add_column(column)
    for gamma in GAMMAS:
        report.add_column(f"gamma {gamma:g}", justify="right")
    mpl.use("Agg")
    figure, panels = plt.subplots(2, 4, figsize=(16, 8), layout="constrained")
    free = list(panels.flat)
    for name in track(TABLES, description="training", transient=True):
        data = load(options.folder, name)
        for host in ("XGBoost", "LightGBM"):
            own = log_loss(data.y_test, fit(host, None, data).predict_proba(data.X_test))
            row = [name, host, f"{own:.5f}"]
            for gamma in GAMMAS:
                model = fit(host, gamma, data)
                posterior = log_loss(data.y_test, model.predict_proba(data.X_test))
                raw = log_loss(data.y_test, score(model, data.X_test))
                row.append(f"{posterior / own:.3f} ({raw / own:.2f})")
                if host == "XGBoost" and gamma == 2.0 and data.y.max() == 1:
                    draw(free.pop(0), name, data, model)
            report.add_row(*row)
    Console(width=110).print(report)
    if options.plot:
        for axes in free:
            axes.set_visible(False)
        figure.savefig(options.plot, dpi=120)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

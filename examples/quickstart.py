"""Compare log loss with focal loss, in XGBoost and LightGBM, on a fraud table or on your own file.

    python examples/quickstart.py
    python examples/quickstart.py --data payments.csv --target is_fraud --time date

The program trains four models with the same rounds, learning rate and regularisation. It prints their
metrics and draws precision-recall and reliability curves. Nothing is tuned.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    precision_recall_curve,
)
from sklearn.model_selection import train_test_split

import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss
from focalboost.datasets import make_fraud

LEARNING_RATE, LAMBDA = 0.1, 1.0
ALERTS = 0.01  # share of the rows that is alerted
BINS = 8
FEWEST = 10  # rows that each part must have of each class, for metrics to mean something
COLORS = {"XGBoost": "#0072B2", "LightGBM": "#D55E00"}


class Parts(NamedTuple):
    """Features and labels (0 or 1) of the two parts, and how the data was split."""

    X_train: pd.DataFrame
    X_test: pd.DataFrame
    y_train: np.ndarray
    y_test: np.ndarray
    how: str


class Result(NamedTuple):
    """Predictions of one model for the test part, and the seconds that training took."""

    library: str
    loss: str
    probability: np.ndarray
    seconds: float


# ---- data ----------------------------------------------------------------------------------------


def read(path: Path) -> pd.DataFrame:
    """Read a CSV (also compressed) or parquet file."""
    if not path.is_file():
        raise ValueError(f"--data must be a file, got {path}")
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (ValueError, OSError) as error:  # pandas and pyarrow raise both
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"--data must be a CSV or parquet file, {path} is not: {reason}"
        ) from error


def labels(column: pd.Series, positive: str | None) -> np.ndarray:
    """Return the target as 0 or 1; ``positive`` is the text of the value that becomes 1."""
    if column.isna().any():
        raise ValueError(
            f"target {column.name!r} must have no missing value, got {int(column.isna().sum())}"
        )
    values = sorted(column.unique().tolist(), key=str)
    if len(values) < 2:
        raise ValueError(f"target {column.name!r} must have two values, it is always {values[0]!r}")
    shown = ", ".join(str(value) for value in values[:5]) + (", ..." if len(values) > 5 else "")
    if positive is None:
        if [float(v) if isinstance(v, (int, float)) else v for v in values] != [0.0, 1.0]:
            raise ValueError(
                f"target {column.name!r} must be 0 or 1, or --positive must name the value that "
                f"counts as fraud; its values are {shown}"
            )
        return column.to_numpy(dtype=np.int64)
    chosen = [value for value in values if same(value, positive)]
    if not chosen:
        raise ValueError(
            f"--positive must be a value of {column.name!r}, got {positive!r}; its values are {shown}"
        )
    return column.isin(chosen).to_numpy(dtype=np.int64)


def same(value: Any, text: str) -> bool:
    """Return whether ``text`` is the value's text or the same number: "1" matches 1 and 1.0."""
    if str(value) == text:
        return True
    try:
        return float(value) == float(text)
    except (TypeError, ValueError):
        return False


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """Make every column a number or a category: both libraries accept these."""
    # LightGBM replaces spaces in names; doing the same here gives both libraries the same names.
    frame = frame.rename(columns=lambda name: str(name).replace(" ", "_"))
    for name in frame.columns:
        column = frame[name]
        if column.dtype.kind in "Mm":
            raise ValueError(
                f"column {name!r} is a date: split by it with --time {name}, or leave it out with "
                f"--drop {name}"
            )
        if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
            frame[name] = column.astype(np.float32)
        elif column.nunique() > 1000:
            raise ValueError(
                f"column {name!r} is text with {column.nunique()} different values: leave it out with "
                f"--drop {name}"
            )
        else:
            frame[name] = column.astype("category")
    if frame.columns.empty:
        raise ValueError("at least one column besides the target must be a feature, got none")
    return frame


def load(options: argparse.Namespace) -> Parts:
    """Read the data and split it: by time if a column of times is given, else at random."""
    if options.data is None:
        frame, target, when = make_fraud().frame(), "fraud", "time"
    else:
        frame, target, when = read(options.data), options.target, options.time
        for name in [target, *options.drop, *([when] if when else [])]:
            if name not in frame.columns:
                raise ValueError(
                    f"column {name!r} must be in {options.data}, its columns are "
                    + ", ".join(map(str, frame.columns[:40]))
                )
        frame = frame.drop(columns=options.drop)
    y = labels(frame.pop(target), options.positive)
    if y.sum() < 2 * FEWEST or len(y) - y.sum() < 2 * FEWEST:
        raise ValueError(
            f"both classes must have at least {2 * FEWEST} rows, got {len(y) - y.sum()} negatives "
            f"and {y.sum()} positives"
        )
    if when is None:
        X = features(frame)
        parts = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
        return Parts(*parts, "split at random, stratified")
    times = moments(frame.pop(when))
    return split_by_time(features(frame), y, times, when)


def moments(column: pd.Series) -> np.ndarray:
    """Return a column of numbers or dates as an array that sorts by time."""
    try:
        if not pd.api.types.is_numeric_dtype(column):
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # pandas warns if it must guess the format of dates
                column = pd.to_datetime(column)
    except (ValueError, TypeError, UserWarning) as error:
        raise ValueError(
            f"--time must be a column of numbers or of dates in one format, {column.name!r} is not"
        ) from error
    if column.isna().any():
        raise ValueError(
            f"--time must have no missing value, {column.name!r} has {column.isna().sum()}"
        )
    return column.to_numpy()


def split_by_time(X: pd.DataFrame, y: np.ndarray, times: np.ndarray, name: str) -> Parts:
    """Train on the earlier 70 % of the rows, test on the later 30 %."""
    order = np.argsort(times, kind="stable")
    early, late = np.split(order, [round(0.7 * len(order))])
    for part, rows in (("earlier", early), ("later", late)):
        if not FEWEST <= y[rows].sum() <= len(rows) - FEWEST:
            raise ValueError(
                f"split by {name!r}, the {part} part must have at least {FEWEST} rows of both classes, "
                f"got {len(rows) - y[rows].sum()} negatives and {y[rows].sum()} positives"
            )
    return Parts(X.iloc[early], X.iloc[late], y[early], y[late], f"split by {name}, the later 30 %")


# ---- training ------------------------------------------------------------------------------------


class Tick(xgb.callback.TrainingCallback):
    """Call ``tick`` after each round; XGBoost accepts only objects of this base class."""

    def __init__(self, tick: Callable[[], Any]) -> None:
        self._tick = tick

    def after_iteration(self, *_: Any) -> bool:
        """Return False: training continues."""
        self._tick()
        return False


def train_xgboost(
    parts: Parts, rounds: int, loss: BinaryFocalLoss | None, tick: Callable[[], Any]
) -> np.ndarray:
    """Return P(positive) for the test part; without a ``loss``, of the built-in log loss."""
    params = {"learning_rate": LEARNING_RATE, "lambda": LAMBDA, "max_depth": 6}
    dtrain = xgb.DMatrix(parts.X_train, parts.y_train, enable_categorical=True)
    dtest = xgb.DMatrix(parts.X_test, enable_categorical=True)
    if loss is None:
        params |= {"objective": "binary:logistic"}
        booster = xgb.train(params, dtrain, rounds, callbacks=[Tick(tick)])
    else:
        booster = fx.train(params, dtrain, rounds, loss=loss, callbacks=[Tick(tick)])
    return booster.predict(dtest).astype(float)


def train_lightgbm(
    parts: Parts, rounds: int, loss: BinaryFocalLoss | None, tick: Callable[[], Any]
) -> np.ndarray:
    """Return P(positive) for the test part; without a ``loss``, of the built-in log loss."""
    params: dict[str, Any] = {"learning_rate": LEARNING_RATE, "lambda_l2": LAMBDA, "verbosity": -1}
    train_set = lgb.Dataset(parts.X_train, parts.y_train)

    def callback(_: Any) -> None:
        tick()

    if loss is None:
        params |= {"objective": "binary"}
        booster = lgb.train(params, train_set, rounds, callbacks=[callback])
    else:
        booster = fl.train(params, train_set, rounds, loss=loss, callbacks=[callback])
    return booster.predict(parts.X_test)


def compare(parts: Parts, gamma: float, rounds: int, console: Console) -> list[Result]:
    """Train a model for each library and loss; show the progress on the console."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    # With the canonical link the boosters predict probabilities, as for log loss.
    losses = {"log loss": None, "focal": BinaryFocalLoss(gamma, link="canonical")}
    results = []
    with Progress(*columns, console=console, transient=True) as progress:
        for library, train in (("XGBoost", train_xgboost), ("LightGBM", train_lightgbm)):
            for name, loss in losses.items():
                bar = progress.add_task(f"{library}, {name}", total=rounds)
                start = time.perf_counter()
                p = train(parts, rounds, loss, lambda bar=bar: progress.advance(bar))
                results.append(Result(library, name, p, time.perf_counter() - start))
    return results


# ---- report --------------------------------------------------------------------------------------


def recall_at_alerts(y: np.ndarray, score: np.ndarray, rate: float = ALERTS) -> float:
    """Return the recall if the share ``rate`` of the rows with the highest scores is alerted."""
    k = max(1, round(rate * len(y)))
    return float(y[np.argsort(-score, kind="stable")[:k]].sum() / y.sum())


def table(results: list[Result], y: np.ndarray, gamma: float) -> Table:
    """Return one row per model, within 80 columns."""
    out = Table(
        title=f"On the test part (focal: gamma {gamma:g})",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0,
    )
    out.add_column("model", no_wrap=True)
    for column in (
        "average\nprecision",
        f"recall at\n{ALERTS:.0%} alerts",
        "log\nloss",
        "Brier\nscore",
        "fit,\ns",
    ):
        out.add_column(column, justify="right", no_wrap=True)
    for r in results:
        out.add_row(
            f"{r.library}, {r.loss}",
            f"{average_precision_score(y, r.probability):.3f}",
            f"{recall_at_alerts(y, r.probability):.1%}",
            f"{log_loss(y, r.probability):.5f}",
            f"{brier_score_loss(y, r.probability):.5f}",
            f"{r.seconds:.1f}",
        )
    return out


def reading(results: list[Result], y: np.ndarray) -> str:
    """Return sentences that follow from the numbers, in whichever direction."""
    sentences = []
    for native, focal in zip(results[::2], results[1::2], strict=True):
        before, after = (average_precision_score(y, r.probability) for r in (native, focal))
        change = after - before
        word = "better than" if change > 0 else "worse than"
        if abs(change) < 0.02:
            word = "about as well as"
        sentences.append(
            f"{focal.library}: focal loss ranks {word} log loss (average precision {change:+.3f})."
        )
    sentences.append(
        f"One split, nothing tuned, {int(y.sum())} positives: differences of a few hundredths are noise."
    )
    return " ".join(sentences)


def reliability(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean prediction and observed frequency of bins with the same number of positives.

    Bins with the same number of rows, the usual choice, would put nearly all positives into the last
    bin.
    """
    order = np.argsort(p, kind="stable")
    before = np.cumsum(y[order]) - y[order]  # positives with a lower prediction
    which = before * BINS // y.sum()
    which = np.minimum(which, BINS - 1)
    rows = np.bincount(which, minlength=BINS)
    predicted = np.bincount(which, weights=p[order], minlength=BINS) / rows
    return predicted, np.bincount(which, weights=y[order], minlength=BINS) / rows


def draw(results: list[Result], y: np.ndarray, gamma: float, output: Path) -> None:
    """Write a PNG with precision-recall and reliability curves."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.4), layout="constrained")
    for r in results:
        focal = r.loss == "focal"
        name = f"{r.library}, " + (f"focal, gamma {gamma:g}" if focal else "log loss")
        style = {"color": COLORS[r.library], "linestyle": "-" if focal else ":", "linewidth": 1.8}
        precision, recall, _ = precision_recall_curve(y, r.probability)
        left.step(recall, precision, where="post", label=name, **style)

        style |= {"marker": "o" if focal else "s", "markersize": 5}
        right.plot(*reliability(y, r.probability), label=name, **style)
    rate = y.mean()
    left.axhline(rate, color="0.4", linewidth=1, label=f"no skill ({rate:.2%})")
    left.set(
        title="Precision and recall",
        xlabel="recall",
        ylabel="precision",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    left.legend(loc="best", fontsize=9)
    right.axline((1e-3, 1e-3), xy2=(1e-2, 1e-2), color="0.4", linewidth=1, label="calibrated")
    right.set(
        title=f"Reliability, {BINS} bins with equal numbers of positives",
        xlabel="predicted probability (mean of bin)",
        ylabel="observed frequency",
        xscale="log",
        yscale="log",
    )
    right.legend(loc="best", fontsize=9)
    for axes in (left, right):
        axes.grid(alpha=0.25)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=120)
    plt.close(figure)


# ---- command line --------------------------------------------------------------------------------


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options, checked."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="Without --data the program uses a simulated table of card payments.",
    )
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="CSV (also compressed) or parquet"
    )
    parser.add_argument("--target", metavar="COLUMN", help="column of the labels")
    parser.add_argument(
        "--positive", metavar="VALUE", help="value of the target that counts as positive"
    )
    parser.add_argument(
        "--time", metavar="COLUMN", help="split by this column instead of at random"
    )
    parser.add_argument(
        "--drop", metavar="COLUMN", nargs="+", default=[], help="columns to leave out"
    )
    parser.add_argument("--gamma", type=float, default=2.0, help="focusing parameter (default 2)")
    parser.add_argument("--rounds", type=int, default=100, help="boosting rounds (default 100)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/quickstart.png"),
        metavar="PNG",
        help="file of the curves (default build/quickstart.png)",
    )
    options = parser.parse_args(arguments)
    if options.data is None:
        for name in ("target", "positive", "time", "drop"):
            if getattr(options, name):
                parser.error(f"--{name} must come with --data")
    elif options.target is None:
        parser.error("--target must name the column of the labels in --data")
    elif options.target in {options.time, *options.drop}:
        parser.error(f"--target {options.target} must not be named in --time or --drop")
    elif options.time in options.drop:
        parser.error(f"--time {options.time} must not be named in --drop")
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    if options.output.suffix.lower() != ".png":
        parser.error(f"--output must end in .png, got {options.output}")
    try:
        BinaryFocalLoss(options.gamma)
    except ValueError as error:
        parser.error(f"--gamma: {error}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison; if an option or the data cannot be used, print why and return 2."""
    options = parse(arguments)
    console = Console()
    try:
        parts = load(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    n, frauds = len(parts.y_train) + len(parts.y_test), parts.y_train.sum() + parts.y_test.sum()
    console.print(
        f"{'simulated card payments' if options.data is None else options.data.name}: {n:,} rows, "
        f"{parts.X_train.shape[1]} features, {frauds:,} positives ({frauds / n:.2%}); {parts.how} "
        f"({parts.y_test.sum():,} positives) is the test part.\n"
        f"Each model: {options.rounds} rounds, learning rate {LEARNING_RATE}, L2 penalty {LAMBDA:g}.",
        highlight=False,
    )
    results = compare(parts, options.gamma, options.rounds, console)
    console.print("", table(results, parts.y_test, options.gamma), "")
    console.print(reading(results, parts.y_test), highlight=False)
    try:
        draw(results, parts.y_test, options.gamma, options.output)
    except OSError as error:
        print(f"--output must be a file that can be written: {error}", file=sys.stderr)
        return 2
    console.print(f"Curves: {options.output}", highlight=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

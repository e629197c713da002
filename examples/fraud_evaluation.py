"""How a fraud team judges a model: payments in order of time, a gap for late labels, paired comparisons.

The notebooks of this folder import this module. Metrics of alerts and costs are in
``focalboost.metrics``, decisions in ``focalboost.decisions``.

``y`` is 1 for fraud and 0 for genuine, with one entry per payment; ``day`` is the number of its day.

References
----------
[H] Y.-A. Le Borgne, W. Siblini, B. Lebichot, G. Bontempi, "Reproducible machine learning for credit card
    fraud detection - practical handbook", Université Libre de Bruxelles 2022,
    https://fraud-detection-handbook.github.io/fraud-detection-handbook
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import ttest_rel

from focalboost.compare import read_table
from focalboost.datasets import load_creditcard, make_fraud

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Payments(NamedTuple):
    """Payments in order of time."""

    X: pd.DataFrame
    y: Ints
    day: Ints
    card: Ints | None


class Split(NamedTuple):
    """The rows of each part: boolean arrays of shape (n,)."""

    train: Bools
    validation: Bools
    test: Bools


class Difference(NamedTuple):
    """Mean of the paired differences, and its interval."""

    mean: float
    low: float
    high: float


# ---- payments ------------------------------------------------------------------------------------


def load_payments(
    data: str | None, seed: int = 0, *, n: int = 120_000, card: str | None = None, **columns: Any
) -> Payments:
    """Simulate payments, or read those of a file.

    Parameters
    ----------
    data : str or None
        None: payments of 120 days, simulated by ``focalboost.datasets.make_fraud``. "creditcard": the
        public ULB table, whose 48 hours take the place of days. Or the path of a CSV or parquet file.
    seed, n : int
        Of the simulation: its seed and number of payments, 600 of which are frauds (less for small n).
    card : str, optional
        Column of the card or customer in the file.
    **columns
        Arguments of ``focalboost.compare.read_table`` for the file: ``target``, ``time``, ``positive``,
        ``drop``. Without ``time`` the rows are in order of time, spread evenly over 120 days.

    Returns
    -------
    Payments
        Categories of a file become numbers; its dates and long texts are left out.
    """
    if data is None:
        simulated = make_fraud(n, float(np.clip(600 / n, 0.005, 0.05)), seed)
        X = pd.DataFrame(simulated.X, columns=list(simulated.feature_names))
        return Payments(X, simulated.y, days(simulated.time), simulated.customer)
    if data == "creditcard":
        public = load_creditcard()
        X = pd.DataFrame(public.X, columns=list(public.feature_names))
        return Payments(X, public.y, days(public.time / np.timedelta64(1, "h")), None)
    table = read_table(Path(data), group=card, **columns)
    X = table.X.select_dtypes(["number", "category"])
    X = X.apply(lambda x: x.cat.codes.where(x.notna()) if x.dtype == "category" else x)
    time = np.linspace(0, 119, len(X)) if table.time is None else table.time
    order = np.argsort(time, kind="stable")
    group = None if table.group is None else table.group[order]
    X = X.astype(np.float32).iloc[order].reset_index(drop=True)
    return Payments(X, table.y[order], days(time)[order], group)


def days(time: ArrayLike) -> Ints:
    """Count the days since that of the first payment; ``time`` holds dates or numbers of days.

    Examples
    --------
    >>> days(np.array(["2025-01-06T23:59", "2025-01-07T00:01"], "datetime64[m]")).tolist()
    [0, 1]
    """
    time = np.asarray(time)
    if time.dtype.kind == "M":
        time = time.astype("datetime64[D]").astype(np.int64)
    day = np.floor(time).astype(np.int64)
    return np.asarray(day - day.min())


# ---- splits --------------------------------------------------------------------------------------


def split_by_time(
    day: ArrayLike,
    *,
    train_days: int,
    delay_days: int,
    test_days: int,
    validation_days: int = 0,
) -> Split:
    """Split by time, with a gap before each later part in which the labels become known.

    ::

        | train_days | delay_days | test_days |
        | train_days | delay_days | validation_days | delay_days | test_days |

    A fraud becomes known ``delay_days`` later, when the customer reports it. A model that is used from
    some day on cannot have been trained or chosen with the labels of the days just before. The payments
    in the gaps belong to no part. [H] uses this scheme in chapters 3 and 5.

    Examples
    --------
    >>> split = split_by_time(np.arange(6), train_days=2, delay_days=1, test_days=3)
    >>> np.flatnonzero(split.train).tolist(), np.flatnonzero(split.test).tolist()
    ([0, 1], [3, 4, 5])
    """
    day = np.asarray(day)
    if min(train_days, delay_days, test_days, validation_days) < 0:
        raise ValueError("train_days, delay_days, validation_days and test_days must be at least 0")
    validation = train_days + delay_days
    test = validation + (validation_days + delay_days if validation_days else 0)
    if test + test_days > day.max() + 1:
        raise ValueError(
            f"the parts must fit into the {day.max() + 1} days, got {test + test_days} days"
        )
    begins = {"train": (0, train_days), "test": (test, test_days)}
    begins["validation"] = (validation, validation_days)
    rows = {name: (day >= begin) & (day < begin + n) for name, (begin, n) in begins.items()}
    for name, found in rows.items():
        if not found.any() and (name != "validation" or validation_days):
            raise ValueError(f"{name}_days must contain payments, got none")
    return Split(**rows)


def known_card(y: ArrayLike, day: ArrayLike, card: ArrayLike, *, delay_days: int) -> Bools:
    """Return which payments belong to a card that has a known fraud on their day and would be blocked.

    On day d the frauds of the days before d - ``delay_days`` are known ([H], chapter 3,
    ``get_train_test_set``). Pass all payments from the first training day on.

    Examples
    --------
    >>> known_card([1, 0, 0, 0], [0, 2, 3, 3], [7, 7, 7, 8], delay_days=2).tolist()
    [False, False, True, False]
    """
    fraud_day = pd.Series(np.where(np.asarray(y) == 1, day, np.inf))
    first = fraud_day.groupby(np.asarray(card)).transform("min").to_numpy()
    return np.asarray(first + delay_days < np.asarray(day))


# ---- uncertainty ---------------------------------------------------------------------------------


def paired_difference(values_a: ArrayLike, values_b: ArrayLike, level: float = 0.95) -> Difference:
    """Return the mean of a - b over seeds, with a t interval.

    Entry i of both arrays belongs to seed i. An interval that contains 0 does not prove that the two
    models are equal; it means that these seeds cannot show a difference.

    Examples
    --------
    >>> [round(x, 3) for x in paired_difference([0.5, 0.7, 0.6], [0.4, 0.5, 0.5])]
    [0.133, -0.01, 0.277]
    """
    a, b = np.asarray(values_a, dtype=float), np.asarray(values_b, dtype=float)
    if a.shape != b.shape or len(a) < 2:
        raise ValueError(f"values must be of the same seeds, 2 at least, got {len(a)} and {len(b)}")
    with warnings.catch_warnings():  # SciPy warns where all differences are equal
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = ttest_rel(a, b).confidence_interval(level)
    return Difference(float((a - b).mean()), float(interval.low), float(interval.high))


def compare(
    runs: pd.DataFrame, baseline: str, *, lower_is_better: Sequence[str] = (), digits: int = 3
) -> pd.DataFrame:
    """Compare each model with one of them over the same seeds, metric by metric.

    Parameters
    ----------
    runs : DataFrame
        Metrics in columns, indexed by model and seed; every model has the same seeds in the same order.
    baseline : str
        The model that the others are compared with.
    lower_is_better : sequence of str
        Metrics of which less is better, such as log loss.
    digits : int
        Digits after the point.

    Returns
    -------
    DataFrame
        Indexed by metric and model: the mean, the paired difference with its 95 % interval, and what
        the interval says. "not told apart": it contains 0.
    """

    def signed(value: float) -> str:
        return f"{round(value, digits) + 0.0:+.{digits}f}"  # + 0.0: no minus in front of 0

    rows = {}
    for metric in runs:
        for model in dict.fromkeys(runs.index.get_level_values(0)):
            after, before = runs.loc[model, metric], runs.loc[baseline, metric]
            row = {"mean": f"{after.mean():.{digits}f}", "difference": "", "verdict": "baseline"}
            if model != baseline:
                mean, low, high = paired_difference(after, before)
                row["difference"] = f"{signed(mean)} [{signed(low)}, {signed(high)}]"
                row["verdict"] = "not told apart"
                if low > 0 or high < 0:
                    row["verdict"] = (
                        "worse" if (mean > 0) == (metric in lower_is_better) else "better"
                    )
            rows[metric, model] = row
    return pd.DataFrame.from_dict(rows, orient="index")

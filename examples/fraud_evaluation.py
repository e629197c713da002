"""How a fraud team judges a model: split by time, the cost of each threshold, and uncertainty.

The notebooks of this folder import this module:

    from fraud_evaluation import cost_curve, days, known_card, read_payments, split_by_time

Recall and precision of alerts, costs and savings are in ``focalboost.metrics``, decisions in
``focalboost.decisions``.

Every function takes arrays with one entry per payment, from any model. ``y`` is 1 for fraud and 0 for
genuine. A ``score`` is any number that is higher for payments that look more like fraud. A
``probability`` must be a true one: that of ``predict_proba``, or of a booster trained with
``link="canonical"``. Arguments that cannot be used raise ValueError, which names the argument, what was
given and what is allowed.

References
----------
[H] Y.-A. Le Borgne, W. Siblini, B. Lebichot, G. Bontempi, "Reproducible machine learning for credit card
    fraud detection - practical handbook", Université Libre de Bruxelles 2022,
    https://fraud-detection-handbook.github.io/fraud-detection-handbook
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import bootstrap, ttest_rel

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Split(NamedTuple):
    """The rows of each part: boolean arrays of shape (n,)."""

    train: Bools
    validation: Bools
    test: Bools


class CostCurve(NamedTuple):
    """Number of alerts and total cost if payments are alerted from each threshold upwards."""

    threshold: Floats
    alerts: Ints
    cost: Floats


class Difference(NamedTuple):
    """Mean of the paired differences, and its interval."""

    mean: float
    low: float
    high: float


# ---- a file of payments --------------------------------------------------------------------------


def read_payments(
    path: str | Path, target: str, time: str | None = None
) -> tuple[pd.DataFrame, Ints, Ints]:
    """Read a table of payments, one row each.

    Parameters
    ----------
    path : str or Path
        A CSV or parquet file.
    target : str
        Its column of 0 (genuine) and 1 (fraud).
    time : str, optional
        Its column of dates, or of numbers of days. None: the rows are in order of time, and are spread
        evenly over 120 days.

    Returns
    -------
    X : DataFrame of float32
        The other columns, in order of time. Text and categories become numbers, missing values NaN.
    y : int64 array of shape (n,)
    day : int64 array of shape (n,)
        As of ``days``.

    Raises
    ------
    ValueError
        If a column is missing, a label is not 0 or 1, or a time cannot be read.
    """
    table = pd.read_parquet(path) if str(path).endswith(".parquet") else pd.read_csv(path)
    for column in (target, *([time] if time is not None else [])):
        if column not in table:
            raise ValueError(f"{Path(path).name} has no column {column!r}, only {list(table)}")
    when: Any = np.linspace(0, 119, len(table))
    if time is not None:
        if not pd.api.types.is_numeric_dtype(table[time]):
            table[time] = pd.to_datetime(table[time])
        table = table.sort_values(time, kind="stable", ignore_index=True)
        when = table.pop(time).to_numpy()
    y = _labels(table.pop(target).to_numpy())
    for name in table.columns[~table.dtypes.map(pd.api.types.is_numeric_dtype)]:
        codes = pd.factorize(table[name], sort=True)[0]
        table[name] = np.where(codes < 0, np.nan, codes)
    return table.astype(np.float32), y, days(when)


# ---- time ----------------------------------------------------------------------------------------


def days(time: ArrayLike) -> Ints:
    """Count the days since the day of the first payment.

    Parameters
    ----------
    time : array of shape (n,)
        datetime64: a day begins at midnight. timedelta64: a day begins every 24 hours. Numbers: they
        count days.

    Returns
    -------
    int64 array of shape (n,)
        Number of the day of each payment, from 0.

    Examples
    --------
    >>> days(np.array(["2025-01-06T23:59", "2025-01-07T00:01"], "datetime64[m]")).tolist()
    [0, 1]
    """
    time = np.asarray(time)
    if time.ndim != 1 or not len(time):
        raise ValueError(f"time must have shape (n,) with n > 0, got {time.shape}")
    if time.dtype.kind not in "Mmiuf":
        raise ValueError(f"time must be dates, durations or numbers of days, got {time.dtype}")
    missing = np.isnat(time) if time.dtype.kind in "Mm" else ~np.isfinite(time)
    if missing.any():
        row = int(np.argmax(missing))
        raise ValueError(f"time must have no missing value, got {time[row]} at row {row}")
    if time.dtype.kind == "M":
        day = time.astype("datetime64[D]").astype(np.int64)
    elif time.dtype.kind == "m":
        day = time // np.timedelta64(1, "D")
    else:
        day = np.floor(time).astype(np.int64)
    return np.asarray(day - day.min())


def split_by_time(
    time: ArrayLike,
    *,
    train_days: int,
    delay_days: int,
    test_days: int,
    validation_days: int = 0,
    start_day: int = 0,
) -> Split:
    """Split by time, with a gap before each later part in which the labels become known.

    ::

        | train_days | delay_days | test_days |
        | train_days | delay_days | validation_days | delay_days | test_days |

    A fraud becomes known ``delay_days`` later, when the customer reports it. A model that is used from
    some day on cannot have been trained or chosen with the labels of the days just before. The payments
    in the gaps belong to no part.

    Parameters
    ----------
    time : array of shape (n,)
        As for ``days``.
    train_days, test_days : int >= 1
        Length of these parts.
    delay_days : int >= 0
        Length of each gap.
    validation_days : int >= 0
        Length of the validation part. 0: no validation part, and one gap only.
    start_day : int >= 0
        First day of the training part. Other values give further splits.

    Returns
    -------
    Split
        ``validation`` is all False if ``validation_days`` is 0.

    Raises
    ------
    ValueError
        If a number is out of its range, the parts need more days than ``time`` has, or a part has no
        payment.

    Notes
    -----
    [H] uses this scheme in chapters 3 and 5, with one week each for training, delay and test. It also
    removes from the test part the cards with a known fraud: ``split.test & ~known_card(...)``.

    Examples
    --------
    >>> split = split_by_time(np.arange(6), train_days=2, delay_days=1, test_days=3)
    >>> np.flatnonzero(split.train).tolist(), np.flatnonzero(split.test).tolist()
    ([0, 1], [3, 4, 5])
    """
    _whole("train_days", train_days, 1)
    _whole("test_days", test_days, 1)
    _whole("delay_days", delay_days, 0)
    _whole("validation_days", validation_days, 0)
    _whole("start_day", start_day, 0)
    day = days(time)

    def part(begin: int, length: int) -> Bools:
        return (day >= begin) & (day < begin + length)

    validation_day = start_day + train_days + delay_days
    test_day = validation_day + (validation_days + delay_days if validation_days else 0)
    available = int(day.max()) + 1
    if test_day + test_days > available:
        raise ValueError(
            f"start_day and the parts must fit into the {available} days of time, got "
            f"{test_day + test_days} days to the end of the test part"
        )
    split = Split(
        part(start_day, train_days),
        part(validation_day, validation_days),
        part(test_day, test_days),
    )
    for name, rows, length in zip(
        Split._fields, split, (train_days, validation_days, test_days), strict=True
    ):
        if length and not rows.any():
            raise ValueError(f"{name}_days must contain payments, got {length} days without any")
    return split


def known_card(y: ArrayLike, day: ArrayLike, customer: ArrayLike, *, delay_days: int) -> Bools:
    """Return which payments belong to a card that has a known fraud on their day and would be blocked.

    On day d the frauds of the days before d - ``delay_days`` are known.

    Parameters
    ----------
    y, day, customer : arrays of shape (n,)
        All payments from the first training day on, not only the test part. ``day`` is what ``days``
        returns.
    delay_days : int >= 0
        Days until a fraud is known.

    Returns
    -------
    bool array of shape (n,)

    References
    ----------
    [H], chapter 3, ``get_train_test_set``.

    Examples
    --------
    >>> known_card([1, 0, 0, 0], [0, 2, 3, 3], [7, 7, 7, 8], delay_days=2).tolist()
    [False, False, True, False]
    """
    y = _labels(y)
    (day,) = _numbers(y, day=day)
    (customer,) = _shaped(y, customer=customer)
    _whole("delay_days", delay_days, 0)
    names, card = np.unique(customer, return_inverse=True)
    first = np.full(len(names), np.inf)
    np.minimum.at(first, card[y == 1], day[y == 1])
    return np.asarray(first[card] + delay_days < day)


# ---- costs ---------------------------------------------------------------------------------------


def cost_curve(
    y: ArrayLike, probability: ArrayLike, amount: ArrayLike, alert_cost: float
) -> CostCurve:
    """Return the cost of each threshold on the probability, the same threshold for all payments.

    Compare the lowest cost of the curve with that of ``focalboost.decisions.decide``, which has a
    threshold for each payment.

    Parameters
    ----------
    y, probability, amount : arrays of shape (n,)
        Only the order of ``probability`` matters, so any score can take its place.
    alert_cost : float >= 0
        Cost of one alert.

    Returns
    -------
    CostCurve
        Thresholds in ascending order, from the lowest probability (all payments are alerted) to infinity
        (none is). Costs are those of ``focalboost.metrics.total_cost``.

    Examples
    --------
    >>> curve = cost_curve([1, 0, 1], [0.9, 0.5, 0.1], [50.0, 20.0, 30.0], alert_cost=5.0)
    >>> curve.threshold.tolist(), curve.cost.tolist()
    ([0.1, 0.5, 0.9, inf], [15.0, 40.0, 35.0, 80.0])
    """
    y = _labels(y)
    probability, amount = _numbers(y, probability=probability, amount=amount)
    _money(amount, alert_cost)
    order = np.argsort(probability, kind="stable")
    threshold, below = np.unique(probability[order], return_index=True)
    threshold, below = np.append(threshold, np.inf), np.append(below, len(y))
    missed = np.append(0.0, np.cumsum((amount * y)[order]))  # entry i: of the i lowest payments
    alerts = len(y) - below
    return CostCurve(threshold, alerts, alert_cost * alerts + missed[below])


# ---- uncertainty ---------------------------------------------------------------------------------


def bootstrap_interval(
    metric: Callable[..., float],
    *arrays: ArrayLike,
    groups: ArrayLike | None = None,
    n: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the bootstrap percentile interval of a metric.

    The payments are drawn again with replacement, and the metric is computed on each draw.

    Parameters
    ----------
    metric : callable
        ``metric(*arrays)`` returns a number.
    *arrays : arrays of shape (m, ...)
        One entry per payment. The same payments are drawn from all arrays.
    groups : array of shape (m,), optional
        Draw whole groups, such as days or customers, because the frauds of one incident resemble each
        other. If one of ``arrays`` equals ``groups``, its groups get new numbers in each draw: a day
        that is drawn twice counts as two days. None: draw single payments.
    n : int >= 2
        Number of draws.
    level : float in (0, 1)
        Share of the draws whose metric is inside the interval.
    seed : int >= 0
        Seed of the draws.

    Returns
    -------
    low, high : float

    Notes
    -----
    The model stays the same in all draws, so the interval does not show what another training would
    change. With few groups, fewer than about 20, the interval is too narrow. Do not use it for
    ``focalboost.metrics.card_precision`` with ``remove_detected``: there a day depends on those before.

    References
    ----------
    B. Efron, R. J. Tibshirani, "An introduction to the bootstrap", Chapman & Hall 1993, chapter 13.

    Examples
    --------
    >>> low, high = bootstrap_interval(np.mean, np.repeat([0.0, 1.0], 50))
    >>> 0.3 < low < 0.5 < high < 0.7
    True
    """
    columns = [np.asarray(array) for array in arrays]
    lengths = {column.shape[:1] for column in columns}
    if len(lengths) != 1 or lengths <= {(), (0,)}:
        given = ", ".join(str(column.shape) for column in columns) or "none"
        raise ValueError(f"arrays must have one entry per payment and equal lengths, got {given}")
    _whole("n", n, 2)
    _number("level", level, "(", 0, 1, ")")
    _whole("seed", seed, 0)
    m = len(columns[0])
    if groups is None:
        units = m
        renumber = [False] * len(columns)
    else:
        (groups,) = _shaped(np.empty(m), groups=groups)
        _, which, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        units = len(sizes)
        if units < 2:
            raise ValueError(f"groups must have at least two values, got {units}")
        members = np.split(np.argsort(which, kind="stable"), np.cumsum(sizes)[:-1])
        renumber = [np.array_equal(column, groups) for column in columns]

    def of_draw(chosen: Ints) -> float:
        rows = chosen if groups is None else np.concatenate([members[i] for i in chosen])
        drawn = [
            np.repeat(np.arange(len(chosen)), sizes[chosen]) if new else column[rows]
            for column, new in zip(columns, renumber, strict=True)
        ]
        value = metric(*drawn)
        if not np.isfinite(value):
            raise ValueError(f"metric must be finite, got {value}")
        return value

    found = bootstrap(
        (np.arange(units),),
        of_draw,
        n_resamples=n,
        batch=1,
        vectorized=False,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def paired_difference(values_a: ArrayLike, values_b: ArrayLike, level: float = 0.95) -> Difference:
    """Return the mean of a - b over seeds, with a t interval.

    Entry i of both arrays belongs to seed i::

        mean(d) ± t sd(d) / sqrt(n),   d = a - b,   t with n - 1 degrees of freedom

    Parameters
    ----------
    values_a, values_b : arrays of shape (n,), n >= 2
        Metrics of two models on the same tables and splits.
    level : float in (0, 1)
        Confidence level of the interval.

    Returns
    -------
    Difference
        The interval is exact if the differences are independent and normal.

    Notes
    -----
    An interval that contains 0 does not prove that the two models are equal; it means that these seeds
    cannot show a difference. Seeds that change only the training show the noise of training. A new table
    for each seed also shows the noise of the data.

    Examples
    --------
    >>> [round(x, 3) for x in paired_difference([0.5, 0.7, 0.6], [0.4, 0.5, 0.5])]
    [0.133, -0.01, 0.277]
    """
    values_a = np.asarray(values_a)
    if values_a.ndim != 1 or len(values_a) < 2:
        raise ValueError(f"values_a must have shape (n,) with n >= 2, got {values_a.shape}")
    a, b = _numbers(values_a, values_a=values_a, values_b=values_b)
    _number("level", level, "(", 0, 1, ")")
    with warnings.catch_warnings():  # SciPy warns where all differences are equal
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = ttest_rel(a, b).confidence_interval(level)
    return Difference(float((a - b).mean()), float(interval.low), float(interval.high))


# ---- checks --------------------------------------------------------------------------------------


def _labels(y: ArrayLike) -> Ints:
    """Return the labels as integers (n,); they must be 0 or 1."""
    y = np.asarray(y)
    if y.ndim != 1 or not len(y):
        raise ValueError(f"y must have shape (n,) with n > 0, got {y.shape}")
    wrong = ~np.isin(y, (0, 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"y must be 0 or 1, got {y[row]} at row {row}")
    return y.astype(np.int64)


def _shaped(like: NDArray[Any], **arrays: ArrayLike) -> list[NDArray[Any]]:
    """Return the arrays; each must have the shape of ``like``, one entry per payment."""
    checked = [np.asarray(values) for values in arrays.values()]
    for name, array in zip(arrays, checked, strict=True):
        if array.shape != like.shape:
            raise ValueError(f"{name} must have shape {like.shape}, got {array.shape}")
    return checked


def _numbers(like: NDArray[Any], **arrays: ArrayLike) -> list[Floats]:
    """Return the arrays as floats; each must have one finite number per payment."""
    checked = _shaped(like, **arrays)
    for name, array in zip(arrays, checked, strict=True):
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{name} must be numbers, got {array.dtype}")
        finite = np.isfinite(array)
        if not finite.all():
            row = int(np.argmin(finite))
            raise ValueError(f"{name} must be finite, got {array[row]} at row {row}")
    return [array.astype(float) for array in checked]


def _money(amount: Floats, alert_cost: float) -> None:
    """Check that amounts and the cost of an alert are at least 0."""
    _number("alert_cost", alert_cost, "[", 0, np.inf, ")")
    if (amount < 0).any():
        row = int(np.argmax(amount < 0))
        raise ValueError(f"amount must be at least 0, got {amount[row]} at row {row}")


def _whole(name: str, value: Any, least: int) -> None:
    """Check for a whole number that is at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")


def _number(name: str, value: Any, opening: str, low: float, high: float, closing: str) -> None:
    """Check for a number in an interval, which is given as it is written: ``"(", 0, 1, "]"``."""
    inside = isinstance(value, (int, float, np.number)) and low <= value <= high
    ends = {low} if opening == "(" else set()
    ends |= {high} if closing == ")" else set()
    if not inside or value in ends:
        raise ValueError(f"{name} must be in {opening}{low}, {high}{closing}, got {value!r}")

"""What the fraud notebooks share: small examples that are worked out by hand."""

import doctest
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn")

from focalboost.datasets import make_fraud
from focalboost.metrics import total_cost

PATH = Path(__file__).parents[1] / "examples" / "fraud_evaluation.py"
spec = importlib.util.spec_from_file_location("fraud_evaluation", PATH)
fe = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fe)


def test_docstrings():
    failed, tried = doctest.testmod(fe)
    assert failed == 0
    assert tried >= 6


# ---- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "time",
    [
        np.array(["2025-01-06T23:59", "2025-01-07T00:01", "2025-01-09T12:00"], "datetime64[s]"),
        np.array([86_399, 86_400, 3 * 86_400 + 5], "timedelta64[s]"),
        [10.9, 11.0, 13.5],
        np.array([4, 5, 7], np.int16),
    ],
)
def test_days(time):
    assert_array_equal(fe.days(time), [0, 1, 3])


def test_split_has_a_gap_before_each_part():
    day = np.repeat(np.arange(12), 2)  # two payments a day
    split = fe.split_by_time(day, train_days=3, delay_days=2, test_days=4, start_day=1)
    assert_array_equal(np.unique(day[split.train]), [1, 2, 3])
    assert not split.validation.any()
    assert_array_equal(np.unique(day[split.test]), [6, 7, 8, 9])

    split = fe.split_by_time(day, train_days=3, delay_days=2, validation_days=1, test_days=4)
    assert_array_equal(np.unique(day[split.train]), [0, 1, 2])
    assert_array_equal(np.unique(day[split.validation]), [5])
    assert_array_equal(np.unique(day[split.test]), [8, 9, 10, 11])
    assert [rows.sum() for rows in split] == [6, 2, 8]
    assert all(rows.dtype == bool for rows in split)


def test_split_of_the_simulated_table():
    table = make_fraud(2_000, fraud_rate=0.02)
    split = fe.split_by_time(table.time, train_days=60, delay_days=7, test_days=30)
    gap = table.time[split.test].min() - table.time[split.train].max()
    assert np.timedelta64(7, "D") < gap < np.timedelta64(9, "D")


def test_split_with_an_empty_part():
    time = [0, 1, 2, 9]
    with pytest.raises(ValueError, match="test_days must contain payments, got 2 days without any"):
        fe.split_by_time(time, train_days=2, delay_days=1, test_days=2)


def test_card_is_known_after_the_delay():
    #    card a, fraud on day 2      card b, frauds on days 1 and 5     card c, none
    customer = list("aaaa" + "bbbb" + "c")
    day = [2, 4, 5, 6, 1, 3, 4, 5, 9]
    y = [1, 0, 0, 0, 1, 0, 0, 1, 0]
    known = fe.known_card(y, day, customer, delay_days=2)
    #                    a: from day 5 on        b: from day 4 on
    assert_array_equal(known, [0, 0, 1, 1, 0, 0, 1, 1, 0])


# ---- costs ---------------------------------------------------------------------------------------

Y = np.array([1, 1, 0, 0, 1])
AMOUNT = np.array([100.0, 4.0, 60.0, 10.0, 40.0])
PROBABILITY = np.array([0.8, 0.8, 0.1, 0.3, 0.02])


def test_cost_curve_is_the_cost_of_each_threshold():
    curve = fe.cost_curve(Y, PROBABILITY, AMOUNT, 5.0)
    assert_array_equal(curve.threshold, [0.02, 0.1, 0.3, 0.8, np.inf])
    assert_array_equal(curve.alerts, [5, 4, 3, 2, 0])
    # All alerts; the fraud of 40 is missed; the same with one and two false alerts fewer; no alert.
    assert_allclose(curve.cost, [25, 20 + 40, 15 + 40, 10 + 40, 144])
    for threshold, alerts, cost in zip(*curve, strict=True):
        alert = threshold <= PROBABILITY
        assert alert.sum() == alerts
        assert cost == pytest.approx(total_cost(Y, alert, AMOUNT, 5.0))


# ---- uncertainty ---------------------------------------------------------------------------------


def test_bootstrap_interval_of_a_mean():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    low, high = fe.bootstrap_interval(np.mean, values, n=2_000, level=0.9)
    # Normal theory. With 2000 draws the ends have an error of about 5 % of the half-width.
    half = 1.645 * values.std() / 20
    assert_allclose([low, high], [values.mean() - half, values.mean() + half], atol=0.1 * half)
    assert fe.bootstrap_interval(np.mean, values) == fe.bootstrap_interval(np.mean, values)
    assert fe.bootstrap_interval(np.mean, values) != fe.bootstrap_interval(np.mean, values, seed=1)


def test_bootstrap_draws_rows_of_all_arrays_together():
    x = np.arange(50.0)

    def mismatch(a, b):
        return np.abs(b - 2 * a).max()

    assert fe.bootstrap_interval(mismatch, x, 2 * x) == (0, 0)
    assert fe.bootstrap_interval(mismatch, x, 2 * x, groups=x // 10) == (0, 0)


def test_bootstrap_of_groups_has_wider_intervals():
    """Ten equal payments of one group tell no more than one payment."""
    values = np.repeat(np.random.default_rng(0).normal(size=100), 10)
    group = np.repeat(np.arange(100), 10)
    low, high = fe.bootstrap_interval(np.mean, values, n=1_000)
    wide_low, wide_high = fe.bootstrap_interval(np.mean, values, groups=group, n=1_000)
    # The ratio is sqrt(10). With 1000 draws each width has an error of a few per cent.
    assert (wide_high - wide_low) / (high - low) == pytest.approx(np.sqrt(10), rel=0.15)


def test_a_day_drawn_twice_is_two_days():
    day = np.repeat([5, 6, 7], [2, 3, 4])
    seen = []

    def metric(values, day):
        seen.append((values, day))
        return 0.0

    fe.bootstrap_interval(metric, day * 1.5, day, groups=day, n=50)
    for values, number in seen:
        assert_array_equal(np.unique(number), [0, 1, 2])
        sizes = {7.5: 2, 9.0: 3, 10.5: 4}
        for i in range(3):
            same = values[number == i]
            assert len(set(same)) == 1
            assert len(same) == sizes[same[0]]
    assert any(len(set(values)) < 3 for values, _ in seen)  # a day was drawn twice


def test_paired_difference():
    a, b = [0.5, 0.7, 0.6], [0.4, 0.5, 0.5]
    result = fe.paired_difference(a, b)
    # d = .1, .2, .1: mean .4/3, sd .1/sqrt(3), standard error .1/3; the .975 quantile of t with 2
    # degrees of freedom is 4.3027.
    assert result.mean == pytest.approx(0.4 / 3)
    # The tolerance is the rounding of 4.3027 (5e-5) divided by 30.
    assert_allclose([result.low, result.high], (4 + np.array([-1, 1]) * 4.3027) / 30, atol=2e-6)
    stats = pytest.importorskip("scipy.stats")
    expected = stats.ttest_rel(a, b).confidence_interval(0.8)
    assert_allclose(fe.paired_difference(a, b, level=0.8)[1:], [expected.low, expected.high])
    assert fe.paired_difference([0.5, 0.75], [0.25, 0.5]) == (0.25, 0.25, 0.25)


# ---- errors --------------------------------------------------------------------------------------

TIME = np.arange(10)
SPLIT = {"train_days": 3, "delay_days": 2, "test_days": 3}
ONE = np.ones(3)
DAY = [0, 0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fe.days([]), r"time must have shape \(n,\) with n > 0, got \(0,\)"),
        (lambda: fe.days(["monday"]), "time must be dates, durations or numbers of days, got <U6"),
        (lambda: fe.days([0.0, np.nan]), "time must have no missing value, got nan at row 1"),
        (
            lambda: fe.days(np.array([1, "NaT"], "timedelta64[s]")),
            "time must have no missing value, got NaT at row 1",
        ),
        (
            lambda: fe.split_by_time(TIME, **SPLIT | {"train_days": 0}),
            "train_days must be a whole number >= 1, got 0",
        ),
        (
            lambda: fe.split_by_time(TIME, **SPLIT | {"test_days": 2.5}),
            "test_days must be a whole number >= 1, got 2.5",
        ),
        (
            lambda: fe.split_by_time(TIME, **SPLIT | {"delay_days": -1}),
            "delay_days must be a whole number >= 0, got -1",
        ),
        (
            lambda: fe.split_by_time(TIME, **SPLIT, validation_days=-1),
            "validation_days must be a whole number >= 0, got -1",
        ),
        (
            lambda: fe.split_by_time(TIME, **SPLIT, start_day=True),
            "start_day must be a whole number >= 0, got True",
        ),
        (
            lambda: fe.split_by_time(TIME, **SPLIT, start_day=3),
            "must fit into the 10 days of time, got 11 days",
        ),
        (
            lambda: fe.split_by_time(TIME, **SPLIT, validation_days=1),
            "must fit into the 10 days of time, got 11 days",
        ),
        (lambda: fe.known_card([0, 1], [0, 1], [0], delay_days=1), "customer must have shape"),
        (
            lambda: fe.known_card([0, 1], [0, 1], [0, 1], delay_days=None),
            "delay_days must be a whole number >= 0, got None",
        ),
        (lambda: fe.known_card([0], ["mon"], [0], delay_days=1), "day must be numbers, got <U3"),
        (lambda: fe.cost_curve([1], [np.nan], [1.0], 1.0), "probability must be finite"),
        (lambda: fe.cost_curve([1], [0.5], [-1.0], 1.0), "amount must be at least 0"),
        (lambda: fe.bootstrap_interval(np.mean), "arrays must have one entry .*, got none"),
        (lambda: fe.bootstrap_interval(np.dot, ONE, ONE[:2]), r"arrays .*, got \(3,\), \(2,\)"),
        (lambda: fe.bootstrap_interval(np.mean, 3.0), r"arrays .*, got \(\)"),
        (lambda: fe.bootstrap_interval(np.mean, ONE, n=1), "n must be a whole number >= 2, got 1"),
        (lambda: fe.bootstrap_interval(np.mean, ONE, level=1), r"level must be in \(0, 1\), got 1"),
        (lambda: fe.bootstrap_interval(np.mean, ONE, seed=-1), "seed must be a whole number >= 0"),
        (lambda: fe.bootstrap_interval(np.mean, ONE, groups=DAY[:2]), "groups must have shape"),
        (
            lambda: fe.bootstrap_interval(np.mean, ONE, groups=ONE),
            "groups must have at least two values, got 1",
        ),
        (
            lambda: fe.bootstrap_interval(lambda _: np.nan, ONE),
            "metric must be finite, got nan",
        ),
        (lambda: fe.paired_difference([1.0], [2.0]), r"values_a must have shape .*, got \(1,\)"),
        (lambda: fe.paired_difference([1.0, 2.0], [2.0]), "values_b must have shape"),
        (lambda: fe.paired_difference([1, 2], [2, np.nan]), "values_b must be finite, got nan"),
        (lambda: fe.paired_difference([1, 2], [2, 3], 0), r"level must be in \(0, 1\), got 0"),
    ],
)
def test_errors_name_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()

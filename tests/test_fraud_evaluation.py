"""What the fraud notebooks share: small examples that are worked out by hand."""

import doctest
import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn")
pytest.importorskip("skrub")

from focalboost.datasets import make_fraud

PATH = Path(__file__).parents[1] / "examples" / "fraud_evaluation.py"
spec = importlib.util.spec_from_file_location("fraud_evaluation", PATH)
fe = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fe)


def test_docstrings():
    failed, tried = doctest.testmod(fe)
    assert failed == 0
    assert tried >= 4


# ---- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "time",
    [
        np.array(["2025-01-06T23:59", "2025-01-07T00:01", "2025-01-09T12:00"], "datetime64[s]"),
        [10.9, 11.0, 13.5],
        np.array([4, 5, 7], np.int16),
    ],
)
def test_days(time):
    assert_array_equal(fe.days(time), [0, 1, 3])


def test_split_has_a_gap_before_each_part():
    day = np.repeat(np.arange(12), 2)  # two payments a day
    split = fe.split_by_time(day, train_days=3, delay_days=2, test_days=4)
    assert_array_equal(np.unique(day[split.train]), [0, 1, 2])
    assert not split.validation.any()
    assert_array_equal(np.unique(day[split.test]), [5, 6, 7, 8])

    split = fe.split_by_time(day, train_days=3, delay_days=2, validation_days=1, test_days=4)
    assert_array_equal(np.unique(day[split.train]), [0, 1, 2])
    assert_array_equal(np.unique(day[split.validation]), [5])
    assert_array_equal(np.unique(day[split.test]), [8, 9, 10, 11])
    assert [rows.sum() for rows in split] == [6, 2, 8]
    assert all(rows.dtype == bool for rows in split)


def test_split_with_an_empty_part():
    time = [0, 1, 2, 9]
    with pytest.raises(ValueError, match="test_days must contain payments, got none"):
        fe.split_by_time(time, train_days=2, delay_days=1, test_days=2)


def test_card_is_known_after_the_delay():
    #    card a, fraud on day 2      card b, frauds on days 1 and 5     card c, none
    customer = list("aaaa" + "bbbb" + "c")
    day = [2, 4, 5, 6, 1, 3, 4, 5, 9]
    y = [1, 0, 0, 0, 1, 0, 0, 1, 0]
    known = fe.known_card(y, day, customer, delay_days=2)
    #                    a: from day 5 on        b: from day 4 on
    assert_array_equal(known, [0, 0, 1, 1, 0, 0, 1, 1, 0])


# ---- uncertainty ---------------------------------------------------------------------------------


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


RUNS = pd.DataFrame(
    {"AP": [0.4, 0.5, 0.6, 0.5, 0.6, 0.71], "log loss": [1.0, 2.0, 3.0, 2.0, 3.0, 4.1]},
    index=pd.MultiIndex.from_product([["old", "new"], [0, 1, 2]]),
)


def test_compare_says_what_the_interval_says():
    table = fe.compare(RUNS, "old", lower_is_better=["log loss"])
    assert list(table.index) == [(m, k) for m in ("AP", "log loss") for k in ("old", "new")]
    assert table["mean"].tolist() == ["0.500", "0.603", "2.000", "3.033"]
    # d = .1, .1, .11: mean .31/3, standard error .01/3, times 4.3027.
    assert table["difference"].tolist()[:2] == ["", "+0.103 [+0.089, +0.118]"]
    assert table["verdict"].tolist() == ["baseline", "better", "baseline", "worse"]
    table = fe.compare(RUNS, "new", lower_is_better=["log loss"])
    assert table["verdict"].tolist() == ["worse", "baseline", "better", "baseline"]


def test_compare_does_not_tell_equal_models_apart():
    runs = RUNS.copy()
    runs.loc[("old", 0), "AP"] = 0.9
    table = fe.compare(runs, "new")
    assert table.loc[("AP", "old"), "verdict"] == "not told apart"


# ---- payments ------------------------------------------------------------------------------------


def test_simulated_payments():
    payments = fe.load_payments(None, 3, n=2_000)
    assert payments.X.shape == (2_000, 28)
    assert payments.y.sum() == 100  # a twentieth at most
    assert (np.diff(payments.day) >= 0).all()
    assert payments.day.max() == 119
    assert len(payments.card) == 2_000


def test_payments_of_a_file(tmp_path):
    """Rows in any order, labels in words, text among the features."""
    table = make_fraud(2_000, fraud_rate=0.05, seed=3)
    frame = table.frame().assign(shop=np.where(table.X[:, 0] > 50, "dear", "cheap"))
    frame["fraud"] = np.where(table.y == 1, "yes", "no")
    frame["shop"] = frame["shop"].where(np.arange(2_000) > 0)  # one is missing
    frame["card"] = table.customer
    path = tmp_path / "payments.csv"
    frame.sample(frac=1, random_state=0).to_csv(path, index=False)
    payments = fe.load_payments(
        str(path), target="fraud", time="time", card="card", positive=["yes"], drop=["hour"]
    )
    assert (payments.X.dtypes == np.float32).all()
    assert not {"time", "card", "fraud", "hour"} & set(payments.X)
    assert payments.y.sum() == table.y.sum()
    assert_array_equal(payments.day, fe.days(table.time))
    assert_array_equal(np.unique(payments.card), np.arange(len(np.unique(table.customer))))
    assert set(payments.X["shop"].dropna()) == {0, 1}
    assert payments.X["shop"].isna().sum() == 1


# ---- errors --------------------------------------------------------------------------------------

DAY = np.arange(10)
SPLIT = {"train_days": 3, "delay_days": 2, "test_days": 3}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fe.split_by_time(DAY, **SPLIT | {"train_days": 0}), "train_days must contain"),
        (lambda: fe.split_by_time(DAY, **SPLIT | {"delay_days": -1}), "must be at least 0"),
        (lambda: fe.split_by_time(DAY, **SPLIT | {"test_days": 6}), "10 days, got 11 days"),
        (lambda: fe.split_by_time(DAY, **SPLIT, validation_days=1), "10 days, got 11 days"),
        (lambda: fe.paired_difference([1.0], [2.0]), "2 at least, got 1 and 1"),
        (lambda: fe.paired_difference([1.0, 2.0], [2.0]), "same seeds, 2 at least, got 2 and 1"),
    ],
)
def test_errors_name_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()

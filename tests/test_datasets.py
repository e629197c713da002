"""make_fraud: reproducible, in order of time, and blind to the future."""

import datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from focalboost.datasets import FraudTable, make_fraud

DAY = 86_400
DELAY = 7 * DAY


@pytest.fixture(scope="module")
def table():
    return make_fraud(6_000, fraud_rate=0.02, seed=3)


def seconds(table):
    return table.time.astype("datetime64[s]").astype(np.int64)


def column(table, name):
    return table.X[:, table.feature_names.index(name)]


def test_the_seed_decides(table):
    again, other = (make_fraud(6_000, fraud_rate=0.02, seed=s) for s in (3, 4))
    for name in ("X", "y", "time", "customer", "terminal"):
        assert_array_equal(getattr(again, name), getattr(table, name))
    assert not np.array_equal(other.X, table.X)


def test_form(table):
    n, p = table.X.shape
    assert (n, p) == (6_000, len(table.feature_names))
    assert table.X.dtype == np.float32
    assert table.y.dtype == np.int8
    assert table.y.sum() == 120
    assert np.isfinite(table.X).all()
    assert (np.diff(seconds(table)) >= 0).all()
    assert len(set(table.feature_names)) == p
    assert not {"customer", "terminal", "fraud"} & set(table.feature_names)
    assert repr(table).startswith("FraudTable(6000 payments, 120 frauds")


def test_windows_hold_the_past_only(table):
    """Each feature again, row by row, from the earlier rows alone."""
    t, amount = seconds(table), column(table, "amount").astype(float)
    online = column(table, "online").astype(float)
    checked = np.random.default_rng(0).choice(len(t), 300, replace=False)
    for i in checked:
        for who, name in ((table.customer, "customer"), (table.terminal, "terminal")):
            same = (who == who[i]) & (t < t[i])
            assert column(table, f"{name}_count_1h")[i] == (same & (t >= t[i] - 3600)).sum()
            for days in (1, 7, 30):
                window = same & (t >= t[i] - days * DAY)
                assert column(table, f"{name}_count_{days}d")[i] == window.sum()
        same = (table.customer == table.customer[i]) & (t < t[i])
        month = same & (t >= t[i] - 30 * DAY)
        mean = amount[month].mean() if month.any() else 0.0
        assert_allclose(column(table, "customer_mean_amount_30d")[i], mean, rtol=1e-5)
        share = online[month].mean() if month.any() else 0.0
        assert_allclose(column(table, "customer_online_share_30d")[i], share, rtol=1e-6)
        last = min(t[i] - t[same].max(), 30 * DAY) if same.any() else 30 * DAY
        assert column(table, "seconds_since_last")[i] == last


def test_labels_are_known_a_week_late(table):
    t = seconds(table)
    of_card, of_terminal = [], []
    for i in range(len(t)):
        known = (t < t[i] - DELAY) & (t >= t[i] - DELAY - 30 * DAY)
        mine = known & (table.customer == table.customer[i])
        there = known & (table.terminal == table.terminal[i])
        of_card.append(table.y[mine].sum())
        of_terminal.append(table.y[there].mean() if there.any() else 0.0)
    assert max(of_card) > 0
    assert_array_equal(column(table, "customer_known_frauds_30d"), of_card)
    assert_allclose(column(table, "terminal_known_fraud_share_30d"), of_terminal, rtol=1e-6)


def test_split_is_by_time(table):
    X, X_test, y, y_test = table.split(0.25)
    assert len(X) + len(X_test) == 6_000
    assert abs(len(X_test) - 1_500) <= 5  # payments of one second stay together
    assert_array_equal(np.concatenate([X, X_test]), table.X)
    assert_array_equal(np.concatenate([y, y_test]), table.y)
    assert table.time[len(X) - 1] < table.time[len(X)]


def test_frame(table):
    pytest.importorskip("pandas")
    frame = table.frame()
    assert list(frame.columns) == ["time", *table.feature_names, "fraud"]
    assert_array_equal(frame[list(table.feature_names)].to_numpy(), table.X)
    assert_array_equal(frame["fraud"], table.y)
    assert frame["time"].iloc[0].to_pydatetime() >= datetime.datetime(2025, 1, 6)


def test_frauds_can_be_learnt_but_not_read_off():
    """No feature alone does what a model does, and a model does not do everything."""
    lgb = pytest.importorskip("lightgbm")
    metrics = pytest.importorskip("sklearn.metrics")
    X, X_test, y, y_test = make_fraud().split()
    assert 0.003 < y_test.mean() < 0.008
    alone = max(
        metrics.average_precision_score(y_test, sign * X_test[:, j])
        for j in range(X.shape[1])
        for sign in (-1, 1)
    )
    params = {"objective": "binary", "lambda_l2": 1.0, "verbosity": -1, "num_threads": 1}
    booster = lgb.train(params, lgb.Dataset(X, y), 60)
    together = metrics.average_precision_score(y_test, booster.predict(X_test))
    assert alone < 0.35
    assert alone + 0.15 < together < 0.85


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_transactions": 10}, "n_transactions must be an integer from 1000 .*got 10"),
        ({"n_transactions": 1e5}, "n_transactions must be an integer"),
        ({"n_transactions": True}, "n_transactions must be an integer"),
        ({"fraud_rate": 0.0}, r"fraud_rate must be in \[0.001, 0.1\], got 0.0"),
        ({"fraud_rate": float("nan")}, "fraud_rate must be in"),
        ({"fraud_rate": "1%"}, "fraud_rate must be in"),
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
        ({"seed": None}, "seed must be an integer >= 0, got None"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_fraud(**arguments)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, float("nan"), "half", 1e-9])
def test_bad_fractions(table, fraction):
    with pytest.raises(ValueError, match="test_fraction must"):
        table.split(fraction)


def test_rows_of_one_second_are_not_split():
    moments = np.array(["2025-01-06T00:00:00"] * 9 + ["2025-01-06T00:00:01"], "datetime64[s]")
    rows = np.arange(10)
    table = FraudTable(
        np.zeros((10, 1), np.float32), np.zeros(10, np.int8), moments, rows, rows, ("a",)
    )
    with pytest.raises(ValueError, match="test_fraction must leave rows in both parts"):
        table.split(0.5)
    assert len(table.split(0.1)[1]) == 1

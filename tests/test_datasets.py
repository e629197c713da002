"""make_fraud: reproducible, ordered by time, features from the past; load_creditcard: its checks."""

import hashlib
import io
import json
import subprocess
import sys
from email.message import Message
from http.client import IncompleteRead
from urllib.error import URLError

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from focalboost import datasets
from focalboost.datasets import FraudTable, load_creditcard, make_fraud

DAY = 86_400
DELAY = 7 * DAY
SMALL = {"n_transactions": 6_000, "fraud_rate": 0.02, "seed": 3}


@pytest.fixture(scope="module")
def table():
    return make_fraud(**SMALL)


@pytest.fixture(scope="module")
def inputs():
    """The arguments of ``_features`` for the same table: customers and terminals, and payments."""
    seen = []
    compute = datasets._features
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "_features", lambda *args: seen.append(args) or compute(*args))
        make_fraud(**SMALL)
    return seen[0]


def seconds(table):
    return (table.time - table.time.min().astype("datetime64[D]")).astype(np.int64)


def column(table, name):
    return table.X[:, table.feature_names.index(name)].astype(float)


def test_the_seed_determines_the_table(table):
    again, other = make_fraud(**SMALL), make_fraud(**SMALL | {"seed": 4})
    for name in ("X", "y", "time", "customer", "terminal"):
        assert_array_equal(getattr(again, name), getattr(table, name))
        assert not np.array_equal(getattr(other, name), getattr(table, name))


def test_shapes_and_types(table):
    n, p = table.X.shape
    assert (n, p) == (6_000, len(table.feature_names))
    assert table.X.dtype == np.float32
    assert table.y.dtype == np.int8
    assert np.isfinite(table.X).all()
    assert (np.diff(seconds(table)) >= 0).all()
    assert len(set(table.feature_names)) == p
    assert not {"customer", "terminal", "fraud", "time"} & set(table.feature_names)
    assert repr(table).startswith("FraudTable(6000 payments, 120 frauds")


@pytest.mark.parametrize(("n", "rate"), [(1_000, 0.001), (1_000, 0.1), (4_321, 0.0123)])
def test_number_of_frauds(n, rate):
    table = make_fraud(n, rate, 5)
    assert len(table.y) == n
    assert table.y.sum() == round(n * rate)
    assert set(np.unique(table.y)) == {0, 1}


def test_features_follow_their_definitions(table):
    """Each feature, row by row, from the rows that are strictly earlier."""
    t, amount, online = seconds(table), column(table, "amount"), column(table, "online")
    rows = np.random.default_rng(0).choice(len(t), 300, replace=False)
    rows = np.union1d(rows, np.flatnonzero(table.y))

    def mean(values, if_empty=0.0):
        return values.mean() if len(values) else if_empty

    for i in rows:
        hour = t[i] % DAY / 3600
        mine, there = table.customer == table.customer[i], table.terminal == table.terminal[i]

        def window(who, days, delay=0, now=t[i]):
            return who & (t < now - delay) & (t >= now - delay - days * DAY)

        last = t[mine & (t < t[i])]
        expected = {
            "amount": amount[i],
            "online": online[i],
            "hour": hour,
            "weekday": table.time[i].item().weekday(),
            "night": hour < 6 or hour >= 23,
            "seconds_since_last": min(t[i] - last.max(), 30 * DAY) if len(last) else 30 * DAY,
            "customer_count_at_terminal_30d": window(mine & there, 30).sum(),
            "customer_online_share_30d": mean(online[window(mine, 30)]),
            "customer_known_frauds_30d": table.y[window(mine, 30, DELAY)].sum(),
        }
        for name, who in (("customer", mine), ("terminal", there)):
            expected[f"{name}_count_1h"] = window(who, 1 / 24).sum()
            for days in (1, 7, 30):
                expected[f"{name}_count_{days}d"] = window(who, days).sum()
                expected[f"{name}_mean_amount_{days}d"] = mean(amount[window(who, days)])
            usual = mean(amount[window(who, 30)], amount[i])
            expected[f"amount_to_{name}_mean_30d"] = amount[i] / usual
        for days in (7, 30):
            known = window(there, days, DELAY)
            expected[f"terminal_known_fraud_share_{days}d"] = mean(table.y[known])
        # distance_from_home needs the places, which the table does not contain.
        assert set(expected) == set(table.feature_names) - {"distance_from_home"}
        for name, value in expected.items():
            # float32 holds seven digits, and the amounts of the table are already rounded to float32.
            assert_allclose(column(table, name)[i], value, rtol=1e-6, err_msg=name)


def test_amounts_are_those_that_the_examples_speak_of():
    """Another simulation would be another table: its results are quoted in pages and notebooks."""
    amount = make_fraud(20_000).X[:, 0]
    assert_allclose(np.quantile(amount, [0.1, 0.5, 0.9, 0.99]), [5.99, 25.2, 102, 342], rtol=0.02)


def test_no_feature_is_constant(table):
    for name in table.feature_names:
        assert len(np.unique(column(table, name))) > 1, name


def test_distance_depends_on_customer_and_terminal_only(table):
    """A customer has the same distance to a terminal on every visit."""
    pairs = np.stack([table.customer, table.terminal])
    _, pair = np.unique(pairs, axis=1, return_inverse=True)
    distance = column(table, "distance_from_home")
    first = np.full(pair.max() + 1, np.nan)
    first[pair[::-1]] = distance[::-1]
    assert_array_equal(distance, first[pair])
    assert (distance[column(table, "online") == 1] == 0).all()
    assert (distance[column(table, "online") == 0] > 0).all()


@pytest.mark.parametrize("cut", [1_500, 4_000])
def test_later_payments_do_not_change_earlier_features(inputs, cut):
    world, payments = inputs
    whole = datasets._features(world, payments)
    for name, values in datasets._features(world, payments.take(slice(cut))).items():
        assert_array_equal(values, whole[name][:cut], err_msg=name)


def test_labels_enter_the_features_a_week_later(inputs):
    world, payments = inputs
    whole = datasets._features(world, payments)
    change = np.flatnonzero(payments.seconds >= 60 * DAY)[0]
    fraud = payments.fraud.copy()
    fraud[change:] ^= True
    changed = datasets._features(world, payments._replace(fraud=fraud))
    before = payments.seconds <= payments.seconds[change] + DELAY
    differ = {name for name in whole if (whole[name] != changed[name]).any()}
    assert differ == {
        "customer_known_frauds_30d",
        "terminal_known_fraud_share_7d",
        "terminal_known_fraud_share_30d",
    }
    for name in differ:
        assert_array_equal(changed[name][before], whole[name][before])


@pytest.mark.parametrize("fraction", [0.25, 0.5, 0.9])
def test_split_is_by_time_and_loses_no_row(table, fraction):
    X, X_test, y, y_test = table.split(fraction)
    # Payments of the same second stay together; in this table at most a few share a second.
    assert abs(len(X_test) - fraction * 6_000) <= 5
    assert_array_equal(np.concatenate([X, X_test]), table.X)
    assert_array_equal(np.concatenate([y, y_test]), table.y)
    assert table.time[len(X) - 1] < table.time[len(X)]


def test_payments_of_the_same_second_stay_together():
    moments = np.array(["2025-01-06T00:00:00"] * 9 + ["2025-01-06T00:00:01"], "datetime64[s]")
    rows = np.arange(10)
    table = FraudTable(
        np.zeros((10, 1), np.float32), np.zeros(10, np.int8), moments, rows, rows, ("a",)
    )
    with pytest.raises(ValueError, match="test_fraction must leave rows in both parts of 10"):
        table.split(0.5)
    assert len(table.split(0.1)[1]) == 1


def test_frame(table):
    pytest.importorskip("pandas")
    frame = table.frame()
    assert list(frame.columns) == ["time", *table.feature_names, "fraud"]
    features = frame[list(table.feature_names)].to_numpy()
    assert features.dtype == np.float32
    assert_array_equal(features, table.X)
    assert frame["fraud"].dtype == np.int8
    assert_array_equal(frame["fraud"], table.y)
    assert_array_equal(frame["time"].to_numpy(), table.time)


def test_simulation_imports_neither_pandas_nor_a_library_of_models():
    code = (
        "import sys; from focalboost.datasets import make_fraud; make_fraud(1000).split();"
        "print(*sorted({'pandas', 'xgboost', 'lightgbm', 'sklearn'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_frauds_are_learnable_but_not_obvious():
    """A model ranks far better than any single feature, and not perfectly."""
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
    assert max(0.5, alone + 0.15) < together < 0.85


def test_frauds_drift():
    """Later frauds are more often online: tests of cards become more frequent."""
    growth = []
    for seed in range(6):
        table = make_fraud(seed=seed)
        online = column(table, "online")[table.y == 1]
        early, late = np.array_split(online, 2)
        growth.append(late.mean() - early.mean())
    assert np.mean(growth) > 0.05


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"n_transactions": 999},
            ValueError,
            r"n_transactions must be an integer in \[1000, 10000000\], got 999",
        ),
        ({"n_transactions": 10**8}, ValueError, "n_transactions must be .*, got 100000000"),
        ({"n_transactions": 1e5}, TypeError, "n_transactions must be an integer in .*100000.0"),
        ({"n_transactions": True}, TypeError, "n_transactions must be an integer in .*True"),
        (
            {"fraud_rate": 0.0},
            ValueError,
            r"fraud_rate must be a number in \[0.001, 0.1\], got 0.0",
        ),
        ({"fraud_rate": 0.11}, ValueError, "fraud_rate must be .*, got 0.11"),
        ({"fraud_rate": float("nan")}, ValueError, "fraud_rate must be .*, got nan"),
        ({"fraud_rate": "1%"}, TypeError, "fraud_rate must be .*, got '1%'"),
        ({"seed": -1}, ValueError, "seed must be an integer in .*, got -1"),
        ({"seed": None}, TypeError, "seed must be an integer in .*, got None"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        make_fraud(**arguments)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 1.5, float("nan"), 1e-9])
def test_bad_fractions(table, fraction):
    with pytest.raises(ValueError, match=f"test_fraction must .*, got {fraction}"):
        table.split(fraction)


def test_a_fraction_must_be_a_number(table):
    with pytest.raises(TypeError, match=r"test_fraction must be a number in .*, got 'half'"):
        table.split("half")


# ---- load_creditcard: without the network ----------------------------------------------------------

COLUMNS = ["Time", *(f"V{i}" for i in range(1, 29)), "Amount", "Class"]


@pytest.fixture
def real():
    """A frame like the one of fetch_openml: its rows, frauds and types, but other values."""
    pd = pytest.importorskip("pandas")
    n = 284_807
    columns = {name: np.full(n, float(i)) for i, name in enumerate(COLUMNS)}
    columns["Time"] = np.arange(n) // 2.0
    fraud = np.arange(n) % 500 == 0
    fraud[492 * 500 :] = False
    columns["Class"] = pd.Categorical.from_codes(fraud.astype(int), ["0", "1"])
    return pd.DataFrame(columns)


@pytest.fixture
def fetch(monkeypatch):
    """Replace fetch_openml by a function with a given answer; return the list of its arguments."""
    sklearn_datasets = pytest.importorskip("sklearn.datasets")

    def put(answer):
        calls = []

        def fetch_openml(**options):
            calls.append(options)
            if isinstance(answer, Exception):
                raise answer
            return type("Bunch", (), {"frame": answer})

        monkeypatch.setattr(sklearn_datasets, "fetch_openml", fetch_openml)
        return calls

    return put


def test_creditcard_shapes_and_types(real, fetch, tmp_path):
    calls = fetch(real)
    table = load_creditcard(data_home=tmp_path)
    assert (calls[0]["data_id"], calls[0]["data_home"]) == (1597, tmp_path)
    assert table.X.shape == (284_807, 29)
    assert table.X.dtype == np.float32
    assert_array_equal(table.X[7], np.arange(1, 30))  # neither Time nor Class
    assert table.feature_names == tuple(COLUMNS[1:-1])
    assert table.y.dtype == np.int8
    assert_array_equal(np.flatnonzero(table.y), 500 * np.arange(492))
    assert table.time.dtype == np.dtype("timedelta64[s]")
    assert_array_equal(table.time.astype(int), np.arange(284_807) // 2)
    assert repr(table) == "CreditCardTable(284807 payments, 492 frauds, 29 features, 40 hours)"

    frame = table.frame()
    assert list(frame.columns) == ["time", *COLUMNS[1:-1], "fraud"]
    assert_array_equal(frame["fraud"], table.y)
    assert_array_equal(frame["time"].to_numpy(), table.time)


def test_creditcard_split_is_by_time(real, fetch):
    fetch(real)
    table = load_creditcard()
    X, X_test, y, y_test = table.split(0.25)
    assert abs(len(X_test) - 0.25 * 284_807) < 2
    assert table.time[len(X) - 1] < table.time[len(X)]
    assert_array_equal(np.concatenate([y, y_test]), table.y)
    with pytest.raises(ValueError, match="test_fraction must leave rows in both parts"):
        table.split(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.iloc[:-1], "284807 rows, .*, got 284806 rows, 492 with Class 1"),
        (lambda t: t.assign(Class="0"), "492 of them with Class 1 .*, got 284807 rows, 0 with"),
        (lambda t: t.assign(Class=t["Class"].astype(str).replace("0", "?")), "and 0 with 0$"),
        (lambda t: t.drop(columns="Time"), "the columns Time, V1 to V28, .*, got V1, V2"),
        (lambda t: t.rename(columns={"V3": "v3"}), "the columns Time, .*, got .*, v3, "),
        (lambda t: t.assign(V5=np.nan), "finite values, got NaN"),
        (lambda t: t.assign(Time=np.roll(t["Time"], 5)), "in order of Time, .* at row 5$"),
    ],
)
def test_another_table_is_refused(real, fetch, change, message):
    fetch(change(real))
    with pytest.raises(ValueError, match="data set 1597 of OpenML must have .*" + message):
        load_creditcard()


@pytest.mark.parametrize(
    "error", [URLError("no route to host"), TimeoutError("timed out"), IncompleteRead(b"")]
)
def test_offline_is_one_clear_error(fetch, tmp_path, error):
    fetch(error)
    with pytest.raises(OSError, match=r"openml\.org once.* make_fraud\(\) needs no") as raised:
        load_creditcard(data_home=tmp_path)
    assert isinstance(raised.value, ConnectionError)
    assert str(tmp_path / "openml") in str(raised.value)
    assert str(error) in str(raised.value)


def test_other_errors_are_passed_on(fetch):
    fetch(PermissionError("the cache is read-only"))
    with pytest.raises(PermissionError, match="read-only"):
        load_creditcard()


@pytest.mark.parametrize("missing", ["sklearn.datasets", "pandas"])
def test_what_to_install(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=missing) as raised:
        load_creditcard()
    assert 'pip install "focalboost[sklearn]" pandas' in str(raised.value)


class Response(io.BytesIO):
    """The part of urlopen's result that scikit-learn uses."""

    def info(self):
        return Message()


@pytest.fixture
def openml(monkeypatch):
    """Replace OpenML's server for scikit-learn's real requests; its table has three rows."""
    sklearn_openml = pytest.importorskip("sklearn.datasets._openml")
    pytest.importorskip("pandas")
    rows = [[time, *range(1, 30), f"'{label}'"] for time, label in ((0, 0), (0, 1), (90_000, 0))]
    arff = "@relation creditcard\n@data\n" + "\n".join(",".join(map(str, r)) for r in rows) + "\n"
    features = [
        {
            "name": name,
            "data_type": "nominal" if name == "Class" else "numeric",
            "is_target": str(name == "Class").lower(),
            "is_ignore": "false",
            "is_row_identifier": str(name == "Time").lower(),
            "number_of_missing_values": "0",
        }
        for name in COLUMNS
    ]
    description = {
        "name": "creditcard",
        "version": "1",
        "status": "active",
        "format": "ARFF",
        "description": "",
        "file_id": "1",  # scikit-learn 1.6 asks for the file by this, newer ones by the address
        "url": "https://www.openml.org/data/v1/download/1/creditcard.arff",
        "md5_checksum": hashlib.md5(arff.encode()).hexdigest(),
    }
    answers = {
        "json/data/1597": {"data_set_description": description},
        "json/data/features/1597": {"data_features": {"feature": features}},
        "json/data/qualities/1597": {"data_qualities": {"quality": []}},
    }
    asked = []

    def urlopen(request):
        asked.append(request.full_url)
        for end, answer in answers.items():
            if request.full_url.endswith(end):
                return Response(json.dumps(answer).encode())
        assert request.full_url in (
            description["url"],
            "https://api.openml.org/data/v1/download/1",
        )
        return Response(arff.encode())

    monkeypatch.setattr(sklearn_openml, "urlopen", urlopen)
    monkeypatch.setattr(datasets, "_ROWS", 3)
    monkeypatch.setattr(datasets, "_FRAUDS", 1)
    return asked, description


def test_through_scikit_learn_and_its_cache(openml, tmp_path):
    asked, _ = openml
    table = load_creditcard(data_home=tmp_path)
    assert_array_equal(table.time.astype(int), [0, 0, 90_000])
    assert_array_equal(table.y, [0, 1, 0])
    assert_array_equal(table.X, [range(1, 30)] * 3)
    assert len(asked) == 4
    assert len(load_creditcard(data_home=tmp_path).y) == 3
    assert len(asked) == 4  # the second call read the cache
    assert list((tmp_path / "openml").rglob("download/**/*.gz"))


@pytest.mark.filterwarnings("ignore:Invalid cache, redownloading")
def test_a_damaged_file_is_refused(openml, tmp_path):
    _, description = openml
    description["md5_checksum"] = "0" * 32
    with pytest.raises(ValueError, match="md5 checksum"):
        load_creditcard(data_home=tmp_path)

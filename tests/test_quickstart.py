"""The example behind ``make demo``: its metrics, its picture, and its one-sentence errors."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

for needed in ("xgboost", "lightgbm", "matplotlib", "pyarrow", "rich", "sklearn"):
    pytest.importorskip(needed)
pd = pytest.importorskip("pandas")

PATH = Path(__file__).parents[1] / "examples" / "quickstart.py"
spec = importlib.util.spec_from_file_location("quickstart", PATH)
quickstart = importlib.util.module_from_spec(spec)
spec.loader.exec_module(quickstart)

QUICK = ["--rounds", "5"]


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    n = 2_000
    x = rng.normal(size=n)
    fraud = x + rng.normal(size=n) > 2
    return pd.DataFrame(
        {
            "amount": np.where(rng.random(n) < 0.1, np.nan, x),
            "shop": rng.choice(["bakery", "petrol", "online"], n),
            "night": rng.random(n) < 0.3,
            "day": pd.date_range("2025-01-01", periods=n, freq="h").astype(str),
            "status": np.where(fraud, "fraud", "fine"),
            "label": fraud.astype(int),
        }
    )


@pytest.fixture
def run(frame, tmp_path, capsys):
    """Write the frame, run the program on it, and return exit status, output and errors."""

    def call(*options, frame=frame, name="table.csv"):
        path = tmp_path / name
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
        output = tmp_path / "curves.png"
        try:
            status = quickstart.main(
                ["--data", str(path), *options, *QUICK, "--output", str(output)]
            )
        except SystemExit as stop:
            status = stop.code
        texts = capsys.readouterr()
        return status, " ".join(texts.out.split()), texts.err, output

    return call


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.parquet"])
def test_any_file(run, name):
    status, out, err, picture = run("--target", "label", "--drop", "status", "day", name=name)
    assert (status, err) == (0, "")
    assert f"{name}: 2,000 rows, 3 features" in out
    for model in ("XGBoost, log loss", "XGBoost, focal", "LightGBM, log loss", "LightGBM, focal"):
        assert model in out
    assert "…" not in out  # rich cuts texts with this sign; the table fits into 80 columns
    assert "average recall at log Brier fit," in out  # first line of the heads of the columns
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000


def test_split_by_time_with_a_named_positive(run, frame):
    status, out, _, _ = run(
        "--target", "status", "--positive", "fraud", "--time", "day", "--drop", "label"
    )
    assert status == 0
    late = (frame["status"] == "fraud").to_numpy()[1_400:].sum()
    assert f"split by day, the later 30 % ({late} positives)" in out


def test_simulated_table(monkeypatch, tmp_path, capsys):
    small = quickstart.make_fraud(6_000, fraud_rate=0.02)
    monkeypatch.setattr(quickstart, "make_fraud", lambda: small)
    assert quickstart.main([*QUICK, "--output", str(tmp_path / "new" / "curves.png")]) == 0
    assert "simulated card payments: 6,000 rows, 28 features, 120 positives" in " ".join(
        capsys.readouterr().out.split()
    )
    assert (tmp_path / "new" / "curves.png").is_file()


def test_recall_at_alerts():
    y = np.array([0, 1, 0, 0, 1, 0, 0, 0, 0, 1])
    score = np.array([0.1, 0.9, 0.8, 0.2, 0.3, 0.1, 0.0, 0.1, 0.1, 0.7])
    assert quickstart.recall_at_alerts(y, score, 0.1) == pytest.approx(1 / 3)
    assert quickstart.recall_at_alerts(y, score, 0.3) == pytest.approx(2 / 3)


def test_reliability_bins_have_equal_numbers_of_positives():
    rng = np.random.default_rng(0)
    p = rng.random(50_000) ** 4
    y = (rng.random(50_000) < p).astype(int)
    predicted, observed = quickstart.reliability(y, p)
    assert (np.diff(predicted) > 0).all()
    assert_allclose(observed, predicted, rtol=0.1)  # calibrated by construction


@pytest.mark.parametrize(
    ("change", "word"), [(0.3, "better"), (-0.3, "worse"), (0.0, "about as well")]
)
def test_reading_follows_the_numbers(change, word):
    y = np.repeat([0, 1], [900, 100])
    rng = np.random.default_rng(0)
    native = np.clip(0.3 * y + 0.5 * rng.random(1000), 0, 1)
    focal = np.clip(native + change * (y - 0.5), 0.001, 0.999)
    results = [
        quickstart.Result("XGBoost", "log loss", native, 1.0),
        quickstart.Result("XGBoost", "focal", focal, 1.0),
    ]
    assert f"ranks {word}" in quickstart.reading(results, y)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--target", "nothing"], "column 'nothing' must be in"),
        (["--target", "label", "--drop", "nothing"], "column 'nothing' must be in"),
        (["--target", "label", "--time", "nothing"], "column 'nothing' must be in"),
        (["--target", "label", "--time", "shop"], "--time must be a column of numbers or of dates"),
        (["--target", "status"], "--positive must name the value"),
        (["--target", "status", "--positive", "frod"], "--positive must be a value of 'status'"),
        (["--target", "amount", "--positive", "1"], "must have no missing value"),
        (["--target", "label"], "column 'day' is text with 2000 different values"),
        (["--target", "label", "--gamma", "-1"], "gamma must be"),
        (["--target", "label", "--gamma", "nan"], "gamma must be"),
        (
            ["--target", "label", "--drop", "label"],
            "--target label must not be named in --time or --drop",
        ),
        (
            ["--target", "label", "--time", "day", "--drop", "day"],
            "--time day must not be named in --drop",
        ),
        ([], "--target must name the column"),
    ],
)
def test_wrong_options_are_one_sentence(run, options, sentence):
    status, _, err, picture = run(*options)
    assert (status, picture.exists()) == (2, False)
    assert sentence in err.splitlines()[-1]


def first_are_positive(k):
    """Return a change of the frame: only its first k rows are positive."""
    return lambda frame: frame.assign(label=(np.arange(len(frame)) < k).astype(int))


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (
            first_are_positive(5),
            ("--drop", "status", "day"),
            "both classes must have at least 20 rows, got 1995 negatives and 5 positives",
        ),
        (
            first_are_positive(0),
            ("--drop", "status", "day"),
            "target 'label' must have two values, it is always 0",
        ),
        (
            first_are_positive(100),
            ("--time", "day", "--drop", "status"),
            "split by 'day', the later part must have at least 10 rows of both classes, "
            "got 600 negatives and 0 positives",
        ),
        (lambda frame: frame[["label"]], (), "besides the target must be a feature, got none"),
    ],
)
def test_wrong_data_is_one_sentence(run, frame, change, options, sentence):
    status, _, err, picture = run("--target", "label", *options, frame=change(frame))
    assert (status, picture.exists()) == (2, False)
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.csv", "", "must be a CSV or parquet file"),
        ("noise.parquet", "no parquet", "must be a CSV or parquet file"),
        ("absent.csv", None, "--data must be a file"),
    ],
)
def test_wrong_files_are_one_sentence(tmp_path, capsys, name, content, sentence):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    assert quickstart.main(["--data", str(path), "--target", "label"]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [["--rounds", "0"], ["--output", "curves.txt"], ["--target", "y"]]
)
def test_wrong_options_without_data(option, capsys):
    with pytest.raises(SystemExit) as stop:
        quickstart.main(option)
    assert stop.value.code == 2
    assert option[0] in capsys.readouterr().err.splitlines()[-1]

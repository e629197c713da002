"""The command ``focalboost compare``: what it reads, what it refuses, and what its sentences claim."""

import html.parser
import json
import re
import subprocess
import sys
import zipfile
from importlib.metadata import version

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

for needed in ("xgboost", "lightgbm", "matplotlib", "pyarrow", "rich", "sklearn", "skrub"):
    pytest.importorskip(needed)
pd = pytest.importorskip("pandas")

from scipy.stats import poisson  # noqa: E402
from sklearn.metrics import average_precision_score, log_loss  # noqa: E402

from focalboost import __main__ as command  # noqa: E402
from focalboost.compare import Refused, _page, _train, _verdict, read_table  # noqa: E402
from focalboost.compare._verdict import METRICS, Difference  # noqa: E402
from focalboost.metrics import recall_at_budget  # noqa: E402

N = 600


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    fraud = x + rng.normal(size=N) > 1.8
    return pd.DataFrame(
        {
            "amount": np.where(rng.random(N) < 0.1, np.nan, x.round(3)),
            "shop": rng.choice(["bakery", "petrol", "online"], N),
            "night": rng.random(N) < 0.3,
            "day": pd.date_range("2025-01-01", periods=N, freq="h").astype(str),
            "card": rng.integers(60, size=N),
            "status": np.where(fraud, "fraud", "fine"),
            "label": fraud.astype(int),
        }
    )


@pytest.fixture
def text(tmp_path):
    """Write a table of a few different lines, repeated, and read it."""

    def call(head, lines, encoding="utf-8", end="\n", **options):
        rows = [line + end for line in lines] * 20
        path = tmp_path / "table.csv"
        path.write_bytes((head + end + "".join(rows)).encode(encoding))
        return read_table(path, **{"target": "label", **options})

    return call


@pytest.fixture
def run(frame, tmp_path, capsys):
    """Write the frame, run the command on it, and return status, standard output and errors."""

    def call(*options, frame=frame, name="table.csv", rounds=2):
        path = tmp_path / name
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
        try:
            status = command.main(
                ["compare", str(path), *options, "--rounds", str(rounds), "--threads", "1"]
            )
        except SystemExit as stop:
            status = stop.code
        texts = capsys.readouterr()
        return status, texts.out, texts.err

    return call


def noted(table, words):
    return any(words in note for note in table.notes)


# ---- what is read --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("separator", "word"), [(",", None), (";", "semicolons"), ("\t", "tabs"), ("|", "bars")]
)
def test_separators(text, separator, word):
    table = text(
        f"a{separator}b{separator}label",
        [f"1.5{separator}x{separator}0", f"-2{separator}y{separator}1"],
    )
    assert_array_equal(table.X["a"][:2], [1.5, -2])
    assert table.X["b"].tolist()[:2] == ["x", "y"]
    assert table.y.tolist() == [0, 1] * 20
    assert noted(table, "separated by") == (word is not None)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_encodings(text, encoding, end):
    table = text("Händler,größe,label", ["Bäckerei,1,0", "Café,2,1"], encoding, end)
    assert list(table.X) == ["Händler", "größe"]
    assert set(table.X["Händler"]) == {"Bäckerei", "Café"}
    assert noted(table, "Windows-1252") == (encoding in ("latin-1", "cp1252"))


def test_empty_fields_between_tabs(text):
    table = text("a\tb\tc\tlabel", ["1\t\t3\t0", "2\tx\t\t1"])
    assert_array_equal(table.X["c"][:2], [3, np.nan])
    assert table.y.tolist() == [0, 1] * 20


def test_lines_with_a_field_more_than_names(text):
    table = text("a,b,label", ["1,x,0,", "2,y,1,"])  # a separator at the end
    assert list(table.X) == ["a", "b"]
    assert (table.X["a"].tolist(), table.y.tolist()) == ([1, 2] * 20, [0, 1] * 20)
    table = text("a,b,label", ["r1,1,x,0", "r2,2,y,1"])  # rows have names
    assert list(table.X) == ["index", "a", "b"]
    assert (table.X["a"].tolist(), table.y.tolist()) == ([1, 2] * 20, [0, 1] * 20)


def test_decimal_commas(text):
    table = text("a;b;c;d;label", ["1.234,5;1.234;7,25;3;0", "-2,5;20;0,125;4;1"])
    assert_array_equal(
        table.X.iloc[:2], np.float32([[1234.5, 1234, 7.25, 3], [-2.5, 20, 0.125, 4]])
    )


def test_decimal_commas_between_quotes(text):
    table = text("a,b,label", ['"12,5",x,0', '"3,75",y,1'])
    assert_array_equal(table.X["a"][:2], [12.5, 3.75])


def test_commas_of_thousands(text):
    table = text("a,b,label", ['"1,234","1,234.50",0', '"12","1,000,000",1'])
    assert_array_equal(table.X.iloc[:2], [[1234, 1234.5], [12, 1e6]])
    assert noted(table, "Column 'b' is read as numbers: 1,000,000 is 1000000")


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("$1,234.00", 1234),
        ("-$5.50", -5.5),
        ("($5.50)", -5.5),
        ("$-5.50", -5.5),
        ("12.5 %", 12.5),
        ("EUR 12", 12),
        ("1 234.5 €", 1234.5),
        ("+3", 3),
    ],
)
def test_amounts(text, written, number):
    table = text("a,label", [f'"{written}",0', '"$2.50",1'])
    assert_array_equal(table.X["a"][:2], np.float32([number, 2.5]))


def test_european_amounts(text):
    table = text("a;label", ["1.234,50 €;0", "7,5 €;1"])
    assert_array_equal(table.X["a"][:2], [1234.5, 7.5])
    assert noted(table, "Column 'a' is read as numbers: 1.234,50 € is 1234.5")


def test_words_with_digits_stay_text(text):
    table = text("a,b,label", ["A12,1-2,0", "B7,3-4,1"])
    assert set(table.X["a"]) == {"A12", "B7"}
    assert set(table.X["b"]) == {"1-2", "3-4"}


@pytest.mark.parametrize(
    ("dates", "days"),
    [
        (["2025-01-02", "2025-02-13"], [2, 44]),
        (["02.01.2025", "03.02.2025"], [2, 34]),
        (["02.01.2025 10:15", "13.02.2025 23:59"], [2, 44]),
        (["01/13/2025", "02/01/2025"], [13, 32]),
        (["13/01/2025", "01/02/2025"], [13, 32]),
        (["2 Jan 2025", "13 Feb 2025"], [2, 44]),
        (["01/13/2025 11:30 PM", "02/01/2025 1:05 AM"], [13, 32]),
        (["13/01/2025 11:30:10 PM", "01/02/2025 1:05:00 AM"], [13, 32]),
        (["2025-01-02T10:00:00Z", "2025-02-13T10:00:00.5Z"], [2, 44]),
        (["2025-01-02T23:30:00-02:00", "2025-02-13T10:00:00+01:00"], [3, 44]),
    ],
)
def test_dates(text, dates, days):
    table = text("a,day,label", [f"{i},{day},{i}" for i, day in enumerate(dates)], time="day")
    first = pd.DatetimeIndex(table.time[:2])
    assert first.day_of_year.tolist() == days
    assert (first.year == 2025).all()
    assert list(table.X) == ["a"]


def test_a_date_that_could_be_two_is_said(text):
    table = text("a,day,label", ["1,03/01/2025,0", "2,04/02/2025,1"], time="day")
    assert noted(table, "03/01/2025 could be two dates, it is read as 1 March 2025")
    table = text("a,day,label", ["1,03.01.2025,0", "2,04.02.2025,1"], time="day")
    assert noted(table, "03.01.2025 could be two dates, it is read as 3 January 2025")


def test_index_of_to_csv_is_left_out(tmp_path, frame):
    path = tmp_path / "table.csv"
    frame[["amount", "label"]].to_csv(path)
    table = read_table(path, target="label")
    assert list(table.X) == ["amount"]
    assert noted(table, "'Unnamed: 0', only numbers the rows")


@pytest.mark.parametrize("name", ["table.csv.gz", "table.csv.bz2", "table.zip", "table.txt"])
def test_compressed_files_and_any_suffix(tmp_path, frame, name):
    path = tmp_path / name
    if name == "table.zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("table.csv", frame.to_csv(index=False))
    else:
        frame.to_csv(path, index=False)
    table = read_table(path, target="label", drop=["status"])
    assert_allclose(table.X["amount"], frame["amount"].astype(np.float32))
    assert_array_equal(table.X["night"], frame["night"])
    assert_array_equal(table.y, frame["label"])


def test_infinite_and_missing_values(text):
    table = text("a,b,label", ["inf,1,0", "-inf,?,1", "1e39,N/A,1", "2,3,0"])
    assert_array_equal(table.X["a"][:4], [np.nan, np.nan, np.nan, 2])
    assert_array_equal(table.X["b"][:4], [1, np.nan, np.nan, 3])
    assert noted(table, "Infinite values are read as missing: a")


def test_parquet_of_all_kinds(tmp_path):
    from datetime import date, time, timedelta
    from decimal import Decimal

    frame = pd.DataFrame(
        {
            "lists": [[1, 2], [3]],
            "mapping": [{"a": 1}, {"a": 2}],
            "bytes": [b"a", b"b"],
            "decimal": [Decimal("1.5"), None],
            "day": [date(2025, 1, 2), date(2025, 1, 3)],
            "clock": [time(10, 0), time(11, 0)],
            "span": [timedelta(hours=1), timedelta(hours=2)],
            "zone": pd.to_datetime(["2025-01-02T00:30+02:00", "2025-01-03T00:30+02:00"]),
            "nullable": pd.array([1, None], dtype="Int64"),
            "flag": pd.array([True, None], dtype="boolean"),
            "kind": pd.Categorical(["x", "y"]),
            "void": [None, None],
            "label": [0, 1],
        }
    )
    path = tmp_path / "table.parquet"
    pd.concat([frame] * 20, ignore_index=True).to_parquet(path)
    table = read_table(path, target="label")
    assert noted(table, "left out: lists, mapping, bytes.")
    assert noted(table, "Without any value, so left out: void.")
    X = table.X.iloc[:2]
    assert_array_equal(X["decimal"], [1.5, np.nan])
    assert_array_equal(X["span"], [3600, 7200])
    assert_array_equal(X["nullable"], [1, np.nan])
    assert_array_equal(X["flag"], [1, np.nan])
    assert X["clock"].tolist() == ["10:00:00", "11:00:00"]
    assert X["day"].dt.day.tolist() == [2, 3]
    assert X["zone"].dt.hour.tolist() == [22, 22]
    assert X["kind"].tolist() == ["x", "y"]


def test_labels_of_every_kind(text):
    for values, options, positives in [
        (["0", "1"], {}, 20),
        (["0.0", "1.0"], {}, 20),
        (["False", "True"], {}, 20),
        (["none", "fraud"], {"positive": ["fraud"]}, 20),
        (["1", "2", "3"], {"positive": ["2", "3.0"]}, 40),
        (["1", "2", "3"], {"negative": ["2"]}, 40),
        ([" yes", "no"], {"positive": ["yes"]}, 20),
        (["-1", "1"], {}, 20),
        (["-1", "1"], {"positive": ["1"], "negative": ["-1"]}, 20),
    ]:
        table = text("a,label", [f"{i},{v}" for i, v in enumerate(values)], **options)
        assert (len(table.y), table.y.sum()) == (20 * len(values), positives)
    assert table.meaning == "positive is label = 1; negative is -1"


def test_rows_with_other_values_are_left_out(text):
    table = text("a,label", ["1,yes", "2,no", "3,maybe", "4,"], positive=["yes"], negative=["no"])
    assert table.X["a"].tolist() == [1, 2] * 20
    assert table.y.tolist() == [1, 0] * 20
    assert noted(table, "40 rows are left out: their label is maybe, missing.")


NAMES = ["a[0]", "b:c", "{d}", 'e"f', "g,h", "i j", "i_j", "k\nl", "<m>", "ü", "f0", "f0"]


def test_any_names(tmp_path, frame, capsys):
    many = frame[["label"]].copy()
    rng = np.random.default_rng(0)
    columns = pd.DataFrame(rng.normal(size=(N, len(NAMES))), columns=NAMES)
    path = tmp_path / "odd names.csv"
    pd.concat([many, columns], axis=1).to_csv(path, index=False)
    assert command.main(["compare", str(path), "--target", "label", "--rounds", "2"]) == 0
    table = read_table(path, target="label", drop=["a[0]"])
    assert list(table.X) == [*NAMES[1:-1], "f0.1"]
    assert_allclose(table.X["i j"], columns["i j"], rtol=1e-6)
    assert "12 features" in capsys.readouterr().out


def test_columns_that_look_like_ids_or_times(tmp_path, frame):
    odd = frame.assign(
        number=10_000_000_000 + np.random.default_rng(0).permutation(N),  # alike in float32
        customerId=frame["card"],
        paid=frame["card"],  # many equal values, which are not an id
        step=np.arange(N) // 2,
        key=[f"x{i:05}" for i in range(N)],
    )
    path = tmp_path / "table.csv"
    odd.to_csv(path, index=False)
    table = read_table(path, target="label")
    assert set(table.suspects) == {"number", "customerId", "step", "day"}
    assert "drop=['number'] leaves it out" in table.suspects["number"]
    assert ", group='customerId' keeps its rows" in table.suspects["customerId"]
    assert "time='step' splits by it" in table.suspects["step"]
    assert "time='day' splits by it" in table.suspects["day"]
    assert noted(table, "differs in every row, so left out: key")
    assert not read_table(
        path, target="label", drop=["number", "step"], group="customerId", time="day"
    ).suspects


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentences"),
    [
        (["--target", "labl"], ["--target must name a column, got 'labl'; did you mean label?"]),
        (
            ["--target", "x", "--drop", "y", "--time", "z"],
            ["--target must name", "--drop must name", "--time must name"],
        ),
        (
            ["--target", "label", "--time", "shop"],
            ["--time must be a column of numbers or of dates"],
        ),
        (["--target", "status"], ["--positive must name the values", "fine (", "fraud ("]),
        (
            ["--target", "status", "--positive", "frod"],
            ["--positive must be values of target 'status'"],
        ),
        (
            ["--target", "status", "--positive", "fraud", "--negative", "fraud"],
            ["--positive and --negative must not share values, got fraud"],
        ),
        (
            ["--target", "amount", "--positive", "1", "--time", "amount"],
            ["--time must not be the target"],
        ),
        (
            ["--target", "status", "--time", "amount"],
            ["--positive must name", "--time must have no missing value, 'amount' has"],
        ),
        (["--target", "amount", "--positive", "0.1"], ["must have no missing value"]),
        (["--target", "amount"], ["must have no missing value", "may not be a class at all"]),
        (["--target", "label", "--gamma", "-1"], ["--gamma: gamma must be"]),
        (
            ["--target", "label", "--gamma", "nan", "--plot", "x.jpg"],
            ["--gamma", "--plot must end"],
        ),
        (["--target", "label", "--drop", "label"], ["--target label must not be named in --drop"]),
        (["--target", "label", "--plot", "x.jpg"], ["--plot must end in .png, got x.jpg"]),
        (["--target", "label", "--report", "x.pdf"], ["--report must end in .html, got x.pdf"]),
        ([], ["--target must name the column"]),
        (
            ["--target", "label", "--group", "night", "--drop", "day"],
            ["--group 'night'"],
        ),
    ],
)
def test_refusals_name_the_option_that_mends(run, options, sentences):
    status, out, err = run(*options)
    assert (status, out) == (2, "")
    for sentence in sentences:
        assert sentence in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("positives", "options", "sentence"),
    [
        (range(5), (), "both classes must have at least 20 rows, got 5 positive"),
        ((), (), "target 'label' must have two values, it has 0 (600)"),
        (
            range(100),
            ("--time", "day"),
            "of both classes, got 0 positive and 180 negative; without --time the classes are spread",
        ),
    ],
)
def test_too_few_rows(run, frame, positives, options, sentence):
    label = np.isin(np.arange(N), positives).astype(int)
    status, _, err = run("--target", "label", *options, frame=frame.assign(label=label))
    assert status == 2
    assert sentence in err
    assert err.count("\n") == 1


def test_what_is_no_date_is_shown(text):
    for other in ("2025-01-02", "3"):
        with pytest.raises(
            Refused, match="in one format, 'day' has unknown in rows 2, 4, 6, 8, 10 and"
        ):
            text("a,day,label", [f"1,{other},0", "2,unknown,1"], time="day")
    with pytest.raises(Refused, match=re.escape("'day' has 2025-01-02, 03.01.2025")):
        text("a,day,label", ["1,2025-01-02,0", "2,03.01.2025,1"], time="day")


def test_time_and_group_are_not_advised_together(tmp_path, frame):
    path = tmp_path / "table.csv"
    frame.assign(customerId=frame["card"]).to_csv(path, index=False)
    timed = read_table(path, target="label", time="day").suspects
    assert "group='customerId' instead of time keeps" in timed["customerId"]
    grouped = read_table(path, target="label", group="customerId").suspects
    assert "time='day' instead of group splits" in grouped["day"]


def test_the_command_writes_options_and_python_arguments(tmp_path, run):
    _, out, _ = run("--target", "label", "--drop", "status")
    assert "--time day splits by it, --drop day leaves it out" in " ".join(out.split())
    _, _, err = run("--target", "status", "--time", "shop", "--group", "amount")
    path = tmp_path / "table.csv"
    with pytest.raises(Refused) as refused:
        read_table(path, target="status", time="shop", group="amount")
    assert err.count("focalboost compare: ") == len(refused.value.problems) == 3
    assert "--" not in str(refused.value)
    for name in ("positive", "time", "group"):
        assert re.search(rf"\b{name} must", str(refused.value))
        assert f"--{name} must" in err
    with pytest.raises(Refused, match=r"^target must name a column, got 'labl'"):
        read_table(path, target="labl")


@pytest.mark.parametrize(
    ("column", "values", "options", "sentence"),
    [
        ("label", {6: "", 20: ""}, (), "no missing value, got 2: rows 7, 21 (row 1 follows the"),
        ("label", {6: "Total"}, (), "other values than 0 and 1 are in row 7 (row 1 follows the"),
        ("card", {6: None}, ("--group", "card"), "'card' has 1: row 7 (row 1"),
        ("day", {6: None}, ("--time", "day"), "'day' has 1: row 7 (row 1"),
        ("day", {6: "Total"}, ("--time", "day"), "'day' has Total in row 7 (row 1"),
    ],
)
def test_rows_that_are_wrong_are_named(run, frame, column, values, options, sentence):
    wrong = frame.copy()
    wrong[column] = wrong[column].astype(object)
    for row, value in values.items():
        wrong.loc[row, column] = value
    status, _, err = run("--target", "label", "--drop", "status", *options, frame=wrong)
    assert status == 2
    assert sentence in err


def test_numbers_with_a_word_among_them_are_noted(text):
    table = text("a,label", [*["1,0", "2,1"] * 60, "Total,0"])
    assert noted(
        table, "'a' is read as text: it has numbers, but Total in rows 121, 242, 363, 484, 605"
    )
    assert not noted(text("a,label", ["1,0", "2,1", "x,0"]), "read as text")


def test_no_feature(run, frame):
    status, _, err = run("--target", "label", frame=frame[["label"]])
    assert (status, err.count("\n")) == (2, 1)
    assert "besides the target must be a feature, got none" in err


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.csv", b"", "it is empty"),
        ("blank.csv", b"\n\n", "it is empty"),
        ("head.csv", b"a,label\n", "has 0 rows"),
        ("noise.parquet", b"PAR1 and no more", "the file must be CSV or parquet"),
        (
            "picture.csv",
            b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
            "the file must be CSV or parquet",
        ),
        ("ragged.csv", b"a,label\n1,0\n1,2,3,4\n", "Expected 2 fields in line 3, saw 4"),
        ("broken.csv.gz", b"no gzip", "the file must be CSV or parquet"),
        ("lines.json", b'{"a": 1, "label": 0}\n', "it is JSON, save it as CSV"),
        ("absent.csv", None, "the file to read must exist"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused, match=re.escape(sentence)):
        read_table(tmp_path / name, target="label")


def test_a_workbook_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "table.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "")
    with pytest.raises(Refused, match="it is an Excel workbook, save its sheet as CSV"):
        read_table(tmp_path / "table.xlsx", target="label")


def test_options_without_a_file(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["compare", "--target", "y"])
    assert stop.value.code == 2
    assert "--target must come after FILE" in capsys.readouterr().err


def test_version_and_help(capsys):
    done = subprocess.run(
        [sys.executable, "-m", "focalboost", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == version("focalboost") + "\n"
    assert command.main([]) == 0
    texts = capsys.readouterr()
    assert texts.err == ""
    assert "compare   " in texts.out


def test_missing_packages_are_named():
    code = (
        "import sys; sys.modules['skrub'] = None\n"
        "from focalboost.__main__ import main; sys.exit(main(['compare']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        'focalboost compare needs skrub, which is not installed: pip install "focalboost[compare]"'
    )


# ---- the split -----------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path, frame):
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)

    def call(**options):
        return read_table(path, target="label", drop=["status"], **options)

    return call


def test_split_at_random(table):
    parts = _train.split(table(), None, None)
    assert len(parts.y_test) == 180
    assert parts.y_test.mean() == pytest.approx(parts.y_train.mean(), abs=0.01)


def test_split_by_time(table, frame):
    parts = _train.split(table(time="day"), "day", None)
    assert_array_equal(parts.y_test, frame["label"][420:])
    assert parts.how == "split by day, the later 30 % of the rows"


def test_rows_of_one_moment_stay_together(table):
    mixed = table(time="day")._replace(time=np.repeat([1, 2, 3], N // 3))
    assert len(_train.split(mixed, "day", None).y_test) == N // 3


def test_groups_stay_on_one_side(table, frame):
    parts = _train.split(table(group="card"), None, "card")
    inside = frame["card"].nunique() - len(set(parts.group_test))
    assert 30 <= inside <= 50
    assert len(parts.y_train) + len(parts.y_test) == N
    assert sum((frame["card"].factorize()[0] == g).sum() for g in set(parts.group_test)) == len(
        parts.y_test
    )


def test_too_few_groups_are_refused(table, frame):
    few = table(group="card")._replace(group=frame["card"].to_numpy() // 6)
    with pytest.raises(Refused, match="the positives of the test rows must come from at least 10"):
        _train.split(few, None, "card")


def test_groups_and_time(table, frame):
    card = np.where(np.arange(N) < 430, frame["card"], 1000 + np.arange(N) // 4)
    mixed = table(time="day", group="card")._replace(group=card)
    parts = _train.split(mixed, "day", "card")
    assert parts.group_test.min() >= 1000
    assert len(parts.y_test) == 170
    assert "without the 10 whose card is in the earlier ones" in parts.how


def test_later_rows_of_known_groups_are_counted(table, frame):
    """Nearly every later card occurs earlier: time and groups together leave nothing to test on."""
    card = np.where(np.arange(N) < 595, frame["card"], 1000)
    mixed = table(time="day", group="card")._replace(group=card)
    sentence = (
        "of 180 later rows 175 are of a card seen earlier; without them the test rows must have"
    )
    with pytest.raises(Refused, match=f"^{sentence}.*; leave out --time or --group$"):
        _train.split(mixed, "day", "card")
    few = mixed._replace(
        group=np.where(np.arange(N) < 430, frame["card"], 1000 + np.arange(N) // 40)
    )
    sentence = (
        "of 180 later rows 10 are .* without them the positives .* at least 10 groups, got 5; "
    )
    with pytest.raises(Refused, match=f"^{sentence}.*; leave out --time or --group$"):
        _train.split(few, "day", "card")


def test_dates_and_long_texts_become_numbers(table):
    rng = np.random.default_rng(0)
    words = pd.Series([" ".join(rng.choice(list("abcdefgh"), 5)) for _ in range(N)])
    given = table()
    X = given.X.assign(text=words + np.arange(N).astype(str), shop=given.X["shop"])
    parts = _train.split(given._replace(X=X), None, None)
    assert len(parts.features["text"]) == _train.TEXT_FEATURES
    assert len(parts.features["day"]) > 3
    assert len(parts.features["shop"]) == 1
    assert list(parts.X_train) == [f"f{i}" for i in range(parts.X_train.shape[1])]
    assert np.isfinite(parts.X_test[parts.features["text"]]).all(axis=None)


# ---- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [1, 8])  # with one, most predictions are equal
def test_weighted_scores_are_those_of_scikit_learn(digits):
    rng = np.random.default_rng(0)
    p = rng.random(900).round(digits)
    y = (rng.random(900) < p).astype(int)
    w = rng.integers(3, size=900).astype(float)
    got = _verdict._Ranked(y, p).scores(w)
    expected = (
        average_precision_score(y, p, sample_weight=w),
        log_loss(y, p, sample_weight=w),
        recall_at_budget(y, p, 0.01, sample_weight=w),
    )
    assert_allclose(got, expected, rtol=1e-10)


def test_interval_of_a_count():
    """Its ends are the Poisson means under which the count is as rare as 0.5 %, on either side."""
    y = np.repeat([0, 1], [900, 40])
    low, high = _verdict.count_interval(y)
    assert_allclose(poisson.sf(39, low), 0.005)
    assert_allclose(poisson.cdf(40, high), 0.005)
    twins = np.arange(940) // 2  # frauds in pairs: as rare as 20 pairs
    assert_allclose(
        _verdict.count_interval(y, twins), 2 * np.array(_verdict.count_interval(y[:920]))
    )


def pair(shift, n=4_000, seed=0):
    """Labels and two predictions; the second has its log-odds moved towards the label by ``shift``."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(-3, 1.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(int)
    noisy = margin + rng.normal(0, 1, n)
    other = noisy + shift * (2 * y - 1) + (rng.normal(0, 0.05, n) if shift == 0 else 0)
    return y, (1 / (1 + np.exp(-noisy)), 1 / (1 + np.exp(-other)))


@pytest.mark.parametrize(("shift", "sign"), [(0.7, 1), (-0.7, -1), (0.0, 0)])
def test_differences_follow_the_predictions(shift, sign):
    y, predictions = pair(shift)
    found = _verdict.differences(y, {"XGBoost": predictions}, replicates=200)
    assert [d.metric for d in found] == list(METRICS)
    assert [d.better for d in found] == [sign] * 3
    assert all(d.low <= d.value <= d.high for d in found)


def test_intervals_over_groups_are_wider():
    """Each row eight times: as single rows they seem to say more than they do."""
    y, predictions = pair(0.1, n=500)
    y, *predictions = (np.repeat(a, 8) for a in (y, *predictions))
    single = _verdict.differences(y, {"XGBoost": predictions}, replicates=200)
    grouped = _verdict.differences(
        y, {"XGBoost": predictions}, np.repeat(np.arange(500), 8), replicates=200
    )
    width = [[d.high - d.low for d in found] for found in (single, grouped)]
    assert np.divide(*width[::-1])[1] == pytest.approx(np.sqrt(8), rel=0.25)


def test_draws_without_a_positive_do_not_count():
    y = np.repeat([1, 0], [10, 90])
    p = np.linspace(0.9, 0.1, 100)
    group = np.repeat([0, 1], [10, 90])
    found = _verdict.differences(y, {"XGBoost": (p, 1 - p)}, group, replicates=50)
    # A draw of positives alone has average precision and recall 1, whatever the model; none has log
    # loss 0.
    assert [d.better for d in found] == [0, -1, 0]


# ---- sentences -----------------------------------------------------------------------------------


def made(*lows_and_highs, library="XGBoost"):
    return [
        Difference(library, metric, (low + high) / 2, low, high)
        for metric, (low, high) in zip(METRICS, lows_and_highs, strict=True)
    ]


UP, DOWN, OPEN = (0.01, 0.03), (-0.03, -0.01), (-0.01, 0.03)


@pytest.mark.parametrize(
    ("ap", "loss", "recall", "verdict", "advice"),
    [
        (UP, DOWN, UP, "ranks better", "Run again with --gamma 0"),
        (DOWN, UP, DOWN, "ranks worse", "Keep log loss here"),
        (OPEN, OPEN, OPEN, "cannot be told apart on this table", "Keep log loss, the simpler"),
        (UP, UP, OPEN, "predicts worse probabilities", "Decide which of the numbers counts"),
        (OPEN, DOWN, OPEN, "predicts better probabilities", "0 among the candidates"),
        (OPEN, OPEN, UP, "finds more with few alerts", "select_gamma"),
        ((0, 0), (0, 0), (0, 0.1), "cannot be told apart", "Keep log loss"),
    ],
)
def test_verdict_and_advice_follow_the_intervals(ap, loss, recall, verdict, advice):
    found = made(ap, loss, recall)
    (sentence,) = _verdict.verdict(found)
    assert verdict in sentence
    assert advice in _verdict.advice(found, False, [], 2.0)
    for metric, interval in zip(METRICS, (ap, loss, recall), strict=True):
        assert (f"({metric} " in sentence) == (interval in (UP, DOWN))
    assert "(--drop 'a b' leaves out" in _verdict.advice(found, True, ["a b"], 2.0)
    assert "--drop" not in _verdict.advice(found, True, [], 2.0)


def test_libraries_are_judged_apart():
    sentences = _verdict.verdict(made(UP, DOWN, OPEN) + made(OPEN, OPEN, OPEN, library="LightGBM"))
    assert sentences == [
        "XGBoost: focal loss ranks better (average precision +0.020 [+0.010, +0.030]) and predicts "
        "better probabilities (log loss -0.02000 [-0.03000, -0.01000]). In recall at 1 % alerts the two "
        "cannot be told apart.",
        "LightGBM: focal loss and log loss cannot be told apart on this table.",
    ]


def test_gamma_0_is_not_advised_twice():
    assert "bounded curvature" in _verdict.advice(made(UP, DOWN, UP), False, [], 0.0)
    assert "--gamma 0" not in _verdict.advice(made(UP, DOWN, UP), False, [], 0.0)


@pytest.mark.parametrize(
    ("expected", "group", "words"),
    [
        (
            (60, 62, 58, 61),
            None,
            "the probabilities are too low, they expect 58 to 62 positives where 100",
        ),
        (
            (160, 162, 158, 161),
            None,
            "too high, they expect 158 to 162 positives where 100 came (99 %",
        ),
        ((60, 62, 58, 80), None, None),  # 99 % interval: 76 to 129
        ((60, 62, 58, 160), None, None),
        ((100, 101, 99, 80), None, None),
        ((60, 62, 58, 61), np.arange(100_000) // 20, None),  # five groups of twenty
    ],
)
def test_expected_positives_are_judged(expected, group, words):
    y = np.repeat([0, 1], [99_900, 100])
    models = {str(i): {_verdict.EXPECTED: e} for i, e in enumerate(expected)}
    sentences = _verdict.expectation(models, y, group)
    assert len(sentences) == (words is not None)
    assert words is None or words in sentences[0]


def test_a_small_error_of_many_positives_is_not_far_off():
    y = np.repeat([0, 1], [100_000, 100_000])
    assert not _verdict.expectation({"a": {_verdict.EXPECTED: 95_000}}, y, None)
    assert _verdict.expectation({"a": {_verdict.EXPECTED: 89_000}}, y, None)


def warned(
    y=None, ap=0.6, loss=0.04, recall=0.5, alone=None, suspects=None, copies=0.0, groups=None
):
    y = np.repeat([0, 1], [990, 9]) if y is None else y
    models = {"XGBoost, log loss": dict(zip(METRICS, (ap, loss, recall), strict=True))}
    doubts, named, limits = _verdict.warnings(
        y, 0.01, models, alone or {}, suspects or {}, copies, groups
    )
    assert all(f"Column {column!r}" in " ".join(doubts) for column in named)
    return " ".join(doubts + limits)


MANY = np.repeat([0, 1], [900, 100])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ap": 0.995}, "too good to be true"),
        ({"alone": {"a b": 0.59}}, "Column 'a b' alone gives average precision 0.590"),
        ({"alone": {"a b": 0.59}}, "--drop 'a b'"),
        ({"suspects": {"when": "is a date"}}, "Column 'when' is a date."),
        ({"y": np.repeat([0, 1], [100, 900])}, "is the majority (90 % of the test rows)"),
        ({"y": MANY}, "With 100 positives and 10 alerts, recall at 1 % alerts is at most 10 %"),
        ({"recall": 1.0}, "is at its ceiling"),
        ({"loss": 2.0}, "no better than predicting 1 % for every row"),
        ({}, "Only 9 positives"),
        ({"groups": 12}, "Only 12 groups"),
        ({"copies": 0.2}, "20 % of the test rows are exact copies"),
    ],
)
def test_warnings(options, words):
    assert words in warned(**options)
    assert (words in warned()) == (not options)


def test_nothing_is_warned_of_a_plain_table():
    y = np.repeat([0, 1], [9_900, 90])
    assert warned(y=y, ap=0.6, loss=0.04, alone={"a": 0.3}, copies=0.001, groups=400) == ""


# ---- the whole command ---------------------------------------------------------------------------


def test_table_is_printed(run):
    status, out, err = run("--target", "label", "--drop", "status", "day", "card")
    assert (status, err) == (0, "")
    assert "table.csv: 600 rows, 3 features" in out
    for model in ("XGBoost, log loss", "XGBoost, focal, gamma 2", "LightGBM, log loss"):
        assert model in out
    assert "…" not in out  # rich cuts texts with this sign
    assert max(map(len, out.splitlines())) <= 80
    lines = [line.rstrip() for line in out.splitlines()]
    top = next(i for i, line in enumerate(lines) if line.endswith(" expects"))
    assert re.match(r"\d+ positives ", lines[top])
    assert max(map(len, lines[top - 2 : top + 6])) <= 72


def test_expected_positives_are_the_sum_of_the_probabilities(run, tmp_path):
    y, (p, _) = pair(0.1)
    assert _verdict.scores(y, p)["expected positives"] == pytest.approx(p.sum(), rel=1e-12)
    report = tmp_path / "report.html"
    options = ("--target", "label", "--drop", "status", "--time", "day")
    _, out, err = run(*options, "--json", "--report", str(report), rounds=20)
    result = json.loads(out)
    came = result["test_positives"]
    assert f"{came} positives" in err
    page = Page()
    page.feed(report.read_text(encoding="utf-8"))
    for name, scores in result["models"].items():
        expects = scores["expected positives"]
        assert came / 3 < expects < 3 * came
        assert re.search(rf"{name} .* {expects:.0f} *\n", err)
        assert f" %{scores['log loss']:.5f}{scores['Brier score']:.5f}{expects:.0f}" in page.text


def test_json_alone_is_on_standard_output(run):
    status, out, err = run("--target", "label", "--drop", "status", "--json", "--time", "day")
    result = json.loads(out)
    assert status == 0
    assert (result["rows"], result["features"], result["test_rows"]) == (600, 4, 180)
    assert len(result["models"]) == 4
    assert len(result["differences"]) == 6
    for d in result["differences"]:
        assert d["low"] <= d["value"] <= d["high"]
    assert result["verdict"][0] in " ".join(err.split())


def test_a_column_that_gives_the_answer_is_named(run, frame):
    leak = frame.assign(review=frame["label"] * 5 + 1, card=1)
    _, out, _ = run("--target", "label", "--drop", "status", "day", frame=leak, rounds=20)
    text = " ".join(out.split())
    assert "too good to be true" in text
    assert "Column 'review' alone gives average precision 1.000" in text
    assert "First settle the warnings about columns and classes (--drop review leaves" in text


def test_unwritable_picture(run, tmp_path):
    (tmp_path / "folder").write_text("a file")
    status, _, err = run(
        "--target", "label", "--drop", "status", "--plot", str(tmp_path / "folder/x.png")
    )
    assert status == 2
    assert "--plot and --report must be files to write" in err


class Page(html.parser.HTMLParser):
    """Collect what a page refers to, and its elements."""

    def __init__(self):
        super().__init__()
        self.links, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [v for k, v in attributes if k in ("src", "href", "srcset")]

    def handle_data(self, data):
        self.text += data


def test_report_and_picture(run, tmp_path, frame):
    path, plot = tmp_path / "new" / "report.html", tmp_path / "curves.png"
    status, out, _ = run(
        *("--target", "label", "--drop", "status", "--report", str(path), "--plot", str(plot)),
        frame=frame.rename(columns={"day": "<script>alert(1)</script>"}),
    )
    assert status == 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert len(page.links) == 1
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "script" not in page.tags
    assert page.tags.count("table") == 2
    assert not re.search(r"https?://|@import|url\(", path.read_text(encoding="utf-8"))
    assert "cannot be told apart" in page.text or "focal loss" in page.text
    assert "<script>alert(1)</script>" in page.text
    assert [*tmp_path.glob("new/*")] == [path]
    assert "chance of 6 % at most" in page.text
    assert "Report:" in out


@pytest.mark.parametrize("tall", [True, False])
def test_legends_cover_no_curve(monkeypatch, tall):
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    y, predictions = pair(0.1)
    _page.picture(
        y, {f"LightGBM, focal, gamma {i}": p for i, p in enumerate(predictions * 2)}, tall=tall
    )
    drawn[0].canvas.draw()
    for panel in (drawn[0].axes[0], drawn[0].axes[2]):
        legend = panel.get_legend().get_window_extent()
        assert not legend.overlaps(panel.get_window_extent())
        assert legend.y1 < panel.xaxis.label.get_window_extent().y0
        assert not any(legend.overlaps(other.get_window_extent()) for other in drawn[0].axes)
        assert legend.y0 >= 0


def test_simulated_table(monkeypatch, capsys):
    from focalboost import datasets

    small = datasets.make_fraud(6_000, fraud_rate=0.02)
    monkeypatch.setattr(datasets, "make_fraud", lambda: small)
    assert command.main(["compare", "--rounds", "2"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "simulated card payments: 6,000 rows, 28 features, 120 positives" in text
    assert "split by time" in text

"""From any file to a table of features, labels and times; what was done and what is wrong.

What can be read in one way only is read and noted. What only its owner can know (which value is the
positive one, which column is the target) is a problem. All problems of a file are reported at once.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from itertools import count
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow
from numpy.typing import NDArray
from pandas.tseries.api import guess_datetime_format
from skrub import Cleaner

FEWEST = 10
"""Rows of each class that either side of the split must have, for metrics to mean something."""

MISSING = [
    *("", "#N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "none", "null"),
    *("?", "-", "--", "...", ".", "#DIV/0!", "#VALUE!", "#REF!"),
]
_SHOWN = 5  # values or columns that a sentence names

# A number with groups of three digits, or without; in front or behind a currency, a sign or a per cent.
_UNIT = r"(?:[$€£¥₹%]|[A-Z]{3}|zł|kr\.?)?"
_GROUPED = r"(?:\d+|[1-9]\d{{0,2}}(?:[{thousands}]\d{{3}})+)(?:{decimal}\d*)?"
_NUMBER = {
    decimal: re.compile(
        rf"\(?[-+]?\s*{_UNIT}\s*[-+]?"
        + _GROUPED.format(thousands=thousands + r" '’\u00a0\u202f", decimal=re.escape(decimal))
        + rf"\s*{_UNIT}\)?"
    )
    for decimal, thousands in ((".", ","), (",", "."))
}

Option = Callable[..., str]
"""From name and value, if any, of an option to its text."""


def argument(name: str, value: str | None = None) -> str:
    """Return an option as it is written in Python."""
    if value is None:
        return name
    return f"{name}={[value] if name == 'drop' else value!r}"


def command_option(name: str, value: str | None = None) -> str:
    """Return an option as it is written on the command line."""
    return f"--{name}" if value is None else f"--{name} {quote(value)}"


class Refused(ValueError):
    """The table cannot be used as it was asked for; ``problems`` has one sentence for each reason."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class Table(NamedTuple):
    """Features and labels of all rows that are used, in the order of the file."""

    X: pd.DataFrame
    """Columns of float32, categories, dates, or text with many different values."""
    y: NDArray[np.int64]
    """1 for positive, 0 for negative."""
    time: NDArray[Any] | None
    """Numbers or dates to split by."""
    group: NDArray[np.int64] | None
    """Number of the group of each row."""
    meaning: str
    """Which values are positive, which negative."""
    notes: list[str]
    """What was read in a way that its owner should know."""
    suspects: dict[str, str]
    """Features that look like ids or times, and what to do about each."""


def read_table(
    path: str | Path,
    *,
    target: str,
    positive: Sequence[str] = (),
    negative: Sequence[str] = (),
    time: str | None = None,
    group: str | None = None,
    drop: Sequence[str] = (),
) -> Table:
    """Read a CSV or parquet file, whatever its encoding, separators, dates and amounts.

    Parameters
    ----------
    path : str or Path
        Text with separators (comma, semicolon, tab, bar), also compressed, or parquet.
    target : str
        Column of the labels.
    positive, negative : sequences of str
        Values of the target that are positive and negative. Rows with other values are left out. Only
        one of the two: all other values are the other class. Neither: the values must be
        0 and 1, -1 and 1, or false and true.
    time, group : str, optional
        Columns to split by; they are not features.
    drop : sequence of str
        Columns to leave out.

    Returns
    -------
    Table

    Raises
    ------
    Refused
        With everything that is wrong, each with the argument that mends it.
    """
    return read(
        path,
        argument,
        target=target,
        positive=positive,
        negative=negative,
        time=time,
        group=group,
        drop=drop,
    )


def read(
    path: str | Path,
    option: Option,
    *,
    target: str,
    positive: Sequence[str],
    negative: Sequence[str],
    time: str | None,
    group: str | None,
    drop: Sequence[str],
) -> Table:
    """Do what ``read_table`` does; problems and suspects write the options as ``option`` does."""
    notes: list[str] = []
    frame = _load(Path(path), target, notes)
    problems = _absent(
        frame, {"target": [target], "time": [time], "group": [group], "drop": drop}, option
    )
    if problems:
        raise Refused(problems)
    y, meaning = _labels(frame.pop(target), positive, negative, notes, problems, option)
    groups = _groups(frame[group], problems, option) if group is not None else None
    frame = frame.drop(columns=[*drop, *([group] if group is not None and group != time else [])])
    frame = _columns(frame, notes)
    times = _moments(frame.pop(time), problems, option) if time in frame else None
    if time is not None and times is None and not problems:
        problems.append(
            f"{option('time')} must be a column of numbers or dates, {time!r} holds neither"
        )
    if frame.columns.empty:
        problems.append("at least one column besides the target must be a feature, got none")
    if problems:
        raise Refused(problems)
    used = y >= 0
    if not used.all():
        times, groups = (None if a is None else a[used] for a in (times, groups))
    frame = frame[used].reset_index(drop=True)
    suspects = _suspects(frame, times is not None, groups is not None, option)
    return Table(_features(frame, notes), y[used], times, groups, meaning, notes, suspects)


# ---- the file ------------------------------------------------------------------------------------


def _load(path: Path, target: str, notes: list[str]) -> pd.DataFrame:
    """Read the file; columns get names that are texts and differ."""
    if not path.is_file():
        raise Refused([f"the file to read must exist, got {path}"])
    try:
        content = _bytes(path)
        if content[:4] == b"PAR1":
            frame = pd.read_parquet(io.BytesIO(content))
            if any(name is not None for name in frame.index.names):
                frame = frame.reset_index()
        else:
            frame = _text(content, target, notes)
    except (ValueError, OSError, pyarrow.ArrowException, zipfile.BadZipFile) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise Refused([f"the file must be CSV or parquet, {path} is not: {reason}"]) from error
    if frame.empty:
        raise Refused([f"the file must have rows and columns, {path} has {len(frame)} rows"])
    frame.columns = pd.Index(_distinct(frame.columns))
    counter = frame.columns[0]  # what to_csv writes first, of a table that nobody gave an index
    if counter in ("Unnamed: 0", "", "__index_level_0__", "index") and counter != target:
        column = frame[counter]
        if pd.api.types.is_integer_dtype(column) and column.is_unique:
            frame = frame.drop(columns=counter)
            notes.append(f"The first column, {counter!r}, only numbers the rows: left out.")
    return frame


def _distinct(names: Iterable[Any]) -> list[str]:
    found: dict[str, None] = {}
    for name in map(str, names):
        copies = (f"{name}.{k}" for k in count(1))
        found[name if name not in found else next(c for c in copies if c not in found)] = None
    return list(found)


def _bytes(path: Path) -> bytes:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = [name for name in archive.namelist() if not name.startswith("__MACOSX")]
            if "[Content_Types].xml" in inside:
                raise ValueError("it is an Excel workbook, save its sheet as CSV")
            if len(inside) != 1:
                raise ValueError(f"it is an archive of {len(inside)} files, unpack the one to read")
            return archive.read(inside[0])
    with pyarrow.input_stream(str(path), compression="detect") as stream:
        return bytes(stream.read())


def _text(content: bytes, target: str, notes: list[str]) -> pd.DataFrame:
    """Read text: its encoding, its separator and its decimal sign are found out."""
    text = _decode(content, notes)
    if not text.strip():
        raise ValueError("it is empty")
    if text.lstrip()[:2] in ('{"', "[{"):
        raise ValueError("it is JSON, save it as CSV")
    if text[:4].lower() == "sep=":  # Excel's hint to itself
        text = text.partition("\n")[2]
    sample = "".join(text[:20_000].splitlines(keepends=True)[:-1]) or text
    try:
        separator = csv.Sniffer().sniff(sample, ",;\t|").delimiter
    except csv.Error:  # one column, or a single row
        separator = max(",;\t|", key=sample.partition("\n")[0].count)
    if separator != ",":
        name = {";": "semicolons", "\t": "tabs", "|": "bars"}[separator]
        notes.append(f"Fields are separated by {name}.")

    def parse(**more: Any) -> pd.DataFrame:
        options: dict[str, Any] = {"sep": separator, "skipinitialspace": True, "low_memory": False}
        frame = pd.read_csv(io.StringIO(text), **options, **more)
        if isinstance(frame.index, pd.RangeIndex):
            return frame
        # One field more than names: rows that have names, or a separator at the end of each line.
        if not frame.iloc[:, -1].isna().all():
            return frame.reset_index()
        return pd.read_csv(io.StringIO(text), usecols=range(frame.shape[1]), **options, **more)

    # "none" may be a class: in the target only an empty field is missing.
    names = pd.read_csv(io.StringIO(text), sep=separator, skipinitialspace=True, nrows=0).columns
    missing = {name: [""] if name == target else MISSING for name in names}
    frame = parse(na_values=missing, keep_default_na=False)
    commas = [name for name in frame if _decimal(frame[name], separator) == ","]
    if commas:
        # Once more: with decimal commas elsewhere, 1.234 is no decimal number but a thousand.
        frame = parse(na_values=missing, keep_default_na=False, decimal=",")
    for name in frame.columns.drop(target, errors="ignore"):
        frame[name] = _numbers(frame[name], [",", "."] if commas else ["."], notes)
    if commas and not any("read as" in note for note in notes):
        notes.append(f"Numbers have decimal commas, for example in {_listed(commas)}.")
    return frame


def _decode(content: bytes, notes: list[str]) -> str:
    """Decode UTF-8, UTF-16, or else Windows-1252: guesses beyond that are wrong on small files."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16")
    zeros = content[:2_000:2].count(0), content[1:2_000:2].count(0)
    if max(zeros) > len(content[:2_000]) // 5:
        return content.decode("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if 0 in content[:2_000]:
            raise ValueError("it has bytes that no text has") from error
        notes.append("The text is not UTF-8: read as Windows-1252, which includes latin-1.")
        return content.decode("cp1252", errors="replace")


# ---- numbers and dates in text ---------------------------------------------------------------------


def _is_text(column: pd.Series) -> bool:
    # Whatever its dtype, which is that of objects before pandas 3.
    return bool(pd.api.types.infer_dtype(column, skipna=True) == "string")


def _values(column: pd.Series) -> list[str]:
    return [str(value).strip() for value in column.dropna().unique()]


def _decimal(column: pd.Series, separator: str) -> str | None:
    """Return "," if the column is numbers with decimal commas, and cannot be anything else."""
    if not _is_text(column):
        return None
    values = _values(column)
    if not values or not all(_NUMBER[","].fullmatch(value) for value in values):
        return None
    # With commas between the fields, 1,234 is a thousand; with semicolons a decimal comma is likelier.
    thousands = re.compile(r"[^,]*?\b[1-9]\d{0,2}(,\d{3})+\D*")
    sure = any("," in v and not (separator == "," and thousands.fullmatch(v)) for v in values)
    return "," if sure else None


def _numbers(column: pd.Series, decimals: Sequence[str], notes: list[str]) -> pd.Series:
    """Return a text column as numbers where each of its values is one."""
    if not _is_text(column):
        return column
    values = _values(column)
    for decimal in decimals:
        if values and all(_NUMBER[decimal].fullmatch(value) for value in values):
            text = column.astype("object").where(column.notna(), None)
            # What is left of "(1.234,50 €)" is "1.234,50" and its sign, then "1234.50".
            digits = text.str.replace(rf"[^\d{decimal}]", "", regex=True)
            negative = text.str.contains(r"[-(]", regex=True, na=False)
            numbers = pd.to_numeric(digits.str.replace(decimal, ".")).where(~negative, lambda x: -x)
            shown = max(column.dropna().unique(), key=len)
            number = numbers[column == shown].iloc[0]
            notes.append(f"Column {column.name!r} is read as numbers: {shown} is {number:.12g}.")
            return numbers
    odd = [v for v in values if not any(_NUMBER[d].fullmatch(v) for d in decimals)]
    if len(odd) < len(values) / 2 and (where := column.str.strip().isin(odd)).mean() < 0.01:
        notes.append(
            f"Column {column.name!r} is read as text: it has numbers, but {_listed(odd)} in "
            f"{_rows(where)}."
        )
    return column


_HALF_DAY = re.compile(r"\d+/\d+/\d{4} \d+:\d+(:\d+)? [AaPp][Mm]")  # pandas does not guess these


def _dates(column: pd.Series, notes: list[str]) -> pd.Series:
    """Return a text column as dates where all of its values have one format."""
    values = column.dropna()
    if not _is_text(column) or values.empty or not re.search(r"\d", first := str(values.iloc[0])):
        return column
    found: list[pd.Series] = []
    for day_first in (True, False) if re.match(r"\s*\d+\.", first) else (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas warns of formats that it cannot guess
            form = guess_datetime_format(first.strip(), dayfirst=day_first)
        if form is None and (match := _HALF_DAY.fullmatch(first.strip())):
            form = "%d/%m/" if day_first else "%m/%d/"
            form += "%Y %I:%M:%S %p" if match[1] else "%Y %I:%M %p"
        if form is None:
            return column
        if form.startswith("%Y-%m-%d"):
            form = "ISO8601"
        parsed = pd.to_datetime(column.str.strip(), format=form, errors="coerce", utc=True)
        if parsed.notna().sum() == len(values):
            found.append(parsed.dt.tz_localize(None))
    if not found:
        return column
    if len(found) > 1 and not found[0].equals(found[1]):
        differ = (found[0] != found[1]) & column.notna()
        notes.append(
            f"Column {column.name!r}: {column[differ].iloc[0]} could be two dates, it is read as "
            f"{(day := found[0][differ].iloc[0]).day} {day:%B %Y}. Dates like 2025-12-31 are clear."
        )
    return found[0]


# ---- columns ---------------------------------------------------------------------------------------


def _columns(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Make every column a number, a date, a category or text; leave out what is none of these."""
    made, left_out = {}, []
    for name in frame.columns:
        column = frame[name]
        if column.dtype == object:
            kind = pd.api.types.infer_dtype(column, skipna=True)
            if kind in ("decimal", "boolean", "integer", "floating", "mixed-integer-float"):
                column = pd.to_numeric(column)
            elif kind in ("date", "datetime"):
                column = pd.to_datetime(column, errors="coerce")
            elif kind in ("time", "mixed-integer"):
                column = column.map(str, na_action="ignore")
            elif kind not in ("string", "empty"):
                left_out.append(name)
                continue
        elif column.dtype.kind == "m":
            column = column.dt.total_seconds()
        elif column.dtype.kind == "M" and getattr(column.dt, "tz", None) is not None:
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        made[name] = _dates(column, notes)
    if left_out:
        notes.append(f"Neither numbers, dates nor text, so left out: {_listed(left_out)}.")
    codes = [name for name, column in made.items() if _is_text(column) and _is_code(column)]
    if codes:
        notes.append(f"Text of one word that differs in every row, so left out: {_listed(codes)}.")
    empty = [name for name, column in made.items() if column.isna().all()]
    if empty:
        notes.append(f"Without any value, so left out: {_listed(empty)}.")
    kept = pd.DataFrame(
        {name: c for name, c in made.items() if name not in (*empty, *codes)}, index=frame.index
    )
    return kept if kept.columns.empty else Cleaner().fit_transform(kept)


def _is_code(column: pd.Series) -> bool:
    """Return whether every row has another word: a key, which says nothing of other rows."""
    values = column.dropna()
    return len(values) > 20 and values.is_unique and not values.str.contains(r"\s").any()


def _features(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Make numbers float32 and text with few values categories: both libraries accept these."""
    infinite = []
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
            numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
            with np.errstate(over="ignore"):  # beyond float32, where XGBoost computes
                single = numbers.astype(np.float32)
            if np.isinf(single).any():
                infinite.append(name)
            frame[name] = np.where(np.isinf(single), np.float32(np.nan), single)
        elif column.dtype.kind != "M" and column.nunique() <= 1000:
            frame[name] = column.astype("category")
    if infinite:
        notes.append(f"Infinite values are read as missing: {_listed(infinite)}.")
    return frame


# ---- suspects --------------------------------------------------------------------------------------

_ID_NAME = re.compile(r"(?:^|[\W_])(?i:id|uuid|guid|row_?n(?:r|o|umber))$|[a-z]I[dD]$")


def _suspects(X: pd.DataFrame, timed: bool, grouped: bool, option: Option) -> dict[str, str]:
    """Return the features that look like ids or times, and what to do about each.

    Splitting by time and by groups leaves few test rows if most later rows are of groups seen earlier:
    if the table is split by one of the two, the other is advised instead of it.
    """
    found = {}
    for name in X.columns:
        column = X[name]
        values = column.dropna()
        number = pd.api.types.is_numeric_dtype(column)
        out = f"{option('drop', name)} leaves it out"
        instead = f" instead of {option('group')}" if grouped else ""
        split = out if timed else f"{option('time', name)}{instead} splits by it, {out}"
        instead = f" instead of {option('time')}" if timed else ""
        keep = f"{out}, {option('group', name)}{instead} keeps its rows on one side of the split"
        if column.dtype.kind == "M":
            found[name] = f"is a date among the features; {split}"
        elif (distinct := values.nunique()) < 20:
            continue
        elif distinct == len(column) and (not number or (values % 1 == 0).all()):
            found[name] = f"is different in every row, like an id; {out}"
        elif _ID_NAME.search(name):
            found[name] = (
                f"is named like an id, which models learn by heart; {out if grouped else keep}"
            )
        elif number and (values.is_monotonic_increasing or values.is_monotonic_decreasing):
            found[name] = f"orders the rows, like a time; {split}"
    return found


def _absent(frame: pd.DataFrame, named: dict[str, Any], option: Option) -> list[str]:
    """Return a problem for each option that names a column that is not there."""
    problems = []
    for role, names in named.items():
        for name in names:
            if name is None or name in frame.columns:
                continue
            lower = {column.strip().lower(): column for column in frame.columns}
            near = get_close_matches(name.strip().lower(), lower, 1)
            if near:
                hint = f"did you mean {quote(lower[near[0]])}?"
            else:
                hint = f"the columns are {_listed(frame.columns, 40)}"
                if any(re.fullmatch(r"[-+\d.,]+", column) for column in frame.columns):
                    hint += "; does the file begin with a line of names?"
            problems.append(f"{option(role)} must name a column, got {name!r}; {hint}")
    return problems


def _groups(column: pd.Series, problems: list[str], option: Option) -> NDArray[np.int64]:
    codes, _ = pd.factorize(column)
    if (codes < 0).any():
        problems.append(
            f"{option('group')} must have no missing value, {column.name!r} has "
            f"{(codes < 0).sum():,}: {_rows(codes < 0)}"
        )
    return np.asarray(codes, dtype=np.int64)


def _rows(where: Any) -> str:
    """Return the first rows of a Boolean array as text; rows are counted from 1."""
    rows = np.flatnonzero(where) + 1
    return f"row{'s' * (len(rows) > 1)} {_listed(rows)} (row 1 follows the column names)"


def _moments(column: pd.Series, problems: list[str], option: Option) -> NDArray[Any] | None:
    """Return a column of numbers or dates as an array that sorts by time."""
    if not (pd.api.types.is_numeric_dtype(column) or column.dtype.kind == "M"):
        values = pd.Series(_values(column))
        dates = pd.to_datetime(values, format="mixed", errors="coerce", utc=True)
        numbers = pd.to_numeric(values, errors="coerce")
        odd = values[min(dates.isna(), numbers.isna(), key=np.sum)]
        where = column.map(lambda value: str(value).strip()).isin(odd)
        shown = f"{_listed(odd)} in {_rows(where)}" if len(odd) else _listed(values)
        problems.append(
            f"{option('time')} must be a column of numbers or of dates in one format, "
            f"{column.name!r} has {shown}"
        )
        return None
    if column.isna().any():
        problems.append(
            f"{option('time')} must have no missing value, {column.name!r} has "
            f"{column.isna().sum():,}: {_rows(column.isna())}"
        )
    return np.asarray(column.to_numpy())


# ---- labels ----------------------------------------------------------------------------------------

_USUAL = ({"0", "1"}, {"-1", "1"}, {"false", "true"})  # the greater text is the positive one


def _labels(
    column: pd.Series,
    positive: Sequence[str],
    negative: Sequence[str],
    notes: list[str],
    problems: list[str],
    option: Option,
) -> tuple[NDArray[np.int64], str]:
    """Return 1, 0, or -1 for rows to leave out, and what the two classes are."""
    text = column.map(_plain, na_action="ignore").astype("object")
    text = text.where(column.notna() & (text != ""), None)
    counts = text.value_counts()
    shown = _listed([f"{value} ({n:,})" for value, n in counts.items()])
    name = f"target {column.name!r}"
    missing = int(text.isna().sum())
    wanted = {"positive": [_plain(v) for v in positive], "negative": [_plain(v) for v in negative]}
    before = len(problems)
    for role, values in wanted.items():
        unknown = [value for value in values if value not in counts.index]
        if unknown:
            problems.append(
                f"{option(role)} must be values of {name}, got {_listed(unknown)}; it has {shown}"
            )
    if both := set(wanted["positive"]) & set(wanted["negative"]):
        problems.append(
            f"{option('positive')} and {option('negative')} must not share values, got {_listed(both)}"
        )
    if len(counts) < 2:
        problems.append(f"{name} must have two values, it has {shown or 'none'}")
    elif not (positive or negative):
        if set(counts.index) in _USUAL:
            wanted["positive"] = [max(counts.index)]
        else:
            more = ", so it may not be a class at all" if len(counts) > 50 else ""
            usual: set[str] = next((pair for pair in _USUAL if pair < set(counts.index)), set())
            odd = text.notna() & ~text.isin(usual)
            if odd.mean() < 0.01:
                more = f"; other values than {' and '.join(sorted(usual))} are in {_rows(odd)}"
            problems.append(
                f"{name} must be 0 or 1, or {option('positive')} must name the values that count as "
                f"positive; it has {len(counts):,} different values, {shown}{more}"
            )
    if missing and not (positive and negative):
        problems.append(
            f"{name} must have no missing value, got {missing:,}: {_rows(text.isna())}; with both "
            f"{option('positive')} and {option('negative')}, rows with other values are left out"
        )
    if len(problems) > before:
        return np.full(len(column), -1), ""
    ones = wanted["positive"] or counts.index.drop(wanted["negative"]).tolist()
    zeros = wanted["negative"] or counts.index.drop(ones).tolist()
    y = np.where(text.isin(ones), 1, np.where(text.isin(zeros), 0, -1)).astype(np.int64)
    if (y < 0).any():
        others = [*counts.index.drop([*ones, *zeros]), *(["missing"] if missing else [])]
        notes.append(
            f"{int((y < 0).sum()):,} rows are left out: their {column.name} is {_listed(others)}."
        )
    for value, n in (("positive", (y == 1).sum()), ("negative", (y == 0).sum())):
        if n < 2 * FEWEST:
            problems.append(f"both classes must have at least {2 * FEWEST} rows, got {n:,} {value}")
    return y, f"positive is {column.name} = {_listed(ones)}; negative is {_listed(zeros)}"


def _plain(value: Any) -> str:
    """Return the text of a value, the same for 1, 1.0, "1" and for True, "true"."""
    text = str(value).strip()
    if text.lower() in ("true", "false"):
        return text.lower()
    try:
        return f"{float(text):.15g}" if re.fullmatch(r"[-+]?\d+(\.\d*)?", text) else text
    except OverflowError:
        return text


def _listed(values: Iterable[Any], most: int = _SHOWN) -> str:
    texts = [str(value) for value in values]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")

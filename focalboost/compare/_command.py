"""The options of ``focalboost compare``, and what runs when they are right."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from focalboost.losses import BinaryFocalLoss

_TABLE_OPTIONS = ("target", "positive", "negative", "time", "group", "drop")
_LIMITS = (
    "One split, nothing tuned. Each interval misses the true difference with a chance of 1 %, so at "
    "least one of the six misses it with a chance of 6 % at most. The intervals are a bootstrap that "
    "takes {units} as independent. They do not say what another split would give."
)


def add(subparsers: Any) -> None:
    """Add the subcommand and its options."""
    parser = subparsers.add_parser(
        "compare",
        help="log loss against focal loss, in XGBoost and LightGBM, on a table",
        description="Train XGBoost and LightGBM with log loss and with focal loss on a table, and say "
        "what the difference shows. Without FILE: on simulated card payments.",
    )
    parser.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="CSV (also compressed) or parquet"
    )
    parser.add_argument("--target", metavar="COLUMN", help="column of the labels")
    values: dict[str, Any] = {"metavar": "VALUE", "nargs": "+", "default": []}
    parser.add_argument("--positive", **values, help="values of the target that are positive")
    parser.add_argument(
        "--negative",
        **values,
        help="values that are negative; with --positive, others are left out",
    )
    parser.add_argument("--time", metavar="COLUMN", help="test on the later 30 %% of the rows")
    parser.add_argument(
        "--group", metavar="COLUMN", help="keep rows of one value on one side of the split"
    )
    parser.add_argument(
        "--drop", metavar="COLUMN", nargs="+", default=[], help="columns to leave out"
    )
    parser.add_argument("--gamma", type=float, default=2.0, help="of the focal loss (default 2)")
    parser.add_argument("--rounds", type=int, default=100, help="of boosting (default 100)")
    parser.add_argument("--threads", type=int, metavar="N", help="default: all cores")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="write the curves")
    parser.add_argument("--report", type=Path, metavar="HTML", help="write one page of everything")
    parser.set_defaults(check=lambda options: _check(parser, options), run=run)


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Exit with status 2 and all that is wrong with the options by themselves."""
    wrong = []
    columns = {name: getattr(options, name) for name in ("target", "time", "group")}
    if options.file is None:
        given = [name for name in _TABLE_OPTIONS if getattr(options, name)]
        if given:
            wrong.append(
                f"--{given[0]} must come after FILE: focalboost compare FILE --{given[0]} ..."
            )
    elif options.target is None:
        wrong.append("--target must name the column of the labels in FILE")
    for option, name in columns.items():
        if name is not None and name in options.drop:
            wrong.append(f"--{option} {name} must not be named in --drop")
        if option != "target" and name is not None and name == options.target:
            wrong.append(f"--{option} must not be the target, got {name}")
    for name in ("rounds", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            wrong.append(f"--{name} must be at least 1, got {value}")
    for name, suffixes in (("plot", (".png",)), ("report", (".html", ".htm"))):
        path = getattr(options, name)
        if path is not None and path.suffix.lower() not in suffixes:
            wrong.append(f"--{name} must end in {suffixes[0]}, got {path}")
        elif path is not None and path.is_dir():
            wrong.append(f"--{name} must be a file, {path} is a folder")
    try:
        BinaryFocalLoss(options.gamma)
    except ValueError as error:
        wrong.append(f"--gamma: {error}")
    if wrong:
        parser.error("; ".join(wrong))


def run(options: argparse.Namespace) -> int:
    """Compare, print, write; return the exit status."""
    # Read when XGBoost and LightGBM are imported: threads that wait must sleep. If they spin, as by
    # default, training takes ten times as long on a machine that has other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Heavy packages are imported here, so that the options and their help need none of them.
    import pandas as pd
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from focalboost.compare import _page, _train, _verdict
    from focalboost.compare._read import Refused, Table, command_option, read
    from focalboost.datasets import make_fraud

    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    out = errors if options.json else Console(highlight=False, markup=False)
    time = options.time
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeRemainingColumn())
    try:
        shown = errors if errors.is_terminal else Console(quiet=True)
        with Progress(*columns, console=shown, transient=True) as progress:
            task = progress.add_task("reading", total=None)
            if options.file is None:
                frame, time = make_fraud().frame(), "time"
                y, when = frame.pop("fraud").to_numpy("int64"), frame.pop("time").to_numpy()
                table = Table(frame, y, when, None, "positive is fraud = 1; negative is 0", [], {})
            else:
                given = {name: getattr(options, name) for name in _TABLE_OPTIONS}
                table = read(options.file, command_option, **given)
            parts = _train.split(table, time, options.group)
            total = 4 * options.rounds + _verdict.REPLICATES // 10
            progress.update(task, total=total)

            def start(name: str) -> _train.Tick:
                progress.update(task, description=name)
                return lambda: progress.advance(task)

            models = _train.models(parts, options.gamma, options.rounds, options.threads, start)
            progress.update(task, description="intervals", completed=4 * options.rounds)
            pairs = {
                a.library: (a.probability, b.probability)
                for a, b in zip(models[::2], models[1::2], strict=True)
            }
            found = _verdict.differences(
                parts.y_test, pairs, parts.group_test, tick=lambda: progress.advance(task, 0.1)
            )
            alone = {
                column: _verdict.scores(parts.y_test, p)[_verdict.METRICS[0]]
                for column, p in _train.alone(parts, models, options.threads).items()
            }
    except Refused as refused:
        for problem in refused.problems:
            errors.print(f"focalboost compare: {problem}")
        return 2
    n, positives = len(table.y), int(table.y.sum())
    scored = {
        m.name: _verdict.scores(parts.y_test, m.probability) | {"seconds": m.seconds}
        for m in models
    }
    hashes = [pd.util.hash_pandas_object(X, index=False) for X in (parts.X_train, parts.X_test)]
    groups = None if parts.group_test is None else len(set(parts.group_test.tolist()))
    doubts, named, limits = _verdict.warnings(
        parts.y_test,
        float(parts.y_train.mean()),
        scored,
        alone,
        table.suspects,
        float(hashes[1].isin(hashes[0]).mean()),
        groups,
    )
    head = _page.rows_head(len(parts.y_test), int(parts.y_test.sum()))
    result: dict[str, Any] = {
        "table": "simulated card payments" if options.file is None else options.file.name,
        "rows": n,
        "features": table.X.shape[1],
        "positives": positives,
        "test_rows": len(parts.y_test),
        "test_positives": int(parts.y_test.sum()),
        "described": [
            f"{n:,} rows, {table.X.shape[1]} features, {positives:,} positives "
            f"({_verdict.percent(positives / n)}); {table.meaning}.",
            f"Test rows: {parts.how}; {len(parts.y_test):,} rows, {parts.y_test.sum():,} positives.",
            f"Each model: {options.rounds} rounds, learning rate {_train.LEARNING_RATE}, L2 penalty "
            f"{_train.LAMBDA:g}.",
        ],
        "notes": table.notes,
        "models": scored,
        "differences": [d._asdict() | {"focal_is_better": d.better} for d in found],
        "verdict": _verdict.verdict(found)
        + _verdict.expectation(scored, parts.y_test, parts.group_test),
        "limits": _LIMITS.format(units="the test rows" if groups is None else "the groups"),
        "warnings": doubts + limits,
        "advice": _verdict.advice(found, bool(doubts), named, options.gamma),
    }
    _print(out, result, _page.tables(scored, found, head))
    probability = {m.name: m.probability for m in models}
    try:
        if options.plot is not None:
            _page.write(options.plot, _page.picture(parts.y_test, probability))
            out.print(f"Plot: {options.plot}")
        if options.report is not None:
            page = _page.report(result, found, parts.y_test, probability)
            _page.write(options.report, page.encode())
            out.print(f"Report: {options.report}")
    except OSError as error:
        errors.print(f"focalboost compare: --plot and --report must be files to write: {error}")
        return 2
    if options.json:
        json.dump(result, sys.stdout, indent=1, allow_nan=False)
        print()
    return 0


def _print(out: Any, result: dict[str, Any], tables: list[Any]) -> None:
    out.print(f"{result['table']}: {result['described'][0]}", *result["described"][1:], sep="\n")
    for note in result["notes"]:
        out.print(f"Note: {note}")
    out.print("", tables[0], "", tables[1], "", result["limits"], "", *result["verdict"], sep="\n")
    for warning in result["warnings"]:
        out.print(f"Warning: {warning}")
    out.print(result["advice"])

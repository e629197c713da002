"""What is shown: tables for the terminal, a picture, a page of HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from rich import box
from rich.table import Table

from focalboost.compare._verdict import CONFIDENCE, EXPECTED, METRICS, Difference

HEADS = (
    *("average\nprecision", "recall\nat 1 %\nalerts", "log\nloss", "Brier\nscore"),
    *("expects", "fit,\ns"),
)
DIFFERENCE_HEADS = ("difference", f"{100 * CONFIDENCE:.0f} % interval", "focal is")


def rows(models: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """Return name and texts of each model, in the order of ``HEADS``."""
    return [
        [
            name,
            f"{m[METRICS[0]]:.3f}",
            f"{100 * m[METRICS[2]]:.1f} %",
            f"{m['log loss']:.5f}",
            f"{m['Brier score']:.5f}",
            f"{m[EXPECTED]:,.0f}",
            f"{m['seconds']:.1f}",
        ]
        for name, m in models.items()
    ]


def difference_rows(found: Sequence[Difference]) -> list[list[str]]:
    """Return name and texts of each difference, in the order of ``DIFFERENCE_HEADS``."""
    words = ("worse", "open", "better")
    return [
        [f"{d.library}, {d.metric}", d.texts[0], " to ".join(d.texts[1:]), words[d.better + 1]]
        for d in found
    ]


def rows_head(test_rows: int, test_positives: int) -> str:
    """Return the head above the names of the models."""
    return f"{test_rows:,} test rows,\n{test_positives:,} positives"


def tables(
    models: Mapping[str, Mapping[str, float]], found: Sequence[Difference], head: str
) -> list[Table]:
    """Return the two tables of the terminal, within 80 columns; seconds are in the report."""
    made = []
    for first, heads, texts in (
        (head, HEADS[:-1], [row[:-1] for row in rows(models)]),
        ("focal loss minus log loss", DIFFERENCE_HEADS, difference_rows(found)),
    ):
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        table.add_column(first, no_wrap=True)
        for head in heads:
            table.add_column(head, justify="right", no_wrap=True)
        for row in texts:
            table.add_row(*row)
        made.append(table)
    return made


# ---- picture -------------------------------------------------------------------------------------


def picture(y: Any, probability: Mapping[str, Any], *, tall: bool = False) -> bytes:
    """Return a PNG: precision by recall, both by the share of rows alerted, and reliability."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from focalboost.plotting import PrecisionRecallDisplay, ReliabilityDisplay

    figure = Figure(figsize=(4.4, 13) if tall else (15.6, 5.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(*((3, 1) if tall else (1, 3)))
    PrecisionRecallDisplay.from_predictions(y, probability, ax=panels[:2])
    ReliabilityDisplay.from_predictions(y, probability, strategy="positives", ax=panels[2])
    titles = ("Precision by recall", "By the share alerted", "Reliability")
    for panel, title in zip(panels, titles, strict=True):
        panel.set_title(title)
    for panel in panels[::2]:  # the names of four curves would cover them
        panel.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.15), fontsize="small", frameon=False
        )
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=150 if tall else 110)
    return out.getvalue()


# ---- report --------------------------------------------------------------------------------------

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root { --back: #fff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --warn: #fff4d6 }
@media (prefers-color-scheme: dark) {
  :root { --back: #111418; --text: #e6e9ec; --soft: #9aa4ae; --line: #343b43; --warn: #3a2f10 }
}
body { background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 60rem; padding: 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; line-height: 1.25 } h2 { font-size: 1.15rem; margin-top: 2rem }
.verdict { font-size: 1.1rem; font-weight: 600 } .soft { color: var(--soft) }
.warnings { background: var(--warn); border-radius: 8px; padding: .75rem 1rem .75rem 2rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums;
  margin-bottom: 1.5rem; width: 100% }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .4rem; text-align: right;
  overflow-wrap: normal } th { vertical-align: bottom; font-weight: 600 }
:is(th, td):first-child { text-align: left } td:not(:first-child) { white-space: nowrap }
img { border-radius: 8px; display: block; width: 100%; max-width: 32rem; margin: 0 auto }
@media (max-width: 480px) { table { font-size: .75rem } th, td { padding: .3rem .2rem } }
</style>
</head>
<body>
<h1>$title</h1>
$verdict
<p>$advice</p>
$warnings
<h2>Four models and their differences</h2>
<div class="scroll">$models</div>
<div class="scroll">$differences</div>
<p class="soft">$limits</p>
<img alt="Precision by recall, both by the share of rows alerted, and reliability"
src="data:image/png;base64,$picture">
<h2>What was read</h2>
$read
</body>
</html>
""")


def report(
    result: Mapping[str, Any], found: Sequence[Difference], y: Any, p: Mapping[str, Any]
) -> str:
    """Return a page that needs no other file and no network."""
    warnings = _listing(result["warnings"], "warnings")
    return _PAGE.substitute(
        picture=base64.b64encode(picture(y, p, tall=True)).decode(),
        title=escape(f"Focal loss against log loss: {result['table']}"),
        verdict="".join(f'<p class="verdict">{escape(s)}</p>' for s in result["verdict"]),
        advice=escape(result["advice"]),
        warnings=f"<h2>Warnings</h2>{warnings}" if warnings else "",
        models=_table(
            (rows_head(result["test_rows"], result["test_positives"]), *HEADS),
            rows(result["models"]),
        ),
        differences=_table(
            ("focal loss minus log loss", *DIFFERENCE_HEADS), difference_rows(found)
        ),
        limits=escape(result["limits"]),
        read=_listing([*result["described"], *result["notes"]], "soft"),
    )


def _listing(sentences: Sequence[str], kind: str) -> str:
    items = "".join(f"<li>{escape(s)}</li>" for s in sentences)
    return f'<ul class="{kind}">{items}</ul>' if items else ""


def _table(heads: Sequence[str], texts: Sequence[Sequence[str]]) -> str:
    def row(values: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(v)}</{tag}>" for v in values) + "</tr>"

    body = "".join(row(values, "td") for values in texts)
    return f"<table><thead>{row(heads, 'th')}</thead><tbody>{body}</tbody></table>"


def write(path: Path, content: bytes) -> None:
    """Write a file; its folder is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)

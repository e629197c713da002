"""Every Python block of the README and the docs runs; blocks of one page share their names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [
    p
    for p in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))
    if BLOCK.search(p.read_text())
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    names = {"__name__": "__main__"}
    for block in BLOCK.finditer(text):
        # Blank lines in front, so that a traceback names the line of the page.
        padding = "\n" * text[: block.start(1)].count("\n")
        exec(compile(padding + block[1], str(page), "exec"), names)


def test_only_python_blocks_are_found():
    assert BLOCK.findall("```python\nx = 1\n```\ntext\n```\nnot python\n```\n") == ["x = 1\n"]

"""Every Python block of the README and the docs runs, and prints what the page says that it prints.

The blocks of one page share their names; those of the README run alone. What a block prints
stands right below it, in a `text` block.
"""

import contextlib
import io
import re
from decimal import Decimal
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"^```python\n(.*?)^```\n(?:\n*^```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL
)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")
PAGES = [
    p
    for p in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))
    if BLOCK.search(p.read_text())
]


def close(shown, printed):
    """Tell whether two numbers differ by at most a tenth, or by one in the last digit shown.

    Versions of the libraries and numbers of threads change the trees a little, and so every number
    that comes from trees. A tenth still tells a gain from a loss and .6 from .7.
    """
    a, b = Decimal(shown), Decimal(printed)
    last_digit = Decimal(1).scaleb(a.as_tuple().exponent)
    return abs(a - b) <= max(abs(a) / 10, last_digit)


def same(shown, printed):
    """Tell whether the words are equal and the numbers close; spaces and line ends do not count."""
    shown, printed = (re.sub(r"(?<=\d),(?=\d{3})", "", text) for text in (shown, printed))
    words = [NUMBER.sub(" # ", text).split() for text in (shown, printed)]
    return words[0] == words[1] and all(map(close, NUMBER.findall(shown), NUMBER.findall(printed)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_run_and_print_what_the_page_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    names = {}
    for block in BLOCK.finditer(text):
        if not names or page.name == "README.md":
            names = {"__name__": "__main__"}
        line = text[: block.start(1)].count("\n")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            # Blank lines in front, so that a traceback names the line of the page.
            exec(compile("\n" * line + block[1], str(page), "exec"), names)
        shown, found = block[2] or "", printed.getvalue()
        assert same(shown, found), (
            f"{page.name}, line {line}: the page shows\n{shown}\nand the block printed\n{found}"
        )


def test_only_python_blocks_and_the_text_right_below_are_found():
    page = "```python\nx = 1\n```\nwords\n```text\nno output\n```\n```\nnot python\n```\n"
    page += "```python\nprint(2)\n```\n\n```text\n2\n```\n"
    assert BLOCK.findall(page) == [("x = 1\n", ""), ("print(2)\n", "2\n")]


@pytest.mark.parametrize(
    ("shown", "printed", "expected"),
    [
        ("AP 0.600\n", "AP 0.641", True),
        ("AP 0.600", "AP 0.670", False),
        ("loss -0.10", "loss 0.10", False),
        ("p = 0.00", "p = 0.01", True),
        ("stopped after 9", "stopped after 10", True),
        ("stopped after 50", "stopped after 60", False),
        ("1,500 rows", "1,600 rows", True),
        ("1,500 rows", "2,500 rows", False),
        ("1.0e-3", "1.2e-3", False),
        ("[0.1 0.2]", "[0.1  0.2\n]", True),
        ("[0.1 0.2]", "[0.1 0.2 0.3]", False),
        ("better", "worse", False),
        ("", "printed, not shown", False),
    ],
)
def test_words_must_be_equal_and_numbers_close(shown, printed, expected):
    assert same(shown, printed) is expected

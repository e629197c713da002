"""The built site in a real browser; ``make test-all`` builds it before."""

import functools
import http.server
import re
import runpy
import shutil
import threading
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

DOCS = Path(__file__).parents[1] / "docs"
SITE = DOCS.parent / "build/docs"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDER = """async () => {
    await window.MathJax?.startup?.promise;
    return [...document.querySelectorAll("html, .content")].some(e => e.scrollWidth > e.clientWidth);
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    """The site on this machine: its search needs a server."""
    if not (SITE / "index.html").exists():
        pytest.skip("build/docs is not there: run make docs")
    serve = functools.partial(Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    """Chromium of the system, or else Playwright's."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        if path is None and not Path(play.chromium.executable_path).exists():
            pytest.skip("no Chromium: install one, or run playwright install chromium")
        with play.chromium.launch(executable_path=path) as browser:
            yield browser


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_the_window_without_errors_and_without_the_network(browser, address, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    faults = []
    page.on("console", lambda m: m.type == "error" and faults.append((page.url, m.text)))
    page.on("pageerror", lambda error: faults.append((page.url, error)))
    page.on("request", lambda r: r.url.startswith((address, "data:")) or faults.append(r.url))
    for path in SITE.rglob("*.html"):
        page.goto(address + path.relative_to(SITE).as_posix())
        if page.evaluate(WIDER):
            faults.append((page.url, "wider than the window"))
    page.close()
    assert not faults


@pytest.mark.slow
def test_search_finds_a_page(browser, address):
    page = browser.new_page()
    page.goto(address)
    page.fill("input[name=q]", "FocalXGBClassifier")
    page.press("input[name=q]", "Enter")
    page.click("#search-results a[href*='api/focalboost.FocalXGBClassifier.html']")
    assert page.inner_text("h1").startswith("FocalXGBClassifier")
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_of_the_readme_shows_the_results(theme, tmp_path):
    figure = runpy.run_path(str(DOCS / "picture.py"))["draw"](theme)
    figure.savefig(tmp_path / "now.svg")
    plt.close(figure)
    # Matplotlib writes each text as a comment; the drawing depends on its version.
    now, then = (
        re.findall("<!-- (.*?) -->", path.read_text(encoding="utf-8"), re.DOTALL)
        for path in (tmp_path / "now.svg", DOCS / f"_static/gains-{theme}.svg")
    )
    assert now == then

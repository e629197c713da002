"""Sphinx configuration: pages, notebooks, figures made by the code beside them, the API from docstrings.

Warnings are errors (make docs).
"""

import base64
import importlib.metadata
import json
import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError

_here = Path(__file__).parent
project = "focalboost"
copyright = "the focalboost contributors"
version = release = importlib.metadata.version("focalboost")

extensions = [
    "myst_nb",
    "matplotlib.sphinxext.plot_directive",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",  # formulas without the network
    "sphinx_copybutton",
    "sphinx_design",
    "numpydoc",
]
templates_path = ["_templates"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

# One page per name of api.md, in docs/api. A class shows the methods that it documents, or these:
shutil.rmtree(_here / "api", ignore_errors=True)  # a name may have gone
_loss = "loss, gradient_hessian, gradient_curvature, posterior, intercept"
_classifier = "fit, predict_proba, predict, decision_function"
autosummary_context = {
    "shown": {
        "focalboost.BinaryFocalLoss": _loss,
        "focalboost.SoftmaxFocalLoss": _loss,
        "focalboost.FocalXGBClassifier": f"{_classifier}, load_model, loss_, class_prior_",
        "focalboost.FocalLGBMClassifier": f"{_classifier}, save_model, load_model, loss_, class_prior_",
        "focalboost.estimators.CostSensitiveClassifier": "fit, predict, predict_proba, score",
        "focalboost.dask.DaskFocalXGBClassifier": f"{_classifier}, to_local",
        "focalboost.dask.DaskFocalLGBMClassifier": f"{_classifier}, loss_by_iteration, to_local",
        "focalboost.spark.SparkFocalXGBClassifier": "setParams",
        "focalboost.datasets.FraudTable": "frame, split",
        "focalboost.datasets.CreditCardTable": "frame, split",
    },
    "signatures": {  # pyspark is mocked
        "focalboost.spark.SparkFocalXGBClassifier": (
            "(*, focal_gamma=2.0, focal_alpha=None, focal_curvature='guarded', **host)"
        ),
    },
}
autodoc_typehints = "none"  # numpydoc sections say more
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
exclude_patterns = ["_build"]
autodoc_mock_imports = ["pyspark", "xgboost.spark"]  # large, and not needed to read docstrings

# The notebooks are shown as they were run; they lie with the other examples.
nb_execution_mode = "off"
nb_merge_streams = True
shutil.rmtree(_here / "notebooks", ignore_errors=True)  # one may have been renamed
(_here / "notebooks").mkdir()
_cards = []
for notebook in sorted((_here.parent / "examples").glob("*.ipynb")):
    shutil.copy(notebook, _here / "notebooks")
    # A card for gallery.md: title, first picture and first words in bold, which are the verdict.
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    texts = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    data = [output.get("data", {}) for cell in cells for output in cell.get("outputs", ())]
    pictures = [each["image/png"] for each in data if "image/png" in each]
    _cards.append(f":::{{grid-item-card}} [](notebooks/{notebook.name})")
    if pictures:
        (_here / f"notebooks/{notebook.stem}.png").write_bytes(base64.b64decode(pictures[0]))
        _cards.append(f":img-top: notebooks/{notebook.stem}.png")
    verdict = re.search(r"\*\*(.+?)\*\*", texts, re.DOTALL)
    if verdict is None:
        raise ExtensionError(f"{notebook.name} has no verdict in bold")
    _cards += ["", verdict[1], ":::", ""]
(_here / "notebooks/cards.txt").write_text("\n".join(_cards), encoding="utf-8")

plot_formats = [("svg", 100)]
plot_html_show_formats = False
plot_html_show_source_link = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"focalboost {version}"
html_favicon = "_static/favicon.svg"
html_theme_options = {"navigation_with_keys": True}


def setup(app):
    """Keep intervals on one line; check the finished pages."""
    app.connect("doctree-read", keep_intervals_together)
    app.connect("build-finished", refuse_the_network)


def keep_intervals_together(_app, doctree):
    """Put no-break spaces into numbers like .963 [.906, .989] and .01 / .99 / .00."""
    for text in list(doctree.findall(nodes.Text)):
        if not isinstance(text.parent, nodes.literal_block):
            together = re.sub(
                r"\d \[[^\]]*\]|[\d.]+( / [−+\d.]+)+",
                lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"),
                text,
            )
            if together != text:
                text.parent.replace(text, nodes.Text(together))


def refuse_the_network(app, exception):
    """Raise if a page loads anything from elsewhere: it must work offline, and tell nobody."""
    for page in () if exception else Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(
            r'<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="(https?:[^"]+)"', text
        )
        if loaded:
            raise ExtensionError(f"{page.name} loads {loaded[0]}")

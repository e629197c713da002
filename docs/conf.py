"""Sphinx configuration: pages, notebooks, figures made by the code beside them, the API from docstrings.

Warnings are errors (make docs).
"""

import importlib.metadata
import re
import shutil
from pathlib import Path

from sphinx.errors import ExtensionError

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
    "sphinx-mathjax-offline",  # formulas without the network
    "sphinx_copybutton",
    "numpydoc",
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # numpydoc sections say more
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
exclude_patterns = ["_build"]
autodoc_mock_imports = ["pyspark", "xgboost.spark"]  # large, and not needed to read docstrings

# The notebooks are shown as they were run; they lie with the other examples.
nb_execution_mode = "off"
nb_merge_streams = True
_here = Path(__file__).parent
shutil.rmtree(_here / "notebooks", ignore_errors=True)  # one may have been renamed
(_here / "notebooks").mkdir()
for notebook in (_here.parent / "examples").glob("*.ipynb"):
    shutil.copy(notebook, _here / "notebooks")

plot_formats = [("svg", 100)]
plot_html_show_formats = False
plot_html_show_source_link = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["notebooks.css"]
html_title = f"focalboost {version}"
html_theme_options = {"navigation_with_keys": True}


def setup(app):
    """Check the finished pages."""
    app.connect("build-finished", refuse_the_network)


def refuse_the_network(app, exception):
    """Raise if a page loads anything from elsewhere: it must work offline, and tell nobody."""
    for page in () if exception else Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(
            r'<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="(https?:[^"]+)"', text
        )
        if loaded:
            raise ExtensionError(f"{page.name} loads {loaded[0]}")

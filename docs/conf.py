"""Sphinx configuration: Markdown pages, the API from the docstrings, warnings are errors (make docs)."""

import importlib.metadata

project = "focalboost"
copyright = "the focalboost contributors"
version = release = importlib.metadata.version("focalboost")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "numpydoc",
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # numpydoc sections say more
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"focalboost {version}"
html_theme_options = {"navigation_with_keys": True}

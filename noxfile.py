"""The suite with other versions of Python and of the libraries: make test-matrix.

``nox -l`` lists the sessions, ``nox -s newest-3.13 -- -k onnx`` runs one with arguments for pytest. A
Python that is not installed is skipped, and nox says so.
"""

import re
import tomllib
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False

PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))


def oldest_allowed():
    """Return the oldest versions that pyproject.toml allows, of what the package computes with."""
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    named = ("xgboost", "lightgbm", "sklearn", "onnx", "plot")
    asked = [*project["dependencies"], *groups["examples"]]
    for extra in named:
        asked += project["optional-dependencies"][extra]
    bounds = dict(re.findall(r"^([\w-]+)>=([\d.]+)", "\n".join(asked), re.MULTILINE))
    return [f"{name}=={version}.*" for name, version in bounds.items()]


def suite(session, *pins):
    """Install the package with its tests, and run them."""
    session.install("--upgrade", "pip>=25.1")
    session.install("--editable", ".[all]", "--group", "test", *pins)
    session.run("python", "-m", "pip", "check")
    session.run("python", "-c", "import focalboost; focalboost.show_versions()")
    session.run("python", "-m", "pytest", "-n", "auto", "-q", "-m", "not slow", *session.posargs)


@nox.session(default=False)
def mutation(session):
    """Run benchmarks/mutation.py, which needs the package beside a copy that it changes."""
    session.install("--upgrade", "pip>=25.1")
    session.install(".[all]", "--group", "test", "cosmic-ray>=8.4")
    session.run("python", "benchmarks/mutation.py", *session.posargs)


@nox.session(python="3.11")
def oldest(session):
    """Run with the oldest versions allowed."""
    suite(session, *oldest_allowed())


@nox.session(python="3.12")
@nox.parametrize("xgboost", ["3.1.3", "3.2.0"])
def between(session, xgboost):
    """Run XGBoost between the oldest and the newest, with LightGBM and pandas of that time.

    XGBoost 3.1 and LightGBM 4.6 themselves do not read the frames of pandas 3.
    """
    suite(session, f"xgboost=={xgboost}", "lightgbm==4.6.0", "pandas<3", "scikit-learn<1.8")


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def newest(session):
    """Run with the newest versions that this Python gets."""
    suite(session)

"""The package as a whole: what its import loads, and that its formulas run on any array library."""

import platform
import re
import tomllib

import numpy as np
import pytest
from numpy.testing import assert_allclose

import focalboost
from focalboost import _kernel
from tests.oracles import CURVATURES, LOSSES, labels_and_margins
from tests.processes import ROOT, imported_by, run_python

HEAVY = ("scipy.optimize", "xgboost", "lightgbm", "sklearn", "cupy", "matplotlib", "pandas")


def test_import_loads_no_host():
    assert imported_by("import focalboost", HEAVY) == set()


def test_a_loaded_module_is_reported():
    assert imported_by("import scipy.optimize", HEAVY) == {"scipy.optimize"}


def test_public_names():
    public = {"BinaryFocalLoss", "SoftmaxFocalLoss", "balanced_alpha", "shift_prior"}
    assert public <= set(focalboost.__all__)
    assert [name for name in focalboost.__all__ if not getattr(focalboost, name).__doc__] == []


def test_dir_shows_the_public_names_and_modules():
    modules = {"compare", "datasets", "decisions", "estimators", "lightgbm", "metrics", "xgboost"}
    assert modules | set(focalboost.__all__) | {"__version__"} <= set(dir(focalboost))
    assert [name for name in dir(focalboost) if name.startswith("_")] == ["__version__"]
    code = "import focalboost; print(*(getattr(focalboost, name) for name in dir(focalboost)))"
    assert "<module 'focalboost.decisions'" in run_python("-c", code)


@pytest.mark.parametrize("name", ["compare", "dask", "estimators"])
def test_dir_of_a_package_shows_what_it_has(name):
    module = pytest.importorskip(f"focalboost.{name}")
    assert dir(module) == sorted(module.__all__)


def test_dir_shows_no_module_that_cannot_be_imported(monkeypatch):
    monkeypatch.setattr(focalboost, "_installed", lambda name: name != "matplotlib")
    assert "plotting" not in dir(focalboost)
    assert "decisions" in dir(focalboost)


@pytest.mark.parametrize("name", ["datasets", "decisions", "metrics"])
def test_a_module_is_imported_when_asked_for(name):
    code = f"import focalboost; focalboost.{name}"
    assert imported_by(code, [f"focalboost.{name}", *HEAVY]) == {f"focalboost.{name}"}


def test_imports_point_down():
    """The layers are in pyproject.toml; modules that are not listed there fail too."""
    linter = pytest.importorskip("importlinter.cli")
    config = str(ROOT / "pyproject.toml")
    assert linter.lint_imports(config_filename=config, no_cache=True) == linter.EXIT_STATUS_SUCCESS


def test_every_file_says_the_same_version():
    """RELEASING.md: changelog, project, citation and recipe; dates where they have one."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, date = re.search(
        r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$", changelog, re.MULTILINE
    ).groups()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    recipe = (ROOT / "recipe/recipe.yaml").read_text(encoding="utf-8")
    assert project["version"] == version
    assert f"\nversion: {version}\n" in citation
    assert f'\ndate-released: "{date}"\n' in citation
    assert f'\n  version: "{version}"\n' in recipe
    for name, bound in re.findall(
        r"^([a-z-]+)(>=[\d.]+)", "\n".join(project["dependencies"]), re.MULTILINE
    ):
        assert f"- {name} {bound}\n" in recipe
    assert f"- python {project['requires-python']}\n" in recipe
    assert re.match(r"\d+\.\d+\.\d+", focalboost.__version__)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_formulas_run_on_any_array_namespace(loss, monkeypatch):
    """array-api-strict has the functions of the standard and no others; CuPy has them too."""
    monkeypatch.setenv("FOCALBOOST_KERNEL", "numpy")  # the same formulas on both sides
    xp = pytest.importorskip("array_api_strict")
    y, z = labels_and_margins(loss)
    w = 1.0 + np.arange(len(y)) % 3
    labels, margins, weights = xp.asarray(y), xp.asarray(z), xp.asarray(w)
    pairs = [
        (loss.loss(labels, margins, weights), loss.loss(y, z, w)),
        (loss.posterior(margins), loss.posterior(z)),
        *zip(
            loss.gradient_hessian(labels, margins, weights),
            loss.gradient_hessian(y, z, w),
            strict=True,
        ),
    ]
    for curvature in CURVATURES:
        strict = loss.gradient_curvature(labels, margins, weights, curvature)
        pairs += zip(strict, loss.gradient_curvature(y, z, w, curvature), strict=True)
    for strict, plain in pairs:
        assert type(strict) is type(margins)
        assert_allclose(np.asarray(strict), plain, rtol=1e-14)


def test_show_versions_prints_all_that_matters(capsys):
    focalboost.show_versions()
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    printed = dict(lines)
    packages = ["numpy", "scipy", "xgboost", "lightgbm", "scikit-learn", "cupy"]
    assert [name for name, _ in lines] == [
        *("focalboost", "python", "machine"), *packages, *("kernel", "threads")
    ]  # fmt: skip
    assert printed["python"] == platform.python_version()
    assert printed["numpy"] == np.__version__
    available = ", ".join(_kernel.available()) or "not installed: formulas in NumPy"
    assert printed["kernel"] == f"{_kernel.chosen()} (available: {available})"
    assert printed["threads"] == str(_kernel.threads())

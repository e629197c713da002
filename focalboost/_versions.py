"""show_versions: what to paste into a bug report."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from focalboost import _kernel

_PACKAGES = ("focalboost", "numpy", "scipy", "xgboost", "lightgbm", "scikit-learn", "cupy")


def show_versions() -> None:
    """Print the versions that matter, and which path computes the derivatives.

    ``kernel`` is the instruction set in use, or ``numpy`` where there is no compiled kernel or the
    environment variable FOCALBOOST_KERNEL says so. Nothing is imported that was not.

    Examples
    --------
    >>> show_versions()  # doctest: +ELLIPSIS
    focalboost    ...
    kernel        ...
    """
    there = ", ".join(_kernel.available()) or "not installed: formulas in NumPy"
    lines = {
        "python": sys.version.split()[0],
        "machine": f"{platform.system()} {platform.machine()}",
    }
    for name in _PACKAGES:
        try:
            lines[name] = version(name)
        except PackageNotFoundError:
            lines[name] = "not installed"
    lines["kernel"] = f"{_kernel.chosen()} (available: {there})"
    lines["threads"] = str(_kernel.threads())
    order = ["focalboost", *(name for name in lines if name != "focalboost")]
    for name in order:
        print(f"{name:<13} {lines[name]}")

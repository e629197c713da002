"""Focal loss for gradient boosting: analytic derivatives for XGBoost and LightGBM.

Importing this package imports neither host; ``focalboost.xgboost`` and ``focalboost.lightgbm`` do. The
modules are imported when first asked for.
"""

import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from focalboost._frequencies import balanced_alpha, estimate_prior, shift_prior
from focalboost._versions import show_versions
from focalboost.losses import BinaryFocalLoss, SoftmaxFocalLoss

if TYPE_CHECKING:
    from focalboost import compare as compare
    from focalboost import dask as dask
    from focalboost import datasets as datasets
    from focalboost import decisions as decisions
    from focalboost import estimators as estimators
    from focalboost import lightgbm as lightgbm
    from focalboost import metrics as metrics
    from focalboost import onnx as onnx
    from focalboost import plotting as plotting
    from focalboost import spark as spark
    from focalboost import xgboost as xgboost
    from focalboost.estimators import FocalLGBMClassifier as FocalLGBMClassifier
    from focalboost.estimators import FocalXGBClassifier as FocalXGBClassifier

__version__ = version("focalboost")

_HOSTS = {"FocalLGBMClassifier": "lightgbm", "FocalXGBClassifier": "xgboost"}

# The public modules, and what each needs besides NumPy.
_MODULES = {
    "compare": "skrub",
    "dask": "distributed",
    "datasets": None,
    "decisions": None,
    "estimators": "sklearn",
    "lightgbm": "lightgbm",
    "metrics": None,
    "onnx": "onnx",
    "plotting": "matplotlib",
    "spark": "pyspark",
    "xgboost": "xgboost",
}

__all__ = [
    "BinaryFocalLoss",
    "SoftmaxFocalLoss",
    "balanced_alpha",
    "estimate_prior",
    "shift_prior",
    "show_versions",
]


def _installed(name: str) -> bool:
    # A module that is loaded need not have what find_spec looks for.
    return bool(sys.modules.get(name) or find_spec(name))


# The estimators of hosts that are installed, so that "import *" works with one of them.
__all__ += [name for name, host in _HOSTS.items() if _installed(host)]


def __dir__() -> list[str]:
    modules = [name for name, needed in _MODULES.items() if not needed or _installed(needed)]
    return sorted([*__all__, *modules, "__version__"])


def __getattr__(name: str) -> Any:
    # The estimators need their host, which importing this package must not.
    if name in _HOSTS:
        return getattr(import_module("focalboost.estimators"), name)
    if name in _MODULES:
        return import_module(f"focalboost.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

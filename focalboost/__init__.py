"""Focal loss for gradient boosting: analytic derivatives for XGBoost and LightGBM.

Importing this package imports neither host; ``focalboost.xgboost`` and ``focalboost.lightgbm`` do.
"""

from importlib.metadata import version as _version
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from focalboost._frequencies import balanced_alpha, shift_prior
from focalboost._versions import show_versions
from focalboost.losses import BinaryFocalLoss, SoftmaxFocalLoss

if _TYPE_CHECKING:
    from focalboost.estimators import FocalLGBMClassifier, FocalXGBClassifier

__version__ = _version("focalboost")

__all__ = [
    "BinaryFocalLoss",
    "FocalLGBMClassifier",
    "FocalXGBClassifier",
    "SoftmaxFocalLoss",
    "balanced_alpha",
    "shift_prior",
    "show_versions",
]


def __getattr__(name: str) -> _Any:
    # The estimators need their host, which importing this package must not.
    if name in ("FocalLGBMClassifier", "FocalXGBClassifier"):
        from focalboost import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

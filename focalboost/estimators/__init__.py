"""scikit-learn estimators: subclasses of XGBClassifier and LGBMClassifier that train the focal loss.

CostSensitiveClassifier decides by what actions cost, with any classifier; select_gamma chooses gamma.
Each is imported when first asked for, so that one host is enough.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focalboost.estimators._costs import CostSensitiveClassifier
    from focalboost.estimators._gamma import select_gamma
    from focalboost.estimators._lightgbm import FocalLGBMClassifier
    from focalboost.estimators._xgboost import FocalXGBClassifier

__all__ = ["CostSensitiveClassifier", "FocalLGBMClassifier", "FocalXGBClassifier", "select_gamma"]


_PLACES = {
    "CostSensitiveClassifier": "_costs",
    "FocalLGBMClassifier": "_lightgbm",
    "FocalXGBClassifier": "_xgboost",
    "select_gamma": "_gamma",
}


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The focal loss on Dask: XGBoost and LightGBM with the workers and collections of a Dask cluster.

XGBoost: ``train`` and ``predict_proba``, as in ``xgboost.dask``, or ``DaskFocalXGBClassifier``.
LightGBM: ``DaskFocalLGBMClassifier``. The libraries do the distributed training. Added here is what
depends on all rows: classes and their frequencies, counted where the rows are, and the starting value,
the metrics and the saved model that follow from them.

Install with ``pip install "focalboost[dask,lightgbm,sklearn]"``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focalboost.dask._lightgbm import DaskFocalLGBMClassifier
    from focalboost.dask._xgboost import DaskFocalXGBClassifier, predict_proba, train

__all__ = ["DaskFocalLGBMClassifier", "DaskFocalXGBClassifier", "predict_proba", "train"]


def __getattr__(name: str) -> Any:
    """Import one library only, the one that is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = "_lightgbm" if name == "DaskFocalLGBMClassifier" else "_xgboost"
    return getattr(import_module(f"{__name__}.{place}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""Focal loss for gradient boosting: analytic derivatives for XGBoost and LightGBM.

Importing this package imports neither host; ``focalboost.xgboost`` and ``focalboost.lightgbm`` do.
"""

from importlib.metadata import version as _version

from focalboost._versions import show_versions
from focalboost.losses import BinaryFocalLoss, SoftmaxFocalLoss
from focalboost.posterior import shift_prior
from focalboost.weights import balanced_alpha

__version__ = _version("focalboost")

__all__ = [
    "BinaryFocalLoss",
    "SoftmaxFocalLoss",
    "balanced_alpha",
    "shift_prior",
    "show_versions",
]

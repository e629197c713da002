"""Focal loss for gradient boosting: analytic derivatives for XGBoost and LightGBM.

Importing this package imports neither host; ``focalboost.xgboost`` and ``focalboost.lightgbm`` do.
"""

import sys as _sys
from importlib.metadata import version as _version
from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from focalboost._frequencies import balanced_alpha, estimate_prior, shift_prior
from focalboost._versions import show_versions
from focalboost.losses import BinaryFocalLoss, SoftmaxFocalLoss

if _TYPE_CHECKING:
    from focalboost.estimators import FocalLGBMClassifier as FocalLGBMClassifier
    from focalboost.estimators import FocalXGBClassifier as FocalXGBClassifier

__version__ = _version("focalboost")

_HOSTS = {"FocalLGBMClassifier": "lightgbm", "FocalXGBClassifier": "xgboost"}

__all__ = [
    "BinaryFocalLoss",
    "SoftmaxFocalLoss",
    "balanced_alpha",
    "estimate_prior",
    "shift_prior",
    "show_versions",
]
# The estimators of hosts that are installed, so that "import *" works with one of them. A module that is
# loaded need not have what find_spec looks for.
__all__ += [name for name, host in _HOSTS.items() if _sys.modules.get(host) or _find_spec(host)]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> _Any:
    # The estimators need their host, which importing this package must not.
    if name in _HOSTS:
        from focalboost import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

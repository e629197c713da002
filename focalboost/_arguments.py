"""The one place that knows in which order the hosts pass their arguments to a callable.

xgboost.train and lightgbm.train call ``f(margin, data)``; XGBClassifier and LGBMClassifier call
``f(y, margin)`` or ``f(y, margin, sample_weight)``. A callable that wants to serve all four must take
exactly ``(a, b, sample_weight=None)``: LightGBM counts parameters, XGBoost passes the third by name.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Arguments(NamedTuple):
    """Labels, margins and weights (None: equal), and whether they came with a data container."""

    y: NDArray[Any]
    margin: NDArray[Any]
    sample_weight: NDArray[Any] | None
    native: bool


def read(a: Any, b: Any, sample_weight: Any = None) -> Arguments:
    """Tell the call orders apart by the data container that only the native one has."""
    if not hasattr(b, "get_label"):
        return Arguments(a, b, sample_weight, native=False)
    if sample_weight is not None:
        raise TypeError("sample_weight must not be given next to a data container with its own")
    weight = b.get_weight()
    empty = weight is None or np.size(weight) == 0
    label = b.get_label()
    if label is None or (np.size(label) == 0 and np.size(a) > 0):
        raise ValueError("labels must be set on the data, got a data container without labels")
    return Arguments(np.asarray(label), a, None if empty else np.asarray(weight), native=True)


def combine(own: Any, users: Any) -> list[Any]:
    """Return a list of metrics with our own last; hosts let the last one drive early stopping."""
    if users is None:
        return [own]
    return [*(users if isinstance(users, (list, tuple)) else [users]), own]

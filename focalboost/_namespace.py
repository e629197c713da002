"""Which array library computes: NumPy unless the array brings its own (CuPy, array-api-strict)."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
"""An array of any namespace that follows the Python array API standard."""


def namespace(array: Array) -> Any:
    """Return the array-API namespace of ``array``."""
    find = getattr(array, "__array_namespace__", None)
    return np if find is None else find()

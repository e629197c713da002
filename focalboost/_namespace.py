"""Which array library computes: NumPy unless the array brings its own (CuPy, array-api-strict)."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = Any
"""An array of any namespace that follows the Python array API standard."""


def _brings(array: Any) -> Any | None:
    """Return the namespace that ``array`` brings, or None for whatever NumPy must make an array of."""
    find = getattr(array, "__array_namespace__", None)
    if find is not None:
        return find()
    # CuPy's functions follow the standard, but its arrays do not say so.
    cupy = sys.modules.get("cupy")
    return cupy if cupy is not None and isinstance(array, cupy.ndarray) else None


def namespace(array: Array) -> Any:
    """Return the array-API namespace of ``array``."""
    found = _brings(array)
    return np if found is None else found


def as_array(values: Any) -> Array:
    """Return ``values`` unchanged if they are an array of some namespace, else as a NumPy array."""
    return np.asarray(values) if _brings(values) is None else values


def to_numpy(array: Array) -> NDArray[Any]:
    """Return the array in the host's memory; cuDF's series too."""
    if hasattr(array, "__cuda_array_interface__"):
        import cupy

        return np.asarray(cupy.asarray(array).get())
    return np.asarray(array)

"""Checks of labels, margins, weights, probabilities, plain numbers and named options.

An error names the argument, says what was given and what is allowed. Checks raise ValueError (TypeError
where the kind of object is wrong) and return the input in the form that formulas expect. Checks of a
library's parameters and containers stand in the module that knows the library.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost._namespace import Array, as_array, namespace, to_numpy

FloatArray = NDArray[np.floating]


def _first(bad: Array) -> str:
    """Say where the first offence is: 'row 17', or 'row 17, column 2'."""
    place = np.argwhere(to_numpy(bad))[0].tolist()
    if not place:
        return "the only entry"
    return f"row {place[0]}" + (f", column {place[1]}" if len(place) > 1 else "")


def _as_array(name: str, values: ArrayLike) -> Array:
    """Return ``values`` unchanged if they are an array of real numbers, else as a NumPy array."""
    array = as_array(values)
    xp = namespace(array)
    if not xp.isdtype(array.dtype, ("bool", "real floating", "integral")):
        raise ValueError(
            f"{name} must be real numbers, got dtype {array.dtype}"
            + ("; encode string classes as 0, 1, ... first" if name == "labels" else "")
        )
    return array


def margin(values: ArrayLike, n_classes: int | None = None) -> Array:
    """Check margins: finite and floating; ``n_classes`` columns on the last axis if that is given."""
    z = _as_array("margin", values)
    xp = namespace(z)
    if not xp.isdtype(z.dtype, "real floating"):
        z = xp.astype(z, xp.float64)
    elif xp.finfo(z.dtype).bits < 32:
        z = xp.astype(z, xp.float32)  # half precision cannot hold the tails
    if n_classes is not None:
        columns(z.shape, n_classes)
    finite = xp.isfinite(z)
    if not bool(xp.all(finite)):
        raise ValueError(f"margin must be finite, got NaN or infinity at {_first(~finite)}")
    return z


def columns(shape: tuple[int, ...], n_classes: int, *, matrix: bool = False) -> None:
    """Check that margins have one column per class; with ``matrix`` that they are (n, K)."""
    if len(shape) == 0 or shape[-1] != n_classes or (matrix and len(shape) != 2):
        raise ValueError(
            f"margin must have shape (n, {n_classes}), one column per class, got {tuple(shape)}; "
            f"in LightGBM and XGBoost set num_class={n_classes}"
        )


def labels(y: ArrayLike, n_labels: int, shape: tuple[int, ...] | None = None) -> Array:
    """Check labels 0 .. n_labels - 1 of any real dtype or bool, of ``shape`` if that is given."""
    array = _as_array("labels", y)
    xp = namespace(array)
    if not xp.isdtype(array.dtype, "bool"):
        bad = (array < 0) | (array >= n_labels)
        if xp.isdtype(array.dtype, "real floating"):
            bad = bad | (array != xp.floor(array))  # NaN differs from itself
        if bool(xp.any(bad)):
            allowed = "0 or 1" if n_labels == 2 else f"whole numbers in 0 .. {n_labels - 1}"
            value = to_numpy(array)[tuple(np.argwhere(to_numpy(bad))[0])]
            raise ValueError(f"labels must be {allowed}, got {value} at {_first(bad)}")
    _same_shape("labels", array.shape, shape)
    return array


def vector(name: str, array: Array) -> Array:
    """Check that an array has one axis."""
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape (n,), got {tuple(array.shape)}")
    return array


def _same_shape(name: str, given: tuple[int, ...], allowed: tuple[int, ...] | None) -> None:
    if allowed is not None and tuple(given) != tuple(allowed):
        raise ValueError(f"{name} must have shape {tuple(allowed)}, got {tuple(given)}")


def sample_weight(values: ArrayLike | None, n: int, like: Array) -> Array | None:
    """Check weights (n,): finite, non-negative, not all zero; None stays None.

    They are returned in the margin's namespace and dtype.
    """
    if values is None:
        return None
    w = _as_array("sample_weight", values)
    _same_shape("sample_weight", w.shape, (n,))
    xp = namespace(like)
    w = xp.astype(xp.asarray(to_numpy(w) if xp is np else w), like.dtype)
    bad = ~(xp.isfinite(w) & (w >= 0))
    if bool(xp.any(bad)):
        value = to_numpy(w)[to_numpy(bad)][0]
        raise ValueError(f"sample_weight must be finite and >= 0, got {value} at {_first(bad)}")
    if n and not bool(xp.any(w > 0)):
        raise ValueError("sample_weight must not be all zero, got no positive weight")
    return w


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number or fraction beyond the largest float
        return math.inf if value > 0 else -math.inf


def _numbers(name: str, value: Any, length: int, allowed: str) -> tuple[float, ...] | float:
    """Return a float, or a tuple of ``length`` floats; hashable, whatever sequence was given."""
    if _is_real(value):
        return _as_float(value)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return _numbers(name, value.item(), length, allowed)
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes)):
        if len(value) == length and all(map(_is_real, value)):
            return tuple(_as_float(v) for v in value)
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    raise TypeError(f"{name} must be {allowed}, got {value!r}")


def gamma(value: Any, n_classes: int, several: str) -> float | tuple[float, ...]:
    """Check gamma: a finite float >= 0, or one per class."""
    allowed = f"a finite number >= 0 or {several}"
    checked = _numbers("gamma", value, n_classes, allowed)
    for g in checked if isinstance(checked, tuple) else (checked,):
        if not (math.isfinite(g) and g >= 0):
            raise ValueError(f"gamma must be {allowed}, got {value!r}")
    return checked


def alpha(value: Any, n_classes: int, *, scalar: bool) -> float | tuple[float, ...] | None:
    """Check alpha: None, one positive weight per class, or (binary) a float in (0, 1)."""
    if value is None:
        return None
    allowed = (
        "None, a number in (0, 1), or a pair of positive class weights (negatives, positives)"
        if scalar
        else f"None or {n_classes} positive class weights"
    )
    checked = _numbers("alpha", value, n_classes, allowed)
    if isinstance(checked, float):
        if not scalar or not 0 < checked < 1:
            raise ValueError(f"alpha must be {allowed}, got {value!r}")
    elif not all(math.isfinite(a) and a > 0 for a in checked):
        raise ValueError(f"alpha must be {allowed}, got {value!r}")
    return checked


def integer(name: str, value: Any, least: int, also: str = "") -> int:
    """Check an integer of at least ``least``; ``also`` names what else the caller allows."""
    message = f"{name} must be an integer >= {least}{also}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(message)
    if value < least:
        raise ValueError(message)
    return int(value)


def one_of(name: str, value: Any, allowed: Sequence[str]) -> None:
    """Check that a named option exists."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def posterior(values: ArrayLike) -> FloatArray:
    """Check probabilities in [0, 1], floating."""
    eta = to_numpy(_as_array("posterior", values))
    if not np.issubdtype(eta.dtype, np.floating):
        eta = eta.astype(np.float64)
    bad = ~((eta >= 0) & (eta <= 1))
    if bad.any():
        raise ValueError(f"posterior must be in [0, 1], got {eta[bad].flat[0]} at {_first(bad)}")
    return eta


def frequencies(name: str, value: ArrayLike, eta: FloatArray) -> NDArray[np.float64]:
    """Check class frequencies that go with posteriors ``eta``: a number for (n,), (K,) for (n, K)."""
    share = np.asarray(_as_array(name, value), dtype=np.float64)
    if share.ndim > 1 or (share.ndim == 1 and eta.shape[-1:] != share.shape):
        raise ValueError(
            f"{name} must be a number, or one frequency per column of posterior {eta.shape}, got shape "
            f"{share.shape}"
        )
    if not ((share > 0) & (share < 1)).all():
        raise ValueError(f"{name} must be class frequencies in (0, 1), got {share}")
    if share.ndim == 1 and abs(share.sum() - 1) > 1e-6:
        raise ValueError(f"{name} must sum to 1 over the classes, got {share.sum():g}")
    if share.ndim == 0 and eta.ndim > 1:
        raise ValueError(
            f"{name} must give one frequency per column of posterior {eta.shape}, got one number"
        )
    return share


def device(value: Any) -> int | None:
    """Check where gradients are computed; return the number of the CUDA device, None for the CPU.

    "cuda" is device 0, as in XGBoost.
    """
    found = re.fullmatch(r"cpu|cuda(?::(\d+))?", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"device must be 'cpu', 'cuda' or 'cuda:<number>', got {value!r}")
    if value == "cpu":
        return None
    return int(found[1] or 0)


def n_threads(value: Any) -> int | None:
    """Check a number of threads; None leaves the choice to the process."""
    return None if value is None else integer("n_threads", value, 1, " or None")

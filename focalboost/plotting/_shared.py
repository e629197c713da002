"""What the Displays share: predictions checked and named, colours, panels and legends."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import _validation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

# Okabe and Ito's palette, which colour-blind readers can tell apart. Its yellow is left out: too pale
# for a line on white. With seven colours and eight markers the first 56 curves all look different.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
REFERENCE: dict[str, Any] = {"color": "0.4", "linewidth": 1.0}  # reference lines
LEGEND: dict[str, Any] = {"fontsize": "small", "framealpha": 0.8}

CALIBRATED = "perfect calibration"
NO_POSITIVE = "no positive in bin: 95 % limit"
NO_SKILL = "no skill"
LOG_LOSS = r"$\gamma$ = 0 (log loss)"
BEST = "best: round"
_REFERENCES = (CALIBRATED, NO_POSITIVE, NO_SKILL, LOG_LOSS, BEST)


def load(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{module} is needed for plotting: pip install "focalboost[plot]"'
        ) from error


def place_of_first(bad: NDArray[np.bool_]) -> str:
    """Return the place of the first True: "row 17", or "row 17, column 2"."""
    place = np.argwhere(np.atleast_1d(bad))[0]
    return ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), place, strict=False))


def checked(name: str, values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be real numbers, got dtype {array.dtype}")
    finite = np.isfinite(array)
    if not finite.all():
        raise ValueError(f"{name} must be finite, got NaN or infinity at {place_of_first(~finite)}")
    return array


def checked_probabilities(values: ArrayLike) -> Floats:
    return _validation.posterior(values).astype(np.float64)


def checked_scores(values: ArrayLike) -> NDArray[Any]:
    return checked("scores", values)


def checked_vector(name: str, values: ArrayLike) -> Floats:
    array = checked(name, values)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} must have shape (n,) with n >= 1, got {array.shape}")
    return array.astype(np.float64)


def checked_gammas(values: ArrayLike) -> Floats:
    gammas = checked_vector("gammas", values)
    if (gammas < 0).any():
        raise ValueError(f"gammas must be >= 0, got {gammas.min():g}")
    return gammas


def checked_labels(
    y_true: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[NDArray[np.int64], Floats]:
    """Return labels (n,) and weights (n,), n >= 1."""
    y = np.asarray(_validation.labels(y_true, 2))
    if y.ndim != 1 or not y.size:
        raise ValueError(f"labels must have shape (n,) with n >= 1, got {y.shape}")
    w = _validation.sample_weight(sample_weight, len(y), np.empty(0, np.float64))
    return y.astype(np.int64), np.ones(len(y)) if w is None else np.asarray(w)


def by_name(
    values: Any, name: str | None, check: Callable[[ArrayLike], NDArray[Any]], n: int
) -> dict[str, NDArray[Any]]:
    """Return one or several arrays of predictions as a dict, each checked."""
    if isinstance(values, Mapping):
        if name is not None:
            raise ValueError(
                f"name must be None if predictions are a dict with names, got {name!r}"
            )
        if not values:
            raise ValueError("predictions must be at least one array, got an empty dict")
    else:
        values = {name or "model": values}
    checked = {}
    for label, given in values.items():
        try:
            array = check(given)
        except ValueError as error:
            raise ValueError(f"predictions of {label!r}: {error}") from error
        if array.shape != (n,):
            raise ValueError(
                f"predictions of {label!r} must have shape ({n},), one for each label, got {array.shape}"
            )
        checked[str(label)] = array
    return checked


def innermost(estimator: Any) -> Any:
    """Return the classifier inside a search or pipeline, or the estimator itself."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            return estimator


def of_second_class(estimator: Any, y: ArrayLike) -> NDArray[np.bool_]:
    """Return which labels are the second class of a fitted classifier."""
    classes = np.asarray(estimator.classes_)
    if classes.shape != (2,):
        raise ValueError(f"estimator must have two classes, got {classes.tolist()}")
    labels = np.asarray(y)
    positive = np.asarray(labels == classes[1])
    unknown = ~(positive | (labels == classes[0]))
    if unknown.any():
        raise ValueError(
            f"labels must be among the estimator's classes {classes.tolist()}, got "
            f"{labels[unknown].tolist()[0]!r} at {place_of_first(unknown)}"
        )
    return positive


def panels(axes: Any, n: int, size: tuple[float, float]) -> NDArray[Any]:
    """Return n axes: the given ones, or those of a new figure."""
    if axes is None:
        plt = load("matplotlib.pyplot")
        axes = plt.subplots(1, n, figsize=size, layout="constrained")[1]
    given = np.ravel(np.array(axes, dtype=object))
    if len(given) != n or not all(hasattr(panel, "plot") for panel in given):
        raise ValueError(f"axes must be {n} matplotlib Axes, got {axes!r}")
    return given


def style_of(i: int) -> dict[str, Any]:
    color, marker = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]
    return {"color": color, "marker": marker, "markersize": 4.5, "linewidth": 1.5}


def legend_labels(ax: Axes) -> list[str]:
    return list(ax.get_legend_handles_labels()[1])


def n_curves(ax: Axes) -> int:
    """Return how many curves the axes already show; reference lines do not count."""
    return sum(not label.startswith(_REFERENCES) for label in legend_labels(ax))


def line_styles(ax: Any, solid: str, dashed: str, *, loc: str) -> None:
    """Add a legend that explains solid and dashed lines."""
    lines = load("matplotlib.lines")
    handles = [
        lines.Line2D([], [], color="0.2", linestyle=style, label=label)
        for style, label in (("-", solid), ("--", dashed))
    ]
    ax.legend(handles=handles, loc=loc, **LEGEND)

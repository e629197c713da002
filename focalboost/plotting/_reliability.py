"""Share of positives against predicted probability, as a Display."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import _validation
from focalboost.plotting._shared import (
    CALIBRATED,
    LEGEND,
    NO_POSITIVE,
    REFERENCE,
    Floats,
    by_name,
    checked_labels,
    checked_probabilities,
    innermost,
    legend_labels,
    n_curves,
    of_second_class,
    panels,
    style_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_RARE_BELOW = 0.1  # reliability is drawn on logarithmic axes if the base rate is lower
_STRATEGIES = ("quantile", "uniform", "positives")
# A normal variable is within this many standard deviations of its mean with probability 95 %.
_NORMAL_95 = 1.959963984540054


class ReliabilityCurve(NamedTuple):
    """Reliability of one set of predictions.

    The arrays have one entry for each bin that has rows, in ascending order of the predictions.
    """

    predicted: Floats
    """Mean prediction of the bin."""
    observed: Floats
    """Share of positives in the bin."""
    lower: Floats
    """Lower end of the 95 % Wilson interval of ``observed``."""
    upper: Floats
    """Upper end of that interval."""
    weight: Floats
    """Number of rows, or the sum of their sample weights."""
    brier: float
    """Mean squared error of all predictions."""


@dataclass(eq=False)
class ReliabilityDisplay:
    r"""Share of positives against predicted probability, in bins of the predictions.

    Create it with ``from_predictions`` or ``from_estimator``. All parameters are kept as attributes.

    Parameters
    ----------
    curves : dict of str to ReliabilityCurve
        Each curve has ``predicted``, ``observed``, ``lower``, ``upper`` and ``weight`` (arrays, one
        entry for each bin that has rows) and ``brier`` (float).
    base_rate : float
        Share of positives among all rows.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Notes
    -----
    The bars are 95 % Wilson intervals of a binomial share. With sample weights, Kish's effective number
    of rows, :math:`(\sum w)^2 / \sum w^2`, replaces the number of rows. The intervals assume
    independent rows; they are too short if rows depend on each other (several frauds on one card).

    Logarithmic axes cannot show a share of 0. For a bin without positives they show an arrow that points
    down from the upper end of the interval. They leave out a bin whose predictions are all 0.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> y, p = [0, 0, 0, 1, 0, 1, 1, 1], [0.1, 0.1, 0.2, 0.2, 0.7, 0.7, 0.8, 0.8]
    >>> display = ReliabilityDisplay.from_predictions(y, p, n_bins=2, ax=Figure().subplots())
    >>> display.curves["model"].observed
    array([0.25, 0.75])
    """

    curves: dict[str, ReliabilityCurve]
    base_rate: float
    lines_: dict[str, Any] = field(init=False, repr=False)
    ax_: Axes = field(init=False, repr=False)
    figure_: Figure | SubFigure = field(init=False, repr=False)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        probability: ArrayLike | Mapping[str, ArrayLike],
        *,
        n_bins: int = 10,
        strategy: str = "quantile",
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        scale: str = "auto",
        ax: Axes | None = None,
    ) -> Self:
        """Compute and draw the reliability of predicted probabilities.

        Parameters
        ----------
        y_true : array of shape (n,)
            Labels 0 or 1.
        probability : array of shape (n,), or dict of str to such arrays
            Predicted P(y=1), in [0, 1].
        n_bins : int >= 1
            Number of bins; bins without rows are not shown.
        strategy : {"quantile", "uniform", "positives"}
            "quantile": the same number of rows in each bin. "uniform": bins of the same width.
            "positives": the same number of positives in each bin. Use "positives" if positives are
            rare: "quantile" then puts nearly all of them into the last bin. The edges of "positives"
            depend on the labels; this changes the share of a bin by about one row.
        sample_weight : array of shape (n,), optional
            Non-negative. The weights enter the means and the shares, but not the edges of the bins. Rows
            of weight 0 are ignored. None: every weight is 1.
        name : str, optional
            Name of a single array in the legend. None: "model".
        scale : {"auto", "linear", "log"}
            Scale of both axes. "auto": logarithmic if fewer than 10 % of the rows are positive.
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        ValueError
            For labels other than 0 and 1, predictions outside [0, 1], NaN, unequal lengths, no rows,
            ``n_bins`` below 1, unknown options, and labels without a 1 if ``strategy="positives"``.
        TypeError
            If ``n_bins`` is not an integer.
        ImportError
            If matplotlib is not installed.
        """
        _validation.integer("n_bins", n_bins, 1)
        _validation.one_of("strategy", strategy, _STRATEGIES)
        y, w = checked_labels(y_true, sample_weight)
        if strategy == "positives" and not y.any():
            raise ValueError('labels must have a positive for strategy="positives", got none')
        used = w > 0
        curves = {}
        for label, p in by_name(probability, name, checked_probabilities, len(y)).items():
            edges = _edges(strategy, y[used], p[used], n_bins)
            curves[label] = _reliability(y[used], p[used], w[used], edges)
        return cls(curves, float(np.average(y, weights=w))).plot(ax, scale=scale)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        n_bins: int = 10,
        strategy: str = "quantile",
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        scale: str = "auto",
        ax: Axes | None = None,
    ) -> Self:
        """Compute and draw the reliability of a classifier of two classes.

        The predictions are those of ``predict_proba``. The classifier may be the last step of a pipeline
        or the best estimator of a search.

        Parameters
        ----------
        estimator : fitted classifier with ``predict_proba``
        X : array of shape (n, n_features)
            Features, in any form that ``estimator`` accepts.
        y : array of shape (n,)
            Labels among the two ``estimator.classes_``; the second class is the positive one.
        name : str, optional
            Name in the legend. None: the name of the classifier's class.
        n_bins, strategy, sample_weight, scale, ax
            As for ``from_predictions``.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        ValueError
            If the estimator has no ``predict_proba`` or does not have exactly two classes, if a label is
            not one of them, and whenever ``from_predictions`` raises it.
        TypeError
            If ``n_bins`` is not an integer.
        ImportError
            If matplotlib is not installed.
        """
        if not hasattr(estimator, "predict_proba"):
            raise ValueError(
                f"estimator must have predict_proba, got {type(estimator).__name__} without it"
            )
        positive = of_second_class(estimator, y)
        return cls.from_predictions(
            positive,
            np.asarray(estimator.predict_proba(X))[:, 1],
            n_bins=n_bins,
            strategy=strategy,
            sample_weight=sample_weight,
            name=name or type(innermost(estimator)).__name__,
            scale=scale,
            ax=ax,
        )

    def plot(self, ax: Axes | None = None, *, scale: str = "auto") -> Self:
        """Draw the curves with their intervals, and the diagonal of perfect calibration.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; curves that are already there keep their colours. None: a new figure.
        scale : {"auto", "linear", "log"}
            Scale of both axes. "auto": logarithmic if fewer than 10 % of the rows are positive.

        Returns
        -------
        ReliabilityDisplay
            self
        """
        _validation.one_of("scale", scale, ("auto", "linear", "log"))
        self.ax_ = ax = panels(ax, 1, (6.4, 4.8))[0]
        self.figure_ = ax.figure
        log = scale == "log" or (scale == "auto" and self.base_rate < _RARE_BELOW)
        first = n_curves(ax)
        if CALIBRATED not in legend_labels(ax):
            ax.axline((0.1, 0.1), (0.2, 0.2), label=CALIBRATED, zorder=1, **REFERENCE)
        self.lines_ = {
            name: _draw_reliability(ax, name, curve, style_of(i), log=log)
            for i, (name, curve) in enumerate(self.curves.items(), start=first)
        }
        ax.set(xlabel="predicted probability (mean of bin)", ylabel="share of positives in bin")
        if log:
            ax.set(xscale="log", yscale="log")
        else:
            ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        ax.grid(alpha=0.25)
        ax.legend(loc="best", **LEGEND)
        return self


def _draw_reliability(
    ax: Axes, name: str, curve: ReliabilityCurve, style: dict[str, Any], *, log: bool
) -> Any:
    """Draw one curve with its intervals, and return its line."""
    shown = curve.predicted > 0 if log else np.ones(len(curve.predicted), dtype=bool)
    predicted, lower, upper = (a[shown] for a in (curve.predicted, curve.lower, curve.upper))
    none = log & (curve.observed[shown] == 0)
    observed = np.where(none, np.nan, curve.observed[shown])
    bars = ax.errorbar(
        predicted,
        observed,
        yerr=np.array([observed - lower, upper - observed]),
        label=f"{name} (Brier {curve.brier:.3g})",
        elinewidth=0.9,
        capsize=2,
        **style,
    )
    if none.any():
        ax.errorbar(
            predicted[none],
            upper[none],
            yerr=0.4 * upper[none],
            uplims=True,
            fmt="none",
            elinewidth=0.9,
            color=style["color"],
            ecolor=style["color"],
        )
        if NO_POSITIVE not in legend_labels(ax):
            arrow: dict[str, Any] = {"marker": r"$\downarrow$", "markersize": 8, "linestyle": ""}
            ax.plot([], [], color="0.4", label=NO_POSITIVE, **arrow)
    return bars.lines[0]


def _edges(strategy: str, y: NDArray[Any], p: Floats, n_bins: int) -> Floats:
    """Return the inner edges of the bins."""
    inner = np.linspace(0, 1, n_bins + 1)[1:-1]
    if strategy == "uniform":
        return inner
    return np.asarray(np.quantile(p[y == 1] if strategy == "positives" else p, inner))


def _reliability(y: NDArray[Any], p: Floats, w: Floats, edges: Floats) -> ReliabilityCurve:
    """Return the curve of rows with positive weight; a bin includes its upper edge."""
    which = np.searchsorted(edges, p)  # equal predictions always share a bin

    def total(values: Floats) -> Floats:
        sums = np.bincount(which, weights=values, minlength=len(edges) + 1)
        return np.asarray(sums[filled], dtype=np.float64)

    filled = np.bincount(which, minlength=len(edges) + 1) > 0
    weight = total(w)
    observed = total(w * y) / weight
    lower, upper = _wilson(observed, weight**2 / total(w**2))
    return ReliabilityCurve(
        predicted=total(w * p) / weight,
        observed=observed,
        lower=lower,
        upper=upper,
        weight=weight,
        brier=float(np.average((p - y) ** 2, weights=w)),
    )


def _wilson(share: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Return the 95 % interval of a binomial share observed in n trials (Wilson 1927)."""
    c = _NORMAL_95**2 / n
    middle = (share + c / 2) / (1 + c)
    half = np.sqrt(c * (share * (1 - share) + c / 4)) / (1 + c)
    # At a share of 0 or 1 the share is an end of the interval; rounding must not exclude it.
    return (
        np.where(share == 0, 0.0, np.minimum(middle - half, share)),
        np.where(share == 1, 1.0, np.maximum(middle + half, share)),
    )

"""Plots as scikit-learn Display objects: losses, reliability, precision and recall, metrics by gamma.

A class method (``from_predictions``, ``from_estimator``, ...) computes the curves and draws them;
``plot`` draws them again. Every number that is drawn is an attribute. matplotlib and scikit-learn are
imported when they are needed: ``pip install "focalboost[plot]"``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import _validation
from focalboost._frequencies import class_frequencies, class_weights
from focalboost.losses import BinaryFocalLoss, Link

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = [
    "GammaSweepDisplay",
    "LossCurvesDisplay",
    "PrecisionRecallDisplay",
    "ReliabilityDisplay",
]

Floats = NDArray[np.float64]

# Okabe and Ito's palette, which colour-blind readers can tell apart. Its yellow is left out: too pale
# for a line on white. With seven colours and eight markers the first 56 curves all look different.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_REFERENCE: dict[str, Any] = {"color": "0.4", "linewidth": 1.0}  # reference lines
_LEGEND: dict[str, Any] = {"fontsize": "small", "framealpha": 0.8}

_CALIBRATED = "perfect calibration"
_NO_POSITIVE = "no positive in bin: 95 % limit"
_NO_SKILL = "no skill"
_LOG_LOSS = r"$\gamma$ = 0 (log loss)"
_MARGIN = {
    "focal": "margin $s$ of the observed\nclass (log-odds of the score)",
    "canonical": "margin $s$ of the observed\nclass (log-odds of the posterior)",
}
_REFERENCES = (_CALIBRATED, _NO_POSITIVE, _NO_SKILL, _LOG_LOSS)

_RARE_BELOW = 0.1  # reliability is drawn on logarithmic axes if the base rate is lower
_STRATEGIES = ("quantile", "uniform", "positives")
# A normal variable is within this many standard deviations of its mean with probability 95 %.
_NORMAL_95 = 1.959963984540054


# ---- the loss ------------------------------------------------------------------------------------


@dataclass(eq=False)
class LossCurvesDisplay:
    r"""Loss, gradient and curvature of one row against the margin of its observed class.

    Create it with ``from_gammas``. All parameters are kept as attributes.

    Parameters
    ----------
    gammas : tuple of float, length G
    margins : array of shape (n,)
        Margin s of the observed class, ascending. A negative margin means that the score of this class,
        or with the canonical link its posterior, is below 1/2.
    loss, gradient : arrays of shape (G, n)
        Loss l and its derivative dl/ds, one row per gamma.
    guarded : array of shape (G, n)
        Curvature that a tree is given by default, one row per gamma.
    exact : array of shape (G, n)
        Second derivative of the loss, one row per gamma; it can be negative.
    link : {"focal", "canonical"}
        Whose margins are drawn.

    Attributes
    ----------
    axes_ : array of 3 matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    focalboost.BinaryFocalLoss : The loss whose functions are drawn.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> display = LossCurvesDisplay.from_gammas([0, 2], margins=[-5, 0], ax=Figure().subplots(1, 3))
    >>> display.exact.round(3)
    array([[ 0.007,  0.25 ],
           [-0.032,  0.399]])
    """

    gammas: tuple[float, ...]
    margins: Floats
    loss: Floats
    gradient: Floats
    guarded: Floats
    exact: Floats
    link: Link = "focal"
    axes_: NDArray[Any] = field(init=False, repr=False)
    figure_: Figure | SubFigure = field(init=False, repr=False)

    @classmethod
    def from_gammas(
        cls,
        gammas: ArrayLike = (0, 0.5, 1, 2, 5),
        *,
        alpha: float | tuple[float, float] | None = None,
        link: Link = "focal",
        margins: ArrayLike | None = None,
        ax: Any = None,
    ) -> Self:
        """Compute and draw the curves of a row with label 1.

        For label 1 the margin s of the observed class is the margin itself.

        Parameters
        ----------
        gammas : array of shape (G,)
            Finite and >= 0. Each gamma has one colour.
        alpha : None, float in (0, 1), or pair of positive floats (negatives, positives)
            As for ``BinaryFocalLoss``. With ``link="focal"`` all curves are multiplied by the weight of
            the positives.
        link : {"focal", "canonical"}
            As for ``BinaryFocalLoss``: the margin of the paper, or the log-odds of the posterior.
        margins : array of shape (n,), optional
            Finite, in any order. None: 1001 values from -6 to 4.
        ax : array of 3 matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        LossCurvesDisplay

        Raises
        ------
        ValueError, TypeError
            If a parameter is empty or out of range.
        ImportError
            If matplotlib is not installed.
        """
        g = _gammas(gammas)
        losses = [BinaryFocalLoss(gamma, alpha, link) for gamma in g.tolist()]
        s = np.linspace(-6, 4, 1001) if margins is None else _vector("margins", margins)
        s = np.sort(s)
        y = np.ones(len(s))
        exact = [loss.gradient_hessian(y, s) for loss in losses]
        return cls(
            gammas=tuple(g.tolist()),
            margins=s,
            loss=np.array([loss.loss(y, s) for loss in losses]),
            gradient=np.array([gradient for gradient, _ in exact]),
            guarded=np.array([loss.gradient_curvature(y, s)[1] for loss in losses]),
            exact=np.array([hessian for _, hessian in exact]),
            link=link,
        ).plot(ax)

    def plot(self, axes: Any = None) -> Self:
        """Draw three panels: loss, gradient, and curvature (guarded: solid, exact: dashed).

        Parameters
        ----------
        axes : array of 3 matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        LossCurvesDisplay
            self
        """
        self.axes_ = _panels(axes, 3, (12.0, 4.0))
        left, middle, right = self.axes_
        self.figure_ = left.figure
        every = max(1, len(self.margins) // 8)
        for i, gamma in enumerate(self.gammas):
            # Each curve starts its markers elsewhere, so that they do not hide each other.
            start = i * every // len(self.gammas)
            style = {**_style(i), "markevery": (start, every)}
            name = _LOG_LOSS if gamma == 0 else rf"$\gamma$ = {gamma:g}"
            left.plot(self.margins, self.loss[i], label=name, **style)
            middle.plot(self.margins, self.gradient[i], **style)
            right.plot(self.margins, self.guarded[i], **style)
            right.plot(self.margins, self.exact[i], linestyle="--", **style | {"marker": ""})
        right.axhline(0, **_REFERENCE)
        negative = " (negative for\nbadly missed rows)" if (self.exact < 0).any() else ""
        right.set_ylim(top=1.55 * max(self.guarded.max(), self.exact.max()))  # room for the legend
        _line_styles(right, "guarded", f"exact{negative}", loc="upper left")
        left.set_ylabel(r"loss $\ell$ (nats)")
        middle.set_ylabel(r"gradient $\mathrm{d}\ell/\mathrm{d}s$")
        right.set_ylabel("curvature")
        for panel in self.axes_:
            panel.set_xlabel(_MARGIN[self.link])
            panel.grid(alpha=0.25)
        left.legend(loc="upper right", **_LEGEND)
        return self


# ---- reliability ---------------------------------------------------------------------------------


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
    of rows, (sum w)^2 / sum w^2, replaces the number of rows. The intervals assume independent rows;
    they are too short if rows depend on each other (several frauds on one card).

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
        y, w = _labels(y_true, sample_weight)
        if strategy == "positives" and not y.any():
            raise ValueError('labels must have a positive for strategy="positives", got none')
        used = w > 0
        curves = {}
        for label, p in _by_name(probability, name, _probabilities, len(y)).items():
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
        positive = _positive(estimator, y)
        return cls.from_predictions(
            positive,
            np.asarray(estimator.predict_proba(X))[:, 1],
            n_bins=n_bins,
            strategy=strategy,
            sample_weight=sample_weight,
            name=name or type(_innermost(estimator)).__name__,
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
        self.ax_ = ax = _panels(ax, 1, (6.4, 4.8))[0]
        self.figure_ = ax.figure
        log = scale == "log" or (scale == "auto" and self.base_rate < _RARE_BELOW)
        first = _n_curves(ax)
        if _CALIBRATED not in _legend_labels(ax):
            ax.axline((0.1, 0.1), (0.2, 0.2), label=_CALIBRATED, zorder=1, **_REFERENCE)
        self.lines_ = {
            name: _draw_reliability(ax, name, curve, _style(i), log=log)
            for i, (name, curve) in enumerate(self.curves.items(), start=first)
        }
        ax.set(xlabel="predicted probability (mean of bin)", ylabel="share of positives in bin")
        if log:
            ax.set(xscale="log", yscale="log")
        else:
            ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        ax.grid(alpha=0.25)
        ax.legend(loc="best", **_LEGEND)
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
        if _NO_POSITIVE not in _legend_labels(ax):
            arrow: dict[str, Any] = {"marker": r"$\downarrow$", "markersize": 8, "linestyle": ""}
            ax.plot([], [], color="0.4", label=_NO_POSITIVE, **arrow)
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


# ---- precision and recall ------------------------------------------------------------------------


class PrecisionRecallCurve(NamedTuple):
    """Precision and recall of one ranking.

    The arrays have one entry per threshold, from the lowest to the highest.
    """

    precision: Floats
    """Share of positives among the alerted rows."""
    recall: Floats
    """Share of the positives that is alerted."""
    alert_rate: Floats
    """Share of all rows that is alerted."""
    thresholds: NDArray[np.floating]
    """The distinct values that rows are ranked by; rows with this value or a higher one are alerted."""
    average_precision: float
    """Average precision of the ranking."""


@dataclass(eq=False)
class PrecisionRecallDisplay:
    r"""Precision against recall, and both against the share of rows that is alerted.

    Create it with ``from_predictions`` or ``from_estimator``. All parameters are kept as attributes.

    Parameters
    ----------
    curves : dict of str to PrecisionRecallCurve
        Each curve has ``precision``, ``recall``, ``alert_rate`` and ``thresholds`` (arrays of shape
        (n_thresholds,)) and ``average_precision`` (float).
    base_rate : float
        Share of positives among all rows: the precision of a random ranking.

    Attributes
    ----------
    axes_ : array of 2 matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    sklearn.metrics.PrecisionRecallDisplay : For one ranking; precision against recall only.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> display = PrecisionRecallDisplay.from_predictions(
    ...     [0, 0, 1, 0, 1], [-2.0, -1.0, 0.0, 1.0, 2.0], ax=Figure().subplots(1, 2)
    ... )
    >>> curve = display.curves["model"]
    >>> curve.alert_rate, curve.recall
    (array([1. , 0.8, 0.6, 0.4, 0.2]), array([1. , 1. , 1. , 0.5, 0.5]))
    """

    curves: dict[str, PrecisionRecallCurve]
    base_rate: float
    axes_: NDArray[Any] = field(init=False, repr=False)
    figure_: Figure | SubFigure = field(init=False, repr=False)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        scores: ArrayLike | Mapping[str, ArrayLike],
        *,
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Compute and draw precision and recall of rankings.

        Parameters
        ----------
        y_true : array of shape (n,)
            Labels 0 or 1, both present.
        scores : array of shape (n,), or dict of str to such arrays
            What to rank by: margins, probabilities, or any finite numbers that are higher for rows that
            are more likely to be positive.
        sample_weight : array of shape (n,), optional
            Non-negative. The weights enter the alert rate too. None: every weight is 1.
        name : str, optional
            Name of a single array in the legend. None: "model".
        ax : array of 2 matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        PrecisionRecallDisplay

        Raises
        ------
        ValueError
            For labels other than 0 and 1, labels of one class only (rows of weight 0 do not count),
            ``scores`` that are not finite, unequal lengths, and no rows.
        ImportError
            If matplotlib or scikit-learn is not installed.
        """
        y, w = _labels(y_true, sample_weight)
        base_rate = float(class_frequencies(class_weights(y, w, 2))[1])
        used = w > 0
        curves = {
            label: _precision_recall(y[used], score[used], w[used])
            for label, score in _by_name(scores, name, _finite_scores, len(y)).items()
        }
        return cls(curves, base_rate).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Compute and draw precision and recall of a classifier of two classes.

        Rows are ranked by ``decision_function`` if the classifier has this method, else by
        ``predict_proba``. Both give the same order, but large margins can all have a probability of
        exactly 1.

        Parameters
        ----------
        estimator : fitted classifier
            With ``decision_function`` or ``predict_proba``.
        X : array of shape (n, n_features)
            Features, in any form that ``estimator`` accepts.
        y : array of shape (n,)
            Labels among the two ``estimator.classes_``; the second class is the positive one.
        name : str, optional
            Name in the legend. None: the name of the estimator's class.
        sample_weight, ax
            As for ``from_predictions``.

        Returns
        -------
        PrecisionRecallDisplay

        Raises
        ------
        ValueError
            If the estimator has neither method or does not have exactly two classes, if a label is not
            one of them, and whenever ``from_predictions`` raises it.
        ImportError
            If matplotlib or scikit-learn is not installed.
        """
        has_decision = hasattr(estimator, "decision_function")
        if not has_decision and not hasattr(estimator, "predict_proba"):
            raise ValueError(
                "estimator must have decision_function or predict_proba, got "
                f"{type(estimator).__name__} without either"
            )
        positive = _positive(estimator, y)
        if has_decision:
            scores = np.asarray(estimator.decision_function(X))
        else:
            scores = np.asarray(estimator.predict_proba(X))[:, 1]
        name = name or type(_innermost(estimator)).__name__
        return cls.from_predictions(positive, scores, sample_weight=sample_weight, name=name, ax=ax)

    def plot(self, axes: Any = None) -> Self:
        """Draw two panels: precision by recall; recall (solid) and precision (dashed) by alert rate.

        Parameters
        ----------
        axes : array of 2 matplotlib Axes, optional
            Where to draw; curves that are already there keep their colours. None: a new figure.

        Returns
        -------
        PrecisionRecallDisplay
            self
        """
        self.axes_ = _panels(axes, 2, (10.0, 4.5))
        left, right = self.axes_
        self.figure_ = left.figure
        no_skill = f"{_NO_SKILL} ({100 * self.base_rate:.3g} %)"
        first = _n_curves(left)
        if no_skill not in _legend_labels(left):
            left.axhline(self.base_rate, label=no_skill, **_REFERENCE)
        for i, (name, curve) in enumerate(self.curves.items(), start=first):
            style = {**_style(i), "drawstyle": "steps-post"}
            # As shares of the length of the line: rows crowd at one end.
            style["markevery"] = (0.03 + 0.05 * (i % 3), 0.15)
            label = f"{name} (AP {curve.average_precision:.3f})"
            # No threshold reaches recall 0; the line is drawn up to there, as scikit-learn does.
            left.plot(
                np.append(curve.recall, 0), np.append(curve.precision, 1), label=label, **style
            )
            budget = curve.alert_rate[::-1]
            right.plot(budget, curve.recall[::-1], **style)
            right.plot(budget, curve.precision[::-1], linestyle="--", **style)
        left.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        right.set(
            xlabel="alert rate (share of rows alerted)",
            ylabel="recall, precision",
            xscale="log",
            ylim=(-0.02, 1.02),
        )
        _line_styles(right, "recall", "precision", loc="center left")
        for panel in self.axes_:
            panel.grid(alpha=0.25)
        if any(_crosses(line, 0.05, 0.4, 0.07, 0.35) for line in left.lines):
            left.legend(loc="upper right", **_LEGEND)
        else:
            # Slightly raised: above the no-skill line.
            left.legend(loc="lower left", bbox_to_anchor=(0, 0.05), **_LEGEND)
        return self


def _crosses(line: Any, left: float, right: float, bottom: float, top: float) -> bool:
    """Return whether a vertex of the line is inside the box."""
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    return bool(((x > left) & (x < right) & (y > bottom) & (y < top)).any())


def _precision_recall(y: NDArray[Any], score: NDArray[Any], w: Floats) -> PrecisionRecallCurve:
    metrics = _import("sklearn.metrics")
    precision, recall, thresholds = metrics.precision_recall_curve(y, score, sample_weight=w)
    order = np.argsort(score)
    weight_before = np.concatenate([[0.0], np.cumsum(w[order])])
    below = weight_before[np.searchsorted(score[order], thresholds)]
    return PrecisionRecallCurve(
        precision[:-1],
        recall[:-1],
        (weight_before[-1] - below) / weight_before[-1],
        thresholds,
        float(metrics.average_precision_score(y, score, sample_weight=w)),
    )


# ---- gamma ---------------------------------------------------------------------------------------


@dataclass(eq=False)
class GammaSweepDisplay:
    r"""Metrics against gamma, as means with intervals, compared with log loss (gamma = 0).

    Create it with ``from_results`` or ``from_search``. All parameters are kept as attributes.

    Parameters
    ----------
    gammas : array of shape (G,)
        Ascending.
    scores : dict of str to arrays of shape (G, n_repeats)
        Values of each metric, one row per gamma.
    repeats : str
        What the columns of ``scores`` are: "seeds" or "splits".

    Attributes
    ----------
    means_ : dict of str to arrays of shape (G,)
    errors_ : dict of str to arrays of shape (G,)
        Two standard errors of the mean, 2 sd / sqrt(n_repeats); 0 for a single column.
    lines_ : dict of str to matplotlib Line2D
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Notes
    -----
    Columns are usually paired: every gamma has the same seeds or splits. The difference between two
    gammas can then be much more certain than their two intervals suggest, so look at the differences
    too. The splits of one cross-validation share training rows, so their intervals are too short.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> scores = {"average precision": [[0.80, 0.82], [0.81, 0.85]]}
    >>> display = GammaSweepDisplay.from_results([0, 2], scores, ax=Figure().subplots())
    >>> display.means_["average precision"], display.errors_["average precision"].round(3)
    (array([0.81, 0.83]), array([0.02, 0.04]))
    """

    gammas: Floats
    scores: dict[str, Floats]
    repeats: str = "seeds"
    means_: dict[str, Floats] = field(init=False, repr=False)
    errors_: dict[str, Floats] = field(init=False, repr=False)
    lines_: dict[str, Any] = field(init=False, repr=False)
    ax_: Axes = field(init=False, repr=False)
    figure_: Figure | SubFigure = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.means_, self.errors_ = {}, {}
        for label, values in self.scores.items():
            n = values.shape[1]
            self.means_[label] = values.mean(axis=1)
            self.errors_[label] = (
                2 * values.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(len(values))
            )

    @classmethod
    def from_results(
        cls,
        gammas: ArrayLike,
        scores: Mapping[str, ArrayLike],
        *,
        ax: Axes | None = None,
    ) -> Self:
        """Draw metrics that you have computed.

        Parameters
        ----------
        gammas : array of shape (G,)
            Distinct numbers >= 0, in any order. If 0 is one of them, a dashed line marks its mean.
        scores : dict of str to arrays of shape (G, n_seeds) or (G,)
            The name of each metric and its values, one row per gamma. An array of shape (G,) is drawn
            without intervals.
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        GammaSweepDisplay

        Raises
        ------
        ValueError
            For gammas that are negative or not distinct, ``scores`` that are empty or not finite, and
            shapes that do not match.
        ImportError
            If matplotlib is not installed.
        """
        g = _gammas(gammas)
        if len(np.unique(g)) < len(g):
            raise ValueError(f"gammas must be distinct, got {g.tolist()}")
        if not isinstance(scores, Mapping) or not scores:
            raise ValueError(f"scores must be a dict of at least one array, got {scores!r}")
        order = np.argsort(g)
        table = {}
        for label, values in scores.items():
            v = _finite(f"scores {label!r}", values)
            if v.ndim not in (1, 2) or v.shape[0] != len(g) or not v.size:
                raise ValueError(
                    f"scores {label!r} must have shape ({len(g)},) or ({len(g)}, n_seeds), one row "
                    f"per gamma, got {v.shape}"
                )
            table[str(label)] = v.reshape(len(g), -1)[order]
        return cls(g[order], table).plot(ax)

    @classmethod
    def from_search(cls, search: Any, *, ax: Axes | None = None) -> Self:
        """Draw the metric of a search over ``focal_gamma``.

        For each gamma the candidate with the best mean is shown: the other parameters are tuned for each
        gamma. The same splits choose that candidate and judge it, so its metric is slightly too good.

        Parameters
        ----------
        search : fitted GridSearchCV or RandomizedSearchCV
            A search that varied ``focal_gamma``, or ``focal_gamma`` of a pipeline's step
            (``classifier__focal_gamma``). Candidates that failed or did not set gamma are left out. If
            the search has several metrics, the one that ``refit`` names is drawn.
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        GammaSweepDisplay

        Raises
        ------
        ValueError
            If the search is not fitted or did not vary ``focal_gamma``, if a gamma is not a number, or
            if all candidates of a gamma failed.
        ImportError
            If matplotlib is not installed.
        """
        gammas, splits, label = _search_scores(search)
        best = {}
        for gamma in np.unique(gammas):
            of_gamma = splits[gammas == gamma]
            whole = of_gamma[np.isfinite(of_gamma).all(axis=1)]
            if not len(whole):
                raise ValueError(
                    "search must have a candidate that did not fail for each gamma, all candidates "
                    f"with gamma {gamma:g} failed"
                )
            best[float(gamma)] = whole[whole.mean(axis=1).argmax()]
        return cls(np.array(list(best)), {label: np.array(list(best.values()))}, "splits").plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw means with bars of two standard errors, and the mean at gamma = 0 as a dashed line.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; curves that are already there keep their colours. None: a new figure.

        Returns
        -------
        GammaSweepDisplay
            self
        """
        self.ax_ = ax = _panels(ax, 1, (6.4, 4.8))[0]
        self.figure_ = ax.figure
        self.lines_ = {}
        for i, label in enumerate(self.scores, start=_n_curves(ax)):
            style = _style(i)
            mean, error = self.means_[label], self.errors_[label]
            bars = ax.errorbar(self.gammas, mean, yerr=error, label=label, capsize=3, **style)
            self.lines_[label] = bars.lines[0]
            if self.gammas[0] == 0:
                reference = {"color": style["color"], "linestyle": "--", "linewidth": 1.0}
                new = _LOG_LOSS not in _legend_labels(ax)
                ax.axhline(mean[0], label=_LOG_LOSS if new else None, **reference)
        n = {values.shape[1] for values in self.scores.values()} - {1}
        what = next(iter(self.scores)) if len(self.scores) == 1 else "score"
        if n:
            counts = " or ".join(map(str, sorted(n)))
            what += f"\n(mean ± 2 standard errors, {counts} {self.repeats})"
        ax.set(xlabel=r"focusing parameter $\gamma$", ylabel=what)
        ax.grid(alpha=0.25)
        # Above the axes: bars can be anywhere inside.
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize="small")
        return self


def _search_scores(search: Any) -> tuple[Floats, Floats, str]:
    """Return gammas (m,) and metric (m, n_splits) of a search's candidates, and the metric's name."""
    results = getattr(search, "cv_results_", None)
    if results is None:
        raise ValueError(
            "search must be a fitted GridSearchCV or RandomizedSearchCV, got "
            f"{type(search).__name__} without cv_results_"
        )
    columns = [
        key for key in results if key == "param_focal_gamma" or key.endswith("__focal_gamma")
    ]
    if len(columns) != 1:
        raise ValueError(
            "search must vary exactly one focal_gamma, its parameters are "
            + ", ".join(key.removeprefix("param_") for key in results if key.startswith("param_"))
        )
    metric, label = "score", "score"
    if search.multimetric_:
        if not isinstance(search.refit, str):
            raise ValueError(
                f"search must name the metric to draw in refit, got refit={search.refit!r}"
            )
        metric = label = search.refit
    elif isinstance(search.scoring, str):
        label = search.scoring
    column = np.ma.asarray(results[columns[0]])
    used = ~np.ma.getmaskarray(column)
    values = column.data[used].tolist()
    if not values or not all(isinstance(v, Real) for v in values):
        raise ValueError(f"focal_gamma must be a number for every candidate, got {values}")
    scores = [results[f"split{i}_test_{metric}"] for i in range(search.n_splits_)]
    return np.array(values, dtype=np.float64), np.stack(scores, axis=1)[used], label


# ---- input ---------------------------------------------------------------------------------------


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{module} is needed for plotting: pip install "focalboost[plot]"'
        ) from error


def _first(bad: NDArray[np.bool_]) -> str:
    """Return the place of the first True: "row 17", or "row 17, column 2"."""
    place = np.argwhere(np.atleast_1d(bad))[0]
    return ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), place, strict=False))


def _finite(name: str, values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be real numbers, got dtype {array.dtype}")
    finite = np.isfinite(array)
    if not finite.all():
        raise ValueError(f"{name} must be finite, got NaN or infinity at {_first(~finite)}")
    return array


def _probabilities(values: ArrayLike) -> Floats:
    return _validation.posterior(values).astype(np.float64)


def _finite_scores(values: ArrayLike) -> NDArray[Any]:
    return _finite("scores", values)


def _vector(name: str, values: ArrayLike) -> Floats:
    array = _finite(name, values)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} must have shape (n,) with n >= 1, got {array.shape}")
    return array.astype(np.float64)


def _gammas(values: ArrayLike) -> Floats:
    gammas = _vector("gammas", values)
    if (gammas < 0).any():
        raise ValueError(f"gammas must be >= 0, got {gammas.min():g}")
    return gammas


def _labels(y_true: ArrayLike, sample_weight: ArrayLike | None) -> tuple[NDArray[np.int64], Floats]:
    """Return labels (n,) and weights (n,), n >= 1."""
    y = np.asarray(_validation.labels(y_true, 2))
    if y.ndim != 1 or not y.size:
        raise ValueError(f"labels must have shape (n,) with n >= 1, got {y.shape}")
    w = _validation.sample_weight(sample_weight, len(y), np.empty(0, np.float64))
    return y.astype(np.int64), np.ones(len(y)) if w is None else np.asarray(w)


def _by_name(
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


def _innermost(estimator: Any) -> Any:
    """Return the classifier inside a search or pipeline, or the estimator itself."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            return estimator


def _positive(estimator: Any, y: ArrayLike) -> NDArray[np.bool_]:
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
            f"{labels[unknown].tolist()[0]!r} at {_first(unknown)}"
        )
    return positive


# ---- drawing -------------------------------------------------------------------------------------


def _panels(axes: Any, n: int, size: tuple[float, float]) -> NDArray[Any]:
    """Return n axes: the given ones, or those of a new figure."""
    if axes is None:
        plt = _import("matplotlib.pyplot")
        axes = plt.subplots(1, n, figsize=size, layout="constrained")[1]
    given = np.ravel(np.array(axes, dtype=object))
    if len(given) != n or not all(hasattr(panel, "plot") for panel in given):
        raise ValueError(f"axes must be {n} matplotlib Axes, got {axes!r}")
    return given


def _style(i: int) -> dict[str, Any]:
    color, marker = _COLORS[i % len(_COLORS)], _MARKERS[i % len(_MARKERS)]
    return {"color": color, "marker": marker, "markersize": 4.5, "linewidth": 1.5}


def _legend_labels(ax: Axes) -> list[str]:
    return list(ax.get_legend_handles_labels()[1])


def _n_curves(ax: Axes) -> int:
    """Return how many curves the axes already show; reference lines do not count."""
    return sum(not label.startswith(_REFERENCES) for label in _legend_labels(ax))


def _line_styles(ax: Any, solid: str, dashed: str, *, loc: str) -> None:
    """Add a legend that explains solid and dashed lines."""
    lines = _import("matplotlib.lines")
    handles = [
        lines.Line2D([], [], color="0.2", linestyle=style, label=label)
        for style, label in (("-", solid), ("--", dashed))
    ]
    ax.legend(handles=handles, loc=loc, **_LEGEND)

"""Precision and recall, against each other and against the alert rate, as a Display."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost._frequencies import class_frequencies, class_weights
from focalboost.plotting._shared import (
    LEGEND,
    NO_SKILL,
    REFERENCE,
    Floats,
    by_name,
    checked_labels,
    checked_scores,
    innermost,
    legend_labels,
    line_styles,
    load,
    n_curves,
    of_second_class,
    panels,
    style_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure


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
        y, w = checked_labels(y_true, sample_weight)
        base_rate = float(class_frequencies(class_weights(y, w, 2))[1])
        used = w > 0
        curves = {
            label: _precision_recall(y[used], score[used], w[used])
            for label, score in by_name(scores, name, checked_scores, len(y)).items()
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
        positive = of_second_class(estimator, y)
        if has_decision:
            scores = np.asarray(estimator.decision_function(X))
        else:
            scores = np.asarray(estimator.predict_proba(X))[:, 1]
        name = name or type(innermost(estimator)).__name__
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
        self.axes_ = panels(axes, 2, (10.0, 4.5))
        left, right = self.axes_
        self.figure_ = left.figure
        no_skill = f"{NO_SKILL} ({100 * self.base_rate:.3g} %)"
        first = n_curves(left)
        if no_skill not in legend_labels(left):
            left.axhline(self.base_rate, label=no_skill, **REFERENCE)
        for i, (name, curve) in enumerate(self.curves.items(), start=first):
            style = {**style_of(i), "drawstyle": "steps-post"}
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
        line_styles(right, "recall", "precision", loc="center left")
        for panel in self.axes_:
            panel.grid(alpha=0.25)
        if any(_crosses(line, 0.05, 0.4, 0.07, 0.35) for line in left.lines):
            left.legend(loc="upper right", **LEGEND)
        else:
            # Slightly raised: above the no-skill line.
            left.legend(loc="lower left", bbox_to_anchor=(0, 0.05), **LEGEND)
        return self


def _crosses(line: Any, left: float, right: float, bottom: float, top: float) -> bool:
    """Return whether a vertex of the line is inside the box."""
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    return bool(((x > left) & (x < right) & (y > bottom) & (y < top)).any())


def _precision_recall(y: NDArray[Any], score: NDArray[Any], w: Floats) -> PrecisionRecallCurve:
    metrics = load("sklearn.metrics")
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

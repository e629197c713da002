"""A metric against the number of boosting rounds, as a Display."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import index
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import ArrayLike

from focalboost.plotting._shared import (
    BEST,
    LEGEND,
    REFERENCE,
    Floats,
    checked_vector,
    innermost,
    legend_labels,
    n_curves,
    panels,
    style_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


@dataclass(eq=False)
class TrainingCurvesDisplay:
    r"""A metric of each data set against the number of boosting rounds.

    Create it with ``from_estimator`` or ``from_history``. All parameters are kept as attributes.

    Parameters
    ----------
    curves : dict of str to arrays of shape (n_rounds,)
        Values of the metric after 1, 2, ... rounds, for each data set.
    metric : str
        What is drawn.
    best_round : int, optional
        After how many rounds training would have been stopped best.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> history = {"valid": {"focal_loss": [0.31, 0.22, 0.24]}}
    >>> display = TrainingCurvesDisplay.from_history(history, best_round=2, ax=Figure().subplots())
    >>> display.metric, display.curves["valid"]
    ('focal_loss', array([0.31, 0.22, 0.24]))
    """

    curves: dict[str, Floats]
    metric: str
    best_round: int | None = None
    lines_: dict[str, Any] = field(init=False, repr=False)
    ax_: Axes = field(init=False, repr=False)
    figure_: Figure | SubFigure = field(init=False, repr=False)

    @classmethod
    def from_history(
        cls,
        history: Mapping[str, Mapping[str, ArrayLike]],
        *,
        metric: str | None = None,
        best_round: int | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw what ``evals_result`` of XGBoost or ``record_evaluation`` of LightGBM has kept.

        Parameters
        ----------
        history : dict of dicts
            For each data set its metrics, and for each metric its values round by round.
        metric : str, optional
            Which metric. None: the only one.
        best_round : int, optional
            The number of rounds to mark, from 1. (``best_iteration`` of XGBoost counts from 0.)
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        TrainingCurvesDisplay

        Raises
        ------
        ValueError
            If the history is empty or not of this form, if it has several metrics and ``metric`` does
            not name one of them, or if ``best_round`` is outside the rounds.
        ImportError
            If matplotlib is not installed.
        """
        if not isinstance(history, Mapping) or not all(
            isinstance(of, Mapping) for of in history.values()
        ):
            raise ValueError(
                "history must be a dict of data sets, each a dict of metrics, as evals_result of "
                f"xgboost.train and lightgbm.record_evaluation fill it, got {type(history).__name__}"
            )
        known = list(dict.fromkeys(name for of in history.values() for name in of))
        if not known:
            raise ValueError(
                "history must have at least one metric, got none: train with an evaluation set"
            )
        if metric is None and len(known) == 1:
            metric = known[0]
        if metric not in known:
            raise ValueError(f"metric must be one of {', '.join(known)}, got {metric!r}")
        curves = {
            name: checked_vector(f"{metric} of {name}", of[metric])
            for name, of in history.items()
            if metric in of
        }
        most = max(len(values) for values in curves.values())
        if best_round is not None and not 1 <= index(best_round) <= most:
            raise ValueError(f"best_round must be from 1 to {most}, got {best_round}")
        return cls(curves, metric, best_round).plot(ax)

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, metric: str | None = None, ax: Axes | None = None
    ) -> Self:
        """Draw what a classifier of XGBoost or LightGBM has kept of its evaluation sets.

        Parameters
        ----------
        estimator : fitted classifier
            ``FocalXGBClassifier``, ``FocalLGBMClassifier`` or their hosts, alone or as the last step of
            a pipeline, fitted with ``eval_set``.
        metric, ax
            As for ``from_history``.

        Returns
        -------
        TrainingCurvesDisplay
            With the round that early stopping chose, if training had early stopping.

        Raises
        ------
        ValueError
            If the estimator is not fitted with an ``eval_set``, and as ``from_history``.
        ImportError
            If matplotlib is not installed.
        """
        model = innermost(estimator)
        history = getattr(model, "evals_result_", None)
        if not history:
            raise ValueError(
                "estimator must be fitted with eval_set, got "
                f"{type(model).__name__} without evals_result_"
            )
        best = getattr(model, "best_iteration_", None)  # LightGBM's, from 1; without stopping 0
        if (of_xgboost := getattr(model, "best_iteration", None)) is not None:
            best = of_xgboost + 1
        return cls.from_history(history, metric=metric, best_round=best or None, ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw one curve for each data set, and a line at the best round.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; curves that are already there keep their colours. None: a new figure.

        Returns
        -------
        TrainingCurvesDisplay
            self
        """
        self.ax_ = ax = panels(ax, 1, (6.4, 4.8))[0]
        self.figure_ = ax.figure
        self.lines_ = {}
        for i, (name, values) in enumerate(self.curves.items(), start=n_curves(ax)):
            rounds = range(1, len(values) + 1)
            style = style_of(i) | {"markevery": max(1, len(values) // 8)}
            (self.lines_[name],) = ax.plot(rounds, values, label=name, **style)
        label = f"{BEST} {self.best_round}"
        if self.best_round is not None and label not in legend_labels(ax):
            ax.axvline(self.best_round, label=label, linestyle="--", **REFERENCE)
        ax.set(xlabel="boosting rounds", ylabel=self.metric.replace("_", " "))
        ax.grid(alpha=0.25)
        ax.legend(loc="best", **LEGEND)
        return self

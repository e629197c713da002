"""Metrics against gamma, as a Display."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from focalboost.plotting._shared import (
    LOG_LOSS,
    Floats,
    checked,
    checked_gammas,
    legend_labels,
    n_curves,
    panels,
    style_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


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
        g = checked_gammas(gammas)
        if len(np.unique(g)) < len(g):
            raise ValueError(f"gammas must be distinct, got {g.tolist()}")
        if not isinstance(scores, Mapping) or not scores:
            raise ValueError(f"scores must be a dict of at least one array, got {scores!r}")
        order = np.argsort(g)
        table = {}
        for label, values in scores.items():
            v = checked(f"scores {label!r}", values)
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
        self.ax_ = ax = panels(ax, 1, (6.4, 4.8))[0]
        self.figure_ = ax.figure
        self.lines_ = {}
        for i, label in enumerate(self.scores, start=n_curves(ax)):
            style = style_of(i)
            mean, error = self.means_[label], self.errors_[label]
            bars = ax.errorbar(self.gammas, mean, yerr=error, label=label, capsize=3, **style)
            self.lines_[label] = bars.lines[0]
            if self.gammas[0] == 0:
                reference = {"color": style["color"], "linestyle": "--", "linewidth": 1.0}
                new = LOG_LOSS not in legend_labels(ax)
                ax.axhline(mean[0], label=LOG_LOSS if new else None, **reference)
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

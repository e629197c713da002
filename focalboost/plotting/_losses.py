"""Loss, gradient and curvature of one row, as a Display."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost.losses import BinaryFocalLoss, Link
from focalboost.plotting._shared import (
    LEGEND,
    LOG_LOSS,
    REFERENCE,
    Floats,
    checked_gammas,
    checked_vector,
    line_styles,
    panels,
    style_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

_MARGIN = {
    "focal": "margin $s$ of the observed\nclass (log-odds of the score)",
    "canonical": "margin $s$ of the observed\nclass (log-odds of the posterior)",
}


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
        g = checked_gammas(gammas)
        losses = [BinaryFocalLoss(gamma, alpha, link) for gamma in g.tolist()]
        s = np.linspace(-6, 4, 1001) if margins is None else checked_vector("margins", margins)
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
        self.axes_ = panels(axes, 3, (12.0, 4.0))
        left, middle, right = self.axes_
        self.figure_ = left.figure
        every = max(1, len(self.margins) // 8)
        for i, gamma in enumerate(self.gammas):
            # Each curve starts its markers elsewhere, so that they do not hide each other.
            start = i * every // len(self.gammas)
            style = {**style_of(i), "markevery": (start, every)}
            name = LOG_LOSS if gamma == 0 else rf"$\gamma$ = {gamma:g}"
            left.plot(self.margins, self.loss[i], label=name, **style)
            middle.plot(self.margins, self.gradient[i], **style)
            right.plot(self.margins, self.guarded[i], **style)
            right.plot(self.margins, self.exact[i], linestyle="--", **style | {"marker": ""})
        right.axhline(0, **REFERENCE)
        negative = " (negative for\nbadly missed rows)" if (self.exact < 0).any() else ""
        right.set_ylim(top=1.55 * max(self.guarded.max(), self.exact.max()))  # room for the legend
        line_styles(right, "guarded", f"exact{negative}", loc="upper left")
        left.set_ylabel(r"loss $\ell$ (nats)")
        middle.set_ylabel(r"gradient $\mathrm{d}\ell/\mathrm{d}s$")
        right.set_ylabel("curvature")
        for panel in self.axes_:
            panel.set_xlabel(_MARGIN[self.link])
            panel.grid(alpha=0.25)
        left.legend(loc="upper right", **LEGEND)
        return self

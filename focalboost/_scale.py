"""The scale of a model's margins: what a saved model says of it, and whether training may go on.

With the canonical link margins are log-odds of the posterior whatever gamma and alpha are. With the
paper's margin the same number stands for another posterior when gamma or alpha differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from focalboost.losses import FocalLoss

_LINK = "focalboost_link"
_LOSS = "focalboost_loss"  # with link="focal": gamma and alpha of each label


def says(loss: FocalLoss) -> dict[str, str]:
    """Return what a saved model says of its margins, by name."""
    said: dict[str, str] = {_LINK: loss.link}
    if loss.link == "focal":
        said[_LOSS] = repr((loss.gammas, loss.alphas))
    return said


def check_continued(said: Mapping[str, str | None], loss: FocalLoss) -> None:
    """Refuse to continue a model whose margins mean something else; models of others say nothing."""
    before = said.get(_LINK)
    if before not in (None, loss.link):
        raise ValueError(
            f"link must be that of the model to be continued, {before!r}, got {loss.link!r}: the same "
            "margin stands for another posterior"
        )
    of_model, own = said.get(_LOSS), says(loss).get(_LOSS)
    if own is not None and of_model not in (None, own):
        raise ValueError(
            f"gamma and alpha must be those of the model to be continued, {of_model}, got {own}: with "
            "link='focal' the same margin stands for another posterior; with link='canonical' they may "
            "change"
        )

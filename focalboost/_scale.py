"""The scale of a model's margins: what a saved model says of it, and whether training may go on.

With the canonical link margins are log-odds of the posterior whatever gamma and alpha are. With the
paper's margin the same number stands for another posterior when gamma or alpha differ.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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


def read(said: Mapping[str, str | None]) -> tuple[Any, Any, Any]:
    """Return gamma, alpha and link of a model; with the canonical link any gamma and alpha will do."""
    link = said.get(_LINK)
    if link not in ("focal", "canonical"):
        raise ValueError(
            "the model must be one of focalboost, which says what its margins mean; this one does not"
        )
    gamma, alpha = ast.literal_eval(said.get(_LOSS) or "0.0, None")
    return gamma, alpha, link


def check_continued(
    said: Mapping[str, str | None], loss: FocalLoss, objective: str, of_log_loss: bool
) -> None:
    """Refuse to continue a model whose margins mean something else.

    Models of others say nothing, except which ``objective`` they were trained with: that of log loss
    makes margins that are log-odds.
    """
    before = said.get(_LINK)
    if before is None:
        _check_foreign(loss, objective, of_log_loss)
        return
    if before != loss.link:
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


def _check_foreign(loss: FocalLoss, objective: str, of_log_loss: bool) -> None:
    """Check a model that does not say its link."""
    if not of_log_loss:
        raise ValueError(
            "the model to be continued must be one of focalboost or of log loss, got objective="
            f"{objective!r}: its margins are no log-odds. (In LightGBM a model that was saved by a "
            "callback, or trained with a custom objective, has none and lacks its starting value: "
            "call finalize with its loss first.)"
        )
    log_odds = not any(loss.gammas) and set(loss.alphas) == {1.0}
    if loss.link == "focal" and not log_odds:
        raise ValueError(
            "link must be 'canonical' to continue a model that does not say its link, got 'focal': the "
            "margins of log loss are log-odds, and with gamma or alpha those of the paper are not"
        )

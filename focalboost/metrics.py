"""Numbers computed from labels and margins or scores, for early stopping and reporting; host-free.

``focal_loss`` is the loss that is trained. The others say what a score is worth to whoever works on its
alerts: ``"recall@0.01"``, ``"precision@100"`` and ``"recall_at_precision@0.9"`` are their names where
metrics are named, in ``train`` and ``cv`` of both libraries, in the estimators' ``eval_metric``, and in
``scorer``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import _validation
from focalboost._immutable import Immutable
from focalboost._namespace import namespace, to_numpy
from focalboost.decisions import check_budget, check_fits, group_codes, scored
from focalboost.losses import FocalLoss

Floats = NDArray[np.float64]

NAME = "focal_loss"
"""What the metric is called in the hosts' histories."""


def with_users(own: Any, users: Any) -> list[Any]:
    """Return the user's metrics with our own last; in XGBoost the last one drives early stopping."""
    if users is None:
        return [own]
    return [*(users if isinstance(users, (list, tuple)) else [users]), own]


def sums(
    loss: FocalLoss, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[float, float]:
    """Return (sum of w l, sum of w) in double precision: workers add these before they divide.

    With labels and margins (n, targets) every target is an observation with the weight of its row. No
    rows give (0.0, 0.0).
    """
    per_row = loss.loss(y, margin)
    xp = namespace(per_row)
    wide = xp.astype(per_row, xp.float64)
    if sample_weight is None:
        return float(xp.sum(wide)), float(per_row.size)
    # In double precision: a large weight times a large loss is infinite in float32.
    n = per_row.shape[0]
    targets = per_row.size // max(n, 1)
    w: Any = _validation.sample_weight(sample_weight, n, wide)
    total = xp.sum(w[:, None] * xp.reshape(wide, (n, targets)))
    return float(total), float(xp.sum(w)) * targets


def focal_loss(
    loss: FocalLoss, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    r"""Weighted mean focal loss, sum(w l) / sum(w); lower is better.

    Parameters
    ----------
    loss : BinaryFocalLoss or SoftmaxFocalLoss
    y : array of shape (n,)
        Labels 0/1, or 0 .. K-1.
    margin : array of shape (n,) or (n, K)
        Margins, not scores.
    sample_weight : array of shape (n,), optional
        Non-negative, not all zero. None: equal weights.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For labels, margins or weights that the loss refuses, and for no rows.

    Examples
    --------
    >>> from focalboost import BinaryFocalLoss
    >>> round(focal_loss(BinaryFocalLoss(gamma=2.0), [0, 1], [-1.0, 1.0]), 6)
    0.022658
    """
    total, weight = sums(loss, y, margin, sample_weight)
    if weight == 0:
        raise ValueError("labels must not be empty: the mean loss of no rows is not defined")
    return total / weight


# ---- a budget of alerts -------------------------------------------------------------------------------


def recall_at_budget(
    y: ArrayLike,
    score: ArrayLike,
    budget: float,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> float:
    """Share of the positives that are found if only the highest scores are alerted.

    Parameters
    ----------
    y : array of shape (n,)
        Labels 0/1; at least one 1 with weight.
    score : array of shape (n,)
        Any number that is higher for rows that look more like positives: probabilities or margins.
    budget : float in (0, 1), or int >= 1
        Share of the rows, or number of alerts; of each group if there are groups.
    sample_weight : array of shape (n,), optional
        A row of weight 2 counts as two rows, among the positives and in the budget.
    groups : array of shape (n,), optional
        For example the day of each row.

    Returns
    -------
    float in [0, 1]

    Raises
    ------
    ValueError
        If there is no positive, the budget is not positive or larger than the (largest group of) rows,
        or a label, score, weight or group cannot be used.

    Notes
    -----
    Where the budget ends between two rows, or among rows of equal scores, the part that fits counts:
    the mean over all orders of those rows. So the result does not depend on the order of the rows.

    Examples
    --------
    >>> recall_at_budget([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], 0.5)
    0.5
    >>> recall_at_budget([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], 1, groups=["Mon", "Mon", "Tue", "Tue"])
    1.0
    """
    hits, positives, _ = _alerted(y, score, budget, sample_weight, groups)
    return _share(hits, positives)


def precision_at_budget(
    y: ArrayLike,
    score: ArrayLike,
    budget: float,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> float:
    """Share of positives among the alerts, if only the highest scores are alerted.

    Parameters
    ----------
    y, score, budget, sample_weight, groups
        As for ``recall_at_budget``.

    Returns
    -------
    float in [0, 1]

    Raises
    ------
    ValueError
        As ``recall_at_budget``, but no positive is needed.

    Examples
    --------
    >>> precision_at_budget([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], 3)
    0.6666666666666666
    """
    hits, _, alerts = _alerted(y, score, budget, sample_weight, groups)
    return hits / alerts


def recall_at_precision(
    y: ArrayLike, score: ArrayLike, precision: float, sample_weight: ArrayLike | None = None
) -> float:
    """Highest recall of all thresholds whose alerts have at least this precision.

    Parameters
    ----------
    y, score, sample_weight
        As for ``recall_at_budget``.
    precision : float in (0, 1]
        Smallest allowed share of positives among the alerts.

    Returns
    -------
    float in [0, 1]
        0 if no threshold reaches the precision.

    Raises
    ------
    ValueError
        As ``recall_at_budget``, and if the precision is outside (0, 1].

    Examples
    --------
    >>> recall_at_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], 0.6)
    1.0
    """
    values, _ = scored(score)
    labels, weight = _weighed(y, sample_weight, values)
    precision = _check_precision(precision)
    _, start = np.unique(-values, return_index=True)
    order = np.argsort(-values, kind="stable")
    first = np.searchsorted(-values[order], -values[start])
    total = np.add.reduceat(weight[order], first).cumsum()
    positive = np.add.reduceat((weight * labels)[order], first).cumsum()
    # A sum of weights may fall short of the exact one by its rounding.
    reached = (total > 0) & (positive >= precision * total * (1 - 1e-12))
    return _share(float(positive[reached].max()) if reached.any() else 0.0, float(positive[-1]))


def _check_precision(precision: Any) -> float:
    number = isinstance(precision, (int, float, np.number)) and not isinstance(precision, bool)
    if not (number and 0 < precision <= 1):
        raise ValueError(f"precision must be in (0, 1], got {precision!r}")
    return float(precision)


def _alerted(
    y: ArrayLike,
    score: ArrayLike,
    budget: float,
    sample_weight: ArrayLike | None,
    groups: ArrayLike | None,
) -> tuple[float, float, float]:
    """Return the weights of alerted positives, of positives and of alerts."""
    values, group = scored(score, groups)
    labels, weight = _weighed(y, sample_weight, values)
    budget = check_budget(budget)
    rows = np.bincount(group, weights=weight)
    check_fits(budget, rows)
    capacity = budget * rows if budget < 1 else np.minimum(budget, rows)
    order = np.lexsort((-values, group))
    changes = (np.diff(group[order]) != 0) | (np.diff(values[order]) != 0)
    first = np.concatenate([[0], np.flatnonzero(changes) + 1])  # of each run of equal scores
    size = np.add.reduceat(weight[order], first)
    positive = np.add.reduceat((weight * labels)[order], first)
    of_group = group[order][first]
    before = size.cumsum() - size - (rows.cumsum() - rows)[of_group]
    taken = np.clip(capacity[of_group] - before, 0, size)
    share = np.divide(taken, size, out=np.zeros(len(size)), where=size > 0)
    return float((positive * share).sum()), float(positive.sum()), float(capacity.sum())


def _weighed(
    y: ArrayLike, sample_weight: ArrayLike | None, values: Floats
) -> tuple[Floats, Floats]:
    """Return labels and weights of rows with these scores, in double precision."""
    labels = to_numpy(_validation.labels(to_numpy(y), 2, values.shape)).astype(np.float64)
    weight = _validation.sample_weight(sample_weight, len(values), values)
    return labels, np.ones(len(values)) if weight is None else np.asarray(weight)


def _share(part: float, positives: float) -> float:
    if positives == 0:
        raise ValueError(
            "y must have at least one 1 with weight, got none: its share is not defined"
        )
    return part / positives


# ---- money and cards ----------------------------------------------------------------------------------


def total_cost(
    y: ArrayLike,
    alert: ArrayLike,
    amount: ArrayLike,
    alert_cost: float,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Cost of a policy: each alert costs ``alert_cost``, each missed positive its amount.

    Parameters
    ----------
    y : array of shape (n,)
        1 for fraud, 0 for genuine.
    alert : array of shape (n,)
        True or 1 for the rows that the policy alerts.
    amount : array of shape (n,)
        At least 0, in the currency of ``alert_cost``.
    alert_cost : float >= 0
        Cost of one alert, right or wrong: the call, the new card.
    sample_weight : array of shape (n,), optional

    Returns
    -------
    float >= 0

    Raises
    ------
    ValueError
        If an argument has another shape, or an amount or the cost is negative or not finite.

    Notes
    -----
    The costs are those of ``focalboost.decisions.alert_costs``: an alert prevents the whole loss, and a
    wrong one annoys nobody.

    References
    ----------
    A. Correa Bahnsen, D. Aouada, B. Ottersten, "Example-dependent cost-sensitive decision trees", Expert
    Systems with Applications 42 (19), 2015, https://doi.org/10.1016/j.eswa.2015.04.042

    Examples
    --------
    >>> total_cost([1, 1, 0], [True, False, True], [50.0, 80.0, 20.0], alert_cost=2.0)
    84.0
    """
    alerted = np.asarray(to_numpy(alert))
    if alerted.ndim != 1 or not len(alerted) or not np.isin(alerted, (0, 1)).all():
        raise ValueError(
            f"alert must be True or False (1 or 0) for every row, got {alerted.dtype} {alerted.shape}"
        )
    alerted = alerted.astype(bool)
    labels = to_numpy(_validation.labels(to_numpy(y), 2, alerted.shape)).astype(bool)
    lost = np.asarray(to_numpy(amount))
    if lost.shape != alerted.shape or lost.dtype.kind not in "biuf":
        raise ValueError(
            f"amount must be numbers of shape {alerted.shape}, got {lost.dtype} {lost.shape}"
        )
    for name, values in (("amount", lost), ("alert_cost", np.asarray(alert_cost))):
        wrong = values.ndim > 1 or values.dtype.kind not in "biuf"
        if wrong or not (np.isfinite(values) & (values >= 0)).all():
            raise ValueError(f"{name} must be finite and at least 0, got {values!r}")
    if np.ndim(alert_cost):
        raise ValueError(f"alert_cost must be one number, got {alert_cost!r}")
    cost = np.where(alerted, float(alert_cost), np.where(labels, lost.astype(np.float64), 0.0))
    weight = _validation.sample_weight(sample_weight, len(cost), cost)
    return float(cost.sum() if weight is None else (cost * weight).sum())


def savings(
    y: ArrayLike,
    alert: ArrayLike,
    amount: ArrayLike,
    alert_cost: float,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of the cost that a policy saves, compared with the cheaper of alerting all rows and none.

    ::

        savings = 1 - cost(policy) / min(cost(no alert), cost(all alerts))

    Parameters
    ----------
    y, alert, amount, alert_cost, sample_weight
        As for ``total_cost``.

    Returns
    -------
    float < 1
        0: the policy costs as much as the cheaper trivial one. Negative: it costs more. The best
        possible value is below 1, because alerts that find the frauds cost as well.

    Raises
    ------
    ValueError
        If a trivial policy costs nothing, and whenever ``total_cost`` raises it.

    References
    ----------
    As for ``total_cost``.

    Examples
    --------
    >>> savings([1, 1, 0, 0], [True, True, False, False], [50.0, 70.0, 20.0, 9.0], alert_cost=10.0)
    0.5
    """
    cost = total_cost(y, alert, amount, alert_cost, sample_weight)
    trivial = min(
        total_cost(y, np.full(np.shape(alert), every), amount, alert_cost, sample_weight)
        for every in (False, True)
    )
    if trivial == 0:
        raise ValueError(
            "alert_cost must be above 0 and y must have frauds with an amount above 0, got alert_cost "
            f"{alert_cost} and a trivial policy that costs 0"
        )
    return 1 - cost / trivial


def card_precision(
    y: ArrayLike,
    score: ArrayLike,
    day: ArrayLike,
    card: ArrayLike,
    k: int,
    *,
    remove_detected: bool = True,
) -> float:
    """Mean share of compromised cards among the k cards with the highest scores of each day.

    A card's score on a day is that of its highest payment; it is compromised if one of its payments of
    that day is a fraud.

    Parameters
    ----------
    y, score : arrays of shape (n,)
        Labels 0/1, and any number that is higher for payments that look more like fraud.
    day, card : arrays of shape (n,)
        What tells days and cards apart; days must sort by time.
    k : int >= 1
        Cards that can be checked in a day.
    remove_detected : bool
        Whether a compromised card among the k is blocked, and ignored on all later days.

    Returns
    -------
    float in [0, 1]
        The compromised cards of each day are divided by k, even if the day has fewer than k cards. Cards
        with equal scores are taken in the order of ``card``.

    Raises
    ------
    ValueError
        If k is below 1, a label or score cannot be used, or a day or card is missing.

    References
    ----------
    Y.-A. Le Borgne, W. Siblini, B. Lebichot, G. Bontempi, "Reproducible machine learning for credit card
    fraud detection - practical handbook", ULB 2022, chapter 4, "Card precision top-k".

    Examples
    --------
    >>> card_precision([1, 0, 1, 1], [0.9, 0.8, 0.9, 0.1], [0, 0, 1, 1], [7, 7, 7, 8], k=1)
    1.0
    """
    values, _ = scored(score)
    labels, _ = _weighed(y, None, values)
    k = _validation.integer("k", k, 1)
    days, cards = (group_codes(g, len(values)) for g in (day, card))
    blocked = np.zeros(cards.max() + 1, dtype=bool)
    found = []
    for today in range(days.max() + 1):
        rows = (days == today) & ~blocked[cards]
        names, which = np.unique(cards[rows], return_inverse=True)
        highest = np.full(len(names), -np.inf)
        np.maximum.at(highest, which, values[rows])
        compromised = np.bincount(which, weights=labels[rows], minlength=len(names)) > 0
        alerts = np.argsort(-highest, kind="stable")[:k]
        hits = alerts[compromised[alerts]]
        found.append(len(hits) / k)
        if remove_detected:
            blocked[names[hits]] = True
    return float(np.mean(found))


# ---- by name ------------------------------------------------------------------------------------------

_NAMED: dict[str, tuple[Callable[..., float], str, Callable[[Any], float]]] = {
    "recall": (recall_at_budget, "budget", check_budget),
    "precision": (precision_at_budget, "budget", check_budget),
    "recall_at_precision": (recall_at_precision, "precision", _check_precision),
}


@dataclass(frozen=True)
class Named(Immutable):
    """A metric of labels 0/1 and scores with its parameter; higher is better."""

    name: str
    function: Callable[..., float]

    def value(self, y: ArrayLike, score: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return the metric; of several targets (n, targets) the mean."""
        scores = np.asarray(to_numpy(score))
        if scores.ndim < 2:
            return self.function(y, scores, sample_weight=sample_weight)
        each = zip(np.asarray(to_numpy(y)).T, scores.T, strict=True)
        return float(np.mean([self.function(t, s, sample_weight=sample_weight) for t, s in each]))


def ranking(loss: FocalLoss, margin: Any) -> Any:
    """Return what rows are ranked by: the margin; of softmax with two classes, their difference."""
    return margin[:, 1] - margin[:, 0] if loss.n_outputs == 2 else margin


def named(name: Any, n_classes: int = 2) -> Named | None:
    """Return the metric that a name like ``"recall@0.01"`` stands for, or None for another kind of name.

    Raises
    ------
    ValueError
        If the parameter cannot be used, or there are more than two classes.
    """
    found = re.fullmatch(r"(\w+)@(.*)", name) if isinstance(name, str) else None
    if found is None or found[1] not in _NAMED:
        return None
    function, parameter, check = _NAMED[found[1]]
    if n_classes > 2:
        raise ValueError(
            f"{name!r} needs two classes, got {n_classes}: write a metric of the class that you mean"
        )
    try:
        given = check(int(found[2]) if found[2].isdigit() else float(found[2]))
    except ValueError as error:
        raise ValueError(f"{name!r} must have its {parameter} after the @; {error}") from error
    return Named(name, partial(function, **{parameter: given}))


def scorer(name: str, *, pos_label: Any = None) -> Any:
    """Return a scikit-learn scorer for a name like ``"recall@0.01"``.

    Parameters
    ----------
    name : str
        "recall@b" and "precision@b" with a budget b, a share or a number of alerts;
        "recall_at_precision@p".
    pos_label : label, optional
        The class that is looked for. None: the label 1.

    Returns
    -------
    callable
        A scorer for GridSearchCV, cross_validate, ...; it reads ``predict_proba``. With metadata routing
        it takes ``sample_weight``, and with a budget ``groups``, for example the day of each row.

    Raises
    ------
    ValueError
        If the name or its parameter is unknown; when called, for labels other than 0, 1 and -1 without
        ``pos_label``.
    ImportError
        Without scikit-learn.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = [[0.0], [1.0], [2.0], [3.0]]; y = ["fine", "fine", "fraud", "fraud"]
    >>> scorer("recall@0.25", pos_label="fraud")(LogisticRegression().fit(X, y), X, y)
    0.5
    """
    from sklearn.metrics import make_scorer

    metric = named(name)
    if metric is None:
        raise ValueError(
            f"name must be one of {', '.join(f'{n}@number' for n in _NAMED)}, got {name!r}"
        )
    given = {} if pos_label is None else {"pos_label": pos_label}
    of_labels = partial(_of_labels, metric.function)
    of_labels.__name__ = name  # type: ignore[attr-defined]
    return make_scorer(of_labels, response_method="predict_proba", **given)


def _of_labels(
    function: Callable[..., float], y: ArrayLike, score: Any, *, pos_label: Any = None, **more: Any
) -> float:
    """Return the metric of labels of any kind."""
    labels = np.asarray(y)
    if pos_label is None and not np.isin(labels, (-1, 0, 1)).all():
        raise ValueError(
            f"pos_label must be given for labels other than 0, 1 and -1, got {labels[:3].tolist()}"
        )
    return function(labels == (1 if pos_label is None else pos_label), score, **more)

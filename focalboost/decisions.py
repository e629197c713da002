"""From posteriors to actions: the cheapest action of each row, and alerts within a budget.

::

    p = classifier.predict_proba(X)[:, 1]
    decide(p, alert_costs(amount, alert_cost=5.0))       # 1: alert, because it costs less than not to
    alerts_within_budget(p, 100, groups=day)             # the 100 highest of each day

The first needs true probabilities, the second any score. For a fixed cost matrix and scikit-learn's
``cross_validate`` see ``focalboost.estimators.CostSensitiveClassifier``.

[E] C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001.

[B] A. Correa Bahnsen, D. Aouada, B. Ottersten, "Example-dependent cost-sensitive decision trees", Expert
Systems with Applications 42 (19), 2015, https://doi.org/10.1016/j.eswa.2015.04.042.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import _validation
from focalboost._namespace import to_numpy

__all__ = [
    "alert_costs",
    "alerts_within_budget",
    "decide",
    "expected_cost",
    "threshold_for_budget",
]

Floats = NDArray[np.float64]


def expected_cost(posterior: ArrayLike, costs: ArrayLike) -> Floats:
    r"""Return what each action costs on average, given what is known of each row.

    ::

        cost of action a for row i = sum over classes k of P(k given x_i) costs[i, k, a]

    Parameters
    ----------
    posterior : array of shape (n,) or (n, K)
        P(y = 1 given x), or one column per class with rows summing to 1. They must be true
        probabilities: those of ``predict_proba``, or of a booster trained with ``link="canonical"``.
    costs : array of shape (K, A), or (n, K, A)
        Cost of each of A actions (columns) if the row belongs to class k (rows), in any currency; the
        same for all rows, or one matrix for each. Negative costs are gains. K is 2 for posteriors (n,).

    Returns
    -------
    float array of shape (n, A)
        In the currency of ``costs``.

    Raises
    ------
    ValueError
        If a posterior is outside [0, 1], rows do not sum to 1, or costs are not finite or have another
        shape.

    References
    ----------
    [E], equation 1.

    Examples
    --------
    Three actions for a payment: let it pass, ask the customer, block the card.

    >>> costs = [[0.0, 1.0, 20.0],    # genuine
    ...          [100.0, 30.0, 2.0]]  # fraud
    >>> expected_cost([0.001, 0.1, 0.9], costs).round(1)
    array([[ 0.1,  1. , 20. ],
           [10. ,  3.9, 18.2],
           [90. , 27.1,  3.8]])
    """
    eta = _columns(posterior)
    n, k = eta.shape
    matrix = _finite("costs", costs)
    if matrix.ndim not in (2, 3) or matrix.shape[-2] != k or matrix.shape[-1] == 0:
        raise ValueError(
            f"costs must have shape ({k}, actions), or ({n}, {k}, actions) with one matrix per row, "
            f"got {matrix.shape}"
        )
    if matrix.ndim == 2:
        return np.asarray(eta @ matrix)
    if len(matrix) != n:
        raise ValueError(f"costs must have one matrix for each of the {n} rows, got {len(matrix)}")
    return np.asarray(np.einsum("ik,ika->ia", eta, matrix))


def decide(posterior: ArrayLike, costs: ArrayLike) -> NDArray[np.int64]:
    """Return the cheapest action of each row.

    Parameters
    ----------
    posterior, costs
        As for ``expected_cost``.

    Returns
    -------
    int array of shape (n,)
        Actions 0 .. A-1; of equally cheap ones the first.

    Raises
    ------
    ValueError
        As ``expected_cost``.

    References
    ----------
    [E], equation 1. For two classes and two actions it is a threshold, equation 2.

    Examples
    --------
    >>> decide([0.001, 0.1, 0.9], [[0.0, 1.0, 20.0], [100.0, 30.0, 2.0]])
    array([0, 1, 2])
    """
    return np.asarray(expected_cost(posterior, costs).argmin(axis=1), dtype=np.int64)


def alert_costs(amount: ArrayLike, alert_cost: ArrayLike) -> Floats:
    """Return the costs of no alert (action 0) and of an alert (action 1) for two classes.

    ::

                     no alert   alert
        genuine             0   alert_cost
        fraud          amount   alert_cost

    With these costs ``decide`` alerts where P(fraud) > alert_cost / amount.

    Parameters
    ----------
    amount : float, or array of shape (n,)
        What a missed fraud costs, >= 0.
    alert_cost : float, or array of shape (n,)
        What an alert costs, right or wrong, >= 0: the call, the new card.

    Returns
    -------
    float array of shape (2, 2), or (n, 2, 2)

    Raises
    ------
    ValueError
        If a number is negative or not finite, or the shapes differ.

    Notes
    -----
    An alert is taken to prevent the whole loss, and a wrong one to annoy nobody. Write other matrices
    by hand.

    References
    ----------
    [B], cost matrix of credit card fraud.

    Examples
    --------
    A payment of 500 is worth a call at 3 % fraud, one of 50 is not:

    >>> decide([0.03, 0.03], alert_costs([500.0, 50.0], alert_cost=5.0))
    array([1, 0])
    """
    missed, alert = _finite("amount", amount), _finite("alert_cost", alert_cost)
    for name, values in (("amount", missed), ("alert_cost", alert)):
        if values.ndim > 1:
            raise ValueError(f"{name} must be a number or have shape (n,), got {values.shape}")
        if (values < 0).any():
            raise ValueError(f"{name} must be at least 0, got {values.min()}")
    if missed.ndim and alert.ndim and missed.shape != alert.shape:
        raise ValueError(
            f"amount and alert_cost must have one entry per row each, got {missed.shape} and "
            f"{alert.shape}"
        )
    missed, alert = np.broadcast_arrays(missed, alert)
    costs = np.zeros((*missed.shape, 2, 2))
    costs[..., 1, 0] = missed
    costs[..., :, 1] = alert[..., None]
    return costs


def alerts_within_budget(
    score: ArrayLike, budget: float, groups: ArrayLike | None = None
) -> NDArray[np.bool_]:
    """Return which rows are alerted if only so many can be: those with the highest scores.

    Parameters
    ----------
    score : array of shape (n,)
        Any number that is higher where an alert is more worthwhile.
    budget : float in (0, 1), or int >= 1
        Share of the rows, or number of alerts; of each group if there are groups. A share is rounded
        down to whole alerts.
    groups : array of shape (n,), optional
        For example the day or the team of each row. A group of fewer rows than the budget is alerted
        whole.

    Returns
    -------
    bool array of shape (n,)
        Of equal scores the earlier rows come first.

    Raises
    ------
    ValueError
        If the budget is not positive, allows no alert at all or more than there are rows; if a score is
        not finite or a group is missing.

    Examples
    --------
    >>> alerts_within_budget([0.9, 0.1, 0.8, 0.7], 1, groups=["Mon", "Mon", "Tue", "Tue"])
    array([ True, False,  True, False])
    """
    values, group = scored(score, groups)
    sizes = np.bincount(group)
    allowed = whole_alerts(budget, sizes)
    if not allowed.any():
        raise ValueError(
            f"budget must allow an alert in some group, got {budget!r} of {_sizes(sizes)}"
        )
    order = np.lexsort((np.arange(len(values)), -values, group))
    first = np.cumsum(sizes) - sizes
    place = np.empty(len(values), dtype=np.int64)
    place[order] = np.arange(len(values)) - first[group[order]]
    return np.asarray(place < allowed[group])


def threshold_for_budget(score: ArrayLike, budget: float, groups: ArrayLike | None = None) -> float:
    """Return the score from which on a past period would have been alerted within its budget.

    Alerting ``score >= threshold`` in the next period keeps to the budget on average if that period is
    like this one. A single day may need more or fewer alerts.

    Parameters
    ----------
    score : array of shape (n,)
        Scores of the past period.
    budget : float in (0, 1), or int >= 1
        Share of the rows, or number of alerts in each group.
    groups : array of shape (n,), optional
        For example the day of each row: the budget of the period is then ``budget`` times the number of
        days. None: the period is one group.

    Returns
    -------
    float
        The lowest score whose alerts are within the budget of the period; infinite if even the highest
        score is shared by more rows than that.

    Raises
    ------
    ValueError
        As ``alerts_within_budget``.

    Examples
    --------
    >>> threshold_for_budget([0.9, 0.1, 0.8, 0.7], 1, groups=["Mon", "Mon", "Tue", "Tue"])
    0.8
    """
    values, group = scored(score, groups)
    # A share of the period is a share of each day.
    sizes = np.array([len(values)]) if check_budget(budget) < 1 else np.bincount(group)
    allowed = int(whole_alerts(budget, sizes).sum())
    if allowed == 0:
        raise ValueError(f"budget must allow an alert, got {budget!r} of {len(values)} rows")
    distinct, counts = np.unique(-values, return_counts=True)
    within = np.flatnonzero(np.cumsum(counts) <= allowed)
    return float(-distinct[within[-1]]) if len(within) else math.inf


def check_budget(budget: Any) -> float:
    """Return a share in (0, 1) or a number of alerts."""
    whole = isinstance(budget, (int, np.integer)) and not isinstance(budget, bool)
    real = isinstance(budget, (float, np.floating))
    if (whole and budget >= 1) or (real and 0 < budget < 1):
        return budget  # type: ignore[no-any-return]
    raise ValueError(
        f"budget must be a share in (0, 1) or a number of alerts (int >= 1), got {budget!r}"
    )


def whole_alerts(budget: float, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the alerts that a budget allows in groups of these sizes."""
    budget = check_budget(budget)
    if budget < 1:
        # 0.29 * 100 is 28.999999999999996.
        return np.floor(np.round(budget * sizes, 9)).astype(np.int64)
    check_fits(budget, sizes)
    return np.minimum(int(budget), sizes)


def check_fits(budget: float, sizes: NDArray[Any]) -> None:
    """Check that a number of alerts is at most the number of rows, or weight, of the largest group."""
    if budget >= 1 and budget > sizes.max():
        raise ValueError(
            f"budget must be at most the number of rows, {_sizes(sizes)}, got {budget!r}"
        )


def _sizes(sizes: NDArray[Any]) -> str:
    return f"{sizes[0]:g}" if len(sizes) == 1 else f"at most {sizes.max():g} in a group"


def group_codes(groups: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return 0 .. G-1 for the values of ``groups``; none may be missing."""
    values = np.asarray(groups)
    if values.shape != (n,):
        raise ValueError(f"groups must have one entry for each of the {n} rows, got {values.shape}")
    if values.dtype.kind in "Mm":
        missing = np.isnat(values)
    else:
        missing = np.array([_is_missing(v) for v in values.tolist()], dtype=bool)
    if missing.any():
        raise ValueError(
            f"groups must have no missing value, got one at row {int(missing.argmax())}"
        )
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA is neither equal nor different
        return True


def scored(score: ArrayLike, groups: ArrayLike | None = None) -> tuple[Floats, NDArray[np.int64]]:
    """Return finite scores and group codes."""
    values = _finite("score", score)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"score must have shape (n,) with n > 0, got {values.shape}")
    if groups is None:
        return values, np.zeros(len(values), dtype=np.int64)
    return values, group_codes(groups, len(values))


def _finite(name: str, values: ArrayLike) -> Floats:
    """Return real, finite numbers in double precision."""
    array = np.asarray(to_numpy(values))
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be real numbers, got dtype {array.dtype}")
    bad = ~np.isfinite(array)
    if bad.any():
        raise ValueError(f"{name} must be finite, got {array[bad].flat[0]}")
    return array.astype(np.float64)


def _columns(posterior: ArrayLike) -> Floats:
    """Return posteriors (n, K) in double precision."""
    eta = np.asarray(_validation.posterior(posterior), dtype=np.float64)
    if eta.ndim == 1:
        return np.column_stack([1 - eta, eta])
    if eta.ndim != 2 or eta.shape[1] < 2:
        raise ValueError(f"posterior must have shape (n,) or (n, K), got {eta.shape}")
    off = np.abs(eta.sum(axis=1) - 1)
    if len(off) and off.max() > 1e-3:
        row = int(off.argmax())
        raise ValueError(f"rows of posterior must sum to 1, got {eta[row].sum():g} at row {row}")
    return eta

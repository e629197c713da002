"""From numbers to sentences that claim no more than the numbers show; pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from shlex import join, quote
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ALERTS = 0.01  # share of the test rows that is alerted
CONFIDENCE = 0.99  # of each interval: with six of them, all hold with at least 94 %
REPLICATES = 1000
METRICS = ("average precision", "log loss", "recall at 1 % alerts")
EXPECTED = "expected positives"
TOO_GOOD = 0.99
FAR_OFF = 0.1  # share by which the expected number of positives misses the number that came


class Difference(NamedTuple):
    """Focal loss minus log loss on one library and metric, with its interval."""

    library: str
    metric: str
    value: float
    low: float
    high: float

    @property
    def better(self) -> int:
        """1 if focal loss is better, -1 if worse, 0 if the interval includes zero."""
        sign = -1 if self.metric == "log loss" else 1
        return sign * ((self.low > 0) - (self.high < 0))

    @property
    def texts(self) -> tuple[str, ...]:
        """Difference, lower and upper end of the interval."""
        digits = 5 if self.metric == "log loss" else 3
        return tuple(f"{x:+.{digits}f}" for x in (self.value, self.low, self.high))


# ---- numbers -------------------------------------------------------------------------------------


def scores(y: Ints, p: Floats) -> dict[str, float]:
    """Return the metrics of one model; with the Brier score and the sum of its probabilities."""
    value = dict(zip(METRICS, _Ranked(y, p).scores(np.ones(len(y))), strict=True))
    return value | {"Brier score": float(np.mean((p - y) ** 2)), EXPECTED: float(np.sum(p))}


def count_interval(y: Ints, group: Ints | None = None) -> tuple[float, float]:
    """Return the interval of the number of positives that could have come by chance.

    That of a Poisson count (Garwood 1936). Positives of one group come together, so that they say less:
    Kish's effective number replaces the number of positives.
    """
    in_unit = (
        y if group is None else np.bincount(np.unique(group, return_inverse=True)[1], weights=y)
    )
    effective = float(y.sum() ** 2 / (in_unit**2).sum())
    tail = (1 - CONFIDENCE) / 2
    low, high = chi2.ppf([tail, 1 - tail], [2 * effective, 2 * effective + 2]) / 2
    return float(low * y.sum() / effective), float(high * y.sum() / effective)


def differences(
    y: Ints,
    probability: Mapping[str, tuple[Floats, Floats]],
    group: Ints | None = None,
    *,
    replicates: int = REPLICATES,
    tick: Callable[[], Any] = lambda: None,
) -> list[Difference]:
    """Compare (log loss, focal loss) of each library; percentile intervals of a paired bootstrap.

    Test rows are drawn with replacement, whole groups of rows if there are groups. All models are judged
    on the same draw.
    """
    ranked = {library: [_Ranked(y, p) for p in pair] for library, pair in probability.items()}
    unit = np.arange(len(y)) if group is None else np.unique(group, return_inverse=True)[1]
    n = int(unit.max()) + 1
    rng = np.random.default_rng(0)

    def change(weight: Floats) -> list[Floats]:
        return [pair[1].scores(weight) - pair[0].scores(weight) for pair in ranked.values()]

    drawn = np.empty((replicates, len(ranked), len(METRICS)))
    for i in range(replicates):
        drawn[i] = change(np.bincount(rng.integers(n, size=n), minlength=n)[unit].astype(float))
        tick()
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail], axis=0)
    value = change(np.ones(len(y)))
    return [
        Difference(library, metric, *(float(a[i][j]) for a in (value, low, high)))
        for i, library in enumerate(ranked)
        for j, metric in enumerate(METRICS)
    ]


class _Ranked:
    """One model's test rows in order of its predictions, sorted once for all draws.

    Recall and precision change only at blocks of equal predictions that have positives.
    """

    def __init__(self, y: Ints, p: Floats) -> None:
        self._order = np.argsort(-p, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(p[self._order])) + 1, len(p))
        self._positive = np.flatnonzero(y[self._order])
        block, last = np.unique(
            np.searchsorted(ends, self._positive, side="right"), return_index=True
        )
        self._last = np.append(last[1:], len(self._positive)) - 1  # positive of each block
        self._start, self._end = np.append(0, ends)[block], ends[block]
        tiny = np.finfo(np.float64).eps  # as sklearn.metrics.log_loss: a certain mistake is finite
        self._loss = -np.log(np.clip(np.where(y == 1, p, 1 - p), tiny, None))

    def scores(self, weight: Floats) -> Floats:
        """Return average precision, log loss and recall at the alerts of weighted rows."""
        w = weight[self._order]
        rows = np.append(0, w.cumsum())
        found = w[self._positive].cumsum()[self._last]
        if found[-1] == 0:  # no positive was drawn
            return np.full(3, np.nan)
        alerted = rows[self._end]
        precision = np.divide(found, alerted, out=np.zeros(len(found)), where=alerted > 0)
        # Products and sums, because BLAS would wake all cores for each @.
        ap = (np.diff(found, prepend=0) * precision).sum() / found[-1]
        # Where the budget ends among rows of equal scores, the part of them that fits counts.
        corners = np.stack([rows[self._start], alerted], axis=1).ravel()
        reached = np.stack([np.append(0, found[:-1]), found], axis=1).ravel()
        recall = np.interp(ALERTS * rows[-1], corners, reached) / found[-1]
        return np.array([ap, (weight * self._loss).sum() / rows[-1], recall])


# ---- sentences -----------------------------------------------------------------------------------


def verdict(found: Sequence[Difference]) -> list[str]:
    """Return one sentence for each library."""
    sentences = []
    for library in dict.fromkeys(d.library for d in found):
        own = [d for d in found if d.library == library]
        claims = [_claim(d) for d in own if d.better]
        open_ = [d.metric for d in own if not d.better]
        if not claims:
            sentence = f"{library}: focal loss and log loss cannot be told apart on this table."
        else:
            sentence = f"{library}: focal loss {' and '.join(claims)}."
            if open_:
                sentence += f" In {' and '.join(open_)} the two cannot be told apart."
        sentences.append(sentence)
    return sentences


def expectation(
    models: Mapping[str, Mapping[str, float]], y: Ints, group: Ints | None
) -> list[str]:
    """Return a sentence if every model expects far too few positives, or every model far too many.

    Chance does not explain it, and each model misses the number that came by a tenth at least.
    """
    came = int(y.sum())
    low, high = count_interval(y, group)
    least, most = (f([m[EXPECTED] for m in models.values()]) for f in (min, max))
    if most < min(low, (1 - FAR_OFF) * came):
        side = "low"
    elif least > max(high, (1 + FAR_OFF) * came):
        side = "high"
    else:
        return []
    return [
        f"All models: the probabilities are too {side}, they expect {least:,.0f} to {most:,.0f} "
        f"positives where {came:,} came ({100 * CONFIDENCE:.0f} % interval "
        f"[{low:,.0f}, {high:,.0f}]): try fewer rounds or early stopping, or calibrate on newer rows "
        "that the model has not seen (CalibratedClassifierCV with folds of whole groups, as in "
        "examples/5_decisions.ipynb)."
    ]


def _claim(d: Difference) -> str:
    words = {
        METRICS[0]: ("ranks better", "ranks worse"),
        METRICS[1]: ("predicts better probabilities", "predicts worse probabilities"),
        METRICS[2]: ("finds more with few alerts", "finds less with few alerts"),
    }[d.metric][d.better < 0]
    value, low, high = d.texts
    return f"{words} ({d.metric} {value} [{low}, {high}])"


def advice(found: Sequence[Difference], doubts: bool, named: Sequence[str], gamma: float) -> str:
    """Return what to do next, in one or two sentences; ``named`` are columns under suspicion."""
    if doubts:
        drop = f" (--drop {join(named)} leaves out all columns that they name)" if named else ""
        return f"First settle the warnings about columns and classes{drop}; then compare again."
    tune = "choose gamma by focalboost.estimators.select_gamma, with 0 among the candidates"
    directions = {d.better for d in found} - {0}
    if directions == {1} and gamma == 0:
        return (
            "Gamma 0 is log loss too: what helps is the bounded curvature. Keep it if it helps on "
            "another split as well (--time or --group)."
        )
    return {
        (1,): f"Run again with --gamma 0: the bounded curvature alone may explain it. Then {tune}.",
        (-1,): f"Keep log loss here. If focal loss must be tried further, {tune}.",
        (-1, 1): f"Decide which of the numbers counts for you. Then {tune}.",
        (): f"Keep log loss, the simpler choice. If you want to look further, {tune}.",
    }[tuple(sorted(directions))]


def percent(share: float) -> str:
    """Return a share as text, with three digits at most."""
    return f"{100 * share:.3g} %"


def warnings(
    y: Ints,
    rate: float,
    models: Mapping[str, Mapping[str, float]],
    alone: Mapping[str, float],
    suspects: Mapping[str, str],
    copies: float,
    groups: int | None,
) -> tuple[list[str], list[str], list[str]]:
    """Return what makes the numbers doubtful, the columns that this names, and what limits them.

    Parameters
    ----------
    y : array of shape (n,)
        Labels of the test rows.
    rate : float
        Share of positives among the training rows.
    models : mapping of str to mapping
        Scores of each model.
    alone : mapping of str to float
        Average precision of single columns.
    suspects : mapping of str to str
        Columns that look like ids or times, and why.
    copies : float
        Share of the test rows that are also training rows.
    groups : int or None
        Number of groups among the test rows.
    """
    doubts, limits = [], []
    share, alerts = y.mean(), ALERTS * len(y)
    best = max(m[METRICS[0]] for m in models.values())
    if best > TOO_GOOD:
        doubts.append(
            f"An average precision of {best:.3f} is too good to be true on most tables. Look for a "
            "column that is only known after the answer."
        )
    giving = [c for c, ap in alone.items() if ap >= 0.95 * best and best >= max(0.5, 2 * share)]
    doubts += [
        f"Column {column!r} alone gives average precision {alone[column]:.3f}. If it is not known when "
        f"the model is asked, leave it out: --drop {quote(column)}."
        for column in giving
    ]
    doubts += [f"Column {column!r} {why}." for column, why in suspects.items()]
    if share > 0.5:
        doubts.append(
            f"The class called positive is the majority ({percent(share)} of the test rows): average "
            "precision and recall are made for rare positives. --positive names the other class."
        )
    if y.sum() > alerts:
        limits.append(
            f"With {y.sum():,} positives and {alerts:,.0f} alerts, {METRICS[2]} is at most "
            f"{percent(alerts / y.sum())}."
        )
    elif all(m[METRICS[2]] == 1 for m in models.values()):
        limits.append(f"All models find every positive: {METRICS[2]} is at its ceiling.")
    constant = -(share * np.log(rate) + (1 - share) * np.log1p(-rate))
    if idle := [name for name, m in models.items() if m["log loss"] >= 0.999 * constant]:
        limits.append(
            f"By log loss no better than predicting {percent(rate)} for every row ({constant:.5f}): "
            f"{'; '.join(idle)}."
        )
    for n, few, units in ((int(y.sum()), 50, "positives"), (groups, 30, "groups")):
        if n is not None and n < few:
            limits.append(f"Only {n} {units} are in the test rows: the intervals are rough.")
    if copies > 0.01:
        limits.append(
            f"{percent(copies)} of the test rows are exact copies of training rows: on new rows the "
            "models may be worse."
        )
    return doubts, list(dict.fromkeys([*giving, *suspects])), limits

"""Choose gamma only where it is better than log loss by more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student
from sklearn.base import clone
from sklearn.model_selection import RepeatedStratifiedKFold, check_cv, cross_val_score
from sklearn.utils import indexable

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GammaSelection:
    """What ``select_gamma`` found.

    Attributes
    ----------
    gamma : float
        The gamma to use; 0 unless another is better by more than chance.
    table : dict of str to list
        One row per gamma, for ``pandas.DataFrame``: "gamma", "mean" score, and for gamma > 0 the
        "difference" to gamma 0, its "standard error", and "p", adjusted for the number of candidates.
    scores : array of shape (G, n_splits)
        Of each gamma on each split.
    sentence : str
        The result in words.
    """

    gamma: float
    table: dict[str, list[float]]
    scores: Floats
    sentence: str
    scoring: str

    def plot(self, ax: Any = None) -> Any:
        """Draw scores against gamma, as a ``focalboost.plotting.GammaSweepDisplay``."""
        from focalboost.plotting import GammaSweepDisplay

        name = self.scoring
        return GammaSweepDisplay.from_results(self.table["gamma"], {name: self.scores}, ax=ax)

    def __str__(self) -> str:
        return self.sentence


def select_gamma(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    gammas: Sequence[float] = (0.0, 0.5, 1.0, 2.0, 5.0),
    *,
    cv: Any = None,
    scoring: Any = "neg_log_loss",
    confidence: float = 0.95,
    param: str = "focal_gamma",
    params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
) -> GammaSelection:
    r"""Choose gamma by cross-validation, and keep 0 unless another is better by more than chance.

    The gamma with the best mean score is often better by chance. Here gamma > 0 must beat gamma 0 on the
    same splits, in a one-sided t test of the differences d_1 .. d_J, whose variance is corrected because
    training rows are shared between splits (Nadeau and Bengio)::

        t = mean(d) / sqrt((1/J + n_test/n_train) var(d)),   J - 1 degrees of freedom

    with Holm's correction for the number of candidates. So if no gamma helps, one above 0 is chosen with
    a probability of at most ``1 - confidence``, as far as the test holds.

    Parameters
    ----------
    estimator : classifier
        With the parameter ``param``: FocalXGBClassifier, FocalLGBMClassifier, or a pipeline with one.
    X, y : arrays or frames
    gammas : sequence of float >= 0
        Distinct candidates, 0 among them.
    cv : int, splitter or iterable, optional
        As in ``cross_validate``. None: 5 stratified folds, repeated 4 times with other shuffles. Rows in
        order of time need ``TimeSeriesSplit``.
    scoring : str or callable
        A scorer that can be compared between gammas: not the focal loss itself.
    confidence : float in (0.5, 1)
    param : str
        Name of the parameter, for example ``"model__focal_gamma"`` in a pipeline.
    params : mapping, optional
        Passed on to ``cross_val_score``, as its ``params``.
    n_jobs : int, optional
        As in ``cross_val_score``.

    Returns
    -------
    GammaSelection
        ``estimator.set_params(focal_gamma=selection.gamma).fit(X, y)`` uses it.

    Raises
    ------
    ValueError
        If ``gammas`` are negative, not distinct or without 0, there are fewer than two splits, or the
        confidence is outside (0.5, 1); what a fit or the scorer raises.

    Notes
    -----
    ``GridSearchCV(refit=callable)`` cannot do this: a refit callable does not learn how many rows were
    trained and tested on.

    References
    ----------
    C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003, section 3.
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6, 1979.

    Examples
    --------
    >>> from focalboost import FocalLGBMClassifier
    >>> X = np.random.default_rng(0).normal(size=(300, 2)); y = X[:, 0] > 1
    >>> classifier = FocalLGBMClassifier(n_estimators=5, verbosity=-1, n_jobs=1)
    >>> print(select_gamma(classifier, X, y, [0.0, 2.0], cv=3))
    Use gamma 0: none of the other gammas tried is better in neg_log_loss with 95 % confidence.
    """
    candidates = _candidates(gammas)
    if not 0.5 < confidence < 1:
        raise ValueError(f"confidence must be in (0.5, 1), got {confidence!r}")
    X, y = indexable(X, y)
    if cv is None:
        cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=4, random_state=0)
    splits = list(check_cv(cv, y, classifier=True).split(X, y, **_groups(params)))
    if len(splits) < 2:
        raise ValueError(f"cv must have at least two splits, got {len(splits)}")
    scores = np.array(
        [
            cross_val_score(
                clone(estimator).set_params(**{param: gamma}),
                X,
                y,
                cv=splits,
                scoring=scoring,
                n_jobs=n_jobs,
                error_score="raise",
                **({} if params is None else {"params": {**params}}),
            )
            for gamma in candidates
        ]
    )
    if not np.isfinite(scores).all():
        raise ValueError("scoring must give finite scores on every split, got NaN or infinity")
    share = float(np.mean([len(test) / len(train) for train, test in splits]))
    return _select(candidates, scores, share, confidence, _name(scoring))


def _select(
    gammas: Floats, scores: Floats, share: float, confidence: float, name: str
) -> GammaSelection:
    """Test every gamma against the first, which is 0, and choose; ``share`` is n_test / n_train."""
    others = gammas[1:]
    d = scores[1:] - scores[0]
    n = d.shape[1]
    error = np.sqrt((1 / n + share) * d.var(axis=1, ddof=1))
    mean = d.mean(axis=1)
    # Equal differences on every split: nothing is uncertain.
    t = np.divide(mean, error, out=np.where(mean > 0, np.inf, -np.inf), where=error > 0)
    t[mean == 0] = 0
    p = _holm(student.sf(t, n - 1))
    better = np.flatnonzero(p < 1 - confidence)
    sure = f"{confidence:.0%}".replace("%", " %")
    if len(better):
        best = better[np.argmax(mean[better])]
        chosen = float(others[best])
        sentence = (
            f"Use gamma {chosen:g}: its {name} is higher than that of gamma 0 by {mean[best]:.3g}, with "
            f"{sure} confidence among {len(others)} tried (p = {p[best]:.2g})."
        )
    else:
        chosen = 0.0
        sentence = (
            f"Use gamma 0: none of the other gammas tried is better in {name} with {sure} "
            "confidence."
        )
    columns = {"difference": mean, "standard error": error, "p": p}
    table = {"gamma": gammas.tolist(), "mean": scores.mean(axis=1).tolist()}
    table |= {column: [np.nan, *values.tolist()] for column, values in columns.items()}
    return GammaSelection(chosen, table, scores, sentence, name)


def _holm(p: Floats) -> Floats:
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    found = np.empty(len(p))
    found[order] = np.minimum(adjusted, 1)
    return found


def _candidates(gammas: Any) -> Floats:
    values = np.asarray(gammas)
    numbers = values.ndim == 1 and values.dtype.kind in "iuf"
    if not numbers or not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(f"gammas must be finite numbers >= 0, got {gammas!r}")
    values = np.sort(values.astype(np.float64))
    if len(values) < 2 or values[0] != 0 or (np.diff(values) == 0).any():
        raise ValueError(f"gammas must be 0 and at least one other, all distinct, got {gammas!r}")
    return values


def _groups(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"groups": params["groups"]} if params and "groups" in params else {}


def _name(scoring: Any) -> str:
    if isinstance(scoring, str):
        return scoring
    score = getattr(scoring, "_score_func", scoring)
    return str(getattr(score, "__name__", type(score).__name__))

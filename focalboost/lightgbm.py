r"""Focal loss in LightGBM: objective, metric, train, cv and finalize.

This module translates LightGBM's parameters and containers; the loss computes. LightGBM has no starting
value for a custom objective and saves no link for it. ``train`` therefore starts from the focal
intercept, and ``finalize`` writes intercept and link into the finished model, as native training does.
``predict`` then gives SCORES, the sigmoid or softmax of the margin: with ``link="canonical"`` these are
probabilities, with ``link="focal"`` use ``loss.posterior(booster.predict(X, raw_score=True))``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from focalboost import _rounds, _validation, metrics
from focalboost._curvature import POLICIES, Curvature
from focalboost._immutable import Immutable
from focalboost._lightgbm_model import (
    continued,
    finalize,
    grown_natively,
    native_start,
    nothing_to_split,
)
from focalboost._progress import Bar
from focalboost.losses import FocalLoss, check_loss

__all__ = ["Metric", "Objective", "ProgressBar", "cv", "finalize", "train"]

# LightGBM's aliases of the parameters that matter next to a custom objective.
ALIASES = {
    "objective": ("objective", "objective_type", "app", "application", "loss"),
    "num_class": ("num_class", "num_classes"),
    "metric": ("metric", "metrics", "metric_types"),
    "boosting": ("boosting", "boosting_type", "boost"),
    "is_unbalance": ("is_unbalance", "unbalance", "unbalanced_sets"),
    "scale_pos_weight": ("scale_pos_weight",),
    "pos_bagging_fraction": ("pos_bagging_fraction", "pos_sub_row", "pos_subsample", "pos_bagging"),
    "neg_bagging_fraction": ("neg_bagging_fraction", "neg_sub_row", "neg_subsample", "neg_bagging"),
    "boost_from_average": ("boost_from_average",),
    "num_machines": ("num_machines", "num_machine"),
    "num_threads": ("num_threads", "num_thread", "nthread", "nthreads", "n_jobs"),
}

# Built-in metrics that depend on the order of the margins only. All others read margins as if they were
# probabilities or predicted numbers. LightGBM silently drops names that it does not know.
METRICS_OF_MARGINS = frozenset({"auc", "average_precision", "auc_mu", "multi_error"})

# Parameters that LightGBM ignores next to a custom objective: the values that change nothing, and the
# argument of the loss that takes the place of others.
IGNORED: Mapping[str, tuple[Collection[Any], str]] = {
    "scale_pos_weight": ((None, 1), "alpha=(1, scale_pos_weight)"),
    "is_unbalance": ((None, False, "false"), "alpha=balanced_alpha(y)"),
    "pos_bagging_fraction": ((None, 1), "alpha, or draw the rows yourself"),
    "neg_bagging_fraction": ((None, 1), "alpha, or draw the rows yourself"),
    "boost_from_average": (
        (None, True, "true"),
        "alpha; training starts from the intercept, or from init_score of the data",
    ),
}


@dataclass(frozen=True)
class Objective(Immutable):
    r"""Custom objective for lightgbm.train, lightgbm.cv and LGBMClassifier.

    Parameters
    ----------
    loss : BinaryFocalLoss or SoftmaxFocalLoss
    curvature : {"guarded", "exact"}
        What the trees are given as second derivative; see ``loss.gradient_curvature``. For softmax it is
        multiplied by K / (K - 1), as LightGBM does for its own ``multiclass``, so that gamma = 0 with
        ``"exact"`` is the native objective.
    n_threads : int, optional
        Threads for gradient and curvature, used from half a million values on. None: as many as the
        process may run. ``train`` and ``cv`` of this module follow ``num_threads`` of the parameters.

    Raises
    ------
    TypeError, ValueError
        If ``loss`` is not a focal loss, or ``curvature`` is unknown.

    Notes
    -----
    Set ``metric="None"``: LightGBM's own log loss and error metrics read margins as probabilities.
    For softmax, ``num_class`` must be among the parameters. Sample weights of the data are applied,
    once. LightGBM starts from margin 0: ``train`` of this module starts from the focal intercept.

    Examples
    --------
    >>> import numpy as np, lightgbm as lgb
    >>> from focalboost import BinaryFocalLoss
    >>> X = np.arange(90.0).reshape(-1, 1); y = X[:, 0] > 60
    >>> loss = BinaryFocalLoss(gamma=2.0)
    >>> params = {"objective": Objective(loss), "metric": "None", "verbosity": -1}
    >>> booster = lgb.train(params, lgb.Dataset(X, y), 40)
    >>> loss.posterior(booster.predict([[0.0], [89.0]])).round(1)
    array([0., 1.])
    """

    loss: FocalLoss
    curvature: Curvature = "guarded"
    n_threads: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_loss(self.loss)
        object.__setattr__(self, "n_threads", _validation.n_threads(self.n_threads))
        _validation.one_of("curvature", self.curvature, POLICIES)

    def __call__(
        self, a: Any, b: Any, sample_weight: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return gradient and curvature, float32, in F order for softmax.

        LightGBM calls it as (margin, Dataset) or as (y, margin[, sample_weight]).
        """
        return self.derivatives(_rounds.read(a, b, sample_weight))

    def derivatives(
        self, given: _rounds.Arguments, out: _rounds.Pair | None = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return gradient and curvature of what LightGBM handed over; ``out`` as for ``for_trees``."""
        y, margin, w, _ = given
        k = self.loss.n_outputs
        if k == 1 and np.ndim(margin) != 1:
            raise ValueError(
                f"margin must have shape (n,) for a binary loss, got {np.shape(margin)}: LightGBM has "
                "one target; for several classes use SoftmaxFocalLoss"
            )
        factor = 1.0 if k == 1 else k / (k - 1)
        # LightGBM copies other dtypes, and reads any other layout as if it were F order.
        host: dict[str, Any] = {"factor": factor, "order": "F", "n_threads": self.n_threads}
        return _rounds.for_trees(self.loss, y, margin, w, self.curvature, **host, out=out)


@dataclass(frozen=True)
class Metric(Immutable):
    r"""Weighted mean focal loss as feval of lightgbm.train / cv and eval_metric of LGBMClassifier.

    Parameters
    ----------
    loss : BinaryFocalLoss or SoftmaxFocalLoss

    Notes
    -----
    The metric returns ``("focal_loss", value, False)``: lower is better. It expects margins, which
    LightGBM passes whenever the objective is a callable. With ``boosting="dart"`` do not evaluate it on
    the training set: LightGBM then drops trees once more and leaves them negated in the model.
    """

    loss: FocalLoss

    def __post_init__(self) -> None:
        check_loss(self.loss)

    def __call__(self, a: Any, b: Any, sample_weight: Any = None) -> tuple[str, float, bool]:
        """Return ("focal_loss", value, False)."""
        y, margin, w, _ = _rounds.read(a, b, sample_weight)
        return metrics.NAME, metrics.focal_loss(self.loss, y, margin, w), False


class ProgressBar(Bar):
    """Callback: a bar of tqdm's, with the time left and the last values of the metrics.

    Parameters
    ----------
    n_rounds : int, optional
        What the bar takes as its end. None: the number of rounds.
    **tqdm
        Anything else that ``tqdm.auto.tqdm`` takes: ``desc``, ``leave``, ``file``, ``mininterval``, ...

    Raises
    ------
    ImportError
        When training begins, if tqdm is not installed: ``pip install "focalboost[progress]"``. (In a
        notebook with ipywidgets tqdm draws a widget, else text.)
    ValueError
        If ``n_rounds`` is less than 1.

    Notes
    -----
    Works in ``train``, ``cv`` and LGBMClassifier as in those of this package. LightGBM tells no callback
    that training was stopped early: the bar then stays at the round at which it stopped.

    Examples
    --------
    >>> import io, numpy as np
    >>> from focalboost import FocalLGBMClassifier
    >>> X = np.arange(60.0).reshape(-1, 1); y = X[:, 0] > 45
    >>> shown = io.StringIO()
    >>> classifier = FocalLGBMClassifier(n_estimators=20, verbosity=-1)
    >>> classifier = classifier.fit(X, y, callbacks=[ProgressBar(file=shown)])
    >>> "20/20" in shown.getvalue()
    True
    """

    order = 25  # LightGBM's: when the metrics are known, and before early stopping (30) raises

    def __call__(self, env: Any) -> None:
        """Advance by one round; LightGBM calls this after each."""
        if env.iteration == env.begin_iteration:
            self._open(self.n_rounds or env.end_iteration - env.begin_iteration)
        self._advance(
            {f"{data} {metric}": v for data, metric, v, *_ in env.evaluation_result_list or ()}
        )
        if env.iteration == env.end_iteration - 1:
            self._close()


def train(
    params: Mapping[str, Any],
    train_set: lgb.Dataset,
    num_boost_round: int = 100,
    *,
    loss: FocalLoss,
    curvature: Curvature = "guarded",
    valid_sets: Sequence[lgb.Dataset] | lgb.Dataset | None = None,
    feval: Any = None,
    init_model: Any = None,
    keep_training_booster: bool = False,
    **host_keywords: Any,
) -> lgb.Booster:
    r"""Train as lightgbm.train does, with objective, intercept, metric and saved model set right.

    Parameters
    ----------
    params : mapping
        LightGBM's parameters. Built-in metrics that depend on the order of the margins only (auc,
        average_precision, multi_error, auc_mu) and metrics like ``"recall@0.01"`` (see
        ``focalboost.metrics``) may be named; ``num_class`` may be left out.
    train_set : lightgbm.Dataset
        With labels 0/1 (for softmax 0 .. K-1); weights are applied. If it has an ``init_score``,
        training starts from that in place of the intercept, and it is not part of the model.
    num_boost_round : int
    loss : BinaryFocalLoss or SoftmaxFocalLoss
    curvature : {"guarded", "exact"}
    valid_sets : list of lightgbm.Dataset, optional
    feval : callable or list of callables, optional
        Evaluated on margins, in addition to the focal loss. LightGBM's early stopping watches every
        metric, or with ``first_metric_only`` the first.
    init_model : str, Path, Booster or LGBMModel, optional
        Continue from this model; its margins take the place of the intercept, and must have the link
        of ``loss``. Models of this module say which link they have, and with ``link="focal"`` gamma and
        alpha, which must be the same then.
    keep_training_booster : False
        True cannot work: the finished model is rewritten with its intercept, which ends training.
    **host_keywords
        Anything else lightgbm.train takes: callbacks, valid_names, ...

    Returns
    -------
    lightgbm.Booster
        A finalized model (see ``finalize``): ``predict`` gives sigmoid/softmax scores,
        ``raw_score=True`` the margins for ``loss.posterior``.

    Raises
    ------
    ValueError
        Before any training: labels outside the allowed ones or of a single class; weights negative,
        not finite or all zero; a contradicting ``objective`` or ``num_class``; an ``init_model`` with
        margins of another scale; parameters that cannot
        work with a custom objective (rf boosting, scale_pos_weight, is_unbalance, built-in metrics of
        probabilities, several machines, DART with train_set among the valid sets).
    TypeError
        If ``fobj`` is given, or ``loss`` is not a focal loss.

    Examples
    --------
    >>> import numpy as np, lightgbm as lgb
    >>> from focalboost import BinaryFocalLoss
    >>> X = np.arange(90.0).reshape(-1, 1); y = X[:, 0] > 60
    >>> loss = BinaryFocalLoss(gamma=2.0)
    >>> booster = train({"verbosity": -1}, lgb.Dataset(X, y), 40, loss=loss)
    >>> loss.posterior(booster.predict([[0.0], [89.0]], raw_score=True)).round(1)
    array([0., 1.])
    """
    objective = objective_for(loss, curvature, params)
    _refuse_fobj(host_keywords)
    if keep_training_booster:
        raise ValueError(
            "keep_training_booster must be False: the finished model is rewritten with its intercept; "
            "to train on, pass the booster as init_model"
        )
    host = host_params(params, objective)
    fevals = _fevals(loss, host, feval)  # before LightGBM sees their names
    valid = [valid_sets] if isinstance(valid_sets, lgb.Dataset) else list(valid_sets or ())
    if host.get("boosting") == "dart" and any(data is train_set for data in valid):
        raise ValueError(
            "valid_sets must not contain train_set with boosting='dart': to evaluate a custom metric on "
            "it LightGBM drops trees once more and leaves them negated in the model"
        )
    if init_model is not None:
        init_model, _ = continued(init_model, loss)
    _prepare(train_set, valid, host, loss, construct=init_model is None)
    starts = [(data, data.init_score) for data in (train_set, *valid)]
    intercept = None
    if init_model is None and not _has_start(train_set):
        intercept = _intercept(loss, train_set)
    start = _Start(lambda _: intercept)
    try:
        booster = lgb.train(
            {**host, "objective": _OneRun(objective, intercept)},
            train_set,
            num_boost_round,
            valid_sets=valid or None,
            feval=[start.moves(function) for function in fevals],
            init_model=init_model,
            # In memory the values of inner nodes still have all their digits; finalize needs them.
            keep_training_booster=True,
            **host_keywords,
        )
    except lgb.basic.LightGBMError as error:
        if not nothing_to_split(error) or init_model is not None:
            raise
        # No feature can be split: the model is the start alone, as in native training.
        booster = lgb.train(
            {**host, **native_start(loss)}, train_set, 1, keep_training_booster=True
        )
        grown_natively(booster)
    finally:
        if init_model is not None:
            _forget_model(starts)
    return finalize(booster, loss, init_score=intercept).free_dataset()


def cv(
    params: Mapping[str, Any],
    train_set: lgb.Dataset,
    num_boost_round: int = 100,
    *,
    loss: FocalLoss,
    curvature: Curvature = "guarded",
    feval: Any = None,
    init_model: Any = None,
    fpreproc: Callable[..., Any] | None = None,
    return_cvbooster: bool = False,
    **host_keywords: Any,
) -> dict[str, Any]:
    r"""Cross-validate as lightgbm.cv does, with objective, metric and each fold's intercept set right.

    Parameters
    ----------
    params, train_set, num_boost_round, loss, curvature, feval, init_model
        As for ``train``.
    fpreproc : callable, optional
        As for lightgbm.cv; it runs before the intercept of the fold is computed.
    return_cvbooster : bool
        Whether to return the boosters of the folds, each finalized.
    **host_keywords
        Anything else lightgbm.cv takes: nfold, folds, stratified, callbacks, ...

    Returns
    -------
    dict
        What lightgbm.cv returns, with keys ``"valid focal_loss-mean"`` and so on.

    Raises
    ------
    ValueError, TypeError
        As ``train``.
    """
    params = dict(params)
    if "metrics" in host_keywords:  # as lightgbm.cv: in place of the parameter
        _take(params, "metric")
        params["metric"] = host_keywords.pop("metrics")
    objective = objective_for(loss, curvature, params)
    _refuse_fobj(host_keywords)
    host = host_params(params, objective)
    fevals = _fevals(loss, host, feval)  # before LightGBM sees their names
    if init_model is not None:
        init_model, _ = continued(init_model, loss)
    _prepare(train_set, [], host, loss, construct=init_model is None)
    own_start = init_model is None and not _has_start(train_set)
    if own_start:
        _intercept(loss, train_set)  # refuses a single class, on which no fold could be trained
    intercepts: list[NDArray[np.float64] | None] = []
    folds: dict[lgb.Dataset, NDArray[np.float64] | None] = {}
    start = _Start(folds.__getitem__)

    def keep_intercept(train_fold: lgb.Dataset, test_fold: lgb.Dataset, fold_params: Any) -> Any:
        if fpreproc is not None:
            train_fold, test_fold, fold_params = fpreproc(train_fold, test_fold, fold_params)
            of_host = {"objective": fold_params.pop("objective", "none")}
            fold_params = host_params(fold_params, objective) | of_host
        train_fold.construct()
        test_fold.construct()
        intercepts.append(_intercept(loss, train_fold) if own_start else None)
        folds.update(dict.fromkeys((train_fold, test_fold), intercepts[-1]))
        return train_fold, test_fold, fold_params

    start_of_data = train_set.init_score
    common = {"fpreproc": keep_intercept, "return_cvbooster": return_cvbooster, **host_keywords}
    native = False
    try:
        results = lgb.cv(
            {**host, "objective": start.moves(objective)},
            train_set,
            num_boost_round,
            feval=[start.moves(function) for function in fevals],
            init_model=init_model,
            **common,
        )
    except lgb.basic.LightGBMError as error:
        if not nothing_to_split(error) or not own_start:
            raise
        # No feature can be split: every fold's model is its start alone, as in native training.
        native = True
        intercepts.clear()
        results = lgb.cv(
            {**host, **native_start(loss)},
            train_set,
            1,
            feval=[start.alone(function) for function in fevals],
            **common,
        )
    finally:
        if init_model is not None:
            _forget_model([(train_set, start_of_data)])
    if return_cvbooster:
        boosters: Any = results["cvbooster"]
        for booster, intercept in zip(boosters.boosters, intercepts, strict=True):
            finalize(grown_natively(booster) if native else booster, loss, init_score=intercept)
    return dict(results)


def objective_for(loss: FocalLoss, curvature: Curvature, params: Mapping[str, Any]) -> Objective:
    """Return the objective that follows the threads of LightGBM's parameters."""
    given = next((params[name] for name in ALIASES["num_threads"] if name in params), None)
    # 0 and below mean all threads, as None does for the objective.
    n_threads = int(given) if given is not None and int(given) > 0 else None
    return Objective(loss, curvature, n_threads)


def _refuse_fobj(host_keywords: Mapping[str, Any]) -> None:
    if "fobj" in host_keywords:
        raise TypeError("fobj must not be given: loss= sets the objective")


def host_params(params: Mapping[str, Any], objective: Objective) -> dict[str, Any]:
    """Return the user's parameters without the objective, checked for what cannot work with it."""
    host = dict(params)
    loss, k = objective.loss, objective.loss.n_outputs
    native = ("binary",) if k == 1 else ("multiclass", "softmax")
    given = _take(host, "objective")
    if given is not None and given not in (*native, objective):
        raise ValueError(
            f"objective must be {native[0]!r} or left out next to loss={loss!r}, got {given!r}"
        )
    given = _take(host, "num_class")
    if given is not None and int(given) != k:
        raise ValueError(f"num_class must be {k} next to loss={loss!r}, got {given!r}")
    if k > 1:
        host["num_class"] = k
    if (given := _take(host, "boosting")) is not None:
        if given in ("rf", "random_forest"):
            raise ValueError(
                f"boosting must not be {given!r}: LightGBM's random forest refuses custom objectives; "
                "use 'gbdt' or 'dart'"
            )
        host["boosting"] = given
    for name, (harmless, remedy) in IGNORED.items():
        if (given := _take(host, name)) not in harmless:
            raise ValueError(
                f"{name} must not be set, got {given!r}: LightGBM ignores it with a custom objective; "
                f"give the loss {remedy} instead"
            )
    if _take(host, "num_machines") not in (None, 1) or host.get("machines"):
        raise ValueError(
            "num_machines must be 1: LightGBM does not synchronise a custom metric or the intercept "
            "between machines; train on one, or on Dask with focalboost.dask.DaskFocalLGBMClassifier"
        )
    host["metric"] = _metrics_of_margins(_take(host, "metric"), max(2, k)) or "None"
    return host


def _take(host: dict[str, Any], name: str) -> Any:
    """Remove a parameter under all its aliases; return the first value given, or None."""
    given = [host.pop(alias) for alias in ALIASES[name] if alias in host]
    return given[0] if given else None


def _metrics_of_margins(metric: Any, n_classes: int) -> list[str]:
    """Return names of metrics as a list; refuse those that LightGBM would compute wrongly."""
    texts = [metric] if isinstance(metric, str) else list(metric or ())
    names = [name.strip() for text in texts for name in str(text).split(",")]
    # The focal loss is evaluated anyway.
    none = ("", "None", "na", "null", "custom", metrics.NAME)
    names = [name for name in names if name not in none]
    ours = {name for name in names if metrics.named(name, n_classes)}
    wrong = [name for name in names if name not in METRICS_OF_MARGINS | ours]
    if wrong:
        raise ValueError(
            f"metric must be one of {', '.join(sorted(METRICS_OF_MARGINS))} or a name like "
            f"recall@0.01, got {wrong[0]!r}: with a custom objective LightGBM computes others on "
            "margins as if they were probabilities, or does not know them; use a feval"
        )
    return names


def _prepare(
    train_set: lgb.Dataset,
    valid: list[lgb.Dataset],
    host: dict[str, Any],
    loss: FocalLoss,
    *,
    construct: bool,
) -> None:
    """Construct the data sets and check their labels and weights, before any tree is grown.

    Labels are needed now, and lightgbm.train would construct the data a moment later. A model that is
    continued must first predict from the raw data, which constructing frees: do not ``construct`` then.
    """
    named = [(train_set, "train_set"), *((data, "valid_sets") for data in valid)]
    for data, name in named:
        _check_labelled(data, name)
    if construct:
        # Constructing changes names with spaces: valid sets that refer to the training set follow it.
        for data in valid:
            if data is not train_set:
                data.set_reference(train_set)
        for data, _ in named:
            _construct(data, host)
    for data, name in named:
        _check_data(data, loss, name)


def _construct(data: lgb.Dataset, host: dict[str, Any]) -> None:
    # Dataset has no public method that sets parameters. "none" stands for a callable objective.
    data._update_params({**host, "objective": "none"})  # noqa: SLF001
    data.construct()


def _check_labelled(data: lgb.Dataset, name: str) -> None:
    """Refuse data in memory without labels: constructing would make them all 0."""
    if not isinstance(data, lgb.Dataset):
        raise TypeError(f"train and valid sets must be lightgbm.Dataset, got {type(data).__name__}")
    # A file contains its labels, and a subset (data None) has those of the full data set.
    in_memory = data.data is not None and not isinstance(data.data, (str, os.PathLike))
    if not _is_constructed(data) and in_memory and data.label is None:
        raise ValueError(f"labels must be set on {name}, got a Dataset without labels")


def _is_constructed(data: lgb.Dataset) -> bool:
    return data._handle is not None  # noqa: SLF001 - Dataset has no public property for this


def _label(data: lgb.Dataset) -> NDArray[Any]:
    return np.asarray(data.get_label()).reshape(-1)  # a one-column frame before construction


def _weight(data: lgb.Dataset) -> NDArray[Any] | None:
    weight = data.get_weight() if _is_constructed(data) else data.weight
    return None if weight is None else np.asarray(weight)


def _check_data(data: lgb.Dataset, loss: FocalLoss, name: str) -> None:
    if data.label is None and not _is_constructed(data):
        return  # a file that LightGBM has not read yet; the objective checks its labels later
    y = _label(data)
    if y.size == 0:
        raise ValueError(f"labels must be set on {name}, got a Dataset without labels")
    loss.check_labels(y)
    _validation.sample_weight(_weight(data), len(y), np.empty(0, np.float64))


def _intercept(loss: FocalLoss, data: lgb.Dataset) -> NDArray[np.float64]:
    return np.atleast_1d(np.asarray(loss.intercept(_label(data), _weight(data)), dtype=np.float64))


class _OneRun:
    """The objective of one training set, from where training starts.

    LightGBM has read what it returned when the round is over, and nobody else sees it: it writes into
    the same arrays in every round.
    """

    def __init__(self, objective: Objective, intercept: NDArray[np.float64] | None) -> None:
        self._objective, self._intercept = objective, intercept
        self._margin: NDArray[np.float64] | None = None
        self._out: Any = None

    def __call__(self, margin: NDArray[np.float64], data: lgb.Dataset) -> tuple[Any, Any]:
        if self._intercept is not None:  # the margins themselves are LightGBM's own
            margin = self._margin = np.add(margin, self._intercept, out=self._margin)
        self._out = self._objective.derivatives(_rounds.read(margin, data), self._out)
        return self._out  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Start:
    """Where training starts, added to the margins that LightGBM hands to objective and metrics.

    Not the init_score of the data: that would be seen by whoever else uses them at the same time.
    """

    of: Callable[[lgb.Dataset], NDArray[np.float64] | None]

    def moves(self, function: Callable[[Any, Any], Any]) -> Callable[[Any, lgb.Dataset], Any]:
        """Return the function of moved margins."""

        def moved(margin: Any, data: lgb.Dataset) -> Any:
            intercept = self.of(data)
            return function(margin if intercept is None else margin + intercept, data)

        return moved

    def alone(self, function: Callable[[Any, Any], Any]) -> Callable[[Any, lgb.Dataset], Any]:
        """Return the function of the start, whatever margins are given."""

        def of_start(_: Any, data: lgb.Dataset) -> Any:
            intercept = self.of(data)
            assert intercept is not None
            return function(constant_margins(intercept, data.num_data()), data)

        return of_start


def _fevals(loss: FocalLoss, host: dict[str, Any], feval: Any) -> list[Callable[..., Any]]:
    """Return the custom metrics; takes out of ``host`` what LightGBM cannot compute.

    It does not know names like "recall@0.01", and would compute multi_error without the start: the order
    of rows does not depend on that, but which class has the largest margin does.
    """
    given = [] if host["metric"] == "None" else host["metric"]
    ours = {name: metrics.named(name) for name in given}
    host["metric"] = [name for name in given if not ours[name] and name != "multi_error"] or "None"
    fevals: list[Any] = []
    if "multi_error" in given:
        fevals.append(_MultiError(int(host.get("multi_error_top_k", 1))))
    fevals += [_OfScore(metric, loss) for metric in ours.values() if metric]
    return [*fevals, *metrics.with_users(Metric(loss), feval)]


@dataclass(frozen=True)
class _OfScore:
    """A metric with a name like ``"recall@0.01"``, as a feval of margins."""

    metric: metrics.Named
    loss: FocalLoss

    def __call__(self, margin: Any, data: lgb.Dataset) -> tuple[str, float, bool]:
        score = metrics.ranking(self.loss, margin)
        value = self.metric.value(_label(data), score, _weight(data))
        return self.metric.name, value, True


@dataclass(frozen=True)
class _MultiError:
    """LightGBM's metric of that name: rows whose class is not among the k largest margins."""

    top_k: int

    def __call__(self, margin: Any, data: lgb.Dataset) -> tuple[str, float, bool]:
        y = _label(data).astype(np.int64)
        not_smaller = (margin >= margin[np.arange(len(y)), y][:, None]).sum(axis=1)
        name = "multi_error" if self.top_k == 1 else f"multi_error@{self.top_k}"
        return name, float(np.average(not_smaller > self.top_k, weights=_weight(data))), False


def _has_start(data: lgb.Dataset) -> bool:
    """Tell whether the user gave an init_score, which an earlier init_model leaves behind too."""
    return getattr(data, "_predictor", None) is None and data.get_init_score() is not None


def _forget_model(starts: Iterable[tuple[lgb.Dataset, Any]]) -> None:
    """Take back what training with ``init_model`` left on the data: its margins as their init_score."""
    for data, before in starts:
        if hasattr(data, "_predictor"):
            data._predictor = None  # noqa: SLF001 - Dataset has no public method for this
        if before is not None:
            data.set_init_score(before)
        elif _is_constructed(data):
            # set_init_score(None) would leave the values in the library's memory.
            data.set_field("init_score", None)
            data.init_score = None


def constant_margins(intercept: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the intercept for n rows as LightGBM takes an init_score: (n,), or (n, K) for softmax."""
    return np.full(n, intercept[0]) if len(intercept) == 1 else np.tile(intercept, (n, 1))

r"""Focal loss in XGBoost: objective, metric, train and cv.

This module translates XGBoost's parameters and containers; the loss computes. The intercept goes into
``base_score``, and the booster is told that it is a native ``binary:logistic`` / ``multi:softprob``
model, so it saves, loads and predicts like one everywhere. Its predictions are SCORES, the sigmoid or
softmax of the margin: with ``link="canonical"`` these are probabilities, with ``link="focal"`` use
``loss.posterior(booster.predict(data, output_margin=True))``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

import numpy as np
import xgboost as xgb
from numpy.typing import ArrayLike, NDArray
from xgboost import collective

from focalboost import (
    _binary,
    _rounds,
    _scale,
    _softmax,
    _validation,
    _workers,
    _xgboost_arrays,
    metrics,
)
from focalboost._curvature import POLICIES, Curvature
from focalboost._frequencies import class_weights
from focalboost._immutable import Immutable
from focalboost._kernel import cuda
from focalboost._namespace import to_numpy
from focalboost._progress import Bar
from focalboost._xgboost_arrays import Arrays
from focalboost.losses import FocalLoss, check_loss

__all__ = ["Arrays", "Metric", "Objective", "ProgressBar", "cv", "train"]

RANKING = ("auc", "aucpr", "pre", "map", "ndcg")
"""XGBoost's metrics that depend on the order of the margins only; it maximises them."""


@dataclass(frozen=True)
class Objective(Immutable):
    r"""Custom objective for xgboost.train, xgboost.cv and XGBClassifier.

    Parameters
    ----------
    loss : BinaryFocalLoss or SoftmaxFocalLoss
    curvature : {"guarded", "exact"}
        What the trees are given as second derivative; see ``loss.gradient_curvature``. For softmax it is
        doubled, as XGBoost does for its own ``multi:softprob``, so that gamma = 0 with ``"exact"`` is
        the native objective.
    device : {"cpu", "cuda", "cuda:<number>"}
        Where gradient and curvature are computed. A CUDA device needs CuPy. The margins are uploaded in
        every round, and XGBoost reads the returned CuPy arrays on the device. If XGBoost runs on CUDA
        but this is ``"cpu"``, gradients are computed on the CPU and copied. ``train`` and ``cv`` of this
        module follow ``device`` of the parameters.
    n_threads : int, optional
        Threads for gradient and curvature, used from half a million values on. None: as many as the
        process may run. ``train`` and ``cv`` of this module follow ``nthread`` of the parameters.

    Raises
    ------
    TypeError, ValueError
        If ``loss`` is not a focal loss, or an option is unknown.
    ImportError, RuntimeError
        When called with a CUDA ``device``: without CuPy, or without such a device.

    Notes
    -----
    Pass ``{**obj.params(y), ...}`` as parameters: without ``objective`` and ``base_score`` XGBoost
    starts from 0.5 and saves a regression model. Sample weights of the data are applied, once. XGBoost
    ignores ``scale_pos_weight`` next to any custom objective (``train`` and ``cv`` of this module refuse
    it): use ``alpha``. Binary labels (n, targets) train one model per target.

    Examples
    --------
    >>> import numpy as np, xgboost as xgb
    >>> from focalboost import BinaryFocalLoss
    >>> X = np.arange(60.0).reshape(-1, 1); y = X[:, 0] > 45
    >>> loss = BinaryFocalLoss(gamma=2.0)
    >>> obj = Objective(loss)
    >>> booster = xgb.train({**obj.params(y), "max_depth": 1}, xgb.DMatrix(X, y), 20, obj=obj)
    >>> loss.posterior(booster.predict(xgb.DMatrix(X[[0, 59]]), output_margin=True)).round(1)
    array([0., 1.], dtype=float32)
    """

    loss: FocalLoss
    curvature: Curvature = "guarded"
    device: str = "cpu"
    n_threads: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_loss(self.loss)
        object.__setattr__(self, "n_threads", _validation.n_threads(self.n_threads))
        _validation.one_of("curvature", self.curvature, POLICIES)
        _validation.device(self.device)

    def __call__(self, a: Any, b: Any, sample_weight: Any = None) -> tuple[Any, Any]:
        """Return gradient and curvature, float32, in the margin's shape.

        XGBoost calls it as (margin, DMatrix) or as (y, margin[, sample_weight]).
        """
        given = _rounds.read(a, b, sample_weight)
        shape = np.shape(given.margin)
        if 0 in shape:  # a worker without rows, whose margins have any shape
            k, y = self.loss.n_outputs, np.shape(given.y)
            k = y[1] if k == 1 and len(y) == 2 else k
            empty = np.empty((0,) if k == 1 else (0, k), np.float32)
            return empty, empty.copy()
        y = like_margin(given.y, shape)
        rows = _rounds.Rows.recent(self, self.loss, y, given.sample_weight, shape, self.device)
        return self.derivatives(rows, given.margin)

    def rows(self, y: Any, sample_weight: Any, shape: tuple[int, ...]) -> _rounds.Rows:
        """Return labels and weights for several rounds of margins of that shape, on this device."""
        return _rounds.Rows.of(self.loss, y, sample_weight, shape, self.device)

    def derivatives(
        self, rows: _rounds.Rows, margin: Any, out: _rounds.Pair | None = None
    ) -> tuple[Any, Any]:
        """Return gradient and curvature of such rows, with XGBoost's factor on the softmax curvature.

        ``out``: as for ``_rounds.for_trees``.
        """
        # XGBoost misreads other dtypes and layouts, or frees them while it reads.
        factor = 1.0 if self.loss.n_outputs == 1 else 2.0
        options: dict[str, Any] = {"factor": factor, "n_threads": self.n_threads, "out": out}
        return rows.derivatives(margin, self.curvature, **options)

    def params(self, y: ArrayLike, sample_weight: ArrayLike | None = None) -> dict[str, Any]:
        """Return the parameters that belong to this objective for labels ``y``.

        Parameters
        ----------
        y : array of shape (n,) or (n, targets)
            Training labels, which determine the intercept.
        sample_weight : array of shape (n,), optional
            Training weights.

        Returns
        -------
        dict
            ``objective`` (the native name, so that the saved model is a native one), ``base_score``
            (the intercept as XGBoost wants it: a score, or one margin per class), ``num_class`` for
            softmax, and ``disable_default_eval_metric`` (metrics that you name are still evaluated).

        Raises
        ------
        ValueError
            As ``loss.intercept``: wrong labels, a single class.
        """
        labels = to_numpy(y)
        if self.loss.n_outputs == 1 and labels.ndim == 2:
            intercept = [self.loss.intercept(column, sample_weight) for column in labels.T]
        else:
            intercept = self.loss.intercept(labels, sample_weight)
        return self.params_of(intercept)

    def params_of(self, intercept: ArrayLike) -> dict[str, Any]:
        """Return the parameters that belong to this objective for this intercept."""
        params: dict[str, Any] = {
            "disable_default_eval_metric": 1,
            "objective": _native_name(self.loss),
        }
        if self.loss.n_outputs > 1:
            params["num_class"] = self.loss.n_outputs
        return params | {"base_score": base_score(self.loss, intercept)}


def base_score(loss: FocalLoss, intercept: ArrayLike) -> float | list[float]:
    """Return the intercept, of each target or class if there are several, as XGBoost's parameter."""
    margins = np.asarray(intercept, dtype=np.float64)
    if loss.n_outputs == 1:
        scores = _binary.terms(margins).p
        return [float(p) for p in scores] if scores.ndim else float(scores)
    if _softprob_starts_from_scores():
        margins = _softmax.terms(margins[None]).p[0]
    # Plain floats: XGBoost refuses NumPy scalars here.
    return [float(z) for z in margins]


@cache
def _softprob_starts_from_scores() -> bool:
    """Tell whether XGBoost reads base_score of several classes as scores; up to 3.4 they are margins."""
    given = np.array([0.2, 0.3, 0.5])
    params = {"objective": "multi:softprob", "num_class": 3, "base_score": given.tolist()}
    one_row = xgb.DMatrix(np.zeros((1, 1)), label=[0], nthread=1)
    stump = {"max_depth": 1, "eta": 1e-12, "nthread": 1}
    margin = xgb.train(params | stump, one_row, 1).predict(one_row, output_margin=True)[0]
    return bool(np.abs(np.diff(margin) - np.diff(given)).max() > 1e-3)


class _OneRun:
    """An objective during a training run in which nobody can change the labels: they are read once.

    Nobody keeps what it returned either, and XGBoost has read it when the round is over: it writes into
    the same arrays in every round.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._rows: WeakKeyDictionary[xgb.DMatrix, _rounds.Rows] = WeakKeyDictionary()
        self._out: WeakKeyDictionary[xgb.DMatrix, Any] = WeakKeyDictionary()

    def __call__(self, margin: Any, data: xgb.DMatrix) -> tuple[Any, Any]:
        if margin.size == 0:
            return self._objective(margin, data)
        rows = self._rows.get(data)
        if rows is None:
            given = _rounds.read(margin, data)
            y = like_margin(given.y, margin.shape)
            rows = self._objective.rows(y, given.sample_weight, margin.shape)
            self._rows[data] = rows
        out = self._out.get(data)
        self._out[data] = found = self._objective.derivatives(rows, margin, out)
        return found


def like_margin(y: Any, shape: tuple[int, ...]) -> Any:
    """Return labels of several targets as (n, targets): they come flat up to XGBoost 3.1."""
    flat = len(shape) == 2 and np.shape(y) == (shape[0] * shape[1],)
    return y.reshape(shape) if flat and isinstance(y, np.ndarray) else y


def _native_name(loss: FocalLoss) -> str:
    return "binary:logistic" if loss.n_outputs == 1 else "multi:softprob"


@dataclass(frozen=True)
class Metric(Immutable):
    r"""Weighted mean focal loss as custom_metric of xgboost.train / cv and eval_metric of XGBClassifier.

    Parameters
    ----------
    loss : BinaryFocalLoss or SoftmaxFocalLoss

    Notes
    -----
    The metric expects margins, which XGBoost passes whenever the objective is a callable. Under
    xgboost.train it returns ``("focal_loss", value)``, under XGBClassifier the value. With several
    workers the sums of all are added before dividing, so the value is exact however the rows are spread.

    XGBoost rounds a metric to SIX DECIMALS before early stopping reads it. With rare positives the focal
    loss is often below 1e-3, so that stopping by it is coarse. ``train`` and ``cv`` of this module hand
    the full value to the callbacks.
    """

    loss: FocalLoss
    __name__ = metrics.NAME  # XGBClassifier reads it

    def __post_init__(self) -> None:
        check_loss(self.loss)

    def __call__(self, a: Any, b: Any, sample_weight: Any = None) -> Any:
        """Return ("focal_loss", value), or the value alone for the scikit-learn interface."""
        y, margin, w, native = _rounds.read(a, b, sample_weight)
        margin = np.asarray(margin)
        if margin.size == 0:
            total, weight = 0.0, 0.0
        else:
            total, weight = metrics.sums(self.loss, like_margin(y, margin.shape), margin, w)
        total, weight = _workers.total([total, weight]).tolist()
        value = total / weight if weight > 0 else float("nan")
        return (metrics.NAME, value) if native else value


class ProgressBar(Bar, xgb.callback.TrainingCallback):
    """Callback: a bar of tqdm's, with the time left and the last values of the metrics.

    Parameters
    ----------
    n_rounds : int, optional
        How many rounds there will be, because XGBoost does not tell a callback. None: the bar counts
        rounds and shows no end.
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
    Works in ``train``, ``cv`` and XGBClassifier as in those of this package. Of several workers the
    first shows it.

    Examples
    --------
    >>> import io, numpy as np
    >>> from focalboost import FocalXGBClassifier
    >>> X = np.arange(60.0).reshape(-1, 1); y = X[:, 0] > 45
    >>> shown = io.StringIO()
    >>> bar = ProgressBar(20, file=shown)
    >>> classifier = FocalXGBClassifier(n_estimators=20, callbacks=[bar]).fit(X, y)
    >>> "20/20" in shown.getvalue()
    True
    """

    def before_training(self, model: Any) -> Any:
        """Show the bar."""
        self._open(self.n_rounds, shown=collective.get_rank() == 0)
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        """Advance by one round; return False, because training goes on."""
        last = {
            f"{data} {metric}": values[-1]
            for data, of in evals_log.items()
            for metric, values in of.items()
        }
        # cv keeps pairs of mean and standard deviation.
        self._advance({k: v[0] if isinstance(v, tuple) else v for k, v in last.items()})
        return False

    def after_training(self, model: Any) -> Any:
        """Close the bar."""
        self._close()
        return model


def train(
    params: Mapping[str, Any],
    dtrain: xgb.DMatrix | Arrays,
    num_boost_round: int = 10,
    *,
    loss: FocalLoss,
    curvature: Curvature = "guarded",
    custom_metric: Callable[[Any, xgb.DMatrix], Any] | None = None,
    **host_keywords: Any,
) -> xgb.Booster:
    r"""Train as xgboost.train does, with objective, intercept, metric and saved model set right.

    Parameters
    ----------
    params : mapping
        XGBoost's parameters. A given ``base_score`` is kept. ``objective`` may be left out. With
        ``device="cuda"`` gradient and curvature are computed on the device too, which needs CuPy.
    dtrain : xgboost.DMatrix or Arrays
        With labels 0/1 (for softmax 0 .. K-1); weights are applied. ``Arrays(X, y[, weight])`` train the
        same model in a loop that keeps the margins beside X: on a CUDA device, no array with an entry
        per row is copied to or from it during training. ``evals`` are then pairs of Arrays and a name.
    num_boost_round : int
    loss : BinaryFocalLoss or SoftmaxFocalLoss
    curvature : {"guarded", "exact"}
    custom_metric : callable, optional
        Evaluated on margins, in addition to the focal loss. The focal loss stays the last metric and so
        drives early stopping, unless an EarlyStopping callback names another. With ``maximize``, which
        is said of your metric, that is the last. The same holds for names like ``"recall@0.01"`` in
        ``eval_metric``; see ``focalboost.metrics``.
    **host_keywords
        Anything else xgboost.train takes: evals, early_stopping_rounds, xgb_model, callbacks, ...

    Returns
    -------
    xgboost.Booster
        A native model: ``predict`` gives sigmoid/softmax scores, ``output_margin=True`` the margins
        for ``loss.posterior``.

    Raises
    ------
    ValueError
        Before any training: labels missing, outside the allowed ones or of a single class; weights
        negative, not finite or all zero; a contradicting ``objective`` or ``num_class``; parameters
        that XGBoost would silently ignore (``scale_pos_weight``). With ``Arrays``: DART, gblinear,
        dropout, ``process_type="update"``, metrics other than the focal loss, and X in other memory than
        ``device`` says.
    TypeError
        If ``obj`` is given, or ``loss`` is not a focal loss.
    ImportError, RuntimeError
        With ``device="cuda"``: without CuPy, or without such a device. To compute gradients on the CPU
        while XGBoost runs on the device, pass ``obj=Objective(loss)`` to xgboost.train.

    Notes
    -----
    With ``xgb_model`` training continues from that model's margins, and its own base_score stays.

    Several workers of ``xgboost.collective`` may each call this with their share of the rows, in Ray
    Train's loop for example. All then start from the intercept of all rows and evaluate the focal loss
    on all rows, and if the data of one are wrong, all raise. A worker may have no rows. Of a
    ``custom_metric`` the mean over the workers counts, as in XGBoost.

    Examples
    --------
    >>> import numpy as np, xgboost as xgb
    >>> from focalboost import SoftmaxFocalLoss
    >>> X = np.arange(90.0).reshape(-1, 1); y = X[:, 0] // 30
    >>> booster = train({"max_depth": 2}, xgb.DMatrix(X, y), 20, loss=SoftmaxFocalLoss(3))
    >>> booster.predict(xgb.DMatrix(X[[0, 45, 89]])).argmax(axis=1)
    array([0, 1, 2])
    """
    params = mapping(params)
    before: xgb.Booster | None = None
    with _workers.all_or_none():
        objective = objective_for(loss, curvature, params)
        refuse_obj(host_keywords)
        named = [] if isinstance(dtrain, Arrays) else take_named(params, loss)
        host = host_params(params, objective)
        if isinstance(dtrain, Arrays):
            _check_alone_on_arrays(custom_metric)
        else:
            host_keywords["evals"] = evals = list(host_keywords.get("evals") or ())
            for data, name in [(dtrain, "dtrain"), *evals]:
                _check_data(data, loss, name)
            before = _to_continue(host_keywords.pop("xgb_model", None), loss, host)
    if isinstance(dtrain, Arrays):
        ordinal = _validation.device(objective.device)
        with nullcontext() if ordinal is None else cuda.on(ordinal):
            return _train_arrays(host, dtrain, num_boost_round, objective, **host_keywords)
    if before is None:
        host = {**_start(objective, dtrain), **host}
    callbacks = host_keywords.pop("callbacks", None) or ()
    own_metrics = in_order(Metric(loss), custom_metric, named, host_keywords.get("maximize"))
    check_direction(callbacks, {metric.metric.name for metric in named}, metrics.NAME)
    exact = ExactMetrics(own_metrics, _scale.says(loss))
    booster = xgb.train(
        host,
        dtrain,
        num_boost_round,
        obj=_with_empty_shares(_for_run(objective, custom_metric, callbacks), host),
        custom_metric=exact.evaluate,
        callbacks=[exact, *callbacks],
        xgb_model=before,
        **host_keywords,
    )
    booster.set_attr(**_scale.says(loss))  # keeping the best iteration loses them
    return booster


def _check_alone_on_arrays(custom_metric: Any) -> None:
    """Refuse what the loop over arrays cannot do."""
    if custom_metric is not None:
        raise ValueError(
            "custom_metric must be left out with Arrays: only the focal loss is evaluated on them; "
            "give a DMatrix to have other metrics"
        )
    if _workers.several():
        raise ValueError(
            "Arrays must be trained on by one worker, got several: the loop over them does not exchange "
            "histograms; give each worker a DMatrix of its rows"
        )


def _train_arrays(
    host: dict[str, Any],
    data: Arrays,
    num_boost_round: int,
    objective: Objective,
    *,
    evals: Sequence[tuple[Arrays, str]] | None = None,
    xgb_model: Any = None,
    **host_keywords: Any,
) -> xgb.Booster:
    """Check data and parameters, and run the loop over arrays."""
    evals = list(evals or ())
    _xgboost_arrays.check(host, [(data, "dtrain"), *evals], objective.device)
    dtrain = _xgboost_arrays.matrix(data, host)
    _check_data(dtrain, objective.loss, "dtrain")
    before = _to_continue(xgb_model, objective.loss, host)
    if before is None:
        host = {**_start(objective, dtrain), **host}

    def derivatives(y: Any, sample_weight: Any, shape: tuple[int, ...]) -> Callable[[Any], Any]:
        return partial(objective.derivatives, objective.rows(y, sample_weight, shape))

    booster = _xgboost_arrays.train(
        xgb.Booster(host, [dtrain], model_file=before),
        dtrain,
        data,
        num_boost_round,
        derivatives=derivatives,
        loss=objective.loss,
        on_device=objective.device != "cpu",
        evals=evals,
        **host_keywords,
    )
    booster.set_attr(**_scale.says(objective.loss))
    return booster


def objective_for(loss: FocalLoss, curvature: Curvature, params: Mapping[str, Any]) -> Objective:
    """Return the objective that follows device and threads of XGBoost's parameters."""
    device = str(params.get("device") or "cpu")
    device = "cuda" + device[3:] if device.split(":")[0] == "gpu" else device  # XGBoost takes both
    objective = Objective(loss, curvature, device, n_threads=_threads(params))
    ordinal = _validation.device(device)
    if ordinal is not None:
        cuda.on(ordinal)  # raises before training if CuPy or the device is missing
    return objective


def _for_run(
    objective: Objective, custom_metric: Any, callbacks: Sequence[Any]
) -> Objective | _OneRun:
    """Return the obj= of a run; it keeps labels and arrays if no code of the user runs in between."""
    alone = custom_metric is None and all(isinstance(c, ProgressBar) for c in callbacks)
    return _OneRun(objective) if alone else objective


def _with_empty_shares(objective: Any, host: Mapping[str, Any]) -> Any:
    """Return the obj= of a worker, which may have no rows; up to XGBoost 3.1 it has no targets then."""
    start = host.get("base_score")
    if not _workers.several() or host.get("num_class") or not isinstance(start, list):
        return objective

    def of_share(margin: Any, data: xgb.DMatrix) -> Any:
        if margin.size:
            return objective(margin, data)
        return np.empty((0, len(start)), np.float32), np.empty((0, len(start)), np.float32)

    return of_share


def _to_continue(xgb_model: Any, loss: FocalLoss, host: Mapping[str, Any]) -> xgb.Booster | None:
    """Return the model to be continued, if there is one."""
    return None if xgb_model is None else continued(xgb_model, loss, host)


def continued(xgb_model: Any, loss: FocalLoss, host: Mapping[str, Any]) -> xgb.Booster:
    """Return a copy of the model to be continued, or raise if it cannot be.

    It has no best iteration: XGBoost would keep that of the earlier run, and predict with it.
    """
    if host.get("base_score") is not None:
        raise ValueError(
            "base_score must not be given next to xgb_model: the loaded model has its own, and another "
            "one would move every prediction of it"
        )
    given = isinstance(xgb_model, xgb.Booster)
    model = xgb_model.copy() if given else xgb.Booster(model_file=xgb_model)
    trained = json.loads(model.save_config())["learner"]["objective"]["name"]
    binary = ("binary:logistic", "reg:logistic")
    of_log_loss = binary if loss.n_outputs == 1 else ("multi:softprob", "multi:softmax")
    _scale.check_continued(model.attributes(), loss, trained, trained in of_log_loss)
    model.set_attr(best_iteration=None, best_score=None)
    return model


def cv(
    params: Mapping[str, Any],
    dtrain: xgb.DMatrix,
    num_boost_round: int = 10,
    *,
    loss: FocalLoss,
    curvature: Curvature = "guarded",
    custom_metric: Callable[[Any, xgb.DMatrix], Any] | None = None,
    fpreproc: Callable[..., Any] | None = None,
    **host_keywords: Any,
) -> Any:
    r"""Cross-validate as xgboost.cv does, with objective, metric and each fold's intercept set right.

    Parameters
    ----------
    params, dtrain, num_boost_round, loss, curvature, custom_metric
        As for ``train``.
    fpreproc : callable, optional
        As for xgboost.cv; it runs before the intercept of the fold is computed.
    **host_keywords
        Anything else xgboost.cv takes: nfold, stratified, folds, early_stopping_rounds, ...
        ``stratified=True`` is advised: a fold without positives cannot be trained.

    Returns
    -------
    pandas.DataFrame or dict
        What xgboost.cv returns, with columns ``train-focal_loss-mean`` and so on.

    Raises
    ------
    ValueError, TypeError
        As ``train``.
    """
    params = mapping(params)
    if "metrics" in host_keywords:  # as xgboost.cv: in place of eval_metric
        params["eval_metric"] = host_keywords.pop("metrics")
    objective = objective_for(loss, curvature, params)
    refuse_obj(host_keywords)
    named = take_named(params, loss)
    host = host_params(params, objective)
    _check_data(dtrain, loss, "dtrain")
    _start(objective, dtrain)  # refuses a single class, on which no fold could be trained

    def with_intercept(train_fold: xgb.DMatrix, test_fold: xgb.DMatrix, fold_params: Any) -> Any:
        if fpreproc is not None:
            train_fold, test_fold, fold_params = fpreproc(train_fold, test_fold, fold_params)
            fold_params = host_params(mapping(fold_params), objective)
        return train_fold, test_fold, {**_start(objective, train_fold), **fold_params}

    callbacks = host_keywords.pop("callbacks", None) or ()
    check_direction(callbacks, {metric.metric.name for metric in named}, metrics.NAME)
    exact = ExactMetrics(
        in_order(Metric(loss), custom_metric, named, host_keywords.get("maximize"))
    )
    results = xgb.cv(
        host,
        dtrain,
        num_boost_round,
        obj=_for_run(objective, custom_metric, callbacks),
        custom_metric=exact.evaluate,
        callbacks=[exact, *callbacks],
        fpreproc=with_intercept,
        **host_keywords,
    )
    # XGBoost made this table before the callbacks had the full values.
    for column, values in exact.of_folds.items():
        if column in results:
            results[column] = values[: len(results[column])]  # type: ignore[arg-type,assignment]
    return results


class ExactMetrics(xgb.callback.TrainingCallback):
    """Evaluates metrics, and replaces XGBoost's six decimals by their full values.

    XGBoost formats each custom metric as text and reads it back before callbacks see it. This
    callback runs first and replaces the entries of the history, so that early stopping and the
    recorded results are exact. Pass its ``evaluate`` as the custom_metric. ``says``: attributes that
    the model has from the first round on.
    """

    def __init__(
        self,
        metrics: Sequence[Callable[[Any, xgb.DMatrix], Any]],
        says: Mapping[str, str] | None = None,
    ) -> None:
        self._says = dict(says or {})
        self._custom = list(metrics)
        self._values: dict[str, list[float]] = {}
        self.of_folds: dict[str, list[float]] = {}  # the columns of cv

    def before_training(self, model: Any) -> Any:
        """Let checkpoints say what the finished model says."""
        if self._says:
            model.set_attr(**self._says)
        return model

    def evaluate(self, margin: Any, data: xgb.DMatrix) -> list[tuple[str, float]]:
        """Return (name, value) of every metric."""
        results: list[tuple[str, float]] = []
        for metric in self._custom:
            returned = metric(margin, data)
            results += returned if isinstance(returned, list) else [returned]
        self.record(results)
        return results

    def record(self, results: Sequence[tuple[str, float]]) -> None:
        """Keep the full values of one data set until the end of the round."""
        names = [name for name, _ in results]
        if len(set(names)) < len(names):
            raise ValueError(f"custom metrics must have names of their own, got {names}")
        for name, value in results:
            self._values.setdefault(name, []).append(float(value))

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        """Replace the last entry of each history."""
        for name, recorded in self._values.items():
            # train records one value per data set; cv one per fold and data set, fold by fold.
            values = np.array(recorded).reshape(-1, len(evals_log))
            if _workers.several():  # XGBoost too takes the mean of a metric over the workers
                values = _workers.total(values) / collective.get_world_size()
            for (data, of_data), of_folds in zip(evals_log.items(), values.T, strict=True):
                history = of_data[name]
                if isinstance(history[-1], tuple):
                    history[-1] = (float(of_folds.mean()), float(of_folds.std()))
                    for statistic, value in zip(("mean", "std"), history[-1], strict=True):
                        self.of_folds.setdefault(f"{data}-{name}-{statistic}", []).append(value)
                else:
                    history[-1] = float(of_folds[0])
        self._values.clear()
        return False


def in_order(
    own: Metric, users: Any, named: Sequence[_OfScore], maximize: bool | None
) -> list[Any]:
    """Return the metrics, the one last that early stopping watches.

    ``maximize`` is said of the user's metric, so that metric is then the last.
    """
    every = [*named, *metrics.with_users(own, users)]
    if maximize is None:
        return every
    if len(every) == 1:
        raise ValueError(
            f"maximize must be left out without a custom_metric, got {maximize!r}: the focal loss is "
            "minimised"
        )
    if users is None and not maximize:
        raise ValueError(f"maximize must be True for {named[-1].metric.name}, got {maximize!r}")
    return [own, *every[:-1]]


@dataclass(frozen=True)
class _OfScore(Immutable):
    """A metric with a name like ``"recall@0.01"``, as a custom_metric of margins."""

    metric: metrics.Named
    loss: FocalLoss

    def __call__(self, margin: Any, data: xgb.DMatrix) -> tuple[str, float]:
        y, z, w, _ = _rounds.read(margin, data)
        score = metrics.ranking(self.loss, np.asarray(z))
        return self.metric.name, self.metric.value(like_margin(y, score.shape), score, w)


def take_named(params: dict[str, Any], loss: FocalLoss) -> list[_OfScore]:
    """Take names like ``"recall@0.01"`` out of ``eval_metric``, and return their metrics."""
    given = params.get("eval_metric")
    names = [given] if isinstance(given, str) else list(given or ())
    found = {name: metrics.named(name, max(2, loss.n_outputs)) for name in names}
    if any(found.values()):
        if _workers.several():
            refuse_scores(next(filter(found.get, names)), "with several workers")
        params["eval_metric"] = [name for name in names if found[name] is None]
    return [_OfScore(metric, loss) for metric in found.values() if metric]


def refuse_scores(name: str, where: str) -> NoReturn:
    """Refuse a metric that cannot be added up over workers."""
    raise ValueError(
        f"{name} must be left out {where}: it needs the scores of all rows in one place; evaluate the "
        "model after training"
    )


def check_direction(callbacks: Sequence[Any], larger: set[str], last: str) -> None:
    """Refuse to minimise what must be large: XGBoost knows the direction of its own metrics alone."""
    for callback in callbacks:
        if isinstance(callback, xgb.callback.EarlyStopping) and callback.maximize is None:
            name = callback.metric_name or last
            if name in larger:
                raise ValueError(
                    f"EarlyStopping must have maximize=True for {name}, which XGBoost does not know"
                )


def mapping(params: Any) -> dict[str, Any]:
    """Return parameters as a dict; XGBoost takes pairs too, with one for each metric."""
    if isinstance(params, Mapping):
        return dict(params)
    pairs = list(params or ())
    named = [value for name, value in pairs if name == "eval_metric"]
    return dict(pairs) | ({"eval_metric": named} if len(named) > 1 else {})


def refuse_obj(host_keywords: Mapping[str, Any]) -> None:
    for name in ("obj", "feval"):
        if name in host_keywords:
            raise TypeError(f"{name} must not be given: loss= sets the objective and its metric")


def host_params(params: Mapping[str, Any], objective: Objective) -> dict[str, Any]:
    """Return the user's parameters, checked for what cannot work with a custom objective."""
    host = dict(params)
    native = _native_name(objective.loss)
    if host.setdefault("objective", native) != native:
        raise ValueError(
            f"objective must be {native!r} or left out next to loss={objective.loss!r}, "
            f"got {host['objective']!r}"
        )
    if host.get("scale_pos_weight", 1) not in (1, None):
        raise ValueError(
            f"scale_pos_weight must not be set, got {host['scale_pos_weight']!r}: XGBoost ignores it "
            "with a custom objective; give the loss alpha=(1, scale_pos_weight) instead"
        )
    if "metric" in host:
        raise ValueError("metric must not be given: XGBoost's parameter is eval_metric")
    given = host.pop("eval_metric", None)
    named = [given] if isinstance(given, str) else list(given or ())
    # The focal loss is evaluated anyway.
    if builtin := [name for name in named if name != metrics.NAME]:
        host["eval_metric"] = given if isinstance(given, str) else builtin
    if objective.loss.link == "focal":
        _refuse_metrics_of_scores(builtin)
    n_classes = objective.loss.n_outputs
    allowed = (None, 0, 1) if n_classes == 1 else (None, n_classes)
    if host.get("num_class") not in allowed:
        raise ValueError(
            f"num_class must be {'left out' if n_classes == 1 else n_classes} next to "
            f"loss={objective.loss!r}, got {host['num_class']!r}"
        )
    if n_classes > 1:
        host["num_class"] = n_classes
    host.setdefault("disable_default_eval_metric", 1)
    return host


def is_ranking(metric: str) -> bool:
    """Tell whether XGBoost's metric is one of RANKING; names like "ndcg@3-" have a cut and a sign."""
    return metric.split("@")[0].rstrip("-") in RANKING


def _refuse_metrics_of_scores(names: Sequence[str]) -> None:
    """Refuse metrics that XGBoost would compute as if scores were probabilities."""
    wrong = [name for name in names if not is_ranking(name)]
    if wrong:
        raise ValueError(
            f"eval_metric must be one of {', '.join(RANKING)} with link='focal', got {wrong[0]!r}: "
            "XGBoost would compute it on scores that are no probabilities; give the loss "
            "link='canonical', or a custom_metric"
        )


def _threads(params: Mapping[str, Any]) -> int | None:
    """Return the threads that the parameters give XGBoost; None for 0 and below, which mean all."""
    given = params.get("nthread", params.get("n_jobs"))
    return int(given) if given is not None and int(given) > 0 else None


def _labels(data: xgb.DMatrix) -> NDArray[Any]:
    y = data.get_label()
    n = data.num_row()
    # Labels of several targets come flat up to XGBoost 3.1.
    return y.reshape(n, -1) if n and y.size > n else y


def _weights(data: xgb.DMatrix) -> NDArray[Any] | None:
    w = data.get_weight()
    return w if w.size else None


def _check_data(data: xgb.DMatrix, loss: FocalLoss, name: str) -> None:
    """Refuse wrong data before any tree is grown."""
    if not isinstance(data, xgb.DMatrix):
        raise TypeError(f"{name} must be an xgboost.DMatrix, got {type(data).__name__}")
    y, w, n = _labels(data), _weights(data), data.num_row()
    if n and y.size == 0:
        raise ValueError(f"labels must be set on {name}, got a DMatrix without labels")
    loss.check_labels(y)
    _validation.sample_weight(w, n, np.empty(0, np.float64))


def _start(objective: Objective, dtrain: xgb.DMatrix) -> dict[str, Any]:
    """Return the parameters for the labels of all workers, of which some may have no rows."""
    y, w = _labels(dtrain), _weights(dtrain)
    if not _workers.several():
        return objective.params(y, w)
    loss, n = objective.loss, len(y)
    k = len(loss.gammas)
    targets = int(_workers.largest(y.shape[1] if y.ndim == 2 else 0))
    columns = y.reshape(n, max(targets, 1)).T.astype(np.int64)
    weights = _workers.total([class_weights(column, w, k) for column in columns])
    n = int(_workers.total(n))
    intercepts = [loss.intercept_of(of_target, n) for of_target in weights]
    return objective.params_of(intercepts if targets else intercepts[0])

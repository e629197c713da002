r"""Focal loss in XGBoost: objective, metric, train and cv.

XGBoost's words translated, nothing computed: margins, labels and weights go to the loss, which returns
what a tree is given. The prior goes into ``base_score`` and the booster is told that it is a native
``binary:logistic`` / ``multi:softprob`` model, so it saves, loads and predicts like one everywhere.
Its predictions are SCORES, sigmoid or softmax of the margin: for probabilities use
``loss.posterior(booster.predict(data, output_margin=True))``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import xgboost as xgb
from numpy.typing import ArrayLike, NDArray
from xgboost import collective

from focalboost import _arguments, _binary, _validation, metrics
from focalboost._immutable import Immutable
from focalboost._kernel import cuda
from focalboost._namespace import as_array, to_numpy
from focalboost.curvature import FLOOR, POLICIES, Curvature
from focalboost.losses import BinaryFocalLoss, Loss, SoftmaxFocalLoss, for_trees

__all__ = ["Arrays", "Metric", "Objective", "cv", "train"]

_METRIC = "focal_loss"


@dataclass(frozen=True)
class Objective(Immutable):
    r"""Custom objective for xgboost.train, xgboost.cv and XGBClassifier.

    Parameters
    ----------
    loss : BinaryFocalLoss or SoftmaxFocalLoss
    curvature : {"guarded", "exact", "expected"}
        What the trees are given as second derivative; see ``loss.gradient_curvature``. The softmax one
        is doubled, as XGBoost does for its own ``multi:softprob``, so that gamma = 0 with ``"exact"``
        is the native objective.
    device : {"cpu", "cuda", "cuda:<number>"}
        Where gradient and curvature are computed. On a CUDA device, which needs CuPy, margins go there
        once a round and CuPy arrays are returned, which XGBoost's own ``device="cuda"`` takes without a
        copy to the host. With ``"cpu"`` next to it gradients come from the host. ``train`` and ``cv`` of
        this module follow ``device`` of the parameters.
    n_threads : int, optional
        Threads for gradient and curvature, used from half a million values on. None: as many as the
        process may run; ``train`` and ``cv`` of this module take over ``nthread`` from the parameters.

    Raises
    ------
    TypeError, ValueError
        If ``loss`` is not a focal loss, or an option is unknown.
    ImportError, RuntimeError
        When called with a CUDA ``device``: without CuPy, or without such a device.

    Notes
    -----
    Pass ``{**obj.params(y), ...}`` as parameters: without ``objective`` and ``base_score`` XGBoost
    starts from 0.5 and saves a regression model. Sample weights of the data are applied, once;
    ``scale_pos_weight`` is ignored by XGBoost next to any custom objective (``train`` and ``cv`` of
    this module refuse it): use ``alpha``. Binary labels (n, targets) train one model per target.

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

    loss: Loss
    curvature: Curvature = "guarded"
    device: str = "cpu"
    n_threads: int | None = field(default=None, compare=False)
    _uploaded: list[_Uploaded] = field(
        default_factory=list, init=False, compare=False, repr=False
    )  # what is on the device: of the labels that came last, if any

    def __post_init__(self) -> None:
        _check_loss(self.loss)
        object.__setattr__(self, "n_threads", _validation.n_threads(self.n_threads))
        _validation.one_of("curvature", self.curvature, POLICIES)
        _validation.device(self.device)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_uploaded": []}  # another process has another device

    def __call__(self, a: Any, b: Any, sample_weight: Any = None) -> tuple[Any, Any]:
        """Return gradient and curvature, float32, in the margin's shape.

        Called by XGBoost as (margin, DMatrix) or as (y, margin[, sample_weight]).
        """
        y, margin, w, native = _arguments.read(a, b, sample_weight)
        margin = as_array(margin)
        softmax = isinstance(self.loss, SoftmaxFocalLoss)
        if margin.size == 0:  # a worker without rows
            shape = (0, self.loss.n_classes) if isinstance(self.loss, SoftmaxFocalLoss) else (0,)
            return np.empty(shape, np.float32), np.empty(shape, np.float32)
        if native and margin.ndim == 2 and not softmax:
            y = y.reshape(margin.shape)  # labels of several targets come flat up to XGBoost 3.1
        if self.device != "cpu":
            return self._derivatives(self._latest(y, w, margin.shape), margin)
        # Other dtypes and layouts are misread by XGBoost or freed while it reads them.
        return for_trees(
            self.loss, y, margin, w, self.curvature, factor=self._factor, n_threads=self.n_threads
        )

    @property
    def _factor(self) -> float:
        return 2.0 if isinstance(self.loss, SoftmaxFocalLoss) else 1.0

    def _latest(self, y: Any, w: Any, shape: tuple[int, ...]) -> cuda.Resident:
        """Return what is on the device already, if labels and weights are the last ones."""
        y, w = as_array(y), None if w is None else as_array(w)
        given = (y, w)
        if not all(value is None or isinstance(value, np.ndarray) for value in given):
            # On the device themselves: there is nothing to save.
            return self._resident(y, w, shape)
        for last in tuple(self._uploaded):
            if last.shape == shape and all(map(_same, last.given, given)):
                return last.resident
        # Copies: the caller's arrays may change in place. XGBoost's own are fresh ones each round.
        copies = tuple(None if value is None else value.copy() for value in given)
        uploaded = _Uploaded(copies, shape, self._resident(y, w, shape))
        self._uploaded[:] = [uploaded]
        return uploaded.resident

    def _resident(self, y: Any, w: Any, shape: tuple[int, ...]) -> cuda.Resident:
        """Check labels and weights for margins of that shape, and upload them."""
        ordinal = _validation.device(self.device)
        assert ordinal is not None
        softmax = isinstance(self.loss, SoftmaxFocalLoss)
        with cuda.on(ordinal):
            if isinstance(self.loss, SoftmaxFocalLoss):
                _validation.columns(shape, self.loss.n_classes, matrix=True)
                label = _validation.class_labels(y, self.loss.n_classes, shape[0])
            else:
                label = _validation.binary_labels(y, shape)
            if w is not None:
                like = np.empty(0, np.float32) if isinstance(w, np.ndarray) else w
                w = _validation.sample_weight(w, shape[0], like)
            return cuda.Resident.of(
                label, w, self.loss._gammas, self.loss._alphas, binary=not softmax, ordinal=ordinal
            )

    def _derivatives(self, resident: cuda.Resident, margin: Any) -> tuple[Any, Any]:
        return resident.derivatives(
            margin, curvature=self.curvature, floor=FLOOR, factor=self._factor
        )

    def params(self, y: ArrayLike, sample_weight: ArrayLike | None = None) -> dict[str, Any]:
        """Return the parameters that belong to this objective for labels ``y``.

        Parameters
        ----------
        y : array of shape (n,) or (n, targets)
            Training labels; with them the prior.
        sample_weight : array of shape (n,), optional
            Training weights.

        Returns
        -------
        dict
            ``objective`` (the native name, so that the saved model is a native one), ``base_score``
            (the focal intercept as XGBoost wants it: a score, or one margin per class), ``num_class``
            for softmax, and ``disable_default_eval_metric`` (metrics you name are still evaluated).

        Raises
        ------
        ValueError
            As ``loss.intercept``: wrong labels, a single class.
        """
        params: dict[str, Any] = {"disable_default_eval_metric": 1}
        if isinstance(self.loss, SoftmaxFocalLoss):
            params["objective"] = "multi:softprob"
            params["num_class"] = self.loss.n_classes
            # Plain floats: XGBoost refuses NumPy scalars here.
            params["base_score"] = [float(z) for z in self.loss.intercept(y, sample_weight)]
            return params
        params["objective"] = "binary:logistic"
        labels = to_numpy(y)
        if labels.ndim == 2:
            columns = [self.loss.intercept(column, sample_weight) for column in labels.T]
            params["base_score"] = [_score(z) for z in columns]
        else:
            params["base_score"] = _score(self.loss.intercept(labels, sample_weight))
        return params


class _Uploaded(NamedTuple):
    """Labels and weights as they were handed over, and what was made of them on the device."""

    given: tuple[NDArray[Any] | None, ...]
    shape: tuple[int, ...]  # of the margins
    resident: cuda.Resident


def _same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    if a is None or b is None:
        return a is b
    return bool(np.array_equal(a, b))


class _Run:
    """An objective during one training run on a CUDA device.

    The labels of a DMatrix are read and uploaded once: nobody else has it until the run ends.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._resident: WeakKeyDictionary[xgb.DMatrix, cuda.Resident] = WeakKeyDictionary()

    def __call__(self, margin: Any, data: xgb.DMatrix) -> tuple[Any, Any]:
        resident = self._resident.get(data)
        if resident is None:
            y, _, w, _ = _arguments.read(margin, data)
            if isinstance(self._objective.loss, BinaryFocalLoss):
                y = y.reshape(margin.shape)  # flat up to XGBoost 3.1
            resident = self._resident[data] = self._objective._resident(y, w, margin.shape)
        return self._objective._derivatives(resident, margin)


def _score(z: float) -> float:
    return float(_binary.terms(np.float64(z)).p)


@dataclass(frozen=True)
class Metric(Immutable):
    r"""Weighted mean focal loss as custom_metric of xgboost.train / cv and eval_metric of XGBClassifier.

    Parameters
    ----------
    loss : BinaryFocalLoss or SoftmaxFocalLoss

    Notes
    -----
    It expects margins, which XGBoost passes whenever the objective is a callable. Under xgboost.train
    it returns ``("focal_loss", value)``, under XGBClassifier the value. Distributed, the sums of all
    workers are added before dividing, so the value is exact however the rows are spread.

    XGBoost passes a metric on with SIX DECIMALS and stops early by that: with rare positives the focal
    loss is often below 1e-3 and stopping by it then is coarse. ``train`` and ``cv`` of this module
    hand the full value to the callbacks.
    """

    loss: Loss
    __name__ = _METRIC  # asked for by XGBClassifier

    def __post_init__(self) -> None:
        _check_loss(self.loss)

    def __call__(self, a: Any, b: Any, sample_weight: Any = None) -> Any:
        """Return ("focal_loss", value), or the value alone for the scikit-learn interface."""
        y, margin, w, native = _arguments.read(a, b, sample_weight)
        margin = np.asarray(margin)
        if margin.size == 0:
            total, weight = 0.0, 0.0
        else:
            if native and margin.ndim == 2 and isinstance(self.loss, BinaryFocalLoss):
                y = y.reshape(margin.shape)
            total, weight = metrics.sums(self.loss, y, margin, w)
        if native:
            both = collective.allreduce(np.array([total, weight]), collective.Op.SUM)
            total, weight = float(both[0]), float(both[1])
        value = total / weight if weight > 0 else float("nan")
        return (_METRIC, value) if native else value


class Arrays(NamedTuple):
    """Features, labels and weights where they are, in the host's memory or on a CUDA device.

    Given to ``train`` in place of a DMatrix, margins stay beside them during training.

    Attributes
    ----------
    X : array or frame of shape (n, p)
        What XGBoost's inplace_predict takes: NumPy, pandas, CuPy, cuDF, SciPy CSR, ...
    y : array of shape (n,)
        Labels, as for a DMatrix.
    weight : array of shape (n,), optional
    """

    X: Any
    y: Any
    weight: Any = None


def train(
    params: Mapping[str, Any],
    dtrain: xgb.DMatrix | Arrays,
    num_boost_round: int = 10,
    *,
    loss: Loss,
    curvature: Curvature = "guarded",
    custom_metric: Callable[[Any, xgb.DMatrix], Any] | None = None,
    **host_keywords: Any,
) -> xgb.Booster:
    r"""Train as xgboost.train does, with objective, prior, metric and saved model set right.

    Parameters
    ----------
    params : mapping
        XGBoost's parameters. A ``base_score`` of yours is kept. ``objective`` may be left out. With
        ``device="cuda"`` gradient and curvature are computed there too, which needs CuPy; labels and
        weights are uploaded once.
    dtrain : xgboost.DMatrix or Arrays
        With labels 0/1 (for softmax 0 .. K-1); weights are honoured. ``Arrays(X, y[, weight])`` train
        the same model in a loop that never moves the margins: on a CUDA device nothing as long as the
        rows crosses to the host. ``evals`` are then pairs of Arrays and a name.
    num_boost_round : int
    loss : BinaryFocalLoss or SoftmaxFocalLoss
    curvature : {"guarded", "exact", "expected"}
    custom_metric : callable, optional
        Evaluated next to the focal loss, on margins. The focal loss stays the last metric and so
        drives early stopping, unless an EarlyStopping callback names another.
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
        that XGBoost would ignore in silence (``scale_pos_weight``). With ``Arrays``: DART, gblinear,
        dropout, ``process_type="update"``, other metrics than the focal loss, and X in other memory than
        ``device`` says.
    TypeError
        If ``obj`` is given, or ``loss`` is not a focal loss.
    ImportError, RuntimeError
        With ``device="cuda"``: without CuPy, or without such a device. For gradients from the host
        pass ``Objective(loss)`` to xgboost.train.

    Notes
    -----
    With ``xgb_model`` training continues from that model's margins, and its own base_score stays.

    Examples
    --------
    >>> import numpy as np, xgboost as xgb
    >>> from focalboost import SoftmaxFocalLoss
    >>> X = np.arange(90.0).reshape(-1, 1); y = X[:, 0] // 30
    >>> booster = train({"max_depth": 2}, xgb.DMatrix(X, y), 20, loss=SoftmaxFocalLoss(3))
    >>> booster.predict(xgb.DMatrix(X[[0, 45, 89]])).argmax(axis=1)
    array([0, 1, 2])
    """
    objective = _objective(loss, curvature, params)
    _refuse_obj(host_keywords)
    host = _host_params(params, objective)
    if isinstance(dtrain, Arrays):
        if custom_metric is not None:
            raise ValueError(
                "custom_metric must be left out with Arrays: they are evaluated where they are, by the "
                "focal loss; give a DMatrix to have other metrics"
            )
        from focalboost._xgboost_arrays import train as train_on_arrays

        ordinal = _validation.device(objective.device)
        with nullcontext() if ordinal is None else cuda.on(ordinal):
            return train_on_arrays(host, dtrain, num_boost_round, objective, **host_keywords)
    for data, name in [(dtrain, "dtrain"), *(host_keywords.get("evals") or ())]:
        _check_data(data, loss, name)
    host = _with_prior(host, objective, dtrain, host_keywords.get("xgb_model"))
    exact = ExactMetrics(_arguments.combine(Metric(loss), custom_metric))
    callbacks = [exact, *(host_keywords.pop("callbacks", None) or ())]
    return xgb.train(
        host,
        dtrain,
        num_boost_round,
        obj=_for_run(objective),
        custom_metric=exact.evaluate,
        callbacks=callbacks,
        **host_keywords,
    )


def _objective(loss: Loss, curvature: Curvature, params: Mapping[str, Any]) -> Objective:
    """Return the objective for XGBoost's parameters: its device and threads are followed."""
    device = str(params.get("device") or "cpu")
    device = "cuda" + device[3:] if device.split(":")[0] == "gpu" else device  # XGBoost takes both
    objective = Objective(loss, curvature, device, n_threads=_threads(params))
    ordinal = _validation.device(device)
    if ordinal is not None:
        cuda.on(ordinal)  # says what is missing before anything is trained
    return objective


def _for_run(objective: Objective) -> Objective | _Run:
    return objective if objective.device == "cpu" else _Run(objective)


def _with_prior(
    host: dict[str, Any], objective: Objective, dtrain: xgb.DMatrix, xgb_model: Any
) -> dict[str, Any]:
    """Return the parameters with the prior of the data; a model that is continued has its own."""
    if xgb_model is None:
        return {**_prior(objective, dtrain), **host}
    if "base_score" in host:
        raise ValueError(
            "base_score must not be given next to xgb_model: the loaded model has its own, and another "
            "one would move every prediction of it"
        )
    return host


def cv(
    params: Mapping[str, Any],
    dtrain: xgb.DMatrix,
    num_boost_round: int = 10,
    *,
    loss: Loss,
    curvature: Curvature = "guarded",
    custom_metric: Callable[[Any, xgb.DMatrix], Any] | None = None,
    fpreproc: Callable[..., Any] | None = None,
    **host_keywords: Any,
) -> Any:
    r"""Cross-validate as xgboost.cv does, with objective, metric and each fold's own prior set right.

    Parameters
    ----------
    params, dtrain, num_boost_round, loss, curvature, custom_metric
        As for ``train``.
    fpreproc : callable, optional
        As for xgboost.cv; it runs before the prior of the fold is taken.
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
    objective = _objective(loss, curvature, params)
    _refuse_obj(host_keywords)
    host = _host_params(params, objective)
    _check_data(dtrain, loss, "dtrain")
    _prior(objective, dtrain)  # refuses what no fold could be trained on, a single class

    def with_prior(train_fold: xgb.DMatrix, test_fold: xgb.DMatrix, fold_params: Any) -> Any:
        if fpreproc is not None:
            train_fold, test_fold, fold_params = fpreproc(train_fold, test_fold, fold_params)
        return train_fold, test_fold, {**_prior(objective, train_fold), **fold_params}

    exact = ExactMetrics(_arguments.combine(Metric(loss), custom_metric))
    callbacks = [exact, *(host_keywords.pop("callbacks", None) or ())]
    return xgb.cv(
        host,
        dtrain,
        num_boost_round,
        obj=_for_run(objective),
        custom_metric=exact.evaluate,
        callbacks=callbacks,
        fpreproc=with_prior,
        **host_keywords,
    )


class ExactMetrics(xgb.callback.TrainingCallback):
    """Evaluates metrics, and puts their full values where XGBoost has six decimals.

    XGBoost formats each custom metric as text and reads it back before callbacks see it. This
    callback runs first and replaces the entries of the history, so that early stopping and the
    recorded results are exact. ``evaluate`` is the custom_metric to pass next to the callback.
    """

    def __init__(self, metrics: Sequence[Callable[[Any, xgb.DMatrix], Any]]) -> None:
        self._metrics = list(metrics)
        self._values: dict[str, list[float]] = {}

    def evaluate(self, margin: Any, data: xgb.DMatrix) -> list[tuple[str, float]]:
        """Return (name, value) of every metric."""
        results: list[tuple[str, float]] = []
        for metric in self._metrics:
            returned = metric(margin, data)
            results += returned if isinstance(returned, list) else [returned]
        for name, value in results:
            self._values.setdefault(name, []).append(float(value))
        return results

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Replace the last entry of each history."""
        for name, recorded in self._values.items():
            histories = [of_data[name] for of_data in evals_log.values()]
            # One value per data set under train; under cv one per fold and data set, folds outermost.
            values = np.array(recorded).reshape(-1, len(histories))
            for history, of_folds in zip(histories, values.T, strict=True):
                if isinstance(history[-1], tuple):
                    history[-1] = (float(of_folds.mean()), float(of_folds.std()))
                else:
                    history[-1] = float(of_folds[0])
        self._values.clear()
        return False


def _check_loss(loss: Any) -> None:
    if not isinstance(loss, (BinaryFocalLoss, SoftmaxFocalLoss)):
        raise TypeError(f"loss must be a BinaryFocalLoss or SoftmaxFocalLoss, got {loss!r}")


def _refuse_obj(host_keywords: Mapping[str, Any]) -> None:
    for name in ("obj", "feval"):
        if name in host_keywords:
            raise TypeError(f"{name} must not be given: loss= sets the objective and its metric")


def _host_params(params: Mapping[str, Any], objective: Objective) -> dict[str, Any]:
    """Check the user's parameters for what cannot work with a custom objective."""
    host = dict(params)
    softmax = isinstance(objective.loss, SoftmaxFocalLoss)
    native = "multi:softprob" if softmax else "binary:logistic"
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
    n_classes = objective.loss.n_classes if isinstance(objective.loss, SoftmaxFocalLoss) else None
    given = host.get("num_class")
    if given is not None and given != n_classes and not (n_classes is None and given in (0, 1)):
        raise ValueError(
            f"num_class must be {n_classes or 'left out'} next to loss={objective.loss!r}, "
            f"got {given!r}"
        )
    if n_classes is not None:
        host["num_class"] = n_classes
    host.setdefault("disable_default_eval_metric", 1)
    return host


def _threads(params: Mapping[str, Any]) -> int | None:
    """Return what the parameters give XGBoost; 0 and below mean all, as None does for us."""
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


def _check_data(data: xgb.DMatrix, loss: Loss, name: str) -> None:
    """Refuse data that would train or be evaluated into nonsense, before any tree."""
    if not isinstance(data, xgb.DMatrix):
        raise TypeError(f"{name} must be an xgboost.DMatrix, got {type(data).__name__}")
    y, w, n = _labels(data), _weights(data), data.num_row()
    if n and y.size == 0:
        raise ValueError(f"labels must be set on {name}, got a DMatrix without labels")
    if isinstance(loss, SoftmaxFocalLoss):
        _validation.class_labels(y, loss.n_classes)
    else:
        _validation.binary_labels(y)
    _validation.sample_weight(w, n, np.empty(0, np.float64))


def _prior(objective: Objective, dtrain: xgb.DMatrix) -> dict[str, Any]:
    return objective.params(_labels(dtrain), _weights(dtrain))

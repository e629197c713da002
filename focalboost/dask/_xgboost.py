"""XGBoost on Dask."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self

import dask
import numpy as np
import xgboost as xgb
from distributed import Client
from numpy.typing import NDArray
from xgboost import dask as dxgb

import focalboost.xgboost as fx
from focalboost import _frequencies, _scale, metrics
from focalboost._curvature import Curvature
from focalboost._namespace import to_numpy
from focalboost.dask._collections import (
    Collection,
    OnDask,
    check_collection,
    check_weights,
    codes,
    connected,
    counted_posterior,
    parts,
    rowwise,
    whole_rows,
)
from focalboost.estimators._base import check_continued
from focalboost.estimators._posterior import HANDLED, ClassPosterior, pairs
from focalboost.estimators._xgboost import FocalXGBClassifier, metrics_of_workers, stored
from focalboost.losses import BinaryFocalLoss, FocalLoss, SoftmaxFocalLoss, check_loss


def _count(part: Mapping[str, Any], loss: FocalLoss, name: str) -> NDArray[np.float64]:
    """Return rows, and the sums of the weights of each class, of a part of a DaskDMatrix."""
    given, weight, k = part.get("label"), part.get("weight"), len(loss.gammas)
    if given is None:
        raise ValueError(f"labels must be set on {name}, got a DaskDMatrix without labels")
    y = to_numpy(given)
    if y.ndim == 2 and y.shape[1] > 1:
        raise ValueError(
            f"labels of {name} must have one column on Dask, got {y.shape[1]}: several targets are for "
            "focalboost.xgboost.train; here train one model per target"
        )
    y = y.reshape(-1)
    loss.check_labels(y)
    w = None if weight is None else to_numpy(weight).reshape(-1).astype(np.float64)
    check_weights(w, len(y), f"weights of {name}")
    return np.append(_frequencies.class_weights(y.astype(np.int64), w, k), len(y))


async def _counted(client: Client, data: Any, loss: FocalLoss, name: str) -> NDArray[np.float64]:
    """Return the class sums and the number of rows of a DaskDMatrix; labels stay on the workers."""
    if not isinstance(data, dxgb.DaskDMatrix):
        raise TypeError(f"{name} must be an xgboost.dask.DaskDMatrix, got {type(data).__name__}")
    parts = getattr(data, "worker_map", None)  # has no public name
    if parts is None:
        raise RuntimeError(
            f"XGBoost {xgb.__version__} keeps the parts of a DaskDMatrix where they are not found; "
            "please report this, and use DaskFocalXGBClassifier"
        )
    futures = [
        client.submit(_count, part, loss, name, workers=[address], pure=False)
        for address, of_worker in parts.items()
        for part in of_worker
    ]
    counts: NDArray[np.float64] = np.sum(await client.gather(futures, asynchronous=True), axis=0)
    return counts


def train(
    client: Client | None,
    params: Mapping[str, Any],
    dtrain: dxgb.DaskDMatrix,
    num_boost_round: int = 10,
    *,
    loss: FocalLoss,
    curvature: Curvature = "guarded",
    custom_metric: Callable[[Any, xgb.DMatrix], Any] | None = None,
    evals: Sequence[tuple[dxgb.DaskDMatrix, str]] | None = None,
    xgb_model: xgb.Booster | None = None,
    callbacks: Sequence[Any] | None = None,
    **host_keywords: Any,
) -> Any:
    """Train as xgboost.dask.train does, with objective, intercept, metric and saved model set right.

    Parameters
    ----------
    client : distributed.Client or None
        None: the current client. With an asynchronous client the result is awaitable.
    params : mapping
        XGBoost's parameters, as for ``focalboost.xgboost.train``.
    dtrain : xgboost.dask.DaskDMatrix or DaskQuantileDMatrix
        With labels 0/1 (for softmax 0 .. K-1), of which a worker may have any part, or none.
    num_boost_round : int
    loss : BinaryFocalLoss or SoftmaxFocalLoss
    curvature : {"guarded", "exact"}
    custom_metric : callable, optional
        Evaluated on the margins of each worker, in addition to the focal loss; its mean over the workers
        counts, as in XGBoost. The focal loss is that of all rows.
    evals, xgb_model, callbacks
        As for xgboost.dask.train.
    **host_keywords
        Anything else xgboost.dask.train takes: early_stopping_rounds, verbose_eval, ...

    Returns
    -------
    dict
        ``"booster"``, a native model that says its link, and ``"history"``.

    Raises
    ------
    ValueError
        Before training, from the worker that has the rows: as ``focalboost.xgboost.train``. Metrics like
        ``"recall@0.01"``, which need the scores of all rows in one place.
    TypeError
        If ``obj`` is given, a data set is not a DaskDMatrix, or ``loss`` is not a focal loss.

    Notes
    -----
    XGBoost writes metrics with six decimals before workers see them; here histories have all digits.
    """
    check_loss(loss)
    client = connected(client)
    given = fx.mapping(params)
    fx.refuse_obj(host_keywords)
    named = fx.take_named(given, loss)
    if named:
        fx.refuse_scores(named[0].metric.name, "on Dask")
    objective = fx.Objective(loss, curvature, str(given.get("device") or "cpu"))
    host = fx.host_params(given, objective)
    before = None if xgb_model is None else fx.continued(xgb_model, loss, host)
    own = fx.in_order(fx.Metric(loss), custom_metric, (), host_keywords.get("maximize"))
    fx.check_direction(callbacks or (), set(), metrics.NAME)
    return client.sync(
        _train,
        client,
        host,
        dtrain,
        num_boost_round,
        objective,
        list(evals or ()),
        before,
        fx.ExactMetrics(own, _scale.says(loss)),
        list(callbacks or ()),
        host_keywords,
    )


async def _train(
    client: Client,
    host: dict[str, Any],
    dtrain: Any,
    num_boost_round: int,
    objective: fx.Objective,
    evals: list[tuple[Any, str]],
    before: xgb.Booster | None,
    exact: fx.ExactMetrics,
    callbacks: list[Any],
    host_keywords: dict[str, Any],
) -> dict[str, Any]:
    loss = objective.loss
    counts = await _counted(client, dtrain, loss, "dtrain")
    for data, name in evals:
        if data is not dtrain:
            await _counted(client, data, loss, name)
    if before is None:
        intercept = loss.intercept_of(counts[:-1], int(counts[-1]))
        host = {**objective.params_of(intercept), **host}
    trained: dict[str, Any] = await dxgb.train(
        client,
        host,
        dtrain,
        num_boost_round,
        evals=evals,
        obj=objective,
        custom_metric=exact.evaluate,
        callbacks=[exact, *callbacks],
        xgb_model=before,
        **host_keywords,
    )
    trained["booster"].set_attr(**_scale.says(loss))  # keeping the best iteration loses them
    return trained


def predict_proba(client: Client | None, model: Any, data: Collection) -> Any:
    """Return P(class given x) of each row, lazily.

    Parameters
    ----------
    client : distributed.Client or None
        None: the current client.
    model : dict or xgboost.Booster
        What ``train`` of this module or of ``focalboost.xgboost`` returns. All its trees count.
    data : dask.array.Array or dask.dataframe.DataFrame

    Returns
    -------
    dask.array.Array or dask.dataframe.DataFrame
        As ``data``, one column per class, float32; rows sum to 1.

    Raises
    ------
    ValueError
        If the model does not say its link: it is not one of focalboost.
    TypeError
        If ``data`` is in memory.
    """
    connected(client)
    check_collection("data", data)
    booster = model["booster"] if isinstance(model, Mapping) else model
    if not isinstance(booster, xgb.Booster):
        raise TypeError(
            f"model must be a booster or what train returns, got {type(model).__name__}"
        )
    configured = json.loads(booster.save_config())["learner"]["learner_model_param"]
    of_loss, k = _scale.read(booster.attributes()), int(configured["num_class"])
    loss = SoftmaxFocalLoss(k, *of_loss) if k > 1 else BinaryFocalLoss(*of_loss)
    return rowwise(partial(_probabilities, booster, loss), data, np.float32, max(2, loss.n_outputs))


def _probabilities(booster: xgb.Booster, loss: FocalLoss, rows: Any) -> NDArray[np.float32]:
    margin = booster.inplace_predict(rows, predict_type="margin")
    eta = np.asarray(loss.posterior(to_numpy(margin)), dtype=np.float32)
    return eta if eta.ndim == 2 else np.column_stack([1 - eta, eta])


class DaskFocalXGBClassifier(OnDask, FocalXGBClassifier):  # type: ignore[misc]
    """FocalXGBClassifier for Dask arrays and frames.

    Parameters
    ----------
    **parameters
        Those of ``FocalXGBClassifier``. "average_precision" and metrics like ``"recall@0.01"`` need the
        scores of all rows in one place and are refused. Of a callable ``eval_metric`` the mean over the
        workers counts, weighted by their rows: exact for every mean over rows.

    Attributes
    ----------
    client : distributed.Client
        The current client unless it was set.
    classes_, loss_, class_prior_
        As of ``FocalXGBClassifier``, of the rows of all workers.

    Notes
    -----
    Labels may be of any type, and a worker may have any of them, or none. ``save_model`` writes what
    ``FocalXGBClassifier`` loads; ``to_local`` returns one. ``predict``, ``predict_proba`` and
    ``decision_function`` are lazy for collections, and take arrays in memory as well.

    Raises
    ------
    TypeError
        At ``fit``: X or y in memory.
    ValueError
        At ``fit``, before training: as ``FocalXGBClassifier``; a closed client; partitions of y and
        ``sample_weight`` that do not belong together.

    Examples
    --------
    ::

        from distributed import Client
        from focalboost.dask import DaskFocalXGBClassifier

        client = Client("tcp://scheduler:8786")
        classifier = DaskFocalXGBClassifier(focal_gamma=1.0, n_estimators=300).fit(X, y)
        probability = classifier.predict_proba(X_new)        # lazy
    """

    _local = FocalXGBClassifier
    _dtype = np.float32

    def fit(  # type: ignore[override]
        self,
        X: Collection,
        y: Collection,
        *,
        sample_weight: Collection | None = None,
        eval_set: Sequence[tuple[Collection, Collection]] | None = None,
        sample_weight_eval_set: Sequence[Collection] | None = None,
        verbose: bool | int | None = False,
        xgb_model: xgb.Booster | xgb.XGBModel | None = None,
    ) -> Self:
        """Fit on collections; arguments as for ``FocalXGBClassifier``."""
        client = self.client
        whole = whole_rows(X, y, sample_weight)
        posterior = counted_posterior(client, self.get_params(), y, sample_weight)
        host = {k: v for k, v in self.get_params().items() if k not in HANDLED}
        objective = self._objective(host, posterior)
        builtin, exact, callbacks = metrics_of_workers(
            self.eval_metric,
            posterior,
            self.callbacks or (),
            self.early_stopping_rounds,
            "on Dask",
        )
        before = None
        if xgb_model is not None:
            given = xgb_model.get_booster() if isinstance(xgb_model, xgb.XGBModel) else xgb_model
            before = fx.continued(given, posterior.loss, host)
            check_continued("xgb_model", stored(before), posterior)
        sets = pairs(eval_set or ())
        weights: Sequence[Any] = sample_weight_eval_set or [None] * len(sets)
        if len(weights) != len(sets):
            raise ValueError(
                f"sample_weight_eval_set must have {len(sets)} entries as eval_set, got {len(weights)}"
            )
        whole_sets = []
        for (Xv, yv), w in zip(sets, weights, strict=True):
            whole_sets.append(whole_rows(Xv, yv, w, " of eval_set"))
            # XGBoost would say no more than that a part is in error.
            known = [dask.delayed(_count_known)(posterior, part) for part in parts(yv)]
            client.gather(client.compute(known))
        matrix = partial(self._matrix, client, posterior)
        d = matrix(whole, y, sample_weight, None)
        evals = [
            (d if Xv is X and yv is y else matrix(whole_sets[i], yv, w, d), f"validation_{i}")
            for i, ((Xv, yv), w) in enumerate(zip(sets, weights, strict=True))
        ]
        params = fx.host_params(self._own_xgb_params() | {"eval_metric": builtin}, objective)
        if before is None:
            params = {**objective.params_of(posterior.intercept()), **params}
        trained = dxgb.train(
            client,
            params,
            d,
            self.get_num_boosting_rounds(),
            evals=evals,
            obj=objective,
            custom_metric=exact.evaluate,
            callbacks=callbacks,
            verbose_eval=verbose,
            xgb_model=before,
        )
        self._Booster = trained["booster"]
        self._Booster.set_attr(**posterior.says())
        self._class_posterior = posterior
        self.n_classes_ = len(posterior.classes)
        self.evals_result_ = trained["history"]
        return self

    def _own_xgb_params(self) -> dict[str, Any]:
        """Return XGBoost's parameters without those that this class sets."""
        left_out = ("objective", "eval_metric", "num_class", "callbacks", "n_estimators", "missing")
        params = self.get_xgb_params().items()
        return {k: v for k, v in params if v is not None and k not in left_out}

    def _matrix(
        self, client: Client, posterior: ClassPosterior, X: Any, y: Any, w: Any, ref: Any
    ) -> dxgb.DaskDMatrix:
        """Return the data for training, with labels 0 .. K-1."""
        coded = rowwise(partial(codes, posterior, "eval_set"), y, np.int64)
        more = {} if ref is None else {"ref": ref}
        return dxgb.DaskQuantileDMatrix(
            client,
            X,
            coded,
            weight=w,
            missing=self.missing,
            max_bin=self.max_bin,
            feature_types=self.feature_types,
            enable_categorical=self.enable_categorical,
            **more,
        )


def _count_known(posterior: ClassPosterior, y: Any) -> int:
    """Return the number of labels of a part; raise if the model does not know one."""
    return len(codes(posterior, "eval_set", y))

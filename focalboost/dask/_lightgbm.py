"""LightGBM on Dask."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Any, Self

import dask
import lightgbm as lgb
import numpy as np
from distributed import Client
from numpy.typing import NDArray

import focalboost.lightgbm as fl
from focalboost import metrics
from focalboost._lightgbm_model import finalize, with_notes
from focalboost._namespace import to_numpy
from focalboost.dask._collections import (
    Collection,
    OnDask,
    codes,
    counted_posterior,
    rowwise,
    whole_rows,
    with_weights,
)
from focalboost.estimators._lightgbm import FocalLGBMClassifier
from focalboost.estimators._posterior import HANDLED

_EARLY_STOPPING = (
    "early_stopping_round",
    "early_stopping_rounds",
    "early_stopping",
    "n_iter_no_change",
)


class DaskFocalLGBMClassifier(OnDask, FocalLGBMClassifier):  # type: ignore[misc]
    """FocalLGBMClassifier for Dask arrays and frames.

    LightGBM's own ``DaskLGBMClassifier`` numbers the labels of each worker by themselves, so that a
    class that one worker lacks is mistaken for another. Here they are numbered once, for all workers.

    Parameters
    ----------
    **parameters
        Those of ``FocalLGBMClassifier``, without early stopping: LightGBM does not exchange metrics
        between workers, so they would stop at different rounds and wait for each other.
        ``loss_by_iteration`` finds the best number of rounds after training.

    Attributes
    ----------
    client : distributed.Client
        The current client unless it was set.
    classes_, loss_, class_prior_
        As of ``FocalLGBMClassifier``, of the rows of all workers.

    Notes
    -----
    ``save_model`` writes what ``FocalLGBMClassifier`` loads; ``to_local`` returns one. ``predict``,
    ``predict_proba`` and ``decision_function`` are lazy for collections, and take arrays in memory as
    well.

    Raises
    ------
    TypeError
        At ``fit``: X or y in memory.
    ValueError
        At ``fit``, before training: as ``FocalLGBMClassifier``; early stopping or an eval_set; a closed
        client; partitions of y and ``sample_weight`` that do not belong together.
    RuntimeError
        If a worker was lost in training, unless LightGBM says so itself.
    """

    _local = FocalLGBMClassifier
    _dtype = np.float64

    def fit(  # type: ignore[override]
        self,
        X: Collection,
        y: Collection,
        sample_weight: Collection | None = None,
        *,
        eval_set: Any = None,
        callbacks: Any = None,
    ) -> Self:
        """Fit on collections; ``eval_set`` and ``callbacks`` are refused, with what to do instead."""
        client = self.client
        X = whole_rows(X, y, sample_weight)
        options = self.get_params()
        stopped = [name for name in _EARLY_STOPPING if options.get(name)]
        if eval_set is not None or callbacks or stopped:
            raise ValueError(
                f"{stopped[0] if stopped else 'eval_set and callbacks'} must be left out on Dask: "
                "LightGBM's workers do not exchange metrics, so each would see its own and stop by "
                "itself; train all rounds, then loss_by_iteration(X_valid, y_valid) gives the focal "
                "loss after each, and predict_proba(X, num_iteration=n) uses the first n"
            )
        posterior = counted_posterior(client, options, y, sample_weight)
        host = {k: v for k, v in options.items() if k not in HANDLED}
        params, _ = self._host(host, posterior, None)  # takes the metrics out of host
        intercept = np.atleast_1d(posterior.intercept())
        params |= {"objective": _From(intercept, params["objective"]), "metric": "None"}
        regressor = lgb.DaskLGBMRegressor(client=client, **host | params)
        trained = _while_all_live(
            client,
            partial(
                regressor.fit,
                X,
                rowwise(partial(codes, posterior, "y"), y, np.int64),
                sample_weight=sample_weight,
            ),
        )
        booster = finalize(trained.booster_, posterior.loss, init_score=intercept)
        text = with_notes(booster.model_to_string(), posterior.says())
        return self._take(lgb.Booster(model_str=text), posterior)

    def loss_by_iteration(
        self, X: Collection, y: Collection, sample_weight: Collection | None = None
    ) -> NDArray[np.float64]:
        """Return the weighted mean focal loss of these rows after each iteration.

        Parameters
        ----------
        X, y, sample_weight : Dask arrays or frames
            Rows that the model was not trained on.

        Returns
        -------
        array of shape (n_iterations,)
            ``argmin() + 1`` iterations are best: give ``predict_proba`` that as ``num_iteration``.
        """
        X = whole_rows(X, y, sample_weight)
        local = self.to_local()
        found = self.client.compute(
            [dask.delayed(_sums)(local, *part) for part in with_weights(sample_weight, X, y)]
        )
        total, weight = np.sum(self.client.gather(found), axis=0).T
        if not weight.all():
            raise ValueError("X must have rows with weight, got none")
        return np.asarray(total / weight)


_SECONDS = 10.0  # that LightGBM has to notice that a worker is gone


def _while_all_live(client: Client, train: Callable[[], Any]) -> Any:
    """Return what ``train`` returns; raise if a worker is lost and LightGBM does not notice it.

    If the connection was closed in order, LightGBM's other workers read nothing from it for ever.
    """
    workers = set(client.nthreads())
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(train())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()  # one that waits must not keep the program from ending
    while not future.done():
        wait([future], timeout=1)
        if lost := workers.difference(client.nthreads()):
            wait([future], timeout=_SECONDS)
            if not future.done():
                raise RuntimeError(
                    f"worker {min(lost)} was lost while LightGBM trained, and the others wait for it "
                    "without end; client.restart() frees them, then fit again"
                )
    return future.result()


@dataclass(frozen=True)
class _From:
    """An objective that starts from the intercept: init_score would be copied five times on the way."""

    intercept: NDArray[np.float64]
    objective: fl.Objective

    def __call__(self, y: Any, margin: Any, sample_weight: Any = None) -> tuple[Any, Any]:
        return self.objective(y, margin + self.intercept, sample_weight)


def _sums(local: FocalLGBMClassifier, X: Any, y: Any, w: Any) -> NDArray[np.float64]:
    """Return the summed loss and the weight of a part after each iteration, (n_iterations, 2)."""
    posterior, booster = local.class_posterior_, local.booster_
    n = booster.current_iteration()
    found = np.zeros((n, 2))
    if not len(X):
        return found
    labels = codes(posterior, "y", y)
    weight = None if w is None else to_numpy(w).reshape(-1).astype(np.float64)
    margin: Any = 0.0
    for i in range(n):
        margin = margin + booster.predict(X, raw_score=True, start_iteration=i, num_iteration=1)
        found[i] = metrics.sums(posterior.loss, labels, margin, weight)
    return found

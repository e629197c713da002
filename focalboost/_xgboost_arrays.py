"""XGBoost's training loop over arrays, with margins that stay beside them.

xgboost.train copies the margins of all training rows into the host's memory each round, wherever the
rows are. This loop adds the last tree to the margins that it has, with public calls of XGBoost, and
trains the same model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xgboost as xgb

from focalboost import _validation, metrics
from focalboost._kernel import cuda
from focalboost.losses import FocalLoss

_REFUSED: Mapping[str, Mapping[Any, str]] = {
    "booster": {
        "dart": "DART changes earlier trees, so the last one cannot be added to the margins",
        "gblinear": "a linear model has no last tree to add to the margins",
    },
    "process_type": {"update": "it changes earlier trees, so the last one cannot be added"},
}


class Arrays(NamedTuple):
    """Features, labels and weights as arrays, in the host's memory or on a CUDA device.

    Given to ``train`` in place of a DMatrix, they keep the margins beside them during training.

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


class _Table:
    """Features, labels and weights of one table, and its margins so far."""

    def __init__(self, data: Arrays, booster: xgb.Booster, on_device: bool) -> None:
        self.X = data.X
        as_array = cuda.cupy().asarray if on_device else np.asarray
        self.y = as_array(data.y)
        # float32, as a DMatrix keeps them
        self.weight = None if data.weight is None else as_array(data.weight).astype(np.float32)
        self.margin = booster.inplace_predict(self.X, predict_type="margin")

    def add(self, booster: xgb.Booster, iteration: int) -> None:
        """Add the trees of that iteration."""
        self.margin = booster.inplace_predict(
            self.X,
            iteration_range=(iteration, iteration + 1),
            predict_type="margin",
            base_margin=self.margin,
        )

    def focal_loss(self, loss: FocalLoss) -> float:
        """Evaluate the metric at the margins so far."""
        return metrics.focal_loss(loss, self.y, self.margin, self.weight)


def train(
    booster: xgb.Booster,
    dtrain: xgb.DMatrix,
    data: Arrays,
    num_boost_round: int,
    *,
    derivatives: Callable[[Any, Any, tuple[int, ...]], Callable[[Any], tuple[Any, Any]]],
    loss: FocalLoss,
    on_device: bool,
    evals: Sequence[tuple[Arrays, str]],
    early_stopping_rounds: int | None = None,
    evals_result: dict[str, Any] | None = None,
    verbose_eval: bool | int | None = True,
    callbacks: Sequence[xgb.callback.TrainingCallback] | None = None,
) -> xgb.Booster:
    """Train on; ``booster`` has its parameters, ``dtrain`` is the matrix of ``data``.

    ``derivatives(y, weight, shape)`` returns the function from margins of that shape to gradient and
    curvature. The other arguments are those of xgboost.train.
    """
    table = _Table(data, booster, on_device)
    gradient_curvature = derivatives(table.y, table.weight, table.margin.shape)
    valid = {
        name: table if rows is data else _Table(rows, booster, on_device) for rows, name in evals
    }
    tables = [table, *(other for other in valid.values() if other is not table)]
    for other in valid.values():
        other.focal_loss(loss)  # refuses wrong labels and weights before any tree is grown
    monitors = list(callbacks or ())
    if verbose_eval:
        monitors.append(xgb.callback.EvaluationMonitor(period=int(verbose_eval)))
    if early_stopping_rounds:
        monitors.append(xgb.callback.EarlyStopping(rounds=early_stopping_rounds))
    history: dict[str, dict[str, Any]] = {}
    before = booster.num_boosted_rounds()
    for monitor in monitors:
        booster = monitor.before_training(booster)
    for i in range(num_boost_round):
        if any([m.before_iteration(booster, i, history) for m in monitors]):  # noqa: C419 - all must run
            break
        gradient, curvature = gradient_curvature(table.margin)
        booster.boost(dtrain, i, grad=gradient, hess=curvature)
        for other in tables:
            other.add(booster, before + i)
        for name, other in valid.items():
            value = other.focal_loss(loss)
            history.setdefault(name, {}).setdefault(metrics.NAME, []).append(value)
        if any([m.after_iteration(booster, i, history) for m in monitors]):  # noqa: C419
            break
    for monitor in monitors:
        booster = monitor.after_training(booster)
    if evals_result is not None:
        evals_result.update(history)
    return booster.reset()  # frees the data that the booster holds, as xgboost.train does


def check(host: Mapping[str, Any], tables: Sequence[tuple[Any, str]], device: str) -> None:
    """Refuse parameters and tables that the loop cannot use; the first table is the training one."""
    _check_params(host)
    names = [name for _, name in tables[1:]]
    if len(set(names)) < len(names):
        raise ValueError(f"evals must have names of their own, got {names}")
    for table, name in tables:
        _check_table(table, name, device)


def _check_params(host: Mapping[str, Any]) -> None:
    for parameter, wrong in _REFUSED.items():
        if host.get(parameter) in wrong:
            raise ValueError(
                f"{parameter} must not be {host[parameter]!r} with Arrays: {wrong[host[parameter]]}; "
                "give a DMatrix"
            )
    for parameter in ("rate_drop", "one_drop"):
        if host.get(parameter):
            raise ValueError(
                f"{parameter} must not be set with Arrays, got {host[parameter]!r}: "
                f"{_REFUSED['booster']['dart']}; give a DMatrix"
            )
    if host.get("eval_metric"):
        raise ValueError(
            f"eval_metric must be left out with Arrays, got {host['eval_metric']!r}: only the focal "
            "loss is evaluated on them; give a DMatrix to have XGBoost's metrics"
        )


def _check_table(table: Any, name: str, device: str) -> None:
    if not isinstance(table, Arrays):
        raise TypeError(f"{name} must be Arrays like the training data, got {type(table).__name__}")
    n = _length(table.X)
    for what, values in (("labels", table.y), ("weights", table.weight)):
        if values is not None and _length(values) != n:
            raise ValueError(
                f"{name} must have {n} {what}, one per row of X, got {_length(values)}"
            )
    on_device = hasattr(table.X, "__cuda_array_interface__") or hasattr(table.X, "to_cupy")
    if on_device != (device != "cpu"):
        raise ValueError(
            f"X of {name} must be where the parameters say, device={device!r}, got "
            f"{type(table.X).__module__}.{type(table.X).__name__}"
        )
    ordinal = getattr(getattr(table.X, "device", None), "id", None)  # of CuPy arrays
    if on_device and ordinal not in (None, _validation.device(device)):
        raise ValueError(
            f"X of {name} must be on the device that the parameters say, {device!r}, got it on "
            f"'cuda:{ordinal}'"
        )


def _length(values: Any) -> int:
    return int(values.shape[0]) if hasattr(values, "shape") else len(values)


def matrix(data: Arrays, host: Mapping[str, Any]) -> xgb.DMatrix:
    """Return the matrix that trees are grown on."""
    common: dict[str, Any] = {"label": data.y, "weight": data.weight, "enable_categorical": True}
    if host.get("nthread") is not None:
        common["nthread"] = host["nthread"]
    if host.get("tree_method", "hist") in ("hist", "auto", None):
        return xgb.QuantileDMatrix(data.X, max_bin=host.get("max_bin"), **common)
    return xgb.DMatrix(data.X, **common)

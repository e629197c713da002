"""XGBoost's training loop over arrays, with margins that stay beside them.

xgboost.train predicts all margins of the training rows into the host's memory each round, wherever the
rows are. This loop adds the last tree to the margins that it has, with public calls of XGBoost, and
trains the same model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xgboost as xgb

from focalboost import _validation, metrics
from focalboost import xgboost as fx
from focalboost._kernel import cuda
from focalboost._namespace import Array
from focalboost.losses import Loss

_REFUSED: Mapping[str, Mapping[Any, str]] = {
    "booster": {
        "dart": "DART changes earlier trees, so the last one cannot be added to the margins",
        "gblinear": "a linear model has no last tree to add to the margins",
    },
    "process_type": {"update": "it changes earlier trees, so the last one cannot be added"},
}


class _Rows:
    """One table: features, labels and weights, and the margins so far."""

    def __init__(self, data: fx.Arrays, booster: xgb.Booster, on_device: bool) -> None:
        self.X = data.X
        there = cuda.cupy().asarray if on_device else np.asarray
        self.y = there(data.y)
        # float32, as a DMatrix keeps them
        self.weight = None if data.weight is None else there(data.weight).astype(np.float32)
        self.margin = booster.inplace_predict(self.X, predict_type="margin")

    def add(self, booster: xgb.Booster, iteration: int) -> None:
        """Add the trees of that iteration."""
        self.margin = booster.inplace_predict(
            self.X,
            iteration_range=(iteration, iteration + 1),
            predict_type="margin",
            base_margin=self.margin,
        )

    def focal_loss(self, loss: Loss) -> float:
        return metrics.focal_loss(loss, self.y, self.margin, self.weight)


def train(
    host: dict[str, Any],
    data: fx.Arrays,
    num_boost_round: int,
    objective: fx.Objective,
    *,
    evals: Sequence[tuple[fx.Arrays, str]] | None = None,
    early_stopping_rounds: int | None = None,
    evals_result: dict[str, Any] | None = None,
    verbose_eval: bool | int | None = True,
    xgb_model: Any = None,
    callbacks: Sequence[xgb.callback.TrainingCallback] | None = None,
) -> xgb.Booster:
    """Train as ``focalboost.xgboost.train`` says, whose arguments these are, parameters checked."""
    evals = list(evals or ())
    on_device = objective.device != "cpu"
    _check(host, [(data, "dtrain"), *evals], objective.device)
    dtrain = _matrix(data, host)
    fx._check_data(dtrain, objective.loss, "dtrain")
    host = fx._with_prior(host, objective, dtrain, xgb_model)
    booster = xgb.Booster(host, [dtrain], model_file=xgb_model)
    rows = _Rows(data, booster, on_device)
    derivatives = _derivatives(objective, rows)
    valid = {
        name: rows if table is data else _Rows(table, booster, on_device) for table, name in evals
    }
    tables = [rows, *(table for table in valid.values() if table is not rows)]
    for table in valid.values():
        table.focal_loss(objective.loss)  # refuses labels and weights before any tree
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
        if any([monitor.before_iteration(booster, i, history) for monitor in monitors]):
            break
        gradient, curvature = derivatives(rows.margin)
        booster.boost(dtrain, i, grad=gradient, hess=curvature)
        for table in tables:
            table.add(booster, before + i)
        for name, table in valid.items():
            value = table.focal_loss(objective.loss)
            history.setdefault(name, {}).setdefault(fx._METRIC, []).append(value)
        if any([monitor.after_iteration(booster, i, history) for monitor in monitors]):
            break
    for monitor in monitors:
        booster = monitor.after_training(booster)
    if evals_result is not None:
        evals_result.update(history)
    return booster.reset()  # of the data it holds, as xgboost.train does


def _check(host: Mapping[str, Any], tables: Sequence[tuple[Any, str]], device: str) -> None:
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
            f"eval_metric must be left out with Arrays, got {host['eval_metric']!r}: they are evaluated "
            "where they are, by the focal loss; give a DMatrix to have XGBoost's metrics"
        )
    names = [name for _, name in tables[1:]]
    if len(set(names)) < len(names):
        raise ValueError(f"evals must have names of their own, got {names}")
    for table, name in tables:
        if not isinstance(table, fx.Arrays):
            raise TypeError(
                f"{name} must be Arrays like the training data, got {type(table).__name__}"
            )
        n = _length(table.X)
        for what, values in (("labels", table.y), ("weights", table.weight)):
            if values is not None and _length(values) != n:
                raise ValueError(
                    f"{name} must have {n} {what}, one per row of X, got {_length(values)}"
                )
        there = hasattr(table.X, "__cuda_array_interface__") or hasattr(table.X, "to_cupy")
        if there != (device != "cpu"):
            raise ValueError(
                f"X of {name} must be where the parameters say, device={device!r}, got "
                f"{type(table.X).__module__}.{type(table.X).__name__}"
            )
        lies_on = getattr(getattr(table.X, "device", None), "id", None)  # of CuPy arrays
        if there and lies_on not in (None, _validation.device(device)):
            raise ValueError(
                f"X of {name} must be on the device that the parameters say, {device!r}, got it on "
                f"'cuda:{lies_on}'"
            )


def _length(values: Any) -> int:
    return int(values.shape[0]) if hasattr(values, "shape") else len(values)


def _matrix(data: fx.Arrays, host: Mapping[str, Any]) -> xgb.DMatrix:
    common: dict[str, Any] = {"label": data.y, "weight": data.weight, "enable_categorical": True}
    if host.get("nthread") is not None:
        common["nthread"] = host["nthread"]
    if host.get("tree_method", "hist") in ("hist", "auto", None):
        return xgb.QuantileDMatrix(data.X, max_bin=host.get("max_bin"), **common)
    return xgb.DMatrix(data.X, **common)


def _derivatives(objective: fx.Objective, rows: _Rows) -> Callable[[Array], tuple[Any, Any]]:
    """Return the function of the margins; labels and weights are uploaded now."""
    if objective.device == "cpu":
        return lambda margin: objective(rows.y, margin, rows.weight)
    resident = objective._resident(rows.y, rows.weight, rows.margin.shape)
    return lambda margin: objective._derivatives(resident, margin)

"""Parameters of the libraries' classifiers by name, so that editors can complete them.

Only type checkers read this: the estimators pass on whatever they are given, and XGBClassifier and
LGBMClassifier check it. Left out is what the estimators refuse or what their own parameters replace, and
XGBoost's ``gamma``, which is easily taken for that of the loss (its other name is ``min_split_loss``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import numpy as np

RandomState = int | np.random.Generator | np.random.RandomState | None


class XGBoostParameters(TypedDict, total=False):
    """Of xgboost.XGBClassifier."""

    n_estimators: int | None
    learning_rate: float | None
    max_depth: int | None
    max_leaves: int | None
    max_bin: int | None
    min_child_weight: float | None
    min_split_loss: float
    reg_lambda: float | None
    reg_alpha: float | None
    max_delta_step: float | None
    subsample: float | None
    sampling_method: str | None
    colsample_bytree: float | None
    colsample_bylevel: float | None
    colsample_bynode: float | None
    num_parallel_tree: int | None
    eval_metric: str | Callable[..., float] | list[Any] | None
    early_stopping_rounds: int | None
    callbacks: list[Any] | None
    booster: str | None
    tree_method: str | None
    grow_policy: str | None
    multi_strategy: str | None
    device: str | None
    n_jobs: int | None
    random_state: RandomState
    missing: float
    enable_categorical: bool
    max_cat_to_onehot: int | None
    max_cat_threshold: int | None
    feature_types: Sequence[str] | None
    feature_weights: Any
    monotone_constraints: dict[str, int] | str | None
    interaction_constraints: str | Sequence[Sequence[str]] | None
    importance_type: str | None
    validate_parameters: bool | None
    verbosity: int | None


class LightGBMParameters(TypedDict, total=False):
    """Of lightgbm.LGBMClassifier, and ``verbosity``."""

    n_estimators: int
    learning_rate: float
    num_leaves: int
    max_depth: int
    min_child_samples: int
    min_child_weight: float
    min_split_gain: float
    reg_lambda: float
    reg_alpha: float
    subsample: float
    subsample_freq: int
    subsample_for_bin: int
    colsample_bytree: float
    boosting_type: str
    class_weight: dict[Any, float] | str | None
    n_jobs: int | None
    random_state: RandomState
    importance_type: str
    verbosity: int

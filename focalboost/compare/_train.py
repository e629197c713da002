"""Four models on one split: XGBoost and LightGBM, their own log loss and the focal loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from skrub import DatetimeEncoder, StringEncoder

from focalboost.compare._read import FEWEST, Refused, Table
from focalboost.estimators import FocalLGBMClassifier, FocalXGBClassifier

LEARNING_RATE, LAMBDA, DEPTH = 0.1, 1.0, 6
TEXT_FEATURES = 10  # of a column of text with very many values

Tick = Callable[[], Any]


class Parts(NamedTuple):
    """The two sides of the split, as both libraries accept them."""

    X_train: pd.DataFrame
    X_test: pd.DataFrame
    y_train: NDArray[np.int64]
    y_test: NDArray[np.int64]
    group_test: NDArray[np.int64] | None
    features: dict[str, list[str]]
    """Names in ``X_train`` of what each column of the table became."""
    how: str
    """The split, in words."""


class Model(NamedTuple):
    """Predictions of one model for the test rows, and the seconds that training took."""

    library: str
    loss: str
    probability: NDArray[np.float64]
    seconds: float
    importance: NDArray[np.float64]
    """Total gain of each feature."""

    @property
    def name(self) -> str:
        """Library and loss."""
        return f"{self.library}, {self.loss}"


def split(table: Table, time: str | None, group: str | None) -> Parts:
    """Split the table: by time, by groups, by both, or at random with the same share of positives.

    Raises
    ------
    Refused
        If one side would have too few rows of a class.
    """
    y, rows, both = table.y, np.arange(len(table.y)), ""
    if table.time is not None:
        # Rows of one moment stay together, in the test part.
        moments = np.sort(table.time)
        late = table.time >= moments[round(0.7 * len(moments))]
        train, test = rows[~late], rows[late]
        how = f"split by {time}, the later {100 * len(test) / len(rows):.0f} % of the rows"
        if table.group is not None:
            known = np.isin(table.group[test], table.group[train])
            how += f" without the {known.sum():,} whose {group} is in the earlier ones"
            both = f"of {len(test):,} later rows {known.sum():,} are of a {group} seen earlier; "
            test = test[~known]
    elif table.group is not None:
        try:
            folds = StratifiedGroupKFold(3, shuffle=True, random_state=0)
            train, test = next(folds.split(rows, y, table.group))
        except ValueError as error:
            raise Refused([f"--group {group!r} must have at least 3 groups: {error}"]) from error
        how = f"split by {group}, {len(np.unique(table.group[test])):,} groups"
    else:
        train, test = train_test_split(rows, test_size=0.3, stratify=y, random_state=0)
        how = "split at random, 30 % of the rows"
    for side, of in (("training", train), ("test", test)):
        positives = int(y[of].sum())
        if not FEWEST <= positives <= len(of) - FEWEST:
            few = (
                f"the {side} rows must have at least {FEWEST} of both classes, got {positives:,} "
                f"positive and {len(of) - positives:,} negative"
            )
            if both and side == "test":
                raise Refused([f"{both}without them {few}; leave out --time or --group"])
            option = "--time" if time else "--group" if group else ""
            mend = f"; without {option} the classes are spread evenly" if option else ""
            raise Refused([few + mend])
    groups = None if table.group is None else table.group[test]
    if groups is not None and (n := len(np.unique(groups[y[test] == 1]))) < FEWEST:
        of_groups = (
            f"the positives of the test rows must come from at least {FEWEST} groups, got {n}; "
            "intervals over fewer say nothing"
        )
        if both:
            raise Refused([f"{both}without them {of_groups}; leave out --time or --group"])
        raise Refused([f"--group {group!r}: {of_groups}"])
    X_train, X_test, features = _encoded(table.X, train, test)
    return Parts(X_train, X_test, y[train], y[test], groups, features, how)


def _encoded(
    X: pd.DataFrame, train: NDArray[Any], test: NDArray[Any]
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, list[str]]]:
    """Make numbers of dates and long texts, by what the training rows show.

    The features are named f0, f1, ...: XGBoost and LightGBM refuse or change some characters in names.
    """
    sides: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    names: dict[str, list[str]] = {}
    for column in X.columns:
        of = X[column].iloc[train], X[column].iloc[test]
        made: tuple[Any, Any] = (of[0].to_frame(), of[1].to_frame())
        encoder = None
        if X[column].dtype.kind == "M":
            encoder = DatetimeEncoder(add_weekday=True)
        elif not (
            isinstance(X[column].dtype, pd.CategoricalDtype) or X[column].dtype == np.float32
        ):
            encoder = StringEncoder(TEXT_FEATURES, random_state=0)
            of = of[0].fillna(""), of[1].fillna("")
        if encoder is not None:
            made = encoder.fit_transform(of[0]), encoder.transform(of[1])
        first = len(sides[0])
        names[column] = [f"f{first + i}" for i in range(made[0].shape[1])]
        for i, name in enumerate(names[column]):
            for side, frame in zip(sides, made, strict=True):
                side[name] = frame.iloc[:, i].reset_index(drop=True)
    return pd.DataFrame(sides[0]), pd.DataFrame(sides[1]), names


class _Tick(xgb.callback.TrainingCallback):
    """Call ``tick`` after each round; XGBoost accepts only objects of this base class."""

    def __init__(self, tick: Tick) -> None:
        self._tick = tick

    def after_iteration(self, *_: Any) -> bool:
        """Return False: training continues."""
        self._tick()
        return False


def models(
    parts: Parts,
    gamma: float,
    rounds: int,
    threads: int | None,
    start: Callable[[str], Tick],
) -> list[Model]:
    """Train the four models; ``start`` is told which one begins, and gives what each round calls."""
    shared: dict[str, Any] = {"n_estimators": rounds, "learning_rate": LEARNING_RATE}
    shared |= {"reg_lambda": LAMBDA, "n_jobs": threads, "random_state": 0}
    for_xgboost = shared | {"max_depth": DEPTH, "enable_categorical": True}
    for_xgboost |= {"importance_type": "total_gain"}
    for_lightgbm = shared | {"verbosity": -1, "importance_type": "gain"}
    focal = f"focal, gamma {gamma:g}"
    found = []
    for library, loss in [(lib, l) for lib in ("XGBoost", "LightGBM") for l in ("log loss", focal)]:
        tick = start(f"{library}, {loss}")
        given: dict[str, Any] = {} if loss != focal else {"focal_gamma": gamma}
        classifier: Any
        begin = time.perf_counter()
        if library == "XGBoost":
            kind: Any = FocalXGBClassifier if given else xgb.XGBClassifier
            classifier = kind(**for_xgboost, **given, callbacks=[_Tick(tick)])
            classifier.fit(parts.X_train, parts.y_train)
        else:
            kind = FocalLGBMClassifier if given else lgb.LGBMClassifier
            classifier = kind(**for_lightgbm, **given)
            classifier.fit(parts.X_train, parts.y_train, callbacks=[lambda _, t=tick: t()])
        seconds = time.perf_counter() - begin
        # In double precision: XGBoost's are single, in which a certain prediction is exactly 1.
        p = np.asarray(classifier.predict_proba(parts.X_test)[:, 1], dtype=np.float64)
        importance = np.asarray(classifier.feature_importances_, dtype=np.float64)
        found.append(Model(library, loss, p, seconds, importance))
    return found


def alone(
    parts: Parts, models: Sequence[Model], threads: int | None, most: int = 5
) -> dict[str, NDArray[np.float64]]:
    """Return what the most important columns predict by themselves: one tree of a few leaves each."""
    gain = np.nansum([m.importance / max(m.importance.sum(), 1e-300) for m in models], axis=0)
    by_name = dict(zip(parts.X_train.columns, gain, strict=True))
    of_column = {c: sum(by_name[name] for name in names) for c, names in parts.features.items()}
    found = {}
    for column in sorted(of_column, key=of_column.__getitem__, reverse=True)[:most]:
        names = parts.features[column]
        tree = lgb.LGBMClassifier(
            n_estimators=1, num_leaves=16, n_jobs=threads, verbosity=-1, random_state=0
        )
        tree.fit(parts.X_train[names], parts.y_train)
        found[column] = np.asarray(tree.predict_proba(parts.X_test[names]))[:, 1]
    return found

"""Several XGBoost workers train one model: what each counts is added up, and if one raises, all do.

The workers are those of ``xgboost.collective``, which Dask, Spark and Ray Train set up. Without them a
process is one worker, and nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike, NDArray
from xgboost import collective


def several() -> bool:
    """Tell whether this process is one of several workers."""
    return bool(collective.get_world_size() > 1)


def total(values: ArrayLike) -> NDArray[np.float64]:
    """Return the sum over all workers, on each; they must all call it."""
    given = np.asarray(values, dtype=np.float64)
    return np.asarray(collective.allreduce(given, collective.Op.SUM)).reshape(given.shape)


def largest(value: float) -> float:
    """Return the largest value of all workers, on each; they must all call it."""
    return float(collective.allreduce(np.array([float(value)]), collective.Op.MAX)[0])


@contextmanager
def all_or_none() -> Iterator[None]:
    """Let every worker raise if one does: the others would wait for it until the network gives up.

    What runs inside must not exchange anything.
    """
    error: Exception | None = None
    try:
        yield
    except Exception as caught:
        error = caught
    if several() and largest(error is not None) and error is None:
        raise ValueError(
            f"worker {collective.get_rank()} stops because another worker raised before training; that "
            "one says why"
        )
    if error is not None:
        raise error

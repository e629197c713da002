"""Dask collections: labels counted where they are, and functions of the rows of each part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, default_client
from numpy.typing import NDArray

from focalboost._namespace import to_numpy
from focalboost.estimators._posterior import ClassPosterior, labels_of

Collection = Any  # dask.array.Array, dask.dataframe.DataFrame or Series


def connected(client: Client | None) -> Client:
    """Return the client, or the current one; raise if it is closed."""
    found = default_client() if client is None else client
    if found.status not in ("running", "connecting", "newly-created"):
        raise ValueError(f"client must be connected to a cluster, got one that is {found.status}")
    return found


def check_weights(w: NDArray[np.float64] | None, n: int, name: str) -> None:
    """Refuse weights of a part; all may be 0 in one part."""
    if w is None:
        return
    if w.shape != (n,):
        raise ValueError(f"{name} must have one entry per row, got {w.shape} for {n} rows")
    if not (np.isfinite(w) & (w >= 0)).all():
        raise ValueError(f"{name} must be finite and at least 0, got {w[~(w >= 0)][:1]}")


def _count_labels(y: Any, w: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the classes of a part, their rows and the sums of their weights."""
    labels = labels_of(y) if len(y) else to_numpy(y)
    if labels.ndim != 1:
        raise ValueError(f"y must have one column, got shape {labels.shape}")
    classes, codes = np.unique(labels, return_inverse=True)
    weight = None if w is None else to_numpy(w).reshape(-1).astype(np.float64)
    check_weights(weight, len(labels), "sample_weight")
    k = len(classes)
    return classes, np.bincount(codes, minlength=k), np.bincount(codes, weight, minlength=k)


def counted_posterior(
    client: Client, options: Mapping[str, Any], y: Any, sample_weight: Any
) -> ClassPosterior:
    """Return the posterior for labels that are spread over the workers."""
    counted = [dask.delayed(_count_labels)(*part) for part in with_weights(sample_weight, y)]
    found = [part for part in client.gather(client.compute(counted)) if len(part[0])]
    if not found:
        raise ValueError("y must have rows, got none")
    kinds = {part[0].dtype.kind for part in found}
    if len({"text" if kind in "US" else "number" for kind in kinds}) > 1:
        raise ValueError("y must have labels of one type, got text and numbers in its partitions")
    classes, place = np.unique(np.concatenate([part[0] for part in found]), return_inverse=True)
    rows = np.bincount(place, np.concatenate([part[1] for part in found])).astype(np.int64)
    sums = np.bincount(place, np.concatenate([part[2] for part in found])).astype(np.float64)
    if not sums.any():
        raise ValueError("sample_weight must not be 0 everywhere: there is nothing to learn from")
    return ClassPosterior.of_counts(options, classes, rows, sums)


def check_collection(name: str, value: Any, like: Collection | None = None) -> None:
    """Refuse what is in memory, and parts that do not belong to those of ``like``."""
    if not isinstance(value, (da.Array, dd.DataFrame, dd.Series)):
        raise TypeError(
            f"{name} must be a Dask array or frame, got {type(value).__name__}: arrays and frames in "
            "memory are for FocalXGBClassifier and FocalLGBMClassifier"
        )
    if like is not None and n_parts(value) != n_parts(like):
        raise ValueError(
            f"{name} must have the {n_parts(like)} partitions of X, got {n_parts(value)}: rechunk or "
            "repartition it alike"
        )


def whole_rows(
    X: Collection, y: Collection, sample_weight: Collection | None = None, of: str = ""
) -> Collection:
    """Return X in parts of whole rows; refuse what is in memory, and parts that do not belong together.

    ``of``: what errors say after each name.
    """
    check_collection(f"X{of}", X)
    check_collection(f"y{of}", y, X)
    if sample_weight is not None:
        check_collection(f"sample_weight{of}", sample_weight, X)
    return by_rows(X)


def codes(posterior: ClassPosterior, name: str, y: Any) -> NDArray[np.int64]:
    """Return the labels of a part as 0 .. K-1; a part may have no rows."""
    return posterior.codes(y, name) if len(y) else np.empty(0, np.int64)


def with_weights(sample_weight: Collection | None, *others: Collection) -> list[tuple[Any, ...]]:
    """Return the parts of collections, and of their weights last, None where there are none."""
    columns = [parts(other) for other in others]
    weights = [None] * len(columns[0]) if sample_weight is None else parts(sample_weight)
    return list(zip(*columns, weights, strict=True))


def by_rows(X: Collection) -> Collection:
    """Return the collection in parts of whole rows."""
    split = isinstance(X, da.Array) and X.ndim == 2 and X.numblocks[1] > 1
    return X.rechunk({1: -1}) if split else X


def n_parts(collection: Collection) -> int:
    """Return in how many parts the rows lie."""
    if isinstance(collection, da.Array):
        return int(collection.numblocks[0])
    return int(collection.npartitions)


def parts(collection: Collection) -> list[Any]:
    """Return the parts of a collection along its rows, as delayed objects."""
    return list(np.ravel(collection.to_delayed()))


def rowwise(
    function: Callable[[Any], Any], collection: Collection, dtype: Any, columns: int | None = None
) -> Any:
    """Return a function of the rows of each part, lazily: an array of an array, a frame of a frame.

    ``columns``: how many the function returns, None for a vector.
    """
    if isinstance(collection, da.Array):
        collection = by_rows(collection)
        chunks = collection.chunks[:1] + (() if columns is None else ((columns,),))
        dropped = [1] if columns is None and collection.ndim == 2 else None
        added = [1] if columns is not None and collection.ndim == 1 else None
        return collection.map_blocks(
            function, dtype=dtype, chunks=chunks, drop_axis=dropped, new_axis=added
        )
    frame = partial(_like_frame, function, dtype, columns)
    empty = pd.Index([], dtype=collection._meta.index.dtype)  # noqa: SLF001 - Dask's own way to say it
    shape = (0,) if columns is None else (0, columns)
    return collection.map_partitions(frame, meta=_labelled(np.empty(shape, dtype), empty))


def _like_frame(function: Any, dtype: Any, columns: int | None, part: Any) -> Any:
    shape = (0,) if columns is None else (0, columns)
    return _labelled(function(part) if len(part) else np.empty(shape, dtype), part.index)


def _labelled(values: NDArray[Any], index: Any) -> Any:
    return pd.Series(values, index) if values.ndim == 1 else pd.DataFrame(values, index)


class OnDask:
    """What both classifiers share: the client, and answers on collections from a local copy."""

    _client: Client | None = None
    _local: type  # the classifier of arrays in memory
    _dtype: type  # of its probabilities

    @property
    def client(self) -> Client:
        """The cluster's client; the current one unless it was set."""
        return connected(self._client)

    @client.setter
    def client(self, client: Client | None) -> None:
        self._client = client

    def to_local(self) -> Any:
        """Return the same fitted model as a classifier of arrays in memory."""
        self._check_fitted()  # type: ignore[attr-defined]
        local: Any = object.__new__(self._local)
        local.__dict__.update({k: v for k, v in self.__dict__.items() if k != "_client"})
        return local

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        return {k: v for k, v in state.items() if k != "_client"}

    def _ask(
        self, method: str, X: Any, keywords: dict[str, Any], columns: int | None, dtype: Any
    ) -> Any:
        """Return the answer of the local classifier, lazily for a collection."""
        local = self.to_local()
        if not isinstance(X, (da.Array, dd.DataFrame)):
            return getattr(local, method)(X, **keywords)
        return rowwise(partial(_answer, local, method, keywords), X, dtype, columns)

    def predict_proba(self, X: Any, **keywords: Any) -> Any:
        """Return P(class given x), (n, K), lazily for Dask collections."""
        k = len(self.classes_)  # type: ignore[attr-defined]
        return self._ask("predict_proba", X, keywords, k, self._dtype)

    def predict(self, X: Any, **keywords: Any) -> Any:
        """Return the most probable class (n,), lazily for Dask collections."""
        return self._ask("predict", X, keywords, None, self.classes_.dtype)  # type: ignore[attr-defined]

    def decision_function(self, X: Any, **keywords: Any) -> Any:
        """Return the log-odds of ``predict_proba``, lazily for Dask collections."""
        k = len(self.classes_)  # type: ignore[attr-defined]
        return self._ask("decision_function", X, keywords, k if k > 2 else None, self._dtype)


def _answer(local: Any, method: str, keywords: dict[str, Any], rows: Any) -> Any:
    return getattr(local, method)(rows, **keywords)

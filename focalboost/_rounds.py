"""One round of boosting: what a host hands over, and what its trees take out of it.

``read`` tells the hosts' two orders of arguments apart. ``derivatives`` and ``for_trees`` return
gradient and curvature, from the compiled kernel where it can compute them and from the formulas
elsewhere. ``Rows`` are labels and weights that serve several rounds, on a CUDA device if asked.
``by_rows`` keeps the temporary arrays of the formulas small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self
from weakref import finalize

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import _kernel, _tables, _validation
from focalboost._curvature import FLOOR, Curvature
from focalboost._kernel import cuda
from focalboost._namespace import Array, as_array

if TYPE_CHECKING:
    from focalboost.losses import FocalLoss

# Temporary arrays of this many values (64 KiB of float32) stay in the processor's cache: whole arrays
# would take three times as long.
_BLOCK = 1 << 14


Pair = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Gradient and curvature."""


class Arguments(NamedTuple):
    """Labels, margins and weights (None: equal), and whether they came with a data container."""

    y: Any
    margin: Any
    sample_weight: Any
    native: bool


def read(a: Any, b: Any, sample_weight: Any = None) -> Arguments:
    """Return what a host passed to an objective or a metric.

    xgboost.train and lightgbm.train call ``f(margin, data)``; XGBClassifier and LGBMClassifier call
    ``f(y, margin)`` or ``f(y, margin, sample_weight)``. A callable that serves all four must take
    exactly ``(a, b, sample_weight=None)``: LightGBM counts parameters, XGBoost passes the third by name.
    """
    if not hasattr(b, "get_label"):
        return Arguments(a, b, sample_weight, native=False)
    if sample_weight is not None:
        raise TypeError(
            "sample_weight must not be given next to a data container, which has weights"
        )
    weight = b.get_weight()
    empty = weight is None or np.size(weight) == 0
    label = b.get_label()
    if label is None or (np.size(label) == 0 and np.size(a) > 0):
        raise ValueError("labels must be set on the data, got a data container without labels")
    return Arguments(np.asarray(label), a, None if empty else np.asarray(weight), native=True)


def derivatives(
    loss: FocalLoss,
    y: ArrayLike,
    margin: ArrayLike,
    sample_weight: ArrayLike | None,
    curvature: Curvature,
    *,
    floor: float = FLOOR,
) -> tuple[Array, Array]:
    """Return gradient and curvature in the margin's dtype and array library.

    The curvature is at least ``floor`` before weights.
    """
    fused = _fused(loss, y, margin, sample_weight, curvature, floor=floor)
    if fused is not None:
        return fused
    return loss.formulas(y, margin, sample_weight, curvature, floor)


def for_trees(
    loss: FocalLoss,
    y: ArrayLike,
    margin: ArrayLike,
    sample_weight: ArrayLike | None,
    curvature: Curvature,
    *,
    factor: float = 1.0,
    order: Literal["C", "F"] = "C",
    n_threads: int | None = None,
    out: Pair | None = None,
) -> Pair:
    """Return gradient and curvature as tree libraries read them: float32, contiguous in ``order``.

    The curvature is multiplied by ``factor``. ``n_threads`` None: as many as this process may use.
    ``out``: what an earlier call returned for the same rows and nobody reads any more; the arrays may be
    written to and returned. New ones of 40 MB and more would cost half as much again as computing them.
    """
    host: dict[str, Any] = {"factor": factor, "dtype": np.float32, "order": order, "out": out}
    host["n_threads"] = _kernel.threads() if n_threads is None else n_threads
    fused = _fused(loss, y, margin, sample_weight, curvature, floor=FLOOR, **host)
    if fused is not None:
        return fused
    gradient, second = loss.formulas(y, margin, sample_weight, curvature, FLOOR, single=True)
    return (
        np.asarray(gradient, dtype=np.float32, order=order),
        np.asarray(second * factor, dtype=np.float32, order=order),
    )


def _fused(
    loss: FocalLoss,
    y: ArrayLike,
    margin: ArrayLike,
    sample_weight: ArrayLike | None,
    curvature: Curvature,
    **host: Any,
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Ask the compiled kernel; None if the formulas must answer, which also name what is wrong."""
    host |= {"binary": loss.n_outputs == 1, "curvature": curvature}
    if loss.link == "canonical":
        host["table"] = _tables.of(loss)
        if host["table"] is None:
            return None
    return _kernel.derivatives(y, margin, sample_weight, loss.gammas, loss.label_weights, **host)


def by_rows(
    compute: Callable[[Array, Array, Array | None], tuple[Array, ...]],
    y: Array,
    margin: Array,
    sample_weight: Array | None,
) -> tuple[Array, ...]:
    """Return ``compute(y, margin, sample_weight)``, a block of rows at a time for NumPy margins.

    Every result has one entry or row for each row of the margins and depends on that row only.
    """
    if not isinstance(margin, np.ndarray) or margin.size <= _BLOCK:
        return compute(y, margin, sample_weight)
    n = len(margin)
    step = max(1, _BLOCK * n // margin.size)
    results: tuple[Array, ...] = ()
    for start in range(0, n, step):
        rows = slice(start, start + step)
        # In F order a sum over a few classes runs along the rows.
        z = np.asfortranarray(margin[rows])
        parts = compute(y[rows], z, None if sample_weight is None else sample_weight[rows])
        if not results:
            results = tuple(np.empty((n, *part.shape[1:]), part.dtype) for part in parts)
        for result, part in zip(results, parts, strict=True):
            result[rows] = part
    return results


@dataclass(frozen=True, eq=False)
class Rows:
    """Labels and weights of one table, for any number of rounds.

    On a CUDA device they are checked and uploaded once. On the CPU the kernel checks them in each round,
    which costs nothing beside reading them.
    """

    loss: FocalLoss
    y: Array
    sample_weight: Array | None
    shape: tuple[int, ...]  # of the margins
    resident: cuda.Resident | None

    @classmethod
    def of(
        cls, loss: FocalLoss, y: Any, sample_weight: Any, shape: tuple[int, ...], device: str
    ) -> Self:
        """Return labels and weights for margins of ``shape``, kept on ``device``."""
        if device == "cpu":
            return cls(loss, y, sample_weight, shape, None)
        ordinal = _validation.device(device) or 0
        with cuda.on(ordinal):
            labels = loss.check_labels(y, shape)
            weights = None
            if sample_weight is not None:
                w = as_array(sample_weight)
                like = np.empty(0, np.float32) if isinstance(w, np.ndarray) else w
                weights = _validation.sample_weight(w, shape[0], like)
            table = None
            if loss.link == "canonical":
                table = _tables.of(loss)
                if table is None:
                    raise ValueError(
                        f"gamma must be at most {_tables.LARGEST_GAMMA:g} with link='canonical' on "
                        f"CUDA, got {loss.gamma}; larger ones are computed on the CPU only"
                    )
            resident = cuda.Resident.of(
                labels,
                weights,
                loss.gammas,
                loss.label_weights,
                binary=loss.n_outputs == 1,
                ordinal=ordinal,
                table=table,
            )
            return cls(loss, y, sample_weight, shape, resident)

    @classmethod
    def recent(
        cls,
        owner: Any,
        loss: FocalLoss,
        y: Any,
        sample_weight: Any,
        shape: tuple[int, ...],
        device: str,
    ) -> Self:
        """Return ``of``, or the owner's last rows if labels and weights are still the same.

        A host hands over the same labels in every round, as new arrays. What is on the device goes when
        the owner does.
        """
        if device == "cpu":
            return cls.of(loss, y, sample_weight, shape, device)
        y = as_array(y)
        w = None if sample_weight is None else as_array(sample_weight)
        if not (isinstance(y, np.ndarray) and (w is None or isinstance(w, np.ndarray))):
            return cls.of(loss, y, w, shape, device)  # on a device already: nothing can be saved
        last = _recent.get(id(owner))
        if last is None or last.shape != shape or not last.holds(y, w):
            # Copies, because the caller may change the arrays in place.
            last = cls.of(loss, y.copy(), None if w is None else w.copy(), shape, device)
            if id(owner) not in _recent:
                finalize(owner, _recent.pop, id(owner), None)
            _recent[id(owner)] = last
        return last

    def derivatives(
        self,
        margin: Any,
        curvature: Curvature,
        *,
        factor: float = 1.0,
        order: Literal["C", "F"] = "C",
        n_threads: int | None = None,
        out: Pair | None = None,
    ) -> tuple[Any, Any]:
        """Return gradient and curvature of these rows at ``margin``, as ``for_trees`` does."""
        if self.resident is None:
            return for_trees(
                self.loss,
                self.y,
                margin,
                self.sample_weight,
                curvature,
                factor=factor,
                order=order,
                n_threads=n_threads,
                out=out,
            )
        return self.resident.derivatives(margin, curvature=curvature, floor=FLOOR, factor=factor)

    def holds(self, y: NDArray[Any], sample_weight: NDArray[Any] | None) -> bool:
        """Tell whether these are the labels and weights of the rows."""
        if self.sample_weight is None or sample_weight is None:
            return self.sample_weight is sample_weight and np.array_equal(self.y, y)
        return np.array_equal(self.y, y) and np.array_equal(self.sample_weight, sample_weight)


# By the owner's identity: equal owners may train on different tables at once.
_recent: dict[int, Any] = {}

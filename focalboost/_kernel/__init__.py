"""The formulas fused into one pass over the rows: the compiled kernel, loaded with ctypes.

``derivatives`` returns None for what the kernel cannot take: another array library, an unusual dtype, a
label or margin that is not allowed, no kernel on this machine. The caller then asks the formulas in
NumPy, whose checks name what is wrong. Parameters of a loss come as numbers.

The environment variable FOCALBOOST_KERNEL chooses: ``auto`` (the best instruction set of the machine),
``numpy`` (no kernel), or an instruction set by name.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

VARIABLE = "FOCALBOOST_KERNEL"
INSTRUCTION_SETS = ("baseline", "avx2", "avx512")
POLICIES = {"exact": 0, "guarded": 1}
_TYPES = {
    np.dtype(name): code
    for code, name in enumerate(("f4", "f8", "i1", "u1", "i2", "i4", "i8"))
}  # fmt: skip
_ABSENT = 7
_PRODUCTS = {0.0: 0, 0.5: 1, 1.0: 2, 2.0: 4}  # gamma: how many halves

# Below this many values per thread, waking a thread costs more than it saves.
_PER_THREAD = 250_000


class Table(NamedTuple):
    """Cubics that the kernel interpolates for the canonical link; ``_tables`` makes them."""

    coefficients: NDArray[np.float32]  # (pieces, 4)
    table_of: NDArray[np.int32]  # softmax: which of the tables a class has
    middle: float  # binary: the log-odds at which the pieces begin


class _Job(ctypes.Structure):
    """Mirror of ``Job`` in kernel.hpp."""

    arrays: tuple[Any, ...]  # what the pointers point to

    _fields_ = (
        *(
            (name, ctypes.c_void_p)
            for name in ("margin", "label", "weight", "gradient", "curvature")
        ),
        ("gamma", ctypes.c_void_p),
        ("alpha", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("rows", "start", "stop")),
        *(
            (name, ctypes.c_int32)
            for name in (
                *("classes", "margin_type", "label_type", "weight_type", "output_type"),
                *("margin_by_class", "output_by_class", "policy", "halves"),
            )
        ),
        *((name, ctypes.c_double) for name in ("floor", "factor", "middle")),
        ("table", ctypes.c_void_p),
        ("table_of", ctypes.c_void_p),
    )


@cache
def _library() -> ctypes.CDLL | None:
    """Return the compiled kernel, or None where the package was installed without one."""
    for folder in __path__:  # an editable install keeps sources and compiled files in two folders
        for file in sorted(Path(folder).glob("*focal_kernel.*")):
            if file.suffix in (".so", ".dylib", ".dll"):
                library = ctypes.CDLL(str(file))
                library.focal_run.argtypes = (ctypes.POINTER(_Job), ctypes.c_int32)
                return library
    return None


def available() -> tuple[str, ...]:
    """Return the instruction sets that were compiled in and that this machine has, slowest first."""
    library = _library()
    mask = 0 if library is None else library.focal_available()
    return tuple(name for i, name in enumerate(INSTRUCTION_SETS) if mask >> i & 1)


def chosen() -> str:
    """Return ``"numpy"`` or the instruction set in use.

    Raises
    ------
    ValueError
        If FOCALBOOST_KERNEL names an instruction set that is not available.
    """
    wanted = os.environ.get(VARIABLE, "auto")
    if wanted == "numpy":
        return wanted
    names = available()
    if wanted == "auto":
        return names[-1] if names else "numpy"
    if wanted not in names:
        allowed = ", ".join(("auto", "numpy", *names))
        raise ValueError(f"{VARIABLE} must be one of {allowed} on this machine, got {wanted!r}")
    return wanted


def halves(gamma: tuple[float, ...]) -> int:
    """Return 2 gamma where q^gamma is a product: one small gamma for all labels. Else -1."""
    return _PRODUCTS.get(gamma[0], -1) if len(set(gamma)) == 1 else -1


def derivatives(
    y: ArrayLike,
    margin: Any,
    sample_weight: ArrayLike | None,
    gamma: tuple[float, ...],
    alpha: tuple[float, ...],
    *,
    binary: bool,
    curvature: str,
    floor: float,
    factor: float = 1.0,
    dtype: Any = None,
    order: str = "C",
    n_threads: int = 1,
    table: Table | None = None,
    out: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return gradient and curvature in the margin's shape, or None if the kernel cannot take this.

    ``gamma`` and ``alpha`` have one entry per label. The curvature is at least ``floor`` before weights,
    and multiplied by ``factor``. ``dtype`` float32 or that of the margin; ``order`` "C" or "F".
    ``table``: the margins are those of the canonical link; float32 results only. ``out``: two arrays of
    that dtype, order and the margin's shape that are written to and returned.
    """
    path = chosen()
    if path == "numpy" or not _takes(margin, None if binary else len(gamma)):
        return None
    kind = np.dtype(margin.dtype if dtype is None else dtype)
    labels = _labels(np.asarray(y), margin.shape if binary else margin.shape[:1])
    if labels is None or (table is not None and kind != np.float32):
        return None
    weights = None
    if sample_weight is not None:
        weights = _weights(np.asarray(sample_weight), margin, binary)
        if weights is None:
            return None
    by_class = not binary and margin.flags.f_contiguous and not margin.flags.c_contiguous
    margin = np.require(margin, requirements=("F" if by_class else "C", "A"))
    layout: Any = order
    gradient, second = out or (np.empty(margin.shape, kind, layout) for _ in range(2))
    gammas, alphas = np.array(gamma, np.float64), np.array(alpha, np.float64)
    rows = margin.size if binary else len(margin)
    job = _Job(
        margin=margin.ctypes.data,
        label=labels.ctypes.data,
        weight=None if weights is None else weights.ctypes.data,
        gradient=gradient.ctypes.data,
        curvature=second.ctypes.data,
        gamma=gammas.ctypes.data,
        alpha=alphas.ctypes.data,
        rows=rows,
        start=0,
        stop=rows,
        classes=1 if binary else len(gamma),
        margin_type=_TYPES[margin.dtype],
        label_type=_TYPES[labels.dtype],
        weight_type=_ABSENT if weights is None else _TYPES[weights.dtype],
        output_type=_TYPES[kind],
        margin_by_class=by_class,
        output_by_class=order == "F",
        policy=POLICIES[curvature],
        halves=halves(gamma),
        floor=floor,
        factor=factor,
        middle=0.0 if table is None else table.middle,
        table=None if table is None else table.coefficients.ctypes.data,
        table_of=None if table is None else table.table_of.ctypes.data,
    )
    job.arrays = (margin, labels, weights, gradient, second, gammas, alphas, table)
    return None if _run(job, INSTRUCTION_SETS.index(path), n_threads) else (gradient, second)


def _takes(margin: Any, n_classes: int | None) -> bool:
    """Tell whether the kernel reads such margins: any shape, or (n, K) if there are classes."""
    if not isinstance(margin, np.ndarray) or margin.dtype not in (np.float32, np.float64):
        return False
    fits = n_classes is None or (margin.ndim == 2 and margin.shape[1] == n_classes)
    return fits and margin.size > 0


def _labels(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Return labels contiguous and aligned, or None if the kernel cannot read them."""
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    if array.dtype not in _TYPES or array.shape != shape:
        return None
    return np.require(array, requirements=("C", "A"))


def _weights(w: NDArray[Any], margin: NDArray[Any], binary: bool) -> NDArray[Any] | None:
    """Return weights contiguous and aligned, one for each margin or row of classes, or None."""
    if w.shape != margin.shape[:1] or w.dtype.kind not in "fiub" or not w.any():
        return None
    if w.dtype not in (np.float32, np.float64):
        w = w.astype(np.float64)
    if binary and margin.ndim > 1:
        w = np.repeat(w, margin[0].size)
    return np.require(w, requirements=("C", "A"))


def _run(job: _Job, instruction_set: int, n_threads: int) -> int:
    """Run the job on so many threads that each has enough to do; return the complaints of all."""
    library = _library()
    assert library is not None
    values = job.rows * job.classes
    parts = max(1, min(n_threads, values // _PER_THREAD))
    if parts == 1:
        return int(library.focal_run(ctypes.byref(job), instruction_set))
    abandoned: list[bool] = []
    cuts = [job.rows * i // parts for i in range(parts + 1)]
    jobs = []
    for start, stop in itertools.pairwise(cuts):
        part = _Job.from_buffer_copy(job)
        part.start, part.stop = start, stop
        jobs.append(part)

    def run(part: _Job, _keeps: _Job = job) -> int:
        return 0 if abandoned else int(library.focal_run(ctypes.byref(part), instruction_set))

    # The calling thread takes the first part, so that one thread fewer must be woken.
    others: list[Future[int]] = []
    try:
        for part in jobs[1:]:
            others.append(_pool().submit(run, part))  # noqa: PERF401 - those before an error count
    except RuntimeError:  # no thread can be started: this one does the rest
        pass
    try:
        complaints = 0
        for part in (jobs[0], *jobs[1 + len(others) :]):
            complaints |= run(part)
        for other in others:
            complaints |= other.result()
    finally:
        # Whatever ends this call, for example Ctrl-C: the arrays live only as long as it does. A part
        # whose thread could not be started is still queued, and must not run later.
        _wait(others)
        abandoned.append(True)
    return complaints


def _wait(futures: list[Future[int]]) -> None:
    """Return when all are done, and raise what arrived meanwhile only then."""
    interrupt: BaseException | None = None
    while True:
        try:
            wait(futures)
            break
        except BaseException as error:  # KeyboardInterrupt most of all
            interrupt = error
    if interrupt is not None:
        raise interrupt


def threads() -> int:
    """Return how many threads this process may run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, threads() - 1), thread_name_prefix="focalboost")


# A forked child inherits the pool without its threads, and would wait for them forever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)

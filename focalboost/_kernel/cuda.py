"""The fused pass on a CUDA device: kernel.cu, compiled when first used and launched through CuPy.

Labels, weights and parameters are uploaded once, in a ``Resident``. A round then uploads the margins,
unless they are on the device already, and reads back four bytes: whether a margin was not finite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from focalboost._kernel import POLICIES, Table, halves
from focalboost._namespace import Array

_THREADS = 128
_MOST_BLOCKS = 1 << 17  # with more rows than this allows, a thread takes several
_SHARED = 48 << 10  # bytes of shared memory that every device grants a block


@cache
def cupy() -> Any:
    """Return CuPy, if it can use a device.

    Raises
    ------
    ImportError
        If CuPy is not installed, or too old.
    RuntimeError
        If there is no CUDA device.
    """
    remedy = (
        "device='cuda' computes gradients with CuPy 14 or newer: pip install \"focalboost[gpu]\" (for "
        "CUDA 13; cupy-cuda12x[ctk] for CUDA 12). Without CuPy, pass obj=Objective(loss) to "
        "xgboost.train: gradients are then computed on the CPU while XGBoost runs on the device"
    )
    try:
        import cupy as found
    except ImportError as error:
        raise ImportError(f"{remedy}; got {error}") from error
    if int(found.__version__.split(".")[0]) < 14:
        raise ImportError(f"{remedy}; got CuPy {found.__version__}")
    try:
        count = found.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy's own class, which differs where there is no driver
        raise RuntimeError(
            f"device='cuda' needs a CUDA device and its driver, got {error}"
        ) from error
    if count == 0:
        raise RuntimeError("device='cuda' needs a CUDA device, and CuPy finds none")
    return found


def on(ordinal: int) -> Any:
    """Return a context in which the device of that number is the current one."""
    cp = cupy()
    count = cp.cuda.runtime.getDeviceCount()
    if ordinal >= count:
        raise RuntimeError(
            f"device='cuda:{ordinal}' must be one of the CUDA devices 0 .. {count - 1} of this machine"
        )
    return cp.cuda.Device(ordinal)


@cache
def _source() -> str:
    """Return kernel.cu with its headers in it: CuPy's cache of binaries does not look into files."""
    folder = Path(__file__).parent
    parts = [folder / name for name in ("elementary.hpp", "formulas.hpp", "kernel.cu")]
    lines = [line for part in parts for line in part.read_text(encoding="utf-8").splitlines()]
    return "\n".join(line for line in lines if not line.startswith(("#pragma once", '#include "')))


@cache
def _kernel(name: str, halves: int, policy: int, staged: bool) -> Any:
    options = (
        "--std=c++17",
        "-fmad=false",  # fma only where the source says so: the device then rounds as the CPU does
        "-DFOCAL_ISA=cuda",
        f"-DFOCAL_HALVES={halves}",
        f"-DFOCAL_POLICY={policy}",
        f"-DFOCAL_STAGED={int(staged)}",
    )
    return cupy().RawKernel(_source(), name, options)


def _staging(k: int) -> tuple[int, int]:
    """Return threads and bytes of shared memory for a block of rows of k margins; 0 bytes: too many."""
    a_row = 2 * 4 * (k | 1)  # two results; kernel.cu keeps rows an odd number of values apart
    for threads in (64, 32):
        if threads * a_row <= _SHARED:
            return threads, threads * a_row
    return _THREADS, 0


@dataclass(frozen=True, eq=False)
class Resident:
    """What stays on the device during a training run.

    ``label`` int32, in the margins' shape (for softmax (n,)); ``weight`` float32 (n,) or None; ``gamma``
    and ``alpha`` float64, one per label.
    """

    ordinal: int
    binary: bool
    label: Any
    weight: Any
    gamma: Any
    alpha: Any
    halves: int
    arguments: tuple[Any, ...] = ()  # with the canonical link: the table and what belongs to it

    @classmethod
    def of(
        cls,
        label: Array,
        weight: Array | None,
        gamma: tuple[float, ...],
        alpha: tuple[float, ...],
        *,
        binary: bool,
        ordinal: int,
        table: Table | None = None,
    ) -> Self:
        """Upload labels and weights that have been checked, unless they are on the device already."""
        with on(ordinal):
            cp = cupy()
            arguments: tuple[Any, ...] = ()
            if table is not None:
                arguments = (cp.asarray(table.coefficients),)
                if binary:
                    arguments += (np.float32(table.middle),)
                else:
                    g, a = np.array(gamma), np.array(alpha)
                    half = (g - 1) * math.log(2) - np.log1p(g * math.log(2))
                    classes = np.stack([a, np.log(a), half, g, np.log1p(g)])
                    arguments += (
                        cp.asarray(table.table_of),
                        cp.asarray(classes.astype(np.float32)),
                    )
            return cls(
                ordinal=ordinal,
                binary=binary,
                label=_contiguous(label, cp.int32),
                weight=None if weight is None else _contiguous(weight, cp.float32),
                gamma=cp.asarray(np.array(gamma)),
                alpha=cp.asarray(np.array(alpha)),
                halves=halves(gamma) if table is None else -1,
                arguments=arguments,
            )

    def derivatives(
        self, margin: Array, *, curvature: str, floor: float, factor: float
    ) -> tuple[Any, Any]:
        """Return gradient and curvature of margins (n,), (n, targets) or (n, K): CuPy float32, C order.

        They are ready on CuPy's current stream, which their ``__cuda_array_interface__`` names.

        Raises
        ------
        ValueError
            If a margin is not finite.
        """
        cp = cupy()
        with cp.cuda.Device(self.ordinal):
            z = _contiguous(margin, cp.float32)
            gradient, second = cp.empty(z.shape, cp.float32), cp.empty(z.shape, cp.float32)
            rows = z.size if self.binary else z.shape[0]
            if rows == 0:
                return gradient, second
            # Margins of a row: its targets, which share a weight, or its classes.
            per_row = z.size // z.shape[0]
            name = ("binary" if self.binary else "softmax") + "_rows"
            parameters: tuple[Any, ...] = (self.gamma, self.alpha)
            if self.arguments:
                name = "canonical_rows" if self.binary else "canonical_softmax_rows"
                parameters = self.arguments
            threads, shared = (_THREADS, 0) if self.binary else _staging(per_row)
            kernel = _kernel(name, self.halves, POLICIES[curvature], shared > 0)
            blocks = min((rows + threads - 1) // threads, _MOST_BLOCKS)
            null, complaint = np.uint64(0), cp.zeros(1, dtype=cp.int32)
            kernel(
                (blocks,),
                (threads,),
                (
                    *(z, self.label, null if self.weight is None else self.weight),
                    *(*parameters, np.int64(rows), np.int32(per_row)),
                    *(np.float64(floor), np.float64(factor), gradient, second, complaint),
                ),
                shared_mem=shared,
            )
            if int(complaint[0]):  # waits for the kernel, as the host's next step would
                raise ValueError("margin must be finite, got NaN or infinity")
            return gradient, second


def _contiguous(values: Array, dtype: Any) -> Any:
    return cupy().ascontiguousarray(cupy().asarray(values), dtype=dtype)

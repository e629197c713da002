"""A stand-in for CuPy: the functions that focalboost calls, computed on the CPU.

Arrays hold NumPy arrays and, like CuPy's, refuse to be converted to NumPy implicitly. ``RawKernel``
compiles the CUDA source with the C++ compiler and runs the grid as one block of a few threads. Whether a
device computes the same, only a device can tell.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Thread
from types import ModuleType, SimpleNamespace

import numpy as np

HEADER = Path(__file__).with_name("cuda_on_host.hpp")
COMPILER = next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)
THREADS = 4
STREAM = 1  # CUDA's legacy default stream
KINDS = {
    "u8": ctypes.c_void_p,
    "i8": ctypes.c_int64,
    "i4": ctypes.c_int32,
    "f4": ctypes.c_float,
    "f8": ctypes.c_double,
}


class ndarray:
    """A device array; ``host`` holds its values."""

    def __init__(self, host):
        self.host = host

    shape = property(lambda self: self.host.shape)
    dtype = property(lambda self: self.host.dtype)
    size = property(lambda self: self.host.size)
    ndim = property(lambda self: self.host.ndim)

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    @property
    def __cuda_array_interface__(self):
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.host.ctypes.data, False),
            "strides": None if self.host.flags.c_contiguous else self.host.strides,
            "version": 3,
            "stream": STREAM,
        }

    def get(self):
        return self.host.copy()

    def astype(self, dtype):
        return ndarray(self.host.astype(dtype))

    def __getitem__(self, key):
        return ndarray(self.host[key])

    def __int__(self):
        return int(self.host)


@functools.cache
def _compiled(source, options):
    assert COMPILER, "no C++ compiler"
    folder = Path(tempfile.gettempdir()) / "focalboost-tests"
    folder.mkdir(exist_ok=True)
    key = hashlib.sha256((source + str(options) + HEADER.read_text()).encode())
    library = folder / f"{key.hexdigest()[:20]}.so"
    if not library.exists():
        kept = [option for option in options if option != "-fmad=false"]
        made = Path(tempfile.mkdtemp()) / "kernel.so"
        command = [COMPILER, *kept, "-O1", "-ffp-contract=off", "-mfma", "-shared", "-fPIC"]
        command += ["-pthread", "-include", str(HEADER), "-x", "c++", "-", "-o", str(made)]
        subprocess.run(command, input=source.encode(), check=True)
        made.replace(library)  # in one step: tests run side by side
    return ctypes.CDLL(str(library))


class RawKernel:
    def __init__(self, source, name, options):
        self.name, self.compiled = name, (source, options)

    def __call__(self, grid, block, arguments, *, shared_mem=0):
        assert grid[0] >= 1
        assert shared_mem <= 48 << 10
        assert 1 <= block[0] <= 1024
        sent = []
        for argument in arguments:
            if isinstance(argument, ndarray):
                assert argument.host.flags.c_contiguous
                sent.append(ctypes.c_void_p(argument.host.ctypes.data))
            else:
                sent.append(KINDS[argument.dtype.str[1:]](argument.item()))
        library = _compiled(*self.compiled)

        def run(thread):
            library.enter(thread, THREADS)
            getattr(library, self.name)(*sent)

        threads = [Thread(target=run, args=(i,)) for i in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def module(devices=1, version="14.0.0"):
    """Return the module ``cupy``; its ``log`` lists the bytes of each upload."""
    cupy = ModuleType("cupy")
    log = []

    def asarray(values):
        if isinstance(values, ndarray):
            return values
        if hasattr(values, "__cuda_array_interface__"):  # of another library, as cuDF
            return ndarray(values.host)
        log.append(np.asarray(values).nbytes)
        return ndarray(np.array(values))

    def count():
        if devices == 0:
            raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
        return devices

    def device(ordinal):
        cupy.current.append(ordinal)
        return contextlib.nullcontext()

    cupy.__version__ = version
    cupy.ndarray, cupy.RawKernel, cupy.asarray, cupy.log = ndarray, RawKernel, asarray, log
    cupy.current = []
    cupy.int32, cupy.float32, cupy.float64 = np.int32, np.float32, np.float64
    cupy.empty = lambda shape, dtype: ndarray(np.full(shape, 7, dtype))
    cupy.zeros = lambda shape, dtype: ndarray(np.zeros(shape, dtype))
    cupy.ascontiguousarray = lambda a, dtype: ndarray(np.ascontiguousarray(a.host, dtype))
    cupy.cuda = SimpleNamespace(Device=device, runtime=SimpleNamespace(getDeviceCount=count))
    return cupy


@contextlib.contextmanager
def installed(cupy):
    """Let ``import cupy`` return that module within the context; with None it fails."""
    from focalboost._kernel import cuda

    before = sys.modules.get("cupy")
    sys.modules["cupy"] = cupy
    cuda.cupy.cache_clear()
    cuda._kernel.cache_clear()
    try:
        yield cupy
    finally:
        cuda.cupy.cache_clear()
        cuda._kernel.cache_clear()
        if before is None:
            sys.modules.pop("cupy", None)
        else:
            sys.modules["cupy"] = before

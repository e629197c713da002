"""Settings and fixtures that many test modules share."""

import os

import pytest

from tests.hosts import tables

# Waiting threads of OpenMP must sleep: by default they spin, and tests that run side by side then take
# ten times as long. XGBoost and LightGBM read the variable when they are imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Programs that tests run as processes of their own; they import optional packages.
collect_ignore = [
    *("hosts/on_dask.py", "hosts/on_ray.py", "hosts/on_spark.py"),
    *("hosts/several_workers.py", "hosts/killed_worker.py", "hosts/past_memory.py"),
]


@pytest.fixture(scope="session")
def binary():
    """Features and labels 0 and 1."""
    return _read_only(tables.binary())


@pytest.fixture(scope="session")
def multiclass():
    """Features and labels 0, 1 and 2."""
    return _read_only(tables.multiclass())


@pytest.fixture(params=["binary", "multiclass"])
def each_table(request):
    """The binary table, then the multiclass table."""
    return request.getfixturevalue(request.param)


def _read_only(table):
    for array in table:
        array.setflags(write=False)  # tests share the arrays: an attempt to change one must fail
    return table

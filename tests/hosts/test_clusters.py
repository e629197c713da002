"""Several workers: programs that start them, each a process, and compare with one machine."""

import os
import shutil
import sys

import pytest

from tests.processes import run_python


def test_workers_of_xgboost():
    """Two workers train the model of one machine, stop at the same round and raise together."""
    run_python("tests/hosts/several_workers.py", PYTHONPATH=".")


def test_dask():
    """Two Dask workers, XGBoost and LightGBM: models, metrics, answers, refusals, saved models."""
    pytest.importorskip("distributed")
    pytest.importorskip("dask.dataframe")
    run_python("tests/hosts/on_dask.py", PYTHONPATH=".")


@pytest.mark.slow
def test_a_worker_is_killed():
    """Training ends with the library's error at once."""
    pytest.importorskip("distributed")
    run_python("tests/hosts/killed_worker.py", PYTHONPATH=".")


@pytest.mark.slow
def test_ray():
    """Ray Train on two workers: models, the round of stopping, a worker that is killed and resumed."""
    pytest.importorskip("ray")
    run_python("tests/hosts/on_ray.py", PYTHONPATH=".")


def needs_spark():
    pytest.importorskip("pyspark")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java, which is not on this machine")


@pytest.mark.slow
def test_spark():
    """Two executors: models, metrics, pipelines, cross-validation, saved models, refusals."""
    needs_spark()
    run_python("tests/hosts/on_spark.py", PYTHONPATH=".")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
@pytest.mark.parametrize("host", ["xgboost", "lightgbm"])
def test_a_table_larger_than_memory(host):
    # Arrow's default pool keeps memory that was freed.
    run_python(
        "tests/hosts/past_memory.py", host, PYTHONPATH=".", ARROW_DEFAULT_MEMORY_POOL="system"
    )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["dask", "ray", "spark"])
def test_examples(engine):
    if engine == "spark":
        needs_spark()
    else:
        pytest.importorskip(engine)
    run_python(f"examples/on_{engine}.py")

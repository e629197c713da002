"""Several workers: programs that start them, each a process, and compare with one machine."""

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

"""On real tables the log loss of predict_proba is that of a model trained with log loss.

``benchmarks/calibration.py`` prints all numbers.
"""

import importlib
from pathlib import Path

import numpy as np
import pytest

from tests.real_tables import FOLDER, needs_real_tables

pytest.importorskip("pandas")
from sklearn.metrics import log_loss

pytestmark = [pytest.mark.slow, needs_real_tables]
TABLES = [
    "vehicle insurance",
    "Give Me Some Credit",
    "credit default",
    "bank campaign",
    "wine quality",
]


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark as a module: how it reads tables and trains models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
        return importlib.import_module("calibration")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("host", ["XGBoost", "LightGBM"])
@pytest.mark.parametrize("table", TABLES)
def test_log_loss_of_the_posterior(benchmark, table, host):
    data = benchmark.load(FOLDER, table)
    native = log_loss(data.y_test, benchmark.fit(host, None, data).predict_proba(data.X_test))
    for gamma in (0.5, 5.0):
        model = benchmark.fit(host, gamma, data)
        posterior = log_loss(data.y_test, model.predict_proba(data.X_test))
        # The trees differ: the noise of a few hundred test rows allows 5 %.
        assert posterior < 1.05 * native, (gamma, posterior, native)
        score = log_loss(data.y_test, benchmark.score(model, data.X_test))
        assert np.isclose(posterior, score, rtol=0.01) or posterior < score
        if gamma == 5.0:
            assert score > 1.1 * posterior  # the score is no probability: the posterior differs

"""predict_proba is a probability: on real tables its log loss is that of log loss training.

Long, and only where the tables are; ``benchmarks/calibration.py`` prints the whole picture.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pandas")
from sklearn.metrics import log_loss

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real tables are not beside the clone"),
]
TABLES = [
    "vehicle insurance",
    "Give Me Some Credit",
    "credit default",
    "bank campaign",
    "wine quality",
]


@pytest.fixture(scope="module")
def benchmark():
    path = ROOT / "benchmarks" / "calibration.py"
    spec = importlib.util.spec_from_file_location("calibration_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("host", ["XGBoost", "LightGBM"])
@pytest.mark.parametrize("table", TABLES)
def test_log_loss_of_the_posterior(benchmark, table, host):
    data = benchmark.load(DATA, table)
    own = log_loss(data.y_test, benchmark.fit(host, None, data).predict_proba(data.X_test))
    for gamma in (0.5, 5.0):
        model = benchmark.fit(host, gamma, data)
        posterior = log_loss(data.y_test, model.predict_proba(data.X_test))
        # Other trees, so not the same; 5 % is what the noise of a few hundred test rows allows.
        assert posterior < 1.05 * own, (gamma, posterior, own)
        raw = log_loss(data.y_test, benchmark.score(model, data.X_test))
        assert np.isclose(posterior, raw, rtol=0.01) or posterior < raw
        if gamma == 5.0:
            assert raw > 1.1 * posterior  # else there is nothing to recover, and nothing is tested

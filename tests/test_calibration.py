"""The posterior is a probability: on real tables its log loss is that of log loss training.

docs/study has the whole comparison.
"""

import importlib
from pathlib import Path

import pytest

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
from tests.real_tables import FOLDER, needs_real_tables

pytest.importorskip("pandas")
pytest.importorskip("rich")
from sklearn.model_selection import train_test_split

pytestmark = [pytest.mark.slow, needs_real_tables]
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TABLES = ["vehicle insurance", "Give Me Some Credit", "credit default", "bank campaign"]


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark as a module: how it reads tables and trains models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return importlib.import_module("calibration")


def split(X, y):
    """Return features of three parts, then their labels."""
    X, X_rest, y, y_rest = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
    halves = train_test_split(X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0)
    return [X, halves[0], halves[1], y, halves[2], halves[3]]


@pytest.mark.parametrize("link", ["focal", "canonical"])
@pytest.mark.parametrize("host", ["XGBoost", "LightGBM"])
@pytest.mark.parametrize("table", TABLES)
def test_log_loss_of_the_posterior(benchmark, table, host, link):
    parts = split(*benchmark.load(FOLDER, table, 20_000))
    native = {"objective": "binary:logistic" if host == "XGBoost" else "binary"}
    train = benchmark.HOSTS[host]
    own = benchmark.measures(parts[5], train(None, native, parts))[0]
    for gamma in (0.5, 5.0):
        eta = train(BinaryFocalLoss(gamma, link=link), native, parts)
        # Other trees, so another value; 5 % is the noise of a few hundred positives among the test rows.
        assert benchmark.measures(parts[5], eta)[0] < 1.05 * own


@pytest.mark.parametrize("link", ["focal", "canonical"])
def test_log_loss_of_the_posterior_of_several_classes(benchmark, link):
    parts = split(*benchmark.load(FOLDER, "page blocks"))
    native = {"objective": "multi:softprob", "num_class": 5}
    train = benchmark.HOSTS["XGBoost"]
    own = benchmark.measures(parts[5], train(None, native, parts))[0]
    eta = train(SoftmaxFocalLoss(5, 2.0, link=link), native, parts)
    assert benchmark.measures(parts[5], eta)[0] < 1.1 * own  # 28 rows of the rarest class

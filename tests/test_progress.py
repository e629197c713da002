"""The progress bars of both libraries: rounds counted, metrics shown, models unchanged."""

import copy
import io
import pickle
import sys

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb

import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, FocalLGBMClassifier, FocalXGBClassifier

pytest.importorskip("tqdm")

rng = np.random.default_rng(0)
X = rng.normal(size=(600, 3))
Y = (X[:, 0] + rng.normal(size=600) > 1).astype(int)
VALID = X[:200], rng.permutation(Y[:200])  # of wrong labels: early stopping has a reason
LOSS = BinaryFocalLoss(2.0)
QUIET = {"verbosity": -1}


def last(shown):
    """Return the last state of the bar that was shown."""
    return shown.getvalue().split("\r")[-1]


def by_xgboost(bar, n=12):
    d = xgb.DMatrix(X, Y)
    return fx.train({}, d, n, loss=LOSS, evals=[(d, "train")], callbacks=[bar], verbose_eval=False)


def by_lightgbm(bar, n=12):
    d = lgb.Dataset(X, Y)
    return fl.train(QUIET, d, n, loss=LOSS, valid_sets=[d], valid_names=["train"], callbacks=[bar])


LIBRARIES = [(fx.ProgressBar, by_xgboost), (fl.ProgressBar, by_lightgbm)]
each = pytest.mark.parametrize(("kind", "train"), LIBRARIES, ids=["xgboost", "lightgbm"])


@each
def test_rounds_and_metrics(kind, train):
    shown = io.StringIO()
    train(kind(12, file=shown, mininterval=0))
    assert "12/12" in last(shown)
    assert "train focal_loss=0." in last(shown)
    assert shown.getvalue().count("/12 ") >= 12  # every round, and not the last alone


@each
def test_the_model_is_the_same(kind, train):
    def text(booster):
        if isinstance(booster, xgb.Booster):
            return booster.save_raw("json")
        return booster.model_to_string()

    class Quiet(xgb.callback.TrainingCallback):
        def __call__(self, _):
            pass

    assert text(train(kind(file=io.StringIO()))) == text(train(Quiet()))


@each
def test_it_can_be_used_again_copied_and_pickled(kind, train):
    shown = io.StringIO()
    bar = kind(12, mininterval=0)
    bar._options["file"] = shown
    train(bar)
    train(bar)
    assert shown.getvalue().count("12/12") >= 2
    bar._options.pop("file")
    bar._bar = io.TextIOWrapper(io.BytesIO())  # as open as a bar can be: nobody can pickle a stream
    assert pickle.loads(pickle.dumps(bar)).n_rounds == 12
    assert copy.deepcopy(bar)._bar is None


def test_lightgbm_knows_the_number_of_rounds_and_xgboost_does_not():
    by_name = {}
    for kind, train in LIBRARIES:
        shown = io.StringIO()
        train(kind(file=shown))
        by_name[kind] = last(shown)
    assert "12/12" in by_name[fl.ProgressBar]
    assert by_name[fx.ProgressBar].startswith("12round")


def test_cv():
    shown = io.StringIO()
    bar = fx.ProgressBar(5, file=shown)
    d = xgb.DMatrix(X, Y)
    with_bar = fx.cv({}, d, 5, loss=LOSS, nfold=3, callbacks=[bar], as_pandas=False)
    assert with_bar == fx.cv({}, d, 5, loss=LOSS, nfold=3, as_pandas=False)
    assert "5/5" in last(shown)
    assert "test focal_loss=0." in last(shown)
    shown = io.StringIO()
    fl.cv(QUIET, lgb.Dataset(X, Y), 5, loss=LOSS, nfold=3, callbacks=[fl.ProgressBar(file=shown)])
    assert "5/5" in last(shown)
    assert "focal_loss=0." in last(shown)


def test_estimators_that_stop_early():
    shown = io.StringIO()
    bar = fx.ProgressBar(300, file=shown)
    classifier = FocalXGBClassifier(n_estimators=300, early_stopping_rounds=3, callbacks=[bar])
    classifier.fit(X, Y, eval_set=[VALID])
    assert f"{classifier.best_iteration + 4}/300" in last(shown)

    shown = io.StringIO()
    bar = fl.ProgressBar(file=shown)
    classifier = FocalLGBMClassifier(n_estimators=300, **QUIET)
    classifier.fit(X, Y, eval_set=[VALID], callbacks=[bar, lgb.early_stopping(3, verbose=False)])
    bar._close()  # LightGBM tells no callback that training was stopped
    assert f"{classifier.best_iteration_ + 3}/300" in last(shown)


@each
def test_without_tqdm(kind, train, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r'needs tqdm: pip install "focalboost\[progress\]"'):
        train(kind(12))


@pytest.mark.parametrize("kind", [fx.ProgressBar, fl.ProgressBar])
def test_wrong_numbers_of_rounds(kind):
    with pytest.raises(ValueError, match="n_rounds must be at least 1, got 0"):
        kind(0)
    with pytest.raises(TypeError):
        kind(2.5)

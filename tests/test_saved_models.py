"""A saved model needs nothing of this package: other programs predict the same probabilities."""

import ctypes
import dataclasses
import pickle

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from numpy.testing import assert_allclose
from scipy.special import expit, logit, softmax

import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, FocalLGBMClassifier, FocalXGBClassifier
from tests.classifiers import both, make
from tests.hosts import models

pytestmark = pytest.mark.filterwarnings("ignore")  # of the other programs
ATOL = 1e-6
CONTINUED = "link must be that of the model to be continued, 'focal'"


@pytest.fixture(params=["binary", "multiclass"])
def table(request):
    """Features in float32, the type in which all of these programs compare, and labels."""
    X, y = request.getfixturevalue(request.param)
    return X.astype(np.float32), y


@pytest.fixture
def saved(table, tmp_path):
    """Return a function that saves an estimator of the class: features, probabilities, and the file."""
    X, y = table

    def save(cls):
        fitted = make(cls, focal_gamma=3.0, focal_alpha="balanced").fit(X, y)
        path = tmp_path / ("model.json" if cls is FocalXGBClassifier else "model.txt")
        fitted.save_model(path)
        probability = fitted.predict_proba(X)
        return X, probability if probability.shape[1] > 2 else probability[:, 1], path

    return save


def test_plain_xgboost(saved):
    X, probability, path = saved(FocalXGBClassifier)
    booster = xgb.Booster(model_file=path)
    assert_allclose(booster.predict(xgb.DMatrix(X)), probability, atol=ATOL)


def test_plain_lightgbm(saved):
    X, probability, path = saved(FocalLGBMClassifier)
    assert_allclose(lgb.Booster(model_file=path).predict(X), probability, atol=ATOL)


def test_loading_says_nothing(saved, table, capfd):
    """LightGBM warns of a parameter that it does not know whenever it reads a model's text."""
    _, _, path = saved(FocalLGBMClassifier)
    fitted = FocalLGBMClassifier(n_estimators=2).fit(*table)
    fitted.save_model(path)
    again = FocalLGBMClassifier().load_model(path)
    pickle.loads(pickle.dumps(again))
    lgb.Booster(model_file=path).save_model(path)
    FocalLGBMClassifier(n_estimators=2).fit(*table, init_model=path)
    assert "focalboost" not in "".join(capfd.readouterr())
    assert FocalLGBMClassifier().load_model(path).loss_ == fitted.loss_


@both
def test_treelite(cls, saved):
    treelite = pytest.importorskip("treelite")
    X, probability, path = saved(cls)
    name = "load_xgboost_model" if cls is FocalXGBClassifier else "load_lightgbm_model"
    predicted = treelite.gtil.predict(getattr(treelite.frontend, name)(path), X)
    assert_allclose(predicted.reshape(probability.shape), probability, atol=ATOL)


@both
def test_onnxmltools_alone(cls, saved):
    onnxmltools = pytest.importorskip("onnxmltools")
    ort = pytest.importorskip("onnxruntime")
    from onnxmltools.convert.common.data_types import FloatTensorType

    X, probability, path = saved(cls)
    inputs = [("input", FloatTensorType([None, X.shape[1]]))]
    if cls is FocalXGBClassifier:
        model = onnxmltools.convert_xgboost(xgb.Booster(model_file=path), initial_types=inputs)
    else:
        booster = lgb.Booster(model_file=path)
        # A booster from a file does not say its objective where the converter looks for it.
        booster.params["objective"] = "binary" if probability.ndim == 1 else "multiclass"
        model = onnxmltools.convert_lightgbm(booster, initial_types=inputs, zipmap=False)
    session = ort.InferenceSession(model.SerializeToString())
    predicted = np.asarray(session.run(None, {"input": X})[1])
    assert_allclose(predicted[:, 1] if probability.ndim == 1 else predicted, probability, atol=ATOL)


def test_c_api_of_lightgbm(saved):
    """What a program in C calls: load the file, predict one row after the other."""
    X, probability, path = saved(FocalLGBMClassifier)
    library = ctypes.CDLL(lgb.libpath._find_lib_path()[0])
    handle, iterations = ctypes.c_void_p(), ctypes.c_int()
    name = str(path).encode()
    assert (
        library.LGBM_BoosterCreateFromModelfile(
            name, ctypes.byref(iterations), ctypes.byref(handle)
        )
        == 0
    )
    k = 1 if probability.ndim == 1 else probability.shape[1]
    out, length, rows = (
        np.empty((50, k)),
        ctypes.c_int64(),
        np.ascontiguousarray(X[:50], np.float64),
    )
    for row, result in zip(rows, out, strict=True):
        status = library.LGBM_BoosterPredictForMatSingleRow(
            handle, row.ctypes.data_as(ctypes.c_void_p), 1, len(row), 1, 0, 0, -1, b"",
            ctypes.byref(length), result.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
        )  # fmt: skip
        assert status == 0
    library.LGBM_BoosterFree(handle)
    assert_allclose(out.reshape(probability[:50].shape), probability[:50], atol=ATOL)


@both
def test_shap_values_are_log_odds(cls, table):
    shap = pytest.importorskip("shap")
    X, y = table
    fitted = make(cls, focal_alpha="balanced").fit(X, y)
    explanation = shap.TreeExplainer(fitted)(X[:50])
    total = explanation.values.sum(axis=1) + explanation.base_values
    assert_allclose(total, fitted.decision_function(X[:50]), atol=1e-4)
    probability = fitted.predict_proba(X[:50])
    if total.ndim == 1:
        assert_allclose(total, logit(probability[:, 1].astype(float)), atol=1e-3)
    else:
        assert_allclose(softmax(total, axis=1), probability, atol=1e-5)


@pytest.mark.skipif(
    lgb.__version__ < "4.7",
    reason="LightGBM's own models lose their objective in refit from a text",
)
def test_refit_keeps_probabilities_calibrated(binary):
    """LightGBM refits a finalized model with log loss, whose margins mean the same."""
    X, y = binary
    loss = BinaryFocalLoss(2.0, link="canonical")
    trained = fl.train(models.LIGHTGBM | {"learning_rate": 0.1}, lgb.Dataset(X, y), 40, loss=loss)
    booster = lgb.Booster(model_str=trained.model_to_string())
    again = booster.refit(X, y, decay_rate=0.5)
    assert abs(again.predict(X).mean() - y.mean()) < 0.02
    paper = fl.train(
        models.LIGHTGBM | {"learning_rate": 0.1}, lgb.Dataset(X, y), 40, loss=BinaryFocalLoss(2.0)
    )
    other = lgb.Booster(model_str=paper.model_to_string()).refit(X, y, decay_rate=0.5)
    posterior = BinaryFocalLoss(2.0).posterior(other.predict(X, raw_score=True))
    assert abs(posterior.mean() - y.mean()) > 0.02  # margins of the paper do not


def canonical(y):
    return dataclasses.replace(models.loss_for(y), link="canonical")


class TestTrain:
    """train with the canonical link: what the host itself says of the model is right."""

    def test_xgboost_metrics_and_predictions(self, table):
        X, y = table
        loss = canonical(y)
        d, history = xgb.DMatrix(X, y), {}
        many = y.max() > 1
        metric = "mlogloss" if many else "logloss"
        booster = fx.train(
            models.XGBOOST | {"eval_metric": metric}, d, 10, loss=loss, evals=[(d, "t")],
            evals_result=history, verbose_eval=False,
        )  # fmt: skip
        margin = booster.predict(d, output_margin=True)
        posterior = softmax(margin, axis=1) if many else expit(margin)
        assert_allclose(booster.predict(d), posterior, atol=ATOL)
        assert_allclose(loss.posterior(margin), posterior, atol=ATOL)
        columns = posterior if many else np.column_stack([1 - posterior, posterior])
        chosen = columns[np.arange(len(y)), y.astype(int)]
        assert_allclose(history["t"][metric][-1], -np.log(chosen).mean(), rtol=1e-4)
        assert_allclose(history["t"]["focal_loss"][-1], loss.loss(y, margin).mean(), rtol=1e-5)

    @pytest.mark.parametrize("link", ["focal", "canonical"])
    def test_starts_from_the_intercept_of_the_link(self, binary, link):
        X, y = binary
        loss = BinaryFocalLoss(2.0, (1.0, 3.0), link=link)
        flat = fx.train({"eta": 1e-12}, xgb.DMatrix(X, y), 1, loss=loss)
        assert_allclose(
            flat.predict(xgb.DMatrix(X), output_margin=True), loss.intercept(y), rtol=1e-5
        )
        flat = fl.train(models.LIGHTGBM | {"learning_rate": 1e-12}, lgb.Dataset(X, y), 1, loss=loss)
        assert_allclose(flat.predict(X, raw_score=True), loss.intercept(y), rtol=1e-9)
        if link == "canonical":
            assert_allclose(loss.intercept(y), logit(y.mean()))

    def test_arrays_train_the_same_model(self, table):
        X, y = table
        loss = canonical(y)
        one = fx.train(models.XGBOOST, xgb.QuantileDMatrix(X, y), 10, loss=loss)
        other = fx.train(models.XGBOOST, fx.Arrays(X, y), 10, loss=loss)
        assert bytes(one.save_raw()) == bytes(other.save_raw())

    @pytest.mark.parametrize("arrays", [False, True])
    def test_another_link_is_not_continued(self, binary, arrays, tmp_path):
        X, y = binary
        data = fx.Arrays(X, y) if arrays else xgb.DMatrix(X, y)
        first = fx.train(models.XGBOOST, xgb.DMatrix(X, y), 3, loss=models.FOCAL)
        first.save_model(tmp_path / "first.ubj")
        loss = BinaryFocalLoss(2.0, link="canonical")
        for model in (first, tmp_path / "first.ubj"):
            with pytest.raises(
                ValueError, match="link must be that of the model to be continued, 'focal'"
            ):
                fx.train(models.XGBOOST, data, 3, loss=loss, xgb_model=model)
        with pytest.raises(
            ValueError, match="link must be that of the model to be continued, 'focal'"
        ):
            make(FocalXGBClassifier).fit(X, y, xgb_model=first)
        more = fx.train(models.XGBOOST, data, 3, loss=models.FOCAL, xgb_model=first)
        assert more.num_boosted_rounds() == 6


@both
def test_files_that_do_not_say_the_canonical_link_are_refused(cls, saved):
    """A model of the paper's margin would be read as if its margins were log-odds."""
    _, _, path = saved(cls)
    text = path.read_text(encoding="utf-8")
    for quote in ('"', '\\"'):
        text = text.replace(f"{quote}link{quote}: {quote}canonical{quote}, ", "")
    path.write_text(text, encoding="utf-8")
    fitted = cls().load_model
    with pytest.raises(ValueError, match="must be trained with link='canonical', got link='focal'"):
        fitted(path)

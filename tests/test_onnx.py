"""The exported model predicts what the estimator predicts, without this package."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from focalboost import FocalLGBMClassifier, FocalXGBClassifier
from focalboost.onnx import to_onnx
from tests.classifiers import both, make

pytest.importorskip("onnxmltools")
ort = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

pytestmark = pytest.mark.filterwarnings("ignore")  # of the converters


def single(table):
    """Return features in float32, the type of the exported model, and labels as integers."""
    X, y = table
    return X.astype(np.float32), y.astype(int)


def run(model, X):
    session = ort.InferenceSession(model.SerializeToString())
    return session.run(["label", "probabilities"], {"input": X})


@both
@pytest.mark.parametrize("gamma", [0.0, 2.0, 5.0])
def test_predicts_the_same(cls, each_table, gamma):
    X, y = single(each_table)
    names = np.array(["genuine", "stolen", "tried"])[y]
    k = y.max() + 1
    fitted = make(
        cls,
        focal_gamma=gamma,
        focal_alpha=[1.0, 2.0, 3.0][:k],
        class_weight="balanced",
        population_prior=np.arange(1, k + 1) / np.arange(1, k + 1).sum(),
    ).fit(X, names)
    label, probability = run(to_onnx(fitted), X)
    assert_allclose(probability, fitted.predict_proba(X), atol=1e-6)
    assert_array_equal(label, fitted.predict(X))
    assert probability.dtype == np.float32


@both
@pytest.mark.parametrize("values", [[-1, 1], [False, True], [1.0, 3.0]], ids=str)
def test_labels(cls, values, binary):
    X, y = single(binary)
    fitted = make(cls).fit(X, np.array(values)[y])
    label, _ = run(to_onnx(fitted), X)
    assert_array_equal(label, fitted.predict(X))


@both
def test_data_frames(cls, binary):
    pd = pytest.importorskip("pandas")
    X, y = single(binary)
    frame = pd.DataFrame(X, columns=[f"name {i}" for i in range(X.shape[1])])
    fitted = make(cls).fit(frame, y)
    assert_allclose(run(to_onnx(fitted), X)[1], fitted.predict_proba(frame), atol=1e-6)
    fitted.predict(frame)  # the estimator still knows the names of its features


@both
def test_trees_after_the_best_are_left_out(cls, binary):
    X, y = single(binary)
    h = len(y) // 2
    if cls is FocalXGBClassifier:
        stop, callbacks = {"early_stopping_rounds": 5}, {}
    else:
        lgb = pytest.importorskip("lightgbm")
        stop, callbacks = {}, {"callbacks": [lgb.early_stopping(5, verbose=False)]}
    fitted = make(cls, n_estimators=300, **stop)
    fitted.fit(X[:h], y[:h], eval_set=[(X[h:], y[h:])], **callbacks)
    assert_allclose(run(to_onnx(fitted), X)[1], fitted.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("wrong", [LogisticRegression(), FocalXGBClassifier], ids=str)
def test_objects_of_another_type(wrong):
    with pytest.raises(TypeError, match="classifier must be a FocalXGBClassifier or"):
        to_onnx(wrong)


@both
def test_before_fit(cls):
    with pytest.raises(NotFittedError):
        to_onnx(cls())


@pytest.mark.parametrize(
    ("cls", "options"),
    [(FocalXGBClassifier, {"booster": "gblinear"}), (FocalLGBMClassifier, {"linear_tree": True})],
    ids=str,
)
def test_linear_models_are_refused(cls, options, binary):
    fitted = make(cls, **options).fit(*single(binary))
    with pytest.raises(NotImplementedError, match="linear models cannot be converted"):
        to_onnx(fitted)


@pytest.mark.parametrize(
    ("cls", "options", "classes"),
    [
        (FocalXGBClassifier, {"missing": -999.0}, "binary"),
        (FocalXGBClassifier, {"num_parallel_tree": 3, "subsample": 0.5}, "multiclass"),
        (FocalLGBMClassifier, {"zero_as_missing": True}, "binary"),
    ],
    ids=str,
)
def test_what_is_converted_wrongly_is_refused(cls, options, classes, request):
    X, y = single(request.getfixturevalue(classes))
    X = np.where(np.random.default_rng(3).random(X.shape) < 0.3, options.get("missing", 0), X)
    fitted = make(cls, **options).fit(X.astype(np.float32), y)
    with pytest.raises(NotImplementedError, match="probabilities differ by up to"):
        to_onnx(fitted)

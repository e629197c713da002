"""The exported model predicts what the estimator predicts, in a server without this package."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from focalboost import FocalLGBMClassifier, FocalXGBClassifier, SoftmaxFocalLoss
from tests.hosts import tables

pytest.importorskip("onnxmltools")
ort = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
to_onnx = pytest.importorskip("focalboost.onnx").to_onnx

pytestmark = pytest.mark.filterwarnings("ignore")  # of the converters
CLASSES = [FocalXGBClassifier, FocalLGBMClassifier]


def float32_table(many):
    X, y = tables.multiclass() if many else tables.binary()
    return X.astype(np.float32), y.astype(int)


def make(cls, **options):
    quiet = {} if cls is FocalXGBClassifier else {"verbosity": -1}
    return cls(n_estimators=20, n_jobs=1, learning_rate=0.3, **quiet, **options)


def run(model, X):
    session = ort.InferenceSession(model.SerializeToString())
    return session.run(["label", "probabilities"], {"input": X})


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
@pytest.mark.parametrize("many", [False, True], ids=["binary", "softmax"])
@pytest.mark.parametrize("gamma", [0.0, 2.0, 5.0])
def test_predicts_the_same(cls, many, gamma):
    X, y = float32_table(many)
    names = np.array(["genuine", "stolen", "tried"])[y]
    k = 3 if many else 2
    fitted = make(
        cls,
        focal_gamma=gamma,
        focal_alpha=[1.0, 2.0, 3.0][:k],
        class_weight="balanced",
        sampling_prior=np.arange(1, k + 1) / np.arange(1, k + 1).sum(),
    ).fit(X, names)
    label, probability = run(to_onnx(fitted), X)
    assert_allclose(probability, fitted.predict_proba(X), atol=1e-6)
    assert_array_equal(label, fitted.predict(X))
    assert probability.dtype == np.float32


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
@pytest.mark.parametrize("values", [[-1, 1], [False, True], [1.0, 3.0]], ids=str)
def test_labels(cls, values):
    X, y = float32_table(False)
    fitted = make(cls).fit(X, np.array(values)[y])
    label, _ = run(to_onnx(fitted), X)
    assert_array_equal(label, fitted.predict(X))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_data_frames(cls):
    pd = pytest.importorskip("pandas")
    X, y = float32_table(False)
    frame = pd.DataFrame(X, columns=[f"name {i}" for i in range(X.shape[1])])
    fitted = make(cls).fit(frame, y)
    assert_allclose(run(to_onnx(fitted), X)[1], fitted.predict_proba(frame), atol=1e-6)
    fitted.predict(frame)  # and the estimator keeps its names


def test_trees_after_the_best_are_left_out():
    import lightgbm as lgb

    X, y = float32_table(False)
    h = len(y) // 2
    stopped = FocalXGBClassifier(n_estimators=300, early_stopping_rounds=5)
    other = FocalLGBMClassifier(n_estimators=300, verbosity=-1)
    stopped.fit(X[:h], y[:h], eval_set=[(X[h:], y[h:])])
    other.fit(X[:h], y[:h], eval_set=[(X[h:], y[h:])], callbacks=[lgb.early_stopping(5, verbose=0)])
    for fitted in (stopped, other):
        assert_allclose(run(to_onnx(fitted), X)[1], fitted.predict_proba(X), atol=1e-6)


def test_formula_far_out():
    """The posterior's formula in ONNX operators alone, against the package's."""
    from focalboost import onnx as module

    loss = SoftmaxFocalLoss(3, (0.0, 2.0, 5.0), (1.0, 2.0, 0.5))
    classes = np.arange(3)
    posterior = module.ClassPosterior(loss, classes, np.ones(3) / 3, None, None)
    graph = onnx.parser.parse_graph(module._POSTERIOR)
    constants = module._constants(posterior)
    used = {name for node in graph.node for name in node.input}
    graph.initializer.extend(
        onnx.numpy_helper.from_array(v, k) for k, v in constants.items() if k in used
    )
    opsets = [onnx.helper.make_opsetid("", module._OPSET)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(0, sd, (200, 3)) for sd in (1, 10, 100)])
    session = ort.InferenceSession(model.SerializeToString())
    (eta,) = session.run(None, {"z": z})
    assert_allclose(eta, loss.posterior(z), atol=1e-12)


def test_refusals():
    from sklearn.exceptions import NotFittedError
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(TypeError, match="classifier must be a FocalXGBClassifier or"):
        to_onnx(LogisticRegression())
    with pytest.raises(TypeError, match="classifier must be a FocalXGBClassifier or"):
        to_onnx(FocalXGBClassifier)
    with pytest.raises(NotFittedError):
        to_onnx(FocalXGBClassifier())
    X, y = float32_table(False)
    linear = FocalXGBClassifier(booster="gblinear", n_estimators=3).fit(X, y)
    with pytest.raises(Exception, match=r".+"):
        to_onnx(linear)

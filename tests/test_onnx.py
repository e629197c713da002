"""The exported model predicts what the estimator predicts, without this package."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from focalboost import FocalLGBMClassifier, FocalXGBClassifier
from focalboost.onnx import register_converters, to_onnx
from tests.classifiers import HOSTS, QUIET, both, make

pytest.importorskip("onnxmltools")
ort = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")

pytestmark = pytest.mark.filterwarnings("ignore")  # of the converters

NAMES = np.array(["genuine", "stolen", "tried"])


def single(table):
    """Return features in float32, the type of the exported model, and labels as integers."""
    X, y = table
    return X.astype(np.float32), y.astype(int)


def run(model, X):
    """Return labels and probabilities of the exported model for an array or a data frame."""
    session = ort.InferenceSession(model.SerializeToString())
    whole = [entry.name for entry in session.get_inputs()] == ["input"]
    inputs = {"input": np.asarray(X)} if whole else {c: X[[c]].to_numpy() for c in X}
    return session.run(["label", "probabilities"], inputs)


def assert_predicts_the_same(model, fitted, X):
    label, probability = run(model, X)
    assert_allclose(probability, fitted.predict_proba(X), atol=1e-6)
    assert_array_equal(label, fitted.predict(X))


def uneven(k):
    return np.arange(1, k + 1) / np.arange(1, k + 1).sum()


@both
@pytest.mark.parametrize("gamma", [0.0, 2.0, 5.0])
def test_predicts_the_same(cls, each_table, gamma):
    X, y = single(each_table)
    k = y.max() + 1
    fitted = make(
        cls,
        focal_gamma=gamma,
        focal_alpha=[1.0, 2.0, 3.0][:k],
        class_weight="balanced",
        population_prior=uneven(k),
    ).fit(X, NAMES[y])
    model = to_onnx(fitted)
    assert_predicts_the_same(model, fitted, X)
    assert run(model, X)[1].dtype == np.float32


@both
def test_is_the_model_of_the_focal_loss(cls, binary):
    X, y = single(binary)
    _, probability = run(to_onnx(make(cls, focal_gamma=5.0).fit(X, y)), X)
    native = HOSTS[cls](n_estimators=20, n_jobs=1, learning_rate=0.3, **QUIET[cls]).fit(X, y)
    assert np.abs(probability - native.predict_proba(X)).max() > 0.1


@both
def test_a_prior_that_is_set_after_fit(cls, each_table):
    X, y = single(each_table)
    fitted = make(cls).fit(X, y)
    before = run(to_onnx(fitted), X)[1]
    fitted.set_params(population_prior=uneven(y.max() + 1))
    assert_predicts_the_same(to_onnx(fitted), fitted, X)
    assert np.abs(fitted.predict_proba(X) - before).max() > 0.1


@both
@pytest.mark.parametrize("values", [[-1, 1], [False, True], [1.0, 3.0]], ids=str)
def test_labels(cls, values, binary):
    X, y = single(binary)
    fitted = make(cls).fit(X, np.array(values)[y])
    label, _ = run(to_onnx(fitted), X)
    assert_array_equal(label, fitted.predict(X))


@both
def test_missing_values(cls, each_table):
    X, y = single(each_table)
    X[np.random.default_rng(0).random(X.shape) < 0.3] = np.nan
    fitted = make(cls).fit(X, y)
    assert_predicts_the_same(to_onnx(fitted), fitted, X)


@both
def test_data_frames(cls, binary):
    X, y = single(binary)
    frame = pd.DataFrame(X, columns=[f"name {i}" for i in range(X.shape[1])])
    fitted = make(cls).fit(frame, y)
    assert_predicts_the_same(to_onnx(fitted), fitted, frame)
    assert_predicts_the_same(to_onnx(fitted, frame), fitted, frame)
    fitted.predict(frame)  # the estimator still knows the names of its features


@both
def test_subclasses(cls, binary):
    X, y = single(binary)
    fitted = make(cls).fit(X, y)
    fitted.__class__ = type("Own", (cls,), {})
    assert_predicts_the_same(to_onnx(fitted), fitted, X)


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
    assert_predicts_the_same(to_onnx(fitted), fitted, X)


@both
def test_doubles_that_float32_cannot_tell_apart(cls):
    # Seconds since 1970: float32 rounds them to 128. XGBoost itself then sees one value.
    seconds = 1_700_000_000 + np.arange(64.0).reshape(-1, 1)
    y = (seconds[:, 0] % 32 < 16).astype(int)
    fitted = make(cls).fit(seconds, y)
    assert_predicts_the_same(to_onnx(fitted, seconds), fitted, seconds)
    seen = len(np.unique(fitted.predict_proba(seconds)[:, 1]))
    assert seen == 1 if cls is FocalXGBClassifier else seen > 1


def test_thresholds_between_neighbours_in_float32():
    # Halfway between the two is a double, and rounding it to even gives the larger one.
    pair = np.float32(1) + np.finfo(np.float32).eps * np.array([1, 2], np.float32)
    X = np.tile(pair, 100).reshape(-1, 1)
    fitted = make(FocalLGBMClassifier).fit(X, np.tile([0, 1], 100))
    assert_predicts_the_same(to_onnx(fitted), fitted, X)


@both
def test_categories_as_numbers(cls):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=1000), rng.integers(0, 12, 1000)]).astype(np.float32)
    y = (np.isin(X[:, 1], [1, 4, 7]) ^ (X[:, 0] > 1)).astype(int)
    if cls is FocalXGBClassifier:
        fitted = make(cls, enable_categorical=True, feature_types=["q", "c"]).fit(X, y)
    else:
        fitted = make(cls, max_cat_to_onehot=1).fit(X, y, categorical_feature=[1])
    assert_predicts_the_same(to_onnx(fitted), fitted, X)


@both
@pytest.mark.parametrize("k", [2, 3])
def test_constants(cls, k):
    X = np.zeros((60, 2), np.float32)
    y = np.repeat(range(k), [30, 30] if k == 2 else [30, 20, 10])  # of two classes: log-odds 0
    fitted = make(cls).fit(X, y)
    assert_predicts_the_same(to_onnx(fitted), fitted, X)


@pytest.fixture(scope="module")
def payments():
    """Return a frame of numbers, some missing, and text, with labels 0, 1 and 2."""
    rng, n = np.random.default_rng(0), 1000
    frame = pd.DataFrame(
        {
            "amount": np.round(rng.lognormal(3, 2, n), 2),
            "hour": rng.integers(0, 24, n).astype(float),
            "country": rng.choice(["at", "de", "fr"], n),
            "risk": rng.choice(["low", "middle", "high"], n),
            "day": rng.integers(0, 7, n),
        }
    )
    z = np.log(frame["amount"]) + (frame["country"] == "fr") + frame["day"] / 3
    frame.loc[rng.random(n) < 0.2, "amount"] = np.nan
    z += rng.normal(size=n)
    return frame, ((z > 5).astype(int) + (z > 6)).to_numpy()


def columns(**options):
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer(
        [
            ("numbers", numbers, ["amount", "hour"]),
            ("one hot", OneHotEncoder(handle_unknown="ignore", **options), ["country"]),
            ("ordinal", ordinal, ["risk"]),
            ("unchanged", "passthrough", ["day"]),
        ]
    )


def dense():
    return columns(sparse_output=False)


@both
@pytest.mark.parametrize("k", [2, 3])
def test_pipelines(cls, payments, k):
    frame, y = payments
    y = NAMES[np.minimum(y, k - 1)]
    classifier = make(
        cls, focal_gamma=3.0, class_weight="balanced", population_prior=uneven(k), n_estimators=10
    )
    fitted = make_pipeline(dense(), classifier).fit(frame[:500], y[:500])
    model = to_onnx(fitted, frame[:500])
    rows = frame[500:].assign(country=lambda f: f["country"].where(f["hour"] > 3, "unknown"))
    assert_predicts_the_same(model, fitted, rows)


def test_names_that_onnx_does_not_take():
    rng = np.random.default_rng(0)
    names = ["amount eur", "kind-1", "amount_eur", "not used"]
    frame = pd.DataFrame(rng.normal(size=(300, 4)), columns=names)
    columns = make_column_transformer(
        ("passthrough", ["amount_eur", "amount eur"]), (StandardScaler(), ["kind-1"])
    )
    y = frame["amount eur"] - frame["amount_eur"] > 1
    fitted = make_pipeline(columns, make(FocalLGBMClassifier)).fit(frame, y)
    model = to_onnx(fitted, frame)
    inputs = [each.name for each in model.graph.input]
    assert inputs == ["amount_eur", "kind_1", "amount_eur1", "not_used"]
    session = ort.InferenceSession(model.SerializeToString())
    given = zip(inputs, frame.to_numpy().T[:, :, None], strict=True)
    probability = session.run(["probabilities"], dict(given))[0]
    assert_allclose(probability, fitted.predict_proba(frame), atol=1e-6)


def calibrated(classifier):
    return CalibratedClassifierCV(classifier, cv=2)  # of decision_function, with class weights


def voting(classifier):
    pair = [("focal", classifier), ("linear", LogisticRegression())]
    return VotingClassifier(pair, voting="soft", flatten_transform=False)


def stacking(classifier):
    return StackingClassifier([("focal", classifier)], cv=2)


def search(classifier):
    return GridSearchCV(classifier, {"focal_gamma": [1.0]}, cv=2)


@both
@pytest.mark.parametrize(
    ("around", "k"), [(calibrated, 2), (calibrated, 3), (voting, 3), (stacking, 2), (search, 2)]
)
def test_classifiers_that_contain_an_estimator(cls, around, k, payments):
    frame, y = payments
    y = NAMES[np.minimum(y, k - 1)]
    classifier = make(cls, n_estimators=3, class_weight="balanced")
    fitted = make_pipeline(dense(), around(classifier)).fit(frame, y)
    assert_predicts_the_same(to_onnx(fitted, frame), fitted, frame)


@both
def test_options_of_skl2onnx(cls, each_table):
    X, y = single(each_table)
    fitted = make(cls, class_weight="balanced", population_prior=uneven(y.max() + 1))
    fitted.fit(X, NAMES[y])
    register_converters()

    def converted(**options):
        model = skl2onnx.to_onnx(fitted, X, options={id(fitted): options}, target_opset=15)
        return ort.InferenceSession(model.SerializeToString()).run(None, {"X": X})

    label, of_name = converted()
    assert_array_equal(label, fitted.predict(X))
    probability = np.array([[row[name] for name in fitted.classes_] for row in of_name])
    assert_allclose(probability, fitted.predict_proba(X), atol=1e-6)
    code, scores = converted(zipmap=False, raw_scores=True, nocl=True)
    assert_array_equal(fitted.classes_[code], fitted.predict(X))
    decision = fitted.decision_function(X)
    expected = np.column_stack([-decision, decision]) if decision.ndim == 1 else decision
    assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [FocalXGBClassifier, VotingClassifier([("focal", FocalXGBClassifier())]), StandardScaler()],
    ids=["class", "without predict_proba", "transformer"],
)
def test_what_is_not_a_classifier_with_probabilities(wrong):
    with pytest.raises(TypeError, match="model must be a fitted classifier with predict_proba"):
        to_onnx(wrong)


@both
def test_before_fit(cls):
    with pytest.raises(NotFittedError):
        to_onnx(cls())


def test_a_pipeline_without_rows(payments):
    frame, y = payments
    fitted = make_pipeline(dense(), make(FocalXGBClassifier)).fit(frame, y)
    with pytest.raises(TypeError, match="X must be given for a Pipeline"):
        to_onnx(fitted)


def test_columns_of_unknown_types(payments):
    frame, y = payments
    fitted = make_pipeline(dense(), make(FocalXGBClassifier)).fit(frame, y)
    with pytest.raises(TypeError, match=r"'day' of X must be float32, .* got int8"):
        to_onnx(fitted, frame.assign(day=frame["day"].astype("int8")))
    missing = frame["country"].astype(object).where(frame["hour"] > 3, None)
    with pytest.raises(TypeError, match=r"'country' of X must be .* text without missing"):
        to_onnx(fitted, frame.assign(country=missing))


@pytest.mark.parametrize(
    ("cls", "options"),
    [(FocalXGBClassifier, {"booster": "gblinear"}), (FocalLGBMClassifier, {"linear_tree": True})],
    ids=str,
)
def test_linear_models_are_refused(cls, options, binary):
    fitted = make(cls, **options).fit(*single(binary))
    with pytest.raises(NotImplementedError, match="linear models cannot be converted"):
        to_onnx(fitted)


def test_dart_and_several_targets_of_xgboost_are_refused(binary):
    X, y = single(binary)
    with pytest.raises(NotImplementedError, match="booster must be 'gbtree', got 'dart'"):
        to_onnx(make(FocalXGBClassifier, booster="dart").fit(X, y))
    with pytest.raises(NotImplementedError, match="the model must have one target"):
        to_onnx(make(FocalXGBClassifier).fit(X, np.column_stack([y, 1 - y])))


@pytest.mark.parametrize(
    ("cls", "options", "classes"),
    [
        (FocalXGBClassifier, {"missing": -999.0}, "binary"),
        (FocalXGBClassifier, {"num_parallel_tree": 3, "subsample": 0.5}, "multiclass"),
        (FocalLGBMClassifier, {"zero_as_missing": True}, "binary"),
    ],
    ids=str,
)
def test_trees_that_are_converted_wrongly_are_refused(cls, options, classes, request):
    X, y = single(request.getfixturevalue(classes))
    X = np.where(np.random.default_rng(3).random(X.shape) < 0.3, options.get("missing", 0), X)
    fitted = make(cls, **options).fit(X.astype(np.float32), y)
    with pytest.raises(NotImplementedError, match="on sample rows they differ by up to"):
        to_onnx(fitted)
    register_converters()
    with pytest.raises(NotImplementedError, match="on sample rows they differ by up to"):
        skl2onnx.to_onnx(fitted, X[:1].astype(np.float32), target_opset=15)


def test_models_that_are_converted_wrongly_are_refused(payments):
    frame, y = payments
    classifier = make(FocalXGBClassifier, n_estimators=5)
    for wrong in (
        make_pipeline(columns(sparse_output=True).set_params(sparse_threshold=1.0), classifier),
        make_pipeline(dense(), CalibratedClassifierCV(classifier, method="isotonic", cv=2)),
    ):
        with pytest.raises(NotImplementedError, match=r"something else for \d+ of 1000 rows"):
            to_onnx(wrong.fit(frame, y), frame)


def test_parts_that_skl2onnx_does_not_know(payments):
    frame, y = payments
    around = CalibratedClassifierCV(make_pipeline(dense(), make(FocalXGBClassifier)), cv=2)
    with pytest.raises(NotImplementedError, match=r"at most 1 input.*Replace the part that this"):
        to_onnx(around.fit(frame, y), frame)

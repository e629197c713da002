"""FocalXGBClassifier and FocalLGBMClassifier: what a scikit-learn user expects, whatever the labels."""

import copy
import dataclasses
import inspect
import io
import pickle

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, softmax

import focalboost
import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import (
    BinaryFocalLoss,
    FocalLGBMClassifier,
    FocalXGBClassifier,
    SoftmaxFocalLoss,
    shift_prior,
)
from focalboost.estimators._parameters import LightGBMParameters, XGBoostParameters
from tests.classifiers import HOSTS, QUIET, both, make
from tests.hosts import tables
from tests.processes import imported_by, run_python

pytest.importorskip("sklearn")
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

CANONICAL = BinaryFocalLoss(2.0, link="canonical")


def scores(margin):
    """Return the sigmoid or softmax of margins."""
    return expit(margin) if margin.ndim == 1 else softmax(margin, axis=1)


def expected_failures(estimator):
    failures = {}
    if isinstance(estimator, FocalXGBClassifier):
        reason = "XGBClassifier fails it: weights move the quantiles of its histograms"
        failures |= {
            "check_sample_weight_equivalence_on_dense_data": reason,
            "check_sample_weight_equivalence_on_sparse_data": reason,
        }
    if estimator.class_weight == "balanced":
        reason = "class weights count rows, as LGBMClassifier's do, not their weights"
        failures |= {
            "check_sample_weight_equivalence_on_dense_data": reason,
            "check_sample_weight_equivalence_on_sparse_data": reason,
        }
    if isinstance(estimator, StoppedLGBM):
        reason = "LGBMClassifier fails it with any parameter that its signature does not name"
        failures["check_no_attributes_set_in_init"] = reason
    return failures


class StoppedXGB(FocalXGBClassifier):
    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y, sample_weight=sample_weight, eval_set=[(X, y)])


class StoppedLGBM(FocalLGBMClassifier):
    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y, sample_weight=sample_weight, eval_set=[(X, y)])


# scikit-learn checks what it is given; a contract may hold with default parameters only.
INSTANCES = [
    cls(n_jobs=1, **options)
    for cls in HOSTS
    for options in (
        {},
        {"focal_gamma": 0.5, "class_weight": "balanced", "n_estimators": 10},
        {"focal_alpha": "effective", "focal_curvature": "exact", "n_estimators": 10},
        {"population_prior": 0.4, "n_estimators": 10},
        {"focal_alpha": 0.25, "focal_gamma": 5.0, "n_estimators": 10},
    )
] + [
    StoppedXGB(
        n_jobs=1, n_estimators=30, early_stopping_rounds=2, eval_metric=["error", "logloss"]
    ),
    StoppedLGBM(n_jobs=1, n_estimators=30, early_stopping_round=2, metric="logloss"),
]


@parametrize_with_checks(INSTANCES, expected_failed_checks=expected_failures)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_checks(estimator, check):
    try:
        check(estimator)
    except Exception as error:
        reasons = []
        while error is not None:
            reasons.append(str(error))
            error = error.__cause__ or error.__context__
        refused = (
            *("population_prior must be the frequency of each class", "with several targets"),
            *("alpha must be None or 3 ", "alpha must be None or 4 "),
        )
        if not any(text in reason for text in refused for reason in reasons):
            raise
        pytest.skip("the check has more classes or targets than the parameter is for")


class TestLabels:
    @both
    @pytest.mark.parametrize(
        "values",
        [["genuine", "stolen"], [-1, 1], [False, True], [1.0, 3.0], np.array(["a", "b"], object)],
        ids=str,
    )
    def test_two_classes(self, cls, values, binary):
        X, y = binary
        plain = make(cls).fit(X, y)
        labels = np.asarray(values)[y.astype(int)]
        fitted = make(cls).fit(X, labels, eval_set=[(X, labels)])
        assert_array_equal(fitted.classes_, np.unique(labels))
        assert_array_equal(fitted.predict(X), np.asarray(values)[plain.predict(X).astype(int)])
        assert fitted.predict(X).dtype == labels.dtype
        assert_array_equal(fitted.predict_proba(X), plain.predict_proba(X))

    @both
    def test_three_classes(self, cls, multiclass):
        X, y = multiclass
        names = np.array(["low", "high", "none"])
        fitted = make(cls).fit(X, names[y.astype(int)])
        probability = fitted.predict_proba(X)
        assert_array_equal(fitted.classes_, ["high", "low", "none"])
        assert_array_equal(fitted.predict(X), fitted.classes_[probability.argmax(axis=1)])
        assert_allclose(probability.sum(axis=1), 1, atol=1e-6)
        assert fitted.score(X, names[y.astype(int)]) > 0.6

    @both
    @pytest.mark.parametrize("kind", ["pandas", "categorical labels", "polars", "sparse and list"])
    def test_containers(self, cls, kind, binary):
        X, y = binary
        names, codes = [f"x{i}" for i in range(X.shape[1])], y.astype(int)
        if kind == "polars":
            pl = pytest.importorskip("polars")
            frame, labels = pl.DataFrame(X, schema=names), pl.Series(codes)
        elif kind == "sparse and list":
            frame, labels = sparse.csr_matrix(X), codes.tolist()
        else:
            pd = pytest.importorskip("pandas")
            frame = pd.DataFrame(X, columns=names)
            labels = pd.Series(codes, index=np.arange(len(y))[::-1])
            labels = labels.astype("category") if kind == "categorical labels" else labels
        fitted = make(cls).fit(frame, labels)
        expected = make(cls).fit(X, codes).predict_proba(X)
        assert_allclose(fitted.predict_proba(frame), expected, atol=1e-6)

    @both
    def test_categorical_feature(self, cls, binary):
        pd = pytest.importorskip("pandas")
        X, y = binary
        shop = pd.Series(np.where(y, "casino", "bakery")).astype("category")
        frame = pd.DataFrame({"x": X[:, 3], "shop": shop})
        options = {"enable_categorical": True} if cls is FocalXGBClassifier else {}
        fitted = make(cls, **options).fit(frame, y, eval_set=[(frame, y)])
        assert fitted.score(frame, y) == 1.0


class TestProbabilities:
    @both
    def test_margins_are_log_odds(self, cls, each_table):
        X, y = each_table
        fitted = make(cls, focal_gamma=3.0).fit(X, y)
        margin = fitted.decision_function(X)
        focal = BinaryFocalLoss(3.0) if y.max() == 1 else SoftmaxFocalLoss(3, 3.0)
        assert fitted.loss_ == dataclasses.replace(focal, link="canonical")
        assert np.abs(scores(margin) - focal.posterior(margin)).max() > 0.05
        eta = scores(margin)
        columns = eta if eta.ndim == 2 else np.column_stack([1 - eta, eta])
        assert_allclose(fitted.predict_proba(X), columns, atol=1e-6)

    @both
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"focal_alpha": "balanced"},
            {"class_weight": "balanced"},
            {"population_prior": "given"},
            {"focal_alpha": "balanced", "class_weight": "balanced", "population_prior": "given"},
        ],
        ids=str,
    )
    def test_decision_function_agrees_with_predict(self, cls, options, each_table):
        X, y = each_table
        k = int(y.max()) + 1
        prior = np.arange(1, k + 1) / np.arange(1, k + 1).sum()
        options = {name: prior if v == "given" else v for name, v in options.items()}
        fitted = make(cls, **options).fit(X, y)
        decision, eta = fitted.decision_function(X), fitted.predict_proba(X)
        if k == 2:
            assert_array_equal(fitted.predict(X), fitted.classes_[(decision > 0).astype(int)])
            decision = np.column_stack([np.zeros(len(X)), decision])
        assert_array_equal(fitted.predict(X), fitted.classes_[decision.argmax(axis=1)])
        weight = np.ones(k)
        if "class_weight" in options:
            weight = len(y) / k / np.bincount(y.astype(int))
        weighted = eta * weight
        expected = weighted / weighted.sum(axis=1, keepdims=True)
        assert_allclose(softmax(decision, axis=1), expected, atol=1e-5)

    @both
    def test_the_hosts_own_classifier_predicts_the_same(self, cls, each_table):
        X, y = each_table
        fitted = make(cls, focal_gamma=3.0, focal_alpha="balanced").fit(X, y)
        assert_allclose(HOSTS[cls].predict_proba(fitted, X), fitted.predict_proba(X), atol=1e-6)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_xgboost_is_the_same_as_train(self, binary, weighted):
        X, y = binary
        w = tables.weights(len(y)) if weighted else None
        fitted = make(FocalXGBClassifier).fit(X, y, sample_weight=w)
        params, d = {"learning_rate": 0.3, "nthread": 1}, xgb.QuantileDMatrix(X, y, weight=w)
        booster = fx.train(params, d, 20, loss=CANONICAL)
        margin = booster.predict(xgb.DMatrix(X), output_margin=True)
        assert_allclose(fitted.decision_function(X), margin, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_lightgbm_is_the_same_as_train(self, binary, weighted):
        X, y = binary
        w = tables.weights(len(y)) if weighted else None
        fitted = make(FocalLGBMClassifier).fit(X, y, sample_weight=w)
        params = {"learning_rate": 0.3, "verbosity": -1}
        booster = fl.train(params, lgb.Dataset(X, y, weight=w), 20, loss=CANONICAL)
        margin = booster.predict(X, raw_score=True)
        assert_allclose(fitted.decision_function(X), margin, rtol=1e-7, atol=1e-9)

    @both
    def test_gamma_zero_exact_is_the_native_model_and_gamma_two_is_not(self, cls, each_table):
        X, y = each_table
        if cls is FocalXGBClassifier and len(np.unique(y)) > 2 and xgb.__version__ < "3.2":
            pytest.skip("XGBoost's own softprob starts all classes at .5")
        native = HOSTS[cls](n_estimators=20, n_jobs=1, learning_rate=0.3, **QUIET[cls])
        native.fit(X, y.astype(int))
        same = make(cls, focal_gamma=0.0, focal_curvature="exact").fit(X, y)
        other = make(cls, focal_gamma=2.0, focal_curvature="exact").fit(X, y)
        assert_allclose(same.predict_proba(X), native.predict_proba(X), atol=2e-5)
        assert np.abs(other.predict_proba(X) - native.predict_proba(X)).max() > 0.01

    @both
    def test_class_weights_change_decisions_and_not_probabilities(self, cls, binary):
        X, y = binary
        plain = make(cls, n_estimators=60, learning_rate=0.1).fit(X, y)
        weighted = clone(plain).set_params(class_weight={0.0: 1.0, 1.0: 10.0}).fit(X, y)
        assert_allclose(weighted.predict_proba(X)[:, 1].mean(), y.mean(), atol=0.035)
        assert weighted.predict(X).sum() > 1.5 * plain.predict(X).sum()
        eta = weighted.predict_proba(X)
        assert_array_equal(weighted.predict(X), (10 * eta[:, 1] > eta[:, 0]).astype(float))
        assert weighted.loss_ == BinaryFocalLoss(2.0, (1.0, 10.0), link="canonical")

    @both
    @pytest.mark.parametrize(
        "alpha", [0.25, "balanced", "effective", (1.0, 5.0), {0.0: 1.0, 1.0: 5.0}], ids=str
    )
    def test_alpha_is_undone(self, cls, alpha, binary):
        X, y = binary
        fitted = make(cls, focal_alpha=alpha, learning_rate=0.1, n_estimators=60).fit(X, y)
        assert_allclose(fitted.predict_proba(X)[:, 1].mean(), y.mean(), atol=0.035)
        assert fitted.loss_.alphas != (1.0, 1.0)
        plain = make(cls, learning_rate=0.1, n_estimators=60).fit(X, y)
        assert np.abs(plain.predict_proba(X) - fitted.predict_proba(X)).max() > 0.02

    @both
    def test_undersampled_rows(self, cls, binary):
        X, y = binary
        keep = (y == 1) | (np.random.default_rng(0).random(len(y)) < 0.2)
        fitted = make(cls, population_prior=y.mean(), learning_rate=0.1).fit(X[keep], y[keep])
        plain = make(cls, learning_rate=0.1).fit(X[keep], y[keep])
        assert_allclose(
            fitted.predict_proba(X)[:, 1],
            shift_prior(plain.predict_proba(X)[:, 1], y[keep].mean(), y.mean()),
            rtol=1e-5,
        )
        assert_allclose(fitted.class_prior_, [1 - y[keep].mean(), y[keep].mean()])
        assert abs(fitted.predict_proba(X)[:, 1].mean() - y.mean()) < 0.03
        assert plain.predict_proba(X)[:, 1].mean() > y.mean() + 0.1

    @both
    def test_weights_change_the_model(self, cls, binary):
        X, y = binary
        w = tables.weights(len(y))
        weighted = make(cls).fit(X, y, sample_weight=w)
        assert_allclose(weighted.class_prior_[1], np.average(y, weights=w))
        assert np.abs(weighted.predict_proba(X) - make(cls).fit(X, y).predict_proba(X)).max() > 0.02


class TestMetrics:
    @both
    @pytest.mark.parametrize("metric", [None, "logloss", "average_precision", "auc", "error"])
    def test_early_stopping_by_name(self, cls, metric, binary):
        X, y = binary
        h = len(y) // 2
        fitted = self.stopped(cls, metric, X[:h], y[:h], X[h:], y[h:])
        history = next(iter(fitted.evals_result_.values()))
        name = metric or "focal_loss"
        assert list(history) == [name]
        best = np.argmax if metric in ("average_precision", "auc") else np.argmin
        chosen = fitted.best_iteration + (0 if cls is FocalXGBClassifier else -1)
        assert chosen == best(history[name])
        assert len(history[name]) < 300
        probability = fitted.predict_proba(X[h:])
        if metric == "logloss":
            assert_allclose(history[name][chosen], log_loss(y[h:], probability), rtol=1e-5)
        if metric == "average_precision":
            expected = average_precision_score(y[h:], probability[:, 1])
            assert_allclose(history[name][chosen], expected, rtol=1e-4)  # LightGBM bins margins

    def stopped(self, cls, metric, X, y, X_valid, y_valid):
        if cls is FocalXGBClassifier:
            fitted = make(cls, n_estimators=300, eval_metric=metric, early_stopping_rounds=5)
            return fitted.fit(X, y, eval_set=[(X_valid, y_valid)])
        fitted = make(cls, n_estimators=300)
        fitted.fit(
            X,
            y,
            eval_set=[(X_valid, y_valid)],
            eval_metric=metric,
            callbacks=[lgb.early_stopping(5, verbose=False)],
        )
        fitted.best_iteration = fitted.best_iteration_
        return fitted

    def test_metric_of_the_user_gets_the_posterior_from_xgboost(self, binary):
        X, y = binary

        def brier(labels, probability):
            return float(np.mean((labels - probability) ** 2))

        fitted = make(FocalXGBClassifier, eval_metric=["auc", brier, "logloss"])
        fitted.fit(X, y, eval_set=[(X, y)])
        history = fitted.evals_result_["validation_0"]
        assert set(history) == {"auc", "brier", "logloss"}
        assert_allclose(
            history["brier"][-1], np.mean((y - fitted.predict_proba(X)[:, 1]) ** 2), rtol=1e-4
        )

    def test_metric_of_the_user_gets_the_posterior_from_lightgbm(self, binary):
        X, y = binary

        def brier(labels, probability, weight):
            return "brier", np.average((labels - probability) ** 2, weights=weight), False

        w = tables.weights(len(y))
        fitted = make(FocalLGBMClassifier)
        fitted.fit(X, y, eval_set=[(X, y)], eval_sample_weight=[w], eval_metric=["auc", brier])
        (history,) = fitted.evals_result_.values()
        assert set(history) == {"auc", "brier"}
        expected = np.average((y - fitted.predict_proba(X)[:, 1]) ** 2, weights=w)
        assert_allclose(history["brier"][-1], expected, rtol=1e-6)

    def test_metric_of_the_constructor(self, binary):
        X, y = binary
        fitted = make(FocalLGBMClassifier, metric="auc,multi_logloss").fit(X, y, eval_set=(X, y))
        (history,) = fitted.evals_result_.values()
        assert set(history) == {"auc", "multi_logloss"}


class TestLifeCycle:
    @both
    def test_a_second_fit_trains_the_focal_loss(self, cls, binary):
        X, y = binary
        fitted = make(cls).fit(X, y)
        first = fitted.predict_proba(X)
        fitted.fit(X[:500], y[:500])
        assert_array_equal(fitted.fit(X, y).predict_proba(X), first)
        fitted.set_params(focal_gamma=5.0).fit(X, y)
        assert fitted.loss_.gamma == 5.0
        assert np.abs(expit(fitted.decision_function(X)) - first[:, 1]).max() > 0.05

    @both
    def test_a_fit_that_fails_changes_nothing(self, cls, binary):
        X, y = binary
        fitted = make(cls).fit(X, y)
        before = fitted.predict_proba(X)
        for wrong in (np.zeros(len(y)), np.where(y, np.nan, 0.0), y[:-1]):
            with pytest.raises(ValueError, match=r"class|NaN|numbers of samples"):
                fitted.fit(X, wrong)
        assert_array_equal(fitted.predict_proba(X), before)

    @both
    def test_copies_predict_the_same(self, cls, binary, tmp_path):
        joblib = pytest.importorskip("joblib")
        cloudpickle = pytest.importorskip("cloudpickle")
        X, y = binary
        fitted = make(cls, focal_gamma=3.0).fit(X, np.where(y, "yes", "no"))
        joblib.dump(fitted, tmp_path / "model")
        for copied in (
            pickle.loads(pickle.dumps(fitted)),
            copy.deepcopy(fitted),
            copy.copy(fitted),
            cloudpickle.loads(cloudpickle.dumps(fitted)),
            joblib.load(tmp_path / "model"),
        ):
            assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))
            assert_array_equal(copied.predict(X), fitted.predict(X))
            assert repr(copied.get_params()) == repr(fitted.get_params())

    @both
    def test_another_process_loads_and_predicts(self, cls, binary, tmp_path):
        joblib = pytest.importorskip("joblib")
        X, y = binary
        fitted = make(cls, focal_gamma=3.0).fit(X, np.where(y, "yes", "no"))
        joblib.dump(fitted, tmp_path / "model")
        np.save(tmp_path / "X", X)
        code = (
            "import joblib, numpy;"
            "f = joblib.load('model'); numpy.save('out', f.predict_proba(numpy.load('X.npy')))"
        )
        run_python("-c", code, cwd=tmp_path)
        assert_array_equal(np.load(tmp_path / "out.npy"), fitted.predict_proba(X))

    @both
    def test_parameters(self, cls):
        given = make(cls, focal_gamma=1.0, focal_alpha=0.3, population_prior=0.1, max_depth=3)
        params = given.get_params()
        assert set(HOSTS[cls]().get_params()) <= set(params)
        assert (params["focal_gamma"], params["max_depth"]) == (1.0, 3)
        assert clone(given).get_params() == params
        assert isinstance(given, HOSTS[cls])

    @both
    @pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
    def test_methods_before_fit(self, cls, method, binary):
        with pytest.raises(NotFittedError):
            getattr(make(cls), method)(binary[0])

    @both
    @pytest.mark.parametrize("name", ["classes_", "loss_", "class_prior_", "class_posterior_"])
    def test_attributes_before_fit(self, cls, name):
        with pytest.raises(NotFittedError):
            getattr(make(cls), name)

    @both
    def test_continued_training(self, cls, binary):
        X, y = binary
        labels = np.where(y, "yes", "no")
        name = "xgb_model" if cls is FocalXGBClassifier else "init_model"
        first = make(cls, n_estimators=10).fit(X, labels)
        second = make(cls, n_estimators=10).fit(X, labels, **{name: first})
        whole = make(cls, n_estimators=20).fit(X, labels)
        assert_allclose(second.decision_function(X), whole.decision_function(X), atol=1e-4)
        with pytest.raises(ValueError, match=f"{name} must have the classes of y"):
            make(cls).fit(X, y, **{name: first})

    @both
    def test_save_and_load(self, cls, each_table, tmp_path):
        X, y = each_table
        many = y.max() > 1
        names = np.array(["no =", "yes", "née"])[y.astype(int)]
        weight = {"no =": 1.0, "yes": 3.0} | ({"née": 2.0} if many else {})
        prior = [0.2, 0.3, 0.5] if many else [0.5, 0.5]
        fitted = make(cls, focal_gamma=3.0, class_weight=weight, population_prior=prior)
        fitted.fit(X, names)
        path = tmp_path / ("model.ubj" if cls is FocalXGBClassifier else "model.txt")
        fitted.save_model(path)
        loaded = cls()
        loaded.load_model(path)
        assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
        assert_array_equal(loaded.predict(X), fitted.predict(X))
        assert_array_equal(loaded.classes_, fitted.classes_)
        assert (loaded.loss_, loaded.focal_gamma) == (fitted.loss_, 3.0)
        if cls is FocalLGBMClassifier:
            assert loaded.objective_ == ("multiclass" if many else "binary")
        loaded.set_params(n_estimators=20, n_jobs=1, learning_rate=0.3, **QUIET[cls]).fit(X, names)
        assert_allclose(loaded.predict_proba(X), fitted.predict_proba(X), atol=1e-6)

    @both
    def test_a_booster_of_the_host_predicts_scores(self, cls, each_table, tmp_path):
        X, y = each_table
        fitted = make(cls).fit(X, y)
        fitted.save_model(tmp_path / "model.json")
        if cls is FocalXGBClassifier:
            predicted = xgb.Booster(model_file=tmp_path / "model.json").predict(xgb.DMatrix(X))
        else:
            predicted = lgb.Booster(model_file=tmp_path / "model.json").predict(X)
        assert_allclose(predicted, scores(fitted.decision_function(X)), atol=1e-6)

    @both
    def test_a_failure_to_load_changes_nothing(self, cls, binary, tmp_path):
        X, y = binary
        fitted = make(cls).fit(X, y)
        before = fitted.predict_proba(X)
        native = HOSTS[cls](n_estimators=2, **QUIET[cls]).fit(X, y.astype(int))
        path = tmp_path / "native.json"
        (native.save_model if cls is FocalXGBClassifier else native.booster_.save_model)(path)
        with pytest.raises(ValueError, match=cls.__name__):
            fitted.load_model(path)
        with pytest.raises(FileNotFoundError):
            fitted.load_model(tmp_path / "absent.json")
        assert_array_equal(fitted.predict_proba(X), before)


class TestOtherTools:
    """Model selection, pipelines, explanations and compilers around the estimators."""

    @both
    def test_model_selection(self, cls, binary):
        X, y = binary
        folds = StratifiedKFold(3)
        search = GridSearchCV(
            make_pipeline(StandardScaler(), make(cls, n_estimators=10)),
            {f"{cls.__name__.lower()}__focal_gamma": [0.0, 2.0]},
            scoring="neg_log_loss",
            cv=folds,
        ).fit(X, y)
        assert search.best_score_ > -0.4
        assert len(set(search.cv_results_["mean_test_score"])) == 2
        out = cross_val_predict(make(cls), X, y, cv=folds, method="predict_proba")
        assert average_precision_score(y, out[:, 1]) > 2 * y.mean()

    @both
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda estimator: CalibratedClassifierCV(estimator, cv=3),
            lambda estimator: TunedThresholdClassifierCV(estimator, scoring="f1", cv=3),
            lambda estimator: VotingClassifier(
                [("a", estimator), ("b", clone(estimator).set_params(focal_gamma=0.0))],
                voting="soft",
            ),
        ],
        ids=["calibrated", "threshold", "voting"],
    )
    def test_wrappers(self, cls, wrap, binary):
        X, y = binary
        wrapped = wrap(make(cls)).fit(X, y)
        # The accuracy of always predicting the larger class is the share of negatives.
        assert wrapped.score(X, y) > 1 - y.mean()

    @both
    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("sampler", ["RandomUnderSampler", "SMOTE"])
    def test_resampling_pipeline(self, cls, sampler, binary):
        imblearn = pytest.importorskip("imblearn")
        from imblearn import over_sampling, under_sampling

        X, y = binary
        kind = getattr(under_sampling, sampler, None) or getattr(over_sampling, sampler)
        pipeline = imblearn.pipeline.make_pipeline(
            kind(random_state=0), make(cls, population_prior=float(y.mean()))
        )
        probability = pipeline.fit(X, y).predict_proba(X)[:, 1]
        assert_allclose(pipeline[-1].class_prior_, 0.5)
        assert abs(probability.mean() - y.mean()) < 0.08
        assert average_precision_score(y, probability) > 3 * y.mean()

    @both
    @pytest.mark.filterwarnings("ignore")
    def test_shap(self, cls, each_table):
        shap = pytest.importorskip("shap")
        X, y = each_table
        fitted = make(cls).fit(X, y)
        explanation = shap.TreeExplainer(fitted)(X[:50])
        values = explanation.values.sum(axis=1) + explanation.base_values
        assert_allclose(values, fitted.decision_function(X[:50]), atol=1e-4)


class TestHostOptions:
    @pytest.mark.filterwarnings("ignore")  # XGBoost 3.4 deprecates dart and gblinear
    @pytest.mark.parametrize(
        ("cls", "options"),
        [
            (FocalXGBClassifier, {"booster": "dart", "rate_drop": 0.1}),
            (FocalXGBClassifier, {"booster": "gblinear"}),
            (FocalXGBClassifier, {"subsample": 0.5}),
            (FocalLGBMClassifier, {"boosting_type": "dart"}),
            (FocalLGBMClassifier, {"linear_tree": True}),
            (FocalLGBMClassifier, {"data_sample_strategy": "goss"}),
            (FocalLGBMClassifier, {"use_quantized_grad": True}),
        ],
        ids=str,
    )
    def test_kinds_of_boosting(self, cls, options, binary):
        X, y = binary
        fitted = make(cls, **options).fit(X, y, eval_set=[(X, y)])
        assert average_precision_score(y, fitted.predict_proba(X)[:, 1]) > 3 * y.mean()

    @both
    def test_monotone_constraints(self, cls, binary):
        X, y = binary
        fitted = make(cls, monotone_constraints=(1, 0, 0, 0, 0, 0)).fit(X, y, eval_set=[(X, y)])
        assert average_precision_score(y, fitted.predict_proba(X)[:, 1]) > 3 * y.mean()
        grid = np.zeros((50, 6))
        grid[:, 0] = np.linspace(-3, 3, 50)
        assert (np.diff(fitted.decision_function(grid)) >= -1e-6).all()

    def test_multi_output_tree(self, multiclass):
        X, y = multiclass
        fitted = make(FocalXGBClassifier, multi_strategy="multi_output_tree").fit(X, y)
        assert fitted.score(X, y) > 0.6

    def test_num_parallel_tree_and_iteration_range(self, binary):
        X, y = binary
        fitted = make(FocalXGBClassifier, num_parallel_tree=2).fit(X, y)
        part = fitted.predict_proba(X, iteration_range=(0, 5))
        assert np.abs(part - fitted.predict_proba(X)).max() > 0.01

    def test_margins_leaves_and_contributions(self, binary):
        X, y = binary
        fitted = make(FocalLGBMClassifier).fit(X, y)
        margin = fitted.predict(X, raw_score=True)
        assert_array_equal(margin, fitted.decision_function(X))
        assert fitted.predict(X, pred_leaf=True).shape == (len(X), 20)
        assert_allclose(fitted.predict(X, pred_contrib=True).sum(axis=1), margin, atol=1e-9)

    def test_a_given_init_score_takes_the_place_of_the_intercept(self, binary):
        X, y = binary
        start = np.full(len(y), -1.0)
        fitted = make(FocalLGBMClassifier).fit(X, y, init_score=start)
        booster = fl.train(
            {"learning_rate": 0.3, "verbosity": -1},
            lgb.Dataset(X, y, init_score=start),
            20,
            loss=CANONICAL,
        )
        assert_allclose(fitted.decision_function(X), booster.predict(X, raw_score=True))

    def test_names_of_average_precision(self, binary):
        X, y = binary
        fitted = make(FocalLGBMClassifier).fit(X, y, eval_set=[(X, y)], eval_metric="aucpr")
        assert "average_precision" in fitted.best_score_["training"]

    def test_eval_X(self, binary):
        X, y = binary
        fitted = make(FocalLGBMClassifier).fit(X, y, eval_X=(X, X[:99]), eval_y=(y, y[:99]))
        assert list(fitted.evals_result_) == ["training", "valid_1"]

    def test_eval_class_weight(self, binary):
        X, y = binary
        labels = np.where(y, "yes", "no")
        weight = {"yes": 5.0, "no": 1.0}
        one = make(FocalLGBMClassifier).fit(
            X, labels, eval_set=[(X, labels)], eval_class_weight=[weight]
        )
        other = make(FocalLGBMClassifier).fit(
            X, labels, eval_set=[(X, labels)], eval_sample_weight=[1 + 4 * y]
        )
        assert one.evals_result_ == other.evals_result_


@both
def test_population_prior_by_label(cls, binary):
    """A number is the frequency of the second label in sorted order; a dict names them."""
    X, y = binary
    labels = np.where(y > 0, "fraud", "ok")
    by_label = make(cls, population_prior={"ok": 0.75, "fraud": 0.25}).fit(X, labels)
    of_second = make(cls, population_prior=0.75).fit(X, labels)
    assert_array_equal(by_label.predict_proba(X), of_second.predict_proba(X))


class TestSeveralTargets:
    """Multilabel, which XGBClassifier takes; LightGBM has one target."""

    @pytest.fixture
    def targets(self, binary):
        X, y = binary
        rare = X[:, 1] + X[:, 2] > np.quantile(X[:, 1] + X[:, 2], 0.97)
        return X, np.column_stack([y, rare.astype(int), np.roll(y, 7)])

    @pytest.mark.parametrize("gamma", [0.0, 2.0])
    def test_is_xgboosts_own_at_gamma_0_alone(self, gamma, targets):
        X, Y = targets
        w = tables.weights(len(Y))
        options = {"focal_gamma": gamma, "focal_curvature": "exact"}
        ours = make(FocalXGBClassifier, **options).fit(X, Y, sample_weight=w)
        host = xgb.XGBClassifier(n_estimators=20, n_jobs=1, learning_rate=0.3)
        host.fit(X, Y, sample_weight=w)
        difference = np.abs(ours.predict_proba(X) - host.predict_proba(X)).max()
        assert (difference < 1e-5) == (gamma == 0)
        assert ours.predict(X).shape == Y.shape
        assert_array_equal(ours.predict(X), ours.predict_proba(X) > 0.5)
        assert_array_equal(ours.decision_function(X) > 0, ours.predict(X))
        assert_array_equal(ours.classes_, host.classes_)
        assert_allclose(ours.class_prior_[:, 1], np.average(Y, axis=0, weights=w))

    def test_each_target_is_as_if_alone(self, targets):
        X, Y = targets
        together = make(FocalXGBClassifier, focal_alpha=(1.0, 3.0)).fit(X, Y).predict_proba(X)
        for t in range(3):
            alone = make(FocalXGBClassifier, focal_alpha=(1.0, 3.0)).fit(X, Y[:, t])
            assert_allclose(together[:, t], alone.predict_proba(X)[:, 1], atol=1e-6)

    def test_metrics_are_means_over_targets(self, targets):
        X, Y = targets

        def shapes(labels, probability):
            return float(labels.shape == probability.shape == Y.shape)

        metrics = ["focal_loss", "logloss", "error", "average_precision", shapes]
        fitted = make(FocalXGBClassifier, eval_metric=metrics).fit(X, Y, eval_set=[(X, Y)])
        last = {k: v[-1] for k, v in fitted.evals_result_["validation_0"].items()}
        probability = fitted.predict_proba(X)
        expected = {
            "logloss": np.mean([log_loss(Y[:, t], probability[:, t]) for t in range(3)]),
            "error": (fitted.predict(X) != Y).mean(),
            "average_precision": average_precision_score(Y, probability),
            "focal_loss": fitted.loss_.loss(Y, fitted.predict(X, output_margin=True)).mean(),
            "shapes": 1.0,
        }
        for name, value in expected.items():
            assert_allclose(last[name], value, rtol=1e-5)

    def test_the_metric_of_xgboosts_own_class(self, targets):
        """Up to XGBoost 3.1 it gets flat labels."""
        X, Y = targets
        metric = fx.Metric(CANONICAL)
        margin = np.zeros(Y.shape, np.float32)
        assert metric(Y.ravel().astype(np.float32), margin) == metric(Y.astype(np.float32), margin)
        objective = fx.Objective(CANONICAL)
        host = xgb.XGBClassifier(
            n_estimators=3, n_jobs=1, objective=objective, eval_metric=metric, base_score=0.3,
            disable_default_eval_metric=1,
        ).fit(X, Y, eval_set=[(X, Y)], verbose=False)  # fmt: skip
        (values,) = host.evals_result_["validation_0"].values()
        loss = CANONICAL.loss(Y, host.predict(X, output_margin=True)).mean()
        assert_allclose(values[-1], loss, rtol=1e-4)

    def test_saved_pickled_and_continued(self, targets, tmp_path):
        X, Y = targets
        fitted = make(FocalXGBClassifier, multi_strategy="multi_output_tree").fit(X, Y)
        fitted.save_model(tmp_path / "m.ubj")
        expected = fitted.predict_proba(X)
        for restored in (
            FocalXGBClassifier().load_model(tmp_path / "m.ubj"),
            pickle.loads(pickle.dumps(fitted)),
        ):
            assert_array_equal(restored.predict_proba(X), expected)
        more = make(FocalXGBClassifier, multi_strategy="multi_output_tree")
        more.fit(X, Y, xgb_model=fitted)
        assert np.abs(more.predict_proba(X) - Y).mean() < np.abs(expected - Y).mean()

    def test_a_target_that_never_occurs(self, targets):
        X, Y = targets
        Y = Y * [1, 0, 1]
        probability = make(FocalXGBClassifier).fit(X, Y).predict_proba(X)
        assert 0 < probability[:, 1].max() < 2 / len(Y)


class TestRefusals:
    @both
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"focal_gamma": -1.0}, "^focal_gamma must be .*got -1.0"),
            ({"focal_alpha": "heavy"}, "focal_alpha must be .*got 'heavy'"),
            ({"focal_alpha": 1.5}, "^focal_alpha must be .*got 1.5"),
            (
                {"focal_alpha": {0.0: 1.0}},
                "focal_alpha must have one entry for each of the classes",
            ),
            ({"focal_curvature": "gauss"}, "^focal_curvature must be one of 'guarded', 'exact'"),
            ({"class_weight": {1.0: -2.0}}, "class_weight must have .*got -2.0 for 1.0"),
            ({"class_weight": {1.0: "2"}}, "class_weight must have .*got '2' for 1.0"),
            ({"population_prior": 1.0}, "population_prior must be .*got 1.0"),
            ({"population_prior": [0.5, 0.6]}, "population_prior must be"),
            ({"population_prior": "half"}, "population_prior must be"),
            ({"population_prior": "0.01"}, "population_prior must be .*got '0.01'"),
            ({"population_prior": ["0.1", "0.9"]}, "population_prior must be"),
            ({"population_prior": {0.0: 0.9}}, "population_prior must have one entry for each"),
            (
                {"scale_pos_weight": 99},
                r"scale_pos_weight must not .*set focal_alpha=\(1, 99\) instead",
            ),
            ({"objective": "regression"}, "objective must be left out, got 'regression'"),
            ({"focal_gama": 3.0}, "focal_gama is not a parameter; there are focal_gamma"),
            ({"num_class": 5}, "num_class must be left out, or 2 as y has classes, got 5"),
        ],
        ids=str,
    )
    def test_options(self, cls, options, message, binary):
        with pytest.raises(ValueError, match=message):
            make(cls, **options).fit(*binary)

    @both
    def test_gamma_as_text(self, cls, binary):
        with pytest.raises(TypeError, match=r"^focal_gamma must be .*got '2'"):
            make(cls, focal_gamma="2").fit(*binary)

    @both
    @pytest.mark.parametrize("name", ["eval_set", "sample_weight", "feature_name", "verbose"])
    def test_arguments_of_fit(self, cls, name, binary):
        given = make(cls, **{name: 1})
        if name not in inspect.signature(cls.fit).parameters:  # the other library has it
            return
        with pytest.raises(ValueError, match=f"{name} must be given to fit: .* ignores it"):
            given.fit(*binary)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("eval_metric", "eval_metric must be given to fit, or as metric to the constructor"),
            ("callbacks", "callbacks must be given to fit"),
            ("enable_categorical", "enable_categorical is not a parameter of LightGBM"),
            ("colsample_bylevel", "colsample_bylevel is not a parameter of LightGBM"),
            ("num_leavs", "num_leavs is not a parameter of LightGBM"),
        ],
    )
    def test_what_lightgbm_would_ignore(self, name, message, binary):
        with pytest.raises(ValueError, match=message):
            make(FocalLGBMClassifier, **{name: "auc"}).fit(*binary)
        make(FocalLGBMClassifier, **{name: None}).fit(*binary)

    def test_what_lightgbm_knows(self, binary):
        """Under any of its names; and what a subclass adds."""

        class Named(FocalLGBMClassifier):
            def __init__(self, *, name="fraud", **others):
                super().__init__(**others)
                self.name = name

        X, y = binary
        aliases = {"num_leaf": 7, "early_stopping_rounds": 2, "cat_feature": [0], "bagging": 0.5}
        aliases |= {"metrics": "auc", "extra_tree": True, "verbose": -1}
        fitted = Named(n_estimators=20, **aliases).set_params(name="theft")
        fitted.fit(np.abs(X), y, eval_set=[(np.abs(X), y)])
        assert fitted.get_params()["name"] == "theft"

    @pytest.mark.parametrize("name", ["gamma", "alpha"])
    def test_names_of_the_loss_alone(self, name, binary):
        with pytest.raises(ValueError, match=f"{name} must be left out, .*: use focal_{name}"):
            make(FocalLGBMClassifier, **{name: 0.5}).fit(*binary)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"boosting_type": "rf"}, "boosting must not be 'rf'"),
            ({"is_unbalance": True}, 'is_unbalance must not be set.*set focal_alpha="balanced"'),
            ({"unbalance": True}, 'unbalance must not be set.*set focal_alpha="balanced"'),
            ({"pos_bagging": 0.5}, "pos_bagging must not be set.*set focal_alpha"),
            ({"boost_from_average": False}, "boost_from_average must not .*init_score"),
        ],
        ids=str,
    )
    def test_options_of_lightgbm(self, options, message, binary):
        with pytest.raises(ValueError, match=message):
            make(FocalLGBMClassifier, **options).fit(*binary)

    def test_eval_sets_of_lightgbm(self, binary):
        X, y = binary
        with pytest.raises(ValueError, match="eval_X and eval_y must be given together"):
            make(FocalLGBMClassifier).fit(X, y, eval_X=X)
        with pytest.raises(ValueError, match="eval_class_weight must be a list of 1"):
            make(FocalLGBMClassifier).fit(X, y, eval_set=[(X, y)], eval_class_weight=[])

    @pytest.mark.parametrize("metric", ["kullback_leibler", "rmse", "f1", "acc", "nonsense"])
    def test_metrics_of_lightgbm(self, metric, binary):
        X, y = binary
        for given in (metric, ["logloss", metric]):
            with pytest.raises(ValueError, match=f"eval_metric must be .*got '{metric}'"):
                make(FocalLGBMClassifier).fit(X, y, eval_set=[(X, y)], eval_metric=given)

    def test_metrics_of_xgboost(self, binary):
        X, y = binary
        with pytest.raises(ValueError, match=r"eval_metric must be .*got 'rmse'"):
            make(FocalXGBClassifier, eval_metric="rmse").fit(X, y, eval_set=[(X, y)])

    @pytest.mark.parametrize(
        ("options", "change", "message"),
        [
            ({"class_weight": "balanced"}, 0, "class_weight must be left out with several targets"),
            (
                {"population_prior": 0.1},
                0,
                "population_prior must be left out with several targets",
            ),
            ({"focal_alpha": "balanced"}, 0, "focal_alpha must be a number or two"),
            ({}, 1, "y with several targets must be 0 or 1"),
        ],
    )
    def test_what_belongs_to_one_target(self, options, change, message, binary):
        X, y = binary
        with pytest.raises(ValueError, match=message):
            make(FocalXGBClassifier, **options).fit(X, np.column_stack([y, y]) + change)

    def test_other_targets(self, binary):
        X, y = binary
        two = np.column_stack([y, 1 - y])
        fitted = make(FocalXGBClassifier).fit(X, two)
        with pytest.raises(ValueError, match=r"eval_set must have 2 target\(s\) as y, got 1"):
            make(FocalXGBClassifier).fit(X, two, eval_set=[(X, y)])
        with pytest.raises(ValueError, match=r"xgb_model must have 1 target\(s\) as y, got 2"):
            make(FocalXGBClassifier).fit(X, y, xgb_model=fitted)

    def test_several_targets_of_lightgbm(self, binary):
        X, y = binary
        with pytest.raises(ValueError, match="y should be a 1d array"):
            make(FocalLGBMClassifier).fit(X, np.column_stack([y, y]))

    @both
    @pytest.mark.parametrize("objects", [False, True])
    def test_labels_of_another_type_in_eval_set(self, cls, objects, binary):
        X, y = binary
        text = np.where(y > 0, "fraud", "ok")
        text = text.astype(object) if objects else text
        with pytest.raises(
            ValueError, match=r"eval_set must have labels among .*\['fraud', 'ok'\], got 0"
        ):
            make(cls).fit(X, text, eval_set=[(X, y)])
        with pytest.raises(ValueError, match=r"eval_set must have labels among .*, got 'fraud'"):
            make(cls).fit(X, y, eval_set=[(X, text)])

    @both
    def test_scale_pos_weight_of_several_classes(self, cls, binary):
        X, y = binary
        with pytest.raises(ValueError, match="set focal_alpha, one weight per class, instead"):
            make(cls, scale_pos_weight=3).fit(X, np.arange(len(y)) % 3)

    @both
    def test_labels(self, cls, binary):
        X, y = binary
        with pytest.raises(ValueError, match="at least two classes, got 1 class"):
            make(cls).fit(X, np.ones(len(y)))
        with pytest.raises(ValueError, match=r"eval_set must have labels among .*got 7"):
            make(cls).fit(X, y, eval_set=[(X[:2], [0.0, 7.0])])
        with pytest.raises(ValueError, match="NaN"):
            make(cls).fit(X, np.where(y, np.nan, 0))
        with pytest.raises(ValueError, match=r"(?i)inconsistent numbers of samples"):
            make(cls).fit(X, y[:-1])

    @both
    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("missing", [None, np.nan, "pandas.NA"])
    def test_missing_labels(self, cls, missing, binary):
        if missing == "pandas.NA":
            missing = pytest.importorskip("pandas").NA
        X, y = binary
        labels = np.where(y > 0, "fraud", "ok").astype(object)
        labels[3] = missing
        with pytest.raises(ValueError, match=r"y must not have missing labels .* at row 3"):
            make(cls).fit(X, labels)

    @both
    def test_labels_of_several_types(self, cls, binary):
        X, y = binary
        labels = np.where(y > 0, "fraud", "ok").astype(object)
        labels[3] = 7
        with pytest.raises(ValueError, match="y must have labels of one type, got int and str"):
            make(cls).fit(X, labels)

    @both
    @pytest.mark.parametrize(
        ("weight", "message"),
        [
            (lambda y: y[:3], r"sample_weight must have shape \(2000,\), got \(3,\)"),
            (np.zeros_like, "sample_weight must not be all zero"),
            (lambda y: -np.ones(len(y)), "sample_weight must be finite and >= 0"),
            (lambda y: np.full(len(y), np.nan), "sample_weight must be finite and >= 0"),
        ],
        ids=["short", "zero", "negative", "nan"],
    )
    def test_weights(self, cls, weight, message, binary):
        X, y = binary
        with pytest.raises(ValueError, match=message):
            make(cls).fit(X, y, sample_weight=weight(y))

    @both
    def test_eval_set(self, cls, binary):
        X, y = binary
        with pytest.raises(ValueError, match=r"eval_set must be a list of pairs \(X, y\)"):
            make(cls).fit(X, y, eval_set=[X])

    @both
    def test_files_that_are_no_models(self, cls, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text("a,b\n1,2\n")
        with pytest.raises(ValueError, match=cls.__name__):
            cls().load_model(table)


@pytest.mark.parametrize(
    ("name", "host"), [("FocalXGBClassifier", "xgboost"), ("FocalLGBMClassifier", "lightgbm")]
)
def test_an_estimator_imports_one_host(name, host):
    assert imported_by(f"from focalboost import {name}", ["xgboost", "lightgbm"]) == {host}


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="has no attribute 'FocalCatClassifier'"):
        focalboost.FocalCatClassifier  # noqa: B018


@both
def test_every_public_method_has_a_docstring(cls):
    ours = {name: member for name, member in vars(cls).items() if not name.startswith("_")}
    assert {"fit", "predict", "predict_proba", "decision_function", "load_model"} <= set(ours)
    assert [name for name, member in ours.items() if not inspect.getdoc(member)] == []


def test_pickle_to_a_file_object(binary):
    buffer = io.BytesIO()
    pickle.dump(make(FocalXGBClassifier).fit(*binary), buffer)
    buffer.seek(0)
    assert pickle.load(buffer).score(*binary) > 0.8


@pytest.mark.parametrize("classifier", [FocalXGBClassifier, FocalLGBMClassifier])
def test_signature_and_dir_show_what_there_is(classifier):
    """Completion and help: the focal parameters first, then those of the host by name."""
    shown = list(inspect.signature(classifier).parameters)
    own = list(classifier.__init__.__kwdefaults__)
    assert shown[: len(own)] == own
    assert {"n_estimators", "learning_rate", "max_depth", "reg_lambda", "n_jobs"} < set(shown)
    assert len(shown) == len(set(shown))
    names = set(classifier().get_params()) - set(shown)
    assert names == set()
    assert classifier.__name__ in dir(focalboost)
    assert classifier.__name__ in dir(focalboost.estimators)


@pytest.mark.parametrize(
    ("cls", "listed", "left_out"),
    [
        (
            FocalXGBClassifier,
            XGBoostParameters,
            {"objective", "base_score", "scale_pos_weight", "gamma"},
        ),
        (FocalLGBMClassifier, LightGBMParameters, {"objective"}),
    ],
)
def test_editors_know_the_parameters_of_this_version(cls, listed, left_out):
    """Type checkers read a list; a parameter that a library adds or drops must be seen here."""
    of_host = set(inspect.signature(cls).parameters) - {"kwargs"}
    own = set(cls.__init__.__kwdefaults__)
    others = {"verbosity", "min_split_loss"}  # other names that the libraries take
    assert of_host - own - left_out - others == set(listed.__annotations__) - others


@both
def test_repr_shows_focal_gamma_and_what_is_not_default(cls):
    name = cls.__name__
    assert repr(cls()) == f"{name}(focal_gamma=2.0)"
    given = cls(
        focal_gamma=0.5, reg_lambda=1.0, extra=3, population_prior={"ok": 0.9, "fraud": 0.1}
    )
    assert "".join(repr(given).split()) == (
        f"{name}(extra=3,focal_gamma=0.5,population_prior={{'fraud':0.1,'ok':0.9}},reg_lambda=1.0)"
    )
    assert repr(given.set_params(focal_alpha=None, n_jobs=2)).count("n_jobs=2") == 1
    with config_context(print_changed_only=False):
        assert "colsample_bytree=" in repr(cls())
    inside = repr(make_pipeline(StandardScaler(), cls(focal_gamma=1.0, max_depth=3)))
    assert f"{name}(focal_gamma=1.0, max_depth=3)" in inside


@both
def test_repr_of_a_subclass(cls):
    class Named(cls):
        def __init__(self, *, name="fraud", **others):
            super().__init__(**others)
            self.name = name

    assert repr(Named(focal_gamma=1.0)) == "Named(focal_gamma=1.0, name='fraud')"


@both
def test_a_notebook_shows_the_parameters(cls, binary):
    shown = make(cls, focal_gamma=1.5).fit(*binary)._repr_html_()
    assert cls.__name__ in shown
    assert "focal_gamma" in shown
    assert "Fitted" in shown


@both
def test_the_plots_of_the_libraries(cls, binary):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    X, y = binary
    classifier = make(cls).fit(X, y, eval_set=[(X, y)])
    library = xgb if cls is FocalXGBClassifier else lgb
    bars = library.plot_importance(classifier).patches
    assert len(bars) == np.count_nonzero(classifier.feature_importances_) > 0
    if library is lgb:
        (line,) = lgb.plot_metric(classifier).lines
        assert_allclose(line.get_ydata(), classifier.evals_result_["training"]["focal_loss"])
    else:
        history = classifier.evals_result()["validation_0"]["focal_loss"]
        assert history == classifier.evals_result_["validation_0"]["focal_loss"]
        assert len(history) == classifier.n_estimators
    plt.close("all")


@pytest.mark.parametrize(
    ("name", "ours", "other"),
    [("gamma", "focusing parameter", "min_split_loss"), ("alpha", "class weight", "reg_alpha")],
)
def test_parameters_of_xgboost_are_not_mistaken_for_those_of_the_loss(binary, name, ours, other):
    X, y = binary
    with pytest.warns(UserWarning, match=f"{ours} is focal_{name}.*{other} sets it"):
        by_name = FocalXGBClassifier(**{name: 5.0}, n_estimators=3).fit(X, y)
    by_other = FocalXGBClassifier(**{other: 5.0}, n_estimators=3).fit(X, y)
    assert_array_equal(by_name.predict_proba(X), by_other.predict_proba(X))
    without = FocalXGBClassifier(n_estimators=3).fit(X, y)
    assert (by_other.predict_proba(X) != without.predict_proba(X)).any()


def test_a_lightgbm_that_does_not_list_its_parameters(binary, monkeypatch):
    """Its list is not public: without it, misspelt names pass, and arguments of fit do not."""
    monkeypatch.delattr(lgb.basic._ConfigAliases, "_get_all_param_aliases")
    make(FocalLGBMClassifier, num_leavs=3).fit(*binary)
    with pytest.raises(ValueError, match="eval_metric must be given to fit"):
        make(FocalLGBMClassifier, eval_metric="auc").fit(*binary)

"""FocalXGBClassifier and FocalLGBMClassifier: what a scikit-learn user expects, whatever the labels."""

import copy
import io
import pickle
import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, softmax

import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import (
    BinaryFocalLoss,
    FocalLGBMClassifier,
    FocalXGBClassifier,
    SoftmaxFocalLoss,
    shift_prior,
)
from tests.hosts import tables

pytest.importorskip("sklearn")
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

CLASSES = [FocalXGBClassifier, FocalLGBMClassifier]
HOSTS = {FocalXGBClassifier: xgb.XGBClassifier, FocalLGBMClassifier: lgb.LGBMClassifier}
QUIET = {FocalXGBClassifier: {}, FocalLGBMClassifier: {"verbosity": -1}}
both = pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)


def make(cls, **options):
    return cls(**{"n_estimators": 20, "n_jobs": 1, "learning_rate": 0.3, **QUIET[cls], **options})


@pytest.fixture(scope="module")
def data():
    return tables.binary()


@pytest.fixture(scope="module")
def classes():
    return tables.multiclass()


def expected_failures(estimator):
    if isinstance(estimator, FocalXGBClassifier):
        reason = "XGBClassifier fails it: weights move the quantiles of its histograms"
        return {
            "check_sample_weight_equivalence_on_dense_data": reason,
            "check_sample_weight_equivalence_on_sparse_data": reason,
        }
    return {}


@parametrize_with_checks(
    [FocalXGBClassifier(n_jobs=1), FocalLGBMClassifier(n_jobs=1)],
    expected_failed_checks=expected_failures,
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


class TestLabels:
    @both
    @pytest.mark.parametrize(
        "values",
        [["genuine", "stolen"], [-1, 1], [False, True], [1.0, 3.0], np.array(["a", "b"], object)],
        ids=str,
    )
    def test_two(self, cls, values, data):
        X, y = data
        plain = make(cls).fit(X, y)
        labels = np.asarray(values)[y.astype(int)]
        fitted = make(cls).fit(X, labels, eval_set=[(X, labels)])
        assert_array_equal(fitted.classes_, np.unique(labels))
        assert_array_equal(fitted.predict(X), np.asarray(values)[plain.predict(X).astype(int)])
        assert fitted.predict(X).dtype == labels.dtype
        assert_array_equal(fitted.predict_proba(X), plain.predict_proba(X))

    @both
    def test_three(self, cls, classes):
        X, y = classes
        names = np.array(["low", "high", "none"])
        fitted = make(cls).fit(X, names[y.astype(int)])
        probability = fitted.predict_proba(X)
        assert_array_equal(fitted.classes_, ["high", "low", "none"])
        assert_array_equal(fitted.predict(X), fitted.classes_[probability.argmax(axis=1)])
        assert_allclose(probability.sum(axis=1), 1, atol=1e-6)
        assert fitted.score(X, names[y.astype(int)]) > 0.6

    @both
    def test_containers(self, cls, data):
        pd = pytest.importorskip("pandas")
        pl = pytest.importorskip("polars")
        X, y = data
        expected = make(cls).fit(X, y).predict_proba(X)
        names = [f"x{i}" for i in range(X.shape[1])]
        y = y.astype(int)
        for frame, labels in [
            (pd.DataFrame(X, columns=names), pd.Series(y, index=np.arange(len(y))[::-1])),
            (pd.DataFrame(X, columns=names), pd.Series(y).astype("category")),
            (pl.DataFrame(X, schema=names), pl.Series(y)),
            (sparse.csr_matrix(X), y.tolist()),
        ]:
            fitted = make(cls).fit(frame, labels)
            assert_allclose(fitted.predict_proba(frame), expected, atol=1e-6)

    @both
    def test_categorical_feature(self, cls, data):
        pd = pytest.importorskip("pandas")
        X, y = data
        shop = pd.Series(np.where(y, "casino", "bakery")).astype("category")
        frame = pd.DataFrame({"x": X[:, 3], "shop": shop})
        options = {"enable_categorical": True} if cls is FocalXGBClassifier else {}
        fitted = make(cls, **options).fit(frame, y, eval_set=[(frame, y)])
        assert fitted.score(frame, y) == 1.0


class TestProbabilities:
    @both
    def test_is_the_posterior_of_the_margin(self, cls, data, classes):
        for (X, y), loss in [(data, BinaryFocalLoss(3.0)), (classes, SoftmaxFocalLoss(3, 3.0))]:
            fitted = make(cls, focal_gamma=3.0).fit(X, y)
            margin = fitted.decision_function(X)
            assert fitted.loss_ == loss
            eta = loss.posterior(margin)
            eta = eta if eta.ndim == 2 else np.column_stack([1 - eta, eta])
            assert_array_equal(fitted.predict_proba(X), eta)
            score = expit(margin) if margin.ndim == 1 else softmax(margin, axis=1)
            assert np.abs(score - (eta[:, 1] if margin.ndim == 1 else eta)).max() > 0.05

    @both
    def test_same_as_train(self, cls, data):
        """The estimator is the host's train with loss=, prior included."""
        X, y = data
        fitted = make(cls).fit(X, y)
        if cls is FocalXGBClassifier:
            booster = fx.train(
                {"learning_rate": 0.3, "nthread": 1},
                xgb.QuantileDMatrix(X, y),
                20,
                loss=BinaryFocalLoss(2.0),
            )
            margin = booster.predict(xgb.DMatrix(X), output_margin=True)
        else:
            booster = fl.train(
                {"learning_rate": 0.3, "verbosity": -1},
                lgb.Dataset(X, y),
                20,
                loss=BinaryFocalLoss(),
            )
            margin = booster.predict(X, raw_score=True)
        assert_allclose(fitted.decision_function(X), margin, rtol=1e-5, atol=1e-6)

    @both
    def test_gamma_zero_exact_is_the_hosts_own_and_gamma_two_is_not(self, cls, data, classes):
        for X, y in (data, classes):
            native = HOSTS[cls](n_estimators=20, n_jobs=1, learning_rate=0.3, **QUIET[cls])
            native.fit(X, y.astype(int))
            same = make(cls, focal_gamma=0.0, focal_curvature="exact").fit(X, y)
            other = make(cls, focal_gamma=2.0, focal_curvature="exact").fit(X, y)
            assert_allclose(same.predict_proba(X), native.predict_proba(X), atol=2e-5)
            assert np.abs(other.predict_proba(X) - native.predict_proba(X)).max() > 0.01

    @both
    def test_class_weights_change_decisions_and_not_probabilities(self, cls, data):
        X, y = data
        plain = make(cls, n_estimators=60, learning_rate=0.1).fit(X, y)
        weighted = clone(plain).set_params(class_weight={0.0: 1.0, 1.0: 10.0}).fit(X, y)
        assert_allclose(weighted.predict_proba(X)[:, 1].mean(), y.mean(), atol=0.035)
        assert weighted.predict(X).sum() > 1.5 * plain.predict(X).sum()
        eta = weighted.predict_proba(X)
        assert_array_equal(weighted.predict(X), (10 * eta[:, 1] > eta[:, 0]).astype(float))
        assert weighted.loss_ == BinaryFocalLoss(2.0, (1.0, 10.0))

    @both
    @pytest.mark.parametrize(
        "alpha", [0.25, "balanced", "effective", (1.0, 5.0), {0.0: 1.0, 1.0: 5.0}], ids=str
    )
    def test_alpha_is_undone(self, cls, alpha, data):
        X, y = data
        fitted = make(cls, focal_alpha=alpha, learning_rate=0.1, n_estimators=60).fit(X, y)
        assert_allclose(fitted.predict_proba(X)[:, 1].mean(), y.mean(), atol=0.035)
        score = expit(fitted.decision_function(X)).mean()
        assert abs(score - y.mean()) > 0.05

    @both
    def test_undersampled_rows(self, cls, data):
        X, y = data
        keep = (y == 1) | (np.random.default_rng(0).random(len(y)) < 0.2)
        fitted = make(cls, sampling_prior=y.mean(), learning_rate=0.1).fit(X[keep], y[keep])
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
    def test_weights_change_the_model_once(self, cls, data):
        X, y = data
        w = tables.weights(len(y))
        weighted = make(cls).fit(X, y, sample_weight=w)
        assert_allclose(weighted.class_prior_[1], np.average(y, weights=w))
        assert np.abs(weighted.predict_proba(X) - make(cls).fit(X, y).predict_proba(X)).max() > 0.02
        if cls is FocalLGBMClassifier:
            options = {"learning_rate": 0.3, "verbosity": -1}
            booster = fl.train(options, lgb.Dataset(X, y, weight=w), 20, loss=BinaryFocalLoss(2.0))
            assert_allclose(weighted.decision_function(X), booster.predict(X, raw_score=True))


class TestMetrics:
    @both
    @pytest.mark.parametrize("metric", [None, "logloss", "average_precision", "auc", "error"])
    def test_early_stopping_by_name(self, cls, metric, data):
        X, y = data
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

    def test_users_metric_sees_the_posterior_xgboost(self, data):
        X, y = data

        def brier(labels, probability):
            return float(np.mean((labels - probability) ** 2))

        fitted = make(FocalXGBClassifier, eval_metric=["auc", brier, "logloss"])
        fitted.fit(X, y, eval_set=[(X, y)])
        history = fitted.evals_result_["validation_0"]
        assert set(history) == {"auc", "brier", "logloss"}
        assert_allclose(
            history["brier"][-1], np.mean((y - fitted.predict_proba(X)[:, 1]) ** 2), rtol=1e-4
        )

    def test_users_metric_sees_the_posterior_lightgbm(self, data):
        X, y = data

        def brier(labels, probability, weight):
            return "brier", np.average((labels - probability) ** 2, weights=weight), False

        w = tables.weights(len(y))
        fitted = make(FocalLGBMClassifier)
        fitted.fit(X, y, eval_set=[(X, y)], eval_sample_weight=[w], eval_metric=["auc", brier])
        (history,) = fitted.evals_result_.values()
        assert set(history) == {"auc", "brier"}
        expected = np.average((y - fitted.predict_proba(X)[:, 1]) ** 2, weights=w)
        assert_allclose(history["brier"][-1], expected, rtol=1e-6)

    def test_metric_of_the_constructor(self, data):
        X, y = data
        fitted = make(FocalLGBMClassifier, metric="auc,multi_logloss").fit(X, y, eval_set=(X, y))
        (history,) = fitted.evals_result_.values()
        assert set(history) == {"auc", "multi_logloss"}


class TestLife:
    @both
    def test_second_fit_is_focal_too(self, cls, data):
        X, y = data
        fitted = make(cls).fit(X, y)
        first = fitted.predict_proba(X)
        fitted.fit(X[:500], y[:500])
        assert_array_equal(fitted.fit(X, y).predict_proba(X), first)
        fitted.set_params(focal_gamma=5.0).fit(X, y)
        assert fitted.loss_.gamma == 5.0
        assert np.abs(expit(fitted.decision_function(X)) - first[:, 1]).max() > 0.05

    @both
    def test_a_fit_that_fails_loses_nothing(self, cls, data):
        X, y = data
        fitted = make(cls).fit(X, y)
        before = fitted.predict_proba(X)
        for wrong in (np.zeros(len(y)), np.where(y, np.nan, 0.0), y[:-1]):
            with pytest.raises(ValueError, match=r"class|NaN|numbers of samples"):
                fitted.fit(X, wrong)
        assert_array_equal(fitted.predict_proba(X), before)

    @both
    def test_copies_predict_the_same(self, cls, data, tmp_path):
        joblib = pytest.importorskip("joblib")
        cloudpickle = pytest.importorskip("cloudpickle")
        X, y = data
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
        np.save(tmp_path / "X", X)
        code = (
            "import joblib, numpy, sys;"
            "f = joblib.load('model'); numpy.save('out', f.predict_proba(numpy.load('X.npy')))"
        )
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
        assert_array_equal(np.load(tmp_path / "out.npy"), fitted.predict_proba(X))

    @both
    def test_parameters(self, cls):
        given = make(cls, focal_gamma=1.0, focal_alpha=0.3, sampling_prior=0.1, max_depth=3)
        params = given.get_params()
        assert set(HOSTS[cls]().get_params()) <= set(params)
        assert (params["focal_gamma"], params["max_depth"]) == (1.0, 3)
        assert clone(given).get_params() == params
        assert isinstance(given, HOSTS[cls])

    @both
    def test_not_fitted(self, cls, data):
        for method in ("predict", "predict_proba", "decision_function"):
            with pytest.raises(NotFittedError):
                getattr(make(cls), method)(data[0])
        for attribute in ("classes_", "loss_", "class_prior_"):
            with pytest.raises(NotFittedError):
                getattr(make(cls), attribute)

    @both
    def test_continued_training(self, cls, data):
        X, y = data
        labels = np.where(y, "yes", "no")
        name = "xgb_model" if cls is FocalXGBClassifier else "init_model"
        first = make(cls, n_estimators=10).fit(X, labels)
        second = make(cls, n_estimators=10).fit(X, labels, **{name: first})
        whole = make(cls, n_estimators=20).fit(X, labels)
        assert_allclose(second.decision_function(X), whole.decision_function(X), atol=1e-4)
        with pytest.raises(ValueError, match=f"{name} must have the classes of y"):
            make(cls).fit(X, y, **{name: first})

    @both
    @pytest.mark.parametrize("labels", ["binary", "multiclass"])
    def test_save_and_load(self, cls, labels, data, classes, tmp_path):
        X, y = data if labels == "binary" else classes
        names = np.array(["no =", "yes", "née"])[y.astype(int)]
        weight = {"no =": 1.0, "yes": 3.0} | ({"née": 2.0} if labels == "multiclass" else {})
        prior = [0.5, 0.5] if labels == "binary" else [0.2, 0.3, 0.5]
        fitted = make(cls, focal_gamma=3.0, class_weight=weight, sampling_prior=prior)
        fitted.fit(X, names)
        path = tmp_path / ("model.ubj" if cls is FocalXGBClassifier else "model.txt")
        fitted.save_model(path)
        loaded = cls()
        loaded.load_model(path)
        assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
        assert_array_equal(loaded.predict(X), fitted.predict(X))
        assert_array_equal(loaded.classes_, fitted.classes_)
        assert (loaded.loss_, loaded.focal_gamma) == (fitted.loss_, 3.0)
        loaded.set_params(n_estimators=20, n_jobs=1, learning_rate=0.3, **QUIET[cls]).fit(X, names)
        assert_allclose(loaded.predict_proba(X), fitted.predict_proba(X), atol=1e-6)

    @both
    def test_plain_booster_predicts_scores(self, cls, data, classes, tmp_path):
        for X, y in (data, classes):
            fitted = make(cls).fit(X, y)
            fitted.save_model(tmp_path / "model.json")
            if cls is FocalXGBClassifier:
                booster = xgb.Booster(model_file=tmp_path / "model.json")
                score = booster.predict(xgb.DMatrix(X))
            else:
                score = lgb.Booster(model_file=tmp_path / "model.json").predict(X)
            margin = fitted.decision_function(X)
            expected = expit(margin) if margin.ndim == 1 else softmax(margin, axis=1)
            assert_allclose(score, expected, atol=1e-6)

    @both
    def test_loading_another_model_loses_nothing(self, cls, data, tmp_path):
        X, y = data
        fitted = make(cls).fit(X, y)
        before = fitted.predict_proba(X)
        native = HOSTS[cls](n_estimators=2, **QUIET[cls]).fit(X, y.astype(int))
        path = tmp_path / "native.json"
        (native.save_model if cls is FocalXGBClassifier else native.booster_.save_model)(path)
        with pytest.raises(ValueError, match=r"FocalXGBClassifier|FocalLGBMClassifier"):
            fitted.load_model(path)
        with pytest.raises((xgb.core.XGBoostError, FileNotFoundError)):
            fitted.load_model(tmp_path / "absent.json")
        assert_array_equal(fitted.predict_proba(X), before)


class TestCompany:
    """Other tools of scikit-learn and imbalanced-learn around the estimators."""

    @both
    def test_model_selection(self, cls, data):
        X, y = data
        folds = StratifiedKFold(3)
        search = GridSearchCV(
            make_pipeline(StandardScaler(), make(cls, n_estimators=10)),
            {f"{cls.__name__.lower()}__focal_gamma": [0.0, 2.0]},
            scoring="neg_log_loss",
            cv=folds,
        ).fit(X, y)
        assert search.best_score_ > -0.4
        scores = search.cv_results_["mean_test_score"]
        assert scores[0] != scores[1]
        out = cross_val_predict(make(cls), X, y, cv=folds, method="predict_proba")
        assert average_precision_score(y, out[:, 1]) > 2 * y.mean()

    @both
    def test_wrappers(self, cls, data):
        X, y = data
        for wrapper in (
            CalibratedClassifierCV(make(cls), cv=3),
            TunedThresholdClassifierCV(make(cls), scoring="f1", cv=3),
            VotingClassifier([("a", make(cls)), ("b", make(cls, focal_gamma=0.0))], voting="soft"),
        ):
            assert wrapper.fit(X, y).score(X, y) > 0.8

    @both
    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("sampler", ["RandomUnderSampler", "SMOTE"])
    def test_resampling_pipeline(self, cls, sampler, data):
        imblearn = pytest.importorskip("imblearn")
        from imblearn import over_sampling, under_sampling

        X, y = data
        kind = getattr(under_sampling, sampler, None) or getattr(over_sampling, sampler)
        pipeline = imblearn.pipeline.make_pipeline(
            kind(random_state=0), make(cls, sampling_prior=float(y.mean()))
        )
        probability = pipeline.fit(X, y).predict_proba(X)[:, 1]
        assert_allclose(pipeline[-1].class_prior_, 0.5)
        assert abs(probability.mean() - y.mean()) < 0.08
        assert average_precision_score(y, probability) > 3 * y.mean()

    @both
    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("many", [False, True], ids=["binary", "softmax"])
    def test_shap(self, cls, many, data, classes):
        shap = pytest.importorskip("shap")
        X, y = classes if many else data
        fitted = make(cls).fit(X, y)
        explanation = shap.TreeExplainer(fitted)(X[:50])
        values = explanation.values.sum(axis=1) + explanation.base_values
        assert_allclose(values, fitted.decision_function(X[:50]), atol=1e-4)

    @pytest.mark.filterwarnings("ignore")
    @both
    @pytest.mark.parametrize("many", [False, True], ids=["binary", "softmax"])
    def test_treelite(self, cls, many, data, classes, tmp_path):
        """It compiles the saved model for servers; what it predicts is the score."""
        treelite = pytest.importorskip("treelite")
        X, y = classes if many else data
        X = X.astype(np.float32)  # what XGBoost and treelite compare
        fitted = make(cls).fit(X, y)
        fitted.save_model(tmp_path / "model.json")
        load = (
            treelite.frontend.load_xgboost_model
            if cls is FocalXGBClassifier
            else treelite.frontend.load_lightgbm_model
        )
        raw = treelite.gtil.predict(load(tmp_path / "model.json"), X, pred_margin=True)
        score = treelite.gtil.predict(load(tmp_path / "model.json"), X)
        margin = fitted.decision_function(X)
        assert_allclose(raw.reshape(margin.shape), margin, atol=1e-5)
        expected = softmax(margin, axis=1) if many else expit(margin)
        assert_allclose(score.reshape(margin.shape), expected, atol=1e-5)


class TestHostOptions:
    @pytest.mark.filterwarnings("ignore")  # XGBoost 3.4 deprecates two of these boosters
    @both
    @pytest.mark.parametrize("boosting", ["dart", "linear", "monotone", "goss"])
    def test_trains(self, cls, boosting, data):
        X, y = data
        of_xgb = {
            "dart": {"booster": "dart", "rate_drop": 0.1},
            "linear": {"booster": "gblinear"},
            "monotone": {"monotone_constraints": (1, 0, 0, 0, 0, 0)},
            "goss": {"subsample": 0.5},
        }
        of_lgb = {
            "dart": {"boosting_type": "dart"},
            "linear": {"linear_tree": True},
            "monotone": {"monotone_constraints": [1, 0, 0, 0, 0, 0]},
            "goss": {"data_sample_strategy": "goss"},
        }
        options = (of_xgb if cls is FocalXGBClassifier else of_lgb)[boosting]
        fitted = make(cls, **options).fit(X, y, eval_set=[(X, y)])
        assert average_precision_score(y, fitted.predict_proba(X)[:, 1]) > 3 * y.mean()
        if boosting == "monotone":
            grid = np.zeros((50, 6))
            grid[:, 0] = np.linspace(-3, 3, 50)
            assert (np.diff(fitted.decision_function(grid)) >= -1e-6).all()

    def test_quantized_gradients(self, data):
        X, y = data
        fitted = make(FocalLGBMClassifier, use_quantized_grad=True).fit(X, y)
        assert average_precision_score(y, fitted.predict_proba(X)[:, 1]) > 3 * y.mean()

    def test_multi_output_tree(self, classes):
        X, y = classes
        fitted = make(FocalXGBClassifier, multi_strategy="multi_output_tree").fit(X, y)
        assert fitted.score(X, y) > 0.6

    def test_num_parallel_tree_and_iteration_range(self, data):
        X, y = data
        fitted = make(FocalXGBClassifier, num_parallel_tree=2).fit(X, y)
        part = fitted.predict_proba(X, iteration_range=(0, 5))
        assert np.abs(part - fitted.predict_proba(X)).max() > 0.01

    def test_margins_leaves_and_contributions(self, data):
        X, y = data
        fitted = make(FocalLGBMClassifier).fit(X, y)
        margin = fitted.predict(X, raw_score=True)
        assert_array_equal(margin, fitted.decision_function(X))
        assert fitted.predict(X, pred_leaf=True).shape == (len(X), 20)
        assert_allclose(fitted.predict(X, pred_contrib=True).sum(axis=1), margin, atol=1e-9)

    def test_users_init_score_takes_the_place_of_the_prior(self, data):
        X, y = data
        start = np.full(len(y), -1.0)
        fitted = make(FocalLGBMClassifier).fit(X, y, init_score=start)
        booster = fl.train(
            {"learning_rate": 0.3, "verbosity": -1},
            lgb.Dataset(X, y, init_score=start),
            20,
            loss=BinaryFocalLoss(2.0),
        )
        assert_allclose(fitted.decision_function(X), booster.predict(X, raw_score=True))

    def test_eval_X(self, data):
        X, y = data
        fitted = make(FocalLGBMClassifier).fit(X, y, eval_X=(X, X[:99]), eval_y=(y, y[:99]))
        assert list(fitted.evals_result_) == ["valid_0", "valid_1"]

    def test_eval_class_weight(self, data):
        X, y = data
        labels = np.where(y, "yes", "no")
        weight = {"yes": 5.0, "no": 1.0}
        one = make(FocalLGBMClassifier).fit(
            X, labels, eval_set=[(X, labels)], eval_class_weight=[weight]
        )
        other = make(FocalLGBMClassifier).fit(
            X, labels, eval_set=[(X, labels)], eval_sample_weight=[1 + 4 * y]
        )
        assert one.evals_result_ == other.evals_result_


class TestRefusals:
    @both
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"focal_gamma": -1.0}, "gamma must be"),
            ({"focal_gamma": "2"}, "gamma must be"),
            ({"focal_alpha": "heavy"}, "focal_alpha must be .*got 'heavy'"),
            ({"focal_alpha": 1.5}, "alpha must be"),
            (
                {"focal_alpha": {0.0: 1.0}},
                "focal_alpha must have one entry for each of the classes",
            ),
            ({"focal_curvature": "gauss"}, "curvature must be"),
            ({"sampling_prior": 1.0}, "sampling_prior must be .*got 1.0"),
            ({"sampling_prior": [0.5, 0.6]}, "sampling_prior must be"),
            ({"sampling_prior": "half"}, "sampling_prior must be"),
            ({"scale_pos_weight": 5.0}, "scale_pos_weight must not be set"),
            ({"objective": "regression"}, "objective must be left out, got 'regression'"),
        ],
    )
    def test_options(self, cls, options, message, data):
        with pytest.raises((ValueError, TypeError), match=message):
            make(cls, **options).fit(*data)

    def test_of_lightgbm(self, data):
        X, y = data
        with pytest.raises(ValueError, match="boosting must not be 'rf'"):
            make(FocalLGBMClassifier, boosting_type="rf").fit(X, y)
        with pytest.raises(ValueError, match="is_unbalance must not be set"):
            make(FocalLGBMClassifier, is_unbalance=True).fit(X, y)
        with pytest.raises(ValueError, match=r"eval_metric must be .*got 'kullback_leibler'"):
            make(FocalLGBMClassifier).fit(X, y, eval_set=[(X, y)], eval_metric="kullback_leibler")
        with pytest.raises(ValueError, match="eval_X and eval_y must be given together"):
            make(FocalLGBMClassifier).fit(X, y, eval_X=X)
        with pytest.raises(ValueError, match="eval_class_weight must be a list of 1"):
            make(FocalLGBMClassifier).fit(X, y, eval_set=[(X, y)], eval_class_weight=[])

    def test_of_xgboost(self, data):
        X, y = data
        with pytest.raises(ValueError, match=r"eval_metric must be .*got 'rmse'"):
            make(FocalXGBClassifier, eval_metric="rmse").fit(X, y, eval_set=[(X, y)])
        with pytest.raises(ValueError, match="y should be a 1d array"):
            make(FocalXGBClassifier).fit(X, np.column_stack([y, y]))

    @both
    def test_labels(self, cls, data):
        X, y = data
        with pytest.raises(ValueError, match="at least two classes, got 1 class"):
            make(cls).fit(X, np.ones(len(y)))
        with pytest.raises(ValueError, match=r"eval_set must have labels among .*got 7"):
            make(cls).fit(X, y, eval_set=[(X[:2], [0.0, 7.0])])
        with pytest.raises(ValueError, match="NaN"):
            make(cls).fit(X, np.where(y, np.nan, 0))
        with pytest.raises(ValueError, match="sample_weight must have shape"):
            make(cls).fit(X, y, sample_weight=np.ones(3))
        for weight in (np.zeros(len(y)), -np.ones(len(y)), np.full(len(y), np.nan)):
            with pytest.raises(ValueError, match="weight"):
                make(cls).fit(X, y, sample_weight=weight)
        with pytest.raises(ValueError, match="class"):
            make(cls).fit(X, y, sample_weight=(y == 0).astype(float))
        with pytest.raises(ValueError, match=r"(?i)inconsistent numbers of samples"):
            make(cls).fit(X, y[:-1])


@pytest.mark.filterwarnings("ignore")
class TestHurriedUse:
    """What a user in a hurry writes: a sentence, not a riddle, and nothing ignored."""

    @both
    @pytest.mark.parametrize("missing", [None, np.nan, "pandas.NA"])
    def test_missing_labels(self, cls, missing, data):
        if missing == "pandas.NA":
            missing = pytest.importorskip("pandas").NA
        X, y = data
        labels = np.where(y > 0, "fraud", "ok").astype(object)
        labels[3] = missing
        with pytest.raises(ValueError, match=r"y must not have missing labels .* at row 3"):
            make(cls).fit(X, labels)
        labels[3] = 7
        with pytest.raises(ValueError, match="y must have labels of one type, got int and str"):
            make(cls).fit(X, labels)

    @both
    def test_names_that_are_not_there(self, cls, data):
        with pytest.raises(
            ValueError, match="focal_gama is not a parameter; there are focal_gamma"
        ):
            make(cls, focal_gama=3.0).fit(*data)

    @pytest.mark.parametrize("name", ["gamma", "alpha"])
    def test_names_of_the_loss_alone(self, name, data):
        with pytest.raises(ValueError, match=f"{name} must be left out.*the loss has focal_{name}"):
            make(FocalLGBMClassifier, **{name: 0.5}).fit(*data)

    @both
    def test_num_class(self, cls, data):
        X, y = data
        with pytest.raises(
            ValueError, match="num_class must be left out, or 2 as y has classes, got 5"
        ):
            make(cls, num_class=5).fit(X, y)

    @both
    def test_eval_set(self, cls, data):
        X, y = data
        with pytest.raises(ValueError, match=r"eval_set must be a list of pairs \(X, y\)"):
            make(cls).fit(X, y, eval_set=[X])

    @pytest.mark.parametrize("metric", ["rmse", "f1", "nonsense"])
    def test_metrics_of_lightgbm(self, metric, data):
        X, y = data
        with pytest.raises(ValueError, match=f"eval_metric must be .*got '{metric}'"):
            make(FocalLGBMClassifier).fit(X, y, eval_set=[(X, y)], eval_metric=metric)
        fitted = make(FocalLGBMClassifier).fit(X, y, eval_set=[(X, y)], eval_metric="aucpr")
        assert "average_precision" in fitted.best_score_["valid_0"]

    @both
    def test_foreign_files(self, cls, data, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text("a,b\n1,2\n")
        with pytest.raises(ValueError, match=f"{cls.__name__}"):
            cls().load_model(table)
        with pytest.raises(FileNotFoundError):
            cls().load_model(tmp_path / "none.json")

    @both
    def test_load_model_returns_the_estimator(self, cls, data, tmp_path):
        X, y = data
        make(cls).fit(X, y).save_model(tmp_path / "model.json")
        assert cls().load_model(tmp_path / "model.json").classes_.tolist() == [0, 1]


def test_one_host_is_enough():
    """Asking for one estimator does not import the other's library."""
    code = "import sys; from focalboost import {}; print(*{{'xgboost', 'lightgbm'}} & set(sys.modules))"
    for name, host in (("FocalXGBClassifier", "xgboost"), ("FocalLGBMClassifier", "lightgbm")):
        command = [sys.executable, "-c", code.format(name)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        assert host in run.stdout.split()
    assert (
        "lightgbm"
        not in subprocess.run(
            [sys.executable, "-c", code.format("FocalXGBClassifier")],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    with pytest.raises(ImportError):
        from focalboost import FocalCatClassifier  # noqa: F401


def test_pickle_to_a_file_object(data):
    buffer = io.BytesIO()
    pickle.dump(make(FocalXGBClassifier).fit(*data), buffer)
    buffer.seek(0)
    assert pickle.load(buffer).score(*data) > 0.8

"""XGBoost: objective, metric, train and cv, and the traps of its custom-objective path."""

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
from tests.hosts import tables

FOCAL = BinaryFocalLoss(gamma=2.0)
SOFTMAX = SoftmaxFocalLoss(3, gamma=2.0)
QUICK = {"eta": 0.3, "max_depth": 3, "nthread": 1}


def version():
    return tuple(int(part) for part in xgb.__version__.split(".")[:2])


@pytest.fixture(scope="module")
def data():
    return tables.binary()


@pytest.fixture(scope="module")
def classes():
    return tables.multiclass()


def margins(booster, X):
    return booster.predict(xgb.DMatrix(X), output_margin=True)


class TestObjective:
    def test_is_a_value(self):
        for value in (fx.Objective(FOCAL), fx.Objective(SOFTMAX, "exact"), fx.Metric(FOCAL)):
            assert pickle.loads(pickle.dumps(value)) == value
            assert copy.deepcopy(value) is value
            assert eval(repr(value), {**vars(fx), **globals()}) == value
            assert not hasattr(value, "get_params")  # GridSearchCV would offer objective__gamma

    def test_obj_of_train(self, data):
        X, y = data
        obj = fx.Objective(FOCAL)
        d = xgb.DMatrix(X, y)
        params = {**obj.params(y), **QUICK}
        direct = xgb.train(params, d, 20, obj=obj, custom_metric=fx.Metric(FOCAL))
        assert_array_equal(margins(direct, X), margins(fx.train(QUICK, d, 20, loss=FOCAL), X))

    def test_cv_takes_it(self, data):
        X, y = data
        obj = fx.Objective(FOCAL)
        table = xgb.cv(
            {**obj.params(y), **QUICK},
            xgb.DMatrix(X, y),
            5,
            obj=obj,
            custom_metric=fx.Metric(FOCAL),
        )
        assert list(table) == [
            f"{p}-focal_loss-{s}" for p in ("train", "test") for s in ("mean", "std")
        ]

    @pytest.mark.parametrize("weighted", [False, True])
    def test_classifier_takes_it(self, data, weighted):
        X, y = data
        w = tables.weights(len(y)) if weighted else None
        obj = fx.Objective(FOCAL)
        model = xgb.XGBClassifier(
            objective=obj,
            eval_metric=fx.Metric(FOCAL),
            base_score=obj.params(y, w)["base_score"],
            n_estimators=20,
            learning_rate=0.3,
            max_depth=3,
            n_jobs=1,
        )
        model.fit(
            X,
            y,
            sample_weight=w,
            eval_set=[(X, y)],
            sample_weight_eval_set=None if w is None else [w],
            verbose=False,
        )
        native = fx.train(QUICK, xgb.DMatrix(X, y, weight=w), 20, loss=FOCAL)
        z = model.predict(X, output_margin=True)
        assert_allclose(z, margins(native, X), rtol=1e-5, atol=1e-6)
        assert_allclose(model.predict_proba(X)[:, 1], expit(z), rtol=1e-5)
        last = model.evals_result()["validation_0"]["focal_loss"][-1]
        assert_allclose(last, np.average(FOCAL.loss(y, z), weights=w), atol=1e-6)  # six decimals

    def test_classifier_takes_softmax(self, classes):
        X, y = classes
        obj = fx.Objective(SOFTMAX)
        model = xgb.XGBClassifier(objective=obj, n_estimators=10, n_jobs=1).fit(X, y)
        assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
        assert (model.predict(X) == y).mean() > 0.8

    def test_classifier_survives_clone_grid_search_and_pickle(self, data):
        base = pytest.importorskip("sklearn.base")
        selection = pytest.importorskip("sklearn.model_selection")
        X, y = data
        model = xgb.XGBClassifier(objective=fx.Objective(FOCAL), n_estimators=5, n_jobs=1)
        assert base.clone(model).objective == fx.Objective(FOCAL)
        losses = [fx.Objective(BinaryFocalLoss(g)) for g in (0.0, 2.0)]
        search = selection.GridSearchCV(
            model, {"objective": losses}, cv=2, scoring="average_precision"
        )
        search.fit(X, y)
        again = pickle.loads(pickle.dumps(search.best_estimator_))
        assert_array_equal(again.predict_proba(X), search.best_estimator_.predict_proba(X))

    def test_returns_what_xgboost_reads_without_copying_or_misreading(self, data, classes):
        for (X, y), loss, shape in ((data, FOCAL, (2000,)), (classes, SOFTMAX, (2000, 3))):
            d = xgb.DMatrix(X, y)
            z = np.asfortranarray(np.random.default_rng(0).normal(size=shape))
            for a in fx.Objective(loss)(z, d):
                assert a.dtype == np.dtype("<f4")
                assert a.flags.c_contiguous
                assert a.flags.aligned
                assert a.shape == shape

    @pytest.mark.parametrize("shape", [(0,), (0, 0), (0, 3)])
    def test_a_worker_without_rows(self, shape):
        empty = xgb.DMatrix(np.empty((0, 2)), np.empty(0))
        for a in fx.Objective(SOFTMAX)(np.empty(shape, np.float32), empty):
            assert a.shape == (0, 3)
            assert a.dtype == np.float32
        assert fx.Objective(FOCAL)(np.empty(0, np.float32), empty)[0].shape == (0,)
        assert np.isnan(fx.Metric(FOCAL)(np.empty(0, np.float32), empty)[1])

    def test_softmax_curvature_carries_xgboosts_factor_two(self, classes):
        X, y = classes
        z = np.random.default_rng(0).normal(size=(len(y), 3)).astype(np.float32)
        _, given = fx.Objective(SOFTMAX)(z, xgb.DMatrix(X, y))
        assert_array_equal(given, 2 * SOFTMAX.gradient_curvature(y, z)[1])

    def test_weights_of_the_matrix_are_applied_once(self, data):
        X, y = data
        w = tables.weights(len(y))
        z = np.random.default_rng(0).normal(size=len(y)).astype(np.float32)
        given = fx.Objective(FOCAL)(z, xgb.DMatrix(X, y, weight=w))
        for a, b in zip(given, FOCAL.gradient_curvature(y, z, w), strict=True):
            assert_array_equal(a, b)

    def test_wrong_use(self, data):
        X, _ = data
        with pytest.raises(TypeError, match="loss must be a BinaryFocalLoss or SoftmaxFocalLoss"):
            fx.Objective(2.0)
        with pytest.raises(ValueError, match="curvature must be one of"):
            fx.Objective(FOCAL, "newton")
        with pytest.raises(ValueError, match="without labels"):
            xgb.train(QUICK, xgb.DMatrix(X), 1, obj=fx.Objective(FOCAL))
        with pytest.raises(ValueError, match=r"labels must be 0 or 1, got 2.0 at row 0"):
            xgb.train(QUICK, xgb.DMatrix(X, np.full(len(X), 2)), 1, obj=fx.Objective(FOCAL))

    def test_softmax_without_num_class(self, classes):
        X, y = classes
        with pytest.raises(ValueError, match=r"margin must have shape \(n, 3\).*num_class=3"):
            xgb.train(QUICK, xgb.DMatrix(X, y), 1, obj=fx.Objective(SOFTMAX))


class TestModel:
    """What leaves training is a native model that starts from the focal prior."""

    @pytest.mark.parametrize("kind", ["ubj", "json"])
    def test_reloads_and_predicts_scores(self, data, tmp_path, kind):
        X, y = data
        booster = fx.train(QUICK, xgb.DMatrix(X, y), 20, loss=FOCAL)
        path = tmp_path / f"model.{kind}"
        booster.save_model(path)
        again = xgb.Booster(model_file=path)
        assert_array_equal(margins(again, X), margins(booster, X))
        assert_allclose(again.predict(xgb.DMatrix(X)), expit(margins(booster, X)), rtol=1e-6)
        config = json.loads(again.save_config())["learner"]
        assert config["objective"]["name"] == "binary:logistic"

    def test_softmax_reloads_and_predicts_scores(self, classes, tmp_path):
        X, y = classes
        booster = fx.train(QUICK, xgb.DMatrix(X, y), 10, loss=SOFTMAX)
        booster.save_model(tmp_path / "model.ubj")
        again = xgb.Booster(model_file=tmp_path / "model.ubj")
        z = margins(again, X)
        assert_array_equal(z, margins(booster, X))
        score = np.exp(z - z.max(axis=1, keepdims=True))
        score /= score.sum(axis=1, keepdims=True)
        assert_allclose(again.predict(xgb.DMatrix(X)), score, rtol=1e-5)

    def test_the_classifier_loads_it(self, data, tmp_path):
        X, y = data
        booster = fx.train(QUICK, xgb.DMatrix(X, y), 10, loss=FOCAL)
        booster.save_model(tmp_path / "model.json")
        model = xgb.XGBClassifier()
        model.load_model(tmp_path / "model.json")
        assert_allclose(model.predict_proba(X)[:, 1], booster.predict(xgb.DMatrix(X)), rtol=1e-6)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_starts_from_the_prior(self, data, weighted):
        X, y = data
        w = tables.weights(len(y)) if weighted else None
        # A step of (almost) nothing leaves the start.
        flat = fx.train({"eta": 1e-12}, xgb.DMatrix(X, y, weight=w), 1, loss=FOCAL)
        assert_allclose(margins(flat, X), FOCAL.intercept(y, w), rtol=1e-5)

    def test_softmax_starts_from_the_prior(self, classes):
        X, y = classes
        flat = fx.train({"eta": 1e-12}, xgb.DMatrix(X, y), 1, loss=SOFTMAX)
        assert_allclose(margins(flat, X)[0], SOFTMAX.intercept(y), rtol=1e-5)

    def test_a_base_score_of_the_user_stays(self, data):
        X, y = data
        flat = fx.train({"eta": 1e-12, "base_score": 0.5}, xgb.DMatrix(X, y), 1, loss=FOCAL)
        assert_allclose(margins(flat, X), 0, atol=1e-6)

    def test_weights_change_the_model(self, data):
        X, y = data
        plain = fx.train(QUICK, xgb.DMatrix(X, y), 5, loss=FOCAL)
        weighted = fx.train(QUICK, xgb.DMatrix(X, y, weight=1 + 9 * y), 5, loss=FOCAL)
        assert margins(weighted, X).mean() > margins(plain, X).mean() + 0.3

    def test_integer_weights_are_repeated_rows(self, data):
        X, y = data
        w = 1 + np.arange(len(y)) % 3
        rows = np.repeat(np.arange(len(y)), w)
        # The exact method: hist would choose other bins for repeated rows.
        params = {**QUICK, "tree_method": "exact"}
        weighted = fx.train(params, xgb.DMatrix(X, y, weight=w), 5, loss=FOCAL)
        repeated = fx.train(params, xgb.DMatrix(X[rows], y[rows]), 5, loss=FOCAL)
        assert_allclose(margins(weighted, X), margins(repeated, X), rtol=1e-3, atol=1e-4)

    def test_continued_training_keeps_the_old_trees_and_the_prior(self, data, tmp_path):
        X, y = data
        d = xgb.DMatrix(X, y)
        first = fx.train(QUICK, d, 10, loss=FOCAL)
        first.save_model(tmp_path / "first.ubj")
        for model in (first, tmp_path / "first.ubj"):
            more = fx.train(QUICK, d, 10, loss=FOCAL, xgb_model=model)
            assert more.num_boosted_rounds() == 20
            old = more.predict(d, output_margin=True, iteration_range=(0, 10))
            assert_array_equal(old, first.predict(d, output_margin=True))
            whole = fx.train(QUICK, d, 20, loss=FOCAL)
            assert_allclose(margins(more, X), margins(whole, X), atol=1e-5)

    def test_continued_training_refuses_another_base_score(self, data):
        d = xgb.DMatrix(*data)
        first = fx.train(QUICK, d, 2, loss=FOCAL)
        with pytest.raises(ValueError, match="base_score must not be given next to xgb_model"):
            fx.train({"base_score": 0.5}, d, 2, loss=FOCAL, xgb_model=first)

    def test_posterior_is_calibrated_and_the_score_is_not(self, data):
        X, y = tables.binary(n=20_000)
        d = xgb.DMatrix(X[:10_000], y[:10_000])
        booster = fx.train({**QUICK, "eta": 0.1}, d, 40, loss=BinaryFocalLoss(3.0))
        z = margins(booster, X[10_000:])
        posterior = BinaryFocalLoss(3.0).posterior(z)
        assert abs(posterior.mean() - y[10_000:].mean()) < 0.02
        assert abs(expit(z).mean() - y[10_000:].mean()) > 0.08

    def test_several_targets(self, data):
        X, y = data
        Y = np.stack([y, X[:, 3] > 0.5], axis=1).astype(float)
        w = tables.weights(len(y))
        both = fx.train(QUICK, xgb.DMatrix(X, Y, weight=w), 10, loss=FOCAL)
        for j in range(2):
            alone = fx.train(QUICK, xgb.DMatrix(X, Y[:, j], weight=w), 10, loss=FOCAL)
            assert_allclose(margins(both, X)[:, j], margins(alone, X), atol=1e-5)

    def test_multi_output_tree(self, data, classes):
        X, y = data
        Y = np.stack([y, X[:, 3] > 0.5], axis=1).astype(float)
        params = {**QUICK, "multi_strategy": "multi_output_tree"}
        booster = fx.train(params, xgb.DMatrix(X, Y), 10, loss=FOCAL)
        assert_allclose(
            FOCAL.posterior(margins(booster, X)).mean(axis=0), Y.mean(axis=0), atol=0.05
        )
        X, y = classes
        booster = fx.train(params, xgb.DMatrix(X, y), 10, loss=SOFTMAX)
        assert (margins(booster, X).argmax(axis=1) == y).mean() > 0.65  # the largest class: 0.5

    @pytest.mark.filterwarnings("ignore:.*deprecated")  # dart and gblinear, from XGBoost 3.4 on
    @pytest.mark.parametrize(
        "params",
        [
            {"booster": "dart", "rate_drop": 0.3},
            {"booster": "gblinear"},
            {"subsample": 0.5},
            {"num_parallel_tree": 3},
            {"monotone_constraints": "(1,0,0,0,0,0)"},
        ],
    )
    def test_boosters_and_options(self, data, params):
        X, y = data
        if params.get("booster") != "gblinear":
            params = {**QUICK, **params}
        booster = fx.train(params, xgb.DMatrix(X, y), 10, loss=FOCAL)
        z = margins(booster, X)
        assert np.isfinite(z).all()
        assert FOCAL.loss(y, z).mean() < FOCAL.loss(y, np.full(len(y), FOCAL.intercept(y))).mean()

    def test_quantile_and_external_memory(self, data, tmp_path):
        X, y = data

        class Batches(xgb.DataIter):
            def __init__(self):
                self.at = 0
                super().__init__(cache_prefix=str(tmp_path / "cache"))

            def next(self, input_data):
                if self.at == 2:
                    return False
                rows = slice(self.at * 1000, (self.at + 1) * 1000)
                input_data(data=X[rows], label=y[rows])
                self.at += 1
                return True

            def reset(self):
                self.at = 0

        direct = fx.train(QUICK, xgb.QuantileDMatrix(X, y), 10, loss=FOCAL)
        external = fx.train(QUICK, xgb.ExtMemQuantileDMatrix(Batches()), 10, loss=FOCAL)
        # Bins are sketched batch by batch: close, not equal.
        assert np.corrcoef(margins(direct, X), margins(external, X))[0, 1] > 0.99

    def test_missing_values_and_categories(self):
        pd = pytest.importorskip("pandas")
        X, y = tables.binary()
        X[::7, 1] = np.nan
        frame = pd.DataFrame(X, columns=list("abcdef"))
        frame["g"] = pd.Categorical(np.where(X[:, 0] > 0, "up", "down"))
        booster = fx.train(QUICK, xgb.DMatrix(frame, y, enable_categorical=True), 5, loss=FOCAL)
        assert np.isfinite(booster.predict(xgb.DMatrix(frame, enable_categorical=True))).all()


class TestMetric:
    def test_value_and_name(self, data):
        X, y = data
        w = tables.weights(len(y))
        z = np.random.default_rng(0).normal(size=len(y)).astype(np.float32)
        name, value = fx.Metric(FOCAL)(z, xgb.DMatrix(X, y, weight=w))
        assert_allclose(value, np.average(FOCAL.loss(y, z), weights=w), rtol=1e-6)
        assert fx.Metric(FOCAL)(y, z, sample_weight=w) == pytest.approx(value)
        # XGBoost maximises what starts so, and cannot read a name with these characters.
        assert not name.startswith(("auc", "pre", "map", "ndcg"))
        assert not set(name) & set(" :-\t")
        assert fx.Metric(FOCAL).__name__ == name

    def test_full_value_reaches_the_callbacks(self, data):
        """XGBoost alone passes six decimals: 0.000013 for 0.0000128."""
        X, y = data
        d = xgb.DMatrix(X, y)
        tiny = BinaryFocalLoss(2.0, alpha=(1e-6, 1e-6))
        seen, result = [], {}

        class Look(xgb.callback.TrainingCallback):
            def after_iteration(self, model, epoch, evals_log):
                seen.append(evals_log["valid"]["focal_loss"][-1])
                return False

        booster = fx.train(
            {**QUICK, "min_child_weight": 0, "lambda": 0}, d, 5, loss=tiny,
            evals=[(d, "train"), (d, "valid")], evals_result=result, verbose_eval=False,
            callbacks=[Look()],
        )  # fmt: skip
        last = tiny.loss(y, margins(booster, X)).mean()
        assert 0 < last < 1e-6
        assert_allclose(result["valid"]["focal_loss"][-1], last, rtol=1e-5)
        assert seen == result["valid"]["focal_loss"] == result["train"]["focal_loss"]
        assert np.all(np.diff(seen) < 0)

    def test_drives_early_stopping_by_all_its_digits(self, data):
        X, y = data
        d, v = xgb.DMatrix(X[:1000], y[:1000]), xgb.DMatrix(X[1000:], y[1000:])
        result = {}
        booster = fx.train(
            {**QUICK, "eval_metric": ["auc", "logloss"]}, d, 300, loss=FOCAL, evals=[(v, "valid")],
            early_stopping_rounds=5, evals_result=result, verbose_eval=False,
        )  # fmt: skip
        history = result["valid"]["focal_loss"]
        assert list(result["valid"]) == ["auc", "logloss", "focal_loss"]
        assert booster.best_iteration == np.argmin(history)
        assert booster.best_score == min(history)
        assert booster.num_boosted_rounds() == len(history) == booster.best_iteration + 6
        v_margins = booster.predict(
            v, output_margin=True, iteration_range=(0, booster.best_iteration + 1)
        )
        assert_allclose(FOCAL.loss(y[1000:], v_margins).mean(), min(history), rtol=1e-5)
        assert_allclose(  # a built-in metric sees sigmoid scores
            -np.mean(np.log(expit(np.where(y[1000:] == 1, 1, -1) * v_margins))),
            result["valid"]["logloss"][booster.best_iteration],
            rtol=1e-4,
        )

    def test_next_to_the_users_metric(self, data):
        d = xgb.DMatrix(*data)
        result = {}

        def spread(margin, matrix):
            return "spread", float(np.ptp(margin))

        fx.train(QUICK, d, 3, loss=FOCAL, evals=[(d, "train")], custom_metric=spread,
                 evals_result=result, verbose_eval=False)  # fmt: skip
        assert list(result["train"]) == ["spread", "focal_loss"]
        assert np.all(np.diff(result["train"]["spread"]) > 0)

    def test_default_metric_is_silent_and_named_ones_are_not(self, data):
        d = xgb.DMatrix(*data)
        for asked, expected in (
            ({}, ["focal_loss"]),
            ({"eval_metric": "aucpr"}, ["aucpr", "focal_loss"]),
        ):
            result = {}
            fx.train({**QUICK, **asked}, d, 2, loss=FOCAL, evals=[(d, "t")], evals_result=result,
                     verbose_eval=False)  # fmt: skip
            assert list(result["t"]) == expected


class TestCv:
    def test_each_fold_has_its_own_prior_and_the_full_metric(self, data):
        X, y = data
        d = xgb.DMatrix(X, y)
        rows = np.arange(len(y))
        folds = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
        table = fx.cv(QUICK, d, 8, loss=FOCAL, folds=folds, as_pandas=False)
        values = []
        for train, test in folds:
            booster = fx.train(QUICK, xgb.DMatrix(X[train], y[train]), 8, loss=FOCAL)
            values.append(FOCAL.loss(y[test], margins(booster, X[test])).mean())
        assert_allclose(table["test-focal_loss-mean"][-1], np.mean(values), rtol=1e-6)
        assert_allclose(table["test-focal_loss-std"][-1], np.std(values), rtol=1e-4)

    def test_users_fpreproc_runs_first(self, data):
        X, y = data
        calls = []

        def half(train, test, params):
            calls.append(dict(params))
            return train.slice(np.arange(0, train.num_row(), 2)), test, params

        fx.cv(QUICK, xgb.DMatrix(X, y), 2, loss=FOCAL, nfold=3, stratified=True, fpreproc=half,
              early_stopping_rounds=2)  # fmt: skip
        assert len(calls) == 3

    def test_softmax(self, classes):
        table = fx.cv(QUICK, xgb.DMatrix(*classes), 5, loss=SOFTMAX, nfold=3, as_pandas=False)
        assert table["test-focal_loss-mean"][-1] < table["test-focal_loss-mean"][0]


class TestBadInput:
    """Everything is refused before a tree is grown."""

    @pytest.fixture(autouse=True)
    def no_training(self, monkeypatch):
        def never(*args, **kwargs):
            raise AssertionError("training has started")

        monkeypatch.setattr(xgb, "train", never)
        monkeypatch.setattr(xgb, "cv", never)

    @pytest.mark.parametrize("entry", [fx.train, fx.cv])
    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"objective": "reg:squarederror"}, "objective must be 'binary:logistic' or left out"),
            ({"objective": "reg:absoluteerror"}, "objective must be 'binary:logistic' or left out"),
            ({"scale_pos_weight": 10}, r"give the loss alpha=\(1, scale_pos_weight\)"),
            ({"num_class": 3}, "num_class must be left out"),
        ],
    )
    def test_parameters(self, data, entry, params, message):
        with pytest.raises(ValueError, match=message):
            entry(params, xgb.DMatrix(*data), 5, loss=FOCAL)

    @pytest.mark.parametrize("entry", [fx.train, fx.cv])
    def test_num_class(self, classes, entry):
        with pytest.raises(ValueError, match=r"num_class must be 3 .*got 4"):
            entry({"num_class": 4}, xgb.DMatrix(*classes), 5, loss=SOFTMAX)

    @pytest.mark.parametrize("entry", [fx.train, fx.cv])
    def test_labels(self, data, entry):
        X, y = data
        for bad in (-1.0, 2.0, 0.5):
            with pytest.raises(ValueError, match=f"labels must be 0 or 1, got {bad} at row 3"):
                entry({}, xgb.DMatrix(X, np.where(np.arange(len(y)) == 3, bad, y)), loss=FOCAL)
        with pytest.raises(ValueError, match="dtrain, got a DMatrix without labels"):
            entry({}, xgb.DMatrix(X), loss=FOCAL)
        with pytest.raises(ValueError, match=r"labels must be whole numbers in 0 .. 2, got 3.0"):
            entry({}, xgb.DMatrix(X, np.arange(len(y)) % 4), loss=SOFTMAX)

    @pytest.mark.parametrize("entry", [fx.train, fx.cv])
    def test_single_class(self, data, entry):
        X, _ = data
        for label in (0, 1):
            with pytest.raises(ValueError, match=f"got only class {label}"):
                entry({}, xgb.DMatrix(X, np.full(len(X), label)), loss=FOCAL)
        with pytest.raises(ValueError, match="got only class 2"):
            entry({}, xgb.DMatrix(X, np.full(len(X), 2)), loss=SOFTMAX)

    def test_weights(self, data):
        X, y = data
        with pytest.raises(ValueError, match="must not be all zero"):
            fx.train({}, xgb.DMatrix(X, y, weight=np.zeros(len(y))), loss=FOCAL)

    def test_evals_are_checked_too(self, data):
        X, y = data
        with pytest.raises(ValueError, match="labels must be set on valid"):
            fx.train({}, xgb.DMatrix(X, y), loss=FOCAL, evals=[(xgb.DMatrix(X), "valid")])

    @pytest.mark.parametrize("entry", [fx.train, fx.cv])
    def test_kinds(self, data, entry):
        X, y = data
        with pytest.raises(TypeError, match=r"dtrain must be an xgboost.DMatrix, got ndarray"):
            entry({}, X, loss=FOCAL)
        with pytest.raises(TypeError, match="loss must be"):
            entry({}, xgb.DMatrix(X, y), loss="focal")
        with pytest.raises(TypeError, match="obj must not be given"):
            entry({}, xgb.DMatrix(X, y), loss=FOCAL, obj=lambda *a: a)
        with pytest.raises(TypeError, match="loss"):
            entry({}, xgb.DMatrix(X, y))


def test_xgboosts_own_conformance_checks():
    """The checks that XGBoost ships for custom objectives, with ours at gamma = 0 in their place."""
    tm = pytest.importorskip("xgboost.testing", exc_type=ImportError)
    X, y = tables.binary()
    z = np.random.default_rng(0).normal(size=len(y)).astype(np.float32)
    d = xgb.DMatrix(X, y)
    logistic = tm.logregobj if hasattr(tm, "logregobj") else None
    if logistic is None:
        pytest.skip("this XGBoost does not ship logregobj")
    for ours, theirs in zip(
        fx.Objective(BinaryFocalLoss(0.0), "exact")(z, d), logistic(z, d), strict=True
    ):
        assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


class TestArrays:
    """The loop that keeps margins beside the features; on the processor, where it is the same code."""

    @pytest.mark.parametrize(
        "options", [{}, {"subsample": 0.7, "seed": 3}, {"num_parallel_tree": 3}]
    )
    @pytest.mark.parametrize("loss", [FOCAL, SOFTMAX], ids=str)
    @pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
    def test_is_the_model_of_train(self, loss, weighted, options, data, classes):
        X, y = classes if loss is SOFTMAX else data
        w = tables.weights(len(y)) / 3 if weighted else None  # not a float32
        h = len(y) // 2
        d = xgb.QuantileDMatrix(X[:h], y[:h], weight=None if w is None else w[:h])
        v = xgb.QuantileDMatrix(X[h:], y[h:], weight=None if w is None else w[h:], ref=d)
        one, other = {}, {}
        keywords = {"loss": loss, "early_stopping_rounds": 5, "verbose_eval": False}
        expected = fx.train(
            {**QUICK, **options}, d, 60, evals=[(d, "t"), (v, "v")], evals_result=one, **keywords
        )
        rows = fx.Arrays(X[:h], y[:h], None if w is None else w[:h])
        later = fx.Arrays(X[h:], y[h:], None if w is None else w[h:])
        evals = [(rows, "t"), (later, "v")]
        booster = fx.train(
            {**QUICK, **options}, rows, 60, evals=evals, evals_result=other, **keywords
        )
        assert bytes(booster.save_raw()) == bytes(expected.save_raw())
        assert booster.best_iteration == expected.best_iteration
        assert booster.best_iteration < 54  # it did stop
        for name in ("t", "v"):
            assert_array_equal(one[name]["focal_loss"], other[name]["focal_loss"])

    def test_several_targets(self, data):
        X, y = data
        both = np.column_stack([y, X[:, 2] > 1])
        expected = fx.train(QUICK, xgb.QuantileDMatrix(X, both), 8, loss=FOCAL)
        booster = fx.train(QUICK, fx.Arrays(X, both), 8, loss=FOCAL)
        assert bytes(booster.save_raw()) == bytes(expected.save_raw())

    def test_continued(self, data):
        X, y = data
        d = xgb.QuantileDMatrix(X, y)
        start = fx.train(QUICK, d, 5, loss=FOCAL)
        expected = fx.train(QUICK, d, 5, loss=FOCAL, xgb_model=start)
        booster = fx.train(QUICK, fx.Arrays(X, y), 5, loss=FOCAL, xgb_model=start)
        assert bytes(booster.save_raw()) == bytes(expected.save_raw())
        assert booster.num_boosted_rounds() == 10

    def test_frames_and_callbacks(self, data):
        pd = pytest.importorskip("pandas")
        X, y = data
        frame = pd.DataFrame(X, columns=list("abcdef")).assign(
            g=pd.Categorical(np.where(X[:, 0] > 0, "x", "y"))
        )
        seen = []

        class Watch(xgb.callback.TrainingCallback):
            def after_iteration(self, model, epoch, evals_log):
                seen.append((epoch, dict(evals_log["v"])))
                return epoch == 3

        table = fx.Arrays(frame, pd.Series(y))
        booster = fx.train(
            QUICK,
            table,
            9,
            loss=FOCAL,
            evals=[(table, "v")],
            callbacks=[Watch()],
            verbose_eval=False,
        )
        assert booster.num_boosted_rounds() == len(seen) == 4
        assert booster.feature_names == [*"abcdefg"]
        d = xgb.DMatrix(frame, y, enable_categorical=True)
        expected = fx.train(QUICK, d, 4, loss=FOCAL)
        assert_allclose(
            booster.predict(d, output_margin=True),
            expected.predict(d, output_margin=True),
            atol=1e-6,
        )

    @pytest.mark.parametrize(
        ("params", "keywords", "message"),
        [
            ({"booster": "dart"}, {}, "booster must not be 'dart' with Arrays"),
            ({"booster": "gblinear"}, {}, "booster must not be 'gblinear' with Arrays"),
            ({"rate_drop": 0.1}, {}, r"rate_drop must not be set with Arrays, got 0\.1"),
            ({"process_type": "update"}, {}, "process_type must not be 'update'"),
            ({"eval_metric": "auc"}, {}, "eval_metric must be left out with Arrays, got 'auc'"),
            ({}, {"custom_metric": fx.Metric(FOCAL)}, "custom_metric must be left out with Arrays"),
            ({"scale_pos_weight": 3}, {}, "scale_pos_weight must not be set"),
        ],
    )
    def test_what_cannot_work(self, params, keywords, message, data):
        with pytest.raises(ValueError, match=message):
            fx.train({**QUICK, **params}, fx.Arrays(*data), 3, loss=FOCAL, **keywords)

    def test_wrong_tables(self, data):
        X, y = data
        good = fx.Arrays(X, y)

        def train(table, *evals):
            return fx.train(QUICK, table, 3, loss=FOCAL, evals=list(evals), verbose_eval=False)

        with pytest.raises(ValueError, match="labels must be 0 or 1, got 2"):
            train(fx.Arrays(X, y + 1))
        with pytest.raises(ValueError, match="at least two classes"):
            train(fx.Arrays(X, np.zeros(len(y))))
        with pytest.raises(ValueError, match="labels must be 0 or 1, got nan"):
            train(good, (fx.Arrays(X, np.where(y, np.nan, 0)), "v"))
        with pytest.raises(ValueError, match="v must have 2000 labels, one per row of X, got 1999"):
            train(good, (fx.Arrays(X, y[:-1]), "v"))
        with pytest.raises(ValueError, match="sample_weight must be finite and >= 0"):
            train(good, (fx.Arrays(X, y, -np.ones(len(y))), "v"))
        with pytest.raises(ValueError, match="evals must have names of their own"):
            train(good, (good, "v"), (good, "v"))
        with pytest.raises(TypeError, match="v must be Arrays like the training data, got DMatrix"):
            train(good, (xgb.DMatrix(X, y), "v"))
        with pytest.raises(TypeError, match="obj must not be given"):
            fx.train(QUICK, good, 3, loss=FOCAL, obj=fx.Objective(FOCAL))


@pytest.mark.slow
def test_dask():
    """Two workers train the model of one, and the metric of unequal shards is that of all rows."""
    pytest.importorskip("distributed")
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("on_dask.py"))],
        cwd=str(Path(__file__).parents[2]),
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr

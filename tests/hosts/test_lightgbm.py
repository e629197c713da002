"""LightGBM: objective, metric, train, cv and finalize, and the traps of its custom-objective path."""

import copy
import importlib.metadata
import inspect
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax

import focalboost.lightgbm as fl
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
from tests.hosts import tables

FOCAL = BinaryFocalLoss(gamma=2.0)
SOFTMAX = SoftmaxFocalLoss(3, gamma=2.0)
QUICK = {"verbosity": -1, "num_threads": 1, "learning_rate": 0.3, "num_leaves": 7}


@pytest.fixture(scope="module")
def data():
    return tables.binary()


@pytest.fixture(scope="module")
def classes():
    return tables.multiclass()


def dataset(X, y, **keywords):
    return lgb.Dataset(X, y, **keywords)


def margins(booster, X, **keywords):
    return booster.predict(X, raw_score=True, **keywords)


class TestObjective:
    def test_is_a_value(self):
        for value in (fl.Objective(FOCAL), fl.Objective(SOFTMAX, "exact"), fl.Metric(FOCAL)):
            assert pickle.loads(pickle.dumps(value)) == value
            assert copy.deepcopy(value) is value  # lightgbm.train deep-copies its parameters
            assert eval(repr(value), {**vars(fl), **globals()}) == value
            assert not hasattr(value, "get_params")  # GridSearchCV would offer objective__gamma

    def test_has_the_three_parameters_lightgbm_counts(self):
        for value in (fl.Objective(FOCAL), fl.Metric(FOCAL)):
            parameters = inspect.signature(value).parameters.values()
            assert len(parameters) == 3
            assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)

    def test_objective_of_train(self, data):
        X, y = data
        params = {**QUICK, "objective": fl.Objective(FOCAL), "metric": "None"}
        from_zero = lgb.train(params, dataset(X, y), 20)
        same = fl.train(QUICK, dataset(X, y, init_score=np.zeros(len(y))), 20, loss=FOCAL)
        assert_array_equal(from_zero.predict(X), margins(same, X))

    def test_cv_takes_it(self, data):
        params = {**QUICK, "objective": fl.Objective(FOCAL), "metric": "None"}
        table = lgb.cv(params, dataset(*data), 5, feval=fl.Metric(FOCAL))
        assert list(table) == ["valid focal_loss-mean", "valid focal_loss-stdv"]

    @pytest.mark.parametrize("weighted", [False, True])
    def test_classifier_takes_it(self, data, weighted):
        X, y = data
        w = tables.weights(len(y)) if weighted else None
        model = lgb.LGBMClassifier(
            objective=fl.Objective(FOCAL),
            metric="None",
            n_estimators=20,
            learning_rate=0.3,
            num_leaves=7,
            n_jobs=1,
            verbosity=-1,
        )
        model.fit(X, y, sample_weight=w)
        native = lgb.train({**QUICK, "objective": fl.Objective(FOCAL)}, dataset(X, y, weight=w), 20)
        assert_array_equal(model.predict(X, raw_score=True), native.predict(X))

    def test_class_weight_of_the_classifier_arrives(self, data):
        X, y = data
        keywords = {"objective": fl.Objective(FOCAL), "n_estimators": 5, "verbosity": -1}
        plain = lgb.LGBMClassifier(**keywords).fit(X, y)
        heavy = lgb.LGBMClassifier(**keywords, class_weight={0: 1, 1: 10}).fit(X, y)
        assert (
            heavy.predict(X, raw_score=True).mean() > plain.predict(X, raw_score=True).mean() + 0.1
        )

    def test_classifier_takes_softmax(self, classes):
        X, y = classes
        model = lgb.LGBMClassifier(objective=fl.Objective(SOFTMAX), n_estimators=10, verbosity=-1)
        z = model.fit(X, y).predict(X, raw_score=True)
        assert z.shape == (len(y), 3)
        assert (z.argmax(axis=1) == y).mean() > 0.7  # the largest class: 0.5

    @pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")  # from 4.7 on
    def test_eval_metric_of_the_classifier(self, data):
        X, y = data
        w = tables.weights(500)
        model = lgb.LGBMClassifier(
            objective=fl.Objective(FOCAL), metric="None", n_estimators=5, verbosity=-1
        )
        held_out = {"eval_set": [(X[:500], y[:500])], "eval_sample_weight": [w]}
        model.fit(X[500:], y[500:], eval_metric=fl.Metric(FOCAL), **held_out)
        z = model.predict(X[:500], raw_score=True)
        last = model.evals_result_["valid_0"]
        assert list(last) == ["focal_loss"]
        expected = np.average(FOCAL.loss(y[:500], z), weights=w)
        assert_allclose(last["focal_loss"][-1], expected)

    def test_returns_what_lightgbm_reads_without_copying_or_misreading(self, data, classes):
        for (X, y), loss, shape in ((data, FOCAL, (2000,)), (classes, SOFTMAX, (2000, 3))):
            d = dataset(X, y).construct()
            z = np.asfortranarray(np.random.default_rng(0).normal(size=shape))
            before = z.copy()
            z.setflags(write=False)  # the library's own buffer
            for a in fl.Objective(loss)(z, d):
                assert a.dtype == np.float32
                assert a.flags.f_contiguous
                assert a.shape == shape
                assert not np.shares_memory(a, z)
            assert_array_equal(z, before)

    def test_a_metric_on_the_training_set_changes_nothing(self, classes):
        """LightGBM hands out the memory it continues with."""
        X, y = classes
        plain = fl.train(QUICK, dataset(X, y), 5, loss=SOFTMAX)
        d = dataset(X, y)
        watched = fl.train(QUICK, d, 5, loss=SOFTMAX, valid_sets=[d])
        assert_array_equal(margins(plain, X), margins(watched, X))

    def test_softmax_curvature_carries_lightgbms_factor(self, classes):
        X, y = classes
        z = np.random.default_rng(0).normal(size=(len(y), 3))
        _, given = fl.Objective(SOFTMAX)(z, dataset(X, y).construct())
        expected = (1.5 * SOFTMAX.gradient_curvature(y, z)[1]).astype(np.float32)
        assert_array_equal(given, expected)

    def test_computes_in_double_and_rounds_once(self, data):
        X, y = data
        z = np.random.default_rng(0).normal(size=len(y)) * 5
        given = fl.Objective(FOCAL)(z, dataset(X, y).construct())
        for a, b in zip(given, FOCAL.gradient_curvature(y, z), strict=True):
            assert_array_equal(a, b.astype(np.float32))

    def test_wrong_use(self, data, classes):
        with pytest.raises(TypeError, match="loss must be a BinaryFocalLoss or SoftmaxFocalLoss"):
            fl.Objective(None)
        with pytest.raises(ValueError, match="curvature must be one of"):
            fl.Objective(FOCAL, "newton")
        X, y = classes
        with pytest.raises(ValueError, match=r"margin must have shape \(n, 3\).*num_class=3"):
            lgb.train({**QUICK, "objective": fl.Objective(SOFTMAX)}, dataset(X, y), 1)
        with pytest.raises(ValueError, match=r"labels must be 0 or 1, got 2\.0"):
            lgb.train({**QUICK, "objective": fl.Objective(FOCAL)}, dataset(X, y), 1)


class TestModel:
    """What leaves training is a native model that starts from the focal prior."""

    def test_reloads_and_predicts_scores(self, data, tmp_path):
        X, y = data
        booster = fl.train(QUICK, dataset(X, y), 20, loss=FOCAL)
        booster.save_model(tmp_path / "model.txt")
        again = lgb.Booster(model_file=tmp_path / "model.txt")
        assert_array_equal(margins(again, X), margins(booster, X))
        assert_allclose(again.predict(X), expit(margins(booster, X)), rtol=1e-14)
        assert_array_equal(again.predict(X), booster.predict(X))
        assert_array_equal(pickle.loads(pickle.dumps(booster)).predict(X), booster.predict(X))

    def test_softmax_reloads_and_predicts_scores(self, classes):
        X, y = classes
        booster = fl.train(QUICK, dataset(X, y), 10, loss=SOFTMAX)
        again = lgb.Booster(model_str=booster.model_to_string())
        assert_array_equal(margins(again, X), margins(booster, X))
        assert_allclose(again.predict(X), softmax(margins(booster, X), axis=1), rtol=1e-12)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_starts_from_the_prior(self, data, weighted):
        X, y = data
        w = tables.weights(len(y)) if weighted else None
        flat = fl.train({**QUICK, "learning_rate": 1e-12}, dataset(X, y, weight=w), 1, loss=FOCAL)
        assert_allclose(margins(flat, X), FOCAL.intercept(y, w), rtol=1e-10)

    def test_softmax_starts_from_the_prior(self, classes):
        X, y = classes
        flat = fl.train({**QUICK, "learning_rate": 1e-12}, dataset(X, y), 1, loss=SOFTMAX)
        assert_allclose(margins(flat, X)[0], SOFTMAX.intercept(y), rtol=1e-10)

    def test_an_init_score_of_the_user_stays_out_of_the_model(self, data):
        X, y = data
        d = dataset(X, y, init_score=np.full(len(y), 0.7))
        flat = fl.train({**QUICK, "learning_rate": 1e-12}, d, 1, loss=FOCAL)
        assert_allclose(margins(flat, X), 0, atol=1e-9)
        assert_array_equal(d.get_init_score(), 0.7)

    def test_datasets_are_left_as_they_were(self, data):
        X, y = data
        train, valid = dataset(X[:1000], y[:1000]), dataset(X[1000:], y[1000:])
        first = fl.train(QUICK, train, 5, loss=FOCAL, valid_sets=[valid, train])
        for d in (train, valid):
            assert d.get_init_score() is None
            assert d.get_field("init_score") is None
        second = fl.train(QUICK, train, 5, loss=FOCAL, valid_sets=valid)
        assert_array_equal(margins(first, X), margins(second, X))
        log = {**QUICK, "objective": "binary"}
        unused = lgb.train(log, dataset(X[:1000], y[:1000]), 5)
        assert_array_equal(lgb.train(log, train, 5).predict(X), unused.predict(X))

    def test_datasets_are_left_as_they_were_after_a_failure(self, data):
        X, y = data
        d = dataset(X, y)

        def fails(margin, data):
            raise RuntimeError("no")

        with pytest.raises(RuntimeError, match="no"):
            fl.train(QUICK, d, 5, loss=FOCAL, valid_sets=[d], feval=fails)
        assert d.get_init_score() is None

    def test_weights_change_the_model(self, data):
        X, y = data
        plain = fl.train(QUICK, dataset(X, y), 5, loss=FOCAL)
        weighted = fl.train(QUICK, dataset(X, y, weight=1 + 9 * y), 5, loss=FOCAL)
        assert margins(weighted, X).mean() > margins(plain, X).mean() + 0.3

    def test_weight_zero_is_an_absent_row(self, data):
        X, y = data
        keep = np.arange(len(y)) % 4 > 0
        params = {**QUICK, "min_data_in_leaf": 1, "max_bin": 8000, "min_data_in_bin": 1}
        weighted = fl.train(params, dataset(X, y, weight=keep.astype(float)), 3, loss=FOCAL)
        flat = FOCAL.intercept(y, keep)
        assert_allclose(flat, FOCAL.intercept(y[keep]))
        assert np.isfinite(margins(weighted, X)).all()

    def test_continued_training_keeps_the_old_trees_and_the_prior(self, data, tmp_path):
        X, y = data
        first = fl.train(QUICK, dataset(X, y), 10, loss=FOCAL)
        first.save_model(tmp_path / "first.txt")
        whole = fl.train(QUICK, dataset(X, y), 20, loss=FOCAL)
        for model in (first, tmp_path / "first.txt"):
            more = fl.train(QUICK, dataset(X, y), 10, loss=FOCAL, init_model=model)
            assert more.num_trees() == 20
            assert_allclose(margins(more, X, num_iteration=10), margins(first, X), rtol=1e-12)
            assert_allclose(margins(more, X), margins(whole, X), atol=1e-6)

    def test_posterior_is_calibrated_and_the_score_is_not(self):
        X, y = tables.binary(n=20_000)
        loss = BinaryFocalLoss(3.0)
        params = {**QUICK, "learning_rate": 0.1}
        booster = fl.train(params, dataset(X[:10_000], y[:10_000]), 40, loss=loss)
        z = margins(booster, X[10_000:])
        assert abs(loss.posterior(z).mean() - y[10_000:].mean()) < 0.02
        assert abs(booster.predict(X[10_000:]).mean() - y[10_000:].mean()) > 0.08

    @pytest.mark.parametrize(
        "params",
        [
            {"boosting": "dart", "drop_rate": 0.5},
            {"boosting_type": "gbdt", "bagging_fraction": 0.5, "bagging_freq": 1},
            {"data_sample_strategy": "goss"},
            {"linear_tree": True},
            {"extra_trees": True},
            {"monotone_constraints": [1, 0, 0, 0, 0, 0]},
            {"use_quantized_grad": True},
        ],
    )
    @pytest.mark.parametrize("loss", [FOCAL, SOFTMAX], ids=repr)
    def test_prior_is_in_the_model_whatever_the_trees(self, data, classes, loss, params):
        X, y = data if loss is FOCAL else classes
        d = dataset(X[:1500], y[:1500])
        v = dataset(X[1500:], y[1500:], reference=d)
        seen = {}
        booster = fl.train(
            {**QUICK, **params}, d, 10, loss=loss, valid_sets=[v],
            callbacks=[lgb.record_evaluation(seen)],
        )  # fmt: skip
        # The metric was computed from init_score + trees, the prediction from the finished model.
        last = seen["valid_0"]["focal_loss"][-1]
        assert_allclose(loss.loss(y[1500:], margins(booster, X[1500:])).mean(), last, rtol=1e-6)

    def test_dart_is_ruined_by_a_metric_on_the_training_set(self, data):
        """Why train refuses it: LightGBM alone does this with any custom objective."""
        X, y = data
        params = {**QUICK, "boosting": "dart", "drop_rate": 0.5, "objective": fl.Objective(FOCAL)}
        d = dataset(X, y)
        quiet = lgb.train(params, d, 10)
        watched = lgb.train(params, d, 10, feval=fl.Metric(FOCAL), valid_sets=[d])
        loss = [FOCAL.loss(y, margins(booster, X)).mean() for booster in (quiet, watched)]
        assert loss[1] > 1.5 * loss[0]
        with pytest.raises(ValueError, match="valid_sets must not contain train_set"):
            fl.train({"boost": "dart"}, d, 10, loss=FOCAL, valid_sets=[d])

    def test_no_split_possible(self):
        X = np.arange(200.0).reshape(-1, 1)
        y = np.arange(200) < 20
        booster = fl.train({**QUICK, "min_gain_to_split": 1e9}, dataset(X, y), 5, loss=FOCAL)
        assert_allclose(FOCAL.posterior(margins(booster, X)), 0.1)

    def test_categories_pandas_and_missing_values(self):
        pd = pytest.importorskip("pandas")
        X, y = tables.binary()
        X[::7, 1] = np.nan
        frame = pd.DataFrame(X, columns=list("abcdef"))
        frame["g"] = pd.Categorical(np.where(X[:, 0] > 0, "up", "down"))
        booster = fl.train(QUICK, dataset(frame, pd.Series(y)), 5, loss=FOCAL)
        again = lgb.Booster(model_str=booster.model_to_string())
        assert_array_equal(again.predict(frame), booster.predict(frame))
        assert booster.pandas_categorical == [["down", "up"]]

    def test_data_from_a_file(self, data, tmp_path):
        X, y = data
        path = tmp_path / "train.csv"
        np.savetxt(path, np.column_stack([y, X]), delimiter=",")
        params = {**QUICK, "header": False, "max_bin": 63}
        from_file = fl.train(params, lgb.Dataset(str(path)), 5, loss=FOCAL)
        direct = fl.train(params, dataset(X, y), 5, loss=FOCAL)
        assert_allclose(margins(from_file, X), margins(direct, X), rtol=1e-6)

    def test_subset_and_dataset_parameters(self, data):
        X, y = data
        d = dataset(X, y, params={"max_bin": 31}, free_raw_data=False)
        booster = fl.train({**QUICK, "max_bin": 31}, d.subset(range(1000)), 5, loss=FOCAL)
        assert booster.num_trees() == 5


class TestMetric:
    def test_value_name_and_direction(self, data):
        X, y = data
        w = tables.weights(len(y))
        z = np.random.default_rng(0).normal(size=len(y))
        d = dataset(X, y, weight=w).construct()
        expected = np.average(FOCAL.loss(y, z), weights=w)
        assert fl.Metric(FOCAL)(z, d) == ("focal_loss", pytest.approx(expected), False)
        assert fl.Metric(FOCAL)(y, z, w) == ("focal_loss", pytest.approx(expected), False)

    def test_drives_early_stopping(self, data):
        X, y = data
        train = dataset(X[:1000], y[:1000])
        valid = dataset(X[1000:], y[1000:], reference=train)
        seen = {}
        callbacks = [lgb.early_stopping(5, verbose=False), lgb.record_evaluation(seen)]
        booster = fl.train(QUICK, train, 300, loss=FOCAL, valid_sets=[valid], callbacks=callbacks)
        history = seen["valid_0"]["focal_loss"]
        assert list(seen["valid_0"]) == ["focal_loss"]
        assert booster.best_iteration == np.argmin(history) + 1
        assert booster.best_score["valid_0"]["focal_loss"] == min(history)
        z = margins(booster, X[1000:])
        assert_allclose(FOCAL.loss(y[1000:], z).mean(), min(history), rtol=1e-9)

    def test_next_to_ranking_metrics_and_the_users(self, data):
        X, y = data
        d = dataset(X, y)
        seen = {}

        def spread(margin, data):
            return "spread", float(np.ptp(margin)), True

        fl.train({**QUICK, "metric": "auc,average_precision"}, d, 3, loss=FOCAL, valid_sets=[d],
                 feval=spread, callbacks=[lgb.record_evaluation(seen)])  # fmt: skip
        assert list(seen["training"]) == ["auc", "average_precision", "spread", "focal_loss"]


class TestCv:
    def test_each_fold_has_its_own_prior_and_finalized_booster(self, data):
        X, y = data
        rows = np.arange(len(y))
        folds = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
        table = fl.cv(
            QUICK, dataset(X, y, free_raw_data=False), 8, loss=FOCAL, folds=folds,
            return_cvbooster=True,
        )  # fmt: skip
        values = []
        for booster, (train, test) in zip(table["cvbooster"].boosters, folds, strict=True):
            z = margins(booster, X[test])
            assert_allclose(booster.predict(X[test]), expit(z), rtol=1e-12)
            values.append(FOCAL.loss(y[test], z).mean())
            flat = np.full(len(train), FOCAL.intercept(y[train]))
            assert (
                FOCAL.loss(y[train], margins(booster, X[train])).mean()
                < FOCAL.loss(y[train], flat).mean()
            )
        assert_allclose(table["valid focal_loss-mean"][-1], np.mean(values), rtol=1e-6)

    def test_users_fpreproc_runs_first(self, data):
        calls = []

        def watch(train, test, params):
            calls.append(train)
            return train, test, params

        fl.cv(QUICK, dataset(*data), 2, loss=FOCAL, nfold=3, fpreproc=watch)
        assert len(calls) == 3

    def test_softmax_early_stopping(self, classes):
        table = fl.cv(QUICK, dataset(*classes), 200, loss=SOFTMAX, nfold=3,
                      callbacks=[lgb.early_stopping(5, verbose=False)])  # fmt: skip
        history = table["valid focal_loss-mean"]
        assert len(history) == np.argmin(history) + 1 < 200


class TestFinalize:
    def trained(self, data, loss=FOCAL, **params):
        X, y = data
        return lgb.train({**QUICK, "objective": fl.Objective(loss), **params}, dataset(X, y), 5)

    def test_adds_the_link_and_the_constant(self, data):
        X, _ = data
        booster = self.trained(data)
        before = booster.predict(X)  # margins: LightGBM knows no link
        assert fl.finalize(booster, FOCAL, init_score=-1.5) is booster
        assert_allclose(margins(booster, X), before - 1.5, rtol=1e-12)
        assert_allclose(booster.predict(X), expit(before - 1.5), rtol=1e-12)
        text = booster.model_to_string()
        assert "\nobjective=binary sigmoid:1\n" in text
        assert "\n[objective: binary]\n" in text

    def test_softmax(self, classes):
        X, _ = classes
        booster = self.trained(classes, SOFTMAX, num_class=3)
        before = booster.predict(X)
        fl.finalize(booster, SOFTMAX, init_score=[0.1, -2.0, 0.0])
        assert_allclose(
            margins(booster, X), before + np.array([0.1, -2.0, 0.0]), rtol=1e-12, atol=1e-12
        )
        assert_allclose(booster.predict(X).sum(axis=1), 1)

    def test_inner_nodes_follow_their_leaves(self, data):
        """SHAP and single-tree tools read the values of inner nodes."""
        X, y = data
        booster = fl.train(QUICK, dataset(X, y), 3, loss=FOCAL)
        contributions = booster.predict(X, pred_contrib=True)
        assert_allclose(contributions.sum(axis=1), margins(booster, X), rtol=1e-6, atol=1e-9)
        root = booster.dump_model()["tree_info"][0]["tree_structure"]["internal_value"]
        assert_allclose(root, FOCAL.intercept(y), atol=0.3)

    def test_errors(self, data, classes):
        booster = self.trained(data)
        for bad in (np.nan, [1.0, 2.0]):
            with pytest.raises(ValueError, match=r"init_score must be 1 finite number"):
                fl.finalize(booster, FOCAL, init_score=bad)
        with pytest.raises(ValueError, match="booster must have 3 trees per iteration"):
            fl.finalize(booster, SOFTMAX)
        with pytest.raises(TypeError, match="loss must be"):
            fl.finalize(booster, "focal")
        fl.finalize(booster, FOCAL, init_score=1.0)
        with pytest.raises(ValueError, match="already finalized"):
            fl.finalize(booster, FOCAL, init_score=1.0)

    @pytest.mark.parametrize("tree", [0, 2])
    def test_a_form_it_does_not_understand_changes_nothing(self, data, monkeypatch, tree):
        X, _ = data
        booster = self.trained(data)
        before = booster.predict(X)
        right = fl._with_shift

        def wrong(text, shift, exact):
            if tree == 0:
                return text
            head, tail = right(text, shift, exact).split(f"Tree={tree}\n")
            return f"{head}Tree={tree}\n" + re.sub(r"(leaf_value=-?0\.).", r"\g<1>9", tail, count=1)

        monkeypatch.setattr(fl, "_with_shift", wrong)
        with pytest.raises(RuntimeError, match="does not hold the values it should"):
            fl.finalize(booster, FOCAL, init_score=1.0)
        assert_array_equal(booster.predict(X), before)


class TestBadInput:
    """Everything is refused before a tree is grown."""

    @pytest.fixture(autouse=True)
    def no_training(self, monkeypatch):
        def never(*args, **kwargs):
            raise AssertionError("training has started")

        monkeypatch.setattr(lgb, "train", never)
        monkeypatch.setattr(lgb, "cv", never)

    @pytest.mark.parametrize("entry", [fl.train, fl.cv])
    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"objective": "regression"}, "objective must be 'binary' or left out"),
            ({"application": "cross_entropy"}, "objective must be 'binary' or left out"),
            ({"boosting": "rf"}, "boosting must not be 'rf'"),
            ({"boosting_type": "random_forest"}, "boosting must not be 'random_forest'"),
            ({"scale_pos_weight": 10}, r"give the loss alpha=\(1, scale_pos_weight\)"),
            ({"is_unbalance": True}, r"give the loss alpha=balanced_alpha\(y\)"),
            ({"unbalance": True}, r"give the loss alpha=balanced_alpha\(y\)"),
            ({"metric": "binary_logloss"}, r"metric must be one of .*computes others on margins"),
            ({"metrics": ["auc", "cross_entropy"]}, r"metric must be one of .*got 'cross_entropy'"),
            ({"metric": ["rmse"]}, r"metric must be one of .*got 'rmse'"),
            ({"metric": "aucpr"}, r"metric must be one of .*got 'aucpr'"),
            ({"metric": "auc, binary_error"}, r"metric must be one of .*got 'binary_error'"),
            ({"num_class": 3}, "num_class must be 1"),
            ({"num_machines": 2}, "num_machines must be 1"),
            ({"machines": "a:1,b:2"}, "num_machines must be 1"),
        ],
    )
    def test_parameters(self, data, entry, params, message):
        with pytest.raises(ValueError, match=message):
            entry(params, dataset(*data), 5, loss=FOCAL)

    @pytest.mark.parametrize("entry", [fl.train, fl.cv])
    def test_labels(self, data, entry):
        X, y = data
        for bad in (-1.0, 2.0, 0.5):
            with pytest.raises(ValueError, match=f"labels must be 0 or 1, got {bad} at row 3"):
                entry(QUICK, dataset(X, np.where(np.arange(len(y)) == 3, bad, y)), loss=FOCAL)
        with pytest.raises(ValueError, match=r"labels must be whole numbers in 0 .. 2, got 3.0"):
            entry(QUICK, dataset(X, np.arange(len(y)) % 4), loss=SOFTMAX)

    @pytest.mark.parametrize("entry", [fl.train, fl.cv])
    def test_missing_or_string_labels(self, data, entry):
        X, y = data
        with pytest.raises((ValueError, lgb.basic.LightGBMError)):
            entry(QUICK, dataset(X, None), loss=FOCAL)
        with pytest.raises((ValueError, TypeError)):
            entry(QUICK, dataset(X, np.where(y == 1, "yes", "no")), loss=FOCAL)

    @pytest.mark.parametrize("entry", [fl.train, fl.cv])
    def test_single_class(self, data, entry):
        X, _ = data
        for label in (0, 1):
            with pytest.raises(ValueError, match=f"got only class {label}"):
                entry(QUICK, dataset(X, np.full(len(X), label)), loss=FOCAL)

    def test_weights(self, data):
        X, y = data
        with pytest.raises(ValueError, match="must not be all zero"):
            fl.train(QUICK, dataset(X, y, weight=np.zeros(len(y))), loss=FOCAL)
        with pytest.raises(ValueError, match=r"finite and >= 0, got -1.0 at row 0"):
            fl.train(QUICK, dataset(X, y, weight=np.full(len(y), -1.0)), loss=FOCAL)

    def test_keep_training_booster(self, data):
        with pytest.raises(ValueError, match="pass the booster as init_model"):
            fl.train(QUICK, dataset(*data), loss=FOCAL, keep_training_booster=True)

    @pytest.mark.parametrize("entry", [fl.train, fl.cv])
    def test_kinds(self, data, entry):
        X, _ = data
        with pytest.raises(TypeError, match=r"must be lightgbm.Dataset, got ndarray"):
            entry(QUICK, X, loss=FOCAL)
        with pytest.raises(TypeError, match="loss must be"):
            entry(QUICK, dataset(*data), loss=2.0)
        with pytest.raises(TypeError, match="fobj must not be given"):
            entry(QUICK, dataset(*data), loss=FOCAL, fobj=lambda *a: a)
        with pytest.raises(TypeError, match="loss"):
            entry(QUICK, dataset(*data))


@pytest.mark.slow
@pytest.mark.parametrize("many", [False, True], ids=["binary", "softmax"])
def test_opencl(many, tmp_path):
    """device_type="gpu" gives the model of the processor; pocl is an OpenCL device on the processor."""
    try:
        files = importlib.metadata.files("pocl-binary-distribution") or ()
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("no OpenCL device: pip install pocl-binary-distribution brings one")
    (library,) = (file for file in files if "libpocl" in file.name)
    code = f"""
import lightgbm as lgb, numpy as np
import focalboost.lightgbm as fl
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss
from tests.hosts import tables
X, y = tables.{"multiclass" if many else "binary"}()
loss = {SOFTMAX if many else FOCAL!r}
params = {{"verbosity": -1, "num_threads": 1, "max_bin": 63, "gpu_use_dp": True, "lambda_l2": 1.0}}
one, other = (
    fl.train(params | device, lgb.Dataset(X, y), 10, loss=loss).predict(X, raw_score=True)
    for device in ({{}}, {{"device_type": "gpu"}})
)
assert abs(one).max() > 1
np.testing.assert_allclose(other, one, atol=1e-6)
"""
    environment = {**os.environ, "OCL_ICD_FILENAMES": str(library.locate())}
    root = str(Path(__file__).parents[2])
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=root, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_names_with_spaces(data):
    """Constructing makes underscores of them, in the training set and in what refers to it."""
    pd = pytest.importorskip("pandas")
    X, y = data
    frame = pd.DataFrame(X, columns=[f"a {i}" for i in range(6)])
    frame["is online"] = pd.Categorical(np.where(X[:, 0] > 0, "yes", "no"))
    train_set, valid = lgb.Dataset(frame, y), lgb.Dataset(frame, y)
    booster = fl.train(QUICK, train_set, 3, loss=FOCAL, valid_sets=[valid])
    assert booster.feature_name()[-1] == "is_online"


def test_no_labels(data):
    with pytest.raises(ValueError, match="labels must be set on train_set, got a Dataset without"):
        fl.train(QUICK, lgb.Dataset(data[0]), 3, loss=FOCAL)
    with pytest.raises(ValueError, match="labels must be set on train_set, got a Dataset without"):
        fl.cv(QUICK, lgb.Dataset(data[0]), 3, loss=FOCAL)
    valid = lgb.Dataset(data[0])  # else all of its rows would count as negatives
    with pytest.raises(ValueError, match="labels must be set on valid_sets, got a Dataset without"):
        fl.train(QUICK, lgb.Dataset(*data), 3, loss=FOCAL, valid_sets=[valid])

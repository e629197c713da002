"""LightGBM: objective, metric, train, cv and finalize, and what its custom objectives do differently."""

import copy
import dataclasses
import importlib.metadata
import inspect
import pickle
import re

import lightgbm as lgb
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax

import focalboost
import focalboost.lightgbm as fl
from focalboost import BinaryFocalLoss, _kernel, _lightgbm_model
from tests.hosts import tables
from tests.hosts.models import FOCAL, LIGHTGBM, SOFTMAX, loss_for
from tests.processes import run_python


def margins(booster, X, **keywords):
    return booster.predict(X, raw_score=True, **keywords)


VALUES = [
    fl.Objective(FOCAL),
    fl.Objective(SOFTMAX, "exact", n_threads=2),
    fl.Metric(FOCAL),
    fl.Metric(SOFTMAX),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
class TestValues:
    """Objectives and metrics are values: frozen, and equal by their parameters."""

    def test_copies_are_equal(self, value):
        again = pickle.loads(pickle.dumps(value))
        assert again == value
        assert vars(again) == vars(value)
        assert hash(again) == hash(value)
        assert copy.copy(value) is value
        assert copy.deepcopy(value) is value  # lightgbm.train deep-copies its parameters
        assert vars(eval(repr(value), {**vars(focalboost), **vars(fl)})) == vars(value)

    def test_fields_are_fixed(self, value):
        for field in dataclasses.fields(value):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, field.name, None)

    def test_is_no_estimator(self, value):
        assert not hasattr(value, "get_params")  # GridSearchCV would vary objective__gamma

    def test_has_the_three_parameters_that_lightgbm_counts(self, value):
        parameters = inspect.signature(value).parameters.values()
        assert len(parameters) == 3
        assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)


class TestObjective:
    def test_objective_of_train(self, binary):
        X, y = binary
        params = {**LIGHTGBM, "objective": fl.Objective(FOCAL), "metric": "None"}
        from_zero = lgb.train(params, lgb.Dataset(X, y), 20)
        same = fl.train(LIGHTGBM, lgb.Dataset(X, y, init_score=np.zeros(len(y))), 20, loss=FOCAL)
        assert_array_equal(from_zero.predict(X), margins(same, X))

    def test_objective_of_cv(self, binary):
        params = {**LIGHTGBM, "objective": fl.Objective(FOCAL), "metric": "None"}
        table = lgb.cv(params, lgb.Dataset(*binary), 5, feval=fl.Metric(FOCAL))
        assert list(table) == ["valid focal_loss-mean", "valid focal_loss-stdv"]

    @pytest.mark.parametrize("weighted", [False, True])
    def test_objective_of_the_classifier(self, binary, weighted):
        X, y = binary
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
        native = lgb.train(
            {**LIGHTGBM, "objective": fl.Objective(FOCAL)}, lgb.Dataset(X, y, weight=w), 20
        )
        assert_array_equal(model.predict(X, raw_score=True), native.predict(X))

    def test_class_weight_of_the_classifier(self, binary):
        X, y = binary
        keywords = {"objective": fl.Objective(FOCAL), "n_estimators": 5, "verbosity": -1}
        plain = lgb.LGBMClassifier(**keywords).fit(X, y)
        heavy = lgb.LGBMClassifier(**keywords, class_weight={0: 1, 1: 10}).fit(X, y)
        means = [model.predict(X, raw_score=True).mean() for model in (plain, heavy)]
        assert means[1] > means[0] + 0.1

    def test_softmax_objective_of_the_classifier(self, multiclass):
        X, y = multiclass
        model = lgb.LGBMClassifier(objective=fl.Objective(SOFTMAX), n_estimators=10, verbosity=-1)
        z = model.fit(X, y).predict(X, raw_score=True)
        assert z.shape == (len(y), 3)
        assert (z.argmax(axis=1) == y).mean() > 0.7  # the largest class: 0.5

    @pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")  # from 4.7 on
    def test_eval_metric_of_the_classifier(self, binary):
        X, y = binary
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

    def test_returns_arrays_that_lightgbm_reads_without_copying(self, each_table):
        X, y = each_table
        shape = (len(y),) if y.max() == 1 else (len(y), 3)
        z = np.asfortranarray(np.random.default_rng(0).normal(size=shape))
        before = z.copy()
        z.setflags(write=False)  # LightGBM passes memory that it continues to use
        for a in fl.Objective(loss_for(y))(z, lgb.Dataset(X, y).construct()):
            assert a.dtype == np.float32
            assert a.flags.f_contiguous
            assert a.shape == shape
            assert not np.shares_memory(a, z)
        assert_array_equal(z, before)

    def test_a_metric_on_the_training_set_changes_nothing(self, multiclass):
        """LightGBM passes a metric the margins with which it continues to train."""
        X, y = multiclass
        plain = fl.train(LIGHTGBM, lgb.Dataset(X, y), 5, loss=SOFTMAX)
        d = lgb.Dataset(X, y)
        watched = fl.train(LIGHTGBM, d, 5, loss=SOFTMAX, valid_sets=[d])
        assert_array_equal(margins(plain, X), margins(watched, X))

    def test_softmax_curvature_has_lightgbms_factor(self, multiclass):
        X, y = multiclass
        z = np.random.default_rng(0).normal(size=(len(y), 3))
        _, given = fl.Objective(SOFTMAX)(z, lgb.Dataset(X, y).construct())
        expected = (1.5 * SOFTMAX.gradient_curvature(y, z)[1]).astype(np.float32)
        assert_array_equal(given, expected)

    def test_computes_in_double_precision(self, binary):
        X, y = binary
        z = np.random.default_rng(0).normal(size=len(y)) * 5
        given = fl.Objective(FOCAL)(z, lgb.Dataset(X, y).construct())
        for a, b in zip(given, FOCAL.gradient_curvature(y, z), strict=True):
            assert_array_equal(a, b.astype(np.float32))

    @pytest.mark.parametrize(
        ("params", "n_threads"),
        [({}, None), ({"num_threads": 3}, 3), ({"n_jobs": 2}, 2), ({"nthread": 0}, None),
         ({"num_thread": -1}, None), ({"nthreads": "4"}, 4)],
        ids=str,
    )  # fmt: skip
    def test_follows_the_threads_of_lightgbm(self, params, n_threads):
        assert fl.objective_for(FOCAL, "guarded", params).n_threads == n_threads

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ((None,), TypeError, "loss must be a BinaryFocalLoss or SoftmaxFocalLoss"),
            ((FOCAL, "newton"), ValueError, "curvature must be one of"),
            ((FOCAL, "exact", 0), ValueError, "n_threads must be an integer >= 1 or None, got 0"),
        ],
        ids=str,
    )
    def test_wrong_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            fl.Objective(*arguments)

    def test_wrong_labels(self, multiclass):
        params = {**LIGHTGBM, "objective": fl.Objective(FOCAL)}
        with pytest.raises(ValueError, match=r"labels must be 0 or 1, got 2\.0"):
            lgb.train(params, lgb.Dataset(*multiclass), 1)

    def test_softmax_without_num_class(self, multiclass):
        params = {**LIGHTGBM, "objective": fl.Objective(SOFTMAX)}
        with pytest.raises(ValueError, match=r"margin must have shape \(n, 3\).*num_class=3"):
            lgb.train(params, lgb.Dataset(*multiclass), 1)


# One split per tree: deeper trees also depend on the number of rows, which weights do not change. A bin
# for each value: rows without weight then move no edge of a bin.
STUMPS = {**LIGHTGBM, "num_leaves": 2, "min_data_in_leaf": 1, "max_bin": 8000, "min_data_in_bin": 1}


class TestModel:
    """The trained model is a native one, and starts from the intercept of the focal loss."""

    def test_reloads_and_predicts_scores(self, binary, tmp_path):
        X, y = binary
        booster = fl.train(LIGHTGBM, lgb.Dataset(X, y), 20, loss=FOCAL)
        booster.save_model(tmp_path / "model.txt")
        again = lgb.Booster(model_file=tmp_path / "model.txt")
        assert_array_equal(margins(again, X), margins(booster, X))
        assert_allclose(again.predict(X), expit(margins(booster, X)), rtol=1e-14)
        assert_array_equal(again.predict(X), booster.predict(X))
        assert_array_equal(pickle.loads(pickle.dumps(booster)).predict(X), booster.predict(X))

    def test_softmax_reloads_and_predicts_scores(self, multiclass):
        X, y = multiclass
        booster = fl.train(LIGHTGBM, lgb.Dataset(X, y), 10, loss=SOFTMAX)
        again = lgb.Booster(model_str=booster.model_to_string())
        assert_array_equal(margins(again, X), margins(booster, X))
        assert_allclose(again.predict(X), softmax(margins(booster, X), axis=1), rtol=1e-12)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_starts_from_the_intercept(self, binary, weighted):
        X, y = binary
        w = tables.weights(len(y)) if weighted else None
        flat = fl.train(
            {**LIGHTGBM, "learning_rate": 1e-12}, lgb.Dataset(X, y, weight=w), 1, loss=FOCAL
        )
        assert_allclose(margins(flat, X), FOCAL.intercept(y, w), rtol=1e-10)

    def test_softmax_starts_from_the_intercept(self, multiclass):
        X, y = multiclass
        flat = fl.train({**LIGHTGBM, "learning_rate": 1e-12}, lgb.Dataset(X, y), 1, loss=SOFTMAX)
        assert_allclose(margins(flat, X)[0], SOFTMAX.intercept(y), rtol=1e-10)

    def test_a_given_init_score_is_not_part_of_the_model(self, binary):
        X, y = binary
        d = lgb.Dataset(X, y, init_score=np.full(len(y), 0.7))
        flat = fl.train({**LIGHTGBM, "learning_rate": 1e-12}, d, 1, loss=FOCAL)
        assert_allclose(margins(flat, X), 0, atol=1e-9)
        assert_array_equal(d.get_init_score(), 0.7)

    def test_datasets_are_as_before(self, binary):
        X, y = binary
        train, valid = lgb.Dataset(X[:1000], y[:1000]), lgb.Dataset(X[1000:], y[1000:])
        first = fl.train(LIGHTGBM, train, 5, loss=FOCAL, valid_sets=[valid, train])
        for d in (train, valid):
            assert d.get_init_score() is None
            assert d.get_field("init_score") is None
        second = fl.train(LIGHTGBM, train, 5, loss=FOCAL, valid_sets=valid)
        assert_array_equal(margins(first, X), margins(second, X))
        log = {**LIGHTGBM, "objective": "binary"}
        unused = lgb.train(log, lgb.Dataset(X[:1000], y[:1000]), 5)
        assert_array_equal(lgb.train(log, train, 5).predict(X), unused.predict(X))

    def test_datasets_are_as_before_after_a_failure(self, binary):
        X, y = binary
        d = lgb.Dataset(X, y)

        def fails(_margin, _data):
            raise RuntimeError("no")

        with pytest.raises(RuntimeError, match="no"):
            fl.train(LIGHTGBM, d, 5, loss=FOCAL, valid_sets=[d], feval=fails)
        assert d.get_init_score() is None

    def test_weights_change_the_model(self, binary):
        X, y = binary
        plain = fl.train(LIGHTGBM, lgb.Dataset(X, y), 5, loss=FOCAL)
        weighted = fl.train(LIGHTGBM, lgb.Dataset(X, y, weight=1 + 9 * y), 5, loss=FOCAL)
        assert margins(weighted, X).mean() > margins(plain, X).mean() + 0.3

    def test_rows_of_weight_zero_are_absent(self, binary):
        X, y = binary
        keep = np.arange(len(y)) % 4 > 0
        weighted = fl.train(STUMPS, lgb.Dataset(X, y, weight=keep.astype(float)), 20, loss=FOCAL)
        without = fl.train(STUMPS, lgb.Dataset(X[keep], y[keep]), 20, loss=FOCAL)
        assert_allclose(FOCAL.intercept(y, keep), FOCAL.intercept(y[keep]))
        assert_allclose(margins(weighted, X[keep]), margins(without, X[keep]), atol=1e-6)
        assert np.isfinite(margins(weighted, X)).all()

    def test_integer_weights_are_repeated_rows(self, binary):
        X, y = binary
        w = 1 + np.arange(len(y)) % 3
        rows = np.repeat(np.arange(len(y)), w)
        weighted = fl.train(STUMPS, lgb.Dataset(X, y, weight=w), 20, loss=FOCAL)
        repeated = fl.train(STUMPS, lgb.Dataset(X[rows], y[rows]), 20, loss=FOCAL)
        assert_allclose(margins(weighted, X), margins(repeated, X), atol=1e-6)

    def test_continued_training_keeps_the_old_trees_and_the_intercept(self, binary, tmp_path):
        X, y = binary
        first = fl.train(LIGHTGBM, lgb.Dataset(X, y), 10, loss=FOCAL)
        first.save_model(tmp_path / "first.txt")
        whole = fl.train(LIGHTGBM, lgb.Dataset(X, y), 20, loss=FOCAL)
        for model in (first, tmp_path / "first.txt"):
            more = fl.train(LIGHTGBM, lgb.Dataset(X, y), 10, loss=FOCAL, init_model=model)
            assert more.num_trees() == 20
            assert_allclose(margins(more, X, num_iteration=10), margins(first, X), rtol=1e-12)
            assert_allclose(margins(more, X), margins(whole, X), atol=1e-6)

    def test_posterior_is_calibrated_and_the_score_is_not(self):
        X, y = tables.binary(n=20_000)
        loss = BinaryFocalLoss(3.0)
        params = {**LIGHTGBM, "learning_rate": 0.1}
        booster = fl.train(params, lgb.Dataset(X[:10_000], y[:10_000]), 40, loss=loss)
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
    def test_intercept_is_in_the_model_whatever_the_trees(self, each_table, params):
        X, y = each_table
        loss = loss_for(y)
        d = lgb.Dataset(X[:1500], y[:1500])
        v = lgb.Dataset(X[1500:], y[1500:], reference=d)
        seen = {}
        booster = fl.train(
            {**LIGHTGBM, **params}, d, 10, loss=loss, valid_sets=[v],
            callbacks=[lgb.record_evaluation(seen)],
        )  # fmt: skip
        # The metric was computed from init_score and trees, the prediction from the finished model.
        last = seen["valid_0"]["focal_loss"][-1]
        assert_allclose(loss.loss(y[1500:], margins(booster, X[1500:])).mean(), last, rtol=1e-6)

    def test_dart_and_a_metric_on_the_training_set(self, binary):
        """LightGBM alone trains a wrong model with any custom objective; fl.train refuses it."""
        X, y = binary
        dart = {**LIGHTGBM, "boosting": "dart", "drop_rate": 0.5}
        params = {**dart, "objective": fl.Objective(FOCAL)}
        d = lgb.Dataset(X, y)
        right = lgb.train(params, d, 10)
        wrong = lgb.train(params, d, 10, feval=fl.Metric(FOCAL), valid_sets=[d])
        loss = [FOCAL.loss(y, margins(booster, X)).mean() for booster in (right, wrong)]
        assert loss[1] > 1.5 * loss[0]
        with pytest.raises(ValueError, match="valid_sets must not contain train_set"):
            fl.train({"boost": "dart"}, d, 10, loss=FOCAL, valid_sets=[d])

    def test_no_split_possible(self):
        X = np.arange(200.0).reshape(-1, 1)
        y = np.arange(200) < 20
        booster = fl.train({**LIGHTGBM, "min_gain_to_split": 1e9}, lgb.Dataset(X, y), 5, loss=FOCAL)
        assert_allclose(FOCAL.posterior(margins(booster, X)), 0.1)

    def test_categories_pandas_and_missing_values(self):
        pd = pytest.importorskip("pandas")
        X, y = tables.binary()
        X[::7, 1] = np.nan
        frame = pd.DataFrame(X, columns=list("abcdef"))
        frame["g"] = pd.Categorical(np.where(X[:, 0] > 0, "up", "down"))
        booster = fl.train(LIGHTGBM, lgb.Dataset(frame, pd.Series(y)), 5, loss=FOCAL)
        again = lgb.Booster(model_str=booster.model_to_string())
        assert_array_equal(again.predict(frame), booster.predict(frame))
        assert booster.pandas_categorical == [["down", "up"]]

    def test_data_from_a_file(self, binary, tmp_path):
        X, y = binary
        path = tmp_path / "train.csv"
        np.savetxt(path, np.column_stack([y, X]), delimiter=",")
        params = {**LIGHTGBM, "header": False, "max_bin": 63}
        from_file = fl.train(params, lgb.Dataset(str(path)), 5, loss=FOCAL)
        direct = fl.train(params, lgb.Dataset(X, y), 5, loss=FOCAL)
        assert_allclose(margins(from_file, X), margins(direct, X), rtol=1e-6)

    def test_names_with_spaces(self, binary):
        """LightGBM replaces spaces by underscores, in the training set and in sets that refer to it."""
        pd = pytest.importorskip("pandas")
        X, y = binary
        frame = pd.DataFrame(X, columns=[f"a {i}" for i in range(6)])
        frame["is online"] = pd.Categorical(np.where(X[:, 0] > 0, "yes", "no"))
        train_set, valid = lgb.Dataset(frame, y), lgb.Dataset(frame, y)
        booster = fl.train(LIGHTGBM, train_set, 3, loss=FOCAL, valid_sets=[valid])
        assert booster.feature_name()[-1] == "is_online"

    def test_subset_and_dataset_parameters(self, binary):
        X, y = binary
        d = lgb.Dataset(X, y, params={"max_bin": 31}, free_raw_data=False)
        booster = fl.train({**LIGHTGBM, "max_bin": 31}, d.subset(range(1000)), 5, loss=FOCAL)
        assert booster.num_trees() == 5


class TestMetric:
    def test_value_name_and_direction(self, binary):
        X, y = binary
        w = tables.weights(len(y))
        z = np.random.default_rng(0).normal(size=len(y))
        d = lgb.Dataset(X, y, weight=w).construct()
        expected = np.average(FOCAL.loss(y, z), weights=w)
        assert fl.Metric(FOCAL)(z, d) == ("focal_loss", pytest.approx(expected), False)
        assert fl.Metric(FOCAL)(y, z, w) == ("focal_loss", pytest.approx(expected), False)

    def test_drives_early_stopping(self, binary):
        X, y = binary
        train = lgb.Dataset(X[:1000], y[:1000])
        valid = lgb.Dataset(X[1000:], y[1000:], reference=train)
        seen = {}
        callbacks = [lgb.early_stopping(5, verbose=False), lgb.record_evaluation(seen)]
        booster = fl.train(
            LIGHTGBM, train, 300, loss=FOCAL, valid_sets=[valid], callbacks=callbacks
        )
        history = seen["valid_0"]["focal_loss"]
        assert list(seen["valid_0"]) == ["focal_loss"]
        assert booster.best_iteration == np.argmin(history) + 1
        assert booster.best_score["valid_0"]["focal_loss"] == min(history)
        z = margins(booster, X[1000:])
        assert_allclose(FOCAL.loss(y[1000:], z).mean(), min(history), rtol=1e-9)

    def test_next_to_ranking_metrics_and_the_users_metric(self, binary):
        X, y = binary
        d = lgb.Dataset(X, y)
        seen = {}

        def spread(margin, _data):
            return "spread", float(np.ptp(margin)), True

        fl.train({**LIGHTGBM, "metric": "auc,average_precision"}, d, 3, loss=FOCAL, valid_sets=[d],
                 feval=spread, callbacks=[lgb.record_evaluation(seen)])  # fmt: skip
        assert list(seen["training"]) == ["auc", "average_precision", "spread", "focal_loss"]


class TestCv:
    def test_each_fold_has_an_intercept_and_a_finalized_booster(self, binary):
        X, y = binary
        rows = np.arange(len(y))
        folds = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
        table = fl.cv(
            LIGHTGBM, lgb.Dataset(X, y, free_raw_data=False), 8, loss=FOCAL, folds=folds,
            return_cvbooster=True,
        )  # fmt: skip
        values = []
        for booster, (train, test) in zip(table["cvbooster"].boosters, folds, strict=True):
            z = margins(booster, X[test])
            assert_allclose(booster.predict(X[test]), expit(z), rtol=1e-12)
            values.append(FOCAL.loss(y[test], z).mean())
            start = np.full(len(train), FOCAL.intercept(y[train]))
            losses = [FOCAL.loss(y[train], z).mean() for z in (margins(booster, X[train]), start)]
            assert losses[0] < losses[1]
        assert_allclose(table["valid focal_loss-mean"][-1], np.mean(values), rtol=1e-6)

    def test_users_fpreproc_runs_first(self, binary):
        calls = []

        def watch(train, test, params):
            calls.append(train.construct().get_init_score())
            return train, test, params

        fl.cv(LIGHTGBM, lgb.Dataset(*binary), 2, loss=FOCAL, nfold=3, fpreproc=watch)
        assert calls == [None, None, None]  # the intercept is not set yet

    def test_softmax_early_stopping(self, multiclass):
        table = fl.cv(LIGHTGBM, lgb.Dataset(*multiclass), 200, loss=SOFTMAX, nfold=3,
                      callbacks=[lgb.early_stopping(5, verbose=False)])  # fmt: skip
        history = table["valid focal_loss-mean"]
        assert len(history) == np.argmin(history) + 1 < 200


class TestFinalize:
    def trained(self, table, loss=FOCAL, **params):
        params = {**LIGHTGBM, "objective": fl.Objective(loss), **params}
        return lgb.train(params, lgb.Dataset(*table), 5)

    def test_adds_the_link_and_the_constant(self, binary):
        X, _ = binary
        booster = self.trained(binary)
        before = booster.predict(X)  # margins: LightGBM knows no link
        assert fl.finalize(booster, FOCAL, init_score=-1.5) is booster
        assert_allclose(margins(booster, X), before - 1.5, rtol=1e-12)
        assert_allclose(booster.predict(X), expit(before - 1.5), rtol=1e-12)
        text = booster.model_to_string()
        assert "\nobjective=binary sigmoid:1\n" in text
        assert "\n[objective: binary]\n" in text

    def test_softmax(self, multiclass):
        X, _ = multiclass
        booster = self.trained(multiclass, SOFTMAX, num_class=3)
        before = booster.predict(X)
        fl.finalize(booster, SOFTMAX, init_score=[0.1, -2.0, 0.0])
        assert_allclose(
            margins(booster, X), before + np.array([0.1, -2.0, 0.0]), rtol=1e-12, atol=1e-12
        )
        assert_allclose(booster.predict(X).sum(axis=1), 1)

    def test_inner_nodes_follow_their_leaves(self, binary):
        """SHAP and single-tree tools read the values of inner nodes."""
        X, y = binary
        booster = fl.train(LIGHTGBM, lgb.Dataset(X, y), 3, loss=FOCAL)
        contributions = booster.predict(X, pred_contrib=True)
        assert_allclose(contributions.sum(axis=1), margins(booster, X), rtol=1e-6, atol=1e-9)
        root = booster.dump_model()["tree_info"][0]["tree_structure"]["internal_value"]
        assert_allclose(root, FOCAL.intercept(y), atol=0.3)

    def test_errors(self, binary):
        booster = self.trained(binary)
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

    def test_no_trees(self, binary):
        booster = lgb.Booster({**LIGHTGBM, "objective": "none"}, lgb.Dataset(*binary))
        with pytest.raises(ValueError, match="booster must have trees, got none"):
            fl.finalize(booster, FOCAL)

    @pytest.mark.parametrize("loss", [FOCAL, SOFTMAX])
    def test_parameters_name_the_native_objective(self, loss, each_table):
        """Converters read it."""
        X, y = each_table
        if (len(np.unique(y)) > 2) != (loss is SOFTMAX):
            pytest.skip("the other table")
        booster = fl.train(LIGHTGBM, lgb.Dataset(X, y), 2, loss=loss)
        assert booster.params["objective"] == ("binary" if loss is FOCAL else "multiclass")

    @pytest.mark.parametrize(("tree", "digit"), [(0, ""), (2, "9"), (2, "0")])
    def test_a_model_rewritten_wrongly_is_refused(self, binary, monkeypatch, tree, digit):
        """The booster stays as it was. Another form of LightGBM's files could have this effect."""
        X, _ = binary
        booster = self.trained(binary)
        before = booster.predict(X)
        right = _lightgbm_model._with_shift

        def wrong(text, shift, exact):
            if tree == 0:
                return text
            head, tail = right(text, shift, exact).split(f"Tree={tree}\n")
            changed = re.sub(r"(leaf_value=-?0\.).", rf"\g<1>{digit}", tail, count=1)
            assert changed != tail
            return f"{head}Tree={tree}\n" + changed

        monkeypatch.setattr(_lightgbm_model, "_with_shift", wrong)
        with pytest.raises(RuntimeError, match="does not hold the values it should"):
            fl.finalize(booster, FOCAL, init_score=1.0)
        assert_array_equal(booster.predict(X), before)


class TestBadInput:
    """Wrong input is refused before a tree is grown."""

    @pytest.fixture(autouse=True)
    def no_training(self, monkeypatch):
        def never(*_, **__):
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
    def test_parameters(self, binary, entry, params, message):
        with pytest.raises(ValueError, match=message):
            entry(params, lgb.Dataset(*binary), 5, loss=FOCAL)

    @pytest.mark.parametrize("entry", [fl.train, fl.cv])
    @pytest.mark.parametrize("bad", [-1.0, 2.0, 0.5])
    def test_labels(self, binary, entry, bad):
        X, y = binary
        labels = np.where(np.arange(len(y)) == 3, bad, y)
        with pytest.raises(ValueError, match=f"labels must be 0 or 1, got {bad} at row 3"):
            entry(LIGHTGBM, lgb.Dataset(X, labels), loss=FOCAL)

    @pytest.mark.parametrize("entry", [fl.train, fl.cv])
    def test_labels_of_softmax(self, multiclass, entry):
        X, y = multiclass
        with pytest.raises(ValueError, match=r"labels must be whole numbers in 0 .. 2, got 3.0"):
            entry(LIGHTGBM, lgb.Dataset(X, np.arange(len(y)) % 4), loss=SOFTMAX)

    @pytest.mark.parametrize("entry", [fl.train, fl.cv])
    def test_no_labels(self, binary, entry):
        message = "labels must be set on train_set, got a Dataset without"
        with pytest.raises(ValueError, match=message):
            entry(LIGHTGBM, lgb.Dataset(binary[0]), loss=FOCAL)

    def test_no_labels_of_a_valid_set(self, binary):
        """LightGBM would take all of its rows for negatives."""
        valid = lgb.Dataset(binary[0])
        message = "labels must be set on valid_sets, got a Dataset without"
        with pytest.raises(ValueError, match=message):
            fl.train(LIGHTGBM, lgb.Dataset(*binary), 3, loss=FOCAL, valid_sets=[valid])

    @pytest.mark.parametrize("entry", [fl.train, fl.cv])
    def test_labels_as_text(self, binary, entry):
        X, y = binary
        with pytest.raises(ValueError, match="could not convert string to float"):
            entry(LIGHTGBM, lgb.Dataset(X, np.where(y == 1, "yes", "no")), loss=FOCAL)

    @pytest.mark.parametrize("entry", [fl.train, fl.cv])
    @pytest.mark.parametrize("label", [0, 1])
    def test_single_class(self, binary, entry, label):
        X, _ = binary
        with pytest.raises(ValueError, match=f"got only class {label}"):
            entry(LIGHTGBM, lgb.Dataset(X, np.full(len(X), label)), loss=FOCAL)

    def test_weights(self, binary):
        X, y = binary
        with pytest.raises(ValueError, match="must not be all zero"):
            fl.train(LIGHTGBM, lgb.Dataset(X, y, weight=np.zeros(len(y))), loss=FOCAL)
        with pytest.raises(ValueError, match=r"finite and >= 0, got -1.0 at row 0"):
            fl.train(LIGHTGBM, lgb.Dataset(X, y, weight=np.full(len(y), -1.0)), loss=FOCAL)

    def test_keep_training_booster(self, binary):
        with pytest.raises(ValueError, match="pass the booster as init_model"):
            fl.train(LIGHTGBM, lgb.Dataset(*binary), loss=FOCAL, keep_training_booster=True)

    @pytest.mark.parametrize("entry", [fl.train, fl.cv])
    def test_arguments_of_the_wrong_type(self, binary, entry):
        X, _ = binary
        with pytest.raises(TypeError, match=r"must be lightgbm.Dataset, got ndarray"):
            entry(LIGHTGBM, X, loss=FOCAL)
        with pytest.raises(TypeError, match="loss must be"):
            entry(LIGHTGBM, lgb.Dataset(*binary), loss=2.0)
        with pytest.raises(TypeError, match="fobj must not be given"):
            entry(LIGHTGBM, lgb.Dataset(*binary), loss=FOCAL, fobj=lambda *a: a)
        with pytest.raises(TypeError, match="loss"):
            entry(LIGHTGBM, lgb.Dataset(*binary))


@pytest.mark.slow
@pytest.mark.parametrize("table", ["binary", "multiclass"])
def test_opencl(table):
    """device_type="gpu" trains the model of the CPU; pocl is an OpenCL device that uses the CPU."""
    try:
        files = importlib.metadata.files("pocl-binary-distribution") or ()
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("no OpenCL device: pip install pocl-binary-distribution brings one")
    (library,) = (file for file in files if "libpocl" in file.name)
    code = f"""
import lightgbm as lgb, numpy as np
import focalboost.lightgbm as fl
from tests.hosts import models, tables
X, y = tables.{table}()
params = {{"verbosity": -1, "num_threads": 1, "max_bin": 63, "gpu_use_dp": True, "lambda_l2": 1.0}}
one, other = (
    fl.train(params | device, lgb.Dataset(X, y), 10, loss=models.loss_for(y)).predict(X, raw_score=True)
    for device in ({{}}, {{"device_type": "gpu"}})
)
assert abs(one).max() > 1
np.testing.assert_allclose(other, one, atol=1e-6)
"""
    run_python("-c", code, OCL_ICD_FILENAMES=str(library.locate()))


def test_trees_that_stop_growing():
    """LightGBM goes on while one class can be split; the others get trees of a single leaf."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_000, 3))
    y = np.where(X[:, 0] > 1.5, 2, X[:, 1] + rng.normal(size=2_000) > 0)
    params = {**LIGHTGBM, "min_gain_to_split": 1.0}
    booster = fl.train(params, lgb.Dataset(X, y), 60, loss=SOFTMAX)
    assert "num_leaves=1\n" in booster.model_to_string().partition("Tree=3\n")[2]
    again = lgb.Booster(model_str=booster.model_to_string())
    assert_array_equal(again.predict(X), booster.predict(X))


@pytest.mark.parametrize(
    "more",
    [{}, {"bagging_fraction": 0.7, "bagging_freq": 1}, {"data_sample_strategy": "goss"}],
    ids=["all rows", "bagging", "goss"],
)
def test_arrays_serve_again_because_lightgbm_has_read_them(each_table, more, monkeypatch):
    X, y = each_table
    loss, params = loss_for(y), LIGHTGBM | more
    expected = fl.train(params, lgb.Dataset(X, y), 20, loss=loss).model_to_string()
    places = set()

    class Poisoned(fl._OneRun):
        def __call__(self, margin, data):
            for array in (*(self._out or ()), self._margin):
                if array is not None:
                    array.fill(np.nan)
            found = super().__call__(margin, data)
            places.update(array.ctypes.data for array in found)
            return found

    monkeypatch.setattr(fl, "_OneRun", Poisoned)
    assert fl.train(params, lgb.Dataset(X, y), 20, loss=loss).model_to_string() == expected
    assert len(places) == 2 or _kernel.chosen() == "numpy"

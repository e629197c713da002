"""XGBoost: objective, metric, train and cv, and what its custom objectives do differently."""

import copy
import dataclasses
import gc
import json
import pickle
import weakref
from functools import partial

import numpy as np
import pytest
import xgboost as xgb
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax

import focalboost
import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, SoftmaxFocalLoss, _kernel, _rounds
from tests.hosts import tables
from tests.hosts.changes import Change, other_labels, other_weights
from tests.hosts.models import FOCAL, SOFTMAX, XGBOOST, loss_for


def margins(booster, X):
    return booster.predict(xgb.DMatrix(X), output_margin=True)


VALUES = [
    fx.Objective(FOCAL),
    fx.Objective(SOFTMAX, "exact", n_threads=2),
    fx.Metric(FOCAL),
    fx.Metric(SOFTMAX),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
class TestValues:
    """Objectives and metrics are values: frozen, equal by their parameters, the same after a call."""

    def test_copies_are_equal(self, value):
        again = pickle.loads(pickle.dumps(value))
        assert again == value
        assert vars(again) == vars(value)
        assert hash(again) == hash(value)
        assert copy.copy(value) is value
        assert copy.deepcopy(value) is value
        assert vars(eval(repr(value), {**vars(focalboost), **vars(fx)})) == vars(value)

    def test_fields_are_fixed_and_immutable(self, value):
        for field in dataclasses.fields(value):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, field.name, None)
        immutable = (BinaryFocalLoss, SoftmaxFocalLoss, str, int, type(None))
        assert all(isinstance(content, immutable) for content in vars(value).values())

    def test_is_no_estimator(self, value):
        assert not hasattr(value, "get_params")  # GridSearchCV would vary objective__gamma

    @pytest.mark.parametrize("kernel", ["auto", "numpy"])
    def test_a_call_leaves_nothing_behind(self, value, kernel, monkeypatch):
        monkeypatch.setenv(_kernel.VARIABLE, kernel)
        before, code = dict(vars(value)), hash(value)
        k = value.loss.n_outputs
        y, margin = np.arange(30) % max(k, 2), np.zeros((30, k) if k > 1 else 30, np.float32)
        arrays = [weakref.ref(y), weakref.ref(margin)]
        value(y, margin, np.ones(30))
        del y, margin
        gc.collect()
        assert [array() for array in arrays] == [None, None]
        assert len(_rounds._recent) == 0
        assert vars(value) == before
        assert hash(value) == code
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.deepcopy(value) is value


class TestObjective:
    def test_obj_of_train(self, binary):
        X, y = binary
        obj = fx.Objective(FOCAL)
        d = xgb.DMatrix(X, y)
        params = {**obj.params(y), **XGBOOST}
        direct = xgb.train(params, d, 20, obj=obj, custom_metric=fx.Metric(FOCAL))
        assert_array_equal(margins(direct, X), margins(fx.train(XGBOOST, d, 20, loss=FOCAL), X))

    def test_obj_of_cv(self, binary):
        X, y = binary
        obj = fx.Objective(FOCAL)
        table = xgb.cv(
            {**obj.params(y), **XGBOOST},
            xgb.DMatrix(X, y),
            5,
            obj=obj,
            custom_metric=fx.Metric(FOCAL),
        )
        assert list(table) == [
            *("train-focal_loss-mean", "train-focal_loss-std"),
            *("test-focal_loss-mean", "test-focal_loss-std"),
        ]

    @pytest.mark.parametrize("weighted", [False, True])
    def test_objective_of_the_classifier(self, binary, weighted):
        X, y = binary
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
        native = fx.train(XGBOOST, xgb.DMatrix(X, y, weight=w), 20, loss=FOCAL)
        z = model.predict(X, output_margin=True)
        assert_allclose(z, margins(native, X), rtol=1e-5, atol=1e-6)
        assert_allclose(model.predict_proba(X)[:, 1], expit(z), rtol=1e-5)
        last = model.evals_result()["validation_0"]["focal_loss"][-1]
        assert_allclose(last, np.average(FOCAL.loss(y, z), weights=w), atol=1e-6)  # six decimals

    def test_softmax_objective_of_the_classifier(self, multiclass):
        X, y = multiclass
        obj = fx.Objective(SOFTMAX)
        model = xgb.XGBClassifier(objective=obj, n_estimators=10, n_jobs=1).fit(X, y)
        assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
        assert (model.predict(X) == y).mean() > 0.8

    def test_classifier_in_clone_grid_search_and_pickle(self, binary):
        base = pytest.importorskip("sklearn.base")
        selection = pytest.importorskip("sklearn.model_selection")
        X, y = binary
        model = xgb.XGBClassifier(objective=fx.Objective(FOCAL), n_estimators=5, n_jobs=1)
        assert base.clone(model).objective == fx.Objective(FOCAL)
        losses = [fx.Objective(BinaryFocalLoss(g)) for g in (0.0, 2.0)]
        search = selection.GridSearchCV(
            model, {"objective": losses}, cv=2, scoring="average_precision"
        )
        search.fit(X, y)
        again = pickle.loads(pickle.dumps(search.best_estimator_))
        assert_array_equal(again.predict_proba(X), search.best_estimator_.predict_proba(X))

    def test_returns_arrays_that_xgboost_reads_without_copying(self, each_table):
        X, y = each_table
        loss = loss_for(y)
        shape = (len(y),) if loss is FOCAL else (len(y), 3)
        z = np.asfortranarray(np.random.default_rng(0).normal(size=shape))
        for a in fx.Objective(loss)(z, xgb.DMatrix(X, y)):
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

    def test_softmax_curvature_has_xgboosts_factor_two(self, multiclass):
        X, y = multiclass
        z = np.random.default_rng(0).normal(size=(len(y), 3)).astype(np.float32)
        _, given = fx.Objective(SOFTMAX)(z, xgb.DMatrix(X, y))
        assert_array_equal(given, 2 * SOFTMAX.gradient_curvature(y, z)[1])

    def test_weights_of_the_matrix_are_applied_once(self, binary):
        X, y = binary
        w = tables.weights(len(y))
        z = np.random.default_rng(0).normal(size=len(y)).astype(np.float32)
        given = fx.Objective(FOCAL)(z, xgb.DMatrix(X, y, weight=w))
        for a, b in zip(given, FOCAL.gradient_curvature(y, z, w), strict=True):
            assert_array_equal(a, b)

    @pytest.mark.parametrize(
        ("params", "n_threads"),
        [({}, None), ({"nthread": 3}, 3), ({"n_jobs": 2}, 2), ({"nthread": 0}, None),
         ({"nthread": -1}, None), ({"nthread": "4"}, 4)],
        ids=str,
    )  # fmt: skip
    def test_follows_the_threads_of_xgboost(self, params, n_threads):
        assert fx.objective_for(FOCAL, "guarded", params).n_threads == n_threads

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ((2.0,), TypeError, "loss must be a BinaryFocalLoss or SoftmaxFocalLoss"),
            ((FOCAL, "newton"), ValueError, "curvature must be one of"),
            ((FOCAL, "exact", "tpu"), ValueError, "device must be 'cpu', 'cuda' or"),
            (
                (FOCAL, "exact", "cpu", 0),
                ValueError,
                "n_threads must be an integer >= 1 or None, got 0",
            ),
            ((FOCAL, "exact", "cpu", 2.0), TypeError, "n_threads must be an integer >= 1 or None"),
        ],
        ids=str,
    )
    def test_wrong_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            fx.Objective(*arguments)

    def test_wrong_labels(self, binary):
        X, _ = binary
        with pytest.raises(ValueError, match="without labels"):
            xgb.train(XGBOOST, xgb.DMatrix(X), 1, obj=fx.Objective(FOCAL))
        with pytest.raises(ValueError, match=r"labels must be 0 or 1, got 2.0 at row 0"):
            xgb.train(XGBOOST, xgb.DMatrix(X, np.full(len(X), 2)), 1, obj=fx.Objective(FOCAL))

    def test_weights_next_to_a_matrix(self, binary):
        X, y = binary
        with pytest.raises(TypeError, match="sample_weight must not be given next to a data conta"):
            fx.Objective(FOCAL)(np.zeros(len(y), np.float32), xgb.DMatrix(X, y), np.ones(len(y)))

    def test_softmax_without_num_class(self, multiclass):
        X, y = multiclass
        with pytest.raises(ValueError, match=r"margin must have shape \(n, 3\).*num_class=3"):
            xgb.train(XGBOOST, xgb.DMatrix(X, y), 1, obj=fx.Objective(SOFTMAX))


@pytest.fixture
def labels_read(monkeypatch):
    """A list with one entry for each time that labels of a matrix are read while XGBoost trains."""
    reads = []
    get_label, train, cv = xgb.DMatrix.get_label, xgb.train, xgb.cv

    def recorded(matrix):
        reads.append(matrix)
        return get_label(matrix)

    def counted(run, *arguments, **keywords):
        reads.clear()
        return run(*arguments, **keywords)

    monkeypatch.setattr(xgb.DMatrix, "get_label", recorded)
    monkeypatch.setattr(xgb, "train", partial(counted, train))
    monkeypatch.setattr(xgb, "cv", partial(counted, cv))
    return reads


class TestRounds:
    """Labels and weights are read in each round only where code of the user may change them."""

    def train_three_times(self, table, user):
        """Return margins of fx.train, of xgboost.train with the Objective, and without user(d).

        ``user(d)`` returns keywords with code that changes the matrix.
        """
        X, y = table
        loss = loss_for(y)
        objective = fx.Objective(loss)
        ours, plain, unchanged = (xgb.DMatrix(X, y) for _ in range(3))
        params = {**objective.params(y), **XGBOOST}
        boosters = [
            fx.train(XGBOOST, ours, 6, loss=loss, **user(ours)),
            xgb.train(params, plain, 6, obj=objective, **user(plain)),
            fx.train(XGBOOST, unchanged, 6, loss=loss),
        ]
        return [margins(booster, X) for booster in boosters]

    @pytest.mark.parametrize("change", [other_labels, other_weights])
    def test_callbacks_may_change_the_data(self, each_table, change):
        def user(d):
            return {"callbacks": [Change(change, d)]}

        ours, plain, unchanged = self.train_three_times(each_table, user)
        assert_array_equal(ours, plain)
        assert np.abs(ours - unchanged).max() > 0.1

    @pytest.mark.parametrize("change", [other_labels, other_weights])
    def test_metrics_may_change_the_data(self, each_table, change):
        def user(d):
            rounds = []

            def metric(_margin, _matrix):
                rounds.append(1)
                if len(rounds) == 2:
                    change(d)
                return "metric", 0.0

            return {"custom_metric": metric, "evals": [(d, "train")], "verbose_eval": False}

        ours, plain, unchanged = self.train_three_times(each_table, user)
        assert_array_equal(ours, plain)
        assert np.abs(ours - unchanged).max() > 0.1

    def test_callbacks_of_cv_may_change_the_data(self, binary):
        X, y = binary
        rows = np.arange(len(y))
        folds = [(rows[rows % 2 != k], rows[rows % 2 == k]) for k in range(2)]
        table = fx.cv(XGBOOST, xgb.DMatrix(X, y), 6, loss=FOCAL, folds=folds, as_pandas=False,
                      callbacks=[Change(other_labels)])  # fmt: skip
        values = []
        for train, test in folds:
            d = xgb.DMatrix(X[train], y[train])
            booster = fx.train(XGBOOST, d, 6, loss=FOCAL, callbacks=[Change(other_labels, d)])
            values.append(FOCAL.loss(y[test], margins(booster, X[test])).mean())
        assert_allclose(table["test-focal_loss-mean"][-1], np.mean(values), rtol=1e-6)

    def test_labels_are_read_once(self, each_table, labels_read):
        X, y = each_table
        fx.train(XGBOOST, xgb.DMatrix(X, y), 7, loss=loss_for(y))
        assert len(labels_read) == 1

    def test_labels_are_read_in_each_round_next_to_callbacks(self, binary, labels_read):
        callbacks = [xgb.callback.TrainingCallback()]
        fx.train(XGBOOST, xgb.DMatrix(*binary), 7, loss=FOCAL, callbacks=callbacks)
        assert len(labels_read) == 7

    def test_labels_of_each_fold_are_read_once(self, binary, labels_read):
        """xgboost.cv evaluates the metric on both parts of each fold in each round."""
        fx.cv(XGBOOST, xgb.DMatrix(*binary), 7, loss=FOCAL, nfold=3, as_pandas=False)
        intercepts, gradients, metrics = 3, 3, 7 * 3 * 2
        assert len(labels_read) == intercepts + gradients + metrics


class TestBaseScoreOfClasses:
    """Margins up to XGBoost 3.4; a later one may read them as scores, and is asked."""

    class Started:
        """A model of one round that moved nothing."""

        def __init__(self, margin):
            self.margin = np.asarray(margin, np.float32)

        def predict(self, _, output_margin):
            assert output_margin
            return self.margin[None]

    @pytest.mark.parametrize(("of", "scores"), [(np.asarray, False), (np.log, True)])
    def test_the_probe(self, of, scores, monkeypatch):
        fx._softprob_starts_from_scores.cache_clear()
        monkeypatch.setattr(
            fx.xgb, "train", lambda params, *_: self.Started(of(params["base_score"]))
        )
        assert fx._softprob_starts_from_scores() is scores
        fx._softprob_starts_from_scores.cache_clear()

    def test_either_way_it_is_the_prior(self, multiclass, monkeypatch):
        _, y = multiclass
        share = np.bincount(y.astype(int)) / len(y)
        loss = SoftmaxFocalLoss(3, 2.0, link="canonical")
        for scores in (False, True):
            monkeypatch.setattr(fx, "_softprob_starts_from_scores", lambda s=scores: s)
            start = fx.Objective(loss).params(y)["base_score"]
            assert all(type(value) is float for value in start)
            assert_allclose(start if scores else softmax(start), share, rtol=1e-6)


class TestModel:
    """The trained model is a native one, and starts from the intercept of the focal loss."""

    @pytest.mark.parametrize("kind", ["ubj", "json"])
    def test_reloads_and_predicts_scores(self, binary, tmp_path, kind):
        X, y = binary
        booster = fx.train(XGBOOST, xgb.DMatrix(X, y), 20, loss=FOCAL)
        path = tmp_path / f"model.{kind}"
        booster.save_model(path)
        again = xgb.Booster(model_file=path)
        assert_array_equal(margins(again, X), margins(booster, X))
        assert_allclose(again.predict(xgb.DMatrix(X)), expit(margins(booster, X)), rtol=1e-6)
        config = json.loads(again.save_config())["learner"]
        assert config["objective"]["name"] == "binary:logistic"

    def test_softmax_reloads_and_predicts_scores(self, multiclass, tmp_path):
        X, y = multiclass
        booster = fx.train(XGBOOST, xgb.DMatrix(X, y), 10, loss=SOFTMAX)
        booster.save_model(tmp_path / "model.ubj")
        again = xgb.Booster(model_file=tmp_path / "model.ubj")
        z = margins(again, X)
        assert_array_equal(z, margins(booster, X))
        assert_allclose(again.predict(xgb.DMatrix(X)), softmax(z, axis=1), rtol=1e-5)

    def test_the_classifier_loads_the_model(self, binary, tmp_path):
        X, y = binary
        booster = fx.train(XGBOOST, xgb.DMatrix(X, y), 10, loss=FOCAL)
        booster.save_model(tmp_path / "model.json")
        model = xgb.XGBClassifier()
        model.load_model(tmp_path / "model.json")
        assert_allclose(model.predict_proba(X)[:, 1], booster.predict(xgb.DMatrix(X)), rtol=1e-6)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_starts_from_the_intercept(self, binary, weighted):
        X, y = binary
        w = tables.weights(len(y)) if weighted else None
        # With this learning rate the trees add almost nothing.
        flat = fx.train({"eta": 1e-12}, xgb.DMatrix(X, y, weight=w), 1, loss=FOCAL)
        assert_allclose(margins(flat, X), FOCAL.intercept(y, w), rtol=1e-5)

    def test_softmax_starts_from_the_intercept(self, multiclass):
        X, y = multiclass
        flat = fx.train({"eta": 1e-12}, xgb.DMatrix(X, y), 1, loss=SOFTMAX)
        assert_allclose(margins(flat, X)[0], SOFTMAX.intercept(y), rtol=1e-5)

    def test_a_given_base_score_is_kept(self, binary):
        X, y = binary
        flat = fx.train({"eta": 1e-12, "base_score": 0.5}, xgb.DMatrix(X, y), 1, loss=FOCAL)
        assert_allclose(margins(flat, X), 0, atol=1e-6)

    def test_weights_change_the_model(self, binary):
        X, y = binary
        plain = fx.train(XGBOOST, xgb.DMatrix(X, y), 5, loss=FOCAL)
        weighted = fx.train(XGBOOST, xgb.DMatrix(X, y, weight=1 + 9 * y), 5, loss=FOCAL)
        assert margins(weighted, X).mean() > margins(plain, X).mean() + 0.3

    def test_integer_weights_are_repeated_rows(self, binary):
        X, y = binary
        w = 1 + np.arange(len(y)) % 3
        rows = np.repeat(np.arange(len(y)), w)
        # The exact method: hist would choose other bins for repeated rows.
        params = {**XGBOOST, "tree_method": "exact"}
        weighted = fx.train(params, xgb.DMatrix(X, y, weight=w), 5, loss=FOCAL)
        repeated = fx.train(params, xgb.DMatrix(X[rows], y[rows]), 5, loss=FOCAL)
        assert_allclose(margins(weighted, X), margins(repeated, X), rtol=1e-3, atol=1e-4)

    def test_continued_training_keeps_the_old_trees_and_the_intercept(self, binary, tmp_path):
        X, y = binary
        d = xgb.DMatrix(X, y)
        first = fx.train(XGBOOST, d, 10, loss=FOCAL)
        first.save_model(tmp_path / "first.ubj")
        for model in (first, tmp_path / "first.ubj"):
            more = fx.train(XGBOOST, d, 10, loss=FOCAL, xgb_model=model)
            assert more.num_boosted_rounds() == 20
            old = more.predict(d, output_margin=True, iteration_range=(0, 10))
            assert_array_equal(old, first.predict(d, output_margin=True))
            whole = fx.train(XGBOOST, d, 20, loss=FOCAL)
            assert_allclose(margins(more, X), margins(whole, X), atol=1e-5)

    def test_continued_training_refuses_another_base_score(self, binary):
        d = xgb.DMatrix(*binary)
        first = fx.train(XGBOOST, d, 2, loss=FOCAL)
        with pytest.raises(ValueError, match="base_score must not be given next to xgb_model"):
            fx.train({"base_score": 0.5}, d, 2, loss=FOCAL, xgb_model=first)

    def test_posterior_is_calibrated_and_the_score_is_not(self):
        X, y = tables.binary(n=20_000)
        d = xgb.DMatrix(X[:10_000], y[:10_000])
        booster = fx.train({**XGBOOST, "eta": 0.1}, d, 40, loss=BinaryFocalLoss(3.0))
        z = margins(booster, X[10_000:])
        posterior = BinaryFocalLoss(3.0).posterior(z)
        assert abs(posterior.mean() - y[10_000:].mean()) < 0.02
        assert abs(expit(z).mean() - y[10_000:].mean()) > 0.08

    @pytest.mark.parametrize("link", ["focal", "canonical"])
    def test_several_targets(self, link, binary):
        X, y = binary
        Y = np.stack([y, X[:, 3] > 0.5], axis=1).astype(float)
        w, loss = tables.weights(len(y)), BinaryFocalLoss(2.0, link=link)
        both = fx.train(XGBOOST, xgb.DMatrix(X, Y, weight=w), 10, loss=loss)
        for j in range(2):
            alone = fx.train(XGBOOST, xgb.DMatrix(X, Y[:, j], weight=w), 10, loss=loss)
            assert_allclose(margins(both, X)[:, j], margins(alone, X), atol=1e-5)

    def test_multi_output_tree_of_targets(self, binary):
        X, y = binary
        Y = np.stack([y, X[:, 3] > 0.5], axis=1).astype(float)
        params = {**XGBOOST, "multi_strategy": "multi_output_tree"}
        booster = fx.train(params, xgb.DMatrix(X, Y), 10, loss=FOCAL)
        posterior = FOCAL.posterior(margins(booster, X))
        assert_allclose(posterior.mean(axis=0), Y.mean(axis=0), atol=0.05)

    def test_multi_output_tree_of_classes(self, multiclass):
        X, y = multiclass
        params = {**XGBOOST, "multi_strategy": "multi_output_tree"}
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
    def test_boosters_and_options(self, binary, params):
        X, y = binary
        if params.get("booster") != "gblinear":
            params = {**XGBOOST, **params}
        booster = fx.train(params, xgb.DMatrix(X, y), 10, loss=FOCAL)
        z = margins(booster, X)
        assert np.isfinite(z).all()
        assert FOCAL.loss(y, z).mean() < FOCAL.loss(y, np.full(len(y), FOCAL.intercept(y))).mean()

    def test_quantile_and_external_memory(self, binary, tmp_path):
        X, y = binary

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

        direct = fx.train(XGBOOST, xgb.QuantileDMatrix(X, y), 10, loss=FOCAL)
        external = fx.train(XGBOOST, xgb.ExtMemQuantileDMatrix(Batches()), 10, loss=FOCAL)
        # The bins of the features are found batch by batch: the models are close, not equal.
        assert np.corrcoef(margins(direct, X), margins(external, X))[0, 1] > 0.99

    def test_missing_values_and_categories(self):
        pd = pytest.importorskip("pandas")
        X, y = tables.binary()
        X[::7, 1] = np.nan
        frame = pd.DataFrame(X, columns=list("abcdef"))
        frame["g"] = pd.Categorical(np.where(X[:, 0] > 0, "up", "down"))
        booster = fx.train(XGBOOST, xgb.DMatrix(frame, y, enable_categorical=True), 5, loss=FOCAL)
        assert np.isfinite(booster.predict(xgb.DMatrix(frame, enable_categorical=True))).all()


class TestMetric:
    def test_value_and_name(self, binary):
        X, y = binary
        w = tables.weights(len(y))
        z = np.random.default_rng(0).normal(size=len(y)).astype(np.float32)
        name, value = fx.Metric(FOCAL)(z, xgb.DMatrix(X, y, weight=w))
        assert_allclose(value, np.average(FOCAL.loss(y, z), weights=w), rtol=1e-6)
        assert fx.Metric(FOCAL)(y, z, sample_weight=w) == pytest.approx(value)
        # XGBoost maximises metrics with these beginnings, and cannot read names with these characters.
        assert not name.startswith(("auc", "pre", "map", "ndcg"))
        assert not set(name) & set(" :-\t")
        assert fx.Metric(FOCAL).__name__ == name

    def test_full_value_reaches_the_callbacks(self, binary):
        """XGBoost alone passes six decimals: 0.000013 for 0.0000128."""
        X, y = binary
        d = xgb.DMatrix(X, y)
        tiny = BinaryFocalLoss(2.0, alpha=(1e-6, 1e-6))
        seen, result = [], {}

        class Look(xgb.callback.TrainingCallback):
            def after_iteration(self, _model, _epoch, log):
                seen.append(log["valid"]["focal_loss"][-1])
                return False

        booster = fx.train(
            {**XGBOOST, "min_child_weight": 0, "lambda": 0}, d, 5, loss=tiny,
            evals=[(d, "train"), (d, "valid")], evals_result=result, verbose_eval=False,
            callbacks=[Look()],
        )  # fmt: skip
        last = tiny.loss(y, margins(booster, X)).mean()
        assert 0 < last < 1e-6
        assert_allclose(result["valid"]["focal_loss"][-1], last, rtol=1e-5)
        assert seen == result["valid"]["focal_loss"] == result["train"]["focal_loss"]
        assert np.all(np.diff(seen) < 0)

    def test_all_digits_drive_early_stopping(self, binary):
        X, y = binary
        d, v = xgb.DMatrix(X[:1000], y[:1000]), xgb.DMatrix(X[1000:], y[1000:])
        result = {}
        booster = fx.train(
            {**XGBOOST, "eval_metric": ["auc", "aucpr"]}, d, 300, loss=FOCAL, evals=[(v, "valid")],
            early_stopping_rounds=5, evals_result=result, verbose_eval=False,
        )  # fmt: skip
        history = result["valid"]["focal_loss"]
        assert list(result["valid"]) == ["auc", "aucpr", "focal_loss"]
        assert booster.best_iteration == np.argmin(history)
        assert booster.best_score == min(history)
        assert booster.num_boosted_rounds() == len(history) == booster.best_iteration + 6
        v_margins = booster.predict(
            v, output_margin=True, iteration_range=(0, booster.best_iteration + 1)
        )
        assert_allclose(FOCAL.loss(y[1000:], v_margins).mean(), min(history), rtol=1e-5)

    def test_next_to_the_users_metric(self, binary):
        d = xgb.DMatrix(*binary)
        result = {}

        def spread(margin, _matrix):
            return "spread", float(np.ptp(margin))

        fx.train(XGBOOST, d, 3, loss=FOCAL, evals=[(d, "train")], custom_metric=spread,
                 evals_result=result, verbose_eval=False)  # fmt: skip
        assert list(result["train"]) == ["spread", "focal_loss"]
        assert np.all(np.diff(result["train"]["spread"]) > 0)

    @pytest.mark.parametrize(
        ("params", "evaluated"),
        [({}, ["focal_loss"]), ({"eval_metric": "aucpr"}, ["aucpr", "focal_loss"])],
        ids=str,
    )
    def test_xgboosts_metrics_are_evaluated_if_named(self, binary, params, evaluated):
        d = xgb.DMatrix(*binary)
        result = {}
        fx.train({**XGBOOST, **params}, d, 2, loss=FOCAL, evals=[(d, "t")], evals_result=result,
                 verbose_eval=False)  # fmt: skip
        assert list(result["t"]) == evaluated


class TestCv:
    def test_each_fold_has_an_intercept_and_the_full_metric(self, binary):
        X, y = binary
        d = xgb.DMatrix(X, y)
        rows = np.arange(len(y))
        folds = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
        table = fx.cv(XGBOOST, d, 8, loss=FOCAL, folds=folds, as_pandas=False)
        values = []
        for train, test in folds:
            booster = fx.train(XGBOOST, xgb.DMatrix(X[train], y[train]), 8, loss=FOCAL)
            values.append(FOCAL.loss(y[test], margins(booster, X[test])).mean())
        assert_allclose(table["test-focal_loss-mean"][-1], np.mean(values), rtol=1e-6)
        assert_allclose(table["test-focal_loss-std"][-1], np.std(values), rtol=1e-4)

    def test_users_fpreproc_runs_first(self, binary):
        X, y = binary
        calls = []

        def half(train, test, params):
            calls.append(dict(params))
            return train.slice(np.arange(0, train.num_row(), 2)), test, params

        fx.cv(XGBOOST, xgb.DMatrix(X, y), 2, loss=FOCAL, nfold=3, stratified=True, fpreproc=half,
              early_stopping_rounds=2)  # fmt: skip
        assert len(calls) == 3
        assert not any("base_score" in params for params in calls)  # the intercept is not set yet

    def test_softmax(self, multiclass):
        table = fx.cv(XGBOOST, xgb.DMatrix(*multiclass), 5, loss=SOFTMAX, nfold=3, as_pandas=False)
        assert table["test-focal_loss-mean"][-1] < table["test-focal_loss-mean"][0]


class TestBadInput:
    """Wrong input is refused before a tree is grown."""

    @pytest.fixture(autouse=True)
    def no_training(self, monkeypatch):
        def never(*_, **__):
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
    def test_parameters(self, binary, entry, params, message):
        with pytest.raises(ValueError, match=message):
            entry(params, xgb.DMatrix(*binary), 5, loss=FOCAL)

    @pytest.mark.parametrize("entry", [fx.train, fx.cv])
    def test_num_class(self, multiclass, entry):
        with pytest.raises(ValueError, match=r"num_class must be 3 .*got 4"):
            entry({"num_class": 4}, xgb.DMatrix(*multiclass), 5, loss=SOFTMAX)

    @pytest.mark.parametrize("entry", [fx.train, fx.cv])
    @pytest.mark.parametrize("bad", [-1.0, 2.0, 0.5])
    def test_labels(self, binary, entry, bad):
        X, y = binary
        labels = np.where(np.arange(len(y)) == 3, bad, y)
        with pytest.raises(ValueError, match=f"labels must be 0 or 1, got {bad} at row 3"):
            entry({}, xgb.DMatrix(X, labels), loss=FOCAL)

    @pytest.mark.parametrize("entry", [fx.train, fx.cv])
    def test_labels_of_softmax(self, multiclass, entry):
        X, y = multiclass
        with pytest.raises(ValueError, match=r"labels must be whole numbers in 0 .. 2, got 3.0"):
            entry({}, xgb.DMatrix(X, np.arange(len(y)) % 4), loss=SOFTMAX)

    @pytest.mark.parametrize("entry", [fx.train, fx.cv])
    def test_no_labels(self, binary, entry):
        with pytest.raises(ValueError, match="dtrain, got a DMatrix without labels"):
            entry({}, xgb.DMatrix(binary[0]), loss=FOCAL)

    @pytest.mark.parametrize("entry", [fx.train, fx.cv])
    @pytest.mark.parametrize(("loss", "label"), [(FOCAL, 0), (FOCAL, 1), (SOFTMAX, 2)], ids=repr)
    def test_single_class(self, binary, entry, loss, label):
        X, _ = binary
        with pytest.raises(ValueError, match=f"got only class {label}"):
            entry({}, xgb.DMatrix(X, np.full(len(X), label)), loss=loss)

    def test_weights(self, binary):
        X, y = binary
        with pytest.raises(ValueError, match="must not be all zero"):
            fx.train({}, xgb.DMatrix(X, y, weight=np.zeros(len(y))), loss=FOCAL)

    def test_evals_are_checked_too(self, binary):
        X, y = binary
        with pytest.raises(ValueError, match="labels must be set on valid"):
            fx.train({}, xgb.DMatrix(X, y), loss=FOCAL, evals=[(xgb.DMatrix(X), "valid")])

    @pytest.mark.parametrize("entry", [fx.train, fx.cv])
    def test_arguments_of_the_wrong_type(self, binary, entry):
        X, y = binary
        with pytest.raises(TypeError, match=r"dtrain must be an xgboost.DMatrix, got ndarray"):
            entry({}, X, loss=FOCAL)
        with pytest.raises(TypeError, match="loss must be"):
            entry({}, xgb.DMatrix(X, y), loss="focal")
        with pytest.raises(TypeError, match="obj must not be given"):
            entry({}, xgb.DMatrix(X, y), loss=FOCAL, obj=lambda *a: a)
        with pytest.raises(TypeError, match="loss"):
            entry({}, xgb.DMatrix(X, y))


def test_equals_xgboosts_example_of_a_custom_objective(binary):
    """XGBoost's tests contain log loss as a custom objective: the focal loss at gamma = 0."""
    testing = pytest.importorskip("xgboost.testing", exc_type=ImportError)
    if not hasattr(testing, "logregobj"):
        pytest.skip("this XGBoost does not ship logregobj")
    X, y = binary
    z = np.random.default_rng(0).normal(size=len(y)).astype(np.float32)
    d = xgb.DMatrix(X, y)
    ours = fx.Objective(BinaryFocalLoss(0.0), "exact")(z, d)
    for a, b in zip(ours, testing.logregobj(z, d), strict=True):
        assert_allclose(a, b, rtol=1e-5, atol=1e-7)


class TestArrays:
    """The loop that keeps margins beside the features; a CUDA device runs the same code."""

    @pytest.mark.parametrize(
        "options", [{}, {"subsample": 0.7, "seed": 3}, {"num_parallel_tree": 3}]
    )
    @pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
    def test_is_the_model_of_train(self, weighted, options, each_table):
        X, y = each_table
        w = tables.weights(len(y)) / 3 if weighted else None  # not a float32
        h = len(y) // 2
        d = xgb.QuantileDMatrix(X[:h], y[:h], weight=None if w is None else w[:h])
        v = xgb.QuantileDMatrix(X[h:], y[h:], weight=None if w is None else w[h:], ref=d)
        one, other = {}, {}
        keywords = {"loss": loss_for(y), "early_stopping_rounds": 5, "verbose_eval": False}
        expected = fx.train(
            {**XGBOOST, **options}, d, 60, evals=[(d, "t"), (v, "v")], evals_result=one, **keywords
        )
        rows = fx.Arrays(X[:h], y[:h], None if w is None else w[:h])
        later = fx.Arrays(X[h:], y[h:], None if w is None else w[h:])
        evals = [(rows, "t"), (later, "v")]
        booster = fx.train(
            {**XGBOOST, **options}, rows, 60, evals=evals, evals_result=other, **keywords
        )
        assert bytes(booster.save_raw()) == bytes(expected.save_raw())
        assert booster.best_iteration == expected.best_iteration
        assert booster.best_iteration < 54  # training stopped early
        for name in ("t", "v"):
            assert_array_equal(one[name]["focal_loss"], other[name]["focal_loss"])

    def test_several_targets(self, binary):
        X, y = binary
        both = np.column_stack([y, X[:, 2] > 1])
        expected = fx.train(XGBOOST, xgb.QuantileDMatrix(X, both), 8, loss=FOCAL)
        booster = fx.train(XGBOOST, fx.Arrays(X, both), 8, loss=FOCAL)
        assert bytes(booster.save_raw()) == bytes(expected.save_raw())

    def test_continued(self, binary):
        X, y = binary
        d = xgb.QuantileDMatrix(X, y)
        start = fx.train(XGBOOST, d, 5, loss=FOCAL)
        expected = fx.train(XGBOOST, d, 5, loss=FOCAL, xgb_model=start)
        booster = fx.train(XGBOOST, fx.Arrays(X, y), 5, loss=FOCAL, xgb_model=start)
        assert bytes(booster.save_raw()) == bytes(expected.save_raw())
        assert booster.num_boosted_rounds() == 10

    def test_frames_and_callbacks(self, binary):
        pd = pytest.importorskip("pandas")
        X, y = binary
        frame = pd.DataFrame(X, columns=list("abcdef")).assign(
            g=pd.Categorical(np.where(X[:, 0] > 0, "x", "y"))
        )
        seen = []

        class Watch(xgb.callback.TrainingCallback):
            def after_iteration(self, _model, epoch, log):
                seen.append((epoch, dict(log["v"])))
                return epoch == 3

        table = fx.Arrays(frame, pd.Series(y))
        booster = fx.train(
            XGBOOST, table, 9, loss=FOCAL, evals=[(table, "v")], callbacks=[Watch()],
            verbose_eval=False,
        )  # fmt: skip
        assert booster.num_boosted_rounds() == len(seen) == 4
        assert booster.feature_names == [*"abcdefg"]
        d = xgb.DMatrix(frame, y, enable_categorical=True)
        expected = fx.train(XGBOOST, d, 4, loss=FOCAL)
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
    def test_wrong_parameters(self, params, keywords, message, binary):
        with pytest.raises(ValueError, match=message):
            fx.train({**XGBOOST, **params}, fx.Arrays(*binary), 3, loss=FOCAL, **keywords)

    def train(self, table, *evals):
        return fx.train(XGBOOST, table, 3, loss=FOCAL, evals=list(evals), verbose_eval=False)

    def test_wrong_labels(self, binary):
        X, y = binary
        with pytest.raises(ValueError, match="labels must be 0 or 1, got 2"):
            self.train(fx.Arrays(X, y + 1))
        with pytest.raises(ValueError, match="at least two classes"):
            self.train(fx.Arrays(X, np.zeros(len(y))))

    def test_wrong_evals(self, binary):
        X, y = binary
        good = fx.Arrays(X, y)
        with pytest.raises(ValueError, match="labels must be 0 or 1, got nan"):
            self.train(good, (fx.Arrays(X, np.where(y, np.nan, 0)), "v"))
        with pytest.raises(ValueError, match="v must have 2000 labels, one per row of X, got 1999"):
            self.train(good, (fx.Arrays(X, y[:-1]), "v"))
        with pytest.raises(ValueError, match="sample_weight must be finite and >= 0"):
            self.train(good, (fx.Arrays(X, y, -np.ones(len(y))), "v"))
        with pytest.raises(ValueError, match="evals must have names of their own"):
            self.train(good, (good, "v"), (good, "v"))
        self.train(good, (good, "dtrain"))  # what errors call the training rows is not taken
        with pytest.raises(TypeError, match="v must be Arrays like the training data, got DMatrix"):
            self.train(good, (xgb.DMatrix(X, y), "v"))

    def test_obj_is_refused(self, binary):
        with pytest.raises(TypeError, match="obj must not be given"):
            fx.train(XGBOOST, fx.Arrays(*binary), 3, loss=FOCAL, obj=fx.Objective(FOCAL))


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
def test_arrays_serve_again_because_xgboost_has_read_them(each_table, strategy, monkeypatch):
    X, y = each_table
    d = xgb.DMatrix(X, y)
    params = XGBOOST | {"multi_strategy": strategy, "subsample": 0.7, "seed": 1}
    objective = fx.Objective(loss_for(y))
    expected = xgb.train(params | objective.params(y), d, 8, obj=objective)
    places = set()

    class Poisoned(fx._OneRun):
        def __call__(self, margin, data):
            for array in self._out.get(data, ()):
                array.fill(np.nan)
            found = super().__call__(margin, data)
            places.update(array.ctypes.data for array in found)
            return found

    monkeypatch.setattr(fx, "_OneRun", Poisoned)
    found = fx.train(params, d, 8, loss=loss_for(y))
    assert_array_equal(
        found.predict(d, output_margin=True), expected.predict(d, output_margin=True)
    )
    assert len(places) == 2 or _kernel.chosen() == "numpy"

"""Faults that were silent once: what users of the two libraries do, and the right values.

Each test stands for a kind of fault, which its name says. What belongs to one module alone is tested
with that module.
"""

import json
import os
import pickle
from concurrent.futures import Future, ThreadPoolExecutor
from textwrap import dedent

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import BaggingClassifier

import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import (
    BinaryFocalLoss,
    FocalLGBMClassifier,
    FocalXGBClassifier,
    SoftmaxFocalLoss,
    _kernel,
)
from focalboost.metrics import focal_loss
from tests.classifiers import HOSTS, both, make
from tests.processes import run_python

LOSS = BinaryFocalLoss(2.0)
LIGHTGBM = {"verbosity": -1, "lambda_l2": 1.0, "num_threads": 1, "seed": 1, "num_leaves": 7}
XGBOOST = {"max_depth": 3, "eta": 0.1, "nthread": 1}


def table(seed=0, n=1200):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    return X, (X[:, 0] + 0.7 * X[:, 1] + rng.normal(size=n) > 2.2).astype(int)


def three_classes(seed=0, n=1200):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    first = X[:, 0] + rng.normal(size=n) * 0.5 > 1
    return X, first.astype(int) + (X[:, 1] + rng.normal(size=n) * 0.5 > 1.5)


X, y = table()
X_TEST, y_TEST = table(1)


def margins(booster):
    return booster.predict(X_TEST, raw_score=True)


class TestTheCallersDataAreNoChannel:
    @pytest.mark.parametrize("free", [True, False])
    def test_one_dataset_in_six_threads(self, free):
        expected = margins(fl.train(LIGHTGBM, lgb.Dataset(X, y), 30, loss=LOSS))
        data = lgb.Dataset(X, y, free_raw_data=free).construct()
        with ThreadPoolExecutor(6) as pool:
            runs = [pool.submit(fl.train, LIGHTGBM, data, 30, loss=LOSS) for _ in range(6)]
        for run in runs:
            assert_array_equal(margins(run.result()), expected)

    @pytest.mark.parametrize("loss", [LOSS, SoftmaxFocalLoss(2, 2.0)])
    def test_no_start_is_left_on_the_data(self, loss):
        train, valid = lgb.Dataset(X, y), lgb.Dataset(X_TEST, y_TEST)
        fl.train(LIGHTGBM, train, 3, loss=loss, valid_sets=[valid])
        fl.cv(LIGHTGBM, train, 3, loss=loss, nfold=3)
        for data in (train, valid):
            assert data.init_score is None
            assert data.get_field("init_score") is None

    @pytest.mark.parametrize("call", [fl.train, fl.cv])
    def test_a_continued_model_leaves_nothing(self, call):
        data = lgb.Dataset(X, y, free_raw_data=False)
        first = fl.train(LIGHTGBM, data, 20, loss=LOSS)
        call(LIGHTGBM, data, 20, loss=LOSS, init_model=first)
        assert data.get_init_score() is None
        assert_array_equal(margins(fl.train(LIGHTGBM, data, 20, loss=LOSS)), margins(first))
        again = fl.train(LIGHTGBM, data, 20, loss=LOSS)
        assert_array_equal(margins(again), margins(first))
        own = np.full(len(y), -1.0)
        data = lgb.Dataset(X, y, init_score=own, free_raw_data=False)
        fl.train(LIGHTGBM, data, 5, loss=LOSS, init_model=first)
        assert_array_equal(data.get_init_score(), own)

    def test_metrics_see_the_start(self):
        X3, y3 = three_classes()
        loss, seen = SoftmaxFocalLoss(3, 2.0), {}
        start = loss.intercept(y3)

        def by_hand(margin, data):
            wrong = margin.argmax(axis=1) != data.get_label()
            return "by hand", float(wrong.mean()), False

        fl.train(
            {**LIGHTGBM, "metric": ["multi_error", "auc_mu"], "learning_rate": 1e-9},
            lgb.Dataset(X3, y3), 2, loss=loss, feval=by_hand, valid_sets=[lgb.Dataset(X3, y3)],
            callbacks=[lgb.record_evaluation(seen)],
        )  # fmt: skip
        history = seen["valid_0"]
        assert list(history) == ["auc_mu", "multi_error", "by hand", "focal_loss"]
        # LightGBM counts ties as errors; no classes are tied here.
        assert history["multi_error"] == history["by hand"] == [np.mean(y3 != start.argmax())] * 2
        assert_allclose(history["focal_loss"], loss.loss(y3, np.tile(start, (len(y3), 1))).mean())

    @pytest.mark.parametrize("top_k", [1, 2])
    def test_multi_error_is_that_of_lightgbm(self, top_k):
        X3, y3 = three_classes()
        X_valid, y_valid = three_classes(1, 400)
        weight = np.linspace(0.5, 2, 400)
        params = {**LIGHTGBM, "metric": "multi_error", "multi_error_top_k": top_k}
        host, ours = {}, {}
        lgb.train(
            {**params, "objective": "multiclass", "num_class": 3}, lgb.Dataset(X3, y3), 5,
            valid_sets=[lgb.Dataset(X_valid, y_valid, weight=weight)],
            callbacks=[lgb.record_evaluation(host)],
        )  # fmt: skip
        fl.train(
            params, lgb.Dataset(X3, y3), 5, loss=SoftmaxFocalLoss(3, 0.0), curvature="exact",
            valid_sets=[lgb.Dataset(X_valid, y_valid, weight=weight)],
            callbacks=[lgb.record_evaluation(ours)],
        )  # fmt: skip
        (name, values) = next(iter(host["valid_0"].items()))
        assert_allclose(ours["valid_0"][name], values, rtol=1e-12)


class TestContinuedTraining:
    def stopped(self):
        return FocalXGBClassifier(
            n_estimators=200, early_stopping_rounds=5, learning_rate=0.3, max_depth=3
        ).fit(X, y, eval_set=[(X_TEST, y_TEST)])

    def test_new_rounds_count_after_early_stopping(self, tmp_path):
        first = self.stopped()
        before = first.get_booster().best_iteration
        more = FocalXGBClassifier(n_estimators=60, max_depth=3).fit(*table(2), xgb_model=first)
        assert not np.array_equal(more.predict_proba(X), first.predict_proba(X))
        rounds = more.get_booster().num_boosted_rounds()
        assert rounds == first.get_booster().num_boosted_rounds() + 60
        assert_array_equal(
            more.predict_proba(X), more.predict_proba(X, iteration_range=(0, rounds))
        )
        assert first.get_booster().best_iteration == before
        first.save_model(tmp_path / "m.ubj")
        data = xgb.DMatrix(X, y)
        again = fx.train(XGBOOST, data, 3, loss=first.loss_, xgb_model=str(tmp_path / "m.ubj"))
        assert again.num_boosted_rounds() == before + 1 + 3
        all_trees = again.predict(data, iteration_range=(0, before + 4))
        assert_array_equal(again.predict(data), all_trees)

    def test_a_saved_file_ends_with_the_best_iteration(self, tmp_path):
        fitted = self.stopped()
        fitted.save_model(tmp_path / "m.ubj")
        plain = xgb.Booster(model_file=tmp_path / "m.ubj")
        assert plain.num_boosted_rounds() == fitted.best_iteration + 1
        assert fitted.get_booster().num_boosted_rounds() == fitted.best_iteration + 6
        data = xgb.DMatrix(X_TEST)
        assert_allclose(plain.predict(data), fitted.predict_proba(X_TEST)[:, 1], rtol=1e-6)
        loaded = FocalXGBClassifier().load_model(tmp_path / "m.ubj")
        assert loaded.best_iteration == fitted.best_iteration
        assert_array_equal(loaded.predict_proba(X_TEST), fitted.predict_proba(X_TEST))

    def test_the_estimator_refuses_base_score_too(self):
        first = FocalXGBClassifier(n_estimators=3).fit(X, y)
        with pytest.raises(ValueError, match="base_score must not be given next to xgb_model"):
            FocalXGBClassifier(n_estimators=1, base_score=0.5).fit(X, y, xgb_model=first)

    @pytest.mark.parametrize(
        ("cls", "keyword"), [(FocalXGBClassifier, "xgb_model"), (FocalLGBMClassifier, "init_model")]
    )
    def test_one_prior_cannot_undo_two_samplings(self, cls, keyword):
        def thin(n, seed=0):
            keep = np.r_[np.flatnonzero(y == 1), np.flatnonzero(y == 0)[seed : seed + n]]
            return X[keep], y[keep]

        options = {"n_estimators": 5, "population_prior": 0.07}
        first = cls(**options).fit(*thin(80))
        with pytest.raises(ValueError, match=r"class frequencies .* prior undoes one sampling"):
            cls(**options).fit(*thin(10), **{keyword: first})
        alike = cls(**options).fit(*thin(82, seed=90), **{keyword: first})
        assert 0.02 < alike.predict_proba(X_TEST)[:, 1].mean() < 0.2
        # Without a prior nothing is undone, and other frequencies are the user's business.
        plain = cls(n_estimators=5).fit(*thin(80))
        cls(n_estimators=5).fit(*thin(10), **{keyword: plain})

    @pytest.mark.parametrize("form", ["estimator", "booster", "path"])
    @pytest.mark.parametrize(
        ("labels", "options", "message"),
        [
            (y + 1, {}, "must have the classes of y"),
            (np.where(y == 1, "a", "b"), {}, "must have the classes of y"),
            (
                np.arange(len(y)) % 3,
                {"population_prior": (0.2, 0.3, 0.5)},
                "must have the classes of y",
            ),
            (y, {"population_prior": 0.01}, "must have about the class frequencies"),
        ],
    )
    @both
    def test_in_any_form(self, cls, labels, options, message, form, tmp_path):
        kept = np.flatnonzero((y == 1) | (np.arange(len(y)) % 4 == 0)) if options else slice(None)
        first = make(cls).fit(X[kept], y[kept])
        if form == "path":
            first.save_model(tmp_path / "model.json")
            first = str(tmp_path / "model.json")
        elif form == "booster":
            first = first.get_booster() if cls is FocalXGBClassifier else first.booster_
        name = "xgb_model" if cls is FocalXGBClassifier else "init_model"
        with pytest.raises(ValueError, match=f"{message}|{name} {message}"):
            make(cls, **options).fit(X, labels, **{name: first})
        if not options:
            more = make(cls, focal_gamma=1.0).fit(X, y, **{name: first})
            assert_array_equal(more.classes_, [0, 1])

    def test_lightgbm_models_say_their_scale_too(self, tmp_path):
        data, link = lgb.Dataset(X, y, free_raw_data=False), {"link": "canonical"}
        paper, canonical = BinaryFocalLoss(2.0), BinaryFocalLoss(2.0, **link)
        for first, others in (
            (paper, [canonical, BinaryFocalLoss(1.0), BinaryFocalLoss(2.0, 0.3)]),
            (canonical, [paper]),
        ):
            model = fl.train(LIGHTGBM, data, 5, loss=first)
            # What a plain LightGBM has loaded and written again says it still.
            model.save_model(tmp_path / "once.txt")
            lgb.Booster(model_file=tmp_path / "once.txt").save_model(tmp_path / "twice.txt")
            for form in (model, str(tmp_path / "twice.txt"), pickle.loads(pickle.dumps(model))):
                for loss in others:
                    with pytest.raises(ValueError, match=r"must be (that|those) of the model"):
                        fl.train(LIGHTGBM, data, 5, loss=loss, init_model=form)
                    with pytest.raises(ValueError, match=r"must be (that|those) of the model"):
                        fl.cv(LIGHTGBM, data, 5, loss=loss, init_model=form)
                fl.train(LIGHTGBM, data, 5, loss=first, init_model=form)
        with pytest.raises(ValueError, match="link must be that of the model"):
            make(FocalLGBMClassifier).fit(X, y, init_model=fl.train(LIGHTGBM, data, 5, loss=paper))
        fl.train(LIGHTGBM, data, 5, loss=BinaryFocalLoss(0.5, 0.3, **link), init_model=model)

    def test_gamma_and_alpha_are_part_of_the_papers_margin(self):
        data = xgb.DMatrix(X, y)
        first = fx.train(XGBOOST, data, 5, loss=BinaryFocalLoss(2.0, 0.3))
        for other in (BinaryFocalLoss(1.0, 0.3), BinaryFocalLoss(2.0)):
            with pytest.raises(ValueError, match="gamma and alpha must be those of the model"):
                fx.train(XGBOOST, data, 1, loss=other, xgb_model=first)
        same = BinaryFocalLoss((2.0, 2.0), (0.7, 0.3))
        assert fx.train(XGBOOST, data, 1, loss=same, xgb_model=first).num_boosted_rounds() == 6
        # With the canonical link the margins are log-odds with any of them.
        first = fx.train(XGBOOST, data, 5, loss=BinaryFocalLoss(2.0, 0.3, link="canonical"))
        other = BinaryFocalLoss(0.5, link="canonical")
        empty = {**XGBOOST, "eta": 1e-9}
        more = fx.train(empty, data, 1, loss=other, xgb_model=first)
        assert_allclose(more.predict(data), first.predict(data), rtol=1e-5)

    def test_a_log_loss_model_may_be_continued_on_its_own_scale(self):
        plain = lgb.LGBMClassifier(n_estimators=20, verbosity=-1, reg_lambda=1.0).fit(X, y)
        more = FocalLGBMClassifier(n_estimators=1, learning_rate=1e-9, verbosity=-1)
        more.fit(X, y, init_model=plain)
        assert_allclose(more.predict_proba(X_TEST), plain.predict_proba(X_TEST), rtol=1e-6)


class TestMetrics:
    def test_maximize_is_said_of_the_users_metric(self):
        def separation(margin, data):
            label = data.get_label()
            return "separation", float(margin[label == 1].mean() - margin[label == 0].mean())

        train, valid = xgb.DMatrix(X, y), xgb.DMatrix(X_TEST, y_TEST)
        result = {}
        booster = fx.train(
            XGBOOST, train, 100, loss=LOSS, custom_metric=separation, maximize=True,
            early_stopping_rounds=10, evals=[(valid, "v")], evals_result=result, verbose_eval=False,
        )  # fmt: skip
        assert list(result["v"]) == ["focal_loss", "separation"]
        assert booster.best_iteration == np.argmax(result["v"]["separation"]) > 20
        with pytest.raises(ValueError, match="maximize must be left out without a custom_metric"):
            fx.train(XGBOOST, train, 5, loss=LOSS, maximize=True)

    @pytest.mark.parametrize("metric", ["logloss", "error@0.3", ["auc", "rmse"]])
    def test_scores_are_no_probabilities(self, metric):
        data, params = xgb.DMatrix(X, y), {**XGBOOST, "eval_metric": metric}
        for run in (fx.train, fx.cv):
            with pytest.raises(ValueError, match="scores that are no probabilities"):
                run(params, data, 3, loss=LOSS)

    def test_with_the_canonical_link_they_are(self):
        loss, result = BinaryFocalLoss(5.0, 0.3, link="canonical"), {}
        valid = xgb.DMatrix(X_TEST, y_TEST)
        booster = fx.train(
            {**XGBOOST, "eval_metric": "logloss"}, xgb.DMatrix(X, y), 10, loss=loss,
            evals=[(valid, "v")], evals_result=result, verbose_eval=False,
        )  # fmt: skip
        eta = loss.posterior(booster.predict(valid, output_margin=True).astype(float))
        expected = -np.mean(np.log(np.where(y_TEST == 1, eta, 1 - eta)))
        assert_allclose(result["v"]["logloss"][-1], expected, rtol=1e-5)

    def test_folds_have_all_digits(self):
        frame = fx.cv(XGBOOST, xgb.DMatrix(X, y), 5, loss=LOSS, nfold=3, stratified=True)
        for column in ("train-focal_loss-mean", "test-focal_loss-mean", "test-focal_loss-std"):
            assert np.abs(frame[column] - frame[column].round(7)).max() > 1e-9
        short = fx.cv(
            XGBOOST, xgb.DMatrix(X, y), 300, loss=LOSS, nfold=3, early_stopping_rounds=3,
            as_pandas=False,
        )  # fmt: skip
        values = short["test-focal_loss-mean"]
        assert len(values) < 300
        assert values[-1] == min(values)

    @pytest.mark.parametrize(
        ("metrics", "last"),
        [
            (["logloss", "auc"], "auc"),
            (["auc", "logloss"], "logloss"),
            (["auc", "aucpr"], "aucpr"),
            (["logloss", "average_precision"], "average_precision"),
        ],
    )
    def test_the_last_metric_stops(self, metrics, last):
        fitted = FocalXGBClassifier(
            n_estimators=200, learning_rate=0.3, early_stopping_rounds=5, eval_metric=metrics
        ).fit(X, y, eval_set=[(X_TEST, y_TEST)])
        history = fitted.evals_result_["validation_0"][last]
        best = np.argmin(history) if last == "logloss" else np.argmax(history)
        assert fitted.best_iteration == best

    def test_lightgbm_knows_the_training_rows(self):
        sets = [(X, y), (X_TEST, y_TEST)]
        stop = lgb.early_stopping(5, verbose=False)
        fitted = FocalLGBMClassifier(n_estimators=400, verbosity=-1, reg_lambda=1.0)
        fitted.fit(X, y, eval_set=sets, callbacks=[stop])
        assert list(fitted.evals_result_) == ["training", "valid_1"]
        history = fitted.evals_result_["valid_1"]["focal_loss"]
        assert fitted.best_iteration_ == np.argmin(history) + 1 < 400
        # Its own weights would be ignored: then it is another table.
        fitted.fit(X, y, eval_set=sets[:1], eval_sample_weight=[np.linspace(0, 2, len(y))])
        assert list(fitted.evals_result_) == ["valid_0"]


class TestModelsThatDoNotSayTheirScale:
    """What is continued must have margins that are log-odds, or say what they are."""

    @pytest.mark.parametrize(
        "params",
        [
            {"objective": "regression"},
            {"objective": "poisson"},
            {"objective": "binary", "sigmoid": 2},
        ],
        ids=str,
    )
    def test_of_another_objective_of_lightgbm(self, params):
        first = lgb.train({**LIGHTGBM, **params}, lgb.Dataset(X, y), 5)
        with pytest.raises(ValueError, match="must be one of focalboost or of log loss"):
            make(FocalLGBMClassifier).fit(X, y, init_model=first)
        with pytest.raises(ValueError, match="must be one of focalboost or of log loss"):
            fl.train(LIGHTGBM, lgb.Dataset(X, y), 5, loss=LOSS, init_model=first)

    def test_a_class_against_the_others(self):
        X3, y3 = three_classes()
        params = {**LIGHTGBM, "objective": "multiclassova", "num_class": 3}
        first = lgb.train(params, lgb.Dataset(X3, y3), 5)
        with pytest.raises(ValueError, match="got objective='multiclassova"):
            make(FocalLGBMClassifier).fit(X3, y3, init_model=first)

    def test_a_checkpoint_of_lightgbm_lacks_its_start(self, tmp_path):
        path = str(tmp_path / "m.txt")
        fl.train(
            LIGHTGBM, lgb.Dataset(X, y), 3, loss=LOSS, callbacks=[lambda env: env.model.save_model(path)]
        )  # fmt: skip
        for loss in (LOSS, BinaryFocalLoss(2.0, link="canonical")):
            with pytest.raises(ValueError, match=r"call finalize .* first"):
                fl.train(LIGHTGBM, lgb.Dataset(X, y), 3, loss=loss, init_model=path)

    @pytest.mark.parametrize("objective", ["binary:hinge", "binary:logitraw", "reg:squarederror"])
    def test_of_another_objective_of_xgboost(self, objective):
        first = xgb.train({**XGBOOST, "objective": objective}, xgb.DMatrix(X, y), 5)
        with pytest.raises(ValueError, match=f"got objective='{objective}'"):
            make(FocalXGBClassifier).fit(X, y, xgb_model=first)

    def test_log_loss_is_on_the_canonical_scale(self):
        first = xgb.train({**XGBOOST, "objective": "binary:logistic"}, xgb.DMatrix(X, y), 5)
        for loss in (LOSS, BinaryFocalLoss(0.0, alpha=(1.0, 3.0))):
            with pytest.raises(ValueError, match="link must be 'canonical'"):
                fx.train(XGBOOST, xgb.DMatrix(X, y), 5, loss=loss, xgb_model=first)
        for loss in (BinaryFocalLoss(2.0, link="canonical"), BinaryFocalLoss(0.0)):
            fx.train(XGBOOST, xgb.DMatrix(X, y), 5, loss=loss, xgb_model=first)

    def test_checkpoints_of_xgboost_say_it(self, tmp_path):
        checkpoint = xgb.callback.TrainingCheckPoint(str(tmp_path), interval=2)
        fx.train(XGBOOST, xgb.DMatrix(X, y), 3, loss=LOSS, callbacks=[checkpoint])
        path = next(tmp_path.iterdir())
        canonical = BinaryFocalLoss(2.0, link="canonical")
        with pytest.raises(ValueError, match="link must be that of the model"):
            fx.train(XGBOOST, xgb.DMatrix(X, y), 3, loss=canonical, xgb_model=path)
        path.unlink()
        named = np.where(y == 1, "a", "b")
        make(FocalXGBClassifier, callbacks=[checkpoint]).fit(X, named)
        path = next(tmp_path.iterdir())
        with pytest.raises(ValueError, match="must have the classes of y"):
            make(FocalXGBClassifier).fit(X, np.where(y == 1, "v", "w"), xgb_model=path)
        assert FocalXGBClassifier().load_model(path).classes_.tolist() == ["a", "b"]

    def test_an_estimator_is_continued_by_train(self):
        first = make(FocalLGBMClassifier).fit(X, y)
        loss = BinaryFocalLoss(2.0, link="canonical")
        more = fl.train(LIGHTGBM, lgb.Dataset(X, y), 5, loss=loss, init_model=first)
        assert more.num_trees() == first.booster_.num_trees() + 5


class TestOptionsThatWouldBeIgnored:
    @pytest.mark.parametrize(
        "params",
        [
            *({"neg_bagging_fraction": 0.1}, {"pos_subsample": 0.5}, {"boost_from_average": False}),
            *({"is_unbalance": True}, {"scale_pos_weight": 3}),
        ],
        ids=str,
    )
    def test_by_lightgbm(self, params):
        with pytest.raises(ValueError, match=r"must not be set.*LightGBM ignores it"):
            fl.train({**LIGHTGBM, **params}, lgb.Dataset(X, y), 3, loss=LOSS)
        with pytest.raises(ValueError, match=r"must not be set.*LightGBM ignores it"):
            make(FocalLGBMClassifier, **params).fit(X, y)
        with pytest.raises(ValueError, match=r"must not be set.*LightGBM ignores it"):
            fl.cv(
                LIGHTGBM, lgb.Dataset(X, y), 3, loss=LOSS,
                fpreproc=lambda train, test, given: (train, test, {**given, **params}),
            )  # fmt: skip

    @pytest.mark.parametrize("params", [{"scale_pos_weight": 3.0}, {"eval_metric": "logloss"}])
    def test_by_xgboost_in_the_folds(self, params):
        with pytest.raises(
            ValueError, match=r"scale_pos_weight must not be set|eval_metric must be"
        ):
            fx.cv(
                XGBOOST, xgb.DMatrix(X, y), 3, loss=LOSS,
                fpreproc=lambda train, test, given: (train, test, {**given, **params}),
            )  # fmt: skip

    def test_what_the_folds_may_set(self):
        def deeper(train, test, given):
            return train, test, {**given, "max_depth": 1, "num_leaves": 2}

        plain = fl.cv(LIGHTGBM, lgb.Dataset(X, y), 5, loss=LOSS)
        stumps = fl.cv(LIGHTGBM, lgb.Dataset(X, y), 5, loss=LOSS, fpreproc=deeper)
        expected = fl.cv(
            {**LIGHTGBM, "num_leaves": 2, "max_depth": 1}, lgb.Dataset(X, y), 5, loss=LOSS
        )
        assert stumps != plain
        assert stumps == expected

    @pytest.mark.parametrize("alias", ["boost", "boosting", "boosting_type"])
    def test_dart_and_forests_under_every_name(self, alias):
        plain = make(FocalLGBMClassifier, **{alias: "dart"}).fit(X, y)
        seen = make(FocalLGBMClassifier, **{alias: "dart"}).fit(X, y, eval_set=[(X, y)])
        assert "shrinkage=-" not in seen.booster_.model_to_string()
        assert plain.booster_.num_trees() == seen.booster_.num_trees()
        with pytest.raises(ValueError, match="boosting must not be 'rf'"):
            make(FocalLGBMClassifier, **{alias: "rf"}).fit(X, y)

    def test_an_iterator_of_evals(self):
        seen = {}
        evals = zip([xgb.DMatrix(X_TEST, y_TEST)], ["valid"], strict=True)
        fx.train(
            XGBOOST, xgb.DMatrix(X, y), 3, loss=LOSS, evals=evals, evals_result=seen, verbose_eval=False
        )  # fmt: skip
        assert len(seen["valid"]["focal_loss"]) == 3


class TestOrderOfMetrics:
    """The user's order decides which metric stops training."""

    @pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")
    def test_the_first_of_lightgbm(self):
        names = ["binary_logloss", "auc", "average_precision"]
        results = {}
        for cls in (FocalLGBMClassifier, lgb.LGBMClassifier):
            fitted = cls(
                n_estimators=200, learning_rate=0.05, n_jobs=1, reg_lambda=1.0, verbosity=-1,
                **({"focal_gamma": 0.0, "focal_curvature": "exact"} if "Focal" in cls.__name__ else {}),
            )  # fmt: skip
            stop = lgb.early_stopping(10, first_metric_only=True, verbose=False)
            fitted.fit(X, y, eval_set=[(X_TEST, y_TEST)], eval_metric=names, callbacks=[stop])
            (history,) = fitted.evals_result_.values()
            results[cls] = fitted.best_iteration_, history
        (ours, of_ours), (host, of_host) = results.values()
        assert list(of_ours) == names == list(of_host)
        assert ours == host == 1 + int(np.argmin(of_ours["binary_logloss"]))
        for name in names:
            assert_allclose(of_ours[name], of_host[name], rtol=1e-4)

    @pytest.mark.parametrize("none", [None, [], ()])
    def test_the_focal_loss_if_none_is_named(self, none):
        fitted = make(FocalXGBClassifier, eval_metric=none, early_stopping_rounds=5)
        fitted.fit(X, y, eval_set=[(X_TEST, y_TEST)])
        assert list(fitted.evals_result_["validation_0"]) == ["focal_loss"]

    def test_the_last_of_xgboost(self):
        stop = xgb.callback.EarlyStopping(rounds=8)
        fitted = make(
            FocalXGBClassifier, n_estimators=200, eval_metric=["logloss", "auc"], callbacks=[stop]
        ).fit(X, y, eval_set=[(X_TEST, y_TEST)])
        history = fitted.evals_result_["validation_0"]
        assert list(history) == ["logloss", "auc"]
        assert fitted.best_iteration == np.argmax(history["auc"])

    def test_a_direction_that_xgboost_does_not_know(self):
        def stopped(**options):
            stop = xgb.callback.EarlyStopping(rounds=8, **options)
            fitted = make(FocalXGBClassifier, eval_metric="average_precision", callbacks=[stop])
            return fitted.fit(X, y, eval_set=[(X_TEST, y_TEST)])

        with pytest.raises(ValueError, match="must have maximize=True for average_precision"):
            stopped()
        assert stopped(maximize=True).best_iteration > 0

    def test_average_precision_of_three_classes(self):
        rows = three_classes()
        fitted = make(FocalLGBMClassifier)
        fitted.fit(*rows, eval_set=[rows], eval_metric=["auc_mu", "average_precision"])
        (history,) = fitted.evals_result_.values()
        assert list(history) == ["auc_mu", "average_precision"]

    def test_callables_of_four_arguments(self):
        seen = {}

        def metric(y, p, weight, group):
            assert group is None
            seen[len(y)] = weight
            return "metric", float(weight @ (y * p)), False

        def unweighted(y, p):
            return "unweighted", float(y @ p), False

        fitted = make(FocalLGBMClassifier)
        fitted.fit(
            X, y, eval_set=[(X_TEST, y_TEST), (X[:9], y[:9])], eval_metric=[metric, unweighted],
            eval_sample_weight={0: np.full(len(y_TEST), 2.0), 1: np.full(9, 3.0)},
            eval_class_weight={0: "balanced"},
        )  # fmt: skip
        assert list(fitted.evals_result_["valid_0"]) == ["metric", "unweighted"]
        balanced = np.array([1, 1]) * len(y_TEST) / (2 * np.bincount(y_TEST))
        assert_allclose(seen[len(y_TEST)], 2 * balanced[y_TEST], rtol=1e-6)


@pytest.mark.parametrize("name", ["objective", "Tree", "parameters", "tree_sizes"])
def test_columns_named_like_lines_of_a_model(name, tmp_path):
    frame = pd.DataFrame(X, columns=[name, *"bcdef"])
    fitted = make(FocalLGBMClassifier).fit(frame, y)
    fitted.save_model(tmp_path / "m.txt")
    restored = FocalLGBMClassifier().load_model(tmp_path / "m.txt")
    assert_array_equal(restored.predict_proba(frame), fitted.predict_proba(frame))
    booster = fl.train(LIGHTGBM, lgb.Dataset(frame, y), 3, loss=LOSS)
    assert_allclose(
        LOSS.posterior(booster.predict(frame, raw_score=True)).mean(), y.mean(), rtol=0.2
    )
    make(FocalLGBMClassifier).fit(frame, y, init_model=fitted)


@both
def test_labels_that_no_file_can_hold(cls):
    with pytest.raises(ValueError, match="labels that are numbers or text, got datetime64"):
        make(cls).fit(X, np.array(["2020-01-01", "2021-01-01"], "M8[D]")[y])


class TestToolsThatWatchFit:
    """Such as mlflow: they wrap the host's fit, and keep the estimator as it is when that returns."""

    @both
    @pytest.mark.parametrize("labels", [[1, 2], ["no", "yes"], ["a", "b", "c"]])
    def test_see_the_whole_estimator(self, cls, labels, monkeypatch, tmp_path):
        features, codes = table() if len(labels) == 2 else three_classes()
        y_text = np.array(labels)[codes]
        options = {"focal_gamma": 1.5, "class_weight": "balanced"}
        if len(labels) == 2:
            options["population_prior"] = 0.01
        if cls is FocalXGBClassifier:
            options |= {"early_stopping_rounds": 5, "eval_metric": ["logloss", "error"]}
        else:
            options |= {"metric": "logloss"}
        host, seen = HOSTS[cls], []
        fit = host.fit

        def watched(self, *args, **keywords):
            result = fit(self, *args, **keywords)
            self.save_model(tmp_path / "model.json")
            seen.append(pickle.dumps(self))
            return result

        monkeypatch.setattr(host, "fit", watched)
        classifier = make(cls, **options)
        classifier.fit(features, y_text, eval_set=[(features, y_text)])
        (dump,) = seen
        for restored in (pickle.loads(dump), cls().load_model(tmp_path / "model.json")):
            assert type(restored) is cls
            assert restored.classes_.tolist() == labels
            assert_array_equal(restored.predict_proba(X_TEST), classifier.predict_proba(X_TEST))
            assert_array_equal(restored.predict(X_TEST), classifier.predict(X_TEST))
        given = make(cls, **options).get_params()
        seen_then = pickle.loads(dump).get_params()
        if cls is FocalXGBClassifier:
            seen_then["objective"] = given["objective"]  # XGBoost sets what it trained, last
        for params in (classifier.get_params(), seen_then):
            assert repr(params) == repr(given)

    @both
    def test_a_fit_that_fails_leaves_the_earlier_one(self, cls):
        classifier = make(cls, class_weight="balanced").fit(X, y)
        before, params = classifier.predict_proba(X_TEST), repr(classifier.get_params())

        def wrong(*_):
            raise RuntimeError("by the user")

        if cls is FocalXGBClassifier:
            classifier.eval_metric, arguments = wrong, {}
            params = repr(classifier.get_params())
        else:
            arguments = {"eval_metric": wrong}
        three = three_classes()
        with pytest.raises(RuntimeError, match="by the user"):
            classifier.fit(*three, eval_set=[three], **arguments)
        assert_array_equal(classifier.predict_proba(X_TEST), before)
        assert classifier.classes_.tolist() == [0, 1]
        assert repr(classifier.get_params()) == params

    def test_a_lightgbm_that_asks_in_another_way(self, monkeypatch):
        """Its fit calls a method of ours that it may rename: log loss must not be trained instead."""
        monkeypatch.delattr(FocalLGBMClassifier, "_process_params")
        with pytest.raises(RuntimeError, match="trained its own objective"):
            make(FocalLGBMClassifier).fit(X, y)

    def test_metrics_of_one_name_are_refused(self):
        def same(*_):
            return 0.0

        with pytest.raises(ValueError, match="names of their own"):
            make(FocalXGBClassifier, eval_metric=[same, same]).fit(X, y, eval_set=[(X, y)])
        with pytest.raises(ValueError, match="names of their own"):
            fx.train(
                XGBOOST, xgb.DMatrix(X, y), 2, loss=LOSS, evals=[(xgb.DMatrix(X, y), "train")],
                custom_metric=lambda *_: ("focal_loss", 0.0),
            )  # fmt: skip

    @pytest.mark.slow
    @both
    def test_mlflow_restores_the_same_class(self, cls, tmp_path):
        pytest.importorskip("mlflow")
        pytest.importorskip("sqlalchemy")
        flavor = "xgboost" if cls is FocalXGBClassifier else "lightgbm"
        code = f"""
            import mlflow, mlflow.{flavor}
            import numpy as np
            from focalboost import {cls.__name__} as Classifier
            from tests.test_faults import X, y, X_TEST
            mlflow.set_tracking_uri("sqlite:///{tmp_path}/runs.db")
            mlflow.create_experiment("e", artifact_location="{tmp_path.as_uri()}")
            mlflow.set_experiment("e")
            if "{flavor}" == "lightgbm":  # skops trusts the classes of LightGBM only, unless told
                mlflow.lightgbm._get_default_serialization_format = lambda: "cloudpickle"
            mlflow.{flavor}.autolog()
            labels = np.array(["genuine", "fraud"])[y]
            with mlflow.start_run() as run:
                fitted = Classifier(n_estimators=5, population_prior=.9).fit(X, labels)
            found = mlflow.search_logged_models(
                output_format="list", filter_string=f"source_run_id='{{run.info.run_id}}'"
            )
            restored = mlflow.{flavor}.load_model(found[0].model_uri)
            assert type(restored) is Classifier, type(restored)
            assert len(found) == 1, found
            assert (restored.predict_proba(X_TEST) == fitted.predict_proba(X_TEST)).all()
            assert (restored.predict(X_TEST) == fitted.predict(X_TEST)).all()
            print("restored")
        """
        assert "restored" in run_python("-c", dedent(code))


class TestNoStricterThanTheHost:
    @both
    def test_a_bag_of_one_class(self, cls):
        """BaggingClassifier draws bags as weights: of a rare class some have nothing."""
        rare = np.zeros(len(y), dtype=int)
        rare[np.argsort(X[:, 0])[-3:]] = 1
        bags = BaggingClassifier(make(cls), n_estimators=8, max_samples=0.3, random_state=0)
        probability = bags.fit(X, rare).predict_proba(X)[:, 1]
        assert min(each.class_prior_[1] for each in bags.estimators_) < 1 / len(y)
        assert probability[rare == 1].min() > probability[rare == 0].mean()

    @pytest.mark.parametrize("classes", [2, 3])
    @both
    def test_a_class_without_weight(self, cls, classes, tmp_path):
        rows, labels = (X, y) if classes == 2 else three_classes()
        weight = (labels != 1).astype(float)
        fitted = make(cls, min_child_samples=1) if cls is FocalLGBMClassifier else make(cls)
        fitted.fit(rows, labels, sample_weight=weight)
        assert fitted.class_prior_[1] == pytest.approx(0.5 / len(labels), rel=1e-3)
        probability = fitted.predict_proba(rows)
        assert probability[:, 1].max() < 2 / len(labels)
        fitted.save_model(tmp_path / "model.json")
        restored = cls().load_model(tmp_path / "model.json")
        assert_array_equal(restored.predict_proba(rows), probability)

    def test_parameters_as_pairs(self):
        data = xgb.DMatrix(X, y)
        pairs = [*XGBOOST.items(), ("eval_metric", "auc"), ("eval_metric", "aucpr")]
        result = {}
        booster = fx.train(
            pairs, data, 3, loss=LOSS, evals=[(data, "t")], evals_result=result, verbose_eval=False
        )
        assert list(result["t"]) == ["auc", "aucpr", "focal_loss"]
        same = fx.train(XGBOOST, data, 3, loss=LOSS)
        assert_array_equal(booster.predict(data), same.predict(data))
        assert len(fx.cv(pairs, data, 2, loss=LOSS, nfold=2)) == 2

    @pytest.mark.parametrize("cls", [FocalXGBClassifier, FocalLGBMClassifier])
    @pytest.mark.parametrize("dtype", [object, "Int64", "boolean", "bool"])
    def test_labels_of_pandas(self, cls, dtype):
        expected = cls(n_estimators=3).fit(X, y).predict_proba(X)
        fitted = cls(n_estimators=3).fit(X, pd.Series(y).astype(dtype))
        assert_array_equal(fitted.predict_proba(X), expected)
        assert_array_equal(
            fitted.predict(X).astype(int), fitted.classes_[1] * (expected[:, 1] > 0.5)
        )


class TestKernelThreads:
    """Half a million values and more are divided among threads."""

    MARGIN = np.linspace(-5, 5, 1_000_000).astype(np.float32)
    Y = (np.arange(1_000_000) % 7 == 0).astype(np.float32)

    def call(self, n_threads=4):
        options = {"binary": True, "curvature": "guarded", "floor": 1e-16, "n_threads": n_threads}
        return _kernel.derivatives(self.Y, self.MARGIN, None, (2.0, 2.0), (1.0, 1.0), **options)

    @pytest.fixture(autouse=True)
    def compiled(self):
        if _kernel.chosen() == "numpy":
            pytest.skip("the compiled kernel is not used")

    def test_an_interrupt_waits_for_the_others(self, monkeypatch):
        futures = []
        submit = ThreadPoolExecutor.submit

        def kept(pool, *given):
            futures.append(submit(pool, *given))
            return futures[-1]

        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(ThreadPoolExecutor, "submit", kept)
        monkeypatch.setattr(Future, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            self.call()
        assert futures
        assert all(future.done() for future in futures)

    def test_a_second_interrupt_waits_too(self, monkeypatch):
        waits = []
        wait = _kernel.wait

        def once_more(futures):
            waits.append(1)
            if len(waits) < 3:
                raise KeyboardInterrupt
            return wait(futures)

        monkeypatch.setattr(_kernel, "wait", once_more)
        with pytest.raises(KeyboardInterrupt):
            self.call()
        assert len(waits) == 3

    def test_without_threads_one_does_all(self, monkeypatch):
        expected = self.call(1)
        late = []

        def full(_, function, *given):
            late.append((function, given))
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(ThreadPoolExecutor, "submit", full)
        got = self.call()
        for a, b in zip(got, expected, strict=True):
            assert_array_equal(a, b)
        before = [a.copy() for a in got]
        for a in got:
            a[:] = -1
        for function, given in late:  # still queued: must not write any more
            assert function(*given) == 0
        assert before[0][0] != -1
        assert (got[0] == -1).all()


@pytest.mark.parametrize("link", ["focal", "canonical"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_weight_0_have_derivatives_0(link, dtype):
    rng = np.random.default_rng(0)
    for loss, z in (
        (BinaryFocalLoss(2.0, link=link), rng.normal(size=9)),
        (SoftmaxFocalLoss(3, 2.0, link=link), rng.normal(size=(9, 3))),
    ):
        labels, weight = np.arange(9) % 2, np.arange(9) % 3
        for derivative in loss.gradient_hessian(labels, z.astype(dtype), weight):
            assert (derivative[weight == 0] == 0).all()
            assert np.isfinite(derivative).all()
            assert (derivative[weight > 0] != 0).all()


class TestParametersAfterFitting:
    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize(
        "change",
        [
            *({"n_jobs": 2}, {"max_depth": 2}, {"verbosity": 0}, {"random_state": 3}),
            *({"base_score": 0.3}, {"objective": "binary:logistic"}, {"eval_metric": "auc"}),
            *({"eval_metric": ["auc", "logloss"]}, {"eval_metric": "focal_loss"}),
            *({"focal_gamma": 0.0}, {"tree_method": "hist"}, {"missing": -1.0}),
        ],
        ids=str,
    )
    def test_of_xgboost_do_not_change_the_fitted_model(self, change, classes):
        rows, labels = (X, y) if classes == 2 else three_classes()
        fitted = FocalXGBClassifier(n_estimators=3).fit(rows, labels)
        before = fitted.predict_proba(rows)
        fitted.set_params(**change)
        assert_array_equal(fitted.predict_proba(rows), before)
        assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(rows), before)

    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize(
        "change",
        [
            *({"n_jobs": 2}, {"max_depth": 2}, {"random_state": 3}, {"objective": "binary"}),
            *({"boosting_type": "dart"}, {"class_weight": "balanced"}, {"focal_gamma": 0.0}),
        ],
        ids=str,
    )
    def test_of_lightgbm_do_not_change_the_fitted_model(self, change, classes):
        rows, labels = (X, y) if classes == 2 else three_classes()
        fitted = FocalLGBMClassifier(n_estimators=3, verbosity=-1).fit(rows, labels)
        before = fitted.predict_proba(rows)
        fitted.set_params(**change)
        assert_array_equal(fitted.predict_proba(rows), before)


class TestConstantFeatures:
    """Native training returns the prior."""

    @pytest.mark.parametrize("loss", [LOSS, BinaryFocalLoss(2.0, 0.3), SoftmaxFocalLoss(3, 2.0)])
    @pytest.mark.parametrize("host", ["xgboost", "lightgbm"])
    def test_train(self, loss, host):
        labels = y if loss.n_outputs == 1 else three_classes()[1]
        C = np.zeros((len(y), 3), np.float32)
        if host == "xgboost":
            data = xgb.DMatrix(C, labels)
            z = fx.train(XGBOOST, data, 3, loss=loss).predict(data, output_margin=True)
        else:
            booster = fl.train(LIGHTGBM, lgb.Dataset(C, labels), 3, loss=loss)
            z = booster.predict(C, raw_score=True)
            assert lgb.Booster(model_str=booster.model_to_string()).num_trees() == loss.n_outputs
        share = np.bincount(labels) / len(labels)
        expected = share[1] if loss.n_outputs == 1 else share
        assert_allclose(loss.posterior(z[0]), expected, rtol=1e-5)

    @pytest.mark.parametrize("loss", [LOSS, SoftmaxFocalLoss(3, 2.0, link="canonical")])
    def test_cv_of_lightgbm(self, loss):
        labels = y if loss.n_outputs == 1 else three_classes()[1]
        w = np.linspace(0.5, 2, len(labels))
        data = lgb.Dataset(np.zeros((len(y), 3)), labels, weight=w)
        half = np.arange(len(labels)) % 2 == 0
        folds = [(np.flatnonzero(half), np.flatnonzero(~half))]
        params = {**LIGHTGBM, "metric": "auc" if loss.n_outputs == 1 else "auc_mu"}
        results = fl.cv(params, data, 3, loss=loss, folds=folds, return_cvbooster=True)
        start = loss.intercept(labels[half], w[half])
        z = np.full(half.sum(), start) if loss.n_outputs == 1 else np.tile(start, (half.sum(), 1))
        expected = focal_loss(loss, labels[~half], z, w[~half])
        assert_allclose(results["valid focal_loss-mean"], [expected], rtol=1e-6)
        assert_allclose(results[f"valid {params['metric']}-mean"], [0.5])
        (booster,) = results["cvbooster"].boosters
        assert_allclose(booster.predict(np.zeros((1, 3)), raw_score=True)[0], start, rtol=1e-6)

    @pytest.mark.parametrize("cls", [FocalXGBClassifier, FocalLGBMClassifier])
    @pytest.mark.parametrize("classes", [2, 3])
    def test_estimators(self, cls, classes):
        labels = y if classes == 2 else three_classes()[1]
        C = np.zeros((len(y), 3), np.float32)
        fitted = cls(n_estimators=3, focal_alpha="balanced").fit(C, labels)
        share = np.bincount(labels) / len(labels)
        assert_allclose(fitted.predict_proba(C), np.tile(share, (len(y), 1)), rtol=1e-5)


class TestWhatIsAsked:
    @pytest.mark.parametrize("cls", [FocalXGBClassifier, FocalLGBMClassifier])
    def test_class_weights_of_text_that_looks_like_numbers(self, cls):
        fitted = cls(n_estimators=2, class_weight={"0": 1, "1": 5}).fit(X, y.astype(str))
        assert fitted.loss_.alphas == (1.0, 5.0)
        with pytest.raises(ValueError, match=r"class_weight must have labels among .*, got 1"):
            cls(n_estimators=2, class_weight={1: 5}).fit(X, y.astype(str))

    @pytest.mark.parametrize("cls", [FocalXGBClassifier, FocalLGBMClassifier])
    def test_num_class_of_two_classes(self, cls):
        expected = cls(n_estimators=2).fit(X, y).predict_proba(X)
        # LightGBM's and XGBoost's words for "not several".
        for given in (0, 1, 2):
            got = cls(n_estimators=2, num_class=given).fit(X, y).predict_proba(X)
            assert_array_equal(got, expected)
        with pytest.raises(ValueError, match="num_class must be left out, or 2"):
            cls(n_estimators=2, num_class=3).fit(X, y)

    def test_the_focal_loss_may_be_named(self):
        seen = {}
        fl.train(
            {**LIGHTGBM, "metric": ["focal_loss", "auc"]}, lgb.Dataset(X, y), 2, loss=LOSS,
            valid_sets=[lgb.Dataset(X_TEST, y_TEST)], callbacks=[lgb.record_evaluation(seen)],
        )  # fmt: skip
        assert list(seen["valid_0"]) == ["auc", "focal_loss"]
        data = xgb.DMatrix(X, y)
        fx.train(
            {**XGBOOST, "eval_metric": ["focal_loss", "auc"]}, data, 2, loss=LOSS,
            evals=[(data, "t")], evals_result=seen, verbose_eval=False,
        )  # fmt: skip
        assert list(seen["t"]) == ["auc", "focal_loss"]
        with pytest.raises(ValueError, match="XGBoost's parameter is eval_metric"):
            fx.train({**XGBOOST, "metric": "auc"}, data, 2, loss=LOSS)

    def test_metrics_of_cv(self):
        found = fl.cv(LIGHTGBM, lgb.Dataset(X, y), 2, loss=LOSS, nfold=2, metrics="auc")
        assert "valid auc-mean" in found
        frame = fx.cv(XGBOOST, xgb.DMatrix(X, y), 2, loss=LOSS, nfold=2, metrics=["auc"])
        assert "test-auc-mean" in frame
        with pytest.raises(ValueError, match="metric must be one of"):
            fl.cv(LIGHTGBM, lgb.Dataset(X, y), 2, loss=LOSS, nfold=2, metrics="binary_logloss")
        with pytest.raises(ValueError, match="scores that are no probabilities"):
            fx.cv(XGBOOST, xgb.DMatrix(X, y), 2, loss=LOSS, nfold=2, metrics="logloss")


def test_large_weights_do_not_overflow_in_metrics():
    z, w = np.array([-50, 3], np.float32), np.array([3e38, 3e38], np.float32)
    value = focal_loss(LOSS, np.array([1, 0]), z, w)
    assert_allclose(value, LOSS.loss(np.array([1, 0]), z.astype(float)).mean(), rtol=1e-6)


@pytest.mark.parametrize("huge", [10**400, -(10**400)])
def test_whole_numbers_beyond_the_largest_float(huge):
    for wrong in ({"gamma": huge}, {"gamma": (1, huge)}, {"alpha": (1, huge)}):
        with pytest.raises(ValueError, match="must be"):
            BinaryFocalLoss(**wrong)


def test_a_single_margin_has_no_weights():
    for call in (LOSS.loss, LOSS.gradient_hessian, LOSS.gradient_curvature):
        with pytest.raises(ValueError, match="got a single number"):
            call(1, 0.3, 2.0)


@pytest.mark.parametrize("missing", ["xgboost", "lightgbm"])
def test_everything_can_be_imported_with_one_host(missing):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from importlib import util; find = util.find_spec\n"
        f"util.find_spec = lambda name: None if name == {missing!r} else find(name)\n"
        "from focalboost import *\n"
        "assert ('FocalXGBClassifier' in dir()) != ('FocalLGBMClassifier' in dir())"
    )
    run_python("-c", code)


def test_a_host_that_is_loaded_without_a_spec():
    code = (
        "import sys, types; sys.modules['xgboost'] = types.ModuleType('xgboost')\n"
        "import focalboost; assert 'FocalXGBClassifier' in focalboost.__all__"
    )
    run_python("-c", code)


class TestAlteredFiles:
    """What is ours in a model file is checked before anything changes."""

    ALTERED = (
        *({"gamma": None}, {"gamma": "two"}, {"gamma": [1, 2, 3]}, {"gamma": -1}),
        *({"alpha": [1]}, {"classes": [0]}, {"classes": [0, 1, 2]}, {"classes": [1, 1]}),
        *({"classes": 5}, {"dtype": "nonsense"}, {"class_prior": None}, {"class_prior": [0.5]}),
        *({"class_prior": [0.5, "x"]}, {"population_prior": [0.5, 0.2, 0.3]}, {"link": "focal"}),
        *({"class_weight": [1, -1]}, {"class_weight": 3}),
    )

    def refuses(self, cls, path):
        kept = cls(n_estimators=2).fit(X_TEST, y_TEST)
        before, parameters = kept.predict_proba(X), kept.get_params()
        with pytest.raises(ValueError, match=r"altered|cut|link|must be"):
            kept.load_model(path)
        assert_array_equal(kept.predict_proba(X), before)
        assert kept.get_params() == parameters

    def altered(self, text, change):
        """Change what a file says, as if by a program of 0.1, which wrote no checksum."""
        stored = json.loads(text) | change
        del stored["checksum"]
        return json.dumps(stored).replace("=", "\\u003d")

    @pytest.mark.parametrize("change", ALTERED, ids=str)
    def test_of_xgboost(self, change, tmp_path):
        booster = FocalXGBClassifier(n_estimators=2).fit(X, y).get_booster()
        booster.set_attr(focalboost=self.altered(booster.attr("focalboost"), change))
        booster.save_model(tmp_path / "m.ubj")
        self.refuses(FocalXGBClassifier, tmp_path / "m.ubj")

    @pytest.mark.parametrize("change", ALTERED, ids=str)
    def test_of_lightgbm(self, change, tmp_path):
        path = tmp_path / "m.txt"
        FocalLGBMClassifier(n_estimators=2).fit(X, y).save_model(path)
        text = path.read_text(encoding="utf-8")
        (own,) = (line for line in text.splitlines() if line.startswith("[focalboost: ]: "))
        new = self.altered(own.removeprefix("[focalboost: ]: "), change)
        path.write_text(text.replace(own, f"[focalboost: ]: {new}"), encoding="utf-8")
        self.refuses(FocalLGBMClassifier, path)

    @both
    def test_a_possible_value_has_another_checksum(self, cls, tmp_path):
        path = tmp_path / "m.json"
        make(cls).fit(X, y).save_model(path)
        text = path.read_text(encoding="utf-8")
        for name, old, new in (("gamma", "2.0", "3.0"), ("classes", "[0, 1]", "[1, 0]")):
            for quote in ('"', '\\"'):
                changed = text.replace(
                    f"{quote}{name}{quote}: {old}", f"{quote}{name}{quote}: {new}"
                )
                if changed != text:
                    path.write_text(changed, encoding="utf-8")
                    self.refuses(cls, path)
                    break
            else:
                pytest.fail("nothing was changed")

    @pytest.mark.parametrize("missing", ["gamma", "alpha", "classes", "dtype", "class_prior"])
    def test_a_key_is_missing(self, missing, tmp_path):
        booster = FocalXGBClassifier(n_estimators=2).fit(X, y).get_booster()
        stored = json.loads(booster.attr("focalboost"))
        del stored[missing]
        for text in (json.dumps(stored), json.dumps(stored)[:-9], "[]", "3"):
            booster.set_attr(focalboost=text)
            booster.save_model(tmp_path / "m.ubj")
            self.refuses(FocalXGBClassifier, tmp_path / "m.ubj")

    @pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
    def test_a_text_cut_short(self, part, tmp_path):
        path = tmp_path / "m.txt"
        FocalLGBMClassifier(n_estimators=5).fit(X, y).save_model(path)
        text = path.read_text(encoding="utf-8")
        path.write_text(text[: int(len(text) * part)], encoding="utf-8")
        self.refuses(FocalLGBMClassifier, path)

    def test_a_saved_text_has_the_line_ends_that_lightgbm_reads(self, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "linesep", "\r\n")
        path = tmp_path / "m.txt"
        FocalLGBMClassifier(n_estimators=2).fit(X, y).save_model(path)
        assert b"\r" not in path.read_bytes()
        lgb.Booster(model_file=path)


def test_lightgbm_has_one_target():
    two = np.c_[y, 1 - y]
    with pytest.raises(ValueError, match=r"margin must have shape \(n,\) for a binary loss"):
        fl.Objective(LOSS)(two, np.zeros(two.shape))


@both
def test_columns_in_another_order(cls):
    """LightGBM alone reads a frame's columns by their place, and says nothing."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 3)), columns=["amount", "days before", "hour"])
    y = (X["amount"] > 1).to_numpy()
    fitted = make(cls).fit(X, y)
    expected = fitted.predict_proba(X)
    turned = X[["hour", "amount", "days before"]]
    for method in (fitted.predict_proba, fitted.predict, fitted.decision_function):
        with pytest.raises(ValueError, match=r"columns of training in their order|mismatch"):
            method(turned)
    assert (fitted.predict_proba(turned[X.columns]) == expected).all()
    arrays = make(cls).fit(X.to_numpy(), y)
    assert (arrays.predict_proba(X.to_numpy()) == expected).all()
    if cls is FocalLGBMClassifier:  # other names: as LightGBM, by place
        assert (fitted.predict_proba(X.set_axis(["a", "b", "c"], axis=1)) == expected).all()

"""Decisions on posteriors, metrics of a budget, unknown class frequencies."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from scipy.stats import bootstrap
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.utils.estimator_checks import parametrize_with_checks

import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import (
    BinaryFocalLoss,
    SoftmaxFocalLoss,
    decisions,
    estimate_prior,
    metrics,
    shift_prior,
)
from focalboost.estimators import CostSensitiveClassifier
from tests.classifiers import both, make
from tests.hosts import tables
from tests.hosts.models import FOCAL, LIGHTGBM, XGBOOST

lgb = pytest.importorskip("lightgbm")
xgb = pytest.importorskip("xgboost")

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_numbers_whatever_ran_before():
    global rng
    rng = np.random.default_rng(0)


N = 60
P = rng.random(N)
ETA = softmax(rng.normal(size=(N, 3)), axis=1)


class TestCosts:
    @pytest.mark.parametrize("actions", [1, 2, 3, 5])
    @pytest.mark.parametrize("per_row", [False, True])
    @pytest.mark.parametrize("eta", [P, ETA], ids=["binary", "three classes"])
    def test_definition(self, eta, per_row, actions):
        columns = np.column_stack([1 - eta, eta]) if eta.ndim == 1 else eta
        k = columns.shape[1]
        costs = rng.normal(size=(N, k, actions) if per_row else (k, actions))
        expected = np.array(
            [
                [
                    sum(columns[i, j] * (costs[i] if per_row else costs)[j, a] for j in range(k))
                    for a in range(actions)
                ]
                for i in range(N)
            ]
        )
        assert_allclose(decisions.expected_cost(eta, costs), expected, atol=1e-12)
        assert_array_equal(decisions.decide(eta, costs), expected.argmin(axis=1))

    def test_ties_take_the_first_action(self):
        assert_array_equal(decisions.decide([0.5, 0.2], [[1.0, 1.0], [1.0, 1.0]]), [0, 0])

    def test_alert_costs_are_the_threshold_of_elkan(self):
        amount, cost = rng.random(N) * 100, rng.random(N) * 20
        for a, c in ((amount, 5.0), (amount, cost), (30.0, 5.0), (30.0, cost)):
            alert = decisions.decide(P, decisions.alert_costs(a, c)) == 1
            assert_array_equal(alert, np.asarray(c) / np.asarray(a) < P)
        assert_array_equal(decisions.alert_costs(8.0, 3.0), [[0, 3], [8, 3]])

    def test_the_realised_cost_is_lowest_on_average(self):
        p = rng.beta(1, 5, 200_000)
        y, amount = rng.random(len(p)) < p, rng.exponential(50, len(p))
        best = decisions.decide(p, decisions.alert_costs(amount, 5.0)) == 1
        cost = metrics.total_cost(y, best, amount, 5.0)
        for other in (p > 0.1, p > 0.3, p * 1.3 > 5 / amount, p * 0.7 > 5 / amount):
            assert cost < metrics.total_cost(y, other, amount, 5.0)

    @pytest.mark.parametrize(
        ("eta", "costs", "message"),
        [
            (P, np.zeros((3, 2)), r"costs must have shape \(2, actions\)"),
            (P, np.zeros((5, 2, 2)), r"one matrix for each of the 60 rows, got 5"),
            (P, np.zeros((2, 0)), "costs must have shape"),
            (P, [[0, np.nan], [1, 1]], "costs must be finite, got nan"),
            (P, [["a", "b"], ["c", "d"]], "costs must be real numbers"),
            (P + 1, np.zeros((2, 2)), r"posterior must be in \[0, 1\]"),
            (ETA / 2, np.zeros((3, 2)), "rows of posterior must sum to 1, got 0.5"),
            (ETA[:, :1], np.zeros((1, 2)), "posterior must have shape"),
        ],
    )
    def test_bad_input(self, eta, costs, message):
        with pytest.raises(ValueError, match=message):
            decisions.decide(eta, costs)

    @pytest.mark.parametrize(
        ("amount", "cost", "message"),
        [
            (-1.0, 5.0, "amount must be at least 0, got -1"),
            ([1.0, np.inf], 5.0, "amount must be finite"),
            ([1.0, 2.0], [5.0], "one entry per row each"),
            (np.ones((2, 2)), 5.0, "amount must be a number or have shape"),
        ],
    )
    def test_bad_amounts(self, amount, cost, message):
        with pytest.raises(ValueError, match=message):
            decisions.alert_costs(amount, cost)


scores = st.lists(st.integers(0, 5), min_size=1, max_size=40)


class TestBudget:
    @settings(max_examples=100, deadline=None)
    @given(scores, st.data())
    def test_alerts_are_the_highest_of_each_group(self, score, data):
        n = len(score)
        groups = data.draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n))
        largest = max(groups.count(g) for g in groups)
        budget = data.draw(st.one_of(st.integers(1, largest), st.floats(0.01, 0.99)))
        try:
            alert = decisions.alerts_within_budget(score, budget, groups)
        except ValueError:
            assert budget * largest < 1
            return
        for group in set(groups):
            rows = [i for i in range(n) if groups[i] == group]
            k = min(budget, len(rows)) if budget >= 1 else int(budget * len(rows) + 1e-9)
            expected = sorted(rows, key=lambda i: (-score[i], i))[:k]
            assert sorted(expected) == [i for i in rows if alert[i]]

    def test_shares_are_whole_alerts(self):
        assert decisions.alerts_within_budget(np.arange(100), 0.29).sum() == 29
        assert decisions.alerts_within_budget(np.zeros(7), 0.5).tolist() == [True] * 3 + [False] * 4

    @settings(max_examples=100, deadline=None)
    @given(scores, st.floats(0.05, 0.95))
    def test_threshold_keeps_to_the_budget(self, score, share):
        score = np.array(score)
        if int(share * len(score) + 1e-9) == 0:
            return
        threshold = decisions.threshold_for_budget(score, share)
        assert (score >= threshold).sum() <= share * len(score) + 1e-9
        lower = score[score < threshold]
        if len(lower):
            assert (score >= lower.max()).sum() > int(share * len(score) + 1e-9)

    def test_threshold_of_days(self):
        score, day = rng.random(3_000), np.repeat(np.arange(30), 100)
        threshold = decisions.threshold_for_budget(score, 5, day)
        assert (score >= threshold).sum() == 150
        assert decisions.threshold_for_budget(np.ones(10), 3) == np.inf

    @pytest.mark.parametrize(
        ("score", "budget", "groups", "message"),
        [
            (P, -1, None, r"budget must be a share in \(0, 1\) or a number of alerts"),
            (P, 0, None, "budget must be a share"),
            (P, 1.0, None, "budget must be a share"),
            (P, True, None, "budget must be a share"),
            (P, np.nan, None, "budget must be a share"),
            (P, "5", None, "budget must be a share"),
            (P, 61, None, "at most the number of rows, 60, got 61"),
            (P, 31, np.arange(60) % 2, "at most 30 in a group, got 31"),
            (P, 0.001, None, "budget must allow an alert"),
            (P, 2, P[:3], "groups must have one entry for each of the 60 rows"),
            (P, 2, np.full(60, None), "groups must have no missing value, got one at row 0"),
            (P, 2, np.full(60, "NaT", "datetime64[D]"), "groups must have no missing value"),
            (P, 2, pd.array([pd.NA] * 60, dtype="object"), "groups must have no missing value"),
            (np.full(60, np.nan), 2, None, "score must be finite, got nan"),
            (np.zeros((3, 2)), 2, None, "score must have shape"),
            ([], 2, None, "score must have shape"),
            (["a"], 1, None, "score must be real numbers"),
        ],
    )
    @pytest.mark.parametrize(
        "function", [decisions.alerts_within_budget, decisions.threshold_for_budget]
    )
    def test_bad_input(self, function, score, budget, groups, message):
        with pytest.raises(ValueError, match=message):
            function(score, budget, groups)


def mean_over_orders(y, score, budget):
    """Recall and precision of the highest scores, the mean over random orders of equal ones."""
    y, score = np.asarray(y), np.asarray(score)
    found = []
    for seed in range(3_000):
        order = np.random.default_rng(seed).permutation(len(y))
        top = order[np.argsort(-score[order], kind="stable")][:budget]
        found.append(y[top].sum())
    return np.mean(found) / y.sum(), np.mean(found) / budget


class TestMetrics:
    def test_ties_are_the_mean_over_all_orders(self):
        y, score = [1, 0, 1, 0, 0, 1, 0], [3, 2, 2, 2, 2, 1, 0]
        for budget in range(1, 8):
            recall, precision = mean_over_orders(y, score, budget)
            assert_allclose(metrics.recall_at_budget(y, score, budget), recall, atol=0.02)
            assert_allclose(metrics.precision_at_budget(y, score, budget), precision, atol=0.02)

    @settings(max_examples=100, deadline=None)
    @given(scores, st.data())
    def test_weights_are_repeated_rows_in_any_order_and_unit(self, score, data):
        n = len(score)
        y = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
        w = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
        if not any(a * b for a, b in zip(y, w, strict=True)):
            return
        share = data.draw(st.floats(0.02, 0.98))
        repeated = [np.repeat(a, w) for a in (y, score)]
        order = data.draw(st.permutations(range(n)))
        shuffled = [np.array(a)[list(order)] for a in (y, score, w)]
        for function in (metrics.recall_at_budget, metrics.precision_at_budget):
            value = function(y, score, share, w)
            assert_allclose(value, function(*repeated, share))
            assert_allclose(value, function(shuffled[0], shuffled[1], share, shuffled[2]))
            assert_allclose(value, function(y, score, share, np.array(w) * 1e-4))
            whole = function(y, score, 1, w)
            assert_allclose(whole, function(*repeated, 1))
        value = metrics.recall_at_precision(y, score, share, w)
        assert_allclose(value, metrics.recall_at_precision(*repeated, share))

    def test_agrees_with_the_alerts(self):
        y, score, day = rng.integers(0, 2, 500), rng.random(500), rng.integers(0, 7, 500)
        alert = decisions.alerts_within_budget(score, 5, day)
        assert_allclose(metrics.recall_at_budget(y, score, 5, groups=day), y[alert].sum() / y.sum())
        assert_allclose(metrics.precision_at_budget(y, score, 5, groups=day), y[alert].mean())
        alert = decisions.alerts_within_budget(score, 0.1)
        assert_allclose(metrics.recall_at_budget(y, score, 0.1), y[alert].sum() / y.sum())

    @settings(max_examples=100, deadline=None)
    @given(scores, st.data())
    def test_recall_at_precision_is_that_of_the_curve(self, score, data):
        y = data.draw(st.lists(st.integers(0, 1), min_size=len(score), max_size=len(score)))
        if not any(y):
            return
        least = data.draw(st.floats(0.05, 1.0))
        precision, recall, _ = precision_recall_curve(y, score)
        expected = max(
            [r for p, r in zip(precision[:-1], recall[:-1], strict=True) if p >= least - 1e-12],
            default=0,
        )
        assert_allclose(metrics.recall_at_precision(y, score, least), expected)

    def test_money_with_weights(self):
        y, alert, amount = [1, 1, 0, 0], [True, False, True, False], [50.0, 70.0, 20.0, 9.0]
        w = [1, 2, 3, 4]
        repeated = [np.repeat(a, w) for a in (y, alert, amount)]
        assert metrics.total_cost(y, alert, amount, 4.0, w) == 4 + 140 + 12
        for function in (metrics.total_cost, metrics.savings):
            assert_allclose(function(y, alert, amount, 4.0, w), function(*repeated, 4.0))
        assert metrics.savings(y, np.array(alert, int), amount, 4.0) == metrics.savings(
            y, alert, amount, 4.0
        )

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: metrics.recall_at_budget([0, 0], [1, 2], 1), "y must have at least one 1"),
            (lambda: metrics.recall_at_budget([1, 2], [1, 2], 1), "labels must be 0 or 1, got 2"),
            (lambda: metrics.recall_at_budget([1, 0], [1, 2, 3], 1), "labels must have shape"),
            (lambda: metrics.recall_at_budget([1, 0], [1, 2], 3), "at most the number of rows, 2"),
            (lambda: metrics.recall_at_budget([1, 0], [1, np.nan], 1), "score must be finite"),
            (lambda: metrics.recall_at_budget([1, 0], [1, 2], 1, [1, -1]), "sample_weight must be"),
            (lambda: metrics.recall_at_budget([1, 0], [1, 2], 1, [0, 1]), "at least one 1 with"),
            (
                lambda: metrics.recall_at_precision([1, 0], [1, 2], 0),
                r"precision must be in \(0, 1\]",
            ),
            (lambda: metrics.recall_at_precision([1, 0], [1, 2], 1.1), "precision must be in"),
            (lambda: metrics.total_cost([1], [0.5], [1.0], 1.0), "alert must be True or False"),
            (lambda: metrics.total_cost([1], [True], [-1.0], 1.0), "amount must be finite and at"),
            (lambda: metrics.total_cost([1], [True], [1.0], np.nan), "alert_cost must be finite"),
            (
                lambda: metrics.total_cost([1], [True], [1.0], [1.0]),
                "alert_cost must be one number",
            ),
            (lambda: metrics.savings([0], [True], [1.0], 0.0), "alert_cost must be above 0"),
            (
                lambda: metrics.card_precision([1], [1], [1], [None], 1),
                "groups must have no missing",
            ),
            (lambda: metrics.card_precision([1], [1], [1], [1], 0), "k must be an integer >= 1"),
        ],
    )
    def test_bad_input(self, call, message):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    ("precision", "recall"), [(1.0, 0.25), (0.75, 0.75), (0.74, 0.75), (0.6, 0.75), (4 / 7, 1.0)]
)
def test_recall_at_precision(precision, recall):
    # Precision from the top: 1, 1/2, 2/3, 3/4, 3/5, 3/6, 4/7
    y = [1, 0, 1, 1, 0, 0, 1]
    score = [7, 6, 5, 4, 3, 2, 1]
    assert metrics.recall_at_precision(y, score, precision) == recall


def test_recall_at_a_precision_that_no_threshold_reaches():
    assert metrics.recall_at_precision([0, 1], [0.9, 0.8], 0.6) == 0
    # A threshold alerts both payments of equal score, or none.
    assert metrics.recall_at_precision([0, 1], [0.8, 0.8], 0.6) == 0


def test_card_precision_top_k():
    day = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    card = np.array(list("aabc" + "abcd"))
    score = np.array([0.2, 0.9, 0.8, 0.7, 0.9, 0.1, 0.6, 0.5])
    y = np.array([1, 0, 0, 1, 1, 0, 1, 0])
    # Day 0, k = 2: a (.9, compromised by its other payment) and b (.8, genuine), 1/2. a is blocked.
    # Day 1 without a: c (.6, compromised) and d (.5, genuine), 1/2. Day 1 with a: a and c, 2/2.
    assert metrics.card_precision(y, score, day, card, 2) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert metrics.card_precision(y, score, day, card, 2, remove_detected=False) == pytest.approx(
        (1 / 2 + 2 / 2) / 2
    )
    # k = 1: a on day 0, c on day 1. k = 5: a and c on day 0, so day 1 has only genuine cards.
    assert metrics.card_precision(y, score, day, card, 1) == 1
    assert metrics.card_precision(y, score, day, card, 5) == pytest.approx((2 / 5 + 0 / 5) / 2)
    shuffled = np.random.default_rng(0).permutation(8)
    rows = (array[shuffled] for array in (y, score, day, card))
    assert metrics.card_precision(*rows, 2) == pytest.approx(1 / 2)


def test_card_precision_as_the_handbook_computes_it():
    """The handbook's algorithm with pandas, on a table whose cards pay on several days."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    n, k = 3_000, 10
    table = pd.DataFrame(
        {
            "day": rng.integers(8, size=n),
            "card": rng.integers(200, size=n),
            "y": (rng.random(n) < 0.05).astype(int),
        }
    )
    table["score"] = table["y"] + rng.normal(size=n)
    detected, precision = [], []
    for _, today in table.groupby("day"):
        cards = today[~today["card"].isin(detected)].groupby("card").max()
        alerts = cards.sort_values("score", ascending=False).head(k)
        hits = alerts.index[alerts["y"] == 1]
        precision.append(len(hits) / k)
        detected.extend(hits)
    computed = metrics.card_precision(*(table[c] for c in ("y", "score", "day", "card")), k)
    assert computed == pytest.approx(np.mean(precision))


Y = np.array([1, 1, 0, 0, 1])
AMOUNT = np.array([100.0, 4.0, 60.0, 10.0, 40.0])


def test_cost_and_savings():
    alert = np.array([True, False, True, False, False])
    assert metrics.total_cost(Y, alert, AMOUNT, 5.0) == 2 * 5 + 4 + 40
    # The trivial policies cost 144 (no alert) and 5 * 5 = 25 (all alerts).
    assert metrics.savings(Y, alert, AMOUNT, 5.0) == pytest.approx(1 - 54 / 25)
    # At 50 per alert they cost 144 (no alert) and 250 (all alerts).
    assert metrics.savings(Y, alert, AMOUNT, 50.0) == pytest.approx(1 - (2 * 50 + 44) / 144)
    assert metrics.savings(Y, Y == 1, AMOUNT, 5.0) == pytest.approx(1 - 15 / 25)
    assert metrics.savings(Y, np.ones(5, bool), AMOUNT, 5.0) == 0


class TestNames:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("recall@0.1", lambda y, s: metrics.recall_at_budget(y, s, 0.1)),
            ("recall@7", lambda y, s: metrics.recall_at_budget(y, s, 7)),
            ("precision@12", lambda y, s: metrics.precision_at_budget(y, s, 12)),
            ("recall_at_precision@0.4", lambda y, s: metrics.recall_at_precision(y, s, 0.4)),
            ("recall_at_precision@1", lambda y, s: metrics.recall_at_precision(y, s, 1)),
        ],
    )
    def test_value(self, name, expected):
        y, score = rng.integers(0, 2, 100), rng.normal(size=100)
        metric = metrics.named(name)
        assert metric.value(y, score) == expected(y, score)
        assert pickle.loads(pickle.dumps(metric)).value(y, score) == metric.value(y, score)

    def test_other_names_are_not_ours(self):
        assert [metrics.named(n) for n in ("auc", "ndcg@3", "pre@5", "recall", len)] == [None] * 5

    @pytest.mark.parametrize(
        "name",
        ["recall@", "recall@x", "recall@-1", "recall@1.5", "precision@0", "recall_at_precision@2"],
    )
    def test_wrong_parameters(self, name):
        with pytest.raises(ValueError, match="after the @"):
            metrics.named(name)

    def test_several_classes(self):
        with pytest.raises(ValueError, match=r"'recall@0\.1' needs two classes, got 3"):
            metrics.named("recall@0.1", 3)

    def test_scorer(self):
        X = rng.normal(size=(300, 2))
        y = np.where(X[:, 0] + rng.normal(size=300) > 1, "fraud", "genuine")
        model = LogisticRegression().fit(X, y)
        p = model.predict_proba(X)[:, 0]
        for name, function in (
            ("recall@0.1", metrics.recall_at_budget),
            ("precision@9", metrics.precision_at_budget),
        ):
            budget = float(name.split("@")[1]) if "." in name else 9
            found = metrics.scorer(name, pos_label="fraud")(model, X, y)
            assert_allclose(found, function(y == "fraud", p, budget))
        with pytest.raises(ValueError, match="pos_label"):
            metrics.scorer("recall@0.1")(model, X, y)
        with pytest.raises(ValueError, match="name must be one of recall@number"):
            metrics.scorer("recall")
        grid = GridSearchCV(
            LogisticRegression(), {"C": [1e-6, 1.0]}, scoring=metrics.scorer("recall@0.1"), cv=3
        ).fit(X * [1, 9], (y == "fraud").astype(int))
        assert grid.best_params_ == {"C": 1.0}

    @pytest.mark.filterwarnings("ignore:Metadata Routing is experimental")
    def test_scorer_with_days(self):
        import sklearn

        X, day = rng.normal(size=(300, 2)), rng.integers(0, 5, 300)
        y = (X[:, 0] + rng.normal(size=300) > 1).astype(int)
        with sklearn.config_context(enable_metadata_routing=True):
            scorer = metrics.scorer("recall@3").set_score_request(groups="day")
            folds = [(np.arange(150), np.arange(150, 300))]
            found = cross_validate(
                LogisticRegression(), X, y, scoring=scorer, cv=folds, params={"day": day}
            )
        model = LogisticRegression().fit(X[:150], y[:150])
        p = model.predict_proba(X[150:])[:, 1]
        expected = metrics.recall_at_budget(y[150:], p, 3, groups=day[150:])
        assert_allclose(found["test_score"], expected)
        assert expected != metrics.recall_at_budget(y[150:], p, 3)


@pytest.fixture(scope="module")
def halves():
    X, y = tables.binary()
    w = tables.weights(len(y))
    half = len(y) // 2
    return (X[:half], y[:half], w[:half]), (X[half:], y[half:], w[half:])


class TestTraining:
    @pytest.mark.parametrize("link", ["focal", "canonical"])
    def test_xgboost(self, halves, link):
        (X, y, w), (X2, y2, w2) = halves
        loss = BinaryFocalLoss(2.0, link=link)
        d, valid = xgb.DMatrix(X, y, weight=w), xgb.DMatrix(X2, y2, weight=w2)
        results = {}
        names = ["auc", "recall@0.05", "precision@40"]
        booster = fx.train(
            {**XGBOOST, "eval_metric": names, "eta": 1.0},
            d,
            40,
            loss=loss,
            evals=[(valid, "valid")],
            evals_result=results,
            early_stopping_rounds=8,
            maximize=True,
            verbose_eval=False,
        )
        found = results["valid"]
        assert list(found) == ["auc", "focal_loss", "recall@0.05", "precision@40"]
        for i in (0, len(found["auc"]) - 1):
            margin = booster.predict(valid, output_margin=True, iteration_range=(0, i + 1))
            assert found["recall@0.05"][i] == metrics.recall_at_budget(y2, margin, 0.05, w2)
            assert found["precision@40"][i] == metrics.precision_at_budget(y2, margin, 40, w2)
        assert booster.best_iteration == int(np.argmax(found["precision@40"]))
        assert len(found["auc"]) == booster.best_iteration + 9

    def test_xgboost_knows_no_direction(self, halves):
        (X, y, _), (X2, y2, _) = halves
        d, valid = xgb.DMatrix(X, y), xgb.DMatrix(X2, y2)
        params = {**XGBOOST, "eval_metric": "recall@0.05"}
        stop = xgb.callback.EarlyStopping(rounds=3, metric_name="recall@0.05")
        with pytest.raises(ValueError, match=r"must have maximize=True for recall@0\.05"):
            fx.train(params, d, 5, loss=FOCAL, evals=[(valid, "v")], callbacks=[stop])
        with pytest.raises(ValueError, match=r"maximize must be True for recall@0\.05"):
            fx.train(params, d, 5, loss=FOCAL, evals=[(valid, "v")], maximize=False)
        stop = xgb.callback.EarlyStopping(rounds=3, metric_name="recall@0.05", maximize=True)
        results = {}
        booster = fx.train(
            {**params, "eta": 1.0},
            d,
            60,
            loss=FOCAL,
            evals=[(valid, "v")],
            callbacks=[stop],
            evals_result=results,
            verbose_eval=False,
        )
        curve = results["v"]["recall@0.05"]
        assert len(curve) < 60
        assert booster.best_iteration == int(np.argmax(curve))
        canonical = BinaryFocalLoss(2.0, link="canonical")
        with pytest.raises(ValueError, match="eval_metric must be left out with Arrays"):
            fx.train(params, fx.Arrays(X, y), 2, loss=canonical)

    def test_lightgbm(self, halves):
        (X, y, w), (X2, y2, w2) = halves
        d = lgb.Dataset(X, y, weight=w)
        valid = lgb.Dataset(X2, y2, weight=w2, reference=d)
        results = {}
        stop = lgb.early_stopping(8, first_metric_only=True, verbose=False)
        booster = fl.train(
            {**LIGHTGBM, "metric": "recall@0.05,auc", "learning_rate": 1.0},
            d,
            40,
            loss=FOCAL,
            valid_sets=[valid],
            callbacks=[stop, lgb.record_evaluation(results)],
        )
        curve = results["valid_0"]["recall@0.05"]
        assert len(curve) == booster.best_iteration + 8
        for i in (0, booster.best_iteration - 1):
            margin = booster.predict(X2, raw_score=True, num_iteration=i + 1)
            assert curve[i] == metrics.recall_at_budget(y2, margin, 0.05, w2)
        assert set(results["valid_0"]) == {"auc", "recall@0.05", "focal_loss"}

    def test_first_of_two_names_of_a_parameter_counts(self, halves):
        """As in LightGBM, whose name is "metric"; the others are aliases."""
        X, y, _ = halves[0]
        for params in (
            {"metrics": "recall@0.1", "metric": "auc"},
            {"metric": "auc", "metrics": "recall@0.1"},
        ):
            found = fl.cv({**LIGHTGBM, **params}, lgb.Dataset(X, y), 2, loss=FOCAL, nfold=2)
            assert "valid auc-mean" in found
            assert "valid recall@0.1-mean" not in found

    def test_cv(self, halves):
        X, y, _ = halves[0]
        of_xgb = fx.cv(
            {**XGBOOST, "eval_metric": "recall@0.1"},
            xgb.DMatrix(X, y),
            4,
            loss=FOCAL,
            nfold=3,
            seed=1,
        )
        of_lgb = fl.cv(
            {**LIGHTGBM, "metric": "recall@0.1"}, lgb.Dataset(X, y), 4, loss=FOCAL, nfold=3, seed=1
        )
        for values in (of_xgb["test-recall@0.1-mean"], of_lgb["valid recall@0.1-mean"]):
            assert len(values) == 4
            assert 0.1 < values[len(values) - 1] <= 1

    def test_not_with_several_workers(self, halves, monkeypatch):
        X, y, _ = halves[0]
        d = xgb.DMatrix(X, y)
        monkeypatch.setattr(xgb.collective, "get_world_size", lambda: 2)
        with pytest.raises(ValueError, match=r"recall@0\.1 must be left out with several workers"):
            fx.train({"eval_metric": "recall@0.1"}, d, 2, loss=FOCAL, evals=[(d, "train")])

    def test_two_classes_of_softmax(self, halves):
        (X, y, _), (X2, y2, _) = halves
        loss = SoftmaxFocalLoss(2, 2.0)
        d, valid = xgb.DMatrix(X, y), xgb.DMatrix(X2, y2)
        results = {}
        params = {**XGBOOST, "eval_metric": "recall@0.05"}
        booster = fx.train(
            params, d, 3, loss=loss, evals=[(valid, "v")], evals_result=results, verbose_eval=False
        )
        margin = booster.predict(valid, output_margin=True)
        expected = metrics.recall_at_budget(y2, margin[:, 1] - margin[:, 0], 0.05)
        assert results["v"]["recall@0.05"][-1] == expected
        data = lgb.Dataset(X, y)
        results = {}
        booster = fl.train(
            {**LIGHTGBM, "metric": "recall@0.05"},
            data,
            3,
            loss=loss,
            valid_sets=[lgb.Dataset(X2, y2, reference=data)],
            callbacks=[lgb.record_evaluation(results)],
        )
        margin = booster.predict(X2, raw_score=True)
        expected = metrics.recall_at_budget(y2, margin[:, 1] - margin[:, 0], 0.05)
        assert results["valid_0"]["recall@0.05"][-1] == expected

    def test_several_classes_are_refused(self):
        X, y = tables.multiclass(200)
        loss = SoftmaxFocalLoss(3)
        with pytest.raises(ValueError, match=r"'recall@0\.1' needs two classes, got 3"):
            fx.train({"eval_metric": "recall@0.1"}, xgb.DMatrix(X, y), 1, loss=loss)
        with pytest.raises(ValueError, match=r"'recall@0\.1' needs two classes, got 3"):
            fl.train({"metric": "recall@0.1"}, lgb.Dataset(X, y), 1, loss=loss)

    @both
    def test_estimator(self, cls, halves):
        (X, y, w), (X2, y2, w2) = halves
        named = np.where(y == 1, "fraud", "genuine"), np.where(y2 == 1, "fraud", "genuine")
        # "genuine" is the second class: its recall is what the metric of the second class measures.
        options = {"n_estimators": 60, "learning_rate": 1.0}
        keywords = {"eval_set": [(X2, named[1])]}
        if cls.__name__ == "FocalXGBClassifier":
            classifier = make(cls, eval_metric="recall@0.5", early_stopping_rounds=8, **options)
            keywords |= {"sample_weight_eval_set": [w2], "verbose": False}
        else:
            classifier = make(cls, **options)
            stop = lgb.early_stopping(8, first_metric_only=True, verbose=False)
            keywords |= {
                "eval_metric": "recall@0.5",
                "eval_sample_weight": [w2],
                "callbacks": [stop],
            }
        classifier.fit(X, named[0], sample_weight=w, **keywords)
        history = next(iter(classifier.evals_result_.values()))
        curve = np.array(history["recall@0.5"])
        assert len(curve) < 60
        best = (
            classifier.best_iteration_ - 1
            if hasattr(classifier, "best_iteration_")
            else classifier.best_iteration
        )
        assert best == int(np.argmax(curve))
        score = classifier.predict_proba(X2)[:, 1]
        expected = metrics.recall_at_budget(y2 == 0, score, 0.5, w2)
        assert_allclose(curve[best], expected, atol=2e-3)  # float32 probabilities have more ties
        X3, y3 = tables.multiclass(200)
        name = "eval_metric" if cls.__name__ == "FocalXGBClassifier" else "metric"
        with pytest.raises(ValueError, match="needs two classes, got 3"):
            make(cls, **{name: "recall@0.5"}).fit(X3, y3)


class TestPopulation:
    @both
    def test_prior_set_after_fitting(self, cls, binary, tmp_path):
        X, y = binary
        classifier = make(cls).fit(X, y)
        before = classifier.predict_proba(X)
        again = make(cls, population_prior=0.01).fit(X, y).predict_proba(X)
        classifier.set_params(population_prior=0.01)
        assert_allclose(classifier.predict_proba(X), again)
        assert_allclose(
            again[:, 1], shift_prior(before[:, 1].astype(float), y.mean(), 0.01), rtol=1e-4
        )
        assert (classifier.predict(X) != (before[:, 1] > 0.5)).any()
        path = str(tmp_path / ("model.json" if "XGB" in cls.__name__ else "model.txt"))
        classifier.save_model(path)
        loaded = cls().load_model(path)
        assert_allclose(loaded.predict_proba(X), again, rtol=1e-5)
        assert_allclose(pickle.loads(pickle.dumps(classifier)).predict_proba(X), again)
        classifier.set_params(population_prior=None)
        assert_array_equal(classifier.predict_proba(X), before)
        classifier.set_params(population_prior=1.5)
        with pytest.raises(ValueError, match="population_prior must be the frequency"):
            classifier.predict_proba(X)

    def test_not_with_several_targets(self, binary):
        from focalboost import FocalXGBClassifier

        X, y = binary
        classifier = make(FocalXGBClassifier).fit(X, np.column_stack([y, 1 - y]))
        classifier.set_params(population_prior=0.1)
        with pytest.raises(
            ValueError, match="population_prior must be left out with several targets"
        ):
            classifier.predict_proba(X)


def shifted(n, share, trained, seed, effect=2.0):
    """Right posteriors for ``trained`` of rows of which ``share`` are positive."""
    random = np.random.default_rng(seed)
    y = random.random(n) < share
    x = random.normal(effect * y)
    return expit(effect * x - effect**2 / 2 + np.log(trained / (1 - trained)))


class TestEstimatePrior:
    @pytest.mark.parametrize("share", [0.005, 0.05, 0.3, 0.8])
    def test_shift(self, share):
        found = [estimate_prior(shifted(20_000, share, 0.1, s), 0.1) for s in range(10)]
        assert isinstance(found[0], float)
        assert_allclose(np.mean(found), share, atol=4 * np.std(found) / np.sqrt(10) + 1e-4)
        assert np.std(found) < 0.01

    def test_maximises_the_likelihood(self):
        eta = shifted(500, 0.2, 0.1, 0)
        found = estimate_prior(eta, 0.1)

        def likelihood(pi):
            return np.log(eta * pi / 0.1 + (1 - eta) * (1 - pi) / 0.9).sum()

        grid = np.linspace(0.001, 0.999, 2_000)
        assert likelihood(found) > max(map(likelihood, grid)) - 2e-3

    def test_three_classes_and_shift_prior(self):
        random = np.random.default_rng(0)
        trained, share = np.array([0.5, 0.3, 0.2]), np.array([0.8, 0.15, 0.05])
        y = random.choice(3, 30_000, p=share)
        centre = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
        x = random.normal(centre[y])
        density = np.exp(-0.5 * ((x[:, None] - centre) ** 2).sum(axis=2))
        eta = density * trained / (density * trained).sum(axis=1, keepdims=True)
        found = estimate_prior(eta, trained)
        assert_allclose(found, share, atol=0.01)
        right = density * share / (density * share).sum(axis=1, keepdims=True)
        assert_allclose(shift_prior(eta, trained, found), right, atol=0.03)

    def test_a_class_that_has_gone(self):
        assert estimate_prior(shifted(5_000, 0.0, 0.1, 0, effect=4.0), 0.1) < 1e-3

    @pytest.mark.parametrize(
        ("eta", "trained", "message"),
        [
            (np.full(1_000, 0.1), 0.1, "posterior must tell the classes apart"),
            (0.1 + 1e-3 * rng.random(1_000), 0.1, "tell the classes apart|must converge"),
            (np.tile([0.2, 0.4, 0.4], (1_000, 1)), [0.2, 0.4, 0.4], "tell the classes apart"),
            ([0.1, 0.2], 1.5, r"trained must be class frequencies in \(0, 1\)"),
            ([0.1, 1.2], 0.1, r"posterior must be in \[0, 1\]"),
            ([], 0.1, "posterior must have rows"),
            (np.zeros((5, 3)), [0.2, 0.4, 0.4], "must not be 0 for every class"),
        ],
    )
    def test_no_clear_answer(self, eta, trained, message):
        with pytest.raises(ValueError, match=message):
            estimate_prior(eta, trained)

    @pytest.mark.slow
    def test_coverage_of_the_bootstrap_interval(self):
        """docs/decide.md states the number that this prints."""
        covered = 0
        for seed in range(200):
            eta = shifted(2_000, 0.05, 0.1, seed)
            found = bootstrap(
                (eta,),
                lambda rows: estimate_prior(rows, 0.1),
                n_resamples=200,
                vectorized=False,
                method="percentile",
                rng=seed,
            ).confidence_interval
            covered += found.low <= 0.05 <= found.high
        print(covered / 200)
        assert 0.90 < covered / 200 < 0.99


@parametrize_with_checks([CostSensitiveClassifier(LogisticRegression())])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


class TestCostSensitiveClassifier:
    @pytest.fixture
    def table(self):
        X = rng.normal(size=(400, 2))
        return X, np.array(["fine", "fraud", "odd"])[np.clip((X[:, 0] + 1).astype(int), 0, 2)]

    def test_actions(self, table):
        X, y = table
        model = LogisticRegression().fit(X, y)
        eta = model.predict_proba(X)
        labels = CostSensitiveClassifier(LogisticRegression()).fit(X, y).predict(X)
        assert_array_equal(labels, model.predict(X))
        costs = [[0.0, 1.0], [5.0, 1.0], [3.0, 1.0]]
        two = CostSensitiveClassifier(LogisticRegression(), costs=costs).fit(X, y)
        assert_array_equal(two.predict(X), decisions.decide(eta, costs))
        assert_allclose(
            two.score(X, y),
            -np.mean(
                [
                    costs[list(model.classes_).index(t)][a]
                    for t, a in zip(y, two.predict(X), strict=True)
                ]
            ),
        )
        each = rng.random((400, 3, 3))
        found = two.predict(X, costs=each)
        assert_array_equal(found, model.classes_[decisions.decide(eta, each)])
        with pytest.raises(ValueError, match="costs must have shape"):
            two.predict(X, costs=np.zeros((2, 2)))
        for label in ("absent", "new", "zzz"):
            with pytest.raises(ValueError, match=f"y must have labels among .*, got '{label}'"):
                two.score(X, np.full(400, label))
        with pytest.raises(ValueError, match=r"y must have labels among .*, got 1"):
            two.score(X, np.full(400, 1, object))

    @pytest.mark.filterwarnings("ignore:Metadata Routing is experimental")
    def test_costs_and_weights_are_routed(self, binary):
        import sklearn

        X, y = binary
        amount = rng.exponential(50, len(y))
        costs, w = decisions.alert_costs(amount, 5.0), tables.weights(len(y))
        with sklearn.config_context(enable_metadata_routing=True):
            inner = LogisticRegression().set_fit_request(sample_weight=True)
            classifier = CostSensitiveClassifier(inner).set_score_request(costs=True)
            folds = [(np.arange(1_000), np.arange(1_000, 2_000))]
            found = cross_validate(
                classifier, X, y, cv=folds, params={"costs": costs, "sample_weight": w}
            )["test_score"]
        train, test = folds[0]
        model = LogisticRegression().fit(X[train], y[train], sample_weight=w[train])
        action = decisions.decide(model.predict_proba(X[test]), costs[test])
        expected = metrics.total_cost(y[test], action == 1, amount[test], 5.0) / len(test)
        assert_allclose(found, -expected)

    def test_with_another_meta_estimator(self, binary):
        X, y = binary
        inner = CalibratedClassifierCV(LogisticRegression(), cv=3)
        classifier = CostSensitiveClassifier(inner, costs=[[0, 1], [20, 1]]).fit(X, y)
        assert classifier.predict(X).sum() > inner.fit(X, y).predict(X).sum()
        w = np.where(y == 1, 5.0, 1.0)
        assert (
            CostSensitiveClassifier(LogisticRegression())
            .fit(X, y, sample_weight=w)
            .predict(X)
            .sum()
            > CostSensitiveClassifier(LogisticRegression()).fit(X, y).predict(X).sum()
        )

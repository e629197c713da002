"""Any order of fit, set_params, clone, pickle, save, load, continue and predict, on both hosts.

A model of what must hold walks beside the estimator: what it predicts changes by fit and load alone.
"""

import copy
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from focalboost import FocalLGBMClassifier, FocalXGBClassifier
from tests.classifiers import make

rng = np.random.default_rng(5)
X = rng.normal(size=(240, 4))
SCORE = X[:, 0] + 0.5 * X[:, 1] + 0.5 * rng.normal(size=240)
X_TEST = rng.normal(size=(60, 4))
THREE = np.digitize(SCORE, [0.3, 1.2])

LABELS = {
    "0 and 1": (SCORE > 1).astype(int),
    "text": np.where(SCORE > 1, "fraud", "genuine"),
    "-1 and 1": np.where(SCORE > 1, 1.0, -1.0),
    "three": THREE,
    "three texts": np.array(["a", "b", "c"])[THREE],
}
BAD = {
    "one class": (np.zeros(240), "at least two classes"),
    "NaN": (np.where(np.arange(240) == 7, np.nan, SCORE > 1), "NaN"),
    "short": (LABELS["text"][:-1], "inconsistent numbers of samples"),
    "mixed": (np.array(["a", 1] * 120, dtype=object), "labels of one type"),
}
OPTIONS = st.sampled_from(
    [
        {},
        {"focal_gamma": 0.0},
        {"focal_gamma": 4.0, "focal_curvature": "exact"},
        {"class_weight": "balanced"},
        {"focal_alpha": "balanced"},
    ]
)
DEFAULTS = {
    "focal_gamma": 2.0, "focal_curvature": "guarded", "class_weight": None, "focal_alpha": None
}  # fmt: skip


class Life(RuleBasedStateMachine):
    """One estimator, and what it must predict."""

    cls: type
    host_changes: tuple

    def __init__(self):
        super().__init__()
        self.estimator = make(self.cls, n_estimators=3)
        self.expected = None  # probabilities, once there is a model
        self.labels = None  # the training labels, until a file was loaded

    def remember(self):
        self.expected = self.estimator.predict_proba(X_TEST)

    @rule(name=st.sampled_from(sorted(LABELS)), options=OPTIONS)
    def fit(self, name, options):
        self.estimator.set_params(**{**DEFAULTS, **options})
        self.labels = LABELS[name]
        weight = np.linspace(0.5, 2, 240)
        self.estimator.fit(X, self.labels, sample_weight=weight)
        fresh = clone(self.estimator).fit(X, self.labels, sample_weight=weight)
        self.remember()
        assert_array_equal(fresh.predict_proba(X_TEST), self.expected)
        assert_array_equal(self.estimator.classes_, np.unique(self.labels))

    @rule(name=st.sampled_from(sorted(BAD)))
    def fit_that_fails(self, name):
        labels, message = BAD[name]
        params = repr(self.estimator.get_params())
        # A loaded file brings weights of its own labels.
        of_the_file = "class_weight must have labels|alpha must be None"
        with pytest.raises(ValueError, match=f"{message}|{of_the_file}"):
            self.estimator.fit(X, labels)
        assert repr(self.estimator.get_params()) == params

    @rule(data=st.data())
    def set_a_parameter(self, data):
        change = data.draw(st.sampled_from(self.host_changes))
        self.estimator.set_params(**change)

    @rule(options=OPTIONS)
    def set_a_parameter_of_the_loss(self, options):
        self.estimator.set_params(**options)

    @rule()
    def clone_it(self):
        other = clone(self.estimator)
        assert repr(other.get_params()) == repr(self.estimator.get_params())
        with pytest.raises(NotFittedError):
            other.predict(X_TEST)

    @rule(copier=st.sampled_from([copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]))
    def copy_it(self, copier):
        self.estimator = copier(self.estimator)

    @precondition(lambda self: self.expected is not None)
    @rule(suffix=st.sampled_from(["json", "ubj"]))
    def save_and_load(self, suffix):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"model.{suffix}"
            self.estimator.save_model(path)
            loaded = make(self.cls, n_estimators=3).load_model(path)
        assert repr(loaded.loss_) == repr(self.estimator.loss_)
        self.estimator = loaded

    @precondition(lambda self: self.expected is not None and self.labels is not None)
    @rule(form=st.sampled_from(["estimator", "booster"]), options=OPTIONS)
    def continue_it(self, form, options):
        before = self.estimator
        trees = before.get_booster().num_boosted_rounds() if self.xgboost else before.n_iter_
        if form == "booster":
            before = before.get_booster() if self.xgboost else before.booster_
        name = "xgb_model" if self.xgboost else "init_model"
        more = make(self.cls, n_estimators=2, **options)
        more.fit(X, self.labels, **{name: before})
        rounds = more.get_booster().num_boosted_rounds() if self.xgboost else more.n_iter_
        assert rounds == trees + 2
        assert not np.array_equal(more.predict_proba(X_TEST), self.expected)
        self.estimator = more
        self.remember()

    @precondition(lambda self: self.expected is not None and self.labels is not None)
    @rule()
    def continue_with_other_classes(self):
        other = np.where(SCORE > 1, "other", self.labels.astype(str))
        name = "xgb_model" if self.xgboost else "init_model"
        with pytest.raises(ValueError, match="classes of y"):
            make(self.cls).fit(X, other, **{name: self.estimator})

    @property
    def xgboost(self):
        return self.cls is FocalXGBClassifier

    @invariant()
    def predicts_what_it_must(self):
        if self.expected is None:
            with pytest.raises(NotFittedError):
                self.estimator.predict_proba(X_TEST)
            return
        probability = self.estimator.predict_proba(X_TEST)
        assert_array_equal(probability, self.expected)
        assert_allclose(probability.sum(axis=1), 1, atol=1e-6)
        decision = self.estimator.decision_function(X_TEST)
        chosen = (decision > 0).astype(int) if decision.ndim == 1 else decision.argmax(axis=1)
        assert_array_equal(self.estimator.predict(X_TEST), self.estimator.classes_[chosen])


class LifeWithXGBoost(Life):
    cls = FocalXGBClassifier
    host_changes = (
        *({"n_jobs": 2}, {"max_depth": 2}, {"verbosity": 0}, {"random_state": 3}),
        *({"eval_metric": ["auc", "logloss"]}, {"base_score": 0.3}, {"base_score": None}),
        *({"tree_method": "hist"}, {"n_estimators": 4}, {"learning_rate": 0.2}),
    )


class LifeWithLightGBM(Life):
    cls = FocalLGBMClassifier
    host_changes = (
        *({"n_jobs": 2}, {"num_leaves": 5}, {"random_state": 3}, {"reg_lambda": 2.0}),
        *({"metric": "error"}, {"metric": "logloss"}, {"min_child_samples": 5}),
        *({"n_estimators": 4}, {"learning_rate": 0.2}),
    )


short = settings(
    max_examples=25,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
long = settings(short, max_examples=400, stateful_step_count=40)

TestXGBoost = LifeWithXGBoost.TestCase
TestXGBoost.settings = short
TestLightGBM = LifeWithLightGBM.TestCase
TestLightGBM.settings = short


@pytest.mark.slow
class TestXGBoostLong(LifeWithXGBoost.TestCase):
    settings = long


@pytest.mark.slow
class TestLightGBMLong(LifeWithLightGBM.TestCase):
    settings = long

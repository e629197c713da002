"""select_gamma: gamma above 0 only where it is better by more than chance."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit
from scipy.stats import t as student
from sklearn.model_selection import ShuffleSplit, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from focalboost.estimators import select_gamma
from focalboost.estimators._gamma import _holm, _select
from tests.classifiers import both, make

pytest.importorskip("lightgbm")
pytest.importorskip("xgboost")
from focalboost import FocalLGBMClassifier

GAMMAS = np.array([0.0, 1.0, 2.0, 5.0])
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_numbers_whatever_ran_before():
    global rng
    rng = np.random.default_rng(0)


class TestStatistics:
    def test_formula(self):
        scores = rng.normal(size=(2, 12))
        found = _select(np.array([0.0, 2.0]), scores, 0.25, 0.95, "score")
        d = scores[1] - scores[0]
        error = np.sqrt((1 / 12 + 0.25) * d.var(ddof=1))
        assert_allclose(found.table["standard error"][1], error)
        assert_allclose(found.table["p"][1], student.sf(d.mean() / error, 11))
        assert np.isnan(found.table["p"][0])

    def test_candidates_are_paid_for(self):
        """The same difference is enough alone, and not as the only good one of many."""
        zero = rng.normal(size=20)
        good = zero + 1 + rng.normal(0, 1.1, 20)
        many = np.vstack([zero, good, *(zero + rng.normal(size=(30, 20)) - 1)])
        alone = _select(np.array([0.0, 1.0]), many[:2], 0.05, 0.95, "score")
        of_many = _select(np.arange(32.0), many, 0.05, 0.95, "score")
        assert alone.gamma == 1
        assert_allclose(of_many.table["p"][1], 31 * alone.table["p"][1])

    def test_holm(self):
        """Each of m p values times the number of those that are not smaller, and never falling."""
        assert_allclose(_holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
        assert_allclose(_holm(np.array([0.6, 0.001, 0.5, 0.02])), [1, 0.004, 1, 0.06])

    def test_the_best_of_those_that_are_better(self):
        zero = rng.normal(size=20)
        scores = np.vstack([zero, zero + 1, zero + 3, zero - 1]) + rng.normal(0, 0.1, (4, 20))
        found = _select(GAMMAS, scores, 0.25, 0.95, "auc")
        assert found.gamma == 2
        assert found.sentence.startswith("Use gamma 2: its auc is higher than that of gamma 0 by 3")
        assert _select(GAMMAS, -scores, 0.25, 0.95, "auc").gamma == 5

    def test_equal_and_constant_differences(self):
        zero = rng.normal(size=8)
        same = _select(GAMMAS, np.vstack([zero] * 4), 0.25, 0.95, "auc")
        assert same.gamma == 0
        assert same.table["p"][1:] == [1, 1, 1]
        assert (
            _select(GAMMAS, np.vstack([zero, zero - 1, zero - 1, zero + 1]), 0.25, 0.95, "a").gamma
            == 5
        )

    def test_false_choices(self):
        """Differences of independent splits without any effect."""
        chosen = [
            _select(GAMMAS, rng.normal(size=(4, 10)), 0.0, 0.95, "a").gamma > 0
            for _ in range(2_000)
        ]
        assert 0.02 < np.mean(chosen) < 0.06  # Holm with a common gamma 0 is a little careful


class TestSelection:
    @both
    def test_scores_are_those_of_cross_validation(self, cls, binary):
        X, y = binary
        cv = StratifiedKFold(4, shuffle=True, random_state=1)
        found = select_gamma(make(cls), X, y, [2.0, 0.0], cv=cv, scoring="average_precision")
        assert found.table["gamma"] == [0, 2]
        for gamma, scores in zip((0.0, 2.0), found.scores, strict=True):
            expected = cross_val_score(
                make(cls, focal_gamma=gamma), X, y, cv=cv, scoring="average_precision"
            )
            assert_allclose(scores, expected)
        d = found.scores[1] - found.scores[0]
        error = np.sqrt((1 / 4 + 1 / 3) * d.var(ddof=1))
        assert_allclose(found.table["standard error"][1], error, rtol=1e-3)
        assert str(found) == found.sentence

    def test_defaults_pipeline_and_picture(self, binary):
        X, y = binary
        pipeline = make_pipeline(StandardScaler(), make(FocalLGBMClassifier, n_estimators=3))
        found = select_gamma(pipeline, X, y, [0, 1], param="focallgbmclassifier__focal_gamma")
        assert found.scores.shape == (2, 20)
        display = found.plot()
        assert list(display.means_) == ["neg_log_loss"]
        assert_allclose(display.means_["neg_log_loss"], found.table["mean"])
        assert pipeline[-1].focal_gamma == 2.0  # the caller's estimator is as before

    @pytest.mark.parametrize(
        ("keywords", "message"),
        [
            ({"gammas": [1.0, 2.0]}, "gammas must be 0 and at least one other"),
            ({"gammas": [0.0]}, "gammas must be 0 and at least one other"),
            ({"gammas": [0.0, 1.0, 1.0]}, "all distinct"),
            ({"gammas": [0.0, -1.0]}, "gammas must be finite numbers >= 0"),
            ({"gammas": [0.0, np.nan]}, "gammas must be finite numbers >= 0"),
            ({"gammas": ["a", "b"]}, "gammas must be finite numbers >= 0"),
            ({"confidence": 1.0}, r"confidence must be in \(0\.5, 1\)"),
            ({"cv": ShuffleSplit(1)}, "cv must have at least two splits, got 1"),
            ({"cv": 2, "scoring": lambda *_: np.nan}, "scoring must give finite scores"),
            ({"param": "gamma_focal", "cv": 2}, "gamma_focal"),
        ],
    )
    def test_bad_input(self, keywords, message, binary):
        classifier = make(FocalLGBMClassifier, n_estimators=2)
        if "param" in keywords:  # LightGBM takes any keyword; a pipeline does not
            classifier = make_pipeline(classifier)
        with pytest.raises(ValueError, match=message):
            select_gamma(classifier, *binary, **keywords)


def table(seed):
    """Rows whose log-odds are known."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(600, 4))
    y = random.random(600) < expit(1.5 * X[:, 0] + X[:, 1] * X[:, 2] - 2)
    return X, y.astype(int)


class Planted(FocalLGBMClassifier):
    """Trains on labels of which a share is flipped if gamma is 0: gamma 2 is then better."""

    def fit(self, X, y, **keywords):
        flipped = y.copy()
        if self.focal_gamma == 0:
            wrong = np.random.default_rng(len(y)).random(len(y)) < 0.2
            flipped[wrong] = 1 - flipped[wrong]
        return super().fit(X, flipped, **keywords)


@pytest.mark.slow
def test_two_hundred_tables():
    """docs/tuning.md has what this prints."""
    options = {
        "n_estimators": 15,
        "num_leaves": 7,
        "n_jobs": 1,
        "verbosity": -1,
        "focal_gamma": 0.0,
    }
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    chosen = {}
    for cls in (FocalLGBMClassifier, Planted):
        chosen[cls] = [
            select_gamma(cls(**options), *table(seed), [0.0, 0.5, 1.0, 2.0], cv=cv).gamma > 0
            for seed in range(200)
        ]
    share, power = (np.mean(values) for values in chosen.values())
    print(share, power)
    assert share <= 0.10
    assert power > 0.7

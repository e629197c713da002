"""The two estimators, their hosts' classifiers, and small models of them."""

import lightgbm as lgb
import pytest
import xgboost as xgb

from focalboost import FocalLGBMClassifier, FocalXGBClassifier

HOSTS = {FocalXGBClassifier: xgb.XGBClassifier, FocalLGBMClassifier: lgb.LGBMClassifier}
QUIET = {FocalXGBClassifier: {}, FocalLGBMClassifier: {"verbosity": -1}}

both = pytest.mark.parametrize("cls", HOSTS, ids=lambda cls: cls.__name__)


def make(cls, **options):
    """Return an estimator of few trees; ``options`` replace and extend its parameters."""
    small = {"n_estimators": 20, "n_jobs": 1, "learning_rate": 0.3}
    return cls(**{**small, **QUIET[cls], **options})

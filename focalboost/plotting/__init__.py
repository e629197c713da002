"""Plots as scikit-learn Display objects.

A class method (``from_predictions``, ``from_estimator``, ...) computes the curves and draws them;
``plot`` draws them again. Every number that is drawn is an attribute. matplotlib and scikit-learn are
imported when they are needed: ``pip install "focalboost[plot]"``.
"""

from focalboost.plotting._gamma_sweep import GammaSweepDisplay
from focalboost.plotting._losses import LossCurvesDisplay
from focalboost.plotting._precision_recall import PrecisionRecallDisplay
from focalboost.plotting._reliability import ReliabilityDisplay
from focalboost.plotting._training import TrainingCurvesDisplay

__all__ = [
    "GammaSweepDisplay",
    "LossCurvesDisplay",
    "PrecisionRecallDisplay",
    "ReliabilityDisplay",
    "TrainingCurvesDisplay",
]

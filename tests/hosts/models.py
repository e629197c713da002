"""Losses and parameters of small models, which train in milliseconds."""

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss

FOCAL = BinaryFocalLoss(gamma=2.0)
SOFTMAX = SoftmaxFocalLoss(3, gamma=2.0)

XGBOOST = {"eta": 0.3, "max_depth": 3, "nthread": 1}
LIGHTGBM = {"verbosity": -1, "num_threads": 1, "learning_rate": 0.3, "num_leaves": 7}


def loss_for(y):
    """Return the loss for labels 0 and 1, or 0 .. 2."""
    return FOCAL if y.max() == 1 else SOFTMAX

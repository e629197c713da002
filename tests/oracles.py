"""Ground truth: the DEFINITION of the losses in high precision, and finite differences.

Nothing here may use the package's formulas. ``LOSSES`` is the one list of losses, and every property is
tested on each of them: a new loss or option is tested by being added to the list.
"""

from __future__ import annotations

import mpmath as mp
import numpy as np

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss

EPS = np.finfo(np.float64).eps
GAMMAS = (0.0, 0.25, 0.5, 1.0, 1.7, 2.0, 3.0, 5.0, 10.0)
CURVATURES = ("guarded", "exact")

BINARY = [
    *(BinaryFocalLoss(gamma=g) for g in GAMMAS),
    *(BinaryFocalLoss(gamma=g, alpha=0.25) for g in (0.0, 2.0)),
    BinaryFocalLoss(gamma=1.7, alpha=(0.5, 40.0)),
    BinaryFocalLoss(gamma=(3.0, 0.5)),
    BinaryFocalLoss(gamma=(0.0, 2.0), alpha=(0.2, 3.0)),
]
SOFTMAX = [
    *(SoftmaxFocalLoss(3, gamma=g) for g in GAMMAS),
    SoftmaxFocalLoss(2, gamma=2.0),
    SoftmaxFocalLoss(5, gamma=1.7, alpha=(1.0, 0.1, 7.0, 2.0, 30.0)),
    SoftmaxFocalLoss(3, gamma=(0.0, 2.0, 0.5)),
    SoftmaxFocalLoss(4, gamma=(5.0, 0.25, 2.0, 1.0), alpha=(0.3, 1.0, 2.0, 9.0)),
]
LOSSES = [*BINARY, *SOFTMAX]

# Each loss with each of its labels.
BINARY_LABELS = [(loss, y) for loss in BINARY for y in (0, 1)]
SOFTMAX_LABELS = [(loss, t) for loss in SOFTMAX for t in range(loss.n_classes)]

# Both tails, the region where training happens, and the neighbourhood of 0 and of the kinks.
MARGINS = np.unique(
    np.concatenate(
        [
            np.linspace(-12, 12, 41),
            [-0.83, -1.48, -2.28, -2.79, 1e-9, -1e-9, 1e-5, -1e-5],
            *([-m, m] for m in (17.0, 36.9, 38.0, 90.0, 200.0, 500.0, 700.0)),
        ]
    )
)


def labels_and_margins(loss, n=60, seed=0):
    """Return labels of every class, and margins of ordinary size and beyond."""
    if isinstance(loss, SoftmaxFocalLoss):
        return np.arange(n) % loss.n_classes, softmax_margins(loss.n_classes, n, seed)
    noise = np.random.default_rng(seed).normal(size=n)
    return np.arange(n) % 2, np.resize(MARGINS, n) + noise


def softmax_margins(n_classes, n, seed=0):
    """Return random rows of ordinary size, ties, and a few that saturate."""
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=4, size=(n, n_classes))
    z[0] = 0
    z[1] = np.where(np.arange(n_classes) == 0, 30.0, -2.0)
    z[2] = np.where(np.arange(n_classes) == n_classes - 1, 300.0, -300.0)
    z[3, :2] = 5.0
    z[4] += 690
    return z


def per_class(value, n_classes):
    """Return one number per class: ``value`` as it is, or a single number repeated."""
    return value if isinstance(value, tuple) else (value,) * n_classes


def binary_alpha(loss):
    """Return the weights of negatives and positives, as the docstring of the loss defines them."""
    if loss.alpha is None:
        return (1.0, 1.0)
    return loss.alpha if isinstance(loss.alpha, tuple) else (1 - loss.alpha, loss.alpha)


def binary_definition(loss, y):
    """Return the function z -> alpha_y (1 - p_t)^gamma (-log p_t) of an mpmath number."""
    gamma = mp.mpf(per_class(loss.gamma, 2)[y])
    alpha = mp.mpf(binary_alpha(loss)[y])

    def value(z):
        p_t = 1 / (1 + mp.exp(-z if y == 1 else z))
        return alpha * (1 - p_t) ** gamma * -mp.log(p_t)

    return value


def softmax_definition(loss, t, margins):
    """Return the function (j, z_j) -> loss with class j's margin replaced."""
    gamma = mp.mpf(per_class(loss.gamma, loss.n_classes)[t])
    alpha = mp.mpf(1.0 if loss.alpha is None else loss.alpha[t])
    fixed = [mp.mpf(float(m)) for m in margins]

    def value(j, z):
        e = [mp.exp(z if k == j else m) for k, m in enumerate(fixed)]
        p_t = e[t] / mp.fsum(e)
        return alpha * (1 - p_t) ** gamma * -mp.log(p_t)

    return value


def central(f, z):
    """First derivative, fourth order: with h = eps^(1/5) the error is about 1e-12, not 1e-6."""
    h = EPS**0.2 * np.maximum(1, np.abs(z))
    return (f(z - 2 * h) - 8 * f(z - h) + 8 * f(z + h) - f(z + 2 * h)) / (12 * h)

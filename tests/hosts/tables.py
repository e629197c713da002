"""Small tables from a seed."""

import numpy as np


def binary(n=2000, rate=-3.0, seed=0):
    """Return continuous features and labels with about 10 % positives; no two values tie."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    z = 1.5 * X[:, 0] + X[:, 1] * (X[:, 2] > 0) + rate
    y = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(float)
    return X, y


def multiclass(n=2000, seed=0):
    """Return continuous features and labels 0, 1, 2 of unequal frequency."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    z = np.stack([1.0 + 0 * X[:, 0], X[:, 0] + X[:, 1], 2 * X[:, 2] - 1], axis=1)
    y = np.argmax(z + rng.gumbel(size=z.shape), axis=1).astype(float)
    return X, y


def weights(n, seed=1):
    """Return weights whose sums are exact in float32, in whatever order they are added."""
    return np.random.default_rng(seed).integers(1, 9, n) / 4


def collapsing(n=100_000, seed=0):
    """Return a table with 120 positives: 100 apart from the negatives, 20 hidden among them.

    The native log loss collapses on this table with LightGBM's default lambda_l2 = 0: a leaf of
    negatives that are predicted with certainty and one hidden positive has a tiny sum of p(1-p), and its
    step is tens of log-odds.
    """
    rng = np.random.default_rng(seed)
    X = 3 * rng.normal(size=(n, 8))
    rows = rng.choice(n, 120, replace=False)
    y = np.zeros(n)
    y[rows] = 1
    X[rows[:100], :3] += 9 * rng.normal(1, 0.3, size=(100, 3))
    return X.astype(np.float32), y


def collapsing_classes(n=40_000, seed=0):
    """Return seven classes: three separated by thresholds, four rare ones (300 to 100 rows) in clusters.

    Two in a hundred of the rare rows are hidden among the others, so that leaves that are certain of a
    class hold a missed row: the native softmax objective collapses with LightGBM's defaults.
    """
    rng = np.random.default_rng(seed)
    X = 3 * rng.normal(size=(n, 8))
    y = np.zeros(n)
    y[X[:, 0] > 3] = 1
    y[X[:, 1] > 5] = 2
    at, rows = 0, rng.permutation(n)
    for k, m in enumerate((300, 200, 150, 100), start=3):
        of_class = rows[at : at + m]
        at += m
        y[of_class] = k
        apart = of_class[: int(0.98 * m)]
        X[apart, k - 1] += 9
        X[apart, k] -= 9
    return X.astype(np.float32), y


def split(arrays, rows):
    """Return each array's rows of each worker."""
    return [[a[r] for r in rows] for a in arrays]

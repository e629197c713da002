"""The metric is the weighted mean of the rows' losses, summed in double precision."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss, metrics


def test_is_the_weighted_mean():
    rng = np.random.default_rng(0)
    loss = SoftmaxFocalLoss(3, 2.0)
    y, z, w = rng.integers(0, 3, 50), rng.normal(size=(50, 3)), rng.gamma(1.0, size=50)
    per_row = loss.loss(y, z)
    assert_allclose(metrics.focal_loss(loss, y, z), per_row.mean())
    assert_allclose(metrics.focal_loss(loss, y, z, w), np.average(per_row, weights=w))


def test_sums_of_parts_give_the_mean_of_all():
    rng = np.random.default_rng(1)
    loss = BinaryFocalLoss(2.0)
    y, z, w = rng.integers(0, 2, 50), rng.normal(size=50), rng.gamma(1.0, size=50)
    parts = [metrics.sums(loss, y[s], z[s], w[s]) for s in (slice(0, 10), slice(10, 50))]
    total, weight = np.sum(parts, axis=0)
    assert_allclose(total / weight, metrics.focal_loss(loss, y, z, w))


def test_several_targets_share_the_weight_of_their_row():
    rng = np.random.default_rng(2)
    loss = BinaryFocalLoss(2.0)
    y, z, w = rng.integers(0, 2, (50, 3)), rng.normal(size=(50, 3)), rng.gamma(1.0, size=50)
    expected = np.average(loss.loss(y, z), weights=np.repeat(w[:, None], 3, axis=1))
    assert_allclose(metrics.focal_loss(loss, y, z, w), expected)


def test_float32_margins_are_summed_in_double():
    z = np.full(3_000_000, -8.0, dtype=np.float32)
    loss = BinaryFocalLoss(0.0)
    one = float(loss.loss([1], z[:1])[0])
    assert_allclose(metrics.focal_loss(loss, np.ones(len(z)), z), one, rtol=1e-9)


def test_no_rows():
    with pytest.raises(ValueError, match="labels must not be empty"):
        metrics.focal_loss(BinaryFocalLoss(), [], [])
    assert metrics.sums(BinaryFocalLoss(), [], []) == (0.0, 0.0)

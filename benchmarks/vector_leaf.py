"""Many classes: one tree a round, vectors in its leaves, split on a few projections of the gradient.

    python benchmarks/vector_leaf.py [--classes 10 26 100] [--tables NAME] [--rows N]

XGBoost 3.2 can grow such a tree (``xgboost.objective.TreeObjective``, marked experimental). The splits
follow d random projections of the K gradients (Iosipoi and Vakhrushev, "SketchBoost", NeurIPS 2022,
arXiv 2211.12858); the leaves follow all of them. Log loss is that of other rows. The last column is the
time to come within 1 % of the best log loss of the library's own multi:softprob, which grows a tree per
class and round, relative to the time that one needs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import tables
import xgboost as xgb
from rich.console import Console
from rich.table import Table
from scipy.special import log_softmax
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from xgboost.objective import TreeObjective

import focalboost.xgboost as fx
from focalboost import SoftmaxFocalLoss


class Sketched(TreeObjective):  # type: ignore[misc]
    """An objective whose splits follow d random projections of the gradient."""

    def __init__(self, objective: fx.Objective, d: int | None) -> None:
        self._objective, self._d = objective, d

    def __call__(
        self,
        iteration: int,  # noqa: ARG002
        y_pred: Any,
        dtrain: xgb.DMatrix,
    ) -> tuple[Any, Any]:
        """Return gradient and curvature for the leaves."""
        return self._objective(y_pred, dtrain)

    def split_grad(
        self,
        iteration: int,
        grad: Any,
        hess: Any,  # noqa: ARG002
    ) -> tuple[Any, Any] | None:
        """Return d gradients, with curvature 1, for the splits; None: those of the leaves."""
        if self._d is None:
            return None
        directions = np.random.default_rng(iteration).normal(size=(grad.shape[1], self._d))
        sketch = grad @ (directions / np.sqrt(self._d)).astype(np.float32)
        return sketch, np.ones_like(sketch)


def curve(params: dict[str, Any], d: Any, valid: Any, y: Any, rounds: int, obj: Any) -> Any:
    """Return seconds after each round, and log loss of other rows, evaluated outside the time."""
    seconds, losses, spent = [], [], 0.0
    booster = xgb.Booster(params, [d, valid])
    for i in range(rounds):
        start = time.perf_counter()
        booster.update(d, i, fobj=obj)
        spent += time.perf_counter() - start
        seconds.append(spent)
        margin = booster.predict(valid, output_margin=True)
        losses.append(-np.mean(log_softmax(margin, axis=1)[np.arange(len(y)), y]))
    return np.array(seconds), np.array(losses)


def simulated(k: int, n: int) -> tuple[Any, Any]:
    """Return a table of k classes, two clusters each, in 30 features of which 15 say something."""
    return make_classification(
        n,
        n_features=30,
        n_informative=15,
        n_classes=k,
        n_clusters_per_class=2,
        class_sep=2.0,
        random_state=0,
    )


def report(title: str, X: Any, y: Any, rounds: int, threads: int) -> Table:
    """Return what each way of growing trees needs for a round and for a loss."""
    X, X_valid, y, y_valid = train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)
    d = xgb.QuantileDMatrix(X, y, nthread=threads)
    valid = xgb.DMatrix(X_valid, y_valid, nthread=threads)
    k = int(y.max()) + 1
    loss = SoftmaxFocalLoss(k, 0.0)  # the log loss, so that all are compared by the same number
    objective = fx.Objective(loss, n_threads=threads)
    common = {**objective.params(y), "max_depth": 6, "eta": 0.3, "nthread": threads}
    one_tree = common | {"multi_strategy": "multi_output_tree"}
    table = Table(title=f"{title}: {k} classes, {len(y):,} rows", title_justify="left")
    for column in ("trees", "ms per round", "ratio", "best log loss", "time to equal log loss"):
        table.add_column(column, justify="left" if column == "trees" else "right")
    native: Any = None
    for name, params, obj in (
        ("one per class (multi:softprob)", common, None),
        ("one per class, focalboost", common, objective),
        ("vector leaves, all gradients", one_tree, Sketched(objective, None)),
        *(
            (f"vector leaves, d = {d_}", one_tree, Sketched(objective, d_))
            for d_ in (1, 2, 5)
            if d_ < k
        ),
    ):
        many = rounds if params is common else 3 * rounds
        seconds, losses = curve(params, d, valid, y_valid, many, obj)
        native = native or (seconds, losses)
        per_round, own = np.median(np.diff(seconds)), np.median(np.diff(native[0]))
        enough = native[1].min() * 1.01
        reached = np.flatnonzero(losses <= enough)
        first = native[0][np.flatnonzero(native[1] <= enough)[0]]
        ratio = f"{seconds[reached[0]] / first:.2f}" if len(reached) else "not reached"
        columns = f"{1e3 * per_round:.0f}", f"{per_round / own:.2f}", f"{losses.min():.4f}", ratio
        table.add_row(name, *columns)
    return table


def main() -> None:
    """Print a table for each number of classes, and for each real table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, nargs="*", default=[10, 26, 100])
    parser.add_argument("--tables", nargs="*", default=[], metavar="NAME", help="of tables.py")
    parser.add_argument("--folder", type=Path, default=tables.BESIDE)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    given = [("simulated", *simulated(k, options.rows)) for k in options.classes]
    given += [(name, *tables.load(options.folder, name, options.rows)) for name in options.tables]
    for title, X, y in given:
        Console(width=100).print(report(title, X, y, options.rounds, options.threads))


if __name__ == "__main__":
    main()

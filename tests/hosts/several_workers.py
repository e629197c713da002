"""A program: two XGBoost workers, each a process with its share of the rows, against one machine.

The features have few values, so that one machine and two find the same histograms.
"""

import faulthandler
import multiprocessing

import numpy as np
import xgboost as xgb
from xgboost import collective
from xgboost.tracker import RabitTracker

import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, FocalXGBClassifier, metrics
from tests.hosts import tables
from tests.hosts.models import FOCAL, SOFTMAX, XGBOOST

CANONICAL = BinaryFocalLoss(gamma=2.0, link="canonical")


def shares(y):
    """Return the rows of both workers, in some ways that they can be spread."""
    by_class = np.argsort(y, kind="stable")
    few = len(y) // 3
    every = np.arange(len(y))
    return {
        "uneven classes": (np.r_[by_class[:few], by_class[-30:]], by_class[few:-30]),
        "one class on the first": np.split(by_class, [int((y == 0).sum())]),
        "no rows on the second": (every, every[:0]),
    }


def error_rate(margin, d):
    y = d.get_label()
    return "wrong", float(np.mean((margin > 0) != y)) if len(y) else 0.0


def run(case):
    """Train one case on the rows of this worker; return what it has learnt, or how it raised."""
    loss, train, valid, more, stop_by_users = case
    rank = collective.get_rank()
    X, y, w = (a[rank] for a in train)
    history = {}
    stopping = {"early_stopping_rounds": 5}
    if stop_by_users:
        stopping = {
            "custom_metric": error_rate,
            "callbacks": [xgb.callback.EarlyStopping(rounds=5, metric_name="wrong")],
        }
    d = xgb.DMatrix(X, y, weight=w)
    v = xgb.DMatrix(*(a[rank] for a in valid))
    try:
        booster = fx.train(
            XGBOOST | more,
            d,
            30,
            loss=loss,
            evals=[(v, "v")],
            evals_result=history,
            verbose_eval=False,
            **stopping,
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return bytes(booster.save_raw()), history["v"]


def arrays(_):
    """Train on arrays, which only one worker can."""
    X, y = tables.binary(100)
    try:
        fx.train({}, fx.Arrays(X, y), 2, loss=FOCAL)
    except ValueError as error:
        return str(error)
    return "trained"


def estimator(_):
    """Fit the estimator, which does not know the classes of the other worker."""
    try:
        FocalXGBClassifier().fit(*tables.binary(100))
    except ValueError as error:
        return str(error)
    return "fitted"


def scikit_metric(case):
    """Evaluate the metric as XGBoost's scikit-learn interface calls it."""
    y, margin, w = (a[collective.get_rank()] for a in case)
    return fx.Metric(FOCAL)(y, margin, w)


def work(arguments, cases, connection):
    # A worker that waits for another one for ever ends here, and with it the test.
    faulthandler.dump_traceback_later(120, exit=True)
    with collective.CommunicatorContext(**arguments):
        for function, case in cases:
            connection.send(function(case))
    faulthandler.cancel_dump_traceback_later()


def on_two(cases):
    """Return what both workers return for each case."""
    tracker = RabitTracker(n_workers=2, host_ip="127.0.0.1")
    tracker.start()
    new = multiprocessing.get_context("spawn")
    pipes = [new.Pipe() for _ in range(2)]
    started = [
        new.Process(target=work, args=(tracker.worker_args(), cases, theirs)) for _, theirs in pipes
    ]
    for process in started:
        process.start()
    for _, theirs in pipes:
        theirs.close()  # so that the end of a worker is the end of its pipe
    found = [tuple(ours.recv() for ours, _ in pipes) for _ in cases]
    for process in started:
        process.join()
    tracker.wait_for()
    return found


def two_targets():
    X, y = tables.binary()
    return X, np.column_stack([y, X[:, 1] > 1])


def main():
    cases, expected = [], []
    for loss, (X, y) in (
        (FOCAL, tables.binary()),
        (CANONICAL, tables.binary()),
        (SOFTMAX, tables.multiclass()),
        (FOCAL, two_targets()),
    ):
        X, w = X.round(1), tables.weights(len(y))
        train, later = np.arange(1500), np.arange(1500, len(y))
        first = y if y.ndim == 1 else y[:, 0]
        for title, rows in shares(first[train]).items():
            # Of unequal sizes: a plain mean over the workers would be another number.
            valid = tables.split((X, y), (later[:100], later[100:]))
            cases.append((run, (loss, tables.split((X, y, w), rows), valid, {}, False)))
            order = np.concatenate(rows)
            history = {}
            one = fx.train(
                XGBOOST,
                xgb.DMatrix(X[order], y[order], weight=w[order]),
                30,
                loss=loss,
                evals=[(xgb.DMatrix(X[later], y[later]), "v")],
                evals_result=history,
                early_stopping_rounds=5,
                verbose_eval=False,
            )
            expected.append((title, X, one, history["v"]["focal_loss"]))
    X, y = tables.binary()
    X, w = X.round(1), tables.weights(len(y))
    halves = np.array_split(np.arange(1500), 2)
    valid = tables.split((X, y), np.array_split(np.arange(1500, len(y)), 2))
    bad = y.copy()
    bad[1400] = 7
    cases += [
        (run, (FOCAL, tables.split((X, y, w), halves), valid, {}, True)),
        (run, (FOCAL, tables.split((X, bad, w), halves), valid, {}, False)),
        (run, (FOCAL, tables.split((X, np.zeros_like(y), w), halves), valid, {}, False)),
        (
            run,
            (FOCAL, tables.split((X, y, w), halves), valid, {"eval_metric": "recall@0.01"}, False),
        ),
        (arrays, None),
        (estimator, None),
        (scikit_metric, tables.split((y, X[:, 0], w), (np.arange(300), np.arange(300, len(y))))),
    ]
    found = on_two(cases)
    for (title, X_, one, history), pair in zip(expected, found, strict=False):
        models = []
        for result in pair:
            assert not isinstance(result, str), (title, result)
            raw, recorded = result
            np.testing.assert_allclose(recorded["focal_loss"], history, rtol=1e-12, err_msg=title)
            models.append(xgb.Booster(model_file=bytearray(raw)))
        for model in models:
            margins = (m.predict(xgb.DMatrix(X_), output_margin=True) for m in (model, one))
            # Sums of float32 gradients in another order; equal otherwise.
            np.testing.assert_allclose(*margins, atol=2e-6, err_msg=title)
    users, wrong, single, named, of_arrays, fitted, metric = found[len(expected) :]
    assert users[0][1] == users[1][1], users
    assert set(users[0][1]) == {"focal_loss", "wrong"}
    assert "got 7.0" in wrong[1], wrong
    assert "another worker raised" in wrong[0], wrong
    assert all("at least two classes" in text for text in single), single
    assert all("recall@0.01 must be left out" in text for text in named), named
    assert all("Arrays must be trained on by one worker" in text for text in of_arrays), of_arrays
    assert all("one of several workers" in text for text in fitted), fitted
    np.testing.assert_allclose(metric, metrics.focal_loss(FOCAL, y, X[:, 0], w), rtol=1e-12)


if __name__ == "__main__":
    main()

"""What is compared: losses, curvature rules, and how each library trains them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from scipy.special import expit, softmax
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss

ROUNDS, FEW = 100, 20  # rounds at the defaults; the same model cut after FEW is measured too
MOST_ROUNDS, PATIENCE = 300, 20  # tuned
LEAST = 1e-7
"""Posteriors are kept this far from 0 and 1: single precision, in which both libraries predict."""

Pair = tuple[np.ndarray, np.ndarray]
Rule = Callable[[Any, np.ndarray, np.ndarray], Pair]


# ---- curvature ----------------------------------------------------------------------------------------


def guarded(loss: Any, y: np.ndarray, z: np.ndarray) -> Pair:
    """Return what focalboost gives the trees by default."""
    return loss.gradient_curvature(y, z)


def exact(loss: Any, y: np.ndarray, z: np.ndarray) -> Pair:
    """Return the second derivative, at least 1e-16."""
    return loss.gradient_curvature(y, z, curvature="exact")


def floor(c: float) -> Rule:
    """Return max(exact, |gradient| / c): no row asks for a step longer than c."""

    def rule(loss: Any, y: np.ndarray, z: np.ndarray) -> Pair:
        gradient, hessian = exact(loss, y, z)
        return gradient, np.maximum(hessian, np.abs(gradient) / c)

    return rule


def absolute(loss: Any, y: np.ndarray, z: np.ndarray) -> Pair:
    """Return |gradient|, XGBoost's coming rule for softmax: no row asks for a step longer than 1."""
    gradient, hessian = exact(loss, y, z)
    size = np.abs(gradient)
    # The engines multiply by the library's factor on the softmax curvature; that rule has none.
    return gradient, np.maximum(
        size if z.ndim == 1 else size / factor(z), hessian.dtype.type(1e-16)
    )


def root(loss: Any, y: np.ndarray, z: np.ndarray) -> Pair:
    """Return the geometric mean of the second derivative and |gradient|, at least |gradient| / 16."""
    gradient, hessian = exact(loss, y, z)
    size = np.abs(gradient)
    least = np.maximum(hessian, size / 256)
    return gradient, np.maximum(np.sqrt(size * least), least.dtype.type(1e-16))


def adaptive(loss: Any, y: np.ndarray, z: np.ndarray) -> Pair:
    """Return the second derivative plus sqrt(L |g|), |g| the root mean square of the rows' gradients.

    arXiv 2605.00581: an l2 term in the norm of functions, so it is added to every row. L is the
    Lipschitz constant of the second derivative of log loss, 1 / (6 sqrt 3).
    """
    gradient, hessian = exact(loss, y, z)
    norm = np.sqrt(
        np.mean(np.sum(np.square(gradient, dtype=np.float64).reshape(len(z), -1), axis=1))
    )
    return gradient, hessian + hessian.dtype.type(np.sqrt(norm / (6 * np.sqrt(3))))


def chord(loss: Any, y: np.ndarray, z: np.ndarray) -> Pair:
    """Return the second derivative, on the wrong side at least the slope between z and its mirror image.

    The first edition's rule. Of a softmax row only the true and the top class can be wrong.
    """
    gradient, hessian = exact(loss, y, z)
    if z.ndim == 1:
        wrong = np.where(y == 1, z, -z) < -1e-6
        rise = (gradient - exact(loss, y, -z)[0]) / np.where(wrong, 2 * z, 1)
        return gradient, np.maximum(np.where(wrong, np.maximum(hessian, rise), hessian), 1e-16)
    rows = np.arange(len(z))
    for j in (y.astype(int), z.argmax(axis=1)):
        others = z.astype(np.float64)
        others[rows, j] = -np.inf
        largest = others.max(axis=1)
        s = z[rows, j] - largest - np.log(np.exp(others - largest[:, None]).sum(axis=1))
        mirrored = z.copy()
        mirrored[rows, j] -= 2 * s
        wrong = np.where(j == y, s < -1e-6, s > 1e-6)
        slope = (gradient - exact(loss, y, mirrored)[0])[rows, j]
        rise = np.where(wrong, slope / np.where(wrong, 2 * s, 1), 0)
        hessian[rows, j] = np.maximum(hessian[rows, j], rise)
    return gradient, np.maximum(hessian, 1e-16)


def factor(z: np.ndarray) -> float:
    """Return what a library multiplies the softmax curvature by, told apart by the margins' layout."""
    return 2.0 if z.flags.c_contiguous else z.shape[1] / (z.shape[1] - 1)


# ---- methods ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Method:
    """One way to train.

    ``gamma`` None: the library's own log loss. ``weights``: "balanced" for sample weights (the
    library's own loss) or alpha (focal loss). ``start``: False to start at margin 0, as code from blogs
    does, whose posterior is then the score. ``more``: parameters of LightGBM.
    """

    name: str
    gamma: float | None = None
    link: str = "focal"
    weights: str | None = None
    rule: str = "c = 16"
    start: bool = True
    more: Mapping[str, Any] | None = None


RULES: dict[str, Rule] = {
    "c = 16": guarded,
    "exact": exact,
    "c = 2": floor(2.0),
    "c = 4": floor(4.0),
    "c = 8": floor(8.0),
    "c = 32": floor(32.0),
    "chord": chord,
    "|gradient|": absolute,
    "root": root,
    "adaptive l2": adaptive,
}
GAMMAS = (0.5, 1.0, 2.0, 5.0)
NATIVE = Method("log loss")
WEIGHTED = Method("log loss, class weights", weights="balanced")
ZERO = Method("gamma 0, c = 16", 0.0)


def focal(link: str, gamma: float, weights: str | None = None) -> Method:
    """Return focal loss with the guarded curvature."""
    name = f"{link}, gamma {gamma:g}" + (", balanced" if weights else "")
    return Method(name, gamma, link, weights)


def with_rule(rule: str, gamma: float) -> Method:
    """Return the paper's focal loss with another curvature."""
    return Method(f"gamma {gamma:g}, {rule}", gamma, rule=rule)


FOCAL = [focal(link, gamma) for link in ("focal", "canonical") for gamma in GAMMAS]
AT_DEFAULTS = [
    NATIVE,
    Method("log loss, lambda_l2 = 1", more={"lambda_l2": 1.0}),
    WEIGHTED,
    Method("textbook, gamma 2", 2.0, rule="exact", start=False),
    ZERO,
    replace(ZERO, name="gamma 0, c = 16, balanced", weights="balanced"),
    *FOCAL,
    *[focal(m.link, m.gamma or 0.0, "balanced") for m in FOCAL],
    *[with_rule(rule, gamma) for gamma in (0.0, 2.0) for rule in list(RULES)[1:]],
]
IN_REGIMES = [NATIVE, ZERO, focal("focal", 2.0), focal("focal", 5.0), focal("canonical", 2.0)]
TUNED = [
    NATIVE,
    WEIGHTED,
    ZERO,
    *[with_rule(rule, 0.0) for rule in list(RULES)[2:]],
    with_rule("exact", 2.0),
    *[focal(link, gamma) for link in ("focal", "canonical") for gamma in (2.0, 5.0)],
    Method("focal, gamma tuned", np.nan),
    Method("canonical, gamma tuned", np.nan, "canonical"),
]


class Fit(NamedTuple):
    """A trained model: the posterior of rows after so many rounds, and what the training showed."""

    posterior: Callable[[np.ndarray, int], np.ndarray]
    train_curve: np.ndarray  # log loss of the posterior after each round
    valid_curve: np.ndarray
    largest_leaf: float  # per unit of the learning rate
    seconds: float


def two_columns(eta: np.ndarray) -> np.ndarray:
    """Return posteriors (n, K), kept away from 0 and 1."""
    eta = np.asarray(eta, dtype=np.float64)
    eta = np.clip(np.column_stack([1 - eta, eta]) if eta.ndim == 1 else eta, LEAST, 1 - LEAST)
    return eta / eta.sum(axis=1, keepdims=True)


def mean_log_loss(y: np.ndarray, eta: np.ndarray) -> float:
    """Return the log loss of posteriors (n, K)."""
    return float(-np.log(eta[np.arange(len(y)), y.astype(int)]).mean())


def loss_of(method: Method, y: np.ndarray, k: int) -> Any:
    """Return the focal loss of a method, with class weights for these labels in alpha."""
    alpha = None
    if method.weights:
        alpha = tuple(compute_class_weight("balanced", classes=np.arange(k), y=y))
    if k == 2:
        return BinaryFocalLoss(method.gamma, alpha, method.link)
    return SoftmaxFocalLoss(k, method.gamma, alpha, method.link)


def eta_of(method: Method, loss: Any, margin: np.ndarray) -> np.ndarray:
    """Return the posterior that a method's users take from its margins."""
    if method.start:
        return two_columns(loss.posterior(margin))
    return two_columns(expit(margin) if margin.ndim == 1 else softmax(margin, axis=1))


def start_of(method: Method, loss: Any, y: np.ndarray, k: int) -> Any:
    """Return the margin where training starts: a number, or one per class."""
    return loss.intercept(y) if method.start else np.zeros(() if k == 2 else k)


def for_rows(start: Any, n: int) -> np.ndarray:
    """Return that margin for each of n rows."""
    return np.array(np.broadcast_to(start, (n, *np.shape(start))))


def largest(leaves: Iterable[str], rate: float) -> float:
    """Return the largest of these leaf values, per unit of the learning rate."""
    return max((abs(float(value)) for value in leaves), default=np.nan) / rate


def lightgbm(
    method: Method,
    params: dict[str, Any],
    rounds: int,
    tables: list[np.ndarray],
    patience: int | None,
) -> Fit:
    """Train in LightGBM, on one thread."""
    X, X_valid, _, y, y_valid, _ = tables
    k = int(y.max()) + 1
    params = {"verbosity": -1, "num_threads": 1, "seed": 0, "deterministic": True, **params}
    params |= dict(method.more or {}) | ({"num_class": k} if k > 2 else {})
    history: dict[str, Any] = {}
    callbacks = [lgb.record_evaluation(history)]
    if patience:
        callbacks.append(lgb.early_stopping(patience, verbose=False))
    d, keywords = lgb.Dataset(X, y), {}
    valid = lgb.Dataset(X_valid, y_valid, reference=d)
    start: Any = 0.0
    if method.gamma is None:
        params |= {"objective": "binary" if k == 2 else "multiclass"}
        if method.weights:
            d.set_weight(compute_sample_weight("balanced", y))
        posterior = two_columns
    else:
        loss = loss_of(method, y, k)
        start = start_of(method, loss, y, k)
        for data, n in ((d, len(y)), (valid, len(y_valid))):
            data.set_init_score(np.asfortranarray(for_rows(start, n)))
        scale = 1.0 if k == 2 else k / (k - 1)
        rule = RULES[method.rule]

        def objective(z: np.ndarray, _: lgb.Dataset) -> Pair:
            gradient, curvature = rule(loss, y, np.asfortranarray(z, dtype=np.float32))
            return np.asfortranarray(gradient), np.asfortranarray(scale * curvature)

        def metric(z: np.ndarray, data: lgb.Dataset) -> tuple[str, float, bool]:
            eta = eta_of(method, loss, np.asarray(z, dtype=np.float32))
            return "log_loss", mean_log_loss(data.get_label(), eta), False

        params |= {"objective": objective, "metric": "None"}
        keywords = {"feval": metric}

        def posterior(raw: np.ndarray) -> np.ndarray:
            return eta_of(method, loss, (raw + start).astype(np.float32))

    sets = [valid] if patience else [d, valid]
    names = ["valid"] if patience else ["train", "valid"]
    begin = time.perf_counter()
    booster = lgb.train(
        params, d, rounds, valid_sets=sets, valid_names=names, callbacks=callbacks, **keywords
    )
    seconds = time.perf_counter() - begin
    curves = {name: np.array(next(iter(history[name].values()))) for name in names}
    text = booster.model_to_string(num_iteration=-1)
    trees = re.findall(r"^leaf_value=(.*)$", text, re.MULTILINE)
    # The library's own loss has the average in its first trees.
    with_average = 0 if method.gamma is not None else k if k > 2 else 1
    return Fit(
        lambda rows, n: posterior(booster.predict(rows, num_iteration=n)),
        curves.get("train", np.zeros(0)),
        curves["valid"],
        largest(" ".join(trees[with_average:]).split(), params.get("learning_rate", 0.1)),
        seconds,
    )


def xgboost(
    method: Method,
    params: dict[str, Any],
    rounds: int,
    tables: list[np.ndarray],
    patience: int | None,
) -> Fit:
    """Train in XGBoost, on one thread."""
    X, X_valid, _, y, y_valid, _ = tables
    k = int(y.max()) + 1
    name = "binary:logistic" if k == 2 else "multi:softprob"
    params = {"nthread": 1, "seed": 0, "objective": name, **params}
    params |= {"num_class": k} if k > 2 else {}
    d, valid = xgb.QuantileDMatrix(X, y, nthread=1), xgb.DMatrix(X_valid, y_valid, nthread=1)
    keywords: dict[str, Any] = {}
    start: Any = None
    if method.gamma is None:
        params |= {"eval_metric": "logloss" if k == 2 else "mlogloss"}
        if method.weights:
            d.set_weight(compute_sample_weight("balanced", y))
        posterior = two_columns
    else:
        loss = loss_of(method, y, k)
        start = start_of(method, loss, y, k)
        for data, n in ((d, len(y)), (valid, len(y_valid))):
            data.set_base_margin(for_rows(start, n))
        scale = 1.0 if k == 2 else 2.0
        rule = RULES[method.rule]

        def objective(z: np.ndarray, _: xgb.DMatrix) -> Pair:
            gradient, curvature = rule(loss, y, np.ascontiguousarray(z, dtype=np.float32))
            return np.float32(gradient), np.float32(scale * curvature)

        def metric(z: np.ndarray, data: xgb.DMatrix) -> tuple[str, float]:
            return "log_loss", mean_log_loss(data.get_label(), eta_of(method, loss, z))

        params |= {"disable_default_eval_metric": 1}
        keywords = {"obj": objective, "custom_metric": metric}

        def posterior(margin: np.ndarray) -> np.ndarray:
            return eta_of(method, loss, margin)

    evals = [(valid, "valid")] if patience else [(d, "train"), (valid, "valid")]
    history: dict[str, Any] = {}
    begin = time.perf_counter()
    booster = xgb.train(
        params,
        d,
        rounds,
        evals=evals,
        evals_result=history,
        early_stopping_rounds=patience,
        verbose_eval=False,
        **keywords,
    )
    seconds = time.perf_counter() - begin

    def predict(rows: np.ndarray, n: int) -> np.ndarray:
        data = xgb.DMatrix(rows, nthread=1)
        if start is not None:
            data.set_base_margin(for_rows(start, len(rows)))
        margin = booster.predict(data, output_margin=start is not None, iteration_range=(0, n))
        return posterior(margin)

    leaves = re.findall(r"leaf=([^,\n]+)", "\n".join(booster.get_dump()))
    return Fit(
        predict,
        np.array(next(iter(history.get("train", {"": []}).values()))),
        np.array(next(iter(history["valid"].values()))),
        largest(leaves, params.get("eta", 0.3)),
        seconds,
    )


def catboost(method: Method, tables: list[np.ndarray]) -> Fit:
    """Train in CatBoost, on one thread: its own losses at its defaults, 100 rounds."""
    from catboost import CatBoostClassifier

    X, X_valid, _, y, y_valid, _ = tables
    k = int(y.max()) + 1
    own = "Logloss" if k == 2 else "MultiClass"
    loss = "Focal:focal_alpha=0.5;focal_gamma=2.0" if method.gamma else own
    weights = {"auto_class_weights": "Balanced"} if method.weights else {}
    model = CatBoostClassifier(
        iterations=ROUNDS,
        loss_function=loss,
        thread_count=1,
        random_seed=0,
        verbose=False,
        allow_writing_files=False,
        **weights,
    )
    begin = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - begin
    curves = [
        np.array([mean_log_loss(labels, two_columns(p)) for p in model.staged_predict_proba(rows)])
        for rows, labels in ((X, y), (X_valid, y_valid))
    ]
    return Fit(
        lambda rows, n: two_columns(model.predict_proba(rows, ntree_end=n)),
        *curves,
        float("nan"),
        seconds,
    )


CATBOOST = [NATIVE, WEIGHTED, Method("CatBoost's Focal, gamma 2", 2.0)]
HOSTS = {"XGBoost": xgboost, "LightGBM": lightgbm}

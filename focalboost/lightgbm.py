r"""Focal loss in LightGBM: objective, metric, train, cv and finalize.

LightGBM's words translated, nothing computed. LightGBM knows no starting value for a custom objective
and saves no link for it; ``train`` therefore starts from the focal intercept, and ``finalize`` writes
that and the link into the finished model, as native training does. ``predict`` then gives SCORES,
sigmoid or softmax of the margin: for probabilities use
``loss.posterior(booster.predict(X, raw_score=True))``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import _arguments, _validation, metrics
from focalboost._immutable import Immutable
from focalboost.curvature import POLICIES, Curvature
from focalboost.losses import BinaryFocalLoss, Loss, SoftmaxFocalLoss, for_trees

__all__ = ["Metric", "Objective", "cv", "finalize", "train"]

_METRIC = "focal_loss"

# LightGBM's aliases of the parameters that matter next to a custom objective.
_ALIASES = {
    "objective": ("objective", "objective_type", "app", "application", "loss"),
    "num_class": ("num_class", "num_classes"),
    "metric": ("metric", "metrics", "metric_types"),
    "boosting": ("boosting", "boosting_type", "boost"),
    "is_unbalance": ("is_unbalance", "unbalance", "unbalanced_sets"),
    "scale_pos_weight": ("scale_pos_weight",),
    "num_machines": ("num_machines", "num_machine"),
    "num_threads": ("num_threads", "num_thread", "nthread", "nthreads", "n_jobs"),
}

# Built-in metrics that depend on the order of the margins only. All others read margins as if they were
# probabilities or predicted numbers, and names that LightGBM does not know it drops in silence.
_METRICS_OF_MARGINS = frozenset("auc average_precision auc_mu multi_error".split())


@dataclass(frozen=True)
class Objective(Immutable):
    r"""Custom objective for lightgbm.train, lightgbm.cv and LGBMClassifier.

    Parameters
    ----------
    loss : BinaryFocalLoss or SoftmaxFocalLoss
    curvature : {"guarded", "exact", "expected"}
        What the trees are given as second derivative; see ``loss.gradient_curvature``. The softmax one
        is multiplied by K / (K - 1), as LightGBM does for its own ``multiclass``, so that gamma = 0
        with ``"exact"`` is the native objective.
    n_threads : int, optional
        Threads for gradient and curvature, used from half a million values on. None: as many as the
        process may run; ``train`` and ``cv`` of this module take over ``num_threads``.

    Raises
    ------
    TypeError, ValueError
        If ``loss`` is not a focal loss, or ``curvature`` is unknown.

    Notes
    -----
    Set ``metric="None"``: LightGBM's own log loss and error metrics read margins as probabilities.
    For softmax, ``num_class`` must be among the parameters. Sample weights of the data are applied,
    once. LightGBM starts from margin 0: ``train`` of this module starts from the focal intercept.

    Examples
    --------
    >>> import numpy as np, lightgbm as lgb
    >>> from focalboost import BinaryFocalLoss
    >>> X = np.arange(90.0).reshape(-1, 1); y = X[:, 0] > 60
    >>> loss = BinaryFocalLoss(gamma=2.0)
    >>> params = {"objective": Objective(loss), "metric": "None", "verbosity": -1}
    >>> booster = lgb.train(params, lgb.Dataset(X, y), 40)
    >>> loss.posterior(booster.predict([[0.0], [89.0]])).round(1)
    array([0., 1.])
    """

    loss: Loss
    curvature: Curvature = "guarded"
    n_threads: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _check_loss(self.loss)
        object.__setattr__(self, "n_threads", _validation.n_threads(self.n_threads))
        _validation.one_of("curvature", self.curvature, POLICIES)

    def __call__(
        self, a: Any, b: Any, sample_weight: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return gradient and curvature, float32, in F order for softmax.

        Called by LightGBM as (margin, Dataset) or as (y, margin[, sample_weight]).
        """
        y, margin, w, _ = _arguments.read(a, b, sample_weight)
        factor = 1.0
        if isinstance(self.loss, SoftmaxFocalLoss):
            factor = self.loss.n_classes / (self.loss.n_classes - 1)
        # LightGBM copies any other dtype and reads any other layout as if it were this one.
        host: dict[str, Any] = {"factor": factor, "order": "F", "n_threads": self.n_threads}
        return for_trees(self.loss, y, margin, w, self.curvature, **host)


@dataclass(frozen=True)
class Metric(Immutable):
    r"""Weighted mean focal loss as feval of lightgbm.train / cv and eval_metric of LGBMClassifier.

    Parameters
    ----------
    loss : BinaryFocalLoss or SoftmaxFocalLoss

    Notes
    -----
    It returns ``("focal_loss", value, False)``: lower is better. It expects margins, which LightGBM
    passes whenever the objective is a callable. With ``boosting="dart"`` do not evaluate it on the
    training set: LightGBM then drops trees once more and leaves them negated in the model.
    """

    loss: Loss

    def __post_init__(self) -> None:
        _check_loss(self.loss)

    def __call__(self, a: Any, b: Any, sample_weight: Any = None) -> tuple[str, float, bool]:
        """Return ("focal_loss", value, False)."""
        y, margin, w, _ = _arguments.read(a, b, sample_weight)
        return _METRIC, metrics.focal_loss(self.loss, y, margin, w), False


def train(
    params: Mapping[str, Any],
    train_set: lgb.Dataset,
    num_boost_round: int = 100,
    *,
    loss: Loss,
    curvature: Curvature = "guarded",
    valid_sets: Sequence[lgb.Dataset] | lgb.Dataset | None = None,
    feval: Any = None,
    init_model: Any = None,
    keep_training_booster: bool = False,
    **host_keywords: Any,
) -> lgb.Booster:
    r"""Train as lightgbm.train does, with objective, prior, metric and saved model set right.

    Parameters
    ----------
    params : mapping
        LightGBM's parameters. Built-in metrics that read scores by rank (auc, average_precision,
        multi_error, auc_mu) may be named; ``num_class`` may be left out.
    train_set : lightgbm.Dataset
        With labels 0/1 (for softmax 0 .. K-1); weights are honoured. An ``init_score`` of yours takes
        the place of the prior, on this and on the valid sets, and is not baked into the model.
    num_boost_round : int
    loss : BinaryFocalLoss or SoftmaxFocalLoss
    curvature : {"guarded", "exact", "expected"}
    valid_sets : list of lightgbm.Dataset, optional
    feval : callable or list of callables, optional
        Evaluated next to the focal loss, on margins. LightGBM's early stopping watches every metric,
        or with ``first_metric_only`` the first.
    init_model : str, Path or Booster, optional
        Continue from this model; its margins take the place of the prior.
    keep_training_booster : False
        True cannot work: the finished model is rewritten with its prior, which ends training.
    **host_keywords
        Anything else lightgbm.train takes: callbacks, valid_names, ...

    Returns
    -------
    lightgbm.Booster
        A finalized model (see ``finalize``): ``predict`` gives sigmoid/softmax scores,
        ``raw_score=True`` the margins for ``loss.posterior``.

    Raises
    ------
    ValueError
        Before any training: labels outside the allowed ones or of a single class; weights negative,
        not finite or all zero; a contradicting ``objective`` or ``num_class``; parameters that cannot
        work with a custom objective (rf boosting, scale_pos_weight, is_unbalance, built-in metrics of
        probabilities, several machines, DART with train_set among the valid sets).
    TypeError
        If ``fobj`` is given, or ``loss`` is not a focal loss.

    Examples
    --------
    >>> import numpy as np, lightgbm as lgb
    >>> from focalboost import BinaryFocalLoss
    >>> X = np.arange(90.0).reshape(-1, 1); y = X[:, 0] > 60
    >>> loss = BinaryFocalLoss(gamma=2.0)
    >>> booster = train({"verbosity": -1}, lgb.Dataset(X, y), 40, loss=loss)
    >>> loss.posterior(booster.predict([[0.0], [89.0]], raw_score=True)).round(1)
    array([0., 1.])
    """
    objective = Objective(loss, curvature, _threads(params))
    _refuse_fobj(host_keywords)
    if keep_training_booster:
        raise ValueError(
            "keep_training_booster must be False: the finished model is rewritten with its prior; to "
            "train on, pass the booster as init_model"
        )
    host = _host_params(params, objective)
    valid = [valid_sets] if isinstance(valid_sets, lgb.Dataset) else list(valid_sets or ())
    if host.get("boosting") == "dart" and any(data is train_set for data in valid):
        raise ValueError(
            "valid_sets must not contain train_set with boosting='dart': to evaluate a custom metric on "
            "it LightGBM drops trees once more and leaves them negated in the model"
        )
    named = [(train_set, "train_set"), *((data, "valid_sets") for data in valid)]
    for data, name in named:
        _check_labelled(data, name)
    if init_model is None:
        # Constructing changes names with spaces, which references would then pass on.
        for data in valid:
            if data is not train_set:
                data.set_reference(train_set)
        for data in (train_set, *valid):
            _construct(data, host)
    for data, name in named:
        _check_data(data, loss, name)
    with_prior = init_model is None and train_set.get_init_score() is None
    prior = _intercept(loss, train_set) if with_prior else None
    started = _start_from(prior, [train_set, *valid])
    try:
        booster = lgb.train(
            {**host, "objective": objective},
            train_set,
            num_boost_round,
            valid_sets=valid or None,
            feval=_arguments.combine(Metric(loss), feval),
            init_model=init_model,
            # In memory the values of inner nodes still have all their digits; finalize needs them.
            keep_training_booster=True,
            **host_keywords,
        )
    finally:
        _clear(started)
    return finalize(booster, loss, init_score=prior).free_dataset()


def cv(
    params: Mapping[str, Any],
    train_set: lgb.Dataset,
    num_boost_round: int = 100,
    *,
    loss: Loss,
    curvature: Curvature = "guarded",
    feval: Any = None,
    init_model: Any = None,
    fpreproc: Callable[..., Any] | None = None,
    return_cvbooster: bool = False,
    **host_keywords: Any,
) -> dict[str, Any]:
    r"""Cross-validate as lightgbm.cv does, with objective, metric and each fold's own prior set right.

    Parameters
    ----------
    params, train_set, num_boost_round, loss, curvature, feval, init_model
        As for ``train``.
    fpreproc : callable, optional
        As for lightgbm.cv; it runs before the prior of the fold is taken.
    return_cvbooster : bool
        Its boosters come finalized.
    **host_keywords
        Anything else lightgbm.cv takes: nfold, folds, stratified, callbacks, ...

    Returns
    -------
    dict
        What lightgbm.cv returns, with keys ``"valid focal_loss-mean"`` and so on.

    Raises
    ------
    ValueError, TypeError
        As ``train``.
    """
    objective = Objective(loss, curvature, _threads(params))
    _refuse_fobj(host_keywords)
    host = _host_params(params, objective)
    if init_model is None:
        _check_labelled(train_set, "train_set")
        _construct(train_set, host)
    _check_data(train_set, loss, "train_set")
    with_prior = init_model is None and train_set.get_init_score() is None
    if with_prior:
        _intercept(loss, train_set)  # refuses what no fold could be trained on, a single class
    priors: list[NDArray[np.float64] | None] = []

    def start(train_fold: lgb.Dataset, test_fold: lgb.Dataset, fold_params: Any) -> Any:
        if fpreproc is not None:
            train_fold, test_fold, fold_params = fpreproc(train_fold, test_fold, fold_params)
        train_fold.construct()
        test_fold.construct()
        priors.append(_intercept(loss, train_fold) if with_prior else None)
        _start_from(priors[-1], [train_fold, test_fold])
        return train_fold, test_fold, fold_params

    results = lgb.cv(
        {**host, "objective": objective},
        train_set,
        num_boost_round,
        feval=_arguments.combine(Metric(loss), feval),
        init_model=init_model,
        fpreproc=start,
        return_cvbooster=return_cvbooster,
        **host_keywords,
    )
    if return_cvbooster:
        boosters: Any = results["cvbooster"]
        for booster, prior in zip(boosters.boosters, priors, strict=True):
            finalize(booster, loss, init_score=prior)
    return dict(results)


def finalize(booster: lgb.Booster, loss: Loss, init_score: ArrayLike | None = None) -> lgb.Booster:
    r"""Write the prior and the link into a trained booster, in place.

    What native training writes: the starting margin is added to every value of the first iteration's
    trees, and the model is named ``binary sigmoid:1`` / ``multiclass num_class:K``. ``predict`` then
    gives sigmoid/softmax scores with the prior included, here and in every consumer of LightGBM
    models.

    Parameters
    ----------
    booster : lightgbm.Booster
        Trained with ``Objective(loss)``. It is rewritten and cannot be trained on (``init_model``
        can), nor finalized again.
    loss : BinaryFocalLoss or SoftmaxFocalLoss
        The loss it was trained with.
    init_score : float or array of shape (K,), optional
        Constant margin the training started from. None: 0, or already in the model.

    Returns
    -------
    lightgbm.Booster
        The same object.

    Raises
    ------
    ValueError
        If the booster has no trees, a number of classes other than the loss's, or a link already;
        if ``init_score`` is not finite or of the wrong length.
    RuntimeError
        If the rewritten model does not hold the values it should (nothing is changed then).

    Notes
    -----
    A model so named is refitted by ``Booster.refit`` with log loss.
    """
    _check_loss(loss)
    k = loss.n_classes if isinstance(loss, SoftmaxFocalLoss) else 1
    if booster.num_trees() == 0:
        raise ValueError("booster must have trees, got none: there is no model to finalize")
    if booster.num_model_per_iteration() != k:
        raise ValueError(
            f"booster must have {k} trees per iteration for loss={loss!r}, "
            f"got {booster.num_model_per_iteration()}"
        )
    shift = _init_score(init_score, k)
    text = booster.model_to_string()
    if re.search(r"^objective=", text, re.MULTILINE):
        raise ValueError(
            "booster must not have a link yet, got a native or already finalized model"
        )
    exact = booster.dump_model(num_iteration=1)["tree_info"]
    rewritten = _with_link(_with_shift(text, shift, exact), k)
    _check_rewritten(text, exact, shift, rewritten)
    booster.model_from_string(rewritten)
    booster.params["objective"] = "binary" if k == 1 else "multiclass"  # onnxmltools asks there
    return booster


def _check_loss(loss: Any) -> None:
    if not isinstance(loss, (BinaryFocalLoss, SoftmaxFocalLoss)):
        raise TypeError(f"loss must be a BinaryFocalLoss or SoftmaxFocalLoss, got {loss!r}")


def _refuse_fobj(host_keywords: Mapping[str, Any]) -> None:
    for name in ("fobj", "metrics"):
        if name in host_keywords:
            raise TypeError(
                f"{name} must not be given: loss= sets the objective and its metric; name others in "
                "params['metric'] or feval"
            )


def _host_params(params: Mapping[str, Any], objective: Objective) -> dict[str, Any]:
    """Check the user's parameters for what cannot work; return them without the objective."""
    host = dict(params)

    def take(name: str) -> Any:
        given = [host.pop(alias) for alias in _ALIASES[name] if alias in host]
        return given[0] if given else None

    loss = objective.loss
    native = ("multiclass", "softmax") if isinstance(loss, SoftmaxFocalLoss) else ("binary",)
    given = take("objective")
    if given is not None and given not in (*native, objective):
        raise ValueError(
            f"objective must be {native[0]!r} or left out next to loss={loss!r}, got {given!r}"
        )
    given = take("num_class")
    n_classes = loss.n_classes if isinstance(loss, SoftmaxFocalLoss) else 1
    if given is not None and int(given) != n_classes:
        raise ValueError(f"num_class must be {n_classes} next to loss={loss!r}, got {given!r}")
    if (given := take("boosting")) is not None:
        if given in ("rf", "random_forest"):
            raise ValueError(
                f"boosting must not be {given!r}: LightGBM's random forest refuses custom objectives; "
                "use 'gbdt' or 'dart'"
            )
        host["boosting"] = given
    if (given := take("scale_pos_weight")) not in (None, 1):
        raise ValueError(
            f"scale_pos_weight must not be set, got {given!r}: LightGBM ignores it with a custom "
            "objective; give the loss alpha=(1, scale_pos_weight) instead"
        )
    if (given := take("is_unbalance")) not in (None, False, "false"):
        raise ValueError(
            f"is_unbalance must not be set, got {given!r}: LightGBM ignores it with a custom "
            "objective; give the loss alpha=balanced_alpha(y) instead"
        )
    if (given := take("num_machines")) not in (None, 1) or host.get("machines"):
        raise ValueError(
            "num_machines must be 1: LightGBM does not synchronise a custom metric or the prior "
            "between machines; train on one"
        )
    metric = take("metric")
    names = [metric] if isinstance(metric, str) else list(metric or ())
    names = [name.strip() for text in names for name in str(text).split(",")]
    names = [name for name in names if name not in ("", "None", "na", "null", "custom")]
    wrong = [name for name in names if name not in _METRICS_OF_MARGINS]
    if wrong:
        raise ValueError(
            f"metric must be one of {', '.join(sorted(_METRICS_OF_MARGINS))}, got {wrong[0]!r}: with a "
            "custom objective LightGBM computes others on margins as if they were probabilities, or "
            "does not know them; use a feval"
        )
    host["metric"] = names or "None"
    if isinstance(loss, SoftmaxFocalLoss):
        host["num_class"] = n_classes
    return host


def _threads(params: Mapping[str, Any]) -> int | None:
    """Return what the parameters give LightGBM; 0 and below mean all, as None does for us."""
    given = next((params[name] for name in _ALIASES["num_threads"] if name in params), None)
    return int(given) if given is not None and int(given) > 0 else None


def _construct(data: lgb.Dataset, host: dict[str, Any]) -> None:
    """Construct the data now, as lightgbm.train would a moment later: its labels are needed.

    Not with init_model: that must predict from the raw data, which constructing frees.
    """
    _check_type(data)
    data._update_params({**host, "objective": "none"})  # what lightgbm.train makes of a callable
    data.construct()


def _check_labelled(data: lgb.Dataset, name: str) -> None:
    """Refuse data in memory without labels: constructing would make them all 0."""
    _check_type(data)
    # A file has labels of its own, and a subset (data None) those of its whole.
    in_memory = data.data is not None and not isinstance(data.data, (str, os.PathLike))
    if data._handle is None and in_memory and data.label is None:
        raise ValueError(f"labels must be set on {name}, got a Dataset without labels")


def _check_type(data: Any) -> None:
    if not isinstance(data, lgb.Dataset):
        raise TypeError(f"train and valid sets must be lightgbm.Dataset, got {type(data).__name__}")


def _label(data: lgb.Dataset) -> NDArray[Any]:
    return np.asarray(data.get_label()).reshape(-1)  # a one-column frame before construction


def _weight(data: lgb.Dataset) -> NDArray[Any] | None:
    weight = data.weight if data._handle is None else data.get_weight()
    return None if weight is None else np.asarray(weight)


def _check_data(data: lgb.Dataset, loss: Loss, name: str) -> None:
    """Refuse data that would train or be evaluated into nonsense, before any tree."""
    _check_type(data)
    if data.label is None and data._handle is None:
        return  # a file that LightGBM has yet to read; the objective checks what it is given
    y = _label(data)
    if y.size == 0:
        raise ValueError(f"labels must be set on {name}, got a Dataset without labels")
    if isinstance(loss, SoftmaxFocalLoss):
        _validation.class_labels(y, loss.n_classes)
    else:
        _validation.binary_labels(y)
    _validation.sample_weight(_weight(data), len(y), np.empty(0, np.float64))


def _intercept(loss: Loss, data: lgb.Dataset) -> NDArray[np.float64]:
    return np.atleast_1d(np.asarray(loss.intercept(_label(data), _weight(data)), dtype=np.float64))


def _start_from(
    prior: NDArray[np.float64] | None, datasets: Iterable[lgb.Dataset]
) -> list[lgb.Dataset]:
    """Set the prior as init_score wherever there is none; return where it was set."""
    started: list[lgb.Dataset] = []
    if prior is None:
        return started
    for data in datasets:
        if data.get_init_score() is None:
            constant = np.tile(prior, (data.num_data(), 1))
            data.set_init_score(constant[:, 0] if len(prior) == 1 else constant)
            started.append(data)
    return started


def _clear(datasets: Iterable[lgb.Dataset]) -> None:
    for data in datasets:
        # set_init_score(None) would leave the values inside the library.
        data.set_field("init_score", None)
        data.init_score = None


def _init_score(value: ArrayLike | None, k: int) -> NDArray[np.float64]:
    shift = np.atleast_1d(np.asarray(0.0 if value is None else value, dtype=np.float64))
    if value is None:
        shift = np.zeros(k)
    if shift.shape != (k,) or not np.isfinite(shift).all():
        raise ValueError(f"init_score must be {k} finite number(s), got {value!r}")
    return shift


_TREE = re.compile(r"^Tree=\d+\n.*?(?=^Tree=\d+\n|^end of trees\n)", re.MULTILINE | re.DOTALL)


def _with_shift(text: str, shift: NDArray[np.float64], exact: list[dict[str, Any]]) -> str:
    """Add ``shift`` to the first iteration's trees, as LightGBM's own Tree::AddBias does."""
    if not shift.any():
        return text
    trees = _TREE.findall(text)
    for index, (constant, tree) in enumerate(zip(shift.tolist(), exact, strict=True)):
        inner = dict(_inner_values(tree["tree_structure"]))
        values = {"internal_value": [inner[i] for i in sorted(inner)]}
        trees[index] = _shifted(trees[index], constant, values)
    sizes = " ".join(str(len(tree.encode())) for tree in trees)
    head = re.sub(
        r"^tree_sizes=.*$", f"tree_sizes={sizes}", text[: text.index("Tree=0\n")], flags=re.M
    )
    return head + "".join(trees) + text[text.index("end of trees\n") :]


def _inner_values(node: dict[str, Any]) -> Iterator[tuple[int, float]]:
    """Yield (index, value) of inner nodes: the dump has all digits, the text only six."""
    stack = [node]
    while stack:
        node = stack.pop()
        if "split_index" in node:
            yield node["split_index"], node["internal_value"]
            stack += [node["left_child"], node["right_child"]]


def _shifted(tree: str, constant: float, exact: Mapping[str, list[float]]) -> str:
    def add(match: re.Match[str]) -> str:
        name, numbers = match[1], match[2].split()
        values = exact.get(name) or [float(number) for number in numbers]
        digits = "g" if name == "internal_value" else ".17g"
        return f"{name}=" + " ".join(f"{value + constant:{digits}}" for value in values)

    tree = re.sub(r"^(leaf_value|leaf_const|internal_value)=(.+)$", add, tree, flags=re.MULTILINE)
    return re.sub(r"^shrinkage=.*$", "shrinkage=1", tree, flags=re.MULTILINE)


def _with_link(text: str, k: int) -> str:
    name, link = (
        ("binary", "binary sigmoid:1") if k == 1 else ("multiclass", f"multiclass num_class:{k}")
    )
    text = re.sub(r"^(max_feature_idx=.*)$", rf"\1\nobjective={link}", text, count=1, flags=re.M)
    return re.sub(r"^\[objective: .*\]$", f"[objective: {name}]", text, count=1, flags=re.M)


def _check_rewritten(
    text: str, exact: list[dict[str, Any]], shift: NDArray[np.float64], rewritten: str
) -> None:
    """Compare the model that ``rewritten`` loads as with what it should be.

    The leaves of the first iteration must be moved by ``shift``, and all other trees the same text.
    """
    new = lgb.Booster(model_str=rewritten)
    moved = new.dump_model(num_iteration=1)["tree_info"]
    wrong = [
        index
        for index, (old_tree, new_tree) in enumerate(zip(exact, moved, strict=True))
        if not np.allclose(_leaves(new_tree), _leaves(old_tree) + shift[index], 1e-12, 1e-15)
    ]
    k = len(shift)
    if wrong or _TREE.findall(new.model_to_string())[k:] != _TREE.findall(text)[k:]:
        raise RuntimeError(
            f"tree {wrong[0] if wrong else k} of the rewritten model does not hold the values it "
            f"should; this version of LightGBM ({lgb.__version__}) writes models in a form that is "
            "not understood"
        )


def _leaves(tree: Mapping[str, Any]) -> NDArray[np.float64]:
    return np.array(list(_leaf_values(tree["tree_structure"])))


def _leaf_values(node: dict[str, Any]) -> Iterator[float]:
    stack = [node]
    while stack:
        node = stack.pop()
        if "split_index" in node:
            stack += [node["right_child"], node["left_child"]]
        else:
            yield node["leaf_value"]

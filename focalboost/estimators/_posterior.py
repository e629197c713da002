"""From a user's labels and options to a loss, and from margins back to probabilities of those labels.

A saved model must carry what stands here, so that it predicts the same after it is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite

from focalboost import _scale, _validation
from focalboost._curvature import POLICIES
from focalboost._frequencies import balanced, class_weights, half_a_row_each
from focalboost._namespace import to_numpy
from focalboost.losses import BinaryFocalLoss, FocalLoss, SoftmaxFocalLoss

PARAMETERS = ("focal_gamma", "focal_alpha", "focal_curvature", "population_prior")
HANDLED = (*PARAMETERS, "class_weight")
"""Parameters that a host must not see."""

# Cui et al. try .9 to .9999. Beyond about 1 / (1 - beta) rows of a class, more rows change its weight
# little.
_EFFECTIVE_BETA = 0.999

# The name under which a saved model of either host carries what predict_proba needs.
KEY = "focalboost"


@dataclass(frozen=True, eq=False)
class ClassPosterior:
    """The loss with the classes it was trained on, in sorted order.

    The loss has the canonical link: its margins are log-odds of the posterior, with gamma, alpha and
    class weights undone. ``alpha`` of the loss is ``focal_alpha`` times ``class_weight``;
    ``class_weight`` alone is kept for decisions.

    With several targets (multilabel) each is 0 or 1; labels, margins and probabilities of 1 are
    (n, n_targets), and ``class_prior`` is (n_targets, 2).
    """

    loss: FocalLoss
    classes: NDArray[Any]
    class_prior: NDArray[np.float64]
    class_weight: NDArray[np.float64] | None
    population_prior: NDArray[np.float64] | None
    n_targets: int = 1

    @classmethod
    def of(
        cls, options: Mapping[str, Any], y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Self, NDArray[np.int64]]:
        """Return the posterior for the training labels, and the labels as 0 .. K-1.

        ``options`` has PARAMETERS and ``class_weight``.
        """
        labels = labels_of(y)
        classes, codes = np.unique(labels, return_inverse=True)
        codes = codes.reshape(labels.shape).astype(np.int64)
        n_targets = labels.shape[1] if labels.ndim == 2 else 1
        n = len(codes)
        weight = None if sample_weight is None else to_numpy(sample_weight).astype(np.float64)
        if weight is not None and weight.shape != (n,):
            raise ValueError(f"sample_weight must have shape {(n,)}, got {weight.shape}")
        weight = _validation.sample_weight(weight, n, np.empty(0, np.float64))
        if n_targets == 1:
            rows = np.bincount(codes)
            weights = class_weights(codes, weight, len(classes))
            return cls.of_counts(options, classes, rows, weights), codes
        _check_targets(labels, options)
        classes, codes = np.arange(2), labels.astype(np.int64)
        prior = np.array([_shares(class_weights(column, weight, 2), n) for column in codes.T])
        loss = _loss(options, classes, None, None)
        return cls(loss, classes, prior, None, None, n_targets), codes

    @classmethod
    def of_counts(
        cls,
        options: Mapping[str, Any],
        classes: NDArray[Any],
        rows: NDArray[np.int64],
        weights: NDArray[np.float64],
    ) -> Self:
        """Return the posterior for so many rows of each class, and these sums of their weights."""
        if len(classes) < 2:
            raise ValueError(
                f"y must have at least two classes, got {len(classes)} class: {classes.tolist()}"
            )
        class_weight = None
        if options["class_weight"] is not None:
            class_weight = _class_weight(options["class_weight"], classes, rows)
        loss = _loss(options, classes, rows, class_weight)
        population_prior = _prior(options["population_prior"], classes)
        return cls(loss, classes, _shares(weights, rows.sum()), class_weight, population_prior)

    def in_population(self, prior: Any) -> Self:
        """Return the same model, asked about a population with these class frequencies."""
        if self.n_targets > 1:
            _refuse_with_targets("population_prior", prior)
            return self
        population_prior = _prior(prior, self.classes)
        return replace(self, population_prior=population_prior)

    def codes(self, y: ArrayLike, name: str) -> NDArray[np.int64]:
        """Return labels of other data, for example an eval_set, as 0 .. K-1."""
        labels = labels_of(y)
        targets = labels.shape[1] if labels.ndim == 2 else 1
        if targets != self.n_targets:
            raise ValueError(f"{name} must have {self.n_targets} target(s) as y, got {targets}")
        return codes_among(self.classes, labels, name)

    def intercept(self) -> NDArray[np.float64]:
        """Return the margin of the training frequencies: a number, or one per class or target.

        ``loss.intercept`` refuses rows of one class. Here a class without weight counts as half a row,
        because a bag of a rare class may have none of it.
        """
        codes = np.arange(len(self.classes))
        if self.n_targets == 1:
            return np.asarray(self.loss.intercept(codes, self.class_prior))
        return np.array([self.loss.intercept(codes, prior) for prior in self.class_prior])

    def probabilities(self, margin: ArrayLike) -> NDArray[np.floating]:
        """Return P(class given x), (n, K), for the population's class frequencies if they are given.

        With several targets P(target = 1 given x), (n, n_targets).
        """
        eta = self.loss.posterior(self._shifted(margin, self.log_shift()))
        return np.asarray(eta if eta.ndim == 2 else np.column_stack([1 - eta, eta]))

    def decision(self, margin: ArrayLike) -> NDArray[np.floating]:
        """Return the log-odds of ``probabilities`` plus the logarithms of the class weights."""
        return self._shifted(margin, self.log_shift() + self.log_weight())

    def decide(self, margin: ArrayLike) -> NDArray[Any]:
        """Return the class of each row whose weight times probability is largest."""
        decision = self.decision(margin)
        if decision.ndim == 1 or self.n_targets > 1:
            return np.asarray(self.classes[(decision > 0).astype(np.int64)])
        return np.asarray(self.classes[decision.argmax(axis=1)])

    def log_shift(self) -> NDArray[np.float64]:
        """Return what takes the margins from the training frequencies to the population's, (K,)."""
        if self.population_prior is None:
            return np.zeros(len(self.classes))
        return np.asarray(np.log(self.population_prior / self.class_prior))

    def log_weight(self) -> NDArray[np.float64]:
        """Return the logarithms of the class weights, (K,)."""
        return (
            np.zeros(len(self.classes)) if self.class_weight is None else np.log(self.class_weight)
        )

    def _shifted(self, margin: ArrayLike, shift: NDArray[np.float64]) -> NDArray[np.floating]:
        z = np.asarray(margin)
        if self.n_targets > 1:
            return z  # a prior and class weights are refused with them
        constant = shift[1] - shift[0] if z.ndim == 1 else shift
        return z + constant.astype(z.dtype) if constant.any() else z

    def parameters(self) -> dict[str, Any]:
        """Return parameters of an estimator that trains this loss on such labels."""
        weight, alpha = self.class_weight, self.loss.alpha
        if weight is not None:
            alpha = tuple((np.array(self.loss.alphas) / weight).tolist())
            alpha = None if set(alpha) == {1.0} else alpha
        prior = self.population_prior
        return {
            "focal_gamma": self.loss.gamma,
            "focal_alpha": alpha,
            "class_weight": None
            if weight is None
            else dict(zip(self.classes.tolist(), weight.tolist(), strict=True)),
            "population_prior": None if prior is None else tuple(prior.tolist()),
        }

    def says(self) -> dict[str, str]:
        """Return what a saved model of either host says of itself, by name."""
        return {KEY: self.to_json(), **_scale.says(self.loss)}

    def to_json(self) -> str:
        """Write everything as one line without an equals sign, which LightGBM's files reserve."""
        stored = {
            "link": self.loss.link,
            "gamma": self.loss.gamma,
            "alpha": self.loss.alpha,
            "classes": self.classes.tolist(),
            "dtype": self.classes.dtype.str,
            "class_prior": self.class_prior.tolist(),
            "class_weight": _listed(self.class_weight),
            "population_prior": _listed(self.population_prior),
            "n_targets": self.n_targets,
        }
        return json.dumps(stored | {"checksum": _checksum(stored)}).replace("=", "\\u003d")

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote; ValueError if it is not that."""
        try:
            stored = json.loads(text)
            if stored.get("link") != "canonical":
                raise ValueError(
                    "the model must be trained with link='canonical', got "
                    f"link={stored.get('link', 'focal')!r}: its margins are no log-odds of the "
                    "posterior"
                )
            # Files of 0.1 have none.
            if "checksum" in stored and stored.pop("checksum") != _checksum(stored):
                raise ValueError(f"{_ALTERED}: it has another checksum than was written")
            return cls._of_stored(stored)
        except (KeyError, IndexError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"{_ALTERED}: {error!r}") from error

    @classmethod
    def _of_stored(cls, stored: dict[str, Any]) -> Self:
        classes = np.array(stored["classes"], dtype=np.dtype(stored["dtype"]))
        if classes.ndim != 1 or len(np.unique(classes)) != len(classes):
            raise ValueError(f"{_ALTERED}: its classes must be different, got {stored['classes']}")
        gamma, alpha = (
            tuple(value) if isinstance(value, list) else value
            for value in (stored["gamma"], stored["alpha"])
        )
        n_targets = stored.get("n_targets", 1)  # files of 0.1 have none
        k = len(classes)
        of_classes = {name: stored[name] for name in ("class_weight", "population_prior")}
        return cls(
            _focal_loss(k, gamma, alpha),
            classes,
            _array(stored["class_prior"], (k,) if n_targets == 1 else (n_targets, k)),
            **{n: None if v is None else _array(v, (k,)) for n, v in of_classes.items()},
            n_targets=n_targets,
        )


_ALTERED = "what the model says of its loss and classes was altered or cut"


def _checksum(stored: Mapping[str, Any]) -> str:
    return sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()[:16]


def _listed(values: NDArray[np.float64] | None) -> list[float] | None:
    return None if values is None else list(values.tolist())


def _array(values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.array(values)
    numbers = array.dtype.kind in "iuf" and array.shape == shape
    if not numbers or not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(f"{_ALTERED}: it needs {shape} positive numbers, got {values}")
    return array.astype(np.float64)


def _shares(weights: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return weighted class frequencies; a class without weight counts as half an average row."""
    return half_a_row_each(weights / weights.sum(), n)


def labels_of(y: ArrayLike) -> NDArray[Any]:
    """Return labels of any type as an array (n,), or (n, targets); refuse what cannot be labels."""
    if y is None:
        # scikit-learn's own checks look for this sentence.
        raise ValueError("This estimator requires y to be passed, but the target y is None.")
    if hasattr(y, "__cuda_array_interface__"):
        y = to_numpy(y)
    labels = np.asarray(y)
    if labels.ndim != 2 or labels.shape[1] < 2:
        labels = np.asarray(column_or_1d(y, warn=True))
    if labels.dtype == object:
        _check_objects(labels.ravel())
        if all(isinstance(label, (bool, int, np.bool_, np.integer)) for label in labels.flat):
            labels = np.array(labels.tolist())  # as pandas holds nullable integers and booleans
    if labels.dtype.kind not in "biufUSO":
        raise ValueError(f"y must have labels that are numbers or text, got {labels.dtype}")
    assert_all_finite(labels, input_name="y")
    check_classification_targets(labels)
    return labels


def codes_among(classes: NDArray[Any], labels: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Return labels of other data than those of training, of any type, as 0 .. K-1."""
    known = {label: code for code, label in enumerate(classes.tolist())}
    different, place = np.unique(labels, return_inverse=True)
    unknown = [label for label in different.tolist() if label not in known]
    if unknown:
        raise ValueError(
            f"{name} must have labels among the training labels {classes.tolist()}, got {unknown[0]!r}"
        )
    codes = np.array([known[label] for label in different.tolist()], np.int64)
    return codes[place].reshape(labels.shape)


def _check_targets(labels: NDArray[Any], options: Mapping[str, Any]) -> None:
    """Refuse what has no meaning with several targets."""
    if labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        raise ValueError("y with several targets must be 0 or 1 in each")
    for name in ("class_weight", "population_prior"):
        _refuse_with_targets(name, options[name])
    if isinstance(options["focal_alpha"], str):
        raise ValueError(
            "focal_alpha must be a number or two with several targets, got "
            f"{options['focal_alpha']!r}: class frequencies differ between targets"
        )


def _refuse_with_targets(name: str, value: Any) -> None:
    if value is not None:
        raise ValueError(
            f"{name} must be left out with several targets, got {value!r}: it belongs to the classes of "
            "one; train one estimator per target"
        )


def _check_objects(labels: NDArray[Any]) -> None:
    """Refuse missing labels and labels of several types, for which NumPy's errors say nothing useful."""
    for row, label in enumerate(labels.tolist()):
        # Comparing pandas' NA with itself raises, so its type is asked first.
        if label is None or type(label).__name__ in ("NAType", "NaTType") or label != label:
            raise ValueError(
                f"y must not have missing labels (None, NaN), got {label} at row {row}"
            )
    types = sorted({type(label).__name__ for label in labels.tolist()})
    if "str" in types and len(types) > 1:
        raise ValueError(f"y must have labels of one type, got {' and '.join(types)}")


def pairs(eval_set: Any) -> list[tuple[Any, Any]]:
    """Check that eval_set is a list of (X, y)."""
    entries = list(eval_set)
    if not all(isinstance(entry, (tuple, list)) and len(entry) == 2 for entry in entries):
        raise ValueError(
            "eval_set must be a list of pairs (X, y), as in eval_set=[(X_valid, y_valid)]"
        )
    return [(X, y) for X, y in entries]


def check_names(options: Mapping[str, Any], loss: FocalLoss, host: str = "XGBoost") -> None:
    """Refuse a misspelt focal parameter, a wrong num_class, and weights that focal_alpha replaces."""
    for name in options:
        if name.startswith("focal") and name not in PARAMETERS:
            raise ValueError(f"{name} is not a parameter; there are {', '.join(PARAMETERS)}")
    k = len(loss.gammas)
    given = options.get("scale_pos_weight")
    if given not in (None, 1):
        weights = f"=(1, {given!r})" if k == 2 else ", one weight per class,"
        raise ValueError(
            f"scale_pos_weight must not be set, got {given!r}: {host} ignores it with a custom "
            f"objective; set focal_alpha{weights} instead"
        )
    given = options.get("num_class")
    if given is not None and given != k and not (k == 2 and given in (0, 1)):
        raise ValueError(f"num_class must be left out, or {k} as y has classes, got {given!r}")


def _loss(
    options: Mapping[str, Any],
    classes: NDArray[Any],
    rows: NDArray[np.int64] | None,
    class_weight: NDArray[np.float64] | None,
) -> FocalLoss:
    """Build the loss; class weights are part of its alpha, so that the posterior undoes them."""
    given = options["focal_alpha"]
    alpha: Any
    if isinstance(given, str):
        if given not in ("balanced", "effective"):
            raise ValueError(
                "focal_alpha must be None, a number, one per class, 'balanced' or 'effective', got "
                f"{given!r}"
            )
        assert rows is not None  # refused with several targets
        weights = balanced(rows, None if given == "balanced" else _EFFECTIVE_BETA)
        alpha = tuple(weights.tolist())  # plain floats: what a saved model can store
    else:
        alpha = _per_class("focal_alpha", given, classes)
    # Here, because the objective would call it curvature.
    _validation.one_of("focal_curvature", options["focal_curvature"], POLICIES)
    gamma = _per_class("focal_gamma", options["focal_gamma"], classes)
    try:
        loss = _focal_loss(len(classes), gamma, alpha)
    except (TypeError, ValueError) as error:  # which begins with the loss's name, gamma or alpha
        raise type(error)(f"focal_{error}") from None
    if class_weight is None:
        return loss
    weighted = tuple((np.array(loss.alphas) * class_weight).tolist())
    return _focal_loss(len(classes), gamma, weighted)


def _class_weight(
    given: Any, classes: NDArray[Any], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return scikit-learn's class weights; classes that a dict leaves out weigh 1."""
    if not isinstance(given, Mapping):
        if given != "balanced":
            raise ValueError(
                f"class_weight must be None, 'balanced' or a dict {{label: weight}}, got {given!r}"
            )
        return balanced(rows)
    names = classes.tolist()
    unknown = [label for label in given if label not in names]
    if unknown:
        raise ValueError(
            f"class_weight must have labels among the classes {names}, got {unknown[0]!r}"
        )
    for label, weight in given.items():
        if not _is_number(weight) or not 0 < weight < np.inf:
            raise ValueError(
                f"class_weight must have finite weights above 0, got {weight!r} for {label!r}"
            )
    return np.array([given.get(name, 1.0) for name in names], np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _focal_loss(n_classes: int, gamma: Any, alpha: Any) -> FocalLoss:
    if n_classes == 2:
        return BinaryFocalLoss(gamma, alpha, link="canonical")
    return SoftmaxFocalLoss(n_classes, gamma, alpha, link="canonical")


def _per_class(name: str, value: Any, classes: NDArray[Any]) -> Any:
    """Return a dict {label: number} as a tuple in the order of the classes; the rest unchanged."""
    if not isinstance(value, Mapping):
        return value
    labels = classes.tolist()
    if set(value) != set(labels):
        raise ValueError(
            f"{name} must have one entry for each of the classes {labels}, got {list(value)}"
        )
    return tuple(value[label] for label in labels)


def _prior(value: Any, classes: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return class frequencies (K,); a single number is that of the second of two classes."""
    if value is None:
        return None
    allowed = (
        "population_prior must be the frequency of each class in the population, in (0, 1) and summing "
        "to 1, or for two classes the frequency of the second"
    )
    given = np.asarray(_per_class("population_prior", value, classes), dtype=object)
    if not all(_is_number(share) for share in given.flat):
        raise ValueError(f"{allowed}, got {value!r}")
    prior = given.astype(np.float64)
    if prior.ndim == 0 and len(classes) == 2:
        prior = np.array([1 - prior, prior])
    right = prior.shape == classes.shape and np.all((prior > 0) & (prior < 1))
    if not right or not np.isclose(prior.sum(), 1, atol=1e-6):
        raise ValueError(f"{allowed}, got {value!r}")
    return prior

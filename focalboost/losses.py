r"""BinaryFocalLoss and SoftmaxFocalLoss: parameters, and one method per mathematical question.

    FL = alpha_t (1 - p_t)^gamma (-log p_t)

Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017 (arXiv 1708.02002), equation 5; p_t is
the score of the observed class, sigmoid or softmax of the margin. Formulas live in ``_binary`` and
``_softmax``, checks in ``_validation``; here they meet labels and weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import _binary, _kernel, _softmax, _validation, intercept, posterior
from focalboost import curvature as policy
from focalboost._blocks import by_rows
from focalboost._immutable import Immutable
from focalboost._namespace import Array, namespace, to_numpy


@dataclass(frozen=True)
class BinaryFocalLoss(Immutable):
    r"""Focal loss of a binary label and one margin z.

    l(y, z) = alpha_y q^gamma L, with s = z for y = 1 and -z for y = 0, q = sigmoid(-s),
    L = -log sigmoid(s).

    Parameters
    ----------
    gamma : float >= 0, or pair (negatives, positives)
        Focusing parameter; 0 is log loss.
    alpha : None, float in (0, 1), or pair of positive floats (negatives, positives)
        Class weights. None: no factor. A float is Lin et al.'s: alpha on positives, 1 - alpha on
        negatives (it halves the loss even at 0.5).

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range or not a number.

    Notes
    -----
    Frozen: hashable, picklable, equal by value. Margins may have any shape, labels the same one;
    with margins (n, targets) a sample weight (n,) counts for every target of its row. Every method
    works in the dtype of the margin (float32 or float64; integers become float64) and never writes
    to its input. Labels outside {0, 1}, NaN, and margins that are not finite raise ValueError, as do
    weights that are negative, not finite, or all zero.

    Examples
    --------
    >>> loss = BinaryFocalLoss(gamma=2.0)
    >>> loss.loss([0, 1], [-2.0, -2.0]).round(6)
    array([0.001804, 1.650078])
    """

    gamma: float | tuple[float, float] | Sequence[float] | NDArray[Any] = 2.0
    alpha: float | tuple[float, float] | Sequence[float] | NDArray[Any] | None = None

    def __post_init__(self) -> None:
        several = "a pair (negatives, positives)"
        object.__setattr__(self, "gamma", _validation.gamma(self.gamma, 2, several))
        object.__setattr__(self, "alpha", _validation.alpha(self.alpha, 2, scalar=True))

    def loss(
        self, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Array:
        r"""Loss of each row, weight_i alpha_y q^gamma L.

        Parameters
        ----------
        y : array of shape (n,)
            Labels 0 or 1 (any real dtype, or bool).
        margin : array of shape (n,)
            Raw scores on the log-odds scale, finite.
        sample_weight : array of shape (n,), optional
            Non-negative. None: 1.

        Returns
        -------
        array of shape (n,), dtype of the margin, >= 0
        """
        return by_rows(self._loss, *self._checked(y, margin, sample_weight))[0]

    def gradient_hessian(
        self, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        r"""EXACT first and second derivative of ``loss`` in the margin.

        dl/dz = -/+ alpha q^g (q + g p L) for y = 1 / 0;
        d2l/dz2 = alpha p q^g [(1 + 2g) q - g (q - g p) L].

        Parameters
        ----------
        y, margin, sample_weight
            As for ``loss``.

        Returns
        -------
        gradient, hessian : arrays of shape (n,), dtype of the margin
            The Hessian is NEGATIVE for badly missed rows when gamma > 0 (s < -2.79 at gamma = 2).
            For boosting use ``gradient_curvature``.
        """
        fused = _fused(self, y, margin, sample_weight, "exact", floor=-math.inf)
        if fused is not None:
            return fused
        gradient, hessian = by_rows(
            self._gradient_hessian, *self._checked(y, margin, sample_weight)
        )
        return gradient, hessian

    def gradient_curvature(
        self,
        y: ArrayLike,
        margin: ArrayLike,
        sample_weight: ArrayLike | None = None,
        curvature: policy.Curvature = "guarded",
    ) -> tuple[Array, Array]:
        r"""Exact gradient, and the positive curvature a tree is given.

        Parameters
        ----------
        y, margin, sample_weight
            As for ``loss``.
        curvature : {"guarded", "exact", "expected"}
            ``"guarded"``: the exact second derivative l'' for s >= 0; for s < 0 the larger of l'' and
            the chord (l'(s) - l'(-s)) / (2s). ``"exact"``: l''. ``"expected"``: the mean of l'' over
            the recovered posterior of the label. See docs/math.md.

        Returns
        -------
        gradient, curvature : arrays of shape (n,), dtype of the margin
            The curvature is at least 1e-16 before weights (alpha and sample_weight) are applied.

        Raises
        ------
        ValueError
            For an unknown ``curvature``, and as the class notes say.

        Notes
        -----
        The guarded curvature majorizes log loss (gamma = 0); for gamma > 0 it is positive and
        continuous, but no majorizer.

        Examples
        --------
        >>> loss = BinaryFocalLoss(gamma=2.0)
        >>> loss.gradient_hessian([1], [-5.0])[1].round(6)
        array([-0.032])
        >>> loss.gradient_curvature([1], [-5.0])[1].round(6)
        array([0.104618])
        """
        _validation.one_of("curvature", curvature, policy.POLICIES)
        fused = _fused(self, y, margin, sample_weight, curvature)
        if fused is not None:
            return fused
        compute = partial(self._gradient_curvature, curvature=curvature)
        gradient, bent = by_rows(compute, *self._checked(y, margin, sample_weight))
        return gradient, bent

    def posterior(self, margin: ArrayLike) -> Array:
        r"""Recovered P(y=1), with gamma and alpha undone.

        eta = A_0(-z) / (A_0(-z) + A_1(z)), A_y(s) = alpha_y q^g_y (q + g_y p L).

        Parameters
        ----------
        margin : array of any shape
            Raw scores of a model that was trained with this loss.

        Returns
        -------
        array of the shape and dtype of the margin, in [0, 1], rising with the margin

        Notes
        -----
        sigmoid(margin) is not a probability for gamma > 0: it is too close to 1/2.

        References
        ----------
        Charoenphakdee et al. 2021 (arXiv 2011.09172).

        Examples
        --------
        >>> BinaryFocalLoss(gamma=2.0).posterior([-2.0, 0.0, 2.0]).round(4)
        array([0.0045, 0.5   , 0.9955])
        """
        z = _validation.margin(margin)
        xp = namespace(z)
        wide = posterior.binary(xp.astype(z, xp.float64), self._gammas, self._alphas)
        return xp.astype(wide, z.dtype)

    def intercept(self, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        r"""Margin of the best constant model: where the summed gradient of the data is 0.

        Parameters
        ----------
        y : array of shape (n,)
            Labels 0 or 1, both present with positive weight.
        sample_weight : array of shape (n,), optional

        Returns
        -------
        float
            The log-odds at gamma = 0 without alpha.

        Raises
        ------
        ValueError
            If only one class is present, and as the class notes say.

        Examples
        --------
        >>> y = [1] + 99 * [0]
        >>> round(BinaryFocalLoss(gamma=2.0).intercept(y), 3), round(BinaryFocalLoss(0).intercept(y), 3)
        (-1.706, -4.595)
        """
        labels = to_numpy(_validation.binary_labels(y))
        if labels.ndim != 1:
            raise ValueError(f"labels must have shape (n,), got {labels.shape}")
        w = _validation.sample_weight(sample_weight, len(labels), np.empty(0, np.float64))
        share = _validation.class_frequencies(labels.astype(np.int64), w, 2)
        return intercept.binary(float(share[1]), self._gammas, self._alphas)

    @property
    def _gammas(self) -> tuple[float, float]:
        g: Any = self.gamma
        return (g[0], g[1]) if isinstance(g, tuple) else (g, g)

    @property
    def _alphas(self) -> tuple[float, float]:
        a: Any = self.alpha
        if a is None:
            return 1.0, 1.0
        return (a[0], a[1]) if isinstance(a, tuple) else (1.0 - a, a)

    def _checked(
        self, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, Array, Array | None]:
        """Return where labels are positive, the margins, and weights that broadcast with them."""
        z = _validation.margin(margin)
        xp = namespace(z)
        positive = xp.asarray(_validation.binary_labels(y, z.shape)) == 1
        if sample_weight is None:
            return positive, z, None
        w = _validation.sample_weight(sample_weight, z.shape[0], z)
        return positive, z, xp.reshape(w, (-1,) + (1,) * (z.ndim - 1))

    def _loss(self, positive: Array, z: Array, w: Array | None) -> tuple[Array]:
        row = self._rows(positive, z, w)
        return (_weighted(_binary.loss(row.terms, row.gamma), row.weight),)

    def _gradient_hessian(self, positive: Array, z: Array, w: Array | None) -> tuple[Array, Array]:
        row = self._rows(positive, z, w)
        gradient = row.sign * _binary.slope(row.terms, row.gamma)
        hessian = _binary.hessian(row.terms, row.gamma)
        return _weighted(gradient, row.weight), _weighted(hessian, row.weight)

    def _gradient_curvature(
        self, positive: Array, z: Array, w: Array | None, *, curvature: policy.Curvature
    ) -> tuple[Array, Array]:
        row = self._rows(positive, z, w)
        gradient = _weighted(row.sign * _binary.slope(row.terms, row.gamma), row.weight)
        if curvature == "expected":
            # Of both labels, so alpha is inside and the row's is not wanted.
            both = policy.expected_binary(_binary.terms(z), self._gammas, self._alphas)
            return gradient, _weighted(policy.floored(both), w)
        if curvature == "guarded":
            bare = policy.guarded_binary(row.s, row.terms, row.gamma)
        else:
            bare = _binary.hessian(row.terms, row.gamma)
        return gradient, _weighted(policy.floored(bare), row.weight)

    def _rows(self, positive: Array, z: Array, w: Array | None) -> _BinaryRows:
        xp = namespace(z)
        sign = 1 - 2 * xp.astype(positive, z.dtype)
        s = -sign * z
        g0, g1 = self._gammas
        a = None if self.alpha is None else _by_label(positive, z, *self._alphas)
        return _BinaryRows(
            s=s,
            sign=sign,
            terms=_binary.terms(s),
            gamma=g0 if g0 == g1 else _by_label(positive, z, g0, g1),
            weight=a if w is None else w if a is None else a * w,
        )


@dataclass(frozen=True)
class _BinaryRows:
    """Margins and labels of some rows, in the letters of the formulas."""

    s: Array
    sign: Array  # of the gradient: rising in z for a negative
    terms: _binary.Terms
    gamma: Array | float
    weight: Array | None  # alpha_y times sample weight


def _by_label(positive: Array, like: Array, negative_value: float, positive_value: float) -> Array:
    xp = namespace(like)
    return xp.where(
        positive, xp.full_like(like, positive_value), xp.full_like(like, negative_value)
    )


def _weighted(values: Array, weight: Array | None) -> Array:
    return values if weight is None else values * weight


@dataclass(frozen=True)
class SoftmaxFocalLoss(Immutable):
    r"""Focal loss of a label in 0 .. K-1 and K margins, coupled by softmax (not one-vs-rest).

    l(t, z) = alpha_t (1 - p_t)^gamma_t (-log p_t), p = softmax(z), t the true class.

    Parameters
    ----------
    n_classes : int >= 2
        K.
    gamma : float >= 0, or K of them
        Focusing parameter (per true class); 0 is the multinomial log loss.
    alpha : None, or K positive floats
        Class weights. None: no factor.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range or not a number.

    Notes
    -----
    Frozen: hashable, picklable, equal by value. K = 2 equals ``BinaryFocalLoss`` of the margin
    difference. Every method works in the dtype of the margin (float32 or float64) and never writes to
    its input. Labels that are no whole numbers in 0 .. K-1, and margins that are not finite or not of
    shape (n, K) raise ValueError, as do weights that are negative, not finite, or all zero.

    Examples
    --------
    >>> loss = SoftmaxFocalLoss(3, gamma=2.0)
    >>> loss.loss([0, 2], [[2.0, 0.0, 0.0], [2.0, 0.0, 0.0]]).round(6)
    array([0.010869, 1.787895])
    """

    n_classes: int
    gamma: float | tuple[float, ...] | Sequence[float] | NDArray[Any] = 2.0
    alpha: tuple[float, ...] | Sequence[float] | NDArray[Any] | None = None

    def __post_init__(self) -> None:
        n = _validation.n_classes(self.n_classes)
        object.__setattr__(self, "n_classes", n)
        object.__setattr__(self, "gamma", _validation.gamma(self.gamma, n, f"{n} of them"))
        object.__setattr__(self, "alpha", _validation.alpha(self.alpha, n, scalar=False))

    def loss(
        self, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Array:
        r"""Loss of each row, weight_i alpha_t q_t^gamma L_t.

        Parameters
        ----------
        y : array of shape (n,)
            Labels 0 .. K-1 (any real dtype).
        margin : array of shape (n, K)
            Raw scores, C or F order, finite.
        sample_weight : array of shape (n,), optional
            Non-negative. None: 1.

        Returns
        -------
        array of shape (n,), dtype of the margin, >= 0
        """
        return by_rows(self._loss, *self._checked(y, margin, sample_weight))[0]

    def gradient_hessian(
        self, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        r"""EXACT gradient, and the EXACT diagonal of the Hessian, of ``loss`` in the margins.

        g_t = -A, g_j = A r_j;  h_t = alpha p q^g [(1+2g) q - g (q - g p) L], h_j = A r_j (1-p_j) +
        B r_j^2, with A = alpha q^g (q + g p L), r_j = p_j / q, B = alpha q^g g p [2q - (q - (g-1)p) L].

        Parameters
        ----------
        y, margin, sample_weight
            As for ``loss``.

        Returns
        -------
        gradient, hessian : arrays of shape (n, K), dtype of the margin
            Rows of the gradient sum to 0. The Hessian has NEGATIVE entries when gamma > 0. The
            factor that a host puts on its own softmax Hessian is not here but in its adapter.
        """
        fused = _fused(self, y, margin, sample_weight, "exact", floor=-math.inf)
        if fused is not None:
            return fused
        gradient, hessian = by_rows(
            self._gradient_hessian, *self._checked(y, margin, sample_weight)
        )
        return gradient, hessian

    def gradient_curvature(
        self,
        y: ArrayLike,
        margin: ArrayLike,
        sample_weight: ArrayLike | None = None,
        curvature: policy.Curvature = "guarded",
    ) -> tuple[Array, Array]:
        r"""Exact gradient, and the positive diagonal curvature a tree is given.

        Parameters
        ----------
        y, margin, sample_weight
            As for ``loss``.
        curvature : {"guarded", "exact", "expected"}
            As for ``BinaryFocalLoss.gradient_curvature``; ``"guarded"`` applies the binary rule along
            each class's own axis logit(p_j), with the other margins held fixed.

        Returns
        -------
        gradient, curvature : arrays of shape (n, K), dtype of the margin
            The curvature is at least 1e-16 before weights (alpha and sample_weight) are applied.

        Raises
        ------
        ValueError
            For an unknown ``curvature``, and as the class notes say.
        """
        _validation.one_of("curvature", curvature, policy.POLICIES)
        fused = _fused(self, y, margin, sample_weight, curvature)
        if fused is not None:
            return fused
        compute = partial(self._gradient_curvature, curvature=curvature)
        gradient, bent = by_rows(compute, *self._checked(y, margin, sample_weight))
        return gradient, bent

    def posterior(self, margin: ArrayLike) -> Array:
        r"""Recovered P(y=k), with gamma and alpha undone.

        eta_k proportional to p_k / A_k, A_k = alpha_k q_k^(g-1) (q_k + g p_k L_k).

        Parameters
        ----------
        margin : array of shape (n, K) or (K,)
            Raw scores of a model that was trained with this loss.

        Returns
        -------
        array of the shape and dtype of the margin, rows summing to 1

        References
        ----------
        Charoenphakdee et al. 2021 (arXiv 2011.09172).

        Examples
        --------
        >>> SoftmaxFocalLoss(3, gamma=2.0).posterior([[2.0, 0.0, -1.0]]).round(4)
        array([[0.9895, 0.0076, 0.0029]])
        """
        z = _validation.margin(margin, self.n_classes)
        xp = namespace(z)
        wide = xp.reshape(xp.astype(z, xp.float64), (-1, self.n_classes))
        eta = posterior.softmax(_softmax.terms(wide), *self._vectors(xp, xp.float64))
        return xp.reshape(xp.astype(eta, z.dtype), z.shape)

    def intercept(
        self, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        r"""Margins of the best constant model, as logarithms of its softmax scores.

        Parameters
        ----------
        y : array of shape (n,)
            Labels 0 .. K-1, at least two classes with positive weight.
        sample_weight : array of shape (n,), optional

        Returns
        -------
        array of shape (K,)
            The log-frequencies at gamma = 0 without alpha. A class without rows (as in a fold of a
            rare class) counts as half an average row, so that its margin is finite.

        Raises
        ------
        ValueError
            If only one class is present, and as the class notes say.

        Examples
        --------
        >>> SoftmaxFocalLoss(3, gamma=0).intercept([0, 0, 1, 2]).round(4)
        array([-0.6931, -1.3863, -1.3863])
        """
        labels = to_numpy(_validation.class_labels(y, self.n_classes))
        w = _validation.sample_weight(sample_weight, len(labels), np.empty(0, np.float64))
        share = _validation.class_frequencies(labels, w, self.n_classes)
        absent = share == 0
        if absent.any():
            share = np.where(absent, 0.5 / len(labels), share)
            share = share / share.sum()
        return intercept.softmax(share, *self._vectors(np, np.float64))

    @property
    def _gammas(self) -> tuple[float, ...]:
        g: Any = self.gamma
        return g if isinstance(g, tuple) else (g,) * self.n_classes

    @property
    def _alphas(self) -> tuple[float, ...]:
        a: Any = self.alpha
        return (1.0,) * self.n_classes if a is None else a

    def _vectors(self, xp: Any, dtype: Any) -> tuple[Array, Array]:
        return xp.asarray(self._gammas, dtype=dtype), xp.asarray(self._alphas, dtype=dtype)

    def _checked(
        self, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, Array, Array | None]:
        """Return labels as integers, the margins (n, K), and weights (n, 1)."""
        z = _validation.margin(margin, self.n_classes)
        _validation.columns(z.shape, self.n_classes, matrix=True)
        t = namespace(z).asarray(_validation.class_labels(y, self.n_classes, z.shape[0]))
        w = _validation.sample_weight(sample_weight, z.shape[0], z)
        return t, z, None if w is None else w[:, None]

    def _loss(self, t: Array, z: Array, w: Array | None) -> tuple[Array]:
        row = self._rows(t, z, w)
        return (_weighted(_binary.loss(row.true.binary, row.gamma), row.weight)[:, 0],)

    def _gradient_hessian(self, t: Array, z: Array, w: Array | None) -> tuple[Array, Array]:
        row = self._rows(t, z, w)
        gradient, hessian = _softmax.gradient_hessian(row.terms, row.true, row.gamma)
        return _weighted(gradient, row.weight), _weighted(hessian, row.weight)

    def _gradient_curvature(
        self, t: Array, z: Array, w: Array | None, *, curvature: policy.Curvature
    ) -> tuple[Array, Array]:
        row = self._rows(t, z, w)
        gradient, hessian = _softmax.gradient_hessian(row.terms, row.true, row.gamma)
        weight = row.weight
        if curvature == "guarded":
            bare = policy.guarded_softmax(row.terms, row.true, row.gamma, gradient, hessian)
        elif curvature == "expected":
            # Of all labels, so alpha is inside and the row's is not wanted.
            vectors = self._vectors(namespace(z), z.dtype)
            bare = policy.expected_softmax(row.terms, self.posterior(z), *vectors)
            weight = w
        else:
            bare = hessian
        return _weighted(gradient, row.weight), _weighted(policy.floored(bare), weight)

    def _rows(self, t: Array, z: Array, w: Array | None) -> _SoftmaxRows:
        xp = namespace(z)
        gammas, alphas = self._vectors(xp, z.dtype)
        a = None if self.alpha is None else xp.take(alphas, t)[:, None]
        terms = _softmax.terms(z)
        return _SoftmaxRows(
            terms=terms,
            true=_softmax.true_class(t, terms),
            gamma=xp.take(gammas, t)[:, None] if isinstance(self.gamma, tuple) else self.gamma,
            weight=a if w is None else w if a is None else a * w,
        )


@dataclass(frozen=True)
class _SoftmaxRows:
    """Margins and labels of some rows, in the letters of the formulas, (n, 1) or (n, K)."""

    terms: _softmax.Terms
    true: _softmax.TrueClass
    gamma: Any
    weight: Array | None  # alpha_t times sample weight


Loss = BinaryFocalLoss | SoftmaxFocalLoss


def _fused(
    loss: Loss,
    y: ArrayLike,
    margin: ArrayLike,
    sample_weight: ArrayLike | None,
    curvature: policy.Curvature,
    *,
    floor: float = policy.FLOOR,
    **host: Any,
) -> tuple[Array, Array] | None:
    """Ask the compiled kernel; None if it cannot take this, and the formulas must answer."""
    return _kernel.derivatives(
        y,
        margin,
        sample_weight,
        loss._gammas,
        loss._alphas,
        binary=isinstance(loss, BinaryFocalLoss),
        curvature=curvature,
        floor=floor,
        **host,
    )


def for_trees(
    loss: Loss,
    y: ArrayLike,
    margin: ArrayLike,
    sample_weight: ArrayLike | None,
    curvature: policy.Curvature,
    *,
    factor: float = 1.0,
    order: Literal["C", "F"] = "C",
    n_threads: int | None = None,
    out: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return ``gradient_curvature`` as a tree library reads it: float32, contiguous in ``order``.

    The curvature is multiplied by ``factor``. ``n_threads`` None: as many as this process may use.
    ``out``: two such arrays that are written to and returned. Of ten million rows, new ones cost a
    quarter of the call.
    """
    if out is not None:
        _validation.outputs(out, np.shape(margin), order)
    host: dict[str, Any] = {"factor": factor, "dtype": np.float32, "order": order, "out": out}
    host["n_threads"] = _kernel.threads() if n_threads is None else n_threads
    fused = _fused(loss, y, margin, sample_weight, curvature, **host)
    if fused is not None:
        return fused
    gradient, bent = loss.gradient_curvature(y, margin, sample_weight, curvature)
    if out is not None:
        out[0][...], out[1][...] = gradient, bent * factor
        return out
    return (
        np.asarray(gradient, dtype=np.float32, order=order),
        np.asarray(bent * factor, dtype=np.float32, order=order),
    )

r"""BinaryFocalLoss and SoftmaxFocalLoss: their parameters, and one method per mathematical question.

    FL = alpha_t (1 - p_t)^gamma (-log p_t)

Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017 (arXiv 1708.02002), equation 5; p_t is
the score of the observed class, the sigmoid or softmax of the margin.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import (
    _binary,
    _canonical,
    _intercept,
    _posterior,
    _rounds,
    _softmax,
    _tables,
    _validation,
)
from focalboost._curvature import POLICIES, Curvature, floored, guarded, guarded_canonical
from focalboost._frequencies import class_frequencies, class_weights, half_a_row_each
from focalboost._immutable import Immutable
from focalboost._namespace import Array, namespace, to_numpy

Link = Literal["focal", "canonical"]


class FocalLoss(Immutable, ABC):
    """What users call, the same for both losses, and the questions that each loss answers.

    A loss is a frozen value: hashable, picklable, equal by its parameters. Every method computes in the
    dtype of the margin (float32 or float64; integers become float64) and never writes to its input.
    """

    gamma: Any
    alpha: Any
    link: Link

    def loss(
        self, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Array:
        r"""Loss of each row, :math:`w_i\,\alpha_t q^\gamma L`; times ``scale`` if ``link="canonical"``.

        Parameters
        ----------
        y : array of shape (n,)
            Labels 0 .. K-1 (K = 2 for ``BinaryFocalLoss``), of any real dtype or bool.
        margin : array of shape (n,) for ``BinaryFocalLoss``, (n, K) for ``SoftmaxFocalLoss``
            Finite, in C or F order.
        sample_weight : array of shape (n,), optional
            Non-negative. None: 1.

        Returns
        -------
        array of shape (n,), dtype of the margin, >= 0

        Raises
        ------
        ValueError
            For labels, margins and weights that are not as above; see the class.

        Examples
        --------
        >>> BinaryFocalLoss(gamma=2.0).loss([0, 1], [-2.0, -2.0]).round(6)
        array([0.001804, 1.650078])
        >>> SoftmaxFocalLoss(3, gamma=2.0).loss([0, 2], [[2.0, 0.0, 0.0], [2.0, 0.0, 0.0]]).round(6)
        array([0.010869, 1.787895])
        """
        return _rounds.by_rows(self._loss, *self._checked(y, margin, sample_weight))[0]

    def gradient_hessian(
        self, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        r"""EXACT first and second derivative of ``loss`` in the margin; formulas in the class notes.

        Parameters
        ----------
        y, margin, sample_weight
            As for ``loss``.

        Returns
        -------
        gradient, hessian : arrays of the shape and dtype of the margin
            For softmax the diagonal of the Hessian; rows of the gradient sum to 0. When gamma > 0 the
            Hessian is NEGATIVE for badly missed rows (binary, gamma = 2: p < .058), so that boosting
            needs ``gradient_curvature``. The factor that a library puts on its softmax Hessian is
            applied by the objectives of ``focalboost.xgboost`` and ``focalboost.lightgbm``, not here.

        Raises
        ------
        ValueError
            As ``loss``.

        Examples
        --------
        >>> BinaryFocalLoss(gamma=2.0).gradient_hessian([1], [-5.0])[1].round(6)
        array([-0.032])
        """
        return _rounds.derivatives(self, y, margin, sample_weight, "exact", floor=-math.inf)

    def gradient_curvature(
        self,
        y: ArrayLike,
        margin: ArrayLike,
        sample_weight: ArrayLike | None = None,
        curvature: Curvature = "guarded",
    ) -> tuple[Array, Array]:
        r"""Exact gradient, and the positive curvature that a tree is given.

        Parameters
        ----------
        y, margin, sample_weight
            As for ``loss``.
        curvature : {"guarded", "exact"}
            ``"guarded"``: no row asks for a step longer than c = 16: :math:`\max(\ell'', |\ell'| / c)`
            of the first and second derivative. With ``link="canonical"``
            :math:`|\ell'| \max(r, 1/c)`, r the posterior of the observed class and 1 minus the posterior
            of the others. For softmax the same rule on each diagonal entry. ``"exact"``:
            :math:`\ell''`. See docs/math.md.

        Returns
        -------
        gradient, curvature : arrays of the shape and dtype of the margin
            The curvature is at least 1e-16 before weights (alpha and sample_weight) are applied. Weights
            below 1e-22 can let it underflow to 0 in single precision.

        Raises
        ------
        ValueError
            For an unknown ``curvature``, and as ``loss``.

        Notes
        -----
        A leaf value without regularisation is a weighted mean of its rows' steps, so it is at most c in
        absolute value.

        Examples
        --------
        >>> BinaryFocalLoss(gamma=2.0).gradient_curvature([1], [-5.0])[1].round(6)
        array([0.065386])
        """
        _validation.one_of("curvature", curvature, POLICIES)
        return _rounds.derivatives(self, y, margin, sample_weight, curvature)

    def posterior(self, margin: ArrayLike) -> Array:
        r"""Class posterior P(y given x) of a model trained with this loss: gamma and alpha undone.

        With ``link="canonical"`` sigmoid or softmax of the margin. With ``link="focal"`` binary and
        softmax

        .. math::

           \eta = \frac{A_0(-z)}{A_0(-z) + A_1(z)},
           \qquad \eta_k \propto \frac{p_k q_k}{A_k(s_k)},
           \qquad A_k(s) = \alpha_k\,q^{\gamma_k} (q + \gamma_k p L)

        Parameters
        ----------
        margin : array of any shape for ``BinaryFocalLoss``, (n, K) or (K,) for ``SoftmaxFocalLoss``
            Margins that the model predicts, finite.

        Returns
        -------
        array of the shape and dtype of the margin
            Binary: P(y=1), in [0, 1], rising with the margin. Softmax: rows that sum to 1.

        Raises
        ------
        ValueError
            For margins that are not finite or not of the loss's number of columns.

        Notes
        -----
        With ``link="focal"`` and gamma > 0 sigmoid(margin) is no probability: it is too close to 1/2.

        References
        ----------
        Charoenphakdee et al. 2021 (arXiv 2011.09172).

        Examples
        --------
        >>> BinaryFocalLoss(gamma=2.0).posterior([-2.0, 0.0, 2.0]).round(4)
        array([0.0045, 0.5   , 0.9955])
        >>> SoftmaxFocalLoss(3, gamma=2.0).posterior([[2.0, 0.0, -1.0]]).round(4)
        array([[0.9895, 0.0076, 0.0029]])
        """
        z = _validation.margin(margin, self.n_outputs if self.n_outputs > 1 else None)
        xp = namespace(z)
        return xp.astype(self._posterior(xp.astype(z, xp.float64)), z.dtype)

    def intercept(self, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        r"""Margin of the best constant model: where the summed gradient of the data is 0.

        Parameters
        ----------
        y : array of shape (n,)
            Labels, at least two classes with positive weight.
        sample_weight : array of shape (n,), optional

        Returns
        -------
        float for ``BinaryFocalLoss``, array of shape (K,) for ``SoftmaxFocalLoss``
            With ``link="canonical"``, or at gamma = 0 without alpha, the log-odds or log-frequencies.
            For softmax the margins are logarithms of scores, and a class without rows (as in a fold of
            a rare class) counts as half an average row, so that its margin is finite.

        Raises
        ------
        ValueError
            If only one class is present, and as ``loss``.

        Examples
        --------
        >>> y = [1] + 99 * [0]
        >>> round(BinaryFocalLoss(gamma=2.0).intercept(y), 3), round(BinaryFocalLoss(0).intercept(y), 3)
        (-1.706, -4.595)
        >>> SoftmaxFocalLoss(3, gamma=0).intercept([0, 0, 1, 2]).round(4)
        array([-0.6931, -1.3863, -1.3863])
        """
        k = len(self.gammas)
        labels = _validation.vector("labels", to_numpy(_validation.labels(y, k)))
        w = _validation.sample_weight(sample_weight, len(labels), np.empty(0, np.float64))
        return self.intercept_of(class_weights(labels.astype(np.int64), w, k), len(labels))

    # ---- what hosts and the kernel ask ---------------------------------------------------------------

    def intercept_of(self, weights: NDArray[np.float64], n: int) -> Any:
        """Return the intercept of ``n`` rows whose weights have these sums by class."""
        if n == 0:
            raise ValueError("labels must not be empty: the intercept of no data is not defined")
        return self._intercept(half_a_row_each(class_frequencies(weights), n))

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Margins of a row: 1, or the number of classes of a softmax."""

    @property
    @abstractmethod
    def gammas(self) -> tuple[float, ...]:
        """Gamma of each label."""

    @property
    @abstractmethod
    def alphas(self) -> tuple[float, ...]:
        """Weight of each label, 1 where there is no alpha."""

    @property
    def scale(self) -> float:
        """Constant factor of the loss: 1, or with the canonical link about 1 / v(0) (docs/math.md).

        With it undecided rows weigh about as those of log loss with the same class weights, so that
        minimum child weights and L2 penalties mean for every gamma about what they mean for log loss.
        """
        return _canonical.scale(self.gammas) if self.link == "canonical" else 1.0

    @property
    def label_weights(self) -> tuple[float, ...]:
        """What the loss of a row of each label is multiplied by: alpha times ``scale``."""
        return tuple(a * self.scale for a in self.alphas)

    @abstractmethod
    def check_labels(self, y: ArrayLike, margin_shape: tuple[int, ...] | None = None) -> Array:
        """Return labels that this loss allows, or raise ValueError.

        With ``margin_shape``, labels and margins must have shapes that belong together.
        """

    def formulas(
        self,
        y: ArrayLike,
        margin: ArrayLike,
        sample_weight: ArrayLike | None,
        curvature: Curvature,
        floor: float,
        *,
        single: bool = False,
    ) -> tuple[Array, Array]:
        """Return gradient and curvature by the formulas, in the margin's array library.

        What ``gradient_curvature`` returns where the compiled kernel does not apply. ``single``: the
        caller will round the results to single precision.
        """
        compute = partial(self._policy, curvature=curvature, floor=floor, single=single)
        gradient, second = _rounds.by_rows(compute, *self._checked(y, margin, sample_weight))
        return gradient, second

    def _policy(
        self,
        labels: Array,
        z: Array,
        w: Array | None,
        *,
        curvature: Curvature,
        floor: float,
        single: bool,
    ) -> tuple[Array, Array]:
        if self.link == "canonical":
            xp = namespace(z)
            single |= z.dtype == xp.float32
            gradient, second, right = self._canonical(
                labels, xp.astype(z, xp.float64), single=single
            )
            if curvature == "guarded":
                second = guarded_canonical(gradient, right)
            second = floored(second, floor)
            return (
                _weighted(xp.astype(gradient, z.dtype), w),
                _weighted(xp.astype(second, z.dtype), w),
            )
        gradient, second, alpha = self._derivatives(labels, z)
        if curvature == "guarded":
            second = guarded(gradient, second)
        weight = alpha if w is None else w if alpha is None else alpha * w
        return _weighted(gradient, weight), _weighted(floored(second, floor), weight)

    # ---- what a loss answers -------------------------------------------------------------------------

    def _checked(
        self, y: ArrayLike, margin: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, Array, Array | None]:
        """Return labels as ``_loss`` takes them, the margins, and weights that broadcast with them."""
        z = _validation.margin(margin, self.n_outputs if self.n_outputs > 1 else None)
        labels = self._as_index(namespace(z).asarray(self.check_labels(y, z.shape)))
        if sample_weight is None:
            return labels, z, None
        if z.ndim == 0:
            raise ValueError(
                "margin must have an entry for each sample_weight, got a single number"
            )
        w = _validation.sample_weight(sample_weight, z.shape[0], z)
        return labels, z, namespace(z).reshape(w, (-1,) + (1,) * (z.ndim - 1))

    @abstractmethod
    def _as_index(self, labels: Array) -> Array:
        """Return checked labels in the form that the next two methods take."""

    @abstractmethod
    def _loss(self, labels: Array, z: Array, w: Array | None) -> tuple[Array]:
        """Return the weighted loss of each row."""

    @abstractmethod
    def _derivatives(self, labels: Array, z: Array) -> tuple[Array, Array, Array | None]:
        """Return gradient and Hessian in the paper's margin, and the weights of the rows' labels."""

    @abstractmethod
    def _canonical(self, labels: Array, u: Array, *, single: bool) -> _canonical.Derivatives:
        """Return derivatives in double margins of the canonical link, weights of labels included.

        ``single``: single precision is enough.
        """

    @abstractmethod
    def _posterior(self, z: Array) -> Array:
        """Return the posterior of double margins."""

    @abstractmethod
    def _intercept(self, share: NDArray[np.float64]) -> Any:
        """Return the intercept for class frequencies, all positive."""


@dataclass(frozen=True)
class BinaryFocalLoss(FocalLoss):
    r"""Focal loss of a binary label and one margin z.

    .. math::

       \ell(y, z) = \alpha_y\,q^{\gamma_y} L,
       \quad p = \sigma(s), \quad q = \sigma(-s), \quad L = -\log p

    with s = z for y = 1 and s = -z for y = 0.

    Parameters
    ----------
    gamma : float >= 0, or pair (negatives, positives)
        Focusing parameter; 0 is log loss.
    alpha : None, float in (0, 1), or pair of positive floats (negatives, positives)
        Class weights. None: no factor. A float is Lin et al.'s: alpha on positives, 1 - alpha on
        negatives (it halves the loss even at 0.5).
    link : {"focal", "canonical"}
        ``"focal"``: the margin z of the paper; its sigmoid is the score, no probability for gamma > 0.
        ``"canonical"``: the margin u whose sigmoid is the posterior, alpha undone too; the loss is that
        of the score which belongs to u, times ``scale``.

    Attributes
    ----------
    n_outputs : 1
    gammas, alphas : pairs of float
        Gamma and weight of negatives and positives.
    scale : float
        1, or with the canonical link the constant 1 / v(0).

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range or not a number.

    Notes
    -----
    .. math::

       \frac{\partial\ell}{\partial s} &= -\alpha\,q^\gamma (q + \gamma p L) \\
       \frac{\partial^2\ell}{\partial s^2}
       &= \alpha\,p\,q^\gamma [(1 + 2\gamma) q - \gamma (q - \gamma p) L]

    The gradient in z has the opposite sign for y = 0. With the canonical link it is
    :math:`v(u) (\sigma(u) - y)`: log loss whose rows weigh v(u) > 0, a weight that depends on the
    prediction alone.

    Margins may have any shape, labels the same shape; with margins (n, targets) a sample weight (n,)
    counts for every target of its row. Labels outside {0, 1}, NaN, and margins that are not finite raise
    ValueError, as do weights that are negative, not finite, or all zero.

    Examples
    --------
    >>> BinaryFocalLoss(gamma=2.0, alpha=0.25).alphas
    (0.75, 0.25)
    """

    gamma: float | tuple[float, float] | Sequence[float] | NDArray[Any] = 2.0
    alpha: float | tuple[float, float] | Sequence[float] | NDArray[Any] | None = None
    link: Link = "focal"

    def __post_init__(self) -> None:
        _validation.one_of("link", self.link, get_args(Link))
        several = "a pair (negatives, positives)"
        object.__setattr__(self, "gamma", _validation.gamma(self.gamma, 2, several))
        object.__setattr__(self, "alpha", _validation.alpha(self.alpha, 2, scalar=True))

    @property
    def n_outputs(self) -> int:
        """1: a row has one margin."""
        return 1

    @property
    def gammas(self) -> tuple[float, ...]:
        """Gamma of negatives and positives."""
        return _each(self.gamma, 2)

    @property
    def alphas(self) -> tuple[float, ...]:
        """Weight of negatives and positives."""
        if isinstance(self.alpha, float):
            return 1.0 - self.alpha, self.alpha
        return _each(1.0 if self.alpha is None else self.alpha, 2)

    def check_labels(self, y: ArrayLike, margin_shape: tuple[int, ...] | None = None) -> Array:
        """Return labels 0 and 1, of the margins' shape; or raise ValueError."""
        return _validation.labels(y, 2, margin_shape)

    def _as_index(self, labels: Array) -> Array:
        return labels == 1

    def _loss(self, positive: Array, z: Array, w: Array | None) -> tuple[Array]:
        xp = namespace(z)
        paper = z
        if self.link == "canonical":
            paper = _canonical.paper_margin(xp.astype(z, xp.float64), *self._pairs())
        row = self._rows(positive, paper)
        value = _weighted(_binary.loss(row.terms, row.gamma), row.alpha)
        return (_weighted(xp.astype(value, z.dtype), w),)

    def _derivatives(self, positive: Array, z: Array) -> tuple[Array, Array, Array | None]:
        row = self._rows(positive, z)
        gradient = row.sign * _binary.slope(row.terms, row.gamma)
        return gradient, _binary.hessian(row.terms, row.gamma), row.alpha

    def _canonical(self, positive: Array, u: Array, *, single: bool) -> _canonical.Derivatives:
        single = single and isinstance(u, np.ndarray)
        table = _tables.of(self) if single else None
        weight = _tables.weight(u, table) if table else _canonical.weight(u, *self._pairs())
        return _canonical.binary_derivatives(positive, u, *weight)

    def _rows(self, positive: Array, z: Array) -> _BinaryRows:
        sign = 1 - 2 * namespace(z).astype(positive, z.dtype)
        g0, g1 = self.gammas
        a0, a1 = self.label_weights
        return _BinaryRows(
            sign=sign,
            terms=_binary.terms(-sign * z),
            gamma=g0 if g0 == g1 else _by_label(positive, z, g0, g1),
            alpha=None if a0 == a1 == 1 else _by_label(positive, z, a0, a1),
        )

    def _posterior(self, z: Array) -> Array:
        if self.link == "canonical":
            return _binary.terms(z).p
        return _posterior.binary(z, *self._pairs())

    def _intercept(self, share: NDArray[np.float64]) -> float:
        if self.link == "canonical":
            return math.log(share[1]) - math.log(share[0])
        return _intercept.binary(float(share[1]), *self._pairs())

    def _pairs(self) -> tuple[tuple[float, float], tuple[float, float]]:
        (g0, g1), (a0, a1) = self.gammas, self.label_weights
        return (g0, g1), (a0, a1)


@dataclass(frozen=True)
class _BinaryRows:
    """Margins and labels of some rows, in the letters of the formulas."""

    sign: Array  # of the gradient in z: +1 for a negative, -1 for a positive
    terms: _binary.Terms
    gamma: Array | float
    alpha: Array | None


@dataclass(frozen=True)
class SoftmaxFocalLoss(FocalLoss):
    r"""Focal loss of a label in 0 .. K-1 and K margins, coupled by softmax (not one-vs-rest).

    .. math::

       \ell(t, z) = \alpha_t\,q^{\gamma_t} L,
       \quad p = \mathrm{softmax}(z)_t, \quad q = 1 - p, \quad L = -\log p

    with t the true class.

    Parameters
    ----------
    n_classes : int >= 2
        K.
    gamma : float >= 0, or K of them
        Focusing parameter (per true class); 0 is the multinomial log loss.
    alpha : None, or K positive floats
        Class weights. None: no factor.
    link : {"focal", "canonical"}
        ``"focal"``: the margins of the paper; their softmax is the score, no probability for gamma > 0.
        ``"canonical"``: the margins whose softmax is the posterior, alpha undone too; the loss is that
        of the scores which belong to them, times ``scale``.

    Attributes
    ----------
    n_outputs : int
        K.
    gammas, alphas : tuples of K floats
        Gamma and weight of each class.
    scale : float
        1, or with the canonical link one constant.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range or not a number.

    Notes
    -----
    Gradient and Hessian in the margin of the true class t and of another class j, with
    :math:`r_j = p_j / q`:

    .. math::

       g_t &= -\alpha A, \quad g_j = \alpha A r_j, \quad A = q^\gamma (q + \gamma p L) \\
       h_t &= \alpha\,p\,q^\gamma [(1 + 2\gamma) q - \gamma (q - \gamma p) L] \\
       h_j &= \alpha [A r_j (1 - p_j) + B r_j^2],
       \quad B = q^\gamma \gamma p [2q - (q - (\gamma - 1) p) L]

    K = 2 equals ``BinaryFocalLoss`` of the margin difference. Labels that are no whole numbers in
    0 .. K-1, and margins that are not finite or not of shape (n, K) raise ValueError, as do weights that
    are negative, not finite, or all zero.

    Examples
    --------
    >>> SoftmaxFocalLoss(3, gamma=2.0).gradient_hessian([0], [[2.0, 0.0, 0.0]])[0].round(4)
    array([[-0.0268,  0.0134,  0.0134]])
    """

    n_classes: int
    gamma: float | tuple[float, ...] | Sequence[float] | NDArray[Any] = 2.0
    alpha: tuple[float, ...] | Sequence[float] | NDArray[Any] | None = None
    link: Link = "focal"

    def __post_init__(self) -> None:
        _validation.one_of("link", self.link, get_args(Link))
        n = _validation.integer("n_classes", self.n_classes, 2)
        object.__setattr__(self, "n_classes", n)
        object.__setattr__(self, "gamma", _validation.gamma(self.gamma, n, f"{n} of them"))
        object.__setattr__(self, "alpha", _validation.alpha(self.alpha, n, scalar=False))

    @property
    def n_outputs(self) -> int:
        """K: a row has one margin per class."""
        return self.n_classes

    @property
    def gammas(self) -> tuple[float, ...]:
        """Gamma of each class."""
        return _each(self.gamma, self.n_classes)

    @property
    def alphas(self) -> tuple[float, ...]:
        """Weight of each class."""
        return _each(1.0 if self.alpha is None else self.alpha, self.n_classes)

    def check_labels(self, y: ArrayLike, margin_shape: tuple[int, ...] | None = None) -> Array:
        """Return labels 0 .. K-1 of shape (n,), for margins (n, K); or raise ValueError."""
        if margin_shape is None:
            return _validation.vector("labels", _validation.labels(y, self.n_classes))
        _validation.columns(margin_shape, self.n_classes, matrix=True)
        return _validation.labels(y, self.n_classes, margin_shape[:1])

    def _as_index(self, labels: Array) -> Array:
        xp = namespace(labels)
        return xp.astype(labels, xp.int64)

    def _loss(self, t: Array, z: Array, w: Array | None) -> tuple[Array]:
        xp = namespace(z)
        if self.link == "canonical":
            u = xp.astype(z, xp.float64)
            at = _canonical.scores(u, *self._vectors(xp, xp.float64)).side.terms
            true = _binary.Terms(*(xp.take_along_axis(a, t[:, None], axis=1) for a in at))
        else:
            true = _softmax.true_class(t, _softmax.terms(z)).binary
        gamma, alpha = self._of_labels(t, true.L)
        value = _weighted(_binary.loss(true, gamma), alpha)
        return (_weighted(xp.astype(value, z.dtype), w)[:, 0],)

    def _derivatives(self, t: Array, z: Array) -> tuple[Array, Array, Array | None]:
        terms = _softmax.terms(z)
        gamma, alpha = self._of_labels(t, z)
        true = _softmax.true_class(t, terms)
        return *_softmax.gradient_hessian(terms, true, gamma), alpha

    def _canonical(self, t: Array, u: Array, *, single: bool) -> _canonical.Derivatives:  # noqa: ARG002
        xp = namespace(u)
        return _canonical.softmax_derivatives(t, u, *self._vectors(xp, xp.float64))

    def _of_labels(self, t: Array, like: Array) -> tuple[Array | float, Array | None]:
        """Return gamma and weight of each row's label, (n, 1), in the dtype of ``like``."""
        xp = namespace(like)
        gammas, alphas = self._vectors(xp, like.dtype)
        gamma: Array | float = self.gammas[0]
        if isinstance(self.gamma, tuple):
            gamma = xp.take(gammas, t)[:, None]
        return gamma, None if set(self.label_weights) == {1.0} else xp.take(alphas, t)[:, None]

    def _posterior(self, z: Array) -> Array:
        xp = namespace(z)
        terms = _softmax.terms(xp.reshape(z, (-1, self.n_classes)))
        if self.link == "canonical":
            return xp.reshape(terms.p, z.shape)
        eta = _posterior.softmax(terms, *self._vectors(xp, xp.float64))
        return xp.reshape(eta, z.shape)

    def _intercept(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.link == "canonical":
            return np.asarray(np.log(share))
        return _intercept.softmax(share, *self._vectors(np, np.float64))

    def _vectors(self, xp: Any, dtype: Any) -> tuple[Array, Array]:
        return xp.asarray(self.gammas, dtype=dtype), xp.asarray(self.label_weights, dtype=dtype)


def check_loss(loss: Any) -> None:
    """Raise TypeError unless ``loss`` is one of the two losses."""
    if not isinstance(loss, FocalLoss):
        raise TypeError(f"loss must be a BinaryFocalLoss or SoftmaxFocalLoss, got {loss!r}")


def _each(value: Any, n: int) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,) * n


def _by_label(positive: Array, like: Array, negative_value: float, positive_value: float) -> Array:
    xp = namespace(like)
    return xp.where(
        positive, xp.full_like(like, positive_value), xp.full_like(like, negative_value)
    )


def _weighted(values: Array, weight: Array | None) -> Array:
    return values if weight is None else values * weight

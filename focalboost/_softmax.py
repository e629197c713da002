r"""Softmax focal loss of K margins: the formulas, for any array namespace.

z margins (n, K), t the true class;  p = softmax(z), q_k = 1 - p_k, L_k = -log p_k, M_k = -log q_k,
g = gamma of the true class, r_j = p_j / q_t.  Derived in docs/math.md.

    loss      q_t^g L_t
    gradient  g_t = -A,              g_j = A r_j              A = q_t^g (q_t + g p_t L_t)
    Hessian   h_t = the binary one   h_j = A r_j q_j + B r_j^2
              B = q_t^g g [2 q_t - (q_t - (g-1) p_t) L_t] p_t            (exact diagonal)

The true class follows the binary formulas of ``_binary`` at p_t. The caller applies weights.
"""

from __future__ import annotations

from typing import NamedTuple

from focalboost import _binary
from focalboost._namespace import Array, namespace


class Terms(NamedTuple):
    """Softmax seen from the class J of the largest margin, so that no complement is formed as 1 - p.

    Shape (n, K): ``p``, ``q``, ``L`` as above; ``top`` marks J; ``share`` is the softmax of the classes
    other than J (0 at J) and ``log_share`` its logarithm (meaningless at J).
    Shape (n, 1): ``rest`` = sum over k != J of exp(z_k - z_J), ``log_rest`` its logarithm, and
    ``log_sum`` = log(1 + rest).
    """

    p: Array
    q: Array
    L: Array
    share: Array
    log_share: Array
    top: Array
    rest: Array
    log_rest: Array
    log_sum: Array


def _difference(small: Array, large: Array) -> Array:
    """Evaluate small - large <= 0 in halves, because the difference of two floats can overflow."""
    xp = namespace(small)
    half = small / 2 - large / 2
    return 2 * xp.maximum(half, xp.full_like(half, -xp.finfo(half.dtype).max / 2))


def _one_hot(index: Array, like: Array) -> Array:
    """Return (n, K) with True at each row's ``index``, in F order like the blocks of margins."""
    xp = namespace(like)
    classes = xp.arange(like.shape[1])
    return xp.permute_dims(classes[:, None] == index[None, :], (1, 0))


def terms(z: Array) -> Terms:
    """Evaluate the softmax and its complements of margins (n, K), K >= 2."""
    xp = namespace(z)
    largest = xp.max(z, axis=1, keepdims=True)
    top = _one_hot(xp.argmax(z, axis=1), z)
    second = xp.max(xp.where(top, xp.full_like(z, -xp.inf), z), axis=1, keepdims=True)

    zero = xp.zeros_like(z)
    behind = _difference(xp.where(top, second, z), second)
    x = xp.where(top, zero, xp.exp(behind))
    total = xp.sum(x, axis=1, keepdims=True)
    gap = _difference(second, largest)
    rest = xp.exp(gap) * total
    sum_ = 1 + rest
    log_sum = xp.log1p(rest)
    e = xp.exp(gap) * x  # exp(z_k - z_J)
    return Terms(
        p=xp.where(top, 1 / sum_, e / sum_),
        q=xp.where(top, rest, sum_ - e) / sum_,  # e <= 1 <= sum_ - e off the top: no cancellation
        L=xp.where(top, log_sum, log_sum - _difference(z, largest)),
        share=x / total,
        log_share=behind - xp.log(total),
        top=top,
        rest=rest,
        log_rest=gap + xp.log(total),
        log_sum=log_sum,
    )


def log_complement(p: Array, t: Terms) -> Array:
    """Evaluate M = -log(1 - p) for entries of ``t.p`` of shape (n, K) or (n, 1)."""
    xp = namespace(p)
    half = xp.full_like(p, 0.5)
    # A class above one half is the top one, and its complement is rest / (1 + rest).
    return xp.where(p < half, -xp.log1p(-xp.minimum(p, half)), t.log_sum - t.log_rest)


class TrueClass(NamedTuple):
    """What the loss needs of the true class, each of shape (n, 1) except ``mask`` (n, K)."""

    mask: Array
    is_top: Array
    binary: _binary.Terms


def true_class(y: Array, t: Terms) -> TrueClass:
    """Gather the true class's terms; ``y`` holds integers (n,)."""
    xp = namespace(t.p)
    index = y[:, None]
    p, q, L = (xp.take_along_axis(a, index, axis=1) for a in (t.p, t.q, t.L))
    return TrueClass(
        mask=_one_hot(y, t.p),
        is_top=xp.take_along_axis(t.top, index, axis=1),
        binary=_binary.Terms(p, q, L, log_complement(p, t)),
    )


def gradient_hessian(t: Terms, true: TrueClass, g: Array | float) -> tuple[Array, Array]:
    """Evaluate the exact gradient and the exact diagonal of the Hessian, both (n, K)."""
    xp = namespace(t.p)
    b = true.binary
    A = _binary.slope(b, g)
    B = _binary.power(b.M, g) * g * (2 * b.p * b.q - (b.q - (g - 1) * b.p) * (b.p * b.L))
    r = xp.where(true.is_top, t.share, t.p / xp.where(true.is_top, xp.ones_like(b.q), b.q))
    gradient = xp.where(true.mask, -A, A * r)
    hessian = xp.where(true.mask, _binary.hessian(b, g), A * r * t.q + B * r * r)
    return gradient, hessian


def loss_per_complement(t: Terms) -> Array:
    """Evaluate L / q of every class, (n, K); 1 in the limit q = 0."""
    xp = namespace(t.p)
    one = xp.ones_like(t.rest)
    vanished = t.rest == 0
    of_top = t.log_sum / xp.where(vanished, one, t.rest) * (1 + t.rest)
    off = t.L / xp.where(t.top, xp.ones_like(t.q), t.q)
    return xp.where(t.top, xp.where(vanished, one, of_top), off)

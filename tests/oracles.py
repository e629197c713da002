"""Ground truth: the DEFINITION of the losses in high precision, and finite differences.

Nothing here may use the package's formulas. ``LOSSES`` is the one list of losses, and every property is
tested on each of them: a new loss or option is tested by being added to the list.
"""

from __future__ import annotations

import itertools

import mpmath as mp
import numpy as np

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss

EPS = np.finfo(np.float64).eps
GAMMAS = (0.0, 0.25, 0.5, 1.0, 1.7, 2.0, 3.0, 5.0, 10.0)
CURVATURES = ("guarded", "exact")

FOCAL_BINARY = [
    *(BinaryFocalLoss(gamma=g) for g in GAMMAS),
    *(BinaryFocalLoss(gamma=g, alpha=0.25) for g in (0.0, 2.0)),
    BinaryFocalLoss(gamma=1.7, alpha=(0.5, 40.0)),
    BinaryFocalLoss(gamma=(3.0, 0.5)),
    BinaryFocalLoss(gamma=(0.0, 2.0), alpha=(0.2, 3.0)),
]
FOCAL_SOFTMAX = [
    *(SoftmaxFocalLoss(3, gamma=g) for g in GAMMAS),
    SoftmaxFocalLoss(2, gamma=2.0),
    SoftmaxFocalLoss(5, gamma=1.7, alpha=(1.0, 0.1, 7.0, 2.0, 30.0)),
    SoftmaxFocalLoss(3, gamma=(0.0, 2.0, 0.5)),
    SoftmaxFocalLoss(4, gamma=(5.0, 0.25, 2.0, 1.0), alpha=(0.3, 1.0, 2.0, 9.0)),
]
CANONICAL_BINARY = [
    *(BinaryFocalLoss(gamma=g, link="canonical") for g in (0.0, 0.25, 2.0, 5.0, 10.0)),
    BinaryFocalLoss(gamma=1.7, alpha=(0.5, 40.0), link="canonical"),
    BinaryFocalLoss(gamma=(3.0, 0.5), link="canonical"),
    BinaryFocalLoss(gamma=(0.0, 2.0), alpha=(0.2, 3.0), link="canonical"),
]
CANONICAL_SOFTMAX = [
    *(SoftmaxFocalLoss(3, gamma=g, link="canonical") for g in (0.0, 0.25, 2.0, 5.0, 10.0)),
    SoftmaxFocalLoss(2, gamma=2.0, link="canonical"),
    SoftmaxFocalLoss(5, gamma=1.7, alpha=(1.0, 0.1, 7.0, 2.0, 30.0), link="canonical"),
    SoftmaxFocalLoss(3, gamma=(0.0, 2.0, 0.5), link="canonical"),
    SoftmaxFocalLoss(3, gamma=(6.0, 5.0, 0.5), link="canonical"),
    SoftmaxFocalLoss(4, gamma=(5.0, 0.25, 2.0, 1.0), alpha=(0.3, 1.0, 2.0, 9.0), link="canonical"),
]
BINARY = [*FOCAL_BINARY, *CANONICAL_BINARY]
SOFTMAX = [*FOCAL_SOFTMAX, *CANONICAL_SOFTMAX]
LOSSES = [*BINARY, *SOFTMAX]

# Each loss with each of its labels.
BINARY_LABELS = [(loss, y) for loss in BINARY for y in (0, 1)]
SOFTMAX_LABELS = [(loss, t) for loss in SOFTMAX for t in range(loss.n_classes)]
FOCAL_BINARY_LABELS = [(loss, y) for loss, y in BINARY_LABELS if loss.link == "focal"]
FOCAL_SOFTMAX_LABELS = [(loss, t) for loss, t in SOFTMAX_LABELS if loss.link == "focal"]

# Both tails, the region where training happens, and the neighbourhood of 0 and of the kinks.
MARGINS = np.unique(
    np.concatenate(
        [
            np.linspace(-12, 12, 41),
            [-0.83, -1.48, -2.28, -2.79, 1e-9, -1e-9, 1e-5, -1e-5],
            *([-m, m] for m in (17.0, 36.9, 38.0, 90.0, 200.0, 500.0, 700.0)),
        ]
    )
)


def labels_and_margins(loss, n=60, seed=0):
    """Return labels of every class, and margins of ordinary size and beyond."""
    if isinstance(loss, SoftmaxFocalLoss):
        return np.arange(n) % loss.n_classes, softmax_margins(loss.n_classes, n, seed)
    noise = np.random.default_rng(seed).normal(size=n)
    return np.arange(n) % 2, np.resize(MARGINS, n) + noise


def softmax_margins(n_classes, n, seed=0):
    """Return random rows of ordinary size, ties, and a few that saturate."""
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=4, size=(n, n_classes))
    z[0] = 0
    z[1] = np.where(np.arange(n_classes) == 0, 30.0, -2.0)
    z[2] = np.where(np.arange(n_classes) == n_classes - 1, 300.0, -300.0)
    z[3, :2] = 5.0
    z[4] += 690
    return z


def per_class(value, n_classes):
    """Return one number per class: ``value`` as it is, or a single number repeated."""
    return value if isinstance(value, tuple) else (value,) * n_classes


def binary_alpha(loss):
    """Return the weights of negatives and positives, as the docstring of the loss defines them."""
    if loss.alpha is None:
        return (1.0, 1.0)
    return loss.alpha if isinstance(loss.alpha, tuple) else (1 - loss.alpha, loss.alpha)


def binary_definition(loss, y):
    """Return the function z -> alpha_y (1 - p_t)^gamma (-log p_t) of an mpmath number."""
    gamma = mp.mpf(per_class(loss.gamma, 2)[y])
    alpha = mp.mpf(binary_alpha(loss)[y])

    def value(z):
        p_t = 1 / (1 + mp.exp(-z if y == 1 else z))
        return alpha * (1 - p_t) ** gamma * -mp.log(p_t)

    return value


def softmax_definition(loss, t, margins):
    """Return the function (j, z_j) -> loss with class j's margin replaced."""
    gamma = mp.mpf(per_class(loss.gamma, loss.n_classes)[t])
    alpha = mp.mpf(1.0 if loss.alpha is None else loss.alpha[t])
    fixed = [mp.mpf(float(m)) for m in margins]

    def value(j, z):
        e = [mp.exp(z if k == j else m) for k, m in enumerate(fixed)]
        p_t = e[t] / mp.fsum(e)
        return alpha * (1 - p_t) ** gamma * -mp.log(p_t)

    return value


# Of a difference quotient whose error is its square, and of the roots inside it.
STEP = mp.mpf(10) ** -25
CLOSE = mp.mpf(10) ** -80


def paper_loss(gamma, alpha):
    """Return the paper's loss of one label as a function of the margin s of that label."""
    gamma, alpha = mp.mpf(gamma), mp.mpf(alpha)

    def value(s):
        p = 1 / (1 + mp.exp(-s))
        return alpha * (1 - p) ** gamma * -mp.log(p)

    return value


def canonical_score(loss, u, start=None, alphas=None):
    """Return the paper's margin z at which the expected loss of the posterior sigmoid(u) is stationary.

    That is, (1 - eta) l_0'(z) + eta l_1'(z) = 0: the ratio of the two slopes has the logarithm u.
    """
    gammas, alphas = per_class(loss.gamma, 2), alphas or binary_alpha(loss)
    l0, l1 = (paper_loss(g, a) for g, a in zip(gammas, alphas, strict=True))

    def lacking(z):
        return mp.log(mp.diff(l0, -z) / mp.diff(l1, z)) - u

    if start is None:
        start = u / (1 + gammas[u > 0])
    starts = (start, start + mp.mpf("1e-3"))
    return mp.findroot(lacking, starts, solver="secant", maxsteps=100, tol=CLOSE)


def differences(f, x, h):
    """Return value, first and second derivative of f at x; the error is of the order of h^2."""
    low, middle, high = f(x - h), f(x), f(x + h)
    return middle, (high - low) / (2 * h), (high - 2 * middle + low) / (h * h)


def canonical_scale(loss):
    """Return the factor that gives the rows of u = 0, without alpha, the slope 1/2 of log loss."""
    ones = (1.0, 1.0)
    with mp.workdps(90):
        along = canonical_definition(loss, 1, alphas=ones, scale=1)
        return mp.mpf("0.5") / -differences(along, mp.mpf(0), STEP)[1]


def canonical_definition(loss, y, *, alphas=None, scale=None, start=None):
    """Return the function u -> the paper's loss at the score that belongs to u, times the scale."""
    alphas = alphas or binary_alpha(loss)
    scale = canonical_scale(loss) if scale is None else scale
    of_label = paper_loss(per_class(loss.gamma, 2)[y], alphas[y])

    def value(u):
        z = canonical_score(loss, u, start, alphas)
        return scale * of_label(z if y == 1 else -z)

    return value


def canonical_softmax_scores(loss, u, alphas, start=None):
    """Return margins s_k of the classes whose scores sigmoid(s_k) belong to the posterior softmax(u).

    The scores sum to 1 and minimise sum of eta_k l_k(p_k): at the minimum eta_k dl_k/dp_k is the same
    for all classes. The first entry of the result is the logarithm of that common value.
    """
    gammas = per_class(loss.gamma, loss.n_classes)
    losses = [paper_loss(g, a) for g, a in zip(gammas, alphas, strict=True)]
    k = loss.n_classes

    def slope(j, s):  # log(-dl/dp), p = sigmoid(s)
        p = 1 / (1 + mp.exp(-s))
        return mp.log(-mp.diff(losses[j], s) / (p * (1 - p)))

    def class_at(j, level):  # -dl/dp falls as p grows
        def f(s):
            return u[j] + slope(j, s) - level

        low, high = mp.mpf(-1), mp.mpf(1)
        while f(low) < 0:
            low *= 2
        while f(high) > 0 and high < 256:  # at gamma 0 the slope does not fall below 1
            high *= 2
        for _ in range(12):
            middle = (low + high) / 2
            low, high = (middle, high) if f(middle) > 0 else (low, middle)
        return (low + high) / 2

    def conditions(level, *s):
        p = [1 / (1 + mp.exp(-v)) for v in s]
        top = max(range(k), key=lambda j: s[j])
        others = mp.fsum(p[:top] + p[top + 1 :])
        of_classes = [u[j] + slope(j, s[j]) - level for j in range(k)]
        return [mp.log(others) + mp.log(1 + mp.exp(s[top])), *of_classes]

    if start is None:
        with mp.workdps(250):
            low, high = mp.mpf(-100), mp.mpf(100)
            for _ in range(16):
                level = (low + high) / 2
                total = mp.fsum(1 / (1 + mp.exp(-class_at(j, level))) for j in range(k))
                low, high = (level, high) if total > 1 else (low, level)
            start = [level, *(class_at(j, level) for j in range(k))]
    return list(mp.findroot(conditions, start, solver="mdnewton", maxsteps=60, tol=CLOSE))


def canonical_softmax_rows(loss, u, *, alphas=None):
    """Return, for every label t, the loss and its first and second derivative in each u_j, unscaled."""
    k = loss.n_classes
    alphas = alphas or per_class(1.0 if loss.alpha is None else loss.alpha, k)
    gammas = per_class(loss.gamma, k)
    u = [mp.mpf(float(v)) for v in u]
    base = canonical_softmax_scores(loss, u, alphas)

    def all_labels(j, x):
        moved = [x if i == j else v for i, v in enumerate(u)]
        s = canonical_softmax_scores(loss, moved, alphas, base)[1:]
        return mp.matrix([paper_loss(gammas[t], alphas[t])(s[t]) for t in range(k)])

    return [differences(lambda x, j=j: all_labels(j, x), u[j], STEP) for j in range(k)]


def canonical_softmax_scale(loss):
    """Return the factor that gives undecided rows the slopes of log loss, without alpha.

    The geometric mean of two: that of equal posteriors of all classes, and the geometric mean over all
    pairs of classes of that of the pair alone.
    """
    pairs = list(itertools.combinations(per_class(loss.gamma, loss.n_classes), 2))
    of_pair = {pair: undecided(SoftmaxFocalLoss(2, pair, link="canonical")) for pair in set(pairs)}
    product = mp.mpf(1)
    for pair in pairs:
        product *= of_pair[pair]
    return mp.sqrt(undecided(loss) * mp.root(product, len(pairs)))


def undecided(loss):
    """Return the mean over classes of 1 / B_t at equal posteriors, without alpha.

    The gradient of a row of class t is B_t (W_j - [j = t]), with W the same for every label.
    """
    k = loss.n_classes
    with mp.workdps(90):
        along = canonical_softmax_rows(loss, [0.0] * k, alphas=(1.0,) * k)
    g = [[along[j][1][t] for j in range(k)] for t in range(k)]  # of label t in u_j
    if k == 2:  # only 1 / B_0 + 1 / B_1 is determined
        return 1 / (2 * g[0][1])
    total = mp.mpf(0)
    for t in range(k):
        i, j = [other for other in range(k) if other != t][:2]
        times_own = g[t][i] * g[j][t] / g[j][i]  # (B_t W_i) (B_j W_t) / (B_j W_i) = B_t W_t
        total += 1 / (times_own - g[t][t])
    return total / k


def central(f, z):
    """First derivative, fourth order: with h = eps^(1/5) the error is about 1e-12, not 1e-6."""
    h = EPS**0.2 * np.maximum(1, np.abs(z))
    return (f(z - 2 * h) - 8 * f(z - h) + 8 * f(z + h) - f(z + 2 * h)) / (12 * h)

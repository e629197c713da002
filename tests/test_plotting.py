"""What the displays show, against scikit-learn, SciPy and the losses; where they draw; refusals."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from scipy.stats import binomtest

from focalboost import BinaryFocalLoss, FocalLGBMClassifier, FocalXGBClassifier
from focalboost.plotting import (
    GammaSweepDisplay,
    LossCurvesDisplay,
    PrecisionRecallDisplay,
    ReliabilityDisplay,
)
from tests.hosts import tables

mpl = pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from sklearn.calibration import calibration_curve  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.metrics import (  # noqa: E402
    average_precision_score,
    brier_score_loss,
    precision_recall_curve,
)
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

GAMMAS = (0, 0.5, 2, 5)
STRATEGIES = ("quantile", "uniform", "positives")


@pytest.fixture(autouse=True)
def _no_figure_stays():
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()  # an axis that cannot be drawn shows only now
    plt.close("all")


def predictions(n=2000, rate=0.3, seed=0):
    """Return labels and well-calibrated probabilities with ties, in single precision's values."""
    rng = np.random.default_rng(seed)
    p = rng.beta(4 * rate, 4 * (1 - rate), n).astype(np.float32).round(3).astype(np.float64)
    return (rng.random(n) < p).astype(int), p


def fitted(cls=FocalXGBClassifier, **options):
    X, y = tables.binary(800)
    names = np.where(y == 1, "fraud", "true")  # the second in sorted order counts as positive
    quiet = {"verbosity": -1} if cls is FocalLGBMClassifier else {}
    return cls(n_estimators=8, n_jobs=1, **quiet, **options).fit(X, names), X, names


# ---- imports -------------------------------------------------------------------------------------


def test_importing_is_light():
    code = "import focalboost.plotting, sys; print({'matplotlib', 'sklearn'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("module", ["matplotlib.pyplot", "sklearn.metrics"])
def test_says_what_to_install(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'{module} is needed.*pip install "focalboost\[plot\]"'):
        PrecisionRecallDisplay.from_predictions(*predictions())


# ---- the loss ------------------------------------------------------------------------------------


def test_loss_curves_are_the_losses():
    """Drawn for a positive; here from a negative, the mirror image."""
    display = LossCurvesDisplay.from_gammas(GAMMAS)
    left, middle, right = (panel.lines for panel in display.axes_)
    s = left[0].get_xdata()
    y = np.zeros(len(s))
    for i, gamma in enumerate(GAMMAS):
        loss = BinaryFocalLoss(gamma)
        gradient, exact = loss.gradient_hessian(y, -s)
        guarded = loss.gradient_curvature(y, -s, curvature="guarded")[1]
        solid, dashed = right[2 * i], right[2 * i + 1]
        assert_allclose(left[i].get_ydata(), loss.loss(y, -s))
        assert_allclose(middle[i].get_ydata(), -gradient)
        assert_allclose(solid.get_ydata(), guarded)
        assert_allclose(dashed.get_ydata(), exact)
        assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
        assert {solid.get_color(), dashed.get_color()} == {left[i].get_color()}
        assert (dashed.get_ydata() < 0).any() == (gamma > 0)
    assert len({line.get_color() for line in left}) == len(GAMMAS)
    assert_array_equal(right[-1].get_ydata(), [0, 0])


def test_loss_curves_are_slopes_of_each_other():
    s = np.linspace(-6, 4, 20_001)
    display = LossCurvesDisplay.from_gammas([2.0], margins=s)
    # Central differences, step 5e-4: errors of about h^2.
    assert_allclose(np.gradient(display.loss[0], s)[1:-1], display.gradient[0, 1:-1], atol=1e-6)
    assert_allclose(np.gradient(display.gradient[0], s)[1:-1], display.exact[0, 1:-1], atol=1e-6)


def test_loss_curves_alpha_and_order():
    plain = LossCurvesDisplay.from_gammas([2.0], margins=[3, -1, 0])
    weighted = LossCurvesDisplay.from_gammas([2.0], alpha=(9.0, 0.25), margins=[-1, 0, 3])
    assert_array_equal(plain.margins, [-1, 0, 3])
    for name in ("loss", "gradient", "guarded", "exact"):
        assert_allclose(getattr(weighted, name), 0.25 * getattr(plain, name))


@pytest.mark.parametrize(("gammas", "said"), [((0,), False), ((0, 2), True)])
def test_says_that_the_exact_curvature_is_negative_if_it_is(gammas, said):
    legend = LossCurvesDisplay.from_gammas(gammas).axes_[2].get_legend()
    assert ("negative" in legend.get_texts()[1].get_text()) is said


# ---- reliability ---------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
def test_reliability_is_scikit_learns(strategy):
    y, p = predictions()
    display = ReliabilityDisplay.from_predictions(y, p, n_bins=7, strategy=strategy, name="mine")
    observed, predicted = calibration_curve(y, p, n_bins=7, strategy=strategy)
    x, height = display.lines_["mine"].get_data()
    assert_allclose(x, predicted)
    assert_allclose(height, observed)
    labels = display.ax_.get_legend_handles_labels()[1]
    assert labels == ["perfect calibration", f"mine (Brier {brier_score_loss(y, p):.3g})"]
    assert display.curves["mine"].brier == pytest.approx(brier_score_loss(y, p))


def test_intervals_are_wilsons():
    """Drawn as the ends of the bars; shares of 0 and 1 among them."""
    n, positives = [50, 20, 400, 3, 9], [7, 0, 1, 3, 4]
    p = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], n)
    y = np.concatenate([np.arange(m) < k for m, k in zip(n, positives, strict=True)])
    display = ReliabilityDisplay.from_predictions(
        y, p, n_bins=5, strategy="uniform", scale="linear"
    )
    (bars,) = display.ax_.containers[0].lines[2]
    for segment, k, m in zip(bars.get_segments(), positives, n, strict=True):
        expected = binomtest(k, m).proportion_ci(method="wilson")
        assert_allclose(segment[:, 1], [expected.low, expected.high], atol=1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rows_of_weight_0_do_not_count(strategy):
    y, p = predictions()
    keep = np.random.default_rng(1).random(len(y)) < 0.6
    zeros = ReliabilityDisplay.from_predictions(y, p, strategy=strategy, sample_weight=1.0 * keep)
    without = ReliabilityDisplay.from_predictions(y[keep], p[keep], strategy=strategy)
    for ours, theirs in zip(zeros.curves["model"], without.curves["model"], strict=True):
        assert_allclose(ours, theirs)
    assert zeros.base_rate == pytest.approx(y[keep].mean())


def test_weights_of_reliability():
    y, p = predictions(400)
    w = np.random.default_rng(1).integers(1, 5, len(y))
    display = ReliabilityDisplay.from_predictions(y, p, strategy="uniform", sample_weight=w)
    curve = display.curves["model"]
    y_many, p_many = np.repeat(y, w), np.repeat(p, w)
    observed, predicted = calibration_curve(y_many, p_many, n_bins=10)
    assert_allclose(curve.observed, observed)
    assert_allclose(curve.predicted, predicted)
    assert curve.brier == pytest.approx(brier_score_loss(y, p, sample_weight=w))
    # A scale does not make them more; equal ones are as many rows as there are.
    plain = ReliabilityDisplay.from_predictions(y, p, strategy="uniform").curves["model"]
    tens = np.full(len(y), 10.0)
    scaled = ReliabilityDisplay.from_predictions(y, p, strategy="uniform", sample_weight=tens)
    assert_allclose(scaled.curves["model"].lower, plain.lower)
    inside = (curve.observed > 0) & (curve.observed < 1)
    repeated = ReliabilityDisplay.from_predictions(y_many, p_many, strategy="uniform")
    assert (curve.lower < repeated.curves["model"].lower)[inside].all()  # fewer rows: less certain


def test_bins_with_as_many_positives_each():
    y, p = predictions(20_000, rate=0.02)
    display = ReliabilityDisplay.from_predictions(y, p, n_bins=8, strategy="positives")
    curve = display.curves["model"]
    assert curve.weight.sum() == len(y)
    # Ties move a few.
    assert_allclose(curve.observed * curve.weight, y.sum() / 8, atol=6)
    assert curve.weight[0] > 20 * curve.weight[-1]
    assert (np.diff(curve.predicted) > 0).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equal_predictions_share_a_bin(strategy):
    p = np.repeat([0.2, 0.8], 50)
    y = np.tile([0, 1], 50)
    curve = ReliabilityDisplay.from_predictions(y, p, strategy=strategy).curves["model"]
    assert_allclose(curve.predicted, [0.2, 0.8])
    assert_allclose(curve.observed, [0.5, 0.5])


@pytest.mark.parametrize(
    ("rate", "scale", "expected"),
    [
        (0.02, "auto", "log"),
        (0.3, "auto", "linear"),
        (0.02, "linear", "linear"),
        (0.3, "log", "log"),
    ],
)
def test_scale(rate, scale, expected):
    ax = ReliabilityDisplay.from_predictions(*predictions(rate=rate), scale=scale).ax_
    assert (ax.get_xscale(), ax.get_yscale()) == (expected, expected)


def test_bins_without_a_positive_on_logarithmic_axes():
    """A share of 0 cannot be drawn there: an arrow from its upper limit, and a gap in the line."""
    p = np.repeat([0.0, 0.001, 0.01, 0.1], 100)
    y = np.concatenate([np.zeros(200), np.arange(100) < 1, np.arange(100) < 12])
    edges = {"n_bins": 4, "strategy": "quantile"}
    display = ReliabilityDisplay.from_predictions(y, p, scale="log", **edges)
    x, height = display.lines_["model"].get_data()
    assert_allclose(x, [0.001, 0.01, 0.1])  # predictions of 0 have no place at all
    assert_allclose(height, [np.nan, 0.01, 0.12])
    (arrow,) = display.ax_.containers[1].lines[2]
    top = arrow.get_segments()[0].max(axis=0)
    assert_allclose(top, [0.001, binomtest(0, 100).proportion_ci(method="wilson").high])
    assert "no positive in bin: 95 % limit" in display.ax_.get_legend_handles_labels()[1]
    linear = ReliabilityDisplay.from_predictions(y, p, scale="linear", **edges)
    assert_allclose(linear.lines_["model"].get_data(), [[0, 0.001, 0.01, 0.1], [0, 0, 0.01, 0.12]])


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("label", [0, 1])
def test_reliability_of_one_class(label, scale):
    display = ReliabilityDisplay.from_predictions([label] * 30, np.linspace(0, 1, 30), scale=scale)
    assert_array_equal(display.curves["model"].observed, np.full(10, label))


@pytest.mark.parametrize("cls", [FocalXGBClassifier, FocalLGBMClassifier])
def test_focal_estimators_show_posterior_and_raw_score(cls):
    classifier, X, names = fitted(cls)
    y = names == "true"
    pipeline = make_pipeline("passthrough", classifier)
    search = GridSearchCV(classifier, {"focal_gamma": [2.0]}, cv=2).fit(X, names)
    for estimator in (classifier, pipeline, search):
        display = ReliabilityDisplay.from_estimator(estimator, X, names)
        posterior = estimator.predict_proba(X)[:, 1]
        expected = {
            "recovered posterior": posterior,
            "raw score": expit(estimator.decision_function(X)),
        }
        assert list(display.lines_) == list(expected)
        for name, p in expected.items():
            observed, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
            # Single-precision edges and predictions.
            assert_allclose(display.lines_[name].get_xdata(), predicted, rtol=1e-6)
            assert_allclose(display.lines_[name].get_ydata(), observed, rtol=1e-6)
    assert np.abs(expected["raw score"] - posterior).max() > 0.02
    named = ReliabilityDisplay.from_estimator(classifier, X, names, name="mine")
    assert list(named.lines_) == ["mine, recovered posterior", "mine, raw score"]


def test_other_estimators_show_their_probabilities():
    X, y = tables.binary(800)
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    options = {"n_bins": 4, "strategy": "uniform", "sample_weight": np.arange(800) % 3}
    display = ReliabilityDisplay.from_estimator(estimator, X, y, **options)
    again = ReliabilityDisplay.from_predictions(y, estimator.predict_proba(X)[:, 1], **options)
    assert list(display.curves) == ["LogisticRegression"]
    for ours, theirs in zip(
        display.curves["LogisticRegression"], again.curves["model"], strict=True
    ):
        assert_allclose(ours, theirs)


# ---- precision and recall ------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_precision_and_recall(weighted):
    y, p = predictions(500)
    w = np.random.default_rng(1).integers(0, 4, len(y)) if weighted else None
    display = PrecisionRecallDisplay.from_predictions(
        y, {"one": p, "two": -p}, sample_weight=w, ax=plt.subplots(1, 2)[1]
    )
    left, right = display.axes_
    share = np.ones(len(y)) / len(y) if w is None else w / w.sum()
    assert_allclose(left.lines[0].get_ydata(), share @ y)  # no skill
    for i, (name, score) in enumerate((("one", p), ("two", -p))):
        precision, recall, thresholds = precision_recall_curve(y, score, sample_weight=w)
        curve = left.lines[1 + i]
        assert curve.get_drawstyle() == "steps-post"
        assert_allclose(curve.get_data(), [recall, precision])
        ap = average_precision_score(y, score, sample_weight=w)
        assert curve.get_label() == f"{name} (AP {ap:.3f})"
        assert display.curves[name].average_precision == pytest.approx(ap)

        solid, dashed = right.lines[2 * i : 2 * i + 2]
        rate = np.array([share[score >= t].sum() for t in thresholds])[::-1]
        assert_allclose(solid.get_data(), [rate, recall[:-1][::-1]])
        assert_allclose(dashed.get_data(), [rate, precision[:-1][::-1]])
        assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
        assert {solid.get_color(), dashed.get_color()} == {curve.get_color()}
        assert_array_equal(display.curves[name].thresholds, thresholds)
    assert right.get_xscale() == "log"


@pytest.mark.parametrize("cls", [FocalXGBClassifier, FocalLGBMClassifier])
def test_precision_and_recall_of_an_estimator(cls):
    classifier, X, names = fitted(cls)
    display = PrecisionRecallDisplay.from_estimator(classifier, X, names)
    ap = average_precision_score(names == "true", classifier.decision_function(X))
    assert display.curves[cls.__name__].average_precision == pytest.approx(ap)
    import lightgbm as lgb

    plain = lgb.LGBMClassifier(n_estimators=8, n_jobs=1, verbosity=-1).fit(
        X, names
    )  # no decision_function
    curve = PrecisionRecallDisplay.from_estimator(plain, X, names, name="plain").curves["plain"]
    ap = average_precision_score(names == "true", plain.predict_proba(X)[:, 1])
    assert curve.average_precision == pytest.approx(ap)


# ---- gamma ---------------------------------------------------------------------------------------


def test_sweep_of_results():
    rng = np.random.default_rng(0)
    several, single = rng.random((3, 6)), rng.random(3)
    display = GammaSweepDisplay.from_results([2, 0, 1], {"many": several, "one": single})
    order = [1, 2, 0]
    ax = display.ax_
    assert_allclose(display.lines_["many"].get_data(), [[0, 1, 2], several.mean(axis=1)[order]])
    assert_allclose(display.lines_["one"].get_data(), [[0, 1, 2], single[order]])
    error = 2 * several.std(axis=1, ddof=1)[order] / np.sqrt(6)
    (bars,) = ax.containers[0].lines[2]
    heights = [np.ptp(segment[:, 1]) for segment in bars.get_segments()]
    assert_allclose(heights, 2 * error)
    assert_array_equal(display.errors_["one"], 0)
    references = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert_allclose(
        [line.get_ydata()[0] for line in references], [several.mean(axis=1)[1], single[1]]
    )
    assert [line.get_color() for line in references] == [
        display.lines_[name].get_color() for name in ("many", "one")
    ]
    assert "2 standard errors, 6 seeds" in ax.get_ylabel()


def test_sweep_without_log_loss_has_no_reference():
    ax = GammaSweepDisplay.from_results([1, 2], {"AP": [0.1, 0.2]}).ax_
    assert not [line for line in ax.lines if line.get_linestyle() == "--"]
    assert ax.get_ylabel() == "AP"  # and no interval is spoken of


@pytest.mark.parametrize("nested", [False, True])
def test_sweep_of_a_search(nested):
    X, y = tables.binary(600)
    estimator = FocalLGBMClassifier(n_estimators=5, n_jobs=1, verbosity=-1)
    step = "focallgbmclassifier__" if nested else ""
    search = GridSearchCV(
        make_pipeline("passthrough", estimator) if nested else estimator,
        {f"{step}focal_gamma": [2.0, 0.0], f"{step}num_leaves": [2, 4, 15]},
        scoring="average_precision",
        cv=3,
    ).fit(X, y)
    display = GammaSweepDisplay.from_search(search)
    x, mean = display.lines_["average_precision"].get_data()
    assert_array_equal(x, [0, 2])
    results = search.cv_results_
    for i, gamma in enumerate(x):
        tried = [k for k, p in enumerate(results["params"]) if p[f"{step}focal_gamma"] == gamma]
        best = max(tried, key=lambda k: results["mean_test_score"][k])
        assert mean[i] == pytest.approx(results["mean_test_score"][best])
        # Their standard deviation divides by n, the standard error's by n - 1.
        error = 2 * results["std_test_score"][best] / np.sqrt(3 - 1)
        assert display.errors_["average_precision"][i] == pytest.approx(error)
    assert mean.max() == pytest.approx(search.best_score_)
    assert "2 standard errors, 3 splits" in display.ax_.get_ylabel()


def test_search_with_several_metrics_and_failed_or_other_candidates():
    X, y = tables.binary(300)
    estimator = FocalLGBMClassifier(n_estimators=2, n_jobs=1, verbosity=-1)
    search = RandomizedSearchCV(
        estimator,
        [{"focal_gamma": [0.0, 3.0], "num_leaves": [3, 5]}, {"num_leaves": [4]}],
        n_iter=5,
        scoring=["roc_auc", "neg_log_loss"],
        refit="neg_log_loss",
        cv=2,
        random_state=0,
    ).fit(X, y)
    results = search.cv_results_
    assert np.ma.getmaskarray(results["param_focal_gamma"]).sum() == 1
    of_3 = np.flatnonzero(results["param_focal_gamma"].filled(-1) == 3.0)
    best = of_3[results["mean_test_neg_log_loss"][of_3].argmax()]
    results["split1_test_neg_log_loss"][best] = np.nan  # as if it had failed
    (left,) = set(of_3) - {best}
    display = GammaSweepDisplay.from_search(search)
    assert_array_equal(display.gammas, [0, 3])
    assert display.means_["neg_log_loss"][1] == pytest.approx(
        results["mean_test_neg_log_loss"][left]
    )
    results["split0_test_neg_log_loss"][left] = np.nan
    with pytest.raises(
        ValueError, match="scores must be finite, all candidates with gamma 3 failed"
    ):
        GammaSweepDisplay.from_search(search)
    search.refit = False
    with pytest.raises(
        ValueError, match=r"search must name one of its metrics in refit.*got.*False"
    ):
        GammaSweepDisplay.from_search(search)


# ---- where they draw -----------------------------------------------------------------------------

Y, P = predictions()
DISPLAYS = {
    "loss": (3, lambda ax: LossCurvesDisplay.from_gammas([0, 2], ax=ax)),
    "reliability": (1, lambda ax: ReliabilityDisplay.from_predictions(Y, {"a": P, "b": P}, ax=ax)),
    "precision": (2, lambda ax: PrecisionRecallDisplay.from_predictions(Y, P, ax=ax)),
    "gamma": (1, lambda ax: GammaSweepDisplay.from_results([0, 1], {"a": [0.1, 0.2]}, ax=ax)),
}


@pytest.mark.parametrize("kind", DISPLAYS)
def test_draws_where_it_is_told(kind):
    n, make = DISPLAYS[kind]
    figure, given = plt.subplots(1, n)
    display = make(given)
    axes = np.ravel(display.axes_ if n > 1 else [display.ax_])
    assert list(axes) == list(np.ravel(given))
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert all(panel.get_xlabel() and panel.get_ylabel() for panel in axes)

    assert display.plot() is display  # and again, in a new figure of its own
    again = np.ravel(display.axes_ if n > 1 else [display.ax_])
    assert len(plt.get_fignums()) == 2
    assert len(display.figure_.axes) == n
    for old, new in zip(axes, again, strict=True):
        assert len(old.lines) == len(new.lines)
    if n > 1:
        with pytest.raises(ValueError, match=f"axes must be {n} matplotlib Axes, got"):
            make(plt.figure().subplots())


@pytest.mark.parametrize("kind", ["reliability", "precision", "gamma"])
def test_a_second_display_on_the_same_axes_can_be_told_from_the_first(kind):
    n, make = DISPLAYS[kind]
    given = plt.subplots(1, n)[1]
    make(given)
    make(given)
    handles, labels = np.ravel(given)[0].get_legend_handles_labels()
    references = ("perfect calibration", "no skill", r"$\gamma$ = 0")
    is_curve = [not label.startswith(references) for label in labels]
    lines = [
        getattr(handle, "lines", [handle])[0]  # of an error bar
        for handle, ours in zip(handles, is_curve, strict=True)
        if ours
    ]
    looks = {(line.get_color(), line.get_marker()) for line in lines}
    assert len(looks) == len(lines) >= 2
    assert is_curve.count(False) == 1


# ---- refusals ------------------------------------------------------------------------------------

reliability = ReliabilityDisplay.from_predictions
precision = PrecisionRecallDisplay.from_predictions
sweep = GammaSweepDisplay.from_results
losses = LossCurvesDisplay.from_gammas
REFUSED = [
    (lambda: losses([]), r"gammas must have shape \(n,\) with n >= 1, got \(0,\)"),
    (lambda: losses(2.0), r"gammas must have shape \(n,\) with n >= 1, got \(\)"),
    (lambda: losses([-1.0]), "gammas must be >= 0, got -1"),
    (lambda: losses(["2"]), "gammas must be real numbers, got dtype"),
    (lambda: losses([np.nan]), "gammas must be finite, got NaN or infinity at row 0"),
    (lambda: losses(alpha=2.0), "alpha must be None, a number in"),
    (lambda: losses(margins=[]), r"margins must have shape \(n,\)"),
    (lambda: losses(margins=[0, np.inf]), "margins must be finite, got NaN or infinity at row 1"),
    (lambda: sweep([0, 0], {"AP": [1, 2]}), r"gammas must be distinct, got \[0.0, 0.0\]"),
    (lambda: sweep([0, -1], {"AP": [1, 2]}), "gammas must be >= 0, got -1"),
    (lambda: sweep([0, 1], {}), "scores must be a dict of at least one array, got {}"),
    (lambda: sweep([0, 1], [1, 2]), r"scores must be a dict of at least one array, got \[1, 2\]"),
    (
        lambda: sweep([0, 1], {"AP": [1, 2, 3]}),
        r"'AP' must have shape \(2,\) or \(2, n_seeds\).*\(3,\)",
    ),
    (lambda: sweep([0, 1], {"AP": [[], []]}), r"'AP' must have shape .*got \(2, 0\)"),
    (lambda: sweep([0, 1], {"AP": [1, np.nan]}), "scores 'AP' must be finite, got NaN .* at row 1"),
    (lambda: GammaSweepDisplay.from_search(LogisticRegression()), "fitted GridSearchCV.*Logistic"),
    (
        lambda: reliability(Y, P, strategy="equal"),
        "strategy must be one of 'quantile', .*got 'equal'",
    ),
    (lambda: reliability(Y, P, scale="loglog"), "scale must be one of 'auto', .*got 'loglog'"),
    (lambda: reliability(Y, P, n_bins=0), "n_bins must be an integer >= 1, got 0"),
    (lambda: reliability(Y, P, n_bins=2.0), "n_bins must be an integer >= 1, got 2.0"),
    (lambda: reliability(0 * Y, P, strategy="positives"), "labels must have a positive"),
    (
        lambda: reliability(Y, 2 * P),
        r"predictions of 'model': posterior must be in \[0, 1\], got 1",
    ),
    (
        lambda: reliability(Y, {"a": P, "b": P - 1}),
        "predictions of 'b': posterior",
    ),
    (lambda: reliability(Y, np.where(P > 0.5, np.nan, P)), "posterior must be in .*got nan at row"),
    (lambda: precision(Y, np.where(P > 0.5, np.nan, P)), "'model': scores must be finite, got NaN"),
    (lambda: precision(0 * Y, P), "labels must have at least two classes.*got only class 0"),
    (lambda: precision([0, 1], [1, 2], sample_weight=[1, 0]), "at least two classes with positive"),
]
EITHER = [
    (lambda f: f(Y + 1, P), "labels must be 0 or 1, got 2 at row"),
    (lambda f: f(np.where(Y, np.nan, 0.0), P), "labels must be 0 or 1, got nan at row"),
    (lambda f: f(np.where(Y, "yes", "no"), P), "labels must be real numbers, got dtype"),
    (lambda f: f([], []), r"labels must have shape \(n,\) with n >= 1, got \(0,\)"),
    (lambda f: f(Y[:, None], P), r"labels must have shape \(n,\).*got \(2000, 1\)"),
    (
        lambda f: f(Y, P[1:]),
        r"'model' must have shape \(2000,\), one for each label, got \(1999,\)",
    ),
    (lambda f: f(Y, np.column_stack([1 - P, P])), r"must have shape \(2000,\).*got \(2000, 2\)"),
    (lambda f: f(Y, {"a": P}, name="b"), "name must be None if predictions come in a dict.*'b'"),
    (lambda f: f(Y, {}), "predictions must be at least one array, got an empty dict"),
    (lambda f: f(Y, P, sample_weight=-P), "sample_weight must be finite and >= 0, got -"),
    (lambda f: f(Y, P, sample_weight=P[1:]), r"sample_weight must have shape \(2000,\)"),
]
EITHER_ESTIMATOR = [
    (
        lambda f, e, X, y: f(e, X, np.where(y == "true", "true", "other")),
        r"\['fraud', 'true'\], got 'other'",
    ),
    (
        lambda f, e, X, y: f(e, X, np.where(y == "true", 1, 0)),
        r"labels must be among .*got [01] at row 0",
    ),
    (
        lambda f, e, X, y: f(e, X, y[1:]),
        r"must have shape \(799,\), one for each label, got \(800,\)",
    ),
    (
        lambda f, e, X, y: f(LogisticRegression().fit(X, np.arange(len(y)) % 3), X, y),
        r"estimator must have two classes, got \[0, 1, 2\]",
    ),
    (lambda f, e, X, y: f(LinearRegression(), X, y), "estimator must have .*got LinearRegression"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    assert not plt.get_fignums()


@pytest.mark.parametrize("display", [reliability, precision], ids=["reliability", "precision"])
@pytest.mark.parametrize(("call", "message"), EITHER, ids=[m for _, m in EITHER])
def test_refusals_of_both(display, call, message):
    with pytest.raises(ValueError, match=message):
        call(display)


@pytest.mark.parametrize("display", [ReliabilityDisplay, PrecisionRecallDisplay])
def test_refusals_of_estimators(display):
    classifier, X, names = fitted()
    for call, message in EITHER_ESTIMATOR:
        with pytest.raises(ValueError, match=message):
            call(display.from_estimator, classifier, X, names)
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        display.from_estimator(FocalXGBClassifier(), X, names)


def test_refusals_of_searches():
    X, y = tables.binary(200)
    estimator = FocalLGBMClassifier(n_estimators=1, n_jobs=1, verbosity=-1)
    other = GridSearchCV(estimator, {"num_leaves": [2, 3]}, cv=2).fit(X, y)
    with pytest.raises(ValueError, match="varied one focal_gamma, its parameters are num_leaves"):
        GammaSweepDisplay.from_search(other)
    pairs = GridSearchCV(estimator, {"focal_gamma": [(0.0, 2.0)]}, cv=2).fit(X, y)
    with pytest.raises(ValueError, match=r"focal_gamma must be numbers, got"):
        GammaSweepDisplay.from_search(pairs)
    with pytest.raises(ValueError, match="without cv_results_"):
        GammaSweepDisplay.from_search(GridSearchCV(estimator, {"focal_gamma": [0.0]}))

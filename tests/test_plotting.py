"""The curves of the displays (against scikit-learn, SciPy and the losses), their axes, their errors."""

import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binomtest

from focalboost import BinaryFocalLoss, FocalLGBMClassifier, FocalXGBClassifier
from focalboost.plotting import (
    GammaSweepDisplay,
    LossCurvesDisplay,
    PrecisionRecallDisplay,
    ReliabilityDisplay,
    TrainingCurvesDisplay,
)
from tests.hosts import tables

mpl = pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from sklearn.calibration import calibration_curve  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.metrics import (  # noqa: E402
    average_precision_score,
    brier_score_loss,
    precision_recall_curve,
)
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV  # noqa: E402
from sklearn.naive_bayes import GaussianNB  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

GAMMAS = (0, 0.5, 2, 5)
LINKS = ("focal", "canonical")
STRATEGIES = ("quantile", "uniform", "positives")


@pytest.fixture(autouse=True)
def _draw_and_close_figures():
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()  # an axis that cannot be drawn raises its error only here
    plt.close("all")


def predictions(n=2000, rate=0.3, seed=0):
    """Return labels and calibrated probabilities with ties, all exact in float32."""
    rng = np.random.default_rng(seed)
    p = rng.beta(4 * rate, 4 * (1 - rate), n).astype(np.float32).round(3).astype(np.float64)
    return (rng.random(n) < p).astype(int), p


def fitted(cls=FocalXGBClassifier, **options):
    X, y = tables.binary(800)
    names = np.where(y == 1, "fraud", "true")  # the positive class is the second in sorted order
    quiet = {"verbosity": -1} if cls is FocalLGBMClassifier else {}
    return cls(n_estimators=8, n_jobs=1, **quiet, **options).fit(X, names), X, names


# ---- imports -------------------------------------------------------------------------------------


def test_import_loads_neither_matplotlib_nor_scikit_learn():
    code = "import focalboost.plotting, sys; print({'matplotlib', 'sklearn'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("module", ["matplotlib.pyplot", "sklearn.metrics"])
def test_missing_libraries_are_named(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'{module} is needed.*pip install "focalboost\[plot\]"'):
        PrecisionRecallDisplay.from_predictions(*predictions())


# ---- the loss ------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", LINKS)
def test_loss_curves_are_the_losses(link):
    """The display shows a row with label 1; here the same numbers come from label 0 and -margin."""
    display = LossCurvesDisplay.from_gammas(GAMMAS, link=link)
    # With the canonical link the curvature of gamma 2 is negative only below -6.9, left of the panel.
    negative = {"focal": (0.5, 2, 5), "canonical": (0.5,)}[link]
    left, middle, right = (panel.lines for panel in display.axes_)
    s = left[0].get_xdata()
    y = np.zeros(len(s))
    for i, gamma in enumerate(GAMMAS):
        loss = BinaryFocalLoss(gamma, link=link)
        gradient, exact = loss.gradient_hessian(y, -s)
        guarded = loss.gradient_curvature(y, -s, curvature="guarded")[1]
        solid, dashed = right[2 * i], right[2 * i + 1]
        assert_allclose(left[i].get_ydata(), loss.loss(y, -s))
        assert_allclose(middle[i].get_ydata(), -gradient)
        assert_allclose(solid.get_ydata(), guarded)
        assert_allclose(dashed.get_ydata(), exact)
        assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
        assert {solid.get_color(), dashed.get_color()} == {left[i].get_color()}
        assert (dashed.get_ydata() < 0).any() == (gamma in negative)
    assert len({line.get_color() for line in left}) == len(GAMMAS)
    assert_array_equal(right[-1].get_ydata(), [0, 0])
    scale = {"focal": "score", "canonical": "posterior"}[link]
    for panel in display.axes_:
        assert f"(log-odds of the {scale})" in panel.get_xlabel()


@pytest.mark.parametrize("link", LINKS)
def test_loss_curves_are_slopes_of_each_other(link):
    s = np.linspace(-6, 4, 20_001)
    display = LossCurvesDisplay.from_gammas([2.0], margins=s, link=link)
    # Central differences with step h = 5e-4 have an error of about h^2 = 2.5e-7.
    assert_allclose(np.gradient(display.loss[0], s)[1:-1], display.gradient[0, 1:-1], atol=1e-6)
    assert_allclose(np.gradient(display.gradient[0], s)[1:-1], display.exact[0, 1:-1], atol=1e-6)


def test_loss_curves_sort_margins_and_scale_with_alpha():
    plain = LossCurvesDisplay.from_gammas([2.0], margins=[3, -1, 0])
    weighted = LossCurvesDisplay.from_gammas([2.0], alpha=(9.0, 0.25), margins=[-1, 0, 3])
    assert_array_equal(plain.margins, [-1, 0, 3])
    for name in ("loss", "gradient", "guarded", "exact"):
        assert_allclose(getattr(weighted, name), 0.25 * getattr(plain, name))


def test_canonical_loss_curves_take_alpha_into_the_margin():
    s = [-1.0, 0.5, 3.0]
    display = LossCurvesDisplay.from_gammas([2.0], alpha=(9.0, 0.25), margins=s, link="canonical")
    loss = BinaryFocalLoss(2.0, (9.0, 0.25), link="canonical")
    assert_allclose(display.loss[0], loss.loss(np.ones(3), s))
    assert_allclose(display.exact[0], loss.gradient_hessian(np.ones(3), s)[1])


@pytest.mark.parametrize(("gammas", "negative"), [((0,), False), ((0, 2), True)])
def test_legend_says_if_the_exact_curvature_is_negative(gammas, negative):
    legend = LossCurvesDisplay.from_gammas(gammas).axes_[2].get_legend()
    assert ("negative" in legend.get_texts()[1].get_text()) is negative


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
    """The ends of the bars, also at shares of 0 and 1."""
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
    for with_zeros, kept in zip(zeros.curves["model"], without.curves["model"], strict=True):
        assert_allclose(with_zeros, kept)
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
    # Equal weights of any size give the intervals of unweighted rows.
    plain = ReliabilityDisplay.from_predictions(y, p, strategy="uniform").curves["model"]
    tens = np.full(len(y), 10.0)
    scaled = ReliabilityDisplay.from_predictions(y, p, strategy="uniform", sample_weight=tens)
    assert_allclose(scaled.curves["model"].lower, plain.lower)
    # A weight of 3 is less evidence than three rows.
    inside = (curve.observed > 0) & (curve.observed < 1)
    repeated = ReliabilityDisplay.from_predictions(y_many, p_many, strategy="uniform")
    assert (curve.lower < repeated.curves["model"].lower)[inside].all()


def test_bins_with_equal_numbers_of_positives():
    y, p = predictions(20_000, rate=0.02)
    display = ReliabilityDisplay.from_predictions(y, p, n_bins=8, strategy="positives")
    curve = display.curves["model"]
    assert curve.weight.sum() == len(y)
    # Equal predictions share a bin, which moves a few positives.
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
    """A share of 0 cannot be drawn: an arrow starts at its upper limit, and the line has a gap."""
    p = np.repeat([0.0, 0.001, 0.01, 0.1], 100)
    y = np.concatenate([np.zeros(200), np.arange(100) < 1, np.arange(100) < 12])
    edges = {"n_bins": 4, "strategy": "quantile"}
    display = ReliabilityDisplay.from_predictions(y, p, scale="log", **edges)
    x, height = display.lines_["model"].get_data()
    assert_allclose(x, [0.001, 0.01, 0.1])  # the bin of predictions 0 is left out
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


@pytest.mark.parametrize(
    "wrap",
    [
        lambda classifier: classifier,
        lambda classifier: make_pipeline("passthrough", classifier),
        lambda classifier: GridSearchCV(classifier, {"focal_gamma": [2.0]}, cv=2),
    ],
    ids=["plain", "pipeline", "search"],
)
@pytest.mark.parametrize("cls", [FocalXGBClassifier, FocalLGBMClassifier])
def test_focal_estimators_show_their_probabilities(cls, wrap):
    classifier, X, names = fitted(cls)
    estimator = wrap(classifier).fit(X, names)
    display = ReliabilityDisplay.from_estimator(estimator, X, names)
    assert list(display.lines_) == [cls.__name__]
    line = display.lines_[cls.__name__]
    posterior = estimator.predict_proba(X)[:, 1]
    observed, predicted = calibration_curve(
        names == "true", posterior, n_bins=10, strategy="quantile"
    )
    # The predictions are float32, and calibration_curve computes in their precision.
    assert_allclose(line.get_xdata(), predicted, rtol=1e-6)
    assert_allclose(line.get_ydata(), observed, rtol=1e-6)


def test_name_of_a_focal_estimator():
    classifier, X, names = fitted()
    display = ReliabilityDisplay.from_estimator(classifier, X, names, name="mine")
    assert list(display.lines_) == ["mine"]


def test_other_estimators_show_their_probabilities():
    X, y = tables.binary(800)
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    options = {"n_bins": 4, "strategy": "uniform", "sample_weight": np.arange(800) % 3}
    display = ReliabilityDisplay.from_estimator(estimator, X, y, **options)
    direct = ReliabilityDisplay.from_predictions(y, estimator.predict_proba(X)[:, 1], **options)
    assert list(display.curves) == ["LogisticRegression"]
    for shown, expected in zip(
        display.curves["LogisticRegression"], direct.curves["model"], strict=True
    ):
        assert_allclose(shown, expected)


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
    assert_allclose(left.lines[0].get_ydata(), share @ y)  # the no-skill line
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


def test_precision_and_recall_without_decision_function():
    X, y = tables.binary(800)
    names = np.where(y == 1, "fraud", "true")
    plain = GaussianNB().fit(X, names)
    assert not hasattr(plain, "decision_function")
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
    assert ax.get_ylabel() == "AP"  # without a remark on intervals


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
        # scikit-learn's standard deviation divides by n, that of the standard error by n - 1.
        error = 2 * results["std_test_score"][best] / np.sqrt(3 - 1)
        assert display.errors_["average_precision"][i] == pytest.approx(error)
    assert mean.max() == pytest.approx(search.best_score_)
    assert "2 standard errors, 3 splits" in display.ax_.get_ylabel()


@pytest.fixture
def search_of_two_metrics():
    """A search whose five candidates are gamma 0 and 3, twice each, and one without a gamma."""
    X, y = tables.binary(300)
    estimator = FocalLGBMClassifier(n_estimators=2, n_jobs=1, verbosity=-1)
    return RandomizedSearchCV(
        estimator,
        [{"focal_gamma": [0.0, 3.0], "num_leaves": [3, 5]}, {"num_leaves": [4]}],
        n_iter=5,
        scoring=["roc_auc", "neg_log_loss"],
        refit="neg_log_loss",
        cv=2,
        random_state=0,
    ).fit(X, y)


def test_search_leaves_out_failed_candidates_and_those_without_gamma(search_of_two_metrics):
    results = search_of_two_metrics.cv_results_
    assert np.ma.getmaskarray(results["param_focal_gamma"]).sum() == 1
    of_3 = np.flatnonzero(results["param_focal_gamma"].filled(-1) == 3.0)
    best = of_3[results["mean_test_neg_log_loss"][of_3].argmax()]
    (other,) = set(of_3) - {best}
    results["split1_test_neg_log_loss"][best] = np.nan  # as if the fit had failed
    display = GammaSweepDisplay.from_search(search_of_two_metrics)
    assert_array_equal(display.gammas, [0, 3])
    assert display.means_["neg_log_loss"][1] == pytest.approx(
        results["mean_test_neg_log_loss"][other]
    )
    results["split0_test_neg_log_loss"][other] = np.nan
    with pytest.raises(ValueError, match=r"did not fail.*all candidates with gamma 3 failed"):
        GammaSweepDisplay.from_search(search_of_two_metrics)


def test_search_of_several_metrics_must_name_one(search_of_two_metrics):
    search_of_two_metrics.refit = False
    with pytest.raises(ValueError, match=r"search must name the metric to draw in refit.*False"):
        GammaSweepDisplay.from_search(search_of_two_metrics)


# ---- where they draw -----------------------------------------------------------------------------

Y, P = predictions()
HISTORY = {"train": {"auc": [0.7, 0.8, 0.9]}, "valid": {"auc": [0.6, 0.7, 0.6]}}
DISPLAYS = {
    "loss": (3, lambda ax: LossCurvesDisplay.from_gammas([0, 2], ax=ax)),
    "reliability": (1, lambda ax: ReliabilityDisplay.from_predictions(Y, {"a": P, "b": P}, ax=ax)),
    "precision": (2, lambda ax: PrecisionRecallDisplay.from_predictions(Y, P, ax=ax)),
    "gamma": (1, lambda ax: GammaSweepDisplay.from_results([0, 1], {"a": [0.1, 0.2]}, ax=ax)),
    "training": (1, lambda ax: TrainingCurvesDisplay.from_history(HISTORY, best_round=2, ax=ax)),
}


@pytest.mark.parametrize("kind", DISPLAYS)
def test_displays_draw_on_the_given_axes(kind):
    n, make = DISPLAYS[kind]
    figure, given = plt.subplots(1, n)
    display = make(given)
    axes = np.ravel(display.axes_ if n > 1 else [display.ax_])
    assert list(axes) == list(np.ravel(given))
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert all(panel.get_xlabel() and panel.get_ylabel() for panel in axes)

    assert display.plot() is display  # in a new figure
    again = np.ravel(display.axes_ if n > 1 else [display.ax_])
    assert len(plt.get_fignums()) == 2
    assert len(display.figure_.axes) == n
    for old, new in zip(axes, again, strict=True):
        assert len(old.lines) == len(new.lines)
    if n > 1:
        with pytest.raises(ValueError, match=f"axes must be {n} matplotlib Axes, got"):
            make(plt.figure().subplots())


@pytest.mark.parametrize("kind", ["reliability", "precision", "gamma", "training"])
def test_two_displays_on_the_same_axes_look_different(kind):
    n, make = DISPLAYS[kind]
    given = plt.subplots(1, n)[1]
    make(given)
    make(given)
    handles, labels = np.ravel(given)[0].get_legend_handles_labels()
    references = ("perfect calibration", "no skill", r"$\gamma$ = 0", "best: round")
    curves = [
        handle
        for handle, label in zip(handles, labels, strict=True)
        if not label.startswith(references)
    ]
    assert len(curves) == len(labels) - 1  # one reference line, not two
    lines = [getattr(handle, "lines", [handle])[0] for handle in curves]  # an error bar has lines
    looks = {(line.get_color(), line.get_marker()) for line in lines}
    assert len(looks) == len(lines) >= 2


def test_references_are_where_they_should_be():
    axes = np.ravel(plt.subplots(1, DISPLAYS["reliability"][0])[1])
    DISPLAYS["reliability"][1](axes if len(axes) > 1 else axes[0])
    (line,) = (line for line in axes[0].lines if line.get_label() == "perfect calibration")
    (x0, y0), (x1, y1) = line.get_xy1(), line.get_xy2()
    assert (x0, x1) == (y0, y1)
    labels, score = np.array([1] * 5 + [0] * 195), np.linspace(1, 0, 200)
    left = PrecisionRecallDisplay.from_predictions(labels, score).axes_[0]
    (line,) = (line for line in left.lines if str(line.get_label()).startswith("no skill"))
    assert line.get_label() == "no skill (2.5 %)"
    assert list(line.get_ydata()) == [0.025, 0.025]


def test_markers_of_loss_curves_do_not_hide_each_other():
    left = LossCurvesDisplay.from_gammas([0.0, 1.0, 2.0, 5.0]).axes_[0]
    starts = [line.get_markevery()[0] for line in left.lines]
    every = left.lines[0].get_markevery()[1]
    assert starts == [i * every // 4 for i in range(4)]
    assert len(set(starts)) == 4


# ---- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stopping", [True, False])
@pytest.mark.parametrize("cls", [FocalXGBClassifier, FocalLGBMClassifier, xgb.XGBClassifier])
def test_training_of_an_estimator(cls, stopping):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4))
    y = (X[:, 0] + rng.normal(size=500) > 1).astype(int)
    valid = rng.normal(size=(200, 4)), rng.permutation(y[:200])  # any training makes it worse soon
    options, of_fit = {"n_estimators": 40}, {"eval_set": [(X, y), valid]}
    if cls is FocalLGBMClassifier:
        options |= {"verbosity": -1}
        if stopping:
            of_fit |= {"callbacks": [lgb.early_stopping(3, verbose=False)]}
    elif stopping:
        options |= {"early_stopping_rounds": 3}
    if cls is xgb.XGBClassifier:
        of_fit |= {"verbose": False}
    model = cls(**options).fit(X, y, **of_fit)
    display = TrainingCurvesDisplay.from_estimator(make_pipeline(model))
    history = list(model.evals_result_.values())
    (values,) = history[1].values()
    assert_array_equal(list(display.curves.values())[1], values)
    assert_array_equal(list(display.lines_.values())[1].get_xdata(), np.arange(1, len(values) + 1))
    if stopping:
        best = int(np.argmin(values)) + 1
        assert display.best_round == best < len(values)
        assert display.ax_.lines[-1].get_xdata() == [best, best]
    else:
        assert display.best_round is None
        assert len(values) == 40


def test_training_shows_the_metric_that_is_asked_for():
    history = {
        "train": {"auc": [0.7, 0.8]},
        "valid": {"auc": [0.6, 0.7], "focal_loss": [0.2, 0.1]},
    }
    display = TrainingCurvesDisplay.from_history(history, metric="focal_loss")
    assert list(display.curves) == ["valid"]
    assert display.ax_.get_ylabel() == "focal loss"
    display = TrainingCurvesDisplay.from_history(history, metric="auc")
    assert list(display.curves) == ["train", "valid"]
    assert display.ax_.get_legend_handles_labels()[1] == ["train", "valid"]
    with pytest.raises(ValueError, match="metric must be one of auc, focal_loss, got None"):
        TrainingCurvesDisplay.from_history(history)


# ---- errors --------------------------------------------------------------------------------------

reliability = ReliabilityDisplay.from_predictions
precision = PrecisionRecallDisplay.from_predictions
sweep = GammaSweepDisplay.from_results
losses = LossCurvesDisplay.from_gammas
training = TrainingCurvesDisplay.from_history
ERRORS = [
    (lambda: losses([]), r"gammas must have shape \(n,\) with n >= 1, got \(0,\)"),
    (lambda: losses(2.0), r"gammas must have shape \(n,\) with n >= 1, got \(\)"),
    (lambda: losses([-1.0]), "gammas must be >= 0, got -1"),
    (lambda: losses(["2"]), "gammas must be real numbers, got dtype"),
    (lambda: losses([np.nan]), "gammas must be finite, got NaN or infinity at row 0"),
    (lambda: losses(alpha=2.0), "alpha must be None, a number in"),
    (lambda: losses(link="logit"), "link must be one of 'focal', 'canonical', got 'logit'"),
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
    (lambda: training({}), "history must have at least one metric, got none"),
    (lambda: training([0.1]), "history must be a dict of data sets, .*got list"),
    (lambda: training({"test-auc-mean": [0.1]}), "history must be a dict of data sets"),
    (lambda: training(HISTORY, metric="aucpr"), "metric must be one of auc, got 'aucpr'"),
    (lambda: training(HISTORY, best_round=0), "best_round must be from 1 to 3, got 0"),
    (lambda: training({"v": {"auc": [np.nan]}}), "auc of v must be finite, got NaN"),
    (
        lambda: TrainingCurvesDisplay.from_estimator(LogisticRegression()),
        "fitted with eval_set, got LogisticRegression without",
    ),
    (lambda: GammaSweepDisplay.from_search(LogisticRegression()), "fitted GridSearchCV.*Logistic"),
    (
        lambda: reliability(Y, P, strategy="equal"),
        "strategy must be one of 'quantile', .*got 'equal'",
    ),
    (lambda: reliability(Y, P, scale="loglog"), "scale must be one of 'auto', .*got 'loglog'"),
    (lambda: reliability(Y, P, n_bins=0), "n_bins must be an integer >= 1, got 0"),
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
ERRORS_OF_BOTH = [
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
    (lambda f: f(Y, {"a": P}, name="b"), "name must be None if predictions are a dict.*'b'"),
    (lambda f: f(Y, {}), "predictions must be at least one array, got an empty dict"),
    (lambda f: f(Y, P, sample_weight=-P), "sample_weight must be finite and >= 0, got -"),
    (lambda f: f(Y, P, sample_weight=P[1:]), r"sample_weight must have shape \(2000,\)"),
]
ERRORS_OF_ESTIMATORS = [
    (
        lambda call, e, X, y: call(e, X, np.where(y == "true", "true", "other")),
        r"\['fraud', 'true'\], got 'other'",
    ),
    (
        lambda call, e, X, y: call(e, X, np.where(y == "true", 1, 0)),
        r"labels must be among .*got [01] at row 0",
    ),
    (
        lambda call, e, X, y: call(e, X, y[1:]),
        r"must have shape \(799,\), one for each label, got \(800,\)",
    ),
    (
        lambda call, _, X, y: call(LogisticRegression().fit(X, np.arange(len(y)) % 3), X, y),
        r"estimator must have two classes, got \[0, 1, 2\]",
    ),
    (
        lambda call, _, X, y: call(LinearRegression(), X, y),
        "estimator must have .*got LinearRegression",
    ),
]
by_display = pytest.mark.parametrize("display", [ReliabilityDisplay, PrecisionRecallDisplay])


@pytest.mark.parametrize(("call", "message"), ERRORS, ids=[m for _, m in ERRORS])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    assert not plt.get_fignums()


@pytest.mark.parametrize("n_bins", [2.0, "ten", True])
def test_n_bins_must_be_an_integer(n_bins):
    with pytest.raises(TypeError, match=f"n_bins must be an integer >= 1, got {n_bins!r}"):
        reliability(Y, P, n_bins=n_bins)


@by_display
@pytest.mark.parametrize(("call", "message"), ERRORS_OF_BOTH, ids=[m for _, m in ERRORS_OF_BOTH])
def test_errors_of_both(display, call, message):
    with pytest.raises(ValueError, match=message):
        call(display.from_predictions)


@pytest.fixture(scope="module")
def classifier():
    return fitted()


@by_display
@pytest.mark.parametrize(
    ("call", "message"), ERRORS_OF_ESTIMATORS, ids=[m for _, m in ERRORS_OF_ESTIMATORS]
)
def test_errors_of_estimators(display, classifier, call, message):
    with pytest.raises(ValueError, match=message):
        call(display.from_estimator, *classifier)


@by_display
def test_estimators_must_be_fitted(display):
    with pytest.raises(NotFittedError):
        display.from_estimator(FocalXGBClassifier(), *tables.binary(20))


@pytest.mark.parametrize(
    ("varied", "message"),
    [
        ({"num_leaves": [2, 3]}, "exactly one focal_gamma, its parameters are num_leaves"),
        ({"focal_gamma": [(0.0, 2.0)]}, "focal_gamma must be a number for every candidate, got"),
    ],
)
def test_errors_of_searches(varied, message):
    estimator = FocalLGBMClassifier(n_estimators=1, n_jobs=1, verbosity=-1)
    search = GridSearchCV(estimator, varied, cv=2).fit(*tables.binary(200))
    with pytest.raises(ValueError, match=message):
        GammaSweepDisplay.from_search(search)


def test_searches_must_be_fitted():
    search = GridSearchCV(FocalLGBMClassifier(), {"focal_gamma": [0.0]})
    with pytest.raises(ValueError, match=r"fitted GridSearchCV.*without cv_results_"):
        GammaSweepDisplay.from_search(search)

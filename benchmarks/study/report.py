"""From the cells to the tables and figures of docs/study/results.md; every number there is made here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import baycomp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scikit_posthocs
from scipy.stats import bootstrap, norm
from statsmodels.stats.multitest import multipletests

from benchmarks.study.methods import GAMMAS, RULES, TUNED

NATIVE, ZERO = "log loss", "gamma 0, c = 16"
HOSTS = ("XGBoost", "LightGBM")
SEPARABLE = 0.01  # nearly separable tables: log loss of the library's own loss below this
RATIOS = ("log_loss", "brier", "seconds")
AP_ROPE, RATIO_ROPE = 0.005, float(np.log(1.02))
KEYS = ["table", "split"]


class Cells:
    """The published cells, by setting and library."""

    def __init__(self, frame: pd.DataFrame) -> None:
        best = frame.groupby(["setting", "host", *KEYS])["ap"].transform("max")
        self.frame = frame.assign(
            collapse=frame["ap"] < 0.5 * best,
            several=frame["slope"].isna().groupby(frame["table"]).transform("all"),
        )

    def of(self, setting: str, host: str, method: str) -> pd.DataFrame:
        """Return the cells of a method, of all tables and splits."""
        chosen = (self.frame["setting"] == setting) & (self.frame["host"] == host)
        return self.frame[chosen & (self.frame["method"] == method)]

    def wide(
        self, setting: str, host: str, measure: str, tables: Iterable[str] | None = None
    ) -> pd.DataFrame:
        """Return a measure by table and split (rows) and method (columns); ratios as logarithms."""
        chosen = self.frame[(self.frame["setting"] == setting) & (self.frame["host"] == host)]
        if tables is not None:
            chosen = chosen[chosen["table"].isin(list(tables))]
        wide = chosen.pivot_table(index=KEYS, columns="method", values=measure, aggfunc="first")
        return np.log(wide) if measure in RATIOS else wide

    def difference(
        self,
        setting: str,
        host: str,
        measure: str,
        method: str,
        base: str,
        tables: Iterable[str] | None = None,
    ) -> np.ndarray:
        """Return method minus base: one mean over splits for each table that has both."""
        wide = self.wide(setting, host, measure, tables)
        if method not in wide or base not in wide:
            return np.zeros(0)
        by_table = (wide[method] - wide[base]).dropna().groupby(level="table").mean()
        return by_table.to_numpy()

    def separable(self, host: str) -> set[str]:
        """Return the tables on which the library's own tuned log loss is almost 0."""
        level = np.exp(self.wide("tuned", host, "log_loss")[NATIVE]).groupby(level="table").mean()
        return set(level.index[level < SEPARABLE])

    def tables(self, several: bool | None = None) -> list[str]:
        """Return the names of the tables; of two classes, of several, or all."""
        names = self.frame.drop_duplicates("table")
        return sorted(
            names["table"] if several is None else names.loc[names["several"] == several, "table"]
        )


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean over tables and its BCa bootstrap interval."""
    mean = float(values.mean()) if len(values) else float("nan")
    if len(values) < 3 or np.ptp(values) < 1e-12:
        return mean, mean, mean
    found = bootstrap((values,), np.mean, n_resamples=9_999, confidence_level=level, rng=0)
    return mean, float(found.confidence_interval.low), float(found.confidence_interval.high)


def shown(values: np.ndarray, measure: str) -> str:
    """Return the mean with its interval, as a ratio or a difference."""
    if not len(values):
        return ""
    numbers = interval(values)
    if measure in RATIOS:
        return "{:.3f} [{:.3f}, {:.3f}]".format(*np.exp(numbers))
    return "{:+.3f} [{:+.3f}, {:+.3f}]".format(*numbers).replace("-", "−")


def probabilities(values: np.ndarray, measure: str) -> str:
    """Return P(higher), P(equivalent), P(lower) of the Bayesian signed-rank test."""
    if len(values) < 5:
        return ""
    rope = RATIO_ROPE if measure in RATIOS else AP_ROPE
    higher, same, lower = baycomp.SignedRankTest.probs(
        values, np.zeros_like(values), rope=rope, random_state=0
    )
    return f"{higher:.2f} / {same:.2f} / {lower:.2f}"


def equivalent(values: np.ndarray, measure: str) -> bool:
    """Tell whether the 90 % interval lies within the region of equivalence."""
    _, low, high = interval(values, 0.9)
    rope = RATIO_ROPE if measure in RATIOS else AP_ROPE
    return bool(low > -rope and high < rope)


def p_value(values: np.ndarray) -> float:
    """Return the two-sided p value of a mean of 0, from the spread of the bootstrap."""
    if len(values) < 3 or np.ptp(values) < 1e-12:
        return 1.0
    error = bootstrap((values,), np.mean, n_resamples=9_999, rng=0).standard_error
    return float(2 * norm.sf(abs(values.mean()) / error))


def holm(p: Sequence[float]) -> np.ndarray:
    """Return Holm's adjusted p values."""
    return np.asarray(multipletests(p, method="holm")[1])


def line(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table under a heading."""
    lines = [f"## {title}", "", line(header), "|" + "---|" * len(header)]
    lines += [line(row) for row in rows]
    return "\n".join([*lines, ""])


def label(method: str) -> str:
    """Return how a method is called in the pages."""
    return method.replace("gamma 0, ", "") if method.startswith("gamma 0, ") else method


# ---- the tables ---------------------------------------------------------------------------------------


def curvature_tuned(cells: Cells) -> str:
    """Each rule at gamma 0 against the library's own log loss, tuned."""
    rules = [m.name for m in TUNED if m.name.startswith("gamma 0")]
    rows = []
    for host in HOSTS:
        rest = set(cells.tables()) - cells.separable(host)
        for name in rules:
            loss = cells.difference("tuned", host, "log_loss", name, NATIVE)
            without = cells.difference("tuned", host, "log_loss", name, NATIVE, rest)
            against = cells.difference("tuned", host, "log_loss", name, "gamma 0, |gradient|")
            ap = cells.difference("tuned", host, "ap", name, NATIVE)
            rows.append(
                (
                    *(host, label(name), shown(loss, "log_loss"), shown(without, "log_loss")),
                    "" if "|gradient|" in name else shown(against, "log_loss"),
                    *(shown(ap, "ap"), probabilities(-loss, "log_loss")),
                )
            )
    header = [
        "library",
        "rule",
        "log loss, ratio",
        "not separable",
        "ratio to |gradient|",
        "AP, difference",
    ]
    return table(
        "Curvature, tuned, gamma 0, against the library's log loss",
        [*header, "P(better / same / worse)"],
        rows,
    )


def curvature_at_defaults(cells: Cells) -> str:
    """Each rule at the library's defaults, with what goes wrong there."""
    rows = []
    for host in HOSTS:
        for gamma in (0, 2):
            names = [(rule, f"gamma {gamma}, {rule}") for rule in RULES]
            if gamma == 2:
                names[0] = ("c = 16", "focal, gamma 2")
            for rule, name in [("log loss", NATIVE), *names] if gamma == 0 else names:
                chosen = cells.of("defaults", host, name)
                rows.append(
                    (
                        *(host, str(gamma), rule),
                        *(
                            shown(cells.difference(setting, host, m, name, NATIVE), m)
                            if name != NATIVE
                            else ""
                            for setting, m in (
                                ("few rounds", "log_loss"),
                                ("defaults", "log_loss"),
                                ("defaults", "ap"),
                            )
                        ),
                        f"{int(chosen['collapse'].sum())} of {len(chosen)}",
                        f"{chosen['reversals'].mean():.1f}",
                        f"{chosen['largest_leaf'].median():.0f} / {chosen['largest_leaf'].max():.3g}",
                    )
                )
    header = [
        "library",
        "gamma",
        "rule",
        "log loss, 20 rounds",
        "log loss, 100 rounds",
        "AP, 100 rounds",
    ]
    return table(
        "Curvature at the library's defaults, against the library's log loss",
        [*header, "collapses", "reversals", "largest leaf, median / maximum"],
        rows,
    )


def gamma_rows(
    cells: Cells, setting: str, tables: Iterable[str] | None, gammas: Sequence[float]
) -> list[tuple[str, ...]]:
    """Return rows of each gamma and link against gamma 0, with Holm's correction over the gammas."""
    rows = []
    for host in HOSTS:
        for link in ("focal", "canonical"):
            names = [f"{link}, gamma {gamma:g}" for gamma in gammas]
            found = {
                m: [cells.difference(setting, host, m, name, ZERO, tables) for name in names]
                for m in ("ap", "log_loss")
            }
            adjusted = {m: holm([p_value(v) for v in values]) for m, values in found.items()}
            for i, name in enumerate(names):
                if not len(found["ap"][i]):
                    continue
                row = [host, name]
                for m in ("ap", "log_loss"):
                    values = found[m][i]
                    verdict = "=" if equivalent(values, m) else ""
                    if adjusted[m][i] < 0.05:
                        up = values.mean() > 0
                        verdict += " better" if up == (m == "ap") else " worse"
                    row += [shown(values, m), verdict.strip()]
                rows.append(tuple(row))
    return rows


def gamma(cells: Cells) -> str:
    """Gamma against gamma 0 with the same rule, overall, tuned and by regime."""
    header = ["library", "loss", "AP, difference", "", "log loss, ratio", ""]
    few = cells.frame.drop_duplicates("table")["table"]
    few = [t for t in few if t in FEW_POSITIVES]
    parts = [
        ("defaults, 100 rounds", "defaults", None, GAMMAS),
        ("tuned", "tuned", None, (2.0, 5.0)),
        ("defaults, fewer than 100 training positives", "defaults", few, GAMMAS),
        ("defaults, several classes", "defaults", cells.tables(several=True), GAMMAS),
        ("20 rounds", "few rounds", None, GAMMAS),
        ("shallow trees", "shallow", None, (2.0, 5.0)),
        ("half of the rows per tree", "sampled", None, (2.0, 5.0)),
    ]
    text = [
        table(f"Gamma against gamma 0: {title}", header, gamma_rows(cells, setting, tables, gammas))
        for title, setting, tables, gammas in parts
    ]
    rows = []
    for name in ("simulated, 3 %", "simulated, 3 %, labels flipped", "simulated, 3 %, drift"):
        for host in HOSTS:
            for method in (
                "focal, gamma 2",
                "focal, gamma 5",
                "canonical, gamma 2",
                "canonical, gamma 5",
            ):
                ap, loss = (
                    cells.wide("defaults", host, m, [name]).pipe(lambda w: w[method] - w[ZERO])  # noqa: B023
                    for m in ("ap", "log_loss")
                )
                rows.append((name, host, method, spread(ap), spread(np.exp(loss), ratio=True)))
    text.append(
        table(
            "Gamma against gamma 0 on simulated tables: mean (lowest to highest split)",
            ["table", "library", "loss", "AP, difference", "log loss, ratio"],
            rows,
        )
    )
    tuned = []
    for host in HOSTS:
        for link in ("focal", "canonical"):
            name = f"{link}, gamma tuned"
            values = [cells.difference("tuned", host, m, name, ZERO) for m in ("ap", "log_loss")]
            tuned.append((host, name, shown(values[0], "ap"), shown(values[1], "log_loss")))
    text.append(
        table(
            "Gamma as one more tuned parameter, against gamma 0",
            ["library", "loss", "AP, difference", "log loss, ratio"],
            tuned,
        )
    )
    return "\n".join(text)


FEW_POSITIVES = {
    *("ULB credit card", "ULB, first 7,972", "oil spill", "abalone 19", "yeast 6", "solar flare F"),
    *("car, very good", "white wine 3, 9", "vowel 0", "breast cancer, thinned", "card payments"),
    "simulated, 100 positives",
}
"""Binary tables with fewer than 100 positives among the training rows."""


def spread(values: pd.Series, ratio: bool = False) -> str:
    """Return the mean of the splits with the lowest and the highest."""
    form = "{:.3f} ({:.3f} to {:.3f})" if ratio else "{:+.3f} ({:+.3f} to {:+.3f})"
    return form.format(values.mean(), values.min(), values.max()).replace("-", "−")


def softmax(cells: Cells) -> str:
    """Macro F1 of gamma and curvature, several classes."""
    several = cells.tables(several=True)
    methods = {
        "log loss": NATIVE,
        "gamma 0, exact": "gamma 0, exact",
        "gamma 0, c = 16": ZERO,
        "gamma 2, exact": "gamma 2, exact",
        "gamma 2, c = 16": "focal, gamma 2",
        "gamma 2, canonical": "canonical, gamma 2",
    }
    rows = []
    for host in HOSTS:
        for setting in ("few rounds", "defaults"):
            wide = cells.wide(setting, host, "macro_f1", several).groupby(level="table").mean()
            loss = cells.wide(setting, host, "log_loss", several).groupby(level="table").mean()
            rows += [
                (
                    *(host, "20" if setting == "few rounds" else "100", title),
                    *(
                        f"{wide.loc[t, name]:.3f} ({np.exp(loss.loc[t, name]):.3g})"
                        for t in several
                    ),
                )
                for title, name in methods.items()
            ]
    return table(
        "Rare classes in softmax, at defaults: macro F1 (log loss)",
        ["library", "rounds", "method", *several],
        rows,
    )


def links(cells: Cells) -> str:
    """Canonical against focal."""
    rows = []
    for host in HOSTS:
        for setting, gammas in (
            ("few rounds", GAMMAS),
            ("defaults", GAMMAS),
            ("tuned", (2.0, 5.0)),
        ):
            for g in gammas:
                pair = f"canonical, gamma {g:g}", f"focal, gamma {g:g}"
                loss = cells.difference(setting, host, "log_loss", *pair)
                ap = cells.difference(setting, host, "ap", *pair)
                rows.append((host, setting, f"{g:g}", shown(loss, "log_loss"), shown(ap, "ap")))
    header = ["library", "setting", "gamma", "log loss, ratio", "AP, difference"]
    return table("Canonical link against the paper's", header, rows)


def cures(cells: Cells) -> str:
    """LightGBM's defaults on rare classes, and what helps."""
    names = [
        *(NATIVE, "log loss, lambda_l2 = 1", "log loss, class weights", ZERO),
        *("gamma 0, c = 4", "gamma 0, |gradient|", "gamma 0, root", "gamma 0, adaptive l2"),
        *("focal, gamma 2", "canonical, gamma 2", "textbook, gamma 2"),
    ]
    rows = []
    for name in names:
        chosen = cells.of("defaults", "LightGBM", name)
        loss, ap = (
            cells.difference("defaults", "LightGBM", m, name, NATIVE) for m in ("log_loss", "ap")
        )
        rows.append(
            (
                *(label(name), f"{int(chosen['collapse'].sum())} of {len(chosen)}"),
                *(("", "") if name == NATIVE else (shown(loss, "log_loss"), shown(ap, "ap"))),
            )
        )
    header = ["method", "collapses", "log loss, ratio", "AP, difference"]
    return table("LightGBM's defaults, 100 rounds, against its own log loss", header, rows)


def others(cells: Cells) -> str:
    """Class weights, thresholds, blog code and CatBoost, each against the library's log loss."""
    rows = []
    measures = ("log_loss", "ap", "macro_f1", "macro_f1_tuned", "balanced_accuracy_tuned")
    for host, names in (
        *(
            (h, ("log loss, class weights", f"{ZERO}, balanced", "textbook, gamma 2", ZERO))
            for h in HOSTS
        ),
        ("CatBoost", ("log loss, class weights", "CatBoost's Focal, gamma 2")),
    ):
        for name in names:
            found = [
                shown(cells.difference("defaults", host, m, name, NATIVE), m) for m in measures
            ]
            rows.append((host, label(name), *found))
    text = [
        table(
            "Against the library's own log loss, at defaults",
            [
                "library",
                "method",
                "log loss, ratio",
                "AP",
                "macro F1",
                "macro F1, tuned threshold",
                "balanced accuracy, tuned threshold",
            ],
            rows,
        )
    ]
    rows = []
    for host in (*HOSTS, "CatBoost"):
        for name in (NATIVE, "log loss, class weights", ZERO, "focal, gamma 2"):
            wide = [
                cells.wide("defaults", host, m, cells.tables(several=False))
                for m in ("macro_f1_tuned", "macro_f1")
            ]
            if name in wide[0]:
                values = (wide[0][name] - wide[1][name]).groupby(level="table").mean().to_numpy()
                rows.append((host, label(name), shown(values, "macro_f1")))
    text.append(
        table(
            "Tuning the threshold: macro F1 at the tuned threshold minus at 1/2, binary tables",
            ["library", "method", "macro F1, difference"],
            rows,
        )
    )
    return "\n".join(text)


def calibration(cells: Cells) -> str:
    """Calibration and time, tuned and at defaults."""
    rows = []
    for host in HOSTS:
        for setting in ("defaults", "tuned"):
            for name in (
                NATIVE,
                "log loss, class weights",
                ZERO,
                "focal, gamma 2",
                "canonical, gamma 2",
            ):
                chosen = cells.of(setting, host, name)
                brier = cells.difference(setting, host, "brier", name, NATIVE)
                recall = cells.difference(setting, host, "recall_1pct", name, NATIVE)
                seconds = cells.difference(setting, host, "seconds", name, NATIVE)
                rounds = chosen["best_round"].median()
                rows.append(
                    (
                        *(host, setting, label(name)),
                        f"{chosen['slope'].median():.2f} / {chosen['intercept'].median():+.2f}".replace(
                            "-", "−"
                        ),
                        *(
                            ("", "")
                            if name == NATIVE
                            else (shown(brier, "brier"), shown(recall, "ap"))
                        ),
                        f"{rounds:.0f}",
                        "" if name == NATIVE else f"{np.exp(np.median(seconds)):.2f}",
                    )
                )
    header = ["library", "setting", "method", "slope / intercept, medians", "Brier score, ratio"]
    return table(
        "Calibration, recall among 1 % of rows, rounds and time",
        [*header, "recall at 1 %, difference", "best round, median", "seconds, median ratio"],
        rows,
    )


# ---- figures ------------------------------------------------------------------------------------------


def forest(cells: Cells, path: Path) -> None:
    """Draw the tuned log loss of each rule against the library's, with intervals."""
    rules = [m.name for m in TUNED if m.name.startswith("gamma 0")]
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True, layout="constrained")
    for axis, host in zip(axes, HOSTS, strict=True):
        for i, name in enumerate(rules):
            mean, low, high = np.exp(
                interval(cells.difference("tuned", host, "log_loss", name, NATIVE))
            )
            axis.plot([low, high], [i, i], color="C0")
            axis.plot(mean, i, "o", color="C0")
        axis.axvline(1, color="black", linewidth=0.8)
        axis.axvline(0.97, color="black", linewidth=0.8, linestyle=":")
        axis.set(title=host, xlabel="tuned log loss, ratio to the library's own")
        axis.set_yticks(range(len(rules)), [label(name) for name in rules])
    axes[0].invert_yaxis()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def ranks(cells: Cells, path: Path) -> str:
    """Draw average ranks of the tuned methods with their critical difference; return them as a table."""
    figure, axes = plt.subplots(2, 1, figsize=(9, 7), layout="constrained")
    rows: dict[str, list[str]] = {}
    for axis, host in zip(axes, HOSTS, strict=True):
        wide = cells.wide("tuned", host, "log_loss").groupby(level="table").mean().dropna()
        order = wide.rank(axis=1).mean()
        significance = scikit_posthocs.posthoc_nemenyi_friedman(wide)
        drawn = scikit_posthocs.critical_difference_diagram(order, significance, ax=axis)
        for bar in (line for bars in drawn["crossbars"] for line in bars):
            bar.set_xdata(np.sort(bar.get_xdata()))  # it draws them in the order of a set
        axis.set_title(f"{host}: average rank by tuned log loss, {len(wide)} tables")
        for name, rank in order.items():
            rows.setdefault(str(name), []).append(f"{rank:.1f}")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return table(
        "Average rank by tuned log loss", ["method", *HOSTS], [(k, *v) for k, v in rows.items()]
    )


def write(path: Path, folder: Path) -> None:
    """Write results.md and its figures."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "focalboost"
    frame = pd.read_parquet(path)
    cells = Cells(frame)
    forest(cells, folder / "curvature.svg")
    ranked = ranks(cells, folder / "ranks.svg")
    counts = frame.groupby("setting").size()
    head = [
        "# Results in full",
        "",
        "Made by `python -m benchmarks.study report` from `cells.parquet`. "
        "[What follows from them](index.md), and [how they came about](protocol.md).",
        "",
        f"{len(frame):,} cells: "
        + ", ".join(f"{n:,} {setting}" for setting, n in counts.items())
        + f"; {len(cells.tables())} tables.",
        "",
        "Ratios below 1 and differences above 0 are better; in brackets the 95 % interval over tables. "
        '"=": the 90 % interval lies within the region of equivalence; "better", "worse": different at '
        "5 % after Holm's correction.",
        "",
    ]
    body = [
        curvature_tuned(cells),
        "![Tuned log loss of each curvature rule](curvature.svg)\n",
        ranked,
        "![Average ranks](ranks.svg)\n",
        *(
            make(cells)
            for make in (curvature_at_defaults, cures, gamma, softmax, links, others, calibration)
        ),
    ]
    (folder / "results.md").write_text("\n".join([*head, *body]).rstrip() + "\n", encoding="utf-8")

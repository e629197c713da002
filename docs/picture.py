"""The picture of the front page and of the README, from the tables of study/results.md.

`python docs/picture.py` writes the two files that the README shows.
"""

import re
from pathlib import Path

import matplotlib.pyplot as plt

HERE = Path(__file__).parent
COLORS = {  # background, text, lines, XGBoost, LightGBM; those of GitHub's two pages
    "light": ("#ffffff", "#1f2328", "#818b98", "#0969da", "#bc4c00"),
    "dark": ("#0d1117", "#e6edf3", "#7d8590", "#58a6ff", "#f0883e"),
}
RESULT = re.compile(r"([+−]?[\d.]+) \[([+−]?[\d.]+), ([+−]?[\d.]+)\]")  # the mean and its interval


def result(heading, begin, column):
    """Return mean, low and high of a row of results.md: its table, its first cells, the column."""
    section = (HERE / "study/results.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1]
    row = next(line for line in section.splitlines() if line.startswith(begin))
    cell = RESULT.fullmatch(row.split(" | ")[column])
    return [float(number.replace("−", "-")) for number in cell.groups()]


def draw(theme):
    """Draw what the guarded curvature and what gamma change, with 95 % intervals over tables."""
    background, text, lines, xgboost, lightgbm = COLORS[theme]
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(9.5, 3), layout="constrained", sharey=True, width_ratios=[1.1, 1]
    )
    fig.set_facecolor(background)
    fig.get_layout_engine().set(wspace=0.06)
    against = "Curvature at the library's defaults, against the library's log loss"
    tuned = "Curvature, tuned, gamma 0, against the library's log loss"
    rows = [
        ("XGBoost, defaults", xgboost, (against, "| XGBoost | 0 | c = 16 ", 4)),
        ("LightGBM, defaults", lightgbm, (against, "| LightGBM | 0 | c = 16 ", 4)),
        ("XGBoost, tuned", xgboost, (tuned, "| XGBoost | c = 16 ", 2)),
        ("LightGBM, tuned", lightgbm, (tuned, "| LightGBM | c = 16 ", 2)),
    ]
    for y, (name, color, where) in enumerate(rows):
        library, setting = name.split(", ")
        title = "defaults, 100 rounds" if setting == "defaults" else "tuned"
        gamma = (f"Gamma against gamma 0: {title}", f"| {library} | canonical, gamma 2 ", 2)
        for ax, source, form in ((left, where, "{:.3f}"), (right, gamma, "{:+.3f}")):
            mean, low, high = result(*source)
            ax.plot([low, high], [y, y], color=color, linewidth=2, solid_capstyle="butt")
            ax.plot(mean, y, "o", color=color, markersize=7)
            number = form.format(mean).replace("-", "−")
            box = {"facecolor": background, "edgecolor": "none", "pad": 0}
            ax.annotate(
                number, (mean, y), (0, 8), textcoords="offset points", ha="center", color=text,
                bbox=box, zorder=1,
            )  # fmt: skip
    left.set_title(
        "Curvature lowers log loss at the defaults", color=text, loc="left", weight="bold"
    )
    left.set_xlabel("test log loss ÷ that of the library's own loss\n← better")
    left.set_xscale("log")
    left.set_xticks([0.4, 0.6, 0.8, 1.0], ["0.4", "0.6", "0.8", "1"])
    left.set_xticks([], minor=True)
    right.set_title("Gamma does not rank better", color=text, loc="left", weight="bold")
    right.set_xlabel("average precision at gamma 2 − at gamma 0\nbetter →")
    right.set_xlim(-0.05, 0.05)
    left.set_yticks(range(len(rows)), [name for name, *_ in rows])
    left.set_ylim(len(rows) - 0.5, -0.6)
    for ax, none in ((left, 1), (right, 0)):
        ax.axvline(none, color=lines, linewidth=1, linestyle="--", zorder=0)
        ax.set_facecolor(background)
        ax.tick_params(colors=text, length=0)
        ax.xaxis.label.set_color(text)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.spines["bottom"].set_color(lines)
    return fig


if __name__ == "__main__":
    plt.rcParams["svg.hashsalt"] = "focalboost"  # the same picture gives the same file
    for theme in COLORS:
        path = HERE / f"_static/gains-{theme}.svg"
        draw(theme).savefig(path, metadata={"Date": None})

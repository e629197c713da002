"""The study of benchmarks/study: its rules, measures and tables, and a quick run."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from focalboost import BinaryFocalLoss, SoftmaxFocalLoss

optuna = pytest.importorskip("optuna")
rich = pytest.importorskip("rich")
pytest.importorskip("xgboost")
pytest.importorskip("lightgbm")

from benchmarks.study import __main__ as program  # noqa: E402
from benchmarks.study import data, grid, measures, methods  # noqa: E402

rng = np.random.default_rng(0)
Y = rng.integers(0, 2, 400)
Z = rng.normal(0, 4, 400)
CLASSES = rng.integers(0, 4, 300)
MARGINS = rng.normal(0, 3, (300, 4))


def both(rule, gamma):
    """Gradient and curvature of a binary and a softmax loss, then the exact curvature of each."""
    for loss, y, z in (
        (BinaryFocalLoss(gamma), Y, Z),
        (SoftmaxFocalLoss(4, gamma), CLASSES, MARGINS),
    ):
        gradient, exact = loss.gradient_hessian(y, z)
        found, curvature = rule(loss, y, z)
        assert_allclose(found, gradient, rtol=1e-9, atol=1e-12)
        yield np.abs(gradient), np.maximum(exact, 0), curvature


class TestRules:
    @pytest.mark.parametrize("gamma", [0.0, 2.0])
    @pytest.mark.parametrize("c", [2.0, 32.0])
    def test_floor(self, gamma, c):
        for size, exact, curvature in both(methods.floor(c), gamma):
            assert_allclose(curvature, np.maximum(exact, size / c), rtol=1e-6, atol=1e-12)

    @pytest.mark.parametrize("gamma", [0.0, 2.0])
    def test_root(self, gamma):
        for size, exact, curvature in both(methods.root, gamma):
            expected = np.maximum(np.sqrt(size * exact), size / 16)
            assert_allclose(curvature, expected, rtol=1e-6, atol=1e-12)

    def test_absolute_has_no_factor_of_the_library(self):
        loss = SoftmaxFocalLoss(4, 0.0)
        for z in (np.ascontiguousarray(MARGINS), np.asfortranarray(MARGINS)):
            gradient, curvature = methods.absolute(loss, CLASSES, z)
            library = 2.0 if z.flags.c_contiguous else 4 / 3
            assert_allclose(library * curvature, np.abs(gradient), rtol=1e-9)

    def test_adaptive_adds_the_same_to_every_row(self):
        for size, exact, curvature in both(methods.adaptive, 0.0):
            norm = np.sqrt((size**2).reshape(len(size), -1).sum(axis=1).mean())
            added = np.sqrt(norm / (6 * np.sqrt(3)))
            assert_allclose(curvature - exact, added, rtol=1e-6)

    def test_chord(self):
        """At gamma 0 it is tanh(s / 2) / (2 s), the sharpest quadratic bound of log loss."""
        _, curvature = methods.chord(BinaryFocalLoss(0.0), Y, Z)
        wrong = (Y == 1) != (Z > 0)
        expected = np.where(wrong, np.tanh(Z / 2) / (2 * Z), np.exp(Z) / (1 + np.exp(Z)) ** 2)
        assert_allclose(curvature, expected, rtol=1e-6)
        _, softmax = methods.chord(SoftmaxFocalLoss(2, 0.0), Y, np.column_stack([0 * Z, Z]))
        assert_allclose(softmax[:, 1], expected, rtol=1e-6)


class TestMeasures:
    def test_right_posteriors(self):
        rng = np.random.default_rng(0)
        p = rng.beta(1, 8, 200_000)
        y = (rng.random(len(p)) < p).astype(int)
        eta = np.column_stack([1 - p, p])
        found = measures.of(y, eta, y, eta)
        assert_allclose(found["slope"], 1, atol=0.02)
        assert_allclose(found["intercept"], 0, atol=0.05)
        assert_allclose(found["log_loss"], -np.mean(np.log(np.where(y == 1, p, 1 - p))))
        assert_allclose(found["brier"], np.mean((y - p) ** 2))
        top = np.argsort(-p)[:2_000]
        assert_allclose(found["recall_1pct"], y[top].sum() / y.sum(), atol=1e-9)
        assert found["macro_f1_tuned"] > found["macro_f1"] + 0.02
        assert set(found) == set(measures.NAMES)

    def test_several_classes(self):
        eta = np.eye(3)[[0, 1, 2, 2]] * 0.7 + 0.1
        y = np.array([0, 1, 2, 1])
        found = measures.of(y, eta, y, eta)
        assert_allclose(found["macro_f1"], (1 + 2 / 3 + 2 / 3) / 3)
        assert np.isnan(found["slope"])
        assert np.isnan(found["recall_1pct"])


class TestTables:
    def test_simulated(self):
        _, y = data.simulated(20_000, 0.03)
        assert_allclose(y.mean(), 0.03, atol=0.003)
        flipped = data.simulated(20_000, 0.03, flipped=0.2)[1]
        assert flipped.sum() == y.sum()
        assert (flipped[y == 1] == 0).sum() == int(0.2 * y.sum())
        y = data.simulated_classes(20_000)[1]
        shares = np.bincount(y) / len(y)
        assert_allclose(shares, [0.6, 0.2, 0.1, 0.05, 0.03, 0.01, 0.006, 0.004], atol=0.002)

    def test_splits(self):
        X, y = data.simulated(2_000, 0.1)
        X[:, 0] = np.arange(len(y))
        parts = [data.split("any", X, y, i) for i in range(2)]
        for features in (parts[0][:3], parts[1][:3]):
            assert_array_equal(np.sort(np.concatenate(features)[:, 0]), np.arange(len(y)))
        assert not np.array_equal(parts[0][0], parts[1][0])
        train, valid, test = (part[:, 0] for part in data.split("card payments", X, y, 0)[:3])
        assert train.max() < valid.min() <= valid.max() < test.min()

    def test_a_folder_of_files(self, tmp_path):
        frame = pd.DataFrame({"a": ["x", "z"] * 30, "y": ["rare"] * 14 + ["common"] * 46, "b": 1.5})
        frame.to_csv(tmp_path / "one.csv", index=False)
        frame.rename(columns={"y": "q"})[["a", "b", "q"]].to_parquet(tmp_path / "two.parquet")
        found = data.available(tmp_path)
        assert list(found) == ["one", "two"]
        for read in found.values():
            X, y = read(tmp_path)
            assert X.shape == (60, 2)
            assert y.sum() == 14  # the rare class is 1


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_quick_run_is_resumed_and_repeated(tmp_path):
    parts, cells = tmp_path / "parts", tmp_path / "cells.parquet"
    command = ["run", "--quick", "--parts", str(parts), "--cells", str(cells)]
    program.main(command)
    first = pd.read_parquet(cells)
    assert set(first["setting"]) == {"defaults", "few rounds", "shallow", "sampled", "tuned"}
    assert first["table"].nunique() == 2
    assert first[["log_loss", "brier", "ap", "macro_f1"]].notna().all().all()
    kept = {path: path.stat().st_mtime_ns for path in parts.iterdir()}
    lost = next(path for path in kept if path.name.startswith("tuned-digits"))
    lost.unlink()
    program.main(command)
    changed = [path for path, time in kept.items() if path.stat().st_mtime_ns != time]
    assert changed == [lost]
    again = pd.read_parquet(cells)
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), first.drop(columns="seconds"))


def test_configurations_are_those_of_every_method():
    group = grid.Group("tuned", "a table", 0, "XGBoost")
    one, other = (grid.configurations(group, 8) for _ in range(2))
    assert one == other
    assert one != grid.configurations(group._replace(split=1), 8)
    assert {gamma for _, gamma in one} <= {0.0, 0.5, 1.0, 2.0, 5.0}


def made_up_cells():
    """Cells of all methods on 8 tables, in which each method has a known effect."""
    random = np.random.default_rng(0)
    lists = {
        "defaults": methods.AT_DEFAULTS,
        "few rounds": methods.AT_DEFAULTS,
        "shallow": methods.IN_REGIMES,
        "sampled": methods.IN_REGIMES,
        "tuned": methods.TUNED,
    }
    names = [*list(data.SOURCES)[:15], *list(data.SOURCES)[-8:]]
    rows = []
    for setting, chosen in lists.items():
        for host in ("XGBoost", "LightGBM"):
            for i, table in enumerate(names):
                level, noise = random.uniform(0.02, 0.2), random.normal(0, 1e-3, len(chosen))
                for split in range(2):
                    for method, wobble in zip(chosen, noise, strict=True):
                        row = {"setting": setting, "table": table, "split": split, "host": host}
                        row |= {"method": method.name} | dict.fromkeys(measures.NAMES, 0.5)
                        row |= {
                            "seconds": 1.0,
                            "best_round": 9,
                            "reversals": 0,
                            "largest_leaf": 2.0,
                        }
                        effect = 0.9 if method.name == "gamma 0, c = 4" else 1.0
                        row |= {"log_loss": level * effect * np.exp(wobble), "ap": 0.8 + wobble}
                        if method.name == "log loss" and setting == "defaults" and i == split == 0:
                            row["ap"] = 0.3
                        if i % 4 == 0:
                            row |= {"slope": np.nan, "intercept": np.nan}
                        rows.append(row)
    return pd.DataFrame(rows)


def test_report_of_known_effects(tmp_path):
    pytest.importorskip("baycomp")
    pytest.importorskip("scikit_posthocs")
    from benchmarks.study import report

    path = tmp_path / "cells.parquet"
    made_up_cells().to_parquet(path)
    report.write(path, tmp_path)
    text = (tmp_path / "results.md").read_text()
    lines = [line.split(" | ") for line in text.splitlines()]
    tuned = next(line for line in lines if line[:2] == ["| XGBoost", "c = 4"])
    assert tuned[2].startswith("0.900 [0.8")
    assert tuned[6].startswith("1.00 / 0.00")
    own = next(line for line in lines if line[:3] == ["| LightGBM", "0", "log loss"])
    assert own[6] == "1 of 46"  # the collapse
    gamma = next(line for line in lines if line[:2] == ["| LightGBM", "focal, gamma 5"])
    assert gamma[3] == "="
    assert gamma[5].startswith("=")
    assert report.interval(np.arange(30.0))[0] == 14.5
    assert_allclose(report.holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    noise = np.random.default_rng(0).normal(0, 0.01, (8, 20))
    twice = [[report.probabilities(values, "ap") for values in noise] for _ in range(2)]
    assert twice[0] == twice[1]  # drawn, from a seed
    first = text, (tmp_path / "curvature.svg").read_bytes()
    report.write(path, tmp_path)
    assert first == (
        (tmp_path / "results.md").read_text(),
        (tmp_path / "curvature.svg").read_bytes(),
    )

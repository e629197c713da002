"""The cells of the study, and how they run: on several processes, killed and resumed at will."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
import pandas as pd
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.study import data, measures
from benchmarks.study.methods import (
    AT_DEFAULTS,
    CATBOOST,
    FEW,
    GAMMAS,
    HOSTS,
    IN_REGIMES,
    MOST_ROUNDS,
    PATIENCE,
    ROUNDS,
    TUNED,
    Fit,
    Method,
    catboost,
)

SPLITS = {"defaults": 3, "shallow": 3, "sampled": 3, "tuned": 2}
TRIALS = 8
REGIMES: dict[str, dict[str, dict[str, Any]]] = {
    "shallow": {"XGBoost": {"max_depth": 2}, "LightGBM": {"num_leaves": 4}},
    "sampled": {
        "XGBoost": {"subsample": 0.5},
        "LightGBM": {"bagging_fraction": 0.5, "bagging_freq": 1},
    },
}


class Group(NamedTuple):
    """All methods of one setting on one split of a table: what is written to one file at once."""

    setting: str
    table: str
    split: int
    host: str


def groups(tables: list[str], splits: dict[str, int]) -> list[Group]:
    """Return the groups in the order in which they run: whole settings first, split by split."""
    found = []
    others = ["CatBoost"] if importlib.util.find_spec("catboost") else []
    for setting, n in splits.items():
        hosts = [*HOSTS, *(others if setting == "defaults" else [])]
        found += [
            Group(setting, table, i, host)
            for i, table, host in itertools.product(range(n), tables, hosts)
        ]
    return found


def path_of(group: Group, folder: Path) -> Path:
    """Return the file of a group; its name is readable, and different for each."""
    key = hashlib.sha256(repr(group).encode()).hexdigest()[:8]
    table = "".join(c if c.isalnum() else "_" for c in group.table)
    return folder / f"{group.setting}-{table}-{group.split}-{group.host}-{key}.parquet"


def space(trial: optuna.Trial, host: str) -> dict[str, Any]:
    """Return one configuration of a library."""
    if host == "XGBoost":
        return {
            "eta": trial.suggest_float("eta", 0.03, 0.3, log=True),
            "max_depth": trial.suggest_int("max_depth", 2, 8),
            "min_child_weight": trial.suggest_float("min_child_weight", 1e-2, 20, log=True),
            "lambda": trial.suggest_float("lambda", 1e-2, 100, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.5, 1.0),
        }
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 4, 64, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 5, 100, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 100, log=True),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
        "bagging_freq": 1,
        "feature_fraction": trial.suggest_float("feature_fraction", 0.5, 1.0),
    }


def configurations(group: Group, trials: int) -> list[tuple[dict[str, Any], float]]:
    """Return parameters and a gamma for each trial: the same for every method of the group."""
    seed = int(hashlib.sha256(repr(group[1:]).encode()).hexdigest()[:8], 16)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    drawn = []
    for _ in range(trials):
        trial = study.ask()
        params = space(trial, group.host)
        drawn.append((params, trial.suggest_categorical("gamma", (0.0, *GAMMAS))))
    return drawn


def cells(group: Group, folder: Path, few: bool) -> Iterator[dict[str, Any]]:
    """Train and measure every method of a group."""
    X, y = data.available(folder)[group.table](folder)
    tables = data.split(group.table, X, y, group.split)

    def row(method: Method, fit: Fit, rounds: int, setting: str) -> dict[str, Any]:
        found = measures.of(
            tables[5], fit.posterior(tables[2], rounds), tables[4], fit.posterior(tables[1], rounds)
        )
        rises = int((np.diff(fit.train_curve[:rounds]) > 1e-9).sum())
        return {
            **group._replace(setting=setting)._asdict(),
            "method": method.name,
            **found,
            "seconds": fit.seconds,
            "best_round": int(fit.valid_curve.argmin()) + 1,
            "reversals": rises,
            "largest_leaf": fit.largest_leaf,
        }

    if group.setting == "tuned":
        methods, trials = (TUNED[:3], 2) if few else (TUNED, TRIALS)
        for method in methods:
            fits = tuned(method, group, tables, trials)
            best = min(fits, key=lambda fit: fit.valid_curve.min())
            total = sum(fit.seconds for fit in fits)
            rounds = int(best.valid_curve.argmin()) + 1
            yield row(method, best._replace(seconds=total), rounds, "tuned")
        return
    if group.host == "CatBoost":
        methods = [m for m in CATBOOST if not (m.gamma and y.max() > 1)]  # its Focal is binary
    elif group.setting == "defaults":
        # XGBoost's own lambda is 1 already.
        methods = [m for m in AT_DEFAULTS if not m.more or group.host == "LightGBM"]
    else:
        methods = IN_REGIMES
    for method in methods[:4] if few else methods:
        if group.host == "CatBoost":
            fit = catboost(method, tables)
        else:
            params = REGIMES.get(group.setting, {}).get(group.host, {})
            fit = HOSTS[group.host](method, params, ROUNDS, tables, None)
        yield row(method, fit, ROUNDS, group.setting)
        if group.setting == "defaults":
            yield row(method, fit, FEW, "few rounds")


def tuned(method: Method, group: Group, tables: list[np.ndarray], trials: int) -> list[Fit]:
    """Train each configuration with early stopping by the log loss of the validation rows."""
    fits = []
    for params, gamma in configurations(group, trials):
        one = method
        if method.gamma is not None and np.isnan(method.gamma):
            one = replace(method, gamma=gamma)
        fits.append(HOSTS[group.host](one, params, MOST_ROUNDS, tables, PATIENCE))
    return fits


def run_group(group: Group, folder: Path, parts: Path, few: bool) -> None:
    """Run a group and write its file, in one step: a file that is there is whole."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    frame = pd.DataFrame(list(cells(group, folder, few)))
    numbers = frame.columns[frame.dtypes == np.float64]
    frame = frame.astype(dict.fromkeys(numbers, np.float32))
    path = path_of(group, parts)
    unfinished = path.with_suffix(f".{os.getpid()}")
    frame.to_parquet(unfinished, index=False)
    unfinished.replace(path)


def run(folder: Path, parts: Path, tables: list[str], processes: int, few: bool = False) -> None:
    """Run the groups that have no file yet; ``few``: the quick version, for tests."""
    if not few and importlib.util.find_spec("catboost") is None:
        raise ModuleNotFoundError("the study compares with CatBoost: pip install catboost")
    parts.mkdir(parents=True, exist_ok=True)
    splits = dict.fromkeys(SPLITS, 1) if few else SPLITS
    todo = [g for g in groups(tables, splits) if not path_of(g, parts).exists()]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # Fresh ones: a fork of a process whose OpenMP threads have run waits for them for ever.
    new = multiprocessing.get_context("spawn")
    with Progress(*columns) as progress, ProcessPoolExecutor(processes, new) as pool:
        task = progress.add_task("study", total=len(todo))
        futures = {pool.submit(run_group, g, folder, parts, few): g for g in todo}
        try:
            for future in as_completed(futures):
                future.result()
                group = futures[future]
                progress.update(task, advance=1, description=f"{group.setting}, {group.table}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def collect(parts: Path) -> pd.DataFrame:
    """Return all cells that are there."""
    files = sorted(parts.glob("*.parquet"))
    frame = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    return frame.sort_values(
        ["setting", "host", "table", "split"], kind="stable", ignore_index=True
    )

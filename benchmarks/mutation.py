"""Break the package in small ways and count how many of the breaks the tests notice.

    nox -s mutation                                    # 15 mutants of every module
    nox -s mutation -- --mutants 400 _binary losses

cosmic-ray changes one operator, number, condition or decorator at a time in a copy of the tree, and runs
the tests of that module. A mutant that no test notices is printed as a diff: a test is missing, or
the change changes nothing. Changes that Python refuses to compile are not counted. The formulas run in
NumPy, which is what is mutated, except where a test asks for the compiled kernel.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from focalboost import _kernel

ROOT = Path(__file__).parents[1]

HOSTS = "tests/hosts/test_xgboost.py tests/hosts/test_lightgbm.py"
ESTIMATORS = (
    "tests/test_faults.py tests/test_estimators.py tests/test_saved_models.py "
    "tests/test_life_of_an_estimator.py tests/test_compatibility.py"
)
LOSSES = (
    "tests/test_losses.py tests/test_derivatives.py tests/test_posterior.py tests/test_intercept.py"
)

# The tests of each module, the quick ones first: the first that fails ends the run.
TESTS = {
    "_binary": f"{LOSSES} tests/test_curvature.py",
    "_canonical": f"{LOSSES} tests/test_curvature.py tests/test_tables.py",
    "_curvature": "tests/test_curvature.py tests/test_losses.py tests/test_derivatives.py",
    "_frequencies": f"focalboost/_frequencies.py tests/test_decisions.py {LOSSES}",
    "_immutable": f"{LOSSES} {HOSTS}",
    "_intercept": f"tests/test_intercept.py {LOSSES}",
    "_lightgbm_model": "tests/hosts/test_lightgbm.py tests/test_faults.py tests/test_saved_models.py",
    "_namespace": f"{LOSSES} tests/test_cuda.py",
    "_posterior": LOSSES,
    "_progress": "tests/test_progress.py",
    "_rounds": f"tests/test_losses.py tests/test_kernel.py {HOSTS} tests/test_cuda.py",
    "_scale": f"tests/test_faults.py {HOSTS}",
    "_softmax": f"{LOSSES} tests/test_curvature.py",
    "_tables": "tests/test_tables.py tests/test_losses.py",
    "_validation": f"{LOSSES} tests/test_kernel.py {HOSTS} tests/test_plotting.py",
    "_versions": "tests/test_kernel.py tests/test_package.py focalboost/_versions.py",
    "_xgboost_arrays": "tests/hosts/test_xgboost.py tests/test_cuda.py",
    "datasets": "tests/test_datasets.py",
    "decisions": "focalboost/decisions.py tests/test_decisions.py",
    "estimators/_base": ESTIMATORS,
    "estimators/_costs": "tests/test_decisions.py",
    "estimators/_gamma": "tests/test_select_gamma.py",
    "estimators/_lightgbm": ESTIMATORS,
    "estimators/_metrics": ESTIMATORS,
    "estimators/_posterior": f"{ESTIMATORS} tests/test_onnx.py",
    "estimators/_xgboost": ESTIMATORS,
    "lightgbm": "tests/hosts/test_lightgbm.py tests/test_decisions.py tests/test_faults.py",
    "losses": f"{LOSSES} tests/test_curvature.py",
    "metrics": f"tests/test_metrics.py tests/test_decisions.py {HOSTS}",
    "onnx": "tests/test_onnx.py",
    "plotting/_gamma_sweep": "tests/test_plotting.py",
    "plotting/_losses": "tests/test_plotting.py",
    "plotting/_precision_recall": "tests/test_plotting.py",
    "plotting/_reliability": "tests/test_plotting.py",
    "plotting/_shared": "tests/test_plotting.py",
    "plotting/_training": "tests/test_plotting.py",
    "xgboost": "tests/hosts/test_xgboost.py tests/test_decisions.py tests/test_faults.py",
}

# "|" in annotations is never evaluated.
LEFT_OUT = ("BinaryOperator_BitOr",)


def copy_of_the_tree(target: Path) -> None:
    """Copy what git knows, as it is now."""
    shutil.rmtree(target, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    for folder in _kernel.__path__:  # an editable install has two
        for library in Path(folder).glob("*focal_kernel.*"):
            shutil.copy2(library, target / "focalboost" / "_kernel")


def run(module: str, mutants: int, seed: int, target: Path) -> tuple[int, list[str]]:
    """Return how many mutants were run, and the diffs of those that no test noticed."""
    from cosmic_ray.work_db import WorkDB, use_db

    session, config = target / "session.sqlite", target / "cosmic-ray.toml"
    session.unlink(missing_ok=True)
    pytest = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not slow",
    ]
    tests = shlex.join([*pytest, *TESTS[module].split()])
    config.write_text(
        "[cosmic-ray]\n"
        f'module-path = "focalboost/{module}.py"\n'
        "timeout = 300.0\nexcluded-modules = []\n"
        f'test-command = "{tests}"\n'
        '[cosmic-ray.distributor]\nname = "local"\n',
        encoding="utf-8",
    )
    # The copy must be what is imported: run it where the package is not installed in editable mode.
    environment = {**os.environ, "FOCALBOOST_KERNEL": "numpy", "PYTHONPATH": str(target)}
    ray = [sys.executable, "-m", "cosmic_ray.cli"]
    quiet = {"cwd": target, "env": environment, "check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([*pytest, *TESTS[module].split()], **quiet)  # they must pass without a mutant
    subprocess.run([*ray, "init", config.name, session.name], **quiet)
    with use_db(str(session), WorkDB.Mode.open) as database:
        items = [
            item
            for item in database.work_items
            if not any(name in item.mutations[0].operator_name for name in LEFT_OUT)
        ]
        chosen = random.Random(seed).sample(items, min(mutants, len(items)))
        database.clear()
        database.add_work_items(chosen)
    subprocess.run([*ray, "exec", config.name, session.name], **quiet)
    with use_db(str(session), WorkDB.Mode.open) as database:
        results = [
            result
            for _, result in database.completed_work_items
            if "SyntaxError" not in result.output
        ]
    return len(results), [result.diff for result in results if not result.is_killed]


def main() -> None:
    """Run the modules that are named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modules", nargs="*", choices=[[], *TESTS], default=[])
    parser.add_argument(
        "--mutants", type=int, default=15, help="per module; drawn if there are more"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "mutation")
    options = parser.parse_args()
    copy_of_the_tree(options.folder)
    ran, survived = 0, 0
    for module in options.modules or TESTS:
        n, survivors = run(module, options.mutants, options.seed, options.folder)
        ran, survived = ran + n, survived + len(survivors)
        print(json.dumps({"module": module, "mutants": n, "survived": len(survivors)}), flush=True)
        for diff in survivors:
            print(diff, flush=True)
    print(f"{ran - survived} of {ran} noticed")


if __name__ == "__main__":
    main()

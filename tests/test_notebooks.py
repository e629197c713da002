"""The notebooks of examples/: they run, and what is committed is a clean, complete run of them."""

import ast
import importlib.util
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from focalboost.datasets import make_fraud

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
MOST_BYTES = 1 << 20

# A notebook takes what its cell of parameters names. Enough to go through every cell.
SMALL = {
    "N_TRANSACTIONS": 6_000,
    "N_SEEDS": 2,
    "N_ROUNDS": 10,
    "N_TRIALS": 3,
    "N_ROWS": 20_000,
    "N_ROWS_CPU": 20_000,
    "N_ROUNDS_CPU": 5,
    "N_REPEATS": 1,
}

# The places of files on some machine: they say nothing to a reader.
MACHINE_PATH = re.compile(
    r"(?<![\w.:/])/(?:home|root|tmp|work|usr|opt|var|mnt|Users|private)/|[A-Z]:\\|site-packages|ipykernel_\d"
)
NOISE = re.compile(r"\w*Warning\b|\[(?:Light|XG)\w+\]|\d+%\|")  # a warning, a log, a progress bar

by_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def text(value):
    return value if isinstance(value, str) else "".join(value)


def texts(cell):
    """What a reader of the cell's outputs sees as text."""
    for output in cell["outputs"]:
        yield text(output.get("text", ""))
        for kind, data in output.get("data", {}).items():
            if kind.startswith("text/"):
                yield text(data)


def imported(notebook):
    """Names of the packages that its cells import whatever happens."""
    for cell in code_cells(notebook):
        for node in ast.parse(text(cell["source"])).body:
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module.partition(".")[0]


def flaws(notebook):
    """List what is wrong with the outputs of a run."""
    found = []
    cells = code_cells(notebook)
    counts = [cell["execution_count"] for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        found.append(f"cells must have run once, in order, got {counts}")
    if not any(cell["outputs"] for cell in cells):
        found.append("no cell has an output")
    for number, cell in enumerate(cells, start=1):
        last = text(cell["source"]).rstrip().splitlines()[-1]
        if (
            re.match(r"(print|display)\(|plt\.show\(|[\w.]+\.(round|T)\b", last)
            and not cell["outputs"]
        ):
            found.append(f"cell [{number}] must have an output: {last}")
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                found.append(f"cell [{number}]: {output['ename']}: {output['evalue']}")
            if output.get("name") == "stderr":
                found.append(f"cell [{number}] wrote to stderr: {text(output['text'])[:200]}")
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                found.append(f"cell [{number}] has a widget, which is empty in a saved notebook")
        noises = filter(None, map(NOISE.search, texts(cell)))
        found += [f"cell [{number}] shows {noise[0]!r}" for noise in noises]
    return found


def a_run(**changes):
    """A notebook of one good cell, with changes to that cell."""
    output = {"output_type": "stream", "name": "stdout", "text": ["1\n"]}
    cell = {"cell_type": "code", "execution_count": 1, "source": "print(1)", "outputs": [output]}
    return {"cells": [cell | changes]}


def test_a_good_run_has_no_flaw():
    assert flaws(a_run()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"execution_count": None},
        {"execution_count": 2},
        {"outputs": []},
        {"outputs": [{"output_type": "error", "ename": "ValueError", "evalue": "no"}]},
        {"outputs": [{"output_type": "stream", "name": "stderr", "text": ["hello"]}]},
        {"outputs": [{"output_type": "stream", "name": "stdout", "text": "UserWarning: no"}]},
        {"outputs": [{"output_type": "stream", "name": "stdout", "text": [" 50%|#####"]}]},
        {"outputs": [{"output_type": "stream", "name": "stdout", "text": "[LightGBM] [Info] no"}]},
        {
            "outputs": [
                {
                    "output_type": "display_data",
                    "data": {"application/vnd.jupyter.widget-view+json": {}},
                }
            ]
        },
    ],
)
def test_flaws_are_found(changes):
    assert flaws(a_run(**changes))


@pytest.mark.parametrize(
    ("shown", "bad"),
    [
        ("/home/someone/data.csv", True),
        ("in /tmp/ipykernel_12/1.py", True),
        (r"C:\data.csv", True),
        ("lib/site-packages/xgboost", True),
        ("https://example.org/home/page", False),
        ("precision/recall, 1/2", False),
    ],
)
def test_machine_paths_are_found(shown, bad):
    assert bool(MACHINE_PATH.search(shown)) == bad


def test_there_are_notebooks():
    assert NOTEBOOKS


@by_notebook
def test_committed_run(path):
    notebook = read(path)
    assert flaws(notebook) == []
    assert path.stat().st_size < MOST_BYTES


@by_notebook
def test_committed_form(path):
    notebook = read(path)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    for cell in notebook["cells"]:
        folded = {"jupyter": {"source_hidden": True}, "tags": ["hide-input"]}  # in Jupyter; in docs
        assert cell["metadata"] == folded or set(cell["metadata"]) <= {"tags"}
        written = [text(cell["source"])]
        if cell["cell_type"] == "code":
            written += texts(cell)
        for part in written:
            assert not MACHINE_PATH.search(part), MACHINE_PATH.search(part)
    tagged = [
        i
        for i, c in enumerate(code_cells(notebook))
        if "parameters" in c["metadata"].get("tags", ())
    ]
    assert tagged == [0]


def unseen_numbers(notebook):
    """Return the numbers of the second cell, the verdict, that no output shows."""
    cell = notebook["cells"][1]
    assert cell["cell_type"] == "markdown"
    shown = " ".join(part for cell in code_cells(notebook) for part in texts(cell))
    outputs = {number.lstrip("0") for number in re.findall(r"\d*\.\d+", shown)}
    numbers = re.findall(r"\d*\.\d+", re.sub(r"`[^`]*`", "", text(cell["source"])))  # no code
    assert numbers, "the verdict must have numbers"
    return [number for number in numbers if number.lstrip("0") not in outputs]


def test_unseen_numbers_are_found():
    notebook = a_run(outputs=[{"output_type": "stream", "name": "stdout", "text": "0.25 of 1.0"}])
    for verdict, unseen in (("**Half**: .25 of 1.0", []), ("**All**: .26 of 1.0", [".26"])):
        cell = {"cell_type": "markdown", "source": verdict}
        assert unseen_numbers({"cells": [cell, cell, *notebook["cells"]]}) == unseen


@by_notebook
def test_verdict_first(path):
    assert unseen_numbers(read(path)) == []


# Once is enough: the second run of the suite differs in the kernel only. Jupyter's own libraries warn of
# what they will change in each other; the notebook runs in another process, with its own filters.
@pytest.mark.skipif(
    os.environ.get("FOCALBOOST_KERNEL") == "numpy", reason="the notebooks run with the kernel"
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@by_notebook
def test_runs_in_small(path, tmp_path, monkeypatch):
    papermill = pytest.importorskip("papermill")
    pytest.importorskip("ipykernel")
    pytest.importorskip("lightgbm", minversion="4.7")  # the notebooks pass eval_X, which is new
    for name in imported(read(path)):
        beside = (EXAMPLES / f"{name}.py").is_file()
        # A module that is loaded, as optuna_integration in a run of one process, need not have a spec.
        if not (beside or sys.modules.get(name) or importlib.util.find_spec(name)):
            pytest.skip(f"{path.name} needs {name}")
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(
            variable, "1"
        )  # two small kernels on few cores wait for each other otherwise
    known = papermill.inspect_notebook(str(path))
    output = tmp_path / path.name
    papermill.execute_notebook(
        str(path),
        str(output),
        parameters={name: value for name, value in SMALL.items() if name in known},
        cwd=str(EXAMPLES),
        kernel_name="python3",
        progress_bar=False,
        execution_timeout=300,
    )
    assert flaws(read(output)) == []


OWN = {
    "1_fraud_xgboost": {
        "COLUMNS": {"target": "is fraud", "time": "time", "card": "card"},
        "SPLIT": {"train_days": 60, "delay_days": 7, "validation_days": 14, "test_days": 14},
    },
    "2_fraud_lightgbm": {"COLUMNS": {"target": "is fraud", "time": "time"}, "FEW": 0.5},
    "3_multiclass_intrusion": {"TARGET": "price", "TIME": "time"},
    "4_tuning_sampling": {"TARGET": "is fraud", "TIME": "time"},
    "5_decisions": {"COLUMNS": {"target": "is fraud", "time": "time"}, "AMOUNT": "euro"},
}


@pytest.mark.skipif(
    os.environ.get("FOCALBOOST_KERNEL") == "numpy", reason="the notebooks run with the kernel"
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", OWN)
def test_runs_on_a_file(name, tmp_path):
    """A notebook on another file: other names, text among the features, rows in any order."""
    papermill = pytest.importorskip("papermill")
    for module in ("ipykernel", "shap", "skrub"):
        pytest.importorskip(module)
    table = make_fraud(5_000, fraud_rate=0.05, seed=3)
    payments = table.frame().rename(columns={"amount": "euro", "fraud": "is fraud"})
    payments["price"] = np.select(
        [table.X[:, 0] < 10, table.X[:, 0] < 50], ["low", "usual"], "high"
    )
    payments["card"] = table.customer
    path = tmp_path / "payments.csv"
    payments.sample(frac=1, random_state=0).to_csv(path, index=False)
    output = tmp_path / "run.ipynb"
    papermill.execute_notebook(
        str(EXAMPLES / f"{name}.ipynb"),
        str(output),
        parameters=OWN[name] | {"DATA": str(path), "N_SEEDS": 2, "N_ROUNDS": 10},
        cwd=str(EXAMPLES),
        kernel_name="python3",
        progress_bar=False,
        execution_timeout=300,
    )
    assert flaws(read(output)) == []

"""Models that version 0.1 saved must predict the same in every later version.

The files in ``saved_by_0_1`` were written once by ``python -m tests.test_compatibility`` and stay as
they are. A later version may add a folder of its own.
"""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from focalboost import FocalLGBMClassifier, FocalXGBClassifier

FOLDER = Path(__file__).with_name("saved_by_0_1")
CLASSES = {"xgboost": FocalXGBClassifier, "lightgbm": FocalLGBMClassifier}
OPTIONS = {
    "binary": {"focal_gamma": 2.0, "focal_alpha": 0.25, "population_prior": 0.3},
    "text": {"focal_gamma": [0.0, 1.0, 2.0], "class_weight": {"fraud": 5.0}},
}
SUFFIX = {"xgboost": "ubj", "lightgbm": "txt"}
ROWS = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)


def labels(kind, X):
    if kind == "binary":
        return (X[:, 0] > 0.8).astype(int)
    return np.array(["genuine", "unsure", "fraud"])[(X[:, 0] > 0.5).astype(int) + (X[:, 1] > 1)]


def write():
    """Write the models and what they predict."""
    X = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    predicted = {}
    for host, cls in CLASSES.items():
        for kind, options in OPTIONS.items():
            quiet = {"verbosity": -1, "num_leaves": 4} if host == "lightgbm" else {"max_depth": 2}
            fitted = cls(n_estimators=8, n_jobs=1, **quiet, **options).fit(X, labels(kind, X))
            fitted.save_model(FOLDER / f"{host}_{kind}.{SUFFIX[host]}")
            (FOLDER / f"{host}_{kind}.pickle").write_bytes(pickle.dumps(fitted))
            predicted[f"{host}_{kind}"] = {
                "probabilities": fitted.predict_proba(ROWS).round(7).tolist(),
                "labels": fitted.predict(ROWS).tolist(),
            }
    (FOLDER / "predicted.json").write_text(json.dumps(predicted), encoding="utf-8", newline="\n")


@pytest.mark.filterwarnings("ignore")  # the hosts warn of pickles of another version of theirs
@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("host", CLASSES)
@pytest.mark.parametrize("how", ["load_model", "pickle"])
def test_predicts_what_it_did(host, kind, how):
    if how == "pickle":
        loaded = pickle.loads((FOLDER / f"{host}_{kind}.pickle").read_bytes())
    else:
        loaded = CLASSES[host]().load_model(FOLDER / f"{host}_{kind}.{SUFFIX[host]}")
    predicted = json.loads((FOLDER / "predicted.json").read_text(encoding="utf-8"))
    expected = predicted[f"{host}_{kind}"]
    assert_allclose(loaded.predict_proba(ROWS), expected["probabilities"], atol=1e-6)
    assert_array_equal(loaded.predict(ROWS), expected["labels"])
    assert len(set(expected["labels"])) == len(loaded.classes_)


if __name__ == "__main__":
    write()

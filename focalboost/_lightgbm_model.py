"""A trained LightGBM model, rewritten: the intercept into its trees, the link into its header.

LightGBM saves a model of a custom objective without either. What is written here is what native training
writes. LightGBM has no public call that adds a constant to a tree and keeps its inner values right, so
the text of the model is edited, loaded again and compared with what it should be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from focalboost import _scale
from focalboost.losses import FocalLoss, check_loss


def finalize(
    booster: lgb.Booster, loss: FocalLoss, init_score: ArrayLike | None = None
) -> lgb.Booster:
    r"""Write the intercept and the link into a trained booster, in place.

    As in native training, the starting margin is added to every value of the first iteration's trees,
    and the model is named ``binary sigmoid:1`` / ``multiclass num_class:K``. ``predict`` then gives
    sigmoid/softmax scores with the intercept included, in LightGBM and in every program that reads its
    models.

    Parameters
    ----------
    booster : lightgbm.Booster
        Trained with ``Objective(loss)``. The rewritten booster cannot be updated or finalized again; to
        continue training, pass it as ``init_model``.
    loss : BinaryFocalLoss or SoftmaxFocalLoss
        The loss it was trained with.
    init_score : float or array of shape (K,), optional
        Constant margin the training started from. None: 0, or already in the model.

    Returns
    -------
    lightgbm.Booster
        The same object.

    Raises
    ------
    ValueError
        If the booster has no trees, a number of classes other than the loss's, or a link already;
        if ``init_score`` is not finite or of the wrong length.
    RuntimeError
        If the rewritten model does not hold the right values. The booster is then unchanged.

    Notes
    -----
    The model also says which link its margins have, in its parameters, where LightGBM keeps it.
    ``Booster.refit`` of a finalized model uses log loss, once it was saved and loaded again (LightGBM
    refuses it before, because a custom objective was trained). With ``link="canonical"`` the leaves stay
    log-odds; with ``link="focal"`` they would be mixed with them, and every probability shifted: train
    on with ``init_model`` instead.
    """
    check_loss(loss)
    return rewrite(booster, loss, init_score, _scale.says(loss))


def rewrite(
    booster: lgb.Booster, loss: FocalLoss, init_score: ArrayLike | None, notes: Mapping[str, str]
) -> lgb.Booster:
    """Finalize, and write ``notes`` into the model."""
    k = loss.n_outputs
    if booster.num_trees() == 0:
        raise ValueError("booster must have trees, got none: there is no model to finalize")
    if booster.num_model_per_iteration() != k:
        raise ValueError(
            f"booster must have {k} trees per iteration for loss={loss!r}, "
            f"got {booster.num_model_per_iteration()}"
        )
    shift = _init_score(init_score, k)
    text = booster.model_to_string()
    if header(text, "objective"):
        raise ValueError(
            "booster must not have a link yet, got a native or already finalized model"
        )
    exact = booster.dump_model(num_iteration=1)["tree_info"]
    rewritten = with_notes(_with_link(_with_shift(text, shift, exact), k), notes)
    _check_rewritten(text, exact, shift, rewritten)
    booster.model_from_string(rewritten)
    booster.params["objective"] = "binary" if k == 1 else "multiclass"  # onnxmltools reads it
    return booster


_PARAMETERS = "\nparameters:\n"
# LightGBM takes "[name: ]: note" for a parameter without a value. Of "[name: note]", which models of
# earlier versions have, it warns whenever they are loaded.
_NOTE = re.compile(r"^\[(focalboost\w*): (?:\]: (.*)|(.*)\])\n", re.MULTILINE)


def with_notes(text: str, notes: Mapping[str, str]) -> str:
    """Write lines ``[name: ]: note`` among the parameters of a model's text.

    LightGBM keeps lines that it does not know there, and writes them again. Names begin with
    ``focalboost``.
    """
    head, mark, parameters = text.rpartition(_PARAMETERS)
    if not mark:
        raise RuntimeError(
            f"this version of LightGBM ({lgb.__version__}) writes models without parameters, where "
            "gamma and classes would stand"
        )
    parameters = _NOTE.sub(lambda line: "" if line[1] in notes else line[0], parameters)
    lines = "".join(f"[{name}: ]: {note}\n" for name, note in notes.items())
    return head + mark + lines + parameters


def continued(
    init_model: lgb.Booster | lgb.LGBMModel | str | Path, loss: FocalLoss
) -> tuple[lgb.Booster, dict[str, str]]:
    """Return the model to be continued and its notes; raise if its margins mean something else."""
    if isinstance(init_model, lgb.LGBMModel):
        init_model = init_model.booster_
    if not isinstance(init_model, lgb.Booster):
        init_model = lgb.Booster(model_file=init_model)
    text = init_model.model_to_string(num_iteration=1)
    notes, objective = read_notes(text), header(text, "objective")
    k = loss.n_outputs
    of_log_loss = ["binary sigmoid:1", "cross_entropy"] if k == 1 else [f"multiclass num_class:{k}"]
    _scale.check_continued(notes, loss, objective or "none", objective in of_log_loss)
    return init_model, notes


def header(text: str, name: str) -> str | None:
    """Return what a line ``name=`` in the header of a model's text says.

    A column may have that name, and then stands further below.
    """
    found = re.search(rf"^{name}=(.*)$", text.partition("\nTree=0\n")[0], re.MULTILINE)
    return found[1] if found else None


def read_notes(text: str) -> dict[str, str]:
    """Return the notes in a model's text."""
    found = _NOTE.findall(text.rpartition(_PARAMETERS)[2])
    return {name: note or before for name, note, before in found}


def grown_natively(booster: lgb.Booster) -> lgb.Booster:
    """Make constants of value 0 without a link, for ``finalize``, of a model with ``native_start``."""
    text = re.sub(r"^objective=.*\n", "", booster.model_to_string(), count=1, flags=re.MULTILINE)
    text = re.sub(r"^leaf_value=.*$", "leaf_value=0", text, flags=re.MULTILINE)
    return booster.model_from_string(_with_trees(text, _TREE.findall(text)))


def nothing_to_split(error: lgb.basic.LightGBMError) -> bool:
    """Tell whether LightGBM failed because no feature can be split, in an internal check."""
    return "num_features" in str(error)


def native_start(loss: FocalLoss) -> dict[str, str]:
    """Return parameters with which LightGBM grows constants where no feature can be split.

    With a custom objective it fails there.
    """
    return {"objective": "binary" if loss.n_outputs == 1 else "multiclass"}


def _init_score(value: ArrayLike | None, k: int) -> NDArray[np.float64]:
    if value is None:
        return np.zeros(k)
    shift = np.atleast_1d(np.asarray(value, dtype=np.float64))
    if shift.shape != (k,) or not np.isfinite(shift).all():
        raise ValueError(f"init_score must be {k} finite number(s), got {value!r}")
    return shift


_TREE = re.compile(r"^Tree=\d+\n.*?(?=^Tree=\d+\n|^end of trees\n)", re.MULTILINE | re.DOTALL)


def _with_shift(text: str, shift: NDArray[np.float64], exact: list[dict[str, Any]]) -> str:
    """Add ``shift`` to the first iteration's trees, as LightGBM's own Tree::AddBias does."""
    if not shift.any():
        return text
    trees = _TREE.findall(text)
    for index, (constant, tree) in enumerate(zip(shift.tolist(), exact, strict=True)):
        inner = dict(_inner_values(tree["tree_structure"]))
        values = {"internal_value": [inner[i] for i in sorted(inner)]}
        trees[index] = _shifted(trees[index], constant, values)
    return _with_trees(text, trees)


def _with_trees(text: str, trees: list[str]) -> str:
    """Return the model with these trees, and with their sizes in its header."""
    sizes = " ".join(str(len(tree.encode())) for tree in trees)
    head = re.sub(
        r"^tree_sizes=.*$",
        f"tree_sizes={sizes}",
        text[: text.index("Tree=0\n")],
        flags=re.MULTILINE,
    )
    return head + "".join(trees) + text[text.index("end of trees\n") :]


def _inner_values(node: dict[str, Any]) -> Iterator[tuple[int, float]]:
    """Yield (index, value) of inner nodes; the text of a model has only six of their digits."""
    for inner in _nodes(node):
        if "split_index" in inner:
            yield inner["split_index"], inner["internal_value"]


def _shifted(tree: str, constant: float, exact: Mapping[str, list[float]]) -> str:
    def add(match: re.Match[str]) -> str:
        name, numbers = match[1], match[2].split()
        values = exact.get(name) or [float(number) for number in numbers]
        digits = "g" if name == "internal_value" else ".17g"
        return f"{name}=" + " ".join(f"{value + constant:{digits}}" for value in values)

    tree = re.sub(r"^(leaf_value|leaf_const|internal_value)=(.+)$", add, tree, flags=re.MULTILINE)
    return re.sub(r"^shrinkage=.*$", "shrinkage=1", tree, flags=re.MULTILINE)


def _with_link(text: str, k: int) -> str:
    name, link = (
        ("binary", "binary sigmoid:1") if k == 1 else ("multiclass", f"multiclass num_class:{k}")
    )
    text = re.sub(
        r"^(max_feature_idx=.*)$", rf"\1\nobjective={link}", text, count=1, flags=re.MULTILINE
    )
    return re.sub(r"^\[objective: .*\]$", f"[objective: {name}]", text, count=1, flags=re.MULTILINE)


def _check_rewritten(
    text: str, exact: list[dict[str, Any]], shift: NDArray[np.float64], rewritten: str
) -> None:
    """Compare the model that ``rewritten`` loads as with what it should be.

    The leaves of the first iteration must be moved by ``shift``, and all other trees the same text.
    """
    new = lgb.Booster(model_str=rewritten)
    moved = new.dump_model(num_iteration=1)["tree_info"]
    wrong = [
        index
        for index, (old_tree, new_tree) in enumerate(zip(exact, moved, strict=True))
        if not np.allclose(_leaves(new_tree), _leaves(old_tree) + shift[index], 1e-12, 1e-15)
    ]
    k = len(shift)
    # LightGBM writes a tree of one leaf in another way once it has read it: read the old text too.
    old = lgb.Booster(model_str=text)
    if (
        wrong
        or _TREE.findall(new.model_to_string())[k:] != _TREE.findall(old.model_to_string())[k:]
    ):
        raise RuntimeError(
            f"tree {wrong[0] if wrong else k} of the rewritten model does not hold the values it "
            f"should; this version of LightGBM ({lgb.__version__}) writes models in a form that is "
            "not understood"
        )


def _leaves(tree: Mapping[str, Any]) -> NDArray[np.float64]:
    nodes = _nodes(tree["tree_structure"])
    return np.array([node["leaf_value"] for node in nodes if "split_index" not in node])


def _nodes(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every node below and including ``root``, always in the same order."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if "split_index" in node:
            stack += [node["right_child"], node["left_child"]]

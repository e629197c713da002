r"""Fitted estimators as ONNX models that predict labels and probabilities.

onnxmltools converts the host's trees, whose margins are log-odds of the posterior. What it cannot know
follows them: the population's class frequencies, class weights, and the labels. A server then needs
neither Python nor this package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from focalboost.estimators._base import FocalClassifier
from focalboost.estimators._posterior import ClassPosterior

__all__ = ["to_onnx"]

_OPSET = 15


def to_onnx(classifier: Any) -> Any:
    r"""Convert a fitted estimator to an ONNX model that predicts labels and posteriors.

    Parameters
    ----------
    classifier : FocalXGBClassifier or FocalLGBMClassifier
        Fitted. Stopped early: trees up to ``best_iteration``.

    Returns
    -------
    onnx.ModelProto
        Input ``"input"``, float32 (n, n_features). Outputs ``"label"`` (n,) of the classes' type and
        ``"probabilities"``, float32 (n, K), equal to ``predict`` and ``predict_proba``.

    Raises
    ------
    ImportError
        If onnxmltools (with onnx and skl2onnx) is not installed.
    TypeError
        If ``classifier`` is not one of the two.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    NotImplementedError
        For linear models (``booster="gblinear"`` or ``linear_tree=True``), for DART of XGBoost, and for
        any model whose conversion predicts other probabilities on sample rows.
    RuntimeError, ValueError
        From onnxmltools, for trees that it cannot convert (categorical splits of XGBoost).

    Notes
    -----
    ONNX and XGBoost read features as float32. LightGBM compares doubles: a feature that differs from a
    threshold by less than the rounding of float32 can fall on the other side.

    Examples
    --------
    >>> import numpy as np
    >>> from focalboost import FocalXGBClassifier
    >>> X = np.arange(60.0).reshape(-1, 1); y = X[:, 0] > 45
    >>> model = to_onnx(FocalXGBClassifier(n_estimators=5).fit(X, y))
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if not isinstance(classifier, FocalClassifier):
        raise TypeError(
            f"classifier must be a FocalXGBClassifier or FocalLGBMClassifier, got {classifier!r}"
        )
    posterior, n_features = classifier.class_posterior_, _n_features(classifier)
    if posterior.n_targets > 1:
        raise NotImplementedError(
            "the model must have one target: the converter for XGBoost knows no others; train and "
            "convert one estimator per target"
        )
    k = len(posterior.classes)
    trees, opsets = _trees(classifier)
    nodes = [
        helper.make_node("Cast", ["scores"], ["wide"], to=TensorProto.DOUBLE),
        # For two classes the converter repeats the margin in two columns; the first one becomes 0.
        helper.make_node("Mul", ["wide", "columns"], ["margins"]),
        helper.make_node("Add", ["margins", "log_shift"], ["shifted"]),
        helper.make_node("Softmax", ["shifted"], ["eta"], axis=1),
        helper.make_node("Cast", ["eta"], ["probabilities"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["shifted", "log_weight"], ["decision"]),
        helper.make_node("ArgMax", ["decision"], ["index"], axis=1, keepdims=0),
        helper.make_node("Gather", ["classes", "index"], ["label"]),
    ]
    constants = _constants(posterior)
    kind = helper.np_dtype_to_tensor_dtype(constants["classes"].dtype)
    graph = helper.make_graph(
        [trees, *nodes],
        "focalboost",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, n_features])],
        [
            helper.make_tensor_value_info("label", kind, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, k]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET), *opsets],
        producer_name="focalboost",
        ir_version=8,  # of that operator set; newer ones are refused by older servers
    )
    onnx.checker.check_model(model, full_check=True)
    _compare(model, classifier, trees)
    return model


# Sums of float32 in another order differ by less; a wrong route through a tree by more.
_LARGEST_DIFFERENCE = 1e-4


def _compare(model: Any, classifier: Any, trees: Any) -> None:
    """Raise unless the model predicts ``predict_proba`` on rows that take every kind of route."""
    from onnx.reference import ReferenceEvaluator

    rows = _probes(trees, _n_features(classifier), getattr(classifier, "missing", np.nan))
    outputs: Any = ReferenceEvaluator(model).run(["probabilities"], {"input": rows})
    difference = np.abs(outputs[0] - classifier.predict_proba(rows)).max(axis=1)
    if not difference.max() <= _LARGEST_DIFFERENCE:
        row = rows[difference.argmax()]
        raise NotImplementedError(
            "onnxmltools does not convert this model faithfully: on sample rows the probabilities "
            f"differ by up to {difference.max():.2g}, for example at {row.tolist()}. Known causes are "
            "missing= other than NaN, zero_as_missing and num_parallel_tree with several classes"
        )


def _probes(trees: Any, n_features: int, missing: float) -> NDArray[np.float32]:
    """Return rows just beside the thresholds of the trees, some entries missing, zero or far away."""
    of_name: dict[str, Any] = {attribute.name: attribute for attribute in trees.attribute}
    feature = np.array(of_name["nodes_featureids"].ints)
    threshold = np.array(of_name["nodes_values"].floats)
    rng = np.random.default_rng(0)
    rows = np.zeros((100, n_features))
    for j in range(n_features):
        of_feature = threshold[feature == j]
        if of_feature.size:
            near = rng.choice(of_feature, len(rows))
            # So far from it that LightGBM, which compares doubles, goes the same way.
            rows[:, j] = near + rng.choice([-1, 1], len(rows)) * (1e-3 + 1e-3 * np.abs(near))
    special = rng.random(rows.shape) < 0.2
    others = np.array([np.nan, missing, 0.0, -1e6, 1e6])
    rows[special] = rng.choice(others, int(special.sum()))
    return rows.astype(np.float32)


def _n_features(classifier: Any) -> int:
    return int(classifier.n_features_in_)


def _has_linear_leaves(classifier: Any) -> bool:
    if hasattr(classifier, "get_booster"):
        return False
    return "\nis_linear=1\n" in classifier.booster_.model_to_string(num_iteration=1)


def _trees(classifier: Any) -> tuple[Any, list[Any]]:
    """Return the node from "input" to the margins "scores", and the operator sets it needs."""
    from onnxmltools.convert.common.data_types import FloatTensorType

    if classifier.get_params().get("booster") == "dart":
        raise NotImplementedError(
            "booster must be 'gbtree', got 'dart': onnxmltools cannot read it"
        )
    if classifier.get_params().get("booster") == "gblinear" or _has_linear_leaves(classifier):
        raise NotImplementedError(
            "classifier must be made of trees with constant leaves: linear models cannot be converted"
        )
    inputs = [("input", FloatTensorType([None, _n_features(classifier)]))]
    if hasattr(classifier, "get_booster"):
        from onnxmltools import convert_xgboost

        booster = classifier.get_booster()
        best = booster.attr("best_iteration")
        used = booster.copy() if best is None else booster[: int(best) + 1]
        used.feature_names = None  # of a data frame: the converter expects f0, f1, ...
        model = convert_xgboost(used, initial_types=inputs, target_opset=_OPSET)
    else:
        import lightgbm
        from onnxmltools import convert_lightgbm

        best = lightgbm.Booster(model_str=classifier.booster_.model_to_string())
        model = convert_lightgbm(best, initial_types=inputs, target_opset=_OPSET, zipmap=False)
    nodes = [node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier"]
    if len(nodes) != 1 or list(nodes[0].input) != ["input"]:
        raise NotImplementedError(
            "the model must be a plain ensemble of trees; onnxmltools made of it "
            f"{[node.op_type for node in model.graph.node]}"
        )
    (node,) = nodes
    for attribute in node.attribute:
        if attribute.name == "post_transform":
            attribute.s = b"NONE"
    node.output[:] = ["index_of_score", "scores"]
    return node, [entry for entry in model.opset_import if entry.domain == "ai.onnx.ml"]


def _constants(posterior: ClassPosterior) -> dict[str, NDArray[Any]]:
    """Return the named constants of the graph."""
    classes = posterior.classes
    return {
        "columns": np.array([0.0, 1.0]) if len(classes) == 2 else np.ones(len(classes)),
        "log_shift": posterior.log_shift(),
        "log_weight": posterior.log_weight(),
        "classes": classes.astype(object) if classes.dtype.kind in "US" else classes,
    }

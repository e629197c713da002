r"""Fitted estimators as ONNX models whose probabilities are the posterior.

onnxmltools converts the host's trees, which give margins. The formula of the posterior follows them in
operators of ONNX and in double precision. A server then needs neither Python nor this package. A test
compares the formula with ``posterior`` of the losses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from focalboost.estimators._base import FocalClassifier
from focalboost.estimators._posterior import ClassPosterior

__all__ = ["to_onnx"]

_OPSET = 15

# z (n, K) margins, the first 0 for two classes; e = exp(z - max z); log A_k as in _posterior.py. Margins
# more than 700 below the largest count as 700 below it, because exp underflows there.
_POSTERIOR = """
posterior (double[N, K] z) => (double[N, K] eta)
{
    largest = ReduceMax <axes = [1], keepdims = 1> (z)
    behind = Sub (z, largest)
    d = Max (behind, lowest)
    e = Exp (d)
    sum = MatMul (e, all)
    others = MatMul (e, all_but_self)
    log_sum = Log (sum)
    log_p = Sub (d, log_sum)
    log_others = Log (others)
    log_q = Sub (log_others, log_sum)
    p = Exp (log_p)
    q = Exp (log_q)
    L = Neg (log_p)
    p_L = Mul (p, L)
    g_p_L = Mul (gamma, p_L)
    u = Add (q, g_p_L)
    log_u = Log (u)
    power = Mul (gamma_less_1, log_q)
    slope = Add (power, log_u)
    log_A = Add (log_alpha, slope)
    odds = Sub (log_p, log_A)
    shifted = Add (odds, log_shift)
    eta = Softmax <axis = 1> (shifted)
}
"""


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
        For linear models: ``booster="gblinear"`` or ``linear_tree=True``.
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
    k = len(posterior.classes)
    trees, opsets = _trees(classifier)
    # For two classes the converter repeats the margin in two columns; the first one becomes 0.
    margins = [
        helper.make_node("Cast", ["scores"], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["wide", "second"], ["z"])
        if k == 2
        else helper.make_node("Identity", ["wide"], ["z"]),
    ]
    answers = [
        helper.make_node("Cast", ["eta"], ["probabilities"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["eta", "class_weight"], ["weighted"]),
        helper.make_node("ArgMax", ["weighted"], ["index"], axis=1, keepdims=0),
        helper.make_node("Gather", ["classes", "index"], ["label"]),
    ]
    constants = _constants(posterior)
    kind = helper.np_dtype_to_tensor_dtype(constants["classes"].dtype)
    graph = helper.make_graph(
        [trees, *margins, *onnx.parser.parse_graph(_POSTERIOR).node, *answers],
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
    return model


def _n_features(classifier: Any) -> int:
    return int(classifier.n_features_in_)


def _has_linear_leaves(classifier: Any) -> bool:
    if hasattr(classifier, "get_booster"):
        return False
    return "\nis_linear=1\n" in classifier.booster_.model_to_string(num_iteration=1)


def _trees(classifier: Any) -> tuple[Any, list[Any]]:
    """Return the node from "input" to the margins "scores", and the operator sets it needs."""
    from onnxmltools.convert.common.data_types import FloatTensorType

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
    k = len(posterior.classes)
    prior = posterior.population_prior
    log_shift = np.zeros(k) if prior is None else np.log(prior / posterior.class_prior)
    weight = np.ones(k) if posterior.class_weight is None else posterior.class_weight
    gamma = np.array(posterior.loss.gammas)
    classes = posterior.classes
    if classes.dtype.kind in "US":
        classes = classes.astype(object)
    return {
        "lowest": np.array(-700.0),
        "all": np.ones((k, k)),
        "all_but_self": 1 - np.eye(k),
        "gamma": gamma,
        "gamma_less_1": gamma - 1,
        "log_alpha": np.log(posterior.loss.alphas),
        "log_shift": log_shift,
        "class_weight": weight,
        "classes": classes,
        **({"second": np.array([0.0, 1.0])} if k == 2 else {}),
    }

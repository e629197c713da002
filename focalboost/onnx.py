r"""Fitted estimators, and scikit-learn classifiers that contain them, as ONNX models.

onnxmltools reads the host's trees, whose margins are log-odds of the posterior. What it cannot know
follows them: the population's class frequencies, class weights, and the labels. skl2onnx converts what
stands before the trees and around them. A server then needs neither Python nor this package.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.base import BaseEstimator, is_classifier
from sklearn.impute import SimpleImputer
from sklearn.utils.validation import check_is_fitted

import focalboost
from focalboost.estimators._base import FocalClassifier

__all__ = ["register_converters", "to_onnx"]

# Older servers refuse newer ones. From 3 on, thresholds of trees can be doubles.
_OPSETS = {"": 15, "ai.onnx.ml": 3}
_IR_VERSION = 8


def to_onnx(model: Any, X: Any = None) -> Any:
    r"""Convert a fitted classifier to an ONNX model that predicts labels and probabilities.

    Parameters
    ----------
    model : FocalXGBClassifier, FocalLGBMClassifier, or a classifier of scikit-learn that contains them
        Fitted. Every part of it must be known to skl2onnx: Pipeline, ColumnTransformer, imputers,
        encoders, scalers, VotingClassifier, StackingClassifier and more are. With a data frame, a
        Pipeline begins with a ColumnTransformer. Stopped early: trees up to ``best_iteration``.
    X : array or data frame, optional
        Some hundred rows as for ``predict_proba``. They say names and types of the inputs, and the
        ONNX model must predict for them what ``model`` predicts. None: float32; only for the two
        estimators themselves.

    Returns
    -------
    onnx.ModelProto
        Input ``"input"`` (n, n_features) of the type of ``X``. For a data frame, unless ``model`` is one
        of the two estimators: an input (n, 1) for each column, with its name (spaces and other
        characters that are no letters or digits become ``_``). Outputs ``"label"`` (n,),
        int64 or text, and ``"probabilities"`` (n, K), equal to ``predict`` and ``predict_proba``.

    Raises
    ------
    ImportError
        If onnxmltools, onnxruntime or skl2onnx is not installed.
    TypeError
        If ``model`` is not a classifier with ``predict_proba``; if ``X`` is needed and not given, or has
        a column that is neither numbers nor text.
    sklearn.exceptions.NotFittedError
        If ``model`` is not fitted.
    NotImplementedError
        If skl2onnx or onnxmltools cannot convert a part: linear models (``booster="gblinear"`` or
        ``linear_tree=True``), DART of XGBoost, several targets. If the ONNX model predicts something
        else for ``X``, or its trees do on rows at their thresholds.

    Notes
    -----
    XGBoost compares features in float32, LightGBM in double. The ONNX model does the same if its input
    is double or integers. Of float32 input it takes the routes that the libraries take.

    Examples
    --------
    >>> import numpy as np
    >>> from focalboost import FocalXGBClassifier
    >>> X = np.arange(60.0).reshape(-1, 1); y = X[:, 0] > 45
    >>> model = to_onnx(FocalXGBClassifier(n_estimators=5).fit(X, y))
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']
    """
    known = isinstance(model, BaseEstimator) and is_classifier(model)
    if not known or not hasattr(model, "predict_proba"):
        raise TypeError(f"model must be a fitted classifier with predict_proba, got {model!r:.60}")
    check_is_fitted(model)
    name, alone = type(model).__name__, isinstance(model, FocalClassifier)
    if X is None and not alone:
        raise TypeError(
            f"X must be given for a {name}: rows as for predict_proba, which say names and types of the "
            "inputs, and for which the ONNX model is compared with this one"
        )
    register_converters()
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    if X is None:
        inputs, types = {}, [("input", FloatTensorType([None, int(model.n_features_in_)]))]
    else:
        inputs = _inputs(X, by_column=hasattr(X, "columns") and not alone)
        types = [(column, _type(column, values)) for column, values in inputs.items()]
    try:
        converted = convert_sklearn(
            model,
            name,
            types,
            target_opset=_OPSETS,
            options={"zipmap": False},
            custom_conversion_functions={SimpleImputer: _impute},
        )
        predicted = None if X is None else _run(converted, *inputs.values())
    except Exception as error:
        reason = str(error).partition("\n")[0].rstrip(".")[:400]  # some list whole trees
        advice = "" if alone else _ADVICE
        raise NotImplementedError(f"this {name} cannot be converted: {reason}{advice}") from error
    if predicted is not None:
        _compare(predicted, model, X)
    converted.ir_version = _IR_VERSION
    converted.producer_name = "focalboost"
    return converted


_ADVICE = (
    ". Replace the part that this names; columns that share a transformer must have one type in X, for "
    "example float64"
)


def register_converters() -> None:
    """Teach skl2onnx to convert FocalXGBClassifier, FocalLGBMClassifier and their subclasses.

    ``to_onnx`` calls this. Call it yourself to use ``skl2onnx.to_onnx``, which has more options; the
    options of classifiers (``zipmap``, ``nocl``, ``raw_scores``, ``output_class_labels``) work for the
    two estimators. skl2onnx does not compare the whole model; trees are compared here too.

    Raises
    ------
    ImportError
        If onnxmltools, onnxruntime or skl2onnx is not installed.

    Examples
    --------
    >>> import numpy as np, skl2onnx
    >>> from focalboost import FocalXGBClassifier
    >>> X = np.arange(60, dtype=np.float32).reshape(-1, 1); y = X[:, 0] > 45
    >>> register_converters()
    >>> model = skl2onnx.to_onnx(FocalXGBClassifier(n_estimators=5).fit(X, y), X, target_opset=15)
    >>> [output.name for output in model.graph.output]
    ['output_label', 'output_probability']
    """
    for module in ("onnxmltools", "onnxruntime", "skl2onnx"):
        import_module(module)
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    for name, host in {"FocalXGBClassifier": "xgboost", "FocalLGBMClassifier": "lightgbm"}.items():
        if find_spec(host):
            getattr(focalboost, name)  # imports it
    for classifier in _subclasses(FocalClassifier):
        update_registered_converter(
            classifier,
            "FocalClassifier",
            calculate_linear_classifier_output_shapes,
            _convert,
            overwrite=True,
            options={
                "zipmap": [True, False, "columns"],
                "nocl": [True, False],
                "output_class_labels": [False, True],
                "raw_scores": [True, False],
            },
        )


def _subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the operators of one fitted estimator to the graph that skl2onnx builds."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, guess_proto_type
    from skl2onnx.common.utils_classifier import get_label_classes

    def node(op_type: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or str(scope.get_unique_variable_name(op_type.lower()))
        name = scope.get_unique_operator_name(op_type)
        container.add_node(op_type, list(inputs), [output], name=name, **attributes)
        return output

    def constant(values: NDArray[Any], kind: int) -> str:
        name = str(scope.get_unique_variable_name("constant"))
        container.add_initializer(name, kind, values.shape, values.ravel().tolist())
        return name

    classifier = operator.raw_operator
    posterior, classes = classifier.class_posterior_, get_label_classes(scope, classifier)
    trees = _trees(classifier)
    _compare_margins(trees, classifier)
    (features,), (label, probabilities) = operator.inputs, operator.outputs
    double = _is_lightgbm(classifier) and not isinstance(features.type, FloatTensorType)
    compared = guess_proto_type(DoubleTensorType() if double else FloatTensorType())
    scores = scope.get_unique_variable_name("scores")
    container.add_node(
        "TreeEnsembleClassifier",
        [node("Cast", features.full_name, to=compared)],
        [scope.get_unique_variable_name("index_of_score"), scores],
        op_domain="ai.onnx.ml",
        op_version=3 if double else 1,
        name=scope.get_unique_operator_name("TreeEnsembleClassifier"),
        **_attributes(trees, double),
    )
    kind = guess_proto_type(probabilities.type)
    # For two classes ONNX has minus the margin in the first column, which becomes 0.
    columns = np.array([0.0, 1.0]) if len(classes) == 2 else np.ones(len(classes))
    margins = node("Mul", node("Cast", scores, to=kind), constant(columns, kind))
    shifted = node("Add", margins, constant(posterior.log_shift(), kind))
    decision = node("Add", shifted, constant(posterior.log_weight(), kind))
    if not scope.get_options(classifier, {"raw_scores": False})["raw_scores"]:
        node("Softmax", shifted, axis=1, output=probabilities.full_name)
    elif len(classes) == 2:
        # skl2onnx reads decision_function in the second column, and minus it in the first.
        differences = constant(np.array([[1.0, -1.0], [-1.0, 1.0]]), kind)
        node("MatMul", decision, differences, output=probabilities.full_name)
    else:
        node("Identity", decision, output=probabilities.full_name)
    index = node("ArgMax", decision, axis=1, keepdims=0)
    labels = classes if classes.dtype.kind in "UO" else classes.astype(np.int64)
    node("Gather", constant(labels, guess_proto_type(label.type)), index, output=label.full_name)


def _is_lightgbm(classifier: Any) -> bool:
    return hasattr(classifier, "booster_")


def _trees(classifier: Any) -> dict[str, Any]:
    """Return the attributes of ONNX's operator for trees, whose scores are the margins."""
    if classifier.class_posterior_.n_targets > 1:
        raise NotImplementedError(
            "the model must have one target: the converter for XGBoost knows no others; train and "
            "convert one estimator per target"
        )
    if classifier.get_params().get("booster") == "dart":
        raise NotImplementedError(
            "booster must be 'gbtree', got 'dart': onnxmltools cannot read it"
        )
    if classifier.get_params().get("booster") == "gblinear" or _has_linear_leaves(classifier):
        raise NotImplementedError(
            "classifier must be made of trees with constant leaves: linear models cannot be converted"
        )
    read: dict[str, Any] = {"classes_": np.arange(len(classifier.classes_))}
    convert: Any
    two = len(classifier.classes_) == 2
    if _is_lightgbm(classifier):
        import lightgbm
        from onnxmltools.convert.lightgbm.operator_converters import LightGbm

        convert = LightGbm.convert_lightgbm
        # The text ends with the best iteration.
        read["booster_"] = lightgbm.Booster(model_str=classifier.booster_.model_to_string())
        read["boosting_type"] = "gbdt"
    else:
        from onnxmltools.convert.xgboost.operator_converters import XGBoost

        convert = XGBoost.convert_xgboost
        booster = classifier.get_booster()
        best = booster.attr("best_iteration")
        used = booster.copy() if best is None else booster[: int(best) + 1]
        used.feature_names = None  # of a data frame: the converter expects f0, f1, ...
        params = {"objective": "binary:logistic" if two else "multi:softprob"}
        read |= {
            "get_booster": lambda: used,
            "get_xgb_params": lambda: params,
            "kwargs": {},
            "operator_name": "XGBClassifier",
        }
    trees = _converted(convert, SimpleNamespace(**read))
    if not _is_lightgbm(classifier) and two:
        # onnxmltools takes a probability for a margin if the first tree is a leaf of 0.
        stored = json.loads(used.save_config())["learner"]["learner_model_param"]["base_score"]
        trees["base_values"] = logit(json.loads(stored)).tolist()
    return trees


def _converted(convert: Any, read: Any) -> dict[str, Any]:
    """Return what a converter of onnxmltools makes of these trees.

    It is called as skl2onnx calls it, but with a graph that keeps the attributes alone, in double.
    """
    added: list[dict[str, Any]] = []
    output = SimpleNamespace(full_name="")
    operator = SimpleNamespace(
        raw_operator=read,
        full_name="",
        inputs=[],
        outputs=[output, output],
        input_full_names=[],
        output_full_names=["", ""],
    )
    convert(
        SimpleNamespace(get_unique_variable_name=str, get_unique_operator_name=str),
        operator,
        SimpleNamespace(add_node=lambda *_, **attributes: added.append(attributes)),
    )
    kept = ("nodes_", "class_", "classlabels_", "base_values")
    return {name: value for name, value in added[0].items() if name.startswith(kept)}


def _attributes(trees: dict[str, Any], double: bool) -> dict[str, Any]:
    """Return the attributes with thresholds in double, or in float, where floats take the same route."""
    from onnx import numpy_helper

    attributes = {**trees, "post_transform": "NONE"}
    threshold = np.array(attributes.pop("nodes_values"), np.float64)
    if double:
        return attributes | {"nodes_values_as_tensor": numpy_helper.from_array(threshold)}
    # A float is at most a double if it is at most the largest float that is not above the double.
    rounded = threshold.astype(np.float32)
    below = np.nextafter(rounded, np.float32(-np.inf))
    return attributes | {"nodes_values": np.where(rounded > threshold, below, rounded).tolist()}


# Sums of float32 in another order differ by less; a wrong route through a tree by more.
_LARGEST_DIFFERENCE = 1e-4


def _compare_margins(trees: dict[str, Any], classifier: Any) -> None:
    """Raise unless the trees have the estimator's margins on rows that take every kind of route."""
    from onnx import TensorProto, helper

    n_features = int(classifier.n_features_in_)
    rows = _probes(trees, n_features, getattr(classifier, "missing", np.nan))
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["input"],
        ["label", "scores"],
        domain="ai.onnx.ml",
        **_attributes(trees, double=False),
    )
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, n_features])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, None])],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    (scores,) = _run(model, rows)
    if _is_lightgbm(classifier):
        margin = classifier.predict_proba(rows, raw_score=True)
    else:
        margin = classifier.predict(rows, output_margin=True)
    if margin.ndim == 1:
        scores = scores[:, 1]
    difference = np.abs(scores - margin).reshape(len(rows), -1).max(axis=1)
    if not difference.max() <= _LARGEST_DIFFERENCE * (1 + np.abs(margin).max()):
        raise NotImplementedError(
            "the trees that onnxmltools reads from it have other margins; on sample rows they differ by "
            f"up to {difference.max():.2g}, for example at {rows[difference.argmax()].tolist()}. Known "
            "causes are missing= other than NaN, zero_as_missing and num_parallel_tree with several "
            "classes"
        )


def _probes(trees: dict[str, Any], n_features: int, missing: float) -> NDArray[np.float32]:
    """Return rows at the thresholds of the trees and just beside, some entries missing or far away."""
    feature = np.array(trees["nodes_featureids"])
    threshold = np.array(trees["nodes_values"]).astype(np.float32)
    mode = np.array(trees["nodes_modes"])
    rng = np.random.default_rng(0)
    rows = np.zeros((100, n_features), np.float32)
    for j in range(n_features):
        splits = (feature == j) & (mode != "LEAF")
        if splits.any():
            at, beside = rng.choice(threshold[splits], 100), rng.choice([-1, 0, 1], 100)
            categories = (mode[splits] == "BRANCH_EQ").any()
            rows[:, j] = at + beside if categories else np.nextafter(at, at + beside)
    special = rng.random(rows.shape) < 0.2
    others = np.array([np.nan, missing, 0.0, -1e6, 1e6])
    rows[special] = rng.choice(others, int(special.sum()))
    rows[np.abs(rows) < 1e-30] = 0  # LightGBM reads these as 0
    return rows


def _compare(predicted: list[Any], model: Any, X: Any) -> None:
    """Raise unless labels and probabilities of the ONNX model are those of the model."""
    label, probabilities = predicted
    expected = model.predict_proba(X)
    if probabilities.shape != expected.shape:
        raise NotImplementedError(
            f"this {type(model).__name__} cannot be converted: the ONNX model predicts probabilities of "
            f"shape {probabilities.shape} instead of {expected.shape}"
        )
    difference = np.abs(probabilities - expected).max(axis=1)
    wrong = ~(difference <= _LARGEST_DIFFERENCE) | (label != model.predict(X))
    if wrong.any():
        raise NotImplementedError(
            f"this {type(model).__name__} cannot be converted: the ONNX model predicts something else "
            f"for {wrong.sum()} of {len(wrong)} rows, first for row {wrong.argmax()}; probabilities "
            f"differ by up to {difference.max():.2g}. Known causes: a sparse matrix before XGBoost, "
            "which reads its zeros as missing (OneHotEncoder(sparse_output=False) helps); scalers in "
            "float32, which round differently (columns in float64 help); method='isotonic' of "
            "CalibratedClassifierCV, for which skl2onnx does not interpolate"
        )


def _run(model: Any, *inputs: NDArray[Any]) -> list[Any]:
    """Return the outputs of an ONNX model; inputs in its order, because skl2onnx changes some names."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_inputs()]
    return list(session.run(None, dict(zip(names, inputs, strict=True))))


def _inputs(X: Any, by_column: bool) -> dict[str, NDArray[Any]]:
    """Return what onnxruntime is given for these rows, by name of the input."""
    if by_column:
        return {column: np.asarray(X[column]).reshape(-1, 1) for column in X.columns}
    return {"input": np.asarray(X)}


def _type(name: str, values: NDArray[Any]) -> Any:
    """Return the type of an input in the words of skl2onnx."""
    from skl2onnx.common import data_types

    types = {
        "float32": data_types.FloatTensorType,
        "float64": data_types.DoubleTensorType,
        "int64": data_types.Int64TensorType,
        "bool": data_types.BooleanTensorType,
        "text": data_types.StringTensorType,
    }
    text = values.dtype == object and all(isinstance(value, str) for value in values.flat)
    kind = "text" if text else values.dtype.name
    if kind not in types:
        raise TypeError(
            f"{name!r} of X must be float32, float64, int64, bool, or text without missing values; got "
            f"{kind}"
        )
    return types[kind]([None, *values.shape[1:]])


def _impute(scope: Any, operator: Any, container: Any) -> None:
    """Convert a SimpleImputer, of doubles too; onnxruntime has ONNX's Imputer for float32 alone."""
    from onnx import TensorProto
    from skl2onnx.common.data_types import DoubleTensorType
    from skl2onnx.operator_converters.common import concatenate_variables
    from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer

    imputer = operator.raw_operator
    replaces_nan = isinstance(imputer.missing_values, float) and np.isnan(imputer.missing_values)
    if not isinstance(operator.inputs[0].type, DoubleTensorType) or not replaces_nan:
        convert_sklearn_imputer(scope, operator, container)
        return
    features = concatenate_variables(scope, operator.inputs, container)
    missing, filled = (scope.get_unique_variable_name(name) for name in ("missing", "filled"))
    values = imputer.statistics_.tolist()
    container.add_initializer(filled, TensorProto.DOUBLE, [len(values)], values)
    container.add_node("IsNaN", [features], [missing])
    container.add_node("Where", [missing, filled, features], operator.outputs[0].full_name)


def _has_linear_leaves(classifier: Any) -> bool:
    if not _is_lightgbm(classifier):
        return False
    return "\nis_linear=1\n" in classifier.booster_.model_to_string(num_iteration=1)

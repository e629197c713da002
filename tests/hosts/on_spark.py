"""A program: Spark with two executors, each a JVM with a Python worker, against one machine.

The features have few values, so that one machine and two find the same histograms.
"""

import json
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import IndexToString, StringIndexer, VectorAssembler
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from xgboost.spark import SparkXGBClassifier, SparkXGBClassifierModel

import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss, FocalXGBClassifier, SoftmaxFocalLoss, metrics
from focalboost.spark import SparkFocalXGBClassifier, params
from tests.hosts import tables

COLUMNS = list("abcdef")
SMALL = {"n_estimators": 8, "max_depth": 3}
WORKERS = {"num_workers": 2, "features_col": COLUMNS, "weight_col": "w", "verbose": False}


def table(make, **more):
    X, y = make(**more)
    X = np.clip(np.round(2 * X), -3, 3)
    frame = pd.DataFrame(X, columns=COLUMNS).astype("float64")
    return frame.assign(label=y.astype(float), w=tables.weights(len(y)).astype(float))


def spread(spark, frame, sorted_by_class=False):
    """Return the table on Spark; sorted, each worker has one class or few."""
    if sorted_by_class:
        frame = frame.sort_values("label", kind="stable")
    return spark.createDataFrame(frame)


def columns(model, df):
    """Return probabilities, margins and predictions."""
    rows = model.transform(df).select("probability", "rawPrediction", "prediction").collect()
    return [np.array([row[i] for row in rows]) for i in range(3)]


def raises(error, text, function, *arguments, **keywords):
    with pytest.raises(error, match=re.escape(text)):
        function(*arguments, **keywords)


def equals_one_machine(spark):
    for make in (tables.binary, tables.multiclass):
        frame = table(make)
        for sorted_by_class in (False, True):
            df = spread(spark, frame, sorted_by_class)
            for gamma in (0.0, 2.0):
                many = SparkFocalXGBClassifier(
                    focal_gamma=gamma, focal_alpha="balanced", **SMALL, **WORKERS
                ).fit(df)
                one = FocalXGBClassifier(focal_gamma=gamma, focal_alpha="balanced", **SMALL).fit(
                    frame[COLUMNS], frame["label"].astype(int), sample_weight=frame["w"]
                )
                probability, raw, prediction = columns(many, spread(spark, frame))
                np.testing.assert_allclose(
                    probability, one.predict_proba(frame[COLUMNS]), atol=1e-6
                )
                np.testing.assert_array_equal(prediction, one.predict(frame[COLUMNS]))
                margin = one.predict(frame[COLUMNS], output_margin=True)
                raw = raw[:, 1] if margin.ndim == 1 else raw
                np.testing.assert_allclose(raw, margin, atol=2e-6)
                value = metrics.focal_loss(one.loss_, frame["label"], margin, frame["w"])
                found = many.training_summary.train_objective_history["focal_loss"]
                np.testing.assert_allclose(found[-1], value, rtol=1e-6)
                if gamma == 0:
                    plain = SparkXGBClassifier(**SMALL, **WORKERS).fit(df)
                    log_loss = columns(plain, df)[0]
                    exact = SparkFocalXGBClassifier(
                        focal_gamma=0.0, focal_curvature="exact", **SMALL, **WORKERS
                    ).fit(df)
                    np.testing.assert_allclose(columns(exact, df)[0], log_loss, atol=1e-5)
                else:
                    assert np.abs(columns(many, df)[0] - log_loss).max() > 0.02


def params_of_xgboosts_own(spark):
    """XGBoost's own class, with the keywords of ``params``, trains the same model."""
    for make, loss in (
        (tables.binary, BinaryFocalLoss(2.0, link="canonical")),
        (tables.multiclass, SoftmaxFocalLoss(3, 2.0, link="canonical")),
    ):
        frame = table(make)
        df = spread(spark, frame)
        given = params(df, loss, weight_col="w")
        expected = fx.Objective(loss).params(frame["label"], frame["w"])["base_score"]
        np.testing.assert_allclose(given["base_score"], expected, rtol=1e-12)
        own = SparkXGBClassifier(**SMALL, **WORKERS, **given).fit(df)
        ours = SparkFocalXGBClassifier(focal_gamma=2.0, **SMALL, **WORKERS).fit(df)
        np.testing.assert_allclose(columns(own, df)[1], columns(ours, df)[1], atol=1e-6)
        two = spread(spark, frame[frame["label"] > 0].assign(label=lambda t: t["label"] - 1))
        raises(ValueError, "label must have the", params, two, loss)
    raises(ValueError, "link='canonical' on Spark", params, df, SoftmaxFocalLoss(3))
    raises(TypeError, "loss must be", params, df, "focal")


def stops_early(spark):
    frame = table(tables.binary)
    valid = table(tables.binary, n=900, seed=5)
    both = pd.concat([frame.assign(v=False), valid.assign(v=True)]).sample(frac=1, random_state=1)
    df = spread(spark, both)

    def wrong(y, p, sample_weight=None):
        return float(np.average((p > 0.5) != y, weights=sample_weight))

    options = {"max_depth": 3, "n_estimators": 100, "early_stopping_rounds": 5}
    for named in (None, ["error", "auc", "logloss"], wrong):
        many = SparkFocalXGBClassifier(
            eval_metric=named, validation_indicator_col="v", **options, **WORKERS
        ).fit(df)
        one = FocalXGBClassifier(eval_metric=named, **options)
        one.fit(
            frame[COLUMNS],
            frame["label"].astype(int),
            sample_weight=frame["w"],
            eval_set=[(valid[COLUMNS], valid["label"].astype(int))],
            sample_weight_eval_set=[valid["w"]],
        )
        assert many.get_booster().best_iteration == one.best_iteration < 99
        history = many.training_summary.validation_objective_history
        last = list(one.evals_result_["validation_0"])[-1]
        np.testing.assert_allclose(
            history[last], one.evals_result_["validation_0"][last], rtol=1e-6
        )
        found = columns(many, spread(spark, valid))[0]
        np.testing.assert_allclose(found, one.predict_proba(valid[COLUMNS]), atol=1e-5)
        with tempfile.TemporaryDirectory() as folder:
            many.write().overwrite().save(folder)
            again = SparkXGBClassifierModel.load(folder)
        np.testing.assert_allclose(columns(again, spread(spark, valid))[0], found, atol=1e-7)


def pipeline(spark):
    frame = table(tables.multiclass)
    text = np.array(["low", "middle", "top"])[frame["label"].astype(int)]
    df = spread(spark, frame.drop(columns="label").assign(level=text))
    indexer = StringIndexer(inputCol="level", outputCol="code", stringOrderType="alphabetAsc")
    assembler = VectorAssembler(inputCols=COLUMNS, outputCol="x")
    classifier = SparkFocalXGBClassifier(num_workers=2, n_estimators=6, max_depth=3, verbose=False)
    assert classifier.setLabelCol("code").setFeaturesCol("x").setWeightCol("w") is classifier
    assert classifier.setPredictionCol("guess").getPredictionCol() == "guess"
    classifier.setProbabilityCol("p").setRawPredictionCol("margin")
    stages = [indexer, assembler, classifier, IndexToString(inputCol="guess", outputCol="answer")]
    stages[-1].setLabels(["low", "middle", "top"])
    evaluator = MulticlassClassificationEvaluator(
        labelCol="code", predictionCol="guess", probabilityCol="p", metricName="logLoss"
    )
    grid = ParamGridBuilder().addGrid(classifier.focal_gamma, [0.0, 2.0]).build()
    search = CrossValidator(
        estimator=Pipeline(stages=stages),
        estimatorParamMaps=grid,
        evaluator=evaluator,
        numFolds=2,
        seed=3,
    ).fit(df)
    assert len(search.avgMetrics) == 2
    assert abs(search.avgMetrics[0] - search.avgMetrics[1]) > 1e-4  # gamma reached the trees
    fitted = search.bestModel
    expected = fitted.transform(df).select("p", "answer").collect()
    one = FocalXGBClassifier(
        focal_gamma=[0.0, 2.0][int(np.argmin(search.avgMetrics))], n_estimators=6, max_depth=3
    ).fit(frame[COLUMNS], text, sample_weight=frame["w"])
    np.testing.assert_allclose(
        [row.p for row in expected], one.predict_proba(frame[COLUMNS]), atol=1e-6
    )
    assert [row.answer for row in expected] == one.predict(frame[COLUMNS]).tolist()
    with tempfile.TemporaryDirectory() as folder:
        fitted.write().overwrite().save(folder + "/model")
        again = PipelineModel.load(folder + "/model")
        assert again.transform(df).select("p", "answer").collect() == expected
        Pipeline(stages=stages).write().overwrite().save(folder + "/pipeline")
        estimator = Pipeline.load(folder + "/pipeline").getStages()[2]
        assert type(estimator) is SparkFocalXGBClassifier
        assert estimator.getOrDefault("focal_gamma") == 2.0
        assert estimator.getLabelCol() == "code"


def loads_elsewhere(spark):
    """The booster is read by FocalXGBClassifier, and continued."""
    frame = table(tables.binary)
    df = spread(spark, frame)
    classifier = SparkFocalXGBClassifier(focal_gamma=1.0, **SMALL, **WORKERS)
    model = classifier.fit(df)
    assert model.uid == classifier.uid
    booster = model.get_booster()
    loaded = FocalXGBClassifier().load_model(booster.save_raw("ubj"))
    np.testing.assert_allclose(
        loaded.predict_proba(frame[COLUMNS]), columns(model, df)[0], atol=1e-6
    )
    assert loaded.focal_gamma == 1.0
    assert loaded.class_prior_.sum() == 1
    plain = json.loads(booster.save_raw("json"))["learner"]["objective"]["name"]
    assert plain == "binary:logistic"
    more = SparkFocalXGBClassifier(xgb_model=booster, **SMALL | {"n_estimators": 2}, **WORKERS)
    assert more.fit(df).get_booster().num_boosted_rounds() == 10
    softmax = spread(spark, table(tables.multiclass))
    raises(ValueError, "", more.fit, softmax)
    of_sum = xgb.train({}, xgb.DMatrix(frame[COLUMNS], frame["label"]), 1)
    other = SparkFocalXGBClassifier(xgb_model=of_sum, **SMALL, **WORKERS)
    raises(ValueError, "one of focalboost or of log loss", other.fit, df)


def refuses(spark):
    frame = table(tables.binary, n=300)
    df = spread(spark, frame)

    def fit(df, **options):
        SparkFocalXGBClassifier(**SMALL | WORKERS | options).fit(df)

    def changed(**values):
        given = frame.astype(object)
        for column, value in values.items():
            given[column] = given[column].where(given.index > 1, value)
        return spark.createDataFrame(given.astype(dict.fromkeys(COLUMNS, float)))

    labels = "labels 0, 1, ... K-1, each among the training rows"
    raises(ValueError, labels, fit, df.withColumn("label", F.col("label") + 1))
    raises(ValueError, labels, fit, df.withColumn("label", F.col("label") / 2))
    raises(ValueError, labels, fit, changed(label=float("nan")))
    raises(ValueError, labels, fit, df.withColumn("label", F.when(F.col("label") > 0, 1.0)))
    raises(ValueError, "two classes, got 1", fit, df.withColumn("label", F.lit(0.0)))
    raises(ValueError, "two classes, got 0", fit, df.limit(0))
    text = df.withColumn("label", F.col("label").cast("string"))
    raises(ValueError, "StringIndexer makes them from text, got string", fit, text)
    for value in (-1.0, float("nan"), float("inf")):
        raises(ValueError, "finite weights >= 0, got 2 others", fit, changed(w=value))
    raises(ValueError, "must not be 0 in all", fit, df.withColumn("w", F.lit(0.0)))
    raises(ValueError, "'none' is not in the table", fit, df, weight_col="none")
    by_class = df.withColumn("v", F.col("label") == 1)
    valid = {"validation_indicator_col": "v"}
    raises(ValueError, "[0.0] in training rows", fit, by_class, **valid)
    raises(
        ValueError,
        "must have true or false, got double",
        fit,
        df.withColumn("v", F.lit(0.0)),
        **valid,
    )
    null = df.withColumn("v", F.when(F.col("a") > 0, True))
    raises(ValueError, "true or false in every row", fit, null, **valid)
    raises(ValueError, "needs validation_indicator_col", fit, df, early_stopping_rounds=3)
    raises(ValueError, "set focal_alpha=(1, 2.0) instead", fit, df, scale_pos_weight=2.0)
    raises(ValueError, "focal_gama is not a parameter", fit, df, focal_gama=2.0)
    raises(ValueError, "gamma", fit, df, focal_gamma=-1.0)
    raises(ValueError, "focal_alpha", fit, df, focal_alpha="even")
    raises(ValueError, "focal_curvature must be", fit, df, focal_curvature="none")
    raises(TypeError, "obj must not", fit, df, obj=len)
    raises(TypeError, "custom_metric must not", fit, df, custom_metric=len)
    raises(ValueError, "left out on Spark", fit, df, eval_metric="recall@0.01")
    raises(ValueError, "eval_metric must be", fit, df, eval_metric="rmse")
    raises(ValueError, "num_class", fit, df, num_class=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        raises(UserWarning, "focusing parameter is focal_gamma", fit, df, gamma=2.0)


def main():
    warnings.filterwarnings("error", module="focalboost")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        spark = (
            SparkSession.builder.master("local-cluster[2,1,1024]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.default.parallelism", "2")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.executorEnv.PYTHONPATH", str(Path.cwd()))
            .config("spark.sql.warehouse.dir", folder)
            .config("spark.local.dir", folder)
            .getOrCreate()
        )
        spark.sparkContext.setLogLevel("ERROR")
        try:
            for check in (
                refuses,
                equals_one_machine,
                params_of_xgboosts_own,
                stops_early,
                loads_elsewhere,
                pipeline,
            ):
                check(spark)
        finally:
            spark.stop()


if __name__ == "__main__":
    main()

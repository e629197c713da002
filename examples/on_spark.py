"""Focal loss on Spark, with XGBoost: two workers, on this machine or on a cluster.

    pip install -e ".[spark]"                                     # and Java 17 or newer
    python examples/on_spark.py                                  # starts Spark on this machine
    SPARK_MASTER=spark://head:7077 python examples/on_spark.py   # uses a cluster

Columns of text and numbers, labels of text, a search over gamma by cross-validation, and a pipeline that
is saved. The model in it is XGBoost's own: who loads it needs pyspark and xgboost, not focalboost.
"""

import os
import sys
import tempfile

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator
from pyspark.ml.feature import StringIndexer, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from focalboost.datasets import make_fraud
from focalboost.spark import SparkFocalXGBClassifier

WORKERS = int(os.environ.get("WORKERS", "2"))


def main(spark):
    """Search for gamma, and print the loss, some probabilities, and what is expected and what came."""
    payments = make_fraud(30_000).frame().drop(columns="time")
    features = [name for name in payments.columns if name != "fraud"]
    payments["label"] = payments.pop("fraud").map({0: "genuine", 1: "fraud"})
    train, test = spark.createDataFrame(payments).randomSplit([0.7, 0.3], seed=1)

    # The most frequent label becomes 0.
    indexer = StringIndexer(inputCol="label", outputCol="code")
    assembler = VectorAssembler(inputCols=features, outputCol="features", handleInvalid="keep")
    classifier = SparkFocalXGBClassifier(
        num_workers=WORKERS, n_estimators=60, max_depth=4, learning_rate=0.1, verbose=False
    ).setLabelCol("code")
    search = CrossValidator(
        estimator=Pipeline(stages=[indexer, assembler, classifier]),
        estimatorParamMaps=ParamGridBuilder().addGrid(classifier.focal_gamma, [0.0, 1.0]).build(),
        evaluator=MulticlassClassificationEvaluator(labelCol="code", metricName="logLoss"),
        numFolds=2,
        seed=1,
    ).fit(train)
    for grid, loss in zip(search.getEstimatorParamMaps(), search.avgMetrics, strict=True):
        print(f"gamma {grid[classifier.focal_gamma]}: log loss {loss:.5f}")

    with tempfile.TemporaryDirectory() as folder:  # on a cluster: a folder that all machines see
        search.bestModel.write().overwrite().save(folder)
        model = PipelineModel.load(folder)
        scored = model.transform(test)
        ranking = BinaryClassificationEvaluator(labelCol="code", metricName="areaUnderPR")
        print(f"average precision on other payments: {ranking.evaluate(scored):.3f}")
        fraud = vector_to_array("probability")[1].alias("probability")
        scored.select("label", fraud, "prediction").show(5)
        sums = scored.select(F.sum(vector_to_array("probability")[1]), F.sum("code")).first()
        print("{:.0f} frauds expected, {:.0f} came".format(*sums))


if __name__ == "__main__":
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = (
        SparkSession.builder.master(os.environ.get("SPARK_MASTER", f"local[{WORKERS}]"))
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    try:
        main(session)
    finally:
        session.stop()

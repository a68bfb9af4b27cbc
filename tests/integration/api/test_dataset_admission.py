"""The API server rejects each mistake in a Dataset, by one sentence that names the field."""

import pytest

from support.cluster.admission import ABSENT, Mistake, assert_rejected, columns
from support.cluster.api_server import ApiServer, Body


def bias(metric: str) -> Body:
    """Return a bias check of the column `race`."""
    return {"column": "race", "bias": {"metric": metric, "max": 0.1}}


MISTAKES = [
    Mistake("source is required", {"source": ABSENT}, says=["spec.source: Required value"]),
    Mistake("source must set s3 or pvc", {"source": {}}, says=["spec.source", "set exactly one of s3 and pvc"]),
    Mistake(
        "source must not set both s3 and pvc",
        {"source.pvc": {"claimName": "data"}},
        says=["spec.source", "set exactly one of s3 and pvc"],
    ),
    Mistake(
        "a path in a claim must not leave the claim",
        {"source": {"pvc": {"claimName": "data", "path": "a/../.."}}},
        says=["spec.source.pvc", "no . and no .."],
    ),
    Mistake(
        "a path in a claim must be relative",
        {"source": {"pvc": {"claimName": "data", "path": "/data"}}},
        says=["spec.source.pvc", "no slash"],
    ),
    Mistake(
        "a claim must have a name",
        {"source": {"pvc": {"path": "a"}}},
        says=["spec.source.pvc.claimName: Required value"],
    ),
    Mistake("probe.maxObjects must not be negative", {"probe.maxObjects": -1}, says=["spec.probe.maxObjects"]),
    Mistake("a check must set a measure", {"checks": [{}]}, says=["spec.checks[0]", "set exactly one of"]),
    Mistake(
        "a check must not set two measures",
        {"checks": [{"rows": {"min": 1}, "rowsChange": {"min": -0.1}}]},
        says=["spec.checks[0]", "set exactly one of"],
    ),
    Mistake(
        "a check of a column must name the column",
        {"checks": [{"completeness": {"min": 0.9}}]},
        says=["spec.checks[0]", "column must be set with"],
    ),
    Mistake(
        "a check of the whole snapshot must not name a column",
        {"checks": [{"column": "a", "rows": {"min": 1}}]},
        says=["spec.checks[0]", "column must be set with"],
    ),
    Mistake("a check must set a bound", {"checks": [{"rows": {}}]}, says=["spec.checks[0].rows", "needs a bound"]),
    Mistake(
        "a proportion must not be greater than 1",
        {"checks": [{"column": "a", "completeness": {"min": 2}}]},
        says=["spec.checks[0].completeness.min", "less than or equal to 1"],
    ),
    Mistake(
        "a drift bound must be greater than 0",
        {"checks": [{"column": "a", "drift": {"max": 0}}]},
        says=["spec.checks[0].drift.max"],
    ),
    Mistake(
        "freshWithin must be at least one second",
        {"checks": [{"freshWithin": "0s"}]},
        says=["spec.checks[0]", "at least 1s"],
    ),
    Mistake(
        "a bias check must name a protected column",
        {"checks": [bias("ClassImbalance")]},
        says=["needs its column in schema.protected"],
    ),
    Mistake(
        "a bias check of label distributions needs a label",
        {"schema": {"protected": ["race"]}, "checks": [bias("KLDivergence")]},
        says=["needs schema.label"],
    ),
    Mistake(
        "a bias check of positive labels needs positive labels",
        {
            "schema": {"protected": ["race"], "label": {"column": "y"}},
            "checks": [bias("DifferenceInProportionsOfLabels")],
        },
        says=["needs schema.label.positive"],
    ),
    Mistake("a bucket is required", {"source.s3.bucket": ABSENT}, says=["spec.source.s3.bucket: Required value"]),
    Mistake(
        "a bucket's name must be lower case",
        {"source.s3.bucket": "Data"},
        says=["spec.source.s3.bucket", "should match"],
    ),
    Mistake(
        "a bucket's name must not have an underscore",
        {"source.s3.bucket": "my_data"},
        says=["spec.source.s3.bucket", "should match"],
    ),
    Mistake(
        "a bucket's name must have at least 3 characters",
        {"source.s3.bucket": "ab"},
        says=["spec.source.s3.bucket", "should match"],
    ),
    Mistake(
        "a bucket's name must have at most 63 characters",
        {"source.s3.bucket": "a" * 64},
        says=["spec.source.s3.bucket"],
    ),
    Mistake(
        "a bucket must be a name, not a URL",
        {"source.s3.bucket": "s3://data"},
        says=["spec.source.s3.bucket", "should match"],
    ),
    Mistake(
        "a prefix must have at most 512 characters",
        {"source.s3.prefix": "p" * 513},
        says=["spec.source.s3.prefix: Too long"],
    ),
    Mistake("an endpoint must have a scheme", {"source.s3.endpoint": "s3:8333"}, says=["spec.source.s3.endpoint"]),
    Mistake(
        "an endpoint must not have a path",
        {"source.s3.endpoint": "http://s3:8333/data"},
        says=["spec.source.s3.endpoint"],
    ),
    Mistake("an endpoint must be an HTTP URL", {"source.s3.endpoint": "ftp://s3"}, says=["spec.source.s3.endpoint"]),
    Mistake("a region must not be empty", {"source.s3.region": ""}, says=["spec.source.s3.region"]),
    Mistake(
        "a Secret must have a name", {"source.s3.secretRef": {}}, says=["spec.source.s3.secretRef.name: Required value"]
    ),
    Mistake(
        "a Secret's name must not be empty",
        {"source.s3.secretRef": {"name": ""}},
        says=["spec.source.s3.secretRef.name"],
    ),
    Mistake("interval must be a duration", {"interval": "soon"}, says=["spec.interval", "should match"]),
    Mistake("interval must have a unit", {"interval": "5"}, says=["spec.interval", "should match"]),
    Mistake("interval must not be in days", {"interval": "1d"}, says=["spec.interval", "should match"]),
    Mistake("interval must be a string", {"interval": 5}, says=["spec.interval", "must be of type string"]),
    Mistake("interval must not be negative", {"interval": "-5m"}, says=["spec.interval", "should match"]),
    Mistake(
        "interval must not be shorter than one second", {"interval": "999ms"}, says=["interval must be at least 1s"]
    ),
    Mistake("interval must not be zero", {"interval": "0s"}, says=["interval must be at least 1s"]),
    Mistake("interval must not have 30 digits", {"interval": "9" * 30 + "h"}, says=["interval"]),
    Mistake("settle must have a unit", {"settle": "30"}, says=["spec.settle", "should match"]),
    Mistake("settle must not have 30 digits", {"settle": "9" * 30 + "h"}, says=["settle"]),
    Mistake("suspend must be a boolean", {"suspend": "yes"}, says=["spec.suspend", "must be of type boolean"]),
    Mistake(
        "a format must be supported",
        {"format.type": "xlsx"},
        says=["spec.format.type: Unsupported value", '"csv"', '"parquet"'],
    ),
    Mistake(
        "a schema must have at most 256 columns",
        {"schema": columns(*({"name": f"c{n}", "type": "number"} for n in range(257)))},
        says=["spec.schema.columns: Too many"],
    ),
    Mistake(
        "a schema must not have two columns of one name",
        {"schema": columns({"name": "a", "type": "number"}, {"name": "a", "type": "string"})},
        says=["spec.schema.columns[1]: Duplicate value"],
    ),
    Mistake(
        "a column must have a name",
        {"schema": columns({"type": "number"})},
        says=["spec.schema.columns[0].name: Required value"],
    ),
    Mistake(
        "a column's name must not be empty",
        {"schema": columns({"name": "", "type": "number"})},
        says=["spec.schema.columns[0].name"],
    ),
    Mistake(
        "a column must have a type",
        {"schema": columns({"name": "a"})},
        says=["spec.schema.columns[0].type: Required value"],
    ),
    Mistake(
        "a column's type must be supported",
        {"schema": columns({"name": "a", "type": "float"})},
        says=["spec.schema.columns[0].type: Unsupported value", '"number"'],
    ),
    Mistake(
        "a column's min must not be greater than its max",
        {"schema": columns({"name": "a", "type": "number", "min": 2, "max": 1})},
        says=["spec.schema.columns[0]", "min must not be greater than max"],
    ),
    Mistake(
        "what is quoted of a column must be one of three",
        {"schema": columns({"name": "a", "type": "string", "quote": "Text"})},
        says=["spec.schema.columns[0].quote: Unsupported value", '"Numbers"', '"None"'],
    ),
    Mistake(
        "text of a protected column must not be quoted",
        {"schema": {**columns({"name": "a", "type": "string", "quote": "All"}), "protected": ["b", "a"]}},
        says=["spec.schema", "values of a protected column are never quoted: quote All is for other columns"],
    ),
    Mistake(
        "a column of strings must not have a min",
        {"schema": columns({"name": "a", "type": "string", "min": 2})},
        says=["spec.schema.columns[0]", "min and max need type number or integer"],
    ),
    Mistake(
        "a column of booleans must not have a max",
        {"schema": columns({"name": "a", "type": "boolean", "max": 2})},
        says=["spec.schema.columns[0]", "min and max need type number or integer"],
    ),
    Mistake(
        "a column's min must be a number",
        {"schema": columns({"name": "a", "type": "number", "min": "0"})},
        says=["spec.schema.columns[0].min", "must be of type number"],
    ),
    Mistake(
        "onViolation must be Reject or Warn",
        {"schema": {"columns": [{"name": "lvr", "type": "number"}]} | {"onViolation": "Ignore"}},
        says=["spec.schema.onViolation: Unsupported value", '"Reject"', '"Warn"'],
    ),
    Mistake(
        "Pods must not run as root", {"pod.runAsUser": 0}, says=["spec.pod.runAsUser", "greater than or equal to 1"]
    ),
    Mistake(
        "a toleration's operator must be Equal or Exists",
        {"pod.tolerations": [{"operator": "Maybe"}]},
        says=["spec.pod.tolerations[0].operator: Unsupported value"],
    ),
    Mistake(
        "a pull Secret must not be listed twice",
        {"pod.imagePullSecrets": [{"name": "a"}, {"name": "a"}]},
        says=["spec.pod.imagePullSecrets[1]: Duplicate value"],
    ),
    Mistake(
        "a node label's value must be a string",
        {"pod.nodeSelector": {"gpu": True}},
        says=["spec.pod.nodeSelector.gpu", "must be of type string"],
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_in_a_dataset_is_rejected(api: ApiServer, mistake: Mistake) -> None:
    """A person reads one sentence that names the field, at once, and the operator never sees the object."""
    assert_rejected(api, "Dataset", mistake)

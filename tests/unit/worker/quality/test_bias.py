"""Bias in the profile: each group of a protected column against all others, exact, in memory of a fixed size."""

import math
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from modelops.api.checks import BiasMetric, DataCheck
from modelops.api.types import Schema
from modelops.lineage.digests import canonical_json
from modelops.worker.quality.bias import MAX_GROUPS, MAX_LABELS, FacetCounts
from modelops.worker.tabular.column_values import from_csv, from_json
from modelops.worker.tabular.readers import Batch

Json = dict[str, Any]
Rows = list[tuple[Any, ...]]
"""Values of `black` (the protected column) and `deny` (the label) of each row."""
LABEL = {"column": "deny", "positive": ["no"]}


def count(
    rows: Rows,
    *,
    label: Json | None = LABEL,
    typed: bool = False,
    checks: tuple[DataCheck, ...] = (),
    types: Json | None = None,
) -> FacetCounts:
    """Count rows in batches of seven; read as JSON if `typed`, else as a CSV. `types` declares columns."""
    columns = [{"name": name, "type": kind} for name, kind in (types or {}).items()]
    schema = Schema.model_validate({"columns": columns, "protected": ["black"], "label": label})
    facets = FacetCounts(schema, {column.name: column.type for column in schema.columns}, checks)
    for start in range(0, len(rows), 7):
        part = rows[start : start + 7]
        columns_of_part = [
            from_json(list(values)) if typed else from_csv(pa.array(values, pa.string()))
            for values in zip(*part, strict=True)
        ]
        facets.add(
            Batch(len(part), dict(zip(("black", "deny"), columns_of_part, strict=False)), lambda index: index + 1)
        )
    return facets


def group_of(facets: FacetCounts, value: str) -> Json:
    """Return the document of one group."""
    (column,) = facets.document()["columns"]
    (group,) = (group for group in column["groups"] if group["value"] == value)
    assert isinstance(group, dict)
    return group


TABLE: Rows = [("no", "no")] * 80 + [("no", "yes")] * 20 + [("yes", "no")] * 30 + [("yes", "yes")] * 20


def test_metrics_of_a_table_equal_those_computed_by_hand() -> None:
    """Of 100 others 80 have the positive label, of 50 in the group 30. Class imbalances of both sides are opposite."""
    facets = count(TABLE)
    group = group_of(facets, "yes")
    assert group["count"] == 50
    assert group["labels"] == [{"value": "no", "count": 30}, {"value": "yes", "count": 20}]
    assert group["bias"] == {
        "ClassImbalance": pytest.approx(1 / 3),
        "DifferenceInProportionsOfLabels": pytest.approx(0.2),
        "KLDivergence": pytest.approx(0.8 * math.log(0.8 / 0.6) + 0.2 * math.log(0.2 / 0.4)),
        "JSDivergence": pytest.approx(
            (
                0.8 * math.log(0.8 / 0.7)
                + 0.2 * math.log(0.2 / 0.3)
                + 0.6 * math.log(0.6 / 0.7)
                + 0.4 * math.log(0.4 / 0.3)
            )
            / 2
        ),
    }
    assert group_of(facets, "no")["bias"]["ClassImbalance"] == pytest.approx(-1 / 3)
    assert facets.document()["label"] == {
        "column": "deny",
        "positive": ["no"],
        "nulls": 0,
        "values": [{"value": "no", "count": 110}, {"value": "yes", "count": 40}],
        "other": 0,
    }


def test_without_positive_labels_there_is_no_difference_in_proportions() -> None:
    assert set(group_of(count(TABLE, label={"column": "deny"}), "yes")["bias"]) == {
        "ClassImbalance",
        "KLDivergence",
        "JSDivergence",
    }


def test_without_a_label_there_is_only_the_class_imbalance() -> None:
    facets = count(TABLE, label=None)
    assert set(group_of(facets, "yes")["bias"]) == {"ClassImbalance"}
    assert "label" not in facets.document()


def test_a_misspelt_positive_label_does_not_pass_as_equality() -> None:
    """If no row has the positive label, a difference of 0 would pass every check."""
    bias = group_of(count(TABLE, label={"column": "deny", "positive": ["nope"]}), "yes")["bias"]
    assert bias["DifferenceInProportionsOfLabels"] is None


def test_rows_without_a_group_or_without_a_label() -> None:
    """A row without a group is in no group. A row without a label is in its group, but not in shares of labels."""
    facets = count([*TABLE, *[(None, "no")] * 9, *[("yes", None)] * 50])
    group = group_of(facets, "yes")
    assert group["count"] == 100
    assert group["bias"]["ClassImbalance"] == 0
    assert group["bias"]["DifferenceInProportionsOfLabels"] == pytest.approx(0.2)
    (column,) = facets.document()["columns"]
    assert column["nulls"] == 9
    assert facets.document()["label"]["nulls"] == 50


def test_data_without_the_protected_column_has_no_groups() -> None:
    (column,) = count([(), ()] * 5).document()["columns"]
    assert column["groups"] == []


def test_data_without_the_label_column_has_no_metrics_of_labels() -> None:
    bias = group_of(count([("yes",), ("no",)] * 5), "yes")["bias"]
    assert bias == {"ClassImbalance": 0, **dict.fromkeys([metric.value for metric in BiasMetric][1:])}


@pytest.mark.parametrize(
    ("rows", "types", "typed", "groups"),
    [
        pytest.param(
            [("1", "no"), ("1.0", "no"), ("01", "no")],
            {"black": "integer"},
            False,
            {"1"},
            id="numbers of a declared CSV column are one group however they are written",
        ),
        pytest.param(
            [("1", "no"), ("1.0", "no"), ("01", "no")],
            {},
            False,
            {"1", "1.0", "01"},
            id="values of an undeclared CSV column are groups as written",
        ),
        pytest.param(
            [("True", "no"), ("1", "no"), ("false", "no")],
            {"black": "boolean"},
            False,
            {"true", "false"},
            id="booleans of a declared CSV column are one group however they are written",
        ),
        pytest.param(
            [(1, "no"), (1.0, "no"), ("x", "no")],
            {},
            True,
            {"1", "x"},
            id="numbers of JSON are one group without a declaration",
        ),
    ],
)
def test_equal_values_are_one_group(rows: Rows, types: Json, typed: bool, groups: set[str]) -> None:
    (column,) = count(rows, typed=typed, types=types).document()["columns"]
    assert {group["value"] for group in column["groups"]} == groups


def test_a_positive_label_matches_a_number_however_it_is_written() -> None:
    """`positive: ["1"]` matches 1.0 if the label is declared a number."""
    rows = [("yes", "1.0"), ("yes", "0"), ("no", "1"), ("no", "1.00")]
    bias = group_of(count(rows, label={"column": "deny", "positive": ["1", "1.0"]}, types={"deny": "number"}), "yes")[
        "bias"
    ]
    assert bias["DifferenceInProportionsOfLabels"] == 0.5


def test_groups_and_labels_beyond_the_limit_share_one_count() -> None:
    """Memory is limited, and the profile shows the shared count.

    The first groups and labels stay exact. So do the group that a check names and the positive labels, wherever they
    occur.
    """
    rows: Rows = [(f"g{number}", f"l{number}") for number in range(500)]
    check = DataCheck.model_validate(
        {"column": "black", "bias": {"metric": "ClassImbalance", "group": "g499", "max": 1}}
    )
    facets = count(rows, label={"column": "deny", "positive": ["l450"]}, checks=(check,))
    document = facets.document()
    (column,) = document["columns"]
    assert (len(column["groups"]), column["other"]) == (MAX_GROUPS, 500 - MAX_GROUPS)
    assert (len(document["label"]["values"]), document["label"]["other"]) == (MAX_LABELS, 500 - MAX_LABELS)
    assert group_of(facets, "g499")["bias"]["ClassImbalance"] == pytest.approx(498 / 500)
    assert group_of(facets, "g0")["bias"]["DifferenceInProportionsOfLabels"] == pytest.approx(1 / 499)
    assert not facets.metrics("black", BiasMetric.CLASS_IMBALANCE).complete
    assert canonical_json(document)


def test_a_column_that_is_not_protected_has_no_metrics() -> None:
    assert count(TABLE).metrics("deny", BiasMetric.CLASS_IMBALANCE).by_group == {}

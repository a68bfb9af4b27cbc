"""Bias in the profile: each group of a protected column against all others, exact, and in memory of a fixed size."""

import math

import pyarrow as pa
import pytest

from modelops.api.checks import BiasMetric, DataCheck
from modelops.api.types import Schema
from modelops.lineage.digests import canonical_json
from modelops.worker.quality.bias import MOST_GROUPS, MOST_LABELS, Groups
from modelops.worker.tabular.column_values import from_text, from_values
from modelops.worker.tabular.readers import Batch

LABEL = {"column": "deny", "positive": ["no"]}


def counted(rows: list[tuple], label: dict | None = LABEL, typed: bool = False, checks: tuple = (), **types) -> Groups:
    columns = [{"name": name, "type": kind} for name, kind in types.items()]
    schema = Schema.model_validate({"columns": columns, "protected": ["black"], "label": label})
    groups = Groups(schema, {column.name: column.type for column in schema.columns}, list(checks))
    for start in range(0, len(rows), 7):
        part = rows[start : start + 7]
        cells = [
            from_values(list(values)) if typed else from_text(pa.array(values, pa.string()))
            for values in zip(*part, strict=True)
        ]
        groups.add(Batch(len(part), dict(zip(("black", "deny"), cells, strict=False)), lambda index: index + 1))
    return groups


def group_of(groups: Groups, value: str) -> dict:
    (column,) = groups.document()["columns"]
    (found,) = (group for group in column["groups"] if group["value"] == value)
    return found


TABLE = [("no", "no")] * 80 + [("no", "yes")] * 20 + [("yes", "no")] * 30 + [("yes", "yes")] * 20


def test_a_table_by_hand():
    """Of 100 others 80 are favoured, of 50 in the group 30: the group and the others mirror each other."""
    groups = counted(TABLE)
    found = group_of(groups, "yes")
    assert found["count"] == 50
    assert found["labels"] == [{"value": "no", "count": 30}, {"value": "yes", "count": 20}]
    assert found["bias"] == {
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
    assert group_of(groups, "no")["bias"]["ClassImbalance"] == pytest.approx(-1 / 3)
    assert groups.document()["label"] == {
        "column": "deny",
        "positive": ["no"],
        "nulls": 0,
        "values": [{"value": "no", "count": 110}, {"value": "yes", "count": 40}],
        "other": 0,
    }


def test_without_positive_labels_there_are_no_proportions():
    assert set(group_of(counted(TABLE, {"column": "deny"}), "yes")["bias"]) == {
        "ClassImbalance",
        "KLDivergence",
        "JSDivergence",
    }


def test_without_a_label_there_is_the_imbalance():
    groups = counted(TABLE, None)
    assert set(group_of(groups, "yes")["bias"]) == {"ClassImbalance"}
    assert "label" not in groups.document()


def test_a_misspelt_positive_label_is_no_equality():
    """Where no row is favourable, a difference of 0 would pass every check."""
    bias = group_of(counted(TABLE, {"column": "deny", "positive": ["nope"]}), "yes")["bias"]
    assert bias["DifferenceInProportionsOfLabels"] is None


def test_missing_values():
    """A row without a group is in none; a row without a label is in its group, and in no share of labels."""
    groups = counted([*TABLE, *[(None, "no")] * 9, *[("yes", None)] * 50])
    found = group_of(groups, "yes")
    assert found["count"] == 100
    assert found["bias"]["ClassImbalance"] == 0
    assert found["bias"]["DifferenceInProportionsOfLabels"] == pytest.approx(0.2)
    (column,) = groups.document()["columns"]
    assert column["nulls"] == 9
    assert groups.document()["label"]["nulls"] == 50


def test_columns_that_are_not_there():
    """Without the protected column there is no group; without the label no share of labels."""
    (column,) = counted([(), ()] * 5).document()["columns"]
    assert column["groups"] == []
    bias = group_of(counted([("yes",), ("no",)] * 5), "yes")["bias"]
    assert bias == {"ClassImbalance": 0, **dict.fromkeys([m.value for m in BiasMetric][1:])}


@pytest.mark.parametrize(
    ("rows", "types", "groups"),
    [
        ([("1", "no"), ("1.0", "no"), ("01", "no")], {"black": "integer"}, {"1"}),
        ([("1", "no"), ("1.0", "no"), ("01", "no")], {}, {"1", "1.0", "01"}),
        ([("True", "no"), ("1", "no"), ("false", "no")], {"black": "boolean"}, {"true", "false"}),
        ([(1, "no"), (1.0, "no"), ("x", "no")], None, {"1", "x"}),
    ],
)
def test_groups_of_numbers_and_booleans(rows, types, groups):
    """A declared type decides which values are the same group; JSON tells numbers itself."""
    (column,) = counted(rows, typed=types is None, **(types or {})).document()["columns"]
    assert {group["value"] for group in column["groups"]} == groups


def test_labels_that_are_numbers():
    """`positive: ["1"]` finds 1.0 where the label is declared a number."""
    label = {"column": "deny", "positive": ["1", "1.0"]}
    rows = [("yes", "1.0"), ("yes", "0"), ("no", "1"), ("no", "1.00")]
    bias = group_of(counted(rows, label, deny="number"), "yes")["bias"]
    assert bias["DifferenceInProportionsOfLabels"] == 0.5


def test_too_many_groups_and_labels():
    """Memory has an end: further groups and labels share one count, which the profile says; the first ones stay exact,
    and so do the group that a check names and the positive labels, wherever they come.
    """
    many = [(f"g{number}", f"l{number}") for number in range(500)]
    named = DataCheck.model_validate(
        {"column": "black", "bias": {"metric": "ClassImbalance", "group": "g499", "max": 1}}
    )
    groups = counted(many, {"column": "deny", "positive": ["l450"]}, checks=(named,))
    document = groups.document()
    (column,) = document["columns"]
    assert (len(column["groups"]), column["other"]) == (MOST_GROUPS, 500 - MOST_GROUPS)
    assert (len(document["label"]["values"]), document["label"]["other"]) == (MOST_LABELS, 500 - MOST_LABELS)
    assert group_of(groups, "g499")["bias"]["ClassImbalance"] == pytest.approx(498 / 500)
    assert group_of(groups, "g0")["bias"]["DifferenceInProportionsOfLabels"] == pytest.approx(1 / 499)
    assert not groups.measured("black", BiasMetric.CLASS_IMBALANCE).whole
    assert canonical_json(document)


def test_a_column_that_is_not_protected_has_no_measures():
    assert counted(TABLE).measured("deny", BiasMetric.CLASS_IMBALANCE).by_group == {}

"""The columns that `kubectl get` prints: a line of each kind fits into a terminal of 120 columns."""

import re
from typing import Any

import pytest

from modelops.api.crds import KINDS
from modelops.api.dataset import Dataset
from modelops.api.inferenceservice import InferenceService
from modelops.api.kinds import Kind, PrinterColumn
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import TrainingRun
from support.builders.common import digest

TERMINAL = 120
NAME = "mortgage-approvals-australia-q"
VERSION = "credit-approval-3f2a91c0"
OLDEST_AGE = "2y364d"
"""The longest that kubectl writes an age."""
_MIN_WIDTH, _PADDING = 6, 3
"""Of kubectl's tab writer."""

Json = dict[str, Any]


def ready(reason: str) -> list[Json]:
    return [{"type": "Ready", "status": "False", "reason": reason}]


WIDEST: dict[type[Kind], Json] = {
    Dataset: {
        "status": {
            "conditions": ready("CreateContainerConfigError"),
            "snapshot": {"digest": digest("a"), "shortDigest": "a" * 12, "rows": 123_456_789},
        },
    },
    TrainingRun: {
        "status": {
            "conditions": ready("CreateContainerConfigError"),
            "cache": {"result": "Miss"},
            "modelVersion": VERSION,
        },
    },
    ModelVersion: {
        "spec": {"model": NAME},
        "status": {"conditions": ready("ApprovalMismatch"), "approval": {"state": "NotRequired"}},
    },
    InferenceService: {
        "status": {
            "conditions": ready("CreateContainerConfigError"),
            "stable": {"version": VERSION, "ready": 128},
            "candidate": {"version": VERSION, "weight": 100},
        },
    },
}
"""Of each kind an object with the longest values that are to be expected. An absent field is an empty cell."""


def value_at(body: Any, path: str) -> str:
    """Return what kubectl prints for a JSONPath of field names and filters by type."""
    for field, type_ in re.findall(r'\.(\w+)(?:\[\?\(@\.type=="(\w+)"\)\])?', path):
        body = body.get(field, {})
        if type_:
            body = next(item for item in body if item["type"] == type_)
    return "" if body == {} else str(body)


def cell(column: PrinterColumn, body: Json) -> str:
    return OLDEST_AGE if column.type == "date" else value_at(body, column.path)


def laid_out(*rows: list[str]) -> list[str]:
    """Return rows of cells as lines, with the widths that kubectl's tab writer gives them."""
    widths = [max(_MIN_WIDTH, _PADDING + max(map(len, cells))) for cells in zip(*rows, strict=True)]
    return ["".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_line_of_kubectl_get_fits_into_120_columns(kind: type[Kind]) -> None:
    """A line that wraps cannot be read as a row of a table. Whatever is wider belongs to `-o wide` (priority 1)."""
    columns = [column for column in kind.columns if column.priority == 0]
    header, row = laid_out(
        ["NAME", *(column.name.upper() for column in columns)],
        [NAME, *(cell(column, WIDEST[kind]) for column in columns)],
    )
    assert len(NAME) == 30
    assert max(len(header), len(row)) <= TERMINAL, f"{header}\n{row}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_column_name_is_one_word(kind: type[Kind]) -> None:
    """Scripts split the header and the rows at spaces."""
    assert [column.name for column in kind.columns if " " in column.name] == []


def test_lines_are_laid_out_as_kubectl_does() -> None:
    """A column is three spaces wider than its longest cell, and six characters wide at least."""
    assert laid_out(["NAME", "A", "AGE"], ["pod-with-a-name", "", "5m"]) == [
        "NAME              A     AGE",
        "pod-with-a-name         5m",
    ]

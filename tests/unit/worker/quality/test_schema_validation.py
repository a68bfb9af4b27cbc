"""Validation against the schema: every kind of bad value is counted, and shown in the sentence that a person reads."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.schema_violations import FormatType, encode_column, total_of, violations_of

Json = dict[str, Any]
LVR: Json = {"name": "lvr", "type": "number", "max": 2}
QUOTED: Json = {**LVR, "quote": "All"}
FORMATS = pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])


@pytest.mark.parametrize(
    ("column", "text", "total", "sentence"),
    [
        pytest.param(
            LVR,
            "lvr\n1\n3.41\n5\n",
            2,
            'column "lvr": 2 of 3 values are above max 2 (first in a.csv row 2: 3.41)',
            id="values above max are counted, and the first is shown",
        ),
        pytest.param(
            QUOTED,
            "lvr\n1\nhigh\n",
            1,
            'column "lvr": 1 of 2 values is not a number (first in a.csv row 2: "high")',
            id="text in a numeric column is not a number",
        ),
        pytest.param(
            QUOTED,
            "lvr\nNaN\n",
            1,
            'column "lvr": 1 of 1 values is not a number (first in a.csv row 1: "NaN")',
            id="NaN in a CSV is not a number",
        ),
        pytest.param(
            LVR,
            "lvr\n0x1F\n1e999\n1,5\n",
            3,
            "are not numbers",
            id="hexadecimal numbers, infinity and decimal commas are not numbers",
        ),
        pytest.param(
            {"name": "a", "type": "number", "min": 0},
            "a\n-1\n",
            1,
            "is below min 0 (first in a.csv row 1: -1)",
            id="values below min are counted",
        ),
        pytest.param(
            {"name": "a", "type": "integer"},
            "a\n1\n1.0\n1.5\n",
            1,
            "is not an integer (first in a.csv row 3: 1.5)",
            id="a number with a fraction is not an integer, 1.0 is",
        ),
        pytest.param(
            {"name": "a", "type": "boolean", "quote": "All"},
            "a\nTrue\n0\nyes\n",
            1,
            'neither true nor false (first in a.csv row 3: "yes")',
            id="True and 0 are booleans of a CSV, yes is not",
        ),
        pytest.param(
            {"name": "a", "type": "string", "nullable": False},
            "a,b\nx,1\n,2\n",
            1,
            "is missing (first in a.csv row 2)",
            id="an empty value of a column that is not nullable is missing",
        ),
        pytest.param(
            LVR, "ltv\n1\n", 1, 'column "lvr" is missing in a.csv', id="a column that the file lacks is missing"
        ),
    ],
)
def test_bad_values_of_a_csv(tmp_path: Path, column: Json, text: str, total: int, sentence: str) -> None:
    violations = violations_of(tmp_path, [column], ("a.csv", text.encode()))
    assert violations is not None
    assert any(sentence in example for example in violations.examples), violations
    assert violations.total == total


@pytest.mark.parametrize(
    ("column", "text", "sentence"),
    [
        pytest.param(
            QUOTED,
            '{"lvr": "1"}\n',
            'is not a number (first in a row 1: "1")',
            id="a number in quotes is not a number",
        ),
        pytest.param(LVR, '{"lvr": true}\n', "is not a number", id="a boolean is not a number"),
        pytest.param(LVR, '{"x": 1}\n', 'column "lvr" is missing in a', id="a key that no row has is missing"),
        pytest.param(
            {"name": "n", "type": "integer"},
            '{"n": 1.0}\n{"n": 2.5}\n',
            "is not an integer (first in a row 2: 2.5)",
            id="a number with a fraction is not an integer, 1.0 is",
        ),
        pytest.param(
            {"name": "t", "type": "string", "quote": "All"},
            '{"t": 1}\n',
            "is not a string (first in a row 1: 1)",
            id="a number is not a string",
        ),
        pytest.param(
            {"name": "t", "type": "string"},
            '{"t": {"a": [1]}}\n',
            "is not a string",
            id="an object is not a string",
        ),
        pytest.param(
            {"name": "t", "type": "string", "nullable": False},
            '{"a": 1}\n{"t": "x"}\n',
            "is missing (first in a row 1)",
            id="a key that appears late is missing in the rows before",
        ),
        pytest.param(
            {"name": "b", "type": "boolean"},
            '{"b": true}\n{"b": 1}\n',
            "neither true nor false (first in a row 2: 1)",
            id="1 is not a boolean",
        ),
    ],
)
def test_bad_values_of_json_lines(tmp_path: Path, column: Json, text: str, sentence: str) -> None:
    """JSON distinguishes its types itself."""
    violations = violations_of(tmp_path, [column], ("a", text.encode()), kind="jsonl")
    assert violations is not None
    assert any(sentence in example for example in violations.examples), violations


def test_null_and_absent_keys_of_a_nullable_column_are_accepted(tmp_path: Path) -> None:
    text = b'{"lvr": 1}\n\n{"lvr": null}\n{}\n'
    assert violations_of(tmp_path, [LVR], ("a", text), kind="jsonl") is None


MARK = "Ada Lovelace"
_EVERY_RULE: Json = {"nullable": False, "unique": True, "enum": ["x", "1"]}


@pytest.mark.parametrize(
    ("column", "protected", "cells", "quoted"),
    [
        pytest.param({"type": "string"}, False, [MARK], [], id="text is not quoted"),
        pytest.param({"type": "string"}, False, ["270385"], [], id="a number in a column of text is not quoted"),
        pytest.param({"type": "number"}, False, [MARK], [], id="text in a column of numbers is not quoted"),
        pytest.param({"type": "boolean"}, False, [MARK], [], id="text in a column of booleans is not quoted"),
        pytest.param({"type": "number"}, False, ["270385"], ["270385"], id="a number is quoted"),
        pytest.param({"type": "number", "quote": "None"}, False, ["270385"], [], id="a number need not be quoted"),
        pytest.param({"type": "string", "quote": "All"}, False, [MARK], [MARK], id="text is quoted where allowed"),
        pytest.param({"type": "number"}, True, ["270385", MARK], [], id="nothing of a protected column is quoted"),
        pytest.param({"type": "string", "quote": "All"}, True, [MARK], [], id="protected is stronger than quote"),
    ],
)
@FORMATS
def test_cells_are_quoted_only_where_the_schema_allows(
    tmp_path: Path, column: Json, protected: bool, cells: list[str], quoted: list[str], kind: FormatType
) -> None:
    """Reports, and so statuses and Events, have no data about people; object, row, column and rule are always there."""
    values: list[Any] = [int(cell) if cell.isdigit() and kind != "csv" else cell for cell in cells]
    if kind == "parquet":  # A column has one type.
        values = [str(value) for value in values] if MARK in cells or column["type"] == "string" else values
    content = encode_column(kind, [*values, *values, None], tmp_path)
    declared = {"name": "v", **_EVERY_RULE, **column}
    violations = violations_of(tmp_path, [declared], ("a", content), kind=kind, protected=["v"] if protected else [])
    assert violations is not None
    assert all('column "v": ' in example and " row " in example for example in violations.examples)
    text = " ".join(violations.examples)
    assert [cell for cell in cells if cell in text] == quoted


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"{MARK},{MARK}\n1,2\n", id="two equal cells where the header should be"),
        pytest.param(f"v,w\n{MARK},1,2\n", id="a row with more fields than the header"),
        pytest.param(f'v,w\n1,"{MARK}\n', id="a quotation that does not end"),
        pytest.param(f"{MARK}\0\udcff\n", id="not text"),
        pytest.param(f"v\n{MARK * 300_000}\n", id="a cell longer than a block"),
    ],
)
@FORMATS
def test_what_is_wrong_with_a_file_is_told_without_its_content(tmp_path: Path, content: str, kind: FormatType) -> None:
    """A file that is not what it should be may hold anything."""
    violations = violations_of(tmp_path, [LVR], ("a", content.encode(errors="surrogateescape")), kind=kind)
    assert violations is not None
    assert MARK not in " ".join(violations.examples)


def test_violations_are_counted_over_all_objects(tmp_path: Path) -> None:
    """A violation is counted over the whole dataset, and its first place names the object."""
    violations = violations_of(
        tmp_path, [LVR], ("a.csv", b"lvr\n1\n"), ("b.csv", b"lvr\n3\n4\n"), ("c.csv", b"other\n1\n")
    )
    assert violations is not None
    assert violations.total == 3
    assert violations.examples == [
        'column "lvr" is missing in c.csv',
        'column "lvr": 2 of 3 values are above max 2 (first in b.csv row 1: 3)',
    ]


def test_a_million_violations_of_one_kind_are_one_example(tmp_path: Path) -> None:
    """However much is wrong, the report is a number and a few short sentences."""
    violations = violations_of(tmp_path, [LVR], ("a.csv", b"lvr\n" + b"9\n" * 1_000_000))
    assert violations is not None
    assert violations.total == 1_000_000
    assert len(violations.examples) == 1


def test_examples_are_at_most_ten_of_at_most_200_characters(tmp_path: Path) -> None:
    """The limits hold for the longest names of columns too."""
    columns = [{"name": "c" * 250 + str(number), "type": "number"} for number in range(30)]
    violations = violations_of(tmp_path, columns, ("a.csv", b"x\n1\n"))
    assert violations is not None
    assert violations.total == 30
    assert len(violations.examples) == 10
    assert max(map(len, violations.examples)) <= 200


@FORMATS
@pytest.mark.parametrize(
    ("column", "values", "total", "sentence"),
    [
        pytest.param(
            {"type": "string", "enum": ["no", "yes"], "quote": "All"},
            ["no", "maybe", None, "yes", "No"],
            2,
            'column "v": 2 of 5 values are not in the enum (first in a row 2: "maybe")',
            id="text must equal a text of the enum in every letter",
        ),
        pytest.param(
            {"type": "number", "enum": ["1.0", "2.50", "1e2"]},
            [1, 2.5, 100, 3.5],
            1,
            'column "v": 1 of 4 values is not in the enum (first in a row 4: 3.5)',
            id="numbers are compared with the enum as numbers",
        ),
        pytest.param(
            {"type": "integer", "enum": ["9007199254740993"]},
            [9007199254740993, 9007199254740992],
            1,
            'column "v": 1 of 2 values is not in the enum (first in a row 2: 9007199254740992)',
            id="large integers are compared with the enum digit by digit",
        ),
        pytest.param(
            {"type": "boolean", "enum": ["True"], "quote": "All"},
            [True, False, None],
            1,
            'column "v": 1 of 3 values is not in the enum (first in a row 2: ',
            id="booleans equal those of the enum however they are written",
        ),
        pytest.param(
            {"type": "string", "enum": ["a" * 256]},
            ["a" * 256, "a" * 257],
            1,
            "is not in the enum (first in a row 2",
            id="a longer text that begins like a text of the enum is not in the enum",
        ),
    ],
)
def test_enum(tmp_path: Path, kind: FormatType, column: Json, values: list[Any], total: int, sentence: str) -> None:
    """An enum means the same in every format."""
    violations = violations_of(
        tmp_path, [{"name": "v", **column}], ("a", encode_column(kind, values, tmp_path)), kind=kind
    )
    assert violations is not None
    assert violations.total == total
    (example,) = violations.examples
    assert sentence in example


@FORMATS
@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        pytest.param(
            {"type": "string"},
            ["x", "y", None, "x", None, "x"],
            'column "v": 2 of 6 values are duplicates (first in a row 4, as in a row 1)',
            id="every repetition of a value is a duplicate, missing values aside",
        ),
        pytest.param(
            {"type": "number"},
            [0.5, 7.0, 3.0, 7, -0.0, 0.0],
            'column "v": 2 of 6 values are duplicates (first in a row 4, as in a row 2)',
            id="equal numbers are duplicates however they are written",
        ),
        pytest.param(
            {"type": "integer"},
            [9007199254740992, 9007199254740993, 1, 10**16],
            None,
            id="large identifiers that differ in the last digit are not duplicates",
        ),
        pytest.param(
            {"type": "string"},
            ["a" * 300, "a" * 301],
            None,
            id="long texts that differ at their end are not duplicates",
        ),
    ],
)
def test_unique(tmp_path: Path, kind: FormatType, column: Json, values: list[Any], expected: str | None) -> None:
    """`unique` means the same in every format."""
    unique = {"name": "v", "unique": True, **column}
    violations = violations_of(tmp_path, [unique], ("a", encode_column(kind, values, tmp_path)), kind=kind)
    if expected is None:
        assert violations is None
    else:
        assert violations is not None
        assert (violations.total, violations.examples) == (2, [expected])


def test_a_value_of_the_wrong_type_is_one_violation(tmp_path: Path) -> None:
    """A value that is not a number is neither reported as missing in the enum, nor as a duplicate."""
    column = {"name": "v", "type": "number", "enum": ["1"], "unique": True}
    assert total_of(violations_of(tmp_path, [column], ("a", b"v\nx\nx\n1\n"))) == 2


def test_a_duplicate_in_another_object_names_both_places(tmp_path: Path) -> None:
    """Rows have the numbers that a person counts, also after a skipped row."""
    unique = {"name": "v", "type": "string", "unique": True}
    violations = violations_of(
        tmp_path, [unique], ("a.csv", b"v,w\n1,0\n2,0,0\n3,0\n"), ("b.csv", b"v,w\n4,0\n3,0\n1,0\n")
    )
    assert violations is not None
    expected = 'column "v": 2 of 5 values are duplicates (first in b.csv row 2, as in a.csv row 3)'
    assert expected in violations.examples


def test_a_duplicate_after_blank_lines_has_the_line_as_its_row(tmp_path: Path) -> None:
    unique = {"name": "v", "type": "string", "unique": True}
    violations = violations_of(tmp_path, [unique], ("a", b'{"v": "x"}\n\n\n{"v": "x"}\n'), kind="jsonl")
    assert violations is not None
    assert violations.examples == ['column "v": 1 of 2 values is a duplicate (first in a row 4, as in a row 1)']


@FORMATS
@settings(max_examples=15, deadline=None)
@given(objects=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=30), min_size=1, max_size=5))
def test_the_division_into_objects_does_not_change_the_violations(
    tmp_path_factory: pytest.TempPathFactory, kind: FormatType, objects: list[list[int]]
) -> None:
    """The same values in one object or many have the same violations of enum and unique."""
    directory = tmp_path_factory.mktemp("data")
    allowed = {str(number) for number in range(20)}
    column = {"name": "v", "type": "integer", "enum": sorted(allowed), "unique": True}
    encoded = [(f"o{number}", encode_column(kind, values, directory)) for number, values in enumerate(objects)]
    everything = [value for values in objects for value in values]
    expected = sum(str(value) not in allowed for value in everything) + len(everything) - len(set(everything))
    assert total_of(violations_of(directory, [column], *encoded, kind=kind)) == expected

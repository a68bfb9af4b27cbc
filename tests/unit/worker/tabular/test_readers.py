"""Files as people write them are read; a file or row that cannot be read is a violation with its place."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.worker.tabular import readers
from support.schema_violations import FormatType, total_of, violations_of

Json = dict[str, Any]
LVR: Json = {"name": "lvr", "type": "number", "max": 2}


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        pytest.param([LVR], "lvr\n1\n+.5\n-2e-1\n 1.5 \n2.\n\n", id="numbers have signs, exponents and spaces"),
        pytest.param([LVR], '"","lvr"\n"1","0.5"\n', id="R quotes every value, and its first column has no name"),
        pytest.param([LVR], "\ufefflvr,b\n1,x\n", id="a spreadsheet starts with a byte order mark"),
        pytest.param([LVR], "lvr,b\r\n1,x\r\n,y\r\n", id="lines end in carriage return and line feed"),
        pytest.param([LVR], 'lvr,b\n1,"two\nlines, ""quoted"""\n', id="a quoted value has line breaks and quotes"),
        pytest.param([LVR], "lvr\n", id="a file has a header and no rows"),
        pytest.param(
            [{"name": "black", "type": "string"}], 'black\n"no"\n"yes"\n', id="a file has only quoted strings"
        ),
    ],
)
def test_csv_as_other_programs_write_it_is_read(tmp_path: Path, columns: list[Json], text: str) -> None:
    assert violations_of(tmp_path, columns, ("a.csv", text.encode())) is None


@pytest.mark.parametrize(
    ("text", "total", "sentence"),
    [
        pytest.param(
            "b,lvr,lvr\n1,1,1\n",
            1,
            "a.csv has the same name for column 2 and column 3",
            id="two columns of one name are a violation",
        ),
        pytest.param(
            "lvr,b\n1,2\n1,2,3\n5,2\n",
            2,
            "a.csv row 2 has 3 fields, the header has 2",
            id="a row with more fields than the header is skipped and counted",
        ),
        pytest.param(
            "lvr,b\n1,2\n1,2,3\n5,2\n",
            2,
            "above max 2 (first in a.csv row 3: 5)",
            id="rows after a skipped row keep their numbers",
        ),
        pytest.param("", 1, "a.csv is not a readable CSV file", id="an empty file is not a CSV file"),
        pytest.param(
            "lvr,b\n1,2\n\udcff,2,3\n",
            1,
            "a.csv is not a readable CSV file: invalid UTF-8 near byte 10",
            id="a file that is not UTF-8 is not read, also where a row would be skipped",
        ),
        pytest.param(
            "\x89PNG\r\n\x1a\n\0\udcff\udcfe,\0\n\udcff\n",
            1,
            "a.csv is not a readable CSV file",
            id="an image is not a CSV file",
        ),
    ],
)
def test_a_malformed_csv_is_a_violation(tmp_path: Path, text: str, total: int, sentence: str) -> None:
    violations = violations_of(tmp_path, [LVR], ("a.csv", text.encode(errors="surrogateescape")))
    assert violations is not None
    assert any(sentence in example for example in violations.examples), violations
    assert violations.total == total


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"lvr": NaN}\n', "a row 1 is not a JSON object", id="NaN is not JSON"),
        pytest.param(
            '{"lvr": 1}\n[1]\n{"lvr": 3}\n',
            "is above max 2 (first in a row 3: 3",
            id="rows after a skipped row keep their numbers",
        ),
        pytest.param(
            '{"lvr": 1}\n{"\\ud800": 1}\n',
            "a row 2 has a key that is not valid Unicode",
            id="a key with half of a surrogate pair cannot be reported",
        ),
    ],
)
def test_a_malformed_row_of_json_lines_is_a_violation(tmp_path: Path, text: str, expected: str) -> None:
    violations = violations_of(tmp_path, [LVR], ("a", text.encode()), kind="jsonl")
    assert violations is not None
    assert any(expected in example for example in violations.examples), violations


def test_half_of_a_surrogate_pair_in_a_value_is_read(tmp_path: Path) -> None:
    """JSON can hold such a text, Arrow cannot: the value is replaced rather than the row refused."""
    column = {"name": "t", "type": "string"}
    assert violations_of(tmp_path, [column], ("a", b'{"t": "half \\ud800"}\n'), kind="jsonl") is None


def test_a_file_that_is_not_parquet_is_a_violation(tmp_path: Path) -> None:
    violations = violations_of(tmp_path, [LVR], ("a", b"PAR1 not"), kind="parquet")
    assert violations is not None
    assert violations.examples[0].startswith("a is not a readable Parquet")


def test_parquet_types_are_validated(tmp_path: Path) -> None:
    """NaN of Parquet is missing, as pandas writes it."""
    table = pa.table(
        {
            "lvr": pa.array([1.0, float("nan"), 3.0]),
            "n": pa.array([1, None, 2], pa.int32()),
            "black": pa.array(["no", "yes", None]).dictionary_encode(),
            "deny": pa.array([True, False, None]),
            "at": pa.array([0, 1, 2], pa.timestamp("s")),
        }
    )
    parquet.write_table(table, tmp_path / "t")
    columns = [
        {**LVR, "nullable": False},
        {"name": "n", "type": "integer"},
        {"name": "black", "type": "string"},
        {"name": "deny", "type": "boolean"},
        {"name": "at", "type": "number"},
    ]
    violations = violations_of(tmp_path, columns, ("a", (tmp_path / "t").read_bytes()), kind="parquet")
    assert violations is not None
    assert violations.total == 5
    assert 'column "lvr": 1 of 3 values is missing (first in a row 2)' in violations.examples
    assert 'column "lvr": 1 of 3 values is above max 2 (first in a row 3: 3.0)' in violations.examples


def test_a_compressed_csv_is_decompressed(tmp_path: Path) -> None:
    assert total_of(violations_of(tmp_path, [LVR], ("a.csv.gz", gzip.compress(b"lvr\n3\n")))) == 1


def test_a_truncated_compressed_csv_is_a_violation(tmp_path: Path) -> None:
    content = gzip.compress(b"lvr\n3\n" * 1000)[:-10]
    violations = violations_of(tmp_path, [LVR], ("a.csv.gz", content))
    assert violations is not None
    assert "not a readable CSV" in violations.examples[0]


def test_a_type_that_changes_far_down_is_one_violation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text at the end of a long column of numbers has its row; the file does not become unreadable."""
    monkeypatch.setattr(readers, "BLOCK_BYTES", 4096)
    rows = "".join(f"{number % 2},x\n" for number in range(20_000))
    violations = violations_of(tmp_path, [{**LVR, "quote": "All"}], ("a.csv", f"lvr,b\n{rows}oops,x\n".encode()))
    assert violations is not None
    assert violations.examples == ['column "lvr": 1 of 20001 values is not a number (first in a.csv row 20001: "oops")']


Value = float | str | None
VALUE = (
    st.none() | st.floats(-5, 5).map(lambda value: round(value, 3)) | st.sampled_from(["x", "nan", "1e", "--1", "1 2"])
)


def as_csv(values: list[Value]) -> bytes:
    return ("v,w\n" + "".join(f"{'' if value is None else value},0\n" for value in values)).encode()


def as_json_lines(values: list[Value]) -> bytes:
    return "".join(json.dumps({"v": value}) + "\n" for value in values).encode()


@settings(max_examples=30, deadline=None)
@given(st.lists(VALUE, min_size=1, max_size=40), st.lists(VALUE, min_size=1, max_size=40))
def test_csv_and_json_lines_have_the_same_violations(
    tmp_path_factory: pytest.TempPathFactory, first: list[Value], second: list[Value]
) -> None:
    """The same values are judged alike in both formats, and every violation is counted exactly once."""
    directory = tmp_path_factory.mktemp("data")
    column = {"name": "v", "type": "number", "min": -1, "max": 1, "nullable": False}
    expected = sum(1 for value in first + second if value is None or isinstance(value, str) or value < -1 or value > 1)
    kinds: tuple[FormatType, ...] = ("csv", "jsonl")
    for kind in kinds:
        encode = as_csv if kind == "csv" else as_json_lines
        violations = violations_of(directory, [column], ("a", encode(first)), ("b", encode(second)), kind=kind)
        assert total_of(violations) == expected

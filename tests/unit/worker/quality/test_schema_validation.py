"""A snapshot's content against its schema: every case of bad data in the sentence a person reads."""

import gzip
import itertools
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.api.types import Column
from modelops.worker.quality.schema_validation import SchemaValidator
from modelops.worker.tabular import readers
from modelops.worker.tabular.readers import MalformedRows, UnreadableObjectError, read_batches

SCRATCHES = itertools.count()


def checked(tmp_path: Path, columns: list[dict], *files: tuple[str, bytes], kind: str = "csv"):
    scratch = tmp_path / f"scratch-{next(SCRATCHES)}"
    scratch.mkdir()
    check = SchemaValidator([Column.model_validate(column) for column in columns], scratch)
    for name, content in files:
        file = tmp_path / "object"
        file.write_bytes(content)
        faults = MalformedRows()
        try:
            for batch in read_batches(file, name, kind, faults):
                check.add(name, batch)
            check.end_object(name)
        except UnreadableObjectError as error:
            check.abandon_object(name)
            check.add_file_violation(str(error))
        if faults.count:
            check.add_file_violation(faults.first, faults.count)
    return check.result()


LVR = {"name": "lvr", "type": "number", "max": 2}


@pytest.mark.parametrize(
    ("columns", "text", "total", "sentence"),
    [
        ([LVR], "lvr\n1\n3.41\n5\n", 2, 'column "lvr": 2 of 3 values are above max 2 (first in a.csv row 2: 3.41)'),
        ([LVR], "lvr\n1\nhigh\n", 1, 'column "lvr": 1 of 2 values is not a number (first in a.csv row 2: "high")'),
        ([LVR], "lvr\nNaN\n", 1, 'column "lvr": 1 of 1 values is not a number (first in a.csv row 1: "NaN")'),
        ([LVR], "lvr\n0x1F\n1e999\n1,5\n", 3, "are not numbers"),
        ([{"name": "a", "type": "number", "min": 0}], "a\n-1\n", 1, "is below min 0 (first in a.csv row 1: -1)"),
        ([{"name": "a", "type": "integer"}], "a\n1\n1.0\n1.5\n", 1, "is not an integer (first in a.csv row 3: 1.5)"),
        (
            [{"name": "a", "type": "boolean"}],
            "a\nTrue\n0\nyes\n",
            1,
            'neither true nor false (first in a.csv row 3: "yes")',
        ),
        (
            [{"name": "a", "type": "string", "nullable": False}],
            "a,b\nx,1\n,2\n",
            1,
            "is missing (first in a.csv row 2)",
        ),
        ([LVR], "ltv\n1\n", 1, 'column "lvr" is missing in a.csv'),
        ([LVR], "lvr,lvr\n1,1\n", 1, 'a.csv has more than one column "lvr"'),
        ([LVR], "lvr,b\n1,2\n1,2,3\n5,2\n", 2, "a.csv row 2 has 3 fields, the header has 2"),
        ([LVR], "lvr,b\n1,2\n1,2,3\n5,2\n", 2, "above max 2 (first in a.csv row 3: 5)"),
        ([LVR], "", 1, "a.csv is not a readable CSV file"),
        ([LVR], "lvr,b\n1,2\n\udcff,2,3\n", 1, "a.csv is not a readable CSV file: invalid UTF-8 near byte 10"),
        ([LVR], "\x89PNG\r\n\x1a\n\0\udcff\udcfe,\0\n\udcff\n", 1, "a.csv is not a readable CSV file"),
    ],
)
def test_csv_violations(tmp_path, columns, text, total, sentence):
    """Each sort of bad value is counted, and told with the first place where it is."""
    found = checked(tmp_path, columns, ("a.csv", text.encode(errors="surrogateescape")))
    assert any(sentence in example for example in found.examples), found
    assert found.total == total


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ([LVR], "lvr\n1\n+.5\n-2e-1\n 1.5 \n2.\n\n"),
        ([LVR], '"","lvr"\n"1","0.5"\n'),
        ([LVR], "\ufefflvr,b\n1,x\n"),
        ([LVR], "lvr,b\r\n1,x\r\n,y\r\n"),
        ([LVR], 'lvr,b\n1,"two\nlines, ""quoted"""\n'),
        ([LVR], "lvr\n"),
        ([{"name": "black", "type": "string"}], 'black\n"no"\n"yes"\n'),
    ],
)
def test_good_csv(tmp_path, columns, text):
    """What R, pandas and spreadsheets write is read without complaint."""
    assert checked(tmp_path, columns, ("a.csv", text.encode())) is None


def test_counts_add_up_over_objects(tmp_path):
    """A violation is counted over the whole dataset, and its first place names the object."""
    found = checked(tmp_path, [LVR], ("a.csv", b"lvr\n1\n"), ("b.csv", b"lvr\n3\n4\n"), ("c.csv", b"other\n1\n"))
    assert found.total == 3
    assert found.examples == [
        'column "lvr" is missing in c.csv',
        'column "lvr": 2 of 3 values are above max 2 (first in b.csv row 1: 3)',
    ]


def test_types_may_change_far_down(tmp_path, monkeypatch):
    """A text at the end of a long column of numbers is one violation with its row, not a file that cannot be read."""
    monkeypatch.setattr(readers, "BLOCK_BYTES", 4096)
    rows = "".join(f"{number % 2},x\n" for number in range(20_000))
    found = checked(tmp_path, [LVR], ("a.csv", f"lvr,b\n{rows}oops,x\n".encode()))
    assert found.examples == ['column "lvr": 1 of 20001 values is not a number (first in a.csv row 20001: "oops")']


def test_a_million_violations_stay_small(tmp_path):
    """However much is wrong, what is reported is a number and a few short sentences."""
    found = checked(tmp_path, [LVR], ("a.csv", b"lvr\n" + b"9\n" * 1_000_000))
    assert found.total == 1_000_000
    assert len(found.examples) == 1


def test_examples_are_bounded(tmp_path):
    """At most ten examples of at most 200 characters, whatever the names are."""
    columns = [{"name": "c" * 250 + str(number), "type": "number"} for number in range(30)]
    found = checked(tmp_path, columns, ("a.csv", b"x\n1\n"))
    assert found.total == 30
    assert len(found.examples) == 10
    assert max(map(len, found.examples)) <= 200


@pytest.mark.parametrize(
    ("columns", "text", "expected"),
    [
        ([LVR], '{"lvr": 1}\n\n{"lvr": null}\n{}\n', None),
        ([LVR], '{"lvr": "1"}\n', 'is not a number (first in a row 1: "1")'),
        ([LVR], '{"lvr": true}\n', "is not a number"),
        ([LVR], '{"lvr": NaN}\n', "a row 1 is not a JSON object"),
        ([LVR], '{"lvr": 1}\n[1]\n{"lvr": 3}\n', "is above max 2 (first in a row 3: 3"),
        ([LVR], '{"x": 1}\n', 'column "lvr" is missing in a'),
        ([{"name": "n", "type": "integer"}], '{"n": 1.0}\n{"n": 2.5}\n', "is not an integer (first in a row 2: 2.5)"),
        ([{"name": "t", "type": "string"}], '{"t": "half \\ud800"}\n', None),
        (
            [{"name": "t", "type": "string"}],
            '{"t": "x"}\n{"\\ud800": 1}\n',
            "a row 2 has a key that is not valid Unicode",
        ),
        ([{"name": "t", "type": "string"}], '{"t": 1}\n', "is not a string (first in a row 1: 1)"),
        ([{"name": "t", "type": "string"}], '{"t": {"a": [1]}}\n', "is not a string"),
        (
            [{"name": "t", "type": "string", "nullable": False}],
            '{"a": 1}\n{"t": "x"}\n',
            "is missing (first in a row 1)",
        ),
        ([{"name": "b", "type": "boolean"}], '{"b": true}\n{"b": 1}\n', "neither true nor false (first in a row 2: 1)"),
    ],
)
def test_json_lines(tmp_path, columns, text, expected):
    """JSON tells its types itself: a number in quotes is not a number."""
    found = checked(tmp_path, columns, ("a", text.encode()), kind="jsonl")
    if expected is None:
        assert found is None
    else:
        assert any(expected in example for example in found.examples), found


def test_parquet(tmp_path):
    """Parquet's own types are checked, and NaN is missing, as pandas writes it."""
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
    found = checked(tmp_path, columns, ("a", (tmp_path / "t").read_bytes()), kind="parquet")
    assert found.total == 5
    assert 'column "lvr": 1 of 3 values is missing (first in a row 2)' in found.examples
    assert 'column "lvr": 1 of 3 values is above max 2 (first in a row 3: 3.0)' in found.examples
    assert (
        checked(tmp_path, columns, ("a", b"PAR1 not"), kind="parquet")
        .examples[0]
        .startswith("a is not a readable Parquet")
    )


def test_gzip(tmp_path):
    """A compressed CSV is read as what it holds; one that is cut off is a violation."""
    content = gzip.compress(b"lvr\n3\n" * 1000)
    assert checked(tmp_path, [LVR], ("a.csv.gz", gzip.compress(b"lvr\n3\n"))).total == 1
    assert "not a readable CSV" in checked(tmp_path, [LVR], ("a.csv.gz", content[:-10])).examples[0]


CELL = (
    st.none() | st.floats(-5, 5).map(lambda value: round(value, 3)) | st.sampled_from(["x", "nan", "1e", "--1", "1 2"])
)


@settings(max_examples=30, deadline=None)
@given(st.lists(CELL, min_size=1, max_size=40), st.lists(CELL, min_size=1, max_size=40))
def test_csv_and_json_lines_agree(tmp_path_factory, one, other):
    """The same values are judged alike in every format, and every violation is counted exactly once."""
    tmp_path = tmp_path_factory.mktemp("data")
    column = {"name": "v", "type": "number", "min": -1, "max": 1, "nullable": False}

    def as_csv(values):
        return ("v,w\n" + "".join(f"{'' if value is None else value},0\n" for value in values)).encode()

    def as_jsonl(values):
        return "".join(json.dumps({"v": value}) + "\n" for value in values).encode()

    expected = sum(1 for value in one + other if value is None or isinstance(value, str) or value < -1 or value > 1)
    for kind, write in (("csv", as_csv), ("jsonl", as_jsonl)):
        found = checked(tmp_path, [column], ("a", write(one)), ("b", write(other)), kind=kind)
        if kind == "jsonl" and (set(one) == {None} or set(other) == {None}):
            continue  # A key that is null throughout is there.
        assert (found.total if found else 0) == expected


def written(kind: str, values: list, tmp_path: Path, name: str = "v") -> bytes:
    """An object with one column, and another beside it so that a row of a missing value is a row."""
    if kind == "csv":
        texts = ["" if value is None else str(value).lower() if value is True else str(value) for value in values]
        return f"{name},w\n{''.join(f'{text},0{chr(10)}' for text in texts)}".encode()
    if kind == "jsonl":
        return "".join(json.dumps({name: value, "w": 0}) + "\n" for value in values).encode()
    parquet.write_table(pa.table({name: values, "w": [0] * len(values)}), tmp_path / "written")
    return (tmp_path / "written").read_bytes()


FORMATS = pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])


@FORMATS
@pytest.mark.parametrize(
    ("column", "values", "total", "sentence"),
    [
        pytest.param(
            {"type": "string", "enum": ["no", "yes"]},
            ["no", "maybe", None, "yes", "No"],
            2,
            'column "v": 2 of 5 values are not in the enum (first in a row 2: "maybe")',
            id="a text that the enum does not name, to the letter",
        ),
        pytest.param(
            {"type": "number", "enum": ["1.0", "2.50", "1e2"]},
            [1, 2.5, 100, 3.5],
            1,
            'column "v": 1 of 4 values is not in the enum (first in a row 4: 3.5)',
            id="numbers are compared as numbers",
        ),
        pytest.param(
            {"type": "integer", "enum": ["9007199254740993"]},
            [9007199254740993, 9007199254740992],
            1,
            'column "v": 1 of 2 values is not in the enum (first in a row 2: 9007199254740992)',
            id="great whole numbers digit by digit",
        ),
        pytest.param(
            {"type": "boolean", "enum": ["True"]},
            [True, False, None],
            1,
            'column "v": 1 of 3 values is not in the enum (first in a row 2: ',
            id="booleans however they are written",
        ),
        pytest.param(
            {"type": "string", "enum": ["a" * 256]},
            ["a" * 256, "a" * 257],
            1,
            "is not in the enum (first in a row 2",
            id="a longer text that begins like one of the enum is another",
        ),
        pytest.param(
            {"type": "string", "unique": True},
            ["x", "y", None, "x", None, "x"],
            2,
            'column "v": 2 of 6 values are duplicates (first in a row 4, as in a row 1)',
            id="values that come again, missing ones aside",
        ),
        pytest.param(
            {"type": "number", "unique": True},
            [0.5, 7.0, 3.0, 7, -0.0, 0.0],
            2,
            'column "v": 2 of 6 values are duplicates (first in a row 4, as in a row 2)',
            id="numbers that are the same",
        ),
        pytest.param(
            {"type": "integer", "unique": True},
            [9007199254740992, 9007199254740993, 1, 10**16],
            0,
            None,
            id="great identifiers that differ in the last digit",
        ),
        pytest.param(
            {"type": "string", "unique": True},
            ["a" * 300, "a" * 301],
            0,
            None,
            id="long texts that differ at their end",
        ),
    ],
)
def test_enum_and_unique(tmp_path, kind, column, values, total, sentence):
    """Both mean the same in every format."""
    found = checked(tmp_path, [{"name": "v", **column}], ("a", written(kind, values, tmp_path)), kind=kind)
    assert (found.total if found else 0) == total
    if sentence is not None:
        (example,) = found.examples
        assert sentence in example


def test_a_value_of_the_wrong_type_is_one_violation(tmp_path):
    """What is not a number is neither told as missing in the enum, nor as a duplicate."""
    column = {"name": "v", "type": "number", "enum": ["1"], "unique": True}
    assert checked(tmp_path, [column], ("a", b"v\nx\nx\n1\n")).total == 2


def test_a_duplicate_names_both_places(tmp_path):
    """Over objects, skipped rows and blank lines, rows are counted as people count them."""
    unique = {"name": "v", "type": "string", "unique": True}
    found = checked(tmp_path, [unique], ("a.csv", b"v,w\n1,0\n2,0,0\n3,0\n"), ("b.csv", b"v,w\n4,0\n3,0\n1,0\n"))
    assert 'column "v": 2 of 5 values are duplicates (first in b.csv row 2, as in a.csv row 3)' in found.examples
    found = checked(tmp_path, [unique], ("a", b'{"v": "x"}\n\n\n{"v": "x"}\n'), kind="jsonl")
    assert found.examples == ['column "v": 1 of 2 values is a duplicate (first in a row 4, as in a row 1)']


@FORMATS
@settings(max_examples=15, deadline=None)
@given(objects=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=30), min_size=1, max_size=5))
def test_enum_and_unique_over_many_objects(tmp_path_factory, kind, objects):
    """In however many objects the same values come, the same violations are counted."""
    tmp_path = tmp_path_factory.mktemp("data")
    allowed = {str(number) for number in range(20)}
    column = {"name": "v", "type": "integer", "enum": sorted(allowed), "unique": True}
    found = checked(
        tmp_path, [column], *((f"o{n}", written(kind, values, tmp_path)) for n, values in enumerate(objects)), kind=kind
    )
    everything = [value for values in objects for value in values]
    expected = sum(str(value) not in allowed for value in everything) + len(everything) - len(set(everything))
    assert (found.total if found else 0) == expected

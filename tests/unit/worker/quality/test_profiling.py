"""The profile is the baseline that drift is measured against: its bins hold exactly the values of the data."""

import json
import math
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.api.types import Schema
from modelops.worker.quality.distributions import apportion
from modelops.worker.quality.profiling import Profile
from modelops.worker.tabular.readers import MalformedRows, read_batches
from support.checkout import ROOT

HMDA = ROOT / "examples" / "mortgage" / "data" / "applications.csv"
Json = dict[str, Any]
FormatType = Literal["csv", "jsonl", "parquet"]


def document_of(directory: Path, kind: FormatType, objects: Sequence[bytes], schema: Json) -> Json:
    """Profile objects one after the other, and return the profile's document."""
    profile = Profile(Schema.model_validate(schema))
    for content in objects:
        (directory / "object").write_bytes(content)
        for batch in read_batches(directory / "object", "object", kind, MalformedRows()):
            profile.add(batch)
    return profile.document("sha256:0", kind)


def columns_of(directory: Path, *objects: bytes, declared: tuple[Json, ...] = ()) -> dict[str, Json]:
    """Profile CSV objects, and return the columns of the document by name."""
    document = document_of(directory, "csv", objects, {"columns": declared})
    return {column["name"]: column for column in document["columns"]}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=300))
def test_counts_are_those_of_the_bins(tmp_path_factory: pytest.TempPathFactory, numbers: list[float]) -> None:
    """A monitor that bins the same data with bisect_right gets the profile's counts, so it measures no drift."""
    text = "v\n" + "".join(f"{number!r}\n" for number in numbers)
    column = columns_of(tmp_path_factory.mktemp("p"), text.encode())["v"]
    counts = [0] * (len(column["edges"]) + 1)
    for number in numbers:
        counts[bisect_right(column["edges"], number)] += 1
    assert column["counts"] == counts
    assert column["edges"] == sorted(set(column["edges"]))
    assert column["mean"] == pytest.approx(np.mean(numbers), abs=1e-6, rel=1e-9)
    assert column["std"] == pytest.approx(np.std(numbers), abs=1e-4, rel=1e-6)


@given(weights=st.lists(st.floats(0, 1), min_size=1, max_size=11), total=st.integers(0, 10_000))
def test_rounded_counts_add_up_to_the_total(weights: list[float], total: int) -> None:
    shares = [weight / sum(weights) for weight in weights] if sum(weights) else [1.0] + [0.0] * (len(weights) - 1)
    counts = apportion(shares, total)
    assert sum(counts) == total
    assert all(abs(count - share * total) < 1.01 for count, share in zip(counts, shares, strict=True))


def test_types_are_inferred_from_all_objects(tmp_path: Path) -> None:
    """A column is numeric only if it is numeric in the last object too. A declared type is not inferred."""
    columns = columns_of(
        tmp_path, b"a,b,zip\n1,1,01\n", b"a,b,zip\n2,x,02\n,,\n", declared=({"name": "zip", "type": "string"},)
    )
    assert [(columns[name]["type"], columns[name]["count"], columns[name]["nulls"]) for name in ("a", "b", "zip")] == [
        ("number", 2, 1),
        ("string", 2, 1),
        ("string", 2, 1),
    ]
    assert columns["zip"]["values"] == [{"value": "01", "count": 1}, {"value": "02", "count": 1}]


def test_a_column_that_the_first_object_lacks_is_missing_in_its_rows(tmp_path: Path) -> None:
    """Counts and nulls of every column add up to the rows."""
    columns = columns_of(tmp_path, b"a\n1\n2\n", b"a,b\n3,x\n")
    assert (columns["b"]["count"], columns["b"]["nulls"]) == (1, 2)


def test_a_column_of_very_many_values_lists_only_the_most_frequent(tmp_path: Path) -> None:
    """A column of names takes fifty entries in the profile, not a million."""
    rows = "".join(f"name-{number}\n" for number in range(40_000)) + "often\n" * 5000
    column = columns_of(tmp_path, f"a\n{rows}".encode())["a"]
    assert len(column["values"]) <= 50
    assert column["values"][0] == {"value": "often", "count": pytest.approx(5000, rel=0.01)}
    assert column["other"] + sum(listed["count"] for listed in column["values"]) == column["count"] == 45_000


def test_numbers_whose_squares_overflow_leave_no_infinity(tmp_path: Path) -> None:
    """JSON cannot hold infinity."""
    column = columns_of(tmp_path, b"a\n1e300\n-1e300\n")["a"]
    assert column["std"] is None or math.isfinite(column["std"])


@pytest.mark.parametrize("number", [0, 1, 5000, 16_000])
def test_up_to_some_thousand_distinct_values_are_counted_exactly(tmp_path: Path, number: int) -> None:
    """For a table of usual size, the number is what a person would count."""
    rows = "".join(f"{i},n{i},{i % 7}\n" for i in range(number)) * 2
    columns = columns_of(tmp_path, f"a,b,c\n{rows}".encode(), declared=({"name": "a", "type": "integer"},))
    assert [columns[name]["distinct"] for name in ("a", "b", "c")] == [number, number, min(number, 7)]


def test_the_empty_text_is_a_distinct_value(tmp_path: Path) -> None:
    """In a format that distinguishes the empty text from a missing value."""
    content = b'{"v": ""}\n{"v": "a"}\n{"v": ""}\n'
    (column,) = document_of(tmp_path, "jsonl", [content], {})["columns"]
    assert column["distinct"] == 2


def test_very_many_distinct_values_are_estimated(tmp_path: Path) -> None:
    """The number is within a few percent, and never greater than the number of values."""
    rows = "".join(f"{i}.5,n{i}\n" for i in range(60_000))
    columns = columns_of(tmp_path, f"a,b\n{rows}".encode())
    for name in ("a", "b"):
        assert columns[name]["distinct"] == pytest.approx(60_000, rel=0.04)
        assert columns[name]["distinct"] <= columns[name]["count"]


Values = list[int | None]
VALUES = st.lists(st.none() | st.integers(-50, 50), min_size=1, max_size=40)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@settings(max_examples=10, deadline=None)
@given(objects=st.lists(VALUES, min_size=1, max_size=5))
def test_the_division_into_objects_does_not_change_the_profile(
    tmp_path_factory: pytest.TempPathFactory, kind: FormatType, objects: list[Values]
) -> None:
    """The same rows in one object or many give the same profile."""
    directory = tmp_path_factory.mktemp("p")
    schema = {"label": {"column": "v", "positive": ["1"]}, "protected": ["g"]}

    def profile_of(*parts: Values) -> Json:
        return document_of(directory, kind, [encode(kind, part, directory / "table") for part in parts], schema)

    def comparable(document: Json) -> Json:
        for column in document["columns"]:
            for rounded in ("mean", "std"):
                if column.get(rounded) is not None:
                    column[rounded] = pytest.approx(column[rounded], abs=1e-9)
        return document

    rows = [value for part in objects for value in part]
    assert comparable(profile_of(*objects)) == profile_of(rows)


def encode(kind: FormatType, values: Values, table: Path) -> bytes:
    """Encode an object with the values and, as a second column, whether each is odd. `table` is a scratch file."""
    groups = ["odd" if value is not None and value % 2 else "even" for value in values]
    if kind == "parquet":
        parquet.write_table(pa.table({"v": pa.array(values, pa.int64()), "g": groups}), table)
        return table.read_bytes()
    rows = list(zip(values, groups, strict=True))
    if kind == "jsonl":
        return "".join(json.dumps({"v": value, "g": group}) + "\n" for value, group in rows).encode()
    return ("v,g\n" + "".join(f"{'' if value is None else value},{group}\n" for value, group in rows)).encode()


@pytest.mark.skipif(not HMDA.exists(), reason="the shared data is not here")
def test_the_examples_data_has_the_figures_of_its_paper(tmp_path: Path) -> None:
    columns = columns_of(tmp_path, HMDA.read_bytes())
    assert columns["deny"]["values"] == [{"value": "no", "count": 2096}, {"value": "yes", "count": 285}]
    assert {listed["value"]: listed["count"] for listed in columns["black"]["values"]} == {"no": 2042, "yes": 339}
    assert columns["dir"]["type"] == "number"
    assert sum(columns["dir"]["counts"]) == columns["dir"]["count"]
    assert columns[""]["type"] == "number"

"""The profile is the baseline that drift is measured against: its bins must hold exactly what was there."""

import json
import math
from bisect import bisect_right
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.api.types import Schema
from modelops.worker.quality.distributions import apportion
from modelops.worker.quality.profiling import Profile
from modelops.worker.tabular.readers import MalformedRows, read_batches
from support.checkout import ROOT

HMDA = ROOT / "examples" / "mortgage" / "data" / "applications.csv"


def profiled(tmp_path: Path, *contents: bytes, columns: tuple[dict, ...] = ()) -> dict[str, dict]:
    profile = Profile(Schema.model_validate({"columns": columns}))
    for content in contents:
        (tmp_path / "object").write_bytes(content)
        for batch in read_batches(tmp_path / "object", "object", "csv", MalformedRows()):
            profile.add(batch)
    return {column["name"]: column for column in profile.document("sha256:0", "csv")["columns"]}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=300))
def test_counts_are_those_of_the_bins(tmp_path_factory, numbers):
    """A monitor that bins the same data with bisect_right gets the profile's own counts: no drift against itself."""
    text = "v\n" + "".join(f"{number!r}\n" for number in numbers)
    found = profiled(tmp_path_factory.mktemp("p"), text.encode())["v"]
    counts = [0] * (len(found["edges"]) + 1)
    for number in numbers:
        counts[bisect_right(found["edges"], number)] += 1
    assert found["counts"] == counts
    assert found["edges"] == sorted(set(found["edges"]))
    assert found["mean"] == pytest.approx(np.mean(numbers), abs=1e-6, rel=1e-9)
    assert found["std"] == pytest.approx(np.std(numbers), abs=1e-4, rel=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=11), st.integers(0, 10_000))
def test_rounded_counts_add_up(weights, total):
    """Whole-number counts have exactly as many values as there were."""
    shares = [weight / sum(weights) for weight in weights] if sum(weights) else [1.0] + [0.0] * (len(weights) - 1)
    counts = apportion(shares, total)
    assert sum(counts) == total
    assert all(abs(count - share * total) < 1.01 for count, share in zip(counts, shares, strict=True))


def test_types_are_inferred_over_all_objects(tmp_path):
    """A column is numeric only if it is so in the last object too; a declared type needs no guess."""
    found = profiled(
        tmp_path, b"a,b,zip\n1,1,01\n", b"a,b,zip\n2,x,02\n,,\n", columns=({"name": "zip", "type": "string"},)
    )
    assert [(found[name]["type"], found[name]["count"], found[name]["nulls"]) for name in ("a", "b", "zip")] == [
        ("number", 2, 1),
        ("string", 2, 1),
        ("string", 2, 1),
    ]
    assert found["zip"]["values"] == [{"value": "01", "count": 1}, {"value": "02", "count": 1}]


def test_a_column_that_comes_late_was_missing_before(tmp_path):
    """Counts and nulls of every column add up to the rows."""
    found = profiled(tmp_path, b"a\n1\n2\n", b"a,b\n3,x\n")
    assert (found["b"]["count"], found["b"]["nulls"]) == (1, 2)


def test_many_values_are_bounded(tmp_path):
    """A column of names takes fifty lines in the profile, not a million."""
    rows = "".join(f"name-{number}\n" for number in range(40_000)) + "often\n" * 5000
    found = profiled(tmp_path, f"a\n{rows}".encode())["a"]
    assert len(found["values"]) <= 50
    assert found["values"][0] == {"value": "often", "count": pytest.approx(5000, rel=0.01)}
    assert found["other"] + sum(one["count"] for one in found["values"]) == found["count"] == 45_000


def test_huge_numbers_stay_json(tmp_path):
    """Numbers whose squares overflow leave no infinity in the profile."""
    found = profiled(tmp_path, b"a\n1e300\n-1e300\n")["a"]
    assert found["std"] is None or math.isfinite(found["std"])


@pytest.mark.parametrize("number", [0, 1, 5000, 16_000])
def test_distinct_values_are_exact_up_to_some_number(tmp_path, number):
    """Of as many values as small tables have, the number is what a person would count."""
    rows = "".join(f"{i},n{i},{i % 7}\n" for i in range(number)) * 2
    found = profiled(tmp_path, f"a,b,c\n{rows}".encode(), columns=({"name": "a", "type": "integer"},))
    assert [found[name]["distinct"] for name in ("a", "b", "c")] == [number, number, min(number, 7)]


def test_the_empty_text_is_a_distinct_value(tmp_path):
    """It is a value like any other where it is not what is missing."""
    path = tmp_path / "object"
    path.write_text('{"v": ""}\n{"v": "a"}\n{"v": ""}\n')
    profile = Profile(Schema(), [])
    for batch in read_batches(path, "object", "jsonl", MalformedRows()):
        profile.add(batch)
    (told,) = profile.document("sha256:0", "jsonl")["columns"]
    assert told["distinct"] == 2


def test_many_distinct_values_are_estimated(tmp_path):
    """Of many values, the number is right within a few per cent, and never greater than there are values."""
    rows = "".join(f"{i}.5,n{i}\n" for i in range(60_000))
    found = profiled(tmp_path, f"a,b\n{rows}".encode())
    for name in ("a", "b"):
        assert found[name]["distinct"] == pytest.approx(60_000, rel=0.04)
        assert found[name]["distinct"] <= found[name]["count"]


COLUMN = st.lists(st.none() | st.integers(-50, 50), min_size=1, max_size=40)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@settings(max_examples=10, deadline=None)
@given(objects=st.lists(COLUMN, min_size=1, max_size=5))
def test_many_objects_are_one(tmp_path_factory, kind, objects):
    """In how many objects and batches rows come makes no difference to what the profile says."""
    tmp_path = tmp_path_factory.mktemp("p")

    def profile_of(*parts):
        profile = Profile(Schema.model_validate({"label": {"column": "v", "positive": ["1"]}, "protected": ["g"]}))
        for part in parts:
            (tmp_path / "object").write_bytes(written(kind, part, tmp_path / "table"))
            for batch in read_batches(tmp_path / "object", "object", kind, MalformedRows()):
                profile.add(batch)
        return profile.document("sha256:0", kind)

    def comparable(document):
        for column in document["columns"]:
            for rounded in ("mean", "std"):
                if column.get(rounded) is not None:
                    column[rounded] = pytest.approx(column[rounded], abs=1e-9)
        return document

    rows = [value for part in objects for value in part]
    assert comparable(profile_of(*objects)) == profile_of(rows)


def written(kind, values, table):
    groups = ["odd" if value is not None and value % 2 else "even" for value in values]
    if kind == "parquet":
        parquet.write_table(pa.table({"v": pa.array(values, pa.int64()), "g": groups}), table)
        return table.read_bytes()
    rows = list(zip(values, groups, strict=True))
    if kind == "jsonl":
        return "".join(json.dumps({"v": value, "g": group}) + "\n" for value, group in rows).encode()
    return ("v,g\n" + "".join(f"{'' if value is None else value},{group}\n" for value, group in rows)).encode()


@pytest.mark.skipif(not HMDA.exists(), reason="the shared data is not here")
def test_the_real_file(tmp_path):
    """The example's data has the figures its paper gives."""
    found = profiled(tmp_path, HMDA.read_bytes())
    assert found["deny"]["values"] == [{"value": "no", "count": 2096}, {"value": "yes", "count": 285}]
    assert {one["value"]: one["count"] for one in found["black"]["values"]} == {"no": 2042, "yes": 339}
    assert found["dir"]["type"] == "number"
    assert sum(found["dir"]["counts"]) == found["dir"]["count"]
    assert found[""]["type"] == "number"

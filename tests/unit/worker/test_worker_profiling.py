"""The profile is the baseline that drift is measured against: its bins must hold exactly what was there."""

import math
from bisect import bisect_right
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.api.types import Column
from modelops.worker.profiling import Profile, apportioned
from modelops.worker.tables import Faults, read

HMDA = Path(__file__).parents[3] / "examples" / "mortgage" / "data" / "applications.csv"


def profiled(tmp_path: Path, *contents: bytes, columns: tuple[dict, ...] = ()) -> dict[str, dict]:
    profile = Profile([Column.model_validate(column) for column in columns])
    for content in contents:
        (tmp_path / "object").write_bytes(content)
        for batch in read(tmp_path / "object", "object", "csv", Faults()):
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
    counts = apportioned(shares, total)
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


@pytest.mark.skipif(not HMDA.exists(), reason="the shared data is not here")
def test_the_real_file(tmp_path):
    """The example's data has the figures its paper gives."""
    found = profiled(tmp_path, HMDA.read_bytes())
    assert found["deny"]["values"] == [{"value": "no", "count": 2096}, {"value": "yes", "count": 285}]
    assert {one["value"]: one["count"] for one in found["black"]["values"]} == {"no": 2042, "yes": 339}
    assert found["dir"]["type"] == "number"
    assert sum(found["dir"]["counts"]) == found["dir"]["count"]
    assert found[""]["type"] == "number"

"""Keys come from whoever may write to a bucket: none may write outside its dataset's directory."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.worker.runtime.object_paths import InvalidObjectPathError, Places, relative_path


@pytest.mark.parametrize(
    ("key", "prefix", "expected"),
    [
        ("mortgage/a.csv", "mortgage/", "a.csv"),
        ("mortgage/2026/a.csv", "mortgage/", "2026/a.csv"),
        ("mortgage/a.csv", "mortgage", "a.csv"),
        ("mortgage/a.csv", "mort", "mortgage/a.csv"),
        ("x/mortgage/a.csv", "x/mort", "mortgage/a.csv"),
        ("mortgage/a.csv", "mortgage/a.csv", "a.csv"),
        ("a.csv", "", "a.csv"),
        ("..a/b..", "", "..a/b.."),
    ],
)
def test_places(key, prefix, expected):
    """A trainer finds its files where SageMaker would have put them."""
    assert relative_path(key, prefix) == PurePosixPath(expected)


@pytest.mark.parametrize(
    ("key", "prefix"),
    [
        ("p/../../etc/passwd", "p/"),
        ("../a", ""),
        ("p/./a", "p/"),
        ("p//a", "p/"),
        ("/etc/passwd", ""),
        ("p/a/", "p/"),
        ("..", ""),
        ("other/a", "p/"),
        ("p/" + "n" * 256, "p/"),
    ],
)
def test_refused(key, prefix):
    """What is no path below the directory is refused, never bent into one."""
    with pytest.raises(InvalidObjectPathError):
        relative_path(key, prefix)


@given(st.text(alphabet="./ab", max_size=12), st.text(alphabet="./ab", max_size=4))
def test_nothing_leads_out(rest, prefix):
    """No key at all leads out of the directory."""
    try:
        path = relative_path(prefix + rest, prefix)
    except InvalidObjectPathError:
        return
    assert (Path("/root") / path).resolve().is_relative_to("/root")
    assert path.parts


@pytest.mark.parametrize(
    ("prefix", "keys"),
    [("data", ["data.csv", "data/data.csv"]), ("x/data", ["x/data/dataset/a", "x/dataset/a"])],
)
def test_two_objects_are_never_one_file(prefix, keys):
    """A prefix that ends in the middle of a name is counted up to two places. The second object is named, not lost."""
    places = Places(prefix)
    places.place(keys[0])
    with pytest.raises(InvalidObjectPathError, match=f'"{keys[1]}" and another one .* end with a slash'):
        places.place(keys[1])

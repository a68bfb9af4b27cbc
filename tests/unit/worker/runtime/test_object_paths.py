"""Keys come from whoever may write to a bucket: no key may write outside its dataset's directory."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.worker.runtime.object_paths import InvalidObjectPathError, ObjectPaths, relative_path


@pytest.mark.parametrize(
    ("key", "prefix", "expected"),
    [
        pytest.param("mortgage/a.csv", "mortgage/", "a.csv", id="an object directly below the prefix"),
        pytest.param("mortgage/2026/a.csv", "mortgage/", "2026/a.csv", id="an object in a directory below the prefix"),
        pytest.param("mortgage/a.csv", "mortgage", "a.csv", id="a prefix without its slash"),
        pytest.param("mortgage/a.csv", "mort", "mortgage/a.csv", id="a prefix that ends in the middle of a name"),
        pytest.param("x/mortgage/a.csv", "x/mort", "mortgage/a.csv", id="a prefix that ends in the middle of a folder"),
        pytest.param("mortgage/a.csv", "mortgage/a.csv", "a.csv", id="a prefix that is the object's whole key"),
        pytest.param("a.csv", "", "a.csv", id="a bucket without a prefix"),
        pytest.param("..a/b..", "", "..a/b..", id="names that begin or end with two dots"),
    ],
)
def test_an_object_has_the_path_that_sagemaker_would_give_it(key: str, prefix: str, expected: str) -> None:
    """A training script that ran on SageMaker finds its files."""
    assert relative_path(key, prefix) == PurePosixPath(expected)


@pytest.mark.parametrize(
    ("key", "prefix"),
    [
        pytest.param("p/../../etc/passwd", "p/", id="a key that climbs out of the prefix"),
        pytest.param("../a", "", id="a key that begins with two dots"),
        pytest.param("p/./a", "p/", id="a key with a single dot"),
        pytest.param("p//a", "p/", id="a key with an empty part"),
        pytest.param("/etc/passwd", "", id="an absolute key"),
        pytest.param("p/a/", "p/", id="a key that ends with a slash"),
        pytest.param("..", "", id="a key of two dots"),
        pytest.param("other/a", "p/", id="a key outside the prefix"),
        pytest.param("p/" + "n" * 256, "p/", id="a name that is longer than file systems allow"),
    ],
)
def test_a_key_that_is_not_a_path_below_the_directory_is_refused(key: str, prefix: str) -> None:
    """A bad key is refused; bent into a valid path it could replace another object's file."""
    with pytest.raises(InvalidObjectPathError):
        relative_path(key, prefix)


@given(st.text(alphabet="./ab", max_size=12), st.text(alphabet="./ab", max_size=4))
def test_no_key_leads_out_of_the_directory(rest: str, prefix: str) -> None:
    """Whatever a bucket holds, a trainer's Pod writes only below its own directory."""
    try:
        path = relative_path(prefix + rest, prefix)
    except InvalidObjectPathError:
        return
    assert (Path("/root") / path).resolve().is_relative_to("/root")
    assert path.parts


@pytest.mark.parametrize(
    ("prefix", "keys"),
    [
        pytest.param("data", ["data.csv", "data/data.csv"], id="a file beside the folder of the same name"),
        pytest.param("x/data", ["x/data/dataset/a", "x/dataset/a"], id="two folders that begin with the prefix"),
    ],
)
def test_two_objects_never_share_a_file(prefix: str, keys: list[str]) -> None:
    """A prefix that ends in the middle of a name can give two objects one path. The second is refused, not lost."""
    object_paths = ObjectPaths(prefix)
    object_paths.path_of(keys[0])
    with pytest.raises(InvalidObjectPathError, match=f'"{keys[1]}": another object also has .* with a slash'):
        object_paths.path_of(keys[1])

"""Paths of the API: no text can name anything but the one object that it is meant for."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelops.machinery.resources import DATASETS, PODS, SECRETS, InvalidNameError, Resource

NAME = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?\Z")
TEXTS = st.text() | st.text(alphabet="ab/.%-~\\?#&=2FfE\n\0 ", max_size=20) | st.from_regex(NAME)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PODS.path(), "/api/v1/pods"),
        (PODS.path("team"), "/api/v1/namespaces/team/pods"),
        (PODS.path("team", "a.b-1"), "/api/v1/namespaces/team/pods/a.b-1"),
        (DATASETS.path("team", "a", "status"), "/apis/modelops.dev/v1alpha1/namespaces/team/datasets/a/status"),
    ],
)
def test_paths_are_those_of_the_api(path: str, expected: str) -> None:
    """A namespace, a name and a subresource are a segment each."""
    assert path == expected


@given(namespace=TEXTS, name=TEXTS)
@example("team", "")
@example("", "a")
@example("team", "..")
@example("team", "../../other/secrets/x")
@example("team", "a%2F..%2F..")
@example("team", "a\n")
@example("team", "\u0661")
@example("..", "a")
def test_any_text_is_refused_or_is_one_segment(namespace: str, name: str) -> None:
    """A text with dots and slashes would lead to the Secrets of another namespace."""
    try:
        path = SECRETS.path(namespace, name)
    except InvalidNameError:
        return
    assert NAME.match(namespace)
    assert NAME.match(name)
    assert path.split("/") == ["", "api", "v1", "namespaces", namespace, "secrets", name]


@given(subresource=st.text(min_size=1))
def test_every_other_segment_is_quoted_as_a_whole(subresource: str) -> None:
    """Slashes, question marks and percent signs of any part never end its segment."""
    path = Resource("a/b", "v1?", "p#", "Kind").path("team", "a", subresource)
    assert path.startswith("/apis/a%2Fb/v1%3F/namespaces/team/p%23/a/")
    assert path.count("/") == 8
    assert not set("?# ") & set(path)


@pytest.mark.parametrize("name", ["a/b", "..", "A", "a_b", "-a", "a.", "a..b", "a" * 254])
def test_a_refusal_shows_the_name_and_what_a_name_is(name: str) -> None:
    """An object from before its definition had a pattern shows this message in its status."""
    with pytest.raises(InvalidNameError, match=r'^"[^"]+" cannot be the name of a Secret; use at most 253 lower-case'):
        SECRETS.path("team", name)


def test_a_pod_is_kept_without_its_long_annotations() -> None:
    """A model with a thousand Pods would otherwise have its lineage in the cache a thousand times."""
    annotations = {"modelops.dev/lineage": "x" * 70_000, "modelops.dev/artifact-digest": "sha256:" + "a" * 64}
    kept = PODS.trim({"metadata": {"name": "a", "annotations": annotations}, "spec": {}})
    assert kept["metadata"]["annotations"] == {"modelops.dev/artifact-digest": "sha256:" + "a" * 64}

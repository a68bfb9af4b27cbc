"""The cache holds the newest version of each existing object, and finds objects by their index keys."""

from collections.abc import Iterable
from typing import Any

from modelops.machinery.cache import Cache, IndexKey
from modelops.machinery.resources import Body, Key


def job(name: str = "j", version: int = 1, owner: str = "o", namespace: str = "n", uid: str = "u") -> Body:
    return {
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "resourceVersion": str(version),
            "labels": {"owner": owner},
            "managedFields": [{"much": "of it"}],
        },
        "spec": {"backoffLimit": 1, "template": {"much": "of it"}},
    }


def by_owner(body: Body) -> Iterable[IndexKey]:
    return [("owner", body["metadata"]["labels"]["owner"])]


def cache(*bodies: Body) -> Cache:
    filled = Cache({"Job": by_owner})
    for body in bodies:
        filled.put(body)
    return filled


def names(cache: Cache, owner: str) -> list[str]:
    return [key.name for key in cache.find("owner", owner, kind="Job")]


def test_an_older_version_never_replaces_a_newer_one() -> None:
    """Watch, LIST and the operator's own writes race: an older version is not a change."""
    filled = cache(job(version=5, owner="new"))
    assert not filled.put(job(version=4, owner="old"))
    assert not filled.put(job(version=5, owner="old"))
    assert (names(filled, "new"), names(filled, "old")) == (["j"], [])


def test_the_index_follows_a_changed_object() -> None:
    """An object with another index key is found by the new key only."""
    filled = cache(job(owner="a"))
    assert filled.put(job(version=2, owner="b"))
    assert (names(filled, "a"), names(filled, "b")) == ([], ["j"])


def test_a_deleted_object_is_removed_but_not_its_successor() -> None:
    """A deleted child is not relied on, and a late deletion event does not remove a newer object of the same name."""
    filled = cache(job(version=7))
    assert not filled.drop(job(version=6))
    assert filled.drop(job(version=8))
    assert not filled.drop(job(version=9))
    assert (names(filled, "o"), filled.total()) == ([], 0)


def test_a_full_list_removes_missing_objects() -> None:
    """A LIST removes what it does not contain, except newer objects and those in other namespaces."""
    filled = cache(job("gone"), job("kept"), job("newer", version=12), job("elsewhere", namespace="m"))
    removed = filled.keep_only("Job", "n", {Key("Job", "n", "kept")}, as_of=10)
    assert [body["metadata"]["name"] for body in removed] == ["gone"]
    assert set(names(filled, "o")) == {"elsewhere", "kept", "newer"}


def test_fields_that_no_decision_reads_are_dropped() -> None:
    """The templates of five thousand Jobs would be most of the operator's memory."""
    body: Any = cache(job()).body(Key("Job", "n", "j"))
    assert body["spec"] == {"backoffLimit": 1}
    assert "managedFields" not in body["metadata"]

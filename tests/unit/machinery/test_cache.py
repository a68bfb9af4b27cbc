"""The cache: the newest version of each object, found by what it is about, and nothing that is gone."""

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


def found(cache: Cache, owner: str) -> list[str]:
    return [key.name for key in cache.find("owner", owner, kind="Job")]


def test_an_older_version_never_replaces_a_newer_one() -> None:
    """Watch, LIST and the operator's own writes race: what is older is no news."""
    filled = cache(job(version=5, owner="new"))
    assert not filled.put(job(version=4, owner="old"))
    assert not filled.put(job(version=5, owner="old"))
    assert (found(filled, "new"), found(filled, "old")) == (["j"], [])


def test_the_index_follows_the_object() -> None:
    """An object that changes what it is about is found by the new, and no longer by the old."""
    filled = cache(job(owner="a"))
    assert filled.put(job(version=2, owner="b"))
    assert (found(filled, "a"), found(filled, "b")) == ([], ["j"])


def test_what_is_gone_is_gone() -> None:
    """A deleted child is not counted on, but the late news of a deletion does not take its successor along."""
    filled = cache(job(version=7))
    assert not filled.drop(job(version=6))
    assert filled.drop(job(version=8))
    assert not filled.drop(job(version=9))
    assert (found(filled, "o"), filled.total()) == ([], 0)


def test_a_full_list_heals() -> None:
    """What a LIST did not have is forgotten, but for what was made after it and for other namespaces."""
    filled = cache(job("gone"), job("kept"), job("newer", version=12), job("elsewhere", namespace="m"))
    forgotten = filled.keep_only("Job", "n", {Key("Job", "n", "kept")}, as_of=10)
    assert [body["metadata"]["name"] for body in forgotten] == ["gone"]
    assert found(filled, "o") == ["elsewhere", "kept", "newer"] or set(found(filled, "o")) == {
        "elsewhere",
        "kept",
        "newer",
    }


def test_what_no_decision_reads_is_not_kept() -> None:
    """Five thousand Jobs' templates would be most of the operator's memory."""
    body: Any = cache(job()).body(Key("Job", "n", "j"))
    assert body["spec"] == {"backoffLimit": 1}
    assert "managedFields" not in body["metadata"]

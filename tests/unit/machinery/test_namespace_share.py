"""A namespace has a bounded share of the operator's memory, whatever its users write."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from modelops.machinery.cache import Cache
from modelops.machinery.namespace_share import left_out, written_bytes
from modelops.machinery.resources import Body, Key

MEBIBYTE = 1024 * 1024


def run(name: str, kibibytes: int, version: int = 1, namespace: str = "n", status: Any = None) -> Body:
    return {
        "kind": "TrainingRun",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-of-{name}",
            "resourceVersion": str(version),
            "annotations": {"note": "of a user"},
        },
        "spec": {"text": "x" * (kibibytes * 1024)},
        "status": status or {},
    }


def key(name: str, namespace: str = "n") -> Key:
    return Key("TrainingRun", namespace, name)


def cache(*bodies: Body) -> Cache:
    filled = Cache({"TrainingRun": lambda body: [("all", body["metadata"]["namespace"])]}, mebibytes_per_namespace=1)
    for body in bodies:
        filled.put(body)
    return filled


def test_an_object_beyond_the_share_is_kept_as_its_identity() -> None:
    """Hundreds of the largest objects that the API admits must not end the operator, nor touch other namespaces."""
    filled = cache(run("a", 600), run("b", 600), run("c", 100), run("b", 600, namespace="m"))
    assert [filled.leaves_out(key(name)) for name in "abc"] == [False, True, False]
    assert not filled.leaves_out(key("b", "m"))
    body: Any = filled.body(key("b"))
    assert "spec" not in body
    assert "annotations" not in body["metadata"]
    assert [found.name for found in filled.find("all", "n", kind="TrainingRun")] == ["a", "c"]
    assert {each["metadata"]["name"] for each in filled.all("TrainingRun") if each["metadata"]["namespace"] == "n"} == {
        "a",
        "c",
    }


def test_an_object_that_is_left_out_is_taken_up_once_there_is_room() -> None:
    """A LIST delivers the same version again: it is a change then, or the object would never be reconciled."""
    filled = cache(run("a", 600), run("b", 600))
    assert not filled.put(run("b", 600))
    assert filled.drop(run("a", 600, version=2))
    assert filled.put(run("b", 600))
    assert not filled.leaves_out(key("b"))


def test_the_status_of_an_object_does_not_count() -> None:
    """A run under way must not be left out because of what the operator writes about it."""
    filled = cache(run("a", 600), run("b", 300))
    assert filled.put(run("b", 300, version=2, status={"message": "x" * MEBIBYTE}))
    assert not filled.leaves_out(key("b"))


def test_an_object_that_grows_beyond_the_share_is_left_out() -> None:
    """Many small objects could each grow later."""
    filled = cache(run("a", 600), run("b", 300))
    assert filled.put(run("b", 600, version=2))
    assert filled.leaves_out(key("b"))


def test_what_is_left_out_keeps_its_conditions() -> None:
    """Without them each reconcile would write the same condition with another time."""
    conditions = [{"type": "Ready", "status": "False"}]
    kept = left_out(run("a", 1, status={"conditions": conditions, "message": "x" * MEBIBYTE}))
    assert kept["status"] == {"conditions": conditions}
    assert written_bytes(kept) < 200


def test_a_removed_object_that_was_left_out_wakes_no_others() -> None:
    """What others know of it is in its spec, which the cache does not have."""
    filled = cache(run("a", 600), run("b", 600))
    removed = filled.keep_only("TrainingRun", "n", set(), as_of=10)
    assert [body["metadata"]["name"] for body in removed] == ["a"]
    assert filled.total() == 0


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 700), st.booleans()), max_size=30))
def test_a_namespace_never_exceeds_its_share(changes: list[tuple[str, int, bool]]) -> None:
    """Whatever the order in which objects are created, grow, shrink and are deleted."""
    filled = cache()
    for version, (name, kibibytes, deleted) in enumerate(changes, start=1):
        body = run(name, kibibytes, version)
        if deleted:
            filled.drop(body)
        else:
            filled.put(body)
        held = sum(written_bytes(each) for each in filled.all("TrainingRun"))
        assert held <= MEBIBYTE

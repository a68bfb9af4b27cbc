"""Datasets that a Job looks at: prefixes of too many objects and claims; and looks that somebody asks for."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hack.cluster import machine
from support import real_cluster
from support.real_cluster import Body, RealCluster, Space, has
from support.real_datasets import claim_of, current, digest_of, message

_GOOD = "lvr,deny\n0.5,true\n0.7,false\n"
_FEW = {"maxObjects": 2}
_SCHEMA: Body = {"columns": [{"name": "lvr", "type": "number", "max": 2}]}


class _Begun(NamedTuple):
    space: Space
    directory: Path
    """What is in the claim."""


@pytest.fixture(scope="module")
def begun(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Begun]:
    """Datasets of one namespace, all begun at once since each takes a Job: a test looks at its own alone."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    space = real_cluster.make_space(cluster, name)
    directory = tmp_path_factory.mktemp("claim")
    directory.chmod(0o755)
    for letter in "abc":
        space.upload(f"large/{letter}.csv", _GOOD)
        space.upload(f"always/{letter}.csv", _GOOD)
        space.upload(f"asked/{letter}.csv", _GOOD)
    space.upload("probed/a.csv", _GOOD)
    space.apply(
        _dataset(space, "large", probe=_FEW, schema=_SCHEMA),
        _dataset(space, "nothing", probe={"maxObjects": 0}),
        _dataset(space, "always", probe={"maxObjects": 0}),
        _dataset(space, "asked", probe=_FEW, interval="1h"),
        _dataset(space, "probed", interval="1h"),
        _on_claim(space, "claimed"),
    )
    yield _Begun(space, directory)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
    cluster.kubectl("delete", "persistentvolume", f"{name}-files", "--ignore-not-found", "--wait=false")


def _dataset(space: Space, name: str, **spec: Any) -> Body:
    """A Dataset of the prefix of its name."""
    return space.dataset(name, f"{name}/", **{"interval": "1s", **spec})


def _on_claim(space: Space, name: str) -> Body:
    source = {"pvc": {"claimName": "files", "path": "mortgage/2026"}}
    return space.object("Dataset", name, {"source": source, "interval": "1s", "settle": "0s", "schema": _SCHEMA})


def _ask(space: Space, name: str, value: str) -> None:
    space.cluster.kubectl("annotate", "dataset", name, "-n", space.name, f"modelops.dev/refresh={value}", "--overwrite")


def _looked_after(before: str) -> Any:
    return lambda body: body["status"].get("probedAt", "") > before


def test_a_prefix_of_many_objects_is_pinned_by_a_job(begun: _Begun) -> None:
    """More objects than the operator may list make the same snapshot that it would have had read: its digest is that
    of the documentation, a change is found, and bad data is told and never becomes current.
    """
    space, _ = begun
    first = digest_of(space, "large/")
    taken = space.wait("dataset", "large", current(first))
    assert (taken["status"]["snapshot"]["objects"], taken["status"]["snapshot"]["rows"]) == (3, 6)
    assert has("Reproducible", "True", "Pinned")(taken)
    assert taken["status"]["probedAt"]

    space.upload("large/d.csv", _GOOD)
    second = digest_of(space, "large/")
    more = space.wait("dataset", "large", current(second))
    assert [one["digest"] for one in more["status"]["history"]] == [second, first]

    space.upload("large/d.csv", "lvr,deny\n3.41,true\n")
    told = space.wait("dataset", "large", has("Valid", "False", "SchemaViolated"))
    assert told["status"]["candidate"]["digest"] == digest_of(space, "large/")
    assert "3.41" in message(told, "Valid")
    assert told["status"]["snapshot"]["digest"] == second
    # What was rejected is looked at again, and not read again: it was rejected once, and stays so.
    ended_at = told["status"]["candidate"]["endedAt"]
    again = space.wait("dataset", "large", _looked_after(told["status"]["probedAt"]))
    assert again["status"]["candidate"]["endedAt"] == ended_at


def test_nothing_new_changes_nothing_but_the_time(begun: _Begun) -> None:
    """A survey that finds what is known costs one write, and its Job goes."""
    space, _ = begun
    before = space.wait("dataset", "always", current(digest_of(space, "always/")))
    for _ in range(2):
        looked_at = before["status"]["probedAt"]
        after = space.wait("dataset", "always", _looked_after(looked_at))
        assert {**after["status"], "probedAt": ""} == {**before["status"], "probedAt": ""}
        before = after
    assert len(space.listed("jobs", "modelops.dev/dataset=always")) <= 2


def test_nothing_at_all_is_told_by_a_job_as_well(begun: _Begun) -> None:
    """An empty prefix is told, once, and mended by the first upload."""
    space, _ = begun
    told = space.wait("dataset", "nothing", has("Stalled", "True", "EmptyPrefix"))
    ended_at = told["status"]["candidate"]["endedAt"]
    again = space.wait("dataset", "nothing", _looked_after(told["status"]["probedAt"]))
    assert again["status"]["candidate"]["endedAt"] == ended_at
    space.upload("nothing/a.csv", _GOOD)
    space.wait("dataset", "nothing", current(digest_of(space, "nothing/")))


def test_a_look_can_be_asked_for(begun: _Begun) -> None:
    """Who has just uploaded data need not wait an hour, and asks once: the same value asks for nothing more."""
    space, _ = begun
    before = digest_of(space, "probed/")
    space.wait("dataset", "probed", current(before))
    space.upload("probed/b.csv", _GOOD)
    after = digest_of(space, "probed/")
    _ask(space, "probed", "monday")
    taken = space.wait("dataset", "probed", current(after))
    assert taken["status"]["lastHandledRefresh"] == "monday"
    assert [one["digest"] for one in taken["status"]["history"]] == [after, before]


def test_a_look_can_be_asked_for_where_a_job_looks(begun: _Begun) -> None:
    """The same, where the operator does not look itself; a suspended Dataset keeps the request for later."""
    space, _ = begun
    before = digest_of(space, "asked/")
    space.wait("dataset", "asked", current(before))
    space.upload("asked/d.csv", _GOOD)
    after = digest_of(space, "asked/")
    _ask(space, "asked", "monday")
    taken = space.wait("dataset", "asked", current(after))
    assert taken["status"]["lastHandledRefresh"] == "monday"

    space.apply(_dataset(space, "asked", probe=_FEW, interval="1h", suspend=True))
    space.wait("dataset", "asked", has("Ready", "True", "Suspended"))
    _ask(space, "asked", "tuesday")
    space.apply(_dataset(space, "asked", probe=_FEW, interval="1h"))
    resumed = space.wait("dataset", "asked", lambda body: body["status"].get("lastHandledRefresh") == "tuesday")
    assert resumed["status"]["snapshot"]["digest"] == after


@pytest.mark.skipif(machine.docker_answers(), reason="kind's node does not have the files of this machine")
def test_a_claim_is_waited_for_pinned_and_watched(begun: _Begun) -> None:
    """Files of a volume become snapshots as objects of a bucket do: in any order of applying, with every change, and
    without anybody calling them reproducible.
    """
    space, directory = begun
    waiting = space.wait("dataset", "claimed", has("Reconciling", "True", "ClaimNotFound"))
    assert '"files"' in message(waiting)

    data = directory / "mortgage" / "2026"
    data.mkdir(parents=True)
    (data / "a.csv").write_text(_GOOD)
    (directory / "not-of-this-dataset.csv").write_text("nothing\n")
    space.apply(*claim_of(space, "files", directory))
    taken = space.wait("dataset", "claimed", has("Ready"))
    first = taken["status"]["snapshot"]
    assert (first["objects"], first["rows"], first["bytes"]) == (1, 2, len(_GOOD))
    assert first["source"] == {"pvc": {"claimName": "files", "path": "mortgage/2026"}}
    assert has("Reproducible", "False", "VolumeNotVersioned")(taken)

    same = space.wait("dataset", "claimed", _looked_after(taken["status"]["probedAt"]))
    assert same["status"]["snapshot"] == first

    (data / "b.csv").write_text(_GOOD)
    more = space.wait("dataset", "claimed", lambda body: body["status"]["snapshot"]["digest"] != first["digest"])
    second = more["status"]["snapshot"]
    assert (second["objects"], second["rows"]) == (2, 4)
    assert [one["digest"] for one in more["status"]["history"]] == [second["digest"], first["digest"]]

    (data / "b.csv").write_text("lvr,deny\n3.41,true\n")
    told = space.wait("dataset", "claimed", has("Valid", "False", "SchemaViolated"))
    assert "3.41" in message(told, "Valid")
    assert told["status"]["snapshot"]["digest"] == second["digest"]
    (data / "b.csv").unlink()
    mended = space.wait("dataset", "claimed", current(first["digest"]))
    assert "candidate" not in mended["status"]

"""Datasets whose source a Job probes, large prefixes and claims, and probes on request."""

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


class _Shared(NamedTuple):
    space: Space
    directory: Path
    """Directory behind the claim."""


@pytest.fixture(scope="module")
def shared(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Shared]:
    """Return a namespace with the Datasets of all tests, started at once because each waits for a Job."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    space = real_cluster.make_space(cluster, name)
    directory = tmp_path_factory.mktemp("claim")
    directory.chmod(0o755)
    for letter in "abc":
        space.upload(f"large/{letter}.csv", _GOOD)
        space.upload(f"always/{letter}.csv", _GOOD)
        space.upload(f"refreshed/{letter}.csv", _GOOD)
    space.upload("probed/a.csv", _GOOD)
    space.apply(
        _dataset(space, "large", probe=_FEW, schema=_SCHEMA),
        _dataset(space, "nothing", probe={"maxObjects": 0}),
        _dataset(space, "always", probe={"maxObjects": 0}),
        _dataset(space, "refreshed", probe=_FEW, interval="1h"),
        _dataset(space, "probed", interval="1h"),
        _on_claim(space, "claimed"),
    )
    yield _Shared(space, directory)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
    cluster.kubectl("delete", "persistentvolume", f"{name}-files", "--ignore-not-found", "--wait=false")


def _dataset(space: Space, name: str, **spec: Any) -> Body:
    """Build a Dataset whose prefix is its name."""
    return space.dataset(name, f"{name}/", **{"interval": "1s", **spec})


def _on_claim(space: Space, name: str) -> Body:
    source = {"pvc": {"claimName": "files", "path": "mortgage/2026"}}
    return space.object("Dataset", name, {"source": source, "interval": "1s", "settle": "0s", "schema": _SCHEMA})


def _request_refresh(space: Space, name: str, value: str) -> None:
    space.cluster.kubectl("annotate", "dataset", name, "-n", space.name, f"modelops.dev/refresh={value}", "--overwrite")


def _probed_after(before: str) -> Any:
    return lambda body: body["status"].get("probedAt", "") > before


def test_a_prefix_of_more_objects_than_the_operator_lists_is_probed_by_a_job(shared: _Shared) -> None:
    """A Job makes the same snapshots as the operator: same digest, changes detected, bad data rejected."""
    space, _ = shared
    first = digest_of(space, "large/")
    dataset = space.wait("dataset", "large", current(first))
    assert (dataset["status"]["snapshot"]["objects"], dataset["status"]["snapshot"]["rows"]) == (3, 6)
    assert has("Reproducible", "True", "Pinned")(dataset)
    assert dataset["status"]["probedAt"]

    space.upload("large/d.csv", _GOOD)
    second = digest_of(space, "large/")
    more = space.wait("dataset", "large", current(second))
    assert [snapshot["digest"] for snapshot in more["status"]["history"]] == [second, first]

    space.upload("large/d.csv", "lvr,deny\n3.41,true\n")
    dataset = space.wait("dataset", "large", has("Valid", "False", "SchemaViolated"))
    assert dataset["status"]["candidate"]["digest"] == digest_of(space, "large/")
    assert "3.41" in message(dataset, "Valid")
    assert dataset["status"]["snapshot"]["digest"] == second
    # The rejected candidate is probed again, but neither read nor rejected again.
    ended_at = dataset["status"]["candidate"]["endedAt"]
    again = space.wait("dataset", "large", _probed_after(dataset["status"]["probedAt"]))
    assert again["status"]["candidate"]["endedAt"] == ended_at


def test_a_probe_job_that_finds_no_change_writes_only_the_time_of_the_probe(shared: _Shared) -> None:
    """A probe without a change costs one write, and its Job is deleted."""
    space, _ = shared
    before = space.wait("dataset", "always", current(digest_of(space, "always/")))
    for _ in range(2):
        probed_at = before["status"]["probedAt"]
        after = space.wait("dataset", "always", _probed_after(probed_at))
        assert {**after["status"], "probedAt": ""} == {**before["status"], "probedAt": ""}
        before = after
    assert len(space.listed("jobs", "modelops.dev/dataset=always")) <= 2


def test_an_empty_prefix_found_by_a_probe_job_stalls_the_dataset_until_an_upload(shared: _Shared) -> None:
    """An empty prefix is rejected once, and the first upload becomes current."""
    space, _ = shared
    dataset = space.wait("dataset", "nothing", has("Stalled", "True", "EmptyPrefix"))
    ended_at = dataset["status"]["candidate"]["endedAt"]
    again = space.wait("dataset", "nothing", _probed_after(dataset["status"]["probedAt"]))
    assert again["status"]["candidate"]["endedAt"] == ended_at
    space.upload("nothing/a.csv", _GOOD)
    space.wait("dataset", "nothing", current(digest_of(space, "nothing/")))


def test_a_refresh_probes_the_source_at_once(shared: _Shared) -> None:
    """The annotation `refresh` probes before the interval is over. Each value is handled once."""
    space, _ = shared
    before = digest_of(space, "probed/")
    space.wait("dataset", "probed", current(before))
    space.upload("probed/b.csv", _GOOD)
    after = digest_of(space, "probed/")
    _request_refresh(space, "probed", "monday")
    dataset = space.wait("dataset", "probed", current(after))
    assert dataset["status"]["lastHandledRefresh"] == "monday"
    assert [snapshot["digest"] for snapshot in dataset["status"]["history"]] == [after, before]


def test_a_refresh_runs_a_probe_job_at_once(shared: _Shared) -> None:
    """The annotation `refresh` starts a probe Job. A suspended Dataset handles the request once resumed."""
    space, _ = shared
    before = digest_of(space, "refreshed/")
    space.wait("dataset", "refreshed", current(before))
    space.upload("refreshed/d.csv", _GOOD)
    after = digest_of(space, "refreshed/")
    _request_refresh(space, "refreshed", "monday")
    dataset = space.wait("dataset", "refreshed", current(after))
    assert dataset["status"]["lastHandledRefresh"] == "monday"

    space.apply(_dataset(space, "refreshed", probe=_FEW, interval="1h", suspend=True))
    space.wait("dataset", "refreshed", has("Ready", "True", "Suspended"))
    _request_refresh(space, "refreshed", "tuesday")
    space.apply(_dataset(space, "refreshed", probe=_FEW, interval="1h"))
    resumed = space.wait("dataset", "refreshed", lambda body: body["status"].get("lastHandledRefresh") == "tuesday")
    assert resumed["status"]["snapshot"]["digest"] == after


@pytest.mark.skipif(machine.docker_answers(), reason="kind's node does not have the files of this machine")
def test_files_of_a_claim_become_snapshots_as_objects_of_a_bucket_do(shared: _Shared) -> None:
    """A Dataset waits for its claim, takes snapshots of each change, and is never reproducible."""
    space, directory = shared
    waiting = space.wait("dataset", "claimed", has("Reconciling", "True", "ClaimNotFound"))
    assert '"files"' in message(waiting)

    data = directory / "mortgage" / "2026"
    data.mkdir(parents=True)
    (data / "a.csv").write_text(_GOOD)
    (directory / "not-of-this-dataset.csv").write_text("nothing\n")
    space.apply(*claim_of(space, "files", directory))
    dataset = space.wait("dataset", "claimed", has("Ready"))
    first = dataset["status"]["snapshot"]
    assert (first["objects"], first["rows"], first["bytes"]) == (1, 2, len(_GOOD))
    assert first["source"] == {"pvc": {"claimName": "files", "path": "mortgage/2026"}}
    assert has("Reproducible", "False", "VolumeNotVersioned")(dataset)

    same = space.wait("dataset", "claimed", _probed_after(dataset["status"]["probedAt"]))
    assert same["status"]["snapshot"] == first

    (data / "b.csv").write_text(_GOOD)
    more = space.wait("dataset", "claimed", lambda body: body["status"]["snapshot"]["digest"] != first["digest"])
    second = more["status"]["snapshot"]
    assert (second["objects"], second["rows"]) == (2, 4)
    assert [snapshot["digest"] for snapshot in more["status"]["history"]] == [second["digest"], first["digest"]]

    (data / "b.csv").write_text("lvr,deny\n3.41,true\n")
    dataset = space.wait("dataset", "claimed", has("Valid", "False", "SchemaViolated"))
    assert "3.41" in message(dataset, "Valid")
    assert dataset["status"]["snapshot"]["digest"] == second["digest"]
    (data / "b.csv").unlink()
    mended = space.wait("dataset", "claimed", current(first["digest"]))
    assert "candidate" not in mended["status"]

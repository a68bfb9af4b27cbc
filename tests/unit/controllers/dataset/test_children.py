"""The Jobs of a Dataset: their task, their permissions, and when two of them are the same Job."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from modelops.api.contract.tasks import TASK_VARIABLE, VOLUME_DIR, SnapshotTask
from modelops.controllers.dataset import children
from modelops.machinery.resources import Body
from support.builders.common import ago, digest, settings
from support.builders.datasets import CLAIM, S3, dataset, snapshot
from support.controllers.dataset_cases import (
    CHECKS,
    GOOD,
    ON_CLAIM,
    PROBED,
    SCHEMA,
    candidate,
    probe_job_name,
    snapshot_job_name,
)
from support.golden import assert_golden

DRIFT = {"column": "lvr", "drift": {"max": 0.2}}
GROWTH = {"rowsChange": {"min": -0.1}}
ROWS = {"rows": {"min": 1}}


def task_of(body: Body) -> SnapshotTask:
    (container,) = body["spec"]["template"]["spec"]["containers"]
    (variable,) = (variable for variable in container["env"] if variable["name"] == TASK_VARIABLE)
    return SnapshotTask.model_validate(json.loads(variable["value"].replace("$$", "$")))


def test_golden_snapshot_job() -> None:
    """The whole Job, for readers, and so that a change of a name or a container is seen before an upgrade."""
    source = {"s3": {"bucket": "data", "prefix": "mortgage/", "secretRef": {"name": "s3"}}}
    given = dataset(source=source, schema=SCHEMA, checks=[ROWS], pod={"serviceAccountName": "reader"})
    assert_golden("dataset-snapshot-job.yaml", children.snapshot_job(given, digest("a"), settings()))


def test_names_of_jobs_are_pinned() -> None:
    """An operator that named a Job otherwise after an upgrade would run a second one beside it."""
    public = {"s3": {name: value for name, value in S3["s3"].items() if name != "secretRef"}}
    assert snapshot_job_name("a", source=public) == "mortgage-cb1d7cf1ec"
    assert snapshot_job_name("b", source=public, schema=SCHEMA, checks=[ROWS]) == "mortgage-00499ab771"
    assert probe_job_name(source=CLAIM) == "mortgage-0e5e93a5ca"
    assert probe_job_name(PROBED, "now", source=CLAIM) == "mortgage-0f277c9a6b"


def test_a_snapshot_job_is_restricted() -> None:
    """The Job must be admitted in a namespace that enforces the restricted Pod Security Standard, and hold no token."""
    job = children.snapshot_job(dataset(), digest("a"), settings())
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    volumes = {volume["name"] for volume in spec["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_a_claim_is_mounted_read_only() -> None:
    """Neither the worker nor the kubelet, which would else change the owner of the files, may change the data."""
    spec = children.probe_job(dataset(source=CLAIM), settings())["spec"]["template"]["spec"]
    (volume,) = (volume for volume in spec["volumes"] if "persistentVolumeClaim" in volume)
    assert volume["persistentVolumeClaim"] == {"claimName": "files", "readOnly": True}
    (container,) = spec["containers"]
    (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == volume["name"])
    assert {**mount, "name": ""} == {
        "name": "",
        "mountPath": VOLUME_DIR,
        "readOnly": True,
        "subPath": "mortgage/2026",
    }


def test_a_claim_without_a_path_is_mounted_whole() -> None:
    """Not every version of Kubernetes takes an empty subPath for none."""
    whole = {"pvc": {"claimName": "files"}}
    (container,) = children.probe_job(dataset(source=whole), settings())["spec"]["template"]["spec"]["containers"]
    (mount,) = (mount for mount in container["volumeMounts"] if mount["mountPath"] == VOLUME_DIR)
    assert "subPath" not in mount


def test_a_snapshot_job_gets_a_digest_and_a_probe_job_what_is_known() -> None:
    """A task has exactly one of the two: with both, the worker would read data that nothing asked for."""
    reads = task_of(children.snapshot_job(dataset(), digest("b"), settings()))
    assert (reads.expect_digest, reads.probe) == (digest("b"), None)
    probes = task_of(children.probe_job(dataset(source=CLAIM, settle="90s"), settings()))
    assert (probes.expect_digest, probes.source) == (None, None)
    assert probes.probe is not None
    assert probes.probe.settle_seconds == 90


REJECTED = candidate("b", "Rejected", checkedWith=CHECKS, endedAt=ago())


@dataclass(frozen=True)
class Known:
    """A Dataset on a claim, and what its probe Job need not read."""

    name: str
    status: dict[str, Any]
    digests: list[str]
    token: str | None
    spec: dict[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    "case",
    [
        Known("at first nothing is known", {}, digests=[], token=None),
        Known("the snapshot is known by digest and change token", ON_CLAIM, digests=["a"], token="t1"),
        Known(
            "a rejected candidate is known, so that it is rejected once",
            {**ON_CLAIM, "candidate": REJECTED},
            digests=["a", "b"],
            token="t1",
        ),
        Known(
            "a rejection without a digest makes nothing known",
            {"candidate": {**REJECTED, "digest": None}},
            digests=[],
            token=None,
        ),
        Known(
            "a failed candidate is not known, so that it is read again",
            {**ON_CLAIM, "candidate": {**REJECTED, "state": "Failed"}},
            digests=["a"],
            token="t1",
        ),
        Known(
            "what other checks decided is not known",
            {**ON_CLAIM, "candidate": REJECTED},
            digests=[],
            token=None,
            spec={"schema": SCHEMA},
        ),
        Known(
            "the token of another claim is not known, since its files may have equal names, sizes and times",
            ON_CLAIM,
            digests=["a"],
            token=None,
            spec={"source": {"pvc": {"claimName": "other"}}},
        ),
    ],
    ids=lambda case: case.name,
)
def test_a_probe_job_does_not_read_what_is_known(case: Known) -> None:
    """Data is read once for each set of checks, and never skipped because of the result of other checks."""
    given = dataset(status=case.status, **{"source": CLAIM, **case.spec})
    probe = task_of(children.probe_job(given, settings())).probe
    assert probe is not None
    assert probe.known_digests == [digest(letter) for letter in case.digests]
    assert probe.known_token == case.token


@pytest.mark.parametrize(
    ("checks", "has_baseline"),
    [
        pytest.param([], False, id="without checks there is no baseline"),
        pytest.param([ROWS], False, id="a check of rows needs no baseline"),
        pytest.param([ROWS, DRIFT], True, id="a check of drift needs a baseline"),
        pytest.param([GROWTH], True, id="a check of growth needs a baseline"),
    ],
)
def test_the_baseline_is_the_profile_of_the_current_snapshot(checks: list[Body], has_baseline: bool) -> None:
    """A Job must not depend on a profile that no check compares with."""
    task = task_of(children.snapshot_job(dataset(status=GOOD, checks=checks), digest("b"), settings()))
    assert task.baseline == (snapshot("a")["profile"] if has_baseline else None)
    assert task.checks == dataset(checks=checks).spec.checks
    first = task_of(children.snapshot_job(dataset(checks=checks), digest("b"), settings()))
    assert first.baseline is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"schema": SCHEMA}, id="schema"),
        pytest.param({"format": {"type": "jsonl"}}, id="format"),
        pytest.param({"checks": [ROWS]}, id="checks"),
        pytest.param({"checks": [{**ROWS, "onViolation": "Warn"}]}, id="onViolation of a check"),
        pytest.param({"pod": {"serviceAccountName": "reader"}}, id="pod"),
        pytest.param(
            {"source": {"s3": {"bucket": "data", "prefix": "mortgage/", "endpoint": "http://other:8333"}}}, id="source"
        ),
    ],
)
def test_a_change_of_what_a_job_reads_changes_its_name(change: dict[str, Any]) -> None:
    """A Job must not be taken for one that reads otherwise, and a Job that reads the same must not run twice."""
    assert snapshot_job_name("a") == snapshot_job_name("a", settle="1h", interval="1h")
    assert snapshot_job_name("a") != snapshot_job_name("a", **change)
    assert probe_job_name() != probe_job_name(**change)
    assert len(children.snapshot_job_name(dataset("d" * 52), digest("a"))) <= 63


def test_a_probe_job_is_named_after_the_probe_before() -> None:
    """An operator that is killed after it created the Job finds that Job again; the next probe is another Job."""
    assert probe_job_name(PROBED) == probe_job_name(PROBED, interval="1h")
    assert probe_job_name(PROBED) != probe_job_name({})
    assert probe_job_name(PROBED) != probe_job_name(PROBED, "now")
    assert probe_job_name(PROBED, "now") == probe_job_name({**PROBED, "lastHandledRefresh": "now"})
    assert probe_job_name() != snapshot_job_name("a")

"""The Jobs of a Dataset: what they are told, what they may touch, and when two of them are the same."""

import json
from typing import Any

import pytest

from modelops.api.contract.tasks import TASK_VARIABLE, VOLUME_DIR, SnapshotTask
from modelops.controllers.dataset import children
from modelops.machinery.resources import Body
from support.builders.common import ago, digest, settings
from support.builders.datasets import CLAIM, dataset, snapshot
from support.dataset_cases import CHECKS, GOOD, LOOKED, ON_CLAIM, SCHEMA, candidate, name_of, survey_name

DRIFT = {"column": "lvr", "drift": {"max": 0.2}}
GROWTH = {"rowsChange": {"min": -0.1}}
ROWS = {"rows": {"min": 1}}


def task_of(body: Body) -> SnapshotTask:
    (container,) = body["spec"]["template"]["spec"]["containers"]
    (variable,) = (one for one in container["env"] if one["name"] == TASK_VARIABLE)
    return SnapshotTask.model_validate(json.loads(variable["value"].replace("$$", "$")))


def test_snapshot_job_is_restricted() -> None:
    """The Job must be admitted in a namespace that enforces the restricted Pod Security Standard, and hold no token."""
    made = children.job(dataset(), digest("a"), settings())
    spec = made["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    volumes = {volume["name"] for volume in spec["volumes"]}
    assert {mounted["name"] for mounted in container["volumeMounts"]} == volumes


def test_a_claim_is_mounted_read_only() -> None:
    """A snapshot must never change what it is taken of: neither the worker nor the kubelet, which would else chown."""
    spec = children.survey(dataset(source=CLAIM), settings())["spec"]["template"]["spec"]
    (volume,) = (one for one in spec["volumes"] if "persistentVolumeClaim" in one)
    assert volume["persistentVolumeClaim"] == {"claimName": "files", "readOnly": True}
    (container,) = spec["containers"]
    (mounted,) = (one for one in container["volumeMounts"] if one["name"] == volume["name"])
    assert {**mounted, "name": ""} == {
        "name": "",
        "mountPath": VOLUME_DIR,
        "readOnly": True,
        "subPath": "mortgage/2026",
    }


def test_a_claim_without_a_path_is_all_of_it() -> None:
    """An empty subPath is not the same as none to every version of Kubernetes."""
    whole = {"pvc": {"claimName": "files"}}
    (container,) = children.survey(dataset(source=whole), settings())["spec"]["template"]["spec"]["containers"]
    (mounted,) = (one for one in container["volumeMounts"] if one["mountPath"] == VOLUME_DIR)
    assert "subPath" not in mounted


def test_a_job_knows_what_it_must_find_and_a_survey_what_is_no_news() -> None:
    """Exactly one of the two: else the worker reads what was not asked for."""
    read = task_of(children.job(dataset(), digest("b"), settings()))
    assert (read.expect_digest, read.probe) == (digest("b"), None)
    looks = task_of(children.survey(dataset(source=CLAIM, settle="90s"), settings()))
    assert (looks.expect_digest, looks.source) == (None, None)
    assert looks.probe is not None
    assert looks.probe.settle_seconds == 90


REJECTED = candidate("b", "Rejected", checkedWith=CHECKS, endedAt=ago())


@pytest.mark.parametrize(
    ("name", "status", "spec", "known", "token"),
    [
        ("nothing is known at first", {}, {}, [], None),
        ("the snapshot, by its digest and its token", ON_CLAIM, {}, ["a"], "t1"),
        ("what was rejected, so that it is rejected once", {**ON_CLAIM, "candidate": REJECTED}, {}, ["a", "b"], "t1"),
        ("what was rejected for no digest has none", {"candidate": {**REJECTED, "digest": None}}, {}, [], None),
        ("what failed is tried again", {**ON_CLAIM, "candidate": {**REJECTED, "state": "Failed"}}, {}, ["a"], "t1"),
        ("nothing by other checks", {**ON_CLAIM, "candidate": REJECTED}, {"schema": SCHEMA}, [], None),
        (
            "no token of another directory, whose files may be as old and as large",
            ON_CLAIM,
            {"source": {"pvc": {"claimName": "other"}}},
            ["a"],
            None,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_survey_need_not_read(
    name: str, status: dict[str, Any], spec: dict[str, Any], known: list[str], token: str | None
) -> None:
    """Data is read once for each checks, and never passed by because of what other checks said."""
    survey = task_of(children.survey(dataset(status=status, **{"source": CLAIM, **spec}), settings())).probe
    assert survey is not None
    assert survey.known_digests == [digest(letter) for letter in known], name
    assert survey.known_token == token


@pytest.mark.parametrize(
    ("checks", "baseline"),
    [([], False), ([ROWS], False), ([ROWS, DRIFT], True), ([GROWTH], True)],
    ids=["no checks", "rows compare with nothing", "drift compares", "growth compares"],
)
def test_what_checks_compare_with(checks: list[Body], baseline: bool) -> None:
    """Drift and growth are measured against the current snapshot, and no other Job depends on its profile."""
    task = task_of(children.job(dataset(status=GOOD, checks=checks), digest("b"), settings()))
    assert task.baseline == (snapshot("a")["profile"] if baseline else None)
    assert task.checks == dataset(checks=checks).spec.checks
    first = task_of(children.job(dataset(checks=checks), digest("b"), settings()))
    assert first.baseline is None


OTHER: list[dict[str, Any]] = [
    {"schema": SCHEMA},
    {"format": {"type": "jsonl"}},
    {"checks": [ROWS]},
    {"checks": [{**ROWS, "onViolation": "Warn"}]},
    {"pod": {"serviceAccountName": "reader"}},
    {"source": {"s3": {"bucket": "data", "prefix": "mortgage/", "endpoint": "http://other:8333"}}},
]


@pytest.mark.parametrize("change", OTHER)
def test_what_decides_the_check_decides_the_name(change: dict[str, Any]) -> None:
    """A Job is never taken for one that reads otherwise, and one that reads the same is never made twice."""
    assert name_of("a") == name_of("a", settle="1h", interval="1h")
    assert name_of("a") != name_of("a", **change)
    assert survey_name() != survey_name(**change)
    assert len(children.job_name(dataset("d" * 52), digest("a"))) <= 63


def test_a_survey_is_named_after_the_look_it_follows() -> None:
    """Made twice for one look, as by an operator that was killed in between, it is one Job; for the next, another."""
    assert survey_name(LOOKED) == survey_name(LOOKED, interval="1h")
    assert survey_name(LOOKED) != survey_name({})
    assert survey_name(LOOKED) != survey_name(LOOKED, "now")
    assert survey_name(LOOKED, "now") == survey_name({**LOOKED, "lastHandledRefresh": "now"})
    assert survey_name() != name_of("a")

"""Checkpoints that the next attempt may restore: what sidecars have reported, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.checkpoints import KEPT_FOR_EACH_WORKER, Checkpoint, newest_checkpoints
from modelops.api.contract.reports import ProgressReport, SidecarReport
from modelops.api.contract.tasks import CHECKPOINTS_FILE, PinnedCheckpoints
from modelops.controllers.jobs import JobState
from modelops.controllers.trainingrun.plan import plan
from modelops.machinery.plan import Plan
from support.builders.common import ago, digest
from support.builders.jobs import job, pod, terminated
from support.controllers.run_observations import complete, failed, job_name, observe, pinned, running, status_of

CHECKPOINTS = st.builds(
    Checkpoint,
    rank=st.integers(0, 3),
    manifest=st.integers(0, 9).map("{:016}".format),
    digest=st.sampled_from("abc").map(digest),
)


def checkpoint(time: int, letter: str = "a", rank: int = 0) -> Checkpoint:
    """Build the pin of the checkpoint of a time."""
    return Checkpoint(rank=rank, manifest=f"{time:016}", digest=digest(letter))


def status(*known: Checkpoint, **more: Any) -> dict[str, Any]:
    """Build the status of a run whose checkpoints are known."""
    return pinned() | {"checkpoints": [each.wire() for each in known]} | more


def ended(*reports: SidecarReport) -> JobState:
    """Build a failed Job with a Pod for each of these reports."""
    pods = (
        pod("Failed", name=f"pod-{rank}", rank=rank, trainer=terminated(1), sidecar=terminated(137, report))
        for rank, report in enumerate(reports)
    )
    return job(job_name(), *pods, ended="Failed")


def restorable(decided: Plan) -> list[Checkpoint] | None:
    """Return what the plan's ConfigMap lets Pods restore; None without the ConfigMap."""
    texts = [child["data"][CHECKPOINTS_FILE] for child in decided.apply if child["kind"] == "ConfigMap"]
    return PinnedCheckpoints.model_validate_json(texts[0]).checkpoints if texts else None


@given(st.lists(st.lists(CHECKPOINTS, max_size=8), max_size=4))
def test_the_newest_checkpoints_of_each_worker_are_kept(sources: list[list[Checkpoint]]) -> None:
    """Every worker has its newest ones, once each, and what is known is never replaced under the same name."""
    kept = newest_checkpoints(*sources)
    everything = [each for source in sources for each in source]
    assert kept == newest_checkpoints(kept, *sources)
    for rank in range(4):
        times = sorted({each.manifest for each in everything if each.rank == rank}, reverse=True)
        own = [each for each in kept if each.rank == rank]
        assert [each.manifest for each in own] == times[:KEPT_FOR_EACH_WORKER]
        for each in own:
            assert each == next(
                other for other in everything if (other.rank, other.manifest) == (each.rank, each.manifest)
            )


@pytest.mark.parametrize(
    ("name", "known", "jobs", "polled", "expected"),
    [
        ("nothing is known at first", [], (running(job_name()),), [], []),
        ("a poll adds what is saved", [checkpoint(1)], (running(job_name()),), [checkpoint(2)], [2, 1]),
        ("what is known stays while no sidecar answers", [checkpoint(1)], (running(job_name()),), None, [1]),
        (
            "a sidecar that was killed has reported",
            [checkpoint(1)],
            (ended(SidecarReport(checkpoints=[checkpoint(3), checkpoint(2)])),),
            None,
            [3, 2],
        ),
        ("a report that is lost leaves the one before", [checkpoint(1)], (failed(job_name()),), None, [1]),
        ("a Job whose Pods are gone leaves the one before", [checkpoint(1)], (job(job_name()),), None, [1]),
        ("a published model needs none", [checkpoint(1)], (complete(job_name()),), None, []),
    ],
)
def test_the_status_has_the_newest_reported_checkpoints(
    name: str, known: list[Checkpoint], jobs: tuple[JobState, ...], polled: list[Checkpoint] | None, expected: list[int]
) -> None:
    seen = {} if polled is None else {"progress": ProgressReport(checkpoints=polled)}
    decided = plan(observe(status=status(*known), jobs=jobs, seen=seen))
    assert [int(each.manifest) for each in status_of(decided).checkpoints] == expected, name


def test_the_reports_of_all_workers_count() -> None:
    """A sharded checkpoint is restored whole or not at all: each worker's part must be known."""
    reports = [SidecarReport(checkpoints=[checkpoint(rank, rank=rank)]) for rank in range(3)]
    decided = plan(observe(status=status(), jobs=(ended(*reports),)))
    assert [each.rank for each in status_of(decided).checkpoints] == [0, 1, 2]


def test_the_next_attempt_may_restore_what_is_known() -> None:
    """The ConfigMap is written before the Job, so that the Pods of the Job find it."""
    attempts = [{"number": 1, "reason": "x", "message": "x", "endedAt": ago(hours=1), "counted": True}]
    known = status(checkpoint(2), checkpoint(1), failedAttempts=attempts, failures=1)
    decided = plan(observe(status=known, retries={"limit": 3}))
    assert [child["kind"] for child in decided.apply] == ["ConfigMap", "Job"]
    assert restorable(decided) == [checkpoint(2), checkpoint(1)]
    volumes = {volume["name"]: volume for volume in decided.apply[1]["spec"]["template"]["spec"]["volumes"]}
    config_map = volumes["pinned-checkpoints"]["configMap"]
    assert config_map == {"name": decided.apply[0]["metadata"]["name"], "optional": True}


def test_pods_of_a_job_that_was_resumed_may_restore_what_its_former_pods_have_saved() -> None:
    """Kueue suspends a Job and resumes it with the same template: only the ConfigMap can tell its new Pods."""
    decided = plan(
        observe(status=status(checkpoint(1)), jobs=(running(job_name()),), seen={"progress": ProgressReport()})
    )
    assert restorable(decided) == [checkpoint(1)]


def test_other_inputs_begin_without_checkpoints() -> None:
    """Checkpoints of other data are in another place."""
    decided = plan(observe(data="b", status=status(checkpoint(1)), generation=2, rerunOn=["DatasetChange"]))
    assert status_of(decided).input_key != pinned()["inputKey"]
    assert status_of(decided).checkpoints == []
    assert restorable(decided) is None


def test_the_checkpoints_of_256_workers_fit_a_config_map() -> None:
    """A ConfigMap has at most 1 MiB, and the status is in one object with the spec."""
    pins = [checkpoint(time, rank=rank) for rank in range(256) for time in (1, 2)]
    assert len(json.dumps(PinnedCheckpoints(checkpoints=pins).wire())) < 100_000

"""Outcome of a training Job: each failure has its own reason, and a message that helps. Conditions of an active Job."""

from datetime import timedelta

import pytest

from modelops.api.base import Model
from modelops.api.contract.reports import Failure, FetchReport, PublishedArtifact, SidecarReport
from modelops.api.trainingrun_status import RunArtifact
from modelops.controllers.jobs import JobState
from modelops.controllers.pods import pod_state
from modelops.controllers.trainingrun.attempt.job_conditions import job_conditions
from modelops.controllers.trainingrun.attempt.outcome import JobSuccess, ReportLost, job_outcome, trainer_not_started
from modelops.machinery.resources import Body
from support.builders.common import NOW, ago, digest
from support.builders.jobs import RUNNING, job, pod, terminated, waiting
from support.builders.trainingruns import training_run

MODEL = SidecarReport(
    artifact=PublishedArtifact(uri="s3://store/m/", digest=digest("d"), bytes=1, files=1), metrics={"a": 0.5}
)
DONE = terminated(0)


def report_of(reason: str, message: str, kind: type[Model] = SidecarReport) -> Model:
    """Build a report of a failure."""
    return kind.model_validate({"failure": Failure(reason=reason, message=message).wire()})


def failed(*, because: str = "BackoffLimitExceeded", init: Body | None = None, **containers: Body) -> JobState:
    """Build a failed Job whose Pod's containers are in these states."""
    return job("train-1", pod("Failed", init, **containers), ended="Failed", because=because)  # type: ignore[arg-type]


def test_success_carries_the_model_and_the_image_that_ran() -> None:
    """The ModelVersion is made from this: the artifact, the metrics, and the image by digest, not by tag."""
    ended = job("train-1", pod("Succeeded", init=DONE, trainer=DONE, sidecar=terminated(0, MODEL)), ended="Complete")
    result = job_outcome(ended)
    assert isinstance(result, JobSuccess)
    published = RunArtifact(uri="s3://store/m/", digest=digest("d"), bytes=1, image=f"example/trainer@{digest('e')}")
    assert (result.artifact, result.metrics) == (published, {"a": 0.5})


def test_the_pod_that_succeeded_decides_for_a_complete_job() -> None:
    """A failed Pod must not hide the model of the Pod that succeeded."""
    good = pod("Succeeded", name="a", trainer=DONE, sidecar=terminated(0, MODEL))
    bad = pod("Failed", name="b", trainer=terminated(1), sidecar=DONE)
    assert isinstance(job_outcome(job("train-1", good, bad, ended="Complete")), JobSuccess)


@pytest.mark.parametrize(
    "pods",
    [(), (pod("Succeeded", trainer=DONE, sidecar=terminated(0, "no json")),)],
    ids=["the Pod is deleted", "the report is not JSON"],
)
def test_a_lost_report_is_not_a_failure(pods: tuple[Body, ...]) -> None:
    """The run trains again: a Pod that was deleted before its report was read does not say that it failed."""
    assert isinstance(job_outcome(job("train-1", *pods, ended="Complete")), ReportLost)


@pytest.mark.parametrize(
    ("name", "ended", "reason", "words"),
    [
        (
            "the failure file of the trainer is quoted",
            failed(trainer=terminated(1), sidecar=terminated(0, report_of("TrainerFailed", "column lvr is missing"))),
            "TrainerFailed",
            "column lvr is missing",
        ),
        (
            "the end of the log is quoted if the trainer wrote no failure file",
            failed(
                trainer=terminated(3, "KeyError: 'lvr'\n"),
                sidecar=terminated(0, report_of("TrainerFailed", "the trainer exited with code 3")),
            ),
            "TrainerFailed",
            "the trainer exited with code 3: KeyError: 'lvr'",
        ),
        (
            "an OOM kill is shown, and not the sidecar's report of a killed trainer",
            failed(
                trainer=terminated(137, reason="OOMKilled"), sidecar=terminated(0, report_of("TrainerKilled", "killed"))
            ),
            "OutOfMemory",
            "trainer.resources.limits.memory",
        ),
        (
            "a missing model is not shown as a failure of the trainer",
            failed(trainer=DONE, sidecar=terminated(42, report_of("NoModelWritten", "nothing in /opt/ml/model"))),
            "NoModelWritten",
            "nothing in",
        ),
        (
            "data that cannot be fetched is not shown as a failure of the trainer",
            failed(init=terminated(42, report_of("PinnedVersionMissing", "take a new snapshot", FetchReport))),
            "PinnedVersionMissing",
            "take a new snapshot",
        ),
        (
            "an eviction is shown, and not the exit code that it caused",
            job(
                "train-1",
                pod("Failed", reason="Evicted", trainer=terminated(137), sidecar=terminated(1)),
                ended="Failed",
                because="BackoffLimitExceeded",
            ),
            "Evicted",
            "the node says Evicted",
        ),
        (
            "the exit code of the trainer is shown if its sidecar was killed",
            failed(trainer=terminated(7), sidecar=terminated(137)),
            "TrainerFailed",
            "code 7",
        ),
        (
            "an exceeded timeout is not shown as a failure of the trainer",
            failed(because="DeadlineExceeded"),
            "DeadlineExceeded",
            "timeout",
        ),
        (
            "the message of the Job controller is shown if the Pods are deleted",
            job("train-1", ended="Failed", because="BackoffLimitExceeded", message="too often"),
            "BackoffLimitExceeded",
            "too often",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_reason_and_message_of_a_failure(name: str, ended: JobState, reason: str, words: str) -> None:
    """Each row's name is the promise that it protects."""
    result = job_outcome(ended)
    assert not isinstance(result, JobSuccess | ReportLost), name
    assert result.reason == reason
    assert words in result.message


def test_a_trainer_that_never_started_ends_the_run_after_a_minute() -> None:
    """The sidecar would wait for ever. The message has the reason of the container runtime."""
    early = pod(trainer=terminated(128, "exec format error", "StartError", ago(seconds=20)), sidecar=RUNNING)
    late = pod(trainer=terminated(128, "exec format error", "StartError", ago(minutes=2)), sidecar=RUNNING)
    assert trainer_not_started(pod_state(early), NOW) == timedelta(seconds=40)
    result = trainer_not_started(pod_state(late), NOW)
    assert result is not None
    assert not isinstance(result, timedelta)
    assert result.reason == "TrainerNotStarted"
    assert "StartError (exit code 128)" in result.message
    assert "exec format error" in result.message


def test_a_sidecar_that_publishes_is_never_interrupted() -> None:
    """The upload of a large model may take hours after the trainer's end."""
    assert trainer_not_started(pod_state(pod(trainer=terminated(0, at=ago(hours=5)), sidecar=RUNNING)), NOW) is None


@pytest.mark.parametrize(
    ("running", "ready"),
    [
        (job("j"), "False JobCreated"),
        (job("j", pod("Pending", init=waiting("ImagePullBackOff", "no such image"))), "False ImagePullFailed"),
        (
            job("j", pod("Pending", init=DONE, trainer=waiting("CreateContainerConfigError", "no Secret"))),
            "False CreateContainerConfigError",
        ),
        (job("j", pod("Pending", init=waiting("PodInitializing"))), "False Preparing"),
        (job("j", pod("Pending", init=RUNNING)), "False Preparing"),
        (job("j", pod(init=DONE, trainer=RUNNING, sidecar=RUNNING)), "False Training"),
        (job("j", pod(init=DONE, trainer=DONE, sidecar=RUNNING)), "False Publishing"),
        (job("j", pod("Failed", trainer=terminated(1), sidecar=DONE)), "False AttemptFailed"),
        (job("j", spec={"suspend": True}), "False Queued"),
    ],
    ids=[
        "no Pod yet",
        "image cannot be pulled",
        "container cannot be created",
        "init container waits",
        "data is fetched",
        "trainer runs",
        "trainer has ended",
        "Pod has failed",
        "suspended by Kueue",
    ],
)
def test_ready_shows_the_state_of_an_active_job(running: JobState, ready: str) -> None:
    """A person sees what a run does, or what holds it up, without a look at its Pod."""
    conditions = job_conditions(training_run(), running, held_up="").conditions
    shown = next(condition for condition in conditions if condition.type == "Ready")
    assert f"{shown.status} {shown.reason}" == ready


@pytest.mark.parametrize(
    ("running", "held_up", "reason", "words"),
    [
        (job("j", spec={"suspend": True}), "insufficient unused quota for cpu", "Queued", "insufficient unused quota"),
        (job("j"), 'pods "j-x" is forbidden: exceeded quota: small', "QuotaExceeded", "exceeded quota: small"),
        (job("j"), "violates PodSecurity", "PodsRefused", "violates PodSecurity"),
    ],
    ids=["queue", "ResourceQuota", "admission"],
)
def test_a_job_without_pods_shows_why_it_has_none(running: JobState, held_up: str, reason: str, words: str) -> None:
    """The run is not failed or stalled, and looks again: neither Workloads nor Events are watched."""
    shown = job_conditions(training_run(queueName="team-a"), running, held_up)
    assert {condition.reason for condition in shown.conditions if condition.type in ("Ready", "Reconciling")} == {
        reason
    }
    assert "Stalled" not in {condition.type for condition in shown.conditions}
    assert all(words in condition.message for condition in shown.conditions)
    assert shown.requeue_after is not None, "nothing else wakes the run"


def test_the_first_rank_to_fail_decides_for_a_gang() -> None:
    """The other ranks are terminated because of it: their exit codes would hide the reason."""
    victim = pod("Failed", name="p-0", rank=0, trainer=terminated(143, at=ago(seconds=5)), sidecar=DONE)
    culprit = pod("Failed", name="p-1", rank=1, trainer=terminated(7, at=ago(seconds=30)), sidecar=DONE)
    ended = job("j", victim, culprit, ended="Failed", because="PodFailurePolicy", spec={"completionMode": "Indexed"})
    result = job_outcome(ended)
    assert not isinstance(result, JobSuccess | ReportLost)
    assert "code 7" in result.message


def test_rank_0_publishes_for_a_gang() -> None:
    """Only rank 0 reports a model, whichever Pod ended last."""
    report = SidecarReport(artifact=PublishedArtifact(uri="s3://m/", digest=digest("d"), bytes=1, files=1))
    first = pod("Succeeded", name="p-0", rank=0, trainer=DONE, sidecar=terminated(0, report))
    second = pod("Succeeded", name="p-1", rank=1, trainer=DONE, sidecar=terminated(0, SidecarReport()))
    result = job_outcome(job("j", second, first, ended="Complete", spec={"completionMode": "Indexed"}))
    assert isinstance(result, JobSuccess)
    assert result.artifact.uri == "s3://m/"

"""How a training Job ended: each way to fail is told apart from the others, with the words that help."""

from datetime import timedelta

import pytest

from modelops.api.base import Model
from modelops.api.contract.reports import Failure, FetchReport, PublishedArtifact, SidecarReport
from modelops.api.trainingrun_status import RunArtifact
from modelops.controllers.jobs import JobState
from modelops.controllers.pods import pod_state
from modelops.controllers.trainingrun.attempt.job_conditions import job_conditions
from modelops.controllers.trainingrun.attempt.outcome import JobSuccess, ReportLost, job_outcome, trainer_not_started
from support.builders.common import NOW, ago, digest
from support.builders.jobs import RUNNING, job, pod, terminated, waiting
from support.builders.trainingruns import training_run

MODEL = SidecarReport(
    artifact=PublishedArtifact(uri="s3://store/m/", digest=digest("d"), bytes=1, files=1), metrics={"a": 0.5}
)
DONE = terminated(0)


def said(reason: str, message: str, kind: type[Model] = SidecarReport) -> Model:
    return kind.model_validate({"failure": Failure(reason=reason, message=message).wire()})


def failed(*, because: str = "BackoffLimitExceeded", **containers: dict) -> JobState:
    return job("train-1", pod("Failed", **containers), ended="Failed", because=because)


def test_success_carries_the_model_and_the_image_that_ran() -> None:
    """The ModelVersion is made from this: the artifact, the metrics, and the image by digest, not by tag."""
    ended = job("train-1", pod("Succeeded", init=DONE, trainer=DONE, sidecar=terminated(0, MODEL)), ended="Complete")
    result = job_outcome(ended)
    assert isinstance(result, JobSuccess)
    published = RunArtifact(uri="s3://store/m/", digest=digest("d"), bytes=1, image=f"example/trainer@{digest('e')}")
    assert (result.artifact, result.metrics) == (published, {"a": 0.5})


def test_the_pod_that_succeeded_speaks_for_a_complete_job() -> None:
    """A Pod of an earlier attempt must not hide the model of the last one."""
    good = pod("Succeeded", name="a", trainer=DONE, sidecar=terminated(0, MODEL))
    bad = pod("Failed", name="b", trainer=terminated(1), sidecar=DONE)
    assert isinstance(job_outcome(job("train-1", good, bad, ended="Complete")), JobSuccess)


@pytest.mark.parametrize("pods", [(), (pod("Succeeded", trainer=DONE, sidecar=terminated(0, "no json")),)])
def test_a_report_that_is_gone_is_no_failure(pods: tuple[dict, ...]) -> None:
    """A Pod deleted before its report was read says nothing of the run: it is made again, not failed."""
    assert isinstance(job_outcome(job("train-1", *pods, ended="Complete")), ReportLost)


@pytest.mark.parametrize(
    ("name", "ended", "reason", "words"),
    [
        (
            "a trainer that writes why it failed is quoted",
            failed(trainer=terminated(1), sidecar=terminated(0, said("TrainerFailed", "column lvr is missing"))),
            "TrainerFailed",
            "column lvr is missing",
        ),
        (
            "a trainer that writes nothing is quoted from the end of its log",
            failed(
                trainer=terminated(3, "KeyError: 'lvr'\n"),
                sidecar=terminated(0, said("TrainerFailed", "the trainer exited with code 3")),
            ),
            "TrainerFailed",
            "the trainer exited with code 3: KeyError: 'lvr'",
        ),
        (
            "the kernel's word goes before the sidecar's guess",
            failed(trainer=terminated(137, reason="OOMKilled"), sidecar=terminated(0, said("TrainerKilled", "killed"))),
            "OutOfMemory",
            "trainer.resources.limits.memory",
        ),
        (
            "no model is told apart from a failure of the trainer",
            failed(trainer=DONE, sidecar=terminated(42, said("NoModelWritten", "nothing in /opt/ml/model"))),
            "NoModelWritten",
            "nothing in",
        ),
        (
            "data that cannot be fetched is not the trainer's fault",
            failed(init=terminated(42, said("PinnedVersionMissing", "take a new snapshot", FetchReport))),
            "PinnedVersionMissing",
            "take a new snapshot",
        ),
        (
            "the node's word goes first",
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
            "a trainer whose sidecar died is judged by its exit code",
            failed(trainer=terminated(7), sidecar=terminated(137)),
            "TrainerFailed",
            "code 7",
        ),
        ("a timeout is no failure of the trainer", failed(because="DeadlineExceeded"), "DeadlineExceeded", "timeout"),
        (
            "a Job whose Pods are gone says what the Job controller says",
            job("train-1", ended="Failed", because="BackoffLimitExceeded", message="too often"),
            "BackoffLimitExceeded",
            "too often",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_failures(name: str, ended: JobState, reason: str, words: str) -> None:
    """Each case's name is the promise it protects."""
    result = job_outcome(ended)
    assert not isinstance(result, JobSuccess | ReportLost), name
    assert result.reason == reason
    assert words in result.message


def test_a_trainer_that_never_began_does_not_keep_its_sidecar_for_ever() -> None:
    """The sidecar waits for a supervisor that will never be: after a minute the run ends, with the runtime's reason."""
    early = pod(trainer=terminated(128, "exec format error", "StartError", ago(seconds=20)), sidecar=RUNNING)
    late = pod(trainer=terminated(128, "exec format error", "StartError", ago(minutes=2)), sidecar=RUNNING)
    assert trainer_not_started(pod_state(early), NOW) == timedelta(seconds=40)
    result = trainer_not_started(pod_state(late), NOW)
    assert result is not None
    assert not isinstance(result, timedelta)
    assert result.reason == "TrainerNotStarted"
    assert "StartError (exit code 128)" in result.message
    assert "exec format error" in result.message


def test_a_sidecar_that_publishes_is_left_alone() -> None:
    """A trainer that succeeded hours ago may still have its model uploaded: that is never cut short here."""
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
)
def test_progress(running: JobState, ready: str) -> None:
    """A person sees what a run is busy with, or what holds it up, without describing its Pod."""
    summary = next(one for one in job_conditions(training_run(), running, "").conditions if one.type == "Ready")
    assert f"{summary.status} {summary.reason}" == ready


@pytest.mark.parametrize(
    ("running", "held_up", "reason", "words"),
    [
        (job("j", spec={"suspend": True}), "insufficient unused quota for cpu", "Queued", "insufficient unused quota"),
        (job("j"), 'pods "j-x" is forbidden: exceeded quota: small', "QuotaExceeded", "exceeded quota: small"),
        (job("j"), "violates PodSecurity", "PodsRefused", "violates PodSecurity"),
    ],
)
def test_what_holds_a_job_up_is_told(running: JobState, held_up: str, reason: str, words: str) -> None:
    """A Job without Pods says nothing of itself: a person reads why in the run, and it is no failure."""
    shown = job_conditions(training_run(queueName="team-a"), running, held_up)
    assert {one.reason for one in shown.conditions if one.type in ("Ready", "Reconciling")} == {reason}
    assert not [one for one in shown.conditions if one.type == "Stalled"]
    assert all(words in one.message for one in shown.conditions)
    assert shown.requeue_after is not None, "nobody else would notice the end of it"


def test_the_first_rank_to_fail_tells_for_all() -> None:
    """The others of a gang are ended because of it: their ends would hide the reason."""
    victim = pod("Failed", name="p-0", rank=0, trainer=terminated(143, at=ago(seconds=5)), sidecar=DONE)
    culprit = pod("Failed", name="p-1", rank=1, trainer=terminated(7, at=ago(seconds=30)), sidecar=DONE)
    ended = job("j", victim, culprit, ended="Failed", because="PodFailurePolicy", spec={"completionMode": "Indexed"})
    told = job_outcome(ended)
    assert not isinstance(told, JobSuccess | ReportLost)
    assert "code 7" in told.message


def test_the_first_rank_publishes_for_all() -> None:
    """Only rank 0 has a model to report, whichever of the Pods ended last."""
    report = SidecarReport(artifact=PublishedArtifact(uri="s3://m/", digest=digest("d"), bytes=1, files=1))
    first = pod("Succeeded", name="p-0", rank=0, trainer=DONE, sidecar=terminated(0, report))
    second = pod("Succeeded", name="p-1", rank=1, trainer=DONE, sidecar=terminated(0, SidecarReport()))
    told = job_outcome(job("j", second, first, ended="Complete", spec={"completionMode": "Indexed"}))
    assert isinstance(told, JobSuccess)
    assert told.artifact.uri == "s3://m/"

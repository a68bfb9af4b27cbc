"""What a TrainingRun does: it trains once per distinct input, takes what is there already, and says why."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.controllers.trainingrun.inputs.references import References
from modelops.controllers.trainingrun.observe import Observation
from modelops.controllers.trainingrun.plan import plan
from modelops.machinery.plan import Plan
from support.builders.common import ago
from support.builders.jobs import RUNNING, job, pod, terminated
from support.builders.plans import condition_of, deleted, names, reason
from support.builders.trainingruns import training_run
from support.run_observations import (
    ROOMY,
    TAG,
    VERSION,
    complete,
    failed,
    job_of,
    observe,
    pinned,
    running,
    version_of,
)

LONG_OVER = pinned(outcome="Succeeded", ended=ago(hours=2))
UNREGISTERED = {"model": "mortgage", "format": "sklearn", "registration": "Never"}


def sibling(reason: str = "Trained") -> TrainingRun:
    """Another run that has a model of the same inputs, ten minutes old."""
    status = pinned(outcome="Succeeded")
    return training_run("sibling", status={**status, "outcome": {**status["outcome"], "reason": reason}})


@dataclass(frozen=True)
class Case:
    name: str
    given: Observation
    ready: str
    stalled: bool = False
    applies: list[str] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    succeeded: str | None = None
    cache: str | None = None
    requeue_after: float | None = None


CASES = [
    Case(
        "a Dataset without a snapshot is waited for",
        observe(letter=None),
        "False DatasetNotReady",
    ),
    Case(
        "a Secret that is not there is looked for every half minute, since Secrets are not watched",
        observe(references=References(missing=("Secret s",))),
        "False ReferenceNotFound",
        requeue_after=30,
    ),
    Case(
        "inputs without a model are trained",
        observe(),
        "False JobCreated",
        applies=[f"Job {job_of()}"],
        cache="Miss: no result for these inputs in this namespace",
    ),
    Case(
        "a running Job is told of, and never applied again: a newer operator's template would be refused",
        observe(status=pinned(), jobs=(running(job_of()),)),
        "False Training",
        cache="Miss: before",
        requeue_after=15,
    ),
    Case(
        "a Job whose status could not be written is taken up",
        observe(jobs=(running(job_of()),)),
        "False Training",
        cache="Miss: no result for these inputs in this namespace",
        requeue_after=15,
    ),
    Case(
        "a complete Job becomes a ModelVersion, and is kept for a while",
        observe(status=pinned(), jobs=(complete(job_of()),)),
        "True Trained",
        applies=[f"ModelVersion {VERSION.metadata.name}"],
        succeeded="True Trained",
        cache="Miss: before",
        requeue_after=3600,
    ),
    Case(
        "a ModelVersion that is there is not written again",
        observe(status=pinned(outcome="Succeeded"), versions=(VERSION,)),
        "True Because",
        succeeded="True Because",
        cache="Miss: before",
    ),
    Case(
        "a ModelVersion that somebody deleted is made again, without training",
        observe(status=pinned(outcome="Succeeded")),
        "True Because",
        applies=[f"ModelVersion {VERSION.metadata.name}"],
        succeeded="True Because",
        cache="Miss: before",
    ),
    Case(
        "a failed Job is final",
        observe(status=pinned(), jobs=(failed(job_of()),)),
        "False TrainerFailed",
        stalled=True,
        succeeded="False TrainerFailed",
        cache="Miss: before",
        requeue_after=3600,
    ),
    Case(
        "what has failed is not tried again, though its Job is gone",
        observe(status=pinned(outcome="Failed")),
        "False Because",
        stalled=True,
        succeeded="False Because",
        cache="Miss: before",
    ),
    Case(
        "more memory is a new chance for what has failed",
        observe(status=pinned(outcome="Failed"), generation=2, trainer=ROOMY),
        "False JobCreated",
        applies=[f"Job {job_of(trainer=ROOMY)}"],
        cache="Miss: no result for these inputs in this namespace",
    ),
    Case(
        "a report that was lost with its Pod means training again",
        observe(status=pinned(), jobs=(job(job_of(), ended="Complete"),)),
        "False ReportLost",
        deletes=[job_of()],
        cache="Miss: before",
        requeue_after=2,
    ),
    Case(
        "another run's model for the same inputs is taken",
        observe(versions=(version_of(training_run("another")),)),
        "True CacheHit",
        succeeded="True CacheHit",
        cache=f"Hit: ModelVersion {VERSION.metadata.name} has the same inputs",
    ),
    Case(
        "with cache.mode Ignore it is not",
        observe(versions=(version_of(training_run("another")),), cache={"mode": "Ignore"}),
        "False JobCreated",
        applies=[f"Job {job_of()}"],
        cache="Miss: cache.mode is Ignore",
    ),
    Case(
        "a mutable tag is never shared",
        observe(versions=(version_of(training_run("another"), trainer=TAG),), trainer=TAG),
        "False JobCreated",
        applies=[f"Job {job_of(trainer=TAG)}"],
        cache="Miss: the image is a mutable tag, so no other result is reused; pin it by digest",
    ),
    Case(
        "a new snapshot alone changes nothing",
        observe(letter="b", status=pinned("a", "Succeeded"), versions=(VERSION,)),
        "True Because",
        succeeded="True Because",
        cache="Miss: before",
    ),
    Case(
        "with rerunOn DatasetChange it is trained on, and the reason names it",
        observe(letter="b", status=pinned("a", "Succeeded"), rerunOn=["DatasetChange"]),
        "False JobCreated",
        applies=[f"Job {job_of('b')}"],
        cache=f"Miss: dataset train: sha256:{'a' * 12}… → sha256:{'b' * 12}…",
    ),
    Case(
        "a new snapshot does not end the run that is under way",
        observe(letter="b", status=pinned("a"), rerunOn=["DatasetChange"], jobs=(running(job_of("a")),)),
        "False Training",
        cache="Miss: before",
        requeue_after=15,
    ),
    Case(
        "a changed spec ends the run that is under way, before the next one starts",
        observe(status=pinned(), generation=2, parameters={"max_depth": "5"}, jobs=(running(job_of()),)),
        "False Superseded",
        deletes=[job_of()],
        requeue_after=2,
        cache='Miss: parameters: {"max_depth":"4"} → {"max_depth":"5"}',
    ),
    Case(
        "with registration Never the model is kept in the status alone",
        observe(
            status=pinned(output=UNREGISTERED),
            jobs=(complete(job_of(output=UNREGISTERED)),),
            output=UNREGISTERED,
        ),
        "True Trained",
        succeeded="True Trained",
        cache="Miss: before",
        requeue_after=3600,
    ),
    Case(
        "once its time is over the Job of a run that has ended goes, and nothing is trained again",
        observe(
            status=pinned(outcome="Succeeded", ended=ago(hours=2)), jobs=(complete(job_of()),), versions=(VERSION,)
        ),
        "True Because",
        deletes=[job_of()],
        succeeded="True Because",
        cache="Miss: before",
    ),
    Case(
        "what has failed long ago stays so without its Job",
        observe(status=pinned(outcome="Failed", ended=ago(hours=2)), jobs=(failed(job_of()),)),
        "False Because",
        stalled=True,
        deletes=[job_of()],
        succeeded="False Because",
        cache="Miss: before",
    ),
    Case(
        "a sibling's result for the same inputs is taken, also where it has no ModelVersion",
        observe(seen={"siblings": (sibling(),)}),
        "True CacheHit",
        applies=[f"ModelVersion {VERSION.metadata.name}"],
        succeeded="True CacheHit",
        cache="Hit: TrainingRun sibling has the same inputs",
    ),
    Case(
        "a result that only was taken is not passed on",
        observe(seen={"siblings": (sibling(reason="CacheHit"),)}),
        "False JobCreated",
        applies=[f"Job {job_of()}"],
        cache="Miss: no result for these inputs in this namespace",
    ),
    Case(
        "a result that is older than cache.ttl is not taken",
        observe(seen={"siblings": (sibling(),)}, cache={"ttl": "5m"}),
        "False JobCreated",
        applies=[f"Job {job_of(cache={'ttl': '5m'})}"],
        cache="Miss: the results for these inputs are older than cache.ttl (5m)",
    ),
    Case(
        "once it is gone the next one starts, and the reason names the change",
        observe(status=pinned(), generation=2, parameters={"max_depth": "5"}),
        "False JobCreated",
        applies=[f"Job {job_of(parameters={'max_depth': '5'})}"],
        cache='Miss: parameters: {"max_depth":"4"} → {"max_depth":"5"}',
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_story(case: Case) -> None:
    """Each case's name is the promise it protects."""
    done = plan(case.given)
    assert reason(done) == case.ready
    assert (condition_of(done, "Stalled") is not None) == case.stalled
    assert reason(done, "Succeeded") == case.succeeded
    assert names(done.apply) == case.applies
    assert deleted(done) == case.deletes
    assert cache(done) == case.cache
    assert (done.requeue_after.total_seconds() if done.requeue_after is not None else None) == case.requeue_after


def cache(done: Plan) -> str | None:
    assert isinstance(done.status, TrainingRunStatus)
    found = done.status.cache
    return f"{found.result}: {found.reason}" if found else None


@pytest.mark.parametrize(
    ("spec", "versioned", "expected"),
    [
        ({}, True, "True Pinned"),
        ({"trainer": TAG}, True, "False MutableImageTag"),
        ({}, False, "False BucketNotVersioned"),
    ],
)
def test_honesty(spec: dict[str, Any], versioned: bool, expected: str) -> None:
    """What cannot be done again the same way says so."""
    assert reason(plan(observe(versioned=versioned, **spec)), "Reproducible") == expected


def test_the_timeout_tells_what_took_so_long() -> None:
    """The Job controller deletes the Pods at the deadline: what was seen last is the only hint at the reason."""
    last = {
        "type": "Ready",
        "status": "False",
        "reason": "ImagePullFailed",
        "message": "no such image",
        "lastTransitionTime": ago(hours=1),
    }
    over = job(job_of(timeout="1h"), ended="Failed", because="DeadlineExceeded")
    done = plan(observe(status={**pinned(timeout="1h"), "conditions": [last]}, jobs=(over,), timeout="1h"))
    ready = condition_of(done, "Ready")
    assert ready is not None
    assert ready.reason == "DeadlineExceeded"
    assert ready.message == "the attempt exceeded its timeout (1h); last condition: ImagePullFailed: no such image"


def test_a_trainer_that_never_began_ends_the_run_in_two_steps() -> None:
    """Its reason is in the status before its Job goes: the other way round a crash could run it again."""
    stuck = pod(init=terminated(0), trainer=terminated(128, "", "StartError", ago(minutes=2)), sidecar=RUNNING)
    first = plan(observe(status=pinned(), jobs=(job(job_of(), stuck),)))
    assert reason(first) == "False TrainerNotStarted"
    assert (deleted(first), first.requeue_after) == ([], timedelta(seconds=2))
    assert isinstance(first.status, TrainingRunStatus)
    second = plan(observe(status=first.status.wire(), jobs=(job(job_of(), stuck),)))
    assert reason(second) == "False TrainerNotStarted"
    assert deleted(second) == [job_of()]

"""Plan where a Job probes the source: before the Job, while the Job runs, and between two Jobs."""

from datetime import timedelta

import pytest

from modelops.controllers.dataset.plan import plan
from modelops.controllers.dataset.probe_result import SourceProblem
from modelops.store.listing import TooManyObjects
from support.builders.common import ago
from support.builders.datasets import CLAIM
from support.builders.jobs import job, waiting
from support.builders.plans import condition_of, names, reason
from support.controllers.dataset_cases import (
    LOST_ACCESS,
    ON_CLAIM,
    PROBE_DUE,
    PROBE_JOB,
    PROBED,
    SCHEMA,
    SHORTLY,
    SOON,
    STAYS_CURRENT,
    UNCHANGED,
    Case,
    candidate,
    check,
    check_same_again,
    ended_probe,
    interval_minus,
    observe,
    probe_job_name,
    probe_result,
    report,
    running_probe,
    snapshot_job_name,
    soon_minus,
    status_of,
)

FIRST = probe_job_name(source=CLAIM)
NO_CLAIM = SourceProblem("Waiting", "ClaimNotFound", "no claim")
FEW = {"maxObjects": 2}

DUE = [
    Case(
        "the first probe of a claim is a Job",
        observe(source=CLAIM, due="Job"),
        ready="False Probing",
        reconciling="Probing",
        applies=[f"Job {FIRST}"],
    ),
    Case(
        "a missing claim is waited for, and looked up every half minute",
        observe(source=CLAIM, due="Job", obstacle=NO_CLAIM),
        ready="False ClaimNotFound",
        reconciling="ClaimNotFound",
        requeue_after=SOON,
    ),
    Case(
        "invalid credentials are Stalled",
        observe(
            due="Job",
            probe={"maxObjects": 0},
            obstacle=SourceProblem("Stalled", "InvalidCredentials", "correct them"),
        ),
        ready="False InvalidCredentials",
        stalled=True,
        requeue_after=SOON,
    ),
    Case(
        "a probe that is due creates a Job and changes nothing else",
        observe(source=CLAIM, status=PROBE_DUE, due="Job"),
        **STAYS_CURRENT,
        applies=[f"Job {PROBE_JOB}"],
    ),
    Case(
        "a requested refresh is another Job than the regular probe",
        observe(source=CLAIM, status={**ON_CLAIM, **PROBED}, due="Job", refresh="now"),
        **STAYS_CURRENT,
        applies=[f"Job {probe_job_name(PROBED, 'now', source=CLAIM)}"],
    ),
    Case(
        "a prefix of too many objects is probed by a Job",
        observe(seen=probe_result(TooManyObjects(3)), probe=FEW, due="Job"),
        ready="False Probing",
        reconciling="Probing",
        applies=[f"Job {probe_job_name()}"],
    ),
    Case(
        "a change of the checks creates a new Job at once, and deletes the Job with the old checks",
        observe(source=CLAIM, status=PROBE_DUE, generation=2, schema=SCHEMA, due="Job", jobs=(running_probe(),)),
        **STAYS_CURRENT,
        reconciling="Probing",
        applies=[f"Job {probe_job_name(PROBE_DUE, source=CLAIM, schema=SCHEMA)}"],
        deletes=[PROBE_JOB],
    ),
]
RUNNING = [
    Case(
        "the first probe Job shows Probing while the Job runs",
        observe(source=CLAIM, jobs=(running_probe(name=FIRST),)),
        ready="False Probing",
        reconciling="Probing",
    ),
    Case(
        "a later probe Job changes nothing while the Job runs",
        observe(source=CLAIM, status=PROBE_DUE, jobs=(running_probe(),)),
        **STAYS_CURRENT,
    ),
    Case(
        "a Pod that cannot start is Stalled",
        observe(source=CLAIM, status=PROBE_DUE, jobs=(running_probe(waiting("ImagePullBackOff", "no such image")),)),
        ready="False ImagePullFailed",
        stalled=True,
        valid="True Checked",
        snapshot="a",
    ),
    Case(
        "a change of the interval does not delete the running Job",
        observe(source=CLAIM, status=PROBE_DUE, generation=2, interval="1h", jobs=(running_probe(),)),
        **STAYS_CURRENT,
        reconciling="Probing",
    ),
    Case(
        "a running Job is kept until a restarted operator has counted the objects",
        observe(probe=FEW, jobs=(running_probe(name=probe_job_name()),)),
        ready="False Probing",
        reconciling="Probing",
    ),
    Case(
        "a suspended Dataset deletes its probe Job",
        observe(source=CLAIM, status=PROBE_DUE, jobs=(running_probe(),), suspend=True),
        ready="True Suspended",
        valid="True Checked",
        snapshot="a",
        deletes=[PROBE_JOB],
    ),
]
BETWEEN = [
    Case(
        "between two probe Jobs the current snapshot stays",
        observe(source=CLAIM, status={**ON_CLAIM, **PROBED}),
        **STAYS_CURRENT,
        requeue_after=interval_minus(age=60),
    ),
    Case(
        "an ended Job is deleted once its result is in the status",
        observe(source=CLAIM, status={**ON_CLAIM, **PROBED}, jobs=(ended_probe(UNCHANGED),)),
        **STAYS_CURRENT,
        deletes=[PROBE_JOB],
        requeue_after=interval_minus(age=60),
    ),
    Case(
        "between two probe Jobs a failure stays visible",
        observe(source=CLAIM, status={**ON_CLAIM, **PROBED, "candidate": LOST_ACCESS}),
        ready="False AccessDenied",
        stalled=True,
        valid="True Checked",
        candidate="Failed b",
        snapshot="a",
        requeue_after=interval_minus(age=60),
    ),
    Case(
        "data that changed under a Job is probed again soon, and shows SourceChanged until then",
        observe(
            source=CLAIM,
            status={
                **ON_CLAIM,
                "probedAt": ago(seconds=10),
                "probedGeneration": 1,
                "candidate": candidate("c", "Settling", reason="SourceChanged", message="it changed"),
            },
        ),
        **STAYS_CURRENT,
        reconciling="SourceChanged",
        candidate="Settling c",
        requeue_after=soon_minus(age=10),
    ),
    Case(
        "the result of the last probe Job stays while the operator counts the objects again",
        observe(
            seen=probe_result(TooManyObjects(3), seconds_ago=600),
            due="InProcess",
            status={**PROBED, "candidate": {**LOST_ACCESS, "objects": 0}},
            probe=FEW,
        ),
        ready="False AccessDenied",
        stalled=True,
        candidate="Failed b",
        requeue_after=interval_minus(age=60),
    ),
    Case(
        "a settling candidate of a source that now has too many objects is dropped with its Job",
        observe(
            seen=probe_result(TooManyObjects(3)),
            status={"candidate": candidate("b", "Settling")},
            jobs=(ended_probe(report("c"), name=probe_job_name()), job(snapshot_job_name("c"))),
            probe=FEW,
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="c",
        events=["SnapshotTaken"],
        deletes=[snapshot_job_name("c")],
        requeue_after=SHORTLY,
    ),
]
CASES = DUE + RUNNING + BETWEEN


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan(case: Case) -> None:
    """Each row's name is the promise that the row protects."""
    check(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_written_status_is_stable(case: Case) -> None:
    """A status that changes with every reconcile would wake the Dataset for ever."""
    check_same_again(case)


def test_an_unchanged_source_costs_one_write_an_interval() -> None:
    """A thousand claims that do not change must not load the API server; a restart finds the time of the next probe."""
    before = plan(observe(source=CLAIM, status=PROBE_DUE, due="Job"))
    meanwhile = plan(observe(source=CLAIM, status=PROBE_DUE, jobs=(running_probe(),)))
    after = plan(observe(source=CLAIM, status=PROBE_DUE, jobs=(ended_probe(UNCHANGED),)))
    assert status_of(before) == status_of(meanwhile) == observe(status=PROBE_DUE).dataset.status
    assert status_of(after) == status_of(before).model_copy(update={"probed_at": ago()})
    assert before.conditions == meanwhile.conditions == after.conditions


def test_a_refresh_is_acted_on_once_its_job_exists() -> None:
    """An operator that was killed after it created the Job notes the refresh; without a Job the refresh stays open."""
    status = {**ON_CLAIM, **PROBED}
    begun = plan(observe(source=CLAIM, status=status, due="Job", refresh="now"))
    assert status_of(begun).last_handled_refresh == "now"
    from_before = running_probe(name=probe_job_name(PROBED, "now", source=CLAIM))
    resumed = plan(observe(source=CLAIM, status=status, jobs=(from_before,), refresh="now"))
    assert status_of(resumed).last_handled_refresh == "now"
    blocked = plan(observe(source=CLAIM, status=status, due="Job", obstacle=NO_CLAIM, refresh="now"))
    assert status_of(blocked).last_handled_refresh is None


def test_a_refresh_while_a_probe_job_runs_is_another_job() -> None:
    """The running Job may have listed the source before the change: it ends, and the refresh follows at once."""
    first = plan(observe(source=CLAIM, status=PROBE_DUE, jobs=(running_probe(),), refresh="now"))
    assert (status_of(first).last_handled_refresh, first.delete) == (None, ())
    second = plan(observe(source=CLAIM, status=PROBE_DUE, jobs=(ended_probe(UNCHANGED),), refresh="now"))
    assert status_of(second).last_handled_refresh is None
    third = plan(observe(source=CLAIM, status={**PROBE_DUE, "probedAt": ago()}, due="Job", refresh="now"))
    assert names(third.apply) == [f"Job {probe_job_name({'probedAt': ago()}, 'now', source=CLAIM)}"]


def test_a_claim_is_never_reproducible() -> None:
    """Files of a volume can be overwritten for good: a run verifies them, but they may be gone by then."""
    done = plan(observe(source=CLAIM, status={**ON_CLAIM, **PROBED}))
    assert reason(done, "Reproducible") == "False VolumeNotVersioned"
    reproducible = condition_of(done, "Reproducible")
    assert reproducible is not None
    assert '"files"' in reproducible.message


def test_the_interval_begins_with_the_end_of_the_last_probe_job() -> None:
    """Otherwise a Job that takes longer than the interval would be followed by the next one without a pause."""
    seen = observe(source=CLAIM, status={**ON_CLAIM, "probedAt": ago(), "probedGeneration": 1})
    assert plan(seen).requeue_after == timedelta(seconds=interval_minus(age=0))

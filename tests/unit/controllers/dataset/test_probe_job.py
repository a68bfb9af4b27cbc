"""Surveys: a Job looks where the operator does not, once for each time that is due, at the cost of one write."""

from datetime import timedelta
from typing import Any

import pytest

from modelops.api.contract.reports import EXIT_FINAL, Failure, SnapshotReport
from modelops.controllers.dataset.plan import plan
from modelops.controllers.dataset.probe_result import Problem
from modelops.controllers.jobs import JobState
from modelops.store.listing import TooMany
from support.builders.common import ago
from support.builders.datasets import CLAIM, snapshot
from support.builders.jobs import RUNNING, job, pod, waiting
from support.builders.plans import names, reason, shown
from support.dataset_cases import (
    CHECKS,
    LOOKED,
    ON_CLAIM,
    SCHEMA,
    Case,
    candidate,
    check,
    check_same_again,
    ended,
    name_of,
    observe,
    report,
    sighting,
    status_of,
    survey_name,
)

FAR = {"probedAt": ago(minutes=6), "probedGeneration": 1}
KNOWN = {**ON_CLAIM, **FAR}
NAME = survey_name(KNOWN, source=CLAIM)
FIRST = survey_name(source=CLAIM)
REJECTED = candidate("b", "Rejected", checkedWith=CHECKS, reason="SchemaViolated", message="no", endedAt=ago())
FAILED = candidate("b", "Failed", checkedWith=CHECKS, reason="AccessDenied", message="allow it", endedAt=ago())
SAME = report("a", unchanged=True, versioned=False, manifest=None, profile=None)
EMPTY = Failure(reason="EmptyPrefix", message="there is nothing")


def survey(said: SnapshotReport | None = None, code: int = 0, name: str = NAME) -> JobState:
    return ended(name, said, code)


def running(state: dict[str, Any] = RUNNING, name: str = NAME) -> JobState:
    return job(name, pod(snapshot=state))


CASES = [
    Case(
        "a claim is looked at for the first time by a Job",
        observe(source=CLAIM, due="Survey"),
        ready="False Probing",
        working="Probing",
        applies=[f"Job {FIRST}"],
    ),
    Case(
        "while the first look lasts, it is told what the Job does",
        observe(source=CLAIM, jobs=(running(name=FIRST),)),
        ready="False Probing",
        working="Probing",
    ),
    Case(
        "what the first look finds becomes the snapshot",
        observe(source=CLAIM, jobs=(survey(report("a"), name=FIRST),)),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="a",
        events=["SnapshotTaken"],
        requeue_after=2,
    ),
    Case(
        "an empty directory is told, as an empty prefix is",
        observe(source=CLAIM, jobs=(survey(report("0", objects=0, failure=EMPTY), EXIT_FINAL, FIRST),)),
        ready="False EmptyPrefix",
        stalled=True,
        valid="False EmptyPrefix",
        candidate="Rejected 0",
        events=["CandidateRejected"],
        requeue_after=2,
    ),
    Case(
        "a claim that is not there is waited for, and looked for every half minute",
        observe(source=CLAIM, due="Survey", obstacle=Problem("Waiting", "ClaimNotFound", "no claim")),
        ready="False ClaimNotFound",
        working="ClaimNotFound",
        requeue_after=30,
    ),
    Case(
        "credentials that cannot be right are a person's business",
        observe(
            due="Survey",
            probe={"maxObjects": 0},
            obstacle=Problem("Stalled", "InvalidCredentials", "correct them"),
        ),
        ready="False InvalidCredentials",
        stalled=True,
        requeue_after=30,
    ),
    Case(
        "between two surveys what the last one found holds",
        observe(source=CLAIM, status={**ON_CLAIM, **LOOKED}),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="a",
        requeue_after=240,
    ),
    Case(
        "a survey that is due changes nothing but that there is a Job",
        observe(source=CLAIM, status=KNOWN, due="Survey"),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="a",
        applies=[f"Job {NAME}"],
    ),
    Case(
        "nor does one that runs",
        observe(source=CLAIM, status=KNOWN, jobs=(running(),)),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="a",
    ),
    Case(
        "but a Pod that cannot start is told",
        observe(source=CLAIM, status=KNOWN, jobs=(running(waiting("ImagePullBackOff", "no such image")),)),
        ready="False ImagePullFailed",
        stalled=True,
        valid="True Checked",
        snapshot="a",
    ),
    Case(
        "nothing new is nothing to tell",
        observe(source=CLAIM, status=KNOWN, jobs=(survey(SAME),)),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="a",
        requeue_after=2,
    ),
    Case(
        "once the end of a survey is in the status its Job goes",
        observe(source=CLAIM, status={**ON_CLAIM, **LOOKED}, jobs=(survey(SAME),)),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="a",
        deletes=[NAME],
        requeue_after=240,
    ),
    Case(
        "new data becomes the snapshot",
        observe(source=CLAIM, status=KNOWN, jobs=(survey(report("b")),)),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="b",
        events=["SnapshotTaken"],
        requeue_after=2,
    ),
    Case(
        "new data that cannot be read is rejected, and the last good snapshot stays",
        observe(source=CLAIM, status=KNOWN, jobs=(survey(report("b", profile=None)),)),
        ready="True CandidateRejected",
        valid="False Unreadable",
        candidate="Rejected b",
        snapshot="a",
        events=["CandidateRejected"],
        requeue_after=2,
    ),
    Case(
        "what was rejected stays so while it is what is there",
        observe(source=CLAIM, status={**KNOWN, "candidate": REJECTED}, jobs=(survey(report("b", unchanged=True)),)),
        ready="True CandidateRejected",
        valid="False SchemaViolated",
        candidate="Rejected b",
        snapshot="a",
        requeue_after=2,
    ),
    Case(
        "data put back to what is current is current",
        observe(source=CLAIM, status={**KNOWN, "candidate": REJECTED}, jobs=(survey(SAME),)),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="a",
        requeue_after=2,
    ),
    Case(
        "so it is where its files need not even be read",
        observe(source=CLAIM, status={**KNOWN, "candidate": REJECTED}, jobs=(survey(SnapshotReport(unchanged=True)),)),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="a",
        requeue_after=2,
    ),
    Case(
        "a survey that fails is a person's business until one succeeds, and the next comes after the interval",
        observe(
            source=CLAIM,
            status=KNOWN,
            jobs=(survey(SnapshotReport(failure=Failure(reason="AccessDenied", message="allow it")), EXIT_FINAL),),
        ),
        ready="False AccessDenied",
        stalled=True,
        valid="True Checked",
        candidate="Failed ?",
        snapshot="a",
        requeue_after=2,
    ),
    Case(
        "between two surveys a failure is still told",
        observe(source=CLAIM, status={**ON_CLAIM, **LOOKED, "candidate": FAILED}),
        ready="False AccessDenied",
        stalled=True,
        valid="True Checked",
        candidate="Failed b",
        snapshot="a",
        requeue_after=240,
    ),
    Case(
        "data that changed under the survey is looked at again soon",
        observe(
            source=CLAIM,
            status=KNOWN,
            jobs=(survey(report("c", failure=Failure(reason="SourceChanged", message="it changed")), EXIT_FINAL),),
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        working="SourceChanged",
        candidate="Settling c",
        snapshot="a",
        deletes=[NAME],
        requeue_after=2,
    ),
    Case(
        "until then it is told what is waited for",
        observe(
            source=CLAIM,
            status={
                **ON_CLAIM,
                "probedAt": ago(seconds=10),
                "probedGeneration": 1,
                "candidate": candidate("c", "Settling", reason="SourceChanged", message="it changed"),
            },
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        working="SourceChanged",
        candidate="Settling c",
        snapshot="a",
        requeue_after=20,
    ),
    Case(
        "a report that was lost with its Pod means looking again",
        observe(source=CLAIM, status=KNOWN, jobs=(job(NAME, ended="Complete"),)),
        ready="True SnapshotCurrent",
        valid="True Checked",
        working="ReportLost",
        snapshot="a",
        deletes=[NAME],
        events=["ReportLost"],
        requeue_after=2,
    ),
    Case(
        "other checks mean looking at once, with a Job that is not taken for the one under way",
        observe(source=CLAIM, status=KNOWN, generation=2, schema=SCHEMA, due="Survey", jobs=(running(),)),
        ready="True SnapshotCurrent",
        valid="True Checked",
        working="Probing",
        snapshot="a",
        applies=[f"Job {survey_name(KNOWN, source=CLAIM, schema=SCHEMA)}"],
        deletes=[NAME],
    ),
    Case(
        "another interval lets the Job under way go on",
        observe(source=CLAIM, status=KNOWN, generation=2, interval="1h", jobs=(running(),)),
        ready="True SnapshotCurrent",
        valid="True Checked",
        working="Probing",
        snapshot="a",
    ),
    Case(
        "a prefix of too many objects is surveyed",
        observe(seen=sighting(TooMany(3)), probe={"maxObjects": 2}, due="Survey"),
        ready="False Probing",
        working="Probing",
        applies=[f"Job {survey_name()}"],
    ),
    Case(
        "its Job is left alone while the operator, started anew, has not counted yet",
        observe(probe={"maxObjects": 2}, jobs=(running(name=survey_name()),)),
        ready="False Probing",
        working="Probing",
    ),
    Case(
        "a small candidate from before there were too many is given up, and with it its Job",
        observe(
            seen=sighting(TooMany(3)),
            status={"candidate": candidate("b", "Settling")},
            jobs=(survey(report("c"), name=survey_name()), job(name_of("c"))),
            probe={"maxObjects": 2},
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="c",
        events=["SnapshotTaken"],
        deletes=[name_of("c")],
        requeue_after=2,
    ),
    Case(
        "while the operator counts again, what the last survey found holds",
        observe(
            seen=sighting(TooMany(3), 600),
            due="Probe",
            status={**LOOKED, "candidate": {**FAILED, "objects": 0}},
            probe={"maxObjects": 2},
        ),
        ready="False AccessDenied",
        stalled=True,
        candidate="Failed b",
        requeue_after=240,
    ),
    Case(
        "a suspended Dataset stops its survey",
        observe(source=CLAIM, status=KNOWN, jobs=(running(),), suspend=True),
        ready="True Suspended",
        valid="True Checked",
        snapshot="a",
        deletes=[NAME],
    ),
    Case(
        "a survey that somebody asks for is another Job than the one that was due",
        observe(source=CLAIM, status={**ON_CLAIM, **LOOKED}, due="Survey", refresh="now"),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="a",
        applies=[f"Job {survey_name(LOOKED, 'now', source=CLAIM)}"],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_story(case: Case) -> None:
    """Each case's name is the promise it protects."""
    check(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_same_again(case: Case) -> None:
    """Nothing loops."""
    check_same_again(case)


def test_nothing_new_costs_one_write() -> None:
    """Of a thousand claims that do not change, each costs one write an interval, and a restart finds the next time."""
    before = plan(observe(source=CLAIM, status=KNOWN, due="Survey"))
    meanwhile = plan(observe(source=CLAIM, status=KNOWN, jobs=(running(),)))
    after = plan(observe(source=CLAIM, status=KNOWN, jobs=(survey(SAME),)))
    assert status_of(before) == status_of(meanwhile) == observe(status=KNOWN).dataset.status
    assert status_of(after) == status_of(before).model_copy(update={"probed_at": ago()})
    assert before.conditions == meanwhile.conditions == after.conditions


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (report("b"), 0),
        (report("b", profile=None), 0),
        (SnapshotReport(failure=Failure(reason="AccessDenied", message="allow it")), EXIT_FINAL),
        (report("0", objects=0, failure=EMPTY), EXIT_FINAL),
        (report("c", failure=Failure(reason="SourceChanged", message="it changed")), EXIT_FINAL),
        (None, 137),
    ],
    ids=["taken", "unreadable", "failed", "empty", "moved", "killed"],
)
def test_every_end_is_a_look(said: SnapshotReport | None, code: int) -> None:
    """However a survey ends, the next one comes when it is due, and not at once for ever."""
    done = plan(observe(source=CLAIM, status=KNOWN, jobs=(survey(said, code),)))
    status = status_of(done)
    assert (status.probed_at, status.probed_generation) == (ago(), 1)


def test_a_rejection_without_a_digest_is_told_once() -> None:
    """A name that cannot be pinned is found anew by every survey: it is one rejection, and one Event."""
    unusable = SnapshotReport(failure=Failure(reason="UnusableKey", message='"a\\nb" has a line end'))
    first = plan(observe(source=CLAIM, status=KNOWN, jobs=(survey(unusable, EXIT_FINAL),)))
    rejected = status_of(first).candidate
    assert rejected is not None
    later = {**KNOWN, "candidate": {**rejected.wire(), "endedAt": ago(hours=1), "since": ago(hours=1)}}
    again = plan(observe(source=CLAIM, status=later, jobs=(survey(unusable, EXIT_FINAL),)))
    assert ([event.reason for event in first.events], again.events) == (["CandidateRejected"], ())
    found = status_of(again).candidate
    assert found is not None
    assert found.ended_at == ago(hours=1)


def test_touched_files_are_read_once() -> None:
    """Files that were written anew with the same content have another token, which the next survey must know."""
    touched = report("a", unchanged=True, changeToken="t2", newest=ago())
    done = plan(observe(source=CLAIM, status=KNOWN, jobs=(survey(touched),)))
    current = status_of(done).snapshot
    assert current is not None
    assert (current.change_token, current.last_modified) == ("t2", ago())


def test_versioning_that_is_turned_on_later_is_told() -> None:
    """The digest does not tell, and whoever turned it on wants to see that it helps."""
    known = {"snapshot": snapshot("a", checkedWith=CHECKS, versioned=False), **FAR}
    said = report("a", unchanged=True, versioned=True)
    name = survey_name(known, probe={"maxObjects": 0})
    done = plan(observe(status=known, probe={"maxObjects": 0}, jobs=(survey(said, name=name),)))
    assert reason(done, "Reproducible") == "True Pinned"


def test_a_new_way_to_the_same_data() -> None:
    """Who fetches a snapshot whose source has moved must look where it is now."""
    moved = {"pvc": {"claimName": "copy"}}
    name = survey_name(KNOWN, source=moved)
    done = plan(observe(source=moved, status=KNOWN, generation=2, jobs=(survey(SAME, name=name),)))
    current = status_of(done).snapshot
    assert current is not None
    assert current.source.pvc is not None
    assert current.source.pvc.claim_name == "copy"


def test_a_request_is_acted_on_once() -> None:
    """Noted with its Job, also by an operator that was killed between the two, and never before there can be a Job."""
    status = {**ON_CLAIM, **LOOKED}
    asked = plan(observe(source=CLAIM, status=status, due="Survey", refresh="now"))
    assert status_of(asked).last_handled_refresh == "now"
    late = running(name=survey_name(LOOKED, "now", source=CLAIM))
    assert (
        status_of(plan(observe(source=CLAIM, status=status, jobs=(late,), refresh="now"))).last_handled_refresh == "now"
    )
    missing = Problem("Waiting", "ClaimNotFound", "no claim")
    blocked = plan(observe(source=CLAIM, status=status, due="Survey", obstacle=missing, refresh="now"))
    assert status_of(blocked).last_handled_refresh is None


def test_a_request_during_a_survey_is_another_look() -> None:
    """What is under way may have listed before the change that somebody asks for: it ends, and is followed at once."""
    first = plan(observe(source=CLAIM, status=KNOWN, jobs=(running(),), refresh="now"))
    assert (status_of(first).last_handled_refresh, first.delete) == (None, ())
    second = plan(observe(source=CLAIM, status=KNOWN, jobs=(survey(SAME),), refresh="now"))
    assert status_of(second).last_handled_refresh is None
    waits = plan(observe(source=CLAIM, status={**KNOWN, "probedAt": ago()}, due="Survey", refresh="now"))
    assert names(waits.apply) == [f"Job {survey_name({'probedAt': ago()}, 'now', source=CLAIM)}"]


def test_a_claim_is_never_called_reproducible() -> None:
    """Files of a volume can be overwritten for good: what is verified when it is fetched need not be there then."""
    done = plan(observe(source=CLAIM, status={**ON_CLAIM, **LOOKED}))
    assert reason(done, "Reproducible") == "False VolumeNotVersioned"
    told = shown(done, "Reproducible")
    assert told is not None
    assert '"files"' in told.message


def test_the_next_survey_is_after_the_interval() -> None:
    """From the end of the last one, so that a survey that takes longer than the interval does not follow itself."""
    seen = observe(source=CLAIM, status={**ON_CLAIM, "probedAt": ago(), "probedGeneration": 1})
    assert plan(seen).requeue_after == timedelta(minutes=5)

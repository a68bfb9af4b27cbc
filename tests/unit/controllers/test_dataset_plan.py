"""What a Dataset does: the newest good data is pinned, everything else is told apart, and nothing loops or hangs."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from modelops.api.dataset import Dataset, DatasetStatus
from modelops.api.reports import EXIT_FINAL, Failure, SnapshotReport, Violations
from modelops.controllers.dataset import children
from modelops.controllers.dataset.checks import checks_of
from modelops.controllers.dataset.observe import Observation
from modelops.controllers.dataset.plan import plan
from modelops.controllers.dataset.sighting import Problem, Sighting
from modelops.controllers.jobs import JobState
from modelops.machinery.plan import Plan
from modelops.store.listing import Probe
from support.builders import (
    NOW,
    RUNNING,
    ago,
    dataset,
    deleted,
    digest,
    job,
    names,
    pod,
    reason,
    settings,
    shown,
    snapshot,
    terminated,
    waiting,
)

SCHEMA = {"columns": [{"name": "lvr", "type": "number", "max": 2}]}
WARN = {**SCHEMA, "onViolation": "Warn"}
CHECKS = checks_of(dataset().spec)
VIOLATIONS = Violations(total=12, examples=['column "lvr": 12 of 30 values are above max 2'])


def probe(letter: str = "a", objects: int = 3, versioned: bool = True) -> Probe:
    return Probe(digest(letter), objects, 100 * objects, versioned)


def sighting(found: Probe | Problem, seconds_ago: float = 1, failures: int = 0) -> Sighting:
    return Sighting(NOW - timedelta(seconds=seconds_ago), "uid-of-mortgage", 1, found, failures)


def candidate(letter: str, state: str, **more: Any) -> dict[str, Any]:
    return {"digest": digest(letter), "objects": 3, "bytes": 300, "since": ago(minutes=1), "state": state, **more}


def report(letter: str = "b", **more: Any) -> SnapshotReport:
    given: dict[str, Any] = {
        "digest": digest(letter),
        "objects": 3,
        "bytes": 300,
        "rows": 30,
        "versioned": True,
        "manifest": f"s3://store/manifests/{letter}",
        "profile": f"s3://store/profiles/{letter}",
    }
    return SnapshotReport.model_validate(given | more)


def name_of(letter: str, **spec: Any) -> str:
    return children.job_name(dataset(**spec), digest(letter))


def finished(letter: str, said: SnapshotReport | None, code: int = 0, reason: str = "", **spec: Any) -> JobState:
    ended = pod("Failed" if code else "Succeeded", snapshot=terminated(code, said, reason))
    return job(name_of(letter, **spec), ended, ended="Failed" if code else "Complete", because="PodFailurePolicy")


def active(letter: str, state: dict[str, Any] = RUNNING) -> JobState:
    return job(name_of(letter), pod(snapshot=state))


def observe(
    *,
    status: dict[str, Any] | None = None,
    seen: Sighting | None = None,
    jobs: tuple[JobState, ...] = (),
    now: timedelta = timedelta(),
    **spec: Any,
) -> Observation:
    return Observation(dataset(status=status, **spec), settings(), NOW + now, jobs, seen)


def carried_out(seen: Observation, done: Plan) -> Observation:
    """The same Dataset once the plan's status is written."""
    assert isinstance(done.status, DatasetStatus)
    written = seen.dataset.model_copy(update={"status": done.status})
    return Observation(Dataset.model_construct(**dict(written)), seen.settings, seen.now, seen.jobs, seen.sighting)


@dataclass(frozen=True)
class Case:
    name: str
    given: Observation
    ready: str
    valid: str | None = None
    stalled: bool = False
    working: bool = False
    candidate: str | None = None
    """The candidate's state and its digest's letter."""
    snapshot: str | None = None
    """The current snapshot's letter."""
    applies: list[str] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    again_in: float | None = None
    """In seconds; None: whenever something wakes it."""


GOOD = {"snapshot": snapshot("a", checkedWith=CHECKS)}
CASES = [
    Case(
        "a source that was never looked at says that it is looked at",
        observe(),
        ready="False Probing",
        working=True,
        again_in=300,
    ),
    Case(
        "the first data must hold still",
        observe(seen=sighting(probe("a"), 10)),
        ready="False ChangeSettling",
        working=True,
        candidate="Settling a",
        again_in=20,
    ),
    Case(
        "with settle 0s the first data is read at once",
        observe(seen=sighting(probe("a")), settle="0s"),
        ready="False Checking",
        working=True,
        candidate="Checking a",
        applies=[f"Job {name_of('a')}"],
    ),
    Case(
        "the end of settle needs a look of its own, not the clock alone",
        observe(seen=sighting(probe("a"), 40), status={"candidate": candidate("a", "Settling", since=ago(seconds=45))}),
        ready="False ChangeSettling",
        working=True,
        candidate="Settling a",
        again_in=300,
    ),
    Case(
        "data that still moves is waited for anew",
        observe(seen=sighting(probe("b"), 1), status={"candidate": candidate("a", "Settling")}),
        ready="False ChangeSettling",
        working=True,
        candidate="Settling b",
        again_in=29,
    ),
    Case(
        "data that has held still is read by a Job",
        observe(seen=sighting(probe("a"), 1), status={"candidate": candidate("a", "Settling")}),
        ready="False Checking",
        working=True,
        candidate="Checking a",
        applies=[f"Job {name_of('a')}"],
    ),
    Case(
        "while a change settles, the Dataset is Ready with what it has",
        observe(seen=sighting(probe("b"), 1), status=GOOD),
        ready="True SnapshotCurrent",
        valid="True Checked",
        working=True,
        candidate="Settling b",
        snapshot="a",
        again_in=29,
    ),
    Case(
        "what is current stays, and the next look comes after the interval",
        observe(seen=sighting(probe("a"), 100), status=GOOD),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="a",
        again_in=200,
    ),
    Case(
        "data put back to what is current needs no check",
        observe(
            seen=sighting(probe("a"), 100),
            status={**GOOD, "candidate": candidate("b", "Rejected", checkedWith=CHECKS)},
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="a",
        again_in=200,
    ),
    Case(
        "a running Job is left alone, whatever the source does",
        observe(
            seen=sighting(probe("c")), status={**GOOD, "candidate": candidate("b", "Checking")}, jobs=(active("b"),)
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        working=True,
        candidate="Checking b",
        snapshot="a",
    ),
    Case(
        "a worker image that cannot be had is a person's business",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(active("b", waiting("ImagePullBackOff", "no such image")),),
        ),
        ready="False ImagePullFailed",
        stalled=True,
        candidate="Checking b",
    ),
    Case(
        "a good report becomes the snapshot, and its Job stays until that is written",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b")),),
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="b",
        again_in=299,
    ),
    Case(
        "once the snapshot is written its Job goes",
        observe(
            seen=sighting(probe("b")),
            status={"snapshot": snapshot("b", checkedWith=CHECKS)},
            jobs=(finished("b", report("b")),),
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="b",
        deletes=[name_of("b")],
        again_in=299,
    ),
    Case(
        "data against the schema is rejected, and the last good snapshot stays",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", violations=VIOLATIONS), schema=SCHEMA),),
            schema=SCHEMA,
        ),
        ready="True CandidateRejected",
        valid="False SchemaViolated",
        candidate="Rejected b",
        snapshot="a",
        again_in=299,
    ),
    Case(
        "without a snapshot to fall back on, a rejection is a person's business",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", violations=VIOLATIONS), schema=SCHEMA),),
            schema=SCHEMA,
        ),
        ready="False SchemaViolated",
        stalled=True,
        valid="False SchemaViolated",
        candidate="Rejected b",
        again_in=299,
    ),
    Case(
        "with onViolation Warn data against the schema is taken, and says so",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", violations=VIOLATIONS), schema=WARN),),
            schema=WARN,
        ),
        ready="True SnapshotCurrent",
        valid="False SchemaViolated",
        snapshot="b",
        again_in=299,
    ),
    Case(
        "what cannot be read at all is rejected even with Warn",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", violations=VIOLATIONS, profile=None), schema=WARN),),
            schema=WARN,
        ),
        ready="True CandidateRejected",
        valid="False Unreadable",
        candidate="Rejected b",
        snapshot="a",
        again_in=299,
    ),
    Case(
        "rejected data stays rejected without another Job",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Rejected", checkedWith=CHECKS, reason="SchemaViolated")},
        ),
        ready="True CandidateRejected",
        valid="False SchemaViolated",
        candidate="Rejected b",
        snapshot="a",
        again_in=299,
    ),
    Case(
        "other checks mean checking the rejected data again, at once",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Rejected", checkedWith="other", since=ago(seconds=1))},
            schema=SCHEMA,
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        working=True,
        candidate="Checking b",
        snapshot="a",
        applies=[f"Job {name_of('b', schema=SCHEMA)}"],
    ),
    Case(
        "other checks mean checking the current data again, at once",
        observe(seen=sighting(probe("a")), status=GOOD, schema=SCHEMA),
        ready="True SnapshotCurrent",
        valid="True Checked",
        working=True,
        candidate="Checking a",
        snapshot="a",
        applies=[f"Job {name_of('a', schema=SCHEMA)}"],
    ),
    Case(
        "an empty prefix is rejected without a Job",
        observe(seen=sighting(probe("0", objects=0)), status=GOOD),
        ready="True CandidateRejected",
        valid="False EmptyPrefix",
        candidate="Rejected 0",
        snapshot="a",
        again_in=299,
    ),
    Case(
        "data that changed under the Job is not read again before it holds still",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(
                finished(
                    "b", report("c", failure=Failure(reason="SourceChanged", message="it changed")), code=EXIT_FINAL
                ),
            ),
            settle="0s",
        ),
        ready="False SourceChanged",
        working=True,
        candidate="Settling c",
        deletes=[name_of("b")],
        again_in=2,
    ),
    Case(
        "a check that failed is Stalled with its reason, and tried again after the interval",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(
                finished("b", SnapshotReport(failure=Failure(reason="AccessDenied", message="allow it")), EXIT_FINAL),
            ),
        ),
        ready="False AccessDenied",
        stalled=True,
        valid="True Checked",
        candidate="Failed b",
        snapshot="a",
        again_in=299,
    ),
    Case(
        "a worker that was killed for memory says so",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(finished("b", None, 137, "OOMKilled"),),
        ),
        ready="False OutOfMemory",
        stalled=True,
        candidate="Failed b",
        again_in=299,
    ),
    Case(
        "until the interval is over a failed check is not tried again, and its Job goes",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Failed", checkedWith=CHECKS, endedAt=ago(minutes=1), reason="Oops")},
            jobs=(finished("b", None, 1),),
        ),
        ready="False Oops",
        stalled=True,
        candidate="Failed b",
        deletes=[name_of("b")],
        again_in=240,
    ),
    Case(
        "after the interval a failed check is done again",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Failed", checkedWith=CHECKS, endedAt=ago(minutes=6), reason="Oops")},
        ),
        ready="False Checking",
        working=True,
        candidate="Checking b",
        applies=[f"Job {name_of('b')}"],
    ),
    Case(
        "not before the failed Job has gone",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Failed", checkedWith=CHECKS, endedAt=ago(minutes=6), reason="Oops")},
            jobs=(finished("b", None, 1),),
        ),
        ready="False Retrying",
        working=True,
        candidate="Failed b",
        deletes=[name_of("b")],
        again_in=2,
    ),
    Case(
        "a report that was lost with its Pod means reading again",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(job(name_of("b"), ended="Complete"),),
        ),
        ready="False ReportLost",
        working=True,
        candidate="Checking b",
        deletes=[name_of("b")],
        again_in=2,
    ),
    Case(
        "a Job that somebody deleted is made again",
        observe(seen=sighting(probe("b")), status={"candidate": candidate("b", "Checking")}),
        ready="False Checking",
        working=True,
        candidate="Checking b",
        applies=[f"Job {name_of('b')}"],
    ),
    Case(
        "a Job from before the operator could write its status is taken up",
        observe(seen=sighting(probe("b"), 1), status={}, jobs=(active("b"),), settle="0s"),
        ready="False Checking",
        working=True,
        candidate="Checking b",
        again_in=2,
    ),
    Case(
        "the Job of other data goes",
        observe(seen=sighting(probe("b")), status={"candidate": candidate("b", "Settling")}, jobs=(active("c"),)),
        ready="False Checking",
        working=True,
        candidate="Checking b",
        applies=[f"Job {name_of('b')}"],
        deletes=[name_of("c")],
    ),
    Case(
        "a source that a person must mend is Stalled with S3's reason, and the snapshot stays",
        observe(seen=sighting(Problem("Stalled", "NoSuchBucket", "create it")), status=GOOD),
        ready="False NoSuchBucket",
        stalled=True,
        valid="True Checked",
        snapshot="a",
        again_in=299,
    ),
    Case(
        "a Secret that is not there is waited for, and looked for every half minute",
        observe(seen=sighting(Problem("Waiting", "SecretNotFound", "no Secret s3"), 0), status=GOOD),
        ready="False SecretNotFound",
        working=True,
        valid="True Checked",
        snapshot="a",
        again_in=30,
    ),
    Case(
        "a service that goes on not answering is shown, and is tried sooner than the interval says",
        observe(seen=sighting(Problem("Transient", "EndpointUnreachable", "check it"), 10, failures=3), status=GOOD),
        ready="False EndpointUnreachable",
        working=True,
        valid="True Checked",
        snapshot="a",
        again_in=20,
    ),
    Case(
        "a suspended Dataset keeps its snapshot and stops its Job",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(active("b"),),
            suspend=True,
        ),
        ready="True Suspended",
        valid="True Checked",
        snapshot="a",
        deletes=[name_of("b")],
    ),
    Case(
        "suspended before there was a snapshot, there is nothing to be Ready",
        observe(suspend=True),
        ready="False Suspended",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_story(case: Case) -> None:
    """Each case's name is the promise it protects."""
    done = plan(case.given)
    status = done.status
    assert isinstance(status, DatasetStatus)
    assert reason(done) == case.ready
    assert (shown(done, "Stalled") is not None) == case.stalled
    assert (shown(done, "Reconciling") is not None) == case.working
    assert reason(done, "Valid") == case.valid
    found = status.candidate
    assert (f"{found.state} {found.digest[-1]}" if found else None) == case.candidate
    assert (status.snapshot.digest[-1] if status.snapshot else None) == case.snapshot
    assert names(done.apply) == case.applies
    assert deleted(done) == case.deletes
    assert (done.again_in.total_seconds() if done.again_in is not None else None) == case.again_in


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_same_again(case: Case) -> None:
    """A status that is written does not by itself lead to another one, but where a Job's report has just been kept."""
    done = plan(case.given)
    if any(one.finished for one in case.given.jobs) or case.name.startswith("after the interval"):
        return
    again = plan(carried_out(case.given, done))
    assert again.status == done.status
    assert again.conditions == done.conditions or done.apply or case.given.jobs


def test_a_blip_is_nobodys_business() -> None:
    """A service that did not answer once changes no condition: an alert for every lost packet is an alert for none."""
    good = observe(seen=sighting(probe("a")), status=GOOD)
    conditions = [
        {
            "type": one.type,
            "status": one.status,
            "reason": one.reason,
            "message": one.message,
            "lastTransitionTime": ago(),
        }
        for one in plan(good).conditions
    ]
    blip = sighting(Problem("Transient", "ServerError", "it failed"), 10, failures=1)
    done = plan(observe(seen=blip, status={**GOOD, "conditions": conditions}))
    assert done.conditions == plan(good).conditions
    assert done.again_in == timedelta(seconds=20)


def test_a_restart_writes_nothing() -> None:
    """Before the first look after a restart nothing is known anew, so nothing changes, and no Job is thrown away."""
    conditions = [
        {"type": "Ready", "status": "True", "reason": "SnapshotCurrent", "message": "", "lastTransitionTime": ago()}
    ]
    status = {**GOOD, "conditions": conditions, "observedGeneration": 1}
    done = plan(observe(status=status, jobs=(active("b"),)))
    assert done.status == dataset(status=status).status
    assert reason(done) == "True SnapshotCurrent"
    assert deleted(done) == []


def test_unversioned_says_so() -> None:
    """Honesty: bytes that may be overwritten for good are not called reproducible, from the first probe on."""
    done = plan(observe(seen=sighting(probe("a", versioned=False)), status=GOOD))
    assert reason(done, "Reproducible") == "False BucketNotVersioned"


def test_a_new_way_to_the_same_objects() -> None:
    """A renamed Secret must reach the TrainingRuns that fetch a snapshot taken before it was renamed."""
    source = {
        "s3": {"bucket": "data", "prefix": "mortgage/", "endpoint": "http://s3:8333", "secretRef": {"name": "new"}}
    }
    done = plan(observe(seen=sighting(probe("a")), status=GOOD, source=source))
    assert isinstance(done.status, DatasetStatus)
    assert done.status.snapshot is not None
    assert done.status.snapshot.source.secret_ref is not None
    assert names(done.apply) == []


def test_history_keeps_ten() -> None:
    """The status must not grow for ever, and what is current comes first."""
    past = [
        {"digest": digest(letter), "manifest": "s3://store/m", "rows": 1, "takenAt": ago(hours=1)}
        for letter in "a123456789"
    ]
    done = plan(
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking"), "history": past},
            jobs=(finished("b", report("b")),),
        )
    )
    assert isinstance(done.status, DatasetStatus)
    assert [one.digest[-1] for one in done.status.history] == list("ba12345678")


def test_rejection_carries_its_evidence() -> None:
    """A person sees how much is wrong and where, without reading a log."""
    done = plan(
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", violations=VIOLATIONS), schema=SCHEMA),),
            schema=SCHEMA,
        )
    )
    assert isinstance(done.status, DatasetStatus)
    assert done.status.candidate is not None
    assert (done.status.candidate.violations, done.status.candidate.examples) == (12, VIOLATIONS.examples)
    ready = shown(done, "Ready")
    assert ready is not None
    assert ready.message == f"12 violations: {VIOLATIONS.examples[0]}"


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


@pytest.mark.parametrize(
    "change",
    [
        {"schema": SCHEMA},
        {"format": {"type": "jsonl"}},
        {"pod": {"serviceAccountName": "reader"}},
        {"source": {"s3": {"bucket": "data", "prefix": "mortgage/", "endpoint": "http://other:8333"}}},
    ],
)
def test_what_decides_the_check_decides_the_name(change: dict[str, Any]) -> None:
    """A Job is never taken for one that reads otherwise, and one that reads the same is never made twice."""
    assert name_of("a") == name_of("a", settle="1h", interval="1h")
    assert name_of("a") != name_of("a", **change)
    assert len(children.job_name(dataset("d" * 52), digest("a"))) <= 63

"""What a look of the operator's own leads to: nothing new, a wait, a Job, or a word about what is not good."""

import pytest

from modelops.controllers.dataset.plan import plan
from support.builders.common import ago
from support.builders.plans import names
from support.dataset_cases import (
    CHECKS,
    GOOD,
    LOOKED,
    SCHEMA,
    Case,
    active,
    candidate,
    check,
    check_same_again,
    finished,
    name_of,
    observe,
    probe,
    sighting,
    status_of,
)

CASES = [
    Case(
        "the first data must hold still",
        observe(seen=sighting(probe("a"), 10)),
        ready="False ChangeSettling",
        working="ChangeSettling",
        candidate="Settling a",
        requeue_after=20,
    ),
    Case(
        "with settle 0s the first data is read at once",
        observe(seen=sighting(probe("a")), settle="0s"),
        ready="False Checking",
        working="Checking",
        candidate="Checking a",
        applies=[f"Job {name_of('a')}"],
    ),
    Case(
        "the end of settle needs a look of its own, not the clock alone",
        observe(seen=sighting(probe("a"), 40), status={"candidate": candidate("a", "Settling", since=ago(seconds=45))}),
        ready="False ChangeSettling",
        working="ChangeSettling",
        candidate="Settling a",
        requeue_after=300,
    ),
    Case(
        "data that still moves is waited for anew",
        observe(seen=sighting(probe("b"), 1), status={"candidate": candidate("a", "Settling")}),
        ready="False ChangeSettling",
        working="ChangeSettling",
        candidate="Settling b",
        requeue_after=29,
    ),
    Case(
        "data that has held still is read by a Job",
        observe(seen=sighting(probe("a"), 1), status={"candidate": candidate("a", "Settling")}),
        ready="False Checking",
        working="Checking",
        candidate="Checking a",
        applies=[f"Job {name_of('a')}"],
    ),
    Case(
        "while a change settles, the Dataset is Ready with what it has",
        observe(seen=sighting(probe("b"), 1), status=GOOD),
        ready="True SnapshotCurrent",
        valid="True Checked",
        working="ChangeSettling",
        candidate="Settling b",
        snapshot="a",
        requeue_after=29,
    ),
    Case(
        "what is current stays, and the next look comes after the interval",
        observe(seen=sighting(probe("a"), 100), status=GOOD),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="a",
        requeue_after=200,
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
        requeue_after=200,
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
        requeue_after=299,
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
        working="Checking",
        candidate="Checking b",
        snapshot="a",
        applies=[f"Job {name_of('b', schema=SCHEMA)}"],
    ),
    Case(
        "other checks mean checking the current data again, at once",
        observe(seen=sighting(probe("a")), status=GOOD, schema=SCHEMA),
        ready="True SnapshotCurrent",
        valid="True Checked",
        working="Checking",
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
        requeue_after=299,
        events=["CandidateRejected"],
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
        requeue_after=240,
    ),
    Case(
        "after the interval a failed check is done again",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Failed", checkedWith=CHECKS, endedAt=ago(minutes=6), reason="Oops")},
        ),
        ready="False Checking",
        working="Checking",
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
        working="Retrying",
        candidate="Failed b",
        deletes=[name_of("b")],
        requeue_after=2,
    ),
    Case(
        "a Job that somebody deleted is made again",
        observe(seen=sighting(probe("b")), status={"candidate": candidate("b", "Checking")}),
        ready="False Checking",
        working="Checking",
        candidate="Checking b",
        applies=[f"Job {name_of('b')}"],
    ),
    Case(
        "a Job from before the operator could write its status is taken up",
        observe(seen=sighting(probe("b"), 1), status={}, jobs=(active("b"),), settle="0s"),
        ready="False Checking",
        working="Checking",
        candidate="Checking b",
        requeue_after=2,
    ),
    Case(
        "the Job of other data goes",
        observe(seen=sighting(probe("b")), status={"candidate": candidate("b", "Settling")}, jobs=(active("c"),)),
        ready="False Checking",
        working="Checking",
        candidate="Checking b",
        applies=[f"Job {name_of('b')}"],
        deletes=[name_of("c")],
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


def test_a_new_way_to_the_same_objects() -> None:
    """A renamed Secret must reach the TrainingRuns that fetch a snapshot taken before it was renamed."""
    source = {
        "s3": {"bucket": "data", "prefix": "mortgage/", "endpoint": "http://s3:8333", "secretRef": {"name": "new"}}
    }
    done = plan(observe(seen=sighting(probe("a")), status=GOOD, source=source))
    current = status_of(done).snapshot
    assert current is not None
    assert current.source.s3 is not None
    assert current.source.s3.secret_ref is not None
    assert names(done.apply) == []


def test_the_same_data_uploaded_again_is_as_fresh_as_its_upload() -> None:
    """In a bucket without versions the digest does not tell: the time of the newest object is kept up to date."""
    done = plan(observe(seen=sighting(probe("a", newest="2026-11-05T11:00:00Z")), status=GOOD))
    current = status_of(done).snapshot
    assert current is not None
    assert current.last_modified == "2026-11-05T11:00:00Z"


def test_where_the_operator_looks_itself_no_survey_is_told_of() -> None:
    """`probedAt` of a source that has become small again would be older with every day, and alarm whoever reads it."""
    done = plan(observe(seen=sighting(probe("a")), status={**GOOD, **LOOKED}))
    assert status_of(done).probed_at is None

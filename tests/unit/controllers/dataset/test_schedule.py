"""When a source is looked at, and by whom: as often as it must be and no more, since every look is paid for."""

from datetime import timedelta
from typing import Any

import pytest

from modelops.api.annotations import REFRESH
from modelops.api.dataset import Dataset
from modelops.controllers.dataset.probe_result import Problem, Sighting
from modelops.controllers.dataset.schedule import asked, needs_job, next_look
from modelops.store.listing import Probe, TooMany
from support.builders.common import NOW, ago, digest
from support.builders.datasets import CLAIM, S3, dataset, snapshot

SEEN = Probe(digest("a"), 1, 1, True)
CANDIDATE = {"digest": digest("a"), "objects": 1, "bytes": 1, "since": ago(), "state": "Settling"}
SETTLING = {"candidate": CANDIDATE}
LOOKED = {"probedAt": ago(minutes=1), "probedGeneration": 1}
LARGE = {"snapshot": snapshot("a", objects=5, source=S3)}
FEW: dict[str, Any] = {"probe": {"maxObjects": 2}}


def sighting(found: Probe | TooMany | Problem = SEEN, minutes_ago: float = 0) -> Sighting:
    return Sighting(NOW - timedelta(minutes=minutes_ago), "uid", 1, found)


@pytest.mark.parametrize(
    ("name", "given", "last", "busy", "seconds"),
    [
        ("after the interval", dataset(), sighting(), False, 300),
        ("at the end of settle, where that comes first", dataset(status=SETTLING), sighting(), False, 30),
        ("at the interval, where settle takes longer", dataset(status=SETTLING, settle="1h"), sighting(), False, 300),
        ("soon, where it passes by itself", dataset(), sighting(Problem("Transient", "R", "m")), False, 30),
        ("after the interval, where it does not", dataset(), sighting(Problem("Stalled", "R", "m")), False, 300),
        ("never later than the interval", dataset(interval="5s"), sighting(Problem("Waiting", "R", "m")), False, 5),
        ("not while a Job has the word", dataset(), sighting(), True, None),
        ("not while suspended", dataset(suspend=True), None, False, None),
        ("a claim: an interval after the last Job", dataset(status=LOOKED, source=CLAIM), None, False, 240),
        ("always a Job: the same", dataset(status=LOOKED, probe={"maxObjects": 0}), None, False, 240),
        ("a large prefix: the same", dataset(status={**LARGE, **LOOKED}, **FEW), None, False, 240),
        (
            "soon after a Job whose data moved",
            dataset(status={**LOOKED, **SETTLING}, source=CLAIM, settle="0s"),
            None,
            False,
            -30,
        ),
        (
            "once a Job has looked at too many objects, the operator counts again after the interval",
            dataset(status=LOOKED, **FEW),
            sighting(TooMany(3), minutes_ago=2),
            False,
            240,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_next_look(name: str, given: Dataset, last: Sighting | None, busy: bool, seconds: int | None) -> None:
    """Each case's name says when."""
    due = next_look(given, last, busy=busy)
    assert due == (NOW + timedelta(seconds=seconds) if seconds is not None else None), name


@pytest.mark.parametrize(
    ("name", "given", "last"),
    [
        ("after a start or a change of the spec, where the operator looks itself", dataset(), None),
        ("at the first look at a claim", dataset(source=CLAIM), None),
        ("after a change of the spec of a claim", dataset(status=LOOKED, generation=2, source=CLAIM), None),
        ("where the operator has just found too many", dataset(status=LOOKED, **FEW), sighting(TooMany(3))),
        ("where somebody asks", dataset(annotations={REFRESH: "now"}), sighting()),
        ("where somebody asks for a claim", dataset(status=LOOKED, source=CLAIM, annotations={REFRESH: "now"}), None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_at_once(name: str, given: Dataset, last: Sighting | None) -> None:
    """Nothing is known then that could be waited with."""
    due = next_look(given, last, busy=False)
    assert due is not None, name
    assert due < NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "given", "last", "job"),
    [
        ("the operator counts what it does not know", dataset(**FEW), None, False),
        ("a claim is always a Job's", dataset(source=CLAIM), None, True),
        ("with maxObjects 0 it always is", dataset(probe={"maxObjects": 0}), None, True),
        ("a prefix known to be large needs no count", dataset(status=LARGE, **FEW), None, True),
        ("one of just as many objects does", dataset(status=LARGE, probe={"maxObjects": 5}), None, False),
        (
            "that another prefix was large says nothing",
            dataset(status={"snapshot": snapshot("a", objects=5, source={"s3": {"bucket": "other"}})}, **FEW),
            None,
            False,
        ),
        ("too many is a Job's", dataset(**FEW), sighting(TooMany(3)), True),
        ("but only once for each count", dataset(status=LOOKED, **FEW), sighting(TooMany(3), minutes_ago=2), False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_looks(name: str, given: Dataset, last: Sighting | None, job: bool) -> None:
    """The operator's own memory and time are bounded, whatever somebody names as a source."""
    assert needs_job(given, last) == job, name


@pytest.mark.parametrize(
    ("name", "annotation", "acted_on", "wanted"),
    [
        ("any new value asks", "b", "a", "b"),
        ("the value acted on does not", "a", "a", None),
        ("no value does not", "", "a", None),
        ("a value longer than the status may hold is still acted on once", "x" * 2000, "x" * 1024, None),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 80 else "",
)
def test_a_request(name: str, annotation: str, acted_on: str, wanted: str | None) -> None:
    """A request is acted on once, however long its annotation stays."""
    given = dataset(annotations={REFRESH: annotation}, status={"lastHandledRefresh": acted_on})
    assert asked(given) == wanted, name

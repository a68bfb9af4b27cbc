"""Looking at sources: in the background, a few at a time, and no look is taken for one of another Dataset or spec."""

import asyncio
import threading
from datetime import timedelta

import pytest

from modelops.api.tasks import S3Place
from modelops.controllers.dataset.probing import Prober
from modelops.controllers.dataset.sighting import Problem, Sighting, next_look
from modelops.machinery.resources import Key
from modelops.store.credentials import Credentials
from modelops.store.errors import Reason, S3Problem
from modelops.store.listing import Probe
from support.builders import NOW, ago, dataset, digest, job

KEY = Key("Dataset", "team-a", "mortgage")
PLACE = S3Place(bucket="data")
SEEN = Probe(digest("a"), 1, 1, True)


async def looked(prober: Prober, keys: list[Key]) -> None:
    """Have the keys looked at, and wait until all of them are woken."""
    left, done = set(keys), asyncio.Event()

    def wake(key: Key) -> None:
        left.discard(key)
        if not left:
            done.set()

    for key in keys:
        prober.start(key, "uid", 1, PLACE, None, wake)
    await asyncio.wait_for(done.wait(), 5)


async def test_a_look_wakes_and_is_remembered_for_this_very_object() -> None:
    """A Dataset made again under the same name, or with another spec, is never answered with an old look."""
    prober = Prober(lambda place, keys: SEEN)
    await looked(prober, [KEY])
    last = prober.last(KEY, "uid", 1)
    assert last is not None
    assert last.found == SEEN
    assert prober.last(KEY, "another uid", 1) is None
    assert prober.last(KEY, "uid", 2) is None
    assert not prober.running(KEY)


async def test_a_hanging_source_holds_up_only_its_own_place() -> None:
    """At most eight sources are looked at at once, and the event loop goes on whatever they do."""
    release, lock, most, now = threading.Event(), threading.Lock(), 0, 0

    def look(place: S3Place, keys: Credentials | None) -> Probe:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        release.wait(5)
        with lock:
            now -= 1
        return SEEN

    prober = Prober(look)
    keys = [Key("Dataset", "team-a", f"d{number}") for number in range(20)]
    task = asyncio.create_task(looked(prober, keys))
    await asyncio.sleep(0.1)
    assert prober.running(keys[0])
    assert (now, len(prober)) == (8, 0)
    release.set()
    await task
    assert (most, len(prober)) == (8, 20)


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (S3Problem(Reason.NO_SUCH_BUCKET, "create it", transient=False), "Stalled", "NoSuchBucket"),
        (S3Problem(Reason.SERVER_ERROR, "later", transient=True), "Transient", "ServerError"),
        (RuntimeError("a bug"), "Transient", "ProbeError"),
    ],
)
async def test_problems_are_told_apart(error: Exception, kind: str, reason: str) -> None:
    """A look that fails, by whatever, ends in something to show and a next try, never in silence."""

    def look(place: S3Place, keys: Credentials | None) -> Probe:
        raise error

    prober = Prober(look)
    await looked(prober, [KEY])
    await looked(prober, [KEY])
    last = prober.last(KEY, "uid", 1)
    assert last is not None
    assert isinstance(last.found, Problem)
    assert (last.found.kind, last.found.reason) == (kind, reason)
    assert last.failures == (2 if kind == "Transient" else 0)


def test_what_is_gone_is_forgotten() -> None:
    """Datasets that come and go, as tests make them, do not fill the operator's memory."""
    prober = Prober(lambda place, keys: SEEN)
    prober.note(KEY, "uid", 1, NOW, SEEN)
    prober.keep_only(lambda key: False)
    assert len(prober) == 0


def sighting(found: Probe | Problem = SEEN) -> Sighting:
    return Sighting(NOW, "uid", 1, found)


SETTLING = {"candidate": {"digest": digest("a"), "objects": 1, "bytes": 1, "since": ago(), "state": "Settling"}}
CHECKING = {"candidate": SETTLING["candidate"] | {"state": "Checking"}}


@pytest.mark.parametrize(
    ("name", "given", "last", "running", "seconds"),
    [
        ("after the interval", dataset(), sighting(), False, 300),
        ("at the end of settle, where that comes first", dataset(status=SETTLING), sighting(), False, 30),
        ("at the interval, where settle takes longer", dataset(status=SETTLING, settle="1h"), sighting(), False, 300),
        ("soon, where it passes by itself", dataset(), sighting(Problem("Transient", "R", "m")), False, 30),
        ("after the interval, where it does not", dataset(), sighting(Problem("Stalled", "R", "m")), False, 300),
        ("never later than the interval", dataset(interval="5s"), sighting(Problem("Waiting", "R", "m")), False, 5),
        ("not while a Job reads the data", dataset(status=CHECKING), sighting(), True, None),
        ("not while suspended", dataset(suspend=True), None, False, None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_next_look(name: str, given: object, last: Sighting | None, running: bool, seconds: int | None) -> None:
    """A source is looked at as often as it must be and no more: every look is a LIST that somebody pays for."""
    due = next_look(given, last, job("mortgage-1") if running else None)  # type: ignore[arg-type]
    assert due == (NOW + timedelta(seconds=seconds) if seconds is not None else None), name


def test_the_first_look_is_at_once() -> None:
    """After a start or a change of the spec nothing is known that could be waited with."""
    due = next_look(dataset(), None, None)
    assert due is not None
    assert due < NOW

"""Looking at sources: in the background, a few at a time, and no look is taken for one of another Dataset or spec."""

import asyncio
import threading

import pytest

from modelops.api.contract.tasks import S3Place
from modelops.controllers.dataset.probe_result import Problem
from modelops.controllers.dataset.probing import Prober
from modelops.machinery.resources import Key
from modelops.store.credentials import Credentials
from modelops.store.errors import Reason, S3Error
from modelops.store.listing import Probe, TooMany
from support.builders.common import NOW, digest

KEY = Key("Dataset", "team-a", "mortgage")
PLACE = S3Place(bucket="data")
SEEN = Probe(digest("a"), 1, 1, True)


async def looked(prober: Prober, keys: list[Key]) -> None:
    """Have the keys looked at, and wait until all of them are woken."""
    left, done = set(keys), asyncio.Event()

    def enqueue(key: Key) -> None:
        left.discard(key)
        if not left:
            done.set()

    for key in keys:
        prober.start(key, "uid", 1, PLACE, None, 10, enqueue)
    await asyncio.wait_for(done.wait(), 5)


async def test_a_look_wakes_and_is_remembered_for_this_very_object() -> None:
    """A Dataset made again under the same name, or with another spec, is never answered with an old look."""
    prober = Prober(lambda place, keys, most: SEEN)
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

    def look(place: S3Place, keys: Credentials | None, most_objects: int) -> Probe:
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
        (S3Error(Reason.NO_SUCH_BUCKET, "create it", transient=False), "Stalled", "NoSuchBucket"),
        (S3Error(Reason.SERVER_ERROR, "later", transient=True), "Transient", "ServerError"),
        (RuntimeError("a bug"), "Transient", "ProbeError"),
    ],
)
async def test_problems_are_told_apart(error: Exception, kind: str, reason: str) -> None:
    """A look that fails, by whatever, ends in something to show and a next try, never in silence."""

    def look(place: S3Place, keys: Credentials | None, most_objects: int) -> Probe:
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
    prober = Prober(lambda place, keys, most: SEEN)
    prober.note(KEY, "uid", 1, NOW, SEEN)
    prober.keep_only(lambda key: False)
    assert len(prober) == 0


def test_what_was_seen_before_a_request_does_not_count() -> None:
    """Who asks for a look is not answered with the one before."""
    prober = Prober(lambda place, keys, most: SEEN)
    prober.note(KEY, "uid", 1, NOW, SEEN)
    prober.forget(KEY)
    assert prober.last(KEY, "uid", 1) is None


async def test_a_look_is_told_where_to_stop() -> None:
    """A source of millions of objects must not be listed by the operator when the spec says how many it may list."""
    prober = Prober(lambda place, keys, most: TooMany(most + 1))
    await looked(prober, [KEY])
    last = prober.last(KEY, "uid", 1)
    assert last is not None
    assert last.found == TooMany(11)

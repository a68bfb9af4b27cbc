"""Probes in the background: a few at a time, and never taken for a probe of another Dataset or spec."""

import asyncio
import threading
from ipaddress import ip_network

import pytest

from modelops.api.addresses import AddressRules
from modelops.api.contract.tasks import S3Place
from modelops.controllers.dataset.probe_result import SourceProblem
from modelops.controllers.dataset.probing import PROBE_SECONDS, Prober, list_s3_source
from modelops.machinery.resources import Key
from modelops.store.bounded_requests import BoundedRequests
from modelops.store.credentials import Credentials
from modelops.store.errors import Reason, S3Error
from modelops.store.listing import ListingSummary, TooManyObjects
from support.builders.common import NOW, digest
from support.rude_s3 import Answer, closes, drips_body, endless, rude_s3, says

KEY = Key("Dataset", "team-a", "mortgage")
PLACE = S3Place(bucket="data")
KEYS = Credentials("a", "b")
FOUND = ListingSummary(digest("a"), 1, 1, True)


async def probe_all(prober: Prober, keys: list[Key]) -> None:
    """Probe the sources of the keys, and wait until all keys are woken."""
    left, done = set(keys), asyncio.Event()

    def enqueue(key: Key) -> None:
        left.discard(key)
        if not left:
            done.set()

    for key in keys:
        prober.start(key, "uid", 1, PLACE, KEYS, 10, AddressRules(), enqueue)
    await asyncio.wait_for(done.wait(), 5)


async def test_a_probe_is_kept_for_its_uid_and_generation() -> None:
    """A Dataset that was created again with the same name, or has another spec, must not get an old result."""
    prober = Prober(lambda place, keys, most, requests: FOUND)
    await probe_all(prober, [KEY])
    last = prober.last(KEY, "uid", 1)
    assert last is not None
    assert last.outcome == FOUND
    assert prober.last(KEY, "another uid", 1) is None
    assert prober.last(KEY, "uid", 2) is None
    assert not prober.running(KEY)


@pytest.mark.parametrize(("namespaces", "expected"), [(1, 2), (5, 8)])
async def test_a_hanging_source_occupies_only_its_own_slot(namespaces: int, expected: int) -> None:
    """At most eight sources are probed at the same time, two of a namespace, and the event loop waits for none."""
    release, lock, most, now = threading.Event(), threading.Lock(), 0, 0

    def look(place: S3Place, keys: Credentials, most_objects: int, requests: BoundedRequests) -> ListingSummary:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        release.wait(5)
        with lock:
            now -= 1
        return FOUND

    prober = Prober(look)
    keys = [Key("Dataset", f"team-{number % namespaces}", f"d{number}") for number in range(20)]
    task = asyncio.create_task(probe_all(prober, keys))
    await asyncio.sleep(0.1)
    assert prober.running(keys[0])
    assert (now, len(prober)) == (expected, 0)
    release.set()
    await task
    assert (most, len(prober)) == (expected, 20)


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (S3Error(Reason.NO_SUCH_BUCKET, "create it", transient=False, answered=True), "Stalled", "NoSuchBucket"),
        (S3Error(Reason.SERVER_ERROR, "later", transient=True, answered=True), "Transient", "ServerError"),
        (RuntimeError("a bug"), "Transient", "ProbeError"),
    ],
)
async def test_an_error_is_a_problem_with_a_reason(error: Exception, kind: str, reason: str) -> None:
    """A probe that fails, also by a bug, ends in a reason to show and a retry."""

    def look(place: S3Place, keys: Credentials, most_objects: int, requests: BoundedRequests) -> ListingSummary:
        raise error

    prober = Prober(look)
    await probe_all(prober, [KEY])
    await probe_all(prober, [KEY])
    last = prober.last(KEY, "uid", 1)
    assert last is not None
    assert isinstance(last.outcome, SourceProblem)
    assert (last.outcome.kind, last.outcome.reason) == (kind, reason)
    assert last.failures == (2 if kind == "Transient" else 0)


def test_probes_of_deleted_datasets_are_dropped() -> None:
    """Datasets that are created and deleted all the time must not fill the operator's memory."""
    prober = Prober(lambda place, keys, most, requests: FOUND)
    prober.record(KEY, "uid", 1, NOW, FOUND)
    prober.keep_only(lambda key: False)
    assert len(prober) == 0


def test_a_probe_before_a_refresh_does_not_count() -> None:
    """A requested refresh must not be satisfied by an earlier probe."""
    prober = Prober(lambda place, keys, most, requests: FOUND)
    prober.record(KEY, "uid", 1, NOW, FOUND)
    prober.forget(KEY)
    assert prober.last(KEY, "uid", 1) is None


async def test_a_probe_stops_at_the_greatest_number_of_objects() -> None:
    """The operator must not list a source of millions of objects beyond spec.probe.maxObjects."""
    prober = Prober(lambda place, keys, most, requests: TooManyObjects(most + 1))
    await probe_all(prober, [KEY])
    last = prober.last(KEY, "uid", 1)
    assert last is not None
    assert last.outcome == TooManyObjects(11)


async def test_a_source_that_never_ends_gives_its_slot_back() -> None:
    """Eight Datasets whose services answer byte by byte must not keep all others from being probed."""
    begun, elapsed, asked = asyncio.Event(), asyncio.Event(), list[float]()

    async def sleep(seconds: float) -> None:
        asked.append(seconds)
        await elapsed.wait()

    def look(place: S3Place, keys: Credentials, most_objects: int, requests: BoundedRequests) -> ListingSummary:
        if place.endpoint is None:
            return FOUND
        return list_s3_source(place, keys, most_objects, requests)  # type: ignore[return-value]

    rules, ended = AddressRules(allow=(ip_network("127.0.0.0/8"),)), list[Key]()
    with rude_s3(drips_body) as server:
        prober = Prober(look, sleep)
        slow = [Key("Dataset", f"team-{number}", "slow") for number in range(8)]
        for key in slow:
            dripping = S3Place(bucket="data", endpoint=server.endpoint)
            prober.start(key, "uid", 1, dripping, KEYS, 10, rules, ended.append)
        prober.start(KEY, "uid", 1, PLACE, KEYS, 10, rules, lambda key: begun.set())
        assert await asyncio.to_thread(server.answering.wait, 10)
        assert prober.last(KEY, "uid", 1) is None
        elapsed.set()
        await asyncio.wait_for(begun.wait(), 10)
        await asyncio.wait_for(asyncio.gather(*prober._running.values()), 10)
    assert asked[:8] == [PROBE_SECONDS] * 8
    assert sorted(ended) == slow
    for key in slow:
        last = prober.last(key, "uid", 1)
        assert last is not None
        assert isinstance(last.outcome, SourceProblem)
        assert (last.outcome.reason, last.outcome.kind) == ("EndpointUnreachable", "Transient")


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        pytest.param(closes, "127.0.0.0/8", id="the connection is closed"),
        pytest.param(says(b"404 Not Found"), "127.0.0.0/8", id="another service answers"),
        pytest.param(says(b"200 OK", b"<html>"), "127.0.0.0/8", id="a web page"),
        pytest.param(endless, "127.0.0.0/8", id="an answer without an end"),
        pytest.param(endless, "10.0.0.0/8", id="the address is not permitted"),
    ],
)
async def test_all_that_is_not_an_answer_of_s3_has_the_same_words(answer: Answer, allowed: str) -> None:
    """Words of their own would let a user scan ports by the endpoints of Datasets."""
    prober, woken = Prober(), asyncio.Event()
    with rude_s3(answer) as server:
        place = S3Place(bucket="data", endpoint=server.endpoint)
        rules = AddressRules(allow=(ip_network(allowed),))
        prober.start(KEY, "uid", 1, place, KEYS, 10, rules, lambda key: woken.set())
        await asyncio.wait_for(woken.wait(), 30)
    last = prober.last(KEY, "uid", 1)
    assert last is not None
    assert last.outcome == SourceProblem(
        "Transient",
        "EndpointUnreachable",
        f'bucket "data" at {server.endpoint}: no answer of an S3 service; check endpoint, port and certificate, and'
        " that the operator may connect to the address",
    )

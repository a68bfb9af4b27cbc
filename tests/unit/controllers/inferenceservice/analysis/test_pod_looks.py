"""Pods are looked at in the background: each decision has a look of its own, and no Pod keeps a reconcile waiting."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from modelops.controllers.inferenceservice.analysis import pod_looks, proxy_stats, reports
from modelops.controllers.inferenceservice.analysis.pod_looks import Look, PodLooks
from modelops.machinery.resources import Key
from support.checkout import TEST_DATA
from support.proxy.http_responder import Handler, Serve

KEY = Key("InferenceService", "team-a", "mortgage")
OTHER = Key("InferenceService", "team-b", "churn")
EMPTY: dict[str, Any] = {"rows": 0, "columns": {}}
PAGES = {
    "/figures": (TEST_DATA / "envoy-figures.json").read_bytes(),
    "/routes": (TEST_DATA / "envoy-routes-dump.json").read_bytes(),
}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine time no Pod out."""
    for module in (proxy_stats, reports):
        monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 600.0)
        monkeypatch.setattr(module, "_WITHIN_SECONDS", 600.0)


def report(words: int) -> bytes:
    """Return a monitor's report with one column of so many words, which has one entry more."""
    inputs = {"rows": words, "columns": {"x": {"numbers": [], "labels": {f"w{n}": 1 for n in range(words)}}}}
    live = {"inputs": inputs, "predictions": EMPTY}
    mirrored = {"inputs": EMPTY, "predictions": EMPTY}
    return json.dumps({"live": live, "mirrored": mirrored, "pairs": {"compared": 0, "agreed": 0}}).encode()


def pod(words: int = 9) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body={**PAGES, "/monitor/report": report(words)}[request.path])

    return handler


async def looked(
    looks: PodLooks, addresses: Mapping[str, str], key: Key = KEY, *, reports: bool = False, uid: str = "uid"
) -> Look:
    """Look at Pods to the end, and take the look."""
    looks.start(key, uid, addresses, lambda key: None, reports=reports)
    await looks._running[key]
    look = looks.take(key, uid)
    assert look is not None
    return look


async def test_a_look_is_taken_once_and_its_end_enqueues_the_object(serve: Serve) -> None:
    """A second decision needs a look of its own: the first one has changed the routes."""
    looks, enqueued = PodLooks(await serve(pod())), list[Key]()
    assert looks.take(KEY, "uid") is None
    for expected in ([KEY], [KEY, KEY]):
        looks.start(KEY, "uid", {"a": "127.0.0.1"}, enqueued.append, reports=False)
        assert looks.take(KEY, "uid") is None, "a look that is running is not taken"
        await looks._running[KEY]
        assert enqueued == expected, "also where the look shows the same as the one before"
        look = looks.take(KEY, "uid")
        assert look is not None
        assert look.proxy_stats["a"] is not None
        assert look.monitor_reports == {}
        assert looks.take(KEY, "uid") is None


async def test_pods_that_do_not_answer_are_seen_as_such(serve: Serve) -> None:
    looks = PodLooks(await serve(pod()))
    look = await looked(looks, {"a": "127.0.0.1", "b": "127.0.0.2"}, reports=True)
    assert [look.proxy_stats["b"], look.monitor_reports["b"]] == [None, None]
    assert look.proxy_stats["a"] is not None
    assert look.monitor_reports["a"] is not None


async def test_a_look_of_a_deleted_namesake_is_not_taken(serve: Serve) -> None:
    looks = PodLooks(await serve(pod()))
    looks.start(KEY, "uid", {"a": "127.0.0.1"}, lambda key: None, reports=False)
    await looks._running[KEY]
    assert looks.take(KEY, "another") is None


async def test_a_look_that_waited_long_is_begun_again(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_looks, "_STALE_SECONDS", -1.0)
    looks = PodLooks(await serve(pod()))
    looks.start(KEY, "uid", {"a": "127.0.0.1"}, lambda key: None, reports=False)
    await looks._running[KEY]
    assert looks.take(KEY, "uid") is None


async def test_services_of_one_namespace_whose_pods_are_silent_delay_no_look_of_another(serve: Serve) -> None:
    """A network policy that drops the operator's packets stops only the rollouts of its own namespace."""
    answer = pod()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.host.startswith("127.0.2."):
            await asyncio.sleep(600)
        return await answer(request)

    looks = PodLooks(await serve(handler, host="0.0.0.0"))
    for number in range(32):
        silent = {f"p{n}": f"127.0.2.{n}" for n in range(1, 41)}
        looks.start(KEY._replace(name=f"s{number}"), "uid", silent, lambda key: None, reports=True)
    await asyncio.sleep(0.2)
    look = await looked(looks, {"a": "127.0.0.1"}, OTHER, reports=True)
    assert look.proxy_stats["a"] is not None
    assert look.monitor_reports["a"] is not None
    running = list(looks._running.values())
    assert len(running) == 32
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_a_look_ends_in_time_whatever_the_number_of_silent_pods(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_stats, "_WITHIN_SECONDS", 0.1)

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(600)
        return web.Response()

    looks = PodLooks(await serve(silent, host="0.0.0.0"))
    look = await looked(looks, {f"p{n}": f"127.0.0.{n}" for n in range(1, 200)})
    assert set(look.proxy_stats.values()) == {None}


async def test_pods_are_asked_a_few_at_a_time_and_reports_fewer(serve: Serve) -> None:
    now, most = Counter[str](), Counter[str]()
    answer = pod()

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal most
        now[request.path] += 1
        most |= now
        await asyncio.sleep(0.05)
        now[request.path] -= 1
        return await answer(request)

    looks = PodLooks(await serve(handler, host="0.0.0.0"))
    look = await looked(looks, {f"p{n}": f"127.0.1.{n}" for n in range(1, 101)})
    assert None not in look.proxy_stats.values()
    assert most["/figures"] <= 32
    look = await looked(looks, {f"p{n}": f"127.0.1.{n}" for n in range(1, 6)}, reports=True)
    assert None not in look.monitor_reports.values()
    assert most["/monitor/report"] <= 2


async def test_reports_that_are_held_fit_into_the_share_of_their_namespace(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pods that report as much as they may fill neither the memory nor another namespace's part of it."""
    monkeypatch.setattr(pod_looks, "_ENTRIES", 45)
    monkeypatch.setattr(pod_looks, "_ENTRIES_SHARE", 25)
    looks = PodLooks(await serve(pod(words=9), host="0.0.0.0"))
    addresses = {f"p{n}": f"127.0.0.{n}" for n in range(1, 6)}
    looks.start(KEY, "uid", addresses, lambda key: None, reports=True)
    await looks._running[KEY]
    other = await looked(looks, addresses, OTHER, reports=True)
    first = looks.take(KEY, "uid")
    assert first is not None
    assert [sum(report is not None for report in look.monitor_reports.values()) for look in (first, other)] == [2, 2]
    again = await looked(looks, addresses, reports=True)
    assert sum(report is not None for report in again.monitor_reports.values()) == 2, "what was taken is free again"


async def test_the_look_of_a_deleted_object_is_dropped(serve: Serve) -> None:
    """Objects that are created and deleted do not fill the operator's memory."""
    looks = PodLooks(await serve(pod()))
    looks.start(KEY, "uid", {"a": "127.0.0.1"}, lambda key: None, reports=True)
    await looks._running[KEY]
    looks.keep_only(lambda service: False)
    assert (len(looks), looks.take(KEY, "uid")) == (0, None)
    assert not looks._entries._held


async def test_a_bug_in_a_look_is_a_look_without_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the reconcile would begin the same look again and again, without a pause."""

    async def broken(*given: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(pod_looks, "fetch_proxy_stats", broken)
    look = await looked(PodLooks(), {"a": "127.0.0.1"}, reports=True)
    assert (look.proxy_stats, look.monitor_reports) == ({"a": None}, {"a": None})

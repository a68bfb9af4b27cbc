"""Asking sidecars: whoever answers there, and whatever, it never costs a run more than its progress."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from modelops.controllers.trainingrun.attempt import progress_polling
from modelops.controllers.trainingrun.attempt.progress_polling import ProgressPoller
from modelops.machinery.resources import Key
from modelops.worker.training.progress_server import PORT_VARIABLE, serve_progress
from modelops.worker.training.tailing import Tail

KEY = Key("TrainingRun", "team-a", "mortgage")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Answer], Awaitable[int]]
REPORT = '{"last": {"step": 3, "metrics": {"loss": 0.5}}, "totalSteps": 9}'


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server where a sidecar would be, and tells its port."""
    runners = []

    async def start(answer: Answer) -> int:
        app = web.Application()
        app.router.add_get("/progress", answer)
        runners.append(web.AppRunner(app, shutdown_timeout=0.1))
        await runners[-1].setup()
        site = web.TCPSite(runners[-1], "127.0.0.1", 0)
        await site.start()
        return site._server.sockets[0].getsockname()[1]

    yield start
    for runner in runners:
        await runner.cleanup()


def answering(text: str | bytes, status: int = 200, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = text.encode() if isinstance(text, str) else text
        return web.Response(body=body, status=status, headers=headers)

    return answer


async def asked(poller: ProgressPoller, pod_uid: str = "pod", key: Key = KEY, address: str = "127.0.0.1") -> bool:
    """Ask once. Whether the run was woken."""
    woken: list[Key] = []
    poller.start(key, "run", pod_uid, address, woken.append)
    if poller.running(key):
        await asyncio.wait_for(poller._running[key], 5)
    return woken == [key]


def count(result: str) -> float:
    return REGISTRY.get_sample_value("modelops_progress_polls_total", {"result": result}) or 0


async def test_a_report_wakes_and_is_remembered_for_this_very_pod(serve: Serve) -> None:
    """The progress of an attempt before, or of another run, is never shown as this one's."""
    poller = ProgressPoller(await serve(answering(REPORT)))
    assert await asked(poller)
    last = poller.last(KEY, "run", "pod")
    assert last is not None
    assert last.last is not None
    assert (last.last.step, last.total_steps) == (3, 9)
    assert poller.last(KEY, "run", "another") is None
    assert poller.last(KEY, "another", "pod") is None


async def test_the_real_sidecar_is_understood(tmp_path, monkeypatch, unused_tcp_port: int) -> None:
    """What the worker tells is what the operator reads."""
    monkeypatch.setenv(PORT_VARIABLE, str(unused_tcp_port))
    (tmp_path / "metrics.jsonl").write_text('{"step": 7, "loss": 1}\n')
    tail = Tail(tmp_path / "metrics.jsonl")
    tail.read()
    with serve_progress(tail):
        poller = ProgressPoller(unused_tcp_port)
        assert await asked(poller)
    assert poller.last(KEY, "run", "pod") == tail.report()


async def test_not_too_often(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is reconciled all the time is asked every 15 seconds; a report that is no news wakes nobody."""
    times = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal times
        times += 1
        return web.Response(text=REPORT)

    poller = ProgressPoller(await serve(answer))
    assert await asked(poller)
    assert not await asked(poller)
    assert not await asked(poller, pod_uid="another")
    assert times == 1
    monkeypatch.setattr(progress_polling, "POLL_EVERY", timedelta(0))
    assert not await asked(poller)
    assert times == 2
    assert await asked(poller, pod_uid="another"), "the first report of a new attempt is news"
    assert times == 3


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("an error", answering(REPORT, 500)),
        ("a redirect to elsewhere", answering("", 302, Location="http://169.254.169.254/progress")),
        ("no JSON", answering("progress!")),
        ("a step that is none", answering('{"last": {"step": -1}}')),
        ("a metric that is none", answering('{"last": {"step": 1, "metrics": {"loss": NaN}}}')),
        ("an answer without end", answering(b" " * (3 << 20) + REPORT.encode())),
        ("a compressed bomb", answering(gzip.compress(b" " * (50 << 20)), **{"Content-Encoding": "gzip"})),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_report(serve: Serve, name: str, answer: Answer) -> None:
    """The trainer's own code can answer in the sidecar's place: nothing of it is followed or kept."""
    before = count("failure")
    poller = ProgressPoller(await serve(answer))
    assert not await asked(poller)
    assert poller.last(KEY, "run", "pod") is None
    assert count("failure") == before + 1


@pytest.mark.parametrize("address", ["127.0.0.1", "no address at all", "::1"])
async def test_nobody_there(unused_tcp_port: int, address: str) -> None:
    """A Pod that is gone, or that no network policy lets the operator reach, is an entry in a metric."""
    before = count("failure")
    assert not await asked(ProgressPoller(unused_tcp_port), address=address)
    assert count("failure") == before + 1


async def test_a_pod_without_an_address_is_not_asked() -> None:
    """A Pod has no IP before it runs."""
    assert not await asked(ProgressPoller(), address="")


async def test_one_that_hangs_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sidecar whose node hangs holds one of the few places for two seconds at most."""

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    monkeypatch.setattr(progress_polling, "_TIMEOUT_SECONDS", 0.2)
    assert not await asked(ProgressPoller(await serve(answer)))


async def test_a_few_at_a_time(serve: Serve) -> None:
    """Five hundred runs are not asked at once."""
    now = most = 0
    full, release = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 16:
            full.set()
        await release.wait()
        now -= 1
        return web.Response(text=REPORT)

    poller = ProgressPoller(await serve(answer))
    tasks = [asyncio.create_task(asked(poller, key=KEY._replace(name=f"run-{number}"))) for number in range(50)]
    await asyncio.wait_for(full.wait(), 5)
    await asyncio.sleep(0.05)
    release.set()
    assert all(await asyncio.gather(*tasks))
    assert most == 16


async def test_what_is_gone_is_forgotten(serve: Serve) -> None:
    """Runs that come and go do not fill the operator's memory, also where one goes while it is asked."""
    poller = ProgressPoller(await serve(answering(REPORT)))
    poller.start(KEY, "run", "pod", "127.0.0.1", lambda key: None)
    asking = poller._running[KEY]
    assert len(poller) == 1
    poller.keep_only(lambda run: False)
    await asking
    assert (len(poller), poller.last(KEY, "run", "pod")) == (0, None)

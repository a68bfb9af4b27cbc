"""Polling of sidecars: whatever answers, a run loses nothing but its progress."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from modelops.api.checkpoints import Checkpoint
from modelops.api.contract.reports import ProgressReport
from modelops.controllers.trainingrun.attempt import progress_polling
from modelops.controllers.trainingrun.attempt.progress_polling import ProgressPoller
from modelops.machinery.resources import Key
from modelops.worker.training.progress_server import PORT_VARIABLE, serve_progress
from modelops.worker.training.tailing import Tail
from support.builders.common import digest

KEY = Key("TrainingRun", "team-a", "mortgage")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Answer], Awaitable[int]]
REPORT = '{"last": {"step": 3, "metrics": {"loss": 0.5}}, "totalSteps": 9}'


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Return a function that starts a server in the place of a sidecar, and returns its port."""
    runners = []

    async def start(answer: Answer) -> int:
        app = web.Application()
        app.router.add_get("/progress", answer)
        runners.append(web.AppRunner(app, shutdown_timeout=0.1))
        await runners[-1].setup()
        site = web.TCPSite(runners[-1], "127.0.0.1", 0)
        await site.start()
        assert isinstance(site._server, asyncio.Server)
        port: int = site._server.sockets[0].getsockname()[1]
        return port

    yield start
    for runner in runners:
        await runner.cleanup()


def answering(text: str | bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Return a handler with this response."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = text.encode() if isinstance(text, str) else text
        return web.Response(body=body, status=status, headers=headers)

    return answer


async def polled(
    poller: ProgressPoller,
    pod_uid: str = "pod",
    key: Key = KEY,
    address: str = "127.0.0.1",
    others: tuple[str, ...] = (),
) -> bool:
    """Poll once. Return whether the run was woken."""
    woken: list[Key] = []
    poller.start(key, "run", pod_uid, address, woken.append, others)
    if poller.running(key):
        await asyncio.wait_for(poller._running[key], 5)
    return woken == [key]


def count(result: str) -> float:
    """Return the number of polls with this result."""
    return REGISTRY.get_sample_value("modelops_progress_polls_total", {"result": result}) or 0


async def test_a_report_wakes_the_run_and_is_kept_for_this_very_pod(serve: Serve) -> None:
    """The progress of an earlier attempt or of another run is never shown as that of this Pod."""
    poller = ProgressPoller(await serve(answering(REPORT)))
    assert await polled(poller)
    last = poller.last(KEY, "run", "pod")
    assert last is not None
    assert last.last is not None
    assert (last.last.step, last.total_steps) == (3, 9)
    assert poller.last(KEY, "run", "another") is None
    assert poller.last(KEY, "another", "pod") is None


async def test_the_operator_reads_the_report_of_the_real_sidecar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    """Worker and operator agree on the wire format."""
    monkeypatch.setenv(PORT_VARIABLE, str(unused_tcp_port))
    pin = Checkpoint(rank=0, manifest=f"{7:016}", digest=digest("a"))
    (tmp_path / "metrics.jsonl").write_text('{"step": 7, "loss": 1}\n')
    tail = Tail(tmp_path / "metrics.jsonl")
    tail.read()
    with serve_progress(tail, lambda: [pin]):
        poller = ProgressPoller(unused_tcp_port)
        assert await polled(poller)
    assert poller.last(KEY, "run", "pod") == tail.report().model_copy(update={"checkpoints": [pin]})


async def test_the_checkpoints_of_all_workers_are_kept(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does not answer for once keeps the checkpoints that it has reported."""
    pins = [Checkpoint(rank=rank, manifest=f"{rank:016}", digest=digest("a")) for rank in range(3)]
    answers = iter([[pins[0]], [pins[1]], [pins[2]], [pins[0]]])

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=ProgressReport(checkpoints=next(answers)).model_dump_json(by_alias=True))

    monkeypatch.setattr(progress_polling, "POLL_EVERY", timedelta(0))
    poller = ProgressPoller(await serve(answer))
    for others in (("127.0.0.1", "127.0.0.1"), ("127.0.0.2 is nobody",)):
        await polled(poller, others=others)
        last = poller.last(KEY, "run", "pod")
        assert last is not None
        assert last.checkpoints == pins


async def test_a_run_is_polled_every_15_seconds_at_most(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """More reconciles do not poll more often, and a report equal to the last one does not wake the run."""
    times = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal times
        times += 1
        return web.Response(text=REPORT)

    poller = ProgressPoller(await serve(answer))
    assert await polled(poller)
    assert not await polled(poller)
    assert not await polled(poller, pod_uid="another")
    assert times == 1
    monkeypatch.setattr(progress_polling, "POLL_EVERY", timedelta(0))
    assert not await polled(poller)
    assert times == 2
    assert await polled(poller, pod_uid="another"), "the first report of a new attempt wakes the run"
    assert times == 3


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("an error status", answering(REPORT, status=500)),
        ("a redirect", answering("", status=302, headers={"Location": "http://169.254.169.254/progress"})),
        ("a body that is not JSON", answering("progress!")),
        ("a negative step", answering('{"last": {"step": -1}}')),
        ("a metric that is NaN", answering('{"last": {"step": 1, "metrics": {"loss": NaN}}}')),
        ("a body that is too long", answering(b" " * (3 << 20) + REPORT.encode())),
        ("a compressed bomb", answering(gzip.compress(b" " * (50 << 20)), headers={"Content-Encoding": "gzip"})),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_invalid_report_is_neither_followed_nor_kept(serve: Serve, name: str, answer: Answer) -> None:
    """A user's code can respond in the sidecar's place."""
    before = count("failure")
    poller = ProgressPoller(await serve(answer))
    assert not await polled(poller)
    assert poller.last(KEY, "run", "pod") is None
    assert count("failure") == before + 1


@pytest.mark.parametrize("address", ["127.0.0.1", "no address at all", "::1"])
async def test_a_sidecar_that_cannot_be_reached_is_counted(unused_tcp_port: int, address: str) -> None:
    """A deleted Pod, or a network policy, shows in a metric."""
    before = count("failure")
    assert not await polled(ProgressPoller(unused_tcp_port), address=address)
    assert count("failure") == before + 1


async def test_a_pod_without_an_address_is_not_polled() -> None:
    """A Pod has no IP before it runs."""
    assert not await polled(ProgressPoller(), address="")


async def test_a_poll_ends_after_its_timeout(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sidecar whose node hangs occupies a slot for two seconds at most."""

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    monkeypatch.setattr(progress_polling, "_TIMEOUT_SECONDS", 0.2)
    assert not await polled(ProgressPoller(await serve(answer)))


@pytest.mark.parametrize(("namespaces", "expected"), [(1, 4), (10, 16)])
async def test_at_most_16_sidecars_and_4_of_a_namespace_are_polled_at_the_same_time(
    serve: Serve, namespaces: int, expected: int
) -> None:
    """Five hundred runs do not open five hundred connections, and one namespace's do not keep others' waiting."""
    now = most = 0
    full, release = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == expected:
            full.set()
        await release.wait()
        now -= 1
        return web.Response(text=REPORT)

    poller = ProgressPoller(await serve(answer))
    keys = [KEY._replace(namespace=f"team-{number % namespaces}", name=f"run-{number}") for number in range(50)]
    tasks = [asyncio.create_task(polled(poller, key=key)) for key in keys]
    await asyncio.wait_for(full.wait(), 5)
    await asyncio.sleep(0.05)
    release.set()
    assert all(await asyncio.gather(*tasks))
    assert most == expected


async def test_a_deleted_run_is_dropped_also_while_it_is_polled(serve: Serve) -> None:
    """Runs that are created and deleted do not fill the operator's memory."""
    poller = ProgressPoller(await serve(answering(REPORT)))
    poller.start(KEY, "run", "pod", "127.0.0.1", lambda key: None)
    task = poller._running[KEY]
    assert len(poller) == 1
    poller.keep_only(lambda run: False)
    await task
    assert (len(poller), poller.last(KEY, "run", "pod")) == (0, None)

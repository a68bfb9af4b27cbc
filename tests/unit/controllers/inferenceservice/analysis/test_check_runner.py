"""Hooks, Prometheus and Pods, asked over real HTTP: whoever answers there, and whatever."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from modelops.api.addresses import LocalAddress
from modelops.api.inferenceservice_status import CheckResult
from modelops.api.rollout import Check, Hook, PrometheusQuery
from modelops.controllers.inferenceservice.analysis import hooks, prometheus, proxy_stats
from modelops.controllers.inferenceservice.analysis.arguments import Subject
from modelops.controllers.inferenceservice.analysis.check_runner import Asker
from modelops.controllers.inferenceservice.analysis.hooks import ask_hook
from modelops.controllers.inferenceservice.analysis.prometheus import ask_prometheus, filled_in
from modelops.controllers.inferenceservice.analysis.proxy_stats import look
from modelops.controllers.inferenceservice.analysis.windows import Attempt
from modelops.machinery.resources import Key
from support.checkout import TEST_DATA

ANYWHERE: frozenset[LocalAddress] = frozenset()
"""The servers of these tests are on loopback, which nobody else may have the operator ask."""
KEY = Key("InferenceService", "team", "mortgage")
ATTEMPT = Attempt("uid", "a1")
SUBJECT = Subject("team", "mortgage", "mortgage-1", "mortgage-2", 25, "http://stable", "http://candidate")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Answer], Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server that answers everything, and tells its port."""
    runners = []

    async def start(answer: Answer) -> int:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runners.append(web.AppRunner(app, shutdown_timeout=0.1))
        await runners[-1].setup()
        site = web.TCPSite(runners[-1], "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        return site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]

    yield start
    for runner in runners:
        await runner.cleanup()


def answering(said: Any, status: int = 200, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        return web.Response(body=body, status=status, headers=headers)

    return answer


def told(result: CheckResult) -> tuple[str, str]:
    return result.outcome, result.message


@pytest.mark.parametrize(
    ("status", "said", "outcome", "message"),
    [
        (200, b"", "Passed", "HTTP 200"),
        (204, b"", "Passed", "HTTP 204"),
        (200, b"fine", "Passed", "HTTP 200"),
        (200, {"message": "12 of 12"}, "Passed", "12 of 12"),
        (200, {"outcome": "Failed", "message": "3 wrong"}, "Failed", "3 wrong"),
        (200, {"outcome": "Inconclusive", "message": "wait"}, "Inconclusive", "wait"),
        (200, {"outcome": "Passed"}, "Passed", "HTTP 200"),
        (200, ["Failed"], "Passed", "HTTP 200"),
        (
            200,
            {"outcome": "fine"},
            "Error",
            "its answer has an outcome that is none of Passed, Failed, Inconclusive",
        ),
        (422, {"message": "3 wrong"}, "Failed", "3 wrong"),
        (400, {"outcome": "Passed"}, "Failed", "HTTP 400"),
        (404, b"a page that is none of the user's business", "Failed", "HTTP 404"),
        (500, {"outcome": "Passed"}, "Error", "HTTP 500, which says neither that it passes nor that it fails"),
        (302, b"", "Error", "HTTP 302, which says neither that it passes nor that it fails"),
        (200, b"x" * (64 * 1024 + 1), "Error", "an answer of more than 65536 bytes"),
        (200, {"message": "x" * 2000}, "Passed", "x" * 1023 + "…"),
    ],
)
async def test_what_a_hook_says(serve: Serve, status: int, said: Any, outcome: str, message: str) -> None:
    port = await serve(answering(said, status, Location="/other"))
    result = await ask_hook("smoke", Hook(url=f"http://127.0.0.1:{port}/judge?x=1"), SUBJECT, ANYWHERE)
    assert result.name == "smoke"
    assert told(result) == (outcome, message)


async def test_what_a_hook_is_told(serve: Serve) -> None:
    asked: list[Any] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append((request.method, request.path_qs, request.content_type, await request.json()))
        return web.Response()

    port = await serve(answer)
    await ask_hook("smoke", Hook(url=f"http://127.0.0.1:{port}/judge?x=1"), SUBJECT, ANYWHERE)
    expected = {
        "inferenceservice": "mortgage",
        "namespace": "team",
        "stable": "mortgage-1",
        "candidate": "mortgage-2",
        "weight": 25,
        "candidateURL": "http://candidate",
    }
    assert asked == [("POST", "/judge?x=1", "application/json", expected)]


async def test_a_hook_that_hangs_is_an_error(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    port = await serve(answer)
    result = await ask_hook("smoke", Hook(url=f"http://127.0.0.1:{port}", timeout="100ms"), SUBJECT, ANYWHERE)
    assert told(result) == ("Error", "no answer within 0.1 s")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:1/", "no connection to it, or it broke off"),
        ("http://nobody.invalid/", "its name has no address"),
        ("http://[", "its URL is none that can be asked"),
        ("http://2130706433/", "its URL is none that can be asked"),
    ],
)
async def test_nobody_there_is_an_error_in_words_of_our_own(url: str, message: str) -> None:
    """What a connection fails by says what is there, to a person who may only name URLs."""
    assert told(await ask_hook("smoke", Hook(url=url), SUBJECT, ANYWHERE)) == ("Error", message)
    query = PrometheusQuery(address=url, query="up", max=1)
    assert told(await ask_prometheus("up", query, SUBJECT, ANYWHERE)) == ("Error", message)


async def test_what_is_no_http_is_an_error_in_words_of_our_own() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 a secret of the cluster\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        result = await ask_hook("smoke", Hook(url=url), SUBJECT, ANYWHERE)
    assert told(result) == ("Error", "its answer is no HTTP")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.8.8",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "224.0.0.1",
        "[ff02::1]",
    ],
)
async def test_nobody_has_the_operator_ask_what_only_it_reaches(serve: Serve, host: str) -> None:
    """Its own ports and the node's, among them a cloud's metadata with the node's credentials, by address or name."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.json_response(vector("1"))

    port = await serve(answer)
    refused = ("Error", "the operator asks no loopback, link-local, multicast or unspecified address")
    assert told(await ask_hook("smoke", Hook(url=f"http://{host}:{port}"), SUBJECT)) == refused
    query = PrometheusQuery(address=f"http://{host}:{port}", query="up", max=1)
    assert told(await ask_prometheus("up", query, SUBJECT)) == refused
    assert asked == []


def vector(*values: str) -> dict[str, Any]:
    result = [{"metric": {}, "value": [1.5, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


@pytest.mark.parametrize(
    ("said", "outcome", "message"),
    [
        (vector("0.5"), "Passed", "0.5 is within bounds"),
        (vector("1"), "Passed", "1 is within bounds"),
        (vector("1.5"), "Failed", "1.5 is above max 1"),
        (vector("-1"), "Failed", "-1 is below min 0"),
        (vector("+Inf"), "Failed", "inf is above max 1"),
        (vector("NaN"), "Inconclusive", "the query gives no value"),
        (vector(), "Inconclusive", "the query gives no value"),
        (vector("0", "1"), "Error", "the query gives 2 values, and must give a single one: aggregate it"),
        (
            {"status": "success", "data": {"resultType": "scalar", "result": [1.5, "0.25"]}},
            "Passed",
            "0.25 is within bounds",
        ),
        (
            {"status": "success", "data": {"resultType": "matrix", "result": []}},
            "Error",
            "the query gives a matrix, and must give a single value",
        ),
        (
            {"status": "error", "errorType": "bad_data", "error": "parse error"},
            "Error",
            "Prometheus says bad_data: parse error",
        ),
        (b"<html>", "Error", "the answer is none of Prometheus' API: look at the address"),
        ([], "Error", "the answer is none of Prometheus' API: look at the address"),
        (
            {"status": "secret", "error": "of another service"},
            "Error",
            "the answer is none of Prometheus' API: look at the address",
        ),
        (
            {"status": "success", "data": {"resultType": "secret", "result": []}},
            "Error",
            "the answer is none of Prometheus' API: look at the address",
        ),
        (vector("one"), "Error", "the answer is none of Prometheus' API: look at the address"),
    ],
)
async def test_what_prometheus_says(serve: Serve, said: Any, outcome: str, message: str) -> None:
    port = await serve(answering(said))
    query = PrometheusQuery(address=f"http://127.0.0.1:{port}", query="up", min=0, max=1)
    result = await ask_prometheus("up", query, SUBJECT, ANYWHERE)
    assert told(result) == (outcome, message)
    # The status is JSON, which has no infinity.
    assert "inf" not in json.dumps(result.wire()["value"] if result.value is not None else None).lower()


async def test_what_prometheus_is_asked(serve: Serve) -> None:
    asked: list[Any] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append((request.method, request.path, dict(await request.post())))
        return web.json_response(vector("1"))

    port = await serve(answer)
    query = 'sum(rate(x{namespace="{namespace}", version=~"{stable}|{candidate}"}[1m])) > {inferenceservice} + 1 & 2'
    asking = PrometheusQuery(address=f"http://127.0.0.1:{port}/prom/", query=query, max=1)
    await ask_prometheus("up", asking, SUBJECT, ANYWHERE)
    filled = 'sum(rate(x{namespace="team", version=~"mortgage-1|mortgage-2"}[1m])) > mortgage + 1 & 2'
    assert asked == [("POST", "/prom/api/v1/query", {"query": filled})]


def test_what_is_filled_in_is_never_read_again() -> None:
    subject = Subject("{candidate}", "i", "{namespace}", "c", 1, "", "")
    assert filled_in("{namespace} {stable} {other} {{candidate}}", subject) == "{candidate} {namespace} {other} {c}"


def figures_and_routes(figures: Any, routes: Any) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body={"/figures": figures, "/routes": routes}[request.path])

    return answer


FIGURES = (TEST_DATA / "envoy-figures.json").read_bytes()
ROUTES = (TEST_DATA / "envoy-routes-dump.json").read_bytes()


async def test_what_a_pod_says(serve: Serve) -> None:
    port = await serve(figures_and_routes(FIGURES, ROUTES))
    seen = await look(["127.0.0.1", "127.0.0.2"], port)
    # Nobody listens at the other address.
    assert seen["127.0.0.2"] is None
    said = seen["127.0.0.1"]
    assert said is not None
    assert (said.model.requests, said.in_flight, said.routes) == (53, 0, "weights-0123abcd")
    assert (said.candidate.requests, said.candidate.errors) == (23, 3)


@pytest.mark.parametrize(
    ("figures", "routes"),
    [(b"{}", ROUTES), (b"", ROUTES), (FIGURES, b"[]"), (FIGURES, b"x" * (1 << 20) + b"x")],
)
async def test_a_pod_that_says_something_else_says_nothing(serve: Serve, figures: bytes, routes: bytes) -> None:
    port = await serve(figures_and_routes(figures, routes))
    assert await look(["127.0.0.1"], port) == {"127.0.0.1": None}


async def test_an_older_proxy_without_these_pages_says_nothing(serve: Serve) -> None:
    port = await serve(answering(b"", 404))
    assert await look(["127.0.0.1"], port) == {"127.0.0.1": None}


async def test_a_pod_that_hangs_costs_a_second_whatever_their_number(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    port = await serve(answer)
    clock = asyncio.get_running_loop().time
    began = clock()
    assert set((await look([f"127.0.0.{n}" for n in range(1, 41)], port)).values()) == {None}
    assert clock() - began < 5


async def test_at_most_64_pods_at_once(serve: Serve) -> None:
    now, most = 0, 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.05)
        now -= 1
        return web.Response(body={"/figures": FIGURES, "/routes": ROUTES}[request.path])

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "0.0.0.0", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    seen = await look([f"127.0.1.{n}" for n in range(1, 101)], port)
    await runner.cleanup()
    assert len(seen) == 100
    assert None not in seen.values()
    assert most <= 2 * 64


async def ended(asker: Asker) -> None:
    """Wait until nothing is asked any more."""
    await asyncio.wait_for(asyncio.gather(*asker._running.values()), 5)


async def asked(asker: Asker, checks: list[dict[str, Any]], key: Key = KEY) -> list[Key]:
    """Ask, and wait for the end. Who was woken."""
    woken: list[Key] = []
    asker.start(key, ATTEMPT, [Check.model_validate(check) for check in checks], SUBJECT, woken.append)
    await ended(asker)
    return woken


async def test_all_that_can_be_asked_is(serve: Serve) -> None:
    port = await serve(answering(vector("3")))
    asker = Asker(ANYWHERE)
    address = f"http://127.0.0.1:{port}"
    woken = await asked(
        asker,
        [
            {"name": "hook", "hook": {"url": address}},
            {"name": "value", "prometheus": {"address": address, "query": "up", "max": 1}},
            {"name": "job", "job": {"image": "i"}},
        ],
    )
    assert woken == [KEY]
    answers = asker.last(ATTEMPT)
    assert answers is not None
    assert {name: one.outcome for name, one in answers.results.items()} == {"hook": "Passed", "value": "Failed"}
    assert answers.subject == SUBJECT


async def test_answers_are_those_of_the_attempt() -> None:
    asker = Asker(ANYWHERE)
    await asked(asker, [{"name": "hook", "hook": {"url": "http://127.0.0.1:1"}}])
    assert asker.last(Attempt("uid", "a2")) is None
    assert asker.last(Attempt("other", "a1")) is None
    asker.keep_only(lambda attempt: False)
    assert asker.last(ATTEMPT) is None
    assert len(asker) == 0


async def test_nothing_to_ask_wakes_nobody() -> None:
    assert await asked(Asker(ANYWHERE), [{"name": "job", "job": {"image": "i"}}]) == []


async def test_one_round_at_a_time_and_few_questions_at_once(serve: Serve) -> None:
    now, most, all_of_them = 0, 0, 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal now, most, all_of_them
        now, all_of_them = now + 1, all_of_them + 1
        most = max(most, now)
        await asyncio.sleep(0.05)
        now -= 1
        return web.Response()

    port = await serve(answer)
    checks = [Check(name=f"c{n}", hook=Hook(url=f"http://127.0.0.1:{port}")) for n in range(6)]
    keys = [Key("InferenceService", "team", name) for name in "abc"]
    asker, woken = Asker(ANYWHERE), []
    for key in [*keys, *keys]:
        asker.start(key, Attempt(key.name, "a1"), checks, SUBJECT, woken.append)
    await ended(asker)
    assert (most, all_of_them, sorted(woken)) == (8, 18, keys)


async def test_a_bug_is_an_error_of_its_check_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(hooks, "session", broken)
    asker = Asker(ANYWHERE)
    woken = await asked(
        asker,
        [
            {"name": "hook", "hook": {"url": "http://h"}},
            {"name": "value", "prometheus": {"address": "http://127.0.0.1:1", "query": "up", "max": 1}},
        ],
    )
    answers = asker.last(ATTEMPT)
    assert answers is not None
    assert woken == [KEY]
    assert told(answers.results["hook"]) == (
        "Error",
        "it could not be asked: RuntimeError; the operator's log says more",
    )
    assert answers.results["value"].message == "no connection to it, or it broke off"


def test_limits_hold_for_all_who_ask() -> None:
    """What is read of an answer stays a few of them in memory at once, whoever sends it."""
    assert hooks._MOST_BYTES == 64 * 1024
    assert max(prometheus._MOST_BYTES, proxy_stats._MOST_BYTES) <= 1 << 20

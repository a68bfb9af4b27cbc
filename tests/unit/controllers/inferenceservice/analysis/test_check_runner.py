"""Runs of hooks and Prometheus queries in the background: a few at a time, and one run for each InferenceService."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aiohttp import web

from modelops.api.rollout import AnalysisCheck, Hook, PrometheusQuery
from modelops.controllers.bounded_http import NO_ANSWER
from modelops.controllers.inferenceservice.analysis import hooks
from modelops.controllers.inferenceservice.analysis.check_runner import CheckRunner
from modelops.controllers.inferenceservice.analysis.windows import RolloutAttempt
from modelops.machinery.resources import Key
from support.builders.analyses import check_arguments, destinations
from support.proxy.http_responder import Serve, respond

KEY = Key("InferenceService", "team", "mortgage")
ATTEMPT = RolloutAttempt("uid", "a1")
THREE = {"status": "success", "data": {"resultType": "scalar", "result": [1.5, "3"]}}


async def finished(runner: CheckRunner) -> None:
    """Wait until no run is under way."""
    await asyncio.wait_for(asyncio.gather(*runner._running.values()), 5)


async def run(runner: CheckRunner, checks: list[dict[str, Any]], *prometheus: str) -> list[Key]:
    """Run the checks to their end, with these shared servers. Return the objects that were woken."""
    woken: list[Key] = []
    parsed = [AnalysisCheck.model_validate(check) for check in checks]
    runner.start(KEY, ATTEMPT, parsed, check_arguments(), destinations(prometheus=prometheus), woken.append)
    await finished(runner)
    return woken


async def test_hooks_and_queries_run_and_jobs_do_not(serve: Serve) -> None:
    address = f"http://127.0.0.1:{await serve(respond(THREE))}"
    runner = CheckRunner()
    woken = await run(
        runner,
        [
            {"name": "hook", "hook": {"url": address}},
            {"name": "value", "prometheus": {"address": address, "query": 'up{namespace="team"}', "max": 1}},
            {"name": "job", "job": {"image": "i"}},
        ],
        address,
    )
    assert woken == [KEY]
    last = runner.last(ATTEMPT)
    assert last is not None
    assert {name: result.outcome for name, result in last.results.items()} == {"hook": "Passed", "value": "Failed"}
    assert last.arguments == check_arguments()


async def test_results_are_those_of_one_attempt_and_forgotten_with_it() -> None:
    runner = CheckRunner()
    await run(runner, [{"name": "hook", "hook": {"url": "http://127.0.0.1:1"}}])
    assert runner.last(RolloutAttempt("uid", "a2")) is None
    assert runner.last(RolloutAttempt("other", "a1")) is None
    runner.keep_only(lambda attempt: False)
    assert runner.last(ATTEMPT) is None
    assert len(runner) == 0


async def test_without_a_hook_or_query_nothing_runs_and_nothing_wakes() -> None:
    assert await run(CheckRunner(), [{"name": "job", "job": {"image": "i"}}]) == []


async def test_four_checks_of_a_namespace_run_at_once_and_one_run_for_each_object(serve: Serve) -> None:
    """Hooks of one namespace that do not answer leave other namespaces' hooks their slots."""
    now, most, total = Counter[str](), Counter[str](), 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal most, total
        namespace = (await request.json())["namespace"]
        now[namespace] += 1
        total += 1
        most |= now
        await asyncio.sleep(0.05)
        now[namespace] -= 1
        return web.Response()

    port = await serve(handler)
    checks = [AnalysisCheck(name=f"c{n}", hook=Hook(url=f"http://127.0.0.1:{port}")) for n in range(6)]
    keys = [Key("InferenceService", namespace, name) for namespace in ("team-a", "team-b") for name in "abc"]
    runner, woken = CheckRunner(), list[Key]()
    for key in [*keys, *keys]:
        arguments = check_arguments(namespace=key.namespace)
        attempt = RolloutAttempt(f"{key.namespace}-{key.name}", "a1")
        runner.start(key, attempt, checks, arguments, destinations(), woken.append)
    await finished(runner)
    assert (most, total, sorted(woken)) == ({"team-a": 4, "team-b": 4}, 36, keys)


async def test_a_bug_is_an_error_of_its_check_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(hooks, "open_session", broken)
    runner = CheckRunner()
    woken = await run(
        runner,
        [
            {"name": "hook", "hook": {"url": "http://judge.example"}},
            {"name": "value", "prometheus": {"address": "http://127.0.0.1:1", "query": "1", "max": 1}},
        ],
        "http://127.0.0.1:1",
    )
    last = runner.last(ATTEMPT)
    assert last is not None
    assert woken == [KEY]
    hook = last.results["hook"]
    assert (hook.outcome, hook.message) == ("Error", "internal error RuntimeError: see the operator's log")
    assert last.results["value"].message == NO_ANSWER


async def test_a_server_that_is_not_allowed_is_an_error_and_not_asked() -> None:
    """A user must not reach with the operator's network what the user's own does not reach."""
    runner = CheckRunner()
    checks = [
        AnalysisCheck(name="hook", hook=Hook(url="http://judge.other")),
        AnalysisCheck(
            name="value", prometheus=PrometheusQuery(address="http://prometheus.monitoring", query="1", max=1)
        ),
    ]
    closed = destinations(analysis={})
    runner.start(KEY, ATTEMPT, checks, check_arguments(), closed, list[Key]().append)
    await finished(runner)
    last = runner.last(ATTEMPT)
    assert last is not None
    assert {name: (result.outcome, result.message) for name, result in last.results.items()} == {
        "hook": (
            "Error",
            'host "judge.other" not allowed; use a Service of namespace "team", or a host of the'
            " chart's analysis.hooks.allowed",
        ),
        "value": (
            "Error",
            'address not allowed; use a Service of namespace "team", or a URL of the chart\'s'
            " analysis.prometheus.shared",
        ),
    }

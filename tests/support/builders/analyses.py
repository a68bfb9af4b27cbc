"""Builders for analyses of a rollout: what the Pods counted, and the results of checks."""

from typing import Any

from yarl import URL

from modelops.api.addresses import ANY_ADDRESS, AddressRules
from modelops.api.inferenceservice_status import AnalysisCheckResult, AnalysisOutcome
from modelops.controllers.inferenceservice.analysis.arguments import CheckArguments
from modelops.controllers.inferenceservice.analysis.destinations import Destination, Destinations
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.machinery.resources import Body
from support.builders.common import settings


def counters(*, requests: int = 0, errors: int = 0, milliseconds: float = 10) -> Counters:
    """Return counters of requests that all took the same time, but for a bucket's width of a microsecond."""
    buckets = ((milliseconds - 0.001, 0), (milliseconds, requests)) if requests else ()
    return Counters(requests=requests, errors=errors, buckets=buckets)


def check_result(name: str, outcome: AnalysisOutcome, message: str = "12 of 12 answers right") -> AnalysisCheckResult:
    """Return the result of one of the user's own checks."""
    return AnalysisCheckResult(name=name, outcome=outcome, message=message)


def check_arguments(**changes: str | int) -> CheckArguments:
    """Return the arguments of a check for a candidate mortgage-2 with 25% of the traffic of mortgage-1."""
    defaults = {
        "namespace": "team",
        "inferenceservice": "mortgage",
        "stable": "mortgage-1",
        "candidate": "mortgage-2",
        "weight": 25,
        "stable_url": "http://mortgage-stable.team.svc.cluster.local",
        "candidate_url": "http://mortgage-candidate.team.svc.cluster.local",
    }
    return CheckArguments(**{**defaults, **changes})  # type: ignore[arg-type]


def destination(url: str, rules: AddressRules = ANY_ADDRESS, **more: str) -> Destination:
    """Return a server to ask, which may be on loopback, as those of the tests are."""
    return Destination(URL(url), rules, **more)


def destinations(*services: Body, prometheus: tuple[str, ...] = (), **changes: Any) -> Destinations:
    """Return the servers that checks of the namespace `team` may name: its Services, and any host as a hook.

    `prometheus` are the shared servers. `changes` are changes of the settings.
    """
    shared = [{"url": url} for url in prometheus]
    open_to_all = {"hooks": {"allowed": ["*"]}, "prometheus": {"shared": shared}}
    given = {"analysis": open_to_all, "egress": {"allow": ["127.0.0.0/8"]}, **changes}

    async def find(namespace: str, name: str) -> Body | None:
        assert namespace == "team"
        return next((body for body in services if body["metadata"]["name"] == name), None)

    return Destinations(settings(**given), "team", find)

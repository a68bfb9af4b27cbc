"""Output of `rollout status`: its lines, and those that a watch prints."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelops.api.inferenceservice import InferenceService
from modelops.api.rollout import Analysis
from modelops.cli import render
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.evaluation import evaluate
from modelops.controllers.inferenceservice.analysis.evidence import Distributions, Evidence, Pairs
from modelops.controllers.inferenceservice.observation import WindowCounts
from support.builders.inferenceservices import inference_service
from support.builders.modelversions import version
from support.controllers.cli_objects import SINCE, canary, candidate, condition, failure, service
from support.controllers.fake_cluster import Cluster

NOW = datetime(2026, 11, 25, 12, 4, 0, tzinfo=UTC)
PAUSED = {"modelops.dev/pause": "true"}
MESSAGE = "a message of the operator"


def analysis() -> dict[str, Any]:
    """Return the operator's own analysis with a check that passed and one that is inconclusive."""
    spec = {"errorRate": {"max": 0.01}, "latency": [{"quantile": 0.5, "max": "200ms"}], "agreement": {"min": 0.95}}
    result = evaluate(
        Analysis.model_validate(spec),
        candidate=Counters(requests=512, errors=2, buckets=((10.0, 0), (20.0, 512))),
        stable=Counters(requests=15400, errors=3, buckets=((10.0, 0), (20.0, 15400))),
        evidence=Evidence(Distributions(pairs=Pairs(compared=8, agreed=8))),
        previous=None,
        now=datetime.fromisoformat(SINCE),
    )
    return result.model_copy(update={"passes": 1}).wire()


CHECKS = [
    "Passed        errorRate    0.391% (2 of 512 requests), at most 1%",
    "Passed        latency 0.5  15 ms (512 requests), at most 200 ms",
    "Inconclusive  agreement    8 of 100 mirrored requests compared so far",
]


def rolling_out(*, candidate_errors: int) -> Cluster:
    """Return a cluster with a Canary in step 1 and one analysis of 512 requests to the candidate, as plans write it."""
    rollout = {
        "strategy": "Canary",
        "steps": [{"weight": 20, "hold": "1m"}, {"weight": 60}],
        "analysis": {"interval": "10s", "errorRate": {"max": 0.01}, "failureThreshold": 1},
    }
    first, second = version(), version("mortgage-2", letter="b")
    cluster = Cluster(inference_service(pinned="mortgage-1", rollout=rollout), [first, second])
    cluster.settle(4)
    cluster.select(second)
    cluster.settle(6)
    cluster.wait(10)
    candidate, stable = Counters(requests=512, errors=candidate_errors), Counters(requests=15400, errors=3)
    cluster.reconcile(window=WindowCounts(candidate=candidate, stable=stable))
    cluster.reconcile()
    return cluster


def test_the_status_of_a_rollout_under_way() -> None:
    """Conditions and messages are the operator's own."""
    cluster = rolling_out(candidate_errors=2)
    stable, candidate = cluster.service.status.stable, cluster.service.status.candidate
    assert stable is not None
    assert candidate is not None
    assert render.rollout(cluster.service, cluster.now) == [
        "Service       mortgage in team-a",
        "Ready         False  RollingOut: step 1/2 (20% of traffic): waiting for the end of the hold, 51s left",
        "URL           http://mortgage.team-a.svc.cluster.local",
        f"Stable        mortgage-1  revision {stable.revision}, 2/2 Pods ready",
        f"Candidate     mortgage-2  revision {candidate.revision}, 1/1 Pods ready",
        "  since       2026-11-05T12:00:00Z, 10s ago",
        "  step        1/2 (20% of traffic)",
        "  hold        until 2026-11-05T12:01:00Z (50s left)",
        "  analysis    Passed  0s ago; 1 passed in this step, 0 failed in a row",
        "              candidate  512 requests, 2 errors",
        "              stable     15,400 requests, 3 errors",
        "              Passed        errorRate  0.391% (2 of 512 requests), at most 1%",
    ]


def test_the_status_after_a_rollback() -> None:
    """Conditions and messages are the operator's own."""
    cluster = rolling_out(candidate_errors=32)
    stable = cluster.service.status.stable
    assert stable is not None
    assert render.rollout(cluster.service, cluster.now) == [
        "Service       mortgage in team-a",
        "Ready         False  AnalysisFailed: ModelVersion mortgage-2 was rolled back: errorRate: 6.25% (32 of 512"
        " requests), above 1%; ModelVersion mortgage-1 keeps serving; to try again, change the version, the spec or the"
        " annotation modelops.dev/retry",
        "RolledBack    True  AnalysisFailed: errorRate: 6.25% (32 of 512 requests), above 1%",
        "URL           http://mortgage.team-a.svc.cluster.local",
        f"Stable        mortgage-1  revision {stable.revision}, 2/2 Pods ready",
        "Failed        mortgage-2  in step 1 (20% of traffic), 0s ago",
        "              AnalysisFailed: errorRate: 6.25% (32 of 512 requests), above 1%",
        "              Failed        errorRate  6.25% (32 of 512 requests), above 1%",
    ]


def test_an_analysis_is_printed_with_all_of_its_figures() -> None:
    """The names of checks are aligned."""
    lines = render.rollout(service(rollout=canary(), candidate=candidate(analysis=analysis())), NOW)
    assert lines[-6:] == [
        "  analysis    Inconclusive  4m ago; 1 passed in this step, 0 failed in a row",
        "              candidate  512 requests, 2 errors, p50 15 ms",
        "              stable     15,400 requests, 3 errors, p50 15 ms",
        *(f"              {check}" for check in CHECKS),
    ]


@dataclass(frozen=True)
class Case:
    """An InferenceService, and a line of its status."""

    name: str
    service: InferenceService
    line: str


@pytest.mark.parametrize(
    "case",
    [
        Case(
            "a service that was never reconciled is Unknown",
            service(),
            "Ready         Unknown  not reconciled by the operator yet",
        ),
        Case(
            "a step without an end names the command to promote",
            service(rollout=canary(), candidate=candidate(step=2, weight=50)),
            "  hold        until promoted: kubectl modelops rollout promote mortgage",
        ),
        Case(
            "a hold that has ended is over",
            service(rollout=canary({"weight": 5, "hold": "1m"}), candidate=candidate(steps=1)),
            "  hold        until 2026-11-25T12:01:00Z (over)",
        ),
        Case(
            "a hold before a promotion by a person has both",
            service(rollout={"strategy": "Shadow"}, candidate=candidate(weight=0, steps=1)),
            "  hold        until 2026-11-25T13:00:00Z (56m left), then until promoted:"
            " kubectl modelops rollout promote mortgage",
        ),
        Case(
            "a pause names the command to resume",
            service(rollout=canary(), candidate=candidate(), annotations=PAUSED),
            "  hold        paused; to resume: kubectl modelops rollout resume mortgage",
        ),
        Case(
            "a hold does not start before the traffic has shifted",
            service(rollout=canary(), candidate=candidate(stepSince=None)),
            "  hold        not started: waiting for the traffic to shift",
        ),
        Case(
            "before step 1 the candidate waits for ready Pods",
            service(rollout=canary(), candidate=candidate(step=0, weight=0, ready=0)),
            "  step        0/2: waiting for ready Pods",
        ),
        Case(
            "after the last step the candidate waits for all of its Pods",
            service(rollout=canary(), candidate=candidate(step=3, weight=50, ready=1)),
            "  step        2/2 (50% of traffic) done: waiting for ready Pods",
        ),
        Case(
            "a rolling update has no step",
            service(candidate=candidate(step=0, steps=0)),
            "  step        none (rolling update)",
        ),
        Case(
            "a problem of several lines keeps its column",
            service(candidate=candidate(problem="it said:\nno model here\n")),
            "  problem     it said:\n              no model here",
        ),
        Case(
            "a version that failed before step 1 had no traffic",
            service(failed=[failure(step=0, weight=0)]),
            "Failed        mortgage-0  before step 1, 4m ago",
        ),
        Case(
            "a failed version keeps the checks of its last analysis",
            service(failed=[failure(analysis=analysis())]),
            f"              {CHECKS[0]}",
        ),
        Case(
            "a time in the future is 0s ago",
            service(failed=[failure(at="2026-11-25T12:05:00Z")]),
            "Failed        mortgage-0  in step 2 (50% of traffic), 0s ago",
        ),
    ],
    ids=lambda case: case.name,
)
def test_a_line_of_the_status(case: Case) -> None:
    """A person can read what the rollout waits for or what went wrong, and act."""
    assert case.line in render.rollout(case.service, NOW)


def test_a_paused_rolling_update_is_printed_as_paused() -> None:
    paused = service(candidate=candidate(step=0, steps=0), annotations=PAUSED)
    assert "  hold        paused; to resume: kubectl modelops rollout resume mortgage" in render.rollout(paused, NOW)


def test_conditions_with_the_same_reason_and_message_are_printed_once() -> None:
    """Ready and Stalled mostly have the same."""
    conditions = [condition("Ready", "False", "DigestMismatch"), condition("Stalled", "True", "DigestMismatch")]
    lines = render.rollout(service(conditions=conditions), NOW)
    assert [line.split()[0] for line in lines] == ["Service", "Ready", "Stable"]


def test_each_line_of_a_watch_names_its_subject() -> None:
    """Earlier lines may be out of sight."""
    rolling_out = service(
        rollout=canary(),
        candidate=candidate(problem="a Pod waits", analysis=analysis()),
        failed=[failure()],
        conditions=[condition("Ready", "False", "RollingOut"), condition("Fine", "True")],
    )
    assert render.changes(rolling_out) == [
        f"Ready False  RollingOut: {MESSAGE}",
        "stable mortgage-1: revision c3d4e5, 2/2 Pods ready",
        "candidate mortgage-2: step 1/2 (5% of traffic); revision c3d4e5, 2/2 Pods ready",
        "candidate mortgage-2: hold until 2026-11-25T12:10:00Z",
        "candidate mortgage-2: a Pod waits",
        "candidate mortgage-2: Passed errorRate: 0.391% (2 of 512 requests), at most 1%",
        "candidate mortgage-2: Passed latency 0.5: 15 ms (512 requests), at most 200 ms",
        "candidate mortgage-2: Inconclusive agreement: 8 of 100 mirrored requests compared so far",
        "failed mortgage-0: in step 2 (50% of traffic): Aborted: answers look wrong",
    ]


def test_lines_of_a_watch_have_the_time_of_day_in_utc() -> None:
    """Times in the status are in UTC as well."""
    assert render.stamped(["a", "b"], NOW + timedelta(seconds=7)) == ["12:04:07Z  a", "12:04:07Z  b"]

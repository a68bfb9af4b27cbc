"""What a person sees of a rollout."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelops.api.inferenceservice import InferenceService
from modelops.cli import render
from support.cli_objects import BEGAN, canary, candidate, condition, failure, service

NOW = datetime(2026, 11, 25, 12, 4, 0, tzinfo=UTC)
PAUSED = {"modelops.dev/pause": "true"}


def analysis(**more: Any) -> dict[str, Any]:
    """A judgement with a check that passed and one that could not judge."""
    checks = [
        {"name": "errorRate", "outcome": "Passed", "message": "2 of 512 requests failed, 1% may"},
        {"name": "agreement", "outcome": "Inconclusive", "message": "8 mirrored requests, 100 are needed"},
    ]
    figures = {"requests": 15400, "errors": 3, "latency": [{"quantile": 0.99, "milliseconds": 31.5}]}
    own = {"outcome": "Inconclusive", "at": BEGAN, "passes": 1, "candidate": {"requests": 512, "errors": 2}}
    return {**own, "stable": figures, "checks": checks, **more}


def test_the_whole_of_a_rollout() -> None:
    """All that there is to know fits on one screen, in the order in which one asks."""
    going = [condition("Ready", "False", "RollingOut", "step 1 of 2")]
    seen = service(rollout=canary(), candidate=candidate(analysis=analysis()), failed=[failure()], conditions=going)
    assert render.rollout(seen, NOW) == [
        "Service       mortgage in team",
        "Ready         False  RollingOut: step 1 of 2",
        "Stable        mortgage-1  revision c3d4e5, 2 of 2 Pods answer",
        "Candidate     mortgage-2  revision c3d4e5, 2 of 2 Pods answer",
        "  since       2026-11-25T12:00:00Z, 4m ago",
        "  step        1 of 2, 5% of the requests",
        "  hold        until 2026-11-25T12:10:00Z, 6m left",
        "  analysis    Inconclusive  4m ago; 1 passed in this step, 0 failed in a row",
        "              candidate  512 requests, 2 errors",
        "              stable     15,400 requests, 3 errors, p99 31.5 ms",
        "              Passed        errorRate  2 of 512 requests failed, 1% may",
        "              Inconclusive  agreement  8 mirrored requests, 100 are needed",
        "Failed        mortgage-0  in step 2 with 50% of the requests, 4m ago",
        "              Aborted: answers look wrong",
    ]


@dataclass(frozen=True)
class Case:
    """What is seen, and a line that must be there."""

    name: str
    seen: InferenceService
    line: str


@pytest.mark.parametrize(
    "case",
    [
        Case("nobody has looked at it yet", service(), "Ready         Unknown  the operator has not looked at it yet"),
        Case(
            "a person is waited for, and told what to do",
            service(rollout=canary(), candidate=candidate(step=2, weight=50)),
            "  hold        until a person promotes: kubectl modelops rollout promote mortgage",
        ),
        Case(
            "a hold that is over",
            service(rollout=canary({"weight": 5, "hold": "1m"}), candidate=candidate(steps=1)),
            "  hold        until 2026-11-25T12:01:00Z, which is over",
        ),
        Case(
            "a hold before a person",
            service(rollout={"strategy": "Shadow"}, candidate=candidate(weight=0, steps=1)),
            "  hold        until 2026-11-25T13:00:00Z, 56m left, then until a person promotes:"
            " kubectl modelops rollout promote mortgage",
        ),
        Case(
            "a pause, and the way out of it",
            service(rollout=canary(), candidate=candidate(), annotations=PAUSED),
            "  hold        paused, until it is resumed: kubectl modelops rollout resume mortgage",
        ),
        Case(
            "the traffic has not followed yet",
            service(rollout=canary(), candidate=candidate(stepSince=None)),
            "  hold        not begun: the traffic has not been seen to follow yet",
        ),
        Case(
            "its Pods are not ready for the first step",
            service(rollout=canary(), candidate=candidate(step=0, weight=0, ready=0)),
            "  step        before the first of 2, until its Pods are ready",
        ),
        Case(
            "the last step is over",
            service(rollout=canary(), candidate=candidate(step=3, weight=50, ready=1)),
            "  step        behind the last of 2, 50% of the requests until all of its Pods are ready",
        ),
        Case("no steps", service(candidate=candidate(step=0, steps=0)), "  step        Pod by Pod"),
        Case(
            "a problem of several lines keeps its column",
            service(candidate=candidate(problem="it said:\nno model here\n")),
            "  problem     it said:\n              no model here",
        ),
        Case(
            "a version that never got a request",
            service(failed=[failure(step=0, weight=0)]),
            "Failed        mortgage-0  before its first step, 4m ago",
        ),
        Case(
            "the evidence against a version that failed",
            service(failed=[failure(analysis=analysis())]),
            "              Passed        errorRate  2 of 512 requests failed, 1% may",
        ),
        Case(
            "the cluster's clock is ahead",
            service(failed=[failure(at="2026-11-25T12:05:00Z")]),
            "Failed        mortgage-0  in step 2 with 50% of the requests, 0s ago",
        ),
    ],
    ids=lambda case: case.name,
)
def test_a_line_for_it(case: Case) -> None:
    """What the next step is waiting for, or what went wrong, can be read and acted on."""
    assert case.line in render.rollout(case.seen, NOW)


def test_what_is_replaced_pod_by_pod_is_paused_too() -> None:
    """And nobody looks for what holds it up."""
    seen = service(candidate=candidate(step=0, steps=0), annotations={"modelops.dev/pause": "true"})
    assert [line for line in render.rollout(seen, NOW) if "paused, until it is resumed" in line]


def test_what_two_conditions_say_alike_is_said_once() -> None:
    """Ready and Stalled mostly have the same reason and message."""
    told = [condition("Ready", "False", "DigestMismatch"), condition("Stalled", "True", "DigestMismatch")]
    assert [line.split()[0] for line in render.rollout(service(conditions=told), NOW)] == ["Service", "Ready", "Stable"]


def test_a_watch_tells_everything_that_matters() -> None:
    """Each line says by itself whom it speaks of: those around it were printed long before."""
    seen = service(
        rollout=canary(),
        candidate=candidate(problem="a Pod waits", analysis=analysis()),
        failed=[failure()],
        conditions=[condition("Ready", "False", "RollingOut", "step 1 of 2"), condition("Fine", "True")],
    )
    assert render.changes(seen) == [
        "Ready False  RollingOut: step 1 of 2",
        "stable mortgage-1: revision c3d4e5, 2 of 2 Pods answer",
        "candidate mortgage-2: step 1 of 2, 5% of the requests; revision c3d4e5, 2 of 2 Pods answer",
        "candidate mortgage-2: hold until 2026-11-25T12:10:00Z",
        "candidate mortgage-2: a Pod waits",
        "candidate mortgage-2: errorRate Passed: 2 of 512 requests failed, 1% may",
        "candidate mortgage-2: agreement Inconclusive: 8 mirrored requests, 100 are needed",
        "failed mortgage-0: in step 2 with 50% of the requests: Aborted: answers look wrong",
    ]


def test_lines_of_a_watch_have_the_time_of_day_in_utc() -> None:
    """As the times in the status are."""
    assert render.stamped(["a", "b"], NOW + timedelta(seconds=7)) == ["12:04:07Z  a", "12:04:07Z  b"]

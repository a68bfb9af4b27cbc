"""Memory of an analysis between two reconciles: windows, and the last run of the user's own checks."""

from typing import Any

import pytest

from modelops.controllers.inferenceservice.analysis import memory
from modelops.controllers.inferenceservice.analysis.check_runner import CheckRun, CheckRunner
from modelops.controllers.inferenceservice.analysis.distances import ColumnCounts, Sample
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.memory import AnalysisMemory
from modelops.controllers.inferenceservice.analysis.proxy_stats import ProxyStats
from modelops.controllers.inferenceservice.analysis.reports import MonitorReport, Samples
from modelops.controllers.inferenceservice.analysis.windows import RolloutAttempt
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.plan import plan
from support.builders.analyses import check_result
from support.builders.common import NOW
from support.builders.inferenceservices import Json, inference_service, revision_of
from support.builders.modelversions import version
from support.controllers.fake_cluster import Cluster

V1, V2, V3 = (version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))
R1 = revision_of(inference_service(), V1)
ANALYSIS: Json = {"interval": "10s", "minRequests": 10, "errorRate": {"max": 0.1}}
CANARY: Json = {"steps": [{"weight": 50, "hold": "30s"}, {"weight": 80, "hold": "30s"}], "analysis": ANALYSIS}


async def no_service(namespace: str, name: str) -> None:
    """Find no Service."""


class Story:
    """A cluster, and an operator with its memory."""

    def __init__(self, rollout: Json = CANARY, **spec: Any) -> None:
        self.cluster = Cluster(inference_service(pinned="mortgage-1", rollout=rollout, **spec), [V1])
        self.memory = AnalysisMemory()
        self.cluster.settle(4)

    def reconcile(self) -> Observation:
        """Reconcile as the controller does, and return the observation."""
        seen = self.memory.with_evidence(self.cluster.observe())
        decided = plan(seen)
        self.memory.remember(seen, decided, lambda key: None, no_service)
        for write in self.cluster.writes(decided):
            self.cluster.write(write)
        self.cluster.write_status(decided)
        return seen

    def serve(self, *, requests: int, errors: int = 0, stable_requests: int = 0) -> None:
        """Let each stable Pod pass `requests` on to the candidate, and answer `stable_requests` by itself.

        `errors` of those passed on fail. Each Pod of the candidate answers `requests`, too.
        """
        for name, pod in self.cluster.pods.items():
            stable = pod["metadata"]["labels"]["modelops.dev/revision"] == R1
            known = self.cluster.counted.get(name) or ProxyStats(Counters(), Counters(), 0, None)
            passed = Counters(requests, errors) if stable else Counters()
            answered = Counters(stable_requests) if stable else Counters(requests, errors)
            self.cluster.counted[name] = ProxyStats(known.model + answered, known.candidate + passed, 0, None)

    def in_step(self, step: int) -> None:
        """Reconcile until the candidate is in this step, with the traffic."""
        for _ in range(20):
            self.reconcile()
            self.cluster.start()
            self.cluster.ready()
            self.cluster.use_routes()
            candidate = self.cluster.service.status.candidate
            if candidate is not None and candidate.step == step and candidate.step_since is not None:
                return
        raise AssertionError(f"no candidate in step {step}")

    @property
    def candidate(self) -> Any:
        """Candidate in the status."""
        return self.cluster.service.status.candidate


def begun(rollout: Json = CANARY, **spec: Any) -> Story:
    """Return a story with version 2 in step 1."""
    story = Story(rollout, **spec)
    story.cluster.select(V2)
    story.in_step(1)
    return story


def test_requests_before_the_step_do_not_count() -> None:
    """The candidate did not have the weight of the step yet."""
    story = Story()
    story.cluster.select(V2)
    story.reconcile()
    story.cluster.start()
    story.serve(requests=1000, errors=1000)
    story.in_step(1)
    story.reconcile()
    story.serve(requests=20)
    story.cluster.wait(11)
    seen = story.reconcile()
    assert (seen.window.candidate.requests, seen.window.candidate.errors) == (40, 0)
    assert story.candidate.analysis.outcome == "Passed"


def test_each_analysis_has_a_window_of_its_own() -> None:
    """An hour of good answers must not hide bad ones."""
    story = begun()
    story.reconcile()
    story.serve(requests=500)
    story.cluster.wait(11)
    story.reconcile()
    assert story.candidate.analysis.candidate.requests == 1000
    story.serve(requests=10, errors=8)
    story.cluster.wait(11)
    seen = story.reconcile()
    assert (seen.window.candidate.requests, seen.window.candidate.errors) == (20, 16)
    assert story.cluster.service.status.failed[0].reason == "AnalysisFailed"


def test_the_window_goes_on_after_an_analysis_with_too_few_requests() -> None:
    """A candidate with a small weight would never have enough requests."""
    story = begun()
    for expected in ("Inconclusive", "Inconclusive", "Passed"):
        story.reconcile()
        story.serve(requests=2)
        story.cluster.wait(11)
        story.reconcile()
        assert story.candidate.analysis.outcome == expected
    assert story.candidate.analysis.candidate.requests == 12


def test_a_step_begins_with_an_empty_window() -> None:
    """Requests at a smaller weight do not count at a greater one."""
    story = begun()
    story.serve(requests=50)
    for _ in range(4):
        story.cluster.wait(11)
        story.reconcile()
        story.serve(requests=50)
    story.in_step(2)
    assert story.candidate.analysis.passes == 0
    story.reconcile()
    assert story.reconcile().window.candidate.requests == 0


def test_another_candidate_begins_with_an_empty_window() -> None:
    """Requests of the former candidate count neither for nor against it."""
    story = begun()
    story.reconcile()
    story.serve(requests=50, errors=50)
    story.reconcile()
    story.cluster.select(V3)
    story.in_step(1)
    story.reconcile()
    assert story.reconcile().window.candidate.requests == 0
    story.serve(requests=50)
    story.cluster.wait(11)
    story.reconcile()
    assert story.candidate.analysis.outcome == "Passed"


def test_the_requests_of_a_deleted_pod_stay_in_the_window() -> None:
    """A new Pod counts from its first reading."""
    story = begun()
    story.reconcile()
    story.serve(requests=20)
    story.reconcile()
    del story.cluster.pods[next(iter(story.cluster.pods))]
    story.cluster.start()
    story.cluster.ready()
    story.reconcile()
    assert story.reconcile().window.candidate.requests == 40


def test_the_requests_of_a_silent_pod_count_once_it_answers_again() -> None:
    """No request counts twice."""
    story = begun()
    story.reconcile()
    silent = next(iter(story.cluster.pods))
    story.serve(requests=10)
    story.cluster.silent.add(silent)
    story.reconcile()
    assert story.reconcile().window.candidate.requests == 10
    story.cluster.silent.clear()
    story.reconcile()
    story.serve(requests=10)
    assert story.reconcile().window.candidate.requests == 30


@pytest.mark.parametrize(
    ("gateway", "requests"),
    [
        pytest.param(None, 14, id="the two stable Pods count what they pass on"),
        pytest.param({"parentRefs": [{"name": "public"}]}, 7, id="behind a Gateway the candidate's Pod counts"),
    ],
)
def test_the_requests_of_the_candidate_are_counted_in_one_place(gateway: Json | None, requests: int) -> None:
    story = Story(gateway=gateway)
    story.cluster.select(V2)
    story.reconcile()
    story.cluster.start()
    story.cluster.ready()
    story.reconcile()
    story.reconcile()
    story.serve(requests=7, stable_requests=5)
    seen = story.reconcile()
    assert seen.window.candidate.requests == requests
    assert seen.window.stable.requests == 10


def test_an_attempt_that_has_ended_is_forgotten() -> None:
    """The operator runs for months."""
    story = begun()
    story.reconcile()
    story.cluster.annotate(abort="no")
    story.reconcile()
    assert len(story.memory._requests) == 0
    assert len(story.memory._checks) == 0


@pytest.mark.parametrize(
    ("seconds", "count"),
    [
        pytest.param(0, 1, id="checks run once the step takes effect"),
        pytest.param(5, 1, id="checks run once in an interval"),
        pytest.param(10, 2, id="checks run again after an interval"),
    ],
)
def test_checks_run_in_each_interval_of_a_step(monkeypatch: pytest.MonkeyPatch, seconds: int, count: int) -> None:
    """Their arguments have the weight of the step. Before the step takes effect there is nothing to check."""
    started: list[Any] = []
    runs: dict[Any, CheckRun] = {}

    def start(_: Any, key: Any, attempt: Any, checks: Any, arguments: Any, destinations: Any, enqueue: Any) -> None:
        assert destinations.namespace == key.namespace
        started.append((key.name, arguments.weight, arguments.candidate, arguments.stable))
        runs[attempt] = CheckRun(story.cluster.now, arguments, {})

    monkeypatch.setattr(CheckRunner, "start", start)
    monkeypatch.setattr(CheckRunner, "last", lambda _, attempt: runs.get(attempt))
    hook = {**ANALYSIS, "checks": [{"name": "smoke", "hook": {"url": "http://judge"}}]}
    story = Story({**CANARY, "analysis": hook})
    story.cluster.select(V2)
    story.reconcile()
    assert started == []
    story.in_step(1)
    story.cluster.wait(seconds)
    story.reconcile()
    assert started == [("mortgage", 50, "mortgage-2", "mortgage-1")] * count


def test_results_of_checks_in_one_step_do_not_count_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are of a smaller weight. The checks run again as soon as the next step takes effect."""
    weights: list[int] = []
    runs: dict[Any, CheckRun] = {}

    def start(_: Any, key: Any, attempt: Any, checks: Any, arguments: Any, destinations: Any, enqueue: Any) -> None:
        weights.append(arguments.weight)
        if arguments.weight == 50:
            runs[attempt] = CheckRun(NOW, arguments, {"smoke": check_result("smoke", "Passed")})

    monkeypatch.setattr(CheckRunner, "start", start)
    monkeypatch.setattr(CheckRunner, "last", lambda _, attempt: runs.get(attempt))
    analysis = {"interval": "10s", "checks": [{"name": "smoke", "hook": {"url": "http://judge"}}]}
    story = begun({"steps": [{"weight": 50, "hold": "5s"}, {"weight": 80, "hold": "5s"}], "analysis": analysis})
    story.cluster.wait(11)
    story.in_step(2)
    assert weights[-1] == 80
    story.cluster.wait(11)
    story.reconcile()
    assert (story.candidate.step, story.candidate.analysis.outcome) == (2, "Inconclusive")


def test_a_failed_candidate_that_waits_for_a_person_is_not_analysed_again() -> None:
    """Otherwise the candidate would continue by itself after some good answers."""
    story = begun({**CANARY, "onFailure": "Pause"})
    story.serve(requests=0)
    story.reconcile()
    story.serve(requests=50, errors=50)
    story.cluster.wait(11)
    story.reconcile()
    failed = story.candidate.analysis
    assert (failed.outcome, failed.failures) == ("Failed", 1)
    for _ in range(6):
        story.serve(requests=50)
        story.cluster.wait(11)
        story.reconcile()
    assert (story.candidate.step, story.candidate.analysis) == (1, failed)
    story.cluster.annotate(promote="1")
    story.in_step(2)
    story.serve(requests=50)
    story.cluster.wait(11)
    story.reconcile()
    assert story.candidate.analysis.outcome == "Passed"


def test_without_spec_analysis_there_is_no_analysis() -> None:
    story = begun({"steps": [{"weight": 50}]})
    story.serve(requests=100, errors=100)
    story.cluster.wait(60)
    story.reconcile()
    assert story.candidate.analysis is None


def contents(words: int, count: int) -> MonitorReport:
    """Return a report of a column with so many words, each counted so often."""
    counted = ColumnCounts(labels={f"w{number}": count for number in range(words)})
    return MonitorReport(live=Samples(inputs=Sample(count, {"x": counted})))


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        pytest.param(1_000, [30, 50, 50], id="three readings, then a sum for each side as well"),
        pytest.param(35, [20, 20, 20], id="two readings, then one and a sum"),
    ],
)
def test_contents_beyond_a_namespaces_share_of_the_memory_are_left_out(
    share: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pods that report as much as they may fill no more of the memory than their namespace's share."""
    monkeypatch.setattr(memory, "_ENTRIES_SHARE", share)
    analysis: Json = {**ANALYSIS, "inputDistance": {"max": 0.1}}
    story = begun({**CANARY, "analysis": analysis})
    attempt = RolloutAttempt(story.cluster.service.metadata.uid, story.candidate.attempt)
    held = []
    for count in range(1, 4):
        reports = dict.fromkeys(story.cluster.pods, contents(9, count))
        story.memory.with_evidence(story.cluster.observe(monitor_reports=reports))
        held.append(story.memory._entries.amount(attempt))
    assert held == expected

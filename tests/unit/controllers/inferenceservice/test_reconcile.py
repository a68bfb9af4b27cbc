"""What the operator remembers of a candidate between two looks: windows that begin anew, and what checks said."""

from typing import Any

import pytest

from modelops.api.inferenceservice_status import CheckResult
from modelops.controllers.inferenceservice.analysis.check_runner import Answers, Asker
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.proxy_stats import PodLook
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.plan import plan
from modelops.controllers.inferenceservice.reconcile import Analyst
from modelops.machinery.cache import Cache
from modelops.machinery.context import ReconcileContext
from support.builders.common import NOW, settings
from support.builders.inferenceservices import Json, inference_service, revision_of
from support.builders.modelversions import version
from support.fake_cluster import Cluster

V1, V2, V3 = (version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))
R1, R2 = (revision_of(inference_service(), one) for one in (V1, V2))
ANALYSIS: Json = {"interval": "10s", "minRequests": 10, "errorRate": {"max": 0.1}}
CANARY: Json = {"steps": [{"weight": 50, "hold": "30s"}, {"weight": 80, "hold": "30s"}], "analysis": ANALYSIS}


class Story:
    """A cluster, and an operator that remembers."""

    def __init__(self, rollout: Json = CANARY, **spec: Any) -> None:
        self.cluster = Cluster(inference_service(pinned="mortgage-1", rollout=rollout, **spec), [V1])
        self.analyst = Analyst()
        self.cluster.settle(4)

    def look(self) -> Observation:
        """One look, as the controller does it. Returns what it saw."""
        seen = self.analyst.with_evidence(self.cluster.seen())
        decided = plan(seen)
        context = ReconcileContext(Cache({}), None, settings(), self.cluster.now)  # type: ignore[arg-type]
        self.analyst.after(seen, decided, context)
        for write in self.cluster.writes(decided):
            self.cluster.write(write)
        self.cluster.tell(decided)
        return seen

    def serve(self, requests: int, errors: int = 0, *, own: int = 0) -> None:
        """Each Pod of the stable version passes so many requests on to the candidate, and answers so many itself."""
        for name, pod in self.cluster.pods.items():
            stable = pod["metadata"]["labels"]["modelops.dev/revision"] == R1
            known = self.cluster.counted.get(name) or PodLook(Counters(), Counters(), 0, None)
            passed = Counters(requests, errors) if stable else Counters()
            answered = Counters(own) if stable else Counters(requests, errors)
            self.cluster.counted[name] = PodLook(known.model + answered, known.candidate + passed, 0, None)

    def in_step(self, step: int) -> None:
        """Until the candidate is in that step."""
        for _ in range(20):
            self.look()
            self.cluster.start()
            self.cluster.ready()
            self.cluster.take()
            candidate = self.cluster.service.status.candidate
            if candidate is not None and candidate.step == step and candidate.step_since is not None:
                return
        raise AssertionError("it never got there")

    @property
    def candidate(self) -> Any:
        """What the status tells of it."""
        return self.cluster.service.status.candidate


def begun(rollout: Json = CANARY, **spec: Any) -> Story:
    """Version 2 is in its first step."""
    story = Story(rollout, **spec)
    story.cluster.want_version(V2)
    story.in_step(1)
    return story


def test_what_was_before_the_step_does_not_count() -> None:
    """Requests of a share that was not its own yet would judge the candidate."""
    story = Story()
    story.cluster.want_version(V2)
    story.look()
    story.cluster.start()
    story.serve(1000, 1000)
    story.in_step(1)
    story.look()
    story.serve(20)
    story.cluster.wait(11)
    seen = story.look()
    assert (seen.windows.candidate.requests, seen.windows.candidate.errors) == (40, 0)
    assert story.candidate.analysis.outcome == "Passed"


def test_a_window_begins_anew_after_a_judgement() -> None:
    """Each judgement rests on what came since the one before: an hour of good answers must not hide bad ones."""
    story = begun()
    story.look()
    story.serve(500)
    story.cluster.wait(11)
    story.look()
    assert story.candidate.analysis.candidate.requests == 1000
    story.serve(10, 8)
    story.cluster.wait(11)
    seen = story.look()
    assert (seen.windows.candidate.requests, seen.windows.candidate.errors) == (20, 16)
    assert story.cluster.service.status.failed[0].reason == "AnalysisFailed"


def test_what_was_too_little_to_judge_by_counts_for_the_next_judgement() -> None:
    """A candidate with a small share would never have requests enough."""
    story = begun()
    for expected in ("Inconclusive", "Inconclusive", "Passed"):
        story.look()
        story.serve(2)
        story.cluster.wait(11)
        story.look()
        assert story.candidate.analysis.outcome == expected
    assert story.candidate.analysis.candidate.requests == 12


def test_a_step_begins_with_an_empty_window() -> None:
    """What passed with a smaller share says nothing of a greater one."""
    story = begun()
    story.serve(50)
    for _ in range(4):
        story.cluster.wait(11)
        story.look()
        story.serve(50)
    story.in_step(2)
    assert story.candidate.analysis.passes == 0
    story.look()
    assert story.look().windows.candidate.requests == 0


def test_another_version_begins_with_nothing() -> None:
    """Neither counts nor answers of a former candidate are held for it or against it."""
    story = begun()
    story.look()
    story.serve(50, 50)
    story.look()
    story.cluster.want_version(V3)
    story.in_step(1)
    story.look()
    assert story.look().windows.candidate.requests == 0
    story.serve(50)
    story.cluster.wait(11)
    story.look()
    assert story.candidate.analysis.outcome == "Passed"


def test_a_pod_that_is_gone_keeps_what_it_counted() -> None:
    """And one that comes is counted from where it is first seen."""
    story = begun()
    story.look()
    story.serve(20)
    story.look()
    del story.cluster.pods[next(iter(story.cluster.pods))]
    story.cluster.start()
    story.cluster.ready()
    story.look()
    assert story.look().windows.candidate.requests == 40


def test_a_silent_pod_is_no_pod_without_requests() -> None:
    """What it counted while it could not be asked is known when it can be again, and nothing twice."""
    story = begun()
    story.look()
    silent = next(iter(story.cluster.pods))
    story.serve(10)
    story.cluster.silent.add(silent)
    story.look()
    assert story.look().windows.candidate.requests == 10
    story.cluster.silent.clear()
    story.look()
    story.serve(10)
    assert story.look().windows.candidate.requests == 30


@pytest.mark.parametrize(("through", "requests"), [(None, 14), ({"parentRefs": [{"name": "public"}]}, 7)])
def test_who_counts_what_the_candidate_answers(through: Json | None, requests: int) -> None:
    """The two stable Pods what they pass on; behind a Gateway that passes it on itself, the candidate's own."""
    story = Story(gateway=through)
    story.cluster.want_version(V2)
    story.look()
    story.cluster.start()
    story.cluster.ready()
    story.look()
    story.look()
    story.serve(7, own=5)
    seen = story.look()
    assert seen.windows.candidate.requests == requests
    assert seen.windows.stable.requests == 10


def test_nothing_is_remembered_of_what_is_over() -> None:
    """The operator runs for months."""
    story = begun()
    story.look()
    story.cluster.ask(abort="no")
    story.look()
    assert len(story.analyst._ledger) == 0
    assert len(story.analyst._asker) == 0


@pytest.mark.parametrize(
    ("seconds", "asks"), [(0, 1), (5, 1), (10, 2)], ids=["at once", "not twice in an interval", "at each interval"]
)
def test_when_checks_are_asked(monkeypatch: pytest.MonkeyPatch, seconds: int, asks: int) -> None:
    """From when a step takes effect, with the weight that it has; before it there is nothing to ask about."""
    asked: list[Any] = []
    answers: dict[Any, Any] = {}

    class Answered:
        """Answers that came when they were asked for."""

        def __init__(self, asked_at: Any, subject: Any) -> None:
            self.asked_at = asked_at
            self.subject = subject
            self.results: dict[str, Any] = {}

    def start(_: Asker, key: Any, attempt: Any, checks: Any, subject: Any, enqueue: Any) -> None:
        asked.append((key.name, subject.weight, subject.candidate, subject.stable))
        answers[attempt] = Answered(story.cluster.now, subject)

    monkeypatch.setattr(Asker, "start", start)
    monkeypatch.setattr(Asker, "last", lambda _, attempt: answers.get(attempt))
    hook = {**ANALYSIS, "checks": [{"name": "mine", "hook": {"url": "http://judge"}}]}
    story = Story({**CANARY, "analysis": hook})
    story.cluster.want_version(V2)
    story.look()
    assert asked == []
    story.in_step(1)
    story.cluster.wait(seconds)
    story.look()
    assert asked == [("mortgage", 50, "mortgage-2", "mortgage-1")] * asks


def test_what_checks_said_in_the_step_before_lets_nobody_out_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were asked with a smaller share; and are asked anew as soon as the next one takes effect."""
    asked: list[int] = []
    answers: dict[Any, Answers] = {}

    def start(_: Asker, key: Any, attempt: Any, checks: Any, subject: Any, enqueue: Any) -> None:
        asked.append(subject.weight)
        if subject.weight == 50:
            passed = CheckResult(name="mine", outcome="Passed", message="fine")
            answers[attempt] = Answers(NOW, subject, {"mine": passed})

    monkeypatch.setattr(Asker, "start", start)
    monkeypatch.setattr(Asker, "last", lambda _, attempt: answers.get(attempt))
    analysis = {"interval": "10s", "checks": [{"name": "mine", "hook": {"url": "http://judge"}}]}
    story = begun({"steps": [{"weight": 50, "hold": "5s"}, {"weight": 80, "hold": "5s"}], "analysis": analysis})
    story.cluster.wait(11)
    story.in_step(2)
    assert asked[-1] == 80
    story.cluster.wait(11)
    story.look()
    assert (story.candidate.step, story.candidate.analysis.outcome) == (2, "Inconclusive")


def test_a_failure_that_a_person_thinks_about_is_not_forgiven_by_the_next_judgement() -> None:
    """The candidate had gone on by itself, up to promotion, once it looked better for a while."""
    story = begun({**CANARY, "onFailure": "Pause"})
    story.serve(0)
    story.look()
    story.serve(50, 50)
    story.cluster.wait(11)
    story.look()
    failed = story.candidate.analysis
    assert (failed.outcome, failed.failures) == ("Failed", 1)
    for _ in range(6):
        story.serve(50)
        story.cluster.wait(11)
        story.look()
    assert (story.candidate.step, story.candidate.analysis) == (1, failed)
    story.cluster.ask(promote="1")
    story.in_step(2)
    story.serve(50)
    story.cluster.wait(11)
    story.look()
    assert story.candidate.analysis.outcome == "Passed"


def test_without_an_analysis_nothing_is_asked_or_judged() -> None:
    """A candidate whose Pods answer is all that is wanted then."""
    story = begun({"steps": [{"weight": 50}]})
    story.serve(100, 100)
    story.cluster.wait(60)
    story.look()
    assert story.candidate.analysis is None

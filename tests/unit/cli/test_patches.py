"""What is asked of the operator: annotations as it documents them, and refusals before anything is written."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.dataset import Dataset
from modelops.api.inferenceservice import InferenceService
from modelops.cli import patches
from modelops.cli.patches import LONGEST_REASON, Patch, RequestRefusedError
from support.cli_objects import DIGEST, canary, candidate, condition, failure, run, service, version

T = "2026-11-25T12:00:00.000001Z"
ROLLING_OUT = service(rollout=canary(), candidate=candidate())
PAUSED = service(rollout=canary(), candidate=candidate(), annotations={"modelops.dev/pause": "true"})
PAUSED_WITHOUT_CANDIDATE = service(annotations={"modelops.dev/pause": "true"})
STALLED = [condition("Stalled", "True", "AnalysisFailed")]
PAUSING = {**canary(), "onFailure": "Pause"}
REPLACING = {"strategy": "Rolling", "onFailure": "Pause"}


def at(step: int, *, rollout: dict[str, Any] | None = None, failed: bool = False) -> InferenceService:
    """A rollout of two steps that is in one of them, before or behind them, or held up there by a failure."""
    conditions = STALLED if failed else []
    return service(rollout=rollout or PAUSING, candidate=candidate(step=step), conditions=conditions)


FAILED = service(rollout=canary(), failed=[failure()])
APPROVED = version(annotations={"modelops.dev/approve": DIGEST, "modelops.dev/approved-by": "ann"})
MISNAMED = version(annotations={"modelops.dev/approve": "sha256:0", "modelops.dev/approved-by": "bob"})
GATE = {"metric": "accuracy", "value": 0.5, "min": 0.8}


def dataset(*, suspend: bool = False) -> Dataset:
    """A Dataset `data`."""
    spec = {"source": {"s3": {"bucket": "data", "prefix": "x/"}}, "suspend": suspend}
    return Dataset.model_validate({"metadata": {"name": "data"}, "spec": spec})


def annotations(**values: str | None) -> dict[str, Any]:
    """The patch that sets these annotations."""
    named = {f"modelops.dev/{name.replace('_', '-')}": value for name, value in values.items()}
    return {"metadata": {"annotations": named}}


@dataclass(frozen=True)
class Asked:
    """A request, the patch that it becomes, and a part of what the person is told."""

    name: str
    ask: Callable[[], Patch]
    patch: dict[str, Any]
    told: str


@pytest.mark.parametrize(
    "case",
    [
        Asked(
            "promote goes to the next step",
            lambda: patches.promote(ROLLING_OUT, T, full=False),
            annotations(promote=T),
            "mortgage-2 goes on from step 1 of 2",
        ),
        Asked(
            "promote --full goes to the end",
            lambda: patches.promote(ROLLING_OUT, T, full=True),
            annotations(promote_full=T),
            "mortgage-2 gets all of the traffic",
        ),
        Asked(
            "promote --full goes to the end from before the first step",
            lambda: patches.promote(at(0), T, full=True),
            annotations(promote_full=T),
            "mortgage-2 gets all of the traffic",
        ),
        Asked(
            "promote goes to the next step in spite of a failure that holds the candidate up",
            lambda: patches.promote(at(1, failed=True), T, full=False),
            annotations(promote=T),
            "mortgage-2 goes on from step 1 of 2, in spite of its failure",
        ),
        Asked(
            "promote goes on in spite of a failure before the first step",
            lambda: patches.promote(at(0, failed=True), T, full=False),
            annotations(promote=T),
            "mortgage-2 goes on, in spite of its failure",
        ),
        Asked(
            "promote goes on in spite of a failure behind the last step",
            lambda: patches.promote(at(3, failed=True), T, full=False),
            annotations(promote=T),
            "mortgage-2 goes on, in spite of its failure",
        ),
        Asked(
            "promote goes on in spite of a failure Pod by Pod",
            lambda: patches.promote(at(0, rollout=REPLACING, failed=True), T, full=False),
            annotations(promote=T),
            "mortgage-2 goes on, in spite of its failure",
        ),
        Asked(
            "promote --full Pod by Pod is no more than to go on",
            lambda: patches.promote(at(0, rollout=REPLACING, failed=True), T, full=True),
            annotations(promote_full=T),
            "mortgage-2 goes on, in spite of its failure",
        ),
        Asked(
            "pause Pod by Pod",
            lambda: patches.pause(at(0, rollout=REPLACING)),
            annotations(pause="true"),
            "stays with the Pods that it has",
        ),
        Asked(
            "pause before the first step",
            lambda: patches.pause(at(0)),
            annotations(pause="true"),
            "mortgage-2 stays before the first of 2 steps",
        ),
        Asked(
            "pause is a state, not a request", lambda: patches.pause(ROLLING_OUT), annotations(pause="true"), "step 1"
        ),
        Asked("resume takes it away", lambda: patches.resume(PAUSED), annotations(pause=None), "goes on"),
        Asked(
            "resume clears a pause that outlived its candidate",
            lambda: patches.resume(PAUSED_WITHOUT_CANDIDATE),
            annotations(pause=None),
            "goes on",
        ),
        Asked(
            "abort says why, and is new each time",
            lambda: patches.abort(ROLLING_OUT, T, "answers  look\nwrong"),
            annotations(abort=f"answers look wrong ({T})"),
            "mortgage-2 goes, and mortgage-1 goes on serving",
        ),
        Asked(
            "abort without a reason",
            lambda: patches.abort(ROLLING_OUT, T, None),
            annotations(abort=T),
            "mortgage-2 goes",
        ),
        Asked(
            "retry of a version that failed",
            lambda: patches.retry_rollout(FAILED, T),
            annotations(retry=T),
            "mortgage-0 is tried once more",
        ),
        Asked(
            "approve names this very artifact",
            lambda: patches.approve(version(), "ann"),
            annotations(approve=DIGEST, approved_by="ann"),
            "in the name of ann",
        ),
        Asked(
            "approve corrects another digest",
            lambda: patches.approve(MISNAMED, "ann"),
            annotations(approve=DIGEST, approved_by="ann"),
            DIGEST,
        ),
        Asked("refresh", lambda: patches.refresh(dataset(), T), annotations(refresh=T), "looked at now"),
        Asked(
            "refresh of a suspended Dataset says that it waits",
            lambda: patches.refresh(dataset(suspend=True), T),
            annotations(refresh=T),
            "once it is not suspended",
        ),
        Asked(
            "rerun changes the inputs by nothing but the nonce",
            lambda: patches.rerun(run(outcome="Succeeded", job="train-1"), T),
            {"spec": {"cache": {"nonce": T}}},
            "trains again, on the same inputs.",
        ),
        Asked(
            "rerun of what is under way says what it costs",
            lambda: patches.rerun(run(job="train-1"), T),
            {"spec": {"cache": {"nonce": T}}},
            "What is under way is stopped.",
        ),
        Asked(
            "retry of a run that failed",
            lambda: patches.retry_run(run(outcome="Failed"), T),
            annotations(retry=T),
            "trains once more",
        ),
        Asked(
            "retry of a run that was stopped",
            lambda: patches.retry_run(run(outcome="Stopped"), T),
            annotations(retry=T),
            "trains once more",
        ),
        Asked(
            "stop says why",
            lambda: patches.stop(run(job="train-1"), T, "too expensive"),
            annotations(stop=f"too expensive ({T})"),
            "stopped",
        ),
        Asked(
            "stop of one trial of a sweep",
            lambda: patches.stop(run(sweep="search"), T, None),
            annotations(stop=T),
            "stopped",
        ),
    ],
    ids=lambda case: case.name,
)
def test_patch(case: Asked) -> None:
    """What is written is what the operator's documentation tells people to write."""
    made = case.ask()
    assert made.patch == case.patch
    assert case.told in made.told


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: patches.promote(service(), T, full=False), "mortgage has no candidate: there is nothing to promote"),
        (lambda: patches.promote(service(candidate=candidate()), T, full=False), "is replaced Pod by Pod"),
        (
            lambda: patches.promote(service(rollout={"strategy": "Rolling"}, candidate=candidate()), T, full=True),
            "is replaced Pod by Pod",
        ),
        (lambda: patches.promote(at(0, rollout=REPLACING), T, full=False), "is replaced Pod by Pod"),
        (
            lambda: patches.promote(at(0, rollout={**REPLACING, "onFailure": "Rollback"}, failed=True), T, full=False),
            "is replaced Pod by Pod",
        ),
        (
            lambda: patches.promote(at(0), T, full=False),
            "has no step yet to promote: mortgage-2 begins the first",
        ),
        (lambda: patches.promote(at(3), T, full=False), "has no step left to promote: mortgage-2 gets all of the"),
        (lambda: patches.promote(at(3), T, full=True), "has no step left to promote: mortgage-2 gets all of the"),
        (lambda: patches.pause(FAILED), "has no candidate: there is nothing to pause"),
        (lambda: patches.pause(PAUSED), "is paused already"),
        (lambda: patches.resume(ROLLING_OUT), "is not paused"),
        (lambda: patches.abort(FAILED, T, None), "has no candidate: there is nothing to abort"),
        (lambda: patches.abort(ROLLING_OUT, T, "x" * (LONGEST_REASON + 1)), "the reason has 901 characters"),
        (lambda: patches.retry_rollout(service(), T), "has no version that failed"),
        (
            lambda: patches.retry_rollout(service(candidate=candidate(), failed=[failure()]), T),
            "is rolling out mortgage-2: abort that first",
        ),
        (lambda: patches.approve(version(approval="Automatic"), "ann"), "needs no approval"),
        (lambda: patches.approve(APPROVED, "bob"), "is approved already, by ann"),
        (
            lambda: patches.approve(version(gates=[{**GATE, "outcome": "Failed"}]), "ann"),
            "its gate on accuracy has failed, for good",
        ),
        (lambda: patches.retry_run(run(), T), "has not ended"),
        (lambda: patches.retry_run(run(outcome="Succeeded"), T), "`rerun` trains it again"),
        (lambda: patches.retry_run(run(outcome="Failed", sweep="search"), T), "is a trial of search: retry that one"),
        (lambda: patches.rerun(run(sweep="search"), T), "is a trial of search: rerun that one"),
        (lambda: patches.stop(run(outcome="Failed"), T, None), "is not under way: it has ended as Failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "refused",
)
def test_refused(ask: Callable[[], Patch], words: str) -> None:
    """A request that the operator would pass over in silence is refused aloud, in one sentence."""
    with pytest.raises(RequestRefusedError) as refused:
        ask()
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


moments = st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(moments, st.integers(1, 10**9))
def test_stamps_differ_and_sort(moment: datetime, microseconds: int) -> None:
    """The operator acts on another value only: two requests must never have the same."""
    assert patches.stamp(moment) < patches.stamp(moment + timedelta(microseconds=microseconds))


@given(st.text(max_size=LONGEST_REASON))
def test_a_reason_never_hides_the_stamp(reason: str) -> None:
    """The operator keeps 1,024 characters of a value: what makes it new must be among them."""
    patch = patches.abort(ROLLING_OUT, T, reason).patch
    value = patch["metadata"]["annotations"]["modelops.dev/abort"]
    assert T in value[:1024]
    assert "\n" not in value

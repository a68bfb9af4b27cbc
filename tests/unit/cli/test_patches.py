"""Patches: the annotations that the operator documents, their effect in words, and refusals before anything is sent."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.dataset import Dataset
from modelops.api.inferenceservice import InferenceService
from modelops.cli import patches
from modelops.cli.patches import MAX_REASON, Patch, RequestRefusedError
from support.controllers.cli_objects import DIGEST, canary, candidate, condition, failure, run, service, version

STAMP = "2026-11-25T12:00:00.000001Z"
ANN = "ann@example.com"
ROLLING_UPDATE = {"strategy": "Rolling", "onFailure": "Pause"}
ROLLING_OUT = service(rollout=canary(), candidate=candidate())
PAUSED = service(rollout=canary(), candidate=candidate(), annotations={"modelops.dev/pause": "true"})
WITH_FAILED_VERSION = service(rollout=canary(), failed=[failure()])


def in_step(step: int, *, rollout: dict[str, Any] | None = None, failed: bool = False) -> InferenceService:
    """Return a rollout in this step of two: 0 is before step 1, 3 after step 2.

    With `failed` the candidate waits for a person after a failure, as the default `onFailure: Pause` of this function
    says.
    """
    return service(
        rollout=rollout or {**canary(), "onFailure": "Pause"},
        candidate=candidate(step=step),
        conditions=[condition("Stalled", "True", "AnalysisFailed")] if failed else [],
    )


def dataset(*, suspend: bool = False) -> Dataset:
    """Return a Dataset `data`."""
    spec = {"source": {"s3": {"bucket": "data", "prefix": "x/"}}, "suspend": suspend}
    return Dataset.model_validate({"metadata": {"name": "data"}, "spec": spec})


def annotations(**values: str | None) -> dict[str, Any]:
    """Return the patch that sets these annotations of modelops."""
    named = {f"modelops.dev/{name.replace('_', '-')}": value for name, value in values.items()}
    return {"metadata": {"annotations": named}}


@dataclass(frozen=True)
class Request:
    """A request, the patch that it becomes, and the effect in words."""

    about: str
    _: KW_ONLY
    patch: Callable[[], Patch]
    body: dict[str, Any]
    effect: str


def assert_patch(request: Request) -> None:
    patch = request.patch()
    assert (patch.body, patch.effect) == (request.body, request.effect)


@pytest.mark.parametrize(
    "request_",
    [
        Request(
            "promote moves the candidate to its next step",
            patch=lambda: patches.promote(ROLLING_OUT, STAMP, ANN, full=False),
            body=annotations(promote=STAMP, promote_by=ANN),
            effect="mortgage-2 continues after step 1/2",
        ),
        Request(
            "promote --full skips all steps",
            patch=lambda: patches.promote(ROLLING_OUT, STAMP, ANN, full=True),
            body=annotations(promote_full=STAMP, promote_full_by=ANN),
            effect="mortgage-2 gets all traffic",
        ),
        Request(
            "promote --full is possible before step 1",
            patch=lambda: patches.promote(in_step(0), STAMP, ANN, full=True),
            body=annotations(promote_full=STAMP, promote_full_by=ANN),
            effect="mortgage-2 gets all traffic",
        ),
        Request(
            "promote moves a failed candidate to its next step",
            patch=lambda: patches.promote(in_step(1, failed=True), STAMP, ANN, full=False),
            body=annotations(promote=STAMP, promote_by=ANN),
            effect="mortgage-2 continues after step 1/2 despite its failure",
        ),
        Request(
            "promote continues with a failed candidate before step 1",
            patch=lambda: patches.promote(in_step(0, failed=True), STAMP, ANN, full=False),
            body=annotations(promote=STAMP, promote_by=ANN),
            effect="mortgage-2 continues despite its failure",
        ),
        Request(
            "promote continues with a failed candidate after the last step",
            patch=lambda: patches.promote(in_step(3, failed=True), STAMP, ANN, full=False),
            body=annotations(promote=STAMP, promote_by=ANN),
            effect="mortgage-2 continues despite its failure",
        ),
        Request(
            "promote continues a failed rolling update",
            patch=lambda: patches.promote(in_step(0, rollout=ROLLING_UPDATE, failed=True), STAMP, ANN, full=False),
            body=annotations(promote=STAMP, promote_by=ANN),
            effect="mortgage-2 continues despite its failure",
        ),
        Request(
            "promote --full has no further effect on a failed rolling update",
            patch=lambda: patches.promote(in_step(0, rollout=ROLLING_UPDATE, failed=True), STAMP, ANN, full=True),
            body=annotations(promote_full=STAMP, promote_full_by=ANN),
            effect="mortgage-2 continues despite its failure",
        ),
    ],
    ids=lambda request: request.about,
)
def test_promote(request_: Request) -> None:
    assert_patch(request_)


@pytest.mark.parametrize(
    "request_",
    [
        Request(
            "pause is a state without a stamp",
            patch=lambda: patches.pause(ROLLING_OUT, ANN),
            body=annotations(pause="true", pause_by=ANN, resume_by=None),
            effect="mortgage-2 stays in step 1/2",
        ),
        Request(
            "pause is possible before step 1",
            patch=lambda: patches.pause(in_step(0), ANN),
            body=annotations(pause="true", pause_by=ANN, resume_by=None),
            effect="mortgage-2 stays before step 1/2",
        ),
        Request(
            "pause is possible after the last step",
            patch=lambda: patches.pause(in_step(3), ANN),
            body=annotations(pause="true", pause_by=ANN, resume_by=None),
            effect="mortgage-2 stays after step 2/2",
        ),
        Request(
            "pause keeps the Pods of a rolling update",
            patch=lambda: patches.pause(in_step(0, rollout=ROLLING_UPDATE), ANN),
            body=annotations(pause="true", pause_by=ANN, resume_by=None),
            effect="mortgage-2 stays at its present Pods",
        ),
        Request(
            "resume removes the annotation",
            patch=lambda: patches.resume(PAUSED, ANN),
            body=annotations(pause=None, pause_by=None, resume_by=ANN),
            effect="the rollout continues",
        ),
        Request(
            "resume removes a pause that is left without a candidate",
            patch=lambda: patches.resume(service(annotations={"modelops.dev/pause": "true"}), ANN),
            body=annotations(pause=None, pause_by=None, resume_by=ANN),
            effect="the rollout continues",
        ),
    ],
    ids=lambda request: request.about,
)
def test_pause_and_resume(request_: Request) -> None:
    assert_patch(request_)


@pytest.mark.parametrize(
    "request_",
    [
        Request(
            "abort has its reason on one line before the stamp",
            patch=lambda: patches.abort(ROLLING_OUT, STAMP, ANN, "answers  look\nwrong"),
            body=annotations(abort=f"answers look wrong ({STAMP})", abort_by=ANN),
            effect="mortgage-2 is removed, mortgage-1 serves all traffic",
        ),
        Request(
            "abort without a reason is the stamp",
            patch=lambda: patches.abort(ROLLING_OUT, STAMP, ANN, None),
            body=annotations(abort=STAMP, abort_by=ANN),
            effect="mortgage-2 is removed, mortgage-1 serves all traffic",
        ),
        Request(
            "abort without a stable version names none",
            patch=lambda: patches.abort(
                service(rollout=canary(), stable=None, candidate=candidate()), STAMP, ANN, None
            ),
            body=annotations(abort=STAMP, abort_by=ANN),
            effect="mortgage-2 is removed",
        ),
        Request(
            "retry names the version that failed last",
            patch=lambda: patches.retry_rollout(WITH_FAILED_VERSION, STAMP, ANN),
            body=annotations(retry=STAMP, retry_by=ANN),
            effect="mortgage-0 is rolled out again, if still selected",
        ),
    ],
    ids=lambda request: request.about,
)
def test_abort_and_retry(request_: Request) -> None:
    assert_patch(request_)


@pytest.mark.parametrize(
    "request_",
    [
        Request(
            "approve writes the digest of the present artifact and the user's name",
            patch=lambda: patches.approve(version(), "ann"),
            body=annotations(approve=DIGEST, approved_by="ann"),
            effect=f"by ann, artifact {DIGEST}",
        ),
        Request(
            "approve replaces the approval of another digest",
            patch=lambda: patches.approve(
                version(annotations={"modelops.dev/approve": "sha256:0", "modelops.dev/approved-by": "bob"}), "ann"
            ),
            body=annotations(approve=DIGEST, approved_by="ann"),
            effect=f"by ann, artifact {DIGEST}",
        ),
        Request(
            "refresh probes the source now",
            patch=lambda: patches.refresh(dataset(), STAMP),
            body=annotations(refresh=STAMP),
            effect="the source is probed now",
        ),
        Request(
            "refresh of a suspended Dataset waits for its end",
            patch=lambda: patches.refresh(dataset(suspend=True), STAMP),
            body=annotations(refresh=STAMP),
            effect="the source is probed once the Dataset is no longer suspended",
        ),
    ],
    ids=lambda request: request.about,
)
def test_approve_and_refresh(request_: Request) -> None:
    assert_patch(request_)


@pytest.mark.parametrize(
    "request_",
    [
        Request(
            "rerun changes nothing but the nonce",
            patch=lambda: patches.rerun(run(outcome="Succeeded", job="train-1"), STAMP),
            body={"spec": {"cache": {"nonce": STAMP}}},
            effect="training starts again on the same inputs",
        ),
        Request(
            "rerun of a run under way names the attempt that is stopped",
            patch=lambda: patches.rerun(run(job="train-1"), STAMP),
            body={"spec": {"cache": {"nonce": STAMP}}},
            effect="training starts again on the same inputs; the present attempt is stopped",
        ),
        Request(
            "retry trains a failed run again",
            patch=lambda: patches.retry_run(run(outcome="Failed"), STAMP),
            body=annotations(retry=STAMP),
            effect="training starts again with all of its retries",
        ),
        Request(
            "retry trains a stopped run again",
            patch=lambda: patches.retry_run(run(outcome="Stopped"), STAMP),
            body=annotations(retry=STAMP),
            effect="training starts again with all of its retries",
        ),
        Request(
            "stop has its reason before the stamp",
            patch=lambda: patches.stop(run(job="train-1"), STAMP, "too expensive"),
            body=annotations(stop=f"too expensive ({STAMP})"),
            effect="training stops",
        ),
        Request(
            "stop is possible for a trial of a sweep",
            patch=lambda: patches.stop(run(sweep="search"), STAMP, None),
            body=annotations(stop=STAMP),
            effect="training stops",
        ),
    ],
    ids=lambda request: request.about,
)
def test_training_runs(request_: Request) -> None:
    assert_patch(request_)


def refused(about: str, *, patch: Callable[[], Patch], message: str) -> Any:
    """Return a row of a table of refusals."""
    return pytest.param(patch, message, id=about)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        refused(
            "promote without a candidate",
            patch=lambda: patches.promote(service(), STAMP, ANN, full=False),
            message="InferenceService mortgage has no candidate: there is nothing to promote",
        ),
        refused(
            "promote of the default rolling update",
            patch=lambda: patches.promote(service(candidate=candidate()), STAMP, ANN, full=False),
            message="InferenceService mortgage has a rolling update under way: there is no step to promote",
        ),
        refused(
            "promote --full of a rolling update",
            patch=lambda: patches.promote(
                service(rollout={"strategy": "Rolling"}, candidate=candidate()), STAMP, ANN, full=True
            ),
            message="InferenceService mortgage has a rolling update under way: there is no step to promote",
        ),
        refused(
            "promote of a rolling update without a failure",
            patch=lambda: patches.promote(in_step(0, rollout=ROLLING_UPDATE), STAMP, ANN, full=False),
            message="InferenceService mortgage has a rolling update under way: there is no step to promote",
        ),
        refused(
            "promote of a failed rolling update that is rolled back by itself",
            patch=lambda: patches.promote(
                in_step(0, rollout={**ROLLING_UPDATE, "onFailure": "Rollback"}, failed=True), STAMP, ANN, full=False
            ),
            message="InferenceService mortgage has a rolling update under way: there is no step to promote",
        ),
        refused(
            "promote before step 1",
            patch=lambda: patches.promote(in_step(0), STAMP, ANN, full=False),
            message="InferenceService mortgage has no step to promote yet: step 1/2 of mortgage-2 begins with ready"
            " Pods",
        ),
        refused(
            "promote after the last step",
            patch=lambda: patches.promote(in_step(3), STAMP, ANN, full=False),
            message="InferenceService mortgage has no step left to promote: mortgage-2 gets all traffic once its Pods"
            " are ready",
        ),
        refused(
            "promote --full after the last step",
            patch=lambda: patches.promote(in_step(3), STAMP, ANN, full=True),
            message="InferenceService mortgage has no step left to promote: mortgage-2 gets all traffic once its Pods"
            " are ready",
        ),
        refused(
            "pause without a candidate",
            patch=lambda: patches.pause(WITH_FAILED_VERSION, ANN),
            message="InferenceService mortgage has no candidate: there is nothing to pause",
        ),
        refused(
            "pause of a paused rollout",
            patch=lambda: patches.pause(PAUSED, ANN),
            message="InferenceService mortgage is already paused",
        ),
        refused(
            "resume of a rollout that is not paused",
            patch=lambda: patches.resume(ROLLING_OUT, ANN),
            message="InferenceService mortgage is not paused",
        ),
        refused(
            "abort without a candidate",
            patch=lambda: patches.abort(WITH_FAILED_VERSION, STAMP, ANN, None),
            message="InferenceService mortgage has no candidate: there is nothing to abort",
        ),
        refused(
            "abort with a reason that is too long",
            patch=lambda: patches.abort(ROLLING_OUT, STAMP, ANN, "x" * (MAX_REASON + 1)),
            message="the reason has 901 characters, at most 900 are possible",
        ),
        refused(
            "retry of a rollout without a failed version",
            patch=lambda: patches.retry_rollout(service(), STAMP, ANN),
            message="InferenceService mortgage has no failed version: there is nothing to retry",
        ),
        refused(
            "retry during a rollout",
            patch=lambda: patches.retry_rollout(service(candidate=candidate(), failed=[failure()]), STAMP, ANN),
            message="InferenceService mortgage is rolling out mortgage-2: abort that rollout first",
        ),
        refused(
            "approve of a version with automatic approval",
            patch=lambda: patches.approve(version(approval="Automatic"), "ann"),
            message="ModelVersion mortgage-2 needs no approval: its approval is Automatic",
        ),
        refused(
            "approve of an approved version",
            patch=lambda: patches.approve(
                version(annotations={"modelops.dev/approve": DIGEST, "modelops.dev/approved-by": "ann"}), "bob"
            ),
            message="ModelVersion mortgage-2 is already approved by ann",
        ),
        refused(
            "approve of a version approved by hand without a name",
            patch=lambda: patches.approve(version(annotations={"modelops.dev/approve": DIGEST}), "bob"),
            message="ModelVersion mortgage-2 is already approved by an unnamed person",
        ),
        refused(
            "approve of a version with a failed gate",
            patch=lambda: patches.approve(
                version(gates=[{"metric": "accuracy", "value": 0.5, "min": 0.8, "outcome": "Failed"}]), "ann"
            ),
            message="ModelVersion mortgage-2 can never serve: its gate on accuracy failed",
        ),
        refused(
            "retry of a run that has not ended",
            patch=lambda: patches.retry_run(run(), STAMP),
            message="TrainingRun train has not ended: there is nothing to retry",
        ),
        refused(
            "retry of a run that has succeeded",
            patch=lambda: patches.retry_run(run(outcome="Succeeded"), STAMP),
            message="TrainingRun train has succeeded: `rerun` trains again all the same",
        ),
        refused(
            "retry of a trial",
            patch=lambda: patches.retry_run(run(outcome="Failed", sweep="search"), STAMP),
            message="TrainingRun train is a trial of search: retry search instead",
        ),
        refused(
            "rerun of a trial",
            patch=lambda: patches.rerun(run(sweep="search"), STAMP),
            message="TrainingRun train is a trial of search: rerun search instead",
        ),
        refused(
            "stop of a run that has ended",
            patch=lambda: patches.stop(run(outcome="Failed"), STAMP, None),
            message="TrainingRun train has already ended as Failed",
        ),
    ],
)
def test_a_request_without_effect_is_refused(patch: Callable[[], Patch], message: str) -> None:
    """The operator would ignore the annotation silently."""
    with pytest.raises(RequestRefusedError) as refusal:
        patch()
    assert str(refusal.value) == message


moments = st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(moments, st.integers(1, 10**9))
def test_stamps_of_two_moments_differ_and_sort(moment: datetime, microseconds: int) -> None:
    """The operator acts on a new value only: two requests must never have the same."""
    assert patches.stamp(moment) < patches.stamp(moment + timedelta(microseconds=microseconds))


@given(st.text(max_size=MAX_REASON))
def test_a_long_reason_does_not_push_the_stamp_out(reason: str) -> None:
    """The operator keeps 1,024 characters of a value: the stamp must be among them."""
    patch = patches.abort(ROLLING_OUT, STAMP, ANN, reason)
    value = patch.body["metadata"]["annotations"]["modelops.dev/abort"]
    assert STAMP in value[:1024]
    assert "\n" not in value

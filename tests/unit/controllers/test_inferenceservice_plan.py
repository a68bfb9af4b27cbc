"""An InferenceService's decisions: which version serves, what is touched, and what is said."""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from modelops.controllers.inferenceservice.rollout import VERSION

from modelops.api.inferenceservice import InferenceServiceStatus
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.plan import plan, wanted_version
from modelops.machinery.conditions import find, merged
from modelops.machinery.plan import Plan
from support.serving_objects import (
    NOW,
    deployment,
    ended,
    endpoint,
    inference_service,
    observation,
    pod,
    settings,
    version,
    waits,
)

V1 = version("mortgage-1", letter="a", created="2026-11-05T10:00:00Z")
V2 = version("mortgage-2", letter="b", created="2026-11-05T11:00:00Z")
V2_REFUSED = version(
    "mortgage-2", letter="b", created="2026-11-05T11:00:00Z", may_serve=False, why='metric "accuracy" is missing'
)
NEW = inference_service()
SERVING = inference_service(stable="mortgage-1")
MOVING = inference_service(stable="mortgage-1", candidate="mortgage-2")
MISMATCH = '{"failure": {"reason": "DigestMismatch", "message": "what is there has another digest"}}'
V1_PODS = (pod(SERVING, V1, "a"), pod(SERVING, V1, "b"))


@dataclass(frozen=True)
class Case:
    """`serves` and `candidate` are versions, `ready` is how many Pods of the serving one answer."""

    name: str
    given: Observation
    reason: str
    condition: str = "Reconciling"
    message: tuple[str, ...] = ()
    applies: tuple[str, ...] = ("Deployment", "Service")
    serves: str | None = None
    ready: int = 0
    candidate: str | None = None
    problem: str | None = None


def serving_v1(*versions: ModelVersion, **more: object) -> Observation:
    """Version 1 serves with both of its Pods."""
    given = {"deployment": deployment(SERVING, V1), "pods": V1_PODS, "endpoint": endpoint(SERVING), **more}
    return observation(given.pop("service", SERVING), *versions, **given)  # type: ignore[arg-type]


def moving_to_v2(*pods: object, service: object = MOVING, **status: object) -> Observation:
    """Version 2 is the Deployment's template; version 1 has the Pods given with it."""
    counts = {"updated": 1, "total": 3, "available": 2, **status}
    body = deployment(MOVING, V2, **counts)  # type: ignore[arg-type]
    return observation(service, V1, V2, deployment=body, pods=pods, endpoint=endpoint(MOVING))  # type: ignore[arg-type]


CASES = [
    Case(
        "a version that does not exist is waited for, and nothing is made",
        observation(inference_service(pinned="mortgage-9")),
        reason="ModelVersionNotFound",
        message=("there is no ModelVersion mortgage-9",),
        applies=(),
    ),
    Case(
        "a pinned version that is not there leaves the Deployment that serves as it is",
        serving_v1(service=inference_service(pinned="mortgage-9", stable="mortgage-1")),
        reason="ModelVersionNotFound",
        message=("ModelVersion mortgage-1 goes on serving",),
        applies=("Service",),
        serves="mortgage-1",
        ready=2,
    ),
    Case(
        "a pinned version that may not serve says why, and the old one goes on",
        serving_v1(V2_REFUSED, service=inference_service(pinned="mortgage-2", stable="mortgage-1")),
        reason="ModelVersionNotReady",
        message=('metric "accuracy" is missing', "mortgage-1 goes on serving"),
        applies=("Service",),
        serves="mortgage-1",
        ready=2,
    ),
    Case(
        "a version that nobody has looked at may not serve",
        observation(inference_service(pinned="mortgage-2"), version("mortgage-2", may_serve=None)),
        reason="ModelVersionNotReady",
        message=("it has not been looked at yet",),
        applies=(),
    ),
    Case(
        "a model without versions waits for the first",
        observation(NEW),
        reason="NoReadyVersion",
        message=("there is no ModelVersion of model mortgage",),
        applies=(),
    ),
    Case(
        "a model without a version that may serve says what is wrong with the newest",
        observation(NEW, version("mortgage-1", may_serve=False), V2_REFUSED),
        reason="NoReadyVersion",
        message=("none of the 2", "the newest, mortgage-2", 'metric "accuracy" is missing'),
        applies=(),
    ),
    Case(
        "a runtime that the chart does not know is named with those that it does",
        serving_v1(V1, service=inference_service(runtime="sklaern", stable="mortgage-1")),
        reason="RuntimeNotFound",
        condition="Stalled",
        message=('there is no runtime "sklaern"', "sklearn"),
        applies=(),
        serves="mortgage-1",
        ready=2,
    ),
    Case(
        "a format that the runtime cannot load is not tried, and the old version goes on",
        serving_v1(V1, version("mortgage-2", format_="onnx", created="2026-11-05T11:00:00Z")),
        reason="RuntimeFormatMismatch",
        condition="Stalled",
        message=("written as onnx", "loads sklearn", "mortgage-1 goes on serving"),
        applies=("Service",),
        serves="mortgage-1",
        ready=2,
    ),
    Case(
        "a container of the user's own is trusted with every format",
        observation(inference_service(server={"container": {"image": "mine:1"}}), version(format_="custom")),
        reason="RollingOut",
        candidate="mortgage-1",
    ),
    Case(
        "a stranger's Service of that name is never taken over",
        observation(NEW, V1, endpoint=endpoint(NEW, owned=False)),
        reason="ServiceNameTaken",
        condition="Stalled",
        message=("does not belong to this InferenceService",),
        applies=(),
    ),
    Case(
        "the Service of a deleted namesake goes by itself",
        observation(NEW, V1, endpoint=endpoint(NEW, owner_uid="another")),
        reason="ServiceTerminating",
        applies=(),
    ),
    Case(
        "the first version is rolled out",
        observation(NEW, V1),
        reason="RollingOut",
        message=("0 of 2 Pods of ModelVersion mortgage-1 are ready",),
        candidate="mortgage-1",
    ),
    Case(
        "the first Pod that answers makes its version the one that serves",
        observation(NEW, V1, deployment=deployment(NEW, V1, available=1), pods=(pod(NEW, V1),)),
        reason="PodsNotReady",
        message=("1 of 2 Pods",),
        serves="mortgage-1",
        ready=1,
    ),
    Case(
        "all Pods answer and none is old: the version serves",
        serving_v1(V1),
        reason="Serving",
        condition="Ready",
        message=("mortgage-1 serves with 2 Pods at http://mortgage.team.svc.cluster.local",),
        serves="mortgage-1",
        ready=2,
    ),
    Case(
        "the Pods are not believed before the Deployment's controller has seen the spec",
        serving_v1(V1, deployment=deployment(SERVING, V1, observed=False)),
        reason="PodsNotReady",
        serves="mortgage-1",
        ready=2,
    ),
    Case(
        "the newest version that may serve replaces the old one, which serves until then",
        serving_v1(V1, V2),
        reason="RollingOut",
        message=("0 of 2 Pods of ModelVersion mortgage-2",),
        serves="mortgage-1",
        ready=2,
        candidate="mortgage-2",
    ),
    Case(
        "a newer version that may not serve changes nothing",
        serving_v1(V1, V2_REFUSED),
        reason="Serving",
        condition="Ready",
        serves="mortgage-1",
        ready=2,
    ),
    Case(
        "while both answer, the one that served before is the stable one",
        moving_to_v2(pod(MOVING, V1, "a"), pod(MOVING, V1, "b"), pod(MOVING, V2, "c")),
        reason="RollingOut",
        serves="mortgage-1",
        ready=2,
        candidate="mortgage-2",
    ),
    Case(
        "a Pod that ends no longer counts",
        moving_to_v2(pod(MOVING, V1, "a", ending=True), pod(MOVING, V2, "b"), pod(MOVING, V2, "c"), updated=2, total=2),
        reason="Serving",
        condition="Ready",
        serves="mortgage-2",
        ready=2,
    ),
    Case(
        "what answers is stable, not what answered once",
        moving_to_v2(pod(MOVING, V1, "a", ready=False), pod(MOVING, V2, "b")),
        reason="RollingOut",
        serves="mortgage-2",
        ready=1,
        candidate="mortgage-2",
    ),
    Case(
        "a candidate that crashes says what it said last, and the old version goes on",
        moving_to_v2(*V1_PODS, pod(MOVING, V2, "c", ready=False, containers=[ended("model", 1, "no module named x")])),
        reason="CrashLoopBackOff",
        message=("0 of 2 Pods", "container model ended with exit code 1: no module named x"),
        serves="mortgage-1",
        ready=2,
        candidate="mortgage-2",
        problem="Pod c: container model ended with exit code 1: no module named x",
    ),
    Case(
        "a container that was just started again has not got better",
        moving_to_v2(*V1_PODS, pod(MOVING, V2, "c", ready=False, containers=[ended("model", 1, "boom", waits=False)])),
        reason="CrashLoopBackOff",
        serves="mortgage-1",
        ready=2,
        candidate="mortgage-2",
        problem="Pod c: container model ended with exit code 1: boom",
    ),
    Case(
        "a model that is too big for its memory is told apart",
        moving_to_v2(*V1_PODS, pod(MOVING, V2, "c", ready=False, containers=[ended("model", 137, "", "OOMKilled")])),
        reason="OOMKilled",
        serves="mortgage-1",
        ready=2,
        candidate="mortgage-2",
        problem="Pod c: container model ended with exit code 137 (OOMKilled)",
    ),
    Case(
        "bytes of another digest never serve, and waiting does not help",
        moving_to_v2(*V1_PODS, pod(MOVING, V2, "c", ready=False, init=[ended("fetch-model", 42, MISMATCH)])),
        reason="DigestMismatch",
        condition="Stalled",
        message=("what is there has another digest", "mortgage-1 goes on serving"),
        serves="mortgage-1",
        ready=2,
        candidate="mortgage-2",
        problem="Pod c: what is there has another digest",
    ),
    Case(
        "a store that is down is waited for",
        moving_to_v2(
            *V1_PODS,
            pod(
                MOVING,
                V2,
                "c",
                ready=False,
                init=[ended("fetch-model", 1, MISMATCH.replace("DigestMismatch", "StoreUnreachable"))],
            ),
        ),
        reason="StoreUnreachable",
        serves="mortgage-1",
        ready=2,
        candidate="mortgage-2",
        problem="Pod c: what is there has another digest",
    ),
    Case(
        "an image that cannot be had needs a person",
        moving_to_v2(
            *V1_PODS, pod(MOVING, V2, "c", ready=False, containers=[waits("model", "ErrImagePull", "not found")])
        ),
        reason="ImagePullFailed",
        condition="Stalled",
        serves="mortgage-1",
        ready=2,
        candidate="mortgage-2",
        problem="Pod c, container model: not found",
    ),
    Case(
        "a Pod that no node takes says so in the scheduler's words",
        moving_to_v2(*V1_PODS, pod(MOVING, V2, "c", ready=False, unschedulable="0/1 nodes are available")),
        reason="Unschedulable",
        serves="mortgage-1",
        ready=2,
        candidate="mortgage-2",
        problem="Pod c: 0/1 nodes are available",
    ),
    Case(
        "a candidate that never answers fails at its deadline, and the old version goes on",
        moving_to_v2(*V1_PODS, pod(MOVING, V2, "c", ready=False), overdue=True),
        reason="RolloutFailed",
        condition="Stalled",
        message=("after 600 seconds", "the model does not answer /v2/health/ready", "mortgage-1 goes on serving"),
        serves="mortgage-1",
        ready=2,
        candidate="mortgage-2",
    ),
    Case(
        "a deadline that a former template missed does not count against the next",
        observation(
            MOVING,
            V1,
            V2,
            deployment=deployment(MOVING, V1, overdue=True),
            pods=V1_PODS,
            endpoint=endpoint(MOVING),
        ),
        reason="RollingOut",
        serves="mortgage-1",
        ready=2,
        candidate="mortgage-2",
    ),
    Case(
        "a lost node is no rollout: the version serves with fewer Pods",
        serving_v1(
            V1,
            deployment=deployment(SERVING, V1, available=1),
            pods=(pod(SERVING, V1, "a"), pod(SERVING, V1, "b", ready=False)),
        ),
        reason="PodsNotReady",
        message=("1 of 2 Pods",),
        serves="mortgage-1",
        ready=1,
    ),
    Case(
        "not even the loss of all Pods is",
        serving_v1(V1, deployment=deployment(SERVING, V1, available=0), pods=()),
        reason="PodsNotReady",
        message=("0 of 2 Pods",),
        serves="mortgage-1",
        ready=0,
    ),
    Case(
        "an evicted Pod is neither old nor ready",
        serving_v1(V1, pods=(*V1_PODS, pod(SERVING, V1, "c", ready=False, phase="Failed"))),
        reason="Serving",
        condition="Ready",
        serves="mortgage-1",
        ready=2,
    ),
    Case(
        "more replicas are waited for without a rollout",
        serving_v1(V1, service=inference_service(stable="mortgage-1", replicas=3)),
        reason="PodsNotReady",
        message=("2 of 3 Pods",),
        serves="mortgage-1",
        ready=2,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_decision(case: Case) -> None:
    """Each line of the story: what it says, what it touches, and what the status shows."""
    decided = plan(case.given)
    conditions = {one.type: one for one in decided.conditions}
    assert (conditions["Ready"].reason, case.condition in conditions) == (case.reason, True)
    assert conditions["Ready"].status == ("True" if case.condition == "Ready" else "False")
    for words in case.message:
        assert words in conditions["Ready"].message
    assert tuple(child["kind"] for child in decided.apply) == case.applies
    status = decided.status
    assert isinstance(status, InferenceServiceStatus)
    assert (status.stable.version if status.stable else None) == case.serves
    assert (status.stable.ready if status.stable else 0) == case.ready
    assert (status.candidate.version if status.candidate else None) == case.candidate
    assert (status.candidate.problem if status.candidate else None) == case.problem
    assert decided.delete == ()


def test_newest_by_creation_then_name() -> None:
    """Two versions of the same second: the choice must not depend on the order in which the cache lists them."""
    twins = [version(name, created="2026-11-05T11:00:00Z") for name in ("mortgage-b", "mortgage-a")]
    for order in (twins, twins[::-1]):
        chosen = wanted_version(observation(NEW, V1, *order))
        assert chosen is not None
        assert chosen.metadata.name == "mortgage-b"


def test_the_deployment_is_the_wanted_version() -> None:
    """The template that is applied is that of the version which the status calls the candidate."""
    (applied, _) = plan(serving_v1(V1, V2)).apply
    assert applied["spec"]["template"]["metadata"]["labels"][VERSION] == "mortgage-2"


def test_a_candidate_keeps_its_beginning() -> None:
    """`since` tells how long a rollout takes: looking again must not move it."""
    status = plan(moving_to_v2(*V1_PODS, pod(MOVING, V2, "c", ready=False))).status
    assert isinstance(status, InferenceServiceStatus)
    assert status.candidate is not None
    assert status.candidate.since == "2026-11-05T11:00:00Z"


@pytest.mark.parametrize("seen", [case.given for case in CASES], ids=[case.name for case in CASES])
def test_the_same_world_is_the_same_answer(seen: Observation) -> None:
    """A second look right after the first writes no status: what was written must lead to the same status again."""
    first = plan(seen)
    again = plan(_after(seen, first))
    assert _wire(again) == _wire(first)


def test_a_name_that_is_free_again_is_noticed() -> None:
    """Strangers' Services are not watched, so the operator must look again by itself."""
    assert plan(observation(NEW, V1, endpoint=endpoint(NEW, owned=False))).again_in is not None


def test_no_runtimes_at_all() -> None:
    """A chart without presets says so rather than end a sentence with a colon."""
    decided = plan(observation(NEW, V1, settings=settings(runtimes={})))
    ready = find(merged((), decided.conditions, 1, NOW), "Ready")
    assert ready is not None
    assert ready.message.endswith("the chart knows: none")


def _after(seen: Observation, decided: Plan) -> Observation:
    """The same world an hour later, with the status written."""
    assert isinstance(decided.status, InferenceServiceStatus)
    service = seen.service.model_copy(update={"status": decided.status})
    return Observation(
        service=service,
        settings=seen.settings,
        now=NOW.replace(hour=13),
        versions=seen.versions,
        deployment=seen.deployment,
        pods=seen.pods,
        endpoint=seen.endpoint,
    )


def _wire(decided: Plan) -> tuple[object, Iterable[object]]:
    assert decided.status is not None
    return decided.status.wire(), decided.conditions

"""An InferenceService's decisions: which version serves, what is touched, and what is said."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from modelops.api.inferenceservice import InferenceServiceStatus
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.plan import plan
from modelops.controllers.inferenceservice.pod.template import serving_of
from modelops.controllers.inferenceservice.revisions.version_selection import Refusal, wanted
from modelops.machinery.conditions import merge
from modelops.machinery.plan import Plan
from modelops.machinery.resources import key_of
from support.builders.common import NOW, settings
from support.builders.inferenceservices import Json, endpoint, inference_service, revision_of
from support.builders.modelversions import version
from support.fake_cluster import Cluster

V1 = version("mortgage-1", letter="a", created="2026-11-05T10:00:00Z")
V2 = version("mortgage-2", letter="b", created="2026-11-05T11:00:00Z")
V2_REFUSED = version(
    "mortgage-2", letter="b", created="2026-11-05T11:00:00Z", may_serve=False, why='metric "accuracy" is missing'
)
R1, R2 = (revision_of(inference_service(), one) for one in (V1, V2))


@dataclass(frozen=True)
class Case:
    """`serves` and `candidate` are versions, `ready` is how many Pods of the serving one answer."""

    name: str
    given: Observation
    reason: str
    condition: str = "Reconciling"
    message: tuple[str, ...] = ()
    touches: bool = True
    serves: str | None = None
    ready: int = 0
    candidate: str | None = None


def new(*versions: ModelVersion, others: Json | None = None, **spec: Any) -> Observation:
    """Nothing serves yet; `others` is a Service that is there."""
    cluster = Cluster(inference_service(**spec), list(versions))
    if others is not None:
        cluster.objects[key_of(others)] = others
    return cluster.seen()


def serving(*versions: ModelVersion, **spec: Any) -> Cluster:
    """Version 1 serves with both of its Pods, and then these versions and this spec come."""
    cluster = Cluster(inference_service(), [V1])
    cluster.settle(4)
    cluster.versions = list(versions)
    cluster.want(**spec)
    return cluster


def serving_v1(*versions: ModelVersion, **spec: Any) -> Observation:
    """The same, seen."""
    return serving(*versions, **spec).seen()


def with_pods(answering: int) -> Observation:
    """Version 1 serves, and so many of its Pods answer."""
    cluster = serving(V1)
    cluster.ready(at_most=2 - answering, answers=False)
    return cluster.seen()


ON = {"serves": "mortgage-1", "ready": 2}
MOVING = {**ON, "candidate": "mortgage-2"}
CASES = [
    Case(
        "a version that does not exist is waited for, and nothing is made",
        new(pinned="mortgage-9"),
        reason="ModelVersionNotFound",
        message=("there is no ModelVersion mortgage-9",),
        touches=False,
    ),
    Case(
        "a pinned version that is not there leaves what serves as it is",
        serving_v1(model={"version": "mortgage-9"}),
        reason="ModelVersionNotFound",
        message=("ModelVersion mortgage-1 goes on serving",),
        **ON,
    ),
    Case(
        "a pinned version that may not serve says why, and the old one goes on",
        serving_v1(V2_REFUSED, model={"version": "mortgage-2"}),
        reason="ModelVersionNotReady",
        message=('metric "accuracy" is missing', "mortgage-1 goes on serving"),
        **ON,
    ),
    Case(
        "a version that nobody has looked at may not serve",
        new(version("mortgage-2", may_serve=None), pinned="mortgage-2"),
        reason="ModelVersionNotReady",
        message=("it has not been looked at yet",),
        touches=False,
    ),
    Case(
        "a model without versions waits for the first",
        new(),
        reason="NoReadyVersion",
        message=("there is no ModelVersion of model mortgage",),
        touches=False,
    ),
    Case(
        "a model without a version that may serve says what is wrong with the newest",
        new(version("mortgage-1", may_serve=False), V2_REFUSED),
        reason="NoReadyVersion",
        message=("none of the 2", "the newest, mortgage-2", 'metric "accuracy" is missing'),
        touches=False,
    ),
    Case(
        "a runtime that the chart does not know is named with those that it does",
        serving_v1(V1, server={"runtime": "sklaern"}),
        reason="RuntimeNotFound",
        condition="Stalled",
        message=('there is no runtime "sklaern"', "sklearn"),
        **ON,
    ),
    Case(
        "a format that the runtime cannot load is not tried, and the old version goes on",
        serving_v1(V1, version("mortgage-2", format_="onnx", created="2026-11-05T11:00:00Z")),
        reason="RuntimeFormatMismatch",
        condition="Stalled",
        message=("written as onnx", "loads sklearn", "mortgage-1 goes on serving"),
        **ON,
    ),
    Case(
        "a container of the user's own is trusted with every format",
        new(version(format_="custom"), server={"container": {"image": "mine:1"}}),
        reason="RollingOut",
        candidate="mortgage-1",
    ),
    Case(
        "a stranger's Service of that name is never taken over",
        new(V1, others=endpoint(inference_service(), owned=False)),
        reason="ServiceNameTaken",
        condition="Stalled",
        message=("does not belong to this InferenceService",),
        touches=False,
    ),
    Case(
        "the Service of a deleted namesake goes by itself",
        new(V1, others=endpoint(inference_service(), "abc", owner_uid="another")),
        reason="ServiceTerminating",
        touches=False,
    ),
    Case(
        "the first version is rolled out at once",
        new(V1),
        reason="RollingOut",
        message=("0 of 2 Pods of ModelVersion mortgage-1 are ready",),
        candidate="mortgage-1",
    ),
    Case(
        "all Pods answer: the version serves",
        serving_v1(V1),
        reason="Serving",
        condition="Ready",
        message=("mortgage-1 serves with 2 Pods at http://mortgage.team-a.svc.cluster.local",),
        **ON,
    ),
    Case(
        "the newest version that may serve replaces the old one, which serves until then",
        serving_v1(V1, V2),
        reason="RollingOut",
        message=("0 of 2 Pods of ModelVersion mortgage-2",),
        **MOVING,
    ),
    Case("a newer version that may not serve changes nothing", serving_v1(V1, V2_REFUSED), "Serving", "Ready", **ON),
    Case(
        "a lost node is no rollout: the version serves with fewer Pods",
        with_pods(1),
        reason="PodsNotReady",
        message=("1 of 2 Pods",),
        serves="mortgage-1",
        ready=1,
    ),
    Case(
        "not even the loss of all Pods is",
        with_pods(0),
        reason="PodsNotReady",
        message=("0 of 2 Pods",),
        serves="mortgage-1",
    ),
    Case(
        "more replicas are waited for without a rollout",
        serving_v1(V1, replicas={"min": 3}),
        reason="PodsNotReady",
        message=("2 of 3 Pods",),
        **ON,
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
    assert bool(decided.apply) == case.touches
    status = decided.status
    assert isinstance(status, InferenceServiceStatus)
    assert (status.stable.version if status.stable else None) == case.serves
    assert (status.stable.ready if status.stable else 0) == case.ready
    assert (status.candidate.version if status.candidate else None) == case.candidate
    assert not [one for one in decided.delete if R1 in one.key.name], "what serves stays"


def test_newest_by_creation_then_name() -> None:
    """Two versions of the same second: the choice must not depend on the order in which the cache lists them."""
    twins = [version(name, created="2026-11-05T11:00:00Z") for name in ("mortgage-b", "mortgage-a")]
    for order in (twins, twins[::-1]):
        chosen = wanted(inference_service(), settings(), (V1, *order))
        assert not isinstance(chosen, Refusal)
        assert serving_of(chosen).version == "mortgage-b"


def test_a_candidate_keeps_its_beginning() -> None:
    """`since` tells how long a rollout takes: looking again must not move it."""
    cluster = serving(V1, V2)
    begun = cluster.look().status
    cluster.wait(60)
    later = cluster.look().status
    assert isinstance(begun, InferenceServiceStatus)
    assert isinstance(later, InferenceServiceStatus)
    assert begun.candidate is not None
    assert later.candidate is not None
    assert later.candidate.since == begun.candidate.since


@pytest.mark.parametrize("seen", [case.given for case in CASES], ids=[case.name for case in CASES])
def test_the_same_world_is_the_same_answer(seen: Observation) -> None:
    """A second look right after the first writes no status: what was written must lead to the same status again."""
    first = plan(seen)
    again = plan(_after(seen, first))
    assert _wire(again) == _wire(first)


def test_a_name_that_is_free_again_is_noticed() -> None:
    """Strangers' Services are not watched, so the operator must look again by itself."""
    assert plan(new(V1, others=endpoint(inference_service(), owned=False))).requeue_after is not None


def test_no_runtimes_at_all() -> None:
    """A chart without presets says so rather than end a sentence with a colon."""
    refusal = wanted(inference_service(), settings(runtimes={}), (V1,))
    assert isinstance(refusal, Refusal)
    assert refusal.message.endswith("the chart knows: none")


def _after(seen: Observation, decided: Plan) -> Observation:
    """The same world with the status written."""
    assert isinstance(decided.status, InferenceServiceStatus)
    told = merge(seen.service.status.conditions, decided.conditions, 1, NOW)
    status = decided.status.model_copy(update={"conditions": told})
    return type(seen)(**{**vars(seen), "service": seen.service.model_copy(update={"status": status})})


def _wire(decided: Plan) -> tuple[object, Iterable[object]]:
    assert decided.status is not None
    return decided.status.wire(), decided.conditions

"""Plans of an InferenceService: which version serves, what is written, and what the conditions say."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from modelops.api.inferenceservice_status import InferenceServiceStatus
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.plan import plan
from modelops.controllers.inferenceservice.revisions.version_selection import NotServable, select_template
from modelops.machinery.conditions import merge
from modelops.machinery.plan import Plan
from modelops.machinery.resources import key_of
from support.builders.common import NOW, settings
from support.builders.inferenceservices import Json, inference_service, revision_of, service_object
from support.builders.modelversions import version
from support.fake_cluster import Cluster

V1 = version("mortgage-1", letter="a", created="2026-11-05T10:00:00Z")
V2 = version("mortgage-2", letter="b", created="2026-11-05T11:00:00Z")
V2_NOT_READY = version(
    "mortgage-2", letter="b", created="2026-11-05T11:00:00Z", may_serve=False, why='metric "accuracy" is missing'
)
R1 = revision_of(inference_service(), V1)


@dataclass(frozen=True)
class Row:
    """`stable` and `candidate` are versions in the status, `ready` is the number of ready Pods of the stable one.

    `condition` is one that holds beside Ready, or Ready itself. `writes`: children are applied.
    """

    name: str
    given: Observation
    reason: str
    condition: str = "Reconciling"
    message: tuple[str, ...] = ()
    writes: bool = True
    stable: str | None = None
    ready: int = 0
    candidate: str | None = None


def new(*versions: ModelVersion, service: Json | None = None, **spec: Any) -> Observation:
    """Return an observation before any version serves; `service` is a Service of the same name."""
    cluster = Cluster(inference_service(**spec), list(versions))
    if service is not None:
        cluster.objects[key_of(service)] = service
    return cluster.observe()


def serving(*versions: ModelVersion, **spec: Any) -> Cluster:
    """Return a cluster where version 1 serves with its two Pods, and then there are these versions and this spec."""
    cluster = Cluster(inference_service(), [V1])
    cluster.settle(4)
    cluster.versions = list(versions)
    cluster.change_spec(**spec)
    return cluster


def serving_v1(*versions: ModelVersion, **spec: Any) -> Observation:
    """Return the observation of that cluster."""
    return serving(*versions, **spec).observe()


def with_ready_pods(number: int) -> Observation:
    """Return an observation where version 1 serves, and this many of its two Pods are ready."""
    cluster = serving(V1)
    cluster.ready(at_most=2 - number, answers=False)
    return cluster.observe()


V1_SERVES: Json = {"stable": "mortgage-1", "ready": 2}
NOT_SERVABLE = [
    Row(
        "a version that does not exist is waited for, and nothing is created",
        new(pinned="mortgage-9"),
        reason="ModelVersionNotFound",
        message=("there is no ModelVersion mortgage-9",),
        writes=False,
    ),
    Row(
        "a pinned version that does not exist leaves the stable version as it is",
        serving_v1(model={"version": "mortgage-9"}),
        reason="ModelVersionNotFound",
        message=("ModelVersion mortgage-1 keeps serving",),
        **V1_SERVES,
    ),
    Row(
        "a pinned version that is not ready leaves the stable version as it is, with the reason",
        serving_v1(V2_NOT_READY, model={"version": "mortgage-2"}),
        reason="ModelVersionNotReady",
        message=('metric "accuracy" is missing', "mortgage-1 keeps serving"),
        **V1_SERVES,
    ),
    Row(
        "a version that has not been evaluated may not serve",
        new(version("mortgage-2", may_serve=None), pinned="mortgage-2"),
        reason="ModelVersionNotReady",
        message=("the operator has not evaluated it yet",),
        writes=False,
    ),
    Row(
        "a model without versions waits for the first version",
        new(),
        reason="NoReadyVersion",
        message=("there is no ModelVersion of model mortgage",),
        writes=False,
    ),
    Row(
        "a model without a ready version reports why the newest is not ready",
        new(version("mortgage-1", may_serve=False), V2_NOT_READY),
        reason="NoReadyVersion",
        message=("none of the 2", "the newest, mortgage-2", 'metric "accuracy" is missing'),
        writes=False,
    ),
    Row(
        "an unknown runtime is reported with the known ones",
        serving_v1(V1, server={"runtime": "sklaern"}),
        reason="RuntimeNotFound",
        condition="Stalled",
        message=('runtime "sklaern" not found', "sklearn"),
        **V1_SERVES,
    ),
    Row(
        "a format that the runtime cannot load is not tried, and the stable version keeps serving",
        serving_v1(V1, version("mortgage-2", format_="onnx", created="2026-11-05T11:00:00Z")),
        reason="RuntimeFormatMismatch",
        condition="Stalled",
        message=("format onnx of ModelVersion mortgage-2", 'runtime "sklearn" (sklearn)', "mortgage-1 keeps serving"),
        **V1_SERVES,
    ),
    Row(
        "a container that the user brings may load any format",
        new(version(format_="custom"), server={"container": {"image": "mine:1"}}),
        reason="RollingOut",
        candidate="mortgage-1",
    ),
]
FOREIGN_SERVICES = [
    Row(
        "another owner's Service of the same name is never taken over",
        new(V1, service=service_object(inference_service(), owned=False)),
        reason="ServiceNameTaken",
        condition="Stalled",
        message=("does not belong to this InferenceService",),
        writes=False,
    ),
    Row(
        "the Service of a deleted namesake is waited for",
        new(V1, service=service_object(inference_service(), "abc", owner_uid="another")),
        reason="ServiceTerminating",
        writes=False,
    ),
]
ROLLOUTS = [
    Row(
        "the first version gets all Pods at once",
        new(V1),
        reason="RollingOut",
        message=("0 of 2 Pods of ModelVersion mortgage-1 are ready",),
        candidate="mortgage-1",
    ),
    Row(
        "a version whose Pods are all ready serves",
        serving_v1(V1),
        reason="Serving",
        condition="Ready",
        message=("mortgage-1 serves with 2 Pods at http://mortgage.team-a.svc.cluster.local",),
        **V1_SERVES,
    ),
    Row(
        "the newest ready version replaces the stable one, which serves until then",
        serving_v1(V1, V2),
        reason="RollingOut",
        message=("0 of 2 Pods of ModelVersion mortgage-2",),
        **V1_SERVES,
        candidate="mortgage-2",
    ),
    Row(
        "a newer version that is not ready changes nothing",
        serving_v1(V1, V2_NOT_READY),
        reason="Serving",
        condition="Ready",
        **V1_SERVES,
    ),
    Row(
        "the loss of a node is not a rollout: the version serves with fewer Pods",
        with_ready_pods(1),
        reason="PodsNotReady",
        message=("1 of 2 Pods",),
        stable="mortgage-1",
        ready=1,
    ),
    Row(
        "the loss of all Pods is not a rollout",
        with_ready_pods(0),
        reason="PodsNotReady",
        message=("0 of 2 Pods",),
        stable="mortgage-1",
    ),
    Row(
        "more Pods of the stable version are not a rollout",
        serving_v1(V1, replicas={"min": 3}),
        reason="PodsNotReady",
        message=("2 of 3 Pods",),
        **V1_SERVES,
    ),
]


ROWS = [*NOT_SERVABLE, *FOREIGN_SERVICES, *ROLLOUTS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_plan(row: Row) -> None:
    """Every state has its conditions and its status, and children are written only where they must be."""
    decided = plan(row.given)
    conditions = {condition.type: condition for condition in decided.conditions}
    assert (conditions["Ready"].reason, row.condition in conditions) == (row.reason, True)
    assert conditions["Ready"].status == ("True" if row.condition == "Ready" else "False")
    for part in row.message:
        assert part in conditions["Ready"].message
    assert bool(decided.apply) == row.writes
    status = decided.status
    assert isinstance(status, InferenceServiceStatus)
    assert (status.stable.version if status.stable else None) == row.stable
    assert (status.stable.ready if status.stable else 0) == row.ready
    assert (status.candidate.version if status.candidate else None) == row.candidate
    assert not [delete for delete in decided.delete if R1 in delete.key.name], "the stable revision stays"


def test_the_newest_version_is_chosen_by_creation_then_by_name() -> None:
    """The choice between two versions of the same second must not depend on the order of the cache."""
    twins = [version(name, created="2026-11-05T11:00:00Z") for name in ("mortgage-b", "mortgage-a")]
    for order in (twins, twins[::-1]):
        chosen = select_template(inference_service(), settings(), (V1, *order))
        assert not isinstance(chosen, NotServable)
        assert chosen.serving.version == "mortgage-b"


def test_a_candidate_keeps_the_start_of_its_rollout() -> None:
    """Otherwise the duration of a rollout could not be read from `since`."""
    cluster = serving(V1, V2)
    begun = cluster.reconcile().status
    cluster.wait(60)
    later = cluster.reconcile().status
    assert isinstance(begun, InferenceServiceStatus)
    assert isinstance(later, InferenceServiceStatus)
    assert begun.candidate is not None
    assert later.candidate is not None
    assert later.candidate.since == begun.candidate.since


@pytest.mark.parametrize("seen", [row.given for row in ROWS], ids=[row.name for row in ROWS])
def test_a_plan_is_stable(seen: Observation) -> None:
    """A second reconcile writes no status: the status that was written leads to the same status again."""
    first = plan(seen)
    again = plan(_with_written_status(seen, first))
    assert _wire(again) == _wire(first)


def test_a_service_of_another_owner_is_polled() -> None:
    """Services of other owners are not watched: the operator must notice by itself that one is deleted."""
    assert plan(new(V1, service=service_object(inference_service(), owned=False))).requeue_after is not None


def test_a_chart_without_runtimes_is_reported() -> None:
    """The message has a word in place of the empty list."""
    selected = select_template(inference_service(), settings(runtimes={}), (V1,))
    assert isinstance(selected, NotServable)
    assert selected.message.endswith("the chart has none")


def _with_written_status(seen: Observation, decided: Plan) -> Observation:
    assert isinstance(decided.status, InferenceServiceStatus)
    conditions = merge(seen.service.status.conditions, decided.conditions, 1, NOW)
    status = decided.status.model_copy(update={"conditions": conditions})
    return replace(seen, service=seen.service.model_copy(update={"status": status}))


def _wire(decided: Plan) -> tuple[object, Iterable[object]]:
    assert decided.status is not None
    return decided.status.wire(), decided.conditions

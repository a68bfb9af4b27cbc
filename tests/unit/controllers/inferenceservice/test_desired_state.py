"""All children of an InferenceService: in which order they are written, and which are deleted together."""

from datetime import timedelta

import pytest

from modelops.machinery.conditions import find
from modelops.machinery.plan import Plan
from support.builders.inferenceservices import Json, inference_service, revision_of
from support.builders.modelversions import version
from support.controllers.fake_cluster import Cluster

V1, V2, V3 = (version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))
R1, R2 = (revision_of(inference_service(), each) for each in (V1, V2))
CANARY: Json = {"steps": [{"weight": 50}]}
WARM: Json = {"runtime": "sklearn", "warmUp": {"requests": [{"path": "/ping"}]}}
WARMER: Json = {"runtime": "sklearn", "warmUp": {"requests": [{"path": "/ping", "repeat": 2}]}}
PUBLIC: Json = {"parentRefs": [{"name": "public"}]}


def serving(**spec: object) -> Cluster:
    """Return a cluster where version 1 serves."""
    cluster = Cluster(inference_service(pinned="mortgage-1", **spec), [V1])  # type: ignore[arg-type]
    accepted(cluster)
    for _ in range(4):
        cluster.settle(2)
        accepted(cluster)
    return cluster


def accepted(cluster: Cluster) -> None:
    """Let a Gateway's controller accept the route as it is."""
    _report(cluster, {"status": "True"})


def rejected(cluster: Cluster) -> None:
    """Let a Gateway's controller reject the route."""
    _report(cluster, {"status": "False", "message": "not allowed here"})


def _report(cluster: Cluster, result: Json) -> None:
    route = cluster.object("HTTPRoute", "mortgage")
    if route is not None:
        at = route["metadata"]["generation"]
        conditions = [{"type": type_, "observedGeneration": at, **result} for type_ in ("Accepted", "ResolvedRefs")]
        route["status"] = {"parents": [{"parentRef": route["spec"]["parentRefs"][0], "conditions": conditions}]}


def names(cluster: Cluster, kind: str) -> list[str]:
    """Return the names of the objects of a kind."""
    return sorted(key.name for key in cluster.objects if key.kind == kind)


def kinds(decided: Plan) -> list[str]:
    """Return the kinds of what a plan applies, in order."""
    return [body["kind"] for body in decided.apply]


def test_the_order_of_writes() -> None:
    """What Pods mount precedes the Deployment, the record of a revision precedes its Pods, and Services follow."""
    cluster = Cluster(inference_service(pinned="mortgage-1", server=WARM), [V1])
    assert kinds(cluster.decide()) == [
        "ConfigMap",
        "ConfigMap",
        "ControllerRevision",
        "Deployment",
        "Service",
        "Service",
        "PodDisruptionBudget",
    ]


def test_the_record_of_a_revision_is_written_once() -> None:
    """A record cannot change, and to apply it again would be a write in each reconcile."""
    assert "ControllerRevision" not in kinds(serving().decide())


def test_all_objects_of_a_revision_are_deleted_with_it() -> None:
    """Neither its routes nor its record, nor its autoscaler, is left behind."""
    cluster = serving(
        rollout=CANARY,
        replicas={"min": 2, "max": 4, "targetCPU": 50},
        server={"runtime": "sklearn", "resources": {"requests": {"cpu": "1"}}},
    )
    (before,) = names(cluster, "Deployment")
    cluster.select(V2)
    cluster.settle(3)
    cluster.annotate(promote_full="1")
    cluster.settle(6)
    (after,) = names(cluster, "Deployment")
    assert before != after
    assert not [key for key in cluster.objects if key.name == before]
    for kind in ("ConfigMap", "ControllerRevision", "HorizontalPodAutoscaler"):
        assert names(cluster, kind) == [after]


@pytest.mark.parametrize(
    ("to", "left"),
    [(WARM, 1), (WARMER, 1), ({"runtime": "sklearn"}, 0)],
    ids=["the next revision has the same requests", "the next revision has other ones", "the next revision has none"],
)
def test_warm_up_requests_are_deleted_with_the_last_revision_that_mounts_them(to: Json, left: int) -> None:
    """A Pod of the old revision that restarts needs them, and a new one with the same requests mounts the same file."""
    cluster = serving(rollout=CANARY, server=WARM)
    (old,) = [name for name in names(cluster, "ConfigMap") if "warm-up" in name]
    cluster.change_spec(server=to)
    cluster.select(V2)
    cluster.settle(3)
    assert old in names(cluster, "ConfigMap")
    cluster.annotate(promote_full="1")
    cluster.settle(6)
    assert len(names(cluster, "Deployment")) == 1
    remaining = [name for name in names(cluster, "ConfigMap") if "warm-up" in name]
    assert len(remaining) == left
    assert (old in remaining) == (to == WARM)


def test_warm_up_requests_of_a_candidate_are_deleted_with_it() -> None:
    """The warm-up requests of the stable revision stay."""
    cluster = serving(rollout=CANARY, server=WARM)
    (old,) = [name for name in names(cluster, "ConfigMap") if "warm-up" in name]
    cluster.change_spec(server=WARMER)
    cluster.settle(3)
    assert len([name for name in names(cluster, "ConfigMap") if "warm-up" in name]) == 2
    cluster.annotate(abort="no")
    cluster.settle(4)
    assert [name for name in names(cluster, "ConfigMap") if "warm-up" in name] == [old]


@pytest.mark.parametrize(
    ("replicas", "budgets", "scalers"),
    [
        ({"min": 1}, 0, 0),
        ({"min": 2}, 1, 0),
        ({"min": 1, "max": 3, "requestsInFlight": {"target": 4}}, 1, 1),
    ],
    ids=["with one Pod", "with two Pods", "with one to three Pods"],
)
def test_the_number_of_pods_decides_about_budget_and_autoscaler(replicas: Json, budgets: int, scalers: int) -> None:
    """A budget for a single Pod would keep its node from being drained. What is no longer needed is deleted."""
    for start in ({"min": 1}, {"min": 3}, {"min": 2, "max": 5, "requestsInFlight": {"target": 4}}):
        cluster = serving(replicas=start)
        cluster.change_spec(replicas=replicas)
        cluster.settle(3)
        assert len(names(cluster, "PodDisruptionBudget")) == budgets
        assert len(names(cluster, "HorizontalPodAutoscaler")) == scalers


def test_a_disruption_budget_covers_both_versions() -> None:
    """Pods of a candidate answer requests too."""
    cluster = serving(rollout=CANARY)
    cluster.select(V2)
    cluster.settle(3)
    (budget,) = [body for key, body in cluster.objects.items() if key.kind == "PodDisruptionBudget"]
    selector = budget["spec"]["selector"]["matchLabels"].items()
    assert all(selector <= pod["metadata"]["labels"].items() for pod in cluster.pods.values())


def weights(cluster: Cluster) -> list[int]:
    """Return the weights of the HTTPRoute: of the stable version, then of the candidate."""
    route = cluster.object("HTTPRoute", "mortgage")
    assert route is not None
    return [backend["weight"] for backend in route["spec"]["rules"][0]["backendRefs"]]


def test_with_a_gateway_the_route_has_the_weights() -> None:
    """A step takes effect once the Gateway has accepted its weights.

    The proxies forward nothing: the candidate would get a percentage of a percentage.
    """
    cluster = serving(rollout=CANARY, gateway=PUBLIC)
    assert weights(cluster) == [100, 0]
    cluster.select(V2)
    for _ in range(3):
        cluster.settle(2)
        candidate = cluster.service.status.candidate
        assert candidate is not None
        assert candidate.step_since is None
    assert weights(cluster) == [50, 50]
    assert cluster.answered().by == {R1: 1}, "requests that do not come through the Gateway"
    accepted(cluster)
    cluster.settle(2)
    candidate = cluster.service.status.candidate
    assert candidate is not None
    assert candidate.step_since is not None
    cluster.annotate(abort="no")
    cluster.reconcile()
    assert weights(cluster) == [100, 0]
    cluster.reconcile()
    assert cluster.revisions() == {R1, R2}, "the Gateway has not processed the route yet"
    accepted(cluster)
    cluster.reconcile()
    assert cluster.revisions() == {R1}


def test_a_gateway_that_does_not_exist_fails_the_rollout_by_its_deadline() -> None:
    """No step takes effect. The candidate's Pods are then deleted: no Gateway ever forwarded a request to them."""
    cluster = Cluster(
        inference_service(pinned="mortgage-1", rollout={**CANARY, "deadline": "1m"}, gateway=PUBLIC), [V1]
    )
    cluster.settle(5)
    cluster.select(V2)
    cluster.settle(5)
    candidate = cluster.service.status.candidate
    assert candidate is not None
    assert (candidate.weight, candidate.step_since) == (50, None)
    cluster.wait(62)
    cluster.settle(3)
    assert cluster.service.status.failed[0].reason == "DeadlineExceeded"
    assert cluster.revisions() == {R1}
    assert cluster.decide().requeue_after == timedelta(seconds=3), "the Gateway's creation is not watched"


def test_a_gateway_that_rejects_the_route_is_reported_and_fails_the_rollout() -> None:
    """The candidate is deleted all the same, and the next version can be rolled out."""
    cluster = Cluster(
        inference_service(pinned="mortgage-1", rollout={**CANARY, "deadline": "1m"}, gateway=PUBLIC), [V1]
    )
    cluster.settle(5)
    rejected(cluster)
    cluster.select(V2)
    for _ in range(5):
        cluster.settle(2)
        rejected(cluster)
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    assert 'Gateway "public" rejects the route: not allowed here' in ready.message
    cluster.wait(62)
    cluster.settle(3)
    rejected(cluster)
    cluster.settle(3)
    assert cluster.service.status.failed[0].reason == "DeadlineExceeded"
    assert cluster.revisions() == {R1}
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    cluster.select(V1)
    cluster.reconcile()
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "RouteNotAccepted")
    assert "not allowed here" in ready.message


def test_the_route_is_deleted_when_the_spec_has_no_gateway() -> None:
    """Only if the InferenceService owns it: a person may have created one of the same name."""
    cluster = serving(gateway=PUBLIC)
    cluster.change_spec(gateway=None)
    deletes = [delete for delete in cluster.decide().delete if delete.key.kind == "HTTPRoute"]
    assert [delete.uid for delete in deletes] == ["uid-of-mortgage"]
    route = cluster.object("HTTPRoute", "mortgage")
    assert route is not None
    route["metadata"]["ownerReferences"] = []
    assert not [delete for delete in cluster.decide().delete if delete.key.kind == "HTTPRoute"]


@pytest.mark.parametrize(
    "reconciles",
    [0, 2, 4, 6],
    ids=["before the rollout", "after two reconciles", "after four reconciles", "after six reconciles"],
)
def test_the_operator_ends_between_any_two_writes(reconciles: int) -> None:
    """Whatever part of a plan was carried out, without its status, the next reconcile resumes.

    No request is lost, and the rollout comes to the same end.
    """
    probe = _during_rollout(reconciles)
    count = len(probe.writes(probe.decide()))
    for written in range(count + 1):
        cluster = _during_rollout(reconciles)
        for write in cluster.writes(cluster.decide())[:written]:
            cluster.write(write)
            assert cluster.answered().lost == 0
        for _ in range(12):
            for write in cluster.writes(decided := cluster.decide()):
                cluster.write(write)
                assert (cluster.answered().lost, cluster.answered().circling) == (0, 0)
            cluster.write_status(decided)
            cluster.start()
            cluster.ready()
            cluster.use_routes()
            cluster.wait(2)
        assert cluster.answered().by == {R2: 1}
        assert cluster.revisions() == {R2}
        assert names(cluster, "ConfigMap") == names(cluster, "ControllerRevision") == [f"mortgage-{R2}"]


def _during_rollout(reconciles: int) -> Cluster:
    cluster = serving(rollout={"steps": [{"weight": 50, "hold": "1s"}]}, replicas=3)
    cluster.select(V2)
    for _ in range(reconciles):
        cluster.settle(2)
        cluster.wait(2)
    if 0 < reconciles < 4:
        cluster.annotate(promote_full="1")
    return cluster


def test_a_service_without_its_owner_reference_is_adopted_again() -> None:
    """A person has removed the reference: the label still names the owner."""
    cluster = serving()
    body = cluster.object("Service", "mortgage")
    assert body is not None
    del body["metadata"]["ownerReferences"]
    assert "Service" in kinds(cluster.decide())


def test_deletes_have_a_uid() -> None:
    """An object of the same name that was created since must not be deleted."""
    cluster = serving(replicas={"min": 1, "max": 3, "requestsInFlight": {"target": 4}})
    cluster.change_spec(replicas={"min": 1})
    deletes = cluster.decide().delete
    assert deletes
    assert all(delete.uid for delete in deletes)

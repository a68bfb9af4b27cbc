"""All children of an InferenceService: in which order they come, and which of them go with what."""

from datetime import timedelta

import pytest

from modelops.machinery.conditions import find
from modelops.machinery.plan import Plan
from support.builders.inferenceservices import Json, inference_service, revision_of
from support.builders.modelversions import version
from support.fake_cluster import Cluster

V1, V2, V3 = (version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))
R1, R2 = (revision_of(inference_service(), one) for one in (V1, V2))
CANARY: Json = {"steps": [{"weight": 50}]}
WARM: Json = {"runtime": "sklearn", "warmUp": {"requests": [{"path": "/ping"}]}}
WARMER: Json = {"runtime": "sklearn", "warmUp": {"requests": [{"path": "/ping", "repeat": 2}]}}
PUBLIC: Json = {"parentRefs": [{"name": "public"}]}


def serving(**spec: object) -> Cluster:
    """Version 1 serves."""
    cluster = Cluster(inference_service(pinned="mortgage-1", **spec), [V1])  # type: ignore[arg-type]
    accepted(cluster)
    for _ in range(4):
        cluster.settle(2)
        accepted(cluster)
    return cluster


def accepted(cluster: Cluster) -> None:
    """A Gateway's controller has taken the route as it is."""
    _told(cluster, {"status": "True"})


def refused(cluster: Cluster) -> None:
    """It has looked at it, and does not take it."""
    _told(cluster, {"status": "False", "message": "not allowed here"})


def _told(cluster: Cluster, says: Json) -> None:
    route = cluster.object("HTTPRoute", "mortgage")
    if route is not None:
        at = route["metadata"]["generation"]
        conditions = [{"type": one, "observedGeneration": at, **says} for one in ("Accepted", "ResolvedRefs")]
        route["status"] = {"parents": [{"parentRef": route["spec"]["parentRefs"][0], "conditions": conditions}]}


def names(cluster: Cluster, kind: str) -> list[str]:
    """What there is of a kind."""
    return sorted(key.name for key in cluster.objects if key.kind == kind)


def kinds(decided: Plan) -> list[str]:
    """What is applied, in its order."""
    return [body["kind"] for body in decided.apply]


def test_the_order_in_which_children_come() -> None:
    """A Deployment's Pods need the files that they mount; a revision is remembered before it has Pods to be forgotten;
    and whoever is led to a revision finds it.
    """
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


def test_a_revision_is_remembered_once() -> None:
    """It cannot change, and to apply it again would be a write at each look."""
    assert "ControllerRevision" not in kinds(serving().decide())


def test_all_of_a_revision_goes_with_it() -> None:
    """Nothing of it is left behind."""
    cluster = serving(
        rollout=CANARY,
        replicas={"min": 2, "max": 4, "targetCPU": 50},
        server={"runtime": "sklearn", "resources": {"requests": {"cpu": "1"}}},
    )
    (before,) = names(cluster, "Deployment")
    cluster.want_version(V2)
    cluster.settle(3)
    cluster.ask(promote_full="1")
    cluster.settle(6)
    (after,) = names(cluster, "Deployment")
    assert before != after
    assert not [key for key in cluster.objects if key.name == before]
    for kind in ("ConfigMap", "ControllerRevision", "HorizontalPodAutoscaler"):
        assert names(cluster, kind) == [after]


@pytest.mark.parametrize(
    ("to", "left"),
    [(WARM, 1), (WARMER, 1), ({"runtime": "sklearn"}, 0)],
    ids=["the same requests", "others", "none"],
)
def test_warm_up_requests_go_with_their_last_user(to: Json, left: int) -> None:
    """A Pod of the old revision that starts anew needs them; and a new one with the same requests has the same file."""
    cluster = serving(rollout=CANARY, server=WARM)
    (old,) = [name for name in names(cluster, "ConfigMap") if "warm-up" in name]
    cluster.want(server=to)
    cluster.want_version(V2)
    cluster.settle(3)
    assert old in names(cluster, "ConfigMap")
    cluster.ask(promote_full="1")
    cluster.settle(6)
    assert len(names(cluster, "Deployment")) == 1
    found = [name for name in names(cluster, "ConfigMap") if "warm-up" in name]
    assert len(found) == left
    assert (old in found) == (to == WARM)


def test_warm_up_requests_of_a_candidate_go_with_it() -> None:
    """Those of what serves stay."""
    cluster = serving(rollout=CANARY, server=WARM)
    (old,) = [name for name in names(cluster, "ConfigMap") if "warm-up" in name]
    cluster.want(server=WARMER)
    cluster.settle(3)
    assert len([name for name in names(cluster, "ConfigMap") if "warm-up" in name]) == 2
    cluster.ask(abort="no")
    cluster.settle(4)
    assert [name for name in names(cluster, "ConfigMap") if "warm-up" in name] == [old]


@pytest.mark.parametrize(
    ("replicas", "budgets", "scalers"),
    [
        ({"min": 1}, 0, 0),
        ({"min": 2}, 1, 0),
        ({"min": 1, "max": 3, "requestsInFlight": {"target": 4}}, 1, 1),
    ],
    ids=["one Pod", "two Pods", "one to three"],
)
def test_how_many_pods_decides_what_there_is(replicas: Json, budgets: int, scalers: int) -> None:
    """A budget for one Pod alone would keep its node from being drained; and one that is not wanted any more goes."""
    for start in ({"min": 1}, {"min": 3}, {"min": 2, "max": 5, "requestsInFlight": {"target": 4}}):
        cluster = serving(replicas=start)
        cluster.want(replicas=replicas)
        cluster.settle(3)
        assert len(names(cluster, "PodDisruptionBudget")) == budgets
        assert len(names(cluster, "HorizontalPodAutoscaler")) == scalers


def test_a_budget_spans_both_versions() -> None:
    """Pods of a candidate answer requests too."""
    cluster = serving(rollout=CANARY)
    cluster.want_version(V2)
    cluster.settle(3)
    (budget,) = [body for key, body in cluster.objects.items() if key.kind == "PodDisruptionBudget"]
    selector = budget["spec"]["selector"]["matchLabels"].items()
    assert all(selector <= pod["metadata"]["labels"].items() for pod in cluster.pods.values())


def weights(cluster: Cluster) -> list[int]:
    """Of the route: what the stable version gets, and the candidate."""
    route = cluster.object("HTTPRoute", "mortgage")
    assert route is not None
    return [one["weight"] for one in route["spec"]["rules"][0]["backendRefs"]]


def test_behind_a_gateway_the_route_has_the_weights() -> None:
    """A step counts once the Gateway has taken its weights, and the proxies pass nothing on: a share of a share would
    go to the candidate.
    """
    cluster = serving(rollout=CANARY, gateway=PUBLIC)
    assert weights(cluster) == [100, 0]
    cluster.want_version(V2)
    for _ in range(3):
        cluster.settle(2)
        candidate = cluster.service.status.candidate
        assert candidate is not None
        assert candidate.step_since is None
    assert weights(cluster) == [50, 50]
    assert cluster.answered().by == {R1: 1}, "what comes in beside the Gateway"
    accepted(cluster)
    cluster.settle(2)
    candidate = cluster.service.status.candidate
    assert candidate is not None
    assert candidate.step_since is not None
    cluster.ask(abort="no")
    cluster.look()
    assert weights(cluster) == [100, 0]
    cluster.look()
    assert cluster.revisions() == {R1, R2}, "the Gateway has not heard of it yet"
    accepted(cluster)
    cluster.look()
    assert cluster.revisions() == {R1}


def test_a_gateway_that_is_not_there() -> None:
    """Its name is misspelt: no step takes effect, and the rollout fails by its deadline. The candidate's Pods then go:
    nobody has ever passed a request on to them.
    """
    cluster = Cluster(
        inference_service(pinned="mortgage-1", rollout={**CANARY, "deadline": "1m"}, gateway=PUBLIC), [V1]
    )
    cluster.settle(5)
    cluster.want_version(V2)
    cluster.settle(5)
    candidate = cluster.service.status.candidate
    assert candidate is not None
    assert (candidate.weight, candidate.step_since) == (50, None)
    cluster.wait(62)
    cluster.settle(3)
    assert cluster.service.status.failed[0].reason == "DeadlineExceeded"
    assert cluster.revisions() == {R1}
    assert cluster.decide().requeue_after == timedelta(seconds=3), "nobody would tell that it has come"


def test_two_gateways_of_which_one_refuses_the_route() -> None:
    """Its words are what the step waits for. The candidate had never gone, nor had another one ever come."""
    cluster = Cluster(
        inference_service(pinned="mortgage-1", rollout={**CANARY, "deadline": "1m"}, gateway=PUBLIC), [V1]
    )
    cluster.settle(5)
    refused(cluster)
    cluster.want_version(V2)
    for _ in range(5):
        cluster.settle(2)
        refused(cluster)
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    assert 'Gateway "public" does not take the route: not allowed here' in ready.message
    cluster.wait(62)
    cluster.settle(3)
    refused(cluster)
    cluster.settle(3)
    assert cluster.service.status.failed[0].reason == "DeadlineExceeded"
    assert cluster.revisions() == {R1}
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    cluster.want_version(V1)
    cluster.look()
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "RouteNotAccepted")
    assert "not allowed here" in ready.message


def test_a_route_goes_with_the_gateway() -> None:
    """And only ours: a person may have one of that name."""
    cluster = serving(gateway=PUBLIC)
    cluster.want(gateway=None)
    deleted = [one for one in cluster.decide().delete if one.key.kind == "HTTPRoute"]
    assert [one.uid for one in deleted] == ["uid-of-mortgage"]
    route = cluster.object("HTTPRoute", "mortgage")
    assert route is not None
    route["metadata"]["ownerReferences"] = []
    assert not [one for one in cluster.decide().delete if one.key.kind == "HTTPRoute"]


@pytest.mark.parametrize("looks", [0, 2, 4, 6], ids=["before", "at first", "in a step", "later"])
def test_an_end_of_the_operator_between_any_two_writes(looks: int) -> None:
    """Whatever of a plan was carried out, without its status: the next look goes on from there, nobody is left
    without an answer, and all comes to the same end.
    """
    probe = _in_the_middle(looks)
    count = len(probe.writes(probe.decide()))
    for written in range(count + 1):
        cluster = _in_the_middle(looks)
        for write in cluster.writes(cluster.decide())[:written]:
            cluster.write(write)
            assert cluster.answered().lost == 0
        for _ in range(12):
            for write in cluster.writes(decided := cluster.decide()):
                cluster.write(write)
                assert (cluster.answered().lost, cluster.answered().circling) == (0, 0)
            cluster.tell(decided)
            cluster.start()
            cluster.ready()
            cluster.take()
            cluster.wait(2)
        assert cluster.answered().by == {R2: 1}
        assert cluster.revisions() == {R2}
        assert names(cluster, "ConfigMap") == names(cluster, "ControllerRevision") == [f"mortgage-{R2}"]


def _in_the_middle(looks: int) -> Cluster:
    cluster = serving(rollout={"steps": [{"weight": 50, "hold": "1s"}]}, replicas=3)
    cluster.want_version(V2)
    for _ in range(looks):
        cluster.settle(2)
        cluster.wait(2)
    if 0 < looks < 4:
        cluster.ask(promote_full="1")
    return cluster


def test_a_service_without_its_owner_is_taken_back() -> None:
    """Somebody has removed the reference: the label still says whose it is."""
    cluster = serving()
    body = cluster.object("Service", "mortgage")
    assert body is not None
    del body["metadata"]["ownerReferences"]
    assert "Service" in kinds(cluster.decide())


def test_deletes_are_of_this_very_object() -> None:
    """One of the same name that came since is another's."""
    cluster = serving(replicas={"min": 1, "max": 3, "requestsInFlight": {"target": 4}})
    cluster.want(replicas={"min": 1})
    found = cluster.decide().delete
    assert found
    assert all(one.uid for one in found)

"""The autoscaler of a Deployment, the replicas applied with a Deployment, and the disruption budget."""

import copy
from typing import Any

import pytest

from modelops.api.inferenceservice import InferenceService, Replicas
from modelops.controllers.inferenceservice.pod import scaling
from modelops.controllers.inferenceservice.pod.model_server import model_server
from modelops.machinery.matching import already_applied
from modelops.machinery.resources import AUTOSCALERS, DISRUPTION_BUDGETS
from support.builders.common import settings
from support.builders.inferenceservices import inference_service
from support.builders.modelversions import version


def service(server: Any = None, **replicas: Any) -> InferenceService:
    """Return an InferenceService with these `replicas`."""
    base = inference_service(server=server)
    spec = base.spec.model_copy(update={"replicas": Replicas.model_validate(replicas)})
    return base.model_copy(update={"spec": spec})


def autoscaler(**replicas: Any) -> dict[str, Any]:
    """Build the autoscaler of a Deployment mortgage-1f4c."""
    return scaling.autoscaler(service(**replicas), "mortgage-1f4c", replicas.get("min", 1), replicas["max"])


def deployment(replicas: int | None) -> dict[str, Any]:
    """Return a Deployment in the cluster."""
    return {"spec": {} if replicas is None else {"replicas": replicas}}


def test_the_autoscaler_scales_its_deployment_between_the_bounds() -> None:
    """The autoscaler has the Deployment's name, so that each revision has its own."""
    built = autoscaler(min=2, max=9, targetCPU=70)
    assert (built["metadata"]["name"], built["metadata"]["namespace"]) == ("mortgage-1f4c", "team-a")
    assert built["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "mortgage-1f4c"}
    assert (built["spec"]["minReplicas"], built["spec"]["maxReplicas"]) == (2, 9)
    assert (built["apiVersion"], built["kind"]) == (AUTOSCALERS.api_version, AUTOSCALERS.kind)
    assert built["metadata"]["labels"]["modelops.dev/inferenceservice"] == "mortgage", (
        "changes of the autoscaler requeue its owner"
    )


def test_cpu_utilization_is_measured_on_the_model_container_alone() -> None:
    """CPU of the whole Pod includes the proxy, whose small request would raise the utilization without load."""
    (metric,) = autoscaler(max=9, targetCPU=70)["spec"]["metrics"]
    assert metric == {
        "type": "ContainerResource",
        "containerResource": {
            "name": "cpu",
            "container": "model",
            "target": {"type": "Utilization", "averageUtilization": 70},
        },
    }


@pytest.mark.parametrize(("target", "stored"), [(4, "4"), (1000, "1k"), (1500, "1500")])
def test_the_target_of_requests_in_flight_is_a_canonical_quantity(target: int, stored: str) -> None:
    """Any other form would be applied in every reconcile."""
    (metric,) = autoscaler(max=9, requestsInFlight={"target": target})["spec"]["metrics"]
    assert metric == {
        "type": "Pods",
        "pods": {
            "metric": {"name": "modelops_requests_in_flight"},
            "target": {"type": "AverageValue", "averageValue": stored},
        },
    }


def test_both_targets_can_be_set() -> None:
    """The target that needs more Pods wins."""
    built = autoscaler(max=9, targetCPU=70, requestsInFlight={"target": 4})
    assert [metric["type"] for metric in built["spec"]["metrics"]] == ["ContainerResource", "Pods"]


def test_stored_objects_are_not_applied_again() -> None:
    """The API server's own fields are no difference."""
    for desired in (autoscaler(max=9, targetCPU=70), scaling.disruption_budget(service(min=2), "mortgage", {"a": "b"})):
        found = copy.deepcopy(desired)
        found["metadata"] |= {"uid": "u", "resourceVersion": "1", "generation": 1}
        found["status"] = {"currentReplicas": 3}
        assert already_applied(desired, found)


@pytest.mark.parametrize(
    ("minimum", "maximum", "found", "expected"),
    [
        pytest.param(3, None, None, 3, id="without an autoscaler the minimum is applied"),
        pytest.param(3, None, deployment(7), 3, id="without an autoscaler a change by hand is reverted"),
        pytest.param(2, 9, None, 2, id="an autoscaler starts from the minimum"),
        pytest.param(2, 9, deployment(5), 5, id="the autoscaler's number is kept"),
        pytest.param(2, 9, deployment(1), 2, id="the number is never below the minimum"),
        pytest.param(2, 9, deployment(20), 9, id="the number is never above the maximum"),
        pytest.param(2, 9, deployment(0), 2, id="zero would disable the autoscaler"),
        pytest.param(2, 9, deployment(None), 2, id="a Deployment without the field has one Pod"),
    ],
)
def test_desired_replicas(minimum: int, maximum: int | None, found: Any, expected: int) -> None:
    """The operator and the autoscaler must not overwrite each other."""
    assert scaling.desired_replicas(minimum, maximum, found) == expected


@pytest.mark.parametrize(
    ("resources", "replicas", "scales"),
    [
        pytest.param(None, {"max": 3, "targetCPU": 50}, True, id="the default resources request CPU"),
        pytest.param({"limits": {"cpu": "1"}}, {"max": 3, "targetCPU": 50}, True, id="a limit is the request as well"),
        pytest.param(
            {"limits": {"memory": "1Gi"}},
            {"max": 3, "targetCPU": 50},
            False,
            id="without a request utilization is undefined",
        ),
        pytest.param(
            {"limits": {"memory": "1Gi"}},
            {"max": 3, "requestsInFlight": {"target": 1}},
            True,
            id="a target of requests in flight needs no CPU request",
        ),
        pytest.param(
            {"limits": {"memory": "1Gi"}}, {"min": 3}, True, id="without an autoscaler no CPU request is needed"
        ),
    ],
)
def test_a_cpu_target_needs_a_cpu_request(resources: Any, replicas: Any, scales: bool) -> None:
    """Otherwise the autoscaler never acts, and reports that only in its own status."""
    scaled = service({"container": {"image": "mine:1", **({"resources": resources} if resources else {})}}, **replicas)
    problem = scaling.missing_cpu_request(scaled, model_server(scaled, settings(), version()))
    assert (problem is None) is scales
    if problem is not None:
        assert problem.reason == "NoCPURequest"
        assert "resources.requests.cpu" in problem.message


def test_the_disruption_budget() -> None:
    """A drain evicts one ready Pod at a time, and is not blocked by a Pod that is not ready."""
    selector = {"modelops.dev/inferenceservice": "mortgage", "modelops.dev/revision": "1f4c"}
    built = scaling.disruption_budget(service(min=2), "mortgage", selector)
    assert (built["apiVersion"], built["kind"]) == (DISRUPTION_BUDGETS.api_version, DISRUPTION_BUDGETS.kind)
    assert built["spec"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": selector},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }

"""Who decides how many Pods there are, and how many may be taken away at once."""

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
    """An InferenceService with these `replicas`."""
    base = inference_service(server=server)
    spec = base.spec.model_copy(update={"replicas": Replicas.model_validate(replicas)})
    return base.model_copy(update={"spec": spec})


def autoscaler(**replicas: Any) -> dict[str, Any]:
    """The autoscaler of one of its Deployments."""
    return scaling.autoscaler(service(**replicas), "mortgage-1f4c", replicas.get("min", 1), replicas["max"])


def deployment(replicas: int | None) -> dict[str, Any]:
    """A Deployment as the cluster has it."""
    return {"spec": {} if replicas is None else {"replicas": replicas}}


def test_the_autoscaler_scales_its_deployment_between_the_bounds() -> None:
    """It has the Deployment's name, so that each revision has its own."""
    made = autoscaler(min=2, max=9, targetCPU=70)
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("mortgage-1f4c", "team-a")
    assert made["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "mortgage-1f4c"}
    assert (made["spec"]["minReplicas"], made["spec"]["maxReplicas"]) == (2, 9)
    assert (made["apiVersion"], made["kind"]) == (AUTOSCALERS.api_version, AUTOSCALERS.kind)
    assert made["metadata"]["labels"]["modelops.dev/inferenceservice"] == "mortgage", "its changes wake its owner"


def test_cpu_is_the_models_alone() -> None:
    """A Pod's CPU as a whole counts the proxy, whose small request would raise the figure without any load."""
    (metric,) = autoscaler(max=9, targetCPU=70)["spec"]["metrics"]
    assert metric == {
        "type": "ContainerResource",
        "containerResource": {
            "name": "cpu",
            "container": "model",
            "target": {"type": "Utilization", "averageUtilization": 70},
        },
    }


@pytest.mark.parametrize(("target", "written"), [(4, "4"), (1000, "1k"), (1500, "1500")])
def test_requests_in_flight_as_the_api_server_writes_them(target: int, written: str) -> None:
    """The target is a quantity: written in another way it would be applied at every look."""
    (metric,) = autoscaler(max=9, requestsInFlight={"target": target})["spec"]["metrics"]
    assert metric == {
        "type": "Pods",
        "pods": {
            "metric": {"name": "modelops_requests_in_flight"},
            "target": {"type": "AverageValue", "averageValue": written},
        },
    }


def test_both_figures() -> None:
    """Either may ask for more Pods."""
    made = autoscaler(max=9, targetCPU=70, requestsInFlight={"target": 4})
    assert [metric["type"] for metric in made["spec"]["metrics"]] == ["ContainerResource", "Pods"]


def test_nothing_is_written_twice() -> None:
    """What the API server makes of them already is what is wanted."""
    for wanted in (autoscaler(max=9, targetCPU=70), scaling.disruption_budget(service(min=2), "mortgage", {"a": "b"})):
        found = copy.deepcopy(wanted)
        found["metadata"] |= {"uid": "u", "resourceVersion": "1", "generation": 1}
        found["status"] = {"currentReplicas": 3}
        assert already_applied(wanted, found)


@pytest.mark.parametrize(
    ("least", "most", "found", "expected"),
    [
        pytest.param(3, None, None, 3, id="a number that is fixed is applied"),
        pytest.param(3, None, deployment(7), 3, id="a number that was changed by hand is set back"),
        pytest.param(2, 9, None, 2, id="an autoscaler begins with the least"),
        pytest.param(2, 9, deployment(5), 5, id="what an autoscaler has decided stays"),
        pytest.param(2, 9, deployment(1), 2, id="never less than the least"),
        pytest.param(2, 9, deployment(20), 9, id="never more than the most"),
        pytest.param(2, 9, deployment(0), 2, id="none at all would switch the autoscaler off"),
        pytest.param(2, 9, deployment(None), 2, id="a Deployment that does not say has one"),
    ],
)
def test_the_number_of_pods(least: int, most: int | None, found: Any, expected: int) -> None:
    """The operator and the autoscaler must not pull at the same field."""
    assert scaling.desired_replicas(least, most, found) == expected


@pytest.mark.parametrize(
    ("resources", "replicas", "scales"),
    [
        pytest.param(None, {"max": 3, "targetCPU": 50}, True, id="the default asks for CPU"),
        pytest.param({"limits": {"cpu": "1"}}, {"max": 3, "targetCPU": 50}, True, id="a limit is a request as well"),
        pytest.param({"limits": {"memory": "1Gi"}}, {"max": 3, "targetCPU": 50}, False, id="a share of nothing"),
        pytest.param(
            {"limits": {"memory": "1Gi"}}, {"max": 3, "requestsInFlight": {"target": 1}}, True, id="not by CPU"
        ),
        pytest.param({"limits": {"memory": "1Gi"}}, {"min": 3}, True, id="no autoscaler"),
    ],
)
def test_a_share_of_the_cpu_needs_a_request(resources: Any, replicas: Any, scales: bool) -> None:
    """Without a request the autoscaler would never do anything, and say so only in its own status."""
    wanted = service({"container": {"image": "mine:1", **({"resources": resources} if resources else {})}}, **replicas)
    problem = scaling.missing_cpu_request(wanted, model_server(wanted, settings(), version()))
    assert (problem is None) is scales
    if problem is not None:
        assert problem.reason == "NoCPURequest"
        assert "resources.requests.cpu" in problem.message


def test_the_disruption_budget() -> None:
    """A drained node takes one Pod at a time; one that does not answer anyway holds no node back."""
    selector = {"modelops.dev/inferenceservice": "mortgage", "modelops.dev/revision": "1f4c"}
    made = scaling.disruption_budget(service(min=2), "mortgage", selector)
    assert (made["apiVersion"], made["kind"]) == (DISRUPTION_BUDGETS.api_version, DISRUPTION_BUDGETS.kind)
    assert made["spec"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": selector},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }

"""Autoscaling by a real metrics-server and HorizontalPodAutoscaler, also during a rollout."""

import pytest

from support.cluster import scripted_model
from support.cluster.real_cluster import Body, Space
from support.cluster.traffic import Traffic

REPLICAS = {"min": 1, "max": 3, "targetCPU": 20}
ROLLOUT = {"steps": [{"weight": 40}]}


pytestmark = pytest.mark.usefixtures("metrics_server")


@pytest.mark.takes_minutes
def test_autoscaled_pods_follow_the_load_and_a_candidate_gets_pods_for_its_weight(space: Space) -> None:
    """Applying the InferenceService again keeps the number of Pods that the autoscaler chose.

    A candidate with 40 percent of the traffic of three Pods has two Pods. A promoted candidate has all its Pods before
    the old Pods are deleted.
    """
    space.apply(scripted_model.version(space, "v1"), scripted_model.version(space, "v2"))
    space.apply(_scaled(space, "v1"))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    with Traffic(
        scripted_model.address(space), scripted_model.PATH, scripted_model.REQUEST, clients=8, pause=0.01
    ) as traffic:
        grown = space.wait("inferenceservice", "isvc", lambda body: body["status"]["stable"]["ready"] == 3, within=240)
        assert grown["status"]["stable"]["replicas"] == 3
        space.apply(_scaled(space, "v2"))
        step = space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=90)
        assert step["status"]["candidate"]["ready"] >= 2
        assert step["status"]["stable"]["ready"] == 3
        budget = space.get("poddisruptionbudget", "isvc")
        assert budget["spec"]["maxUnavailable"] == 1
        scripted_model.annotate(space, promote_full="1")
        space.wait("inferenceservice", "isvc", scripted_model.serves("v2"), within=120)
    assert traffic.failures == []
    (scaler,) = space.listed("horizontalpodautoscalers")
    (deployment,) = space.listed("deployments")
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (1, 3)


def _scaled(space: Space, version: str) -> Body:
    body = scripted_model.service(space, version, rollout=ROLLOUT)
    body["spec"]["replicas"] = REPLICAS
    return body

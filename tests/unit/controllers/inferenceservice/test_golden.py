"""The children of an InferenceService, whole: what a reader sees, and what an upgrade must not change unnoticed."""

import json
from typing import Any

from modelops.controllers.inferenceservice.pod.template import REVISION
from modelops.machinery.plan import Plan
from support.builders.inferenceservices import Json, inference_service
from support.builders.modelversions import version
from support.controllers.fake_cluster import Cluster
from support.golden import assert_golden

V1, V2 = version("mortgage-1"), version("mortgage-2", letter="b")
CANARY: Json = {"steps": [{"weight": 20}], "mirror": {"percent": 50}}


def in_first_step(**spec: Any) -> tuple[Cluster, Plan]:
    """Return a cluster where version 2 gets 20% of the traffic, with the plan of the next reconcile."""
    cluster = Cluster(inference_service(pinned="mortgage-1", rollout=CANARY, **spec), [V1])
    cluster.settle(4)
    cluster.select(V2)
    cluster.settle(4)
    return cluster, cluster.decide()


def applied(plan: Plan, kind: str, name: str) -> Json:
    """Return the only object of this kind and name that a plan applies."""
    (body,) = [body for body in plan.apply if (body["kind"], body["metadata"]["name"]) == (kind, name)]
    return body


def stable_name(cluster: Cluster) -> str:
    """Return the name of the objects of the stable revision."""
    return f"mortgage-{cluster.selects()}"


def test_golden_deployment() -> None:
    """The Pods of a revision, whose name is a hash of the template: any change here replaces every Pod."""
    cluster, plan = in_first_step(server={"container": {"image": "server:1", "grpcPort": 9000}})
    body = applied(plan, "Deployment", stable_name(cluster))
    assert body["spec"]["template"]["metadata"]["labels"][REVISION] == cluster.selects()
    assert_golden("inferenceservice-deployment.yaml", body)


def test_golden_services() -> None:
    """The Service that clients use, and the Service of the candidate."""
    _, plan = in_first_step()
    assert_golden("inferenceservice-service.yaml", applied(plan, "Service", "mortgage"))
    assert_golden("inferenceservice-candidate-service.yaml", applied(plan, "Service", "mortgage-candidate"))


def test_golden_routes() -> None:
    """The ConfigMap with the routes of the stable revision's proxies, whose JSON the file shows as YAML."""
    cluster, plan = in_first_step()
    body = applied(plan, "ConfigMap", stable_name(cluster))
    routes = {name: json.loads(text) for name, text in body["data"].items()}
    assert_golden("inferenceservice-routes.yaml", {**body, "data": routes})


def test_golden_http_route() -> None:
    """The HTTPRoute of an InferenceService behind a Gateway, in a step."""
    parent = {"name": "public", "namespace": "edge", "sectionName": "https"}
    _, plan = in_first_step(gateway={"parentRefs": [parent], "hostnames": ["models.example"], "pathPrefix": "/v2"})
    assert_golden("inferenceservice-http-route.yaml", applied(plan, "HTTPRoute", "mortgage"))

"""The Services of an InferenceService: what clients know, and where it leads."""

from typing import Any

import pytest

from modelops.controllers.inferenceservice.pod.names import candidate_service_name, deployment_name
from modelops.controllers.inferenceservice.pod.template import REVISION
from modelops.controllers.inferenceservice.revisions import children
from modelops.machinery.matching import already_applied
from support.builders.inferenceservices import inference_service, pod_template
from support.builders.modelversions import version
from support.fake_cluster import Cluster


def ports(service: dict[str, Any]) -> list[tuple[str, int, str]]:
    """A Service's ports."""
    return [(port["name"], port["port"], port["targetPort"]) for port in service["spec"]["ports"]]


def test_the_services() -> None:
    """Clients keep to one name and port; gRPC is offered where the server speaks it, through the same proxy."""
    service = inference_service()
    plain = children.endpoint(service, "abc", grpc=False)
    assert ports(plain) == [("http", 80, "http")]
    both = children.endpoint(service, "abc", grpc=True)
    assert ports(both) == [("http", 80, "http"), ("grpc", 8081, "http")]
    candidate = children.candidate_endpoint(service, "abc", grpc=False)
    assert (plain["metadata"]["name"], candidate["metadata"]["name"]) == ("mortgage", "mortgage-candidate")
    assert candidate["spec"] == plain["spec"]


@pytest.mark.parametrize("back", [False, True], ids=["on the way", "rolled back"])
def test_the_port_for_grpc_stays_while_the_stable_version_answers_at_it(back: bool) -> None:
    """Another server without gRPC was wanted, and with the first look nobody could call the one that served."""
    service = inference_service(
        pinned="mortgage-1", replicas=4, rollout={"steps": [{"weight": 25}]}, server={"container": _own(grpcPort=9000)}
    )
    cluster = Cluster(service, [version("mortgage-1")])
    cluster.settle(4)
    cluster.want(server={"container": _own()})
    cluster.settle(4)
    if back:
        cluster.ask(abort="1")
        cluster.settle(4)
    for name in ("mortgage", "mortgage-candidate"):
        body = cluster.object("Service", name)
        assert body is not None
        assert [port for port, *_ in ports(body)] == ["http", "grpc"]


def _own(**more: Any) -> dict[str, Any]:
    return {"image": "mine:1", **more}


def test_what_a_service_leads_to() -> None:
    """To the Pods of one revision, or of all; and a found one that leads to one is never taken for one that leads to
    all: it would never be changed.
    """
    service, labels = inference_service(), pod_template(inference_service(), version())["metadata"]["labels"]
    other = pod_template(service, version("mortgage-2", letter="b"))["metadata"]["labels"]
    one = children.endpoint(service, labels[REVISION], grpc=False)
    every = children.endpoint(service, None, grpc=False)
    assert one["spec"]["selector"].items() <= labels.items()
    assert not one["spec"]["selector"].items() <= other.items()
    assert every["spec"]["selector"].items() <= labels.items() & other.items()
    assert not already_applied(every, one)
    assert not already_applied(one, every)


def test_names_fit() -> None:
    """The longest name that admission allows still makes names of at most 63 characters, and no two the same."""
    service = inference_service()
    long, longer = (
        service.model_copy(update={"metadata": service.metadata.model_copy(update={"name": "m" * length})})
        for length in (51, 52)
    )
    assert len(deployment_name(longer, "0123456789")) <= 63
    names = {candidate_service_name(one) for one in (service, long, longer)}
    assert len(names) == 3
    assert max(map(len, names)) <= 63

"""The Services of an InferenceService: what clients know, and where it leads."""

from typing import Any

from modelops.controllers.inferenceservice import children
from modelops.controllers.inferenceservice.names import candidate_service_name, deployment_name
from modelops.controllers.inferenceservice.template import REVISION
from modelops.machinery.matching import satisfied
from support.serving_objects import inference_service, pod_template, settings, version

GRPC = {"image": "triton:1", "formats": ["sklearn"], "grpcPort": 8082}


def ports(service: dict[str, Any]) -> list[tuple[str, int, str]]:
    """A Service's ports."""
    return [(port["name"], port["port"], port["targetPort"]) for port in service["spec"]["ports"]]


def test_the_services() -> None:
    """Clients keep to one name and port; gRPC is offered where the server speaks it, through the same proxy."""
    service = inference_service()
    plain = children.endpoint(service, settings().runtimes["sklearn"], "abc")
    assert ports(plain) == [("http", 80, "http")]
    both = children.endpoint(service, settings(runtimes={"sklearn": GRPC}).runtimes["sklearn"], "abc")
    assert ports(both) == [("http", 80, "http"), ("grpc", 8081, "http")]
    assert ports(children.endpoint(service, None, "abc")) == [("http", 80, "http")]
    candidate = children.candidate_endpoint(service, settings().runtimes["sklearn"], "abc")
    assert (plain["metadata"]["name"], candidate["metadata"]["name"]) == ("mortgage", "mortgage-candidate")
    assert candidate["spec"] == plain["spec"]


def test_what_a_service_leads_to() -> None:
    """To the Pods of one revision, or of all; and a found one that leads to one is never taken for one that leads to
    all: it would never be changed."""
    service, labels = inference_service(), pod_template(inference_service(), version())["metadata"]["labels"]
    other = pod_template(service, version("mortgage-2", letter="b"))["metadata"]["labels"]
    one = children.endpoint(service, None, labels[REVISION])
    every = children.endpoint(service, None, None)
    assert one["spec"]["selector"].items() <= labels.items()
    assert not one["spec"]["selector"].items() <= other.items()
    assert every["spec"]["selector"].items() <= labels.items() & other.items()
    assert not satisfied(every, one)
    assert not satisfied(one, every)


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

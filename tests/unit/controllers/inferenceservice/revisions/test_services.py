"""The Services of an InferenceService: their names, ports and selectors."""

from typing import Any

import pytest

from modelops.controllers.inferenceservice.pod.names import candidate_service_name, deployment_name
from modelops.controllers.inferenceservice.pod.template import REVISION
from modelops.controllers.inferenceservice.revisions import children
from modelops.machinery.matching import already_applied
from support.builders.inferenceservices import inference_service, pod_template
from support.builders.modelversions import version
from support.controllers.fake_cluster import Cluster


def ports(service: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Return the name, port and target port of each port of a Service."""
    return [(port["name"], port["port"], port["targetPort"]) for port in service["spec"]["ports"]]


def test_the_services_have_a_port_for_grpc_where_the_server_has() -> None:
    """Clients use one name and port. gRPC passes through the same proxy."""
    service = inference_service()
    plain = children.stable_service(service, "abc", grpc=False)
    assert ports(plain) == [("http", 80, "http")]
    both = children.stable_service(service, "abc", grpc=True)
    assert ports(both) == [("http", 80, "http"), ("grpc", 8081, "http")]
    candidate = children.candidate_service(service, "abc", grpc=False)
    assert (plain["metadata"]["name"], candidate["metadata"]["name"]) == ("mortgage", "mortgage-candidate")
    assert candidate["spec"] == plain["spec"]


@pytest.mark.parametrize("rolled_back", [False, True], ids=["during the rollout", "after a rollback"])
def test_the_port_for_grpc_stays_while_the_stable_version_needs_it(rolled_back: bool) -> None:
    """The candidate has no gRPC. Without the port no client could call the stable version."""
    service = inference_service(
        pinned="mortgage-1", replicas=4, rollout={"steps": [{"weight": 25}]}, server={"container": _own(grpcPort=9000)}
    )
    cluster = Cluster(service, [version("mortgage-1")])
    cluster.settle(4)
    cluster.change_spec(server={"container": _own()})
    cluster.settle(4)
    if rolled_back:
        cluster.annotate(abort="1")
        cluster.settle(4)
    for name in ("mortgage", "mortgage-candidate"):
        body = cluster.object("Service", name)
        assert body is not None
        assert [port for port, *_ in ports(body)] == ["http", "grpc"]


def _own(**more: Any) -> dict[str, Any]:
    return {"image": "mine:1", **more}


def test_a_service_selects_one_revision_or_all() -> None:
    """A Service that selects one revision must not count as already applied where all are to be selected."""
    service, labels = inference_service(), pod_template(inference_service(), version())["metadata"]["labels"]
    other = pod_template(service, version("mortgage-2", letter="b"))["metadata"]["labels"]
    single = children.stable_service(service, labels[REVISION], grpc=False)
    every = children.stable_service(service, None, grpc=False)
    assert single["spec"]["selector"].items() <= labels.items()
    assert not single["spec"]["selector"].items() <= other.items()
    assert every["spec"]["selector"].items() <= labels.items() & other.items()
    assert not already_applied(every, single)
    assert not already_applied(single, every)


def test_the_names_of_children_fit() -> None:
    """The longest name that admission allows makes names of at most 63 characters, and no two are the same."""
    service = inference_service()
    long, longer = (
        service.model_copy(update={"metadata": service.metadata.model_copy(update={"name": "m" * length})})
        for length in (51, 52)
    )
    assert len(deployment_name(longer, "0123456789")) <= 63
    names = {candidate_service_name(named) for named in (service, long, longer)}
    assert len(names) == 3
    assert max(map(len, names)) <= 63

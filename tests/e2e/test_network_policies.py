"""NetworkPolicies of the chart, enforced on the node: who reaches models, trainings and the rest of the cluster."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from hack.cluster.network import reserve
from hack.deploy import NAMESPACE, RELEASE
from modelops.api.contract.tasks import PROGRESS_PORT
from modelops.controllers.inferenceservice.pod.template import HTTP_PORT, STATS_PORT
from support.checkout import ROOT
from support.cluster import scripted_model
from support.cluster.polling import poll
from support.cluster.real_cluster import Body, Space
from support.network.enforcement import enforced

_TRIES = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    print("connected")
except OSError as error:
    print("refused:", error)
"""
_LISTENS = """
import http.server as web
web.ThreadingHTTPServer(("", 8000), web.BaseHTTPRequestHandler).serve_forever()
"""
_TRAINS = f"import threading\nthreading.Thread(target=lambda: exec({_LISTENS!r})).start()"


@pytest.fixture(scope="module")
def guarded(shared_space: Space) -> Iterator[Space]:
    """Return a namespace with a model, a training, a client and a stranger, and the chart's policies enforced."""
    space = shared_space
    space.apply(scripted_model.version(space, "v1"), scripted_model.service(space, "v1"))
    space.apply(space.run(script=_TRAINS, dataset=None))
    space.apply(_pod(space, "client", access="models"), _pod(space, "stranger"))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    for name in ("client", "stranger"):
        space.wait("pod", name, lambda body: body["status"]["phase"] == "Running")
    _trainer(space)
    space.apply(*(policy for policy in _policies(space) if policy["metadata"]["namespace"] == space.name))
    with enforced(space):
        yield space


def test_only_clients_reach_a_model(guarded: Space) -> None:
    model = _address(guarded, _model(guarded))
    assert _connects(guarded, "client", model, HTTP_PORT)
    assert not _connects(guarded, "stranger", model, HTTP_PORT)


def test_a_model_still_answers_through_its_service(guarded: Space) -> None:
    service = guarded.address("isvc")
    assert _connects(guarded, "client", service, 80)
    assert not _connects(guarded, "stranger", service, 80)


def test_nobody_but_operator_and_models_reads_a_model_s_pages(guarded: Space) -> None:
    model = _address(guarded, _model(guarded))
    assert not _connects(guarded, "client", model, STATS_PORT)


def test_nobody_but_the_operator_reads_a_training_s_progress(guarded: Space) -> None:
    trainer = _address(guarded, _trainer(guarded))
    assert not _connects(guarded, "client", trainer, PROGRESS_PORT)
    assert not _connects(guarded, "stranger", trainer, 8000)


@pytest.mark.parametrize("source", ["model", "trainer"])
def test_models_and_trainings_reach_the_store_and_no_other_pod(guarded: Space, source: str) -> None:
    pod, container = (_model(guarded), "model") if source == "model" else (_trainer(guarded), "trainer")
    assert _connects(guarded, pod, _store(guarded), 8333, container)
    assert not _connects(guarded, pod, _address(guarded, "stranger"), 8000, container)


def test_a_model_reaches_a_model_of_its_namespace_and_not_a_training(guarded: Space) -> None:
    model = _model(guarded)
    assert _connects(guarded, model, _address(guarded, model), HTTP_PORT, "model")
    assert not _connects(guarded, model, _address(guarded, _trainer(guarded)), 8000, "model")


def test_the_operator_reaches_what_it_asks_under_its_own_policy(guarded: Space) -> None:
    """Its own policy names the ports of the pages, and the peers that those namespaces admit."""
    (own,) = (policy for policy in _policies(guarded) if policy["metadata"]["namespace"] == NAMESPACE)
    ports = [port["port"] for rule in own["spec"]["egress"] for port in rule["ports"]]
    assert {STATS_PORT, PROGRESS_PORT} <= set(ports)
    assert own["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in own["spec"], "nobody scrapes unless `monitoring` names peers"


def _policies(space: Space) -> list[Body]:
    """Render the chart's policies, for the test's namespace and as this cluster is built."""
    network = reserve(space.cluster.place)
    values: dict[str, Any] = {
        "store": {"url": "s3://ml-models/modelops"},
        "networkPolicies": {
            "enabled": True,
            "namespaces": [space.name],
            "clients": [{"podSelector": {"matchLabels": {"access": "models"}}}],
            "dns": [{"to": [{"ipBlock": {"cidr": f"{network.node}/32"}}], "ports": [{"port": 53, "protocol": "UDP"}]}],
            "objectStores": [
                {
                    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "s3"}}}],
                    "ports": [{"port": 8333}],
                }
            ],
        },
    }
    sets = [f"--set-json={name}={json.dumps(value)}" for name, value in values.items()]
    chart = str(ROOT / "helm" / "modelops")
    options = ("--namespace", NAMESPACE, "--show-only", "templates/networkpolicies.yaml")
    rendered = space.cluster.kubectl.helm("template", RELEASE, chart, *options, *sets)
    return [body for body in yaml.safe_load_all(rendered) if body]


def _pod(space: Space, name: str, **labels: str) -> Body:
    image = space.cluster.images["examples"].by_digest
    locked = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "main", "image": image, "command": ["python3", "-c", _LISTENS], "securityContext": locked}
    metadata = {"name": name, "namespace": space.name, "labels": {"test": name, **labels}}
    spec = {
        "containers": [container],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 0,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _model(space: Space) -> str:
    return _running(space, "app.kubernetes.io/component=server")


def _trainer(space: Space) -> str:
    return _running(space, "app.kubernetes.io/component=trainer")


def _running(space: Space, selector: str) -> str:
    pods = poll(
        lambda: [pod for pod in space.listed("pods", selector) if pod["status"]["phase"] == "Running"],
        bool,
        within=60,
        awaited=f"a running Pod of {selector}",
    )
    return str(pods[0]["metadata"]["name"])


def _address(space: Space, pod: str) -> str:
    return str(space.get("pod", pod)["status"]["podIP"])


def _store(space: Space) -> str:
    (pod,) = space.cluster.api.listed("pods", "s3")
    return str(pod["status"]["podIP"])


def _connects(space: Space, pod: str, address: str, port: int, container: str = "main") -> bool:
    """Return whether a container can open a connection."""
    command = ("exec", "-n", space.name, pod, "-c", container, "--", "python3", "-c", _TRIES, address, str(port))
    said = space.cluster.kubectl(*command).strip()
    assert said == "connected" or said.startswith("refused:"), said
    return said == "connected"

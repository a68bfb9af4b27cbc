"""Warm-up requests on their way to a Pod: which files they become, who owns them, and how the kubelet asks."""

import copy
from typing import Any

import pytest

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.pod import warm_up
from modelops.controllers.inferenceservice.pod.model_server import model_server
from modelops.controllers.inferenceservice.pod.template import REVISION
from modelops.machinery.matching import already_applied
from support.builders.common import settings
from support.builders.inferenceservices import inference_service, pod_template
from support.builders.modelversions import version

INFER = {"path": "/v2/models/mortgage/infer", "body": '{"x": "é"}', "repeat": 5}


def service(*requests: dict[str, Any], **own: Any) -> InferenceService:
    """An InferenceService whose model is warmed up with these requests."""
    server = {"container": {"image": "mine:1", **own}} if own else {"runtime": "sklearn"}
    if requests:
        server["warmUp"] = {"requests": list(requests)}
    return inference_service(server=server)


def config_map(*requests: dict[str, Any]) -> dict[str, Any]:
    """The ConfigMap of the requests."""
    made = warm_up.config_map(service(*requests))
    assert made is not None
    return made


def template(wanted: InferenceService) -> dict[str, Any]:
    """The Pod template."""
    return pod_template(wanted, version())


def test_a_request_is_kept_as_it_goes_over_the_wire() -> None:
    """The script sends the file as it is: no text of a user's meets a shell, and the length is that of the bytes."""
    assert config_map(INFER, {"path": "/ping"})["data"] == {
        "00.request": "POST /v2/models/mortgage/infer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        'Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{"x": "é"}',
        "00.repeat": "5\n",
        "01.request": "GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "01.repeat": "1\n",
    }


def test_other_requests_are_other_pods() -> None:
    """The ConfigMap cannot change below a Pod, and a change of requests begins a rollout."""
    one, other = service(INFER), service({**INFER, "repeat": 6})
    made, others = warm_up.config_map(one), warm_up.config_map(other)
    assert made is not None
    assert others is not None
    assert made["metadata"]["name"] != others["metadata"]["name"]
    assert made["immutable"]
    assert template(one)["metadata"]["labels"][REVISION] != template(other)["metadata"]["labels"][REVISION]


def test_the_pod_mounts_the_requests_and_asks_before_it_is_ready() -> None:
    """The files are where the probe looks for them, and nobody can change them."""
    wanted = service(INFER, port=7000, readinessPath="/is ready")
    made = warm_up.config_map(wanted)
    assert made is not None
    pod = template(wanted)["spec"]
    (model,) = pod["containers"]
    assert model["startupProbe"]["exec"]["command"] == [
        "/modelops/bin/busybox",
        "sh",
        "/modelops/bin/warm-up.sh",
        "/etc/modelops/warm-up",
        "7000",
        "/is%20ready",
    ]
    (mounted,) = [one for one in model["volumeMounts"] if one["mountPath"] == "/etc/modelops/warm-up"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == mounted["name"]]
    assert mounted["readOnly"]
    assert volume["configMap"]["name"] == made["metadata"]["name"]


def test_the_kubelet_does_not_give_up_before_the_rollout() -> None:
    """A container that it kills would load its model anew for ever. Without a word of it a rollout takes 10 minutes."""
    probe = warm_up.probe(service(INFER), model_server(service(INFER), settings(), version()))["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] >= 600


def test_without_requests_there_is_nothing() -> None:
    """A Pod without a warm-up is ready as soon as its model is."""
    plain = service()
    assert warm_up.config_map(plain) is None
    assert "startupProbe" not in template(plain)["spec"]["containers"][0]
    assert not [one for one in template(plain)["spec"]["volumes"] if one["name"] == "modelops-warm-up"]


def test_the_requests_are_the_services_own() -> None:
    """Which revisions mount them is found by their templates: they go with the last of them, or with the service."""
    wanted = service(INFER)
    made = config_map(INFER)
    assert [one["kind"] for one in made["metadata"]["ownerReferences"]] == ["InferenceService"]
    assert warm_up.mounted_config_map(template(wanted)) == made["metadata"]["name"]
    assert warm_up.mounted_config_map(template(service())) is None


@pytest.mark.parametrize(
    ("count", "body", "fits"),
    [(15, "x" * 65536, True), (16, "x" * 65536, False), (16, "x" * 60000, True), (16, "é" * 60000, False)],
)
def test_room_for_requests(count: int, body: str, fits: bool) -> None:
    """The API server would refuse the ConfigMap, without a word about which field it came from."""
    problem = warm_up.oversized(service(*({"path": f"/{number}", "body": body} for number in range(count))))
    assert (problem is None) is fits
    if problem is not None:
        assert problem.reason == "WarmUpTooLarge"
        assert "server.warmUp" in problem.message


def test_nothing_is_written_twice() -> None:
    """What the API server makes of the Pod, with its defaults, already is what is wanted."""
    wanted = template(service(INFER))
    found = copy.deepcopy(wanted)
    found["spec"]["containers"][0]["startupProbe"]["successThreshold"] = 1
    assert already_applied(wanted, found)

"""Warm-up: the files of the requests, their ConfigMap, and the startup probe."""

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
    """Return an InferenceService with these warm-up requests."""
    server: dict[str, Any] = {"container": {"image": "mine:1", **own}} if own else {"runtime": "sklearn"}
    if requests:
        server["warmUp"] = {"requests": list(requests)}
    return inference_service(server=server)


def config_map(*requests: dict[str, Any]) -> dict[str, Any]:
    """Build the ConfigMap of the requests."""
    built = warm_up.config_map(service(*requests))
    assert built is not None
    return built


def template(of: InferenceService) -> dict[str, Any]:
    """Build the Pod template."""
    return pod_template(of, version())


def test_a_file_is_the_http_message_of_its_request() -> None:
    """The script sends files as they are: no user's text reaches a shell, and the length counts bytes."""
    assert config_map(INFER, {"path": "/ping"})["data"] == {
        "00.request": "POST /v2/models/mortgage/infer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        'Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{"x": "é"}',
        "00.repeat": "5\n",
        "01.request": "GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "01.repeat": "1\n",
    }


def test_changed_requests_are_a_new_revision_with_a_config_map_of_its_own() -> None:
    """The ConfigMap of a running Pod cannot change, and a change of requests starts a rollout."""
    before, after = config_map(INFER), config_map({**INFER, "repeat": 6})
    assert before["metadata"]["name"] != after["metadata"]["name"]
    assert before["immutable"]
    revisions = {
        template(service(request))["metadata"]["labels"][REVISION] for request in (INFER, {**INFER, "repeat": 6})
    }
    assert len(revisions) == 2


def test_the_pod_mounts_the_requests_read_only_where_its_startup_probe_reads_them() -> None:
    warmed = service(INFER, port=7000, readinessPath="/is ready")
    pod = template(warmed)["spec"]
    (model,) = pod["containers"]
    assert model["startupProbe"]["exec"]["command"] == [
        "/modelops/bin/busybox",
        "sh",
        "/modelops/bin/warm-up.sh",
        "/etc/modelops/warm-up",
        "7000",
        "/is%20ready",
    ]
    (mounted,) = [mounted for mounted in model["volumeMounts"] if mounted["mountPath"] == "/etc/modelops/warm-up"]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == mounted["name"]]
    assert mounted["readOnly"]
    assert volume["configMap"]["name"] == config_map(INFER)["metadata"]["name"]


def test_the_kubelet_does_not_give_up_before_the_rollout() -> None:
    """A killed container would load its model again without end. The default deadline of a rollout is 10 minutes."""
    probe = warm_up.probe(service(INFER), model_server(service(INFER), settings(), version()))["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] >= 600


def test_without_requests_there_is_no_config_map_probe_or_volume() -> None:
    plain = service()
    assert warm_up.config_map(plain) is None
    assert "startupProbe" not in template(plain)["spec"]["containers"][0]
    volumes = [volume["name"] for volume in template(plain)["spec"]["volumes"]]
    assert "modelops-warm-up" not in volumes


def test_the_inferenceservice_owns_the_config_map_and_templates_name_it() -> None:
    """The ConfigMap is deleted with the last revision that mounts it, or with the InferenceService."""
    built = config_map(INFER)
    assert [owner["kind"] for owner in built["metadata"]["ownerReferences"]] == ["InferenceService"]
    assert warm_up.mounted_config_map(template(service(INFER))) == built["metadata"]["name"]
    assert warm_up.mounted_config_map(template(service())) is None


@pytest.mark.parametrize(
    ("count", "body", "fits"),
    [
        pytest.param(15, "x" * 65536, True, id="15 requests of 64 KiB fit"),
        pytest.param(16, "x" * 65536, False, id="16 requests of 64 KiB do not fit"),
        pytest.param(16, "x" * 60000, True, id="16 requests of 60,000 bytes fit"),
        pytest.param(16, "é" * 60000, False, id="16 requests of 60,000 characters of two bytes do not fit"),
    ],
)
def test_requests_fit_into_a_config_map_of_1_mib(count: int, body: str, fits: bool) -> None:
    """The API server would reject the ConfigMap without naming the field of the spec."""
    problem = warm_up.oversized(service(*({"path": f"/{number}", "body": body} for number in range(count))))
    assert (problem is None) is fits
    if problem is not None:
        assert problem.reason == "WarmUpTooLarge"
        assert "server.warmUp" in problem.message


def test_a_stored_pod_is_not_applied_again() -> None:
    """Defaults of the API server are no difference."""
    desired = template(service(INFER))
    found = copy.deepcopy(desired)
    found["spec"]["containers"][0]["startupProbe"]["successThreshold"] = 1
    assert already_applied(desired, found)

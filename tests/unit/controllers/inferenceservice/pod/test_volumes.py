"""The user's options of a serving Pod, as the API server writes them back: volumes, GPUs, gRPC, variables."""

import copy
from typing import Any

import pytest

from modelops.api.pods import Volume
from modelops.controllers.inferenceservice.pod.template import serving_of
from modelops.controllers.inferenceservice.pod.volumes import volumes
from modelops.controllers.inferenceservice.revisions import children
from modelops.machinery.matching import already_applied
from modelops.monitor.settings import Settings as ProxySettings
from support.builders.inferenceservices import deployment, inference_service, pod_template
from support.builders.modelversions import version

VOLUMES = [
    {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2048Mi"}},
    {"name": "cache", "persistentVolumeClaim": {"claimName": "cache"}},
]
MOUNTS = [
    {"name": "shm", "mountPath": "/dev/shm", "readOnly": False},
    {"name": "cache", "mountPath": "/cache", "subPath": "hub"},
]


def spec(server: Any, pod: Any = None, **more: Any) -> dict[str, Any]:
    """Build the Pod's spec."""
    service = inference_service(server=server, pod=pod or {})
    built: dict[str, Any] = pod_template(service, version(), **more)["spec"]
    return built


def model(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the server's container."""
    (container,) = pod["containers"]
    assert isinstance(container, dict)
    return container


@pytest.mark.parametrize(
    ("source", "stored"),
    [
        ({"emptyDir": {}}, {"emptyDir": {}}),
        ({"emptyDir": {"medium": "", "sizeLimit": "1024Mi"}}, {"emptyDir": {"sizeLimit": "1Gi"}}),
        (
            {"persistentVolumeClaim": {"claimName": "c", "readOnly": False}},
            {"persistentVolumeClaim": {"claimName": "c"}},
        ),
        (
            {"persistentVolumeClaim": {"claimName": "c", "readOnly": True}},
            {"persistentVolumeClaim": {"claimName": "c", "readOnly": True}},
        ),
        ({"secret": {"secretName": "s", "optional": False}}, {"secret": {"secretName": "s", "optional": False}}),
        (
            {"configMap": {"name": "c", "defaultMode": 0, "items": [{"key": "k", "path": "p"}]}},
            {"configMap": {"name": "c", "defaultMode": 0, "items": [{"key": "k", "path": "p"}]}},
        ),
    ],
)
def test_volumes_are_built_as_the_api_server_stores_them(source: Any, stored: Any) -> None:
    """Any difference would be applied in every reconcile."""
    assert volumes([Volume.model_validate({"name": "v", **source})]) == [{"name": "v", **stored}]


@pytest.mark.parametrize("own", [True, False], ids=["the user's own container", "a runtime"])
def test_volumes_are_mounted_into_the_server_alone(own: bool) -> None:
    """Servers on GPUs need large shared memory and a claim for caches."""
    server = (
        {"container": {"image": "mine:1", "volumeMounts": MOUNTS}}
        if own
        else {"runtime": "sklearn", "volumeMounts": MOUNTS}
    )
    pod = spec(server, {"volumes": VOLUMES})
    assert pod["volumes"][-2:] == [
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
        {"name": "cache", "persistentVolumeClaim": {"claimName": "cache"}},
    ]
    assert model(pod)["volumeMounts"][-2:] == [
        {"name": "shm", "mountPath": "/dev/shm"},
        {"name": "cache", "mountPath": "/cache", "readOnly": True, "subPath": "hub"},
    ]
    for container in pod["initContainers"]:
        assert not {"shm", "cache"} & {mounted["name"] for mounted in container["volumeMounts"]}


def test_an_empty_list_of_mounts_changes_no_pod() -> None:
    assert spec({"runtime": "sklearn"}) == spec({"runtime": "sklearn", "volumeMounts": []})


def test_pod_options_are_applied_beside_gpus() -> None:
    """Without toleration and selector the Pod is not scheduled to a GPU node."""
    options = {
        "nodeSelector": {"gpu": "a100"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
        "priorityClassName": "serving",
        "imagePullSecrets": [{"name": "pull"}],
        "runAsUser": 1001,
    }
    pod = spec({"runtime": "sklearn", "resources": {"limits": {"nvidia.com/gpu": 2, "memory": "24Gi"}}}, options)
    assert already_applied({field: value for field, value in options.items() if field != "runAsUser"}, pod)
    assert pod["securityContext"]["runAsUser"] == 1001
    assert model(pod)["resources"] == {"limits": {"nvidia.com/gpu": "2", "memory": "24Gi"}}


def test_requests_that_the_api_server_adds_for_gpu_limits_are_not_a_difference() -> None:
    service = inference_service(server={"runtime": "sklearn", "resources": {"limits": {"nvidia.com/gpu": 1}}})
    desired = deployment(service, version())
    found = copy.deepcopy(desired)
    found["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"] = {"nvidia.com/gpu": "1"}
    assert already_applied(desired, found)


def test_the_grpc_port_of_the_users_own_container_reaches_proxy_and_service() -> None:
    """Without a port neither has one."""
    for port in (None, 9000):
        own = {"image": "mine:1", **({"grpcPort": port} if port else {})}
        service = inference_service(server={"container": own})
        template = pod_template(service, version())
        pod, serves_grpc = template["spec"], serving_of(template).grpc
        proxy = {variable["name"]: variable.get("value", "") for variable in pod["initContainers"][1]["env"]}
        assert ProxySettings.from_environment(proxy).model_grpc_port == port
        offered = [port["name"] for port in children.stable_service(service, None, grpc=serves_grpc)["spec"]["ports"]]
        assert offered == (["http", "grpc"] if port else ["http"])


def test_variables_of_a_runtime_are_filled_and_the_users_own_win() -> None:
    """References to Secrets stay as they are."""
    secret = {"secretKeyRef": {"name": "hub", "key": "token"}}
    preset = {
        "image": "x:1",
        "formats": ["sklearn"],
        "env": [
            {"name": "MODEL", "value": "{model_dir}/{model_name}"},
            {"name": "THREADS", "value": "1"},
            {"name": "TOKEN", "valueFrom": secret},
        ],
    }
    server = {"runtime": "sklearn", "env": [{"name": "THREADS", "value": "{model_name}"}]}
    variables = model(spec(server, runtimes={"sklearn": preset}))["env"]
    assert {"name": "MODEL", "value": "/mnt/models/mortgage"} in variables
    assert [variable for variable in variables if variable["name"] == "THREADS"] == [
        {"name": "THREADS", "value": "{model_name}"}
    ]
    assert {"name": "TOKEN", "valueFrom": secret} in variables

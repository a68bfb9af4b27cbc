"""What the user sets of a serving Pod reaches it as the API server writes it: volumes, GPUs, gRPC, variables."""

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
    """The Pod's spec."""
    service = inference_service(server=server, pod=pod or {})
    return pod_template(service, version(), **more)["spec"]


def model(pod: dict[str, Any]) -> dict[str, Any]:
    """The server's container."""
    return pod["containers"][0]


@pytest.mark.parametrize(
    ("given", "kept"),
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
def test_volumes_as_the_api_server_writes_them(given: Any, kept: Any) -> None:
    """What it drops or writes otherwise would be applied at every look."""
    assert volumes([Volume.model_validate({"name": "v", **given})]) == [{"name": "v", **kept}]


@pytest.mark.parametrize("own", [True, False], ids=["a container of one's own", "a preset"])
def test_volumes_are_mounted_where_the_spec_says(own: bool) -> None:
    """Large shared memory and a claim for caches are what servers on GPUs cannot do without."""
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
    for one in pod["initContainers"]:
        assert not {"shm", "cache"} & {mounted["name"] for mounted in one["volumeMounts"]}


def test_no_volume_changes_nothing() -> None:
    """A Pod that uses none must not roll when the operator learns of them."""
    assert spec({"runtime": "sklearn"}) == spec({"runtime": "sklearn", "volumeMounts": []})


def test_where_and_as_whom_a_pod_runs() -> None:
    """All of `pod` reaches the Pod beside GPUs: without the toleration and the selector no GPU node takes it."""
    where = {
        "nodeSelector": {"gpu": "a100"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
        "priorityClassName": "serving",
        "imagePullSecrets": [{"name": "pull"}],
        "runAsUser": 1001,
    }
    pod = spec({"runtime": "sklearn", "resources": {"limits": {"nvidia.com/gpu": 2, "memory": "24Gi"}}}, where)
    assert already_applied({field: value for field, value in where.items() if field != "runAsUser"}, pod)
    assert pod["securityContext"]["runAsUser"] == 1001
    assert model(pod)["resources"] == {"limits": {"nvidia.com/gpu": "2", "memory": "24Gi"}}


def test_gpus_are_written_once() -> None:
    """The API server adds a request for each limit: that is no difference."""
    service = inference_service(server={"runtime": "sklearn", "resources": {"limits": {"nvidia.com/gpu": 1}}})
    wanted = deployment(service, version())
    found = copy.deepcopy(wanted)
    found["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"] = {"nvidia.com/gpu": "1"}
    assert already_applied(wanted, found)


def test_grpc_of_a_container_of_ones_own() -> None:
    """The proxy is told its port, and the Service offers it; without one neither is."""
    for port in (None, 9000):
        own = {"image": "mine:1", **({"grpcPort": port} if port else {})}
        service = inference_service(server={"container": own})
        template = pod_template(service, version())
        pod, serves_grpc = template["spec"], serving_of(template).grpc
        proxy = {one["name"]: one.get("value", "") for one in pod["initContainers"][1]["env"]}
        assert ProxySettings.from_environment(proxy).model_grpc_port == port
        offered = [one["name"] for one in children.stable_service(service, None, grpc=serves_grpc)["spec"]["ports"]]
        assert offered == (["http", "grpc"] if port else ["http"])


def test_variables_of_a_preset() -> None:
    """They are filled in like its args, and the user's own win; a reference to a Secret stays one."""
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
    told = model(spec(server, runtimes={"sklearn": preset}))["env"]
    assert {"name": "MODEL", "value": "/mnt/models/mortgage"} in told
    assert [one for one in told if one["name"] == "THREADS"] == [{"name": "THREADS", "value": "{model_name}"}]
    assert {"name": "TOKEN", "valueFrom": secret} in told

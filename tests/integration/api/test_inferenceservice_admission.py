"""The API server rejects each mistake in an InferenceService, by one sentence that names the field."""

import pytest

from support.cluster.admission import ABSENT, CONTAINER, Mistake, assert_rejected
from support.cluster.api_server import ApiServer

MISTAKES = [
    Mistake("a model is required", {"model": ABSENT}, says=["spec.model: Required value"]),
    Mistake(
        "a model must set name or version", {"model": {}}, says=["set exactly one of name (with channel) and version"]
    ),
    Mistake(
        "a model must not set both name and version",
        {"model.version": "approval-1"},
        says=["set exactly one of name (with channel) and version"],
    ),
    Mistake(
        "a channel must not be set with a version",
        {"model": {"version": "a", "channel": "Approved"}},
        says=["channel goes with name, not with version"],
    ),
    Mistake(
        "a channel must be known",
        {"model.channel": "Newest"},
        says=["spec.model.channel: Unsupported value", '"Approved"'],
    ),
    Mistake("a server is required", {"server": ABSENT}, says=["spec.server: Required value"]),
    Mistake(
        "a server must set runtime or container", {"server": {}}, says=["set exactly one of runtime and container"]
    ),
    Mistake(
        "a server must not set both runtime and container",
        {"server.container": CONTAINER},
        says=["set exactly one of runtime and container"],
    ),
    Mistake(
        "warm-up requests must not be long together",
        {"server.warmUp": {"requests": [{"path": "/", "body": "x" * 60_000}] * 5}},
        says=["spec.server.warmUp.requests", "the bodies must have at most 262144 characters together"],
    ),
    Mistake("a runtime's name must not be empty", {"server.runtime": ""}, says=["spec.server.runtime"]),
    Mistake(
        "a runtime's name must have at most 63 characters",
        {"server.runtime": "r" * 64},
        says=["spec.server.runtime: Too long"],
    ),
    Mistake(
        "resources must be set inside a container",
        {"server": {"container": CONTAINER, "resources": {"limits": {"cpu": 1}}}},
        says=["resources, env and volumeMounts go with runtime; with container set them inside it"],
    ),
    Mistake(
        "a container must have an image", {"server": {"container": {}}}, says=["spec.server.container.image: Required"]
    ),
    *(
        Mistake(
            f"a container must not use the proxy's port {port}",
            {"server": {"container": {"image": "server:1", "port": port}}},
            says=["container.port must not be 8080, 9090, 9091 or 15000: those belong to the proxy"],
        )
        for port in (8080, 9090, 9091, 15000)
    ),
    Mistake(
        "a container must not use a privileged port",
        {"server": {"container": {"image": "server:1", "port": 80}}},
        says=["spec.server.container.port", "greater than or equal to 1024"],
    ),
    Mistake(
        "a port must not exceed 65535",
        {"server": {"container": {"image": "server:1", "port": 65536}}},
        says=["spec.server.container.port", "less than or equal to 65535"],
    ),
    Mistake(
        "a readiness path must be absolute",
        {"server": {"container": {"image": "server:1", "readinessPath": "ready"}}},
        says=["spec.server.container.readinessPath", "should match"],
    ),
    *(
        Mistake(
            f"a volume must not be mounted at {path}",
            {"server": {"runtime": "sklearn", "volumeMounts": [{"name": "v", "mountPath": path}]}},
            says=["spec.server.volumeMounts[0]", "mountPath must not be /tmp, nor be or be below /mnt/models"],
        )
        for path in ("/tmp", "/mnt/models", "/mnt/models/more", "/mnt", "/modelops/bin", "/etc/modelops/routes", "/etc")
    ),
    *(
        Mistake(
            f"a volume must not be mounted at {path}, which is not in normal form",
            {"server": {"runtime": "sklearn", "volumeMounts": [{"name": "v", "mountPath": path}]}},
            says=["spec.server.volumeMounts[0]", "mountPath must be an absolute path without . or .. in it"],
        )
        for path in ("/", "/tmp/", "/mnt//models", "//mnt/models", "/mnt/models/../models", "/mnt/./models", "/cache/")
    ),
    *(
        Mistake(
            f"a preset must not get the variable {name}",
            {"server": {"runtime": "sklearn", "env": [{"name": name, "value": "1"}]}},
            says=["spec.server", "env must not set MODELOPS_..."],
        )
        for name in ("MODELOPS_MODEL_DIR", "LD_PRELOAD", "PYTHONPATH", "PYTHONSTARTUP")
    ),
    Mistake(
        "replicas.min must be at least 1", {"replicas.min": 0}, says=["spec.replicas.min", "greater than or equal to 1"]
    ),
    Mistake(
        "replicas.min must not exceed 1000",
        {"replicas.min": 1001},
        says=["spec.replicas.min", "less than or equal to 1000"],
    ),
    Mistake(
        "replicas.min must be a whole number", {"replicas.min": 1.5}, says=["spec.replicas.min", "of type integer"]
    ),
    Mistake(
        "a check must not have the name of a built-in check",
        {
            "rollout": {
                "strategy": "BlueGreen",
                "analysis": {"checks": [{"name": "agreement", "job": {"image": "judge:1"}}]},
            }
        },
        says=["agreement is the name of a built-in check: choose another name"],
    ),
    Mistake(
        "a hook must not keep the operator waiting for more than 30 seconds",
        {
            "rollout": {
                "strategy": "BlueGreen",
                "analysis": {"checks": [{"name": "judge", "hook": {"url": "http://judge.tools", "timeout": "31s"}}]},
            }
        },
        says=["timeout must be at most 30s"],
    ),
    Mistake(
        "Pods must not run as root", {"pod.runAsUser": 0}, says=["spec.pod.runAsUser", "greater than or equal to 1"]
    ),
    Mistake(
        "a path must begin with a slash",
        {"server": {"container": {**CONTAINER, "paths": ["predict"]}}},
        says=["spec.server.container.paths[0]", "should match"],
    ),
    Mistake(
        "the model must not be the proxy's user",
        {"pod.runAsUser": 65531},
        says=["runAsUser must not be 65531: that is the proxy's user"],
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_in_an_inference_service_is_rejected(api: ApiServer, mistake: Mistake) -> None:
    """A person reads one sentence that names the field, at once, and the operator never sees the object."""
    assert_rejected(api, "InferenceService", mistake)

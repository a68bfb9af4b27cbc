"""Misconfigurations that admission cannot reject are found before any Pod is created."""

from typing import Any

import pytest

from modelops.api.inferenceservice import InferenceService, Replicas
from modelops.api.pods import VolumeMount
from modelops.controllers.inferenceservice.pod.validation import validate
from support.builders.common import settings
from support.builders.inferenceservices import inference_service
from support.builders.modelversions import version

BIG = [{"path": "/", "body": "é" * 65536} for _ in range(16)]
MOUNTS = [{"name": "cache", "mountPath": "/cache"}]
CACHE = {"volumes": [{"name": "cache", "emptyDir": {}}]}


def service(server: Any, pod: Any = None, **replicas: Any) -> InferenceService:
    """Return an InferenceService with this server, these Pod options and these replicas."""
    base = inference_service(server=server, pod=pod or {})
    spec = base.spec.model_copy(update={"replicas": Replicas.model_validate(replicas)})
    return base.model_copy(update={"spec": spec})


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        pytest.param(service({"runtime": "sklearn"}), None, id="a valid spec has no misconfiguration"),
        pytest.param(
            service({"runtime": "sklearn", "volumeMounts": MOUNTS}, CACHE),
            None,
            id="a mounted volume of the Pod is valid",
        ),
        pytest.param(
            service({"runtime": "sklearn", "volumeMounts": MOUNTS}),
            "VolumeNotFound",
            id="a mount without any volume of the Pod is invalid",
        ),
        pytest.param(
            service({"container": {"image": "mine:1", "volumeMounts": MOUNTS}}, {"volumes": [{"name": "shm"}]}),
            "VolumeNotFound",
            id="a mount with another name than the volume is invalid",
        ),
        pytest.param(
            service({"runtime": "sklearn", "warmUp": {"requests": BIG}}),
            "WarmUpTooLarge",
            id="warm-up requests of more than 1 MiB are invalid",
        ),
        pytest.param(
            service({"runtime": "sklearn", "resources": {"limits": {}}}, max=3, targetCPU=50),
            "NoCPURequest",
            id="a CPU target without a CPU request is invalid",
        ),
    ],
)
def test_a_misconfiguration_has_its_reason(candidate: InferenceService, reason: str | None) -> None:
    """Otherwise a person sees only Pods that never start, or an autoscaler that never acts."""
    problem = validate(candidate, settings(), version())
    assert (problem.reason if problem else None) == reason


def test_a_format_that_the_runtime_does_not_load_is_reported_first() -> None:
    """No other fix helps a server that cannot load the model."""
    problem = validate(service({"runtime": "sklearn", "volumeMounts": MOUNTS}), settings(), version(format_="onnx"))
    assert problem is not None
    assert problem.reason == "RuntimeFormatMismatch"


def test_the_message_names_the_missing_volume_and_the_existing_ones() -> None:
    """A misspelt name stands beside the right one."""
    problem = validate(service({"runtime": "sklearn", "volumeMounts": [*MOUNTS]}, CACHE), settings(), version())
    assert problem is None
    other = [VolumeMount(name="cahce", mount_path="/c").wire()]
    problem = validate(service({"runtime": "sklearn", "volumeMounts": other}, CACHE), settings(), version())
    assert problem is not None
    assert problem.message == 'volume "cahce", mounted by the server at /c, is not in pod.volumes (cache)'

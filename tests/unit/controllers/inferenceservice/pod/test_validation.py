"""A spec that admission lets through, and that no server can run with: said before any Pod is made."""

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
    """An InferenceService."""
    base = inference_service(server=server, pod=pod or {})
    spec = base.spec.model_copy(update={"replicas": Replicas.model_validate(replicas)})
    return base.model_copy(update={"spec": spec})


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        pytest.param(service({"runtime": "sklearn"}), None, id="nothing is wrong"),
        pytest.param(service({"runtime": "sklearn", "volumeMounts": MOUNTS}, CACHE), None, id="a volume that is there"),
        pytest.param(service({"runtime": "sklearn", "volumeMounts": MOUNTS}), "VolumeNotFound", id="no volume at all"),
        pytest.param(
            service({"container": {"image": "mine:1", "volumeMounts": MOUNTS}}, {"volumes": [{"name": "shm"}]}),
            "VolumeNotFound",
            id="a volume of another name",
        ),
        pytest.param(
            service({"runtime": "sklearn", "warmUp": {"requests": BIG}}), "WarmUpTooLarge", id="too many requests"
        ),
        pytest.param(
            service({"runtime": "sklearn", "resources": {"limits": {}}}, max=3, targetCPU=50),
            "NoCPURequest",
            id="a share of no CPU",
        ),
    ],
)
def test_what_a_person_must_change(wanted: InferenceService, reason: str | None) -> None:
    """Pods that can never start, or an autoscaler that never acts, would leave it to be guessed."""
    problem = validate(wanted, settings(), version())
    assert (problem.reason if problem else None) == reason


def test_a_format_comes_first() -> None:
    """There is no use in mending a spec for a server that cannot load the model."""
    problem = validate(service({"runtime": "sklearn", "volumeMounts": MOUNTS}), settings(), version(format_="onnx"))
    assert problem is not None
    assert problem.reason == "RuntimeFormatMismatch"


def test_the_message_names_the_volumes() -> None:
    """Who misspelt one sees both names."""
    problem = validate(service({"runtime": "sklearn", "volumeMounts": [*MOUNTS]}, CACHE), settings(), version())
    assert problem is None
    other = [VolumeMount(name="cahce", mount_path="/c").wire()]
    problem = validate(service({"runtime": "sklearn", "volumeMounts": other}, CACHE), settings(), version())
    assert problem is not None
    assert problem.message == 'the server mounts a volume "cahce" at /c; pod.volumes has cache'

"""Misconfigurations that admission cannot reject are found before any Pod is created."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.inferenceservice import InferenceService, Replicas
from modelops.api.pods import VolumeMount
from modelops.controllers.inferenceservice.pod.validation import validate
from support.builders.common import settings
from support.builders.inferenceservices import inference_service
from support.builders.modelversions import version

BIG = [{"path": "/", "body": "é" * 65536} for _ in range(16)]
MLFLOW = {
    "mlflow": {
        "image": "mlserver:1",
        "env": [
            {"name": "MLSERVER_MODEL_URI", "value": "{model_dir}"},
            {"name": "TZ", "value": "UTC"},
            {"name": "MLSERVER_HOST", "value": "127.0.0.1"},
        ],
        "reservedEnv": ["MLSERVER_HOST"],
        "formats": ["sklearn"],
    }
}
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


def variables(*names: str) -> list[dict[str, str]]:
    """Return environment variables of these names."""
    return [{"name": name, "value": "other"} for name in names]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param(
            ["MLSERVER_MODEL_URI"],
            'server.env sets MLSERVER_MODEL_URI, which decides what runtime "mlflow" loads or where it listens: remove '
            "it from server.env, or ask whoever installs the chart to change runtimes.mlflow.env",
            id="the path of the model is the runtime's",
        ),
        pytest.param(
            ["MLSERVER_HOST", "TZ", "MLSERVER_MODEL_URI"],
            'server.env sets MLSERVER_HOST, MLSERVER_MODEL_URI, which decides what runtime "mlflow" loads or where it '
            "listens: remove it from server.env, or ask whoever installs the chart to change runtimes.mlflow.env",
            id="reserved variables are the runtime's, and each one is named",
        ),
        pytest.param(["TZ"], None, id="another variable is the user's"),
    ],
)
def test_what_a_runtime_loads_cannot_be_changed_by_a_variable(names: list[str], message: str | None) -> None:
    """Otherwise an approved version's name would stand over other files."""
    problem = validate(service({"runtime": "mlflow", "env": variables(*names)}), settings(runtimes=MLFLOW), version())
    assert (problem.message if problem else None) == message
    assert problem is None or problem.reason == "VariableReserved"


def test_a_container_of_the_users_own_sets_its_variables() -> None:
    """The chart knows nothing about that image."""
    own = service({"container": {"image": "mine:1", "env": variables("MLSERVER_MODEL_URI")}})
    assert validate(own, settings(runtimes=MLFLOW), version()) is None


DISGUISES = st.sampled_from(["/", "//", "/./", "/x/../", "/../"])


@given(
    path=st.sampled_from(
        [
            "mnt",
            "mnt/models",
            "mnt/models/model.joblib",
            "modelops",
            "modelops/bin",
            "etc",
            "etc/modelops/routes",
            "tmp",
        ]
    ),
    disguise=DISGUISES,
    inner=st.sampled_from(["/", "//", "/./"]),
    end=st.sampled_from(["", "/", "/.", "/x/.."]),
)
def test_no_spelling_of_a_reserved_path_is_mounted(path: str, disguise: str, inner: str, end: str) -> None:
    """A volume over the model would be served under the approved version's name."""
    mounts = [{"name": "cache", "mountPath": disguise + path.replace("/", inner) + end}]
    problem = validate(service({"runtime": "sklearn", "volumeMounts": mounts}, CACHE), settings(), version())
    assert problem is not None
    assert problem.reason == "MountPathReserved"


@pytest.mark.parametrize("path", ["/cache", "/mnt/models-of-others", "/tmp/cache", "/etc/ssl", "/dev/shm", "/mnt/a..b"])
def test_other_paths_are_the_users(path: str) -> None:
    """Only what would hide something of the operator is refused."""
    mounts = [{"name": "cache", "mountPath": path}]
    assert validate(service({"runtime": "sklearn", "volumeMounts": mounts}, CACHE), settings(), version()) is None

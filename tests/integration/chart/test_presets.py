"""The chart's presets of other servers, as far as the operator's part goes: what each container is told."""

import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from modelops.controllers.inferenceservice.pod.model_server import format_mismatch
from modelops.controllers.inferenceservice.pod.template import template
from modelops.machinery.settings import Settings
from support.builders.inferenceservices import inference_service
from support.builders.modelversions import version
from support.checkout import ROOT

PROXYS = {8080, 9090, 9091, 15000}


@dataclass(frozen=True)
class Contract:
    """What a server must be told, and what the proxy must know of it."""

    command: list[str]
    told: list[str]
    """Among its args."""
    path: str
    grpc: str | None = "8082"
    env: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Any] = field(default_factory=dict)


GPU = {"limits": {"nvidia.com/gpu": "1"}}
CONTRACTS = {
    "vllm": Contract(
        ["vllm", "serve"],
        ["/mnt/models", "--served-model-name=mortgage", "--host=127.0.0.1", "--port=8081"],
        "/health",
        grpc=None,
        env={"USER": "model", "HOME": "/tmp"},
        resources=GPU,
    ),
    "triton": Contract(
        ["tritonserver"],
        ["--model-repository=/mnt/models", "--http-port=8081", "--grpc-port=8082"],
        "/v2/health/ready",
        resources=GPU,
    ),
    "huggingface": Contract(
        ["python3", "-m", "huggingfaceserver"],
        ["--model_name=mortgage", "--model_dir=/mnt/models", "--http_port=8081", "--grpc_port=8082"],
        "/v2/health/ready",
        resources={"requests": {"cpu": "1", "memory": "4Gi"}},
    ),
    "mlflow": Contract(
        ["mlserver", "start", "/mnt/models"],
        [],
        "/v2/health/ready",
        env={
            "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_mlflow.MLflowRuntime",
            "MLSERVER_MODEL_URI": "/mnt/models",
            "MLSERVER_MODEL_NAME": "mortgage",
            "MLSERVER_HTTP_PORT": "8081",
            "MLSERVER_GRPC_PORT": "8082",
        },
        resources={"requests": {"cpu": "250m", "memory": "1Gi"}},
    ),
    "torchserve": Contract(
        ["sh", "-c"],
        [],
        "/ping",
        resources={"requests": {"cpu": "1", "memory": "2Gi"}},
    ),
}


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The operator's settings as the chart writes them without any values but the store."""
    helm = os.environ.get("MODELOPS_HELM") or ROOT / ".cluster" / "bin" / "helm"
    if not os.access(helm, os.X_OK):
        pytest.skip("no helm: set MODELOPS_HELM to its binary")
    command = [helm, "template", "modelops", ROOT / "helm" / "modelops", "--set=store.url=s3://ml-models/modelops"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    (written,) = [one for one in yaml.safe_load_all(done.stdout) if one and one["kind"] == "ConfigMap"]
    return Settings.model_validate(yaml.safe_load(written["data"]["settings.yaml"]))


def pod(settings: Settings, name: str) -> dict[str, Any]:
    """The Pod of an InferenceService with a preset."""
    spec: dict[str, Any] = template(inference_service(runtime=name), version(format_="custom"), settings)["spec"]
    return spec


def variables(container: dict[str, Any]) -> dict[str, str]:
    """A container's environment."""
    return {one["name"]: one.get("value", "") for one in container["env"]}


@pytest.mark.parametrize(("name", "contract"), CONTRACTS.items(), ids=CONTRACTS)
def test_what_a_preset_tells_its_server(settings: Settings, name: str, contract: Contract) -> None:
    """Each must find the model where it is, listen where the proxy looks for it, and ask for what it needs."""
    made = pod(settings, name)
    (server,) = made["containers"]
    assert server["command"] == contract.command
    assert {*contract.told} <= {*server["args"]}
    assert contract.env.items() <= variables(server).items()
    assert server["resources"] == contract.resources
    proxy = made["initContainers"][1]
    assert proxy["readinessProbe"]["httpGet"]["path"] == contract.path
    assert variables(proxy)["MODELOPS_MODEL_PORT"] == "8081"
    assert variables(proxy).get("MODELOPS_MODEL_GRPC_PORT") == contract.grpc


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_preset_leaves_nothing_to_fill_in_and_the_proxy_its_ports(settings: Settings, name: str) -> None:
    """A misspelt placeholder reaches the server as it is; a port of the proxy's keeps it from starting."""
    (server,) = pod(settings, name)["containers"]
    words = [*server["command"], *server["args"], *variables(server).values()]
    assert not [word for word in words if re.search(r"[{}]", word)]
    assert not PROXYS & {int(number) for word in words for number in re.findall(r"(?<!\d)\d{4,5}(?!\d)", word)}
    assert ":" in server["image"], "an image without a tag is another one tomorrow"


def test_torchserve_takes_its_ports_from_a_file(settings: Settings) -> None:
    """Its own defaults are the proxy's port, and a loopback address that nobody else may use."""
    (server,) = pod(settings, "torchserve")["containers"]
    (script,) = server["args"]
    assert "inference_address=http://127.0.0.1:8081 " in script
    assert "grpc_inference_port=8082 " in script
    assert "exec torchserve --foreground" in script, "the end of the Pod must reach it as a signal"
    subprocess.run(["sh", "-n", "-c", script], check=True)


def test_every_preset_is_known_here(settings: Settings) -> None:
    """A preset that is added without its contract would be tested by nobody."""
    ours = {"sklearn", "xgboost", "lightgbm", "onnx"}
    assert settings.runtimes.keys() - ours == CONTRACTS.keys()


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_preset_loads_custom_artifacts_alone(settings: Settings, name: str) -> None:
    """How they are written is between trainer and server; a scikit-learn model is none of them."""
    service = inference_service(runtime=name)
    assert format_mismatch(service, settings, version(format_="custom")) is None
    wrong = format_mismatch(service, settings, version(format_="sklearn"))
    assert wrong is not None
    assert wrong.reason == "RuntimeFormatMismatch"

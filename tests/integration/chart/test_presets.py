"""Command, arguments, environment and ports that the chart's presets give to each model server."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelops.controllers.inferenceservice.pod.model_server import format_mismatch, overridden_variable
from modelops.controllers.inferenceservice.pod.template import template
from modelops.machinery.settings import Settings
from support.builders.inferenceservices import inference_service
from support.builders.modelversions import version
from support.checkout import ROOT
from support.ports import free_ports

PROXY_PORTS = {8080, 9090, 9091, 15000}


@dataclass(frozen=True)
class Contract:
    """Values that a server must get, and that the proxy must know."""

    command: list[str]
    args: list[str]
    """Arguments, among others."""
    readiness_path: str
    grpc_port: str | None = "8082"
    env: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Any] = field(default_factory=dict)


def on_gpu(reserved: str) -> dict[str, Any]:
    """Return the resources of a server on a GPU, with so much memory reserved."""
    return {"requests": {"memory": reserved}, "limits": {"nvidia.com/gpu": "1", "memory": "64Gi"}}


CONTRACTS = {
    "vllm": Contract(
        command=["vllm", "serve"],
        args=["/mnt/models", "--served-model-name=mortgage", "--host=127.0.0.1", "--port=8081"],
        readiness_path="/health",
        grpc_port=None,
        env={"USER": "model", "HOME": "/tmp"},
        resources=on_gpu("8Gi"),
    ),
    "triton": Contract(
        command=["tritonserver"],
        args=["--model-repository=/mnt/models", "--http-port=8081", "--grpc-port=8082"],
        readiness_path="/v2/health/ready",
        resources=on_gpu("4Gi"),
    ),
    "huggingface": Contract(
        command=["python3", "-c"],
        args=["--model_name=mortgage", "--model_dir=/mnt/models", "--http_port=8081", "--grpc_port=8082"],
        readiness_path="/v2/health/ready",
        resources={"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"memory": "32Gi"}},
    ),
    "mlflow": Contract(
        command=["mlserver", "start", "/mnt/models"],
        args=[],
        readiness_path="/v2/health/ready",
        env={
            "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_mlflow.MLflowRuntime",
            "MLSERVER_MODEL_URI": "/mnt/models",
            "MLSERVER_MODEL_NAME": "mortgage",
            "MLSERVER_HTTP_PORT": "8081",
            "MLSERVER_GRPC_PORT": "8082",
        },
        resources={"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"memory": "8Gi"}},
    ),
}


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Return the settings that the chart writes by default."""
    helm = os.environ.get("MODELOPS_HELM") or ROOT / ".cluster" / "bin" / "helm"
    if not os.access(helm, os.X_OK):
        pytest.skip("no helm: set MODELOPS_HELM to its binary")
    command = [helm, "template", "modelops", ROOT / "helm" / "modelops", "--set=store.url=s3://ml-models/modelops"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    manifests = [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]
    (config_map,) = [manifest for manifest in manifests if manifest["kind"] == "ConfigMap"]
    return Settings.model_validate(yaml.safe_load(config_map["data"]["settings.yaml"]))


def pod(settings: Settings, name: str) -> dict[str, Any]:
    """Return the Pod's spec of an InferenceService with a preset."""
    spec: dict[str, Any] = template(inference_service(runtime=name), version(format_="custom"), settings)["spec"]
    return spec


def variables(container: dict[str, Any]) -> dict[str, str]:
    """Return the environment of a container."""
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


@pytest.mark.parametrize(("name", "contract"), CONTRACTS.items(), ids=CONTRACTS)
def test_a_preset_starts_its_server_with_the_model_and_the_ports(
    settings: Settings, name: str, contract: Contract
) -> None:
    """Each server loads the model from its directory, listens at the proxy's port, and requests enough resources."""
    spec = pod(settings, name)
    (server,) = spec["containers"]
    assert server["command"] == contract.command
    assert {*contract.args} <= {*server["args"]}
    assert contract.env.items() <= variables(server).items()
    assert server["resources"] == contract.resources
    proxy = spec["initContainers"][1]
    assert proxy["readinessProbe"]["httpGet"]["path"] == contract.readiness_path
    assert variables(proxy)["MODELOPS_MODEL_PORT"] == "8081"
    assert variables(proxy).get("MODELOPS_MODEL_GRPC_PORT") == contract.grpc_port


def test_every_preset_limits_memory_and_bodies(settings: Settings) -> None:
    """By default one client must not be able to take a node's memory, whatever the server."""
    for name, runtime in settings.runtimes.items():
        version_ = version(format_=runtime.formats[0])
        spec = template(inference_service(runtime=name), version_, settings)["spec"]
        (server,) = spec["containers"]
        assert "memory" in server["resources"]["limits"]
        assert variables(spec["initContainers"][1])["MODELOPS_MAX_BODY_BYTES"] == str(16 * 2**20)


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_preset_has_no_unknown_placeholder_and_no_port_of_the_proxy(settings: Settings, name: str) -> None:
    """A misspelt placeholder would reach the server literally, and a port of the proxy is in use already."""
    (server,) = pod(settings, name)["containers"]
    words = [*server["command"], *server["args"], *variables(server).values()]
    assert not [word for word in words if re.search(r"[{}]", word)]
    assert not PROXY_PORTS & {int(number) for word in words for number in re.findall(r"(?<!\d)\d{4,5}(?!\d)", word)}
    assert ":" in server["image"], "an image without a tag may be another image tomorrow"


@pytest.mark.parametrize("name", CONTRACTS)
def test_no_preset_listens_beyond_loopback(settings: Settings, name: str) -> None:
    """What listens at other addresses is reached past the proxy: its limits, its closed paths, and its figures."""
    (server,) = pod(settings, name)["containers"]
    words = [*server["command"], *server["args"], *(f"{key}={value}" for key, value in variables(server).items())]
    text = "\n".join(words)
    assert not re.search(r"0\.0\.0\.0|\[?::\]?(?=[:/\s]|$)", text)
    assert re.search(LOOPBACK[name], text, re.DOTALL)


LOOPBACK = {
    "vllm": r"--host=127\.0\.0\.1\b",
    "triton": r"--http-address=127\.0\.0\.1\n.*--grpc-address=127\.0\.0\.1\n.*--allow-metrics=false",
    "mlflow": r"MLSERVER_HOST=127\.0\.0\.1\b",
    "huggingface": r"socket\.socket\.bind = .*_server\.Server\.add_insecure_port = ",
}
"""What binds each server to loopback."""


def test_kserves_server_listens_on_loopback(settings: Settings, tmp_path: Path) -> None:
    """KServe's server has no option for its address: the preset's program sets it, for HTTP and gRPC.

    The server is KServe's own, with another model in the place of Hugging Face's.
    """
    (server,) = pod(settings, "huggingface")["containers"]
    (tmp_path / "huggingfaceserver.py").write_text(STAND_IN)
    http, grpc = free_ports(2)
    script = next(word for word in server["args"] if "runpy" in word)
    command = [sys.executable, "-c", script, f"--http_port={http}", f"--grpc_port={grpc}"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    try:
        until = time.monotonic() + 60
        while len(listening := addresses(http, grpc)) < 2:
            assert time.monotonic() < until, f"it listens only at {listening}"
            assert process.poll() is None
            time.sleep(0.1)
        assert listening == {("127.0.0.1", http), ("127.0.0.1", grpc)}
    finally:
        process.kill()
        process.wait()


STAND_IN = """
from kserve import Model, ModelServer

model = Model("mortgage")
model.ready = True
ModelServer().start([model])
"""


def addresses(*ports: int) -> set[tuple[str, int]]:
    """Return the addresses at which a process of this machine listens at these ports; `::` for any of IPv6."""
    found = set()
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(file).read_text().splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            address, port = local.split(":")
            if state == "0A" and int(port, 16) in ports:
                four = ".".join(str(byte) for byte in reversed(bytes.fromhex(address[-8:])))
                mapped = len(address) == 32 and address[16:24] != "FFFF0000"
                found.add(("::" if mapped else four, int(port, 16)))
    return found


def test_every_preset_has_a_contract_here(settings: Settings) -> None:
    """A preset without a contract would not be tested."""
    ours = {"sklearn", "skops", "xgboost", "lightgbm", "onnx"}
    assert settings.runtimes.keys() - ours == CONTRACTS.keys()


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_preset_loads_only_custom_artifacts(settings: Settings, name: str) -> None:
    """Trainer and server agree on a custom format. A model in scikit-learn's format must be rejected."""
    service = inference_service(runtime=name)
    assert format_mismatch(service, settings, version(format_="custom")) is None
    problem = format_mismatch(service, settings, version(format_="sklearn"))
    assert problem is not None
    assert problem.reason == "RuntimeFormatMismatch"


@pytest.mark.parametrize(
    ("runtime", "variable"),
    [
        ("mlflow", "MLSERVER_MODEL_URI"),
        ("mlflow", "MLSERVER_MODEL_IMPLEMENTATION"),
        ("mlflow", "MLSERVER_HTTP_PORT"),
        ("mlflow", "MLSERVER_HOST"),
        ("vllm", "HF_HUB_OFFLINE"),
        ("huggingface", "HF_HUB_OFFLINE"),
    ],
)
def test_a_variable_that_decides_what_a_preset_loads_is_reserved(
    settings: Settings, runtime: str, variable: str
) -> None:
    """Another value would serve other files under an approved version's name, or open a port past the proxy."""
    service = inference_service(server={"runtime": runtime, "env": [{"name": variable, "value": "other"}]})
    problem = overridden_variable(service, settings)
    assert problem is not None
    assert variable in problem.message


def test_other_variables_of_a_preset_can_be_changed(settings: Settings) -> None:
    """Users tune a server by its variables."""
    service = inference_service(
        server={"runtime": "mlflow", "env": [{"name": "MLSERVER_METRICS_DIR", "value": "/tmp/metrics"}]}
    )
    assert overridden_variable(service, settings) is None

"""The command: its exit codes, both protocols, and a graceful termination."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import joblib  # type: ignore[import-untyped]
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages  # type: ignore[import-untyped]
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as service
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from modelops.server.__main__ import parse_arguments
from support.checkout import OPERATOR
from support.ports import free_port


def command(directory: Path, *more: str) -> list[str]:
    options = [
        "--model-dir",
        str(directory),
        "--model-name",
        "m",
        "--model-version",
        "m-1",
        "--format",
        "sklearn",
        *more,
    ]
    return [sys.executable, "-m", "modelops.server", *options]


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONPATH": str(OPERATOR)}


def test_a_missing_model_gives_exit_code_2_and_one_sentence(tmp_path: Path) -> None:
    completed = subprocess.run(
        command(tmp_path), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert completed.returncode == 2
    assert completed.stderr == f"modelops.server: no model.joblib or model.pkl in {tmp_path}; found nothing\n"


@pytest.mark.parametrize(
    "options",
    [
        ["--format", "tensorflow"],
        ["--http-port", "0"],
        ["--http-port", "x"],
        ["--grpc-max-bytes", "0"],
        ["--more", "1"],
    ],
)
def test_an_invalid_command_line_gives_exit_code_2(tmp_path: Path, options: list[str]) -> None:
    completed = subprocess.run(
        command(tmp_path, *options), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert completed.returncode == 2
    assert "usage: python -m modelops.server" in completed.stderr


@pytest.mark.parametrize(
    ("variable", "options", "expect"),
    [(None, (), 64 << 20), ("1000", (), 1000), ("1000", ("--grpc-max-bytes", "2000"), 2000)],
    ids=[
        "without a setting messages have up to 64 MiB",
        "MODELOPS_MAX_BODY_BYTES limits messages",
        "--grpc-max-bytes overrides MODELOPS_MAX_BODY_BYTES",
    ],
)
def test_the_greatest_size_of_a_grpc_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str | None, options: tuple[str, ...], expect: int
) -> None:
    """`limits.maxBody` applies to gRPC as well. Without it, a default applies."""
    if variable is not None:
        monkeypatch.setenv("MODELOPS_MAX_BODY_BYTES", variable)
    assert parse_arguments(command(tmp_path, *options)[3:]).grpc_max_bytes == expect


def test_the_server_serves_both_protocols_and_terminates_gracefully(tmp_path: Path) -> None:
    """HTTP and gRPC give equal predictions, no client can unload the model, and SIGTERM gives exit code 0."""
    joblib.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), tmp_path / "model.joblib")
    http_port, grpc_port = free_port(), free_port()
    argv = command(tmp_path, "--http-port", str(http_port), "--grpc-port", str(grpc_port))
    process = subprocess.Popen(argv, env=environment(), cwd=tmp_path)
    try:
        wait_for_ready(http_port, process)
        with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            stub = service.GRPCInferenceServiceStub(channel)
            tensor = messages.ModelInferRequest.InferInputTensor(
                name="input", datatype="FP64", shape=[2, 1], contents=messages.InferTensorContents(fp64_contents=[0, 1])
            )
            response = stub.ModelInfer(messages.ModelInferRequest(model_name="m", id="7", inputs=[tensor]))
            assert (response.id, response.model_version) == ("7", "m-1")
            assert [output.name for output in response.outputs] == ["predict", "predict_proba"]
            assert response.raw_output_contents[0] == (0).to_bytes(8, "little") + (1).to_bytes(8, "little")
            assert failure(stub.ModelInfer, messages.ModelInferRequest(model_name="m")) == (
                grpc.StatusCode.INVALID_ARGUMENT,
                "the request has no inputs",
            )
            unload = messages.RepositoryModelUnloadRequest(model_name="m")
            assert failure(stub.RepositoryModelUnload, unload)[0] == grpc.StatusCode.UNIMPLEMENTED
            assert failure(stub.ModelMetadata, messages.ModelMetadataRequest(name="x"))[0] == grpc.StatusCode.NOT_FOUND
            assert stub.ModelReady(messages.ModelReadyRequest(name="m")).ready
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def wait_for_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the server has terminated"
        assert time.monotonic() < until
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/v2/health/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()


def failure(call: Callable[[Any], Any], message: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call(message)
    return raised.value.code(), raised.value.details()

"""The command: its exit codes, both protocols, and an end in order."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import joblib
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as service
from sklearn.linear_model import LogisticRegression

from modelops.server.__main__ import arguments
from support.checkout import OPERATOR


def command(directory: Path, *more: str) -> list[str]:
    told = ["--model-dir", str(directory), "--model-name", "m", "--model-version", "m-1", "--format", "sklearn", *more]
    return [sys.executable, "-m", "modelops.server", *told]


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONPATH": str(OPERATOR)}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_a_model_that_is_not_there_is_exit_code_2_and_one_sentence(tmp_path):
    ended = subprocess.run(
        command(tmp_path), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr == (f"modelops.server: there is no model.joblib or model.pkl in {tmp_path}; it holds nothing\n")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--format", "tensorflow"],
        ["--http-port", "0"],
        ["--http-port", "x"],
        ["--grpc-max-bytes", "0"],
        ["--more", "1"],
    ],
)
def test_a_wrong_command_line_is_exit_code_2(tmp_path, wrong):
    ended = subprocess.run(
        command(tmp_path, *wrong), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert "usage: python -m modelops.server" in ended.stderr


@pytest.mark.parametrize(
    ("variable", "words", "most"),
    [(None, (), 64 << 20), ("1000", (), 1000), ("1000", ("--grpc-max-bytes", "2000"), 2000)],
    ids=["64 MiB by default", "what limits.maxBody says", "what the command line says"],
)
def test_the_longest_message(monkeypatch, tmp_path, variable, words, most):
    """`limits.maxBody` holds for gRPC as well; without it there is a bound all the same."""
    if variable is not None:
        monkeypatch.setenv("MODELOPS_MAX_BODY_BYTES", variable)
    assert arguments(command(tmp_path, *words)[3:]).grpc_max_bytes == most


def test_it_serves_both_protocols_and_ends_in_order(tmp_path):
    """HTTP and gRPC give the same answer; nobody can unload the model; SIGTERM ends with 0."""
    joblib.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), tmp_path / "model.joblib")
    http_port, grpc_port = free_port(), free_port()
    words = command(tmp_path, "--http-port", str(http_port), "--grpc-port", str(grpc_port))
    process = subprocess.Popen(words, env=environment(), cwd=tmp_path)
    try:
        wait_for_ready(http_port, process)
        with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            stub = service.GRPCInferenceServiceStub(channel)
            tensor = messages.ModelInferRequest.InferInputTensor(
                name="input", datatype="FP64", shape=[2, 1], contents=messages.InferTensorContents(fp64_contents=[0, 1])
            )
            answer = stub.ModelInfer(messages.ModelInferRequest(model_name="m", id="7", inputs=[tensor]))
            assert (answer.id, answer.model_version) == ("7", "m-1")
            assert [one.name for one in answer.outputs] == ["predict", "predict_proba"]
            assert answer.raw_output_contents[0] == (0).to_bytes(8, "little") + (1).to_bytes(8, "little")
            assert failure(stub.ModelInfer, messages.ModelInferRequest(model_name="m")) == (
                grpc.StatusCode.INVALID_ARGUMENT,
                "the request has no inputs",
            )
            unload = messages.RepositoryModelUnloadRequest(model_name="m")
            assert failure(stub.RepositoryModelUnload, unload)[0] == grpc.StatusCode.UNIMPLEMENTED
            assert failure(stub.ModelMetadata, messages.ModelMetadataRequest(name="x"))[0] == grpc.StatusCode.NOT_FOUND
            assert stub.ModelReady(messages.ModelReadyRequest(name="m")).ready
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def wait_for_ready(port: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + 60
    while True:
        assert process.poll() is None, "it has ended"
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


def failure(call, message):
    with pytest.raises(grpc.RpcError) as raised:
        call(message)
    return raised.value.code(), raised.value.details()

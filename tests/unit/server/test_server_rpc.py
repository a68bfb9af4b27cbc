"""The protocol over gRPC: tensors come and go in either of its two forms, whatever their type."""

import socket
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from kserve import InferInput, InferRequest, InferResponse, ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from modelops.server import rpc
from modelops.server.model import ServedModel
from modelops.server.predictor import Signature, Tensor

ANSWERS = {
    "float": np.array([[1.5, 2.5], [3.5, 4.5]]),
    "half": np.array([1.5, 2.5], np.float16),
    "whole": np.array([1, 2], np.int32),
    "yes": np.array([True, False]),
    "text": np.array(["ja", "nein"], object),
}
ASKED = {"a": np.array([1.0, 2.0]), "kind": np.array(["x", "ü"], object)}


class Everything:
    """Gives an output of each type, and remembers what it was asked."""

    signature = Signature(
        (Tensor("a", "FP64"), Tensor("kind", "BYTES")), tuple(Tensor(one, "") for one in ANSWERS), ("a", "kind")
    )

    def predict(self, table):
        self.asked = table
        return ANSWERS


@pytest.fixture
def model() -> Everything:
    return Everything()


@pytest.fixture
async def stub(model: Everything) -> AsyncIterator[GRPCInferenceServiceStub]:
    registry = ModelRepository()
    registry.update(ServedModel(model, "m", "m-1"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = await rpc.start(DataPlane(registry), "127.0.0.1", port)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield GRPCInferenceServiceStub(channel)
    await server.stop(None)


@pytest.mark.parametrize("as_bytes", [True, False], ids=["raw_input_contents", "contents"])
async def test_tensors_of_every_type_come_back(
    stub: GRPCInferenceServiceStub, model: Everything, as_bytes: bool
) -> None:
    """Clients such as Triton's and KServe's send raw bytes, those written by hand lists: both get an answer."""
    inputs = [InferInput(name, [2], "BYTES" if values.dtype == object else "FP64") for name, values in ASKED.items()]
    for one in inputs:
        one.set_data_from_numpy(ASKED[one.name], binary_data=as_bytes)
    answer = await stub.ModelInfer(InferRequest("m", inputs, request_id="7").to_grpc())
    assert (answer.id, answer.model_name, answer.model_version) == ("7", "m", "m-1")
    assert {name: model.asked[name].tolist() for name in ASKED} == {name: one.tolist() for name, one in ASKED.items()}
    outputs = {one.name: one for one in InferResponse.from_grpc(answer).outputs}
    assert [one.datatype for one in outputs.values()] == ["FP64", "FP16", "INT32", "BOOL", "BYTES"]
    for name, expected in ANSWERS.items():
        values = outputs[name].as_numpy()
        assert values.shape == expected.shape
        assert [one.decode() if isinstance(one, bytes) else one for one in values.tolist()] == expected.tolist()

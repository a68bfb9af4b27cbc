"""The protocol over gRPC: tensors come and go in either of its two forms, whatever their type."""

import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np
import pytest
from kserve import InferInput, InferRequest, InferResponse, ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
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
MOST_BYTES = 1 << 16
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
    served, registry = ServedModel(model, "m", "m-1"), ModelRepository()
    registry.update(served)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = await rpc.start(DataPlane(registry), served, "127.0.0.1", port, MOST_BYTES)
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


@pytest.mark.parametrize("version", ["", "m-1"], ids=["no version", "the one that is here"])
async def test_a_version_that_is_here_is_asked(stub: GRPCInferenceServiceStub, version: str) -> None:
    """A client finds out which version there is, and may name it."""
    told = await stub.ModelMetadata(messages.ModelMetadataRequest(name="m", version=version))
    assert list(told.versions) == ["m-1"]
    assert (await stub.ModelReady(messages.ModelReadyRequest(name="m", version=version))).ready


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        ("ModelInfer", messages.ModelInferRequest(model_name="m", model_version="m-2")),
        ("ModelMetadata", messages.ModelMetadataRequest(name="m", version="m-2")),
        ("ModelReady", messages.ModelReadyRequest(name="m", version="m-2")),
    ],
)
async def test_a_version_that_is_not_here_is_not_found(stub: GRPCInferenceServiceStub, call: str, asked: Any) -> None:
    """Who names a version gets no other one's answer, as over HTTP."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await getattr(stub, call)(asked)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    assert raised.value.details() == 'there is no version "m-2"; this server has "m-1"'


async def test_a_message_that_is_too_long_is_refused_and_the_next_one_answered(stub: GRPCInferenceServiceStub) -> None:
    """Nothing before the server bounds a message: without a bound of its own one call could take all of its memory."""
    longer = messages.ModelInferRequest(model_name="m", raw_input_contents=[bytes(MOST_BYTES)])
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.ModelInfer(longer)
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await stub.ModelReady(messages.ModelReadyRequest(name="m"))).ready

"""The protocol over gRPC: tensors of every type, in either of its two forms."""

from collections.abc import AsyncIterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
import pytest
from kserve import InferInput, InferRequest, InferResponse, ModelRepository  # type: ignore[import-untyped]
from kserve.protocol.dataplane import DataPlane  # type: ignore[import-untyped]
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages  # type: ignore[import-untyped]
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub  # type: ignore[import-untyped]

from modelops.server import rpc
from modelops.server.model import ServedModel
from modelops.server.predictor import Signature, Tensor
from support.ports import free_port

OUTPUTS = {
    "float": np.array([[1.5, 2.5], [3.5, 4.5]]),
    "half": np.array([1.5, 2.5], np.float16),
    "whole": np.array([1, 2], np.int32),
    "yes": np.array([True, False]),
    "text": np.array(["ja", "nein"], object),
}
MAX_BYTES = 1 << 16
INPUTS = {"a": np.array([1.0, 2.0]), "kind": np.array(["x", "ü"], object)}


class EveryType:
    """Model with an output of each type, which records its request."""

    signature = Signature(
        (Tensor("a", "FP64"), Tensor("kind", "BYTES")), tuple(Tensor(name, "") for name in OUTPUTS), ("a", "kind")
    )

    def predict(self, table: Any) -> dict[str, Any]:
        self.table = table
        return OUTPUTS


@pytest.fixture
def model() -> EveryType:
    return EveryType()


@pytest.fixture
async def stub(model: EveryType) -> AsyncIterator[GRPCInferenceServiceStub]:
    served, registry = ServedModel(model, "m", "m-1"), ModelRepository()
    registry.update(served)
    port = free_port()
    server = await rpc.start(DataPlane(registry), served, "127.0.0.1", port, MAX_BYTES)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield GRPCInferenceServiceStub(channel)
    await server.stop(None)


@pytest.mark.parametrize(
    "as_bytes", [True, False], ids=["tensors sent as raw_input_contents", "tensors sent as contents"]
)
async def test_tensors_of_every_type_are_returned(
    stub: GRPCInferenceServiceStub, model: EveryType, as_bytes: bool
) -> None:
    """Clients such as Triton's and KServe's send raw bytes, those written by hand send lists: both are answered."""
    inputs = [InferInput(name, [2], "BYTES" if values.dtype == object else "FP64") for name, values in INPUTS.items()]
    for tensor in inputs:
        tensor.set_data_from_numpy(INPUTS[tensor.name], binary_data=as_bytes)
    response = await stub.ModelInfer(InferRequest("m", inputs, request_id="7").to_grpc())
    assert (response.id, response.model_name, response.model_version) == ("7", "m", "m-1")
    assert {name: model.table[name].tolist() for name in INPUTS} == {
        name: values.tolist() for name, values in INPUTS.items()
    }
    outputs = {output.name: output for output in InferResponse.from_grpc(response).outputs}
    assert [output.datatype for output in outputs.values()] == ["FP64", "FP16", "INT32", "BOOL", "BYTES"]
    for name, expected in OUTPUTS.items():
        values = outputs[name].as_numpy()
        assert values.shape == expected.shape
        assert [value.decode() if isinstance(value, bytes) else value for value in values.tolist()] == expected.tolist()


@pytest.mark.parametrize(
    "version",
    ["", "m-1"],
    ids=["a request without a version is answered", "a request for the served version is answered"],
)
async def test_the_served_version_is_reported(stub: GRPCInferenceServiceStub, version: str) -> None:
    """A client can read which version is served, and may name it."""
    metadata = await stub.ModelMetadata(messages.ModelMetadataRequest(name="m", version=version))
    assert list(metadata.versions) == ["m-1"]
    assert (await stub.ModelReady(messages.ModelReadyRequest(name="m", version=version))).ready


@pytest.mark.parametrize(
    ("call", "request_"),
    [
        ("ModelInfer", messages.ModelInferRequest(model_name="m", model_version="m-2")),
        ("ModelMetadata", messages.ModelMetadataRequest(name="m", version="m-2")),
        ("ModelReady", messages.ModelReadyRequest(name="m", version="m-2")),
    ],
)
async def test_another_version_is_not_found(stub: GRPCInferenceServiceStub, call: str, request_: Any) -> None:
    """A client that names a version gets no other version's prediction, as over HTTP."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await getattr(stub, call)(request_)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    assert raised.value.details() == 'version "m-2" not found; this server has "m-1"'


async def test_a_message_that_is_too_long_is_rejected_and_the_next_is_answered(stub: GRPCInferenceServiceStub) -> None:
    """The proxy does not limit messages: without a limit here, one call could use up the memory."""
    too_long = messages.ModelInferRequest(model_name="m", raw_input_contents=[bytes(MAX_BYTES)])
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.ModelInfer(too_long)
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await stub.ModelReady(messages.ModelReadyRequest(name="m"))).ready

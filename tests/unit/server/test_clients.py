"""Clients that give up, over real HTTP and gRPC, with a model that answers when the test allows it."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
import uvicorn
from kserve import InferInput, InferRequest, ModelRepository  # type: ignore[import-untyped]
from kserve.protocol.dataplane import DataPlane  # type: ignore[import-untyped]
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub  # type: ignore[import-untyped]

from modelops.server import rpc
from modelops.server.model import ServedModel
from modelops.server.predictor import Signature, Tensor
from modelops.server.rest import application
from support.ports import free_port

_TIMEOUT_SECONDS = 20


class Slow:
    """Model that records its requests, and answers once `may_answer` is set."""

    signature = Signature((Tensor("a", "FP64"),), (Tensor("predict", "FP64"),), ("a",), 1)

    def __init__(self) -> None:
        self.predicted: list[float] = []
        self.may_answer = threading.Event()

    def predict(self, table: Any) -> dict[str, Any]:
        self.predicted.append(table["a"].tolist()[0])
        assert self.may_answer.wait(_TIMEOUT_SECONDS)
        return {"predict": table["a"].to_numpy()}


class Watched(ServedModel):
    """Served model that counts the requests waiting or running."""

    waiting = 0

    async def __call__(self, *given: Any, **named: Any) -> Any:
        self.waiting += 1
        try:
            return await super().__call__(*given, **named)
        finally:
            self.waiting -= 1


class Running:
    """Model and its server, in this process."""

    def __init__(self) -> None:
        self.model = Slow()
        self.served, registry = Watched(self.model, "m", "m-1"), ModelRepository()
        registry.update(self.served)
        self._plane = DataPlane(registry)
        app = application(self._plane, self.served)
        self._server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=5))

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve())
        await until(lambda: self._server.started)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self.grpc_port = free_port()
        self._remote = await rpc.start(self._plane, self.served, "127.0.0.1", self.grpc_port, 1 << 20)

    async def stop(self) -> None:
        self.model.may_answer.set()
        self._server.should_exit = True
        await self._task
        await self._remote.stop(None)

    async def ask(self, value: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request over HTTP, and wait until the server has it."""
        before = self.served.waiting
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        body = json.dumps({"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [value]}]}).encode()
        head = (
            f"POST /v2/models/m/infer HTTP/1.1\r\nHost: m\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await until(lambda: self.served.waiting == before + 1)
        return reader, writer


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        while not holds():  # noqa: ASYNC110 - other threads change the condition
            await asyncio.sleep(0.005)


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    running = Running()
    await running.start()
    yield running
    await running.stop()


async def test_requests_of_disconnected_clients_are_not_predicted(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """Later requests do not wait for those of clients that have given up.

    Behind a slow model the proxy disconnects at the timeout, and clients retry: a server that predicted all requests
    would never catch up, and would keep every body until then.
    """
    clients = [await server.ask(value) for value in range(6)]
    await until(lambda: server.model.predicted == [0])
    for _, writer in clients:
        writer.close()
    await until(lambda: server.served.waiting == 0)
    reader, writer = await server.ask(7)
    assert server.model.predicted == [0], "a running prediction completes before the next starts"
    server.model.may_answer.set()
    assert b'"data":[7.0]' in await asyncio.wait_for(reader.read(), _TIMEOUT_SECONDS)
    writer.close()
    assert server.model.predicted == [0, 7]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_cancelled_grpc_call_is_not_predicted(server: Running) -> None:
    """A call that waits for its turn is dropped when its client cancels it."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        calls = []
        for value in range(3):
            calls.append(stub.ModelInfer(_request(value)))
            await until(lambda: server.served.waiting == len(calls))
        calls[1].cancel()
        await until(lambda: server.served.waiting == 2)
        server.model.may_answer.set()
        await asyncio.gather(calls[0], calls[2])
    assert server.model.predicted == [0, 2]


def _request(value: float) -> object:
    return InferRequest("m", [InferInput("a", [1], "FP64", [value])]).to_grpc()

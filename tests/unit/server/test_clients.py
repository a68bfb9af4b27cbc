"""Clients that give up: over real HTTP and gRPC, with a model that answers when the test lets it."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
import uvicorn
from kserve import InferInput, InferRequest, ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from modelops.server import rpc
from modelops.server.model import ServedModel
from modelops.server.predictor import Signature, Tensor
from modelops.server.rest import application

_PATIENCE_SECONDS = 20


class Slow:
    """Remembers what it was asked, and answers once it may."""

    signature = Signature((Tensor("a", "FP64"),), (Tensor("predict", "FP64"),), ("a",), 1)

    def __init__(self):
        self.asked = []
        self.may = threading.Event()

    def predict(self, table):
        self.asked.append(table["a"].tolist()[0])
        assert self.may.wait(_PATIENCE_SECONDS)
        return {"predict": table["a"].to_numpy()}


class Watched(ServedModel):
    """Knows how many requests it has."""

    waiting = 0

    async def __call__(self, *given: Any, **named: Any) -> Any:
        self.waiting += 1
        try:
            return await super().__call__(*given, **named)
        finally:
            self.waiting -= 1


class Running:
    """A model and its server, in this process."""

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
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.grpc_port = free.getsockname()[1]
        self._remote = await rpc.start(self._plane, self.served, "127.0.0.1", self.grpc_port, 1 << 20)

    async def stop(self) -> None:
        self.model.may.set()
        self._server.should_exit = True
        await self._task
        await self._remote.stop(None)

    async def ask(self, value: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request, and wait until the model has it."""
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
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - it comes to hold in other threads, too
            await asyncio.sleep(0.005)


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    running = Running()
    await running.start()
    yield running
    await running.stop()


async def test_who_gives_up_costs_later_ones_nothing(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Behind a slow prediction the proxy gives up for its clients, and those try again: were all that worked off, the
    server would never catch up, and keep every body until then.
    """
    clients = [await server.ask(value) for value in range(6)]
    await until(lambda: server.model.asked == [0])
    for _, writer in clients:
        writer.close()
    await until(lambda: server.served.waiting == 0)
    reader, writer = await server.ask(7)
    assert server.model.asked == [0], "one at a time, even where nobody waits for the one that has begun"
    server.model.may.set()
    assert b'"data":[7.0]' in await asyncio.wait_for(reader.read(), _PATIENCE_SECONDS)
    writer.close()
    assert server.model.asked == [0, 7]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_call_that_is_ended_costs_later_ones_nothing(server: Running) -> None:
    """GRPC tells a call's end by itself: what waits for its turn goes with it."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        calls = []
        for value in range(3):
            calls.append(stub.ModelInfer(_asked(value)))
            await until(lambda: server.served.waiting == len(calls))
        calls[1].cancel()
        await until(lambda: server.served.waiting == 2)
        server.model.may.set()
        await asyncio.gather(calls[0], calls[2])
    assert server.model.asked == [0, 2]


def _asked(value: float) -> object:
    one = InferInput("a", [1], "FP64", [value])
    return InferRequest("m", [one]).to_grpc()

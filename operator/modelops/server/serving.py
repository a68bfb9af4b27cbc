"""Listens, and ends in order."""

import asyncio
import logging
import signal
from dataclasses import dataclass

import uvicorn
from kserve import ModelRepository  # type: ignore[import-untyped]
from kserve.protocol.dataplane import DataPlane  # type: ignore[import-untyped]

from modelops.server import rest, rpc
from modelops.server.model import ServedModel
from modelops.server.predictor import Predictor

_log = logging.getLogger(__name__)
_KEEP_ALIVE_SECONDS = 65
"""Longer than the proxy's, so that the server never closes a connection that a request is being written to."""
_GRACE_SECONDS = 20


@dataclass(frozen=True)
class Listening:
    """Where to listen, and for how much."""

    host: str
    http_port: int
    grpc_port: int | None
    """None: HTTP only."""
    grpc_most_bytes: int
    """The longest message that is taken over gRPC."""


def run(predictor: Predictor, name: str, version: str, where: Listening) -> int:
    """Serve until told to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # The server gives a signal back after it has ended in order. For us it is then done with.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    model = ServedModel(predictor, name, version)
    registry = ModelRepository()
    registry.update(model)
    ports = f"port {where.http_port}" + (f", gRPC port {where.grpc_port}" if where.grpc_port is not None else "")
    _log.info("model %s, version %s, on %s %s", name, version, where.host, ports)
    asyncio.run(_serve(DataPlane(registry), model, where))
    return 0


async def _serve(plane: DataPlane, model: ServedModel, where: Listening) -> None:
    configuration = uvicorn.Config(
        rest.application(plane, model),
        host=where.host,
        port=where.http_port,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    remote = None
    if where.grpc_port is not None:
        remote = await rpc.start(plane, model, where.host, where.grpc_port, where.grpc_most_bytes)
    try:
        await uvicorn.Server(configuration).serve()
    finally:
        if remote is not None:
            await remote.stop(_GRACE_SECONDS)

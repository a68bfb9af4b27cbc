"""Serve HTTP and gRPC until terminated, and finish requests in flight."""

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
"""Longer than the proxy's idle timeout, so that the server never closes a connection to which a request is being
written."""
_GRACE_SECONDS = 20


@dataclass(frozen=True)
class ListenOptions:
    """Addresses and limits of the listeners."""

    host: str
    http_port: int
    grpc_port: int | None
    """None: HTTP only."""
    grpc_max_bytes: int
    """Greatest size of a message over gRPC."""


def run(predictor: Predictor, name: str, version: str, listen: ListenOptions) -> int:
    """Serve until terminated, and return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # uvicorn raises a signal again after its graceful shutdown. Here the signal is then ignored.
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: None)
    model = ServedModel(predictor, name, version)
    registry = ModelRepository()
    registry.update(model)
    ports = f"port {listen.http_port}" + (f", gRPC port {listen.grpc_port}" if listen.grpc_port is not None else "")
    _log.info("serving model %s, version %s, on %s %s", name, version, listen.host, ports)
    asyncio.run(_serve(DataPlane(registry), model, listen))
    return 0


async def _serve(plane: DataPlane, model: ServedModel, listen: ListenOptions) -> None:
    config = uvicorn.Config(
        rest.application(plane, model),
        host=listen.host,
        port=listen.http_port,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    grpc_server = None
    if listen.grpc_port is not None:
        grpc_server = await rpc.start(plane, model, listen.host, listen.grpc_port, listen.grpc_max_bytes)
    try:
        await uvicorn.Server(config).serve()
    finally:
        if grpc_server is not None:
            await grpc_server.stop(_GRACE_SECONDS)

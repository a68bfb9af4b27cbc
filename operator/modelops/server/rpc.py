"""The Open Inference Protocol v2 over gRPC: the kserve SDK's service, without what would change the server."""

import logging
from typing import Any

from grpc import StatusCode, aio  # type: ignore[import-untyped]
from kserve.errors import InvalidInput, ModelNotFound  # type: ignore[import-untyped]
from kserve.protocol.dataplane import DataPlane  # type: ignore[import-untyped]
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as service  # type: ignore[import-untyped]
from kserve.protocol.grpc.servicer import InferenceServicer  # type: ignore[import-untyped]
from kserve.protocol.model_repository_extension import ModelRepositoryExtension  # type: ignore[import-untyped]

_log = logging.getLogger(__name__)
_ANY_LENGTH = -1
"""The proxy before it, and the container's memory, bound what arrives."""


class Servicer(InferenceServicer):
    """Errors as gRPC has them."""

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        """Answer a request."""
        return await self._told(super().ModelInfer(request, context), context)

    async def ModelMetadata(self, request: Any, context: Any) -> Any:
        """What the model takes and gives."""
        return await self._told(super().ModelMetadata(request, context), context)

    async def ModelReady(self, request: Any, context: Any) -> Any:
        """Whether the model is there."""
        return await self._told(super().ModelReady(request, context), context)

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:
        """Nobody changes what is served but the InferenceService."""
        await context.abort(StatusCode.UNIMPLEMENTED, "this server serves one model for as long as it lives")

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:
        """Nobody changes what is served but the InferenceService."""
        await context.abort(StatusCode.UNIMPLEMENTED, "this server serves one model for as long as it lives")

    async def _told(self, answer: Any, context: Any) -> Any:
        try:
            return await answer
        except InvalidInput as error:
            await context.abort(StatusCode.INVALID_ARGUMENT, str(error))
        except ModelNotFound as error:
            await context.abort(StatusCode.NOT_FOUND, str(error))
        except aio.AbortError:
            raise
        except Exception as error:
            _log.exception("a request failed")
            await context.abort(StatusCode.INTERNAL, f"the model failed: {type(error).__name__}")


async def start(plane: DataPlane, host: str, port: int) -> aio.Server:
    """A running server."""
    options = [("grpc.max_receive_message_length", _ANY_LENGTH), ("grpc.max_send_message_length", _ANY_LENGTH)]
    server = aio.server(options=options)
    service.add_GRPCInferenceServiceServicer_to_server(
        Servicer(plane, ModelRepositoryExtension(plane.model_registry)), server
    )
    server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    await server.start()
    return server

"""The Open Inference Protocol v2 over gRPC: the kserve SDK's service, without what would change the server."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from grpc import StatusCode, aio  # type: ignore[import-untyped]
from kserve.errors import InvalidInput, ModelNotFound  # type: ignore[import-untyped]
from kserve.protocol.dataplane import DataPlane  # type: ignore[import-untyped]
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as service  # type: ignore[import-untyped]
from kserve.protocol.grpc.servicer import InferenceServicer  # type: ignore[import-untyped]
from kserve.protocol.model_repository_extension import ModelRepositoryExtension  # type: ignore[import-untyped]

from modelops.server.model import ServedModel

_log = logging.getLogger(__name__)
Ask = Callable[[Any, Any], Awaitable[Any]]
_ANY_LENGTH = -1
_LONGEST = 2**31 - 1
"""In bytes: gRPC takes no greater bound."""


class Servicer(InferenceServicer):
    """Errors as gRPC has them, and the version that HTTP has as well: the SDK's service knows none."""

    def __init__(self, plane: DataPlane, model: ServedModel) -> None:
        super().__init__(plane, ModelRepositoryExtension(plane.model_registry))
        self._model = model

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        """Answer a request."""
        return await self._told(super().ModelInfer, request, context, request.model_version)

    async def ModelMetadata(self, request: Any, context: Any) -> Any:
        """What the model takes and gives."""
        answer = await self._told(super().ModelMetadata, request, context, request.version)
        answer.versions.append(self._model.version)
        return answer

    async def ModelReady(self, request: Any, context: Any) -> Any:
        """Whether the model is there."""
        return await self._told(super().ModelReady, request, context, request.version)

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:
        """Nobody changes what is served but the InferenceService."""
        await context.abort(StatusCode.UNIMPLEMENTED, "this server serves one model for as long as it lives")

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:
        """Nobody changes what is served but the InferenceService."""
        await context.abort(StatusCode.UNIMPLEMENTED, "this server serves one model for as long as it lives")

    async def _told(self, ask: Ask, request: Any, context: Any, version: str) -> Any:
        if version not in ("", self._model.version):
            told = f'there is no version "{version[:80]}"; this server has "{self._model.version}"'
            await context.abort(StatusCode.NOT_FOUND, told)
        try:
            return await ask(request, context)
        except InvalidInput as error:
            await context.abort(StatusCode.INVALID_ARGUMENT, str(error))
        except ModelNotFound as error:
            await context.abort(StatusCode.NOT_FOUND, str(error))
        except aio.AbortError:
            raise
        except Exception as error:
            _log.exception("a request failed")
            await context.abort(StatusCode.INTERNAL, f"the model failed: {type(error).__name__}")


async def start(plane: DataPlane, model: ServedModel, host: str, port: int, most_bytes: int) -> aio.Server:
    """A running server. A message of more than `most_bytes` is RESOURCE_EXHAUSTED: the proxy holds no call back until
    it is complete, and so bounds none.
    """
    options = [
        ("grpc.max_receive_message_length", min(most_bytes, _LONGEST)),
        ("grpc.max_send_message_length", _ANY_LENGTH),
    ]
    server = aio.server(options=options)
    service.add_GRPCInferenceServiceServicer_to_server(Servicer(plane, model), server)
    server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    await server.start()
    return server

"""Open Inference Protocol v2 over gRPC: the kserve SDK's service, without the calls that change the server."""

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
Call = Callable[[Any, Any], Awaitable[Any]]
_UNLIMITED = -1
_MAX_LENGTH = 2**31 - 1
"""Greatest message size in bytes that gRPC accepts as an option."""


class Servicer(InferenceServicer):  # type: ignore[misc]  # kserve has no types
    """The SDK's service with gRPC status codes for errors, and with the model's version, which the SDK ignores."""

    def __init__(self, plane: DataPlane, model: ServedModel) -> None:
        super().__init__(plane, ModelRepositoryExtension(plane.model_registry))
        self._model = model

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        """Return the predictions for a request's tensors."""
        return await self._call_for_version(super().ModelInfer, request, context, request.model_version)

    async def ModelMetadata(self, request: Any, context: Any) -> Any:
        """Return the model's inputs, outputs and version."""
        answer = await self._call_for_version(super().ModelMetadata, request, context, request.version)
        answer.versions.append(self._model.version)
        return answer

    async def ModelReady(self, request: Any, context: Any) -> Any:
        """Return that the model is ready."""
        return await self._call_for_version(super().ModelReady, request, context, request.version)

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:
        """Reject: only the InferenceService decides which model is served."""
        await context.abort(StatusCode.UNIMPLEMENTED, "not supported: this server serves one fixed model")

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:
        """Reject: only the InferenceService decides which model is served."""
        await context.abort(StatusCode.UNIMPLEMENTED, "not supported: this server serves one fixed model")

    async def _call_for_version(self, call: Call, request: Any, context: Any, version: str) -> Any:
        if version not in ("", self._model.version):
            message = f'version "{version[:80]}" not found; this server has "{self._model.version}"'
            await context.abort(StatusCode.NOT_FOUND, message)
        try:
            return await call(request, context)
        except InvalidInput as error:
            await context.abort(StatusCode.INVALID_ARGUMENT, str(error))
        except ModelNotFound as error:
            await context.abort(StatusCode.NOT_FOUND, str(error))
        except aio.AbortError:
            raise
        except Exception as error:
            _log.exception("a request failed")
            await context.abort(StatusCode.INTERNAL, f"the model failed: {type(error).__name__}")


async def start(plane: DataPlane, model: ServedModel, host: str, port: int, max_bytes: int) -> aio.Server:
    """Start a server and return it.

    A message of more than `max_bytes` is answered with RESOURCE_EXHAUSTED. The proxy streams gRPC and so limits no
    message.
    """
    options = [
        ("grpc.max_receive_message_length", min(max_bytes, _MAX_LENGTH)),
        ("grpc.max_send_message_length", _UNLIMITED),
    ]
    server = aio.server(options=options)
    service.add_GRPCInferenceServiceServicer_to_server(Servicer(plane, model), server)
    server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    await server.start()
    return server

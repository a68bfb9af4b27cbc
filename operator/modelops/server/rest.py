"""Open Inference Protocol v2 over HTTP. No route changes the state of the server."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
from kserve import InferRequest  # type: ignore[import-untyped]
from kserve.constants.constants import INFERENCE_CONTENT_LENGTH_HEADER  # type: ignore[import-untyped]
from kserve.errors import InvalidInput  # type: ignore[import-untyped]
from kserve.protocol.dataplane import DataPlane  # type: ignore[import-untyped]
from kserve.protocol.rest.v2_datamodels import InferenceRequest  # type: ignore[import-untyped]
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from modelops.server.model import ServedModel

Endpoint = Callable[[Request], Awaitable[Response]]


def application(plane: DataPlane, model: ServedModel) -> Starlette:
    """Build the application: the routes of one model, with and without its version in the path."""

    async def server(_: Request) -> Response:
        return _json_response({**plane.metadata(), "extensions": ["binary_tensor_data"]})

    async def live(_: Request) -> Response:
        return _json_response({"live": True})

    async def ready(_: Request) -> Response:
        return _json_response({"ready": True})

    async def models(_: Request) -> Response:
        return _json_response({"models": [model.name]})

    async def metadata(_: Request) -> Response:
        return _json_response({**await plane.model_metadata(model.name), "versions": [model.version]})

    async def model_ready(_: Request) -> Response:
        return _json_response({"name": model.name, "ready": True})

    async def infer(request: Request) -> Response:
        headers = dict(request.headers)
        inference_request = parse_request(
            await request.body(), headers.get(INFERENCE_CONTENT_LENGTH_HEADER), model.name
        )
        # The proxy sets an id on each request, by which labels that arrive later can be joined.
        inference_request.id = inference_request.id or headers.get("x-request-id", "")
        response, _ = await _unless_disconnected(request, plane.infer(model.name, inference_request, headers))
        body, response_headers = plane.encode(model.name, response, {}, {})
        if isinstance(body, bytes):
            return Response(body, headers=response_headers, media_type="application/octet-stream")
        return _json_response(body if body["id"] else {key: value for key, value in body.items() if key != "id"})

    routes = [
        Route("/v2", server),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        Route("/v2/models", models),
    ]
    for prefix in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += [
            Route(prefix, _only_for(model, metadata)),
            Route(f"{prefix}/ready", _only_for(model, model_ready)),
            Route(f"{prefix}/infer", _only_for(model, infer), methods=["POST"]),
        ]
    handlers = {
        InvalidInput: _bad_request,
        HTTPException: _http_error,
        ClientDisconnect: _client_closed_request,
        Exception: _internal_error,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


def parse_request(body: bytes, json_length: str | None, model: str) -> InferRequest:
    """Parse a request body: JSON, or JSON followed by binary tensors if `json_length` is given.

    Raises InvalidInput with one sentence.
    """
    if json_length is not None:
        return _read_binary(body, json_length, model)
    try:
        return InferRequest.from_inference_request(InferenceRequest.model_validate(orjson.loads(body)), model)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the body is not JSON: {error}") from None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the body"
        raise InvalidInput(f"{where}: {problem['msg']}") from None


def _read_binary(body: bytes, json_length: str, model: str) -> InferRequest:
    if not json_length.isdecimal() or int(json_length) > len(body):
        raise InvalidInput(
            f"{INFERENCE_CONTENT_LENGTH_HEADER} is {json_length[:40]!r}, but the body has {len(body)} bytes"
        )
    try:
        return InferRequest.from_bytes(body, int(json_length), model)
    except InvalidInput:
        raise
    except Exception as error:  # the SDK does not validate binary tensors
        raise InvalidInput(f"the body is not a request with binary tensors: {type(error).__name__}: {error}") from error


def _only_for(model: ServedModel, endpoint: Endpoint) -> Endpoint:
    """Wrap an endpoint so that it responds 404 for another model or version."""

    async def checked(request: Request) -> Response:
        name, version = request.path_params["model"], request.path_params.get("version", model.version)
        if name != model.name:
            raise HTTPException(404, f'model "{name[:80]}" not found; this server has "{model.name}"')
        if version != model.version:
            raise HTTPException(404, f'version "{version[:80]}" not found; this server has "{model.version}"')
        return await endpoint(request)

    return checked


async def _unless_disconnected(request: Request, work: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of `work`, or cancel `work` when the client disconnects.

    Only the connection shows that a client has given up: the proxy closes it after `limits.timeout`. The body must have
    been read before.

    Raises:
        ClientDisconnect: The client disconnected first.
    """
    task = asyncio.ensure_future(work)
    disconnect = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait((task, disconnect), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        task.cancel()
        disconnect.cancel()


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json_response(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


async def _bad_request(_: Request, error: Exception) -> Response:
    return _json_response({"error": str(error)}, 400)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json_response({"error": error.detail}, error.status_code)


async def _client_closed_request(_: Request, error: Exception) -> Response:
    """Respond to a disconnected client, who reads nothing. Without a response each would log a stack trace."""
    return Response(status_code=499)


async def _internal_error(_: Request, error: Exception) -> Response:
    """Respond that the model failed. The client learns the type of the error only; the server logs the stack trace."""
    return _json_response({"error": f"the model failed: {type(error).__name__}"}, 500)

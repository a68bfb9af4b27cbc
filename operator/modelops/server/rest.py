"""The Open Inference Protocol v2 over HTTP. Reads and asks only: nothing that is reachable here changes the server."""

import asyncio
import logging
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

_log = logging.getLogger(__name__)
Answer = Callable[[Request], Awaitable[Response]]


def application(plane: DataPlane, model: ServedModel) -> Starlette:
    """The routes of one model, with and without its version."""

    async def server(_: Request) -> Response:
        return _json({**plane.metadata(), "extensions": ["binary_tensor_data"]})

    async def live(_: Request) -> Response:
        return _json({"live": True})

    async def ready(_: Request) -> Response:
        return _json({"ready": True})

    async def models(_: Request) -> Response:
        return _json({"models": [model.name]})

    async def metadata(_: Request) -> Response:
        return _json({**await plane.model_metadata(model.name), "versions": [model.version]})

    async def model_ready(_: Request) -> Response:
        return _json({"name": model.name, "ready": True})

    async def infer(request: Request) -> Response:
        headers = dict(request.headers)
        asked = read(await request.body(), headers.get(INFERENCE_CONTENT_LENGTH_HEADER), model.name)
        # The proxy gives every request an id. Labels that come later can be joined by it.
        asked.id = asked.id or headers.get("x-request-id", "")
        answer, _ = await _while_there(request, plane.infer(model.name, asked, headers))
        body, head = plane.encode(model.name, answer, {}, {})
        if isinstance(body, bytes):
            return Response(body, headers=head, media_type="application/octet-stream")
        return _json(body if body["id"] else {key: value for key, value in body.items() if key != "id"})

    routes = [
        Route("/v2", server),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        Route("/v2/models", models),
    ]
    for prefix in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += [
            Route(prefix, _of(model, metadata)),
            Route(f"{prefix}/ready", _of(model, model_ready)),
            Route(f"{prefix}/infer", _of(model, infer), methods=["POST"]),
        ]
    handlers = {InvalidInput: _refused, HTTPException: _http, ClientDisconnect: _gone, Exception: _failed}
    return Starlette(routes=routes, exception_handlers=handlers)


def read(body: bytes, json_length: str | None, model: str) -> InferRequest:
    """A request's body: JSON, or JSON with tensors as bytes after it. Raises InvalidInput with one sentence."""
    if json_length is not None:
        return _read_binary(body, json_length, model)
    try:
        return InferRequest.from_inference_request(InferenceRequest.model_validate(orjson.loads(body)), model)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the body is no JSON: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise InvalidInput(f"{where}: {first['msg']}") from None


def _read_binary(body: bytes, json_length: str, model: str) -> InferRequest:
    if not json_length.isdecimal() or int(json_length) > len(body):
        raise InvalidInput(f"{INFERENCE_CONTENT_LENGTH_HEADER} is {json_length[:40]!r}, the body has {len(body)} bytes")
    try:
        return InferRequest.from_bytes(body, int(json_length), model)
    except InvalidInput:
        raise
    except Exception as error:  # the SDK checks nothing of it
        raise InvalidInput(f"the body is no request with binary tensors: {type(error).__name__}: {error}") from error


def _of(model: ServedModel, answer: Answer) -> Answer:
    """Answer only for the model and the version that are here."""

    async def checked(request: Request) -> Response:
        name, version = request.path_params["model"], request.path_params.get("version", model.version)
        if name != model.name:
            raise HTTPException(404, f'there is no model "{name[:80]}"; this server has "{model.name}"')
        if version != model.version:
            raise HTTPException(404, f'there is no version "{version[:80]}"; this server has "{model.version}"')
        return await answer(request)

    return checked


async def _while_there(request: Request, work: Coroutine[Any, Any, Any]) -> Any:
    """What comes of the work; it is given up once the client goes, of which nobody else would tell it: the proxy hangs
    up at the end of `limits.timeout`. The body must have been read. Raises ClientDisconnect.
    """
    working = asyncio.ensure_future(work)
    going = asyncio.ensure_future(_end(request))
    try:
        await asyncio.wait((working, going), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        working.cancel()
        going.cancel()


async def _end(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


async def _refused(_: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 400)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json({"error": error.detail}, error.status_code)


async def _gone(_: Request, error: Exception) -> Response:
    """Nobody reads it. Without it the log would have a stack for each."""
    return Response(status_code=499)


async def _failed(_: Request, error: Exception) -> Response:
    """A stack for the log, which the server writes; for the client only that it is not at fault."""
    return _json({"error": f"the model failed: {type(error).__name__}"}, 500)

"""Real HTTP servers on loopback that give one response to every request."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Serve(Protocol):
    """Start a server for all paths, and return its port."""

    async def __call__(self, handler: Handler, host: str = "127.0.0.1") -> int: ...


@asynccontextmanager
async def http_responders() -> AsyncIterator[Serve]:
    """Yield the function that starts servers. All of them end with the context."""
    runners: list[web.AppRunner] = []

    async def serve(handler: Handler, host: str = "127.0.0.1") -> int:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, host, 0)
        await site.start()
        assert site._server is not None
        port: int = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return port

    try:
        yield serve
    finally:
        for runner in runners:
            await runner.cleanup()


def respond(body: Any, status: int = 200, **headers: str) -> Handler:
    """Return a handler with this body: bytes as they are, anything else as JSON."""

    async def handler(request: web.Request) -> web.StreamResponse:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(body=content, status=status, headers=headers)

    return handler

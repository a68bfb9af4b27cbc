"""TCP proxy that makes a local server seem far away: it delays requests, and limits each connection's speed."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

_CHUNK_BYTES = 1 << 18


@contextlib.contextmanager
def slow_link(endpoint: str, *, latency_seconds: float, bytes_per_second: float) -> Iterator[str]:
    """Yield the URL of a proxy for `endpoint`, which runs as long as the context lasts."""
    server_url = urlsplit(endpoint)
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(
            server_url.hostname, server_url.port, limit=_CHUNK_BYTES
        )
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(
                _copy(reader, server_writer, lambda _: latency_seconds),
                _copy(server_reader, writer, lambda count: count / bytes_per_second),
            )

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, limit=_CHUNK_BYTES))
    thread = threading.Thread(target=loop.run_forever, name="slow link", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    connections = asyncio.all_tasks() - {asyncio.current_task()}
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pause: Callable[[int], float]) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK_BYTES):
            await asyncio.sleep(pause(len(chunk)))
            writer.write(chunk)
            await writer.drain()
    writer.close()

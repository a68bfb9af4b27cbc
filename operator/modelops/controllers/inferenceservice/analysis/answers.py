"""Answers over HTTP of whoever it may be: never more of one than has room, and never from where it redirects to."""

import asyncio
from typing import Any

import aiohttp
from yarl import URL

_CHUNK_BYTES = 1 << 16


class TooLong(ValueError):
    """An answer that has more bytes than are read of one."""


def session(timeout_seconds: float) -> aiohttp.ClientSession:
    """A session that keeps nothing of what it is told."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit=0),  # whoever asks bounds that: a wait in here would count as theirs
        auto_decompress=False,  # a few bytes can be made to unpack to any number
        headers={"Accept-Encoding": "identity"},
    )


async def answer(
    client: aiohttp.ClientSession, method: str, url: URL, most_bytes: int, **given: Any
) -> tuple[int, bytes]:
    """Status and body. Raises ClientError, OSError (a timeout too), ValueError and TooLong."""
    # A redirect would have the operator ask where it was told to.
    async with client.request(method, url, allow_redirects=False, **given) as response:
        content = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            content += chunk
            if len(content) > most_bytes:
                raise TooLong(f"an answer of more than {most_bytes} bytes")
        return response.status, bytes(content)


def why(error: Exception, timeout_seconds: float) -> str:
    """What kept an answer away, in words."""
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer within {timeout_seconds:g} s"
    if isinstance(error, TooLong):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

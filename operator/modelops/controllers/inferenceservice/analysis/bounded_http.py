"""Answers over HTTP of whoever it may be: never more of one than has room, and never from where it redirects to."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from modelops.api.addresses import LocalAddress, local_address_kind

T = TypeVar("T")
_CHUNK_BYTES = 1 << 16


class ResponseTooLargeError(ValueError):
    """An answer that has more bytes than are read of one."""


class RequestNotSentError(OSError):
    """An address that is not asked, whoever names it."""


def session(timeout_seconds: float, unasked: frozenset[LocalAddress] = frozenset()) -> aiohttp.ClientSession:
    """A session that keeps nothing of what it is told, and connects to none of the addresses that are `unasked`."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Whoever asks bounds their number: a wait in here would count as theirs.
        connector=aiohttp.TCPConnector(limit=0, socket_factory=_sockets(unasked)),
        auto_decompress=False,  # a few bytes can be made to unpack to any number
        headers={"Accept-Encoding": "identity"},
    )


async def of_each(
    addresses: Iterable[str],
    ask: Callable[[aiohttp.ClientSession, str], Awaitable[T]],
    *,
    timeout_seconds: float,
    at_once: int,
) -> dict[str, T | None]:
    """What Pods at these IP addresses answer, so many at once; None for one that does not answer, or not as it
    should: a Pod may just have come or be about to go, and that is no error.
    """
    places = asyncio.Semaphore(at_once)

    async def ask_one(client: aiohttp.ClientSession, address: str) -> T | None:
        async with places:
            try:
                return await ask(client, address)
            except (aiohttp.ClientError, OSError, ValueError):
                return None

    wanted = sorted(set(addresses))
    async with session(timeout_seconds) as client:
        found = await asyncio.gather(*(ask_one(client, address) for address in wanted))
    return dict(zip(wanted, found, strict=True))


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
                raise ResponseTooLargeError(f"an answer of more than {most_bytes} bytes")
        return response.status, bytes(content)


def why(error: Exception, timeout_seconds: float) -> str:
    """What kept an answer away, in words of our own: those of an error may say what is there, who names a URL may not
    know.
    """
    match error:
        case asyncio.TimeoutError():
            return f"no answer within {timeout_seconds:g} s"
        case ResponseTooLargeError():
            return str(error)
        case aiohttp.ClientConnectorDNSError():
            return "its name has no address"
        case aiohttp.ClientConnectorError(os_error=RequestNotSentError() as refusal):
            return str(refusal)
        case aiohttp.ClientConnectionError():
            return "no connection to it, or it broke off"
        case aiohttp.InvalidURL() | ValueError():
            return "its URL is none that can be asked"
    return "its answer is no HTTP"


def _sockets(unasked: frozenset[LocalAddress]) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """Refuses an address where it is connected to: what a name leads to may be another one a moment later."""

    def made(found: aiohttp.AddrInfoType) -> socket.socket:
        family, type_, protocol, _, address = found
        if local_address_kind(ipaddress.ip_address(address[0])) in unasked:
            # The same words for each address: a name may have several.
            raise RequestNotSentError("the operator asks no loopback, link-local, multicast or unspecified address")
        return socket.socket(family, type_, protocol)

    return made

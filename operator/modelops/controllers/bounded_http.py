"""HTTP client for addresses that users choose: bounded responses, no redirects, no cookies, permitted addresses."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from modelops.api.addresses import POD_ADDRESSES, AddressRules

T = TypeVar("T")
Slot = Callable[[], AbstractAsyncContextManager[None]]
"""Context in which work may run: callers bound their own concurrency."""
_CHUNK_BYTES = 1 << 16
NO_ANSWER = (
    "no answer; check host name, port, certificate and timeout, and that the operator may connect to the address"
)
"""The same words for every way in which a connection fails: words of their own would let a user who may choose URLs
scan ports with the operator's network."""


class ResponseTooLargeError(ValueError):
    """The response has more bytes than the caller allows."""


class AddressDeniedError(OSError):
    """The rules of the session do not permit the address."""


def open_session(timeout_seconds: float, rules: AddressRules, address: str | None = None) -> aiohttp.ClientSession:
    """Return a session without cookies that connects only to addresses that the rules permit.

    With `address` every host name means this IP address. `timeout_seconds` bounds a request as a whole, its response
    included.
    """
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Callers bound their own concurrency: a wait for a connection would count against the request's timeout.
        connector=aiohttp.TCPConnector(
            limit=0, socket_factory=_socket_factory(rules), resolver=_FixedResolver(address) if address else None
        ),
        auto_decompress=False,  # a few bytes can decompress to any number
        headers={"Accept-Encoding": "identity"},
    )


async def fetch_each(
    addresses: Iterable[str],
    fetch: Callable[[aiohttp.ClientSession, str], Awaitable[T]],
    *,
    timeout_seconds: float,
    within_seconds: float,
    slot: Slot,
) -> dict[str, T | None]:
    """Return what `fetch` returns for each of these Pod IPs, within a time for all of them.

    The value is None where `fetch` raises ClientError, OSError or ValueError, or has not ended in time. That is not an
    error: a Pod may be starting or terminating.
    """

    async def fetch_one(session: aiohttp.ClientSession, address: str) -> T | None:
        async with slot():
            try:
                return await fetch(session, address)
            except (aiohttp.ClientError, OSError, ValueError):
                return None

    distinct = sorted(set(addresses))
    async with open_session(timeout_seconds, POD_ADDRESSES) as session:
        tasks = {address: asyncio.create_task(fetch_one(session, address)) for address in distinct}
        try:
            if tasks:
                await asyncio.wait(tasks.values(), timeout=within_seconds)
        finally:
            late = [task for task in tasks.values() if task.cancel()]
            await asyncio.gather(*late, return_exceptions=True)
    return {address: None if task in late else task.result() for address, task in tasks.items()}


async def get(session: aiohttp.ClientSession, url: URL, max_bytes: int) -> bytes:
    """Return the body of a response with status 200.

    Raises ValueError for any other status, and what `request` raises.
    """
    status, body = await request(session, "GET", url, max_bytes)
    if status != 200:
        raise ValueError(f"HTTP {status}")
    return body


async def request(
    session: aiohttp.ClientSession, method: str, url: URL, max_bytes: int, **options: Any
) -> tuple[int, bytes]:
    """Return the status and the body of a response. `options` are those of aiohttp's request.

    Raises:
        aiohttp.ClientError: The connection or the HTTP exchange failed.
        OSError: The address cannot be reached; AddressDeniedError and TimeoutError among them.
        ValueError: The URL is invalid.
        ResponseTooLargeError: The body has more than `max_bytes`.
    """
    # A redirect would send the operator to an address of the server's choice.
    async with session.request(method, url, allow_redirects=False, **options) as response:
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > max_bytes:
                raise ResponseTooLargeError(f"response larger than {max_bytes} bytes")
        return response.status, bytes(body)


def describe_failure(error: Exception) -> str:
    """Return why a request failed, for the user who chose the URL.

    The error's own words are not among them: they may reveal what listens where the user has no access.
    """
    match error:
        case ResponseTooLargeError():
            return str(error)
        case aiohttp.InvalidURL():
            return "URL not valid"
        case aiohttp.ClientError() | OSError():
            return NO_ANSWER
    return "URL not valid"


def _socket_factory(rules: AddressRules) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """Return a factory that checks an address when it is connected to: a name may resolve to another one later."""

    def create(resolved: aiohttp.AddrInfoType) -> socket.socket:
        family, type_, protocol, _, address = resolved
        if not rules.permit(ipaddress.ip_address(address[0])):
            raise AddressDeniedError("address not permitted")
        return socket.socket(family, type_, protocol)

    return create


class _FixedResolver(AbstractResolver):
    """Resolves every host name to one IP address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        version = ipaddress.ip_address(self._address).version
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        return [ResolveResult(hostname=host, host=self._address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        pass

"""Requests to an S3 service that a user chose: checked addresses, bounded answers, and an end at any time."""

import contextlib
import ipaddress
import os
import socket
import threading
from collections.abc import Callable
from io import BytesIO
from typing import Any

from botocore.awsrequest import (  # type: ignore[import-untyped]
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSResponse,
)
from botocore.exceptions import BotoCoreError, HTTPClientError  # type: ignore[import-untyped]
from botocore.httpsession import URLLib3Session  # type: ignore[import-untyped]
from botocore.utils import get_environ_proxies  # type: ignore[import-untyped]
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from modelops.api.addresses import AddressRules

MAX_BYTES = 8 << 20
"""Largest body of an answer. A page of a thousand keys of the greatest length has half of that."""
MAX_MARKUP = 200_000
"""Most tags and attributes in a body. A page has some thirty for each key; each takes a hundred bytes once parsed."""
_REGION = "x-amz-bucket-region"
_CHUNK_BYTES = 1 << 16


class AnswerTooLargeError(BotoCoreError):  # type: ignore[misc]
    """The body of an answer is larger than any of S3."""

    fmt = "The answer is larger than a page of a listing"


class BoundedRequests:
    """Requests of one conversation with a service. Threads may use it at once."""

    def __init__(self, rules: AddressRules) -> None:
        self._rules = rules
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._ended = False

    def end(self) -> None:
        """End all connections, so that a request that is under way fails, and let no new one begin."""
        with self._lock:
            self._ended = True
            for connected in self._open:
                with contextlib.suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)
                connected.close()
            self._open.clear()

    def sender(
        self, endpoint: str, timeout: tuple[float, float], ca_bundle: str | None = None
    ) -> Callable[..., AWSResponse]:
        """Return a handler of botocore's event `before-send`.

        `timeout`: seconds to connect, and of each read. `ca_bundle`: authorities to trust besides the public ones.
        """
        session = _Session(
            ca_bundle,
            verify=os.environ.get("AWS_CA_BUNDLE") or True,
            proxies=get_environ_proxies(endpoint),
            timeout=timeout,
        )
        session._pool_classes_by_scheme.update(
            http=self._pools(AWSHTTPConnectionPool, AWSHTTPConnection),
            https=self._pools(AWSHTTPSConnectionPool, AWSHTTPSConnection),
        )

        def send(request: Any, **_: Any) -> AWSResponse:
            request.stream_output = True  # botocore would read the body without a limit
            answer = session.send(request)
            try:
                body = _read_bounded(answer.raw)
            except (HTTPError, OSError) as error:
                raise HTTPClientError(error=error) from error
            if request.method == "HEAD" and answer.status_code >= 300 and _REGION not in answer.headers:
                # The SDK looks for the region of a redirected bucket by HEAD, and would follow up on each such answer.
                raise HTTPClientError(error="redirected without a region")
            return AWSResponse(answer.url, answer.status_code, answer.headers, _Body(body))

        return send

    def _pools(self, pool: type[Any], connection: type[Any]) -> type[Any]:
        """Return pools whose connections are checked, and known here."""
        connect = self._connect

        class Connection(connection):  # type: ignore[misc]
            def _new_conn(self) -> socket.socket:
                return connect(self)

        class Pool(pool):  # type: ignore[misc]
            ConnectionCls = Connection

        return Pool

    def _connect(self, connection: Any) -> socket.socket:
        """Connect to the first permitted address that answers. Raises what urllib3's own connections raise."""
        host, port = connection._dns_host, connection.port
        try:
            resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NameResolutionError(host, connection, error) from error  # type: ignore[arg-type]
        problem: OSError | None = None
        for *_, address in resolved:
            text = str(address[0])
            if self._ended or not self._rules.permit(ipaddress.ip_address(text)):
                continue
            try:
                # An address, not the name: a name may resolve to another address the next time.
                connected = create_connection(
                    (text, port), connection.timeout, connection.source_address, connection.socket_options
                )
            except OSError as error:
                problem = error
                continue
            return self._known(connected, connection)
        raise NewConnectionError(connection, "no connection") from problem

    def _known(self, connected: socket.socket, connection: Any) -> socket.socket:
        """Keep a second handle of a connection: TLS takes the first one over."""
        with self._lock:
            if self._ended:
                connected.close()
                raise NewConnectionError(connection, "ended")
            self._open.append(connected.dup())
        return connected


class _Session(URLLib3Session):  # type: ignore[misc]
    """Session that also trusts the authorities of a text, which is not in a file."""

    def __init__(self, ca_bundle: str | None, **options: Any) -> None:
        self._ca_bundle = ca_bundle
        super().__init__(**options)

    def _get_ssl_context(self) -> Any:
        context = super()._get_ssl_context()
        if self._ca_bundle is not None:
            context.load_verify_locations(cadata=self._ca_bundle)
        return context


class _Body(BytesIO):
    """Body that was read, as botocore reads bodies."""

    def stream(self, **_: Any) -> list[bytes]:
        return [self.getvalue()]


def _read_bounded(raw: Any) -> bytes:
    """Return a body. Raises AnswerTooLargeError, and what urllib3 and sockets raise."""
    body = bytearray()
    # Not `stream`, which reads a chunk's length as a line of any length.
    while part := raw.read(_CHUNK_BYTES, decode_content=False):
        body += part
        if len(body) > MAX_BYTES:
            raw.close()
            raise AnswerTooLargeError
    if body.count(b"<") + body.count(b"=") > MAX_MARKUP:
        raise AnswerTooLargeError
    raw.release_conn()
    return bytes(body)

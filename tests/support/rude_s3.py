"""Servers on loopback that answer an S3 client in ways that would hold the client for ever, or fill its memory."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n"
VERSIONING = b'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'
EMPTY_PAGE = (
    b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>'
    b"<NextContinuationToken>%d</NextContinuationToken></ListBucketResult>"
)
Answer = Callable[["RudeServer", socket.socket, bytes], None]


class RudeServer:
    """Server that answers each request by a function."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self._answer, self._tls = answer, tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        scheme = "http" if tls is None else "https"
        self.endpoint = f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}"
        self.requests = 0
        self.sent = 0
        self.answering = threading.Event()
        """Set once an answer has begun."""
        self.released = threading.Event()
        """Set at the end of the test."""
        threading.Thread(target=self._accept, daemon=True).start()

    def send(self, connection: socket.socket, content: bytes) -> None:
        """Send, and count what was sent."""
        connection.sendall(content)
        self.sent += len(content)
        self.answering.set()

    def stop(self) -> None:
        """End the server and what it waits for."""
        self.released.set()
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            while request := connection.recv(65536):
                self.requests += 1
                self._answer(self, connection, request)


def endless(server: RudeServer, connection: socket.socket, _: bytes) -> None:
    """Answer without an end."""
    server.send(connection, HEAD + b"\r\n")
    while True:
        server.send(connection, b"<Key>" * 10_000)


def endless_chunk_size(server: RudeServer, connection: socket.socket, _: bytes) -> None:
    """Answer with the length of a chunk that has no end."""
    server.send(connection, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        server.send(connection, b"0" * 50_000)


def endless_header(server: RudeServer, connection: socket.socket, _: bytes) -> None:
    """Answer with a header that has no end."""
    server.send(connection, b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        server.send(connection, b"0" * 50_000)


def many_tags(server: RudeServer, connection: socket.socket, _: bytes) -> None:
    """Answer with few bytes that are many elements."""
    body = b"<a>" + b"<b/>" * 1_000_000 + b"</a>"
    server.send(connection, HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def drips_body(server: RudeServer, connection: socket.socket, _: bytes) -> None:
    """Begin a body, and keep silent."""
    server.send(connection, HEAD + b"Content-Length: 1000\r\n\r\n<")
    server.released.wait()


def drips_head(server: RudeServer, connection: socket.socket, _: bytes) -> None:
    """Begin an answer, and keep silent."""
    server.send(connection, b"HTTP/1.1 200")
    server.released.wait()


def pages_without_entries(server: RudeServer, connection: socket.socket, request: bytes) -> None:
    """Answer each page with the marker of a next one, and no entry."""
    body = VERSIONING if b"?versioning" in request else EMPTY_PAGE % server.requests
    server.send(connection, HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def endless_object(server: RudeServer, connection: socket.socket, _: bytes) -> None:
    """Answer with an object that has no end, and whose length is not told."""
    server.send(connection, HEAD + b'ETag: "e"\r\nTransfer-Encoding: chunked\r\n\r\n')
    while True:
        server.send(connection, b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


def says(status: bytes, body: bytes = b"") -> Answer:
    """Return an answer with this status and body."""

    def answer(server: RudeServer, connection: socket.socket, _: bytes) -> None:
        server.send(connection, b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    return answer


def closes(server: RudeServer, connection: socket.socket, _: bytes) -> None:
    """End the connection without an answer."""
    connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def rude_s3(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[RudeServer]:
    """Run a server within the context, with TLS if given."""
    server = RudeServer(answer, tls)
    try:
        yield server
    finally:
        server.stop()

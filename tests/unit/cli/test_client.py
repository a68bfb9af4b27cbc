"""The client over real HTTP, against servers that are not a Kubernetes API."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from kubernetes import client

from modelops.api.inferenceservice import InferenceService
from modelops.cli.client import Cluster, UnreachableError


class FixedResponse(BaseHTTPRequestHandler):
    """Sends the same content for every request."""

    content = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host(content: bytes) -> Iterator[str]:
    """Yield the URL of a server that sends this content for every request."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Response", (FixedResponse,), {"content": content}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("content", [b"<html>Log in</html>", b"", b"[]", b"\xff"], ids=repr)
def test_a_server_that_is_not_an_api_server_is_an_error_of_one_line(host: str) -> None:
    """A proxy or a login portal in front of the cluster causes no traceback."""
    configuration = client.Configuration()
    configuration.host = host
    cluster = Cluster(client.ApiClient(configuration), "team")
    for request in (lambda: cluster.get(InferenceService, "mortgage"), lambda: cluster.pods("a=b"), cluster.whoami):
        with pytest.raises(UnreachableError) as error:
            request()
        assert str(error.value) == f"the server at {host} is not a Kubernetes API: HTTP 200 without a JSON object"

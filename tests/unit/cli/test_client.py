"""What is asked of the cluster, over real HTTP: whoever answers there."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from kubernetes import client

from modelops.api.inferenceservice import InferenceService
from modelops.cli.client import Cluster, UnreachableError


class Answering(BaseHTTPRequestHandler):
    """Answers everything alike."""

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
    """Where a server answers everything with this content."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Says", (Answering,), {"content": content}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("content", [b"<html>Log in</html>", b"", b"[]", b"\xff"], ids=repr)
def test_what_answers_is_no_api_server(host: str) -> None:
    """A proxy or a portal before the cluster is told in one line, not by a stack."""
    configuration = client.Configuration()
    configuration.host = host
    cluster = Cluster(client.ApiClient(configuration), "team")
    for ask in (lambda: cluster.get(InferenceService, "mortgage"), lambda: cluster.pods("a=b"), cluster.whoami):
        with pytest.raises(UnreachableError) as told:
            ask()
        assert str(told.value) == f"what answers at {host} is no Kubernetes API: HTTP 200, and no JSON object"

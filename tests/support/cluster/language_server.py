"""Stand-in for a server of language models, with the standard library only: a test passes its text to `python3 -c`.

| | |
| --- | --- |
| GET /ping | 200: the readiness path |
| POST /v1/chat/completions | with `stream`, ten events, each sent once the client confirms the previous |
| POST /came/<number> | confirms that an event has arrived |
| POST /v1/completions | an event every 0.2 seconds, until the client disconnects |
| GET /gone | whether the client has disconnected |
| POST /slow/<seconds> | responds after so many seconds |
| any other request | its body, with its method, path and headers as JSON in the header `x-asked` |
"""

import itertools
import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EVENTS = 10
PATIENCE = 20
"""Seconds to wait for the client."""
arrived = [threading.Event() for _ in range(EVENTS)]
disconnected = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.body()
        match self.path.split("/")[1:]:
            case ["v1", "chat", "completions"] if json.loads(body)["stream"]:
                self.stream(events_that_wait())
            case ["v1", "completions"]:
                self.stream(events_without_end())
            case ["came", number]:
                arrived[int(number)].set()
                self.answer(b"")
            case ["gone"]:
                self.answer(json.dumps(disconnected.wait(PATIENCE)).encode())
            case ["slow", seconds]:
                time.sleep(float(seconds))
                self.answer(b"at last")
            case _:
                self.answer(body)

    do_GET = do_PUT = do_POST

    def body(self) -> bytes:
        """Return the request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def answer(self, body: bytes) -> None:
        request = {"method": self.command, "path": self.path, "headers": self.headers.items()}
        self.send_response(200)
        self.send_header("Content-Type", self.headers.get("Content-Type", "application/octet-stream"))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Asked", json.dumps(request))
        for cookie in ("a=1", "b=2"):
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, events: Iterator[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in itertools.chain(events, ["[DONE]"]):
                self.chunk(f"data: {event}\n\n".encode())
            self.chunk(b"")
        except OSError:
            disconnected.set()

    def chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")


def events_that_wait() -> Iterator[str]:
    for number, event in enumerate(arrived):
        yield json.dumps({"number": number})
        if not event.wait(PATIENCE):
            yield f"event {number} has not arrived after {PATIENCE} s"
            return


def events_without_end() -> Iterator[str]:
    for number in itertools.count():
        yield json.dumps({"number": number})
        time.sleep(0.2)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["MODELOPS_MODEL_PORT"])), Handler).serve_forever()

"""Model server of a test, whose behaviour is read from /mnt/models/behaviour.json.

delayMs     delay of each response in milliseconds
failEvery   every so many requests, respond 500
value       the prediction; a response's id is the number of the request
crash       exit before listening
neverReady  never become ready
readyAfter  become ready so many seconds after the start

`/long?seconds=10` responds after so long, `/stream?seconds=3` sends an event every 0.2 s, `/api/v1/query` responds with
the value as Prometheus would. Run with `python3 -c`.
"""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qs, urlsplit

with open("/mnt/models/behaviour.json") as file:
    BEHAVIOUR = json.load(file)
REQUEST_NUMBERS = count(1)
STARTED = time.monotonic()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if BEHAVIOUR.get("neverReady") or time.monotonic() < STARTED + BEHAVIOUR.get("readyAfter", 0):
            self.respond(503, {})
        else:
            self.respond(200, {"ready": True})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        url = urlsplit(self.path)
        seconds = float(parse_qs(url.query).get("seconds", ["0"])[0])
        if url.path == "/api/v1/query":
            data = {"resultType": "scalar", "result": [0, str(BEHAVIOUR.get("value", 1.0))]}
            self.respond(200, {"status": "success", "data": data})
            return
        if url.path == "/stream":
            self.stream(seconds)
            return
        time.sleep(seconds + BEHAVIOUR.get("delayMs", 0) / 1000)
        number, every = next(REQUEST_NUMBERS), BEHAVIOUR.get("failEvery")
        if every and number % every == 0:
            self.respond(500, {"error": "scripted failure"})
            return
        value = BEHAVIOUR.get("value", 1.0)
        output = {"name": "y", "shape": [1, 1], "datatype": "FP64", "data": [value]}
        self.respond(200, {"model_name": "behaving", "id": str(number), "outputs": [output]})

    def respond(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, seconds: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.chunk(b"data: token\n\n")
            time.sleep(0.2)
        self.chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


# The first process of a container ignores SIGTERM without a handler.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
if BEHAVIOUR.get("crash"):
    sys.exit("this version never starts")
Server(("127.0.0.1", int(os.environ["MODELOPS_MODEL_PORT"])), Handler).serve_forever()

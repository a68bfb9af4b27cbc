"""Server of a benchmark that answers nobody properly. Run with `python3 -c`.

Every port accepts connections. Port 9090, where the operator asks a model's Pods, never answers. Port 8000 answers by
the first part of the path, which for S3 is the bucket:

hanging   never
endless   an answer that never ends
dripping  a byte every second
paging    pages of a listing without objects, each of which names a next one
"""

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread

PAGE_NUMBERS = count(1)
PAGE = (
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>paging</Name><Prefix></Prefix><KeyCount>0</KeyCount>'
    "<MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>"
    "</ListBucketResult>"
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        kind = self.path.split("?")[0].strip("/").split("/")[0]
        if self.connection.getsockname()[1] == 9090 or kind == "hanging":
            time.sleep(3600)
        elif kind == "paging":
            body = (PAGE % next(PAGE_NUMBERS)).encode()
            self.head(len(body))
            self.wfile.write(body)
        else:
            self.head(1 << 40)
            while True:
                self.wfile.write(b" " * (1 if kind == "dripping" else 1 << 16))
                time.sleep(1.0 if kind == "dripping" else 0.01)

    do_GET = do_HEAD = do_POST = answer

    def head(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


if __name__ == "__main__":
    Thread(target=Server(("0.0.0.0", 9090), Handler).serve_forever, daemon=True).start()
    Server(("0.0.0.0", 8000), Handler).serve_forever()

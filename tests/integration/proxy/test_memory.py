"""What is held of requests has an end: a proxy that the kernel kills for its memory loses all of them."""

import contextlib
import socket
from pathlib import Path

from support.proxies import running_proxy

MIB = 1 << 20
HEAD = b"POST /slow HTTP/1.1\r\nHost: model\r\nContent-Length: %d\r\n\r\n" % (64 * MIB)


def test_uploads_within_the_limit_are_not_held(model, tmp_path):
    """Twelve clients send most of a large body, together more than the container may use, and a model that does not
    read them yet costs the proxy next to nothing. Who asks beside them is answered.
    """
    with running_proxy(model, tmp_path, MAX_BODY_BYTES=64 * MIB) as proxy, contextlib.ExitStack() as closed:
        before = rss(proxy)
        for _ in range(12):
            upload = closed.enter_context(socket.create_connection((proxy.address, proxy.http), 10))
            upload.sendall(HEAD)
            upload.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                for _ in range(60):
                    upload.sendall(bytes(MIB))
        assert rss(proxy) - before < 128 * MIB
        assert proxy.ask("/", "POST", b"x").status == 200


def rss(proxy) -> int:
    """Of all processes of the container, in bytes."""
    found = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            told = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            if proxy.process.pid in (int(told["Pid"]), int(told["PPid"])) and "VmRSS" in told:
                found += int(told["VmRSS"].split()[0]) * 1024
    return found

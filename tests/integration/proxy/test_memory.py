"""Memory for requests is bounded: if the kernel kills a proxy for its memory, all its requests are lost."""

import contextlib
import socket
from pathlib import Path

from support.proxy.proxies import Model, Proxy, running_proxy

MIB = 1 << 20
HEAD = b"POST /slow HTTP/1.1\r\nHost: model\r\nContent-Length: %d\r\n\r\n" % (64 * MIB)


def test_uploads_within_the_limit_are_not_buffered(model: Model, tmp_path: Path) -> None:
    """Large uploads to a model that does not read them yet cost the proxy almost no memory.

    Twelve clients send most of a large body, together more than the container may use. Other requests are answered
    meanwhile.
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
        assert proxy.request("/", "POST", b"x").status == 200


def rss(proxy: Proxy) -> int:
    """Return the resident memory of all processes of the container, in bytes."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            if proxy.process.pid in (int(fields["Pid"]), int(fields["PPid"])) and "VmRSS" in fields:
                total += int(fields["VmRSS"].split()[0]) * 1024
    return total

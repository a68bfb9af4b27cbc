"""The client sends the URL that it wrote, and nothing that a library made of it."""

import asyncio

from kubernetes.aio import client

from modelops.machinery.kube import Kube
from modelops.machinery.resources import PODS


async def test_the_url_is_sent_as_it_was_written() -> None:
    """A library that decodes a part of a URL, and resolves its dot segments, asks for another object."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n")
        writer.write(b'{"items":[]}')
        await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    kube = Kube(client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{port}/a/../%2e%2e")))
    try:
        assert await kube.find(PODS, "team", "name=a/../%2e%2e", fields="spec.nodeName=ä") == []
    finally:
        await kube.close()
        server.close()
    selectors = "limit=1000&labelSelector=name%3Da%2F..%2F%252e%252e&fieldSelector=spec.nodeName%3D%C3%A4"
    assert asked == [f"GET /a/../%2e%2e/api/v1/namespaces/team/pods?{selectors} HTTP/1.1"]

"""Statistics of proxies over real HTTP: parsed from real pages, and None from anything else."""

import asyncio
from contextlib import nullcontext

import pytest
from aiohttp import web

from modelops.controllers.inferenceservice.analysis import proxy_stats
from modelops.controllers.inferenceservice.analysis.proxy_stats import fetch_proxy_stats
from support.checkout import TEST_DATA
from support.proxy.http_responder import Handler, Serve, respond

FIGURES = (TEST_DATA / "envoy-figures.json").read_bytes()
ROUTES = (TEST_DATA / "envoy-routes-dump.json").read_bytes()


def pages(*, figures: bytes, routes: bytes) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body={"/figures": figures, "/routes": routes}[request.path])

    return handler


async def test_the_pages_of_a_real_proxy_are_its_statistics(serve: Serve) -> None:
    port = await serve(pages(figures=FIGURES, routes=ROUTES))
    fetched = await fetch_proxy_stats(["127.0.0.1", "127.0.0.2"], nullcontext, port)
    # No server listens at the other address.
    assert fetched["127.0.0.2"] is None
    stats = fetched["127.0.0.1"]
    assert stats is not None
    assert (stats.model.requests, stats.in_flight, stats.routes) == (53, 0, "weights-0123abcd")
    assert (stats.candidate.requests, stats.candidate.errors) == (23, 3)


@pytest.mark.parametrize(
    ("figures", "routes"),
    [
        pytest.param(b"{}", ROUTES, id="figures without statistics"),
        pytest.param(b"", ROUTES, id="empty figures"),
        pytest.param(FIGURES, b"[]", id="routes that are a list"),
        pytest.param(FIGURES, b"x" * (1 << 20) + b"x", id="routes larger than 1 MiB"),
    ],
)
async def test_other_pages_have_no_statistics(serve: Serve, figures: bytes, routes: bytes) -> None:
    port = await serve(pages(figures=figures, routes=routes))
    assert await fetch_proxy_stats(["127.0.0.1"], nullcontext, port) == {"127.0.0.1": None}


async def test_an_older_proxy_without_the_pages_has_no_statistics(serve: Serve) -> None:
    port = await serve(respond(b"", 404))
    assert await fetch_proxy_stats(["127.0.0.1"], nullcontext, port) == {"127.0.0.1": None}


async def test_pods_that_do_not_respond_cost_one_timeout_together(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    port = await serve(handler)
    clock = asyncio.get_running_loop().time
    began = clock()
    assert set((await fetch_proxy_stats([f"127.0.0.{n}" for n in range(1, 41)], nullcontext, port)).values()) == {None}
    assert clock() - began < 5


def test_a_page_of_a_proxy_is_limited_to_1_mib() -> None:
    """All pages under way fit into memory, whoever sends them."""
    assert proxy_stats._MAX_BYTES <= 1 << 20

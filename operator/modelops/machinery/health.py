"""Health and metrics over HTTP, all of them measured."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from modelops.machinery import metrics
from modelops.machinery.cache import Cache
from modelops.machinery.freshness import Freshness
from modelops.machinery.scheduling.queue import Queue

_STUCK_SECONDS = 900.0
"""Time without any progress. The age of one key is no measure: neither an object whose reconcile hangs nor a namespace
with very many objects may have all others' operator restarted."""


def problems(freshness: Freshness, queue: Queue, leading: bool) -> list[str]:
    """Return the problems that a restart would mend, one sentence each."""
    sentences = [f"the watch of {plural} is behind" for plural in freshness.stale()]
    if leading and queue.idle_seconds() > _STUCK_SECONDS:
        sentences.append(f"no reconcile has begun or ended for {queue.idle_seconds():.0f} s, though keys wait")
    return sentences


async def serve(
    port: int,
    freshness: Freshness,
    queue: Queue,
    cache: Cache,
    leading: Callable[[], bool],
    synced: Callable[[], bool],
) -> web.AppRunner:
    """Serve /healthz, /readyz and /metrics on all interfaces. Call `cleanup` of the returned runner to stop."""

    async def healthz(_: web.Request) -> web.Response:
        sentences = problems(freshness, queue, leading())
        return web.Response(text="; ".join(sentences) or "ok", status=500 if sentences else 200)

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok") if synced() else web.Response(text="initial LIST not finished", status=503)

    async def show_metrics(_: web.Request) -> web.Response:
        freshness.publish()
        cache.publish()
        metrics.QUEUE_OLDEST_SECONDS.set(queue.oldest_seconds())
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", show_metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()
    return runner

"""`make bench [ONLY=name]`: benchmarks of the controllers under load, of the worker with much data, and of the proxy.

On the cluster of the tests:

- `trainingruns_500`: time until 500 TrainingRuns, created at once, have 500 Jobs, whose Pods fit no node.
- `restart`: start of the operator with all of these objects settled.
- `sweep_50`: cost of a trial of a sweep, compared with a run of its own.
- `fairness`: work of one namespace, alone and beside another one whose Pods, hooks and sources do not answer.

Without a cluster:

- `snapshot`: snapshots of prefixes of up to 100,000 objects.
- `fetch`: parallel fetch of large and small objects, compared with a serial one.
- `proxy`: requests through a model's proxy.

ONLY is a benchmark's name, or the name of one of its figures.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

from kubernetes.aio import client, config

from bench import data_figures, operator_figures, proxy_figures
from bench.fairness import fairness
from bench.report import Figure, keep, table
from bench.sweep import sweep_50
from hack.cluster import places
from hack.cluster.__main__ import node
from hack.deploy import NAMESPACE, RELEASE, deploy
from hack.steps import Step, Steps
from modelops.machinery.kube import Kube
from modelops.machinery.resources import TRAINING_RUNS
from support.cluster import operator_process, real_cluster
from support.cluster.real_cluster import RealCluster

RUNS = 500
_SPACE = "bench"
_AT_ONCE = 32


async def trainingruns_500(cluster: RealCluster) -> list[Figure]:
    """Measure the time from the first creation until all Jobs exist, then the writes until nothing changes."""
    await _remove(cluster)
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _SPACE}})
    before = operator_figures.read(cluster)
    async with await _api(cluster) as counting:
        started = time.monotonic()
        await _create(await _api(cluster))
        created = time.monotonic() - started
        await _until(lambda: _count_jobs(counting), RUNS)
        seconds = time.monotonic() - started
    at_jobs = operator_figures.read(cluster)
    await _settled(cluster)
    after = operator_figures.read(cluster)
    return [
        Figure("trainingruns_500_created", created, "s", "creation of all runs by the client"),
        Figure("trainingruns_500_jobs", seconds, "s", "< 3 (Kubeflow Trainer 12.3, raised limits 9.9)"),
        Figure("trainingruns_500_cpu", at_jobs.cpu_seconds - before.cpu_seconds, "CPU s", "< 2 (Trainer 4.5 to 5.9)"),
        Figure("trainingruns_500_rss", after.rss_peak_mib, "MiB", "< 120 (Trainer 74 + 85)"),
        Figure("trainingruns_500_api_errors", after.errors - before.errors, "calls", "0"),
        Figure(
            "writes_per_run_pending", (after.writes - before.writes) / RUNS, "writes", "<= 6 until a run has finished"
        ),
    ]


async def restart(cluster: RealCluster) -> list[Figure]:
    """Measure the time until both replicas have started again and written nothing, with all objects settled."""
    if len(cluster.kubectl.listed("trainingruns", _SPACE)) < RUNS:
        await trainingruns_500(cluster)
    cluster.kubectl("scale", "deployment", RELEASE, "-n", NAMESPACE, "--replicas=0")
    cluster.kubectl("wait", "--for=delete", "pod", "--all", "-n", NAMESPACE, "--timeout=60s")
    started = time.monotonic()
    cluster.kubectl("scale", "deployment", RELEASE, "-n", NAMESPACE, "--replicas=2")
    cluster.kubectl("rollout", "status", f"deployment/{RELEASE}", "-n", NAMESPACE, "--timeout=120s")
    seconds = await _settled(cluster) - started
    after = operator_figures.read(cluster)
    return [
        Figure("restart_objects", after.objects, "objects", "settled, in the cache"),
        Figure("restart_ready", seconds, "s", "< 15, Pod start and election included"),
        Figure("restart_writes", after.writes, "writes", "0"),
        Figure("restart_cpu", after.cpu_seconds, "CPU s", ""),
        Figure("restart_rss", after.rss_peak_mib, "MiB", "< 200"),
    ]


SCENARIOS = {
    "trainingruns_500": trainingruns_500,
    "restart": restart,
    "sweep_50": sweep_50,
    "fairness": fairness,
}
WITHOUT_CLUSTER = {"snapshot": data_figures.snapshots, "fetch": data_figures.fetches, "proxy": proxy_figures.requests}


async def _settled(cluster: RealCluster, quiet_seconds: float = 6.0) -> float:
    """Wait until the operator writes nothing for `quiet_seconds` and its queue is empty.

    Return the start of that time on the monotonic clock.
    """
    last, since = -1.0, time.monotonic()
    while time.monotonic() - since < quiet_seconds:
        await asyncio.sleep(0.5)
        figures = operator_figures.read(cluster)
        if figures.writes != last or figures.queue:
            last, since = figures.writes, time.monotonic()
    return since


async def _api(cluster: RealCluster) -> client.ApiClient:
    configuration = client.Configuration()
    await config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=str(cluster.place.kubeconfig), client_configuration=configuration
    )
    configuration.connection_pool_maxsize = _AT_ONCE
    return client.ApiClient(configuration)


async def _create(api: client.ApiClient) -> None:
    """Create the runs with the operator's client, which is light: this process shares two cores with the cluster."""
    kube = Kube(api)
    free = asyncio.Semaphore(_AT_ONCE)

    async def create_run(number: int) -> None:
        async with free:
            await kube.create(TRAINING_RUNS, _run(number))

    try:
        await asyncio.gather(*(create_run(number) for number in range(RUNS)))
    finally:
        await kube.close()


def _run(number: int) -> dict[str, object]:
    return {
        "apiVersion": "modelops.dev/v1alpha1",
        "kind": "TrainingRun",
        "metadata": {"name": f"run-{number:04}", "namespace": _SPACE},
        "spec": {
            "parameters": {"number": str(number)},
            "trainer": {"image": "localhost/bench/none@sha256:" + "0" * 64, "command": ["true"]},
            "pod": {"nodeSelector": {"modelops.dev/bench": "no-node-has-this"}},
            "output": {"model": "bench", "format": "sklearn"},
        },
    }


async def _count_jobs(api: client.ApiClient) -> int:
    answer = await client.BatchV1Api(api).list_namespaced_job_without_preload_content(_SPACE, limit=1)
    page = json.loads(await answer.read())
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))


async def _until(count: Callable[[], Awaitable[int]], expected: int, within: float = 120.0) -> None:
    deadline = time.monotonic() + within
    while await count() < expected:
        assert time.monotonic() < deadline, f"fewer than {expected} Jobs after {within:.0f} s"
        await asyncio.sleep(0.05)


async def _remove(cluster: RealCluster) -> None:
    cluster.kubectl("delete", "namespace", _SPACE, "--ignore-not-found", "--wait=true", "--timeout=300s")


def main() -> int:
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = {name for name in (*SCENARIOS, *WITHOUT_CLUSTER) if not only or only.startswith(name)}
    if not chosen:
        known = ", ".join((*SCENARIOS, *WITHOUT_CLUSTER))
        print(f"no benchmark is named {only}; known are {known}", file=sys.stderr)
        return 2
    place = places.Cluster("test")
    steps = Steps(place.logs)
    figures = _on_the_cluster(place, steps, chosen) if chosen & SCENARIOS.keys() else []
    for name in (name for name in WITHOUT_CLUSTER if name in chosen):
        with steps.step(f"Benchmark {name}"):
            figures += WITHOUT_CLUSTER[name]()
    keep(figures)
    print("\n" + table(figures) + "\n")
    return 0


def _on_the_cluster(place: places.Cluster, steps: Steps, chosen: set[str]) -> list[Figure]:
    images = deploy(place, steps)
    step = Step("bench", place.logs / "bench.log")
    cluster = real_cluster.connect(place, step, images)
    operator_process.restart(cluster)
    figures: list[Figure] = []
    for name in (name for name in SCENARIOS if name in chosen):
        with steps.step(f"Benchmark {name}"):
            figures += asyncio.run(SCENARIOS[name](cluster))
    if "--keep" not in sys.argv:
        node(place).down(steps)
    return figures


if __name__ == "__main__":
    sys.exit(main())

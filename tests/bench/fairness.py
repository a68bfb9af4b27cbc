"""How much one namespace slows another one down: work of a calm namespace, alone and beside one that answers nobody.

The other namespace has 32 InferenceServices in a rollout whose Pods do not answer, 8 of which have a hook that hangs, 8
Datasets whose S3 service answers without end, by the byte or with ever new pages, and 1,000 invalid TrainingRuns that a
client keeps changing. Its Pods fit no node, and cost no CPU: this benchmark writes into their status that they are
ready, at the address of a server that never answers.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from kubernetes.aio import client, config

from bench import operator_figures
from bench.report import Figure
from modelops.machinery.kube import Kube
from modelops.machinery.resources import TRAINING_RUNS, Key
from support.cluster import real_cluster, scripted_model
from support.cluster.polling import poll
from support.cluster.real_cluster import Body, RealCluster, Space

_CALM, _NOISY = "bench-fair-calm", "bench-fair-noisy"
_ROUNDS = 3
_SERVICES, _HOOKS, _DATASETS, _INVALID = 32, 8, 8, 1_000
_AT_ONCE = 32
_PAUSE_SECONDS = 0.05
"""Pause between two changes of invalid objects."""
_LONGEST_SECONDS = 300.0
_KINDS = ("endless", "dripping", "paging")
_NOWHERE: Body = {"modelops.dev/bench": "no-node-has-this"}
_SILENT = (Path(__file__).parent / "silent_server.py").read_text()


@dataclass(frozen=True)
class _Round:
    """Seconds that the calm namespace waited."""

    job: float
    """From the creation of a TrainingRun until its Job exists."""
    step: float
    """From another version of an InferenceService until a tenth of the traffic goes to it, its Pod's start included."""
    hook: float
    """From then until a hook's result is in the status."""


async def fairness(cluster: RealCluster) -> list[Figure]:
    """Measure the calm namespace alone, then beside the other one."""
    for name in (_CALM, _NOISY):
        cluster.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=true", "--timeout=300s")
    calm = real_cluster.make_space(cluster, _CALM)
    await asyncio.to_thread(_serve, calm)
    alone = [await asyncio.to_thread(_round, calm, number) for number in range(_ROUNDS)]
    noisy = real_cluster.make_space(cluster, _NOISY)
    await asyncio.to_thread(_begin_silence, noisy)
    async with _invalid_objects(cluster):
        beside = [await asyncio.to_thread(_round, calm, number) for number in range(_ROUNDS, 2 * _ROUNDS)]
    after = operator_figures.read(cluster)
    for name in (_CALM, _NOISY):
        cluster.kubectl("delete", "namespace", name, "--wait=false")
    compared = [
        *_compared("job", "until a run's Job exists", alone, beside, lambda one: one.job),
        *_compared("step", "until a canary's first step", alone, beside, lambda one: one.step),
        *_compared("hook", "until a hook's result", alone, beside, lambda one: one.hook),
    ]
    return [*compared, Figure("fairness_rss", after.rss_peak_mib, "MiB", "< 256, half of the limit")]


def _compared(
    name: str, what: str, alone: list[_Round], beside: list[_Round], seconds: Callable[[_Round], float]
) -> list[Figure]:
    undisturbed, disturbed = (median(seconds(one) for one in rounds) for rounds in (alone, beside))
    return [
        Figure(f"fairness_{name}_undisturbed", undisturbed, "s", what),
        Figure(f"fairness_{name}_disturbed", disturbed, "s", "beside a namespace that answers nobody"),
        Figure(f"fairness_{name}_ratio", disturbed / undisturbed, "x", "<= 2"),
    ]


def _serve(calm: Space) -> None:
    """Serve the first version, and a judge that answers the hook."""
    calm.apply(scripted_model.version(calm, "v1"), scripted_model.version(calm, "v2"))
    calm.apply(scripted_model.service(calm, "v1", name="judge"), _calm_service(calm, "v1"))
    for name in ("judge", "isvc"):
        calm.wait("inferenceservice", name, scripted_model.serves("v1"), within=180)


def _calm_service(calm: Space, version: str) -> Body:
    judge = f"http://judge.{calm.name}.svc.cluster.local{scripted_model.PATH}"
    checks = [{"name": "judge", "hook": {"url": judge}}]
    rollout = {"steps": [{"weight": 10, "hold": "3s"}], "analysis": {"interval": "1s", "checks": checks}}
    return scripted_model.service(calm, version, rollout=rollout)


def _round(calm: Space, number: int) -> _Round:
    """Start a run, and roll out the version that does not serve."""
    name, version = f"run-{number}", "v1" if number % 2 else "v2"
    run = calm.run(name, dataset=None, parameters={"number": str(number)}, pod={"nodeSelector": _NOWHERE})
    began = time.monotonic()
    calm.apply(run)
    while not any(_owner(job) == name for job in calm.listed("jobs")):
        assert time.monotonic() - began < _LONGEST_SECONDS, f"the TrainingRun {name} has no Job"
        time.sleep(0.02)
    job = time.monotonic() - began
    began = time.monotonic()
    calm.apply(_calm_service(calm, version))
    calm.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=_LONGEST_SECONDS)
    in_step = time.monotonic()
    calm.wait("inferenceservice", "isvc", lambda body: _judged(body) or _serves(body, version), within=_LONGEST_SECONDS)
    judged = time.monotonic()
    calm.wait("inferenceservice", "isvc", scripted_model.serves(version), within=_LONGEST_SECONDS)
    return _Round(job, in_step - began, judged - in_step)


def _judged(body: Body) -> bool:
    checks = body["status"].get("candidate", {}).get("analysis", {}).get("checks", [])
    return any(check["name"] == "judge" and check["outcome"] == "Passed" for check in checks)


def _serves(body: Body, version: str) -> bool:
    return bool(body["status"].get("stable", {}).get("version") == version)


def _owner(body: Body) -> str:
    owners = body["metadata"].get("ownerReferences", [])
    return next((str(owner["name"]) for owner in owners if owner["kind"] == "TrainingRun"), "")


def _begin_silence(noisy: Space) -> None:
    """Have rollouts whose Pods do not answer, hooks that hang and sources that never end."""
    noisy.apply(*_silent_server(noisy))
    server = noisy.wait("pod", "silent", lambda body: bool(body["status"]["podIP"] and _is_ready(body)), within=120)
    address = server["status"]["podIP"]
    noisy.apply(scripted_model.version(noisy, "v1"), scripted_model.version(noisy, "v2"))
    for version in ("v1", "v2"):
        noisy.apply(*(_silent_service(noisy, version, number) for number in range(_SERVICES)))
        _pretend_ready(noisy, version, address)
        if version == "v1":
            for number in range(_SERVICES):
                noisy.wait("inferenceservice", f"silent-{number}", scripted_model.serves("v1"), within=_LONGEST_SECONDS)
    noisy.apply(*(_endless_dataset(noisy, number) for number in range(_DATASETS)))
    # The operator takes the routes of silent proxies to be in effect after minutes, and calls the hooks then.
    for number in range(_HOOKS):
        noisy.wait("inferenceservice", f"silent-{number}", scripted_model.in_step(1), within=_LONGEST_SECONDS)


def _silent_service(noisy: Space, version: str, number: int) -> Body:
    url = f"http://silent.{noisy.name}.svc.cluster.local:8000/hanging"
    checks = [{"name": "hanging", "hook": {"url": url, "timeout": "30s"}}] if number < _HOOKS else []
    analysis = {"interval": "1s", "checks": checks, "inputDistance": {"max": 0.5}}
    rollout = {"steps": [{"weight": 10}], "analysis": analysis, "deadline": "2h"}
    pod = {"nodeSelector": _NOWHERE}
    return scripted_model.service(noisy, version, name=f"silent-{number}", rollout=rollout, pod=pod)


def _pretend_ready(noisy: Space, version: str, address: str) -> None:
    """Write into the status of a version's Pods that they are ready at an address where nobody answers."""
    pods = poll(
        lambda: [pod for pod in noisy.listed("pods") if _serves_version(pod, version)],
        lambda pods: len(pods) == _SERVICES,
        within=_LONGEST_SECONDS,
        awaited=f"{_SERVICES} Pods of {version}",
    )
    conditions = [{"type": kind, "status": "True"} for kind in ("ContainersReady", "Ready")]
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}
    patch = json.dumps({"status": status})
    for pod in pods:
        name = pod["metadata"]["name"]
        arguments = ("pod", name, "-n", noisy.name, "--subresource=status", "--type=strategic", "-p", patch)
        noisy.cluster.kubectl("patch", *arguments)


def _serves_version(pod: Body, version: str) -> bool:
    return bool(pod["metadata"].get("labels", {}).get("modelops.dev/modelversion") == version)


def _is_ready(pod: Body) -> bool:
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in pod["status"]["conditions"])


def _endless_dataset(noisy: Space, number: int) -> Body:
    kind = _KINDS[number % len(_KINDS)]
    endpoint = f"http://silent.{noisy.name}.svc.cluster.local:8000"
    source = {"bucket": kind, "endpoint": endpoint, "region": "us-east-1", "secretRef": {"name": "s3"}}
    return noisy.object("Dataset", f"{kind}-{number}", {"source": {"s3": source}, "interval": "1s"})


def _silent_server(noisy: Space) -> tuple[Body, Body]:
    labels = {"app": "silent"}
    container = {
        "name": "server",
        "image": noisy.cluster.images["examples"].by_digest,
        "command": ["python3", "-c", _SILENT],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "containers": [container],
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 1,
    }
    metadata = {"name": "silent", "namespace": noisy.name}
    return (
        {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "labels": labels}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"port": 8000, "targetPort": 8000}]},
        },
    )


@contextlib.asynccontextmanager
async def _invalid_objects(cluster: RealCluster) -> AsyncIterator[None]:
    """Create the invalid objects, and keep changing them during the block."""
    configuration = client.Configuration()
    await config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=str(cluster.place.kubeconfig), client_configuration=configuration
    )
    kube = Kube(client.ApiClient(configuration))
    free = asyncio.Semaphore(_AT_ONCE)

    async def create(number: int) -> None:
        async with free:
            await kube.create(TRAINING_RUNS, _invalid_run(number))

    try:
        await asyncio.gather(*(create(number) for number in range(_INVALID)))
        changing = asyncio.create_task(_change(kube))
        try:
            yield
        finally:
            changing.cancel()
            await asyncio.gather(changing, return_exceptions=True)
    finally:
        await kube.close()


async def _change(kube: Kube) -> None:
    """Change one object after the other, for ever: each change enqueues the object."""
    change = 0
    while True:
        change += 1
        body = _invalid_run(change % _INVALID)
        body["spec"]["parameters"] = {"change": str(change)}
        await kube.apply(TRAINING_RUNS, body)
        await asyncio.sleep(_PAUSE_SECONDS)


def _invalid_run(number: int) -> Body:
    """Build a run that passes admission, and whose schedule the operator rejects."""
    key = Key(TRAINING_RUNS.kind, _NOISY, f"invalid-{number:04}")
    return {
        "apiVersion": TRAINING_RUNS.api_version,
        "kind": key.kind,
        "metadata": {"name": key.name, "namespace": key.namespace},
        "spec": {
            "trainer": {"image": "localhost/bench/none@sha256:" + "0" * 64, "command": ["true"]},
            "rerun": {"schedule": "61 25 32 13 9"},
            "output": {"model": "bench", "format": "sklearn"},
        },
    }

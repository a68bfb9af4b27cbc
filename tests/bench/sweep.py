"""Cost of a trial of a sweep compared with a run of its own: the same 50 runs, as one sweep and one by one."""

import asyncio
import time
from typing import Any

from bench import operator_figures
from bench.report import Figure
from support import real_cluster
from support.real_cluster import Body, RealCluster, Space, has

_TRIALS = 50
_AT_ONCE = 5
_SPACE = "bench-sweep"
_NOTHING = """echo model >/opt/ml/model/model; echo '{"score": 1}' >/opt/ml/output/metrics.json"""
_LONGEST_SECONDS = 1800


async def sweep_50(cluster: RealCluster) -> list[Figure]:
    """Measure 50 trials of a trainer that does nothing, then 50 runs of the same trainer, both 5 at once."""
    cluster.kubectl("delete", "namespace", _SPACE, "--ignore-not-found", "--wait=true", "--timeout=300s")
    space = real_cluster.make_space(cluster, _SPACE)
    before = operator_figures.read(cluster)
    as_sweep = await asyncio.to_thread(_as_sweep, space)
    between = operator_figures.read(cluster)
    one_by_one = await asyncio.to_thread(_one_by_one, space)
    after = operator_figures.read(cluster)
    cpu = (between.cpu_seconds - before.cpu_seconds) - (after.cpu_seconds - between.cpu_seconds)
    return [
        Figure("sweep_50_trial", as_sweep / _TRIALS, "s", "total / 50, 5 trials at once, random"),
        Figure("sweep_50_plain_run", one_by_one / _TRIALS, "s", "the same 50 as separate runs, 5 at once"),
        Figure("sweep_50_overhead", (as_sweep - one_by_one) / _TRIALS, "s", "< 0.2 a trial"),
        Figure("sweep_50_cpu", cpu / _TRIALS, "CPU s", "of the operator, more for a trial than for a run"),
        Figure("sweep_50_writes", (between.writes - before.writes) / _TRIALS, "writes", "a trial"),
        Figure("sweep_50_rss", between.rss_peak_mib, "MiB", "< 200, with Optuna loaded"),
    ]


def _as_sweep(space: Space) -> float:
    number = {"name": "number", "type": "int", "min": 1, "max": 1_000_000}
    search: Body = {
        "algorithm": "random",
        "parameters": [number],
        "objective": {"metric": "score"},
        "parallelism": _AT_ONCE,
        "maxTrials": _TRIALS,
    }
    started = time.monotonic()
    space.apply(_run(space, "sweep", sweep=search))
    space.wait("trainingrun", "sweep", has("Ready"), within=_LONGEST_SECONDS)
    return time.monotonic() - started


def _one_by_one(space: Space) -> float:
    """Create the next run whenever a run has ended, as the sweep does. Return the seconds that all runs took."""
    started = time.monotonic()
    begun = 0
    while True:
        assert time.monotonic() - started < _LONGEST_SECONDS, "the runs have not ended in half an hour"
        runs = [run for run in space.listed("trainingruns") if run["metadata"]["name"].startswith("plain-")]
        ended = sum("outcome" in run.get("status", {}) for run in runs)
        if ended == _TRIALS:
            return time.monotonic() - started
        due = min(_TRIALS, ended + _AT_ONCE)
        if due > begun:
            space.apply(*(_run(space, f"plain-{n}", parameters={"number": str(n)}) for n in range(begun, due)))
            begun = due
        time.sleep(0.1)


def _run(space: Space, name: str, **spec: Any) -> Body:
    body = space.run(name, dataset=None, cache={"mode": "Ignore"}, **spec)
    body["spec"]["trainer"] |= {
        "command": ["sh", "-c", _NOTHING],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    }
    body["spec"]["output"]["registration"] = "Always" if "sweep" in spec else "Never"
    return body

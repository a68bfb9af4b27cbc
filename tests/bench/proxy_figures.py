"""Cost of the proxy in front of a model, also while the proxy's monitor fails: the real Envoy, without a cluster.

Everything is on the loopback: the clients, Envoy as the Pod's container starts Envoy, and a model that costs almost
nothing. CPU is that of Envoy alone, as the kernel counts CPU. The states of the proxy take turns, so that their ratios
hold on a machine with other load. Figures of peers were measured on another day; they are compared by their ratio to
a bare Envoy, which is also measured here.
"""

import contextlib
import http.client
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.load import Load, load
from bench.process_figures import cpu_seconds, rss_mib
from bench.report import Figure
from support.proxy.bare_envoy import BareEnvoy, running_bare_envoy
from support.proxy.fast_model import FastModel, running_fast_model
from support.proxy.proxies import Proxy, running_proxy, split


@dataclass(frozen=True)
class Peer:
    """Another proxy in front of a fast backend: medians under `wrk -t1 -c32`, on two idle cores."""

    cpu: float
    """CPU seconds per 1,000 requests."""
    p99_ms: float
    rss_mib: float


BARE_ENVOY = Peer(0.050, 2.9, 65)
KSERVE_AGENT = Peer(0.059, 5.8, 66)
"""KServe's agent, the sidecar that logs requests, with the logger off."""
KSERVE_LOGGER = Peer(0.20, 16, 920)
"""KServe's agent with the logger on for every request, until the backlog is drained."""
ROUNDS = 5
_CLIENTS = 32
_BUSY_SECONDS = 2.0
_CALM_SECONDS = 1.0
_WARM_UP_SECONDS = 0.5
_SCRAPED_EVERY = 0.25
_WEIGHT_CHANGES = 10


@dataclass(frozen=True)
class _Took:
    """Figures of one state in a round."""

    load: Load
    cpu: float
    """CPU seconds of Envoy per 1,000 requests."""
    rss: float
    """Resident memory of Envoy in MiB, at the end."""


@dataclass(frozen=True)
class _Round:
    """Figures of all states, measured one after the other."""

    direct: Load
    bare: _Took
    direct_calm: Load
    healthy_calm: Load
    healthy: _Took
    frozen: _Took
    dead: _Took


def requests(rounds: int = ROUNDS) -> list[Figure]:
    """Measure requests without a proxy, with a healthy proxy, and with a monitor that hangs or is killed."""
    with (
        tempfile.TemporaryDirectory(prefix="modelops-bench-") as directory,
        running_fast_model() as model,
        _all(model, Path(directory)) as proxies,
    ):
        for port in (proxies.bare.http, proxies.healthy.http, proxies.frozen.http, proxies.dead.http):
            load(port, _CLIENTS, _WARM_UP_SECONDS)
        measured = [_round(model, proxies) for _ in range(rounds)]
        return [*_costs(measured), *_troubles(measured), *_weights(proxies.healthy, proxies.frozen)]


@dataclass(frozen=True)
class _Proxies:
    """Proxies, one for each state, so that a round of a state does not change the others."""

    bare: BareEnvoy
    healthy: Proxy
    frozen: Proxy
    dead: Proxy


@contextlib.contextmanager
def _all(model: FastModel, root: Path) -> Iterator[_Proxies]:
    with contextlib.ExitStack() as running:

        def started(name: str, **settings: object) -> Proxy:
            (root / name).mkdir()
            return running.enter_context(running_proxy(model, root / name, **settings))

        bare = running.enter_context(running_bare_envoy(model, root))
        frozen, dead = started("frozen"), started("dead")
        healthy = started("healthy", CANDIDATE_HOST="127.0.0.1", CANDIDATE_PORT=frozen.http)
        for proxy in (healthy, frozen, dead):
            proxy.wait_until(partial(_monitor_answers, proxy))
        # A stopped monitor hangs: connections are accepted, but nothing is read or answered.
        os.kill(frozen.children()["monitor"], signal.SIGSTOP)
        running.enter_context(_meanwhile(lambda: _kill_monitor(dead), every=0.05))
        yield _Proxies(bare, healthy, frozen, dead)


def _monitor_answers(proxy: Proxy) -> bool:
    return proxy.request("/monitor/metrics", port=proxy.stats).status == 200


def _round(model: FastModel, proxies: _Proxies) -> _Round:
    healthy = proxies.healthy
    return _Round(
        direct=load(model.server_port, _CLIENTS, _BUSY_SECONDS),
        bare=_busy(proxies.bare.http, proxies.bare.pid),
        direct_calm=load(model.server_port, 1, _CALM_SECONDS),
        healthy_calm=load(healthy.http, 1, _CALM_SECONDS),
        healthy=_scraped(healthy),
        frozen=_scraped(proxies.frozen),
        dead=_scraped(proxies.dead),
    )


def _costs(rounds: list[_Round]) -> Iterator[Figure]:
    def middle(of: Callable[[_Round], float]) -> float:
        return median(of(round_) for round_ in rounds)

    agent, logger = f"KServe's agent {KSERVE_AGENT.cpu}", f"its logger on {KSERVE_LOGGER.cpu}"
    cpu = middle(lambda round_: round_.healthy.cpu)
    yield Figure(
        "proxy_direct_rate", middle(lambda round_: round_.direct.rate), "req/s", f"no proxy, {_CLIENTS} clients"
    )
    yield Figure(
        "proxy_rate",
        middle(lambda round_: round_.healthy.load.rate),
        "req/s",
        "with clients and model on the same machine",
    )
    yield Figure("proxy_cpu", cpu, "CPU s", f"1,000 requests: <= {KSERVE_AGENT.cpu} ({agent}, {logger})")
    yield Figure("proxy_rate_per_cpu", 1000 / cpu, "req/CPU s", f">= {1000 / KSERVE_AGENT.cpu:,.0f} ({agent})")
    yield Figure("proxy_cpu_to_agent", cpu / KSERVE_AGENT.cpu, "x", f"<= 1 ({agent})")
    yield Figure("proxy_cpu_to_logger", cpu / KSERVE_LOGGER.cpu, "x", f"< 0.5 ({logger}; nothing is captured here)")
    yield Figure(
        "proxy_rss", middle(lambda round_: round_.healthy.rss), "MiB", f"KServe's agent {KSERVE_AGENT.rss_mib}"
    )
    to_bare = middle(lambda round_: round_.healthy.cpu / round_.bare.cpu)
    target = f"<= {KSERVE_AGENT.cpu / BARE_ENVOY.cpu:.2f}, as KServe's agent"
    yield Figure("proxy_cpu_to_bare_envoy", to_bare, "x", target)
    to_bare = middle(lambda round_: round_.healthy.load.p99_ms / round_.bare.load.p99_ms)
    target = f"<= {KSERVE_AGENT.p99_ms / BARE_ENVOY.p99_ms:.2f}, as KServe's agent; {_CLIENTS} clients"
    yield Figure("proxy_p99_to_bare_envoy", to_bare, "x", target)
    p50 = middle(lambda round_: round_.healthy_calm.p50_ms - round_.direct_calm.p50_ms)
    p99 = middle(lambda round_: round_.healthy_calm.p99_ms - round_.direct_calm.p99_ms)
    yield Figure("proxy_p50_added", p50, "ms", "to a direct call, 1 client")
    yield Figure("proxy_p99_added", p99, "ms", "to a direct call, 1 client")


def _troubles(rounds: list[_Round]) -> Iterator[Figure]:
    states: dict[str, Callable[[_Round], _Took]] = {
        "frozen": lambda round_: round_.frozen,
        "dead": lambda round_: round_.dead,
    }
    for name, state in states.items():
        p99 = median(state(round_).load.p99_ms / round_.healthy.load.p99_ms for round_ in rounds)
        cpu = median(state(round_).cpu / round_.healthy.cpu for round_ in rounds)
        rss = median(state(round_).rss / round_.healthy.rss for round_ in rounds)
        yield Figure(f"proxy_{name}_p99", p99, "x healthy", "about 1")
        yield Figure(f"proxy_{name}_cpu", cpu, "x healthy", "about 1")
        yield Figure(f"proxy_{name}_rss", rss, "x healthy", "about 1")
    loads = [
        load_
        for round_ in rounds
        for load_ in (round_.healthy_calm, round_.healthy.load, round_.frozen.load, round_.dead.load)
    ]
    yield Figure("proxy_failed", sum(load_.failed for load_ in loads), "requests", "0")
    yield Figure("proxy_answered", sum(load_.answered for load_ in loads), "requests", "in all states")


def _weights(proxy: Proxy, candidate: Proxy) -> Iterator[Figure]:
    """Measure the time from the replacement of the file to the first answer of the version that now has all traffic."""
    candidate.route(version="candidate", revision="def")
    took = []
    for change in range(_WEIGHT_CHANGES):
        weight, version = (100, "candidate") if change % 2 == 0 else (0, split().version)
        started = time.monotonic()
        proxy.mount.write(split(weight=weight))
        while proxy.request("/invocations", "POST", b"{}").headers["x-modelops-model-version"] != version:
            assert time.monotonic() - started < 10, f"{version} has not answered after 10 s"
        took.append(time.monotonic() - started)
    yield Figure("proxy_weight_change", median(took), "s", "< 2 with the kubelet's part, not measured here")
    yield Figure("proxy_weight_change_longest", max(took), "s", f"of {_WEIGHT_CHANGES}")


def _busy(port: int, envoy: int) -> _Took:
    before = cpu_seconds(envoy)
    took = load(port, _CLIENTS, _BUSY_SECONDS)
    assert took.answered, f"none of {took.failed} requests was answered"
    return _Took(took, (cpu_seconds(envoy) - before) / took.answered * 1000, rss_mib(envoy))


def _scraped(proxy: Proxy) -> _Took:
    """Measure while the monitor is scraped, as by Prometheus: a monitor that hangs then has open connections."""
    with _meanwhile(lambda: _scrape(proxy), every=_SCRAPED_EVERY):
        return _busy(proxy.http, proxy.children()["envoy"])


def _kill_monitor(proxy: Proxy) -> None:
    if (monitor := proxy.children().get("monitor")) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(monitor, signal.SIGKILL)


def _scrape(proxy: Proxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.stats, timeout=_SCRAPED_EVERY)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/monitor/metrics")
        connection.getresponse().read()


@contextlib.contextmanager
def _meanwhile(do: Callable[[], None], every: float) -> Iterator[None]:
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(every):
            do()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

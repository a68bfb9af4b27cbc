"""Process of the monitor: receives captured requests from Envoy, serves the monitor's pages and probes the model.

Requests never pass through the monitor, and it runs at low CPU priority. SIGTERM keeps its default action: the monitor
has nothing to finish.
"""

import os
import threading
import time

from modelops.monitor.capture import receiver
from modelops.monitor.capture.aggregates import Aggregates
from modelops.monitor.capture.capture_metrics import CaptureMetrics, records_dropped
from modelops.monitor.capture.pairing import Pairing, fetch_over_http
from modelops.monitor.envoy.routes_file import refusal
from modelops.monitor.http_server import MonitorServer
from modelops.monitor.metrics import ModelMetrics
from modelops.monitor.settings import Settings

PROBE_INTERVAL_SECONDS = 5.0
_NICENESS = 10


def run(settings: Settings) -> None:
    """Run until the process is terminated."""
    os.nice(_NICENESS)
    threading.stack_size(2**20)  # the address space is limited, and a thread's default stack uses 8 MiB of it
    pairing = Pairing(fetch_over_http(settings.stats_port))
    aggregates = Aggregates(pairing)
    metrics = ModelMetrics(settings)
    metrics.registry.register(CaptureMetrics(aggregates, pairing, settings.admin_socket))
    http_server = MonitorServer(
        settings.monitor_socket,
        metrics.registry,
        aggregates,
        lambda: records_dropped(settings.admin_socket),
        lambda: refusal(settings),
    )
    # Before the pages: once a report can be read, no record is dropped because nothing receives it.
    server = receiver.start(aggregates, settings.capture_socket)
    for target in (http_server.serve_forever, pairing.run):
        threading.Thread(target=target, daemon=True).start()
    while server:
        metrics.probe()
        time.sleep(PROBE_INTERVAL_SECONDS)

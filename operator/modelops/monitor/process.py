"""The monitor process: it takes in what Envoy captures, serves its pages on loopback, and probes the model.

Requests never pass through it, and it takes the processor's time only where Envoy leaves some. SIGTERM keeps its
default action: there is nothing to finish, so it ends at once.
"""

import os
import threading
import time

from modelops.monitor.capture import receiver
from modelops.monitor.capture.aggregates import Capture
from modelops.monitor.capture.capture_metrics import CaptureMetrics, records_dropped
from modelops.monitor.capture.pairing import Pairing, asking
from modelops.monitor.http_server import Pages
from modelops.monitor.metrics import Monitor
from modelops.monitor.settings import Settings

PROBE_EVERY = 5.0
_NICE = 10


def run(settings: Settings) -> None:
    """Do all of it until told to end."""
    os.nice(_NICE)
    threading.stack_size(2**20)  # the address space is limited; a thread's usual stack takes 8 MiB of it
    pairing = Pairing(asking(settings.stats_port))
    capture = Capture(pairing)
    monitor = Monitor(settings)
    monitor.registry.register(CaptureMetrics(capture, pairing, settings.admin_port))
    pages = Pages(settings.monitor_port, monitor.registry, capture, lambda: records_dropped(settings.admin_port))
    for work in (pages.serve_forever, pairing.run):
        threading.Thread(target=work, daemon=True).start()
    server = receiver.start(capture, settings.capture_socket)
    while server:
        monitor.probe()
        time.sleep(PROBE_EVERY)

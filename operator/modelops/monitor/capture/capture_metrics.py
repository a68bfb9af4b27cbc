"""What Prometheus can learn about what is captured: how much there was, and how much was lost."""

import http.client
import json
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from modelops.monitor.capture.aggregates import Capture
from modelops.monitor.capture.pairing import Pairing

_DROPPED = "access_logs.grpc_access_log.logs_dropped"
"""Envoy's counter of what it had no room for."""
_TIMEOUT = 1.0


class CaptureMetrics(Collector):
    """Read whenever they are asked for."""

    def __init__(self, capture: Capture, pairing: Pairing, admin_port: int) -> None:
        self._capture = capture
        self._pairing = pairing
        self._admin_port = admin_port

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        capture, pairing = self._capture, self._pairing
        counts = {
            "received": ("Captured requests that came to the monitor.", capture.received),
            "unread": ("Those whose body or answer could not be read by column.", capture.unread),
            "dropped": (
                "Those that Envoy dropped rather than wait for the monitor.",
                records_dropped(self._admin_port),
            ),
        }
        for name, (meaning, count) in counts.items():
            yield CounterMetricFamily(f"modelops_capture_records_{name}", meaning, value=count)
        pairs = CounterMetricFamily(
            "modelops_capture_pairs", "Copies whose two answers were compared.", labels=["found"]
        )
        pairs.add_metric(["same"], pairing.agreed)
        pairs.add_metric(["different"], pairing.compared - pairing.agreed)
        pairs.add_metric(["unpaired"], pairing.unpaired)
        yield pairs


def records_dropped(admin_port: int) -> int:
    """How many records Envoy has dropped since it began; 0 where it does not say."""
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=_TIMEOUT)
    try:
        connection.request("GET", f"/stats?format=json&filter=^{_DROPPED}$")
        stats = json.loads(connection.getresponse().read())["stats"]
        return sum(one["value"] for one in stats if "value" in one)
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return 0
    finally:
        connection.close()

"""Prometheus metrics of capture: records received, unreadable and dropped, and pairs compared."""

import http.client
import json
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from modelops.monitor.capture.aggregates import Aggregates
from modelops.monitor.capture.pairing import Pairing
from modelops.monitor.unix_http import UnixHTTPConnection

_DROPPED_STAT = "access_logs.grpc_access_log.logs_dropped"
"""Envoy's counter of access log entries dropped because its buffer was full."""
_TIMEOUT_SECONDS = 1.0


class CaptureMetrics(Collector):
    """Collector that reads its values at each scrape."""

    def __init__(self, aggregates: Aggregates, pairing: Pairing, admin_socket: str) -> None:
        self._aggregates = aggregates
        self._pairing = pairing
        self._admin_socket = admin_socket

    def collect(self) -> Iterator[Metric]:
        """Yield all metric families."""
        aggregates, pairing = self._aggregates, self._pairing
        counts = {
            "received": ("Captured requests received by the monitor.", aggregates.received),
            "unread": (
                "Captured requests whose body or response could not be read by column.",
                aggregates.unread,
            ),
            "dropped": (
                "Captured requests that Envoy dropped because the monitor did not keep up.",
                records_dropped(self._admin_socket),
            ),
        }
        for name, (documentation, count) in counts.items():
            yield CounterMetricFamily(f"modelops_capture_records_{name}", documentation, value=count)
        pairs = CounterMetricFamily(
            "modelops_capture_pairs", "Mirrored requests by the result of comparing both predictions.", labels=["found"]
        )
        pairs.add_metric(["same"], pairing.agreed)
        pairs.add_metric(["different"], pairing.compared - pairing.agreed)
        pairs.add_metric(["unpaired"], pairing.unpaired)
        yield pairs


def records_dropped(admin_socket: str) -> int:
    """Return how many records Envoy has dropped since it started, or 0 if Envoy does not answer."""
    connection = UnixHTTPConnection(admin_socket, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"/stats?format=json&filter=^{_DROPPED_STAT}$")
        stats = json.loads(connection.getresponse().read())["stats"]
        return sum(stat["value"] for stat in stats if "value" in stat)
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return 0
    finally:
        connection.close()

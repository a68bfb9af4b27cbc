"""What Prometheus can learn about the model that its proxy does not know: which version it is, and whether it is ready,
by probes on loopback.
"""

import http.client
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from modelops.monitor.settings import Settings

PROBE_TIMEOUT = 2.0
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class Monitor:
    """The figures, and the one thing that changes them: a probe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        identity = {
            "inferenceservice": settings.inference_service,
            "model": settings.model_name,
            "modelversion": settings.model_version,
            "artifact_digest": settings.artifact_digest,
            "revision": settings.revision,
        }
        info = Gauge("modelops_model_info", "The model this Pod serves; always 1.", [*identity], registry=self.registry)
        info.labels(**identity).set(1)
        restarts = Counter(
            "modelops_monitor_restarts", "How often the monitor was started again.", registry=self.registry
        )
        restarts.inc(settings.monitor_restarts)
        self._up = Gauge("modelops_model_up", "1 while the model says that it is ready.", registry=self.registry)
        self._duration = Histogram(
            "modelops_model_probe_duration_seconds",
            "How long the model took to say whether it is ready.",
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def probe(self) -> bool:
        """Ask the model whether it is ready. No answer is an answer: not up."""
        started = time.perf_counter()
        up = _answers(self._settings.model_port, self._settings.readiness_path)
        self._duration.observe(time.perf_counter() - started)
        self._up.set(up)
        return up


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT)
    try:
        connection.request("GET", path, headers={"user-agent": "modelops-monitor"})
        return 200 <= connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

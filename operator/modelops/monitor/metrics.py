"""Prometheus metrics of the model that Envoy cannot provide: its identity, and its readiness by probes on loopback."""

import http.client
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from modelops.monitor.envoy.routes_file import refusal
from modelops.monitor.settings import Settings

PROBE_TIMEOUT_SECONDS = 2.0
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class ModelMetrics:
    """Registry of the metrics, updated by `probe`."""

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
        info = Gauge(
            "modelops_model_info",
            "Identity of the model that this Pod serves; always 1.",
            [*identity],
            registry=self.registry,
        )
        info.labels(**identity).set(1)
        restarts = Counter(
            "modelops_monitor_restarts", "Restarts of the monitor since the container started.", registry=self.registry
        )
        restarts.inc(settings.monitor_restarts)
        refused = Gauge(
            "modelops_routes_refused",
            "1 while the operator's routes are refused, and those before stay in effect, else 0.",
            registry=self.registry,
        )
        refused.set_function(lambda: float(refusal(settings) is not None))
        self._up = Gauge(
            "modelops_model_up", "1 if the last readiness probe of the model succeeded, else 0.", registry=self.registry
        )
        self._duration = Histogram(
            "modelops_model_probe_duration_seconds",
            "Duration of readiness probes of the model.",
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def probe(self) -> bool:
        """Probe the model's readiness path, record the result and return it. Without a response it is False."""
        started = time.perf_counter()
        ready = _is_ready(self._settings.model_port, self._settings.readiness_path)
        self._duration.observe(time.perf_counter() - started)
        self._up.set(ready)
        return ready


def _is_ready(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path, headers={"user-agent": "modelops-monitor"})
        return 200 <= connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

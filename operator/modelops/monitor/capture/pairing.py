"""Compare a candidate's predictions for mirrored requests with those of the Pods that mirrored them.

The candidate's monitor fetches the stable version's predictions from those Pods, never through the operator. No client
waits for the comparison.
"""

import http.client
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from modelops.monitor.capture.agreement import MAX_RESPONSE_BYTES, parse_predictions, predictions_agree
from modelops.monitor.capture.tables import Table

BATCH_SIZE = 128
"""Number of predictions that are fetched from a Pod per call."""
FETCH_AFTER_SECONDS = (1.5, 3.0, 6.0, 12.0, 24.0, 45.0)
"""Age of a mirrored request at each attempt to fetch the other prediction: Envoy logs in batches, and the other model
may be slow."""
MAX_PENDING = 20_000
MAX_PENDING_VALUES = 500_000
INTERVAL_SECONDS = 0.5
_TIMEOUT_SECONDS = 2.0

FetchPredictions = Callable[[str, list[str]], dict[str, Table]]
"""Fetch predictions by key from the Pod at an IP address. Raises OSError, ValueError and HTTPException."""


@dataclass
class MirroredRequest:
    """Mirrored request that this Pod's model has answered."""

    key: str
    mirrored_by: str
    """IP address of the Pod that stores the other prediction."""
    prediction: Table | None
    """None: this Pod's model rejected the request."""
    tolerance: float
    since: float
    attempts: int = 0
    values: int = field(init=False)

    def __post_init__(self) -> None:
        self.values = sum(map(len, (self.prediction or {}).values())) + 1

    @property
    def due(self) -> float:
        """Time of the next attempt to fetch the other prediction."""
        return self.since + FETCH_AFTER_SECONDS[self.attempts]


class Pairing:
    """Mirrored requests waiting for the other prediction, and counts of those compared. Thread-safe."""

    def __init__(self, fetch: FetchPredictions, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: list[MirroredRequest] = []
        self._values = 0
        self.compared = 0
        self.agreed = 0
        self.unpaired = 0
        """Mirrored requests whose other prediction could not be fetched, or for which there was no room."""

    def add(self, key: str, mirrored_by: str, prediction: Table | None, tolerance: float) -> None:
        """Schedule a comparison. A prediction of None says that this Pod's model rejected the request."""
        request = MirroredRequest(key, mirrored_by, prediction, tolerance, self._clock())
        with self._lock:
            if len(self._pending) >= MAX_PENDING or self._values + request.values > MAX_PENDING_VALUES:
                self.unpaired += 1
                return
            self._pending.append(request)
            self._values += request.values

    def compare_due(self) -> None:
        """Fetch the other predictions of all requests due, one Pod after the other, and compare them."""
        now = self._clock()
        with self._lock:
            due = [request for request in self._pending if request.due <= now]
        by_pod: dict[str, list[MirroredRequest]] = defaultdict(list)
        for request in due:
            by_pod[request.mirrored_by].append(request)
        compared: set[int] = set()
        for address, requests in by_pod.items():
            compared |= self._compare(address, requests)
        self._retire(due, compared)

    def run(self) -> None:
        """Compare what is due every INTERVAL_SECONDS, without end."""
        while True:
            time.sleep(INTERVAL_SECONDS)
            self.compare_due()

    def _compare(self, address: str, requests: list[MirroredRequest]) -> set[int]:
        compared = set()
        for first in range(0, len(requests), BATCH_SIZE):
            batch = requests[first : first + BATCH_SIZE]
            try:
                predictions = self._fetch(address, [request.key for request in batch])
            except (OSError, ValueError, http.client.HTTPException):
                break  # a Pod that does not answer must not delay the others; the next attempt fetches from it again
            for request in batch:
                other = predictions.pop(request.key, None)
                if other is not None:
                    compared.add(id(request))
                    self.compared += 1
                    self.agreed += request.prediction is not None and predictions_agree(
                        request.prediction, other, request.tolerance
                    )
        return compared

    def _retire(self, due: Iterable[MirroredRequest], compared: set[int]) -> None:
        for request in due:
            request.attempts += 1
        abandoned = {id(request) for request in due if request.attempts == len(FETCH_AFTER_SECONDS)} - compared
        finished = compared | abandoned
        with self._lock:
            self.unpaired += len(abandoned)
            self._values -= sum(request.values for request in self._pending if id(request) in finished)
            self._pending = [request for request in self._pending if id(request) not in finished]


def fetch_over_http(port: int) -> FetchPredictions:
    """Return a function that fetches predictions from other Pods' monitors, through their proxies' stats port."""

    def fetch(address: str, keys: list[str]) -> dict[str, Table]:
        connection = http.client.HTTPConnection(address, port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/monitor/answers/" + ",".join(keys))
            response = connection.getresponse()
            content = response.read(2 * MAX_RESPONSE_BYTES + 1)
            if response.status != 200 or len(content) > 2 * MAX_RESPONSE_BYTES:
                raise ValueError(f"HTTP {response.status}, {len(content)} bytes")
            return parse_predictions(content)
        finally:
            connection.close()

    return fetch

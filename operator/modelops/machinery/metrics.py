"""Metrics of the operator itself."""

from prometheus_client import Counter, Gauge, Histogram

API_CALLS = Counter(
    "modelops_api_calls_total", "Requests to the Kubernetes API. Code 0: no response.", ["verb", "resource", "code"]
)
RECONCILES = Counter("modelops_reconciles_total", "Reconciles by kind and result.", ["kind", "result"])
RECONCILE_SECONDS = Histogram(
    "modelops_reconcile_duration_seconds",
    "Duration of a reconcile in seconds.",
    ["kind"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
)
QUEUE_DEPTH = Gauge("modelops_queue_depth", "Objects that wait to be reconciled.")
QUEUE_OLDEST_SECONDS = Gauge(
    "modelops_queue_oldest_seconds", "Seconds since the oldest object that waits or is being reconciled was enqueued."
)
WATCH_AGE_SECONDS = Gauge("modelops_watch_age_seconds", "Seconds since a watch last delivered an event.", ["resource"])
WATCH_EVENTS = Counter("modelops_watch_events_total", "Events that watches delivered.", ["resource"])
MISSED_EVENTS = Counter(
    "modelops_watch_missed_total", "Changes that a resync found and the watch had missed.", ["resource"]
)
CACHED_OBJECTS = Gauge("modelops_cached_objects", "Objects in the cache.", ["resource"])
NAMESPACE_BYTES = Gauge(
    "modelops_cached_namespace_bytes",
    "Bytes of specs and annotations of a namespace's Datasets, TrainingRuns, ModelVersions and InferenceServices.",
    ["namespace"],
)
EVENTS = Counter("modelops_events_total", "Kubernetes Events recorded, whether written or dropped.", ["kind", "reason"])
EVENTS_DROPPED = Counter(
    "modelops_events_dropped_total", "Kubernetes Events dropped: the queue was full, or the write failed."
)
PROGRESS_POLLS = Counter(
    "modelops_progress_polls_total", "Polls of sidecars for the progress of their trainers, by result.", ["result"]
)
REPORTS_LEFT_OUT = Counter(
    "modelops_reports_left_out_total",
    "Reports of monitors that an analysis left out, since there was no memory for them.",
)
LEADER = Gauge("modelops_leader", "1 while this replica is the leader.")

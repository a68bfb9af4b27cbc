"""What the operator tells Prometheus about itself."""

from prometheus_client import Counter, Gauge, Histogram

API_CALLS = Counter(
    "modelops_api_calls_total", "Calls of the Kubernetes API. Code 0: no answer.", ["verb", "resource", "code"]
)
RECONCILES = Counter("modelops_reconciles_total", "Reconciles by kind and result.", ["kind", "result"])
RECONCILE_SECONDS = Histogram(
    "modelops_reconcile_duration_seconds",
    "How long a reconcile takes.",
    ["kind"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
)
QUEUE_DEPTH = Gauge("modelops_queue_depth", "Keys that wait for a worker.")
QUEUE_OLDEST_SECONDS = Gauge("modelops_queue_oldest_seconds", "How long the oldest key has waited or been worked on.")
WATCH_AGE_SECONDS = Gauge("modelops_watch_age_seconds", "How long ago a watch last delivered an event.", ["resource"])
WATCH_EVENTS = Counter("modelops_watch_events_total", "Events that watches delivered.", ["resource"])
MISSED_EVENTS = Counter(
    "modelops_watch_missed_total", "Objects that a full LIST found other than the watch had told.", ["resource"]
)
CACHED_OBJECTS = Gauge("modelops_cached_objects", "Objects in the cache.", ["resource"])
EVENTS = Counter("modelops_events_total", "Kubernetes Events, written or dropped.", ["kind", "reason"])
EVENTS_DROPPED = Counter("modelops_events_dropped_total", "Kubernetes Events that were not written.")
PROGRESS_POLLS = Counter(
    "modelops_progress_polls_total", "Questions to sidecars for the progress of their trainers, by result.", ["result"]
)
LEADER = Gauge("modelops_leader", "1 while this replica acts.")

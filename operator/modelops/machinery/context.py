"""Everything a reconcile may read. Plans do not import this module: they decide on what `observe` has read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from modelops.machinery.cache import Cache
from modelops.machinery.kube import Kube
from modelops.machinery.resources import Key
from modelops.machinery.settings import Settings


@dataclass(frozen=True)
class ReconcileContext:
    """Inputs of a reconcile: the cache, the API for what the cache does not hold, the settings, the time."""

    cache: Cache
    kube: Kube
    settings: Settings
    now: datetime
    enqueue: Callable[[Key], None] = lambda key: None
    """Reconcile an object again: a controller's background task calls this when it is done."""

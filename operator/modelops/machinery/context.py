"""What a reconcile may read. Pure modules do not import this: they decide on what `observe` has read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from modelops.machinery.cache import Cache
from modelops.machinery.kube import Kube
from modelops.machinery.resources import Key
from modelops.machinery.settings import Settings


@dataclass(frozen=True)
class ReconcileContext:
    """All that a controller may look at: the cache, the API where the cache has nothing, the settings, the time."""

    cache: Cache
    kube: Kube
    settings: Settings
    now: datetime
    enqueue: Callable[[Key], None] = lambda key: None
    """Have an object looked at again: for what a controller has started in the background."""

"""Do the same thing to many objects with a few threads, in bounded memory."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
THREADS = 8


def map_ordered(
    items: Iterable[T], action: Callable[[T], R], *, threads: int = THREADS, ahead: int = 4 * THREADS
) -> Iterator[R]:
    """The results of `action` in the items' order, at most `ahead` of them begun before they are asked for.

    The first exception ends it: what has not begun never does.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="map-ordered")
    begun: deque[Future[R]] = deque()
    stop = threading.Event()

    def unless_stopped(item: T) -> R:
        if stop.is_set():
            raise RuntimeError("stopped")
        return action(item)

    try:
        for item in items:
            begun.append(pool.submit(unless_stopped, item))
            if len(begun) >= ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)

"""Ordered map over many items with a few threads, in bounded memory."""

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
    """Yield the results of `action` in the items' order, with at most `ahead` of them started or waiting.

    The first exception ends the iteration, and no further action is started.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="map-ordered")
    started: deque[Future[R]] = deque()
    stop = threading.Event()

    def unless_stopped(item: T) -> R:
        if stop.is_set():
            raise RuntimeError("stopped")
        return action(item)

    try:
        for item in items:
            started.append(pool.submit(unless_stopped, item))
            if len(started) >= ahead:
                yield started.popleft().result()
        while started:
            yield started.popleft().result()
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)

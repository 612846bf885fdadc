"""Work that goes on ahead of its reader, in threads, but not too far."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Output = TypeVar("Output")


def map_ahead(pool: Executor, work: Callable[[Item], Output], items: Iterable[Item], ahead: int) -> Iterator[Output]:
    """Yield `work` of each item, in order, while at most `ahead` further results are made or wait.

    `Executor.map` would begin with all items, and hold all results of a slow reader in memory.
    """
    waiting: deque[Future[Output]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()

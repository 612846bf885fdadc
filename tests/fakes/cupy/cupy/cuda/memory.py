"""The device's memory: the pool, its errors, and the tally of what was asked of the device.

``FAKE_CUPY_LARGEST`` is the largest allocation in bytes, if it is set.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


class OutOfMemoryError(MemoryError):
    """As CuPy raises it."""


class Tally:
    """What was asked of the device since the last `clear`: counts and sizes, never times."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.launches = 0  # of kernels
        self.waits = 0  # of the host for the device
        self.allocations = 0
        self.uploads: list[int] = []  # elements of each array that went up
        self.downloads: list[int] = []  # and of each that came down
        self.fail_at = 0  # the allocation, counted from 1, that finds no memory

    def allocate(self, count: int) -> None:
        self.allocations += 1
        if self.allocations == self.fail_at:
            raise OutOfMemoryError(f"Out of memory allocating {count:,} bytes")
        if count > int(os.environ.get("FAKE_CUPY_LARGEST", count)):
            raise OutOfMemoryError(f"Out of memory allocating {count:,} bytes")
        _allocator(count)

    def upload(self, size: int) -> None:
        self.uploads.append(size)


tally = Tally()


class MemoryPool:
    """A memory pool. It keeps nothing: it counts how often it is asked to free what it keeps."""

    def __init__(self, allocator: Callable[[int], Any] | None = None) -> None:
        self.limit = 0
        self.freed = 0
        self._allocator = allocator

    def malloc(self, size: int) -> Any:
        return None if self._allocator is None else self._allocator(size)

    def set_limit(self, size: int) -> None:
        self.limit = size

    def get_limit(self) -> int:
        return self.limit

    def free_all_blocks(self) -> None:
        self.freed += 1

    def used_bytes(self) -> int:
        return 0


default_pool = MemoryPool()
_allocator: Callable[[int], Any] = default_pool.malloc


def get_allocator() -> Callable[[int], Any]:
    return _allocator


def set_allocator(allocator: Callable[[int], Any] = default_pool.malloc) -> None:
    global _allocator
    _allocator = allocator

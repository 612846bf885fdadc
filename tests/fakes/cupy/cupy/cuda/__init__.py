"""The parts of ``cupy.cuda`` that are used, and a tally of what the device was asked to do."""

from __future__ import annotations

from cupy.cuda import memory, runtime
from cupy.cuda.memory import MemoryPool, get_allocator, set_allocator, tally

__all__ = ["MemoryPool", "get_allocator", "memory", "runtime", "set_allocator", "tally"]

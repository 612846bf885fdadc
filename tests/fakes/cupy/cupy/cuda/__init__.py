"""The parts of ``cupy.cuda`` that are used, and the sizes of uploads for the tests."""

from __future__ import annotations

from cupy.cuda import memory, runtime

uploads: list[int] = []  # elements of each array that went up

__all__ = ["memory", "runtime", "uploads"]

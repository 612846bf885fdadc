"""The parts of ``cupy.cuda`` that are used, and the sizes of uploads and downloads for the tests."""

from __future__ import annotations

from cupy.cuda import memory, runtime

uploads: list[int] = []  # elements of each array that went up
downloads: list[int] = []  # and of each that came down

__all__ = ["downloads", "memory", "runtime", "uploads"]

"""The parts of ``cupy.cuda`` that are used, and a tally of what the device was asked to do."""

from __future__ import annotations

from cupy.cuda import memory, runtime
from cupy.cuda.memory import tally

__all__ = ["memory", "runtime", "tally"]

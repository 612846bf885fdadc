"""Going on when a batch does not fit the device's memory: half of it is tried, and half of that."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import TypeVar

from shardner.errors import DeviceError

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Part = TypeVar("Part")

#: By what the messages of CUDA's libraries say that memory ran out, where the exception's class does not.
SIGNS = ("cudaErrorMemoryAllocation", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUDA out of memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether CuPy, torch or a library below them ran out of the device's memory."""
    cause: BaseException | None = error
    while cause is not None:
        if any(kind.__name__ == "OutOfMemoryError" for kind in type(cause).__mro__):
            return True
        if any(sign in str(cause) for sign in SIGNS):
            return True
        cause = cause.__cause__
    return False


def in_halves(
    work: Callable[[list[Item]], Part], items: list[Item], *, renew: Callable[[list[Item]], list[Item]]
) -> list[Part]:
    """Return what `work` makes of all items, in order: of all at once, or of halves where memory runs out.

    Args:
        work: computes on the device.
        items: documents.
        renew: makes items anew, after memory ran out: `work` may have changed them.

    Raises:
        DeviceError: a single item does not fit.
    """
    try:
        return [work(items)]
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        message = f"{type(error).__name__}: {error}"
    # here, where the traceback with its arrays is gone
    free_memory()
    if len(items) < 2:
        raise DeviceError(
            f"a single window does not fit the device's memory ({message}); fewer workers leave more to each, and "
            f"shorter windows need less:   ner: {{threads: 1}}, windows: {{max_chars: 100000}}"
        )
    log.warning("%d documents do not fit the device's memory, trying half of them: %s", len(items), message)
    items, middle = renew(items), len(items) // 2
    return [part for half in (items[:middle], items[middle:]) for part in in_halves(work, half, renew=renew)]


def free_memory() -> None:
    """Give back what CuPy and torch keep for later, where they are in use."""
    if (cupy := sys.modules.get("cupy")) is not None:
        cupy.get_default_memory_pool().free_all_blocks()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()

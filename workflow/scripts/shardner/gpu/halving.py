"""What is done with a batch that does not fit the device's memory: each half of it is tried, then each quarter."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from shardner.errors import DeviceError

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Output = TypeVar("Output")

#: In messages of CUDA's libraries, what says that memory ran out. The classes of their exceptions do not say it.
SIGNS = (
    "cudaErrorMemoryAllocation",  # CUDA's runtime, by way of CuPy
    "CUDA_ERROR_OUT_OF_MEMORY",  # the driver, when it loads a kernel
    "CUDA out of memory", "CUDA error: out of memory",  # Torch's pool, and the driver by way of Torch
    "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",  # there was no memory for its workspace
)  # fmt: skip


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
    work: Callable[[list[Item]], Output], items: list[Item], *, renew: Callable[[list[Item]], list[Item]]
) -> list[Output]:
    """Return the results of `work` on all items, in order: one result, or one for each half where memory runs out.

    Args:
        work: computes on the device.
        items: what belongs to each document of a batch.
        renew: makes the items again after memory ran out, because `work` may have changed them.

    Raises:
        DeviceError: a single item does not fit.
    """
    try:
        return [work(items)]
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        message = f"{type(error).__name__}: {error}"
    # not in the except clause: the traceback keeps arrays alive
    free_memory()
    if len(items) < 2:
        raise DeviceError(
            f"a single window does not fit the device's memory ({message}); fewer workers leave more to each, and "
            f"shorter windows need less:   ner: {{threads: 1}}, windows: {{max_chars: 100000}}"
        )
    log.warning("%d documents do not fit the device's memory, trying half of them: %s", len(items), message)
    items, middle = renew(items), len(items) // 2
    return [result for half in (items[:middle], items[middle:]) for result in in_halves(work, half, renew=renew)]


def free_memory() -> None:
    """Give back the free memory that CuPy and Torch hold in reserve, if they are in use."""
    if (cupy := sys.modules.get("cupy")) is not None:
        for pool in _find_pools(cupy):
            pool.free_all_blocks()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _find_pools(cupy: Any) -> list[Any]:
    """Return CuPy's own pool, and the one that it allocates from: another one where thinc gives it Torch's memory."""
    allocator = cupy.cuda.get_allocator()  # as a rule the method malloc of a pool
    pools = [cupy.get_default_memory_pool(), getattr(allocator, "__self__", None)]
    return [pool for pool in {id(pool): pool for pool in pools}.values() if hasattr(pool, "free_all_blocks")]

"""Arrays on either side: NumPy's in the CPU's memory, CuPy's in the GPU's, under one name.

Whatever module an array comes from, that module's functions are applied to it, so the code that decodes and
encodes is written once. The shapes and dtypes stand in the docstrings.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

#: An array of NumPy or of CuPy, which have no type in common.
Array: TypeAlias = Any
#: The module ``numpy`` or ``cupy``.
Module: TypeAlias = Any

HostInts: TypeAlias = npt.NDArray[np.int64]
Keys: TypeAlias = npt.NDArray[np.uint64]
Bools: TypeAlias = npt.NDArray[np.bool_]


def to_host(array: Array) -> Any:
    """Return the array in the CPU's memory, as it is if it lies there already."""
    return array if isinstance(array, np.ndarray) else array.get()


def to_device(xp: Module, array: Array, dtype: str | None = None) -> Array:
    """Return the array, of NumPy or CuPy, as a contiguous one of `xp`."""
    return xp.ascontiguousarray(xp.asarray(to_host(array) if xp is np else array, dtype=dtype))


def are_among(keys: Keys, others: Keys) -> Bools:
    """Tell for each key (n,) whether it is one of `others`, which are sorted."""
    if not len(others):
        return np.zeros(len(keys), dtype=bool)
    found: Bools = others[np.minimum(np.searchsorted(others, keys), len(others) - 1)] == keys
    return found


def count_up(starts: HostInts, counts: HostInts) -> HostInts:
    """Return ``counts[i]`` numbers from ``starts[i]`` on, for one i after the other, (sum of counts,)."""
    ends = np.cumsum(counts)
    return np.repeat(starts - ends + counts, counts) + np.arange(counts.sum())

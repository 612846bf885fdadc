"""The draw: which windows of a corpus are checked against stock spaCy.

A window has a key: a number made from the name of its part, the number of its document in the part, and its own number.
The key is hashed, and a window is drawn where the hash is small enough. So the draw is random, but it is the same in
every run, with any number of shards. One window of each shard is always drawn. The audit and the verification use the
same draw.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt

UInt64s = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


def window_keys(part: str, docs: UInt64s, windows: npt.NDArray[np.integer]) -> UInt64s:
    """Return the key (N,) of each window.

    Args:
        part: name of the part.
        docs: (N,) number of the window's document in the part.
        windows: (N,) number of the window in its document.
    """
    first = np.uint64(int.from_bytes(hashlib.blake2b(part.encode(), digest_size=8).digest(), "big"))
    with np.errstate(over="ignore"):
        # small multiples of the factor lie far apart
        return first + docs.astype(np.uint64) + windows.astype(np.uint64) * np.uint64(0xD1B54A32D192ED03)


def find_limit(keys: UInt64s, share: float) -> int | None:
    """Return the largest hash that is drawn: a `share` of all windows, and at least one of `keys`.

    None where `share` is 0 or there are no windows.
    """
    if share == 0 or keys.size == 0:
        return None
    return max(math.ceil(share * 2**64) - 1, int(_hash(keys).min()))


def are_drawn(keys: UInt64s, limit: int | None) -> Bools:
    """Tell which windows of `keys` (N,) are drawn; `limit` is from `find_limit`."""
    if limit is None:
        return np.zeros(keys.shape, dtype=np.bool_)
    return _hash(keys) <= np.uint64(min(limit, 2**64 - 1))


def _hash(keys: UInt64s) -> UInt64s:
    """Return the output of the SplitMix64 generator (Steele, Lea & Flood 2014) for each number as its state."""
    with np.errstate(over="ignore"):
        mixed = keys + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))

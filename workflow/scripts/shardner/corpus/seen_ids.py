"""The ids that have been seen: a set for hundreds of millions of ids, 16 bytes each, most of them on disk.

An id is represented by a hash of 128 bits (for a billion ids, the chance of one false match is below 10⁻²⁰). The hashes
lie in sorted runs whose sizes fall geometrically, as in a log-structured merge tree (O'Neil et al. 1996). So there are
few runs to search, and every hash is merged a logarithmic number of times. Long runs are files.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from shardner.errors import CorpusError

#: The most hashes of a run that is held in memory. A merge of longer runs handles as many at once.
RUN_IN_MEMORY = 1 << 20

#: `SeenInRanges` has so many sets, a power of two.
RANGES = 8

#: A search first looks at every 64th hash of a run; these stay in memory. A power of two.
FENCE_EVERY = 64

Hashes = npt.NDArray[np.uint64]


class _Run:
    """Hashes, uint64 of shape (2, n): row 0 has the first halves, sorted; row 1 has the second halves."""

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = hashes
        self.size = hashes.shape[1]
        self._fences = np.array(hashes[0, ::FENCE_EVERY])

    def contains(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Return which of `hashes`, which are sorted like a run, are in this run: bool of shape (n,)."""
        found = np.zeros(hashes.shape[1], dtype=np.bool_)
        first, second = np.asarray(self.hashes)  # indexing is slow in a memmap
        at = self._places(hashes[0])
        left = np.arange(hashes.shape[1])
        while left.size:  # one round, and more for the rare first halves that occur twice in the run
            inside = at < self.size
            left, at = left[inside], at[inside]
            same = first[at] == hashes[0, left]
            left, at = left[same], at[same]
            equal = second[at] == hashes[1, left]
            found[left[equal]] = True
            left, at = left[~equal], at[~equal] + 1
        return found

    def _places(self, halves: Hashes) -> npt.NDArray[np.intp]:
        """Return where `halves` would be inserted: ``np.searchsorted``, but it reads few places of a large array."""
        first = np.asarray(self.hashes)[0]
        fence = np.searchsorted(self._fences, halves)
        at = np.where(fence > 0, (fence - 1) * FENCE_EVERY + 1, 0)
        step = FENCE_EVERY // 2
        while step:
            ahead = np.minimum(at + step, self.size) - 1
            at += step * ((at + step <= self.size) & (first[ahead] < halves))
            step //= 2
        return at


class SeenIds:
    """A set of ids that tells new ids from those seen before.

    Args:
        scratch: a directory for the long runs. Their files are unlinked as soon as they are open, so no file is left
            over, however the process ends.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        return sum(run.size for run in self._runs)

    def add(self, ids: pl.Series) -> npt.NDArray[np.bool_]:
        """Add ids, and return which of them are new; of equal ids, only the first one is.

        Args:
            ids: strings without nulls.

        Raises:
            CorpusError: the scratch directory is full.
        """
        new: npt.NDArray[np.bool_] = ids.is_first_distinct().to_numpy(writable=True)
        places = np.flatnonzero(new)
        new[places] = self.add_hashes(hash_ids(ids.gather(places) if places.size < len(ids) else ids))
        return new

    def add_hashes(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Add ids by their hashes, and return which of them are new; of equal hashes, only the first one is.

        Args:
            hashes: of the ids, from `hash_ids`.

        Raises:
            CorpusError: the scratch directory is full.
        """
        order = np.argsort(hashes[0])
        unsorted, hashes = hashes, np.take(hashes, order, axis=1)
        if (hashes[0, 1:] == hashes[0, :-1]).any():
            both = pl.DataFrame(list(unsorted)).select(pl.struct(pl.all()).is_first_distinct())
            first = both.to_series().to_numpy(writable=True)
            if not first.all():
                first[first] = self.add_hashes(unsorted[:, first])
                return first
        seen = np.zeros(order.size, dtype=np.bool_)
        for run in self._runs:
            seen |= run.contains(hashes)
        new = np.ones(order.size, dtype=np.bool_)
        new[order[seen]] = False
        if not seen.all():
            self._insert(np.compress(~seen, hashes, axis=1))
        return new

    def _insert(self, hashes: Hashes) -> None:
        """Add a run. Merge it with the last runs, as long as these are shorter than twice all that follows them."""
        merging, size = [hashes], hashes.shape[1]
        while self._runs and self._runs[-1].size < 2 * size:
            run = self._runs.pop()
            merging.append(run.hashes)
            size += run.size
        if len(merging) > 1:
            hashes = _merge(merging) if size <= RUN_IN_MEMORY else self._merge_on_disk(merging, size)
        self._runs.append(_Run(hashes))

    def _merge_on_disk(self, runs: list[Hashes], size: int) -> Hashes:
        path = self._scratch / "seen-ids"
        try:
            # written as files: then a full disk raises an error; a memmap would get a signal that ends the process
            with path.open("wb") as first, path.open("r+b") as second:
                second.seek(size * 8)
                for merged in _merge_by_range(runs, size):
                    first.write(merged[0].data)
                    second.write(merged[1].data)
            return np.memmap(path, dtype=np.uint64, mode="r", shape=(2, size))
        except OSError as error:
            raise CorpusError(
                f"{self._scratch}: the set of ids cannot be written: {error.strerror or error}; it takes up to "
                f"32 bytes an id (now {size} ids): make room, or point TMPDIR elsewhere, or write  corpus: {{id: null}}"
            ) from error
        finally:
            path.unlink(missing_ok=True)


class SeenInRanges:
    """The same for hashes alone, in several sets that are searched side by side: each knows a range of hashes.

    Args:
        scratch: as of `SeenIds`.
        pool: in which the sets are searched.
    """

    def __init__(self, scratch: Path, pool: Executor) -> None:
        self._pool = pool
        self._sets = []
        for number in range(RANGES):
            directory = scratch / f"range-{number}"
            directory.mkdir()
            self._sets.append(SeenIds(directory))

    def add_hashes(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """See `SeenIds.add_hashes`."""
        ranges = hashes[0] >> np.uint64(64 - RANGES.bit_length() + 1)
        places = [np.flatnonzero(ranges == number) for number in range(RANGES)]
        found = self._pool.map(lambda seen, at: seen.add_hashes(hashes[:, at]), self._sets, places)
        new = np.empty(hashes.shape[1], dtype=np.bool_)
        for at, each in zip(places, found, strict=True):
            new[at] = each
        return new


def hash_ids(ids: pl.Series) -> Hashes:
    """Return the hashes of ids: uint64 of shape (2, n). Another version of Polars may hash otherwise."""
    # another seed may change no more than the last step of the hash; another string makes the halves independent
    halves = [hash_first(ids), ("\x1f" + ids).hash(seed=0x1D5)]
    return np.stack([half.to_numpy() for half in halves])


def hash_first(ids: pl.Series) -> pl.Series:
    """Return the first halves of the hashes of ids, as UInt64."""
    return ids.hash(seed=0x5EED)


def _merge(runs: list[Hashes]) -> Hashes:
    merged = np.concatenate(runs, axis=1)
    order = np.argsort(merged[0], kind="stable")  # a merge sort, which makes use of the sorted runs
    return np.take(merged, order, axis=1)


def _merge_by_range(runs: list[Hashes], size: int) -> Iterator[Hashes]:
    """Merge runs, one range of hashes at a time: hashes are spread evenly, so the ranges have about equal sizes."""
    ranges = -(-size // RUN_IN_MEMORY)
    limits = np.array([(number << 64) // ranges for number in range(1, ranges)], dtype=np.uint64)
    edges = [[0, *np.searchsorted(run[0], limits).tolist(), run.shape[1]] for run in runs]
    for number in range(ranges):
        yield _merge([run[:, edge[number] : edge[number + 1]] for run, edge in zip(runs, edges, strict=True)])

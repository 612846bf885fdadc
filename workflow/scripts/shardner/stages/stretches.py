"""What the split made of the parts, and where the stretches of each file are in them.

The stretches of a file must join to the whole of it: every record is in one of them, and the file was always the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from shardner.data.manifest import PartManifest, StretchInfo
from shardner.data.typed_json import read_json
from shardner.errors import CorpusError

#: Where the first record of a file may begin: at its start, or after a byte-order mark.
_FIRST_BYTES = (0, 3)


class SplitPart(NamedTuple):
    """What the split made of a part, as far as the numbering reads it."""

    manifest: PartManifest
    drawn: Path  # the table of drawn documents
    shards: Path  # the directory of the part's shards


def read_parts(manifests: Sequence[str], drawn: Sequence[str], shards: Sequence[str]) -> list[SplitPart]:
    """Return what the split made of all parts."""
    found = zip(manifests, drawn, shards, strict=True)
    return [SplitPart(read_json(Path(manifest), PartManifest), *map(Path, paths)) for manifest, *paths in found]


class Place(NamedTuple):
    """A stretch of a file: the number of its part, and its place in the part."""

    part: int
    stretch: int


def find_places(parts: Sequence[SplitPart]) -> dict[str, list[Place]]:
    """Return where the stretches of each file are, in their order."""
    places: dict[str, list[Place]] = defaultdict(list)
    for number, part in enumerate(parts):
        for at, stretch in enumerate(part.manifest.stretches):
            places[stretch.path].append(Place(number, at))
    for found in places.values():
        found.sort(key=lambda place: stretch_at(parts, place).start)
    return places


def stretch_at(parts: Sequence[SplitPart], place: Place) -> StretchInfo:
    """Return what was read of a stretch."""
    return parts[place.part].manifest.stretches[place.stretch]


def check_joins(name: str, stretches: Sequence[StretchInfo]) -> None:
    """Check that the stretches of a file are of the same file, and have every record of it once.

    Raises:
        CorpusError: they are not, or have not.
    """
    if len({(each.bytes, each.modified_ns) for each in stretches}) > 1:
        raise CorpusError(
            f"{name}: the file changed while it was read; run again when it is complete: all of it is then read anew"
        )
    if len(stretches) < 2:
        return
    filled = [each for each in stretches if each.rows]
    joined = all(left.end == right.begin for left, right in pairwise(filled))
    planned = all(left.stop == right.start for left, right in pairwise(stretches))
    complete = stretches[0].start == 0 and stretches[-1].stop is None
    complete = complete and (not filled or filled[0].begin in _FIRST_BYTES)
    if not (joined and planned and complete):
        raise CorpusError(
            f"{name}: what was read of it in {len(stretches)} parts does not join to the whole file; "
            f"remove the directory .work/split and run again"
        )


def count_by_stretch(parts: Sequence[SplitPart], duplicates: pl.DataFrame) -> Counter[Place]:
    """Return how many duplicates each stretch has."""
    counts: Counter[Place] = Counter()
    for (part,), table in duplicates.group_by("part"):
        ends = np.cumsum([each.documents for each in parts[int(part)].manifest.stretches])
        at, times = np.unique(np.searchsorted(ends, table["doc"].to_numpy(), side="right"), return_counts=True)
        counts.update({Place(int(part), int(a)): int(b) for a, b in zip(at, times, strict=True)})
    return counts

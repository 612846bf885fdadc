"""Which parts and shards a corpus has: a function of the names and sizes of its files.

A file larger than a shard is a part of its own; a large one whose format can be entered in the middle is cut into
stretches, a part each. Smaller files that follow one another are put together, up to the size of a shard.

A part is named after its files and stretches, not after its place in the corpus. So a file that is added, removed or
moved leaves all parts as they are that do not hold it. For small files this also needs borders that do not move when a
file comes before them. So whether there is a border between two files is decided by a hash of their names, as in
content-defined chunking (Muthitacharoen, Chen & Mazières 2001), about three borders for every two shards. What lies
between two borders and is larger than a shard is filled up shard by shard, from the end whose file has the smaller
name. So a day's file that comes after the last one makes one shard anew, the order turned round makes none, and a file
in the middle moves the files up to the next border at most.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from shardner.parse.shard_plan import MOST_SHARDS, PlanSizes, chars_per_byte, decide_part_chars, estimate_chars

#: A file counts for so many characters more than it holds, so that a part has not too many files.
FILE_CHARS = 500
#: So many borders there are for each shard of small files.
BORDERS_A_SHARD = 1.5
#: Characters of a file's name in the name of a part.
_NAME_CHARS = 40

#: Tells whether a file can be read from its middle on.
CanBeEntered: TypeAlias = Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class PlannedStretch:
    """A file, or some of its bytes."""

    path: Path
    size: int  # of the file, in bytes
    start: int = 0
    stop: int | None = None  # None: to the end of the file

    @property
    def chars(self) -> float:
        """Return about how many characters of text it holds."""
        return ((self.size if self.stop is None else self.stop) - self.start) * chars_per_byte(self.path)


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """What one split job reads, and how many shards it makes of it."""

    name: str
    stretches: tuple[PlannedStretch, ...]
    shards: int

    @property
    def chars(self) -> float:
        """Return about how many characters of text it has."""
        return _count_chars(self.stretches)

    @property
    def begins_cut_file(self) -> bool:
        """Whether it is the first of several parts of one file."""
        return any(stretch.start == 0 and stretch.stop is not None for stretch in self.stretches)

    @property
    def shard_names(self) -> tuple[str, ...]:
        """The shards as they are named in paths: ``<part>/<number>``."""
        return tuple(f"{self.name}/{number:05d}" for number in range(self.shards))


def plan_parts(
    files: Sequence[tuple[Path, int]], sizes: PlanSizes, can_be_entered: CanBeEntered
) -> tuple[PlannedPart, ...]:
    """Return the parts of a corpus, in corpus order; with larger sizes where there would be too many shards.

    Args:
        files: paths and sizes in bytes, in corpus order.
        sizes: of shards and parts.
        can_be_entered: tells whether a file can be read from its middle on.
    """
    total = estimate_chars(files)
    while True:
        while total > MOST_SHARDS * sizes.shard_chars:
            sizes = sizes.doubled
        groups = list(_group(files, sizes, can_be_entered))
        counts = [max(int(_count_chars(group) / sizes.shard_chars), 1) for group in groups]
        if sum(counts) <= MOST_SHARDS or len(groups) == 1:
            return tuple(_name(group, count) for group, count in zip(groups, counts, strict=True))
        sizes = sizes.doubled


def plan_parts_of(
    files: Sequence[tuple[Path, int]], shards: int, can_be_entered: CanBeEntered
) -> tuple[PlannedPart, ...]:
    """Return the parts of a corpus that is to have just so many shards. The other arguments are as of `plan_parts`."""
    chars = sum(size * chars_per_byte(path) + FILE_CHARS for path, size in files)
    shard_chars = int(chars / shards) + 1
    sizes = PlanSizes(shard_chars, decide_part_chars(int(chars), shard_chars))
    groups = list(_group(files, sizes, can_be_entered))
    while len(groups) > shards:
        sizes = sizes.doubled
        groups = list(_group(files, sizes, can_be_entered))
    counts = _share_out(shards, [_count_chars(group) for group in groups])
    return tuple(_name(group, count) for group, count in zip(groups, counts, strict=True))


def _group(
    files: Sequence[tuple[Path, int]], sizes: PlanSizes, can_be_entered: CanBeEntered
) -> Iterator[list[PlannedStretch]]:
    """Yield what each part reads, in corpus order; at least one."""
    small: list[PlannedStretch] = []
    for path, size in files:
        whole = PlannedStretch(path, size)
        if whole.chars <= sizes.shard_chars:
            small.append(whole)
            continue
        yield from _divide(small, sizes.shard_chars)
        small = []
        if whole.chars >= 2 * sizes.part_chars and can_be_entered(path):
            yield from ([stretch] for stretch in _cut(whole, int(sizes.part_chars / chars_per_byte(path))))
        else:
            yield [whole]
    if small or not files:
        yield from _divide(small, sizes.shard_chars) if small else [[]]


def _cut(whole: PlannedStretch, step: int) -> Iterator[PlannedStretch]:
    """Yield a file's stretches of `step` bytes; the last has up to twice as many."""
    last = whole.size // step - 1
    for number in range(last + 1):
        stop = None if number == last else (number + 1) * step
        yield PlannedStretch(whole.path, whole.size, number * step, stop)


def _divide(files: Sequence[PlannedStretch], most_chars: int) -> Iterator[list[PlannedStretch]]:
    """Divide files that follow one another into groups of at most `most_chars` characters, or one file."""
    first = 0
    for end in range(1, len(files) + 1):
        if end == len(files) or _is_border(files[end - 1], files[end], most_chars):
            yield from _fill(files[first:end], most_chars)
            first = end


def _is_border(left: PlannedStretch, right: PlannedStretch, most_chars: int) -> bool:
    """Tell whether two files that follow one another are in two groups, whichever comes first."""
    names = sorted([_encode(left.path), _encode(right.path)])
    drawn = int.from_bytes(hashlib.blake2b(b"\0".join(names), digest_size=8).digest(), "big") / 2**64
    return drawn < BORDERS_A_SHARD * (_weigh(left) + _weigh(right)) / 2 / most_chars


def _fill(files: Sequence[PlannedStretch], most_chars: int) -> Iterator[list[PlannedStretch]]:
    """Fill groups of at most `most_chars` characters, or one file, from the end with the smaller name."""
    turned = _encode(files[-1].path) < _encode(files[0].path)
    groups: list[list[PlannedStretch]] = [[]]
    held = 0.0
    for file in reversed(files) if turned else files:
        if groups[-1] and held + _weigh(file) > most_chars:
            groups.append([])
            held = 0.0
        groups[-1].append(file)
        held += _weigh(file)
    yield from (group[::-1] for group in reversed(groups)) if turned else groups


def _weigh(file: PlannedStretch) -> float:
    return file.chars + FILE_CHARS


def _count_chars(group: Sequence[PlannedStretch]) -> float:
    return sum(stretch.chars for stretch in group)


def _share_out(shards: int, chars: Sequence[float]) -> list[int]:
    """Return how many of `shards` each part gets, by its characters, and at least one."""
    total, spare = sum(chars), shards - len(chars)
    if not total:
        chars, total = [1.0] * len(chars), float(len(chars))
    shares = [each / total * spare for each in chars]
    counts = [1 + int(share) for share in shares]
    by_rest = sorted(range(len(chars)), key=lambda at: (int(shares[at]) - shares[at], at))
    for at in by_rest[: shards - sum(counts)]:
        counts[at] += 1
    return counts


def _name(group: Sequence[PlannedStretch], shards: int) -> PlannedPart:
    """Name a part. The files of one shard have an order of their own: the corpus may list them in another."""
    ordered = sorted(group, key=lambda stretch: _encode(stretch.path)) if shards == 1 else list(group)
    digest = hashlib.blake2b(digest_size=6)
    for stretch in ordered:
        stop = -1 if stretch.stop is None else stretch.stop
        digest.update(b"%b\0%d\0%d\0" % (_encode(stretch.path), stretch.start, stop))
    if not ordered:
        return PlannedPart("empty", (), shards)
    shown = re.sub(r"[^A-Za-z0-9._-]+", "_", ordered[0].path.name)[:_NAME_CHARS].lstrip(".-_") or "file"
    more = f"-and-{len(ordered) - 1}" if len(ordered) > 1 else ""
    return PlannedPart(f"{shown}{more}-{digest.hexdigest()}", tuple(ordered), shards)


def _encode(path: Path) -> bytes:
    return str(path).encode("utf-8", "surrogateescape")

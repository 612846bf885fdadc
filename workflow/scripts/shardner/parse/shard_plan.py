"""How large shards and parts are, from the sizes of the files and what is known of the devices.

Sizes are constants, times a power of two. So a corpus that grows by a file keeps the shards that it has. They must not
depend on the machine that parses; `kept_sizes` sees to what does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: Seconds from the start of an annotate job to its first token, for the interpreter, imports, and the pipeline.
START_UP_S = 2.0
#: Share of a job that its start-up may take.
START_UP_SHARE = 0.05
#: Code points that one worker annotates per second, with the fused engine on one CPU core.
CHARS_PER_S = 350_000
#: Code points that a job on a GPU annotates per second, all its workers together.
GPU_CHARS_PER_S = 10_000_000
#: A small corpus gets about this many shards, so that a few cores or devices can share it.
SMALL_CORPUS_SHARDS = 4
#: But each of them takes at least so many times as long as the start-up of its job.
LEAST_START_UPS = 1
#: With more shards, scheduling costs more than smaller shards save.
MOST_SHARDS = 5_000
#: A stretch of a large file has so many characters: enough that its split takes longer than the start of that job,
PART_CHARS = 26_600_000
#: or so many shards, where these are small ones.
MOST_PART_SHARDS = 8
#: With more stretches, scheduling costs more than smaller ones save.
MOST_STRETCHES = 1_000

#: Characters of text expected per byte of a file, by the last suffix of its name.
CHARS_PER_BYTE = {".gz": 3.0, ".zst": 3.5, ".bz2": 4.0, ".xz": 4.0, ".parquet": 2.0}


@dataclass(frozen=True, slots=True)
class PlanSizes:
    """How large shards and parts are.

    Attributes:
        shard_chars: characters of text that a shard has about.
        part_chars: characters of a stretch of a file that is cut into several parts.
    """

    shard_chars: int
    part_chars: int

    @property
    def doubled(self) -> PlanSizes:
        """Return sizes twice as large."""
        return PlanSizes(2 * self.shard_chars, 2 * self.part_chars)


def chars_per_byte(path: Path) -> float:
    """Return how many characters of text a byte of a file is expected to hold."""
    return CHARS_PER_BYTE.get(path.suffix.lower(), 1.0)


def estimate_chars(files: Iterable[tuple[Path, int]]) -> int:
    """Return about how many characters of text are in files, which are given as (path, size in bytes)."""
    return int(sum(size * chars_per_byte(path) for path, size in files))


def decide_sizes(chars: int, chars_per_s: float = CHARS_PER_S) -> PlanSizes:
    """Return the sizes for a corpus of about `chars` characters.

    A job is so long that its start-up is `START_UP_SHARE` of it. A corpus that is too small for that gets about
    `SMALL_CORPUS_SHARDS`, so that a small run uses more than one core.

    Args:
        chars: of the corpus.
        chars_per_s: what an annotate job annotates per second.
    """
    shard_chars = START_UP_S * (1 / START_UP_SHARE - 1) * chars_per_s
    worth_it = START_UP_S * LEAST_START_UPS * chars_per_s
    while chars < SMALL_CORPUS_SHARDS * shard_chars and shard_chars / 2 >= worth_it:
        shard_chars /= 2
    while chars > MOST_SHARDS * shard_chars:
        shard_chars *= 2
    return PlanSizes(int(shard_chars), decide_part_chars(chars, int(shard_chars)))


def decide_part_chars(chars: int, shard_chars: int) -> int:
    """Return how many characters a stretch of a large file has.

    Before the first part is split nothing is annotated. So a part is small, but not smaller than a shard.

    Args:
        chars: of the corpus.
        shard_chars: of each shard.
    """
    part_chars = min(max(PART_CHARS, shard_chars), MOST_PART_SHARDS * shard_chars)
    while chars > MOST_STRETCHES * part_chars:
        part_chars *= 2
    return part_chars


def plan_shards(chars: int, chars_per_s: float = CHARS_PER_S) -> int:
    """Return about how many shards a corpus of `chars` characters has."""
    return max(min(chars // decide_sizes(chars, chars_per_s).shard_chars, MOST_SHARDS), 1)

"""How many shards a corpus is split into, from the sizes of its files alone.

The number must not depend on cores or devices. A run that is resumed with other devices would plan other shards and
lose its work, and a cluster job that parses the Snakefile again would look for files that do not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

#: Seconds from the start of an annotate job to its first token, for the interpreter, imports, and the pipeline.
START_UP_S = 2.0
#: Share of a job that its start-up may take.
START_UP_SHARE = 0.05
#: Code points that one worker annotates per second, with the fused engine on one CPU core.
CHARS_PER_S = 350_000
#: A small corpus gets this many shards, so that a few cores or devices can share it.
SMALL_CORPUS_SHARDS = 4
#: But each of them takes at least so many times as long as the start-up of its job.
LEAST_START_UPS = 1
#: With more shards, scheduling costs more than smaller shards save.
MOST_SHARDS = 5_000

#: Characters of text expected per byte of a file, by the last suffix of its name.
CHARS_PER_BYTE = {".gz": 3.0, ".zst": 3.5, ".parquet": 2.0}


def estimate_chars(files: Iterable[tuple[Path, int]]) -> int:
    """Return about how many characters of text are in files, which are given as (path, size in bytes)."""
    return int(sum(size * CHARS_PER_BYTE.get(path.suffix.lower(), 1.0) for path, size in files))


def plan_shards(chars: int) -> int:
    """Return the number of shards for a corpus of about `chars` characters.

    A job is so long that its start-up is `START_UP_SHARE` of it. A corpus that is too small for that gets up to
    `SMALL_CORPUS_SHARDS`, so that a small run uses more than one core.
    """
    long_enough = START_UP_S * (1 / START_UP_SHARE - 1) * CHARS_PER_S
    worth_it = START_UP_S * LEAST_START_UPS * CHARS_PER_S
    wanted = max(chars / long_enough, min(SMALL_CORPUS_SHARDS, chars / worth_it), 1)
    return min(int(wanted), MOST_SHARDS)

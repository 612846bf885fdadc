"""What is decided when Snakemake parses: how many shards, from nothing but the sizes of the input files.

The number must not depend on cores or devices: a run that is resumed with others would plan other shards and lose
its work, and a cluster job that parses the Snakefile again would look for files that do not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

#: Seconds from the start of an annotate job until its first token: interpreter, imports, pipeline.
START_UP_S = 2.0
#: Share of a job that starting up may take.
START_UP_SHARE = 0.05
#: Code points that one worker annotates in a second: the fused engine on one CPU core.
CHARS_PER_S = 350_000
#: A small corpus still gets this many shards, so that a few cores or devices share it …
SHARDS_A_DEVICE = 4
#: … unless a shard would then not even take as long as starting up.
LEAST_START_UPS = 1
#: Beyond this many, scheduling costs more than finer shards save.
MOST_SHARDS = 5_000

#: Characters of text expected from a byte of input, by the last suffix of the file's name.
CHARS_PER_BYTE = {".gz": 3.0, ".zst": 3.5, ".parquet": 2.0}


def estimate_chars(files: Iterable[tuple[Path, int]]) -> int:
    """Estimate the characters of text in files, given as (path, size in bytes)."""
    return int(sum(size * CHARS_PER_BYTE.get(path.suffix.lower(), 1.0) for path, size in files))


def plan_shards(chars: int) -> int:
    """Choose the number of shards for a corpus of about `chars` characters.

    Jobs are long enough that starting up is `START_UP_SHARE` of them; a corpus too small for that gets up to four
    shards, so that a small run still uses more than one core.
    """
    long_enough = START_UP_S * (1 / START_UP_SHARE - 1) * CHARS_PER_S
    worth_it = START_UP_S * LEAST_START_UPS * CHARS_PER_S
    wanted = max(chars / long_enough, min(SHARDS_A_DEVICE, chars / worth_it), 1)
    return min(int(wanted), MOST_SHARDS)

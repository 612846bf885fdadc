"""The formats of input files: one table of everything that can be known of a format without opening a file.

The Snakefile imports this module when it is parsed, so nothing here imports Polars, NumPy or zstandard. The readers,
which do, are listed in `shardner.corpus.registry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Compression(StrEnum):
    """How a file is compressed as a whole; the value is the last suffix of its name."""

    NONE = ""
    GZIP = ".gz"
    ZSTD = ".zst"
    BZIP2 = ".bz2"
    XZ = ".xz"


@dataclass(frozen=True, slots=True)
class InputFormat:
    """A format of input files.

    Attributes:
        name: what the format is called, also in messages (in capitals).
        suffixes: how names of such files end, in lower case; the first is the usual one.
        compressible: whether such a file may be compressed as a whole (see `Compression`).
        has_columns: whether records have columns. Where they have none, there is no column of ids and none to keep.
        has_dtypes: whether the file says which dtype a column has, so that a kept column can be native
            (see `shardner.corpus.kept_columns`).
        enterable: whether reading can begin in the middle of a file that is not compressed as a whole, provided that
            its records are not the whole file, or elements of an array (see `shardner.corpus.files.can_be_entered`).
    """

    name: str
    suffixes: tuple[str, ...]
    compressible: bool = True
    has_columns: bool = True
    has_dtypes: bool = False
    enterable: bool = False


JSONL = InputFormat("jsonl", (".jsonl", ".ndjson", ".json"), enterable=True)
CSV = InputFormat("csv", (".csv",))
TSV = InputFormat("tsv", (".tsv",))
TXT = InputFormat("txt", (".txt",), has_columns=False, enterable=True)
PARQUET = InputFormat("parquet", (".parquet",), compressible=False, has_dtypes=True, enterable=True)

#: Every format that can be read. Each also has a reader in `shardner.corpus.registry`, and a line in the README; one
#: whose text takes much less or much more than a byte per character has a number in `parse.shard_plan.CHARS_PER_BYTE`.
INPUT_FORMATS = (JSONL, CSV, TSV, TXT, PARQUET)


def find_format(suffix: str) -> InputFormat | None:
    """Return the format of files whose names end in `suffix`, which is in lower case; None if there is none."""
    return next((each for each in INPUT_FORMATS if suffix in each.suffixes), None)


def describe_known_suffixes() -> str:
    """Return the suffixes that files of the corpus may have, for a message."""
    *first, last = (each for each in Compression if each)
    packed = f"{', '.join(first)} or {last}"
    compressible, others = (
        ", ".join(suffix for each in INPUT_FORMATS if each.compressible is wanted for suffix in each.suffixes)
        for wanted in (True, False)
    )
    return f"{compressible} (each also with {packed} after it) and {others}"

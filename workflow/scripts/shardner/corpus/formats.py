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

    @property
    def magic(self) -> bytes:
        """What such files start with; nothing for `NONE`."""
        return _MAGIC[self]


_MAGIC = {
    Compression.NONE: b"",
    Compression.GZIP: b"\x1f\x8b",
    Compression.ZSTD: b"\x28\xb5\x2f\xfd",
    Compression.BZIP2: b"BZh",
    Compression.XZ: b"\xfd7zXZ\x00",
}


@dataclass(frozen=True, slots=True)
class InputFormat:
    """A format of input files.

    Attributes:
        name: what the format is called, also in messages (in capitals).
        suffixes: how names of such files end, in lower case; the first is the usual one.
        compressible: whether such a file may be compressed as a whole (see `Compression`).
        has_columns: whether records have columns. Where they have none, there is no column of ids and none to keep.
        is_utf8: whether text in such a file is UTF-8 whatever ``corpus.encoding`` says.
        names_text: whether ``corpus.text`` names the text of a record. Elsewhere a record is its text.
        has_dtypes: whether the file says which dtype a column has, so that a kept column can be native
            (see `shardner.corpus.kept_columns`).
        enterable: whether reading can begin in the middle of a file that is not compressed as a whole, provided that
            its records are not the whole file, or elements of an array (see `shardner.corpus.files.can_be_entered`).
    """

    name: str
    suffixes: tuple[str, ...]
    compressible: bool = True
    has_columns: bool = True
    is_utf8: bool = False
    names_text: bool = True
    has_dtypes: bool = False
    enterable: bool = False


JSONL = InputFormat("jsonl", (".jsonl", ".ndjson", ".json"), enterable=True)
CSV = InputFormat("csv", (".csv",))
TSV = InputFormat("tsv", (".tsv",))
TXT = InputFormat("txt", (".txt",), has_columns=False, names_text=False, enterable=True)
WARC = InputFormat("warc", (".wet", ".warc"), is_utf8=True, names_text=False)
PARQUET = InputFormat("parquet", (".parquet",), compressible=False, is_utf8=True, has_dtypes=True, enterable=True)
ARROW = InputFormat("arrow", (".arrow", ".feather", ".ipc"), compressible=False, is_utf8=True, has_dtypes=True)

#: Every format that can be read. Each also has a reader in `shardner.corpus.registry`, and a line in the README; one
#: whose text takes much less or much more than a byte per character has a number in `parse.shard_plan.CHARS_PER_BYTE`.
INPUT_FORMATS = (JSONL, CSV, TSV, TXT, WARC, PARQUET, ARROW)


def find_format(suffix: str) -> InputFormat | None:
    """Return the format of files whose names end in `suffix`, which is in lower case; None if there is none."""
    return next((each for each in INPUT_FORMATS if suffix in each.suffixes), None)


def format_named(name: str) -> InputFormat | None:
    """Return the format of that name, as ``corpus.format`` has it; None for ``auto``."""
    return next((each for each in INPUT_FORMATS if each.name == name), None)


def describe_known_suffixes() -> str:
    """Return the suffixes that files of the corpus may have, for a message."""
    *first, last = (each for each in Compression if each)
    packed = f"{', '.join(first)} or {last}"
    compressible, others = (
        ", ".join(suffix for each in INPUT_FORMATS if each.compressible is wanted for suffix in each.suffixes)
        for wanted in (True, False)
    )
    return f"{compressible} (each also with {packed} after it) and {others}"

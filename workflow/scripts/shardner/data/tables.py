"""The tables that the stages hand to one another: their columns and dtypes, in one place.

Every offset is in Unicode code points, half-open, into the text exactly as it was in the input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from shardner.data.files import digest_of
from shardner.data.stored_files import polars_source

#: How the names of files begin that hold a part of a table of results.
PART_PREFIX = "part-"

#: A record as read from the corpus: a document without its number, plus the ``keep`` columns.
RECORDS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "file": pl.String(),
    "row": pl.UInt64(),
    "text": pl.String(),
}

#: A rejected record. One of ``row`` and ``byte_offset`` may be null.
REJECTED: dict[str, pl.DataType] = {
    "file": pl.String(),
    "row": pl.UInt64(),
    "byte_offset": pl.UInt64(),
    "reason": pl.String(),
    "raw": pl.String(),
}

#: A shard: one row per window, in corpus order, plus the ``keep`` columns.
WINDOWS: dict[str, pl.DataType] = {
    "doc": pl.UInt64(),
    "window": pl.UInt32(),  # number of the window within its document
    "windows": pl.UInt32(),  # how many windows the document has
    "start": pl.UInt32(),  # where the window's text starts in the document
    "chars": pl.UInt32(),  # length of the whole document
    **RECORDS,
}

#: Entities of a shard or of the corpus, by ``doc``, ``start``. In results, whole numbers are Int64 (see `as_results`).
ENTITIES: dict[str, pl.DataType] = {
    "doc": pl.UInt64(),
    "id": pl.String(),
    "start": pl.UInt32(),
    "end": pl.UInt32(),
    "text": pl.String(),
    "label": pl.String(),
}

#: Spans of the span groups asked for, of a shard or of the corpus, by ``doc``, group (in the order of the setting),
#: ``start``, ``end``. Spans may overlap.
SPANS: dict[str, pl.DataType] = {
    "doc": pl.UInt64(),
    "id": pl.String(),
    "group": pl.String(),
    "start": pl.UInt32(),
    "end": pl.UInt32(),
    "text": pl.String(),
    "label": pl.String(),
    "score": pl.Float64(),  # null where the component gave none
}

#: Documents of a shard or of the corpus, by ``doc``, before the ``keep`` columns.
DOCUMENTS: dict[str, pl.DataType] = {
    "doc": pl.UInt64(),
    "id": pl.String(),
    "file": pl.String(),
    "row": pl.UInt64(),
    "chars": pl.UInt32(),
    "tokens": pl.UInt32(),
    "entities": pl.UInt32(),
    "windows": pl.UInt32(),
    "shard": pl.UInt32(),
}

#: Entities of a shard. Those of long documents are not stitched yet: they are candidates, of which the merge takes some
#: (an ``end`` of 0 is not known yet), or the entities of windows together with their margins.
SHARD_ENTITIES: dict[str, pl.DataType] = {**ENTITIES, "window": pl.UInt32()}

#: Spans of a shard. Those of a window of a long document start in the window.
SHARD_SPANS: dict[str, pl.DataType] = {**SPANS, "window": pl.UInt32()}

#: Documents of a shard; a long document has one row per window.
SHARD_DOCUMENTS: dict[str, pl.DataType] = {
    **DOCUMENTS,
    "window": pl.UInt32(),
    "start": pl.UInt32(),  # of the window in the document
    "candidates": pl.Boolean(),  # whether the window's entities are candidates
    "span_count": pl.UInt32(),  # how many spans of the groups asked for it has
    "sentence_starts": pl.UInt32(),  # in the window of a long document, where `sentence` is asked for
}

#: Rejected documents of a shard; a long document has one row per window that failed.
SHARD_REJECTED: dict[str, pl.DataType] = {
    "doc": pl.UInt64(),
    "window": pl.UInt32(),
    "windows": pl.UInt32(),
    **REJECTED,
}


def as_results(dtypes: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Return the dtypes that columns have in the tables of results: whole numbers are Int64.

    Unsigned numbers would wrap where a user subtracts offsets.
    """
    return {name: pl.Int64() if dtype.is_integer() else dtype for name, dtype in dtypes.items()}


def scan_table(paths: Path | str | Sequence[Path] | Sequence[str], **options: Any) -> pl.LazyFrame:
    """Return a table that lies in a Parquet file, in several, or in a directory of them, to be read lazily.

    Every table of a run is opened here: to Polars itself, a path with brackets or a star is a pattern.

    Args:
        paths: where it lies.
        options: as of `polars.scan_parquet`.
    """
    source: Any = polars_source(Path(paths)) if isinstance(paths, str | Path) else list(paths)
    return pl.scan_parquet(source, glob=False, hive_partitioning=False, **options)


def read_table(path: Path | str, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read a table, or some of its columns; `path` is as of `scan_table`."""
    table = scan_table(path)
    return (table if columns is None else table.select(*columns)).collect()


def read_schema(path: Path | str) -> pl.Schema:
    """Return the names and dtypes of a table's columns; `path` is as of `scan_table`."""
    return scan_table(path).collect_schema()


def corpus_table(paths: Sequence[str | Path]) -> Path:
    """Return a table of results that lies in these files: the only one, or the directory of a file a part."""
    first = Path(paths[0])
    return first.parent if first.name.startswith(PART_PREFIX) else first


def find_table(results: Path, name: str) -> Path:
    """Return where a table of results is: a file, or a directory of one file a part.

    Args:
        results: the directory of the results.
        name: of the table, for example ``entities``.
    """
    path = results / f"{name}.parquet"
    return path if path.is_file() else results / name


def shard_path(directory: Path, shard: int) -> Path:
    """Return the path of the table of windows of a shard."""
    return directory / f"{shard:05d}.parquet"


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """The results of a shard: its tables and the record of the job that made them."""

    entities: Path
    documents: Path
    rejected: Path
    job: Path
    spans: Path | None = None  # only where span groups are asked for

    def digests(self) -> dict[str, str]:
        """Return the hashes of the tables (see `digest_of`), by their names here.

        Raises:
            OSError: a table cannot be read.
        """
        tables = {
            "entities": self.entities,
            "documents": self.documents,
            "rejected": self.rejected,
            "spans": self.spans,
        }
        return {name: digest_of(path) for name, path in tables.items() if path is not None}


#: How many bytes of a rejected record ``rejected.parquet`` shows.
RAW_BYTES = 500


def escape_raw(raw: bytes) -> str:
    r"""Show the first 500 bytes of a rejected record as printable ASCII (``\n``, ``\xff``, ``\\``)."""
    shown = raw[:RAW_BYTES].decode("latin-1")
    return shown.encode("unicode_escape").decode("ascii")

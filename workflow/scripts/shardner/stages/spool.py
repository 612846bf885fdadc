"""The spool of the split: a part of the corpus as numbered windows, before it is known where a shard ends.

The pass over the input numbers the documents, and cuts long documents into windows. The first windows stay in memory,
which is all of them in most parts; the rest goes to files of bounded size.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from shardner.corpus.batch import Batch, Extent, WindowPosition
from shardner.corpus.window_cuts import cut_windows
from shardner.data.tables import WINDOWS, scan_table

#: About how many characters a piece of the spool holds.
SPOOL_CHARS = 1 << 23
#: About how many characters of windows stay in memory.
HELD_CHARS = 1 << 27
#: The column of the windows' sizes. No column of a corpus can have this name: settings hold no such character.
SIZE = "\0size"
#: How many windows of a long document are strings of Python at once.
_WINDOWS_AT_ONCE = 16


@dataclass(slots=True)
class SpoolPiece:
    """Consecutive windows: `data.tables.WINDOWS`, `SIZE` (the window's characters), and the ``keep`` columns.

    Attributes:
        rows: how many windows there are.
        size: how many characters they have, and one more for each window, so that empty documents count.
    """

    rows: int
    size: int
    _held: pl.DataFrame | None  # None: they are in the file
    _path: Path

    def scan(self) -> pl.LazyFrame:
        """Return the windows."""
        return scan_table(self._path) if self._held is None else self._held.lazy()

    def remove(self) -> None:
        """Give back the memory or the disk that the windows take."""
        self._held = None
        self._path.unlink(missing_ok=True)


class Spool:
    """Writes the windows of batches to files, and counts what the batches hold.

    Args:
        directory: where the files go.
        max_chars: a document of more characters is cut into windows.

    Attributes:
        pieces: the windows, in the order of the part.
        rejected_files: the files of rejected records, in corpus order.
        documents: how many documents there are.
        rejected: how many records were rejected.
        chars: how many characters the documents have.
        documents_by_file: the documents of each input file.
        rejected_by_file: the rejected records of each input file.
        extents: what was read of each input file.
        dtypes: the dtype of each ``keep`` column.
        kinds: which kinds of values each ``keep`` column has (see `shardner.corpus.kept_columns`).
    """

    def __init__(self, directory: Path, max_chars: int) -> None:
        self._directory = directory
        self._max_chars = max_chars
        self._waiting: list[pl.DataFrame] = []
        self._waiting_size = 0
        self.pieces: list[SpoolPiece] = []
        self._held_size = 0
        self.rejected_files: list[Path] = []
        self.documents = self.rejected = self.chars = 0
        self.documents_by_file: dict[str, int] = {}
        self.rejected_by_file: dict[str, int] = {}
        self.extents: dict[str, Extent] = {}
        self.dtypes: dict[str, pl.DataType] = {}
        self.kinds: dict[str, frozenset[str]] = {}

    def add(self, batch: Batch) -> None:
        """Take the next batch of the corpus."""
        # the document of a later window was counted with its first window
        continued = batch.position is not None and batch.position.window > 0
        windows = make_windows(batch, self.documents - continued, self._max_chars)
        chars = int(windows[SIZE].cast(pl.UInt64).sum())
        self._count(batch, 0 if continued else batch.records.height, chars)
        self._keep_rejected(batch.rejected)
        self._waiting.append(windows)
        self._waiting_size += chars + windows.height
        if self._waiting_size >= SPOOL_CHARS:
            self.flush()

    def flush(self) -> None:
        """Make a piece of the windows that wait; to be called after the last batch."""
        if not self._waiting:
            return
        path = self._directory / f"spool-{len(self.pieces):07d}.parquet"
        windows = pl.concat(self._waiting)
        held = self._held_size + self._waiting_size <= HELD_CHARS
        if held:
            self._held_size += self._waiting_size
        else:
            windows.write_parquet(path, compression="lz4", statistics=False)
        self.pieces.append(SpoolPiece(windows.height, self._waiting_size, windows if held else None, path))
        self._waiting, self._waiting_size = [], 0

    def _count(self, batch: Batch, documents: int, chars: int) -> None:
        self.documents += documents
        self.rejected += batch.rejected.height
        self.chars += chars
        self.documents_by_file[batch.file] = self.documents_by_file.get(batch.file, 0) + documents
        self.rejected_by_file[batch.file] = self.rejected_by_file.get(batch.file, 0) + batch.rejected.height
        self.extents[batch.file] = batch.extent
        self.dtypes.update({column: batch.records.schema[column] for column in batch.kinds})
        for column, kinds in batch.kinds.items():
            self.kinds[column] = self.kinds.get(column, frozenset()) | kinds

    def _keep_rejected(self, rejected: pl.DataFrame) -> None:
        if rejected.height:
            path = self._directory / f"rejected-{len(self.rejected_files):07d}.parquet"
            rejected.write_parquet(path)
            self.rejected_files.append(path)


def make_windows(batch: Batch, first_doc: int, max_chars: int) -> pl.DataFrame:
    """Return the windows of a batch, one per row, with the columns of a `SpoolPiece`.

    Args:
        batch: the batch.
        first_doc: the number of its first document; the others are numbered from there on.
        max_chars: a document of more characters is cut into windows.
    """
    numbered = batch.records.with_columns(
        pl.int_range(first_doc, first_doc + pl.len(), dtype=pl.UInt64).alias("doc"),
        pl.col("text").str.len_chars().cast(pl.UInt32).alias("chars"),
    )
    if batch.position is None:
        windows = _cut_documents(numbered, max_chars)
    else:
        windows = numbered.with_columns(_position_columns(batch.position))
    keep = [column for column in batch.records.columns if column not in WINDOWS]
    return windows.select(*WINDOWS, pl.col("text").str.len_chars().cast(pl.UInt32).alias(SIZE), *keep)


def _position_columns(position: WindowPosition) -> list[pl.Expr]:
    values = {
        "window": position.window,
        "windows": position.windows,
        "start": position.start,
        "chars": position.chars,
    }
    return [pl.lit(value, pl.UInt32).alias(name) for name, value in values.items()]


def _cut_documents(documents: pl.DataFrame, max_chars: int) -> pl.DataFrame:
    """Return one row per window; a document of at most `max_chars` characters is one window."""
    if not (documents["chars"] > max_chars).any():
        return documents.with_columns(
            pl.lit(number, pl.UInt32).alias(name) for name, number in (("window", 0), ("windows", 1), ("start", 0))
        )
    texts = [_cut_text(text, max_chars) for text in documents["text"]]
    counts = np.array([each.len() for each in texts])
    size = pl.col("text").str.len_chars().cast(pl.UInt32)
    rows = documents.drop("text")[np.repeat(np.arange(documents.height), counts)]
    return rows.with_columns(
        pl.concat(texts).alias("text"),
        pl.Series("window", np.arange(rows.height) - np.repeat(np.cumsum(counts) - counts, counts), pl.UInt32),
        pl.Series("windows", np.repeat(counts, counts), pl.UInt32),
    ).with_columns((size.cum_sum().over("doc") - size).alias("start"))


def _cut_text(text: str, max_chars: int) -> pl.Series:
    """Return the windows of a document. Only a few are strings of Python at once, which take up to 4 bytes per char."""
    windows = cut_windows([text], max_chars)
    few_at_a_time = iter(lambda: list(islice(windows, _WINDOWS_AT_ONCE)), [])
    return pl.concat([pl.Series(few, dtype=pl.String) for few in few_at_a_time])

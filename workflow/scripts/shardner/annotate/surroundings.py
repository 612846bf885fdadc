"""The text of a long document around some of its windows, read from the shards as far as it is needed."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from shardner.data.tables import scan_table, shard_path
from shardner.errors import AnnotateError

#: At most so many windows are read at once.
_MOST_ROWS = 64


class Surroundings:
    """A stretch of a document's text. It grows when more is asked for, into windows of other shards too.

    Attributes:
        begin: where the stretch begins in the document, in code points.
        chars: length of the whole document, in code points.
    """

    def __init__(self, directory: Path, shard: int, first_row: int, windows: pl.DataFrame) -> None:
        """Begin with consecutive windows of one document.

        Args:
            directory: where the files of all shards lie.
            shard: number of the shard that holds the windows.
            first_row: row of the first window in the shard's file.
            windows: the rows of the windows.
        """
        self._directory = directory
        self._doc = windows["doc"][0]
        self.begin, self.chars = int(windows["start"][0]), int(windows["chars"][0])
        self._text = "".join(windows["text"])
        self._typical_chars = max(len(self._text) // windows.height, 1)
        self._before = (shard, first_row)  # the first row that has been read
        self._after = (shard, first_row + windows.height)  # the first row after those that have been read

    @property
    def end(self) -> int:
        """Where the stretch ends in the document."""
        return self.begin + len(self._text)

    def read(self, begin: int, end: int) -> str:
        """Return the document's text from `begin` to `end`, cut where the document begins or ends.

        Raises:
            AnnotateError: a window of the document is missing in the shards.
        """
        begin, end = max(begin, 0), min(end, self.chars)
        while begin < self.begin:
            self._extend_left(self.begin - begin)
        while end > self.end:
            self._extend_right(end - self.end)
        return self._text[begin - self.begin : end - self.begin]

    def _extend_left(self, chars: int) -> None:
        shard, row = self._before
        while row == 0:
            shard -= 1
            row = self._count_rows(shard)
        first = max(row - self._rows_for(chars), 0)
        rows = self._read_rows(shard, first, row - first)
        self._text = self._joined(rows, end=self.begin) + self._text
        self.begin, self._before = int(rows["start"][0]), (shard, row - rows.height)

    def _extend_right(self, chars: int) -> None:
        shard, row = self._after
        while row == self._count_rows(shard):
            shard, row = shard + 1, 0
        rows = self._read_rows(shard, row, self._rows_for(chars))
        self._text += self._joined(rows, begin=self.end)
        self._after = (shard, row + rows.height)

    def _rows_for(self, chars: int) -> int:
        return min(chars // self._typical_chars + 1, _MOST_ROWS)

    def _count_rows(self, shard: int) -> int:
        path = shard_path(self._directory, shard)
        if shard < 0 or not path.is_file():
            raise self._broken()
        return int(scan_table(path).select(pl.len()).collect().item())

    def _read_rows(self, shard: int, first: int, count: int) -> pl.DataFrame:
        rows = scan_table(shard_path(self._directory, shard)).select("doc", "start", "text").slice(first, count)
        return rows.collect().filter(pl.col("doc") == self._doc)

    def _joined(self, rows: pl.DataFrame, *, begin: int | None = None, end: int | None = None) -> str:
        """Return the text of rows, which must begin at `begin` and end at `end` where these are given."""
        text = "".join(rows["text"])
        fits = rows.height and begin in (None, rows["start"][0]) and end in (None, rows["start"][0] + len(text))
        if not fits:
            raise self._broken()
        return text

    def _broken(self) -> AnnotateError:
        return AnnotateError(
            f"{self._directory}: a window of document {self._doc} next to {self.begin}-{self.end} is missing; "
            f"remove {self._directory} and run again: the corpus is then split anew"
        )

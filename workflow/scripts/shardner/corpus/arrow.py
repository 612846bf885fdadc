"""Arrow, as a file (Feather) or as a stream (Hugging Face's datasets), one record batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import polars as pl
from polars.exceptions import PanicException, PolarsError

from shardner.config import CorpusConfig
from shardner.corpus.arrow_messages import DamagedMessages, read_batches, read_schema
from shardner.corpus.batch import Draft, Extent
from shardner.corpus.files import SourceFile
from shardner.corpus.formats import ARROW
from shardner.corpus.reader import Look, ReadOptions
from shardner.corpus.typed_columns import (
    ROW,
    check_dtypes,
    cut_into_batches,
    make_draft,
    select_columns,
)
from shardner.data.stored_files import buffered, size_of
from shardner.errors import CorpusError, StorageError

#: In so many rows it is looked for the column with the longest strings.
_FIRST_ROWS = 64
#: How a file of the first version of Feather starts.
_FEATHER_1 = b"FEA1"


class ArrowReader:
    """Reads Arrow."""

    format = ARROW

    def check(self, source: SourceFile, corpus: CorpusConfig) -> Look:
        """See `Reader.check`."""
        _refuse_feather_1(source)
        check_dtypes(self.read_dtypes(source), source, corpus, lambda: self._read_first(source))
        return Look("Arrow")

    def read(self, source: SourceFile, options: ReadOptions) -> Iterator[Draft]:
        """See `Reader.read`."""
        self.check(source, options.corpus)
        schema = self.read_dtypes(source)
        columns = select_columns(schema, options)
        names = list(dict.fromkeys(name for column in columns for name in column.meta.root_names()))
        rows, empty = 0, True
        with _damage_named(source), buffered(source.path) as file:
            for batch in read_batches(file):
                found = batch.read(names).select(columns).with_row_index(ROW, rows)
                for frame in cut_into_batches(found):
                    rows += frame.height
                    yield make_draft(frame, source.shown, options, 0, Extent(0, batch.end if rows else 0, rows))
                    empty = False
        if empty:
            frame = pl.DataFrame(schema=schema).select(columns).with_row_index(ROW)
            yield make_draft(frame, source.shown, options, 0, Extent(0, 0, 0))

    def read_dtypes(self, source: SourceFile) -> Mapping[str, pl.DataType]:
        """See `Reader.read_dtypes`."""
        with _damage_named(source), buffered(source.path) as file:
            return read_schema(file)

    def _read_first(self, source: SourceFile) -> pl.DataFrame:
        with _damage_named(source), buffered(source.path) as file:
            frames = [batch.read().head(_FIRST_ROWS) for batch in islice(read_batches(file), 1)]
        return frames[0] if frames else pl.DataFrame(schema=self.read_dtypes(source))

    def find_end(self, source: SourceFile) -> None:
        """See `Reader.find_end`; only reading the messages tells."""

    def write_head(self, source: SourceFile, corpus: CorpusConfig, wanted: int, target: Path) -> int:
        """See `Reader.write_head`; the head is the first rows."""
        size = size_of(source.path)
        frames, before, end = list[pl.DataFrame](), 0, 0
        with _damage_named(source), buffered(source.path) as file:
            for batch in read_batches(file):
                before, end = end, batch.end
                frame = batch.read()
                if end > wanted:  # as much of a large batch as is wanted
                    rows = -(-frame.height * (wanted - before) // (end - before))
                    frames.append(frame.head(rows))
                    end = before + (end - before) * rows // max(frame.height, 1)
                    break
                frames.append(frame)
            else:
                end = size
        head = pl.concat(frames) if frames else pl.DataFrame(schema=self.read_dtypes(source))
        head.write_ipc_stream(target)
        return end


def _refuse_feather_1(source: SourceFile) -> None:
    with buffered(source.path) as file:
        if file.read(len(_FEATHER_1)) == _FEATHER_1:
            raise CorpusError(
                f"{source.shown}: this is the first version of Feather, which is read no more; write it again, for "
                f"example with pandas:  pandas.read_feather(old).to_parquet(new)"
            )


@contextmanager
def _damage_named(source: SourceFile) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except (DamagedMessages, PolarsError, PanicException, OSError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorpusError(
            f"{source.shown}: damaged, or not the Arrow file that its name says ({what}); "
            f"fetch or make it again, or give it the ending of what it is"
        ) from error

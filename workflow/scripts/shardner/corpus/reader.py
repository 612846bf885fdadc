"""What a reader of a format must do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import polars as pl

from shardner.config import CorpusConfig
from shardner.corpus.batch import Draft
from shardner.corpus.files import SourceFile
from shardner.corpus.formats import InputFormat


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read a file: the settings, and what follows from the list of all files.

    Attributes:
        corpus: the settings.
        id_prefix: with it, ids are ``<id_prefix>:<row>``; without it, each record brings its own id.
        native: whether the ``keep`` columns stay as they are in the file; otherwise they become strings.
        max_chars: the most characters of a window, where a document is too long to be held in memory.
    """

    corpus: CorpusConfig
    id_prefix: str | None
    native: bool
    max_chars: int


@dataclass(frozen=True, slots=True)
class Look:
    """What the start of a file shows.

    Attributes:
        read_as: how the file is read, in words.
        doubts: what seems wrong with that, each with the line to write; nothing that forbids reading.
    """

    read_as: str
    doubts: tuple[str, ...] = ()


@runtime_checkable
class Reader(Protocol):
    """Reads the files of one format.

    A reader holds nothing that belongs to a file: one object reads all files of its format.
    """

    @property
    def format(self) -> InputFormat:
        """The format that the reader reads."""

    def check(self, source: SourceFile, corpus: CorpusConfig) -> Look:
        """Look at the start of a file, before any work is done, and say what it shows.

        Raises:
            CorpusError: the file is not of its format, lacks a column that `corpus` names or has the column twice, or
                has a column of a type that cannot be read. The message says what to write instead.
        """

    def read(self, source: SourceFile, options: ReadOptions) -> Iterator[Draft]:
        """Yield the records of a file in batches, at least one batch.

        Raises:
            CorpusError: as `check`, or the file is damaged. What stands before the damage has been yielded by then.
        """

    def read_dtypes(self, source: SourceFile) -> Mapping[str, pl.DataType]:
        """Return the dtype of each column, where the file says it; nothing for a format without dtypes.

        Raises:
            CorpusError: the file is damaged.
        """

    def find_end(self, source: SourceFile) -> int | None:
        """Return the end of the last extent of a file that has records, as its name and footer say it.

        None for a file that is compressed as a whole: only reading it to its end tells.

        Raises:
            CorpusError: the file is damaged.
        """

    def write_head(self, source: SourceFile, corpus: CorpusConfig, wanted: int, target: Path) -> int:
        """Write the first records of a file as a file of the same format, which is not compressed as a whole.

        Args:
            source: the file.
            corpus: how the file is read.
            wanted: how many bytes of the file to take; more are taken if no whole record lies in them.
            target: where the new file goes.

        Returns:
            How many bytes of the file were taken.
        """

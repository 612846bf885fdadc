"""The reader of each format."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shardner.corpus.arrow import ArrowReader
from shardner.corpus.delimited import DelimitedReader
from shardner.corpus.formats import CSV, TSV, InputFormat
from shardner.corpus.jsonl import JsonLinesReader
from shardner.corpus.parquet import ParquetReader
from shardner.corpus.reader import Reader
from shardner.corpus.text import TextReader
from shardner.corpus.warc import WarcReader

_ALL: tuple[Reader, ...] = (
    JsonLinesReader(),
    DelimitedReader(CSV),
    DelimitedReader(TSV),
    TextReader(),
    WarcReader(),
    ParquetReader(),
    ArrowReader(),
)

#: The readers by format: one for each of `formats.INPUT_FORMATS`.
READERS: Mapping[InputFormat, Reader] = MappingProxyType({reader.format: reader for reader in _ALL})

"""Check, before any work, that each file is what its name says and has the columns that are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shardner.config import CorpusConfig
from shardner.corpus import delimited, jsonl, parquet
from shardner.corpus.files import Compression, Format, Layout, detect_format, show_path
from shardner.corpus.missing_columns import corpus_line, missing_column
from shardner.corpus.streams import Head, open_stream, read_lines
from shardner.errors import CorpusError

#: How much of a file is looked at, decompressed, at most.
HEAD_BYTES = 4 << 20

_MAGIC = {
    b"\x1f\x8b": "gzip data; let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "zstd data; let its name end in .zst",
    b"PAR1": "Parquet; let its name end in .parquet",
    b"PK\x03\x04": "a zip archive (or a spreadsheet); unpack or export it",
    b"\xff\xfe": "UTF-16; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)",
    b"\xfe\xff": "UTF-16; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)",
}


def check_files(files: Sequence[Path], corpus: CorpusConfig) -> None:
    """Look at the start of each file.

    Raises:
        CorpusError: a file is not of the format that its name says, lacks a column that `corpus` names or has it
            twice, or has a column of a type that cannot be read. The message says what to write instead.
    """
    for path in files:
        form = detect_format(path)
        if form.layout is Layout.PARQUET:
            parquet.check_schema(path, corpus)
        else:
            _check_stream(path, form, corpus)


def _check_stream(path: Path, form: Format, corpus: CorpusConfig) -> None:
    if form.layout is Layout.TXT:
        refuse_columns_of_text(path, corpus)
    with open_stream(path, form.compression) as stream:
        start = stream.peek(4) if hasattr(stream, "peek") else b""
        _refuse_other_content(path, form, start)
        if form.layout is Layout.JSONL:
            _check_jsonl(Head(stream, HEAD_BYTES), path, corpus)
        elif form.layout is not Layout.TXT:
            lines = read_lines(Head(stream, HEAD_BYTES))
            delimited.read_header(delimited.read_records(lines, form.layout, path), path, corpus)


def _refuse_other_content(path: Path, form: Format, start: bytes) -> None:
    for magic, what in _MAGIC.items():
        if start.startswith(magic):
            inside = "" if form.compression is Compression.NONE else " when decompressed"
            raise CorpusError(f"{show_path(path)}: this is no {form.layout.upper()} file{inside} but {what}")


def _check_jsonl(head: Head, path: Path, corpus: CorpusConfig) -> None:
    """Look for each column in the first records until all are found."""
    wanted = [("text", corpus.text), ("id", corpus.id), *(("keep", column) for column in corpus.keep)]
    missing = [(key, column) for key, column in wanted if column is not None]
    present: dict[str, None] = {}
    for record in jsonl.read_objects(read_lines(head)):
        present.update(dict.fromkeys(record))
        missing = [(key, column) for key, column in missing if column not in record]
        if not missing:
            return
    if present:
        key, column = missing[0]
        raise missing_column(path, key, column, list(present), corpus)


def refuse_columns_of_text(path: Path, corpus: CorpusConfig) -> None:
    """Refuse columns to keep where there are none. Ids are made of file name and row there, whatever ``corpus.id`` is.

    Raises:
        CorpusError: ``corpus.keep`` names a column.
    """
    if corpus.keep:
        raise CorpusError(
            f"{show_path(path)}: plain text has no columns to keep (corpus.keep)\n  write:  {corpus_line('keep', [])}"
        )

"""Check, before any work, that each file is what its name says, and that records of the corpus can be read."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shardner.config import CorpusConfig, OnBadRecord
from shardner.corpus.files import detect_format, show_path
from shardner.corpus.read import read_corpus
from shardner.corpus.registry import READERS
from shardner.corpus.samples import choose, take_heads
from shardner.errors import CorpusError

#: About how many characters of a file are read.
HEAD_CHARS = 1 << 20
#: More than a window of such a head has.
_ALL_CHARS = 1 << 30


def check_files(files: Sequence[Path], corpus: CorpusConfig) -> None:
    """Look at the start of each file.

    Raises:
        CorpusError: as `Reader.check`.
    """
    for path in files:
        source = detect_format(path)
        READERS[source.format].check(source, corpus)


def check_records(files: Sequence[tuple[Path, int]], corpus: CorpusConfig) -> None:
    """Read the first records of some files: where every one of them would be rejected, no run is begun.

    Args:
        files: paths and sizes in bytes.
        corpus: how the files are read.

    Raises:
        CorpusError: in one of the files, the first megabyte has records, and none can be read.
    """
    lenient = replace(corpus, on_bad_record=OnBadRecord.REJECT)
    for number in choose(files):
        with tempfile.TemporaryDirectory(prefix="shardner-") as directory:
            [head] = take_heads([files[number]], lenient, HEAD_CHARS, Path(directory))
            _refuse_if_none(head.source, head.path, lenient)


def _refuse_if_none(path: Path, head: Path, corpus: CorpusConfig) -> None:
    refused, first = 0, ""
    for batch in read_corpus([head], corpus, scratch=head.parent, max_chars=_ALL_CHARS):
        if batch.records.height:
            return
        refused += batch.rejected.height
        first = first or (batch.rejected["reason"][0] if batch.rejected.height else "")
    if refused:
        raise CorpusError(
            f"{show_path(path)}: none of the first {refused} records can be read (the first one: {first}); mend the "
            f"file, or the settings of corpus, or take the file out of corpus.files"
        )

"""Check, before any work, that each file is what its name says, and that records of the corpus can be read."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from shardner.config import UTF8, CorpusConfig, OnBadRecord
from shardner.corpus.configured_columns import corpus_line
from shardner.corpus.files import SourceFile, detect_format, show_path
from shardner.corpus.partitions import split_keep
from shardner.corpus.read import read_corpus, show_id
from shardner.corpus.reader import Look
from shardner.corpus.registry import READERS
from shardner.corpus.samples import choose, settings_of_heads, take_heads
from shardner.data.stored_files import is_stored
from shardner.errors import CorpusError

#: About how many characters of a file are read.
HEAD_CHARS = 1 << 20
#: So many files that lie in a storage are looked at: each costs a request or two.
MOST_STORED = 50
#: More than a window of such a head has.
_ALL_CHARS = 1 << 30
#: Ids repeat between two files if more than this share of one's first ids are among the other's.
_AGAIN = 0.5


def check_files(files: Sequence[Path], corpus: CorpusConfig) -> list[Look]:
    """Look at the start of each file, of many in a storage at that of some, and return what it shows.

    Raises:
        CorpusError: as `Reader.check`.
    """
    stored = [path for path in files if is_stored(path)]
    spared = set(stored) - set(stored[:: len(stored) // MOST_STORED + 1])
    looks = []
    for path in files:
        if path in spared:
            continue
        source = detect_format(path, corpus)
        look = check_file(source, split_keep(source, corpus)[0])
        told = "" if source.encoding == UTF8 else f", in {source.encoding}"
        looks.append(replace(look, read_as=look.read_as + told))
    return looks


def check_file(source: SourceFile, corpus: CorpusConfig) -> Look:
    """Look at the start of a file, for each column of text.

    Raises:
        CorpusError: as `Reader.check`.
    """
    fields = corpus.fields if corpus.fields and source.format.names_text else (corpus.text,)
    looks = [READERS[source.format].check(source, replace(corpus, text=field)) for field in fields]
    return replace(looks[0], doubts=tuple(dict.fromkeys(doubt for look in looks for doubt in look.doubts)))


def check_records(files: Sequence[tuple[Path, int]], corpus: CorpusConfig) -> list[str]:
    """Read the first records of some files: where every one of them would be rejected, no run is begun.

    Returns:
        What seems wrong with the ids, with the line to write.

    Args:
        files: paths and sizes in bytes.
        corpus: how the files are read.

    Raises:
        CorpusError: in one of the files, the first megabyte has records, and none can be read.
    """
    lenient = replace(corpus, on_bad_record=OnBadRecord.REJECT)
    ids = dict[Path, set[str]]()
    for number in choose(files):
        with tempfile.TemporaryDirectory(prefix="shardner-") as directory:
            [head] = take_heads([files[number]], lenient, HEAD_CHARS, Path(directory))
            ids[head.source] = _read_first(head.source, head.path, settings_of_heads(lenient))
    return _doubt_ids(ids)


def _doubt_ids(ids: Mapping[Path, set[str]]) -> list[str]:
    """Say that ids which each file gives anew come again in another file, if they do."""
    for (first, these), (second, those) in combinations(ids.items(), 2):
        again = these & those
        if len(again) > _AGAIN * min(len(these), len(those)):
            return [
                f"ids repeat between files: {show_path(first)} and {show_path(second)} both have "
                f"{show_id(min(again))}; of records with the same id only the first is annotated. For ids of file name "
                f"and row, write:  {corpus_line('id', None)}"
            ]
    return []


def _read_first(path: Path, head: Path, corpus: CorpusConfig) -> set[str]:
    """Return the ids that a file gives its first records; raise an error where none of these can be read."""
    refused, first = 0, ""
    for batch in read_corpus([head], corpus, scratch=head.parent, max_chars=_ALL_CHARS):
        if batch.records.height:
            brings_ids = corpus.id is not None and detect_format(head, corpus).format.has_columns
            return set(batch.records["id"]) if brings_ids else set()
        refused += batch.rejected.height
        first = first or (batch.rejected["reason"][0] if batch.rejected.height else "")
    if refused:
        raise CorpusError(
            f"{show_path(path)}: none of the first {refused} records can be read (the first one: {first}); mend the "
            f"file, or the settings of corpus, or take the file out of corpus.files"
        )
    return set()

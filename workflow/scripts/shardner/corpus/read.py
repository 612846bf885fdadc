"""Read the whole corpus, file by file, as batches of records with unique ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from shardner.config import FIELD, CorpusConfig, OnBadRecord
from shardner.corpus.batch import Batch, Draft, show_row
from shardner.corpus.configured_columns import corpus_line
from shardner.corpus.fields import add_field, interleave
from shardner.corpus.files import SourceFile, can_be_entered, detect_format, show_path
from shardner.corpus.partitions import add_columns, split_keep
from shardner.corpus.reader import ReadOptions
from shardner.corpus.registry import READERS
from shardner.corpus.seen_ids import SeenIds
from shardner.data.tables import REJECTED, escape_raw
from shardner.errors import CorpusError

#: How many characters of a bad record a message shows.
_EXCERPT = 120
#: An id has at most so many bytes. It is repeated for every entity, in memory and on disk.
MOST_ID_BYTES = 1_024
#: What stands between id and field, where these are compared together.
_BETWEEN = "\x1f"
#: How many characters of a duplicate id the reason shows.
_ID_SHOWN = 80


def read_corpus(files: Sequence[Path], corpus: CorpusConfig, *, scratch: Path, max_chars: int) -> Iterator[Batch]:
    """Yield the records of all files in corpus order, in batches of bounded rows and bytes.

    Every file yields at least one batch. Every record is one row, either of ``records`` or of ``rejected`` of a batch.

    Args:
        files: the input files, from `expand_files`.
        corpus: the columns, and what becomes of bad records.
        scratch: a directory for the set of ids; at its largest it takes about 32 bytes per id.
        max_chars: the most characters of a window, where a text file is one document that is too long to be held in
            memory (see `Batch.position`).

    Raises:
        CorpusError: a file is missing or damaged (what stands before the damage has been yielded by then), lacks a
            column, or, under ``on_bad_record: fail``, holds a bad record.
    """
    sources = [detect_format(path, corpus) for path in files]
    prefixes, native = id_prefixes(files), is_native(sources, corpus.keep)
    each = [ReadOptions(corpus, _prefix(source, corpus, prefixes), native, max_chars) for source in sources]
    # ids that are made of file and row need not be compared
    seen = None if all(options.id_prefix is not None for options in each) else SeenIds(scratch)
    for source, options in zip(sources, each, strict=True):
        yield from _read(source, options, seen)


def read_sources(
    sources: Sequence[SourceFile],
    corpus: CorpusConfig,
    *,
    scratch: Path,
    max_chars: int,
    id_prefixes: Mapping[Path, str] | None = None,
    native: bool | None = None,
) -> Iterator[Batch]:
    """Yield the records of files or stretches of files, as `read_corpus` does, but each by itself.

    Numbers of rows, and ids that are made of them, count from 0 in each source. A record is rejected if its id came
    before in the same source; ids of two sources are not compared.

    Args:
        sources: what to read; only a file that `can_be_entered` may be read in part.
        corpus: as in `read_corpus`.
        scratch: as in `read_corpus`.
        max_chars: as in `read_corpus`.
        id_prefixes: what ids of each file start with, from `id_prefixes` of all files of the corpus; None if the files
            of `sources` are all.
        native: whether ``keep`` columns stay as they are, from `is_native` of all files of the corpus; None if the
            files of `sources` are all.

    Raises:
        CorpusError: as `read_corpus`.
    """
    prefixes = _prefixes(sources) if id_prefixes is None else id_prefixes
    native = is_native(sources, corpus.keep) if native is None else native
    for source in sources:
        options = ReadOptions(corpus, _prefix(source, corpus, prefixes), native, max_chars)
        yield from _read(source, options, SeenIds(scratch) if options.id_prefix is None else None)


def raws_of(
    source: SourceFile, rows: Collection[tuple[int, str | None]], corpus: CorpusConfig, *, max_chars: int
) -> list[tuple[int, str, int | None, str]]:
    """Read a source again, and return how ``rejected.parquet`` shows some of its documents.

    Args:
        source: the file or stretch.
        rows: row and field of the documents in it, which were neither rejected nor duplicates of others in it; the
            field is None unless ``corpus.text`` is a list of columns.
        corpus: as in `read_corpus`.
        max_chars: as in `read_corpus`.

    Returns:
        Row, id, ``byte_offset`` (None in a format that has none) and ``raw`` of each, by row.

    Raises:
        CorpusError: the file cannot be read, or does not have these documents any more.
    """
    documents = set(rows)
    wanted = pl.Series(sorted({row for row, _ in documents}), dtype=pl.UInt64)
    options = ReadOptions(corpus, _prefix(source, corpus, _prefixes([source])), native=False, max_chars=max_chars)
    shown: list[tuple[int, str, int | None, str]] = []
    for draft in _drafts(source, options) if len(wanted) else ():
        records = draft.batch.records
        if draft.batch.position is None or draft.batch.position.window == 0:
            places = np.flatnonzero(records["row"].is_in(wanted.implode()).to_numpy())
            fields = records[FIELD].to_list() if corpus.fields else [None] * records.height
            here = [(records["row"][at], fields[at]) in documents for at in places.tolist()]
            places = places[np.array(here, dtype=np.bool_)]
            names = (records[name].gather(places) for name in ("row", "id"))
            shown += zip(*names, *_show(draft, places), strict=True)
        if len(shown) == len(documents):
            return shown
    if documents:
        raise CorpusError(f"{source.shown}: the file changed while it was read; run again when it is complete")
    return shown


def end_of(source: SourceFile) -> int | None:
    """Return the end of the last extent of a file that has records (see `Reader.find_end`)."""
    return READERS[source.format].find_end(source)


def id_prefixes(files: Sequence[Path]) -> Mapping[Path, str]:
    """Return what ids of each file start with: its base name, or its path if two files have the same base name."""
    bases = {path: show_path(Path(path.name)) for path in files}
    times = Counter(bases.values())
    return {path: base if times[base] == 1 else show_path(path) for path, base in bases.items()}


def is_native(sources: Sequence[SourceFile], keep: Sequence[str]) -> bool:
    """Tell whether all files say the dtypes of their columns, and agree on those of the ``keep`` columns."""
    if not keep or not all(source.format.has_dtypes for source in sources):
        return False
    schemas = [READERS[source.format].read_dtypes(source) for source in sources]
    return all(schema.get(column) == schemas[0].get(column) for schema in schemas for column in keep)


def duplicate_reason(identifier: str) -> str:
    """Return why a record is rejected whose id came before."""
    return f"duplicate id {show_id(identifier)}"


def document_keys(records: pl.DataFrame, *, several: bool) -> pl.Series:
    """Return what must be unique in a corpus: ids; and the field, where a record gives `several` documents."""
    ids = records["id"]
    return ids + _BETWEEN + records[FIELD].fill_null("") if several else ids


def show_id(identifier: str) -> str:
    """Return an id between quotation marks, escaped and cut."""
    shown = identifier[:_ID_SHOWN].encode("unicode_escape").decode()
    return f"'{shown}{'…' if len(identifier) > _ID_SHOWN else ''}'"


def _long_id_reason(identifier: str) -> str | None:
    """Return why a record is rejected whose id is too long; None if it is not."""
    length = len(identifier.encode())
    return (
        f"the id has {length} bytes, more than the {MOST_ID_BYTES} that an id may have"
        if length > MOST_ID_BYTES
        else None
    )


def _prefixes(sources: Sequence[SourceFile]) -> Mapping[Path, str]:
    return id_prefixes([source.path for source in sources])


def _prefix(source: SourceFile, corpus: CorpusConfig, prefixes: Mapping[Path, str]) -> str | None:
    """Return what ids of a file start with; None where records bring their own."""
    return None if corpus.id is not None and source.format.has_columns else prefixes[source.path]


def _read(source: SourceFile, options: ReadOptions, seen: SeenIds | None) -> Iterator[Batch]:
    several = bool(options.corpus.fields)
    for draft in _drafts(source, options):
        batch = draft.batch if seen is None else _without_bad_ids(draft, seen, several=several)
        if options.corpus.on_bad_record is OnBadRecord.FAIL and batch.rejected.height:
            raise bad_record(batch.rejected)
        yield batch


def _drafts(source: SourceFile, options: ReadOptions) -> Iterator[Draft]:
    if (source.start, source.stop) != (0, None) and not can_be_entered(source.path, options.corpus):
        raise ValueError(f"{source.shown} can only be read as a whole")
    corpus, values = split_keep(source, options.corpus)
    reader, options_here = READERS[source.format], replace(options, corpus=corpus)
    if corpus.fields and source.format.names_text:
        each = [
            reader.read(source, replace(options_here, corpus=replace(corpus, text=field))) for field in corpus.fields
        ]
        drafts = interleave(each, corpus.fields)
    else:
        drafts = reader.read(source, options_here)
    for draft in drafts:
        named = add_field(draft, None) if corpus.fields and not source.format.names_text else draft
        yield add_columns(named, values, options.corpus)


def _without_bad_ids(draft: Draft, seen: SeenIds, *, several: bool) -> Batch:
    """Move the records whose ids are too long, or came before, to the rejected records."""
    batch = draft.batch
    if batch.position is not None and batch.position.window > 0:
        return batch  # its id came with its first window
    ids = batch.records["id"]
    good = (ids.str.len_bytes() <= MOST_ID_BYTES).to_numpy(writable=True)
    good[good] = seen.add(document_keys(batch.records, several=several).filter(pl.Series(good)))
    if good.all():
        return batch
    refused = _refuse_ids(draft, np.flatnonzero(~good))
    rejected = pl.concat([batch.rejected, refused]).sort("row", maintain_order=True)
    return replace(batch, records=batch.records.filter(pl.Series(good)), rejected=rejected)


def _refuse_ids(draft: Draft, places: npt.NDArray[np.intp]) -> pl.DataFrame:
    records = draft.batch.records[places]
    offsets, raws = _show(draft, places)
    columns = {
        "file": pl.repeat(draft.batch.file, records.height, dtype=pl.String, eager=True),
        "row": records["row"],
        "byte_offset": offsets,
        "reason": [_long_id_reason(identifier) or duplicate_reason(identifier) for identifier in records["id"]],
        "raw": raws,
    }
    return pl.DataFrame(columns, schema=REJECTED)


def _show(draft: Draft, places: npt.NDArray[np.intp]) -> tuple[list[int | None], list[str]]:
    """Return ``byte_offset`` and ``raw`` of some records of a draft."""
    if draft.raws:
        return [draft.offsets[at] for at in places.tolist()], [escape_raw(draft.raws[at]) for at in places.tolist()]
    shown = draft.batch.records[places].select("id", "text").iter_rows()
    return [None] * places.size, [show_row(identifier, text) for identifier, text in shown]


def bad_record(rejected: pl.DataFrame) -> CorpusError:
    """Return an error about the first of some rejected records."""
    bad = rejected.row(0, named=True)
    place = "" if bad["byte_offset"] is None else f" (byte {bad['byte_offset']})"
    raw = bad["raw"]
    excerpt = raw[:_EXCERPT] + ("…" if len(raw) > _EXCERPT else "")
    return CorpusError(
        f"{bad['file']}, row {bad['row']}{place}: {bad['reason']}; the record starts: {excerpt}\n"
        f"  mend it, or let bad records be listed in rejected.parquet:  {corpus_line('on_bad_record', 'reject')}"
    )

"""Split: a part of the corpus, read once, becomes shards of about equal size, in the order of the part.

The length of the part is known only at its end. So the windows of its documents first go to a spool
(`shardner.stages.spool`), and then each shard is cut from the spool. A window belongs to shard
``⌊before · n / total⌋``, where *before* is the size of all windows before it: a function of the part alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from shardner.config import CorpusConfig
from shardner.corpus.files import SourceFile
from shardner.corpus.kept_columns import NATIVE
from shardner.corpus.read import read_sources
from shardner.corpus.seen_ids import hash_first
from shardner.data.files import atomic_path, scratch_directory, state_of, write_digests
from shardner.data.manifest import PartManifest, ShardInfo, StretchInfo
from shardner.data.stored_files import is_stored
from shardner.data.tables import REJECTED, WINDOWS, scan_table
from shardner.data.typed_json import write_json
from shardner.errors import CorpusError
from shardner.stages.checksums import sha256_of
from shardner.stages.drawn_documents import Draw
from shardner.stages.spool import SIZE, Spool, SpoolPiece

log = logging.getLogger(__name__)

#: About how many characters a row group of a shard holds. A reader of a block holds them at once.
ROW_GROUP_CHARS = 1 << 19


@dataclass(frozen=True, slots=True)
class PartFiles:
    """Where the files of a part go."""

    shards: Sequence[Path]  # by number; in a small part, some may be empty
    rejected: Path
    drawn: Path
    manifest: Path


class SpoolRange(NamedTuple):
    """Consecutive windows of a piece of the spool: those from row `start` up to, but without, row `stop`."""

    piece: SpoolPiece
    start: int
    stop: int


def split_part(
    name: str, sources: Sequence[SourceFile], corpus: CorpusConfig, results: PartFiles, max_chars: int
) -> PartManifest:
    """Read a part of the corpus and write its shards, rejected records, drawn documents and, last, its manifest.

    Args:
        name: of the part.
        sources: what to read, in the order of the part.
        corpus: how to read it.
        results: where the files go.
        max_chars: a document of more characters is cut into windows.

    Raises:
        CorpusError: a file is damaged, or changed while it was read; or, under ``on_bad_record: fail``, a record is
            bad.
    """
    before = {source.path: state_of(source.path) for source in sources}
    with scratch_directory(results.manifest) as scratch, ThreadPoolExecutor(1) as hasher:
        checksums = {each.path: hasher.submit(sha256_of, each.path) for each in sources if _is_summed(each)}
        spool, draw = Spool(scratch, max_chars), Draw()
        by_row = {each.shown: corpus.id is None or not each.format.has_columns for each in sources}
        for batch in read_sources(sources, corpus, scratch=scratch, max_chars=max_chars):
            if batch.position is None or batch.position.window == 0:
                draw.add(hash_first(batch.records["id"]), spool.documents)
            spool.add(batch)
        spool.flush()
        infos = tuple(_write_shards(spool.pieces, results.shards))
        write_digests(results.shards[0].parent, [path.name for path in results.shards])
        _write_rejected(spool.rejected_files, results.rejected)
        draw.write(results.shards, results.drawn)
        native = {name: str(dtype) for name, dtype in spool.dtypes.items() if spool.kinds[name] == {NATIVE}}
        result = PartManifest(
            name=name,
            stretches=tuple(_describe(each, spool, before, checksums, by_row[each.shown]) for each in sources),
            shards=infos,
            documents=spool.documents,
            rejected=spool.rejected,
            chars=spool.chars,
            kinds={column: tuple(sorted(kinds)) for column, kinds in spool.kinds.items()},
            native=native,
        )
    write_json(results.manifest, result)
    log.info(
        "%d documents in %d shards, %d records rejected, %d characters",
        result.documents, len(infos), result.rejected, result.chars,
    )  # fmt: skip
    return result


def _is_summed(source: SourceFile) -> bool:
    # what lies in a storage would be fetched twice
    return source.start == 0 and source.stop is None and not is_stored(source.path)


def _write_shards(spool: Sequence[SpoolPiece], shards: Sequence[Path]) -> Iterator[ShardInfo]:
    """Cut the spool into shards; a piece is removed as soon as its last window is in a shard."""
    ranges = _assign_windows(spool, len(shards))
    schema = spool[0].scan().collect_schema() if spool else pl.Schema(WINDOWS)
    schema.pop(SIZE, None)
    for number, target in enumerate(shards):
        yield _write_shard(number, target, ranges[number], schema)
        for piece, _, stop in ranges[number]:
            if stop == piece.rows:
                piece.remove()


def _assign_windows(spool: Sequence[SpoolPiece], shards: int) -> list[list[SpoolRange]]:
    """Return which windows go into each shard."""
    total = sum(piece.size for piece in spool)
    ranges: list[list[SpoolRange]] = [[] for _ in range(shards)]
    # integers of Python: in a very large corpus, the product takes more than 64 bits
    limits = np.array([-(-shard * total // shards) for shard in range(shards + 1)], dtype=np.int64)
    before = 0
    for piece in spool:
        sizes = piece.scan().select(SIZE).collect()[SIZE].cast(pl.Int64).to_numpy() + 1
        starts = before + np.cumsum(sizes) - sizes
        edges = np.searchsorted(starts, limits)
        for shard in np.flatnonzero(np.diff(edges)):
            ranges[shard].append(SpoolRange(piece, int(edges[shard]), int(edges[shard + 1])))
        before += piece.size
    return ranges


def _write_shard(shard: int, target: Path, ranges: Sequence[SpoolRange], schema: pl.Schema) -> ShardInfo:
    if not ranges:
        with atomic_path(target) as temporary:
            pl.DataFrame(schema=schema).write_parquet(temporary, compression="zstd")
        return ShardInfo(shard, documents=0, windows=0, chars=0, first_doc=None)
    windows = pl.concat([piece.scan().slice(start, stop - start) for piece, start, stop in ranges])
    numbers = windows.select("doc", "window", "windows", SIZE).collect()
    with atomic_path(target) as temporary:
        windows.drop(SIZE).sink_parquet(
            temporary, compression="zstd", row_group_size=_rows_per_group(numbers[SIZE]), maintain_order=True
        )
    return ShardInfo(
        shard=shard,
        documents=int((numbers["window"] == 0).sum()),
        windows=numbers.height,
        chars=int(numbers[SIZE].cast(pl.UInt64).sum()),
        first_doc=int(numbers["doc"][0]),
        first_window=int(numbers["window"][0]),
        long_windows=int((numbers["windows"] > 1).sum()),
    )


def _rows_per_group(chars: pl.Series) -> int:
    """Choose the rows of a row group so that no group holds much more than `ROW_GROUP_CHARS` characters."""
    rows = 1 << 16
    sizes = chars.cast(pl.Int64).to_numpy()
    while rows > max(1, sizes.size // 4096):
        largest = np.add.reduceat(sizes, np.arange(0, sizes.size, rows)).max()
        if largest <= 2 * ROW_GROUP_CHARS:
            break
        rows //= 2
    return rows


def _write_rejected(files: Sequence[Path], target: Path) -> None:
    with atomic_path(target) as temporary:
        if files:
            scan_table(list(files)).sink_parquet(temporary, maintain_order=True)
        else:
            pl.DataFrame(schema=REJECTED).write_parquet(temporary)


def _describe(
    source: SourceFile,
    spool: Spool,
    before: Mapping[Path, tuple[int, int] | None],
    checksums: Mapping[Path, Future[str]],
    by_row: bool,
) -> StretchInfo:
    """Return what was read of a file.

    Raises:
        CorpusError: the file is no longer what it was before.
    """
    checksum = checksums[source.path].result() if source.path in checksums else None
    state = before[source.path]
    if state is None or state_of(source.path) != state:
        raise CorpusError(f"{source.shown}: the file changed while it was read; run again when it is complete")
    extent = spool.extents[source.shown]
    return StretchInfo(
        path=source.shown,
        source=source.path,
        bytes=state[0],
        modified_ns=state[1],
        sha256=checksum,
        start=source.start,
        stop=source.stop,
        begin=extent.begin,
        end=extent.end,
        rows=extent.rows,
        documents=spool.documents_by_file[source.shown],
        rejected=spool.rejected_by_file[source.shown],
        by_row=by_row,
    )

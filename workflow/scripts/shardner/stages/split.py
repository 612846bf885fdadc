"""The split: the corpus, read once, becomes shards of about equal size in corpus order.

How long the corpus is, is known only at its end. So the pass over the input numbers the documents, cuts long ones into
windows, and writes these to a spool of small files; then each shard is cut from the spool. A window belongs to shard
``⌊before · n / total⌋``, where *before* is the size of all windows before it: a function of the corpus alone.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from shardner.config import CorpusConfig
from shardner.corpus.batch import Batch
from shardner.corpus.files import show_path
from shardner.corpus.kept_columns import dtype_name, keep_dtypes
from shardner.corpus.read import WINDOW_CHARS, read_corpus
from shardner.corpus.window_cuts import cut_windows
from shardner.data.files import atomic_path, scratch_directory
from shardner.data.manifest import InputFile, Manifest, ShardInfo, write_manifest
from shardner.data.tables import REJECTED, WINDOWS

log = logging.getLogger(__name__)

#: Characters that a row group of a shard holds, about: what a reader of a block holds at once.
ROW_GROUP_CHARS = 1 << 19
#: A spool file holds about this many characters.
SPOOL_CHARS = 1 << 23
#: Windows of a long document that are strings of Python at once.
_WINDOWS = 16


@dataclass(frozen=True, slots=True)
class Part:
    """A spool file: consecutive windows."""

    path: Path
    rows: int
    size: int  # characters, and one for each window, so that empty documents count


@dataclass
class _Found:
    """What the pass over the input found so far."""

    documents: int = 0
    rejected: int = 0
    chars: int = 0
    documents_by_file: dict[str, int] = field(default_factory=dict)
    rejected_by_file: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, frozenset[str]] = field(default_factory=dict)
    rejected_parts: list[Path] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        documents = batch.records.height if batch.slice is None or batch.slice.window == 0 else 0
        self.documents += documents
        self.rejected += batch.rejected.height
        self.documents_by_file[batch.file] = self.documents_by_file.get(batch.file, 0) + documents
        self.rejected_by_file[batch.file] = self.rejected_by_file.get(batch.file, 0) + batch.rejected.height
        for column, kinds in batch.kinds.items():
            self.kinds[column] = self.kinds.get(column, frozenset()) | kinds


def split_corpus(
    files: Sequence[Path],
    corpus: CorpusConfig,
    shards: Sequence[Path],
    rejected: Path,
    manifest: Path,
    max_chars: int = WINDOW_CHARS,
) -> Manifest:
    """Read the corpus and write shards, rejected records and, last, the manifest.

    Args:
        files: the input files in corpus order.
        corpus: how to read them.
        shards: where the shards go, by number; a small corpus may leave some empty.
        rejected: where the table of rejected records goes.
        manifest: where the manifest goes.
        max_chars: a document of more characters is cut into windows.

    Raises:
        CorpusError: a file is damaged; or, under ``on_bad_record: fail``, a record is bad.
    """
    found = _Found()
    with scratch_directory(manifest) as scratch, ThreadPoolExecutor(1) as hasher:
        checksums = {path: hasher.submit(_sha256, path) for path in files}
        batches = read_corpus(files, corpus, scratch=scratch, max_chars=max_chars)
        parts = list(_spool(batches, found, scratch, max_chars))
        infos = tuple(_write_shards(parts, shards))
        _write_rejected(found.rejected_parts, rejected)
        result = Manifest(
            files=_input_files(files, found, checksums),
            shards=infos,
            documents=found.documents,
            rejected=found.rejected,
            chars=found.chars,
            keep={column: dtype_name(dtype) for column, dtype in keep_dtypes(found.kinds).items()},
        )
    write_manifest(manifest, result)
    log.info(
        "%d documents in %d shards, %d records rejected, %d characters",
        result.documents, len(infos), result.rejected, result.chars,
    )  # fmt: skip
    return result


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _spool(batches: Iterable[Batch], found: _Found, scratch: Path, max_chars: int) -> Iterator[Part]:
    """Number the documents, cut long ones, and write the windows out in parts of bounded size."""
    waiting: list[pl.DataFrame] = []
    size = number = 0
    for batch in batches:
        if batch.rejected.height:
            found.rejected_parts.append(scratch / f"rejected-{len(found.rejected_parts):07d}.parquet")
            batch.rejected.write_parquet(found.rejected_parts[-1])
        windows = _windows(batch, found.documents, max_chars)
        found.add(batch)
        chars = int(windows["size"].cast(pl.UInt64).sum())
        found.chars += chars
        waiting.append(windows)
        size += chars + windows.height
        if size >= SPOOL_CHARS:
            yield _write_part(scratch / f"spool-{number:07d}.parquet", waiting, size)
            waiting, size, number = [], 0, number + 1
    if waiting:
        yield _write_part(scratch / f"spool-{number:07d}.parquet", waiting, size)


def _windows(batch: Batch, first_doc: int, max_chars: int) -> pl.DataFrame:
    """Return the windows of a batch, its documents numbered from `first_doc` on; ``size`` is a window's length."""
    records, part = batch.records, batch.slice
    if part is not None and part.window > 0:
        first_doc -= 1  # its document was counted with its first window
    numbered = records.with_columns(
        pl.int_range(first_doc, first_doc + pl.len(), dtype=pl.UInt64).alias("doc"),
        pl.col("text").str.len_chars().cast(pl.UInt32).alias("chars"),
    )
    if part is None:
        windows = _cut(numbered, max_chars)
    else:
        windows = numbered.with_columns(
            pl.lit(getattr(part, name), pl.UInt32).alias(name) for name in ("window", "windows", "start", "chars")
        )
    keep = [column for column in records.columns if column not in WINDOWS]
    return windows.select(*WINDOWS, pl.col("text").str.len_chars().cast(pl.UInt32).alias("size"), *keep)


def _cut(documents: pl.DataFrame, max_chars: int) -> pl.DataFrame:
    """Return a row a window; a document of at most `max_chars` characters is one."""
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
    """Return the windows of a document, few at a time as strings of Python: those take up to four bytes a character."""
    windows = cut_windows([text], max_chars)
    return pl.concat([pl.Series(few, dtype=pl.String) for few in iter(lambda: list(islice(windows, _WINDOWS)), [])])


def _write_part(path: Path, frames: list[pl.DataFrame], size: int) -> Part:
    windows = pl.concat(frames)
    windows.write_parquet(path, compression="lz4", statistics=False)
    return Part(path, windows.height, size)


def _write_shards(parts: Sequence[Part], shards: Sequence[Path]) -> Iterator[ShardInfo]:
    """Cut the spool into shards; a part is removed as soon as its last window is written."""
    total = sum(part.size for part in parts)
    slices: list[list[tuple[Part, int, int]]] = [[] for _ in shards]
    # Python integers: the product exceeds 64 bits for a very large corpus
    limits = np.array([-(-shard * total // len(shards)) for shard in range(len(shards) + 1)], dtype=np.int64)
    before = 0
    for part in parts:
        sizes = pl.read_parquet(part.path, columns=["size"])["size"].cast(pl.Int64).to_numpy() + 1
        starts = before + np.cumsum(sizes) - sizes
        edges = np.searchsorted(starts, limits)
        for shard in np.flatnonzero(np.diff(edges)):
            slices[shard].append((part, int(edges[shard]), int(edges[shard + 1])))
        before += part.size
    schema = pl.Schema(pl.read_parquet_schema(parts[0].path) if parts else WINDOWS)
    schema.pop("size", None)
    for number, target in enumerate(shards):
        yield _write_shard(number, target, slices[number], schema)
        for part, _, stop in slices[number]:
            if stop == part.rows:
                part.path.unlink()


def _write_shard(shard: int, target: Path, slices: list[tuple[Part, int, int]], schema: pl.Schema) -> ShardInfo:
    if not slices:
        with atomic_path(target) as temporary:
            pl.DataFrame(schema=schema).write_parquet(temporary, compression="zstd")
        return ShardInfo(shard, documents=0, windows=0, chars=0, first_doc=None)
    windows = pl.concat([pl.scan_parquet(part.path).slice(start, stop - start) for part, start, stop in slices])
    heads = windows.select("doc", "window", "windows", "size").collect()
    with atomic_path(target) as temporary:
        windows.drop("size").sink_parquet(
            temporary, compression="zstd", row_group_size=_rows_a_group(heads["size"]), maintain_order=True
        )
    return ShardInfo(
        shard=shard,
        documents=int((heads["window"] == 0).sum()),
        windows=heads.height,
        chars=int(heads["size"].cast(pl.UInt64).sum()),
        first_doc=int(heads["doc"][0]),
        first_window=int(heads["window"][0]),
        long_windows=int((heads["windows"] > 1).sum()),
    )


def _rows_a_group(chars: pl.Series) -> int:
    """Choose the rows of a row group so that none holds much more than `ROW_GROUP_CHARS` characters."""
    rows = 1 << 16
    sizes = chars.cast(pl.Int64).to_numpy()
    while rows > max(1, sizes.size // 4096):
        largest = np.add.reduceat(sizes, np.arange(0, sizes.size, rows)).max()
        if largest <= 2 * ROW_GROUP_CHARS:
            break
        rows //= 2
    return rows


def _write_rejected(parts: list[Path], target: Path) -> None:
    with atomic_path(target) as temporary:
        if parts:
            pl.scan_parquet(parts).sink_parquet(temporary, maintain_order=True)
        else:
            pl.DataFrame(schema=REJECTED).write_parquet(temporary)


def _input_files(files: Sequence[Path], found: _Found, checksums: dict[Path, Future[str]]) -> tuple[InputFile, ...]:
    return tuple(
        InputFile(
            path=show_path(path),
            bytes=path.stat().st_size,
            sha256=checksums[path].result(),
            documents=found.documents_by_file.get(show_path(path), 0),
            rejected=found.rejected_by_file.get(show_path(path), 0),
        )
        for path in files
    )

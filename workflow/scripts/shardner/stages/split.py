"""Split: the corpus, read once, becomes shards of about equal size in corpus order.

The length of the corpus is known only at its end. So the windows of its documents first go to a spool of small files
(`shardner.stages.spool`), and then each shard is cut from the spool. A window belongs to shard
``⌊before · n / total⌋``, where *before* is the size of all windows before it: a function of the corpus alone.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from shardner.config import CorpusConfig
from shardner.corpus.files import show_path
from shardner.corpus.kept_columns import dtype_name, keep_dtypes
from shardner.corpus.read import read_corpus
from shardner.data.files import atomic_path, scratch_directory
from shardner.data.manifest import InputFile, Manifest, ShardInfo, write_manifest
from shardner.data.tables import REJECTED, WINDOWS
from shardner.stages.spool import Spool, SpoolFile

log = logging.getLogger(__name__)

#: About how many characters a row group of a shard holds. A reader of a block holds them at once.
ROW_GROUP_CHARS = 1 << 19


class SpoolRange(NamedTuple):
    """Consecutive windows of a spool file: those from row `start` up to, but without, row `stop`."""

    file: SpoolFile
    start: int
    stop: int


def split_corpus(
    files: Sequence[Path], corpus: CorpusConfig, shards: Sequence[Path], rejected: Path, manifest: Path, max_chars: int
) -> Manifest:
    """Read the corpus and write shards, rejected records and, last, the manifest.

    Args:
        files: the input files in corpus order.
        corpus: how to read them.
        shards: where the shards go, by number; in a small corpus, some may be empty.
        rejected: where the table of rejected records goes.
        manifest: where the manifest goes.
        max_chars: a document of more characters is cut into windows.

    Raises:
        CorpusError: a file is damaged; or, under ``on_bad_record: fail``, a record is bad.
    """
    with scratch_directory(manifest) as scratch, ThreadPoolExecutor(1) as hasher:
        checksums = {path: hasher.submit(_sha256, path) for path in files}
        spool = Spool(scratch, max_chars)
        for batch in read_corpus(files, corpus, scratch=scratch, max_chars=max_chars):
            spool.add(batch)
        spool.flush()
        infos = tuple(_write_shards(spool.files, shards))
        _write_rejected(spool.rejected_files, rejected)
        result = Manifest(
            files=_input_files(files, spool, checksums),
            shards=infos,
            documents=spool.documents,
            rejected=spool.rejected,
            chars=spool.chars,
            keep={column: dtype_name(dtype) for column, dtype in keep_dtypes(spool.kinds).items()},
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


def _write_shards(spool: Sequence[SpoolFile], shards: Sequence[Path]) -> Iterator[ShardInfo]:
    """Cut the spool into shards; a spool file is removed as soon as its last window is in a shard."""
    ranges = _assign_windows(spool, len(shards))
    schema = pl.Schema(pl.read_parquet_schema(spool[0].path) if spool else WINDOWS)
    schema.pop("size", None)
    for number, target in enumerate(shards):
        yield _write_shard(number, target, ranges[number], schema)
        for file, _, stop in ranges[number]:
            if stop == file.rows:
                file.path.unlink()


def _assign_windows(spool: Sequence[SpoolFile], shards: int) -> list[list[SpoolRange]]:
    """Return which windows go into each shard."""
    total = sum(file.size for file in spool)
    ranges: list[list[SpoolRange]] = [[] for _ in range(shards)]
    # integers of Python: in a very large corpus, the product takes more than 64 bits
    limits = np.array([-(-shard * total // shards) for shard in range(shards + 1)], dtype=np.int64)
    before = 0
    for file in spool:
        sizes = pl.read_parquet(file.path, columns=["size"])["size"].cast(pl.Int64).to_numpy() + 1
        starts = before + np.cumsum(sizes) - sizes
        edges = np.searchsorted(starts, limits)
        for shard in np.flatnonzero(np.diff(edges)):
            ranges[shard].append(SpoolRange(file, int(edges[shard]), int(edges[shard + 1])))
        before += file.size
    return ranges


def _write_shard(shard: int, target: Path, ranges: Sequence[SpoolRange], schema: pl.Schema) -> ShardInfo:
    if not ranges:
        with atomic_path(target) as temporary:
            pl.DataFrame(schema=schema).write_parquet(temporary, compression="zstd")
        return ShardInfo(shard, documents=0, windows=0, chars=0, first_doc=None)
    windows = pl.concat([pl.scan_parquet(file.path).slice(start, stop - start) for file, start, stop in ranges])
    numbers = windows.select("doc", "window", "windows", "size").collect()
    with atomic_path(target) as temporary:
        windows.drop("size").sink_parquet(
            temporary, compression="zstd", row_group_size=_rows_per_group(numbers["size"]), maintain_order=True
        )
    return ShardInfo(
        shard=shard,
        documents=int((numbers["window"] == 0).sum()),
        windows=numbers.height,
        chars=int(numbers["size"].cast(pl.UInt64).sum()),
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
            pl.scan_parquet(list(files)).sink_parquet(temporary, maintain_order=True)
        else:
            pl.DataFrame(schema=REJECTED).write_parquet(temporary)


def _input_files(files: Sequence[Path], spool: Spool, checksums: Mapping[Path, Future[str]]) -> tuple[InputFile, ...]:
    return tuple(
        InputFile(
            path=show_path(path),
            bytes=path.stat().st_size,
            sha256=checksums[path].result(),
            documents=spool.documents_by_file.get(show_path(path), 0),
            rejected=spool.rejected_by_file.get(show_path(path), 0),
        )
        for path in files
    )

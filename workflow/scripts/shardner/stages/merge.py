"""Merge: the results of all parts become the tables of the corpus, in corpus order.

Parts are put together side by side. It fails where anything is missing or does not add up.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import polars as pl

from shardner import __version__
from shardner.data.files import atomic_path, scratch_directory
from shardner.data.manifest import Manifest
from shardner.data.metrics import Joins
from shardner.data.tables import DOCUMENTS, ENTITIES, PART_PREFIX, REJECTED, SPANS, as_results, corpus_table, scan_table
from shardner.engine.extension_values import PREFIX
from shardner.errors import MergeError
from shardner.model.components import Request
from shardner.model.pipeline import Pipeline
from shardner.parse.overwriting import RUN_KEY
from shardner.stages.duplicates import RejectDuplicates
from shardner.stages.extension_columns import decode_columns
from shardner.stages.merge_part import PartResults, PartTables, merge_part
from shardner.stages.rejected_records import describe_rejected

log = logging.getLogger(__name__)


#: Where the rules of exports write, by the names of their logs.
EXPORTS = {
    "export_csv": "{}.csv",
    "export_jsonl": "{}.jsonl",
    "export_docbin": "documents.spacy/{}.spacy",
    "export_texts": "{}",
}


@dataclass(frozen=True, slots=True)
class CorpusFiles:
    """Where the tables of the corpus go."""

    entities: Path
    documents: Path
    rejected: Path
    spans: Path | None = None  # only where span groups are asked for


def merge_parts(
    manifest: Manifest,
    parts: Sequence[PartResults],
    run: str,
    results: CorpusFiles,
    *,
    reject_duplicates: RejectDuplicates,
    max_rejected: float = 1.0,
    request: Request | None = None,
    threads: int = 1,
) -> Joins:
    """Merge the results of all parts into one file a table; return how the windows of long documents were put together.

    Args:
        manifest: of the corpus.
        parts: the results, in the manifest's order.
        run: the name of the run, for the Parquet metadata of each table.
        results: where the tables go.
        reject_duplicates: makes the rows of rejected duplicates.
        max_rejected: share of the corpus's records.
        request: what is asked for besides entities; further columns that occur are kept as well.
        threads: so many parts are put together at once.

    Raises:
        MergeError: a shard's results are missing, damaged, or do not account for its documents; or more records than
            `max_rejected` were rejected.
    """
    if [part.manifest.name for part in parts] != [part.name for part in manifest.parts]:
        raise MergeError(f"the manifest knows {len(manifest.parts)} parts, but there are others: {len(parts)}")
    request = request or Request()
    with scratch_directory(results.entities) as scratch, ThreadPoolExecutor(threads) as pool:

        def merge(number: int) -> tuple[PartTables, Joins]:
            directory = scratch / f"{number:05d}"
            directory.mkdir()
            tables, joins = merge_part(parts[number], manifest, request, reject_duplicates, directory)
            return (tables if len(parts) == 1 else _store(tables, scratch, number)), joins

        merged = list(pool.map(merge, range(len(parts))))
        tables = _concatenate([tables for tables, _ in merged], scratch)
        _write(tables, results, run)
    _check_counts(manifest, [results.documents], [results.rejected])
    _refuse_many_rejected([results.documents], [results.rejected], max_rejected)
    return reduce(lambda left, right: left + right, (joins for _, joins in merged), Joins())


def write_part(
    manifest: Manifest,
    part: PartResults,
    run: str,
    results: CorpusFiles,
    *,
    reject_duplicates: RejectDuplicates,
    request: Request,
    entities: Sequence[Path] = (),
) -> Joins:
    """Write the tables of one part, with the columns and numbers of the corpus; return how windows were put together.

    Args:
        manifest: of the corpus.
        part: the results.
        run: the name of the run, for the Parquet metadata of each table.
        results: where the tables go.
        reject_duplicates: makes the rows of rejected duplicates.
        request: what is asked for besides entities.
        entities: those of all shards of the corpus, where custom extensions are asked for.

    Raises:
        MergeError: a shard's results are missing, damaged, or do not account for its documents.
    """
    with scratch_directory(results.entities) as scratch:
        tables, joins = merge_part(part, manifest, request, reject_duplicates, scratch)
        extensions = [name for name in request.attributes if name.startswith(PREFIX)]
        schema = pl.Schema(dict.fromkeys(extensions, pl.String()))
        corpus = scan_table(list(entities), schema=schema, extra_columns="ignore", missing_columns="insert")
        _write(tables, results, run, corpus if entities else None)
    return joins


def check_dataset(manifest: Manifest, tables: Sequence[Path], rejected: Sequence[Path], max_rejected: float) -> None:
    """Check that the tables of all parts account for the corpus.

    Args:
        manifest: of the corpus.
        tables: the documents of all parts.
        rejected: the rejected records of all parts.
        max_rejected: share of the corpus's records.

    Raises:
        MergeError: they do not, or more records than `max_rejected` were rejected.
    """
    _check_counts(manifest, list(tables), list(rejected))
    _refuse_many_rejected(list(tables), list(rejected), max_rejected)


def remove_stale(tables: Sequence[Path]) -> None:
    """Remove the files that an earlier run made of the same tables, and that would be read as results of this one.

    These are the files of parts that the corpus no longer has, and those of the other layout.

    Args:
        tables: all files of this run's tables.

    Raises:
        MergeError: a file that no run has made lies among the parts of a table, and would be read with them.
    """
    kept = set(tables)
    wholes = {corpus_table([path]).with_suffix("") for path in tables}
    for whole in sorted(wholes):
        for path in [whole.with_suffix(".parquet"), *sorted(whole.glob(f"{PART_PREFIX}*.parquet"))]:
            if path not in kept and path.is_file() and _is_ours(path):
                log.info("%s is of an earlier run, and is removed", path)
                path.unlink()
        if whole in {path.parent for path in kept}:
            if foreign := [path for path in sorted(whole.glob("*.parquet")) if path not in kept]:
                raise MergeError(f"{foreign[0]} is not of this run, but would be read as a part of it; move it away")
        else:
            with suppress(OSError):
                whole.rmdir()  # only if nothing is left in it


def remove_exports(results: Path) -> None:
    """Remove the exports that earlier runs made: they are of other tables now. Those asked for are made again.

    What a run has made has a log. A file of another origin is left alone.

    Args:
        results: the directory of results.
    """
    for rule, pattern in EXPORTS.items():
        logs = results / ".work" / "logs" / rule
        for log_file in sorted(logs.rglob("*.log")):
            target = results / pattern.format(log_file.relative_to(logs).with_suffix("").as_posix())
            if target.is_file():
                log.info("%s is of an earlier run, and is removed", target)
                target.unlink()
            with suppress(OSError):
                log_file.unlink()
                target.parent.rmdir()  # only if nothing is left in it


def _is_ours(table: Path) -> bool:
    """Tell whether a run has written a table."""
    try:
        return RUN_KEY in pl.read_parquet_metadata(table)
    except (OSError, pl.exceptions.PolarsError):
        return False


def _store(tables: PartTables, scratch: Path, number: int) -> PartTables:
    """Write the tables of a part to files, and return them as they are there."""
    stored: list[pl.LazyFrame | None] = []
    for name, table in zip(PartTables._fields, tables, strict=True):
        if table is None:
            stored.append(None)
            continue
        path = scratch / f"{name}-{number:05d}.parquet"
        table.sink_parquet(path, compression="lz4", maintain_order=True)
        stored.append(scan_table(path))
    return PartTables(*stored)  # type: ignore[arg-type]


def _concatenate(parts: Sequence[PartTables], scratch: Path) -> PartTables:
    """Return the tables of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    scans = [
        scan_table(paths, missing_columns="insert") if (paths := sorted(scratch.glob(f"{name}-*.parquet"))) else None
        for name in PartTables._fields
    ]
    return PartTables(*scans)  # type: ignore[arg-type]


def _write(tables: PartTables, results: CorpusFiles, run: str, corpus: pl.LazyFrame | None = None) -> None:
    """Write tables to files. `corpus` are the entities of the whole corpus, where `tables` are those of a part."""
    metadata = {RUN_KEY: run}
    extensions = [name for name in tables.entities.collect_schema().names() if name.startswith(PREFIX)]
    _sink(decode_columns(tables.entities, extensions, corpus), ENTITIES, results.entities, metadata)
    _sink(tables.documents, DOCUMENTS, results.documents, metadata)
    if results.spans is not None and tables.spans is not None:
        _sink(tables.spans, SPANS, results.spans, metadata)
    _sink(tables.rejected, REJECTED, results.rejected, metadata)


def _check_counts(manifest: Manifest, documents: list[Path], rejected: list[Path]) -> None:
    """Raise `MergeError` unless the results have as many rows as the corpus has records."""
    counts = [_count_rows(documents), _count_rows(rejected)]
    if sum(counts) != manifest.documents + manifest.rejected:
        raise MergeError(
            f"{counts[0]} annotated documents and {counts[1]} rejected records do not add up to "
            f"the {manifest.documents + manifest.rejected} records of the corpus"
        )
    log.info("%d documents, %d rejected", *counts)


def _count_rows(paths: list[Path]) -> int:
    return int(scan_table(paths).select(pl.len()).collect().item())


def _refuse_many_rejected(tables: list[Path], refused: list[Path], most: float) -> None:
    """Raise `MergeError` if a larger share of the records than `most` was rejected; says why most of them were."""
    count = _count_rows(refused)
    records = count + _count_rows(tables)
    if count <= most * records:
        return
    rejected = scan_table(refused).select("reason").collect()["reason"]
    raise MergeError(describe_rejected(count, records - count, rejected, most))


def name_run(manifest: Manifest, pipeline: Pipeline) -> str:
    """Return the name of a run, for its tables. The same input and the same pipeline give the same name."""
    # of a file in a storage there is no checksum
    contents = "".join(file.sha256 or f"{file.path} {file.bytes}\n" for file in manifest.files)
    inputs = hashlib.sha256(contents.encode()).hexdigest()
    return f"shardner {__version__}; {pipeline.name} {pipeline.version} {pipeline.sha256[:16]}; corpus {inputs[:16]}"


def _sink(table: pl.LazyFrame, own: Mapping[str, pl.DataType], target: Path, metadata: dict[str, str]) -> None:
    """Write a table; `own` are its columns but for the user's: kept ones, and values of extensions."""
    table = table.cast(dict(as_results(own)))  # type: ignore[arg-type]
    with atomic_path(target) as temporary:
        table.sink_parquet(temporary, compression="zstd", maintain_order=True, metadata=metadata)

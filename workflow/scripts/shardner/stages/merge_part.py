"""The results of a part: those of its shards, checked, long documents made whole, with the numbers of the corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from shardner.annotate.shard_tables import attribute_dtype
from shardner.corpus.kept_columns import as_strings, keep_expr, parse_dtype
from shardner.data.manifest import Manifest, PartManifest, StretchInfo, StretchNumbers
from shardner.data.metrics import Joins, unsure_joins
from shardner.data.tables import DOCUMENTS, ENTITIES, REJECTED, SHARD_DOCUMENTS, ShardFiles, scan_table
from shardner.data.typed_json import read_json
from shardner.engine.scores import SCORE
from shardner.errors import MergeError
from shardner.model.components import Request
from shardner.stages.duplicates import RejectDuplicates
from shardner.stages.merge_spans import merge_spans
from shardner.stages.part_numbering import PartNumbering, read_numbering
from shardner.stages.shard_check import CheckedShard, check_shard
from shardner.stages.stitch import stitch_shards

#: Ends the names of columns about all windows of a document; no column of a corpus can end so.
_OF_ALL = "\0of all"


@dataclass(frozen=True, slots=True)
class PartResults:
    """What was made of a part, and its place in the corpus.

    Attributes:
        manifest: of the part.
        numbering: of the part.
        shards: the results of its shards, by number.
        rejected: the records that the split rejected.
        pipeline: the sha256 of the pipeline that should have annotated them; None where that is not compared.
    """

    manifest: PartManifest
    numbering: PartNumbering
    shards: Sequence[ShardFiles]
    rejected: Path
    pipeline: str | None = None


class PartTables(NamedTuple):
    """The tables of a part, with the numbers of the corpus. `spans` only where span groups are asked for."""

    entities: pl.LazyFrame
    documents: pl.LazyFrame
    rejected: pl.LazyFrame
    spans: pl.LazyFrame | None


def gather_parts(
    manifest: Manifest,
    part_manifests: Sequence[str],
    rejected: Sequence[str],
    duplicates: Path,
    tables: Sequence[Sequence[str]],
    pipeline: str | None = None,
) -> list[PartResults]:
    """Return the results of all parts.

    Args:
        manifest: of the corpus.
        part_manifests: the files of the parts' manifests.
        rejected: the files of the records that the split rejected, by part.
        duplicates: the table `part_numbering.DUPLICATES`.
        tables: entities, documents, rejected documents, jobs, and spans (none where they are not asked for), by shard
            of the corpus.
        pipeline: see `PartResults`.
    """
    pairs = enumerate(zip(manifest.parts, part_manifests, rejected, strict=True))
    return [
        gather_part(
            manifest,
            place,
            Path(path),
            Path(split_rejected),
            duplicates,
            [table[numbers.first_shard : numbers.first_shard + numbers.shards] for table in tables],
            pipeline,
        )
        for place, (numbers, path, split_rejected) in pairs
    ]


def gather_part(
    manifest: Manifest,
    place: int,
    part_manifest: Path,
    rejected: Path,
    duplicates: Path,
    tables: Sequence[Sequence[str]],
    pipeline: str | None = None,
) -> PartResults:
    """Return the results of the part at a place of the corpus; `tables` are as of `gather_parts`, but of its shards."""
    shards = [ShardFiles(*map(Path, each)) for each in zip(*(table for table in tables if table), strict=True)]
    part = read_json(part_manifest, PartManifest)
    return PartResults(part, read_numbering(manifest, duplicates, place), shards, rejected, pipeline)


def merge_part(
    part: PartResults, corpus: Manifest, request: Request, reject_duplicates: RejectDuplicates, scratch: Path
) -> tuple[PartTables, Joins]:
    """Put the results of a part's shards together; return also how the windows of long documents were joined.

    Args:
        part: the results.
        corpus: the manifest of the corpus.
        request: what is asked for besides entities; further columns that occur are kept as well.
        reject_duplicates: makes the rows of rejected duplicates.
        scratch: a directory for tables, which the result reads.

    Raises:
        MergeError: a shard's results are missing, damaged, or do not account for its documents.
    """
    manifest, shards, numbering = part.manifest, part.shards, part.numbering
    if len(shards) != len(manifest.shards):
        raise MergeError(
            f"part {manifest.name} has {len(manifest.shards)} shards, but there are results of {len(shards)}"
        )
    pairs = zip(manifest.shards, shards, strict=True)
    checked = [
        check_shard(info, files, request.spans, part=manifest.name, pipeline=part.pipeline) for info, files in pairs
    ]
    documents = sum(info.documents for info in manifest.shards)
    if documents != manifest.documents:
        raise MergeError(
            f"part {manifest.name}: the shards' {documents} documents do not add up to the {manifest.documents} of it"
        )
    long = [info.shard for info in manifest.shards if info.long_windows]
    refused = _find_refused(shards, long)
    stitched = stitch_shards(shards, long, refused, scratch)
    whole = _whole_documents(shards, long, stitched.documents)
    spans = merge_spans(shards, long, refused, request.spans) if request.spans else None
    tables = PartTables(
        entities=_in_corpus(numbering, _scan_entities(stitched.entities, checked, request), whole),
        documents=_in_corpus(numbering, whole.with_columns(_kept_columns(corpus, manifest))),
        rejected=_merge_rejected(part, refused, reject_duplicates),
        spans=None if spans is None else _in_corpus(numbering, spans, whole),
    )
    unsure = [*stitched.unsure, *(place for each in checked for place in each.job.joins.shown)]
    gone = set(numbering.duplicates["doc"])
    kept = [(doc, place) for doc, place in unsure if doc not in refused and doc not in gone]
    numbers = numbering.to_corpus(np.array([doc for doc, _ in kept], dtype=np.int64))
    joins = unsure_joins(zip(numbers.tolist(), (place for _, place in kept), strict=True))
    joins = replace(joins, documents=stitched.documents.height, joins=stitched.joins, by_margins=stitched.by_margins)
    return tables, joins


def _in_corpus(numbering: PartNumbering, table: pl.LazyFrame, whole: pl.LazyFrame | None = None) -> pl.LazyFrame:
    """Return a table with the numbers of the corpus, in its order. `whole` are the part's documents."""
    if whole is not None and numbering.makes_ids:  # the documents know the rows of which ids are made
        rows = whole.select("doc", "row")
        columns = [name for name in table.collect_schema().names()]
        table = table.join(rows, on="doc", how="left", maintain_order="left")
        table = numbering.renumber(table).select(columns)
    else:
        table = numbering.renumber(table)
    return table if numbering.in_order else table.sort("doc", maintain_order=True)


def _scan_entities(paths: list[Path], checked: Sequence[CheckedShard], request: Request) -> pl.LazyFrame:
    """Return the entities of a part, with the columns asked for and further ones that those of any shard have."""
    attributes = {name: attribute_dtype(name) or pl.Float32() for name in request.attributes}
    attributes |= {name: dtype for each in checked for name, dtype in each.attributes.items()}
    # a shard's own columns are not the corpus's; a shard without entities lacks the further ones
    table = scan_table(
        paths, schema=pl.Schema({**ENTITIES, **attributes}), extra_columns="ignore", missing_columns="insert"
    )
    if SCORE in attributes:  # an entity of a rule has none
        table = table.with_columns(pl.col(SCORE).fill_nan(None))
    return table


def _find_refused(shards: Sequence[ShardFiles], long: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return the long documents of which a window failed: for each, shard and number of the first that did.

    Such a document is rejected as a whole.
    """
    first: dict[int, tuple[int, int]] = {}
    for shard in long:
        failed = scan_table(shards[shard].rejected).filter(pl.col("windows") > 1).select("doc", "window")
        for doc, window in failed.collect().iter_rows():
            first.setdefault(doc, (shard, window))
    return first


def _whole_documents(shards: Sequence[ShardFiles], long: Sequence[int], stitched: pl.DataFrame) -> pl.LazyFrame:
    """Return one row per document; a long one has the row of its first window, with the sums over all."""
    table = scan_table([files.documents for files in shards])
    if long:
        whole = table.filter(pl.col("window") == 0).join(
            stitched.lazy(), on="doc", how="left", maintain_order="left", suffix=_OF_ALL
        )
        sums = [pl.coalesce(column + _OF_ALL, column).alias(column) for column in ("tokens", "entities")]
        is_whole = (pl.col("windows") == 1) | pl.col("tokens" + _OF_ALL).is_not_null()
        table = whole.filter(is_whole).with_columns(sums).drop("tokens" + _OF_ALL, "entities" + _OF_ALL)
    return table.drop(name for name in SHARD_DOCUMENTS if name not in DOCUMENTS)


def _merge_rejected(
    part: PartResults, refused: dict[int, tuple[int, int]], reject_duplicates: RejectDuplicates
) -> pl.LazyFrame:
    """Return the rejected records of a part, in corpus order: by file and row."""
    tables = [scan_table(part.rejected)]
    numbering = part.numbering
    if numbering.duplicates.height:
        tables.append(reject_duplicates(part.manifest, numbering).lazy())
    gone = numbering.duplicates["doc"].implode()
    tables += [_rejected_documents(shard, files, refused, gone) for shard, files in enumerate(part.shards)]
    order = {each.path: numbers.file for each, numbers in _stretches(part)}
    first_row = {each.path: numbers.first_row for each, numbers in _stretches(part)}
    file = pl.col("file").replace_strict(order, return_dtype=pl.Int64)
    table = pl.concat(tables)
    if any(first_row.values()):
        table = table.with_columns(pl.col("row") + pl.col("file").replace_strict(first_row, return_dtype=pl.UInt64))
    return table.sort(file, "row", maintain_order=True) if order else table


def _stretches(part: PartResults) -> Iterator[tuple[StretchInfo, StretchNumbers]]:
    return zip(part.manifest.stretches, part.numbering.numbers.stretches, strict=True)


def _rejected_documents(
    shard: int, files: ShardFiles, refused: dict[int, tuple[int, int]], gone: pl.Series
) -> pl.LazyFrame:
    """Return a shard's rejected documents; a long one only in the shard of the first window that failed.

    Those that are duplicates besides (`gone`) are rejected as such.
    """
    first = {doc: window for doc, (where, window) in refused.items() if where == shard}
    table = scan_table(files.rejected)
    chosen = pl.col("windows") == 1
    if first:
        window = pl.col("doc").replace_strict(first, default=None, return_dtype=pl.UInt32)
        chosen |= pl.col("window").eq(window).fill_null(False)
    return table.filter(chosen & ~pl.col("doc").is_in(gone)).select(*REJECTED)


def _kept_columns(corpus: Manifest, part: PartManifest) -> list[pl.Expr]:
    """Return the kept columns in the dtype that they have in the corpus."""
    columns = []
    for column, name in corpus.keep.items():
        dtype = parse_dtype(name)
        if dtype is not None and column in part.native:  # other parts have another dtype
            columns.append(pl.col(column).map_batches(as_strings, return_dtype=pl.String()))
        else:
            columns.append(keep_expr(column, dtype))
    return columns

"""The merge: results of shards become three tables in corpus order, and nothing may be missing.

Shards are checked one by one, and then streamed in the order of the manifest. Long documents are made whole on the way.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from shardner import __version__
from shardner.annotate.shard_tables import attribute_dtype
from shardner.corpus.kept_columns import keep_expr, parse_dtype
from shardner.data.files import atomic_path, scratch_directory
from shardner.data.manifest import Manifest
from shardner.data.metrics import Joins, unsure_joins
from shardner.data.tables import DOCUMENTS, ENTITIES, REJECTED, SHARD_DOCUMENTS, ShardFiles
from shardner.engine.extension_values import PREFIX
from shardner.engine.scores import SCORE
from shardner.errors import MergeError
from shardner.model.components import Request
from shardner.model.pipeline import Pipeline
from shardner.stages.extension_columns import decode_columns
from shardner.stages.merge_spans import merge_spans
from shardner.stages.shard_check import CheckedShard, check_shard
from shardner.stages.stitch import stitch_shards
from shardner.terminal.numbers import percent, plural
from shardner.terminal.visible_text import one_line

log = logging.getLogger(__name__)

#: An error about rejected records shows so many reasons.
SHOWN_REASONS = 3


@dataclass(frozen=True, slots=True)
class CorpusFiles:
    """Where the tables of the corpus go."""

    entities: Path
    documents: Path
    rejected: Path
    spans: Path | None = None  # only where span groups are asked for


def merge_shards(
    manifest: Manifest,
    shards: Sequence[ShardFiles],
    split_rejected: Path,
    labels: Sequence[str],
    run: str,
    results: CorpusFiles,
    max_rejected: float = 1.0,
    request: Request | None = None,
) -> Joins:
    """Merge the results of all shards; return how the windows of long documents were put together.

    Args:
        manifest: what the split gave to each shard.
        shards: the results, by shard number.
        split_rejected: the records that the split rejected.
        labels: of the pipeline; other labels that occur, those of a custom component, are added.
        run: the name of the run, for the Parquet metadata of each table.
        results: where the tables go.
        max_rejected: share of the corpus's records.
        request: what is asked for besides entities; further columns that occur are kept as well.

    Raises:
        MergeError: a shard's results are missing, damaged, or do not account for its documents; or more records than
            `max_rejected` were rejected.
    """
    if len(shards) != len(manifest.shards):
        raise MergeError(f"the manifest knows {len(manifest.shards)} shards, but there are results of {len(shards)}")
    request = request or Request()
    checked = [check_shard(info, files, request.spans) for info, files in zip(manifest.shards, shards, strict=True)]
    documents = sum(info.documents for info in manifest.shards)
    if documents != manifest.documents:
        raise MergeError(f"the shards' {documents} documents do not add up to the {manifest.documents} of the corpus")
    long = [info.shard for info in manifest.shards if info.long_windows]
    refused = _find_refused(shards, long)
    metadata = {"shardner.run": run}
    with scratch_directory(results.entities) as scratch:
        stitched = stitch_shards(shards, long, refused, scratch)
        _sink(_scan_entities(stitched.entities, checked, labels, request), results.entities, metadata)
    table = pl.scan_parquet([files.documents for files in shards])
    if long:
        table = _make_whole(table, stitched.documents)
    table = table.drop(name for name in SHARD_DOCUMENTS if name not in DOCUMENTS)
    _sink(table.with_columns(_kept_columns(manifest)), results.documents, metadata)
    if results.spans is not None:
        _sink(merge_spans(shards, long, refused, request.spans), results.spans, metadata)
    rejected = [_rejected_documents(shard, files, refused) for shard, files in enumerate(shards)]
    _sink(pl.concat([pl.scan_parquet(split_rejected), *rejected]), results.rejected, metadata)
    _check_results(manifest, results)
    _refuse_many_rejected(results, max_rejected)
    unsure = [*stitched.unsure, *(place for each in checked for place in each.job.joins.shown)]
    joins = unsure_joins(place for place in unsure if place[0] not in refused)
    return replace(joins, documents=stitched.documents.height, joins=stitched.joins, by_margins=stitched.by_margins)


def _scan_entities(
    paths: list[Path], checked: Sequence[CheckedShard], labels: Sequence[str], request: Request
) -> pl.LazyFrame:
    """Return the entities of the corpus, with the columns asked for and further ones that those of any shard have."""
    attributes = {name: attribute_dtype(name) or pl.Float32() for name in request.attributes}
    attributes |= {name: dtype for each in checked for name, dtype in each.attributes.items()}
    # a shard's own columns are not the corpus's; a shard without entities lacks the further ones
    table = pl.scan_parquet(
        paths, schema=pl.Schema({**ENTITIES, **attributes}), extra_columns="ignore", missing_columns="insert"
    )
    found = {label for each in checked for label in each.job.totals.labels}
    table = table.with_columns(pl.col("label").cast(pl.Enum(sorted({*labels, *found}))))
    if SCORE in attributes:  # an entity of a rule has none
        table = table.with_columns(pl.col(SCORE).fill_nan(None))
    return decode_columns(table, [name for name in attributes if name.startswith(PREFIX)])


def _find_refused(shards: Sequence[ShardFiles], long: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return the long documents of which a window failed: for each, shard and number of the first that did.

    Such a document is rejected as a whole.
    """
    first: dict[int, tuple[int, int]] = {}
    for shard in long:
        failed = pl.scan_parquet(shards[shard].rejected).filter(pl.col("windows") > 1).select("doc", "window")
        for doc, window in failed.collect().iter_rows():
            first.setdefault(doc, (shard, window))
    return first


def _rejected_documents(shard: int, files: ShardFiles, refused: dict[int, tuple[int, int]]) -> pl.LazyFrame:
    """Return a shard's rejected documents; a long one only in the shard of the first window that failed."""
    first = {doc: window for doc, (where, window) in refused.items() if where == shard}
    table = pl.scan_parquet(files.rejected)
    chosen = pl.col("windows") == 1
    if first:
        window = pl.col("doc").replace_strict(first, default=None, return_dtype=pl.UInt32)
        chosen |= pl.col("window").eq(window).fill_null(False)
    return table.filter(chosen).select(*REJECTED)


def _make_whole(documents: pl.LazyFrame, long: pl.DataFrame) -> pl.LazyFrame:
    """Keep one row per document; a long one has the row of its first window, with the sums over all from `long`."""
    whole = documents.filter(pl.col("window") == 0).join(
        long.lazy(), on="doc", how="left", maintain_order="left", suffix="_of_all"
    )
    sums = [pl.coalesce(f"{column}_of_all", column).alias(column) for column in ("tokens", "entities")]
    is_whole = (pl.col("windows") == 1) | pl.col("tokens_of_all").is_not_null()
    return whole.filter(is_whole).with_columns(sums).drop("tokens_of_all", "entities_of_all")


def _check_results(manifest: Manifest, results: CorpusFiles) -> None:
    """Raise `MergeError` unless the results have as many rows as the corpus has records."""
    counts = {
        path: pl.scan_parquet(path).select(pl.len()).collect().item() for path in (results.documents, results.rejected)
    }
    documents, rejected = counts.values()
    if documents + rejected != manifest.documents + manifest.rejected:
        raise MergeError(
            f"{documents} annotated documents and {rejected} rejected records do not add up to "
            f"the {manifest.documents + manifest.rejected} records of the corpus"
        )
    log.info("%d documents, %d rejected", documents, rejected)


def _refuse_many_rejected(results: CorpusFiles, most: float) -> None:
    """Raise `MergeError` if a larger share of the records than `most` was rejected; says why most of them were."""
    rejected = pl.read_parquet(results.rejected, columns=["reason"])["reason"]
    records = rejected.len() + pl.scan_parquet(results.documents).select(pl.len()).collect().item()
    if rejected.len() <= most * records:
        return
    reasons = rejected.value_counts(sort=True).head(SHOWN_REASONS)
    shown = "\n".join(f"  {plural(count, 'record')}: {one_line(reason, 300)}" for reason, count in reasons.iter_rows())
    raise MergeError(
        f"{plural(rejected.len(), 'record')} of {plural(records, 'record')} {'was' if rejected.len() == 1 else 'were'} "
        f"rejected, more than corpus.max_rejected allows ({percent(most)}); the most frequent reasons:\n{shown}\n"
        f"Mend the input or the pipeline; or, if it has to be so, write:   corpus: {{max_rejected: 1}}"
    )


def name_run(manifest: Manifest, pipeline: Pipeline) -> str:
    """Return the name of a run, for its tables. The same input and the same pipeline give the same name."""
    inputs = hashlib.sha256("".join(file.sha256 for file in manifest.files).encode()).hexdigest()
    return f"shardner {__version__}; {pipeline.name} {pipeline.version} {pipeline.sha256[:16]}; corpus {inputs[:16]}"


def _kept_columns(manifest: Manifest) -> list[pl.Expr]:
    dtypes = {column: parse_dtype(name) for column, name in manifest.keep.items()}
    return [keep_expr(column, dtype) for column, dtype in dtypes.items()]


def _sink(table: pl.LazyFrame, target: Path, metadata: dict[str, str]) -> None:
    with atomic_path(target) as temporary:
        table.sink_parquet(temporary, compression="zstd", maintain_order=True, metadata=metadata)

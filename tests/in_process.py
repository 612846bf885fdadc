"""A run of split, annotate and merge in one process, for tests that make many of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from shardner.annotate.block_annotator import BlockAnnotator, Result, Task
from shardner.annotate.blocks import Block
from shardner.annotate.job import annotate_shard
from shardner.annotate.sizes import DEFAULT_SIZES, Sizes
from shardner.config import parse_config
from shardner.data.manifest import Manifest
from shardner.data.metrics import Joins
from shardner.data.tables import ShardFiles, shard_path
from shardner.engine.loading import load_engine
from shardner.model.pipeline import Pipeline
from shardner.stages.merge import CorpusFiles, merge_shards
from shardner.stages.split import split_corpus

#: A pipeline is loaded once for all shards of a run, and for the next run with the same pipeline and settings.
load_once = lru_cache(maxsize=1)(load_engine)


def annotate_here(
    task: Task, blocks: Sequence[Block], workers: int, environment: Mapping[str, str]
) -> Iterator[Result]:
    """Annotate blocks in this process instead of in workers, for tests that are not about processes."""
    annotator = BlockAnnotator(task, load_once)
    return map(annotator.annotate, blocks)


class Run(NamedTuple):
    """What a run left."""

    manifest: Manifest
    results: CorpusFiles
    joins: Joins
    shards: Sequence[ShardFiles]


def run(
    directory: Path,
    corpus: Path,
    pipeline: Pipeline,
    count: int,
    /,
    sizes: Sizes = DEFAULT_SIZES,
    **settings: Any,
) -> Run:
    """Annotate a corpus in `count` shards; with `settings` as in config.yaml."""
    config = parse_config({"corpus": {"files": [str(corpus)], **settings.pop("corpus", {})}, **settings})
    shards = [shard_path(directory, shard) for shard in range(count)]
    rejected, manifest_path = directory / "rejected.parquet", directory / "manifest.json"
    manifest = split_corpus([corpus], config.corpus, shards, rejected, manifest_path, config.max_chars)
    files = [
        ShardFiles(*(directory / f"{shard}.{kind}" for kind in ("entities", "documents", "refused", "job")))
        for shard in range(count)
    ]
    for shard, each in enumerate(files):
        annotate_shard(
            shard, shards[shard], pipeline, config.ner, threads=1, results=each, sizes=sizes,
            annotate_blocks=annotate_here,
        )  # fmt: skip
    results = CorpusFiles(*(directory / name for name in ("entities", "documents", "all-rejected")))
    joins = merge_shards(manifest, files, rejected, pipeline.labels, "a run", results)
    return Run(manifest, results, joins, files)

"""A run of split, annotate and merge in one process, for tests that make many of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from shardner.annotate.job import annotate_shard
from shardner.config import parse_config
from shardner.data.manifest import Manifest
from shardner.data.metrics import Joins
from shardner.data.tables import ShardFiles, shard_path
from shardner.model.pipeline import Pipeline
from shardner.stages.merge import CorpusFiles, merge_shards
from shardner.stages.split import split_corpus


class HereExecutor:
    """Runs what a pool of workers would run in this process: what is tried here is not the processes."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run the function."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_: Any) -> None:
        """Do nothing."""


class Run(NamedTuple):
    """What a run left."""

    manifest: Manifest
    results: CorpusFiles
    joins: Joins
    shards: Sequence[ShardFiles]


def run(directory: Path, corpus: Path, pipeline: Pipeline, count: int, /, **settings: Any) -> Run:
    """Annotate a corpus in `count` shards; with `settings` as in config.yaml. Workers must be a `HereExecutor`."""
    config = parse_config({"corpus": {"files": [str(corpus)], **settings.pop("corpus", {})}, **settings})
    shards = [shard_path(directory, shard) for shard in range(count)]
    rejected, manifest_path = directory / "rejected.parquet", directory / "manifest.json"
    manifest = split_corpus([corpus], config.corpus, shards, rejected, manifest_path, config.max_chars)
    files = [
        ShardFiles(*(directory / f"{shard}.{kind}" for kind in ("entities", "documents", "refused", "job")))
        for shard in range(count)
    ]
    for shard, each in enumerate(files):
        annotate_shard(shard, shards[shard], pipeline, config.ner, threads=1, results=each)
    results = CorpusFiles(*(directory / name for name in ("entities", "documents", "all-rejected")))
    joins = merge_shards(manifest, files, rejected, pipeline.labels, "a run", results)
    return Run(manifest, results, joins, files)

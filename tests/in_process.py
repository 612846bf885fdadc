"""A run of split, annotate, number and merge in one process, for tests that make many of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from shardner.annotate.block_annotator import BlockAnnotator, Result, Task
from shardner.annotate.blocks import Block
from shardner.annotate.job import annotate_shard
from shardner.annotate.sizes import DEFAULT_SIZES, Sizes
from shardner.config import Config, parse_config
from shardner.corpus.files import can_be_entered, list_sources
from shardner.data.manifest import Manifest, PartManifest
from shardner.data.metrics import Joins
from shardner.data.tables import ShardFiles, shard_path
from shardner.engine.loading import load_engine
from shardner.model.components import Request
from shardner.model.pipeline import Pipeline
from shardner.parse.part_plan import PlannedPart, plan_parts, plan_parts_of
from shardner.parse.shard_plan import PlanSizes
from shardner.stages.document_rows import CorpusTexts
from shardner.stages.duplicates import duplicate_rejecter
from shardner.stages.merge import CorpusFiles, merge_parts
from shardner.stages.merge_part import PartResults
from shardner.stages.number_documents import number_documents
from shardner.stages.part_numbering import read_numbering
from shardner.stages.split import PartFiles, split_part
from shardner.stages.stretches import SplitPart

#: A pipeline is loaded once for all shards of a run, and for the next run with the same pipeline and settings.
load_once = lru_cache(maxsize=1)(load_engine)


def annotate_here(
    task: Task, blocks: Sequence[Block], workers: int, environment: Mapping[str, str]
) -> Iterator[Result]:
    """Annotate blocks in this process instead of in workers, for tests that are not about processes."""
    annotator = BlockAnnotator(task, load_once)
    return map(annotator.annotate, blocks)


class Split(NamedTuple):
    """What splitting and numbering left."""

    planned: Sequence[PlannedPart]
    parts: Sequence[PartManifest]
    texts: CorpusTexts
    drawn: Path

    @property
    def manifest(self) -> Manifest:
        """The manifest of the corpus."""
        return self.texts.manifest


class Run(NamedTuple):
    """What a run left."""

    manifest: Manifest
    results: CorpusFiles
    joins: Joins
    shards: Sequence[ShardFiles]  # of the corpus
    split: Split
    parts: Sequence[PartResults]

    @property
    def texts(self) -> CorpusTexts:
        """The texts of the corpus."""
        return self.split.texts

    def merge(self, request: Request | None = None) -> Joins:
        """Merge again, after a change of what is merged; the corpus has no duplicates between parts."""
        rejecter = duplicate_rejecter(parse_config({}).corpus)
        return merge_parts(
            self.manifest, self.parts, "a run", self.results, reject_duplicates=rejecter, request=request
        )


def split(directory: Path, files: Sequence[Path], config: Config, count: int | PlanSizes) -> Split:
    """Split files into so many shards, or into parts and shards of these sizes, and number the documents."""
    sizes = [(path, path.stat().st_size) for path in files]

    def entered(path: Path) -> bool:
        return can_be_entered(path, config.corpus)

    if isinstance(count, PlanSizes):
        planned = plan_parts(sizes, count, entered)
    else:
        planned = plan_parts_of(sizes, count, entered)
    parts, done = [], []
    for part in planned:
        names = ("rejected.parquet", "drawn.parquet", "manifest.json")
        others = [directory / "split" / part.name / name for name in names]
        shards = [shard_path(directory / "shards" / part.name, number) for number in range(part.shards)]
        stretches = [(each.start, each.stop) for each in part.stretches]
        sources = list_sources([each.path for each in part.stretches], stretches, config.corpus)
        parts.append(split_part(part.name, sources, config.corpus, PartFiles(shards, *others), config.max_chars))
        done.append(SplitPart(parts[-1], others[1], directory / "shards" / part.name))
    duplicates, drawn = directory / "duplicates.parquet", directory / "drawn.parquet"
    manifest = number_documents(
        files, done, config.corpus, manifest=directory / "manifest.json", duplicates=duplicates, drawn=drawn
    )
    return Split(planned, parts, CorpusTexts(directory / "shards", manifest, duplicates), drawn)


def run(
    directory: Path,
    corpus: Path | Sequence[Path],
    pipeline: Pipeline,
    count: int | PlanSizes,
    /,
    sizes: Sizes = DEFAULT_SIZES,
    **settings: Any,
) -> Run:
    """Annotate a corpus in `count` shards, or in parts and shards of these sizes; `settings` as in config.yaml."""
    files = [corpus] if isinstance(corpus, Path) else list(corpus)
    names = [str(path) for path in files]
    config = parse_config({"corpus": {"files": names, **settings.pop("corpus", {})}, **settings})
    request = Request(config.output.attributes, config.output.spans)
    found = split(directory, files, config, count)
    shards: list[ShardFiles] = []
    for part in found.planned:
        for number in range(part.shards):
            kinds = ("entities", "documents", "refused", "job")
            results = ShardFiles(*(directory / f"{len(shards)}.{kind}" for kind in kinds))
            if request.spans:
                results = replace(results, spans=directory / f"{len(shards)}.spans")
            annotate_shard(
                part.name, number, shard_path(directory / "shards" / part.name, number), pipeline, config.ner,
                threads=1, results=results, sizes=sizes, request=request, annotate_blocks=annotate_here,
            )  # fmt: skip
            shards.append(results)
    results = CorpusFiles(*(directory / name for name in ("entities", "documents", "all-rejected")))
    results = replace(results, spans=directory / "spans" if request.spans else None)
    parts = gather(directory, found, shards)
    joins = merge_parts(
        found.manifest, parts, "a run", results, reject_duplicates=duplicate_rejecter(config.corpus), request=request
    )
    return Run(found.manifest, results, joins, shards, found, parts)


def gather(directory: Path, found: Split, shards: Sequence[ShardFiles]) -> list[PartResults]:
    """Return the results of all parts."""
    return [
        PartResults(
            found.parts[number],
            read_numbering(found.manifest, found.texts.duplicates, number),
            shards[numbers.first_shard : numbers.first_shard + numbers.shards],
            directory / "split" / numbers.name / "rejected.parquet",
        )
        for number, numbers in enumerate(found.manifest.parts)
    ]

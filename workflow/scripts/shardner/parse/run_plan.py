"""What is decided about a run when Snakemake parses: its pipeline, its input files, its shards, and its results.

Every process of a run parses the Snakefile, on a cluster twice per job. So the plan follows from the settings and from
the names and sizes of the input files alone, and is the same wherever it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from shardner.config import Auto, Config
from shardner.parse.file_names import refuse_patterns
from shardner.parse.pipeline_source import Source, classify, code_files
from shardner.parse.shard_plan import estimate_chars, plan_shards

#: Where the demo's corpus is made, and about how many bytes it will have: the plan is made before it exists.
DEMO_CORPUS = Path("resources/demo/corpus.jsonl")
DEMO_CORPUS_BYTES = 3_800_000

#: Finds the files that ``corpus.files`` and ``shards.count`` stand for: their paths, or None for URLs.
FindFiles: TypeAlias = Callable[[Sequence[str], int | Auto], Sequence[Path] | None]


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What the rules need to know of a run.

    Attributes:
        config: the settings.
        source: where the pipeline comes from.
        files: the input files in corpus order, each with its size in bytes; None for URLs, which are fetched later.
        shards: how many shards the corpus is split into.
    """

    config: Config
    source: Source
    files: tuple[tuple[Path, int], ...] | None
    shards: int

    @property
    def is_demo(self) -> bool:
        """Whether the corpus is the demo's, of which the entities are known."""
        return self.files is not None and [path for path, _ in self.files] == [DEMO_CORPUS]

    @property
    def user_files(self) -> tuple[Path, ...]:
        """The input files that must be there before the run: not those that it makes or fetches."""
        return () if self.files is None or _wants_demo(self.config) else tuple(path for path, _ in self.files)

    @property
    def shard_names(self) -> tuple[str, ...]:
        """The shards' numbers as they stand in the names of files: five digits."""
        return tuple(f"{shard:05d}" for shard in range(self.shards))

    @property
    def results(self) -> tuple[Path, ...]:
        """The files that the run makes for its user: tables and reports first, then ``output.formats``."""
        formats = self.config.output.formats
        names = ["entities.parquet", "documents.parquet", "rejected.parquet"]
        names += ["performance.json", "report.html", "provenance.json"]
        names += ["spans.parquet"] if self.config.output.spans else []
        names += ["entities.csv"] if "csv" in formats else []
        names += ["documents.jsonl"] if "jsonl" in formats else []
        names += [f"documents.spacy/{shard}.spacy" for shard in self.shard_names] if "spacy" in formats else []
        return tuple(self.config.output.dir / name for name in names)


def plan_run(config: Config, find_files: FindFiles) -> RunPlan:
    """Plan a run before any job starts.

    Args:
        config: the settings.
        find_files: finds the input files; it is not asked for the demo's.

    Raises:
        ModelError: ``model.name`` looks like a path, but there is no pipeline; or a file of ``model.code`` is missing.
        CorpusError: from `find_files`.
        ConfigError: the name of a file holds a character that Snakemake takes for a pattern.
    """
    source = classify(config.model.name)
    code = code_files(config.model.code)
    files = _find_sizes(config, [Path(source.name), *code], find_files)
    if config.shards != "auto":
        shards = config.shards
    else:
        shards = plan_shards(estimate_chars(files or ()))
    return RunPlan(config, source, files, shards)


def _find_sizes(config: Config, model: Sequence[Path], find_files: FindFiles) -> tuple[tuple[Path, int], ...] | None:
    if _wants_demo(config):
        return ((DEMO_CORPUS, DEMO_CORPUS_BYTES),)
    paths = find_files(config.corpus.files, config.shards)
    if paths is None:
        return None
    files = tuple((path, path.stat().st_size) for path in paths)
    refuse_patterns([config.output.dir, *model, *paths])
    return files


def _wants_demo(config: Config) -> bool:
    return config.corpus.files == ("demo",)

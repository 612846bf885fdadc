"""What is decided about a run when Snakemake parses: its pipeline, its input files, its shards, and its results.

Every process of a run parses the Snakefile, on a cluster twice per job. So the plan follows from the settings and from
the names and sizes of the input files alone, and is the same wherever it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from shardner.config import GENERATED, Auto, Config, CorpusConfig, Layout
from shardner.data.stored_files import size_of
from shardner.parse.file_names import refuse_patterns
from shardner.parse.kept_sizes import KeptSizes, find_sizes
from shardner.parse.overwriting import TEXT_FORMATS
from shardner.parse.part_plan import CanBeEntered, PlannedPart, plan_parts, plan_parts_of
from shardner.parse.pipeline_source import Source, SourceKind, classify, code_files, package_directory, source_files
from shardner.parse.shard_plan import estimate_chars

#: Where a corpus is generated, and about how many bytes it will have: the plan is made before it exists.
GENERATED_CORPUS = Path("resources/demo/corpus.jsonl")
GENERATED_BYTES = 3_800_000

#: Finds the files of a corpus that is split into so many shards: their paths, or None where
#: they come to be only in the run.
FindFiles: TypeAlias = Callable[[CorpusConfig, int | Auto], Sequence[Path] | None]


@dataclass(frozen=True)
class RunPlan:
    """What the rules need to know of a run.

    Attributes:
        config: the settings.
        source: where the pipeline comes from.
        files: the input files in corpus order, each with its size in bytes; None for those that come to be only in the
            run: URLs, and what another workflow's rule makes.
        parts: what each split job reads, in corpus order.
        sizes: what the parts were planned with; None where the settings say how many shards there are.
    """

    config: Config
    source: Source
    files: tuple[tuple[Path, int], ...] | None
    parts: tuple[PlannedPart, ...]
    sizes: KeptSizes | None

    @cached_property
    def shards(self) -> int:
        """How many shards the corpus is split into."""
        return sum(part.shards for part in self.parts)

    @cached_property
    def part_by_name(self) -> Mapping[str, PlannedPart]:
        """The parts by name."""
        return {part.name: part for part in self.parts}

    @cached_property
    def part_of_shard(self) -> Mapping[str, PlannedPart]:
        """The part that holds each shard, by the shard's number in the corpus."""
        holders = (part for part in self.parts for _ in range(part.shards))
        return dict(zip(self.shard_names, holders, strict=True))

    @property
    def is_generated(self) -> bool:
        """Whether the workflow generates the corpus, of which the entities are then known."""
        return self.files is not None and [path for path, _ in self.files] == [GENERATED_CORPUS]

    @property
    def user_files(self) -> tuple[Path, ...]:
        """The input files that must be there before the run: not those that it makes or fetches."""
        return () if self.files is None or _wants_generated(self.config) else tuple(path for path, _ in self.files)

    @property
    def made_files(self) -> tuple[Path, ...]:
        """The input files that another workflow's rule makes."""
        names = self.config.corpus.files if self.files is None else ()
        return tuple(Path(name) for name in names if "://" not in name)

    @property
    def inputs(self) -> Mapping[str, Sequence[Path]]:
        """The input files by the setting that names them."""
        return {
            "corpus.files": self.user_files if self.files is not None else self.made_files,
            "model.name": source_files(self.source),
            "model.code": code_files(self.config.model.code),
        }

    @property
    def pipeline_directory(self) -> Path | None:
        """The directory of the pipeline, if it is one."""
        if self.source.kind is SourceKind.PACKAGE:
            return package_directory(self.source.name)
        return Path(self.source.name) if self.source.kind is SourceKind.DIRECTORY else None

    @cached_property
    def shard_names(self) -> tuple[str, ...]:
        """The shards' numbers in the corpus as they stand in the names of files: five digits."""
        return tuple(f"{shard:05d}" for shard in range(self.shards))

    @property
    def results(self) -> tuple[Path, ...]:
        """The files that the run makes for its user: tables and reports first, then ``output.formats``."""
        formats = self.config.output.formats
        names = [name for table in ("entities", "documents", "rejected") for name in self.table(table)]
        names += ["performance.json", "report.html", "provenance.json"]
        names += self.table("spans") if self.config.output.spans else []
        names += self.table("entities", "csv") if "csv" in formats else []
        names += self.table("documents", "jsonl") if "jsonl" in formats else []
        names += [f"documents.spacy/{shard}.spacy" for shard in self.shard_names] if "spacy" in formats else []
        for form in (each for each in formats if each in TEXT_FORMATS):
            names += self.export(form, TEXT_FORMATS[form])
        return tuple(self.config.output.dir / name for name in names)

    def export(self, name: str, suffix: str) -> list[str]:
        """Return the files of an export that has texts: one, or one a part."""
        if self.config.output.layout is Layout.FILE:
            return [f"{name}{suffix}"]
        return [f"{name}/part-{place}{suffix}" for place in self.part_places]

    def table(self, name: str, suffix: str = "parquet") -> list[str]:
        """Return the files of a table of results: one, or one a part."""
        if self.config.output.layout is Layout.FILE:
            return [f"{name}.{suffix}"]
        directory = name if suffix == "parquet" else suffix
        return [f"{directory}/part-{place}.{suffix}" for place in self.part_places]

    @property
    def shown_results(self) -> tuple[Path, ...]:
        """What a summary names: every file that the run makes, a directory where they are many."""
        root = self.config.output.dir
        return tuple(dict.fromkeys(root / path.relative_to(root).parts[0] for path in self.results))

    @cached_property
    def part_places(self) -> tuple[str, ...]:
        """The places of the parts in the corpus as they stand in the names of files: five digits."""
        return tuple(f"{place:05d}" for place in range(len(self.parts)))


def plan_run(config: Config, find_files: FindFiles, can_be_entered: CanBeEntered, *, on_gpus: bool = False) -> RunPlan:
    """Plan a run before any job starts.

    Args:
        config: the settings.
        find_files: finds the input files; it is not asked for one that is generated.
        can_be_entered: tells whether a file can be read from its middle on.
        on_gpus: whether annotate jobs have a GPU each. A GPU wants larger shards.

    Raises:
        ModelError: ``model.name`` looks like a path, but there is no pipeline; or a file of ``model.code`` is missing.
        CorpusError: from `find_files`.
        ConfigError: the name of a file holds a character that Snakemake takes for a pattern.
    """
    source = classify(config.model.name)
    code = code_files(config.model.code)
    files = _find_files(config, [Path(source.name), *code], find_files)
    if files is None:  # one job reads what there is by then
        assert config.shards != "auto"
        return RunPlan(config, source, None, (PlannedPart("all", (), config.shards),), None)
    if config.shards != "auto":
        return RunPlan(config, source, files, plan_parts_of(files, config.shards, can_be_entered), None)
    sizes = find_sizes(config.output.dir, estimate_chars(files), on_gpus=on_gpus)
    return RunPlan(config, source, files, plan_parts(files, sizes.sizes, can_be_entered), sizes)


def _find_files(config: Config, model: Sequence[Path], find_files: FindFiles) -> tuple[tuple[Path, int], ...] | None:
    if _wants_generated(config):
        return ((GENERATED_CORPUS, GENERATED_BYTES),)
    paths = find_files(config.corpus, config.shards)
    if paths is None:
        return None
    files = tuple((path, size_of(path)) for path in paths)
    refuse_patterns([config.output.dir, *model, *paths])
    return files


def _wants_generated(config: Config) -> bool:
    return config.corpus.files == (GENERATED,)

"""What a dry run shows of a run that has not begun: its input, its shards, where it will compute, what it will write.

All of it follows from the names and sizes of the input files and from the settings; ``snakemake estimate`` measures.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shardner.config import Config
from shardner.parse.pipeline_source import Source, SourceKind
from shardner.parse.shard_plan import estimate_chars
from shardner.terminal.numbers import compact, count, plural, size
from shardner.terminal.visible_text import one_line

#: Bytes that are written for a character of text: as results, and besides in .work as shards and their results. About
#: what the demo takes; texts with many entities take more.
RESULT_BYTES = 0.4
WORK_BYTES = 0.9


@dataclass(frozen=True, slots=True)
class Places:
    """Where the annotate jobs run."""

    gpu: bool
    workers: int | None  # of a job; None on a cluster, where the profile says so, and of the devices too
    jobs: int | None  # at once; None where only a scheduler decides


def describe_outlook(
    config: Config, source: Source, files: Sequence[tuple[Path, int]] | None, shards: int, places: Places
) -> str:
    """Return what there is to say of a run, as a few aligned lines.

    Args:
        config: the settings.
        source: the pipeline.
        files: the input files and their bytes; None where they lie elsewhere and have not been fetched.
        shards: how many there will be.
        places: where they will be annotated.
    """
    rows = [("corpus", _corpus(config, files))]
    if files is not None:
        chars = estimate_chars(files)
        rows.append(
            ("text", f"about {compact(chars)} characters, by the sizes of the files (snakemake estimate measures)")
        )
        rows.append(("shards", f"{count(shards)} of about {compact(chars / shards)} characters"))
    else:
        rows.append(("shards", count(shards)))
    rows += [("pipeline", _pipeline(config, source)), ("jobs", _jobs(places))]
    if files is not None:
        rows.append(("disk", _disk(config.output.dir, chars)))
    width = max(len(name) for name, _ in rows)
    return "\n".join(["The plan:", *(f"  {name:>{width}}  {text}" for name, text in rows)])


def _corpus(config: Config, files: Sequence[tuple[Path, int]] | None) -> str:
    if files is None:
        return f"{plural(len(config.corpus.files), 'URL')}, not fetched yet: sizes are not known"
    kinds = Counter("".join(path.suffixes[-2:]) if _is_packed(path) else path.suffix for path, _ in files)
    names = ", ".join(f"{count(number)} {one_line(kind, 20)}" for kind, number in kinds.most_common(4))
    total = sum(bytes_ for _, bytes_ in files)
    shown = f"{plural(len(files), 'file')} ({names}), {size(total)}"
    return f"the demo's: {shown}, generated first" if config.corpus.files == ("demo",) else shown


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() in {".gz", ".zst"}


def _pipeline(config: Config, source: Source) -> str:
    name = "the demo's, trained first" if source.kind is SourceKind.DEMO else one_line(source.name, 100)
    engines = {"auto": "engine fused where it is exact, else spacy", "fused": "engine fused", "spacy": "engine spacy"}
    return f"{name}; {engines[config.ner.engine.value]}"


def _jobs(places: Places) -> str:
    at_once = "as many at once as the scheduler allows" if places.jobs is None else f"{count(places.jobs)} at once"
    if places.workers is None:
        return f"{at_once}, on the cluster, each as the profile says for annotate_shard"
    device = "a GPU each" if places.gpu else "on the CPU"
    return f"{at_once}, {device}, {plural(places.workers, 'worker')} a job"


def _disk(directory: Path, chars: int) -> str:
    work = directory / ".work"
    needed = (1 + chars * RESULT_BYTES, 1 + chars * WORK_BYTES)
    there = next(path for path in [directory, *directory.absolute().parents] if path.is_dir())
    free = shutil.disk_usage(there).free
    warning = ": not enough" if sum(needed) > free else ""
    return f"about {size(needed[0])} of results and {size(needed[1])} in {work}; {size(free)} free{warning}"

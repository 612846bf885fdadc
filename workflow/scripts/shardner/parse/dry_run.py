"""What a dry run shows of a run that has not begun: its input, its shards, its jobs, and the space that it takes.

All of it follows from the settings, from the names and sizes of the input files, and from what the command line allows.
``snakemake estimate`` measures instead.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from shardner.config import GENERATED
from shardner.parse.limits import Limits, count_jobs_at_once, count_local_workers
from shardner.parse.pipeline_source import SourceKind
from shardner.parse.run_plan import RunPlan
from shardner.parse.shard_plan import estimate_chars
from shardner.terminal.numbers import compact, count, plural, size
from shardner.terminal.visible_text import one_line

#: Bytes that are written per character of text: as results, and in .work as shards and their results. The demo takes
#: about as much. Texts with many entities take more.
RESULT_BYTES = 0.4
WORK_BYTES = 0.9
#: How many ways of reading files are named.
_WAYS = 5


def describe_plan(plan: RunPlan, limits: Limits, new_shards: int | None = None, read_as: Sequence[str] = ()) -> str:
    """Return the plan of a run as a few aligned lines.

    Args:
        plan: the plan.
        limits: what bounds the annotate jobs.
        new_shards: how many shards the run annotates; None where it is about something else.
        read_as: how each file is read, in words, as its start shows it.
    """
    rows = [("corpus", _corpus(plan))]
    if read_as:
        rows.append(("read as", describe_ways(read_as)))
    if plan.files is not None:
        chars = estimate_chars(plan.files)
        rows.append(
            ("text", f"about {compact(chars)} characters, by the sizes of the files (snakemake estimate measures)")
        )
        shards = f"{count(plan.shards)} of about {compact(chars / plan.shards)} characters"
    else:
        shards = count(plan.shards)
    rows.append(("shards", shards + _news(plan.shards, new_shards)))
    rows += [("pipeline", _pipeline(plan)), ("jobs", _jobs(limits))]
    if plan.files is not None:
        rows.append(("disk", _disk(plan.config.output.dir, chars)))
    width = max(len(name) for name, _ in rows)
    return "\n".join(["The plan:", *(f"  {name:>{width}}  {text}" for name, text in rows)])


def _news(shards: int, new: int | None) -> str:
    """Say how many shards were annotated before, and are kept."""
    return "" if new is None else f", {count(shards - new)} kept and {count(new)} new"


def _corpus(plan: RunPlan) -> str:
    files, names = plan.files, plan.config.corpus.files
    if files is None:
        made = len(plan.made_files)
        kind = f"{plural(made, 'file')} of another rule" if made else f"{plural(len(names), 'URL')}, not fetched yet"
        return f"{kind}: sizes are not known"
    kinds = Counter("".join(path.suffixes[-2:]) if _is_packed(path) else path.suffix for path, _ in files)
    kinds_shown = ", ".join(f"{count(number)} {one_line(kind, 20)}" for kind, number in kinds.most_common(4))
    total = sum(bytes_ for _, bytes_ in files)
    shown = f"{plural(len(files), 'file')} ({kinds_shown}), {size(total)}"
    return f"{shown}, generated first" if names == (GENERATED,) else shown


def describe_ways(read_as: Sequence[str]) -> str:
    """Return how files are read: the most frequent way first."""
    ways = Counter(read_as).most_common(_WAYS)
    return "; ".join(way if len(ways) == 1 else f"{plural(number, 'file')}: {way}" for way, number in ways)


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() in {".gz", ".zst", ".bz2", ".xz"}


def _pipeline(plan: RunPlan) -> str:
    name = "a small one, trained first" if plan.source.kind is SourceKind.TRAINED else one_line(plan.source.name, 100)
    engines = {"auto": "engine fused where it is exact, else spacy", "fused": "engine fused", "spacy": "engine spacy"}
    return f"{name}; {engines[plan.config.ner.engine.value]}"


def _jobs(limits: Limits) -> str:
    jobs, workers = count_jobs_at_once(limits), count_local_workers(limits)
    at_once = "as many at once as the scheduler allows" if jobs is None else f"{count(jobs)} at once"
    if workers is None:
        return f"{at_once}, on the cluster, each as the profile says for annotate_shard"
    device = "a GPU each" if limits.uses_gpus else "on the CPU"
    return f"{at_once}, {device}, {plural(workers, 'worker')} a job"


def _disk(directory: Path, chars: int) -> str:
    work = directory / ".work"
    needed = (1 + chars * RESULT_BYTES, 1 + chars * WORK_BYTES)
    there = next(path for path in [directory, *directory.absolute().parents] if path.is_dir())
    free = shutil.disk_usage(there).free
    warning = ": not enough" if sum(needed) > free else ""
    return f"about {size(needed[0])} of results and {size(needed[1])} in {work}; {size(free)} free{warning}"

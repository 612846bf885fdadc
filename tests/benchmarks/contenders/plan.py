"""What is measured: the contenders, the kinds of corpora, and where the files of a benchmark lie.

A cell is one measurement: a contender on a corpus, with a number of cores, for the n-th time. Everything that follows
from a cell is a file named after it, below the benchmark's directory, so that a later run adds cells and redoes none.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent

#: Short texts; texts of some sentences; texts of which a few do not fit into spaCy's limit of a million characters.
KINDS = ("messages", "paragraphs", "long")

#: A text longer than this is annotated alone: stock spaCy holds all of a batch in memory, about 4 KB a character.
ALONE_CHARS = 100_000


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to get entities out of a corpus. `script` lies in run/; Shardner has none, for it is a command."""

    name: str
    what: str
    script: str | None
    needs: tuple[str, ...] = ()  # packages beyond Shardner's own
    parallel: bool = True
    gpu: bool = False


CONTENDERS = {
    each.name: each
    for each in (
        Contender("spacy", "`nlp.pipe`, one process", "spacy_pipe.py", parallel=False),
        Contender("spacy-n_process", "`nlp.pipe(n_process=cores)`", "spacy_n_process.py"),
        Contender("spacy-apply", "`spacy apply` to a DocBin, entities out of that", "spacy_apply.py"),
        Contender("pool", "multiprocessing pool, text cut at fixed numbers of characters", "pool_chunks.py"),
        Contender("pool-documents", "multiprocessing pool, batches of whole documents", "pool_documents.py"),
        Contender("dataloader", "PyTorch DataLoader, the pipeline in its workers", "torch_dataloader.py", ("torch",)),
        Contender("ray", "Ray Data, `map_batches` with a pool of actors", "ray_data.py", ("ray", "pyarrow")),
        Contender("datasets", "Hugging Face `datasets.map(num_proc=cores)`", "hf_datasets.py", ("datasets",)),
        Contender("spacy-gpu", "`nlp.pipe` with `require_gpu`", "spacy_gpu.py", ("cupy",), parallel=False, gpu=True),
        Contender("shardner", "`snakemake --cores N`", None),
        Contender("shardner-gpu", "`snakemake --cores N --resources gpu=N`", None, ("cupy",), gpu=True),
    )
}
#: What everything is compared with.
REFERENCE = "spacy"


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement; `megabytes` is of text in UTF-8, written as on the command line."""

    kind: str
    megabytes: str
    contender: str
    cores: int
    repeat: int

    @property
    def corpus(self) -> str:
        """Name the corpus."""
        return f"{self.kind}-{self.megabytes}"

    def path(self, what: str, suffix: str) -> Path:
        """Return where a file of this cell lies, below the benchmark's directory."""
        return Path(what, self.corpus, f"{self.contender}-{self.cores}-{self.repeat}{suffix}")


def parse_cell(path: Path) -> Cell:
    """Return the cell that a file belongs to."""
    kind, megabytes = path.parent.name.rsplit("-", 1)
    contender, cores, repeat = path.stem.rsplit("-", 2)
    return Cell(kind, megabytes, contender, int(cores), int(repeat))


def plan_cells(
    sizes: Mapping[str, Sequence[str]],
    contenders: Sequence[str],
    repeats: Mapping[str, Sequence[int]],
    cores: int,
    scaling: str | None = None,
) -> list[Cell]:
    """Return the cells of a benchmark.

    Args:
        sizes: megabytes for each kind, ascending.
        contenders: names of those that can run here.
        repeats: how often at each size, by contender; ``""`` for those that are not named.
        cores: how many everyone may use.
        scaling: the kind on whose largest size Shardner is also measured with 1, 2, 4 … cores.
    """
    cells = [
        Cell(kind, megabytes, contender, cores, repeat)
        for kind, megabytes_of_kind in sizes.items()
        for place, megabytes in enumerate(megabytes_of_kind)
        for contender in contenders
        for repeat in range(1, _at(repeats.get(contender, repeats[""]), place) + 1)
    ]
    if scaling is not None:
        place = len(sizes[scaling]) - 1
        for fewer in powers_of_two(cores):
            for repeat in range(1, _at(repeats.get("shardner", repeats[""]), place) + 1):
                cells.append(Cell(scaling, sizes[scaling][place], "shardner", fewer, repeat))
    return list(dict.fromkeys(cells))


def _at(values: Sequence[int], place: int) -> int:
    return values[min(place, len(values) - 1)]


def powers_of_two(cores: int) -> list[int]:
    """Return 1, 2, 4 … below `cores`, and `cores`."""
    return [*(1 << bit for bit in range(cores.bit_length()) if 1 << bit < cores), cores]


def why_not(contender: Contender) -> str | None:
    """Return why a contender cannot run here, None where it can."""
    if contender.gpu and count_gpus() == 0:
        return "no GPU here"
    for package in contender.needs:
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed: tools/setup.sh dev bench"
    return None


def count_gpus() -> int:
    """Return how many GPUs a run may use."""
    done = subprocess.run([ROOT / "tools/gpu.sh", "count"], capture_output=True, text=True, check=False)
    return int(done.stdout.strip() or 0)


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def batch_size(best: int, documents: int, longest_chars: int, cores: int, *, parallel: bool) -> int:
    """Return the documents of a batch: the best of one process, fewer where some core would get none."""
    if longest_chars > ALONE_CHARS:
        return 1
    return max(min(best, documents // (8 * cores)), 1) if parallel else best

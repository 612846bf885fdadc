"""What tests make: small pipelines, corpora, and runs of the workflow. All real, all small.

tests/gpu needs a part of this where neither Polars nor Snakemake is installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shardner.data.tables import ShardFiles

ROOT = Path(__file__).parents[1]
LABELS = ("PERSON", "ORG", "GPE")
#: What a run is asked for where nobody looks at its report: each further job takes seconds.
TABLES = tuple(f"results/{name}.parquet" for name in ("entities", "documents", "rejected"))

#: Seconds that a test waits at most: enough for a machine that does much else; nobody waits for it while all is well.
PATIENCE_S = 120.0

#: Pieces of text from which the tests make documents.
WORDS = (
    "Ada", "Lovelace", "works", "at", "Analytical", "Engines", "Ltd.", "in", "London", ".", "She", "paid", "$", "1,200",
    "to", "Müller", "&", "Söhne", "!", "😀", "said", "the", "board", "of", "Zürich", "?", "don't", "e.g.", "U.S.", "\n",
    "  ", "北京", "\t", "2026-11-23", "https://example.org/a?b=c", "—", "“quoted”",
)  # fmt: skip


def make_once(directory: Path, make: Callable[[Path], object]) -> Path:
    """Let `make` write a directory, unless another process of these tests has done so or is doing so; return it."""
    from filelock import FileLock

    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{directory}.lock", timeout=PATIENCE_S):
        if not directory.exists():
            unfinished = directory.with_name(f"{directory.name}.unfinished")
            make(unfinished)
            unfinished.rename(directory)
    return directory


def wait_for(
    condition: Callable[[], object],
    what: str | Callable[[], str],
    patience_s: float = PATIENCE_S,
    *,
    look_s: float = 0.02,
) -> None:
    """Wait until `condition` holds.

    Args:
        condition: asked every `look_s` seconds; it may raise where waiting is of no use any more.
        what: is waited for, or a function that says more once the time is up.
        patience_s: the time to wait.
        look_s: the time between two looks.

    Raises:
        AssertionError: it did not hold in time.
    """
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s:.0f} s in vain: {what if isinstance(what, str) else what()}")
        time.sleep(look_s)


def some_examples(share: float) -> int:
    """Return a share of the examples of hypothesis's profile, for a test whose examples take seconds each."""
    from hypothesis import settings

    return max(2, round(share * settings().max_examples))


def make_pipeline(directory: Path, *, seed: int = 0, before: Sequence[str] = ("sentencizer",)) -> Path:
    """Write a small pipeline with random weights, which finds many entities, and return its directory."""
    import spacy

    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("en")
    for name in before:
        nlp.add_pipe(name)
    nlp.add_pipe("ner", config={"model": ner_model(width=32, depth=1)})
    for label in LABELS:
        nlp.get_pipe("ner").add_label(label)
    nlp.initialize()
    randomise(nlp.get_pipe("ner").model, seed)
    nlp.meta["name"], nlp.meta["version"] = "tiny", "1.2.3"
    nlp.to_disk(directory)
    return directory


def randomise(model: Any, seed: int) -> None:
    """Give every layer random weights: as initialised, the last one is zero and finds nothing."""
    import numpy

    rng = numpy.random.default_rng(seed)
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                node.set_param(name, rng.normal(0, 0.5, node.get_param(name).shape).astype("float32"))


def ner_model(*, width: int, depth: int) -> dict[str, Any]:
    """Return the config of a recogniser with its own small hash-embedding CNN."""
    return {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 16,
        "maxout_pieces": 2,
        "use_upper": True,
        "nO": None,
        "tok2vec": {
            "@architectures": "spacy.HashEmbedCNN.v2",
            "pretrained_vectors": None,
            "width": width,
            "depth": depth,
            "embed_size": 200,
            "window_size": 1,
            "maxout_pieces": 2,
            "subword_features": True,
        },
    }


def make_texts(count: int, *, seed: int = 0, longest: int = 60) -> list[str]:
    """Return texts of 0 to `longest` pieces, the same for the same seed."""
    import random

    rng = random.Random(seed)
    return [" ".join(rng.choice(WORDS) for _ in range(rng.randint(0, longest))) for _ in range(count)]


def compressors() -> dict[str, Callable[[bytes], bytes]]:
    """Return what compresses a file as a whole, by the suffix of the file's name; nothing, by none."""
    import bz2
    import gzip
    import lzma

    import zstandard

    return {
        "": bytes,
        ".gz": gzip.compress,
        ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
    }


def write_jsonl(path: Path, texts: Iterable[str]) -> Path:
    """Write texts as JSON lines with ids ``d0``, ``d1`` …"""
    lines = [json.dumps({"id": f"d{i}", "text": text}, ensure_ascii=i % 2 == 0) for i, text in enumerate(texts)]
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    return path


def annotate_plainly(directory: Path, texts: Sequence[str]) -> list[tuple[int, int, int, str, str]]:
    """Return (doc, start, end, text, label) as one process running `nlp.pipe` over all texts finds them."""
    import spacy

    nlp = spacy.load(directory)
    nlp.max_length = sys.maxsize
    return [
        (number, entity.start_char, entity.end_char, entity.text, entity.label_)
        # all novels in one batch would not fit in memory
        for number, doc in enumerate(
            nlp.pipe(texts, batch_size=1 if max(map(len, texts), default=0) > 100_000 else 256)
        )
        for entity in doc.ents
    ]


def entity_rows(path: Path) -> list[tuple[int, int, int, str, str]]:
    """Return the rows of an entities table in the form of `annotate_plainly`."""
    import polars as pl

    return pl.read_parquet(path).select("doc", "start", "end", "text", pl.col("label").cast(pl.String)).rows()


def write_shard(path: Path, texts: Sequence[str], *, first_doc: int = 0) -> Path:
    """Write a shard by hand: a window a text."""
    import polars as pl
    from shardner.data.tables import WINDOWS

    count = len(texts)
    pl.DataFrame(
        {
            "doc": range(first_doc, first_doc + count),
            "window": [0] * count,
            "windows": [1] * count,
            "start": [0] * count,
            "chars": [len(text) for text in texts],
            "id": [f"d{first_doc + i}" for i in range(count)],
            "file": ["corpus.jsonl"] * count,
            "row": range(first_doc, first_doc + count),
            "text": list(texts),
        },
        schema=WINDOWS,
    ).write_parquet(path)
    return path


def record_as_written(files: ShardFiles) -> None:
    """Let the record of a job say that the tables are what it wrote: as a job would that is wrong."""
    from dataclasses import replace

    from shardner.data.job_files import read_job, write_job

    write_job(files.job, replace(read_job(files.job), digests=files.digests()))


def snakemake_command(directory: Path, *arguments: str, cores: int = 2) -> list[str]:
    """Return the command that runs the workflow in `directory`, as a user would type it there."""
    snakefile = str(ROOT / "Snakefile")
    return [
        sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--directory", str(directory),
        "--cores", str(cores), *arguments,
    ]  # fmt: skip


def write_config(directory: Path, settings: Mapping[str, Any]) -> Path:
    """Write settings as the configuration of a run in `directory`."""
    import yaml

    path = directory / "settings.yaml"
    path.write_text(yaml.safe_dump(dict(settings)), encoding="utf-8")
    return path


def run_workflow(
    directory: Path, settings: Mapping[str, Any], *arguments: str, cores: int = 2, timeout: float | None = 600
) -> subprocess.CompletedProcess[str]:
    """Run the workflow in `directory` to its end, whichever that is."""
    config = write_config(directory, settings)
    return subprocess.run(
        snakemake_command(directory, *arguments, "--configfile", str(config), cores=cores),
        capture_output=True, text=True, check=False, env=clean_environment(), timeout=timeout,
    )  # fmt: skip


def shard_names(corpus: Path, count: int) -> list[str]:
    """Return the names of the shards, ``<part>/<number>``, of a corpus that is one file in `count` shards."""
    from shardner.config import parse_config
    from shardner.corpus.files import can_be_entered
    from shardner.parse.part_plan import plan_parts_of

    settings = parse_config({}).corpus
    parts = plan_parts_of([(corpus, corpus.stat().st_size)], count, lambda path: can_be_entered(path, settings))
    return [name for part in parts for name in part.shard_names]


def clean_environment() -> dict[str, str]:
    """Return the environment without what would change a run."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("SNAKEMAKE_", "CUDA_"))}

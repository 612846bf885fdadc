"""Recognition on one core: the fused engine beside stock `nlp.pipe`, from texts to a table of entities.

    python tests/benchmarks/bench_engines.py [--model PIPELINE] [--corpus FILE.jsonl.gz …] [--chars N] [--repeats N]

PIPELINE is a directory or the name of an installed package, such as en_core_web_sm. Every measurement is a process of
its own, pinned to one core with one BLAS thread, and the contenders take turns. All of them have only the components
that `model.components: auto` keeps, and stock spaCy has its best batch size. Where the pipeline has fewer labels than
OntoNotes' 18, a second pipeline with 18 is made from it and measured too: each label is a slightly changed copy of one
that it has, so that entities are as dense. Without arguments it takes the pipeline and corpus that the workflow makes.

Prints, for each pipeline and corpus: medians and their ratio; the time by phase; and the share of the limit, which is
the tokenizer alone plus the encoder's matrix products at the speed that numpy reaches here.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "workflow" / "scripts")]

import numpy as np
import polars as pl
from shardner.annotate.shard_tables import make_tables, texts_of_entities
from shardner.annotate.worker import spare_collection
from shardner.config import EngineChoice
from shardner.data.job_recording import peak_rss_bytes
from shardner.data.stopwatch import Stopwatch
from shardner.data.tables import ENTITIES, WINDOWS
from shardner.engine.annotations import Annotations, Engine
from shardner.engine.repeated_texts import Reuse
from shardner.engine.selection import select_engine
from shardner.model.components import select_components
from shardner.model.spacy_import import import_spacy

ONTONOTES = (
    "CARDINAL", "DATE", "EVENT", "FAC", "GPE", "LANGUAGE", "LAW", "LOC", "MONEY", "NORP", "ORDINAL", "ORG",
    "PERCENT", "PERSON", "PRODUCT", "QUANTITY", "TIME", "WORK_OF_ART",
)  # fmt: skip
BATCH_SIZES = (64, 256, 1000)
BLOCK_CHARS = 1 << 19


def read_texts(path: Path, chars: int) -> list[str]:
    """Return texts of JSON lines, up to about `chars` characters."""
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
    texts, total = [], 0
    with opened as lines:
        for line in lines:
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError):
                continue  # a generated corpus has bad lines
            if isinstance(text, str) and total < chars:
                texts.append(text)
                total += len(text)
    return texts


def prepare(name: str, target: Path) -> None:
    """Write a copy of a pipeline that has only the components which decide about entities."""
    import spacy

    left_out = select_components(spacy.load(name), "auto").left_out
    spacy.load(name, exclude=list(left_out)).to_disk(target)


def widen(source: Path, target: Path) -> bool:
    """Write a copy of a pipeline whose recogniser has 18 labels; return False where it has as many."""
    import spacy
    from spacy.training import Example

    nlp = spacy.load(source)
    if len(nlp.get_pipe("ner").labels) >= len(ONTONOTES):
        return False
    old = nlp.get_pipe("ner")
    wide = spacy.load(source, exclude=["ner"])
    config = nlp.get_pipe_config("ner") | {"factory": "ner"}
    wide.add_pipe("ner", config={key: value for key, value in config.items() if key != "factory"})
    new = wide.get_pipe("ner")
    for label in ONTONOTES:
        new.add_label(label)
    new.initialize(lambda: [Example.from_dict(wide.make_doc("x"), {"entities": []})], nlp=wide)
    for part in ("tok2vec", "lower"):
        for ours, theirs in zip(new.model.get_ref(part).walk(), old.model.get_ref(part).walk(), strict=True):
            for name in theirs.param_names:
                if theirs.has_param(name):
                    ours.set_param(name, theirs.get_param(name).copy())
    _copy_classes(old, new)
    wide.to_disk(target)
    return True


def _copy_classes(old: Any, new: Any) -> None:
    """Give each class of the new recogniser the weights of one with the same action, a little changed."""
    rng = np.random.default_rng(0)
    names = [old.moves.get_class_name(number) for number in range(old.moves.n_moves)]
    labels = sorted({name[2:] for name in names if len(name) > 2})
    weights, bias = (old.model.get_ref("upper").get_param(name) for name in ("W", "b"))
    rows = []
    for number in range(new.moves.n_moves):
        name = new.moves.get_class_name(number)
        if len(name) > 2:
            name = name[:2] + labels[ONTONOTES.index(name[2:]) % len(labels)]
        rows.append(names.index(name))
    noise = rng.normal(1, 0.02, (len(rows), weights.shape[1])).astype("f")
    new.model.get_ref("upper").set_param("W", weights[rows] * noise)
    new.model.get_ref("upper").set_param("b", bias[rows].copy())


def blocks(texts: list[str]) -> Iterator[list[str]]:
    """Yield runs of texts as a worker gets them."""
    block, size = [], 0
    for text in texts:
        if block and size + len(text) > BLOCK_CHARS:
            yield block
            block, size = [], 0
        block.append(text)
        size += len(text)
    if block:
        yield block


def windows_of(texts: list[str]) -> pl.DataFrame:
    """Return the texts as rows of a shard, each a document of one window."""
    columns = {"doc": range(len(texts)), "window": 0, "windows": 1, "start": 0, "chars": [len(text) for text in texts]}
    table = pl.DataFrame(columns).with_columns(id=pl.col("doc").cast(pl.String), file=pl.lit("x"), row="doc")
    return table.with_columns(text=pl.Series(texts)).select(*WINDOWS).cast(pl.Schema(WINDOWS))


_engines: dict[Any, Engine] = {}


def run_fused(nlp: Any, texts: list[str], option: int) -> dict[str, Any]:
    """Annotate as a worker does, and build its tables."""
    if nlp not in _engines:  # one engine through warm-up and measurement, as in a worker
        _engines[nlp] = select_engine(nlp, EngineChoice.FUSED, option or None).engine
    engine = Reuse(_engines[nlp])
    watch, tokens, entities = Stopwatch(), 0, 0
    for block in blocks(texts):
        found: Annotations = engine.annotate(block, watch)
        tables = make_tables(windows_of(block), found, texts_of_entities(block, found), shard=0)
        entities += tables.entities.height
        tokens += int(found.tokens.sum())
    return {"tokens": tokens, "entities": entities, "phases": dict(watch.seconds)}


def run_stock(nlp: Any, texts: list[str], option: int) -> dict[str, Any]:
    """Annotate with `nlp.pipe` and build the same table."""
    tokens, rows = 0, []
    for number, doc in enumerate(nlp.pipe(texts, batch_size=option or 256)):
        tokens += len(doc)
        rows += [(number, str(number), e.start_char, e.end_char, e.text, e.label_) for e in doc.ents]
    return {"tokens": tokens, "entities": pl.DataFrame(rows, schema=ENTITIES, orient="row").height, "phases": {}}


def run_tokenizer(nlp: Any, texts: list[str], option: int) -> dict[str, Any]:
    """Tokenize and do nothing else."""
    tokens = sum(len(nlp.make_doc(text)) for text in texts)
    return {"tokens": tokens, "entities": 0, "phases": {}}


CONTENDERS: dict[str, Callable[[Any, list[str], int], dict[str, Any]]] = {
    "stock": run_stock,
    "fused": run_fused,
    "tokenizer": run_tokenizer,
}


def measure_here(name: str, model: Path, texts: Path, warm: Path, option: int) -> dict[str, Any]:
    """Run one contender in this process, warm: it has seen other texts of the same kind before."""
    import_spacy(model)
    import spacy

    nlp = spacy.load(model)
    nlp.max_length = sys.maxsize
    CONTENDERS[name](nlp, next(blocks(pl.read_parquet(warm)["text"].to_list())), option)
    if name == "fused":
        spare_collection()  # as a worker does
    given: list[str] = pl.read_parquet(texts)["text"].to_list()
    began = time.perf_counter()
    found = CONTENDERS[name](nlp, given, option)
    return {**found, "s": time.perf_counter() - began, "peak_rss_bytes": peak_rss_bytes()}


def measure(name: str, model: Path, texts: Path, warm: Path, option: int = 0) -> dict[str, Any]:
    """Run one contender in a process of its own, on one core."""
    command = [sys.executable, __file__, "--measure", name, "--model", str(model), "--corpus", str(texts), str(warm)]
    threads = {
        key: "1" for key in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "BLIS_NUM_THREADS", "POLARS_MAX_THREADS")
    }
    pin = ["taskset", "-c", "0"] if sys.platform == "linux" else []
    done = subprocess.run(
        [*pin, *command, "--option", str(option)], capture_output=True, text=True, env={**os.environ, **threads}
    )
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def gigaflops(rows: int = 500, repeats: int = 400) -> float:
    """Return the speed of numpy's product of the encoder's shape, in GFLOP/s."""
    a, b = np.random.rand(rows, 288).astype("f"), np.random.rand(288, 288).astype("f")
    out = np.empty((rows, 288), "f")
    best = 1e9
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(repeats // 5):
            np.matmul(a, b, out=out)
        best = min(best, (time.perf_counter() - began) / (repeats // 5))
    return 2 * rows * 288 * 288 / best / 1e9


def compare(model: Path, title: str, texts: list[str], repeats: int, directory: Path) -> None:
    """Measure all contenders in turn, each time on another part of the texts, and print a table."""
    parts = []
    for number in range(repeats):
        parts.append(directory / f"part-{number}.parquet")
        pl.DataFrame({"text": texts[number::repeats]}).write_parquet(parts[-1])
    few = directory / "few.parquet"
    pl.DataFrame({"text": texts[:: max(1, sum(map(len, texts)) // 1_000_000)]}).write_parquet(few)
    best = min(BATCH_SIZES, key=lambda size: measure("stock", model, few, few, size)["s"])
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for number, part in enumerate(parts):
        for name in CONTENDERS:
            runs[name].append(measure(name, model, part, parts[number - 1], best if name == "stock" else 0))
    print(f"\n{title}: {sum(run['tokens'] for run in runs['stock']):,} tokens; stock's best batch size {best}")
    micros = {name: [run["s"] / run["tokens"] * 1e6 for run in each] for name, each in runs.items()}
    for name, each in runs.items():
        peak = max(run["peak_rss_bytes"] for run in each) / 2**20
        print(
            f"  {name:<10} {statistics.median(micros[name]):7.2f} µs/token ({min(micros[name]):.2f} to "
            f"{max(micros[name]):.2f}) {1e6 / statistics.median(micros[name]):>10,.0f} tokens/s "
            f"{sum(run['entities'] for run in each):>9,} entities {peak:5.0f} MiB"
        )
    _print_shares(runs, micros)


def _print_shares(runs: dict[str, list[dict[str, Any]]], micros: dict[str, list[float]]) -> None:
    for phase in runs["fused"][0]["phases"]:
        each = [run["phases"][phase] / run["tokens"] * 1e6 for run in runs["fused"]]
        print(f"    {phase:<10} {statistics.median(each):6.2f} µs/token")
    ratios = [stock / fused for stock, fused in zip(micros["stock"], micros["fused"], strict=True)]
    print(f"  fused is {statistics.median(ratios):.2f} times as fast as stock ({min(ratios):.2f} to {max(ratios):.2f})")
    speed = json.loads(subprocess.run(
        ["taskset", "-c", "0", sys.executable, __file__, "--measure", "gflops"],
        capture_output=True, text=True, check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    ).stdout)  # fmt: skip
    products = 4 * 2 * 288 * 288 / speed / 1e3
    tokenizer = statistics.median(micros["tokenizer"])
    print(
        f"  limit: tokenizer {tokenizer:.2f} + products {products:.2f} µs/token at {speed:.0f} GFLOP/s; "
        f"fused reaches {(tokenizer + products) / statistics.median(micros['fused']):.0%} of it"
    )


def main() -> None:
    """Measure, or be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resources/demo/pipeline")
    parser.add_argument("--corpus", type=Path, nargs="+", default=[Path("resources/demo/corpus.jsonl")])
    parser.add_argument("--chars", type=int, default=20_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", choices=[*CONTENDERS, "gflops"], help=argparse.SUPPRESS)
    parser.add_argument("--option", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure == "gflops":
        print(gigaflops())
    elif options.measure:
        print(json.dumps(measure_here(options.measure, Path(options.model), *options.corpus, options.option)))
    else:
        with tempfile.TemporaryDirectory() as directory:
            own, wide = Path(directory) / "own", Path(directory) / "wide"
            prepare(options.model, own)
            models = {own: "the pipeline's own labels"} | ({wide: "18 labels"} if widen(own, wide) else {})
            for corpus in options.corpus:
                texts = read_texts(corpus, options.chars)
                for model, labels in models.items():
                    compare(model, f"{corpus.name}, {labels}", texts, options.repeats, Path(directory))


if __name__ == "__main__":
    main()

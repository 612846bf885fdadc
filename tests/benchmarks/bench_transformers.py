"""A pipeline with a transformer: the engine beside stock spaCy, on one core, and what the transformer computes in vain.

    python tests/benchmarks/bench_transformers.py --corpus FILE.jsonl.gz … [--pieces N] [--layers N]

The transformer is as large as that of `en_core_web_trf` (12 layers of width 768, windows of 128 pieces, 96 apart), and
its weights are random: neither time nor padding depends on them. Its pieces are the words that the corpus has most
often, and letters. It needs the extra `transformers` (tools/setup.sh dev transformers).

Both annotate the same texts in turn in this process, stock spaCy with `nlp.pipe` in its best batch size. It counts, for
both, which share of the pieces that the transformer computes is padding, and which is computed a second time because
windows overlap.
"""

from __future__ import annotations

import argparse
import os
import statistics
import string
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # before NumPy is imported
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "workflow" / "scripts")]

import spacy
import torch
from bench_engines import read_texts
from making import LABELS, randomise
from making_transformers import LISTENER, RECOGNISER
from shardner.config import EngineChoice
from shardner.data.stopwatch import Stopwatch
from shardner.engine.selection import select_engine

BATCH_SIZES = (16, 64, 256)
REPEATS = 3
WIDTH, WINDOW, STRIDE = 768, 128, 96
WORDS = 30_000


def make_pipeline(texts: Sequence[str], layers: int, *, all_layers: bool) -> Any:
    """Return a pipeline with a transformer of random weights, which knows the words of `texts`."""
    words = Counter(token.text for doc in spacy.blank("en").pipe(texts) for token in doc if not token.is_space)
    letters = string.ascii_letters + string.digits + string.punctuation
    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    known += [word for word, _ in words.most_common(WORDS) if len(word) > 1]

    def know(model: Any, X: Any = None, Y: Any = None) -> Any:
        from curated_tokenizers import WordPieceProcessor

        model.attrs["wordpiece_processor"] = WordPieceProcessor(known)
        return model

    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    architecture = {
        "@architectures": "spacy-curated-transformers.BertTransformer.v1",
        "vocab_size": len(known),
        "hidden_width": WIDTH,
        "intermediate_width": 4 * WIDTH,
        "num_attention_heads": WIDTH // 64,
        "num_hidden_layers": layers,
        "piece_encoder": {"@architectures": "spacy-curated-transformers.BertWordpieceEncoder.v1"},
        "with_spans": {
            "@architectures": "spacy-curated-transformers.WithStridedSpans.v1", "stride": STRIDE, "window": WINDOW,
        },
    }  # fmt: skip
    config = {"model": architecture, "all_layer_outputs": all_layers}
    transformer: Any = nlp.add_pipe("curated_transformer", name="transformer", config=config)
    transformer.model.get_ref("piece_encoder").init = know
    recogniser = nlp.add_pipe("ner", config={"model": {**RECOGNISER, "tok2vec": {**LISTENER, "width": WIDTH}}})
    for label in LABELS:
        recogniser.add_label(label)
    nlp.initialize()
    randomise(recogniser.model, 0)
    return nlp


class Pieces:
    """Counts the pieces that a transformer is given, and the rows that it computes for them."""

    def __init__(self) -> None:
        self.computed, self.words, self.twice = 0, 0, 0

    @contextmanager
    def counted(self, nlp: Any) -> Iterator[None]:
        """Count within the block."""
        nodes = list(nlp.get_pipe("transformer").model.walk())
        [cutter] = [node for node in nodes if node.name == "with_strided_spans"]
        [network] = [shim._model for node in nodes for shim in node.shims]
        inner = cutter._func

        def cut(model: Any, documents: Any, is_train: bool) -> Any:
            pieces = [len(document.dataXd) for document in documents]
            lengths = [min(WINDOW, each - first) for each in pieces for first in range(0, each, STRIDE)]
            self.words += sum(lengths)
            self.twice += (WINDOW - STRIDE) * lengths.count(WINDOW)
            return inner(model, documents, is_train)

        def count(module: Any, inputs: tuple[Any, ...]) -> None:
            self.computed += inputs[0].numel() // WIDTH

        cutter._func = cut
        hook = network.curated_encoder.layers[0].ffn.intermediate.register_forward_pre_hook(count)
        try:
            yield
        finally:
            cutter._func = inner
            hook.remove()


def best_batch_size(nlp: Any, texts: Sequence[str]) -> int:
    """Return the batch size with which stock spaCy is fastest."""
    return min(BATCH_SIZES, key=lambda size: seconds(lambda: list(nlp.pipe(texts, batch_size=size))))


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time that a call takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def compare(path: Path, pieces: int, layers: int, *, all_layers: bool) -> None:
    """Measure one corpus, and print a line for each contender."""
    texts = read_texts(path, 5 * pieces)
    stock = make_pipeline(texts, layers, all_layers=all_layers)
    nlp = make_pipeline(texts, layers, all_layers=all_layers)
    engine = select_engine(nlp, EngineChoice.FUSED, None).engine
    size = best_batch_size(stock, texts)
    contenders: dict[str, tuple[Any, Callable[[], object]]] = {
        f"stock spaCy, batches of {size}": (stock, lambda: list(stock.pipe(texts, batch_size=size))),
        "Shardner": (nlp, lambda: engine.annotate(texts, Stopwatch())),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    counts = {name: Pieces() for name in contenders}
    for _ in range(REPEATS):
        for name, (pipeline, work) in contenders.items():
            with counts[name].counted(pipeline):
                times[name].append(seconds(work))
    tokens = sum(len(doc) for doc in spacy.blank("en").pipe(texts))
    print(f"{path.name}: {len(texts):,} texts, {tokens:,} tokens, {layers} layers{', all read out' * all_layers}")
    for name, count in counts.items():
        print(
            f"  {name:<28} {1e3 * statistics.median(times[name]) / tokens:7.3f} ms a token; of the pieces computed "
            f"{1 - count.words / count.computed:.1%} padding, {count.twice / count.computed:.1%} twice"
        )
    first, second = times.values()
    ratios = [one / other for one, other in zip(first, second, strict=True)]
    print(f"  {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def main() -> None:
    """Measure every corpus given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, nargs="+", required=True)
    parser.add_argument("--pieces", type=int, default=10_000, help="about, of a corpus")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--all-layers", action="store_true", help="the pipeline asks for the vectors of all layers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for corpus in options.corpus:
        compare(corpus, options.pieces, options.layers, all_layers=options.all_layers)


if __name__ == "__main__":
    main()

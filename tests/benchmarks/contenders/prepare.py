"""What every contender gets: the pipeline with the components that decide about entities, and the best batch size.

    python prepare.py pipeline --model PIPELINE --out DIRECTORY
    python prepare.py batch --model DIRECTORY --corpus CORPUS.jsonl --out BATCH.json

Neither is counted. The components are those that Shardner's `model.components: auto` chooses: stock spaCy would
otherwise have to run a tagger and a parser that no entity depends on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3] / "workflow" / "scripts")]

import spacy
from shardner.model.components import select_components

BATCHES = (64, 256, 1000)
PROBE_CHARS = 200_000


def write_pipeline(model: str, out: Path) -> None:
    """Write a copy of a pipeline that has only what decides about entities."""
    nlp = spacy.load(model)
    chosen = select_components(nlp, "auto")
    nlp = spacy.load(model, exclude=list(chosen.left_out))
    nlp.to_disk(out)


def probe(model: Path, corpus: Path) -> dict[str, object]:
    """Return the batch size with which `nlp.pipe` is fastest on the beginning of a corpus; the better of two tries."""
    nlp = spacy.load(model)
    nlp.max_length = sys.maxsize
    texts, chars = [], 0
    with corpus.open(encoding="utf-8") as lines:
        for line in lines:
            texts.append(json.loads(line)["text"][:PROBE_CHARS])
            chars += len(texts[-1])
            if chars >= PROBE_CHARS:
                break
    for _ in nlp.pipe(texts, batch_size=BATCHES[0]):
        pass  # words that are new cost more
    seconds = {size: min(_time(nlp, texts, size) for _ in range(2)) for size in BATCHES}
    return {"batch": min(BATCHES, key=lambda size: seconds[size]), "seconds": seconds}


def _time(nlp: spacy.Language, texts: list[str], size: int) -> float:
    began = time.perf_counter()
    for _ in nlp.pipe(texts, batch_size=size):
        pass
    return time.perf_counter() - began


def main() -> None:
    """Prepare one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pipeline", "batch"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.what == "pipeline":
        write_pipeline(options.model, options.out)
    else:
        found = probe(Path(options.model), options.corpus)
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

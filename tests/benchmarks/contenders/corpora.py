"""Make a corpus of a kind and a size: the beginning of a file that is given, or generated.

    python corpora.py --kind messages --megabytes 0.5 [--source FILE.jsonl.gz] --corpus OUT.jsonl --facts OUT.json

No text comes twice: Shardner remembers what it annotated, which would be unfair to those that do not. Of a given file,
texts stay as they are, and the facts say how many of their characters were in repeated ones.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import itertools
import json
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3] / "workflow" / "scripts")]

from benchmarks.contenders.plan import KINDS
from shardner.demo.generate import generate_document
from shardner.demo.lexicon import Purpose, vocabulary
from shardner.demo.templates import Domain

DOMAINS = {
    "messages": (Domain.MESSAGE, Domain.TRANSACTION),
    "paragraphs": (Domain.NEWS, Domain.FILING, Domain.NOVEL),
    "long": (Domain.NOVEL, Domain.FILING),
}
#: Characters of long documents, in turn; spaCy refuses those above a million unless told otherwise.
LENGTHS = (60_000, 150_000, 90_000, 400_000, 250_000, 1_200_000)
#: Of the size that was asked for, what a file must have.
ENOUGH = 0.95


def read_source(path: Path) -> Iterator[str]:
    """Yield the texts of JSON lines."""
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
    with opened as lines:
        for line in lines:
            yield json.loads(line)["text"]


def generate_texts(kind: str, total_bytes: int) -> Iterator[str]:
    """Yield texts up to a size, none twice; the last may exceed it by a section."""
    rng = random.Random(KINDS.index(kind) + 1)  # the demo's corpus is seed 0
    words = vocabulary(Purpose.DEMO)
    seen: set[bytes] = set()
    left = total_bytes
    for number in itertools.count():
        if left <= 0:
            return
        domain = DOMAINS[kind][number % len(DOMAINS[kind])]
        longest = min(LENGTHS[number % len(LENGTHS)], left) if kind == "long" else 0
        text = generate_document(rng, domain, words, min_chars=longest).text
        key = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if key not in seen:
            seen.add(key)
            left -= len(text.encode())
            yield text


def take(texts: Iterable[str], total_bytes: int) -> list[str]:
    """Return the first texts, as many whole ones as stay within a size; one at least."""
    taken: list[str] = []
    size = 0
    for text in texts:
        size += len(text.encode())
        if taken and size > total_bytes:
            break
        taken.append(text)
        if size >= total_bytes:
            break
    return taken


def describe(texts: list[str]) -> dict[str, object]:
    """Return what a reader of results should know of a corpus; shares are fractions of the characters."""
    chars = sum(map(len, texts))
    return {
        "documents": len(texts),
        "chars": chars,
        "bytes": sum(len(text.encode()) for text in texts),
        "longest_chars": max(map(len, texts)),
        "repeated_share": 1 - sum(map(len, set(texts))) / max(chars, 1),
        "sha256": hashlib.sha256("\0".join(texts).encode()).hexdigest(),
    }


def main() -> None:
    """Write a corpus and its facts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--megabytes", type=float, required=True)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--facts", type=Path, required=True)
    options = parser.parse_args()
    wanted = round(options.megabytes * 1e6)
    texts = take(read_source(options.source), wanted) if options.source else [*generate_texts(options.kind, wanted)]
    facts = describe(texts)
    # one document may be larger than what was asked for, or too large for what is left of it
    if (
        facts["bytes"] < ENOUGH * wanted
        and options.source
        and len(texts) == sum(1 for _ in read_source(options.source))
    ):
        sys.exit(f"{options.source} has {facts['bytes'] / 1e6:.2f} MB of text only; write:   --sizes {options.kind}=…")
    with options.corpus.open("w", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            file.write(json.dumps({"id": str(number), "text": text}, ensure_ascii=False) + "\n")
    options.facts.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

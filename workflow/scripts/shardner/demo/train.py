"""Train the demo's pipeline. It has the shape of spaCy's small English pipelines; training takes under a minute."""

from __future__ import annotations

import itertools
import logging
import os
import random
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import spacy
from spacy.language import Language
from spacy.pipeline import EntityRecognizer
from spacy.training import Example
from spacy.training.batchers import minibatch_by_words
from thinc.api import fix_random_seed, use_ops

from shardner.demo.cast import LABELS
from shardner.demo.generate import GoldDocument, generate_document
from shardner.demo.lexicon import Purpose, vocabulary
from shardner.demo.templates import Domain

logger = logging.getLogger(__name__)

#: The architecture of the recogniser of `en_core_web_sm`, but with its own encoder instead of a listener.
_MODEL: dict[str, Any] = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "use_upper": True,
    "nO": None,
    "tok2vec": {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {
            "@architectures": "spacy.MultiHashEmbed.v2",
            "width": 96,
            "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
            "rows": [5000, 1000, 2500, 2500],
            "include_static_vectors": False,
        },
        "encode": {
            "@architectures": "spacy.MaxoutWindowEncoder.v2",
            "width": 96,
            "depth": 4,
            "window_size": 1,
            "maxout_pieces": 3,
        },
    },
}

#: How often a training text is of each kind. Kinds with long texts have small weights: each text brings more words.
_WEIGHTS = {Domain.NEWS: 3, Domain.FILING: 3, Domain.TRANSACTION: 8, Domain.NOVEL: 2, Domain.MESSAGE: 8}


def train_demo_pipeline(directory: Path, *, seed: int = 0, chars: int = 800_000) -> None:
    """Train on about `chars` characters of text, each seen once, and write the pipeline to `directory`.

    This seeds the global random state of Python and of NumPy. The same seed gives the same weights on the same machine.
    The directory is written completely or not at all; a directory that exists is replaced.
    """
    started = time.monotonic()
    fix_random_seed(seed)
    # For matrices of these shapes, NumPy's BLAS is about three times as fast as BLIS.
    with use_ops("numpy", use_blis=False):
        nlp = _untrained()
        examples = [_example(nlp, document) for document in _documents(seed, chars)]
        logger.info("training the demo pipeline on %d texts", len(examples))
        _train(nlp, examples)
        _save(nlp, directory)
    logger.info("trained the demo pipeline in %.1f s", time.monotonic() - started)


def _untrained() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    recogniser = cast(EntityRecognizer, nlp.add_pipe("ner", config={"model": _MODEL}))
    for label in LABELS:
        recogniser.add_label(label)
    nlp.meta |= {"name": "demo_core_ner_sm", "version": "1.0.0", "description": "Shardner's demo: generated English"}
    return nlp


def _documents(seed: int, chars: int) -> Iterator[GoldDocument]:
    rng = random.Random(f"training/{seed}")
    words = vocabulary(Purpose.TRAINING)
    domains, weights = list(_WEIGHTS), list(_WEIGHTS.values())
    written = 0
    while written < chars:
        document = generate_document(rng, rng.choices(domains, weights)[0], words)
        written += len(document.text)
        yield document


def _example(nlp: Language, document: GoldDocument) -> Example:
    return Example.from_dict(nlp.make_doc(document.text), {"entities": list(document.entities)})


def _train(nlp: Language, examples: list[Example]) -> None:
    optimizer = nlp.initialize(lambda: examples[:500])
    # Batches grow: small batches learn faster at first, and large batches cost less.
    sizes = [*range(100, 500, 2), *itertools.repeat(500, len(examples))]
    done, logged, losses = 0, 0, {"ner": 0.0}
    for batch in minibatch_by_words(examples, size=sizes):
        # An entity never continues past the start of a sentence. So training uses the starts that the sentencizer sets.
        nlp.update(batch, sgd=optimizer, drop=0.1, losses=losses, annotates=["sentencizer"])
        done += len(batch)
        if done * 5 // len(examples) > logged:
            logged = done * 5 // len(examples)
            logger.info("%3d %%: loss %.0f", done * 100 // len(examples), losses["ner"])
            losses["ner"] = 0.0


def _save(nlp: Language, directory: Path) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = directory.with_name(f".{directory.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        nlp.to_disk(temporary)
        _sync(temporary)
        if directory.exists():
            shutil.rmtree(directory)
        temporary.rename(directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sync(directory: Path) -> None:
    """Wait until the files are on the disk: otherwise a crash after the rename could leave empty files."""
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())

"""Promise 1 for long documents: no window's border changes an entity."""

from __future__ import annotations

import random
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import spacy
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st
from in_process import run
from making import WORDS, some_examples, write_jsonl
from shardner.annotate.near_ties import NEAR_TIE, first_gap
from shardner.annotate.sizes import Sizes
from shardner.model.pipeline import prepare_pipeline
from shardner.parse.pipeline_source import classify

sys.path.append(str(Path(__file__).parent))  # where pytest does not put it for this import

from test_fused import SPACES, Shape, make_random_pipeline, shapes

#: What could go wrong at a border: characters that combine, pairs, runs of spaces, rules of the tokenizer.
ODD = (
    "e\u0301te\u0301", "👩\u200d👩\u200d👧", "\r\n", "  ", "\t", "\n\n", ":)", ": )", "8 )", "a.m.", "can't", "हिन्दी",
    "\u00a0", "...", "U . S .", "!?!", "\"", "(¬_¬)", "\U0001d538\U0001d539", "x" * 90,
)  # fmt: skip


def make_long_texts(seed: int) -> list[str]:
    rng = random.Random(seed)
    pieces = [*WORDS, *ODD] if seed % 2 else WORDS
    spaces = SPACES if seed % 3 == 0 else (" ",)

    def text(count: int) -> str:
        return "".join(rng.choice(pieces) + rng.choice(spaces) for _ in range(count))

    long = [text(rng.randint(100, 500)), text(rng.randint(200, 900)), "Ada Lovelace " * 60, "x" * 400]
    return ["Ada", long[0], "", text(20), *long[1:]]


# a failing example is shown as it is: making it smaller takes minutes
@settings(max_examples=some_examples(0.5), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    # with our own encoder: only then are there candidates
    shape=shapes.map(lambda shape: replace(shape, others="", vectors=False)),
    max_chars=st.sampled_from([32, 33, 50, 100, 333, 1000]),
    count=st.integers(1, 9),
    piece_chars=st.sampled_from([40, 500, 1 << 15]),
    margins=st.sampled_from([(1, 1), (16, 64), (256, 1024)]),
    block_chars=st.sampled_from([1_000, 1 << 19]),
)
def test_windows_give_the_entities_of_the_uncut_document(
    shape: Shape,
    max_chars: int,
    count: int,
    piece_chars: int,
    margins: tuple[int, int],
    block_chars: int,
) -> None:
    left, right = margins
    sizes = Sizes(block_chars=block_chars, piece_chars=piece_chars, left_margin_chars=left, right_margin_chars=right)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        make_random_pipeline(shape).to_disk(directory / "model")
        texts = make_long_texts(shape.seed)
        pipeline = prepare_pipeline(classify(str(directory / "model")), None, directory / "unpacked", "auto")
        corpus = write_jsonl(directory / "corpus.jsonl", texts)
        done = run(directory, corpus, pipeline, count, sizes=sizes, windows={"max_chars": max_chars})
        note(f"{done.joins}")

        nlp = spacy.load(directory / "model")
        found = pl.read_parquet(done.results.entities)
        documents = pl.read_parquet(done.results.documents)
        assert done.joins.unsure == 0
        assert documents["doc"].to_list() == list(range(len(texts)))
        assert documents["chars"].to_list() == [len(text) for text in texts]
        assert [(windows > 1) for windows in documents["windows"]] == [len(text) > max_chars for text in texts]
        for number, doc in enumerate(nlp.pipe(texts)):
            rows = found.filter(pl.col("doc") == number)
            ours = rows.select("start", "end", pl.col("label").cast(pl.String)).rows()
            theirs = [(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents]
            assert documents["tokens"][number] == len(doc)
            if ours == theirs:
                assert rows["text"].to_list() == [entity.text for entity in doc.ents]
                assert documents["entities"][number] == len(theirs)
            else:
                assert first_gap(nlp, texts[number], theirs, ours) < NEAR_TIE

"""What `model.components: auto` leaves out changes no entity, whatever components a pipeline has and in which order."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import in_process
import polars as pl
import spacy
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from making import LABELS, make_texts, ner_model, randomise, write_jsonl
from shardner.model.components import Selection, select_components
from shardner.model.pipeline import prepare_pipeline
from shardner.parse.pipeline_source import classify
from spacy.language import Language
from spacy.tokens import Doc, Span, Token

TEXTS = [
    "Ada Lovelace works in London. She paid $ 1,200 to Müller & Söhne! Again we met in Zürich .",
    *make_texts(6, seed=3),
]
TAGS = ("NN", "VB", "JJ")
POS = ("NOUN", "VERB", "ADJ", "PROPN")


def number_of(text: str, kinds: int) -> int:
    """Return a number that follows from a word."""
    return sum(map(ord, text)) % kinds


def set_tags(doc: Doc) -> Doc:
    for token in doc:
        token.tag_ = TAGS[number_of(token.text, len(TAGS))]
    return doc


def set_pos_by_tag(doc: Doc) -> Doc:
    for token in doc:
        token.pos_ = POS[(number_of(token.text, len(POS)) + (token.tag_ == "VB")) % len(POS)]
    return doc


def set_lemmas_by_pos(doc: Doc) -> Doc:
    for token in doc:
        token.lemma_ = token.lower_ + ("!" if token.pos_ == "VERB" else "")
    return doc


def set_sentences(doc: Doc) -> Doc:
    for token in doc:
        token.is_sent_start = token.i == 0 or doc[token.i - 1].text in "!?."
    return doc


def keep_nouns(doc: Doc) -> Doc:
    doc.ents = [entity for entity in doc.ents if entity.root.pos_ != "ADJ"]
    return doc


def keep_first_of_sentence(doc: Doc) -> Doc:
    if doc.has_annotation("SENT_START"):
        doc.ents = [entity for entity in doc.ents if not entity[0].is_sent_start]
    return doc


def spans_to_entities(doc: Doc) -> Doc:
    for span in doc.spans.get("found", ()):
        if not any(token.ent_type for token in span):
            doc.ents = [*doc.ents, Span(doc, span.start, span.end, "SPAN")]
    return doc


def grade_tokens(doc: Doc) -> Doc:
    for token in doc:
        token._.selection_grade = "high" if token.tag_ == "VB" else "low"
    return doc


def keep_low(doc: Doc) -> Doc:
    doc.ents = [entity for entity in doc.ents if entity[0]._.selection_grade != "high"]
    return doc


def group_capitals(doc: Doc) -> Doc:
    doc.spans["found"] = [doc[token.i : token.i + 1] for token in doc if token.is_title]
    return doc


#: By name: what the component does, what it declares to write, and to read.
CUSTOM: dict[str, tuple[Callable[[Doc], Doc], list[str], list[str]]] = {
    "set_tags": (set_tags, ["token.tag"], ["token.text"]),
    "set_tags_silently": (set_tags, [], []),
    "set_pos": (set_pos_by_tag, ["token.pos"], ["token.tag"]),
    "set_pos_without_saying_what_it_reads": (set_pos_by_tag, ["token.pos"], []),
    "set_lemmas": (set_lemmas_by_pos, ["token.lemma"], ["token.pos"]),
    "set_sentences": (set_sentences, ["token.is_sent_start"], ["token.text"]),
    "keep_nouns": (keep_nouns, ["doc.ents"], ["doc.ents", "token.pos"]),
    "keep_nouns_silently": (keep_nouns, [], []),
    "keep_first": (keep_first_of_sentence, ["doc.ents"], ["doc.ents", "token.is_sent_start"]),
    "grade_tokens": (grade_tokens, ["token._.selection_grade"], ["token.tag"]),
    "keep_low": (keep_low, ["doc.ents"], ["doc.ents", "token._.selection_grade"]),
    "group_capitals": (group_capitals, ["doc.spans"], ["token.text"]),
    "spans_to_entities": (spans_to_entities, ["doc.ents"], ["doc.spans", "doc.ents"]),
}
PATTERNS: list[Any] = [
    "London",
    [{"POS": "VERB"}],
    [{"TAG": "NN", "IS_ALPHA": True}],
    [{"LEMMA": {"REGEX": "!$"}}],
    [{"IS_SENT_START": True, "IS_TITLE": True}],
    [{"ENT_TYPE": {"IN": list(LABELS)}}, {"IS_ALPHA": True}],
    [{"MORPH": {"IS_SUPERSET": ["Number=Sing"]}}],
    [{"_": {"selection_grade": "high"}, "IS_ALPHA": True}],
    [{"_": {"selection_is_verb": True}}],
    [{"DEP": "nsubj"}, {"IS_ALPHA": True}],
]
SPACY = (
    "sentencizer", "tagger", "parser", "senter", "morphologizer", "attribute_ruler", "entity_ruler", "span_ruler",
    "merge_entities", "merge_noun_chunks", "token_splitter", "ner", "tok2vec", "doc_cleaner", "future_entity_ruler",
)  # fmt: skip


Token.set_extension("selection_grade", default="none", force=True)
Token.set_extension("selection_is_verb", getter=lambda token: token.pos_ == "VERB", force=True)
for _name, (_function, _assigns, _requires) in CUSTOM.items():
    Language.component(f"selection_{_name}", func=_function, assigns=_assigns, requires=_requires)


def build(names: Sequence[str], seed: int) -> Language:
    """Return a pipeline of these components, all with random weights or patterns."""
    rng = random.Random(seed)
    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    for number, name in enumerate(names):
        if name in CUSTOM:
            nlp.add_pipe(f"selection_{name}", name=f"{name}_{number}")
        else:
            add(nlp, name, f"{name}_{number}", rng)
    nlp.initialize()
    for name in nlp.pipe_names:
        give_patterns(nlp, name, rng)
    for number, (_, component) in enumerate(nlp.pipeline):
        if hasattr(component, "model"):
            randomise(component.model, seed + number)
    return nlp


def add(nlp: Language, factory: str, name: str, rng: random.Random) -> None:
    """Add one of spaCy's own components."""
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "*"}
    columns = ["NORM", *rng.sample(["TAG", "POS", "LEMMA", "SENT_START", "SHAPE"], rng.randint(0, 1))]
    own = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {"@architectures": "spacy.MultiHashEmbed.v2", "width": 16, "attrs": columns,
                  "rows": [50] * len(columns), "include_static_vectors": False},
        "encode": {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 16, "depth": 1, "window_size": 1,
                   "maxout_pieces": 2},
    }  # fmt: skip
    vectors = listener if rng.random() < 0.5 else own
    if factory == "ner":
        recogniser: Any = nlp.add_pipe(
            "ner", name=name, config={"model": {**ner_model(width=96, depth=1), "tok2vec": vectors}}
        )
        for label in LABELS:
            recogniser.add_label(label)
    elif factory in ("entity_ruler", "span_ruler"):
        config = (
            {"overwrite_ents": rng.random() < 0.5}
            if factory == "entity_ruler"
            else ({"spans_key": "found", "annotate_ents": rng.random() < 0.5})
        )
        nlp.add_pipe(factory, name=name, config=config)
    elif factory in ("tagger", "morphologizer", "senter", "parser"):
        extra = {"@architectures": "spacy.Tagger.v2", "nO": None, "normalize": False, "tok2vec": vectors}
        if factory == "parser":
            extra = {**ner_model(width=96, depth=1), "state_type": "parser", "tok2vec": vectors}
        component: Any = nlp.add_pipe(factory, name=name, config={"model": extra})
        labels = {"tagger": TAGS, "morphologizer": ("POS=NOUN|Number=Sing", "POS=VERB"), "parser": ("nsubj", "ROOT")}
        for label in labels.get(factory, ()):
            component.add_label(label)
    elif factory == "token_splitter":
        nlp.add_pipe(factory, name=name, config={"min_length": 6, "split_length": 3})
    elif factory != "tok2vec":
        nlp.add_pipe(factory, name=name)


def give_patterns(nlp: Language, name: str, rng: random.Random) -> None:
    """Give a ruler patterns; to initialise a pipeline would drop them."""
    ruler: Any = nlp.get_pipe(name)
    factory = nlp.get_pipe_meta(name).factory
    if factory in ("entity_ruler", "span_ruler", "future_entity_ruler"):
        patterns = rng.sample(PATTERNS, rng.randint(1, 3))
        ruler.add_patterns([{"label": f"RULE{n}", "pattern": pattern} for n, pattern in enumerate(patterns)])
    elif factory == "attribute_ruler":
        ruler.add(patterns=[[{"TAG": "VB"}]], attrs={"POS": "VERB", "MORPH": "Number=Sing"})
        ruler.add(patterns=[[{"POS": "NOUN"}]], attrs={"LEMMA": "noun!"})


def entities(nlp: Language, left_out: Sequence[str]) -> list[list[tuple[int, int, str]] | str]:
    """Return the entities of each text, or how the pipeline fails on it, with some components left out."""
    with nlp.select_pipes(disable=[name for name in left_out if name in nlp.pipe_names]):
        return [annotate(nlp, text) for text in TEXTS]


def annotate(nlp: Language, text: str) -> list[tuple[int, int, str]] | str:
    try:
        return [(entity.start_char, entity.end_char, entity.label_) for entity in nlp(text).ents]
    except (ValueError, AttributeError, IndexError) as error:
        return repr(error)


def left_out_by_mistake(nlp: Language, selection: Selection) -> list[str]:
    """Return what is left out beside the setters of sentence starts, and what these listen to."""
    spared = {each.name for each in selection.decisions if each.on_purpose}
    spared |= {name for name, pipe in nlp.pipeline if spared & set(getattr(pipe, "listening_components", ()))}
    return [name for name in selection.left_out if name not in spared]


@settings(max_examples=max(settings.default.max_examples // 3, 4))  # each builds a pipeline
@given(
    names=st.lists(st.sampled_from([*CUSTOM, *SPACY]), min_size=1, max_size=6),
    recogniser=st.integers(0, 6),
    seed=st.integers(0, 1000),
)
def test_what_is_left_out_changes_no_entity(names: list[str], recogniser: int, seed: int) -> None:
    names.insert(min(recogniser, len(names)), "ner")
    try:
        nlp = build(names, seed)
    except ValueError:  # a ruler runs its phrases through what stands before it, which may fail
        reject()
    selection = select_components(nlp, "auto")
    whole = entities(nlp, [])
    assert_as_the_whole(entities(nlp, left_out_by_mistake(nlp, selection)), whole)
    if not any(each.on_purpose for each in selection.decisions):
        assert_as_the_whole(entities(nlp, selection.left_out), whole)


@settings(max_examples=max(settings.default.max_examples // 5, 3))  # each runs split, annotate and merge
@given(
    names=st.lists(st.sampled_from([*CUSTOM, *SPACY]), max_size=6),
    recogniser=st.integers(0, 6),
    seed=st.integers(0, 1000),
    shards=st.integers(1, 3),
)
def test_a_run_gives_the_entities_of_the_whole_pipeline(
    names: list[str], recogniser: int, seed: int, shards: int
) -> None:
    names.insert(min(recogniser, len(names)), "ner")
    try:
        nlp = build(names, seed)
    except ValueError:  # as above
        reject()
    whole = entities(nlp, [])
    if all(isinstance(each, str) for each in whole):
        reject()  # a run would end with an error
    with TemporaryDirectory() as directory:
        found = run(nlp, Path(directory), shards)
    selection = select_components(nlp, "auto")
    by_mistake = left_out_by_mistake(nlp, selection)
    on_purpose = [name for name in selection.left_out if name not in by_mistake]
    assert_as_the_whole(found, entities(nlp, on_purpose) if on_purpose else whole)


def run(nlp: Language, directory: Path, shards: int) -> list[list[tuple[int, int, str]] | str]:
    """Return the entities of each text in the results of a run, or that it was rejected."""
    nlp.to_disk(directory / "pipeline")
    pipeline = prepare_pipeline(classify(str(directory / "pipeline")), None, directory / "unpacked", "auto")
    corpus = write_jsonl(directory / "corpus.jsonl", TEXTS)
    results = in_process.run(directory, corpus, pipeline, shards, corpus={"max_rejected": 1.0}).results
    documents = pl.read_parquet(results.documents).get_column("doc")
    found: dict[int, list[tuple[int, int, str]] | str] = {doc: [] for doc in documents}
    rows = pl.read_parquet(results.entities, columns=["doc", "start", "end", "label"])
    for doc, start, end, label in rows.iter_rows():
        entities_of_doc = found[doc]
        assert isinstance(entities_of_doc, list)
        entities_of_doc.append((start, end, label))
    return [found.get(doc, "rejected") for doc in range(len(TEXTS))]


def assert_as_the_whole(
    found: list[list[tuple[int, int, str]] | str], whole: list[list[tuple[int, int, str]] | str]
) -> None:
    """Assert that entities are those of the whole pipeline, where that does not fail (in a component left out, say)."""
    assert [each for each, ours in zip(whole, found, strict=True) if each != ours and not isinstance(each, str)] == []

"""What `model.components: auto` keeps, and why, for each kind of component."""

from __future__ import annotations

from typing import Any

import pytest
import spacy
from making import ner_model
from shardner.data.provenance import Decision
from shardner.errors import ModelError
from shardner.model.components import Request, Selection, describe_left_out, note_decisions, select_components
from shardner.model.context import depends_on_batch, depends_on_position
from shardner.model.dependencies import find_dependencies
from spacy.language import Language
from spacy.tokens import Doc, Span, Token
from thinc.api import Model


def test_auto_keeps_what_decides_about_entities_and_nothing_else() -> None:
    nlp = spacy.blank("en")
    for name in ("sentencizer", "tok2vec", "tagger", "ner", "entity_ruler"):
        config = {"model": shared_ner()} if name == "ner" else {}
        nlp.add_pipe(name, config=config)
    nlp.add_pipe("sentencizer", name="late")
    selection = select_components(nlp, "auto")
    assert selection.kept == ("sentencizer", "tok2vec", "ner", "entity_ruler")
    assert selection.left_out == ("tagger", "late") and note_decisions(nlp, selection) == ()


def shared_ner() -> dict[str, object]:
    return {
        **ner_model(width=96, depth=4),
        "tok2vec": {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "*"},
    }


def test_a_parser_before_the_recogniser_is_left_out_and_the_line_that_keeps_it_is_shown() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("parser")
    nlp.add_pipe("ner")
    selection = select_components(nlp, "auto")
    assert selection.left_out == ("parser",)
    assert "an entity could differ" in note_decisions(nlp, selection)[0]
    assert "model: {components: [parser, ner]}" in note_decisions(nlp, selection)[0]


def test_a_span_ruler_counts_only_where_it_writes_entities() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("span_ruler", name="spans")
    nlp.add_pipe("span_ruler", name="entities", config={"annotate_ents": True})
    assert select_components(nlp, "auto").kept == ("entities",)


@Language.component("tests_shout")
def shout(doc: Doc) -> Doc:
    return doc


def test_a_custom_component_that_declares_nothing_is_kept() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    nlp.add_pipe("tests_shout")
    selection = select_components(nlp, "auto")
    assert selection.kept == ("ner", "tests_shout")
    assert selection.decisions[1].reason == "it does not say what it writes"
    assert note_decisions(nlp, selection) == ()  # nothing else runs because of it


def test_all_keeps_every_enabled_component_and_a_list_what_it_names() -> None:
    nlp = spacy.blank("en")
    for name in ("senter", "tagger", "ner"):
        nlp.add_pipe(name)
    nlp.disable_pipe("senter")
    assert select_components(nlp, "all").kept == ("tagger", "ner")
    assert select_components(nlp, ["senter", "ner"]).kept == ("senter", "ner")


def test_a_named_component_that_the_pipeline_has_not_is_refused_with_the_nearest() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    with pytest.raises(ModelError, match=r"no component 'nre'; did you mean 'ner'\?"):
        select_components(nlp, ["nre"])


def test_a_pipeline_without_a_recogniser_is_refused() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    with pytest.raises(ModelError, match="has no entity recogniser"):
        select_components(nlp, "auto")
    nlp.add_pipe("ner")
    with pytest.raises(ModelError, match="add 'ner'"):
        select_components(nlp, ["sentencizer"])


# What each kind of component reads and writes


def blank(*names: str | tuple[str, dict[str, Any]]) -> Language:
    """Return an English pipeline of components, some with a config."""
    nlp = spacy.blank("en")
    for each in names:
        name, config = (each, {}) if isinstance(each, str) else each
        nlp.add_pipe(name, config=config)
    return nlp


def ner_reading(*columns: str) -> tuple[str, dict[str, Any]]:
    """Return a recogniser whose embedding reads these columns."""
    embed = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 8, "attrs": list(columns),
             "rows": [20] * len(columns), "include_static_vectors": False}  # fmt: skip
    encode = {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 8, "depth": 2, "window_size": 1,
              "maxout_pieces": 2}  # fmt: skip
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    return "ner", {"model": {**ner_model(width=8, depth=1), "tok2vec": tok2vec}}


def kept(nlp: Language, **asked: tuple[str, ...]) -> tuple[str, ...]:
    return select_components(nlp, "auto", Request(**asked)).kept


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ([{"LOWER": "x", "OP": "?"}, {"IS_TITLE": True}, {}], set()),
        ([{"tag": {"IN": ["NN"]}}], {"tags"}),
        ([{"POS": "VERB"}, {"LEMMA": {"REGEX": "^a"}}], {"parts of speech", "lemmas"}),
        ([{"MORPH": {"IS_SUPERSET": ["Number=Sing"]}}, {"DEP": "nsubj"}], {"morphology", "parse"}),
        ([{"IS_SENT_START": True}], {"sentence starts"}),
        ([{"ENT_KB_ID": "Q1"}, {"NORM": "x"}], {"knowledge base ids", "norms"}),
        ([{"_": {"tests_plain": True}}], {"token._.tests_plain"}),
        ([{spacy.symbols.TAG: "NN"}], {"tags"}),
        ("a phrase", set()),
    ],
)
def test_a_ruler_reads_what_its_patterns_are_matched_by(pattern: Any, words: set[str]) -> None:
    for factory in ("entity_ruler", "span_ruler"):
        nlp = blank(factory)
        ruler: Any = nlp.get_pipe(factory)
        ruler.add_patterns([{"label": "X", "pattern": pattern}])
        own = find_dependencies(nlp, factory)
        assert own.reads - {"entities"} == words and not own.reads_all


@pytest.mark.parametrize("attribute", ["LEMMA", "lemma", spacy.symbols.LEMMA])
def test_a_phrase_is_matched_by_the_attribute_that_a_ruler_is_set_to(attribute: str | int) -> None:
    nlp = blank(("lemmatizer", {"mode": "lookup"}), ("entity_ruler", {"phrase_matcher_attr": attribute}))
    nlp.get_pipe("lemmatizer").lookups.add_table("lemma_lookup", {"went": "go"})
    nlp.get_pipe("lemmatizer")._validated = True
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "GO", "pattern": "went"}])
    assert kept(nlp) == ("lemmatizer", "entity_ruler")


def test_an_attribute_of_a_pattern_that_is_computed_may_read_everything() -> None:
    Token.set_extension("tests_computed", getter=lambda token: token.pos_ == "VERB", force=True)
    nlp = blank("morphologizer", "entity_ruler")
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": [{"_": {"tests_computed": True}}]}])
    assert kept(nlp) == ("morphologizer", "entity_ruler")


def test_an_attribute_ruler_passes_on_what_it_reads_and_sets() -> None:
    nlp = blank("tagger", "morphologizer", "attribute_ruler", "lemmatizer", "entity_ruler")
    nlp.get_pipe("attribute_ruler").add([[{"TAG": "NN"}]], {"POS": "NOUN"})
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": [{"POS": "NOUN"}]}])
    selection = select_components(nlp, "auto")
    assert selection.left_out == ("lemmatizer",)
    reasons = {each.name: each.reason for each in selection.decisions}
    assert reasons["tagger"] == "'attribute_ruler' reads tags"
    assert reasons["attribute_ruler"] == "'entity_ruler' reads parts of speech"


def test_an_attribute_ruler_may_set_an_extension_or_the_attributes_of_all_tokens_of_a_text() -> None:
    Token.set_extension("tests_plain", default=False, force=True)
    nlp = blank("attribute_ruler", "entity_ruler")
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": [{"_": {"tests_plain": True}}]}])
    nlp.get_pipe("attribute_ruler").add([[{"LOWER": "a"}]], {"_": {"tests_plain": True}})
    assert kept(nlp) == ("attribute_ruler", "entity_ruler")
    other = blank("attribute_ruler", "ner")
    assert kept(other) == ("ner",)
    other.get_pipe("attribute_ruler").add([[{"LOWER": "a"}]], {"SHAPE": "Xxxx"})
    assert kept(other) == ("attribute_ruler", "ner")


def test_a_lemmatizer_reads_sentence_starts_in_spanish_alone() -> None:
    for lang, reads in (("es", True), ("en", False)):
        nlp = spacy.blank(lang)
        nlp.add_pipe("lemmatizer", config={"mode": "rule"})
        own = find_dependencies(nlp, "lemmatizer")
        assert {"parts of speech", "morphology", "lemmas"} < own.reads
        assert ("sentence starts" in own.reads) is reads


def test_a_trainable_lemmatizer_reads_what_it_falls_back_on() -> None:
    nlp = blank(("trainable_lemmatizer", {"backoff": "norm"}))
    assert "norms" in find_dependencies(nlp, "trainable_lemmatizer").reads


def test_an_entity_linker_runs_where_its_ids_are_read_or_asked_for_and_keeps_the_sentences_that_it_reads() -> None:
    nlp = blank("senter", "ner", "entity_linker")
    assert kept(nlp) == ("ner",)
    assert kept(nlp, attributes=("kb_id",)) == ("senter", "ner", "entity_linker")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": [{"ENT_KB_ID": "Q1"}]}])  # type: ignore[attr-defined]
    assert kept(nlp) == ("senter", "ner", "entity_linker", "entity_ruler")


def read_anything(*arguments: Any, **options: Any) -> Any:
    raise NotImplementedError


def test_a_function_of_the_users_own_in_a_component_of_spacy_may_read_everything() -> None:
    nlp = blank("tagger", "ner", "spancat", "entity_linker", "span_ruler")
    for name in ("spancat", "entity_linker", "span_ruler"):
        assert not find_dependencies(nlp, name).reads_all
    nlp.get_pipe("spancat").suggester = read_anything
    nlp.get_pipe("entity_linker").get_candidates = read_anything
    nlp.get_pipe("span_ruler").spans_filter = read_anything
    for name in ("spancat", "entity_linker", "span_ruler"):
        assert find_dependencies(nlp, name).reads_all
    assert kept(nlp, spans=("sc",)) == ("tagger", "ner", "spancat", "entity_linker", "span_ruler")


def test_span_groups_run_where_they_are_asked_for_or_read() -> None:
    nlp = blank("span_finder", "spancat", "ner")
    assert kept(nlp) == ("ner",)
    assert kept(nlp, spans=("sc",)) == ("span_finder", "spancat", "ner")


def test_what_a_cleaner_clears_is_written() -> None:
    listener = ("ner", {"model": shared_ner()})
    assert kept(blank("tok2vec", listener, "doc_cleaner")) == ("tok2vec", "ner")
    assert kept(blank("tok2vec", ("doc_cleaner", {"attrs": {"tensor": None}}), listener)) == (
        "tok2vec", "doc_cleaner", "ner",
    )  # fmt: skip
    assert kept(blank("ner", ("doc_cleaner", {"attrs": {"ents": []}}))) == ("ner", "doc_cleaner")
    assert kept(blank("ner", ("doc_cleaner", {"attrs": {"user_data": {}}}))) == ("ner", "doc_cleaner")


def test_a_listener_reads_the_vectors_that_the_last_component_before_it_left() -> None:
    nlp = blank("tok2vec", "ner")
    nlp.add_pipe("tok2vec", name="other", before="ner")
    nlp.replace_pipe("ner", "ner", config={"model": shared_ner()})
    assert kept(nlp) == ("tok2vec", "other", "ner")


def test_what_changes_tokens_runs_after_the_recogniser_too() -> None:
    assert kept(blank("tagger", "parser", "ner", "merge_noun_chunks"))[:2] == ("tagger", "parser")
    assert kept(blank("parser", "ner", "token_splitter")) == ("ner", "token_splitter")
    assert kept(blank("parser", "ner", "merge_entities")) == ("ner", "merge_entities")


def test_a_token_made_of_several_takes_its_attributes_from_the_head_in_the_parse() -> None:
    nlp = blank("parser", "tagger", "ner", "merge_entities", "entity_ruler")
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": [{"TAG": "NN"}]}])
    assert kept(nlp) == ("parser", "tagger", "ner", "merge_entities", "entity_ruler")


# The model of a component


def test_what_an_embedding_reads_is_kept() -> None:
    assert kept(blank("tagger", "morphologizer", ner_reading("NORM", "TAG"))) == ("tagger", "ner")


def test_sentence_starts_in_the_recognisers_own_embedding_keep_the_component_that_sets_them() -> None:
    for setter in ("parser", "senter"):
        assert kept(blank(setter, ner_reading("NORM", "SHAPE"))) == ("ner",)
        assert kept(blank(setter, ner_reading("NORM", "SENT_START"))) == (setter, "ner")


def test_a_layer_of_unknown_origin_may_read_everything() -> None:
    def forward(model: Any, docs: Any, is_train: bool) -> Any:
        raise NotImplementedError

    nlp = blank("senter", "tagger", "ner")
    assert kept(nlp) == ("ner",)
    recogniser: Any = nlp.get_pipe("ner")
    recogniser.model.layers.append(Model("tests_own", forward))
    assert kept(nlp) == ("senter", "tagger", "ner")


def test_an_embedding_of_places_forbids_windows() -> None:
    assert depends_on_position(blank(ner_reading("NORM")), ["ner"]) is None
    why = depends_on_position(blank(ner_reading("NORM", "IDX")), ["ner"])
    assert why is not None and "'ner' reads where in its document a token stands (IDX)" in why
    nlp = blank("entity_ruler")
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "FIRST", "pattern": [{"IDX": 0}]}])
    assert depends_on_position(nlp, ["entity_ruler"]) is not None


def test_an_encoder_without_padding_forbids_batches_for_it_gives_other_vectors_in_them() -> None:
    name, config = ner_reading("NORM")
    config["model"]["tok2vec"]["encode"] = {
        "@architectures": "spacy.MishWindowEncoder.v2", "width": 8, "depth": 2, "window_size": 1,
    }  # fmt: skip
    differs = {}
    for nlp in (blank((name, config)), blank(ner_reading("NORM"))):
        nlp.get_pipe("ner").add_label("X")
        nlp.initialize()
        encoder = nlp.get_pipe("ner").model.get_ref("tok2vec").layers[0]
        docs = [nlp.make_doc(text) for text in ("Ada met Tim", "in London")]
        alone, together = [encoder.predict([doc])[0] for doc in docs], encoder.predict(docs)
        differs[nlp] = any(abs(one - other).max(initial=0) > 1e-3 for one, other in zip(alone, together, strict=True))
        assert (depends_on_batch(nlp, ["ner"]) is not None) == differs[nlp]
    assert list(differs.values()) == [True, False]


# Components of one's own


def test_a_factory_of_ones_own_that_makes_a_component_of_spacy_is_not_taken_for_it() -> None:
    @Language.factory("tests_own_ruler")
    def make(nlp: Language, name: str) -> Any:
        from spacy.pipeline import EntityRuler

        return EntityRuler(nlp, name)

    assert kept(blank("tests_own_ruler")) == ("tests_own_ruler",)


@pytest.mark.parametrize(
    ("requires", "before"),
    [
        (["doc.ents"], ()),
        (["token.pos"], ("morphologizer",)),
        (["token.children"], ("parser",)),
        (["doc.noun_chunks"], ("parser", "morphologizer")),
        (["doc.tensor"], ("tok2vec",)),
        (["token.nbor"], ("tok2vec", "parser", "morphologizer")),
        (["token._.tests_undefined"], ()),
        ([], ("tok2vec", "parser", "morphologizer")),
    ],
)
def test_a_component_of_ones_own_keeps_what_it_says_that_it_reads(requires: list[str], before: tuple[str, ...]) -> None:
    name = "tests_reads_" + "_".join(requires)
    Language.component(name.replace(".", "-"), func=shout, requires=requires, assigns=["doc.ents"])
    nlp = blank("tok2vec", "parser", "morphologizer", "ner", name.replace(".", "-"))
    assert kept(nlp)[:-2] == before


def test_entities_that_a_component_of_ones_own_reads_have_the_ids_that_a_linker_gave_them() -> None:
    Language.component("tests_reads_entities", func=shout, requires=["doc.ents"], assigns=["doc.ents"])
    assert kept(blank("ner", "entity_linker", "tests_reads_entities")) == (
        "ner",
        "entity_linker",
        "tests_reads_entities",
    )
    assert kept(blank("ner", "entity_linker", "merge_entities")) == ("ner", "merge_entities")


def test_what_undeclared_reading_costs_is_said_and_how_to_declare_it() -> None:
    nlp = blank("tagger", "morphologizer", "ner", "tests_shout")
    (note,) = note_decisions(nlp, select_components(nlp, "auto"))
    assert note.startswith("kept 'tagger', 'morphologizer', because 'tests_shout' does not say what it reads")
    assert "@Language.component(" in note


def test_an_extension_that_is_asked_for_keeps_what_makes_it() -> None:
    Language.component("tests_declares", func=shout, requires=["doc.ents"], assigns=["span._.tests_grade"])
    Language.component("tests_writes_tags", func=shout, requires=["token.text"], assigns=["token.tag"])
    Span.set_extension("tests_grade", default=None, force=True)
    nlp = blank("tests_writes_tags", "ner", "tests_declares")
    assert kept(nlp) == ("ner",)
    assert kept(nlp, attributes=("_.tests_grade",)) == ("ner", "tests_declares")
    Span.set_extension("tests_other", default=None, force=True)
    assert kept(nlp, attributes=("_.tests_other",)) == ("tests_writes_tags", "ner", "tests_declares")
    Span.set_extension("tests_getter", getter=lambda span: span.root.tag_, force=True)
    assert kept(blank("tagger", "parser", "ner"), attributes=("_.tests_getter",)) == ("tagger", "parser", "ner")


# What a run is asked for, and what is shown


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"attributes": ("kb_id",)}, r"'kb_id' needs a component that sets knowledge base ids, such as an 'entity_li"),
        ({"attributes": ("sentence",)}, r"'sentence' needs a component that sets sentence starts"),
        ({"spans": ("sc",)}, r"no component that runs writes span groups .*spans: \[\]"),
    ],
)
def test_what_no_component_makes_is_refused(asked: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        kept(blank("ner"), **asked)


def test_a_component_of_ones_own_that_writes_entities_may_give_them_ids() -> None:
    Language.component("tests_links", func=shout, requires=["doc.ents"], assigns=["doc.ents"])
    assert kept(blank("ner", "tests_links"), attributes=("kb_id",)) == ("ner", "tests_links")


def test_sentences_that_are_asked_for_keep_all_that_set_them() -> None:
    assert kept(blank("parser", "ner"), attributes=("sentence",)) == ("parser", "ner")


def test_a_pipeline_of_span_groups_alone_says_how_to_have_them() -> None:
    nlp = blank(("span_ruler", {"spans_key": "names"}))
    with pytest.raises(ModelError, match=r"output: \{spans: \[names\]\}"):
        kept(nlp)
    assert kept(nlp, spans=("names",)) == ("span_ruler",)


def test_what_is_left_out_is_said_in_one_line_with_what_the_check_found() -> None:
    decisions = (
        Decision("tagger", kept=False, reason="nothing reads it"),
        Decision("parser", kept=False, reason="sentence starts", on_purpose=True),
        Decision("lemmatizer", kept=False, reason="nothing reads it"),
        Decision("ner", kept=True, reason="writes entities"),
        Decision("senter", kept=False, reason="disabled in the pipeline"),
    )
    assert describe_left_out(decisions) == "tagger, lemmatizer (nothing reads them), parser (sentence starts)"
    checked = "2 of 200 sampled documents would differ"
    assert describe_left_out(decisions, checked).endswith(f"parser (sentence starts: {checked})")
    assert describe_left_out(decisions[3:]) == ""
    assert Selection(decisions).left_out == ("tagger", "parser", "lemmatizer", "senter")

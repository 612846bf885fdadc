"""What the fused engine leaves to stock spaCy, whole or in part, and says so."""

from __future__ import annotations

from typing import Any

import pytest
import spacy
from fused_reference import compare
from making import LABELS, make_texts, ner_model, randomise
from shardner.config import EngineChoice
from shardner.data.stopwatch import Stopwatch
from shardner.engine.fused import FusedEngine, examine, support
from shardner.engine.fused import engine as fused_engine
from shardner.engine.fused.arrays import Array, Module
from shardner.engine.fused.encoder import EncoderPlan, EncoderSource
from shardner.engine.fused.layers import UnsupportedError
from shardner.engine.fused.tokens import Tokens
from shardner.engine.fused.window_encoder import WindowEncoder, find_layers
from shardner.engine.products import Products
from shardner.engine.selection import select_engine
from spacy.language import Language
from spacy.pipeline import EntityRecognizer
from spacy.tokens import Doc
from thinc.api import Model

TEXTS = [*make_texts(25, seed=21), "", " "]


def pipeline(factory: str = "ner", *, before: tuple[str, ...] = (), **model: Any) -> Any:
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    for name in before:
        nlp.add_pipe(name)
    recogniser = nlp.add_pipe(factory, name="ner", config={"model": {**ner_model(width=32, depth=2), **model}})
    for label in LABELS:
        recogniser.add_label(label)
    nlp.initialize()
    for _, pipe in nlp.pipeline:
        if hasattr(pipe, "model"):
            randomise(pipe.model, 3)
    return nlp


class OwnRecogniser(EntityRecognizer):  # type: ignore[misc]
    pass


@Language.factory("tests_own_ner")
def make_own(nlp: Language, name: str, model: Model[Any, Any]) -> OwnRecogniser:
    return OwnRecogniser(nlp.vocab, model, name)


@Language.component("tests_preset")
def preset(doc: Doc) -> Doc:
    if len(doc) > 3:
        doc.set_ents([doc.char_span(doc[1].idx, doc[1].idx + len(doc[1]), label="GPE")])
    return doc


@spacy.registry.architectures("tests.OwnEncoder.v1")
def own_encoder(inner: Model[Any, Any]) -> Model[Any, Any]:
    def forward(model: Model[Any, Any], docs: Any, is_train: bool) -> Any:
        vectors, backprop = model.layers[0](docs, is_train)
        return [each * 0.5 for each in vectors], backprop

    scaled: Model[Any, Any] = Model("own", forward, layers=[inner], dims={"nO": inner.maybe_get_dim("nO")})
    scaled.init = lambda model, X=None, Y=None: model.layers[0].initialize(X, Y)
    return scaled


@pytest.mark.parametrize(
    ("nlp", "reason"),
    [
        (lambda: pipeline("beam_ner"), "beam search"),
        (lambda: pipeline("tests_own_ner"), "a recogniser of its own class, OwnRecogniser"),
        (lambda: pipeline(extra_state_tokens=True), "state"),
        (lambda: pipeline(before=("entity_ruler",)), "'entity_ruler' writes entities before the recogniser"),
        (lambda: spacy.blank("en"), "no transition-based recogniser"),
    ],
)
def test_what_is_not_covered_is_stock_spacys_and_the_reason_is_told(nlp: Any, reason: str) -> None:
    found = examine(nlp())
    assert not found.fused and reason in found.reason


def test_two_recognisers_are_not_covered() -> None:
    nlp = pipeline()
    second = nlp.add_pipe("ner", name="second")
    second.add_label("X")
    assert "more than one recogniser: 'ner', 'second'" in examine(nlp).reason


def test_a_release_of_spacy_that_is_not_known_is_not_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardner.engine.fused.support.SPACY_VERSIONS", ("2.",))
    assert select_engine(pipeline(), EngineChoice.AUTO, None).name == "spacy"
    assert "which this version does not know" in examine(pipeline()).reason


def test_entities_that_an_undeclared_component_presets_are_respected() -> None:
    nlp = pipeline(before=("tests_preset",))
    assert examine(nlp).fused  # nothing declares it; the documents tell
    compared = compare(nlp, TEXTS)
    assert compared.entities > 20 and not compared.wrong


def own_pipeline() -> Any:
    inner = ner_model(width=32, depth=2)["tok2vec"]
    return pipeline(tok2vec={"@architectures": "tests.OwnEncoder.v1", "inner": inner})


def test_an_unknown_encoder_keeps_spacys_own_forward_pass() -> None:
    nlp = own_pipeline()
    assert examine(nlp).reason.startswith("fused decoder, stock encoder: ")
    assert not examine(nlp).computes_all
    compared = compare(nlp, TEXTS)
    assert compared.entities > 20 and not compared.wrong


class HalvingEncoder:
    """Computes the vectors of `own_encoder`."""

    def __init__(self, inner: WindowEncoder) -> None:
        self.inner, self.spacy_layers = inner, inner.spacy_layers

    def encode(self, docs: Any, tokens: Tokens) -> Array:
        return self.inner.encode(docs, tokens) * 0.5


def plan_halving_encoder(source: EncoderSource) -> EncoderPlan:
    if len(source.layers) != 2 or source.layers[0].name != "own":
        raise UnsupportedError("not halved")
    layers = find_layers(source.layers[0].layers[0])

    def build(xp: Module, products: Products) -> HalvingEncoder:
        return HalvingEncoder(WindowEncoder(layers, source.nlp.vocab, xp, products))

    return EncoderPlan("halved", ("NORM", "PREFIX", "SUFFIX", "SHAPE"), layers.seen, needs_documents=False, build=build)


def test_another_encoder_is_one_more_entry_of_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "ENCODERS", (*support.ENCODERS, plan_halving_encoder))
    nlp = own_pipeline()
    found = examine(nlp)
    assert found.reason == "halved" and found.computes_all
    compared = compare(nlp, TEXTS)
    assert compared.entities > 20 and not compared.wrong
    assert examine(pipeline()).reason == "fused decoder and encoder: hash-embedding CNN"


def test_the_reason_says_why_no_encoder_of_ours_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "ENCODERS", (plan_halving_encoder, plan_halving_encoder))
    assert examine(pipeline()).reason == "fused decoder, stock encoder: not halved; not halved"


@pytest.mark.parametrize("attribute", ["SENT_START", "IDX"])
def test_an_encoder_that_reads_where_a_token_stands_is_given_no_remembered_chunks(attribute: str) -> None:
    embed = {
        "@architectures": "spacy.MultiHashEmbed.v2", "width": 32, "attrs": ["NORM", attribute], "rows": [100, 100],
        "include_static_vectors": False,
    }  # fmt: skip
    encode = {
        "@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 32, "depth": 2, "window_size": 1, "maxout_pieces": 2
    }  # fmt: skip
    nlp = pipeline(tok2vec={"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode})
    assert examine(nlp).reason == "fused decoder and encoder: hash-embedding CNN"
    assert not FusedEngine(nlp).finds_candidates
    compared = compare(nlp, [*TEXTS, *make_texts(60, seed=3)])
    assert compared.entities > 20 and not compared.wrong


def test_a_shared_encoder_that_others_read_keeps_spacys_own_forward_pass() -> None:
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": ner_model(width=32, depth=2)["tok2vec"]})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    tagger = nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
    tagger.add_label("N")
    recogniser = nlp.add_pipe("ner", config={"model": {**ner_model(width=32, depth=2), "tok2vec": listener}})
    for label in LABELS:
        recogniser.add_label(label)
    nlp.initialize()
    randomise(nlp.get_pipe("tok2vec").model, 1)
    randomise(recogniser.model, 2)
    assert examine(nlp).reason == "fused decoder, stock encoder: shared 'tok2vec'"
    compared = compare(nlp, TEXTS)
    assert compared.entities > 20 and not compared.wrong


def test_a_model_that_never_closes_its_entities_takes_linear_work(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = pipeline()
    recogniser = nlp.get_pipe("ner")
    upper = recogniser.model.get_ref("upper")
    bias = upper.get_param("b").copy()
    for number in range(recogniser.moves.n_moves):
        bias[number] += {"L": -1e6, "B": 1e3}.get(recogniser.moves.get_class_name(number)[0], 0)
    upper.set_param("b", bias)
    scored = []

    def counting(*arguments: Any, **named: Any) -> Any:
        spans = decode(*arguments, **named)
        scored.append(spans.scored)
        return spans

    decode = fused_engine.decode
    monkeypatch.setattr(fused_engine, "decode", counting)
    for tokens in (500, 1_000, 2_000, 4_000):
        text = "word " * tokens
        found = FusedEngine(nlp).annotate([text], Stopwatch())
        assert found.starts.tolist() == [0] and found.ends.tolist() == [len(text) - 1]
    assert all(0 < count <= 20 * tokens for count, tokens in zip(scored, (500, 1_000, 2_000, 4_000), strict=True))

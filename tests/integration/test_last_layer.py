"""A transformer that is asked for all layers gives the last one alone where nobody reads the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fused_reference import compare
from making import make_texts
from making_transformers import LISTENER, transformer_pipeline
from shardner.data.stopwatch import Stopwatch
from shardner.engine.extension_values import encode_value
from shardner.engine.fused import FusedEngine
from shardner.engine.last_layer import LastLayers, find_unread
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

pytest.importorskip(
    "spacy_curated_transformers", reason="needs the transformers extra: tools/setup.sh dev transformers"
)
pytestmark = pytest.mark.transformers

LAYERS = 3


def pipeline(**settings: Any) -> Any:
    return transformer_pipeline(2, layers=LAYERS, all_layers=True, **settings)


def layers_seen(nlp: Any, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> set[int]:
    """Return of how many layers documents have the vectors when the engine reads them."""
    transformer = nlp.get_pipe("transformer")
    inner, seen = transformer.set_annotations, set[int]()

    def set_annotations(docs: Any, output: Any) -> None:
        inner(docs, output)
        seen.update(doc._.trf_data.num_outputs for doc in docs)

    monkeypatch.setattr(transformer, "set_annotations", set_annotations)
    FusedEngine(nlp, **settings).annotate(make_texts(30, seed=1), Stopwatch())
    return seen


@pytest.mark.parametrize("settings", [{}, {"before": ["sentencizer"]}, {"tagged": True}], ids=str)
def test_only_the_last_layer_leaves_torch(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = pipeline(**settings)
    assert find_unread(nlp) == [nlp.get_pipe("transformer")]
    assert layers_seen(nlp, monkeypatch) == {1}
    compared = compare(nlp, make_texts(60, seed=2))
    assert compared.entities > 100 and not compared.wrong


def test_the_last_layer_is_the_same_to_the_bit() -> None:
    nlp = pipeline()
    transformer = nlp.get_pipe("transformer")
    docs = [nlp.make_doc(text) for text in make_texts(30, seed=3, longest=60)]
    every = transformer.predict(docs).all_outputs
    with LastLayers(find_unread(nlp)).lent():
        last = transformer.predict(docs).all_outputs
    for several, [one] in zip(every, last, strict=True):
        assert len(several) == LAYERS + 1
        np.testing.assert_array_equal(one.dataXd, several[-1].dataXd)
        np.testing.assert_array_equal(one.lengths, several[-1].lengths)


@pytest.mark.parametrize("fails", [False, True])
def test_the_pipeline_afterwards_gives_all_layers_again(fails: bool) -> None:
    nlp = pipeline()
    transformer = nlp.get_pipe("transformer")
    node = transformer.model.get_ref("transformer")
    state = transformer.all_layer_outputs, dict(node.attrs)
    if fails:
        with pytest.raises(KeyError), LastLayers(find_unread(nlp)).lent():
            transformer.predict([nlp.make_doc("Ada")])
            raise KeyError
    else:
        FusedEngine(nlp).annotate(make_texts(5, seed=1), Stopwatch())
    assert (transformer.all_layer_outputs, dict(node.attrs)) == state
    assert nlp("Ada Lovelace")._.trf_data.num_outputs == LAYERS + 1


@Language.component("reads_first_layer", requires=["doc.ents"], assigns=["doc.ents"])
def reads_first_layer(doc: Doc) -> Doc:
    """Drop entities according to the first layer."""
    doc.ents = [ent for ent in doc.ents if doc._.trf_data.all_outputs[0].dataXd[ent.start + 1, 0] > 0]
    return doc


def add_weighting_tagger(nlp: Any) -> None:
    weighting = {"@architectures": "spacy-curated-transformers.ScalarWeight.v1", "num_layers": LAYERS + 1}
    listener = {
        **LISTENER,
        "@architectures": "spacy-curated-transformers.ScalarWeightingListener.v1",
        "weighting": weighting,
    }
    tagger = nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
    tagger.add_label("N")
    doc = nlp.make_doc("Ada")
    tagger.initialize(lambda: iter([Example(doc, Doc(nlp.vocab, words=["Ada"], tags=["N"]))]), nlp=nlp)


def add_reading_component(nlp: Any) -> None:
    nlp.add_pipe("reads_first_layer")


def add_getter_in_patterns(nlp: Any) -> None:
    Doc.set_extension("is_odd", getter=lambda doc: doc._.trf_data.num_outputs == LAYERS + 1, force=True)
    from spacy.tokens import Token

    Token.set_extension("is_odd", getter=lambda token: token.doc._.is_odd, force=True)
    ruler = nlp.add_pipe("entity_ruler", config={"overwrite_ents": True})
    ruler.add_patterns([{"label": "ODD", "pattern": [{"_": {"is_odd": True}}]}])


@pytest.mark.parametrize("change", [add_reading_component, add_getter_in_patterns], ids=lambda each: each.__name__)
def test_a_component_that_may_read_them_has_all_layers(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = pipeline()
    without = [len(doc.ents) for doc in nlp.pipe(make_texts(60, seed=2))]
    change(nlp)
    assert find_unread(nlp) == []
    assert layers_seen(nlp, monkeypatch) == {LAYERS + 1}
    compared = compare(nlp, make_texts(60, seed=2))
    assert compared.entities > 0 and compared.entities != sum(without) and not compared.wrong


def test_a_listener_to_all_layers_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = pipeline()
    add_weighting_tagger(nlp)
    assert find_unread(nlp) == []
    assert layers_seen(nlp, monkeypatch) == {LAYERS + 1}


def test_an_extension_that_is_asked_for_may_read_all_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    Span.set_extension("layers", getter=lambda span: span.doc._.trf_data.num_outputs, force=True)
    nlp = pipeline()
    assert layers_seen(nlp, monkeypatch, attributes=["_.layers"]) == {LAYERS + 1}
    found = FusedEngine(nlp, attributes=["_.layers"]).annotate(make_texts(30, seed=1), Stopwatch())
    assert set(found.attributes["_.layers"]) == {encode_value("layers", LAYERS + 1)}


def test_a_transformer_that_gives_its_last_layer_is_left_alone() -> None:
    assert find_unread(transformer_pipeline(2)) == []

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import spacy
from making import make_pipeline, make_texts, ner_model, randomise
from shardner.engine.fused import embed, window_encoder
from shardner.engine.fused.layers import UnsupportedError, unchain
from shardner.engine.fused.tokens import Tokens, attribute_name, read_tokens
from shardner.engine.fused.window_encoder import WindowEncoder, find_layers
from shardner.engine.products import Products

TEXTS = ["", " ", "Ada", *make_texts(30, seed=7), "don't can't gonna", "word " * 3000]


@pytest.fixture(scope="module")
def nlp(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return spacy.load(make_pipeline(tmp_path_factory.mktemp("model") / "pipeline", before=()))


def encoder_of(nlp: Any) -> WindowEncoder:
    return WindowEncoder(
        find_layers(unchain(nlp.get_pipe("ner").model.get_ref("tok2vec"))[:-2]),
        nlp.vocab,
        np,
        Products(np, steady=False),
    )


def stock_vectors(nlp: Any, docs: list[Any]) -> Any:
    values = docs
    for layer in unchain(nlp.get_pipe("ner").model.get_ref("tok2vec"))[:-1]:
        values = layer.predict(values)
    return values


def tokens_of(nlp: Any, encoder: WindowEncoder, texts: list[str]) -> tuple[list[Any], Tokens]:
    docs = [nlp.make_doc(text) for text in texts]
    return docs, read_tokens(docs, encoder._embedding.attributes)


@pytest.mark.parametrize("block_rows", [1, 7, 768])
def test_vectors_are_those_of_stock_spacy_for_any_block(
    nlp: Any, monkeypatch: pytest.MonkeyPatch, block_rows: int
) -> None:
    monkeypatch.setattr(window_encoder, "CPU_BLOCK_ROWS", block_rows)
    encoder = encoder_of(nlp)
    docs, tokens = tokens_of(nlp, encoder, TEXTS if block_rows > 1 else TEXTS[:12])
    np.testing.assert_allclose(encoder.encode([], tokens), stock_vectors(nlp, docs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("depth", "window"), [(4, 1), (2, 2), (1, 3)])
@pytest.mark.parametrize("block_rows", [5, 16, 768])
def test_padding_that_no_token_sees_is_left_out_without_a_difference(
    monkeypatch: pytest.MonkeyPatch, depth: int, window: int, block_rows: int
) -> None:
    monkeypatch.setattr(window_encoder, "CPU_BLOCK_ROWS", block_rows)
    config = ner_model(width=32, depth=depth)
    config["tok2vec"]["window_size"] = window
    nlp = spacy.blank("en")
    nlp.add_pipe("ner", config={"model": config}).add_label("X")
    nlp.initialize()
    randomise(nlp.get_pipe("ner").model, seed=depth)
    encoder = encoder_of(nlp)
    docs, tokens = tokens_of(nlp, encoder, ["", "a", "a b", *make_texts(12, seed=3, longest=12), "", "x y z"])
    np.testing.assert_allclose(encoder.encode([], tokens), stock_vectors(nlp, docs), rtol=1e-4, atol=1e-4)


def test_vectors_stay_right_where_the_table_is_full(nlp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "TABLE_BYTES", 4 * 32 * 7 * 20)  # 20 rows of width 32 and three of 2 * 32
    encoder = encoder_of(nlp)
    long = " ".join(f"w{number}" for number in range(50))  # more than fit the table
    for text in ("Ada works at Analytical Engines", *TEXTS[3:], "London", long, *TEXTS[3:]):
        docs, tokens = tokens_of(nlp, encoder, [text])
        np.testing.assert_allclose(encoder.encode([], tokens), stock_vectors(nlp, docs), rtol=1e-4, atol=1e-4)
    assert len(encoder._embedding) < len(encoder._embedding.embedded) <= 20


def test_a_full_table_forgets_what_was_not_wanted_for_longest(nlp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "TABLE_BYTES", 4 * 32 * 7 * 9)  # eight tokens, and the padding
    encoder = encoder_of(nlp)
    computed = count_embedded(encoder, monkeypatch)
    for text in ("a b c d", "e f g h", "a b", "d", "e f", "i", "a b d e f g h", "c"):
        encoder.encode([], tokens_of(nlp, encoder, [text])[1])
    assert computed == [4, 4, 1, 1]  # when the ninth came, only the oldest went


def test_each_distinct_token_is_embedded_once(nlp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoder_of(nlp)
    computed = count_embedded(encoder, monkeypatch)
    for text in ("a b a b c", "c b a", "d a"):
        encoder.encode([], tokens_of(nlp, encoder, [text])[1])
    assert computed == [3, 1] and len(encoder._embedding) == 4


def count_embedded(encoder: WindowEncoder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that takes how many tokens are embedded at each time."""
    computed: list[int] = []
    plain = encoder._embedding._embed
    monkeypatch.setattr(
        encoder._embedding, "_embed", lambda lexemes: (computed.append(len(lexemes)), plain(lexemes))[1]
    )
    return computed


def test_a_norm_of_the_token_itself_counts(nlp: Any) -> None:
    encoder = encoder_of(nlp)
    docs = [nlp.make_doc("Ada works"), nlp.make_doc("Ada works")]
    docs[1][0].norm_ = "grace"
    vectors = encoder.encode([], read_tokens(docs, encoder._embedding.attributes))
    assert not np.allclose(vectors[0], vectors[2])
    np.testing.assert_allclose(vectors, stock_vectors(nlp, docs), rtol=1e-4, atol=1e-4)


def test_other_encoders_are_refused(nlp: Any) -> None:
    config = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {
            "@architectures": "spacy.CharacterEmbed.v2", "width": 8, "rows": 10, "nM": 4, "nC": 4,
            "include_static_vectors": False,
        },
        "encode": {"@architectures": "spacy.MishWindowEncoder.v2", "width": 8, "window_size": 1, "depth": 2},
    }  # fmt: skip
    model = spacy.registry.resolve({"model": config})["model"]
    with pytest.raises(UnsupportedError, match="unknown layer"):
        find_layers(model)
    with pytest.raises(UnsupportedError, match="unknown encoder"):
        find_layers(unchain(model)[0])


def test_a_model_whose_padding_is_not_what_it_sees_is_refused(nlp: Any) -> None:
    layers = unchain(nlp.get_pipe("ner").model.get_ref("tok2vec"))[:-2]
    layers[-1] = layers[-1].copy()
    layers[-1].attrs["pad"] = 0
    with pytest.raises(UnsupportedError, match="0 padding rows"):
        find_layers(layers)


@pytest.mark.parametrize("name", ["NORM", "PREFIX", "SPACY", "IDX", "LENGTH", "IS_ALPHA", "ENT_IOB"])
def test_attributes_have_one_name_by_name_or_number(name: str) -> None:
    from spacy.attrs import IDS

    assert attribute_name(IDS[name]) == attribute_name(name.lower()) == name

"""What tests of transformer pipelines make: tiny ones, with random weights, without a download."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy
from making import LABELS, randomise

#: Width of the transformer's vectors.
WIDTH = 32
#: The transformer reads so many pieces at once, a step of `STRIDE` apart: a longer document takes more than one span.
WINDOW, STRIDE = 24, 16
LISTENER = {
    "@architectures": "spacy-curated-transformers.LastTransformerLayerListener.v1",
    "width": WIDTH,
    "pooling": {"@layers": "reduce_mean.v1"},
    "upstream": "*",
}
#: A recogniser over a transformer, as ``spacy init config`` writes it: the hidden layer is the scores.
RECOGNISER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "use_upper": False,
    "nO": None,
    "tok2vec": LISTENER,
}


def transformer_pipeline(
    seed: int = 0,
    *,
    before: Sequence[str] = (),
    tagged: bool = False,
    layers: int = 2,
    width: int = WIDTH,
    network: str = "Bert",
    all_layers: bool = False,
) -> Any:
    """Return a pipeline with a shared transformer and a recogniser that finds many entities.

    Args:
        seed: of all weights.
        before: components that come before the recogniser.
        tagged: a tagger listens to the transformer, too.
        layers: of the transformer.
        width: of the transformer's vectors.
        network: ``"Bert"``, ``"Roberta"`` or ``"Albert"``.
        all_layers: the transformer gives the vectors of all its layers.
    """
    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("en")
    listener = {**LISTENER, "width": width}
    config = {"model": _architecture(network, layers, width), "all_layer_outputs": all_layers}
    transformer = nlp.add_pipe("curated_transformer", name="transformer", config=config)
    transformer.model.get_ref("piece_encoder").init = _give_letters
    for name in before:
        nlp.add_pipe(name)
    if tagged:
        tagger = nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
        tagger.add_label("N")
    recogniser = nlp.add_pipe("ner", config={"model": {**RECOGNISER, "tok2vec": listener}})
    for label in LABELS:
        recogniser.add_label(label)
    nlp.initialize()
    randomise(recogniser.model, seed)
    return nlp


def write_transformer_pipeline(directory: Path, seed: int = 0) -> Path:
    """Write such a pipeline, and return its directory."""
    nlp = transformer_pipeline(seed, before=["sentencizer"])
    nlp.meta["name"], nlp.meta["version"] = "tiny_trf", "1.2.3"
    nlp.to_disk(directory)
    return directory


def _architecture(network: str, layers: int, width: int) -> dict[str, Any]:
    return {
        "@architectures": f"spacy-curated-transformers.{network}Transformer.v1",
        "vocab_size": len(_pieces()),
        "hidden_width": width,
        "intermediate_width": 2 * width,
        "num_attention_heads": 4,
        "num_hidden_layers": layers,
        "max_position_embeddings": 128,
        "model_max_length": 128,
        "padding_idx": 0,
        "piece_encoder": {"@architectures": "spacy-curated-transformers.BertWordpieceEncoder.v1"},
        "with_spans": {
            "@architectures": "spacy-curated-transformers.WithStridedSpans.v1",
            "stride": STRIDE,
            "window": WINDOW,
        },
    }


def _pieces() -> list[str]:
    characters = string.ascii_letters + string.digits + string.punctuation
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters, *(f"##{character}" for character in characters)]


def _give_letters(model: Any, X: Any = None, Y: Any = None) -> Any:
    """Initialise a piece encoder: each letter is a piece."""
    from curated_tokenizers import WordPieceProcessor

    model.attrs["wordpiece_processor"] = WordPieceProcessor(_pieces())
    return model

"""The spans that a transformer reads on the CPU, packed: the pieces of all spans are the rows of one array.

What a layer does to a piece depends on no other piece, but for attention, which a piece pays to those of its own span.
So dense layers and norms compute rows, however long the spans are, and only attention is computed for each length of
span by itself. No row is padding, and the spans of a pack may differ in length as they like.

This is the forward pass of BERT and RoBERTa in curated-transformers 0.1 (`models/bert/layer.py`), with its own modules
for all that has weights. What is not known to be these is computed as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from shardner.engine.curated import LAYERS, NETWORKS, defined
from shardner.engine.fused.layers import Layer, runs

#: Computes spans: given the layer, the spans, and whether it is being trained.
Forward: TypeAlias = Callable[[Any, Sequence[Any], bool], tuple[Any, Callable[[Any], Any]]]

#: Pieces of a pack, at most, if it has more than one span. With twice or a quarter as many, each takes 3 to 5 % longer.
PACK_PIECES = 1_024

#: Where the functions that give a network its input and take its output are defined.
_CONVERSION = f"{LAYERS}.models.architectures"


class Run(NamedTuple):
    """Spans of the same length that follow one another in a pack."""

    numbers: list[int]  # of the spans
    begin: int  # first row
    length: int  # of each span

    @property
    def rows(self) -> slice:
        """Where the pieces of the spans are in the pack."""
        return slice(self.begin, self.begin + len(self.numbers) * self.length)


def in_packs(layer: Layer, otherwise: Forward) -> Forward:
    """Return what computes the spans of `layer`: in packs if its network is known, by `otherwise` if not."""
    network = find_network(layer)
    if network is None:
        return otherwise

    def compute(model: Any, spans: Sequence[Any], is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
        if is_train or not spans or not _are_plain(model, spans):
            return otherwise(model, spans, is_train)
        return _compute(model, network, spans)

    return compute


def find_network(layer: Layer) -> Any:
    """Return the network (a module of Torch) that a layer runs if spans can be packed for it, None otherwise."""
    if not runs(layer, "thinc.layers.pytorchwrapper") or layer.ops.xp is not np:
        return None
    convert_inputs, convert_outputs = layer.attrs["convert_inputs"], layer.attrs["convert_outputs"]
    if getattr(convert_inputs, "func", None) is not defined(_CONVERSION, "_convert_inputs"):
        return None
    if convert_outputs is not defined(_CONVERSION, "_convert_outputs"):
        return None
    network = layer.shims[0]._model
    return network if _is_known(network) else None


def _is_known(network: Any) -> bool:
    import torch  # type: ignore[import-not-found, unused-ignore]

    if not _does(network, "curated_transformer.CuratedTransformer"):
        return False
    encoder = network.curated_encoder
    if _does(encoder, "bert.encoder.BertEncoder"):
        embeddings = _does(encoder.embeddings, "bert.embeddings.BertEmbeddings")
    else:
        embeddings = _does(encoder, "roberta.encoder.RobertaEncoder") and _does(
            encoder.embeddings, "roberta.embeddings.RobertaEmbeddings"
        )
    kinds = {(weights.dtype, weights.device.type) for weights in network.parameters()}
    return embeddings and kinds == {(torch.float32, "cpu")} and all(map(_is_known_layer, encoder.layers))


def _is_known_layer(layer: Any) -> bool:
    return (
        _does(layer, "bert.layer.BertEncoderLayer")
        and _does(layer.mha, "bert.layer.BertSelfAttention")
        and _does(layer.mha.attention, "attention.ScaledDotProductAttention")
    )


def _does(module: Any, name: str) -> bool:
    """Tell whether a module of Torch does what a class of curated-transformers says, and nothing besides."""
    place, _, kind = name.rpartition(".")
    if type(module) is not defined(f"{NETWORKS}.models.{place}", kind):
        return False
    return not ("forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks)


def _are_plain(model: Any, spans: Sequence[Any]) -> bool:
    """Tell whether spans are neither too long nor have a piece that the network takes for padding."""
    known = model.attrs["convert_inputs"].keywords
    longest, padding = known["max_model_seq_len"], known["padding_idx"]
    return all(len(span) <= longest and not (span == padding).any() for span in spans)


def _compute(model: Any, network: Any, spans: Sequence[Any]) -> tuple[Any, Callable[[Any], Any]]:
    """Return what the layer does: the vectors of spans, and what would train it."""
    import torch  # type: ignore[import-not-found, unused-ignore]

    convert = model.attrs["convert_outputs"]
    found: list[Any] = [None] * len(spans)
    network.eval()  # as thinc's PyTorchShim.predict
    with torch.no_grad():
        for pack in make_packs([len(span) for span in spans]):
            pieces = np.concatenate([spans[number] for run in pack for number in run.numbers]).astype(np.int64)
            states = _encode(network.curated_encoder, torch.from_numpy(pieces), pack)
            layers = list(states) if model.attrs["_all_layer_outputs"] else [_last(states)]
            for run in pack:
                shape = (len(run.numbers), run.length, -1)
                rectangles = SimpleNamespace(all_outputs=[layer[run.rows].view(shape) for layer in layers])
                output, backprop = convert(model, ([spans[number] for number in run.numbers], rectangles), False)
                for number, vectors in zip(run.numbers, output.all_outputs, strict=True):
                    found[number] = vectors
    network.train()
    output.all_outputs = found
    return output, backprop


def make_packs(lengths: Sequence[int]) -> Iterator[list[Run]]:
    """Yield packs of spans, by length.

    Args:
        lengths: of the spans, in pieces.
    """
    pack: list[Run] = []
    pieces = 0
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[number]
        if pack and pieces + length > PACK_PIECES:
            yield pack
            pack, pieces = [], 0
        if not pack or pack[-1].length != length:
            pack.append(Run([], pieces, length))
        pack[-1].numbers.append(number)
        pieces += length
    if pack:
        yield pack


def _encode(encoder: Any, pieces: Any, pack: Sequence[Run]) -> Iterator[Any]:
    """Yield vectors (N, width) float32 of pieces (N,) int64: their embeddings, and what each layer makes of them."""
    import torch  # type: ignore[import-not-found, unused-ignore]

    positions = torch.cat([torch.arange(run.length).repeat(len(run.numbers)) for run in pack])
    if hasattr(encoder.embeddings, "inner"):  # RoBERTa counts from the place after padding's
        positions += encoder.embeddings.padding_idx + 1
    states = encoder.embeddings(pieces.unsqueeze(0), None, positions.unsqueeze(0)).squeeze(0)
    yield states
    for layer in encoder.layers:
        attended = layer.attn_output_dropout(layer.mha.output(_attend(layer.mha, states, pack)))
        states = layer.attn_output_layernorm(states + attended)
        states = layer.ffn_output_layernorm(states + layer.ffn_output_dropout(layer.ffn(states)))
        yield states


def _attend(mha: Any, states: Any, pack: Iterable[Run]) -> Any:
    """Return what the pieces (N, width) of spans take from one another, (N, width)."""
    import torch  # type: ignore[import-not-found, unused-ignore]

    attend = torch.nn.functional.scaled_dot_product_attention
    projected = mha.input(states)  # (N, 3 * width): queries, keys, values
    found = torch.empty_like(states)
    for run in pack:
        shape = (len(run.numbers), run.length, 3, mha.num_heads, mha.dims_per_head)
        queries, keys, values = projected[run.rows].view(shape).permute(2, 0, 3, 1, 4)  # (spans, heads, length, …)
        mixed = mha.attention.dropout(attend(queries, keys, values))
        found[run.rows].view(shape[0], shape[1], *shape[3:]).copy_(mixed.transpose(1, 2))
    return found


def _last(states: Iterable[Any]) -> Any:
    for last in states:  # noqa: B007 - those before are not kept
        pass
    return last

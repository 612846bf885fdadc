"""Whether a pipeline is one whose entities the fused engine gives, and how.

Whatever is not recognised is not supported: such a pipeline is the stock engine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shardner.engine.fused.embed import embedded_attributes
from shardner.engine.fused.encode import EncoderLayers, find_layers
from shardner.engine.fused.layers import Layer, UnsupportedError, runs, unchain
from shardner.engine.fused.moves import Moves, read_moves
from shardner.engine.fused.scorer import check_parser

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.pipeline import EntityRecognizer, Sentencizer

#: Releases of spaCy whose behaviour the engine reproduces.
SPACY_VERSIONS = ("3.7.", "3.8.")


@dataclass(frozen=True, slots=True)
class Support:
    """Whether the fused engine can annotate with a pipeline, and what of it would be fused, or why not."""

    fused: bool
    reason: str
    computes_all: bool = False  # all that takes time; if not, a model of the pipeline runs as spaCy has it


@dataclass(frozen=True, slots=True)
class Plan:
    """How a pipeline is run."""

    name: str  # of the recogniser
    recogniser: EntityRecognizer
    moves: Moves
    before: tuple[str, ...]  # components that spaCy runs first
    after: tuple[str, ...]  # components that spaCy runs on the recogniser's entities
    sentencizer: Sentencizer | None  # computed here, and not among those before
    layers: EncoderLayers | None  # the encoder, where it is computed here
    tokenizer_only: bool  # but for the tokenizer, nothing of spaCy is run
    may_come_annotated: bool  # a tokenizer or component before the recogniser could set entities or sentence starts
    reason: str


def examine(nlp: Language) -> Support:
    """Tell whether the fused engine can annotate with `nlp`, and why."""
    try:
        plan = make_plan(nlp)
        others = [nlp.get_pipe(name) for name in (*plan.before, *plan.after)]
        computes_all = plan.layers is not None and not any(hasattr(pipe, "model") for pipe in others)
        return Support(fused=True, reason=plan.reason, computes_all=computes_all)
    except UnsupportedError as reason:
        return Support(fused=False, reason=str(reason))
    except (AttributeError, IndexError, KeyError, ValueError) as error:  # a part that is looked for is not there
        return Support(fused=False, reason=f"a model of unknown structure ({type(error).__name__}: {error})")


def make_plan(nlp: Language) -> Plan:
    """Return how the fused engine runs `nlp`.

    Raises:
        UnsupportedError: it cannot.
    """
    _check_language(nlp)
    name, recogniser = _find_recogniser(nlp)
    model: Any = recogniser.model
    names = [recogniser.moves.get_class_name(number) for number in range(recogniser.moves.n_moves)]
    check_parser(model, len(names))
    position = nlp.pipe_names.index(name)
    before, after = nlp.pipe_names[:position], nlp.pipe_names[position + 1 :]
    _check_before(nlp, before)
    shared = next((each for each in before if name in getattr(nlp.get_pipe(each), "listening_components", ())), None)
    layers, reason = _find_encoder(nlp, model, shared)
    plain = type(nlp.tokenizer).__module__ == "spacy.tokenizer" and type(nlp.tokenizer).__name__ == "Tokenizer"
    sentencizer: Sentencizer | None = None
    if layers is not None and plain and not after and _only_needed_here(nlp, before, shared, layers):
        sentencizer = next((nlp.get_pipe(each) for each in before if each != shared), None)
        before = []
    elif layers is not None and shared is not None:  # other components read it too
        layers, reason = None, f"fused decoder, stock encoder: shared {shared!r}"
    return Plan(
        name=name,
        recogniser=recogniser,
        moves=read_moves(names, model.attrs["unseen_classes"]),
        before=tuple(before),
        after=tuple(after),
        sentencizer=sentencizer,
        layers=layers,
        tokenizer_only=plain and layers is not None and not before and not after,
        may_come_annotated=bool(before) or not plain,
        reason=reason,
    )


def _check_language(nlp: Language) -> None:
    from spacy.about import __version__
    from spacy.language import Language

    if not __version__.startswith(SPACY_VERSIONS):
        raise UnsupportedError(f"spaCy {__version__}, which this version does not know")
    for method in ("pipe", "__call__"):
        if getattr(type(nlp), method) is not getattr(Language, method):
            raise UnsupportedError(f"a language class, {type(nlp).__name__}, with a {method} of its own")


def _find_recogniser(nlp: Language) -> tuple[str, EntityRecognizer]:
    from spacy.pipeline import EntityRecognizer
    from spacy.pipeline._parser_internals.ner import BiluoPushDown  # type: ignore[import-not-found]

    found = [(name, pipe) for name, pipe in nlp.pipeline if isinstance(pipe, EntityRecognizer)]
    if len(found) != 1:
        names = ", ".join(repr(name) for name, _ in found)
        raise UnsupportedError(f"more than one recogniser: {names}" if found else "no transition-based recogniser")
    name, recogniser = found[0]
    if type(recogniser) is not EntityRecognizer or type(recogniser.moves) is not BiluoPushDown:
        raise UnsupportedError(f"a recogniser of its own class, {type(recogniser).__name__}")
    if recogniser.cfg["beam_width"] != 1:
        raise UnsupportedError(f"beam search (beam_width {recogniser.cfg['beam_width']})")
    return name, recogniser


def _check_before(nlp: Language, names: Sequence[str]) -> None:
    """Refuse components that preset entities; one that does not declare it is found out in the documents."""
    for name in names:
        assigns = nlp.get_pipe_meta(name).assigns
        if "doc.ents" in assigns or getattr(nlp.get_pipe(name), "annotate_ents", False):
            raise UnsupportedError(f"the component {name!r} writes entities before the recogniser")


def _find_encoder(nlp: Language, model: Layer, shared: str | None) -> tuple[EncoderLayers | None, str]:
    """Return the layers of the encoder that the recogniser reads, if they can be computed here, and the reason."""
    from spacy.pipeline import Tok2Vec

    own: list[Layer] = unchain(model.get_ref("tok2vec"))[:-2]
    if shared is not None:
        pipe: Any = nlp.get_pipe(shared)
        if type(pipe) is not Tok2Vec or len(own) != 1 or not runs(own[0], "spacy.pipeline.tok2vec"):
            return None, f"fused decoder, stock encoder: shared {shared!r}"
        own = [pipe.model]
    try:
        layers = find_layers(own)
    except UnsupportedError as reason:
        return None, f"fused decoder, stock encoder: {reason}"
    kind = "shared hash-embedding CNN" if shared is not None else "hash-embedding CNN"
    return layers, f"fused decoder and encoder: {kind}"


def _only_needed_here(nlp: Language, before: Sequence[str], shared: str | None, layers: EncoderLayers) -> bool:
    """Tell whether the components before are a shared encoder and a sentencizer at most, read by nothing else."""
    from spacy.pipeline import Sentencizer

    if "SENT_START" in embedded_attributes(layers.embedding, nlp.vocab):
        return False
    others = [nlp.get_pipe(name) for name in before if name != shared]
    return not others or (len(others) == 1 and type(others[0]) is Sentencizer)

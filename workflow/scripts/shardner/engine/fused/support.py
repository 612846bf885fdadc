"""Whether the fused engine gives the entities of a pipeline, and how.

A pipeline that is not recognised is not supported, and the stock engine annotates with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shardner.engine.fused.encoder import EncoderPlan, EncoderSource
from shardner.engine.fused.layers import Layer, UnsupportedError, unchain
from shardner.engine.fused.moves import Moves, read_moves
from shardner.engine.fused.scorer import check_parser
from shardner.engine.fused.spacy_encoder import plan_spacy_encoder
from shardner.engine.fused.window_encoder import plan_window_encoder

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.pipeline import EntityRecognizer, Sentencizer

#: Releases of spaCy whose behaviour the engine reproduces.
SPACY_VERSIONS = ("3.7.", "3.8.")

#: Encoders of our own, in the order in which they are asked. spaCy's own encoder does what none of them supports.
ENCODERS: tuple[Callable[[EncoderSource], EncoderPlan], ...] = (plan_window_encoder,)

#: Attributes that depend on where in its document a token stands.
PLACE_ATTRIBUTES = frozenset(("IDX", "SENT_START"))


@dataclass(frozen=True, slots=True)
class Plan:
    """How the fused engine runs a pipeline."""

    name: str  # of the recogniser
    recogniser: EntityRecognizer
    moves: Moves
    encoder: EncoderPlan
    before: tuple[str, ...]  # components that spaCy runs first
    after: tuple[str, ...]  # components that spaCy runs on the entities of the recogniser
    sentencizer: Sentencizer | None  # the engine does its work; it is not among those before
    tokenizer_only: bool  # no part of spaCy is run but the tokenizer, and a token is the same wherever it stands
    may_come_annotated: bool  # a tokenizer or a component before the recogniser may set entities or sentence starts

    @property
    def attributes(self) -> list[str]:
        """The attributes of tokens that the engine reads, by spaCy's names."""
        attributes = ["ORTH", "IS_SPACE", "LENGTH", *self.encoder.attributes]
        attributes += ["SENT_START", "ENT_IOB"] if self.may_come_annotated else []
        attributes += ["IS_PUNCT"] if self.sentencizer is not None else []
        return attributes


@dataclass(frozen=True, slots=True)
class Support:
    """Whether the fused engine can annotate with a pipeline."""

    reason: str  # what is fused, or why nothing is
    plan: Plan | None  # None if nothing is
    computes_all: bool = False  # no component of the pipeline runs a model of its own

    @property
    def fused(self) -> bool:
        """Whether the fused engine can annotate with the pipeline."""
        return self.plan is not None


def examine(nlp: Language) -> Support:
    """Tell whether the fused engine can annotate with `nlp`, and how."""
    try:
        plan = make_plan(nlp)
    except UnsupportedError as reason:
        return Support(str(reason), None)
    except (AttributeError, IndexError, KeyError, ValueError) as error:  # something expected is not there
        return Support(f"a model of unknown structure ({type(error).__name__}: {error})", None)
    others = [nlp.get_pipe(name) for name in (*plan.before, *plan.after)]
    computes_all = not plan.encoder.needs_documents and not any(hasattr(pipe, "model") for pipe in others)
    return Support(plan.encoder.reason, plan, computes_all)


def make_plan(nlp: Language) -> Plan:
    """Return how the fused engine runs `nlp`.

    Raises:
        UnsupportedError: it cannot run it. A model of another structure than expected may raise anything else.
    """
    _check_language(nlp)
    name, recogniser = find_recogniser(nlp)
    model: Any = recogniser.model
    names = [recogniser.moves.get_class_name(number) for number in range(recogniser.moves.n_moves)]
    check_parser(model, len(names))
    position = nlp.pipe_names.index(name)
    before, after = nlp.pipe_names[:position], nlp.pipe_names[position + 1 :]
    _check_before(nlp, before)
    shared = next((each for each in before if name in getattr(nlp.get_pipe(each), "listening_components", ())), None)
    others = [nlp.get_pipe(each) for each in before if each != shared]
    plain = type(nlp.tokenizer).__module__ == "spacy.tokenizer" and type(nlp.tokenizer).__name__ == "Tokenizer"
    replaceable = plain and not after and _are_sentencizer(others)
    layers: list[Layer] = unchain(model.get_ref("tok2vec"))[:-1]
    encoder = plan_encoder(EncoderSource(nlp, layers, shared, replaceable))
    sentencizer: Sentencizer | None = None
    if replaceable and not encoder.needs_documents and "SENT_START" not in encoder.attributes:
        sentencizer, before = next(iter(others), None), []
    return Plan(
        name=name,
        recogniser=recogniser,
        moves=read_moves(names, model.attrs["unseen_classes"]),
        encoder=encoder,
        before=tuple(before),
        after=tuple(after),
        sentencizer=sentencizer,
        tokenizer_only=plain
        and not (encoder.needs_documents or before or after)
        and PLACE_ATTRIBUTES.isdisjoint(encoder.attributes),
        may_come_annotated=bool(before) or not plain,
    )


def plan_encoder(source: EncoderSource) -> EncoderPlan:
    """Return the plan of the first encoder that supports the recogniser's vectors: at last, of spaCy's own."""
    refusals = []
    for plan in ENCODERS:
        try:
            return plan(source)
        except UnsupportedError as reason:
            refusals.append(str(reason))
    return plan_spacy_encoder(source, refusals)


def _check_language(nlp: Language) -> None:
    from spacy.about import __version__
    from spacy.language import Language

    if not __version__.startswith(SPACY_VERSIONS):
        raise UnsupportedError(f"spaCy {__version__}, which this version does not know")
    for method in ("pipe", "__call__"):
        if getattr(type(nlp), method) is not getattr(Language, method):
            raise UnsupportedError(f"a language class, {type(nlp).__name__}, with a {method} of its own")


def find_recogniser(nlp: Language) -> tuple[str, EntityRecognizer]:
    """Return the name and the component of the one recogniser of `nlp`.

    Raises:
        UnsupportedError: there is none or there are several, or it does not decode greedily as spaCy's own does.
    """
    from spacy.pipeline import EntityRecognizer
    from spacy.pipeline._parser_internals.ner import BiluoPushDown  # type: ignore[import-not-found]

    recognisers = [(name, pipe) for name, pipe in nlp.pipeline if isinstance(pipe, EntityRecognizer)]
    if len(recognisers) != 1:
        names = ", ".join(repr(name) for name, _ in recognisers)
        raise UnsupportedError(f"more than one recogniser: {names}" if names else "no transition-based recogniser")
    name, recogniser = recognisers[0]
    if type(recogniser) is not EntityRecognizer or type(recogniser.moves) is not BiluoPushDown:
        raise UnsupportedError(f"a recogniser of its own class, {type(recogniser).__name__}")
    if recogniser.cfg["beam_width"] != 1:
        raise UnsupportedError(f"beam search (beam_width {recogniser.cfg['beam_width']})")
    return name, recogniser


def _check_before(nlp: Language, names: Sequence[str]) -> None:
    """Refuse components that declare that they set entities. If one does not declare it, the documents show it."""
    for name in names:
        assigns = nlp.get_pipe_meta(name).assigns
        if "doc.ents" in assigns or getattr(nlp.get_pipe(name), "annotate_ents", False):
            raise UnsupportedError(f"the component {name!r} writes entities before the recogniser")


def _are_sentencizer(pipes: Sequence[Any]) -> bool:
    """Tell whether there is no component but at most one sentencizer, whose work the engine can do."""
    from spacy.pipeline import Sentencizer

    return not pipes or (len(pipes) == 1 and type(pipes[0]) is Sentencizer)

"""Which components of a pipeline a run needs: what decides about its results, what these read, and nothing else.

Chosen from the last component to the first: one is needed if it writes what the run is asked for, or if a needed one
after it reads what it writes (see `dependencies`), listens to its vectors, or sees the tokens that it changes. One
exception is made for speed, and said wherever results are shown: the sentence starts of a parser or senter. They forbid
entities across them, which changes an entity now and then, and they cost several times as much as the recogniser.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shardner.data.provenance import Decision
from shardner.errors import ModelError
from shardner.model.attributes import DEP, ENTITIES, KB_IDS, MORPH, POS, SENTENCES, SPANS, TAG, UNKNOWN, is_computed
from shardner.model.dependencies import Dependencies, find_dependencies

if TYPE_CHECKING:
    from spacy.language import Language

#: Components that set sentence starts by a network.
SENTENCE_SETTERS = ("parser", "beam_parser", "senter")
#: Why a component that the pipeline itself does not run is not run here either.
DISABLED = "disabled in the pipeline"
#: What is said of a component that may read everything.
UNDECLARED = "does not say what it reads"
#: What stands in a note before the line of YAML that keeps what was left out on purpose.
KEEPING = "to keep it, write:"
#: Components that read sentence starts for nothing but to keep entities from running across them.
RECOGNISERS = ("ner", "beam_ner")
#: What a token that is made of several takes from the one that heads them in the parse.
_OF_THE_HEAD = frozenset({TAG, POS, MORPH, DEP})


@dataclass(frozen=True, slots=True)
class Request:
    """What a run is asked for besides entities: names in ``output.attributes`` and ``output.spans``."""

    attributes: tuple[str, ...] = ()
    spans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """What was decided about each component, in the pipeline's order."""

    decisions: tuple[Decision, ...]

    @property
    def kept(self) -> tuple[str, ...]:
        """The components that run."""
        return tuple(each.name for each in self.decisions if each.kept)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The components that do not."""
        return tuple(each.name for each in self.decisions if not each.kept)


def select_components(nlp: Language, wanted: str | Sequence[str], request: Request | None = None) -> Selection:
    """Choose components of a loaded pipeline: ``"auto"``, ``"all"``, or names.

    Raises:
        ModelError: a name is unknown, nothing that is left can write entities or what `request` names, or nothing in
            the pipeline sets what `request` names.
    """
    request = request or Request()
    known = {name: find_dependencies(nlp, name) for name in nlp.pipe_names}
    disabled = [Decision(name, kept=False, reason=DISABLED) for name in nlp.disabled]
    if wanted == "all":
        decided = [Decision(name, kept=True, reason="model.components: all") for name in nlp.pipe_names]
    elif wanted == "auto":
        decided = _choose(nlp, known, request)
    else:
        decided, disabled = _take_named(nlp, wanted), []
    order = {name: place for place, name in enumerate(nlp.component_names)}
    selection = Selection(tuple(sorted([*decided, *disabled], key=lambda each: order[each.name])))
    if wanted != "all":
        _refuse_without_recogniser(nlp, known, selection, request)
    _refuse_unmade(nlp, known, selection, request)
    return selection


def _choose(nlp: Language, known: Mapping[str, Dependencies], request: Request) -> list[Decision]:
    """Decide from the last component to the first."""
    known = dict(known)
    chosen: list[Decision] = []
    for name in reversed(nlp.pipe_names):
        needed = [each.name for each in reversed(chosen) if each.kept]
        if known[name].merges and any(known[each].reads & _OF_THE_HEAD for each in needed):
            known[name] = replace(known[name], reads=known[name].reads | {DEP})
        chosen.append(_decide(name, needed, known, request))
    return chosen[::-1]


def _decide(name: str, needed: Sequence[str], known: Mapping[str, Dependencies], request: Request) -> Decision:
    """Decide about a component, given those after it that are needed."""
    own = known[name]
    if reason := _asked_for(own, request, known):
        return Decision(name, kept=True, reason=reason)
    if listeners := [each for each in needed if each in own.feeds]:
        return Decision(name, kept=True, reason=f"{_list(listeners)} reads its vectors")
    for reader in needed:
        read = known[reader].wants(own)
        if read == {SENTENCES} and _is_spared(own, known[reader]):
            continue
        if read:
            what = UNDECLARED if known[reader].reads_all else f"reads {', '.join(sorted(read))}"
            return Decision(name, kept=True, reason=f"{reader!r} {what}")
    if any(SENTENCES in known[reader].wants(own) for reader in needed):
        return Decision(name, kept=False, reason="sentence starts", on_purpose=True)
    return Decision(name, kept=False, reason="nothing reads it")


def _asked_for(own: Dependencies, request: Request, known: Mapping[str, Dependencies]) -> str | None:
    """Return why the run asks for what a component writes, None where it does not."""
    if own.writes_all:
        return "it does not say what it writes"
    if own.retokenizes:  # an entity covers whole tokens, so it can change with them
        return "it changes tokens"
    if ENTITIES in own.writes:
        return "writes entities"
    if "kb_id" in request.attributes and KB_IDS in own.writes:
        return "writes knowledge base ids (output.attributes)"
    if "sentence" in request.attributes and SENTENCES in own.writes:
        return "sets sentences (output.attributes)"
    if request.spans and SPANS in own.writes:
        return "writes span groups (output.spans)"
    for name in request.attributes:
        if name.startswith("_.") and (reason := _makes_extension(own, name, known)):
            return f"{reason} {name} (output.attributes)"
    return None


def _makes_extension(own: Dependencies, name: str, known: Mapping[str, Dependencies]) -> str | None:
    """Return how a component makes a custom extension of spans (``_.name``), None where it cannot."""
    names = {f"{kind}.{name}" for kind in ("span", "token", "doc")}
    if own.writes & names:
        return "writes"
    if is_computed(f"span.{name}"):
        return "may write what is read by"
    is_declared = any(each.writes & names for each in known.values())
    return "may write" if not own.factory and not is_declared else None


def _is_spared(own: Dependencies, reader: Dependencies) -> bool:
    """Tell whether `reader` can do without what a component writes: the one exception.

    Not where the recogniser's own embedding reads sentence starts: they are in every vector then.
    """
    if reader.reads_all or reader.embeds & {"SENT_START", UNKNOWN}:
        return False
    return own.factory in SENTENCE_SETTERS and reader.factory in RECOGNISERS


def _take_named(nlp: Language, wanted: Sequence[str]) -> list[Decision]:
    for name in wanted:
        if name not in nlp.component_names:
            near = difflib.get_close_matches(name, nlp.component_names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ModelError(
                f"model.components: the pipeline has no component {name!r}{hint} "
                f"(it has: {', '.join(nlp.component_names) or 'none'})"
            )
    return [
        Decision(name, kept=name in wanted, reason=f"{'' if name in wanted else 'not '}named in model.components")
        for name in nlp.component_names
    ]


def _refuse_without_recogniser(
    nlp: Language, known: Mapping[str, Dependencies], selection: Selection, request: Request
) -> None:
    """Raise unless something that runs can write entities, or the span groups that the run is asked for."""
    able = {name for name, each in known.items() if each.writes_all or ENTITIES in each.writes}
    able |= {name for name in nlp.disabled if "doc.ents" in nlp.get_pipe_meta(name).assigns}
    able |= {name for name, each in known.items() if request.spans and SPANS in each.writes}
    if able & set(selection.kept):
        return
    has = ", ".join(nlp.component_names) or "none"
    writers = [name for name in nlp.component_names if name in able]
    if writers:
        raise ModelError(
            f"model.components: none of {', '.join(sorted(selection.kept)) or 'the enabled components'} writes "
            f"entities; add {writers[0]!r} (the pipeline has: {has})"
        )
    groups = [name for name, each in known.items() if SPANS in each.writes]
    if groups:
        keys = ", ".join(filter(None, (_span_key(nlp, name) for name in groups))) or "sc"
        raise ModelError(
            f"model.name: the pipeline writes no entities, but span groups ({_list(groups)}); to have them in "
            f"spans.parquet, write:   output: {{spans: [{keys}]}}"
        )
    raise ModelError(
        f"model.name: the pipeline has no entity recogniser (its components: {has}); "
        f"name one that has a component such as 'ner' or 'entity_ruler'"
    )


def _refuse_unmade(nlp: Language, known: Mapping[str, Dependencies], selection: Selection, request: Request) -> None:
    """Raise where the run is asked for something that no component that runs could have set."""
    running = [known[name] for name in selection.kept if name in known]
    wanted = {"kb_id": (KB_IDS, "an 'entity_linker'"), "sentence": (SENTENCES, "a 'sentencizer'")}
    for attribute, (written, component) in wanted.items():
        if attribute in request.attributes and not any(each.writes_all or written in each.writes for each in running):
            raise ModelError(
                f"output.attributes: {attribute!r} needs a component that sets {written}, such as {component}, and "
                f"none that runs does (the pipeline has: {', '.join(nlp.component_names) or 'none'}); "
                f"add one to the pipeline, or take {attribute!r} out of output.attributes"
            )
    if request.spans and not any(each.writes_all or SPANS in each.writes for each in running):
        raise ModelError(
            f"output.spans: no component that runs writes span groups (the pipeline has: "
            f"{', '.join(nlp.component_names) or 'none'}; one of your own says that it does by "
            f'assigns=["doc.spans"]); write:   output: {{spans: []}}'
        )


def _span_key(nlp: Language, name: str) -> str | None:
    component = nlp.get_pipe(name)
    key = getattr(component, "key", None)
    return str(key) if isinstance(key, str) else None


def describe_left_out(decisions: Iterable[Decision], checked: str | None = None) -> str:
    """Return what is left out and why in a line, components of one reason together; nothing where all run.

    Args:
        decisions: about each component.
        checked: what the check of the whole pipeline found, said of what is left out though the recogniser reads it.
    """
    by_reason: dict[str, list[str]] = {}
    for each in decisions:
        if not each.kept and each.reason != DISABLED:
            reason = f"{each.reason}: {checked}" if each.on_purpose and checked else each.reason
            by_reason.setdefault(reason, []).append(each.name)
    return ", ".join(
        f"{', '.join(names)} ({reason.replace('reads it', 'reads them') if len(names) > 1 else reason})"
        for reason, names in by_reason.items()
    )


def note_decisions(nlp: Language, selection: Selection) -> tuple[str, ...]:
    """Return what a user should know of a selection: what is left out on purpose, and what declares too little."""
    notes = []
    for each in selection.decisions:
        if each.on_purpose:
            feeders = [name for name, pipe in nlp.pipeline if each.name in getattr(pipe, "listening_components", ())]
            line = with_kept(nlp.component_names, selection.kept, each.name, feeders)
            notes.append(
                f"left out {each.name!r}: the sentence starts that it sets forbid entities across them, so an entity "
                f"could differ from the whole pipeline's; {KEEPING}   {line}"
            )
    if any(each.reason.endswith(UNDECLARED) for each in selection.decisions):
        notes.append(_note_undeclared(nlp, selection))
    return tuple(notes)


def _note_undeclared(nlp: Language, selection: Selection) -> str:
    """Return what components that do not say what they read cost, and how they could say it."""
    known = {name: find_dependencies(nlp, name) for name in nlp.pipe_names}
    readers = [name for name in selection.kept if name in known and known[name].reads_all]
    declared = {name: replace(own, reads_all=False, reads=own.reads | {ENTITIES}) for name, own in known.items()}
    without = [each.name for each in _choose(nlp, declared, Request()) if not each.kept]
    held = [name for name in selection.kept if name in without]
    says = UNDECLARED if len(readers) == 1 else "do not say what they read"
    return (
        f"kept {_list(held) or 'all that stands before'}, because {_list(readers)} {says}; the run is faster where the "
        f'code says so, such as:   @Language.component("…", requires=["doc.ents"], assigns=["doc.ents"])'
    )


def with_kept(nlp_order: Sequence[str], kept: Iterable[str], name: str, feeders: Iterable[str] = ()) -> str:
    """Return the line of YAML that keeps `name` (and what it listens to) beside what is kept."""
    chosen = {*kept, name, *feeders}
    return f"model: {{components: [{', '.join(each for each in nlp_order if each in chosen)}]}}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))

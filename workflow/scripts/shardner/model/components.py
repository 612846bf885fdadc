"""Which components of a pipeline a run needs: what decides about entities, and nothing else."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shardner.errors import ModelError

if TYPE_CHECKING:
    from spacy.language import Language

#: Components that set sentence starts; a recogniser behind one never lets an entity run across such a start.
SENTENCE_SETTERS = ("parser", "senter")


@dataclass(frozen=True, slots=True)
class Selection:
    """The components that run, those that do not, and what the user should know about it."""

    kept: tuple[str, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def select_components(nlp: Language, wanted: str | Sequence[str]) -> Selection:
    """Choose components of a loaded pipeline: ``"auto"``, ``"all"``, or names.

    Raises:
        ModelError: a name is unknown, or nothing that is left writes entities.
    """
    if wanted == "all":
        kept = set(nlp.pipe_names)
    elif wanted == "auto":
        kept = _needed(nlp)
    else:
        kept = _named(nlp, wanted)
    names = nlp.component_names
    if not any(_writes_entities(nlp, name) for name in names if name in kept):
        raise ModelError(_no_recogniser(nlp, kept))
    left_out = tuple(name for name in names if name not in kept)
    return Selection(tuple(name for name in names if name in kept), left_out, _notes(nlp, kept, wanted))


def _needed(nlp: Language) -> set[str]:
    kept = {name for name in nlp.pipe_names if _writes_entities(nlp, name) or _is_opaque(nlp, name)}
    last = max((i for i, name in enumerate(nlp.pipe_names) if _writes_entities(nlp, name)), default=0)
    kept |= {name for name in nlp.pipe_names[:last] if _factory(nlp, name) == "sentencizer"}
    for name, component in nlp.pipeline:
        # a shared tok2vec or transformer knows which components listen to it
        if kept & set(getattr(component, "listening_components", ())):
            kept.add(name)
    return kept


def _named(nlp: Language, wanted: Sequence[str]) -> set[str]:
    for name in wanted:
        if name not in nlp.component_names:
            near = difflib.get_close_matches(name, nlp.component_names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ModelError(
                f"model.components: the pipeline has no component {name!r}{hint} "
                f"(it has: {', '.join(nlp.component_names) or 'none'})"
            )
    return set(wanted)


def _factory(nlp: Language, name: str) -> str:
    return str(nlp.get_pipe_meta(name).factory)


def _writes_entities(nlp: Language, name: str) -> bool:
    if "doc.ents" in nlp.get_pipe_meta(name).assigns:
        return True
    component: Any = nlp.get_pipe(name) if name in nlp.pipe_names else None
    return bool(getattr(component, "annotate_ents", False))  # a span ruler told to write entities


def _is_opaque(nlp: Language, name: str) -> bool:
    """Tell whether a component is not spaCy's own and does not declare what it assigns."""
    component: Any = nlp.get_pipe(name)
    module = getattr(component, "__module__", None) or type(component).__module__
    ours = module.split(".")[0] in {"spacy", "spacy_transformers", "spacy_curated_transformers"}
    return not ours and not nlp.get_pipe_meta(name).assigns


def _notes(nlp: Language, kept: set[str], wanted: str | Sequence[str]) -> tuple[str, ...]:
    notes = []
    writers = [i for i, name in enumerate(nlp.pipe_names) if name in kept and _writes_entities(nlp, name)]
    for i, name in enumerate(nlp.pipe_names):
        before = i < max(writers, default=0)
        keeps = f"to keep it, write:   model: {{components: [{', '.join(_with(nlp, kept, name))}]}}"
        if name in kept:
            if wanted == "auto" and _is_opaque(nlp, name):
                notes.append(f"kept {name!r}: a custom component that does not declare what it assigns")
        elif before and _factory(nlp, name) in SENTENCE_SETTERS:
            notes.append(
                f"left out {name!r}, which stands before the recogniser: the sentence starts that it sets forbid "
                f"entities across them, so an entity could differ from the full pipeline's; {keeps}"
            )
        elif before and nlp.get_pipe_meta(name).retokenizes:
            notes.append(f"left out {name!r}, which changes the tokens that the recogniser sees; {keeps}")
    return tuple(notes)


def _with(nlp: Language, kept: set[str], name: str) -> list[str]:
    """Return the kept names and `name` with what it listens to, in pipeline order."""
    chosen = kept | {name}
    chosen |= {other for other, component in nlp.pipeline if name in getattr(component, "listening_components", ())}
    return [each for each in nlp.component_names if each in chosen]


def _no_recogniser(nlp: Language, kept: set[str]) -> str:
    writers = [name for name in nlp.component_names if _writes_entities(nlp, name)]
    has = ", ".join(nlp.component_names) or "none"
    if writers:
        return (
            f"model.components: none of {', '.join(sorted(kept)) or 'the enabled components'} writes entities; "
            f"add {writers[0]!r} (the pipeline has: {has})"
        )
    return (
        f"model.name: the pipeline has no entity recogniser (its components: {has}); "
        f"name one that has a component such as 'ner' or 'entity_ruler'"
    )

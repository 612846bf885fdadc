"""What a run is asked for besides entities, read from annotated documents: attributes of entities, and span groups.

Everything is read into columns, with one value per entity or span.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from shardner.engine.annotations import Attributes, Int64s, Places, TextEntities
from shardner.engine.extension_values import PREFIX, encode_value
from shardner.errors import AnnotateError

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span, SpanGroup

SENTENCE = "sentence"
#: Attributes that are texts of a span; an empty text becomes null.
TEXTS = {"ent_id": attrgetter("ent_id_"), "kb_id": attrgetter("kb_id_")}
#: Attributes of a span of a group: the key of the group, and the score that a span categorizer gave, or null.
GROUP, SPAN_SCORE = "group", "score"


class Reader:
    """Reads what a run is asked for from annotated documents. Attributes that others compute are left alone."""

    def __init__(self, attributes: Sequence[str] = (), spans: Sequence[str] = ()) -> None:
        """Take the settings ``output.attributes`` and ``output.spans``."""
        self.sentence = SENTENCE in attributes
        self._texts = [name for name in attributes if name in TEXTS]
        self._extensions = [name for name in attributes if name.startswith(PREFIX)]
        self._groups = tuple(spans)

    @property
    def needs_documents(self) -> bool:
        """Whether something is asked for that only documents with entities have."""
        return bool(self._extensions or self._groups)

    def read(self, doc: Doc, *, places: bool = False) -> TextEntities:
        """Return the entities of an annotated document, with what was asked for. `places` asks for `Places` too.

        Raises:
            AnnotateError: an extension does not exist, or a value of it cannot be written as JSON.
        """
        entities = doc.ents
        starts = _find_sentence_starts(doc) if self.sentence or places else None
        return TextEntities(
            tokens=len(doc),
            starts=[entity.start_char for entity in entities],
            ends=[entity.end_char for entity in entities],
            labels=[entity.label_ for entity in entities],
            attributes=self._read_attributes(entities, starts),
            spans=self._read_groups(doc.spans) if self._groups else None,
            places=_read_places(doc, starts) if places and starts is not None else None,
        )

    def _read_attributes(self, entities: Sequence[Span], sentence_starts: Int64s | None) -> Attributes:
        columns: dict[str, Any] = {name: [TEXTS[name](entity) or None for entity in entities] for name in self._texts}
        if self.sentence and sentence_starts is not None:
            first = np.array([entity.start for entity in entities], dtype=np.int64)
            columns[SENTENCE] = np.searchsorted(sentence_starts, first, side="right").astype(np.int64)
        for name in self._extensions:
            key = _find_extension(name)
            columns[name] = [encode_value(name, entity._.get(key)) for entity in entities]
        return columns

    def _read_groups(self, groups: Mapping[str, SpanGroup]) -> TextEntities:
        """Return the spans of the groups asked for, by group (in the order of the setting), start and end."""
        rows: list[tuple[str, int, int, str, float | None]] = []
        for key in self._groups:
            if key in groups:
                scores = _read_scores(groups[key])
                spans = zip(groups[key], scores, strict=True)
                found = [(key, each.start_char, each.end_char, each.label_, score) for each, score in spans]
                rows += sorted(found, key=itemgetter(1, 2))
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(5)]
        keys, starts, ends, labels, scores = columns
        return TextEntities(0, starts, ends, labels, {GROUP: keys, SPAN_SCORE: scores})


def _find_sentence_starts(doc: Doc) -> Int64s:
    """Return the numbers of the tokens that start a sentence, but for the first token of the document."""
    starts: Int64s = np.flatnonzero(doc.to_array("SENT_START")[1:] == 1) + 1
    return starts


def _read_places(doc: Doc, sentence_starts: Int64s) -> Places:
    tokens = doc.to_array("IDX").astype(np.int64)
    return Places(tokens, tokens[sentence_starts])


def _find_extension(name: str) -> str:
    """Return the name of an extension of spans as spaCy knows it.

    Raises:
        AnnotateError: there is none.
    """
    from spacy.tokens import Span
    from spacy.tokens.underscore import Underscore  # type: ignore[import-not-found, unused-ignore]

    key = name.removeprefix(PREFIX)
    if not Span.has_extension(key):
        known = ", ".join(sorted(PREFIX + each for each in Underscore.span_extensions)) or "none"
        raise AnnotateError(
            f"output.attributes: there is no extension of spans {name!r} (there are: {known}); register it in the "
            f"pipeline's code with Span.set_extension({key!r}, …), or take it out of output.attributes"
        )
    return key


def _read_scores(group: SpanGroup) -> list[float | None]:
    """Return the scores that a span categorizer gave to the spans of a group; None for each where it gave none."""
    given = group.attrs.get("scores")
    if given is None or len(given) != len(group):
        return [None] * len(group)
    return [float(score) for score in given]

"""Generate documents with known entities from templates and names."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from shardner.demo.cast import FRESH, Cast, Person, Thing, draw_cast
from shardner.demo.lexicon import Purpose, Vocabulary
from shardner.demo.templates import FILLERS, TEMPLATES, Domain

Entity = tuple[int, int, str]

_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+?)(\d?)(?:\.(\w+))?\}")

#: Every fifth template of a list is not used in training.
_HELD_OUT = 5


@dataclass(frozen=True, slots=True)
class GoldDocument:
    """A text and its entities.

    Attributes:
        text: the text.
        entities: start, end and label of each entity, in order; offsets are code points, half-open.
    """

    text: str
    entities: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class _SectionShape:
    """What a section of a domain looks like; a pair is the least and the most; a share is a probability."""

    paragraphs: tuple[int, int]
    sentences: tuple[int, int]
    heading_share: float = 0.0
    line_share: float = 0.0  # of paragraphs that are one of the domain's `lines`
    ends_with_line: bool = False
    upper_share: float = 0.0
    lower_share: float = 0.0
    introduces: bool = False  # whether a person or a firm has its full name at its first mention
    chat_share: float = 0.0  # of texts that are a conversation of several people


_SHAPES: dict[Domain, _SectionShape] = {
    Domain.NEWS: _SectionShape((2, 6), (1, 4), heading_share=0.6, ends_with_line=True, introduces=True),
    Domain.FILING: _SectionShape((1, 5), (2, 5), heading_share=0.5, line_share=0.05, introduces=True),
    Domain.TRANSACTION: _SectionShape((1, 1), (1, 1), upper_share=0.45),
    Domain.NOVEL: _SectionShape((3, 16), (1, 6), heading_share=0.3, line_share=0.4),
    Domain.MESSAGE: _SectionShape((1, 1), (1, 3), lower_share=0.1, chat_share=0.06),
}


@dataclass(slots=True)
class _Writer:
    """A text that is being written, and the entities in it."""

    transform: Callable[[str], str] = str
    parts: list[str] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)
    length: int = 0
    named: set[Person | Thing] = field(default_factory=set)

    def add(self, text: str, label: str | None = None) -> None:
        # After "Inc." at the end of a sentence, there is no second full stop.
        if text.startswith(".") and self.parts and self.parts[-1].endswith("."):
            text = text[1:]
        if not text:
            return
        text = self.transform(text)
        if label:
            self.entities.append((self.length, self.length + len(text), label))
        self.parts.append(text)
        self.length += len(text)

    def document(self) -> GoldDocument:
        return GoldDocument("".join(self.parts), tuple(self.entities))


class _Decks:
    """Templates, dealt like cards: none comes a second time before all have come once."""

    def __init__(self, rng: random.Random, purpose: Purpose) -> None:
        self._rng = rng
        self._purpose = purpose
        self._decks: dict[tuple[str, ...], list[str]] = {}

    def deal(self, templates: tuple[str, ...]) -> str:
        deck = self._decks.setdefault(templates, [])
        if not deck:
            held_out = _HELD_OUT if self._purpose is Purpose.TRAINING else len(templates) + 1
            deck.extend(text for number, text in enumerate(templates, start=1) if number % held_out)
            self._rng.shuffle(deck)
        return deck.pop()


def generate_document(rng: random.Random, domain: Domain, words: Vocabulary, *, min_chars: int = 0) -> GoldDocument:
    """Return a document of `domain`: one section, or as many sections as are needed to reach `min_chars`."""
    shape = _SHAPES[domain]
    shouting, mumbling = rng.random() < shape.upper_share, rng.random() < shape.lower_share
    writer = _Writer(str.upper if shouting else str.lower if mumbling else str)
    decks = _Decks(rng, words.purpose)
    cast = draw_cast(rng, words, size=9 if min_chars else 3)
    chat = shape.chat_share > 0 and (min_chars > 0 or rng.random() < shape.chat_share)
    while not writer.length or writer.length < min_chars:
        writer.add("\n\n" if writer.length and not chat else "")
        if chat:
            _write_chat(writer, rng, domain, decks, cast)
        else:
            _write_section(writer, rng, domain, decks, cast, long=min_chars > 0)
        cast = cast.shuffled(rng)
    return writer.document()


def render(template: str, rng: random.Random, words: Vocabulary) -> GoldDocument:
    """Return one template with its slots filled."""
    writer = _Writer()
    _render(writer, template, rng, draw_cast(rng, words))
    return writer.document()


def _write_section(
    writer: _Writer, rng: random.Random, domain: Domain, decks: _Decks, cast: Cast, *, long: bool
) -> None:
    templates, shape = TEMPLATES[domain], _SHAPES[domain]
    paragraphs: list[list[str]] = []
    if templates.headings and (long or rng.random() < shape.heading_share):
        paragraphs.append([decks.deal(templates.headings)])
    first = [decks.deal(templates.openings)] if templates.openings else []
    for _ in range(rng.randint(*shape.paragraphs)):
        if not first and rng.random() < shape.line_share:
            paragraphs.append([decks.deal(templates.lines)])
            continue
        paragraphs.append(first + [decks.deal(templates.sentences) for _ in range(rng.randint(*shape.sentences))])
        first = []
    if shape.ends_with_line:
        paragraphs.append([decks.deal(templates.lines)])
    for number, paragraph in enumerate(paragraphs):
        writer.add("\n\n" if number else "")
        for position, template in enumerate(paragraph):
            writer.add(_gap(writer) if position else "")
            formal = shape.introduces and template not in templates.headings
            _render(writer, template, rng, cast, introduce=formal)


def _write_chat(writer: _Writer, rng: random.Random, domain: Domain, decks: _Decks, cast: Cast) -> None:
    for _ in range(rng.randint(3, 8)):
        writer.add("\n" if writer.length else "")
        _render(writer, "{p1.first}: ", rng, cast)
        # People do not speak about themselves.
        cast = cast.shuffled(rng)
        _render(writer, decks.deal(TEMPLATES[domain].sentences), rng, cast)


def _gap(writer: _Writer) -> str:
    """Return what comes between two sentences; a sentence of a message may lack its full stop."""
    return ". " if writer.parts[-1][-1].isalnum() else " "


def _render(writer: _Writer, template: str, rng: random.Random, cast: Cast, *, introduce: bool = False) -> None:
    chosen = _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), template)
    end = 0
    for match in _SLOT.finditer(chosen):
        writer.add(chosen[end : match.start()])
        kind, number, form = match.groups()
        if number:
            member = cast.member(kind, int(number))
            new = introduce and form in ("last", "short") and member not in writer.named
            writer.named |= {member} if introduce else set()
            writer.add(*member.form("full" if new else form or "full"))
        else:
            writer.add(*_draw(kind, rng))
        end = match.end()
    writer.add(chosen[end:])


def _draw(kind: str, rng: random.Random) -> tuple[str, str | None]:
    if kind in FILLERS:
        return rng.choice(FILLERS[kind]), None
    draw, label = FRESH[kind]
    return draw(rng), label

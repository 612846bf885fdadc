"""The tokens of texts, from their chunks: what stands between two spaces is tokenized once, and its tokens remembered.

spaCy's tokenizer (``_tokenize_affixes`` of ``spacy/tokenizer.pyx``) takes a text apart at whitespace, and then each
chunk by itself. A single space belongs to the token before it; of a longer run of whitespace the rest, and of any other
whitespace all, is a token. So a chunk has the same tokens wherever it stands, but for what `rules` says, and a text's
tokens are those of its chunks in a row. spaCy remembers chunks, too, but makes a document of each text, token by token,
and looks through it for words with rules. Here a text becomes a list of chunks, a look-up makes them numbers, and
arrays do the rest; spaCy's tokenizer is given the chunks that were not met before.

Chunks that a rule could see across are taken together, as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from shardner.engine.fused.affixes import leaves_letters_alone, spare_search
from shardner.engine.fused.arrays import Bools, HostInts, Keys, count_up
from shardner.engine.fused.rules import ENTERS, HOLDS, LEAVES, Rules
from shardner.engine.fused.tokens import Tokens

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from shardner.engine.tokenization import Zone

Number = TypeVar("Number", bound=np.generic)

#: Chunks remembered, and their tokens. Full, it keeps the chunks that came last, half of them at most.
CHUNKS, CHUNK_TOKENS = 60_000, 120_000
#: Words that the vocabulary may learn for good: fewer than elsewhere, for most of what comes again is remembered here.
LEXEMES = 15_000
#: Characters of a chunk that is kept then; longer ones hardly come again.
KEPT_CHARS = 64
#: Chunks tokenized at once.
NEW_AT_ONCE = 4_000

#: Whitespace other than a single space between two chunks.
_UNEVEN = re.compile(r"(\s{2,}|[^\S ]|\s\Z)")
#: Stands between chunks that are tokenized as one text: a token by itself, which no rule's run holds.
_SEPARATOR = "\n"


class UnreadableError(ValueError):
    """A tokenizer's tokens do not add up to its text."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Texts taken apart. A chunk holds no whitespace, or nothing else."""

    chunks: list[str]  # n
    spaced: Bools  # (n,) whether a space follows that belongs to the chunk's last token
    ends: HostInts  # (texts,) number of the chunk behind the last of each text


class Chunks:
    """Reads texts as a pipeline's tokenizer does, and remembers the tokens of chunks."""

    def __init__(self, nlp: Language, attributes: Sequence[str], rules: Rules, zone: Zone) -> None:
        """Remember nothing yet.

        Args:
            nlp: its tokenizer is spaCy's own, and its rules are `rules`.
            attributes: of tokens that are wanted, by spaCy's names; the place in the text is none of them.
            rules: of the tokenizer.
            zone: where the vocabulary's new words live.
        """
        from spacy.attrs import IDS  # type: ignore[import-not-found]

        self._vocab, self._rules, self._zone = nlp.vocab, rules, zone
        self._tokenize = spare_search(nlp.tokenizer)
        self._words_are_tokens = leaves_letters_alone(nlp.tokenizer)
        names = [*dict.fromkeys([*attributes, "ORTH", "LENGTH", "SPACY"])]
        self._columns = {name: column for column, name in enumerate(names)}
        self._read = [IDS[name] for name in (*names, "IDX")]
        self._start()
        self._reads = 0
        self._tokenize(_SEPARATOR)  # so that the vocabulary has it for good

    def _start(self) -> None:
        """Start with nothing. NumPy's zeros take no memory before they are written to."""
        self._numbers = _Numbers()
        # by chunk: its first token's number, how many it has, what `Rules.examine` found, and when it was last wanted
        self._chunks: HostInts = np.zeros((2 * CHUNKS, 4), dtype=np.int64)
        # by token of a chunk: its type where no space follows, and where one does
        self._types: Keys = np.zeros((2 * CHUNK_TOKENS, 2, len(self._columns)), dtype=np.uint64)
        self._tokens = 0

    def read(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of texts.

        Raises:
            UnreadableError: the tokens of a chunk do not add up to it.
        """
        if len(self._numbers) > CHUNKS or self._tokens > CHUNK_TOKENS:
            self._make_room()
        layout = take_apart(texts)
        numbers, spaced, ends = self._join_crossed(self._number(layout.chunks), layout)
        self._reads += 1
        self._chunks[numbers, 3] = self._reads
        first, counts = self._chunks[numbers, 0], self._chunks[numbers, 1]
        behind = np.cumsum(counts)  # by chunk, the token behind its last
        which = 2 * count_up(first, counts)
        which[behind[spaced] - 1] += 1
        return self._lay_out(which, np.append(0, behind)[ends])

    def _lay_out(self, which: HostInts, ends: HostInts) -> Tokens:
        """Return tokens of the given types; `ends` (texts,) are the tokens behind each text's last."""
        types = self._types.reshape(-1, len(self._columns))
        widths = types[which, self._columns["LENGTH"]] + types[which, self._columns["SPACY"]]
        behind = np.append(0, np.cumsum(widths.astype(np.int64)))
        lengths = np.diff(ends, prepend=0)
        begins = behind[:-1] - np.repeat(behind[ends - lengths], lengths)
        return Tokens(types, self._columns, which, begins, lengths)

    def _number(self, chunks: Sequence[str]) -> HostInts:
        """Return the numbers (n,) of chunks, after tokenizing those not met before."""
        numbers = np.fromiter(map(self._numbers.__getitem__, chunks), dtype=np.int64, count=len(chunks))
        new, self._numbers.new = self._numbers.new, []
        try:
            self._learn(new)
        except BaseException:
            for chunk in new:
                del self._numbers[chunk]
            raise
        return numbers

    def _learn(self, chunks: Sequence[str]) -> None:
        """Tokenize chunks, which have the next numbers."""
        from spacy.tokens import Doc

        self._zone.renew(sum(map(len, chunks)))
        self._chunks = _with_room(self._chunks, len(self._numbers))
        words = [chunk for chunk in chunks if self._is_token(chunk)]
        for few in _batched(words, NEW_AT_ONCE):
            self._keep(few, Doc(self._vocab, few, [False] * len(few)), apart=0)
        others = [chunk for chunk in chunks if not self._is_token(chunk) and not chunk.isspace()]
        for few in _batched(others, NEW_AT_ONCE):
            self._keep(few, self._tokenize(_SEPARATOR.join(few)))
        for chunk in filter(str.isspace, chunks):
            self._keep([chunk], self._tokenize(chunk))

    def _is_token(self, chunk: str) -> bool:
        """Tell whether a chunk is known to be one token."""
        return self._words_are_tokens and chunk.isascii() and chunk.isalpha() and chunk not in self._tokenize.rules

    def _keep(self, chunks: Sequence[str], doc: Doc, apart: int = len(_SEPARATOR)) -> None:
        """Keep the tokens of chunks that stand in a document, so many characters apart."""
        lengths = np.array([len(chunk) for chunk in chunks])
        begins = np.cumsum(lengths + apart) - lengths - apart
        *values, idx = doc.to_array(self._read).reshape(-1, len(self._read)).T
        owners = np.searchsorted(begins, idx.astype(np.int64), side="right") - 1
        inside = idx.astype(np.int64) < (begins + lengths)[owners]
        types, owners = np.stack(values, axis=1)[inside], owners[inside]
        widths = types[:, self._columns["LENGTH"]] + types[:, self._columns["SPACY"]]
        if not np.array_equal(np.bincount(owners, widths, len(chunks)), lengths):
            raise UnreadableError("a tokenizer whose tokens do not add up to the text")
        counts = np.bincount(owners, minlength=len(chunks))
        numbers = np.array([self._numbers[chunk] for chunk in chunks])
        self._chunks[numbers, 0] = self._tokens + np.cumsum(counts) - counts
        self._chunks[numbers, 1] = counts
        self._chunks[numbers, 2] = self._rules.examine(types[:, self._columns["ORTH"]], owners, len(chunks))
        end = self._tokens + len(types)
        self._types = _with_room(self._types, end)
        self._types[self._tokens : end] = types[:, None]
        self._types[self._tokens : end, 1, self._columns["SPACY"]] = 1
        self._tokens = end

    def _join_crossed(self, numbers: HostInts, layout: Layout) -> tuple[HostInts, Bools, HostInts]:
        """Return the numbers of chunks, with those that a rule could see across taken together as one.

        Returns:
            Numbers (m,), whether a space follows each (m,), and the number behind the last of each text.
        """
        does = self._chunks[numbers, 2]
        joined = layout.spaced[:-1] & (does[:-1] & LEAVES > 0) & (does[1:] & ENTERS > 0)
        joined[layout.ends[(layout.ends > 0) & (layout.ends < len(numbers))] - 1] = False
        held = does & HOLDS > 0
        if not (joined & (held[:-1] | held[1:])).any():
            return numbers, layout.spaced, layout.ends
        edges = np.flatnonzero(np.diff(joined, prepend=False, append=False)).reshape(-1, 2)
        holding = np.append(0, np.cumsum(held))
        first, last = edges[holding[edges[:, 1] + 1] > holding[edges[:, 0]]].T
        together = [" ".join(layout.chunks[a : b + 1]) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
        numbers, spaced = numbers.copy(), layout.spaced.copy()
        numbers[first], spaced[first] = self._number(together), spaced[last]
        dropped = np.zeros(len(numbers) + 1, dtype=np.int64)
        np.add.at(dropped, first + 1, 1)
        np.add.at(dropped, last + 1, -1)
        kept = np.cumsum(dropped[:-1]) == 0
        return numbers[kept], spaced[kept], np.append(0, np.cumsum(kept))[layout.ends]

    def _make_room(self) -> None:
        """Forget the chunks that were not wanted for longest, and long ones."""
        names = list(self._numbers)
        chunks = self._chunks[: len(names)]
        short = np.array([len(name) <= KEPT_CHARS for name in names])
        by_age = np.argsort(-chunks[:, 3], kind="stable")[: CHUNKS // 2]  # youngest first
        by_age = by_age[short[by_age]]
        stay = np.sort(by_age[np.cumsum(chunks[by_age, 1]) <= CHUNK_TOKENS // 2])
        kept = chunks[stay]
        types = self._types[count_up(kept[:, 0], kept[:, 1])]
        kept[:, 0] = np.cumsum(kept[:, 1]) - kept[:, 1]
        del chunks
        self._start()
        self._numbers.update((names[old], new) for new, old in enumerate(stay.tolist()))
        self._chunks[: len(kept)], self._types[: len(types)] = kept, types
        self._tokens = len(types)


class _Numbers(dict[str, int]):
    """The numbers of chunks. One that has none yet is given the next, and put down as new."""

    new: list[str]

    def __init__(self, *items: object) -> None:
        super().__init__(*items)
        self.new = []

    def __missing__(self, chunk: str) -> int:
        number = self[chunk] = len(self)
        self.new.append(chunk)
        return number


def take_apart(texts: Sequence[str]) -> Layout:
    """Return the chunks of texts."""
    chunks: list[str] = []
    unspaced: list[int] = []  # numbers of those behind which no space belongs to a token
    ends: list[int] = []
    for text in texts:
        words = text.split()
        if " ".join(words) == text:
            chunks += words
            if words:
                unspaced.append(len(chunks) - 1)
        else:
            _take_apart_uneven(text, chunks, unspaced)
        ends.append(len(chunks))
    spaced = np.ones(len(chunks), dtype=bool)
    spaced[unspaced] = False
    return Layout(chunks, spaced, np.array(ends, dtype=np.int64))


def _take_apart_uneven(text: str, chunks: list[str], unspaced: list[int]) -> None:
    """Add the chunks of a text with other whitespace than single spaces between them."""
    body = text.lstrip()
    if len(body) < len(text):
        unspaced.append(len(chunks))
        chunks.append(text[: len(text) - len(body)])
    parts = _UNEVEN.split(body)
    for words, gap in zip(parts[::2], [*parts[1::2], ""], strict=True):
        if words:
            chunks += words.split(" ")
            if not gap.startswith(" "):
                unspaced.append(len(chunks) - 1)
        if rest := gap.removeprefix(" "):
            unspaced.append(len(chunks))
            chunks.append(rest)


def _batched(chunks: list[str], size: int) -> Iterator[list[str]]:
    for begin in range(0, len(chunks), size):
        yield chunks[begin : begin + size]


def _with_room(array: npt.NDArray[Number], length: int) -> npt.NDArray[Number]:
    """Return an array, longer if it is shorter than `length`."""
    if length <= len(array):
        return array
    longer = np.zeros((max(length, 2 * len(array)), *array.shape[1:]), dtype=array.dtype)
    longer[: len(array)] = array
    return longer

"""The tokens of texts, from their chunks: a chunk is what stands between two spaces, and is tokenized once.

spaCy's tokenizer (``_tokenize_affixes`` of ``spacy/tokenizer.pyx``) splits a text at whitespace, and then splits each
chunk by itself. A single space belongs to the token before it. The rest of a longer run of whitespace is a token, and
so is all whitespace of other kinds. So a chunk has the same tokens wherever it stands (`rules` has the exceptions), and
the tokens of a text are those of its chunks, in order.

spaCy remembers chunks, too. But it makes a document of each text, token by token, and looks through it for words that
have rules. Here a text becomes a list of chunks, a look-up turns the chunks into numbers, and array operations do the
rest. spaCy's tokenizer gets the new chunks only. Where a rule could look across the space between chunks, the chunks
are taken together as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from shardner.engine.fused.affixes import leaves_letters_alone, skip_search
from shardner.engine.fused.arrays import Bools, HostInts, Keys, count_up
from shardner.engine.fused.rules import ENTERS, HOLDS, LEAVES, Rules
from shardner.engine.fused.tokens import Tokens

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from shardner.engine.tokenization import VocabularyMemory

Number = TypeVar("Number", bound=np.generic)

#: Chunks that are remembered, and tokens of chunks. When there are more, the half that was used last is kept.
CHUNKS, CHUNK_TOKENS = 60_000, 120_000
#: Words that the vocabulary keeps permanently. It needs fewer than elsewhere, because most words that come again are
#: remembered as chunks.
CHUNK_LEXEMES = 15_000
#: Characters of the longest chunk that is kept then. Longer chunks hardly come again.
KEPT_CHARS = 64
#: Chunks tokenized at once.
NEW_AT_ONCE = 4_000

#: Whitespace that is not a single space between two chunks.
_UNEVEN = re.compile(r"(\s{2,}|[^\S ]|\s\Z)")
#: Stands between chunks that are tokenized as one text. It is a token by itself, and no rule contains it.
_SEPARATOR = "\n"


class UnreadableError(ValueError):
    """The tokens of a text do not add up to the text."""


@dataclass(frozen=True, slots=True)
class ChunkedTexts:
    """Texts split into n chunks. A chunk holds no whitespace, or nothing else."""

    chunks: list[str]  # n
    spaced: Bools  # (n,) whether a space follows, which belongs to the last token of the chunk
    ends: HostInts  # (texts,) number of the chunk after the last one of each text


class ChunkTokenizer:
    """Makes the tokens that a pipeline's tokenizer makes, and remembers the tokens of chunks."""

    def __init__(self, nlp: Language, attributes: Sequence[str], rules: Rules, memory: VocabularyMemory) -> None:
        """Start with nothing remembered.

        Args:
            nlp: a pipeline with spaCy's own tokenizer.
            attributes: those of tokens that are needed, by spaCy's names; none may depend on the place in the text.
            rules: of the tokenizer.
            memory: of the vocabulary, for new words.
        """
        from spacy.attrs import IDS  # type: ignore[import-not-found]

        self._vocab, self._rules, self._memory = nlp.vocab, rules, memory
        self._tokenize = skip_search(nlp.tokenizer)
        self._words_are_tokens = leaves_letters_alone(nlp.tokenizer)
        names = [*dict.fromkeys([*attributes, "ORTH", "LENGTH", "SPACY"])]
        self._columns = {name: column for column, name in enumerate(names)}
        self._read = [IDS[name] for name in (*names, "IDX")]
        self._start()
        self._reads = 0
        self._tokenize(_SEPARATOR)  # so that the vocabulary keeps it permanently

    def _start(self) -> None:
        """Forget everything. NumPy's zeros take no memory until they are written to."""
        self._numbers = _Numbers()
        # by chunk: number of its first token, number of tokens, result of `Rules.examine`, and the last `read` with it
        self._chunks: HostInts = np.zeros((2 * CHUNKS, 4), dtype=np.int64)
        # by token of a chunk: its type if no space follows, and its type if one does
        self._types: Keys = np.zeros((2 * CHUNK_TOKENS, 2, len(self._columns)), dtype=np.uint64)
        self._tokens = 0

    def read(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of texts.

        Raises:
            UnreadableError: the tokens of a chunk do not add up to it.
        """
        if len(self._numbers) > CHUNKS or self._tokens > CHUNK_TOKENS:
            self._make_room()
        split = split_texts(texts)
        numbers, spaced, ends = self._join_crossed(self._number(split.chunks), split)
        self._reads += 1
        self._chunks[numbers, 3] = self._reads
        first, counts = self._chunks[numbers, 0], self._chunks[numbers, 1]
        next_token = np.cumsum(counts)  # by chunk: the token after its last one
        which = 2 * count_up(first, counts)
        which[next_token[spaced] - 1] += 1
        return self._make_tokens(which, np.append(0, next_token)[ends])

    def _make_tokens(self, which: HostInts, ends: HostInts) -> Tokens:
        """Return tokens of the types `which` (N,); `ends` (texts,) are the tokens after the last one of each text."""
        types = self._types.reshape(-1, len(self._columns))
        widths = types[which, self._columns["LENGTH"]] + types[which, self._columns["SPACY"]]
        offsets = np.append(0, np.cumsum(widths.astype(np.int64)))
        lengths = np.diff(ends, prepend=0)
        begins = offsets[:-1] - np.repeat(offsets[ends - lengths], lengths)
        return Tokens(types, self._columns, which, begins, lengths)

    def _number(self, chunks: Sequence[str]) -> HostInts:
        """Return the numbers (n,) of chunks, after tokenizing the new ones."""
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
        """Tokenize new chunks, which have got their numbers already."""
        from spacy.tokens import Doc

        self._memory.renew(sum(map(len, chunks)))
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
        """Remember the tokens of chunks that stand in one document, `apart` characters from each other."""
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

    def _join_crossed(self, numbers: HostInts, split: ChunkedTexts) -> tuple[HostInts, Bools, HostInts]:
        """Take chunks together as one where a rule could look across the space between them.

        Returns:
            The numbers (m,) of the chunks that are left, whether a space follows each (m,), and for each text the place
            in these numbers after its last chunk.
        """
        does = self._chunks[numbers, 2]
        joined = split.spaced[:-1] & (does[:-1] & LEAVES > 0) & (does[1:] & ENTERS > 0)
        joined[split.ends[(split.ends > 0) & (split.ends < len(numbers))] - 1] = False
        held = does & HOLDS > 0
        if not (joined & (held[:-1] | held[1:])).any():
            return numbers, split.spaced, split.ends
        edges = np.flatnonzero(np.diff(joined, prepend=False, append=False)).reshape(-1, 2)
        holding = np.append(0, np.cumsum(held))
        first, last = edges[holding[edges[:, 1] + 1] > holding[edges[:, 0]]].T
        together = [" ".join(split.chunks[a : b + 1]) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
        numbers, spaced = numbers.copy(), split.spaced.copy()
        numbers[first], spaced[first] = self._number(together), spaced[last]
        dropped = np.zeros(len(numbers) + 1, dtype=np.int64)
        np.add.at(dropped, first + 1, 1)
        np.add.at(dropped, last + 1, -1)
        kept = np.cumsum(dropped[:-1]) == 0
        return numbers[kept], spaced[kept], np.append(0, np.cumsum(kept))[split.ends]

    def _make_room(self) -> None:
        """Forget long chunks, and the chunks that were used least recently."""
        names = list(self._numbers)
        chunks = self._chunks[: len(names)]
        short = np.array([len(name) <= KEPT_CHARS for name in names])
        by_age = np.argsort(-chunks[:, 3], kind="stable")[: CHUNKS // 2]  # last used first
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
    """The numbers of chunks. A chunk without a number gets the next one, and is noted as new."""

    new: list[str]

    def __init__(self, *items: object) -> None:
        super().__init__(*items)
        self.new = []

    def __missing__(self, chunk: str) -> int:
        number = self[chunk] = len(self)
        self.new.append(chunk)
        return number


def split_texts(texts: Sequence[str]) -> ChunkedTexts:
    """Return the chunks of texts."""
    chunks: list[str] = []
    unspaced: list[int] = []  # numbers of the chunks that no space follows
    ends: list[int] = []
    for text in texts:
        words = text.split()
        if " ".join(words) == text:
            chunks += words
            if words:
                unspaced.append(len(chunks) - 1)
        else:
            parts, without_space = _split_uneven(text)
            unspaced += [len(chunks) + number for number in without_space]
            chunks += parts
        ends.append(len(chunks))
    spaced = np.ones(len(chunks), dtype=bool)
    spaced[unspaced] = False
    return ChunkedTexts(chunks, spaced, np.array(ends, dtype=np.int64))


def _split_uneven(text: str) -> tuple[list[str], list[int]]:
    """Return the chunks of a text that has other whitespace than single spaces between words.

    Returns:
        The chunks, and the numbers of those that no space follows.
    """
    chunks: list[str] = []
    unspaced: list[int] = []
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
    return chunks, unspaced


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

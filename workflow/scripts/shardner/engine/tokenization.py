"""From texts to tokenized documents in batches, in bounded memory: what both engines begin with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from shardner.data.metrics import Phase
from shardner.data.stopwatch import Stopwatch

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    #: The numbers of texts, and what tokenizing each gave.
    Batch = list[tuple[int, Doc | Exception]]

#: Tokens annotated at once. Larger batches gain nothing on a CPU and leave its cache.
BATCH_TOKENS = 8_000
#: Words that the vocabulary may learn for good. In a memory zone spaCy's tokenizer does not cache what it has not seen
#: before, and takes 2.5 times as long for it; with the first words of a corpus in its cache, few are left to that.
#: A word costs about a kilobyte of memory.
LEXEMES = 30_000
#: Runs of characters without a space (words, with the punctuation around them) whose tokens the tokenizer may cache.
#: Its own limit is 10,000, and each beyond it costs five times as much again whenever it comes.
CACHED_CHUNKS = 50_000
#: Characters that a token and the space behind it have, about.
CHARS_A_TOKEN = 4
#: Characters after which the strings that the vocabulary gathered are freed.
ZONE_CHARS = 1 << 19


class Zone:
    """Memory of a pipeline's vocabulary: what it learns for good, and then what is freed now and then."""

    def __init__(self, nlp: Language, lexemes: int | None = None) -> None:
        """Let the vocabulary of `nlp` learn `lexemes` words for good, or `LEXEMES`."""
        self._nlp = nlp
        self._lexemes = LEXEMES if lexemes is None else lexemes
        self._zone = ExitStack()
        self._chars = 0

    def renew(self, chars: int) -> None:
        """Free what earlier texts left, if it is time; so many characters of text are to come."""
        if self._chars == 0 and len(self._nlp.vocab) < self._lexemes:
            return
        if self._chars == 0 or self._chars + chars > ZONE_CHARS:
            self._zone.close()
            self._zone.enter_context(self._nlp.memory_zone())
            self._chars = 0
        self._chars += max(chars, 1)


class Tokenization:
    """Tokenizes with a pipeline's tokenizer. The documents live until texts are given again."""

    def __init__(self, nlp: Language, zone: Zone, batch_tokens: int | None = None) -> None:
        self._nlp = nlp
        if hasattr(nlp.tokenizer, "max_cache_size"):
            nlp.tokenizer.max_cache_size = CACHED_CHUNKS
        self._batch_tokens = batch_tokens or BATCH_TOKENS
        self._zone = zone

    def batches(self, texts: Sequence[str], watch: Stopwatch) -> Iterator[Batch]:
        """Yield runs of (number of the text, its tokens or why it has none) of about `batch_tokens` tokens."""
        self._zone.renew(sum(map(len, texts)))
        first = 0
        while first < len(texts):
            with watch.phase(Phase.TOKENIZE):
                batch = self._next_batch(texts, first)
            first += len(batch)
            yield batch

    def runs(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """Yield runs of texts of about `batch_tokens` tokens, as their characters have it."""
        run: list[str] = []
        chars = 0
        for text in texts:
            if run and chars + len(text) > self._batch_tokens * CHARS_A_TOKEN:
                yield run
                run, chars = [], 0
            run.append(text)
            chars += len(text)
        if run:
            yield run

    def _next_batch(self, texts: Sequence[str], first: int) -> Batch:
        batch: Batch = []
        tokens = 0
        for number in range(first, len(texts)):
            text = texts[number]
            if batch and tokens + len(text) // CHARS_A_TOKEN > 2 * self._batch_tokens:
                break
            made = self._tokenize(text)
            batch.append((number, made))
            tokens += 1 if isinstance(made, Exception) else len(made)
            if tokens >= self._batch_tokens:
                break
        return batch

    def renew(self, texts: Sequence[str], batch: Batch) -> Batch:
        """Halve the batches to come, for `batch` did not fit the device's memory; tokenize its texts again."""
        self.halve()
        return [(number, self._tokenize(texts[number])) for number, _ in batch]

    def halve(self) -> None:
        """Halve the batches to come."""
        self._batch_tokens = max(self._batch_tokens // 2, 1)

    def _tokenize(self, text: str) -> Doc | Exception:
        try:
            return self._nlp.make_doc(text)
        except Exception as error:  # a custom tokenizer may raise anything
            return error

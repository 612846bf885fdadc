"""From texts to tokenized documents, in batches and in bounded memory: how both engines begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from shardner.data.metrics import Phase
from shardner.data.stopwatch import Stopwatch
from shardner.engine.changed_texts import check_text, tokenizer_may_change_texts
from shardner.engine.failures import FAILURES, is_documents_own

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    #: The numbers of texts. Each has its tokens, or the reason why it has none.
    Batch = list[tuple[int, Doc | BaseException]]

#: Tokens annotated at once. Larger batches gain nothing on a CPU, and no longer fit its cache.
BATCH_TOKENS = 8_000
#: Words that the vocabulary keeps until the process ends. Within a memory zone spaCy's tokenizer does not cache words
#: that are new to it, and takes 2.5 times as long for them. With the first words of a corpus in its cache, few words
#: remain to which that happens. A word costs about a kilobyte of memory.
LEXEMES = 30_000
#: Runs of characters without a space (a word with the punctuation around it) whose tokens the tokenizer may cache. Its
#: own limit is 10,000. A run beyond the limit takes five times as long each time it comes.
CACHED_CHUNKS = 50_000
#: Characters of a token and of the space after it, on average.
CHARS_A_TOKEN = 4
#: Characters of text after which the strings that the vocabulary collected are freed.
ZONE_CHARS = 1 << 19


class VocabularyMemory:
    """Bounds what a pipeline's vocabulary keeps: the first words permanently, later words until they are freed."""

    def __init__(self, nlp: Language, lexemes: int | None = None) -> None:
        """Let the vocabulary of `nlp` keep `lexemes` words permanently, or `LEXEMES` of them."""
        self._nlp = nlp
        self._lexemes = LEXEMES if lexemes is None else lexemes
        self._zone = ExitStack()
        self._chars = 0

    def renew(self, chars: int) -> None:
        """Free what earlier texts left, if it is time to. The next texts have `chars` characters."""
        if self._chars == 0 and len(self._nlp.vocab) < self._lexemes:
            return
        if self._chars == 0 or self._chars + chars > ZONE_CHARS:
            self._zone.close()
            self._zone.enter_context(self._nlp.memory_zone())
            self._chars = 0
        self._chars += max(chars, 1)


class Tokenization:
    """Tokenizes with a pipeline's tokenizer. The documents are valid until the next texts are given."""

    def __init__(self, nlp: Language, memory: VocabularyMemory, batch_tokens: int | None = None) -> None:
        self._nlp = nlp
        if hasattr(nlp.tokenizer, "max_cache_size"):
            nlp.tokenizer.max_cache_size = CACHED_CHUNKS
        self._batch_tokens = batch_tokens or BATCH_TOKENS
        self._memory = memory
        self._checks_texts = tokenizer_may_change_texts(nlp)

    @property
    def batch_chars(self) -> int:
        """Characters of a batch, estimated from its tokens."""
        return self._batch_tokens * CHARS_A_TOKEN

    def batches(self, texts: Sequence[str], watch: Stopwatch) -> Iterator[Batch]:
        """Yield the documents of consecutive texts, about `batch_tokens` tokens at a time."""
        self._memory.renew(sum(map(len, texts)))
        first = 0
        while first < len(texts):
            with watch.phase(Phase.TOKENIZE):
                batch = self._next_batch(texts, first)
            first += len(batch)
            yield batch

    def text_batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """Yield consecutive texts, about `batch_tokens` tokens at a time, estimated from their characters."""
        batch: list[str] = []
        chars = 0
        for text in texts:
            if batch and chars + len(text) > self.batch_chars:
                yield batch
                batch, chars = [], 0
            batch.append(text)
            chars += len(text)
        if batch:
            yield batch

    def _next_batch(self, texts: Sequence[str], first: int) -> Batch:
        batch: Batch = []
        tokens = 0
        for number in range(first, len(texts)):
            text = texts[number]
            if batch and tokens + len(text) // CHARS_A_TOKEN > 2 * self._batch_tokens:
                break
            made = self._tokenize(text)
            batch.append((number, made))
            tokens += 1 if isinstance(made, BaseException) else len(made)
            if tokens >= self._batch_tokens:
                break
        return batch

    def renew(self, texts: Sequence[str], batch: Batch) -> Batch:
        """Halve later batches, because `batch` did not fit the device's memory, and tokenize its texts again."""
        self.halve()
        return [(number, self._tokenize(texts[number])) for number, _ in batch]

    def halve(self) -> None:
        """Halve later batches."""
        self._batch_tokens = max(self._batch_tokens // 2, 1)

    def _tokenize(self, text: str) -> Doc | BaseException:
        try:
            doc = self._nlp.make_doc(text)
            if self._checks_texts:
                check_text(doc, text, "the tokenizer")
            return doc
        except FAILURES as error:
            if not is_documents_own(error):
                raise
            return error

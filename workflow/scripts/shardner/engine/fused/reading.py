"""Tokens of texts, without a document for each: short texts are tokenized together.

To make a document of a text takes spaCy longer than to look up the text's words. Its tokenizer cuts a text at
whitespace before anything else (``spacy/tokenizer.pyx``), and a line break between two words is a token by itself. So
texts joined by line breaks give the tokens that each gives alone, with one token more between two texts.

That holds for texts that neither begin nor end with whitespace, and for tokenizers without special cases that reach
across a line break. Besides, every border is looked up in the result, and where one is missing each text is tokenized
by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from shardner.engine.fused.tokens import Tokens, concatenate, read_tokens

if TYPE_CHECKING:
    from spacy.tokenizer import Tokenizer  # type: ignore[import-not-found]

_BORDER = "\n"


class TextReader:
    """Tokenizes texts and reads attributes of their tokens."""

    def __init__(self, tokenizer: Tokenizer, attributes: Iterable[str]) -> None:
        """Take spaCy's own tokenizer, and the attributes to read, with ORTH, IDX and LENGTH among them."""
        self._tokenizer = tokenizer
        self._attributes = list(dict.fromkeys(attributes))
        self._joins = not any(_BORDER in special and special.strip() for special in tokenizer.rules or ())

    def read(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of `texts`, laid end to end, with IDX counted from the start of each text."""
        return concatenate([self._read_together(run) for run in self._runs(texts)], self._attributes)

    def _runs(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """Yield runs of texts that can be joined, and the others one by one."""
        for joins, run in groupby(texts, self._can_join):
            if joins:
                yield list(run)
            else:
                yield from ([text] for text in run)

    def _can_join(self, text: str) -> bool:
        return self._joins and text != "" and not text[0].isspace() and not text[-1].isspace()

    def _read_together(self, texts: list[str]) -> Tokens:
        tokens = read_tokens([self._tokenizer(_BORDER.join(texts))], self._attributes)
        if len(texts) == 1:
            return tokens
        starts = np.cumsum([0, *(len(text) + 1 for text in texts[:-1])])
        borders = starts[1:] - 1
        places = np.searchsorted(tokens["IDX"], borders)
        if not np.array_equal(tokens["IDX"][places], borders) or (tokens["LENGTH"][places] != len(_BORDER)).any():
            return concatenate([self._read_together([text]) for text in texts], self._attributes)
        values = np.delete(tokens.values, places, axis=0)
        lengths = np.diff([-1, *places, len(tokens)]) - 1
        values[:, tokens.columns["IDX"]] -= np.repeat(starts.astype(np.uint64), lengths)
        return Tokens(values, tokens.columns, lengths)

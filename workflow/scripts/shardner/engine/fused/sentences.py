"""Where a rule-based sentencizer starts sentences, for a whole batch at once.

Reproduces ``spacy/pipeline/sentencizer.pyx``, a loop over tokens: behind a token that ends a sentence, the first token
that neither ends one nor is punctuation starts the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from shardner.engine.fused.arrays import Bools, HostInts, Keys, are_among
from shardner.engine.fused.tokens import Tokens

if TYPE_CHECKING:
    from spacy.strings import StringStore


def terminal_keys(strings: StringStore, characters: Iterable[str]) -> Keys:
    """Return the ORTH of each of a sentencizer's `characters`, sorted."""
    return np.sort(np.array([strings[each] for each in characters if each], dtype=np.uint64))


def sentence_starts(tokens: Tokens, terminals: Keys) -> Bools:
    """Return which tokens (N,) start a sentence, other than the first of each document.

    Args:
        tokens: with the attributes ORTH and IS_PUNCT.
        terminals: ORTH of the tokens that end a sentence, sorted.
    """
    ends_one = are_among(tokens["ORTH"], terminals)
    plain = _plain(tokens, ends_one)
    # a plain token starts a sentence if one was ended since the plain token before it, in the same document
    ended = np.cumsum(ends_one)
    first = np.cumsum(tokens.lengths) - tokens.lengths
    document = np.searchsorted(first, plain, side="right") - 1
    before = np.maximum(np.append(-1, plain[:-1]), first[document] - 1)
    starts = np.zeros(len(tokens), dtype=bool)
    starts[plain] = ended[plain] > np.where(before < 0, 0, ended[before])
    return starts


def plain_tokens(tokens: Tokens, terminals: Keys) -> HostInts:
    """Return the numbers of the tokens that neither end a sentence nor are punctuation.

    Whether a later token starts a sentence depends on none before the last of these.
    """
    return _plain(tokens, are_among(tokens["ORTH"], terminals))


def _plain(tokens: Tokens, ends_one: Bools) -> HostInts:
    return np.flatnonzero(~ends_one & (tokens["IS_PUNCT"] == 0))


def must_close(tokens: Tokens, starts: Bools) -> Bools:
    """Return the tokens (N,) behind which no entity runs on: those before `starts`, and the last of each document."""
    closes = np.append(starts[1:], True)
    closes[np.cumsum(tokens.lengths[tokens.lengths > 0]) - 1] = True
    return closes[: len(tokens)]

"""Where a rule-based sentencizer starts sentences, for a whole batch at once.

Reproduces ``spacy/pipeline/sentencizer.pyx``, which is a loop over tokens. After a token that ends a sentence, the next
sentence starts at the first token that neither ends a sentence nor is punctuation. Such tokens are called plain here.
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
    """Return the ORTH of each of the `characters` that end a sentence, sorted."""
    return np.sort(np.array([strings[each] for each in characters if each], dtype=np.uint64))


def sentence_starts(tokens: Tokens, terminals: Keys) -> Bools:
    """Tell which tokens (N,) start a sentence. The first token of each document is left out.

    Args:
        tokens: with the attributes ORTH and IS_PUNCT.
        terminals: ORTH of the tokens that end a sentence, sorted.
    """
    ends_one = are_among(tokens["ORTH"], terminals)
    plain = _plain(tokens, ends_one)
    # a plain token starts a sentence if a sentence ended after the previous plain token of the same document
    ended = np.cumsum(ends_one)
    first = np.cumsum(tokens.lengths) - tokens.lengths
    document = np.searchsorted(first, plain, side="right") - 1
    before = np.maximum(np.append(-1, plain[:-1]), first[document] - 1)
    starts = np.zeros(len(tokens), dtype=bool)
    starts[plain] = ended[plain] > np.where(before < 0, 0, ended[before])
    return starts


def plain_tokens(tokens: Tokens, terminals: Keys) -> HostInts:
    """Return the numbers of the plain tokens.

    Whether a token starts a sentence depends on no token before the last plain one before it.
    """
    return _plain(tokens, are_among(tokens["ORTH"], terminals))


def _plain(tokens: Tokens, ends_one: Bools) -> HostInts:
    return np.flatnonzero(~ends_one & (tokens["IS_PUNCT"] == 0))


def must_close(tokens: Tokens, starts: Bools) -> Bools:
    """Tell after which tokens (N,) no entity goes on: those before `starts`, and the last of each document."""
    closes = np.append(starts[1:], True)
    closes[np.cumsum(tokens.lengths[tokens.lengths > 0]) - 1] = True
    return closes[: len(tokens)]

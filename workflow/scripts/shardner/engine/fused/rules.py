"""Rules of spaCy's tokenizer for single words, and where they look across the space between two chunks.

A rule says into which tokens a word comes apart ("don't", "p.m.", ":-)"). A chunk that is such a word has its tokens at
once. For words that affixes would take apart, spaCy then looks through all tokens of a text for runs that spell such a
word, whatever spaces stand between, and gives a run the rule's tokens if there are none
(``_apply_special_cases`` of ``spacy/tokenizer.pyx``). A run with a space inside stays as it is. But of runs that
overlap only the longest counts, so it can keep a run inside of a chunk from its rule: with rules for "a)" and "a)((",
the text "x-a) ((" has the tokens x, -, a, ), ( and (, while "x-a)" by itself has x, - and a). That is the one way in
which a chunk's tokens can depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from shardner.engine.fused.affixes import FINDS
from shardner.engine.fused.arrays import HostInts, Keys, are_among

if TYPE_CHECKING:
    from spacy.strings import StringStore
    from spacy.tokenizer import Tokenizer  # type: ignore[import-not-found]

#: What a chunk's tokens let a run do: go on to the next chunk, come from the one before, or lie inside.
LEAVES, ENTERS, HOLDS = 1, 2, 4

_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Rules:
    """What to look for in the tokens of chunks, each by ORTH, sorted."""

    leaving: Keys  # tokens that have a next one in a run
    entering: Keys  # tokens that have one before
    singles: Keys  # what a rule makes of a word, where that is one token
    pairs: Keys  # the first two tokens of what a rule makes, as `_mix` has them

    def examine(self, orths: Keys, owners: HostInts, count: int) -> HostInts:
        """Return what each of `count` chunks does, a sum of `LEAVES`, `ENTERS` and `HOLDS`.

        Args:
            orths: ORTH (n,) of the chunks' tokens, chunk after chunk.
            owners: (n,) the chunk of each token.
            count: chunks, each of which has a token.

        A chunk that holds a run shows the tokens that a rule put there, and not those that were looked at: it may do
        all three.
        """
        first = np.flatnonzero(np.diff(owners, prepend=-1))
        last = np.append(first[1:], len(owners)) - 1
        same = owners[1:] == owners[:-1]
        held = are_among(orths, self.singles)
        held[:-1] |= are_among(_mix(orths[:-1], orths[1:]), self.pairs) & same
        found = np.where(are_among(orths[last], self.leaving), LEAVES, 0)
        found |= np.where(are_among(orths[first], self.entering), ENTERS, 0)
        found[owners[held]] = LEAVES | ENTERS | HOLDS
        return found


def read_rules(tokenizer: Tokenizer) -> Rules | None:
    """Return the rules of a tokenizer, or None if one is of several chunks, so that no chunk is safe from it."""
    from spacy.attrs import ORTH, intify_attrs  # type: ignore[import-not-found]
    from spacy.tokenizer import Tokenizer
    from spacy.vocab import Vocab

    bare = Tokenizer(Vocab(), **{name: getattr(tokenizer, name) for name in FINDS})
    rules: dict[str, Any] = {word: made for word, made in (tokenizer.rules or {}).items() if not word.isspace()}
    if any(any(map(str.isspace, word)) for word in rules):
        return None
    sought = [word for word in rules if _is_sought(tokenizer, word)]
    runs = [[token.text for token in bare(word)] for word in sought]
    made = [[intify_attrs(dict(token), _do_deprecated=True)[ORTH] for token in rules[word]] for word in sought]
    pairs = [_keys(tokenizer.vocab.strings, tokens[:2]) for tokens in made if len(tokens) > 1]
    return Rules(
        leaving=_sorted_keys(tokenizer.vocab.strings, (left for run in runs for left, _ in pairwise(run))),
        entering=_sorted_keys(tokenizer.vocab.strings, (right for run in runs for _, right in pairwise(run))),
        singles=_sorted_keys(tokenizer.vocab.strings, (tokens[0] for tokens in made if len(tokens) == 1)),
        pairs=np.unique(_mix(*np.array(pairs, dtype=np.uint64).reshape(-1, 2).T)),
    )


def _is_sought(tokenizer: Tokenizer, word: str) -> bool:
    """Tell whether spaCy looks for `word` in runs of tokens (``add_special_case``)."""
    finders = (tokenizer.find_prefix, tokenizer.find_infix, tokenizer.find_suffix)
    return not tokenizer.faster_heuristics or any(find(word) for find in finders)


def _mix(left: Keys, right: Keys) -> Keys:
    """Return a key for each pair of keys; two differ with the odds that two of spaCy's own 64-bit hashes do."""
    return left * _MIX + right


def _keys(strings: StringStore, tokens: Iterable[str]) -> Keys:
    return np.array([strings[token] for token in tokens], dtype=np.uint64)


def _sorted_keys(strings: StringStore, tokens: Iterable[str]) -> Keys:
    return np.unique(_keys(strings, tokens))

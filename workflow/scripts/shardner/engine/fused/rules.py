"""Rules of spaCy's tokenizer for single words, and where such a rule looks across the space between two chunks.

A rule says into which tokens a word is split ("don't", "p.m.", ":-)"). A chunk that is such a word gets the tokens of
the rule. If affixes would split the word, spaCy also looks through all tokens of a text for runs of tokens that spell
the word, with or without spaces between them (``_apply_special_cases`` of ``spacy/tokenizer.pyx``). A run without
spaces gets the tokens of the rule, and a run with a space stays as it is.

Of runs that overlap, only the longest counts. So a run across a space can keep a run inside a chunk from its rule. For
example, there are rules for "a)" and "a)((". Then the text "x-a) ((" has the tokens x, -, a, ), ( and (, while "x-a)"
by itself has x, - and a). This is the only way in which the tokens of a chunk can depend on its neighbours.
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

#: What the tokens of a chunk let a run do: leave for the next chunk, enter from the previous one, or lie inside.
LEAVES, ENTERS, HOLDS = 1, 2, 4

_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Rules:
    """What to look for in the tokens of chunks: keys made of ORTH, sorted."""

    leaving: Keys  # tokens after which a run goes on
    entering: Keys  # tokens before which a run has begun
    singles: Keys  # tokens of rules that make one token of a word
    pairs: Keys  # the first two tokens of rules that make several, combined by `_mix`

    def examine(self, orths: Keys, owners: HostInts, count: int) -> HostInts:
        """Return for each chunk (count,) a sum of `LEAVES`, `ENTERS` and `HOLDS`.

        A chunk that holds a run has the tokens that a rule put there, and no longer those that spaCy looked at. So it
        may do all three.

        Args:
            orths: ORTH (n,) of the tokens, chunk after chunk.
            owners: (n,) the chunk of each token.
            count: number of chunks; each has at least one token.
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
    """Return the rules of a tokenizer; None if a rule is for several chunks, because any chunk could be part of it."""
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
    """Return a key for each pair of keys; two pairs have one key as rarely as two words have one hash in spaCy."""
    return left * _MIX + right


def _keys(strings: StringStore, tokens: Iterable[str]) -> Keys:
    return np.array([strings[token] for token in tokens], dtype=np.uint64)


def _sorted_keys(strings: StringStore, tokens: Iterable[str]) -> Keys:
    return np.unique(_keys(strings, tokens))

"""A long document's text tokenized in parts, with the tokens of the whole.

Where a text holds one word for which the tokenizer has a rule, spaCy looks for such words in all of it, which doubles
the time a token. So a long text is tokenized in parts, cut where no token changes.

Rules could look across such a cut. spaCy looks for a rule's word as a run of the tokens that its affixes make of it,
whatever spaces stand between (``_apply_special_cases`` of ``spacy/tokenizer.pyx``). A cut lies behind whitespace that
is a token, or between two letters or digits. So it is safe where no rule's word holds whitespace or comes apart there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from shardner.engine.fused.tokens import Tokens

if TYPE_CHECKING:
    from spacy.tokenizer import Tokenizer  # type: ignore[import-not-found]

#: Characters of a part.
PART_CHARS = 400


def may_part(tokenizer: Tokenizer) -> bool:
    """Tell whether no rule of spaCy's tokenizer looks across a cut between parts."""
    from spacy.tokenizer import Tokenizer
    from spacy.vocab import Vocab

    affixes = ("prefix_search", "suffix_search", "infix_finditer", "token_match", "url_match")
    bare = Tokenizer(Vocab(), **{name: getattr(tokenizer, name) for name in affixes})
    words = [word for word in tokenizer.rules or () if not word.isspace()]
    return not any(
        any(map(str.isspace, word))
        or any(left.text[-1].isalnum() and right.text[0].isalnum() for left, right in pairwise(bare(word)))
        for word in words
    )


def join_tokens(tokens: Tokens, parts: Sequence[str]) -> Tokens:
    """Return the tokens of consecutive parts of a text, IDX among their attributes, as those of one document."""
    begins = np.cumsum([0, *map(len, parts[:-1])]).astype(np.uint64)
    values = tokens.values.copy()
    values[:, tokens.columns["IDX"]] += np.repeat(begins, tokens.lengths)
    return Tokens(values, tokens.columns, np.array([len(tokens)], dtype=np.int64))

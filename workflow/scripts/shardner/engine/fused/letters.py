"""A tokenizer that is spared looking for affixes where there can be none: in a word of nothing but ASCII letters.

Looking for affixes takes most of the time for a word that was not met before, and most such words are of letters alone.
The patterns for affixes are about punctuation, digits, and letters next to these; that each needs a character which is
no ASCII letter can be seen from the pattern, and it is seen here, not assumed. A pattern of which it cannot be said
is asked as before. The tokens are the same either way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from string import ascii_letters
from typing import TYPE_CHECKING, Any

try:  # what `re` compiles from; not documented, so do without it where it has gone
    from re import _constants as codes  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # pragma: no cover
    codes = parser = None

if TYPE_CHECKING:
    from spacy.tokenizer import Tokenizer  # type: ignore[import-not-found]

_LETTERS = frozenset(map(ord, ascii_letters))


def spare_letters(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer that gives the same tokens, and looks for no affixes in words of ASCII letters."""
    from spacy.tokenizer import Tokenizer

    finds: dict[str, Any] = {
        name: getattr(tokenizer, name)
        for name in ("prefix_search", "suffix_search", "infix_finditer", "token_match", "url_match")
    }
    return Tokenizer(
        tokenizer.vocab,
        rules=tokenizer.rules,
        faster_heuristics=tokenizer.faster_heuristics,
        max_cache_size=tokenizer.max_cache_size,
        **{name: find and _spared(find) for name, find in finds.items()},
    )


def _spared(find: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return what finds the same as a pattern's method does, but in words of letters nothing at once."""
    pattern = getattr(find, "__self__", None)
    if not isinstance(pattern, re.Pattern) or not needs_other_than_letters(pattern):
        return find
    nothing = () if find.__name__ == "finditer" else None

    def look(text: str) -> Any:
        return nothing if text.isascii() and text.isalpha() else find(text)

    return look


def needs_other_than_letters(pattern: re.Pattern[str]) -> bool:
    """Tell whether a pattern finds nothing in a text of ASCII letters; if in doubt, not."""
    if parser is None or pattern.flags & re.IGNORECASE:
        return False
    return _any_needs(parser.parse(pattern.pattern, pattern.flags))


def _any_needs(nodes: Iterable[tuple[Any, Any]]) -> bool:
    """Tell whether one of these, which must match one after the other, needs a character that is no letter."""
    return any(_needs(code, value) for code, value in nodes)


def _needs(code: Any, value: Any) -> bool:
    if code is codes.LITERAL:
        return value not in _LETTERS
    if code is codes.IN:
        return not any(_holds(value, letter) for letter in _LETTERS)
    if code is codes.BRANCH:
        return all(map(_any_needs, value[1]))
    if code is codes.SUBPATTERN:
        _, added_flags, _, nodes = value
        return not added_flags & re.IGNORECASE and _any_needs(nodes)
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        least, _, nodes = value
        return least > 0 and _any_needs(nodes)
    if code is codes.ASSERT:
        return _any_needs(value[1])
    return False


def _holds(members: Iterable[tuple[Any, Any]], letter: int) -> bool:
    """Tell whether a set of characters, as in ``[...]``, holds a letter."""
    held, negated = False, False
    for code, value in members:
        if code is codes.NEGATE:
            negated = True
        elif code is codes.LITERAL:
            held |= value == letter
        elif code is codes.RANGE:
            held |= value[0] <= letter <= value[1]
        else:  # a category, of which those without letters are these
            held |= value not in (codes.CATEGORY_DIGIT, codes.CATEGORY_SPACE, codes.CATEGORY_NOT_WORD)
    return held is not negated

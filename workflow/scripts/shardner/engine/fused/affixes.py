"""A tokenizer that does not search for affixes where there can be none.

The search for affixes takes most of the time that a new word costs. Two things make it unnecessary or shorter. They are
not assumed, but read from the tokenizer's patterns. Where they do not follow from a pattern, the whole word is searched
with it, as before. The tokens are the same.

- Affixes are punctuation, digits, and letters next to these. So a word that consists of ASCII letters has none.
- A suffix ends where the word ends and is short. So it begins among the last few characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from string import ascii_letters
from typing import TYPE_CHECKING, Any

try:  # how `re` parses patterns; it is not documented, so everything works without it, too
    from re import _constants as codes  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # pragma: no cover
    codes = parser = None

if TYPE_CHECKING:
    from spacy.tokenizer import Tokenizer  # type: ignore[import-not-found]

#: What a tokenizer looks for in a chunk.
FINDS = ("prefix_search", "suffix_search", "infix_finditer", "token_match", "url_match")

#: Characters of the longest suffix that counts as short.
_LONGEST_SUFFIX = 16
_LETTERS = frozenset(map(ord, ascii_letters))


def skip_search(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer that makes the same tokens and searches less."""
    from spacy.tokenizer import Tokenizer

    finds: dict[str, Any] = {name: getattr(tokenizer, name) for name in FINDS}
    return Tokenizer(
        tokenizer.vocab,
        rules=tokenizer.rules,
        faster_heuristics=tokenizer.faster_heuristics,
        max_cache_size=tokenizer.max_cache_size,
        **{name: find and _skipping(find) for name, find in finds.items()},
    )


def leaves_letters_alone(tokenizer: Tokenizer) -> bool:
    """Tell whether a word of ASCII letters is one token unless a rule splits it; False if that is not known."""
    finds = [getattr(tokenizer, name) for name in FINDS]
    patterns = [getattr(find, "__self__", None) for find in finds if find]
    return all(isinstance(each, re.Pattern) and needs_other_than_letters(each) for each in patterns)


def _skipping(find: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a function that finds the same as `find`, a method of a pattern, and searches less."""
    pattern = getattr(find, "__self__", None)
    if not isinstance(pattern, re.Pattern) or not needs_other_than_letters(pattern):
        return find
    nothing = () if find.__name__ == "finditer" else None
    last = longest_at_end(pattern) if find.__name__ == "search" else None
    if last is None:
        return lambda text: nothing if text.isascii() and text.isalpha() else find(text)
    search, few = pattern.search, last + 1  # a match may end before a line break that ends the text

    def look(text: str) -> Any:
        if text.isascii() and text.isalpha():
            return None
        return search(text, max(0, len(text) - few)) if any(map(str.isalnum, text[-few:])) else search(text)

    return look


def needs_other_than_letters(pattern: re.Pattern[str]) -> bool:
    """Tell whether a pattern finds nothing in a text of ASCII letters; False if that is not known."""
    if parser is None or pattern.flags & re.IGNORECASE:
        return False
    return _any_needs(parser.parse(pattern.pattern, pattern.flags))


def longest_at_end(pattern: re.Pattern[str]) -> int | None:
    """Return how many characters a pattern matches at most in a text whose last characters have a letter or a digit.

    None if the pattern might match elsewhere than at the end of a text, or match any number of letters and digits.
    """
    if parser is None:
        return None
    nodes = list(parser.parse(pattern.pattern, pattern.flags))
    if len(nodes) != 1 or nodes[0][0] is not codes.BRANCH or pattern.flags & (re.MULTILINE | re.IGNORECASE):
        return None
    longest = 0
    for alternative in nodes[0][1][1]:
        if not len(alternative) or alternative[-1] != (codes.AT, codes.AT_END):
            return None
        width = alternative.getwidth()[1]
        if width <= _LONGEST_SUFFIX:
            longest = max(longest, width)
        elif not _takes_no_alphanumeric(alternative):
            return None
    return longest


def _takes_no_alphanumeric(nodes: Iterable[tuple[Any, Any]]) -> bool:
    """Tell whether these match no letter and no digit; False if that is not known."""
    for code, value in nodes:
        if code is codes.LITERAL:
            taken = chr(value).isalnum()
        elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            taken = not _takes_no_alphanumeric(value[2])
        else:
            taken = code is not codes.AT
        if taken:
            return False
    return True


def _any_needs(nodes: Iterable[tuple[Any, Any]]) -> bool:
    """Tell whether one of these, all of which must match, needs a character other than a letter."""
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
    """Tell whether a set of characters, as in ``[...]``, contains a letter."""
    held, negated = False, False
    for code, value in members:
        if code is codes.NEGATE:
            negated = True
        elif code is codes.LITERAL:
            held |= value == letter
        elif code is codes.RANGE:
            held |= value[0] <= letter <= value[1]
        else:  # a category; these have no letters
            held |= value not in (codes.CATEGORY_DIGIT, codes.CATEGORY_SPACE, codes.CATEGORY_NOT_WORD)
    return held is not negated

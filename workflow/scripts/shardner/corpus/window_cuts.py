"""Where a long text can be cut without a change of its tokens, and where its windows end.

spaCy's tokenizer first splits a text at whitespace. A single space belongs to the word before it; a longer run of
whitespace is a token by itself. So a text can be cut after whitespace and before a word without changing a token. If
the whitespace is a single space, both its neighbours must be letters or digits: a rule of the tokenizer that matches
several tokens in a row (an emoticon, for example) looks past a single space.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

#: A place where a cut changes no token. The characters around the place are looked at, but are not part of the match.
CLEAN = re.compile(r"(?<=[^\S ])(?=\S)|(?<=\s )(?=\S)|(?<=[^\W_] )(?=[^\W_])")

#: How many characters are searched at once, backwards.
_STEP = 256
#: By how many characters a window that must end inside a word may be shorter, so as not to split a combined character.
_COMBINED = 32


def find_last_clean(text: str, begin: int, end: int) -> int | None:
    """Return the last place in [begin, end] at which cutting `text` changes no token."""
    high, step = end, _STEP
    while high >= begin:
        low = max(begin, high - step)
        # one character more than `high`: the pattern looks at the character after a cut
        found = [match.start() for match in CLEAN.finditer(text, low, high + 1) if match.start() <= high]
        if found:
            return found[-1]
        high, step = low - 1, 2 * step
    return None


def find_first_clean(text: str, begin: int, end: int) -> int | None:
    """Return the first place in [begin, end] at which cutting `text` changes no token."""
    match = CLEAN.search(text, begin, end + 1)
    return match.start() if match is not None and match.start() <= end else None


def cut_windows(pieces: Iterable[str], max_chars: int) -> Iterator[str]:
    """Yield a document's windows: at most `max_chars` characters each, cut where no token changes if that is possible.

    Args:
        pieces: the document's text, in pieces of any length.
        max_chars: the most characters of a window; a document that is not longer is one window.
    """
    buffer, yielded = "", False
    for piece in pieces:
        buffer += piece
        begin = 0
        while len(buffer) - begin > max_chars:
            end = _find_end(buffer, begin, max_chars)
            yield buffer[begin:end]
            begin, yielded = end, True
        buffer = buffer[begin:]
    if buffer or not yielded:
        yield buffer


def _find_end(text: str, begin: int, max_chars: int) -> int:
    """Return where the window that begins at `begin` ends; more than `max_chars` characters follow `begin`."""
    limit = begin + max_chars
    clean = find_last_clean(text, begin + max(max_chars // 2, 1), limit)
    if clean is not None:
        return clean
    end = limit
    while end > max(limit - _COMBINED, begin + max_chars // 2) and _are_combined(text[end - 1], text[end]):
        end -= 1
    return end


def _are_combined(left: str, right: str) -> bool:
    """Tell whether two characters are shown as one, or end a line together."""
    joins = "\u200d" in (left, right)  # as in an emoji that is made of several
    return joins or (left == "\r" and right == "\n") or unicodedata.category(right)[0] == "M"

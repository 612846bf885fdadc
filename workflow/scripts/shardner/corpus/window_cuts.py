"""Where a long text can be cut so that its tokens stay what they are, and where its windows end.

spaCy's tokenizer takes a text apart at whitespace first. A single space belongs to the word before it, a longer run of
whitespace is a token by itself. So in front of a word, behind whitespace, a text can be cut without changing a token.
Around a single space both neighbours must be letters or digits: a rule of the tokenizer for several tokens in a row
(an emoticon, say) looks past a single space.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

#: A place at which no token changes. What stands behind the alternatives is looked at, never taken.
CLEAN = re.compile(r"(?<=[^\S ])(?=\S)|(?<=\s )(?=\S)|(?<=[^\W_] )(?=[^\W_])")

#: Characters that are searched at once, backwards.
_STEP = 256
#: Characters by which a window that has to end inside of a word may be shorter, so as not to part what is combined.
_COMBINED = 32


def find_last_clean(text: str, begin: int, end: int) -> int | None:
    """Return the last place in [begin, end] at which cutting `text` changes no token."""
    high, step = end, _STEP
    while high >= begin:
        low = max(begin, high - step)
        # to one beyond `high`: what follows a cut is looked at
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
        pieces: the document's text, in parts of any length.
        max_chars: a document of at most so many is one window.
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
    """Return where the window that begins at `begin` ends; more than `max_chars` characters follow."""
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
    joins = "\u200d" in (left, right)  # as in emoji of several
    return joins or (left == "\r" and right == "\n") or unicodedata.category(right)[0] == "M"

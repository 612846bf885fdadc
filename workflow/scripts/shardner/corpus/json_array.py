"""The elements of a JSON array of objects, one after the other: the array may be larger than memory.

Where an element ends is found by its brackets alone; whether it is JSON is for its reader to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from shardner.errors import CorpusError

#: An array shows within so many bytes that it is one.
SHOWN_BYTES = 1 << 16
#: How many bytes are read at once, at least.
_PIECE_BYTES = 1 << 20
_BLANKS = b" \t\r\n"
_ARRAY_OF_OBJECTS = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\[[ \t\r\n]*(?:\{|\][ \t\r\n]*\Z)")
# A string, or what gives a structure. A quotation mark alone begins a string that ends beyond the bytes at hand.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)


class Pieces(Protocol):
    """What an array can be read from."""

    def read1(self, size: int = -1, /) -> bytes:
        """Return some of the next bytes, `size` at most; nothing at the end."""


class Element(NamedTuple):
    """An element of an array, without the blanks around it."""

    offset: int  # of its first byte in the stream
    raw: bytes


def is_array(start: bytes) -> bool:
    """Tell from the first `SHOWN_BYTES` of a stream whether it is an array of objects, or nothing but an empty one.

    A first line of JSON lines that is another array is a record that is rejected.
    """
    return _ARRAY_OF_OBJECTS.match(start) is not None


def read_elements(stream: Pieces, name: str, most_bytes: int) -> Iterator[Element]:
    """Yield the elements of a stream that `is_array`, in their order.

    Args:
        stream: where to read.
        name: of the file, for messages.
        most_bytes: of one element.

    Raises:
        CorpusError: the array does not end, something follows it, or an element has more bytes; what stands before
            has been yielded by then.
    """
    data = stream.read1(_PIECE_BYTES)
    base = at = depth = begin = 0  # the element begins at `begin` in `data`, which begins at `base` in the stream
    some = False  # whether there was an element before
    while True:
        for token in _TOKEN.finditer(data, at):
            char = data[token.start()]
            if char == b'"'[0]:
                if token.end() - token.start() == 1:
                    break
            elif char in b"[{":
                depth += 1
                if depth == 1:
                    begin = token.end()
            elif char in b"]}" and (depth > 1 or char == b"]"[0]):  # a brace too many is the element's, and no JSON
                depth -= 1
            if depth == 0 or (depth == 1 and char == b","[0]):
                if some or depth or data[begin : token.start()].strip(_BLANKS):
                    yield _cut(data, begin, token.start(), base)
                begin, some = token.end(), True
            at = token.end()
            if depth == 0:
                _refuse_rest(data[at:], stream, name)
                return
        else:
            at = len(data)
        data, base, at, begin = data[begin:], base + begin, at - begin, 0
        if len(data) > most_bytes:
            raise CorpusError(f"{name}: an element of its array, at byte {base}, has more than {most_bytes:,} bytes")
        more = _read(stream, max(_PIECE_BYTES, len(data)))
        if not more:
            raise CorpusError(f"{name}: ends in the middle of its array: it is truncated; fetch or make it again")
        data += more


def _cut(data: bytes, begin: int, end: int, base: int) -> Element:
    """Return an element; where there is none between two commas, the second one, which is no JSON."""
    raw = data[begin:end]
    inner = raw.lstrip(_BLANKS)
    if not inner:
        return Element(base + end, data[end : end + 1])
    return Element(base + end - len(inner), inner.rstrip(_BLANKS))


def _read(stream: Pieces, size: int) -> bytes:
    """Read more at once the more there is already: so a large element is not copied again for every piece."""
    pieces: list[bytes] = []
    while size > 0 and (piece := stream.read1(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _refuse_rest(rest: bytes, stream: Pieces, name: str) -> None:
    while rest or (rest := stream.read1(_PIECE_BYTES)):
        if found := rest.strip(_BLANKS):
            raise CorpusError(
                f"{name}: something follows its array ({found[:20]!r}): a file holds one array, or an object a line"
            )
        rest = b""

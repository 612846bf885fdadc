"""Text in other encodings than UTF-8: made into UTF-8 while it is read, and recognised where nobody said so.

The name of an encoding may end with ``-cr``: then a carriage return alone ends a line, as on old Macs.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from shardner.config import CARRIAGE_RETURNS

#: What stands for bytes that are no text in their encoding: no UTF-8 either, so the record that holds it is rejected.
_NO_TEXT = "\udcff"
_HANDLER = "shardner.no-text"
_ALONE = re.compile(r"\r(?!\n)")


def _mark(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError):
        return _NO_TEXT, error.end
    assert isinstance(error, UnicodeEncodeError)
    return b"\xff" * (error.end - error.start), error.end


codecs.register_error(_HANDLER, _mark)


def as_utf8(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    r"""Yield text in UTF-8. A byte ``FF`` stands for each stretch of bytes that is no text in `encoding`.

    Args:
        pieces: of the text, cut anywhere.
        encoding: of the text. Where its name ends with ``-cr``, each ``\r`` without a ``\n`` behind it becomes ``\n``.
    """
    name = encoding.removesuffix(CARRIAGE_RETURNS)
    texts = _decode(pieces, name)
    for text in texts if name == encoding else _end_lines(texts):
        yield text.encode("utf-8", _HANDLER)


def _decode(pieces: Iterator[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(_HANDLER)
    yield from map(decoder.decode, pieces)
    yield decoder.decode(b"", final=True)


def _end_lines(texts: Iterator[str]) -> Iterator[str]:
    r"""Make ``\n`` of each ``\r`` that is alone; one at the end of a piece waits for the next."""
    held = ""
    for piece in texts:
        text = held + piece
        held = "\r" if text.endswith("\r") else ""
        yield _ALONE.sub("\n", text.removesuffix("\r"))
    yield held.replace("\r", "\n")


def is_utf8(start: bytes) -> bool:
    """Tell whether the first bytes of a text are UTF-8; the last character may have been cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return True


#: So many bytes that are no UTF-8 must be part of words before an encoding is suggested.
_ENOUGH = 2
_HIGH = re.compile(rb"[\x80-\xff]+")
#: Marks of Windows-1252 that stand beside words, or between them.
_MARKS = frozenset(bytes.fromhex("808591929394959697 99a0a1a3a7a9abaeb0b7bbbf").decode("cp1252"))


def find_windows_1252(start: bytes) -> str | None:
    """Return a word that shows that text is not UTF-8 but, as it seems, Windows-1252; None where nothing does.

    That is so where no character is in UTF-8 but those of ASCII, and every other byte is a letter or mark that is in
    place.

    Args:
        start: the first bytes of the text.
    """
    if start.isascii():
        return None
    start = start[: start.rfind(b"\n") + 1] or start.rstrip(bytes(range(0x80, 0x100)))  # a character may have been cut
    found = list(_HIGH.finditer(start))
    if sum(len(each[0]) for each in found) < _ENOUGH or not all(_is_in_place(start, *each.span()) for each in found):
        return None
    words = (_word_around(start, each.start()) for each in found)
    return max(words, key=lambda word: sum(map(str.isalpha, word)))


def _is_in_place(start: bytes, begin: int, end: int) -> bool:
    """Tell whether bytes that are not ASCII are no UTF-8, and letters in a word or marks in Windows-1252."""
    run = start[begin:end]
    try:
        run.decode()
    except UnicodeDecodeError:
        pass
    else:
        return False
    try:
        chars = run.decode("cp1252")
    except UnicodeDecodeError:
        return False
    beside = start[max(begin - 1, 0) : end + 1].decode("cp1252", "replace")
    in_word = sum(map(str.isalpha, beside)) > 1
    return all(char in _MARKS or (char.isalpha() and in_word) for char in chars)


def _word_around(start: bytes, at: int) -> str:
    near = start[max(at - 20, 0) : at + 20].decode("cp1252", "replace")
    place = min(at, 20)
    words = re.finditer(r"\w+", near)
    return next((word[0] for word in words if word.start() <= place < word.end()), "")

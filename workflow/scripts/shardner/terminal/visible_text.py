"""Text of unknown origin, made visible: no character of it acts on a terminal or on the text around it."""

from __future__ import annotations

import re

#: Control characters except tab and newline, marks that reorder the text around them, and code points that a UTF-8
#: file may not hold or should not hold.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def show_controls(text: str) -> str:
    """Replace control characters by visible ones: ESC becomes ␛, others become their picture or U+FFFD."""
    return _CONTROL.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "\N{REPLACEMENT CHARACTER}"


def one_line(text: str, limit: int) -> str:
    """Return text on one line, without control characters, cut to `limit` characters."""
    shown = show_controls(" ".join(text[: limit * 4].split(" ")).replace("\n", "⏎").replace("\t", " "))
    return shown if len(shown) <= limit and len(text) <= limit * 4 else shown[: limit - 1] + "…"

"""A line that stays at the bottom of a terminal, below the messages of a logger."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import Any, TextIO

_CLEAR = "\r\x1b[K"


class LiveLine:
    """The last line of a terminal to which a log handler writes.

    A message of the handler removes the line first; the next `show` draws it again below the message.
    """

    def __init__(self, handler: logging.StreamHandler[TextIO]) -> None:
        self._handler = handler
        self._stream = handler.stream
        self.shown = False
        handler.setStream(_StreamAbove(self._stream, self))  # type: ignore[arg-type]

    def show(self, line: str) -> None:
        """Show a line, cut to the width of the terminal, in place of the one before."""
        self._write(_CLEAR + line[: _width(self._stream) - 1], shown=True)

    def close(self) -> None:
        """Remove the line and give the handler its stream back."""
        self.clear()
        self._handler.setStream(self._stream)

    def clear(self) -> None:
        """Remove the line."""
        if self.shown:
            self._write(_CLEAR, shown=False)

    def _write(self, text: str, *, shown: bool) -> None:
        self._handler.acquire()  # not in the middle of a message
        try:
            self._stream.write(text)
            self._stream.flush()
            self.shown = shown
        finally:
            self._handler.release()


class _StreamAbove:
    """The terminal as the handler is given it: what the handler writes comes above the line."""

    def __init__(self, stream: TextIO, line: LiveLine) -> None:
        self._stream, self._line = stream, line

    def write(self, text: str) -> int:
        self._line.clear()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def live_line(handlers: Iterable[logging.Handler]) -> LiveLine | None:
    """Return a line below the messages of the first handler that writes to a terminal; None where no handler does."""
    for handler in handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            if handler.stream.isatty() and os.environ.get("TERM") != "dumb":
                return LiveLine(handler)
    return None


def _width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80

from __future__ import annotations

import logging
import os
import pty
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from shardner.terminal.live_line import live_line

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, TextIO]]:
    """A terminal 30 columns wide: what is read of it, and what is written to."""
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (10, 30))
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        yield ours, stream
    os.close(ours)


def read(terminal: int) -> str:
    return os.read(terminal, 10_000).decode().replace("\r\n", "\n")


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("run", logging.INFO, "", 0, text, None, None)


def test_messages_come_above_the_line_which_is_gone_in_the_end(terminal: tuple[int, TextIO]) -> None:
    handler = logging.StreamHandler(terminal[1])
    line = live_line([logging.NullHandler(), handler])
    assert line is not None
    line.show("10 %")
    assert read(terminal[0]) == "\r\x1b[K10 %"
    handler.handle(record("a message"))
    assert read(terminal[0]) == "\r\x1b[Ka message\n"
    handler.handle(record("another"))
    assert read(terminal[0]) == "another\n"
    line.show("20 %")
    line.close()
    assert read(terminal[0]) == "\r\x1b[K20 %\r\x1b[K" and handler.stream is terminal[1]


def test_a_line_is_cut_to_the_width_of_the_terminal(terminal: tuple[int, TextIO]) -> None:
    line = live_line([logging.StreamHandler(terminal[1])])
    assert line is not None
    line.show("█" * 100)
    assert read(terminal[0]).count("█") == 29


def test_there_is_no_line_but_on_a_terminal(
    terminal: tuple[int, TextIO], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "log").open("w") as file:
        assert live_line([logging.StreamHandler(file)]) is None
    assert live_line([]) is None
    monkeypatch.setenv("TERM", "dumb")
    assert live_line([logging.StreamHandler(terminal[1])]) is None

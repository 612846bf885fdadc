from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import pytest
from report_fixture import LEFT_OUT, Shape, build_run
from rich.console import Console
from shardner.report.figures import RejectedFigure
from shardner.report.performance_file import load_performance
from shardner.report.summary import print_summary
from shardner.report.write import write_report


def printed(directory: Path, *, width: int = 100, extra: list[tuple[str, str, str]] | None = None, shape: Shape) -> str:
    run = build_run(directory, shape, extra)
    write_report(**run.arguments(directory))
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None)
    print_summary(load_performance(directory / "performance.json"), console, [directory / "report.html"])
    return stream.getvalue()


def test_summary_fits_a_screen_and_says_what_matters(tmp_path: Path) -> None:
    text = printed(tmp_path, shape=Shape(), width=90).replace("\N{NO-BREAK SPACE}", " ")
    assert len(text.splitlines()) <= 24
    for part in ("entities in 240 documents", "tokens/s", "PERSON", "rejected", "start-up", "advice", "against gold"):
        assert part in text
    assert "report.html" in text.replace("\n", "").replace(" ", "")


def test_summary_foretells_ten_times_as_much_where_the_run_was_long_enough(tmp_path: Path) -> None:
    long = printed(tmp_path / "long", shape=Shape(chars_factor=10_000)).replace("\N{NO-BREAK SPACE}", " ")
    assert re.search(r"ten times  as much: about [\d.]+ \w+ here, [\d.]+ \w+ on 16 GPUs", long)
    assert "ten times" not in printed(tmp_path / "short", shape=Shape(shards=2, shard_s=2))


def test_summary_names_the_three_most_frequent_reasons(tmp_path: Path) -> None:
    performance = build_run(tmp_path, Shape()).measure()
    reasons = tuple(RejectedFigure(f"reason {at}", 9 - at, "", "", None, None, "") for at in range(5))
    stream = io.StringIO()
    print_summary(dataclasses.replace(performance, rejected=reasons), Console(file=stream, width=200))
    text = stream.getvalue().replace("\N{NO-BREAK SPACE}", " ")
    assert "9 of them: reason 0; 8 of them: reason 1; 7 of them: reason 2" in text and "reason 3" not in text


def test_summary_says_what_was_left_out(tmp_path: Path) -> None:
    text = " ".join(printed(tmp_path, shape=Shape(), width=120).split())
    assert f"left out {LEFT_OUT}" in text
    assert "whole 200 sampled documents against the whole pipeline, 197 identical, 1 near-tie, 2 other without" in text


def test_summary_of_an_empty_corpus(tmp_path: Path) -> None:
    text = printed(tmp_path, shape=Shape(documents=0, shards=1, rejected=0))
    assert "no entities" in text
    assert "no documents" in text


@pytest.mark.parametrize("hostile", ["[bold red]x[/]", "[/nonsense]", "\x1b[2J\x1b]0;owned\x07", "\u202eabc", "a\rb"])
def test_labels_and_reasons_are_inert_on_the_terminal(tmp_path: Path, hostile: str) -> None:
    extra = [(f"id {i}", hostile, hostile) for i in range(240)]
    text = printed(tmp_path, shape=Shape(rejected=0), extra=extra, width=300)
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(text)
    if hostile.startswith("["):
        assert hostile in text

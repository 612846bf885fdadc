"""The run before this one, beside it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from report_fixture import Shape, build_run
from shardner.data.files import keep_copy
from shardner.report.figures import LabelFigure, LastRun
from shardner.report.last_run import MOST_LABELS, compare_labels, read_last
from shardner.report.write import write_report

#: Python reads and writes this, though it is no JSON.
INFINITE = '{"model": {"name": "a", "version": "1"}, "headline": {"documents": Infinity}}'


def test_what_changed_since_the_last_run_is_on_the_page(tmp_path: Path) -> None:
    first, second = build_run(tmp_path / "a", Shape(documents=40)), build_run(tmp_path / "b", Shape(documents=60))
    write_report(**first.arguments(tmp_path / "a"))
    keep_copy(tmp_path / "a/performance.json", tmp_path / "last.json")
    performance = write_report(**second.arguments(tmp_path / "b", last=tmp_path / "last.json"))
    assert performance.last_run is not None
    assert (performance.last_run.documents, performance.headline.documents) == (40, 60)
    assert performance.last_run.labels == {each.label: each.entities for each in first.measure().labels}
    page = (tmp_path / "b/report.html").read_text("utf-8")
    assert "The last run beside this one" in page and 'href="#last"' in page and "+20" in page


def test_the_same_run_is_no_last_run(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    write_report(**run.arguments(tmp_path))
    performance = write_report(**run.arguments(tmp_path, last=tmp_path / "performance.json"))
    assert performance.last_run is None
    assert "The last run" not in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"headline": {"documents": "many"}}', INFINITE, "\ufffd"])
def test_figures_that_cannot_be_read_are_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "last.json").write_text(text, "utf-8")
    headline = build_run(tmp_path).measure().headline
    assert read_last(tmp_path / "last.json", headline) is None
    assert read_last(tmp_path / "none.json", headline) is None


def test_what_is_not_there_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "last.json").write_text("{}")
    keep_copy(tmp_path / "performance.json", tmp_path / "last.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff")
    keep_copy(tmp_path / "bytes.json", tmp_path / "last.json")
    assert json.loads((tmp_path / "last.json").read_text()) == {}


def test_labels_that_differ_most_come_first() -> None:
    now = [LabelFigure("A", 10, 0.5), LabelFigure("B", 5, 0.25), LabelFigure("C", 5, 0.25)]
    last = LastRun("p 1", 1, 0, 20, 1.0, 1.0, {"A": 12, "C": 5, "D": 9})
    changes = [(each.label, each.entities, each.last) for each in compare_labels(now, last)]
    assert changes == [("D", 0, 9), ("B", 5, 0), ("A", 10, 12)]
    many = dataclasses.replace(last, labels={f"L{at}": at for at in range(40)})
    assert len(compare_labels(now, many)) == MOST_LABELS

"""What the demo reads is there, is plain text, and has a source."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from making import ROOT
from shardner.config import parse_config
from shardner.corpus.patterns import expand_files

PAGES = sorted((ROOT / "demo").glob("*.txt"))


def test_the_demo_as_shipped_reads_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert [ROOT / path for path in expand_files(parse_config({}).corpus)] == PAGES
    assert 300_000 < sum(path.stat().st_size for path in PAGES) < 500_000


def test_every_file_has_an_author_a_work_a_year_and_a_number() -> None:
    about = (ROOT / "demo/README.md").read_text("utf-8")
    rows = re.findall(r"^\| `(.+)` \| (.+) \| (.+) \| (\d{4}) \| (\d+) \|$", about, re.MULTILINE)
    assert [name for name, *_ in rows] == [path.name for path in PAGES]
    assert all(int(printed) < 1929 for *_, printed, _ in rows)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_pages_are_whole_paragraphs_of_plain_text(path: Path) -> None:
    text = path.read_bytes().decode("utf-8")
    assert unicodedata.normalize("NFC", text) == text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ufffd<>_]|Â|â€", text)
    not_the_books = r"gutenberg|\be-?(text|book)|licen[sc]e agreement|trademark|transcriber|illustration:"
    assert not re.search(not_the_books, text, re.IGNORECASE)
    assert all(line == line.strip() and line for line in text.splitlines())

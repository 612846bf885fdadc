"""Bad input, one table of it: each kind is a row of ``rejected.parquet`` with its place, or refused before any job."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from making import make_texts, run_workflow, write_jsonl

GOOD = [b'{"id": "%s-a", "text": "Ada works in London."}\n', b'{"id": "%s-b", "text": "She paid $1,200."}\n']

#: Between two good records of JSON lines: what the record is, and what the reason says.
LINES = {
    "broken": (b'{"id": "x", "text": "Ada\n', "malformed JSON"),
    "two_values": (b'{"id": "x", "text": "Ada"} {"id": "y"}\n', "malformed JSON"),
    "no_object": (b'["x", "Ada"]\n', "object"),
    "no_text": (b'{"id": "no-text"}\n', "text"),
    "null_text": (b'{"id": "null-text", "text": null}\n', "text"),
    "number_as_text": (b'{"id": "number", "text": 7}\n', "text"),
    "no_id": (b'{"text": "Ada"}\n', "id"),
    "null_id": (b'{"id": null, "text": "Ada"}\n', "id"),
    "list_as_id": (b'{"id": ["x"], "text": "Ada"}\n', "id"),
    "long_id": (b'{"id": "%s", "text": "Ada"}\n' % (b"x" * 2_000), "id"),
    "duplicate": (b'{"id": "duplicate-a", "text": "Ada"}\n', "duplicate id"),
    "no_utf8": (b'{"id": "latin", "text": "M\xfcller"}\n', "UTF-8"),
    "half_character": (b'{"id": "surrogate", "text": "\\ud83d"}\n', "surrogate"),
    "only_wide_blanks": ("\u2003\u3000\n".encode(), "malformed JSON"),
    "not_a_number": (b'{"id": "nan", "text": NaN}\n', "NaN is no JSON value"),
}


def write_kinds(directory: Path) -> list[Path]:
    """Write a file for each kind of bad record: a good one, the bad one, a good one."""
    paths = []
    for kind, (bad, _) in LINES.items():
        path = directory / f"{kind}.jsonl"
        first, last = (line % kind.encode() for line in GOOD)
        path.write_bytes(first + bad + last)
        paths.append(path)
    return paths


def test_each_kind_of_bad_record_is_rejected_with_its_place_and_reason(tiny_pipeline: Path, tmp_path: Path) -> None:
    paths = write_kinds(tmp_path)
    table = tmp_path / "short_row.csv"
    table.write_bytes(b'id,text\nc-a,"Ada"\nshort\nc-b,Jane\n')
    columns = tmp_path / "nulls.parquet"
    pl.DataFrame({"id": ["p-a", "p-x", "p-b"], "text": ["Ada", None, "Jane"]}).write_parquet(columns)
    given = {
        "corpus": {"files": [str(path) for path in (*paths, table, columns)]},
        "model": {"name": str(tiny_pipeline)},
    }
    done = run_workflow(tmp_path, given, *(f"results/{name}.parquet" for name in ("documents", "rejected")))
    assert done.returncode == 0, done.stderr
    documents = pl.read_parquet(tmp_path / "results/documents.parquet")
    assert documents.height == 2 * (len(LINES) + 2)
    rejected = {
        Path(row["file"]).stem: row for row in pl.read_parquet(tmp_path / "results/rejected.parquet").to_dicts()
    }
    wanted = {
        **{kind: reason for kind, (_, reason) in LINES.items()},
        "short_row": "1 fields where the header has 2",
        "nulls": "text",
    }
    assert rejected.keys() == wanted.keys()
    for kind, reason in wanted.items():
        assert rejected[kind]["row"] == 1 and reason in rejected[kind]["reason"], rejected[kind]
        if kind in LINES:
            place = rejected[kind]["byte_offset"]
            assert (tmp_path / f"{kind}.jsonl").read_bytes()[place:].startswith(LINES[kind][0]), kind


def one_record() -> bytes:
    return b'{"id": "a", "text": "Ada works in London."}\n'


def parquet_without_end() -> bytes:
    whole = io.BytesIO()
    pl.DataFrame({"id": ["a"], "text": ["Ada"]}).write_parquet(whole)
    return whole.getvalue()[:-9]


#: What a file holds, its name, and what is said of it before any job.
REFUSED: dict[str, tuple[bytes, str, str]] = {
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "picture.jsonl", "none of the first"),
    "UTF-16": ('{"id": "a", "text": "Ada"}\n'.encode("utf-16"), "wide.jsonl", "UTF-16"),
    "compressed without its suffix": (gzip.compress(one_record()), "plain.jsonl", "gzip"),
    "not compressed, with the suffix": (one_record(), "packed.jsonl.gz", "gzip"),
    "Parquet without its end": (parquet_without_end(), "cut.parquet", "Parquet"),
    "other columns": (b"number,body\n1,Ada\n", "columns.csv", "text"),
    "another format": (b"%PDF-1.7\n", "paper.pdf", "paper.pdf"),
    "a name with braces": (one_record(), "{x}.jsonl", "{x}"),
}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.sweep) for kind in REFUSED])
def test_each_kind_of_bad_file_is_refused_before_any_job(kind: str, tiny_pipeline: Path, tmp_path: Path) -> None:
    content, name, said = REFUSED[kind]
    good = write_jsonl(tmp_path / "good.jsonl", make_texts(3))
    (tmp_path / name).write_bytes(content)
    given: dict[str, Any] = {
        "corpus": {"files": [str(good), str(tmp_path / name)]},
        "model": {"name": str(tiny_pipeline)},
    }
    done = run_workflow(tmp_path, given, "--dry-run")
    shown = done.stdout + done.stderr
    assert done.returncode != 0 and said in shown and name in shown, shown
    assert "Traceback" not in shown and not (tmp_path / "results").exists()


@pytest.mark.sweep
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.mkdir()])
def test_what_is_no_file_is_refused_before_any_job(
    make: Callable[[Path], None], tiny_pipeline: Path, tmp_path: Path
) -> None:
    path = tmp_path / "corpus.jsonl"
    make(path)
    given = {"corpus": {"files": [str(path)]}, "model": {"name": str(tiny_pipeline)}}
    done = run_workflow(tmp_path, given, "--dry-run", timeout=60)
    shown = done.stdout + done.stderr
    assert done.returncode != 0 and "corpus.jsonl" in shown and "Traceback" not in shown

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shardner.config import CorpusConfig, OnBadRecord, Quoting, Unit, parse_config
from shardner.corpus import batch as bounds
from shardner.corpus import delimited, streams, text
from shardner.corpus.read import read_corpus
from shardner.data.tables import RECORDS, REJECTED
from shardner.errors import CorpusError

BOM = b"\xef\xbb\xbf"
WINDOW = 500_000


def settings(**changes: Any) -> CorpusConfig:
    return replace(parse_config({}).corpus, files=(), **changes)


class Read:
    """All that reading some files gives."""

    def __init__(self, tmp_path: Path, *paths: Path, **changes: Any) -> None:
        self.batches = list(read_corpus(paths, settings(**changes), scratch=tmp_path, max_chars=WINDOW))
        self.records = pl.concat([batch.records for batch in self.batches])
        self.rejected = pl.concat([batch.rejected for batch in self.batches])
        assert dict(self.rejected.schema) == REJECTED
        assert {name: self.records.schema[name] for name in RECORDS} == RECORDS

    @property
    def texts(self) -> list[str]:
        return self.records["text"].to_list()

    @property
    def reasons(self) -> list[tuple[int, int, str]]:
        return self.rejected.select("row", "byte_offset", "reason").rows()


def write(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def read(tmp_path: Path, name: str, data: bytes, **changes: Any) -> Read:
    return Read(tmp_path, write(tmp_path, name, data), **changes)


# JSON lines


def test_jsonl_gives_id_file_row_and_text(tmp_path: Path) -> None:
    found = read(tmp_path, "a.jsonl", b'{"id": "x", "text": "one"}\n{"id": 7, "text": ""}\n')
    file = str(tmp_path / "a.jsonl")
    assert found.records.rows() == [("x", file, 0, "one"), ("7", file, 1, "")]
    assert found.rejected.height == 0


def test_jsonl_blank_lines_count_as_rows_but_are_no_records(tmp_path: Path) -> None:
    data = BOM + b'\r\n {"id": 1, "text": "a"} \r\n\n \t\n{"id": 2, "text": "b"}'
    found = read(tmp_path, "a.jsonl", data)
    assert found.records.select("row", "text").rows() == [(1, "a"), (4, "b")]
    assert found.rejected.height == 0


def test_jsonl_text_is_exact(tmp_path: Path) -> None:
    text = '\ufeff \U0001f600 \u2028\u2029\x85\r\n\t\x00\x0c"\\ e\u0301 '
    lines = [json.dumps({"id": n, "text": text}, ensure_ascii=ascii) for n, ascii in enumerate([True, False])]
    assert read(tmp_path, "a.jsonl", "\r\n".join(lines).encode()).texts == [text, text]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": 1, "text": "a"', "malformed JSON: Expecting ',' delimiter at character 21"),
        (b"no json", "malformed JSON: Expecting value at character 0"),
        (b'{"id": 1, "text": "a"} {}', "malformed JSON: something follows the value at character 22"),
        (b'{"id": 1, "text": "a", "x": NaN}', "malformed JSON: NaN is no JSON value"),
        (b'{"id": 1, "text": "a", "x": -Infinity}', "malformed JSON: -Infinity is no JSON value"),
        (b'{"id": 1, "text": "a\rb"}', "malformed JSON: Invalid control character at at character 20"),
        (b'{"id": 1, "text": "a", "x": ' + b"[" * 200_000, "malformed JSON: nested too deeply"),
        (b'{"id": 1, "text": "a", "x": ' + b"9" * 5_000 + b"}", "malformed JSON: an integer of too many digits"),
        (b'["id", "text"]', "not a JSON object but a list"),
        (b"null", "not a JSON object but null"),
        (b'{"id": 1}', "missing text"),
        (b'{"id": 1, "text": null}', "missing text"),
        (b'{"id": 1, "text": 5}', "the text is not a string but a number"),
        (b'{"id": 1, "text": ["a"]}', "the text is not a string but a list"),
        (b'{"text": "a"}', "missing id"),
        (b'{"id": null, "text": "a"}', "missing id"),
        (b'{"id": "", "text": "a"}', "missing id"),
        (b'{"id": true, "text": "a"}', "the id is neither a string nor an integer but a boolean"),
        (b'{"id": 1.5, "text": "a"}', "the id is the number 1.5, which is no whole number of at most 2**53"),
        (b'{"id": 1e300, "text": "a"}', "the id is the number 1e+300, which is no whole number of at most 2**53"),
        (b'{"id": 1, "text": "a\\ud800"}', "a lone surrogate (\\ud800), which is no character"),
        (b'{"id": "\\udfff", "text": "a"}', "a lone surrogate (\\udfff), which is no character"),
        (b'{"id": 1, "text": "a", "kept": {"x": "\\uDABC"}}', "a lone surrogate (\\udabc), which is no character"),
        (b'{"id": 1, "text": "\xff"}', "invalid UTF-8 at byte 19 of the record"),
        (b'{"id": 1, "text": "\xed\xa0\x80"}', "invalid UTF-8 at byte 19 of the record"),
    ],
)
def test_jsonl_rejects_a_bad_line_and_goes_on(tmp_path: Path, line: bytes, reason: str) -> None:
    good = b'{"id": "a", "text": "\\ud83d\\ude00"}\n'
    data = good + line + b'\n{"id": "b", "text": "last"}\n'
    found = read(tmp_path, "a.jsonl", data, keep=("kept",))
    assert found.texts == ["\U0001f600", "last"]
    assert found.reasons == [(1, len(good), reason)]
    assert found.rejected["raw"][0].startswith(line[:8].decode())


def test_jsonl_a_surrogate_in_what_is_not_carried_does_not_matter(tmp_path: Path) -> None:
    assert read(tmp_path, "a.jsonl", b'{"id": 1, "text": "a", "x": "\\ud800"}').texts == ["a"]


def test_jsonl_a_record_that_is_too_long_is_rejected_with_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_RECORD_BYTES", 1000)
    long = json.dumps({"id": 1, "text": "x" * 5000}).encode()
    found = read(tmp_path, "a.jsonl", long + b'\n{"id": 2, "text": "b"}\n' + long)
    assert found.texts == ["b"]
    limit = "more than the 1000 that can be read"
    assert found.reasons[0] == (0, 0, f"the record has {len(long) + 1} bytes, {limit}")
    assert found.reasons[1][2] == f"the record has {len(long)} bytes, {limit}"
    assert len(found.rejected["raw"][0]) == 500


def test_jsonl_keeps_values_as_text_and_tells_their_kinds(tmp_path: Path) -> None:
    values = ['"s"', "1", "1.50", "true", "null", '{"ü": [1]}', "99999999999999999999"]
    lines = [f'{{"id": {n}, "text": "", "k": {value}}}' for n, value in enumerate(values)]
    found = read(tmp_path, "a.jsonl", "\n".join([*lines, '{"id": 9, "text": ""}']).encode(), keep=("k",))
    expected = ["s", "1", "1.5", "true", None, '{"ü": [1]}', "99999999999999999999", None]
    assert found.records["k"].to_list() == expected
    assert found.batches[0].kinds == {"k": {"string", "integer", "number", "boolean", "other"}}


# CSV and TSV


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t")])
def test_csv_fields_are_exact(tmp_path: Path, name: str, mark: str) -> None:
    text = f'a "b"{mark}\r\nc\rd\n\ne\u2028\x85\x00\x0c\U0001f600 '
    data = f'n{mark}text{mark}id\r\n1{mark}"{text.replace(chr(34), chr(34) * 2)}"{mark}x\r\n2{mark}{mark}"y"'
    found = read(tmp_path, name, BOM + data.encode(), keep=("n",), quoting=Quoting.STANDARD)
    assert found.texts == [text, ""]
    assert found.records.select("id", "row", "n").rows() == [("x", 0, "1"), ("y", 1, "2")]
    assert found.batches[0].kinds == {"n": {"string"}}


def test_csv_blank_lines_are_no_records(tmp_path: Path) -> None:
    found = read(tmp_path, "a.csv", b"\r\n\nid,text\n\n1,a\r\n\r\n2,b\n\n")
    assert found.records.select("row", "text").rows() == [(0, "a"), (1, "b")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'x,"open', "malformed CSV: a quoted field that does not end"),
        (b'"x"y,text', "malformed CSV: ',' expected after '\"'"),
        (b"x,a\rb", "malformed CSV: new-line character seen in unquoted field"),
        (b"x", "1 fields where the header has 2"),
        (b"x,y,z", "3 fields where the header has 2"),
        (b" ", "1 fields where the header has 2"),
        (b",text", "missing id"),
        (b"x,\xffy", "invalid UTF-8 at byte 2 of the record"),
        (b'x,"\n\xff"', "invalid UTF-8 at byte 4 of the record"),
    ],
)
def test_csv_rejects_a_bad_record_and_goes_on(tmp_path: Path, line: bytes, reason: str) -> None:
    found = read(tmp_path, "a.csv", b"id,text\n1,a\n" + line + b"\n2,b\n3,c\n")
    assert found.records.select("id", "row", "text").rows() == [("1", 0, "a"), ("2", 2, "b"), ("3", 3, "c")]
    assert found.reasons == [(1, 12, reason)]
    assert found.rejected["raw"][0].startswith(line[:1].decode())


def test_csv_a_stray_quote_costs_its_line_alone(tmp_path: Path) -> None:
    data = b'id\ttext\n1\t"Oh," she said.\n2\t"open\n3\tb\n4\t"Well"\n5\tc\n'
    found = read(tmp_path, "a.tsv", data, quoting=Quoting.STANDARD)
    assert found.texts == ["b", "Well", "c"]
    assert [row for row, _, _ in found.reasons] == [0, 1]


def test_csv_a_quoted_field_without_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_QUOTED_BYTES", 1000)
    good = b"".join(b"%d,text\n" % number for number in range(50))
    found = read(tmp_path, "a.csv", b'id,text\nx,"open\n' + good)
    assert found.records.height == 50
    assert found.reasons == [(0, 8, "a quoted field that does not end within 10 lines")]


def test_csv_a_long_line_is_rejected_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_RECORD_BYTES", 50)
    found = read(tmp_path, "a.csv", b"id,text\n1,a\n2," + b"x" * 90 + b"\n3,b\n")
    assert found.texts == ["a", "b"]
    assert found.reasons == [(1, 12, "the record has 93 bytes, more than the 50 that can be read")]


def test_csv_a_long_line_in_a_quoted_field_ends_the_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_RECORD_BYTES", 50)
    found = read(tmp_path, "a.csv", b'id,text\n1,"a\n' + b"x" * 90 + b"\n3,b\n")
    assert found.texts == ["b"]
    assert [reason for _, _, reason in found.reasons] == [
        "a quoted field that does not end before a line that is too long",
        "the record has 91 bytes, more than the 50 that can be read",
    ]


def test_csv_hopeless_quotes_are_an_error_rather_than_endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "REREAD_BYTES", 10_000)
    monkeypatch.setattr(delimited, "REREAD_TIMES", 1)
    path = write(tmp_path, "a.csv", b"id,text\n" + b'a","b\n' * 5_000)
    with pytest.raises(CorpusError, match=r"a\.csv: up to byte \d+ so many quotes open a field"):
        list(read_corpus([path], settings(), scratch=tmp_path, max_chars=WINDOW))


# plain text


def test_txt_every_line_is_a_document(tmp_path: Path) -> None:
    data = BOM + "a\r\n\n\rb\r\r\n c\u2028\x85\x0c\x00\n\r\n".encode()
    found = read(tmp_path, "a.txt", data, id=None)
    assert found.texts == ["a", "", "\rb\r", " c\u2028\x85\x0c\x00", ""]
    assert found.records["id"].to_list() == [f"a.txt:{row}" for row in range(5)]


@pytest.mark.parametrize(("data", "texts"), [(b"", []), (b"a", ["a"]), (b"a\r", ["a\r"]), (b"\n", [""])])
def test_txt_a_terminator_starts_no_line(tmp_path: Path, data: bytes, texts: list[str]) -> None:
    assert read(tmp_path, "a.txt", data, id=None).texts == texts


def test_txt_a_line_that_is_not_utf8_is_rejected(tmp_path: Path) -> None:
    found = read(tmp_path, "a.txt", b"a\nb\xc3\n\nc", id=None)
    assert found.texts == ["a", "", "c"]
    assert found.reasons == [(1, 2, "invalid UTF-8 at byte 1 of the record")]
    assert found.rejected["raw"].to_list() == ["b\\xc3\\n"]


def test_txt_a_whole_file_is_a_document(tmp_path: Path) -> None:
    found = read(tmp_path, "a.txt", BOM + b"a\r\n\r\nb\n", id=None, unit=Unit.FILE)
    assert found.records.select("id", "row", "text").rows() == [("a.txt:0", 0, "a\r\n\r\nb\n")]
    assert read(tmp_path, "b.txt", b"", id=None, unit=Unit.FILE).texts == [""]


def test_txt_a_whole_file_may_be_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(tmp_path, "a.txt", b"\xff", id=None, unit=Unit.FILE)
    assert found.reasons == [(0, 0, "invalid UTF-8 at byte 0 of the record")]
    monkeypatch.setattr(text, "MAX_CHARS", 10)
    monkeypatch.setattr(text, "WHOLE_BYTES", 100)
    found = read(tmp_path, "a.txt", b"x" * 1000, id=None, unit=Unit.FILE)
    assert found.reasons == [(0, 0, "the document has 1000 characters, more than the 10 that fit offsets")]


def test_txt_has_no_columns_to_keep(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="plain text has no columns"):
        read(tmp_path, "a.txt", b"a", id=None, keep=("k",))


@pytest.mark.parametrize("name", ["id", None])
def test_txt_is_named_by_file_and_row_whatever_the_id_column(tmp_path: Path, name: str | None) -> None:
    assert read(tmp_path, "a.txt", b"a\nb\n", id=name).records["id"].to_list() == ["a.txt:0", "a.txt:1"]


# Parquet


def parquet(tmp_path: Path, name: str = "a.parquet", **columns: Any) -> Path:
    path = tmp_path / name
    pl.DataFrame(columns).write_parquet(path)
    return path


def test_parquet_text_is_exact(tmp_path: Path) -> None:
    texts = ["", "a\r\nb\rc\n", "\ufeff\U0001f600\x00\u2028", "x"]
    found = Read(tmp_path, parquet(tmp_path, id=[4, 3, 2, -1], text=texts))
    assert found.texts == texts
    assert found.records.select("id", "row").rows() == [("4", 0), ("3", 1), ("2", 2), ("-1", 3)]


def test_parquet_rejects_nulls(tmp_path: Path) -> None:
    columns = {"id": ["a", None, "", "d"], "text": ["x", "y" * 900, "z", None]}
    found = Read(tmp_path, parquet(tmp_path, **columns))
    assert found.texts == ["x"]
    assert found.reasons == [(1, None, "missing id"), (2, None, "missing id"), (3, None, "missing text")]
    assert found.rejected["raw"][0].startswith('{"id": null, "text": "yyyy')
    assert len(found.rejected["raw"][0]) == 500


@pytest.mark.parametrize("dtype", [pl.Categorical(), pl.Enum(["a", "b"])])
def test_parquet_text_and_id_may_be_categories(tmp_path: Path, dtype: pl.DataType) -> None:
    column = pl.Series(["b", "a"], dtype=dtype)
    found = Read(tmp_path, parquet(tmp_path, id=column, text=column))
    assert found.records.select("id", "text").rows() == [("b", "b"), ("a", "a")]


def test_parquet_without_rows_gives_an_empty_batch(tmp_path: Path) -> None:
    found = Read(tmp_path, parquet(tmp_path, id=pl.Series([], dtype=pl.Int8), text=pl.Series([], dtype=pl.String)))
    assert len(found.batches) == 1
    assert found.records.height == found.rejected.height == 0


def test_parquet_native_columns_keep_their_dtype(tmp_path: Path) -> None:
    day = pl.Series([1, None], dtype=pl.Datetime("us", "UTC"))
    paths = [parquet(tmp_path, f"{n}.parquet", id=[n, n + 1], text=["", ""], day=day, list=[[1], []]) for n in (0, 2)]
    found = Read(tmp_path, *paths, keep=("day", "list"))
    assert found.records["day"].dtype == pl.Datetime("us", "UTC")
    assert found.records["list"].to_list() == [[1], [], [1], []]
    assert all(batch.kinds == {"day": {"native"}, "list": {"native"}} for batch in found.batches)


def test_parquet_columns_that_disagree_become_strings(tmp_path: Path) -> None:
    first = parquet(tmp_path, "a.parquet", id=[1], text=[""], k=[[{"ä": 1}]])
    second = parquet(tmp_path, "b.parquet", id=[2], text=[""], k=[True])
    third = parquet(tmp_path, "c.parquet", id=[3], text=[""], k=[b"\xff"])
    fourth = write(tmp_path, "d.jsonl", b'{"id": 4, "text": "", "k": 1}')
    found = Read(tmp_path, first, second, third, fourth, keep=("k",))
    assert found.records["k"].to_list() == ['[{"ä": 1}]', "true", "/w==", "1"]
    assert [set(batch.kinds["k"]) for batch in found.batches] == [{"string"}, {"string"}, {"string"}, {"integer"}]


def test_parquet_of_long_texts_comes_in_bounded_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "BATCH_BYTES", 1000)
    texts = ["x" * (1 if number < 500 else 400 if number % 7 else 2500) for number in range(600)]
    found = Read(tmp_path, parquet(tmp_path, id=range(600), text=texts))
    assert found.texts == texts
    assert max(batch.records["text"].str.len_bytes().sum() - 2500 for batch in found.batches) < 1000
    assert len(found.batches) < 120


@pytest.mark.parametrize("damage", ["footer", "data", "empty"])
def test_parquet_damage_is_an_error_that_names_the_file(tmp_path: Path, damage: str) -> None:
    path = parquet(tmp_path, id=range(50_000), text=[f"text {n}" for n in range(50_000)])
    data = bytearray(path.read_bytes())
    if damage == "footer":
        data = data[: len(data) // 2]
    elif damage == "data":
        data[100 : len(data) // 2] = b"\xff" * (len(data) // 2 - 100)
    else:
        data = bytearray()
    path.write_bytes(bytes(data))
    with pytest.raises(CorpusError, match=r"a\.parquet: damaged, or not the Parquet file"):
        Read(tmp_path, path)


# all


def test_a_file_without_records_still_gives_a_batch(tmp_path: Path) -> None:
    paths = [
        write(tmp_path, "a.jsonl", b""),
        write(tmp_path, "b.csv", b"id,text\n"),
        write(tmp_path, "c.ndjson", b"\n"),
    ]
    found = Read(tmp_path, *paths, keep=())
    assert [batch.file for batch in found.batches] == [str(path) for path in paths]
    assert found.records.height == 0


def test_an_empty_file_has_its_keep_columns(tmp_path: Path) -> None:
    batch = read(tmp_path, "a.jsonl", b"", keep=("k",)).batches[0]
    assert dict(batch.records.schema) == {**RECORDS, "k": pl.String}
    assert batch.kinds == {"k": frozenset()}


def test_batches_are_bounded_by_rows_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "BATCH_ROWS", 10)
    monkeypatch.setattr(bounds, "BATCH_BYTES", 100)
    lines = [b"x"] * 30 + [b"y" * 40] * 6 + [b"\xff"] * 20
    found = read(tmp_path, "a.txt", b"\n".join(lines), id=None)
    sizes = [(batch.records.height, batch.rejected.height) for batch in found.batches]
    assert sizes == [(10, 0)] * 3 + [(3, 0)] * 2 + [(0, 10)] * 2


def test_ids_made_of_names_tell_files_of_the_same_name_apart(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    paths = [write(tmp_path, name, b"x\n") for name in ("a.txt", "b/a.txt", "b/c.txt")]
    found = Read(tmp_path, *paths, id=None)
    assert found.records["id"].to_list() == [f"{tmp_path}/a.txt:0", f"{tmp_path}/b/a.txt:0", "c.txt:0"]


def test_a_later_record_with_a_known_id_is_rejected(tmp_path: Path) -> None:
    first = write(tmp_path, "a.jsonl", b'{"id": "x", "text": 1}\n{"id": "x", "text": "a"}\n{"id": 1, "text": "b"}\n')
    second = write(tmp_path, "b.csv", b'id,text\nx,"c\nd"\ny,e\n1,f\ny,g\n,h\n')
    third = parquet(tmp_path, id=["z", "y"], text=["i", "j"])
    found = Read(tmp_path, first, second, third)
    assert found.texts == ["a", "b", "e", "i"]
    assert found.rejected.select("row", "byte_offset", "reason", "raw").rows() == [
        (0, 0, "the text is not a string but a number", '{"id": "x", "text": 1}\\n'),
        (0, 8, "duplicate id 'x'", 'x,"c\\nd"\\n'),
        (2, 20, "duplicate id '1'", "1,f\\n"),
        (3, 24, "duplicate id 'y'", "y,g\\n"),
        (4, 28, "missing id", ",h\\n"),
        (1, None, "duplicate id 'y'", '{"id": "y", "text": "j"}'),
    ]


def test_a_duplicate_id_is_shown_short_and_escaped(tmp_path: Path) -> None:
    line = json.dumps({"id": "é\n" + "x" * 200, "text": ""}).encode() + b"\n"
    (reason,) = read(tmp_path, "a.jsonl", line * 2).rejected["reason"]
    assert reason == f"duplicate id '\\xe9\\n{'x' * 78}…'"


def test_the_first_bad_record_ends_the_run_where_that_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", b'{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n{"id": "\xff", "text": "c"}\n')
    with pytest.raises(CorpusError) as caught:
        list(read_corpus([path], settings(on_bad_record=OnBadRecord.FAIL), scratch=tmp_path, max_chars=WINDOW))
    text = str(caught.value)
    assert "a.jsonl, row 1 (byte 23): duplicate id '1'; the record starts: {\"id\": 1" in text
    assert "corpus: {on_bad_record: reject}" in text


def test_the_excerpt_of_a_bad_record_is_short_and_escaped(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", b"\x1b[31m\xff" + b"x" * 1000)
    with pytest.raises(CorpusError) as caught:
        list(read_corpus([path], settings(id=None, on_bad_record=OnBadRecord.FAIL), scratch=tmp_path, max_chars=WINDOW))
    assert "\\x1b[31m\\xffxxx" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_what_stands_before_damage_is_yielded(tmp_path: Path) -> None:
    import gzip

    data = gzip.compress(b'{"id": 1, "text": "a"}\n{"id": 2, "text": "b"}\n{"id": 3, "text"')
    path = write(tmp_path, "a.jsonl.gz", data[:-3])
    batches = read_corpus([path], settings(), scratch=tmp_path, max_chars=WINDOW)
    assert next(batches).records["text"].to_list() == ["a", "b"]
    with pytest.raises(CorpusError, match=r"a\.jsonl\.gz: the file ends in the middle of its gzip data"):
        next(batches)


def test_a_line_of_unicode_white_space_is_a_bad_record(tmp_path: Path) -> None:
    data = '{"id": 1, "text": "a"}\n \t\r\n\u3000\n\u00a0 \n'.encode()
    found = read(tmp_path, "a.jsonl", data)
    assert [row for row, _, _ in found.reasons] == [2, 3] and found.texts == ["a"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_an_id_has_at_most_a_kilobyte(tmp_path: Path, name: str) -> None:
    ids = ["x" * 1_024, "ä" * 513, "x" * 1_025, "b", "b"]
    path = tmp_path / name
    table = pl.DataFrame({"id": ids, "text": ["a"] * 5})
    {"a.jsonl": table.write_ndjson, "a.csv": table.write_csv, "a.parquet": table.write_parquet}[name](path)
    found = read(tmp_path, name, path.read_bytes())
    assert found.records["id"].to_list() == ["x" * 1_024, "b"]
    reasons = found.rejected["reason"].to_list()
    assert reasons == [
        "the id has 1026 bytes, more than the 1024 that an id may have",
        "the id has 1025 bytes, more than the 1024 that an id may have",
        "duplicate id 'b'",
    ]
    assert found.rejected["row"].to_list() == [1, 2, 4]

"""Files in storages: a real S3 server on the loopback address, and web servers."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from range_server import Server, serve
from shardner.config import CorpusConfig, parse_config
from shardner.corpus.check import check_files, check_records
from shardner.corpus.files import can_be_entered, list_sources, show_path
from shardner.corpus.input_files import InputFiles
from shardner.corpus.patterns import expand_files
from shardner.corpus.read import read_corpus, read_sources
from shardner.data import stored_files
from shardner.data.files import state_of
from shardner.data.stored_files import is_stored, open_binary, url_of
from shardner.errors import CorpusError, StorageError

boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")

LINES = b"".join(json.dumps({"id": number, "text": f"text {number}"}).encode() + b"\n" for number in range(300))
TEXTS = [f"text {number}" for number in range(300)]


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be known of a file, and no store stay open."""
    monkeypatch.setattr(stored_files, "_KNOWN", {})
    monkeypatch.setattr(stored_files, "WAIT_S", 0.01)
    stored_files._open_store.cache_clear()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a server with the bucket "texts"."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(Bucket="texts")
    yield client
    # what a server of this process holds outlives it
    for each in client.list_objects_v2(Bucket="texts").get("Contents", []):
        client.delete_object(Bucket="texts", Key=each["Key"])
    server.stop()


@pytest.fixture
def web() -> Iterator[Server]:
    with serve() as server:
        yield server


def settings(*files: str, **changes: Any) -> CorpusConfig:
    return parse_config({"corpus": {"files": list(files), **changes}}).corpus


def read(corpus: CorpusConfig, scratch: Path) -> list[str]:
    """Check and read a corpus; return its texts."""
    files = expand_files(corpus)
    check_files(files, corpus)
    check_records([(path, stored_files.size_of(path)) for path in files], corpus)
    batches = read_corpus(files, corpus, scratch=scratch, max_chars=1_000)
    return [text for batch in batches for text in batch.records["text"]]


def parquet(texts: list[str]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame({"id": [f"p{at}" for at in range(len(texts))], "text": texts}).write_parquet(file, row_group_size=50)
    return file.getvalue()


def arrow(texts: list[str]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame({"id": [f"a{at}" for at in range(len(texts))], "text": texts}).write_ipc(file)
    return file.getvalue()


def test_urls_are_paths_and_come_back() -> None:
    for url in ("s3://bucket/a b/c.jsonl", "https://example.org:80/x%20y.csv", "hf://datasets/o/n@v1/d/a.parquet"):
        assert is_stored(Path(url)) and url_of(Path(url)) == show_path(Path(url)) == url
    assert not any(is_stored(Path(name)) for name in ("s3/a", "/s3:/a", "sftp://h/a", "data/s3:/a", "C:/a"))


def test_globs_folders_and_files_of_a_bucket_are_listed(bucket: Any) -> None:
    for key in ("n/a.jsonl", "n/b.jsonl.gz", "n/deep/c.jsonl", "n/_SUCCESS", "n/.x/d.jsonl", "n/e.pdf", "m/a.jsonl"):
        bucket.put_object(Bucket="texts", Key=key, Body=b"%PDF" if key.endswith("pdf") else b"{}")

    def found(*urls: str) -> list[str]:
        return [url_of(path).removeprefix("s3://texts/") for path in expand_files(settings(*urls))]

    assert found("s3://texts/m/a.jsonl", "s3://texts/n/*.jsonl*") == ["m/a.jsonl", "n/a.jsonl", "n/b.jsonl.gz"]
    assert found("s3://texts/**/*.jsonl") == ["m/a.jsonl", "n/a.jsonl", "n/deep/c.jsonl"]
    assert found("s3://texts/n/") == ["n/a.jsonl", "n/b.jsonl.gz", "n/deep/c.jsonl"]
    assert found("s3://texts/n/[!b]*.jsonl", "s3://texts/?/b*") == ["n/a.jsonl", "n/b.jsonl.gz"]


def test_every_format_is_read_from_s3(bucket: Any, tmp_path: Path) -> None:
    bucket.put_object(Bucket="texts", Key="year=2024/a b.jsonl", Body=LINES)
    bucket.put_object(
        Bucket="texts", Key="year=2024/b.jsonl.gz", Body=gzip.compress(LINES.replace(b'"id": ', b'"id": 1000'))
    )
    bucket.put_object(Bucket="texts", Key="year=2025/c.parquet", Body=parquet(TEXTS))
    bucket.put_object(Bucket="texts", Key="year=2025/d.arrow", Body=arrow(TEXTS))
    bucket.put_object(Bucket="texts", Key="year=2025/wiki_00", Body=LINES.replace(b'"id": ', b'"id": 2000'))
    assert read(settings("s3://texts/", keep=["year"]), tmp_path) == TEXTS * 5


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_a_stretch_is_read_by_ranges_and_the_rest_is_not_fetched(web: Server, tmp_path: Path, name: str) -> None:
    texts = [f"{number} " + "x" * 20_000 for number in range(300)]
    lines = b"".join(json.dumps({"id": at, "text": text}).encode() + b"\n" for at, text in enumerate(texts))
    web.files["/a b/" + name] = data = lines if name == "a.jsonl" else parquet(texts)
    path, corpus = Path(f"{web.url}/a%20b/{name}"), settings("x")
    assert can_be_entered(path, corpus)
    half = len(data) // 2
    sources = [list_sources([path], [stretch], corpus)[0] for stretch in ((0, half), (half, None))]
    web.asked.clear()
    parts = [
        [
            text
            for batch in read_sources([source], corpus, scratch=tmp_path, max_chars=1_000)
            for text in batch.records["text"]
        ]
        for source in sources
    ]
    assert parts[0] + parts[1] == texts and all(parts)
    assert any(asked and f"bytes={half - 1}-" == asked for _, _, asked in web.asked) or name == "a.parquet"


def test_a_stream_that_breaks_is_taken_up_where_it_was(web: Server, tmp_path: Path) -> None:
    web.files["/a.jsonl"] = data = LINES * 1_000
    web.cuts = [3 << 20, 100, 2 << 20]
    with io.BufferedReader(open_binary(Path(f"{web.url}/a.jsonl"))) as file:
        assert file.read() == data
    assert not web.cuts and sum(asked is not None for _, _, asked in web.asked) >= 2


def test_the_listing_is_asked_for_once_and_jobs_need_no_network(web: Server, tmp_path: Path) -> None:
    web.files |= {"/a.jsonl": LINES, "/b.jsonl": LINES}
    web.headers["/a.jsonl"] = {"Last-Modified": "Fri, 27 Nov 2026 05:00:00 GMT"}
    corpus = settings(f"{web.url}/a.jsonl", f"{web.url}/b.jsonl")
    first = InputFiles(tmp_path / "listing.json", begins=True)
    files = first.find(corpus, "auto")
    assert files is not None
    known = [(state_of(path), first.can_be_entered(path, corpus)) for path in files]
    assert known[0][0] == (len(LINES), 1_795_755_600 * 10**9) and known[1][0] == (len(LINES), 0)
    first.keep()
    stored_files._KNOWN.clear()
    web.asked.clear()
    job = InputFiles(tmp_path / "listing.json", begins=False)
    assert job.find(corpus, "auto") == files
    assert [(state_of(path), job.can_be_entered(path, corpus)) for path in files] == known
    assert web.asked == []
    stored_files._KNOWN.clear()
    other = settings(f"{web.url}/b.jsonl")
    assert InputFiles(tmp_path / "listing.json", begins=False).find(other, "auto") == files[1:] and web.asked


def test_a_dataset_of_hugging_face_is_listed_and_read(
    web: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    api = "/api/datasets/me/news/tree/main/data"
    entries = [
        {"type": "directory", "path": "data/old", "size": 0, "oid": "0"},
        {"type": "file", "path": "data/b 1.parquet", "size": len(parquet(TEXTS)), "oid": "ab12"},
        {"type": "file", "path": "data/README.md", "size": 1, "oid": "ab13"},
    ]
    web.files[api] = json.dumps(entries).encode()
    web.headers[api] = {"Link": f'<{web.url}/next>; rel="next"'}
    last = {"type": "file", "path": "data/old/a.jsonl", "size": len(LINES), "oid": "ab14"}
    web.files["/next"] = json.dumps([last]).encode()
    web.files["/datasets/me/news/resolve/main/data/b 1.parquet"] = parquet(TEXTS)
    web.files["/datasets/me/news/resolve/main/data/old/a.jsonl"] = LINES
    assert read(settings("hf://datasets/me/news/data/**/*.jsonl"), tmp_path) == TEXTS
    assert read(settings("hf://datasets/me/news/data/*.parquet"), tmp_path) == TEXTS
    assert [path.name for path in expand_files(settings("hf://datasets/me/news/data/"))] == ["b 1.parquet", "a.jsonl"]
    monkeypatch.setenv("HF_TOKEN", "secret")
    web.token = "secret"
    stored_files._open_store.cache_clear()
    assert read(settings("hf://datasets/me/news/data/**/*.jsonl"), tmp_path) == TEXTS
    monkeypatch.setenv("HF_TOKEN", "wrong")
    stored_files._open_store.cache_clear()
    with pytest.raises(CorpusError, match=r"401.*HF_TOKEN"):
        expand_files(settings("hf://datasets/me/news/data/*"))


def test_what_cannot_be_read_is_named_with_what_to_do(
    bucket: Any, web: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def message(url: str) -> str:
        with pytest.raises(CorpusError) as caught:
            expand_files(settings(url))
        assert url in str(caught.value) and "\n" not in str(caught.value)
        return str(caught.value)

    assert "there is no such file in the storage" in message("s3://texts/none.jsonl")
    assert "there is no such file in the storage" in message("s3://texts/none/*.jsonl")
    assert "does not list its files" in message(f"{web.url}/*.jsonl")
    assert "snakemake+http" in message(f"{web.url}/a.jsonl?version=2")
    web.token = "x"
    web.files["/a.jsonl"] = LINES
    assert "give yourself the right to read it" in message(f"{web.url}/a.jsonl")
    assert "write  hf://datasets/OWNER/NAME/PATH" in message("hf://models/a/b.jsonl")


def test_a_file_that_is_gone_while_it_is_read_is_an_error(web: Server, tmp_path: Path) -> None:
    web.files["/a.jsonl"] = LINES
    corpus = settings(f"{web.url}/a.jsonl")
    (path,) = expand_files(corpus)
    del web.files["/a.jsonl"]
    with pytest.raises(CorpusError, match=r"a\.jsonl.*no such file in the storage"):
        list(read_corpus([path], corpus, scratch=tmp_path, max_chars=1_000))


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.arrow"])
def test_a_storage_that_fails_while_a_file_is_read_is_not_called_damage(web: Server, tmp_path: Path, name: str) -> None:
    web.files[f"/{name}"] = {"a.jsonl": LINES, "a.parquet": parquet(TEXTS), "a.arrow": arrow(TEXTS)}[name]
    corpus = settings(f"{web.url}/{name}")
    (path,) = expand_files(corpus)
    web.token = "not the one that is given"
    with pytest.raises(StorageError) as caught:
        list(read_corpus([path], corpus, scratch=tmp_path, max_chars=1_000))
    assert web.url in str(caught.value) and "401" in str(caught.value) and "damaged" not in str(caught.value)


def test_a_token_goes_to_nobody_whom_a_listing_names(web: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    with serve() as other:
        api = "/api/datasets/me/news/tree/main/data"
        web.files[api] = json.dumps([{"type": "file", "path": "data/a.jsonl", "size": 3, "oid": "ab12"}]).encode()
        web.headers[api] = {"Link": f'<{other.url}/next>; rel="next"'}
        assert [path.name for path in expand_files(settings("hf://datasets/me/news/data/*"))] == ["a.jsonl"]
        assert other.asked == []

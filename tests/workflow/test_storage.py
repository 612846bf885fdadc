"""A corpus that lies in a storage: a real S3 server on the loopback address, read in place or by Snakemake's plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from making import annotate_plainly, entity_rows, make_pipeline, make_texts, run_workflow, write_jsonl

boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")
pytest.importorskip("snakemake_storage_plugin_s3")

TEXTS = make_texts(40, seed=4)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with the bucket "texts"; this process and its children have the right to read it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=url)
    client.create_bucket(Bucket="texts")
    yield url
    # what a server of this process holds outlives it
    for each in client.list_objects_v2(Bucket="texts").get("Contents", []):
        client.delete_object(Bucket="texts", Key=each["Key"])
    server.stop()


def test_a_corpus_in_s3_is_fetched_by_snakemake(endpoint: str, tmp_path: Path) -> None:
    model = make_pipeline(tmp_path / "pipeline")
    client = boto3.client("s3", endpoint_url=endpoint)
    for name, texts in (("b", TEXTS[:30]), ("a", TEXTS[30:])):
        file = write_jsonl(tmp_path / f"{name}.jsonl", texts)
        client.upload_file(str(file), "texts", f"news/{name}.jsonl")
        file.unlink()
    given = {
        "corpus": {"files": ["snakemake+s3://texts/news/b.jsonl", "snakemake+s3://texts/news/a.jsonl"], "id": None},
        "model": {"name": str(model)},
        "shards": {"count": 2},
    }
    run = run_workflow(tmp_path, given, "--storage-s3-endpoint-url", endpoint)
    assert run.returncode == 0, run.stderr
    assert entity_rows(tmp_path / "results/entities.parquet") == annotate_plainly(model, TEXTS)
    documents = pl.read_parquet(tmp_path / "results/documents.parquet")
    assert documents["id"].to_list() == [f"b.jsonl:{i}" for i in range(30)] + [f"a.jsonl:{i}" for i in range(10)]
    again = run_workflow(tmp_path, given, "--storage-s3-endpoint-url", endpoint)
    assert again.returncode == 0 and "Nothing to be done" in again.stderr, again.stderr


def test_a_file_that_the_storage_lacks_is_named(endpoint: str, tmp_path: Path) -> None:
    given = {"corpus": {"files": ["snakemake+s3://texts/none.jsonl"]}, "shards": {"count": 2}}
    run = run_workflow(tmp_path, given, "--storage-s3-endpoint-url", endpoint)
    assert run.returncode != 0 and "s3://texts/none.jsonl" in run.stderr


def test_a_corpus_in_s3_is_read_in_place(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    model = make_pipeline(tmp_path / "pipeline")
    client = boto3.client("s3", endpoint_url=endpoint)

    def put(key: str, texts: list[str]) -> None:
        file = write_jsonl(tmp_path / "upload.jsonl", texts)
        client.upload_file(str(file), "texts", key)
        file.unlink()

    put("news/year=2024/a.jsonl", TEXTS[:30])
    put("news/year=2025/b.jsonl", TEXTS[30:])
    given = {
        "corpus": {"files": ["s3://texts/news/**/*.jsonl"], "id": None, "keep": ["year"]},
        "model": {"name": str(model)},
    }
    run = run_workflow(tmp_path, given)
    assert run.returncode == 0, run.stderr
    assert entity_rows(tmp_path / "results/entities.parquet") == annotate_plainly(model, TEXTS)
    documents = pl.read_parquet(tmp_path / "results/documents.parquet")
    assert documents["file"].unique(maintain_order=True).to_list() == [
        "s3://texts/news/year=2024/a.jsonl", "s3://texts/news/year=2025/b.jsonl"
    ]  # fmt: skip
    assert documents["year"].to_list() == [2024] * 30 + [2025] * 10
    assert not list(tmp_path.rglob("*.jsonl"))  # nothing is copied
    again = run_workflow(tmp_path, given)
    assert again.returncode == 0 and "Nothing to be done" in again.stderr, again.stderr
    put("news/year=2025/b.jsonl", TEXTS[:5])
    changed = run_workflow(tmp_path, given)
    assert changed.returncode == 0, changed.stderr
    assert entity_rows(tmp_path / "results/entities.parquet") == annotate_plainly(model, [*TEXTS[:30], *TEXTS[:5]])
    put("news/year=2026/c.jsonl", TEXTS[5:9])
    estimate = run_workflow(tmp_path, given, "estimate")
    assert estimate.returncode == 0, estimate.stderr


def test_a_bucket_without_such_files_is_named_before_any_job(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    run = run_workflow(tmp_path, {"corpus": {"files": ["s3://texts/none/*.jsonl"]}}, "-n")
    assert run.returncode != 0 and "s3://texts/none/*.jsonl: there is no such file" in run.stdout + run.stderr

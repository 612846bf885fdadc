from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from making import record_as_written
from report_fixture import PIPELINE, build_run
from shardner.data.job_files import read_job, write_job
from shardner.data.manifest import (
    InputFile,
    Manifest,
    PartManifest,
    PartNumbers,
    ShardInfo,
    StretchInfo,
    StretchNumbers,
    read_manifest,
    write_manifest,
)
from shardner.data.metrics import Job, Totals
from shardner.data.tables import ENTITIES, REJECTED, SHARD_DOCUMENTS, SHARD_ENTITIES, SHARD_REJECTED, ShardFiles
from shardner.errors import MergeError
from shardner.stages.merge import CorpusFiles, merge_parts, name_run
from shardner.stages.merge_part import PartResults
from shardner.stages.part_numbering import DUPLICATES, PartNumbering


def shard(directory: Path, number: int, docs: list[int]) -> ShardFiles:
    """Write results of a shard: an entity a document, but none for the first."""
    names = ("entities.parquet", "documents.parquet", "rejected.parquet", "job.json")
    files = ShardFiles(*(directory / f"{number:05d}.{name}" for name in names))
    found = docs[1:]
    pl.DataFrame(
        {"doc": found, "id": [f"d{doc}" for doc in found], "start": [0] * len(found), "end": [3] * len(found),
         "text": ["Ada"] * len(found), "label": ["PERSON"] * len(found), "window": [0] * len(found)},
        schema=SHARD_ENTITIES,
    ).write_parquet(files.entities)  # fmt: skip
    pl.DataFrame(
        {"doc": docs, "id": [f"d{doc}" for doc in docs], "file": ["c"] * len(docs), "row": docs,
         "chars": [3] * len(docs), "tokens": [1] * len(docs), "entities": [int(doc in found) for doc in docs],
         "windows": [1] * len(docs), "shard": [number] * len(docs), "window": [0] * len(docs),
         "start": [0] * len(docs), "candidates": [False] * len(docs),
         "span_count": [0] * len(docs), "sentence_starts": [0] * len(docs)},
        schema=SHARD_DOCUMENTS,
    ).write_parquet(files.documents)  # fmt: skip
    pl.DataFrame(schema=SHARD_REJECTED).write_parquet(files.rejected)
    totals = Totals(documents=len(docs), windows=len(docs), rows=len(found), labels={"PERSON": len(found)})
    job = Job("annotate_shard", number, "h", "cpu", None, None, 1, "spacy", "", 0, 1, totals)
    write_job(files.job, replace(job, digests=files.digests()))
    return files


@pytest.fixture
def files(tmp_path: Path) -> list[ShardFiles]:
    pl.DataFrame(schema=REJECTED).write_parquet(tmp_path / "rejected.parquet")
    return [shard(tmp_path, 0, [0, 1, 2]), shard(tmp_path, 1, []), shard(tmp_path, 2, [3, 4])]


def info(number: int, documents: int, first: int | None) -> ShardInfo:
    return ShardInfo(number, documents=documents, windows=documents, chars=3 * documents, first_doc=first)


MANIFEST = Manifest(
    files=(InputFile("c", 10, "0" * 64, 5, 0),),
    parts=(PartNumbers("c-1", 0, 3, (StretchNumbers(0, 0, 5, 0, 0, None),), 0),),
    shards=(info(0, 3, 0), info(1, 0, None), info(2, 2, 3)),
    documents=5, rejected=0, chars=15, keep={},
)  # fmt: skip


def no_duplicates(*arguments: object) -> pl.DataFrame:
    raise AssertionError("there are none")


def merge(
    files: list[ShardFiles], manifest: Manifest = MANIFEST, max_rejected: float = 1.0, pipeline: str | None = None
) -> CorpusFiles:
    """Merge shards of one part, which is the corpus."""
    directory = files[0].job.parent
    results = CorpusFiles(*(directory / f"all-{name}.parquet" for name in ("entities", "documents", "rejected")))
    documents, rejected = manifest.documents, manifest.rejected
    stretch = StretchInfo("c", Path("c"), 10, 1, "0" * 64, 0, None, 0, 10, 5, documents, rejected, False)
    part = PartManifest("c-1", (stretch,), manifest.shards, documents, rejected, manifest.chars, {}, {})
    numbering = PartNumbering(manifest.parts[0], pl.DataFrame(schema=DUPLICATES))
    parts = [PartResults(part, numbering, files, directory / "rejected.parquet", pipeline)]
    merge_parts(manifest, parts, "a run", results, reject_duplicates=no_duplicates, max_rejected=max_rejected)
    return results


def rewrite(path: Path, table: pl.DataFrame) -> None:
    """Write another table, as a job would that is wrong: its record knows it."""
    table.write_parquet(path)
    names = ("entities.parquet", "documents.parquet", "rejected.parquet", "job.json")
    record_as_written(ShardFiles(*(path.with_name(f"{path.name.split('.')[0]}.{name}") for name in names)))


def test_shards_are_merged_in_corpus_order(files: list[ShardFiles]) -> None:
    results = merge(files)
    assert pl.read_parquet(results.documents)["doc"].to_list() == [0, 1, 2, 3, 4]
    entities = pl.read_parquet(results.entities)
    assert entities["doc"].to_list() == [1, 2, 4] and entities.schema["label"] == pl.String
    assert pl.read_parquet_metadata(results.documents)["shardner.run"] == "a run"


def test_a_shard_that_another_pipeline_annotated_is_refused(files: list[ShardFiles]) -> None:
    for each, sha256 in zip(files, ("a" * 64, "b" * 64, None), strict=True):
        write_job(each.job, replace(read_job(each.job), pipeline=sha256))
    merge(files)  # where that is not compared
    with pytest.raises(MergeError, match=r"c-1/00001: another pipeline annotated it .*--forcerun annotate_shard"):
        merge(files, pipeline="a" * 64)
    write_job(files[1].job, replace(read_job(files[1].job), pipeline="a" * 64))
    merge(files, pipeline="a" * 64)


def test_a_label_that_no_component_declares_is_kept(files: list[ShardFiles]) -> None:
    table = pl.read_parquet(files[0].entities).with_columns(pl.lit("CUSTOM").alias("label"))
    rewrite(files[0].entities, table)
    job = read_job(files[0].job)
    write_job(files[0].job, replace(job, totals=replace(job.totals, labels={"CUSTOM": 2})))
    assert pl.read_parquet(merge(files).entities)["label"].to_list() == ["CUSTOM", "CUSTOM", "PERSON"]


def test_further_columns_of_entities_are_kept(files: list[ShardFiles]) -> None:
    rewrite(files[0].entities, pl.read_parquet(files[0].entities).with_columns(score=pl.Series([0.5, 0.25])))
    entities = pl.read_parquet(merge(files).entities)
    assert entities.columns == [*ENTITIES, "score"] and entities["score"].to_list() == [0.5, 0.25, None]


def test_merge_refuses_a_missing_shard(files: list[ShardFiles]) -> None:
    files[2].documents.unlink()
    with pytest.raises(MergeError, match="shard c-1/00002: its results cannot be read"):
        merge(files)
    with pytest.raises(MergeError, match="part c-1 has 3 shards, but there are results of 2"):
        merge(files[:2])


def test_merge_refuses_a_damaged_table(files: list[ShardFiles]) -> None:
    files[0].entities.write_bytes(files[0].entities.read_bytes()[:-20])
    with pytest.raises(MergeError, match="shard c-1/00000: its entities are damaged"):
        merge(files)
    files[0].job.write_text("{}")
    with pytest.raises(MergeError, match="shard c-1/00000: its results cannot be read"):
        merge(files)


@pytest.mark.parametrize("table", ["entities", "documents", "rejected"])
def test_merge_refuses_a_flipped_bit_wherever_it_is(files: list[ShardFiles], table: str) -> None:
    path: Path = getattr(files[2], table)
    content = path.read_bytes()
    for place in range(0, len(content), max(len(content) // 60, 1)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        with pytest.raises(MergeError, match=f"shard c-1/00002: its {table} are damaged.*remove .*c-1/00002.parquet"):
            merge(files)
    path.write_bytes(content)
    merge(files)


def test_merge_refuses_a_missing_document(files: list[ShardFiles]) -> None:
    rewrite(files[0].documents, pl.read_parquet(files[0].documents).filter(pl.col("doc") != 1))
    with pytest.raises(MergeError, match="shard c-1/00000: 1 of its 3 documents are missing, the first 1"):
        merge(files)


def test_merge_refuses_a_document_that_is_there_twice(files: list[ShardFiles]) -> None:
    table = pl.read_parquet(files[2].documents)
    rewrite(files[2].documents, pl.concat([table, table.tail(1)]))
    with pytest.raises(MergeError, match="shard c-1/00002: it holds 3 documents instead of 2"):
        merge(files)


def test_merge_refuses_documents_or_entities_out_of_order(files: list[ShardFiles]) -> None:
    table = pl.read_parquet(files[0].entities)
    rewrite(files[0].entities, table.reverse())
    with pytest.raises(MergeError, match="shard c-1/00000: its entities are not in corpus order"):
        merge(files)
    rewrite(files[0].entities, table)
    rewrite(files[0].documents, pl.read_parquet(files[0].documents).reverse())
    with pytest.raises(MergeError, match="shard c-1/00000: its documents are not in corpus order"):
        merge(files)


def test_merge_refuses_entities_that_a_document_does_not_count(files: list[ShardFiles]) -> None:
    rewrite(files[0].entities, pl.read_parquet(files[0].entities).head(1))
    with pytest.raises(MergeError, match="document 2 should have 1 entities, but has 0"):
        merge(files)


def test_merge_refuses_counts_that_the_metrics_do_not_confirm(files: list[ShardFiles]) -> None:
    job = read_job(files[2].job)
    write_job(files[2].job, replace(job, totals=replace(job.totals, rows=7)))
    with pytest.raises(MergeError, match=r"shard c-1/00002: it holds .* but its job counted .*7"):
        merge(files)


def test_merge_refuses_when_the_corpus_has_more_documents_than_the_shards(files: list[ShardFiles]) -> None:
    with pytest.raises(MergeError, match="part c-1: the shards' 5 documents do not add up to the 6 of it"):
        merge(files, replace(MANIFEST, documents=6))


def test_a_document_may_be_rejected_instead(files: list[ShardFiles]) -> None:
    documents = pl.read_parquet(files[0].documents)
    rewrite(files[0].documents, documents.filter(pl.col("doc") != 0))
    refused = documents.head(1).select(
        "doc", "window", "windows", "file", "row", pl.lit(None, pl.UInt64).alias("byte_offset"),
        pl.lit("the pipeline failed").alias("reason"), pl.lit("x").alias("raw"),
    )  # fmt: skip
    rewrite(files[0].rejected, refused)
    job = read_job(files[0].job)
    write_job(files[0].job, replace(job, totals=replace(job.totals, windows=2, rejected=1)))
    results = merge(files)
    assert pl.read_parquet(results.rejected)["reason"].to_list() == ["the pipeline failed"]
    assert pl.read_parquet(results.documents)["doc"].to_list() == [1, 2, 3, 4]


def test_a_manifest_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.json", MANIFEST)
    assert read_manifest(tmp_path / "manifest.json") == MANIFEST


def test_a_run_that_rejects_more_than_is_allowed_fails_whatever_the_shards(files: list[ShardFiles]) -> None:
    reasons = ["missing text"] * 3 + ["the pipeline failed: ValueError: \x1b[31mno"] * 2
    pl.DataFrame(
        {"file": ["c"] * 5, "row": range(5, 10), "byte_offset": [0] * 5, "reason": reasons, "raw": [""] * 5},
        schema=REJECTED,
    ).write_parquet(files[0].job.parent / "rejected.parquet")
    manifest = replace(MANIFEST, rejected=5)
    assert pl.read_parquet(merge(files, manifest, 0.5).rejected).height == 5
    with pytest.raises(MergeError) as error:
        merge(files, manifest, 0.49)
    message = str(error.value).replace("\xa0", " ")
    assert "5 records of 10 records were rejected, more than corpus.max_rejected allows (49 %)" in message
    assert "3 records: missing text" in message and "\x1b" not in message
    assert "write:   corpus: {max_rejected: 1}" in message


def test_a_run_without_records_rejects_nothing(files: list[ShardFiles]) -> None:
    empty = replace(MANIFEST, shards=(info(0, 0, None),), documents=0, chars=0)
    assert pl.read_parquet(merge([shard(files[0].job.parent, 0, [])], empty, 0.0).rejected).height == 0


def test_files_without_a_checksum_name_a_run_too(tmp_path: Path) -> None:
    """Of files in a storage there is none; other files are another corpus all the same."""
    manifest = build_run(tmp_path).manifest

    def name_with(path: str) -> str:
        files = tuple(replace(file, path=path, sha256=None) for file in manifest.files)
        return name_run(replace(manifest, files=files), PIPELINE)

    assert name_with("s3://texts/a.jsonl") == name_with("s3://texts/a.jsonl") != name_with("s3://texts/b.jsonl")

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from in_process import annotate_here
from making import make_pipeline, make_texts, write_jsonl
from shardner.config import parse_config
from shardner.data.typed_json import read_json, write_json
from shardner.errors import CorpusError
from shardner.model.pipeline import Pipeline, prepare_pipeline
from shardner.parse.pipeline_source import classify
from shardner.stages.estimate.figures import Estimate, SampleFigures
from shardner.stages.estimate.prediction import predict
from shardner.stages.estimate.sample import SampleSize, measure_sample
from shardner.stages.estimate.wording import describe_estimate

#: A corpus of a billion characters, of which a worker annotates half a million in a second.
MEASURED = SampleFigures(
    files=3, bytes=2_000_000_000, chars=1_000_000_000, documents=4_000_000, sampled_chars=10_000_000,
    annotated_chars=5_000_000, annotated_tokens=1_000_000, split_chars_per_s=10_000_000.0, workers=2,
    chars_per_s=500_000.0, tokens_per_s=100_000.0, start_up_s=5.0, entities_per_char=0.03, shard_bytes_per_char=0.5,
    result_bytes_per_char=0.4, device="cpu\x1b[1m", engine="fused", engine_reason="",
)  # fmt: skip


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    directory = make_pipeline(tmp_path_factory.mktemp("model") / "pipeline")
    return prepare_pipeline(classify(str(directory)), None, directory.parent / "unpacked", "auto")


def measure(
    paths: list[Path], max_chars: int, pipeline: Pipeline, target: Path, chars: int = 16_000_000
) -> SampleFigures:
    """Measure a sample that is annotated in this process."""
    config = parse_config({})
    return measure_sample(
        paths, config.corpus, max_chars, pipeline, config.ner, workers=1, gpus=0, measured=target,
        sample=SampleSize(chars=chars, annotate_s=0.05), annotate_blocks=annotate_here,
    )  # fmt: skip


def predicted(shards: int, jobs_at_once: int | None, workers: int | None, parts: int = 1, splits: int = 1) -> Estimate:
    return predict(
        MEASURED, parts=parts, shards=shards, splits_at_once=splits, jobs_at_once=jobs_at_once, workers=workers
    )


def test_starting_up_is_counted_for_every_round_of_jobs() -> None:
    found = predicted(shards=40, jobs_at_once=2, workers=1)
    assert found.annotate_s == pytest.approx(20 * (5 + 50))
    assert found.tokens_per_s == 200_000 and found.tokens == 200_000_000
    assert found.split_s == 100 and found.total_s > found.split_s + found.annotate_s + found.merge_s
    assert (found.results_bytes, found.work_bytes) == (400_000_000, 900_000_000)
    # one job more than fits into the rounds is a round more
    assert predicted(41, 2, 1).annotate_s == pytest.approx(21 * (5 + 1_000_000 / 500 / 41))


def test_parts_are_split_in_rounds() -> None:
    assert [predicted(40, 2, 1, parts, splits).split_s for parts, splits in ((4, 2), (5, 2), (5, 8))] == [50, 60, 20]


def test_workers_of_a_job_share_its_shard_and_a_scheduler_may_run_all_jobs_at_once() -> None:
    assert predicted(40, 2, 4).annotate_s == pytest.approx(20 * (5 + 12.5))
    assert predicted(40, None, 1).annotate_s == pytest.approx(55)
    assert predicted(1, 8, 1).jobs_at_once == 1
    assert predicted(40, 2, None).workers_a_job == MEASURED.workers


def test_an_estimate_can_be_read_again_and_shown(tmp_path: Path) -> None:
    found = predicted(40, 2, 1)
    write_json(tmp_path / "estimate.json", found)
    assert read_json(tmp_path / "estimate.json", Estimate) == found
    shown = describe_estimate(found).replace("\xa0", " ")
    assert "4.00M documents, 1.00G characters in 3 files of 1.9 GiB" in shown
    assert "40 shards in 1 part, 2 at once with 1 worker each: 200k tokens/s" in shown
    assert "and 5.0 s for a job to start and end" in shown
    assert "381 MiB of results with 30.0M entities" in shown and "\x1b" not in shown


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_sample_tells_the_size_of_the_corpus(pipeline: Pipeline, tmp_path: Path, ending: str) -> None:
    texts = make_texts(4_000, seed=4)
    path = tmp_path / f"c.jsonl{ending}"
    plain = write_jsonl(tmp_path / "c.jsonl", texts).read_bytes()
    path.write_bytes(gzip.compress(plain) if ending else plain)
    found = measure([path], 1_000, pipeline, tmp_path / "measured.json", chars=60_000)
    assert read_json(tmp_path / "measured.json", SampleFigures) == found
    assert found.sampled_chars < sum(map(len, texts)) / 2
    assert found.chars == pytest.approx(sum(map(len, texts)), rel=0.15)
    assert found.documents == pytest.approx(len(texts), rel=0.15)
    assert 0 < found.annotated_chars <= found.sampled_chars and found.engine == "fused"
    assert found.chars_per_s > found.tokens_per_s > 0 and found.start_up_s > 0 and found.entities_per_char > 0
    assert {each.name for each in tmp_path.iterdir()} <= {"c.jsonl", "c.jsonl.gz", "measured.json"}


def test_windows_of_a_long_document_are_annotated_though_others_are_not_in_the_sample(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", [" ".join(make_texts(800, seed=4)), "Ada in London"])
    found = measure([path], 400, pipeline, tmp_path / "measured.json")
    assert found.documents == 2 and 0 < found.annotated_chars < found.sampled_chars


def test_a_sample_without_a_document_says_so(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"no document in .*c\.jsonl"):
        measure([tmp_path / "c.jsonl"], 400, pipeline, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_kinds_of_files_have_rates_of_their_own(pipeline: Pipeline, tmp_path: Path) -> None:
    texts = ["Ada Lovelace in London. " * 40] * 500
    paths = [tmp_path / "a.jsonl.gz", write_jsonl(tmp_path / "b.jsonl", texts)]
    paths[0].write_bytes(gzip.compress(paths[1].read_bytes().replace(b'"d', b'"e')))
    found = measure(paths, 9_000, pipeline, tmp_path / "measured.json")
    assert found.files == 2 and found.chars == pytest.approx(2 * sum(map(len, texts)), rel=0.05)

import pytest
from shardner.config import CorpusConfig, parse_config
from shardner.corpus.remote import check_remote, is_remote
from shardner.errors import CorpusError


def corpus(*files: str) -> CorpusConfig:
    return parse_config({"corpus": {"files": list(files)}}).corpus


def test_a_url_is_remote_and_a_path_is_not() -> None:
    assert is_remote("sftp://host/a.jsonl") and is_remote("snakemake+https://example.org/a.csv.gz?version=2")
    assert not any(map(is_remote, ["s3://bucket/a.jsonl", "https://example.org/a.csv", "a.jsonl", "/data/a.jsonl"]))
    assert not any(map(is_remote, ["data/*.jsonl", "odd:name.txt", "C:/a.txt"]))


def test_urls_with_a_number_of_shards_are_taken_as_they_are() -> None:
    check_remote(corpus("snakemake+s3://bucket/news/a.jsonl.zst", "sftp://example.org/a.csv.gz?version=2"), 10)


@pytest.mark.parametrize(
    ("files", "shards", "words"),
    [
        (["sftp://bucket/a.jsonl", "b.jsonl"], 4, "Snakemake fetches some files, but not 'b.jsonl'"),
        (["sftp://bucket/*.jsonl"], 4, "list the files"),
        (["sftp://bucket/a.doc"], 4, "known are .jsonl"),
        (["sftp://bucket/a.jsonl"], "auto", "shards: {count: 100}"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_write(files: list[str], shards: int | str, words: str) -> None:
    with pytest.raises(CorpusError) as error:
        check_remote(corpus(*files), shards)  # type: ignore[arg-type]
    assert words in str(error.value)

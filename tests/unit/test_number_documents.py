"""The numbering: parts add up to the corpus, or it says what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import in_process
import polars as pl
import pytest
from making import write_jsonl
from shardner.config import parse_config
from shardner.data.manifest import PartManifest, StretchInfo
from shardner.data.typed_json import read_json, write_json
from shardner.errors import CorpusError
from shardner.parse.shard_plan import PlanSizes
from shardner.stages.checksums import add_checksums, sha256_of, sum_file
from shardner.stages.drawn_documents import DRAWN
from shardner.stages.duplicate_ids import id_prefixes
from shardner.stages.number_documents import number_documents
from shardner.stages.part_numbering import read_numbering
from shardner.stages.stretches import SplitPart

SIZES = PlanSizes(1_000, 2_000)
TEXTS = [f"text {number} of a corpus" for number in range(300)]


def split(
    directory: Path, files: Sequence[Path], sizes: PlanSizes = SIZES, **corpus: object
) -> tuple[in_process.Split, list[SplitPart]]:
    """Split files into parts; return also what the numbering reads."""
    config = parse_config({"corpus": {"files": [str(path) for path in files], **corpus}})
    found = in_process.split(directory, files, config, sizes)
    return found, [
        SplitPart(manifest, directory / "split" / manifest.name / "drawn.parquet", directory / "shards" / manifest.name)
        for manifest in found.parts
    ]


def number(directory: Path, files: Sequence[Path], parts: Sequence[SplitPart], **corpus: object) -> object:
    config = parse_config({"corpus": {"files": [str(path) for path in files], **corpus}})
    names = ("manifest", "duplicates", "drawn")
    (directory / "again").mkdir(exist_ok=True)
    targets = {name: directory / "again" / name for name in names}
    return number_documents(files, parts, config.corpus, **targets)


def changed(part: SplitPart, **stretch: object) -> SplitPart:
    first = replace(part.manifest.stretches[0], **stretch)  # type: ignore[arg-type]
    return part._replace(manifest=replace(part.manifest, stretches=(first,)))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "a.jsonl", TEXTS)


def test_the_stretches_of_a_file_follow_one_another(tmp_path: Path, corpus: Path) -> None:
    found, parts = split(tmp_path, [corpus])
    stretches: list[StretchInfo] = [part.manifest.stretches[0] for part in parts]
    assert len(parts) > 3 and stretches[0].begin == 0 and stretches[-1].end == corpus.stat().st_size
    numbers = [part.stretches[0] for part in found.texts.manifest.parts]
    for before, stretch, after in zip(numbers, stretches, numbers[1:], strict=False):
        assert after.first_doc == before.first_doc + stretch.documents
        assert after.first_row == before.first_row + stretch.rows
    assert number(tmp_path, [corpus], parts) == found.texts.manifest


@pytest.mark.parametrize("change", [{"end": 1}, {"stop": 10**9}, {"begin": 10**9}])
def test_a_gap_or_an_overlap_is_refused(tmp_path: Path, corpus: Path, change: dict[str, int]) -> None:
    _, parts = split(tmp_path, [corpus])
    parts[1] = changed(parts[1], **change)
    with pytest.raises(CorpusError, match=r"a.jsonl: what was read of it in \d+ parts does not join to the whole file"):
        number(tmp_path, [corpus], parts)


def test_a_missing_end_or_beginning_is_refused(tmp_path: Path, corpus: Path) -> None:
    _, parts = split(tmp_path, [corpus])
    for left in (parts[1:], parts[:-1], [parts[0], *parts[2:]]):
        with pytest.raises(CorpusError, match="does not join to the whole file"):
            number(tmp_path, [corpus], left)


@pytest.mark.parametrize("change", [{"bytes": 7}, {"modified_ns": 7}])
def test_a_file_that_changed_between_two_parts_is_refused(tmp_path: Path, corpus: Path, change: dict[str, int]) -> None:
    _, parts = split(tmp_path, [corpus])
    parts[2] = changed(parts[2], **change)
    with pytest.raises(CorpusError, match=r"a\.jsonl: the file changed while it was read; run again"):
        number(tmp_path, [corpus], parts)


def test_of_ids_in_two_parts_the_later_in_the_corpus_is_rejected(tmp_path: Path, corpus: Path) -> None:
    again = write_jsonl(tmp_path / "b.jsonl", [*TEXTS[:5], *["new"] * 3][::-1])  # ids d0 … d7
    for files in ([corpus, again], [again, corpus]):
        directory = tmp_path / files[0].stem
        directory.mkdir()
        found, parts = split(directory, files)
        manifest = found.texts.manifest
        assert (manifest.documents, manifest.rejected) == (300, 8)
        assert [file.rejected for file in manifest.files] == [0, 8]
        gone = pl.read_parquet(found.texts.duplicates)
        assert {parts[part].manifest.stretches[0].path for part in gone["part"]} == {str(files[1])}
        assert gone["row"].to_list() == list(range(8))
        with pytest.raises(CorpusError, match=rf"{files[1].stem}\.jsonl.*row 0.*'d0'"):
            number(directory, files, parts, on_bad_record="fail")


def test_numbers_go_to_the_corpus_and_back(tmp_path: Path, corpus: Path) -> None:
    again = write_jsonl(tmp_path / "b.jsonl", TEXTS[:5])
    found, parts = split(tmp_path, [again, corpus])
    manifest, docs = found.texts.manifest, []
    for place, part in enumerate(parts):
        numbering = read_numbering(manifest, found.texts.duplicates, place)
        gone = set(numbering.duplicates["doc"])
        local = pl.Series([doc for doc in range(part.manifest.documents) if doc not in gone]).to_numpy()
        numbers = numbering.to_corpus(local)
        assert numbering.to_part(numbers).tolist() == local.tolist()
        docs += numbers.tolist()
    assert sorted(docs) == list(range(manifest.documents))


def test_made_ids_begin_with_the_name_of_the_file_or_its_path() -> None:
    assert id_prefixes(["x/a.txt", "b.txt"]) == {"x/a.txt": "a.txt", "b.txt": "b.txt"}
    assert id_prefixes(["x/a.txt", "y/a.txt"]) == {"x/a.txt": "x/a.txt", "y/a.txt": "y/a.txt"}


def test_the_draw_does_not_depend_on_parts(tmp_path: Path, corpus: Path) -> None:
    drawn = []
    for sizes in (SIZES, PlanSizes(10**6, 10**7), 7):
        directory = tmp_path / str(sizes)
        directory.mkdir()
        config = parse_config({"corpus": {"files": [str(corpus)]}})
        drawn.append(pl.read_parquet(in_process.split(directory, [corpus], config, sizes).drawn).drop("shard"))
    assert drawn[0].height == DRAWN and drawn[0].equals(drawn[1]) and drawn[0].equals(drawn[2])


def test_checksums_are_added_to_files_that_lie_in_several_parts(tmp_path: Path, corpus: Path) -> None:
    small = write_jsonl(tmp_path / "b.jsonl", ["one"])
    small.write_text(small.read_text().replace("d0", "e0"))
    found, _ = split(tmp_path, [corpus, small])
    manifest = found.texts.manifest
    assert [file.sha256 for file in manifest.files] == [None, sha256_of(small)]
    sum_file(corpus, tmp_path / "sum.json")
    assert [file.sha256 for file in add_checksums(manifest, [tmp_path / "sum.json"]).files] == [
        sha256_of(corpus), sha256_of(small),
    ]  # fmt: skip
    corpus.write_text("changed since")
    sum_file(corpus, tmp_path / "sum.json")
    with pytest.raises(CorpusError, match="the file changed after it was split"):
        add_checksums(manifest, [tmp_path / "sum.json"])


def test_a_parts_manifest_comes_back_from_disk_as_it_was(tmp_path: Path, corpus: Path) -> None:
    _, parts = split(tmp_path, [corpus], keep=[])
    write_json(tmp_path / "part.json", parts[1].manifest)
    assert read_json(tmp_path / "part.json", PartManifest) == parts[1].manifest


def test_too_many_bad_records_end_a_run_before_the_merge(tmp_path: Path, corpus: Path) -> None:
    corpus.write_bytes(corpus.read_bytes() + b"{broken\n" * 200 + b'{"id": "x"}\n' * 150)
    _, parts = split(tmp_path, [corpus])
    rejected = [tmp_path / "split" / part.manifest.name / "rejected.parquet" for part in parts]
    config = parse_config({"corpus": {"files": [str(corpus)]}})
    targets = {name: tmp_path / name for name in ("manifest", "duplicates", "drawn")}
    (tmp_path / "again").mkdir(exist_ok=True)
    with pytest.raises(CorpusError, match=r"(?s)350.records of 650.records were rejected.*200.records: malformed JSON"):
        number_documents([corpus], parts, config.corpus, **targets, rejected=rejected, max_rejected=0.5)
    assert not targets["manifest"].exists()
    number_documents([corpus], parts, config.corpus, **targets, rejected=rejected, max_rejected=0.6)


@pytest.mark.parametrize("threads", [1, 3])
def test_ids_are_compared_in_runs_that_hold_several_stretches(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files share a part, in which one run has the ids of several, and some runs end within a file."""
    monkeypatch.setattr("shardner.stages.duplicate_ids.RUN_DOCUMENTS", 7)
    files = [write_jsonl(tmp_path / f"{name}.jsonl", TEXTS[:count]) for name, count in (("b", 5), ("a", 12), ("c", 9))]
    _, parts = split(tmp_path, files, PlanSizes(10**6, 10**7))
    assert len(parts) < len(files)
    config = parse_config({"corpus": {"files": [str(path) for path in files]}})
    (tmp_path / "again").mkdir()
    targets = {name: tmp_path / "again" / name for name in ("manifest", "duplicates", "drawn")}
    result = number_documents(files, parts, config.corpus, **targets, threads=threads)
    assert result.documents == 12 and [file.documents for file in result.files] == [5, 7, 0]
    assert pl.read_parquet(targets["duplicates"]).height == 14

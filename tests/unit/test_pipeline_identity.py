"""The pipeline's content decides whether it is the one that annotated before."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from shardner.parse.pipeline_identity import (
    PACKAGES,
    UNKNOWN,
    Identity,
    content_of,
    identify_pipeline,
    package_versions,
    write_prepared,
)
from shardner.parse.pipeline_source import Source, SourceKind


def write(directory: Path, weights: bytes = b"1") -> Source:
    (directory / "ner").mkdir(parents=True, exist_ok=True)
    (directory / "config.cfg").write_text("[nlp]")
    (directory / "ner/model").write_bytes(weights)
    return Source(SourceKind.DIRECTORY, str(directory))


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return write(tmp_path / "pipeline")


def test_before_the_first_run_the_content_is_the_key(source: Source, tmp_path: Path) -> None:
    content = content_of(source, [])
    assert identify_pipeline(source, [], tmp_path / "prepared.json") == Identity(content, content)


def test_files_of_another_time_or_place_are_the_same_pipeline(source: Source, tmp_path: Path) -> None:
    prepared, content = tmp_path / "prepared.json", content_of(source, [])
    write_prepared(prepared, source, [], content)
    expected = Identity(content, content)
    assert identify_pipeline(source, [], prepared) == expected
    for path in (tmp_path / "pipeline").rglob("*"):
        os.utime(path, (0, 0))
    assert identify_pipeline(source, [], prepared) == expected
    shutil.copytree(tmp_path / "pipeline", tmp_path / "deeper/copy")
    assert identify_pipeline(Source(SourceKind.DIRECTORY, str(tmp_path / "deeper/copy")), [], prepared) == expected


def test_nothing_is_read_where_no_file_has_another_state(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = content_of(source, [])
    write_prepared(tmp_path / "prepared.json", source, [], content)
    monkeypatch.setattr("shardner.parse.pipeline_identity.content_of", lambda *_: pytest.fail("a file was read"))
    assert identify_pipeline(source, [], tmp_path / "prepared.json") == Identity(content, content)


@pytest.mark.parametrize("change", ["content", "name", "one more", "code", "another code"])
def test_other_files_are_another_pipeline(change: str, source: Source, tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text("a = 1")
    content = content_of(source, [code])
    write_prepared(tmp_path / "prepared.json", source, [code], content)
    if change == "content":
        write(tmp_path / "pipeline", b"2")
    elif change == "name":
        (tmp_path / "pipeline/ner/model").rename(tmp_path / "pipeline/ner/other")
    elif change == "one more":
        (tmp_path / "pipeline/vocab").touch()
    elif change == "another code":
        code.write_text("a = 2")
    given = [] if change == "code" else [code]
    found = identify_pipeline(source, given, tmp_path / "prepared.json")
    assert found == Identity(content_of(source, given), content_of(source, given)) and found.content != content


def test_what_is_fetched_in_a_run_keeps_the_key_of_that_run_until_it_changes(source: Source, tmp_path: Path) -> None:
    prepared = tmp_path / "prepared.json"
    write_prepared(prepared, source, [], None)  # nothing was there when the run began
    found = identify_pipeline(source, [], prepared)
    assert found == Identity(content_of(source, []), None)
    write_prepared(prepared, source, [], found.key)
    assert identify_pipeline(source, [], prepared) == found
    write(tmp_path / "pipeline", b"2")
    assert identify_pipeline(source, [], prepared).key == content_of(source, [])


def test_what_changes_between_parse_and_preparation_is_what_was_prepared(source: Source, tmp_path: Path) -> None:
    before = content_of(source, [])
    write(tmp_path / "pipeline", b"2")
    write_prepared(tmp_path / "prepared.json", source, [], before)
    after = content_of(source, [])
    assert identify_pipeline(source, [], tmp_path / "prepared.json") == Identity(after, after)


def test_a_package_is_part_of_a_pipeline_whose_config_names_what_it_brings(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, group, part in (
        ("a", "spacy_factories", "finder"), ("b", "thinc_layers", "layer.v1"), ("c", "spacy_loggers", "finder"),
        ("d", "spacy_factories", "find"), ("e", "console_scripts", "finder"),
    ):  # fmt: skip
        about = tmp_path / f"site/{name}-2.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
        (about / "entry_points.txt").write_text(f"[{group}]\n{part} = nowhere:make\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    (tmp_path / "pipeline/config.cfg").write_text('factory = "finder"\n@layers = "layer.v1"\n')
    own = package_versions(source, None)
    assert set(own) == set(PACKAGES)
    assert package_versions(source, "key") == {"a": "2.0", "b": "2.0", **own}


@pytest.mark.parametrize("kind", [SourceKind.URL, SourceKind.TRAINED])
def test_of_what_comes_to_be_in_the_run_nothing_is_known(kind: SourceKind, tmp_path: Path) -> None:
    source = Source(kind, "https://example.org/en_x-1.0-py3-none-any.whl")
    write_prepared(tmp_path / "prepared.json", source, [], None)
    assert identify_pipeline(source, [], tmp_path / "prepared.json") == UNKNOWN


def test_of_what_cannot_be_read_nothing_is_known(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise PermissionError

    monkeypatch.setattr("shardner.parse.pipeline_identity.checksum", refuse)  # root may read whatever there is
    assert identify_pipeline(source, [], tmp_path / "prepared.json") == UNKNOWN


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"states": 3}'])
def test_a_damaged_file_is_as_none(text: str, source: Source, tmp_path: Path) -> None:
    (tmp_path / "prepared.json").write_text(text)
    content = content_of(source, [])
    assert identify_pipeline(source, [], tmp_path / "prepared.json") == Identity(content, content)


def test_a_package_s_file_is_known_by_what_it_holds(tmp_path: Path) -> None:
    for directory, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "en_x-1.0.tar.gz").write_bytes(content)
    found = [content_of(Source(SourceKind.ARCHIVE, str(tmp_path / each / "en_x-1.0.tar.gz")), []) for each in "abc"]
    assert found[0] == found[1] != found[2]

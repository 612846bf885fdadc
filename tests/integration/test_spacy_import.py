"""What is imported with spaCy: only a new process can tell. What stands in for Torch notes each import."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from making import ROOT, clean_environment, make_pipeline

extended = pytest.mark.skipif(
    bool(entry_points(group="spacy_factories")), reason="a package that extends spaCy is installed: Torch stays"
)

LOAD = """
import sys
from shardner.model.pipeline import import_spacy_for
import_spacy_for(sys.argv[1], None)
import spacy
assert "torch" not in sys.modules
print(spacy.load(sys.argv[1]).pipe_names)
try:
    import torch
except ImportError:
    print("asked for by itself")
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    (tmp_path / "torch").mkdir()
    note = f"open({str(tmp_path / 'asked')!r}, 'a').write('x')"
    (tmp_path / "torch/__init__.py").write_text(f"{note}\nraise ImportError('stands in')\n")
    return make_pipeline(tmp_path / "pipeline")


def asked_for_torch(pipeline: Path) -> int:
    """Import spaCy for a pipeline, load it, and then import Torch; return how often Torch was asked for."""
    paths = f"{pipeline.parent}:{ROOT / 'workflow/scripts'}"
    done = subprocess.run(
        [sys.executable, "-c", LOAD, pipeline],
        capture_output=True, text=True, check=False, env={**clean_environment(), "PYTHONPATH": paths},
    )  # fmt: skip
    assert "asked for by itself" in done.stdout, done.stderr
    return len((pipeline.parent / "asked").read_text())


@extended
def test_torch_is_not_imported_for_a_pipeline_of_spacys_own_layers(pipeline: Path) -> None:
    assert asked_for_torch(pipeline) == 1  # at the end, where it can be imported as ever


@extended
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("spacy.HashEmbedCNN.v2", "spacy.TorchBiLSTMEncoder.v1"),
        ("spacy.HashEmbedCNN.v2", "company.Encoder.v1"),
        ('factory = "sentencizer"', 'factory = "company_rules"'),
        ("[components]", "[components"),
    ],
)
def test_torch_is_imported_where_a_pipeline_may_need_it(pipeline: Path, old: str, new: str) -> None:
    from shardner.model.spacy_import import needs_torch

    assert not needs_torch(pipeline)
    config = pipeline / "config.cfg"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    assert needs_torch(pipeline)


@pytest.mark.parametrize(
    "asked",
    [
        "spacy.cli.download.__module__ == 'spacy.cli.download'",  # as where spaCy imports it by itself
        "spacy.info.__module__ == 'spacy.cli.info' and spacy.info(silent=True)['spacy_version']",
        "__import__('spacy.cli.train').cli.train",
        "__import__('spacy.cli.info').info is __import__('spacy.cli').cli.info",
    ],
)
def test_the_command_line_is_imported_when_it_is_asked_for(pipeline: Path, asked: str) -> None:
    code = f"""
import sys
from shardner.model.pipeline import import_spacy_for
import_spacy_for(sys.argv[1], None)
import spacy
assert spacy.load(sys.argv[1])("Ada Lovelace").text and "spacy.cli" not in sys.modules and "typer" not in sys.modules
assert not hasattr(spacy, "nothing")
assert {asked}
assert "spacy.cli" in sys.modules and "nothing" not in dir(spacy)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, pipeline],
        capture_output=True, text=True, check=False,
        env={**clean_environment(), "PYTHONPATH": str(ROOT / "workflow/scripts")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

"""The containers hold what the locks say: they install the lock files whole, and nothing from an index besides."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from making import ROOT
from packaging.requirements import Requirement

DOCKERFILE = ROOT / "containers" / "Dockerfile"
APPTAINER = ROOT / "containers" / "shardner.def"


def base_of(text: str) -> str:
    (base,) = re.findall(r"^FROM (\S+)$|^From: (\S+)$", text, re.MULTILINE)
    return "".join(base)


def commands_of(text: str) -> list[str]:
    """Return the commands that build the image, whatever joins them."""
    text = re.sub(r"\\\n", " ", text)
    lines = [re.sub(r"^RUN ", "", line.strip()) for line in text.splitlines() if not line.startswith("#")]
    return [
        " ".join(part.split())
        for line in lines
        for part in line.split("&&")
        if "/opt/shardner" in line or "apt" in line
    ]


def installed_by(commands: list[str], program: str) -> list[str]:
    return [word for line in commands if f"{program} install" in line for word in line.split(" install ")[1].split()]


@pytest.mark.parametrize("path", [DOCKERFILE, APPTAINER], ids=lambda path: path.name)
def test_an_image_installs_whole_locks_and_no_other_package(path: Path) -> None:
    text = path.read_text("utf-8")
    words = installed_by(commands_of(text), "pip")
    assert [word for word in words if not word.startswith("--")] == [
        "/opt/shardner/cuda12.lock", "/opt/shardner/slurm.lock",
    ]  # fmt: skip
    assert words.count("--requirement") == 2
    copied = re.findall(r"requirements/(\S+\.lock)", re.sub(r"#.*", "", text))
    assert copied == ["cuda12.lock", "slurm.lock"] and all((ROOT / "requirements" / name).is_file() for name in copied)


def test_both_images_are_built_alike() -> None:
    docker, apptainer = DOCKERFILE.read_text("utf-8"), APPTAINER.read_text("utf-8")
    assert base_of(docker) == base_of(apptainer)
    for program in ("apt-get", "pip"):
        assert installed_by(commands_of(docker), program) == installed_by(commands_of(apptainer), program) != []


def test_the_base_has_the_locks_cuda() -> None:
    image = re.fullmatch(
        r"nvidia/cuda:(?P<cuda>\d+\.\d+)\.\d+-base-ubuntu24\.04", base_of(DOCKERFILE.read_text("utf-8"))
    )
    lines = (ROOT / "requirements" / "cuda12.lock").read_text("utf-8").splitlines()
    pins = {pin.name: str(pin.specifier) for pin in map(Requirement, [line for line in lines if line[0] != "#"])}
    assert image is not None and pins["cuda-toolkit"].startswith(f"=={image['cuda']}.")


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed (requirements/dev.lock has it)")
def test_the_linter_finds_nothing() -> None:
    done = subprocess.run(["hadolint", str(DOCKERFILE)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr

"""Write envs/*.yaml, the environments of --software-deployment-method conda, from pyproject.toml and the locks.

usage: python tools/write_envs.py        (make lock does it)
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

# A job's script takes Snakemake from the process that started it; a second one beside it could only disagree.
NOT_IN_JOBS = {"snakemake"}


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One file of envs/: what it is for, and where its pins come from."""

    name: str
    comment: str
    extras: tuple[str, ...] = ()
    locks: tuple[str, ...] = ("run",)


ENVIRONMENTS = (
    Environment(name="cpu", comment="Every rule that needs no GPU."),
    Environment(
        name="gpu",
        comment="NVIDIA GPUs. CuPy for CUDA 12: drivers for CUDA 13 run it too.",
        extras=("cuda12",),
        locks=("run", "cuda12"),
    ),
    Environment(
        name="transformers",
        comment="Transformer pipelines, on the CPU or a GPU. This Torch is built for CUDA 13, and so is CuPy here.",
        extras=("transformers", "cuda13"),
        locks=("run", "transformers", "cuda13"),
    ),
)


def read_pins(lock: Path) -> dict[str, str]:
    """Return a lock's version of each package, by canonical name."""
    requirements = [Requirement(line) for line in lock.read_text().splitlines() if not line.startswith("#")]
    return {canonicalize_name(requirement.name): str(requirement.specifier)[2:] for requirement in requirements}


def render_environments(root: Path = ROOT) -> dict[Path, str]:
    """Return the text of each environment file, by path."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return {root / "envs" / f"{each.name}.yaml": render_environment(each, project, root) for each in ENVIRONMENTS}


def render_environment(environment: Environment, project: dict[str, Any], root: Path) -> str:
    """Return one environment file: the direct dependencies at the locks' versions."""
    pins: dict[str, str] = {}
    for lock in environment.locks:
        pins |= read_pins(root / "requirements" / f"{lock}.lock")
    wanted = [Requirement(each) for each in project["dependencies"]]
    for extra in environment.extras:
        wanted += [Requirement(each) for each in project["optional-dependencies"][extra]]
    lines = [
        f"# {environment.comment}",
        "# The locks' versions of the direct dependencies: regenerate with 'make lock', never edit.",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        "  - python =3.12",
        "  - pip",
        "  - pip:",
        *(f"      - {pin(each, pins)}" for each in wanted if each.name not in NOT_IN_JOBS),
    ]
    return "\n".join(lines) + "\n"


def pin(requirement: Requirement, pins: dict[str, str]) -> str:
    """Return the requirement at its locked version, e.g. "cupy-cuda12x[ctk]==14.2.0"."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = "; sys_platform == 'linux'" if requirement.name.startswith("cupy") else ""
    return f"{requirement.name}{extras}=={pins[canonicalize_name(requirement.name)]}{marker}"


if __name__ == "__main__":
    for path, text in render_environments().items():
        path.write_text(text)
        print(f"envs: {path.relative_to(ROOT)}")

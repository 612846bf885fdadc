"""pyproject.toml, the locks, envs/ and the code agree on what Shardner needs."""

from __future__ import annotations

import ast
import re
import runpy
import sys
import tomllib
from pathlib import Path

import pytest
import shardner
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, GROUPS = SETTINGS["project"], SETTINGS["dependency-groups"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
#: Each stands by itself; those of a group are added to another.
WHOLE = [lock for lock in LOCKS if lock.stem not in GROUPS]
ENVS = sorted((ROOT / "envs").glob("*.yaml"))

HASH = r" \\\n    --hash=sha256:[0-9a-f]{64}"

# modules whose package has another name
PACKAGE_OF = {"cupyx": "cupy", "pynvml": "nvidia-ml-py", "vl_convert": "vl-convert-python", "yaml": "pyyaml"}


def read_pins(lock: Path) -> dict[str, Requirement]:
    lines = [line for line in re.sub(HASH, "", lock.read_text()).splitlines() if not line.startswith("#")]
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


def version_of(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    assert specifier.operator == "==", f"{pin} is no exact pin"
    return specifier.version


def requirements_of(lock: Path) -> list[Requirement]:
    named = GROUPS.get(lock.stem) or PROJECT["dependencies"] + EXTRAS.get(lock.stem, [])
    return [Requirement(each) for each in named]


def test_every_extra_and_every_group_has_a_lock() -> None:
    assert {lock.stem for lock in LOCKS} == {"run", *EXTRAS, *GROUPS}


def test_a_pipeline_is_pinned_by_its_hash() -> None:
    lock = (ROOT / "requirements" / "pipelines.lock").read_text()
    pins = [each for each in re.split(r"\n(?=\w)", lock.rstrip("\n")) if not each.startswith("#")]
    assert len(pins) == len(GROUPS["pipelines"]) and all(re.fullmatch(rf"\S+==\S+({HASH})+", pin) for pin in pins)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_pins_every_direct_dependency_within_its_range(lock: Path) -> None:
    pins = read_pins(lock)
    for requirement in requirements_of(lock):
        pin = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version_of(pin)), f"{pin} is outside {requirement}"


@pytest.mark.parametrize("lock", WHOLE, ids=lambda lock: lock.stem)
def test_locks_add_up_to_one_environment(lock: Path) -> None:
    run = {name: version_of(pin) for name, pin in read_pins(ROOT / "requirements" / "run.lock").items()}
    assert run.items() <= {name: version_of(pin) for name, pin in read_pins(lock).items()}.items()


@pytest.mark.parametrize("path", [*LOCKS, *ENVS], ids=lambda path: path.name)
def test_pins_name_no_index_path_or_local_build(path: Path) -> None:
    text = "\n".join(line for line in re.sub(HASH, "", path.read_text()).splitlines() if not line.startswith("#"))
    assert not re.search(r"://|(^|\s)[/~.]|--|@|\+", text)


def test_cpu_needs_neither_torch_nor_cuda() -> None:
    for name in ("run", "dev"):
        names = read_pins(ROOT / "requirements" / f"{name}.lock").keys() - {"nvidia-ml-py"}
        assert not [each for each in names if re.match(r"torch|triton|cupy|cuda|nvidia", each)]


def test_version_is_the_package_s() -> None:
    assert PROJECT["version"] == shardner.__version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == shardner.__version__
    newest = re.search(r"^## \[(\d[^\]]*)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest and newest.groups() == (shardner.__version__, str(citation["date-released"]))
    for path in ("README.md", "config/README.md"):
        assert re.findall(r"--tag v(\S+?)`?\s", (ROOT / path).read_text("utf-8")) == [shardner.__version__]


def test_environments_are_those_of_the_locks() -> None:
    render_environments = runpy.run_path(str(ROOT / "tools" / "write_envs.py"))["render_environments"]
    rendered = render_environments()
    assert sorted(rendered) == ENVS
    for path, text in rendered.items():
        assert path.read_text() == text, f"{path.name} is out of date: make lock"


@pytest.mark.parametrize("path", ENVS, ids=lambda path: path.stem)
def test_environment_pins_equal_the_lock_s(path: Path) -> None:
    locked = {name: version_of(pin) for lock in LOCKS for name, pin in read_pins(lock).items()}
    *_, with_pip = yaml.safe_load(path.read_text())["dependencies"]
    pins = {canonicalize_name(each.name): version_of(each) for each in map(Requirement, with_pip["pip"])}
    assert pins.items() <= locked.items()
    direct = {canonicalize_name(Requirement(each).name) for each in PROJECT["dependencies"]}
    assert direct - {"snakemake"} <= pins.keys()


def test_every_imported_package_is_declared() -> None:
    declared = {
        canonicalize_name(Requirement(each).name)
        for extra in [PROJECT["dependencies"], *EXTRAS.values()]
        for each in extra
    } | {"cupy"}
    scripts = ROOT / "workflow" / "scripts"
    imported = {
        name.partition(".")[0]
        for path in scripts.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in imported_modules(node)
    }
    own = {path.stem for path in scripts.iterdir()}
    third_party = imported - sys.stdlib_module_names - own
    assert {canonicalize_name(PACKAGE_OF.get(name, name)) for name in third_party} <= declared


def imported_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    return []

"""A hash of the code that a rule runs, for its ``params``.

Snakemake runs a rule again when its adapter changes, but does not look into the modules that the adapter imports. So a
rule's fingerprint covers its adapter and all modules that the adapter reaches by imports, those inside functions too.
After a change of the report's code the report is written again, and nothing is annotated again.

What changes no result does not count: comments, docstrings, blank lines, spaces at the end of a line, and the modules
that only display (`DISPLAY`). A file beside the modules of a subpackage (a template, a style sheet) counts wherever a
module of that subpackage does.

Every job of a cluster parses the workflow twice, and each parse makes the fingerprints of all rules. Two regular
expressions read a module in a tenth of the time that a parser takes. A test compares them with the parser.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

#: Where the adapters are, and beside them the package.
SCRIPTS = Path(__file__).parents[2]
#: The subpackage that formats numbers and shows progress. A change in it changes how a report looks, and no table.
DISPLAY = "shardner.terminal"

# Parts of the pattern below. `*+` and `++` give nothing back, so no character is looked at again and again.
_TRIPLE = r'"""[^"\\]*+(?:(?:\\.|"(?!""))[^"\\]*+)*+"""'
_SINGLE = r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
_STRING = "|".join(pattern.replace('"', quote) for pattern in (_TRIPLE, _SINGLE) for quote in "\"'")
# The rest of a line without code, and all further lines without code.
_REST = r"[ ]*+(?:\#[^\n]*+)?\n(?:[ ]*+(?:\#[^\n]*+)?\n)*+"

# Divides a module into code, which its groups hold, and the rest. A docstring stands after the colon of a header. Where
# it is all there is in a body, the empty string of its first two quotes is kept, so that the body is not empty.
_PIECE = re.compile(
    rf"""
    (?P<code> (?: [^"'\#:\ \n]++
                | [ ] (?! [ ]*+ [\#\n] )
                | \n (?! [ ]*+ [\#\n] ) [ ]*+
                | : (?! {_REST} [ ]*+ [rR]?+ \"{{3}} )
                | {_STRING} )++ )
    | (?P<colon> : ) {_REST} (?P<indent> [ ]*+ ) [rR]?+ (?: {_TRIPLE} (?= {_REST} (?P=indent) [^\s\#] )
                                                         | (?P<body> "" ) {_TRIPLE[2:]} )
    | [ ]++ | \#[^\n]*+ | \n
    """,
    re.VERBOSE | re.DOTALL,
)
_KEPT = r"\g<code>\g<colon>\g<body>"

_IMPORT = re.compile(
    r"""
    ^[ ]*+ (?: from [ ]+ (?P<module> [\w.]+ ) [ ]+ import [ ]+ (?: \( (?P<block> [^)]*+ ) | (?P<line> [^\n]*+ ) )
             | import [ ]+ (?P<modules> [^\n]*+ ) )
    """,
    re.VERBOSE | re.MULTILINE,
)


def fingerprint(rule: str, *, display: bool = False) -> str:
    """Return a hash of the code that a rule runs.

    Args:
        rule: its name, which its adapter bears as well.
        display: whether modules that only display count: where people look at what the rule makes.
    """
    return _read_scripts().fingerprint(rule, display=display)


@cache
def _read_scripts() -> SourceTree:
    return SourceTree(SCRIPTS)


@dataclass(frozen=True, slots=True)
class _Module:
    """What a fingerprint needs to know of a module."""

    digest: bytes  # of its code
    imports: frozenset[str]  # modules of the same tree


class SourceTree:
    """The adapters in a directory and the package beside them. Each file is read at most once.

    Args:
        scripts: the directory.
    """

    def __init__(self, scripts: Path) -> None:
        self._paths: dict[str, Path] = {}  # by the name of a module
        self._data: dict[str, list[Path]] = {}  # by the name of a subpackage
        self._modules: dict[str, _Module] = {}
        for directory, directories, files in os.walk(scripts):
            directories[:] = [each for each in directories if each != "__pycache__"]
            package = ".".join(Path(directory).relative_to(scripts).parts)
            for name in files:
                path = Path(directory, name)
                if name == "__init__.py":
                    self._paths[package] = path
                elif path.suffix == ".py":
                    self._paths[f"{package}.{path.stem}".lstrip(".")] = path
                elif "." in package:
                    self._data.setdefault(package, []).append(path)

    def fingerprint(self, rule: str, *, display: bool = False) -> str:
        """Return a hash of the code that a rule runs, as the function of this name does."""
        modules = self.reach(rule, display=display)
        total = hashlib.sha256()
        for name in sorted(modules):
            total.update(name.encode() + b"\0" + self._read(name).digest)
        packages = {name if self._is_package(name) else name.rpartition(".")[0] for name in modules}
        for path in sorted(path for package in packages & self._data.keys() for path in self._data[package]):
            total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        return total.hexdigest()[:16]

    def reach(self, rule: str, *, display: bool = False) -> frozenset[str]:
        """Return the names of the modules that count for a rule; its adapter is one of them."""
        reached: set[str] = set()
        waiting = [rule]
        while waiting:
            name = waiting.pop()
            if name not in reached and (display or not f"{name}.".startswith(f"{DISPLAY}.")):
                reached.add(name)
                waiting += self._read(name).imports
        return frozenset(reached)

    def _read(self, name: str) -> _Module:
        if name not in self._modules:
            code = strip_source(self._paths[name].read_text("utf-8"))
            imports = frozenset(module for each in imported_names(code) for module in self._modules_of(each))
            self._modules[name] = _Module(hashlib.sha256(code.encode()).digest(), imports)
        return self._modules[name]

    def _modules_of(self, name: str) -> Iterator[str]:
        """Yield the modules of this tree that run when `name` is imported: itself and the subpackages that it lies in.

        The package at the top is left out. It holds nothing but the version, and a release redoes no work.
        """
        parts = name.split(".")
        for count in range(len(parts), 0, -1):
            module = ".".join(parts[:count])
            if module in self._paths and (count > 1 or not self._is_package(module)):
                yield module

    def _is_package(self, name: str) -> bool:
        return self._paths[name].name == "__init__.py"


def strip_source(source: str) -> str:
    """Return the source of a module without comments, docstrings, blank lines, and spaces at the end of lines."""
    # a module's own docstring is found like any other: after a colon
    return _PIECE.sub(_KEPT, f":\n{source}\n").removeprefix(":")


def imported_names(source: str) -> Iterator[str]:
    """Yield the names that a module imports: of ``from a import b`` both ``a`` and ``a.b``, which may be a module.

    Args:
        source: what `strip_source` returned.
    """
    for match in _IMPORT.finditer(source):
        if modules := match["modules"]:
            yield from (each.split()[0] for each in modules.split(","))
        else:
            yield match["module"]
            names = (match["block"] or match["line"] or "").split(",")
            yield from (f"{match['module']}.{each.split()[0]}" for each in names if each.strip())

"""A hash of the code that a rule runs, for its ``params``.

Snakemake re-runs a rule when its adapter changes but does not look into the modules that the adapter imports. Each
rule's fingerprint covers its entry module and what that imports from this package, so a change of the report does
not redo the annotation.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

# Every job of a cluster parses the workflow twice. A pattern takes a tenth of a parser's time; what it finds too much
# (in a docstring, say) does no harm.
_IMPORT = re.compile(
    rf"""
    ^[ \t]* (?: from | import ) [ ]+ (?P<module> {PACKAGE.name} (?: \. [\w.]+ )? ) \b
    (?: [ ]+ import [ ]+ (?: \( (?P<block> [^)]* ) \) | (?P<names> [^\n]* ) ) )?
    """,
    re.MULTILINE | re.VERBOSE,
)


def fingerprint(*modules: str) -> str:
    """Return a hash of the source of modules (``"shardner.stages.merge"``) and of all that they import."""
    reached: set[Path] = set()
    waiting = [_source(module) for module in modules]
    while waiting:
        path = waiting.pop()
        if path is not None and path not in reached:
            reached.add(path)
            waiting += _imports(path)
    # what lies beside the modules of a subpackage (a template, a style sheet) is code as well
    for directory in {path.parent for path in reached} - {PACKAGE}:
        reached |= {path for path in directory.iterdir() if path.is_file() and path.suffix not in {".py", ".pyc"}}
    digest = hashlib.sha256()
    for path in sorted(reached):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _source(module: str) -> Path | None:
    base = PACKAGE.parent.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _imports(path: Path) -> list[Path]:
    found = (_source(name) for name in _imported_names(path.read_text("utf-8")) if name != PACKAGE.name)
    return [source for source in found if source is not None]


def _imported_names(source: str) -> Iterator[str]:
    for match in _IMPORT.finditer(source):
        yield match["module"]
        # `from shardner.corpus import jsonl` may name a module rather than an object of one
        yield from (f"{match['module']}.{name}" for name in re.findall(r"\w+", match["block"] or match["names"] or ""))

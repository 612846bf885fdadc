"""Whether the answer for a document depends on more than the text around each of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shardner.model.dependencies import find_dependencies
from shardner.model.layers import find_leak

if TYPE_CHECKING:
    from spacy.language import Language


def depends_on_position(nlp: Language, kept: Sequence[str]) -> str | None:
    """Return why a long document may not be cut into windows, None where it may as far as is known."""
    for name in kept:
        if find_dependencies(nlp, name).reads_position:
            return (
                f"{name!r} reads where in its document a token stands (IDX), so a document that is cut into windows "
                f"would get other entities than the whole document"
            )
    return None


def depends_on_batch(nlp: Language, kept: Sequence[str]) -> str | None:
    """Return why documents have to be annotated one at a time, None where they need not."""
    for name in kept:
        if leak := find_leak(nlp.get_pipe(name)):
            return (
                f"{name!r}: {leak}, so the entities of a document depend on the documents beside it, in stock spaCy "
                f"too; documents are annotated one at a time, which is slower"
            )
    return None

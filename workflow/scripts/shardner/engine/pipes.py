"""The components of a pipeline, run over documents that are tokenized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shardner.engine.changed_texts import check_text, components_may_change_texts

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc


def run_pipes(nlp: Language, docs: Sequence[Doc], without: Sequence[str] = ()) -> list[Doc]:
    """Run the components of `nlp`, except those named in `without`, over tokenized documents.

    Raises:
        RuntimeError: a component dropped a document.
        TextChangedError: a component changed the text of a document. Components may raise anything else.
    """
    texts = [doc.text for doc in docs] if components_may_change_texts(nlp) else None
    done = list(nlp.pipe(docs, batch_size=max(len(docs), 1), disable=without))
    if len(done) != len(docs):
        raise RuntimeError(f"the pipeline gave back {len(done)} of {len(docs)} documents")
    for doc, text in zip(done, texts or (), strict=False):
        check_text(doc, text, "a component of the pipeline")
    return done

"""Documents whose text is not the text that was annotated: their offsets would refer to another text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shardner.model.layers import is_known

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc


class TextChangedError(ValueError):
    """The text of a document is not the text that was annotated."""


def tokenizer_may_change_texts(nlp: Language) -> bool:
    """Tell whether the tokenizer of `nlp` is another package's than spaCy's own."""
    return not is_known(nlp.tokenizer)


def components_may_change_texts(nlp: Language) -> bool:
    """Tell whether a component of `nlp` is another package's than spaCy's own."""
    return not all(is_known(pipe) for _, pipe in nlp.pipeline)


def check_text(doc: Doc, text: str, source: str) -> None:
    """Check that a document has the text `text`, after a part of the pipeline, `source`, made or changed it.

    Raises:
        TextChangedError: it has another text.
    """
    made = doc.text
    if made == text:
        return
    place = next((i for i, (one, other) in enumerate(zip(made, text, strict=False)) if one != other), None)
    place = min(len(made), len(text)) if place is None else place
    raise TextChangedError(
        f"{source} gave a document whose text is not the input's: it differs from character {place} on "
        f"({made[place : place + 20]!r} instead of {text[place : place + 20]!r}), so offsets would be wrong"
    )

"""Documents for other programs: with entities replaced by their labels, or to be annotated by people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from shardner.config import FIELD
from shardner.data.files import atomic_path
from shardner.stages.annotated_texts import AnnotatedText, read_annotated
from shardner.stages.document_rows import CorpusTexts


class TextFormat(StrEnum):
    """A format whose documents have texts; the value is that of ``output.formats``."""

    REDACTED = "redacted"
    PRODIGY = "prodigy"
    LABEL_STUDIO = "labelstudio"


def export_texts(
    form: TextFormat,
    documents: list[Path],
    entities: list[Path],
    corpus: CorpusTexts,
    target: Path,
    template: str,
    *,
    several: bool,
) -> None:
    """Write documents of two tables in a format, in corpus order.

    Args:
        form: the format. Label Studio's is one JSON array, each other one an object a line.
        documents: the files of the table of documents.
        entities: the files of the table of entities.
        corpus: the texts.
        target: where they go.
        template: what stands for an entity where it is replaced; ``{label}`` is its label.
        several: whether a record may give several documents, so that a document is named by its field, too.

    Raises:
        MergeError: a shard is gone.
    """
    write: Mapping[TextFormat, Callable[[AnnotatedText], dict[str, Any]]] = {
        TextFormat.REDACTED: lambda document: {**_names(document, several), "text": redact(document, template)},
        TextFormat.PRODIGY: lambda document: _for_prodigy(document, _names(document, several)),
        TextFormat.LABEL_STUDIO: lambda document: _for_label_studio(document, _names(document, several)),
    }
    is_array = form is TextFormat.LABEL_STUDIO
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        before = "[\n" if is_array else ""
        for batch in read_annotated(documents, entities, corpus):
            for document in batch.split():
                file.write(before + json.dumps(write[form](document), ensure_ascii=False))
                before = ",\n" if is_array else "\n"
        file.write({"[\n": "[]\n", "": ""}.get(before, "\n]\n" if is_array else "\n"))


def redact(document: AnnotatedText, template: str) -> str:
    """Return the text with each entity replaced, by its offsets alone.

    Args:
        document: its entities do not overlap.
        template: what stands for an entity.
    """
    pieces, done = [], 0
    for entity in document.entities:
        pieces += [document.text[done : entity["start"]], template.format(label=entity["label"])]
        done = entity["end"]
    return "".join([*pieces, document.text[done:]])


def _names(document: AnnotatedText, several: bool) -> dict[str, Any]:
    """Return what names a document. A kept column may be called as the field is: it is not among it."""
    return {name: document.row[name] for name in ("doc", "id", *([FIELD] if several else []))}


def _for_prodigy(document: AnnotatedText, names: Mapping[str, Any]) -> dict[str, Any]:
    spans = [{name: entity[name] for name in ("start", "end", "label")} for entity in document.entities]
    meta = {**names, "file": document.row["file"], "row": document.row["row"]}
    return {"text": document.text, "spans": spans, "meta": meta}


def _for_label_studio(document: AnnotatedText, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task. Label Studio counts code points, too."""
    result = [
        {
            "id": f"{document.row['doc']}-{number}",
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": entity["start"],
                "end": entity["end"],
                "text": entity["text"],
                "labels": [entity["label"]],
            },
        }
        for number, entity in enumerate(document.entities)
    ]
    return {
        "data": {**names, "text": document.text},
        "predictions": [{"model_version": "shardner", "result": result}],
    }

"""Which engine annotates with a pipeline, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shardner.config import EngineChoice
from shardner.engine.annotations import Engine
from shardner.engine.stock import StockEngine
from shardner.errors import ConfigError

if TYPE_CHECKING:
    from spacy.language import Language


def select_engine(nlp: Language, choice: EngineChoice, batch_tokens: int | None) -> tuple[Engine, str, str]:
    """Return an engine for a loaded pipeline, its name, and the reason for choosing it.

    Raises:
        ConfigError: the engine asked for cannot annotate with this pipeline.
    """
    refuse_unavailable(choice)
    reason = "ner.engine: spacy" if choice is EngineChoice.SPACY else "the one engine of this version"
    return StockEngine(nlp, batch_tokens), "spacy", reason


def refuse_unavailable(choice: EngineChoice) -> None:
    """Raise `ConfigError` for an engine that this version does not have."""
    if choice is EngineChoice.FUSED:
        raise ConfigError("ner.engine: this version has no fused engine yet; write:   ner: {engine: auto}")

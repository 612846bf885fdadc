"""Which engine annotates with a pipeline, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shardner.config import EngineChoice
from shardner.engine.annotations import Engine
from shardner.engine.fused import FusedEngine, Support, examine
from shardner.engine.fused.arrays import Module
from shardner.engine.sorted_by_length import ByLength, has_padding, padded_batch_tokens
from shardner.engine.stock import StockEngine
from shardner.errors import ConfigError

if TYPE_CHECKING:
    from spacy.language import Language


@dataclass(frozen=True, slots=True)
class Selected:
    """An engine over a pipeline, its name, and why it was chosen."""

    engine: Engine
    name: EngineChoice
    reason: str


def select_engine(
    nlp: Language,
    choice: EngineChoice,
    batch_tokens: int | None,
    *,
    support: Support | None = None,
    xp: Module | None = None,
    attributes: Sequence[str] = (),
    spans: Sequence[str] = (),
) -> Selected:
    """Return the engine for a loaded pipeline: the one asked for, or the fastest that is exact.

    Args:
        nlp: the pipeline.
        choice: the setting ``ner.engine``.
        batch_tokens: tokens annotated at once; None for as many as suit the pipeline.
        support: what `examine` says about `nlp`, if it has been asked.
        xp: ``numpy`` or ``cupy``, with which the fused engine computes; None for where the pipeline's weights lie.
        attributes: further columns of entities that the engine returns.
        spans: span groups that the engine returns.

    Raises:
        ConfigError: the fused engine was asked for and cannot annotate with this pipeline.
    """
    if not has_padding(nlp):
        return _select(nlp, choice, batch_tokens, support, xp, attributes, spans)
    selected = _select(nlp, choice, batch_tokens or padded_batch_tokens(), support, xp, attributes, spans)
    return replace(selected, engine=ByLength(selected.engine))


def _select(
    nlp: Language,
    choice: EngineChoice,
    batch_tokens: int | None,
    support: Support | None,
    xp: Module | None,
    attributes: Sequence[str],
    spans: Sequence[str],
) -> Selected:
    if choice is EngineChoice.SPACY:
        stock = StockEngine(nlp, batch_tokens, attributes=attributes, spans=spans)
        return Selected(stock, EngineChoice.SPACY, "ner.engine: spacy")
    support = support or examine(nlp)
    if support.plan is not None:
        engine = FusedEngine(nlp, batch_tokens, xp, plan=support.plan, attributes=attributes, spans=spans)
        return Selected(engine, EngineChoice.FUSED, support.reason)
    if choice is EngineChoice.FUSED:
        raise ConfigError(
            f"ner.engine: the fused engine cannot annotate with this pipeline ({support.reason}); "
            f"write:   ner: {{engine: auto}}"
        )
    stock = StockEngine(nlp, batch_tokens, attributes=attributes, spans=spans)
    return Selected(stock, EngineChoice.SPACY, f"not fused: {support.reason}")

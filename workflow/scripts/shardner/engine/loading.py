"""A pipeline and its engine are loaded onto the CPU or the GPU, or each part onto where it is faster."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shardner.config import EngineChoice
from shardner.data.stopwatch import Stopwatch
from shardner.engine.fused import examine
from shardner.engine.selection import Selected, select_engine
from shardner.engine.stock import ONE_DOCUMENT, StockEngine, describe
from shardner.errors import ConfigError, DeviceError
from shardner.gpu.halving import is_out_of_memory
from shardner.gpu.kernel_cache import first_compiles
from shardner.gpu.memory import Share, fit_batch, weigh
from shardner.model.pipeline import Pipeline, load_pipeline

if TYPE_CHECKING:
    from spacy.language import Language

log = logging.getLogger(__name__)

#: Annotated once before anything is measured, because kernels are compiled and libraries loaded at their first use.
WARM_UP = [
    "Ada Lovelace, born in London on 10 December 1815, wrote to Charles Babbage.\nShe paid £1,200 for it.",
    "On Tuesday the board of Analytical Engines Ltd. met in Zürich, Switzerland.",
]


def load_engine(
    pipeline: Pipeline,
    choice: EngineChoice,
    batch_tokens: int | None,
    share: Share | None,
    *,
    attributes: Sequence[str] = (),
    spans: Sequence[str] = (),
) -> tuple[Language, Selected]:
    """Load a pipeline and the engine for it.

    Where the fused engine computes all that takes time, the pipeline stays on the CPU. Its embedding layers compute
    the vectors of new words, each of which goes to the GPU once, and everything else is computed with CuPy. Any other
    pipeline is loaded onto the GPU by spaCy.

    Args:
        pipeline: what to load.
        choice: the setting ``ner.engine``.
        batch_tokens: tokens annotated at once; None for as many as suit the pipeline and the device.
        share: the GPU memory that this process may use; None on the CPU.
        attributes: further columns of entities that the engine returns.
        spans: span groups that the engine returns.

    Raises:
        ModelError: the pipeline cannot be loaded.
        ConfigError: the fused engine was asked for and cannot annotate with this pipeline.
        DeviceError: the GPU cannot be used.
    """
    nlp = load_pipeline(pipeline)
    if pipeline.one_at_a_time is not None:
        return nlp, _select_one_at_a_time(nlp, choice, pipeline.one_at_a_time, attributes)
    if share is None:
        return nlp, select_engine(nlp, choice, batch_tokens, attributes=attributes, spans=spans)
    support = None if choice is EngineChoice.SPACY else examine(nlp)
    if support is not None and support.computes_all:
        xp = use_cupy(share)
    else:
        use_spacy_on_gpu(share, with_torch=_find_weight(nlp)[1] is None)
        nlp, support, xp = load_pipeline(pipeline), None, None
    tokens = batch_tokens or fit_batch(*_find_weight(nlp), share)
    log.info("batches of up to %d tokens on the GPU", tokens)
    with _memory_suffices():
        selected = select_engine(nlp, choice, tokens, support=support, xp=xp, attributes=attributes, spans=spans)
        with first_compiles():
            selected.engine.annotate(WARM_UP, Stopwatch())
    return nlp, selected


@contextmanager
def _memory_suffices() -> Iterator[None]:
    """Raise a `DeviceError` where the block runs out of the device's memory."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceError(
            f"the pipeline does not fit the job's share of the GPU ({describe(error)}); fewer workers leave more to "
            f"each:   ner: {{threads: 1}}"
        ) from error


def _select_one_at_a_time(nlp: Language, choice: EngineChoice, reason: str, attributes: Sequence[str]) -> Selected:
    """Return stock spaCy, given one document after the other, for a pipeline whose documents reach each other."""
    if choice is EngineChoice.FUSED:
        raise ConfigError(
            f"ner.engine: the fused engine cannot annotate with this pipeline ({reason}); "
            f"write:   ner: {{engine: auto}}"
        )
    engine = StockEngine(nlp, batch_tokens=ONE_DOCUMENT, attributes=attributes)
    return Selected(engine, EngineChoice.SPACY, f"one document at a time: {reason}")


def _find_weight(nlp: Language) -> tuple[int, int | None]:
    """Return what `weigh` says about the models of a pipeline."""
    models: list[Any] = [getattr(pipe, "model", None) for _, pipe in nlp.pipeline]
    return weigh([model for model in models if hasattr(model, "walk")])


def use_cupy(share: Share) -> Any:
    """Return the module ``cupy``, limited to this process's share of the memory.

    Raises:
        DeviceError: CuPy cannot be imported, finds no device, or may not allocate on it.
    """
    try:
        import cupy  # type: ignore[import-not-found, unused-ignore]

        cupy.cuda.runtime.getDeviceCount()
        cupy.get_default_memory_pool().set_limit(size=share.limit_bytes)
        cupy.zeros(1)  # starts the context, which a device that is another process's alone refuses
    except Exception as error:  # whatever a library that does not fit the driver raises
        raise DeviceError(f"CuPy cannot use the job's GPU: {describe(error)}; see docs/gpu.md") from error
    return cupy


def use_spacy_on_gpu(share: Share, *, with_torch: bool) -> None:
    """Make spaCy load pipelines onto the GPU. With `with_torch`, CuPy takes its memory from torch's pool.

    Raises:
        DeviceError: spaCy cannot use the GPU.
    """
    from thinc.api import require_gpu as use_gpu
    from thinc.api import set_gpu_allocator

    use_cupy(share)
    try:
        use_gpu()
        if with_torch:
            import torch  # type: ignore[import-not-found, unused-ignore]

            # of two pools, neither could use the free memory of the other
            set_gpu_allocator("pytorch")
            torch.cuda.set_per_process_memory_fraction(min(share.limit_bytes / share.total_bytes, 1.0))
    except Exception as error:
        raise DeviceError(f"spaCy cannot use the job's GPU: {describe(error)}; see docs/gpu.md") from error

"""How a device's memory is shared out: room for each worker, the batch that fits, and an error before it is too late.

A worker's share holds its CUDA context, the pipeline's weights, the table of embeddings and the arrays of one batch.
The figures are estimates with room to spare; a batch that does not fit all the same is halved (see `halving`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shardner.errors import DeviceError

#: Share of the free memory that is planned with: the rest is for what others and the driver take meanwhile.
USABLE = 0.9
#: What a worker takes before it holds anything: a CUDA context, cuBLAS and its workspace, compiled kernels.
CONTEXT_BYTES = 600 << 20
#: The table of embeddings, twice where it is made anew, and rounding of the memory pool.
TABLE_BYTES = 256 << 20
#: The table itself: an eighth of a worker's share, within these bounds. A large one holds nearly all words of a corpus.
LEAST_TABLE_BYTES, MOST_TABLE_BYTES = 64 << 20, 512 << 20
#: The smallest batch worth starting with; an estimate of a token's arrays for a pipeline that is not loaded yet.
LEAST_TOKENS, TOKEN_BYTES = 2_000, 40_000
#: The largest batch: a larger one gains nothing, and a block of the shard has hardly more.
MOST_TOKENS = 131_072
#: Tokens of a batch where torch computes: its arrays are not known from outside, and attention is quadratic.
TORCH_TOKENS = 8_000
#: Copies of a layer's output that are alive at once.
COPIES = 2


@dataclass(frozen=True, slots=True)
class Share:
    """A worker's part of its device's memory."""

    limit_bytes: int  # of arrays, its context left out
    total_bytes: int  # of the device


def share_out(
    *, free_bytes: int, total_bytes: int, model_bytes: int, workers: int, may_lower: bool
) -> tuple[int, Share]:
    """Return how many workers run on a device, and the share of each.

    Args:
        free_bytes: of the device, now.
        total_bytes: of the device.
        model_bytes: of the pipeline's weights.
        workers: wanted.
        may_lower: take as many as fit, at least one, instead of an error.

    Raises:
        DeviceError: they do not fit; shows the figures and what does.
    """
    usable = int(free_bytes * USABLE)
    needed = CONTEXT_BYTES + model_bytes + TABLE_BYTES + LEAST_TOKENS * TOKEN_BYTES
    fit = usable // needed
    if fit >= workers or (may_lower and fit >= 1):
        workers = min(workers, fit)
        share = usable // workers
        return workers, Share(share - CONTEXT_BYTES, total_bytes)
    figures = (
        f"{workers} worker{'s' if workers > 1 else ''} need {_mib(workers * needed)} of the device's memory "
        f"({_mib(needed)} each: {_mib(CONTEXT_BYTES)} for CUDA, {_mib(model_bytes)} for the pipeline, "
        f"{_mib(needed - CONTEXT_BYTES - model_bytes)} for the smallest batch), and {_mib(usable)} of "
        f"{_mib(total_bytes)} can be used"
    )
    if fit:
        raise DeviceError(f"{figures}; write:   ner: {{threads: {fit}}}")
    raise DeviceError(f"{figures}; free some (nvidia-smi shows who has it), or write:   ner: {{device: cpu}}")


def fit_batch(model_bytes: int, token_bytes: int | None, share: Share) -> int:
    """Return the tokens of a batch that fits a worker's share, `token_bytes` (None: torch computes) for each."""
    if token_bytes is None:
        return TORCH_TOKENS
    left = share.limit_bytes - model_bytes - max(TABLE_BYTES, fit_table(share.limit_bytes))
    return max(LEAST_TOKENS, min(MOST_TOKENS, left // max(token_bytes, 1)))


def fit_table(limit_bytes: int) -> int:
    """Return the bytes of the table of embeddings where arrays may take so many; 0 is no limit."""
    return max(LEAST_TABLE_BYTES, min(MOST_TABLE_BYTES, limit_bytes // 8)) if limit_bytes else MOST_TABLE_BYTES


def weigh(models: list[Any]) -> tuple[int, int | None]:
    """Return the bytes of thinc models' weights, and of the arrays that a token of a batch takes in them.

    The latter is the sum of all layers' outputs, as though none were freed before the last; None where a layer is
    torch's, whose inside is not known.
    """
    nodes = {id(node): node for model in models for node in model.walk()}.values()
    weights = sum(node.get_param(name).nbytes for node in nodes for name in node.param_names if node.has_param(name))
    if any(node.shims for node in nodes):
        return weights, None
    return weights, COPIES * 4 * sum(map(_outputs, nodes))


def _outputs(node: Any) -> int:
    """Return the numbers that a layer makes of a token; those of a maxout before the maximum is taken."""
    width = node.get_dim("nO") if node.has_dim("nO") else 0
    pieces = node.get_dim("nP") if node.has_dim("nP") else 1
    features = node.get_dim("nF") if node.has_dim("nF") else 1
    return int(width * pieces * features)


def _mib(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"

"""What the check of the whole pipeline found: the results beside those of the pipeline as the user has it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PipelineCheck:
    """Counts of the sampled documents. A document that is in none of them differs, which is an error."""

    documents: int  # in the sample
    chars: int  # of the sample
    identical: int
    near_ties: int = 0  # they differ within rounding
    left_out: int = 0  # they differ because of a component that was left out on purpose
    failing: int = 0  # the whole pipeline fails on them, and what runs of it does not

    @property
    def differing(self) -> int:
        """How many documents have other entities than the whole pipeline finds, rounding left aside."""
        return self.left_out + self.failing

"""The record of a verification: what was found in a shard, or in all shards, as JSON on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shardner.data.typed_json import read_json, write_json
from shardner.errors import VerifyError
from shardner.stages.verify.wording import describe_differences, describe_findings

if TYPE_CHECKING:
    from shardner.data.manifest import Manifest
    from shardner.model.pipeline import Pipeline

log = logging.getLogger(__name__)

#: Of so many documents that differ both answers are kept, for a shard and for the run. An error shows fewer.
KEPT = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """A document whose results differ, and how they differ."""

    doc: int
    id: str
    text: str  # lines for a terminal, without control characters


@dataclass(frozen=True, slots=True)
class Findings:
    """What a verification found. Findings of shards can be added."""

    documents: int = 0  # those of the corpus, or of a shard
    verified: int = 0
    identical: int = 0  # of those verified
    near_ties: int = 0  # of those verified
    differing: int = 0  # verified or only counted
    too_long: int = 0  # documents that were drawn, but are too long to be annotated in one piece
    differences: tuple[Difference, ...] = ()  # the first of them

    def __add__(self, other: Findings) -> Findings:
        """Return the findings of both."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        return Findings(**sums, differences=(self.differences + other.differences)[:KEPT])


_COUNTS = ("documents", "verified", "identical", "near_ties", "differing", "too_long")


@dataclass(frozen=True, slots=True)
class Verification:
    """What is written of a run that passed: no document differs. The fields are those of `Findings`."""

    share: float  # of the documents that was to be verified
    documents: int
    verified: int
    identical: int
    near_ties: int
    differing: int
    too_long: int


def add_up_findings(
    paths: Iterable[Path], manifest: Manifest, pipeline: Pipeline, share: float, verification: Path
) -> Findings:
    """Add up the findings of all shards and write the counts as JSON.

    Args:
        paths: the findings of each shard.
        manifest: of the corpus.
        pipeline: what annotated.
        share: of the documents that was to be verified.
        verification: where the JSON goes.

    Raises:
        VerifyError: a document differs. The error shows the ids of the first few and both answers; nothing is written.
    """
    found = sum((read_json(path, Findings) for path in paths), Findings())
    if found.documents != manifest.documents:
        raise VerifyError(
            f"the shards hold {found.documents} documents, but the corpus has {manifest.documents}; "
            f"remove the directory .work/verify and verify again"
        )
    if found.differing:
        raise VerifyError(describe_differences(found, mixed_precision=pipeline.mixed_precision))
    write_json(verification, Verification(share, **{name: getattr(found, name) for name in _COUNTS}))
    log.info(describe_findings(found))
    return found

"""How much of a shard is handled at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes that an annotate job works with; characters are code points.

    They decide about memory and speed, not about entities. One is different: with a short `join_margin_chars`, windows
    that have no candidates may be joined at a wrong place.
    """

    #: A block is what a worker annotates before it reports. It holds at most so many characters, or one window.
    block_chars: int = 1 << 19
    #: With several workers the blocks of a small shard are smaller: each worker has so many of them, and none waits
    #: long for the last one. But no block is made smaller than so many characters.
    blocks_per_worker: int = 8
    least_block_chars: int = 1 << 15
    #: The tables of finished blocks wait in memory until there are so many, and are then written to a file.
    blocks_per_file: int = 64

    #: A piece is what the candidates of a long document are found in at once. A long piece makes the margins cheap; a
    #: short one keeps memory to that of a few batches, however long the window is.
    piece_chars: int = 1 << 15
    #: A GPU has its full speed with long pieces alone: they are as long as a batch, and no longer than this.
    gpu_piece_chars: int = 1 << 19
    #: Where a piece does not fit the device's memory, half of it is tried; but none smaller than this.
    least_piece_chars: int = 1 << 10
    #: The margins around a piece at first. A margin that is too short grows fourfold, until it has reached the largest.
    left_margin_chars: int = 256
    right_margin_chars: int = 1 << 10
    largest_margin_chars: int = 1 << 17
    #: The margins around a window of an engine without candidates. The merge relies on the inner half of each.
    join_margin_chars: int = 2_000

    #: Of a longer document or window, the audit compares only this much, from its start. Stock spaCy takes 4 kB and
    #: 15 µs per character, and at least one window of each shard is audited.
    excerpt_chars: int = 20_000
    #: After the vocabulary has met so many new words, the pipeline is loaded again. A memory zone frees the words, but
    #: spaCy's index of words keeps a place for each. To load costs as much as to annotate some 20,000 tokens.
    words_per_load: int = 500_000


DEFAULT_SIZES = Sizes()

"""What a recogniser's output classes mean: actions and labels, as tables by class number.

A class is an action of the BILUO scheme with a label: B-x begins an entity, I-x goes on with it, L-x ends it, U-x is
one of a single token, O is a token outside. Reproduces how ``spacy/pipeline/_parser_internals/ner.pyx`` names them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from shardner.engine.fused.layers import UnsupportedError

Ints32 = npt.NDArray[np.int32]


class Action(IntEnum):
    """What may be done at a token while no entity is open."""

    OUT = 0
    UNIT = 1
    BEGIN = 2


@dataclass(frozen=True, slots=True)
class Moves:
    """The classes in two tables: those valid while no entity is open, and by label those valid while one is.

    The first table has a column a class, in the order of the class numbers, so that of equal scores the leftmost
    is the one that spaCy takes. It leaves out the classes that are never chosen: those that the model was never
    trained on, and ``U-`` without a label, which blocks a token by a preset annotation only.
    """

    labels: tuple[str, ...]
    outside_classes: Ints32  # (K,) class number
    outside_actions: Ints32  # (K,) `Action`
    outside_labels: Ints32  # (K,) index into `labels`, -1 for O
    inside_classes: Ints32  # (labels,) class number of I-x
    last_classes: Ints32  # (labels,) class number of L-x

    @property
    def out_column(self) -> int:
        """The column of O."""
        return int(np.flatnonzero(self.outside_actions == Action.OUT)[0])


def read_moves(names: Sequence[str], unseen: Collection[int]) -> Moves:
    """Return the tables of a recogniser's classes.

    Args:
        names: of the classes, by number, as ``get_class_name`` of the recogniser's ``moves`` gives them.
        unseen: numbers of classes that the model was never trained on; such a class scores the least of all.

    Raises:
        UnsupportedError: an action is missing, so that an entity could be left without a valid action, or
            training saw a part of a label's actions only, so that one that it did not see could be chosen.
    """
    numbers = {name: number for number, name in enumerate(names)}
    if "O" not in numbers or numbers["O"] in unseen:
        raise UnsupportedError("the recogniser has no trained action for tokens outside of entities")
    labels = tuple(dict.fromkeys(name[2:] for name in names if name[1:2] == "-" and name != "U-"))
    for label in labels:
        actions = [numbers.get(f"{action}-{label}") for action in "BILU"]
        if None in actions:
            raise UnsupportedError(f"the recogniser lacks an action for the label {label!r}")
        if len({action in unseen for action in actions}) > 1:
            raise UnsupportedError(f"the recogniser was trained on a part of the actions for the label {label!r}")
    outside = [n for n, name in enumerate(names) if name[0] in "BUO" and name != "U-" and n not in unseen]
    kinds = {"O": Action.OUT, "U": Action.UNIT, "B": Action.BEGIN}
    index = {label: i for i, label in enumerate(labels)}
    return Moves(
        labels=labels,
        outside_classes=np.array(outside, dtype=np.int32),
        outside_actions=np.array([kinds[names[n][0]] for n in outside], dtype=np.int32),
        outside_labels=np.array([index.get(names[n][2:], -1) for n in outside], dtype=np.int32),
        inside_classes=np.array([numbers[f"I-{label}"] for label in labels], dtype=np.int32),
        last_classes=np.array([numbers[f"L-{label}"] for label in labels], dtype=np.int32),
    )

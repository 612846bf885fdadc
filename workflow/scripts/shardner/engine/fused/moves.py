"""What the output classes of a recogniser mean: actions and labels, as tables by class number.

A class is an action of the BILUO scheme with a label. B-x begins an entity with the label x, I-x continues it, L-x ends
it, U-x is an entity of a single token, and O leaves the token outside of entities. The names are those of
``spacy/pipeline/_parser_internals/ner.pyx``.
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
    """What the recogniser may do at a token while no entity is open."""

    OUT = 0
    UNIT = 1
    BEGIN = 2


@dataclass(frozen=True, slots=True)
class Moves:
    """The classes in two tables: those that are valid while no entity is open, and those that are while one is.

    The first table has one column per class, by class number, so that among equal scores spaCy takes the leftmost. It
    leaves out classes that are never chosen: those that the model was not trained on, and ``U-`` without a label, which
    only a preset annotation leads to. The second table has one column per label.
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
    """Return the tables of the classes of a recogniser.

    Args:
        names: of the classes by number, as ``get_class_name`` of the recogniser's ``moves`` returns them.
        unseen: numbers of classes that the model was not trained on; such a class has the lowest score of all.

    Raises:
        UnsupportedError: a label lacks an action, so that an open entity could be left without a valid action; or
            the model was trained on some actions of a label only, so that an action could be chosen that it was not
            trained on.
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

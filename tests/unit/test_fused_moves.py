from __future__ import annotations

import pytest
from shardner.engine.fused.layers import UnsupportedError
from shardner.engine.fused.moves import Action, read_moves

NAMES = ("B-PER", "B-a-b", "I-PER", "I-a-b", "L-PER", "L-a-b", "U-PER", "U-a-b", "U-", "O")


def test_tables_are_in_the_order_of_the_class_numbers() -> None:
    moves = read_moves(NAMES, set())
    assert moves.labels == ("PER", "a-b")
    assert moves.outside_classes.tolist() == [0, 1, 6, 7, 9]
    assert moves.outside_actions.tolist() == [Action.BEGIN] * 2 + [Action.UNIT] * 2 + [Action.OUT]
    assert moves.outside_labels.tolist() == [0, 1, 0, 1, -1]
    assert moves.inside_classes.tolist() == [2, 3] and moves.last_classes.tolist() == [4, 5]
    assert moves.out_column == 4


def test_a_label_that_training_never_saw_is_never_chosen() -> None:
    moves = read_moves([*NAMES, "B-new", "I-new", "L-new", "U-new"], {10, 11, 12, 13})
    assert moves.outside_classes.tolist() == [0, 1, 6, 7, 9]


@pytest.mark.parametrize(
    ("names", "unseen", "found"),
    [
        (NAMES[:-1], set(), "no trained action"),
        (NAMES, {9}, "no trained action"),
        ([name for name in NAMES if name != "L-PER"], set(), "lacks an action for the label 'PER'"),
        (NAMES, {0}, "a part of the actions for the label 'PER'"),
    ],
)
def test_classes_that_could_leave_a_state_without_a_choice_are_refused(
    names: list[str], unseen: set[int], found: str
) -> None:
    with pytest.raises(UnsupportedError, match=found):
        read_moves(names, unseen)

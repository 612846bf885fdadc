"""The stand-in for CuPy is careless where CuPy is, and counts what that costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_gpus import card, settle, write_machine


@pytest.fixture
def cupy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    settle(monkeypatch, write_machine(tmp_path / "machine.json", [card(0)]), tmp_path / "leases")
    import cupy

    return cupy


def test_indices_out_of_range_wrap(cupy: Any) -> None:
    values, indices = cupy.arange(4), cupy.array([0, 4, 9, -1])
    assert values.take(indices, axis=0).get().tolist() == values[indices].get().tolist() == [0, 0, 1, 3]
    values[cupy.array([6])] = 7
    assert values.get().tolist() == [0, 1, 7, 3]


def test_indices_of_the_host_go_up_without_a_word(cupy: Any) -> None:
    values = cupy.arange(4)
    cupy.cuda.tally.clear()
    assert values[np.array([1, 2, 3])].get().tolist() == [1, 2, 3]
    assert cupy.cuda.tally.uploads == [3]


def test_a_number_of_the_device_is_waited_for(cupy: Any) -> None:
    values, tally = cupy.arange(4), cupy.cuda.tally
    tally.clear()
    values[: values.max()]
    assert tally.waits == 1
    cupy.flatnonzero(values)
    values[values > 1]
    assert tally.waits == 3
    values[values > 1] = 0  # a kernel does that without knowing how many they are
    assert tally.waits == 3


def test_the_allocation_that_is_told_fails(cupy: Any) -> None:
    cupy.cuda.tally.clear()
    cupy.cuda.tally.fail_at = 2
    first = cupy.zeros(3)
    view = first[1:]
    with pytest.raises(cupy.cuda.memory.OutOfMemoryError, match="24 bytes"):
        first + 1
    assert len(first + view[:1]) == 3


def test_what_cupy_does_not_have_is_refused(cupy: Any) -> None:
    values = cupy.arange(4)
    with pytest.raises(AttributeError, match="has no 'vecdot'"):
        cupy.vecdot(values, values)
    with pytest.raises(TypeError, match="no parameter where"):
        cupy.maximum(values, 2, where=values > 1)
    with pytest.raises(TypeError, match="no parameter initial"):
        values.max(initial=9)
    with pytest.raises(TypeError, match="at most 3"):
        cupy.repeat(values, 2, 0, 1)
    assert cupy.maximum(values, 2, dtype="int64").get().tolist() == [2, 2, 2, 3]

"""The kernel for the end of a layer does what the operations of NumPy do, one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_gpus import card, settle, write_machine
from shardner.engine.fused.layer_kernel import LayerKernel
from shardner.engine.fused.window_encoder import EPSILON


@pytest.fixture
def cupy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    settle(monkeypatch, write_machine(tmp_path / "machine.json", [card(0)]), tmp_path / "leases")
    import cupy

    return cupy


def finish(summed: Any, bias: Any, rows: Any, gain: Any, pieces: int) -> Any:
    """Compute in double precision, from the definitions."""
    biased = (summed.astype("d") + bias).reshape(len(summed), pieces, -1)
    best = biased.max(axis=1)
    centred = best - best.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + EPSILON) * gain + rows


@pytest.mark.parametrize("lanes", [1, 32])
@pytest.mark.parametrize(("width", "pieces", "count"), [(96, 3, 100), (96, 3, 1), (33, 2, 17), (300, 4, 9), (5, 1, 8)])
def test_the_kernel_is_bias_maxout_norm_and_residual(
    width: int, pieces: int, count: int, lanes: int, cupy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cupy._raw_kernel.lanes", lanes)
    drawn = np.random.default_rng(width + count)
    shapes = ((count, pieces * width), (pieces * width,), (count, 3 * width), (width,))
    summed, bias, expanded, gain = (drawn.standard_normal(shape).astype("f") for shape in shapes)
    kernel = LayerKernel(cupy, width, pieces, EPSILON)
    on_device = [cupy.array(each) for each in (summed, bias, expanded, gain)]
    cupy.cuda.tally.clear()
    found = kernel(on_device[0], on_device[1], on_device[2][:, width : 2 * width], on_device[3])
    assert (cupy.cuda.tally.launches, cupy.cuda.tally.waits) == (2, 0)  # one of them makes room for the result
    wanted = finish(summed, bias, expanded[:, width : 2 * width], gain, pieces)
    assert np.allclose(found.get(), wanted, rtol=1e-4, atol=1e-5)


def test_no_rows_are_no_launch(cupy: Any) -> None:
    nothing = LayerKernel(cupy, 4, 2, EPSILON)(
        cupy.zeros((0, 8), dtype="f"), cupy.zeros(8, dtype="f"), cupy.zeros((0, 4), dtype="f"), cupy.zeros(4, dtype="f")
    )
    assert nothing.get().shape == (0, 4)

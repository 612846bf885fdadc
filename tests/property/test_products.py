"""Products for scores: a row has the same bits wherever it lies, whatever lies beside it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shardner.engine import products
from shardner.engine.products import LAYOUTS, Products, SteadyProduct

#: Inputs and outputs of the products of spaCy's pipelines, and of odd ones.
SHAPES = [(288, 288), (384, 288), (96, 288), (96, 64), (64, 128), (64, 74), (64, 20), (64, 1), (7, 5), (130, 390)]


def draw(shape: tuple[int, int], dtype: str, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@given(st.sampled_from(SHAPES), st.sampled_from("fd"), st.integers(0, 2**32), st.integers(0, 700), st.integers(1, 800))
def test_a_row_of_a_steady_product_is_the_same_wherever_it_lies(
    shape: tuple[int, int], dtype: str, seed: int, first: int, count: int
) -> None:
    weights, rows = draw(shape, dtype, seed), draw((900, shape[0]), dtype, seed + 1)
    multiply = SteadyProduct(weights)
    whole = multiply(rows)
    assert np.array_equal(multiply(rows[first : first + count]), whole[first : first + count])
    assert np.array_equal(multiply(rows[::-1]), whole[::-1])
    assert np.allclose(whole, rows.astype("d") @ weights, atol=1e-4)


@pytest.mark.parametrize("layout", [*LAYOUTS, None])
def test_every_layout_is_the_product(layout: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_find_layout", lambda *shape: layout)
    for inputs, outputs in SHAPES:
        weights, rows = draw((inputs, outputs), "f", 1), draw((50, inputs), "f", 2)
        found = SteadyProduct(weights)(rows)
        assert found.shape == (50, outputs) and np.allclose(found, rows @ weights, atol=1e-4)
        assert SteadyProduct(weights)(rows[:0]).shape == (0, outputs)


@pytest.mark.parametrize("width", [96, 33, 300])
@pytest.mark.parametrize("steps", [products.MEAN_STEPS, ()])
def test_steady_means_are_of_each_row_alone(
    width: int, steps: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "MEAN_STEPS", steps)
    rows = draw((500, width), "f", 3)
    mean = Products(np, steady=True).means(width)
    assert np.array_equal(np.concatenate([mean(rows[at : at + 1]) for at in range(500)]), mean(rows))
    assert np.allclose(mean(rows), Products(np, steady=False).means(width)(rows), atol=1e-6)

"""Matrix products whose rows have the same bits wherever they lie, for numbers that must not depend on the batch.

A BLAS computes some rows and columns of a product by other instructions than the rest: those that are left over from
its tiles, and in OpenBLAS's kernels for AVX2 also those of the first and the last tile. There the same numbers are
added in another order, and the last bits of a row depend on its place in the matrix, and on how many rows there are.

For entities this decides nothing, near-ties apart. The scores of entities would differ, from one cut of the corpus to
another, in the last bits. So with scores a product is *steady*: its rows are filled up to whole tiles, and columns of
zeros take the places that are computed otherwise. Which of that is needed on this machine is found out by trying it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # the fused engine imports this module
    from shardner.engine.fused.arrays import Array, Module

#: Multiplies rows by weights that it knows.
Product: TypeAlias = Callable[[Any], Any]

Floats: TypeAlias = npt.NDArray[Any]

#: Rows are filled up to a multiple of the largest number at most. It is one of the heights of usual tiles: 4, 6, 8, 12,
#: 16, 24. With a smaller one fewer rows are computed in vain: 4 is enough for OpenBLAS's kernels for AVX-512, 12 for
#: those for AVX2.
SMALL_STEPS, ROW_STEP = (4, 12), 48
#: The same for the product with a vector.
MEAN_STEPS = (4, 16)
#: Columns, too, are filled up to a multiple.
COLUMN_STEP = 16
#: So many rows are copied to fill them up, in one product; of more, those left over have a product of their own.
_FEW_ROWS = 256
#: Rows that are tried to find out whether a product is steady.
_TRIED_ROWS = 960


class Layout(NamedTuple):
    """How rows are filled up, and how the columns of weights are laid out.

    Attributes:
        step: rows are filled up to a multiple of it.
        most: columns of one product; more are divided.
        before: columns of zeros before the weights'.
        after: columns of zeros after them, at least.
    """

    step: int
    most: int
    before: int
    after: int


#: Layouts in the order in which they are tried: cheap ones first.
LAYOUTS = (
    *(Layout(step, 1 << 30, 0, 0) for step in (*SMALL_STEPS, ROW_STEP)),
    Layout(ROW_STEP, 1 << 30, 0, 16),
    *(Layout(step, 288, 8, 8) for step in SMALL_STEPS),
    Layout(ROW_STEP, 288, 16, 16),
    Layout(ROW_STEP, 96, 16, 16),
)


class Products:
    """Makes the products of an engine.

    Args:
        xp: ``numpy`` or ``cupy``, to compute with.
        steady: whether a row must have the same bits wherever it lies. On a GPU this is not seen to.
    """

    def __init__(self, xp: Module, *, steady: bool) -> None:
        self._xp = xp
        self.steady = steady and xp is np

    def of(self, weights: Array, bias: Array | None = None) -> Product:
        """Return the product with weights (K, M), plus a bias (M,) if there is one: of rows (n, K) it makes (n, M)."""
        return SteadyProduct(weights, bias) if self.steady else _plain_product(weights, bias)

    def means(self, width: int) -> Product:
        """Return what makes the means (n,) of rows (n, width)."""
        shares = self._xp.full(width, 1 / width, dtype="f")
        return _steady_means(shares) if self.steady else _plain_product(shares)


def fill_up(product: Product, rows: int) -> int:
    """Return how many rows a product had best be given where so many are wanted; the others may hold anything."""
    return product.fill_up(rows) if isinstance(product, SteadyProduct) else rows


def _plain_product(weights: Array, bias: Array | None = None) -> Product:
    def multiply(rows: Array) -> Array:
        found = rows @ weights
        if bias is not None:
            found += bias
        return found

    return multiply


class SteadyProduct:
    """The product with weights (K, M), of which a row is the same wherever it lies, plus a bias (M,) or nothing."""

    def __init__(self, weights: Floats, bias: Floats | None = None) -> None:
        """Take the weights, float32 or float64, and a bias of the same dtype."""
        layout = _find_layout(*weights.shape, weights.dtype.char)
        self._step = 1 if layout is None else layout.step
        self._weights, self._bias = np.ascontiguousarray(weights), bias
        self._pieces = None if layout is None else list(_lay_out(self._weights, layout, bias))

    def fill_up(self, rows: int) -> int:
        """Return how many rows had best be given where so many are wanted; the others may hold anything."""
        return -(-rows // self._step) * self._step

    def __call__(self, rows: Floats) -> Floats:
        """Multiply rows (n, K)."""
        if self._pieces is None:
            return _multiply_by_row(rows, self._weights, self._bias)
        return _multiply(rows, self._pieces, self._weights.shape[1])


class _Piece(NamedTuple):
    """Some columns of the weights, with columns of zeros around them."""

    weights: Floats
    bias: Floats | None
    step: int  # rows are filled up to a multiple of it
    begin: int  # the first column that is not of zeros
    columns: int


def _lay_out(weights: Floats, layout: Layout, bias: Floats | None = None) -> Iterator[_Piece]:
    inputs, outputs = weights.shape
    for first in range(0, outputs, layout.most):
        some = weights[:, first : first + layout.most]
        used = layout.before + some.shape[1] + layout.after
        width = max(-(-used // COLUMN_STEP) * COLUMN_STEP, 2 * COLUMN_STEP)
        padded, columns = np.zeros((inputs, width), weights.dtype), slice(layout.before, layout.before + some.shape[1])
        padded[:, columns] = some
        padded_bias = None
        if bias is not None:
            padded_bias = np.zeros(width, bias.dtype)
            padded_bias[columns] = bias[first : first + layout.most]
        yield _Piece(padded, padded_bias, layout.step, layout.before, some.shape[1])


def _multiply(rows: Floats, pieces: list[_Piece], outputs: int) -> Floats:
    """Multiply rows by all pieces of the weights."""
    if len(pieces) == 1:
        return _multiply_piece(rows, pieces[0])
    found, done = np.empty((len(rows), outputs), dtype=rows.dtype), 0
    for piece in pieces:
        found[:, done : done + piece.columns] = _multiply_piece(rows, piece)
        done += piece.columns
    return found


def _multiply_piece(rows: Floats, piece: _Piece) -> Floats:
    """Multiply rows by a piece of the weights.

    Returns:
        (n, columns) of the piece: part of a wider array, which has the columns of zeros too.
    """
    found = _multiply_tiles(rows, piece.weights, piece.step)
    if piece.bias is not None:
        found += piece.bias
    return found[:, piece.begin : piece.begin + piece.columns]


def _multiply_tiles(rows: Floats, weights: Floats, step: int) -> Floats:
    """Multiply rows (n, K) by weights (K, M) or (K,), by tiles of `step` rows, of which the last is filled up."""
    count, lacking = len(rows), -len(rows) % step
    if not lacking:
        return rows @ weights
    if count <= _FEW_ROWS:
        return (_fill_up(rows, lacking) @ weights)[:count]
    whole = count - count % step
    found = np.empty((count, *weights.shape[1:]), dtype=rows.dtype)
    np.matmul(rows[:whole], weights, out=found[:whole])
    found[whole:] = (_fill_up(rows[whole:], lacking) @ weights)[: count - whole]
    return found


def _fill_up(rows: Floats, lacking: int) -> Floats:
    filled = np.zeros((len(rows) + lacking, rows.shape[1]), dtype=rows.dtype)
    filled[: len(rows)] = rows
    return filled


def _multiply_by_row(rows: Floats, weights: Floats, bias: Floats | None) -> Floats:
    found = np.empty((len(rows), weights.shape[1]), dtype=rows.dtype)
    for number, row in enumerate(rows):
        found[number] = row @ weights
    return found if bias is None else found + bias


@cache
def _find_layout(inputs: int, outputs: int, dtype: str) -> Layout | None:
    """Return the first layout that is steady here for such weights; None if none is, and rows are taken one by one."""
    drawn = np.random.default_rng(0)
    weights = drawn.standard_normal((inputs, outputs)).astype(dtype)
    rows = drawn.standard_normal((_TRIED_ROWS, inputs)).astype(dtype)
    for layout in LAYOUTS:
        if _is_steady(partial(_multiply, pieces=list(_lay_out(weights, layout)), outputs=outputs), rows):
            return layout
    return None


def _steady_means(shares: Floats) -> Product:
    """Return what multiplies rows (n, width) by `shares` (width,), each as if it were alone."""
    for step in MEAN_STEPS:
        multiply = partial(_multiply_tiles, weights=shares, step=step)
        if _is_steady(multiply, np.random.default_rng(0).standard_normal((_TRIED_ROWS, len(shares))).astype("f")):
            return multiply
    return lambda rows: np.einsum("ij->i", rows) * shares[0]  # half as fast


def _is_steady(multiply: Product, rows: Floats) -> bool:
    """Tell whether rows have the same bits in other places, and among fewer rows."""
    whole = multiply(rows)
    counts = (1, 4, 8, 12, 20, 24, 28, 47, 100, 770)
    slices = [(shift, count) for count in counts for shift in (0, 1, 6, 11, 17, 29, 47, 100)]
    return all(
        np.array_equal(multiply(rows[shift : shift + count]), whole[shift : shift + count]) for shift, count in slices
    )

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
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # the fused engine imports this module
    from shardner.engine.fused.arrays import Array, Module

#: Multiplies rows by weights that it knows.
Product: TypeAlias = Callable[[Any], Any]

Floats: TypeAlias = npt.NDArray[Any]

#: Rows are filled up to a multiple of the larger number at most. It is one of the heights of usual tiles: 4, 6, 8, 12,
#: 16, 24. With the smaller one fewer rows are computed in vain.
SMALL_STEP, ROW_STEP = 16, 48
#: Columns, too, are filled up to a multiple.
COLUMN_STEP = 16
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
    Layout(SMALL_STEP, 1 << 30, 0, 0),
    Layout(ROW_STEP, 1 << 30, 0, 0),
    Layout(ROW_STEP, 1 << 30, 0, 16),
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

    def of(self, weights: Array) -> Product:
        """Return the product with weights (K, M): of rows (n, K) it makes (n, M)."""
        return SteadyProduct(weights) if self.steady else _plain_product(weights)

    def means(self, width: int) -> Product:
        """Return what makes the means (n,) of rows (n, width)."""
        if self.steady:
            share = np.float32(1 / width)
            return lambda rows: np.einsum("ij->i", rows) * share  # each row by itself
        return _plain_product(self._xp.full(width, 1 / width, dtype="f"))  # a third faster


def fill_up(product: Product, rows: int) -> int:
    """Return how many rows a product had best be given where so many are wanted; the others may hold anything."""
    return product.fill_up(rows) if isinstance(product, SteadyProduct) else rows


def _plain_product(weights: Array) -> Product:
    def multiply(rows: Array) -> Array:
        return rows @ weights

    return multiply


class SteadyProduct:
    """The product with weights (K, M), of which a row is the same wherever it lies."""

    def __init__(self, weights: Floats) -> None:
        """Take the weights, float32 or float64."""
        layout = _find_layout(*weights.shape, weights.dtype.char)
        self._step = 1 if layout is None else layout.step
        self._weights = np.ascontiguousarray(weights)
        self._pieces = None if layout is None else list(_lay_out(self._weights, layout))

    def fill_up(self, rows: int) -> int:
        """Return how many rows had best be given where so many are wanted; the others may hold anything."""
        return -(-rows // self._step) * self._step

    def __call__(self, rows: Floats) -> Floats:
        """Multiply rows (n, K)."""
        if self._pieces is None:
            return _multiply_by_row(rows, self._weights)
        return _multiply(rows, self._pieces, self._weights.shape[1])


class _Piece(NamedTuple):
    """Some columns of the weights, with columns of zeros around them."""

    weights: Floats
    step: int  # rows are filled up to a multiple of it
    begin: int  # the first column that is not of zeros
    columns: int


def _lay_out(weights: Floats, layout: Layout) -> Iterator[_Piece]:
    inputs, outputs = weights.shape
    for first in range(0, outputs, layout.most):
        some = weights[:, first : first + layout.most]
        used = layout.before + some.shape[1] + layout.after
        padded = np.zeros((inputs, max(-(-used // COLUMN_STEP) * COLUMN_STEP, 2 * COLUMN_STEP)), dtype=weights.dtype)
        padded[:, layout.before : layout.before + some.shape[1]] = some
        yield _Piece(padded, layout.step, layout.before, some.shape[1])


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
    """Multiply whole tiles of rows where they lie, and the rows that are left over among rows of zeros.

    Returns:
        (n, columns) of the piece: part of a wider array, which has the columns of zeros too.
    """
    count, whole = len(rows), len(rows) // piece.step * piece.step
    found = np.empty((count, piece.weights.shape[1]), dtype=rows.dtype)
    if whole:
        np.matmul(rows[:whole], piece.weights, out=found[:whole])
    if whole < count:
        filled = np.zeros((piece.step, rows.shape[1]), dtype=rows.dtype)
        filled[: count - whole] = rows[whole:]
        found[whole:] = (filled @ piece.weights)[: count - whole]
    return found[:, piece.begin : piece.begin + piece.columns]


def _multiply_by_row(rows: Floats, weights: Floats) -> Floats:
    found = np.empty((len(rows), weights.shape[1]), dtype=rows.dtype)
    for number, row in enumerate(rows):
        found[number] = row @ weights
    return found


@cache
def _find_layout(inputs: int, outputs: int, dtype: str) -> Layout | None:
    """Return the first layout that is steady here for such weights; None if none is, and rows are taken one by one."""
    drawn = np.random.default_rng(0)
    weights = drawn.standard_normal((inputs, outputs)).astype(dtype)
    rows = drawn.standard_normal((_TRIED_ROWS, inputs)).astype(dtype)
    return next((layout for layout in LAYOUTS if _is_steady(rows, list(_lay_out(weights, layout)), outputs)), None)


def _is_steady(rows: Floats, pieces: list[_Piece], outputs: int) -> bool:
    """Tell whether rows have the same bits in other places, and among fewer rows."""
    whole = _multiply(rows, pieces, outputs)
    slices = [(shift, count) for count in (1, 47, 100, 770) for shift in (0, 1, 6, 11, 17, 29, 47, 100)]
    return all(
        np.array_equal(_multiply(rows[shift : shift + count], pieces, outputs), whole[shift : shift + count])
        for shift, count in slices
    )

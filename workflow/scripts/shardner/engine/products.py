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

#: Rows are filled up to a multiple of this number. It is one of the heights of usual tiles: 4, 6, 8, 12, 16, 24.
ROW_STEP = 48
#: Columns, too, are filled up to a multiple.
COLUMN_STEP = 16
#: Rows that are tried to find out whether a product is steady.
_TRIED_ROWS = 960


class Layout(NamedTuple):
    """How the columns of weights are laid out.

    Attributes:
        most: columns of one product; more are divided.
        before: columns of zeros before the weights'.
        after: columns of zeros after them, at least.
    """

    most: int
    before: int
    after: int


#: Layouts in the order in which they are tried: cheap ones first.
LAYOUTS = (Layout(1 << 30, 0, 0), Layout(1 << 30, 0, 16), Layout(288, 16, 16), Layout(96, 16, 16))


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

    def fill_up(self, rows: int) -> int:
        """Return how many rows a product had best be given where so many are wanted; the others may hold anything."""
        return -(-rows // ROW_STEP) * ROW_STEP if self.steady else rows

    def means(self, width: int) -> Product:
        """Return what makes the means (n,) of rows (n, width)."""
        if self.steady:
            product = SteadyProduct(np.full((width, 1), 1 / width, dtype="f"))
            return lambda rows: product(rows)[:, 0]
        return _plain_product(self._xp.full(width, 1 / width, dtype="f"))  # three times as fast


def _plain_product(weights: Array) -> Product:
    def multiply(rows: Array) -> Array:
        return rows @ weights

    return multiply


class SteadyProduct:
    """The product with weights (K, M), of which a row is the same wherever it lies."""

    def __init__(self, weights: Floats) -> None:
        """Take the weights, float32 or float64."""
        layout = _find_layout(*weights.shape, weights.dtype.char)
        self._weights = np.ascontiguousarray(weights)
        self._pieces = None if layout is None else list(_lay_out(self._weights, layout))

    def __call__(self, rows: Floats) -> Floats:
        """Multiply rows (n, K)."""
        if self._pieces is None:
            return _multiply_by_row(rows, self._weights)
        return _multiply(rows, self._pieces, self._weights.shape[1])


class _Piece(NamedTuple):
    """Some columns of the weights, with columns of zeros around them."""

    weights: Floats
    begin: int  # the first column that is not of zeros
    columns: int


def _lay_out(weights: Floats, layout: Layout) -> Iterator[_Piece]:
    inputs, outputs = weights.shape
    for first in range(0, outputs, layout.most):
        some = weights[:, first : first + layout.most]
        used = layout.before + some.shape[1] + layout.after
        padded = np.zeros((inputs, max(-(-used // COLUMN_STEP) * COLUMN_STEP, 2 * COLUMN_STEP)), dtype=weights.dtype)
        padded[:, layout.before : layout.before + some.shape[1]] = some
        yield _Piece(padded, layout.before, some.shape[1])


def _multiply(rows: Floats, pieces: list[_Piece], outputs: int) -> Floats:
    """Multiply whole tiles of rows where they lie, and the rows that are left over among rows of zeros."""
    count, whole = len(rows), len(rows) // ROW_STEP * ROW_STEP
    found = np.empty((count, outputs), dtype=rows.dtype)
    if whole:
        _multiply_tiles(rows[:whole], pieces, found[:whole])
    if whole < count:
        filled = np.zeros((ROW_STEP, rows.shape[1]), dtype=rows.dtype)
        filled[: count - whole] = rows[whole:]
        last = np.empty((ROW_STEP, outputs), dtype=rows.dtype)
        _multiply_tiles(filled, pieces, last)
        found[whole:] = last[: count - whole]
    return found


def _multiply_tiles(rows: Floats, pieces: list[_Piece], found: Floats) -> None:
    """Write the product of rows, whose number is a multiple of `ROW_STEP`, into `found`."""
    if len(pieces) == 1 and pieces[0].weights.shape[1] == found.shape[1]:
        np.matmul(rows, pieces[0].weights, out=found)
        return
    done = 0
    for piece in pieces:
        product = rows @ piece.weights
        found[:, done : done + piece.columns] = product[:, piece.begin : piece.begin + piece.columns]
        done += piece.columns


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

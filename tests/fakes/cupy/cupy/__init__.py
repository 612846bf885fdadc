"""Stands for CuPy where there is no GPU: computes with NumPy, and is as strict as CuPy is.

An array of this module is none of NumPy's: mixing the two, turning one into the other without saying so, and numbers of
classes that CuPy does not take (an IntEnum, say) are errors here as they are there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from cupy import _cache, cuda  # noqa: F401 - imported for what it makes

__version__ = "14.0.0"

_SCALARS = (int, float, bool, complex)


class ndarray:
    """An array "on the device"."""

    __array_ufunc__ = None  # NumPy leaves operators to this class

    def __init__(self, held: numpy.ndarray[Any, Any]) -> None:
        self._held = held

    def __array__(self, *_: object, **__: object) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def get(self) -> numpy.ndarray[Any, Any]:
        cuda.downloads.append(self._held.size)
        return self._held.copy()

    def __getitem__(self, key: object) -> Any:
        return _wrap(self._held[_unwrap_key(key)])

    def __setitem__(self, key: object, value: object) -> None:
        self._held[_unwrap_key(key)] = _unwrap(value)

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Any]:
        return (_wrap(each) for each in self._held)

    def __bool__(self) -> bool:
        return bool(self._held)

    def __int__(self) -> int:
        return int(self._held)

    def __float__(self) -> float:
        return float(self._held)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self._held, name)
        return _on_device(value) if callable(value) else _wrap(value)


def _unwrap(value: Any) -> Any:
    if isinstance(value, ndarray):
        return value._held
    if isinstance(value, numpy.ndarray) or not (type(value) in _SCALARS or isinstance(value, numpy.generic)):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def _unwrap_key(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(_unwrap_key(each) for each in key)
    return key if key is None or isinstance(key, slice) else _unwrap(key)


def _wrap(value: Any) -> Any:
    # CuPy has no scalars of its own: a number is an array without dimensions
    return ndarray(numpy.asarray(value)) if isinstance(value, numpy.ndarray | numpy.generic) else value


def _argument(value: Any) -> Any:
    if isinstance(value, list | tuple) and any(isinstance(each, ndarray) for each in value):
        return type(value)(map(_unwrap, value))
    return value._held if isinstance(value, ndarray) else _refuse_host(value)


def _refuse_host(value: Any) -> Any:
    if isinstance(value, numpy.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def _on_device(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        out = named.get("out")
        result = function(*map(_argument, given), **{name: _argument(value) for name, value in named.items()})
        return out if out is not None else _wrap(result)

    return call


def _operator(name: str) -> Callable[[ndarray, Any], Any]:
    def operate(self: ndarray, other: Any) -> Any:
        return _wrap(getattr(self._held, name)(_unwrap(other)))

    return operate


def _in_place(name: str) -> Callable[[ndarray, Any], ndarray]:
    def operate(self: ndarray, other: Any) -> ndarray:
        getattr(self._held, name)(_unwrap(other))
        return self

    return operate


for _name in "add sub mul truediv floordiv mod pow and or xor matmul".split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(ndarray, f"__r{_name}__", _operator(f"__r{_name}__"))
    if _name != "matmul":
        setattr(ndarray, f"__i{_name}__", _in_place(f"__i{_name}__"))
for _name in "eq ne lt le gt ge".split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
for _name in "neg invert abs".split():
    setattr(ndarray, f"__{_name}__", lambda self, name=_name: _wrap(getattr(self._held, f"__{name}__")()))


def asarray(value: Any, dtype: Any = None) -> ndarray:
    """Copy to the device, as the real one does: by name, so allowed."""
    if isinstance(value, ndarray):
        return ndarray(value._held.astype(dtype or value._held.dtype))
    cuda.uploads.append(numpy.size(value))
    return ndarray(numpy.array(value, dtype=dtype))


array = asarray


def asnumpy(value: ndarray) -> Any:
    return value.get()


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    value = getattr(numpy, name)
    return _on_device(value) if callable(value) and not isinstance(value, type) else value


class _Pool:
    def __init__(self) -> None:
        self.limit = 0
        self.freed = 0

    def set_limit(self, size: int) -> None:
        self.limit = size

    def free_all_blocks(self) -> None:
        self.freed += 1

    def used_bytes(self) -> int:
        return 0


_pool = _Pool()


def get_default_memory_pool() -> _Pool:
    return _pool


if os.environ.get("FAKE_CUPY_ERROR"):
    raise ImportError(os.environ["FAKE_CUPY_ERROR"])

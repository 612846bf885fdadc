"""Stands for CuPy where there is no GPU: computes with NumPy, and is as strict, and as careless, as CuPy is.

An array of this module is none of NumPy's: mixing the two, turning one into the other without saying so, and numbers of
classes that CuPy does not take (an IntEnum, say) are errors here as they are there. As there, indices beyond the end of
an array wrap and are no error, and host arrays as indices go up without a word. ``cuda.tally`` counts what costs time.

Only functions and keywords that CuPy has are known: ``signatures.json``, which ``tools/list_cupy.py`` writes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy

from cupy import _cache, cublas, cuda  # noqa: F401 - the first is imported for what it makes
from cupy._raw_kernel import RawKernel  # noqa: F401
from cupy.cuda import tally

__version__ = "14.2.0"

_KNOWN = json.loads(Path(__file__).with_name("signatures.json").read_text())
assert _KNOWN["version"] == __version__

_SCALARS = (int, float, bool, complex)
#: Functions whose result is as long as the data say: the host waits for the device before it can go on.
_WAITING = frozenset(("argwhere", "flatnonzero", "nonzero", "unique"))
#: Methods that a kernel does not run for.
_VIEWS = frozenset(("ravel", "reshape", "squeeze", "swapaxes", "transpose", "view"))


class ndarray:
    """An array "on the device"."""

    __array_ufunc__ = None  # NumPy leaves operators to this class

    def __init__(self, held: numpy.ndarray[Any, Any]) -> None:
        if held.base is None and held.size:
            tally.allocate(held.nbytes)
        self._held = held

    def __array__(self, *_: object, **__: object) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def get(self) -> numpy.ndarray[Any, Any]:
        tally.waits += 1
        tally.downloads.append(self._held.size)
        return self._held.copy()

    def __getitem__(self, key: object) -> Any:
        key = _unwrap_key(key, self._held.shape)
        found = self._held[key]
        if _is_advanced(key):
            tally.launches += 1
            tally.waits += _has_mask(key)  # for the number of elements that it chooses
        return _wrap(found)

    def __setitem__(self, key: object, value: object) -> None:
        key = _unwrap_key(key, self._held.shape)
        tally.launches += 1
        tally.waits += _has_mask(key) and isinstance(value, ndarray) and value._held.ndim > 0
        self._held[key] = _unwrap(value)

    def take(self, indices: object, axis: int | None = None, out: ndarray | None = None) -> Any:
        """Take elements; there is no other mode than to wrap."""
        tally.launches += 1
        found = self._held.take(_to_indices(indices), axis=axis, mode="wrap")
        if out is None:
            return _wrap(found)
        out._held[...] = found
        return out

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Any]:
        return (_wrap(each) for each in self._held)

    def __bool__(self) -> bool:
        tally.waits += 1
        return bool(self._held)

    def __int__(self) -> int:
        tally.waits += 1
        return int(self._held)

    def __float__(self) -> float:
        tally.waits += 1
        return float(self._held)

    def __index__(self) -> int:
        tally.waits += 1
        return self._held.__index__()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self._held, name)
        return _on_device(value, name, "methods") if callable(value) else _wrap(value)


def _unwrap(value: Any) -> Any:
    if isinstance(value, ndarray):
        return value._held
    if isinstance(value, numpy.ndarray) or not (type(value) in _SCALARS or isinstance(value, numpy.generic)):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def _to_indices(value: Any) -> Any:
    """Return indices or a mask as NumPy takes them; those of the host go up."""
    if isinstance(value, ndarray):
        return value._held
    if isinstance(value, list | numpy.ndarray):
        tally.upload(numpy.size(value))
        return numpy.asarray(value)
    return value


def _unwrap_key(key: Any, shape: tuple[int, ...]) -> Any:
    if isinstance(key, tuple):
        given = [each for each in key if each is not None]
        if Ellipsis in [each for each in given if not isinstance(each, ndarray | numpy.ndarray)]:
            raise NotImplementedError("the stand-in does not count axes after ...")
        axes = iter(shape)
        return tuple(each if each is None else _unwrap_index(each, next(axes)) for each in key)
    return _unwrap_index(key, shape[0] if shape else 0)


def _unwrap_index(key: Any, length: int) -> Any:
    if key is None:
        return key
    if isinstance(key, slice):  # a number of the device is waited for
        parts = (key.start, key.stop, key.step)
        return slice(*(int(each) if isinstance(each, ndarray) else each for each in parts))
    found = _to_indices(key)
    if isinstance(found, numpy.ndarray) and found.dtype != bool and found.ndim and length:
        return found % length  # as CuPy does, and raises nothing
    return _unwrap(found) if not isinstance(found, numpy.ndarray) else found


def _parts(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _is_advanced(key: Any) -> bool:
    return any(isinstance(each, numpy.ndarray) for each in _parts(key))


def _has_mask(key: Any) -> bool:
    return any(isinstance(each, numpy.ndarray) and each.dtype == bool for each in _parts(key))


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


def _check_call(parameters: list[str] | None, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Raise `TypeError` for more arguments than CuPy takes, and for keywords that it does not know."""
    if parameters is None:
        return
    if len(given) > len(parameters) and not any(each.startswith("*") for each in parameters):
        raise TypeError(f"{name}() takes at most {len(parameters)} arguments, not {len(given)}")
    unknown = set(named) - set(parameters)
    if unknown and not any(each.startswith("**") for each in parameters):
        raise TypeError(f"{name}() has no parameter {', '.join(sorted(unknown))}")


def _on_device(function: Callable[..., Any], name: str, kind: str) -> Callable[..., Any]:
    if name not in _KNOWN[kind]:
        raise AttributeError(f"CuPy {__version__} has no {name!r} among its {kind}")

    def call(*given: Any, **named: Any) -> Any:
        _check_call(_KNOWN[kind][name], name, given, named)
        tally.launches += name not in _VIEWS
        tally.waits += name in _WAITING
        out = named.get("out")
        result = function(*map(_argument, given), **{name: _argument(value) for name, value in named.items()})
        return out if out is not None else _wrap(result)

    return call


def _operator(name: str) -> Callable[[ndarray, Any], Any]:
    def operate(self: ndarray, other: Any) -> Any:
        tally.launches += 1
        return _wrap(getattr(self._held, name)(_unwrap(other)))

    return operate


def _in_place(name: str) -> Callable[[ndarray, Any], ndarray]:
    def operate(self: ndarray, other: Any) -> ndarray:
        tally.launches += 1
        getattr(self._held, name)(_unwrap(other))
        return self

    return operate


def _unary(name: str) -> Callable[[ndarray], Any]:
    def operate(self: ndarray) -> Any:
        tally.launches += 1
        return _wrap(getattr(self._held, name)())

    return operate


for _name in "add sub mul truediv floordiv mod pow and or xor matmul".split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(ndarray, f"__r{_name}__", _operator(f"__r{_name}__"))
    if _name != "matmul":
        setattr(ndarray, f"__i{_name}__", _in_place(f"__i{_name}__"))
for _name in "eq ne lt le gt ge".split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
for _name in "neg invert abs".split():
    setattr(ndarray, f"__{_name}__", _unary(f"__{_name}__"))


def asarray(value: Any, dtype: Any = None) -> ndarray:
    """Copy to the device, as the real one does: by name, so allowed."""
    if isinstance(value, ndarray):
        if dtype is None or value._held.dtype == dtype:
            return value
        tally.launches += 1
        return ndarray(value._held.astype(dtype))
    tally.upload(numpy.size(value))
    return ndarray(numpy.array(value, dtype=dtype))


array = asarray


def ascontiguousarray(value: ndarray) -> ndarray:
    if value._held.flags.c_contiguous:
        return value
    tally.launches += 1
    return ndarray(numpy.ascontiguousarray(value._held))


def asnumpy(value: ndarray) -> Any:
    return value.get()


def take(value: ndarray, indices: object, axis: int | None = None, out: ndarray | None = None) -> Any:
    return value.take(indices, axis=axis, out=out)


class _StrideTricks:
    @staticmethod
    def as_strided(value: ndarray, shape: Any = None, strides: Any = None) -> ndarray:
        return ndarray(numpy.lib.stride_tricks.as_strided(value._held, shape, strides))


class lib:
    """The part of ``cupy.lib`` that is used."""

    stride_tricks = _StrideTricks


class _Kernel:
    """A kernel in CUDA C++, of those that thinc has; none of them can be run here."""

    def __init__(self, *_: object, **__: object) -> None:
        pass


ElementwiseKernel = RawModule = ReductionKernel = _Kernel


def get_array_module(*given: object) -> Any:
    return sys.modules[__name__] if any(isinstance(each, ndarray) for each in given) else numpy


def from_dlpack(value: object) -> ndarray:
    raise NotImplementedError


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    cuda.runtime.break_if_told(name)
    value = getattr(numpy, name)
    return _on_device(value, name, "functions") if callable(value) and not isinstance(value, type) else value


def get_default_memory_pool() -> cuda.memory.MemoryPool:
    return cuda.memory.default_pool


if os.environ.get("FAKE_CUPY_ERROR"):
    raise ImportError(os.environ["FAKE_CUPY_ERROR"])

"""Kernels in CUDA C++, compiled for the CPU and run there: the code is that of the device, the threads are not.

A warp usually has one lane, which computes all that 32 would, so that nothing has to be exchanged (`lanes` = 1; a
kernel takes the number as the macro LANES). With more, each lane is a thread of the CPU, and lanes exchange values as
those of a warp do: slow, but the same code.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy

from cupy.cuda import tally

#: Lanes of a warp, instead of those that a kernel is compiled for.
lanes = 1

_CUDA = r"""
#include <barrier>
#include <cmath>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

struct Place { int x = 0, y = 0, z = 0; };
static thread_local Place threadIdx, blockIdx, blockDim;
static std::unique_ptr<std::barrier<>> all_lanes;
static float exchanged[LANES];

#define __global__
#define __device__ static

static float __shfl_xor_sync(unsigned, float value, int distance) {
    exchanged[threadIdx.x] = value;
    all_lanes->arrive_and_wait();
    const float other = exchanged[threadIdx.x ^ distance];
    all_lanes->arrive_and_wait();
    return other;
}
"""
_RUN = r"""
template <class... Types, std::size_t... I>
static void call(void (*kernel)(Types...), void** given, std::index_sequence<I...>) {
    kernel(*static_cast<Types*>(given[I])...);
}

template <class... Types>
static void run_lane(void (*kernel)(Types...), int lane, int blocks, int warps, void** given) {
    threadIdx.x = lane, blockDim.x = LANES, blockDim.y = warps;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
        for (threadIdx.y = 0; threadIdx.y < warps; ++threadIdx.y)
            call(kernel, given, std::index_sequence_for<Types...>{});
}

extern "C" void run(int blocks, int warps, void** given) {
    all_lanes = std::make_unique<std::barrier<>>(LANES);
    std::vector<std::thread> others;
    for (int lane = 1; lane < LANES; ++lane)
        others.emplace_back([=] { run_lane(NAME, lane, blocks, warps, given); });
    run_lane(NAME, 0, blocks, warps, given);
    for (auto& each : others) each.join();
}
"""
_TYPES = {"int32": ctypes.c_int32, "int64": ctypes.c_int64, "float32": ctypes.c_float}


class RawKernel:
    """A kernel in CUDA C++. It is compiled when it is called first, for thinc has some that nobody calls."""

    def __init__(self, code: str, name: str, options: tuple[str, ...] = (), **_: object) -> None:
        self._code, self._name, self._options = code, name, tuple(options)

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], given: tuple[Any, ...]) -> None:
        tally.launches += 1
        assert "-DLANES=32" in self._options and block[0] == 32 and len(block) <= 2 and len(grid) == 1
        values = [_to_c(each) for each in given]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(each) for each in values))
        library = _compile(self._code, self._name, (*self._options, "-ULANES", f"-DLANES={lanes}"))
        library.run(grid[0], block[1] if len(block) > 1 else 1, pointers)


def _to_c(value: Any) -> Any:
    """Return an argument as C has it: an array is the address of its first element, whatever its strides."""
    if hasattr(value, "_held"):
        return ctypes.c_void_p(value._held.ctypes.data)
    if not isinstance(value, numpy.generic):
        raise TypeError(f"a kernel does not know the width of {type(value)}")
    return _TYPES[value.dtype.name](value.item())


@cache
def _compile(code: str, name: str, options: tuple[str, ...]) -> Any:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise RuntimeError("the stand-in for CuPy needs a C++ compiler for kernels")
    key = hashlib.sha256("\0".join((code, name, *options)).encode()).hexdigest()[:16]
    with tempfile.TemporaryDirectory() as directory:
        source, library = Path(directory, f"{key}.cpp"), Path(directory, f"{key}.so")
        source.write_text(_CUDA + re.sub(r"#pragma unroll", "", code) + _RUN)
        command = [compiler, "-std=c++20", "-O2", "-shared", "-fPIC", "-pthread", *options, f"-DNAME={name}"]
        subprocess.run([*command, "-o", library, source], check=True)
        return ctypes.CDLL(str(library))

"""A kernel for the end of a layer on a GPU: bias, maxout, layer normalisation and residual connection in one.

One by one, these operations would send a block through the device's memory a dozen times, and they are bound by its
speed. The kernel reads the weighted sums and the rows once, and writes the result once. A warp computes a row: each of
its lanes holds every 32nd unit in registers, and the lanes add up what the mean and the variance are made of.
"""

from __future__ import annotations

import numpy as np

from shardner.engine.fused.arrays import Array, Module

#: Threads that compute a row together, and rows of a block of threads.
LANES, WARPS = 32, 8

#: C++ for NVRTC, which knows CUDA's own names without a header.
SOURCE = """
#define UNITS ((WIDTH + LANES - 1) / LANES)

__device__ float add_up(float value) {
    for (int distance = LANES / 2; distance > 0; distance /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, distance);
    return value;
}

extern "C" __global__ void finish_layer(
    const float* summed, const float* bias, const float* rows, long long row_stride, const float* gain,
    float* finished, int count
) {
    const long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= count) return;  // the whole warp: its lanes have the same row
    const float* sums = summed + row * PIECES * WIDTH;
    float best[UNITS], total = 0.0f, squares = 0.0f;
    #pragma unroll
    for (int i = 0; i < UNITS; ++i) {
        const int unit = threadIdx.x + i * LANES;
        if (unit >= WIDTH) continue;
        best[i] = sums[unit] + bias[unit];
        #pragma unroll
        for (int piece = 1; piece < PIECES; ++piece)
            best[i] = fmaxf(best[i], sums[piece * WIDTH + unit] + bias[piece * WIDTH + unit]);
        total += best[i];
    }
    const float mean = add_up(total) / WIDTH;
    #pragma unroll
    for (int i = 0; i < UNITS; ++i) {
        if (threadIdx.x + i * LANES >= WIDTH) continue;
        best[i] -= mean;
        squares += best[i] * best[i];
    }
    const float scale = 1.0f / sqrtf(add_up(squares) / WIDTH + EPSILON);
    #pragma unroll
    for (int i = 0; i < UNITS; ++i) {
        const int unit = threadIdx.x + i * LANES;
        if (unit >= WIDTH) continue;
        finished[row * WIDTH + unit] = best[i] * scale * gain[unit] + rows[row * row_stride + unit];
    }
}
"""


class LayerKernel:
    """Computes the end of layers of a width, with a number of pieces for the maxout."""

    def __init__(self, xp: Module, width: int, pieces: int, epsilon: float) -> None:
        """Take ``cupy`` as `xp`. The kernel is compiled at its first use."""
        options = (f"-DWIDTH={width}", f"-DPIECES={pieces}", f"-DLANES={LANES}", f"-DEPSILON={epsilon}f")
        self._xp, self._kernel = xp, xp.RawKernel(SOURCE, "finish_layer", options=options)

    def __call__(self, summed: Array, bias: Array, rows: Array, gain: Array) -> Array:
        """Return the rows (n, width) float32 that a layer makes.

        Args:
            summed: (n, pieces * width) float32, contiguous: the weighted sums, without the bias.
            bias: (pieces * width,) float32.
            rows: (n, width) float32: what the layer was given. A row is contiguous; it may be part of a longer one.
            gain: (width,) float32.
        """
        finished = self._xp.empty((len(summed), len(gain)), dtype="f")
        stride, count = np.int64(rows.strides[0] // rows.itemsize), np.int32(len(summed))
        if count:
            blocks = (-(-len(summed) // WARPS),)
            self._kernel(blocks, (LANES, WARPS), (summed, bias, rows, stride, gain, finished, count))
        return finished

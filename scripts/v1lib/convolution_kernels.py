"""Compiled kernels for one layer of valid convolution, max pooling and ReLU, on one processor core.

Convolution, pooling and ReLU of an image are done together while the image is in cache. Of a
pooled layer only positions that won their window and are positive carry gradient (at most 36 of 169
positions in the second layer of the network of Kindel et al. 2019). The gradients are sums over
those units alone: with g the gradient of a unit of filter c whose maximum lies at patch P of the
input, dW[c] += g P, db[c] += g, dP += g W[c].

Arrays are flat float32; images are stored row, column, channel. Every size is a compile-time
constant, with one specialisation per `shape` (`v1lib.pooled_convolution.LayerShape`). Nothing is
checked here: `v1lib.pooled_convolution` is the caller.
"""

from functools import cache
from math import gcd

import numba
import numpy as np

from v1lib.compiling import OPTIONS
from v1lib.lanes import (
    add,
    broadcast,
    get,
    larger,
    load,
    multiply_add,
    put,
    registers,
    store,
    unless_nan,
    where_at_most,
    where_equal,
)

WIDEST = 16  # lanes: one 512-bit register, two of 256 bits
NARROWEST = 4
# Vectors summed at once: enough to hide the latency of an addition, few enough not to spill.
ACCUMULATORS = 16
LARGEST_OFFSET = 2**24  # window offsets are kept as float32, exact below this

# Not kept on disk: these kernels are made of others (`v1lib.compiling`).
_compiled = numba.njit(**OPTIONS)


def supports(shape):
    """Whether the kernels can do a layer: filters a multiple of 4, images below 2**24 values."""
    image_size = shape.height * shape.width * shape.channels
    return shape.filters % NARROWEST == 0 and image_size < LARGEST_OFFSET


def patch_row(shape):
    """Values in a row of a patch (kernel x channels), filled up to whole vectors."""
    row, lanes = shape.kernel * shape.channels, _patch_lanes(shape)
    return -(-row // lanes) * lanes


def _patch_lanes(shape):
    row = shape.kernel * shape.channels
    for lanes in (WIDEST, 8, NARROWEST):
        if row % lanes == 0:
            return lanes
    return min((lanes for lanes in (NARROWEST, 8) if lanes >= row), default=WIDEST)


@cache
def forward_kernel(shape):
    """Kernel (stimuli, weight, bias, pooled, offsets, n_images) -> None for one layer.

    stimuli: (n_images, height, width, channels), weight: (filters, kernel, kernel, channels).
    Written: pooled and offsets (n_images, rows, columns, filters); an offset says where in the
    input, counted from the first patch of the window, the patch of the (first) maximum starts, and
    is negative where ReLU lets nothing pass.
    """
    convolve, pool = _convolve_kernel(shape), _pool_kernel(shape)
    image_size = shape.height * shape.width * shape.channels
    pooled_size = shape.pooled[0] * shape.pooled[1] * shape.filters
    convolved_size = shape.convolved[0] * shape.convolved[1] * shape.filters
    filters, n_taps = shape.filters, shape.kernel**2 * shape.channels

    @_compiled
    def forward(stimuli, weight, bias, pooled, offsets, n_images):
        taps = np.empty(n_taps * filters, np.float32)
        for c in range(filters):
            for t in range(n_taps):
                taps[t * filters + c] = weight[c * n_taps + t]
        convolved = np.empty(convolved_size, np.float32)
        for image in range(n_images):
            convolve(stimuli, image * image_size, taps, bias, convolved)
            pool(convolved, pooled, offsets, image * pooled_size)

    return forward


def _convolve_kernel(shape):
    """One image: a few neighbouring pixels of a row times all filters are summed in registers."""
    channels, filters, kernel, width = shape.channels, shape.filters, shape.kernel, shape.width
    rows, columns = shape.convolved
    lanes = gcd(filters, WIDEST)
    group = min(filters // lanes, 2)  # vectors of filters summed at once
    while (filters // lanes) % group:
        group -= 1
    blocks = -(-columns * group // ACCUMULATORS)
    pixels = -(-columns // blocks)
    sums_at_once, row = pixels * group, kernel * channels

    @_compiled
    def convolve(stimuli, image, taps, bias, convolved):
        sums = registers(sums_at_once, lanes)
        for first in range(0, filters, group * lanes):
            for y in range(rows):
                for block in range(blocks):
                    # The last block is moved back to end with the row; it repeats some pixels.
                    x = min(block * pixels, columns - pixels)
                    for v in range(group):
                        for p in range(pixels):
                            put(sums, p * group + v, load(bias, first + v * lanes, lanes))
                    for dy in range(kernel):
                        at = image + ((y + dy) * width + x) * channels
                        tap = dy * row * filters + first
                        for _ in range(row):
                            for v in range(group):
                                weight = load(taps, tap + v * lanes, lanes)
                                for p in range(pixels):
                                    value = broadcast(stimuli[at + p * channels], lanes)
                                    i = p * group + v
                                    put(sums, i, multiply_add(value, weight, get(sums, i)))
                            at += 1
                            tap += filters
                    to = (y * columns + x) * filters + first
                    for p in range(pixels):
                        for v in range(group):
                            store(convolved, to + p * filters + v * lanes, get(sums, p * group + v))

    return convolve


def _pool_kernel(shape):
    """One image: window maximum, its place (of equal ones the first, as in PyTorch), ReLU."""
    filters, window, stride = shape.filters, shape.pool_kernel, shape.pool_stride
    columns = shape.convolved[1]
    pooled_rows, pooled_columns = shape.pooled
    lanes = gcd(filters, WIDEST)
    input_row, channels = shape.width * shape.channels, shape.channels

    @_compiled
    def pool(convolved, pooled, offsets, image):
        zero = broadcast(np.float32(0), lanes)
        no_patch = broadcast(np.float32(-1), lanes)
        for y in range(pooled_rows):
            for x in range(pooled_columns):
                for first in range(0, filters, lanes):
                    corner = (y * columns + x) * stride * filters + first
                    best = load(convolved, corner, lanes)
                    # NaN where a member of the window is: far cheaper than asking each of them.
                    total = best
                    for t in range(1, window * window):
                        at = corner + ((t // window) * columns + t % window) * filters
                        value = load(convolved, at, lanes)
                        best, total = larger(best, value), add(total, value)
                    where = zero
                    for back in range(window * window):
                        # From the last to the first, so that the first of equal maxima is kept.
                        t = window * window - 1 - back
                        dy, dx = t // window, t % window
                        at = corner + (dy * columns + dx) * filters
                        offset = broadcast(np.float32(dy * input_row + dx * channels), lanes)
                        where = where_equal(load(convolved, at, lanes), best, offset, where)
                    to = image + (y * pooled_columns + x) * filters + first
                    rectified = where_at_most(best, zero, zero, best)
                    store(pooled, to, unless_nan(rectified, total))
                    store(offsets, to, where_at_most(best, zero, no_patch, where))

    return pool


@cache
def backward_kernel(shape, *, channels_first, with_input):
    """Kernel that turns the gradient of the pooled output into those of weight, bias and input.

    Arguments (gradient, offsets, stimuli, weight, weight_gradient, bias_gradient, input_gradient,
    n_images), stored as for `forward_kernel`; the gradient may also be stored `channels_first`:
    (n_images, filters, rows, columns). The last three arrays are written, input_gradient only
    `with_input`.
    """
    filters, row, filled = shape.filters, shape.kernel * shape.channels, patch_row(shape)
    n_rows, n_places = filters * shape.kernel, shape.pooled[0] * shape.pooled[1]
    image_size = shape.height * shape.width * shape.channels
    # Rows of filters and patches are filled up to whole vectors: what is read beyond the end of a
    # patch is added to sums that nobody reads, and what is written there is zero times something.
    scratch_size = image_size + filled - row
    add_image = _add_image_kernel(shape, channels_first, with_input)

    @_compiled
    def backward(
        gradient,
        offsets,
        stimuli,
        weight,
        weight_gradient,
        bias_gradient,
        input_gradient,
        n_images,
    ):
        rows = np.zeros(n_rows * filled, np.float32)
        sums = np.zeros(n_rows * filled, np.float32)
        for r in range(n_rows):
            for i in range(row):
                rows[r * filled + i] = weight[r * row + i]
        bias_gradient[:] = 0
        seen = np.zeros(scratch_size, np.float32)
        changed = np.zeros(scratch_size, np.float32)
        for image in range(n_images):
            first, unit = image * image_size, image * n_places * filters
            for i in range(image_size):
                seen[i] = stimuli[first + i]
            add_image(gradient, offsets, unit, seen, rows, sums, bias_gradient, changed)
            if with_input:
                for i in range(image_size):
                    input_gradient[first + i] = changed[i]
                    changed[i] = 0
        for r in range(n_rows):
            for i in range(row):
                weight_gradient[r * row + i] = sums[r * filled + i]

    return backward


def _add_image_kernel(shape, channels_first, with_input):
    """Add what one image contributes to the sums of the weights and biases and to its input's."""
    filters, kernel, filled = shape.filters, shape.kernel, patch_row(shape)
    pooled_rows, pooled_columns = shape.pooled
    n_places = pooled_rows * pooled_columns
    next_place, next_filter = (1, n_places) if channels_first else (filters, 1)
    lanes = _patch_lanes(shape)
    row_vectors = filled // lanes
    vectors = kernel * row_vectors
    input_row = shape.width * shape.channels
    step_y, step_x = shape.pool_stride * input_row, shape.pool_stride * shape.channels

    @_compiled
    def add_image(gradient, offsets, unit, seen, rows, row_sums, bias_sums, changed):
        weights, sums = registers(vectors, lanes), registers(vectors, lanes)
        for c in range(filters):
            for v in range(vectors):
                put(sums, v, load(row_sums, (c * vectors + v) * lanes, lanes))
                if with_input:
                    put(weights, v, load(rows, (c * vectors + v) * lanes, lanes))
            bias_sum = np.float32(0)
            at_gradient, at_offset = unit + c * next_filter, unit + c
            for y in range(pooled_rows):
                for x in range(pooled_columns):
                    g, offset = gradient[at_gradient], offsets[at_offset]
                    at_gradient += next_place
                    at_offset += filters
                    if g != 0 and offset >= 0:
                        bias_sum += g
                        factor = broadcast(g, lanes)
                        patch = y * step_y + x * step_x + int(offset)
                        for v in range(vectors):
                            at = patch + (v // row_vectors) * input_row
                            at += (v % row_vectors) * lanes
                            total = multiply_add(factor, load(seen, at, lanes), get(sums, v))
                            put(sums, v, total)
                            if with_input:
                                so_far = load(changed, at, lanes)
                                store(changed, at, multiply_add(factor, get(weights, v), so_far))
            bias_sums[c] += bias_sum
            for v in range(vectors):
                store(row_sums, (c * vectors + v) * lanes, get(sums, v))

    return add_image

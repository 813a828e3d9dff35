"""Compiled kernels for the dense layer behind a convolution network, on one processor core.

With dropout and ReLU about two of three values of the gradient that reaches a hidden layer are
zero. The kernels list the others first and add up rows for those alone; the sums stay in registers,
and columns are taken in blocks so that what is read repeatedly stays in the first-level cache.

Arrays are flat float32, C order. Nothing is checked here: `v1lib.hidden_layer` is the caller.
"""

from functools import cache
from math import gcd

import numba
import numpy as np

from v1lib.compiling import OPTIONS
from v1lib.lanes import broadcast, get, load, multiply_add, put, registers, store

WIDEST = 16
NARROWEST = 4
MOST_SUMS = 12  # vectors summed at once
CACHED_VALUES = 7168  # 28 KiB: what may be read again and again from the first-level cache

# Not kept on disk: these kernels are made of others (`v1lib.compiling`).
_compiled = numba.njit(**OPTIONS)


def supports(n_inputs):
    """Whether the kernels can do a layer: inputs a multiple of 4."""
    return n_inputs % NARROWEST == 0


def _block(n_inputs):
    """Lanes, and vectors in a block of columns."""
    lanes = gcd(n_inputs, WIDEST)
    vectors = n_inputs // lanes
    return lanes, max(v for v in range(1, MOST_SUMS + 1) if vectors % v == 0)


@cache
def weight_gradient_kernel(n_inputs, n_units):
    """Kernel (gradient, inputs, weight_gradient, bias_gradient, n_images) -> None.

    gradient: (n_images, n_units), inputs: (n_images, n_inputs). Written: weight_gradient (n_units,
    n_inputs) = gradient^T inputs, and bias_gradient (n_units,).
    """
    lanes, vectors = _block(n_inputs)
    block = lanes * vectors
    add_rows = _add_rows_kernel(n_inputs)

    @_compiled
    def weight_gradient(gradient, inputs, weight_gradient, bias_gradient, n_images):
        # One place more than can be filled: each value is written before it is known to count.
        rows = np.empty(n_units * n_images + 1, np.int64)
        factors = np.empty(n_units * n_images + 1, np.float32)
        starts = np.empty(n_units + 1, np.int64)
        n_listed = 0
        for unit in range(n_units):
            starts[unit] = n_listed
            total = np.float32(0)
            for image in range(n_images):
                value = gradient[image * n_units + unit]
                total += value
                rows[n_listed], factors[n_listed] = image, value
                n_listed += value != 0
            bias_gradient[unit] = total
        starts[n_units] = n_listed
        sums = registers(vectors, lanes)
        for column in range(0, n_inputs, block):
            for unit in range(n_units):
                for v in range(vectors):
                    put(sums, v, broadcast(np.float32(0), lanes))
                for k in range(starts[unit], starts[unit + 1]):
                    add_rows(inputs, rows[k] * n_inputs + column, factors[k], sums)
                for v in range(vectors):
                    store(weight_gradient, unit * n_inputs + column + v * lanes, get(sums, v))

    return weight_gradient


@cache
def input_gradient_kernel(n_inputs, n_units):
    """Kernel (gradient, weight, input_gradient, n_images) -> None.

    gradient: (n_images, n_units), weight: (n_units, n_inputs). Written: input_gradient (n_images,
    n_inputs) = gradient weight.
    """
    lanes, vectors = _block(n_inputs)
    block = lanes * vectors
    group = max(CACHED_VALUES // block, 1)  # units whose weights stay in the cache
    n_groups = -(-n_units // group)
    add_rows = _add_rows_kernel(n_inputs)

    @_compiled
    def input_gradient(gradient, weight, input_gradient, n_images):
        rows = np.empty(n_images * n_units + 1, np.int64)
        factors = np.empty(n_images * n_units + 1, np.float32)
        starts = np.empty(n_images * n_groups + 1, np.int64)
        n_listed = 0
        for image in range(n_images):
            for unit in range(n_units):
                if unit % group == 0:
                    starts[image * n_groups + unit // group] = n_listed
                value = gradient[image * n_units + unit]
                rows[n_listed], factors[n_listed] = unit, value
                n_listed += value != 0
        starts[n_images * n_groups] = n_listed
        sums = registers(vectors, lanes)
        for column in range(0, n_inputs, block):
            for g in range(n_groups):
                for image in range(n_images):
                    to = image * n_inputs + column
                    for v in range(vectors):
                        start = load(input_gradient, to + v * lanes, lanes)
                        put(sums, v, start if g else broadcast(np.float32(0), lanes))
                    entry = image * n_groups + g
                    for k in range(starts[entry], starts[entry + 1]):
                        add_rows(weight, rows[k] * n_inputs + column, factors[k], sums)
                    for v in range(vectors):
                        store(input_gradient, to + v * lanes, get(sums, v))

    return input_gradient


@cache
def _add_rows_kernel(n_inputs):
    """Add a factor times a block of a row to sums in registers."""
    lanes, vectors = _block(n_inputs)

    @_compiled
    def add_rows(array, at, factor, sums):
        factor = broadcast(factor, lanes)
        for v in range(vectors):
            row = load(array, at + v * lanes, lanes)
            put(sums, v, multiply_add(factor, row, get(sums, v)))

    return add_rows


@_compiled
def rectify_and_drop(values, key, threshold, scale, kept):
    """Write kept = scale * values where values are positive and kept by chance, 0 elsewhere.

    A value is kept if its 32 random bits are below `threshold` (uint64, at most 2**32). The bits
    are those of SplitMix64 (Steele, Lea & Flood 2014, doi 10.1145/2660193.2660195) started at `key`
    (uint64), 64 for two values. NaN counts as positive. scale: float32.
    """
    bits = np.empty((values.size + 1) // 2, np.uint64)
    for i in range(bits.size):
        mixed = key + np.uint64(i + 1) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits[i] = mixed ^ (mixed >> np.uint64(31))
    halves = bits.view(np.uint32)
    for i in range(values.size):
        # No short circuit: chance cannot be predicted, and a wrong guess costs more than a test.
        stays = (halves[i] < threshold) & ~(values[i] <= 0)
        kept[i] = scale * values[i] if stays else np.float32(0)


@_compiled
def pass_where_kept(gradient, kept, scale, passed):
    """Write passed = scale * gradient where `kept` is not 0, else 0. scale: float32."""
    for i in range(kept.size):
        passed[i] = scale * gradient[i] if kept[i] != 0 else np.float32(0)

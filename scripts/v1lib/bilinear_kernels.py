"""Compiled kernels that read weighted features at places between pixels, on one processor core.

With F the four pixels around a place, b their bilinear weights and f the features of a neuron,
value = sum_i b_i (F_i . f). All sums run over channels, which lie next to each other in memory: a
place costs four short rows, and nothing of the size images x neurons x channels is ever stored.

Arrays are flat float32: maps (images, height, width, channels); columns, rows, values (images,
neurons), places in pixels within the map; features (neurons, channels). The number of channels is a
compile-time constant. Nothing is checked here: `v1lib.bilinear` is the caller.
"""

from functools import cache
from math import gcd

import numba
import numpy as np

from v1lib import lanes as of_lanes
from v1lib.compiling import OPTIONS, compiler
from v1lib.lanes import add_product, broadcast, get, load, multiply_add, put, registers, total

WIDEST = 16  # lanes: one 512-bit register, two of 256 bits
NARROWEST = 4

_kernel, _part = compiler(__file__, of_lanes.__file__), numba.njit(**OPTIONS)


def supports(n_channels):
    """Whether the kernels can do maps of so many channels: a multiple of 4."""
    return n_channels % NARROWEST == 0


@_part
def _first_pixel(place, size):
    """The pixel at or before a place, such that there is one behind it; 0 for NaN."""
    if place >= size - 1:
        return max(size - 2, 0)
    return int(place) if place > 0 else 0


@cache
def forward_kernel(n_channels):
    """Kernel (maps, columns, rows, features, values, first, last, n_neurons, height, width).

    Writes the values of the images from `first` to before `last`.
    """
    lanes = gcd(n_channels, WIDEST)
    vectors = n_channels // lanes

    @_kernel
    def forward(maps, columns, rows, features, values, first, last, n_neurons, height, width):
        sums = registers(1, lanes)
        below = width * n_channels if height > 1 else 0
        beside = n_channels if width > 1 else 0
        for image in range(first, last):
            for neuron in range(n_neurons):
                at = image * n_neurons + neuron
                x, y = _first_pixel(columns[at], width), _first_pixel(rows[at], height)
                right, down = columns[at] - np.float32(x), rows[at] - np.float32(y)
                left, up = np.float32(1) - right, np.float32(1) - down
                corner = ((image * height + y) * width + x) * n_channels
                put(sums, 0, broadcast(np.float32(0), lanes))
                b00, b01 = broadcast(up * left, lanes), broadcast(up * right, lanes)
                b10, b11 = broadcast(down * left, lanes), broadcast(down * right, lanes)
                zero = broadcast(np.float32(0), lanes)
                for v in range(vectors):
                    pixel = corner + v * lanes
                    value = multiply_add(b00, load(maps, pixel, lanes), zero)
                    value = multiply_add(b01, load(maps, pixel + beside, lanes), value)
                    value = multiply_add(b10, load(maps, pixel + below, lanes), value)
                    value = multiply_add(b11, load(maps, pixel + below + beside, lanes), value)
                    feature = load(features, neuron * n_channels + v * lanes, lanes)
                    put(sums, 0, multiply_add(value, feature, get(sums, 0)))
                values[at] = total(get(sums, 0))

    return forward


@cache
def backward_kernel(n_channels, *, with_maps):
    """Kernel that turns the gradient of the values into those of places, features and maps.

    Arguments (gradient, maps, columns, rows, features, maps_gradient, columns_gradient,
    rows_gradient, features_gradient, first, last, n_neurons, height, width): those of columns and
    rows are written, those of features and, only `with_maps`, of maps added to.
    """
    lanes = gcd(n_channels, WIDEST)
    vectors = n_channels // lanes

    @_kernel
    def backward(
        gradient,
        maps,
        columns,
        rows,
        features,
        maps_gradient,
        columns_gradient,
        rows_gradient,
        features_gradient,
        first,
        last,
        n_neurons,
        height,
        width,
    ):
        sums = registers(2, lanes)
        zero = broadcast(np.float32(0), lanes)
        minus = broadcast(np.float32(-1), lanes)
        below = width * n_channels if height > 1 else 0
        beside = n_channels if width > 1 else 0
        for image in range(first, last):
            for neuron in range(n_neurons):
                at = image * n_neurons + neuron
                g = gradient[at]
                x, y = _first_pixel(columns[at], width), _first_pixel(rows[at], height)
                right, down = columns[at] - np.float32(x), rows[at] - np.float32(y)
                left, up = np.float32(1) - right, np.float32(1) - down
                corner = ((image * height + y) * width + x) * n_channels
                r, d = broadcast(right, lanes), broadcast(down, lanes)
                factor = broadcast(g, lanes)
                b00, b01 = broadcast(g * up * left, lanes), broadcast(g * up * right, lanes)
                b10, b11 = broadcast(g * down * left, lanes), broadcast(g * down * right, lanes)
                put(sums, 0, zero)
                put(sums, 1, zero)
                for v in range(vectors):
                    pixel, mine = corner + v * lanes, neuron * n_channels + v * lanes
                    feature = load(features, mine, lanes)
                    p00, p01 = load(maps, pixel, lanes), load(maps, pixel + beside, lanes)
                    p10 = load(maps, pixel + below, lanes)
                    p11 = load(maps, pixel + below + beside, lanes)
                    above_x = multiply_add(minus, p00, p01)  # slopes along the two rows
                    below_x = multiply_add(minus, p10, p11)
                    above = multiply_add(r, above_x, p00)
                    slope_y = multiply_add(minus, above, multiply_add(r, below_x, p10))
                    slope_x = multiply_add(d, multiply_add(minus, above_x, below_x), above_x)
                    put(sums, 0, multiply_add(slope_x, feature, get(sums, 0)))
                    put(sums, 1, multiply_add(slope_y, feature, get(sums, 1)))
                    add_product(features_gradient, mine, factor, multiply_add(d, slope_y, above))
                    if with_maps:
                        add_product(maps_gradient, pixel, b00, feature)
                        add_product(maps_gradient, pixel + beside, b01, feature)
                        add_product(maps_gradient, pixel + below, b10, feature)
                        add_product(maps_gradient, pixel + below + beside, b11, feature)
                columns_gradient[at] = g * total(get(sums, 0))
                rows_gradient[at] = g * total(get(sums, 1))

    return backward

"""Compiled kernels that filter every channel of feature maps on its own, on one processor core.

Maps keep their size: outside of them is zero. A few channels that lie next to each other in memory
are taken at once. Of one image they are copied between columns of zeros, into a block that stays in
the second-level cache; the sums of one row, of pixels or of weights, stay in registers.

Arrays are flat float32: maps (images, height, width, channels), filters (kernel, kernel, channels).
`kernel` must be odd. Filters slide over maps without being mirrored, as in PyTorch. Nothing is
checked here: `v1lib.depthwise` is the caller.
"""

from functools import cache
from math import gcd

import numba
import numpy as np

from v1lib import lanes as of_lanes
from v1lib.compiling import OPTIONS, compiler
from v1lib.lanes import broadcast, get, load, multiply_add, put, registers, store

WIDEST = 8  # lanes: one 256-bit register; 512 bits were not faster
NARROWEST = 4
MOST_SUMS = 13  # of 16 registers: enough to hide the latency of an addition, and none is spilled

_kernel, _part = compiler(__file__, of_lanes.__file__), numba.njit(**OPTIONS)


def supports(n_channels, kernel):
    """Whether the kernels can do it: channels a multiple of 4, filters of odd side."""
    return n_channels % NARROWEST == 0 and kernel % 2 == 1


def scratch_size(height, width, n_channels, kernel):
    """float32 values that `filter_kernel` and `weight_kernel` need as work space, all zero."""
    return height * (width + kernel - 1) * gcd(n_channels, WIDEST)


@_part
def _copy_image(maps, at, scratch, height, width, n_channels, margin, lanes):
    """Copy `lanes` channels of one image into the work space, between its margins."""
    lanes = numba.literally(lanes)  # a constant of the kernel that calls this
    to = margin * lanes
    for _ in range(height):
        for _ in range(width):
            store(scratch, to, load(maps, at, lanes))
            to += lanes
            at += n_channels
        to += 2 * margin * lanes


@cache
def filter_kernel(kernel, n_channels, width):
    """Kernel (maps, filters, filtered, scratch, first, last, height).

    Writes the filtered images from `first` to before `last`.
    """
    lanes, margin = gcd(n_channels, WIDEST), kernel // 2
    blocks = -(-width // MOST_SUMS)
    pixels = -(-width // blocks)  # of a row that are summed at once
    row = (width + 2 * margin) * lanes

    @_kernel
    def filter_images(maps, filters, filtered, scratch, first, last, height):
        sums = registers(pixels, lanes)
        for image in range(first, last):
            for channel in range(0, n_channels, lanes):
                corner = image * height * width * n_channels + channel
                _copy_image(maps, corner, scratch, height, width, n_channels, margin, lanes)
                for y in range(height):
                    for block in range(blocks):
                        # The last block is moved back to end with the row; it repeats some pixels.
                        x = min(block * pixels, width - pixels)
                        for p in range(pixels):
                            put(sums, p, broadcast(np.float32(0), lanes))
                        for dy in range(max(0, margin - y), min(kernel, height + margin - y)):
                            at = (y + dy - margin) * row + x * lanes
                            tap = dy * kernel * n_channels + channel
                            for _ in range(kernel):
                                weight = load(filters, tap, lanes)
                                for p in range(pixels):
                                    value = load(scratch, at + p * lanes, lanes)
                                    put(sums, p, multiply_add(weight, value, get(sums, p)))
                                at += lanes
                                tap += n_channels
                        to = corner + (y * width + x) * n_channels
                        for p in range(pixels):
                            store(filtered, to + p * n_channels, get(sums, p))

    return filter_images


@cache
def weight_kernel(kernel, n_channels):
    """Kernel (gradient, maps, filters_gradient, scratch, first, last, height, width).

    `gradient` is that of the filtered maps. Writes what each image from `first` to before `last`
    contributes to the gradient of the filters: (images, kernel, kernel, channels).
    """
    lanes, margin = gcd(n_channels, WIDEST), kernel // 2
    blocks = -(-kernel // MOST_SUMS)
    taps = -(-kernel // blocks)  # of a row that are summed at once

    @_kernel
    def weigh_images(gradient, maps, filters_gradient, scratch, first, last, height, width):
        sums = registers(taps, lanes)
        row = (width + 2 * margin) * lanes
        for image in range(first, last):
            for channel in range(0, n_channels, lanes):
                corner = image * height * width * n_channels + channel
                _copy_image(maps, corner, scratch, height, width, n_channels, margin, lanes)
                for dy in range(kernel):
                    for block in range(blocks):
                        dx = min(block * taps, kernel - taps)  # as above
                        for t in range(taps):
                            put(sums, t, broadcast(np.float32(0), lanes))
                        for y in range(max(0, margin - dy), min(height, height + margin - dy)):
                            at = (y + dy - margin) * row + dx * lanes
                            unit = corner + y * width * n_channels
                            for _ in range(width):
                                factor = load(gradient, unit, lanes)
                                for t in range(taps):
                                    value = load(scratch, at + t * lanes, lanes)
                                    put(sums, t, multiply_add(factor, value, get(sums, t)))
                                at += lanes
                                unit += n_channels
                        to = ((image * kernel + dy) * kernel + dx) * n_channels + channel
                        for t in range(taps):
                            store(filters_gradient, to + t * n_channels, get(sums, t))

    return weigh_images

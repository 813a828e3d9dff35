"""Compiled kernels for Winograd's minimal filtering F(4 x 4, 3 x 3), on one processor core.

A strip of tiles of one image is transformed, multiplied and transformed back while it stays in the
second-level cache; the transforms are those of `v1lib.minimal_filtering`. For each of the 36 places
of a transformed tile there is one matrix product over channels, whose sums stay in registers.

Arrays are flat float32. Maps are (images, channels, height, width), before and after. Inside, LANES
channels lie next to each other: pixels (rows, columns, LANES) of a few channels; lines (SEEN,
columns, LANES), pixels transformed along columns only; and spectra (36, channels / LANES, tiles,
LANES), the transformed tiles of all channels. Filters are (36, n_in, filled), with zeros behind
n_out filters. Nothing is checked here: `v1lib.minimal_convolution` is the caller.
"""

import numba
import numpy as np

from v1lib import lanes, minimal_filtering
from v1lib.compiling import OPTIONS, compiler
from v1lib.lanes import (
    add,
    add_products,
    broadcast,
    get,
    linear_map,
    load,
    put,
    registers,
    store,
    transpose,
)
from v1lib.minimal_filtering import SEEN, TILE, A, B

LANES = 16  # one 512-bit register, two of 256 bits
PAIR = 2 * LANES  # channels of the output that are summed at once
BLOCK = 10  # tiles that are summed at once
BLOCK_SUMS = 2 * BLOCK
SUMS = 2 * 8  # of eight channels of the input
# Values of a place in spectra of a strip, of both sides: more would not stay in the cache.
MOST_VALUES = 56 * 64
ZERO = np.float32(0)

_input_transform, _output_transform = linear_map(B), linear_map(A)
_gradient_transform = linear_map(tuple(zip(*A, strict=True)))

_SOURCES = (__file__, lanes.__file__, minimal_filtering.__file__)
_kernel = compiler(*_SOURCES, options={"no_cfunc_wrapper": True})
# Parts of kernels are called by kernels only: without wrappers they compile faster.
_part = numba.njit(**OPTIONS, no_cfunc_wrapper=True, no_cpython_wrapper=True)


def supports(n_in, n_out, height, width):
    """Whether the kernels can do a convolution, with much fewer than its multiplications.

    n_in, n_out: channels; height, width: pixels.
    """
    rows, across = strip_of(n_in, n_out, height, width)
    strips = -(-height // (rows * TILE))
    products = SEEN**2 * strips * _filled_tiles.py_func(rows * across) * filled_channels(n_out)
    plain = 9 * height * width * n_out
    is_possible = n_in % LANES == n_out % LANES == 0 and height * width >= LANES
    return is_possible and products < 0.6 * plain


@_part
def _filled(n_out):
    """Channels of the output that filters have space for: whole pairs of vectors."""
    return -(-n_out // PAIR) * PAIR


filled_channels = _filled.py_func


def strip_of(n_in, n_out, height, width):
    """Rows of tiles that are worked on at once, and tiles in each; arguments as in `supports`."""
    down, across = -(-height // TILE), -(-width // TILE)
    most_tiles = max(BLOCK, MOST_VALUES // (n_in + filled_channels(n_out)))

    def cost(rows):
        strips = -(-down // rows)
        return strips * _filled_tiles.py_func(rows * across), strips * rows, strips

    return min(range(1, min(down, max(1, most_tiles // across)) + 1), key=cost), across


def scratch_sizes(n_in, n_out, height, width):
    """Lengths of the work space: pixels, lines, and spectra before and after; float32, all zero."""
    rows, across = strip_of(n_in, n_out, height, width)
    tiles = _filled_tiles.py_func(rows * across)
    spectra = (SEEN**2 * (tiles * n + LANES) for n in (n_in, filled_channels(n_out)))
    # Before the pixels comes space for a vector of them.
    pixels = LANES + (rows * TILE + 2) * width
    return pixels * LANES, SEEN * (across * TILE + 2) * LANES, *spectra


@_part
def _filled_tiles(tiles):
    """Tiles, filled up to whole blocks."""
    return -(-tiles // BLOCK) * BLOCK


@_part
def _clear(array, first, last):
    """Zero from `first` to before `last`."""
    zero = broadcast(ZERO, LANES)
    for i in range(first, last, LANES):
        store(array, i, zero)


@_part
def _gather(maps, corner, pixels, first_row, n_rows, height, width):
    """Pixels of LANES maps: n_rows from first_row on, of which those outside are zero."""
    start, stop = max(first_row, 0), min(first_row + n_rows, height)
    # A block that is moved back (below) may begin before the first row: there is space for it.
    base = (LANES - first_row * width) * LANES
    _clear(pixels, 0, base + start * width * LANES)
    _clear(pixels, base + stop * width * LANES, pixels.size)
    for pixel in range(start * width, stop * width, LANES):
        at = min(pixel, stop * width - LANES)  # the last block is moved back, and repeats some
        transpose(maps, corner + at, height * width, pixels, base + at * LANES, LANES, LANES)


@_part
def _scatter(pixels, maps, corner, first_row, n_rows, height, width):
    """The inverse of _gather, for at least LANES pixels inside of the maps."""
    start, stop = first_row * width, min(first_row + n_rows, height) * width
    for pixel in range(start, stop, LANES):
        at = min(pixel, stop - LANES)
        of = (LANES + at - start) * LANES
        transpose(pixels, of, LANES, maps, corner + at, height * width, LANES)


@_part
def _transform_inputs(pixels, lines, spectra, at, rows, across, width, place):
    """Pixels, from a row above the tiles to one below, to spectra whose places are `place` apart.

    Lines are six rows of columns (transformed pixels) with a margin that is zero.
    """
    line, step = lines.size // SEEN, width * LANES
    _clear(lines, 0, lines.size)
    for y in range(rows):
        pixel = LANES * LANES + y * TILE * step
        for x in range(0, step, LANES):
            _input_transform(pixels, pixel + x, step, lines, LANES + x, line, LANES)
        to = at
        for i in range(0, lines.size, line):
            for x in range(across):
                _input_transform(
                    lines, i + x * TILE * LANES, LANES, spectra, to + x * LANES, place, LANES
                )
            to += SEEN * place
        at += across * LANES


@_part
def _transform_gradients(pixels, lines, spectra, at, rows, across, width, place):
    """Pixels of the gradient of the output to spectra; lines as above, without a margin."""
    line, step = lines.size // SEEN, width * LANES
    _clear(lines, 0, lines.size)
    for y in range(rows):
        pixel = LANES * LANES + y * TILE * step
        for x in range(0, step, LANES):
            _gradient_transform(pixels, pixel + x, step, lines, x, line, LANES)
        to = at
        for i in range(0, lines.size, line):
            for x in range(across):
                of = i + x * TILE * LANES
                _gradient_transform(lines, of, LANES, spectra, to + x * LANES, place, LANES)
            to += SEEN * place
        at += across * LANES


@_part
def _transform_back(spectra, at, lines, pixels, rows, across, width, place):
    """Spectra to pixels without a margin."""
    line, step = lines.size // SEEN, width * LANES
    for y in range(rows):
        of = at
        for i in range(0, lines.size, line):
            for x in range(across):
                to = i + x * TILE * LANES
                _output_transform(spectra, of + x * LANES, place, lines, to, LANES, LANES)
            of += SEEN * place
        pixel = LANES * LANES + y * TILE * step
        for x in range(0, step, LANES):
            _output_transform(lines, x, line, pixels, pixel + x, step, LANES)
        at += across * LANES


@_part
def _multiply(spectra, at, filters, of, products, to, counts):
    """Tiles times filters of one place, for two vectors of the channels of the output.

    counts: tiles, channels of the input, and those of the output that there is space for.
    """
    tiles, n_in, filled = counts
    sums, zero = registers(BLOCK_SUMS, LANES), broadcast(ZERO, LANES)
    for block in range(0, tiles * LANES, BLOCK * LANES):
        for i in range(BLOCK_SUMS):
            put(sums, i, zero)
        weight = of
        for channels in range(at + block, at + block + tiles * n_in, tiles * LANES):
            for value in range(channels, channels + LANES):
                left, right = load(filters, weight, LANES), load(filters, weight + LANES, LANES)
                add_products(sums, spectra, value, LANES, left, right)
                weight += filled
        for t in range(BLOCK):
            place = to + block + t * LANES
            store(products, place, get(sums, 2 * t))
            store(products, place + tiles * LANES, get(sums, 2 * t + 1))


@_part
def _add_over_tiles(spectra, at, gradients, of, totals, to, counts):
    """Add what tiles contribute to the filters of one place, for LANES channels of the input and
    two vectors of the channels of the output.

    Those of a strip are summed before they are added: totals of many images are rounded coarsely.
    counts: tiles, those that there is space for, and channels of the output likewise.
    """
    n_tiles, tiles, filled = counts
    sums, zero = registers(SUMS, LANES), broadcast(ZERO, LANES)
    for _ in range(PAIR // SUMS):
        for i in range(SUMS):
            put(sums, i, zero)
        for tile in range(0, n_tiles * LANES, LANES):
            left = load(gradients, of + tile, LANES)
            right = load(gradients, of + tiles * LANES + tile, LANES)
            add_products(sums, spectra, at + tile, 1, left, right)
        for i in range(SUMS // 2):
            place = to + i * filled
            store(totals, place, add(load(totals, place, LANES), get(sums, 2 * i)))
            place += LANES
            store(totals, place, add(load(totals, place, LANES), get(sums, 2 * i + 1)))
        at += SUMS // 2
        to += SUMS // 2 * filled


@_part
def _layout(rows, across, n_in, filled):
    """Tiles in spectra, and the distances of their places before and after.

    An odd number of cache lines spreads the places over the cache.
    """
    tiles = _filled_tiles(rows * across)
    return tiles, (tiles * n_in // LANES | 1) * LANES, (tiles * filled // LANES | 1) * LANES


@_kernel
def convolve(maps, filters, outputs, scratch, first, last, sizes):
    """Write the convolutions of the images from `first` to before `last`.

    scratch: the work space, as long as `scratch_sizes` says. sizes: channels of the input and of
    the output, height, width, and both numbers of `strip_of`.
    """
    pixels, lines, spectra, products = scratch
    n_in, n_out, height, width, rows, across = sizes
    filled = _filled(n_out)
    down, size = -(-height // TILE), height * width
    tiles, place, to_place = _layout(rows, across, n_in, filled)
    for image in range(first, last):
        for strip in range(0, down, rows):
            # The last strip is moved back to end with the maps; it repeats some tiles.
            row = min(strip, down - rows) * TILE
            for c in range(0, n_in, LANES):
                corner = (image * n_in + c) * size
                _gather(maps, corner, pixels, row - 1, rows * TILE + 2, height, width)
                _transform_inputs(pixels, lines, spectra, c * tiles, rows, across, width, place)
            for i in range(SEEN * SEEN):
                for c in range(0, filled, PAIR):
                    of, to = i * n_in * filled + c, i * to_place + c * tiles
                    counts = tiles, n_in, filled
                    _multiply(spectra, i * place, filters, of, products, to, counts)
            for c in range(0, n_out, LANES):
                corner = (image * n_out + c) * size
                _transform_back(products, c * tiles, lines, pixels, rows, across, width, to_place)
                _scatter(pixels, outputs, corner, row, rows * TILE, height, width)


@_kernel
def add_filter_gradients(maps, gradients, totals, scratch, first, last, sizes):
    """Add what the images from `first` to before `last` contribute to the gradient of the filters.

    `gradients` are those of the outputs of `convolve`, `totals` those of the filters; the others
    as in `convolve`.
    """
    pixels, lines, spectra, gradient_spectra = scratch
    n_in, n_out, height, width, rows, across = sizes
    filled = _filled(n_out)
    down, size = -(-height // TILE), height * width
    tiles, place, of_place = _layout(rows, across, n_in, filled)
    for image in range(first, last):
        for strip in range(0, down, rows):
            row, now = strip * TILE, min(rows, down - strip)
            for c in range(0, n_in, LANES):
                corner = (image * n_in + c) * size
                _gather(maps, corner, pixels, row - 1, now * TILE + 2, height, width)
                _transform_inputs(pixels, lines, spectra, c * tiles, now, across, width, place)
            for c in range(0, n_out, LANES):
                corner, to = (image * n_out + c) * size, c * tiles
                _gather(gradients, corner, pixels, row, now * TILE, height, width)
                _transform_gradients(
                    pixels, lines, gradient_spectra, to, now, across, width, of_place
                )  # fmt: skip
            for i in range(SEEN * SEEN):
                for c in range(0, n_in, LANES):
                    at, to = i * place + c * tiles, (i * n_in + c) * filled
                    for d in range(0, filled, PAIR):
                        of = i * of_place + d * tiles
                        counts = now * across, tiles, filled
                        _add_over_tiles(spectra, at, gradient_spectra, of, totals, to + d, counts)

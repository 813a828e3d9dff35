"""A screen of a size in degrees, as a network sees it: images placed on it and made smaller.

Brain-Score shows its stimuli on such a screen, 8 degrees wide, and networks see it as image
libraries reduce it: Pillow's bilinear filter, which averages over as many pixels as become one.
``resized`` gives exactly Pillow's numbers without Pillow, many images at once, and computes only
what a small stimulus can change.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

GREY = 128  # of an empty screen

# Pillow rounds its filter weights to multiples of 2^-22 and sums them as integers (Resample.c).
_PRECISION = 22
_HALF = 1 << (_PRECISION - 1)


@dataclass(frozen=True)
class Screen:
    """What a subject sees of the visual field: a square.

    Attributes:
        size_px: its side in the subject's pixels.
        degrees: its side; Brain-Score's default is 8.
        centre_deg: (y, x) of its middle from the middle of the field, y downward.
    """

    size_px: int
    degrees: float = 8.0
    centre_deg: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if self.size_px < 1 or not self.degrees > 0:
            raise ValueError(f"a screen of {self.size_px} px and {self.degrees} degrees: no such")


@dataclass(frozen=True)
class Patch:
    """A rectangle of a larger image: the first row and column that it covers."""

    row: int
    column: int


class Reducer:
    """Makes images smaller (or larger) that are uniformly grey outside a rectangle.

    Args:
        frame_px: (height, width) of the whole images.
        patch: where the rectangle lies.
        patch_px: (height, width) of the rectangle.
        size_px: side of the result, which is a square.

    Attributes:
        rows, columns: of the result, those that the rectangle can change.
    """

    def __init__(
        self, frame_px: tuple[int, int], patch: Patch, patch_px: tuple[int, int], size_px: int
    ) -> None:
        self.rows, self._down = _part_of_axis(frame_px[0], size_px, patch.row, patch_px[0])
        self.columns, self._across = _part_of_axis(frame_px[1], size_px, patch.column, patch_px[1])

    def __call__(self, patches: np.ndarray) -> np.ndarray:
        """Grey values of the rectangles, uint8 [n, *patch_px] -> uint8 [n, rows, columns]."""
        # Pillow's order, across before down, with a rounding to 8 bits between: it matters.
        images, height, width = patches.shape
        across = _along(self._across, patches.transpose(2, 0, 1).reshape(width, -1))
        across = across.reshape(-1, images, height).transpose(2, 1, 0)
        down = _along(self._down, across.reshape(height, -1))
        return down.reshape(-1, images, self.columns.stop - self.columns.start).swapaxes(0, 1)


def resized(images: np.ndarray, size_px: int) -> np.ndarray:
    """Images as Pillow's ``resize((size_px, size_px), BILINEAR)`` gives them, to the last bit.

    Args:
        images: uint8 [n, height, width].
        size_px: side of the result.

    Returns:
        uint8 [n, size_px, size_px].

    Raises:
        TypeError: the images are not uint8.
    """
    if images.dtype != np.uint8:
        raise TypeError(f"images are {images.dtype}, expected uint8 grey values")
    frame = images.shape[1:]
    return Reducer(frame, Patch(0, 0), frame, size_px)(images)


def placed(images: np.ndarray, image_degrees: float, screen: Screen) -> np.ndarray:
    """Images in the middle of a screen: on grey if they are smaller, cut if they are larger.

    Brain-Score's rule: the screen has round(degrees / image_degrees * side) of the image's pixels
    (screen.py of its benchmark helpers); then it is made as large as the subject's.

    Args:
        images: uint8 [n, height, width], one square image each or a rectangle.
        image_degrees: width of an image.
        screen: with its middle in the middle of the field.

    Returns:
        uint8 [n, screen.size_px, screen.size_px].

    Raises:
        ValueError: the images are not positive in size, or the screen is not in the middle.
    """
    if not image_degrees > 0:
        raise ValueError(f"image_degrees is {image_degrees}, expected a size above 0")
    if screen.centre_deg != (0.0, 0.0):
        raise ValueError(f"the screen's middle is at {screen.centre_deg}, images are shown at 0, 0")
    height, width = images.shape[1:]
    side = round(screen.degrees / image_degrees * width)
    seen, shown = zip(*(_overlap(length, side) for length in (height, width)), strict=True)
    patches = images[:, *seen]
    corner = Patch(*(part.start for part in shown))
    reduce = Reducer((side, side), corner, patches.shape[1:], screen.size_px)
    screens = np.full((len(images), screen.size_px, screen.size_px), GREY, dtype=np.uint8)
    screens[:, reduce.rows, reduce.columns] = reduce(patches)
    return screens


def _overlap(length: int, side: int) -> tuple[slice, slice]:
    """Parts of an image's axis and of a canvas's axis that coincide, both centred."""
    margin = round(abs(side - length) / 2)  # to even, as NumPy's round there
    if side >= length:
        return slice(0, length), slice(margin, margin + length)
    return slice(margin, margin + side), slice(0, side)


@dataclass(frozen=True)
class _Axis:
    """Integer weights of a part of an axis: [n_out, n_in], and what grey alone contributes."""

    weights: csr_array
    grey: np.ndarray


def _along(axis: _Axis, values: np.ndarray) -> np.ndarray:
    """Weighted means along the first of two axes: uint8 [n_in, m] -> uint8 [n_out, m]."""
    sums = axis.weights @ (values.astype(np.int32) - GREY)
    sums += axis.grey[:, None]
    sums >>= _PRECISION
    return np.clip(sums, 0, 255, out=sums).astype(np.uint8)


def _part_of_axis(n_in: int, n_out: int, first: int, n: int) -> tuple[slice, _Axis]:
    """What ``n`` pixels from ``first`` on can change, and the weights that they do it with."""
    weights = _weights(n_in, n_out)
    reached = np.flatnonzero(weights[:, first : first + n].sum(axis=1))
    part = slice(reached[0], reached[-1] + 1) if len(reached) else slice(0, 0)
    rows = weights[part]
    grey = (_HALF + GREY * rows.sum(axis=1)).astype(np.int32)
    return part, _Axis(csr_array(rows[:, first : first + n]), grey)


@lru_cache(maxsize=16)
def _weights(n_in: int, n_out: int) -> csr_array:
    """Pillow's bilinear filter weights times 2^22: int32 [n_out, n_in], sparse."""
    scale = n_in / n_out
    width = max(scale, 1.0)
    centre = (np.arange(n_out) + 0.5) * scale
    first = np.maximum((centre - width + 0.5).astype(int), 0)
    last = np.minimum((centre + width + 0.5).astype(int), n_in)
    place = np.arange(n_in)
    distance = (place - centre[:, None] + 0.5) * (1.0 / width)
    inside = (place >= first[:, None]) & (place < last[:, None])
    tent = np.where(inside, np.maximum(1.0 - np.abs(distance), 0.0), 0.0)
    # One after the other, as Pillow adds them: the order decides the last bit.
    total = np.cumsum(tent, axis=1)[:, -1:]
    return csr_array((0.5 + tent / total * (1 << _PRECISION)).astype(np.int32))

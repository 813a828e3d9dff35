"""The fifteen corruptions of Tiny-ImageNet-C, each in five severities, for images of 64 x 64 px.

Hendrycks & Dietterich 2019 (ICLR, arXiv 1903.12261), with the numbers of their published
make_tinyimagenet_c.py, written anew without OpenCV, scikit-image and ImageMagick. What differs:

* frost: the original lays five photographs of ice over the images; here the ice is drawn
  (``_ice``), about as bright and as varied as those, and weighted as there;
* random numbers come from a generator given by the caller, so an image is reproducible;
* where the original goes through 8 bits between two libraries, numbers are not rounded.

The published images were corrupted before they were stored as JPEG files of quality 85, from larger
pictures than those of Tiny-ImageNet; ``v1lib.pictures.recompressed`` does the former.
"""

from collections.abc import Callable
from functools import cache

import numba
import numpy as np
from PIL import Image
from scipy import ndimage

from v1lib.pictures import recompressed

SIZE_PX = 64  # what the numbers are for
SEVERITIES = (1, 2, 3, 4, 5)

_GREY = np.array([0.299, 0.587, 0.114])  # ITU-R 601, as OpenCV

Corruption = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def corrupted(
    image: np.ndarray, corruption: str, severity: int, rng: np.random.Generator
) -> np.ndarray:
    """An image, corrupted.

    Args:
        image: uint8 [64, 64, 3].
        corruption: a name of ``CORRUPTIONS``.
        severity: 1 (least) to 5.
        rng: decides all that is random.

    Returns:
        uint8 [64, 64, 3].

    Raises:
        ValueError: unknown corruption or severity, or the image is of another shape or type.
    """
    check_kind(corruption, severity)
    if image.shape != (SIZE_PX, SIZE_PX, 3) or image.dtype != np.uint8:
        raise ValueError(
            f"an image is {image.dtype} {image.shape}, but the numbers of the corruptions are for "
            f"uint8 ({SIZE_PX}, {SIZE_PX}, 3)"
        )
    return _bytes(CORRUPTIONS[corruption](image / 255.0, severity - 1, rng))


def check_kind(corruption: str, severity: int) -> None:
    """Refuse what is no corruption.

    Raises:
        ValueError: unknown corruption or severity.
    """
    if corruption not in CORRUPTIONS:
        raise ValueError(f"corruption is {corruption!r}, allowed: {', '.join(CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity is {severity!r}, allowed: 1 to 5")


def _bytes(image: np.ndarray) -> np.ndarray:
    # Cut off, not rounded, as the original; but what is a whole number but for rounding stays one.
    return (image.clip(0, 1) * 255 + 1e-6).astype(np.uint8)


# Each takes float64 [64, 64, 3] from 0 to 1, the severity from 0, and a source of random numbers.

# ---- noise ----------------------------------------------------------------------------------


def _gaussian_noise(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    return image + (0.04, 0.08, 0.12, 0.15, 0.18)[level] * rng.standard_normal(image.shape)


def _shot_noise(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    photons = (250, 100, 50, 30, 15)[level]
    return rng.poisson(image * photons) / photons


def _impulse_noise(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Values of single channels become 0 or 1, as many of either."""
    hit = rng.random(image.shape) < (0.01, 0.02, 0.05, 0.08, 0.14)[level]
    return np.where(hit, rng.random(image.shape) < 0.5, image)


# ---- blur -----------------------------------------------------------------------------------


def _defocus_blur(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    radius, smoothing = ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1))[level]
    return ndimage.convolve(image, _disk(radius, smoothing)[..., None], mode="mirror")


@cache
def _disk(radius: float, smoothing: float) -> np.ndarray:
    """A disk of a lens out of focus, its edge smoothed by a Gaussian of 3 x 3 px; its sum is 1."""
    row, column = np.indices((17, 17)) - 8
    disk = (row**2 + column**2 <= radius**2).astype(float)
    taps = np.exp(-np.array([1, 0, 1]) / (2 * smoothing**2))
    taps /= taps.sum()
    for axis in (0, 1):
        disk = ndimage.correlate1d(disk, taps, axis=axis, mode="mirror")
    return disk / disk.sum()


def _glass_blur(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    sigma, reach, times = ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2))[level]
    blurred = _bytes(_smooth(image, sigma))
    n_pixels = len(range(SIZE_PX - reach, reach, -1)) ** 2
    _scatter(blurred, rng.integers(-reach, reach, (times, n_pixels, 2)), reach)
    return _smooth(blurred / 255.0, sigma)


@numba.njit
def _scatter(image: np.ndarray, moves: np.ndarray, reach: int) -> None:
    """Each pixel takes the value of a neighbour, from the lower right on.

    The original means to exchange the two, but what it writes back has been overwritten.
    """
    for of_pass in moves:
        number = 0
        for row in range(SIZE_PX - reach, reach, -1):
            for column in range(SIZE_PX - reach, reach, -1):
                right, down = of_pass[number]
                image[row, column] = image[row + down, column + right]
                number += 1


def _motion_blur(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    radius, sigma = ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3))[level]
    return _moved(image, radius, sigma, rng.uniform(-45, 45))


def _moved(image: np.ndarray, radius: int, sigma: float, angle_deg: float) -> np.ndarray:
    """Half a Gaussian along a line, as ImageMagick blurs motion; the border is repeated."""
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    angle = np.deg2rad(angle_deg)
    right, down = (np.ceil(steps * f(angle) - 0.5).astype(int) for f in (np.cos, np.sin))
    rows = (np.arange(len(image)) + down[:, None]).clip(0, len(image) - 1)
    columns = (np.arange(len(image)) + right[:, None]).clip(0, len(image) - 1)
    moved = np.zeros(image.shape)
    for weight, row, column in zip(weights, rows, columns, strict=True):
        moved += weight * image[row[:, None], column]
    return moved


def _zoom_blur(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    factors = np.arange(1, (1.06, 1.11, 1.16, 1.21, 1.26)[level], 0.01)
    zoomed = [_zoomed(image, factor) for factor in factors.tolist()]
    return (image + np.sum(zoomed, axis=0)) / (len(zoomed) + 1)


def _zoomed(image: np.ndarray, factor: float) -> np.ndarray:
    """The middle of an image, enlarged to the size that it had."""
    matrix = _zooming(factor)
    return np.einsum("ij,jk...,lk->il...", matrix, image, matrix, optimize=True)


@cache
def _zooming(factor: float) -> np.ndarray:
    """What enlarging does to one axis, [64, 64]: linear interpolation, the rest trimmed off."""
    kept = int(np.ceil(SIZE_PX / factor))
    first = (SIZE_PX - kept) // 2
    enlarged = ndimage.zoom(np.eye(SIZE_PX)[first : first + kept], (factor, 1), order=1)
    trimmed = (len(enlarged) - SIZE_PX) // 2
    return enlarged[trimmed : trimmed + SIZE_PX]


# ---- weather --------------------------------------------------------------------------------


def _snow(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    mean, sd, zoom, threshold, radius, sigma, kept = (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
    )[level]
    flakes = _zoomed(mean + sd * rng.standard_normal(image.shape[:2]), zoom)
    flakes = np.where(flakes < threshold, 0, flakes).clip(0, 1)
    flakes = _moved(flakes, radius, sigma, rng.uniform(-135, -45))[..., None]
    pale = np.maximum(image, 1.5 * (image @ _GREY)[..., None] + 0.5)
    return kept * image + (1 - kept) * pale + flakes + np.rot90(flakes, 2)


def _frost(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    kept, weight = ((1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55))[level]
    return kept * image + weight * _ice(rng)


def _ice(rng: np.random.Generator) -> np.ndarray:
    """Branching crystals on bluish ice, [64, 64, 3], in the place of photographs.

    Crystals lie where two smooth random fields cross their means. Brightness, contrast and tint are
    within the range of the original pictures, whose means are 0.48 to 0.81, their standard
    deviations within 64 x 64 px 0.05 to 0.11, and red over blue 0.46 to 0.94.
    """
    fields = [_plasma(rng, 1.7) for _ in range(3)]
    crystals = sum(np.exp(-np.abs(field - field.mean()) / 0.03) for field in fields[:2])
    pattern = fields[2] + crystals * fields[2] + 0.2 * rng.standard_normal(fields[2].shape)
    pattern = (pattern - pattern.mean()) / pattern.std()
    ice = rng.uniform(0.5, 0.8) + rng.uniform(0.05, 0.11) * pattern
    red = rng.uniform(0.5, 0.95)
    tint = np.array([red, (1 + red) / 2, 1])
    return (ice[..., None] * tint / tint.mean()).clip(0, 1)


def _fog(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    amount, decay = ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75))[level]
    brightest = image.max()
    foggy = image + amount * _plasma(rng, decay)[..., None]
    return foggy * brightest / (brightest + amount)


def _plasma(rng: np.random.Generator, decay: float) -> np.ndarray:
    """A cloud from 0 to 1 by the diamond-square algorithm, periodic: [64, 64].

    Args:
        rng: source of randomness.
        decay: by which the chance falls from each scale to the next finer one.
    """
    heights = np.zeros((SIZE_PX, SIZE_PX))
    step, chance = SIZE_PX, 100.0

    def mean_and_chance(total: np.ndarray) -> np.ndarray:
        return total / 4 + chance * rng.uniform(-chance, chance, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = mean_and_chance(pairs + np.roll(pairs, -1, 1))
        middles = heights[half::step, half::step]
        sides = corners + np.roll(corners, -1, 1) + middles + np.roll(middles, 1, 0)
        heights[::step, half::step] = mean_and_chance(sides)
        sides = corners + np.roll(corners, -1, 0) + middles + np.roll(middles, 1, 1)
        heights[half::step, ::step] = mean_and_chance(sides)
        step, chance = half, chance / decay
    heights -= heights.min()
    return heights / heights.max()


def _brightness(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """The value of hue, saturation and value grows; the other two stay."""
    value = image.max(2, keepdims=True)
    brighter = (value + (0.1, 0.2, 0.3, 0.4, 0.5)[level]).clip(0, 1)
    return np.where(value > 0, image / np.where(value > 0, value, 1), 1) * brighter


# ---- digital --------------------------------------------------------------------------------


def _contrast(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    mean = image.mean((0, 1))
    return mean + (0.4, 0.3, 0.2, 0.1, 0.05)[level] * (image - mean)


def _elastic_transform(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """A random affine map of three points, then a smooth random displacement."""
    amount, sigma, corner = (
        SIZE_PX
        * np.array(
            (
                (0, 0, 0.08),
                (0.05, 0.3, 0.06),
                (0.1, 0.08, 0.06),
                (0.1, 0.03, 0.03),
                (0.16, 0.03, 0.02),
            )
        )[level]
    )
    middle, side = SIZE_PX // 2, SIZE_PX // 3
    points = middle + side * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = points + rng.uniform(-corner, corner, points.shape)
    # From the moved points back: where each pixel comes from, in columns and rows.
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), points).T
    row, column = np.indices(image.shape[:2])
    from_column, from_row = (
        axis[0] * column + axis[1] * row + axis[2] for axis in (back[0], back[1])
    )
    affine = [
        ndimage.map_coordinates(channel, [from_row, from_column], order=1, mode="mirror")
        for channel in np.moveaxis(image, 2, 0)
    ]
    right, down = (
        amount
        * ndimage.gaussian_filter(rng.uniform(-1, 1, row.shape), sigma, mode="reflect", truncate=3)
        for _ in range(2)
    )
    moved_by = [row + down, column + right]
    elastic = [
        ndimage.map_coordinates(channel, moved_by, order=1, mode="reflect") for channel in affine
    ]
    return np.stack(elastic, axis=2)


def _pixelate(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    side = int(SIZE_PX * (0.9, 0.8, 0.7, 0.6, 0.5)[level])
    picture = Image.fromarray(np.rint(image * 255).astype(np.uint8))
    for size in (side, SIZE_PX):
        picture = picture.resize((size, size), Image.Resampling.BOX)
    return np.asarray(picture) / 255.0


def _jpeg_compression(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    quality = (65, 58, 50, 40, 25)[level]
    return recompressed(np.rint(image * 255).astype(np.uint8), quality=quality) / 255.0


def _smooth(image: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest", truncate=4)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "defocus_blur": _defocus_blur,
    "glass_blur": _glass_blur,
    "motion_blur": _motion_blur,
    "zoom_blur": _zoom_blur,
    "snow": _snow,
    "frost": _frost,
    "fog": _fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "elastic_transform": _elastic_transform,
    "pixelate": _pixelate,
    "jpeg_compression": _jpeg_compression,
}

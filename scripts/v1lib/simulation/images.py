"""Photograph-like images made by chance: opaque leaves that occlude each other, with texture.

Dead leaves of all sizes (density ~ radius^-3) have the edges, the occlusions and the 1/f spectrum
of natural scenes (Lee, Mumford & Huang 2001, Int. J. Computer Vision 41:35).
"""

from dataclasses import dataclass

import numpy as np

RADIUS_PX = (4.0, 40.0)  # along a leaf
MAX_ELONGATION = 6.0
SPREAD = 2.0  # luminance and contrast stay within so many standard deviations


@dataclass(frozen=True)
class ImageSettings:
    """How images look.

    Attributes:
        luminance: mean and standard deviation over images of an image's mean grey value.
        contrast: the same for the standard deviation of its grey values.
        n_leaves: leaves thrown on each image.
        texture: standard deviation of the 1/f texture, as a multiple of that of the leaves.
    """

    luminance: list[float]
    contrast: list[float]
    n_leaves: int
    texture: float


def natural_images(
    rng: np.random.Generator,
    n_images: int,
    *,
    aperture: np.ndarray,
    background: int,
    settings: ImageSettings,
) -> np.ndarray:
    """Draw images that fill an aperture on a uniform background.

    Args:
        rng: source of randomness.
        n_images: how many.
        aperture: bool [height, width], where the images are seen.
        background: grey value around them.
        settings: how they look.

    Returns:
        uint8 [n_images, height, width].
    """
    scenes = dead_leaves(rng, n_images, aperture.shape, n_leaves=settings.n_leaves)
    scenes = _standardised(scenes, aperture)
    scenes += settings.texture * _standardised(pink_noise(rng, n_images, aperture.shape), aperture)
    scenes = _standardised(scenes, aperture)
    luminance, contrast = (
        mean + sd * np.clip(rng.standard_normal((n_images, 1, 1)), -SPREAD, SPREAD)
        for mean, sd in (settings.luminance, settings.contrast)
    )
    grey = np.clip(np.rint(luminance + contrast * scenes), 0, 255)
    return np.where(aperture, grey, background).astype(np.uint8)


def dead_leaves(
    rng: np.random.Generator, n_images: int, size_px: tuple[int, int], *, n_leaves: int
) -> np.ndarray:
    """Ellipses of random size, place and grey value, each over the ones before it.

    In some images all lie in one direction, in others they lie in many.

    Returns:
        float32 [n_images, height, width], grey values from 0 to 1.
    """
    row, column = (axis.astype(np.float32) for axis in np.indices(size_px))
    # Fur, grass and stripes run one way, stones do not: each image has its own order.
    direction, disorder = rng.uniform(0, np.pi, (2, n_images, 1, 1))
    images = np.tile(rng.random((n_images, 1, 1), dtype=np.float32), (1, *size_px))
    for _ in range(n_leaves):
        radius = _leaf_radii(rng, n_images)
        margin = radius[:, 0, 0]
        centre = [rng.uniform(-margin, side + margin)[:, None, None] for side in size_px]
        angle = direction + disorder * rng.uniform(-0.5, 0.5, (n_images, 1, 1))
        elongation = rng.uniform(1, MAX_ELONGATION, (n_images, 1, 1))
        grey = rng.random((n_images, 1, 1), dtype=np.float32)
        down, right = (
            axis - c.astype(np.float32) for axis, c in zip((row, column), centre, strict=True)
        )
        cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        along = right * cos + down * sin
        across = (down * cos - right * sin) * elongation.astype(np.float32)
        # A leaf covers only a share of the pixels that its edge passes through.
        cover = np.clip(radius + 0.5 - np.sqrt(along**2 + across**2), 0, 1)
        images += cover * (grey - images)
    return images


def pink_noise(rng: np.random.Generator, n_images: int, size_px: tuple[int, int]) -> np.ndarray:
    """Noise whose amplitude falls as 1/frequency, mean 0: float64 [n_images, height, width]."""
    frequency = np.hypot(np.fft.fftfreq(size_px[0])[:, None], np.fft.rfftfreq(size_px[1]))
    gain = np.divide(1.0, frequency, out=np.zeros_like(frequency), where=frequency > 0)
    white = rng.standard_normal((n_images, *size_px))
    return np.fft.irfft2(np.fft.rfft2(white) * gain, s=size_px)


def _leaf_radii(rng: np.random.Generator, n_images: int) -> np.ndarray:
    smallest, largest = (radius**-2.0 for radius in RADIUS_PX)
    share = rng.random((n_images, 1, 1))
    return ((smallest - share * (smallest - largest)) ** -0.5).astype(np.float32)


def _standardised(scenes: np.ndarray, aperture: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1 inside the aperture (0 where a scene is uniform)."""
    inside = scenes[:, aperture].astype(np.float64)
    spread = inside.std(axis=1)[:, None, None]
    centred = scenes - inside.mean(axis=1)[:, None, None]
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)

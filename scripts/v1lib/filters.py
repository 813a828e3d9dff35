"""Linear filters of the visual cortex: Gabor quadrature pairs and round centre-surround filters.

Orientations, phases and positions as in ``v1lib.stimuli``. Every filter has Euclidean norm 1 and
does not respond to a uniform image.
"""

import numpy as np
from numpy.typing import ArrayLike

from v1lib.stimuli import gabor


def gabor_pair(
    size_px: tuple[int, int],
    *,
    centre_px: ArrayLike,
    orientation_deg: ArrayLike,
    wavelength_px: ArrayLike,
    sigma_px: ArrayLike,
    phase_deg: ArrayLike = 0.0,
) -> np.ndarray:
    """Quadrature pairs of Gabor filters with a round envelope.

    The second filter of a pair lags the first by 90 degrees. Whatever mean a filter has is taken
    out in the shape of its envelope.

    Args:
        size_px: (height, width) of the filters.
        centre_px: [..., 2], row and column of the envelope's centre.
        orientation_deg, wavelength_px, sigma_px, phase_deg: [...] or one number each; the phase is
            that of the first filter, at 0 it is even (a bright bar in the centre).

    Returns:
        float64 [..., 2, height, width].

    Raises:
        ValueError: a wavelength or sigma is not positive.
    """
    centre = np.asarray(centre_px, dtype=float)[..., None, :]
    orientation, wavelength, sigma, phase = (
        np.asarray(value, dtype=float)[..., None]
        for value in (orientation_deg, wavelength_px, sigma_px, phase_deg)
    )
    place = {"sigma_px": sigma, "centre_px": (centre[..., 0], centre[..., 1])}
    pair = gabor(
        size_px,
        wavelength_px=wavelength,
        orientation_deg=orientation,
        phase_deg=phase - np.array([0.0, 90.0]),
        **place,
    )
    # A wave of endless wavelength leaves the envelope alone.
    envelope = gabor(size_px, wavelength_px=np.inf, orientation_deg=0.0, phase_deg=0.0, **place)
    pair -= envelope * (_sum(pair) / _sum(envelope))
    return pair / np.sqrt(_sum(pair**2))


def difference_of_gaussians(
    size_px: tuple[int, int],
    *,
    centre_px: ArrayLike,
    sigma_px: ArrayLike,
    surround_ratio: float,
    polarity: ArrayLike,
) -> np.ndarray:
    """Round centre-surround filters: a narrow Gaussian less a wide one of equal volume.

    Args:
        size_px: (height, width) of the filters.
        centre_px: [..., 2], row and column of the centre.
        sigma_px: [...], standard deviation of the narrow Gaussian.
        surround_ratio: that of the wide one, as a multiple of it.
        polarity: [...], 1 for an on centre, -1 for an off centre.

    Returns:
        float64 [..., height, width].

    Raises:
        ValueError: a sigma or the ratio is not positive.
    """
    centre = np.asarray(centre_px, dtype=float)
    narrow, wide = (
        gabor(
            size_px,
            wavelength_px=np.inf,
            orientation_deg=0.0,
            phase_deg=0.0,
            sigma_px=np.asarray(sigma_px, dtype=float) * ratio,
            centre_px=(centre[..., 0], centre[..., 1]),
        )
        for ratio in (1.0, surround_ratio)
    )
    filters = narrow / _sum(narrow) - wide / _sum(wide)
    filters *= np.asarray(polarity, dtype=float)[..., None, None]
    return filters / np.sqrt(_sum(filters**2))


def _sum(filters: np.ndarray) -> np.ndarray:
    return filters.sum(axis=(-2, -1), keepdims=True)


def centre_sigma(wavelength_px: ArrayLike, surround_ratio: float) -> np.ndarray:
    """Sigma of the narrow Gaussian at which a difference of Gaussians prefers a wavelength.

    The difference of the transforms, exp(-a) - exp(-a ratio^2) with a = 2 (pi sigma/wavelength)^2,
    is largest at a = ln(ratio^2) / (ratio^2 - 1).
    """
    a = np.log(surround_ratio**2) / (surround_ratio**2 - 1)
    return np.asarray(wavelength_px, dtype=float) * np.sqrt(a / 2) / np.pi

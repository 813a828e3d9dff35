"""Experiments on anything that responds to images: a network, a simulated neuron, a formula.

A subject is a function ``respond(images [n, C, H, W]) -> responses [n, n_neurons]``; for gradient
ascent it is a function that returns an objective and its gradient. Images are in raw grey values.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.ndimage import gaussian_filter

from v1lib.metrics import orientation_selectivity, preferred_orientation
from v1lib.recording import Recording
from v1lib.stimuli import sine_grating

Respond = Callable[[np.ndarray], np.ndarray]
Objective = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

GREY_RANGE = (0.0, 255.0)


@dataclass(frozen=True)
class Frame:
    """Where images may differ from the screen around them.

    Attributes:
        aperture: bool [height, width].
        background: grey value outside.
    """

    aperture: np.ndarray
    background: float


def frame_of(recording: Recording) -> Frame:
    """The frame of a recording's stimuli; without an aperture, all of the image."""
    whole = np.ones(recording.stimuli.shape[2:], dtype=bool)
    return Frame(recording.extras.get("aperture", whole), recording.background)


@dataclass(frozen=True)
class AscentSettings:
    """How an image is made to excite a neuron.

    The blur takes away detail at every step and the step brings it back: with steps that are small
    beside the contrast, only the coarsest structure is left. On a linear neuron (Gabor patch of 6
    px, blur 0.5 px, contrast 56) a step of 1 ends at a correlation of 0.4 with the receptive field,
    one of 5 at 0.96.

    Attributes:
        n_steps: gradient steps.
        step_size: root mean square of a step inside the aperture, in grey levels.
        blur_sigma_px: Gaussian blur after each step.
        rms_contrast: root mean square deviation from the background inside the aperture, in grey
            levels, restored after each blur as far as the grey values 0..255 allow.
    """

    n_steps: int
    step_size: float
    blur_sigma_px: float
    rms_contrast: float


def ascend(
    objective: Objective, start: np.ndarray, *, frame: Frame, settings: AscentSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Normalised-gradient ascent on images x = background + aperture * d, all at once.

    After each step d is blurred and brought back to the given contrast, or to the largest one at
    which no pixel leaves the grey values that exist. (Clipping the pixels that leave them instead
    would, step by step, turn a small receptive field into a texture all over the aperture.)

    Args:
        objective: images [n, C, H, W] -> values [n] and gradient [n, C, H, W] of each value with
            respect to its own image. An image without gradient only loses detail to the blur.
        start: d to begin with, [n, C, H, W], in grey levels.
        frame: aperture and background.
        settings: see there.

    Returns:
        Images [n, C, H, W] in grey values, and their objective [n].
    """
    aperture, background = frame.aperture, frame.background
    blur = (0, 0, settings.blur_sigma_px, settings.blur_sigma_px)
    difference = np.where(aperture, start, 0).astype(np.float32)
    for _ in range(settings.n_steps):
        gradient = np.where(aperture, objective(background + difference)[1], 0)
        difference = difference + gradient * _ratio(settings.step_size, _rms(gradient, aperture))
        # d is 0 outside the aperture, and so is what the blur finds there.
        difference = np.where(aperture, gaussian_filter(difference, blur, mode="constant"), 0)
        difference = difference * _scale(difference, frame, settings.rms_contrast)
    images = (background + difference).astype(np.float32)
    return images, objective(images)[0]


def _scale(difference: np.ndarray, frame: Frame, contrast: float) -> np.ndarray:
    """Factor [n, 1, 1, 1] that gives d the contrast, or the largest one within the grey values."""
    darkest, brightest = (grey - frame.background for grey in GREY_RANGE)
    axes = {"axis": (1, 2, 3), "keepdims": True}
    factors = (
        _ratio(contrast, _rms(difference, frame.aperture), otherwise=1.0),
        _ratio(brightest, difference.max(**axes), otherwise=np.inf),
        _ratio(-darkest, -difference.min(**axes), otherwise=np.inf),
    )
    return np.minimum.reduce(factors)


def _ratio(value: float, divisor: np.ndarray, otherwise: float = 0.0) -> np.ndarray:
    """``value / divisor`` where the divisor is positive."""
    return np.divide(value, divisor, out=np.full_like(divisor, otherwise), where=divisor > 0)


def rms_contrast(images: np.ndarray, frame: Frame) -> np.ndarray:
    """Root mean square deviation from the background inside the aperture, in grey levels, [n].

    Args:
        images: [n, C, H, W].
        frame: aperture and background.
    """
    return _rms(images - frame.background, frame.aperture).reshape(len(images))


def response_weighted_image(
    images: np.ndarray, responses: np.ndarray, background: float
) -> np.ndarray:
    """Response-weighted mean of the images less their plain mean, about the background.

    What is left to see of a neuron without any model; the control of its preferred image.

    Args:
        images: [n_images, C, H, W].
        responses: [n_images, n_neurons], not negative; NaN where not recorded (does not count).
        background: grey value of "no difference".

    Returns:
        float64 [n_neurons, C, H, W]; NaN for a neuron without any response.
    """
    images = np.asarray(images, dtype=np.float64)
    recorded = ~np.isnan(responses)
    weighted = _weighted_mean(images, np.where(recorded, responses, 0.0))
    return background + weighted - _weighted_mean(images, recorded.astype(np.float64))


def image_correlation(first: np.ndarray, second: np.ndarray, aperture: np.ndarray) -> np.ndarray:
    """Pearson correlation over the pixels of the aperture; NaN where an image is uniform.

    Args:
        first, second: [..., height, width], broadcast against each other.
        aperture: bool [height, width].
    """
    x, y = (np.asarray(image, dtype=np.float64)[..., aperture] for image in (first, second))
    x, y = (pixels - pixels.mean(axis=-1, keepdims=True) for pixels in (x, y))
    scale = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    return np.divide((x * y).sum(-1), scale, out=np.full(scale.shape, np.nan), where=scale > 0)


def mean_pairwise_correlation(images: np.ndarray, aperture: np.ndarray) -> float:
    """Mean of ``image_correlation`` over all pairs of images [n, H, W]; NaN for fewer than two."""
    pairs = [image_correlation(a, b, aperture) for a, b in combinations(images, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


@dataclass(frozen=True)
class Gratings:
    """Gratings behind an aperture, and what they are.

    Attributes:
        images: float32 [n_wavelengths, n_orientations, n_phases, 1, height, width], grey values.
        wavelengths_px, orientations_deg, phases_deg: of the three first axes.
    """

    images: np.ndarray
    wavelengths_px: np.ndarray
    orientations_deg: np.ndarray
    phases_deg: np.ndarray


def gratings(
    frame: Frame,
    *,
    wavelengths_px: list[float],
    n_orientations: int,
    n_phases: int,
    contrast: float,
) -> Gratings:
    """Sine gratings at evenly spaced orientations (over 180 degrees) and phases (over 360).

    Args:
        frame: aperture and background; the phase is measured at the aperture's centre.
        wavelengths_px: periods.
        n_orientations, n_phases: how many of each.
        contrast: Michelson contrast about the background.

    Raises:
        ValueError: the contrast takes grey values beyond 0..255.
    """
    brightest = frame.background * (1 + contrast)
    if not 0 < contrast <= 1 or brightest > GREY_RANGE[1]:
        raise ValueError(
            f"contrast {contrast} about a background of {frame.background:g} reaches a grey value "
            f"of {brightest:g}; it must be above 0, at most 1, and stay within {GREY_RANGE}"
        )
    wavelengths = np.asarray(wavelengths_px, dtype=np.float64)
    orientations = np.arange(n_orientations) * 180.0 / n_orientations
    phases = np.arange(n_phases) * 360.0 / n_phases
    waves = sine_grating(
        frame.aperture.shape,
        wavelength_px=wavelengths[:, None, None],
        orientation_deg=orientations[:, None],
        phase_deg=phases,
        centre_px=tuple(axis.mean() for axis in np.nonzero(frame.aperture)),
    )
    images = frame.background * (1 + contrast * np.where(frame.aperture, waves, 0))
    return Gratings(images[..., None, :, :].astype(np.float32), wavelengths, orientations, phases)


@dataclass(frozen=True)
class OrientationTuning:
    """Tuning of each neuron at its preferred wavelength.

    Attributes:
        curve: float64 [n_orientations, n_neurons], response averaged over the phases.
        selectivity: [n_neurons], 1 - circular variance; NaN without any response.
        preferred_deg: [n_neurons], orientation of the vector sum; NaN without any response.
        wavelength_px: [n_neurons], with the largest mean response; the first of equal ones.
    """

    curve: np.ndarray
    selectivity: np.ndarray
    preferred_deg: np.ndarray
    wavelength_px: np.ndarray


def orientation_tuning(respond: Respond, stimuli: Gratings) -> OrientationTuning:
    """Show gratings to a subject and measure its orientation tuning.

    Responses below 0, which some models give and no neuron has, count as 0.
    """
    shape = stimuli.images.shape
    responses = np.asarray(respond(stimuli.images.reshape(-1, *shape[3:])), dtype=np.float64)
    curves = np.maximum(responses, 0).reshape(*shape[:3], -1).mean(axis=2)
    best = curves.mean(axis=1).argmax(axis=0)
    curve = curves[best, :, np.arange(curves.shape[2])].T
    return OrientationTuning(
        curve=curve,
        selectivity=orientation_selectivity(curve, stimuli.orientations_deg),
        preferred_deg=preferred_orientation(curve, stimuli.orientations_deg),
        wavelength_px=stimuli.wavelengths_px[best],
    )


def _rms(images: np.ndarray, aperture: np.ndarray) -> np.ndarray:
    """Root mean square inside the aperture, [n, 1, 1, 1]."""
    return np.sqrt(np.mean(images**2, axis=(1, 2, 3), keepdims=True, where=aperture))


def _weighted_mean(images: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean image [n_neurons, C, H, W] for weights [n_images, n_neurons]."""
    total = weights.sum(axis=0)
    weights = np.divide(weights, total, out=np.full_like(weights, np.nan), where=total > 0)
    return np.tensordot(weights, images, axes=(0, 0))

"""Cells whose responses to gratings are known without pixels: ground truth for the V1 experiment.

A cell sees the screen through a Gabor filter (round Gaussian envelope), or through two in
quadrature, and is divided by the contrast in a larger Gaussian window, whatever its orientation::

    response = baseline + drive / (1 + surround * pool)

The drive of a simple cell is the rectified filter output, that of a complex cell the amplitude of
its two. Both drive and pool are 1 for an endless grating of the cell's own orientation and
frequency at full contrast. Positions and orientations are those of ``v1lib.v1_stimuli``.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import j0

from v1lib.screen import GREY, Screen
from v1lib.v1_stimuli import POSITION_DEG, PX_PER_DEGREE, Gratings

_AT_ONCE = 256  # images whose squares are in memory
_FULL_CONTRAST = 127.5  # grey values
_NODES, _REACH = 64, 6  # of integrals over a radius, which end at so many standard deviations


@dataclass(frozen=True)
class GratingCells:
    """Cells, each array [n_cells].

    Attributes:
        y_deg, x_deg: middle of the receptive field.
        orientation_deg: direction of modulation that is preferred.
        frequency: preferred, cycles per degree.
        sigma_deg: of the filter's envelope.
        phase_deg: of a simple cell's filter.
        is_complex: bool.
        surround: how much the pool divides; 0 for none.
        surround_sigma_deg: of the pool's window.
        baseline: response to the empty screen.
    """

    y_deg: np.ndarray
    x_deg: np.ndarray
    orientation_deg: np.ndarray
    frequency: np.ndarray
    sigma_deg: np.ndarray
    phase_deg: np.ndarray
    is_complex: np.ndarray
    surround: np.ndarray
    surround_sigma_deg: np.ndarray
    baseline: np.ndarray

    def __len__(self) -> int:
        return len(self.y_deg)

    def expected(self, gratings: Gratings) -> np.ndarray:
        """Responses to discs of grating in the middle of each receptive field, without a screen.

        By integrals, not pixels: the part of a filter's Fourier transform that a disc lets through
        is one over the radius. The mirror image of the transform, which only filters of less than a
        cycle would show, is left out, and so are ripples of the pool with the phase.

        Args:
            gratings: a set of stimuli; where its discs are does not matter.

        Returns:
            float64 [n_cells, *gratings.shape].
        """
        # Phases are the last axis: nothing else depends on them.
        waves = slice(None, None, gratings.shape[-1])
        radius, frequency = gratings.radius_deg[waves], gratings.frequency[waves]
        turn = np.deg2rad(gratings.orientation_deg[waves] - self.orientation_deg[:, None])
        own = self.frequency[:, None]
        # Turned by 180 degrees a grating is the same one with another phase.
        overlap = 2 * frequency * own * np.abs(np.cos(turn))
        distance = np.sqrt(frequency**2 + own**2 - overlap)
        amplitude = _through_disc(radius, distance, self.sigma_deg[:, None])
        pool = 1 - np.exp(-(radius**2) / (2 * self.surround_sigma_deg[:, None] ** 2))
        divided = amplitude / (1 + self.surround[:, None] * pool)
        # A grating is a sine, an even filter a cosine.
        phases = np.deg2rad(gratings.phase_deg[: gratings.shape[-1]] - 90)
        in_phase = np.cos(phases - np.deg2rad(self.phase_deg)[:, None])
        # The sign counts for a rectifier, not for the amplitude of two filters.
        complex_drive = np.abs(divided)[:, :, None]
        simple_drive = np.maximum(divided[:, :, None] * in_phase[:, None], 0)
        drive = np.where(self.is_complex[:, None, None], complex_drive, simple_drive)
        return self.baseline.reshape(-1, *[1] * len(gratings.shape)) + drive.reshape(
            len(self), *gratings.shape
        )


def _through_disc(radius: np.ndarray, distance: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Integral over a disc of a Gaussian of weight 1 times a wave of some frequency.

    1 / sigma^2 times the integral from 0 to ``radius`` of exp(-r^2 / 2 sigma^2) J0(2 pi q r) r dr.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    end = np.minimum(radius, _REACH * sigma) / 2
    total = np.zeros(np.broadcast(end, distance).shape)
    for node, weight in zip(nodes, weights, strict=True):
        r = end * (node + 1)
        total += weight * r * np.exp(-(r**2) / (2 * sigma**2)) * j0(2 * np.pi * distance * r)
    return total * end / sigma**2


class CellsOnScreen:
    """Cells that respond to what a screen shows.

    Args:
        cells: where and what they prefer.
        screen: what they see.
    """

    def __init__(self, cells: GratingCells, screen: Screen) -> None:
        self.cells = cells
        y, x = _degrees_from_cells(cells, screen)
        angle, sigma = (
            v[:, None, None] for v in (np.deg2rad(cells.orientation_deg), cells.sigma_deg)
        )
        across = (
            2 * np.pi * cells.frequency[:, None, None] * (x * np.cos(angle) + y * np.sin(angle))
        )
        envelope = np.exp(-(x**2 + y**2) / (2 * sigma**2))
        envelope *= 2 / envelope.sum(axis=(1, 2), keepdims=True)
        phase = across + np.deg2rad(cells.phase_deg)[:, None, None]
        window = np.exp(-(x**2 + y**2) / (2 * cells.surround_sigma_deg[:, None, None] ** 2))
        window *= 2 / window.sum(axis=(1, 2), keepdims=True)
        self._even, self._odd, self._window = (
            filters.reshape(len(cells), -1).T.astype(np.float32)
            for filters in (envelope * np.cos(phase), envelope * np.sin(phase), window)
        )

    def respond(self, images: np.ndarray) -> np.ndarray:
        """Responses to grey values [n, size_px, size_px]: float32 [n, n_cells]."""
        parts = [images[first : first + _AT_ONCE] for first in range(0, len(images), _AT_ONCE)]
        return np.concatenate([self._respond(part) for part in parts])

    def _respond(self, images: np.ndarray) -> np.ndarray:
        contrast = (images.reshape(len(images), -1) - np.float32(GREY)) / np.float32(_FULL_CONTRAST)
        even, odd = contrast @ self._even, contrast @ self._odd
        drive = np.where(self.cells.is_complex, np.hypot(even, odd), np.maximum(even, 0))
        pool = contrast**2 @ self._window
        return (self.cells.baseline + drive / (1 + self.cells.surround * pool)).astype(np.float32)


@dataclass(frozen=True)
class CellSettings:
    """How cells are drawn, uniformly within [low, high] unless said otherwise.

    Attributes:
        n_near, n_far: cells at the stimuli of the experiment, and away from them.
        near_deg: largest distance along each axis of the former.
        far_deg: distance along each axis of the latter.
        frequency: cycles per degree, uniform in its logarithm.
        cycles: standard deviation of the envelope, in periods.
        share_complex, share_without_surround: of the cells.
        surround: of those that have one.
        surround_ratio: its standard deviation over the filter's.
        baseline: of all cells; 1 is the largest drive.
    """

    n_near: int
    n_far: int
    near_deg: float
    far_deg: list[float]
    frequency: list[float]
    cycles: list[float]
    share_complex: float
    share_without_surround: float
    surround: list[float]
    surround_ratio: list[float]
    baseline: float


def drawn_cells(rng: np.random.Generator, settings: CellSettings) -> GratingCells:
    """Cells at random; those near the stimuli come first.

    Raises:
        ValueError: there would be none.
    """
    n = settings.n_near + settings.n_far
    if min(settings.n_near, settings.n_far) < 0 or not n:
        raise ValueError(f"n_near {settings.n_near} and n_far {settings.n_far} make no cells")
    is_near = (np.arange(n) < settings.n_near)[:, None]
    near = rng.uniform(-settings.near_deg, settings.near_deg, (n, 2))
    far = rng.uniform(*settings.far_deg, (n, 2)) * rng.choice([-1.0, 1.0], (n, 2))
    place = POSITION_DEG + np.where(is_near, near, far)
    frequency = np.exp(rng.uniform(*np.log(settings.frequency), n))
    sigma = rng.uniform(*settings.cycles, n) / frequency
    has_surround = rng.random(n) >= settings.share_without_surround
    return GratingCells(
        y_deg=place[:, 0],
        x_deg=place[:, 1],
        orientation_deg=rng.uniform(0, 180, n),
        frequency=frequency,
        sigma_deg=sigma,
        phase_deg=rng.uniform(0, 360, n),
        is_complex=rng.random(n) < settings.share_complex,
        surround=has_surround * rng.uniform(*settings.surround, n),
        surround_sigma_deg=sigma * rng.uniform(*settings.surround_ratio, n),
        baseline=np.full(n, settings.baseline),
    )


def _degrees_from_cells(cells: GratingCells, screen: Screen) -> tuple[np.ndarray, np.ndarray]:
    """y and x of each pixel from the middle of each receptive field: [n_cells, size_px, size_px].

    The published gratings are drawn as if a pixel were at its upper left corner; the middle of a
    screen's pixel is therefore half a drawn pixel nearer to the corner than it seems.
    """
    middle = (np.arange(screen.size_px) + 0.5) * screen.degrees / screen.size_px
    axis = middle - screen.degrees / 2 - 0.5 / PX_PER_DEGREE
    y = screen.centre_deg[0] + axis - cells.y_deg[:, None]
    x = screen.centre_deg[1] + axis - cells.x_deg[:, None]
    return np.broadcast_arrays(y[:, :, None], x[:, None, :])

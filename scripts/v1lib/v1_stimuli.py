"""Stimuli of the V1 property benchmarks of Marques, Schrimpf & DiCarlo 2021 (Brain-Score).

Discs of sine grating on grey, 12 degrees wide at 56 pixels per degree in 8 bits, of which a subject
sees its screen, reduced to its size (marques_gen_stim.py, marques_stim_common.py). Nothing is
stored: images are drawn from their parameters, a chunk at a time.

Positions are degrees (y, x) from the middle of the field, y downward; an orientation is the
direction of modulation, 0 varying from left to right, towards y for growing angles.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np

from v1lib.screen import GREY, Patch, Reducer, Screen, resized

DEGREES, PX_PER_DEGREE = 12, 56
WHITE = 255
POSITION_DEG = 0.5  # y and x of all gratings but those that map receptive fields

# Each list is as in the published code, where the powers of 2 are np.logspace's.
FREQUENCIES = np.logspace(-1.375, 3.875, 22, base=2)  # cycles per degree
FOUR_FREQUENCIES = FREQUENCIES[[4, 8, 12, 16]]
RADII_DEG = np.logspace(-2.25, 3.25, 12, base=2) / 2
ORIENTATIONS_DEG = np.linspace(0, 165, 12)
SIX_ORIENTATIONS_DEG = ORIENTATIONS_DEG[::2]
PHASES_DEG = np.linspace(0, 315, 8)
CYCLES = (2, 3, 4)  # per diameter, orientation set
LARGE_RADII_DEG = np.array([0.75, 2.25])  # spatial-frequency set
FIELD_POSITIONS_DEG = np.linspace(-2.5, 2.5, 21)

TEXTURE_PX, TEXTURE_DEGREES, TEXTURE_SCREEN_DEGREES = 320, 4, 8
N_TYPES, N_FAMILIES, N_SAMPLES = 2, 15, 15  # spectrally matched noise first, then textures

_UNSURE = 1e-9  # grey values; two ways to compute one differ by a twentieth of it
_CHUNK = 256  # images in memory at once
_KEPT_PX = 96  # side of a screen whose drawings fit into memory: 37 MB at 64 px


@dataclass(frozen=True, eq=False)  # equal are only the same: drawings are kept by it
class Gratings:
    """Discs of grating, each array float64 [n]; see the module for signs.

    Attributes:
        y_deg, x_deg, radius_deg: of the disc.
        frequency: cycles per degree.
        orientation_deg, phase_deg: of the grating; the phase is that in the middle of the disc.
        shape: lengths of the axes that the stimuli are the product of, the slowest first.
    """

    y_deg: np.ndarray
    x_deg: np.ndarray
    radius_deg: np.ndarray
    frequency: np.ndarray
    orientation_deg: np.ndarray
    phase_deg: np.ndarray
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.phase_deg)

    def part(self, first: int, last: int) -> "Gratings":
        """The stimuli from ``first`` to before ``last``, as a list."""
        arrays = [getattr(self, entry.name) for entry in fields(self)[:-1]]
        return Gratings(*(array[first:last] for array in arrays), shape=(last - first,))


@cache
def receptive_field_set() -> Gratings:
    """3,528 small discs everywhere: position y, position x, orientation (4), phase (2)."""
    return _product(
        position=(FIELD_POSITIONS_DEG, FIELD_POSITIONS_DEG),
        radius=[1 / 6],
        frequency=[3],
        orientation=ORIENTATIONS_DEG[::3],
        phase=PHASES_DEG[::4],
    )


@cache
def orientation_set() -> Gratings:
    """1,152 gratings: cycles per diameter (3), frequency (4), orientation (12), phase (8)."""
    cycles, frequency, orientation, phase = _axes(
        CYCLES, FOUR_FREQUENCIES, ORIENTATIONS_DEG, PHASES_DEG
    )
    place = np.full(cycles.size, POSITION_DEG)
    radius = cycles / 2 / frequency
    arrays = (radius, frequency, orientation, phase)
    return Gratings(place, place, *(array.ravel() for array in arrays), shape=cycles.shape)


@cache
def frequency_set() -> Gratings:
    """2,112 gratings: radius (2), frequency (22), orientation (6), phase (8)."""
    return _product(
        radius=LARGE_RADII_DEG,
        frequency=FREQUENCIES,
        orientation=SIX_ORIENTATIONS_DEG,
        phase=PHASES_DEG,
    )


@cache
def size_set() -> Gratings:
    """2,304 gratings: radius (12), frequency (4), orientation (6), phase (8)."""
    return _product(
        radius=RADII_DEG,
        frequency=FOUR_FREQUENCIES,
        orientation=SIX_ORIENTATIONS_DEG,
        phase=PHASES_DEG,
    )


def blank(screen: Screen) -> np.ndarray:
    """An empty screen: uint8 [1, size_px, size_px]."""
    return np.full((1, screen.size_px, screen.size_px), GREY, dtype=np.uint8)


def drawn(gratings: Gratings, screen: Screen) -> Iterator[np.ndarray]:
    """Images of gratings on a screen, in their order.

    Those of the last sets on a small screen are kept, since the networks of a job see the same.

    Yields:
        uint8 [n, size_px, size_px], at most 256 images at a time; the same number but for the last.

    Raises:
        ValueError: the screen reaches beyond the 12 degrees of the stimuli.
    """
    if screen.size_px <= _KEPT_PX:
        yield from _kept(gratings, screen)
    else:
        yield from _chunks(gratings, screen)


@lru_cache(maxsize=4)
def _kept(gratings: Gratings, screen: Screen) -> list[np.ndarray]:
    return list(_chunks(gratings, screen))


def _chunks(gratings: Gratings, screen: Screen) -> Iterator[np.ndarray]:
    window = _window(screen)
    for first in range(0, len(gratings), _CHUNK):
        part = gratings.part(first, min(first + _CHUNK, len(gratings)))
        images = np.full((len(part), screen.size_px, screen.size_px), GREY, dtype=np.uint8)
        for start, stop in _runs(part.y_deg, part.x_deg, part.radius_deg):
            _draw_discs(images[start:stop], part.part(start, stop), window)
        yield images


def full_size(gratings: Gratings, screen: Screen) -> np.ndarray:
    """The images before they are reduced to the screen's pixels: uint8 [n, side, side]."""
    window = _window(screen)
    as_drawn = Screen(window.side, screen.degrees, screen.centre_deg)
    return np.concatenate(list(drawn(gratings, as_drawn)))


def texture_images(textures: np.ndarray, screen: Screen) -> np.ndarray:
    """Textures in their aperture on an 8-degree screen, at the position of the gratings.

    A raised cosine takes each to grey at a radius of 2 degrees; as published, the result is cut to
    8 bits without rounding.

    Args:
        textures: uint8 [2, 15, 15, 320, 320], types (noise, texture), families, samples; 4 degrees.
        screen: 8 degrees wide, its middle in the middle of the field.

    Returns:
        uint8 [450, size_px, size_px].

    Raises:
        ValueError: the array or the screen is another, or pictures have their aperture already.
    """
    expected = (N_TYPES, N_FAMILIES, N_SAMPLES, TEXTURE_PX, TEXTURE_PX)
    if textures.shape != expected or textures.dtype != np.uint8:
        raise ValueError(
            f"textures are {textures.dtype} {textures.shape}, expected uint8 {expected}"
        )
    if (screen.degrees, screen.centre_deg) != (TEXTURE_SCREEN_DEGREES, (0.0, 0.0)):
        raise ValueError(f"textures are shown on 8 degrees around the middle, not on {screen}")
    _refuse_aperture(textures)
    per_degree = TEXTURE_PX // TEXTURE_DEGREES
    side = TEXTURE_SCREEN_DEGREES * per_degree
    first = (side - TEXTURE_PX) // 2 + int(POSITION_DEG * per_degree)
    inside = slice(first, first + TEXTURE_PX)
    aperture = _raised_cosine(TEXTURE_PX)
    shown = []
    for texture in textures.reshape(-1, TEXTURE_PX, TEXTURE_PX):
        canvas = np.full((1, side, side), GREY, dtype=np.uint8)
        canvas[0, inside, inside] = (texture.astype(np.float64) - GREY) * aperture + GREY
        shown.append(resized(canvas, screen.size_px))
    return np.concatenate(shown)


def _refuse_aperture(textures: np.ndarray) -> None:
    """Stop where the outermost pixels of a picture are all grey: no texture ends like that."""
    sides = (textures[..., 0, :], textures[..., -1, :], textures[..., 0], textures[..., -1])
    is_grey = np.all([(side == GREY).all(axis=-1) for side in sides], axis=0)
    if is_grey.any():
        kind, family, sample = np.argwhere(is_grey)[0]
        raise ValueError(
            f"textures[{kind}, {family}, {sample}] and {is_grey.sum() - 1} others have a border of "
            f"nothing but grey {GREY}: they have their aperture already, which is applied here; "
            "give the pictures without it"
        )


def _raised_cosine(side: int) -> np.ndarray:
    """1 at pixel side / 2, falling to 0 at that distance: [side, side]."""
    place = np.arange(side) - side / 2
    distance = np.hypot(place[:, None], place)
    return np.where(distance < side / 2, 0.5 * (1 + np.cos(distance / (side / 2) * np.pi)), 0.0)


@dataclass(frozen=True)
class _Window:
    """The part of the 12 degrees that a screen shows, in pixels as drawn."""

    row: int
    column: int
    side: int
    size_px: int


def _window(screen: Screen) -> _Window:
    whole = DEGREES * PX_PER_DEGREE
    side = round(screen.degrees * PX_PER_DEGREE)
    row, column = (
        round(whole / 2 + degrees * PX_PER_DEGREE - side / 2) for degrees in screen.centre_deg
    )
    if side < 1 or min(row, column) < 0 or max(row, column) + side > whole:
        raise ValueError(
            f"{screen.degrees} degrees around {screen.centre_deg} are not within the {DEGREES} "
            "degrees of the stimuli"
        )
    return _Window(row, column, side, screen.size_px)


def _draw_discs(images: np.ndarray, gratings: Gratings, window: _Window) -> None:
    """Draw gratings with one disc into grey images of the screen."""
    middle = DEGREES * PX_PER_DEGREE / 2
    place = np.arange(window.side)
    y = (place + window.row - middle) / PX_PER_DEGREE - gratings.y_deg[0]
    x = (place + window.column - middle) / PX_PER_DEGREE - gratings.x_deg[0]
    rows, columns = (np.flatnonzero(np.abs(axis) <= gratings.radius_deg[0]) for axis in (y, x))
    if not (len(rows) and len(columns)):
        return
    y, x = y[rows, None], x[columns]
    inside = x**2 + y**2 <= gratings.radius_deg[0] ** 2
    if not inside.any():
        return
    patch_px = (len(rows), len(columns))
    corner = Patch(rows[0], columns[0])
    reduce = Reducer((window.side, window.side), corner, patch_px, window.size_px)
    for start, stop in _runs(gratings.frequency, gratings.orientation_deg):
        patches = np.where(inside, _waves(gratings.part(start, stop), y, x), np.uint8(GREY))
        images[start:stop, reduce.rows, reduce.columns] = reduce(patches)


def _waves(gratings: Gratings, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Grey values of one grating in several phases, from sines of rows and of columns alone.

    Grey values are cut, not rounded: where a whole number is too near to be sure of it, the
    published formula decides, operation by operation.

    Args:
        gratings: of one frequency and orientation.
        y, x: [rows, 1] and [columns], degrees from the middle of the disc.

    Returns:
        uint8 [n, rows, columns].
    """
    angle, frequency = gratings.orientation_deg[0] / 180 * np.pi, gratings.frequency[0]
    phases = gratings.phase_deg / 180 * np.pi
    down = y * np.sin(angle) * frequency * 2 * np.pi
    of_rows = np.hstack([np.sin(down), np.cos(down), np.ones_like(down)]) * (WHITE / 2)
    waves = np.empty((len(phases), len(y), len(x)), dtype=np.uint8)
    for wave, phase in zip(waves, phases, strict=True):
        across = x * np.cos(angle) * frequency * 2 * np.pi + phase
        values = of_rows @ np.stack([np.cos(across), np.sin(across), np.ones_like(across)])
        row, column = np.nonzero(np.abs(np.rint(values) - values) < _UNSURE)
        along = x[column] * np.cos(angle) + y[row, 0] * np.sin(angle)
        published = (np.sin(along * frequency * 2 * np.pi + phase) + 1) / 2 * WHITE
        values[row, column] = published
        wave[:] = values
    return waves


def _product(
    *,
    radius: np.ndarray,
    frequency: np.ndarray,
    orientation: np.ndarray,
    phase: np.ndarray,
    position: tuple[np.ndarray, np.ndarray] = ([POSITION_DEG], [POSITION_DEG]),
) -> Gratings:
    """All combinations, the last argument of a stimulus changing fastest."""
    axes = _axes(*position, radius, frequency, orientation, phase)
    shape = tuple(length for length in axes[0].shape if length > 1)
    return Gratings(*(axis.ravel() for axis in axes), shape=shape)


def _axes(*lists: np.ndarray) -> tuple[np.ndarray, ...]:
    return np.meshgrid(*(np.asarray(values, dtype=np.float64) for values in lists), indexing="ij")


def _runs(*keys: np.ndarray) -> list[tuple[int, int]]:
    """Stretches, as (first, behind the last), within which no key changes."""
    changes = np.any([np.diff(key) != 0 for key in keys], axis=0)
    bounds = [0, *(np.flatnonzero(changes) + 1), len(keys[0])]
    return list(pairwise(bounds))

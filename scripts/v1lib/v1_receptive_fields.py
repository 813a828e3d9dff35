"""Subjects of the V1 property benchmarks, and where on the screen their units look.

A subject is whatever responds to a screen: a stage of a classifier, a model of recorded neurons, a
population made by formula. Responses are streamed, so that a subject may have tens of thousands of
units: only the map of receptive fields is ever held for all of them.

Source: properties_common.py of Brain-Score vision, for the benchmarks of Marques et al. 2021.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from v1lib.screen import Screen
from v1lib.v1_stimuli import (
    FIELD_POSITIONS_DEG,
    POSITION_DEG,
    Gratings,
    blank,
    drawn,
    receptive_field_set,
)

Respond = Callable[[np.ndarray], np.ndarray]

FIELD_THRESHOLD = 0.05  # of the largest response: positions below do not count
LARGEST_DISTANCE_DEG = 0.15  # of a receptive field from the stimuli


@dataclass(frozen=True)
class Subject:
    """Something that responds to a screen.

    Attributes:
        respond: float32 [n, size_px, size_px], grey values 0 to 255 -> activations, not rectified,
            [n, n_units]; the same units each time.
        screen: what it is shown.
    """

    respond: Respond
    screen: Screen

    def responses(self, images: np.ndarray, units: np.ndarray | None = None) -> np.ndarray:
        """Rectified responses to images: float32 [n, n_units], or of some units only.

        Raises:
            ValueError: what comes back is not finite, or not one row for each image.
        """
        activations = np.asarray(self.respond(images.astype(np.float32)))
        if activations.ndim != 2 or len(activations) != len(images):
            raise ValueError(
                f"a subject gave {activations.shape} for {len(images)} images; expected one row "
                "of activations for each"
            )
        chosen = activations if units is None else activations[:, units]
        if not np.isfinite(chosen).all():
            raise ValueError("a subject's activations are not finite")
        return np.maximum(chosen, 0, dtype=np.float32)

    def to_blank(self) -> np.ndarray:
        """Rectified responses to the empty screen: float32 [n_units]."""
        return self.responses(blank(self.screen))[0]

    def to_gratings(
        self, gratings: Gratings, units: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Rectified responses to gratings, a chunk at a time: float32 [n, n_units]."""
        for images in drawn(gratings, self.screen):
            yield self.responses(images, units)


@dataclass(frozen=True)
class Fields:
    """Receptive fields of all units.

    Attributes:
        centre_deg: float64 [n_units, 2], (y, x); NaN for units that no grating excites.
        to_blank: float32 [n_units], rectified response to the empty screen.
    """

    centre_deg: np.ndarray
    to_blank: np.ndarray

    def near_stimuli(self) -> np.ndarray:
        """int64, the units within 0.15 degrees of where all other stimuli are shown."""
        distance = np.hypot(*(self.centre_deg - POSITION_DEG).T)
        with np.errstate(invalid="ignore"):
            return np.flatnonzero(distance <= LARGEST_DISTANCE_DEG)


def receptive_fields(subject: Subject) -> Fields:
    """Show small gratings at 21 x 21 positions and find the centre of each unit's responses."""
    to_blank = subject.to_blank()
    return Fields(field_centres(field_map(subject, to_blank)), to_blank)


def field_map(subject: Subject, to_blank: np.ndarray) -> np.ndarray:
    """Largest increase over the empty screen at each position: float32 [21, 21, n_units].

    The largest over four orientations and two phases; what falls below 0 is 0.
    """
    gratings = receptive_field_set()
    n_here = gratings.shape[2] * gratings.shape[3]
    n_places = len(gratings) // n_here
    found = np.empty((n_places, len(to_blank)), dtype=np.float32)
    first = 0
    # A chunk has 256 images, 32 whole positions.
    for responses in subject.to_gratings(gratings):
        largest = responses.reshape(-1, n_here, responses.shape[1]).max(axis=1)
        found[first : first + len(largest)] = largest
        first += len(largest)
    np.maximum(np.subtract(found, to_blank, out=found), 0, out=found)
    return found.reshape(*gratings.shape[:2], -1)


def field_centres(maps: np.ndarray) -> np.ndarray:
    """Centres of mass of what is above 5 % of a unit's largest response.

    Args:
        maps: [21, 21, n_units], responses >= 0 at positions (y, x) of ``FIELD_POSITIONS_DEG``.

    Returns:
        float64 [n_units, 2], (y, x) in degrees; NaN for a unit that does not respond.
    """
    rows, columns, n_units = maps.shape
    places = np.indices((rows, columns)).reshape(2, -1).astype(np.float64)
    flat = maps.reshape(-1, n_units)
    centres = np.full((n_units, 2), np.nan)
    for first in range(0, n_units, 4096):  # so that the copies in float64 stay small
        part = flat[:, first : first + 4096].astype(np.float64)
        part[part <= FIELD_THRESHOLD * part.max(axis=0)] = 0
        total = part.sum(axis=0)
        centre = centres[first : first + 4096].T
        np.divide(places @ part, total, out=centre, where=total > 0)
    step = np.arange(len(FIELD_POSITIONS_DEG))
    return np.interp(centres, step, FIELD_POSITIONS_DEG)

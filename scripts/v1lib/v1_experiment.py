"""The V1 property experiment on one subject: find its units, calibrate them, measure them.

Source: properties_common.py of Brain-Score vision, for the benchmarks of Marques, Schrimpf &
DiCarlo 2021.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from v1lib.v1_properties import (
    Properties,
    frequency_bandwidth_properties,
    orientation_properties,
    peak_frequency_properties,
    size_properties,
    texture_properties,
)
from v1lib.v1_receptive_fields import Fields, Subject, receptive_fields
from v1lib.v1_stimuli import (
    N_FAMILIES,
    N_SAMPLES,
    N_TYPES,
    Gratings,
    frequency_set,
    orientation_set,
    size_set,
    texture_images,
)

# Of macaque V1 (Ringach et al. 2002), in spikes/s: medians of the largest and of the spontaneous
# rate, the largest rate of all, and what a responsive neuron adds to its spontaneous rate.
MEDIAN_LARGEST, MEDIAN_SPONTANEOUS, LARGEST, RESPONSIVE = 33.8, 0.82, 243.1, 5.0

_AT_ONCE = 128  # textures

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibration:
    """The affine map from activations to spikes/s, one for all units of a subject.

    Attributes:
        slope, offset: rate = max(0, slope * activation + offset); NaN where no unit responds.
        n_responsive: units whose medians decide it.
    """

    slope: float
    offset: float
    n_responsive: int

    def rates(self, activations: np.ndarray) -> np.ndarray:
        """Firing rates, spikes/s, float64, of rectified activations of any shape."""
        return np.maximum(self.slope * activations.astype(np.float64) + self.offset, 0.0)


NO_CALIBRATION = Calibration(np.nan, np.nan, 0)


@dataclass(frozen=True)
class Tuning:
    """Rates and properties of some units.

    Attributes:
        calibration: map to spikes/s.
        baseline: float64 [n_units], rate to the empty screen.
        properties: one entry for each criterion; none if no unit responds.
    """

    calibration: Calibration
    baseline: np.ndarray
    properties: list[Properties]


@dataclass(frozen=True)
class Measured:
    """What the experiment found in one subject.

    Attributes:
        fields: receptive fields of all units.
        units: int64 [n], those near the stimuli.
        tuning: theirs.
    """

    fields: Fields
    units: np.ndarray
    tuning: Tuning


def measured(subject: Subject, textures: np.ndarray | None = None) -> Measured:
    """Run the experiment.

    Args:
        subject: what responds.
        textures: images of Freeman et al. 2013 (see ``v1lib.v1_stimuli.texture_images``); without
            them the texture properties are not measured.
    """
    fields = receptive_fields(subject)
    units = fields.near_stimuli()
    if not len(units):
        log.warning("no unit has its receptive field at the stimuli: nothing is measured")
        return Measured(fields, units, Tuning(NO_CALIBRATION, np.zeros(0), []))

    def to_gratings(gratings: Gratings) -> np.ndarray:
        responses = np.concatenate(list(subject.to_gratings(gratings, units)))
        return responses.T.reshape(len(units), *gratings.shape)

    tuning = grating_tuning(to_gratings, fields.to_blank[units].astype(np.float64))
    if textures is not None and tuning.properties:
        rates = tuning.calibration.rates(_texture_responses(subject, textures, units))
        tuning.properties.append(texture_properties(rates, tuning.baseline))
    return Measured(fields, units, tuning)


def grating_tuning(to_gratings: Callable[[Gratings], np.ndarray], to_blank: np.ndarray) -> Tuning:
    """The 15 properties that gratings show.

    Args:
        to_gratings: from a set of stimuli to rectified responses [n_units, *gratings.shape].
        to_blank: float64 [n_units], rectified, to the empty screen.
    """
    oriented = to_gratings(orientation_set())
    calibration = calibrated(oriented, to_blank)
    if not calibration.n_responsive:
        log.warning("none of %d units responds to gratings: nothing is measured", len(to_blank))
        return Tuning(calibration, np.full(len(to_blank), np.nan), [])
    baseline = calibration.rates(to_blank)
    found = [orientation_properties(calibration.rates(oriented), baseline)]
    rates = calibration.rates(to_gratings(frequency_set()))
    found.append(peak_frequency_properties(rates, baseline))
    found.append(frequency_bandwidth_properties(rates, baseline))
    rates = calibration.rates(to_gratings(size_set()))
    found.append(size_properties(rates, baseline))
    return Tuning(calibration, baseline, found)


def calibrated(responses: np.ndarray, to_blank: np.ndarray) -> Calibration:
    """The map that gives responsive units the median rates of macaque V1.

    Args:
        responses: rectified, to the orientation set [n_units, ..., phases].
        to_blank: [n_units], rectified, to the empty screen.
    """
    dc = responses.astype(np.float64).mean(axis=-1)
    largest = dc.reshape(len(dc), int(np.prod(dc.shape[1:]))).max(axis=1)
    increase = largest - to_blank
    responsive = increase > RESPONSIVE / LARGEST * increase.max(initial=0.0)
    if not responsive.any():
        return NO_CALIBRATION
    median_blank = np.median(to_blank[responsive])
    slope = (MEDIAN_LARGEST - MEDIAN_SPONTANEOUS) / (np.median(largest[responsive]) - median_blank)
    offset = MEDIAN_SPONTANEOUS - slope * median_blank
    return Calibration(float(slope), float(offset), int(responsive.sum()))


def _texture_responses(subject: Subject, textures: np.ndarray, units: np.ndarray) -> np.ndarray:
    images = texture_images(textures, subject.screen)
    parts = [images[first : first + _AT_ONCE] for first in range(0, len(images), _AT_ONCE)]
    responses = np.concatenate([subject.responses(part, units) for part in parts])
    return responses.T.reshape(len(units), N_TYPES, N_FAMILIES, N_SAMPLES)

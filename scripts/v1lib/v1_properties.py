"""The 22 single-neuron properties of the V1 benchmarks of Marques, Schrimpf & DiCarlo 2021.

Pure functions from firing rates to properties, of many units at once. Rates are spikes per second,
float64 [n_units, *axes of the stimulus set]; ``baseline`` [n_units] is the rate to the empty
screen. A value that a unit does not have (no bandwidth, say) is NaN and is counted as missing; a
unit whose responses are too small for a property to mean anything is not ``kept`` at all.

Source: ringach2002, devalois1982a, devalois1982b, schiller1976, cavanaugh2002a and
freemanZiemba2013 benchmarks and properties_common.py of Brain-Score vision; each follows the
analysis of the physiologists in its name, thresholds included.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import make_interp_spline

from v1lib.v1_stimuli import FREQUENCIES, ORIENTATIONS_DEG, RADII_DEG

RESPONSE_THRESHOLD = 5.0  # spikes/s
HALF_HEIGHT = 0.707  # of a peak, where bandwidths are measured
SUMMATION_SHARE, PLATEAU_MARGIN = 0.95, 0.05
LEAST_SUPPRESSION = 0.1  # below it neither size is defined
TEXTURE_WINDOW_S = 0.1  # rates to counts, for the ratio of variances
RATIO_OFFSET = 0.02

# Those that textures are needed for; all others follow from gratings.
TEXTURE_PROPERTIES = (
    *("texture_modulation_index", "absolute_texture_modulation_index", "texture_selectivity"),
    *("texture_sparseness", "variance_ratio", "max_texture", "max_noise"),
)

# Weights of a point and its two neighbours, by which tuning curves are smoothed.
WIDE, NARROW = (0.4, 1.0, 0.4), (0.2, 1.0, 0.2)


@dataclass(frozen=True)
class Properties:
    """Properties that follow from one set of stimuli by one criterion.

    Attributes:
        kept: bool [n_units], units that respond enough.
        by_name: float64 [n_units] of each property, NaN where missing; where not kept, no matter.
    """

    kept: np.ndarray
    by_name: dict[str, np.ndarray]


def orientation_properties(rates: np.ndarray, baseline: np.ndarray) -> Properties:
    """Orientation selectivity, F1/F0 and largest rate (Ringach et al. 2002, De Valois et al. 1982).

    Args:
        rates: [n_units, 3 cycles, 4 frequencies, 12 orientations, 8 phases].
        baseline: [n_units].
    """
    dc, f1 = dc_and_f1(rates)
    cycles, frequency, _ = preferred = _largest(dc)
    unit = np.arange(len(dc))
    curves = dc[unit, cycles, frequency]
    max_dc = dc[unit, *preferred]
    bandwidth = orientation_bandwidth(curves)
    variance, ratio = circular_variance(curves), orthogonal_preferred_ratio(curves)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {
            "circular_variance": variance,
            "bandwidth": bandwidth,
            "orthogonal_preferred_ratio": ratio,
            "orientation_selective": np.where(np.isnan(bandwidth), 0.0, 1.0),
            "circular_variance_bandwidth_ratio": variance / bandwidth,
            "orthogonal_preferred_ratio_circular_variance_difference": ratio - variance,
            "preferred_orientation": preferred_orientation(curves),
            "modulation_ratio": f1[unit, *preferred] / max_dc,
            "max_dc": max_dc,
        }
    return Properties(max_dc > baseline + RESPONSE_THRESHOLD, values)


def peak_frequency_properties(rates: np.ndarray, baseline: np.ndarray) -> Properties:
    """Peak spatial frequency of the larger of DC above baseline and F1 (De Valois et al. 1982).

    Args:
        rates: [n_units, 2 radii, 22 frequencies, 6 orientations, 8 phases].
        baseline: [n_units].
    """
    components = _components(rates, baseline)
    radius, _, orientation, component = _largest(components)
    unit = np.arange(len(components))
    curves = components[unit, radius, :, orientation, component]
    values = {"peak_spatial_frequency": peak_spatial_frequency(curves)}
    return Properties(_maximum(components) > RESPONSE_THRESHOLD, values)


def frequency_bandwidth_properties(rates: np.ndarray, baseline: np.ndarray) -> Properties:
    """Bandwidth in spatial frequency of DC (Schiller, Finlay & Volman 1976).

    Args:
        rates: as for ``peak_frequency_properties``.
        baseline: [n_units].
    """
    dc, _ = dc_and_f1(rates)
    radius, _, orientation = _largest(dc)
    bandwidth = spatial_frequency_bandwidth(dc[np.arange(len(dc)), radius, :, orientation])
    values = {
        "spatial_frequency_selective": np.where(np.isnan(bandwidth), 0.0, 1.0),
        "spatial_frequency_bandwidth": bandwidth,
    }
    return Properties(_maximum(dc) > baseline + RESPONSE_THRESHOLD, values)


def size_properties(rates: np.ndarray, baseline: np.ndarray) -> Properties:
    """Summation field, surround and its strength (Cavanaugh, Bair & Movshon 2002).

    Args:
        rates: [n_units, 12 radii, 4 frequencies, 6 orientations, 8 phases].
        baseline: [n_units].
    """
    components = _components(rates, baseline)
    _, frequency, orientation, component = _largest(components)
    unit = np.arange(len(components))
    values = size_tuning(components[unit, :, frequency, orientation, component])
    return Properties(_maximum(components) > RESPONSE_THRESHOLD, values)


def texture_properties(rates: np.ndarray, baseline: np.ndarray) -> Properties:
    """Modulation by and selectivity for textures (Freeman et al. 2013, Ziemba et al. 2016).

    Unlike those of the recorded neurons, rates below baseline are not set to 0 here.

    Args:
        rates: [n_units, 2 types (noise, texture), 15 families, 15 samples].
        baseline: [n_units].
    """
    above = rates - baseline[:, None, None, None]
    modulation = texture_modulation(above.mean(axis=3))
    counts = rates[:, 1] * TEXTURE_WINDOW_S
    values = {
        "texture_modulation_index": modulation,
        "absolute_texture_modulation_index": np.abs(modulation),
        "texture_selectivity": sparseness(above[:, 1].mean(axis=2)),
        "texture_sparseness": sparseness(_flat(above[:, 1])),
        "variance_ratio": variance_ratio(np.sqrt(counts) + np.sqrt(counts + 1))[0],
        "max_texture": _maximum(above[:, 1]),
        "max_noise": _maximum(above[:, 0]),
    }
    return Properties(_maximum(above) > RESPONSE_THRESHOLD, values)


def dc_and_f1(rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over phases, the last axis, and amplitude of the first harmonic."""
    n_phases = rates.shape[-1]
    turns = np.exp(-2j * np.pi * np.arange(n_phases) / n_phases)
    return rates.mean(axis=-1), 2 * np.abs(rates @ turns) / n_phases


def circular_variance(curves: np.ndarray) -> np.ndarray:
    """1 - |sum r exp(2 i theta)| / sum |r| of orientation curves [n, 12]; NaN without response."""
    resultant = np.abs(curves @ np.exp(2j * np.deg2rad(ORIENTATIONS_DEG)))
    total = np.abs(curves).sum(axis=1)
    return 1 - np.divide(resultant, total, out=np.full(len(curves), np.nan), where=total > 0)


def orthogonal_preferred_ratio(curves: np.ndarray) -> np.ndarray:
    """Response orthogonal to the largest over the largest, of orientation curves [n, 12]."""
    unit, best = np.arange(len(curves)), curves.argmax(axis=1)
    orthogonal = curves[unit, (best + curves.shape[1] // 2) % curves.shape[1]]
    largest = curves[unit, best]
    return np.divide(orthogonal, largest, out=np.full(len(curves), np.nan), where=largest > 0)


def orientation_bandwidth(curves: np.ndarray) -> np.ndarray:
    """Half of the width at 0.707 of the peak, in degrees, of orientation curves [n, 12].

    The curve is smoothed, interpolated by a cubic spline and read at every degree. NaN where it
    does not fall that low, or is wider than 180 degrees.
    """
    fine = curves @ _orientation_spline(WIDE).T
    peak = 180 + fine[:, 180:360].argmax(axis=1)
    low, high = _crossings(fine, peak)
    width = high - low
    return np.where(width > 180, np.nan, width) / 2


def preferred_orientation(curves: np.ndarray) -> np.ndarray:
    """Peak of the smoothed, interpolated curves [n, 12], in degrees from -22.5 up to 157.5."""
    peak = (curves @ _orientation_spline(NARROW).T)[:, 180:360].argmax(axis=1).astype(np.float64)
    return np.where(peak >= 157.5, peak - 180, peak)


def peak_spatial_frequency(curves: np.ndarray) -> np.ndarray:
    """Peak in cycles per degree of the smoothed, interpolated curves [n, 22]."""
    matrix, log_frequency = _frequency_spline()
    return 2 ** log_frequency[(curves @ matrix.T).argmax(axis=1)]


def spatial_frequency_bandwidth(curves: np.ndarray) -> np.ndarray:
    """Low over high frequency at 0.707 of the peak, in percent, of curves [n, 22].

    A small value is a broad curve. NaN where it does not fall that low on one of the two sides.
    """
    matrix, log_frequency = _frequency_spline()
    fine = curves @ matrix.T
    low, high = _crossings(fine, fine.argmax(axis=1))
    step = np.arange(len(log_frequency))
    return 100 * 2 ** (np.interp(low, step, log_frequency) - np.interp(high, step, log_frequency))


def size_tuning(curves: np.ndarray) -> dict[str, np.ndarray]:
    """What size curves [n, 12], responses above baseline at ``RADII_DEG``, say; diameters in deg.

    The suppression index is (peak - plateau) / peak, the plateau being the response to the largest
    disc; where that is below the baseline it exceeds 1. Both diameters are NaN without a
    suppression above 0.1.
    """
    peak, plateau = curves.max(axis=1), curves[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        suppression = (peak - plateau) / peak
    suppressed = (suppression > LEAST_SUPPRESSION) & (peak > 0)
    summed = (curves >= SUMMATION_SHARE * peak[:, None]).argmax(axis=1)
    fallen = curves <= (plateau + PLATEAU_MARGIN * np.abs(plateau))[:, None]
    beyond = np.arange(len(RADII_DEG)) > curves.argmax(axis=1)[:, None]
    surround = (fallen & beyond).argmax(axis=1)
    diameters = 2 * RADII_DEG
    return {
        "surround_suppression_index": suppression,
        "grating_summation_field": np.where(suppressed, diameters[summed], np.nan),
        "surround_diameter": np.where(suppressed, diameters[surround], np.nan),
    }


def texture_modulation(families: np.ndarray) -> np.ndarray:
    """Mean over families of (texture - noise) / (texture + noise), of [n, 2, n_families].

    Families without a value (0 / 0) do not count.
    """
    noise, texture = families[:, 0], families[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        index = (texture - noise) / (texture + noise)
        counted = ~np.isnan(index)
        return np.where(counted, index, 0).sum(axis=1) / counted.sum(axis=1)


def sparseness(responses: np.ndarray) -> np.ndarray:
    """(1 - mean(r)^2 / mean(r^2)) / (1 - 1/n) over the stimuli of [n_units, n]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        even = responses.mean(axis=1) ** 2 / (responses**2).mean(axis=1)
    return (1 - even) / (1 - 1 / responses.shape[1])


def variance_ratio(stabilised: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variance across families over that across samples, by a nested analysis of variance.

    Args:
        stabilised: [n_units, families, samples], square roots of counts.

    Returns:
        The ratio, and the shares of family and sample in the total, [n_units] each.
    """
    _, n_families, n_samples = stabilised.shape
    family = stabilised.mean(axis=2)
    within = ((stabilised - family[:, :, None]) ** 2).sum(axis=(1, 2))
    of_samples = within / (n_families * (n_samples - 1))
    of_families = n_samples * family.var(axis=1, ddof=1)
    between = (of_families - of_samples) / n_samples
    with np.errstate(divide="ignore", invalid="ignore"):
        total = between + of_samples
        shares = between / total, of_samples / total
        return (shares[0] + RATIO_OFFSET) / (shares[1] + RATIO_OFFSET), *shares


def _components(rates: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """DC above baseline and F1, along a new last axis."""
    dc, f1 = dc_and_f1(rates)
    return np.stack([dc - baseline.reshape(-1, *[1] * (dc.ndim - 1)), f1], axis=-1)


def _largest(responses: np.ndarray) -> tuple[np.ndarray, ...]:
    """Indices [n_units] along each further axis of the largest response; the first of equals."""
    return np.unravel_index(_flat(responses).argmax(axis=1), responses.shape[1:])


def _maximum(responses: np.ndarray) -> np.ndarray:
    return _flat(responses).max(axis=1)


def _flat(responses: np.ndarray) -> np.ndarray:
    """[n_units, everything else]; the sizes are named, so that there may be no units."""
    return responses.reshape(len(responses), int(np.prod(responses.shape[1:])))


def _crossings(fine: np.ndarray, peak: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest points on both sides of a peak at or below 0.707 of it; NaN where there is none.

    Args:
        fine: [n, n_points].
        peak: int [n], point of the peak.
    """
    height = np.take_along_axis(fine, peak[:, None], axis=1)
    points = np.arange(fine.shape[1])
    fallen = fine <= HALF_HEIGHT * height
    left = np.where(fallen & (points < peak[:, None]), points, -1).max(axis=1)
    right = np.where(fallen & (points > peak[:, None]), points, len(points)).min(axis=1)
    return (
        np.where(left < 0, np.nan, left),
        np.where(right == len(points), np.nan, right),
    )


@lru_cache(maxsize=2)
def _orientation_spline(weights: tuple[float, ...]) -> np.ndarray:
    """From a curve of 12 orientations to its smoothed spline at -180 ... 359 degrees: [540, 12].

    Three periods are smoothed as a list that ends (zeros beyond), and the last 14 degrees continue
    the last piece of the spline: as published, and far from what is read.
    """
    n = len(ORIENTATIONS_DEG)
    periods = np.tile(np.eye(n), 3)
    smooth = np.array(weights) / sum(weights)
    values = np.array([np.convolve(smooth, row, mode="same") for row in periods])
    angles = np.concatenate([ORIENTATIONS_DEG + turn for turn in (-180, 0, 180)])
    return make_interp_spline(angles, values.T, k=3)(np.arange(-180.0, 360.0))


@lru_cache(maxsize=1)
def _frequency_spline() -> tuple[np.ndarray, np.ndarray]:
    """From a curve of 22 frequencies to its smoothed spline at 100 points: [100, 22].

    The ends are repeated for the smoothing. Second comes log2 of the 100 frequencies.
    """
    log_frequency = np.log2(FREQUENCIES)
    points = np.linspace(log_frequency[0], log_frequency[-1], 100)
    smooth = np.array(NARROW) / sum(NARROW)
    padded = np.pad(np.eye(len(FREQUENCIES)), ((0, 0), (1, 1)), mode="edge")
    values = np.array([np.convolve(smooth, row, mode="valid") for row in padded])
    return make_interp_spline(log_frequency, values.T, k=3)(points), points

"""Planted receptive fields and retinotopic maps of simulated scans against what readouts learn.

All maps of a core may be shifted together, and the readouts against it, without any change of the
predictions. Where a neuron looks is therefore known up to one shift for all neurons of a core:
correlations do not see it, errors are taken about it, and it is reported on its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from v1lib.correlation import correlation
from v1lib.statistics import bootstrap_interval

ROUNDING = 1e-9  # errors that differ by less are equal
_MIRROR = np.diag([-1.0, 1.0])  # of cortical coordinates, along x


@dataclass(frozen=True)
class PlantedFields:
    """Where the neurons of one scan look, on the stimulus as models see it.

    Attributes:
        position_px: float64 [n_neurons, 2], column and row of each receptive field, 0 at the centre
            of the first pixel.
        map_px_per_um: float64 [2, 2], from cortical (x, y) to (column, row).
    """

    position_px: np.ndarray
    map_px_per_um: np.ndarray


def planted_fields(
    truth: Mapping[str, np.ndarray], scan: str, *, downsampling: int, origin: Path
) -> PlantedFields:
    """Receptive fields of a scan, moved by where the eye looked in it.

    Args:
        truth: arrays of the ground truth as ``simulate_lurz2020`` writes it.
        scan: data key, such as 6-1-1-0.
        downsampling: factor by which preprocessing made the images smaller.
        origin: file of the truth, for messages.

    Raises:
        ValueError: nothing is planted under that name.
    """
    names = ("field_px", "gaze_px", "map_px_per_um")
    if missing := [name for name in names if f"{scan}/{name}" not in truth]:
        raise ValueError(f"{origin} has no {scan}/{missing[0]}; was the scan simulated with it?")
    field, gaze, linear = (np.asarray(truth[f"{scan}/{name}"], dtype=float) for name in names)
    # The middle of a pixel stays the middle of the square that it becomes part of.
    position = (field + gaze + 0.5) / downsampling - 0.5
    return PlantedFields(position, linear / downsampling)


@dataclass(frozen=True)
class PositionRecovery:
    """How well the positions of the neurons of one scan were found.

    Attributes:
        correlation: float64 [2], of learned and planted columns, and rows, over neurons; NaN where
            one of them is constant.
        offset_px: float64 [2], mean of learned minus planted positions.
        error_px: root mean square distance, the offset taken out.
        control_correlation, control_error_px: means over exchanges of the neurons.
        p_correlation, p_error: share of exchanges that correlate as well, or are as near, this one
            included.
        n: neurons.
    """

    correlation: np.ndarray
    offset_px: np.ndarray
    error_px: float
    control_correlation: np.ndarray
    control_error_px: float
    p_correlation: np.ndarray
    p_error: float
    n: int


def recovered_positions(
    learned_px: np.ndarray, planted_px: np.ndarray, *, n_permutations: int, seed: int
) -> PositionRecovery:
    """Compare positions of the same neurons, with a control that exchanges the neurons.

    Positions that follow from the cortex by a wrong linear map still correlate with those that
    follow by the right one: for such readouts the map says more, and a core that was never trained
    is the control.

    Args:
        learned_px, planted_px: [n_neurons, 2], column and row.
        n_permutations, seed: of the control.

    Raises:
        ValueError: shapes differ, or there are fewer than 3 neurons.
    """
    learned, planted = (np.asarray(p, dtype=float) for p in (learned_px, planted_px))
    if learned.shape != planted.shape or len(learned) < 3:
        raise ValueError(
            f"learned positions {learned.shape} and planted ones {planted.shape} should be equally "
            "many, of 3 neurons or more"
        )
    offset = (learned - planted).mean(axis=0)
    found, error = correlation(learned, planted), _error(learned, planted)
    rng = np.random.default_rng(seed)
    exchanged = [planted[rng.permutation(len(planted))] for _ in range(n_permutations)]
    by_chance = np.array([correlation(learned, other) for other in exchanged])
    errors = np.array([_error(learned, other) for other in exchanged])
    as_good = (by_chance >= found).sum(axis=0)
    as_near = (errors <= error * (1 + ROUNDING)).sum()  # all, where positions do not differ
    return PositionRecovery(
        correlation=found,
        offset_px=offset,
        error_px=error,
        control_correlation=by_chance.mean(axis=0),
        control_error_px=float(errors.mean()),
        p_correlation=np.where(np.isnan(found), np.nan, (1 + as_good) / (1 + n_permutations)),
        p_error=float((1 + as_near) / (1 + n_permutations)),
        n=len(learned),
    )


def _error(learned: np.ndarray, planted: np.ndarray) -> float:
    difference = learned - planted
    difference = difference - difference.mean(axis=0)
    return float(np.sqrt((difference**2).sum(axis=1).mean()))


def fitted_map(position_px: np.ndarray, cortex_um: np.ndarray) -> np.ndarray:
    """The linear part of the map that takes cortical positions nearest to those in the image.

    Args:
        position_px: [n_neurons, 2], column and row.
        cortex_um: [n_neurons, 2], x and y.

    Returns:
        float64 [2, 2] in px per µm, least squares with an offset.

    Raises:
        ValueError: the neurons lie on one line, so that many maps would do.
    """
    cortex = np.asarray(cortex_um, dtype=float)
    cortex = cortex - cortex.mean(axis=0)
    if np.linalg.matrix_rank(cortex) < 2:
        raise ValueError(f"{len(cortex)} neurons on one line in the cortex do not define a map")
    position = np.asarray(position_px, dtype=float)
    return np.linalg.lstsq(cortex, position - position.mean(axis=0), rcond=None)[0].T


@dataclass(frozen=True)
class MapShape:
    """A linear retinotopic map in words.

    Attributes:
        is_mirrored: cortex and image have opposite senses of rotation.
        rotation_deg: -180 to 180, of the rotation nearest to the map, after the cortex was mirrored
            along x if it is. Stretching the image along its columns and rows does not change it.
        scale_px_per_mm: root of the area of the image that a square millimetre is mapped to.
    """

    is_mirrored: bool
    rotation_deg: float
    scale_px_per_mm: float


def shape_of(map_px_per_um: np.ndarray) -> MapShape:
    """Mirror, rotation (by polar decomposition) and scale of a map [2, 2] in px per µm."""
    area = np.linalg.det(map_px_per_um)
    unmirrored = map_px_per_um @ _MIRROR if area < 0 else map_px_per_um
    left, _, right = np.linalg.svd(unmirrored)
    turn = left @ right
    return MapShape(
        is_mirrored=bool(area < 0),
        rotation_deg=float(np.rad2deg(np.arctan2(turn[1, 0], turn[0, 0]))),
        scale_px_per_mm=float(1000 * np.sqrt(abs(area))),
    )


def map_error(learned: np.ndarray, planted: np.ndarray) -> float:
    """Distance of two maps [2, 2] relative to the size of the planted one (Frobenius norms)."""
    return float(np.linalg.norm(learned - planted) / np.linalg.norm(planted))


def score_differences(first: pd.DataFrame, second: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """What one model scores above another at each number of images, paired by replicate.

    Args:
        first, second: scores of ``lurz2021_curves.by_replicate``.
        seed: of the bootstrap.

    Returns:
        One row per number of images that both have: images, difference (mean over the replicates
        that both have), low, high (95 % bootstrap interval; NaN for one replicate), n.
    """
    columns = ["images", "difference", "low", "high", "n"]
    rows = []
    for images in sorted(set(first.columns) & set(second.columns)):
        paired = (first[images] - second[images]).dropna()
        if len(paired):
            interval = bootstrap_interval(paired, seed=seed)
            rows.append((images, paired.mean(), interval.low, interval.high, len(paired)))
    return pd.DataFrame(rows, columns=columns)

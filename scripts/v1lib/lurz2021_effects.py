"""Effects that Lurz et al. 2021 claim, with bootstrap intervals over replicates.

A replicate is one draw of the subset of images (or of neurons), the same for all models, so that
replicates of two models are resampled together.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from v1lib.summaries import Interval

N_RESAMPLES = 9999
SCALES = ("linear", "log")


@dataclass(frozen=True)
class Effect:
    """A value with its 95 % percentile bootstrap interval.

    Attributes:
        value: NaN where there is none; infinite where a curve never gets there.
        interval: NaN for fewer than two replicates.
        n: replicates.
    """

    value: float
    interval: Interval
    n: int


def gain_percent(first: pd.Series, second: pd.Series, *, seed: int) -> Effect:
    """By how many percent the mean of ``first`` lies above that of ``second``.

    Args:
        first, second: score by replicate; only replicates that both have count.
        seed: of the bootstrap.
    """
    pairs = pd.concat([first, second], axis=1, join="inner").dropna().to_numpy(dtype=float)

    def gain(sample: np.ndarray) -> np.ndarray:
        means = sample.mean(axis=1)
        return 100 * (means[:, 0] / means[:, 1] - 1)

    return _bootstrapped(pairs, gain, seed=seed)


def images_needed(
    images: np.ndarray, scores: np.ndarray, targets: np.ndarray, *, scale: str
) -> np.ndarray:
    """Smallest number of images with which a curve reaches a target, between measured points.

    Args:
        images: float [n_points], increasing.
        scores: float [n_curves, n_points].
        targets: float [n_curves].
        scale: "linear" interpolates over images, "log" over their logarithm.

    Returns:
        float64 [n_curves]: the smallest measured number where the curve begins above the target,
        infinite where it never reaches it.

    Raises:
        ValueError: unknown scale.
    """
    if scale not in SCALES:
        raise ValueError(f"scale is {scale!r}, allowed: {', '.join(SCALES)}")
    x = np.asarray(images, dtype=float)
    x = np.log(x) if scale == "log" else x
    reached = scores >= targets[:, None]
    curve, after = np.arange(len(scores)), reached.argmax(axis=1)
    before = np.maximum(after - 1, 0)
    rise = scores[curve, after] - scores[curve, before]
    share = np.divide(
        targets - scores[curve, before], rise, out=np.zeros(len(scores)), where=rise > 0
    )
    found = x[before] + np.where(after > 0, share, 0.0) * (x[after] - x[before])
    found = np.exp(found) if scale == "log" else found
    return np.where(reached.any(axis=1), found, math.inf)


def data_efficiency(
    transferred: pd.DataFrame, direct: pd.DataFrame, *, scale: str, seed: int
) -> Effect:
    """Percent of the images with which a transferred core equals direct training on all of them.

    Args:
        transferred, direct: scores of ``lurz2021_curves.by_replicate``; of ``direct`` the largest
            number of images counts. Replicates count that both have without a gap.
        scale: as in ``images_needed``.
        seed: of the bootstrap.
    """
    if transferred.empty or direct.empty:
        return Effect(math.nan, Interval(math.nan, math.nan), 0)
    full = max(direct.columns)
    table = transferred.join(direct[full].rename("target"), how="inner").dropna()
    images = np.array([column for column in table if column != "target"], dtype=float)

    def percent(sample: np.ndarray) -> np.ndarray:
        means = sample.mean(axis=1)
        return 100 * images_needed(images, means[:, :-1], means[:, -1], scale=scale) / full

    return _bootstrapped(table.to_numpy(dtype=float), percent, seed=seed)


def core_over_readout(best_core: pd.DataFrame, diff_core: pd.DataFrame) -> pd.Series:
    """What a well trained core gives more than a well trained readout, by replicate.

    The two conditions of Fig. 4 with equal numbers of images: those that the readout got (core from
    all images) against those that the core got (readout from all images). The largest number, where
    both are one experiment, does not count.

    Args:
        best_core, diff_core: scores of ``lurz2021_curves.by_replicate``.

    Returns:
        Mean difference over the numbers of images; replicates without a gap in both.
    """
    shared = sorted(set(best_core.columns) & set(diff_core.columns))[:-1]
    if not shared:
        return pd.Series(dtype=float)
    return (best_core[shared] - diff_core[shared]).dropna().mean(axis=1)


def _bootstrapped(
    sample: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], *, seed: int
) -> Effect:
    """A statistic of rows that are resampled whole; it takes [n_samples, n_rows, n_columns]."""
    n = len(sample)
    if n == 0:
        return Effect(math.nan, Interval(math.nan, math.nan), 0)
    value = float(statistic(sample[None])[0])
    if n == 1:
        return Effect(value, Interval(math.nan, math.nan), 1)
    drawn = np.random.default_rng(seed).integers(n, size=(N_RESAMPLES, n))
    # Order statistics: interpolation between a number and infinity has no meaning.
    found = np.sort(statistic(sample[drawn]))
    low, high = found[int(0.025 * N_RESAMPLES)], found[math.ceil(0.975 * N_RESAMPLES) - 1]
    return Effect(value, Interval(float(low), float(high)), n)

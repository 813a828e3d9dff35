"""Which features normalize which: the analyses of the normalization input of Burg et al. 2021.

The normalization input N[k, l] = p_kl mean(q_k) is what feature k adds, on average over the
validation trials and positions, to the denominator of feature l: **provider first**. The
semi-saturation constant and the numerator do not enter.

Groups are compared by their sums, as in the paper; pairs of a feature with itself belong to the
similar ones. NaN marks what is undefined, such as the sum over oriented pairs of a model that has
no oriented feature.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from v1lib.orientation_of_filters import angle_differences
from v1lib.statistics import paired_comparison
from v1lib.summaries import Interval, cohens_d, summarise, t_interval

AXES = {"normalized": -1, "providers": -2}  # of N: over which features to sum


def normalization_input(weights: ArrayLike, pooled_mean: ArrayLike) -> np.ndarray:
    """N[k, l] = p_kl mean(q_k), float64 [..., F, F], provider first.

    Args:
        weights: normalization weights p >= 0, [..., provider, normalized].
        pooled_mean: mean pooled response q of each provider, [..., F].
    """
    return np.asarray(weights, dtype=float) * np.asarray(pooled_mean, dtype=float)[..., :, None]


@dataclass(frozen=True)
class SummedInput:
    """Normalization input summed over two groups of ordered pairs of features.

    Attributes:
        similar, dissimilar: float64 [...], the two sums; NaN where no pair can be compared.
        n_similar, n_dissimilar: int64 [...], numbers of pairs.
    """

    similar: np.ndarray
    dissimilar: np.ndarray
    n_similar: np.ndarray
    n_dissimilar: np.ndarray


def summed_by_orientation(
    inputs: ArrayLike, angles: ArrayLike, *, similar_below_deg: float
) -> SummedInput:
    """Sums over pairs of oriented features of similar and of dissimilar orientation.

    Args:
        inputs: normalization input [..., F, F].
        angles: radians, NaN for unoriented features, [..., F].
        similar_below_deg: difference from which two orientations are dissimilar.
    """
    difference = angle_differences(angles)
    limit = np.deg2rad(similar_below_deg)
    return _summed(inputs, difference < limit, difference >= limit)


def summed_by_likeness(inputs: ArrayLike, filters: ArrayLike) -> SummedInput:
    """Sums over pairs of filters whose cosine similarity is above 0, and over all others.

    All features count, oriented or not.

    Args:
        inputs: normalization input [..., F, F].
        filters: [..., F, size, size]; a filter of zeros is like no other.
    """
    filters = np.asarray(filters, dtype=float)
    flat = filters.reshape(*filters.shape[:-2], -1)
    alike = flat @ np.swapaxes(flat, -1, -2) > 0  # norms do not change the sign
    return _summed(inputs, alike, ~alike)


def _summed(inputs: ArrayLike, similar: np.ndarray, dissimilar: np.ndarray) -> SummedInput:
    inputs = np.asarray(inputs, dtype=float)
    comparable = (similar | dissimilar).any((-2, -1))
    sums = [
        np.where(comparable, np.where(group, inputs, 0.0).sum((-2, -1)), np.nan)
        for group in (similar, dissimilar)
    ]
    return SummedInput(*sums, similar.sum((-2, -1)), dissimilar.sum((-2, -1)))


def similar_and_dissimilar_of_features(
    inputs: ArrayLike, angles: ArrayLike, *, similar_below_deg: float, summed_over: str
) -> tuple[np.ndarray, np.ndarray]:
    """Input of each feature summed over partners of similar and dissimilar orientation (Fig 5B).

    Args:
        inputs: normalization input [F, F], provider first.
        angles: radians, NaN for unoriented features, [F].
        similar_below_deg: difference from which two orientations are dissimilar.
        summed_over: "normalized" gives what each feature provides to others, as the published code
            draws it; "providers" gives what each feature receives.

    Returns:
        Two float64 [F]; NaN for unoriented features.

    Raises:
        ValueError: unknown ``summed_over``.
    """
    if summed_over not in AXES:
        raise ValueError(f"summed_over is {summed_over!r}, allowed: {', '.join(AXES)}")
    inputs, difference = np.asarray(inputs, dtype=float), angle_differences(angles)
    limit, unoriented = np.deg2rad(similar_below_deg), np.isnan(np.asarray(angles, dtype=float))
    sums = [
        np.where(unoriented, np.nan, np.where(group, inputs, 0.0).sum(AXES[summed_over]))
        for group in (difference < limit, difference >= limit)
    ]
    return sums[0], sums[1]


def binned_input(
    inputs: ArrayLike, angles: ArrayLike, *, bin_width_deg: float
) -> tuple[np.ndarray, np.ndarray]:
    """Input summed over ordered pairs of oriented features in bins of their difference (Fig 5C).

    Args:
        inputs: normalization input [..., F, F].
        angles: radians, NaN for unoriented features, [..., F].
        bin_width_deg: divides 90; the last bin holds 90 degrees.

    Returns:
        Bin edges in degrees [n_bins + 1] and sums float64 [..., n_bins]; NaN for a model without
        oriented features.

    Raises:
        ValueError: the bins do not fill 0 to 90 degrees.
    """
    n_bins = round(90 / bin_width_deg)
    if n_bins < 1 or not math.isclose(n_bins * bin_width_deg, 90):
        raise ValueError(f"bin_width_deg is {bin_width_deg}, which does not divide 90")
    inputs = np.asarray(inputs, dtype=float)
    difference = np.rad2deg(angle_differences(angles))
    edges = np.linspace(0.0, 90.0, n_bins + 1)
    upper = np.append(edges[1:-1], np.inf)
    sums = [
        np.where((low <= difference) & (difference < high), inputs, 0.0).sum((-2, -1))
        for low, high in zip(edges[:-1], upper, strict=True)
    ]
    compared = ~np.isnan(difference).all((-2, -1))
    return edges, np.where(compared[..., None], np.stack(sums, axis=-1), np.nan)


@dataclass(frozen=True)
class InputRegression:
    """Linear regression of the input on the orientation difference.

    Attributes:
        slope, intercept: per degree, and at 0 degrees.
        interval: of the slope, 95 %.
        r, p: correlation and two-sided p of the slope; pairs share features, so p is too small.
        n: ordered pairs of oriented features; everything else is NaN below 3 pairs or where all
            differences are equal.
    """

    slope: float
    intercept: float
    interval: Interval
    r: float
    p: float
    n: int


def regression_on_difference(
    inputs: ArrayLike, angles: ArrayLike, *, confidence: float = 0.95
) -> InputRegression:
    """Regress N on the orientation difference (degrees), all ordered pairs of oriented features.

    Args:
        inputs: normalization input [F, F].
        angles: radians, NaN for unoriented features, [F].
        confidence: of the interval.
    """
    difference = np.rad2deg(angle_differences(angles))
    pairs = ~np.isnan(difference)
    x, y = difference[pairs], np.asarray(inputs, dtype=float)[pairs]
    if len(x) < 3 or np.ptp(x) == 0:
        nothing = Interval(math.nan, math.nan)
        return InputRegression(math.nan, math.nan, nothing, math.nan, math.nan, len(x))
    fit = stats.linregress(x, y)
    half = fit.stderr * stats.t.ppf((1 + confidence) / 2, len(x) - 2)
    return InputRegression(
        slope=float(fit.slope),
        intercept=float(fit.intercept),
        interval=Interval(float(fit.slope - half), float(fit.slope + half)),
        r=float(fit.rvalue),
        p=float(fit.pvalue),
        n=len(x),
    )


@dataclass(frozen=True)
class GroupComparison:
    """Two sums per model, compared over models.

    Attributes:
        n: models with a ratio; a denominator of 0 gives none.
        ratio, interval: mean of first / second, and its 95 % t interval.
        p: Wilcoxon's signed-rank test of the pairs, two-sided.
        cohens_d: difference of the means over the pooled sd (unpaired, ddof 1).
    """

    n: int
    ratio: float
    interval: Interval
    p: float
    cohens_d: float


def ratios(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """first / second, float64 [...]; NaN where the second is 0 or either is NaN."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    return np.divide(first, second, out=np.full(first.shape, np.nan), where=second > 0)


def compare_over_models(first: ArrayLike, second: ArrayLike) -> GroupComparison:
    """Ratio, interval, test and effect size of two sums of each model.

    Args:
        first, second: [n_models], NaN where a model has none.
    """
    ratio = ratios(first, second)
    summary = summarise(ratio, ddof=1)
    return GroupComparison(
        n=summary.n,
        ratio=summary.mean,
        interval=t_interval(ratio),
        p=paired_comparison(first, second).p,
        cohens_d=cohens_d(first, second),
    )


def mean_readout_weights(features: ArrayLike) -> np.ndarray:
    """Weight of each feature in the readout, averaged over neurons, float64 [..., F].

    Each neuron's weights are made positive and divided by their norm over features; a neuron
    without weights is left out.

    Args:
        features: feature weights of the readout, [..., F, n_neurons].
    """
    weights = np.abs(np.asarray(features, dtype=float))
    norm = np.sqrt((weights**2).sum(-2, keepdims=True))
    shares = np.divide(weights, norm, out=np.zeros_like(weights), where=norm > 0)
    n_neurons = (norm > 0).sum(-1)
    return np.divide(
        shares.sum(-1),
        n_neurons,
        out=np.full(shares.shape[:-1], np.nan),
        where=n_neurons > 0,
    )

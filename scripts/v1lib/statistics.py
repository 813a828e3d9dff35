"""Tests and resampling over neurons, seeds or images.

A thin layer over SciPy and statsmodels. NaN means undefined: such values are left out and counted.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.multitest import multipletests

from v1lib.summaries import Interval, defined


def bootstrap_interval(
    values: ArrayLike,
    *,
    seed: int,
    statistic: Callable[..., np.ndarray] = np.mean,
    confidence: float = 0.95,
    n_resamples: int = 9999,
) -> Interval:
    """Percentile bootstrap interval of a statistic (``scipy.stats.bootstrap``).

    Args:
        values: the sample; resampled as a whole, so it must hold independent units.
        seed: of the resampling; equal seeds give equal intervals.
        statistic: takes ``axis``, such as ``numpy.mean`` or ``numpy.median``.
        confidence, n_resamples: see SciPy.
    """
    sample, _ = defined(values)
    if len(sample) < 2:
        return Interval(math.nan, math.nan)
    result = stats.bootstrap(
        (sample,),
        statistic,
        confidence_level=confidence,
        n_resamples=n_resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return Interval(*map(float, result.confidence_interval))


def difference_interval(first: ArrayLike, second: ArrayLike, *, seed: int) -> Interval:
    """95 % percentile bootstrap interval of the difference of two groups' means (SciPy).

    Args:
        first, second: independent samples; NaN is left out.
        seed: of the resampling.
    """
    samples = defined(first)[0], defined(second)[0]
    if min(map(len, samples)) < 2:
        return Interval(math.nan, math.nan)
    result = stats.bootstrap(
        samples,
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return Interval(*map(float, result.confidence_interval))


@dataclass(frozen=True)
class PairedComparison:
    """Two values for each of the same units, compared by Wilcoxon's signed-rank test.

    Attributes:
        n, n_undefined: pairs with both values, and pairs left out because one is NaN.
        n_equal: pairs of equal values; the test drops them (Wilcoxon's own treatment of zeros).
        mean_difference, median_difference: first minus second, equal pairs included.
        rank_biserial: (W+ - W-) / (W+ + W-) over unequal pairs, 1 if the first is always larger.
        statistic, p: min(W+, W-) and the two-sided p; NaN if no pair differs.
    """

    n: int
    n_undefined: int
    n_equal: int
    mean_difference: float
    median_difference: float
    rank_biserial: float
    statistic: float
    p: float


def paired_comparison(first: ArrayLike, second: ArrayLike) -> PairedComparison:
    """Wilcoxon's signed-rank test of paired values, with its effect size.

    SciPy takes the exact distribution for up to 50 pairs without ties, else the normal one.

    Args:
        first, second: [n], in the same order of units.

    Raises:
        ValueError: the lengths differ.
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"paired values have shapes {first.shape} and {second.shape}")
    differences, n_undefined = defined(first - second)
    unequal = differences[differences != 0]
    counts = {
        "n": len(differences),
        "n_undefined": n_undefined,
        "n_equal": len(differences) - len(unequal),
        "mean_difference": float(differences.mean()) if len(differences) else math.nan,
        "median_difference": float(np.median(differences)) if len(differences) else math.nan,
    }
    if not len(unequal):
        return PairedComparison(**counts, rank_biserial=math.nan, statistic=math.nan, p=math.nan)
    test = stats.wilcoxon(unequal)
    ranks = stats.rankdata(np.abs(unequal))
    return PairedComparison(
        **counts,
        rank_biserial=float((np.sign(unequal) * ranks).sum() / ranks.sum()),
        statistic=float(test.statistic),
        p=float(test.pvalue),
    )


@dataclass(frozen=True)
class Pair:
    """Two of several groups, compared over the same units.

    Attributes:
        first, second: names of the groups.
        comparison: of ``first`` with ``second``.
        p_holm: its p, corrected for the number of pairs.
    """

    first: str
    second: str
    comparison: PairedComparison
    p_holm: float


def pairwise_comparisons(groups: Mapping[str, ArrayLike]) -> list[Pair]:
    """Wilcoxon's signed-rank test of every two groups, corrected by Holm's method.

    Args:
        groups: values [n] by name, of the same units in the same order.

    Returns:
        The pairs in the order of the groups: first with second, first with third, …

    Raises:
        ValueError: the lengths differ.
    """
    names = list(combinations(groups, 2))
    tests = [paired_comparison(groups[first], groups[second]) for first, second in names]
    corrected = holm([test.p for test in tests])
    return [
        Pair(first, second, test, float(p))
        for (first, second), test, p in zip(names, tests, corrected, strict=True)
    ]


def normality(values: ArrayLike) -> tuple[float, float]:
    """Shapiro and Wilk's W and its p; NaN for fewer than three different values."""
    sample, _ = defined(values)
    if len(sample) < 3 or np.ptp(sample) == 0:
        return math.nan, math.nan
    result = stats.shapiro(sample)
    return float(result.statistic), float(result.pvalue)


def holm(p_values: ArrayLike) -> np.ndarray:
    """p-values corrected for their number by Holm's step-down method.

    Returns:
        [n]; NaN stays NaN and does not count as a test.
    """
    p_values = np.asarray(p_values, dtype=float)
    corrected = np.full(p_values.shape, np.nan)
    tested = ~np.isnan(p_values)
    if tested.any():
        corrected[tested] = multipletests(p_values[tested], method="holm")[1]
    return corrected


def rank_correlation(first: ArrayLike, second: ArrayLike) -> tuple[float, float, int]:
    """Spearman's rho of paired values, its two-sided p, and the number of pairs.

    NaN where fewer than three pairs are defined or one side is constant.
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    both = ~(np.isnan(first) | np.isnan(second))
    first, second = first[both], second[both]
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return math.nan, math.nan, len(first)
    result = stats.spearmanr(first, second)
    return float(result.statistic), float(result.pvalue), len(first)

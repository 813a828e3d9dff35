"""Summaries of samples over neurons, seeds or images, and verdicts on them.

NaN means undefined: such values are left out and counted. Tests and resampling are in
``v1lib.statistics``, whose libraries take as long to load as all else that a figure needs.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit


@dataclass(frozen=True)
class Summary:
    """A sample in numbers.

    Attributes:
        n, n_undefined: defined values, and NaN values left out.
        mean, median, sd, sem: of the defined values; NaN without any. ``sd`` and ``sem`` have the
            ddof they were asked for with; ``sem`` = sd / sqrt(n).
    """

    n: int
    n_undefined: int
    mean: float
    median: float
    sd: float
    sem: float


def summarise(values: ArrayLike, *, ddof: int) -> Summary:
    """Mean, median, standard deviation and standard error of the mean.

    Args:
        values: any shape.
        ddof: 0 as in Kindel et al. 2019 (runnet.py), or 1 for the usual estimate.
    """
    sample, n_undefined = defined(values)
    n = len(sample)
    sd = float(sample.std(ddof=ddof)) if n > ddof else math.nan
    return Summary(
        n=n,
        n_undefined=n_undefined,
        mean=float(sample.mean()) if n else math.nan,
        median=float(np.median(sample)) if n else math.nan,
        sd=sd,
        sem=sd / math.sqrt(n) if n else math.nan,
    )


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends NaN where there are too few values."""

    low: float
    high: float


def t_interval(
    values: ArrayLike,
    *,
    confidence: float = 0.95,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Confidence interval of the mean from Student's t (ddof 1).

    Args:
        values: any shape.
        confidence: how often such an interval holds the true mean.
        within: smallest and largest value that is possible, such as 0 and 1 for shares; the
            interval ends there.
    """
    summary = summarise(values, ddof=1)
    if summary.n < 2:
        return Interval(math.nan, math.nan)
    half = summary.sem * stdtrit(summary.n - 1, (1 + confidence) / 2)
    lowest, highest = within
    return Interval(max(lowest, summary.mean - half), min(highest, summary.mean + half))


def coefficient_of_variation(values: ArrayLike) -> float:
    """Standard deviation (ddof 0) over mean; NaN without values or with mean 0."""
    summary = summarise(values, ddof=0)
    return summary.sd / summary.mean if summary.mean else math.nan


def cohens_d(first: ArrayLike, second: ArrayLike) -> float:
    """Difference of two means in units of the pooled standard deviation (unpaired, ddof 1).

    NaN with fewer than two defined values on a side, or without any scatter.
    """
    first, second = defined(first)[0], defined(second)[0]
    if min(len(first), len(second)) < 2:
        return math.nan
    freedom = len(first) + len(second) - 2
    squares = (len(first) - 1) * first.var(ddof=1) + (len(second) - 1) * second.var(ddof=1)
    if squares == 0:
        return math.nan
    return float((first.mean() - second.mean()) / math.sqrt(squares / freedom))


def gap_closed(value: float, *, low: float, high: float) -> float:
    """Percent of the way from ``low`` to ``high``: 0 at ``low``, 100 at ``high``.

    NaN where there is no gap because ``high`` is not above ``low``. Lengths (such as a standard
    error) scale by 100 / (high - low).
    """
    return 100 * (value - low) / (high - low) if high > low else math.nan


def claim_verdict(interval: Interval, *, above: float) -> str:
    """Whether a value lies above a threshold, as a claim says, given its confidence interval.

    Returns:
        "supported" if the whole interval lies above, "contradicted" if it lies below or at the
        threshold, "undecided" if it holds it, "not tested" without an interval. For a claim of
        smaller values, turn both signs.
    """
    if math.isnan(interval.low) or math.isnan(interval.high):
        return "not tested"
    if interval.low > above:
        return "supported"
    return "contradicted" if interval.high <= above else "undecided"


def agreement(
    ours: float,
    published: float,
    *,
    our_error: float,
    published_error: float,
    n_errors: float = 2.0,
) -> str:
    """Whether a published value came out again.

    Args:
        ours, published: the two values; NaN where there is none.
        our_error, published_error: their standard errors; NaN counts as 0.
        n_errors: largest difference that still counts as equal, in standard errors of the
            difference, sqrt(our_error^2 + published_error^2).

    Returns:
        "reproduced", "differs", "not run" (ours is NaN) or "not comparable" (no published value, or
        neither side states an error).
    """
    if math.isnan(ours):
        return "not run"
    error = math.hypot(*np.nan_to_num([our_error, published_error]))
    if math.isnan(published) or error == 0:
        return "not comparable"
    return "reproduced" if abs(ours - published) <= n_errors * error else "differs"


def defined(values: ArrayLike) -> tuple[np.ndarray, int]:
    """The values that are not NaN, flat, and how many are."""
    flat = np.asarray(values, dtype=float).ravel()
    undefined = np.isnan(flat)
    return flat[~undefined], int(undefined.sum())

"""Statistics of learned normalization as rows of one table (Burg et al. 2021, sections of F5, F7).

Every row: role of the model, criterion of orientation ("" where it plays no part), statistic, unit
over which n counts, n, value, low and high (95 % t interval; of a slope, that of the regression),
p (Wilcoxon's signed-rank test of the two groups; of a slope, of the regression). NaN: undefined.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from v1lib.learned_normalization import LearnedNormalization
from v1lib.normalization_input import (
    GroupComparison,
    mean_readout_weights,
    regression_on_difference,
)
from v1lib.normalization_tables import (
    bins_of,
    compared_groups,
    ratios_of,
    sums_by_likeness,
    sums_by_orientation,
)
from v1lib.orientation_of_filters import orientations
from v1lib.summaries import coefficient_of_variation, summarise, t_interval


@dataclass(frozen=True)
class Statistic:
    """One row, without the model it belongs to; attributes as in the module's description."""

    criterion: str
    statistic: str
    unit: str
    n: int
    value: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan


STATISTIC_COLUMNS = (
    *("role", "dataset", "model", "criterion", "statistic", "unit", "n"),
    *("value", "low", "high", "p", "source_kind"),
)


def as_table(role: str, learned: LearnedNormalization, statistics: list[Statistic]) -> pd.DataFrame:
    """Statistics of a model as a table of ``STATISTIC_COLUMNS``."""
    table = pd.DataFrame([asdict(statistic) for statistic in statistics]).assign(
        role=role,
        dataset=learned.dataset,
        model=learned.model,
        source_kind=learned.source_kind,
    )
    return table[list(STATISTIC_COLUMNS)]


def of_all_features(best: LearnedNormalization) -> list[Statistic]:
    """Statistics that need no orientation: likeness of filters, exponents, readout.

    Args:
        best: networks without spatial pools.
    """
    alike = compared_groups(sums_by_likeness(best), "group", "above 0", "0 or below")
    weights = mean_readout_weights(best.readout_features)
    return [
        *_compared("", "like_over_unlike", alike),
        _over_models("", "exponent", best.exponent.mean(axis=1)),
        Statistic(
            criterion="",
            statistic="readout_weight_variation",
            unit="features of all models",
            n=int(np.isfinite(weights).sum()),
            value=coefficient_of_variation(weights),
        ),
    ]


def by_criterion(
    best: LearnedNormalization,
    *,
    oriented: dict,
    similar_below_deg: float,
    bin_width_deg: float,
) -> list[Statistic]:
    """Statistics that depend on which features count as oriented.

    ``similar_over_dissimilar`` compares sums, as the paper does; ``…_per_pair`` divides each by its
    number of pairs, which differ: it is 1 on average where normalization ignores orientation.

    Args:
        best: networks without spatial pools, rank 1 among them.
        oriented: criterion and threshold of ``orientations``.
        similar_below_deg: difference from which two orientations are dissimilar.
        bin_width_deg: divides 90.
    """
    name = oriented["criterion"]
    angles = orientations(best.filters, **oriented)
    is_oriented = np.isfinite(angles)
    sums = sums_by_orientation(best, oriented=oriented, similar_below_deg=similar_below_deg)
    per_pair = sums.assign(input=sums["input"] / sums["n_pairs"].where(sums["n_pairs"] > 0))
    bins = bins_of(best, oriented=oriented, bin_width_deg=bin_width_deg)
    first, last = bins["bin_centre_deg"].min(), bins["bin_centre_deg"].max()
    groups = ("group", "similar", "dissimilar")
    return [
        _over_models(name, "oriented_features", is_oriented.sum(axis=1)),
        _oriented_in_best(best, name, is_oriented),
        *_compared(name, "similar_over_dissimilar", compared_groups(sums, *groups)),
        *_compared(name, "similar_over_dissimilar_per_pair", compared_groups(per_pair, *groups)),
        *_compared(
            name, "first_over_last_bin", compared_groups(bins, "bin_centre_deg", first, last)
        ),
        _slope(best, name, angles),
        _over_models(name, "exponent_oriented", _mean_of(best.exponent, is_oriented)),
        _over_models(name, "exponent_unoriented", _mean_of(best.exponent, ~is_oriented)),
    ]


def class_difference(
    first: LearnedNormalization,
    second: LearnedNormalization,
    *,
    oriented: dict,
    similar_below_deg: float,
) -> Statistic:
    """Similar over dissimilar input of two model classes: how much larger in the first.

    The value is the difference of the mean ratios, with Welch's 95 % interval and p.
    """
    samples = []
    for models in (first, second):
        sums = sums_by_orientation(models, oriented=oriented, similar_below_deg=similar_below_deg)
        ratios = ratios_of(sums)
        samples.append(ratios[np.isfinite(ratios)])
    sizes = [len(sample) for sample in samples]
    row = partial(
        Statistic,
        criterion=oriented["criterion"],
        statistic="similar_over_dissimilar_minus_control",
        unit="models of both classes",
        n=sum(sizes),
    )
    if min(sizes) < 2 or max(map(np.ptp, samples)) == 0:
        return row(value=math.nan)
    test = stats.ttest_ind(*samples, equal_var=False)
    low, high = map(float, test.confidence_interval())
    return row(
        value=float(samples[0].mean() - samples[1].mean()), low=low, high=high, p=float(test.pvalue)
    )


def of_pools(best: LearnedNormalization) -> list[Statistic]:
    """Where the pools of the best network have their weight, and how alike its components are.

    ``pool_centre_over_others``: weight at the centre over the mean of the other places, each pool
    averaged over its components. ``pool_component_cosine``: cosine similarity of the components.

    Args:
        best: networks with spatial pools; rank 1 counts.
    """
    pools = best.of_ranks(1, 1).pool[0].astype(float)
    size = pools.shape[-1]
    average = pools.mean(axis=1)
    centre = average[:, size // 2, size // 2]
    others = (average.sum((1, 2)) - centre) / max(size**2 - 1, 1)
    ratio = np.divide(centre, others, out=np.full(len(centre), np.nan), where=others > 0)
    flat = pools.reshape(*pools.shape[:2], -1)  # of norm 1
    between = np.triu_indices(flat.shape[1], k=1)
    cosine = (flat @ flat.transpose(0, 2, 1))[:, *between]
    alike = cosine.mean(axis=1) if cosine.shape[1] else np.full(len(flat), np.nan)
    return [
        _over("features", "", "pool_centre_over_others", ratio),
        _over("features", "", "pool_component_cosine", alike),
    ]


def _over_models(criterion: str, statistic: str, values: np.ndarray) -> Statistic:
    return _over("models", criterion, statistic, values)


def _over(unit: str, criterion: str, statistic: str, values: np.ndarray) -> Statistic:
    summary, interval = summarise(values, ddof=1), t_interval(values)
    return Statistic(
        criterion, statistic, unit, summary.n, summary.mean, interval.low, interval.high
    )


def _compared(criterion: str, statistic: str, found: GroupComparison) -> list[Statistic]:
    ratio = Statistic(
        criterion=criterion,
        statistic=statistic,
        unit="models",
        n=found.n,
        value=found.ratio,
        low=found.interval.low,
        high=found.interval.high,
        p=found.p,
    )
    effect = Statistic(criterion, f"{statistic}_cohens_d", "models", found.n, found.cohens_d)
    return [ratio, effect]


def _oriented_in_best(
    best: LearnedNormalization, criterion: str, is_oriented: np.ndarray
) -> Statistic:
    (row,) = np.flatnonzero(best.rank == 1)
    of_best = is_oriented[row]
    return Statistic(
        criterion, "oriented_features_of_best", "features", len(of_best), float(of_best.sum())
    )


def _slope(best: LearnedNormalization, criterion: str, angles: np.ndarray) -> Statistic:
    (row,) = np.flatnonzero(best.rank == 1)
    fit = regression_on_difference(best.inputs[row], angles[row])
    return Statistic(
        criterion=criterion,
        statistic="slope_per_deg_of_best",
        unit="ordered pairs of features",
        n=fit.n,
        value=fit.slope,
        low=fit.interval.low,
        high=fit.interval.high,
        p=fit.p,
    )


def _mean_of(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mean of the chosen values in each row; NaN in a row without any."""
    n = chosen.sum(axis=1)
    total = np.where(chosen, values, 0.0).sum(axis=1)
    return np.divide(total, n, out=np.full(len(values), np.nan), where=n > 0)

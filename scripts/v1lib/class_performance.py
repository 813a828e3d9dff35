"""How well the best draws of several models predict, and how the models compare.

A model stands for a search: its best draws (by validation) each give one number, the mean FEV over
neurons in percent, and mean, error and interval are over those draws. Tests over neurons compare
single networks, the best draw of each model (Burg et al. 2021, Fig 3 and Fig 7B).
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from v1lib.rankings import RANK_COLUMNS, read_ranking
from v1lib.score_files import read_scores
from v1lib.statistics import normality, pairwise_comparisons
from v1lib.summaries import gap_closed, summarise, t_interval


def best_draws(rankings: Sequence[Path], models: Sequence[str], *, n_top: int) -> pd.DataFrame:
    """The best draws of each model, models in the order given, fewer than ``n_top`` if there are.

    Returns:
        Columns of the rankings, with fev_percent, and n_draws, the ranked draws of the model;
        without ``models`` no rows.

    Raises:
        ValueError: no ranking holds one of the models.
    """
    nothing = pd.DataFrame(columns=[*RANK_COLUMNS, "source_kind"])
    found = [read_ranking(path) for path in rankings]
    tables = pd.concat(found, ignore_index=True) if found else nothing
    chosen = []
    for model in models:
        of_model = tables[tables["model"] == model]
        if of_model.empty:
            raise ValueError(
                f"no ranking of model {model!r} in {[str(path) for path in rankings]}; there are "
                f"{sorted(tables['model'].unique())}"
            )
        best = of_model[of_model["rank"] <= n_top]
        chosen.append(best.assign(fev_percent=100 * best["fev"], n_draws=len(of_model)))
    if not chosen:
        return nothing.assign(fev_percent=[], n_draws=[])
    return pd.concat(chosen, ignore_index=True)


def model_summary(draws: pd.DataFrame) -> dict[str, float]:
    """FEV of the best draws of one model, in percent: sem has ddof 1, the interval is Student's.

    Returns:
        n_models, n_draws, mean, sem, max, best (the draw of rank 1), low, high (95 % interval),
        shapiro_w, shapiro_p.
    """
    fev = draws["fev_percent"]
    summary, interval = summarise(fev, ddof=1), t_interval(fev)
    shapiro = normality(fev)
    return {
        "n_models": summary.n,
        "n_draws": int(draws["n_draws"].iloc[0]),
        "mean": summary.mean,
        "sem": summary.sem,
        "max": float(fev.max()),
        "best": float(fev[draws["rank"].idxmin()]),
        "low": interval.low,
        "high": interval.high,
        "shapiro_w": shapiro[0],
        "shapiro_p": shapiro[1],
    }


def summaries(draws: pd.DataFrame, *, gap: tuple[str, str]) -> pd.DataFrame:
    """One row per model, on both scales.

    Args:
        draws: rows of ``best_draws``.
        gap: models at 0 and 100 % of the second scale; their mean FEVs are its ends.

    Returns:
        dataset, model, the values of ``model_summary`` in percent FEV, and gap_mean, gap_sem,
        gap_max, gap_best, gap_low, gap_high in percent of the gap (the ends taken as exact, as the
        paper does). NaN on the second scale where a model of ``gap`` is missing or the second is
        not above the first.
    """
    rows = []
    for model, of_model in draws.groupby("model", sort=False):
        row = {"dataset": of_model["dataset"].iloc[0], "model": model, **model_summary(of_model)}
        rows.append(row | {"source_kind": of_model["source_kind"].iloc[0]})
    table = pd.DataFrame(rows)
    means = table.set_index("model")["mean"]
    low, high = (means.get(model, np.nan) for model in gap)
    for name in ("mean", "max", "best", "low", "high"):
        table[f"gap_{name}"] = [gap_closed(value, low=low, high=high) for value in table[name]]
    table["gap_sem"] = [gap_closed(low + sem, low=low, high=high) for sem in table["sem"]]
    return table[[*table.columns.difference(["source_kind"], sort=False), "source_kind"]]


def gap_error(table: pd.DataFrame, low: str, middle: str, high: str) -> float:
    """Standard error, in percent of the gap, of where a model's mean lies between two others.

    For g = (b - a) / (c - a) with independent errors: dg = [db - (1 - g) da - g dc] / (c - a).

    Args:
        table: of ``summaries``, with the models as index.
        low, middle, high: models a, b, c.
    """
    means, errors = table["mean"], table["sem"]
    gap = means[high] - means[low]
    share = (means[middle] - means[low]) / gap
    parts = (errors[middle], (1 - share) * errors[low], share * errors[high])
    return 100 * math.hypot(*parts) / abs(gap)


def fev_of_neurons(
    scores: Sequence[Path], rankings: Sequence[Path], models: Sequence[str], *, n_top: int = 1
) -> pd.DataFrame:
    """FEV in percent of each neuron (rows) by the best draw of each model (columns).

    With ``n_top`` above 1, the mean over so many best draws, or as many as there are.

    Raises:
        ValueError: a model has no ranking or no scores, or models have other neurons.
    """
    best = best_draws(rankings, models, n_top=n_top)
    columns = {}
    for path in scores:
        table = read_scores([path])
        of_best = table.merge(best[["dataset", "model", "session", "seed"]])
        fev = of_best[(of_best["split"] == "test") & (of_best["metric"] == "fev")]
        for model, rows in fev.groupby("model"):
            columns[model] = 100 * rows.groupby("neuron")["value"].mean()
    missing = [model for model in models if model not in columns]
    if missing:
        raise ValueError(
            f"no FEV of the best draw of {missing[0]!r} in {[str(path) for path in scores]}"
        )
    neurons = set(columns[models[0]].index)
    for model in models:
        if set(columns[model].index) != neurons:
            raise ValueError(f"model {model!r} has other neurons than {models[0]!r}")
    return pd.DataFrame({model: columns[model] for model in models}).sort_index()


def tests_of_pairs(fev: pd.DataFrame, family: str) -> pd.DataFrame:
    """Wilcoxon's signed-rank test of every two models over neurons, Holm-corrected in the family.

    Args:
        fev: table of ``fev_of_neurons``.
        family: name of the tests that are corrected together.

    Returns:
        family, first, second, n_neurons, n_undefined, mean_difference and median_difference
        (percent FEV, first minus second), rank_biserial, statistic, p, p_holm.
    """
    pairs = pairwise_comparisons({model: fev[model].to_numpy() for model in fev})
    return pd.DataFrame(
        [
            {
                "family": family,
                "first": pair.first,
                "second": pair.second,
                "n_neurons": pair.comparison.n,
                "n_undefined": pair.comparison.n_undefined,
                "mean_difference": pair.comparison.mean_difference,
                "median_difference": pair.comparison.median_difference,
                "rank_biserial": pair.comparison.rank_biserial,
                "statistic": pair.comparison.statistic,
                "p": pair.comparison.p,
                "p_holm": pair.p_holm,
            }
            for pair in pairs
        ]
    )

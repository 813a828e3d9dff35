"""Models compared over the same neurons."""

from collections.abc import Sequence

import pandas as pd

from v1lib.score_files import source_kind_of
from v1lib.score_tables import choose, population_summary
from v1lib.statistics import bootstrap_interval, holm, paired_comparison

_PAIRED = (
    *("mean_difference", "difference_low", "difference_high", "median_difference"),
    *("rank_biserial", "n_pairs", "p"),
)


def compare_models(
    neurons: pd.DataFrame,
    models: Sequence[str],
    *,
    reference: str,
    sessions: Sequence[str],
    bootstrap_seed: int,
) -> pd.DataFrame:
    """Every model's result, and its paired difference to a reference over the same neurons.

    Returns:
        One row per model: the columns of ``population_summary``; mean_difference (model minus
        reference) with its 95 % bootstrap interval difference_low, difference_high;
        median_difference, rank_biserial, n_pairs, p (Wilcoxon) and p_holm, corrected over the
        models. NaN in the row of the reference.

    Raises:
        ValueError: a model has other neurons than the reference.
    """
    base = choose(neurons, reference, sessions).set_index(["session", "neuron"])
    rows = []
    for model in models:
        cells = choose(neurons, model, sessions).set_index(["session", "neuron"])
        if not cells.index.sort_values().equals(base.index.sort_values()):
            raise ValueError(f"model {model!r} has other neurons than {reference!r}")
        row = {"dataset": cells["dataset"].iloc[0], "model": model, **population_summary(cells)}
        if model != reference:
            difference = cells["correlation"] - base["correlation"].reindex(cells.index)
            row |= _paired(difference, bootstrap_seed)
        rows.append(row | {"source_kind": source_kind_of(cells)})
    table = pd.DataFrame(rows)
    # without another model than the reference these columns are empty
    table = table.reindex(columns=[*table.columns.difference(_PAIRED, sort=False), *_PAIRED])
    table["p_holm"] = holm(table["p"])
    return table


def _paired(difference: pd.Series, bootstrap_seed: int) -> dict[str, float]:
    test = paired_comparison(difference, 0.0 * difference)
    interval = bootstrap_interval(difference, seed=bootstrap_seed)
    return {
        "mean_difference": test.mean_difference,
        "difference_low": interval.low,
        "difference_high": interval.high,
        "median_difference": test.median_difference,
        "rank_biserial": test.rank_biserial,
        "n_pairs": test.n,
        "p": test.p,
    }

"""Scores of whole populations: the neurons of all scans pooled to one number per network.

A table of them has one row per run, split and metric. What a run was trained on stands beside it,
so that curves over images or neurons can be drawn without opening a network.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from v1lib.oracle import fraction_oracle

RUN_COLUMNS = (
    *("dataset", "model", "seed", "images", "neurons", "n_scans"),
    *("replicate", "initialisation", "penalty"),
)
POPULATION_COLUMNS = (*RUN_COLUMNS, "split", "metric", "value", "n_neurons", "source_kind")

# What the scores are made of: metrics of ``v1lib.metrics`` by split.
INGREDIENTS = {
    "test": (
        *("correlation_to_trials", "correlation_to_average", "oracle_correlation"),
        *("corrected_oracle", "fev", "explainable_share"),
    ),
    "validation": ("correlation_to_trials",),
}


@dataclass(frozen=True)
class PopulationScore:
    """One number for all neurons that a network predicts.

    Attributes:
        split, metric: what was computed on which images.
        value: NaN where no neuron counts.
        n_neurons: those that count.
    """

    split: str
    metric: str
    value: float
    n_neurons: int


def population_scores(
    values: Mapping[str, Mapping[str, np.ndarray]], *, explainable_share: float
) -> list[PopulationScore]:
    """Correlations and oracles averaged over neurons, and what is a ratio over all of them.

    Args:
        values: the metrics of ``INGREDIENTS`` by split and name, each [n_neurons], of all scans.
        explainable_share: a neuron's FEV counts where more than this share of its variance is
            explainable; where hardly any is, FEV says nothing.

    Returns:
        Of the test images correlation_to_trials, correlation_to_average, oracle_correlation, fev
        (means over neurons), fraction_oracle and fraction_oracle_corrected (slopes, see
        ``v1lib.oracle``); of the validation images correlation_to_trials.

    Source: Lurz et al. 2021, reference section 5.
    """
    test, validation = values["test"], values["validation"]
    r, share = test["correlation_to_trials"], test["explainable_share"]
    counted = np.where(share > explainable_share, test["fev"], np.nan)
    return [
        _slope("fraction_oracle", r, test["oracle_correlation"]),
        _slope("fraction_oracle_corrected", r, test["corrected_oracle"]),
        _mean("test", "correlation_to_trials", r),
        _mean("test", "correlation_to_average", test["correlation_to_average"]),
        _mean("test", "oracle_correlation", test["oracle_correlation"]),
        _mean("test", "fev", counted),
        _mean("validation", "correlation_to_trials", validation["correlation_to_trials"]),
    ]


def _slope(metric: str, r: np.ndarray, oracle: np.ndarray) -> PopulationScore:
    n_neurons = int((~(np.isnan(r) | np.isnan(oracle))).sum())
    return PopulationScore("test", metric, fraction_oracle(r, oracle), n_neurons)


def _mean(split: str, metric: str, values: np.ndarray) -> PopulationScore:
    defined = values[~np.isnan(values)]
    value = float(defined.mean()) if len(defined) else float("nan")
    return PopulationScore(split, metric, value, len(defined))

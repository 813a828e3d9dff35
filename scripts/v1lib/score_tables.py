"""Tables of scores: average them over seeds, summarise them over neurons.

A score table has one row per dataset, model, seed, session, neuron, split and metric. Undefined
correlations are NaN there; what a paper makes of them is an option here.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from v1lib.files import read_csv
from v1lib.metrics import fraction_variance_explained
from v1lib.summaries import summarise

NEURON_COLUMNS = (
    *("dataset", "model", "session", "neuron", "n_seeds", "correlation", "correlation_live"),
    *("n_undefined", "n_dead", "cc_norm_surrogate", "n_surrogate", "ceiling_surrogate"),
    *("loss", "baseline_loss", "mean_response", "mean_rate_hz", "source_kind"),
)
_METRICS = (
    *("correlation", "dead", "cc_norm_surrogate", "ceiling_surrogate"),
    *("loss", "baseline_loss", "mean_response", "response_variance"),
)
_RUN = ["dataset", "model", "session", "seed"]
_UNDEFINED = ("zero", "skip")


def read_neurons(path: Path) -> pd.DataFrame:
    """The table of ``neuron_means`` as a step wrote it."""
    return read_csv(path, required=NEURON_COLUMNS)


def by_run_and_neuron(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per run (dataset, model, session, seed) and neuron, one column per metric.

    Raises:
        ValueError: a metric is missing.
    """
    test = scores[scores["split"] == "test"]
    key = [*_RUN, "neuron", "source_kind"]
    # not pivot_table: it drops what is NaN
    wide = test.pivot(index=key, columns="metric", values="value")  # noqa: PD010
    missing = [metric for metric in _METRICS if metric not in wide.columns]
    if missing:
        raise ValueError(f"the scores have no metric {missing}; they have {sorted(wide.columns)}")
    return wide.reset_index().rename_axis(columns=None)


def neuron_means(
    scores: pd.DataFrame, *, response_window_s: float, undefined_correlation: str
) -> pd.DataFrame:
    """Means over the seeds (random splits) of each neuron: one row per model and neuron.

    Args:
        scores: rows of ``SCORE_COLUMNS``.
        response_window_s: length of the counting window (s), turns counts into rates.
        undefined_correlation: what a correlation counts that is undefined because the prediction or
            the response is constant: "zero" as in Kindel et al. 2019 (runnet.py), or "skip".

    Returns:
        Columns of ``NEURON_COLUMNS``: ``correlation_live`` averages the seeds in which the output
        was not dead; ``n_undefined``, ``n_dead``, ``n_surrogate`` count seeds;
        ``cc_norm_surrogate`` averages the seeds in which it is defined.

    Raises:
        ValueError: unknown option, window not positive, or a metric is missing.
    """
    if undefined_correlation not in _UNDEFINED:
        raise ValueError(
            f"undefined_correlation is {undefined_correlation!r}, allowed: {_UNDEFINED}"
        )
    if not response_window_s > 0:
        raise ValueError(f"response_window_s is {response_window_s}, must be above 0")
    runs = by_run_and_neuron(scores)
    runs["n_undefined"] = runs["correlation"].isna()
    runs["correlation_live"] = runs["correlation"].where(runs["dead"] == 0)
    if undefined_correlation == "zero":
        runs["correlation"] = runs["correlation"].fillna(0.0)
    groups = runs.groupby(["dataset", "model", "session", "neuron", "source_kind"], sort=False)
    means = groups[
        [
            *("correlation", "correlation_live", "cc_norm_surrogate", "ceiling_surrogate"),
            *("loss", "baseline_loss", "mean_response"),
        ]
    ].mean()
    means["n_seeds"] = groups.size()
    means["n_undefined"] = groups["n_undefined"].sum().astype(int)
    means["n_dead"] = groups["dead"].sum().astype(int)
    means["n_surrogate"] = groups["cc_norm_surrogate"].count()
    means["mean_rate_hz"] = means["mean_response"] / response_window_s
    return means.reset_index()[list(NEURON_COLUMNS)]


def choose(table: pd.DataFrame, model: str, sessions: Sequence[str]) -> pd.DataFrame:
    """Rows of one model and of the sessions named.

    Raises:
        ValueError: the table has no row of that model or of one of the sessions, or the rows belong
            to several data sets.
    """
    chosen = table[(table["model"] == model) & table["session"].isin(list(sessions))]
    missing = [session for session in sessions if session not in set(chosen["session"])]
    if missing or chosen.empty:
        raise ValueError(
            f"no scores of model {model!r} in session {missing or list(sessions)}; there are "
            f"models {sorted(table['model'].unique())}, "
            f"sessions {sorted(table['session'].unique())}"
        )
    datasets = sorted(chosen["dataset"].unique())
    if len(datasets) > 1:
        raise ValueError(f"model {model!r} has scores on several data sets: {datasets}")
    return chosen.reset_index(drop=True)


def population_summary(neurons: pd.DataFrame) -> dict[str, float]:
    """Results over neurons; SEM is the population standard deviation (ddof 0) over the root of n.

    Args:
        neurons: rows of ``NEURON_COLUMNS`` of one model.

    Returns:
        n_neurons, mean_r, sem_r, median_r, fve; n_live, mean_r_live, sem_r_live over neurons whose
        output lives in at least one seed; dead_outputs per network; n_cc, mean_cc, sem_cc of the
        Poisson surrogate of CC_norm over the neurons where it is defined.
    """
    summary: dict[str, float] = {"n_neurons": len(neurons)}
    for name, column in (("r", "correlation"), ("r_live", "correlation_live")):
        values = neurons[column].dropna()
        summary |= {f"mean_{name}": values.mean(), f"sem_{name}": sem(values)}
    surrogate = neurons["cc_norm_surrogate"].dropna()
    return summary | {
        "median_r": neurons["correlation"].median(),
        "n_live": int(neurons["correlation_live"].notna().sum()),
        "fve": fraction_variance_explained(neurons["loss"], neurons["baseline_loss"]),
        "dead_outputs": float((neurons["n_dead"] / neurons["n_seeds"]).sum()),
        "n_cc": len(surrogate),
        "mean_cc": surrogate.mean(),
        "sem_cc": sem(surrogate),
    }


def sem(values: Sequence[float]) -> float:
    """Standard error of the mean as the published code has it: with ddof 0 (runnet.py)."""
    return summarise(values, ddof=0).sem

"""Rank the draws of a hyperparameter search by what they predict of the validation images."""

import logging

import pandas as pd

from v1lib.files import write_csv
from v1lib.rankings import DRAW_PREFIX, RANK_COLUMNS
from v1lib.score_files import read_records, read_scores
from v1lib.steps import Input, Inputs, Output

_RUN = ["dataset", "model", "session", "seed"]

log = logging.getLogger(__name__)


def main(*, scores: Input, runs: Inputs, ranking: Output, draws: Output) -> None:
    """From the scores and run records of one model to its draws, best first, and to all draws.

    Rank 1 has the highest correlation with single validation trials, mean over neurons with an
    undefined one as 0 (Burg et al. 2021; not by the loss that stopped the training). ``fev``
    is the mean on the test images over the neurons that have one, and decides nothing here. Of
    ``n_neurons``, ``n_undefined`` have no correlation and ``n_undefined_fev`` no FEV. A draw that
    failed has no rank, nor has one that others published without weights; ``draws`` has a row for
    it too, with the reason.
    """
    records = read_records(runs)
    _check(records)
    table = _all_draws(records).merge(_results(read_scores([scores])), on=_RUN, how="left")
    lost = table[(table["status"] == "ok") & table["validation_correlation"].isna()]
    if len(lost):
        raise ValueError(f"{scores}: no scores of seed {lost['seed'].iloc[0]}, which ended well")
    ok = table[table["status"] == "ok"].sort_values(
        ["validation_correlation", "seed"], ascending=[False, True]
    )
    table.loc[ok.index, "rank"] = range(1, len(ok) + 1)
    unranked = table[table["status"] != "ok"]
    log.info("%d draws, %d of them without a rank", len(table), len(unranked))
    for (status, reason), n in unranked[["status", "reason"]].value_counts().items():
        log.warning("%d draws without a rank (%s): %s", n, status, reason)
    drawn = [column for column in table if column.startswith(DRAW_PREFIX)]
    kept = [*RANK_COLUMNS, "n_undefined", "n_undefined_fev", "n_neurons", *drawn, "source_kind"]
    write_csv(table.loc[ok.index, kept].astype({"rank": int}), ranking)
    write_csv(table[[*kept, "status", "reason", "wall_seconds", "best_step"]], draws)


def _check(records: pd.DataFrame) -> None:
    sessions = records["session"].unique()
    if len(sessions) > 1:
        raise ValueError(
            f"draws are ranked over all neurons at once, but the runs are of {len(sessions)} "
            f"sessions {sorted(sessions)}; rank a data set of one session"
        )
    if not (records["status"] == "ok").any():
        raise ValueError(f"every draw failed: {sorted(records['reason'].unique())}")


def _all_draws(records: pd.DataFrame) -> pd.DataFrame:
    """What was drawn and how it ended, one row per draw in the order of the seeds."""
    drawn = pd.DataFrame(records["draw"].tolist(), index=records.index).add_prefix(DRAW_PREFIX)
    told = [*_RUN, "source_kind", "status", "reason", "wall_seconds", "best_step"]
    table = pd.concat([records.reindex(columns=told), drawn], axis=1)
    return table.assign(rank=float("nan")).sort_values("seed", ignore_index=True)


def _results(scores: pd.DataFrame) -> pd.DataFrame:
    """Means over neurons of each draw.

    Raises:
        ValueError: the scores lack one of the two metrics.
    """
    correlation = _of(scores, "validation", "trial_correlation")
    fev = _of(scores, "test", "fev")
    results = {
        "validation_correlation": correlation.fillna(0.0).groupby(level=_RUN).mean(),
        "n_undefined": correlation.isna().groupby(level=_RUN).sum(),
        "n_neurons": correlation.groupby(level=_RUN).size(),
        "fev": fev.groupby(level=_RUN).mean(),
        "n_undefined_fev": fev.isna().groupby(level=_RUN).sum(),
    }
    return pd.DataFrame(results).reset_index()


def _of(scores: pd.DataFrame, split: str, metric: str) -> pd.Series:
    rows = scores[(scores["split"] == split) & (scores["metric"] == metric)]
    if rows.empty:
        raise ValueError(
            f"the scores have no {metric} on the {split} images; add it to evaluate.{split} of the "
            "data set"
        )
    return rows.set_index([*_RUN, "neuron"])["value"]

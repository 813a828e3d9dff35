"""Read the files that scoring and training leave: tables of scores, records of runs.

A score table has one row per dataset, model, seed, session, neuron, split and metric. Undefined
correlations are NaN there.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from v1lib.files import read_csv, read_json

SCORE_COLUMNS = (
    *("dataset", "model", "seed", "session", "neuron"),
    *("split", "metric", "value", "source_kind"),
)


def read_scores(paths: Sequence[Path]) -> pd.DataFrame:
    """Score files of several models as one table.

    Raises:
        ValueError: a file lacks a column, or a score appears twice.
    """
    tables = [read_csv(path, required=SCORE_COLUMNS) for path in paths]
    scores = pd.concat(tables, ignore_index=True)
    key = [column for column in SCORE_COLUMNS if column not in ("value", "source_kind")]
    twice = scores[scores.duplicated(key)]
    if len(twice):
        raise ValueError(
            f"{len(twice)} scores appear twice, the first is {twice[key].iloc[0].to_dict()}; "
            f"each model's scores belong in one of {[str(path) for path in paths]}"
        )
    return scores


def source_kind_of(*tables: pd.DataFrame) -> str:
    """The one source kind of all rows, "real" or "simulated".

    Raises:
        ValueError: the tables are empty, mix both kinds or name another.
    """
    kinds = sorted({kind for table in tables for kind in table["source_kind"].unique()})
    if len(kinds) != 1 or kinds[0] not in ("real", "simulated"):
        raise ValueError(
            f"source_kind of these rows is {kinds}: expected either real or simulated, for all"
        )
    return kinds[0]


def read_records(paths: Sequence[Path]) -> pd.DataFrame:
    """Run records of several blocks, one row per run, also of those that failed.

    Returns:
        The records' own fields as columns (dictionaries stay dictionaries).
    """
    return pd.DataFrame([record for path in paths for record in read_json(path)])


def read_runs(paths: Sequence[Path]) -> pd.DataFrame:
    """Run records of several blocks, one row per run that ended well.

    Raises:
        ValueError: no run ended well.
    """
    records = read_records(paths)
    runs = records[records["status"] == "ok"].reset_index(drop=True)
    if runs.empty:
        reasons = sorted(map(str, records["reason"].unique()))
        raise ValueError(f"no run ended well in {[str(path) for path in paths]}: {reasons}")
    return runs

"""Pairwise tests over neurons between the best draws of the models."""

import pandas as pd

from v1lib.class_performance import fev_of_neurons, tests_of_pairs
from v1lib.files import read_csv, write_csv
from v1lib.markdown import markdown_table, write_markdown
from v1lib.plotting import looks
from v1lib.score_files import source_kind_of
from v1lib.steps import Inputs, Output
from v1lib.unlike_training import in_words

_HEADER = (
    "first",
    "second",
    "neurons",
    "median difference (% FEV)",
    "rank-biserial",
    "p",
    "p, Holm",
)
_NOTE = (
    "FEV of each neuron by the best draw (rank 1 by validation) of each model; Wilcoxon's "
    "signed-rank test, two-sided, paired by neuron, corrected by Holm's method for the number of "
    "pairs of a family. Differences are first minus second. Family-wise level: {level:g}."
)


def main(
    *,
    scores: Inputs,
    rankings: Inputs,
    table: Output,
    markdown: Output,
    families: dict,
    steps: dict,
    significance: float,
) -> None:
    """From scores and rankings to one row per pair of models of each family.

    ``families``: lists of models by the name of the family, each corrected by itself.
    ``steps``: by family, models and the most steps of their training, none where all were trained
    alike; else the markdown says so.
    ``significance``: family-wise level, for the column ``significant`` (1 or 0).
    """
    models = list(dict.fromkeys(model for family in families.values() for model in family))
    fev = fev_of_neurons(scores, rankings, models)
    found = pd.concat(
        [tests_of_pairs(fev[members], family) for family, members in families.items()],
        ignore_index=True,
    )
    kind = source_kind_of(*[read_csv(path, required=["source_kind"]) for path in rankings])
    found = found.assign(significant=(found["p_holm"] < significance).astype(int), source_kind=kind)
    write_csv(found, table)
    names = {model: look.label for model, look in looks(models).items()}
    parts = [_NOTE.format(level=significance)]
    for family, rows in found.groupby("family", sort=False):
        lines = [_line(row, names) for row in rows.to_dict("records")]
        parts.append(f"## {family}")
        if steps[family]:
            parts.append(f"**Note**: {in_words(steps[family])}; differences may come from that.")
        parts.append(markdown_table(_HEADER, lines))
    write_markdown(markdown, "Tests between models", parts, source_kind=kind)


def _line(row: dict, names: dict[str, str]) -> list[object]:
    values = (row["n_neurons"], row["median_difference"], row["rank_biserial"])
    return [names[row["first"]], names[row["second"]], *values, row["p"], row["p_holm"]]

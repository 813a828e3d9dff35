"""FEV of every model over its best draws, in percent and in percent of the gap to the CNN."""

import math

from v1lib.class_performance import best_draws, summaries
from v1lib.files import write_csv
from v1lib.markdown import markdown_table, write_markdown
from v1lib.plotting import looks
from v1lib.score_files import source_kind_of
from v1lib.steps import Inputs, Output

_HEADER = ("model", "draws used", "of", "mean", "SEM", "max", "best", "95 % interval")
_NOTE = (
    "FEV: explained share of the explainable variance of single test trials, mean over neurons, "
    "one number per draw. Draws used: the best by correlation with the validation trials. SEM has "
    "ddof 1; the interval is Student's t; best is the draw of rank 1, max the highest of these."
)
_GAP_NOTE = (
    "0 is the mean of {low}, 100 that of {high}; both are taken as exact, so the errors of the two "
    "ends do not enter."
)
_SHAPIRO_NOTE = "Shapiro and Wilk's test of the FEVs of the draws used (p below 0.05: not normal):"


def main(
    *,
    rankings: Inputs,
    table: Output,
    markdown: Output,
    models: list,
    gap: list,
    n_top: int,
) -> None:
    """From the rankings of all models to one row per model.

    ``gap``: the models at 0 and 100 % of the second scale; ``n_top``: best draws that count.
    """
    found = summaries(best_draws(rankings, models, n_top=n_top), gap=(gap[0], gap[1]))
    write_csv(found, table)
    names = {model: look.label for model, look in looks(models).items()}
    rows = found.to_dict("records")
    low, high = (names[model] for model in gap)
    tests = [(names[row["model"]], row["shapiro_w"], row["shapiro_p"]) for row in rows]
    parts = [
        _NOTE,
        "## FEV (%)",
        markdown_table(_HEADER, [_line(row, names, "") for row in rows]),
        "## Gap closed (%)",
        *_gap(rows, names, low, high),
        "## Normality",
        _SHAPIRO_NOTE,
        markdown_table(("model", "W", "p"), tests),
    ]
    write_markdown(markdown, "FEV per model", parts, source_kind=source_kind_of(found))


def _gap(rows: list[dict], names: dict[str, str], low: str, high: str) -> list[str]:
    """The table in percent of the gap between two models, or that there is none."""
    if all(math.isnan(row["gap_mean"]) for row in rows):
        return [f"There is no gap: the mean of {high} is not above that of {low}."]
    table = markdown_table(_HEADER, [_line(row, names, "gap_") for row in rows])
    return [_GAP_NOTE.format(low=low, high=high), table]


def _line(row: dict, names: dict[str, str], scale: str) -> list[object]:
    values = {name: row[scale + name] for name in ("mean", "sem", "max", "best", "low", "high")}
    interval = f"{values['low']:.2f} to {values['high']:.2f}" if row["n_models"] > 1 else ""
    numbers = [round(values[name], 2) for name in ("mean", "sem", "max", "best")]
    return [names[row["model"]], row["n_models"], row["n_draws"], *numbers, interval]

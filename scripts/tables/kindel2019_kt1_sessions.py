"""KT1: results of every model in every session."""

import pandas as pd

from v1lib.files import write_csv
from v1lib.markdown import markdown_table, plus_minus, write_markdown
from v1lib.plotting import looks
from v1lib.score_files import read_runs, source_kind_of
from v1lib.score_tables import choose, population_summary, read_neurons
from v1lib.steps import Input, Inputs, Output

_HEADER = (
    *("session", "cells", "r, mean ± SEM", "r, median", "r of live cells", "FVE"),
    *("dead outputs", "selected step", "splits"),
)
_NOTE = (
    "r: Pearson correlation on the evaluation images, mean over splits for each cell, then mean ± "
    "SEM over cells (standard deviation with ddof 0 over the root of n). An undefined r (constant "
    "prediction or response) counts 0; beside it, the mean over cells and splits with a live "
    "output. FVE: 1 - sum of losses / sum of baseline losses. Dead outputs: mean number per "
    "network. Selected step: median over splits; regressions have none."
)


def main(
    *,
    neurons: Input,
    runs: Inputs,
    table: Output,
    markdown: Output,
    models: list,
    sessions: list,
) -> None:
    """From results per neuron and run records to one row per model and session."""
    cells = read_neurons(neurons)
    steps = selected_steps(read_runs(runs))
    rows = []
    for model in models:
        chosen = choose(cells, model, sessions)
        for session in sessions:
            of_session = chosen[chosen["session"] == session]
            rows.append(
                {
                    "dataset": of_session["dataset"].iloc[0],
                    "model": model,
                    "session": session,
                    "n_seeds": int(of_session["n_seeds"].max()),
                    **population_summary(of_session),
                    "selected_step": steps.get((model, session), float("nan")),
                    "source_kind": source_kind_of(of_session),
                }
            )
    results = pd.DataFrame(rows)
    write_csv(results, table)
    parts = [_NOTE]
    for model, look in looks(models).items():
        lines = [_line(row) for row in results[results["model"] == model].to_dict("records")]
        parts += [f"## {look.label}", markdown_table(_HEADER, lines)]
    write_markdown(markdown, "Results per session", parts, source_kind=source_kind_of(results))


def selected_steps(runs: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Median selected step over the seeds, by model and session; without models that have none."""
    if "best_step" not in runs:
        return {}
    medians = runs.dropna(subset=["best_step"]).groupby(["model", "session"])["best_step"].median()
    return medians.to_dict()


def _line(row: dict) -> list[object]:
    return [
        row["session"],
        row["n_neurons"],
        plus_minus(row["mean_r"], row["sem_r"]),
        plus_minus(row["median_r"], float("nan")),
        plus_minus(row["mean_r_live"], row["sem_r_live"]),
        plus_minus(row["fve"], float("nan")),
        round(row["dead_outputs"], 2),
        row["selected_step"],
        row["n_seeds"],
    ]

"""KT2: results of every model over the population."""

import pandas as pd

from v1lib.files import write_csv
from v1lib.markdown import markdown_table, plus_minus, write_markdown
from v1lib.plotting import looks
from v1lib.score_files import source_kind_of
from v1lib.score_tables import choose, population_summary, read_neurons
from v1lib.steps import Input, Output

_HEADER = (
    *("model", "neurons", "n", "r, mean ± SEM", "r, median", "r of live neurons"),
    *("CC_norm, Poisson surrogate", "n (CC_norm)", "FVE", "dead outputs"),
)
_NOTE = (
    "r: Pearson correlation on the evaluation images, mean over splits for each neuron; mean ± SEM "
    "over neurons (ddof 0). An undefined r counts 0; beside it, the mean over neurons and splits "
    "with a live output. CC_norm cannot be had from responses averaged over trials: its Poisson "
    "surrogate is given, over the neurons where it is defined. The plain r must not be set beside "
    "the published CC_norm. Dead outputs: mean number over splits. Rates are counts over "
    "{window:g} ms."
)


def main(
    *,
    neurons: Input,
    table: Output,
    markdown: Output,
    models: list,
    populations: dict,
    active_rate_hz: float,
    response_window_s: float,
) -> None:
    """From results per neuron to one row per model, population of sessions, and activity.

    ``populations``: lists of sessions by name.
    """
    cells = read_neurons(neurons)
    rows = []
    for model in models:
        for population, sessions in populations.items():
            chosen = choose(cells, model, sessions)
            active = chosen["mean_rate_hz"] > active_rate_hz
            groups = {
                "all": chosen,
                f"above {active_rate_hz:g} Hz": chosen[active],
                f"up to {active_rate_hz:g} Hz": chosen[~active],
            }
            rows += [
                {
                    "dataset": chosen["dataset"].iloc[0],
                    "model": model,
                    "population": population,
                    "sessions": " ".join(sessions),
                    "activity": activity,
                    **population_summary(group),
                    "source_kind": source_kind_of(chosen),
                }
                for activity, group in groups.items()
            ]
    results = pd.DataFrame(rows)
    write_csv(results, table)
    parts = [_NOTE.format(window=1000 * response_window_s)]
    for population in populations:
        of_population = results[results["population"] == population].to_dict("records")
        parts += [
            f"## {population}",
            markdown_table(_HEADER, [_line(row) for row in of_population]),
        ]
    write_markdown(markdown, "Results overall", parts, source_kind=source_kind_of(results))


def _line(row: dict) -> list[object]:
    return [
        looks([row["model"]])[row["model"]].label,
        row["activity"],
        row["n_neurons"],
        plus_minus(row["mean_r"], row["sem_r"]),
        plus_minus(row["median_r"], float("nan")),
        plus_minus(row["mean_r_live"], row["sem_r_live"]),
        plus_minus(row["mean_cc"], row["sem_cc"]),
        row["n_cc"],
        plus_minus(row["fve"], float("nan")),
        round(row["dead_outputs"], 2),
    ]

"""Direct training on the evaluation scan: all initialisations, and the best of each subset."""

import pandas as pd

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.lurz2021_curves import CURVE_COLUMNS, curves, read_scored_runs
from v1lib.lurz2021_drawing import CurveLook, draw_line, handle, image_axis, score_axis
from v1lib.score_files import source_kind_of
from v1lib.steps import Input, Output

_ALL = "all initialisations (as published)"
_LOOKS = {
    _ALL: CurveLook(plotting.BLUE),
    "best by validation": CurveLook(plotting.GREEN, "--", "X"),
}
_ONLY_OF_RUNS = ["seed", "replicate", "initialisation", "validation", "value"]
_OF_RUNS = ["dataset", "model", "images", "total_images", "neurons", "n_scans", "source_kind"]


def main(
    *,
    population: Input,
    figure: Output,
    pdf: Output,
    table: Output,
    model: str,
    score: str,
    bootstrap_seed: int,
) -> None:
    """Both ways to count initialisations, mean and 95 % bootstrap interval, and each run as a dot.

    The published curve counts all runs: subsets of images times initialisations.
    """
    runs = read_scored_runs([population], score)
    runs = runs[runs["model"] == model]
    found = curves(runs, dict.fromkeys(_LOOKS, model), seed=bootstrap_seed, unreduced=[_ALL])
    kind = source_kind_of(found)
    with plotting.style():
        page = plotting.new_figure(plotting.COLUMN_CM, 8)
        (ax,) = plotting.panels(page, 1, 1)
        dots = runs["total_images"], runs["value"]
        ax.scatter(*dots, s=6, color=plotting.GREY, linewidths=0, zorder=1)
        for label, look in _LOOKS.items():
            draw_line(ax, found[found["label"] == label], look)
        drawn = pd.concat([found[["mean", "low", "high"]], runs[["value"]]])
        score_axis(ax, drawn, lowest=-0.1, score=score)
        image_axis(ax, found, apart=0.1)
        handles = [handle(look, label) for label, look in _LOOKS.items()]
        page.legend(handles=handles, loc="outside lower center", ncols=2, handlelength=3.2)
    plotting.save_figure(page, figure, pdf, kind)
    of_runs = runs[[*_OF_RUNS, *_ONLY_OF_RUNS]].assign(series="run")
    rows = pd.concat([found.assign(series="curve"), of_runs], ignore_index=True)
    write_csv(rows[["series", *CURVE_COLUMNS[:-1], *_ONLY_OF_RUNS, "source_kind"]], table)

"""Fig 5: cores trained on other animals, on ImageNet, or not at all, on the evaluation scan."""

import pandas as pd
from matplotlib.figure import Figure

from v1lib import plotting
from v1lib.lurz2021_curves import curves, read_scored_runs
from v1lib.lurz2021_drawing import (
    comparable_points,
    draw_curves,
    handle,
    image_axis,
    looks_of,
    other_handles,
    save_curves,
    score_axis,
)
from v1lib.steps import Input, Inputs, Output


def main(
    *,
    populations: Inputs,
    published: Input,
    figure: Output,
    pdf: Output,
    table: Output,
    models: list,
    missing: dict,
    unreduced: list,
    altered: list,
    score: str,
    bootstrap_seed: int,
) -> None:
    """Mean over image subsets with 95 % bootstrap interval, a line per core, in legend order.

    ``models``, ``missing`` and ``score`` as in Fig 3; ``unreduced``: labels of curves whose
    initialisations all count, as the paper has it for direct training; of the others the best by
    validation. Published points stand beside real data only, and not beside the labels ``altered``,
    whose models are not those of the paper.
    """
    runs = read_scored_runs(populations, score)
    found = curves(runs, dict(models), seed=bootstrap_seed, unreduced=unreduced)
    points = comparable_points(published, "fig5", found, [])
    points = points[~points["label"].isin(altered)]
    with plotting.style():
        page = plotting.new_figure(13.4, 8.8)
        (ax,) = plotting.panels(page, 1, 1)
        draw_curves(ax, found, points)
        score_axis(ax, found[["mean", "low", "high"]], lowest=-0.1, score=score)
        image_axis(ax, found, apart=0.085)
        _legend(page, found, missing, with_published=len(points) > 0)
    save_curves(page, found, points, missing, figure=figure, pdf=pdf, table=table)


def _legend(page: Figure, found: pd.DataFrame, missing: dict, *, with_published: bool) -> None:
    looks = looks_of(list(dict.fromkeys(found["label"])))
    entries = [handle(look, label) for label, look in looks.items()]
    entries += other_handles(missing, with_published=with_published)
    page.legend(handles=entries, loc="outside right center", handlelength=3.2)

"""Fig 3: readouts trained directly on a collection of scans, against the number of images."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from v1lib import plotting
from v1lib.lurz2021_curves import curves, read_scored_runs
from v1lib.lurz2021_drawing import (
    FEATURE_SHARING,
    CurveLook,
    comparable_points,
    draw_curves,
    handle,
    image_axis,
    looks_of,
    mark_proxy,
    other_handles,
    save_curves,
    score_axis,
    style_of_neurons,
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
    proxy: list,
    score: str,
    bootstrap_seed: int,
) -> None:
    """Mean over replicates with 95 % bootstrap interval, a line per readout and number of neurons.

    ``models``: label and model of each curve, in legend order; ``missing``: reason by label of the
    curves that cannot be drawn; ``proxy``: what the data stand in the place of, nothing for the
    paper's own collection; ``score``: metric of the test images. Published points stand beside real
    data of the paper's own collection only.
    """
    found = curves(read_scored_runs(populations, score), dict(models), seed=bootstrap_seed)
    points = comparable_points(published, "fig3", found, proxy)
    with plotting.style():
        page = plotting.new_figure(12.6, 8.4)
        mark_proxy(page, proxy)
        (ax,) = plotting.panels(page, 1, 1)
        draw_curves(ax, found, points, by_neurons=True)
        score_axis(ax, found[["mean", "low", "high"]], lowest=0.0, score=score)
        image_axis(ax, found, apart=0.12, per_scan="training images per scan")
        _legend(page, found, missing, with_published=len(points) > 0)
    save_curves(page, found, points, missing, figure=figure, pdf=pdf, table=table)


def _legend(page: Figure, found: pd.DataFrame, missing: dict, *, with_published: bool) -> None:
    """Colours are readouts, line styles and markers are numbers of neurons."""
    looks = looks_of(list(dict.fromkeys(found["label"])))
    entries = [Line2D([], [], color=look.colour, label=label) for label, look in looks.items()]
    for neurons, style in style_of_neurons(found["neurons"].tolist()).items():
        entries.append(handle(CurveLook("black", *style), f"{neurons:,} neurons per scan"))
    entries += other_handles(missing, with_published=with_published)
    page.legend(
        handles=entries, title=FEATURE_SHARING, alignment="left", loc="outside right center"
    )

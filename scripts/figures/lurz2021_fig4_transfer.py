"""Fig 4: what needs the images, core or readout? Transfer to neurons that were held out."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from v1lib import plotting
from v1lib.lurz2021_drawing import (
    comparable_points,
    draw_curves,
    handle,
    image_axis,
    looks_of,
    mark_proxy,
    other_handles,
    save_curves,
    score_axis,
)
from v1lib.lurz2021_transfer import CONDITIONS, PANELS, transfer_curves, transfer_runs
from v1lib.steps import Input, Inputs, Output

_PUBLISHED_AS = {"factorised": "fig4a", "gaussian": "fig4b"}


def main(
    *,
    populations: Inputs,
    records: Inputs,
    published: Input,
    figure: Output,
    pdf: Output,
    table: Output,
    models: dict,
    missing: dict,
    proxy: list,
    score: str,
    bootstrap_seed: int,
) -> None:
    """One panel per readout, mean over replicates with 95 % bootstrap interval of each condition.

    ``models``: model by panel (factorised, gaussian) and condition (direct, diff_core, best_core);
    ``records``: run.json of all blocks of the diff_core models, which say how many images their
    cores had; ``missing``, ``proxy`` and ``score`` as in Fig 3.
    """
    runs = transfer_runs(populations, records, score)
    found = transfer_curves(runs, models, seed=bootstrap_seed)
    points = _points(published, found, proxy)
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 8.6)
        mark_proxy(page, proxy)
        axes = plotting.panels(page, 1, 2, share_y=True)
        for ax, panel in zip(axes, PANELS, strict=True):
            of_panel = found[found["panel"] == panel]
            draw_curves(ax, of_panel, points[points["panel"] == panel])
            image_axis(ax, found, apart=0.12, per_scan="training images per scan")
            ax.set_title(title_of(panel, of_panel["neurons"].unique()), pad=14)
        score_axis(axes[0], found[["mean", "low", "high"]], lowest=0.0, score=score)
        axes[1].grid(axis="y", color="#e6e6e6", linewidth=0.5)
        axes[1].set_axisbelow(True)
        _legend(page, found, missing, with_published=len(points) > 0)
    save_curves(page, found, points, missing, figure=figure, pdf=pdf, table=table)


def title_of(panel: str, neurons: Sequence[int]) -> str:
    """Readout of a panel, and from how many held-out neurons of a scan its scores are."""
    title = f"{panel.capitalize()} readout"
    if not len(neurons):  # no curve of this panel could be drawn
        return title
    counted = " to ".join(f"{n:,.0f}" for n in sorted({min(neurons), max(neurons)}))
    return f"{title}, {counted} held-out neurons per scan"


def _points(published: Input, found: pd.DataFrame, proxy: list) -> pd.DataFrame:
    """Published points of both panels, with the labels of ours."""
    tables = []
    for panel, name in _PUBLISHED_AS.items():
        of_panel = found[found["panel"] == panel].assign(label=lambda rows: rows["condition"])
        points = comparable_points(published, name, of_panel, proxy)
        tables.append(points.assign(panel=panel))
    points = pd.concat(tables, ignore_index=True)
    return points.assign(label=points["label"].map(CONDITIONS))


def _legend(page: Figure, found: pd.DataFrame, missing: dict, *, with_published: bool) -> None:
    drawn = [label for label in CONDITIONS.values() if label in set(found["label"])]
    entries = [handle(look, label) for label, look in looks_of(drawn).items()]
    entries += other_handles(missing, with_published=with_published)
    page.legend(handles=entries, loc="outside lower center", ncols=min(len(entries), 4))

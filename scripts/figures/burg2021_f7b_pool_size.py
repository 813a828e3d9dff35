"""F7B: performance of the divisive models against the size of their normalization pool."""

import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.class_performance import best_draws
from v1lib.files import write_csv
from v1lib.score_files import source_kind_of
from v1lib.steps import Inputs, Output
from v1lib.unlike_training import UNLIKE

_UNLIKE_ID = "unlike-mark"


def main(
    *,
    rankings: Inputs,
    figure: Output,
    pdf: Output,
    table: Output,
    pools: list,
    steps: list,
    n_top: int,
) -> None:
    """FEV of the best draws of each model; large dots are the best by validation.

    ``pools``: model, size (points of the dilated grid) and extent_deg (visual angle) of each; the
    first is the model of the other analyses. ``steps``: models and the most steps of their
    training, none where all were trained alike; else the figure says so. ``n_top`` as in F3.
    """
    models = [pool["model"] for pool in pools]
    draws = best_draws(rankings, models, n_top=n_top).merge(pd.DataFrame(pools), on="model")
    draws["max_steps"] = draws["model"].map(dict(steps))
    with plotting.style():
        page = plotting.new_figure(plotting.COLUMN_CM, 6.5)
        (ax,) = plotting.panels(page, 1, 1)
        _draw(ax, draws, analysed=models[0])
        if steps:
            mark = f"NOT COMPARABLE: {UNLIKE}"
            plotting.mark_face(page, mark, colour=plotting.GREY, gid=_UNLIKE_ID)
    plotting.save_figure(page, figure, pdf, source_kind_of(draws))
    columns = ["dataset", "model", "size", "extent_deg", "max_steps", "rank", "seed"]
    write_csv(draws[[*columns, "fev_percent", "n_draws", "source_kind"]], table)


def _draw(ax: Axes, draws: pd.DataFrame, *, analysed: str) -> None:
    best = draws["rank"] == 1
    others = draws[~best]
    # In front of the large dots, which would hide those that predict equally well.
    ax.scatter(
        others["size"],
        others["fev_percent"],
        s=9,
        color=plotting.GREY,
        edgecolor="white",
        linewidths=0.4,
        zorder=3,
    )
    rest = draws[best & (draws["model"] != analysed)]
    ax.scatter(rest["size"], rest["fev_percent"], s=22, color="black", linewidths=0)
    chosen = draws[best & (draws["model"] == analysed)]
    ax.scatter(chosen["size"], chosen["fev_percent"], s=45, color=plotting.BLUE, linewidths=0)
    pools = draws.groupby("size", sort=True).agg(
        extent_deg=("extent_deg", "first"), n=("rank", "size"), steps=("max_steps", "first")
    )
    labels = [
        f"{row.extent_deg:.2f}\nn = {row.n}"
        + (f"\n≤ {row.steps:,.0f} steps" if pd.notna(row.steps) else "")
        for row in pools.itertuples()
    ]
    ax.set_xticks(pools.index, labels)
    ax.margins(x=0.12, y=0.1)
    ax.set(xlabel="size of the normalization pool (°)", ylabel="FEV (%), test images")
    ax.set_title("large: best draw by validation; blue: analysed model")

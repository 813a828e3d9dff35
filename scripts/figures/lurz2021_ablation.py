"""Retinotopy and feature sharing of the Gaussian readout, each switched off."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from v1lib import plotting
from v1lib.lurz2021_curves import curves, read_scored_runs, reduced
from v1lib.lurz2021_drawing import (
    FEATURE_SHARING,
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
    """Mean over replicates with 95 % bootstrap interval: curves, and the largest data set alone.

    Both have one scale. Only the largest number of neurons counts. Without several numbers of
    images there is no panel of curves. ``models``, ``missing``, ``proxy`` and ``score`` as in
    Fig 3. Published points are of an earlier run of the authors.
    """
    runs = read_scored_runs(populations, score)
    runs = runs[runs["neurons"] == runs.groupby("model")["neurons"].transform("max")]
    found = curves(runs, dict(models), seed=bootstrap_seed)
    points = comparable_points(published, "ablation", found, proxy)
    dots = at_largest(runs, dict(models))
    several = found["total_images"].min() < found["total_images"].max()
    with plotting.style():
        page = plotting.new_figure(15.2 if several else plotting.COLUMN_CM, 8.4)
        mark_proxy(page, proxy)
        axes = plotting.panels(page, 1, 1 + several, widths=[2, 1] if several else None)
        if several:
            draw_curves(axes[0], found, points)
            image_axis(axes[0], found, apart=0.12, per_scan="training images per scan")
        _draw_largest(axes[-1], found, dots)
        drawn = pd.concat([found[["mean", "low", "high"]], dots[["mean"]]])
        for ax in axes:
            score_axis(ax, drawn, lowest=0.0, score=score)
        _legend(page, found if several else found.iloc[:0], missing, with_published=len(points) > 0)
    rows = pd.concat([found.assign(panel="a and b" if several else "b"), dots.assign(panel="b")])
    save_curves(page, rows, points, missing, figure=figure, pdf=pdf, table=table)


def at_largest(runs: pd.DataFrame, models: dict) -> pd.DataFrame:
    """One row per curve and replicate, at the largest number of images that all curves have.

    Raises:
        ValueError: there is no such number.
    """
    best = reduced(runs[runs["model"].isin(list(models.values()))], "best")
    common = set.intersection(*(set(rows["total_images"]) for _, rows in best.groupby("model")))
    if not common:
        raise ValueError(f"models {sorted(models.values())} have no number of images in common")
    best = best[best["total_images"] == max(common)]
    tables = [best[best["model"] == model].assign(label=label) for label, model in models.items()]
    return pd.concat(tables, ignore_index=True).rename(columns={"value": "mean"}).assign(n=1)


def _draw_largest(ax: Axes, found: pd.DataFrame, dots: pd.DataFrame) -> None:
    labels = list(dict.fromkeys(found["label"]))
    for place, (label, look) in enumerate(looks_of(labels).items()):
        values = dots.loc[dots["label"] == label, "mean"]
        shifts = place + plotting.jitter(len(values), 0.3)
        ax.scatter(shifts, values, s=8, color=look.colour, alpha=0.5, linewidths=0)
        at_images = found["total_images"] == dots["total_images"].iloc[0]
        row = found[(found["label"] == label) & at_images].iloc[0]
        error = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
        ax.errorbar(
            place + 0.28, row["mean"], yerr=error, color=look.colour, fmt=look.marker,
            markersize=3, capsize=3,
        )  # fmt: skip
    ax.set_xticks(range(len(labels)), [label.replace(" ", "\n", 1) for label in labels])
    ax.set_xlim(-0.5, len(labels) - 0.3)
    ax.tick_params(axis="x", length=0)
    ax.set_title(f"{dots['total_images'].iloc[0]:,} images")
    ax.set_xlabel(f"cortex: retinotopy\n{FEATURE_SHARING}")


def _legend(page: Figure, found: pd.DataFrame, missing: dict, *, with_published: bool) -> None:
    """Curves of panel a, published points, what is missing; no legend where there is none."""
    labels = list(dict.fromkeys(found["label"]))
    entries = [handle(look, label) for label, look in looks_of(labels).items()]
    entries += other_handles(missing, with_published=with_published)
    if entries:
        page.legend(handles=entries, loc="outside lower center", ncols=4, handlelength=3.2)

"""Recovery: planted divisive normalization against what the models of Burg et al. 2021 find."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.score_files import source_kind_of
from v1lib.steps import Input, Output

_COLUMNS = (
    *("measure", "group", "comparison", "rank", "item", "orientation_difference_deg"),
    *("planted", "recovered", "control", "low", "high", "n", "p", "source_kind"),
)
_COLOURS = {
    "specific": plotting.BLUE,
    "nonspecific": plotting.GREEN,
    "none": plotting.GREY,
}
_RECOVERED = {"linestyle": "-", "marker": "o", "markersize": 3}
_PLANTED = {"linestyle": "--"}
_BESIDE = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}  # a legend that covers no point


def main(*, recovery: Input, figure: Output, pdf: Output, table: Output) -> None:
    """Who normalizes whom (a, b), preferred orientations (c), advantage of normalization (d).

    The table holds every row of the recovery that is drawn.
    """
    rows = read_csv(recovery, required=_COLUMNS)
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 14.5)
        bins, pairs, orientations, advantage = plotting.panels(page, 2, 2)
        drawn = [
            _draw_bins(bins, rows),
            _draw_pairs(pairs, rows),
            _draw_orientations(orientations, rows),
            _draw_advantage(advantage, rows),
        ]
    plotting.save_figure(page, figure, pdf, source_kind_of(rows))
    write_csv(pd.concat(drawn), table)


def _of(rows: pd.DataFrame, *measures: str) -> pd.DataFrame:
    return rows[rows["measure"].isin(measures)]


def _draw_bins(ax: Axes, rows: pd.DataFrame) -> pd.DataFrame:
    """Share of a provider against orientation difference, mean over networks and their spread."""
    drawn = _of(rows, "provider_share_by_difference")
    # Few filters leave bins without pairs; the lines go on over them.
    for name, of_class in drawn[drawn["n"] > 0].groupby("group", sort=False):
        by_bin = of_class.groupby("orientation_difference_deg")
        recovered, spread = by_bin["recovered"].mean(), by_bin["recovered"].std(ddof=0)
        planted = by_bin["planted"].mean()
        colour = _COLOURS[name]
        ax.fill_between(
            recovered.index, recovered - spread, recovered + spread, color=colour, alpha=0.2, lw=0
        )
        ax.plot(recovered.index, recovered, color=colour, label=name, **_RECOVERED)
        ax.plot(planted.index, planted, color=colour, **_PLANTED)
    ax.set(
        xlabel="orientation difference of provider\nand normalized filter (°)",
        ylabel="share of a provider",
        xlim=(0, 90),
        xticks=[0, 15, 30, 45, 60, 75, 90],
    )
    ax.set_ylim(bottom=0)
    styles = {"recovered": _RECOVERED, "planted": _PLANTED}
    entries = [Line2D([], [], color="black", label=name, **line) for name, line in styles.items()]
    classes, _ = ax.get_legend_handles_labels()
    ax.legend(handles=[*classes, *entries], title="colour: filter", title_fontsize=6.5, **_BESIDE)
    ax.set_title(f"n = {drawn['rank'].nunique()} networks")
    return drawn


def _draw_pairs(ax: Axes, rows: pd.DataFrame) -> pd.DataFrame:
    """Shares of each pair, best network."""
    drawn = _of(rows, "provider_share", "provider_correlation")
    drawn = drawn[drawn["rank"] == 1]
    points = _of(drawn, "provider_share")
    _draw_dots(ax, points, "recovered", title="normalized filter")
    highest = np.nanmax([0.1, points["planted"].max(), points["recovered"].max()]) * 1.05
    ax.plot([0, highest], [0, highest], color="black", linewidth=0.7, linestyle="--", zorder=0)
    ax.set(
        xlabel="share of a provider, planted",
        ylabel="share of a provider, recovered",
        xlim=(-0.02 * highest, highest),
        ylim=(-0.02 * highest, highest),
        box_aspect=1,
    )
    found = _of(drawn, "provider_correlation").iloc[0]
    ax.set_title(
        f"best network, n = {found['n']:.0f} pairs: rank correlation {found['recovered']:.2f}\n"
        f"(filters exchanged: {found['control']:.2f}), p = {found['p']:.2g}"
    )
    return drawn


def _draw_orientations(ax: Axes, rows: pd.DataFrame) -> pd.DataFrame:
    """Preferred orientation of each neuron, best network."""
    drawn = _of(rows, "preferred_orientation", "preferred_orientation_error")
    drawn = drawn[drawn["rank"] == 1]
    points = _of(drawn, "preferred_orientation")
    # The copy of the orientation that lies nearer to the planted one.
    error = (points["recovered"] - points["planted"] + 90) % 180 - 90
    points = points.assign(shown=points["planted"] + error)
    _draw_dots(ax, points, "shown", title="neurons'\nnormalization")
    ax.plot([0, 180], [0, 180], color="black", linewidth=0.7, linestyle="--", zorder=0)
    # Half a turn, and more only where a copy lies beyond it.
    low, high = min([0, *points["shown"]]), max([180, *points["shown"]])
    ticks = np.arange(-90, 271, 45)
    ax.set(
        xlabel="preferred orientation, planted (°)",
        ylabel="preferred orientation, recovered (°)",
        xlim=(-5, 185),
        ylim=(low - 5, high + 5),
        xticks=ticks[(ticks >= 0) & (ticks <= 180)],
        yticks=ticks[(ticks >= low - 5) & (ticks <= high + 5)],
    )
    found = _of(drawn, "preferred_orientation_error").iloc[0]
    ax.set_title(
        f"best network, n = {found['n']:.0f} neurons: median error {found['recovered']:.1f}°\n"
        f"(neurons exchanged: {found['control']:.1f}°), p = {found['p']:.2g}"
    )
    return drawn


def _draw_dots(ax: Axes, points: pd.DataFrame, y: str, *, title: str) -> None:
    """A column of points against planted values by class, and what the colours mean."""
    for name, colour in _COLOURS.items():
        of_class = points[points["group"] == name]
        if len(of_class):
            ax.scatter(
                of_class["planted"],
                of_class[y],
                s=plotting.dot_area(len(points)),
                color=colour,
                alpha=0.6,
                linewidth=0,
                label=name,
            )
    if len(points):
        ax.legend(title=title, title_fontsize=6.5, **_BESIDE)


def _draw_advantage(ax: Axes, rows: pd.DataFrame) -> pd.DataFrame:
    """FEV of a model less that of a weaker one, by class of neurons."""
    drawn = _of(rows, "fev_advantage", "fev_advantage_mean")
    comparisons = list(dict.fromkeys(drawn["comparison"]))
    classes = [name for name in _COLOURS if name in set(drawn["group"])]
    labels = []
    for place, comparison in enumerate(comparisons):
        for number, name in enumerate(classes):
            of_class = drawn[(drawn["group"] == name) & (drawn["comparison"] == comparison)]
            x = place + 0.26 * (number - (len(classes) - 1) / 2)
            _draw_class(ax, of_class, x, name, label=name if place == 0 else None)
        labels.append(comparison.replace(" - ", "\n− "))
    ax.axhline(0, color="black", linewidth=0.5, zorder=0)
    ax.set_xticks(range(len(labels)), labels)
    ax.set_ylabel("difference in FEV (percentage points)")
    values = _of(drawn, "fev_advantage")["recovered"]
    low, high = values.quantile([0.02, 0.98])
    margin = 0.15 * (high - low)
    ax.set_ylim(min(low, 0) - margin, max(high, 0) + margin)
    outside = int((~values.between(*ax.get_ylim())).sum())
    ax.set_title(
        "bars: mean and 95 % t interval over neurons"
        + (f"\n{outside} of {len(values)} differences lie outside" if outside else "")
    )
    ax.legend(title="neurons'\nnormalization", title_fontsize=6.5, **_BESIDE)
    return drawn


def _draw_class(
    ax: Axes, of_class: pd.DataFrame, x: float, name: str, *, label: str | None
) -> None:
    points = _of(of_class, "fev_advantage")["recovered"]
    mean = _of(of_class, "fev_advantage_mean").iloc[0]
    colour = _COLOURS[name]
    ax.scatter(
        x + plotting.jitter(len(points), 0.16),
        points,
        s=plotting.dot_area(3 * len(points)),
        color=colour,
        alpha=0.4,
        linewidth=0,
    )
    label = f"{label}, n = {mean['n']:.0f}" if label else None
    ax.hlines(mean["recovered"], x - 0.1, x + 0.1, colour, linewidth=2, label=label)
    if np.isfinite(mean["low"]):
        ax.vlines(x, mean["low"], mean["high"], "black", linewidth=1)

"""Recovery: what was planted in a simulated recording against what the analyses find."""

import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.score_files import source_kind_of
from v1lib.steps import Input, Output
from v1lib.summaries import summarise

_LIKENESS = {
    "preferred_image_likeness": "preferred\nimage",
    "network_image_likeness": "image of\none network",
    "weighted_image_likeness": "weighted\nstimuli",
    "other_neuron_likeness": "other neuron\n(control)",
}
_PAIRS = (
    ("cc_norm_exact", "CC$_{norm}$, exact", "cc_norm_surrogate", "CC$_{norm}$, Poisson surrogate"),
    (
        "correlation_expected",
        "r with the noise-free response",
        "cc_norm_exact",
        "CC$_{norm}$, exact",
    ),
    (
        *("orientation_selectivity", "orientation selectivity, neuron"),
        *("orientation_selectivity_model", "orientation selectivity, networks"),
    ),
)
_COLUMNS = (
    *("dataset", "model", "session", "neuron", "cell_type", *_LIKENESS, "correlation_expected"),
    *("cc_norm_exact", "cc_norm_surrogate", "orientation_selectivity"),
    *("orientation_selectivity_model", "source_kind"),
)
_COLOURS = (plotting.BLUE, plotting.ORANGE, plotting.GREEN, plotting.PURPLE, plotting.GREY)


def main(*, recovery: Input, figure: Output, pdf: Output, table: Output) -> None:
    """Likeness to the planted receptive field with controls; three measures against the truth.

    One dot per neuron. Likeness is the correlation over pixels within the aperture (at the best
    phase for neurons that respond to any phase); bars are medians.
    """
    cells = read_csv(recovery, required=_COLUMNS)[list(_COLUMNS)]
    types = sorted(cells["cell_type"].unique())
    colours = {kind: _COLOURS[place % len(_COLOURS)] for place, kind in enumerate(types)}
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 13.5)
        likeness, *pairs = plotting.panels(page, 2, 2)
        _draw_likeness(likeness, cells, colours)
        for ax, (x, x_label, y, y_label) in zip(pairs, _PAIRS, strict=True):
            _draw_pair(ax, cells.dropna(subset=[x, y]), x, y, colours)
            ax.set(xlabel=x_label, ylabel=y_label)
        pairs[0].legend(loc="lower right", title="planted cell type", title_fontsize=6.5)
    plotting.save_figure(page, figure, pdf, source_kind_of(cells))
    write_csv(cells, table)


def _draw_likeness(ax: Axes, cells: pd.DataFrame, colours: dict[str, str]) -> None:
    labels = []
    for place, (column, label) in enumerate(_LIKENESS.items()):
        points = cells.dropna(subset=[column])
        x = place + plotting.jitter(len(points), 0.5)
        ax.scatter(
            x,
            points[column],
            s=plotting.dot_area(len(points)),
            color=points["cell_type"].map(colours),
            alpha=0.6,
            linewidth=0,
        )
        summary = summarise(points[column], ddof=0)
        ax.hlines(summary.median, place - 0.36, place + 0.36, "black", linewidth=1.5)
        labels.append(f"{label}\nn = {summary.n}")
    ax.axhline(0, color=plotting.GREY, linewidth=0.5, zorder=0)
    ax.set_xticks(range(len(labels)), labels)
    ax.set(ylabel="likeness to the planted receptive field", ylim=(-1.05, 1.05))


def _draw_pair(ax: Axes, cells: pd.DataFrame, x: str, y: str, colours: dict[str, str]) -> None:
    for kind, colour in colours.items():
        points = cells[cells["cell_type"] == kind]
        ax.scatter(
            points[x],
            points[y],
            s=plotting.dot_area(len(cells)),
            color=colour,
            alpha=0.7,
            linewidth=0,
            label=kind,
        )
    low = min(0.0, cells[[x, y]].min().min() - 0.03)
    ax.plot([low, 1], [low, 1], color="black", linewidth=0.7, linestyle="--", zorder=0)
    ax.set(xlim=(low, 1.02), ylim=(low, 1.02), box_aspect=1)
    difference = summarise((cells[y] - cells[x]).abs(), ddof=0)
    ax.set_title(f"n = {difference.n} neurons\nmean absolute difference {difference.mean:.3f}")

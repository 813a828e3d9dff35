"""K11: prediction quality of orientation-selective and other neurons (claim C3)."""

import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.score_tables import choose, read_neurons, sem, source_kind_of
from v1lib.steps import Input, Output

_ORIENTATION = ("session", "neuron", "orientation_selectivity", "source_kind")


def main(
    *,
    neurons: Input,
    orientation: Input,
    figure: Output,
    pdf: Output,
    table: Output,
    model: str,
    sessions: list,
    selective_from: float,
) -> None:
    """r against orientation selectivity (1 - circular variance) of measured grating responses.

    One dot per neuron; mean ± SEM of r below ``selective_from`` and from there on.
    """
    cells = choose(read_neurons(neurons), model, sessions)
    points = selectivity(cells, read_csv(orientation, required=_ORIENTATION), selective_from)
    with plotting.style():
        page = plotting.new_figure(plotting.COLUMN_CM, 6.8)
        ax = plotting.panels(page, 1, 1)[0]
        _draw(ax, points, plotting.looks([model])[model].colour, selective_from)
    plotting.save_figure(page, figure, pdf, source_kind_of(points))
    write_csv(points, table)


def selectivity(
    cells: pd.DataFrame, orientation: pd.DataFrame, selective_from: float
) -> pd.DataFrame:
    """Neurons with a selectivity index, and mean and SEM of r of their group.

    Raises:
        ValueError: no neuron has both a correlation and an index, or the two tables are of
            different source kinds.
    """
    source_kind_of(cells, orientation)
    columns = list(_ORIENTATION[:3])
    points = cells.merge(orientation[columns], on=["session", "neuron"], validate="one_to_one")
    points = points.dropna(subset=["orientation_selectivity", "correlation"])
    if points.empty:
        raise ValueError("no neuron has both a correlation and an orientation selectivity")
    points["selective"] = (points["orientation_selectivity"] >= selective_from).astype(int)
    groups = points.groupby("selective")["correlation"]
    points["group_mean"] = groups.transform("mean")
    points["group_sem"] = groups.transform(sem)
    points["group_n"] = groups.transform("size")
    shown = [*columns, "correlation", "selective", "group_mean", "group_sem", "group_n"]
    return points[["dataset", "model", *shown, "source_kind"]]


def _draw(ax: Axes, points: pd.DataFrame, colour: str, selective_from: float) -> None:
    ax.scatter(
        points["orientation_selectivity"],
        points["correlation"],
        s=plotting.dot_area(len(points)),
        color=colour,
        alpha=0.55,
        linewidth=0,
    )
    ax.axvline(selective_from, color="black", linestyle="--", linewidth=0.8)
    words = []
    for selective, left, right in ((0, 0.0, selective_from), (1, selective_from, 1.0)):
        group = points[points["selective"] == selective]
        if group.empty:
            continue
        mean, error, n = group[["group_mean", "group_sem", "group_n"]].iloc[0]
        ax.fill_between([left, right], mean - error, mean + error, color="black", alpha=0.2, lw=0)
        ax.hlines(mean, left, right, color="black")
        name = f"from {selective_from:g}" if selective else f"below {selective_from:g}"
        words.append(f"{name}: mean {mean:.3f} ± {error:.3f} (SEM), n = {n:.0f}")
    ax.set(xlabel="orientation selectivity index (1 − circular variance)", xlim=(0, 1))
    ax.set(ylabel="r (evaluation images)", ylim=(min(-0.1, points["correlation"].min() - 0.05), 1))
    ax.set_title("\n".join(words))

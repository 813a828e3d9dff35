"""K11: prediction quality of orientation-selective and other neurons (claim C3)."""

import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.score_files import source_kind_of
from v1lib.score_tables import choose, read_neurons, sem
from v1lib.steps import Input, Output

_ORIENTATION = ("session", "neuron", "orientation_selectivity", "source_kind")
_QUANTITIES = {
    "correlation": "r (evaluation images)",
    "cc_norm_surrogate": "CC$_{norm}$, Poisson surrogate",
}


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
    """Prediction against orientation selectivity (1 - circular variance) of grating responses.

    ``orientation`` has one row per neuron (session, neuron, orientation_selectivity). One dot per
    neuron; mean ± SEM below ``selective_from`` and from there on.
    """
    cells = choose(read_neurons(neurons), model, sessions)
    indices = read_csv(orientation, required=_ORIENTATION)
    kind = source_kind_of(cells, indices)
    drawn = [groups_of(cells, indices, quantity, selective_from) for quantity in _QUANTITIES]
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 6.8)
        for ax, points in zip(plotting.panels(page, 1, 2), drawn, strict=True):
            _draw(ax, points, plotting.looks([model])[model].colour, selective_from)
    plotting.save_figure(page, figure, pdf, kind)
    write_csv(pd.concat(drawn), table)


def groups_of(
    cells: pd.DataFrame, indices: pd.DataFrame, quantity: str, selective_from: float
) -> pd.DataFrame:
    """Neurons with a selectivity index, their value, and mean, SEM and n of their group.

    Raises:
        ValueError: no neuron has both a value and an index.
    """
    key = ["session", "neuron"]
    points = cells.merge(indices[[*key, "orientation_selectivity"]], on=key, validate="one_to_one")
    points = points.rename(columns={quantity: "value"}).assign(quantity=quantity)
    points = points.dropna(subset=["orientation_selectivity", "value"])
    if points.empty:
        raise ValueError(f"no neuron has both {quantity} and an orientation selectivity")
    points["selective"] = (points["orientation_selectivity"] >= selective_from).astype(int)
    groups = points.groupby("selective")["value"]
    points["group_mean"] = groups.transform("mean")
    points["group_sem"] = groups.transform(sem)
    points["group_n"] = groups.transform("size")
    columns = ["quantity", "dataset", "model", *key, "orientation_selectivity", "value"]
    return points[[*columns, "selective", "group_mean", "group_sem", "group_n", "source_kind"]]


def _draw(ax: Axes, points: pd.DataFrame, colour: str, selective_from: float) -> None:
    ax.scatter(
        points["orientation_selectivity"],
        points["value"],
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
    ax.set_ylim(min(-0.1, points["value"].min() - 0.05), 1.02)
    ax.set_ylabel(_QUANTITIES[points["quantity"].iloc[0]])
    ax.set_title("\n".join(words))

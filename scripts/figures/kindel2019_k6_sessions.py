"""K6: every session and model: correlation over the neurons."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.score_files import source_kind_of
from v1lib.score_tables import choose, read_neurons
from v1lib.steps import Input, Output

_SESSIONS_PER_ROW = 5
_ROW_CM = 4.6


def main(
    *,
    neurons: Input,
    figure: Output,
    pdf: Output,
    table: Output,
    models: list,
    sessions: list,
) -> None:
    """Box (quartiles, whiskers to 1.5 quartile distances) and dots: r per neuron, mean over seeds.

    Sessions side by side, one colour per model; several rows when there are many sessions.
    """
    cells = read_neurons(neurons)
    cells = pd.concat([choose(cells, model, sessions) for model in models], ignore_index=True)
    n_rows = math.ceil(len(sessions) / _SESSIONS_PER_ROW)
    per_row = math.ceil(len(sessions) / n_rows)
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 1.0 + n_rows * _ROW_CM)
        axes = plotting.panels(page, n_rows, 1, letters=False, share_y=True)
        for row, ax in enumerate(axes):
            _draw_row(ax, cells, models, sessions[row * per_row : (row + 1) * per_row])
            ax.set(xlim=(-0.5, per_row - 0.5), ylabel="r (evaluation images)")
        axes[-1].set_xlabel("session")
        _legend(page, models)
    plotting.save_figure(page, figure, pdf, source_kind_of(cells))
    columns = ["dataset", "model", "session", "neuron", "n_seeds", "correlation", "source_kind"]
    write_csv(cells[columns], table)


def _draw_row(ax: Axes, cells: pd.DataFrame, models: list, sessions: list) -> None:
    looks = plotting.looks(models)
    pitch = min(0.84 / len(models), 0.2)
    groups = {
        key: rows["correlation"].dropna() for key, rows in cells.groupby(["session", "model"])
    }
    ax.axhline(0, color=plotting.GREY, linewidth=0.5, zorder=0)
    for place, session in enumerate(sessions):
        for order, model in enumerate(models):
            x = place + (order - (len(models) - 1) / 2) * pitch
            _draw_box(ax, x, groups[session, model], pitch, looks[model].colour)
    n_neurons = [len(groups[session, models[0]]) for session in sessions]
    labels = [f"{session}\nn = {n}" for session, n in zip(sessions, n_neurons, strict=True)]
    ax.set_xticks(range(len(sessions)), labels)
    ax.tick_params(axis="x", length=0)
    lowest, highest = cells["correlation"].min(), cells["correlation"].max()
    ax.set_ylim(min(-0.1, np.floor(lowest * 10) / 10), min(1.0, np.ceil(highest * 10 + 0.3) / 10))


def _draw_box(ax: Axes, x: float, values: pd.Series, pitch: float, colour: str) -> None:
    shifts = x + plotting.jitter(len(values), 0.5 * pitch)
    ax.scatter(
        shifts,
        values,
        s=plotting.dot_area(len(values)) / 8,
        color=colour,
        alpha=0.6,
        linewidth=0,
        zorder=1,
    )
    ax.boxplot(
        values,
        positions=[x],
        widths=0.72 * pitch,
        manage_ticks=False,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": colour, "alpha": 0.45, "linewidth": 0.5},
        medianprops={"color": "black", "linewidth": 1.0},
        whiskerprops={"linewidth": 0.5},
        capprops={"linewidth": 0.5},
    )


def _legend(page: Figure, models: list) -> None:
    handles = [
        Patch(color=look.colour, label=look.label) for look in plotting.looks(models).values()
    ]
    page.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5))

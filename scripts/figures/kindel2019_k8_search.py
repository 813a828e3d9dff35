"""K8: hyperparameter search on the session that is set aside for it."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.score_files import read_runs, read_scores, source_kind_of
from v1lib.score_tables import by_run_and_neuron
from v1lib.search_tables import draws_of
from v1lib.steps import Inputs, Output

_COLUMNS = 4
_MANY_VALUES = 7  # beyond this, numbers go on a logarithmic axis and not side by side
_POOLED = "dots mean, line median"


def main(
    *,
    scores: Inputs,
    runs: Inputs,
    figure: Output,
    pdf: Output,
    table: Output,
    models: list,
    factor_labels: dict,
    pooled_models: list,
) -> None:
    """One panel per model and searched factor: r of every split, and the median over splits.

    r of a split is the mean over cells (undefined r counts 0). For ``pooled_models`` the line is
    the median over cells x splits instead, as the Gabor notebook of the published code draws it;
    dots and line then differ even for a single split, and the title says so.
    A dashed line marks the starting point of a search that varies one factor at a time.
    """
    cells = by_run_and_neuron(read_scores(scores))
    kind = source_kind_of(cells)
    draws = draws_of(cells, read_runs(runs), pooled_models)
    with plotting.style():
        page = _page(draws, models, factor_labels, pooled_models=pooled_models)
    plotting.save_figure(page, figure, pdf, kind)
    write_csv(draws.assign(source_kind=kind), table)


def _page(draws: pd.DataFrame, models: list, factor_labels: dict, *, pooled_models: list) -> Figure:
    keys = [
        (model, factor)
        for model in models
        for factor, rows in draws[draws["model"] == model].groupby("factor", sort=False)
        if len(rows["value"].unique()) > 1
    ]
    if not keys:
        raise ValueError(f"no factor of {models} was searched over two values or more")
    n_columns = min(_COLUMNS, len(keys))
    n_rows = math.ceil(len(keys) / n_columns)
    page = plotting.new_figure(min(plotting.WIDE_CM, 1.5 + 5.5 * n_columns), 4.9 * n_rows)
    axes = plotting.panels(page, n_rows, n_columns)
    for ax in axes[len(keys) :]:
        ax.remove()
    for ax, (model, factor) in zip(axes, keys, strict=False):
        of_model = draws[draws["model"] == model]
        _draw(ax, of_model[of_model["factor"] == factor], plotting.looks([model])[model])
        if model in pooled_models:
            ax.set_title(f"{ax.get_title(loc='left')},\n{_POOLED}")
        for level in of_model.loc[of_model["is_start"], "line"].unique():
            ax.axhline(level, color=plotting.GREY, linestyle="--", linewidth=0.8, zorder=0)
        drawn = of_model[["mean_r", "line"]].to_numpy()
        margin = 0.06 * np.ptp(drawn) + 1e-6
        ax.set_ylim(drawn.min() - margin, drawn.max() + margin)
        ax.set_xlabel(factor_labels.get(factor, factor.replace("_", " ")))
    return page


def _draw(ax: Axes, draws: pd.DataFrame, look: plotting.Look) -> None:
    values = sorted(draws["value"].unique(), key=_order)
    numbers = [_order(value)[0] for value in values]
    logarithmic = len(values) > _MANY_VALUES and np.isfinite(numbers).all() and min(numbers) > 0
    places = dict(zip(values, numbers if logarithmic else range(len(values)), strict=True))
    x = draws["value"].map(places).to_numpy(dtype=float)
    if logarithmic:
        ax.set_xscale("log")
    else:
        x = x + plotting.jitter(len(x), 0.3)
        ax.set_xticks(range(len(values)), values)
        ax.set_xlim(-0.5, len(values) - 0.5)
    ax.scatter(x, draws["mean_r"], s=8, color=look.colour, alpha=0.6, linewidth=0)
    line = draws.drop_duplicates("value").set_index("value")["line"]
    ax.plot([places[value] for value in values], line[values], "o-", color="black", markersize=3)
    first, splits = draws.iloc[0], draws["n_splits"]
    many = f"{splits.min()}" if splits.min() == splits.max() else f"{splits.min()}–{splits.max()}"
    many = "1 split" if many == "1" else f"{many} splits"
    ax.set(ylabel="r (evaluation images)")
    ax.set_title(f"{look.label}: session {first['session']},\n{first['n_cells']} cells, {many}")


def _order(value: str) -> tuple[float, str]:
    try:
        return float(value.split(",")[0]), value
    except ValueError:
        return math.inf, value

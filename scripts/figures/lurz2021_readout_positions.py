"""Where readouts look: positions over the cortical surface, and mask against Gaussian."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.lurz2021_drawing import mark_proxy
from v1lib.score_files import source_kind_of
from v1lib.steps import Inputs, Output

COLUMNS = (
    *("dataset", "model", "seed", "images", "neurons", "replicate", "initialisation", "session"),
    *("neuron", "x", "y", "x_px", "y_px", "a_xx", "a_xy", "a_yx", "a_yy"),
    *("cortex_x_um", "cortex_y_um", "source_kind"),
)
_MAPS = {"retinotopic": "with retinotopy", "free": "free positions"}
_AXES = {"x_px": "horizontal position (px)", "y_px": "vertical position (px)"}
_COLOURS = {"retinotopic": plotting.BLUE, "free": plotting.GREEN, "factorised": plotting.RED}
_NAMES = {
    "retinotopic": "Gaussian with retinotopy, 1 and 2 SD",
    "free": "Gaussian, free position, 1 and 2 SD",
    "factorised": "factorised: centre of mass of the mask",
}
_SAME = ["session", "neuron"]
_MAP = "viridis"


def main(
    *,
    positions: Inputs,
    figure: Output,
    pdf: Output,
    table: Output,
    models: dict,
    proxy: list,
    size_px: list,
    n_examples: int,
) -> None:
    """Cortical surface coloured by the position that was learned; examples over the stimulus.

    ``models``: model by role (retinotopic, free, factorised; one of the first two at least), each
    with its file among ``positions``; of several runs the first with most images and neurons is
    drawn, of several scans the first. ``size_px``: height and width of the stimuli. ``n_examples``
    neurons that all models have, evenly along the horizontal position. ``proxy`` as in Fig 3.
    """
    found = {role: _of_one_run(positions, models[role]) for role in _NAMES if role in models}
    maps = {role: rows for role, rows in found.items() if role in _MAPS}
    if not maps:
        raise ValueError(f"models has roles {sorted(models)}, expected one of {sorted(_MAPS)}")
    examples = example_neurons(list(found.values()), n_examples)
    kind = source_kind_of(*found.values())
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 9.6)
        mark_proxy(page, proxy)
        columns = max(2 * len(maps), len(examples))
        axes = plotting.panels(page, 2, columns, letters=False).reshape(2, columns)
        _draw_maps(page, axes[0], maps)
        for ax, key in zip(axes[1], examples, strict=False):
            _draw_example(ax, found, key, size_px)
            ax.set_xlabel(_AXES["x_px"])
        if examples:
            axes[1, 0].set_ylabel(_AXES["y_px"].replace(" ", "\n", 1))
        for ax in [*axes[0, 2 * len(maps) :], *axes[1, len(examples) :]]:
            ax.set_axis_off()
        plotting.letter(axes[0, 0], "a")
        plotting.letter(axes[1, 0], "b")
        page.legend(handles=_handles(found), loc="outside lower center", ncols=3)
    plotting.save_figure(page, figure, pdf, kind)
    write_csv(_drawn(found, examples), table)


def _of_one_run(paths: Sequence[Path], model: str) -> pd.DataFrame:
    """Positions of the first run with most images and neurons, in its first scan."""
    tables = [read_csv(path, required=COLUMNS) for path in paths]
    rows = pd.concat(tables, ignore_index=True)
    rows = rows[rows["model"] == model]
    if rows.empty:
        raise ValueError(f"no positions of model {model!r} in {[str(path) for path in paths]}")
    order = ["images", "neurons", "replicate", "initialisation", "session"]
    first = rows.sort_values(order, ascending=[False, False, True, True, True]).iloc[0]
    chosen = (rows["seed"] == first["seed"]) & (rows["session"] == first["session"])
    return rows.loc[chosen, list(COLUMNS)].sort_values("neuron", ignore_index=True)


def example_neurons(tables: Sequence[pd.DataFrame], n: int) -> list[tuple]:
    """Neurons that all tables have with a position, evenly along the first one's x_px.

    Args:
        tables: rows of ``COLUMNS``, one table per model.
        n: as many at most.

    Returns:
        (session, neuron) from left to right; none where the models share no neuron.
    """
    shared = tables[0].dropna(subset=["x_px"])[[*_SAME, "x_px"]]
    for table in tables[1:]:
        shared = shared.merge(table.dropna(subset=["x_px"])[_SAME], on=_SAME)
    ordered = shared.sort_values(["x_px", "neuron"])
    # the ends are outliers: of n examples each stands in the middle of its share
    places = ((np.arange(n) + 0.5) / n * len(ordered)).astype(int) if len(ordered) else []
    return [tuple(ordered.iloc[place][_SAME]) for place in dict.fromkeys(places)]


def _draw_maps(page: Figure, axes: np.ndarray, maps: Mapping[str, pd.DataFrame]) -> None:
    """Both coordinates of each model; one scale per coordinate, that of the first model."""
    reference = next(iter(maps.values()))
    for place, (column, label) in enumerate(_AXES.items()):
        norm = Normalize(*np.nanpercentile(reference[column], [1, 99]))
        drawn = []
        for order, (role, rows) in enumerate(maps.items()):
            ax = axes[order + place * len(maps)]
            _draw_map(ax, rows, column, norm)
            ax.set_title(_MAPS[role])
            drawn.append(ax)
        scale = ScalarMappable(norm, _MAP)
        bar = page.colorbar(scale, ax=drawn, location="top", extend="both", aspect=30)
        bar.set_label(label)
    for ax in axes[1 : 2 * len(maps)]:
        ax.set_yticklabels([])
    axes[0].set_ylabel("cortex y (µm)")


def _draw_map(ax: Axes, rows: pd.DataFrame, column: str, norm: Normalize) -> None:
    ax.scatter(
        rows["cortex_x_um"],
        rows["cortex_y_um"],
        c=rows[column],
        cmap=_MAP,
        norm=norm,
        s=plotting.dot_area(len(rows)) / 1.5,
        linewidths=0,
    )
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xlabel("cortex x (µm)")


def _draw_example(
    ax: Axes, found: Mapping[str, pd.DataFrame], key: tuple, size_px: Sequence[int]
) -> None:
    """Stimulus frame, ellipses of 1 and 2 SD around Gaussian positions, a cross for the mask."""
    height, width = size_px
    frame = Rectangle((-0.5, -0.5), width, height, facecolor="#f2f2f2", edgecolor=plotting.GREY)
    ax.add_patch(frame)
    for role, rows in found.items():
        row = rows[(rows["session"] == key[0]) & (rows["neuron"] == key[1])].iloc[0]
        is_mask = role == "factorised"
        marker = {"marker": "x", "markersize": 5} if is_mask else {"marker": "o", "markersize": 3}
        ax.plot(row["x_px"], row["y_px"], color=_COLOURS[role], zorder=3, **marker)
        if not is_mask:
            for size, alpha in ((1, 1.0), (2, 0.5)):
                ax.plot(*ellipse(row, size), color=_COLOURS[role], linewidth=0.8, alpha=alpha)
    ax.set_xlim(-0.5, width - 0.5)
    ax.set_ylim(height - 0.5, -0.5)
    ax.set_aspect("equal")
    ax.set_xticks([0, width - 1])
    ax.set_yticks([0, height - 1])
    ax.set_title(f"neuron {key[1]}")


def ellipse(row: Mapping[str, float], size: float, *, n_points: int = 100) -> np.ndarray:
    """Points (x, y) px, [2, n_points], at ``size`` standard deviations of N(mean, A A')."""
    angle = np.linspace(0, 2 * np.pi, n_points)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    matrix = np.array([[row["a_xx"], row["a_xy"]], [row["a_yx"], row["a_yy"]]], dtype=float)
    return np.array([[row["x_px"]], [row["y_px"]]]) + size * matrix @ circle


def _handles(found: Mapping[str, pd.DataFrame]) -> list[Line2D]:
    look = {role: {"marker": "o", "markersize": 3} for role in _MAPS}
    look["factorised"] = {"marker": "x", "markersize": 5, "linestyle": "none"}
    return [
        Line2D([], [], color=_COLOURS[role], label=_NAMES[role], **look[role]) for role in found
    ]


def _drawn(found: Mapping[str, pd.DataFrame], examples: Sequence[tuple]) -> pd.DataFrame:
    """Rows of the maps (panel a) and of the examples (panel b)."""
    tables = [rows.assign(panel="a", role=role) for role, rows in found.items() if role in _MAPS]
    for role, rows in found.items():
        keys = pd.MultiIndex.from_frame(rows[_SAME])
        tables.append(rows[keys.isin(list(examples))].assign(panel="b", role=role))
    return pd.concat(tables, ignore_index=True)[["panel", "role", *COLUMNS]]

"""Recovery: planted receptive fields and maps against what the models of Lurz et al. 2021 find."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.score_files import source_kind_of
from v1lib.steps import Input, Output

_COLUMNS = (
    *("dataset", "measure", "role", "comparison", "session", "item", "images", "seed"),
    *("planted", "recovered", "control", "low", "high", "n", "p", "source_kind"),
)
_AXES = {"x": ("columns", plotting.BLUE), "y": ("rows", plotting.ORANGE)}
_MAP_COLOURS = (plotting.BLUE, plotting.GREEN, plotting.RED, plotting.PURPLE)
_SCORE_COLOURS = {"transferred": plotting.ORANGE, "random": "black"}
_BESIDE = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}  # a legend that covers no point
_NARROWEST_PX = 2.0  # half the width of an axis, should all positions be one
_NARROWEST_DEG = 10.0  # the same of rotations
_BEYOND = 2.0  # axes of rotations reach so many times beyond the planted ones


def main(
    *, recovery: Input, figure: Output, pdf: Output, table: Output, positions: list, maps: list
) -> None:
    """Positions of two readouts (a, b), retinotopic maps (c), advantage of a transferred core (d).

    The table holds every row of the recovery that is drawn.

    Args:
        recovery: as ``recover_lurz2021`` writes it.
        figure, pdf, table: the figure and its numbers.
        positions: roles of the readouts whose positions are drawn, two.
        maps: roles of the readouts whose maps are drawn.
    """
    rows = read_csv(recovery, required=_COLUMNS)
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 15.0)
        *fields, maps_ax, advantage = plotting.panels(page, 2, 2)
        drawn = [
            _draw_positions(ax, rows, role) for ax, role in zip(fields, positions, strict=True)
        ]
        drawn += [_draw_maps(maps_ax, rows, maps), _draw_advantage(advantage, rows)]
    plotting.save_figure(page, figure, pdf, source_kind_of(rows))
    write_csv(pd.concat(drawn), table)


def _of(rows: pd.DataFrame, *measures: str) -> pd.DataFrame:
    return rows[rows["measure"].isin(measures)]


def _draw_positions(ax: Axes, rows: pd.DataFrame, role: str) -> pd.DataFrame:
    """Learned against planted positions of the neurons of one run, both from their means."""
    drawn = rows[(rows["role"] == role) & rows["measure"].str.startswith("position_")]
    points = _of(drawn, "position_x", "position_y")
    if points.empty:
        raise ValueError(f"the recovery has no positions of role {role!r}")
    shown = points[["seed", "session"]].iloc[0]
    drawn = drawn[(drawn[["seed", "session"]] == shown).all(axis=1)]
    half = _NARROWEST_PX
    for axis, (name, colour) in _AXES.items():
        of_axis = _of(drawn, f"position_{axis}")
        middle = of_axis["planted"].mean()
        planted, learned = of_axis["planted"] - middle, of_axis["recovered"]
        learned = learned - middle - _one(drawn, f"position_offset_{axis}")["recovered"]
        half = max(half, planted.abs().max(), learned.abs().max())
        r = _one(drawn, f"position_correlation_{axis}")["recovered"]
        label = plotting.minus_signs(f"{name}, r = {r:.2f}")
        area = plotting.dot_area(len(points))
        ax.scatter(planted, learned, s=area, color=colour, alpha=0.5, linewidth=0, label=label)
    limits = (-1.08 * half, 1.08 * half)
    ax.plot(limits, limits, color="black", linewidth=0.7, linestyle="--", zorder=0)
    ax.set(
        xlabel="receptive field, planted (px)",
        ylabel="readout position (px)",
        xlim=limits,
        ylim=limits,
        box_aspect=1,
    )
    error = _one(drawn, "position_error")
    ax.set_title(
        f"{role}, {error['images']:.0f} images, n = {error['n']:.0f} neurons\n"
        f"error {error['recovered']:.2f} px (neurons exchanged: {error['control']:.2f} px)"
    )
    ax.legend(**_BESIDE)
    return drawn


def _one(rows: pd.DataFrame, measure: str) -> pd.Series:
    return _of(rows, measure).iloc[0]


def _draw_maps(ax: Axes, rows: pd.DataFrame, roles: list) -> pd.DataFrame:
    """Rotation of the map of each scan; filled where mirroring is as planted."""
    drawn = rows[rows["role"].isin(roles) & rows["measure"].str.startswith("map_")]
    keys = ["role", "session", "seed"]
    mirrored = _of(drawn, "map_mirrored").set_index(keys)
    is_right = (mirrored["planted"] == mirrored["recovered"]).rename("is_right")
    points = _of(drawn, "map_rotation").join(is_right, on=keys)
    errors = _of(drawn, "map_error")
    half = max(_NARROWEST_DEG, _BEYOND * points["planted"].abs().max())
    for role, colour in zip(roles, _MAP_COLOURS, strict=False):
        of_role = points[points["role"] == role]
        mean = errors.loc[errors["role"] == role, ["recovered", "control"]].mean()
        error = f"error {100 * mean['recovered']:.0f} % ({100 * mean['control']:.0f} %)"
        label = f"{role}, n = {len(of_role)}\n{error}"
        ax.plot([], [], "o", color=colour, markersize=4, label=label)
        _draw_rotations(ax, of_role, half, colour)
    if n_outside := int((points["recovered"].abs() > half).sum()):
        label = f"outside the axis: {n_outside}"
        ax.plot([], [], "^", color=plotting.GREY, markersize=4, label=label)
    ax.plot([-half, half], [-half, half], color="black", linewidth=0.7, linestyle="--", zorder=0)
    ax.set(
        xlabel="rotation of the map, planted (°)",
        ylabel="rotation, recovered (°)",
        xlim=(-half, half),
        ylim=(-half, half),
        box_aspect=1,
    )
    ax.set_title(
        f"{points['is_right'].sum()} of {len(points)} maps mirrored as planted (filled);\n"
        "relative error of the map (neurons exchanged)"
    )
    ax.legend(**_BESIDE)
    return drawn


def _draw_rotations(ax: Axes, rows: pd.DataFrame, half: float, colour: str) -> None:
    """Dots, filled where ``is_right``; those beyond ``half`` are triangles at the edge."""
    beyond = np.sign(rows["recovered"]).where(rows["recovered"].abs() > half, 0)
    for side, marker in ((0, "o"), (1, "^"), (-1, "v")):
        chosen = rows[beyond == side]
        ax.scatter(
            chosen["planted"],
            chosen["recovered"].clip(-half, half),
            s=18,
            marker=marker,
            facecolors=[colour if right else "none" for right in chosen["is_right"]],
            edgecolors=colour,
            linewidths=0.8,
            clip_on=False,
            zorder=3,
        )


def _draw_advantage(ax: Axes, rows: pd.DataFrame) -> pd.DataFrame:
    """Score above direct training by number of images; interval over replicates."""
    drawn = _of(rows, "score_difference", "data_efficiency")
    for role, of_role in _of(drawn, "score_difference").groupby("role", sort=False):
        colour = _SCORE_COLOURS.get(role, plotting.GREY)
        of_role = of_role.sort_values("images")
        ax.fill_between(
            of_role["images"], of_role["low"], of_role["high"], color=colour, alpha=0.2, linewidth=0
        )
        label = f"{role} core, n = {of_role['n'].min():.0f}"
        ax.plot(of_role["images"], of_role["recovered"], "o-", color=colour, ms=3, label=label)
    ax.axhline(0, color="black", linewidth=0.5, linestyle="--", zorder=0)
    ax.set_xscale("log")
    images = sorted(_of(drawn, "score_difference")["images"].unique())
    ax.set_xticks(images, [f"{number:.0f}" for number in images])
    ax.minorticks_off()
    ax.set(xlabel="training images", ylabel="fraction oracle above direct training")
    efficiency = _of(drawn, "data_efficiency").set_index("item").loc["linear"]
    ax.set_title(_efficiency_text(efficiency))
    ax.legend(loc="lower left")
    return drawn


def _efficiency_text(row: pd.Series) -> str:
    if not np.isfinite(row["recovered"]):
        return "transfer never reaches direct training on all images"
    interval = f" ({row['low']:.0f} to {row['high']:.0f} %)" if np.isfinite(row["high"]) else ""
    return f"transfer needs {row['recovered']:.0f} %{interval}\nof the images of direct training"

"""Recovery: planted tuning of cells against what the V1 experiment measures in them."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.score_files import source_kind_of
from v1lib.steps import Input, Output
from v1lib.v1_recovery import AGREEMENT_COLUMNS, AT_STIMULI, CELL_COLUMNS
from v1lib.v1_stimuli import POSITION_DEG

_POSITION = {"field_x": ("x", plotting.BLUE), "field_y": ("y", plotting.ORANGE)}
_PANELS = {  # property: its name, the same at the axes, unit, half a turn in degrees or None
    "drawn_orientation": ("preferred orientation", "orientation", "°", 180.0),
    "drawn_frequency": ("preferred frequency", "frequency", " cycles/°", None),
    "bandwidth": ("orientation half-width", "half-width", "°", None),
    "grating_summation_field": ("summation field", "summation field", "°", None),
}
_NAMES = {
    AT_STIMULI: "at the stimuli or not",
    "field_y": "position y",
    "field_x": "position x",
    "drawn_orientation": "orientation, as drawn",
    "drawn_frequency": "frequency, as drawn",
    "bandwidth": "orientation half-width",
    "orthogonal_preferred_ratio": "orthogonal / preferred",
    "circular_variance_bandwidth_ratio": "circular variance / width",
    "orthogonal_preferred_ratio_circular_variance_difference": "orth./pref. − circ. variance",
    "peak_spatial_frequency": "peak frequency",
    "spatial_frequency_selective": "frequency selective",
    "spatial_frequency_bandwidth": "frequency bandwidth",
    "grating_summation_field": "summation field",
    "surround_suppression_index": "suppression index",
    "max_dc": "largest rate",
}


def main(*, cells: Input, agreement: Input, figure: Output, pdf: Output, table: Output) -> None:
    """Position (a), orientation (b), frequency (c), tuning width (d), size (e), all errors (f).

    The table holds what is drawn: a row for each cell and property, and one for each property.

    Args:
        cells, agreement: as ``recover_v1_properties`` writes them.
        figure, pdf, table: the figure and its numbers.

    Raises:
        ValueError: a property that is drawn is missing.
    """
    rows = read_csv(cells, required=CELL_COLUMNS)
    found = read_csv(agreement, required=AGREEMENT_COLUMNS).set_index("property", drop=False)
    lacking = [name for name in (AT_STIMULI, *_POSITION, *_PANELS) if name not in found.index]
    if lacking:
        raise ValueError(f"{agreement}: no property {lacking[0]!r}; make it again")
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 13.5)
        places, *axes, errors = plotting.panels(page, 2, 3)
        drawn = [_draw_positions(places, rows, found)]
        for ax, name in zip(axes, _PANELS, strict=True):
            drawn.append(_draw_property(ax, rows, found.loc[name]))
        _draw_errors(errors, found)
    plotting.save_figure(page, figure, pdf, source_kind_of(rows, found))
    points = pd.concat(drawn).assign(series="cell")
    write_csv(pd.concat([points, found.assign(series="property")], ignore_index=True), table)


def _draw_positions(ax: Axes, rows: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Centres of receptive fields of the cells that count, and how many others were left out."""
    own = rows[rows["property"].isin(_POSITION)].dropna(subset=["planted", "measured"])
    for name, (axis, colour) in _POSITION.items():
        points = own[own["property"] == name]
        planted, measured = (points[side] - POSITION_DEG for side in ("planted", "measured"))
        label = f"{axis}, error {found.loc[name, 'error']:.2g}° ({found.loc[name, 'control']:.2g}°)"
        ax.scatter(planted, measured, color=colour, label=label, **_dots(len(points)))
    _diagonal(ax, own[["planted", "measured"]] - POSITION_DEG)
    ax.set(xlabel="planted position (°)", ylabel="measured position (°)")
    places = rows[rows["property"] == AT_STIMULI]
    is_away = places["planted"] == 0
    of_both = [
        f"{int(places['measured'][where].sum())} of {where.sum()}" for where in (~is_away, is_away)
    ]
    ax.set_title(
        f"cells that are counted:\n{of_both[0]} at the stimuli,\n{of_both[1]} away from them"
    )
    ax.legend(loc="upper left", handletextpad=0.1, borderaxespad=0.1)
    ax.set_ylim(top=ax.get_ylim()[1] + 0.3 * np.ptp(ax.get_ylim()))  # room for the legend
    return pd.concat([own, places])


def _draw_property(ax: Axes, rows: pd.DataFrame, found: pd.Series) -> pd.DataFrame:
    """Measured against planted values of one property; of an orientation the nearer copy."""
    name, short, unit, turn = _PANELS[found["property"]]
    own = rows[rows["property"] == found["property"]].dropna(subset=["planted", "measured"])
    measured = own["measured"]
    if turn:
        difference = measured - own["planted"]
        measured = own["planted"] + (difference + turn / 2) % turn - turn / 2
    ax.scatter(own["planted"], measured, color=plotting.BLUE, **_dots(len(own)))
    _diagonal(ax, pd.concat([own["planted"], measured]))
    ax.set(xlabel=f"planted {short} ({unit.strip()})", ylabel=f"measured {short} ({unit.strip()})")
    if turn:
        ax.set_xticks(np.arange(0, turn + 1, 45))
        ax.set_yticks(np.arange(0, turn + 1, 45))
    ax.set_title(
        f"{name}, n = {len(own)}\nerror {found['error']:.2g}{unit}, p = {found['p']:.2g}\n"
        f"(cells exchanged: {found['control']:.2g}{unit})"
    )
    return own


def _draw_errors(ax: Axes, found: pd.DataFrame) -> None:
    """Errors of all properties over those with cells exchanged."""
    # Exchanging cells that are alike changes nothing, so that there is no chance to compare with.
    alike = np.isclose(found["error"], found["control"], rtol=1e-9, atol=0)
    share = (found["error"] / found["control"]).mask(alike).to_numpy()
    heights = np.arange(len(found))
    ax.axvline(1, color="black", linewidth=0.7, linestyle="--", zorder=0)
    ax.scatter(share, heights, color=plotting.BLUE, s=9, linewidth=0)
    for height in heights[~np.isfinite(share)]:
        text = "all cells alike" if alike[height] else "no cell has both"
        ax.text(0.5, height, text, ha="center", va="center", fontsize=5.5, color=plotting.GREY)
    names = [_NAMES.get(name, name.replace("_", " ")) for name in found.index]
    ax.set_yticks(heights, names, fontsize=5.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color="#eeeeee", linewidth=0.4)
    ax.set_axisbelow(True)
    ax.set(xlabel="error / error of cells exchanged", ylim=(len(found) - 0.5, -0.5))
    ax.set_xlim(-0.05, 1.05 * max(1.05, *share[np.isfinite(share)]))


def _dots(n: int) -> dict[str, object]:
    return {"s": plotting.dot_area(n), "alpha": 0.5, "linewidth": 0}


def _diagonal(ax: Axes, values: pd.DataFrame | pd.Series) -> None:
    """Equal axes that hold all values, with the line on which both sides are equal."""
    if not values.size:
        return
    low, high = float(np.min(values.to_numpy())), float(np.max(values.to_numpy()))
    margin = 0.06 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    ax.plot(limits, limits, color="black", linewidth=0.7, linestyle="--", zorder=0)
    ax.set(xlim=limits, ylim=limits)

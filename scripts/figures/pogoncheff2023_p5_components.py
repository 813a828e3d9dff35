"""P5: what the components of early vision have learned, beside what they began with."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from v1lib import plotting
from v1lib.component_tables import COMPONENT_COLUMNS, FULL_WIDTH, WHEN, bin_edges, histograms
from v1lib.files import read_csv, write_csv
from v1lib.pogoncheff2023_drawing import looks_of, mark_profile
from v1lib.pogoncheff2023_tables import network_kind
from v1lib.steps import Inputs, Output

_PANELS = {  # by component: parameters from left to right, with their axes
    "center_surround": {
        "sigma_1": "scale of the center $s_1$ (places²)",
        "ratio": "surround / center $s_2/s_1$",
        "amplitude": "amplitude $a$",
    },
    "tuned": {"width": "width of a channel's pool $\\sigma$ (channels)"},
    "untuned": {
        "width": "width of a pair's pool $\\rho, \\sigma$ (places)",
        "amplitude": "mean |$A$| of a channel's pools",
        "bias": "constant in the divisor |$b$|",
    },
}
_NAMES = {
    "center_surround": "kernels of center-surround",
    "tuned": "pools of tuned normalization",
    "untuned": "pools of untuned normalization",
}
_FOUND = ("when", "bin_low", "bin_high", "share", "positive", "n", "n_seeds")
_SIGNED = ("center_surround", "amplitude")
_ABOVE = {("tuned", "width"): (FULL_WIDTH, "full width at half maximum (channels)")}
_COLUMNS = 6  # of the grid; panels of a component share them
_HEAD, _TALLEST = 0.75, 0.85  # in strips: room for a name, height of a distribution
_STRIP_CM, _ROW_CM = 0.5, 1.9  # of the page: a strip, and what a row of panels needs besides


def main(
    *,
    components: Inputs,
    figure: Output,
    pdf: Output,
    table: Output,
    models: list,
    n_bins: int,
    tail: float,
    profile: str,
) -> None:
    """Distributions of the parameters in every block of the first stage, all seeds together.

    A row of panels per component, in each a strip per network and block. Each distribution is as
    high as its own largest share. The table has the share of the values in every bin.

    Args:
        components: tables of the step ``export_components``.
        figure, pdf, table: to write.
        models: [label, model] in their order; each is drawn where it has the component.
        n_bins: of every distribution.
        tail: share of the values on either side that may lie beyond the bins; they are counted in
            the outermost ones.
        profile: on the face of the figure.

    Raises:
        ValueError: a model is in no table.
    """
    values = pd.concat(
        [read_csv(path, required=COMPONENT_COLUMNS) for path in components], ignore_index=True
    )
    labels = {model: label for label, model in models}
    if missing := sorted(set(labels) - set(values["model"])):
        raise ValueError(
            f"no components of model {missing[0]!r}; there are {sorted(set(values['model']))}"
        )
    values = values[values["model"].isin(labels)].sort_values(
        "model", key=lambda names: names.map(list(labels).index), kind="stable"
    )
    shares = _distributions(values, n_bins, tail)
    with plotting.style():
        page = _draw(shares, labels)
        mark_profile(page, profile)
    plotting.save_figure(page, figure, pdf, network_kind(values.assign(quantity="component")))
    shares = shares.assign(profile=profile, label=shares["model"].map(labels))
    first = ["profile", "label", "dataset", "model"]
    others = [name for name in shares if name not in (*first, "source_kind")]
    write_csv(shares[[*first, *others, "source_kind"]], table)


def _distributions(values: pd.DataFrame, n_bins: int, tail: float) -> pd.DataFrame:
    """Shares in bins that all networks and blocks of a panel have in common.

    ``positive``: share of the values above 0, where the sign says something.
    """
    tables = []
    keys = ["dataset", "model", "source_kind", "component", "parameter", "block"]
    for component, parameters in _PANELS.items():
        for parameter in parameters:
            own = values[(values["component"] == component) & (values["parameter"] == parameter)]
            if own.empty:
                continue
            shares = histograms(own, _edges(own, n_bins, tail), keys)
            if (component, parameter) == _SIGNED:
                shares = shares.merge(_positive(own), on=["model", "block", "when"])
            tables.append(shares.reindex(columns=[*keys[:2], *keys[3:], *_FOUND, "source_kind"]))
    return pd.concat(tables, ignore_index=True)


def _edges(values: pd.DataFrame, n_bins: int, tail: float) -> np.ndarray:
    """Edges of about so many bins, none of which holds values of both signs."""
    edges = bin_edges(values, n_bins, tail=tail)
    if not edges[0] < 0 < edges[-1]:
        return edges
    width = edges[1] - edges[0]
    return width * np.arange(np.floor(edges[0] / width), np.ceil(edges[-1] / width) + 1)


def _positive(values: pd.DataFrame) -> pd.DataFrame:
    signs = values.assign(**{when: values[when] > 0 for when in WHEN})
    long = signs.melt(["model", "block"], WHEN, var_name="when", value_name="positive")
    return long.groupby(["model", "block", "when"], as_index=False)["positive"].mean()


def _draw(shares: pd.DataFrame, labels: dict[str, str]) -> Figure:
    strips = {}  # by component: networks with their blocks, in the order of the labels
    for component in _PANELS:
        own = shares[shares["component"] == component]
        if len(own):
            strips[component] = {
                model: sorted(rows["block"].unique())
                for model, rows in own.groupby("model", sort=False)
            }
    heights = [_height(networks) for networks in strips.values()]
    tall = _STRIP_CM * sum(heights) + _ROW_CM * len(heights) + 0.6
    page = plotting.new_figure(plotting.WIDE_CM, tall)
    ratios = [_STRIP_CM * height + 0.6 * _ROW_CM for height in heights]
    grid = page.add_gridspec(len(strips), _COLUMNS, height_ratios=ratios)
    for row, (component, networks) in enumerate(strips.items()):
        width = _COLUMNS // len(_PANELS[component])
        for place, (parameter, axis) in enumerate(_PANELS[component].items()):
            ax = page.add_subplot(grid[row, place * width : (place + 1) * width])
            own = shares[(shares["component"] == component) & (shares["parameter"] == parameter)]
            _draw_panel(ax, own, networks, labels, first=place == 0)
            ax.set_xlabel(axis)
            if above := _ABOVE.get((component, parameter)):
                _second_axis(ax, *above)
            if place == 0:
                _name(ax, chr(ord("a") + row), _NAMES[component])
    seeds = sorted(shares["n_seeds"].unique())
    n_seeds = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    entries = [
        Patch(facecolor="none", edgecolor="black", label="before training"),
        Patch(facecolor=plotting.GREY, label=f"after training (seeds: {n_seeds})"),
    ]
    page.legend(handles=entries, loc="outside lower center", ncols=2)
    return page


def _name(ax: Axes, letter: str, name: str) -> None:
    """Title with a letter beside it, which may have to stand above a second axis."""
    title = ax.set_title(name)
    place = {"xycoords": title, "textcoords": "offset points", "ha": "right", "va": "center"}
    ax.annotate(letter, (0, 0.5), (-18, 0), fontsize=9, fontweight="bold", **place)


def _second_axis(ax: Axes, factor: float, label: str) -> None:
    """The values in another unit, above the panel."""
    above = ax.twiny()
    above.set_xlim(*(factor * limit for limit in ax.get_xlim()))
    above.set_xlabel(label)
    above.spines["top"].set_visible(True)
    above.spines["left"].set_visible(False)


def _height(networks: dict[str, list]) -> float:
    return sum(_HEAD + len(blocks) for blocks in networks.values())


def _draw_panel(
    ax: Axes, shares: pd.DataFrame, networks: dict, labels: dict[str, str], *, first: bool
) -> None:
    """Strips from above to below: for each network its name, then its blocks."""
    looks = looks_of(list(labels))
    low, high = shares["bin_low"].min(), shares["bin_high"].max()
    level, ticks = _height(networks), {}
    for model, blocks in networks.items():
        level -= _HEAD
        if first:
            ax.text(low, level + 0.12, labels[model], va="bottom", fontweight="bold", fontsize=6.5)
        for block in blocks:
            level -= 1
            rows = shares[(shares["model"] == model) & (shares["block"] == block)]
            _draw_strip(ax, rows, level, looks[model].colour)
            ticks[level + 0.3] = f"block {block + 1}"
    ax.set_yticks(list(ticks), list(ticks.values()) if first else [])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    # To the right of signed values stands how many are positive.
    if shares["positive"].notna().any():
        ax.set_xticks([tick for tick in ax.get_xticks() if low <= tick <= high])
        ax.axvline(0, color=plotting.GREY, linewidth=0.5, linestyle=":", zorder=0)
        ax.set_xlim(low, high + 0.3 * (high - low))
    else:
        ax.set_xlim(low, high)
    ax.set_ylim(0, _height(networks))


def _draw_strip(ax: Axes, rows: pd.DataFrame, level: float, colour: str) -> None:
    before, after = (rows[rows["when"] == when] for when in ("before", "after"))
    edges = [*after["bin_low"], after["bin_high"].iloc[-1]]
    tops = [level + _TALLEST * own["share"] / own["share"].max() for own in (before, after)]
    style = {"baseline": level, "zorder": 2}
    ax.stairs(tops[1], edges, fill=True, color=colour, alpha=0.6, **style)
    ax.stairs(tops[0], edges, color="black", linewidth=0.6, **style)
    ax.axhline(level, color=plotting.GREY, linewidth=0.3, zorder=1)
    if after["positive"].notna().all():
        shares = [100 * when["positive"].iloc[0] for when in (before, after)]
        text = f"$a$ > 0:\n{shares[0]:.0f} → {shares[1]:.0f} %"
        place = edges[-1] + 0.02 * (edges[-1] - edges[0])
        ax.text(place, level + 0.42, text, va="center", fontsize=5.5, linespacing=1.0)

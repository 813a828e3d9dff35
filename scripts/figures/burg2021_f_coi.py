"""F-COI: cross-orientation inhibition, an example neuron and all neurons of the best networks."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import gaussian_kde

from v1lib import plotting
from v1lib.cross_orientation import fraction_inhibited
from v1lib.files import read_npz, write_csv
from v1lib.steps import Inputs, Output
from v1lib.summaries import summarise, t_interval

ARRAYS = (
    "rank",
    "seed",
    "neuron",
    "contrast",
    "tuning",
    "index",
    "dataset",
    "model",
    "source_kind",
)
_BIN = 10  # percent
_CURVE_POINTS = 201
_LABELLED = 6  # so many contrasts at most are all labelled


def main(
    *,
    experiments: Inputs,
    figure: Output,
    pdf: Output,
    table: Output,
    example_neuron: int,
    inhibited_from: float,
    full_contrast: float,
) -> None:
    """One column per model: responses of a neuron to plaids above, inhibition indices below.

    ``experiments``: files of the step ``insilico_cross_orientation`` in the order of the columns;
    ``example_neuron``: column of the recording (the last neuron where there are fewer);
    ``inhibited_from``: index from which a neuron counts as inhibited; ``full_contrast``: amplitude
    that is 100 %.
    """
    found = [read_npz(path, required=ARRAYS) for path in experiments]
    curves = [example_of(arrays, example_neuron, full_contrast) for arrays in found]
    indices = [indices_of(arrays, inhibited_from) for arrays in found]
    models = [str(arrays["model"]) for arrays in found]
    looks = plotting.looks(models)
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 11.4)
        axes = plotting.panels(page, 2, len(found)).reshape(2, -1)
        for place, model in enumerate(models):
            _draw_example(axes[0, place], curves[place], looks[model].label)
            _draw_indices(axes[1, place], indices[place], looks[model].colour, inhibited_from)
        highest = min(100, max(ax.get_ylim()[1] for ax in axes[1]))
        for ax in axes[1]:
            ax.set_ylim(0, highest)
        for row in axes:
            for ax in row[1:]:
                ax.set_ylabel("")
        _colour_bar(page, axes[0, -1], curves[0])
    plotting.save_figure(page, figure, pdf, _kind(found))
    write_csv(pd.concat([*curves, *indices], ignore_index=True), table)


def example_of(arrays: dict, neuron: int, full_contrast: float) -> pd.DataFrame:
    """Responses of one neuron of the best network, as shares of its largest response."""
    best = int(arrays["rank"].argmin())
    place = np.flatnonzero(arrays["neuron"] == neuron)
    column = int(place[0]) if len(place) else len(arrays["neuron"]) - 1
    tuning = arrays["tuning"][best, column].astype(np.float64)
    percent = 100 * arrays["contrast"] / full_contrast
    orthogonal, preferred = np.meshgrid(percent, percent, indexing="ij")
    columns = {
        "panel": "example",
        **_names(arrays),
        "rank": arrays["rank"][best],
        "seed": arrays["seed"][best],
        "neuron": arrays["neuron"][column],
        "orthogonal_percent": orthogonal.ravel(),
        "preferred_percent": preferred.ravel(),
        "response": tuning.ravel() / (tuning.max() or 1.0),
    }
    return pd.DataFrame(columns)


def indices_of(arrays: dict, inhibited_from: float) -> pd.DataFrame:
    """Inhibition index of each neuron of each network, with the share of neurons inhibited."""
    n_networks, n_neurons = arrays["index"].shape
    shares = [100 * fraction_inhibited(index, inhibited_from) for index in arrays["index"]]
    interval = t_interval(shares, within=(0.0, 100.0))
    columns = {
        "panel": "index",
        **_names(arrays),
        "rank": np.repeat(arrays["rank"], n_neurons),
        "seed": np.repeat(arrays["seed"], n_neurons),
        "neuron": np.tile(arrays["neuron"], n_networks),
        "index_percent": 100 * arrays["index"].ravel(),
        "share_inhibited_percent": np.repeat(shares, n_neurons),
        "mean_share_percent": summarise(shares, ddof=1).mean,
        "share_low": interval.low,
        "share_high": interval.high,
        "n_networks": n_networks,
    }
    return pd.DataFrame(columns)


def _draw_example(ax: Axes, curves: pd.DataFrame, label: str) -> None:
    levels = np.unique(curves["preferred_percent"])
    colours = _colours(len(levels))
    for level, colour in zip(levels, colours, strict=True):
        line = curves[curves["preferred_percent"] == level]
        ax.plot(range(len(line)), line["response"], color=colour, marker="o", markersize=2)
    apart = 1 if len(levels) <= _LABELLED else 2
    ticks = sorted({0, 1, *range(1, len(levels), apart), len(levels) - 1})
    ax.set_xticks(ticks, [f"{levels[tick]:.2g}" for tick in ticks])
    ax.set(xlabel="contrast of the orthogonal patch (%)", ylabel="response / largest response")
    ax.set_ylim(0, 1.05)
    rank, neuron = curves["rank"].iloc[0], curves["neuron"].iloc[0]
    ax.set_title(f"{label}\nneuron {neuron}, network of rank {rank}")


def _draw_indices(ax: Axes, rows: pd.DataFrame, colour: str, inhibited_from: float) -> None:
    values = rows["index_percent"].dropna()
    edges = np.arange(0, 100 + _BIN, _BIN)
    weights = np.full(len(values), 100 / len(rows))
    ax.hist(values, bins=edges, weights=weights, color=colour, alpha=0.6)
    if len(values) and np.ptp(values) > 0:
        x = np.linspace(0, 100, _CURVE_POINTS)
        density = gaussian_kde(values)(x) * _BIN * 100 * len(values) / len(rows)
        ax.plot(x, density, color="black", linewidth=0.8)
    ax.axvline(100 * inhibited_from, color="black", linestyle=":", linewidth=0.9)
    ax.set(xlabel="inhibition index (%)", ylabel="neurons (%)", xlim=(0, 100))
    ax.set_title(_words(rows, inhibited_from))


def _words(rows: pd.DataFrame, inhibited_from: float) -> str:
    first = rows.iloc[0]
    n_networks = int(first["n_networks"])
    n_neurons, undefined = rows["neuron"].nunique(), int(rows["index_percent"].isna().sum())
    words = f"≥ {100 * inhibited_from:g} %: {first['mean_share_percent']:.1f} % of neurons"
    if n_networks > 1:
        bounds = f"{first['share_low']:.1f} to {first['share_high']:.1f} %"
        words += f"\n95 % t interval {plotting.minus_signs(bounds)}"
    networks = "network" if n_networks == 1 else "networks"
    words += f"\n{n_networks} {networks} × {n_neurons} neurons"
    return words + (f"\n{undefined} without index" if undefined else "")


def _colours(n: int) -> np.ndarray:
    """From light to dark; the very light end of the map cannot be seen on white."""
    return matplotlib.colormaps["gist_earth_r"](np.linspace(0.12, 1, n))


def _colour_bar(page, ax: Axes, curves: pd.DataFrame) -> None:
    levels = np.unique(curves["preferred_percent"])
    colours = matplotlib.colors.ListedColormap(_colours(len(levels)))
    scale = matplotlib.cm.ScalarMappable(
        matplotlib.colors.BoundaryNorm(np.arange(len(levels) + 1) - 0.5, len(levels)), colours
    )
    bar = page.colorbar(scale, ax=ax, ticks=range(len(levels)))
    bar.ax.set_yticklabels([f"{level:.2g}" for level in levels])
    bar.set_label("contrast of the preferred patch (%)")


def _names(arrays: dict) -> dict[str, str]:
    return {name: str(arrays[name]) for name in ("dataset", "model", "source_kind")}


def _kind(found: list[dict]) -> str:
    kinds = {str(arrays["source_kind"]) for arrays in found}
    if len(kinds) > 1:
        raise ValueError(f"experiments on {' and '.join(sorted(kinds))} data in one figure")
    return kinds.pop()

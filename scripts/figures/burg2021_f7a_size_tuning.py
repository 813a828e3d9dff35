"""F7A: surround suppression of the best networks, and their size tuning."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import read_npz, write_csv
from v1lib.steps import Input, Output
from v1lib.summaries import summarise, t_interval

ARRAYS = (
    *("rank", "seed", "neuron", "radii_px", "discs", "suppression", "summation_px"),
    *("dataset", "model", "source_kind"),
)
_BIN = 0.05


def main(
    *,
    experiment: Input,
    figure: Output,
    pdf: Output,
    table: Output,
    pixels_per_degree: float,
) -> None:
    """Histogram of the suppression index; inset: responses to discs of the best network.

    ``experiment``: file of the step ``insilico_size_tuning``. Negative indices lie outside the
    histogram and count in its proportions and in the mean.
    """
    found = read_npz(experiment, required=ARRAYS)
    indices, curves = indices_of(found, pixels_per_degree), curves_of(found, pixels_per_degree)
    look = plotting.looks([str(found["model"])])[str(found["model"])]
    with plotting.style():
        page = plotting.new_figure(plotting.COLUMN_CM, 7.6)
        (ax,) = plotting.panels(page, 1, 1)
        _draw_indices(ax, indices, look)
        _draw_curves(ax.inset_axes((0.46, 0.36, 0.52, 0.58)), curves, look.colour)
    plotting.save_figure(page, figure, pdf, str(found["source_kind"]))
    write_csv(pd.concat([indices, curves], ignore_index=True), table)


def indices_of(found: dict, pixels_per_degree: float) -> pd.DataFrame:
    """Suppression index and summation field diameter (degrees) of each neuron of each network."""
    n_networks, n_neurons = found["suppression"].shape
    means = np.nanmean(found["suppression"], axis=1)
    interval = t_interval(means)
    columns = {
        "panel": "index",
        **_names(found),
        "rank": np.repeat(found["rank"], n_neurons),
        "seed": np.repeat(found["seed"], n_neurons),
        "neuron": np.tile(found["neuron"], n_networks),
        "suppression_index": found["suppression"].ravel(),
        "summation_diameter_deg": 2 * found["summation_px"].ravel() / pixels_per_degree,
        "mean_index": summarise(found["suppression"], ddof=1).mean,
        "mean_index_low": interval.low,
        "mean_index_high": interval.high,
        "n_networks": n_networks,
    }
    return pd.DataFrame(columns)


def curves_of(found: dict, pixels_per_degree: float) -> pd.DataFrame:
    """Responses of the best network to discs: each neuron by its own maximum, and their mean.

    The mean over neurons (neuron = "mean") is taken before it is divided by its maximum.
    """
    best = int(found["rank"].argmin())
    responses = np.concatenate([found["discs"][best], found["discs"][[best]].mean(axis=1)])
    largest = responses.max(axis=1, keepdims=True)
    shares = np.divide(responses, largest, out=np.zeros_like(responses), where=largest > 0)
    diameter = 2 * np.maximum(found["radii_px"], 0) / pixels_per_degree
    columns = {
        "panel": "curve",
        **_names(found),
        "rank": found["rank"][best],
        "seed": found["seed"][best],
        "neuron": np.repeat([*map(str, found["neuron"]), "mean"], len(diameter)),
        "diameter_deg": np.tile(diameter, len(shares)),
        "response": shares.ravel(),
    }
    return pd.DataFrame(columns)


def _draw_indices(ax: Axes, rows: pd.DataFrame, look: plotting.Look) -> None:
    values = rows["suppression_index"].dropna()
    edges = np.linspace(0, 1, round(1 / _BIN) + 1)
    shares = np.full(len(values), 1 / max(len(values), 1))
    ax.hist(values, bins=edges, weights=shares, color=look.colour)
    ax.set(xlabel="suppression index", ylabel="proportion", xlim=(0, 1), ylim=(0, 1))
    ax.set_yticks([0, 0.3, 0.6, 0.9])
    first, undefined = rows.iloc[0], int(rows["suppression_index"].isna().sum())
    n_networks = int(first["n_networks"])
    words = f"{look.label}: mean index {first['mean_index']:.3f}"
    if n_networks > 1:
        bounds = f"{first['mean_index_low']:.3f} to {first['mean_index_high']:.3f}"
        words += f" (95 %: {plotting.minus_signs(bounds)})"
    words += f"\nmean summation field {rows['summation_diameter_deg'].mean():.2f}° across"
    networks = "network" if n_networks == 1 else "networks"
    words += f"\n{n_networks} {networks} × {rows['neuron'].nunique()} neurons"
    words += f", {int((values < 0).sum())} indices below 0"
    ax.set_title(words + (f", {undefined} undefined" if undefined else ""))


def _draw_curves(ax: Axes, curves: pd.DataFrame, colour: str) -> None:
    for neuron, line in curves.groupby("neuron", sort=False):
        style = {"color": "black", "linewidth": 1.6}
        if neuron != "mean":
            style = {"color": colour, "linewidth": 0.4, "alpha": 0.35}
        ax.plot(line["diameter_deg"], line["response"], **style)
    ax.set(xlabel="diameter (°)", ylabel="response / largest", ylim=(0, 1.05))
    ax.set_xlim(left=0)
    ax.set_title(f"network of rank {curves['rank'].iloc[0]}; black: mean", fontsize=6.5)


def _names(found: dict) -> dict[str, str]:
    return {name: str(found[name]) for name in ("dataset", "model", "source_kind")}

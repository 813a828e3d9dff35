"""K4: distribution of prediction quality over the population (claim C1)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.score_files import source_kind_of
from v1lib.score_tables import choose, read_neurons, sem
from v1lib.steps import Input, Output

_QUANTITIES = {
    "correlation": "r (evaluation images)",
    "cc_norm_surrogate": "CC$_{norm}$, Poisson surrogate",
}


def main(
    *,
    neurons: Input,
    figure: Output,
    pdf: Output,
    table: Output,
    model: str,
    sessions: list,
    bin_width: float,
) -> None:
    """Histograms over neurons of r and of the Poisson surrogate of CC_norm, mean over seeds."""
    cells = choose(read_neurons(neurons), model, sessions)
    kind = source_kind_of(cells)
    drawn = [histogram(cells, quantity, bin_width) for quantity in _QUANTITIES]
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 5.8)
        for ax, bins in zip(plotting.panels(page, 1, 2), drawn, strict=True):
            _draw(ax, bins, plotting.looks([model])[model].colour)
    plotting.save_figure(page, figure, pdf, kind)
    write_csv(pd.concat(drawn).assign(source_kind=kind), table)


def histogram(cells: pd.DataFrame, quantity: str, bin_width: float) -> pd.DataFrame:
    """Counts of neurons per bin, with mean, SEM, median and n of the defined values beside them."""
    values = cells[quantity].dropna()
    if values.empty:
        raise ValueError(f"{quantity} is undefined for all {len(cells)} neurons")
    lowest = min(0.0, np.floor(values.min() / bin_width) * bin_width)
    edges = lowest + bin_width * np.arange(np.ceil((1 - lowest) / bin_width - 1e-9) + 1)
    counts, _ = np.histogram(values.clip(edges[0], edges[-1]), edges)
    return pd.DataFrame(
        {
            "quantity": quantity,
            "bin_left": edges[:-1],
            "bin_right": edges[1:],
            "n_in_bin": counts,
            "mean": values.mean(),
            "sem": sem(values),
            "median": values.median(),
            "n": len(values),
            "n_undefined": len(cells) - len(values),
        }
    )


def _draw(ax: Axes, bins: pd.DataFrame, colour: str) -> None:
    width = bins["bin_right"] - bins["bin_left"]
    ax.bar(bins["bin_left"], bins["n_in_bin"], width, align="edge", color=colour, edgecolor="white")
    first = bins.iloc[0]
    ax.axvline(first["mean"], color="black")
    ax.set(xlabel=_QUANTITIES[first["quantity"]], ylabel="neurons")
    ax.set_xlim(bins["bin_left"].min(), bins["bin_right"].max())
    ax.set_ylim(0, bins["n_in_bin"].max() * 1.1)
    ax.yaxis.get_major_locator().set_params(integer=True)
    undefined = f", {first['n_undefined']} undefined" if first["n_undefined"] else ""
    ax.set_title(
        f"mean {first['mean']:.3f} ± {first['sem']:.3f} (SEM), median {first['median']:.3f}\n"
        f"n = {first['n']} neurons{undefined}"
    )

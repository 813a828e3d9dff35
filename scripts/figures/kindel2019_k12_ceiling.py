"""K12: how close predictions come to the predictability ceiling (claim C5)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.score_files import source_kind_of
from v1lib.score_tables import choose, read_neurons
from v1lib.steps import Input, Output


def main(
    *,
    neurons: Input,
    figure: Output,
    pdf: Output,
    table: Output,
    model: str,
    sessions: list,
    near_ceiling: float,
) -> None:
    """r against its ceiling, and the share of neurons by their fraction of the ceiling.

    The ceiling is the Poisson surrogate sqrt(SP / Var(y)); a neuron is near it when its surrogate
    CC_norm (mean over the seeds where it is defined) reaches ``near_ceiling``.
    """
    cells = choose(read_neurons(neurons), model, sessions)
    defined = cells.dropna(subset=["cc_norm_surrogate", "ceiling_surrogate"]).copy()
    if defined.empty:
        raise ValueError(f"{neurons}: no neuron of {model} has a surrogate ceiling")
    defined["near"] = (defined["cc_norm_surrogate"] >= near_ceiling).astype(int)
    defined = defined.sort_values("cc_norm_surrogate", kind="stable")
    defined["cumulative_share"] = np.arange(1, len(defined) + 1) / len(defined)
    colour = plotting.looks([model])[model].colour
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 6.8)
        scatter, cumulative = plotting.panels(page, 1, 2)
        _draw_scatter(scatter, defined, colour, near_ceiling)
        _draw_cumulative(cumulative, defined, colour, near_ceiling)
        cumulative.set_title(
            f"n = {len(defined)} neurons, ceiling undefined for {len(cells) - len(defined)}\n"
            f"{100 * defined['near'].mean():.0f} % of the neurons at or above {near_ceiling:g}"
        )
    plotting.save_figure(page, figure, pdf, source_kind_of(defined))
    columns = ["dataset", "model", "session", "neuron", "correlation", "ceiling_surrogate"]
    shares = ["cc_norm_surrogate", "cumulative_share", "near", "source_kind"]
    write_csv(defined[columns + shares], table)


def _draw_scatter(ax: Axes, cells: pd.DataFrame, colour: str, near_ceiling: float) -> None:
    for near, face in ((0, "none"), (1, colour)):
        group = cells[cells["near"] == near]
        ax.scatter(
            group["ceiling_surrogate"],
            group["correlation"],
            s=plotting.dot_area(len(cells)),
            facecolor=face,
            edgecolor=colour,
            linewidth=0.5,
            label=f"{100 * near_ceiling:g} % of the ceiling or more" if near else "below",
        )
    top = max(1.0, cells["ceiling_surrogate"].max() * 1.02)
    ax.plot([0, top], [0, top], color="black", linewidth=0.7)
    ax.plot([0, top], [0, near_ceiling * top], color="black", linewidth=0.7, linestyle="--")
    ax.set(xlabel="ceiling of r, Poisson surrogate", ylabel="r (evaluation images)", xlim=(0, top))
    ax.set_ylim(min(-0.1, cells["correlation"].min() - 0.03), top)
    ax.legend(loc="upper left")


def _draw_cumulative(ax: Axes, cells: pd.DataFrame, colour: str, near_ceiling: float) -> None:
    left = min(0.0, cells["cc_norm_surrogate"].min())
    fraction = [left, *cells["cc_norm_surrogate"], 1.0]
    share = [0.0, *(100 * cells["cumulative_share"]), 100.0]
    ax.step(fraction, share, where="post", color=colour)
    ax.axvline(near_ceiling, color="black", linestyle="--", linewidth=0.8)
    ax.set(xlabel="CC$_{norm}$, Poisson surrogate", ylabel="neurons (cumulative, %)", ylim=(0, 100))
    ax.set_xlim(left, 1.0)

"""K5: prediction quality against firing rate (claim C2)."""

import logging

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.score_files import source_kind_of
from v1lib.score_tables import choose, read_neurons, sem
from v1lib.steps import Input, Output

_QUANTITIES = {
    "correlation": "r (evaluation images)",
    "cc_norm_surrogate": "CC$_{norm}$, Poisson surrogate",
}

log = logging.getLogger(__name__)


def main(
    *,
    neurons: Input,
    figure: Output,
    pdf: Output,
    table: Output,
    model: str,
    sessions: list,
    active_rate_hz: float,
    response_window_s: float,
    running_median_neurons: int,
) -> None:
    """One dot per neuron, a running median over rate, and mean ± SEM below and above the threshold.

    A neuron that never fired has no place on the logarithmic axis; it counts in the means.
    """
    cells = choose(read_neurons(neurons), model, sessions)
    cells = cells.assign(active=cells["mean_rate_hz"] > active_rate_hz)
    silent = int((cells["mean_rate_hz"] <= 0).sum())
    if silent:
        log.warning(
            "%d neurons with a mean rate of 0 are not drawn on the logarithmic axis", silent
        )
    drawn = [curve(cells, quantity, running_median_neurons) for quantity in _QUANTITIES]
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 6.4)
        for ax, points in zip(plotting.panels(page, 1, 2), drawn, strict=True):
            _draw(ax, points, plotting.looks([model])[model].colour, active_rate_hz)
            ax.set_xlabel(f"mean rate (Hz; window {response_window_s * 1000:g} ms)")
    plotting.save_figure(page, figure, pdf, source_kind_of(cells))
    write_csv(pd.concat(drawn), table)


def curve(cells: pd.DataFrame, quantity: str, running_median_neurons: int) -> pd.DataFrame:
    """Neurons by rising rate with their value, the running median and the mean of their group.

    The median is over ``running_median_neurons`` neighbours in rank (fewer in a small population: a
    third of it) and is given where the whole window fits.
    """
    points = cells.dropna(subset=[quantity]).sort_values("mean_rate_hz", kind="stable")
    points = points.rename(columns={quantity: "value"}).assign(quantity=quantity)
    window = max(3, min(running_median_neurons, len(points) // 3))
    rolling = points["value"].rolling(window, center=True, min_periods=window)
    points["running_median"] = rolling.median()
    groups = points.groupby("active")["value"]
    points["group_mean"] = groups.transform("mean")
    points["group_sem"] = groups.transform(sem)
    points["group_n"] = groups.transform("size")
    columns = ["quantity", "model", "session", "neuron", "mean_rate_hz", "value", "running_median"]
    groups = ["active", "group_mean", "group_sem", "group_n"]
    return points[[*columns, *groups, "source_kind"]]


def _draw(ax: Axes, points: pd.DataFrame, colour: str, active_rate_hz: float) -> None:
    fired = points[points["mean_rate_hz"] > 0]
    ax.scatter(
        fired["mean_rate_hz"],
        fired["value"],
        s=plotting.dot_area(len(fired)),
        color=colour,
        alpha=0.45,
        linewidth=0,
    )
    ax.plot(fired["mean_rate_hz"], fired["running_median"], color="black", label="running median")
    ax.axvline(active_rate_hz, color="black", linestyle="--", linewidth=0.8)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set(ylabel=_QUANTITIES[points["quantity"].iloc[0]], ylim=(_floor(points["value"]), 1.02))
    ax.legend(loc="lower right")
    groups = points.drop_duplicates("active").sort_values("active")
    ax.set_title(
        "\n".join(
            f"{'above' if group.active else 'up to'} {active_rate_hz:g} Hz: mean "
            f"{group.group_mean:.3f} ± {group.group_sem:.3f} (SEM), n = {group.group_n}"
            for group in groups.itertuples()
        )
    )


def _floor(values: pd.Series) -> float:
    return min(-0.1, np.floor(values.min() * 10) / 10)

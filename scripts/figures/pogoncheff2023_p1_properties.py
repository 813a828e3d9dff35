"""P1 and P2 as a picture: scores of V1 alignment by group of properties, for all networks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.pogoncheff2023_drawing import looks_of, mark_profile
from v1lib.pogoncheff2023_limits import few_units
from v1lib.pogoncheff2023_pages import ALIGNMENT, UNMEASURED, header_of, seeds_of
from v1lib.pogoncheff2023_tables import alignments, network_kind, over_seeds
from v1lib.steps import Inputs, Output

_COLUMNS = 5
_ROW_CM, _HEAD_CM, _LEGEND_CM = 0.36, 1.7, 0.5


def main(
    *,
    scores: Inputs,
    predictivities: Inputs,
    figure: Output,
    pdf: Output,
    table: Output,
    models: list,
    least_units: int,
    profile: str,
) -> None:
    """A dot per seed, mean ± standard error, a line at the first network; a panel per score.

    Networks of which no seed has a score are written "not measured". Seeds with fewer units at the
    stimuli than ``least_units`` have hollow dots, means over such seeds are grey.

    ``models``: [label, model] from top to bottom, the network without components first;
    ``predictivities``: none without recordings; ``profile``: on the face of the figure.
    """
    values, by_label = alignments(scores, predictivities), dict(models)
    values = values.assign(few_units=few_units(values, least_units))
    scored = values["value"].notna()  # seeds without a score are in no mean
    few = (values["few_units"] & scored).groupby([values["model"], values["quantity"]]).any()
    found = over_seeds(values, by_label).join(few.rename("few_units"), on=["model", "quantity"])
    drawn = [name for name in ALIGNMENT if name in set(found["quantity"])]
    n_rows = -(-len(drawn) // _COLUMNS)
    with plotting.style():
        height = n_rows * (_ROW_CM * len(by_label) + _HEAD_CM) + _LEGEND_CM
        page = plotting.new_figure(plotting.WIDE_CM, height)
        axes = plotting.panels(page, n_rows, _COLUMNS, letters=False)
        for place, (ax, quantity) in enumerate(zip(axes, drawn, strict=False)):
            _draw(ax, found[found["quantity"] == quantity], values, by_label)
            ax.set_title(_wrapped(header_of(found, quantity)))
            if place % _COLUMNS:
                ax.set_yticklabels([])
        for ax in axes[len(drawn) :]:
            ax.set_axis_off()
        with_mean = found[found["quantity"].isin(drawn) & (found["n_seeds"] > 0)]
        seeds = f"{seeds_of(with_mean['n_seeds'])} seeds"
        page.legend(
            handles=_legend(least_units),
            title=f"score (share of the ceiling), mean ± standard error over {seeds}",
            loc="outside lower center",
            ncols=4,
        )
        mark_profile(page, profile)
    plotting.save_figure(page, figure, pdf, network_kind(found))
    write_csv(_drawn(values, found, drawn, profile), table)


def _draw(ax: Axes, found: pd.DataFrame, values: pd.DataFrame, by_label: dict[str, str]) -> None:
    looks = looks_of(list(by_label.values()))
    quantity = found["quantity"].iloc[0]
    means = found.set_index("label")
    for place, (label, model) in enumerate(by_label.items()):
        colour = looks[model].colour
        own = values[(values["model"] == model) & (values["quantity"] == quantity)]
        _draw_dots(ax, place, own, colour)
        if label in means.index and means.loc[label, "n_seeds"]:
            row = means.loc[label]
            colour = plotting.GREY if row["few_units"] else colour
            ax.errorbar(row["mean"], place, xerr=_bar(row["se"]), color=colour, capsize=1.5)
            ax.plot(row["mean"], place, marker="|", markersize=7, color=colour)
    first = next(iter(by_label))
    if first in means.index:
        ax.axvline(means.loc[first, "mean"], color="black", linewidth=0.6, linestyle=":", zorder=0)
    ax.set_yticks(range(len(by_label)), list(by_label))
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(by_label) - 0.5, -0.5)
    ax.margins(x=0.1)
    ax.locator_params(axis="x", nbins=4)
    ax.grid(axis="y", color="#eeeeee", linewidth=0.4)
    ax.set_axisbelow(True)


def _draw_dots(ax: Axes, place: float, own: pd.DataFrame, colour: str) -> None:
    """Seeds of a network at a height, those with few units hollow; words where none has a score."""
    heights = place + plotting.jitter(len(own), 0.5)
    faces = np.where(own["few_units"], "white", colour)
    ax.scatter(own["value"], heights, s=7, c=faces, edgecolors=colour, linewidths=0.5, alpha=0.6)
    if own["value"].isna().all() and len(own):
        ax.text(
            0.5, place, UNMEASURED, transform=ax.get_yaxis_transform(), va="center",
            ha="center", fontsize=5.5, color=plotting.GREY,
        )  # fmt: skip


def _legend(least_units: int) -> list[Line2D]:
    """What dots and bars mean, in any colour."""
    dot = {"linestyle": "none", "marker": "o", "markersize": 2.6, "color": "black"}
    bar = {"linestyle": "-", "marker": "|", "markersize": 7}
    few = f"fewer than {least_units} units"
    return [
        Line2D([], [], label="seed", **dot),
        Line2D([], [], label=f"seed with {few}", mfc="white", mew=0.5, **dot),
        Line2D([], [], label="mean", color="black", **bar),
        Line2D([], [], label=f"mean with a seed of {few}", color=plotting.GREY, **bar),
    ]


def _bar(error: float) -> float | None:
    return None if np.isnan(error) else error


def _wrapped(text: str) -> str:
    """A title in two lines: the number of properties, or the last word, in the second one."""
    name, bracket, rest = text.partition(" (")
    if bracket:
        return f"{name}\n({rest}"
    first, _, last = text.rpartition(" ")
    return f"{first}\n{last}" if first else f"\n{last}"


def _drawn(
    values: pd.DataFrame, found: pd.DataFrame, drawn: list[str], profile: str
) -> pd.DataFrame:
    """A row for each dot and each mean, of the quantities drawn."""
    labels = found.drop_duplicates("model").set_index("model")["label"]
    dots = values[values["quantity"].isin(drawn) & values["model"].isin(labels.index)]
    dots = dots.assign(series="seed", label=dots["model"].map(labels))
    means = found[found["quantity"].isin(drawn)].assign(series="mean")
    means = means.rename(columns={"mean": "value"})
    table = pd.concat([dots, means], ignore_index=True).assign(profile=profile)
    columns = ("profile", "series", "label", "dataset", "model", "seed", "quantity", "value", "se")
    return table[[*columns, "n_seeds", "few_units", "n_parts", "of_parts", "source_kind"]]

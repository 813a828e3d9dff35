"""Fig 1: which scans share neurons or images, and which collections they belong to."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.lurz2021_drawing import looks_of
from v1lib.steps import Output

EVALUATION = "evaluation"


def main(
    *,
    figure: Output,
    pdf: Output,
    table: Output,
    fields: list,
    collections: list,
    evaluation: list,
    source_kind: str,
) -> None:
    """A row per set of neurons, a column per set of images, a filled cell per scan.

    ``fields``: neuron sets in order, each with ``n_neurons`` and ``scans`` (image set by scan);
    ``collections``: label and scans of each, in legend order; ``evaluation``: the scans that cores
    are evaluated on. A cell of several collections is shared among their colours. The animal is the
    first number in the name of a scan.
    """
    cells = cells_of(fields, dict(collections) | {EVALUATION: evaluation})
    with plotting.style():
        n_rows, n_columns = len(fields), int(cells["image_set"].max()) + 1
        page = plotting.new_figure(5.2 + 0.62 * n_columns, 2.0 + 0.62 * n_rows)
        (ax,) = plotting.panels(page, 1, 1)
        _draw(ax, cells, n_rows, n_columns)
        labels = [*dict(collections), EVALUATION]
        handles = [Patch(color=_colour(label), label=label) for label in labels]
        page.legend(handles=handles, loc="outside right center")
    plotting.save_figure(page, figure, pdf, source_kind)
    write_csv(cells.assign(source_kind=source_kind), table)


def cells_of(fields: Sequence[dict], collections: dict) -> pd.DataFrame:
    """One row per scan and collection: neuron_set, image_set, scan, animal, n_neurons, collection.

    A scan in no collection has one row, with an empty collection.

    Raises:
        ValueError: a collection has a scan that no field has.
    """
    known = {scan for field in fields for scan in field["scans"]}
    for label, scans in collections.items():
        if unknown := sorted(set(scans) - known):
            raise ValueError(f"collection {label!r} has scan {unknown[0]}, fields {sorted(known)}")
    rows = []
    for number, field in enumerate(fields):
        for scan, image_set in field["scans"].items():
            labels = [label for label, scans in collections.items() if scan in scans] or [""]
            rows += [
                {
                    "neuron_set": number,
                    "image_set": image_set,
                    "scan": scan,
                    "animal": scan.split("-")[0],
                    "n_neurons": field["n_neurons"],
                    "collection": label,
                }
                for label in labels
            ]
    return pd.DataFrame(rows)


def _colour(label: str) -> str:
    # the evaluation scan is where direct training takes place, and blue as that curve
    return looks_of(["direct" if label == EVALUATION else label]).popitem()[1].colour


def _draw(ax: Axes, cells: pd.DataFrame, n_rows: int, n_columns: int) -> None:
    for row in range(n_rows):
        for column in range(n_columns):
            ax.add_patch(_cell(column, row, 1.0, facecolor="white", edgecolor="#d0d0d0"))
    for (row, column), rows in cells.groupby(["neuron_set", "image_set"]):
        share = 1 / len(rows)
        for place, label in enumerate(rows["collection"]):
            colour = _colour(label) if label else "#d0d0d0"
            ax.add_patch(_cell(column + place * share, row, share, facecolor=colour))
        ax.add_patch(_cell(column, row, 1.0, facecolor="none", edgecolor="black"))
    _draw_animals(ax, cells, n_columns)
    names = cells.groupby("neuron_set")["n_neurons"].first()
    ax.set_yticks(np.arange(n_rows) + 0.5, [f"{n:,}" for n in names])
    ax.set_xticks(np.arange(n_columns) + 0.5, range(n_columns))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="image set", ylabel="neurons of each set")
    ax.set(xlim=(-0.1, n_columns + 1.6), ylim=(n_rows + 0.1, -0.1))


def _cell(
    x: float, y: float, width: float, *, facecolor: str, edgecolor: str = "none"
) -> Rectangle:
    return Rectangle((x, y), width, 1.0, facecolor=facecolor, edgecolor=edgecolor)


def _draw_animals(ax: Axes, cells: pd.DataFrame, n_columns: int) -> None:
    """A bar at the right of the neuron sets of each animal."""
    for animal, rows in cells.groupby("animal", sort=False):
        top, bottom = rows["neuron_set"].min(), rows["neuron_set"].max() + 1
        x = n_columns + 0.4
        ax.plot([x, x], [top + 0.12, bottom - 0.12], color="black", linewidth=2)
        ax.text(x + 0.25, (top + bottom) / 2, f"{animal}", va="center", fontsize=6.5)
    ax.text(n_columns + 0.4, -0.15, "animal", ha="center", va="bottom", fontsize=6.5)

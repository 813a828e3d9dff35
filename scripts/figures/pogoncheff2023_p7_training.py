"""P7 as a picture: validation accuracy over the epochs of training."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.pogoncheff2023_drawing import (
    NetworkLook,
    chance_entry,
    draw_chance,
    legend_of,
    looks_of,
    mark_profile,
    marker_of,
)
from v1lib.pogoncheff2023_limits import chance_of
from v1lib.pogoncheff2023_pages import seeds_of
from v1lib.pogoncheff2023_tables import curves_of_training, network_kind
from v1lib.steps import Inputs, Output

_LEGEND_COLUMNS = 4
_MARKER = 3  # points


def main(
    *,
    histories: Inputs,
    figure: Output,
    pdf: Output,
    table: Output,
    groups: list,
    n_classes: dict,
    profile: str,
) -> None:
    """Mean over seeds, each seed as a thin line; a panel per group.

    ``groups``: name of each panel and [label, model] of its networks, of which those with one label
    look alike; ``n_classes``: by data set, for the level of chance; ``profile``: on the face of the
    figure. Epoch 0 is before training.
    """
    curves = curves_of_training(histories)
    curves = curves.assign(quantity="accuracy", chance=chance_of(curves["dataset"], n_classes))
    drawn = pd.concat([_of_group(curves, name, models) for name, models in groups])
    looks = looks_of(list(dict.fromkeys(drawn["model"])))
    models_by_label = drawn.drop_duplicates("label").set_index("label")["model"]
    named = {label: looks[model] for label, model in models_by_label.items()}
    with plotting.style():
        n_lines = -(-(len(named) + 1) // _LEGEND_COLUMNS)
        width = plotting.WIDE_CM if len(groups) > 1 else 12.0
        page = plotting.new_figure(width, 7.0 + 0.4 * n_lines)
        axes = plotting.panels(page, 1, len(groups), share_y=True)
        for ax, (name, rows) in zip(axes, drawn.groupby("group", sort=False), strict=True):
            _draw(ax, rows, looks)
            ax.set_title(name)
        axes[0].set_ylim(bottom=0)  # shared by all, so only now
        axes[0].set_ylabel("validation accuracy (top-1)")
        n_seeds = drawn.groupby("model")["seed"].nunique()
        page.legend(
            handles=legend_of(named, lines=True, size=_MARKER) + chance_entry(drawn["chance"]),
            title=f"thick: mean over seeds, thin: each of {seeds_of(n_seeds)} seeds",
            loc="outside lower center",
            ncols=_LEGEND_COLUMNS,
        )
        mark_profile(page, profile)
    plotting.save_figure(page, figure, pdf, network_kind(drawn))
    columns = ("profile", "group", "label", "dataset", "model", "seed", "epoch", "value", "chance")
    write_csv(drawn.assign(profile=profile)[[*columns, "source_kind"]], table)


def _of_group(curves: pd.DataFrame, name: str, models: list) -> pd.DataFrame:
    """Curves of the networks of a panel in their order, with the names of both."""
    known = set(curves["model"])
    for label, model in models:
        if model not in known:
            raise ValueError(f"no history of model {model!r} ({label})")
    own = [
        curves[curves["model"] == model].assign(group=name, label=label) for label, model in models
    ]
    return pd.concat(own)


def _draw(ax: Axes, rows: pd.DataFrame, looks: Mapping[str, NetworkLook]) -> None:
    for model, own in rows.groupby("model", sort=False):
        style = {"color": looks[model].colour, "linestyle": looks[model].line}
        for _, seed in own.groupby("seed"):
            ax.plot(seed["epoch"], seed["value"], linewidth=0.4, alpha=0.4, **style)
        mean = own.groupby("epoch")["value"].mean()
        marker = marker_of(looks[model], _MARKER)  # at the end, to tell like colours apart
        ax.plot(mean.index, mean, linewidth=1.2, markevery=[-1], clip_on=False, **marker | style)
    draw_chance(ax, rows["chance"])
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    ax.margins(x=0.02)

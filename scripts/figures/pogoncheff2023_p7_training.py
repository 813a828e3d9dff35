"""P7 as a picture: validation accuracy over the epochs of training."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.pogoncheff2023_drawing import legend_of, looks_of, mark_profile
from v1lib.pogoncheff2023_tables import curves_of_training, network_kind
from v1lib.steps import Inputs, Output


def main(
    *, histories: Inputs, figure: Output, pdf: Output, table: Output, groups: list, profile: str
) -> None:
    """Mean over seeds, each seed as a thin line; a panel per group.

    ``groups``: name of each panel and [label, model] of its networks; ``profile``: on the face
    of the figure. Epoch 0 is before training.
    """
    curves = curves_of_training(histories).assign(quantity="accuracy")
    with plotting.style():
        width = plotting.WIDE_CM if len(groups) > 1 else 12.0
        page = plotting.new_figure(width, 6.6 + 0.32 * max(len(models) for _, models in groups))
        axes = plotting.panels(page, 1, len(groups), letters=False, share_y=True)
        for ax, (name, models) in zip(axes, groups, strict=True):
            _draw(ax, curves, dict(models))
            ax.set_title(name)
            ax.legend(
                handles=legend_of(dict(models), lines=True, size=0),
                loc="upper left",
                bbox_to_anchor=(0.0, -0.17),
            )
        axes[0].set_ylim(bottom=0)  # shared by all, so only now
        axes[0].set_ylabel("validation accuracy (top-1)")
        mark_profile(page, profile)
    listed = {model: label for _, models in groups for label, model in models}
    drawn = curves[curves["model"].isin(listed)]
    plotting.save_figure(page, figure, pdf, network_kind(drawn))
    drawn = drawn.assign(profile=profile, label=drawn["model"].map(listed))
    columns = ("profile", "label", "dataset", "model", "seed", "epoch", "value", "source_kind")
    write_csv(drawn[list(columns)], table)


def _draw(ax: Axes, curves: pd.DataFrame, models: Mapping[str, str]) -> None:
    looks = looks_of(list(models.values()))
    for label, model in models.items():
        own = curves[curves["model"] == model]
        if own.empty:
            raise ValueError(f"no history of model {model!r} ({label})")
        look = looks[model]
        for _, seed in own.groupby("seed"):
            style = {"color": look.colour, "linestyle": look.line}
            ax.plot(seed["epoch"], seed["value"], linewidth=0.4, alpha=0.4, **style)
        mean = own.groupby("epoch")["value"].mean()
        ax.plot(mean.index, mean, color=look.colour, linestyle=look.line, linewidth=1.2)
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    ax.margins(x=0.02)

"""P4: accuracy against the severity of corruptions, by family."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.pogoncheff2023_drawing import (
    chance_entry,
    draw_chance,
    draw_mean,
    legend_of,
    looks_of,
    mark_profile,
)
from v1lib.pogoncheff2023_limits import chance_of
from v1lib.pogoncheff2023_pages import seeds_of
from v1lib.pogoncheff2023_tables import (
    FAMILIES,
    network_kind,
    over_seeds,
    read_accuracies,
    severities,
)
from v1lib.steps import Inputs, Output

_ROW_CM = 5.0


def main(
    *,
    accuracies: Inputs,
    figure: Output,
    pdf: Output,
    table: Output,
    groups: list,
    n_classes: dict,
    profile: str,
) -> None:
    """Mean ± standard error over seeds; a column per family, a lettered row per group of networks.

    ``groups``: name of each row and [label, model] of its networks; ``n_classes``: by data set, for
    the level of chance; ``profile``: on the face of the figure. Severity 0 is the clean image.
    """
    cells = read_accuracies(accuracies)
    values = severities(cells)
    is_generated = bool(cells.loc[cells["corruption"] != "", "generated"].any())
    found = {name: over_seeds(values, dict(models), by=["severity"]) for name, models in groups}
    found = {
        name: rows.assign(chance=chance_of(rows["dataset"], n_classes))
        for name, rows in found.items()
    }
    families = [name for name in FAMILIES if name in set(values["quantity"])]
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, _ROW_CM * len(groups) + 0.9)
        axes = plotting.panels(page, len(groups), len(families), letters=False, share_y=True)
        for number, (name, models) in enumerate(groups):
            row = axes[number * len(families) : (number + 1) * len(families)]
            _draw_row(row, families, found[name], dict(models))
            row[0].set_ylabel(f"{name}\ntop-1 accuracy")
            if len(groups) > 1:
                plotting.letter(row[0], chr(ord("a") + number))
        for ax, family in zip(axes, families, strict=False):
            ax.set_title(family)
        seeds = f"{seeds_of(pd.concat(found.values())['n_seeds'])} seeds"
        page.supxlabel(f"severity of the corruption; mean ± standard error over {seeds}", size=7)
        axes[0].set_ylim(bottom=0)  # shared by all, so only now
        made = "generated corruptions" if is_generated else "published corrupted images"
        mark_profile(page, f"{profile}; {made}")
    drawn = pd.concat([rows.assign(group=name) for name, rows in found.items()], ignore_index=True)
    plotting.save_figure(page, figure, pdf, network_kind(drawn))
    drawn.insert(0, "profile", profile)
    drawn = drawn.assign(generated=is_generated).drop(columns=["n_parts", "of_parts", "neurons"])
    order = [name for name in drawn if name != "source_kind"]
    write_csv(drawn[[*order, "source_kind"]], table)


def _draw_row(
    axes: Sequence[Axes], families: Sequence[str], found: pd.DataFrame, models: Mapping[str, str]
) -> None:
    """A panel per family, and the legend of the networks to the right."""
    looks = looks_of(list(models.values()))
    for ax, family in zip(axes, families, strict=True):
        of_family = found[found["quantity"] == family]
        for label, rows in of_family.groupby("label", sort=False):
            ordered = rows.sort_values("severity")
            draw_mean(ax, ordered["severity"], ordered, looks[models[label]], size=3)
        draw_chance(ax, of_family["chance"])
        shown = sorted(of_family["severity"].unique())
        ax.set_xticks(shown, [f"{severity:g}" if severity else "clean" for severity in shown])
    named = {label: looks[model] for label, model in models.items()}
    entries = legend_of(named, lines=True, size=3) + chance_entry(found["chance"])
    axes[-1].legend(handles=entries, loc="center left", bbox_to_anchor=(1.02, 0.5))

"""P4 and P1 together: does a network that is more like V1 resist corruptions better?"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.pogoncheff2023_drawing import (
    chance_entry,
    draw_chance,
    few_entry,
    legend_of,
    looks_of,
    mark_profile,
    marker_of,
)
from v1lib.pogoncheff2023_limits import chance_of, few_units
from v1lib.pogoncheff2023_pages import UNMEASURED, header_of, seeds_of
from v1lib.pogoncheff2023_tables import (
    CLEAN,
    CORRUPTED,
    RELATIVE,
    alignment_of,
    alignments,
    network_kind,
    over_seeds,
    read_accuracies,
    robustness,
)
from v1lib.statistics import rank_correlation
from v1lib.steps import Inputs, Output

_PANELS = {
    CLEAN: "top-1 accuracy, clean",
    CORRUPTED: "top-1 accuracy, corrupted",
    RELATIVE: "accuracy, corrupted / clean",
}
_LEGEND_COLUMNS = 4
_MARKER = 4.5  # points


def main(
    *,
    scores: Inputs,
    predictivities: Inputs,
    accuracies: Inputs,
    figure: Output,
    pdf: Output,
    table: Output,
    models: list,
    evaluated: dict,
    n_classes: dict,
    least_units: int,
    profile: str,
) -> None:
    """Accuracy against V1 alignment, a point per network with standard errors over seeds.

    Spearman's rho is over networks. Those without a score have no point, as the legend says.

    Args:
        scores, predictivities, accuracies: tables of the networks.
        figure, pdf, table: to write.
        models: [label, model] of the networks whose V1 alignment was measured.
        evaluated: by label, the model that was evaluated on corrupted images (the same, or one that
            was fine-tuned).
        n_classes: by data set, for the level of chance; without, there is no line.
        least_units: networks with a seed of fewer at the stimuli have hollow markers.
        profile: on the face of the figure.
    """
    by_label = {label: model for label, model in models if label in evaluated}
    aligned = _aligned(alignments(scores, predictivities), by_label, least_units)
    cells = robustness(read_accuracies(accuracies))
    accurate = over_seeds(cells, {label: evaluated[label] for label in by_label})
    accurate = accurate.assign(chance=chance_of(accurate["dataset"], n_classes))
    points = [_points(aligned, accurate, quantity) for quantity in _PANELS]
    with plotting.style():
        n_lines = -(-(len(by_label) + 2) // _LEGEND_COLUMNS)
        page = plotting.new_figure(plotting.WIDE_CM, 6.2 + 0.4 * n_lines)
        axes = plotting.panels(page, 1, 3)
        for ax, name, rows in zip(axes, _PANELS.values(), points, strict=True):
            _draw(ax, rows, by_label)
            ax.set_xlabel(aligned["header"].iloc[0])
            ax.set_ylabel(name)
        _draw_legend(page, points[0], by_label, least_units)
        mark_profile(page, profile)
    plotting.save_figure(page, figure, pdf, network_kind(accurate))
    drawn = pd.concat(points, ignore_index=True)
    drawn.insert(0, "profile", profile)
    write_csv(drawn, table)


def _aligned(values: pd.DataFrame, by_label: dict[str, str], least_units: int) -> pd.DataFrame:
    """By label, means of the judged score, its name (header), and whether a seed has few units."""
    judged, found = alignment_of(values), over_seeds(values, by_label)
    # Of the seeds with a score: the others are in no mean.
    own = values.assign(few_units=few_units(values, least_units) & values["value"].notna())
    few = own[own["quantity"] == judged].groupby("model")["few_units"].any()
    found = found.assign(header=header_of(found, judged)).join(few, on="model")
    return found[found["quantity"] == judged].set_index("label")


def _points(aligned: pd.DataFrame, accurate: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Alignment (x) and accuracy (y) of every network, with Spearman's rho in each row."""
    own = accurate[accurate["quantity"] == quantity].set_index("label")
    found = pd.DataFrame(
        {
            "label": own.index,
            "model": own["model"].to_numpy(),
            "aligned_model": aligned["model"].reindex(own.index).to_numpy(),
            "quantity": quantity,
            "accuracy": own["mean"].to_numpy(),
            "accuracy_se": own["se"].to_numpy(),
            "alignment": aligned["mean"].reindex(own.index).to_numpy(),
            "alignment_se": aligned["se"].reindex(own.index).to_numpy(),
            "alignment_quantity": aligned["quantity"].iloc[0],
            "few_units": aligned["few_units"].reindex(own.index, fill_value=False).to_numpy(),
            "n_seeds": own["n_seeds"].to_numpy(),
            "alignment_n_seeds": aligned["n_seeds"].reindex(own.index, fill_value=0).to_numpy(),
            # Guessing is as good on corrupted images: a ratio has no level of chance.
            "chance": float("nan") if quantity == RELATIVE else own["chance"].to_numpy(),
        }
    )
    rho, p, n = rank_correlation(found["alignment"], found["accuracy"])
    return found.assign(rho=rho, p=p, n=n, source_kind=own["source_kind"].to_numpy())


def _draw(ax: Axes, rows: pd.DataFrame, by_label: dict[str, str]) -> None:
    looks = looks_of(list(by_label.values()))
    for row in rows.to_dict("records"):
        look = looks[by_label[row["label"]]]
        ax.errorbar(
            row["alignment"],
            row["accuracy"],
            xerr=_bar(row["alignment_se"]),
            yerr=_bar(row["accuracy_se"]),
            elinewidth=0.5,
            ecolor=plotting.GREY if row["few_units"] else look.colour,
            alpha=0.9,
            **marker_of(look, _MARKER, is_few=row["few_units"]),
        )
    draw_chance(ax, rows["chance"])
    first = rows.iloc[0]
    if pd.notna(first["rho"]):
        rho = plotting.minus_signs(f"{first['rho']:.2f}")
        ax.set_title(f"Spearman's rho {rho}, {first['n']} networks", loc="right")
    ax.margins(0.12)


def _draw_legend(
    page: Figure, rows: pd.DataFrame, by_label: dict[str, str], least_units: int
) -> None:
    """Networks, what their markers mean, and the level of chance."""
    few = set(rows.loc[rows["few_units"], "label"])
    without = set(rows.loc[rows["alignment"].isna(), "label"])
    named = {f"{name} ({UNMEASURED})" if name in without else name: name for name in by_label}
    looks = looks_of(list(by_label.values()))
    handles = legend_of(
        {label: looks[by_label[name]] for label, name in named.items()},
        lines=False,
        few=[label for label, name in named.items() if name in few],
    )
    handles += chance_entry(rows["chance"])
    entries = [(handle, handle.get_label()) for handle in handles]
    entries += [few_entry(least_units)] if few else []
    counts = pd.concat([rows["n_seeds"], rows["alignment_n_seeds"]])
    page.legend(
        *zip(*entries, strict=True),
        handler_map={tuple: HandlerTuple(None)},
        title=f"mean ± standard error over {seeds_of(counts[counts > 0])} seeds",
        loc="outside lower center",
        ncols=_LEGEND_COLUMNS,
    )


def _bar(error: float) -> float | None:
    return error if error > 0 else None

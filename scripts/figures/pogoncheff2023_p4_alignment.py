"""P4 and P1 together: does a network that is more like V1 resist corruptions better?"""

import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.pogoncheff2023_drawing import legend_of, looks_of, mark_profile
from v1lib.pogoncheff2023_pages import UNMEASURED, header_of
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
    CLEAN: "top-1, clean images",
    CORRUPTED: "top-1, mean of corrupted",
    RELATIVE: "corrupted / clean",
}
_LEGEND_COLUMNS = 4


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
    profile: str,
) -> None:
    """Accuracy against V1 alignment, a point per network with standard errors over seeds.

    ``models``: [label, model] of the networks whose V1 alignment was measured; ``evaluated``: by
    label, the model that was evaluated on corrupted images (the same, or one that was fine-tuned);
    ``profile``: on the face of the figure. Spearman's rho is over networks. Those without a score
    have no point; the legend says so.
    """
    by_label = {label: model for label, model in models if label in evaluated}
    values = alignments(scores, predictivities)
    judged = alignment_of(values)
    aligned = over_seeds(values, by_label)
    header = header_of(aligned, judged)
    aligned = aligned[aligned["quantity"] == judged].set_index("label")
    cells = robustness(read_accuracies(accuracies))
    accurate = over_seeds(cells, {label: evaluated[label] for label in by_label})
    points = [_points(aligned, accurate, quantity) for quantity in _PANELS]
    with plotting.style():
        n_lines = -(-len(by_label) // _LEGEND_COLUMNS)
        page = plotting.new_figure(plotting.WIDE_CM, 5.6 + 0.4 * n_lines)
        axes = plotting.panels(page, 1, 3)
        for ax, name, rows in zip(axes, _PANELS.values(), points, strict=True):
            _draw(ax, rows, by_label)
            ax.set_xlabel(header)
            ax.set_ylabel(name)
        without = aligned.index[aligned["mean"].isna()]
        named = {
            f"{name} ({UNMEASURED})" if name in without else name: by_label[name]
            for name in by_label
        }
        entries = legend_of(named, lines=False)
        page.legend(handles=entries, loc="outside lower center", ncols=_LEGEND_COLUMNS)
        mark_profile(page, profile)
    plotting.save_figure(page, figure, pdf, network_kind(accurate))
    drawn = pd.concat(points, ignore_index=True)
    drawn.insert(0, "profile", profile)
    write_csv(drawn, table)


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
        }
    )
    rho, p, n = rank_correlation(found["alignment"], found["accuracy"])
    return found.assign(rho=rho, p=p, n=n, source_kind=own["source_kind"].to_numpy())


def _draw(ax: Axes, rows: pd.DataFrame, by_label: dict[str, str]) -> None:
    looks = looks_of(list(by_label.values()))
    for row in rows.to_dict("records"):
        look = looks[by_label[row["label"]]]
        is_letter = look.marker.startswith("$")
        ax.errorbar(
            row["alignment"],
            row["accuracy"],
            xerr=_bar(row["alignment_se"]),
            yerr=_bar(row["accuracy_se"]),
            color=look.colour,
            marker=look.marker,
            markersize=6 if is_letter else 4.5,
            markeredgewidth=0.3 if is_letter else 0.8,
            markerfacecolor=look.colour if look.filled or is_letter else "white",
            elinewidth=0.5,
            alpha=0.9,
        )
    first = rows.iloc[0]
    if pd.notna(first["rho"]):
        rho = plotting.minus_signs(f"{first['rho']:.2f}")
        ax.set_title(f"Spearman's rho {rho}, {first['n']} networks", loc="right")
    ax.margins(0.12)


def _bar(error: float) -> float | None:
    return error if error > 0 else None

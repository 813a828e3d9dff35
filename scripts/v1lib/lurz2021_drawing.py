"""How curves of Lurz et al. 2021 are drawn: the paper's colours and styles, axes, legends."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.lurz2021_published import points_beside, slug
from v1lib.score_files import source_kind_of

BROWN, MAGENTA, AMBER, NAVY = "#8c564b", "#c2188b", "#d9a400", "#00305e"
FEATURE_SHARING = "f-s: feature sharing"  # what labels of curves speak of
OURS, PUBLISHED, MISSING = "ours", "published", "not drawn"
DRAWN_COLUMNS = (
    *("series", "panel", "label", "model", "dataset", "images", "total_images", "neurons"),
    *("n_scans", "replicate", "mean", "low", "high", "n", "n_replicates", "reduction", "note"),
    "source_kind",
)
_PROXY_ID = "proxy-mark"
_BAND, _FAINT = 0.2, 0.45  # opacity


@dataclass(frozen=True)
class CurveLook:
    """Colour, line style, marker and its size (points) of a curve."""

    colour: str
    line: str = "-"
    marker: str = "o"
    size: float = 4.0


# By the slug of the label.
_LOOKS = {
    # Fig. 3
    "factorised_w_f_s": CurveLook(AMBER),
    "factorised_w_o_f_s": CurveLook(plotting.RED),
    "gaussian_w_f_s": CurveLook(plotting.SKY),
    "gaussian_w_o_f_s": CurveLook(NAVY),
    # Fig. 4
    "direct_training": CurveLook(BROWN),
    # these two meet: the second lies on the first, which shows around it
    "diff_core_best_readout": CurveLook(MAGENTA, size=6.5),
    "best_core_diff_readout": CurveLook(AMBER, "--", "X"),
    # Fig. 5
    "direct": CurveLook(plotting.BLUE),
    "11_s": CurveLook(plotting.ORANGE),
    "11_s_no_cortex": CurveLook(plotting.ORANGE, "--"),
    "4_s_matched": CurveLook(plotting.GREEN),
    "4_s_diff_animals": CurveLook(plotting.RED),
    "1_s": CurveLook(plotting.PURPLE),
    "vgg16": CurveLook("black", ":"),
    "random_vgg16": CurveLook("black", "-."),
    "random_core_wide": CurveLook("black", "--"),
    "random_core_narrow": CurveLook("black"),
    # ablation
    "cortex_f_s": CurveLook(plotting.SKY),
    "f_s_only": CurveLook(plotting.SKY, "--", "X"),
    "cortex_only": CurveLook(NAVY),
    "neither": CurveLook(NAVY, "--", "X"),
}
_SPARE = (plotting.GREY, MAGENTA, BROWN, plotting.GREEN)
_STYLES = (("-", "o"), ("--", "X"), (":", "s"), ("-.", "D"))  # from few neurons to many


def looks_of(labels: Sequence[str]) -> dict[str, CurveLook]:
    """Look of each label; one that the paper does not have gets a spare colour."""
    spare = iter(_SPARE * len(labels))
    return {label: _LOOKS.get(slug(label)) or CurveLook(next(spare)) for label in labels}


def style_of_neurons(numbers: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Line style and marker by number of neurons, from few to many: solid, dashed, dotted."""
    ordered = sorted(set(numbers))
    return {number: _STYLES[place % len(_STYLES)] for place, number in enumerate(ordered)}


def lines_of(
    curves: pd.DataFrame, *, by_neurons: bool = False
) -> Iterator[tuple[pd.DataFrame, CurveLook]]:
    """Each line of a panel with its look.

    Args:
        curves: rows of ``lurz2021_curves.CURVE_COLUMNS``.
        by_neurons: numbers of neurons have line styles and markers, labels only colours.
    """
    looks = looks_of(list(dict.fromkeys(curves["label"])))
    styles = style_of_neurons(curves["neurons"].tolist())
    for (label, neurons), rows in curves.groupby(["label", "neurons"], sort=False):
        look = looks[label]
        yield rows, CurveLook(look.colour, *styles[neurons]) if by_neurons else look


def draw_curves(
    ax: Axes, curves: pd.DataFrame, points: pd.DataFrame, *, by_neurons: bool = False
) -> None:
    """All lines of a panel, and its published points.

    Args:
        curves, by_neurons: as in ``lines_of``.
        points: as in ``draw_published``.
    """
    for rows, look in lines_of(curves, by_neurons=by_neurons):
        draw_line(ax, rows, look)
    draw_published(ax, points, by_neurons=by_neurons)


def draw_line(ax: Axes, rows: pd.DataFrame, look: CurveLook) -> None:
    """Mean with markers, and the band of its interval; a single point gets a bar instead."""
    x = rows["total_images"].to_numpy(dtype=float)
    bounds = rows[["low", "high"]].to_numpy(dtype=float)
    # dashed lines lie on top, as the paper draws "no cortex"
    order = 3 if look.line == "-" else 4
    ax.fill_between(x, *bounds.T, color=look.colour, alpha=_BAND, linewidth=0, zorder=order - 2)
    if len(rows) == 1:
        error = np.abs(bounds - rows[["mean"]].to_numpy()).T
        ax.errorbar(x, rows["mean"], yerr=error, fmt="none", ecolor=look.colour, capsize=2)
    ax.plot(
        x,
        rows["mean"],
        color=look.colour,
        linestyle=look.line,
        marker=look.marker,
        markersize=look.size,
        markeredgecolor="white",
        markeredgewidth=0.4,
        zorder=order,
    )


def draw_published(ax: Axes, points: pd.DataFrame, *, by_neurons: bool = False) -> None:
    """Published points as faint open markers in the colours of their curves.

    Args:
        points: label, neurons (NaN where they do not matter), total_images, value.
        by_neurons: as in ``lines_of``.
    """
    looks = looks_of(list(dict.fromkeys(points["label"])))
    styles = style_of_neurons(points["neurons"].tolist())
    for (label, neurons), rows in points.groupby(["label", "neurons"], dropna=False, sort=False):
        marker = styles[neurons][1] if by_neurons else looks[label].marker
        ax.plot(
            rows["total_images"],
            rows["value"],
            linestyle="none",
            marker=marker,
            markersize=5.5,
            markerfacecolor="none",
            markeredgecolor=looks[label].colour,
            alpha=_FAINT,
            zorder=5,
        )


def score_axis(ax: Axes, values: pd.DataFrame, *, lowest: float, score: str) -> None:
    """Vertical axis up to 1 at least, a line every 0.1, a number every 0.2.

    Args:
        values: drawn means and bounds (any NaN).
        lowest: where the axis of the paper begins; below it only if values are.
        score: metric that is drawn.
    """
    low = min(lowest, np.floor(np.nanmin(values.to_numpy()) * 10) / 10)
    high = max(1.0, np.ceil(np.nanmax(values.to_numpy()) * 10) / 10)
    ticks = np.arange(round(low * 10), round(high * 10) + 1)
    apart = 2 if len(ticks) <= 16 else 5
    ax.set_yticks(ticks / 10, [f"{t / 10:.1f}" if t % apart == 0 else "" for t in ticks])
    ax.set_yticklabels([plotting.minus_signs(text.get_text()) for text in ax.get_yticklabels()])
    ax.set_ylim(low - 0.02, high + 0.02)
    ax.grid(axis="y", color="#e6e6e6", linewidth=0.5)
    ax.set_axisbelow(True)
    ax.set_ylabel(f"{score.replace('_', ' ')} (test images)")


def image_axis(ax: Axes, curves: pd.DataFrame, *, apart: float, per_scan: str = "") -> None:
    """Horizontal axis with a tick at every measured number of images, labelled where there is room.

    Args:
        curves: drawn rows with total_images, n_scans and n_replicates; the label counts the last.
        apart: smallest distance of two labels, as a share of the axis.
        per_scan: label of a second axis above, images per scan; none with one scan.
    """
    measured = np.unique(curves["total_images"])
    margin = 0.03 * (np.ptp(measured) or measured[0])
    ax.set_xlim(measured[0] - margin, measured[-1] + margin)
    labels = labelled(measured, apart=apart)
    ax.set_xticks(measured, [f"{n:g}" if n in labels else "" for n in measured])
    n_scans = int(curves["n_scans"].max())
    of_scans = f" ({n_scans} scans)" if n_scans > 1 else ""
    ax.set_xlabel(f"training images{of_scans}; n = {_counts(curves['n_replicates'])} replicates")
    if n_scans > 1 and per_scan:
        top = ax.secondary_xaxis("top", functions=(lambda x: x / n_scans, lambda x: x * n_scans))
        top.set_xticks(
            measured / n_scans, [f"{n / n_scans:g}" if n in labels else "" for n in measured]
        )
        top.set_xlabel(per_scan)


def _counts(numbers: pd.Series) -> str:
    lowest, highest = int(numbers.min()), int(numbers.max())
    return f"{lowest:,}" if lowest == highest else f"{lowest:,} to {highest:,}"


def labelled(numbers: np.ndarray, *, apart: float) -> set[float]:
    """Those numbers whose labels do not touch: both ends, then from the largest down.

    Args:
        numbers: increasing.
        apart: smallest distance, as a share of their range.
    """
    span = numbers[-1] - numbers[0]
    kept = {float(numbers[0]), float(numbers[-1])}
    for number in map(float, numbers[-2:0:-1]):
        if min(abs(number - other) for other in kept) >= apart * span:
            kept.add(number)
    return kept


def handle(look: CurveLook, label: str) -> Line2D:
    """Entry of a curve in a legend."""
    return Line2D(
        [], [], color=look.colour, linestyle=look.line, marker=look.marker,
        markersize=look.size, markeredgecolor="white", markeredgewidth=0.4, label=label,
    )  # fmt: skip


def other_handles(missing: Mapping[str, str], *, with_published: bool) -> list[Line2D]:
    """Entries for published points and, without a line, for the curves that are not drawn."""
    found = []
    if with_published:
        found.append(
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                markerfacecolor="none",
                markeredgecolor=plotting.GREY,
                label="published",
            )
        )
    found += [Line2D([], [], linestyle="none", label=f"{label}: not drawn") for label in missing]
    return found


def mark_proxy(page: Figure, proxy: Sequence[str]) -> None:
    """Say on the face of a figure what its data stand in the place of, if anything."""
    for text in proxy:
        plotting.mark_face(page, f"PROXY: {text}", colour=plotting.BLUE, gid=_PROXY_ID)


def save_curves(
    page: Figure,
    curves: pd.DataFrame,
    points: pd.DataFrame,
    missing: Mapping[str, str],
    *,
    figure: Path,
    pdf: Path,
    table: Path,
) -> None:
    """Save a figure of curves and its table; arguments as in ``drawn_rows``."""
    kind = source_kind_of(curves)
    plotting.save_figure(page, figure, pdf, kind)
    write_csv(drawn_rows(curves, points, missing, kind), table)


def drawn_rows(
    curves: pd.DataFrame, points: pd.DataFrame, missing: Mapping[str, str], kind: str
) -> pd.DataFrame:
    """The table of a figure: its curves, the published points beside them, and what is left out.

    Args:
        curves: drawn curves; a column ``panel`` where there are several.
        points: published points that are drawn: label, neurons, total_images, value.
        missing: reason by label of the curves that are not drawn.
        kind: source kind of the figure.

    Returns:
        Rows of ``DRAWN_COLUMNS``.
    """
    theirs = points.rename(columns={"value": "mean"}).assign(series=PUBLISHED, source_kind="real")
    absent = [
        {"series": MISSING, "label": label, "note": reason, "source_kind": kind}
        for label, reason in missing.items()
    ]
    parts = [curves.assign(series=OURS), theirs, pd.DataFrame(absent)]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return table.reindex(columns=list(DRAWN_COLUMNS))


def comparable_points(
    published: Path, figure: str, curves: pd.DataFrame, proxy: Sequence[str]
) -> pd.DataFrame:
    """Published points that may stand beside curves: real data of the paper's own collection only.

    Args:
        published, figure: as in ``lurz2021_published.points_beside``.
        curves: drawn curves with the columns ``label``, ``neurons`` and ``source_kind``.
        proxy: what the data stand in the place of; nothing for the paper's own collection.

    Returns:
        Points as of ``points_beside``, none if they may not be compared.
    """
    points = points_beside(published, figure, curves)
    return points if source_kind_of(curves) == "real" and not proxy else points.iloc[:0]

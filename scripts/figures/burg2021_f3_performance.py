"""F3: performance of the model classes, in percent FEV and in percent of the gap to the CNN."""

import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.class_performance import best_draws, summaries
from v1lib.files import write_csv
from v1lib.score_files import source_kind_of
from v1lib.steps import Inputs, Output
from v1lib.summaries import gap_closed

_LABEL_APART = 0.05  # of the axis: ticks that are nearer to each other share one label


def main(
    *,
    rankings: Inputs,
    figure: Output,
    pdf: Output,
    table: Output,
    models: list,
    gap: list,
    n_top: int,
) -> None:
    """Mean FEV ± SEM over the best draws of each model, and each draw.

    ``models``: in the order drawn; ``gap``: those at 0 and 100 % of the second scale; ``n_top``:
    best draws of a search that count (fewer where fewer were trained: n stands in the figure).
    """
    draws = best_draws(rankings, models, n_top=n_top)
    found = summaries(draws, gap=(gap[0], gap[1]))
    with plotting.style():
        page = plotting.new_figure(plotting.COLUMN_CM, 8)
        (ax,) = plotting.panels(page, 1, 1)
        _draw(ax, draws, found)
        _second_scale(ax, found, gap)
    plotting.save_figure(page, figure, pdf, source_kind_of(draws))
    drawn = ["model", "rank", "seed", "fev_percent", "validation_correlation", "dataset"]
    summary = found.drop(columns=["dataset", "source_kind"])
    rows = draws[[*drawn, "source_kind"]].merge(summary, on="model")
    write_csv(rows[[*rows.columns.difference(["source_kind"], sort=False), "source_kind"]], table)


def _draw(ax: Axes, draws: pd.DataFrame, found: pd.DataFrame) -> None:
    looks = plotting.looks(found["model"].tolist())
    for place, row in enumerate(found.to_dict("records")):
        colour = looks[row["model"]].colour
        fev = draws.loc[draws["model"] == row["model"], "fev_percent"].to_numpy()
        dots = place + plotting.jitter(len(fev), 0.35)
        ax.scatter(dots, fev, s=plotting.dot_area(len(fev)), color=colour, alpha=0.35, linewidths=0)
        ax.hlines(row["mean"], place - 0.3, place + 0.3, color=colour, linewidth=2.5)
        ax.errorbar(place, row["mean"], yerr=row["sem"], color="black", capsize=2, linewidth=0.8)
    names = [
        f"{looks[row['model']].label.replace(' ', chr(10), 1)}\nn = {row['n_models']}"
        for row in found.to_dict("records")
    ]
    ax.set_xticks(range(len(found)), names)
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(-0.6, len(found) - 0.4)
    ax.margins(y=0.08)
    ax.set_ylabel("FEV (%), test images")
    means = found["mean"].tolist()
    ax.set_yticks(means, _labels(means, ax, [f"{mean:.1f}" for mean in means]))


def _second_scale(ax: Axes, found: pd.DataFrame, gap: list) -> None:
    """The same axis in percent of the gap; nothing where the two ends are not apart."""
    means = found.set_index("model")["mean"]
    if not means[gap[1]] > means[gap[0]]:
        ax.set_title(f"no gap: {' is not below '.join(_names(gap))}")
        return
    right = ax.twinx()
    right.spines["right"].set_visible(True)
    right.set_ylim(ax.get_ylim())
    percents = [gap_closed(mean, low=means[gap[0]], high=means[gap[1]]) for mean in means]
    texts = [f"{percent:.0f}" for percent in percents]
    right.set_yticks(means.tolist(), _labels(means.tolist(), ax, texts))
    right.set_ylabel(f"gap closed (%), {' to '.join(_names(gap))}")


def _names(models: list) -> list[str]:
    return [look.label for look in plotting.looks(models).values()]


def _labels(places: list[float], ax: Axes, texts: list[str]) -> list[str]:
    """The texts, without those whose tick lies so near to a labelled one that they would touch."""
    low, high = ax.get_ylim()
    kept: list[float] = []
    labels = []
    for place, text in zip(places, texts, strict=True):
        is_free = all(abs(place - other) > _LABEL_APART * (high - low) for other in kept)
        kept += [place] if is_free else []
        labels.append(text if is_free else "")
    return labels

"""F7C, F7D and the 3x3 pools: weights over space of the normalization pools of the best model."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.learned_normalization import load_normalization
from v1lib.normalization_tables import pixels_of
from v1lib.steps import Input, Output
from v1lib.unlike_training import in_words

_LABELLED = 16  # so many features at most are all numbered
_GAP = 0.15  # between two pools, in units of their side


def main(
    *,
    normalization: Input,
    figure: Output,
    pdf: Output,
    table: Output,
    spacing_deg: float,
    steps: list,
) -> None:
    """All pools |u| of the best model (rank 1): a row per component, a column per feature.

    Below: their average over features and components (the inset of the published figure).
    ``spacing_deg``: between two places of a pool, in degrees of visual angle. ``steps``: models
    without and with pools and the most steps of their training, none where all were trained alike;
    else the figure says so.
    """
    best = load_normalization(normalization).of_ranks(1, 1)
    pools = best.pool[0]
    with plotting.style():
        page = _page(pools, spacing_deg, in_words(steps))
    plotting.save_figure(page, figure, pdf, best.source_kind)
    n_features, n_components = pools.shape[:2]
    single = pixels_of(pools.reshape(-1, *pools.shape[2:]))
    single["component"] = single["image"] % n_components + 1
    single["feature"] = single.pop("image") // n_components
    average = pixels_of(pools.mean((0, 1))[None]).drop(columns="image")
    drawn = pd.concat({"pool": single, "average": average}, names=["content"])
    drawn = drawn.reset_index(level="content").assign(
        n_features=n_features,
        dataset=best.dataset,
        model=best.model,
        rank=1,
        seed=best.seed[0],
        source_kind=best.source_kind,
    )
    write_csv(drawn, table)


def _page(pools: np.ndarray, spacing_deg: float, unlike: str) -> Figure:
    n_features, n_components, size, _ = pools.shape
    height = plotting.WIDE_CM * n_components / max(n_features, 2 * n_components)
    page = plotting.new_figure(plotting.WIDE_CM, 6.4 + height)
    grid = page.add_gridspec(2, 3, height_ratios=[1.5 + height, 4.0])
    upper, lower = page.add_subplot(grid[0, :]), page.add_subplot(grid[1, 1])
    plotting.letter(upper, "a")
    plotting.letter(lower, "b")
    single = _draw_sheet(upper, pools)
    upper.set_title(
        f"best model: {n_features} features × {n_components} components of the pool, "
        f"{size} × {size} places {spacing_deg:.2f}° apart"
        + (f"\nnot comparable with other sizes: {unlike}" if unlike else "").replace(" (", "\n(")
    )
    page.colorbar(single, ax=upper, location="bottom", shrink=0.3, aspect=30, label="|u|")
    extent = spacing_deg * (size / 2) * np.array([-1, 1, -1, 1])  # upwards is positive
    average = lower.imshow(pools.mean((0, 1)), cmap="Greys", vmin=0, extent=extent)
    lower.set(xlabel="horizontal distance (°)", ylabel="vertical distance (°)")
    lower.set_title(f"average of {n_features * n_components} pools")
    page.colorbar(average, ax=lower, label="mean |u|")
    return page


def _draw_sheet(ax: Axes, pools: np.ndarray) -> AxesImage:
    """All pools, a row per component and a column per feature, on one scale of grey."""
    n_features, n_components = pools.shape[:2]
    step = 1 + _GAP
    for feature, component in np.ndindex(n_features, n_components):
        x, y = feature * step, component * step
        image = ax.imshow(
            pools[feature, component],
            cmap="Greys",
            vmin=0,
            vmax=pools.max(),
            extent=(x, x + 1, y + 1, y),
        )
    ax.set(xlim=(-_GAP, n_features * step), ylim=(n_components * step, -_GAP), aspect="equal")
    labelled = np.arange(0, n_features, 1 if n_features <= _LABELLED else 5)
    ax.set_xticks(labelled * step + 0.5, labelled)
    components = np.arange(n_components)
    ax.set_yticks(components * step + 0.5, [f"m = {component + 1}" for component in components])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("feature l that is normalized")
    return image

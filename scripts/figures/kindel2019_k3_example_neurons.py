"""K3: predicted against measured rate of a well, a medium and a badly predicted cell."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from v1lib import plotting
from v1lib.correlation import correlation
from v1lib.files import write_csv
from v1lib.predictions import Predictions, load_predictions
from v1lib.recording import load_recording
from v1lib.score_tables import choose, read_neurons, source_kind_of
from v1lib.splits import SPLIT_CODES
from v1lib.steps import Input, Inputs, Output


def main(
    *,
    neurons: Input,
    predictions: Inputs,
    recording: Input,
    figure: Output,
    pdf: Output,
    table: Output,
    model: str,
    sessions: list,
    seed: int,
    percentiles: list,
    response_window_s: float,
) -> None:
    """One panel per percentile of r over the neurons of ``sessions``, drawn from one seed's run.

    ``predictions`` are the blocks of ``model``; cells are chosen by r averaged over seeds.
    """
    cells = choose(read_neurons(neurons), model, sessions)
    block = _block_with(seed, predictions)
    measured = load_recording(recording).mean_over_trials()
    examples = [
        example(block, measured, cell=cell, seed=seed, response_window_s=response_window_s).assign(
            percentile=percentile, mean_r=cell["correlation"], n_seeds=cell["n_seeds"]
        )
        for percentile in percentiles
        for cell in [at_percentile(cells, percentile)]
    ]
    drawn = pd.concat(examples, ignore_index=True)
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 6.4)
        axes = plotting.panels(page, 1, len(examples))
        for ax, points in zip(axes, examples, strict=True):
            _draw(ax, points, plotting.looks([model])[model].colour)
    plotting.save_figure(page, figure, pdf, source_kind_of(cells, drawn))
    write_csv(drawn, table)


def at_percentile(cells: pd.DataFrame, percentile: float) -> pd.Series:
    """The cell whose r lies nearest to a percentile of r over all cells."""
    wanted = np.percentile(cells["correlation"], percentile)
    return cells.loc[(cells["correlation"] - wanted).abs().idxmin()]


def example(
    block: Predictions,
    measured: np.ndarray,
    *,
    cell: pd.Series,
    seed: int,
    response_window_s: float,
) -> pd.DataFrame:
    """Measured and predicted rate (Hz) of one cell for the evaluation images of one run.

    Args:
        block: predictions that hold the seed.
        measured: [n_images, n_neurons] mean counts per window.
        cell: row of the neuron table.
        seed: which run.
        response_window_s: length of the window (s).
    """
    row, neuron = block.seeds.tolist().index(seed), int(cell["neuron"])
    split = block.split[row, block.session_index[neuron]]
    images = np.flatnonzero(split == SPLIT_CODES["test"])
    points = pd.DataFrame({"image": images})
    points["measured_hz"] = measured[images, neuron] / response_window_s
    points["predicted_hz"] = block.predictions[row, images, neuron] / response_window_s
    r = correlation(*points[["predicted_hz", "measured_hz"]].to_numpy().T[:, :, None])
    return points.assign(
        session=cell["session"], neuron=neuron, seed=seed, r=r[0], source_kind=block.source_kind
    )


def _block_with(seed: int, paths: list) -> Predictions:
    for path in paths:
        block = load_predictions(path)
        if seed in block.seeds:
            return block
    raise ValueError(f"seed {seed} is in none of {[str(path) for path in paths]}")


def _draw(ax: Axes, points: pd.DataFrame, colour: str) -> None:
    values = points[["measured_hz", "predicted_hz"]].to_numpy()
    limit = max(np.nanmax(values), 1e-6) * 1.06
    low = min(np.nanmin(values), 0.0) - 0.03 * limit
    ax.plot([low, limit], [low, limit], color=plotting.GREY, linewidth=0.7, linestyle="--")
    ax.scatter(
        points["measured_hz"],
        points["predicted_hz"],
        s=9,
        color=colour,
        alpha=0.75,
        linewidth=0,
        clip_on=False,
    )
    ax.set(xlabel="measured rate (Hz)", xlim=(low, limit), ylim=(low, limit))
    ax.set(ylabel="predicted rate (Hz)", aspect="equal", box_aspect=1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    first = points.iloc[0]
    r = "undefined" if np.isnan(first["r"]) else f"{first['r']:.2f}"
    ax.set_title(
        f"session {first['session']}, neuron {first['neuron']}: r = {r}\n"
        f"{first['percentile']:g}th percentile; n = {len(points)} images"
    )

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
from v1lib.score_files import source_kind_of
from v1lib.score_tables import choose, read_neurons
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
    percentiles: list,
    response_window_s: float,
) -> None:
    """One panel per percentile of r over the neurons of ``sessions``, each drawn from one run.

    ``predictions`` are the blocks of ``model``. Cells are chosen by r averaged over seeds, and
    drawn from the first seed whose run did not fail.
    """
    cells = choose(read_neurons(neurons), model, sessions)
    blocks = [load_predictions(path) for path in predictions]
    measured = load_recording(recording).mean_over_trials()
    examples = []
    for percentile in percentiles:
        cell = at_percentile(cells, percentile)
        points = example(blocks, measured, int(cell["neuron"]), response_window_s)
        of_cell = {"session": cell["session"], "mean_r": cell["correlation"]}
        examples.append(points.assign(percentile=percentile, n_seeds=cell["n_seeds"], **of_cell))
    drawn = pd.concat(examples, ignore_index=True)
    with plotting.style():
        page = plotting.new_figure(plotting.WIDE_CM, 7.4)
        axes = plotting.panels(page, 1, len(examples))
        for ax, points in zip(axes, examples, strict=True):
            _draw(ax, points, plotting.looks([model])[model].colour)
    plotting.save_figure(page, figure, pdf, source_kind_of(cells, drawn))
    write_csv(drawn, table)


def at_percentile(cells: pd.DataFrame, percentile: float) -> pd.Series:
    """The cell whose r lies nearest to a percentile of r over all cells with an r."""
    wanted = np.nanpercentile(cells["correlation"], percentile)
    return cells.loc[(cells["correlation"] - wanted).abs().idxmin()]


def example(
    blocks: list[Predictions], measured: np.ndarray, neuron: int, response_window_s: float
) -> pd.DataFrame:
    """Measured and predicted rate (Hz) of one neuron for the evaluation images of one run.

    Args:
        blocks: predictions, looked through for the first run that predicts the neuron.
        measured: [n_images, n_neurons] mean counts per window.
        neuron: column of the recording.
        response_window_s: length of the window (s).

    Raises:
        ValueError: no run predicts the neuron.
    """
    for block in blocks:
        for row, seed in enumerate(block.seeds.tolist()):
            split = block.split[row, block.session_index[neuron]]
            images = np.flatnonzero(split == SPLIT_CODES["test"])
            predicted = block.predictions[row, images, neuron].astype(float)
            if len(images) == 0 or np.isnan(predicted).any():
                continue
            r = correlation(predicted[:, None], measured[images, neuron][:, None])[0]
            return pd.DataFrame(
                {
                    "neuron": neuron,
                    "seed": seed,
                    "image": images,
                    "measured_hz": measured[images, neuron] / response_window_s,
                    "predicted_hz": predicted / response_window_s,
                    "r": r,
                    "source_kind": block.source_kind,
                }
            )
    raise ValueError(f"no run predicts neuron {neuron}: all of its session failed")


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
    ax.set(ylabel="predicted rate (Hz)", box_aspect=1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    first = points.iloc[0]
    r = "undefined" if np.isnan(first["r"]) else f"{first['r']:.2f}"
    ax.set_title(
        f"session {first['session']}, neuron {first['neuron']}\n"
        f"{first['percentile']:g}th percentile, mean r = {first['mean_r']:.2f}\n"
        f"this split: r = {r}, n = {len(points)} images"
    )

"""P6: images that activate units of the V1 stage most."""

import textwrap

import numpy as np
import pandas as pd

from v1lib import plotting
from v1lib.files import read_npz, write_csv
from v1lib.pogoncheff2023_drawing import mark_profile
from v1lib.pogoncheff2023_tables import network_kind
from v1lib.steps import Inputs, Output

_ARRAYS = (
    *("images", "activation", "seed", "channel", "row", "column"),
    *("dataset", "model", "source_kind"),
)
_COLOURS = ("red", "green", "blue")
_LABEL_CHARACTERS = 16  # a line beside an image


def main(
    *,
    activating: Inputs,
    figure: Output,
    pdf: Output,
    table: Output,
    models: list,
    profile: str,
) -> None:
    """A row of images per network, a column per channel, in the colours that the network was shown.

    Of networks of several seeds the first is drawn. The table has a line per row
    of pixels and colour, in 8 bits.

    Args:
        activating: arrays of the step ``activating_images``.
        figure, pdf, table: to write.
        models: [label, model] in their order.
        profile: on the face of the figure.

    Raises:
        ValueError: a model is in no file.
    """
    arrays = [read_npz(path, required=_ARRAYS) for path in activating]
    by_model = {str(own["model"]): own for own in arrays}
    pixels = []
    with plotting.style():
        shown = {label: _of_first_seed(by_model, model) for label, model in models}
        n_columns = max(len(own["channel"]) for own in shown.values())
        page = plotting.new_figure(1.8 + 2.0 * n_columns, 0.8 + 2.35 * len(shown))
        axes = plotting.panels(page, len(shown), n_columns, letters=False)
        for ax in axes:
            ax.set_axis_off()
        grid = axes.reshape(len(shown), n_columns)
        for (label, own), places in zip(shown.items(), grid, strict=True):
            _draw_row(places, own, label)
            pixels.append(_pixels_of(own).assign(label=label))
        page.supxlabel("above each image: channel, activation by it", size=7)
        mark_profile(page, profile)
    drawn = pd.concat(pixels, ignore_index=True).assign(profile=profile)
    plotting.save_figure(page, figure, pdf, network_kind(drawn.assign(quantity="pixel")))
    first = ["profile", "label"]
    write_csv(drawn[[*first, *(name for name in drawn if name not in first)]], table)


def _of_first_seed(by_model: dict[str, dict], model: str) -> dict[str, np.ndarray]:
    """Images in 8 bits, activation by them and channels of the first network of a model."""
    if model not in by_model:
        raise ValueError(f"no images of model {model!r}; there are some of {sorted(by_model)}")
    own = by_model[model]
    rows = own["seed"] == own["seed"][0]
    images = np.round(127.5 * (own["images"][rows] + 1)).astype(np.uint8)
    return own | {
        "images": images.transpose(0, 2, 3, 1),
        "activation": own["activation"][-1, rows],
        "channel": own["channel"][rows],
        "seed": own["seed"][0],
    }


def _draw_row(axes: np.ndarray, own: dict[str, np.ndarray], label: str) -> None:
    cells = zip(axes, own["images"], own["channel"], own["activation"], strict=False)
    for ax, image, channel, activation in cells:
        ax.imshow(image)
        ax.set_title(f"{channel}: {plotting.minus_signs(f'{activation:.3g}')}", fontsize=6, pad=2)
    axes[0].text(
        -0.1,
        0.5,
        textwrap.fill(label, _LABEL_CHARACTERS),
        transform=axes[0].transAxes,
        rotation=90,
        ha="right",
        va="center",
        multialignment="center",
    )


def _pixels_of(own: dict[str, np.ndarray]) -> pd.DataFrame:
    """A line for each row of pixels and each colour of each image."""
    n_images, height, width, _ = own["images"].shape
    lines = own["images"].transpose(0, 3, 1, 2).reshape(-1, width)
    image, colour, row = (index.ravel() for index in np.indices((n_images, len(_COLOURS), height)))
    about = {
        "dataset": str(own["dataset"]),
        "model": str(own["model"]),
        "seed": int(own["seed"]),
        "channel": own["channel"][image],
        "activation": own["activation"][image],
        "colour": np.array(_COLOURS)[colour],
        "row": row,
    }
    pixels = pd.DataFrame(lines, columns=[f"column_{number}" for number in range(width)])
    return pd.concat([pd.DataFrame(about), pixels], axis=1).assign(
        source_kind=str(own["source_kind"])
    )

"""One look for every figure of the project: sizes, fonts, model colours, and how a figure is saved.

Figures are drawn on ``matplotlib.figure.Figure`` objects with the Agg and PDF writers; the global
``pyplot`` state is never touched.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from v1lib.files import atomic

COLUMN_CM = 8.6  # one column of a journal page
WIDE_CM = 17.8  # the full width of a journal page
SIMULATED_MARK = "SIMULATED DATA"
_CM_PER_INCH = 2.54
_MARK_HEIGHT_CM = 0.6
_MARK_ID = "simulated-mark"

# Okabe & Ito's palette (https://jfly.uni-koeln.de/color/), readable with any colour vision
BLACK, GREY, ORANGE, SKY = "#000000", "#7f7f7f", "#e69f00", "#56b4e9"
GREEN, YELLOW, BLUE, RED, PURPLE = "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"

_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs on every machine
    "font.size": 7.0,
    "axes.labelsize": 7.0,
    "axes.titlesize": 7.0,
    "axes.titlelocation": "left",
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.0,
    "patch.linewidth": 0.6,
    "image.interpolation": "nearest",
    "axes.unicode_minus": True,
    "pdf.fonttype": 42,  # editable text
    "savefig.dpi": 300,
}


@dataclass(frozen=True)
class Look:
    """How a model appears in every figure: its display label and its colour."""

    label: str
    colour: str


# Keyed by the model's name without its paper and without "_search".
_LOOKS = {
    "cnn": Look("CNN", BLUE),
    "cnn_1layer": Look("CNN, 1 layer", SKY),
    "cnn_3layers": Look("CNN, 3 layers", "#00305e"),
    "lnln": Look("LN-LN", RED),
    "ln": Look("LN", ORANGE),
    "ridge": Look("Ridge on pixels", "#595959"),
    "gabor_ridge": Look("Gabor ridge", GREEN),
    "gabor_lasso": Look("Gabor LASSO", "#8fd3b6"),
    "gabor": Look("Gabor ridge", GREEN),
    "gabor_rectified": Look("Gabor ridge, rectified", "#00614a"),
    "vgg_conv2_1": Look("VGG-16 conv2_1", "#efd3e2"),
    "vgg_conv2_2": Look("VGG-16 conv2_2", "#dfa8c6"),
    "vgg_conv3_1": Look("VGG-16 conv3_1", PURPLE),
    "vgg_conv3_2": Look("VGG-16 conv3_2", "#a6527f"),
    "vgg_conv3_3": Look("VGG-16 conv3_3", "#74305a"),
    "subunit_net": Look("Subunit", "#9a9a9a"),
    "nonspecific_divisive_net": Look("Nonspecific DN", GREEN),
    "divisive_net": Look("Specific DN", BLUE),
    "cnn3": Look("CNN, 3 layers", "#4d4d4d"),
    "divisive_3x3_surround_net": Look("DN, 3×3 pool", "#00305e"),
    "divisive_5x5_surround_net": Look("DN, 5×5 pool", PURPLE),
    "divisive_7x7_surround_net": Look("DN, 7×7 pool", RED),
    "lnp": Look("LNP", ORANGE),
    "gabor_filter_bank": Look("Gabor filter bank", "#8fd3b6"),
    "vgg19_conv3_1": Look("VGG-19 conv3_1", "#a6527f"),
    "cadena2019_cnn": Look("CNN of Cadena 2019", SKY),
}
_SPARE_COLOURS = (PURPLE, YELLOW, "#8c564b", "#5d5d5d", "#b2df8a", "#6a3d9a")


def looks(models: Sequence[str]) -> dict[str, Look]:
    """Label and colour of each model, in the order given.

    A model without a look of its own is labelled by its name and gets a spare colour.

    Args:
        models: names such as ``kindel2019_cnn``.
    """
    known = {model: _LOOKS.get(_family(model)) for model in models}
    spare = [model for model, look in known.items() if look is None]
    for position, model in enumerate(spare):
        colour = _SPARE_COLOURS[position % len(_SPARE_COLOURS)]
        known[model] = Look(_family(model).replace("_", " "), colour)
    return known


@contextmanager
def style() -> Iterator[None]:
    """Draw inside this context: fonts and line widths of the project, restored afterwards."""
    with matplotlib.rc_context(_STYLE):
        yield


def new_figure(width_cm: float, height_cm: float) -> Figure:
    """An empty figure of the given size (cm) whose panels are laid out without overlap."""
    figure = Figure(
        figsize=(width_cm / _CM_PER_INCH, height_cm / _CM_PER_INCH),
        layout=ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04, wspace=0.03, hspace=0.03),
    )
    FigureCanvasAgg(figure)
    return figure


def panels(
    figure: Figure,
    rows: int,
    columns: int,
    *,
    letters: bool = True,
    share_y: bool = False,
    widths: Sequence[float] | None = None,
) -> np.ndarray:
    """Axes [rows * columns] in reading order, lettered a, b, … when there are several.

    Args:
        figure: an empty figure.
        rows, columns: the grid.
        letters: whether to letter the panels.
        share_y: whether all panels have one y axis.
        widths: relative widths of the columns, equal without.
    """
    axes = figure.subplots(rows, columns, squeeze=False, sharey=share_y, width_ratios=widths)
    axes = axes.ravel()
    if letters and len(axes) > 1:
        for position, ax in enumerate(axes):
            letter(ax, chr(ord("a") + position))
    return axes


def letter(ax: Axes, text: str) -> None:
    """Write a panel's letter above its upper left corner."""
    ax.annotate(
        text,
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(-18, 4),
        textcoords="offset points",
        fontsize=9,
        fontweight="bold",
        ha="right",
        va="bottom",
    )


def jitter(n_points: int, width: float) -> np.ndarray:
    """Sideways shifts float64 [n_points] within +-width/2 that look scattered, always the same."""
    golden_ratio = 0.6180339887498949  # its multiples fill an interval evenly in any order
    return ((np.arange(1, n_points + 1) * golden_ratio) % 1.0 - 0.5) * width


def dot_area(n_points: int) -> float:
    """Marker area (points squared) for so many dots in a panel: fewer dots are larger."""
    return float(np.clip(2500 / max(n_points, 1), 7, 22))


def minus_signs(numbers: str) -> str:
    """Numbers as text with the minus signs that axes have, not hyphens."""
    return numbers.replace("-", "−")


def save_figure(figure: Figure, png: Path, pdf: Path, source_kind: str) -> None:
    """Write a figure as PNG and PDF; the same figure gives the same bytes.

    A figure of simulated data grows a strip at its top that says so: nothing drawn is covered.

    Args:
        figure: a figure of ``new_figure``.
        png, pdf: files to write.
        source_kind: "real" or "simulated".

    Raises:
        ValueError: unknown ``source_kind``.
    """
    if source_kind not in ("real", "simulated"):
        raise ValueError(f"source_kind is {source_kind!r}, allowed: real, simulated")
    simulated = source_kind == "simulated"
    if simulated and not is_marked_simulated(figure):
        mark_face(figure, SIMULATED_MARK, colour=RED, gid=_MARK_ID)
    with style():
        with atomic(png) as part:
            comment = {"Comment": SIMULATED_MARK} if simulated else {}
            figure.savefig(part, format="png", metadata={"Software": None, **comment})
        with atomic(pdf) as part:
            subject = SIMULATED_MARK if simulated else None
            nothing = dict.fromkeys(("Creator", "Producer", "CreationDate"))
            figure.savefig(part, format="pdf", metadata={**nothing, "Subject": subject})


def is_marked_simulated(figure: Figure) -> bool:
    """Whether the figure says on its face that its data are simulated."""
    return any(text.get_gid() == _MARK_ID for text in figure.texts)


def mark_face(figure: Figure, text: str, *, colour: str, gid: str) -> None:
    """Let a figure grow a strip at its top with a framed text, so that nothing drawn is covered.

    Args:
        figure: a figure of ``new_figure``; strips that it has already stay below.
        text: what to say.
        colour: of text and frame.
        gid: by which the text is found again.
    """
    width, height = figure.get_size_inches()
    strip = _MARK_HEIGHT_CM / _CM_PER_INCH
    kept = height / (height + strip)
    for mark in (text for text in figure.texts if not text.get_in_layout()):
        mark.set_y(mark.get_position()[1] * kept)
    figure.set_size_inches(width, height + strip)
    engine = figure.get_layout_engine()
    engine.set(rect=(0, 0, 1, engine.get()["rect"][3] * kept))
    figure.text(
        0.5,
        1 - 0.5 * strip / (height + strip),
        text,
        color=colour,
        fontsize=8,
        fontweight="bold",
        ha="center",
        va="center",
        gid=gid,
        bbox={"facecolor": "white", "edgecolor": colour, "boxstyle": "square,pad=0.25"},
        in_layout=False,
    )


def _family(model: str) -> str:
    """``kindel2019_gabor_search`` -> ``gabor``; a name without a paper stays as it is.

    Networks that were published look like those that are trained here.
    """
    paper, _, rest = model.partition("_")
    name = rest if rest and paper[-1:].isdigit() else model
    return name.removeprefix("published_").removesuffix("_search")

"""Published values of Lurz et al. 2021 by the place in a figure that they belong to.

The id of a point of a curve is ``lurz2021.<figure>.<curve>[.neurons_<n>].images_<n>``, where the
curve is ``published_curve`` of its label and the number of images that of all scans together.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from v1lib.comparison import PUBLISHED_COLUMNS
from v1lib.files import read_csv

PAPER = "lurz2021"
POINT_COLUMNS = ("id", "curve", "neurons", "total_images", "value", "error")
# The paper names these by their numbers of filters, which are the configuration's to choose.
_NAMED_BY_WIDTH = {"random core, wide": "random core 128", "random core, narrow": "random core 64"}
_POINT = re.compile(rf"{PAPER}\.(\w+)\.(\w+)(?:\.neurons_(\d+))?\.images_(\d+)")


def slug(label: str) -> str:
    """A label as a part of an id: ``"11-S: no cortex"`` gives ``"11_s_no_cortex"``."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")


def published_curve(label: str) -> str:
    """Slug of the name that the paper has for a curve, by our label of it."""
    return slug(_NAMED_BY_WIDTH.get(label, label))


def point_id(figure: str, curve: str, images: int, *, neurons: int | None = None) -> str:
    """Id of a point of a published curve.

    Args:
        figure: fig3, fig4a, fig4b, fig5 or ablation.
        curve: label of the curve.
        images: number of training images of all scans.
        neurons: per scan, for curves that are told apart by it.
    """
    of_neurons = "" if neurons is None else f".neurons_{neurons}"
    return f"{PAPER}.{figure}.{published_curve(curve)}{of_neurons}.images_{images}"


def published_points(path: Path, figure: str) -> pd.DataFrame:
    """Points of the published curves of a figure, rows of ``POINT_COLUMNS``.

    Args:
        path: table of published values.
        figure: as in ``point_id``. ``neurons`` is NaN where the figure does not tell them apart.

    Raises:
        ValueError: the table lacks a column.
    """
    values = read_csv(path, required=PUBLISHED_COLUMNS)
    parts = values["id"].str.extract(f"^{_POINT.pattern}$")
    parts.columns = ["figure", "curve", "neurons", "total_images"]
    points = values[["id", "value", "error"]].join(parts)
    points = points[points["figure"] == figure]
    numbers = {name: pd.to_numeric(points[name]) for name in ("neurons", "total_images")}
    return points.assign(**numbers)[list(POINT_COLUMNS)].reset_index(drop=True)


def points_beside(path: Path, figure: str, curves: pd.DataFrame) -> pd.DataFrame:
    """Published points of the curves that are drawn, with their labels.

    Args:
        path, figure: as in ``published_points``.
        curves: drawn curves with the columns ``label`` and ``neurons``.

    Returns:
        ``POINT_COLUMNS`` and ``label``; where the figure tells numbers of neurons apart, only those
        that are drawn.
    """
    points = published_points(path, figure)
    drawn = {published_curve(label): label for label in _unique(curves["label"])}
    points = points[points["curve"].isin(list(drawn))]
    pairs = set(zip(curves["label"].map(published_curve), curves["neurons"], strict=True))
    kept = [
        pd.isna(row.neurons) or (row.curve, row.neurons) in pairs for row in points.itertuples()
    ]
    return points[kept].assign(label=points["curve"].map(drawn)).reset_index(drop=True)


def _unique(labels: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(labels))

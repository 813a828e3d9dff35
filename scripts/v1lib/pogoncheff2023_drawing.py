"""How networks of Pogoncheff et al. 2023 look in figures, and the mark that names the profile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from v1lib import plotting
from v1lib.pogoncheff2023_tables import PAPER

NAVY, AMBER = "#00305e", "#b8860b"
_PROFILE_ID = "profile-mark"
_ENDINGS = ("_finetuned", "_adversarial")


@dataclass(frozen=True)
class NetworkLook:
    """Colour, marker and line style of a network; ``filled`` unless trained adversarially."""

    colour: str
    marker: str = "o"
    line: str = "-"
    filled: bool = True


# Without the paper's name: single components have circles, composites their letters.
_LOOKS = {
    "resnet50": NetworkLook("black", "s"),
    "center_surround": NetworkLook(plotting.BLUE),
    "center_surround_antagonistic": NetworkLook(plotting.SKY),
    "local_rf": NetworkLook(plotting.GREEN),
    "div_norm": NetworkLook(AMBER),
    "tuned_norm": NetworkLook(plotting.ORANGE),
    "cortical_magnification": NetworkLook(plotting.RED),
    "composite_a": NetworkLook(plotting.PURPLE, "$A$"),
    "composite_b": NetworkLook(plotting.BLUE, "$B$"),
    "composite_c": NetworkLook(plotting.ORANGE, "$C$"),
    "composite_d": NetworkLook(plotting.GREEN, "$D$"),
    "composite_e": NetworkLook(plotting.RED, "$E$"),
    "composite_f": NetworkLook(plotting.SKY, "$F$"),
    "composite_g": NetworkLook(AMBER, "$G$"),
}
_SPARE = (plotting.GREY, NAVY, "#8c564b", "#6a3d9a")


def looks_of(models: Sequence[str]) -> dict[str, NetworkLook]:
    """Look of each model; one that the paper does not have gets a spare colour.

    A network that was fine-tuned looks like the one it began as; one that was trained adversarially
    has dashed lines and an open marker.
    """
    found, n_spare = {}, 0
    for model in models:
        name = model.removeprefix(f"{PAPER}_")
        for ending in _ENDINGS:
            name = name.removesuffix(ending)
        look = _LOOKS.get(name)
        if look is None:
            look = NetworkLook(_SPARE[n_spare % len(_SPARE)], "D")
            n_spare += 1
        if "_adversarial" in model:
            marker = "D" if look.marker.startswith("$") else look.marker
            look = NetworkLook(look.colour, marker, "--", filled=False)
        found[model] = look
    return found


def draw_mean(
    ax: Axes, x: Sequence[float], rows: pd.DataFrame, look: NetworkLook, *, size: float = 4
) -> None:
    """A line of means with bars of ± one standard error.

    Args:
        ax: where.
        x: [n].
        rows: mean and se of n points; without a standard error there is no bar.
        look: of the network.
        size: of the markers, points.
    """
    ax.errorbar(
        x,
        rows["mean"],
        yerr=rows["se"].fillna(0).where(rows["se"] > 0, float("nan")),
        elinewidth=0.7,
        capsize=1.5,
        **_line(look, size),
    )


def legend_of(labels: Mapping[str, str], *, lines: bool, size: float = 4) -> list[Line2D]:
    """Entries of a legend.

    Args:
        labels: model by label.
        lines: with the line styles, or markers alone.
        size: of the markers, points; 0 for lines alone.
    """
    looks = looks_of(list(labels.values()))
    entries = []
    for label, model in labels.items():
        style = _line(looks[model], size)
        if not lines:
            style["linestyle"] = "none"
        entries.append(Line2D([], [], label=label, **style))
    return entries


def _line(look: NetworkLook, size: float) -> dict[str, object]:
    is_letter = look.marker.startswith("$")
    return {
        "color": look.colour,
        "linestyle": look.line,
        "linewidth": 0.9,
        "marker": look.marker if size else "",
        "markersize": size + 1 if is_letter else size,
        "markerfacecolor": look.colour if look.filled or is_letter else "white",
        "markeredgewidth": 0.3 if is_letter else 0.7,
    }


def mark_profile(page: Figure, profile: str) -> None:
    """Say on the face of a figure what the networks are and what they learned from."""
    plotting.mark_face(page, f"PROFILE: {profile}", colour=plotting.GREY, gid=_PROFILE_ID)

"""How networks of Pogoncheff et al. 2023 look in figures, and the mark that names the profile."""

from collections.abc import Collection, Mapping, Sequence
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
    """Colour, marker and line style of a network."""

    colour: str
    marker: str = "o"
    line: str = "-"

    @property
    def is_letter(self) -> bool:
        """Whether the marker is a letter."""
        return self.marker.startswith("$")


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
_CHANCE = {"color": plotting.GREY, "linestyle": (0, (5, 3)), "linewidth": 0.7}
_SPARE = (plotting.GREY, NAVY, "#8c564b", "#6a3d9a")


def looks_of(models: Sequence[str]) -> dict[str, NetworkLook]:
    """Look of each model; one that the paper does not have gets a spare colour.

    A network that was fine-tuned looks like the one it began as; one that was trained adversarially
    has dashed lines and triangles, which point up where the other has a letter. Spare colours
    follow the order of ``models``, so parts of a figure need one call for all networks.
    """
    found, spare = {}, {}
    for model in models:
        name = model.removeprefix(f"{PAPER}_")
        for ending in _ENDINGS:
            name = name.removesuffix(ending)
        look = _LOOKS.get(name)
        if look is None:
            number = spare.setdefault(name, len(spare))
            look = NetworkLook(_SPARE[number % len(_SPARE)], "D")
        if "_adversarial" in model:
            # Composites have the colours of single components.
            look = NetworkLook(look.colour, "^" if look.is_letter else "v", "--")
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
        **marker_of(look, size),
        **_line(look),
    )


def legend_of(
    looks: Mapping[str, NetworkLook], *, lines: bool, size: float = 4, few: Collection[str] = ()
) -> list[Line2D]:
    """Entries of a legend.

    Args:
        looks: of the networks, by label.
        lines: with the line styles, or markers alone.
        size: of the markers, points.
        few: labels of networks with few units.
    """
    entries = []
    for label, look in looks.items():
        style = marker_of(look, size, is_few=label in few)
        style |= _line(look) if lines else {"linestyle": "none"}
        entries.append(Line2D([], [], label=label, **style))
    return entries


def marker_of(look: NetworkLook, size: float, *, is_few: bool = False) -> dict[str, object]:
    """Colour and marker of a network.

    Args:
        look: of the network.
        size: of the marker, points.
        is_few: whether the network has few units: its marker is hollow.
    """
    return {
        "color": look.colour,
        "marker": look.marker,
        "markersize": size + 1 if look.is_letter else size,
        "markerfacecolor": "white" if is_few else look.colour,
        "markeredgewidth": 0.4 if look.is_letter else 0.7,
    }


def few_entry(least_units: int) -> tuple[tuple[Line2D, ...], str]:
    """Handles and label that explain the markers of networks with few units."""
    of_few = [
        Line2D([], [], linestyle="none", **marker_of(NetworkLook("black", marker), 4, is_few=True))
        for marker in ("o", "$C$")
    ]
    return tuple(of_few), f"fewer than {least_units} units in a seed"


def draw_chance(ax: Axes, levels: pd.Series) -> None:
    """A dashed line at each level of chance; NaN is not drawn."""
    for level in sorted(levels.dropna().unique()):
        ax.axhline(level, zorder=0, **_CHANCE)


def chance_entry(levels: pd.Series) -> list[Line2D]:
    """The entry of a legend for lines of chance: none where no level is known."""
    known = sorted(levels.dropna().unique())
    label = f"chance ({', '.join(f'1/{round(1 / level)}' for level in known)})"
    return [Line2D([], [], label=label, **_CHANCE)] if known else []


def _line(look: NetworkLook) -> dict[str, object]:
    return {"linestyle": look.line, "linewidth": 0.9}


def mark_profile(page: Figure, profile: str) -> None:
    """Say on the face of a figure what the networks are and what they learned from."""
    plotting.mark_face(page, f"PROFILE: {profile}", colour=plotting.GREY, gid=_PROFILE_ID)

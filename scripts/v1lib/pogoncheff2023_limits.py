"""How far results of Pogoncheff et al. 2023 can be read: level of chance, networks of few units."""

from collections.abc import Iterable, Mapping

import pandas as pd

from v1lib.pogoncheff2023_tables import PREDICTIVITY, PREDICTIVITY_2026, UNITS

_OF_ALL_UNITS = (PREDICTIVITY, PREDICTIVITY_2026)  # wherever their receptive fields lie


def few_units(values: pd.DataFrame, least_units: int) -> pd.Series:
    """Which values rest on too few units at the stimuli.

    Args:
        values: rows of ``v1lib.pogoncheff2023_tables.alignments``.
        least_units: of a run; with fewer its scores are noise, and claims are not tested.

    Returns:
        bool [n_rows], with the index of ``values``; False for neural predictivity, which is of all
        units of the stage.
    """
    runs = values.loc[values["quantity"] == UNITS].set_index(["model", "seed"])["value"]
    few = set(runs.index[runs < least_units])
    of_run = [run in few for run in zip(values["model"], values["seed"], strict=True)]
    return pd.Series(of_run, index=values.index) & ~values["quantity"].isin(_OF_ALL_UNITS)


def chance_of(datasets: pd.Series, n_classes: Mapping[str, int]) -> pd.Series:
    """Top-1 accuracy of guessing.

    Args:
        datasets: whose classes a network learned, [n].
        n_classes: by data set.

    Returns:
        float64 [n], NaN where the number of classes is not known.
    """
    return 1 / datasets.map(n_classes).astype(float)


def chance_note(datasets: Iterable[str], n_classes: Mapping[str, int]) -> str:
    """The chance levels of some data sets as a sentence; "" where no number of classes is known."""
    known = [name for name in dict.fromkeys(datasets) if name in n_classes]
    levels = [f"{1 / n_classes[name]:.3f} ({n_classes[name]} classes, {name})" for name in known]
    return f"**Chance level**: {', '.join(levels)}." if levels else ""

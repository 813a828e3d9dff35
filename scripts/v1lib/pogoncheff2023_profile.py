"""Whether networks were trained as those of Pogoncheff et al. 2023 were, or in another profile.

Recognised by data, sizes and settings, never by a name; source of the settings: the rows
``pogoncheff2023.training`` of ``report/published_values.csv``.
"""

import math
from collections.abc import Mapping

import pandas as pd

from v1lib.pogoncheff2023_tables import PAPER

PAPERS_SOURCE = "imagenet"
# Of pixels from 0 to 1, for every data set: what ``v1lib.augmentation.normalised`` does.
NORMALISATION = {"normalisation_mean": 0.5, "normalisation_std": 0.5}
_SETTING = f"{PAPER}.training."


def settings_of(training: Mapping, size_px: int) -> dict[str, float]:
    """Settings of a training by the names that published ones have.

    Args:
        training: of the model's entry in the configuration.
        size_px: side of the images.
    """
    milestones = {
        f"lr_milestone_{number}_epoch": epoch
        for number, epoch in enumerate(training["milestones"], start=1)
    }
    optimiser = training["optimiser_settings"]
    return {
        "epochs": training["max_epochs"],
        "batch_size": training["batch_size"],
        "initial_learning_rate": training["learning_rate"],
        "lr_gamma": training["milestone_factor"],
        "input_size_px": size_px,
        **{name: optimiser[name] for name in ("momentum", "weight_decay")},
        **NORMALISATION,
        **milestones,
    }


def published_settings(known: pd.Series) -> dict[str, float]:
    """Of all published values (by id) the settings of the training, by name."""
    return {
        id_.removeprefix(_SETTING): value
        for id_, value in known.items()
        if id_.startswith(_SETTING)
    }


def differs_from_paper(profile: Mapping, known: pd.Series) -> str:
    """In what a profile is not the paper's; "" if it is, and published scores may be compared.

    Args:
        profile: ``source`` of the images, their ``size_px``; ``published_size``, blocks and width
            of the published networks; ``sizes``, those of every network compared, by label;
            ``trainings``, of those that are trained normally (the settings of adversarial training
            were not published), by label.
        known: all published values by id.

    Raises:
        ValueError: no setting of the training is among the published values.
    """
    published = published_settings(known)
    if not published:
        raise ValueError(f"no published value has an id that begins with {_SETTING}")
    if profile["source"] != PAPERS_SOURCE:
        return f"images of {profile['source']}, not {PAPERS_SOURCE}"
    for label, size in profile["sizes"].items():
        if size != profile["published_size"]:
            return f"{label} has {_written(size)}, published {_written(profile['published_size'])}"
    for label, training in profile["trainings"].items():
        ours = settings_of(training, profile["size_px"])
        for name in sorted(set(published) | {name for name in ours if "milestone" in name}):
            if not math.isclose(ours.get(name, math.nan), published.get(name, math.nan)):
                found, wanted = (each.get(name, "none") for each in (ours, published))
                return f"{label} is trained with {name} {found}, published {wanted}"
    return ""


def _written(size: Mapping) -> str:
    return ", ".join(f"{name} {value}" for name, value in size.items())

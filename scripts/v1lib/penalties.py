"""Penalties of the readout, chosen for each point of a grid of experiments.

The penalty that generalises best falls with the number of images and depends on the number of
neurons, since it is summed over them. Lurz et al. 2021 tune it for each combination (reference
sections 4.3 and 4.5); here it is known from the paper, or chosen by a search on the validation
images. Either way it travels as a list of entries such as ``{"images": 50, "penalty": 31.2}``.
"""

from pathlib import Path

from v1lib.files import read_json

KEY = "penalty"


def penalties_of(model: dict, tuned: list[Path]) -> list[dict]:
    """All penalties that are known for a model: those of its entry, then those of a search.

    Args:
        model: its entry, perhaps with ``known_penalties``.
        tuned: files that ``choose_penalties`` wrote; of one search at most.

    Raises:
        ValueError: a file holds anything else.
    """
    penalties = list(model.get("known_penalties", []))
    for path in tuned:
        chosen = read_json(path)
        if not isinstance(chosen, list) or not all(KEY in entry for entry in chosen):
            raise ValueError(f"{path} holds no list of penalties; remove it and make it again")
        penalties += chosen
    return penalties


def with_penalty(params: dict, draw: dict, penalties: list[dict]) -> dict:
    """The parameters of a model with the penalty of its readout that was chosen for a draw.

    Args:
        params: of the model entry, with ``penalties.readout``.
        draw: what the search drew.
        penalties: entries with a penalty and the values of the draw that it was chosen for. Of
            several that fit the first counts.

    Raises:
        ValueError: none was chosen for this draw, or an entry names what is not drawn.
    """
    for entry in penalties:
        if unknown := sorted(set(entry) - {KEY} - set(draw)):
            raise ValueError(
                f"a penalty is given for {unknown[0]!r}, which this model does not draw; it draws "
                f"{sorted(draw)}"
            )
        if all(draw.get(name) == value for name, value in entry.items() if name != KEY):
            return params | {"penalties": params["penalties"] | {"readout": entry[KEY]}}
    raise ValueError(
        f"no penalty of the readout was chosen for {draw}, only for "
        f"{[{k: v for k, v in entry.items() if k != KEY} for entry in penalties]}; give it under "
        "known_penalties of the model, or add its values to the grid of the search"
    )

"""Hyperparameter search: the seed is the draw.

A model entry with a ``search`` section stands for many models. Draw ``d`` of ``n`` grid points is
point ``d % n`` on split ``d // n``, so that extending the number of draws adds splits and changes
no draw that is already done.
"""

from copy import deepcopy


def drawn(model: dict, seed: int) -> tuple[dict, dict, int]:
    """The model entry that a seed stands for.

    Args:
        model: build, params, training, and optionally ``search: {points: [...]}`` where each
            point has a ``factor``, its ``value``, and ``set``, the entry's values to replace.
        seed: number of the draw.

    Returns:
        (entry with the drawn values, what was drawn, seed of the split).

    Raises:
        ValueError: a point sets a value that the entry does not have.
    """
    if "search" not in model:
        return model, {}, seed
    points = model["search"]["points"]
    point = points[seed % len(points)]
    entry = deepcopy({key: value for key, value in model.items() if key != "search"})
    _replace(entry, point["set"], f"search point {point['factor']}={point['value']}")
    return entry, {"factor": point["factor"], "value": point["value"]}, seed // len(points)


def _replace(entry: dict, values: dict, where: str) -> None:
    for key, value in values.items():
        if key not in entry:
            raise ValueError(f"{where}: the model entry has no value {key!r}")
        if isinstance(value, dict) and isinstance(entry[key], dict):
            _replace(entry[key], value, f"{where}: {key}")
        else:
            entry[key] = value

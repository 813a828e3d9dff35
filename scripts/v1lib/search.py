"""Hyperparameter search: the seed is the draw.

A model entry with a ``search`` section stands for many models.

* ``points``: draw ``d`` of ``n`` listed points is point ``d % n`` on split ``d // n``.
* ``grid``: all combinations of listed values, the first of which varies fastest; draw ``d`` of
  ``n`` combinations is number ``d % n``, on replicate ``d // n`` modulo ``replicates``, and beyond
  these another initialisation of the same.
* ``draws``: each draw takes new values at random, the same for the same seed.

In all of them, extending the number of draws later changes no draw that is already done.
"""

from copy import deepcopy

import numpy as np

from v1lib.splits import stream


def drawn(model: dict, seed: int) -> tuple[dict, dict, int]:
    """The model entry that a seed stands for.

    Args:
        model: build, params, training, and optionally ``search``. Its ``points`` each have a
            ``factor``, its ``value``, and ``set``, the entry's values to replace. Its ``draws``
            each have a ``name``, the ``key`` of the value to replace (``params.penalties.readout``)
            and ``log10``, the ends between which its logarithm is drawn uniformly. Its ``grid``
            has a ``name``, a ``key`` and ``values`` for each axis; without a key the values only
            choose a core (``v1lib.transfer``).
        seed: number of the draw.

    Returns:
        (entry with the drawn values, what was drawn, seed of the split).

    Raises:
        ValueError: a value is to be set that the entry does not have.
    """
    if "search" not in model:
        return model, {}, seed
    entry = deepcopy({key: value for key, value in model.items() if key != "search"})
    if "draws" in model["search"]:
        return entry, _random(entry, model["search"]["draws"], seed), seed
    if "grid" in model["search"]:
        draw = _combination(entry, model["search"], seed)
        return entry, draw, draw["replicate"]
    points = model["search"]["points"]
    point = points[seed % len(points)]
    _replace(entry, point["set"], f"search point {point['factor']}={point['value']}")
    return entry, {"factor": point["factor"], "value": point["value"]}, seed // len(points)


def _combination(entry: dict, search: dict, seed: int) -> dict:
    """Set the values of one combination of a grid; names with their values."""
    draw = {}
    for axis in search["grid"]:
        seed, number = divmod(seed, len(axis["values"]))
        draw[axis["name"]] = axis["values"][number]
        if "key" in axis:
            _set(entry, axis["key"], draw[axis["name"]], f"search grid {axis['name']}")
    draw["initialisation"], draw["replicate"] = divmod(seed, search.get("replicates", 1))
    return draw


def _set(entry: dict, key: str, value: object, where: str) -> None:
    """Replace the value at a key such as ``params.penalties.readout``."""
    nested = value
    for name in reversed(key.split(".")):
        nested = {name: nested}
    _replace(entry, nested, where)


def _random(entry: dict, draws: list[dict], seed: int) -> dict[str, float]:
    """Draw values in the order of the list, and set them."""
    rng = np.random.default_rng(stream("search", seed))
    values = {}
    for draw in draws:
        value = float(10 ** rng.uniform(*draw["log10"]))
        _set(entry, draw["key"], value, f"search draw {draw['name']}")
        values[draw["name"]] = value
    return values


def _replace(entry: dict, values: dict, where: str) -> None:
    for key, value in values.items():
        if key not in entry:
            raise ValueError(f"{where}: the model entry has no value {key!r}")
        if isinstance(value, dict) and isinstance(entry[key], dict):
            _replace(entry[key], value, f"{where}: {key}")
        else:
            entry[key] = value

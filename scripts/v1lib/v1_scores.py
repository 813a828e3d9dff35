"""From properties of a model's units and of neurons to scores (Marques, Schrimpf & DiCarlo 2021).

A property's score is the similarity of the two distributions over that of the neurons' to itself; a
group's score is the mean of its properties', the property score the mean of its groups'. Where the
distributions of the texture properties are not at hand, what is left is another score and is named
so: ``v1_property_score_15of22``, over the groups that have a property left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from v1lib.distribution_similarity import (
    Histogram,
    bootstrap_similarity,
    ceiling,
    histogram,
)
from v1lib.files import read_csv
from v1lib.splits import stream
from v1lib.v1_properties import TEXTURE_PROPERTIES

N_PROPERTIES = 22
OVERALL = "v1_property_score"
COLUMNS = ("level", "group", "property", "benchmark", "raw", "raw_sd", "ceiling", "score")
_COUNTS = ("n_units", "n_values", "n_properties", "of_properties")
SCORE_COLUMNS = ("dataset", "model", "seed", *COLUMNS, *_COUNTS, "source_kind")

_DISTRIBUTION = ("property", "group", "benchmark", "bin_left", "bin_right", "count", "n_neurons")


@dataclass(frozen=True)
class Reference:
    """The distribution of one property among neurons.

    Attributes:
        name: of the property.
        group: by which scores are averaged.
        benchmark: Brain-Score's name.
        edges: float64 [n_bins + 1].
        neurons: their histogram; None where it is not known.
    """

    name: str
    group: str
    benchmark: str
    edges: np.ndarray
    neurons: Histogram | None


def read_references(distributions: Path, measured: Path | None = None) -> list[Reference]:
    """The distributions of all properties, in the order of the file.

    Args:
        distributions: table with a row for each bin; ``count`` is empty where it is not known, and
            neurons beyond the counts have no value.
        measured: table of one's own with columns property and value, a row for each neuron (empty
            value: none), that replaces the counts of the properties in it.

    Raises:
        ValueError: a table lacks a column, bins do not join, or a property is unknown; the message
            names file and property.
    """
    table = read_csv(distributions, required=_DISTRIBUTION)
    references = [_reference(rows, distributions) for _, rows in _by_property(table)]
    if measured is None:
        return references
    values = read_csv(measured, required=("property", "value"))
    own = {name: rows["value"].to_numpy(dtype=np.float64) for name, rows in _by_property(values)}
    if unknown := sorted(set(own) - {reference.name for reference in references}):
        raise ValueError(f"{measured}: property {unknown[0]!r} is not in {distributions}")
    return [_replaced(reference, own, measured) for reference in references]


def without_textures(references: list[Reference]) -> list[Reference]:
    """The same properties, those that need textures as if nothing were known of them."""
    return [
        replace(reference, neurons=None) if reference.name in TEXTURE_PROPERTIES else reference
        for reference in references
    ]


def score_table(
    properties: pd.DataFrame, references: list[Reference], *, seed: int, n_draws: int
) -> pd.DataFrame:
    """Scores of one run: its properties, the groups, and all of them.

    Args:
        properties: rows unit, property, value (NaN: missing) of the units that a property keeps.
        references: those without a histogram are left out.
        seed: of the bootstrap; equal seeds draw equal samples of equal distributions.
        n_draws: bootstrap samples.

    Returns:
        ``COLUMNS`` and counts: level is property, group or all; n_units the units that count,
        n_values those with a value; n_properties how many properties are in a score, of_properties
        how many there are in full. A property that no unit counts for has no score (NaN), and the
        groups and the whole that it is part of have none.
    """
    values = {name: rows["value"].to_numpy(float) for name, rows in _by_property(properties)}
    rows = [
        _property_row(reference, values.get(reference.name, np.zeros(0)), seed, n_draws)
        for reference in references
        if reference.neurons is not None
    ]
    singles = pd.DataFrame(rows)
    in_full = pd.Series([reference.group for reference in references]).value_counts()
    groups = pd.DataFrame(
        [_mean_row(group, part, in_full[group]) for group, part in singles.groupby("group", sort=0)]
    )
    overall = {
        "level": "all",
        "property": overall_name(len(singles), len(references)),
        "score": groups["score"].mean(skipna=False),
        "n_properties": len(singles),
        "of_properties": len(references),
    }
    table = pd.concat([singles, groups, pd.DataFrame([overall])], ignore_index=True)
    return table.reindex(columns=[*COLUMNS, *_COUNTS])


def overall_name(n_properties: int, of_properties: int = N_PROPERTIES) -> str:
    """What a score over some or all of the properties is called."""
    if n_properties == of_properties:
        return OVERALL
    return f"{OVERALL}_{n_properties}of{of_properties}"


def _property_row(
    reference: Reference, values: np.ndarray, seed: int, n_draws: int
) -> Mapping[str, object]:
    units = histogram(values, reference.edges)
    raw, sd = bootstrap_similarity(
        units, reference.neurons, rng=_rng("model", reference, seed), n_draws=n_draws
    )
    highest, _ = ceiling(reference.neurons, rng=_rng("ceiling", reference, seed), n_draws=n_draws)
    return {
        "level": "property",
        "group": reference.group,
        "property": reference.name,
        "benchmark": reference.benchmark,
        "raw": raw,
        "raw_sd": sd,
        "ceiling": highest,
        "score": raw / highest,
        "n_units": units.n,
        "n_values": int(units.counts.sum()),
        "n_properties": 1,
        "of_properties": 1,
    }


def _mean_row(group: str, part: pd.DataFrame, in_full: int) -> Mapping[str, object]:
    return {
        "level": "group",
        "group": group,
        "score": part["score"].mean(skipna=False),
        "n_properties": len(part),
        "of_properties": int(in_full),
    }


def _rng(use: str, reference: Reference, seed: int) -> np.random.Generator:
    return np.random.default_rng(stream("v1 properties", use, reference.name, seed))


def _by_property(table: pd.DataFrame) -> pd.api.typing.DataFrameGroupBy:
    return table.groupby("property", sort=False)


def _reference(rows: pd.DataFrame, path: Path) -> Reference:
    first = rows.iloc[0]
    left, right = rows["bin_left"].to_numpy(float), rows["bin_right"].to_numpy(float)
    if (left[1:] != right[:-1]).any() or (left >= right).any():
        raise ValueError(f"{path}: the bins of {first['property']} do not join or do not rise")
    counts = rows["count"]
    neurons = None
    if counts.notna().all():
        known = counts.to_numpy(np.int64)
        n_missing = int(first["n_neurons"]) - int(known.sum())
        if n_missing < 0 or (known < 0).any():
            raise ValueError(
                f"{path}: {first['property']} counts {known.sum()} of {first['n_neurons']} neurons"
            )
        neurons = Histogram(known, n_missing)
    edges = np.append(left, right[-1])
    return Reference(first["property"], first["group"], first["benchmark"], edges, neurons)


def _replaced(reference: Reference, own: Mapping[str, np.ndarray], measured: Path) -> Reference:
    if reference.name not in own:
        return reference
    neurons = histogram(own[reference.name], reference.edges)
    if not neurons.counts.sum():
        raise ValueError(f"{measured}: no neuron has a value of {reference.name}")
    return replace(reference, neurons=neurons)

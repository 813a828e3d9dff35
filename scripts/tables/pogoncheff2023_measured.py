"""Our results for every published value of Pogoncheff et al. 2023 that has one."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from v1lib.comparison import Measured, as_table, fact
from v1lib.files import read_csv, write_csv
from v1lib.pogoncheff2023_grid import of_model
from v1lib.pogoncheff2023_profile import differs_from_paper, settings_of
from v1lib.pogoncheff2023_tables import (
    GROUPS,
    OVERALL,
    PAPER,
    PROPERTIES,
    alignments,
)
from v1lib.steps import Input, Inputs, Output
from v1lib.summaries import summarise

_SCORED = ("level", "group", "property", "raw", "ceiling", "score", "n_properties", "of_properties")
_COUNTED = ("model", "n_trainable", "n_total", "n_constant")
_DRAWS = 1000  # of the published bootstrap
_DISTRIBUTION = ("property", "bin_left", "bin_right", "count")
_NEURONS = f"{PAPER}.ringach2002"
_MEDIANS = {  # property by published name
    "circular_variance": "circular_variance",
    "orientation_half_bandwidth_deg": "bandwidth",
    "orthogonal_preferred_ratio": "orthogonal_preferred_ratio",
    "modulation_ratio": "modulation_ratio",
    "max_dc_spikes_per_s": "max_dc",
}
_LAST_DIGIT = 5e-5  # half of it, of shares published with four
_CONSTANTS = "{:,} of them constants, no parameters here"


def main(
    *,
    scores: Inputs,
    predictivities: Inputs,
    alexnet: Inputs,
    counts: Input,
    distributions: Input,
    published: Input,
    measured: Output,
    settings: dict,
    profile: dict,
) -> None:
    """From scores, counted parameters and settings to one row per published value.

    ``scores``, ``predictivities``: of the networks. ``alexnet``: none, or the scores of AlexNet's
    V1 properties. ``distributions``: ``report/v1_property_distributions.csv``. ``settings``:
    ``training`` of the network without components, ``size_px`` of its images, ``n_draws`` of the
    bootstrap. ``profile``: its name and what ``v1lib.pogoncheff2023_profile.differs_from_paper``
    asks for: scores of networks with another training give no row. Ceilings are of neurons alone,
    whatever the networks learned from.
    """
    known = read_csv(published, required=["id", "value"]).set_index("id")["value"]
    is_paper = not differs_from_paper(profile, known)
    n_draws = settings["n_draws"]
    rows = [
        *configured(settings, known, "" if is_paper else profile["name"]),
        *counted(read_csv(counts, required=_COUNTED)),
        *ceilings(scores, n_draws),
        *of_alexnet(alexnet, n_draws),
        *of_neurons(distributions),
    ]
    if is_paper:
        rows += overall(alignments(scores, predictivities))
    write_csv(as_table([row for row in rows if row.id in known.index]), measured)


def configured(settings: Mapping, known: pd.Series, reduced_by: str) -> Iterator[Measured]:
    """Settings of the training; those that another profile reduces on purpose are not judged.

    ``reduced_by``: name of that profile, "" in the paper's own.
    """
    for name, value in settings_of(settings["training"], settings["size_px"]).items():
        id_ = f"{PAPER}.training.{name}"
        if id_ in known.index and reduced_by and not math.isclose(value, known[id_]):
            why = f"reduced on purpose in the profile {reduced_by}"
            yield Measured(id_, float(value), "real", comparability=why)
        else:
            yield fact(id_, value, "real")


def counted(parameters: pd.DataFrame) -> Iterator[Measured]:
    """Parameters of the networks at the published size."""
    for row in parameters.itertuples():
        name = row.model.removeprefix(f"{PAPER}_")
        yield fact(f"{PAPER}.parameters.{name}.trainable", row.n_trainable, "real")
        note = _CONSTANTS.format(row.n_constant) if row.n_constant else ""
        yield fact(f"{PAPER}.parameters.{name}.total", row.n_total, "real", note=note)


def ceilings(scores: Sequence[Path], n_draws: int) -> Iterator[Measured]:
    """Similarity of each distribution of neurons to itself; not judged with a shorter bootstrap."""
    for name, rows in _properties(scores):
        found = fact(f"{PAPER}.ceiling.{name}", rows["ceiling"].mean(), "real")
        yield replace(found, comparability=_few(n_draws))


def of_alexnet(scores: Sequence[Path], n_draws: int) -> Iterator[Measured]:
    """Scores of AlexNet; those of groups and of all only where every property is scored.

    Not judged with a shorter bootstrap than the published one.
    """
    for name, rows in _properties(scores):
        found = fact(f"{PAPER}.alexnet.raw.{name}", rows["raw"].mean(), "real")
        yield replace(found, comparability=_few(n_draws))
    for path in scores:
        table = read_csv(path, required=_SCORED)
        whole = table[table["n_properties"] == table["of_properties"]]
        for row in whole[whole["level"] == "group"].itertuples():
            if row.group in GROUPS:
                found = _derived(f"{PAPER}.alexnet.group.{row.group}", row.score, row.n_properties)
                yield replace(found, comparability=_few(n_draws))
        for row in whole[whole["level"] == "all"].itertuples():
            found = _derived(f"{PAPER}.alexnet.v1_property_score", row.score, row.n_properties)
            yield replace(found, comparability=_few(n_draws))


def of_neurons(distributions: Path) -> Iterator[Measured]:
    """Summaries of the neurons of Ringach et al. 2002, as far as their counts in bins say them.

    A median lies somewhere in its bin, by interpolation; its error is half the bin.
    """
    table = read_csv(distributions, required=_DISTRIBUTION)
    for name, property_ in _MEDIANS.items():
        rows = table[table["property"] == property_]
        median, half = _median_in_bins(rows)
        yield Measured(
            f"{_NEURONS}.median_{name}", median, "real", spread=half,
            spread_type="half a bin of the counts", n=rows["count"].sum(), error=half,
            note="interpolated in the counts of the same neurons",
        )  # fmt: skip
    selective = table[table["property"] == "orientation_selective"]
    n = selective["count"].sum()
    share = selective.loc[selective["bin_right"] == 1, "count"].sum() / n
    yield Measured(
        f"{_NEURONS}.fraction_orientation_selective", share, "real", n=n, error=_LAST_DIGIT,
        note="counts of the same neurons; equal to the last published digit",
    )  # fmt: skip
    yield Measured(
        f"{_NEURONS}.median_spontaneous_rate_spikes_per_s", math.nan, "real",
        note="no distribution of spontaneous rates is at hand; the experiment takes their median, "
        "rounded to 0.82 spikes/s, as given",
    )  # fmt: skip


def _median_in_bins(rows: pd.DataFrame) -> tuple[float, float]:
    """Median of counts in bins, as if values lay evenly in a bin, and half the width of its bin."""
    counts = rows["count"].to_numpy(dtype=float)
    before = counts.cumsum() - counts
    at = int((before + counts < counts.sum() / 2).sum())
    left, right = rows[["bin_left", "bin_right"]].iloc[at]
    inside = (counts.sum() / 2 - before[at]) / counts[at]
    return float(left + inside * (right - left)), float(right - left) / 2


def _few(n_draws: int) -> str:
    """Why a bootstrap is no match for the published one; "" if it is."""
    return f"{n_draws} bootstrap samples, published with {_DRAWS}" if n_draws < _DRAWS else ""


def overall(values: pd.DataFrame) -> Iterator[Measured]:
    """V1 overall of networks of the paper's profile; never judged: it is another score."""
    for model in values["model"].unique():
        own = of_model(values, model, OVERALL)
        if own.empty:
            continue
        summary = summarise(own["value"], ddof=1)
        row = values[(values["model"] == model) & (values["quantity"] == PROPERTIES)].iloc[0]
        yield Measured(
            f"{PAPER}.v1_overall.{model.removeprefix(f'{PAPER}_')}",
            summary.mean,
            own["source_kind"].iloc[0],
            spread=summary.sem,
            spread_type="SE over seeds",
            n=summary.n,
            error=summary.sem,
            comparability=f"predictivity of {own['neurons'].iloc[0]}, not of the private "
            f"recordings; {row['n_parts']:.0f} of {row['of_parts']:.0f} properties",
        )


def _derived(id_: str, value: float, n_properties: float) -> Measured:
    """A mean of published scores: its error follows from theirs, ±0.01 each, as of equal ones."""
    error = 0.01 / math.sqrt(n_properties)
    return Measured(
        id_, value, "real", spread=error, spread_type="tolerance of the published scores",
        n=n_properties, error=error,
    )  # fmt: skip


def _properties(scores: Sequence[Path]) -> Iterator[tuple[str, pd.DataFrame]]:
    tables = [read_csv(path, required=_SCORED) for path in scores]
    if tables:
        table = pd.concat(tables, ignore_index=True)
        yield from table[table["level"] == "property"].groupby("property", sort=False)

"""Our results for every published value of Pogoncheff et al. 2023 that has one."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from v1lib.comparison import Measured, as_table, fact
from v1lib.files import read_csv, write_csv
from v1lib.pogoncheff2023_grid import of_model
from v1lib.pogoncheff2023_tables import (
    GROUPS,
    OVERALL,
    PAPER,
    PROPERTIES,
    alignments,
)
from v1lib.statistics import summarise
from v1lib.steps import Input, Inputs, Output

_SCORED = ("level", "group", "property", "raw", "ceiling", "score", "n_properties", "of_properties")
_COUNTED = ("model", "n_trainable", "n_total", "n_constant")
_DRAWS = 1000  # of the published bootstrap
_CONSTANTS = "{:,} of them constants, no parameters here"


def main(
    *,
    scores: Inputs,
    predictivities: Inputs,
    alexnet: Inputs,
    counts: Input,
    published: Input,
    measured: Output,
    settings: dict,
    profile: dict,
) -> None:
    """From scores, counted parameters and settings to one row per published value.

    ``scores``, ``predictivities``: of the networks. ``alexnet``: none, or the scores of AlexNet's
    V1 properties. ``settings``: ``training`` of the network without components, ``size_px`` of
    its images, ``n_draws`` of the bootstrap. ``profile``: its name, and whether it is_paper's own:
    scores of networks with another training give no row. Ceilings are of neurons alone, whatever
    the networks learned from.
    """
    known = read_csv(published, required=["id", "value"]).set_index("id")["value"]
    rows = [
        *configured(settings, known, profile),
        *counted(read_csv(counts, required=_COUNTED)),
        *ceilings(scores, settings["n_draws"]),
        *of_alexnet(alexnet),
    ]
    if profile["is_paper"]:
        rows += overall(alignments(scores, predictivities))
    write_csv(as_table([row for row in rows if row.id in known.index]), measured)


def configured(settings: Mapping, known: pd.Series, profile: Mapping) -> Iterator[Measured]:
    """Settings of the training; those that another profile reduces on purpose are not judged."""
    training = settings["training"]
    found = {
        "epochs": training["max_epochs"],
        "batch_size": training["batch_size"],
        "initial_learning_rate": training["learning_rate"],
        "lr_gamma": training["milestone_factor"],
        "input_size_px": settings["size_px"],
        **{name: training["optimiser_settings"][name] for name in ("momentum", "weight_decay")},
    }
    for number, epoch in enumerate(training["milestones"], start=1):
        found[f"lr_milestone_{number}_epoch"] = epoch
    for name, value in found.items():
        id_ = f"{PAPER}.training.{name}"
        if id_ in known.index and not profile["is_paper"] and not math.isclose(value, known[id_]):
            why = f"reduced on purpose in the profile {profile['name']}"
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
    few = f"{n_draws} bootstrap samples, published with {_DRAWS}" if n_draws < _DRAWS else ""
    for name, rows in _properties(scores):
        found = fact(f"{PAPER}.ceiling.{name}", rows["ceiling"].mean(), "real")
        yield replace(found, comparability=few)


def of_alexnet(scores: Sequence[Path]) -> Iterator[Measured]:
    """Scores of AlexNet; those of groups and of all only where every property is scored."""
    for name, rows in _properties(scores):
        yield fact(f"{PAPER}.alexnet.raw.{name}", rows["raw"].mean(), "real")
    for path in scores:
        table = read_csv(path, required=_SCORED)
        whole = table[table["n_properties"] == table["of_properties"]]
        for row in whole[whole["level"] == "group"].itertuples():
            if row.group in GROUPS:
                yield _derived(f"{PAPER}.alexnet.group.{row.group}", row.score, row.n_properties)
        for row in whole[whole["level"] == "all"].itertuples():
            yield _derived(f"{PAPER}.alexnet.v1_property_score", row.score, row.n_properties)


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

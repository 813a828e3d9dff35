"""Tables of Pogoncheff et al. 2023 as pages: a line per network, a column per quantity."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from v1lib.markdown import markdown_table, write_markdown
from v1lib.pogoncheff2023_tables import (
    CLEAN,
    CORRUPTED,
    GROUPS,
    OVERALL,
    PREDICTIVITY,
    PREDICTIVITY_2026,
    PROPERTIES,
    RELATIVE,
    SIMULATED_NEURONS,
    UNITS,
    ZEROS,
)

_NAMES = {
    OVERALL: "V1 overall",
    PREDICTIVITY: "neural predictivity",
    PREDICTIVITY_2026: "neural predictivity, formula of 2026",
    PROPERTIES: "property score",
    CLEAN: "clean",
    CORRUPTED: "mean corrupted",
    RELATIVE: "corrupted / clean",
}
ALIGNMENT = (OVERALL, PREDICTIVITY, PROPERTIES, *GROUPS)
ALIGNMENT_NOTE = (
    "Similarity of the distributions of V1 properties between units of the first stage and "
    "neurons, divided by its ceiling: mean over the properties of a group; the property score is "
    "the mean of the groups. Units: those whose receptive field lies at the stimuli and that "
    "respond enough; few units make scores uncertain. Mean ± standard error over seeds (n: number "
    "of seeds)."
)
PARTIAL_NOTE = (
    "**{parts} of {of} properties**: the distributions of the others are not public. This is "
    "another score than the published one over all of them; a group without a property has no "
    "column."
)
PREDICTED_NOTE = (
    "Neural predictivity: partial least squares, (r / ceiling)² as in 2023, of {neurons}; the "
    "published scores are for other, private recordings. The formula of 2026 is r² / ceiling. "
    "V1 overall: mean of predictivity (2023) and property score."
)
UNMEASURED = "not measured"
UNMEASURED_NOTE = (
    "**Without a score**: {networks}. Seeds in which no unit at the stimuli counts for a property; "
    "they are in no mean and in no n of a score."
)
ZEROS_NOTE = (
    "**Properties that score 0 for want of values**, as in the published benchmarks where more "
    "than a tenth of the bootstrap samples of units holds no value: {networks}."
)
UNPREDICTED_NOTE = "No overall score: recorded neurons to predict are not configured."


def name_of(quantity: str) -> str:
    """How a quantity is written in tables and figures."""
    return _NAMES.get(quantity, quantity.replace("_", " "))


def header_of(found: pd.DataFrame, quantity: str) -> str:
    """Name of a quantity with how many parts it has, where that is not all: "(15 of 22)".

    Args:
        found: rows of ``v1lib.pogoncheff2023_tables.SUMMARY_COLUMNS``.
        quantity: a score over properties, or an accuracy over corruptions.

    Raises:
        ValueError: networks differ in it.
    """
    rows = found[found["quantity"] == quantity]
    counts = rows[["n_parts", "of_parts"]].dropna().drop_duplicates()
    if len(counts) > 1:
        raise ValueError(f"{quantity} is not over equally many parts in all networks: {counts}")
    simulated = rows["neurons"].astype(str).str.endswith(SIMULATED_NEURONS).any()
    aside = SIMULATED_NEURONS if simulated else ""
    if len(counts) and counts["n_parts"].iloc[0] != counts["of_parts"].iloc[0]:
        parts, whole = counts.iloc[0].astype(int)
        return f"{name_of(quantity)} ({parts} of {whole}){aside}"
    return f"{name_of(quantity)}{aside}"


def alignment_columns(found: pd.DataFrame) -> dict[str, str]:
    """Headers of the scores that there are, in the paper's order, and of the numbers of units."""
    present = set(found["quantity"])
    columns = {name: header_of(found, name) for name in ALIGNMENT if name in present}
    more = {name: header_of(found, name) for name in (PREDICTIVITY_2026,) if name in present}
    return columns | more | {UNITS: "units"}


def alignment_notes(found: pd.DataFrame) -> list[str]:
    """What a reader of a table of V1 alignment must know."""
    notes = [ALIGNMENT_NOTE]
    counts = found.loc[found["quantity"] == PROPERTIES, ["n_parts", "of_parts"]].iloc[0]
    if counts["n_parts"] != counts["of_parts"]:
        notes.append(PARTIAL_NOTE.format(parts=int(counts.iloc[0]), of=int(counts.iloc[1])))
    predicted = found.loc[found["quantity"] == PREDICTIVITY, "neurons"].dropna().unique()
    notes.append(PREDICTED_NOTE.format(neurons=", ".join(predicted)) if len(predicted) else "")
    notes.append("" if OVERALL in set(found["quantity"]) else UNPREDICTED_NOTE)
    notes += [_unmeasured_note(found), _zeros_note(found)]
    return [note for note in notes if note]


def _unmeasured_note(found: pd.DataFrame) -> str:
    """Networks with seeds that have no score; "" if all seeds of all networks have one."""
    seeds = found.set_index("label")
    scored, of = (
        seeds.loc[seeds["quantity"] == name, "n_seeds"].astype(int) for name in (PROPERTIES, UNITS)
    )
    lacking = {label: of[label] - n for label, n in scored.items() if n < of[label]}
    named = [f"{label} ({n} of {of[label]})" for label, n in lacking.items()]
    return UNMEASURED_NOTE.format(networks=", ".join(named)) if named else ""


def _zeros_note(found: pd.DataFrame) -> str:
    """Networks with properties that score 0 because units have no value; "" if there is none."""
    zeros = found[(found["quantity"] == ZEROS) & (found["mean"] > 0)]
    named = [f"{row.label} ({row.mean:.3g} per seed)" for row in zeros.itertuples()]
    return ZEROS_NOTE.format(networks=", ".join(named)) if named else ""


def table_of(
    found: pd.DataFrame, columns: Mapping[str, str], *, more: Mapping[str, Mapping] | None = None
) -> str:
    """A Markdown table of means ± standard errors.

    Args:
        found: rows of ``v1lib.pogoncheff2023_tables.SUMMARY_COLUMNS``.
        columns: header by quantity.
        more: cells by label, by header: columns in front, such as components.
    """
    more = more or {}
    lines = []
    for label, rows in found.groupby("label", sort=False):
        cells = rows.set_index("quantity")
        line = [label, *(values[label] for values in more.values())]
        line.append(seeds_of(rows["n_seeds"]))
        line += [_cell(cells, quantity) for quantity in columns]
        lines.append(line)
    return markdown_table(["network", *more, "n", *columns.values()], lines)


def seeds_of(counts: Iterable[int]) -> str:
    """Number of seeds, "2", or "2 to 3" where it differs between quantities or networks.

    Seeds without a score count in the number of units, but not in that of a score. Without any
    count it is 0.
    """
    counts = sorted({int(n) for n in counts}) or [0]
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _cell(cells: pd.DataFrame, quantity: str) -> str:
    if quantity not in cells.index:
        return ""
    mean, se = (float(cells.loc[quantity, name]) for name in ("mean", "se"))
    if math.isnan(mean):
        return UNMEASURED
    return f"{mean:.0f}" if quantity == UNITS else stated(mean, se)


def stated(mean: float, se: float) -> str:
    """``0.451 ± 0.012``; without a standard error the mean alone, nothing without a mean."""
    if math.isnan(mean):
        return ""
    mean, se = round(mean, 6), round(se, 6)  # so that float32 and float64 are written alike
    return f"{mean:.3f}" if math.isnan(se) else f"{mean:.3f} ± {se:.3f}"


def write_page(
    path: Path, title: str, parts: Sequence[str], *, profile: str, source_kind: str
) -> None:
    """A page whose title names the profile: what the networks are and what they learned from."""
    write_markdown(path, f"{title} [{profile}]", parts, source_kind=source_kind)

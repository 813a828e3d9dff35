"""P2: V1 alignment of composites, with their components, and what each component adds."""

import pandas as pd

from v1lib.files import write_csv
from v1lib.markdown import markdown_table
from v1lib.pogoncheff2023_grid import COMPONENTS, EFFECT_COLUMNS, effects, ticks
from v1lib.pogoncheff2023_pages import (
    ALIGNMENT,
    UNMEASURED,
    alignment_columns,
    alignment_notes,
    header_of,
    table_of,
    write_page,
)
from v1lib.pogoncheff2023_tables import alignment_of, alignments, network_kind, over_seeds
from v1lib.steps import Inputs, Output

_EFFECTS_NOTE = (
    "What one component adds: difference of the {score} of two networks that have the same other "
    "components, with minus without it; 95 % interval from Welch's t over seeds, not corrected for "
    "their number. The published networks are not strictly nested: composites have center-surround "
    "in two blocks and no dropout."
)
_EFFECTS = ("component", "with", "without", "difference", "95 % interval", "n", "note")


def main(
    *,
    scores: Inputs,
    predictivities: Inputs,
    table: Output,
    effects_table: Output,
    markdown: Output,
    models: list,
    networks: dict,
    profile: str,
) -> None:
    """From scores and predictivities of the whole grid to means, and effects of components.

    ``models``: [label, model] in the order of the table; ``networks``: by label, the settings of
    the network, of which the components are read; ``profile`` and ``predictivities`` as in P1.
    ``effects_table`` has a row for each score and each pair of networks that isolates a component.
    """
    values = alignments(scores, predictivities)
    by_label = dict(models)
    found = over_seeds(values, by_label)
    found.insert(0, "profile", profile)
    networks = {label: networks[label] for label in by_label}  # in their order
    components = pd.DataFrame({label: ticks(params) for label, params in networks.items()}).T
    found = found.merge(components, left_on="label", right_index=True)
    order = [name for name in found if name != "source_kind"]
    write_csv(found[[*order, "source_kind"]], table)
    present = [name for name in ALIGNMENT if name in set(values["quantity"])]
    added = [effects(values, by_label, networks, quantity=name) for name in present]
    added = pd.concat([part for part in added if len(part)] or [pd.DataFrame()], ignore_index=True)
    added = added.reindex(columns=list(EFFECT_COLUMNS))
    added.insert(0, "profile", profile)
    write_csv(added, effects_table)
    more = {name: components[key].to_dict() for key, name in COMPONENTS.items()}
    judged = alignment_of(values)
    parts = [
        table_of(found, alignment_columns(found), more=more),
        *alignment_notes(found),
        "## What one component adds",
        _EFFECTS_NOTE.format(score=header_of(found, judged)),
        markdown_table(_EFFECTS, _lines(added[added["quantity"] == judged])),
    ]
    write_page(
        markdown,
        "V1 alignment of composites",
        parts,
        profile=profile,
        source_kind=network_kind(found),
    )


def _lines(added: pd.DataFrame) -> list[list[object]]:
    lines = []
    for row in added.to_dict("records"):
        name = COMPONENTS[row["component"]]
        name += f" ({row['kind']})" if row["component"] == "normalization" else ""
        interval = "" if pd.isna(row["low"]) else f"{row['low']:+.3f} to {row['high']:+.3f}"
        counts = f"{row['n_with']}, {row['n_without']}"
        labels = (row["with_label"], row["without_label"])
        found = UNMEASURED if pd.isna(row["difference"]) else f"{row['difference']:+.3f}"
        lines.append([name, *labels, found, interval, counts, row["note"]])
    return lines

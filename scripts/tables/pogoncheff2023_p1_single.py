"""P1: V1 alignment of networks with one component of early vision each."""

from v1lib.files import write_csv
from v1lib.pogoncheff2023_pages import alignment_columns, alignment_notes, table_of, write_page
from v1lib.pogoncheff2023_tables import alignments, network_kind, over_seeds
from v1lib.steps import Inputs, Output


def main(
    *,
    scores: Inputs,
    predictivities: Inputs,
    table: Output,
    markdown: Output,
    models: list,
    profile: str,
) -> None:
    """From scores of V1 properties and predictivities to means ± standard errors over seeds.

    ``models``: [label, model] in the order of the table, the network without components first;
    ``predictivities``: none without recordings; ``profile``: named in the title and in the table.
    """
    found = over_seeds(alignments(scores, predictivities), dict(models))
    found.insert(0, "profile", profile)
    write_csv(found, table)
    parts = [table_of(found, alignment_columns(found)), *alignment_notes(found)]
    write_page(
        markdown,
        "V1 alignment of single components",
        parts,
        profile=profile,
        source_kind=network_kind(found),
    )

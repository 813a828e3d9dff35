"""P4: accuracy on clean and on corrupted images."""

import pandas as pd

from v1lib.files import write_csv
from v1lib.pogoncheff2023_limits import chance_note
from v1lib.pogoncheff2023_pages import header_of, table_of, write_page
from v1lib.pogoncheff2023_tables import (
    CLEAN,
    CORRUPTED,
    FAMILIES,
    RELATIVE,
    network_kind,
    over_seeds,
    read_accuracies,
    robustness,
)
from v1lib.steps import Inputs, Output

_NOTE = (
    "Top-1 accuracy, mean ± standard error over seeds. A corruption is averaged over severities "
    "{severities}, a family over its corruptions, the mean corrupted accuracy over all corruptions "
    "and severities. Evaluated on {images}. {how}"
)
_GENERATED = (
    "The corruptions were **generated** by this workflow, after the published recipe, because the "
    "published corrupted images are not configured or have other classes."
)


def main(
    *,
    accuracies: Inputs,
    table: Output,
    markdown: Output,
    models: list,
    how: str,
    n_classes: dict,
    profile: str,
) -> None:
    """From accuracies by corruption and severity to means ± standard errors over seeds.

    ``models``: [label, model] in the order of the table; ``how``: a sentence on how networks came
    to know the classes; ``n_classes``: by data set, for the level of chance; ``profile``: named in
    the title and in the table.
    """
    cells = read_accuracies(accuracies)
    cells = cells[cells["model"].isin(dict(models).values())]
    found = over_seeds(robustness(cells), dict(models))
    is_generated = bool(cells.loc[cells["corruption"] != "", "generated"].any())
    found.insert(0, "profile", profile)
    found.insert(len(found.columns) - 1, "generated", is_generated)
    write_csv(found, table)
    severities = ", ".join(f"{n:g}" for n in sorted(cells["severity"].unique()) if n)
    images = " and ".join(sorted(cells["evaluated_on"].unique()))
    present = set(found["quantity"])
    means = [name for name in (CLEAN, CORRUPTED, RELATIVE, *FAMILIES) if name in present]
    parts = [table_of(found, {name: header_of(found, name) for name in means})]
    parts += [
        _NOTE.format(images=images, how=how, severities=severities),
        chance_note(found["dataset"], n_classes),
        _GENERATED if is_generated else "",
    ]
    for family, corruptions in FAMILIES.items():
        shown = [name for name in corruptions if name in present]
        parts += [f"## {family.capitalize()}", _family(found, family, shown)]
    write_page(
        markdown,
        "Robustness",
        [part for part in parts if part],
        profile=profile,
        source_kind=network_kind(found),
    )


def _family(found: pd.DataFrame, family: str, corruptions: list[str]) -> str:
    if not corruptions:
        return "No corruption of this family was evaluated."
    return table_of(found, {name: header_of(found, name) for name in [*corruptions, family]})

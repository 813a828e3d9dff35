"""P3: V1 alignment and accuracy after adversarial and after normal training."""

import pandas as pd

from v1lib.files import write_csv
from v1lib.markdown import markdown_table
from v1lib.pogoncheff2023_grid import difference, of_model
from v1lib.pogoncheff2023_pages import (
    UNMEASURED,
    alignment_columns,
    alignment_notes,
    table_of,
    write_page,
)
from v1lib.pogoncheff2023_tables import (
    BEST,
    UNITS,
    accuracies_of_training,
    alignments,
    curves_of_training,
    network_kind,
    over_seeds,
)
from v1lib.steps import Inputs, Output

_NOTE = (
    "Adversarial: the “free” method (Shafahi et al. 2019) with the settings of its public "
    "implementation; those of the paper are not known. Accuracy: best validation accuracy (top-1)."
)
_HEADER = ("network", "quantity", "adversarial minus normal", "95 % interval", "n")


def main(
    *,
    scores: Inputs,
    predictivities: Inputs,
    histories: Inputs,
    table: Output,
    markdown: Output,
    models: list,
    profile: str,
) -> None:
    """From scores, predictivities and histories to means, and differences of the trainings.

    ``models``: label of a network, model trained normally, model trained adversarially;
    ``histories``: of all blocks; ``profile`` and ``predictivities`` as in P1.
    """
    accuracies = accuracies_of_training(curves_of_training(histories))
    accuracies = accuracies[accuracies["quantity"] == BEST]
    values = pd.concat([alignments(scores, predictivities), accuracies], ignore_index=True)
    flat = {
        f"{label}, {training}": model
        for label, *trained in models
        for training, model in zip(("normal", "adversarial"), trained, strict=True)
    }
    found = over_seeds(values, flat)
    found.insert(0, "profile", profile)
    write_csv(found, table)
    columns = alignment_columns(found) | {BEST: "accuracy"}
    lines = [line for own in models for line in _lines(values, *own, columns)]
    parts = [
        table_of(found, columns),
        _NOTE,
        *alignment_notes(found),
        "## Adversarial minus normal training",
        markdown_table(_HEADER, lines),
        "95 % interval: Welch's t over seeds.",
    ]
    write_page(
        markdown,
        "Adversarial and normal training",
        parts,
        profile=profile,
        source_kind=network_kind(found),
    )


def _lines(
    values: pd.DataFrame, label: str, normal: str, adversarial: str, columns: dict
) -> list[list[object]]:
    lines = []
    for quantity, name in columns.items():
        if quantity == UNITS:
            continue
        own = values[values["quantity"] == quantity]
        if not {normal, adversarial} <= set(own["model"]):
            continue
        both = [of_model(own, model, quantity) for model in (adversarial, normal)]
        found = difference(*both)
        stated = UNMEASURED if pd.isna(found.value) else f"{found.value:+.3f}"
        low, high = found.interval.low, found.interval.high
        interval = "" if pd.isna(low) else f"{low:+.3f} to {high:+.3f}"
        counts = ", ".join(str(len(part)) for part in both)
        lines.append([label, name, stated, interval, counts])
    return lines

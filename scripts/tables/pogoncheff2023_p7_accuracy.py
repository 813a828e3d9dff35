"""P7: validation accuracy of the best and of the last epoch."""

from v1lib.files import write_csv
from v1lib.markdown import markdown_table
from v1lib.pogoncheff2023_limits import chance_note
from v1lib.pogoncheff2023_pages import seeds_of, stated, write_page
from v1lib.pogoncheff2023_tables import (
    BEFORE,
    BEST,
    BEST_EPOCH,
    LAST,
    N_EPOCHS,
    accuracies_of_training,
    curves_of_training,
    network_kind,
    over_seeds,
)
from v1lib.steps import Inputs, Output

_NOTE = (
    "Top-1 accuracy on validation images of the data set that a network learned, mean ± standard "
    "error over seeds. The network of the best epoch (of equal ones the latest) is kept and "
    "evaluated. Of fine-tuned networks a new output layer learned other classes."
)
_HEADER = (
    *("network", "learned", "n", "epochs"),
    *("before training", "best", "epoch of the best", "last"),
)


def main(
    *,
    histories: Inputs,
    table: Output,
    markdown: Output,
    models: list,
    n_classes: dict,
    profile: str,
) -> None:
    """From the histories of all blocks to means ± standard errors over seeds.

    ``models``: [label, model] in the order of the table; ``n_classes``: by data set, for the level
    of chance; ``profile``: named in the title and in the table.
    """
    found = over_seeds(accuracies_of_training(curves_of_training(histories)), dict(models))
    found.insert(0, "profile", profile)
    write_csv(found, table)
    lines = []
    for label, rows in found.groupby("label", sort=False):
        mean, se = (rows.set_index("quantity")[name] for name in ("mean", "se"))
        before, best, last = (stated(mean[name], se[name]) for name in (BEFORE, BEST, LAST))
        epochs = (f"{mean[N_EPOCHS]:g}", f"{mean[BEST_EPOCH]:.1f}")
        learned, seeds = rows["dataset"].iloc[0], seeds_of(rows["n_seeds"])
        lines.append([label, learned, seeds, epochs[0], before, best, epochs[1], last])
    notes = [_NOTE, chance_note(found["dataset"], n_classes)]
    parts = [markdown_table(_HEADER, lines), *filter(None, notes)]
    write_page(
        markdown,
        "Validation accuracy",
        parts,
        profile=profile,
        source_kind=network_kind(found),
    )

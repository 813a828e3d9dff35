"""Parameters of the networks of Pogoncheff et al. 2023, beside the published numbers."""

import math

import pandas as pd

from v1lib.files import read_csv, write_csv
from v1lib.markdown import markdown_table, write_markdown
from v1lib.pogoncheff2023_tables import PAPER
from v1lib.steps import Input, Output

_COUNTED = ("model", "n_trainable", "n_constant", "n_total", "n_classes", "size_px")
_HEADER = ("network", "trainable", "published", "constants", "total", "published total")
_NOTE = (
    "Networks of the published size, as they are built for {n_classes:,} classes and images of "
    "{size_px} × {size_px} px. Constants: tables of distances and biases that stay 0, which the "
    "published code stores as parameters without gradient and this project as buffers or not at "
    "all; the total is what the published code counts. No data enter."
)


def main(*, counts: Input, published: Input, table: Output, markdown: Output, models: list) -> None:
    """From the counted parameters and the published ones to one row per network.

    ``models``: [label, model] in the order of the table.
    """
    counted = read_csv(counts, required=_COUNTED).set_index("model")
    known = read_csv(published, required=["id", "value"]).set_index("id")["value"]
    found = pd.DataFrame([_row(label, model, counted, known) for label, model in models])
    write_csv(found, table)
    parts = [
        _NOTE.format(**counted.iloc[0]),
        markdown_table(_HEADER, [_line(row) for row in found.to_dict("records")]),
    ]
    write_markdown(markdown, "Parameters of the networks", parts)


def published_id(model: str, what: str) -> str:
    """The id of a published count, such as that of ``pogoncheff2023_local_rf``, ``total``."""
    return f"{PAPER}.parameters.{model.removeprefix(f'{PAPER}_')}.{what}"


def _row(label: str, model: str, counted: pd.DataFrame, known: pd.Series) -> dict[str, object]:
    theirs = {
        f"published_{what}": known.get(published_id(model, what), math.nan)
        for what in ("trainable", "total")
    }
    ours = counted.loc[model]
    return {"label": label, "model": model, **ours, **theirs}


def _line(row: dict) -> list[str]:
    names = ("n_trainable", "published_trainable", "n_constant", "n_total", "published_total")
    return [row["label"], *("" if pd.isna(row[name]) else f"{row[name]:,.0f}" for name in names)]

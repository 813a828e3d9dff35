"""Table C5: how many parameters each readout needs, beside the published numbers."""

import re

import numpy as np
import pandas as pd

from v1lib.files import read_csv, write_csv
from v1lib.markdown import markdown_table, write_markdown
from v1lib.score_files import source_kind_of
from v1lib.steps import Input, Output

# The poster counts the output bias of these readouts, not of the others (reference section 3.8).
_KINDS_WITH_BIAS = ("gaussian",)
_READOUTS, _CORE = "lurz2021.readout_parameters.", "lurz2021.core.n_parameters"
_COUNTED = (
    *("dataset", "readout", "kind", "channels", "height", "width", "n_neurons", "core"),
    *("per_neuron", "bias_per_neuron", "shared", "population", "source_kind"),
)
_HEADER = (
    *("readout", "per neuron", "published", "with bias"),
    *("all neurons", "with bias", "shared by all"),
)
_NOTE = (
    "Parameters of the readouts as they are built for feature maps of {channels} × {height} × "
    "{width} and {n_neurons:,} neurons of {dataset}. Per neuron and all neurons: as on the poster "
    "of the paper, which counts the output bias of the Gaussian readouts and not of the others; "
    "beside them with every bias. Shared by all: the network from cortical to readout positions, "
    "counted with all neurons. The core has {core:,} parameters{published}."
)
_OTHER_MAPS = (
    "The published numbers are those of {published}, so the numbers of readouts that weigh places "
    "one by one are not meant to be equal."
)


def main(*, counts: Input, published: Input, table: Output, markdown: Output) -> None:
    """From the counted parameters and the published ones to one row per readout.

    ``per_neuron`` and ``population`` follow the poster's counting, ``…_with_bias`` count all;
    ``is_comparable`` says whether the published number is for feature maps of this size.
    """
    counted = read_csv(counts, required=_COUNTED)
    known = read_csv(published, required=["id", "dataset", "model", "value"]).set_index("id")
    found = _with_published(_as_on_the_poster(counted), known)
    write_csv(found, table)
    rows = found.to_dict("records")
    core = f" ({known.loc[_CORE, 'value']:,.0f} published)" if _CORE in known.index else ""
    parts = [
        _NOTE.format(**rows[0], published=core),
        markdown_table(_HEADER, [_line(row) for row in rows]),
    ]
    if not found["is_comparable"].all():
        others = found.loc[~found["is_comparable"], "published_for"].dropna().unique()
        parts += [_OTHER_MAPS.format(published=", ".join(others))] if len(others) else []
    write_markdown(markdown, "Parameters of the readouts", parts, source_kind=source_kind_of(found))


def _as_on_the_poster(counted: pd.DataFrame) -> pd.DataFrame:
    """Both ways of counting beside each other."""
    table = counted.drop(columns=["per_neuron", "bias_per_neuron", "population"])
    table["per_neuron_with_bias"] = counted["per_neuron"]
    table["population_with_bias"] = counted["population"]
    uncounted = counted["bias_per_neuron"].where(~counted["kind"].isin(_KINDS_WITH_BIAS), 0)
    table["per_neuron"] = counted["per_neuron"] - uncounted
    table["population"] = counted["population"] - uncounted * counted["n_neurons"]
    return table


def _with_published(table: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    ids = _READOUTS + table["readout"]
    rows = known.reindex(ids).set_index(table.index)
    plain = table["readout"].str.replace("_", " ")
    table["label"] = rows["model"].where(rows["model"].notna(), plain)
    table["published_per_neuron"] = rows["value"]
    table["published_for"] = rows["dataset"]
    sizes = [_map_size(text) for text in rows["dataset"]]
    ours = table[["channels", "height", "width"]].to_numpy().tolist()
    table["is_comparable"] = [size == own for size, own in zip(sizes, ours, strict=True)]
    order = [name for name in table if name != "source_kind"]
    return table[[*order, "source_kind"]]


def _map_size(text: object) -> list[int] | None:
    """[64, 22, 50] of "feature map 64x22x50"."""
    size = re.search(r"(\d+)x(\d+)x(\d+)", str(text))
    return [int(number) for number in size.groups()] if size else None


def _line(row: dict) -> list[object]:
    published = row["published_per_neuron"]
    return [
        row["label"],
        f"{row['per_neuron']:,}",
        "" if np.isnan(published) else f"{published:,.0f}",
        f"{row['per_neuron_with_bias']:,}",
        f"{row['population']:,}",
        f"{row['population_with_bias']:,}",
        f"{row['shared']:,}",
    ]

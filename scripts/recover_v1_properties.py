"""Check the V1 experiment on cells whose responses to gratings are known."""

import logging

import numpy as np
import pandas as pd

from v1lib.files import read_csv, write_csv
from v1lib.steps import Input, Output
from v1lib.v1_experiment import Tuning, grating_tuning
from v1lib.v1_runs import cells_of_settings
from v1lib.v1_tables import PROPERTY_COLUMNS, UNIT_COLUMNS

log = logging.getLogger(__name__)


def main(*, units: Input, properties: Input, recovery: Output, subject: dict) -> None:
    """From what was measured in cells, and the settings they were drawn with, to both side by side.

    ``units``, ``properties``: of the step that measures V1 properties, for one subject of the kind
    "cells", with the same ``subject``. One row for each unit and property: planted is what follows
    from the cell's formula, without screen and pixels; measured is empty where the property did not
    count for the unit, or is missing. First come, as properties, the position of its receptive
    field, its preferred orientation and its frequency as they were drawn.
    """
    cells = cells_of_settings(subject)
    seen = read_csv(units, required=UNIT_COLUMNS)
    found = read_csv(properties, required=PROPERTY_COLUMNS)
    chosen = seen["unit"].to_numpy()
    if len(chosen) and chosen.max() >= len(cells):
        raise ValueError(f"{units}: unit {chosen.max()} is none of {len(cells)} cells drawn")
    tuning = grating_tuning(
        lambda gratings: cells.expected(gratings)[chosen], cells.baseline[chosen]
    )
    drawn = {
        "field_y": (cells.y_deg, seen["field_y_deg"]),
        "field_x": (cells.x_deg, seen["field_x_deg"]),
        "drawn_orientation": (
            cells.orientation_deg,
            _values(found, chosen, "preferred_orientation"),
        ),
        "drawn_frequency": (cells.frequency, _values(found, chosen, "peak_spatial_frequency")),
    }
    rows = [
        pd.DataFrame(
            {"unit": chosen, "property": name, "planted": planted[chosen], "measured": measured}
        )
        for name, (planted, measured) in drawn.items()
    ]
    rows += _by_property(tuning, found, chosen)
    table = pd.concat(rows, ignore_index=True)
    labels = {name: seen[name].iloc[0] for name in ("dataset", "model", "seed", "source_kind")}
    write_csv(table.assign(**labels), recovery)
    _report(table)


def _by_property(tuning: Tuning, found: pd.DataFrame, chosen: np.ndarray) -> list[pd.DataFrame]:
    """Planted and measured values of the properties that the planted responses have."""
    return [
        pd.DataFrame(
            {
                "unit": chosen[one.kept],
                "property": name,
                "planted": planted[one.kept],
                "measured": _values(found, chosen[one.kept], name),
            }
        )
        for one in tuning.properties
        for name, planted in one.by_name.items()
    ]


def _values(found: pd.DataFrame, units: np.ndarray, name: str) -> np.ndarray:
    """Measured values of one property: float64 [n_units], NaN where there is none."""
    rows = found[found["property"] == name].set_index("unit")["value"]
    return rows.reindex(units).to_numpy(dtype=np.float64)


def _report(table: pd.DataFrame) -> None:
    for name, rows in table.groupby("property", sort=False):
        difference = (rows["measured"] - rows["planted"]).abs()
        log.info("%s: median difference %.4g, %d units", name, difference.median(), len(rows))

"""Check the V1 experiment on cells whose responses to gratings are known."""

import logging

import numpy as np
import pandas as pd

from v1lib.files import read_csv, write_csv
from v1lib.simulation.grating_cells import GratingCells
from v1lib.steps import Input, Output
from v1lib.v1_experiment import Tuning, grating_tuning
from v1lib.v1_receptive_fields import Fields
from v1lib.v1_recovery import AT_STIMULI, CELL_COLUMNS, agreements
from v1lib.v1_runs import cells_of_settings
from v1lib.v1_tables import PROPERTY_COLUMNS, UNIT_COLUMNS

log = logging.getLogger(__name__)


def main(
    *,
    units: Input,
    properties: Input,
    recovery: Output,
    agreement: Output,
    subject: dict,
    options: dict,
) -> None:
    """From what was measured in cells, and the settings they were drawn with, to both side by side.

    ``units``, ``properties``: of the step that measures V1 properties, for one subject of the kind
    "cells", with the same ``subject``. One row for each unit and property: planted is what follows
    from the cell's formula, without screen and pixels; measured is empty where the property did not
    count for the unit, or is missing. First come, as properties of all cells, whether they lie at
    the stimuli (1) or not (0) and the position of their receptive fields; then, of those that the
    experiment counted, the preferred orientation and the frequency as they were drawn.
    ``agreement``: a row for each property (``v1lib.v1_recovery``); ``options``: n_permutations and
    seed of its control.
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
        "drawn_orientation": (cells.orientation_deg, "preferred_orientation"),
        "drawn_frequency": (cells.frequency, "peak_spatial_frequency"),
    }
    rows = _places(cells, seen)
    for name, (planted, measured_as) in drawn.items():
        measured = _values(found, chosen, measured_as)
        rows.append(_rows(name, chosen, planted[chosen], measured))
    rows += _by_property(tuning, found, chosen)
    labels = {
        **{"dataset": subject["dataset"], "model": "cells", "seed": subject["seed"]},
        "source_kind": "simulated",
    }
    table = pd.concat(rows, ignore_index=True).assign(**labels)[list(CELL_COLUMNS)]
    write_csv(table, recovery)
    summary = agreements(table, **options)
    write_csv(summary, agreement)
    _report(summary)


def _places(cells: GratingCells, seen: pd.DataFrame) -> list[pd.DataFrame]:
    """Whether cells lie at the stimuli, and where: planted, and as the experiment found it."""
    everyone = np.arange(len(cells))
    planted = np.stack([cells.y_deg, cells.x_deg], axis=1)
    is_near = Fields(planted, cells.baseline).near_stimuli()
    rows = [
        _rows(AT_STIMULI, everyone, np.isin(everyone, is_near), np.isin(everyone, seen["unit"]))
    ]
    by_unit = seen.set_index("unit").reindex(everyone)
    for axis, name in enumerate(("field_y", "field_x")):
        rows.append(_rows(name, everyone, planted[:, axis], by_unit[f"{name}_deg"].to_numpy()))
    return rows


def _rows(name: str, units: np.ndarray, planted: np.ndarray, measured: np.ndarray) -> pd.DataFrame:
    values = {"planted": np.asarray(planted, float), "measured": np.asarray(measured, float)}
    return pd.DataFrame({"unit": units, "property": name} | values)


def _by_property(tuning: Tuning, found: pd.DataFrame, chosen: np.ndarray) -> list[pd.DataFrame]:
    """Planted and measured values of the properties that the planted responses have."""
    return [
        _rows(
            name,
            chosen[one.kept],
            planted[one.kept],
            _values(found, chosen[one.kept], name),
        )
        for one in tuning.properties
        for name, planted in one.by_name.items()
    ]


def _values(found: pd.DataFrame, units: np.ndarray, name: str) -> np.ndarray:
    """Measured values of one property: float64 [n_units], NaN where there is none."""
    rows = found[found["property"] == name].set_index("unit")["value"]
    return rows.reindex(units).to_numpy(dtype=np.float64)


def _report(summary: pd.DataFrame) -> None:
    for row in summary.itertuples():
        log.info(
            "%s: error %.4g, cells exchanged %.4g, %d cells",
            row.property,
            row.error,
            row.control,
            row.n,
        )

"""Tables of what the V1 experiment found, a few rows for each run."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from v1lib.screen import Screen
from v1lib.v1_experiment import Measured

RUN = ("dataset", "model", "seed")
POPULATION_COLUMNS = (
    *(*RUN, "n_units", "n_with_field", "n_near", "n_responsive", "slope", "offset"),
    *("n_textures", "screen_px", "screen_degrees", "source_kind"),
)
UNIT_COLUMNS = (*RUN, "unit", "field_y_deg", "field_x_deg", "baseline", "source_kind")
PROPERTY_COLUMNS = (*RUN, "unit", "property", "value", "source_kind")


@dataclass(frozen=True)
class MeasuredRun:
    """The experiment on one subject.

    Attributes:
        labels: dataset, model and seed.
        source_kind: "real" or "simulated", of what the subject was made from.
        screen: what it was shown.
        names: int64 [n_units], of all units of the subject.
        found: by the experiment.
        n_textures: images of textures that it was shown; 0 for none.
    """

    labels: Mapping[str, object]
    source_kind: str
    screen: Screen
    names: np.ndarray
    found: Measured
    n_textures: int = 0


def population_table(run: MeasuredRun) -> pd.DataFrame:
    """One row: numbers of units, the map to spikes/s, the screen."""
    found, calibration = run.found, run.found.tuning.calibration
    row = {
        "n_units": len(run.names),
        "n_with_field": int((~np.isnan(found.fields.centre_deg[:, 0])).sum()),
        "n_near": len(found.units),
        "n_responsive": calibration.n_responsive,
        "slope": calibration.slope,
        "offset": calibration.offset,
        "n_textures": run.n_textures,
        "screen_px": run.screen.size_px,
        "screen_degrees": run.screen.degrees,
    }
    return _labelled(pd.DataFrame([row]), run, POPULATION_COLUMNS)


def unit_table(run: MeasuredRun) -> pd.DataFrame:
    """One row for each unit near the stimuli: its receptive field and rate to the empty screen."""
    units = run.found.units
    y, x = run.found.fields.centre_deg[units].T
    columns = {
        "unit": run.names[units],
        "field_y_deg": y,
        "field_x_deg": x,
        "baseline": run.found.tuning.baseline,
    }
    return _labelled(pd.DataFrame(columns), run, UNIT_COLUMNS)


def property_table(run: MeasuredRun) -> pd.DataFrame:
    """One row for each property and unit that it counts for."""
    names = run.names[run.found.units]
    tables = [
        pd.DataFrame({"unit": names[one.kept], "property": name, "value": values[one.kept]})
        for one in run.found.tuning.properties
        for name, values in one.by_name.items()
    ]
    none = pd.DataFrame({"unit": names[:0], "property": [], "value": []})
    return _labelled(pd.concat(tables or [none]), run, PROPERTY_COLUMNS)


def _labelled(table: pd.DataFrame, run: MeasuredRun, columns: tuple[str, ...]) -> pd.DataFrame:
    return table.assign(**run.labels, source_kind=run.source_kind)[list(columns)]

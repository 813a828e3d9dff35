"""Locate on the stimulus what the neurons of models read."""

import logging

import numpy as np
import pandas as pd

from v1lib.growing_table import growing_csv
from v1lib.population_scores import RUN_COLUMNS
from v1lib.readout_positions import Located, located
from v1lib.scan_runs import check_all_found, runs_on_scans
from v1lib.scans import Scan, open_scans
from v1lib.steps import Input, Inputs, Output

_MATRIX = ("a_xx", "a_xy", "a_yx", "a_yy")
_COLUMNS = (
    *(name for name in RUN_COLUMNS if name not in ("n_scans", "penalty")),
    *("session", "neuron", "x", "y", "x_px", "y_px", *_MATRIX),
    *("cortex_x_um", "cortex_y_um", "source_kind"),
)

log = logging.getLogger(__name__)


def main(*, recording: Input, checkpoints: Inputs, runs: Inputs, positions: Output) -> None:
    """From a data set of scans, checkpoints and run records of all blocks of models to positions.

    One row per run and neuron (session is the scan, neuron the column of its responses): x and y
    on the grid of the feature maps, x_px and y_px on the stimulus, the matrix A of a Gaussian
    readout in px (empty for a factorised one, whose position is the centre of mass of its mask;
    see ``v1lib.readout_positions``), and where the neuron lies in the cortex.
    """
    scans = open_scans(recording)
    found = set()
    with growing_csv(positions, _COLUMNS) as add:
        for run in runs_on_scans(checkpoints, runs, scans):
            network = run.trained.module
            for name, part in run.trained.parts.items():
                size_px = scans[name].stimuli.shape[-2:]
                place = located(network.core, network.readouts[name], size_px)
                rows = _rows(place, scans[name], part.neuron_index)
                add(rows.assign(session=name, **run.facts))
            model, seed = run.facts["model"], run.trained.seed
            log.info("%s, seed %d: %d scans", model, seed, len(run.trained.parts))
            found.add(model)
        check_all_found(runs, found)


def _rows(found: Located, scan: Scan, columns: np.ndarray) -> pd.DataFrame:
    matrix = dict(zip(_MATRIX, found.spread.reshape(-1, 4).T, strict=True))
    return pd.DataFrame(
        {
            "neuron": columns,
            "x": found.grid[:, 0],
            "y": found.grid[:, 1],
            "x_px": found.pixels[:, 0],
            "y_px": found.pixels[:, 1],
            **matrix,
            "cortex_x_um": scan.neuron_position[columns, 0],
            "cortex_y_um": scan.neuron_position[columns, 1],
        }
    )

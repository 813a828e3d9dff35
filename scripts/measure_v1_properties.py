"""Measure the V1 properties of the units of networks, with gratings on a screen."""

import logging

import numpy as np
import pandas as pd

from v1lib.device import choose_device
from v1lib.files import read_npz, write_csv
from v1lib.steps import Gpu, Inputs, Output, Threads
from v1lib.v1_experiment import measured
from v1lib.v1_runs import subject_runs
from v1lib.v1_tables import MeasuredRun, population_table, property_table, unit_table

log = logging.getLogger(__name__)


def main(
    *,
    checkpoints: Inputs,
    recording: Inputs,
    textures: Inputs,
    populations: Output,
    units: Output,
    properties: Output,
    subject: dict,
    device: str,
    threads: Threads,
    gpu: Gpu,
) -> None:
    """From networks (or cells of known tuning) to the properties of their units near the stimuli.

    ``checkpoints``, ``recording`` and ``subject``: see ``v1lib.v1_runs``. Of a classifier the V1
    stage is measured (its method ``v1``), of other networks the neurons that they predict.
    ``textures``: none, or an .npz with the array ``textures`` that
    ``v1lib.v1_stimuli.texture_images`` describes; without it 15 of the 22 properties are measured.

    ``properties`` has a row for each unit and property that it counts for, an empty value being a
    missing one; ``units`` the receptive fields and baselines of the units near the stimuli;
    ``populations`` how many units there are, and their common map to spikes/s.
    """
    where = choose_device(device, gpu, threads)
    shown = read_npz(textures[0], required=["textures"])["textures"] if textures else None
    n_textures = 0 if shown is None else int(np.prod(shown.shape[:3]))
    runs = []
    for run in subject_runs(checkpoints, recording, subject, where):
        found = measured(run.subject, shown)
        names = np.arange(len(found.fields.to_blank)) if run.names is None else run.names
        labels = {"dataset": run.dataset, "model": run.model, "seed": run.seed}
        screen = run.subject.screen
        runs.append(MeasuredRun(labels, run.source_kind, screen, names, found, n_textures))
        _report(runs[-1])
    for table, path in (
        (population_table, populations),
        (unit_table, units),
        (property_table, properties),
    ):
        write_csv(pd.concat([table(run) for run in runs]), path)


def _report(run: MeasuredRun) -> None:
    found, tuning = run.found, run.found.tuning
    log.info(
        "%s, seed %d: %d of %d units at the stimuli, %d responsive; "
        "rate = %.4g * activation + %.4g; kept by each criterion: %s",
        *(run.labels["model"], run.labels["seed"], len(found.units), len(found.fields.to_blank)),
        *(tuning.calibration.n_responsive, tuning.calibration.slope, tuning.calibration.offset),
        [int(properties.kept.sum()) for properties in tuning.properties],
    )

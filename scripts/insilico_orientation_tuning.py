"""Orientation tuning of the networks of one model, measured with gratings."""

import logging

import pandas as pd
import torch

from v1lib.files import write_csv
from v1lib.insilico import frame_of, gratings, orientation_tuning
from v1lib.models import load_models
from v1lib.recording import load_recording
from v1lib.steps import Input, Inputs, Output, Threads

log = logging.getLogger(__name__)


def main(
    *,
    recording: Input,
    checkpoints: Inputs,
    tuning: Output,
    name: str,
    settings: dict,
    threads: Threads,
) -> None:
    """From the networks of one model to the orientation selectivity of each neuron in each.

    The gratings fill the aperture of the recording's stimuli. ``settings``: wavelengths_px (each
    neuron is measured at the one it responds to most), n_orientations, n_phases, contrast.
    """
    torch.set_num_threads(threads)
    data = load_recording(recording)
    stimuli = gratings(frame_of(data), **settings)
    tables = []
    for path in checkpoints:
        for network in load_models(path):
            found = orientation_tuning(network.respond, stimuli)
            columns = {
                "dataset": data.dataset,
                "model": name,
                "seed": network.seed,
                "session": network.session,
                "neuron": network.neuron_index,
                "orientation_selectivity": found.selectivity,
                "preferred_orientation_deg": found.preferred_deg,
                "preferred_wavelength_px": found.wavelength_px,
                "mean_response": found.curve.mean(axis=0),
                "source_kind": data.source_kind,
            }
            tables.append(pd.DataFrame(columns))
    if not tables:
        raise ValueError(f"no trained network in {[str(path) for path in checkpoints]}")
    table = pd.concat(tables, ignore_index=True)
    log.info(
        "%d networks; median orientation selectivity %.3f, undefined for %d of %d neurons",
        len(tables),
        table["orientation_selectivity"].median(),
        table["orientation_selectivity"].isna().sum(),
        len(table),
    )
    write_csv(table, tuning)

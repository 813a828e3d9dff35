"""Check the analyses on a simulated recording against what was planted in it."""

import logging

import numpy as np
import pandas as pd

from v1lib.files import read_csv, read_npz, write_csv
from v1lib.predictions import load_predictions
from v1lib.recording import load_recording
from v1lib.recovery import (
    orientation_columns,
    planted_truth,
    prediction_columns,
    preferred_image_columns,
)
from v1lib.steps import Input, Inputs, Output

log = logging.getLogger(__name__)

_IMAGES = ("neuron", "images", "images_by_seed", "control", "aperture")
_TUNING = ("neuron", "seed", "orientation_selectivity", "preferred_orientation_deg")


def main(
    *,
    recording: Input,
    truth: Input,
    predictions: Inputs,
    preferred_images: Input,
    tuning: Input,
    recovery: Output,
    options: dict,
) -> None:
    """From the ground truth and the results of one model to one row per neuron.

    ``options`` are those of the scores (``fano``). Columns: what was planted; how well the
    predictions match the measured and the noise-free responses, with CC_norm from single trials
    beside its Poisson surrogate; the likeness of the preferred image to the planted receptive field
    and, as a control, to that of another neuron; orientation selectivity of the neuron's grating
    responses and of the networks. Means over splits; NaN where undefined or not computed.
    """
    data = load_recording(recording)
    planted = planted_truth(read_npz(truth), data, truth)
    blocks = [load_predictions(path) for path in predictions]
    columns = planted.columns() | prediction_columns(blocks, planted, fano=options["fano"])
    columns |= preferred_image_columns(read_npz(preferred_images, required=_IMAGES), planted)
    columns |= orientation_columns(read_csv(tuning, required=_TUNING), planted)
    table = pd.DataFrame(
        {"dataset": data.dataset, "model": blocks[0].model, "session": data.session}
        | {"neuron": np.arange(len(data.session))}
        | columns
        | {"source_kind": data.source_kind}
    )
    _report(table)
    write_csv(table, recovery)


def _report(table: pd.DataFrame) -> None:
    values = table.select_dtypes("number").drop(columns="neuron")
    for column in values:
        log.info(
            "%s: mean %.3f over %d neurons", column, values[column].mean(), values[column].count()
        )

"""Preferred images of the best-predicted neurons, from the networks of all splits."""

import logging

import numpy as np
import pandas as pd
import torch

from v1lib.files import read_csv, write_npz
from v1lib.insilico import AscentSettings, frame_of, response_weighted_image, rms_contrast
from v1lib.metrics import fill_undefined
from v1lib.models import load_models
from v1lib.preferred_images import Starts, preferred_images
from v1lib.recording import load_recording
from v1lib.score_files import SCORE_COLUMNS
from v1lib.steps import Input, Inputs, Output, Threads

log = logging.getLogger(__name__)


def main(
    *,
    recording: Input,
    checkpoints: Inputs,
    scores: Input,
    images: Output,
    settings: dict,
    threads: Threads,
) -> None:
    """From the networks of one model to the images that excite its best-predicted neurons most.

    ``settings``: sessions; n_neurons (null: all of them); n_starts and start_std (grey levels) of
    the noise to begin with; n_steps, step_size (grey levels), blur_sigma_px of the ascent; seed.

    The file holds for each neuron: session, neuron (column of the recording), mean_r (over splits,
    undefined ones as 0), images (mean over the networks) and control (response-weighted stimuli)
    [n, height, width] in grey values, stability, and what was averaged.
    """
    torch.set_num_threads(threads)
    data = load_recording(recording)
    frame = frame_of(data)
    best = _best_predicted(read_csv(scores, required=SCORE_COLUMNS), settings)
    found = preferred_images(
        [network for path in checkpoints for network in load_models(path)],
        best["neuron"].to_numpy(),
        frame=frame,
        settings=AscentSettings(
            n_steps=settings["n_steps"],
            step_size=settings["step_size"],
            blur_sigma_px=settings["blur_sigma_px"],
            rms_contrast=float(rms_contrast(data.stimuli, frame).mean()),
        ),
        starts=Starts(settings["n_starts"], settings["start_std"], settings["seed"]),
    )
    responses = data.mean_over_trials()[:, found.neuron]
    control = response_weighted_image(data.stimuli, responses, frame.background)
    write_npz(
        images,
        session=best["session"].to_numpy(dtype=str),
        neuron=found.neuron,
        mean_r=best["value"].to_numpy(),
        images=found.mean,
        control=control[:, 0].astype(np.float32),
        stability=found.stability,
        start_agreement=found.start_agreement,
        seeds=found.seeds,
        images_by_seed=found.by_seed,
        objective=found.objective,
        aperture=frame.aperture,
        background=frame.background,
        dataset=data.dataset,
        model=best["model"].iloc[0],
        source_kind=data.source_kind,
    )
    log.info("median stability over splits: %.3f", np.median(found.stability))


def _best_predicted(scores: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """Neurons by their mean correlation over splits, the highest first."""
    rows = scores[scores["session"].isin(settings["sessions"])]
    rows = rows[rows["metric"] == "correlation"]
    if rows.empty:
        raise ValueError(
            f"no correlation is scored in sessions {settings['sessions']}; scored are sessions "
            f"{sorted(scores['session'].unique())}, metrics {sorted(scores['metric'].unique())}"
        )
    rows = rows.assign(value=fill_undefined(rows["value"], 0.0))
    means = rows.groupby(["model", "session", "neuron"], as_index=False)["value"].mean()
    best = means.sort_values(["value", "neuron"], ascending=[False, True], kind="stable")
    return best.head(settings["n_neurons"] or len(best)).reset_index(drop=True)

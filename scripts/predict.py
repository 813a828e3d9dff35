"""Predict the responses to every image with the networks of a block."""

import logging

import numpy as np
import torch

from v1lib.models import load_models
from v1lib.predictions import Predictions
from v1lib.recording import Recording, load_recording
from v1lib.splits import SPLIT_CODES
from v1lib.steps import Input, Output, Threads

log = logging.getLogger(__name__)


def main(
    *,
    recording: Input,
    checkpoint: Input,
    predictions: Output,
    threads: Threads,
) -> None:
    """From a recording and trained networks to predictions for all images.

    NaN for runs that failed, and for networks with a prediction that is not finite.
    """
    torch.set_num_threads(threads)
    data = load_recording(recording)
    content = torch.load(checkpoint, weights_only=True)
    seeds = sorted({member["seed"] for member in content["members"]})
    result = _empty(data, seeds, content["model"])
    for member in content["members"]:
        row, session = seeds.index(member["seed"]), data.session_names.index(member["session"])
        (part,) = member["parts"]
        result.split[row, session] = part["split"]
    for network in load_models(checkpoint):
        row = seeds.index(network.seed)
        predicted = network.respond(data.stimuli)
        if not np.isfinite(predicted).all():
            log.warning("seed %d: predictions that are not finite; counts as failed", network.seed)
            continue
        result.predictions[row][:, network.neuron_index] = predicted
    result.save(predictions)


def _empty(data: Recording, seeds: list[int], model: str) -> Predictions:
    n_images, n_neurons = len(data.stimuli), len(data.session)
    names = data.session_names
    return Predictions(
        seeds=np.array(seeds),
        session_names=np.array(names),
        session_index=np.array([names.index(session) for session in data.session]),
        predictions=np.full((len(seeds), n_images, n_neurons), np.nan, dtype=np.float32),
        split=np.full((len(seeds), len(names), n_images), SPLIT_CODES[""], dtype=np.int8),
        dataset=data.dataset,
        model=model,
        source_kind=data.source_kind,
    )

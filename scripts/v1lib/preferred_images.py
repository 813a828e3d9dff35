"""Preferred images of networks by gradient ascent on their input.

The inversion that Kindel et al. describe in their preprint is not in the published code; this is
the protocol of this project (``v1lib.insilico.ascend``): several noisy starts for each network, the
best of them kept, and the networks of different splits compared.
"""

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from v1lib.insilico import (
    AscentSettings,
    Frame,
    Objective,
    ascend,
    mean_pairwise_correlation,
)
from v1lib.models import TrainedModel
from v1lib.splits import stream

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Starts:
    """Where the ascents begin: Gaussian noise about the background.

    Attributes:
        n_starts: ascents for each neuron and network.
        std: standard deviation of the noise, in grey levels.
        seed: together with neuron and network it decides the noise.
    """

    n_starts: int
    std: float
    seed: int


@dataclass(frozen=True)
class PreferredImages:
    """Preferred images of some neurons, from the networks of all splits.

    Attributes:
        neuron: int64 [n], columns of the recording.
        seeds: int64 [n_seeds], of the networks.
        by_seed: float32 [n, n_seeds, height, width], best of the starts; NaN where no network.
        objective: float32 [n, n_seeds, n_starts], output before the final rectifier.
        start_agreement: float64 [n], mean pairwise correlation between the starts of a network,
            averaged over networks.
        stability: float64 [n], mean pairwise correlation between the networks.
    """

    neuron: np.ndarray
    seeds: np.ndarray
    by_seed: np.ndarray
    objective: np.ndarray
    start_agreement: np.ndarray
    stability: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean over the networks, [n, height, width]."""
        return np.nanmean(self.by_seed, axis=1)


def objective_of(module: nn.Module, neurons: np.ndarray) -> Objective:
    """Output of one neuron per image, before the final rectifier if the module has one.

    A rectified output has no gradient where it is silent; a module with such an output offers
    ``pre_output`` (``v1lib.models``).

    Args:
        module: images [n, C, H, W] -> responses [n, n_neurons], in evaluation mode.
        neurons: int [n], the output to look at for each image.
    """
    output = getattr(module, "pre_output", module)
    rows, columns = torch.arange(len(neurons)), torch.as_tensor(neurons)

    def objective(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.enable_grad():
            x = torch.as_tensor(images, dtype=torch.float32).requires_grad_()
            values = output(x)[rows, columns]
            (gradient,) = torch.autograd.grad(values.sum(), x)
        return values.detach().numpy(), gradient.numpy()

    return objective


def preferred_images(
    networks: list[TrainedModel],
    neurons: np.ndarray,
    *,
    frame: Frame,
    settings: AscentSettings,
    starts: Starts,
) -> PreferredImages:
    """Ascend the output of every neuron in every network that predicts it.

    All neurons and starts of a network go through it as one batch. The result for a neuron does
    not depend on the other neurons asked for, up to rounding.

    Args:
        networks: of one or more sessions and seeds; they take images of one channel.
        neurons: int [n], columns of the recording.
        frame, settings: of the images and of the ascent.
        starts: where it begins.

    Raises:
        ValueError: no network predicts a neuron.
    """
    neurons = np.asarray(neurons, dtype=np.int64)
    seeds = np.array(sorted({network.seed for network in networks}), dtype=np.int64)
    shape = (len(neurons), len(seeds), starts.n_starts)
    images = np.full((*shape, *frame.aperture.shape), np.nan, dtype=np.float32)
    objective = np.full(shape, np.nan, dtype=np.float32)
    asked = [network for network in networks if np.isin(neurons, network.neuron_index).any()]
    for number, network in enumerate(asked, start=1):
        rows = np.flatnonzero(np.isin(neurons, network.neuron_index))
        column = int(np.searchsorted(seeds, network.seed))
        found = _ascend_network(network, neurons[rows], frame, settings, starts)
        images[rows, column], objective[rows, column] = found
        log.info(
            "network %d of %d (session %s, seed %d): %d neurons, %d starts, %d steps",
            *(number, len(asked), network.session, network.seed),
            *(len(rows), starts.n_starts, settings.n_steps),
        )
    missing = neurons[np.isnan(objective).all(axis=(1, 2))]
    if len(missing):
        raise ValueError(f"no network predicts neuron {missing[0]} of the recording")
    return _summary(neurons, seeds, images, objective, frame.aperture)


def _ascend_network(
    network: TrainedModel,
    neurons: np.ndarray,
    frame: Frame,
    settings: AscentSettings,
    starts: Starts,
) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, n_starts, height, width] and objective [n, n_starts] of one network."""
    size = frame.aperture.shape
    noise = [
        np.random.default_rng(
            stream("preferred_images", starts.seed, network.seed, int(neuron))
        ).normal(0, starts.std, (starts.n_starts, 1, *size))
        for neuron in neurons
    ]
    output_of = {column: output for output, column in enumerate(network.neuron_index.tolist())}
    outputs = np.array([output_of[neuron] for neuron in neurons.tolist()])
    images, objective = ascend(
        objective_of(network.module, outputs.repeat(starts.n_starts)),
        np.concatenate(noise),
        frame=frame,
        settings=settings,
    )
    shape = (len(neurons), starts.n_starts)
    return images.reshape(*shape, *size), objective.reshape(shape)


def _summary(
    neurons: np.ndarray,
    seeds: np.ndarray,
    images: np.ndarray,
    objective: np.ndarray,
    aperture: np.ndarray,
) -> PreferredImages:
    best = np.nan_to_num(objective, nan=-np.inf).argmax(axis=2)
    by_seed = np.take_along_axis(images, best[:, :, None, None, None], axis=2)[:, :, 0]
    known = ~np.isnan(objective).all(axis=2)
    start_agreement = [
        np.mean([mean_pairwise_correlation(starts, aperture) for starts in image[network]])
        for image, network in zip(images, known, strict=True)
    ]
    stability = [
        mean_pairwise_correlation(image[network], aperture)
        for image, network in zip(by_seed, known, strict=True)
    ]
    return PreferredImages(
        neuron=neurons,
        seeds=seeds,
        by_seed=by_seed,
        objective=objective,
        start_agreement=np.array(start_agreement),
        stability=np.array(stability),
    )

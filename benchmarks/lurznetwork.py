"""The network of Lurz et al. 2021 at its size, with weights and data of noise.

As a script it serves training steps of it, see ``stepping``; neighbours are in
``lurz2021_training.py`` and ``lurz2021_scale.py``.
"""

from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import torch
from stepping import Served, serve
from torch import Tensor

from v1lib import bilinear, depthwise, masked_sums
from v1lib.device import choose_device
from v1lib.losses import poisson_sum, scale_of_batch
from v1lib.models import build_model
from v1lib.models.lurz2021 import Network
from v1lib.optimisers import CorrectedAdam
from v1lib.recording import RecordingInfo, ScanInfo
from v1lib.stacking import Stack

SHAPE, N_NEURONS, N_TRIALS, BATCH = (1, 36, 64), 5335, 5993, 64  # of the scan of the paper
LEARNING_RATE = 0.005
CORE = {"filters": 64, "layers": 4, "input_kernel": 15, "hidden_kernel": 13, "momentum": 0.9}
GAUSSIAN = {"kind": "gaussian", "covariance": "full", "init_sigma": 0.4}
READOUTS = {
    "gaussian": GAUSSIAN | {"retinotopy": {"init_scale": 0.2}},
    "factorised": {"kind": "factorised"},
}
PENALTIES = {  # a value within the range that the authors searched
    "gaussian": {"smoothness": 1.0, "readout": 2.439},
    "factorised": {"smoothness": 1.0, "readout": 0.0076},
}
SCAN = "noise"


def cortical_positions(n_neurons: int) -> np.ndarray:
    """float64 [n_neurons, 3], µm."""
    return np.random.default_rng(0).uniform(-300, 300, (n_neurons, 3))


def network_of(readout: str, n_neurons: int, *, seed: int = 0) -> Network:
    """A network with the weights of a seed."""
    means = np.random.default_rng(1).uniform(0.1, 2, n_neurons).astype(np.float32)
    scan = ScanInfo(SCAN, means, cortical_positions(n_neurons))
    info = RecordingInfo(SHAPE, n_neurons, means, scans=(scan,))
    params = {"core": CORE, "readout": READOUTS[readout], "penalties": PENALTIES[readout]}
    torch.manual_seed(seed)
    return build_model("lurz2021.convolutional", info, params)


def batch_of_noise(n_neurons: int) -> tuple[Tensor, Tensor]:
    """Grey values [BATCH, *SHAPE] and responses [BATCH, n_neurons]."""
    rng = np.random.default_rng(2)
    images = rng.uniform(0, 255, (BATCH, *SHAPE)).astype(np.float32)
    responses = rng.exponential(1.0, (BATCH, n_neurons)).astype(np.float32)
    return torch.as_tensor(images), torch.as_tensor(responses)


def stepper(network: Network) -> Callable[[Tensor, Tensor], Tensor]:
    """A function of images and responses that makes a training step and returns its loss."""
    parameters = list(network.train().parameters())
    optimiser = CorrectedAdam(parameters, None)

    def step(images: Tensor, responses: Tensor) -> Tensor:
        for parameter in parameters:
            parameter.grad = None
        scale = scale_of_batch(N_TRIALS, len(images))
        loss = scale * poisson_sum(network(images, SCAN), responses) + network.penalty(SCAN)
        loss.backward()
        optimiser.step(LEARNING_RATE)
        return loss.detach()

    return step


def stacked_stepper(networks: list[Network], device: torch.device) -> Callable:
    """As ``stepper``, of networks side by side; images and responses have a leading axis."""
    stack = Stack(networks, 0, device)
    stack.network.train()
    optimiser = CorrectedAdam(stack.parameters, len(networks))
    rates = torch.full((len(networks),), LEARNING_RATE, device=device)

    def step(images: Tensor, responses: Tensor) -> Tensor:
        predictions, penalties = stack(images, SCAN)
        scale = scale_of_batch(N_TRIALS, images.shape[1])
        losses = scale * poisson_sum(predictions, responses) + penalties
        for parameter in stack.parameters:
            parameter.grad = None
        losses.sum().backward()
        optimiser.step(rates)
        return losses.detach().mean()

    return step


def build(setting: dict) -> Served:
    """What the setting describes: readout, threads, device, networks, kernels."""
    device = choose_device(setting["device"], int(setting["device"] == "cuda"), setting["threads"])
    if not setting["kernels"]:
        for module in (bilinear, depthwise, masked_sums):
            patch.object(module, "kernels_apply", lambda *_: False).start()
    images, responses = (t.to(device) for t in batch_of_noise(N_NEURONS))
    seeds = range(setting["networks"])
    networks = [network_of(setting["readout"], N_NEURONS, seed=s).to(device) for s in seeds]
    if len(networks) > 1:
        step = stacked_stepper(networks, device)
        images, responses = (t.expand(len(networks), *t.shape) for t in (images, responses))
    else:
        step = stepper(networks[0])

    def predict() -> Tensor:
        with torch.no_grad():
            predictions = networks[0].eval()(images, SCAN)
        networks[0].train()
        return predictions

    return Served(predict, lambda: step(images, responses))


if __name__ == "__main__":
    serve(build)

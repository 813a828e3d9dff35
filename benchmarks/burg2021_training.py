"""Training speed of the networks of Burg et al. 2021: a plain PyTorch loop against the trainer's.

    PYTHONPATH=scripts python benchmarks/burg2021_training.py [--gpu] [--rounds N]

Part 1: seconds per step of one network (batch 256, 40 x 40 px, 166 neurons) on 1 and 2 threads; the
plain loop spells the networks out with PyTorch's own layers and lets PyTorch differentiate them.
Part 2: time per step and draw of a block of draws, one after the other and stacked. Stimuli and
responses are simulated noise. Writes results/burg2021_training_*.csv beside this file. Variants
take turns, and medians are given; the processor time suffers less from neighbours than the wall
time.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from blocks import block_seconds, options, write_tables
from torch import Tensor, nn
from torch.nn import functional

from v1lib.data_sets import of_recording
from v1lib.device import choose_device
from v1lib.losses import poisson
from v1lib.models.burg2021 import Network
from v1lib.optimisers import Adam
from v1lib.recording import Recording
from v1lib.runs import initial_model, plan_runs

ROOT = Path(__file__).resolve().parents[1]
MODELS = yaml.safe_load((ROOT / "config.yaml").read_text())["models"]
NAMES = ("burg2021_subunit_net", "burg2021_divisive_net", "burg2021_cnn3")
# The original TensorFlow graph, seconds per step on 2 threads of a machine with 2 cores.
ORIGINAL_SECONDS = dict(zip(NAMES, (0.15, 0.25, 0.23), strict=True))
N_IMAGES, SIDE, N_NEURONS, BATCH = 1024, 40, 166, 256


class PlainNetwork(nn.Module):
    """The same network from PyTorch's own operations; it shares the weights of ours."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.norms = nn.ModuleList()
        for layer in network.layers:
            norm = nn.BatchNorm2d(layer.conv.out_channels, eps=1e-3)
            norm.weight.requires_grad_(requires_grad=False)
            norm.bias = layer.norm.bias
            self.norms.append(norm)

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, 1, H, W] -> responses [n, n_neurons]."""
        maps, n = images, self.network.normalization
        for layer, norm in zip(self.network.layers, self.norms, strict=True):
            conv = layer.conv
            maps = norm(functional.conv2d(maps, conv.weight, padding=conv.padding))
            maps = layer.activation(functional.relu(maps) if layer.norm.rectify else maps)
        if n is not None:
            exponent = n.exponent.abs()
            power = functional.relu(maps) ** exponent[:, None, None]
            pooled = functional.avg_pool2d(power, 5, 1, 2, count_include_pad=False)
            suppression = functional.conv2d(pooled, n.pool_weights())
            maps = power / ((n.semi_saturation.abs() ** exponent)[:, None, None] + suppression)
        return self.network.nonlinearity(self._read_out(maps))

    def _read_out(self, maps: Tensor) -> Tensor:
        readout = self.network.readout
        spatial, features = readout.spatial, readout.features
        if readout.absolute:
            spatial, features = spatial.abs(), features.abs()
        return ((maps.flatten(2) @ spatial) * features).sum(1) + readout.bias

    def penalty(self) -> Tensor:
        """As that of our network."""
        return self.network.penalty()


def simulated_recording() -> Recording:
    """Noise that was shown once each, to as many neurons as in the recordings."""
    rng = np.random.default_rng(0)
    split = np.where(np.arange(N_IMAGES) < N_IMAGES * 3 // 4, "train", "validation")
    split[-BATCH // 2 :] = "test"
    return Recording(
        stimuli=rng.standard_normal((N_IMAGES, 1, SIDE, SIDE)).astype(np.float32),
        responses=rng.poisson(0.8, (N_IMAGES, N_NEURONS)).astype(np.float32),
        image_index=np.arange(N_IMAGES),
        session=np.full(N_NEURONS, "all"),
        split=split,
        n_averaged=np.ones(N_IMAGES, dtype=int),
        dataset="benchmark",
        source_kind="simulated",
    )


def entry_of(name: str, **training: float) -> dict:
    """The model entry of config.yaml, with other values for the training."""
    entry = MODELS[name]
    return entry | {"training": entry["training"] | training}


def stepper(network: nn.Module, recording: Recording, *, plain: bool) -> Callable[[], Tensor]:
    """A function that makes one step and returns the loss."""
    network.train()
    stimuli, responses = map(torch.as_tensor, (recording.stimuli, recording.responses))
    parameters = [p for p in network.parameters() if p.requires_grad]
    ours = Adam(parameters, None)
    theirs = torch.optim.Adam(parameters, lr=1e-3)

    def step() -> Tensor:
        batch = torch.randperm(N_IMAGES)[:BATCH]
        loss = poisson(network(stimuli[batch]), responses[batch])
        theirs.zero_grad()
        (loss + network.penalty()).backward()
        theirs.step() if plain else ours.step(1e-3)
        return loss.detach()

    return step


def one_network(recording: Recording, n_rounds: int) -> pd.DataFrame:
    """Seconds per step of both variants of each network, in turns."""
    rows, data = [], of_recording(recording)
    for threads in (1, 2):
        choose_device("cpu", 0, threads)
        for name in NAMES:
            (plan,) = plan_runs(data, entry_of(name), [0])
            steps = {
                "PyTorch": stepper(
                    PlainNetwork(initial_model(data, plan)),
                    recording,
                    plain=True,
                ),
                "trainer": stepper(initial_model(data, plan), recording, plain=False),
            }
            check_losses(name, steps)
            for variant, (wall, processor) in medians(steps, n_rounds).items():
                found = {"model": name, "threads": threads, "variant": variant}
                found |= {"seconds_per_step": wall, "processor_seconds_per_step": processor}
                rows.append(found | {"original_seconds_2_threads": ORIGINAL_SECONDS[name]})
    table = pd.DataFrame(rows)
    first = table.groupby(["model", "threads"]).seconds_per_step.transform("first")
    return table.assign(times_faster=first / table.seconds_per_step)


def check_losses(name: str, steps: dict[str, Callable], n_steps: int = 5) -> None:
    """Both variants follow the same losses."""
    losses = {}
    for variant, step in steps.items():
        torch.manual_seed(0)
        losses[variant] = torch.stack([step() for _ in range(n_steps)])
    torch.testing.assert_close(*losses.values(), rtol=1e-3, atol=1e-5, msg=name)


def medians(steps: dict[str, Callable], n_rounds: int) -> dict[str, np.ndarray]:
    """Wall and processor time of a step."""
    times = {variant: [] for variant in steps}
    for _ in range(n_rounds):
        for variant, step in steps.items():
            wall, processor = time.perf_counter(), time.process_time()
            step()
            spent = time.perf_counter() - wall, time.process_time() - processor
            times[variant].append(spent)
    return {variant: np.median(values, axis=0) for variant, values in times.items()}


def blocks(recording: Recording, device: str) -> pd.DataFrame:
    """Time per step and draw of a block, as the trainer runs it, its evaluation included."""
    choose_device(device, int(device == "cuda"), 1)
    model = entry_of(NAMES[1], max_steps=5 if device == "cpu" else 200)
    rows = []
    for size in (1, 2, 4) if device == "cpu" else (1, 8, 32):
        for stacked in (False, True) if size > 1 else (False,):
            seconds = block_seconds(
                recording, model, size, samples="trials", device=device, stacked=stacked
            )
            way = "stacked" if stacked else "one after the other"
            found = {"device": device, "way": way, "draws_in_block": size}
            rows.append(found | {"seconds_per_step_and_draw": seconds})
    table = pd.DataFrame(rows)
    first = table.seconds_per_step_and_draw.iloc[0]
    return table.assign(draws_worth=first / table.seconds_per_step_and_draw)


def main() -> None:
    """Measure, print, write."""
    given = options(__doc__.splitlines()[0], rounds=9)
    recording = simulated_recording()
    devices = ["cpu", "cuda"] if given.gpu else ["cpu"]
    tables = {
        "one_network": one_network(recording, given.rounds),
        "blocks": pd.concat([blocks(recording, device) for device in devices]),
    }
    write_tables(tables, "burg2021")


if __name__ == "__main__":
    main()

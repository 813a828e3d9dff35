"""Training speed of the network of Kindel et al. 2019: PyTorch's operations against our kernels.

    PYTHONPATH=scripts python benchmarks/kindel2019_training.py [--gpu] [--rounds N]

Part 1: steps per second of one network on 1 and 2 threads. Part 2: time per step and run of blocks
of runs, one after the other and stacked. Stimuli and responses are simulated; the network and its
training are those of config.yaml. Writes results/kindel2019_training_*.csv beside this file.
Variants take turns round by round, and medians are given, because machines are rarely idle; the
processor time per step suffers less from neighbours than the steps per second do.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from blocks import block_seconds, options, write_tables
from torch import Tensor, nn

from v1lib.data_sets import of_recording
from v1lib.pooled_convolution import PooledConvolution
from v1lib.recording import Recording
from v1lib.runs import initial_model, plan_runs

ROOT = Path(__file__).resolve().parents[1]
MODEL = yaml.safe_load((ROOT / "config.yaml").read_text())["models"]["kindel2019_cnn"]
MODEL = {key: MODEL[key] for key in ("build", "params", "training")}
VARIANTS = {
    "PyTorch": (),
    "PyTorch, channels last, pooling before ReLU": (),
    "convolution layers fused": (PooledConvolution,),
    "all layers fused": (nn.Module,),
}
THREADS = (1, 2)
N_IMAGES, N_TRAINING, SIDE, N_NEURONS = 270, 180, 33, 34
BATCH = MODEL["training"]["batch_size"]


def simulated_recording() -> Recording:
    """Smooth grey patterns in a disc on a constant background; responses are noise."""
    generator = torch.Generator().manual_seed(0)
    coarse = 117 + 60 * torch.randn(N_IMAGES, 1, 11, 11, generator=generator)
    images = nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear").clamp(0, 255)
    row, column = torch.meshgrid(2 * [torch.arange(SIDE) - SIDE // 2], indexing="ij")
    images[..., row**2 + column**2 > 13**2] = 116
    return Recording(
        stimuli=images.round().numpy(),
        responses=torch.rand(N_IMAGES, N_NEURONS, generator=generator).numpy(),
        image_index=np.arange(N_IMAGES),
        session=np.full(N_NEURONS, "01"),
        split=np.full(N_IMAGES, ""),
        n_averaged=np.full(N_IMAGES, 20),
        dataset="benchmark",
        source_kind="simulated",
    )


def original_order(layer: nn.Module) -> list[nn.Module]:
    """A convolution layer as in the original: convolution, ReLU, pooling; other layers as is."""
    if not isinstance(layer, PooledConvolution):
        return [layer]
    convolution = nn.Conv2d(layer.in_channels, layer.filters, layer.kernel)
    convolution.load_state_dict(layer.state_dict())
    pool = nn.MaxPool2d(layer.pool_kernel, layer.pool_stride)
    return [convolution.to(memory_format=torch.contiguous_format), nn.ReLU(), pool]


def networks(plan, recording: Recording, **params) -> dict[str, nn.Module]:
    """The same network with the same weights, in the ways to compute it."""
    plan, made = replace(plan, params=plan.params | params), {}
    for variant, fused in VARIANTS.items():
        made[variant] = network = initial_model(of_recording(recording), plan)
        for layer in network.core:
            layer.fused = isinstance(layer, fused)
    first = made["PyTorch"]
    first.core = nn.Sequential(*(part for layer in first.core for part in original_order(layer)))
    return made


def stepper(variant: str, network: nn.Module, recording: Recording) -> Callable[[], Tensor]:
    """A function that makes one step of stochastic gradient descent and returns the loss."""
    layout = torch.contiguous_format if variant == "PyTorch" else torch.channels_last
    stimuli = torch.as_tensor(recording.stimuli).contiguous(memory_format=layout)
    responses = torch.as_tensor(recording.responses)
    rate = MODEL["training"]["learning_rate"]
    optimiser = torch.optim.SGD(network.train().parameters(), lr=rate, fused=True)

    def step() -> Tensor:
        batch = torch.randperm(N_TRAINING)[:BATCH]
        loss = nn.functional.mse_loss(network(stimuli[batch]), responses[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def check_losses(plan, recording: Recording, n_steps: int = 50) -> None:
    """Without dropout all variants must follow the same losses."""
    losses = {}
    for variant, network in networks(plan, recording, dropout_keep=1.0).items():
        step = stepper(variant, network, recording)
        torch.manual_seed(0)
        losses[variant] = torch.stack([step() for _ in range(n_steps)])
    for variant, values in losses.items():
        torch.testing.assert_close(values, losses["PyTorch"], rtol=1e-4, atol=1e-6, msg=variant)


def one_network(plan, recording: Recording, n_rounds: int) -> pd.DataFrame:
    """Speed of the variants, in turns of 10 steps."""
    rows, n_steps = [], 10
    for threads in THREADS:
        torch.set_num_threads(threads)
        steps = {v: stepper(v, n, recording) for v, n in networks(plan, recording).items()}
        times = {variant: [] for variant in VARIANTS}
        for number in range(n_rounds + 1):
            for variant, step in steps.items():
                wall, processor = time.perf_counter(), time.process_time()
                for _ in range(n_steps):
                    step()
                spent = time.perf_counter() - wall, time.process_time() - processor
                if number:  # the first turn compiles
                    times[variant].append(np.array(spent) / n_steps)
        for variant, values in times.items():
            wall, processor = np.median(values, axis=0)
            speed = {"steps_per_second": 1 / wall, "processor_ms_per_step": 1e3 * processor}
            rows.append({"threads": threads, "variant": variant} | speed)
    table = pd.DataFrame(rows)
    return table.assign(
        times_faster=table.groupby("threads").steps_per_second.transform(lambda v: v / v.iloc[0])
    )


def blocks(recording: Recording, device: str) -> pd.DataFrame:
    """Time per step and run of a block, as the trainer runs it (its two evaluations included)."""
    torch.set_num_threads(1)
    model = MODEL | {"training": MODEL["training"] | {"max_steps": 100}}
    rows = []
    for stacked in (False, True):
        way = "stacked" if stacked else "one after the other"
        block_seconds(
            recording, model, 2, samples="images", device=device, stacked=stacked
        )  # compiles
        for size in (1, 4, 16):
            seconds = block_seconds(
                recording, model, size, samples="images", device=device, stacked=stacked
            )
            found = {"device": device, "way": way, "runs_in_block": size}
            rows.append(found | {"ms_per_step_and_run": 1e3 * seconds})
    return pd.DataFrame(rows)


def main() -> None:
    """Measure, print, write."""
    given = options(__doc__.splitlines()[0], rounds=30)
    torch.set_num_threads(1)
    recording = simulated_recording()
    (plan,) = plan_runs(of_recording(recording), MODEL, [0])
    check_losses(plan, recording)
    devices = ["cpu", "cuda"] if given.gpu else ["cpu"]
    tables = {
        "one_network": one_network(plan, recording, given.rounds),
        "blocks": pd.concat([blocks(recording, device) for device in devices]),
    }
    write_tables(tables, "kindel2019")


if __name__ == "__main__":
    main()

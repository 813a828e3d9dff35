"""Training speed of the networks of Pogoncheff et al. 2023 beside the plain network.

    PYTHONPATH=scripts:tests python benchmarks/pogoncheff2023_training.py [--gpu] [--rounds N]
        [--threads N] [--sizes NAME ...] [--networks NAME ...]

One step (forward, backward, SGD with momentum) on 64 x 64 px noise of each network of config.yaml,
of the plain network of the same size, and of the same network with its layers spelled out as in the
published code (``pogoncheff2023_released.py``), which begins with the same weights and must make
the same first loss. The three take turns, and every turn gives one ratio. With --gpu the same on
the GPU, in single precision.

Writes results/pogoncheff2023_training.csv beside this file: medians over the rounds; the processor
time suffers less from neighbours than the wall time. ``times_plain`` are medians of the ratios to
the plain network, in wall and in processor time; ``times_faster`` is against the published layers.
"""

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pogoncheff2023_released import ReleasedNetwork
from torch import Tensor, nn

from configured_models import pogoncheff_networks
from v1lib.device import choose_device
from v1lib.models import ClassifierInfo
from v1lib.models.pogoncheff2023 import ResNet, resnet

SIZES = {  # blocks, width, images in a batch
    "resnet50": ([3, 4, 6, 3], 64, 8),
    "small": ([3, 1, 1, 1], 16, 32),
}
INFO = ClassifierInfo(n_classes=1000, stimulus_shape=(3, 64, 64))
SGD = {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-5, "fused": True}
NETWORKS = pogoncheff_networks()
PLAIN = "resnet50"  # the network without components, of any size
# The published code on 2 threads of a machine with 2 cores, 8 images, seconds per step.
ORIGINAL_SECONDS = {
    ("resnet50", "resnet50"): 0.135,
    ("resnet50", "composite_a"): 1.07,
    ("resnet50", "composite_e"): 0.84,
    ("resnet50", "composite_g"): 0.50,
}


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpu", action="store_true", help="measure on the GPU as well")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each variant")
    parser.add_argument("--threads", type=int, default=2, help="of the processor")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    return parser.parse_args()


def network_of(name: str, size: str) -> ResNet:
    """A network with its first weights, in training mode."""
    blocks, width, _ = SIZES[size]
    torch.manual_seed(0)
    params = NETWORKS[name] | {"blocks": blocks, "width": width}
    return resnet(INFO, **params).train()


def stepper(network: nn.Module, size: str, device: str) -> Callable[[], Tensor]:
    """A function that makes one training step and returns the loss."""
    generator = torch.Generator().manual_seed(1)
    n = SIZES[size][2]
    images = (torch.rand(n, *INFO.stimulus_shape, generator=generator) * 2 - 1).to(device)
    labels = torch.randint(INFO.n_classes, (n,), generator=generator).to(device)
    network = network.to(device)
    optimiser = torch.optim.SGD(network.parameters(), **SGD)

    def step() -> Tensor:
        loss = nn.functional.cross_entropy(network(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def check_losses(name: str, steps: dict[str, Callable]) -> None:
    """The layers of both codes make the same loss.

    Raises:
        AssertionError: they differ by more than rounding.
    """
    losses = []
    for variant in ("published layers", "this project"):
        torch.manual_seed(2)  # of dropout
        losses.append(steps[variant]())
    torch.testing.assert_close(*losses, rtol=1e-4, atol=0, msg=lambda text: f"{name}: {text}")


def seconds(step: Callable[[], Tensor], device: str) -> tuple[float, float]:
    """Wall and processor time of a step."""
    wall, processor = time.perf_counter(), time.process_time()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - processor


def measure(name: str, size: str, device: str, n_rounds: int) -> list[dict]:
    """Rows of one network: the plain one, this project's, and with the published layers."""
    network = network_of(name, size)
    networks = {
        "plain": network_of(PLAIN, size),
        "published layers": ReleasedNetwork(network),
        "this project": network,
    }
    steps = {variant: stepper(n, size, device) for variant, n in networks.items()}
    check_losses(name, steps)
    steps["plain"]()
    rounds = [[seconds(step, device) for step in steps.values()] for _ in range(n_rounds)]
    times = dict(zip(steps, np.array(rounds).transpose(1, 0, 2), strict=True))
    rows, released = [], np.median(times["published layers"][:, 0])
    for variant in ("published layers", "this project"):
        wall, processor = np.median(times[variant], axis=0)
        ratio, processor_ratio = np.median(times[variant] / times["plain"], axis=0)
        row = {"network": name, "variant": variant, "seconds_per_step": wall}
        row |= {"processor_seconds_per_step": processor}
        row |= {"images_per_second": SIZES[size][2] / wall, "times_plain": ratio}
        row |= {"processor_times_plain": processor_ratio, "times_faster": released / wall}
        rows.append(row | {"original_seconds_2_threads": ORIGINAL_SECONDS.get((size, name))})
    return rows


def main() -> None:
    """Measure, print, write."""
    given = options()
    rows = []
    for device in ("cpu", "cuda") if given.gpu else ("cpu",):
        choose_device(device, int(device == "cuda"), given.threads)
        # Gradients of the published resizing have no deterministic form on a GPU.
        torch.use_deterministic_algorithms(device == "cpu")
        for size in given.sizes:
            setting = {"device": device, "size": size, "images": SIZES[size][2]}
            setting |= {"threads": given.threads}
            for name in given.networks:
                found = measure(name, size, device, given.rounds)
                rows += [setting | row for row in found]
                print(pd.DataFrame(found).to_string(header=False, float_format="{:.3g}".format))
    table = pd.DataFrame(rows)
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "pogoncheff2023_training.csv", index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format="{:.3g}".format))
    print(f"torch {torch.__version__}, {platform.processor() or platform.machine()}")


if __name__ == "__main__":
    main()
